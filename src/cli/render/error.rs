//! Renders errors, with their causes and their hints.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::error::{Error, Hint};
use crate::input::{printable, printable_lines};
use crate::reconcile::engine::Report;
use crate::reconcile::plan::Plan;
use crate::style::Style;

const RED: Style = Style::RED;
const BOLD: Style = Style::BOLD;

const NO_CREDENTIALS: &str = "no usable AWS credentials: set AWS_PROFILE or --profile, or log in (`aws sso login`, `aws configure`); in \
                              an ECS task, its task role is used";

/// Returns the hints for the resources that could not be read.
pub fn hints(plan: &Plan, command: &str) -> String {
    let hints = plan.unknown.iter().filter_map(|unknown| unknown.error.nearest_hint());
    let hints: BTreeSet<String> = hints.map(|hint| format!("  hint: {}\n", self::hint(hint, command))).collect();
    hints.into_iter().collect()
}

/// Returns a hint as text. `command` is the name of the running command in `permissions --for`.
pub fn hint(hint: &Hint, command: &str) -> String {
    match hint {
        Hint::Words(words) => paragraph(words),
        Hint::GrantSchedules if command.starts_with("setup") => {
            "`taskbell permissions --for setup` and `--for schedules` print the policies that the command needs; give both the same \
             --cluster or --stack"
                .to_owned()
        }
        Hint::GrantPolicy | Hint::GrantSchedules => format!(
            "`taskbell permissions --for {command}` prints the policy that the command needs; give it the same --cluster or --stack"
        ),
        Hint::ProvideCredentials => NO_CREDENTIALS.to_owned(),
        Hint::ChooseRegion(region) => format!("give --region {region}"),
        Hint::NameRegion => "give --region, or set AWS_REGION, or a region in the profile".to_owned(),
        Hint::CheckPlace => "check --region and --profile".to_owned(),
        Hint::NameCluster => "give --cluster NAME".to_owned(),
        Hint::NameStack => "give --cluster NAME or --stack NAME".to_owned(),
        Hint::SetUp => "run `taskbell setup` to create it".to_owned(),
        Hint::Repair => {
            "`taskbell drift` shows the differences, and `taskbell setup` with the same flags repairs them".to_owned()
        }
        Hint::ResolveConflict => {
            "remove or rename them, choose another --stack, or adopt one with --adopt ID".to_owned()
        }
    }
}

/// Returns a warning about an error that does not end the command.
pub fn warning(error: &Error, command: &str) -> String {
    format!("warning: {}{}\n", printable(&error.to_string()), hint_after(error, command))
}

/// Returns the hint of an error, to follow the error's message on the same line.
pub fn hint_after(error: &Error, command: &str) -> String {
    error.nearest_hint().map(|hint| format!("; {}", self::hint(hint, command))).unwrap_or_default()
}

/// Returns the text for stderr after an incomplete run: the steps that were done, that failed, and that were not started.
pub fn report(report: &Report, command: &str) -> String {
    let Report { done, failed, unfinished, not_started } = report;
    let list = |ids: Vec<String>| if ids.is_empty() { "nothing".to_owned() } else { ids.join(", ") };
    let mut text = String::new();
    // An interruption is reported once, by the error that ends the command.
    let (interrupted, failed): (Vec<_>, Vec<_>) = failed.iter().partition(|(_, failure)| failure.is_interrupted());
    for (_, failure) in &failed {
        text += &error(failure, command);
    }
    let _ = writeln!(text, "done: {}", list(done.iter().map(ToString::to_string).collect()));
    let _ = writeln!(text, "failed: {}", list(failed.iter().map(|(id, _)| id.to_string()).collect()));
    if !interrupted.is_empty() {
        let ids = list(interrupted.iter().map(|(id, _)| id.to_string()).collect());
        let _ = writeln!(text, "interrupted: {ids} (the change may or may not have been made)");
    }
    if !unfinished.is_empty() {
        let _ = writeln!(text, "not finished: {}", list(unfinished.iter().map(ToString::to_string).collect()));
    }
    let _ = writeln!(text, "not started: {}", list(not_started.iter().map(ToString::to_string).collect()));
    text + "Run the same command again: it is safe, and continues from here.\n"
}

/// Returns the text of the error that ends a command. Without credentials, the command's own step does not matter: a single sentence
/// says how to get them, and only `--verbose` shows the chain of causes.
pub fn last_error(error: &Error, verbose: bool, command: &str) -> String {
    if error.lacks_credentials() && !verbose {
        return format!("{RED}{BOLD}error:{BOLD:#}{RED:#} {NO_CREDENTIALS}\n");
    }
    let text = self::error(error, command);
    match error.detail_text().filter(|_| verbose) {
        Some(detail) => text + &format!("  in full: {}\n", printable(detail)),
        None => text,
    }
}

/// Returns the text of an error, with its causes and the nearest hint. An answer of no is no error.
pub fn error(error: &Error, command: &str) -> String {
    if error.is_declined() {
        return format!("{error}\n");
    }
    let mut text = format!("{RED}{BOLD}error:{BOLD:#}{RED:#} {}\n", paragraph(&error.to_string()));
    for cause in causes(error) {
        let _ = writeln!(text, "  caused by: {}", paragraph(&cause));
    }
    if let Some(hint) = error.nearest_hint() {
        let _ = writeln!(text, "  hint: {}", self::hint(hint, command));
    }
    text
}

/// Returns a text of several lines, with a bar before all lines but the first: a line break in a foreign text begins no line.
pub fn paragraph(text: &str) -> String {
    printable_lines(text).trim_end().replace('\n', "\n  | ")
}

fn causes(error: &Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}
