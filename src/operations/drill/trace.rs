//! Determines the hops of a drill after the bus from the notifier's log and the entries of the queue. Decides from what was read;
//! makes no call.

use serde_json::Value;

use crate::aws::calls::journal::{Delivery, Line, Said, deliveries, failures};
use crate::aws::calls::undelivered::{AT_ONCE, Content, Entry};
use crate::error::Hint;
use crate::operations::check::{Check, Held};
use crate::stack::Stack;

/// The marks of a drill: the id from EventBridge, and the invented task, because a put that was made twice has two ids.
#[derive(Debug, Clone)]
pub struct Sent {
    pub event_id: String,
    pub task: String,
    /// Milliseconds since 1970.
    pub at: i64,
}

impl Sent {
    /// Checks whether a line of the notifier's log is about this drill.
    fn is_of(&self, entry: &Value) -> bool {
        entry["eventId"] == *self.event_id || entry["taskId"] == *self.task
    }
}

/// Returns the hops after the bus, as soon as the last one is known. Several rules may have matched the drill: a delivery outranks
/// a failure, and an invocation that waits for another one logs nothing.
#[must_use]
pub fn arrival(lines: &[Line], entries: &[Entry], sent: &Sent, stack: &Stack) -> Option<Vec<Check>> {
    let told = |outcomes: &[&str]| {
        lines.iter().find_map(|line| match &line.said {
            Said::Entry(entry) if sent.is_of(entry) => {
                let outcome = entry["outcome"].as_str().unwrap_or_default();
                outcomes.contains(&outcome).then(|| of_entry(entry, line.at - sent.at, stack))
            }
            _ => None,
        })
    };
    let of_task = |event: &Value| event["detail"]["taskArn"].as_str().is_some_and(|arn| arn.ends_with(&sent.task));
    let undelivered = || {
        entries.iter().find_map(|entry| match &entry.content {
            Content::Event { event, why } if event["id"] == *sent.event_id || of_task(event) => {
                let hint =
                    "fix the differences that `taskbell drift` shows; then `taskbell replay` sends the alerts in";
                let told = format!("did not handle the event, which is in the queue: {why}");
                Some(vec![Check::broken("notifier", told, format!("{hint} {}", stack.queue_name()))])
            }
            _ => None,
        })
    };
    told(&["sent", "sent-plain"]).or_else(|| told(&["failed", "silent"])).or_else(undelivered)
}

/// Returns the hops that a line of the notifier's log describes.
fn of_entry(entry: &Value, after: i64, stack: &Stack) -> Vec<Check> {
    let milliseconds = |name: &str| entry["ms"][name].as_i64();
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    // Clocks differ: a notifier that seems to begin before the drill was sent began at once.
    let started = (after - milliseconds("total").unwrap_or_default()).max(0);
    let ran = Check::holds("notifier", "started").took(started);
    match (text("outcome").as_str(), &deliveries(entry)[..]) {
        ("silent", _) => {
            let told = format!("skips the event: {}", text("silentBecause"));
            let hint = "`taskbell pattern list` shows for which events each pattern is silent; --scenario simulates another failure";
            vec![Check::broken("notifier", told, hint).took(started)]
        }
        (_, []) => {
            let told = format!("failed: {}", text("error"));
            vec![Check::broken("notifier", told, look_at_function(stack)).took(started)]
        }
        (_, [only]) if only.is_unread() => {
            let error = only.error.clone().unwrap_or_default();
            let hint = of_parameter(&error, stack);
            vec![ran, Check::broken("webhook", error, hint).took(milliseconds("secret"))]
        }
        (_, [only]) => {
            let read = Check::holds("webhook", "read").took(milliseconds("secret"));
            vec![ran, read, of_place(only, true, stack)]
        }
        (_, several) => {
            let mut hops: Vec<Check> = several.iter().map(|place| of_place(place, false, stack)).collect();
            // The last hop decides about the drill, so broken hops come last.
            hops.sort_by_key(|hop| hop.held != Held::Yes);
            std::iter::once(ran).chain(hops).collect()
        }
    }
}

/// The notifier's names of the kinds of destinations, with the names of their hops.
const PLACES: [(&str, &str); 5] =
    [("slack", "Slack"), ("teams", "Teams"), ("discord", "Discord"), ("sns", "SNS"), ("webhook", "signed")];

/// The name of the hop of a destination whose kind is not known, because its webhook could not be read.
pub const SOME: &str = "place";

/// Checks whether a hop of that name is a destination.
#[must_use]
pub fn is_place(hop: &str) -> bool {
    hop == SOME || PLACES.iter().any(|(_, known)| *known == hop)
}

/// Checks whether a hop of that name is a channel of a chat.
#[must_use]
pub fn is_channel(hop: &str) -> bool {
    ["Slack", "Teams", "Discord"].contains(&hop)
}

/// Returns the name of the hop of a destination of this kind.
#[must_use]
pub fn place_of(kind: Option<&str>) -> &'static str {
    PLACES.iter().find(|(known, _)| kind == Some(*known)).map_or(SOME, |(_, hop)| hop)
}

/// The name that the notifier gives the stack's own webhook.
const OWN: &str = "webhook";

/// Returns the hop of one destination. The stack's own webhook is not named if it is the only one.
fn of_place(place: &Delivery, is_only: bool, stack: &Stack) -> Check {
    let Delivery { name, kind, status, attempts, refused, error, .. } = place;
    let hop = place_of(kind.as_deref());
    let named = name.as_deref().filter(|name| !(is_only && *name == OWN && kind.is_some()));
    let named = |mark: &str| named.map(|name| format!("{name}{mark}")).unwrap_or_default();
    let error = error.as_deref().unwrap_or_default();
    let held = match place.outcome.as_str() {
        outcome @ ("sent" | "sent-plain") => {
            let answered = status.map_or_else(|| "accepted it".to_owned(), |status| format!("answered {status}"));
            let attempts = attempts.filter(|attempts| *attempts > 1);
            let attempts = attempts.map(|attempts| format!(" at attempt {attempts}")).unwrap_or_default();
            let plain = if outcome == "sent" {
                String::new()
            } else {
                let refused = refused.as_deref().unwrap_or_default();
                format!(", but only in one plain line: it refused the layout with {refused}")
            };
            Check::holds(hop, format!("{}{answered}{attempts}{plain}", named(" ")))
        }
        "already" => Check::holds(hop, format!("{}accepted it before", named(" "))),
        _ if place.is_unread() => Check::broken(hop, format!("{}{error}", named(": ")), of_parameter(error, stack)),
        _ => {
            let hint = of_answer(kind.as_deref().unwrap_or_default(), *status);
            Check::broken(hop, format!("{}{error}", named(": ")), hint)
        }
    };
    held.took(place.milliseconds)
}

/// Returns the fix for a parameter that could not be read.
fn of_parameter(error: &str, stack: &Stack) -> String {
    let (own, role) = (stack.parameter_name(), stack.role_name());
    match error.contains(&own) {
        true => format!("`taskbell drift` shows whether {own} or the role {role} changed"),
        false => {
            "you own this parameter: create it as a SecureString and allow the notifier's role to use its key, or run `setup` with another name"
                .to_owned()
        }
    }
}

/// Explains the answer of Slack, or of another destination.
fn of_answer(kind: &str, status: Option<i64>) -> &'static str {
    match status {
        Some(403 | 404) if kind == "sns" => {
            "the topic no longer exists, or its policy does not allow the notifier's role to publish: `setup` with another --to removes this destination"
        }
        Some(403 | 404 | 410) => {
            "the webhook is no longer valid: put a new one into TASKBELL_SLACK_WEBHOOK_URL and run `taskbell setup` with the \
             same flags; if you own the parameter, write the new webhook into it yourself"
        }
        Some(400..=428 | 430..=499) => {
            "the destination refuses this message, and would refuse it again: read its answer"
        }
        _ => "Lambda retries after one minute and after two; then the event is in the queue for `taskbell replay`",
    }
}

fn look_at_function(stack: &Stack) -> String {
    format!("`taskbell drift` shows whether the function changed; its log is {}", stack.log_group_name())
}

/// The results of the last reads, if they contained nothing about the drill.
#[derive(Debug, Default)]
pub struct Looks {
    pub lines: Vec<Line>,
    /// The reason why the log could not be read.
    pub log: Option<Unread>,
    /// The reason why the queue could not be read.
    pub queue: Option<Unread>,
    /// The most entries that one read of the queue returned.
    pub entries: usize,
}

/// The reason why something could not be read, and the way to fix it, if one is known.
#[derive(Debug)]
pub struct Unread {
    pub reason: String,
    pub hint: Option<Hint>,
}

impl Unread {
    fn fix(&self) -> Hint {
        self.hint.clone().unwrap_or(Hint::Repair)
    }
}

/// Returns the hop at which the drill was lost.
#[must_use]
pub fn lost(looks: &Looks, seconds: u64, sent: &Sent, stack: &Stack) -> Check {
    let Looks { lines, log, queue, entries } = looks;
    let since: Vec<Line> = lines.iter().filter(|line| line.at >= sent.at - NEAR).cloned().collect();
    let is_of_another = |line: &&Line| matches!(&line.said, Said::Entry(entry) if !sent.is_of(entry));
    let others: Vec<Line> = since.iter().filter(is_of_another).cloned().collect();
    let words = |lines: &[Line]| failures(lines).into_iter().map(|(message, _)| message).collect::<Vec<_>>();
    let of_others = words(&others);
    // Lambda logs the error of a run again, without the event's id.
    let failed: Vec<String> = words(&since).into_iter().filter(|message| !of_others.contains(message)).collect();
    match (failed.is_empty(), log, queue) {
        (false, ..) if others.is_empty() => {
            Check::broken("notifier", format!("failed: {}", failed.join("; ")), look_at_function(stack))
        }
        (false, ..) => {
            let told =
                format!("reported nothing within {seconds} s; this or another event failed: {}", failed.join("; "));
            Check::unknown("notifier", told, look_at_function(stack))
        }
        (true, Some(log), _) => {
            let told = format!("the notifier's report could not be read: {}; the alert may be in Slack", log.reason);
            Check::unknown("notifier", told, log.fix())
        }
        (true, None, Some(queue)) => {
            let told = format!("reported nothing within {seconds} s; the queue could not be read: {}", queue.reason);
            Check::unknown("notifier", told, queue.fix())
        }
        (true, None, None) => {
            // A read of the queue returns only a sample of its entries.
            let lies = match *entries {
                0 => "the event is not in the queue",
                some if some < usize::from(AT_ONCE) => "the event was not seen in the queue",
                _ => "the event was not seen in the queue, which has more entries than a drill can read",
            };
            let another = match of_others.is_empty() {
                true => String::new(),
                false => format!("; another event failed: {}", of_others.join("; ")),
            };
            let (ran, late) = match since.iter().any(|line| line.said == Said::Began) {
                true => ("ran, but ", ""),
                false => ("", ": the account's concurrency limit may throttle Lambda, and the alert may still arrive"),
            };
            let hint = format!("{}; --timeout waits longer{late}", look_at_function(stack));
            Check::broken("notifier", format!("{ran}reported nothing within {seconds} s, and {lies}{another}"), hint)
        }
    }
}

/// The clock skew that is tolerated between synchronised machines, in milliseconds.
const NEAR: i64 = 2_000;
