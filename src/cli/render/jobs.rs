//! Renders the jobs of a stack, and the suggested expectations as lines for `taskbell.toml`.

use std::fmt::Write;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::marks::check;
use crate::aws::calls::ledger::{End, Ledger, OpenFailure, Usual};
use crate::aws::calls::schedules::{Keeper, Schedule};
use crate::input::printable;
use crate::operations::check::Held;
use crate::operations::jobs::expected::{Expectation, Rule};
use crate::operations::jobs::problem::Problem;
use crate::operations::jobs::suggest::{self, GRACE, Refusal, Suggestion};
use crate::operations::jobs::why::Why;
use crate::operations::jobs::{Job, Jobs, times};
use crate::words::{count, duration};

/// The deadlines that are shown of each expectation, and with `--verbose`.
const SHOWN: usize = 1;
pub const SHOWN_IF_VERBOSE: usize = 3;

/// Returns the jobs, each with a line for each fact.
pub fn text(jobs: &Jobs, verbose: bool) -> String {
    let deadlines = if verbose { SHOWN_IF_VERBOSE } else { SHOWN };
    let mut text = String::new();
    for job in &jobs.jobs {
        let (held, told) = verdict(job);
        let _ = writeln!(text, "{} {}  {}", check(held), printable(&title(job)), printable(&told));
        for (name, fact) in facts(job, jobs.now, deadlines) {
            let _ = writeln!(text, "    {name:<13}  {}", printable(&fact));
        }
    }
    if jobs.jobs.is_empty() && jobs.unread.is_empty() {
        let _ = writeln!(text, "  {}", no_jobs(jobs));
    }
    for reason in &jobs.unread {
        let _ = writeln!(text, "{} unknown: {}", check(Held::Unknown), printable(reason));
    }
    text
}

/// Returns the reason why no jobs are listed.
fn no_jobs(jobs: &Jobs) -> &'static str {
    match jobs.keeps_ledger {
        Some(true) => "no jobs: no job has run since the stack was set up, and no schedule starts a task",
        Some(false) | None => "no jobs: no schedule starts a task",
    }
}

/// Returns the name of a job with its cluster and its part.
fn title(job: &Job) -> String {
    let cluster = job.cluster.as_deref().map(|cluster| format!(" in {cluster}")).unwrap_or_default();
    let part = job.started_by.as_deref().map(|name| format!(", started by {name}")).unwrap_or_default();
    format!("{}{cluster}{part}", job.name)
}

/// Returns the mark and the state of a job.
fn verdict(job: &Job) -> (Held, String) {
    let ledger = match &job.ledger {
        Err(reason) => return (Held::Unknown, format!("unknown: {reason}")),
        Ok(ledger) => ledger.as_ref(),
    };
    match (job.problem(), ledger.and_then(|ledger| ledger.last_success.as_ref())) {
        (Some(problem), _) => (Held::No, problem_text(&problem)),
        (None, Some(_)) => (Held::Yes, "no problem".to_owned()),
        (None, None) => (Held::Yes, "no run is recorded yet".to_owned()),
    }
}

/// Returns the problem in words.
pub fn problem_text(problem: &Problem) -> String {
    match problem {
        Problem::Overdue(deadline) => format!("overdue: no success by {deadline}"),
        Problem::Failing(OpenFailure { since, count: failures, is_least, cause }) => {
            let least = if *is_least { "at least " } else { "" };
            let cause = cause.as_deref().map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{least}{} since {since}{cause}", count(*failures, "failure"))
        }
    }
}

/// Returns the known facts about a job, with the name of each.
fn facts(job: &Job, now: SystemTime, deadlines: usize) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Ok(Some(ledger)) = &job.ledger {
        facts.extend(ledger.last_success.as_ref().map(|end| ("last success", end_text(end))));
        facts.extend(ledger.usual().map(|usual| ("usually takes", usual_text(usual))));
    }
    for schedule in &job.schedules {
        facts.push(("schedule", schedule_text(schedule)));
        let next = times::next(&schedule.expression, &schedule.zone, now, 1);
        facts.extend(next.into_iter().filter(|_| schedule.is_enabled).map(|time| ("next run", time)));
    }
    for expectation in &job.expectations {
        facts.push(("expected", expectation_text(expectation)));
        if let Rule::By { cron, zone, .. } = &expectation.rule {
            let next = times::next(cron, zone, now, deadlines);
            facts.extend((!next.is_empty()).then(|| ("next deadline", next.join(", "))));
        }
    }
    if job.expectations.is_empty() {
        facts.push(("expected", "nothing".to_owned()));
    }
    facts
}

fn end_text(End { at, seconds, .. }: &End) -> String {
    let took = seconds.map(|seconds| format!(", after {}", duration(seconds))).unwrap_or_default();
    format!("{at}{took}")
}

fn usual_text(Usual { seconds, runs }: Usual) -> String {
    format!("up to {} (95 % of {})", duration(seconds), count(runs, "run"))
}

fn schedule_text(schedule: &Schedule) -> String {
    let Schedule { name, expression, zone, window_minutes, is_enabled, .. } = schedule;
    let window = if *window_minutes == 0 { String::new() } else { format!(", within {window_minutes} min") };
    let zone = if expression.starts_with("rate(") { String::new() } else { format!(" {zone}") };
    let state = if *is_enabled { "" } else { "DISABLED: " };
    let keeper = match &schedule.keeper {
        Keeper::Scheduler { group } => format!("EventBridge Scheduler, group {group}"),
        Keeper::Rule => "rule of EventBridge".to_owned(),
    };
    format!("{state}{expression}{zone}{window}: {name} ({keeper})")
}

fn expectation_text(Expectation { rule, is_checked, .. }: &Expectation) -> String {
    let told = match rule {
        Rule::By { cron, zone, grace } => format!("success by {cron} {zone}, grace {}", duration(*grace)),
        Rule::Every { seconds, grace } => format!("success every {}, grace {}", duration(*seconds), duration(*grace)),
        Rule::MaxRuntime(Some(seconds)) => format!("runs no longer than {}", duration(*seconds)),
        Rule::MaxRuntime(None) => "runs no longer than three times its usual duration".to_owned(),
    };
    let unchecked = if *is_checked { "" } else { "; NOT CHECKED: its schedule is disabled" };
    format!("{told}{unchecked}")
}

/// Returns the explanation of each expectation of a job.
pub fn explanation(job: &Job, all: &[(Option<&Expectation>, Why)]) -> String {
    let mut text = format!("{}\n", printable(&title(job)));
    if let Err(reason) = &job.ledger {
        let _ = writeln!(text, "  {} unknown: {}", check(Held::Unknown), printable(reason));
    }
    for (expectation, why) in all {
        let expected = expectation.map_or_else(|| "nothing".to_owned(), expectation_text);
        let _ = writeln!(text, "  expected  {}", printable(&expected));
        let mark = check(if why.alerted() { Held::Yes } else { Held::No });
        let _ = writeln!(text, "  {mark} {}", printable(&why_text(why)));
    }
    text
}

/// Returns the reason for an alert, or for its absence.
pub fn why_text(why: &Why) -> String {
    match why {
        Why::NothingExpected => {
            "no alert: nothing is expected of this job; `taskbell jobs --suggest` prints an expectation".to_owned()
        }
        Why::NotChecked => {
            "no alert: the schedule that checks this is disabled; `taskbell setup` enables it again".to_owned()
        }
        Why::Pending => "no alert yet: nothing is recorded before the window of the last deadline".to_owned(),
        Why::InTime { deadline: Some(deadline), success } => {
            format!("no alert: the job ended well at {success}, by the deadline {deadline}")
        }
        Why::InTime { deadline: None, success } => {
            format!("no alert: the job ended well at {success}, not too long ago")
        }
        Why::Failed { deadline, at, cause } => {
            let cause = cause.as_deref().map(|cause| format!(" ({cause})")).unwrap_or_default();
            format!("the failure at {at}{cause} had its own alert, so that the deadline {deadline} had none")
        }
        Why::Announced { deadline } => format!("alert sent: no success by {deadline}"),
        Why::CheckDue { deadline } => {
            format!("no alert yet: the deadline {deadline} has passed, and its check is still to come")
        }
        Why::CheckMissing { deadline } => format!(
            "no alert: no check after {deadline} has reached the notifier; `taskbell drift` and `taskbell replay --dry-run` show why"
        ),
        Why::Checked { deadline } => {
            format!("no alert: the notifier has checked the deadline {deadline}; its log says more")
        }
        Why::RanLong(tasks) => format!("alert sent for {}: {}", count(tasks.len(), "task"), tasks.join(", ")),
        Why::NoneRanLong => "no alert: no task is known to have run longer than the limit".to_owned(),
    }
}

/// Returns the explanation as JSON.
pub fn explanation_object(job: &Job, now: SystemTime, all: &[(Option<&Expectation>, Why)]) -> Value {
    let of = |(expectation, why): &(Option<&Expectation>, Why)| {
        json!({ "expectation": expectation.map(|one| expectation_object(one, now)), "alerted": why.alerted(),
            "told": why_text(why) })
    };
    json!({ "job": job.name, "cluster": job.cluster, "started_by": job.started_by, "unknown": job.ledger.as_ref().err(),
        "expectations": all.iter().map(of).collect::<Vec<_>>() })
}

/// Returns the notes that follow the list.
pub fn notes(jobs: &Jobs) -> String {
    let open = jobs.jobs.iter().filter(|job| job.expectations.is_empty() && !job.schedules.is_empty()).count();
    let mut text = match (jobs.is_set_up, jobs.keeps_ledger) {
        (false, _) => {
            "note: no stack is set up here, so that nothing is recorded and nothing is expected: run `taskbell setup`\n"
        }
        (true, Some(false)) => "note: this stack keeps no ledger: it was set up with --no-dedupe, or expects nothing and has --no-recovery\n",
        _ => "",
    }
    .to_owned();
    if open > 0 {
        let jobs = count(open, "job");
        let _ = writeln!(
            text,
            "hint: {jobs} without an expectation; `taskbell jobs --suggest` prints lines for taskbell.toml"
        );
    }
    text
}

pub fn object(jobs: &Jobs) -> Value {
    let of = |job: &Job| {
        let ledger = job.ledger.as_ref().ok().and_then(Option::as_ref);
        let usual = ledger.and_then(Ledger::usual);
        let problem = job.problem();
        json!({
            "name": job.name,
            "cluster": job.cluster,
            "started_by": job.started_by,
            "schedules": job.schedules.iter().map(|one| schedule_object(one, jobs.now)).collect::<Vec<_>>(),
            "last_success": ledger.and_then(|ledger| ledger.last_success.as_ref()).map(|end| json!({
                "at": end.at, "seconds": end.seconds, "revision": end.revision, "task": end.task,
            })),
            "last_start": ledger.and_then(|ledger| ledger.last_start.as_ref()),
            "usual_seconds": usual.map(|usual| usual.seconds),
            "open_failure": open_failure(ledger.and_then(Ledger::open_failure).as_ref()),
            "overdue": problem.as_ref().and_then(overdue),
            "expectations": job.expectations.iter().map(|one| expectation_object(one, jobs.now)).collect::<Vec<_>>(),
            "unknown": job.ledger.as_ref().err(),
        })
    };
    json!({
        "clusters": jobs.clusters,
        "set_up": jobs.is_set_up,
        "keeps_ledger": jobs.keeps_ledger,
        "jobs": jobs.jobs.iter().map(of).collect::<Vec<_>>(),
        "unknown": jobs.unread,
    })
}

/// Returns the failures since the last success, as JSON.
pub fn open_failure(failure: Option<&OpenFailure>) -> Value {
    failure.map_or(
        Value::Null,
        |failure| json!({ "since": failure.since, "count": failure.count, "cause": failure.cause }),
    )
}

/// Returns the deadline of an overdue job.
pub fn overdue(problem: &Problem) -> Option<&str> {
    match problem {
        Problem::Overdue(deadline) => Some(deadline),
        Problem::Failing(_) => None,
    }
}

fn schedule_object(schedule: &Schedule, now: SystemTime) -> Value {
    let Schedule { name, keeper, expression, zone, is_enabled, window_minutes, .. } = schedule;
    let (kind, group) = match keeper {
        Keeper::Scheduler { group } => ("scheduler", Some(group)),
        Keeper::Rule => ("rule", None),
    };
    let next = times::next(expression, zone, now, 1).into_iter().next().filter(|_| *is_enabled);
    json!({ "kind": kind, "name": name, "group": group, "expression": expression, "timezone": zone, "enabled": is_enabled,
        "window_minutes": window_minutes, "next": next })
}

fn expectation_object(Expectation { rule, is_checked, .. }: &Expectation, now: SystemTime) -> Value {
    let (by, zone, every, max, grace) = match rule {
        Rule::By { cron, zone, grace } => (Some(cron), Some(zone), None, None, Some(grace)),
        Rule::Every { seconds, grace } => (None, None, Some(seconds), None, Some(grace)),
        Rule::MaxRuntime(seconds) => {
            (None, None, None, Some(seconds.map_or_else(|| json!("auto"), |seconds| json!(seconds))), None)
        }
    };
    let next = by.zip(zone).map(|(cron, zone)| times::next(cron, zone, now, SHOWN_IF_VERBOSE)).unwrap_or_default();
    json!({ "by": by, "timezone": zone, "every_seconds": every, "max_runtime_seconds": max, "grace_seconds": grace,
        "checked": is_checked, "next": next })
}

/// Returns the suggested expectations as lines of `taskbell.toml`.
pub fn suggestions(jobs: &Jobs) -> String {
    let mut text = String::new();
    for suggested in suggest::suggestions(&jobs.jobs) {
        match suggested {
            Ok(suggestion) => text += &lines(&suggestion),
            Err(Refusal { job, started_by, reason }) => {
                let part = started_by.map(|name| format!(", started by {name}")).unwrap_or_default();
                let _ = writeln!(text, "# {}{}: {}\n", printable(&job), printable(&part), printable(&reason));
            }
        }
    }
    if text.is_empty() && jobs.unread.is_empty() {
        let told = if jobs.jobs.is_empty() { no_jobs(jobs) } else { "every job has an expectation" };
        let _ = writeln!(text, "# {told}");
    }
    for reason in &jobs.unread {
        let _ = writeln!(text, "# unknown: {}", printable(reason));
    }
    text
}

/// Returns the lines of one suggestion, which follow the `[[stack]]` of their stack.
pub fn lines(Suggestion { job, started_by, rule, grace, from, usual }: &Suggestion) -> String {
    let why = match usual {
        Some(Usual { seconds, runs }) => format!("it takes up to {} ({})", duration(*seconds), count(*runs, "run")),
        None => format!("no run is recorded yet: if it takes longer than {}, raise grace", duration(GRACE.seconds)),
    };
    let mut text = format!("# {}: {} starts it, {}\n", printable(job), printable(&schedule_text(from)), why);
    let quoted = |text: &str| format!("{:?}", printable(text));
    let mut entry = |rule: &str| {
        let part = started_by.as_deref().map(|name| format!("started_by = {}\n", quoted(name))).unwrap_or_default();
        let _ = writeln!(text, "[[stack.job]]\nname = {}\n{part}{rule}grace = \"{grace}\"\n", quoted(job));
    };
    match rule {
        suggest::Rule::Every(span) => entry(&format!("every = \"{span}\"\n")),
        suggest::Rule::By { crons, zone } => {
            let zone = if zone == "UTC" { String::new() } else { format!("timezone = {}\n", quoted(zone)) };
            for cron in crons {
                entry(&format!("by = {}\n{zone}", quoted(cron)));
            }
        }
    }
    text
}

/// Returns the suggested expectations as JSON.
pub fn suggestions_object(jobs: &Jobs) -> Value {
    let of = |suggested: Result<Suggestion, Refusal>| match suggested {
        Ok(Suggestion { job, started_by, rule, grace, from, usual }) => {
            let (by, zone, every) = match rule {
                suggest::Rule::By { crons, zone } => (crons, Some(zone), None),
                suggest::Rule::Every(span) => (Vec::new(), None, Some(span.seconds)),
            };
            json!({ "name": job, "started_by": started_by, "by": by, "timezone": zone, "every_seconds": every,
                "grace_seconds": grace.seconds, "schedule": from.name, "usual_seconds": usual.map(|usual| usual.seconds),
                "reason": null })
        }
        Err(Refusal { job, started_by, reason }) => {
            json!({ "name": job, "started_by": started_by, "by": [], "timezone": null, "every_seconds": null,
                "grace_seconds": null, "schedule": null, "usual_seconds": null, "reason": reason })
        }
    };
    suggest::suggestions(&jobs.jobs).into_iter().map(of).collect()
}
