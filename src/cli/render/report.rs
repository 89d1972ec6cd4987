//! Renders the events of a running operation.

use super::error::paragraph;
use super::heading::heading;
use super::{drill, replay};
use crate::input::printable;
use crate::operations::events::{Event, Note};
use crate::reconcile::resource::Event as Step;

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
            let hint = hint.as_ref().map(|hint| format!("  hint: {}\n", paragraph(hint))).unwrap_or_default();
            Shown::Err(format!("note: {}\n{hint}", paragraph(text)))
        }
        Event::Warning(warning) => Shown::Err(format!("warning: {}\n", paragraph(warning))),
        Event::Hop(hop) if is_text => Shown::Out(drill::line(hop)),
        Event::Handled(handled) if is_text => Shown::Out(replay::line(handled)),
        _ => return None,
    })
}

/// Returns the state of a change, without the change's subject.
pub fn state(step: &Step) -> String {
    match step {
        Step::Started { doing, .. } => (*doing).to_owned(),
        Step::Waiting { what, .. } => printable(&format!("waiting for {what}")),
        Step::Done { .. } => "done".to_owned(),
        Step::Failed { .. } => "failed".to_owned(),
    }
}

/// Returns the subject of a change with its state.
pub fn step(step: &Step) -> String {
    match step {
        Step::Started { subject, .. } => format!("{} {}", state(step), printable(&subject.to_string())),
        Step::Waiting { subject, .. } | Step::Done { subject } | Step::Failed { subject } => {
            format!("{}: {}", printable(&subject.to_string()), state(step))
        }
    }
}

/// Returns the line of a change, with the seconds of a wait.
pub fn step_line(step: &Step) -> String {
    let seconds = match step {
        Step::Waiting { seconds: seconds @ 1.., .. } => format!(" ({seconds} s)"),
        _ => String::new(),
    };
    format!("{}{seconds}\n", self::step(step))
}
