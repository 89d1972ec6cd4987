//! Writes numbers and times in words.

use crate::date::{DateTime, Format};

/// Returns the number with its noun: `1 change`, `2 changes`.
#[must_use]
pub fn count(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Returns a time in milliseconds since 1970 as text, to the second.
#[must_use]
pub fn time(milliseconds: i64) -> String {
    DateTime::from_secs(milliseconds.div_euclid(1000)).fmt(Format::DateTime).unwrap_or_default()
}
