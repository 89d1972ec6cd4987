//! Reads the alerts in the queue: events that EventBridge could not deliver, and events on which the notifier failed.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as System, QueueAttributeName};
use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};
use crate::aws::kinds::queue;

/// Most entries that SQS returns in one answer.
pub const AT_ONCE: u8 = 10;
/// Empty answers after which the queue counts as empty: a queue is spread over several hosts, and an answer comes from some of
/// them.
const EMPTY_ANSWERS: u32 = 2;
/// Wait of a request for entries; if a request waits, SQS answers it from all hosts.
const WAIT: Duration = Duration::from_secs(1);
const CALLS_AT_ONCE: usize = 10;
/// Errors of SQS after the hold has ended: the next request receives the entry anyway.
const NOT_HELD: [&str; 2] = ["MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"];

/// An entry of the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub id: String,
    /// The handle that deletes the entry, valid for this receipt only.
    receipt: String,
    /// Time at which the entry came to the queue, in milliseconds since 1970.
    pub at: i64,
    pub content: Content,
}

/// The content of an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The event, and the reason why it is in the queue.
    Event { event: Value, why: String },
    /// A body that the notifier could not process.
    Unknown { body: String },
}

pub struct Undelivered {
    sqs: Client,
    url: String,
}

impl Undelivered {
    /// Opens the queue; none if no queue has that name.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn open(sdk: &SdkConfig, name: &str) -> Result<Option<Self>, Fault> {
        let sqs = client::sqs(sdk);
        match sqs.get_queue_url().queue_name(name).send().await.map_err(fault("sqs:GetQueueUrl")) {
            Err(fault) if fault.is(&queue::ABSENT) => Ok(None),
            answer => Ok(answer?.queue_url.map(|url| Self { sqs, url })),
        }
    }

    /// Returns up to ten entries, in no order, without holding them: other callers receive them too.
    ///
    /// # Errors
    /// If the call fails.
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

    /// Collects all entries into `entries`, oldest first, except entries that another caller holds at the moment. Requests no
    /// more once there are `most` entries. Counts an answer without a new entry as an empty one.
    /// Holds the entries for `hold`, so that nobody else receives them: even if this fails, or `stop` returns true, the caller
    /// has to release the entries collected so far.
    ///
    /// # Errors
    /// If a call fails.
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
                // SQS delivered the entry twice: the later receipt counts.
                entries.retain(|known| known.id != entry.id);
                entries.push(entry);
            }
            // If the hold ends before this loop, SQS returns known entries again and again.
            empty = if entries.len() == known { empty + 1 } else { 0 };
        }
        entries.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        Ok(())
    }

    /// Holds an entry for longer, from now on.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn hold(&self, entry: &Entry, hold: Duration) -> Result<(), Fault> {
        let call = self.sqs.change_message_visibility().queue_url(&self.url).receipt_handle(&entry.receipt);
        let call = call.visibility_timeout(seconds(hold));
        call.send().await.map_err(fault("sqs:ChangeMessageVisibility")).map(drop)
    }

    /// Releases entries, so that the next request receives them. Returns a fault for each entry that may still be held.
    pub async fn let_go(&self, entries: &[&Entry]) -> Vec<Fault> {
        let calls = entries.iter().map(|entry| self.hold(entry, Duration::ZERO));
        let answers = stream::iter(calls).buffer_unordered(CALLS_AT_ONCE).collect::<Vec<_>>().await;
        answers.into_iter().filter_map(Result::err).filter(|fault| !fault.is(&NOT_HELD)).collect()
    }

    /// # Errors
    /// If the call fails.
    pub async fn delete(&self, entry: &Entry) -> Result<(), Fault> {
        let call = self.sqs.delete_message().queue_url(&self.url).receipt_handle(&entry.receipt);
        call.send().await.map_err(fault("sqs:DeleteMessage")).map(drop)
    }

    /// Deletes all entries.
    ///
    /// # Errors
    /// If the call fails: SQS allows one in 60 seconds.
    pub async fn purge(&self) -> Result<(), Fault> {
        self.sqs.purge_queue().queue_url(&self.url).send().await.map_err(fault("sqs:PurgeQueue")).map(drop)
    }

    /// Returns the approximate number of entries, including those that somebody holds at the moment.
    ///
    /// # Errors
    /// If the call fails, or the answer has no number.
    pub async fn depth(&self) -> Result<u64, Fault> {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let call = self.sqs.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(counts.to_vec()));
        let attributes = call.send().await.map_err(fault("sqs:GetQueueAttributes"))?.attributes.unwrap_or_default();
        let count = |name| attributes.get(name).and_then(|count| count.parse::<u64>().ok());
        let sum = counts.iter().map(count).sum::<Option<u64>>();
        sum.ok_or_else(|| Fault::of_entry("sqs:GetQueueAttributes", None, Some("the answer has no number of messages")))
    }
}

fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}

fn entry(message: &Message) -> Entry {
    let attribute = |name: &str| message.message_attributes()?.get(name)?.string_value();
    let sent = message.attributes().and_then(|attributes| attributes.get(&System::SentTimestamp));
    let told = [attribute("ERROR_CODE"), attribute("ERROR_MESSAGE")];
    let body = message.body().unwrap_or_default();
    let occasion = Occasion { execution: attribute("EXECUTION_ID"), scheduled: attribute("SCHEDULED_TIME") };
    let body = occasion.filled_in(body);
    Entry {
        id: message.message_id().unwrap_or_default().to_owned(),
        receipt: message.receipt_handle().unwrap_or_default().to_owned(),
        at: sent.and_then(|text| text.parse().ok()).unwrap_or_default(),
        content: content(&body, &told.map(Option::unwrap_or_default)),
    }
}

/// The time of a schedule's request, as the attributes of the entry say it.
struct Occasion<'a> {
    execution: Option<&'a str>,
    scheduled: Option<&'a str>,
}

/// The parts of a schedule's input that Scheduler replaces when it invokes the target.
const EXECUTION: &str = "<aws.scheduler.execution-id>";
const SCHEDULED: &str = "<aws.scheduler.scheduled-time>";

impl Occasion<'_> {
    /// Returns the body with the id and the time of the request, which tell the notifier which deadline to check. AWS documents that
    /// Scheduler puts the request and these attributes into the queue, but not whether the request already contains them.
    fn filled_in(&self, body: &str) -> String {
        let pairs = [(EXECUTION, self.execution), (SCHEDULED, self.scheduled)];
        pairs.into_iter().fold(body.to_owned(), |body, (keyword, value)| match value {
            Some(value) if body.contains(keyword) => body.replace(keyword, &in_text(value)),
            _ => body,
        })
    }
}

/// Returns a value as it has to be inside of a text in JSON.
fn in_text(value: &str) -> String {
    let quoted = Value::from(value).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// Reads an entry of one of three shapes: EventBridge's and Scheduler's (the event itself, with the reason in attributes), Lambda's (a
/// record that contains the event), and that of a call of Invoke that Scheduler made (a request with the event as its payload).
fn content(body: &str, told: &[&str; 2]) -> Content {
    let unknown = || Content::Unknown { body: body.to_owned() };
    let Ok(mut object) = serde_json::from_str::<Value>(body) else { return unknown() };
    let is_event = |value: &Value| value["source"].is_string() && value["detail-type"].is_string();
    if is_event(&object) {
        return Content::Event { event: object, why: why_not(told) };
    }
    let payload = match &object["Payload"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        payload => payload.clone(),
    };
    if is_event(&payload) {
        return Content::Event { event: payload, why: why_not(told) };
    }
    if !is_event(&object["requestPayload"]) {
        return unknown();
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let why = text(&object["responsePayload"]["errorMessage"]).or_else(|| text(&object["requestContext"]["condition"]));
    let why = why.unwrap_or_else(|| "the notifier failed on it".to_owned());
    Content::Event { event: object["requestPayload"].take(), why }
}

/// Returns the reason that the attributes of an entry name.
fn why_not(told: &[&str; 2]) -> String {
    let why = told.iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join(": ");
    if why.is_empty() { "EventBridge could not deliver it".to_owned() } else { why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn both_shapes_are_read_and_other_bodies_kept() {
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

    #[test]
    fn request_of_a_schedule_gets_its_time_in_every_shape() {
        let input = json!({ "id": EXECUTION, "source": "taskbell.watch", "detail-type": "Deadline", "time": SCHEDULED, "detail": {} });
        let occasion = Occasion { execution: Some("d3c5"), scheduled: Some("2026-11-29T18:30:00Z") };
        let of = |body: &Value| content(&occasion.filled_in(&body.to_string()), &["AccessDeniedException", ""]);
        let call = json!({ "FunctionName": "f", "InvocationType": "Event", "Payload": input.to_string() });
        let open = json!({ "FunctionName": "f", "Payload": input });
        for body in [input.clone(), call, open] {
            let event = json!({ "id": "d3c5", "source": "taskbell.watch", "detail-type": "Deadline",
                "time": "2026-11-29T18:30:00Z", "detail": {} });
            assert_eq!(of(&body), Content::Event { event, why: "AccessDeniedException".to_owned() }, "{body}");
        }
        // A body that Scheduler has filled in stays unchanged, and no value of an attribute breaks it.
        let odd = Occasion { execution: Some("a\"b\\"), scheduled: None };
        let filled = odd.filled_in(&input.to_string());
        let event: Value = serde_json::from_str(&filled).unwrap();
        assert_eq!((&event["id"], &event["time"]), (&json!("a\"b\\"), &json!(SCHEDULED)));
        assert_eq!(occasion.filled_in("{}"), "{}");
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
        fn any_text_is_kept_as_it_is(body in "\\PC{0,200}") {
            prop_assert_eq!(content(&body, &["", ""]), Content::Unknown { body });
        }

        /// Finds an event unchanged in any surroundings; keeps any other body as it was.
        #[test]
        fn changed_record_keeps_its_event_or_its_whole_body(
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
