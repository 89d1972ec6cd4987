//! Defines the marks of checks. They differ from the marks of plans (`+ ~ -`), so that no result reads like a change.

use crate::operations::check::Held;
use crate::style::Style;

/// Returns the mark of a result, in its colour.
pub fn check(held: Held) -> String {
    let (mark, style) = match held {
        Held::Yes => ('✓', Style::GREEN),
        Held::No => ('✗', Style::RED),
        Held::Unknown => ('?', Style::YELLOW),
    };
    format!("{style}{mark}{style:#}")
}
