//! Observes and applies: concurrency, order, cancellation, and the report of the results.
//! Decides nothing: the plan has the steps, the adapters know how to carry them out. Before each change, reads the resource again,
//! so that a step touches only the resource that the plan shows.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::reconcile::gates::{Gates, Milestone};
use crate::reconcile::owner::Owner;
use crate::reconcile::plan::{Action, Plan, PropertyChange, Step};
use crate::reconcile::resource::{
    AnyAdapter, Event, Found, Inventory, Listener, Remainder, Seen, created_meanwhile, tag_change,
};
use crate::stack::{Address, Id, Kind, Stack};

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
    /// The steps that had begun when another one failed, or the user interrupted: the next run finishes them.
    pub unfinished: Vec<Id>,
    pub not_started: Vec<Id>,
}

impl Report {
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.unfinished.is_empty() && self.not_started.is_empty()
    }

    /// Returns whether everything was done but differences that cannot be removed now.
    #[must_use]
    pub fn is_complete_but_for_remainders(&self) -> bool {
        let stops = |error: &Error| error.find::<Remainder>().is_none();
        let Self { done: _, failed, unfinished, not_started } = self;
        unfinished.is_empty() && not_started.is_empty() && !failed.iter().any(|(_, error)| stops(error))
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
        let Self { done, failed, unfinished, not_started } = later;
        self.done.extend(done);
        self.done.sort();
        self.done.dedup();
        // A later step on the same resource removed a remainder, or met it again.
        self.failed.retain(|(id, _)| !self.done.contains(id) && !failed.iter().any(|(again, _)| again == id));
        self.failed.extend(failed);
        self.unfinished.extend(unfinished);
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

    /// Carries out the plan: first additions and changes, each as soon as what it needs is there, then removals, for which the triggers
    /// stop first.
    ///
    /// Forward, the first failure stops new work, and nothing is removed; a difference that cannot be removed now stops nothing.
    /// Backward, errors are collected and the rest goes on.
    ///
    /// `read_at`: the time at which the resources of the plan were read, if nothing came between: neither a question nor another stack.
    pub async fn apply(&self, plan: &Plan, read_at: Option<Instant>) -> Report {
        let (backward, forward): (Vec<&Step>, Vec<&Step>) =
            plan.steps.iter().partition(|step| step.action == Action::Remove);
        let mut report = Report::default();
        self.run(&forward, &mut report, None).await;
        match report.is_complete_but_for_remainders() {
            true => self.run(&backward, &mut report, read_at).await,
            false => report.not_started.extend(backward.iter().map(|step| step.address.id.clone())),
        }
        report
    }

    /// Runs the steps at once; each waits for what it needs.
    async fn run(&self, steps: &[&Step], report: &mut Report, read_at: Option<Instant>) {
        let gates = Gates::of(steps.iter().copied());
        let mut left: BTreeMap<&Id, &Step> = steps.iter().map(|step| (&step.address.id, *step)).collect();
        let mut running: FuturesUnordered<_> =
            steps.iter().map(|step| async { (&step.address.id, self.perform(step, &gates, read_at).await) }).collect();
        loop {
            let (id, ended) = tokio::select! {
                biased;
                next = running.next() => match next {
                    Some(ended) => ended,
                    None => break,
                },
                () = self.let_go.cancelled() => break,
            };
            left.remove(id);
            match ended {
                Ended::Done => report.done.push(id.clone()),
                Ended::Failed(error) => report.failed.push((id.clone(), error)),
                Ended::NotStarted => report.not_started.push(id.clone()),
                Ended::Unfinished => report.unfinished.push(id.clone()),
            }
        }
        for step in left.into_values() {
            let error = unanswered();
            report.failed.push((step.address.id.clone(), could_not(step.action, &step.address, error)));
        }
        for ids in [&mut report.done, &mut report.not_started, &mut report.unfinished] {
            ids.sort();
        }
        report.failed.sort_by(|a, b| a.0.cmp(&b.0));
    }

    /// Carries out a step. Whatever its end, those that wait for it hear of it.
    async fn perform(&self, step: &Step, gates: &Gates, read_at: Option<Instant>) -> Ended {
        let Step { action, address, .. } = step;
        let id = &address.id;
        let Some(adapter) = self.adapters.iter().find(|adapter| adapter.kind() == id.kind) else {
            gates.close();
            return Ended::Failed(Error::new(format!("no kind of resource can perform the step for {id}")));
        };
        let way = Way { engine: self, step, adapter: &**adapter, gates, read_at };
        let outcome = match action {
            Action::Add => way.add().await,
            Action::Change => way.change().await,
            Action::Remove => way.remove().await,
        };
        let ended = match outcome {
            Ok(()) => Ended::Done,
            Err(Stop::Closed(ended)) => return ended,
            Err(Stop::Failed(error)) => Ended::Failed(could_not(*action, address, error)),
        };
        let stops = |error: &Error| *action != Action::Remove && error.find::<Remainder>().is_none();
        match &ended {
            Ended::Failed(error) if stops(error) => gates.close(),
            _ => gates.end(id),
        }
        (self.listener)(match ended {
            Ended::Done => Event::Done { subject: id.into() },
            _ => Event::Failed { subject: id.into() },
        });
        ended
    }
}

/// The longest time between a read and the write for which it counts.
const FRESH: Duration = Duration::from_secs(5);

fn is_fresh(read_at: Instant) -> bool {
    read_at.elapsed() <= FRESH
}

/// The end of a step.
enum Ended {
    Done,
    Failed(Error),
    /// Another step failed before this one began, or the user interrupted.
    NotStarted,
    /// Another step failed after this one began, or the user interrupted.
    Unfinished,
}

/// The reason why a step goes no further.
enum Stop {
    Closed(Ended),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A step on its way. Time has passed since the plan: the user was asked, and other steps ran. No call of AWS checks tags and writes at
/// once, so the step reads its resource again directly before the first write. Two writes need no such read: a creation that AWS refuses
/// for a name in use, and a removal within [`FRESH`] after the read of the plan.
struct Way<'a> {
    engine: &'a Engine,
    step: &'a Step,
    adapter: &'a dyn AnyAdapter,
    gates: &'a Gates,
    read_at: Option<Instant>,
}

impl Way<'_> {
    /// Begins the resource as soon as what it needs exists, and completes it as soon as what it needs is complete.
    async fn add(&self) -> Result<(), Stop> {
        let Step { address, needs, want, tags, .. } = self.step;
        let Some(want) = want else { return Ok(()) };
        self.pass(needs.existing, Milestone::Exists, Ended::NotStarted).await?;
        self.say_started();
        let mut present = !self.adapter.creation_refuses() && self.now().await?.is_some();
        let mut refusal = None;
        if !present {
            refusal = self.adapter.begin(address, want, tags).await?.err();
            present = refusal.is_some();
        }
        // Others may use a resource that appeared since only if it has the owner of the plan.
        if refusal.is_none() || self.now().await?.is_some() {
            self.gates.reach(&address.id, Milestone::Exists);
        }
        self.pass(needs.complete, Milestone::Complete, Ended::Unfinished).await?;
        if !present {
            return Ok(self.adapter.put(address, None, want, tags).await?);
        }
        match (self.now().await?, refusal) {
            (None, Some(refusal)) => Err(refusal.into()),
            // Somebody removed it since.
            (None, None) => {
                self.adapter.begin(address, want, tags).await??;
                Ok(self.adapter.put(address, None, want, tags).await?)
            }
            (Some(found), _) => Ok(self.put(&found, want).await?),
        }
    }

    async fn change(&self) -> Result<(), Stop> {
        let Step { address, needs, want, tags, .. } = self.step;
        let Some(want) = want else { return Ok(()) };
        self.pass(needs.complete, Milestone::Complete, Ended::NotStarted).await?;
        self.say_started();
        if let Some(found) = self.now().await? {
            return Ok(self.put(&found, want).await?);
        }
        self.adapter.begin(address, want, tags).await??;
        Ok(self.adapter.put(address, None, want, tags).await?)
    }

    /// Removes the resource: at once if it triggers the notifier, or else as soon as nothing triggers the notifier any more.
    async fn remove(&self) -> Result<(), Stop> {
        let Step { address, needs, have, .. } = self.step;
        if self.engine.cancel.is_cancelled() {
            return Err(Stop::Closed(Ended::NotStarted));
        }
        if needs.triggers {
            self.say_started();
            let have = match have.clone().filter(|_| self.read_at.is_some_and(is_fresh)) {
                Some(have) => Some(have),
                None => self.now().await?.map(|found| found.spec),
            };
            let Some(have) = have else { return Ok(()) };
            self.adapter.stop(address, &have).await?;
            self.gates.reach(&address.id, Milestone::Stopped);
            return Ok(self.adapter.delete(address, &have).await?);
        }
        // Read while the triggers stop, unless that takes long.
        let read = async {
            let read_at = Instant::now();
            Ok::<_, Stop>((self.now().await, read_at))
        };
        let gate = self.gates_of(|_| true, Milestone::Stopped, Ended::NotStarted);
        let ((), (found, read_at)) = tokio::try_join!(gate, read)?;
        self.say_started();
        let found = if is_fresh(read_at) { found } else { self.now().await };
        match found? {
            Some(found) => Ok(self.adapter.delete(address, &found.spec).await?),
            None => Ok(()),
        }
    }

    async fn put(&self, found: &Found<Value>, want: &Value) -> Result<()> {
        self.adapter.put(&self.step.address, Some(&found.spec), want, &tag_change(&found.tags, want)).await
    }

    /// Returns the resource as it is now, if it still has the owner of the plan.
    async fn now(&self) -> Result<Option<Found<Value>>> {
        let Step { address, have, owner, .. } = self.step;
        self.adapter.read(address).await?.held_by(owner).map_err(|present| match have {
            None => created_meanwhile(address, &present),
            Some(_) => owner_changed(address, owner, &present),
        })
    }

    async fn pass(&self, kinds: &[Kind], milestone: Milestone, otherwise: Ended) -> Result<(), Stop> {
        self.gates_of(|kind| kinds.contains(&kind), milestone, otherwise).await
    }

    /// Waits for others, unless the run is over or the user interrupts it.
    async fn gates_of(&self, kinds: impl Fn(Kind) -> bool, milestone: Milestone, otherwise: Ended) -> Result<(), Stop> {
        let may_go_on = tokio::select! {
            biased;
            () = self.engine.cancel.cancelled() => false,
            open = self.gates.pass(kinds, milestone) => open,
        };
        if may_go_on { Ok(()) } else { Err(Stop::Closed(otherwise)) }
    }

    fn say_started(&self) {
        let Step { action, address, .. } = self.step;
        (self.engine.listener)(Event::Started { subject: (&address.id).into(), doing: doing(*action) });
    }
}

fn owner_changed(address: &Address, planned: &Owner, present: &Owner) -> Error {
    Error::new(format!("the owner of {} changed since the plan: {present}; before, {planned}", address.name))
        .hint("taskbell did not change it; `taskbell drift` shows what it is now")
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
    Seen { address, needs: adapter.needs(), observed }
}

/// Returns one unknown resource for a kind that cannot be listed: the kind may have any resources.
fn unlistable(adapter: &dyn AnyAdapter, stack: &Stack, error: Error) -> Seen {
    let address = Address {
        id: Id::every(adapter.kind()),
        name: format!("every {} of the stack", adapter.kind()),
        stack: stack.name.clone(),
    };
    Seen { address, needs: adapter.needs(), observed: Err(error) }
}
