//! Reads events from texts: a sample, an event as EventBridge delivers it, or tasks as `aws ecs describe-tasks` prints them.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::input::printable;
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

const OF_EVENTS: &str = "an event is a JSON object with source, detail-type and detail, as EventBridge delivers it; the output of \
    `aws ecs describe-tasks` is accepted, too";
const OF_ENTRIES: &str = "this is an entry for put-events; an event, as EventBridge delivers it, has source, detail-type and \
    detail, which is an object";
const OF_ARNS: &str =
    "`aws ecs list-tasks` prints only ARNs; `aws ecs describe-tasks --cluster NAME --tasks ARN` prints tasks";
impl Event {
    /// Returns the sample of that name, or of that scenario.
    ///
    /// # Errors
    /// If no sample has that name.
    pub fn sample(name: &str) -> Result<Self> {
        let scenario = Scenario::called(name).filter(|scenario| !scenario.is_of_jobs());
        let (body, context) = sample(scenario.and_then(Scenario::sample).unwrap_or(name))?;
        Ok(Self { name: name.to_owned(), body, context, is_sample: true })
    }
}

/// Returns the events in the content of a file, and warnings about tasks that ECS did not describe. A file of described tasks may have
/// several events. `what` names the file in errors and warnings.
///
/// # Errors
/// If the file has no event.
pub fn events(text: &str, name: &str, what: &str) -> Result<(Vec<Event>, Vec<String>)> {
    let event = |name: String, body| Event { name: printable(&name), body, context: Value::Null, is_sample: false };
    let (mut bodies, warnings) = bodies(parsed(text, what, OF_EVENTS)?, what)?;
    let events = match bodies.as_mut_slice() {
        [one] => vec![event(name.to_owned(), one.take())],
        several => {
            let named = |body: &mut Value| event(format!("{name}, task {}", text_of(&body["id"])), body.take());
            several.iter_mut().map(named).collect()
        }
    };
    Ok((events, warnings))
}

/// Returns one JSON object, with any fields. `what` names the file in the error.
///
/// # Errors
/// If the text is not a JSON object.
pub fn object(text: &str, what: &str) -> Result<Value> {
    let value = parsed(text, what, OF_EVENTS)?;
    if value.is_object() { Ok(value) } else { Err(no_event(what, OF_EVENTS)) }
}

/// Returns the events in the content of a file, and the failures that ECS reports beside them.
fn bodies(value: Value, what: &str) -> Result<(Vec<Value>, Vec<String>)> {
    if is_event(&value) {
        return Ok((vec![value], Vec::new()));
    }
    if is_task(&value) {
        return Ok((vec![task::event_of(&value)], Vec::new()));
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
        let warning = |failure: &&Value| format!("{}: {}", printable(what), failed(failure));
        return Ok((tasks.iter().map(task::event_of).collect(), failures.iter().map(warning).collect()));
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
                    "MISSING: the task is in another cluster or region, or it stopped more than about an hour ago",
                ),
                false => error,
            }
        }
        (false, _) if is_list_of_arns(&value) || is_list_of_arns(&value["taskArns"]) => no_event(what, OF_ARNS),
        (false, _) if value["Source"].is_string() => no_event(what, OF_ENTRIES),
        (false, _) if task::definition_in(&value).is_some() => {
            Error::usage(format!("{what} is a task definition, and not an event"))
                .hint("give it with --task-definition, together with an event")
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

pub(super) fn is_event(value: &Value) -> bool {
    value["source"].is_string() && value["detail-type"].is_string()
}

pub(super) fn is_task(value: &Value) -> bool {
    value["taskArn"].is_string()
}

fn is_list_of_arns(value: &Value) -> bool {
    value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(|one| text_of(one).starts_with("arn:")))
}

fn no_event(what: &str, hint: &str) -> Error {
    Error::usage(format!("{what} is not an event")).hint(hint)
}

pub(super) fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Parses the content of a file. `what` and `hint` are for the error.
pub(super) fn parsed(text: &str, what: &str, hint: &str) -> Result<Value> {
    if text.trim().is_empty() {
        return Err(Error::usage(format!("{what} is empty")).hint(hint));
    }
    serde_json::from_str(text).map_err(|error| Error::usage(format!("{what} is not JSON")).hint(hint).because(error))
}
