//! Names the values of flags that other rooms define, with their help.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::notifier::embedded::Place;
use crate::pattern::scenario::Scenario;
use crate::permissions::Command;

impl ValueEnum for Scenario {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        // The short names of samples.
        let aliases: &[&str] = match self {
            Self::ExitCode => &["exit-nonzero"],
            Self::OutOfMemory => &["oom"],
            Self::StartFailed => &["cannot-pull"],
            Self::SpotInterrupted => &["spot"],
            Self::HealthCheckFailed => &["elb-unhealthy"],
            Self::ServiceImpaired => &["placement-failure"],
            Self::DeploymentFailed
            | Self::BatchJobFailed
            | Self::ExecutionFailed
            | Self::Overdue
            | Self::RunningLong
            | Self::Recovered => &[],
        };
        let value = PossibleValue::new(self.name()).aliases(aliases.iter().copied());
        Some(value.help(match self {
            Self::ExitCode => "A container exits with a code other than 0",
            Self::OutOfMemory => "A container runs out of memory",
            Self::StartFailed => "An image cannot be pulled",
            Self::SpotInterrupted => "A Spot interruption stops a task",
            Self::HealthCheckFailed => "A load balancer's health check fails",
            Self::DeploymentFailed => "A deployment fails",
            Self::ServiceImpaired => "A service finds no capacity for its tasks",
            Self::BatchJobFailed => "A job of AWS Batch fails in its last attempt",
            Self::ExecutionFailed => "An execution of Step Functions fails",
            Self::Overdue => "A job does not end well by its deadline; the stack has to expect something of a job",
            Self::RunningLong => "A run of a job takes too long; the stack has to expect something of a job",
            Self::Recovered => "A job works again",
        }))
    }
}

impl ValueEnum for Place {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Slack, Self::Teams, Self::Discord, Self::Webhook, Self::Sns]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let value = PossibleValue::new(self.name());
        Some(match self {
            Self::Slack | Self::Discord => value,
            Self::Teams => value.help("Microsoft Teams: an Adaptive Card"),
            Self::Webhook => value.help("A webhook of any host: JSON, signed when it is sent"),
            Self::Sns => value.help("An SNS topic"),
        })
    }
}

impl ValueEnum for Command {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Setup => ("setup", "Create, repair or reconfigure the stack, but not remove it"),
            Self::Schedules => ("schedules", "Make or remove the schedules of --expect and --summary, besides `setup`"),
            Self::Drift => ("drift", "Read the stack, also for `graph`; decrypt nothing"),
            Self::Teardown => ("teardown", "Remove the stack"),
            Self::Drill => ("drill", "Send a drill, and read how far it came"),
            Self::Replay => ("replay", "Send or delete undelivered alerts"),
            Self::Status => ("status", "Read the state of the stack"),
            Self::Jobs => ("jobs", "List the jobs, with the schedules that start them; also for `pattern test --job`"),
            Self::PatternTest => ("pattern-test", "Read the stack for `pattern test` with --live or --task"),
            Self::Notify => ("notify", "Send alerts from your own applications"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}
