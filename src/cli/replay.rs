//! `replay`: sends what lies in the queue of undelivered alerts through the notifier again.

use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::options::{ClusterArgs, Common, Format};
use super::render;
use super::session::Session;
use super::world::World;
use crate::aws::undelivered::{Content, Entry, Undelivered};
use crate::aws::{Given, function, invocation, queue};
use crate::error::{Category, Error, Result};
use crate::resource::{Inventory, Observed};
use crate::stack::Address;

/// Send the alerts that could not be delivered once more.
///
/// Shows what lies in the queue, oldest first, and hands it to the notifier one at a time. An entry leaves the queue only once
/// the notifier has taken it: interrupting loses nothing.
#[derive(Debug, ClapArgs)]
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

/// How long entries are held while they are sent; each is held anew when its turn comes.
const HOLD: Duration = Duration::from_mins(10);
const TURN: Duration = Duration::from_mins(2);
/// How long they are held to be looked at.
const GLANCE: Duration = Duration::from_secs(30);
/// Of one run: SQS lets 120,000 be held at once, and memory is not endless.
const MOST: usize = 1000;

/// What became of an entry.
enum Fate {
    /// It would be sent.
    Waiting,
    /// The notifier took it: its outcome.
    Sent(String),
    /// It is not an event: it stays.
    Unknown,
    Failed(String),
    /// Sent, but it could not be deleted: it stays, and is told once at most where there is a table.
    NotDeleted(String),
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let clusters = args.clusters.parse()?;
    let given = Given { webhook: None, accept_stored_webhook: false, archive: Vec::new() };
    let session = Session::open(common.stack_name(&clusters)?, given, common, world).await?;
    let wanted = [queue::address(&session.stack), function::address(&session.stack)];
    let (seen, place) = session.observe_only(&["queue", "function"]).await?;
    session.show_title(&place, common, world);
    for address in &wanted {
        must_be_ours(&seen, address)?;
    }
    let queue = Undelivered::open(&session.sdk, &session.stack.queue_name()).await?;
    let queue = queue.ok_or_else(|| Error::new("the stack has no queue").hint("`taskbell setup` makes it"))?;
    if args.purge {
        return purge(&args, &session, &queue, common, world).await;
    }
    let hold = if args.dry_run { GLANCE } else { HOLD };
    let entries = session.unless_interrupted(queue.receive_all(hold, MOST)).await??;
    let mut fates = Vec::new();
    let mut interrupted = false;
    for entry in &entries {
        let fate = match &entry.content {
            Content::Unknown { .. } => Fate::Unknown,
            Content::Event { .. } if args.dry_run => Fate::Waiting,
            Content::Event { event, .. } => {
                interrupted = world.cancel.is_cancelled();
                if interrupted {
                    break;
                }
                send(&session, &queue, entry, event).await
            }
        };
        if common.output == Format::Text {
            world.out.print(&line(entry, &fate));
        }
        let stop = matches!(fate, Fate::Failed(_));
        fates.push(fate);
        // What Slack, or Lambda, did not take now it will not take a moment later either: the rest stays in order.
        if stop {
            break;
        }
    }
    let gone = |fate: &Fate| matches!(fate, Fate::Sent(_));
    let kept = entries.iter().enumerate().filter(|(at, _)| !fates.get(*at).is_some_and(gone)).map(|(_, entry)| entry);
    let kept: Vec<&Entry> = kept.collect();
    // Best effort: what is not let go of comes back by itself once it was held long enough.
    for entry in &kept {
        let _ = queue.hold(entry, Duration::ZERO).await;
    }
    if common.output == Format::Json {
        let objects = entries.iter().enumerate().map(|(at, entry)| object(entry, fates.get(at)));
        world.out.print(&render::json(&json!({ "stack": session.stack.name, "entries": objects.collect::<Vec<_>>() })));
    }
    if interrupted {
        return Err(Error::interrupted(format!("replay was interrupted; {} left in the queue", alerts(kept.len()))));
    }
    conclude(&args, &entries, &fates, kept.len(), common, world)
}

fn conclude(args: &Args, entries: &[Entry], fates: &[Fate], kept: usize, common: &Common, world: &World) -> Result<u8> {
    if let Some(Fate::Failed(why)) = fates.last() {
        return Err(Error::new(format!("the notifier did not take it: {why}; {} left in the queue", alerts(kept)))
            .hint("`taskbell drill` tells which link does not hold; then the same command goes on from here"));
    }
    let unknown = fates.iter().any(|fate| matches!(fate, Fate::Unknown | Fate::NotDeleted(_)));
    if !common.quiet {
        world.err.print(&match (entries.len(), args.dry_run) {
            (0, _) => "The queue is empty.\n".to_owned(),
            (count, true) => format!("{} in the queue.\n", alerts(count)),
            (count, false) => format!("{} sent, {kept} left in the queue.\n", alerts(count - kept)),
        });
        if entries.len() >= MOST {
            world.err.print(&format!("note: no more than {MOST} are sent in one run; run it again\n"));
        }
    }
    if unknown && !args.dry_run {
        world
            .err
            .print("note: what is no event, or could not be deleted, stays in the queue; --purge deletes everything\n");
    }
    Ok(u8::from(unknown && !args.dry_run))
}

/// One entry through the notifier. It is deleted only after that.
async fn send(session: &Session, queue: &Undelivered, entry: &Entry, event: &Value) -> Fate {
    // Held for its turn: the entries before it may have taken long.
    if let Err(fault) = queue.hold(entry, TURN).await {
        return Fate::Failed(fault.to_string());
    }
    match invocation::invoke(&session.sdk, &session.stack.function_name(), event).await {
        Err(fault) => Fate::Failed(fault.to_string()),
        Ok(Err(why)) => Fate::Failed(why),
        Ok(Ok(outcome)) => match queue.delete(entry).await {
            Ok(()) => Fate::Sent(outcome),
            Err(fault) => Fate::NotDeleted(fault.to_string()),
        },
    }
}

async fn purge(args: &Args, session: &Session, queue: &Undelivered, common: &Common, world: &World) -> Result<u8> {
    let depth = usize::try_from(queue.depth().await?).unwrap_or(usize::MAX);
    if depth == 0 {
        if !common.quiet {
            world.err.print("The queue is empty.\n");
        }
        return Ok(0);
    }
    let question = format!("Delete about {} of the stack {} without sending them?", alerts(depth), session.stack.name);
    world.confirm(args.yes, &question).await?;
    queue.purge().await?;
    if !common.quiet {
        world.err.print(&format!("Deleted about {}.\n", alerts(depth)));
    }
    Ok(0)
}

fn must_be_ours(seen: &Inventory, address: &Address) -> Result<()> {
    let id = &address.id;
    match seen.get(id).map(|seen| &seen.observed) {
        Some(Ok(Observed::Ours(_))) => Ok(()),
        Some(Err(error)) => {
            let told =
                Error::new(format!("could not read {id}: {}", error.in_one_line())).category(Category::Unreadable);
            Err(error.hint_text().map(str::to_owned).into_iter().fold(told, Error::hint))
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
        Fate::Failed(why) => ("-", format!("  -> {why}")),
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
        Some(Fate::Failed(why)) => ("failed", Some(why.as_str())),
        Some(Fate::NotDeleted(why)) => ("not-deleted", Some(why.as_str())),
    };
    let (event, why) = match &entry.content {
        Content::Event { event, why } => (event.clone(), Some(why)),
        Content::Unknown { body } => (json!(body), None),
    };
    json!({ "id": entry.id, "at": render::time(entry.at), "why": why, "fate": fate, "told": told, "event": event })
}
