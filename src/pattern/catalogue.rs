//! Lists the patterns that come with taskbell.

/// The patterns that `setup` uses if none is named: failed tasks, and failures that never become a task.
pub const DEFAULT: [&str; 3] = ["task-failed", "deployment-failed", "service-impaired"];

/// A pattern of the catalogue.
pub struct Entry {
    pub name: &'static str,
    /// The events that cause an alert, in one line.
    pub rings: &'static str,
    /// The requirement without which no such event exists; empty: no requirement.
    pub needs: &'static str,
    /// The events that stay silent, in one line.
    pub silent: &'static str,
    /// The pattern, as JSON.
    pub text: &'static str,
}

/// The catalogue. Each entry's pattern is a file in `patterns/`.
pub const CATALOGUE: [Entry; 13] = [
    Entry {
        name: "task-failed",
        rings: "every stop that is not known to be normal: failures to start, non-zero exit codes, terminated hosts, Spot interruptions, failed health checks",
        needs: "",
        silent: "clean exits of stand-alone tasks, scale-in, deployments, zone rebalancing, maintenance and draining of services' tasks, stops by a user",
        text: include_str!("../../patterns/task-failed.json"),
    },
    Entry {
        name: "deployment-failed",
        rings: "a service's deployment that failed, and a managed daemon's deployment that is rolled back, or cannot be",
        needs: "the deployment circuit breaker, or a deployment alarm, on the service",
        silent: "deployments that start, continue or succeed, and the rollback of a service",
        text: include_str!("../../patterns/deployment-failed.json"),
    },
    Entry {
        name: "service-impaired",
        rings: "a service or daemon that cannot place or start tasks: no capacity, no suitable instance, an error in its configuration, tasks that keep failing to start, a throttled scheduler",
        needs: "",
        silent: "steady state, scaling, service discovery; single tasks that fail (task-failed alerts on them)",
        text: include_str!("../../patterns/service-impaired.json"),
    },
    Entry {
        name: "nonzero-exit",
        rings: "a stopped task with a container whose exit code is not 0",
        needs: "",
        silent: "tasks without an exit code, such as most that never started; scale-in, deployments, maintenance and draining of services match, but the notifier skips them, whatever the exit code",
        text: include_str!("../../patterns/nonzero-exit.json"),
    },
    Entry {
        name: "start-failed",
        rings: "a task that never started: image, secrets, logger, network, capacity",
        needs: "",
        silent: "tasks that ran, however they ended",
        text: include_str!("../../patterns/start-failed.json"),
    },
    Entry {
        name: "out-of-memory",
        rings: "a container killed because it ran out of memory",
        needs: "",
        silent: "everything else, including exit code 137 alone",
        text: include_str!("../../patterns/out-of-memory.json"),
    },
    Entry {
        name: "spot-interrupted",
        rings: "a task that a Spot interruption stopped",
        needs: "",
        silent: "the warning two minutes before the interruption, and everything else",
        text: include_str!("../../patterns/spot-interrupted.json"),
    },
    Entry {
        name: "health-check-failed",
        rings: "a service's task that ECS stopped because a health check of its load balancer or container failed",
        needs: "health checks on the target group or the container",
        silent: "everything else",
        text: include_str!("../../patterns/health-check-failed.json"),
    },
    Entry {
        name: "run-rejected",
        rings: "a RunTask or StartTask call that ECS refused or could not place, such as a scheduled task that never ran",
        needs: "a CloudTrail trail with management events in the region; CloudTrail delivery is best effort",
        silent: "calls that started a task, throttled calls (every SDK retries them), and a scheduler that is disabled or cannot assume its role: it makes no call",
        text: include_str!("../../patterns/run-rejected.json"),
    },
    Entry {
        name: BATCH_JOB_FAILED,
        rings: "a job of AWS Batch that failed after its last attempt: a non-zero exit code, a timeout, a lost host, a job that never ran; and a job that cannot start and blocks its queue",
        needs: "",
        silent: "attempts that AWS Batch repeats, and jobs that succeed; the clusters of the stack do not narrow it: --job-queue and --job-name do",
        text: include_str!("../../patterns/batch-job-failed.json"),
    },
    Entry {
        name: EXECUTION_FAILED,
        rings: "an execution of Step Functions that failed, timed out or was aborted",
        needs: "a standard workflow, because express workflows send no events; delivery is best effort",
        silent: "executions that succeed; the clusters of the stack do not narrow it: --state-machine does",
        text: include_str!("../../patterns/execution-failed.json"),
    },
    Entry {
        name: "application-error",
        rings: "errors that applications report themselves, from the source taskbell.app",
        needs: "an application that reports them",
        silent: "all ECS events",
        text: include_str!("../../patterns/application-error.json"),
    },
    Entry {
        name: "job-succeeded",
        rings: "failures of jobs of other machines, and a job that works again after a failure or an overdue run that was announced",
        needs: "the table",
        silent: "every other success, which the notifier records",
        text: include_str!("../../patterns/job-succeeded.json"),
    },
];

/// Returns whether the catalogue has a pattern of this name.
#[must_use]
pub fn is_in_catalogue(name: &str) -> bool {
    CATALOGUE.iter().any(|entry| entry.name == name)
}

/// The pattern of failed jobs of AWS Batch.
pub const BATCH_JOB_FAILED: &str = "batch-job-failed";
/// The pattern of executions of Step Functions that failed.
pub const EXECUTION_FAILED: &str = "execution-failed";
/// The pattern of the ends of jobs that the notifier remembers.
pub const JOB_SUCCEEDED: &str = "job-succeeded";
/// The pattern of the events that end a failure of a service.
pub const SERVICE_RECOVERED: &str = "service-recovered";

/// The patterns whose rules `setup` adds by itself (`companions.rs`), besides those that the catalogue has for users to choose. Alone,
/// none of their events causes an alert.
pub const COMPANIONS: [Entry; 1] = [Entry {
    name: SERVICE_RECOVERED,
    rings: "a service that works again: a completed deployment after a failed one, a steady state after an impairment",
    needs: "the table",
    silent: "every other deployment and steady state",
    text: include_str!("../../patterns/service-recovered.json"),
}];
