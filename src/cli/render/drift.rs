//! Renders the results of `drift` and `graph`.

use serde_json::Value;

use super::plan::{fits_a_line, in_parts, lines};
use crate::input::printable;
use crate::operations::drift::Comparison;
use crate::reconcile::plan::{Action, Plan};

/// Returns the differences with the command that repairs them. A stack without any resource is one line, except with `verbose`.
pub fn text(Comparison { stack, place, plan, .. }: &Comparison, verbose: bool, repair: &str) -> String {
    if is_not_set_up(plan) && !verbose {
        let (region, account) = (&place.region, &place.account);
        return format!("The stack {} is not set up in {region}, account {account}: {repair}\n", stack.name);
    }
    // With an unreadable resource, the settings of the stack may be unknown, and the command may not repair it.
    let is_known = plan.unknown.is_empty();
    let repair = if plan.steps.is_empty() || !is_known { String::new() } else { format!("; repair: {repair}") };
    format!("{}{}{repair}\n", lines(plan, verbose), counts(plan))
}

/// Returns the comparison as one line, if one line is enough.
pub fn sum(Comparison { plan, .. }: &Comparison) -> Option<String> {
    match is_not_set_up(plan) {
        true => Some("not set up".to_owned()),
        false => fits_a_line(plan).then(|| counts(plan)),
    }
}

/// Returns whether the stack has no resource at all, for certain.
fn is_not_set_up(Plan { steps, unchanged, conflicts, unknown, missing }: &Plan) -> bool {
    let is_all_missing = !steps.is_empty() && steps.iter().all(|step| step.action == Action::Add);
    is_all_missing && unchanged.is_empty() && conflicts.is_empty() && unknown.is_empty() && missing.is_empty()
}

/// Returns the counts of a comparison: `2 differ, 1 missing, 1 unexpected`.
fn counts(plan: &Plan) -> String {
    let is_one = plan.steps.iter().filter(|step| step.action == Action::Change).count() == 1;
    let differ = if is_one { "differs" } else { "differ" };
    in_parts(plan, [(Action::Change, differ), (Action::Add, "missing"), (Action::Remove, "unexpected")])
}

pub fn annotations(Comparison { stack, plan, warning, .. }: &Comparison) -> String {
    super::github::annotations(stack, plan, warning.as_deref())
}

pub fn markdown(Comparison { stack, place, plan, warning, .. }: &Comparison) -> String {
    super::markdown::markdown(&super::heading::heading(stack, place), plan, warning.as_deref())
}

pub fn object(Comparison { stack, place, plan, warning, .. }: &Comparison) -> Value {
    let mut object = super::json::plan_json(stack, place, plan, None);
    object["warnings"] = warning.iter().cloned().collect();
    object
}

/// Returns the hints and warnings that are printed beside the result. `command` is the name in `permissions --for`.
pub fn remarks(Comparison { plan, warning, missing_cluster, .. }: &Comparison, command: &str) -> String {
    let mut text = super::error::hints(plan, command);
    if let Some(warning) = warning {
        text += &end_of_runtime(warning);
    }
    if let Some(error) = missing_cluster {
        text += &super::error::warning(error, command);
    }
    text
}

/// Returns the warning about the end of support of the notifier's runtime.
pub fn end_of_runtime(warning: &str) -> String {
    let warning = printable(warning);
    format!("warning: {warning}; install a newer taskbell and run `taskbell setup` to update the notifier\n")
}
