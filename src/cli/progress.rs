//! Progress on stderr: redrawn in place on a terminal, plain lines elsewhere, nothing with `--quiet`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::options::Common;
use super::world::{Output, World};
use crate::resource::{Event, Listener};
use crate::stack::Id;

pub struct Progress {
    listener: Listener,
    live: Option<Arc<Live>>,
}

struct Live {
    bars: MultiProgress,
    lines: Mutex<BTreeMap<Id, ProgressBar>>,
}

impl Progress {
    pub fn new(common: &Common, world: &World) -> Self {
        if let Some(seat) = &world.seat {
            return Self { listener: seat.listener(), live: None };
        }
        if common.quiet {
            return Self { listener: Arc::new(|_| {}), live: None };
        }
        if !world.live {
            let err = world.err.clone();
            return Self { listener: Arc::new(move |event| plain(&err, &event)), live: None };
        }
        let live = Arc::new(Live { bars: MultiProgress::new(), lines: Mutex::default() });
        let drawn = Arc::clone(&live);
        Self { listener: Arc::new(move |event| drawn.draw(event)), live: Some(live) }
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
        Event::Waiting { id, what } => format!("{id}: waiting for {what}\n"),
        Event::Done { id } => format!("{id}: done\n"),
        Event::Failed { id } => format!("{id}: failed\n"),
    };
    err.print(&line);
}

impl Live {
    fn draw(&self, event: Event) {
        match event {
            Event::Started { id, doing } => self.line(&id).set_message(doing),
            Event::Waiting { id, what } => self.line(&id).set_message(format!("waiting for {what}")),
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
