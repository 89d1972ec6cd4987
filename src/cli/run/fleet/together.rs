//! Runs a command for several stacks, and shows the outcome of each.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use futures_util::stream::Stream;

use super::lines::Lines;
use super::outcome::{Outcome, show};
use crate::cli::args::common::{Common, Format};
use crate::cli::render;
use crate::cli::render::fleet::{headed, question};
use crate::cli::render::report::{self, Shown};
use crate::cli::run::progress::Progress;
use crate::cli::run::{Asks, Desk, InPhases, Phase, Reported, Told};
use crate::cli::terminal::World;
use crate::error::{Category, Error, Hint};
use crate::operations::events::{Event, Listener};
use crate::operations::fleet::run::{self as fleet, StackOperation};
use crate::operations::target::Context;
use crate::reconcile::resource::Event as Step;
use crate::secret::Sealed;

/// The work for one stack.
pub struct Job<A, R> {
    pub name: String,
    pub heading: String,
    pub common: Common,
    pub work: Work<A, R>,
    /// The error of the account's lookup. With an error, the command does not run.
    pub lost: Option<Error>,
}

/// The kind of work for a stack.
pub enum Work<A, R> {
    Command(A),
    /// The removal of a stack that is no longer in the file.
    Removal(R),
}

/// A job that runs, with its context and its reports.
struct Running<'a, A, R> {
    work: Work<A, R>,
    common: Common,
    lost: Mutex<Option<Error>>,
    world: &'a World,
    context: Context,
    reported: Arc<Mutex<Reported>>,
}

impl Reported {
    fn hear(&mut self, event: &Event, quiet: bool, is_text: bool) {
        match report::event(event, quiet, is_text) {
            Some(Shown::Out(text)) => self.out += &text,
            Some(Shown::Err(text)) => self.err += &text,
            None => {}
        }
    }
}

/// The prepared changes of a stack, to be made once the user agrees.
struct Waiting<A: InPhases, R: InPhases> {
    out: String,
    err: String,
    /// The changes as text, for a question while the output is JSON.
    instead: String,
    sum: Option<String>,
    prepared: Prepared<A, R>,
}

enum Prepared<A: InPhases, R: InPhases> {
    Command(A::Prepared),
    Removal(R::Prepared),
}

impl<A: InPhases, R: InPhases> Running<'_, A, R> {
    fn desk(&self) -> Desk<'_> {
        Desk { common: &self.common, world: self.world, context: &self.context, reported: Some(&self.reported) }
    }

    /// Puts the texts that were reported since the last call before the output.
    fn with_reports(&self, mut told: Told) -> Told {
        let Reported { out, err } = std::mem::take(&mut *self.reported.lock().unwrap_or_else(PoisonError::into_inner));
        (told.out, told.err) = (out + &told.out, err + &told.err);
        told
    }
}

fn failed(error: Error) -> Told {
    Told { out: String::new(), object: None, err: String::new(), sum: None, ended: Err(error) }
}

impl<A: InPhases, R: InPhases> StackOperation for Running<'_, A, R> {
    type Prepared = Waiting<A, R>;
    type Done = Told;

    async fn prepare(&self) -> fleet::Phase<Waiting<A, R>, Told> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner).take();
        let desk = self.desk();
        let asked = match (&self.work, lost) {
            _ if self.world.cancel.is_cancelled() => Err(Error::interrupted("not started")),
            (_, Some(error)) => Err(error),
            (Work::Command(args), None) => {
                Box::pin(args.clone().prepare(&desk)).await.map(|phase| phase.map(Prepared::Command))
            }
            (Work::Removal(args), None) => {
                Box::pin(args.clone().prepare(&desk)).await.map(|phase| phase.map(Prepared::Removal))
            }
        };
        match asked {
            Err(error) => fleet::Phase::Over(self.with_reports(failed(error))),
            Ok(Phase::Over(told)) => fleet::Phase::Over(self.with_reports(told)),
            Ok(Phase::Asks(Asks { out, err, instead, sum, prepared, question: _ })) => {
                let Told { out, err, .. } = self.with_reports(Told { out, err, ..failed(Error::new("")) });
                fleet::Phase::Ready(Waiting { out, err, instead, sum, prepared })
            }
        }
    }

    async fn apply(&self, Waiting { out, err, instead: _, sum, prepared }: Waiting<A, R>) -> Told {
        let desk = self.desk();
        let told = match prepared {
            Prepared::Command(prepared) => Box::pin(A::apply(prepared, &desk)).await,
            Prepared::Removal(prepared) => Box::pin(R::apply(prepared, &desk)).await,
        };
        let told = self.with_reports(told);
        Told { out: out + &told.out, err: err + &told.err, sum: told.sum.or(sum), ..told }
    }
}

/// Runs all jobs, at most `at_once` at a time. Asks for confirmation once, after all stacks have shown their changes.
pub async fn together<A: InPhases, R: InPhases>(
    jobs: Vec<Job<A, R>>,
    yes: bool,
    at_once: usize,
    common: &Common,
    world: &World,
    webhook: Option<Sealed<String>>,
) -> Vec<Outcome> {
    let lines = Arc::new(Lines::new(common, world, jobs.len()));
    let progress = Progress::new(common, world);
    let world_of_all = world.of_many(webhook);
    let names: Vec<[String; 2]> = jobs.iter().map(|job| [job.name.clone(), job.heading.clone()]).collect();
    let running: Vec<Running<'_, A, R>> =
        jobs.into_iter().map(|job| begun(job, &world_of_all, &lines, &progress)).collect();
    let mut outcomes: Vec<Option<Outcome>> = names.iter().map(|_| None).collect();
    let mut ended = |at: usize, told: Told| {
        let [name, heading] = names[at].clone();
        let outcome = Outcome { name, heading, told };
        lines.done(&outcome.name, &outcome.rendered().line());
        lines.aside(|| show(&outcome, common, world));
        outcomes[at] = Some(outcome);
    };
    if yes {
        each(fleet::prepare_and_apply(&running, at_once), &progress, &mut ended).await;
    } else {
        let mut waiting = Vec::new();
        let phases = fleet::prepare(&running, at_once);
        each(phases, &progress, &mut |at, phase| match phase {
            fleet::Phase::Over(told) => ended(at, told),
            fleet::Phase::Ready(ready) => waiting.push((at, ready)),
        })
        .await;
        waiting.sort_by_key(|(at, _)| *at);
        if !waiting.is_empty() {
            lines.pause();
            for (at, ready) in &mut waiting {
                let [_, heading] = &names[*at];
                let (out, err) = (std::mem::take(&mut ready.out), std::mem::take(&mut ready.err));
                if !err.trim().is_empty() {
                    world.err.print(&headed(heading, &err));
                }
                match common.output {
                    Format::Text | Format::Mermaid => world.out.print(&world.laid_out(&headed(heading, &out))),
                    Format::Json => world.err.print(&headed(heading, &ready.instead)),
                    Format::Github | Format::Markdown => {}
                }
            }
            let answer = match world.cancel.is_cancelled() {
                true => Err(Error::interrupted("interrupted; nothing was changed")),
                false => world.confirm(false, &question(waiting.len())).await,
            };
            match answer {
                Ok(()) => each(fleet::apply(&running, waiting, at_once), &progress, &mut ended).await,
                Err(error) => {
                    // The answer is for all stacks: report it once.
                    world.err.print(&render::error(&error, world.command()));
                    for (at, _) in waiting {
                        let [name, heading] = names[at].clone();
                        outcomes[at] = Some(Outcome { name, heading, told: failed(again(&error)) });
                    }
                }
            }
        }
    }
    lines.finish();
    outcomes.into_iter().flatten().collect()
}

/// Gives a job its own listener, and a buffer for its reports.
fn begun<'a, A, R>(job: Job<A, R>, world: &'a World, lines: &Arc<Lines>, progress: &Progress) -> Running<'a, A, R> {
    let Job { name, heading: _, common, work, lost } = job;
    let reported = Arc::new(Mutex::new(Reported::default()));
    // Run each stack quietly, unless the user asked for all details: shared lines are printed once.
    let common = Common { quiet: !common.verbose, ..common };
    let (quiet, is_text) = (common.quiet, common.output == Format::Text);
    let (hearing, lines, line) = (Arc::clone(&reported), Arc::clone(lines), Mutex::new(None));
    let listener: Listener = Arc::new(move |event| match event {
        Event::Step(step) => {
            let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
            let line: &mut Arc<dyn Fn(Step) + Send + Sync> = line.get_or_insert_with(|| lines.start(&name));
            line(step);
        }
        event => hearing.lock().unwrap_or_else(PoisonError::into_inner).hear(&event, quiet, is_text),
    });
    let context = Context { listener, ..progress.context().clone() };
    Running { work, common, lost: Mutex::new(lost), world, context, reported }
}

/// Passes each item to `take` as soon as it arrives.
async fn each<T>(stream: impl Stream<Item = (usize, T)>, progress: &Progress, take: &mut impl FnMut(usize, T)) {
    let mut stream = Box::pin(stream);
    while let Some((at, one)) = progress.patiently_unless_drawn(stream.next()).await {
        take(at, one);
    }
}

/// Returns a copy of the error for another stack.
fn again(error: &Error) -> Error {
    let (told, hint, kind): (String, Option<&Hint>, Category) =
        (error.in_one_line(), error.nearest_hint(), error.kind());
    hint.cloned().into_iter().fold(Error::new(told).category(kind), Error::hint)
}
