//! Waits for AWS: sets the SDK's own attempts, and is the only module that sleeps or retries beyond them.
//! Every wait is bounded, reports its reason, starts short, backs off with jitter, and ends at once on Ctrl-C.

use std::future::Future;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fault::Fault;
use crate::error::{Error, Result};
use crate::reconcile::resource::{Event, Listener};
use crate::stack::Subject;

/// Longest wait for a new role: other services can use it some seconds after its creation; up to a minute has been observed.
pub const ROLE_PROPAGATION: Duration = Duration::from_mins(2);
/// Longest wait for the name of a deleted queue: SQS blocks the name for 60 seconds.
pub const DELETED_QUEUE: Duration = Duration::from_secs(75);
/// Longest wait until Lambda has applied a function's code or configuration.
pub const FUNCTION_UPDATE: Duration = Duration::from_mins(5);
/// Longest wait until a table is created, updated or deleted.
pub const TABLE_STATE: Duration = Duration::from_mins(3);
/// Longest wait until EventBridge Scheduler has deleted a schedule group with its schedules.
pub const SCHEDULE_GROUP: Duration = Duration::from_mins(5);
/// Longest wait for the end of another change of the same resource.
pub const CONFLICT: Duration = Duration::from_mins(1);

/// Longest wait until a write is visible: a read may return old values, of a queue's attributes for up to a minute.
pub const SETTLING: Duration = Duration::from_mins(2);
/// Wait for a rule that was created or changed: it takes effect after a short delay, and no call reports when.
pub const NEW_RULE: Duration = Duration::from_mins(1);
/// Wait for a statement of a function's resource policy: callers see it a short time later, and no call reports when.
pub const NEW_STATEMENT: Duration = Duration::from_secs(10);
/// Time that calls in flight have to end after an interruption.
pub const LETTING_GO: Duration = Duration::from_secs(10);
/// Longest wait for a queue's count: each host counts separately, and the hosts share their counts some seconds later.
pub const COUNTING: Duration = Duration::from_secs(10);

/// Interval after which a wait is reported again.
const TOLD_AGAIN: Duration = Duration::from_secs(10);

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Lambda and IAM accept some fifteen calls a second from a whole account. Of ten stacks at once, half fail with the SDK's own three
/// attempts. Where the services refuse every second attempt, one call of 250 fails after eight attempts, and one of 4,000 after twelve.
/// The pauses between twelve attempts take 15 seconds on average, and 30 at most: half of the time limit of a call.
const ATTEMPTS: u32 = 12;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(4);

/// Returns the SDK's own retries of a call.
#[must_use]
pub fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_BACKOFF)
        .with_max_backoff(LONGEST_BACKOFF)
}

/// Returns fewer retries, for a look that is repeated anyway: the call fails before its time is over, so that AWS's answer is
/// reported.
#[must_use]
pub fn retries_of_a_look() -> RetryConfig {
    RetryConfig::standard().with_initial_backoff(FIRST_BACKOFF)
}

/// Returns the SDK's time limits for one answer, and for all attempts of a call together.
#[must_use]
pub fn time_outs() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_mins(1))
        .build()
}

/// Returns the time limits for calls of many stacks, which wait for their turn first.
#[must_use]
pub fn time_outs_of_many() -> TimeoutConfig {
    time_outs()
        .to_builder()
        .operation_attempt_timeout(Duration::from_mins(1))
        .operation_timeout(Duration::from_mins(5))
        .build()
}

/// The result of one attempt.
pub enum Attempt<T> {
    Ready(T),
    /// AWS still needs `what`; `fault` is the call that reported it.
    NotYet {
        what: String,
        fault: Option<Fault>,
    },
}

impl<T> Attempt<T> {
    /// Returns the attempt to read a resource that was just created, or just read.
    #[must_use]
    pub fn seen(found: Option<T>) -> Self {
        found.map_or_else(|| Self::NotYet { what: NEW_RESOURCE.to_owned(), fault: None }, Self::Ready)
    }
}

/// The end of a wait whose time was spent.
#[derive(Debug)]
pub struct Late {
    pub seconds: u64,
    pub what: String,
    fault: Option<Fault>,
}

impl From<Late> for Error {
    fn from(Late { seconds, what, fault }: Late) -> Self {
        let error = Self::new(format!("waited {seconds} s for {what}"))
            .hint("run the same command again; it continues from here");
        match fault {
            Some(fault) => error.because(fault),
            None => error,
        }
    }
}

/// A waiter that reports to `listener` and stops on `cancel`.
#[derive(Clone)]
pub struct Waiter {
    pub listener: Listener,
    pub cancel: CancellationToken,
}

impl Waiter {
    /// Repeats attempts until one is ready.
    ///
    /// # Errors
    /// Returns an attempt's error, the last fault once `budget` is spent, or an interruption.
    pub async fn until<T, F>(
        &self,
        subject: impl Into<Subject> + Send,
        budget: Duration,
        attempt: impl FnMut() -> F + Send,
    ) -> Result<T>
    where
        F: Future<Output = Result<Attempt<T>>> + Send,
    {
        match self.within(subject, budget, attempt).await? {
            Ok(value) => Ok(value),
            Err(late) => Err(late.into()),
        }
    }

    /// Repeats attempts until one is ready, or until `budget` is spent: then returns the inner error.
    ///
    /// # Errors
    /// Returns an attempt's error, or an interruption.
    pub async fn within<T, F>(
        &self,
        subject: impl Into<Subject> + Send,
        budget: Duration,
        mut attempt: impl FnMut() -> F + Send,
    ) -> Result<Result<T, Late>>
    where
        F: Future<Output = Result<Attempt<T>>> + Send,
    {
        let (subject, start) = (subject.into(), Instant::now());
        let mut pause = FIRST_PAUSE;
        let (mut told, mut told_at) = (String::new(), start);
        loop {
            // A call of the SDK takes tens of kilobytes of stack in every future that contains it.
            let (what, fault) = match Box::pin(attempt()).await? {
                Attempt::Ready(value) => return Ok(Ok(value)),
                Attempt::NotYet { what, fault } => (what, fault),
            };
            if start.elapsed() + pause > budget {
                return Ok(Err(Late { seconds: start.elapsed().as_secs(), what, fault }));
            }
            if told != what || told_at.elapsed() >= TOLD_AGAIN {
                let seconds = start.elapsed().as_secs();
                (self.listener)(Event::Waiting { subject: subject.clone(), what: what.clone(), seconds });
                (told, told_at) = (what, Instant::now());
            }
            self.pause(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Repeats the call as long as `reason` says what AWS still needs.
    ///
    /// # Errors
    /// Returns the errors of [`Waiter::until`].
    pub async fn retry<T, F>(
        &self,
        subject: impl Into<Subject> + Send,
        budget: Duration,
        reason: impl Fn(&Fault) -> Option<&'static str> + Send + Sync,
        mut call: impl FnMut() -> F + Send,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let reason = &reason;
        self.until(subject, budget, || {
            let answer = call();
            async move {
                match answer.await {
                    Ok(value) => Ok(Attempt::Ready(value)),
                    Err(fault) => match reason(&fault) {
                        Some(what) => Ok(Attempt::NotYet { what: what.to_owned(), fault: Some(fault) }),
                        None => Err(fault.into()),
                    },
                }
            }
        })
        .await
    }

    /// Repeats the call while all callers of the account together exceed AWS's limit, beyond the SDK's own attempts.
    ///
    /// # Errors
    /// Returns any other error of the call; the throttling itself once [`CONFLICT`] is over, or on interruption.
    pub async fn unless_throttled<T, F>(&self, mut call: impl FnMut() -> F + Send) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            match call().await {
                Err(fault) if throttled(&fault).is_some() && start.elapsed() < CONFLICT => {
                    if self.pause(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await.is_err() {
                        return Err(fault);
                    }
                }
                answer => return answer,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits for the time that AWS needs, if no call reports whether AWS is ready.
    ///
    /// # Errors
    /// On interruption.
    pub async fn pass(&self, subject: impl Into<Subject> + Send, time: Duration, what: &str) -> Result<()> {
        (self.listener)(Event::Waiting { subject: subject.into(), what: what.to_owned(), seconds: 0 });
        self.pause(time).await
    }

    #[allow(clippy::disallowed_methods, reason = "here is where it is slept")]
    async fn pause(&self, time: Duration) -> Result<()> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.cancel.cancelled() => Err(Error::interrupted("interrupted while waiting for AWS")),
        }
    }
}

/// Waits until it is a call's turn.
#[allow(clippy::disallowed_methods, reason = "here is where it is slept")]
pub async fn turn(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Waits until a moment.
#[allow(clippy::disallowed_methods, reason = "here is where it is slept")]
pub async fn moment(time: Instant) {
    tokio::time::sleep_until(time).await;
}

/// Returns the result of `look`; none if it takes longer than the time.
pub async fn at_most<T>(time: Duration, look: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, look).await.ok()
}

/// Returns the reason to wait if all callers of the account together exceed the service's limit for longer than the SDK retries.
#[must_use]
pub fn throttled(fault: &Fault) -> Option<&'static str> {
    fault.is(&["ThrottlingException", "TooManyRequestsException"]).then_some("AWS to accept more calls")
}

/// Returns the reason to wait if somebody (or taskbell's own last call) is still changing the same resource.
#[must_use]
pub fn conflict(fault: &Fault) -> Option<&'static str> {
    let codes = [
        "ConcurrentModificationException",
        "ConcurrentModification",
        "OperationAbortedException",
        "TooManyUpdates",
        "PreconditionFailedException",
    ];
    let in_progress = fault.is(&["ResourceConflictException"])
        && ["in progress", "concurrent update", "following state", "being deleted"].iter().any(|text| fault.says(text));
    (fault.is(&codes) || in_progress).then_some("another change of the same resource to finish")
}

/// Returns the reason to wait if AWS does not show a new resource to the next call yet. `absent` has the service's codes for a
/// resource that does not exist.
#[must_use]
pub fn unseen(fault: &Fault, absent: &[&str]) -> Option<&'static str> {
    if fault.is(absent) { Some(NEW_RESOURCE) } else { conflict(fault) }
}

/// The reason to wait for a resource that was just created, or just read.
pub const NEW_RESOURCE: &str = "AWS to show the resource everywhere";

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_are_reported_at_once_and_again_with_their_time() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&told);
        let listener: Listener = Arc::new(move |event| {
            if let Event::Waiting { what, seconds, .. } = event {
                listener.lock().unwrap_or_else(PoisonError::into_inner).push((what, seconds));
            }
        });
        let waiter = Waiter { listener, cancel: CancellationToken::new() };
        let start = Instant::now();
        let look = || async {
            let what = if start.elapsed().as_secs() < 40 { "the one" } else { "the other" };
            Ok(Attempt::<()>::NotYet { what: what.to_owned(), fault: None })
        };
        let late = waiter.within(Subject::Drill, Duration::from_mins(1), look).await.unwrap();
        assert_eq!(late.unwrap_err().what, "the other");
        let told = told.lock().unwrap();
        let seconds: Vec<u64> = told.iter().map(|(_, seconds)| *seconds).collect();
        assert_eq!((seconds[0], told[0].0.as_str()), (0, "the one"));
        assert!(seconds.windows(2).all(|two| two[1] - two[0] <= 15), "{seconds:?}");
        assert!((4..=7).contains(&told.len()), "{told:?}");
    }
}
