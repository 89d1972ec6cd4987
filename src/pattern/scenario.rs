//! Creates the events of drills: a sample as if it came from this cluster, now, with the source of drills. Makes no call.

use serde_json::{Value, json};

use crate::arn::Arn;
use crate::date::{DateTime, Format};
use crate::error::Result;
use crate::pattern::{BATCH_JOB_FAILED, DRILL_SOURCE, EXECUTION_FAILED, JOB_SUCCEEDED, samples};

/// The failure that a drill simulates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scenario {
    /// A container exits with a code other than 0.
    #[default]
    ExitCode,
    /// A container runs out of memory.
    OutOfMemory,
    /// An image cannot be pulled.
    StartFailed,
    /// A Spot interruption stops a task.
    SpotInterrupted,
    /// A load balancer's health check fails.
    HealthCheckFailed,
    /// A deployment fails.
    DeploymentFailed,
    /// A service finds no capacity for its tasks.
    ServiceImpaired,
    /// A job of AWS Batch fails in its last attempt.
    BatchJobFailed,
    /// An execution of Step Functions fails.
    ExecutionFailed,
    /// A job does not end well by its deadline.
    Overdue,
    /// A run of a job takes longer than its limit.
    RunningLong,
    /// A job ends well, as if after a failure.
    Recovered,
}

/// The name of a drill's task definition, family and service, which users must not mistake for one of their own.
const NAME: &str = "taskbell-drill";
/// The expectations of a drill: the deadline, its grace and the limit of a run, in seconds.
const DEADLINE: &str = "cron(0 3 * * ? *)";
const GRACE: u64 = 600;
const LIMIT: u64 = 7200;
/// The time for which the task of a drill seems to run, and its usual duration, in seconds.
const AGE: i64 = 9000;
const USUAL: u64 = 2400;

impl Scenario {
    pub const ALL: [Self; 12] = [
        Self::ExitCode,
        Self::OutOfMemory,
        Self::StartFailed,
        Self::SpotInterrupted,
        Self::HealthCheckFailed,
        Self::DeploymentFailed,
        Self::ServiceImpaired,
        Self::BatchJobFailed,
        Self::ExecutionFailed,
        Self::Recovered,
        Self::Overdue,
        Self::RunningLong,
    ];

    /// Returns the name for `--scenario`: the name of the pattern, and a plainer word where that is no failure.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ExitCode => "exit-code",
            Self::Overdue => "overdue",
            Self::RunningLong => "running-long",
            Self::Recovered => "recovered",
            other => other.pattern(),
        }
    }

    /// Returns the scenario of that name.
    #[must_use]
    pub fn called(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// Returns whether the notifier remembers jobs for this, which is no failure of a task, a service or a deployment.
    #[must_use]
    pub fn is_of_jobs(self) -> bool {
        self.pattern() == JOB_SUCCEEDED
    }

    /// Returns whether the events name no cluster, so that a stack without clusters receives them, too.
    #[must_use]
    pub fn is_without_cluster(self) -> bool {
        matches!(self, Self::BatchJobFailed | Self::ExecutionFailed)
    }

    /// Returns whether only a stack that expects something of jobs alerts on this.
    #[must_use]
    pub fn needs_expectation(self) -> bool {
        matches!(self, Self::Overdue | Self::RunningLong)
    }

    /// Returns the name of the sample from which the drill is made; none: the drill is a request of a schedule of the stack.
    #[must_use]
    pub fn sample(self) -> Option<&'static str> {
        Some(match self {
            Self::Overdue | Self::RunningLong => return None,
            Self::Recovered => "08-exit-0",
            Self::ExitCode => "01-exit-nonzero",
            Self::OutOfMemory => "02-oom",
            Self::StartFailed => "03-cannot-pull",
            Self::SpotInterrupted => "05-spot",
            Self::HealthCheckFailed => "06c-elb-unhealthy",
            Self::DeploymentFailed => "20-deployment-failed",
            Self::ServiceImpaired => "21-placement-failure",
            Self::BatchJobFailed => "50-batch-job-failed",
            Self::ExecutionFailed => "51-execution-failed",
        })
    }

    /// Returns the pattern of the catalogue for this kind of failure.
    #[must_use]
    pub fn pattern(self) -> &'static str {
        match self {
            Self::ExitCode => "nonzero-exit",
            Self::OutOfMemory => "out-of-memory",
            Self::StartFailed => "start-failed",
            Self::SpotInterrupted => "spot-interrupted",
            Self::HealthCheckFailed => "health-check-failed",
            Self::DeploymentFailed => "deployment-failed",
            Self::ServiceImpaired => "service-impaired",
            Self::BatchJobFailed => BATCH_JOB_FAILED,
            Self::ExecutionFailed => EXECUTION_FAILED,
            Self::Overdue | Self::RunningLong | Self::Recovered => JOB_SUCCEEDED,
        }
    }

    /// Returns the event of a drill. The bus gives the event its id. `task` is the id of a task that never existed.
    ///
    /// # Errors
    /// If the sample is not JSON, which is a defect of the release.
    pub fn event(self, cluster_arn: &str, task: &str, now: DateTime) -> Result<Value> {
        let Some(sample) = self.sample() else { return Ok(self.request(cluster_arn, task, now)) };
        let mut event = samples::of_cluster_by_name(sample, cluster_arn)?;
        let real = event["resources"][0].as_str().and_then(|arn| Some(arn.rsplit_once('/')?.1)).map(str::to_owned);
        let real = real.as_deref().map(|real| (real, if event["detail"]["taskArn"].is_null() { NAME } else { task }));
        let replace = [
            real.unwrap_or((NAME, NAME)),
            ("task-definition/web:", &format!("task-definition/{NAME}:")),
            ("service:web", &format!("service:{NAME}")),
            ("family:nightly-job", &format!("family:{NAME}")),
            ("events-rule/nightly", &format!("events-rule/{NAME}")),
            ("job-queue/nightly", &format!("job-queue/{NAME}")),
            ("nightly-report", NAME),
            ("2026-11-20-nightly", NAME),
            ("nightly-etl", NAME),
        ];
        let latest_ms = milliseconds(&event["detail"]).max();
        each_number(&mut event["detail"], &|number| match latest_ms {
            Some(latest) if is_time(number) => number - latest + now.secs() * 1000,
            _ => number,
        });
        // A stream that does not exist would only be missing in the message.
        without(&mut event["detail"], "logStreamName");
        let latest = times(&event["detail"]).max().unwrap_or(now.secs());
        each_text(&mut event["resources"], &|text| replaced(text, &replace));
        each_text(&mut event["detail"], &|text| match time(text) {
            Some(time) => text_of(DateTime::from_secs(now.secs() - (latest - time))),
            None => replaced(text, &replace),
        });
        event["source"] = json!(DRILL_SOURCE);
        event["time"] = json!(text_of(now));
        Ok(event)
    }

    /// Returns the request that a schedule of the stack would send to the notifier, marked as a drill. For a drill, the notifier looks
    /// at nothing: the request contains the task that it would find.
    fn request(self, cluster_arn: &str, task: &str, now: DateTime) -> Value {
        let mut job = json!({ "name": NAME, "startedBy": null });
        let (detail_type, mut detail) = match self {
            Self::RunningLong => {
                job["maxSeconds"] = json!(LIMIT);
                let arn = |kind: &str| cluster_arn.replacen(":cluster/", &format!(":{kind}/"), 1);
                let (ecs, _) = cluster_arn.split_once(":cluster/").unwrap_or_default();
                let found = json!({
                    "taskArn": format!("{}/{task}", arn("task")),
                    "taskDefinitionArn": format!("{ecs}:task-definition/{NAME}:1"),
                    "clusterArn": cluster_arn,
                    "lastStatus": "RUNNING",
                    "startedAt": text_of(DateTime::from_secs(now.secs() - AGE)),
                });
                let found = json!({ "id": "running-long", "at": text_of(now), "limitSeconds": LIMIT,
                    "usualSeconds": USUAL, "task": found });
                ("Sweep", json!({ "jobs": [job], "found": found }))
            }
            _ => ("Deadline", json!({ "job": job, "by": DEADLINE, "timezone": "UTC", "graceSeconds": GRACE })),
        };
        detail["clusterArns"] = json!([cluster_arn]);
        detail["cluster"] = json!(cluster_arn.rsplit('/').next().unwrap_or_default());
        detail["drill"] = json!(true);
        let (region, account) = Arn::split(cluster_arn).map_or(("", ""), |arn| (arn.region, arn.account));
        json!({ "source": DRILL_SOURCE, "detail-type": detail_type, "time": text_of(now), "account": account,
            "region": region, "resources": [], "detail": detail })
    }
}

fn replaced(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn each_text(value: &mut Value, change: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(fields) => fields.values_mut().for_each(|field| each_text(field, change)),
        _ => {}
    }
}

fn each_number(value: &mut Value, change: &dyn Fn(i64) -> i64) {
    match value {
        Value::Number(number) => {
            if let Some(changed) = number.as_i64().map(change) {
                *value = json!(changed);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_number(item, change)),
        Value::Object(fields) => fields.values_mut().for_each(|field| each_number(field, change)),
        _ => {}
    }
}

/// Removes the fields of this name, at any depth.
fn without(value: &mut Value, name: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| without(item, name)),
        Value::Object(fields) => {
            fields.remove(name);
            fields.values_mut().for_each(|field| without(field, name));
        }
        _ => {}
    }
}

/// Returns whether a number of an event is a time in milliseconds since 1970, as AWS Batch and Step Functions write times.
fn is_time(number: i64) -> bool {
    number > 1_000_000_000_000
}

fn milliseconds(detail: &Value) -> impl Iterator<Item = i64> {
    let numbers = detail.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_i64());
    numbers.filter(|number| is_time(*number))
}

fn times(detail: &Value) -> impl Iterator<Item = i64> {
    detail.as_object().into_iter().flatten().filter_map(|(_, value)| time(value.as_str()?))
}

/// Parses a time. Returns seconds since 1970.
fn time(text: &str) -> Option<i64> {
    DateTime::from_str(text, Format::DateTime).ok().map(|time| time.secs())
}

fn text_of(time: DateTime) -> String {
    time.fmt(Format::DateTime).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::filter::Filters;
    use crate::pattern::matcher::Matcher;
    use crate::pattern::{Drill, Pattern};

    const CLUSTER: &str = "arn:aws-cn:ecs:cn-north-1:210987654321:cluster/night-jobs";
    const TASK: &str = "0123456789abcdef0123456789abcdef";

    fn event(scenario: Scenario) -> Value {
        scenario.event(CLUSTER, TASK, DateTime::from_secs(1_800_000_000)).unwrap()
    }

    fn matcher(pattern: &str, filters: &Filters) -> Matcher {
        let pattern = Pattern::find(pattern).unwrap().narrowed(filters).unwrap();
        pattern.matcher(&[CLUSTER.to_owned()], Drill::Accepted).unwrap()
    }

    #[test]
    fn every_scenario_matches_its_pattern() {
        for scenario in &Scenario::ALL {
            let mismatch = matcher(scenario.pattern(), &Filters::default()).mismatch(&event(*scenario));
            assert_eq!(mismatch, None, "{scenario:?}");
        }
    }

    #[test]
    fn drill_has_the_present_time_this_cluster_and_no_existing_name() {
        for scenario in &Scenario::ALL {
            let text = event(*scenario).to_string();
            assert!(text.contains("\"source\":\"taskbell.drill\""), "{text}");
            assert!(text.contains("night-jobs") || scenario.is_without_cluster(), "{text}");
            for stranger in
                ["prod", "us-east-1\"", "123456789012", "2026-11-20", "task-definition/web:", "service:web", "arn:aws:"]
            {
                assert!(!text.contains(stranger), "{stranger} in {text}");
            }
        }
        let job = event(Scenario::BatchJobFailed);
        assert_eq!(job["detail"]["stoppedAt"], 1_800_000_000_000_i64);
        assert_eq!(job["detail"]["attempts"][2]["stoppedAt"], 1_800_000_000_000_i64);
        assert!(!job.to_string().contains("logStreamName") && job["detail"]["jobName"] == NAME, "{job}");
        let execution = event(Scenario::ExecutionFailed);
        let arn = format!("arn:aws-cn:states:cn-north-1:210987654321:execution:{NAME}:{NAME}");
        assert_eq!(execution["detail"]["executionArn"], arn.as_str());
        let task = event(Scenario::ExitCode);
        assert_eq!(task["detail"]["stoppedAt"], "2027-01-15T08:00:00Z");
        assert!(task["resources"][0].as_str().unwrap().ends_with(&format!("task/night-jobs/{TASK}")));
    }
}
