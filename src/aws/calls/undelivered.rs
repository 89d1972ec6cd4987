//! The alerts that lie in the queue: what EventBridge could not deliver, and what the notifier failed on.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as System, QueueAttributeName};
use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};
use crate::aws::kinds::queue;

/// SQS hands out so many at once.
pub const AT_ONCE: u8 = 10;
/// A queue is spread over several hosts, and an answer comes from some of them: empty answers before it counts as empty.
const EMPTY_ANSWERS: u32 = 2;
/// Who waits this long for an answer is given one from all hosts.
const WAIT: Duration = Duration::from_secs(1);
const CALLS_AT_ONCE: usize = 10;
/// The time of the hold is over: whoever asks next is handed it anyway.
const NOT_HELD: [&str; 2] = ["MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"];

/// One entry of the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub id: String,
    /// What deletes it: of this one time it was received.
    receipt: String,
    /// When it came to the queue, in milliseconds since 1970.
    pub at: i64,
    pub content: Content,
}

/// What an entry holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The event, and why it lies here.
    Event { event: Value, why: String },
    /// Nothing the notifier could take.
    Unknown { body: String },
}

pub struct Undelivered {
    sqs: Client,
    url: String,
}

impl Undelivered {
    /// None if there is no queue of that name.
    ///
    /// # Errors
    /// If SQS does not say.
    pub async fn open(sdk: &SdkConfig, name: &str) -> Result<Option<Self>, Fault> {
        let sqs = client::sqs(sdk);
        match sqs.get_queue_url().queue_name(name).send().await.map_err(fault("sqs:GetQueueUrl")) {
            Err(fault) if fault.is(&queue::ABSENT) => Ok(None),
            answer => Ok(answer?.queue_url.map(|url| Self { sqs, url })),
        }
    }

    /// Up to ten entries, in no order, without holding them: whoever else asks is handed them too.
    ///
    /// # Errors
    /// If SQS does not give them.
    pub async fn glance(&self) -> Result<Vec<Entry>, Fault> {
        self.receive(Duration::ZERO, Duration::ZERO).await
    }

    async fn receive(&self, hold: Duration, wait: Duration) -> Result<Vec<Entry>, Fault> {
        let call = self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(AT_ONCE.into());
        let call = call
            .visibility_timeout(seconds(hold))
            .wait_time_seconds(seconds(wait))
            .message_system_attribute_names(System::SentTimestamp)
            .message_attribute_names("All");
        let answer = call.send().await.map_err(fault("sqs:ReceiveMessage"))?;
        Ok(answer.messages().iter().map(entry).collect())
    }

    /// Puts all there are into `entries`, oldest first, but for those beyond `most` and those somebody else holds just now.
    /// An answer without any that is new counts as an empty one.
    /// Nobody else is handed them for the time of `hold`: also where this fails, or `stop` says to stop, whoever called has
    /// to let go of what came so far.
    ///
    /// # Errors
    /// If SQS does not give them.
    pub async fn collect(
        &self,
        hold: Duration,
        most: usize,
        stop: impl Fn() -> bool,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Fault> {
        let mut empty = 0;
        while empty < EMPTY_ANSWERS && entries.len() < most && !stop() {
            let some = self.receive(hold, WAIT).await?;
            let known = entries.len();
            for entry in some {
                // Delivered twice: the later receipt counts.
                entries.retain(|known| known.id != entry.id);
                entries.push(entry);
            }
            // Where the hold is over before the end, what is known already comes again and again.
            empty = if entries.len() == known { empty + 1 } else { 0 };
        }
        entries.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        Ok(())
    }

    /// Holds an entry for longer, from now on.
    ///
    /// # Errors
    /// If SQS does not do it.
    pub async fn hold(&self, entry: &Entry, hold: Duration) -> Result<(), Fault> {
        let call = self.sqs.change_message_visibility().queue_url(&self.url).receipt_handle(&entry.receipt);
        let call = call.visibility_timeout(seconds(hold));
        call.send().await.map_err(fault("sqs:ChangeMessageVisibility")).map(drop)
    }

    /// Lets go of entries, so that whoever asks next is handed them: those that are still held, and why.
    pub async fn let_go(&self, entries: &[&Entry]) -> Vec<Fault> {
        let calls = entries.iter().map(|entry| self.hold(entry, Duration::ZERO));
        let answers = stream::iter(calls).buffer_unordered(CALLS_AT_ONCE).collect::<Vec<_>>().await;
        answers.into_iter().filter_map(Result::err).filter(|fault| !fault.is(&NOT_HELD)).collect()
    }

    /// # Errors
    /// If SQS does not delete it.
    pub async fn delete(&self, entry: &Entry) -> Result<(), Fault> {
        let call = self.sqs.delete_message().queue_url(&self.url).receipt_handle(&entry.receipt);
        call.send().await.map_err(fault("sqs:DeleteMessage")).map(drop)
    }

    /// Deletes all there are.
    ///
    /// # Errors
    /// If SQS does not do it: it does once in 60 seconds.
    pub async fn purge(&self) -> Result<(), Fault> {
        self.sqs.purge_queue().queue_url(&self.url).send().await.map_err(fault("sqs:PurgeQueue")).map(drop)
    }

    /// About how many there are, those somebody holds just now too.
    ///
    /// # Errors
    /// If SQS does not say.
    pub async fn depth(&self) -> Result<u64, Fault> {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let call = self.sqs.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(counts.to_vec()));
        let attributes = call.send().await.map_err(fault("sqs:GetQueueAttributes"))?.attributes.unwrap_or_default();
        let count = |name| attributes.get(name).and_then(|count| count.parse::<u64>().ok());
        let sum = counts.iter().map(count).sum::<Option<u64>>();
        sum.ok_or_else(|| Fault::of_entry("sqs:GetQueueAttributes", None, Some("it did not say how many there are")))
    }
}

fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}

fn entry(message: &Message) -> Entry {
    let attribute = |name: &str| message.message_attributes()?.get(name)?.string_value();
    let sent = message.attributes().and_then(|attributes| attributes.get(&System::SentTimestamp));
    let told = [attribute("ERROR_CODE"), attribute("ERROR_MESSAGE")];
    Entry {
        id: message.message_id().unwrap_or_default().to_owned(),
        receipt: message.receipt_handle().unwrap_or_default().to_owned(),
        at: sent.and_then(|text| text.parse().ok()).unwrap_or_default(),
        content: content(message.body().unwrap_or_default(), &told.map(Option::unwrap_or_default)),
    }
}

/// Two shapes lie in one queue: EventBridge's (the event itself, and why as attributes) and Lambda's (a record with the event
/// in it).
fn content(body: &str, told: &[&str; 2]) -> Content {
    let unknown = || Content::Unknown { body: body.to_owned() };
    let Ok(mut object) = serde_json::from_str::<Value>(body) else { return unknown() };
    let is_event = |value: &Value| value["source"].is_string() && value["detail-type"].is_string();
    if is_event(&object) {
        let why = told.iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join(": ");
        let why = if why.is_empty() { "EventBridge could not deliver it".to_owned() } else { why };
        return Content::Event { event: object, why };
    }
    if !is_event(&object["requestPayload"]) {
        return unknown();
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let why = text(&object["responsePayload"]["errorMessage"]).or_else(|| text(&object["requestContext"]["condition"]));
    let why = why.unwrap_or_else(|| "the notifier failed on it".to_owned());
    Content::Event { event: object["requestPayload"].take(), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn both_shapes_are_understood_and_anything_else_is_kept_as_it_is() {
        let event = json!({ "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {} });
        let of = |body: &Value, code, message| content(&body.to_string(), &[code, message]);
        let is = |why: &str| Content::Event { event: event.clone(), why: why.to_owned() };
        assert_eq!(of(&event, "NO_PERMISSIONS", "not allowed"), is("NO_PERMISSIONS: not allowed"));
        assert_eq!(of(&event, "", ""), is("EventBridge could not deliver it"));
        let record =
            json!({ "version": "1.0", "requestContext": { "condition": "RetriesExhausted" }, "requestPayload": event });
        assert_eq!(of(&record, "", ""), is("RetriesExhausted"));
        let mut failed = record.clone();
        failed["responsePayload"] = json!({ "errorMessage": "Slack answered 404: no_service" });
        assert_eq!(of(&failed, "", ""), is("Slack answered 404: no_service"));
        for strange in ["", "{", "null", "[1]", r#"{"requestPayload":"x"}"#, r#"{"source":1,"detail-type":"x"}"#] {
            assert_eq!(content(strange, &["", ""]), Content::Unknown { body: strange.to_owned() });
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), "\\PC{0,8}".prop_map(Value::from)];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let name = prop_oneof!["source|detail-type|detail|errorMessage|condition", "\\PC{0,4}"];
            let fields = proptest::collection::btree_map(name, inner.clone(), 0..4);
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(Value::from),
                fields.prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_body_stops_the_reader_and_none_is_lost(body in "\\PC{0,200}") {
            prop_assert_eq!(content(&body, &["", ""]), Content::Unknown { body });
        }

        /// What is an event stays that event, whatever stands around it; anything else is kept as it was.
        #[test]
        fn of_a_record_that_was_changed_the_event_or_the_whole_is_kept(
            payload in any_json(), context in any_json(), response in any_json(), code in "\\PC{0,8}",
        ) {
            let is_event = |value: &Value| value["source"].is_string() && value["detail-type"].is_string();
            let record = json!({ "requestPayload": payload, "requestContext": context, "responsePayload": response });
            for body in [&payload, &record] {
                let event = [body, &body["requestPayload"]].into_iter().find(|value| is_event(value)).cloned();
                match content(&body.to_string(), &[&code, ""]) {
                    Content::Event { event: kept, why } => {
                        prop_assert_eq!(Some(kept), event);
                        prop_assert!(!why.is_empty() || body["responsePayload"]["errorMessage"] == "" || context["condition"] == "");
                    }
                    Content::Unknown { body: kept } => prop_assert_eq!((event, kept), (None, body.to_string())),
                }
            }
        }
    }
}
