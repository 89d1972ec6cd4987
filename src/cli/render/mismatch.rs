//! Explains why an event stops at a link, and describes the operators of patterns in words.

use serde_json::Value;

use crate::input::printable;
use crate::operations::links::Broken;
use crate::pattern::matcher::{Branch, Mismatch};

/// Returns one line for a broken link. For a `$or`, returns one line for each of the closest branches.
pub fn of_broken(broken: &Broken) -> Vec<String> {
    match broken {
        Broken::Mismatch(mismatch) if mismatch.branches.is_empty() => vec![of_field(mismatch)],
        Broken::Mismatch(mismatch) => mismatch.branches.iter().map(of_branch).collect(),
        other => vec![printable(&other.to_string())],
    }
}

fn of_branch(Branch { name, against }: &Branch) -> String {
    let against: Vec<String> = against.iter().map(of_field).collect();
    format!("{} ({})", against.join("; and "), printable(name))
}

fn of_field(Mismatch { path, have, want, apart, branches: _ }: &Mismatch) -> String {
    let have: Vec<String> = have.iter().map(Value::to_string).collect();
    let have = if have.is_empty() { "nothing".to_owned() } else { have.join(" and ") };
    let together = if *apart { " in the same element as the fields before it" } else { "" };
    let want = one_of(&want.iter().map(of_leaf).collect::<Vec<_>>());
    printable(&format!("{path}: has {have}, wants {want}{together}"))
}

/// Joins the choices: `a`, `a or b`, `one of a, b or c`.
fn one_of(choices: &[String]) -> String {
    match choices {
        [] => "one of an empty list".to_owned(),
        [only] => only.clone(),
        [one, other] => format!("{one} or {other}"),
        [..] => format!("one of {}", listed(choices)),
    }
}

/// Joins the choices: `a, b or c`.
fn listed(choices: &[String]) -> String {
    match choices {
        [all @ .., last] if !all.is_empty() => format!("{} or {last}", all.join(", ")),
        all => all.concat(),
    }
}

/// Describes one alternative of a pattern. An unknown operator is shown as JSON.
fn of_leaf(leaf: &Value) -> String {
    let Some((name, value)) =
        leaf.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.iter().next())
    else {
        return leaf.to_string();
    };
    match (name.as_str(), value) {
        ("exists", Value::Bool(true)) => "anything".to_owned(),
        ("exists", Value::Bool(false)) => "nothing".to_owned(),
        ("anything-but", value) => format!("anything but {}", listed(&each(value, refused))),
        ("numeric", Value::Array(parts)) => {
            let bounds: Vec<String> = parts.chunks(2).map(spaced).collect();
            format!("a number {}", bounds.join(" and "))
        }
        ("cidr", value) => format!("an address in {value}"),
        (_, value) => of_text(name, value).unwrap_or_else(|| leaf.to_string()),
    }
}

fn refused(value: &Value) -> String {
    match value.as_object().and_then(|fields| fields.iter().next()) {
        Some((name, texts)) => listed(&each(texts, |text| of_text(name, text).unwrap_or_else(|| value.to_string()))),
        None => value.to_string(),
    }
}

/// Describes an operator on texts. Returns `None` for any other operator.
fn of_text(name: &str, value: &Value) -> Option<String> {
    let cased = |value: &Value| match &value["equals-ignore-case"] {
        Value::String(text) => Some(format!("{} in any case", Value::from(text.as_str()))),
        _ => value.is_string().then(|| value.to_string()),
    };
    let value = cased(value)?;
    Some(match name {
        "prefix" => format!("a text that starts with {value}"),
        "suffix" => format!("a text that ends with {value}"),
        "wildcard" => format!("a text that matches {value}"),
        "equals-ignore-case" => format!("{value} in any case"),
        _ => return None,
    })
}

fn each(value: &Value, told: impl Fn(&Value) -> String) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().map(told).collect(),
        one => vec![told(one)],
    }
}

fn spaced(bound: &[Value]) -> String {
    bound.iter().map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operators_are_described_in_words() {
        for (leaf, told) in [
            (json!("STOPPED"), r#""STOPPED""#),
            (json!({ "anything-but": 0 }), "anything but 0"),
            (json!({ "anything-but": ["a", "b", "c"] }), r#"anything but "a", "b" or "c""#),
            (
                json!({ "anything-but": { "prefix": ["Scaling", "Zone"] } }),
                r#"anything but a text that starts with "Scaling" or a text that starts with "Zone""#,
            ),
            (json!({ "prefix": "CannotPull" }), r#"a text that starts with "CannotPull""#),
            (json!({ "prefix": { "equals-ignore-case": "Out" } }), r#"a text that starts with "Out" in any case"#),
            (json!({ "suffix": "x" }), r#"a text that ends with "x""#),
            (json!({ "wildcard": "a*b" }), r#"a text that matches "a*b""#),
            (json!({ "equals-ignore-case": "x" }), r#""x" in any case"#),
            (json!({ "exists": true }), "anything"),
            (json!({ "exists": false }), "nothing"),
            (json!({ "numeric": [">", 0, "<=", 5] }), "a number > 0 and <= 5"),
            (json!({ "cidr": "10.0.0.0/8" }), r#"an address in "10.0.0.0/8""#),
            (json!({ "new": 1 }), r#"{"new":1}"#),
        ] {
            assert_eq!(of_leaf(&leaf), told);
        }
        let all = ["a", "b", "c"].map(str::to_owned);
        assert_eq!([one_of(&all[..1]), one_of(&all[..2]), one_of(&all)], ["a", "a or b", "one of a, b or c"]);
    }
}
