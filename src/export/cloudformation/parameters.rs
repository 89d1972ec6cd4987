//! Defines the parameters of a template: the values of the blanks, the location of the code, and the choice of patterns.

use serde_json::{Map, Value, json};

use crate::export::{Blank, Blueprint, Piece, Spec, words};
use crate::pattern::companions::{self, is_companion};
use crate::pattern::{CATALOGUE, JOB_SUCCEEDED};

/// The default beginning of the archive's key.
pub const CODE_PREFIX: &str = "taskbell/";
/// The condition that a chosen pattern takes every failed job.
pub const TAKES_EVERY_FAILED_JOB: &str = "TakesEveryFailedJob";
const YES: &str = "Yes";
const NO: &str = "No";

/// The bucket with the notifier's archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// A bucket that a parameter names.
    Named,
    /// A bucket in each region, whose name contains the region: for StackSets.
    PerRegion,
}

/// Returns the name of the parameter, or of CloudFormation's pseudo parameter, for a blank.
pub fn name(blank: Blank) -> String {
    match blank {
        Blank::Partition => "AWS::Partition".to_owned(),
        Blank::Region => "AWS::Region".to_owned(),
        Blank::Account => "AWS::AccountId".to_owned(),
        Blank::Cluster(0) => "Cluster".to_owned(),
        Blank::Cluster(index) => format!("Cluster{}", index + 1),
        Blank::WebhookParameter => "WebhookParameter".to_owned(),
        Blank::TopicName => "AlarmTopicName".to_owned(),
        Blank::TopicArn => "AlarmTopic".to_owned(),
    }
}

pub fn parameters(blueprint: &Blueprint, bucket: Bucket, resources: &str) -> Value {
    let mut all = Map::new();
    for (blank, default) in &blueprint.defaults {
        let (description, pattern) = match blank {
            Blank::Cluster(_) => (
                "The name of the ECS cluster whose tasks are watched. A cluster called default needs its own template",
                "(?!default$)[A-Za-z0-9_-]{1,255}",
            ),
            Blank::WebhookParameter if default.starts_with('/') => {
                ("The name of the SSM SecureString that holds the Slack webhook", "/[A-Za-z0-9_./-]+")
            }
            Blank::WebhookParameter => {
                ("The name of the SSM SecureString that holds the Slack webhook", "[A-Za-z0-9_.-][A-Za-z0-9_./-]*")
            }
            Blank::TopicName => (
                "The name of the SNS topic, in each account and region, that the alarms notify",
                "[A-Za-z0-9_-]{1,256}",
            ),
            Blank::TopicArn => ("The SNS topic that the alarms notify; it must be in the region", "arn:.+:sns:.+"),
            Blank::Partition | Blank::Region | Blank::Account => continue,
        };
        let parameter =
            json!({ "Type": "String", "Description": description, "Default": default, "AllowedPattern": pattern });
        all.insert(name(*blank), parameter);
    }
    all.retain(|name, _| {
        resources.contains(&format!("${{{name}}}")) || resources.contains(&format!(r#""Ref":"{name}""#))
    });
    let (name, description, pattern) = match bucket {
        Bucket::Named => ("CodeBucket", "The bucket with the notifier's archive, in the region", "[a-z0-9.-]{3,63}"),
        Bucket::PerRegion => (
            "CodeBucketPrefix",
            "The beginning of the names of the buckets with the notifier's archive; a hyphen and the region follow",
            "[a-z0-9.-]{1,48}",
        ),
    };
    all.insert(name.to_owned(), json!({ "Type": "String", "Description": description, "AllowedPattern": pattern }));
    // Only the beginning of the key: an update of the stack keeps the old values of parameters, but must not keep the old archive.
    let prefix = json!({
        "Type": "String",
        "Description": format!("The beginning of the archive's key in the bucket; {} follows", blueprint.code_file),
        "Default": CODE_PREFIX,
    });
    all.insert("CodeKeyPrefix".to_owned(), prefix);
    for choice in &blueprint.choices {
        let entry = CATALOGUE.iter().find(|entry| entry.name == choice.pattern);
        let parameter = json!({
            "Type": "String",
            "Description": entry.map(|entry| format!("Whether to alert on {}", entry.rings)),
            "AllowedValues": [YES, NO],
            "Default": if choice.chosen { YES } else { NO },
        });
        all.insert(pattern_name(&choice.pattern), parameter);
    }
    Value::Object(all)
}

/// Returns the name of the parameter for a pattern: `PatternTaskFailed` for `task-failed`.
fn pattern_name(key: &str) -> String {
    format!("Pattern{}", camel(key))
}

/// Returns the conditions for creating rules, and the assertions about the parameters themselves.
pub fn choices(blueprint: &Blueprint) -> (Map<String, Value>, Option<Value>) {
    let keys = || blueprint.choices.iter().map(|choice| choice.pattern.as_str());
    let mut conditions: Map<String, Value> = keys().map(|key| (condition(key), is_yes(key))).collect();
    for rule in blueprint.pieces.iter().map(|piece| piece.address.id.key.as_str()).filter(|key| is_companion(key)) {
        let needed: Vec<Value> = blueprint.choices_for(rule).map(is_yes).collect();
        if !needed.is_empty() {
            conditions.insert(condition(rule), any(&needed));
        }
    }
    conditions.extend(takes_every_failed_job(blueprint).map(|any| (TAKES_EVERY_FAILED_JOB.to_owned(), any)));
    // A companion alone causes no alert.
    let is_made = |key: &str| !is_companion(key) && !keys().any(|other| other == key);
    let is_always_made = |piece: &Piece| matches!(piece.spec, Spec::Rule(_)) && is_made(&piece.address.id.key);
    let all: Vec<Value> = keys().map(is_yes).collect();
    let rule = (!all.is_empty() && !blueprint.pieces.iter().any(is_always_made)).then(|| {
        let assertion = json!({ "Assert": any(&all), "AssertDescription": "At least one pattern must be Yes" });
        json!({ "SomethingRings": { "Assertions": [assertion] } })
    });
    (conditions, rule)
}

/// Returns the condition that a chosen pattern takes every failed job; none if a rule that is always made does, or if the stack has no
/// rule for the ends of jobs.
pub fn takes_every_failed_job(blueprint: &Blueprint) -> Option<Value> {
    let keys = || blueprint.choices.iter().map(|choice| choice.pattern.as_str());
    let rules = || {
        blueprint.pieces.iter().filter(|piece| matches!(piece.spec, Spec::Rule(_))).map(|piece| &*piece.address.id.key)
    };
    let has_ledger = rules().any(|key| key == JOB_SUCCEEDED);
    let is_always_made = |key: &str| !is_companion(key) && !keys().any(|other| other == key);
    let is_always_taken = rules().any(|key| is_always_made(key) && companions::takes_every_failed_job(key));
    let takers: Vec<Value> = keys().filter(|key| companions::takes_every_failed_job(key)).map(is_yes).collect();
    (has_ledger && !is_always_taken && !takers.is_empty()).then(|| any(&takers))
}

/// Returns the condition that the pattern is chosen.
fn is_yes(key: &str) -> Value {
    json!({ "Fn::Equals": [{ "Ref": pattern_name(key) }, YES] })
}

/// Joins conditions with `Fn::Or`, which accepts 2 to 10 conditions.
fn any(of: &[Value]) -> Value {
    match of {
        [one] => one.clone(),
        few if few.len() <= 10 => json!({ "Fn::Or": few }),
        many => any(&many.chunks(10).map(any).collect::<Vec<_>>()),
    }
}

/// Returns the name of the condition for the resources of a pattern.
pub fn condition(key: &str) -> String {
    format!("Has{}", camel(key))
}

/// Returns a key in the form of logical ids: `task-failed` becomes `TaskFailed`.
pub fn camel(key: &str) -> String {
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    words(key).into_iter().map(capital).collect()
}
