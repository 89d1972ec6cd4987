//! Suggests the next step after `setup`: a test of the stack.

use crate::config::Config;
use crate::operations::setup::first_test::Test;
use crate::pattern::scenario::Scenario;

/// Asks whether to send the test now.
pub const QUESTION: &str = "Send a test message now?";

/// Returns the command that sends a test which one of the stack's patterns matches, or `None` without such a command.
fn test(config: &Config) -> Option<String> {
    let Config { stack, clusters, .. } = config;
    let scenario = match Test::of(config)? {
        Test::Notify => return Some("taskbell notify test".to_owned()),
        Test::Drill(scenario) if scenario == Scenario::default() => String::new(),
        Test::Drill(scenario) => format!(" --scenario {}", scenario.name()),
    };
    let Some(cluster) = clusters.first() else { return Some(format!("taskbell drill --stack {stack}{scenario}")) };
    let is_named_after_it = cluster.stack_name().is_ok_and(|name| name == *stack);
    // A shell would expand the `*`.
    let cluster = if cluster.is_glob() { format!("'{cluster}'") } else { cluster.to_string() };
    let stack = if is_named_after_it { String::new() } else { format!(" --stack {stack}") };
    Some(format!("taskbell drill --cluster {cluster}{stack}{scenario}"))
}

/// Returns the closing message of `setup`.
pub fn set_up(config: &Config) -> String {
    let test = test(config).map(|line| format!(" `{line}` sends a test through it.")).unwrap_or_default();
    format!("The stack {} is set up.{test}\n", config.stack)
}
