//! Reads the connections of a resource from its spec.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::aws::kinds::alarm::{self, Alarm};
use crate::aws::kinds::function::{self, Function};
use crate::aws::kinds::rule::{self, Rule};
use crate::aws::kinds::watch::{self, Watch};
use crate::reconcile::resource::spec_of;
use crate::stack::Kind;

/// The column of a node, from the source of the event to the recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Source,
    Trigger,
    Notifier,
    Used,
    Told,
}

pub fn column(kind: Kind) -> Column {
    match kind {
        Kind::Rule | Kind::Watch => Column::Trigger,
        Kind::Function | Kind::Queue => Column::Notifier,
        Kind::Parameter | Kind::LogGroup | Kind::Table | Kind::Alarm | Kind::Role => Column::Used,
    }
}

/// The names of nodes that are not resources of a stack.
pub const ECS: &str = "ECS";
pub const APPLICATIONS: &str = "applications";
pub const SCHEDULER: &str = "EventBridge Scheduler";
pub const SLACK: &str = "Slack";

/// The end of a wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The kind, if the end is a resource. `name` is then the resource's name or ARN.
    pub kind: Option<Kind>,
    pub name: String,
    /// The description, if the end is not a resource of the stack.
    pub what: &'static str,
    /// The column, if the end is not a resource of the stack.
    pub column: Column,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    pub end: End,
    pub label: &'static str,
    /// Whether the wire comes from the end; otherwise the wire leads to it.
    pub is_incoming: bool,
}

impl Wire {
    fn to(kind: Kind, name: &str, label: &'static str) -> Self {
        let column = column(kind);
        let end = End { kind: Some(kind), name: name.to_owned(), what: "not in this stack", column };
        Self { end, label, is_incoming: false }
    }

    fn outside(name: &str, what: &'static str, column: Column, label: &'static str) -> Self {
        Self { end: End { kind: None, name: name.to_owned(), what, column }, label, is_incoming: false }
    }

    fn incoming(self) -> Self {
        Self { is_incoming: true, ..self }
    }
}

/// Returns the wires of a resource with this document. Resources of other kinds have no wires of their own: others use them.
#[must_use]
pub fn wires(kind: Kind, document: &Value) -> Vec<Wire> {
    match kind {
        Kind::Rule => spec_of::<Rule>(document).map(|spec| of_rule(&spec)),
        Kind::Function => spec_of::<Function>(document).map(|spec| of_function(&spec)),
        Kind::Alarm => spec_of::<Alarm>(document).map(|spec| of_alarm(&spec)),
        Kind::Watch => spec_of::<Watch>(document).map(|spec| of_watch(&spec)),
        Kind::Parameter | Kind::LogGroup | Kind::Queue | Kind::Table | Kind::Role => Ok(Vec::new()),
    }
    .unwrap_or_default()
}

fn of_rule(rule::Spec { pattern, targets, .. }: &rule::Spec) -> Vec<Wire> {
    let mut wires: Vec<Wire> = sources(pattern).into_iter().map(|source| of_source(&source).incoming()).collect();
    for rule::Target { arn, dead_letter_queue, .. } in targets.values() {
        wires.push(Wire::to(Kind::Function, arn, "invokes"));
        wires.extend(dead_letter_queue.iter().map(|queue| Wire::to(Kind::Queue, queue, "undelivered")));
    }
    wires
}

/// Returns the wires of the schedules, each once: all schedules of a stack have the same target, queue and role.
fn of_watch(watch::Spec { schedules }: &watch::Spec) -> Vec<Wire> {
    let mut wires = vec![Wire::outside(SCHEDULER, "the times of checks", Column::Source, "").incoming()];
    for watch::Schedule { target, dead_letter_queue, role, .. } in schedules.values() {
        let of_one = [
            Some(Wire::to(Kind::Function, target, "asks")),
            dead_letter_queue.as_ref().map(|queue| Wire::to(Kind::Queue, queue, "undelivered")),
            Some(Wire::to(Kind::Role, role, "runs as")),
        ];
        for wire in of_one.into_iter().flatten() {
            if !wires.contains(&wire) {
                wires.push(wire);
            }
        }
    }
    wires
}

fn of_source(source: &str) -> Wire {
    match source {
        "aws.ecs" => Wire::outside(ECS, "events of tasks and services", Column::Source, ""),
        "taskbell.app" => Wire::outside(APPLICATIONS, "their own alerts", Column::Source, ""),
        other => Wire::outside(other, "events", Column::Source, ""),
    }
}

/// Returns the sources of the events that a pattern matches. Leaves out the source of drills, unless a pattern has no other source.
fn sources(pattern: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for one in pattern["source"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        found.insert(one.to_owned());
    }
    for branch in pattern["$or"].as_array().into_iter().flatten() {
        found.extend(sources(branch));
    }
    if found.len() > 1 {
        found.remove("taskbell.drill");
    }
    found
}

fn of_function(spec: &function::Spec) -> Vec<Wire> {
    let function::Spec { role, log_group, environment, failed_invocations, .. } = spec;
    let named = |variable: &str| environment.get(variable).filter(|name| !name.is_empty());
    let mut wires = vec![Wire::to(Kind::Role, role, "runs as"), Wire::to(Kind::LogGroup, log_group, "logs to")];
    if let Some(name) = named("TASKBELL_WEBHOOK_PARAMETER") {
        wires.push(Wire::outside(SLACK, "the webhook's channel", Column::Used, "posts to"));
        wires.push(Wire::to(Kind::Parameter, name, "reads"));
    }
    let places = named("TASKBELL_DESTINATIONS").and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok());
    for place in places.iter().flatten() {
        let at = |key: &str| place[key].as_str();
        wires.extend(at("parameter").map(|name| Wire::outside(name, "your own webhook", Column::Used, "posts to")));
        wires.extend(at("topic").map(|arn| Wire::outside(arn, "SNS topic", Column::Used, "publishes to")));
    }
    wires.extend(named("TASKBELL_TABLE").map(|name| Wire::to(Kind::Table, name, "records in")));
    let destination = failed_invocations.as_ref().and_then(|failed| failed.destination.as_ref());
    wires.extend(destination.map(|queue| Wire::to(Kind::Queue, queue, "failed runs")));
    wires
}

fn of_alarm(alarm::Spec { dimensions, alarm_actions, .. }: &alarm::Spec) -> Vec<Wire> {
    let watched = dimensions.iter().filter_map(|(dimension, name)| match dimension.as_str() {
        "QueueName" => Some(Wire::to(Kind::Queue, name, "watched by").incoming()),
        "FunctionName" => Some(Wire::to(Kind::Function, name, "watched by").incoming()),
        _ => None,
    });
    let topics = alarm_actions.iter().map(|topic| Wire::outside(topic, "SNS topic", Column::Told, "notifies"));
    watched.chain(topics).collect()
}
