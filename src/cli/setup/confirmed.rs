//! What was confirmed, and no other resource.

use crate::cli::render;
use crate::error::{Error, Result};
use crate::reconcile::plan::{Action, Plan, Step};

/// What was seen once need not be so at the second look: only what was confirmed is done. Doors are opened and closed by
/// changing the queue and the function.
///
/// # Errors
/// If the second plan has more in it, or something that could not be read.
pub fn still_as_confirmed(confirmed: &Plan, plan: &Plan) -> Result<()> {
    let is_door = |step: &Step| step.action == Action::Change && ["queue", "function"].contains(&step.address.id.kind);
    let was_confirmed = |step: &Step| {
        let same = |other: &&Step| other.action == step.action && other.address == step.address;
        is_door(step) || confirmed.steps.iter().any(|other| same(&other))
    };
    match plan.unknown.is_empty() && plan.conflicts.is_empty() && plan.steps.iter().all(was_confirmed) {
        true => Ok(()),
        false => Err(Error::new(format!("what is there has changed meanwhile:\n{}", render::plan(plan, false)))
            .hint("the same command is safe to run again")),
    }
}
