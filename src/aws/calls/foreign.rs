//! Reads rules and functions that taskbell does not manage and that send alerts for ECS already, and finally disables or removes
//! them. Changes nothing else about them, and keeps nothing of a function's environment but the webhooks.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::Rule as SdkRule;
use aws_sdk_lambda::types::FunctionConfiguration;
use serde_json::Value;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};
use crate::aws::client::identity::Identity;
use crate::aws::client::joined::Joined;
use crate::aws::client::wait::{CONFLICT, Waiter, conflict};
use crate::aws::kinds::lists::{Lists, rules_on_bus};
use crate::aws::kinds::parameter::Webhook;
use crate::aws::kinds::rule::Rule as RuleAdapter;
use crate::config::{self, WebhookHosts};
use crate::error::{Error, Result};
use crate::reconcile::resource::{Adapter, Tags};
use crate::stack::{Address, Id, Kind, StackName};

/// A rule on the default bus, as AWS describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub name: String,
    pub arn: String,
    /// The text of the pattern, unchanged: the order of its fields may have a meaning.
    pub pattern: Option<String>,
    pub state: String,
    pub schedule: Option<String>,
    /// The AWS service that created the rule for itself.
    pub managed_by: Option<String>,
}

impl Rule {
    /// Returns whether the rule delivers events: the state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS also does.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.state != "DISABLED"
    }
}

/// A target of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub id: String,
    pub arn: String,
}

/// The facts that decide whether a function can be removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    pub name: String,
    /// The ARN, used in every call: a bare name could match another function in the caller's account.
    pub arn: String,
    /// The digest of the function's code.
    pub code: String,
    pub role: String,
    pub log_group: String,
    pub tags: Tags,
    /// The webhooks in the function's environment, with the names of the variables; each webhook once.
    pub webhooks: Vec<(String, Webhook)>,
}

pub struct Foreign {
    events: aws_sdk_eventbridge::Client,
    lambda: aws_sdk_lambda::Client,
    waiter: Waiter,
    identity: Arc<Identity>,
}

impl Foreign {
    #[must_use]
    pub fn new(sdk: &SdkConfig, waiter: &Waiter, identity: &Arc<Identity>) -> Self {
        Self {
            events: client::eventbridge(sdk),
            lambda: client::lambda(sdk),
            waiter: waiter.clone(),
            identity: Arc::clone(identity),
        }
    }

    /// Returns all rules of the default bus, of any owner.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn rules(&self) -> Result<Vec<Rule>, Fault> {
        Ok(rules_on_bus(&self.events, None).await?.into_iter().map(normal).collect())
    }

    /// Returns the targets of a rule, in the order of their ids; none if the rule was removed since.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn targets(&self, rule: &str) -> Result<Vec<Target>, Fault> {
        let mut targets = Vec::new();
        let mut next = None;
        loop {
            let call = self.events.list_targets_by_rule().rule(rule).set_next_token(next.take());
            let page = match call.send().await.map_err(fault("events:ListTargetsByRule")) {
                Err(fault) if is_absent(&fault) => return Ok(Vec::new()),
                page => page?,
            };
            let found = page.targets.unwrap_or_default().into_iter();
            targets.extend(found.map(|target| Target { id: target.id, arn: target.arn }));
            next = page.next_token;
            if next.is_none() {
                targets.sort_by(|one, other| one.id.cmp(&other.id));
                return Ok(targets);
            }
        }
    }

    /// Returns the tags of a rule; none if the rule was removed since.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn tags(&self, rule_arn: &str) -> Result<Tags, Fault> {
        let call = self.events.list_tags_for_resource().resource_arn(rule_arn);
        let answer = match call.send().await.map_err(fault("events:ListTagsForResource")) {
            Err(fault) if is_absent(&fault) => return Ok(Tags::new()),
            answer => answer?,
        };
        Ok(answer.tags().iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect())
    }

    /// Returns the function with that ARN; none if it does not exist.
    ///
    /// # Errors
    /// If the function cannot be read, or its environment cannot be decrypted.
    pub async fn function(&self, arn: &str, hosts: WebhookHosts) -> Result<Option<Function>> {
        let answer = match self.lambda.get_function().function_name(arn).send().await {
            Err(error) => match fault("lambda:GetFunction")(error) {
                fault if is_absent(&fault) => return Ok(None),
                fault => return Err(fault.into()),
            },
            Ok(answer) => answer,
        };
        let tags = answer.tags.unwrap_or_default().into_iter().collect();
        let now = answer.configuration.unwrap_or_else(|| FunctionConfiguration::builder().build());
        let name = now.function_name.unwrap_or_default();
        let environment = now.environment;
        if let Some(error) = environment.as_ref().and_then(|environment| environment.error()) {
            let code = error.error_code().unwrap_or("error");
            return Err(Error::new(format!("{code} on the environment variables of the function {name}"))
                .hint("the variables are encrypted with your own key: allow kms:Decrypt on that key"));
        }
        let variables = environment.and_then(|environment| environment.variables).unwrap_or_default();
        let log_group = now.logging_config.and_then(|logging| logging.log_group);
        Ok(Some(Function {
            arn: arn.to_owned(),
            code: now.code_sha256.unwrap_or_default(),
            role: now.role.unwrap_or_default(),
            log_group: log_group.unwrap_or_else(|| format!("/aws/lambda/{name}")),
            name,
            tags,
            webhooks: webhooks(variables, hosts),
        }))
    }

    /// Returns, in words, everything besides that rule that triggers the function, and its aliases. Callers that are allowed by
    /// IAM alone are not included: no call lists them.
    ///
    /// # Errors
    /// If a call fails, or the function's resource policy is not understood.
    pub async fn other_triggers(&self, function: &Function, rule_arn: &str) -> Result<Vec<String>> {
        let answer = self.lambda.get_policy().function_name(&function.arn).send().await;
        let policy = match answer.map_err(fault("lambda:GetPolicy")) {
            Err(fault) if is_absent(&fault) => None,
            answer => answer?.policy,
        };
        let mut triggers = policy.map_or(Ok(Vec::new()), |policy| let_in(&policy, rule_arn))?;
        let call = self.lambda.list_event_source_mappings().function_name(&function.arn);
        let mut mappings = call.into_paginator().items().send();
        while let Some(mapping) = mappings.next().await {
            let mapping = mapping.map_err(fault("lambda:ListEventSourceMappings"))?;
            triggers.push(match (mapping.event_source_arn, mapping.uuid) {
                (Some(source), _) => format!("it receives events from {source}"),
                // An event source outside AWS has no ARN.
                (None, id) => format!("it has the event source mapping {}", id.unwrap_or_default()),
            });
        }
        let mut aliases = self.lambda.list_aliases().function_name(&function.arn).into_paginator().items().send();
        while let Some(alias) = aliases.next().await {
            let alias = alias.map_err(fault("lambda:ListAliases"))?;
            triggers.push(format!("its alias {} would be deleted, too", alias.name.unwrap_or_default()));
        }
        Ok(triggers)
    }

    /// Disables the rule, which otherwise stays as it was. A rule that no longer exists is no error.
    ///
    /// # Errors
    /// If the call fails, or on interruption.
    pub async fn disable(&self, rule: &str) -> Result<()> {
        let call = || async {
            match self.events.disable_rule().name(rule).send().await.map_err(fault("events:DisableRule")) {
                Err(fault) if is_absent(&fault) => Ok(()),
                outcome => outcome.map(drop),
            }
        };
        self.waiter.retry(&Id::new(Kind::Rule, rule), CONFLICT, conflict, call).await
    }

    /// Removes the rule with its targets.
    ///
    /// # Errors
    /// If a call fails, or on interruption.
    pub async fn remove_rule(&self, rule: &str, stack: &StackName) -> Result<()> {
        let adapter = RuleAdapter {
            events: self.events.clone(),
            waiter: self.waiter.clone(),
            identity: Arc::clone(&self.identity),
            prefix: rule.to_owned(),
            listed: Joined::default(),
            lists: Lists::default(),
        };
        let at = Address { id: Id::new(Kind::Rule, rule), name: rule.to_owned(), stack: stack.clone() };
        match adapter.read(&at).await? {
            Some(found) => {
                adapter.stop(&at, &found.spec).await?;
                adapter.delete(&at, &found.spec).await
            }
            None => Ok(()),
        }
    }

    /// Removes the function with all its versions; its role and its log group stay.
    ///
    /// # Errors
    /// If the call fails, or on interruption.
    pub async fn remove_function(&self, function: &Function) -> Result<()> {
        let call = || async {
            let call = self.lambda.delete_function().function_name(&function.arn);
            match call.send().await.map_err(fault("lambda:DeleteFunction")) {
                Err(fault) if is_absent(&fault) => Ok(()),
                outcome => outcome.map(drop),
            }
        };
        self.waiter.retry(&Id::new(Kind::Function, &function.name), CONFLICT, conflict, call).await
    }
}

fn normal(rule: SdkRule) -> Rule {
    Rule {
        name: rule.name.unwrap_or_default(),
        arn: rule.arn.unwrap_or_default(),
        pattern: rule.event_pattern,
        state: rule.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        schedule: rule.schedule_expression,
        managed_by: rule.managed_by,
    }
}

/// Returns the values that are webhooks of Slack, Teams or Discord; if there are none, the URLs of other hosts, if `hosts` allows
/// them.
fn webhooks(variables: impl IntoIterator<Item = (String, String)>, hosts: WebhookHosts) -> Vec<(String, Webhook)> {
    let mut variables: Vec<(String, String)> = variables.into_iter().collect();
    variables.sort();
    let of = |hosts: WebhookHosts| {
        let mut found: Vec<(String, Webhook)> = Vec::new();
        for (name, value) in &variables {
            // AWS's own sample functions store the webhook without the scheme.
            let text = if value.contains("://") { value.clone() } else { format!("https://{value}") };
            if let Ok(webhook) = config::webhook(&text, hosts)
                && (value.contains("://") || hosts == WebhookHosts::Known)
                && !found.iter().any(|(_, known)| *known == webhook)
            {
                found.push((name.clone(), webhook));
            }
        }
        found
    };
    match of(WebhookHosts::Known) {
        found if found.is_empty() => of(hosts),
        found => found,
    }
}

/// Returns, in words, the statements of a resource policy that allow others than this rule.
fn let_in(policy: &str, rule_arn: &str) -> Result<Vec<String>> {
    let document: Value = serde_json::from_str(policy).map_err(|error| not_understood().because(error))?;
    let statements = document["Statement"].as_array().ok_or_else(not_understood)?;
    let others = statements.iter().filter(|statement| !lets_in_only(statement, rule_arn));
    let told = others.map(|statement| {
        let id = statement["Sid"].as_str().unwrap_or("without a name");
        format!("the statement {id} of its resource policy allows others than this rule")
    });
    Ok(told.collect())
}

fn not_understood() -> Error {
    Error::new("its resource policy is not understood")
}

/// Condition operators that require a value. Others also allow a caller without the value (`…IfExists`), or every other caller
/// (`…Not…`).
const ASKING: [&str; 4] = ["arnequals", "arnlike", "stringequals", "stringlike"];

/// Returns whether the statement denies, or has a condition on the caller that names this rule alone.
fn lets_in_only(statement: &Value, rule_arn: &str) -> bool {
    let conditions = statement["Condition"].as_object().into_iter().flatten();
    let asking = conditions.filter(|(operator, _)| ASKING.contains(&operator.to_lowercase().as_str()));
    let keys = asking.flat_map(|(_, keys)| keys.as_object().into_iter().flatten());
    let mut sources = keys.filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn")).map(|(_, value)| value);
    let is_rule = |value: &Value| match value {
        Value::Array(values) => !values.is_empty() && values.iter().all(|value| value == rule_arn),
        value => value == rule_arn,
    };
    statement["Effect"] == "Deny" || sources.next().is_some_and(|first| is_rule(first) && sources.all(is_rule))
}

fn is_absent(fault: &Fault) -> bool {
    fault.is(&["ResourceNotFoundException"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(variables: &[(&str, &str)], hosts: WebhookHosts) -> Vec<String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        webhooks(variables, hosts).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn webhook_is_recognised_by_its_value() {
        let slack = "https://hooks.slack.com/services/T0/B0/x";
        let other = ("API", "https://api.example/v1");
        assert_eq!(found(&[("HOOK", slack), other, ("CHANNEL", "#ops")], WebhookHosts::Any), ["HOOK"]);
        assert_eq!(found(&[("A", slack), ("B", slack)], WebhookHosts::Known), ["A"]);
        assert_eq!(found(&[("A", slack), ("B", &format!("{slack}y"))], WebhookHosts::Known), ["A", "B"]);
        assert_eq!(found(&[("A", "hooks.slack.com/services/T0/B0/x")], WebhookHosts::Known), ["A"]);
        assert_eq!(found(&[other], WebhookHosts::Known), [""; 0]);
        assert_eq!(found(&[other, ("CHANNEL", "ops")], WebhookHosts::Any), ["API"]);
    }

    #[test]
    fn statement_is_exclusive_only_if_it_names_the_rule() {
        let rule = "arn:aws:events:us-east-1:123456789012:rule/old";
        let with = |condition: Value| lets_in_only(&json!({ "Effect": "Allow", "Condition": condition }), rule);
        assert!(with(json!({ "ArnLike": { "AWS:SourceArn": rule } })));
        assert!(with(json!({ "ArnEquals": { "aws:SourceArn": [rule] } })));
        assert!(!with(json!({ "ArnLike": { "AWS:SourceArn": "arn:aws:events:us-east-1:123456789012:rule/*" } })));
        assert!(!with(json!({ "StringEquals": { "AWS:SourceAccount": "123456789012" } })));
        assert!(!with(json!({ "ArnNotEquals": { "aws:SourceArn": rule } })));
        assert!(!with(json!({ "ArnLikeIfExists": { "aws:SourceArn": rule } })));
        assert!(!with(Value::Null));
    }

    #[test]
    fn unreadable_resource_policy_is_an_error() {
        let told = |policy: &str| let_in(policy, "arn:aws:events:us-east-1:123456789012:rule/old");
        for policy in ["", "{", "{}", r#"{"Statement":{"Sid":"api"}}"#, r#"{"Statement":"none"}"#] {
            assert_eq!(told(policy).unwrap_err().to_string(), "its resource policy is not understood", "{policy}");
        }
        assert_eq!(told(r#"{"Statement":[]}"#).unwrap(), [""; 0]);
        assert_eq!(told(r#"{"Statement":[{"Sid":"api"}]}"#).unwrap().len(), 1);
    }
}
