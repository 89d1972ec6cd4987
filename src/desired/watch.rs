//! Describes the schedules that check the expectations of jobs, and the role with which Scheduler invokes the notifier.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::aws::kinds::watch::{ENABLED, KEPT, Schedule};
use crate::aws::kinds::{role, watch};
use crate::calendar::Span;
use crate::config::job::{Deadline, Expectation, Job, Limit};
use crate::config::{Cluster, Config};
use crate::document::{canonical, digest};
use crate::error::Result;
use crate::policy::Policy;
use crate::stack::{Place, ROLE_PATH, Stack};

/// The source of the events that Scheduler sends to the notifier.
pub const SOURCE: &str = "taskbell.watch";

/// The rate at which the notifier looks for tasks that run longer than their limit.
const SWEEP: &str = "rate(5 minutes)";
/// The fewest and the most minutes between two checks of an expectation without a time of day.
const CHECK_MINUTES: (u64, u64) = (5, 60);
const RATE_ZONE: &str = "UTC";
/// The name of the schedule of the summary.
const SUMMARY: &str = "summary";

/// The tries to invoke the notifier: as many as Scheduler makes, within an hour. A later check comes too late to help anybody.
const MOST_RETRIES: i32 = 185;
const LONGEST_RETRY: i32 = 3600;

/// Describes the schedule group: one schedule for each time at which an expectation is checked, one for the limits of running time,
/// and one for the summary.
///
/// # Errors
/// If the times of a check cannot be expressed.
pub fn watch(config: &Config, stack: &Stack, place: &Place, clusters: &[String]) -> Result<watch::Spec> {
    let ground = Ground { config, stack, place, clusters };
    let mut schedules = BTreeMap::new();
    for job in &config.jobs {
        for expectation in &job.expectations {
            match expectation {
                Expectation::By(deadline) => schedules.extend(ground.by(job, deadline)?),
                Expectation::Every(interval, grace) => schedules.extend([ground.every(job, *interval, *grace)]),
                Expectation::MaxRuntime(_) => {}
            }
        }
    }
    schedules.extend(ground.sweep());
    schedules.extend(ground.summary());
    Ok(watch::Spec { schedules })
}

/// Returns the names of the jobs whose deadlines, intervals or limits the schedules check. The summary checks no job.
#[must_use]
pub fn checked_jobs(spec: &watch::Spec) -> BTreeSet<String> {
    let details = spec.schedules.iter().filter(|(name, _)| *name != SUMMARY).map(|(_, own)| &own.input["detail"]);
    let jobs = details.flat_map(|detail| detail["jobs"].as_array().into_iter().flatten().chain([&detail["job"]]));
    jobs.filter_map(|job| job["name"].as_str().map(str::to_owned)).collect()
}

/// Describes the role, which Scheduler alone may assume, and only for this group: it may invoke the notifier, and put an event that
/// it could not deliver into the queue.
#[must_use]
pub fn role(config: &Config, stack: &Stack, place: &Place) -> role::Spec {
    let function = place.function_arn(&stack.function_name());
    let queue = place.queue_arn(&stack.queue_name());
    let statements = json!([
        { "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function },
        { "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue },
    ]);
    role::Spec {
        path: ROLE_PATH.to_owned(),
        trust: Policy::of_statement(&json!({
            "Effect": "Allow",
            "Principal": { "Service": "scheduler.amazonaws.com" },
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": { "aws:SourceAccount": place.account },
                "ArnEquals": { "aws:SourceArn": place.schedule_group_arn(&stack.schedule_group_name()) },
            },
        })),
        description: format!("Schedules of the taskbell stack {}", stack.name),
        max_session_seconds: 3600,
        permissions_boundary: config.permissions_boundary.clone(),
        policies: BTreeMap::from([(role::WATCH.to_owned(), Policy::new(&json!({ "Statement": statements })))]),
        attached: BTreeSet::new(),
    }
}

/// Returns the ARN of the role with which Scheduler invokes the notifier. A role of the user's own serves both the notifier and
/// Scheduler: users who give one may not create roles.
fn role_arn(config: &Config, stack: &Stack, place: &Place) -> String {
    let own = || place.role_arn(&format!("{}{}", ROLE_PATH, stack.watch_role_name()));
    config.own_role_arn.clone().unwrap_or_else(own)
}

/// A schedule with its name.
type Named = (String, Schedule);

#[derive(Clone, Copy)]
struct Ground<'a> {
    config: &'a Config,
    stack: &'a Stack,
    place: &'a Place,
    clusters: &'a [String],
}

impl Ground<'_> {
    /// Describes the checks of a deadline, at the deadline plus grace: several if no single cron expresses these times.
    fn by(self, job: &Job, deadline: &Deadline) -> Result<Vec<Named>> {
        let Deadline { cron, zone, grace } = deadline;
        let detail = json!({
            "job": told(job),
            "by": cron.text(),
            "timezone": zone.name,
            "graceSeconds": grace.seconds,
        });
        let check = |check: crate::calendar::Cron| {
            let when = (check.text(), zone.name.as_str());
            (key("by", &detail, check.text()), self.schedule("a deadline", when, "Deadline", &detail))
        };
        Ok(deadline.checks()?.into_iter().map(check).collect())
    }

    fn every(self, job: &Job, interval: Span, grace: Span) -> Named {
        let detail = json!({
            "job": told(job),
            "everySeconds": interval.seconds,
            "graceSeconds": grace.seconds,
        });
        let rate = rate(interval);
        let schedule = self.schedule("an interval", (&rate, RATE_ZONE), "Deadline", &detail);
        (key("every", &detail, &rate), schedule)
    }

    /// Describes the look for tasks that run longer than their limit; none if no job has a limit.
    fn sweep(self) -> Option<Named> {
        let of_job = |job: &Job| {
            let mut limits = job.expectations.iter().filter_map(|expectation| match expectation {
                Expectation::MaxRuntime(limit) => Some(seconds(limit)),
                Expectation::By(_) | Expectation::Every(..) => None,
            });
            let mut one = told(job);
            one["maxSeconds"] = limits.next()?;
            Some(one)
        };
        let jobs: Vec<Value> = self.config.jobs.iter().filter_map(of_job).collect();
        let schedule = || self.schedule("running tasks", (SWEEP, RATE_ZONE), "Sweep", &json!({ "jobs": jobs }));
        (!jobs.is_empty()).then(|| ("sweep".to_owned(), schedule()))
    }

    fn summary(self) -> Option<Named> {
        let summary = self.config.summary.as_ref()?;
        let jobs: Vec<Value> = self.config.jobs.iter().map(told).collect();
        let when = (summary.cron.text(), summary.zone.name.as_str());
        Some((SUMMARY.to_owned(), self.schedule("all jobs", when, "Summary", &json!({ "jobs": jobs }))))
    }

    /// Describes a schedule that sends the notifier an event of this detail-type. Scheduler fills in the parts in angle brackets.
    fn schedule(self, of: &str, (expression, zone): (&str, &str), detail_type: &str, detail: &Value) -> Schedule {
        let Self { config, stack, place, clusters } = self;
        let mut detail = detail.clone();
        detail["clusterArns"] = json!(clusters);
        let excluded: Vec<&String> = config.clusters.iter().flat_map(Cluster::excluded).collect();
        if !excluded.is_empty() {
            detail["excludedClusters"] = json!(excluded);
        }
        let input = json!({
            "id": "<aws.scheduler.execution-id>",
            "source": SOURCE,
            "detail-type": detail_type,
            "time": "<aws.scheduler.scheduled-time>",
            "account": place.account,
            "region": place.region,
            "detail": detail,
        });
        Schedule {
            expression: expression.to_owned(),
            time_zone: zone.to_owned(),
            state: ENABLED.to_owned(),
            description: format!("taskbell: checks {of} of the stack {}", stack.name),
            window_minutes: None,
            starts: None,
            ends: None,
            after_completion: KEPT.to_owned(),
            kms_key: None,
            target: place.function_arn(&stack.function_name()),
            role: role_arn(config, stack, place),
            input: canonical(&input),
            max_event_age_seconds: Some(LONGEST_RETRY),
            max_retry_attempts: Some(MOST_RETRIES),
            dead_letter_queue: Some(place.queue_arn(&stack.queue_name())),
        }
    }
}

/// Returns the name of a schedule: the same one for the same expectation, in any order of the jobs, account and region.
fn key(kind: &str, detail: &Value, expression: &str) -> String {
    format!("{kind}-{}", digest(&json!([detail, expression]), 8))
}

fn told(job: &Job) -> Value {
    json!({ "name": job.name, "startedBy": job.started_by })
}

fn seconds(limit: &Limit) -> Value {
    match limit {
        Limit::Auto => json!("auto"),
        Limit::Fixed(span) => json!(span.seconds),
    }
}

/// Returns the rate of the checks of an interval: a quarter of it, in whole minutes.
fn rate(interval: Span) -> String {
    let (fewest, most) = CHECK_MINUTES;
    format!("rate({} minutes)", (interval.seconds / 4 / 60).clamp(fewest, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_is_checked_four_times_within_five_minutes_to_an_hour() {
        let of = |seconds| rate(Span { seconds });
        for (seconds, told) in [
            (60, "rate(5 minutes)"),
            (20 * 60, "rate(5 minutes)"),
            (47 * 60, "rate(11 minutes)"),
            (4 * 3600, "rate(60 minutes)"),
            (26 * 3600, "rate(60 minutes)"),
        ] {
            assert_eq!(of(seconds), told, "{seconds}");
        }
    }
}
