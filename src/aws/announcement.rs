//! What the notifier has noted of a task and of its failure, as `lambda/table.mjs` writes it: read, to tell why it is silent.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use super::clients;
use super::fault::{Fault, fault};

type Item = HashMap<String, AttributeValue>;

/// What `announcements.mjs` looks at: `subject` and `failure`, each null where nothing was noted, or there is no such table.
///
/// # Errors
/// If the call fails.
pub async fn noted(sdk: &SdkConfig, table: &str, subject: &str, failure: &str) -> Result<Value, Fault> {
    let client = clients::dynamodb(sdk);
    let (subject, failure) = tokio::join!(item(&client, table, subject), item(&client, table, failure));
    Ok(json!({ "subject": subject?.map(|item| subject_of(&item)), "failure": failure?.map(|item| failure_of(&item)) }))
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
    json!({ "failure": text(item, "failureKey"), "since": number(item, "startedMs"), "settled": settled })
}

fn failure_of(item: &Item) -> Value {
    let count = |name: &str| number(item, name);
    json!({
        "since": count("startedMs"), "count": count("occurrences"), "told": count("toldOccurrences"),
        "earlier": count("earlierOccurrences"), "holder": text(item, "heldBy"), "heldUntil": count("heldUntilMs"),
    })
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn number(item: &Item, name: &str) -> u64 {
    item.get(name).and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or_default()
}
