//! Decides the settings of a new `taskbell.toml`: looks for clusters, and interprets the answers to questions.

use super::session::Session;
use super::target::{Context, Target};
use crate::aws::calls::cluster;
use crate::aws::kinds::Given;
use crate::config::{self, Cluster};
use crate::error::{Error, Result};

/// The answers to write into the file.
pub struct Answers {
    pub region: Option<String>,
    pub clusters: Vec<Cluster>,
    pub language: String,
    pub mention: Vec<String>,
    pub alarm_topic: Option<String>,
}

/// The clusters that exist, with their region.
pub struct Found {
    pub region: Option<String>,
    /// The names, or the reason why they are not known.
    pub clusters: Result<Vec<String>, String>,
}

/// Looks for clusters. If AWS cannot be asked, returns the reason and the region of the target.
///
/// # Errors
/// On interruption.
pub async fn find(target: &Target, context: &Context) -> Result<Found> {
    match Session::open(target, Given::default(), context).await {
        Ok(session) => {
            let names = session.unless_interrupted(cluster::names(&session.sdk)).await?;
            Ok(Found { region: Some(session.stack.region), clusters: names.map_err(|fault| fault.to_string()) })
        }
        Err(error) => Ok(Found { region: target.site.region.clone(), clusters: Err(error.in_one_line()) }),
    }
}

/// Returns the clusters that the answer names, or numbers in the list of those that were found.
///
/// # Errors
/// If the answer has no cluster, an unknown number, or a name with characters that are not allowed.
pub fn clusters(answer: &str, found: &[String]) -> Result<Vec<Cluster>> {
    let words: Vec<&str> = answer.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let named = |word: &str| match word.parse::<usize>() {
        Ok(number) if !found.contains(&word.to_owned()) => found
            .get(number.wrapping_sub(1))
            .cloned()
            .ok_or_else(|| Error::usage(format!("there is no cluster number {number}"))),
        _ => Ok(word.to_owned()),
    };
    let chosen = match words.as_slice() {
        [] | ["all"] => found.to_vec(),
        words => words.iter().map(|word| named(word)).collect::<Result<_>>()?,
    };
    match config::clusters(&chosen)? {
        none if none.is_empty() => Err(Error::usage("at least one cluster is needed")),
        some => Ok(some),
    }
}

/// Returns the language of the messages. Without an answer, English.
///
/// # Errors
/// If the answer is another language.
pub fn language(answer: &str) -> Result<String> {
    match answer {
        "" | "en" => Ok("en".to_owned()),
        "ja" => Ok("ja".to_owned()),
        other => Err(Error::usage(format!("unknown language {other}: use en or ja"))),
    }
}

/// Returns the persons and groups to mention. Without an answer, nobody.
///
/// # Errors
/// If a word of the answer is not a mention.
pub fn mention(answer: &str) -> Result<Vec<String>> {
    let words = answer.split([' ', ',']).filter(|word| !word.is_empty() && *word != "nobody");
    words.map(config::mention).collect()
}

/// Returns the topic for alarms. Without an answer, none.
///
/// # Errors
/// If the answer is not the ARN of a topic.
pub fn alarm_topic(answer: &str) -> Result<Option<String>> {
    match answer {
        "" | "none" => Ok(None),
        arn => config::alarm_topic(arn).map(Some),
    }
}
