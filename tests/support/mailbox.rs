//! Holds the messages of the queue of undelivered events, on the tests' own clock: a received message becomes visible again when
//! its time is over, and a receipt is valid only for the receive that returned it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::aws::error;
use crate::support::strict::rewrite;

/// The messages of one queue. As in SQS, only the last receipt of a message is valid.
#[derive(Debug, Clone, Default)]
pub struct Mailbox(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    messages: Vec<Message>,
    sent: u64,
    receipts: u64,
    /// The messages that the queue counts in excess, because SQS counts approximately, and the time at which they disappear.
    counts: Option<(usize, Instant)>,
}

#[derive(Debug, Clone)]
struct Message {
    number: u64,
    body: String,
    attributes: Value,
    receipt: String,
    held_until: Instant,
}

/// The base of the sent times, in milliseconds since 1970: the nth message (from 1) came n seconds later.
const FIRST: u64 = 1_795_000_000_000;

impl Mailbox {
    pub fn send(&self, body: &str, attributes: Value) {
        let mut kept = self.0.lock().unwrap();
        kept.sent += 1;
        let number = kept.sent;
        let (body, held_until) = (body.to_owned(), Instant::now());
        kept.messages.push(Message { number, body, attributes, receipt: String::new(), held_until });
    }

    pub fn empty(&self) {
        self.0.lock().unwrap().messages.clear();
    }

    /// Lets the queue count `more` additional messages for this time.
    pub fn count_late(&self, more: usize, time: Duration) {
        self.0.lock().unwrap().counts = Some((more, Instant::now() + time));
    }

    /// Returns the bodies of all messages, oldest first, each with whether a caller would receive it now.
    pub fn messages(&self) -> Vec<(String, bool)> {
        let kept = self.0.lock().unwrap();
        kept.messages.iter().map(|message| (message.body.clone(), message.held_until <= Instant::now())).collect()
    }

    pub fn answer(&self, action: &str, request: &HttpRequest) -> Option<HttpResponse> {
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let answer = match action {
            "sqs:SendMessage" => {
                self.send(body["MessageBody"].as_str().unwrap(), body["MessageAttributes"].clone());
                Ok(json!({ "MessageId": "x" }))
            }
            "sqs:ReceiveMessage" => Ok(self.0.lock().unwrap().receive(&body)),
            "sqs:ChangeMessageVisibility" => self.0.lock().unwrap().hold(&body),
            "sqs:DeleteMessage" => {
                self.0.lock().unwrap().messages.retain(|message| json!(message.receipt) != body["ReceiptHandle"]);
                Ok(json!({}))
            }
            "sqs:PurgeQueue" => {
                self.0.lock().unwrap().messages.clear();
                Ok(json!({}))
            }
            _ => return None,
        };
        Some(match answer {
            Ok(body) => HttpResponse::new(200.try_into().unwrap(), SdkBody::from(body.to_string())),
            Err(code) => error(action, 400, code, "the receipt does not fit the message"),
        })
    }

    /// Puts the number of messages into those attributes of the answer that the caller asked for.
    pub fn count(&self, answer: HttpResponse) -> HttpResponse {
        let messages = self.messages();
        let visible = messages.iter().filter(|(_, visible)| *visible).count();
        let late =
            self.0.lock().unwrap().counts.filter(|(_, until)| Instant::now() < *until).map_or(0, |(more, _)| more);
        rewrite(answer, |text| {
            let mut body: Value = serde_json::from_str(&text).unwrap();
            let counts = [("", visible + late), ("NotVisible", messages.len() - visible)];
            for (kind, count) in counts {
                let name = format!("ApproximateNumberOfMessages{kind}");
                if !body["Attributes"][&name].is_null() {
                    body["Attributes"][name] = json!(count.to_string());
                }
            }
            body.to_string()
        })
    }
}

impl Kept {
    /// Returns as many messages as the caller asked for, not in the order in which they came.
    fn receive(&mut self, asked: &Value) -> Value {
        let Self { messages, receipts, .. } = self;
        let hold = Duration::from_secs(asked["VisibilityTimeout"].as_u64().unwrap());
        let visible = messages.iter_mut().rev().filter(|message| message.held_until <= Instant::now());
        let given = visible.take(usize::try_from(asked["MaxNumberOfMessages"].as_u64().unwrap()).unwrap());
        let given = given.map(|message| {
            *receipts += 1;
            message.receipt = format!("receipt-{receipts}");
            message.held_until = Instant::now() + hold;
            json!({
                "MessageId": format!("{:08}", message.number),
                "ReceiptHandle": message.receipt,
                "Body": message.body,
                "Attributes": { "SentTimestamp": (FIRST + 1000 * message.number).to_string() },
                "MessageAttributes": message.attributes,
            })
        });
        json!({ "Messages": given.collect::<Vec<_>>() })
    }

    fn hold(&mut self, asked: &Value) -> Result<Value, &'static str> {
        let fits = |message: &&mut Message| json!(message.receipt) == asked["ReceiptHandle"];
        let message = self.messages.iter_mut().find(fits).ok_or("ReceiptHandleIsInvalid")?;
        if message.held_until <= Instant::now() {
            // The SDK passes both spellings on.
            let codes = ["AWS.SimpleQueueService.MessageNotInflight", "MessageNotInflight"];
            return Err(codes[usize::from(message.number.is_multiple_of(2))]);
        }
        message.held_until = Instant::now() + Duration::from_secs(asked["VisibilityTimeout"].as_u64().unwrap());
        Ok(json!({}))
    }
}
