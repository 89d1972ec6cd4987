//! What an operation reports while it goes on.

use std::sync::Arc;

use super::check::Check;
use super::replay::fate::Handled;
use crate::reconcile::resource;
use crate::stack::{Place, Stack};

/// One report.
#[derive(Debug, Clone)]
pub enum Event {
    /// It is known which stack this is about, and where.
    Located {
        stack: Stack,
        place: Place,
    },
    /// How far a drill came.
    Hop(Check),
    /// What became of an alert in the queue.
    Handled(Handled),
    /// A part of the result that comes before its end, in words.
    Shown(String),
    /// Something that may not be overlooked.
    Warning(String),
    /// Something that is not part of the result.
    Note(String),
    /// AWS is being asked: until `Answered`, nobody knows for how long.
    Asking(Asking),
    Answered(Asking),
    /// How far a change is.
    Step(resource::Event),
    /// All changes so far are done: what is drawn of them stays as it is.
    Finished,
}

/// What AWS is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// Something that is read, or a single change.
    Look,
    /// Changes that report their steps themselves.
    Changes,
}

pub type Listener = Arc<dyn Fn(Event) + Send + Sync>;

/// The steps of changes, reported to the listener of an operation.
#[must_use]
pub fn steps(listener: &Listener) -> resource::Listener {
    let listener = Arc::clone(listener);
    Arc::new(move |event| listener(Event::Step(event)))
}

/// Reports the end, whenever the wait ends.
pub(super) struct Wait<'a>(&'a Listener, Asking);

impl<'a> Wait<'a> {
    pub fn new(listener: &'a Listener, asking: Asking) -> Self {
        listener(Event::Asking(asking));
        Self(listener, asking)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        (self.0)(Event::Answered(self.1));
    }
}
