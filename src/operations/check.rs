//! Describes the result of a check: of a hop of a drill, or of a question of `doctor`.

use crate::error::{Error, Hint};

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Yes,
    No,
    Unknown,
}

/// The result of a check, and the way to fix a problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub name: &'static str,
    pub held: Held,
    pub told: String,
    /// The next thing to do, if the check did not succeed.
    pub hint: Option<Hint>,
    /// The duration, if it was measured.
    pub milliseconds: Option<i64>,
}

impl Check {
    pub fn holds(name: &'static str, told: impl Into<String>) -> Self {
        Self { name, held: Held::Yes, told: told.into(), hint: None, milliseconds: None }
    }

    pub fn broken(name: &'static str, told: impl Into<String>, hint: impl Into<Hint>) -> Self {
        Self { held: Held::No, hint: Some(hint.into()), ..Self::holds(name, told) }
    }

    pub fn unknown(name: &'static str, told: impl Into<String>, hint: impl Into<Hint>) -> Self {
        Self { held: Held::Unknown, ..Self::broken(name, told, hint) }
    }

    /// Returns a failed check with the words and the nearest hint of an error.
    #[must_use]
    pub fn failed(name: &'static str, error: &Error) -> Self {
        Self { held: Held::No, hint: error.nearest_hint().cloned(), ..Self::holds(name, error.in_one_line()) }
    }

    #[must_use]
    pub fn took(self, milliseconds: impl Into<Option<i64>>) -> Self {
        Self { milliseconds: milliseconds.into(), ..self }
    }
}
