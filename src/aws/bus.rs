//! Events of our own on the default bus.

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde_json::Value;

use super::fault::{Fault, fault};
use super::{clients, rule};
use crate::error::Result;

/// Puts one event on the bus; the id it has got.
///
/// # Errors
/// Also for an entry that EventBridge refuses within a successful answer.
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
        clients::eventbridge(sdk).put_events().entries(entry).send().await.map_err(fault("events:PutEvents"))?;
    match answer.entries().iter().find(|entry| entry.error_code().is_some()) {
        Some(entry) => Err(Fault::of_entry("events:PutEvents", entry.error_code(), entry.error_message())),
        None => Ok(answer.entries().first().and_then(|entry| entry.event_id()).unwrap_or_default().to_owned()),
    }
}

/// Whether EventBridge itself would let the pattern, in the normal form of a rule, take the event.
///
/// # Errors
/// If the pattern is not valid for it, or the call fails.
pub async fn would_match(sdk: &SdkConfig, pattern: &Value, event: &Value) -> Result<bool, Fault> {
    let call =
        clients::eventbridge(sdk).test_event_pattern().event_pattern(rule::written(pattern)).event(event.to_string());
    Ok(call.send().await.map_err(fault("events:TestEventPattern"))?.result())
}
