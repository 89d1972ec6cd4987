//! Brings JSON documents into a canonical form, and lists the differences between two of them.
//! Does not depend on AWS.

use std::mem::discriminant;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A difference. `have` or `want` is absent if only the other side has the path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// A JSON Pointer (RFC 6901).
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub have: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub want: Option<Value>,
}

/// Returns the document with its object keys sorted, for any map that the parser was built with.
#[must_use]
pub fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            let sorted = keys.into_iter().map(|key| (key.clone(), canonical(&fields[key])));
            Value::Object(sorted.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        scalar => scalar.clone(),
    }
}

/// Returns `digits` hex digits of a hash over the canonical form.
#[must_use]
pub fn digest(value: &Value, digits: usize) -> String {
    let mut text = format!("{:x}", Sha256::digest(canonical(value).to_string()));
    text.truncate(digits);
    text
}

/// Returns the hash of which [`digest`] returns the first digits.
#[must_use]
pub fn digest_bytes(value: &Value) -> [u8; 32] {
    Sha256::digest(canonical(value).to_string()).into()
}

/// Returns the changes that turn `have` into `want`, ordered by path; empty exactly if both are equal.
#[must_use]
pub fn diff(have: &Value, want: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(&mut changes, String::new(), have, want);
    changes
}

fn compare(changes: &mut Vec<Change>, path: String, have: &Value, want: &Value) {
    match (have, want) {
        (Value::Object(have), Value::Object(want)) => compare_objects(changes, &path, have, want),
        (Value::Array(have), Value::Array(want)) if have != want => {
            compare_arrays(changes, &path, have, want);
        }
        _ if have != want => changes.push(Change { path, have: Some(have.clone()), want: Some(want.clone()) }),
        _ => {}
    }
}

fn compare_objects(changes: &mut Vec<Change>, path: &str, have: &Map<String, Value>, want: &Map<String, Value>) {
    let mut keys: Vec<&String> = have.keys().chain(want.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
        compare_optional(changes, path, have.get(key), want.get(key));
    }
}

/// Compares arrays. Elements that both sides have are removed first, so that one added element is one change and not a cascade.
fn compare_arrays(changes: &mut Vec<Change>, path: &str, have: &[Value], want: &[Value]) {
    let mut unmatched: Vec<&Value> = want.iter().collect();
    let mut removed: Vec<(usize, &Value)> = Vec::new();
    for (index, item) in have.iter().enumerate() {
        match unmatched.iter().position(|other| *other == item) {
            Some(found) => drop(unmatched.remove(found)),
            None => removed.push((index, item)),
        }
    }
    if unmatched.is_empty() && removed.is_empty() {
        changes.push(Change {
            path: path.to_owned(),
            have: Some(Value::Array(have.to_vec())),
            want: Some(Value::Array(want.to_vec())),
        });
        return;
    }
    for (index, item) in removed {
        // The most similar wanted element counts as the changed one.
        let likest = (0..unmatched.len()).min_by_key(|other| unlikeness(item, unmatched[*other]));
        let other = likest.map(|other| unmatched.remove(other));
        compare_optional(changes, format!("{path}/{index}"), Some(item), other);
    }
    for (index, item) in (have.len()..).zip(unmatched) {
        compare_optional(changes, format!("{path}/{index}"), None, Some(item));
    }
}

/// Counts the fields that differ. Does not count within the fields: documents of others may be nested to any depth.
fn unlikeness(one: &Value, other: &Value) -> usize {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let differing = one.iter().filter(|(key, value)| other.get(*key) != Some(value)).count();
            differing + other.keys().filter(|key| !one.contains_key(*key)).count()
        }
        _ if discriminant(one) == discriminant(other) => usize::from(one != other),
        _ => usize::MAX,
    }
}

fn compare_optional(changes: &mut Vec<Change>, path: String, have: Option<&Value>, want: Option<&Value>) {
    match (have, want) {
        (Some(have), Some(want)) => compare(changes, path, have, want),
        (have, want) => changes.push(Change { path, have: have.cloned(), want: want.cloned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn paths(have: &Value, want: &Value) -> Vec<String> {
        diff(have, want).into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn added_element_is_a_single_change() {
        assert_eq!(paths(&json!({"a": [1, 2, 9, 3]}), &json!({"a": [1, 2, 3]})), ["/a/2"]);
        assert_eq!(paths(&json!([1]), &json!([1, 2])), ["/1"]);
    }

    #[test]
    fn changed_element_is_compared_with_its_most_similar_one() {
        let read = |of: &[&str]| json!({ "Action": ["read"], "Resource": of });
        let other = json!({ "Action": ["open"], "Resource": ["key"], "Condition": { "for": "b" } });
        assert_eq!(paths(&json!([read(&["a"])]), &json!([other, read(&["a", "b"])])), ["/0/Resource/1", "/1"]);
    }

    #[test]
    fn deep_documents_are_compared_fast() {
        let nested = |leaf: &str| (0..60).fold(json!(leaf), |inner, at| json!([{ leaf: at }, inner]));
        assert_eq!(diff(&nested("a"), &nested("b")).len(), 121);
    }

    #[test]
    fn new_order_of_an_array_is_a_change() {
        assert_eq!(paths(&json!({"a": [1, 2]}), &json!({"a": [2, 1]})), ["/a"]);
    }

    #[test]
    fn change_deep_inside_names_its_path() {
        let have = json!({"pattern": {"detail": {"lastStatus": ["STOPPED"]}}});
        let want = json!({"pattern": {"detail": {"lastStatus": ["RUNNING"]}}});
        assert_eq!(paths(&have, &want), ["/pattern/detail/lastStatus/0"]);
    }

    #[test]
    fn slashes_in_keys_are_escaped() {
        assert_eq!(paths(&json!({"a/b": 1}), &json!({})), ["/a~1b"]);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..3i64).prop_map(Value::from),
            "[ab]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab]", inner, 0..3).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn diff_is_empty_exactly_for_equal_documents(a in any_json(), b in any_json()) {
            prop_assert_eq!(diff(&a, &b).is_empty(), a == b);
            prop_assert!(diff(&a, &a).is_empty());
        }

        #[test]
        fn digest_follows_the_value(a in any_json(), b in any_json()) {
            prop_assert_eq!(digest(&a, 64) == digest(&b, 64), a == b);
        }
    }
}
