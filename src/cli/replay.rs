//! `replay`: sends what lies in the queue of undelivered alerts through the notifier again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::fleet::OfStack;
use super::options::{ClusterArgs, Common, Format};
use super::render;
use super::session::{Session, nothing_changed};
use super::world::World;
use crate::aws::calls::invocation;
use crate::aws::calls::undelivered::{Content, Entry, Undelivered};
use crate::aws::client::wait::{Attempt, COUNTING};
use crate::aws::kinds::{Given, function, queue};
use crate::config::settings::Settings;
use crate::error::{Category, Error, Result};
use crate::reconcile::resource::{Inventory, Observed, Seen};
use crate::stack::{Address, Place};

/// Send the alerts that could not be delivered once more.
///
/// Shows what lies in the queue, oldest first, and hands it to the notifier one at a time. An entry leaves the queue only once
/// the notifier has taken it: interrupting loses nothing. One that the notifier fails on stays, and the next is sent; two in a
/// row end the run. Exit code 0: nothing is known to be left in the queue; 1: something is, because it failed, is no event, is held
/// by another replay, or is more than one run takes. With --dry-run always 0.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell replay --cluster batch --dry-run
  taskbell replay --cluster batch
  taskbell replay --cluster batch --purge")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
    /// Show what lies in the queue and send nothing
    #[arg(long, conflicts_with = "purge")]
    dry_run: bool,
    /// Delete what lies in the queue instead of sending it
    #[arg(long)]
    purge: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        &self.clusters.clusters
    }

    fn complete(&mut self, settings: &Settings) {
        self.clusters.complete(settings);
    }
}

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

/// What became of an entry.
enum Fate {
    /// It would be sent.
    Waiting,
    /// The notifier took it: its outcome.
    Sent(String),
    /// It is not an event: it stays.
    Unknown,
    /// The notifier failed on it: the next one may fare better.
    Refused(String),
    /// AWS did not do it.
    Failed(String),
    /// Sent, but it could not be deleted: it stays, and is told once at most where there is a table.
    NotDeleted(String),
}

/// What a run came to.
#[derive(Default)]
struct Run {
    /// Oldest first.
    entries: Vec<Entry>,
    /// Of the entries from the first on, as far as it came.
    fates: Vec<Fate>,
    /// About how many more lie in the queue, which were not handed out.
    elsewhere: usize,
    /// Why it ended before the last entry, if nothing failed.
    stopped: Option<Stopped>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopped {
    Interrupted,
    /// What is held would soon be handed to others too.
    OutOfTime,
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let clusters = args.clusters.parse()?;
    let given = Given::default();
    let session = Session::open(common.stack_name(&clusters)?, given, common, world).await?;
    let kinds: &[&str] = if args.purge || args.dry_run { &["queue"] } else { &["queue", "function"] };
    let wanted = [queue::address(&session.stack), function::address(&session.stack)];
    let (seen, place) = session.observe_only(kinds).await?;
    session.show_title(&place, common, world);
    for address in wanted.iter().filter(|address| kinds.contains(&address.id.kind)) {
        must_serve(&seen, address)?;
    }
    let name = session.stack.queue_name();
    let queue = session.unless_interrupted(Undelivered::open(&session.sdk, &name)).await.map_err(nothing_changed)??;
    let queue = queue.ok_or_else(|| Error::new("the stack has no queue").hint("`taskbell setup` makes it"))?;
    if args.purge {
        return purge(&args, (&session, &place), &queue, common, world).await;
    }
    let mut run = Run::default();
    // However it goes: what was taken out of the queue and is not done with goes back before anything else is told.
    let outcome = run.carry_out(&args, &session, &queue, common, world).await;
    let kept = run.kept();
    let held = session.letting_go(queue.let_go(&kept)).await;
    let held: Vec<String> = match held {
        Some(faults) => faults.iter().map(ToString::to_string).collect(),
        None => kept.iter().map(|_| UNANSWERED.to_owned()).collect(),
    };
    if common.output == Format::Json {
        let entries = run.entries.iter().enumerate().map(|(at, entry)| object(entry, run.fates.get(at)));
        let object = json!({ "entries": entries.collect::<Vec<_>>() });
        world.out.print(&render::json(&session.located(&place, object)));
    }
    if let Some(fault) = held.first() {
        let (count, seconds) = (alerts(held.len()), args.hold().as_secs());
        world.err.print(&format!(
            "warning: could not let go of {count}, which no replay is given for up to {seconds} s: {fault}\n"
        ));
    }
    outcome?;
    run.conclude(&args, kept.len(), common, world)
}

impl Args {
    fn hold(&self) -> Duration {
        if self.dry_run { GLANCE } else { HOLD }
    }
}

impl Run {
    /// Takes the entries and sends them, up to the first fault of AWS, or until the notifier fails twice in a row.
    async fn carry_out(
        &mut self,
        args: &Args,
        session: &Session,
        queue: &Undelivered,
        common: &Common,
        world: &World,
    ) -> Result<()> {
        let start = Instant::now();
        let interrupted = || world.cancel.is_cancelled();
        let collect = queue.collect(args.hold(), MOST, interrupted, &mut self.entries);
        let Some(collected) = session.letting_go(collect).await else {
            let minutes = args.hold().as_secs().div_ceil(60);
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
                (false, true) if !args.dry_run => Some(Stopped::OutOfTime),
                _ => None,
            };
            if self.stopped.is_some() {
                break;
            }
            let fate = match &entry.content {
                Content::Unknown { .. } => Fate::Unknown,
                Content::Event { .. } if args.dry_run => Fate::Waiting,
                Content::Event { event, .. } => {
                    let sent = session.letting_go(send(session, queue, entry, event)).await;
                    sent.unwrap_or_else(|| {
                        Fate::Failed(format!("interrupted, and {UNANSWERED}: it may be sent, and stays"))
                    })
                }
            };
            if common.output == Format::Text {
                world.out.print(&line(entry, &fate));
            }
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

    fn kept(&self) -> Vec<&Entry> {
        let gone = |at: usize| matches!(self.fates.get(at), Some(Fate::Sent(_)));
        self.entries.iter().enumerate().filter(|(at, _)| !gone(*at)).map(|(_, entry)| entry).collect()
    }

    fn conclude(&self, args: &Args, kept: usize, common: &Common, world: &World) -> Result<u8> {
        let Self { entries, fates, elsewhere, stopped } = self;
        let sent = entries.len() - kept;
        let failed = fates.iter().filter(|fate| matches!(fate, Fate::Refused(_) | Fate::Failed(_))).count();
        let failures = if failed == 0 { String::new() } else { format!("{failed} failed, ") };
        let came_to = format!("{} sent, {failures}{} left in the queue", alerts(sent), alerts(kept));
        if *stopped == Some(Stopped::Interrupted) {
            return Err(Error::interrupted(format!("replay was interrupted; {came_to}")));
        }
        if let Some(Fate::NotDeleted(why)) = fates.last() {
            return Err(Error::new(format!("what was sent could not be deleted: {why}; {came_to}"))
                .hint("a replay sends it again, and the notifier announces it again only with --no-dedupe"));
        }
        let last = fates.iter().rev().find_map(|fate| match fate {
            Fate::Refused(why) | Fate::Failed(why) => Some(why),
            _ => None,
        });
        if let Some(why) = last {
            return Err(Error::new(format!("the notifier did not take it: {why}; {came_to}"))
                .hint("`taskbell drill` tells which link does not hold; then the same command goes on from here"));
        }
        let full = entries.len() >= MOST || *stopped == Some(Stopped::OutOfTime);
        let unknown = fates.iter().any(|fate| matches!(fate, Fate::Unknown));
        if !common.quiet {
            world.err.print(&match (entries.len(), *elsewhere, args.dry_run) {
                (0, 0, _) => "The queue is empty.\n".to_owned(),
                (0, _, _) => "The queue gave nothing out.\n".to_owned(),
                (count, _, true) => format!("{} in the queue.\n", alerts(count)),
                (_, _, false) => format!("{came_to}.\n"),
            });
        }
        if full {
            world.err.print("note: that is as much as one run takes; run it again\n");
        } else if *elsewhere > 0 {
            world.err.print(&format!(
                "note: about {} more in the queue, held by another replay or just arrived; run it again in 10 minutes\n",
                alerts(*elsewhere)
            ));
        }
        if unknown && !args.dry_run {
            world.err.print("note: what is no event stays in the queue; --purge deletes everything\n");
        }
        let is_left = kept > 0 || *elsewhere > 0 || full;
        Ok(u8::from(is_left && !args.dry_run))
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

async fn purge(
    args: &Args,
    (session, place): (&Session, &Place),
    queue: &Undelivered,
    common: &Common,
    world: &World,
) -> Result<u8> {
    let depth = session.unless_interrupted(queue.depth()).await.map_err(nothing_changed)??;
    let depth = usize::try_from(depth).unwrap_or(usize::MAX);
    let told = if depth == 0 {
        "The queue is empty.\n".to_owned()
    } else {
        let about = alerts(depth);
        let question = format!("Delete about {about} of the stack {} without sending them?", session.stack.name);
        world.confirm(args.yes, &question).await?;
        let purged = session.letting_go(queue.purge()).await;
        let unanswered = || Error::interrupted("interrupted before SQS answered: the queue may be empty or not");
        purged.ok_or_else(unanswered)??;
        format!("Deleted about {about}.\n")
    };
    match common.output {
        Format::Json => {
            world.out.print(&render::json(&session.located(place, json!({ "deleted": depth }))));
        }
        Format::Text | Format::Github | Format::Markdown if common.quiet => {}
        Format::Text | Format::Github | Format::Markdown => world.err.print(&told),
    }
    Ok(0)
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

fn alerts(count: usize) -> String {
    render::count(count, "alert")
}

fn line(entry: &Entry, fate: &Fate) -> String {
    let (mark, told) = match fate {
        Fate::Waiting => ("=", String::new()),
        Fate::Sent(outcome) => ("+", format!("  -> {}", outcome_text(outcome))),
        Fate::Unknown => ("?", "  -> not an event; it stays".to_owned()),
        Fate::Refused(why) | Fate::Failed(why) => ("-", format!("  -> {why}")),
        Fate::NotDeleted(why) => ("?", format!("  -> sent, but not deleted: {why}")),
    };
    let (what, why) = story(entry);
    format!("{mark} {}  {what}  {why}{told}\n", render::time(entry.at))
}

fn outcome_text(outcome: &str) -> &str {
    match outcome {
        "sent" | "sent-plain" => "Slack took it",
        "duplicate" => "was announced already",
        "counted" => "counted as a repetition",
        "silent" => "the notifier does not announce it",
        other => other,
    }
}

/// What it is about, and why it lies here.
fn story(entry: &Entry) -> (String, String) {
    match &entry.content {
        Content::Unknown { body } => (format!("{:?}", body.chars().take(60).collect::<String>()), String::new()),
        Content::Event { event, why } => {
            let about =
                event["detail"]["taskArn"].as_str().or_else(|| event["resources"][0].as_str()).unwrap_or_default();
            let kind = event["detail-type"].as_str().unwrap_or_default();
            (format!("{kind}  {}", about.rsplit(':').next().unwrap_or_default()), format!("({why})"))
        }
    }
}

fn object(entry: &Entry, fate: Option<&Fate>) -> Value {
    let (fate, told) = match fate {
        None => ("left", None),
        Some(Fate::Waiting) => ("waiting", None),
        Some(Fate::Sent(outcome)) => ("sent", Some(outcome.as_str())),
        Some(Fate::Unknown) => ("unknown", None),
        Some(Fate::Refused(why) | Fate::Failed(why)) => ("failed", Some(why.as_str())),
        Some(Fate::NotDeleted(why)) => ("not-deleted", Some(why.as_str())),
    };
    let (event, why) = match &entry.content {
        Content::Event { event, why } => (event.clone(), Some(why)),
        Content::Unknown { body } => (json!(body), None),
    };
    json!({ "id": entry.id, "at": render::time(entry.at), "why": why, "fate": fate, "told": told, "event": event })
}
