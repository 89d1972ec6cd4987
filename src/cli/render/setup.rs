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
use crate::words::count;

pub fn question(Prepared { stack, place, plan, .. }: &Prepared) -> String {
    format!("Make {} to the {}", count(plan.steps.len(), "change"), heading(stack, place))
}

/// Returns the plan, its result and the drill after it, as one object.
pub fn object(
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
pub fn applied_object(applied: &Applied, drill: Option<&Drill>, command: &str) -> Value {
    let Applied { stack, place, plan, report, failed, .. } = applied;
    object((stack, place, plan), Some((report, failed.is_none())), drill, command)
}

/// Returns the text that precedes the error of a failed setup. `command` is the name in `permissions --for`.
pub fn failure(report: &Report, failed: &Failed, command: &str) -> String {
    match failed {
        Failed::NotBegun(_) => String::new(),
        Failed::HalfDone(_) | Failed::Incomplete(_) => super::error::report(report, command),
        Failed::Unsettled { left, .. } => left.as_ref().map(|left| plan(left, false)).unwrap_or_default(),
    }
}

pub fn error(failed: Failed) -> Error {
    match failed {
        Failed::NotBegun(halt) | Failed::HalfDone(halt) => match halt {
            Halt::Changed(now) => Error::new(format!("what is there has changed meanwhile:\n{}", plan(&now, false)))
                .hint("the same command is safe to run again"),
            Halt::Error(error) => error,
        },
        Failed::Incomplete(error) | Failed::Unsettled { error, .. } => error,
    }
}
