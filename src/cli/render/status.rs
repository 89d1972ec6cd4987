//! Renders the output of `status`: the stack on one screen.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::aws::calls::journal::deliveries;
use crate::aws::calls::runtime::{Health, supported_until};
use crate::input::printable;
use crate::operations::drill::trace::place_of;
use crate::operations::status::{Fact, Status};
use crate::words::{count, time};

/// Returns a line for each fact.
pub fn text(status: &Status) -> String {
    let names = |names: BTreeSet<String>| or_none(names.into_iter().collect::<Vec<_>>().join(", "));
    let rule = |(name, state): &(String, Fact<String>)| format!("{name} {}", known(state.clone()));
    let rows = [
        ("cluster", known(status.clusters.clone().map(names))),
        ("rules", or_none(status.rules.iter().map(rule).collect::<Vec<_>>().join(" · "))),
        ("notifier", known(status.notifier.clone().map(|health| health.map_or_else(none, health_text)))),
        ("last error", known(status.last_failure().map(|last| last.map_or_else(none, failure_text)))),
        ("queue", known(status.undelivered.clone().map(|count| count.map_or_else(none, undelivered_text)))),
        ("last alert", known(status.last(false).map(|last| last.map_or_else(none, entry_text)))),
        ("last drill", known(status.last(true).map(|last| last.map_or_else(none, entry_text)))),
    ];
    rows.iter().map(|(name, text)| format!("  {name:<10}  {}", printable(text))).collect::<Vec<_>>().join("\n") + "\n"
}

pub fn object(status: &Status) -> Value {
    let rule = |(name, state): &(String, Fact<String>)| json!({ "name": name, "state": state.as_ref().ok(), "error": state.as_ref().err() });
    let notifier = status.notifier.as_ref().map(|health| {
        health.as_ref().map(|Health { runtime, state, problem }| {
        json!({ "runtime": runtime, "supported_until": supported_until(runtime), "state": state, "problem": problem })
    })
    });
    let last =
        |drill| {
            status.last(drill).map(|last| {
                last.map(|(entry, at)| json!({
        "at": time(at), "outcome": entry["outcome"], "cause": entry["cause"], "cluster": entry["cluster"],
        "family": entry["family"], "service": entry["service"], "error": entry["error"],
    }))
            })
        };
    let failure = status.last_failure();
    let failure = failure.map(|last| last.map(|(error, at)| json!({ "at": time(at), "error": error })));
    json!({
        "clusters": or_error(status.clusters.as_ref()),
        "rules": status.rules.iter().map(rule).collect::<Vec<_>>(),
        "notifier": or_error(notifier),
        "last_error": or_error(failure),
        "undelivered": or_error(status.undelivered.as_ref()),
        "last_alert": or_error(last(false).as_ref()),
        "last_drill": or_error(last(true).as_ref()),
    })
}

fn or_error<T: serde::Serialize, E: serde::Serialize>(fact: Result<T, E>) -> Value {
    match fact {
        Ok(fact) => json!(fact),
        Err(error) => json!({ "unknown": error }),
    }
}

fn known(fact: Fact<String>) -> String {
    fact.unwrap_or_else(|error| format!("? unknown: {error}"))
}

fn none() -> String {
    "none".to_owned()
}

fn or_none(text: String) -> String {
    if text.is_empty() { none() } else { text }
}

fn health_text(Health { runtime, state, problem }: Health) -> String {
    let until = supported_until(&runtime).map(|day| format!(", supported until {day}")).unwrap_or_default();
    let problem = problem.map(|problem| format!(" ({problem})")).unwrap_or_default();
    format!("{}{problem}, {runtime}{until}", state.to_lowercase())
}

fn failure_text((error, at): (String, i64)) -> String {
    format!("{}  {error}", time(at))
}

fn undelivered_text(count: u64) -> String {
    match count {
        0 => "empty".to_owned(),
        count => format!("about {count} undelivered: `taskbell replay --dry-run` shows them"),
    }
}

fn entry_text((entry, at): (&Value, i64)) -> String {
    let text = |name: &str| entry[name].as_str();
    let what = text("service").or_else(|| text("family")).or_else(|| text("detailType")).unwrap_or("?");
    let cluster = text("cluster").map(|cluster| format!(" in {cluster}")).unwrap_or_default();
    let end = match text("outcome") {
        Some("failed") => format!("failed: {}", text("error").unwrap_or_default()),
        _ => match &deliveries(entry)[..] {
            [only] => format!("{} accepted it", place_of(only.kind.as_deref())),
            several => format!("{} accepted it", count(several.len(), "destination")),
        },
    };
    format!("{}  {what}{cluster}: {}; {end}", time(at), text("cause").unwrap_or_default())
}
