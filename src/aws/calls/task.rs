//! Reads a task of ECS as the event that ECS would have sent, and its task definition, to explain why there was no alert.

use aws_config::SdkConfig;
use aws_sdk_ecs::types::{
    Connectivity, Container, ContainerDefinition, EphemeralStorage, HealthStatus, LaunchType, NetworkInterface, Task,
    TaskStopCode,
};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Value, json};

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};
use crate::task::{event_of as event, outline_of as outline};

/// Returns the event of the task's state as DescribeTasks describes it; none if ECS does not know the task (ECS returns stopped
/// tasks for about an hour). Omits attachments, attributes and overrides, which may contain secrets.
///
/// # Errors
/// If the call fails.
pub async fn event_of(sdk: &SdkConfig, cluster: &str, task_arn: &str) -> Result<Option<Value>, Fault> {
    let call = client::ecs(sdk).describe_tasks().cluster(cluster).tasks(task_arn);
    let answer = match call.send().await.map_err(fault("ecs:DescribeTasks")) {
        Err(fault) if fault.is(&["ClusterNotFoundException"]) => return Ok(None),
        answer => answer?,
    };
    Ok(answer.tasks().first().map(|task| event(&described(task))))
}

/// Returns the part of a task definition that the notifier looks up before it decides: the outline of `lambda/io/aws.mjs`, with
/// names, essential marks and log destinations. None if ECS does not know the definition.
///
/// # Errors
/// If the call fails.
pub async fn outline_of(sdk: &SdkConfig, definition: &str) -> Result<Option<Value>, Fault> {
    let call = client::ecs(sdk).describe_task_definition().task_definition(definition);
    let answer = match call.send().await.map_err(fault("ecs:DescribeTaskDefinition")) {
        Err(fault) if fault.says("Unable to describe task definition") => return Ok(None),
        answer => answer?,
    };
    let containers = answer.task_definition.and_then(|definition| definition.container_definitions).unwrap_or_default();
    let definitions: Vec<Value> = containers.iter().map(of_definition).collect();
    Ok(Some(outline(&json!({ "containerDefinitions": definitions }))))
}

/// Converts a container definition to the JSON that ECS sends, as far as the outline needs it.
fn of_definition(container: &ContainerDefinition) -> Value {
    let log = container.log_configuration();
    json!({
        "name": container.name(),
        "essential": container.essential(),
        "logConfiguration": { "logDriver": log.map(|log| log.log_driver().as_str()), "options": log.and_then(|log| log.options()) },
    })
}

/// Converts a task to the JSON that ECS sends, as far as events contain it.
fn described(task: &Task) -> Value {
    let time = |value: Option<&DateTime>| value.and_then(|time| time.fmt(Format::DateTime).ok());
    json!({
        "taskArn": task.task_arn(),
        "clusterArn": task.cluster_arn(),
        "taskDefinitionArn": task.task_definition_arn(),
        "containerInstanceArn": task.container_instance_arn(),
        "group": task.group(),
        "startedBy": task.started_by(),
        "launchType": task.launch_type().map(LaunchType::as_str),
        "capacityProviderName": task.capacity_provider_name(),
        "platformFamily": task.platform_family(),
        "platformVersion": task.platform_version(),
        "healthStatus": task.health_status().map(HealthStatus::as_str),
        "enableExecuteCommand": task.enable_execute_command(),
        "ephemeralStorage": { "sizeInGiB": task.ephemeral_storage().map(EphemeralStorage::size_in_gib) },
        "availabilityZone": task.availability_zone(),
        "cpu": task.cpu(),
        "memory": task.memory(),
        "connectivity": task.connectivity().map(Connectivity::as_str),
        "lastStatus": task.last_status(),
        "desiredStatus": task.desired_status(),
        "stopCode": task.stop_code().map(TaskStopCode::as_str),
        "stoppedReason": task.stopped_reason(),
        "connectivityAt": time(task.connectivity_at()),
        "pullStartedAt": time(task.pull_started_at()),
        "pullStoppedAt": time(task.pull_stopped_at()),
        "createdAt": time(task.created_at()),
        "startedAt": time(task.started_at()),
        "stoppingAt": time(task.stopping_at()),
        "stoppedAt": time(task.stopped_at()),
        "executionStoppedAt": time(task.execution_stopped_at()),
        "version": task.version(),
        "containers": task.containers().iter().map(container).collect::<Vec<_>>(),
    })
}

fn container(container: &Container) -> Value {
    let interface = |one: &NetworkInterface| json!({ "attachmentId": one.attachment_id(), "privateIpv4Address": one.private_ipv4_address(), "ipv6Address": one.ipv6_address() });
    let interfaces: Vec<Value> = container.network_interfaces().iter().map(interface).collect();
    json!({
        "name": container.name(),
        "containerArn": container.container_arn(),
        "taskArn": container.task_arn(),
        "image": container.image(),
        "imageDigest": container.image_digest(),
        "runtimeId": container.runtime_id(),
        "lastStatus": container.last_status(),
        "reason": container.reason(),
        "exitCode": container.exit_code(),
        "healthStatus": container.health_status().map(HealthStatus::as_str),
        "cpu": container.cpu(),
        "memory": container.memory(),
        "memoryReservation": container.memory_reservation(),
        "gpuIds": Some(container.gpu_ids()).filter(|ids| !ids.is_empty()),
        "networkInterfaces": Some(interfaces).filter(|interfaces| !interfaces.is_empty()),
    })
}
