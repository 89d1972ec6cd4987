//! Sets a stack up, or repairs it: plans, applies, and observes again.

mod confirmed;
pub mod first_test;
mod look;
pub mod pattern_check;
pub mod preflight;
mod transition;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Mutex;

use super::drill::{Drill, TIMEOUT};
use super::events::Note;
use super::goal::{Goal, Known};
use super::session::{Session, nothing_changed};
use super::target::{Context, Target};
use super::verdict::Verdict;
use crate::aws::client::wait::{Attempt, SETTLING};
use crate::aws::kinds::Given;
use crate::aws::kinds::parameter::{self, Webhook};
use crate::config::Config;
use crate::desired::{Ground, addresses, desired, limits};
use crate::error::{Error, Hint, Result};
use crate::notifier::archive::{Archive, archive};
use crate::pattern::scenario::Scenario;
use crate::reconcile::engine::Report;
use crate::reconcile::plan::{Action, Exceptions, Plan, Step, plan};
use crate::reconcile::resource::Inventory;
use crate::stack::{Kind, Place, Stack, Subject};
use confirmed::still_as_confirmed;
use first_test::Test;
use look::{Answers, Checks, eventbridge_agrees, look};

/// The number of reads in a row, after the plan was applied, that may contain something unreadable. The last of them is an error.
const UNREADABLE_LOOKS: u8 = 5;

/// The wish for the stack, and the conditions of the setup.
pub struct Request {
    pub goal: Goal,
    /// The webhook to store; none: it is stored already, or the user is asked for it.
    pub webhook: Option<Webhook>,
    pub exceptions: Exceptions,
    /// Whether clusters that do not exist (yet) are allowed.
    pub allow_missing_cluster: bool,
    /// Whether EventBridge itself is asked which samples the patterns match.
    pub check_patterns: bool,
    /// Whether the stack is one of many: then EventBridge is not asked before the plan is known, because it limits the questions a second.
    pub is_one_of_many: bool,
}

/// The parts of a setup that do not depend on the plan.
struct Setup {
    request: Request,
    config: Config,
    archive: Archive,
    session: Session,
    target: Target,
    context: Context,
}

/// A setup, before the user confirms it.
pub struct Prepared {
    pub stack: Stack,
    pub place: Place,
    pub plan: Plan,
    setup: Setup,
}

/// The reason why nothing may be changed.
pub enum Refusal {
    /// Something could not be read.
    Unreadable,
    /// Resources that the stack does not own use the stack's names, or a parameter that the user owns does not exist.
    Blocked(Error),
}

/// The result of a setup.
pub struct Applied {
    pub stack: Stack,
    pub place: Place,
    pub plan: Plan,
    pub report: Report,
    /// The reason why AWS is not known to be as configured.
    pub failed: Option<Failed>,
    /// The drill after the setup. None: no drill was requested, or the setup failed.
    pub drill: Option<Result<Drill>>,
    setup: Setup,
}

/// The reason why AWS is not known to be as configured.
pub enum Failed {
    /// Nothing was done: AWS could not be read again, or changed since the user confirmed.
    NotBegun(Halt),
    /// A part was done. Then AWS could not be read again, or had changed since the user confirmed.
    HalfDone(Halt),
    /// Steps failed, or were not started.
    Incomplete(Error),
    /// Everything was applied, but AWS does not show it. `left` is the remaining plan, if it is known.
    Unsettled { left: Option<Plan>, error: Error },
}

/// The reason why a setup stopped.
pub enum Halt {
    /// AWS changed since the user confirmed. This plan would be needed now, but was not shown.
    Changed(Box<Plan>),
    Error(Error),
}

/// Reads, checks and plans. Writes nothing.
///
/// # Errors
/// If a cluster does not exist, EventBridge disagrees about a pattern, or the caller is unknown to AWS; on interruption.
pub async fn prepare(request: Request, target: &Target, context: &Context) -> Result<Prepared> {
    let archive = archive()?;
    let session = request.open(&archive, target, context).await?;
    let stack = session.stack.clone();
    let means = (archive, session, target.clone(), context.clone());
    let (setup, plan, place) = Box::pin(first_plan(request, means)).await.map_err(nothing_changed)?;
    setup.session.report_place(&place);
    Ok(Prepared { stack, place, plan, setup })
}

/// Plans, and checks clusters, logs, patterns and parameters at the same time, as soon as the configuration is known.
async fn first_plan(
    mut request: Request,
    (archive, session, target, context): (Archive, Session, Target, Context),
) -> Result<(Setup, Plan, Place)> {
    let goal = request.goal.clone();
    let stack = session.stack.clone();
    let checks = Checks { patterns: request.checks().patterns && !request.is_one_of_many, ..request.checks() };
    let (early, session_now) = (goal.addresses(&stack), &session);
    let observed = session.observe_while(&early, |notifier| {
        let (known, checks) = (goal.known(&stack, notifier), checks.while_reading(notifier));
        async move {
            let known = known?;
            let answers = look(&known.config, session_now, checks).await;
            Ok::<_, Error>((known, answers, checks.patterns))
        }
    });
    let (seen, place, (known, answers, is_asked)) = Box::pin(observed).await?;
    let Answers { clusters, patterns, notes, parameters_missing } = answers;
    let Known { config, ignore, basis } = known;
    request.exceptions.ignore = ignore.unwrap_or(request.exceptions.ignore);
    let seen = Box::pin(session.observe_all(seen, &addresses(&config, &stack))).await?;
    let setup = Setup { request, config, archive, session, target, context };
    let planned = setup.planned(seen, &place, &[])?;
    let planned = preflight::lacking(planned, parameters_missing)?;
    setup.first_checks(&planned, &place, (clusters, patterns, is_asked)).await?;
    for note in notes.into_iter().chain(basis.of_setup(&planned)).chain(setup.unused_webhook()) {
        setup.session.note(note);
    }
    Ok((setup, planned, place))
}

/// Returns the patterns whose rules are added or get another pattern.
fn changed_rules(plan: &Plan) -> BTreeSet<&str> {
    let is_changed = |step: &&Step| match step.action {
        Action::Add => true,
        Action::Change => step.changes.iter().any(|change| change.change.path.starts_with("/pattern")),
        Action::Remove => false,
    };
    let of_rules = plan.steps.iter().filter(|step| step.address.id.kind == Kind::Rule);
    of_rules.filter(is_changed).map(|step| step.address.id.key.as_str()).collect()
}

impl Request {
    fn accepts_stored_webhook(&self) -> bool {
        self.exceptions.adopt.contains(&parameter::id())
    }

    async fn open(&self, archive: &Archive, target: &Target, context: &Context) -> Result<Session> {
        let accept_stored_webhook = self.accepts_stored_webhook();
        let given = Given { webhook: self.webhook.clone(), accept_stored_webhook, archive: archive.bytes.clone() };
        Session::open(target, given, context).await
    }

    fn checks(&self) -> Checks {
        Checks { clusters: !self.allow_missing_cluster, patterns: self.check_patterns }
    }
}

impl Prepared {
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.plan)
    }

    /// Checks whether the plan stores a webhook that is not known yet.
    #[must_use]
    pub fn needs_webhook(&self) -> bool {
        let Request { webhook, .. } = &self.setup.request;
        let accepted = self.setup.request.accepts_stored_webhook();
        let step = self.plan.steps.iter().find(|step| step.address.id == parameter::id());
        webhook.is_none()
            && step.is_some_and(|step| match step.action {
                Action::Add => true,
                Action::Change => {
                    !accepted && step.changes.iter().any(|change| !change.change.path.starts_with("/tags"))
                }
                Action::Remove => false,
            })
    }

    /// Plans again with the webhook. The user has seen the first plan: the second one contains no other step.
    ///
    /// # Errors
    /// As [`prepare`]; also if AWS changed since the first plan.
    pub async fn with_webhook(self, webhook: Webhook) -> Result<Self> {
        let Setup { mut request, config, archive, session: _, target, context } = self.setup;
        request.webhook = Some(webhook);
        let session = request.open(&archive, &target, &context).await?;
        let setup = Setup { request, config, archive, session, target, context };
        let plan = setup.plan(&[]).await.map_err(nothing_changed)?.0;
        if !still_as_confirmed(&self.plan, &plan) {
            return Err(
                Error::new("AWS has changed since the plan; nothing was changed").hint("run the same command again")
            );
        }
        Ok(Self { plan, setup, ..self })
    }

    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        if !self.plan.unknown.is_empty() {
            return Some(Refusal::Unreadable);
        }
        if !self.plan.conflicts.is_empty() {
            let error = Error::new(
                "resources that taskbell does not manage already have the stack's names; nothing was changed",
            );
            return Some(Refusal::Blocked(error.hint(Hint::ResolveConflict)));
        }
        preflight::all_there(&self.plan).err().map(Refusal::Blocked)
    }

    /// Applies the plan, observes again, and then sends a drill, if a scenario is given. The result contains everything that was done,
    /// also after a failure.
    pub async fn apply(self, drill: Option<Scenario>) -> Applied {
        let Self { stack, place, plan, setup } = self;
        let mut report = Report::default();
        let failed = match Box::pin(setup.apply(&plan, &mut report)).await {
            Err(failed) => Some(failed),
            Ok(()) if !report.is_complete_but_for_remainders() => Some(setup.incomplete()),
            Ok(()) => match Box::pin(setup.settle(&report)).await {
                Ok(()) => (!report.is_complete()).then(|| setup.incomplete()),
                Err(failed) => Some(failed),
            },
        };
        let drill = match drill.filter(|_| failed.is_none()) {
            Some(scenario) => Some(setup.drill(scenario, TIMEOUT, &place).await),
            None => None,
        };
        Applied { stack, place, plan, report, failed, drill, setup }
    }

    /// Sends a drill through the existing stack.
    ///
    /// # Errors
    /// As [`Drill::perform`].
    pub async fn drill(&self, scenario: Scenario) -> Result<Drill> {
        self.setup.drill(scenario, TIMEOUT, &self.place).await
    }

    #[must_use]
    pub fn session(&self) -> &Session {
        &self.setup.session
    }

    #[must_use]
    pub fn config(&self) -> &Config {
        &self.setup.config
    }
}

impl Applied {
    /// Returns the verdict of the setup and of the drill after it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (&self.failed, &self.drill) {
            (None, None) => Verdict::InSync,
            (None, Some(Ok(drill))) => drill.verdict(),
            (Some(_), _) | (None, Some(Err(_))) => Verdict::Failed,
        }
    }

    #[must_use]
    pub fn config(&self) -> &Config {
        &self.setup.config
    }

    /// Returns the webhook of this run, if there is one.
    #[must_use]
    pub fn webhook(&self) -> Option<&Webhook> {
        self.setup.request.webhook.as_ref()
    }

    /// Returns whether the stack did not exist before.
    #[must_use]
    pub fn is_first(&self) -> bool {
        let is_new = |step: &Step| step.address.id.kind == Kind::Function && step.action == Action::Add;
        self.plan.steps.iter().any(is_new)
    }

    /// Returns the scenario of a drill that shows whether the alerts of the stack arrive. None: the stack existed before, no drill
    /// fits, a drill was sent already, or the setup failed.
    #[must_use]
    pub fn first_drill(&self) -> Option<Scenario> {
        match Test::of(self.config())? {
            Test::Drill(scenario) if self.failed.is_none() && self.drill.is_none() && self.is_first() => Some(scenario),
            Test::Drill(_) | Test::Notify => None,
        }
    }

    /// Sends a drill through the stack that was set up.
    pub async fn with_drill(self, scenario: Scenario) -> Self {
        let drill = self.setup.drill(scenario, TIMEOUT, &self.place).await;
        Self { drill: Some(drill), ..self }
    }
}

impl Setup {
    /// Returns the note about a webhook that the run brings although the stack reads a parameter of the user. A webhook from standard
    /// input replaces that parameter, so this one comes from the environment.
    fn unused_webhook(&self) -> Option<Note> {
        let name = self.config.own_parameter.as_deref().filter(|_| self.request.webhook.is_some())?;
        let text = format!("TASKBELL_SLACK_WEBHOOK_URL is not used: the stack reads its own parameter {name}");
        Some(Note { text, hint: None })
    }

    /// Checks the first plan, with the results of the checks that were made while it was read.
    async fn first_checks(
        &self,
        planned: &Plan,
        place: &Place,
        (clusters, patterns, is_asked): (Result<()>, Result<()>, bool),
    ) -> Result<()> {
        let Self { request, config, session, .. } = self;
        clusters?;
        preflight::own_is_kept(planned, config)?;
        self.transition_fits(planned, place)?;
        // The plan itself reports unreadable resources.
        if planned.unknown.is_empty() {
            patterns?;
            let changed = changed_rules(planned);
            if request.check_patterns && !is_asked && !changed.is_empty() {
                let asked = eventbridge_agrees(config, session, |pattern| changed.contains(pattern));
                session.unless_interrupted(asked).await??;
            }
        }
        // Last, because the rules are booked: no other check refuses the stack afterwards.
        let room = (&*self.context.room, place);
        let overlaps = Box::pin(preflight::has_room(config, planned, session, room)).await?;
        let notes = preflight::alerting_as_before(config).into_iter().chain(preflight::of_no_cluster(config));
        for note in notes.chain(overlaps) {
            session.note(note);
        }
        Ok(())
    }

    /// Checks the permissions that role, queue and function have while rules are removed and settings change.
    fn transition_fits(&self, plan: &Plan, place: &Place) -> Result<()> {
        let leaving = transition::leaving(plan);
        if leaving.is_empty() && !transition::narrows(plan) {
            return Ok(());
        }
        desired(&self.config, self.ground(place, &leaving)).map_err(|error| {
            error.hint(
                "removed rules keep their permissions until they are gone: remove them first, without new --pattern",
            )
        })?;
        limits::check_kept_permissions(plan.steps.iter().filter_map(transition::both))
    }

    fn ground<'a>(&'a self, place: &'a Place, leaving: &'a [String]) -> Ground<'a> {
        let Self { request, archive, session, .. } = self;
        Ground { stack: &session.stack, place, archive, webhook: request.webhook.as_ref(), leaving }
    }

    /// Returns the plan. The `leaving` rules, which will be removed, keep their permission to invoke the notifier.
    async fn plan(&self, leaving: &[String]) -> Result<(Plan, Place)> {
        let (seen, place) = self.session.observe(&addresses(&self.config, &self.session.stack)).await?;
        Ok((self.planned(seen, &place, leaving)?, place))
    }

    fn planned(&self, seen: Inventory, place: &Place, leaving: &[String]) -> Result<Plan> {
        let desired = desired(&self.config, self.ground(place, leaving))?;
        Ok(plan(&desired, seen, &self.request.exceptions))
    }

    /// Carries out the plan. Keeps permissions until they are no longer used, so that no event is lost in between: a rule invokes
    /// the notifier until the rule is removed, and the notifier uses its old permissions until the notifier is changed. The
    /// report contains everything that was done, also after a failure.
    async fn apply(&self, planned: &Plan, report: &mut Report) -> Result<(), Failed> {
        let leaving = transition::leaving(planned);
        if leaving.is_empty() && !transition::narrows(planned) {
            *report = self.session.apply(planned, None).await;
            return Ok(());
        }
        let kept = self.plan_as_confirmed(planned, &leaving).await.map_err(Failed::NotBegun)?;
        *report = self.session.apply(&transition::widened(kept), None).await;
        if !report.is_complete_but_for_remainders() {
            return Ok(());
        }
        let rest = self.plan_as_confirmed(planned, &[]).await.map_err(Failed::HalfDone)?;
        *report = std::mem::take(report).and(self.session.apply(&rest, None).await);
        Ok(())
    }

    async fn plan_as_confirmed(&self, confirmed: &Plan, leaving: &[String]) -> Result<Plan, Halt> {
        let (plan, _) = self.plan(leaving).await.map_err(Halt::Error)?;
        if still_as_confirmed(confirmed, &plan) { Ok(plan) } else { Err(Halt::Changed(Box::new(plan))) }
    }

    fn incomplete(&self) -> Failed {
        Failed::Incomplete(match self.context.cancel.is_cancelled() {
            true => Error::interrupted("setup was interrupted"),
            false => Error::new("setup is not complete"),
        })
    }

    /// Observes again. AWS may show the state before the changes for some seconds. The remainders of the report may differ.
    async fn settle(&self, report: &Report) -> Result<(), Failed> {
        let subject = Subject::Stack(self.config.stack.clone());
        let left = Mutex::new(None);
        let unreadable = AtomicU8::new(0);
        let look = || async {
            let (mut plan, _) = self.plan(&[]).await?;
            plan.steps.retain(|step| !report.leaves(step));
            if plan.is_in_sync() {
                return Ok(Attempt::Ready(()));
            }
            // A new resource may give odd answers for a moment. If it still does after several reads, two minutes would not help
            // either.
            let looks = if plan.unknown.is_empty() { 0 } else { unreadable.load(Ordering::Relaxed) + 1 };
            *left.lock().await = Some(plan);
            unreadable.store(looks, Ordering::Relaxed);
            if looks >= UNREADABLE_LOOKS {
                return Err(Error::new(format!("a resource could not be read {looks} times in a row")));
            }
            Ok(Attempt::NotYet { what: "AWS to show the applied changes".to_owned(), fault: None })
        };
        let settled = self.session.waiter.until(subject, SETTLING, look).await;
        self.session.finish_steps();
        settled.map_err(|error| {
            let interrupted = Error::interrupted("interrupted while verifying the changes: everything was applied")
                .hint("`taskbell drift` shows whether AWS has the changes; the same command is safe to run again");
            let not_shown = Error::new("everything was applied, but AWS does not show the changes");
            let error = if error.is_interrupted() { interrupted } else { not_shown.because(error) };
            Failed::Unsettled { left: left.into_inner(), error }
        })
    }

    async fn drill(&self, scenario: Scenario, timeout: u64, place: &Place) -> Result<Drill> {
        let cluster = self.config.clusters.first();
        let (seen, _) = self.session.observe_only(&[Kind::Function, Kind::Rule]).await?;
        let drill = Drill::perform(scenario, timeout, &self.session, (&seen, place, cluster), &self.context);
        let outcome = Box::pin(drill).await;
        self.session.finish_steps();
        outcome
    }
}
