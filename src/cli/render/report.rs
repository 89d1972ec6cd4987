//! Renders the events of a running operation.

use super::heading::heading;
use super::{drill, replay};
use crate::operations::events::{Event, Note};

/// A text to show, with its stream.
pub enum Shown {
    Out(String),
    Err(String),
}

/// Returns the text for an event that is not a step of a change. `is_text` means that results are printed as text.
pub fn event(event: &Event, quiet: bool, is_text: bool) -> Option<Shown> {
    Some(match event {
        Event::Located { stack, place } if !quiet => Shown::Err(heading(stack, place) + "\n"),
        Event::Note(Note { text, hint }) if !quiet => {
            let hint = hint.as_ref().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
            Shown::Err(format!("note: {text}\n{hint}"))
        }
        Event::Warning(warning) => Shown::Err(format!("warning: {warning}\n")),
        Event::Shown(text) if is_text => Shown::Out(text.clone()),
        Event::Hop(hop) if is_text => Shown::Out(drill::line(hop)),
        Event::Handled(handled) if is_text => Shown::Out(replay::line(handled)),
        _ => return None,
    })
}
