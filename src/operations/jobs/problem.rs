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

/// Returns the problem that a ledger shows. An overdue job comes before a failing one: its failures, if any, were announced apart.
#[must_use]
pub fn of(ledger: &Ledger) -> Option<Problem> {
    let overdue = ledger.overdue().map(|deadline| Problem::Overdue(deadline.to_owned()));
    overdue.or_else(|| ledger.open_failure().map(Problem::Failing))
}
