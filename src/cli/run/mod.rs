//! Runs a command for a stack in two phases: the first one looks, the second one makes changes if the user agrees. Both return
//! their output, so that one stack and several stacks can be shown in different ways.

pub mod choice;
pub mod fleet;
pub mod progress;
pub mod setup;

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::args::common::{Common, Format};
use super::args::fleet::OfStack;
use super::exit::code;
use super::render;
use super::run::progress::Progress;
use super::terminal::World;
use crate::error::Result;
use crate::operations::target::Context;
use crate::operations::verdict::Verdict;

/// The environment of a command.
pub struct Desk<'a> {
    pub common: &'a Common,
    pub world: &'a World,
    pub context: &'a Context,
    /// The texts of the stack so far, if it is one of many. None: texts are printed at once.
    pub reported: Option<&'a Mutex<Reported>>,
}

/// The texts that one of several stacks has shown before the end of its command.
#[derive(Default)]
pub struct Reported {
    pub out: String,
    pub err: String,
}

/// The output of a command, and its result.
pub struct Told {
    /// The output as text, or in the requested format.
    pub out: String,
    /// The output as JSON.
    pub object: Option<Value>,
    /// The text for stderr.
    pub err: String,
    /// The output as one line, if one line is enough.
    pub sum: Option<String>,
    pub ended: Result<Verdict>,
}

/// The state of a command after the first phase, which writes nothing.
pub enum Phase<P> {
    Over(Told),
    Asks(Asks<P>),
}

/// The changes that a command would make, and the question that comes before them.
pub struct Asks<P> {
    /// The description of the changes.
    pub out: String,
    pub err: String,
    /// The description for stderr, if the output is JSON and the user is asked.
    pub instead: String,
    pub sum: Option<String>,
    pub question: String,
    pub prepared: P,
}

pub trait InPhases: OfStack {
    type Prepared: 'static;

    /// Checks whether the command makes its changes without asking.
    fn yes(&self) -> bool {
        true
    }

    /// Checks whether the output consists of words for people, whose lines may be broken. Other lines are made to be copied.
    fn is_prose(&self) -> bool {
        true
    }

    fn prepare(self, desk: &Desk<'_>) -> impl Future<Output = Result<Phase<Self::Prepared>>>;

    /// Asks for what the changes still need, after the user has seen them and before the user confirms them.
    fn complete_prepared(prepared: Self::Prepared, _: &Desk<'_>) -> impl Future<Output = Result<Self::Prepared>> {
        std::future::ready(Ok(prepared))
    }

    /// Makes the changes that the user agreed to.
    fn apply(prepared: Self::Prepared, desk: &Desk<'_>) -> impl Future<Output = Told>;
}

impl Desk<'_> {
    pub fn is_one_of_many(&self) -> bool {
        self.reported.is_some()
    }

    /// Returns whether notes to the user can follow the command's output, which is text about one stack.
    pub fn tells(&self) -> bool {
        !self.is_one_of_many() && !self.common.quiet && self.common.output == Format::Text
    }

    /// Returns whether a question beside the command's own can be asked: the user reads text at a terminal.
    pub fn can_ask(&self) -> bool {
        self.world.interactive && self.tells()
    }

    /// Shows text before the end of the command, if the output is text.
    pub fn show(&self, text: &str) {
        match (self.common.output, self.reported) {
            (Format::Text, Some(reported)) => reported.lock().unwrap_or_else(PoisonError::into_inner).out += text,
            (Format::Text, None) => self.world.out.print(&self.world.laid_out(text)),
            _ => {}
        }
    }
}

impl<P> Phase<P> {
    /// Converts the prepared changes.
    pub fn map<Q>(self, change: impl FnOnce(P) -> Q) -> Phase<Q> {
        match self {
            Self::Over(told) => Phase::Over(told),
            Self::Asks(Asks { out, err, instead, sum, question, prepared }) => {
                Phase::Asks(Asks { out, err, instead, sum, question, prepared: change(prepared) })
            }
        }
    }
}

impl Told {
    pub fn verdict(out: String, verdict: Verdict) -> Self {
        Self { out, object: None, err: String::new(), sum: None, ended: Ok(verdict) }
    }
}

/// Runs a command for one stack, and returns the exit code.
///
/// # Errors
/// If the command fails, or the user does not confirm the changes.
pub async fn run<A: InPhases>(args: A, common: &Common, world: &World) -> Result<u8> {
    let progress = Progress::new(common, world);
    let desk = Desk { common, world, context: progress.context(), reported: None };
    let (yes, is_prose) = (args.yes(), args.is_prose() && common.output == Format::Text);
    let laid_out = |text: String| if is_prose { world.laid_out(&text) } else { text };
    let told = match progress.over(Box::pin(args.prepare(&desk))).await? {
        Phase::Over(told) => told,
        Phase::Asks(Asks { out, err, instead, sum: _, question, prepared }) => {
            if common.output != Format::Json {
                world.out.print(&laid_out(out));
            }
            world.err.print(&err);
            if common.output == Format::Json && !yes {
                world.err.print(&instead);
            }
            let prepared = progress.over(Box::pin(A::complete_prepared(prepared, &desk))).await?;
            world.confirm(yes, &question).await?;
            progress.over(Box::pin(A::apply(prepared, &desk))).await
        }
    };
    let Told { out, object, err, sum: _, ended } = told;
    match (common.output, object) {
        (Format::Json, Some(object)) => world.out.print(&render::json(&object)),
        (Format::Json, None) => {}
        _ => world.out.print(&laid_out(out)),
    }
    world.err.print(&err);
    ended.map(code)
}
