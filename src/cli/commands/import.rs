//! Runs `import`: replaces an alert that was made by hand or by a module.

use clap::Args as ClapArgs;

use crate::aws::kinds::parameter;
use crate::cli::args::common::{Common, Format, StackArgs, report_repeated};
use crate::cli::args::fleet::OfStack;
use crate::cli::exit::code;
use crate::cli::render;
use crate::cli::run::fleet::{self};
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::config;
use crate::config::settings::{Settings, items};
use crate::error::{Category, Result};
use crate::operations::drill::TIMEOUT;
use crate::operations::import::switch_off::SwitchedOff;
use crate::operations::import::{Found, Origin, Request, Takeover, find, survey};
use crate::operations::setup::{self, Prepared, Refusal, prepare};
use crate::operations::verdict::Verdict;
use crate::reconcile::plan::Exceptions;
use crate::stack::Id;

/// Take over an alert that was made by hand or by a module.
///
/// Without RULE, shows which rules there are. With it, sets up a stack for the same clusters and the same webhook, proves it by a
/// drill, and only then disables the old rule, so that no failure goes unheard meanwhile. Shows what it would do and asks. Takes
/// the flags of `setup`.
#[derive(Debug, Clone, ClapArgs)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_help = "\
Examples:
  taskbell import
  taskbell import ecs-task-failed --dry-run
  taskbell import ecs-task-failed --cluster batch --remove-old")]
pub struct Args {
    /// The rule to take over, by name or ARN; without it, which there are
    rule: Option<String>,
    #[command(flatten)]
    stack: StackArgs,
    /// Ring for what the old pattern takes, instead of what the default patterns take
    #[arg(long, conflicts_with = "patterns")]
    keep_pattern: bool,
    /// Remove the old rule and its function in the end, instead of disabling the rule
    #[arg(long)]
    remove_old: bool,
    /// Take a cluster that does not exist (yet)
    #[arg(long)]
    allow_missing_cluster: bool,
    /// Take over a resource that has one of the stack's names but is not ours, as in `log_group/notifier`; may be repeated
    #[arg(long = "adopt", value_name = "ID")]
    adopt: Vec<String>,
    /// Do not ask EventBridge whether it agrees about the patterns: for emulators of AWS that do not
    #[arg(long)]
    no_pattern_check: bool,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// What the flags say, without the file: which stack of it is meant, the rule may say.
    #[arg(skip)]
    flags: Box<Settings>,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        items(&self.stack.settings.clusters)
    }

    fn complete(&mut self, settings: &Settings) {
        *self.flags = self.stack.settings.clone();
        self.stack.complete(settings);
    }

    /// Checks whether the flags name a cluster. Without one, the old rule may name the clusters.
    fn needs_stack(&self) -> bool {
        !items(&self.stack.settings.clusters).is_empty()
    }
}

pub async fn run(mut args: Args, common: &Common, world: &World) -> Result<u8> {
    let progress = Progress::new(common, world);
    let (hosts, site) = (args.stack.settings.hosts(), common.site());
    let Some(rule) = args.rule.take() else {
        let survey = progress.over(survey(hosts, &site, progress.context())).await?;
        world.out.print(&match common.output {
            Format::Json => render::json(&render::import::list_object(&survey)),
            _ => render::import::list(&survey),
        });
        world.err.print(&render::import::list_end(&survey, common.quiet));
        let unread = survey.candidates.iter().any(|candidate| candidate.read.is_err());
        return Ok(code(if unread { Verdict::Unreadable } else { Verdict::InSync }));
    };
    let found = progress.over(find(&rule, hosts, args.remove_old, &site, progress.context())).await;
    let found = found.inspect_err(|error| {
        if error.kind() == Category::Unreadable {
            world.err.print("Nothing was changed.\n");
        }
    })?;
    Box::pin(take_over(args, &found, &progress, common, world)).await
}

async fn take_over(mut args: Args, found: &Found, progress: &Progress, common: &Common, world: &World) -> Result<u8> {
    let named = found.clusters(&args.stack.settings)?;
    let name = common.stack_name(&config::clusters(&named)?)?;
    let in_file = fleet::member(&name, &found.place, common)?;
    if let Some((_, Some(member))) = &in_file {
        args.stack.settings = std::mem::take(&mut *args.flags);
        args.stack.complete(&member.settings);
    }
    args.stack.settings.clusters.get_or_insert(named);
    let request = Request {
        settings: args.stack.settings.clone(),
        keep_pattern: args.keep_pattern,
        remove_old: args.remove_old,
        webhook: args.stack.webhook(world, args.stack.settings.hosts())?,
    };
    let takeover = found.compare(request, name, args.dry_run, world.now())?;
    world.err.print(&render::import::warnings(found, &takeover));
    if common.output != Format::Json {
        world.out.print(&render::import::story(found, &takeover, common.verbose));
    }
    let mut off = SwitchedOff::default();
    let ended = Box::pin(carry_out(&args, (found, &takeover, &mut off), progress, common, world)).await;
    let old = &found.old;
    let is_as_it_was = old.rule.is_enabled() && !off.is_unsure;
    match &ended {
        Ok(0) if off.is_done && !common.quiet => {
            world.err.print(&render::import::afterwards(old, &takeover, args.keep_pattern));
        }
        Ok(0) if off.is_done => {}
        Err(error) if error.kind() == Category::Usage => {}
        _ if args.dry_run || !is_as_it_was => {}
        _ => world.err.print(&format!("The rule {} is as it was, and rings as before.\n", old.rule.name)),
    }
    if let (Ok(0), false, Some((file, None))) = (&ended, args.dry_run || common.quiet, &in_file) {
        world.err.print(&render::import::lines_for(file, &takeover.config, args.keep_pattern, &common.site()));
    }
    ended
}

/// Sets up the new stack, tests it, and disables or removes the old alert.
async fn carry_out(
    args: &Args,
    (found, takeover, off): (&Found, &Takeover, &mut SwitchedOff),
    progress: &Progress,
    common: &Common,
    world: &World,
) -> Result<u8> {
    report_repeated(&takeover.config.patterns, &progress.context().listener);
    let target = common.target_called(takeover.config.stack.clone());
    let prepare = prepare(request(args, takeover)?, &target, progress.context());
    let mut prepared = progress.over(prepare).await?;
    if let Err(error) = found.ends_no_alert(&prepared) {
        show(&prepared, found, takeover, common, world);
        return Err(error);
    }
    if prepared.needs_webhook() && !args.dry_run && prepared.refusal().is_none() {
        let hosts = args.stack.settings.hosts();
        let webhook = match world.interactive {
            true => world.ask_secret("Webhook (not shown): ").await.and_then(|text| config::webhook(&text, hosts)),
            false => Err(parameter::no_webhook()),
        };
        let webhook = webhook.inspect_err(|_| show(&prepared, found, takeover, common, world))?;
        prepared = progress.over(prepared.with_webhook(webhook)).await?;
    }
    let refusal = prepared.refusal();
    if common.output == Format::Text || refusal.is_some() {
        show(&prepared, found, takeover, common, world);
    }
    if let Some(Refusal::Unreadable) = refusal {
        let hints = render::hints(&prepared.plan, world.command());
        world.err.print(&format!("Something could not be read, so nothing was changed.\n{hints}"));
        return Ok(code(Verdict::Unreadable));
    }
    if (prepared.plan.is_in_sync() && !takeover.is_left) || args.dry_run {
        if common.output == Format::Json && refusal.is_none() {
            show(&prepared, found, takeover, common, world);
        }
        let differs = if takeover.is_left { code(Verdict::Differs) } else { 0 };
        return Ok(code(Verdict::of(&prepared.plan)).max(differs));
    }
    if let Some(Refusal::Blocked(error)) = refusal {
        return Err(error);
    }
    if common.output == Format::Json && !args.yes {
        world.err.print(&render::import::plan(&prepared.plan, found, takeover, common.verbose));
    }
    world.confirm(args.yes, &render::import::question(&prepared, found, takeover)).await?;
    let mut applied = progress.over(prepared.apply()).await;
    if let Some(failed) = &applied.failed {
        world.err.print(&render::setup::failure(&applied.report, failed, world.command()));
    }
    let drill = match (takeover.scenario, &applied.failed) {
        (Some(scenario), None) => Some(progress.over(applied.drill(scenario, TIMEOUT)).await),
        _ => None,
    };
    let arrived =
        drill.as_ref().is_none_or(|drill| drill.as_ref().is_ok_and(|drill| drill.verdict() == Verdict::InSync));
    if takeover.is_left && applied.failed.is_none() && arrived {
        *off = progress.over(found.switch_off(takeover)).await;
    }
    if common.output == Format::Json {
        let drill = drill.as_ref().and_then(|drill| drill.as_ref().ok());
        let mut object = render::setup::applied_object(&applied, drill, world.command());
        object["import"] = render::import::object(found, takeover, off.is_done);
        world.out.print(&render::json(&object));
    }
    if let Some(failed) = applied.failed.take() {
        return Err(render::setup::error(failed));
    }
    let drill = drill.transpose()?;
    if let Some(drill) = &drill
        && (drill.verdict() != Verdict::InSync || !common.quiet)
    {
        world.err.print(&render::drill::end(drill, world.command()));
    }
    if let Some(error) = off.failed.take() {
        return Err(error);
    }
    if drill.is_none() && !common.quiet {
        world.err.print(&render::next_step::set_up(applied.config()));
    }
    Ok(code(drill.map_or(Verdict::InSync, |drill| drill.verdict())))
}

fn request(args: &Args, takeover: &Takeover) -> Result<setup::Request> {
    let adopt = args.adopt.iter().map(|text| Id::parse(text)).collect::<Result<Vec<_>>>();
    let ignore = config::ignore(items(&args.stack.settings.ignore))?;
    Ok(setup::Request {
        config: takeover.config.clone(),
        webhook: match &takeover.origin {
            Origin::Given(webhook) | Origin::Found { webhook, .. } => Some(webhook.clone()),
            Origin::Elsewhere => None,
        },
        exceptions: Exceptions { adopt: adopt?, ignore },
        allow_missing_cluster: args.allow_missing_cluster,
        check_patterns: !args.no_pattern_check,
        is_one_of_many: false,
    })
}

fn show(prepared: &Prepared, found: &Found, takeover: &Takeover, common: &Common, world: &World) {
    let Prepared { stack, place, plan, .. } = prepared;
    world.out.print(&match common.output {
        Format::Text | Format::Github | Format::Markdown => render::import::plan(plan, found, takeover, common.verbose),
        Format::Json => {
            let mut object = render::setup::object((stack, place, plan), None, None, world.command());
            object["import"] = render::import::object(found, takeover, false);
            render::json(&object)
        }
    });
}
