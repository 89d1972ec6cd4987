//! Renders the output of `teardown`.

use std::collections::BTreeSet;

use super::error::{hints, report};
use super::heading::heading;
use crate::input::printable;
use crate::operations::teardown::{Applied, Prepared};
use crate::pattern::clusters;
use crate::reconcile::plan::Plan;
use crate::stack::Kind;
use crate::words::count;

/// Returns the warnings before a removal. `command` is the name in `permissions --for`.
pub fn warnings(Prepared { undelivered, missing_cluster, .. }: &Prepared, command: &str) -> String {
    let mut text = match undelivered {
        // Deleting the queue deletes the alerts in it.
        Some(Ok(depth)) if *depth > 0 => {
            let alerts = count(usize::try_from(*depth).unwrap_or(usize::MAX), "undelivered alert");
            format!("warning: the queue still holds about {alerts}, which will be deleted with it\n")
        }
        Some(Err(error)) => {
            format!(
                "warning: could not find out whether the queue holds undelivered alerts: {}\n",
                printable(&error.in_one_line())
            )
        }
        Some(Ok(_)) | None => String::new(),
    };
    if let Some(error) = missing_cluster {
        text += &super::error::warning(error, command);
    }
    text
}

pub fn question(Prepared { stack, place, plan, .. }: &Prepared) -> String {
    format!("Remove {} of the {}{}?", count(plan.steps.len(), "resource"), heading(stack, place), clusters(plan))
}

/// Returns the clusters that lose their alerts, if there are several: the stack's name has only one of them.
fn clusters(plan: &Plan) -> String {
    let rules =
        plan.steps.iter().filter(|step| step.address.id.kind == Kind::Rule).filter_map(|step| step.have.as_ref());
    let names: BTreeSet<String> = rules.flat_map(|rule| clusters::named(&rule["pattern"])).collect();
    let names: BTreeSet<&str> = names.iter().map(|arn| clusters::name(arn)).collect();
    match names.len() {
        0 | 1 => String::new(),
        _ => super::setup::of_clusters(names.into_iter()),
    }
}

/// Returns the closing message of a removal.
pub fn end(applied: &Applied, command: &str) -> String {
    let Applied { stack, plan, report: done, .. } = applied;
    if !done.is_complete() {
        report(done, command)
    } else if !plan.unknown.is_empty() {
        format!("Resources that could not be read were not removed.\n{}", hints(plan, command))
    } else {
        format!("The stack {} is gone.\n", stack.name)
    }
}
