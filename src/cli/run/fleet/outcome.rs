//! Shows the outcome of each stack, and the summary of all.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::cli::args::common::{Common, Format};
use crate::cli::exit::{code, code_of, code_of_error};
use crate::cli::render::{self, markdown};
use crate::cli::run::Told;
use crate::cli::terminal::World;
use crate::error::{Category, Error};
use crate::operations::verdict::Verdict;

/// The outcome of a command for one stack.
pub struct Outcome {
    pub name: String,
    /// The name, with region and account if they are known.
    pub heading: String,
    pub told: Told,
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

/// Prints the output of one stack. Without `--verbose`, a single line of text is left to the summary, unless something failed.
pub fn show(outcome: &Outcome, common: &Common, world: &World) {
    let Outcome { name: _, heading, told: Told { out, err, ended, .. } } = outcome;
    let told = match ended {
        Err(error) => format!("{err}{}", render::error(error, world.command())),
        Ok(_) => err.clone(),
    };
    let has_more = out.lines().nth(1).is_some() || (matches!(ended, Ok(Verdict::Failed)) && !out.is_empty());
    match common.output {
        Format::Text if has_more || (common.verbose && !out.is_empty()) => world.out.print(&headed(heading, out)),
        Format::Github => world.out.print(&annotated(outcome)),
        Format::Markdown if out.is_empty() => {
            world.out.print(&format!("### {heading}\n\n{}\n\n", markdown::escaped(&outcome.told())));
        }
        Format::Markdown => world.out.print(&format!("{out}\n")),
        Format::Text | Format::Json => {}
    }
    if !told.trim().is_empty() {
        world.err.print(&headed(heading, &told));
    }
}

/// Rewrites the counts of a plan for the time after its steps are done.
fn as_done(summary: &str) -> String {
    summary.replace(" to add", " added").replace(" to change", " changed").replace(" to remove", " removed")
}

/// Returns the stack's own annotations, or else one annotation with the outcome.
fn annotated(outcome: &Outcome) -> String {
    let Told { out, ended, .. } = &outcome.told;
    match (ended, out.is_empty()) {
        (Ok(Verdict::InSync), _) | (Ok(_), false) => out.clone(),
        _ => render::annotation("error", &outcome.heading, &outcome.told()),
    }
}

/// The exit codes, the most severe first.
const GRAVITY: [u8; 6] = [
    code_of(Category::Interrupted),
    code_of(Category::Usage),
    code(Verdict::Failed),
    code(Verdict::Unreadable),
    code(Verdict::Differs),
    code(Verdict::InSync),
];

impl Outcome {
    /// Returns the outcome of work that could not begin.
    pub fn of_nothing(name: String, error: Error) -> Self {
        let told = Told { out: String::new(), object: None, err: String::new(), sum: None, ended: Err(error) };
        Self { heading: name.clone(), name, told }
    }

    fn code(&self) -> u8 {
        self.told.ended.as_ref().map_or_else(code_of_error, |verdict| code(*verdict))
    }

    pub fn told(&self) -> String {
        let Told { sum, ended, .. } = &self.told;
        match ended {
            Err(error) => format!("error: {}", error.in_one_line()),
            Ok(Verdict::InSync) => sum.as_deref().map_or_else(|| "done".to_owned(), as_done),
            Ok(Verdict::Differs) => sum.as_deref().unwrap_or("differs").to_owned(),
            Ok(Verdict::Unreadable) => "something could not be read".to_owned(),
            Ok(Verdict::Failed) => "failed".to_owned(),
        }
    }

    fn object(&self) -> Value {
        let mut object = self.told.object.clone().unwrap_or_else(|| json!({}));
        if object["stack"].is_null() {
            object["stack"] = json!(self.name);
        }
        object["exit_code"] = json!(self.code());
        if let Err(error) = &self.told.ended {
            object["error"] = json!(error.in_one_line());
        }
        object
    }
}

/// Prints the summary, and returns the most severe exit code.
pub fn conclude(outcomes: &[Outcome], common: &Common, world: &World) -> u8 {
    let code = GRAVITY.into_iter().find(|code| outcomes.iter().any(|outcome| outcome.code() == *code)).unwrap_or(0);
    if common.output == Format::Json {
        let stacks: Vec<Value> = outcomes.iter().map(Outcome::object).collect();
        world.out.print(&render::json(&json!({ "stacks": stacks, "exit_code": code })));
        return code;
    }
    let width = outcomes.iter().map(|outcome| outcome.name.chars().count()).max().unwrap_or_default();
    let line = |outcome: &Outcome| format!("{:width$}  {}\n", outcome.name, outcome.told());
    let good = outcomes.iter().filter(|outcome| outcome.code() == 0).count();
    let mut text: String = match common.quiet {
        true => outcomes.iter().filter(|outcome| outcome.code() != 0).map(line).collect(),
        false => outcomes.iter().map(line).collect(),
    };
    let bad = outcomes.len() - good;
    let _ = match bad {
        0 if outcomes.is_empty() => writeln!(text, "nothing to do: every stack that exists in AWS is in the file"),
        0 => writeln!(text, "{}: all good", render::count(good, "stack")),
        bad => writeln!(text, "{}: {good} good, {bad} not", render::count(outcomes.len(), "stack")),
    };
    match common.output {
        Format::Github | Format::Markdown => world.err.print(&text),
        _ => world.out.print(&text),
    }
    code
}
