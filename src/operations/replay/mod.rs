//! Sends what lies in the queue of undelivered alerts through the notifier again.

pub mod fate;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::events::Event;
use super::session::{Session, nothing_changed};
use super::target::{Context, Target};
use crate::aws::calls::invocation;
use crate::aws::calls::undelivered::{Content, Entry, Undelivered};
use crate::aws::client::wait::{Attempt, COUNTING};
use crate::aws::kinds::{Given, function, queue};
use crate::error::{Category, Error, Result};
use crate::reconcile::resource::{Inventory, Observed, Seen};
use crate::stack::{Address, Place, Stack};
use crate::words::count;
use fate::{Fate, Handled};

/// How long entries are held while they are sent; each is held anew when its turn comes.
const HOLD: Duration = Duration::from_mins(10);
const TURN: Duration = Duration::from_mins(2);
/// How long they are held to be looked at.
const GLANCE: Duration = Duration::from_secs(30);
/// What the notifier fails on so often in a row is not the events' fault.
const MOST_REFUSED: usize = 2;
/// Of one run: SQS lets 120,000 be held at once, and memory is not endless.
const MOST: usize = 1000;
const UNANSWERED: &str = "AWS had not answered";

/// What a run came to.
pub struct Replay {
    pub stack: Stack,
    pub place: Place,
    /// Nothing is sent.
    pub is_dry_run: bool,
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Of the entries from the first on, as far as it came.
    pub fates: Vec<Fate>,
    /// About how many more lie in the queue, which were not handed out.
    pub elsewhere: usize,
    /// Why it ended before the last entry, if nothing failed.
    pub stopped: Option<Stopped>,
    /// Why entries that stay could not be let go of, for each of them.
    pub held: Vec<String>,
    /// Why the queue could not be read.
    failed: Option<Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    Interrupted,
    /// What is held would soon be handed to others too.
    OutOfTime,
}

/// The queue of a stack, opened.
async fn open(kinds: &[&str], target: &Target, context: &Context) -> Result<(Session, Place, Undelivered)> {
    let session = Session::open(target, Given::default(), context).await?;
    let wanted = [queue::address(&session.stack), function::address(&session.stack)];
    let (seen, place) = session.observe_only(kinds).await?;
    session.report_place(&place);
    for address in wanted.iter().filter(|address| kinds.contains(&address.id.kind)) {
        must_serve(&seen, address)?;
    }
    let name = session.stack.queue_name();
    let queue = session.unless_interrupted(Undelivered::open(&session.sdk, &name)).await.map_err(nothing_changed)??;
    let queue = queue.ok_or_else(|| Error::new("the stack has no queue").hint("`taskbell setup` makes it"))?;
    Ok((session, place, queue))
}

/// Takes the entries of the queue, oldest first, and sends them; in a dry run it only looks at them.
///
/// # Errors
/// If the stack has no queue or no notifier. What happened after that is in the result.
pub async fn replay(is_dry_run: bool, target: &Target, context: &Context) -> Result<Replay> {
    let kinds: &[&str] = if is_dry_run { &["queue"] } else { &["queue", "function"] };
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
    // However it goes: what was taken out of the queue and is not done with goes back before anything else is told.
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
    /// How long entries are held.
    #[must_use]
    pub fn hold(&self) -> Duration {
        if self.is_dry_run { GLANCE } else { HOLD }
    }

    /// Takes the entries and sends them, up to the first fault of AWS, or until the notifier fails twice in a row.
    async fn carry_out(&mut self, session: &Session, queue: &Undelivered, context: &Context) -> Result<()> {
        let hold = self.hold();
        let start = Instant::now();
        let interrupted = || session.waiter.cancel.is_cancelled();
        let collect = queue.collect(hold, MOST, interrupted, &mut self.entries);
        let Some(collected) = session.letting_go(collect).await else {
            let minutes = hold.as_secs().div_ceil(60);
            return Err(Error::interrupted(format!("replay was interrupted; {UNANSWERED}"))
                .hint(format!("what SQS may have handed out is given to nobody for up to {minutes} minutes")));
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
                        Fate::Failed(format!("interrupted, and {UNANSWERED}: it may be sent, and stays"))
                    })
                }
            };
            (context.listener)(Event::Handled(Handled { entry: entry.clone(), fate: fate.clone() }));
            refused = match fate {
                Fate::Refused(_) => refused + 1,
                Fate::Sent(_) => 0,
                _ => refused,
            };
            // What Slack, Lambda or SQS did not do now it will not do a moment later either: the rest stays in order.
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

    /// Those that stay in the queue.
    #[must_use]
    pub fn kept(&self) -> Vec<&Entry> {
        let gone = |at: usize| matches!(self.fates.get(at), Some(Fate::Sent(_)));
        self.entries.iter().enumerate().filter(|(at, _)| !gone(*at)).map(|(_, entry)| entry).collect()
    }

    /// In words: what was sent, what failed, what is left.
    #[must_use]
    pub fn came_to(&self) -> String {
        let kept = self.kept().len();
        let sent = self.entries.len() - kept;
        let failed = self.fates.iter().filter(|fate| matches!(fate, Fate::Refused(_) | Fate::Failed(_))).count();
        let failures = if failed == 0 { String::new() } else { format!("{failed} failed, ") };
        format!("{} sent, {failures}{} left in the queue", alerts(sent), alerts(kept))
    }

    /// Whether it ended because it took as much as one run takes.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() >= MOST || self.stopped == Some(Stopped::OutOfTime)
    }

    /// Whether alerts are known to be left in the queue.
    #[must_use]
    pub fn is_left(&self) -> bool {
        !self.kept().is_empty() || self.elsewhere > 0 || self.is_full()
    }

    /// Why it ended early, if it did.
    pub fn error(&mut self) -> Option<Error> {
        let came_to = self.came_to();
        if let Some(error) = self.failed.take() {
            return Some(error);
        }
        if self.stopped == Some(Stopped::Interrupted) {
            return Some(Error::interrupted(format!("replay was interrupted; {came_to}")));
        }
        if let Some(Fate::NotDeleted(why)) = self.fates.last() {
            let error = Error::new(format!("what was sent could not be deleted: {why}; {came_to}"));
            return Some(
                error.hint("a replay sends it again, and the notifier announces it again only with --no-dedupe"),
            );
        }
        let last = self.fates.iter().rev().find_map(|fate| match fate {
            Fate::Refused(why) | Fate::Failed(why) => Some(why),
            _ => None,
        });
        last.map(|why| {
            Error::new(format!("the notifier did not take it: {why}; {came_to}"))
                .hint("`taskbell drill` tells which link does not hold; then the same command goes on from here")
        })
    }
}

/// About how many lie in the queue beyond so many. SQS counts late: what was just taken or deleted may still be counted.
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
        // Whoever sends looks for it, too.
        Err(error) if error.is_interrupted() => {}
        waited => drop(waited?),
    }
    Ok(count.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// One entry through the notifier. It is deleted only after that.
async fn send(session: &Session, queue: &Undelivered, entry: &Entry, event: &Value) -> Fate {
    // Held for its turn: the entries before it may have taken long.
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

/// What a purge would delete.
pub struct Purge {
    pub stack: Stack,
    pub place: Place,
    /// About how many alerts lie in the queue.
    pub depth: usize,
    session: Session,
    queue: Undelivered,
}

/// Counts what lies in the queue. Writes nothing.
///
/// # Errors
/// If the stack has no queue, or it cannot be read; on interruption.
pub async fn prepare_purge(target: &Target, context: &Context) -> Result<Purge> {
    let (session, place, queue) = open(&["queue"], target, context).await?;
    let depth = session.unless_interrupted(queue.depth()).await.map_err(nothing_changed)??;
    let depth = usize::try_from(depth).unwrap_or(usize::MAX);
    Ok(Purge { stack: session.stack.clone(), place, depth, session, queue })
}

impl Purge {
    /// Deletes what lies in the queue.
    ///
    /// # Errors
    /// If SQS does not, or did not answer before the end.
    pub async fn apply(&self) -> Result<()> {
        let purged = self.session.letting_go(self.queue.purge()).await;
        let unanswered = || Error::interrupted("interrupted before SQS answered: the queue may be empty or not");
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
            Err(Error::new(format!("{id} ({}) is not the stack's: {evidence}", address.name)))
        }
        _ => Err(Error::new(format!("the stack has no {id}")).hint("`taskbell setup` makes it")),
    }
}

fn alerts(number: usize) -> String {
    count(number, "alert")
}
