//! Removes the resources that a stack owns, and no others: carries out a plan that wants no resource.

use tokio::time::Instant;

use super::session::{Session, nothing_changed};
use super::target::{Context, Target};
use super::verdict::Verdict;
use crate::aws::kinds::{self, Given};
use crate::config::Cluster;
use crate::desired::cluster_arn;
use crate::error::{Category, Error, Result};
use crate::reconcile::engine::Report;
use crate::reconcile::plan::{Exceptions, Plan, plan};
use crate::reconcile::resource::Desired;
use crate::stack::{FLEET_TAG, Kind, Place, Stack};
use crate::words::count;

/// The removal of a stack, before the user confirms it.
pub struct Prepared {
    pub stack: Stack,
    pub place: Place,
    pub plan: Plan,
    /// The number of alerts that would be deleted with the queue, or the reason why it is not known; none: the queue stays.
    pub undelivered: Option<Result<u64>>,
    /// The error about a cluster that does not exist, if no resource of the stack exists either.
    pub missing_cluster: Option<Error>,
    /// The fleet to which every resource must belong; none: the stack's own tag is enough.
    fleet: Option<String>,
    /// The time at which the resources were read.
    read_at: Instant,
    /// Whether nobody is asked between the read and the removal.
    is_confirmed: bool,
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

/// Reads the resources that the stack owns. Writes nothing. With a fleet, the stack may be removed only if every resource carries
/// the fleet's tag itself: the index that found the stack may be late, and one resource with copied tags is enough to be found.
///
/// # Errors
/// If the caller is unknown to AWS, or a cluster belongs to another account or region; on interruption.
pub async fn prepare(
    clusters: &[Cluster],
    fleet: Option<String>,
    target: &Target,
    context: &Context,
) -> Result<Prepared> {
    let session = Session::open(target, Given::default(), context).await?;
    let queue = kinds::queue_of(&session.sdk, &session.stack, &session.identity, &session.waiter);
    let read_at = Instant::now();
    let looks = async { tokio::join!(session.observe(&[]), queue.depth(&session.stack)) };
    let (observed, depth) = session.unless_interrupted(looks).await.map_err(nothing_changed)?;
    let (seen, place) = observed.map_err(nothing_changed)?;
    clusters.iter().try_for_each(|cluster| cluster_arn(cluster, &place).map(drop))?;
    session.report_place(&place);
    let plan = plan(&Desired::default(), seen, &Exceptions::default());
    let plan = match &fleet {
        Some(fleet) => plan.only_of_fleet(fleet),
        None => plan,
    };
    let queue_goes = plan.steps.iter().any(|step| step.address.id.kind == Kind::Queue);
    let missing_cluster = if plan.is_in_sync() { session.missing_clusters(clusters).await } else { None };
    let undelivered = queue_goes.then_some(depth);
    Ok(Prepared {
        stack: session.stack.clone(),
        place,
        plan,
        undelivered,
        missing_cluster,
        fleet,
        read_at,
        is_confirmed: false,
        session,
    })
}

impl Prepared {
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.plan)
    }

    /// Returns the reason why nothing of the stack may be removed: it is not certain that the whole stack belongs to the fleet.
    #[must_use]
    pub fn refusal(&self) -> Option<Error> {
        let Plan { conflicts, unknown, .. } = &self.plan;
        let (fleet, stack) = (self.fleet.as_ref()?, &self.stack.name);
        let error = match (conflicts.len(), unknown.is_empty()) {
            (0, true) => return None,
            (0, false) => Error::new(format!(
                "a resource of the stack {stack} could not be read, so its fleet is not known; nothing was changed"
            ))
            .category(Category::Unreadable),
            (others, _) => Error::new(format!(
                "{} of the stack {stack} without the tag {FLEET_TAG}={fleet}: the stack may belong to another fleet; nothing was changed",
                count(others, "resource")
            )),
        };
        Some(error.hint(format!("if the stack is yours, `taskbell teardown --stack {stack}` removes it")))
    }

    /// Lets the removal begin with what was read, because nobody is asked in between.
    #[must_use]
    pub fn confirmed(self) -> Self {
        Self { is_confirmed: true, ..self }
    }

    /// Removes the resources. The result contains everything that was done, also after a failure.
    pub async fn apply(self) -> Applied {
        let Self { stack, place, plan, session, read_at, is_confirmed, .. } = self;
        let report = session.apply(&plan, is_confirmed.then_some(read_at)).await;
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
