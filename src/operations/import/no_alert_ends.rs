//! Refuses plans that end an alert of an existing stack while it replaces another alert.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::reconcile::plan::{Action, Plan, Step};
use crate::stack::{Kind, StackName};
use crate::words::count;

/// # Errors
/// If the plan removes a rule of an existing stack, or a cluster from one of the stack's rules. If the stack had replaced an alert
/// before, nothing would send that alert any more, because its old rule is already disabled.
pub fn ends_no_alert(plan: &Plan, stack: &StackName) -> Result<()> {
    let rules = || plan.steps.iter().filter(|step| step.address.id.kind == Kind::Rule);
    let going: Vec<&str> =
        rules().filter(|step| step.action == Action::Remove).map(|step| step.address.name.as_str()).collect();
    let unheard: BTreeSet<String> = rules().flat_map(clusters_left_out).collect();
    let lost = match (going.len(), unheard.len()) {
        (0, 0) => return Ok(()),
        (0, _) => format!("no longer ring for {}", unheard.into_iter().collect::<Vec<_>>().join(", ")),
        (number, _) => format!("lose its {} {}", count(number, "rule"), going.join(", ")),
    };
    let error = Error::new(format!("the stack {stack} is there already, and would {lost}; nothing was changed"));
    Err(error.hint(
        "`--stack NAME` makes another stack for what is taken over; `taskbell setup` changes the one that is there",
    ))
}

/// Returns the clusters that a rule names now, and would no longer name after its change.
fn clusters_left_out(step: &Step) -> Vec<String> {
    let named = |spec: &Option<Value>| {
        let mut found = Vec::new();
        clusters(spec.as_ref().map_or(&Value::Null, |spec| &spec["pattern"]), &mut found);
        found
    };
    match step.action {
        Action::Change => {
            let wanted = named(&step.want);
            named(&step.have).into_iter().filter(|arn| !wanted.contains(arn)).collect()
        }
        Action::Add | Action::Remove => Vec::new(),
    }
}

/// Collects the ARNs of clusters that a pattern names directly or by their services.
fn clusters(pattern: &Value, found: &mut Vec<String>) {
    match pattern {
        Value::String(text) if text.contains(":cluster/") => found.push(text.clone()),
        Value::String(text) => {
            if let Some((partition, service)) = text.split_once(":service/") {
                let cluster = service.split('/').next().unwrap_or_default();
                found.push(format!("{partition}:cluster/{cluster}"));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| clusters(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| clusters(field, found)),
        _ => {}
    }
}
