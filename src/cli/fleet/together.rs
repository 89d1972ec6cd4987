//! Carries out many jobs, some at a time, none stopped by another.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::lines::Lines;
use super::outcome::{Outcome, headed, show};
use super::{OfStack, Run};
use crate::cli::options::{Common, Format};
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::seats::Seats;
use crate::cli::world::{Output, World};
use crate::error::Error;
use crate::secret::Sealed;

/// One stack's part.
pub struct Job<A> {
    pub name: String,
    pub heading: String,
    pub common: Common,
    pub args: A,
    pub run: Run<A>,
    /// The error of the account's lookup. The command is not run then.
    pub lost: Option<Error>,
}

/// What a stack prints, until it is its turn to be shown.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Carries out all jobs, some at a time. What has to be asked is asked once, when all have shown what they would do.
pub async fn together<A: OfStack>(
    jobs: Vec<Job<A>>,
    at_once: usize,
    common: &Common,
    world: &World,
    webhook: Option<Sealed<String>>,
) -> Vec<Outcome> {
    let seats = Seats::new(jobs.len(), at_once);
    let total = jobs.len();
    let lines = Lines::new(common, world, total);
    let progress = Progress::new(common, world);
    let pages: Vec<[Page; 2]> = jobs.iter().map(|_| Default::default()).collect();
    let names: Vec<[String; 2]> = jobs.iter().map(|job| [job.name.clone(), job.heading.clone()]).collect();
    let mut shown: Vec<String> = vec![String::new(); jobs.len()];
    let webhook = webhook.or_else(|| world.webhook.clone());
    let mut running: FuturesUnordered<_> = jobs
        .into_iter()
        .enumerate()
        .map(|(at, Job { name, heading: _, common, args, run, lost })| {
            let (seats, lines, [out, err], webhook) = (&seats, &lines, pages[at].clone(), webhook.clone());
            async move {
                let seat = seats.take(lines.of(&name)).await;
                let world = World {
                    out: Output::new(out),
                    err: Output::new(err),
                    interactive: false,
                    live: false,
                    webhook,
                    cancel: world.cancel.clone(),
                    connections: Arc::clone(&world.connections),
                    seat: Some(seat),
                    typed: None,
                    signals: false,
                    variable: world.variable,
                    clock: world.clock,
                    columns: world.columns,
                    command: world.command.clone(),
                };
                // What is the same for all is told once.
                let common = Common { quiet: !common.verbose, ..common };
                let ended = match lost {
                    _ if world.cancel.is_cancelled() => Err(Error::interrupted("not started")),
                    Some(error) => Err(error),
                    None => run(args, &common, &world).await,
                };
                seats.ended();
                (at, ended)
            }
        })
        .collect();
    let mut outcomes: Vec<Option<Outcome>> = names.iter().map(|_| None).collect();
    loop {
        tokio::select! {
            next = progress.patiently_unless_drawn(running.next()) => {
                let Some((at, ended)) = next else { break };
                let [out, err] = &pages[at];
                let ([name, heading], shown) = (names[at].clone(), std::mem::take(&mut shown[at]));
                let outcome = Outcome { name, heading, ended, out: out.take(), shown };
                lines.done(&outcome);
                lines.aside(|| show(&outcome, &err.take(), common, world));
                outcomes[at] = Some(outcome);
            }
            () = seats.all_wait() => {
                lines.pause();
                let mut waiting = 0;
                for (at, [out, err]) in pages.iter().enumerate().filter(|(at, _)| outcomes[*at].is_none()) {
                    let [_, heading] = &names[at];
                    let told = err.take();
                    if !told.trim().is_empty() {
                        world.err.print(&headed(heading, &told));
                    }
                    shown[at] = out.take();
                    if common.output == Format::Text {
                        world.out.print(&headed(heading, &shown[at]));
                    }
                    waiting += 1;
                }
                let question = format!("Do this to {}?", render::count(waiting, "stack"));
                let answer = match world.cancel.is_cancelled() {
                    true => Err(Error::interrupted("interrupted; nothing was changed")),
                    false => world.confirm(false, &question).await,
                };
                seats.answer(&answer);
            }
        }
    }
    lines.finish();
    outcomes.into_iter().flatten().collect()
}
