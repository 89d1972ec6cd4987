//! Rewrites a pattern without repeated fields, so that the order of fields has no meaning.

use serde_json::Value;

use super::rules::{Field, SubRule};
use super::validity;

/// Returns the combinations as one pattern: the fields that all have in common, and a `$or` of the others.
pub fn expanded(rules: &[SubRule]) -> Value {
    let in_all = |field: &&Field| rules.iter().all(|rule| rule.iter().any(|other| other.is_like(field)));
    let common: Vec<&Field> = rules.first().into_iter().flatten().filter(in_all).collect();
    let mut rests: Vec<Vec<&Field>> = Vec::new();
    for rule in rules {
        let rest: Vec<&Field> = rule.iter().filter(|field| !in_all(field)).collect();
        let known = |other: &Vec<&Field>| {
            other.len() == rest.len() && other.iter().zip(&rest).all(|(one, other)| one.is_like(other))
        };
        if !rests.iter().any(known) {
            rests.push(rest);
        }
    }
    let mut value = nested(&common, "");
    // A combination without other fields matches all events that the others match.
    if rests.iter().all(|rest| !rest.is_empty()) {
        // Put `$or` into `detail` if possible, because filters look for it there.
        let in_detail = |fields: &[&Field]| fields.iter().all(|field| field.path.starts_with("detail."));
        let is_deep =
            rests.iter().all(|rest| in_detail(rest)) && (value["detail"].is_object() || value["detail"].is_null());
        let prefix = if is_deep { "detail." } else { "" };
        let branches: Value = rests.iter().map(|rest| nested(rest, prefix)).collect();
        match is_deep {
            true => value["detail"]["$or"] = branches,
            false => value["$or"] = branches,
        }
    }
    value
}

/// Returns the fields as an object, without the prefix of their paths. A path that cannot be nested becomes one name with dots,
/// which has the same meaning for the rule engine.
fn nested(fields: &[&Field], prefix: &str) -> Value {
    let mut object = Value::Object(serde_json::Map::new());
    for Field { path, wanted, .. } in fields {
        let path = path.strip_prefix(prefix).unwrap_or(path);
        let wanted: Value = wanted.iter().map(|wanted| wanted.written.clone()).collect();
        let steps: Vec<&str> = path.split('.').collect();
        let has_place = (1..steps.len()).all(|length| {
            let place = object.pointer(&format!("/{}", steps[..length].join("/")));
            place.is_none_or(Value::is_object)
        });
        let pointer = format!("/{}", steps.join("/"));
        let plain = |step: &&str| !step.is_empty() && !step.contains(['~', '/']) && !validity::is_reserved(step);
        match has_place && steps.iter().all(plain) && object.pointer(&pointer).is_none() {
            true => *steps.iter().fold(&mut object, |at, step| &mut at[*step]) = wanted,
            false => object[path] = wanted,
        }
    }
    object
}
