//! Renders the end of `setup`: the failures that cause an alert now, the next commands, the costs, and the pages of AWS's console.

use std::fmt::Write;

use crate::config::{Config, webhook_service};
use crate::input::{printable, quoted};
use crate::operations::setup::Applied;
use crate::operations::setup::first_test::Test;
use crate::pattern::CATALOGUE;
use crate::pattern::scenario::Scenario;
use crate::stack::{Place, Stack};
use crate::style::Style;
use crate::words::count;

const BOLD: Style = Style::BOLD;

/// Asks whether to send the test now.
pub const QUESTION: &str = "Send a test message now?";

/// Follows the success of a first test that the user asked for.
pub const ARRIVED: &str = "Look at the channel: a message labelled as a drill has arrived.\n";

/// Returns the closing message of `setup`. A stack that existed before needs only a test. `flags` select the file, the region and the
/// profile of this run.
pub fn set_up(applied: &Applied, flags: &str) -> String {
    let Applied { stack, place, .. } = applied;
    let config = applied.config();
    if !applied.is_first() {
        let test = test(config, flags).map(|line| format!(" `{line}` sends a test through it.")).unwrap_or_default();
        return format!("The stack {} is set up.{test}\n", stack.name);
    }
    let Place { region, account, .. } = place;
    let mut text = format!("{BOLD}The stack {} is set up in {region}, account {account}.{BOLD:#}\n", stack.name);
    let _ = write!(text, "\nThese failures cause an alert now{}:\n{}", destination(applied), alerts(config));
    text += &ends(config);
    let _ = write!(text, "\nNext:\n{}", commands(config, flags));
    let _ = write!(text, "\nCosts: {}.\n", costs(config));
    let pages = pages(stack, place);
    if !pages.is_empty() {
        let _ = write!(text, "\nIn AWS's console:\n{}", rows(&pages));
    }
    text
}

/// Returns the command that sends a test which one of the stack's patterns matches, or `None` without such a command.
fn test(config: &Config, flags: &str) -> Option<String> {
    let scenario = match Test::of(config)? {
        Test::Notify => return Some(format!("taskbell notify test{flags}")),
        Test::Drill(scenario) if scenario == Scenario::default() => String::new(),
        Test::Drill(scenario) => format!(" --scenario {}", scenario.name()),
    };
    Some(format!("taskbell drill{}{scenario}{flags}", selected(config)))
}

/// Returns the words that select the stack.
fn selected(Config { stack, clusters, .. }: &Config) -> String {
    let Some(cluster) = clusters.first() else { return format!(" --stack {stack}") };
    let is_named_after_it = cluster.stack_name().is_ok_and(|name| name == *stack);
    let is_plain = cluster.arn().is_none() && !cluster.is_glob() && !cluster.name().starts_with('-');
    let flag = if is_plain { "" } else { "--cluster " };
    let stack = if is_named_after_it { String::new() } else { format!(" --stack {stack}") };
    format!(" {flag}{}{stack}", quoted(&cluster.to_string()))
}

/// Returns the receiver of the alerts in words, as far as this run knows it.
fn destination(applied: &Applied) -> String {
    let Config { own_parameter, destinations, .. } = applied.config();
    let own = match (applied.webhook(), own_parameter) {
        (Some(webhook), _) => Some(webhook_service(webhook).to_owned()),
        (None, Some(name)) => Some(format!("the webhook in {name}")),
        (None, None) => None,
    };
    let others = destinations.iter().map(|destination| destination.name.clone());
    let all: Vec<String> = own.into_iter().chain(others).collect();
    if all.is_empty() { String::new() } else { format!(", through {}", printable(&all.join(", "))) }
}

/// Returns a line for each pattern: its name, and the events that cause an alert.
fn alerts(config: &Config) -> String {
    let line = |name: &str| {
        let own = "the events of your own pattern";
        let rings = CATALOGUE.iter().find(|entry| entry.name == name).map_or(own, |entry| entry.rings);
        (printable(name), rings.to_owned())
    };
    let patterns = config.patterns.iter().map(|pattern| line(&pattern.name));
    let jobs = (!config.jobs.is_empty()).then(|| {
        let jobs = count(config.jobs.len(), "expected job");
        (
            "--expect".to_owned(),
            format!("a success that does not come in time, or a run that takes too long, of {jobs}"),
        )
    });
    rows(&patterns.chain(jobs).collect::<Vec<_>>())
}

/// Returns the line about the rules that send no alert.
fn ends(Config { companions, .. }: &Config) -> String {
    let names: Vec<&str> = companions.iter().map(|pattern| pattern.name.as_str()).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("Other rules report when a job or a service works again: {}.\n", printable(&names.join(", "))),
    }
}

fn commands(config: &Config, flags: &str) -> String {
    let selected = selected(config);
    let line = |command: &str| format!("taskbell {command}{selected}{flags}");
    let test = test(config, flags).map(|line| (line, "send a test through the whole path".to_owned()));
    let others = [
        (line("status"), "show the stack, and its last alert".to_owned()),
        (line("drift"), "check that nobody changed it".to_owned()),
        (line("teardown"), "remove it".to_owned()),
    ];
    rows(&test.into_iter().chain(others).collect::<Vec<_>>())
}

/// Returns the monthly costs in words, by the list prices in docs/how-it-works.md.
fn costs(config: &Config) -> String {
    let alarms = match config.alarm_topic {
        Some(_) => "0.20 USD a month for the two alarms, and nothing else",
        None => "nothing",
    };
    format!("{alarms} while nothing fails, and a cent or two for 1,000 alerts a month")
}

/// Returns the pages of the rules, the function and its log. Partitions without a known public console have none.
fn pages(stack: &Stack, place: &Place) -> Vec<(String, String)> {
    let Place { partition, region, .. } = place;
    let host = match partition.as_str() {
        "aws" => "console.aws.amazon.com",
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        "aws-eusc" => "console.amazonaws-eusc.eu",
        _ => return Vec::new(),
    };
    let page = |path: String| format!("https://{region}.{host}/{path}");
    let function = stack.function_name();
    // CloudWatch's console expects names that are encoded twice, with $ in place of %.
    let group = stack.log_group_name().replace('/', "$252F");
    vec![
        ("rules".to_owned(), page(format!("events/home?region={region}#/rules"))),
        ("function".to_owned(), page(format!("lambda/home?region={region}#/functions/{function}"))),
        ("log".to_owned(), page(format!("cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}"))),
    ]
}

/// Returns the rows of a table with two columns.
fn rows(cells: &[(String, String)]) -> String {
    let width = cells.iter().map(|(first, _)| first.chars().count()).max().unwrap_or_default();
    let row = |(first, second): &(String, String)| format!("  {first:width$}  {second}\n");
    cells.iter().map(row).collect()
}
