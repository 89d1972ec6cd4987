//! Keeps permissions that are still in use: rules and schedules invoke the notifier until they are removed, and the notifier has its
//! old settings until it receives the new ones.

use serde_json::{Value, json};

use crate::aws::kinds::role::{self, Role};
use crate::policy::Policy;
use crate::reconcile::plan::{Action, Plan, Step};
use crate::reconcile::resource::spec_of;
use crate::stack::Kind;

/// Returns the names of the rules that will be removed.
pub fn leaving(plan: &Plan) -> Vec<String> {
    let going = plan.steps.iter().filter(|step| step.action == Action::Remove && step.address.id.kind == Kind::Rule);
    going.map(|step| step.address.name.clone()).collect()
}

/// Checks whether the notifier's role loses a permission that the notifier may still use, because the notifier or the schedules
/// that invoke it are changed later.
pub fn narrows(plan: &Plan) -> bool {
    let comes_later = |step: &Step| match step.address.id.kind {
        Kind::Function => step.action == Action::Change,
        Kind::Watch => step.action != Action::Add,
        _ => false,
    };
    plan.steps.iter().any(comes_later)
        && plan.steps.iter().any(|step| rights(step).is_some_and(|[have, want]| !lost(&have, &want).is_empty()))
}

/// Returns the plan, changed so that the role keeps its present permissions.
pub fn widened(mut plan: Plan) -> Plan {
    for step in &mut plan.steps {
        let policy = both(step).map(serde_json::to_value);
        if let (Some(Ok(policy)), Some(wanted)) = (policy, &mut step.want) {
            wanted["policies"][role::POLICY] = policy;
        }
    }
    plan
}

/// Returns the policy of a role that will be changed, with which the role keeps its present permissions.
pub fn both(step: &Step) -> Option<Policy> {
    let [have, want] = rights(step)?;
    let both: Vec<Value> = want.iter().chain(lost(&have, &want)).cloned().collect();
    Some(Policy::new(&json!({ "Statement": both })))
}

/// Returns the existing statements and the wanted statements of a role that will be changed.
fn rights(step: &Step) -> Option<[Vec<Value>; 2]> {
    let is_role =
        step.action == Action::Change && step.address.id.kind == Kind::Role && step.address.id.key == role::POLICY;
    let statements = |document: &Option<Value>| {
        let spec = spec_of::<Role>(document.as_ref()?).ok()?;
        spec.policies.get(role::POLICY)?.statements().map(<[Value]>::to_vec)
    };
    is_role.then(|| Some([statements(&step.have)?, statements(&step.want)?])).flatten()
}

fn lost<'a>(have: &'a [Value], want: &[Value]) -> Vec<&'a Value> {
    have.iter().filter(|statement| !want.contains(statement)).collect()
}
