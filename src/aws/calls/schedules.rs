//! Finds the schedules that start tasks of a cluster: those of EventBridge Scheduler, and the rules of EventBridge with a schedule.
//! Also reads the stack's own schedules. Changes nothing.

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::{Rule as SdkRule, RuleState};
use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use aws_sdk_scheduler::types::{FlexibleTimeWindow, ScheduleState, ScheduleSummary, Target, TargetSummary};
use futures_util::StreamExt;
use futures_util::stream::iter;
use serde_json::Value;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};
use crate::aws::kinds::lists::rules_on_bus;

/// The most schedules, or rules, that are read at once.
const AT_ONCE: usize = 10;
/// The most schedules, and the most rules, that are read in all.
const MOST: usize = 1000;
/// The end of the target's ARN of a schedule that calls RunTask itself, without the template for ECS.
const RUN_TASK: &str = ":aws-sdk:ecs:runTask";
/// The time zone of rules, and of schedules without one.
const UTC: &str = "UTC";
/// The cluster that ECS uses if a call names none.
const DEFAULT_CLUSTER: &str = "default";

/// The service that keeps a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// EventBridge Scheduler.
    Scheduler { group: String },
    /// A rule on the default bus.
    Rule,
}

/// A schedule that starts tasks of a family. A rule with several targets for ECS is several of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub name: String,
    pub keeper: Keeper,
    /// `cron(…)`, `rate(…)` or `at(…)`.
    pub expression: String,
    /// The name of the time zone of the expression.
    pub zone: String,
    pub is_enabled: bool,
    /// The minutes by which Scheduler may start a task later.
    pub window_minutes: u64,
    /// The name of the cluster.
    pub cluster: String,
    pub family: String,
}

/// A schedule that invokes the notifier.
#[derive(Debug, Clone, PartialEq)]
pub struct Own {
    pub name: String,
    pub is_enabled: bool,
    /// The event that the notifier receives.
    pub input: Value,
}

/// The schedules of EventBridge Scheduler.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schedules {
    pub starters: Vec<Schedule>,
    pub own: Vec<Own>,
    /// Whether every schedule was read that may start a task.
    pub is_whole: bool,
}

/// Returns the schedules of EventBridge Scheduler that start tasks of these clusters, and those of the stack's own group, by their
/// names.
///
/// # Errors
/// If a call fails.
pub async fn of_scheduler(sdk: &SdkConfig, cluster_arns: &[String], own_group: &str) -> Result<Schedules, Fault> {
    let scheduler = client::scheduler(sdk);
    let (mut chosen, mut next) = (Vec::new(), None);
    loop {
        let call = scheduler.list_schedules().set_next_token(next.take());
        let page = call.send().await.map_err(fault("scheduler:ListSchedules"))?;
        let is_needed = |one: &ScheduleSummary| one.group_name() == Some(own_group) || may_start(one, cluster_arns);
        chosen.extend(page.schedules.into_iter().filter(is_needed));
        next = page.next_token;
        if next.is_none() {
            break;
        }
    }
    let is_whole = chosen.len() <= MOST;
    // The own schedules come first: without them, no expectation would be known.
    chosen.sort_by_key(|summary| summary.group_name() != Some(own_group));
    let read = |summary: ScheduleSummary| {
        let call = scheduler.get_schedule().set_name(summary.name).set_group_name(summary.group_name);
        async move {
            match call.send().await.map_err(fault("scheduler:GetSchedule")) {
                // Somebody removed the schedule since.
                Err(fault) if fault.is(&["ResourceNotFoundException"]) => Ok(None),
                answer => answer.map(Some),
            }
        }
    };
    let answers = iter(chosen.into_iter().take(MOST)).map(read).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    let mut all = Schedules { is_whole, ..Schedules::default() };
    for answer in answers {
        let Some(answer) = answer? else { continue };
        match answer.group_name() == Some(own_group) {
            true => all.own.push(own(&answer)),
            false => all.starters.extend(starter(&answer, cluster_arns)),
        }
    }
    all.starters.sort_by(|one, other| one.name.cmp(&other.name));
    all.own.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

fn may_start(summary: &ScheduleSummary, cluster_arns: &[String]) -> bool {
    let target = summary.target().map(TargetSummary::arn).unwrap_or_default();
    cluster_arns.iter().any(|arn| arn == target) || (target.ends_with(RUN_TASK) && !cluster_arns.is_empty())
}

fn own(answer: &GetScheduleOutput) -> Own {
    let input = answer.target().and_then(Target::input).unwrap_or_default();
    Own {
        name: answer.name().unwrap_or_default().to_owned(),
        is_enabled: answer.state() != Some(&ScheduleState::Disabled),
        input: serde_json::from_str(input).unwrap_or_default(),
    }
}

/// Returns the schedule, if it starts tasks of one of the clusters.
fn starter(answer: &GetScheduleOutput, cluster_arns: &[String]) -> Option<Schedule> {
    let target = answer.target()?;
    let (cluster, definition) = match target.ecs_parameters() {
        Some(parameters) => (target.arn().to_owned(), parameters.task_definition_arn().to_owned()),
        None => called(target.input()?)?,
    };
    let cluster = cluster_arns.iter().find(|arn| **arn == cluster || name_of(arn) == cluster)?;
    let window = answer.flexible_time_window().and_then(FlexibleTimeWindow::maximum_window_in_minutes);
    Some(Schedule {
        name: answer.name().unwrap_or_default().to_owned(),
        keeper: Keeper::Scheduler { group: answer.group_name().unwrap_or_default().to_owned() },
        expression: answer.schedule_expression().unwrap_or_default().to_owned(),
        zone: answer.schedule_expression_timezone().unwrap_or(UTC).to_owned(),
        is_enabled: answer.state() != Some(&ScheduleState::Disabled),
        window_minutes: window.and_then(|minutes| minutes.try_into().ok()).unwrap_or_default(),
        cluster: name_of(cluster).to_owned(),
        family: family_of(&definition).to_owned(),
    })
}

/// Returns the cluster and the task definition of the call of RunTask that a schedule makes.
fn called(input: &str) -> Option<(String, String)> {
    let request: Value = serde_json::from_str(input).ok()?;
    let cluster = request["Cluster"].as_str().unwrap_or(DEFAULT_CLUSTER);
    Some((cluster.to_owned(), request["TaskDefinition"].as_str()?.to_owned()))
}

/// Returns the rules on the default bus that start tasks of these clusters by a schedule, by their names.
///
/// # Errors
/// If a call fails.
pub async fn of_rules(sdk: &SdkConfig, cluster_arns: &[String]) -> Result<Vec<Schedule>, Fault> {
    let events = client::eventbridge(sdk);
    let has_schedule = |rule: &SdkRule| rule.schedule_expression.as_deref().is_some_and(|text| !text.is_empty());
    let rules = rules_on_bus(&events, None).await?.into_iter().filter(has_schedule).take(MOST);
    let read = |rule: SdkRule| of_rule(&events, rule, cluster_arns);
    let found = iter(rules).map(read).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    let mut schedules: Vec<Schedule> =
        found.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    schedules.sort_by(|one, other| (&one.name, &one.family).cmp(&(&other.name, &other.family)));
    Ok(schedules)
}

async fn of_rule(
    events: &aws_sdk_eventbridge::Client,
    rule: SdkRule,
    cluster_arns: &[String],
) -> Result<Vec<Schedule>, Fault> {
    let name = rule.name.unwrap_or_default();
    let (mut schedules, mut next) = (Vec::new(), None);
    loop {
        let call = events.list_targets_by_rule().rule(&name).set_next_token(next.take());
        let page = match call.send().await.map_err(fault("events:ListTargetsByRule")) {
            // Somebody removed the rule since.
            Err(fault) if fault.is(&["ResourceNotFoundException"]) => return Ok(Vec::new()),
            page => page?,
        };
        for target in page.targets() {
            let cluster = cluster_arns.iter().find(|arn| **arn == target.arn);
            let (Some(cluster), Some(parameters)) = (cluster, target.ecs_parameters()) else { continue };
            schedules.push(Schedule {
                name: name.clone(),
                keeper: Keeper::Rule,
                expression: rule.schedule_expression.clone().unwrap_or_default(),
                zone: UTC.to_owned(),
                is_enabled: rule.state != Some(RuleState::Disabled),
                window_minutes: 0,
                cluster: name_of(cluster).to_owned(),
                family: family_of(&parameters.task_definition_arn).to_owned(),
            });
        }
        next = page.next_token;
        if next.is_none() {
            return Ok(schedules);
        }
    }
}

/// Returns the name at the end of an ARN; a name alone is returned unchanged.
fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Returns the family of a task definition, which is given as an ARN, as `family:revision` or as `family`.
fn family_of(definition: &str) -> &str {
    let name = name_of(definition);
    name.split(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_scheduler::types::{EcsParameters, FlexibleTimeWindowMode};

    const BATCH: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/batch";

    fn schedule(target: Target) -> GetScheduleOutput {
        let mode = FlexibleTimeWindowMode::Flexible;
        let window = FlexibleTimeWindow::builder().mode(mode).maximum_window_in_minutes(15).build().unwrap();
        GetScheduleOutput::builder()
            .name("nightly")
            .group_name("default")
            .schedule_expression("cron(0 3 * * ? *)")
            .schedule_expression_timezone("Asia/Tokyo")
            .state(ScheduleState::Disabled)
            .flexible_time_window(window)
            .target(target)
            .build()
    }

    fn target(arn: &str) -> aws_sdk_scheduler::types::builders::TargetBuilder {
        Target::builder().arn(arn).role_arn("arn:aws:iam::123456789012:role/x")
    }

    #[test]
    fn both_kinds_of_targets_start_tasks() {
        let parameters = EcsParameters::builder()
            .task_definition_arn("arn:aws:ecs:us-east-1:123456789012:task-definition/nightly-report:18")
            .build()
            .unwrap();
        let clusters = [BATCH.to_owned()];
        let found = starter(&schedule(target(BATCH).ecs_parameters(parameters).build().unwrap()), &clusters).unwrap();
        assert_eq!(
            (found.family.as_str(), found.cluster.as_str(), found.zone.as_str()),
            ("nightly-report", "batch", "Asia/Tokyo")
        );
        assert_eq!((found.is_enabled, found.window_minutes), (false, 15));
        let universal = |input: &str| {
            let target = target("arn:aws:scheduler:::aws-sdk:ecs:runTask").input(input).build().unwrap();
            starter(&schedule(target), &clusters).map(|schedule| schedule.family)
        };
        let of = |cluster: &str| universal(&format!(r#"{{"Cluster":"{cluster}","TaskDefinition":"import:3"}}"#));
        assert_eq!((of(BATCH).as_deref(), of("batch").as_deref()), (Some("import"), Some("import")));
        assert_eq!((of("web"), universal(r#"{"TaskDefinition":"import"}"#), universal("{")), (None, None, None));
    }

    #[test]
    fn family_is_read_from_every_form_of_a_definition() {
        for text in ["arn:aws:ecs:us-east-1:123456789012:task-definition/import:3", "import:3", "import"] {
            assert_eq!(family_of(text), "import");
        }
    }
}
