//! Lets the steps of a run wait for what they need of one another.

use std::collections::BTreeSet;

use tokio::sync::watch;

use crate::reconcile::plan::{Action, Step};
use crate::stack::{Id, Kind};

/// A point on the way of a step, for which others wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Milestone {
    /// The resource exists.
    Exists,
    /// The resource is as wanted.
    Complete,
    /// The resource triggers nothing any more.
    Stopped,
}

/// The milestones that the steps of a run have not reached.
pub struct Gates {
    ahead: watch::Sender<Ahead>,
}

#[derive(Debug, Default)]
struct Ahead {
    steps: BTreeSet<(Id, Milestone)>,
    /// Whether no step may begin anything more.
    is_over: bool,
}

impl Gates {
    /// Returns the gates for these steps. Resources that no step changes are as they should be.
    pub fn of<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Self {
        let milestones = |step: &Step| -> &'static [Milestone] {
            match step.action {
                Action::Add => &[Milestone::Exists, Milestone::Complete],
                Action::Change => &[Milestone::Complete],
                Action::Remove if step.needs.triggers => &[Milestone::Stopped],
                Action::Remove => &[],
            }
        };
        let ahead = |step: &'a Step| milestones(step).iter().map(|milestone| (step.address.id.clone(), *milestone));
        let steps = steps.into_iter().flat_map(ahead).collect();
        Self { ahead: watch::Sender::new(Ahead { steps, is_over: false }) }
    }

    /// Lets those continue that wait for this milestone.
    pub fn reach(&self, id: &Id, milestone: Milestone) {
        self.ahead.send_modify(|ahead| {
            ahead.steps.remove(&(id.clone(), milestone));
        });
    }

    /// Lets those continue that wait for anything of this step, whatever its end.
    pub fn end(&self, id: &Id) {
        self.ahead.send_modify(|ahead| ahead.steps.retain(|(of, _)| of != id));
    }

    /// Lets no step begin anything more.
    pub fn close(&self) {
        self.ahead.send_modify(|ahead| ahead.is_over = true);
    }

    /// Waits until all steps of these kinds have reached the milestone. Returns whether the caller may go on.
    pub async fn pass(&self, kinds: impl Fn(Kind) -> bool, milestone: Milestone) -> bool {
        let is_open = |ahead: &Ahead| !ahead.steps.iter().any(|(id, of)| *of == milestone && kinds(id.kind));
        let mut watched = self.ahead.subscribe();
        watched.wait_for(|ahead| ahead.is_over || is_open(ahead)).await.is_ok_and(|ahead| !ahead.is_over)
    }
}
