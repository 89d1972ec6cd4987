//! Renders the output of `status`: the stack on one screen.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};

use super::jobs::{open_failure, overdue, problem_text};
use super::marks::check;
use crate::aws::calls::journal::deliveries;
use crate::aws::calls::runtime::{Health, supported_until};
use crate::input::{printable, quoted};
use crate::operations::check::Held;
use crate::operations::drill::trace::place_of;
use crate::operations::jobs::problem::Problem;
use crate::operations::overlap::Overlap;
use crate::operations::status::{Fact, JobWithProblem, JobsInBrief, Row, Status};
use crate::style::Style;
use crate::words::{count, time};

/// The most jobs with a problem that the screen names.
const MOST_JOBS: usize = 5;
/// The most clusters without a stack that the screen names.
const MOST_CLUSTERS: usize = 10;

/// Returns a line for each fact, trouble first, with the command that mends it, and then unknown facts. The jobs have a line if the
/// stack keeps a ledger: the last one, unless they are trouble. `flags` select the file, the region and the profile of this run.
pub fn text(status: &Status, flags: &str) -> String {
    let mut rows = Row::ALL.to_vec();
    rows.retain(|row| *row != Row::Jobs || !matches!(status.jobs, Ok(None)));
    rows.sort_by_key(|row| match status.held(*row) {
        Some(Held::No) => 0,
        Some(Held::Unknown) => 1,
        Some(Held::Yes) | None if *row != Row::Jobs => 2,
        Some(Held::Yes) | None => 3,
    });
    let (mut text, mut told) = (String::new(), BTreeSet::new());
    for row in rows {
        let held = status.held(row);
        let _ = writeln!(text, "{}  {}", headed(name(row), held), printable(&known(fact(status, row))));
        let remedy = (held == Some(Held::No)).then(|| remedy(status, row, flags));
        if let Some(remedy) = remedy.filter(|remedy| told.insert(remedy.clone())) {
            let _ = writeln!(text, "  {:10}  {}", "", printable(&remedy));
        }
    }
    text + &uncovered_text(status, flags) + &overlaps_text(&status.overlaps)
}

/// Returns a line for each other stack that alerts on the same failures.
fn overlaps_text(overlaps: &Fact<Vec<Overlap>>) -> String {
    let line = |held, told: &str| format!("{}  {}\n", headed("overlap", held), printable(told));
    match overlaps {
        Ok(others) => others.iter().map(|other| line(None, &other.told())).collect(),
        Err(error) => line(Some(Held::Unknown), &format!("unknown: {error}")),
    }
}

/// Returns the troubles as one line, if there are any.
pub fn sum(status: &Status) -> Option<String> {
    let troubles: Vec<&str> = status.troubles().into_iter().map(name).collect();
    (!troubles.is_empty()).then(|| format!("trouble: {}", troubles.join(", ")))
}

/// Returns the name of a row with its mark, in red if the row is trouble.
fn headed(name: &str, held: Option<Held>) -> String {
    const RED: Style = Style::RED;
    match held {
        Some(Held::No) => format!("{} {RED}{name:<10}{RED:#}", check(Held::No)),
        Some(held) => format!("{} {name:<10}", check(held)),
        None => format!("  {name:<10}"),
    }
}

fn name(row: Row) -> &'static str {
    match row {
        Row::Jobs => "jobs",
        Row::Clusters => "cluster",
        Row::Rules => "rules",
        Row::Notifier => "notifier",
        Row::LastError => "last error",
        Row::Queue => "queue",
        Row::LastAlert => "last alert",
        Row::LastDrill => "last drill",
    }
}

fn fact(status: &Status, row: Row) -> Fact<String> {
    let listed = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let names = |names: BTreeSet<String>| match status.excluded_clusters.is_empty() {
        true => or_none(listed(&names)),
        false => format!("{} without {}", listed(&names), listed(&status.excluded_clusters)),
    };
    let rule = |(name, state): &(String, Fact<String>)| format!("{name} {}", known(state.clone()));
    match row {
        Row::Jobs => status.jobs.clone().map(|jobs| jobs.as_ref().map_or_else(none, jobs_text)),
        Row::Clusters => status.clusters.clone().map(names),
        Row::Rules => Ok(or_none(status.rules.iter().map(rule).collect::<Vec<_>>().join(" · "))),
        Row::Notifier => status.notifier.clone().map(|health| health.map_or_else(none, health_text)),
        Row::LastError => status.last_failure().map(|last| last.map_or_else(none, failure_text)),
        Row::Queue => status.undelivered.clone().map(|count| count.map_or_else(none, undelivered_text)),
        Row::LastAlert => status.last(false).map(|last| last.map_or_else(none, entry_text)),
        Row::LastDrill => status.last(true).map(|last| last.map_or_else(none, entry_text)),
    }
}

/// Returns the command that mends a trouble.
fn remedy(status: &Status, row: Row, flags: &str) -> String {
    let (selected, clusters) = selection(status);
    let stack = format!("{selected}{flags}");
    match row {
        Row::Jobs => format!("`taskbell jobs{stack}` shows them"),
        Row::Queue if status.undelivered != Ok(None) => {
            format!("`taskbell replay{stack} --dry-run` shows them, `taskbell replay{stack}` sends them again")
        }
        Row::LastError | Row::LastAlert | Row::LastDrill => match clusters.first() {
            Some(cluster) if !selected.contains("--cluster") => {
                let cluster = quoted(cluster);
                format!("`taskbell drill{selected} --cluster {cluster}{flags}` shows where an alert stops")
            }
            Some(_) => format!("`taskbell drill{stack}` shows where an alert stops"),
            None => format!("`taskbell notify test{stack}` sends a test"),
        },
        Row::Rules | Row::Notifier | Row::Queue | Row::Clusters => {
            let own = selected.strip_prefix(" --cluster ");
            let others = clusters.iter().filter(|name| own != Some(name.as_str()));
            let others = others.fold(String::new(), |text, name| text + " --cluster " + &quoted(name));
            format!("`taskbell setup{selected}{others}{flags}` repairs this")
        }
    }
}

/// Returns the flags that select the stack, and the clusters of its rules.
fn selection(status: &Status) -> (String, Vec<String>) {
    let clusters: Vec<String> = status.clusters.iter().flatten().cloned().collect();
    let name = status.stack.name.as_str();
    let flag = if clusters.iter().any(|cluster| cluster == name) { "cluster" } else { "stack" };
    (format!(" --{flag} {name}"), clusters)
}

/// Returns the line about the clusters that no stack covers, if there are any or nobody knows.
fn uncovered_text(status: &Status, flags: &str) -> String {
    let told = match &status.uncovered {
        None => return String::new(),
        Some(Ok(names)) if names.is_empty() => return String::new(),
        Some(Ok(names)) => {
            let shown = names.iter().take(MOST_CLUSTERS).cloned().collect::<Vec<_>>().join(", ");
            let more = names.len().saturating_sub(MOST_CLUSTERS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let first = names.first().map_or_else(|| "NAME".to_owned(), |name| quoted(name));
            format!("no stack covers {shown}{more}: `taskbell setup --cluster {first}{flags}` sets one up")
        }
        Some(Err(error)) => format!("not checked: {error}"),
    };
    let held = matches!(status.uncovered, Some(Err(_))).then_some(Held::Unknown);
    format!("{}  {}\n", headed("others", held), printable(&told))
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
        "overlaps": or_error(status.overlaps.as_ref().map(|others| others.iter().map(overlap).collect::<Vec<_>>())),
        "jobs": or_error(status.jobs.as_ref().map(|jobs| jobs.as_ref().map(jobs_object))),
        "rules": status.rules.iter().map(rule).collect::<Vec<_>>(),
        "notifier": or_error(notifier),
        "last_error": or_error(failure),
        "uncovered_clusters": status.uncovered.as_ref().map(|names| or_error(names.as_ref())),
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
    fact.unwrap_or_else(|error| format!("unknown: {error}"))
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
    format!("{} · {error}", time(at))
}

fn undelivered_text(count: u64) -> String {
    match count {
        0 => "empty".to_owned(),
        count => format!("about {count} undelivered"),
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
    format!("{} · {what}{cluster}: {}; {end}", time(at), text("cause").unwrap_or_default())
}
