//! Reads the services and tasks of a cluster, which taskbell never manages, only to give advice.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::DesiredStatus;
use futures_util::StreamExt;
use futures_util::stream::iter;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};

/// Most services, and most tasks, that one call describes.
const SERVICES_AT_ONCE: usize = 10;
const TASKS_AT_ONCE: usize = 100;
/// Most task definitions that are read, and most of them at once.
const MOST_DEFINITIONS: usize = 100;
const AT_ONCE: usize = 10;

/// The log groups that were found.
#[derive(Debug, Default)]
pub struct LogGroups {
    pub groups: BTreeSet<String>,
    /// Whether every task definition was read.
    pub whole: bool,
}

/// Returns the CloudWatch log groups in this region to which the task definitions of the cluster's services and tasks (running,
/// or stopped within about an hour) log.
///
/// # Errors
/// If one of the calls fails.
pub async fn log_groups(sdk: &SdkConfig, cluster: &str) -> Result<LogGroups, Fault> {
    let ecs = client::ecs(sdk);
    let (services, running, stopped) = tokio::join!(
        Box::pin(of_services(&ecs, cluster)),
        Box::pin(of_tasks(&ecs, cluster, DesiredStatus::Running)),
        Box::pin(of_tasks(&ecs, cluster, DesiredStatus::Stopped)),
    );
    let definitions: BTreeSet<String> = services?.into_iter().chain(running?).chain(stopped?).collect();
    let region = sdk.region().map(ToString::to_string).unwrap_or_default();
    let whole = definitions.len() <= MOST_DEFINITIONS;
    let found = iter(definitions.into_iter().take(MOST_DEFINITIONS))
        .map(|arn| of_definition(&ecs, arn, &region))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let groups = found.into_iter().try_fold(BTreeSet::new(), |mut all, some| {
        all.extend(some?);
        Ok(all)
    })?;
    Ok(LogGroups { groups, whole })
}

async fn of_services(ecs: &Client, cluster: &str) -> Result<Vec<String>, Fault> {
    let mut pages = ecs.list_services().cluster(cluster).max_results(100).into_paginator().items().send();
    let mut arns = Vec::new();
    while let Some(arn) = pages.next().await {
        arns.push(arn.map_err(fault("ecs:ListServices"))?);
    }
    let mut definitions = Vec::new();
    for some in arns.chunks(SERVICES_AT_ONCE) {
        let call = ecs.describe_services().cluster(cluster).set_services(Some(some.to_vec()));
        let answer = call.send().await.map_err(fault("ecs:DescribeServices"))?;
        definitions
            .extend(answer.services.unwrap_or_default().into_iter().filter_map(|service| service.task_definition));
    }
    Ok(definitions)
}

async fn of_tasks(ecs: &Client, cluster: &str, status: DesiredStatus) -> Result<Vec<String>, Fault> {
    let mut pages = ecs.list_tasks().cluster(cluster).desired_status(status).into_paginator().items().send();
    let mut arns = Vec::new();
    while let Some(arn) = pages.next().await {
        arns.push(arn.map_err(fault("ecs:ListTasks"))?);
    }
    let mut definitions = Vec::new();
    for some in arns.chunks(TASKS_AT_ONCE) {
        let call = ecs.describe_tasks().cluster(cluster).set_tasks(Some(some.to_vec()));
        let answer = call.send().await.map_err(fault("ecs:DescribeTasks"))?;
        definitions.extend(answer.tasks.unwrap_or_default().into_iter().filter_map(|task| task.task_definition_arn));
    }
    Ok(definitions)
}

async fn of_definition(ecs: &Client, arn: String, region: &str) -> Result<Vec<String>, Fault> {
    let answer = ecs.describe_task_definition().task_definition(arn).send().await;
    let answer = answer.map_err(fault("ecs:DescribeTaskDefinition"))?;
    let containers = answer.task_definition.and_then(|definition| definition.container_definitions);
    let logs = containers.unwrap_or_default().into_iter().filter_map(|container| container.log_configuration);
    let group = |options: std::collections::HashMap<String, String>| {
        let here = options.get("awslogs-region").is_none_or(|other| other == region);
        options.get("awslogs-group").filter(|_| here).cloned()
    };
    Ok(logs.filter_map(|log| log.options).filter_map(group).collect())
}
