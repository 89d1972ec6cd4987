//! Renders the questions of `init`, and the text of `taskbell.toml`.

use std::fmt::Write;

use crate::operations::init::Answers;

/// Returns the clusters that were found, each with its number.
pub fn list(found: &[String]) -> String {
    found.iter().enumerate().fold(String::new(), |mut text, (at, name)| {
        let _ = writeln!(text, "{:>4}  {name}", at + 1);
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

/// Returns the next step after the file was written. `stacks` is the number of stacks in the file.
pub fn next(stacks: usize) -> &'static str {
    match stacks {
        1 => "`taskbell setup` asks for the webhook, shows the plan, and asks again",
        _ => "put the webhook into TASKBELL_SLACK_WEBHOOK_URL; `taskbell setup --all` shows the plans, and asks",
    }
}

/// Returns the text of the file, with further settings as comments.
pub fn text(answers: &Answers, profile: Option<&str>) -> String {
    let Answers { region, clusters, language, mention, alarm_topic } = answers;
    let quoted = |text: &str| format!("{text:?}");
    let list = |items: &[String]| items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", ");
    let or_comment = |key: &str, value: Option<String>, example: &str| match value {
        Some(value) => format!("{key} = {value}\n"),
        None => format!("# {key} = {example}\n"),
    };
    let mut text = "\
# What taskbell sets up. `taskbell setup --all` makes AWS so, `taskbell drift --all` tells whether it still is.
# Every flag of setup is a key here. Editors: `taskbell init --schema >taskbell.schema.json`, then, as the first line,
#:schema taskbell.schema.json

# Every stack carries this name as a tag; stacks with it that are no longer here are shown by `drift --all` and removed
# by `teardown --orphans`.
"
    .to_owned();
    let fleet = clusters.first().map(|cluster| cluster.name().to_owned()).unwrap_or_default();
    let _ = write!(text, "fleet = {}\n\n# What holds where a stack says nothing.\n[defaults]\n", quoted(&fleet));
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
# log_groups = [\"/ecs/*\"]                      # the application logs the notifier may read
# tags = { team = \"data\" }
# webhook_parameter = \"/team/slack-webhook\"    # an SSM parameter of yours, instead of one of the stack's own
";
    for cluster in clusters {
        let _ = write!(
            text,
            "\n[[stack]]\nname = {}\nclusters = [{}]\n",
            quoted(cluster.name()),
            quoted(&cluster.to_string())
        );
    }
    text + "\
# patterns = [\"task-failed\"]                    # instead of the default ones: `taskbell pattern list`
# filters = { exclude_families = [\"dev-*\"] }    # of patterns about tasks
# role_arn = \"arn:aws:iam::210987654321:role/taskbell\"   # assumed first, as in another account
"
}
