//! Refuses plans that end an alert of an existing stack while it replaces another alert.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::aws::kinds::rule::Rule;
use crate::error::{Error, Result};
use crate::pattern::clusters;
use crate::reconcile::plan::{Action, Plan, Step};
use crate::reconcile::resource::spec_of;
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
        (0, _) => format!("no longer alert on failures in {}", unheard.into_iter().collect::<Vec<_>>().join(", ")),
        (number, _) => format!("lose its {} {}", count(number, "rule"), going.join(", ")),
    };
    let error = Error::new(format!("the stack {stack} already exists, and would {lost}; nothing was changed"));
    Err(error
        .hint("give --stack NAME to replace the alert with another stack; `taskbell setup` changes the existing stack"))
}

/// Returns the clusters that a rule names now, and would no longer name after its change.
fn clusters_left_out(step: &Step) -> BTreeSet<String> {
    let named = |document: &Option<Value>| {
        let spec = document.as_ref().and_then(|document| spec_of::<Rule>(document).ok());
        spec.map(|spec| clusters::named(&spec.meaning())).unwrap_or_default()
    };
    match step.action {
        Action::Change => &named(&step.have) - &named(&step.want),
        Action::Add | Action::Remove => BTreeSet::new(),
    }
}
