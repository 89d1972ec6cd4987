//! A command about a stack in two phases: it looks, then, if the user agrees, it changes. What there is to see is returned, so that
//! one stack and many can be shown each in its way.

pub mod fleet;
pub mod progress;

use std::future::Future;

use serde_json::Value;

use super::args::common::{Common, Format};
use super::args::fleet::OfStack;
use super::exit::code;
use super::render;
use super::run::progress::Progress;
use super::terminal::World;
use crate::error::Result;
use crate::operations::events::Event;
use crate::operations::target::Context;
use crate::operations::verdict::Verdict;

/// Where a command works.
pub struct Desk<'a> {
    pub common: &'a Common,
    pub world: &'a World,
    pub context: &'a Context,
    pub is_one_of_many: bool,
}

/// What a command has to show, and what it came to.
pub struct Told {
    /// The result for people, or for the format that was asked for.
    pub out: String,
    /// The same as JSON.
    pub object: Option<Value>,
    /// What is to be said beside it.
    pub err: String,
    /// The result in one line, if it fits into one.
    pub sum: Option<String>,
    pub ended: Result<Verdict>,
}

/// How far a command came without writing anything.
pub enum Phase<P> {
    Over(Told),
    Asks(Asks<P>),
}

/// What a command would do, and what it asks before.
pub struct Asks<P> {
    /// What it would do.
    pub out: String,
    pub err: String,
    /// The same, where the result is JSON and somebody is asked.
    pub instead: String,
    pub sum: Option<String>,
    pub question: String,
    pub prepared: P,
}

pub trait InPhases: OfStack {
    type Prepared: 'static;

    /// Whether it is not to ask.
    fn yes(&self) -> bool {
        true
    }

    fn prepare(self, desk: &Desk<'_>) -> impl Future<Output = Result<Phase<Self::Prepared>>>;

    /// Does what the user agreed to.
    fn apply(prepared: Self::Prepared, desk: &Desk<'_>) -> impl Future<Output = Told>;
}

impl Desk<'_> {
    /// Shows text before the end of the command.
    pub fn show(&self, text: &str) {
        if self.common.output == Format::Text {
            (self.context.listener)(Event::Shown(text.to_owned()));
        }
    }
}

impl<P> Phase<P> {
    /// The same, with what is prepared in another form.
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

/// Carries out a command for one stack.
///
/// # Errors
/// Whatever it fails with.
pub async fn run<A: InPhases>(args: A, common: &Common, world: &World) -> Result<u8> {
    let progress = Progress::new(common, world);
    let desk = Desk { common, world, context: progress.context(), is_one_of_many: false };
    let yes = args.yes();
    let told = match progress.over(Box::pin(args.prepare(&desk))).await? {
        Phase::Over(told) => told,
        Phase::Asks(Asks { out, err, instead, sum: _, question, prepared }) => {
            if common.output != Format::Json {
                world.out.print(&out);
            }
            world.err.print(&err);
            if common.output == Format::Json && !yes {
                world.err.print(&instead);
            }
            world.confirm(yes, &question).await?;
            progress.over(Box::pin(A::apply(prepared, &desk))).await
        }
    };
    let Told { out, object, err, sum: _, ended } = told;
    match (common.output, object) {
        (Format::Json, Some(object)) => world.out.print(&render::json(&object)),
        (Format::Json, None) => {}
        _ => world.out.print(&out),
    }
    world.err.print(&err);
    ended.map(code)
}
