//! Reads values that the file writes differently than flags: tables, and numbers that may be words. Returns them as flags write
//! them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

/// Reads a table of strings, as in `{ team = "data" }`.
pub fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let table = BTreeMap::<String, String>::deserialize(deserializer)?;
    Ok(table.into_iter().map(|(key, value)| format!("{key}={value}")).collect())
}

/// Reads destinations, each as `--to` has it or as a table: `{ parameter = "/ops/teams", severities = ["error"] }`.
pub fn places<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a destination is a string, or a table with parameter or topic")]
    enum Place {
        Text(String),
        Table(PlaceTable),
    }
    let places = Vec::<Place>::deserialize(deserializer)?;
    let text = |place| match place {
        Place::Text(text) => Ok(text),
        Place::Table(table) => table.text().map_err(serde::de::Error::custom),
    };
    places.into_iter().map(text).collect::<Result<_, _>>().map(Some)
}

/// A destination as a table of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PlaceTable {
    parameter: Option<String>,
    topic: Option<String>,
    name: Option<String>,
    kind: Option<String>,
    patterns: Vec<String>,
    families: Vec<String>,
    severities: Vec<String>,
}

impl PlaceTable {
    fn text(self) -> Result<String, &'static str> {
        let Self { parameter, topic, name, kind, patterns, families, severities } = self;
        let ((Some(place), None) | (None, Some(place))) = (parameter, topic) else {
            return Err("a destination has either parameter or topic");
        };
        let pairs = [
            ("name", Vec::from_iter(name)),
            ("kind", Vec::from_iter(kind)),
            ("pattern", patterns),
            ("family", families),
            ("severity", severities),
        ];
        // The values are read as words of the flag.
        if pairs.iter().flat_map(|(_, values)| values).any(|value| value.contains(',')) {
            return Err("a value of a destination cannot have a comma: give several values as a list");
        }
        let words =
            pairs.into_iter().flat_map(|(key, values)| values.into_iter().map(move |value| format!(",{key}={value}")));
        Ok(place + &words.collect::<String>())
    }
}

/// Reads expectations of jobs, each as `--expect` has it or as a table: `{ name = "nightly-report", every = "26h" }`.
pub fn jobs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a job is a table with name and by, every or max_runtime as strings")]
    enum Job {
        Text(String),
        Table(BTreeMap<String, String>),
    }
    let jobs = Vec::<Job>::deserialize(deserializer)?;
    let text = |job| match job {
        Job::Text(text) => text,
        Job::Table(mut table) => {
            let name = table.remove("name").unwrap_or_default();
            let words = table.into_iter().map(|(key, value)| format!(",{}={value}", key.replace('_', "-")));
            name + &words.collect::<String>()
        }
    };
    Ok(Some(jobs.into_iter().map(text).collect()))
}

/// Reads a number of days, or a word.
pub fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Days;
    impl Visitor<'_> for Days {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a number of days, or \"never\"")
        }

        fn visit_i64<E>(self, days: i64) -> Result<String, E> {
            Ok(days.to_string())
        }

        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
    }
    deserializer.deserialize_any(Days).map(Some)
}

/// Reads the value of a flag that begins with "no" as the value of its key, which does not.
///
/// # Errors
/// If the text is neither true nor false.
pub fn opposite(text: &str) -> Result<bool, std::str::ParseBoolError> {
    text.parse().map(|off: bool| !off)
}
