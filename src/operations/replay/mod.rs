//! Sends the events in the queue of undelivered alerts through the notifier again.

pub mod fate;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::events::Event;
use super::session::{Session, nothing_changed};
use super::target::{Context, Target};
use super::verdict::Verdict;
use crate::aws::calls::invocation;
use crate::aws::calls::undelivered::{Content, Entry, Undelivered};
use crate::aws::client::wait::{Attempt, COUNTING};
use crate::aws::kinds::{Given, function, queue};
use crate::error::{Category, Error, Hint, Result};
use crate::reconcile::resource::{Inventory, Observed, Seen};
use crate::stack::{Address, Kind, Place, Stack};
use crate::words::count;
use fate::{Fate, Handled};

/// The time for which a run holds entries. Each entry is held again, for [`TURN`], before it is sent.
const HOLD: Duration = Duration::from_mins(10);
const TURN: Duration = Duration::from_mins(2);
/// The time for which a dry run holds entries.
const GLANCE: Duration = Duration::from_secs(30);
/// The number of failures of the notifier in a row after which a run ends: so many are not the fault of the events.
const MOST_REFUSED: usize = 2;
/// The most entries of one run: SQS allows 120,000 to be held at once, but memory is limited.
const MOST: usize = 1000;
const UNANSWERED: &str = "AWS had not answered";

/// The result of a run.
pub struct Replay {
    pub stack: Stack,
    pub place: Place,
    /// Whether the run sends nothing.
    pub is_dry_run: bool,
    /// The entries, oldest first.
    pub entries: Vec<Entry>,
    /// The results for the entries, from the first entry to the last one that was handled.
    pub fates: Vec<Fate>,
    /// The approximate number of further entries in the queue, which SQS did not return.
    pub elsewhere: usize,
    /// The reason for an end before the last entry, if nothing failed.
    pub stopped: Option<Stopped>,
    /// The error of each entry that stays, but could not be released.
    pub held: Vec<String>,
    /// The error of reading the queue.
    failed: Option<Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    Interrupted,
    /// SQS would soon return the held entries to other readers too.
    OutOfTime,
}

/// Opens the queue of a stack.
async fn open(kinds: &[Kind], target: &Target, context: &Context) -> Result<(Session, Place, Undelivered)> {
    let session = Session::open(target, Given::default(), context).await?;
    let wanted = [queue::address(&session.stack), function::address(&session.stack)];
    let (seen, place) = session.observe_only(kinds).await?;
    session.report_place(&place);
    for address in wanted.iter().filter(|address| kinds.contains(&address.id.kind)) {
        must_serve(&seen, address)?;
    }
    let name = session.stack.queue_name();
    let queue = session.unless_interrupted(Undelivered::open(&session.sdk, &name)).await.map_err(nothing_changed)??;
    let queue = queue.ok_or_else(|| Error::new("the stack has no queue").hint(Hint::SetUp))?;
    Ok((session, place, queue))
}

/// Receives the entries of the queue and sends them, oldest first. In a dry run, only receives them.
///
/// # Errors
/// If the stack has no queue or no notifier. The result contains everything that happened after that check.
pub async fn replay(is_dry_run: bool, target: &Target, context: &Context) -> Result<Replay> {
    let kinds: &[Kind] = if is_dry_run { &[Kind::Queue] } else { &[Kind::Queue, Kind::Function] };
    let (session, place, queue) = open(kinds, target, context).await?;
    let mut replay = Replay {
        stack: session.stack.clone(),
        place,
        is_dry_run,
        entries: Vec::new(),
        fates: Vec::new(),
        elsewhere: 0,
        stopped: None,
        held: Vec::new(),
        failed: None,
    };
    // Release the entries that stay in any case, before anything is reported.
    replay.failed = replay.carry_out(&session, &queue, context).await.err();
    let kept = replay.kept();
    let held = session.letting_go(queue.let_go(&kept)).await;
    replay.held = match held {
        Some(faults) => faults.iter().map(ToString::to_string).collect(),
        None => kept.iter().map(|_| UNANSWERED.to_owned()).collect(),
    };
    Ok(replay)
}

impl Replay {
    /// Returns the time for which entries are held.
    #[must_use]
    pub fn hold(&self) -> Duration {
        if self.is_dry_run { GLANCE } else { HOLD }
    }

    /// Receives the entries and sends them, up to the first fault of AWS, or until the notifier fails twice in a row.
    async fn carry_out(&mut self, session: &Session, queue: &Undelivered, context: &Context) -> Result<()> {
        let hold = self.hold();
        let start = Instant::now();
        let interrupted = || session.waiter.cancel.is_cancelled();
        let collect = queue.collect(hold, MOST, interrupted, &mut self.entries);
        let Some(collected) = session.letting_go(collect).await else {
            let minutes = hold.as_secs().div_ceil(60);
            return Err(Error::interrupted(format!("replay was interrupted; {UNANSWERED}"))
                .hint(format!("the entries that SQS may have returned stay hidden for up to {minutes} minutes")));
        };
        collected?;
        if !interrupted() {
            let more = session.unless_interrupted(elsewhere(session, queue, self.entries.len())).await;
            self.elsewhere = more.unwrap_or(Ok(0))?;
        }
        let mut refused = 0;
        for entry in &self.entries {
            self.stopped = match (interrupted(), start.elapsed() + TURN > HOLD) {
                (true, _) => Some(Stopped::Interrupted),
                (false, true) if !self.is_dry_run => Some(Stopped::OutOfTime),
                _ => None,
            };
            if self.stopped.is_some() {
                break;
            }
            let fate = match &entry.content {
                Content::Unknown { .. } => Fate::Unknown,
                Content::Event { .. } if self.is_dry_run => Fate::Waiting,
                Content::Event { event, .. } => {
                    let sent = session.letting_go(send(session, queue, entry, event)).await;
                    sent.unwrap_or_else(|| {
                        Fate::Failed(format!(
                            "interrupted, and {UNANSWERED}: the event may have been sent, and stays in the queue"
                        ))
                    })
                }
            };
            (context.listener)(Event::Handled(Handled { entry: entry.clone(), fate: fate.clone() }));
            refused = match fate {
                Fate::Refused(_) => refused + 1,
                Fate::Sent(_) => 0,
                _ => refused,
            };
            // If Lambda or SQS fails now, the next entry would fail too: stop, so that the others stay in order.
            let stop = matches!(fate, Fate::Failed(_) | Fate::NotDeleted(_));
            self.fates.push(fate);
            if stop || refused == MOST_REFUSED {
                self.stopped = interrupted().then_some(Stopped::Interrupted);
                break;
            }
        }
        if interrupted() && self.entries.is_empty() {
            self.stopped = Some(Stopped::Interrupted);
        }
        Ok(())
    }

    /// Returns the entries that stay in the queue.
    #[must_use]
    pub fn kept(&self) -> Vec<&Entry> {
        let gone = |at: usize| matches!(self.fates.get(at), Some(Fate::Sent(_)));
        self.entries.iter().enumerate().filter(|(at, _)| !gone(*at)).map(|(_, entry)| entry).collect()
    }

    /// Returns a summary in words: the numbers of alerts that were sent, that failed and that are left.
    #[must_use]
    pub fn came_to(&self) -> String {
        let kept = self.kept().len();
        let sent = self.entries.len() - kept;
        let failed = self.fates.iter().filter(|fate| matches!(fate, Fate::Refused(_) | Fate::Failed(_))).count();
        let failures = if failed == 0 { String::new() } else { format!("{failed} failed, ") };
        format!("{} sent, {failures}{} left in the queue", alerts(sent), alerts(kept))
    }

    /// Checks whether the run ended because of the limits of a run: the number of entries or the time.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() >= MOST || self.stopped == Some(Stopped::OutOfTime)
    }

    /// Returns the verdict of a run without an error. A dry run leaves all alerts in the queue.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.is_left() && !self.is_dry_run { Verdict::Failed } else { Verdict::InSync }
    }

    /// Checks whether alerts are known to be left in the queue.
    fn is_left(&self) -> bool {
        !self.kept().is_empty() || self.elsewhere > 0 || self.is_full()
    }

    /// Returns the reason for an early end, or none if the run was complete.
    pub fn error(&mut self) -> Option<Error> {
        let came_to = self.came_to();
        if let Some(error) = self.failed.take() {
            return Some(error);
        }
        if self.stopped == Some(Stopped::Interrupted) {
            return Some(Error::interrupted(format!("replay was interrupted; {came_to}")));
        }
        if let Some(Fate::NotDeleted(why)) = self.fates.last() {
            let error = Error::new(format!("the sent entry could not be deleted: {why}; {came_to}"));
            return Some(
                error.hint(
                    "the next replay sends the entry again; the notifier announces it again only with --no-dedupe",
                ),
            );
        }
        let last = self.fates.iter().rev().find_map(|fate| match fate {
            Fate::Refused(why) | Fate::Failed(why) => Some(why),
            _ => None,
        });
        last.map(|why| {
            Error::new(format!("the notifier did not accept the event: {why}; {came_to}"))
                .hint("`taskbell drill` shows the broken hop; fix it, then run the same command again: it continues from here")
        })
    }
}

/// Returns the approximate number of entries in the queue beyond `known`. SQS counts late: the count may include entries that were
/// just received or deleted.
async fn elsewhere(session: &Session, queue: &Undelivered, known: usize) -> Result<usize> {
    let count = Mutex::new(0);
    let look = || async {
        let more = usize::try_from(queue.depth().await?).unwrap_or(usize::MAX).saturating_sub(known);
        *count.lock().unwrap_or_else(PoisonError::into_inner) = more;
        Ok(match more {
            0 => Attempt::Ready(()),
            _ => Attempt::NotYet { what: "SQS to count again".to_owned(), fault: None },
        })
    };
    match session.waiter.within(&queue::address(&session.stack).id, COUNTING, look).await {
        // The caller checks for interruption too.
        Err(error) if error.is_interrupted() => {}
        waited => drop(waited?),
    }
    Ok(count.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Sends an entry through the notifier, and deletes the entry only after that.
async fn send(session: &Session, queue: &Undelivered, entry: &Entry, event: &Value) -> Fate {
    // Hold the entry again: the entries before it may have taken long.
    if let Err(fault) = queue.hold(entry, TURN).await {
        return Fate::Failed(fault.to_string());
    }
    match invocation::invoke(&session.sdk, &session.stack.function_name(), event).await {
        Err(fault) => Fate::Failed(fault.to_string()),
        Ok(Err(why)) => Fate::Refused(why),
        Ok(Ok(outcome)) => match queue.delete(entry).await {
            Ok(()) => Fate::Sent(outcome),
            Err(fault) => Fate::NotDeleted(fault.to_string()),
        },
    }
}

/// A purge of the queue, before the user confirms it.
pub struct Purge {
    pub stack: Stack,
    pub place: Place,
    /// The approximate number of alerts in the queue.
    pub depth: usize,
    session: Session,
    queue: Undelivered,
}

/// Counts the alerts in the queue. Writes nothing.
///
/// # Errors
/// If the stack has no queue, or it cannot be read; on interruption.
pub async fn prepare_purge(target: &Target, context: &Context) -> Result<Purge> {
    let (session, place, queue) = open(&[Kind::Queue], target, context).await?;
    let depth = session.unless_interrupted(queue.depth()).await.map_err(nothing_changed)??;
    let depth = usize::try_from(depth).unwrap_or(usize::MAX);
    Ok(Purge { stack: session.stack.clone(), place, depth, session, queue })
}

impl Purge {
    /// Deletes all alerts in the queue.
    ///
    /// # Errors
    /// If SQS refuses, or did not answer before the run was interrupted.
    pub async fn apply(&self) -> Result<()> {
        let purged = self.session.letting_go(self.queue.purge()).await;
        let unanswered = || Error::interrupted("interrupted before SQS answered: the queue may or may not be empty");
        Ok(purged.ok_or_else(unanswered)??)
    }
}

fn must_serve(seen: &Inventory, address: &Address) -> Result<()> {
    let id = &address.id;
    let seen = seen.get(id);
    if let Some(Ok(Some(_))) = seen.map(Seen::serving) {
        return Ok(());
    }
    match seen.map(|seen| &seen.observed) {
        Some(Err(error)) => {
            let told =
                Error::new(format!("could not read {id}: {}", error.in_one_line())).category(Category::Unreadable);
            Err(error.nearest_hint().cloned().into_iter().fold(told, Error::hint))
        }
        Some(Ok(Observed::Foreign { evidence, .. })) => {
            Err(Error::new(format!("{id} ({}) does not belong to the stack: {evidence}", address.name)))
        }
        _ => Err(Error::new(format!("the stack has no {id}")).hint(Hint::SetUp)),
    }
}

fn alerts(number: usize) -> String {
    count(number, "alert")
}
