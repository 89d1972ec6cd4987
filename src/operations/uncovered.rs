//! Finds the clusters of an account and region for which no stack alerts.

use crate::aws::calls::{bus, cluster};
use crate::pattern::coverage::covers;
use crate::pattern::job_filter;
use crate::stack::Place;

/// Returns those of the clusters that no enabled rule of any stack covers. A cluster is covered even if the rule is only about a
/// part of its failures: its stack shows that. A rule for jobs of AWS Batch covers the clusters in which AWS Batch runs them.
#[must_use]
pub fn uncovered(mut clusters: Vec<String>, rules: &[bus::Rule], place: &Place) -> Vec<String> {
    let patterns = || rules.iter().filter(|rule| rule.is_enabled).map(|rule| &rule.pattern);
    let has_jobs = patterns().any(|pattern| job_filter::alternatives(pattern).any(job_filter::is_of_batch));
    clusters.retain(|name| {
        if has_jobs && cluster::is_of_batch(name) {
            return false;
        }
        let arn = place.cluster_arn(name);
        !patterns().any(|pattern| covers(pattern, &arn))
    });
    clusters
}
