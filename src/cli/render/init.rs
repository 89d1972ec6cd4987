//! Renders the questions of `init`, and the text of `taskbell.toml`.

use std::fmt::Write;

use super::jobs;
use crate::config::Cluster;
use crate::input::printable;
use crate::operations::init::{Answers, Expectations};
use crate::words::count;

/// Returns the clusters that were found, each with its number.
pub fn list(found: &[String]) -> String {
    found.iter().enumerate().fold(String::new(), |mut text, (at, name)| {
        let _ = writeln!(text, "{:>4}  {}", at + 1, printable(name));
        text
    })
}

/// Returns the question for clusters. `place` follows the word clusters.
pub fn question(found: &[String], place: &str) -> String {
    match found.is_empty() {
        true => format!("Which clusters{place}, by name? "),
        false => format!("Which clusters{place}, by number or name? [all] "),
    }
}

/// Returns the question whether the only cluster shall have a stack.
pub fn question_about_the_only(name: &str, place: &str) -> String {
    format!("Set up alerts for the cluster {}{place}? [Y/n] ", printable(name))
}

/// Returns the question for the number of stacks. A stack for all clusters is for new ones, too.
pub fn question_about_stacks(are_all: bool) -> &'static str {
    match are_all {
        true => "Make one stack for all clusters, also new ones, or one each? one or each [each]: ",
        false => "Make one stack for these clusters, or one each? one or each [each]: ",
    }
}

/// Returns the question whether the file shall expect a success of each job.
pub fn question_about_jobs(jobs: &Expectations) -> String {
    let all: usize = jobs.iter().map(|(_, some)| some.len()).sum();
    let of = count(all, "schedule");
    format!("Schedules start jobs here: alert if the job of a schedule does not end well in time ({of})? [Y/n] ")
}

/// Returns the next step after the file was written. `stacks` is the number of stacks in the file.
pub fn next(stacks: usize) -> &'static str {
    match stacks {
        1 => "`taskbell setup` asks for the webhook, shows the plan, and asks again",
        _ => {
            "put the webhook into TASKBELL_SLACK_WEBHOOK_URL; `taskbell setup --all` shows the plans, and asks for confirmation"
        }
    }
}

/// Returns the text of the file, with further settings as comments.
pub fn text(answers: &Answers, profile: Option<&str>) -> String {
    let Answers { region, stacks, language, mention, alarm_topic, jobs } = answers;
    let name_of = |clusters: &[Cluster]| {
        let name = clusters.first().and_then(|cluster| cluster.stack_name().ok());
        name.map(|name| name.to_string()).unwrap_or_default()
    };
    let quoted = |text: &str| format!("{text:?}");
    let list = |items: &[String]| items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", ");
    let or_comment = |key: &str, value: Option<String>, example: &str| match value {
        Some(value) => format!("{key} = {value}\n"),
        None => format!("# {key} = {example}\n"),
    };
    let mut text = "\
# The stacks that taskbell sets up. `taskbell setup --all` applies this file, `taskbell drift --all` reports differences.
# Every flag of setup that describes a stack has a key. For completion in an editor, run
# `taskbell init --schema >taskbell.schema.json`, and make this the first line:
#:schema taskbell.schema.json

# The name of this fleet; setup tags every stack with it. For stacks with this tag that are no longer in this file,
# `drift --all` shows them, and `teardown --orphans` removes them.
"
    .to_owned();
    let fleet = stacks.first().map(|clusters| name_of(clusters)).unwrap_or_default();
    let _ = write!(text, "fleet = {}\n\n# Settings for all stacks that do not set them.\n[defaults]\n", quoted(&fleet));
    text += &or_comment("region", region.as_deref().map(quoted), "\"eu-west-1\"");
    text += &or_comment("profile", profile.map(quoted), "\"prod\"");
    text += &or_comment("language", Some(quoted(language)), "");
    text += &or_comment("mention", (!mention.is_empty()).then(|| format!("[{}]", list(mention))), "[\"here\"]");
    text += &or_comment(
        "alarm_topic",
        alarm_topic.as_deref().map(quoted),
        "\"arn:aws:sns:eu-west-1:123456789012:on-call\"",
    );
    text += "\
# log_groups = [\"/ecs/*\"]                      # the application logs that the notifier may read
# tags = { team = \"data\" }
# webhook_parameter = \"/team/slack-webhook\"    # your own SSM parameter, instead of one of the stack
";
    for (at, clusters) in stacks.iter().enumerate() {
        let names: Vec<String> = clusters.iter().map(ToString::to_string).collect();
        let _ = write!(text, "\n[[stack]]\nname = {}\nclusters = [{}]\n", quoted(&name_of(clusters)), list(&names));
        // The tables of jobs end the stack's own keys.
        if at + 1 == stacks.len() {
            text += MORE;
        }
        let is_here = |name: &str| clusters.iter().any(|cluster| cluster.covers(name));
        let mut written = Vec::new();
        for suggestion in jobs.iter().filter(|(name, _)| is_here(name)).flat_map(|(_, some)| some) {
            // Jobs of several clusters may have one name: a stack expects a job once.
            let job = (&suggestion.job, &suggestion.started_by);
            if !written.contains(&job) {
                written.push(job);
                let _ = writeln!(text, "\n{}", jobs::lines(suggestion).trim_end());
            }
        }
    }
    text
}

/// Further settings of a stack, as comments.
const MORE: &str = "\
# patterns = [\"task-failed\"]                    # instead of the default ones: `taskbell pattern list`
# filters = { exclude_families = [\"dev-*\"] }    # for the patterns about tasks; exclude_clusters is for clusters = [\"*\"]
# role_arn = \"arn:aws:iam::210987654321:role/taskbell\"   # taskbell assumes this role, for example in another account
";
