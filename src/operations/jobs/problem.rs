//! Finds the problem of a job in its ledger.

use crate::aws::calls::ledger::{Ledger, OpenFailure};

/// The problem of a job, as far as its ledger knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The job did not end well by this deadline, nor since.
    Overdue(String),
    /// The job failed after its last success.
    Failing(OpenFailure),
}

/// Returns the problem that a ledger shows. A failure comes before a deadline: the notifier also notes the deadline by which a job
/// failed.
#[must_use]
pub fn of(ledger: &Ledger) -> Option<Problem> {
    let failing = ledger.open_failure().map(Problem::Failing);
    failing.or_else(|| ledger.overdue().map(|deadline| Problem::Overdue(deadline.to_owned())))
}
