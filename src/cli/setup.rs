//! `setup`: plan, show, confirm, apply, observe again.

mod confirmed;
mod doors;
mod next;
mod sequel;

use std::sync::atomic::{AtomicU8, Ordering};

use clap::Args as ClapArgs;
use tokio::sync::Mutex;

use super::drift::verdict;
use super::drill::{self, Drill};
use super::exit::code;
use super::fleet::{FleetArgs, OfStack};
use super::hops::Held;
use super::options::{Common, Format, StackArgs, warn_of_repeated};
use super::session::{Session, nothing_changed};
use super::world::World;
use super::{agreement, reach, render};
use crate::aws::calls::cluster;
use crate::aws::client::wait::{Attempt, SETTLING};
use crate::aws::kinds::Given;
use crate::aws::kinds::parameter::{self, Webhook};
use crate::config::settings::{Settings, items};
use crate::config::{self, Config};
use crate::desired::{Ground, addresses, desired};
use crate::error::{Error, Result};
use crate::notifier::archive::{Archive, archive};
use crate::operations::verdict::Verdict;
use crate::pattern::scenario::Scenario;
use crate::reconcile::engine::Report;
use crate::reconcile::plan::{Action, Exceptions, Plan, plan};
use crate::reconcile::resource::Stage;
use crate::stack::{Id, Place};
use confirmed::still_as_confirmed;
pub(super) use sequel::Sequel;

/// Set the alert up, or bring it back to what is asked for.
///
/// Shows what it would do and asks. Safe to run again at any time: it changes only what differs.
#[derive(Debug, Clone, ClapArgs)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_help = "\
Examples:
  taskbell setup --cluster batch
  taskbell setup --cluster batch --language ja --mention here --log-group '/app/*'
  taskbell setup --cluster batch --dry-run")]
pub struct Args {
    #[command(flatten)]
    pub(super) stack: StackArgs,
    #[command(flatten)]
    pub(super) fleet: FleetArgs,
    /// Take a cluster that does not exist (yet)
    #[arg(long)]
    pub(super) allow_missing_cluster: bool,
    /// Take over a resource that has one of our names but is not ours, as in `log_group/notifier`; may be repeated
    #[arg(long = "adopt", value_name = "ID")]
    pub(super) adopt: Vec<String>,
    /// Do not ask EventBridge whether it agrees about the patterns: for emulators of AWS that do not
    #[arg(long)]
    pub(super) no_pattern_check: bool,
    /// Then send a labelled test failure through it, and wait for Slack's answer
    #[arg(long, conflicts_with = "dry_run", conflicts_with = "no_drill")]
    pub(super) drill: bool,
    /// Show the plan and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(super) yes: bool,
    /// What the drill pretends.
    #[arg(skip)]
    pub(super) scenario: Scenario,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        items(&self.stack.settings.clusters)
    }

    fn complete(&mut self, settings: &Settings) {
        self.stack.complete(settings);
    }

    fn fleet(&self) -> Option<&FleetArgs> {
        Some(&self.fleet)
    }

    fn take_webhook(&mut self, world: &World) -> Result<Option<Webhook>> {
        self.stack.take_webhook(world)
    }
}

const WAY_OUT: &str = "; --allow-missing-cluster takes it all the same";

/// So many looks in a row at what was applied may find something that cannot be read.
const UNREADABLE_LOOKS: u8 = 5;

/// Everything that does not depend on what is there.
struct Request<'a> {
    args: &'a Args,
    config: Config,
    exceptions: Exceptions,
    archive: Archive,
    common: &'a Common,
    world: &'a World,
    sequel: Option<Sequel<'a>>,
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let config = args.stack.config(common)?;
    // Of many stacks, those of applications' own alerts have none; the others are drilled.
    if args.drill && config.clusters.is_empty() && world.seat.is_none() {
        return Err(Error::usage("a drill needs to know which cluster").hint("give --cluster NAME"));
    }
    let webhook = args.stack.webhook(world, args.stack.settings.hosts())?;
    Box::pin(carry_out(&args, config, webhook, None, common, world)).await
}

/// The same, for whoever knows already what the stack shall be.
pub(super) async fn carry_out<'a>(
    args: &'a Args,
    config: Config,
    mut webhook: Option<Webhook>,
    sequel: Option<Sequel<'a>>,
    common: &'a Common,
    world: &'a World,
) -> Result<u8> {
    warn_of_repeated(&config.patterns, world);
    let exceptions =
        Exceptions { adopt: adopted(&args.adopt)?, ignore: config::ignore(items(&args.stack.settings.ignore))? };
    let request = Request { args, config, exceptions, archive: archive()?, common, world, sequel };
    let mut session = request.open(webhook.clone()).await?;
    let (mut planned, place) = request.first_plan(&session, webhook.as_ref()).await.map_err(nothing_changed)?;
    session.show_title(&place, common, world);
    if request.sequel.is_some()
        && let Err(error) = sequel::ends_no_alert(&planned, &session.stack.name)
    {
        request.show(&session, &place, &planned, None);
        return Err(error);
    }
    let refused = !planned.conflicts.is_empty() || !planned.unknown.is_empty() || !planned.missing.is_empty();
    let can_be_applied = !args.dry_run && !refused;
    if webhook.is_none() && can_be_applied && needs_webhook(&planned, &request) {
        webhook = Some(match request.ask_webhook().await {
            Ok(webhook) => webhook,
            Err(error) => {
                request.show(&session, &place, &planned, None);
                return Err(error);
            }
        });
        session = request.open(webhook.clone()).await?;
        planned = request.plan(&session, webhook.as_ref()).await?.0;
    }
    let is_last = request.sequel.as_ref().is_none_or(|sequel| sequel.perform.is_none());
    let nothing_to_apply = (planned.is_in_sync() && is_last) || args.dry_run;
    if common.output == Format::Text || refused {
        request.show(&session, &place, &planned, None);
    }
    if !planned.unknown.is_empty() {
        world.err.print(&format!(
            "Something could not be read, so nothing was changed.\n{}",
            render::hints(&planned, world.command())
        ));
        return Ok(code(Verdict::Unreadable));
    }
    if nothing_to_apply {
        let drills = args.drill && !request.config.clusters.is_empty();
        let drill = if drills { Some(request.drill(&session, &place).await?) } else { None };
        if common.output == Format::Json && !refused {
            request.show_with_drill(&session, &place, &planned, None, drill.as_ref());
        }
        let differs = if is_last { 0 } else { code(Verdict::Differs) };
        return Ok(drill.map_or_else(|| code(verdict(&planned)).max(differs), |drill| drill.conclude(common, world)));
    }
    if !planned.conflicts.is_empty() {
        return Err(Error::new("the stack's names are taken by resources that are not ours; nothing was changed")
            .hint("remove or rename them, choose another --stack, or take one over with --adopt ID"));
    }
    reach::all_there(&planned)?;
    let question = request.question(&planned, &session.title(&place));
    if common.output == Format::Json && !request.args.yes {
        world.err.print(&request.text(&planned));
    }
    world.confirm(request.args.yes, &question).await?;
    let mut report = Report::default();
    if let Err(error) = request.apply(&session, &planned, webhook.as_ref(), &mut report).await {
        if common.output == Format::Json {
            request.show(&session, &place, &planned, Some((&report, false)));
        }
        return Err(error);
    }
    request.conclude(&session, &place, &planned, &report, webhook.as_ref()).await
}

impl Request<'_> {
    async fn open(&self, webhook: Option<Webhook>) -> Result<Session> {
        let own_webhook = parameter::ADOPTABLE;
        let accept = self.exceptions.adopt.iter().any(|id| id.to_string() == own_webhook);
        let given = Given { webhook, accept_stored_webhook: accept, archive: self.archive.bytes.clone() };
        Session::open(self.config.stack.clone(), given, self.common, self.world).await
    }

    /// Looks for the clusters while it reads.
    async fn first_plan(&self, session: &Session, webhook: Option<&Webhook>) -> Result<(Plan, Place)> {
        let clusters = async {
            match self.args.allow_missing_cluster {
                true => Ok(()),
                false => cluster::must_exist(&session.sdk, &self.config.clusters, WAY_OUT).await,
            }
        };
        // Boxed: the futures of dozens of calls do not belong on the stack.
        let (clusters, planned) = (Box::pin(clusters), Box::pin(self.plan(session, webhook)));
        let log_groups = Box::pin(reach::logs_beyond(&self.config, &session.sdk));
        // Of many stacks, only those whose rules change ask: EventBridge takes but so many questions a second.
        let alone = self.world.seat.is_none();
        let agreed = Box::pin(async { if alone { self.eventbridge_agrees(session).await } else { Ok(()) } });
        let missing = Box::pin(reach::parameters_missing(&self.config, session));
        let looks = async { tokio::join!(clusters, planned, log_groups, agreed, missing) };
        let (clusters, planned, log_groups, agreed, missing) = session.unless_interrupted(looks).await?;
        let (planned, place) = planned?;
        let planned = (reach::lacking(planned, missing)?, place);
        clusters?;
        reach::own_is_kept(&planned.0, &self.config)?;
        // What cannot be read has its own place in the plan.
        if planned.0.unknown.is_empty() {
            agreed?;
            if !alone && planned.0.steps.iter().any(|step| step.stage == Stage::Trigger) {
                session.unless_interrupted(self.eventbridge_agrees(session)).await??;
            }
        }
        if let (Some(note), false) = (log_groups, self.common.quiet) {
            self.world.err.print(&note);
        }
        Ok(planned)
    }

    /// Before anything is written, EventBridge itself is asked about the patterns.
    async fn eventbridge_agrees(&self, session: &Session) -> Result<()> {
        if self.args.no_pattern_check {
            return Ok(());
        }
        let place = session.identity.place().await?;
        for note in agreement::reached(&session.sdk, &session.waiter, &self.config, place).await? {
            if !self.common.quiet {
                self.world.err.print(&note);
            }
        }
        Ok(())
    }

    async fn plan(&self, session: &Session, webhook: Option<&Webhook>) -> Result<(Plan, Place)> {
        self.plan_letting_in(session, webhook, &[]).await
    }

    async fn plan_letting_in(
        &self,
        session: &Session,
        webhook: Option<&Webhook>,
        leaving: &[String],
    ) -> Result<(Plan, Place)> {
        let (seen, place) = session.observe(&addresses(&self.config, &session.stack)).await?;
        let ground = Ground { stack: &session.stack, place: &place, archive: &self.archive, webhook, leaving };
        Ok((plan(&desired(&self.config, ground)?, seen, &self.exceptions), place))
    }

    /// Carries out the plan. A rule that has to go still rings until it is gone, and the notifier uses its rights until it is
    /// changed, so that doors are kept open until then: nothing is lost between the old and the new. What was done is in the
    /// report, whatever comes of it.
    async fn apply(
        &self,
        session: &Session,
        planned: &Plan,
        webhook: Option<&Webhook>,
        report: &mut Report,
    ) -> Result<()> {
        let leaving = doors::leaving(planned);
        if leaving.is_empty() && !doors::narrows(planned) {
            *report = session.apply(planned).await;
            return Ok(());
        }
        let (with_doors_open, _) = self.plan_letting_in(session, webhook, &leaving).await?;
        still_as_confirmed(planned, &with_doors_open)?;
        *report = session.apply(&doors::widened(with_doors_open)).await;
        if !report.is_complete() {
            return Ok(());
        }
        let rest =
            self.plan(session, webhook).await.and_then(|(rest, _)| still_as_confirmed(planned, &rest).map(|()| rest));
        let rest = rest.inspect_err(|_| self.world.err.print(&render::report(report, self.world.command())))?;
        *report = std::mem::take(report).and(session.apply(&rest).await);
        Ok(())
    }

    async fn ask_webhook(&self) -> Result<Webhook> {
        if !self.world.interactive {
            return Err(parameter::no_webhook());
        }
        let text = self.world.ask_secret("Webhook (not shown): ").await?;
        config::webhook(&text, self.args.stack.settings.hosts())
    }

    /// Tells what was done, and, if all was, makes sure of it.
    async fn conclude(
        &self,
        session: &Session,
        place: &Place,
        planned: &Plan,
        report: &Report,
        webhook: Option<&Webhook>,
    ) -> Result<u8> {
        let outcome = match report.is_complete() {
            true => self.settle(session, webhook).await,
            false => Err(self.incomplete(report)),
        };
        let drill = match self.args.drill && outcome.is_ok() && !self.config.clusters.is_empty() {
            true => Some(self.drill(session, place).await),
            false => None,
        };
        let arrived = |drill: &Result<Drill>| drill.as_ref().is_ok_and(|drill| drill.verdict() == Held::Yes);
        let sequel = match &self.sequel {
            Some(Sequel { perform: Some(perform), .. }) if outcome.is_ok() && drill.iter().all(arrived) => {
                perform().await
            }
            _ => Ok(()),
        };
        if self.common.output == Format::Json {
            let drill = drill.as_ref().and_then(|drill| drill.as_ref().ok());
            self.show_with_drill(session, place, planned, Some((report, outcome.is_ok())), drill);
        }
        outcome?;
        if let Some(drill) = drill {
            let code = drill?.conclude(self.common, self.world);
            return sequel.map(|()| code);
        }
        sequel?;
        if self.common.quiet {
            return Ok(0);
        }
        let test =
            next::test(&self.config).map(|line| format!(" `{line}` sends a test through it.")).unwrap_or_default();
        self.world.err.print(&format!("The stack {} is set up.{test}\n", self.config.stack));
        Ok(0)
    }

    /// Sends a test through what is there by now.
    async fn drill(&self, session: &Session, place: &Place) -> Result<Drill> {
        let cluster =
            self.config.clusters.first().ok_or_else(|| Error::usage("a drill needs to know which cluster"))?;
        let (seen, _) = session.observe_only(&["function", "rule"]).await?;
        let scenario = self.args.scenario;
        let (common, world) = (self.common, self.world);
        let drill = Drill::perform(scenario, drill::TIMEOUT, session, (&seen, place, cluster), common, world);
        let outcome = Box::pin(drill).await;
        session.finish_progress();
        outcome
    }

    fn incomplete(&self, report: &Report) -> Error {
        self.world.err.print(&render::report(report, self.world.command()));
        let interrupted = self.world.cancel.is_cancelled();
        match interrupted {
            true => Error::interrupted("setup was interrupted"),
            false => Error::new("setup is not complete"),
        }
    }

    /// Observes again. AWS may show for some seconds what was there before.
    async fn settle(&self, session: &Session, webhook: Option<&Webhook>) -> Result<()> {
        let id = Id::new("stack", self.config.stack.as_str());
        let left = Mutex::new(String::new());
        let unreadable = AtomicU8::new(0);
        let look = || async {
            let (plan, _) = self.plan(session, webhook).await?;
            if plan.is_in_sync() {
                return Ok(Attempt::Ready(()));
            }
            *left.lock().await = render::plan(&plan, false);
            // What was just made may answer oddly for a moment; what goes on doing so will not be read in two minutes either.
            let looks = if plan.unknown.is_empty() { 0 } else { unreadable.load(Ordering::Relaxed) + 1 };
            unreadable.store(looks, Ordering::Relaxed);
            if looks >= UNREADABLE_LOOKS {
                return Err(Error::new(format!("something could not be read {looks} times")));
            }
            Ok(Attempt::NotYet { what: "AWS to show what was applied".to_owned(), fault: None })
        };
        let settled = session.waiter.until(&id, SETTLING, look).await;
        session.finish_progress();
        if settled.is_err() {
            self.world.err.print(&left.into_inner());
        }
        settled.map_err(|error| {
            let interrupted = Error::interrupted("interrupted while making sure of it: everything was applied")
                .hint("`taskbell drift` tells whether AWS shows it; the same command is safe to run again");
            let not_shown = Error::new("everything was applied, but AWS does not show it");
            if error.is_interrupted() { interrupted } else { not_shown.because(error) }
        })
    }

    fn show(&self, session: &Session, place: &Place, plan: &Plan, result: Option<(&Report, bool)>) {
        match self.common.output {
            Format::Text | Format::Github | Format::Markdown => self.world.out.print(&self.text(plan)),
            Format::Json => self.show_with_drill(session, place, plan, result, None),
        }
    }

    fn text(&self, plan: &Plan) -> String {
        let sequel = self.sequel.as_ref().map_or("", |sequel| &sequel.text);
        render::plan(plan, self.common.verbose) + sequel
    }

    fn question(&self, plan: &Plan, title: &str) -> String {
        let question = format!("Make {} to the {title}", render::count(plan.steps.len(), "change"));
        match &self.sequel {
            Some(Sequel { perform: Some(_), question: then, .. }) => format!("{question}, and then {then}?"),
            _ => format!("{question}?"),
        }
    }

    /// The plan, its result and the drill after it, as one object.
    fn show_with_drill(
        &self,
        session: &Session,
        place: &Place,
        plan: &Plan,
        result: Option<(&Report, bool)>,
        drill: Option<&Drill>,
    ) {
        let mut object = render::plan_json(&session.stack, place, plan, result);
        if let Some(drill) = drill {
            object["drill"] = drill.object();
        }
        if let Some(sequel) = &self.sequel {
            object["import"] = sequel.object.clone();
            object["import"]["done"] = sequel.done.load(Ordering::Relaxed).into();
        }
        self.world.out.print(&render::json(&object));
    }
}

fn adopted(ids: &[String]) -> Result<Vec<Id>> {
    ids.iter().map(|text| Id::parse(text)).collect()
}

/// Whether the plan stores a webhook, and there is none to store.
fn needs_webhook(plan: &Plan, request: &Request) -> bool {
    let accepted = request.exceptions.adopt.iter().any(|id| id.to_string() == parameter::ADOPTABLE);
    let step = plan.steps.iter().find(|step| step.address.id.to_string() == parameter::ADOPTABLE);
    step.is_some_and(|step| match step.action {
        Action::Add => true,
        Action::Change => !accepted && step.changes.iter().any(|change| !change.change.path.starts_with("/tags")),
        Action::Remove => false,
    })
}
