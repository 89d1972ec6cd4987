//! Shows progress on stderr: redrawn in place on a terminal, plain lines elsewhere, nothing with `--quiet`.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::calendar::on_the_clocks;
use crate::cli::args::common::{Common, Format};
use crate::cli::render::report::{self, Shown};
use crate::cli::terminal::World;
use crate::cli::terminal::waiting::{Silence, Voice};
use crate::input::printable;
use crate::operations::events::{Asking, Event, Listener};
use crate::operations::session::asking;
use crate::operations::target::Context;
use crate::reconcile::resource::Event as Step;
use crate::stack::Subject;

pub struct Progress {
    context: Context,
    live: Option<Arc<Live>>,
    silence: Option<Arc<Silence>>,
}

struct Live {
    bars: MultiProgress,
    lines: Mutex<BTreeMap<Subject, ProgressBar>>,
}

impl Progress {
    pub fn new(common: &Common, world: &World) -> Self {
        let live = Arc::new(Live { bars: MultiProgress::new(), lines: Mutex::default() });
        let live = (!common.quiet && world.live).then_some(live);
        let voice = match &live {
            Some(live) => Voice::InPlace(live.bars.clone()),
            None => Voice::Plain(world.err.clone()),
        };
        let silence = (!common.quiet).then(|| Arc::new(Silence::new(voice)));
        let steps: Arc<dyn Fn(Step) + Send + Sync> = match &live {
            Some(live) => {
                let live = Arc::clone(live);
                Arc::new(move |step| live.draw(step))
            }
            None if common.quiet => Arc::new(|_| {}),
            None => {
                let err = world.err.clone();
                Arc::new(move |step| err.print(&report::step_line(&step)))
            }
        };
        let (out, err, quiet, zone) = (world.out.clone(), world.err.clone(), common.quiet, world.zone.clone());
        let is_text = common.output == Format::Text;
        let (listening, drawn) = (silence.clone(), live.clone());
        let listener: Listener = Arc::new(move |event| {
            if let Some(silence) = &listening {
                silence.heard(&event);
            }
            match event {
                Event::Step(step) => steps(step),
                Event::Finished => drawn.iter().for_each(|live| live.finish()),
                event => {
                    let print = || match report::event(&event, quiet, is_text) {
                        Some(Shown::Out(text)) => out.print(&on_the_clocks(&text, &zone)),
                        Some(Shown::Err(text)) => err.print(&on_the_clocks(&text, &zone)),
                        None => {}
                    };
                    // Hide the drawn lines meanwhile: a text in the middle of them would leave a copy on the screen.
                    match &drawn {
                        Some(live) => live.bars.suspend(print),
                        None => print(),
                    }
                }
            }
        });
        let context = Context {
            connections: Arc::clone(&world.connections),
            cancel: world.cancel.clone(),
            clock: world.clock,
            listener,
            room: Arc::default(),
            lists: Arc::default(),
        };
        Self { context, live, silence }
    }

    /// Returns the context for operations. The context's listener shows their events.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Runs a command, and reports if AWS takes long to answer. At its end, nothing of the progress is left on the screen. Boxes the command's future, to keep it off the stack.
    pub fn over<F: Future>(&self, command: F) -> impl Future<Output = F::Output> + use<'_, F> {
        let command = Box::pin(command);
        async move {
            let ended = match &self.silence {
                Some(silence) => silence.over(command).await,
                None => command.await,
            };
            self.finish();
            ended
        }
    }

    /// Waits for AWS as [`Self::over`] does, but reports nothing if each change has its own drawn line.
    pub fn patiently_unless_drawn<F: Future>(&self, wait: F) -> impl Future<Output = F::Output> + use<'_, F> {
        self.over(asking(&self.context.listener, Asking::Changes, wait))
    }

    /// Removes every line from the screen: the output that follows contains the results.
    pub fn finish(&self) {
        if let Some(live) = &self.live {
            live.finish();
        }
    }
}

impl Live {
    fn finish(&self) {
        for (_, line) in std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner)) {
            line.finish_and_clear();
        }
    }

    fn draw(&self, event: Step) {
        let state = report::state(&event);
        match event {
            // The resource's line counts the seconds.
            Step::Started { subject, .. } | Step::Waiting { subject, .. } => self.line(subject).set_message(state),
            Step::Done { subject } => self.line(subject).finish_with_message(state),
            Step::Failed { subject } => self.line(subject).abandon_with_message(state),
        }
    }

    fn line(&self, subject: Subject) -> ProgressBar {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let prefix = printable(&subject.to_string());
        lines.entry(subject).or_insert_with(|| spinner(&self.bars, prefix)).clone()
    }
}

/// Draws a line that begins with the prefix and counts the seconds. The library writes to the terminal itself, and no filter follows:
/// texts must be printable.
pub fn spinner(drawn: &MultiProgress, prefix: String) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {prefix:<24} {msg}  {elapsed:.dim}");
    let line = drawn.add(ProgressBar::new_spinner());
    line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    line.set_prefix(prefix);
    line.enable_steady_tick(Duration::from_millis(100));
    line
}
