//! Decides the settings of a new `taskbell.toml`: looks for clusters, and interprets the answers to questions.

use super::jobs;
use super::jobs::suggest::{Suggestion, suggestions};
use super::session::Session;
use super::target::{Context, Target};
use crate::aws::calls::cluster;
use crate::aws::client::fault::Trouble;
use crate::aws::kinds::Given;
use crate::config::{self, Cluster};
use crate::error::{Category, Error, Result, nearest};
use crate::secret::echoed;

/// The answers to write into the file.
pub struct Answers {
    pub region: Option<String>,
    /// The clusters of each stack.
    pub stacks: Vec<Vec<Cluster>>,
    pub language: String,
    pub mention: Vec<String>,
    pub alarm_topic: Option<String>,
    pub jobs: Expectations,
}

/// The expectations of jobs, by the name of the cluster.
pub type Expectations = Vec<(String, Vec<Suggestion>)>;

/// The clusters that exist, with their region.
pub struct Found {
    pub region: Option<String>,
    /// The names, or the error because of which they are not known.
    pub clusters: Result<Vec<String>>,
    /// Whether AWS answered that the caller may not list the clusters.
    pub is_denied: bool,
}

/// Looks for clusters. If AWS cannot be asked, returns the error and the region of the target.
///
/// # Errors
/// On interruption.
pub async fn find(target: &Target, context: &Context) -> Result<Found> {
    match Session::open(target, Given::default(), context).await {
        Ok(session) => {
            let names = session.unless_interrupted(cluster::names(&session.sdk)).await?;
            let is_denied = names.as_ref().is_err_and(|fault| fault.trouble() == Trouble::Denied);
            let clusters = names.map_err(|fault| Error::from(fault).category(Category::Unreadable));
            Ok(Found { region: Some(session.stack.region), clusters, is_denied })
        }
        Err(error) if error.is_interrupted() => Err(error),
        Err(error) => Ok(Found { region: target.site.region.clone(), clusters: Err(error), is_denied: false }),
    }
}

/// Returns the expectations that the schedules of the clusters suggest, by the name of the cluster, and the reasons why some are not
/// known. Without a stack for the cluster, no usual duration is known.
///
/// # Errors
/// On interruption.
pub async fn expectations(
    clusters: &[Cluster],
    target: &Target,
    context: &Context,
) -> Result<(Expectations, Vec<String>)> {
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for cluster in clusters {
        let target = Target { stack: cluster.stack_name()?, site: target.site.clone() };
        match jobs::look(std::slice::from_ref(cluster), &target, context).await {
            Ok(jobs) => {
                let some: Vec<Suggestion> = suggestions(&jobs.jobs).into_iter().filter_map(Result::ok).collect();
                unknown.extend(jobs.unread);
                found.push((cluster.name().to_owned(), some));
            }
            Err(error) if error.is_interrupted() => return Err(error),
            Err(error) => unknown.push(error.in_one_line()),
        }
    }
    found.retain(|(_, some)| !some.is_empty());
    unknown.sort();
    unknown.dedup();
    Ok((found, unknown))
}

/// Returns whether the answer is yes. Without an answer, yes.
///
/// # Errors
/// If the answer is neither yes nor no.
pub fn yes(answer: &str) -> Result<bool> {
    match answer.to_lowercase().as_str() {
        "" | "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        other => Err(Error::usage(format!("unknown answer {}: use y or n", echoed(other)))),
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

/// Returns the chosen clusters, if those that are named exist. A glob needs no cluster, and an ARN may be of another region.
///
/// # Errors
/// If a name is not among those that were found: the hint has the nearest one.
pub fn existing(chosen: Vec<Cluster>, found: &[String]) -> Result<Vec<Cluster>> {
    let is_missing = |cluster: &&Cluster| {
        !cluster.is_glob() && cluster.arn().is_none() && !found.iter().any(|name| name == cluster.name())
    };
    let Some(unknown) = chosen.iter().find(is_missing).map(Cluster::name) else { return Ok(chosen) };
    let hint = match nearest(found.iter().map(String::as_str), unknown) {
        Some(near) => format!("did you mean {near}?"),
        None => "type a number or a name of the list, or all".to_owned(),
    };
    Err(Error::usage(format!("there is no ECS cluster {unknown} here")).hint(hint))
}

/// Returns the clusters of each stack: all of them in one stack, or each in its own, also without an answer. A single stack for all
/// clusters that exist is for new ones, too.
///
/// # Errors
/// If the answer is neither.
pub fn stacks(answer: &str, chosen: &[Cluster], found: &[String]) -> Result<Vec<Vec<Cluster>>> {
    match answer {
        "" | "each" => Ok(each(chosen)),
        "one" if are_all(chosen, found) => Ok(vec![vec!["*".parse()?]]),
        "one" => Ok(vec![chosen.to_vec()]),
        other => Err(Error::usage(format!("unknown answer {}: use one or each", echoed(other)))),
    }
}

/// Returns one stack for each cluster.
#[must_use]
pub fn each(clusters: &[Cluster]) -> Vec<Vec<Cluster>> {
    clusters.iter().map(|cluster| vec![cluster.clone()]).collect()
}

/// Returns whether all clusters that were found are chosen.
#[must_use]
pub fn are_all(chosen: &[Cluster], found: &[String]) -> bool {
    !found.is_empty() && found.iter().all(|name| chosen.iter().any(|cluster| cluster.covers(name)))
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
