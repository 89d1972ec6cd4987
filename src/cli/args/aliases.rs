//! Understands the words that people type for a command of another name, and explains why no flag takes a webhook.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::Error;
use crate::pattern::samples::{SAMPLES, without_number};

/// The words for a command of another name.
const NAMES: [(&str, &str); 3] = [("plan", "setup"), ("remove", "teardown"), ("destroy", "teardown")];
const PLAN: &str = "plan";
const TEST: &str = "test";
const VERSION: &str = "version";
const DRY_RUN: &str = "--dry-run";

/// The flags of `pattern test` alone.
const OF_PATTERN_TEST: [&str; 5] = ["--pattern", "--task", "--job", "--live", "--task-definition"];
/// The flags by which people try to pass a webhook.
const WEBHOOK: [&str; 7] =
    ["--webhook", "--webhook-url", "--slack-webhook", "--slack-webhook-url", "--slack-url", "--url", "--hook"];

/// A mistyped word has at most one letter in this many changed.
const MOST_CHANGED: usize = 3;

/// The arguments with the real name of the command.
pub struct Typed {
    pub arguments: Vec<OsString>,
    /// The choice that taskbell made, for the user.
    pub note: Option<String>,
}

/// Replaces a word that people type for a command by the command: `plan` is `setup --dry-run`, `test` is a drill or a test of
/// patterns, `remove` and `destroy` are `teardown`, and `version` is `--version`.
pub fn expanded(mut arguments: Vec<OsString>, command: &Command) -> Typed {
    let as_typed = |arguments| Typed { arguments, note: None };
    let Some(mut at) = command_at(&arguments, command) else { return as_typed(arguments) };
    let is_help = word(&arguments, at) == "help";
    if is_help {
        at += 1;
    }
    let typed = word(&arguments, at).to_owned();
    match typed.as_str() {
        VERSION if !is_help => {
            arguments.truncate(1);
            arguments.push("--version".into());
            as_typed(arguments)
        }
        TEST if is_help => {
            arguments[at] = "drill".into();
            as_typed(arguments)
        }
        TEST => tested(arguments, at, command),
        _ => {
            if let Some((_, name)) = NAMES.iter().find(|(alias, _)| *alias == typed) {
                arguments[at] = (*name).into();
            }
            if typed == PLAN && !is_help && !arguments.iter().any(|argument| argument == DRY_RUN) {
                arguments.insert(at + 1, DRY_RUN.into());
            }
            as_typed(arguments)
        }
    }
}

/// Replaces `test`: with an event or a flag of `pattern test`, by that command, and otherwise by `drill`.
fn tested(mut arguments: Vec<OsString>, at: usize, command: &Command) -> Typed {
    let of_drill = command.find_subcommand("drill");
    let of_test = command.find_subcommand("pattern").and_then(|pattern| pattern.find_subcommand(TEST));
    let with_value = flags_with_value([command].into_iter().chain(of_drill).chain(of_test));
    let rest = without_values(&arguments[at + 1..], &with_value);
    let is_flag = |argument: &OsStr, flags: &[&str]| {
        argument.to_str().is_some_and(|text| flags.contains(&text.split('=').next().unwrap_or_default()))
    };
    let is_about_event = rest.iter().any(|argument| is_flag(argument, &OF_PATTERN_TEST) || is_event(argument));
    let (name, command, other) = match is_about_event {
        true => {
            (&["pattern", "test"][..], "pattern test", "`taskbell drill` sends a test failure through the live rule")
        }
        false => (&["drill"][..], "drill", "`taskbell pattern test EVENT` tests which patterns match an event"),
    };
    drop(arguments.splice(at..=at, name.iter().map(OsString::from)));
    let is_quiet = arguments.iter().any(|argument| argument == "-q" || argument == "--quiet");
    let note = format!("note: `taskbell test` is here `taskbell {command}`; {other}\n");
    Typed { arguments, note: (!is_quiet).then_some(note) }
}

/// Returns whether an argument names an event: standard input, a file, a folder, or a sample.
fn is_event(argument: &OsStr) -> bool {
    let Some(text) = argument.to_str() else { return false };
    let is_sample = || SAMPLES.iter().any(|sample| sample.name == text || without_number(sample.name) == text);
    let is_json = || Path::new(text).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    text == "-" || (!text.starts_with('-') && (is_json() || is_sample()))
}

/// Returns the flags of these commands that take the next word as their value.
fn flags_with_value<'a>(commands: impl IntoIterator<Item = &'a Command>) -> Vec<String> {
    let all = commands.into_iter().flat_map(Command::get_arguments);
    let takes_next = all.filter(|flag| flag.get_action().takes_values() && !flag.is_require_equals_set());
    let names = takes_next.flat_map(|flag| {
        let long = flag.get_long().map(|name| format!("--{name}"));
        long.into_iter().chain(flag.get_short().map(|name| format!("-{name}")))
    });
    names.collect()
}

/// Returns the arguments without those that are the values of flags.
fn without_values<'a>(arguments: &'a [OsString], with_value: &[String]) -> Vec<&'a OsString> {
    let takes_next = |flag: &&OsString| with_value.iter().any(|name| **flag == **name);
    let mut rest = arguments.iter();
    let mut left = Vec::new();
    while let Some(argument) = rest.next() {
        left.push(argument);
        if takes_next(&argument) {
            rest.next();
        }
    }
    left
}

/// Returns the place of the command's name: the first argument that is neither a flag nor a flag's value.
fn command_at(arguments: &[OsString], command: &Command) -> Option<usize> {
    let with_value = flags_with_value([command]);
    let mut at = 1;
    while at < arguments.len() {
        match word(arguments, at) {
            "--" => return None,
            flag if with_value.iter().any(|name| name == flag) => at += 2,
            flag if flag.starts_with('-') => at += 1,
            _ => return Some(at),
        }
    }
    None
}

fn word(arguments: &[OsString], at: usize) -> &str {
    arguments.get(at).map(OsString::as_os_str).and_then(OsStr::to_str).unwrap_or_default()
}

/// Returns the error about a webhook that was given as an argument, if that is the mistake. Repeats nothing of it.
pub fn of_webhook(error: &clap::Error) -> Option<Error> {
    let is_webhook = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => WEBHOOK.contains(&flag.split(['=', ' ']).next().unwrap_or_default()),
        _ => false,
    };
    (error.kind() == ErrorKind::UnknownArgument && is_webhook).then(|| {
        Error::usage(
            "a webhook is a secret, so no flag takes it: the list of processes and the shell's history would show it",
        )
        .hint(
            "leave it out, and `taskbell setup` asks for it; a script puts it into TASKBELL_SLACK_WEBHOOK_URL, pipes it to \
             --slack-webhook-url-stdin, or names an SSM parameter of yours with --slack-webhook-parameter",
        )
    })
}

/// Removes the tip of an error that names a flag of another meaning: a tip is for a typing mistake.
pub fn without_misleading_tip(mut error: clap::Error) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.trim_start_matches('-').to_owned()),
        _ => None,
    };
    if let (Some(typed), Some(tip)) = (text(ContextKind::InvalidArg), text(ContextKind::SuggestedArg))
        && !is_mistyped(&tip, &typed)
    {
        error.remove(ContextKind::SuggestedArg);
    }
    error
}

/// Returns whether the typed flag has the words of the known flag, each with few letters changed.
fn is_mistyped(known: &str, typed: &str) -> bool {
    let words = |flag: &str| flag.split(['-', '_']).map(str::to_owned).collect::<Vec<_>>();
    let (known, typed) = (words(known), words(typed.split(['=', ' ']).next().unwrap_or_default()));
    let are_near = |(one, other): (&String, &String)| {
        let longest = one.chars().count().max(other.chars().count());
        strsim::damerau_levenshtein(one, other) * MOST_CHANGED <= longest
    };
    known.concat() == typed.concat() || (known.len() == typed.len() && known.iter().zip(&typed).all(are_near))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tip_is_for_a_typing_mistake_and_not_for_another_meaning() {
        for (known, typed, is_tip) in [
            ("cluster", "clsuter", true),
            ("log-lines", "log-line", true),
            ("dry-run", "dryrun", true),
            ("exclude-family", "exclude-familiy", true),
            ("webhook-takes", "webhook", false),
            ("webhook-takes", "webhook-url", false),
            ("username", "user", false),
            ("log-group", "log-level", false),
            ("no-drill", "no-test", false),
        ] {
            assert_eq!(is_mistyped(known, typed), is_tip, "{known} {typed}");
        }
    }
}
