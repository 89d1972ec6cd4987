//! Compares AWS with the configuration.

use super::events::Event;
use super::goal::{Goal, Known, expected_record};
use super::session::{Session, unless};
use super::setup::preflight;
use super::target::{Context, Target};
use super::verdict::Verdict;
use crate::aws::calls::runtime;
use crate::aws::kinds::Given;
use crate::aws::kinds::function::{self, Function};
use crate::aws::kinds::lists::Lists;
use crate::aws::kinds::parameter::Webhook;
use crate::desired::{Ground, addresses, desired};
use crate::error::{Error, Result};
use crate::notifier::archive::archive;
use crate::reconcile::plan::{Action, Exceptions, Plan, plan};
use crate::reconcile::resource::{Desired, Inventory};
use crate::stack::{Place, Stack};

/// The configuration with which AWS is compared, and its exceptions.
pub struct Request {
    pub goal: Goal,
    /// The webhook that the parameter should contain, if it is known.
    pub webhook: Option<Webhook>,
    pub exceptions: Exceptions,
}

/// The resources in AWS, compared with the configuration.
pub struct Comparison {
    pub stack: Stack,
    pub place: Place,
    pub desired: Desired,
    pub plan: Plan,
    /// The warning about the end of support of the notifier's runtime, if one is due.
    pub warning: Option<String>,
    /// The error about a cluster that does not exist, if no resource of the stack exists either.
    pub missing_cluster: Option<Error>,
}

/// Reads the resources of a stack and compares them with the configuration. Writes nothing, and therefore does not ask whether AWS
/// has room for the differences: setup does, before it makes them. As one of several stacks, reads what AWS lists of all of them
/// first; only a stack that seems to differ is then read by itself.
///
/// # Errors
/// If the caller is unknown to AWS, or the request does not fit the account and the region; on interruption.
pub async fn compare(request: Request, target: &Target, context: &Context) -> Result<Comparison> {
    let lists = unless(&context.cancel, context.lists.of(&target.site, &context.connections)).await??;
    if let Some(lists) = lists {
        let mut events = Vec::new();
        let mut hold = |event| events.push(event);
        match Box::pin(look(&request, &lists, target, context, &mut hold)).await {
            Err(error) if error.is_interrupted() => return Err(error),
            Ok(comparison) if comparison.verdict() == Verdict::InSync => {
                for event in events {
                    (context.listener)(event);
                }
                return Ok(comparison);
            }
            _ => {}
        }
    }
    look(&request, &Lists::default(), target, context, &mut |event| (context.listener)(event)).await
}

/// Looks at the stack once, and tells its place and the notes about it.
async fn look(
    request: &Request,
    lists: &Lists,
    target: &Target,
    context: &Context,
    tell: &mut (dyn FnMut(Event) + Send),
) -> Result<Comparison> {
    let Request { goal, webhook, exceptions } = request;
    let archive = archive()?;
    let given = Given { webhook: webhook.clone(), accept_stored_webhook: false, archive: archive.bytes.clone() };
    let session = Session::open_with(lists, target, given, context).await?;
    let stack = session.stack.clone();
    let (early, session_now) = (goal.addresses(&stack), &session);
    let look = session.observe_while(&early, |notifier| {
        let known = goal.known(&stack, notifier);
        async move {
            let known = known?;
            let missing = preflight::parameters_missing(&known.config, session_now).await;
            Ok::<_, Error>((known, missing))
        }
    });
    // Boxed, because the futures of dozens of calls are too large for the call stack.
    let (seen, place, (known, missing)) = Box::pin(look).await?;
    let Known { mut config, ignore, basis } = known;
    let mut exceptions = exceptions.clone();
    exceptions.ignore = ignore.unwrap_or(exceptions.ignore);
    let seen = Box::pin(session.observe_all(seen, &addresses(&config, &stack))).await?;
    config.record = expected_record(&config, &stack, &seen);
    let config = &config;
    tell(Event::Located { stack: stack.clone(), place: place.clone() });
    let ground =
        Ground { stack: &session.stack, place: &place, archive: &archive, webhook: webhook.as_ref(), leaving: &[] };
    let warning = end_of_runtime(&seen, &session, context);
    let desired = desired(config, ground)?;
    let plan = preflight::lacking(plan(&desired, seen, &exceptions), missing)?;
    if let Some(note) = basis.of_drift(&plan) {
        tell(Event::Note(note));
    }
    // If nothing exists, the name of the cluster is most likely mistyped.
    let is_nothing = plan.unchanged.is_empty() && plan.steps.iter().all(|step| step.action == Action::Add);
    let missing_cluster = if is_nothing { session.missing_clusters(&config.clusters).await } else { None };
    Ok(Comparison { stack: session.stack.clone(), place, desired, plan, warning, missing_cluster })
}

impl Comparison {
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.plan)
    }

    /// Returns the verdict if a warning counts as a difference.
    #[must_use]
    pub fn strict_verdict(&self) -> Verdict {
        match self.verdict() {
            Verdict::InSync if self.warning.is_some() => Verdict::Differs,
            verdict => verdict,
        }
    }
}

/// Returns the warning about the current runtime of the notifier, if one is due.
fn end_of_runtime(seen: &Inventory, session: &Session, context: &Context) -> Option<String> {
    let found = seen.get(&function::address(&session.stack).id)?.serving().ok()??;
    runtime::warning(&found.spec_of::<Function>().ok()?.runtime, (context.clock)().into())
}
