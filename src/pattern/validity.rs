//! What EventBridge takes for an event pattern, with the service's own reasons for what it refuses.

use serde_json::{Map, Value};

use super::matcher::Invalid;
use super::operator::comparable;

/// Combinations that `$or` may make.
pub const MOST_RULES: usize = 1000;

type Checked = Result<(), Invalid>;

fn refuse<T>(reason: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid { reason: reason.into() })
}

/// Whether EventBridge would take the pattern.
pub fn check(pattern: &Value) -> Checked {
    match pattern {
        Value::Object(fields) => object(fields, or_of(pattern)),
        _ => refuse("Filter is not an object"),
    }
}

/// What `$or` is in a pattern: the operator, or, if any `$or` of it does not fit the operator, a field's name everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Or {
    Operator,
    Name,
}

pub fn or_of(pattern: &Value) -> Or {
    if every_or_fits(pattern, false) { Or::Operator } else { Or::Name }
}

/// Names that the fields below `$or` may not have, at any depth.
const RESERVED: [&str; 25] = [
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
    "interpolated",
];

/// Whether every `$or` is a list of two objects or more.
fn every_or_fits(value: &Value, below_or: bool) -> bool {
    let alternative =
        |item: &Value| item.as_object().is_some_and(|fields| !fields.is_empty()) && every_or_fits(item, true);
    value.as_object().into_iter().flatten().all(|(name, value)| match value {
        _ if below_or && RESERVED.contains(&name.as_str()) => false,
        Value::Array(items) if name == "$or" => items.len() >= 2 && items.iter().all(alternative),
        Value::Object(_) => every_or_fits(value, below_or),
        _ => true,
    })
}

fn object(fields: &Map<String, Value>, or: Or) -> Checked {
    if fields.is_empty() {
        return refuse("Empty objects are not allowed");
    }
    for (name, value) in fields {
        match value {
            Value::Object(inner) => object(inner, or)?,
            Value::Array(items) if name == "$or" && or == Or::Operator => {
                for item in items {
                    item.as_object().map_or(Ok(()), |fields| object(fields, or))?;
                }
            }
            Value::Array(leaves) => list(leaves)?,
            _ => return refuse(format!("\"{name}\" must be an object or an array")),
        }
    }
    Ok(())
}

fn list(leaves: &[Value]) -> Checked {
    if leaves.is_empty() {
        return refuse("Empty arrays are not allowed");
    }
    for leaf in leaves {
        match leaf {
            Value::Object(expression) => match_expression(expression)?,
            Value::Array(_) => return refuse("Match value must be String, number, true, false, or null"),
            _ => {}
        }
    }
    Ok(())
}

fn match_expression(expression: &Map<String, Value>) -> Checked {
    let mut fields = expression.iter();
    let Some((operator, value)) = fields.next() else {
        return refuse("Empty objects are not allowed");
    };
    match operator.as_str() {
        "exactly" => must_be_string("exact", value)?,
        "prefix" | "suffix" => affix(operator, value)?,
        "equals-ignore-case" => must_be_string("equals-ignore-case", value)?,
        "wildcard" => wildcard(value)?,
        "numeric" => numeric(value)?,
        "cidr" => cidr(value)?,
        "exists" if !value.is_boolean() => return refuse("exists match pattern must be either true or false."),
        "exists" => {}
        "anything-but" => anything_but(value)?,
        other => return refuse(format!("Unrecognized match type {other}")),
    }
    match fields.next() {
        Some(_) => refuse("Only one key allowed in match expression"),
        None => Ok(()),
    }
}

fn must_be_string(operator: &str, value: &Value) -> Checked {
    if value.is_string() { Ok(()) } else { refuse(format!("{operator} match pattern must be a string")) }
}

/// A string, or `{"equals-ignore-case": …}`.
fn affix(operator: &str, value: &Value) -> Checked {
    let Some(inner) = value.as_object() else {
        return must_be_string(operator, value);
    };
    match inner.iter().next() {
        Some(_) if inner.len() > 1 => refuse("Only one key allowed in match expression"),
        Some((name, value)) if name == "equals-ignore-case" => must_be_string(name, value),
        Some((name, _)) => refuse(format!("Unsupported {operator} pattern: {name}")),
        None => refuse("Empty objects are not allowed"),
    }
}

/// `*` stands for anything; it may not follow itself, and a backslash escapes only it and itself.
fn wildcard(value: &Value) -> Checked {
    let Some(text) = value.as_str() else {
        return refuse("wildcard match pattern must be a string");
    };
    let mut characters = text.char_indices().peekable();
    while let Some((_, character)) = characters.next() {
        let next = characters.peek().copied();
        match (character, next) {
            ('\\', Some((_, '*' | '\\'))) => drop(characters.next()),
            ('\\', Some((at, _))) => return refuse(format!("Invalid escape character at pos {at}")),
            ('\\', None) => return refuse(format!("Invalid escape character at pos {}", text.len())),
            ('*', Some((at, '*'))) => return refuse(format!("Consecutive wildcard characters at pos {at}")),
            _ => {}
        }
    }
    Ok(())
}

/// One bound, or a lower and an upper one.
fn numeric(value: &Value) -> Checked {
    let Some(parts) = value.as_array() else {
        return refuse("Value of numeric must be an array.");
    };
    let mut bounds = Vec::new();
    for pair in parts.chunks(2) {
        let Some(operator) = pair[0].as_str() else {
            return refuse("Invalid member in numeric match");
        };
        if !["=", "<", "<=", ">", ">="].contains(&operator) {
            return refuse(format!("Unrecognized numeric range operator: {operator}"));
        }
        let Some(number) = pair.get(1).filter(|value| value.is_number()) else {
            return refuse(format!("Value of {operator} must be numeric"));
        };
        let number = comparable(number).map_or_else(|| cannot_compare(number), Ok)?;
        bounds.push((operator, number));
    }
    match bounds[..] {
        [] => refuse("Invalid member in numeric match"),
        [_] => Ok(()),
        [(">" | ">=", bottom), ("<" | "<=", top)] if bottom < top => Ok(()),
        [(">" | ">=", _), ("<" | "<=", _)] => refuse("Bottom must be less than top"),
        [(">" | ">=", _), (other, _)] => refuse(format!("Bad numeric range operator: {other}")),
        _ => refuse("Too many elements in numeric expression"),
    }
}

fn cidr(value: &Value) -> Checked {
    let Some(text) = value.as_str() else {
        return refuse("prefix match pattern must be a string");
    };
    let Some((address, mask)) = text.split_once('/') else {
        return refuse("Malformed CIDR, one '/' required");
    };
    if mask.contains('/') {
        return refuse("Malformed CIDR, one '/' required");
    }
    let Some(network) = super::operator::address(address) else {
        return refuse(format!("Nonstandard IP address: {address}"));
    };
    let Ok(mask) = mask.parse::<i64>() else {
        return refuse("Malformed CIDR, mask bits must be an integer");
    };
    match network {
        _ if mask < 0 => refuse("Malformed CIDR, mask bits must not be negative"),
        std::net::IpAddr::V4(_) if mask > 31 => refuse("IPv4 mask bits must be < 32"),
        std::net::IpAddr::V6(_) if mask > 127 => refuse("IPv6 mask bits must be < 128"),
        _ => Ok(()),
    }
}

fn cannot_compare<T>(number: &Value) -> Result<T, Invalid> {
    refuse(format!("Cannot compare number : {number}"))
}

/// One value, a list of values of one type, or a string operator with one or several texts.
fn anything_but(value: &Value) -> Checked {
    match value {
        Value::String(_) => Ok(()),
        Value::Number(_) => comparable(value).map_or_else(|| cannot_compare(value), |_| Ok(())),
        Value::Array(items) if items.iter().any(|item| !item.is_string() && !item.is_number()) => {
            refuse("Inside anything but list, start|null|boolean is not supported.")
        }
        Value::Array(items) => {
            if let Some(number) = items.iter().find(|item| item.is_number() && comparable(item).is_none()) {
                return cannot_compare(number);
            }
            let uniform = items.iter().all(Value::is_string) || items.iter().all(Value::is_number);
            match !items.is_empty() && uniform {
                true => Ok(()),
                false => refuse(
                    "Inside anything but list, either all values are number or string, mixed type is not supported",
                ),
            }
        }
        Value::Object(expression) => {
            let mut fields = expression.iter();
            match (fields.next(), fields.next()) {
                (Some((operator, value)), None) => anything_but_operator(operator, value),
                (None, _) => refuse("Empty objects are not allowed"),
                _ => refuse("Only one key allowed in match expression"),
            }
        }
        _ => refuse("Value of anything-but must be an array or single string/number value."),
    }
}

fn anything_but_operator(operator: &str, value: &Value) -> Checked {
    if !["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(&operator) {
        return refuse(format!("Unsupported anything-but pattern: {operator}"));
    }
    let texts = value.as_array().map_or_else(|| vec![value], |items| items.iter().collect());
    if texts.is_empty() {
        return refuse("Empty arrays are not allowed");
    }
    for text in texts {
        match (operator, text.as_str()) {
            ("prefix" | "suffix", Some("")) => return refuse("Null prefix/suffix not allowed"),
            ("wildcard", Some(_)) => wildcard(text)?,
            (_, Some(_)) => {}
            (_, None) => return refuse(format!("{operator} match pattern must be a string")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_of_the_service_is_shared_with_its_reason() {
        let lines = include_str!("../../tests/data/validity.jsonl");
        let mut seen = 0;
        for line in lines.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let ours = check(&case["pattern"]).err().map(|invalid| invalid.reason);
            assert_eq!(ours.as_deref(), case["reason"].as_str(), "{line}");
            seen += 1;
        }
        assert!(seen >= 48);
    }
}
