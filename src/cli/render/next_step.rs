//! Suggests the next step after `setup`: a test of the stack.

use crate::config::Config;
use crate::pattern::scenario::Scenario;
use crate::pattern::{CATALOGUE, Drill, Pattern};

/// Returns the command that sends a test which one of the stack's patterns matches, or `None` without such a command.
fn test(Config { stack, clusters, patterns, drill, .. }: &Config) -> Option<String> {
    if *drill == Drill::Refused {
        return None;
    }
    let rings = |name: &str| patterns.iter().any(|pattern| pattern.name == name);
    let is_file = |pattern: &Pattern| CATALOGUE.iter().all(|entry| entry.name != pattern.name);
    let of_default = rings("task-failed") || rings(Scenario::default().pattern()) || patterns.iter().any(is_file);
    let scenario = match Scenario::ALL.into_iter().find(|scenario| rings(scenario.pattern())) {
        _ if of_default => String::new(),
        Some(scenario) => format!(" --scenario {}", scenario.name()),
        None => return rings("application-error").then(|| "taskbell notify test".to_owned()),
    };
    let cluster = clusters.first()?;
    let is_named_after_it = cluster.name() == stack.as_str();
    let stack = if is_named_after_it { String::new() } else { format!(" --stack {stack}") };
    Some(format!("taskbell drill --cluster {cluster}{stack}{scenario}"))
}

/// Returns the closing message of `setup`.
pub fn set_up(config: &Config) -> String {
    let test = test(config).map(|line| format!(" `{line}` sends a test through it.")).unwrap_or_default();
    format!("The stack {} is set up.{test}\n", config.stack)
}
