//! Renders the output of `preview`: messages, and notes about alerts that would not be sent.

use serde_json::Value;

use super::message::terminal;
use crate::calendar::Zone;
use crate::notifier::embedded::Place;
use crate::operations::preview::Shown;
use crate::pattern::DEFAULT;
use crate::pattern::samples::{SAMPLES, Sample};

/// Returns a line for each sample.
pub fn samples() -> String {
    let width = SAMPLES.iter().map(|sample| sample.name.len()).max().unwrap_or_default();
    let line = |Sample { name, title, .. }: &Sample| format!("{name:width$}  {title}");
    SAMPLES.iter().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// Returns the names of the samples.
pub fn samples_object() -> Value {
    SAMPLES.iter().map(|sample| sample.name).collect()
}

/// Draws the messages, each below its name if there are several.
pub fn text(shown: &[Shown], place: Place, columns: usize, zone: &Zone) -> String {
    let drawn = |one: &Shown| terminal::at(place, &one.payload, columns, zone);
    match shown {
        [one] => drawn(one),
        several => several.iter().map(|one| format!("{}\n{}", one.name, drawn(one))).collect::<Vec<_>>().join("\n"),
    }
}

/// Returns the message, or the list of several messages.
pub fn object(shown: &[Shown]) -> Value {
    match shown {
        [one] => one.payload.clone(),
        several => several.iter().map(|one| one.payload.clone()).collect(),
    }
}

/// Returns the reasons why the message would not be posted.
pub fn notes(Shown { incident, taken_by, .. }: &Shown) -> Vec<String> {
    let mut notes = Vec::new();
    if incident["rings"] == false {
        let reason = incident["silentBecause"].as_str().unwrap_or("no reason given");
        notes.push(format!("this event is not announced: {reason}"));
    }
    let none_of_defaults = |names: &&Vec<&str>| !names.iter().any(|name| DEFAULT.contains(name));
    if let Some(taken_by) = taken_by.as_ref().filter(none_of_defaults) {
        let others: Vec<String> = taken_by.iter().map(|name| format!("--pattern {name}")).collect();
        notes.push(match others.is_empty() {
            true if incident["source"] == "taskbell.watch" => {
                "no pattern needs to match this: the notifier itself sends it, with --expect or --summary".to_owned()
            }
            true => "no pattern of the catalogue matches this event".to_owned(),
            false => format!("no default pattern matches this event; {} does", others.join(" or ")),
        });
    }
    notes
}
