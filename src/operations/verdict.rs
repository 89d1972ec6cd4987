//! Defines the verdict of an operation that ended without an error.

use crate::reconcile::plan::Plan;

/// The result of a comparison or a check that ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as configured, or was done.
    InSync,
    /// AWS differs from the configuration.
    Differs,
    /// Something could not be read, so that nothing can be decided.
    Unreadable,
    /// Something that was checked does not work, or not everything was done.
    Failed,
}

impl Verdict {
    /// Returns the verdict of a plan. An unreadable resource is more severe than a difference, because nothing can be decided.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        match (plan.unknown.is_empty(), plan.is_in_sync()) {
            (false, _) => Self::Unreadable,
            (true, false) => Self::Differs,
            (true, true) => Self::InSync,
        }
    }
}
