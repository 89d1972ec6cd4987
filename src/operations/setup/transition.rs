//! Doors that stay open until nobody goes through them any more: rules that have to go ring until they are gone, and the notifier
//! has its old settings until it has the new ones.

use serde_json::{Value, json};

use crate::aws::kinds::role;
use crate::policy::Policy;
use crate::reconcile::plan::{Action, Plan, Step};
use crate::reconcile::resource::Stage;

/// Names of the rules that have to go.
pub fn leaving(plan: &Plan) -> Vec<String> {
    let going = plan.steps.iter().filter(|step| step.action == Action::Remove && step.stage == Stage::Trigger);
    going.map(|step| step.address.name.clone()).collect()
}

/// Whether the notifier's role is to lose a right while the notifier, which is changed after it, may still use it.
pub fn narrows(plan: &Plan) -> bool {
    let notifier_changes =
        plan.steps.iter().any(|step| step.action == Action::Change && step.address.id.kind == "function");
    notifier_changes
        && plan.steps.iter().any(|step| rights(step).is_some_and(|[have, want]| !lost(&have, &want).is_empty()))
}

/// The plan, with the role keeping what it may.
pub fn widened(mut plan: Plan) -> Plan {
    for step in &mut plan.steps {
        if let (Some([have, want]), Some(wanted)) = (rights(step), &mut step.want) {
            let both: Vec<Value> = want.iter().chain(lost(&have, &want)).cloned().collect();
            if let Ok(policy) = serde_json::to_value(Policy::new(&json!({ "Statement": both }))) {
                wanted["policies"][role::POLICY] = policy;
            }
        }
    }
    plan
}

/// The statements that are there, and those that are wanted, of a role that is to be changed.
fn rights(step: &Step) -> Option<[Vec<Value>; 2]> {
    let is_role = step.action == Action::Change && step.address.id.kind == "role";
    let statements = |spec: &Option<Value>| spec.as_ref()?["policies"][role::POLICY].as_array().cloned();
    is_role.then(|| Some([statements(&step.have)?, statements(&step.want)?])).flatten()
}

fn lost<'a>(have: &'a [Value], want: &[Value]) -> Vec<&'a Value> {
    have.iter().filter(|statement| !want.contains(statement)).collect()
}
