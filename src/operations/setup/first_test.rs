//! Chooses the test that shows whether the alerts of a new stack arrive.

use crate::config::Config;
use crate::pattern::scenario::Scenario;
use crate::pattern::{CATALOGUE, Drill, Pattern};

/// A test of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// A drill with the scenario that one of the stack's patterns matches.
    Drill(Scenario),
    /// An alert of `notify`.
    Notify,
}

impl Test {
    /// Returns a test that one of the stack's patterns matches; none without such a test.
    #[must_use]
    pub fn of(Config { clusters, patterns, drill, .. }: &Config) -> Option<Self> {
        if *drill == Drill::Refused {
            return None;
        }
        let rings = |name: &str| patterns.iter().any(|pattern| pattern.name == name);
        let is_file = |pattern: &Pattern| CATALOGUE.iter().all(|entry| entry.name != pattern.name);
        let default = Scenario::default();
        let of_default = rings("task-failed") || rings(default.pattern()) || patterns.iter().any(is_file);
        let is_rung = |scenario: &Scenario| !scenario.is_of_jobs() && rings(scenario.pattern());
        match Scenario::ALL.into_iter().find(is_rung) {
            _ if of_default => clusters.first().map(|_| Self::Drill(default)),
            Some(scenario) if scenario.is_without_cluster() => Some(Self::Drill(scenario)),
            Some(scenario) => clusters.first().map(|_| Self::Drill(scenario)),
            None => rings("application-error").then_some(Self::Notify),
        }
    }
}
