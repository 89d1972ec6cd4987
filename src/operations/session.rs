//! Holds the connection of one run to AWS: identifies the caller, observes the resources and applies a plan.

use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::events::{Asking, Event, Listener, Note, Wait, steps};
use super::target::{Context, Target};
use crate::aws::calls::cluster;
use crate::aws::client::SdkConfig;
use crate::aws::client::connections::Connection;
use crate::aws::client::fault::Trouble;
use crate::aws::client::identity::Identity;
use crate::aws::client::wait::{self, LETTING_GO, Waiter};
use crate::aws::kinds::lists::Lists;
use crate::aws::kinds::{self, Given};
use crate::config::Cluster;
use crate::error::{Category, Error, Result};
use crate::reconcile::engine::{Engine, Report};
use crate::reconcile::plan::Plan;
use crate::reconcile::resource::Inventory;
use crate::stack::{Address, Kind, Place, Stack};

pub struct Session {
    pub sdk: SdkConfig,
    pub stack: Stack,
    pub identity: Arc<Identity>,
    pub waiter: Waiter,
    engine: Engine,
    listener: Listener,
}

impl Session {
    /// # Errors
    /// If no region is known, or a profile is asked for that does not exist; on interruption.
    pub async fn open(target: &Target, given: Given, context: &Context) -> Result<Self> {
        Self::open_with(&Lists::default(), target, given, context).await
    }

    /// Opens a session that reads from the lists of all stacks what these show.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn open_with(lists: &Lists, target: &Target, given: Given, context: &Context) -> Result<Self> {
        let Context { connections, cancel, clock: _, listener, room: _, lists: _ } = context;
        let connect = asking(listener, Asking::Look, connections.to(&target.site));
        let Connection { sdk, identity } = unless(cancel, connect).await??;
        let stack = Stack { name: target.stack.clone(), region: identity.region.clone() };
        let waiter = Waiter { listener: steps(listener), cancel: cancel.clone() };
        let adapters = kinds::all(&sdk, &stack, &identity, &waiter, given, lists);
        let let_go = CancellationToken::new();
        let engine = Engine { adapters, listener: steps(listener), cancel: cancel.clone(), let_go };
        Ok(Self { sdk, stack, identity, waiter, engine, listener: Arc::clone(listener) })
    }

    /// Returns the existing resources, with their account and region.
    ///
    /// # Errors
    /// If the caller is unknown to AWS, or on interruption.
    pub async fn observe(&self, wanted: &[Address]) -> Result<(Inventory, Place)> {
        self.read_with_place(self.engine.observe(&self.stack, wanted)).await
    }

    /// Returns the existing resources of these kinds alone, with their account and region.
    ///
    /// # Errors
    /// As [`Session::observe`].
    pub async fn observe_only(&self, kinds: &[Kind]) -> Result<(Inventory, Place)> {
        let engine = self.engine_for(|kind| kinds.contains(&kind));
        self.read_with_place(engine.observe(&self.stack, &[])).await
    }

    /// Returns the existing resources, with their account and region, and what `then` makes of the notifier, which it receives before
    /// the other resources are read.
    ///
    /// # Errors
    /// As [`Session::observe`], and if `then` fails.
    pub async fn observe_while<T, F: Future<Output = Result<T>>>(
        &self,
        wanted: &[Address],
        then: impl FnOnce(&Inventory) -> F,
    ) -> Result<(Inventory, Place, T)> {
        let (notifier, others) =
            (self.engine_for(|kind| kind == Kind::Function), self.engine_for(|kind| kind != Kind::Function));
        let first = async {
            let seen = notifier.observe(&self.stack, wanted).await;
            let made = then(&seen).await?;
            Ok::<_, Error>((seen, made))
        };
        let rest = self.read_with_place(others.observe(&self.stack, wanted));
        // Boxed, because the futures of dozens of calls are too large for the call stack.
        let (rest, first) = (Box::pin(rest), Box::pin(first));
        let both = async { tokio::try_join!(biased; rest, first) };
        let ((mut seen, place), (notifier, made)) = self.unless_interrupted(both).await??;
        seen.extend(notifier);
        Ok((seen, place, made))
    }

    /// Returns what was seen, if it includes these addresses; otherwise observes again.
    ///
    /// # Errors
    /// As [`Session::observe`].
    pub async fn observe_all(&self, seen: Inventory, wanted: &[Address]) -> Result<Inventory> {
        match wanted.iter().all(|address| seen.contains_key(&address.id)) {
            true => Ok(seen),
            false => Ok(self.observe(wanted).await?.0),
        }
    }

    fn engine_for(&self, is_read: impl Fn(Kind) -> bool) -> Engine {
        let Engine { adapters, listener, cancel, let_go } = &self.engine;
        let adapters = adapters.iter().filter(|adapter| is_read(adapter.kind())).cloned().collect();
        Engine { adapters, listener: listener.clone(), cancel: cancel.clone(), let_go: let_go.clone() }
    }

    /// Returns the result of `read`, with the account and the region. Stops reading if the account cannot be looked up: all
    /// stacks of an account share that one answer, and a fleet without network would wait for the reads of each stack.
    async fn read_with_place(&self, read: impl Future<Output = Inventory>) -> Result<(Inventory, Place)> {
        let place = async { self.identity.place().await.cloned().map_err(no_account) };
        // Ask for the account first: if its role cannot be assumed, each call waits for its own turn to try again.
        let both = async { tokio::try_join!(biased; place, async { Ok(read.await) }) };
        self.unless_interrupted(both).await?.map(|(place, inventory)| (inventory, place))
    }

    /// # Errors
    /// On interruption, which abandons the read.
    pub fn unless_interrupted<F: Future>(&self, look: F) -> impl Future<Output = Result<F::Output>> + use<'_, F> {
        unless(&self.waiter.cancel, asking(&self.listener, Asking::Look, look))
    }

    /// Returns the result of a change. After an interruption, waits for the change for at most [`LETTING_GO`].
    pub fn letting_go<F: Future>(&self, change: F) -> impl Future<Output = Option<F::Output>> + use<'_, F> {
        let change = asking(&self.listener, Asking::Look, change);
        async move {
            tokio::select! {
                done = change => Some(done),
                () = time_to_let_go(&self.waiter.cancel) => None,
            }
        }
    }

    /// Reports the stack, its account and its region, so that nobody reads about the wrong account, or changes it.
    pub fn report_place(&self, place: &Place) {
        (self.listener)(Event::Located { stack: self.stack.clone(), place: place.clone() });
    }

    pub fn note(&self, note: Note) {
        (self.listener)(Event::Note(note));
    }

    /// Returns the error about clusters that do not exist. Called if no resource was found: most likely the cluster's name is
    /// mistyped.
    pub async fn missing_clusters(&self, clusters: &[Cluster]) -> Option<Error> {
        match self.unless_interrupted(cluster::missing(&self.sdk, clusters, "")).await {
            Ok(Ok(missing)) => missing,
            // The printed policies of commands that only read stacks do not allow this call.
            Ok(Err(fault)) if fault.trouble() == Trouble::Denied => None,
            Ok(Err(fault)) => Some(fault.into()),
            Err(_) => None,
        }
    }

    /// Applies a plan. After an interruption, waits for the calls in flight for at most [`LETTING_GO`].
    /// `read_at`: as [`Engine::apply`] expects it.
    pub async fn apply(&self, plan: &Plan, read_at: Option<Instant>) -> Report {
        let letting_go = async {
            time_to_let_go(&self.waiter.cancel).await;
            self.engine.let_go.cancel();
            std::future::pending::<Report>().await
        };
        let apply = async {
            tokio::select! {
                report = self.engine.apply(plan, read_at) => report,
                never = letting_go => never,
            }
        };
        let report = asking(&self.listener, Asking::Changes, apply).await;
        self.finish_steps();
        report
    }

    /// Reports that no step is in progress any more.
    pub fn finish_steps(&self) {
        (self.listener)(Event::Finished);
    }
}

/// Reports the beginning and the end of a wait for AWS. Boxes the future, which is too large for the call stack.
pub fn asking<F: Future>(listener: &Listener, what: Asking, wait: F) -> impl Future<Output = F::Output> + use<'_, F> {
    let wait = Box::pin(wait);
    async move {
        let _wait = Wait::new(listener, what);
        wait.await
    }
}

/// # Errors
/// On interruption, which abandons the read.
pub async fn unless<T>(cancel: &CancellationToken, look: impl Future<Output = T>) -> Result<T> {
    tokio::select! {
        found = look => Ok(found),
        () = cancel.cancelled() => Err(Error::interrupted("interrupted while reading the current state")),
    }
}

async fn time_to_let_go(cancel: &CancellationToken) {
    cancel.cancelled().await;
    wait::moment(Instant::now() + LETTING_GO).await;
}

/// Describes an unknown account as unreadable: without the account, nothing is known about the stack's resources.
#[must_use]
pub fn no_account(error: Error) -> Error {
    Error::new("could not determine the AWS account").because(error).category(Category::Unreadable)
}

/// Adds to the error of an interruption that nothing was changed. For commands that were interrupted before their first change.
#[must_use]
pub fn nothing_changed(error: Error) -> Error {
    match error.is_interrupted() {
        true => error.hint("nothing was changed; the same command is safe to run again"),
        false => error,
    }
}
