//! What an operation came to, where it did not fail.

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
