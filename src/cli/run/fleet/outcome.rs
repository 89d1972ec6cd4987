//! Shows the outcome of each stack, and the summary of all.

use serde_json::{Value, json};

use crate::cli::args::common::{Common, Format};
use crate::cli::exit::{code, code_of, code_of_error};
use crate::cli::render;
use crate::cli::render::fleet::{headed, summary};
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

/// Prints the output of one stack. Without `--verbose`, a single line of text is left to the summary, unless something failed.
pub fn show(outcome: &Outcome, common: &Common, world: &World) {
    let Outcome { name: _, heading, told: Told { out, err, ended, .. } } = outcome;
    let told = match ended {
        // The summary names the interruption, so that it is reported once.
        Err(error) if error.is_interrupted() && err.is_empty() => String::new(),
        Err(error) => format!("{err}{}", render::last_error(error, common.verbose, world.command())),
        Ok(_) => err.clone(),
    };
    let has_more = out.lines().nth(1).is_some() || (matches!(ended, Ok(Verdict::Failed)) && !out.is_empty());
    match common.output {
        Format::Text if has_more || (common.verbose && !out.is_empty()) => {
            world.out.print(&world.laid_out(&headed(heading, out)));
        }
        Format::Github => world.out.print(&outcome.rendered().annotations()),
        Format::Markdown => world.out.print(&outcome.rendered().markdown()),
        Format::Text | Format::Json | Format::Mermaid => {}
    }
    if !told.trim().is_empty() {
        world.err.print(&headed(heading, &told));
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

    /// Returns the parts of the outcome from which a text is made.
    pub fn rendered(&self) -> render::fleet::Outcome<'_> {
        let Self { name, heading, told: Told { out, sum, ended, .. } } = self;
        let code = ended.as_ref().map_or_else(code_of_error, |verdict| code(*verdict));
        render::fleet::Outcome { name, heading, out, sum: sum.as_deref(), ended, code }
    }
}

/// Prints the summary, and returns the most severe exit code.
pub fn conclude(outcomes: &[Outcome], common: &Common, world: &World) -> u8 {
    let rendered: Vec<render::fleet::Outcome<'_>> = outcomes.iter().map(Outcome::rendered).collect();
    let code = GRAVITY.into_iter().find(|code| rendered.iter().any(|outcome| outcome.code == *code)).unwrap_or(0);
    match common.output {
        Format::Json => {
            let objects = outcomes.iter().map(|outcome| outcome.rendered().object(outcome.told.object.clone()));
            let stacks: Vec<Value> = objects.collect();
            world.out.print(&render::json(&json!({ "stacks": stacks, "exit_code": code })));
        }
        Format::Github | Format::Markdown => world.err.print(&summary(&rendered, common.quiet)),
        Format::Text | Format::Mermaid => world.out.print(&summary(&rendered, common.quiet)),
    }
    code
}
