//! One run against AWS: who we are there, what is there, and carrying out a plan.

use std::future::Future;
use std::sync::Arc;

use aws_config::SdkConfig;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connections::Connection;
use super::options::Common;
use super::progress::Progress;
use super::render;
use super::world::World;
use crate::aws::calls::cluster;
use crate::aws::client::fault::Trouble;
use crate::aws::client::identity::Identity;
use crate::aws::client::wait::{self, LETTING_GO, Waiter};
use crate::aws::kinds;
use crate::aws::kinds::Given;
use crate::config::Cluster;
use crate::error::{Category, Error, Result};
use crate::reconcile::engine::{Engine, Report};
use crate::reconcile::plan::Plan;
use crate::reconcile::resource::Inventory;
use crate::stack::{Address, Place, Stack, StackName};

pub struct Session {
    pub sdk: SdkConfig,
    pub stack: Stack,
    pub identity: Arc<Identity>,
    pub waiter: Waiter,
    engine: Engine,
    progress: Progress,
}

impl Session {
    /// # Errors
    /// If no region is known, or a profile is asked for that is not there.
    pub async fn open(name: StackName, given: Given, common: &Common, world: &World) -> Result<Self> {
        let progress = Progress::new(common, world);
        let connect = async {
            match &world.aws {
                Some(sdk) => Connection::new(sdk.clone()),
                None => world.connections.to(common).await,
            }
        };
        let Connection { sdk, identity } = unless(&world.cancel, progress.patiently(connect)).await??;
        let stack = Stack { name, region: identity.region.clone() };
        let waiter = Waiter { listener: progress.listener(), cancel: world.cancel.clone() };
        let kinds = kinds::all(&sdk, &stack, &identity, &waiter, given);
        let let_go = CancellationToken::new();
        let engine = Engine { kinds, listener: progress.listener(), cancel: world.cancel.clone(), let_go };
        Ok(Self { sdk, stack, identity, waiter, engine, progress })
    }

    /// What is there, and where "there" is.
    ///
    /// # Errors
    /// If the caller is unknown to AWS, or on interruption.
    pub async fn observe(&self, wanted: &[Address]) -> Result<(Inventory, Place)> {
        self.read_with_place(self.engine.observe(&self.stack, wanted)).await
    }

    /// The same, of these kinds alone.
    ///
    /// # Errors
    /// As [`Session::observe`].
    pub async fn observe_only(&self, kinds: &[&str]) -> Result<(Inventory, Place)> {
        let kinds = self.engine.kinds.iter().filter(|kind| kinds.contains(&kind.name())).cloned().collect();
        let Engine { kinds: _, listener, cancel, let_go } = &self.engine;
        let engine = Engine { kinds, listener: listener.clone(), cancel: cancel.clone(), let_go: let_go.clone() };
        self.read_with_place(engine.observe(&self.stack, &[])).await
    }

    /// What is read, and where. Where the account cannot be looked up, nothing is read any longer: all stacks of an account share
    /// that one answer, and a fleet without network would wait for the reads of each.
    async fn read_with_place(&self, read: impl Future<Output = Inventory>) -> Result<(Inventory, Place)> {
        let place = async { self.identity.place().await.cloned().map_err(no_account) };
        // The account comes first: if its role cannot be assumed, each call waits for its own turn to try that again.
        let both = async { tokio::try_join!(biased; place, async { Ok(read.await) }) };
        self.unless_interrupted(both).await?.map(|(place, inventory)| (inventory, place))
    }

    /// # Errors
    /// On interruption: what was being looked at is let go.
    pub fn unless_interrupted<F: Future>(&self, look: F) -> impl Future<Output = Result<F::Output>> + use<'_, F> {
        unless(&self.waiter.cancel, self.progress.patiently(look))
    }

    /// What came of a change; interrupted, it is waited for, but not for long.
    pub fn letting_go<F: Future>(&self, change: F) -> impl Future<Output = Option<F::Output>> + use<'_, F> {
        let change = self.progress.patiently(change);
        async move {
            tokio::select! {
                done = change => Some(done),
                () = time_to_let_go(&self.waiter.cancel) => None,
            }
        }
    }

    /// Which stack this is about, and where: so that nobody reads about, or changes, the wrong account.
    #[must_use]
    pub fn title(&self, place: &Place) -> String {
        format!("stack {} in {}, account {}", self.stack.name, place.region, place.account)
    }

    /// The object, with which stack it is about, and where.
    #[must_use]
    pub fn located(&self, place: &Place, mut object: Value) -> Value {
        object["stack"] = json!(self.stack.name);
        object["region"] = json!(place.region);
        object["account"] = json!(place.account);
        object
    }

    pub fn show_title(&self, place: &Place, common: &Common, world: &World) {
        if !common.quiet {
            world.err.print(&format!("{}\n", self.title(place)));
        }
    }

    /// Where nothing at all was found: most likely the cluster's name has a typing mistake.
    pub async fn warn_of_missing(&self, clusters: &[Cluster], world: &World) {
        let look = self.unless_interrupted(cluster::missing(&self.sdk, clusters, "")).await;
        let told = match look {
            Ok(Ok(missing)) => missing,
            // No printed policy of a command that only reads stacks has it.
            Ok(Err(fault)) if fault.trouble() == Trouble::Denied => None,
            Ok(Err(fault)) => Some(fault.into()),
            Err(_) => None,
        };
        if let Some(error) = told {
            let hint = render::hint_after(&error, world.command());
            world.err.print(&format!("warning: {error}{hint}\n"));
        }
    }

    /// Interrupted, it waits for the calls in flight, but not for long.
    pub async fn apply(&self, plan: &Plan) -> Report {
        let letting_go = async {
            time_to_let_go(&self.waiter.cancel).await;
            self.engine.let_go.cancel();
            std::future::pending::<Report>().await
        };
        let apply = async {
            tokio::select! {
                report = self.engine.apply(plan) => report,
                never = letting_go => never,
            }
        };
        let report = self.progress.patiently_unless_drawn(apply).await;
        self.finish_progress();
        report
    }

    /// Nothing is drawn in place any more: lines may follow.
    pub fn finish_progress(&self) {
        self.progress.finish();
    }
}

/// # Errors
/// On interruption: what was being looked at is let go.
pub async fn unless<T>(cancel: &CancellationToken, look: impl Future<Output = T>) -> Result<T> {
    tokio::select! {
        found = look => Ok(found),
        () = cancel.cancelled() => Err(Error::interrupted("interrupted while looking at what is there")),
    }
}

async fn time_to_let_go(cancel: &CancellationToken) {
    cancel.cancelled().await;
    wait::moment(Instant::now() + LETTING_GO).await;
}

/// Without it nothing can be said about what is there.
pub fn no_account(error: Error) -> Error {
    Error::new("could not find out which AWS account this is").because(error).category(Category::Unreadable)
}

/// For whoever would have written, and was interrupted before that.
pub fn nothing_changed(error: Error) -> Error {
    match error.is_interrupted() {
        true => error.hint("nothing was changed; the same command is safe to run again"),
        false => error,
    }
}
