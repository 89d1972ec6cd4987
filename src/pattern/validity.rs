//! Checks whether EventBridge accepts an event pattern, and returns the service's own reason for a refusal.
//!
//! EventBridge's rule engine first reads a pattern in today's grammar. If that fails, the engine reads the pattern in an older
//! grammar without `$or` and without some forms of anything-but. If both fail, the engine refuses the pattern for the older
//! grammar's reason. Both grammars stop at the first fault in the order of the text.

use std::fmt;

use serde_json::Value;

use super::address::Range;
use super::operator::comparable;
use super::tree::Tree;
use crate::input::printable;

/// The most combinations that `$or` may make.
pub const MOST_SUB_RULES: usize = 1000;

/// The reason why EventBridge would not accept a pattern, in EventBridge's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    pub reason: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.reason))
    }
}

impl std::error::Error for Invalid {}

/// The meaning of `$or` in a pattern: the operator, or, if any `$or` of the pattern does not fit the operator, the name of a field
/// everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Or {
    Operator,
    Name,
}

/// Checks whether EventBridge would accept the pattern. Returns the meaning of `$or` in the pattern.
///
/// # Errors
/// If EventBridge would not accept the pattern. The error has the service's reason.
pub fn check(pattern: &Tree) -> Result<Or, Invalid> {
    let Tree::Object(fields) = pattern else {
        return Err(Invalid { reason: "Filter is not an object".to_owned() });
    };
    let older = match object(fields, Grammar::Todays) {
        Ok(()) => return Ok(Or::Operator),
        Err(Fault::Unread(_)) => object(fields, Grammar::Older).map(|()| Or::Name),
        Err(fault) => Err(fault),
    };
    older.map_err(|(Fault::Unread(reason) | Fault::Wrong(reason))| Invalid { reason })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grammar {
    Todays,
    /// Today's grammar below `$or`, where the names of operators are reserved.
    TodaysBelowOr,
    Older,
}

/// The reason why a pattern cannot be read.
enum Fault {
    /// The grammar does not know the pattern.
    Unread(String),
    /// The grammar knows the pattern, and the pattern is wrong: no other grammar is tried.
    Wrong(String),
}

type Checked = Result<(), Fault>;

fn refuse<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Unread(reason.into()))
}

const ONE_KEY: &str = "Only one key allowed in match expression";
const TOO_MANY: &str = "Too many elements in numeric expression";

/// The names that fields below `$or` may not have, at any depth.
const RESERVED: [&str; 24] = [
    "exactly",
    "prefix",
    "suffix",
    "equals-ignore-case",
    "wildcard",
    "numeric",
    "cidr",
    "exists",
    "anything-but",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// Checks whether this name is not allowed for a field below `$or`.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

fn object(fields: &[(String, Tree)], grammar: Grammar) -> Checked {
    if fields.is_empty() {
        return refuse("Empty objects are not allowed");
    }
    for (name, tree) in fields {
        match tree {
            _ if name == "$or" && grammar != Grammar::Older => alternatives(tree)?,
            _ if grammar == Grammar::TodaysBelowOr && is_reserved(name) => {
                return refuse(format!("{name} is reserved below $or"));
            }
            Tree::Object(inner) => object(inner, grammar)?,
            Tree::Array(leaves) => list(leaves, grammar)?,
            Tree::Leaf(_) => return refuse(format!("\"{name}\" must be an object or an array")),
        }
    }
    Ok(())
}

/// Checks the operand of `$or`: a list of two or more objects.
fn alternatives(tree: &Tree) -> Checked {
    let Tree::Array(items) = tree else {
        return refuse("$or must be an array");
    };
    for item in items {
        match item {
            Tree::Object(fields) => object(fields, Grammar::TodaysBelowOr)?,
            _ => return refuse("$or must contain only objects"),
        }
    }
    if items.len() < 2 { refuse("$or must contain at least two objects") } else { Ok(()) }
}

fn list(leaves: &[Tree], grammar: Grammar) -> Checked {
    for leaf in leaves {
        match leaf {
            Tree::Object(expression) => match_expression(expression, grammar)?,
            Tree::Array(_) => return refuse("Match value must be String, number, true, false, or null"),
            Tree::Leaf(_) => {}
        }
    }
    if leaves.is_empty() { refuse("Empty arrays are not allowed") } else { Ok(()) }
}

fn match_expression(expression: &[(String, Tree)], grammar: Grammar) -> Checked {
    let [(operator, operand), more @ ..] = expression else {
        return refuse("Match expression name not found");
    };
    match operator.as_str() {
        "exactly" => must_be_string("exact", operand)?,
        "prefix" => affix("prefix", "Prefix", operand)?,
        "suffix" => affix("suffix", "Suffix", operand)?,
        "equals-ignore-case" => must_be_string("equals-ignore-case", operand)?,
        "wildcard" => wildcard(operand)?,
        "numeric" => numeric(operand)?,
        "cidr" => cidr(operand)?,
        "exists" if matches!(operand, Tree::Leaf(Value::Bool(_))) => {}
        "exists" => return refuse("exists match pattern must be either true or false."),
        "anything-but" => anything_but(operand, grammar)?,
        other => return refuse(format!("Unrecognized match type {other}")),
    }
    let plain_exclusion = operator == "anything-but" && !matches!(operand, Tree::Object(fields) if is_affix(fields));
    match more {
        [] => Ok(()),
        _ if operator == "numeric" || plain_exclusion => refuse(TOO_MANY),
        _ => refuse(ONE_KEY),
    }
}

/// Checks whether anything-but excludes a prefix or a suffix.
fn is_affix(fields: &[(String, Tree)]) -> bool {
    fields.first().is_some_and(|(operator, _)| operator == "prefix" || operator == "suffix")
}

fn string(tree: &Tree) -> Option<&str> {
    if let Tree::Leaf(value) = tree { value.as_str() } else { None }
}

fn number(tree: &Tree) -> Option<&Value> {
    if let Tree::Leaf(value) = tree { Some(value).filter(|value| value.is_number()) } else { None }
}

fn must_be_string(operator: &str, tree: &Tree) -> Checked {
    string(tree).map_or_else(|| refuse(format!("{operator} match pattern must be a string")), |_| Ok(()))
}

/// Checks the operand of prefix or suffix: a string, or `{"equals-ignore-case": …}`.
fn affix(operator: &str, name: &str, operand: &Tree) -> Checked {
    let Tree::Object(inner) = operand else {
        return must_be_string(operator, operand);
    };
    match inner.as_slice() {
        [] => refuse(format!("{name} expression name not found")),
        [(inner, _), ..] if inner != "equals-ignore-case" => refuse(format!("Unsupported {operator} pattern: {inner}")),
        [(inner, operand), more @ ..] => {
            must_be_string(inner, operand)?;
            if more.is_empty() { Ok(()) } else { refuse(ONE_KEY) }
        }
    }
}

/// Checks the operand of wildcard: `*` matches anything and may not follow another `*`; a backslash escapes only `*` and a
/// backslash.
fn wildcard(operand: &Tree) -> Checked {
    let Some(text) = string(operand) else {
        return refuse("wildcard match pattern must be a string");
    };
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        // The engine counts bytes, including the quote before the text.
        match (character, next) {
            ('\\', Some('*' | '\\')) => drop(characters.next()),
            ('\\', _) => return refuse(format!("Invalid escape character at pos {}", at + 1)),
            ('*', Some('*')) => return refuse(format!("Consecutive wildcard characters at pos {}", at + 1)),
            _ => {}
        }
    }
    Ok(())
}

/// Checks the operand of numeric: one bound, or a lower bound and an upper one.
fn numeric(operand: &Tree) -> Checked {
    let Tree::Array(parts) = operand else {
        return refuse("Value of numeric must be an array.");
    };
    let Some(operator) = parts.first().and_then(string) else {
        return refuse(format!("Invalid member in numeric match: {}", token(parts.first())));
    };
    let name = match operator {
        "=" => "equals",
        "<" | "<=" | ">" | ">=" => operator,
        _ => return refuse(format!("Unrecognized numeric range operator: {operator}")),
    };
    let Some(first) = parts.get(1).and_then(number) else {
        return refuse(format!("Value of {name} must be numeric"));
    };
    match &parts[2..] {
        [] => bound(first).map(drop),
        [second, more @ ..] if operator.starts_with('>') => upper_bound(first, second, more),
        _ => refuse(TOO_MANY),
    }
}

/// Checks the parts after a lower bound.
fn upper_bound(bottom: &Value, operator: &Tree, more: &[Tree]) -> Checked {
    let Some(operator) = string(operator) else {
        return refuse(format!("Bad value in numeric range: {}", token(Some(operator))));
    };
    if operator != "<" && operator != "<=" {
        return refuse(format!("Bad numeric range operator: {operator}"));
    }
    let Some(top) = more.first().and_then(number) else {
        return refuse(format!("Value of {operator} must be numeric"));
    };
    if more.len() > 1 {
        return refuse("Too many terms in numeric range expression");
    }
    let (bottom, top) = (bound(bottom)?, bound(top)?);
    if bottom < top { Ok(()) } else { refuse("Bottom must be less than top") }
}

fn bound(number: &Value) -> Result<f64, Fault> {
    comparable(number).map_or_else(|| refuse(format!("Cannot compare number : {number}")), Ok)
}

/// Returns the next token of the text. None: the end of the list.
fn token(tree: Option<&Tree>) -> String {
    match tree {
        None => "]".to_owned(),
        Some(Tree::Array(_)) => "[".to_owned(),
        Some(Tree::Object(_)) => "{".to_owned(),
        Some(Tree::Leaf(value)) => value.to_string(),
    }
}

fn cidr(operand: &Tree) -> Checked {
    let Some(block) = string(operand) else {
        return refuse("prefix match pattern must be a string");
    };
    Range::of_block(block).map(drop).map_err(Fault::Wrong)
}

/// Checks the operand of anything-but: one value, a list of values of one type, or a string operator with one or several texts.
fn anything_but(operand: &Tree, grammar: Grammar) -> Checked {
    match operand {
        Tree::Object(expression) => match expression.as_slice() {
            [] => refuse("Anything-But expression name not found"),
            [(operator, operand), more @ ..] => {
                excluded_texts(operator, operand, grammar)?;
                match more {
                    [] => Ok(()),
                    _ if is_affix(expression) => refuse(ONE_KEY),
                    _ => refuse(TOO_MANY),
                }
            }
        },
        Tree::Array(items) => excluded_values(items),
        Tree::Leaf(Value::Number(number)) => match comparable(&Value::Number(number.clone())) {
            Some(_) => Ok(()),
            None => Err(Fault::Wrong(format!("Cannot compare number : {number}"))),
        },
        Tree::Leaf(Value::String(_)) => Ok(()),
        Tree::Leaf(_) => refuse("Value of anything-but must be an array or single string/number value."),
    }
}

fn excluded_values(items: &[Tree]) -> Checked {
    for item in items {
        match (number(item), string(item)) {
            (Some(number), _) => drop(bound(number)?),
            (None, Some(_)) => {}
            (None, None) => return refuse("Inside anything but list, start|null|boolean is not supported."),
        }
    }
    let uniform = items.iter().all(|item| string(item).is_some()) || items.iter().all(|item| number(item).is_some());
    match !items.is_empty() && uniform {
        true => Ok(()),
        false => {
            refuse("Inside anything but list, either all values are number or string, mixed type is not supported")
        }
    }
}

/// Checks the texts that anything-but excludes. The older grammar knows no wildcards here, and no lists of prefixes and suffixes.
fn excluded_texts(operator: &str, operand: &Tree, grammar: Grammar) -> Checked {
    let affix = operator == "prefix" || operator == "suffix";
    let wildcard_is_known = grammar != Grammar::Older;
    if !affix && operator != "equals-ignore-case" && !(operator == "wildcard" && wildcard_is_known) {
        return refuse(format!("Unsupported anything-but pattern: {operator}"));
    }
    let texts = match operand {
        Tree::Array(items) if !(affix && grammar == Grammar::Older) => items.as_slice(),
        Tree::Object(_) | Tree::Leaf(Value::Null | Value::Bool(_)) if !affix => {
            return refuse("Value of anything-but must be an array or single string/number value.");
        }
        one => std::slice::from_ref(one),
    };
    for text in texts {
        match string(text) {
            Some("") if affix => return refuse("Null prefix/suffix not allowed"),
            Some(_) if operator == "wildcard" => wildcard(text)?,
            Some(_) => {}
            None if affix => return refuse("prefix/suffix match pattern must be a string"),
            None => {
                return refuse("Inside anything-but/ignore-case list, number|start|null|boolean is not supported.");
            }
        }
    }
    // The engine fails on an empty list later, with this reason alone.
    if texts.is_empty() { Err(Fault::Wrong("Empty arrays are not allowed".to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Case {
        pattern: Tree,
        reason: Option<String>,
    }

    #[test]
    fn every_verdict_and_reason_agrees_with_the_service() {
        let mut seen = 0;
        for line in include_str!("../../tests/data/validity.jsonl").lines() {
            let Case { pattern, reason } = serde_json::from_str(line).unwrap();
            assert_eq!(check(&pattern).err().map(|invalid| invalid.reason), reason, "{line}");
            seen += 1;
        }
        assert!(seen >= 109);
    }
}
