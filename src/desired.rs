//! Describes the resources that a stack should have, and their connections, as the diagram in `docs/how-it-works.md` shows them.
//!
//! Names and ARNs follow from stack, account and region, so that each resource can be described before another one exists.

pub mod limits;
pub mod references;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::aws::kinds::{self, alarm, function, log_group, parameter, queue, role, rule, table};
use crate::config::destination::{self, Destination, WebhookTakes};
use crate::config::record::not_kept;
use crate::config::{Announcements, Cluster, Config, Redaction};
use crate::document::canonical;
use crate::error::{Error, Result};
use crate::notifier::archive::Archive;
use crate::pattern::clusters::is_glob;
use crate::policy::Policy;
use crate::reconcile::resource::{Desired, Want};
use crate::stack::{Address, Place, ROLE_PATH, Stack};
use limits::OF_THE_STACK;

/// The variable of the function that says whether services that work again are reported.
pub const SERVICE_RECOVERY: &str = "TASKBELL_SERVICE_RECOVERY";
/// The variable of the function that names the patterns that the end of a task has to match to be reported.
pub const REPORTED_PATTERNS: &str = "TASKBELL_PATTERNS";

/// The variable of the function that names the stack.
pub const STACK: &str = "TASKBELL_STACK";
/// The variable of the function in which the stack keeps its settings. The notifier does not read it.
pub const SETTINGS: &str = "TASKBELL_SETTINGS";

/// Returns the addresses of the resources of this configuration. They are known before the account is known.
#[must_use]
pub fn addresses(config: &Config, stack: &Stack) -> Vec<Address> {
    let mut addresses = vec![log_group::address(stack), queue::address(stack), function::address(stack)];
    if config.announcements != Announcements::Forgotten {
        addresses.push(table::address(stack));
    }
    if config.stores_webhook() {
        addresses.push(parameter::address(stack));
    }
    if config.own_role_arn.is_none() {
        addresses.push(role::address(stack));
        addresses.extend(config.watches().then(|| role::watch_address(stack)));
    }
    addresses.extend(config.watches().then(|| kinds::watch::address(stack)));
    if config.alarm_topic.is_some() {
        addresses.extend(alarm::addresses(stack));
    }
    addresses.extend(config.rules().map(|pattern| rule::address(stack, &pattern.name)));
    addresses
}

/// The facts, besides the configuration, from which a stack is described.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    pub stack: &'a Stack,
    pub place: &'a Place,
    pub archive: &'a Archive,
    /// The webhook given in this run.
    pub webhook: Option<&'a parameter::Webhook>,
    /// The names of rules that are no longer wanted, but still exist. The queue and the function allow them until they are removed.
    pub leaving: &'a [String],
}

/// # Errors
/// If a cluster is not in this account and region, or AWS would refuse a resource for its size, or for an ARN in it.
pub fn desired(config: &Config, ground: Ground) -> Result<Desired> {
    let Ground { stack, place, archive: _, webhook, leaving } = ground;
    references::check(config, place)?;
    let tags = &config.tags;
    let rules = rule_arns(config, stack, place, leaving);
    let mut wants = vec![
        Want::new::<log_group::LogGroup>(log_group::address(stack), &log_group(config), tags)?,
        Want::new::<queue::Queue>(queue::address(stack), &queue(stack, place, &rules), tags)?,
        Want::new::<function::Function>(function::address(stack), &function(config, ground, &rules), tags)?,
    ];
    if config.announcements != Announcements::Forgotten {
        wants.push(Want::new::<table::Table>(table::address(stack), &table::Spec::of_announcements(), tags)?);
    }
    if let Some(topic) = &config.alarm_topic {
        for (address, spec) in alarm::addresses(stack).into_iter().zip(alarms(stack, topic)) {
            wants.push(Want::new::<alarm::Alarm>(address, &spec, tags)?);
        }
    }
    if config.stores_webhook() {
        let spec = parameter::Spec::holding(webhook);
        let want = Want::new::<parameter::Parameter>(parameter::address(stack), &spec, tags)?;
        wants.push(if webhook.is_some() { want } else { want.keeping(&["webhook"]) });
    }
    let clusters = cluster_arns(config, place)?;
    if config.own_role_arn.is_none() {
        wants.push(Want::new::<role::Role>(role::address(stack), &role(config, stack, place, &clusters), tags)?);
    }
    if config.watches() {
        if config.own_role_arn.is_none() {
            let spec = watch::role(config, stack, place);
            wants.push(Want::new::<role::Role>(role::watch_address(stack), &spec, tags)?);
        }
        let spec = watch::watch(config, stack, place, &clusters)?;
        wants.push(Want::new::<kinds::watch::Watch>(kinds::watch::address(stack), &spec, tags)?);
    }
    for pattern in config.rules() {
        let normal = pattern.in_rule(&clusters, config.drill)?;
        let spec = rule(stack, place, &pattern.name, &normal);
        wants.push(Want::new::<rule::Rule>(rule::address(stack, &pattern.name), &spec, tags)?);
    }
    limits::check(config, place, &wants)?;
    Ok(Desired { wants })
}

/// Returns the ARN of the cluster in the account and region in use; with a `*`, if the name has one.
///
/// # Errors
/// If the cluster was given by an ARN of another account or region.
pub fn cluster_arn(cluster: &Cluster, place: &Place) -> Result<String> {
    let here = place.cluster_arn(cluster.name());
    match cluster.arn() {
        Some(arn) if arn != here => {
            Err(Error::usage(format!("the cluster {arn} is not in the account and region in use"))
                .hint(format!("here it would be {here}; check --region and --profile")))
        }
        _ => Ok(here),
    }
}

/// Returns the ARNs of the configured clusters, each once.
fn cluster_arns(config: &Config, place: &Place) -> Result<Vec<String>> {
    let mut clusters = Vec::new();
    for cluster in &config.clusters {
        let arn = cluster_arn(cluster, place)?;
        if !clusters.contains(&arn) {
            clusters.push(arn);
        }
    }
    Ok(clusters)
}

/// Returns the ARNs of the rules that may invoke the notifier, by their names.
fn rule_arns(config: &Config, stack: &Stack, place: &Place, leaving: &[String]) -> BTreeMap<String, String> {
    let wanted = config.rules().map(|pattern| stack.rule_name(&pattern.name));
    wanted.chain(leaving.iter().cloned()).map(|name| (name.clone(), place.rule_arn(&name))).collect()
}

fn log_group(config: &Config) -> log_group::Spec {
    let retention_days = config.log_retention_days;
    log_group::Spec {
        class: log_group::STANDARD.to_owned(),
        retention_days,
        subscriptions: BTreeMap::new(),
        deletion_protection: false,
    }
}

/// Describes the queue for events that EventBridge could not deliver (allowed by the queue's policy) and for events on which the
/// notifier failed (allowed by the role's policy).
fn queue(stack: &Stack, place: &Place, rules: &BTreeMap<String, String>) -> queue::Spec {
    queue::Spec {
        retention_seconds: 14 * 24 * 3600,
        visibility_timeout_seconds: 60,
        delay_seconds: 0,
        // AWS's maximum: Lambda wraps a failed event, which makes it longer.
        max_message_bytes: 1024 * 1024,
        managed_encryption: true,
        redrive: None,
        redrive_allow: None,
        consumers: BTreeMap::new(),
        policy: Policy::of_statement(&json!({
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": place.queue_arn(&stack.queue_name()),
            "Condition": { "ArnEquals": { "aws:SourceArn": rules.values().collect::<Vec<_>>() } },
        })),
    }
}

/// Describes the alarms, in the order of their addresses: on alerts in the queue, and on failed runs of the notifier.
fn alarms(stack: &Stack, topic: &str) -> [alarm::Spec; 2] {
    let above_zero =
        |description: &str, namespace: &str, metric: &str, dimension: (&str, String), statistic: &str| alarm::Spec {
            description: format!("taskbell, stack {}: {description}", stack.name),
            namespace: namespace.to_owned(),
            metric: metric.to_owned(),
            dimensions: BTreeMap::from([(dimension.0.to_owned(), dimension.1)]),
            statistic: statistic.to_owned(),
            unit: None,
            period_seconds: 300,
            evaluation_periods: 1,
            datapoints_to_alarm: 1,
            comparison: "GreaterThanThreshold".to_owned(),
            threshold: 0.0,
            missing_data: "notBreaching".to_owned(),
            enabled: true,
            alarm_actions: vec![topic.to_owned()],
            // A pager closes an incident only after a message that the alarm is over.
            ok_actions: vec![topic.to_owned()],
            insufficient_data_actions: Vec::new(),
            mute_rules: BTreeSet::new(),
        };
    [
        above_zero(
            "alerts could not be delivered; taskbell replay sends them again",
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            ("QueueName", stack.queue_name()),
            "Maximum",
        ),
        above_zero(
            "the notifier failed; its log says why, taskbell drill proves it",
            "AWS/Lambda",
            "Errors",
            ("FunctionName", stack.function_name()),
            "Sum",
        ),
    ]
}

/// Describes the role, which allows the notifier to write its log, read its webhooks, publish to its topics, send failed events to
/// the queue, look up the facts that it reports, and record its announcements. With expectations, the notifier also looks for running
/// tasks of the clusters, and for the schedules that should have started them.
fn role(config: &Config, stack: &Stack, place: &Place, clusters: &[String]) -> role::Spec {
    let allow =
        |actions: Value, resource: String| json!({ "Effect": "Allow", "Action": actions, "Resource": resource });
    let mut statements = vec![
        allow(
            json!(["logs:CreateLogStream", "logs:PutLogEvents"]),
            format!("{}:*", place.log_group_arn(&stack.log_group_name())),
        ),
        allow(json!("sqs:SendMessage"), place.queue_arn(&stack.queue_name())),
        allow(json!("ecs:DescribeTaskDefinition"), "*".to_owned()),
    ];
    let theirs = config.parameters();
    let own = config.stores_webhook().then(|| stack.parameter_name());
    let parameters: Vec<String> =
        own.as_deref().into_iter().chain(theirs.iter().copied()).map(|name| place.parameter_arn(name)).collect();
    if !parameters.is_empty() {
        statements.push(json!({ "Effect": "Allow", "Action": "ssm:GetParameter", "Resource": parameters }));
    }
    let topics: Vec<&str> = config.destinations.iter().filter_map(Destination::topic).collect();
    if !topics.is_empty() {
        statements.push(json!({ "Effect": "Allow", "Action": "sns:Publish", "Resource": topics }));
    }
    if config.announcements != Announcements::Forgotten {
        let mut actions =
            vec!["dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"];
        actions.extend(config.summary.is_some().then_some("dynamodb:Scan"));
        statements.push(allow(json!(actions), place.table_arn(&stack.table_name())));
    }
    if config.watches() {
        statements.extend(looks(place, clusters));
    }
    if !config.log_groups.is_empty() {
        let streams = config.log_groups.iter().map(|group| format!("{}:log-stream:*", place.log_group_arn(group)));
        statements.push(json!({
            "Effect": "Allow", "Action": "logs:GetLogEvents", "Resource": streams.collect::<Vec<_>>(),
        }));
    }
    // If users encrypt a parameter with a key of their own, the key's policy has to allow the role too.
    if !theirs.is_empty() {
        let theirs: Vec<String> = theirs.iter().map(|name| place.parameter_arn(name)).collect();
        statements.push(json!({
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": place.key_arn_pattern(),
            "Condition": { "StringEquals": {
                "kms:ViaService": place.service_hosts("ssm"),
                "kms:EncryptionContext:PARAMETER_ARN": theirs,
            } },
        }));
    }
    role::Spec {
        path: ROLE_PATH.to_owned(),
        trust: Policy::of_statement(&json!({
            "Effect": "Allow",
            "Principal": { "Service": "lambda.amazonaws.com" },
            "Action": "sts:AssumeRole",
        })),
        description: format!("Notifier of the taskbell stack {}", stack.name),
        max_session_seconds: 3600,
        permissions_boundary: config.permissions_boundary.clone(),
        policies: BTreeMap::from([(role::POLICY.to_owned(), Policy::new(&json!({ "Statement": statements })))]),
        attached: BTreeSet::new(),
    }
}

/// Returns the statements with which the notifier looks for the reason why a job did not run or does not end. All of them only read.
fn looks(place: &Place, clusters: &[String]) -> Vec<Value> {
    let mut statements = vec![
        json!({ "Effect": "Allow", "Action": "scheduler:GetSchedule", "Resource": place.schedule_arn("default", "*") }),
        json!({ "Effect": "Allow", "Action": "events:DescribeRule", "Resource": place.rule_arn("*") }),
    ];
    if !clusters.is_empty() {
        let tasks = clusters.iter().map(|arn| format!("{}/*", arn.replacen(":cluster/", ":task/", 1)));
        statements.push(json!({
            "Effect": "Allow", "Action": "ecs:DescribeTasks", "Resource": tasks.collect::<Vec<_>>(),
        }));
        // A list of a cluster's tasks has no resource of its own.
        let (has_globs, compare) = match clusters.iter().any(|arn| is_glob(arn)) {
            true => (true, "ArnLike"),
            false => (false, "ArnEquals"),
        };
        statements.push(json!({
            "Effect": "Allow",
            "Action": "ecs:ListTasks",
            "Resource": "*",
            "Condition": { compare: { "ecs:cluster": clusters } },
        }));
        // The notifier finds the clusters that a glob covers: new ones, too.
        if has_globs {
            statements.push(json!({ "Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*" }));
        }
    }
    statements
}

/// Returns the parameter of the webhook that is not one of the configured destinations, if such a webhook exists.
fn webhook_parameter(config: &Config, stack: &Stack) -> Option<String> {
    config.own_parameter.clone().or_else(|| config.stores_webhook().then(|| stack.parameter_name()))
}

fn function(config: &Config, ground: Ground, rules: &BTreeMap<String, String>) -> function::Spec {
    let Ground { stack, place, archive, webhook: _, leaving: _ } = ground;
    let name = stack.function_name();
    let own_role = place.role_arn(&format!("{}{}", ROLE_PATH, stack.role_name()));
    let permission = |rule_arn: &String| {
        Policy::of_statement(&json!({
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "lambda:InvokeFunction",
            "Resource": place.function_arn(&name),
            "Condition": { "ArnLike": { "aws:SourceArn": rule_arn } },
        }))
    };
    function::Spec {
        runtime: "nodejs24.x".to_owned(),
        handler: "index.handler".to_owned(),
        architecture: "arm64".to_owned(),
        memory_mib: 512,
        timeout_seconds: 30,
        description: "taskbell: tells Slack why an ECS task died".to_owned(),
        bound_to_current_role: config.own_role_arn.is_none().then_some(true),
        role: config.own_role_arn.clone().unwrap_or(own_role),
        code_sha256: archive.code_sha256.clone(),
        code_signing: None,
        environment: environment(config, stack),
        kms_key: None,
        log_format: "JSON".to_owned(),
        log_level: "INFO".to_owned(),
        system_log_level: "INFO".to_owned(),
        log_group: stack.log_group_name(),
        layers: Vec::new(),
        in_vpc: false,
        file_systems: Vec::new(),
        ephemeral_storage_mib: 512,
        tracing: "PassThrough".to_owned(),
        dead_letter: None,
        event_sources: BTreeMap::new(),
        reserved_concurrency: None,
        permissions: rules.iter().map(|(name, arn)| (name.clone(), permission(arn))).collect(),
        failed_invocations: Some(function::FailedInvocations {
            max_retry_attempts: Some(2),
            max_event_age_seconds: Some(6 * 3600),
            destination: Some(place.queue_arn(&stack.queue_name())),
            success_destination: None,
        }),
    }
}

/// Returns the function's environment. Contains no secret, because everybody who may read the function sees its environment.
fn environment(config: &Config, stack: &Stack) -> BTreeMap<String, String> {
    let message = &config.message;
    let mentions = (!message.mentions.is_empty()).then(|| message.mentions.join(","));
    let window = match config.announcements {
        Announcements::Forgotten => None,
        Announcements::Remembered { window_minutes } => Some(window_minutes),
    };
    let variables = [
        (STACK, Some(stack.name.to_string())),
        ("TASKBELL_WEBHOOK_PARAMETER", webhook_parameter(config, stack)),
        ("TASKBELL_WEBHOOK_TAKES", (config.webhook_takes == WebhookTakes::Rest).then(|| "rest".to_owned())),
        ("TASKBELL_DESTINATIONS", (!config.destinations.is_empty()).then(|| destination::told(&config.destinations))),
        ("TASKBELL_LANGUAGE", Some(message.language.code().to_owned())),
        ("TASKBELL_USERNAME", message.username.clone()),
        ("TASKBELL_ICON_EMOJI", message.icon_emoji.clone()),
        ("TASKBELL_MENTION", mentions),
        ("TASKBELL_LOG_LINES", Some(if config.log_groups.is_empty() { 0 } else { message.log_lines }.to_string())),
        ("TASKBELL_REDACTION", (message.redaction == Redaction::Off).then(|| "off".to_owned())),
        ("TASKBELL_TABLE", window.map(|_| stack.table_name())),
        ("TASKBELL_STORM_MINUTES", window.map(|minutes| minutes.to_string())),
        // Without a table, the notifier remembers nothing anyway.
        ("TASKBELL_LEDGER", (window.is_some() && !config.keeps_ledger()).then(|| "off".to_owned())),
        ("TASKBELL_RECOVERY", (window.is_some() && !config.recovery).then(|| "off".to_owned())),
        // The notifier then loads the clients for a look at what starts a job.
        ("TASKBELL_WATCH", config.watches().then(|| "on".to_owned())),
        (SERVICE_RECOVERY, config.reports_recovered_services().then(|| "on".to_owned())),
        (REPORTED_PATTERNS, config.reported_patterns().map(|names| names.into_iter().collect::<Vec<_>>().join(","))),
    ];
    let variables = variables.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    with_record(variables, config.record.as_deref())
}

/// Adds the record of the settings. If it does not fit, the stack says that it does not keep them: nothing that the notifier needs
/// has to yield to the record.
fn with_record(variables: BTreeMap<String, String>, record: Option<&str>) -> BTreeMap<String, String> {
    let with = |text: &str| {
        let mut all = variables.clone();
        all.insert(SETTINGS.to_owned(), text.to_owned());
        limits::environment_fits(&all).then_some(all)
    };
    record.and_then(|text| with(text).or_else(|| with(&not_kept(text)))).unwrap_or(variables)
}

/// Describes a rule, which invokes the notifier. An event that cannot be delivered for a day goes to the queue.
fn rule(stack: &Stack, place: &Place, pattern: &str, bound: &Value) -> rule::Spec {
    let target = rule::Target {
        arn: place.function_arn(&stack.function_name()),
        max_event_age_seconds: Some(24 * 3600),
        max_retry_attempts: Some(185),
        dead_letter_queue: Some(place.queue_arn(&stack.queue_name())),
        input: None,
        role: None,
    };
    rule::Spec {
        pattern: canonical(bound),
        state: "ENABLED".to_owned(),
        description: format!("taskbell: {pattern}{OF_THE_STACK}{}", stack.name),
        schedule: None,
        role: None,
        targets: BTreeMap::from([("notifier".to_owned(), target)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MessageOptions;
    use crate::notifier::archive::archive;
    use crate::pattern::{Drill, Pattern};

    fn config(cluster: &str) -> Config {
        Config {
            stack: cluster.parse().unwrap(),
            clusters: vec![cluster.parse().unwrap()],
            patterns: vec![Pattern::find("task-failed").unwrap()],
            companions: vec![Pattern::find("service-recovered").unwrap()],
            drill: Drill::Accepted,
            rule_quota: None,
            destinations: Vec::new(),
            webhook_takes: WebhookTakes::All,
            own_parameter: Some("/mine/webhook".to_owned()),
            own_role_arn: None,
            permissions_boundary: None,
            log_retention_days: Some(30),
            tags: BTreeMap::new(),
            message: MessageOptions::default(),
            announcements: Announcements::Remembered { window_minutes: 15 },
            alarm_topic: None,
            log_groups: vec!["/ecs/*".to_owned()],
            jobs: Vec::new(),
            summary: None,
            recovery: true,
            record: None,
        }
    }

    #[test]
    fn alarm_reports_its_end_to_the_same_topic() {
        let topic = "arn:aws:sns:us-east-1:123456789012:on-call";
        let stack = Stack { name: "batch".parse().unwrap(), region: "us-east-1".to_owned() };
        for alarm in alarms(&stack, topic) {
            assert_eq!((alarm.alarm_actions, alarm.ok_actions), (vec![topic.to_owned()], vec![topic.to_owned()]));
        }
    }

    #[test]
    fn environment_names_redaction_only_if_it_is_off() {
        let stack = Stack { name: "batch".parse().unwrap(), region: "us-east-1".to_owned() };
        let of = |redaction| {
            let config =
                Config { message: MessageOptions { redaction, ..MessageOptions::default() }, ..config("batch") };
            environment(&config, &stack).get("TASKBELL_REDACTION").cloned()
        };
        assert_eq!((of(Redaction::On), of(Redaction::Off)), (None, Some("off".to_owned())));
    }

    #[test]
    fn every_arn_has_the_partition_of_the_caller() {
        for (partition, region) in [("aws", "us-east-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")] {
            let place = Place {
                partition: partition.to_owned(),
                region: region.to_owned(),
                account: "123456789012".to_owned(),
            };
            let config = config("batch");
            let stack = Stack { name: config.stack.clone(), region: region.to_owned() };
            let archive = archive().unwrap();
            let ground = Ground { stack: &stack, place: &place, archive: &archive, webhook: None, leaving: &[] };
            let wants = desired(&config, ground).unwrap().wants;
            let text: String = wants.iter().map(|want| want.document(None).to_string()).collect();
            let arns: Vec<&str> = text.match_indices("arn:").map(|(at, _)| &text[at..]).collect();
            assert!(arns.len() > 10);
            for arn in arns {
                assert!(arn.starts_with(&format!("arn:{partition}:")), "{arn:.60}");
            }
        }
    }

    #[test]
    fn every_action_of_the_role_begins_with_a_capital_letter() {
        let topic = "arn:aws:sns:us-east-1:123456789012:on-call".parse().unwrap();
        let config = Config { destinations: vec![topic], ..config("batch") };
        let stack = Stack { name: config.stack.clone(), region: "us-east-1".to_owned() };
        let place = Place::of_caller("arn:aws:iam::1:user/x", "1", "us-east-1");
        let policies = serde_json::to_string(&role(&config, &stack, &place, &[]).policies).unwrap();
        for action in policies.split('"').filter_map(|word| word.split_once(':')).map(|(_, action)| action) {
            let is_action = !action.is_empty() && action.chars().all(|c| c.is_ascii_alphabetic());
            assert!(!is_action || action.starts_with(|c: char| c.is_ascii_uppercase()), "{action} in {policies}");
        }
    }

    #[test]
    fn desired_resources_are_exactly_those_that_are_read() {
        let config = config("batch");
        let stack = Stack { name: config.stack.clone(), region: "us-east-1".to_owned() };
        let place = Place::of_caller("arn:aws:iam::1:user/x", "1", "us-east-1");
        let archive = archive().unwrap();
        let ground = Ground { stack: &stack, place: &place, archive: &archive, webhook: None, leaving: &[] };
        let mut described: Vec<Address> =
            desired(&config, ground).unwrap().wants.into_iter().map(|want| want.address).collect();
        let mut read = addresses(&config, &stack);
        described.sort();
        read.sort();
        assert_eq!(described, read);
    }
}
