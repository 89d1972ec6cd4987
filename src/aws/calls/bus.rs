//! Puts taskbell's own events on the default bus, lists the rules on it, and asks EventBridge whether a pattern matches.

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, Rule as SdkRule, RuleState};
use serde_json::Value;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};
use crate::aws::kinds::lists::rules_on_bus;
use crate::aws::kinds::rule;
use crate::error::Result;
use crate::pattern;
use crate::stack::NAMES;

/// A rule on the default bus, of any owner: the parts that decide whether there is room for others, and whether others alert on the
/// same events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub name: String,
    pub description: String,
    pub is_enabled: bool,
    pub has_wildcard: bool,
    /// The pattern without repeated fields; null: a rule with a schedule.
    pub pattern: Value,
}

/// Returns all rules on the default bus.
///
/// # Errors
/// If the call fails.
pub async fn rules(sdk: &SdkConfig) -> Result<Vec<Rule>, Fault> {
    Ok(rules_on_bus(&client::eventbridge(sdk), None).await?.into_iter().map(of).collect())
}

/// Returns the rules on the default bus whose names begin as those of stacks do.
///
/// # Errors
/// If the call fails.
pub async fn of_stacks(sdk: &SdkConfig) -> Result<Vec<Rule>, Fault> {
    Ok(rules_on_bus(&client::eventbridge(sdk), Some(NAMES)).await?.into_iter().map(of).collect())
}

fn of(rule: SdkRule) -> Rule {
    let pattern = rule.event_pattern.map_or(Value::Null, |text| pattern::meaning(&pattern::normal(&text)));
    Rule {
        is_enabled: rule.state != Some(RuleState::Disabled),
        name: rule.name.unwrap_or_default(),
        description: rule.description.unwrap_or_default(),
        has_wildcard: pattern::has_wildcard(&pattern),
        pattern,
    }
}

/// Puts one event on the bus and returns its id.
///
/// # Errors
/// If the call fails, or a successful answer says that EventBridge refused the entry.
pub async fn put(
    sdk: &SdkConfig,
    source: &str,
    detail_type: &str,
    resources: &[String],
    detail: &Value,
) -> Result<String, Fault> {
    let entry = PutEventsRequestEntry::builder()
        .source(source)
        .detail_type(detail_type)
        .set_resources(Some(resources.to_vec()))
        .detail(detail.to_string())
        .build();
    let answer =
        client::eventbridge(sdk).put_events().entries(entry).send().await.map_err(fault("events:PutEvents"))?;
    match answer.entries().iter().find(|entry| entry.error_code().is_some()) {
        Some(entry) => Err(Fault::of_entry("events:PutEvents", entry.error_code(), entry.error_message())),
        None => Ok(answer.entries().first().and_then(|entry| entry.event_id()).unwrap_or_default().to_owned()),
    }
}

/// Returns whether EventBridge itself says that the event matches the pattern, which has the normal form of a rule.
///
/// # Errors
/// If EventBridge does not accept the pattern, or the call fails.
pub async fn would_match(sdk: &SdkConfig, pattern: &Value, event: &Value) -> Result<bool, Fault> {
    let call =
        client::eventbridge(sdk).test_event_pattern().event_pattern(rule::written(pattern)).event(event.to_string());
    Ok(call.send().await.map_err(fault("events:TestEventPattern"))?.result())
}
