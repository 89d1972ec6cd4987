//! Compares the alerts of the old rule with those of the new ones, by means of the recorded samples and the notifier's own rules.

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::notifier::embedded::Engine;
use crate::pattern::matcher::Matcher;
use crate::pattern::samples::{self, SAMPLES};
use crate::pattern::scenario::fit;
use crate::pattern::tree::Tree;
use crate::pattern::{Drill, Pattern};

/// The titles of the samples, by the change of their alert.
#[derive(Debug, Default)]
pub struct Compared {
    pub as_before: Vec<&'static str>,
    pub in_addition: Vec<&'static str>,
    pub no_longer: Vec<&'static str>,
}

/// The most changes of an event to the names that a pattern requires.
const MOST_FITS: usize = 8;

/// Compares the old pattern and the new ones for the first of the clusters. Returns none if the old pattern is not understood.
///
/// # Errors
/// If a new pattern cannot be bound.
pub fn compare(old: &Tree, new: &[Pattern], drill: Drill, cluster_arns: &[String]) -> Result<Option<Compared>> {
    let Ok(old) = Matcher::new(old) else { return Ok(None) };
    let mut matchers = Vec::new();
    for pattern in new {
        let bound = pattern.bind(cluster_arns, drill)?;
        let invalid = |error| Error::new(format!("the pattern {} is not valid", pattern.name)).because(error);
        matchers.push(Matcher::new(&(&bound).into()).map_err(invalid)?);
    }
    let engine = Engine::new()?;
    let mut compared = Compared::default();
    let cluster = cluster_arns.first().map(String::as_str).unwrap_or_default();
    for (sample, event) in SAMPLES.iter().zip(samples::of_cluster(cluster)?) {
        let (_, context) = samples::sample(sample.name)?;
        let announced = engine.preview(&event, &context, &json!({}))?.incident["rings"] == true;
        let (rang, rings) =
            (takes(&old, event.clone()), announced && matchers.iter().any(|matcher| takes(matcher, event.clone())));
        match (rang, rings) {
            (true, true) => compared.as_before.push(sample.title),
            (false, true) => compared.in_addition.push(sample.title),
            (true, false) => compared.no_longer.push(sample.title),
            (false, false) => {}
        }
    }
    Ok(Some(compared))
}

/// Checks whether a pattern matches such an event, regardless of the families, services and containers that the pattern names.
pub fn takes(matcher: &Matcher, mut event: Value) -> bool {
    for _ in 0..MOST_FITS {
        match matcher.mismatch(&event) {
            None => return true,
            Some(mismatch) if fit(&mut event, &mismatch) => {}
            Some(_) => return false,
        }
    }
    false
}
