//! Reads the events for `preview` and `pattern test`: a sample, an event as EventBridge delivers it, or tasks as
//! `aws ecs describe-tasks` prints them. Also reads the task definition that is given with them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::terminal::World;
use crate::error::{Error, Result};
use crate::input::{self, printable};
use crate::pattern::samples::sample;
use crate::pattern::scenario::Scenario;
use crate::task;

/// An event with its name on the command line and its context: for a sample, the sample's task definition and log; otherwise, the
/// given task definition.
pub struct Event {
    pub name: String,
    pub body: Value,
    pub context: Value,
    /// Whether the event is a sample, which can be moved to any cluster.
    pub is_sample: bool,
}

/// The outline of a task definition, with the name of its file.
pub struct Definition {
    file: String,
    /// Family and revision, if the file has them.
    name: Option<String>,
    outline: Value,
}

const OF_EVENTS: &str = "an event is a JSON object with source, detail-type and detail, as EventBridge delivers it; the output of \
    `aws ecs describe-tasks` is taken, too";
const OF_ENTRIES: &str = "it is an entry for put-events; as EventBridge delivers it, an event has source, detail-type and, as an \
    object, detail";
const OF_ARNS: &str =
    "`aws ecs list-tasks` prints ARNs alone; `aws ecs describe-tasks --cluster NAME --tasks ARN` prints tasks";
const OF_DEFINITIONS: &str = "--task-definition takes the output of `aws ecs describe-task-definition --output json`";

/// Reads the events of one name: a sample, a file, or - for standard input. A file of described tasks may have several events.
///
/// # Errors
/// If the name is neither a sample nor a file, or the file has no event.
pub fn read(name: &str, definition: Option<&Definition>, world: &World) -> Result<Vec<Event>> {
    let mut events = if name != "-" && !Path::new(name).exists() && !looks_like_a_path(name) {
        let (body, context) = sample(Scenario::called(name).map_or(name, |scenario| scenario.sample()))?;
        vec![Event { name: name.to_owned(), body, context, is_sample: true }]
    } else {
        let what = called(name);
        let value = parsed(&text(name, world)?, what, OF_EVENTS)?;
        let event = |name: String, body| Event { name, body, context: Value::Null, is_sample: false };
        match bodies(value, what, world)?.as_mut_slice() {
            [one] => vec![event(printable(name), one.take())],
            several => {
                let named =
                    |body: &mut Value| event(printable(&format!("{name}, task {}", text_of(&body["id"]))), body.take());
                several.iter_mut().map(named).collect()
            }
        }
    };
    if let Some(definition) = definition {
        for event in &mut events {
            definition.attach_to(event, world);
        }
    }
    Ok(events)
}

/// Reads the events of all names. For a folder, reads its JSON files in order.
///
/// # Errors
/// As [`read`]; also for a folder without JSON files.
pub fn read_all(names: &[String], definition: Option<&Definition>, world: &World) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for name in names {
        let path = Path::new(name);
        if !path.is_dir() {
            events.extend(read(name, definition, world)?);
            continue;
        }
        let unreadable = |error| Error::usage(format!("could not read the folder {name}")).because(error);
        let mut files: Vec<PathBuf> = std::fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(unreadable)?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        if files.is_empty() {
            return Err(Error::usage(format!("there is no event in the folder {name}"))
                .hint("events are files whose names end in .json"));
        }
        files.sort();
        for file in files {
            events.extend(read(&file.display().to_string(), definition, world)?);
        }
    }
    Ok(events)
}

/// Reads one JSON object, with any fields.
///
/// # Errors
/// If the input is not a JSON object.
pub fn object(name: &str, world: &World) -> Result<Value> {
    let value = parsed(&text(name, world)?, called(name), OF_EVENTS)?;
    if value.is_object() { Ok(value) } else { Err(no_event(called(name), OF_EVENTS)) }
}

/// Returns the events in the content of a file.
fn bodies(value: Value, what: &str, world: &World) -> Result<Vec<Value>> {
    if is_event(&value) {
        return Ok(vec![value]);
    }
    if value["taskArn"].is_string() {
        return Ok(vec![task::event_of(&value)]);
    }
    // With `--query tasks`, the output is the list alone.
    let is_list_of_tasks = value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(is_task));
    let tasks = if is_list_of_tasks { &value } else { &value["tasks"] };
    let failures: Vec<&Value> =
        value["failures"].as_array().into_iter().flatten().filter(|failure| failure.is_object()).collect();
    if let Some(tasks) = tasks.as_array().filter(|tasks| !tasks.is_empty()) {
        if let Some(at) = tasks.iter().position(|task| !is_task(task)) {
            return Err(Error::usage(format!("{what}: tasks[{at}] has no taskArn")).hint(OF_ARNS));
        }
        for failure in &failures {
            world.err.print(&format!("warning: {}: {}\n", printable(what), failed(failure)));
        }
        return Ok(tasks.iter().map(task::event_of).collect());
    }
    let described = value["tasks"].is_array()
        && (value["failures"].is_array() || value.as_object().is_some_and(|all| all.len() == 1));
    Err(match (described || !failures.is_empty(), failures.as_slice()) {
        (true, []) => Error::usage(format!("{what} has no task")).hint("ECS shows a stopped task for about an hour"),
        (true, failures) => {
            let told: Vec<String> = failures.iter().map(|failure| failed(failure)).collect();
            let error = Error::usage(format!("{what} has no task: {}", told.join("; ")));
            match failures.iter().any(|failure| failure["reason"] == "MISSING") {
                true => error.hint(
                    "MISSING: another cluster or region was asked, or the task stopped more than about an hour ago",
                ),
                false => error,
            }
        }
        (false, _) if is_list_of_arns(&value) || is_list_of_arns(&value["taskArns"]) => no_event(what, OF_ARNS),
        (false, _) if value["Source"].is_string() => no_event(what, OF_ENTRIES),
        (false, _) if !outlined(&value).is_null() => {
            Error::usage(format!("{what} is a task definition, and not an event"))
                .hint("--task-definition takes it, beside an event")
        }
        (false, _) => no_event(what, OF_EVENTS),
    })
}

/// Describes a failure that DescribeTasks or RunTask reports.
fn failed(failure: &Value) -> String {
    let [arn, reason, detail] = ["arn", "reason", "detail"].map(|name| text_of(&failure[name]));
    let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    let arn = if arn.is_empty() { "a task" } else { arn };
    printable(&format!("ECS reports {} for {arn}{detail}", if reason.is_empty() { "no reason" } else { reason }))
}

fn is_event(value: &Value) -> bool {
    value["source"].is_string() && value["detail-type"].is_string()
}

fn is_task(value: &Value) -> bool {
    value["taskArn"].is_string()
}

fn is_list_of_arns(value: &Value) -> bool {
    value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(|one| text_of(one).starts_with("arn:")))
}

fn no_event(what: &str, hint: &str) -> Error {
    Error::usage(format!("{what} is not an event")).hint(hint)
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Returns the task definition, from an answer of DescribeTaskDefinition or from the definition alone; otherwise null.
fn outlined(value: &Value) -> &Value {
    let within = &value["taskDefinition"];
    let definition = if within.is_object() { within } else { value };
    let containers = definition["containerDefinitions"].as_array();
    let has_names =
        |containers: &Vec<Value>| !containers.is_empty() && containers.iter().all(|one| one["name"].is_string());
    if containers.is_some_and(has_names) { definition } else { &Value::Null }
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
        let unreadable = |error| Error::usage(format!("could not read the task definition {file}")).because(error);
        let value = parsed(&input::text(std::fs::read(path).map_err(unreadable)?, &file)?, &file, OF_DEFINITIONS)?;
        let definition = outlined(&value);
        if !definition.is_null() {
            return Ok(Self { outline: task::outline_of(definition), name: name_of(definition), file });
        }
        Err(Error::usage(format!("{file} is {}, and not a task definition", kind(&value))).hint(OF_DEFINITIONS))
    }

    /// Adds the outline to the event's context, as the notifier would have looked it up. Warns if the definition does not fit.
    pub fn attach_to(&self, event: &mut Event, world: &World) {
        if !event.context.is_object() {
            event.context = json!({});
        }
        event.context["taskDefinition"] = self.outline.clone();
        let ran = event.body["detail"]["taskDefinitionArn"].as_str().and_then(|arn| arn.rsplit('/').next());
        if let (Some(name), Some(ran), false) = (self.name.as_deref(), ran, event.is_sample)
            && name != ran
        {
            world.err.print(&format!(
                "warning: {} is the task definition {}, and {} is a task of {}\n",
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
            world.err.print(&format!(
                "warning: the task definition {} does not have the containers of {}: it lacks {}\n",
                printable(&self.file),
                event.name,
                printable(&missing.join(", "))
            ));
        }
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
            "a definition without containers that have names"
        }
        Value::Object(_) => "a JSON object of another kind",
        _ => "a JSON value without fields",
    }
}

fn text(name: &str, world: &World) -> Result<String> {
    if name == "-" {
        return world.read_stdin();
    }
    let unreadable = |error| Error::usage(format!("could not read the event file {name}")).because(error);
    input::text(std::fs::read(name).map_err(unreadable)?, name)
}

fn parsed(text: &str, what: &str, hint: &str) -> Result<Value> {
    if text.trim().is_empty() {
        return Err(Error::usage(format!("{what} is empty")).hint(hint));
    }
    serde_json::from_str(text).map_err(|error| Error::usage(format!("{what} is not JSON")).hint(hint).because(error))
}

fn looks_like_a_path(name: &str) -> bool {
    name.contains(std::path::MAIN_SEPARATOR)
        || Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

fn called(name: &str) -> &str {
    if name == "-" { "standard input" } else { name }
}
