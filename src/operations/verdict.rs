//! What an operation came to, where it did not fail.

use crate::reconcile::plan::Plan;

/// A result of comparing or looking, without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All is as asked for, or was done.
    InSync,
    /// AWS differs from what was asked for.
    Differs,
    /// Something could not be read, so that there is no verdict.
    Unreadable,
    /// What was looked at does not work, or not all was done.
    Failed,
}

impl Verdict {
    /// What a plan says of AWS. An unknown is graver than a difference: there is no verdict.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        match (plan.unknown.is_empty(), plan.is_in_sync()) {
            (false, _) => Self::Unreadable,
            (true, false) => Self::Differs,
            (true, true) => Self::InSync,
        }
    }
}
