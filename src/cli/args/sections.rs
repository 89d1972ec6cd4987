//! Arranges the help: the flags of a stack in sections, and the commands in groups.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

/// The sections of the flags that say what a stack shall be, with the ids of their flags. Flags without a section are about one run.
pub const SECTIONS: [(&str, &[&str]); 6] = [
    (
        "Which tasks",
        &[
            "clusters",
            "exclude_clusters",
            "patterns",
            "families",
            "exclude_families",
            "services",
            "exclude_services",
            "container",
            "job_queues",
            "exclude_job_queues",
            "job_names",
            "exclude_job_names",
            "state_machines",
            "exclude_state_machines",
            "job",
        ],
    ),
    ("Where alerts go", &["slack_webhook_url_stdin", "webhook_parameter", "to", "webhook_takes"]),
    (
        "Message",
        &["language", "mention", "log_lines", "log_groups", "storm_window", "summary", "username", "icon_emoji"],
    ),
    (THIS_RUN, &[]),
    (
        "AWS resources",
        &[
            "alarm_topic",
            "log_retention",
            "tags",
            "permissions_boundary",
            "notifier_role_arn",
            "pattern_quota",
            "rule_quota",
        ],
    ),
    (
        "Rarely needed",
        &[
            "no_drill",
            "no_dedupe",
            "no_recovery",
            "redaction",
            "allow_any_webhook_host",
            "ignore",
            "allow_missing_cluster",
            "adopt",
            "no_pattern_check",
        ],
    ),
];

const THIS_RUN: &str = "This run";
/// The section of the flags that all commands have.
const COMMON: &str = "Common options";

/// The number of sections that `-h` shows.
const SHORT: usize = 4;

/// A flag that only the commands have that describe a stack.
pub const OF_STACKS: &str = "storm_window";

/// The commands in groups, as the help lists them.
pub const GROUPS: [(&str, &[&str]); 5] = [
    ("Set up and remove", &["init", "setup", "import", "teardown"]),
    ("Look", &["status", "jobs", "drift", "graph", "doctor"]),
    ("Test", &["drill", "preview", "pattern"]),
    ("Alerts", &["notify", "replay"]),
    ("Other tools", &["export", "permissions", "completions", "man", "help"]),
];

/// Arranges the flags of every command that describes a stack in sections, in the order of the sections.
pub fn in_sections(command: Command) -> Command {
    let command = command.mut_subcommands(in_sections);
    if command.get_arguments().all(|arg| arg.get_id() != OF_STACKS) {
        return command;
    }
    let mut arranged: Vec<_> = command.get_arguments().cloned().map(in_section).collect();
    // The order of the flags is also that of the sections.
    arranged.sort_by_key(|(place, _)| *place);
    let mut arranged = arranged.into_iter();
    let command = command.mut_args(|arg| arranged.next().map_or(arg, |(_, arg)| arg));
    // clap would list its own flags alone, above all sections.
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).help_heading(COMMON);
    let version = Arg::new("version").short('V').long("version").action(ArgAction::Version).help_heading(COMMON);
    let command = command.disable_help_flag(true).arg(help.help("Print help; -h leaves out what is rarely needed"));
    command.disable_version_flag(true).arg(version.help("Print version"))
}

/// Returns the flag with the number of its section, and its place there. Arguments without a flag come first, below a heading of
/// their own.
fn in_section(arg: Arg) -> ((usize, usize), Arg) {
    if arg.is_positional() {
        return ((0, 0), arg);
    }
    let of_run = SECTIONS.iter().position(|(name, _)| *name == THIS_RUN).unwrap_or_default();
    let in_list = |ids: &[&str]| ids.iter().position(|id| arg.get_id() == id);
    let mut places = SECTIONS.iter().enumerate().filter_map(|(section, (_, ids))| Some((section, in_list(ids)?)));
    let (section, place) = places.next().unwrap_or((of_run, 0));
    let name = SECTIONS.get(section).map_or(THIS_RUN, |(name, _)| *name);
    ((section, place), arg.help_heading(name).hide_short_help(section >= SHORT))
}

/// Replaces the list of the commands in the help by groups of commands.
pub fn in_groups(command: Command) -> Command {
    let header = *command.get_styles().get_header();
    let literal = *command.get_styles().get_literal();
    let width = command.get_subcommands().map(|one| one.get_name().len()).max().unwrap_or_default();
    let mut text = format!("{header}Commands:{header:#}\n");
    for (group, names) in GROUPS {
        let _ = writeln!(text, "  {group}");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            let about = about.unwrap_or_else(|| "Print the help of a command".to_owned());
            // Of a list or a longer explanation, the first part; not the part of a file's name before its ending.
            let end = [": ", "; ", ". ", ", "].iter().filter_map(|end| about.find(end)).min();
            let short = &about[..end.unwrap_or(about.len())];
            let _ = writeln!(text, "    {literal}{name:width$}{literal:#}  {short}");
        }
    }
    command.help_template(format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{text}\n{header}{COMMON}:{header:#}\n{{options}}{{after-help}}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flag_is_in_two_sections() {
        let mut ids: Vec<&str> = SECTIONS.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}
