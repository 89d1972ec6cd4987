//! Reads the task definition that a user gives with an event, and adds it to the event.

use std::path::Path;

use serde_json::{Value, json};

use super::event_file::{Event, is_event, is_task, parsed, text_of};
use crate::error::{Error, Result};
use crate::input::{self, printable};
use crate::secret::file_without_secrets;
use crate::task;

const OF_DEFINITIONS: &str = "--task-definition accepts the output of `aws ecs describe-task-definition --output json`";

/// The outline of a task definition, with the name of its file.
pub struct Definition {
    file: String,
    /// Family and revision, if the file has them.
    name: Option<String>,
    outline: Value,
}

impl Definition {
    /// Reads the output of `aws ecs describe-task-definition`, or the definition alone.
    ///
    /// # Errors
    /// If the file has other content. The error names the kind of content, as far as taskbell recognises it.
    pub fn read(path: &Path) -> Result<Self> {
        let file = path.display().to_string();
        // The event may be on standard input, and a stream can be read only once.
        if file == "-" {
            return Err(Error::usage("--task-definition does not read standard input").hint("give the name of a file"));
        }
        let named = file_without_secrets(path);
        let unreadable = |error| Error::usage(format!("could not read the task definition {named}")).because(error);
        let value = parsed(&input::text(std::fs::read(path).map_err(unreadable)?, &file)?, &file, OF_DEFINITIONS)?;
        if let Some(definition) = task::definition_in(&value) {
            return Ok(Self { outline: task::outline_of(definition), name: name_of(definition), file });
        }
        Err(Error::usage(format!("{file} is {}, and not a task definition", kind(&value))).hint(OF_DEFINITIONS))
    }

    /// Adds the outline to the event's context, as the notifier would have looked it up. Returns warnings if the definition does not
    /// fit.
    pub fn attach(&self, event: &mut Event) -> Vec<String> {
        let mut warnings = Vec::new();
        if !event.context.is_object() {
            event.context = json!({});
        }
        event.context["taskDefinition"] = self.outline.clone();
        let ran = event.body["detail"]["taskDefinitionArn"].as_str().and_then(|arn| arn.rsplit('/').next());
        if let (Some(name), Some(ran), false) = (self.name.as_deref(), ran, event.is_sample)
            && name != ran
        {
            warnings.push(format!(
                "{} is the task definition {}, but {} is a task of {}",
                printable(&self.file),
                printable(name),
                event.name,
                printable(ran)
            ));
        }
        let names = |list: &Value| -> Vec<String> {
            list.as_array().into_iter().flatten().map(|one| text_of(&one["name"]).to_owned()).collect()
        };
        let known = names(&self.outline["containers"]);
        let is_missing = |name: &String| !name.is_empty() && !known.contains(name) && !is_injected(name);
        let missing: Vec<String> = names(&event.body["detail"]["containers"]).into_iter().filter(is_missing).collect();
        if !missing.is_empty() {
            warnings.push(format!(
                "the task definition {} lacks containers of {}: {}",
                printable(&self.file),
                event.name,
                printable(&missing.join(", "))
            ));
        }
        warnings
    }
}

/// Returns family and revision of a described task definition.
fn name_of(definition: &Value) -> Option<String> {
    Some(format!("{}:{}", definition["family"].as_str()?, definition["revision"].as_u64()?))
}

/// Checks whether ECS or GuardDuty added a container to those of the definition.
fn is_injected(name: &str) -> bool {
    ["ecs-service-connect-", "aws-guardduty-agent-", "~internal~ecs~"].iter().any(|start| name.starts_with(start))
}

/// Describes the kind of a value that is not a task definition.
fn kind(value: &Value) -> &'static str {
    let has = |name: &str| !value[name].is_null();
    let is_of_containers =
        |list: &Vec<Value>| list.iter().any(|one| one["name"].is_string() && one["image"].is_string());
    match value {
        Value::Array(list) if is_of_containers(list) => "a list of containers",
        Value::Array(_) => "a list",
        Value::Object(_) if is_event(value) => "an event",
        Value::Object(_) if has("tasks") || is_task(value) => "the output of `aws ecs describe-tasks`",
        Value::Object(_) if has("taskDefinitionArns") => "the output of `aws ecs list-task-definitions`",
        Value::Object(_) if has("services") => "the output of `aws ecs describe-services`",
        Value::Object(_) if has("ContainerDefinitions") || has("Resources") => "a CloudFormation resource or template",
        Value::Object(_) if has("containerDefinitions") || value["taskDefinition"].is_object() => {
            "a definition without named containers"
        }
        Value::Object(_) => "a JSON object of another kind",
        _ => "a JSON value without fields",
    }
}
