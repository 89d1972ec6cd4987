//! Converts a task and a task definition, as ECS describes them, to the notifier's input: the event of the task's state, and
//! the outline of its definition. Copies only the fields that it names, so no environment and no secret. Makes no call.

use serde_json::{Map, Value, json};

use crate::arn::Arn;
use crate::date::{DateTime, Format};

const TEXTS: [&str; 19] = [
    "taskArn",
    "clusterArn",
    "taskDefinitionArn",
    "containerInstanceArn",
    "group",
    "startedBy",
    "launchType",
    "capacityProviderName",
    "platformFamily",
    "platformVersion",
    "healthStatus",
    "availabilityZone",
    "cpu",
    "memory",
    "connectivity",
    "lastStatus",
    "desiredStatus",
    "stopCode",
    "stoppedReason",
];
const TIMES: [&str; 8] = [
    "connectivityAt",
    "pullStartedAt",
    "pullStoppedAt",
    "createdAt",
    "startedAt",
    "stoppingAt",
    "stoppedAt",
    "executionStoppedAt",
];
const TEXTS_OF_CONTAINERS: [&str; 12] = [
    "name",
    "containerArn",
    "taskArn",
    "image",
    "imageDigest",
    "runtimeId",
    "lastStatus",
    "reason",
    "healthStatus",
    "cpu",
    "memory",
    "memoryReservation",
];
/// Lists of objects in a container, with the fields that are copied from each object.
const LISTS_OF_CONTAINERS: [(&str, &[&str]); 3] = [
    ("networkInterfaces", &["attachmentId", "privateIpv4Address", "ipv6Address"]),
    ("networkBindings", &["bindIP", "containerPort", "hostPort", "protocol", "containerPortRange", "hostPortRange"]),
    ("managedAgents", &["name", "reason", "lastStatus"]),
];
const STORAGES: [&str; 2] = ["ephemeralStorage", "fargateEphemeralStorage"];

/// Returns the event that ECS sends about a task in this state. `task` is one of the `tasks` of DescribeTasks, with times in
/// ISO 8601 or in seconds. Omits attachments, attributes, overrides and tags, which may contain secrets.
#[must_use]
pub fn event_of(task: &Value) -> Value {
    let arn = task["taskArn"].as_str().unwrap_or_default();
    let (account, region) = Arn::split(arn).map(|arn| (arn.account, arn.region)).unwrap_or_default();
    let latest = ["stoppedAt", "stoppingAt", "startedAt", "createdAt"].into_iter().find_map(|name| time(&task[name]));
    json!({
        "version": "0",
        "id": arn.rsplit('/').next().unwrap_or_default(),
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "account": account,
        "region": region,
        "time": latest,
        "resources": [arn],
        "detail": detail(task),
    })
}

fn detail(task: &Value) -> Value {
    let mut fields = texts(task, &TEXTS);
    fields.extend(TIMES.iter().filter_map(|name| Some(((*name).to_owned(), Value::from(time(&task[*name])?)))));
    if let Some(enabled) = task["enableExecuteCommand"].as_bool() {
        fields.insert("enableExecuteCommand".to_owned(), enabled.into());
    }
    let storage = |name: &&str| Some(((*name).to_owned(), json!({ "sizeInGiB": number(&task[*name]["sizeInGiB"])? })));
    fields.extend(STORAGES.iter().filter_map(storage));
    fields.insert("version".to_owned(), number(&task["version"]).unwrap_or_else(|| json!(0)));
    let containers = task["containers"].as_array().into_iter().flatten().map(container);
    fields.insert("containers".to_owned(), containers.collect());
    Value::Object(fields)
}

fn container(container: &Value) -> Value {
    let mut fields = texts(container, &TEXTS_OF_CONTAINERS);
    if let Some(code) = number(&container["exitCode"]) {
        fields.insert("exitCode".to_owned(), code);
    }
    if let Some(gpus) = container["gpuIds"].as_array() {
        fields.insert("gpuIds".to_owned(), gpus.iter().filter(|id| id.is_string()).cloned().collect());
    }
    for (name, names) in LISTS_OF_CONTAINERS {
        if let Some(items) = container[name].as_array() {
            fields.insert(name.to_owned(), items.iter().map(|item| Value::Object(scalars(item, names))).collect());
        }
    }
    Value::Object(fields)
}

fn texts(of: &Value, names: &[&str]) -> Map<String, Value> {
    let text = |name: &&str| Some(((*name).to_owned(), of[*name].as_str()?.into()));
    names.iter().filter_map(text).collect()
}

/// Copies texts and numbers: ports are numbers.
fn scalars(of: &Value, names: &[&str]) -> Map<String, Value> {
    let is_scalar = |value: &&Value| value.is_string() || value.is_number();
    let scalar = |name: &&str| Some(((*name).to_owned(), of.get(*name).filter(is_scalar)?.clone()));
    names.iter().filter_map(scalar).collect()
}

fn number(value: &Value) -> Option<Value> {
    value.as_i64().map(Value::from)
}

/// Returns a time as events contain it, in UTC. The AWS CLI prints times with the offset of its machine, or in seconds.
fn time(value: &Value) -> Option<String> {
    let time = match value {
        // Seconds without an exact binary fraction are slightly below the intended milliseconds.
        Value::Number(seconds) => {
            let time = DateTime::from_secs_f64(seconds.as_f64()? + 0.000_5);
            DateTime::from_millis(time.to_millis().ok()?)
        }
        Value::String(text) => DateTime::from_str(text, Format::DateTimeWithOffset).ok()?,
        _ => return None,
    };
    time.fmt(Format::DateTime).ok()
}

/// Returns the notifier's knowledge of a task definition as DescribeTaskDefinition returns it: names, essential marks and log
/// destinations, like `outlineOf` of `lambda/io/aws.mjs`.
#[must_use]
pub fn outline_of(definition: &Value) -> Value {
    let containers = definition["containerDefinitions"].as_array().into_iter().flatten();
    json!({ "containers": containers.map(outline).collect::<Vec<_>>() })
}

/// Returns the task definition, from an answer of DescribeTaskDefinition or from the definition alone.
#[must_use]
pub fn definition_in(value: &Value) -> Option<&Value> {
    let within = &value["taskDefinition"];
    let definition = if within.is_object() { within } else { value };
    let containers = definition["containerDefinitions"].as_array();
    let has_names =
        |containers: &Vec<Value>| !containers.is_empty() && containers.iter().all(|one| one["name"].is_string());
    containers.is_some_and(has_names).then_some(definition)
}

fn outline(container: &Value) -> Value {
    let configuration = &container["logConfiguration"];
    let log = configuration["logDriver"].as_str().map(|driver| {
        let option = |name: &str| match driver {
            "awslogs" => configuration["options"][format!("awslogs-{name}")].as_str(),
            _ => None,
        };
        json!({ "driver": driver, "group": option("group"), "region": option("region"), "prefix": option("stream-prefix") })
    });
    json!({ "name": container["name"].as_str(), "essential": container["essential"] != false, "log": log })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_format_of_the_aws_cli_is_read() {
        for (written, told) in [
            (json!("2026-11-20T10:32:11.177000+00:00"), Some("2026-11-20T10:32:11.177Z")),
            (json!("2026-11-20T19:32:11.177000+09:00"), Some("2026-11-20T10:32:11.177Z")),
            (json!("2026-11-20T10:32:11.177Z"), Some("2026-11-20T10:32:11.177Z")),
            (json!(1_795_170_731.177), Some("2026-11-20T10:32:11.177Z")),
            (json!(1_795_170_731), Some("2026-11-20T10:32:11Z")),
            (json!("yesterday"), None),
            (json!(1e300), None),
            (json!(null), None),
        ] {
            assert_eq!(time(&written).as_deref(), told, "{written}");
        }
    }

    /// Covers the fields that a pattern may test.
    #[test]
    fn only_harmless_fields_are_copied() {
        let harmless = json!({
            "taskArn": "arn:aws:ecs:us-east-1:1:task/c/0a", "version": 2, "enableExecuteCommand": true,
            "platformFamily": "Linux", "platformVersion": "1.4.0", "healthStatus": "UNHEALTHY",
            "ephemeralStorage": { "sizeInGiB": 20 }, "fargateEphemeralStorage": { "sizeInGiB": 20 },
            "containers": [{
                "name": "app", "healthStatus": "UNHEALTHY", "cpu": "10", "memory": "512", "memoryReservation": "256",
                "gpuIds": ["0"], "exitCode": 1,
                "networkInterfaces": [{ "attachmentId": "a", "privateIpv4Address": "10.0.0.1" }],
                "networkBindings": [{ "bindIP": "0.0.0.0", "containerPort": 80, "hostPort": 8080, "protocol": "tcp" }],
                "managedAgents": [{ "name": "ExecuteCommandAgent", "lastStatus": "STOPPED" }],
            }],
        });
        assert_eq!(event_of(&harmless)["detail"], harmless);
        let mut whole = harmless.clone();
        let secret = json!([{ "name": "x", "value": "hunter2", "details": [{ "value": "hunter2" }] }]);
        for name in ["attachments", "attributes", "tags", "overrides", "inferenceAccelerators", "unheardOf"] {
            whole[name] = secret.clone();
        }
        whole["fargateEphemeralStorage"]["kmsKeyId"] = json!("hunter2");
        whole["containers"][0]["environment"] = secret.clone();
        whole["containers"][0]["networkInterfaces"][0]["details"] = secret;
        assert_eq!(event_of(&whole)["detail"], harmless);
    }

    #[test]
    fn any_task_becomes_an_event() {
        let odd = json!({ "taskArn": 1, "containers": [1, { "name": [], "exitCode": "x" }], "version": "x", "stoppedAt": {} });
        for task in [json!(null), json!([]), json!({}), odd] {
            let event = event_of(&task);
            assert_eq!((&event["source"], &event["detail"]["version"]), (&json!("aws.ecs"), &json!(0)), "{task}");
        }
    }

    #[test]
    fn outline_has_only_names_marks_and_logs() {
        let definition = json!({ "containerDefinitions": [
            {
                "name": "web", "environment": [{ "name": "TOKEN", "value": "x" }], "secrets": [{ "valueFrom": "y" }],
                "logConfiguration": { "logDriver": "awslogs", "options": {
                    "awslogs-group": "/ecs/web", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs", "mode": "z",
                } },
            },
            { "name": "side", "essential": false, "logConfiguration": { "logDriver": "splunk", "options": { "splunk-token": "t" } } },
            { "essential": true },
        ] });
        assert_eq!(
            outline_of(&definition)["containers"],
            json!([
                {
                    "name": "web", "essential": true,
                    "log": { "driver": "awslogs", "group": "/ecs/web", "region": "eu-west-1", "prefix": "ecs" },
                },
                { "name": "side", "essential": false, "log": { "driver": "splunk", "group": null, "region": null, "prefix": null } },
                { "name": null, "essential": true, "log": null },
            ])
        );
        assert_eq!(outline_of(&json!(1)), json!({ "containers": [] }));
    }
}
