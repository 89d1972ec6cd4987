//! Contains the sample events, which `preview` shows and tests use. Each sample is a file in `patterns/events/`.

use serde_json::Value;

use super::clusters;
use crate::arn::Arn;
use crate::error::{self, Error, Result};
use crate::secret::echoed;

/// A sample event with its title.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub name: &'static str,
    /// A description of the event, in the words of the docs.
    pub title: &'static str,
    text: &'static str,
}

macro_rules! samples {
    ($( $name:literal $title:literal )*) => { [$(
        Sample { name: $name, title: $title, text: include_str!(concat!("../../patterns/events/", $name, ".json")) }
    ),*] };
}

pub const SAMPLES: [Sample; 69] = samples! {
    "01-exit-nonzero" "a container exits with a code other than 0"
    "01b-job-failed" "a scheduled job fails for the first time since a change"
    "02-oom" "a container runs out of memory"
    "03-cannot-pull" "an image cannot be pulled"
    "03b-cannot-start" "a container cannot be created or started"
    "03c-runtime-failed" "the container runtime fails"
    "03d-dependency-failed" "a container does not start because another one that it depends on failed"
    "04-resource-init" "secrets cannot be read"
    "04b-logger-init" "logging cannot be set up"
    "05-spot" "a Spot interruption stops a task"
    "05b-spot-warning-not-stopped" "the warning two minutes before a Spot interruption"
    "06-scale-in-143" "scale-in or a deployment stops a task, whatever code it exits with"
    "06b-scale-in-137" "scale-in or a deployment stops a task, which has to be killed (137)"
    "06c-elb-unhealthy" "a load balancer's health check fails"
    "06d-container-unhealthy" "a container's health check fails"
    "07-user-stop" "a user stops a task, which exits with a code other than 0"
    "08-exit-0" "a job ends with exit code 0"
    "08b-recovered" "a job ends well again after failures that were announced"
    "09-sidecar-app-crash" "the application crashes, and its sidecar exits with 0"
    "09b-sidecar-clean-app-killed-sidecar" "the application exits with 0, and its sidecar, which is not essential, is killed"
    "10-host-terminated" "the host of a task is terminated"
    "10b-infrastructure" "AWS stops a task because the infrastructure under it is unhealthy"
    "10c-maintenance" "AWS replaces a service's task for maintenance of the infrastructure under it"
    "10d-maintenance-stand-alone" "AWS stops a stand-alone task for maintenance of the infrastructure under it"
    "10e-draining" "a container instance is drained, and a service's task on it is stopped"
    "11-killed-by-signal" "a container is killed by a signal, such as SIGSEGV"
    "11b-command-not-found" "a container's command is not found (127)"
    "11c-not-executable" "a container's command cannot be executed (126)"
    "11d-windows-crash" "a container crashes on Windows, for example by an access violation"
    "12-running" "a task starts, or runs"
    "13-unknown-stop-code" "a task stops with a stop code that taskbell does not know"
    "14-no-exit-code" "an essential container ends without an exit code"
    "20-deployment-failed" "a deployment with a circuit breaker or an alarm fails"
    "20b-rolling-back" "a deployment starts, continues, or is rolled back"
    "20c-daemon-rollback-failed" "a managed daemon's deployment fails and cannot be rolled back"
    "20d-daemon-rolling-back" "a managed daemon's deployment fails and is rolled back"
    "21-placement-failure" "a service finds no capacity for its tasks"
    "22-start-impaired" "a service's tasks keep failing to start"
    "23-steady-state" "a service reaches its steady state"
    "23b-deployment-completed" "a deployment completes"
    "24-daemon-constraint-violated" "a task of a daemon service no longer meets its placement constraints"
    "24b-task-configuration-failure" "a service's tasks cannot be placed because of an error in their configuration"
    "24c-scheduler-throttled" "ECS throttles a service's scheduler"
    "25-daemon-start-impaired" "a managed daemon's task fails to start"
    "30-application-error" "an application reports an error itself"
    "31-run-rejected" "RunTask is refused because capacity is missing or a parameter is wrong"
    "31b-run-denied" "RunTask is refused because a permission is missing"
    "31c-run-accepted" "RunTask succeeds"
    "32-job-succeeded" "a job of another machine ends well"
    "40-overdue" "a job misses its deadline because its schedule is disabled"
    "40b-overdue-running" "a job misses its deadline because a run is still in progress"
    "40c-ended-late" "a job ends well only after its deadline"
    "40d-no-success" "a job has not ended well for longer than its interval"
    "41-running-long" "a task runs longer than the limit of its job"
    "41b-waits-for-capacity" "a task of a job does not start"
    "41c-not-watched" "the notifier may not look at the running tasks"
    "42-summary" "the summary of the jobs, with problems"
    "42b-summary-all-well" "the summary of the jobs, without a problem"
    "50-batch-job-failed" "a job of AWS Batch fails in its last attempt"
    "50b-batch-timed-out" "a job of AWS Batch runs longer than its timeout"
    "50c-batch-terminated" "a user or a tool terminates a job of AWS Batch"
    "50d-batch-child-failed" "an array job of AWS Batch fails because of a child"
    "50e-batch-dependency-failed" "a job of AWS Batch does not run because a job that it depends on failed"
    "50f-batch-never-ran" "AWS Batch gives up a job that never ran"
    "50g-batch-tries-again" "AWS Batch tries a job again after a failed attempt"
    "50h-batch-queue-blocked" "a job of AWS Batch cannot start, and blocks its queue"
    "51-execution-failed" "an execution of Step Functions fails"
    "51b-execution-timed-out" "an execution of Step Functions runs longer than its timeout"
    "51c-execution-aborted" "an execution of Step Functions is aborted"
};

/// The facts that the notifier would look up for the samples: the task definition, the end of the log, and the job's earlier runs.
const CONTEXT: &str = include_str!("../../patterns/events/context.json");

/// Returns the sample of that name, with or without the name's number, and the facts that the notifier would look up.
///
/// # Errors
/// If no sample has that name. The error has the nearest name.
pub fn sample(name: &str) -> Result<(Value, Value)> {
    let named = |known: &&Sample| known.name == name || without_number(known.name) == name;
    let Some(Sample { name: known, text, .. }) = SAMPLES.iter().find(named) else {
        let nearest = error::nearest(SAMPLES.iter().map(|known| without_number(known.name)), name);
        let whole = SAMPLES.iter().find(|known| nearest == Some(without_number(known.name)));
        let meant = whole.map(|sample| format!("did you mean {}? ", sample.name)).unwrap_or_default();
        return Err(Error::usage(format!("{} is neither a sample nor a file", echoed(name))).hint(format!(
            "{meant}`taskbell preview` lists the samples; give an event as a file, or - for standard input"
        )));
    };
    let (event, mut context) = (parsed(text)?, parsed(CONTEXT)?);
    for (all, one) in [("tails", "tail"), ("jobs", "job"), ("recoveries", "recovery")] {
        let own = context[all][known].take();
        if !own.is_null() {
            context[one] = own;
        }
        context[all] = Value::Null;
    }
    Ok((event, context))
}

/// Returns the name of a sample without its number: `exit-nonzero` for `01-exit-nonzero`.
#[must_use]
pub fn without_number(name: &str) -> &str {
    name.split_once('-').map_or(name, |(_, rest)| rest)
}

fn parsed(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Error::new("a sample is not JSON").because(error))
}

/// Returns the samples as if they came from this cluster, or from one that the ARN covers if it has a `*`: with the account, region
/// and partition of the ARN.
///
/// # Errors
/// If a sample is not JSON, which is a defect of the release.
pub fn of_cluster(cluster_arn: &str) -> Result<Vec<Value>> {
    SAMPLES.iter().map(|sample| moved(sample.text, cluster_arn)).collect()
}

/// Returns the sample of this whole name, as if it came from this cluster.
///
/// # Errors
/// If no sample has that name.
pub fn of_cluster_by_name(name: &str, cluster_arn: &str) -> Result<Value> {
    let found = SAMPLES.iter().find(|sample| sample.name == name);
    moved(found.ok_or_else(|| Error::new(format!("there is no sample {name}")))?.text, cluster_arn)
}

fn moved(text: &str, cluster_arn: &str) -> Result<Value> {
    let (partition, region, account) =
        Arn::split(cluster_arn).map_or(("aws", "", ""), |arn| (arn.partition, arn.region, arn.account));
    let name = clusters::example(cluster_arn.rsplit('/').next().unwrap_or_default());
    let text = text
        .replace("arn:aws:", &format!("arn:{partition}:"))
        .replace("us-east-1", region)
        .replace("123456789012", account)
        .replace("cluster/prod", &format!("cluster/{name}"))
        .replace("task/prod/", &format!("task/{name}/"))
        .replace("container/prod/", &format!("container/{name}/"))
        .replace("container-instance/prod/", &format!("container-instance/{name}/"))
        .replace("daemon/prod/", &format!("daemon/{name}/"))
        .replace("daemon-deployment/prod/", &format!("daemon-deployment/{name}/"))
        .replace("daemon-revision/prod/", &format!("daemon-revision/{name}/"))
        .replace("service/prod/", &format!("service/{name}/"))
        .replace("\"cluster\": \"prod\"", &format!("\"cluster\": \"{name}\""));
    parsed(&text)
}
