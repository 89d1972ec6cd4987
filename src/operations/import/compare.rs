//! What the old rule rings for, and what the new ones would: asked of the recorded samples, with the notifier's own rules.

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::notifier::embedded::Engine;
use crate::pattern::matcher::Matcher;
use crate::pattern::samples::{self, SAMPLES};
use crate::pattern::scenario::fit;
use crate::pattern::tree::Tree;
use crate::pattern::{Drill, Pattern};

/// Titles of samples.
#[derive(Debug, Default)]
pub struct Compared {
    pub as_before: Vec<&'static str>,
    pub in_addition: Vec<&'static str>,
    pub no_longer: Vec<&'static str>,
}

/// A pattern may ask for several names.
const MOST_FITS: usize = 8;

/// Compares them for one of the clusters.
///
/// # Errors
/// If a new pattern cannot be bound; none: the old pattern is not understood.
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

/// Whether it takes such an event, whatever names of families, services and containers it asks for.
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
