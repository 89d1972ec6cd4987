//! Defines the reports that an operation makes while it runs.

use std::sync::Arc;

use super::check::Check;
use super::replay::fate::Handled;
use crate::reconcile::resource;
use crate::stack::{Place, Stack};

/// A report of an operation.
#[derive(Debug, Clone)]
pub enum Event {
    /// The stack of the operation, with its account and region, as soon as they are known.
    Located {
        stack: Stack,
        place: Place,
    },
    /// A hop that a drill reached, or at which the drill was lost.
    Hop(Check),
    /// An entry of the queue that was handled, with the result.
    Handled(Handled),
    /// A message that must not be overlooked.
    Warning(String),
    /// A message that is not part of the result.
    Note(Note),
    /// The beginning of a wait for AWS, which ends with `Answered`. The duration is not known.
    Asking(Asking),
    Answered(Asking),
    /// The progress of a change.
    Step(resource::Event),
    /// The end of all changes so far.
    Finished,
}

/// A message that is not part of the result, with one thing to do about it, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub text: String,
    pub hint: Option<String>,
}

/// The kind of request that AWS is to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// A read, or a single change.
    Look,
    /// Several changes, which report their own steps.
    Changes,
}

pub type Listener = Arc<dyn Fn(Event) + Send + Sync>;

/// Returns a listener that reports the steps of changes to the listener of an operation.
#[must_use]
pub fn steps(listener: &Listener) -> resource::Listener {
    let listener = Arc::clone(listener);
    Arc::new(move |event| listener(Event::Step(event)))
}

/// A wait for AWS, which reports its end when it is dropped.
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
