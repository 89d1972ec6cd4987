//! Shows the progress of several stacks, one line for each.

use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar};

use crate::cli::args::common::Common;
use crate::cli::render::{fleet, report};
use crate::cli::run::progress::spinner;
use crate::cli::terminal::{Output, World};
use crate::reconcile::resource::Listener;

/// The lines of progress, one for each stack.
pub struct Lines {
    total: usize,
    done: Mutex<usize>,
    live: Option<MultiProgress>,
    bars: Mutex<Vec<(String, ProgressBar)>>,
    plain: Option<Output>,
}

impl Lines {
    pub fn new(common: &Common, world: &World, total: usize) -> Self {
        let live = (!common.quiet && world.live).then(MultiProgress::new);
        let plain = (!common.quiet && !world.live).then(|| world.err.clone());
        Self { total, done: Mutex::new(0), live, bars: Mutex::default(), plain }
    }

    /// Starts the line of a stack, if lines are drawn, and returns the listener that updates it.
    pub fn start(&self, name: &str) -> Listener {
        let Some(drawn) = &self.live else { return Arc::new(|_| {}) };
        let bar = spinner(drawn, name.to_owned());
        self.bars.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), bar.clone()));
        Arc::new(move |event| bar.set_message(report::step(&event)))
    }

    pub fn done(&self, name: &str, outcome: &str) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += 1;
        if let Some(err) = &self.plain {
            err.print(&fleet::progress(*done, self.total, name, outcome));
        }
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, bar) in bars.extract_if(.., |(one, _)| one == name) {
            bar.finish_and_clear();
        }
    }

    /// Stops drawing and clears the lines, to make room for a question.
    pub fn pause(&self) {
        for (_, bar) in self.bars.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            bar.disable_steady_tick();
            bar.reset();
        }
        if let Some(bars) = &self.live {
            let _ = bars.clear();
        }
    }

    /// Calls `print` while the drawn lines are hidden.
    pub fn aside(&self, print: impl FnOnce()) {
        match &self.live {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }

    pub fn finish(&self) {
        if let Some(bars) = &self.live {
            let _ = bars.clear();
        }
    }
}
