//! Renders the output of `status`: the stack on one screen.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::jobs::{open_failure, overdue, problem_text};
use crate::aws::calls::journal::deliveries;
use crate::aws::calls::runtime::{Health, supported_until};
use crate::input::printable;
use crate::operations::drill::trace::place_of;
use crate::operations::jobs::problem::Problem;
use crate::operations::overlap::Overlap;
use crate::operations::status::{Fact, JobWithProblem, JobsInBrief, Status};
use crate::words::{count, time};

/// The most jobs with a problem that the screen names.
const MOST_JOBS: usize = 5;

/// Returns a line for each fact. The jobs come first, if the stack keeps a ledger.
pub fn text(status: &Status) -> String {
    let listed = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let names = |names: BTreeSet<String>| match status.excluded_clusters.is_empty() {
        true => or_none(listed(&names)),
        false => format!("{} without {}", listed(&names), listed(&status.excluded_clusters)),
    };
    let rule = |(name, state): &(String, Fact<String>)| format!("{name} {}", known(state.clone()));
    let jobs = status.jobs.clone().map(|jobs| jobs.as_ref().map(jobs_text)).transpose();
    let rows = [
        ("cluster", known(status.clusters.clone().map(names))),
        ("rules", or_none(status.rules.iter().map(rule).collect::<Vec<_>>().join(" · "))),
        ("notifier", known(status.notifier.clone().map(|health| health.map_or_else(none, health_text)))),
        ("last error", known(status.last_failure().map(|last| last.map_or_else(none, failure_text)))),
        ("queue", known(status.undelivered.clone().map(|count| count.map_or_else(none, undelivered_text)))),
        ("last alert", known(status.last(false).map(|last| last.map_or_else(none, entry_text)))),
        ("last drill", known(status.last(true).map(|last| last.map_or_else(none, entry_text)))),
    ];
    let jobs = jobs.map(|jobs| ("jobs", known(jobs)));
    let overlaps = status.overlaps.iter().map(|overlap| ("overlap", overlap.told()));
    let line = |(name, text): (&str, String)| format!("  {name:<10}  {}", printable(&text));
    jobs.into_iter().chain(rows).chain(overlaps).map(line).collect::<Vec<_>>().join("\n") + "\n"
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
    let overlap = |Overlap { stack, patterns, clusters }: &Overlap| json!({ "stack": stack, "patterns": patterns, "clusters": clusters });
    json!({
        "clusters": or_error(status.clusters.as_ref()),
        "excluded_clusters": status.excluded_clusters,
        "overlaps": status.overlaps.iter().map(overlap).collect::<Vec<_>>(),
        "jobs": or_error(status.jobs.as_ref().map(|jobs| jobs.as_ref().map(jobs_object))),
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

fn jobs_text(JobsInBrief { count: all, is_whole, problems }: &JobsInBrief) -> String {
    let named = |JobWithProblem { name, started_by, problem }: &JobWithProblem| {
        let part = started_by.as_deref().map(|part| format!(" ({part})")).unwrap_or_default();
        format!("{name}{part} {}", problem_text(problem))
    };
    let mut told: Vec<String> = problems.iter().take(MOST_JOBS).map(named).collect();
    let more = problems.len().saturating_sub(MOST_JOBS);
    if more > 0 {
        told.push(format!("{more} more with a problem: `taskbell jobs` shows them"));
    }
    match (*all, problems.is_empty()) {
        (0, _) => told.push("none recorded yet".to_owned()),
        (all, true) => told.push(format!("{} without a problem", count(all, "job"))),
        (all, false) => told.push(format!("{} in all", count(all, "job"))),
    }
    if !is_whole {
        told.push("only a part of the table was read: `taskbell jobs` reads more".to_owned());
    }
    told.join(" · ")
}

fn jobs_object(JobsInBrief { count, is_whole, problems }: &JobsInBrief) -> Value {
    let of = |JobWithProblem { name, started_by, problem }: &JobWithProblem| {
        let failure = match problem {
            Problem::Failing(failure) => Some(failure),
            Problem::Overdue(_) => None,
        };
        json!({ "name": name, "started_by": started_by, "overdue": overdue(problem), "open_failure": open_failure(failure) })
    };
    json!({ "count": count, "complete": is_whole, "problems": problems.iter().map(of).collect::<Vec<_>>() })
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
