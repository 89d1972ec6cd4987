//! Waiting for AWS: how often the SDK tries by itself, and the only place that sleeps or retries beyond that.
//! Every wait is bounded, says what it waits for, starts short, backs off with jitter, and ends at once on Ctrl-C.

use std::future::Future;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fault::Fault;
use crate::error::{Error, Result};
use crate::reconcile::resource::{Event, Listener};
use crate::stack::Id;

/// A role is usable by other services some seconds after it was made; up to a minute has been seen.
pub const ROLE_PROPAGATION: Duration = Duration::from_mins(2);
/// A queue's name is held back for 60 seconds after its deletion.
pub const DELETED_QUEUE: Duration = Duration::from_secs(75);
/// A function's code or configuration is being taken over.
pub const FUNCTION_UPDATE: Duration = Duration::from_mins(5);
/// A table is being created, updated or deleted.
pub const TABLE_STATE: Duration = Duration::from_mins(3);
/// Somebody else is changing the same resource.
pub const CONFLICT: Duration = Duration::from_mins(1);

/// What was just written may be read as it was before: a queue's attributes for up to a minute.
pub const SETTLING: Duration = Duration::from_mins(2);
/// A rule that was made or changed takes effect after a short delay, which nothing tells.
pub const NEW_RULE: Duration = Duration::from_mins(1);
/// Interrupted, calls in flight are given so long to end.
pub const LETTING_GO: Duration = Duration::from_secs(10);
/// A queue's hosts count for themselves, and tell each other some seconds later.
pub const COUNTING: Duration = Duration::from_secs(10);

/// What is waited for is told again that often.
const TOLD_AGAIN: Duration = Duration::from_secs(10);

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Lambda and IAM take some fifteen calls a second of a whole account: of ten stacks at once, half fail with the three attempts
/// of the SDK's own. The pauses between eight attempts take 13 seconds on average, and 25 at most.
const ATTEMPTS: u32 = 8;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// How often the SDK makes a call by itself.
#[must_use]
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_BACKOFF)
}

/// The same where a look is made again anyway: it fails before its time is over, so that it tells what AWS said.
#[must_use]
pub fn retries_of_a_look() -> RetryConfig {
    RetryConfig::standard().with_initial_backoff(FIRST_BACKOFF)
}

/// How long the SDK waits for an answer, and for all attempts of a call together.
#[must_use]
pub fn time_outs() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_mins(1))
        .build()
}

/// The same where calls of many stacks wait for their turn first.
#[must_use]
pub fn time_outs_of_many() -> TimeoutConfig {
    time_outs()
        .to_builder()
        .operation_attempt_timeout(Duration::from_mins(1))
        .operation_timeout(Duration::from_mins(5))
        .build()
}

/// How one attempt went.
pub enum Attempt<T> {
    Ready(T),
    /// What AWS still needs, and the call that told so.
    NotYet {
        what: String,
        fault: Option<Fault>,
    },
}

/// The time for waiting is spent.
#[derive(Debug)]
pub struct Late {
    pub seconds: u64,
    pub what: String,
    fault: Option<Fault>,
}

impl From<Late> for Error {
    fn from(Late { seconds, what, fault }: Late) -> Self {
        let error = Self::new(format!("waited {seconds} s for {what}"))
            .hint("the same command may be run again and goes on from here");
        match fault {
            Some(fault) => error.because(fault),
            None => error,
        }
    }
}

/// Waits, telling `listener` and heeding `cancel`.
#[derive(Clone)]
pub struct Waiter {
    pub listener: Listener,
    pub cancel: CancellationToken,
}

impl Waiter {
    /// Attempts until ready.
    ///
    /// # Errors
    /// What an attempt fails with; the last fault once `budget` is spent; interruption.
    pub async fn until<T, F>(&self, id: &Id, budget: Duration, attempt: impl FnMut() -> F + Send) -> Result<T>
    where
        F: Future<Output = Result<Attempt<T>>> + Send,
    {
        match self.within(id, budget, attempt).await? {
            Ok(value) => Ok(value),
            Err(late) => Err(late.into()),
        }
    }

    /// Attempts until ready, or until `budget` is spent: the inner error.
    ///
    /// # Errors
    /// What an attempt fails with; interruption.
    pub async fn within<T, F>(
        &self,
        id: &Id,
        budget: Duration,
        mut attempt: impl FnMut() -> F + Send,
    ) -> Result<Result<T, Late>>
    where
        F: Future<Output = Result<Attempt<T>>> + Send,
    {
        let start = Instant::now();
        let mut pause = FIRST_PAUSE;
        let (mut told, mut told_at) = (String::new(), start);
        loop {
            let (what, fault) = match attempt().await? {
                Attempt::Ready(value) => return Ok(Ok(value)),
                Attempt::NotYet { what, fault } => (what, fault),
            };
            if start.elapsed() + pause > budget {
                return Ok(Err(Late { seconds: start.elapsed().as_secs(), what, fault }));
            }
            if told != what || told_at.elapsed() >= TOLD_AGAIN {
                let seconds = start.elapsed().as_secs();
                (self.listener)(Event::Waiting { id: id.clone(), what: what.clone(), seconds });
                (told, told_at) = (what, Instant::now());
            }
            self.pause(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Makes the call again for as long as `reason` can say what AWS still needs.
    ///
    /// # Errors
    /// As [`Waiter::until`].
    pub async fn retry<T, F>(
        &self,
        id: &Id,
        budget: Duration,
        reason: impl Fn(&Fault) -> Option<&'static str> + Send + Sync,
        mut call: impl FnMut() -> F + Send,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let reason = &reason;
        self.until(id, budget, || {
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

    /// Makes the call again while everybody of the account together makes more than AWS takes, beyond the SDK's own attempts.
    ///
    /// # Errors
    /// What it fails with otherwise; the throttling itself once [`CONFLICT`] is over, or on interruption.
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

    /// Lets the time pass that AWS needs, where no call tells whether it still does.
    ///
    /// # Errors
    /// Interruption.
    pub async fn pass(&self, id: &Id, time: Duration, what: &str) -> Result<()> {
        (self.listener)(Event::Waiting { id: id.clone(), what: what.to_owned(), seconds: 0 });
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

/// Until it is a call's turn.
#[allow(clippy::disallowed_methods, reason = "here is where it is slept")]
pub async fn turn(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Until then.
#[allow(clippy::disallowed_methods, reason = "here is where it is slept")]
pub async fn moment(time: Instant) {
    tokio::time::sleep_until(time).await;
}

/// What came of it within the time, if anything did.
pub async fn at_most<T>(time: Duration, look: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, look).await.ok()
}

/// Everybody of the account together makes more calls than the service takes, for longer than the SDK tries.
#[must_use]
pub fn throttled(fault: &Fault) -> Option<&'static str> {
    fault.is(&["ThrottlingException", "TooManyRequestsException"]).then_some("AWS to take more calls")
}

/// Somebody (or our own last call) is still changing the same resource.
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_waited_for_is_told_at_once_and_again_with_the_time_it_has_taken() {
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
        let late = waiter.within(&Id::new("function", "notifier"), Duration::from_mins(1), look).await.unwrap();
        assert_eq!(late.unwrap_err().what, "the other");
        let told = told.lock().unwrap();
        let seconds: Vec<u64> = told.iter().map(|(_, seconds)| *seconds).collect();
        assert_eq!((seconds[0], told[0].0.as_str()), (0, "the one"));
        assert!(seconds.windows(2).all(|two| two[1] - two[0] <= 15), "{seconds:?}");
        assert!((4..=7).contains(&told.len()), "{told:?}");
    }
}
