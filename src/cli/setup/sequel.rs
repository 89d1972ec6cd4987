//! What another command does once a stack is there and proved, and what it asks of the plan before: no alert of the stack ends.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use crate::cli::render;
use crate::error::{Error, Result};
use crate::pattern;
use crate::plan::{Action, Plan, Step};
use crate::stack::StackName;

/// Shown under the plan of the stack, confirmed with it, and not begun before.
pub struct Sequel<'a> {
    /// Its lines under those of the plan.
    pub text: String,
    pub object: Value,
    /// How it goes on after "and then".
    pub question: String,
    /// None: nothing is left of it to do.
    pub perform: Option<Box<dyn Fn() -> LocalBoxFuture<'a, Result<()>> + Sync + 'a>>,
    pub done: &'a AtomicBool,
}

/// # Errors
/// If the plan takes a rule from a stack that is there, or a cluster from one of its rules. What these took over before would go
/// unheard, with its old rule switched off already.
pub fn ends_no_alert(plan: &Plan, stack: &StackName) -> Result<()> {
    let rules = || plan.steps.iter().filter(|step| step.address.id.kind == "rule");
    let going: Vec<&str> =
        rules().filter(|step| step.action == Action::Remove).map(|step| step.address.name.as_str()).collect();
    let unheard: BTreeSet<String> = rules().flat_map(clusters_left_out).collect();
    let lost = match (going.len(), unheard.len()) {
        (0, 0) => return Ok(()),
        (0, _) => format!("no longer ring for {}", unheard.into_iter().collect::<Vec<_>>().join(", ")),
        (count, _) => format!("lose its {} {}", render::count(count, "rule"), going.join(", ")),
    };
    let error = Error::new(format!("the stack {stack} is there already, and would {lost}; nothing was changed"));
    Err(error.hint(
        "`--stack NAME` makes another stack for what is taken over; `taskbell setup` changes the one that is there",
    ))
}

/// The clusters that a changed rule names now, and would not any more.
fn clusters_left_out(step: &Step) -> Vec<String> {
    let named = |spec: &Option<Value>| {
        let mut found = Vec::new();
        if let Some(spec) = spec {
            clusters(&pattern::meaning(&spec["pattern"]), &mut found);
        }
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

/// The ARNs of clusters, and of those whose services are named.
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
