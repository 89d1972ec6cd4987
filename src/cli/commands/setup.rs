//! Runs `setup`: plans, shows the plan, asks for confirmation, applies the plan, and observes AWS again.

use clap::Args as ClapArgs;

use crate::aws::kinds::parameter::{self, Webhook};
use crate::cli::args::common::{StackArgs, report_repeated};
use crate::cli::args::fleet::{FleetArgs, OfStack};
use crate::cli::render;
use crate::cli::run::{Asks, Desk, InPhases, Phase, Told};
use crate::cli::terminal::World;
use crate::config::settings::{Settings, items};
use crate::config::{self, WebhookHosts};
use crate::error::{Error, Result};
use crate::operations::drill::{Drill, TIMEOUT};
use crate::operations::setup::{Prepared, Refusal, Request, prepare};
use crate::operations::verdict::Verdict;
use crate::pattern::scenario::Scenario;
use crate::reconcile::plan::Exceptions;
use crate::stack::Id;

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
    stack: StackArgs,
    #[command(flatten)]
    fleet: FleetArgs,
    /// Take a cluster that does not exist (yet)
    #[arg(long)]
    allow_missing_cluster: bool,
    /// Take over a resource that has one of our names but is not ours, as in `log_group/notifier`; may be repeated
    #[arg(long = "adopt", value_name = "ID")]
    adopt: Vec<String>,
    /// Do not ask EventBridge whether it agrees about the patterns: for emulators of AWS that do not
    #[arg(long)]
    no_pattern_check: bool,
    /// Then send a labelled test failure through it, and wait for Slack's answer
    #[arg(long, conflicts_with = "dry_run", conflicts_with = "no_drill")]
    pub drill: bool,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
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

/// The prepared changes, and whether a drill follows them.
pub struct Ready {
    prepared: Prepared,
    drills: bool,
}

impl InPhases for Args {
    type Prepared = Ready;

    fn yes(&self) -> bool {
        self.yes
    }

    async fn prepare(self, desk: &Desk<'_>) -> Result<Phase<Ready>> {
        let Desk { common, world, context, is_one_of_many } = desk;
        let request = request(&self, desk)?;
        let target = common.target_called(request.config.stack.clone());
        let has_clusters = !request.config.clusters.is_empty();
        // Among several stacks, those for applications' own alerts have no cluster. The drill is for the others.
        if self.drill && !has_clusters && !is_one_of_many {
            return Err(Error::usage("a drill needs to know which cluster").hint("give --cluster NAME"));
        }
        let drills = self.drill && has_clusters;
        report_repeated(&request.config.patterns, &context.listener);
        let mut prepared = prepare(request, &target, context).await?;
        if prepared.needs_webhook() && !self.dry_run && prepared.refusal().is_none() {
            match ask_webhook(self.stack.settings.hosts(), world).await {
                Ok(webhook) => prepared = prepared.with_webhook(webhook).await?,
                Err(error) => return Ok(Phase::Over(Told { ended: Err(error), ..seen(&prepared, desk) })),
            }
        }
        let told = seen(&prepared, desk);
        let is_over = prepared.plan.is_in_sync() || self.dry_run;
        match prepared.refusal() {
            Some(Refusal::Unreadable) => {
                let hints = render::hints(&prepared.plan, world.command());
                let err = format!("Something could not be read, so nothing was changed.\n{hints}");
                Ok(Phase::Over(Told { err, ended: Ok(Verdict::Unreadable), ..told }))
            }
            Some(Refusal::Blocked(error)) if !is_over => Ok(Phase::Over(Told { ended: Err(error), ..told })),
            _ if is_over && drills => Ok(Phase::Over(drilled(&prepared, told, desk).await?)),
            _ if is_over => Ok(Phase::Over(told)),
            _ => {
                let Told { out, err, sum, .. } = told;
                let question = render::setup::question(&prepared) + "?";
                let prepared = Ready { prepared, drills };
                Ok(Phase::Asks(Asks { instead: out.clone(), out, err, sum, question, prepared }))
            }
        }
    }

    async fn apply(Ready { prepared, drills }: Ready, desk: &Desk<'_>) -> Told {
        let mut applied = prepared.apply().await;
        let command = desk.world.command();
        let failure = applied.failed.as_ref().map(|failed| render::setup::failure(&applied.report, failed, command));
        let drill = match drills && applied.failed.is_none() {
            true => Some(applied.drill(Scenario::default(), TIMEOUT).await),
            false => None,
        };
        let object =
            render::setup::applied_object(&applied, drill.as_ref().and_then(|drill| drill.as_ref().ok()), command);
        let sum = if drill.is_none() { render::sum(&applied.plan) } else { None };
        let told =
            Told { out: String::new(), object: Some(object), err: String::new(), sum, ended: Ok(Verdict::InSync) };
        match (applied.failed.take(), drill) {
            (Some(failed), _) => {
                Told { err: failure.unwrap_or_default(), ended: Err(render::setup::error(failed)), ..told }
            }
            (None, Some(Err(error))) => Told { ended: Err(error), ..told },
            (None, Some(Ok(drill))) => Told { err: end_of(&drill, desk), ended: Ok(drill.verdict()), ..told },
            (None, None) if desk.common.quiet => told,
            (None, None) => Told { err: render::next_step::set_up(applied.config()), ..told },
        }
    }
}

/// Returns the output for a plan.
fn seen(Prepared { stack, place, plan, .. }: &Prepared, desk: &Desk<'_>) -> Told {
    Told {
        out: render::plan(plan, desk.common.verbose),
        object: Some(render::setup::object((stack, place, plan), None, None, desk.world.command())),
        err: String::new(),
        sum: render::sum(plan),
        ended: Ok(Verdict::of(plan)),
    }
}

/// Runs the drill although nothing is to be changed.
async fn drilled(prepared: &Prepared, told: Told, desk: &Desk<'_>) -> Result<Told> {
    // Show the plan before the hops.
    desk.show(&told.out);
    let drill = prepared.drill(Scenario::default(), TIMEOUT).await?;
    let Prepared { stack, place, plan, .. } = prepared;
    let object = Some(render::setup::object((stack, place, plan), None, Some(&drill), desk.world.command()));
    Ok(Told { out: String::new(), object, err: end_of(&drill, desk), sum: None, ended: Ok(drill.verdict()) })
}

fn request(args: &Args, Desk { common, world, is_one_of_many, .. }: &Desk<'_>) -> Result<Request> {
    let settings = &args.stack.settings;
    let adopt = args.adopt.iter().map(|text| Id::parse(text)).collect::<Result<Vec<_>>>();
    Ok(Request {
        config: args.stack.config(common)?,
        webhook: args.stack.webhook(world, settings.hosts())?,
        exceptions: Exceptions { adopt: adopt?, ignore: config::ignore(items(&settings.ignore))? },
        allow_missing_cluster: args.allow_missing_cluster,
        check_patterns: !args.no_pattern_check,
        is_one_of_many: *is_one_of_many,
    })
}

/// Returns the closing message of a drill.
fn end_of(drill: &Drill, desk: &Desk<'_>) -> String {
    match drill.verdict() {
        Verdict::InSync if desk.common.quiet => String::new(),
        _ => render::drill::end(drill, desk.world.command()),
    }
}

async fn ask_webhook(hosts: WebhookHosts, world: &World) -> Result<Webhook> {
    if !world.interactive {
        return Err(parameter::no_webhook());
    }
    let text = world.ask_secret("Webhook (not shown): ").await?;
    config::webhook(&text, hosts)
}
