//! Reads the expectations of jobs from the schedules of the stack's group: their input says which job is expected, and by when.

use serde_json::Value;

use crate::aws::calls::schedules::Own;

/// An expectation of a job, as it is set up in AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    pub job: Key,
    pub rule: Rule,
    /// Whether all schedules that check the expectation are enabled.
    pub is_checked: bool,
    /// The names of these schedules.
    pub schedules: Vec<String>,
}

/// The job of an expectation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub name: String,
    /// The name of the schedule whose runs alone count.
    pub started_by: Option<String>,
}

/// The content of an expectation. Durations are in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The job ends well by each of these times.
    By { cron: String, zone: String, grace: u64 },
    /// The job ends well at least once in this time.
    Every { seconds: u64, grace: u64 },
    /// The job runs no longer than this; none: three times its usual duration.
    MaxRuntime(Option<u64>),
}

/// Returns the expectations, sorted by job. Several schedules of one expectation become one. A schedule whose input is not an
/// expectation is skipped: `drift` reports it.
#[must_use]
pub fn expectations(schedules: &[Own]) -> Vec<Expectation> {
    let mut found: Vec<Expectation> = Vec::new();
    for schedule in schedules {
        for (job, rule) in of_input(&schedule.input) {
            if let Some(known) = found.iter_mut().find(|known| known.job == job && known.rule == rule) {
                known.is_checked &= schedule.is_enabled;
                known.schedules.push(schedule.name.clone());
            } else {
                let schedules = vec![schedule.name.clone()];
                found.push(Expectation { job, rule, is_checked: schedule.is_enabled, schedules });
            }
        }
    }
    found.sort_by(|one, other| one.job.cmp(&other.job));
    found
}

fn of_input(input: &Value) -> Vec<(Key, Rule)> {
    let detail = &input["detail"];
    match input["detail-type"].as_str() {
        Some("Deadline") => key(&detail["job"]).zip(deadline(detail)).into_iter().collect(),
        Some("Sweep") => {
            let jobs = detail["jobs"].as_array().into_iter().flatten();
            jobs.filter_map(|job| Some((key(job)?, Rule::MaxRuntime(job["maxSeconds"].as_u64())))).collect()
        }
        _ => Vec::new(),
    }
}

fn key(job: &Value) -> Option<Key> {
    let started_by = job["startedBy"].as_str().map(str::to_owned);
    Some(Key { name: job["name"].as_str()?.to_owned(), started_by })
}

fn deadline(detail: &Value) -> Option<Rule> {
    let grace = detail["graceSeconds"].as_u64().unwrap_or_default();
    if let Some(seconds) = detail["everySeconds"].as_u64() {
        return Some(Rule::Every { seconds, grace });
    }
    let zone = detail["timezone"].as_str().unwrap_or("UTC").to_owned();
    Some(Rule::By { cron: detail["by"].as_str()?.to_owned(), zone, grace })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn own(is_enabled: bool, detail_type: &str, detail: &Value) -> Own {
        let input = json!({ "source": "taskbell.watch", "detail-type": detail_type, "detail": detail });
        Own { name: "by-0a1b2c3d".to_owned(), is_enabled, input }
    }

    #[test]
    fn input_of_every_schedule_says_the_expectation() {
        let job = json!({ "name": "nightly", "startedBy": null });
        let by = json!({ "job": job, "by": "cron(0 3 * * ? *)", "timezone": "Asia/Tokyo", "graceSeconds": 1800 });
        let found = expectations(&[
            own(true, "Deadline", &by),
            own(false, "Deadline", &by),
            own(true, "Deadline", &json!({ "job": job, "everySeconds": 93_600, "graceSeconds": 600 })),
            own(
                true,
                "Sweep",
                &json!({ "jobs": [{ "name": "x", "startedBy": "nightly", "maxSeconds": "auto" }, { "name": "y", "startedBy": null, "maxSeconds": 60 }] }),
            ),
            own(true, "Summary", &json!({ "jobs": [job] })),
            own(true, "Deadline", &json!({ "job": {} })),
            own(true, "x", &Value::Null),
        ]);
        let rules: Vec<(&str, Option<&str>, &Rule, bool)> = found
            .iter()
            .map(|one| (one.job.name.as_str(), one.job.started_by.as_deref(), &one.rule, one.is_checked))
            .collect();
        let by = Rule::By { cron: "cron(0 3 * * ? *)".to_owned(), zone: "Asia/Tokyo".to_owned(), grace: 1800 };
        assert_eq!(
            rules,
            [
                ("nightly", None, &by, false),
                ("nightly", None, &Rule::Every { seconds: 93_600, grace: 600 }, true),
                ("x", Some("nightly"), &Rule::MaxRuntime(None), true),
                ("y", None, &Rule::MaxRuntime(Some(60)), true),
            ]
        );
    }
}
