//! Defines the normal form of a rule's pattern, in which a configured and a deployed rule are compared.

use serde_json::Value;

use super::matcher::{Matcher, Repeated};
use super::tree::Tree;
use crate::document::canonical;

/// EventBridge's quota for a rule's pattern, in characters of compact JSON (L-664C5505; adjustable by AWS support).
pub const LONGEST: usize = 2048;

/// Reads the pattern of a rule as EventBridge evaluates it. Returns the pattern without repeated fields, and these fields.
///
/// # Errors
/// If the text is not JSON.
pub fn read(text: &str) -> serde_json::Result<(Tree, Vec<Repeated>)> {
    let tree: Tree = serde_json::from_str(text)?;
    Ok(match Matcher::new(&tree) {
        Ok(matcher) if !matcher.repeated().is_empty() => {
            ((&matcher.settled(&tree)).into(), matcher.repeated().to_vec())
        }
        _ => (tree, Vec::new()),
    })
}

/// Returns the normal form of a rule's pattern: the pattern without repeated fields, or, if that is longer than EventBridge accepts,
/// the text of the pattern as it was written. A text that is not JSON stays as it is.
#[must_use]
pub fn normal(text: &str) -> Value {
    let Ok((meaning, repeated)) = read(text) else { return Value::from(text) };
    let meaning = canonical(&meaning.to_value());
    match (repeated.is_empty() || length(&meaning) <= LONGEST, serde_json::from_str::<Tree>(text)) {
        (false, Ok(written)) => Value::from(written.to_string()),
        _ => meaning,
    }
}

/// Returns the pattern without repeated fields, from a pattern in its normal form.
#[must_use]
pub fn meaning(normal: &Value) -> Value {
    let written = normal.as_str().and_then(|text| Some(read(text).ok()?.0.to_value()));
    written.unwrap_or_else(|| normal.clone())
}

/// Returns the length in characters of compact JSON.
pub fn length(pattern: &Value) -> usize {
    pattern.to_string().chars().count()
}
