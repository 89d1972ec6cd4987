//! Progress on stderr: redrawn in place on a terminal, plain lines elsewhere, nothing with `--quiet`.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::options::Common;
use super::silence::{Silence, Voice};
use super::world::{Output, World};
use crate::reconcile::resource::{Event, Listener};
use crate::stack::Id;

pub struct Progress {
    listener: Listener,
    live: Option<Arc<Live>>,
    silence: Option<Arc<Silence>>,
}

struct Live {
    bars: MultiProgress,
    lines: Mutex<BTreeMap<Id, ProgressBar>>,
}

impl Progress {
    pub fn new(common: &Common, world: &World) -> Self {
        if let Some(seat) = &world.seat {
            return Self { listener: seat.listener(), live: None, silence: None };
        }
        if common.quiet {
            return Self { listener: Arc::new(|_| {}), live: None, silence: None };
        }
        if !world.live {
            let err = world.err.clone();
            let silence = Arc::new(Silence::new(Voice::Plain(err.clone())));
            let listening = Arc::clone(&silence);
            let listener = move |event| {
                listening.heard(&event);
                plain(&err, &event);
            };
            return Self { listener: Arc::new(listener), live: None, silence: Some(silence) };
        }
        let live = Arc::new(Live { bars: MultiProgress::new(), lines: Mutex::default() });
        let silence = Arc::new(Silence::new(Voice::InPlace(live.bars.clone())));
        let (drawn, listening) = (Arc::clone(&live), Arc::clone(&silence));
        let listener = move |event| {
            listening.heard(&event);
            drawn.draw(event);
        };
        Self { listener: Arc::new(listener), live: Some(live), silence: Some(silence) }
    }

    /// Waits for AWS, and says so where that takes long. Boxed: what is waited for does not belong on the stack.
    pub fn patiently<F: Future>(&self, wait: F) -> impl Future<Output = F::Output> + use<'_, F> {
        let wait = Box::pin(wait);
        async move {
            match &self.silence {
                Some(silence) => silence.over(wait).await,
                None => wait.await,
            }
        }
    }

    /// The same where no line is drawn for each thing that is waited for.
    pub fn patiently_unless_drawn<F: Future>(&self, wait: F) -> impl Future<Output = F::Output> + use<'_, F> {
        let wait = Box::pin(wait);
        async move {
            match &self.live {
                Some(_) => wait.await,
                None => self.patiently(wait).await,
            }
        }
    }

    pub fn listener(&self) -> Listener {
        Arc::clone(&self.listener)
    }

    /// Leaves the last state of every line on the screen.
    pub fn finish(&self) {
        if let Some(live) = &self.live {
            for (_, line) in std::mem::take(&mut *live.lines.lock().unwrap_or_else(PoisonError::into_inner)) {
                line.abandon();
            }
        }
    }
}

fn plain(err: &Output, event: &Event) {
    let line = match event {
        Event::Started { id, doing } => format!("{doing} {id}\n"),
        Event::Waiting { id, what, seconds: 0 } => format!("{id}: waiting for {what}\n"),
        Event::Waiting { id, what, seconds } => format!("{id}: waiting for {what} ({seconds} s)\n"),
        Event::Done { id } => format!("{id}: done\n"),
        Event::Failed { id } => format!("{id}: failed\n"),
    };
    err.print(&line);
}

impl Live {
    fn draw(&self, event: Event) {
        match event {
            Event::Started { id, doing } => self.line(&id).set_message(doing),
            // Its line counts the seconds.
            Event::Waiting { id, what, seconds: _ } => self.line(&id).set_message(format!("waiting for {what}")),
            Event::Done { id } => self.line(&id).finish_with_message("done"),
            Event::Failed { id } => self.line(&id).abandon_with_message("failed"),
        }
    }

    fn line(&self, id: &Id) -> ProgressBar {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let style = ProgressStyle::with_template("{spinner} {prefix:<24} {msg}  {elapsed:.dim}");
            let line = self.bars.add(ProgressBar::new_spinner());
            line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            line.set_prefix(id.to_string());
            line.enable_steady_tick(Duration::from_millis(100));
            line
        };
        lines.entry(id.clone()).or_insert_with(new).clone()
    }
}
