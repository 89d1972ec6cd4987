//! Chooses the rules that a stack needs beside those of its patterns: for the ends of failures.

use crate::config::Config;
use crate::error::Result;
use crate::pattern::companions::{self, Jobs, OF_SERVICES};
use crate::pattern::filter::Filters;
use crate::pattern::{JOB_SUCCEEDED, Pattern, SERVICE_RECOVERED};

/// Returns the companions of the patterns of a configuration. `named` has the names of companions that the user asks for, whether or
/// not the notifier needs them.
///
/// # Errors
/// If the filters cannot narrow a companion.
pub fn companions(config: &Config, filters: &Filters, quota: usize, named: &[String]) -> Result<Vec<Pattern>> {
    let uses = |name: &str| config.patterns.iter().any(|pattern| pattern.name == name);
    let is_named = |name: &str| named.iter().any(|other| other == name);
    let mut all = Vec::new();
    if config.keeps_ledger() || is_named(JOB_SUCCEEDED) {
        let jobs = Jobs {
            has_clusters: !config.clusters.is_empty(),
            are_expected: !config.jobs.is_empty(),
            reports_application_errors: uses("application-error"),
        };
        all.extend(companions::job_succeeded(filters, jobs)?);
    }
    let has_services = !config.clusters.is_empty() && OF_SERVICES.iter().any(|name| uses(name));
    if config.recovery && has_services || is_named(SERVICE_RECOVERED) {
        all.push(companions::service_recovered(filters)?);
    }
    Ok(all.into_iter().map(|pattern| pattern.with_quota(quota)).collect())
}
