//! Limits a run to the steps that the user confirmed.

use crate::reconcile::plan::{Action, Plan, Step};
use crate::stack::Kind;

/// Checks whether a later plan contains only confirmed steps: AWS may have changed since the user confirmed. Changes of the queue
/// and the function are allowed besides, because the permissions of rules that are removed are first kept, and removed in the
/// end.
#[must_use]
pub fn still_as_confirmed(confirmed: &Plan, plan: &Plan) -> bool {
    let is_door = |step: &Step| step.action == Action::Change && admits_rules(step.address.id.kind);
    let was_confirmed = |step: &Step| {
        let same = |other: &&Step| other.action == step.action && other.address == step.address;
        is_door(step) || confirmed.steps.iter().any(|other| same(&other))
    };
    plan.unknown.is_empty() && plan.conflicts.is_empty() && plan.steps.iter().all(was_confirmed)
}

/// Checks whether the resources of a kind have permissions for the rules, which change when a rule comes or goes.
fn admits_rules(kind: Kind) -> bool {
    match kind {
        Kind::Queue | Kind::Function => true,
        Kind::Parameter | Kind::LogGroup | Kind::Table | Kind::Alarm | Kind::Role | Kind::Rule | Kind::Watch => false,
    }
}
