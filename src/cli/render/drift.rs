//! Renders the results of `drift` and `graph`.

use serde_json::Value;

use crate::input::printable;
use crate::operations::drift::Comparison;

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
