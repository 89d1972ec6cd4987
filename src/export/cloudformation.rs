//! Writes the blueprint as a CloudFormation template.

mod foreign;
mod parameters;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Blueprint, Part, Permission, Piece, Spec};
use crate::aws::kinds::{alarm, function, log_group, queue, role, rule, table, watch};
use crate::desired::{REPORTED_PATTERNS, SERVICE_RECOVERY};
use crate::document::canonical;
use crate::error::{Error, Result};
use crate::pattern::SERVICE_RECOVERED;
use crate::pattern::companions::takes_every_failed_job;
use crate::policy::Policy;
use crate::reconcile::resource::Tags;
pub use parameters::{Bucket, CODE_PREFIX};
use parameters::{TAKES_EVERY_FAILED_JOB, camel, choices, condition, name, parameters};

/// The most bytes of a template. CloudFormation accepts a longer one only from a bucket.
pub const LONGEST_BODY: usize = 51_200;

// The logical ids.
const LOG_GROUP: &str = "LogGroup";
const QUEUE: &str = "Undelivered";
const QUEUE_POLICY: &str = "UndeliveredPolicy";
const TABLE: &str = "Announcements";
const ROLE: &str = "Role";
const WATCH_ROLE: &str = "WatchRole";
const SCHEDULES: &str = "Schedules";
const FUNCTION: &str = "Notifier";
const FAILED: &str = "FailedInvocations";

const IN_CHINA: &str = "InChina";

/// Returns the template.
///
/// # Errors
/// If a part of the blueprint cannot be expressed in a template.
pub fn template(blueprint: &Blueprint, bucket: Bucket) -> Result<Value> {
    let writer = Writer { blueprint, bucket };
    let mut resources = Map::new();
    for piece in &blueprint.pieces {
        resources.extend(writer.resources(piece)?);
    }
    let resources = filled(blueprint, &Value::Object(resources));
    let text = resources.to_string();
    let mut template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!(
            "taskbell, stack {}: sends a Slack alert when an Amazon ECS task fails. Needs CAPABILITY_NAMED_IAM, the notifier's \
             archive in a bucket of the region, and the SSM SecureString with the webhook.",
            blueprint.stack.name
        ),
        "Metadata": { "Taskbell": {
            "Version": env!("CARGO_PKG_VERSION"),
            "NotifierCodeSha256": blueprint.code_sha256,
        } },
        "Parameters": parameters(blueprint, bucket, &text),
        "Resources": resources,
    });
    let (mut conditions, assertions) = choices(blueprint);
    if text.contains(IN_CHINA) {
        conditions.insert(IN_CHINA.to_owned(), json!({ "Fn::Equals": [{ "Ref": "AWS::Partition" }, "aws-cn"] }));
    }
    if !conditions.is_empty() {
        template["Conditions"] = Value::Object(conditions);
    }
    if let Some(assertions) = assertions {
        template["Rules"] = assertions;
    }
    foreign::no_reference(&template)?;
    if bucket == Bucket::PerRegion {
        foreign::no_place(&template)?;
    }
    Ok(canonical(&template))
}

/// Returns the tree with references for its blanks. A text that consists of one blank becomes the reference itself.
fn filled(blueprint: &Blueprint, tree: &Value) -> Value {
    match tree {
        Value::String(text) => match &blueprint.parts(text)[..] {
            [Part::Text(text)] => Value::from(*text),
            [Part::Blank(blank)] => json!({ "Ref": name(*blank) }),
            parts => {
                let part = |part: &Part| match part {
                    Part::Text(text) => text.replace("${", "${!"),
                    Part::Blank(blank) => format!("${{{}}}", name(*blank)),
                };
                json!({ "Fn::Sub": parts.iter().map(part).collect::<String>() })
            }
        },
        Value::Array(items) if *items == blueprint.ssm_hosts => ssm_hosts(),
        Value::Array(items) => items.iter().map(|item| filled(blueprint, item)).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), filled(blueprint, value))).collect(),
        other => other.clone(),
    }
}

/// Returns the hosts of SSM for each partition, as `Place::service_hosts` does.
fn ssm_hosts() -> Value {
    let host = |suffix: &str| json!({ "Fn::Sub": format!("ssm.${{AWS::Region}}.{suffix}") });
    json!({ "Fn::If": [
        IN_CHINA,
        [host("amazonaws.com"), host("${AWS::URLSuffix}")],
        [host("${AWS::URLSuffix}")],
    ] })
}

type Resources = Vec<(String, Value)>;

/// The writer of the pieces, one after the other.
#[derive(Clone, Copy)]
struct Writer<'a> {
    blueprint: &'a Blueprint,
    bucket: Bucket,
}

impl Writer<'_> {
    fn resources(self, piece: &Piece) -> Result<Resources> {
        let Piece { address, tags, spec } = piece;
        let name = &address.name;
        match spec {
            Spec::LogGroup(spec) => Ok(log_group(name, spec, tags)),
            Spec::Queue(spec) => self.queue(name, spec, tags),
            Spec::Table(spec) => table(name, spec, tags).map(|table| vec![table]),
            Spec::Alarm(spec) => Ok(vec![alarm(&format!("{}Alarm", camel(&address.id.key)), name, spec, tags)]),
            Spec::Role(spec) => {
                let id = if address.id.key == role::WATCH { WATCH_ROLE } else { ROLE };
                Ok(vec![role(id, name, spec, tags)])
            }
            Spec::Function(spec) => self.function(name, spec, tags),
            Spec::Rule(spec) => Ok(vec![self.rule(&address.id.key, name, spec, tags)]),
            Spec::Watch(spec) => Ok(self.watch(name, spec, tags)),
        }
    }

    /// Returns the schedule group and its schedules. The role for the schedules has a permission only for this group: CloudFormation
    /// creates the role first, whose policy names the group by its name.
    fn watch(self, name: &str, spec: &watch::Spec, tags: &Tags) -> Resources {
        let group = resource("AWS::Scheduler::ScheduleGroup", json!({ "Name": name, "Tags": self::tags(tags) }));
        let is_own = |piece: &Piece| piece.address.id.key == role::WATCH && matches!(piece.spec, Spec::Role(_));
        let own_role = self.blueprint.pieces.iter().any(is_own);
        let schedule = |(name, schedule): (&String, &watch::Schedule)| {
            let id = format!("{}Schedule", camel(name));
            (id, resource("AWS::Scheduler::Schedule", Self::schedule(name, schedule, own_role)))
        };
        std::iter::once((SCHEDULES.to_owned(), group)).chain(spec.schedules.iter().map(schedule)).collect()
    }

    fn schedule(name: &str, schedule: &watch::Schedule, own_role: bool) -> Value {
        let watch::Schedule {
            expression,
            time_zone,
            state,
            description,
            window_minutes,
            // These have AWS's defaults, as for every new schedule.
            starts: _,
            ends: _,
            after_completion: _,
            kms_key: _,
            target: _,
            role,
            input,
            max_event_age_seconds,
            max_retry_attempts,
            dead_letter_queue,
        } = schedule;
        let mut target = json!({
            "Arn": attribute(FUNCTION, "Arn"),
            "RoleArn": if own_role { attribute(WATCH_ROLE, "Arn") } else { json!(role) },
            "Input": watch::written(input),
        });
        let mut retries = json!({});
        set(&mut retries, "MaximumEventAgeInSeconds", *max_event_age_seconds);
        set(&mut retries, "MaximumRetryAttempts", *max_retry_attempts);
        target["RetryPolicy"] = retries;
        if dead_letter_queue.is_some() {
            target["DeadLetterConfig"] = json!({ "Arn": attribute(QUEUE, "Arn") });
        }
        let mut window = json!({ "Mode": if window_minutes.is_some() { "FLEXIBLE" } else { "OFF" } });
        set(&mut window, "MaximumWindowInMinutes", *window_minutes);
        json!({
            "GroupName": { "Ref": SCHEDULES },
            "Name": name,
            "Description": description,
            "ScheduleExpression": expression,
            "ScheduleExpressionTimezone": time_zone,
            "State": state,
            "FlexibleTimeWindow": window,
            "Target": target,
        })
    }

    /// Returns the function, the permissions of the rules that may invoke it, and the settings for events on which it failed.
    fn function(self, name: &str, spec: &function::Spec, tags: &Tags) -> Result<Resources> {
        let function::Spec {
            runtime,
            handler,
            architecture,
            memory_mib,
            timeout_seconds,
            description,
            role,
            bound_to_current_role,
            // The template takes the code from the archive.
            code_sha256: _,
            environment,
            log_format,
            log_level,
            log_group: _,
            // These have AWS's defaults, as for every new function.
            code_signing: _,
            kms_key: _,
            system_log_level: _,
            layers: _,
            in_vpc: _,
            file_systems: _,
            ephemeral_storage_mib: _,
            tracing: _,
            dead_letter: _,
            event_sources: _,
            reserved_concurrency: _,
            permissions,
            failed_invocations,
        } = spec;
        let own_role = *bound_to_current_role == Some(true);
        let mut all_tags = self::tags(tags);
        if own_role && let Some(all) = all_tags.as_array_mut() {
            // Names the role that has the grants, so that `setup --adopt` need not create the grants again.
            all.push(json!({ "Key": function::ROLE_ID_TAG, "Value": attribute(ROLE, "RoleId") }));
        }
        let bucket = match self.bucket {
            Bucket::Named => json!({ "Ref": "CodeBucket" }),
            Bucket::PerRegion => json!({ "Fn::Sub": "${CodeBucketPrefix}-${AWS::Region}" }),
        };
        let key = json!({ "Fn::Sub": format!("${{CodeKeyPrefix}}{}", self.blueprint.code_file) });
        let properties = json!({
            "FunctionName": name,
            "Description": description,
            "Runtime": runtime,
            "Handler": handler,
            "Architectures": [architecture],
            "MemorySize": memory_mib,
            "Timeout": timeout_seconds,
            "Role": if own_role { attribute(ROLE, "Arn") } else { json!(role) },
            "Code": { "S3Bucket": bucket, "S3Key": key },
            "Environment": { "Variables": self.environment(environment) },
            "LoggingConfig": { "LogFormat": log_format, "ApplicationLogLevel": log_level, "LogGroup": { "Ref": LOG_GROUP } },
            "Tags": all_tags,
        });
        let mut resources = vec![(FUNCTION.to_owned(), resource("AWS::Lambda::Function", properties))];
        for (rule, policy) in permissions {
            let Permission { action, principal, source_arn } = Permission::of(policy)?;
            let key = &self.blueprint.rule_named(rule)?.id.key;
            let id = format!("{}Permission", self.rule_id(key));
            let properties = json!({
                "FunctionName": { "Ref": FUNCTION },
                "Action": action,
                "Principal": principal,
                "SourceArn": source_arn,
            });
            resources.push((id, self.chosen(key, resource("AWS::Lambda::Permission", properties))));
        }
        if let Some(failed) = failed_invocations {
            let function::FailedInvocations {
                max_retry_attempts,
                max_event_age_seconds,
                destination,
                success_destination: _,
            } = failed;
            let mut properties = json!({ "FunctionName": { "Ref": FUNCTION }, "Qualifier": "$LATEST" });
            set(&mut properties, "MaximumRetryAttempts", *max_retry_attempts);
            set(&mut properties, "MaximumEventAgeInSeconds", *max_event_age_seconds);
            if destination.is_some() {
                properties["DestinationConfig"] = json!({ "OnFailure": { "Destination": attribute(QUEUE, "Arn") } });
            }
            resources.push((FAILED.to_owned(), resource("AWS::Lambda::EventInvokeConfig", properties)));
        }
        Ok(resources)
    }

    fn queue(self, name: &str, spec: &queue::Spec, tags: &Tags) -> Result<Resources> {
        // These have AWS's defaults, as for every new queue.
        let queue::Spec {
            retention_seconds,
            visibility_timeout_seconds,
            delay_seconds,
            max_message_bytes: _,
            managed_encryption,
            policy,
            redrive: _,
            redrive_allow: _,
            consumers: _,
        } = spec;
        let queue = json!({
            "QueueName": name,
            "MessageRetentionPeriod": retention_seconds,
            "VisibilityTimeout": visibility_timeout_seconds,
            "DelaySeconds": delay_seconds,
            "SqsManagedSseEnabled": managed_encryption,
            "Tags": self::tags(tags),
        });
        let mut policy = policy.document();
        if let Some(Value::Array(arns)) = policy.pointer_mut("/Statement/0/Condition/ArnLike/aws:SourceArn") {
            for arn in arns {
                let (_, rule) = arn.as_str().and_then(|arn| arn.rsplit_once('/')).unwrap_or_default();
                let key = &self.blueprint.rule_named(rule)?.id.key;
                if self.is_choice(key) {
                    *arn = json!({ "Fn::If": [condition(key), arn, { "Ref": "AWS::NoValue" }] });
                }
            }
        }
        let policy = json!({ "Queues": [{ "Ref": QUEUE }], "PolicyDocument": policy });
        Ok(vec![
            (QUEUE.to_owned(), of_data("AWS::SQS::Queue", queue)),
            (QUEUE_POLICY.to_owned(), resource("AWS::SQS::QueuePolicy", policy)),
        ])
    }

    /// Returns the rule. CloudFormation creates it last, so that it invokes the notifier only after everything else exists.
    fn rule(self, key: &str, name: &str, spec: &rule::Spec, tags: &Tags) -> (String, Value) {
        let rule::Spec { pattern, state, description, schedule, role, targets } = spec;
        let target = |(id, target): (&String, &rule::Target)| {
            let rule::Target { arn: _, max_event_age_seconds, max_retry_attempts, dead_letter_queue, input, role } =
                target;
            let mut told = json!({ "Id": id, "Arn": attribute(FUNCTION, "Arn") });
            let mut retries = json!({});
            set(&mut retries, "MaximumEventAgeInSeconds", *max_event_age_seconds);
            set(&mut retries, "MaximumRetryAttempts", *max_retry_attempts);
            told["RetryPolicy"] = retries;
            if dead_letter_queue.is_some() {
                told["DeadLetterConfig"] = json!({ "Arn": attribute(QUEUE, "Arn") });
            }
            set(&mut told, "Input", input.as_deref());
            set(&mut told, "RoleArn", role.as_deref());
            told
        };
        let mut properties = json!({
            "Name": name,
            "Description": description,
            "State": state,
            "EventPattern": pattern,
            "Targets": targets.iter().map(target).collect::<Vec<_>>(),
            "Tags": self::tags(tags),
        });
        set(&mut properties, "ScheduleExpression", schedule.as_deref());
        set(&mut properties, "RoleArn", role.as_deref());
        let id = self.rule_id(key);
        let has_table = self.blueprint.pieces.iter().any(|piece| matches!(piece.spec, Spec::Table(_)));
        let mut after = vec![FAILED.to_owned(), QUEUE_POLICY.to_owned(), format!("{id}Permission")];
        after.extend(has_table.then(|| TABLE.to_owned()));
        let mut rule = resource("AWS::Events::Rule", properties);
        rule["DependsOn"] = json!(after);
        (id, self.chosen(key, rule))
    }

    /// Returns the resource, with the condition that the pattern is chosen, if the pattern is a choice.
    fn chosen(self, key: &str, mut resource: Value) -> Value {
        if self.is_choice(key) {
            resource["Condition"] = json!(condition(key));
        }
        resource
    }

    /// Returns whether the user of the file decides about a rule: by its pattern, or by the patterns whose companion it is.
    fn is_choice(self, key: &str) -> bool {
        self.blueprint.choices_for(key).next().is_some()
    }

    /// Returns the environment. Two variables depend on the chosen patterns: services have their variable only if the rule exists that it
    /// is about, and the reported patterns are named only if none of them takes every failed job.
    fn environment(self, variables: &BTreeMap<String, String>) -> Value {
        let mut environment = json!(variables);
        if let Some(value) = environment.get_mut(SERVICE_RECOVERY)
            && self.is_choice(SERVICE_RECOVERED)
        {
            *value = json!({ "Fn::If": [condition(SERVICE_RECOVERED), &*value, { "Ref": "AWS::NoValue" }] });
        }
        if let Some(reported) = self.reported_patterns() {
            environment[REPORTED_PATTERNS] = reported;
        }
        environment
    }

    /// Returns the chosen patterns, as `Config::reported_patterns` does; none if the choice changes nothing.
    fn reported_patterns(self) -> Option<Value> {
        let has_condition = parameters::takes_every_failed_job(self.blueprint).is_some();
        let keys = self.blueprint.choices.iter().map(|choice| choice.pattern.as_str());
        // Where one of the others is chosen, nothing is named.
        let keys: BTreeSet<&str> = keys.filter(|key| !takes_every_failed_job(key)).collect();
        has_condition.then(|| {
            let nothing = json!({ "Ref": "AWS::NoValue" });
            let of_a_pattern = |key| json!({ "Fn::If": [condition(key), key, nothing] });
            let chosen: Vec<Value> = keys.into_iter().map(of_a_pattern).collect();
            json!({ "Fn::If": [TAKES_EVERY_FAILED_JOB, nothing, { "Fn::Join": [",", chosen] }] })
        })
    }

    /// Returns the logical id of a rule: `TaskFailedRule` for `task-failed`.
    fn rule_id(self, key: &str) -> String {
        self.blueprint.distinct_rule(key, |key| format!("{}Rule", camel(key))).replace('_', "")
    }
}

fn log_group(name: &str, spec: &log_group::Spec, tags: &Tags) -> Resources {
    let log_group::Spec { class: _, retention_days, subscriptions: _, deletion_protection: _ } = spec;
    let mut properties = json!({ "LogGroupName": name, "Tags": self::tags(tags) });
    set(&mut properties, "RetentionInDays", *retention_days);
    vec![(LOG_GROUP.to_owned(), of_data("AWS::Logs::LogGroup", properties))]
}

fn table(name: &str, spec: &table::Spec, tags: &Tags) -> Result<(String, Value)> {
    let table::Spec { key, on_demand, expiry, deletion_protection, stream: _, kinesis_streams: _, policy: _ } = spec;
    let (key, r#type) = key.split_once(':').ok_or_else(|| Error::new(format!("{name} has no key")))?;
    if !on_demand {
        return Err(Error::new(format!("the provisioned capacity of {name} is unknown")));
    }
    let mut properties = json!({
        "TableName": name,
        "AttributeDefinitions": [{ "AttributeName": key, "AttributeType": r#type }],
        "KeySchema": [{ "AttributeName": key, "KeyType": "HASH" }],
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": deletion_protection,
        "Tags": self::tags(tags),
    });
    if let Some(expiry) = expiry {
        properties["TimeToLiveSpecification"] = json!({ "AttributeName": expiry, "Enabled": true });
    }
    Ok((TABLE.to_owned(), of_data("AWS::DynamoDB::Table", properties)))
}

fn alarm(id: &str, name: &str, spec: &alarm::Spec, tags: &Tags) -> (String, Value) {
    let alarm::Spec {
        description,
        namespace,
        metric,
        dimensions,
        statistic,
        unit: _,
        period_seconds,
        evaluation_periods,
        datapoints_to_alarm,
        comparison,
        threshold,
        missing_data,
        enabled,
        alarm_actions,
        ok_actions,
        insufficient_data_actions,
        mute_rules: _,
    } = spec;
    let dimension = |(name, value)| json!({ "Name": name, "Value": value });
    let properties = json!({
        "AlarmName": name,
        "AlarmDescription": description,
        "Namespace": namespace,
        "MetricName": metric,
        "Dimensions": dimensions.iter().map(dimension).collect::<Vec<_>>(),
        "Statistic": statistic,
        "Period": period_seconds,
        "EvaluationPeriods": evaluation_periods,
        "DatapointsToAlarm": datapoints_to_alarm,
        "ComparisonOperator": comparison,
        "Threshold": threshold,
        "TreatMissingData": missing_data,
        "ActionsEnabled": enabled,
        "AlarmActions": alarm_actions,
        "OKActions": ok_actions,
        "InsufficientDataActions": insufficient_data_actions,
        "Tags": self::tags(tags),
    });
    (id.to_owned(), resource("AWS::CloudWatch::Alarm", properties))
}

fn role(id: &str, name: &str, spec: &role::Spec, tags: &Tags) -> (String, Value) {
    let role::Spec { path, trust, description, max_session_seconds, permissions_boundary, policies, attached } = spec;
    let inline =
        |(name, policy): (&String, &Policy)| json!({ "PolicyName": name, "PolicyDocument": policy.document() });
    let mut properties = json!({
        "RoleName": name,
        "Path": path,
        "Description": description,
        "MaxSessionDuration": max_session_seconds,
        "AssumeRolePolicyDocument": trust.document(),
        "Policies": policies.iter().map(inline).collect::<Vec<_>>(),
        "ManagedPolicyArns": attached,
        "Tags": self::tags(tags),
    });
    set(&mut properties, "PermissionsBoundary", permissions_boundary.as_deref());
    (id.to_owned(), resource("AWS::IAM::Role", properties))
}

/// Returns a resource. Leaves out empty lists, which mean nothing.
fn resource(kind: &str, mut properties: Value) -> Value {
    if let Some(fields) = properties.as_object_mut() {
        fields.retain(|_, value| value.as_array().is_none_or(|items| !items.is_empty()));
    }
    json!({ "Type": kind, "Properties": properties })
}

/// Returns a resource with data, which is deleted with the stack, as `teardown` does.
fn of_data(kind: &str, properties: Value) -> Value {
    let mut resource = resource(kind, properties);
    resource["DeletionPolicy"] = json!("Delete");
    resource["UpdateReplacePolicy"] = json!("Delete");
    resource
}

fn set<T: Into<Value>>(properties: &mut Value, name: &str, value: Option<T>) {
    if let Some(value) = value {
        properties[name] = value.into();
    }
}

fn attribute(id: &str, name: &str) -> Value {
    json!({ "Fn::GetAtt": [id, name] })
}

fn tags(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
