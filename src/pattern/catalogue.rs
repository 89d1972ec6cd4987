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
pub const CATALOGUE: [Entry; 10] = [
    Entry {
        name: "task-failed",
        rings: "every stop that is not known to be normal: failures to start, non-zero exits, lost hosts, Spot, health checks",
        needs: "",
        silent: "clean exits of stand-alone tasks, scale-in, deployments, zone rebalancing, maintenance and draining under services, stops by a user",
        text: include_str!("../../patterns/task-failed.json"),
    },
    Entry {
        name: "deployment-failed",
        rings: "a deployment that was given up",
        needs: "the deployment circuit breaker, or a deployment alarm, on the service",
        silent: "deployments that begin, go on or succeed, and the rollback that follows a failure",
        text: include_str!("../../patterns/deployment-failed.json"),
    },
    Entry {
        name: "service-impaired",
        rings: "a service or daemon that cannot place or start tasks: no capacity, no instance that fits, an error in its configuration, tasks that keep failing to start, a throttled scheduler",
        needs: "",
        silent: "steady state, scaling, service discovery; the single tasks that fail (task-failed rings for them)",
        text: include_str!("../../patterns/service-impaired.json"),
    },
    Entry {
        name: "nonzero-exit",
        rings: "a stopped task with a container whose exit code is not 0",
        needs: "",
        silent: "tasks without an exit code, as most that never started; scale-in, deployments and maintenance of services that end in 137 or 143 match, the notifier leaves them out",
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
        silent: "everything else, exit code 137 alone too",
        text: include_str!("../../patterns/out-of-memory.json"),
    },
    Entry {
        name: "spot-interrupted",
        rings: "a task that lost its Spot capacity",
        needs: "",
        silent: "the warning two minutes ahead, and everything else",
        text: include_str!("../../patterns/spot-interrupted.json"),
    },
    Entry {
        name: "health-check-failed",
        rings: "a service's task that ECS stopped because of its load balancer's or container's health checks",
        needs: "health checks on the target group or the container",
        silent: "everything else",
        text: include_str!("../../patterns/health-check-failed.json"),
    },
    Entry {
        name: "run-rejected",
        rings: "a RunTask or StartTask that ECS refused or could not place: the schedule that never ran",
        needs: "a CloudTrail trail with management events in the region; CloudTrail delivers as well as it can, without a promise",
        silent: "calls that started a task, throttled calls (every SDK makes them again), and a scheduler that is disabled or cannot assume its role: it makes no call",
        text: include_str!("../../patterns/run-rejected.json"),
    },
    Entry {
        name: "application-error",
        rings: "alerts that applications raise themselves, from the source taskbell.app",
        needs: "an application that sends them",
        silent: "everything of ECS",
        text: include_str!("../../patterns/application-error.json"),
    },
];
