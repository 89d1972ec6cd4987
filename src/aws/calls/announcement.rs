//! Reads the notifier's records of a task and of its failure, as `lambda/memory/table.mjs` writes them: they explain a missing
//! alert.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};

type Item = HashMap<String, AttributeValue>;

/// Returns the record of a subject; null if there is no record or no such table.
///
/// # Errors
/// If the call fails.
pub async fn subject(sdk: &SdkConfig, table: &str, id: &str) -> Result<Value, Fault> {
    Ok(item(&client::dynamodb(sdk), table, id).await?.as_ref().map_or(Value::Null, subject_of))
}

/// Returns the record of a failure in one window. Read it after the subject, so that it is at least as new.
///
/// # Errors
/// If the call fails.
pub async fn window(sdk: &SdkConfig, table: &str, id: &str) -> Result<Value, Fault> {
    Ok(item(&client::dynamodb(sdk), table, id).await?.as_ref().map_or(Value::Null, window_of))
}

async fn item(client: &Client, table: &str, id: &str) -> Result<Option<Item>, Fault> {
    let key = AttributeValue::S(id.to_owned());
    let call = client.get_item().table_name(table).key("id", key).consistent_read(true);
    match call.send().await.map_err(fault("dynamodb:GetItem")) {
        Err(fault) if fault.is(&["ResourceNotFoundException"]) => Ok(None),
        answer => Ok(answer?.item),
    }
}

fn subject_of(item: &Item) -> Value {
    let settled = item.get("isSettled").and_then(|value| value.as_bool().ok()).copied().unwrap_or_default();
    let delivered = item.get("deliveredTo").and_then(|value| value.as_ss().ok()).cloned().unwrap_or_default();
    let unanswered = by_destination(item, "unanswered:", |name| {
        let number = |kind: &str| number(item, &format!("{kind}:{name}"));
        json!({
            "times": number("unanswered"), "at": number("unansweredMs"), "count": number("unansweredCount"),
            "told": number("unansweredTold"),
        })
    });
    json!({
        "failure": text(item, "failureKey").unwrap_or_default(), "since": number(item, "startedMs"), "settled": settled,
        "delivered": delivered, "unanswered": unanswered,
    })
}

fn window_of(item: &Item) -> Value {
    let count = |name: &str| number(item, name);
    json!({
        "since": count("startedMs"), "count": count("occurrences"), "earlier": count("earlierOccurrences"),
        "told": by_destination(item, "told:", |name| json!(count(&format!("told:{name}")))),
        "holder": text(item, "heldBy"), "heldUntil": count("heldUntilMs"),
    })
}

/// Returns the attributes of one kind, by the destination at the end of their names.
fn by_destination(item: &Item, kind: &str, of: impl Fn(&str) -> Value) -> Value {
    item.keys().filter_map(|name| name.strip_prefix(kind)).map(|name| (name.to_owned(), of(name))).collect()
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn number(item: &Item, name: &str) -> u64 {
    item.get(name).and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or_default()
}
