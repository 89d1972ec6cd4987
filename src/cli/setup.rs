//! `setup`: plan, show, confirm, apply, observe again.

use clap::Args as ClapArgs;

use super::exit::code;
use super::fleet::{FleetArgs, OfStack};
use super::options::{Common, Format, StackArgs, warn_of_repeated};
use super::progress::Progress;
use super::render;
use super::world::World;
use crate::aws::kinds::parameter::{self, Webhook};
use crate::config::settings::{Settings, items};
use crate::config::{self, WebhookHosts};
use crate::error::{Error, Result};
use crate::operations::drill::{Drill, TIMEOUT};
use crate::operations::setup::{Applied, Prepared, Refusal, Request, prepare};
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
    pub(super) drill: bool,
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

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let request = request(&args, common, world)?;
    let (has_clusters, target) =
        (!request.config.clusters.is_empty(), common.target_called(request.config.stack.clone()));
    // Of many stacks, those of applications' own alerts have none; the others are drilled.
    if args.drill && !has_clusters && world.seat.is_none() {
        return Err(Error::usage("a drill needs to know which cluster").hint("give --cluster NAME"));
    }
    let drills = args.drill && has_clusters;
    warn_of_repeated(&request.config.patterns, world);
    let progress = Progress::new(common, world);
    let mut prepared = progress.over(prepare(request, &target, progress.context())).await?;
    if prepared.needs_webhook() && !args.dry_run && prepared.refusal().is_none() {
        let webhook = match ask_webhook(args.stack.settings.hosts(), world).await {
            Ok(webhook) => webhook,
            Err(error) => {
                show(&prepared, common, world);
                return Err(error);
            }
        };
        prepared = progress.over(prepared.with_webhook(webhook)).await?;
    }
    let refusal = prepared.refusal();
    if common.output == Format::Text || refusal.is_some() {
        show(&prepared, common, world);
    }
    if let Some(Refusal::Unreadable) = refusal {
        let hints = render::hints(&prepared.plan, world.command());
        world.err.print(&format!("Something could not be read, so nothing was changed.\n{hints}"));
        return Ok(code(Verdict::Unreadable));
    }
    if prepared.plan.is_in_sync() || args.dry_run {
        let drill =
            if drills { Some(progress.over(prepared.drill(Scenario::default(), TIMEOUT)).await?) } else { None };
        if common.output == Format::Json && refusal.is_none() {
            let Prepared { stack, place, plan, .. } = &prepared;
            world.out.print(&render::json(&render::setup::object((stack, place, plan), None, drill.as_ref())));
        }
        let verdict = drill.map_or(Verdict::of(&prepared.plan), |drill| conclude(&drill, common, world));
        return Ok(code(verdict));
    }
    if let Some(Refusal::Blocked(error)) = refusal {
        return Err(error);
    }
    if common.output == Format::Json && !args.yes {
        world.err.print(&render::plan(&prepared.plan, common.verbose));
    }
    world.confirm(args.yes, &(render::setup::question(&prepared) + "?")).await?;
    let applied = progress.over(prepared.apply()).await;
    Box::pin(after(applied, drills, &progress, common, world)).await
}

/// Tells what was done, and drills it.
async fn after(mut applied: Applied, drills: bool, progress: &Progress, common: &Common, world: &World) -> Result<u8> {
    if let Some(failed) = &applied.failed {
        world.err.print(&render::setup::failure(&applied.report, failed, world.command()));
    }
    let drill = match drills && applied.failed.is_none() {
        true => Some(progress.over(applied.drill(Scenario::default(), TIMEOUT)).await),
        false => None,
    };
    if common.output == Format::Json {
        let drill = drill.as_ref().and_then(|drill| drill.as_ref().ok());
        world.out.print(&render::json(&render::setup::applied_object(&applied, drill)));
    }
    if let Some(failed) = applied.failed.take() {
        return Err(render::setup::error(failed));
    }
    if let Some(drill) = drill {
        return Ok(code(conclude(&drill?, common, world)));
    }
    if !common.quiet {
        world.err.print(&render::next_step::set_up(applied.config()));
    }
    Ok(code(Verdict::InSync))
}

fn request(args: &Args, common: &Common, world: &World) -> Result<Request> {
    let settings = &args.stack.settings;
    let adopt = args.adopt.iter().map(|text| Id::parse(text)).collect::<Result<Vec<_>>>();
    Ok(Request {
        config: args.stack.config(common)?,
        webhook: args.stack.webhook(world, settings.hosts())?,
        exceptions: Exceptions { adopt: adopt?, ignore: config::ignore(items(&settings.ignore))? },
        allow_missing_cluster: args.allow_missing_cluster,
        check_patterns: !args.no_pattern_check,
        is_one_of_many: world.seat.is_some(),
    })
}

fn show(Prepared { stack, place, plan, .. }: &Prepared, common: &Common, world: &World) {
    world.out.print(&match common.output {
        Format::Text | Format::Github | Format::Markdown => render::plan(plan, common.verbose),
        Format::Json => render::json(&render::setup::object((stack, place, plan), None, None)),
    });
}

/// The last word of a drill.
fn conclude(drill: &Drill, common: &Common, world: &World) -> Verdict {
    let verdict = drill.verdict();
    if verdict != Verdict::InSync || !common.quiet {
        world.err.print(&render::drill::end(drill));
    }
    verdict
}

async fn ask_webhook(hosts: WebhookHosts, world: &World) -> Result<Webhook> {
    if !world.interactive {
        return Err(parameter::no_webhook());
    }
    let text = world.ask_secret("Webhook (not shown): ").await?;
    config::webhook(&text, hosts)
}
