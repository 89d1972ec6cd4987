//! Renders the hops and the result of a drill.

use serde_json::{Value, json};

use super::error::hint;
use crate::config::Cluster;
use crate::input::printable;
use crate::operations::check::{Check, Held};
use crate::operations::drill::Drill;
use crate::operations::drill::trace::{SOME, is_place};
use crate::operations::verdict::Verdict;

/// Returns the line of a hop.
pub fn line(Check { name, held, told, milliseconds, hint: _ }: &Check) -> String {
    let mark = super::marks::check(*held);
    let time = milliseconds.map(|time| format!("  ({time} ms)")).unwrap_or_default();
    format!("{mark} {name:<9}  {}{time}\n", printable(told))
}

pub fn object(drill: &Drill, command: &str) -> Value {
    let delivered = match drill.verdict() {
        Verdict::InSync => Some(true),
        Verdict::Failed | Verdict::Differs => Some(false),
        Verdict::Unreadable => None,
    };
    json!({
        "scenario": drill.scenario.name(),
        "event_id": drill.event_id,
        "delivered": delivered,
        "hops": drill.hops.iter().map(|hop| hop_object(hop, command)).collect::<Vec<_>>(),
    })
}

fn hop_object(Check { name, held, told, milliseconds, hint: words }: &Check, command: &str) -> Value {
    let holds = match held {
        Held::Yes => Some(true),
        Held::No => Some(false),
        Held::Unknown => None,
    };
    let words = words.as_ref().map(|words| hint(words, command));
    json!({ "hop": name, "holds": holds, "told": told, "ms": milliseconds, "hint": words })
}

/// Returns the closing message of a drill. With `quiet`, a drill that arrived has none.
pub fn end(drill: &Drill, quiet: bool, command: &str) -> String {
    if quiet && drill.verdict() == Verdict::InSync {
        return String::new();
    }
    let words = drill.hops.last().and_then(|hop| hop.hint.as_ref());
    let words = words.map(|words| format!("  hint: {}\n", hint(words, command))).unwrap_or_default();
    let places: Vec<&str> = drill.hops.iter().map(|hop| hop.name).filter(|name| is_place(name)).collect();
    // The last hop is the one that failed. If a destination's kind is unknown, the hop's text begins with the destination's name.
    let (places, place) = match (places.len(), drill.hops.last()) {
        (count, Some(Check { name: SOME, told, .. })) => (count, told.split(':').next().unwrap_or_default()),
        (count, _) => (count, places.last().copied().unwrap_or("Slack")),
    };
    let place = printable(place);
    match drill.verdict() {
        Verdict::InSync if places > 1 => format!("All {places} destinations accepted the drill.\n"),
        Verdict::InSync => format!("{place} accepted the drill.\n"),
        Verdict::Failed | Verdict::Differs => format!("error: the drill did not reach {place}\n{words}"),
        Verdict::Unreadable => format!("error: could not find out how far the drill came\n{words}"),
    }
}

/// Returns the note that the drill is about one of several clusters.
pub fn of_one(clusters: &[Cluster], quiet: bool) -> String {
    match clusters {
        [first, _, ..] if !quiet => {
            format!("note: the drill is about {first}; the same rules watch the other clusters\n")
        }
        _ => String::new(),
    }
}
