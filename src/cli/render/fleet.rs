//! Renders the outcomes of several stacks, and the summary of all.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::github::annotation;
use super::markdown::escaped;
use crate::config::file::{Member, Site};
use crate::error::Result;
use crate::input::printable;
use crate::operations::verdict::Verdict;
use crate::stack::Place;
use crate::words::count;

/// The outcome of a command for one stack.
pub struct Outcome<'a> {
    pub name: &'a str,
    /// The name, with region and account if they are known.
    pub heading: &'a str,
    /// The output for the stack.
    pub out: &'a str,
    /// The output as one line, if one line is enough.
    pub sum: Option<&'a str>,
    pub ended: &'a Result<Verdict>,
    pub code: u8,
}

impl Outcome<'_> {
    /// Returns the outcome in one line.
    pub fn line(&self) -> String {
        match self.ended {
            Err(error) if error.is_declined() => "cancelled".to_owned(),
            Err(error) => format!("error: {}", printable(&error.in_one_line())),
            Ok(Verdict::InSync) => self.sum.unwrap_or("done").to_owned(),
            Ok(Verdict::Differs) => self.sum.unwrap_or("differs").to_owned(),
            Ok(Verdict::Unreadable) => "something could not be read".to_owned(),
            Ok(Verdict::Failed) => "failed".to_owned(),
        }
    }

    /// Returns the stack's own annotations, or else one annotation with the outcome.
    pub fn annotations(&self) -> String {
        match (self.ended, self.out.is_empty()) {
            (Ok(Verdict::InSync), _) | (Ok(_), false) => self.out.to_owned(),
            _ => annotation("error", self.heading, &self.line()),
        }
    }

    /// Returns the stack's own Markdown, or else a section with the outcome.
    pub fn markdown(&self) -> String {
        match self.out {
            "" => format!("### {}\n\n{}\n\n", self.heading, escaped(&self.line())),
            out => format!("{out}\n"),
        }
    }

    /// Completes the output of the stack with the outcome.
    pub fn object(&self, object: Option<Value>) -> Value {
        let mut object = object.unwrap_or_else(|| json!({}));
        if object["stack"].is_null() {
            object["stack"] = json!(self.name);
        }
        object["exit_code"] = json!(self.code);
        if let Err(error) = self.ended {
            object["error"] = json!(error.in_one_line());
        }
        object
    }
}

/// Returns the outcomes of all stacks with their counts. With `quiet`, only the outcomes that are not good.
pub fn summary(outcomes: &[Outcome<'_>], quiet: bool) -> String {
    let width = outcomes.iter().map(|outcome| outcome.name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for outcome in outcomes.iter().filter(|outcome| !quiet || outcome.code != 0) {
        let _ = writeln!(text, "{:width$}  {}", outcome.name, outcome.line());
    }
    let bad = outcomes.iter().filter(|outcome| outcome.code != 0).count();
    let good = outcomes.len() - bad;
    let _ = match bad {
        0 if outcomes.is_empty() => writeln!(text, "nothing to do: every stack that exists in AWS is in the file"),
        0 => writeln!(text, "{}: all good", count(good, "stack")),
        bad => writeln!(text, "{}: {good} good, {bad} not", count(outcomes.len(), "stack")),
    };
    text
}

/// Returns the line of a stack that is done, before the summary.
pub fn progress(done: usize, total: usize, name: &str, outcome: &str) -> String {
    format!("[{done}/{total}] {name}: {outcome}\n")
}

/// Returns the question about the changes to several stacks.
pub fn question(stacks: usize) -> String {
    format!("Apply these changes to {}?", count(stacks, "stack"))
}

/// Returns the text of one of several stacks, indented under a heading.
pub fn headed(name: &str, text: &str) -> String {
    let heading = format!("stack {name}");
    // Some texts already begin with this heading.
    let rest = text.strip_prefix(&heading).and_then(|rest| rest.strip_prefix('\n')).unwrap_or(text);
    format!("{heading}:\n{}", indented(rest))
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}

/// Returns the stack's name, with region, profile and role if several of the stacks have the name.
pub fn name(member: &Member, members: &[Member]) -> String {
    let name = short_name(member);
    let again = members.iter().filter(|other| other.name == member.name).count() > 1;
    let Site { region, profile, role_arn, .. } = &member.site;
    let place = [region, profile, role_arn].into_iter().flatten().cloned().collect::<Vec<_>>();
    if again { format!("{name} ({})", place.join(", ")) } else { name }
}

fn short_name(member: &Member) -> String {
    member.name.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// Returns the name with region and account, so that nobody reads about, or changes, the wrong account.
pub fn heading(name: &str, place: Option<&Place>) -> String {
    match place {
        Some(Place { region, account, .. }) => format!("{name} in {region}, account {account}"),
        None => name.to_owned(),
    }
}

/// Returns the name of a stack that is no longer in the file.
pub fn orphan(member: &Member, place: &Place, file: &Path) -> String {
    format!("{}, no longer in {}", heading(&short_name(member), Some(place)), file.display())
}

/// Returns the name of the lookup of stacks that are no longer in the file, in an account and region.
pub fn orphans_in(Place { region, account, .. }: &Place, file: &Path) -> String {
    format!("stacks that are no longer in {}, in {region}, account {account}", file.display())
}

/// Returns the name of the lookup of stacks that are no longer in the file, in the unknown account of a stack.
pub fn orphans_beside(member: &Member, file: &Path) -> String {
    format!("stacks that are no longer in {}, in the account and region of {}", file.display(), short_name(member))
}
