//! Reads the notifier's log: one JSON line for each event that it received, and Lambda's reports of runs that failed.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::OrderBy;
use futures_util::future::{try_join, try_join_all};
use serde_json::Value;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};

/// Most pages of a search: the time window of a drill contains a few lines.
const MOST_PAGES: usize = 20;
/// Streams that are searched for the latest lines, and lines that are read from each.
const STREAMS: i32 = 5;
const LINES: i32 = 200;
/// Largest distance between two lines of one run, in milliseconds.
const ONE_RUN: i64 = 60_000;
const ABSENT: [&str; 1] = ["ResourceNotFoundException"];

pub struct Journal {
    logs: Client,
    group: String,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Milliseconds since 1970.
    pub at: i64,
    pub said: Said,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// The notifier's line about an event: `eventId`, `outcome`, `error`, `destinations`, `ms` and so on.
    Entry(Value),
    /// The failure of a run of the function, in the words of the run.
    Failure(String),
    /// Lambda's report of the end of a failed run; the run's own words are mostly in another line.
    Ended(String),
    /// The start of a run.
    Began,
    Other,
}

/// The result of an alert at one destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// None in the line of an older notifier with one destination.
    pub name: Option<String>,
    /// `slack`, `teams`, `discord`, `sns` or `webhook`; none if the webhook could not be read.
    pub kind: Option<String>,
    /// `sent`, `sent-plain`, `failed`, `already` or `counted`.
    pub outcome: String,
    pub status: Option<i64>,
    pub attempts: Option<i64>,
    pub milliseconds: Option<i64>,
    /// The answer to a layout that the destination refused.
    pub refused: Option<String>,
    pub error: Option<String>,
}

impl Delivery {
    /// Reads the fields that every version of the notifier has in common.
    fn of(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let number = |name: &str| value[name].as_i64();
        Self {
            name: text("name"),
            kind: text("kind"),
            outcome: text("outcome").unwrap_or_default(),
            status: number("status"),
            attempts: number("attempts"),
            milliseconds: number("ms"),
            refused: text("refused"),
            error: text("error"),
        }
    }

    /// Returns whether the alert failed because the webhook could not be read.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.error.as_deref().is_some_and(|error| error.contains("could not read the webhook"))
    }
}

/// Kinds under which an older notifier logged the time of the post to its only destination.
const KINDS: [&str; 5] = ["slack", "teams", "discord", "sns", "webhook"];

/// Reads the deliveries of an entry, by a notifier of any version; empty if nothing was sent.
#[must_use]
pub fn deliveries(entry: &Value) -> Vec<Delivery> {
    match entry["destinations"].as_array() {
        Some(listed) => listed.iter().map(Delivery::of).collect(),
        None => only_delivery(entry).into_iter().collect(),
    }
}

/// Reads the line of an older notifier with one destination: `status`, `attempts` and `refused` at the top, and the time of the post
/// as `ms.slack` (or another kind). Lines of several destinations had `destinations` before, without `ms`.
fn only_delivery(entry: &Value) -> Option<Delivery> {
    let timed = KINDS.iter().find_map(|kind| Some((*kind, entry["ms"][kind].as_i64()?)));
    let only = Delivery { name: None, kind: None, milliseconds: None, ..Delivery::of(entry) };
    match (only.outcome.as_str(), timed) {
        ("sent" | "sent-plain" | "failed", Some((kind, milliseconds))) => {
            Some(Delivery { kind: Some(kind.to_owned()), milliseconds: Some(milliseconds), ..only })
        }
        ("sent" | "sent-plain", None) => Some(Delivery { kind: Some(KINDS[0].to_owned()), ..only }),
        ("failed", None) if only.is_unread() => Some(only),
        _ => None,
    }
}

impl Journal {
    #[must_use]
    pub fn new(sdk: &SdkConfig, group: String) -> Self {
        Self { logs: client::logs(sdk), group }
    }

    /// Returns the lines since `start`, in milliseconds since 1970.
    ///
    /// # Errors
    /// If the log group cannot be read, or does not exist.
    pub async fn since(&self, start: i64) -> Result<Vec<Line>, Fault> {
        let (mut lines, mut next) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let call = self.logs.filter_log_events().log_group_name(&self.group).start_time(start).set_next_token(next);
            let answer = call.send().await.map_err(fault("logs:FilterLogEvents"))?;
            lines.extend(answer.events().iter().filter_map(|event| Some(line(event.timestamp()?, event.message()?))));
            next = answer.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(lines)
    }

    /// Returns the last lines of the streams that were written to last, newest first; none if there is no log group.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn latest(&self) -> Result<Vec<Line>, Fault> {
        // CloudWatch updates the time of a stream's last line up to an hour late; a stream's name begins with its day.
        let streams = try_join(self.streams(OrderBy::LastEventTime), self.streams(OrderBy::LogStreamName)).await;
        let streams = match streams {
            Err(fault) if fault.is(&ABSENT) => return Ok(Vec::new()),
            streams => streams.map(|(one, other)| one.into_iter().chain(other).collect::<BTreeSet<_>>())?,
        };
        let mut lines = try_join_all(streams.into_iter().map(|stream| self.tail(stream))).await?.concat();
        lines.sort_by_key(|line| std::cmp::Reverse(line.at));
        Ok(lines)
    }

    /// Returns the names of the last streams in this order.
    async fn streams(&self, order: OrderBy) -> Result<Vec<String>, Fault> {
        let call = self.logs.describe_log_streams().log_group_name(&self.group).order_by(order).descending(true);
        let answer = call.limit(STREAMS).send().await.map_err(fault("logs:DescribeLogStreams"))?;
        Ok(answer.log_streams.into_iter().flatten().filter_map(|stream| stream.log_stream_name).collect())
    }

    async fn tail(&self, stream: String) -> Result<Vec<Line>, Fault> {
        let call = self.logs.get_log_events().log_group_name(&self.group).log_stream_name(stream).limit(LINES);
        let answer = match call.start_from_head(false).send().await.map_err(fault("logs:GetLogEvents")) {
            // The log group's retention has just deleted the stream.
            Err(fault) if fault.is(&ABSENT) => return Ok(Vec::new()),
            answer => answer?,
        };
        // Lines with the same time are in the order in which they were written.
        let lines = answer.events().iter().rev();
        Ok(lines.filter_map(|event| Some(line(event.timestamp()?, event.message()?))).collect())
    }
}

/// Returns the last failures, newest first: in the words of the run, and in Lambda's only if the run left none.
#[must_use]
pub fn failures(lines: &[Line]) -> Vec<(String, i64)> {
    let spoken = |line: &Line| match &line.said {
        Said::Entry(entry) if entry["outcome"] == "failed" => {
            Some(entry["error"].as_str().unwrap_or("no reason given").to_owned())
        }
        Said::Failure(message) => Some(message.clone()),
        _ => None,
    };
    let near = |at: i64| lines.iter().any(|line| (at - line.at).abs() <= ONE_RUN && spoken(line).is_some());
    let told = lines.iter().filter_map(|line| match &line.said {
        Said::Ended(message) if !near(line.at) => Some((message.clone(), line.at)),
        _ => Some((spoken(line)?, line.at)),
    });
    let mut seen = BTreeSet::new();
    let mut told: Vec<(String, i64)> = told.collect();
    told.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
    told.retain(|(message, _)| seen.insert(message.clone()));
    told
}

fn line(at: i64, text: &str) -> Line {
    Line { at, said: said(text) }
}

/// Parses a line. Lambda wraps the notifier's output into an object of its own; a local emulator may not.
fn said(text: &str) -> Said {
    let text = text.trim();
    let Some(outer) = text.find('{').and_then(|start| serde_json::from_str::<Value>(&text[start..]).ok()) else {
        let marks = ["Task timed out", "\tERROR\t", "Runtime exited"];
        // The format in which JavaScript prints an error: `TypeError: x is not a function`.
        let thrown = text.split_once(": ").is_some_and(|(kind, _)| kind.ends_with("Error") && !kind.contains(' '));
        return match marks.iter().any(|mark| text.contains(mark)) || thrown {
            true => Said::Failure(text.to_owned()),
            false if text.starts_with("START RequestId") => Said::Began,
            false => Said::Other,
        };
    };
    let message = &outer["message"];
    let inner = message.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let candidates = [Some(&outer), Some(message), inner.as_ref()];
    if let Some(entry) = candidates.into_iter().flatten().find(|value| value["outcome"].is_string()) {
        return Said::Entry(entry.clone());
    }
    if outer["type"] == "platform.start" {
        return Said::Began;
    }
    let failure = [&outer["errorMessage"], &message["errorMessage"]].into_iter().find_map(Value::as_str);
    let status = outer["record"]["status"].as_str().filter(|status| !["success"].contains(status));
    match (failure, status, outer["level"].as_str()) {
        (Some(message), ..) => Said::Failure(message.to_owned()),
        (_, Some(status), _) => Said::Ended(format!("the run ended with {status}")),
        (.., Some("ERROR" | "FATAL")) => Said::Failure(message.as_str().unwrap_or(text).to_owned()),
        _ => Said::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn entry_is_found_in_every_wrapping() {
        let entry = json!({ "eventId": "e", "outcome": "sent" });
        for text in [
            entry.to_string(),
            json!({ "timestamp": "t", "level": "INFO", "message": entry.to_string() }).to_string(),
            json!({ "timestamp": "t", "level": "INFO", "message": entry }).to_string(),
            format!("2026-11-24T00:00:00.000Z\tid\tINFO\t{entry}"),
        ] {
            assert_eq!(said(&text), Said::Entry(entry.clone()), "{text}");
        }
    }

    #[test]
    fn failed_run_is_read_in_lambdas_words() {
        let failure = |text: &str, told: &str| assert_eq!(said(text), Said::Failure(told.to_owned()));
        failure(r#"{"level":"ERROR","message":{"errorType":"Error","errorMessage":"no_service"}}"#, "no_service");
        let timeout = said(r#"{"type":"platform.report","record":{"status":"timeout"}}"#);
        assert_eq!(timeout, Said::Ended("the run ended with timeout".to_owned()));
        failure("2026 id Task timed out after 30.00 seconds", "2026 id Task timed out after 30.00 seconds");
        failure("TypeError: x is not a function", "TypeError: x is not a function");
        for began in ["START RequestId: 1 Version: $LATEST", r#"{"type":"platform.start","record":{}}"#] {
            assert_eq!(said(began), Said::Began);
        }
        for other in [
            r#"{"type":"platform.report","record":{"status":"success"}}"#,
            "END RequestId: 1",
            "an Error: x",
            "{",
            "null",
        ] {
            assert_eq!(said(other), Said::Other, "{other}");
        }
    }

    #[test]
    fn failures_have_lambdas_words_only_without_the_runs_own() {
        let at = |seconds: i64, said| Line { at: seconds * 1000, said };
        let ended = |status: &str| Said::Ended(format!("the run ended with {status}"));
        let lines = [
            at(900, ended("timeout")),
            at(501, ended("error")),
            at(500, Said::Failure("no_service".to_owned())),
            at(500, Said::Entry(json!({ "outcome": "failed", "error": "no_service" }))),
            at(1, Said::Entry(json!({ "outcome": "sent" }))),
        ];
        let told = failures(&lines);
        assert_eq!(told, [("the run ended with timeout".to_owned(), 900_000), ("no_service".to_owned(), 500_000)]);
    }

    #[test]
    fn deliveries_are_read_from_lines_of_every_notifier() {
        let slack = Delivery {
            name: Some("webhook".to_owned()),
            kind: Some("slack".to_owned()),
            outcome: "sent".to_owned(),
            status: Some(200),
            attempts: Some(2),
            milliseconds: Some(40),
            ..Delivery::default()
        };
        let now = json!({ "outcome": "sent", "ms": { "secret": 3, "post": 41, "total": 50 }, "destinations": [
            { "name": "webhook", "kind": "slack", "outcome": "sent", "status": 200, "attempts": 2, "ms": 40 },
        ] });
        assert_eq!(deliveries(&now), [slack]);
        for silent in ["silent", "duplicate", "counted", "busy", "failed"] {
            assert!(deliveries(&json!({ "outcome": silent, "destinations": [], "ms": { "total": 1 } })).is_empty());
        }
    }

    /// Reads the logs of stacks that an older taskbell set up.
    #[test]
    fn deliveries_are_read_from_lines_of_an_older_notifier() {
        // A single destination: the result is at the top, and the kind is the name of the time.
        let sent =
            json!({ "outcome": "sent", "status": 200, "attempts": 2, "ms": { "secret": 3, "teams": 40, "total": 50 } });
        let teams = Delivery {
            kind: Some("teams".to_owned()),
            outcome: "sent".to_owned(),
            status: Some(200),
            attempts: Some(2),
            milliseconds: Some(40),
            ..Delivery::default()
        };
        assert_eq!(deliveries(&sent), std::slice::from_ref(&teams));
        let failed = json!({ "outcome": "failed", "error": "Slack answered 404: no_service", "status": 404, "ms": { "slack": 30 } });
        let refused = deliveries(&failed).remove(0);
        assert_eq!((refused.kind.as_deref(), refused.status), (Some("slack"), Some(404)));
        assert_eq!(refused.error.as_deref(), Some("Slack answered 404: no_service"));
        let plain = json!({ "outcome": "sent-plain", "status": 200, "refused": "invalid_blocks", "ms": {} });
        assert_eq!(deliveries(&plain)[0].refused.as_deref(), Some("invalid_blocks"));
        let unread = json!({ "outcome": "failed", "error": "could not read the webhook from parameter /x: AccessDenied", "ms": { "secret": 9 } });
        assert!(deliveries(&unread)[0].is_unread());
        for nothing in ["failed", "silent", "duplicate", "counted", "busy"] {
            let error = "TASKBELL_WEBHOOK_PARAMETER is not set";
            assert!(deliveries(&json!({ "outcome": nothing, "error": error, "ms": { "total": 1 } })).is_empty());
        }
        // Several destinations: a list without times.
        let several = json!({ "outcome": "failed", "error": "1 of 2 destinations did not take it: …", "ms": { "post": 40 }, "destinations": [
            { "name": "webhook", "kind": "teams", "outcome": "sent", "status": 200, "attempts": 2 },
            { "name": "ops", "kind": null, "outcome": "failed", "error": "could not read the webhook from parameter /ops: x" },
        ] });
        let listed = deliveries(&several);
        assert_eq!(listed[0], Delivery { name: Some("webhook".to_owned()), milliseconds: None, ..teams });
        assert!(listed.len() == 2 && listed[1].kind.is_none() && listed[1].is_unread());
    }

    proptest! {
        #[test]
        fn any_line_can_be_read(text in "\\PC{0,200}") {
            let _ = said(&text);
        }

        /// Tries entries with any other contents of the line.
        #[test]
        fn outcome_is_found_among_other_contents(
            outcome in "[a-z]{1,8}", level in "\\PC{0,8}", other in "\\PC{0,8}", before in "[^{]{0,20}", wrapped in 0..3,
        ) {
            let entry = json!({ "outcome": outcome, "eventId": other, "error": { "errorMessage": level } });
            let line = match wrapped {
                0 => entry.clone(),
                1 => json!({ "level": level, "message": entry, "errorMessage": other }),
                _ => json!({ "level": "ERROR", "message": entry.to_string(), "record": { "status": other } }),
            };
            prop_assert_eq!(said(&format!("{before}{line}")), Said::Entry(entry));
            let cut: String = line.to_string().chars().take(12).collect();
            let _ = said(&cut);
        }
    }
}
