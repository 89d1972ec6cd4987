//! One thing that was looked at: a hop of a drill, or what `doctor` asks.

use crate::error::{Error, Hint};

/// Whether it is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Yes,
    No,
    Unknown,
}

/// How it is, and what can be done about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub name: &'static str,
    pub held: Held,
    pub told: String,
    /// Where to look, if it does not hold.
    pub hint: Option<Hint>,
    /// How long it took.
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

    /// What failed, in the error's words, with its hint.
    pub fn failed(name: &'static str, error: &Error) -> Self {
        Self { held: Held::No, hint: error.nearest_hint().cloned(), ..Self::holds(name, error.in_one_line()) }
    }

    #[must_use]
    pub fn took(self, milliseconds: impl Into<Option<i64>>) -> Self {
        Self { milliseconds: milliseconds.into(), ..self }
    }
}
