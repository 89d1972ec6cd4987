//! Finds the clusters of an account and region for which no stack alerts.

use serde_json::Value;

use super::session::Session;
use crate::aws::calls::{bus, cluster};
use crate::aws::client::fault::Fault;
use crate::pattern::coverage::covers;
use crate::pattern::job_filter;
use crate::stack::Place;

/// Returns the names of the clusters that no enabled rule of any stack covers. A cluster is covered even if the rule is only about a
/// part of its failures: its stack shows that. A rule for jobs of AWS Batch covers the clusters in which AWS Batch runs them.
///
/// # Errors
/// If the clusters or the rules could not be listed: the reason.
pub async fn uncovered(session: &Session, place: &Place) -> Result<Vec<String>, String> {
    let (clusters, patterns) = tokio::join!(cluster::names(&session.sdk), bus::enabled_patterns(&session.sdk));
    let told = |fault: Fault| fault.to_string();
    let patterns: Vec<Value> = patterns.map_err(told)?;
    let mut names = clusters.map_err(told)?;
    let has_jobs = patterns.iter().any(|pattern| job_filter::alternatives(pattern).any(job_filter::is_of_batch));
    names.retain(|name| {
        if has_jobs && cluster::is_of_batch(name) {
            return false;
        }
        let arn = place.cluster_arn(name);
        !patterns.iter().any(|pattern| covers(pattern, &arn))
    });
    Ok(names)
}
