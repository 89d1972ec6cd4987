//! Compares the alerts of the old rule with those of the new ones, by means of the recorded samples and the notifier's own rules.

use serde_json::json;

use crate::error::Result;
use crate::notifier::embedded::Engine;
use crate::pattern::fitting::fitted;
use crate::pattern::matcher::Matcher;
use crate::pattern::samples::{self, SAMPLES};
use crate::pattern::tree::Tree;
use crate::pattern::{Drill, Pattern};

/// The titles of the samples, by the change of their alert.
#[derive(Debug, Default)]
pub struct Compared {
    pub as_before: Vec<&'static str>,
    pub in_addition: Vec<&'static str>,
    pub no_longer: Vec<&'static str>,
}

/// Compares the old pattern and the new ones for the first of the clusters. Returns none if the old pattern is not understood.
///
/// # Errors
/// If a new pattern cannot be bound.
pub fn compare(old: &Tree, new: &[Pattern], drill: Drill, cluster_arns: &[String]) -> Result<Option<Compared>> {
    let Ok(old) = Matcher::new(old) else { return Ok(None) };
    let matchers = new.iter().map(|pattern| pattern.matcher(cluster_arns, drill)).collect::<Result<Vec<_>>>()?;
    let engine = Engine::new()?;
    let mut compared = Compared::default();
    let cluster = cluster_arns.first().map(String::as_str).unwrap_or_default();
    for (sample, event) in SAMPLES.iter().zip(samples::of_cluster(cluster)?) {
        let (_, context) = samples::sample(sample.name)?;
        let announced = engine.preview(&event, &context, &json!({}))?.incident["rings"] == true;
        // The names of families, services and containers do not matter.
        let takes = |matcher: &Matcher| fitted(matcher, event.clone()).is_some();
        let (rang, rings) = (takes(&old), announced && matchers.iter().any(takes));
        match (rang, rings) {
            (true, true) => compared.as_before.push(sample.title),
            (false, true) => compared.in_addition.push(sample.title),
            (true, false) => compared.no_longer.push(sample.title),
            (false, false) => {}
        }
    }
    Ok(Some(compared))
}
