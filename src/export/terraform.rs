//! Writes the blueprint as a Terraform configuration, with the resources of the provider `hashicorp/aws`.

mod variables;

use serde_json::Value;

use super::hcl::Item::{self, Attribute};
use super::hcl::{self, Block, Expression, block};
use super::{Blueprint, Part, Permission, Piece, Spec, words};
use crate::aws::kinds::{alarm, function, log_group, queue, role, rule, table, watch};
use crate::document::canonical;
use crate::error::Result;
use crate::policy::Policy;
use crate::reconcile::resource::Tags;
use variables::{reference, variables};

/// The first version of the provider that accepts the notifier's runtime.
const PROVIDER: &str = ">= 6.19";

/// Returns the configuration in the format of `terraform fmt`.
///
/// # Errors
/// If a part of the blueprint cannot be expressed in a configuration.
pub fn configuration(blueprint: &Blueprint) -> Result<String> {
    let writer = Writer { blueprint };
    let mut resources = Vec::new();
    for piece in &blueprint.pieces {
        resources.extend(writer.blocks(piece)?);
    }
    let used = hcl::file(&resources);
    let mut blocks = vec![requirements()];
    blocks.extend(variables(blueprint, &used));
    blocks.extend(surroundings(&used));
    let title =
        format!("# taskbell, stack {}: sends a Slack alert when an Amazon ECS task fails.", blueprint.stack.name);
    Ok(format!("{title}\n\n{}\n{used}", hcl::file(&blocks)))
}

fn requirements() -> Block {
    let provider = object([("source", Expression::text("hashicorp/aws")), ("version", Expression::text(PROVIDER))]);
    let providers = block("required_providers", &[], vec![Attribute("aws", provider)]);
    block("terraform", &[], vec![Attribute("required_version", Expression::text(">= 1.3")), Item::Block(providers)])
}

/// Returns the blocks that ask the provider for the account, the partition and the region.
fn surroundings(used: &str) -> Vec<Block> {
    let data = ["aws_caller_identity", "aws_partition", "aws_region"];
    let mut blocks: Vec<Block> = data.iter().map(|kind| block("data", &[kind, "current"], Vec::new())).collect();
    let mut locals = vec![
        Attribute("account", Expression::code("data.aws_caller_identity.current.account_id")),
        Attribute("partition", Expression::code("data.aws_partition.current.partition")),
        Attribute("region", Expression::code("data.aws_region.current.region")),
    ];
    if used.contains("local.ssm_hosts") {
        let host = |suffix: &str| format!(r#""ssm.${{local.region}}.{suffix}""#);
        let (regional, suffixed) = (host("amazonaws.com"), host("${data.aws_partition.current.dns_suffix}"));
        // The hosts agree with `Place::service_hosts`.
        let hosts = format!(r#"local.partition == "aws-cn" ? [{regional}, {suffixed}] : [{suffixed}]"#);
        locals.push(Attribute("ssm_hosts", Expression::Code(hosts)));
    }
    blocks.push(block("locals", &[], locals));
    blocks
}

/// The writer of the pieces, one after the other.
#[derive(Clone, Copy)]
struct Writer<'a> {
    blueprint: &'a Blueprint,
}

impl Writer<'_> {
    fn blocks(self, piece: &Piece) -> Result<Vec<Block>> {
        let Piece { address, tags, spec } = piece;
        let name = self.text(&address.name);
        let tags = self.tags(tags);
        Ok(match spec {
            Spec::LogGroup(spec) => vec![log_group(name, spec, tags)],
            Spec::Queue(spec) => self.queue(name, spec, tags),
            Spec::Table(spec) => vec![table(name, spec, tags)],
            Spec::Alarm(spec) => vec![self.alarm(&address.id.key, name, spec, tags)],
            Spec::Role(spec) => self.role(&address.id.key, name, spec, tags),
            Spec::Function(spec) => self.function(name, spec, tags)?,
            Spec::Rule(spec) => self.rule(&address.id.key, name, spec, tags),
            Spec::Watch(spec) => self.watch(name, spec, tags),
        })
    }

    /// Returns the schedule group and its schedules. Terraform creates the schedules after the role's policy.
    fn watch(self, name: Expression, spec: &watch::Spec, tags: Pairs) -> Vec<Block> {
        let group = resource("aws_scheduler_schedule_group", "watch", tagged(vec![Attribute("name", name)], tags));
        let is_own = |piece: &Piece| piece.address.id.key == role::WATCH && matches!(piece.spec, Spec::Role(_));
        let own_role = self.blueprint.pieces.iter().any(is_own);
        let schedule = |(name, schedule): (&String, &watch::Schedule)| {
            resource("aws_scheduler_schedule", &label(name), self.schedule(name, schedule, own_role))
        };
        std::iter::once(group).chain(spec.schedules.iter().map(schedule)).collect()
    }

    fn schedule(self, name: &str, schedule: &watch::Schedule, own_role: bool) -> Vec<Item> {
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
        let mut body = vec![
            Attribute("name", self.text(name)),
            Attribute("group_name", Expression::code("aws_scheduler_schedule_group.watch.name")),
            Attribute("description", self.text(description)),
            Attribute("schedule_expression", self.text(expression)),
            Attribute("schedule_expression_timezone", self.text(time_zone)),
            Attribute("state", self.text(state)),
        ];
        if own_role {
            let policy = Expression::List(vec![Expression::code("aws_iam_role_policy.watch")]);
            body.push(Attribute("depends_on", policy));
        }
        let mode = if window_minutes.is_some() { "FLEXIBLE" } else { "OFF" };
        let mut window = vec![Attribute("mode", Expression::text(mode))];
        window.extend(window_minutes.iter().map(|minutes| Attribute("maximum_window_in_minutes", plain(minutes))));
        body.push(Item::Block(block("flexible_time_window", &[], window)));
        let role = if own_role { Expression::code("aws_iam_role.watch.arn") } else { self.text(role) };
        let mut target = vec![
            Attribute("arn", Expression::code("aws_lambda_function.notifier.arn")),
            Attribute("role_arn", role),
            // Not by `jsonencode`, which escapes the brackets around the parts that Scheduler fills in.
            Attribute("input", self.text(&watch::written(input))),
        ];
        if dead_letter_queue.is_some() {
            let queue = Expression::code("aws_sqs_queue.undelivered.arn");
            target.push(Item::Block(block("dead_letter_config", &[], vec![Attribute("arn", queue)])));
        }
        let mut retries = Vec::new();
        retries.extend(max_event_age_seconds.iter().map(|age| Attribute("maximum_event_age_in_seconds", plain(age))));
        retries.extend(max_retry_attempts.iter().map(|count| Attribute("maximum_retry_attempts", plain(count))));
        target.push(Item::Block(block("retry_policy", &[], retries)));
        body.push(Item::Block(block("target", &[], target)));
        body
    }

    fn text(self, text: &str) -> Expression {
        let piece = |part| match part {
            Part::Text(text) => hcl::Piece::Plain(text.to_owned()),
            Part::Blank(blank) => hcl::Piece::Filled(reference(blank)),
        };
        match &self.blueprint.parts(text)[..] {
            [Part::Blank(blank)] => Expression::Code(reference(*blank)),
            _ => Expression::Text(self.blueprint.parts(text).into_iter().map(piece).collect()),
        }
    }

    fn texts<'a>(self, texts: impl IntoIterator<Item = &'a String>) -> Expression {
        Expression::List(texts.into_iter().map(|text| self.text(text)).collect())
    }

    fn tree(self, tree: &Value) -> Expression {
        match tree {
            Value::String(text) => self.text(text),
            Value::Array(items) if *items == self.blueprint.ssm_hosts => Expression::code("local.ssm_hosts"),
            Value::Array(items) => Expression::List(items.iter().map(|item| self.tree(item)).collect()),
            Value::Object(fields) => {
                Expression::Object(fields.iter().map(|(key, value)| (key.clone(), self.tree(value))).collect())
            }
            scalar => Expression::Code(scalar.to_string()),
        }
    }

    fn json(self, tree: &Value) -> Expression {
        Expression::Call("jsonencode", Box::new(self.tree(&canonical(tree))))
    }

    fn policy(self, policy: &Policy) -> Expression {
        self.json(&policy.document())
    }

    fn tags(self, tags: &Tags) -> Vec<(String, Expression)> {
        tags.iter().map(|(key, value)| (key.clone(), self.text(value))).collect()
    }

    fn queue(self, name: Expression, spec: &queue::Spec, tags: Pairs) -> Vec<Block> {
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
        let queue = vec![
            Attribute("name", name),
            Attribute("message_retention_seconds", plain(retention_seconds)),
            Attribute("visibility_timeout_seconds", plain(visibility_timeout_seconds)),
            Attribute("delay_seconds", plain(delay_seconds)),
            Attribute("sqs_managed_sse_enabled", plain(managed_encryption)),
        ];
        let policy = vec![
            Attribute("queue_url", Expression::code("aws_sqs_queue.undelivered.url")),
            Attribute("policy", self.policy(policy)),
        ];
        vec![
            resource("aws_sqs_queue", "undelivered", tagged(queue, tags)),
            resource("aws_sqs_queue_policy", "undelivered", policy),
        ]
    }

    fn alarm(self, key: &str, name: Expression, spec: &alarm::Spec, tags: Pairs) -> Block {
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
        let dimensions = dimensions.iter().map(|(name, value)| (name.clone(), self.text(value))).collect();
        let mut body = vec![
            Attribute("alarm_name", name),
            Attribute("alarm_description", self.text(description)),
            Attribute("namespace", self.text(namespace)),
            Attribute("metric_name", self.text(metric)),
            Attribute("dimensions", Expression::Object(dimensions)),
            Attribute("statistic", self.text(statistic)),
            Attribute("period", plain(period_seconds)),
            Attribute("evaluation_periods", plain(evaluation_periods)),
            Attribute("datapoints_to_alarm", plain(datapoints_to_alarm)),
            Attribute("comparison_operator", self.text(comparison)),
            Attribute("threshold", plain(threshold)),
            Attribute("treat_missing_data", self.text(missing_data)),
            Attribute("actions_enabled", plain(enabled)),
        ];
        let actions = [
            ("alarm_actions", alarm_actions),
            ("ok_actions", ok_actions),
            ("insufficient_data_actions", insufficient_data_actions),
        ];
        let told = actions.into_iter().filter(|(_, actions)| !actions.is_empty());
        body.extend(told.map(|(name, actions)| Attribute(name, self.texts(actions))));
        resource("aws_cloudwatch_metric_alarm", &label(key), tagged(body, tags))
    }

    fn role(self, key: &str, name: Expression, spec: &role::Spec, tags: Pairs) -> Vec<Block> {
        let role::Spec { path, trust, description, max_session_seconds, permissions_boundary, policies, attached } =
            spec;
        let mut role = vec![
            Attribute("name", name),
            Attribute("path", self.text(path)),
            Attribute("description", self.text(description)),
            Attribute("max_session_duration", plain(max_session_seconds)),
        ];
        role.extend(permissions_boundary.iter().map(|arn| Attribute("permissions_boundary", self.text(arn))));
        role.push(Attribute("assume_role_policy", self.policy(trust)));
        let mut blocks = vec![resource("aws_iam_role", key, tagged(role, tags))];
        let of_role = || Attribute("role", Expression::Code(format!("aws_iam_role.{key}.name")));
        for (name, policy) in policies {
            let body = vec![Attribute("name", self.text(name)), of_role(), Attribute("policy", self.policy(policy))];
            blocks.push(resource("aws_iam_role_policy", &label(name), body));
        }
        for arn in attached {
            let body = vec![of_role(), Attribute("policy_arn", self.text(arn))];
            blocks.push(resource("aws_iam_role_policy_attachment", &label(arn), body));
        }
        blocks
    }

    /// Returns the function, the permissions of the rules that may invoke it, and the settings for events on which it failed.
    fn function(self, name: Expression, spec: &function::Spec, mut tags: Pairs) -> Result<Vec<Block>> {
        let function::Spec {
            runtime,
            handler,
            architecture,
            memory_mib,
            timeout_seconds,
            description,
            role,
            bound_to_current_role,
            // The configuration computes the digest from the archive.
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
        if own_role {
            // Names the role that has the grants, so that `setup --adopt` need not create the grants again.
            tags.push((function::ROLE_ID_TAG.to_owned(), Expression::code("aws_iam_role.notifier.unique_id")));
        }
        let role = if own_role { Expression::code("aws_iam_role.notifier.arn") } else { self.text(role) };
        let variables = environment.iter().map(|(name, value)| (name.clone(), self.text(value))).collect();
        let mut body = vec![
            Attribute("function_name", name),
            Attribute("description", self.text(description)),
            Attribute("runtime", self.text(runtime)),
            Attribute("handler", self.text(handler)),
            Attribute("architectures", Expression::List(vec![self.text(architecture)])),
            Attribute("memory_size", plain(memory_mib)),
            Attribute("timeout", plain(timeout_seconds)),
            Attribute("role", role),
            Attribute("filename", Expression::code("var.notifier_archive")),
            Attribute("source_code_hash", Expression::code("filebase64sha256(var.notifier_archive)")),
        ];
        body = tagged(body, tags);
        let variables = vec![Attribute("variables", Expression::Object(variables))];
        body.push(Item::Block(block("environment", &[], variables)));
        let logging = vec![
            Attribute("log_format", self.text(log_format)),
            Attribute("application_log_level", self.text(log_level)),
            Attribute("log_group", Expression::code("aws_cloudwatch_log_group.notifier.name")),
        ];
        body.push(Item::Block(block("logging_config", &[], logging)));
        let mut blocks = vec![resource("aws_lambda_function", "notifier", body)];
        for (rule, policy) in permissions {
            let Permission { action, principal, source_arn } = Permission::of(policy)?;
            let body = vec![
                Attribute("statement_id", self.text(rule)),
                Attribute("function_name", Expression::code("aws_lambda_function.notifier.function_name")),
                Attribute("action", self.text(&action)),
                Attribute("principal", self.text(&principal)),
                Attribute("source_arn", self.text(&source_arn)),
            ];
            let label = self.rule_label(&self.blueprint.rule_named(rule)?.id.key);
            blocks.push(resource("aws_lambda_permission", &label, body));
        }
        blocks.extend(failed_invocations.as_ref().map(|failed| failed_invocation(failed, own_role)));
        Ok(blocks)
    }

    /// Returns the rule and its target. Terraform creates the target last, so that the rule invokes the notifier only after
    /// everything else exists.
    fn rule(self, key: &str, name: Expression, spec: &rule::Spec, tags: Pairs) -> Vec<Block> {
        let rule::Spec { pattern, state, description, schedule, role, targets } = spec;
        let label = self.rule_label(key);
        let mut body = vec![
            Attribute("name", name),
            Attribute("description", self.text(description)),
            Attribute("state", self.text(state)),
        ];
        body.extend(schedule.iter().map(|schedule| Attribute("schedule_expression", self.text(schedule))));
        body.extend(role.iter().map(|role| Attribute("role_arn", self.text(role))));
        body.push(Attribute("event_pattern", self.json(pattern)));
        let mut blocks = vec![resource("aws_cloudwatch_event_rule", &label, tagged(body, tags))];
        for (id, target) in targets {
            blocks.push(resource("aws_cloudwatch_event_target", &label, self.target(&label, id, target)));
        }
        blocks
    }

    fn target(self, rule: &str, id: &str, target: &rule::Target) -> Vec<Item> {
        let rule::Target { arn: _, max_event_age_seconds, max_retry_attempts, dead_letter_queue, input, role } = target;
        let mut body = vec![
            Attribute("rule", Expression::Code(format!("aws_cloudwatch_event_rule.{rule}.name"))),
            Attribute("target_id", self.text(id)),
            Attribute("arn", Expression::code("aws_lambda_function.notifier.arn")),
        ];
        body.extend(input.iter().map(|input| Attribute("input", self.text(input))));
        body.extend(role.iter().map(|role| Attribute("role_arn", self.text(role))));
        let mut after = vec![
            "aws_lambda_function_event_invoke_config.notifier".to_owned(),
            format!("aws_lambda_permission.{rule}"),
            "aws_sqs_queue_policy.undelivered".to_owned(),
        ];
        let has_table = self.blueprint.pieces.iter().any(|piece| matches!(piece.spec, Spec::Table(_)));
        after.extend(has_table.then(|| "aws_dynamodb_table.announcements".to_owned()));
        let after = Expression::List(after.into_iter().map(Expression::Code).collect());
        body.push(Attribute("depends_on", after));
        if dead_letter_queue.is_some() {
            let queue = Expression::code("aws_sqs_queue.undelivered.arn");
            body.push(Item::Block(block("dead_letter_config", &[], vec![Attribute("arn", queue)])));
        }
        let mut retries = Vec::new();
        retries.extend(max_event_age_seconds.iter().map(|age| Attribute("maximum_event_age_in_seconds", plain(age))));
        retries.extend(max_retry_attempts.iter().map(|count| Attribute("maximum_retry_attempts", plain(count))));
        body.push(Item::Block(block("retry_policy", &[], retries)));
        body
    }

    fn rule_label(self, key: &str) -> String {
        self.blueprint.distinct_rule(key, label)
    }
}

type Pairs = Vec<(String, Expression)>;

fn log_group(name: Expression, spec: &log_group::Spec, tags: Pairs) -> Block {
    let log_group::Spec { class: _, retention_days, subscriptions: _, deletion_protection: _ } = spec;
    let mut body = vec![Attribute("name", name)];
    body.extend(retention_days.iter().map(|days| Attribute("retention_in_days", plain(days))));
    resource("aws_cloudwatch_log_group", "notifier", tagged(body, tags))
}

fn table(name: Expression, spec: &table::Spec, tags: Pairs) -> Block {
    let table::Spec { key, on_demand, expiry, deletion_protection, stream: _, kinesis_streams: _, policy: _ } = spec;
    let (key, r#type) = key.split_once(':').unwrap_or((key, "S"));
    let mode = if *on_demand { "PAY_PER_REQUEST" } else { "PROVISIONED" };
    let body = vec![
        Attribute("name", name),
        Attribute("billing_mode", Expression::text(mode)),
        Attribute("hash_key", Expression::text(key)),
        Attribute("deletion_protection_enabled", plain(deletion_protection)),
    ];
    let mut body = tagged(body, tags);
    let attribute = vec![Attribute("name", Expression::text(key)), Attribute("type", Expression::text(r#type))];
    body.push(Item::Block(block("attribute", &[], attribute)));
    if let Some(expiry) = expiry {
        let ttl =
            vec![Attribute("attribute_name", Expression::text(expiry)), Attribute("enabled", Expression::code("true"))];
        body.push(Item::Block(block("ttl", &[], ttl)));
    }
    resource("aws_dynamodb_table", "announcements", body)
}

/// Returns the settings for events on which the function failed. Depends on the role's policy, because Lambda checks whether the
/// role may send to the queue.
fn failed_invocation(failed: &function::FailedInvocations, own_role: bool) -> Block {
    let function::FailedInvocations { max_retry_attempts, max_event_age_seconds, destination, success_destination: _ } =
        failed;
    let mut body = vec![Attribute("function_name", Expression::code("aws_lambda_function.notifier.function_name"))];
    body.extend(max_retry_attempts.iter().map(|count| Attribute("maximum_retry_attempts", plain(count))));
    body.extend(max_event_age_seconds.iter().map(|age| Attribute("maximum_event_age_in_seconds", plain(age))));
    if own_role {
        let policy = Expression::List(vec![Expression::code("aws_iam_role_policy.notifier")]);
        body.push(Attribute("depends_on", policy));
    }
    if destination.is_some() {
        let queue = vec![Attribute("destination", Expression::code("aws_sqs_queue.undelivered.arn"))];
        let on_failure = vec![Item::Block(block("on_failure", &[], queue))];
        body.push(Item::Block(block("destination_config", &[], on_failure)));
    }
    resource("aws_lambda_function_event_invoke_config", "notifier", body)
}

fn tagged(mut body: Vec<Item>, tags: Pairs) -> Vec<Item> {
    if !tags.is_empty() {
        body.push(Attribute("tags", Expression::Object(tags)));
    }
    body
}

fn plain(value: &impl ToString) -> Expression {
    Expression::Code(value.to_string())
}

fn object<const N: usize>(pairs: [(&str, Expression); N]) -> Expression {
    Expression::Object(pairs.map(|(name, value)| (name.to_owned(), value)).to_vec())
}

fn resource(kind: &str, label: &str, body: Vec<Item>) -> Block {
    block("resource", &[kind, label], body)
}

/// Returns a name that the language accepts: one that does not begin with a digit.
fn label(key: &str) -> String {
    let label = words(key).join("_").to_lowercase();
    if label.starts_with(|c: char| c.is_ascii_digit()) { format!("_{label}") } else { label }
}
