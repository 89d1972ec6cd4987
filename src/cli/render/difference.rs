//! Describes the differences of a resource in a reader's words: `timeout: is 3 s, should be 30 s`. `--verbose` and JSON have paths.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::json::without_passwords;
use crate::desired::SETTINGS;
use crate::pattern::clusters;
use crate::reconcile::plan::{Cause, PropertyChange, Step};
use crate::reconcile::resource::APPLIED_TAG;
use crate::stack::Kind;
use crate::words::{count, duration};

/// The number of characters of a value that a sentence shows. JSON and `--verbose` show the whole value.
const LONGEST_VALUE: usize = 72;

/// The fields whose names are not the words of a reader, with those words.
const LABELS: [(&str, &str); 13] = [
    ("attached", "attached policy"),
    ("code_signing", "code signing"),
    ("ephemeral_storage", "temporary storage"),
    ("event_sources", "another trigger"),
    ("expiry", "attribute of the expiry"),
    ("in_vpc", "VPC"),
    ("kms_key", "encryption key"),
    ("max_message", "largest message"),
    ("system_log_level", "log level of Lambda"),
    ("window", "time window"),
    ("storm", "storm window"),
    ("icon_emoji", "icon"),
    ("mute_rules", "mute rule"),
];

/// The fields that hold policies and other documents by name: a reader needs the name, and not the place within the document.
const DOCUMENTS: [&str; 6] = ["policies", "permissions", "trust", "policy", "redrive_allow", "input"];

/// The units of fields, by the ends of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Minutes,
    Days,
    Bytes,
    Megabytes,
    None,
}

const UNITS: [(&str, Unit); 5] = [
    ("_seconds", Unit::Seconds),
    ("_minutes", Unit::Minutes),
    ("_days", Unit::Days),
    ("_bytes", Unit::Bytes),
    ("_mib", Unit::Megabytes),
];

/// Returns the differences of a step, each once. Several fields of a pattern may name the same clusters: a rule has one sentence about
/// them.
pub fn differences(step: &Step) -> Vec<(String, Cause)> {
    of_changes(step.address.id.kind, &step.changes)
}

fn of_changes(kind: Kind, changes: &[PropertyChange]) -> Vec<(String, Cause)> {
    let mut all: Vec<(String, Cause)> = Vec::new();
    for one in changes {
        let PropertyChange { change, cause } = one;
        let sides = [change.have.as_ref(), change.want.as_ref()];
        let is_about_clusters = kind == Kind::Rule && Moved::of(one).is_some();
        let of_clusters = if is_about_clusters { moved(changes, *cause) } else { None };
        let told = (of_clusters.unwrap_or_else(|| words(kind, &change.path, sides, *cause)), *cause);
        if !all.contains(&told) {
            all.push(told);
        }
    }
    all
}

/// Returns a difference that only a sentence of its own explains.
pub fn explained(path: &str) -> Option<&'static str> {
    if path == "/stored_by_taskbell" {
        return Some(
            "somebody else stored the webhook; setup asks for one, or keeps the stored one with --adopt parameter/webhook",
        );
    }
    if path == format!("/environment/{SETTINGS}") {
        return Some("settings: the stack keeps other ones");
    }
    path.ends_with(APPLIED_TAG).then_some("the record of the last applied state is missing or out of date")
}

/// Returns a difference in words: the value in AWS and the configured value, either of which may be absent.
fn words(kind: Kind, path: &str, [have, want]: [Option<&Value>; 2], cause: Cause) -> String {
    if let Some(words) = explained(path) {
        return words.to_owned();
    }
    let path: Vec<String> = path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let own = cause == Cause::Configuration;
    match (kind, path.first().map_or("", String::as_str)) {
        (Kind::Function, "code_sha256") if own => return "code: another version of the notifier".to_owned(),
        (Kind::Function, "code_sha256") => return "code: is not the notifier of this taskbell".to_owned(),
        (Kind::Function, "bound_to_current_role") => {
            return "permissions: belong to an earlier role of the same name".to_owned();
        }
        (Kind::Parameter, "webhook") => return "webhook: is not the given one".to_owned(),
        _ => {}
    }
    let Subject { label, unit, is_document, is_item } = subject(&path);
    let is_field = kind == Kind::Rule && path.len() > 1 && path[0] == "pattern";
    // A setting without a value is not set; only a retention without a number of days has a meaning.
    let side =
        |side: Option<&Value>| side.filter(|side| !side.is_null() || unit == Unit::Days).map(|side| value(side, unit));
    match (side(have), side(want)) {
        _ if is_document => format!("{label}: differs"),
        (Some(Some(have)), Some(Some(want))) if label == "state" => format!("is {have}, should be {want}"),
        (Some(Some(have)), Some(Some(want))) => format!("{label}: is {have}, should be {want}"),
        (Some(Some(have)), None) if is_item => format!("{label}: {have} should not be there"),
        (None, Some(Some(want))) if is_item => format!("{label}: {want} is missing"),
        (Some(Some(have)), None) => format!("{label}: is {have}, should not be set"),
        (None, Some(Some(want))) => format!("{label}: is not set, should be {want}"),
        (None, Some(None)) if is_field => format!("{label}: is not restricted, should be"),
        (Some(None), None) if is_field => format!("{label}: is restricted, should not be"),
        (Some(None), None) => format!("{label}: should not exist"),
        (None, Some(None)) => format!("{label}: is missing"),
        (Some(_), Some(_)) | (None, None) => format!("{label}: differs"),
    }
}

/// The clusters of a pattern's leaf, in AWS and as configured.
struct Moved {
    have: Option<String>,
    want: Option<String>,
}

impl Moved {
    /// Returns the clusters, if the change is about a leaf that stands for a whole cluster, and excludes none.
    fn of(PropertyChange { change, cause: _ }: &PropertyChange) -> Option<Self> {
        if !change.path.starts_with("/pattern/") || change.path.contains("/anything-but") {
            return None;
        }
        let operator = change.path.rsplit('/').next().filter(|part| ["prefix", "wildcard"].contains(part));
        let leaf = |side: &Value| clusters::whole(&operator.map_or_else(|| side.clone(), |name| json!({ name: side })));
        let cluster = |side: &Option<Value>| side.as_ref().map(leaf);
        match (cluster(&change.have), cluster(&change.want)) {
            (Some(None), _) | (_, Some(None)) => None,
            (have, want) => Some(Self { have: have.flatten(), want: want.flatten() }),
        }
    }
}

/// Returns the clusters that a rule gains and loses, in words.
fn moved(changes: &[PropertyChange], cause: Cause) -> Option<String> {
    let moves = changes.iter().filter(|change| change.cause == cause).filter_map(Moved::of);
    let (mut have, mut want) = (BTreeSet::new(), BTreeSet::new());
    for one in moves {
        have.extend(one.have);
        want.extend(one.want);
    }
    let named = |names: &BTreeSet<String>, others: &BTreeSet<String>| {
        let names: Vec<&str> = names.difference(others).map(String::as_str).collect();
        let noun = if names.len() == 1 { "cluster" } else { "clusters" };
        (!names.is_empty()).then(|| (noun, names.join(", ")))
    };
    Some(match (named(&have, &want), named(&want, &have), cause == Cause::Configuration) {
        (Some((_, have)), Some((noun, want)), true) => format!("for {noun} {want}, and no longer for {have}"),
        (Some((noun, have)), Some((_, want)), false) => format!("is for {noun} {have}, should be for {want}"),
        (None, Some((noun, want)), true) => format!("now also for {noun} {want}"),
        (None, Some((noun, want)), false) => format!("is not for {noun} {want}, should be"),
        (Some((noun, have)), None, true) => format!("no longer for {noun} {have}"),
        (Some((noun, have)), None, false) => format!("is also for {noun} {have}, should not be"),
        (None, None, _) => return None,
    })
}

/// The subject of a difference.
struct Subject {
    label: String,
    unit: Unit,
    /// Whether the difference is within a document that a reader does not take apart.
    is_document: bool,
    /// Whether the difference is an item of a list.
    is_item: bool,
}

/// Returns the subject of a path: the words for its fields, with the names of the things between them.
fn subject(path: &[String]) -> Subject {
    let is_index = |part: &String| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_item = path.len() > 1 && path.last().is_some_and(is_index);
    let named: Vec<&String> = path.iter().filter(|part| !is_index(part) && *part != "$or").collect();
    let Some((first, rest)) = named.split_first() else {
        return Subject { label: "everything".to_owned(), unit: Unit::None, is_document: true, is_item };
    };
    let simple = |label: String, unit| Subject { label, unit, is_document: false, is_item };
    match (first.as_str(), rest) {
        ("pattern", rest) => {
            let fields: Vec<&str> = rest.iter().map(|part| part.as_str()).collect();
            simple(
                if fields.is_empty() { "pattern".to_owned() } else { format!("pattern, {}", fields.join(".")) },
                Unit::None,
            )
        }
        ("tags", [key, ..]) => simple(format!("tag {key}"), Unit::None),
        ("environment", [name, ..]) => {
            let name = name.strip_prefix("TASKBELL_").unwrap_or(name).to_lowercase();
            let (label, unit) = label(&name);
            simple(label, unit)
        }
        ("policies" | "permissions", [name, ..]) => {
            let thing = if *first == "policies" { "policy" } else { "permission" };
            let is_document = path.len() > 2;
            Subject { label: format!("{thing} {name}"), unit: Unit::None, is_document, is_item: false }
        }
        ("schedules" | "targets", [name, rest @ ..]) => {
            let thing = if *first == "schedules" { "schedule" } else { "target" };
            let Some(field) = rest.first() else { return simple(format!("{thing} {name}"), Unit::None) };
            let (label, unit) = label(field);
            let is_document = DOCUMENTS.contains(&field.as_str());
            Subject { label: format!("{thing} {name}, {label}"), unit, is_document, is_item: false }
        }
        (_, rest) => {
            let (label, unit) = label(rest.last().unwrap_or(first));
            let whole = if rest.is_empty() { label } else { format!("{}, {label}", self::label(first).0) };
            Subject { label: whole, unit, is_document: DOCUMENTS.contains(&first.as_str()), is_item }
        }
    }
}

/// Returns the words for a field, and its unit.
fn label(field: &str) -> (String, Unit) {
    let unit = UNITS.iter().find_map(|(end, unit)| Some((field.strip_suffix(end)?, *unit)));
    let (name, unit) = unit.unwrap_or((field, Unit::None));
    let known = LABELS.iter().find(|(known, _)| *known == name);
    (known.map_or_else(|| name.replace('_', " "), |(_, label)| (*label).to_owned()), unit)
}

/// Returns a value in words; none for a document.
fn value(value: &Value, unit: Unit) -> Option<String> {
    match value {
        Value::Null => Some("unlimited".to_owned()),
        Value::Bool(on) => Some(if *on { "on" } else { "off" }.to_owned()),
        Value::Number(number) => {
            Some(number.as_u64().map_or_else(|| number.to_string(), |number| measured(number, unit)))
        }
        Value::String(text) if text.starts_with(['{', '[']) => None,
        Value::String(text) => Some(match text.parse() {
            Ok(number) if unit != Unit::None => measured(number, unit),
            _ if text.is_empty() => "empty".to_owned(),
            _ if ["ENABLED", "DISABLED"].contains(&text.as_str()) => text.to_lowercase(),
            _ => match without_passwords(value) {
                Value::String(text) => shortened(&text),
                other => shortened(&other.to_string()),
            },
        }),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn measured(number: u64, unit: Unit) -> String {
    const KILO: u64 = 1024;
    match unit {
        Unit::Seconds => duration(number),
        Unit::Minutes => duration(number.saturating_mul(60)),
        Unit::Days => count(usize::try_from(number).unwrap_or(usize::MAX), "day"),
        Unit::Megabytes => format!("{number} MB"),
        Unit::Bytes if number > 0 && number.is_multiple_of(KILO * KILO) => format!("{} MB", number / (KILO * KILO)),
        Unit::Bytes if number > 0 && number.is_multiple_of(KILO) => format!("{} KB", number / KILO),
        Unit::Bytes => count(usize::try_from(number).unwrap_or(usize::MAX), "byte"),
        Unit::None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Change;

    fn told(kind: Kind, path: &str, sides: [&Value; 2], cause: Cause) -> String {
        let sides = sides.map(|value| (*value != json!("absent")).then_some(value));
        words(kind, path, sides, cause)
    }

    #[test]
    fn differences_have_a_readers_words_and_units() {
        let absent = || json!("absent");
        for (kind, path, have, want, words) in [
            (Kind::Function, "/timeout_seconds", json!(3), json!(30), "timeout: is 3 s, should be 30 s"),
            (Kind::Function, "/memory_mib", json!(128), json!(256), "memory: is 128 MB, should be 256 MB"),
            (
                Kind::Function,
                "/environment/TASKBELL_LANGUAGE",
                json!("ja"),
                json!("en"),
                "language: is ja, should be en",
            ),
            (
                Kind::Function,
                "/environment/TASKBELL_STORM_MINUTES",
                absent(),
                json!("15"),
                "storm window: is not set, should be 15 min",
            ),
            (Kind::LogGroup, "/retention_days", json!(null), json!(30), "retention: is unlimited, should be 30 days"),
            (Kind::LogGroup, "/tags/team", absent(), json!("data"), "tag team: is not set, should be data"),
            (
                Kind::Queue,
                "/max_message_bytes",
                json!(1024),
                json!(1_048_576),
                "largest message: is 1 KB, should be 1 MB",
            ),
            (Kind::Queue, "/retention_seconds", json!(60), json!(1_209_600), "retention: is 1 min, should be 14 d"),
            (Kind::Rule, "/state", json!("DISABLED"), json!("ENABLED"), "is disabled, should be enabled"),
            (
                Kind::Rule,
                "/pattern/detail/lastStatus/0",
                json!("STOPPED"),
                json!("RUNNING"),
                "pattern, detail.lastStatus: is STOPPED, should be RUNNING",
            ),
            (
                Kind::Rule,
                "/pattern/detail/taskDefinitionArn",
                absent(),
                json!([{ "wildcard": "*/job-*" }]),
                "pattern, detail.taskDefinitionArn: is not restricted, should be",
            ),
            (Kind::Role, "/policies/extra", json!({ "Statement": [] }), absent(), "policy extra: should not exist"),
            (Kind::Role, "/policies/notifier/Statement/0/Resource/1", absent(), json!("x"), "policy notifier: differs"),
            (Kind::Role, "/attached/0", json!("arn:x"), absent(), "attached policy: arn:x should not be there"),
        ] {
            assert_eq!(told(kind, path, [&have, &want], Cause::Outside), words);
        }
    }

    #[test]
    fn clusters_of_a_rule_are_named() {
        use Cause::{Configuration, Outside};
        let arn = |path: &str| json!(format!("arn:aws:ecs:us-east-1:123456789012:{path}"));
        let begins = |path: &str| json!({ "prefix": arn(path) });
        let absent = || json!("absent");
        let of = |changes: &[(&str, Value, Value)], cause: Cause| -> Vec<String> {
            let side = |side: &Value| (*side != absent()).then(|| side.clone());
            let change = |(path, have, want): &(&str, Value, Value)| PropertyChange {
                change: Change { path: format!("/pattern/{path}"), have: side(have), want: side(want) },
                cause,
            };
            let changes: Vec<PropertyChange> = changes.iter().map(change).collect();
            of_changes(Kind::Rule, &changes).into_iter().map(|(words, _)| words).collect()
        };
        let task = "detail/clusterArn/1";
        assert_eq!(of(&[(task, absent(), arn("cluster/web"))], Configuration), ["now also for cluster web"]);
        assert_eq!(of(&[(task, arn("cluster/web"), absent())], Configuration), ["no longer for cluster web"]);
        assert_eq!(of(&[(task, arn("cluster/web"), absent())], Outside), ["is also for cluster web, should not be"]);
        assert_eq!(of(&[(task, absent(), begins("cluster/prod-"))], Configuration), ["now also for cluster prod-*"]);
        let (service, daemon) = ("resources/2", "resources/3");
        assert_eq!(
            of(
                &[(service, absent(), begins("service/web/")), (daemon, absent(), begins("daemon/web/"))],
                Configuration
            ),
            ["now also for cluster web"]
        );
        // A list of one cluster differs in the leaf itself.
        let (service, daemon) = ("resources/0/prefix", "resources/1/prefix");
        let renamed =
            [(service, arn("service/web/"), arn("service/prod/")), (daemon, arn("daemon/web/"), arn("daemon/prod/"))];
        assert_eq!(of(&renamed, Configuration), ["for cluster prod, and no longer for web"]);
        assert_eq!(of(&renamed, Outside), ["is for cluster web, should be for prod"]);
        let grown = [
            (task, arn("cluster/batch"), arn("cluster/api")),
            ("detail/clusterArn/2", absent(), arn("cluster/batch")),
            ("detail/clusterArn/3", absent(), arn("cluster/web")),
        ];
        assert_eq!(of(&grown, Configuration), ["now also for clusters api, web"]);
        // Services of a cluster, and clusters that are left out, are no clusters that a rule gains.
        for (path, want) in [
            ("resources/1", arn("service/web/shop")),
            ("resources/0/anything-but/prefix/1", arn("service/web/")),
            ("detail/clusterArn/0/anything-but/1", arn("cluster/web")),
        ] {
            let told = of(&[(path, absent(), want)], Configuration);
            assert!(told.len() == 1 && !told[0].contains("for cluster"), "{told:?}");
        }
    }
}
