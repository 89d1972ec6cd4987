//! Refuses plans that end an alert of an existing stack while it replaces another alert.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::aws::kinds::rule::Rule;
use crate::aws::kinds::watch::Watch;
use crate::desired;
use crate::error::{Error, Result};
use crate::pattern::clusters::{self, covers};
use crate::pattern::companions::is_companion;
use crate::reconcile::plan::{Action, Plan, Step};
use crate::reconcile::resource::spec_of;
use crate::stack::{Kind, StackName};
use crate::words::count;

/// # Errors
/// If the plan removes a rule of an existing stack that sends alerts, a cluster from one of the stack's rules, or everything that the
/// stack expects of a job. If the stack had replaced an alert before, nothing would send that alert any more, because its old rule is
/// already disabled. A companion sends no alert: with `--no-recovery`, its rule may go.
pub fn ends_no_alert(plan: &Plan, stack: &StackName) -> Result<()> {
    let of = |kind: Kind| plan.steps.iter().filter(move |step| step.address.id.kind == kind);
    let is_going = |step: &&Step| step.action == Action::Remove && !is_companion(&step.address.id.key);
    let going: Vec<&str> = of(Kind::Rule).filter(is_going).map(|step| step.address.name.as_str()).collect();
    let unheard: BTreeSet<String> = of(Kind::Rule).flat_map(clusters_left_out).collect();
    let unwatched: BTreeSet<String> = of(Kind::Watch).flat_map(jobs_left_out).collect();
    let joined = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
    let lost = match (going.len(), unheard.len(), unwatched.len()) {
        (0, 0, 0) => return Ok(()),
        (0, 0, _) => format!("no longer expect anything of the jobs {}", joined(unwatched)),
        (0, _, _) => format!("no longer alert on failures in {}", joined(unheard)),
        (number, _, _) => format!("lose its {} {}", count(number, "rule"), going.join(", ")),
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
        Action::Change => {
            let want = named(&step.want);
            named(&step.have).into_iter().filter(|arn| !want.iter().any(|glob| covers(glob, arn))).collect()
        }
        Action::Add | Action::Remove => BTreeSet::new(),
    }
}

/// Returns the jobs whose runs the schedules check now, and would no longer check after the change.
fn jobs_left_out(step: &Step) -> BTreeSet<String> {
    let checked = |document: &Option<Value>| {
        let spec = document.as_ref().and_then(|document| spec_of::<Watch>(document).ok());
        spec.map(|spec| desired::watch::checked_jobs(&spec)).unwrap_or_default()
    };
    match step.action {
        Action::Change | Action::Remove => &checked(&step.have) - &checked(&step.want),
        Action::Add => BTreeSet::new(),
    }
}
