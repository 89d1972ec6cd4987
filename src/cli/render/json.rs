//! Renders results as JSON.

use serde_json::{Value, json};

use crate::input::visible_json;
use crate::reconcile::engine::Report;
use crate::reconcile::plan::{Plan, Step};
use crate::secret::without_userinfo;
use crate::stack::{Place, Stack};

/// Returns the plan as one object. `result` is given once the plan was applied.
pub fn plan_json(stack: &Stack, place: &Place, plan: &Plan, result: Option<(&Report, bool)>) -> Value {
    let Plan { steps, unchanged, conflicts, unknown, missing } = plan;
    let step = |step: &Step| {
        json!({
            "action": step.action,
            "id": step.address.id,
            "name": step.address.name,
            "arn": place.arn_of(&step.address),
            "changes": step.changes,
        })
    };
    let mut object = json!({
        "stack": stack.name,
        "region": stack.region,
        "account": place.account,
        "in_sync": result.map_or(plan.is_in_sync(), |(_, in_sync)| in_sync),
        "steps": steps.iter().map(step).collect::<Vec<_>>(),
        "unchanged": unchanged.iter().map(|address| &address.id).collect::<Vec<_>>(),
        "conflicts": conflicts.iter().map(|conflict| json!({
            "id": conflict.address.id, "name": conflict.address.name, "evidence": conflict.evidence,
        })).collect::<Vec<_>>(),
        "unknown": unknown.iter().map(|unknown| json!({
            "id": unknown.address.id, "name": unknown.address.name, "error": unknown.error.in_one_line(),
        })).collect::<Vec<_>>(),
        "missing": missing,
    });
    if let Some((Report { done, failed, unfinished, not_started }, _)) = result {
        object["result"] = json!({
            "done": done,
            "failed": failed.iter().map(|(id, error)| json!({ "id": id, "error": error.in_one_line() })).collect::<Vec<_>>(),
            "unfinished": unfinished,
            "not_started": not_started,
        });
    }
    object
}

/// Returns a report as indented JSON in which no text has a hidden character, and no URL a user's name and a password.
pub fn json(report: &Value) -> String {
    document(&without_passwords(report))
}

/// Returns a document that another program applies, such as a template, as indented JSON without hidden characters. Changes no text
/// of the document: what looks like a password in a URL may be a part of a path, or a user's name that everybody knows.
pub fn document(document: &Value) -> String {
    visible_json(&format!("{document:#}\n"))
}

/// Returns the value without the users' names and passwords of its URLs.
pub(super) fn without_passwords(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(without_userinfo(text)),
        Value::Array(items) => items.iter().map(without_passwords).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), without_passwords(value))).collect(),
        other => other.clone(),
    }
}
