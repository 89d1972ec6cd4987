//! Removes the resources that a stack owns, and no others: carries out a plan that wants no resource.

use super::session::{Session, nothing_changed};
use super::target::{Context, Target};
use super::verdict::Verdict;
use crate::aws::kinds::{self, Given};
use crate::config::Cluster;
use crate::desired::cluster_arn;
use crate::error::{Error, Result};
use crate::reconcile::engine::Report;
use crate::reconcile::plan::{Exceptions, Plan, plan};
use crate::reconcile::resource::Desired;
use crate::stack::{Kind, Place, Stack};

/// The removal of a stack, before the user confirms it.
pub struct Prepared {
    pub stack: Stack,
    pub place: Place,
    pub plan: Plan,
    /// The number of alerts that would be deleted with the queue, or the reason why it is not known; none: the queue stays.
    pub undelivered: Option<Result<u64>>,
    /// The error about a cluster that does not exist, if no resource of the stack exists either.
    pub missing_cluster: Option<Error>,
    session: Session,
}

/// The result of a removal.
pub struct Applied {
    pub stack: Stack,
    pub place: Place,
    pub plan: Plan,
    pub report: Report,
    /// The reason why not everything was removed.
    pub incomplete: Option<Error>,
}

/// Reads the resources that the stack owns. Writes nothing.
///
/// # Errors
/// If the caller is unknown to AWS, or a cluster belongs to another account or region; on interruption.
pub async fn prepare(clusters: &[Cluster], target: &Target, context: &Context) -> Result<Prepared> {
    let session = Session::open(target, Given::default(), context).await?;
    let queue = kinds::queue_of(&session.sdk, &session.waiter);
    let looks = async { tokio::join!(session.observe(&[]), queue.depth(&session.stack)) };
    let (observed, depth) = session.unless_interrupted(looks).await.map_err(nothing_changed)?;
    let (seen, place) = observed.map_err(nothing_changed)?;
    clusters.iter().try_for_each(|cluster| cluster_arn(cluster, &place).map(drop))?;
    session.report_place(&place);
    let plan = plan(&Desired::default(), seen, &Exceptions::default());
    let queue_goes = plan.steps.iter().any(|step| step.address.id.kind == Kind::Queue);
    let missing_cluster = if plan.is_in_sync() { session.missing_clusters(clusters).await } else { None };
    let undelivered = queue_goes.then_some(depth);
    Ok(Prepared { stack: session.stack.clone(), place, plan, undelivered, missing_cluster, session })
}

impl Prepared {
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.plan)
    }

    /// Removes the resources. The result contains everything that was done, also after a failure.
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
    /// Returns the verdict. Resources that could not be read were not removed.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (&self.incomplete, self.plan.unknown.is_empty()) {
            (Some(_), _) => Verdict::Failed,
            (None, false) => Verdict::Unreadable,
            (None, true) => Verdict::InSync,
        }
    }

    /// Returns whether nothing of the stack is left.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.report.is_complete() && self.plan.unknown.is_empty()
    }
}
