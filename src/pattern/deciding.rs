//! Finds few events that decide every alternative of a pattern.

use serde_json::{Map, Value, json};

use super::matcher::Matcher;
use super::tree::Tree;

/// Returns few of the events, so that each alternative of the pattern that any of them satisfies is satisfied by one of
/// those returned: each branch of an `$or`, and each value of a field.
#[must_use]
pub fn deciding(pattern: &Value, events: Vec<Value>) -> Vec<Value> {
    let matchers: Vec<Matcher> =
        alternatives(pattern).iter().filter_map(|one| Matcher::new(&Tree::from(one)).ok()).collect();
    let answers = |event: &Value| -> Vec<bool> { matchers.iter().map(|matcher| matcher.matches(event)).collect() };
    let mut left: Vec<(Value, Vec<bool>)> =
        events.into_iter().map(|event| (answers(&event), event)).map(|(decided, event)| (event, decided)).collect();
    let mut open: Vec<bool> = (0..matchers.len()).map(|at| left.iter().any(|(_, decided)| decided[at])).collect();
    let mut chosen = Vec::new();
    while open.contains(&true) {
        let worth = |(_, decided): &(Value, Vec<bool>)| {
            decided.iter().zip(&open).filter(|(decided, open)| **decided && **open).count()
        };
        // Of equal events, the first.
        let Some(best) = (0..left.len()).rev().max_by_key(|at| worth(&left[*at])) else { break };
        let (event, decided) = left.remove(best);
        for (open, decided) in open.iter_mut().zip(decided) {
            *open &= !decided;
        }
        chosen.push(event);
    }
    chosen
}

/// Returns the pattern once for each of its alternatives, reduced to that one.
fn alternatives(pattern: &Value) -> Vec<Value> {
    let parts = reduced(pattern);
    if parts.is_empty() { vec![pattern.clone()] } else { parts }
}

/// Returns the part of a pattern once for each of its alternatives; nothing if it has no choice.
fn reduced(part: &Value) -> Vec<Value> {
    match part {
        Value::Object(fields) => fields.iter().flat_map(|(name, wanted)| in_field(fields, name, wanted)).collect(),
        Value::Array(values) if values.len() > 1 => values.iter().map(|value| json!([value])).collect(),
        _ => Vec::new(),
    }
}

fn in_field(fields: &Map<String, Value>, name: &str, wanted: &Value) -> Vec<Value> {
    let choices = match (name, wanted) {
        // EventBridge refuses an `$or` of one branch; two equal ones mean the same.
        ("$or", Value::Array(branches)) => {
            branches.iter().flat_map(alternatives).map(|one| json!([one, one])).collect()
        }
        _ => reduced(wanted),
    };
    let with = |choice: Value| {
        let mut fields = fields.clone();
        fields.insert(name.to_owned(), choice);
        Value::Object(fields)
    };
    choices.into_iter().map(with).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alternative_is_decided_by_one_of_the_fewest_events() {
        let pattern = json!({ "source": ["a", "b"], "detail": { "$or": [{ "code": [1, 2] }, { "reason": [{ "prefix": "x" }] }] } });
        let event = |source: &str, detail: Value| json!({ "source": source, "detail": detail });
        let events = vec![
            event("a", json!({ "code": 1 })),
            event("a", json!({ "code": 1, "reason": "y" })),
            event("b", json!({ "code": 2, "reason": "xy" })),
            event("b", json!({ "code": 2 })),
        ];
        let chosen = deciding(&pattern, events.clone());
        assert_eq!(chosen, [events[2].clone(), events[0].clone()]);
        assert_eq!(deciding(&json!({ "source": ["a"] }), events.clone()), [events[0].clone()]);
        assert!(deciding(&pattern, Vec::new()).is_empty());
    }
}
