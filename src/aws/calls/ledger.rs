//! Reads the ledgers of a stack's jobs from the stack's table, as the notifier writes them: one item for each job, with its last
//! ends. Derives everything else from the ends: the open failure, the usual duration.

use std::collections::{BTreeMap, HashMap};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::Deserialize;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};
use crate::config::starter::is_started_by;

/// The version of the ledgers that this module reads.
const VERSION: u64 = 1;
/// The beginning of the keys of ledgers, before the cluster and the name of the job.
const PREFIX: &str = "job ";
/// The cluster of a job that runs on another machine.
pub const ELSEWHERE: &str = "-";
/// The number of last successes that tell the usual duration.
const MEASURED: usize = 20;
/// The number of ends that the notifier keeps.
const MOST_ENDS: usize = 30;
/// The percentile of the durations that counts as usual.
const USUAL: usize = 95;

/// The ledgers of a stack.
#[derive(Debug, Default)]
pub struct Book {
    pub jobs: Vec<Entry>,
    /// Whether the whole table was read.
    pub is_whole: bool,
}

/// The ledgers of one job.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The name of the cluster, or [`ELSEWHERE`].
    pub cluster: String,
    pub name: String,
    /// The ledgers, or the reason why they are not understood.
    pub ledgers: Result<Ledgers, String>,
}

/// The ledger of a job, and those of its parts: the runs that one schedule starts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Ledgers {
    pub all: Ledger,
    /// The parts by the `startedBy` of their tasks.
    pub parts: BTreeMap<String, Ledger>,
}

/// The memory of a job.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Ledger {
    pub last_success: Option<End>,
    pub last_start: Option<String>,
    /// The latest ends, newest first.
    pub ends: Vec<End>,
    pub told: Told,
}

/// The end of one run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct End {
    /// The time as text, in UTC.
    pub at: String,
    pub task: String,
    pub ok: bool,
    pub seconds: Option<u64>,
    pub revision: Option<u64>,
    /// The cause of a failure.
    pub cause: Option<String>,
}

/// The announcements about a job.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Told {
    pub failure: Option<String>,
    /// The deadline that passed last without a success: its overdue run was announced, or its failure.
    pub overdue: Option<String>,
    pub recovered: Option<String>,
    /// The tasks that were announced as running for too long.
    pub running: Vec<String>,
    /// The deadline that was checked last, by the notifier's names of expectations (`keyOf` in `lambda/watch/deadline.mjs`).
    pub checked: BTreeMap<String, String>,
}

/// The failures of a job since its last success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFailure {
    /// The end of the earliest failure that the ledger keeps.
    pub since: String,
    pub count: usize,
    /// Whether there may have been more failures, which the ledger no longer keeps.
    pub is_least: bool,
    /// The cause of the last failure.
    pub cause: Option<String>,
}

/// The usual duration of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual {
    /// The 95th percentile of the durations, in seconds.
    pub seconds: u64,
    /// The number of runs that were measured.
    pub runs: usize,
}

/// The form of an item's JSON.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

type Item = HashMap<String, AttributeValue>;

/// Returns the ledgers of the table, sorted by cluster and name; none if the table does not exist. Reads at most `pages` pages of
/// the table, of 1 MB each: the table also has the announcements of single tasks, and DynamoDB has to read all of its items.
///
/// # Errors
/// If a call fails.
pub async fn book(sdk: &SdkConfig, table: &str, pages: usize) -> Result<Book, Fault> {
    let dynamodb = client::dynamodb(sdk);
    let (mut jobs, mut next) = (Vec::new(), None);
    for _ in 0..pages {
        let call = dynamodb
            .scan()
            .table_name(table)
            .filter_expression("begins_with(#id, :job)")
            .projection_expression("#id, #ledger")
            .expression_attribute_names("#id", "id")
            .expression_attribute_names("#ledger", "ledger")
            .expression_attribute_values(":job", AttributeValue::S(PREFIX.to_owned()))
            .set_exclusive_start_key(next.take());
        let page = match call.send().await.map_err(fault("dynamodb:Scan")) {
            Err(fault) if fault.is(&["ResourceNotFoundException"]) => return Ok(Book { jobs, is_whole: true }),
            page => page?,
        };
        jobs.extend(page.items.unwrap_or_default().iter().filter_map(entry));
        next = page.last_evaluated_key.filter(|key| !key.is_empty());
        if next.is_none() {
            break;
        }
    }
    jobs.sort_by(|one, other| (&one.cluster, &one.name).cmp(&(&other.cluster, &other.name)));
    Ok(Book { jobs, is_whole: next.is_none() })
}

fn entry(item: &Item) -> Option<Entry> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let (cluster, name) = text("id")?.strip_prefix(PREFIX)?.split_once('|')?;
    let ledgers = text("ledger").map_or_else(|| Err("it has no ledger".to_owned()), |text| ledgers(text));
    Some(Entry { cluster: cluster.to_owned(), name: name.to_owned(), ledgers })
}

/// Reads the JSON of a job's ledgers.
///
/// # Errors
/// If the text is not a ledger of the version that this module reads. The text is not repeated.
pub fn ledgers(text: &str) -> Result<Ledgers, String> {
    // The words of serde_json may contain the text.
    let unreadable = |error: serde_json::Error| {
        format!("its ledger cannot be read (line {}, column {})", error.line(), error.column())
    };
    let Versioned { version } = serde_json::from_str(text).map_err(unreadable)?;
    if version != VERSION {
        return Err(format!("its ledger has version {version}, which another version of taskbell wrote"));
    }
    let Ledgers { all, parts } = serde_json::from_str(text).map_err(unreadable)?;
    let parts = parts.into_iter().map(|(name, ledger)| (name, ledger.sorted())).collect();
    Ok(Ledgers { all: all.sorted(), parts })
}

impl Ledgers {
    /// Returns the ledger of the runs that a schedule starts, or of all runs if no schedule is named.
    #[must_use]
    pub fn of(&self, started_by: Option<&str>) -> Option<&Ledger> {
        match started_by {
            None => Some(&self.all),
            Some(name) => {
                // A schedule and a rule may have one name: the part with the newest end counts.
                let parts = self.parts.iter().filter(|(key, _)| is_started_by(key, name));
                parts.map(|(_, part)| part).max_by_key(|part| part.ends.first().and_then(End::millis))
            }
        }
    }
}

impl Ledger {
    fn sorted(mut self) -> Self {
        self.ends.sort_by(|one, other| (other.millis(), &other.task).cmp(&(one.millis(), &one.task)));
        self
    }

    /// Returns the failures since the last success.
    #[must_use]
    pub fn open_failure(&self) -> Option<OpenFailure> {
        let good = self.last_success.as_ref().and_then(End::millis);
        let is_open = |end: &&End| !end.ok && good.is_none_or(|good| end.millis().is_some_and(|at| at > good));
        let failures: Vec<&End> = self.ends.iter().filter(is_open).collect();
        let (latest, earliest) = (failures.first()?, failures.last()?);
        let count = failures.len();
        let (since, cause) = (earliest.at.clone(), latest.cause.clone());
        Some(OpenFailure { since, count, is_least: count >= MOST_ENDS, cause })
    }

    /// Returns the deadline that passed without a success, if the overdue run or its failure was announced and no success came since.
    #[must_use]
    pub fn overdue(&self) -> Option<&str> {
        let deadline = self.told.overdue.as_deref()?;
        let good = self.last_success.as_ref().and_then(End::millis);
        let is_over = good.is_some_and(|good| millis(deadline).is_none_or(|deadline| good > deadline));
        (!is_over).then_some(deadline)
    }

    /// Returns the usual duration of the last successes; none without a success whose duration is known.
    #[must_use]
    pub fn usual(&self) -> Option<Usual> {
        let mut durations: Vec<u64> =
            self.ends.iter().filter(|end| end.ok).filter_map(|end| end.seconds).take(MEASURED).collect();
        if durations.is_empty() {
            durations.extend(self.last_success.as_ref().and_then(|end| end.seconds));
        }
        durations.sort_unstable();
        let rank = (durations.len() * USUAL).div_ceil(100);
        let seconds = *durations.get(rank.checked_sub(1)?)?;
        Some(Usual { seconds, runs: durations.len() })
    }
}

impl End {
    /// Returns the time of the end in milliseconds since 1970.
    #[must_use]
    pub fn millis(&self) -> Option<i64> {
        millis(&self.at)
    }
}

/// Returns a time of a ledger in milliseconds since 1970.
#[must_use]
pub fn millis(text: &str) -> Option<i64> {
    DateTime::from_str(text, Format::DateTimeWithOffset).ok()?.to_millis().ok()
}

/// Returns a time, in milliseconds since 1970, as text in UTC.
#[must_use]
pub fn moment(millis: i64) -> String {
    DateTime::from_millis(millis).fmt(Format::DateTime).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn end(at: &str, ok: bool, seconds: u64) -> Value {
        json!({ "at": format!("2026-11-{at}:00:00Z"), "task": at, "ok": ok, "seconds": seconds, "revision": 18,
            "images": [{ "name": "web", "image": "x:v41", "digest": null }], "cause": if ok { None } else { Some("oom") } })
    }

    fn ledger(value: &Value) -> Ledger {
        ledgers(&json!({ "version": 1, "all": value, "parts": {} }).to_string()).unwrap().all
    }

    #[test]
    fn failures_since_the_last_success_are_open() {
        let of = |good: Value, ends: Value| ledger(&json!({ "lastSuccess": good, "ends": ends })).open_failure();
        let failures = json!([end("29T04", false, 1), end("29T03", false, 1), end("28T03", true, 400)]);
        let open = of(end("28T03", true, 400), failures.clone()).unwrap();
        assert_eq!((open.since.as_str(), open.count, open.is_least), ("2026-11-29T03:00:00Z", 2, false));
        assert_eq!(open.cause.as_deref(), Some("oom"));
        assert_eq!(of(end("29T05", true, 400), failures.clone()), None);
        // Without any success, all failures are open. The notifier keeps 30 ends: earlier failures may be forgotten.
        assert_eq!(of(Value::Null, json!([end("29T04", false, 1)])).unwrap().count, 1);
        let many: Vec<Value> = (0..30).map(|n| end(&format!("{:02}T{:02}", 10 + n / 24, n % 24), false, 1)).collect();
        assert!(of(end("01T03", true, 400), json!(many)).unwrap().is_least);
        assert_eq!(of(Value::Null, json!([])), None);
    }

    #[test]
    fn usual_duration_is_the_95th_percentile_of_the_successes() {
        let ends: Vec<Value> = (1..=20).map(|n| end(&format!("{n:02}T03"), n != 20, n * 10)).collect();
        let usual = ledger(&json!({ "ends": ends })).usual().unwrap();
        assert_eq!((usual.seconds, usual.runs), (190, 19));
        assert_eq!(ledger(&json!({ "ends": [end("01T03", false, 9)] })).usual(), None);
        let single = ledger(&json!({ "ends": [end("01T03", true, 7)] })).usual().unwrap();
        assert_eq!((single.seconds, single.runs), (7, 1));
    }

    #[test]
    fn deadline_is_overdue_until_a_later_success() {
        let of = |good: Value| {
            let ledger = ledger(&json!({ "lastSuccess": good, "told": { "overdue": "2026-11-29T03:30:00Z" } }));
            ledger.overdue().map(str::to_owned)
        };
        assert_eq!(of(Value::Null).as_deref(), Some("2026-11-29T03:30:00Z"));
        assert_eq!(of(end("29T03", true, 1)).as_deref(), Some("2026-11-29T03:30:00Z"));
        assert_eq!(of(end("29T04", true, 1)), None);
    }

    #[test]
    fn part_is_found_by_the_name_of_its_schedule_also_if_ecs_cut_it() {
        let long = "a-schedule-with-a-very-long-name-indeed";
        let cut = &format!("chronos-schedule/{long}")[..36];
        let text = json!({ "version": 1, "all": {}, "parts": { cut: { "lastStart": "a" }, "events-rule/nightly": { "lastStart": "b" } } });
        let ledgers = ledgers(&text.to_string()).unwrap();
        let start = |name: &str| ledgers.of(Some(name)).and_then(|part| part.last_start.as_deref());
        assert_eq!((start(long), start("nightly"), start("events-rule/nightly")), (Some("a"), Some("b"), Some("b")));
        assert_eq!((start("night"), start("")), (None, None));
    }

    #[test]
    fn ledgers_of_other_versions_and_other_texts_are_explained() {
        let newer = ledgers(r#"{"version":2,"all":[]}"#).unwrap_err();
        assert!(newer.contains("has version 2, which another version of taskbell wrote"), "{newer}");
        for strange in ["", "{", "null", "{}", r#"{"version":"x"}"#, r#"{"version":1,"all":{"ends":1}}"#] {
            let error = ledgers(strange).unwrap_err();
            assert!(!error.contains('"') && !error.contains('x'), "{strange}: {error}");
        }
        // Later fields are ignored.
        assert!(ledgers(r#"{"version":1,"all":{"new":1,"ends":[{"ok":true,"new":{}}]},"new":[]}"#).is_ok());
        let item = |id: &str| HashMap::from([("id".to_owned(), AttributeValue::S(id.to_owned()))]);
        assert_eq!(entry(&item("task x")), None);
        let found = entry(&item("job batch|nightly|report")).unwrap();
        assert_eq!((found.cluster.as_str(), found.name.as_str()), ("batch", "nightly|report"));
    }
}
