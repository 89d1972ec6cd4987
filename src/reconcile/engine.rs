//! Observes and applies: concurrency, order, cancellation, and the report of the results.
//! Decides nothing: the plan has the steps, the adapters know how to carry them out. Before each change, reads the resource again,
//! so that a step touches only the resource that the plan shows.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::reconcile::owner::Owner;
use crate::reconcile::plan::{Action, Plan, PropertyChange, Step};
use crate::reconcile::resource::{
    AnyAdapter, Event, Inventory, Listener, Remainder, Seen, Stage, created_meanwhile, tag_change,
};
use crate::stack::{Address, Id, Stack};

/// The adapters of the kinds, and the listener for the events of a run.
pub struct Engine {
    pub adapters: Vec<Arc<dyn AnyAdapter>>,
    pub listener: Listener,
    /// Stops new steps from beginning.
    pub cancel: CancellationToken,
    /// Abandons the steps that still run.
    pub let_go: CancellationToken,
}

/// The results of a plan's steps.
#[derive(Debug, Default)]
pub struct Report {
    pub done: Vec<Id>,
    pub failed: Vec<(Id, Error)>,
    pub not_started: Vec<Id>,
}

impl Report {
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.not_started.is_empty()
    }

    /// Returns whether everything was done but differences that cannot be removed now.
    #[must_use]
    pub fn is_complete_but_for_remainders(&self) -> bool {
        let stops = |error: &Error| error.find::<Remainder>().is_none();
        self.not_started.is_empty() && !self.failed.iter().any(|(_, error)| stops(error))
    }

    /// Returns whether the step changes nothing but a difference that remains.
    #[must_use]
    pub fn leaves(&self, step: &Step) -> bool {
        let of_step = self.failed.iter().filter(|(id, _)| *id == step.address.id);
        let fields: Vec<&str> = of_step.filter_map(|(_, error)| Some(error.find::<Remainder>()?.field)).collect();
        let is_left =
            |change: &PropertyChange| fields.contains(&change.change.path.split('/').nth(1).unwrap_or_default());
        step.action == Action::Change && step.changes.iter().all(is_left)
    }

    /// Joins this report and the report of later steps.
    #[must_use]
    pub fn and(mut self, later: Self) -> Self {
        let Self { done, failed, not_started } = later;
        self.done.extend(done);
        self.done.sort();
        self.done.dedup();
        // A later step on the same resource removed a remainder, or met it again.
        self.failed.retain(|(id, _)| !self.done.contains(id) && !failed.iter().any(|(again, _)| again == id));
        self.failed.extend(failed);
        self.not_started.extend(not_started);
        self
    }
}

impl Engine {
    /// Reads every address at which the stack may have a resource, and every wanted one. Includes a resource that cannot be read
    /// with its error.
    pub async fn observe(&self, stack: &Stack, wanted: &[Address]) -> Inventory {
        let of_kinds = self.adapters.iter().map(|adapter| observe_kind(&**adapter, stack, wanted));
        join_all(of_kinds).await.into_iter().flatten().map(|seen| (seen.address.id.clone(), seen)).collect()
    }

    /// Carries out the plan: first additions and changes stage by stage, then removals, backwards.
    ///
    /// Forward, the first failure stops new work, and nothing is removed; a difference that cannot be removed now stops nothing.
    /// Backward, errors are collected and the rest goes on.
    pub async fn apply(&self, plan: &Plan) -> Report {
        let mut report = Report::default();
        let removals = |step: &&Step| step.action == Action::Remove;
        let mut forward: BTreeMap<Stage, Vec<&Step>> = BTreeMap::new();
        for step in plan.steps.iter().filter(|step| !removals(step)) {
            forward.entry(step.stage).or_default().push(step);
        }
        for steps in forward.into_values() {
            self.run(steps, &mut report, OnFailure::Stop).await;
        }
        let (first, rest): (Vec<&Step>, Vec<&Step>) =
            plan.steps.iter().filter(removals).partition(|step| step.stage == Stage::Trigger);
        let on_failure = match report.is_complete_but_for_remainders() {
            true => OnFailure::GoOn,
            false => OnFailure::Stop,
        };
        self.run(first, &mut report, on_failure).await;
        self.run(rest, &mut report, on_failure).await;
        report
    }

    async fn run(&self, steps: Vec<&Step>, report: &mut Report, on_failure: OnFailure) {
        let stopped =
            self.cancel.is_cancelled() || (on_failure == OnFailure::Stop && !report.is_complete_but_for_remainders());
        if stopped {
            report.not_started.extend(steps.iter().map(|step| step.address.id.clone()));
            return;
        }
        let mut left: BTreeMap<&Id, &Step> = steps.iter().map(|step| (&step.address.id, *step)).collect();
        let mut running: FuturesUnordered<_> = steps.iter().map(|step| self.perform(step)).collect();
        loop {
            let (id, outcome) = tokio::select! {
                biased;
                next = running.next() => match next {
                    Some(ended) => ended,
                    None => break,
                },
                () = self.let_go.cancelled() => break,
            };
            left.remove(&id);
            match outcome {
                Ok(()) => report.done.push(id),
                Err(error) => report.failed.push((id, error)),
            }
        }
        for step in left.into_values() {
            let error = unanswered();
            report.failed.push((step.address.id.clone(), could_not(step.action, &step.address, error)));
        }
        report.done.sort();
        report.failed.sort_by(|a, b| a.0.cmp(&b.0));
    }

    async fn perform(&self, step: &Step) -> (Id, Result<()>) {
        let Step { action, address, .. } = step;
        let id = address.id.clone();
        (self.listener)(Event::Started { subject: (&id).into(), doing: doing(*action) });
        let outcome = match self.adapters.iter().find(|adapter| adapter.kind() == id.kind) {
            Some(adapter) => carry_out(&**adapter, step).await,
            None => Err(Error::new(format!("no kind of resource can perform the step for {id}"))),
        };
        let event = match outcome {
            Ok(()) => Event::Done { subject: (&id).into() },
            Err(_) => Event::Failed { subject: (&id).into() },
        };
        (self.listener)(event);
        (id, outcome.map_err(|error| could_not(*action, address, error)))
    }
}

/// Carries out a step if the resource still has the owner of the plan. Time has passed since the plan: the user was asked, and other
/// steps ran. No call of AWS checks tags and writes at once, so the read comes directly before the first write. Only a creation
/// that AWS refuses for a name in use needs no read.
async fn carry_out(adapter: &dyn AnyAdapter, step: &Step) -> Result<()> {
    let Step { action: _, address, stage: _, have, want, tags, owner, changes: _ } = step;
    if let (None, Some(want), true) = (have, want, adapter.creation_refuses()) {
        return adapter.put(address, None, want, tags).await;
    }
    let now = adapter.read(address).await?.held_by(owner).map_err(|present| match have {
        None => created_meanwhile(address, &present),
        Some(_) => owner_changed(address, owner, &present),
    })?;
    match (now, want) {
        (None, None) => Ok(()),
        (None, Some(want)) => adapter.put(address, None, want, tags).await,
        (Some(found), None) => adapter.delete(address, &found.spec).await,
        (Some(found), Some(want)) => {
            adapter.put(address, Some(&found.spec), want, &tag_change(&found.tags, want)).await
        }
    }
}

fn owner_changed(address: &Address, planned: &Owner, present: &Owner) -> Error {
    Error::new(format!("the owner of {} changed since the plan: {present}; before, {planned}", address.name))
        .hint("taskbell did not change it; `taskbell drift` shows what it is now")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnFailure {
    Stop,
    GoOn,
}

/// Returns the error of a change that was abandoned.
#[must_use]
pub fn unanswered() -> Error {
    Error::interrupted("interrupted before AWS answered: the change may or may not have been made")
}

fn doing(action: Action) -> &'static str {
    match action {
        Action::Add => "adding",
        Action::Change => "changing",
        Action::Remove => "removing",
    }
}

fn could_not(action: Action, address: &Address, error: Error) -> Error {
    let verb = match action {
        Action::Add => "add",
        Action::Change => "change",
        Action::Remove => "remove",
    };
    let message = format!("could not {verb} {} ({})", address.id, address.name);
    match error.is_interrupted() {
        true => Error::interrupted(message).because(error),
        false => Error::new(message).because(error),
    }
}

/// Reads the wanted addresses while the others are still being listed.
async fn observe_kind(adapter: &dyn AnyAdapter, stack: &Stack, wanted: &[Address]) -> Vec<Seen> {
    let wanted: Vec<&Address> = wanted.iter().filter(|address| address.id.kind == adapter.kind()).collect();
    let is_wanted = |address: &Address| wanted.iter().any(|other| other.name == address.name);
    let listed = async {
        match adapter.list(stack).await {
            Ok(found) => {
                let others = found.into_iter().filter(|address| !is_wanted(address));
                join_all(others.map(|address| read(adapter, address))).await
            }
            Err(error) => vec![unlistable(adapter, stack, error)],
        }
    };
    let reads = join_all(wanted.iter().map(|address| read(adapter, (*address).clone())));
    let (mut seen, listed) = both(reads, listed).await;
    seen.extend(listed);
    seen
}

async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    futures_util::future::join(a, b).await
}

async fn read(adapter: &dyn AnyAdapter, address: Address) -> Seen {
    let observed = adapter.read(&address).await;
    Seen { address, stage: adapter.stage(), observed }
}

/// Returns one unknown resource for a kind that cannot be listed: the kind may have any resources.
fn unlistable(adapter: &dyn AnyAdapter, stack: &Stack, error: Error) -> Seen {
    let address = Address {
        id: Id::every(adapter.kind()),
        name: format!("every {} of the stack", adapter.kind()),
        stack: stack.name.clone(),
    };
    Seen { address, stage: adapter.stage(), observed: Err(error) }
}
