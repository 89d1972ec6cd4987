//! Reads the record of a stack: the settings with which it was set up, as the stack itself keeps them. Completes the settings of a
//! run with them, and says in flags which ones those are.

use clap::{Args, Command};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::file::schema;
use crate::config::settings::{FLEET, Settings, items};
use crate::config::{Cluster, clusters};
use crate::document::digest;
use crate::error::{Error, Result};
use crate::secret::{quotes_without_secrets, without_secrets};

/// The record of a stack whose settings are not kept.
const NOT_KEPT: &str = "not kept";
const WAY_OUT: &str = "give all flags that the stack should have, with --reset, which does not read the old settings";

/// Returns the text that a stack keeps if the record does not fit: with its fingerprint, so that a later run with the same settings
/// needs no other.
#[must_use]
pub fn not_kept(record: &str) -> String {
    format!("{NOT_KEPT} {}", digest(&Value::from(record), 16))
}

/// Returns whether the text says that the stack does not keep its settings.
#[must_use]
pub fn is_not_kept(text: &str) -> bool {
    text.starts_with(NOT_KEPT)
}

/// Reads a record as strictly as the file.
///
/// # Errors
/// If the stack does not keep its settings, or the text is not such a record.
pub fn read(text: &str) -> Result<Settings> {
    if is_not_kept(text) {
        return Err(Error::new("the stack does not keep the settings with which it was set up: they are too long")
            .hint(format!("give exactly the flags of the last setup; to change one of them, {WAY_OUT}")));
    }
    let wrong = |why: String| {
        let told = "the settings that the stack keeps in TASKBELL_SETTINGS, a variable of its function, cannot be read";
        Error::new(told).because(why).hint(WAY_OUT)
    };
    let mistake = |error: serde_json::Error| wrong(quotes_without_secrets(&error.to_string()));
    let mut keys: Map<String, Value> = serde_json::from_str(text).map_err(mistake)?;
    let fleet = match keys.remove(FLEET) {
        None => None,
        Some(Value::String(name)) => Some(name),
        Some(_) => return Err(wrong("fleet is not a text".to_owned())),
    };
    let schema = schema();
    let known = &schema["properties"]["defaults"]["properties"];
    let tables = [(&keys, known)].into_iter().chain(
        keys.get("filters").and_then(Value::as_object).map(|filters| (filters, &known["filters"]["properties"])),
    );
    for (table, known) in tables {
        if let Some(unknown) = table.keys().find(|key| known.get(key.as_str()).is_none()) {
            return Err(wrong(format!("unknown key {}", without_secrets(unknown)))
                .hint(format!("a newer version of taskbell may have set the stack up; or {WAY_OUT}")));
        }
    }
    let settings = Settings::deserialize(Value::Object(keys)).map_err(mistake)?;
    Ok(Settings { fleet, ..settings })
}

/// Completes the settings of a run with those of the record. A list replaces the recorded list, also the list of tags. If the
/// clusters are only there to name the stack, clusters that are left out stay. A cluster stays as the run names it: an ARN also says
/// in which region the cluster has to be.
///
/// # Errors
/// If a cluster is neither a name nor an ARN.
pub fn completed(given: &Settings, mut recorded: Settings, names_stack: bool) -> Result<Settings> {
    let mut given = given.clone();
    if !given.tags.is_empty() {
        recorded.tags.clear();
    }
    let (named, known) = (given.clusters()?, recorded.clusters()?);
    let is_known = |cluster: &Cluster| known.iter().any(|other| other.name() == cluster.name());
    if names_stack && named.iter().all(is_known) {
        let is_left_out = |other: &&Cluster| named.iter().all(|cluster| cluster.name() != other.name());
        given.clusters = Some(named.iter().chain(known.iter().filter(is_left_out)).map(ToString::to_string).collect());
    }
    Ok(given.or(recorded))
}

/// Returns the recorded clusters, as a shell reads them, that the completed settings leave out.
///
/// # Errors
/// If a cluster is neither a name nor an ARN.
pub fn dropped(recorded: &Settings, completed: &Settings) -> Result<Vec<String>> {
    let (known, wanted) = (recorded.clusters()?, completed.clusters()?);
    let is_left_out = |cluster: &&Cluster| !wanted.iter().any(|other| other.covers(cluster.name()));
    Ok(known.iter().filter(is_left_out).map(|cluster| quoted(cluster.name())).collect())
}

/// Returns the flags of the settings that the run does not give.
#[must_use]
pub fn kept(given: &Settings, completed: &Settings) -> Vec<String> {
    let (given, completed) = (flat(given), flat(completed));
    let names = Settings::augment_args(Command::new(""));
    let mut flags = Vec::new();
    for (key, value) in &completed {
        let Some(flag) = names.get_arguments().find(|argument| argument.get_id() == key.as_str()) else { continue };
        let flag = format!("--{}", flag.get_long().unwrap_or(key));
        let said = given.get(key);
        match value {
            Value::Array(all) => {
                let said = said.and_then(Value::as_array);
                let left = all.iter().filter(|item| !said.is_some_and(|said| said.contains(item)));
                flags.extend(left.map(|item| format!("{flag} {}", shown(item))));
            }
            Value::Object(tags) if said.is_none() => {
                let tag = |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
                flags.extend(tags.iter().map(|pair| format!("{flag} {}", quoted(&tag(pair)))));
            }
            _ if said.is_some() => {}
            // The key is the opposite of its flag.
            Value::Bool(on) if *on == (key != "redaction") => flags.push(flag),
            Value::Bool(_) => flags.push(format!("{flag}=false")),
            other => flags.push(format!("{flag} {}", shown(other))),
        }
    }
    flags
}

/// Returns the keys of the settings, with those of the filters beside the others.
fn flat(settings: &Settings) -> Map<String, Value> {
    let mut keys = settings.object();
    if let Some(Value::Object(filters)) = keys.remove("filters") {
        keys.extend(filters);
    }
    keys
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), quoted)
}

/// Returns the text as a shell reads it.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Returns whether the record names exactly these clusters.
///
/// # Errors
/// If the record cannot be read.
pub fn names(text: &str, wanted: &[Cluster]) -> Result<bool> {
    let known = clusters(items(&read(text)?.clusters))?;
    let is_in = |cluster: &Cluster, all: &[Cluster]| all.iter().any(|other| other.name() == cluster.name());
    Ok(known.iter().all(|cluster| is_in(cluster, wanted)) && wanted.iter().all(|cluster| is_in(cluster, &known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Language;
    use crate::config::settings::FilterSettings;

    #[allow(clippy::unnecessary_wraps, reason = "a list of the settings")]
    fn list(items: &[&str]) -> Option<Vec<String>> {
        Some(items.iter().map(ToString::to_string).collect())
    }

    fn full() -> Settings {
        Settings {
            clusters: list(&["web", "batch", "web"]),
            patterns: list(&["task-failed"]),
            filters: FilterSettings { families: list(&["job-*"]), ..FilterSettings::default() },
            language: Some(Language::Ja),
            mention: list(&["here", "U1"]),
            redaction: Some(false),
            log_lines: Some(20),
            log_retention: Some("never".to_owned()),
            to: list(&["/ops/teams,severity=error"]),
            job: list(&["nightly,every=26h"]),
            tags: vec!["team=data science".to_owned()],
            fleet: Some("prod".to_owned()),
            ..Settings::default()
        }
    }

    #[test]
    fn record_is_read_as_it_was_written() {
        for settings in [Settings::default(), full()] {
            let text = settings.record();
            let back = read(&text).unwrap();
            assert_eq!(back.record(), text);
            assert_eq!(back.language, settings.language);
            assert_eq!((back.fleet, back.tags, back.to), (settings.fleet, settings.tags, settings.to));
        }
        assert_eq!(Settings::default().record(), "{}");
        assert_eq!(
            Settings { clusters: list(&["b", "a"]), ..Settings::default() }.record(),
            r#"{"clusters":["a","b"]}"#,
        );
    }

    #[test]
    fn record_that_is_none_is_an_error_with_a_way_out() {
        for text in
            ["", "x", "[]", r#"{"colour":"red"}"#, r#"{"filters":{"colour":1}}"#, r#"{"language":"fr"}"#, &not_kept("{}")]
        {
            let error = read(text).unwrap_err();
            assert!(
                error.nearest_hint().is_some_and(|hint| format!("{hint:?}").contains("--reset")),
                "{text}: {error:?}"
            );
        }
    }

    #[test]
    fn settings_that_a_run_leaves_out_are_kept_and_told_in_flags() {
        let given = Settings { clusters: list(&["batch"]), mention: list(&["channel"]), ..Settings::default() };
        let recorded = || read(&full().record()).unwrap();
        let named = completed(&given, recorded(), true).unwrap();
        assert_eq!((named.mention.clone(), named.clusters.clone()), (list(&["channel"]), list(&["batch", "web"])));
        let flags = kept(&given, &named);
        for flag in [
            "--cluster web",
            "--family 'job-*'",
            "--language ja",
            "--no-redaction",
            "--tag 'team=data science'",
            "--log-retention never",
            "--expect nightly,every=26h",
        ] {
            assert!(flags.iter().any(|one| one == flag), "{flag}: {flags:?}");
        }
        assert!(!flags.iter().any(|flag| flag.starts_with("--mention")), "{flags:?}");
        assert_eq!(completed(&given, recorded(), false).unwrap().clusters, list(&["batch"]));
        let dropped_by = |names: &[&str]| {
            let given = Settings { clusters: list(names), ..Settings::default() };
            dropped(&recorded(), &completed(&given, recorded(), true).unwrap()).unwrap()
        };
        assert_eq!(dropped_by(&["prod", "batch"]), ["web"]);
        assert_eq!(dropped_by(&["prod"]), ["batch", "web"]);
        assert!(dropped_by(&["batch"]).is_empty() && dropped_by(&["*"]).is_empty());
        let all = Settings { clusters: list(&["*"]), ..Settings::default() };
        assert_eq!(dropped(&all, &given).unwrap(), ["'*'"]);
        let tagged = Settings { tags: vec!["cost=1".to_owned()], ..given };
        assert_eq!(completed(&tagged, recorded(), true).unwrap().tags, ["cost=1"]);
    }
}
