//! Renders the output of `setup`.

use serde_json::Value;

use super::heading::heading;
use super::json::plan_json;
use super::plan::plan;
use crate::error::Error;
use crate::operations::drill::Drill;
use crate::operations::setup::{Applied, Failed, Halt, Prepared};
use crate::reconcile::engine::Report;
use crate::reconcile::plan::Plan;
use crate::stack::{Place, Stack};
use crate::style::plain;
use crate::words::count;

pub fn question(Prepared { stack, place, plan, .. }: &Prepared) -> String {
    format!("Make {} to the {}", count(plan.steps.len(), "change"), heading(stack, place))
}

/// Returns the plan, and the drill that was sent although the plan is empty, as one object.
pub fn prepared_object(Prepared { stack, place, plan, .. }: &Prepared, drill: Option<&Drill>, command: &str) -> Value {
    object((stack, place, plan), None, drill, command)
}

fn object(
    (stack, place, plan): (&Stack, &Place, &Plan),
    result: Option<(&Report, bool)>,
    drill: Option<&Drill>,
    command: &str,
) -> Value {
    let mut object = plan_json(stack, place, plan, result);
    if let Some(drill) = drill {
        object["drill"] = super::drill::object(drill, command);
    }
    object
}

/// Returns the applied plan, its result and the drill after it, as one object.
pub fn applied_object(applied: &Applied, command: &str) -> Value {
    let Applied { stack, place, plan, report, failed, drill, .. } = applied;
    let drill = drill.as_ref().and_then(|drill| drill.as_ref().ok());
    object((stack, place, plan), Some((report, failed.is_none())), drill, command)
}

/// Returns the message that something could not be read, with hints, if that is so. `command` is the name in `permissions --for`.
pub fn unreadable(plan: &Plan, command: &str) -> String {
    if plan.unknown.is_empty() {
        return String::new();
    }
    format!("Something could not be read, so nothing was changed.\n{}", super::error::hints(plan, command))
}

/// Returns the closing message of a setup, or the text that precedes its error. `command` is the name in `permissions --for`.
pub fn end(applied: &Applied, quiet: bool, command: &str) -> String {
    match (&applied.failed, &applied.drill) {
        (Some(failed), _) => failure(&applied.report, failed, command),
        (None, Some(Err(_))) => String::new(),
        (None, Some(Ok(drill))) => super::drill::end(drill, quiet, command),
        (None, None) if quiet => String::new(),
        (None, None) => super::next_step::set_up(applied.config()),
    }
}

/// Returns the error of a setup or of the drill after it, if one of them failed.
pub fn error(Applied { failed, drill, .. }: Applied) -> Option<Error> {
    failed.map(error_of).or_else(|| drill?.err())
}

fn failure(report: &Report, failed: &Failed, command: &str) -> String {
    match failed {
        Failed::NotBegun(_) => String::new(),
        Failed::HalfDone(_) | Failed::Incomplete(_) => super::error::report(report, command),
        Failed::Unsettled { left, .. } => left.as_ref().map(|left| plan(left, false)).unwrap_or_default(),
    }
}

fn error_of(failed: Failed) -> Error {
    match failed {
        Failed::NotBegun(halt) | Failed::HalfDone(halt) => match halt {
            Halt::Changed(now) => {
                Error::new(format!("AWS has changed in the meantime:\n{}", plain(&plan(&now, false))))
                    .hint("run the same command again")
            }
            Halt::Error(error) => error,
        },
        Failed::Incomplete(error) | Failed::Unsettled { error, .. } => error,
    }
}
