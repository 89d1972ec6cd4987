//! A task of ECS, told as the event ECS would have sent, and its task definition: for "why did it not ring?".

use aws_config::SdkConfig;
use aws_sdk_ecs::types::{Container, ContainerDefinition, LogDriver, Task};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Map, Value, json};

use super::clients;
use super::fault::{Fault, fault};

/// The event of the task's state as DescribeTasks tells it; none if ECS does not know the task (any more: it shows stopped
/// tasks for about an hour). Attachments, attributes and overrides, which may hold secrets, are left out.
///
/// # Errors
/// If the call fails.
pub async fn event_of(sdk: &SdkConfig, cluster: &str, task_arn: &str) -> Result<Option<Value>, Fault> {
    let call = clients::ecs(sdk).describe_tasks().cluster(cluster).tasks(task_arn);
    let answer = match call.send().await.map_err(fault("ecs:DescribeTasks")) {
        Err(fault) if fault.is(&["ClusterNotFoundException"]) => return Ok(None),
        answer => answer?,
    };
    Ok(answer.tasks().first().map(event))
}

/// Of a task definition, what the notifier looks up before it decides: the outline that `lambda/aws.mjs` makes of it, with
/// names, essential marks and log destinations. None if ECS does not know the definition.
///
/// # Errors
/// If the call fails.
pub async fn outline_of(sdk: &SdkConfig, definition: &str) -> Result<Option<Value>, Fault> {
    let call = clients::ecs(sdk).describe_task_definition().task_definition(definition);
    let answer = match call.send().await.map_err(fault("ecs:DescribeTaskDefinition")) {
        Err(fault) if fault.says("Unable to describe task definition") => return Ok(None),
        answer => answer?,
    };
    let containers = answer.task_definition.and_then(|definition| definition.container_definitions).unwrap_or_default();
    Ok(Some(json!({ "containers": containers.iter().map(outline).collect::<Vec<_>>() })))
}

fn outline(container: &ContainerDefinition) -> Value {
    let log = container.log_configuration().map(|log| {
        let is_awslogs = *log.log_driver() == LogDriver::Awslogs;
        let options = log.options().filter(|_| is_awslogs);
        let option = |name: &str| options.and_then(|options| options.get(&format!("awslogs-{name}")));
        json!({
            "driver": log.log_driver().as_str(), "group": option("group"), "region": option("region"),
            "prefix": option("stream-prefix"),
        })
    });
    json!({ "name": container.name(), "essential": container.essential() != Some(false), "log": log })
}

fn event(task: &Task) -> Value {
    let arn = task.task_arn().unwrap_or_default();
    let part = |at: usize| arn.split(':').nth(at).unwrap_or_default();
    let time =
        [task.stopped_at(), task.stopping_at(), task.started_at(), task.created_at()].into_iter().flatten().next();
    json!({
        "version": "0",
        "id": arn.rsplit('/').next().unwrap_or_default(),
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "account": part(4),
        "region": part(3),
        "time": time.and_then(text_of),
        "resources": [arn],
        "detail": detail(task),
    })
}

fn detail(task: &Task) -> Value {
    let text = |name: &str, value: Option<&str>| value.map(|value| (name.to_owned(), Value::from(value)));
    let time = |name: &str, value: Option<&DateTime>| {
        value.and_then(text_of).map(|value| (name.to_owned(), Value::from(value)))
    };
    let fields = [
        text("taskArn", task.task_arn()),
        text("clusterArn", task.cluster_arn()),
        text("taskDefinitionArn", task.task_definition_arn()),
        text("containerInstanceArn", task.container_instance_arn()),
        text("group", task.group()),
        text("startedBy", task.started_by()),
        text("launchType", task.launch_type().map(aws_sdk_ecs::types::LaunchType::as_str)),
        text("capacityProviderName", task.capacity_provider_name()),
        text("platformVersion", task.platform_version()),
        text("availabilityZone", task.availability_zone()),
        text("cpu", task.cpu()),
        text("memory", task.memory()),
        text("connectivity", task.connectivity().map(aws_sdk_ecs::types::Connectivity::as_str)),
        text("lastStatus", task.last_status()),
        text("desiredStatus", task.desired_status()),
        text("stopCode", task.stop_code().map(aws_sdk_ecs::types::TaskStopCode::as_str)),
        text("stoppedReason", task.stopped_reason()),
        time("connectivityAt", task.connectivity_at()),
        time("pullStartedAt", task.pull_started_at()),
        time("pullStoppedAt", task.pull_stopped_at()),
        time("createdAt", task.created_at()),
        time("startedAt", task.started_at()),
        time("stoppingAt", task.stopping_at()),
        time("stoppedAt", task.stopped_at()),
        time("executionStoppedAt", task.execution_stopped_at()),
        Some(("version".to_owned(), Value::from(task.version()))),
        Some(("containers".to_owned(), task.containers().iter().map(container).collect())),
    ];
    Value::Object(fields.into_iter().flatten().collect())
}

fn container(container: &Container) -> Value {
    let text = |name: &str, value: Option<&str>| value.map(|value| (name.to_owned(), Value::from(value)));
    let fields = [
        text("name", container.name()),
        text("containerArn", container.container_arn()),
        text("taskArn", container.task_arn()),
        text("image", container.image()),
        text("imageDigest", container.image_digest()),
        text("runtimeId", container.runtime_id()),
        text("lastStatus", container.last_status()),
        text("reason", container.reason()),
        container.exit_code().map(|code| ("exitCode".to_owned(), Value::from(code))),
    ];
    Value::Object(fields.into_iter().flatten().collect::<Map<_, _>>())
}

fn text_of(time: &DateTime) -> Option<String> {
    time.fmt(Format::DateTime).ok()
}
