//! Removes what a stack owns, and only that: the plan to nothing.

use super::session::{Session, nothing_changed};
use super::target::{Context, Target};
use crate::aws::kinds::{self, Given};
use crate::config::Cluster;
use crate::desired::cluster_arn;
use crate::error::{Error, Result};
use crate::reconcile::engine::Report;
use crate::reconcile::plan::{Exceptions, Plan, plan};
use crate::reconcile::resource::Desired;
use crate::stack::{Place, Stack};

/// What would be removed.
pub struct Prepared {
    pub stack: Stack,
    pub place: Place,
    pub plan: Plan,
    /// How many alerts would be deleted with the queue, or why that is not known; none: the queue stays.
    pub undelivered: Option<Result<u64>>,
    /// Where nothing at all is there: a cluster that does not exist.
    pub missing_cluster: Option<Error>,
    session: Session,
}

/// What was removed.
pub struct Applied {
    pub stack: Stack,
    pub place: Place,
    pub plan: Plan,
    pub report: Report,
    /// Why not everything was.
    pub incomplete: Option<Error>,
}

/// Looks at what the stack owns. Writes nothing.
///
/// # Errors
/// If the caller is unknown to AWS, or a cluster is of another place; on interruption.
pub async fn prepare(clusters: &[Cluster], target: &Target, context: &Context) -> Result<Prepared> {
    let session = Session::open(target, Given::default(), context).await?;
    let queue = kinds::queue_of(&session.sdk, &session.waiter);
    let looks = async { tokio::join!(session.observe(&[]), queue.depth(&session.stack)) };
    let (observed, depth) = session.unless_interrupted(looks).await.map_err(nothing_changed)?;
    let (seen, place) = observed.map_err(nothing_changed)?;
    clusters.iter().try_for_each(|cluster| cluster_arn(cluster, &place).map(drop))?;
    session.report_place(&place);
    let plan = plan(&Desired::default(), seen, &Exceptions::default());
    let queue_goes = plan.steps.iter().any(|step| step.address.id.kind == "queue");
    let missing_cluster = if plan.is_in_sync() { session.missing_clusters(clusters).await } else { None };
    let undelivered = queue_goes.then_some(depth);
    Ok(Prepared { stack: session.stack.clone(), place, plan, undelivered, missing_cluster, session })
}

impl Prepared {
    /// Removes it. What was done is in the result, whatever comes.
    pub async fn apply(self) -> Applied {
        let Self { stack, place, plan, session, .. } = self;
        let report = session.apply(&plan).await;
        let incomplete = (!report.is_complete()).then(|| match session.waiter.cancel.is_cancelled() {
            true => Error::interrupted("teardown was interrupted"),
            false => Error::new("teardown is not complete"),
        });
        Applied { stack, place, plan, report, incomplete }
    }
}

impl Applied {
    /// Whether nothing of the stack is left.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.report.is_complete() && self.plan.unknown.is_empty()
    }
}
