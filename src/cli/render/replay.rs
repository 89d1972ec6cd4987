//! Renders the entries of the queue, and the result of their replay.

use std::fmt::Write;

use serde_json::{Value, json};

use super::marks::check;
use crate::aws::calls::undelivered::{Content, Entry};
use crate::input::printable;
use crate::operations::check::Held;
use crate::operations::replay::fate::{Fate, Handled};
use crate::operations::replay::{Purge, Replay};
use crate::words::{count, time};

fn alerts(number: usize) -> String {
    count(number, "alert")
}

/// Returns the replay as one object.
pub fn object(replay: &Replay) -> Value {
    let entries = replay.entries.iter().enumerate().map(|(at, entry)| entry_object(entry, replay.fates.get(at)));
    json!({ "entries": entries.collect::<Vec<_>>() })
}

/// Returns a warning about entries that the replay could not release.
pub fn warning(replay: &Replay) -> String {
    let Some(fault) = replay.held.first() else { return String::new() };
    let (count, seconds) = (alerts(replay.held.len()), replay.hold().as_secs());
    format!(
        "warning: could not release {count}, which no replay can receive for up to {seconds} s: {}\n",
        printable(fault)
    )
}

/// Returns the closing message of a replay that did not fail.
pub fn end(replay: &Replay, quiet: bool) -> String {
    let Replay { entries, fates, elsewhere, is_dry_run, .. } = replay;
    let mut text = match (entries.len(), *elsewhere, is_dry_run) {
        _ if quiet => String::new(),
        (0, 0, _) => "The queue is empty.\n".to_owned(),
        (0, _, _) => "The queue has entries, but returned none.\n".to_owned(),
        (count, _, true) => format!("{} in the queue.\n", alerts(count)),
        (_, _, false) => format!("{}.\n", replay.came_to()),
    };
    if replay.is_full() {
        text += "note: this is the limit of one run; run the command again\n";
    } else if *elsewhere > 0 {
        let more = alerts(*elsewhere);
        let _ = writeln!(
            text,
            "note: about {more} more in the queue, held by another replay or just arrived; run the command again in 10 minutes"
        );
    }
    if fates.iter().any(|fate| matches!(fate, Fate::Unknown)) && !is_dry_run {
        text += "note: entries that are not events stay in the queue; --purge deletes everything\n";
    }
    text
}

pub fn question(Purge { stack, depth, .. }: &Purge) -> String {
    format!("Delete about {} of the stack {} without sending them?", alerts(*depth), stack.name)
}

pub fn deleted(Purge { depth, .. }: &Purge) -> String {
    match depth {
        0 => "The queue is empty.\n".to_owned(),
        depth => format!("Deleted about {}.\n", alerts(*depth)),
    }
}

/// Returns the line of a handled entry.
pub fn line(Handled { entry, fate }: &Handled) -> String {
    let (mark, told) = match fate {
        Fate::Waiting => ("=".to_owned(), String::new()),
        Fate::Sent(outcome) => (check(Held::Yes), format!("  -> {}", outcome_text(outcome))),
        Fate::Unknown => (check(Held::Unknown), "  -> not an event; the entry stays in the queue".to_owned()),
        Fate::Refused(why) | Fate::Failed(why) => (check(Held::No), format!("  -> {why}")),
        Fate::NotDeleted(why) => (check(Held::Unknown), format!("  -> sent, but not deleted: {why}")),
    };
    let (what, why) = story(entry);
    format!("{mark} {}\n", printable(&format!("{}  {what}  {why}{told}", time(entry.at))))
}

fn outcome_text(outcome: &str) -> &str {
    match outcome {
        "sent" | "sent-plain" => "Slack accepted it",
        "duplicate" => "was announced already",
        "counted" => "counted as a repetition",
        "silent" => "the notifier does not announce it",
        other => other,
    }
}

/// Returns the subject of an entry, and the reason why the entry is in the queue.
fn story(entry: &Entry) -> (String, String) {
    match &entry.content {
        Content::Unknown { body } => (format!("{:?}", body.chars().take(60).collect::<String>()), String::new()),
        Content::Event { event, why } => {
            let detail = &event["detail"];
            let job = || detail["job"]["name"].as_str().or_else(|| detail["job"].as_str());
            let about = detail["taskArn"].as_str().or_else(|| event["resources"][0].as_str()).or_else(job);
            let about = about.unwrap_or_default();
            let kind = event["detail-type"].as_str().unwrap_or_default();
            let of = match event["source"].as_str() {
                // The time of the check, which may have passed long ago.
                Some("taskbell.watch") => format!(" of {}", event["time"].as_str().unwrap_or("an unknown time")),
                _ => String::new(),
            };
            (format!("{kind}{of}  {}", about.rsplit(':').next().unwrap_or_default()), format!("({why})"))
        }
    }
}

fn entry_object(entry: &Entry, fate: Option<&Fate>) -> Value {
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
    json!({ "id": entry.id, "at": time(entry.at), "why": why, "fate": fate, "told": told, "event": event })
}
