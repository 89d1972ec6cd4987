//! Runs `import`: replaces an alert that was made by hand.

use clap::Args as ClapArgs;

use crate::cli::args::common::{Common, Format, StackArgs};
use crate::cli::args::fleet::OfStack;
use crate::cli::args::setup::SetupArgs;
use crate::cli::exit::code;
use crate::cli::render;
use crate::cli::run::progress::Progress;
use crate::cli::run::setup::{flags, prepared, with_webhook};
use crate::cli::run::{Desk, choice, fleet};
use crate::cli::terminal::World;
use crate::config::{self, settings::Settings, settings::items};
use crate::error::Result;
use crate::operations::goal::Goal;
use crate::operations::import::switch_off::SwitchedOff;
use crate::operations::import::{Found, Request, Takeover, find, survey};
use crate::operations::verdict::Verdict;

/// Replace an alert that was created by hand.
///
/// Without RULE, lists the rules that send alerts about ECS. With RULE, sets up a stack for the same clusters and the same
/// webhook, and tests it with a drill. Disables the old rule only after the drill has arrived, so that no failure is missed in the
/// meantime; with --no-drill, a minute after the new rules were created. Shows the plan, and asks before it changes anything. Accepts the flags of `setup`.
#[derive(Debug, Clone, ClapArgs)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_help = "\
Examples:
  taskbell import
  taskbell import ecs-task-failed --cluster batch
  taskbell import ecs-task-failed --remove-old          some days later: remove the old rule and its function")]
pub struct Args {
    /// The rule to replace, by name or ARN; without RULE, list the rules
    rule: Option<String>,
    #[command(flatten)]
    stack: StackArgs,
    /// Alert on the events that the old pattern matches, instead of those that the default patterns match
    #[arg(long, conflicts_with = "patterns")]
    keep_pattern: bool,
    /// Remove the old rule and its function at the end, instead of disabling the rule; the function's code cannot be restored
    #[arg(long)]
    remove_old: bool,
    #[command(flatten)]
    setup: SetupArgs,
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

    /// Checks whether the flags name a cluster. Without one, the old rule may name the clusters.
    fn needs_stack(&self) -> bool {
        !items(&self.stack.settings.clusters).is_empty()
    }
}

pub async fn run(mut args: Args, common: &Common, world: &World) -> Result<u8> {
    let progress = Progress::new(common, world);
    let desk = Desk { common, world, context: progress.context(), reported: None };
    let (hosts, site, is_json) = (args.stack.settings.hosts(), common.site(), common.output == Format::Json);
    let Some(rule) = args.rule.take() else {
        let survey = progress.over(survey(hosts, &site, desk.context)).await?;
        world.out.print(&render::import::survey(&survey, is_json, |text| world.laid_out(text)));
        world.err.print(&render::import::list_end(&survey, common.quiet));
        return Ok(code(survey.verdict()));
    };
    let found = progress.over(find(&rule, hosts, args.remove_old, &site, desk.context)).await;
    let found = found.inspect_err(|error| world.err.print(render::import::not_found(error)))?;
    Box::pin(take_over(args, &found, &progress, &desk)).await.map(code)
}

async fn take_over(mut args: Args, found: &Found, progress: &Progress, desk: &Desk<'_>) -> Result<Verdict> {
    let Desk { common, world, .. } = desk;
    let named = found.clusters(&args.stack.settings)?;
    let clusters = config::clusters(&named)?;
    let name = progress.over(choice::name_of(&clusters, common, desk.context)).await?;
    let in_file = fleet::member(&name, &found.place, common)?;
    if let Some((_, Some(member))) = &in_file {
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
        world.out.print(&world.laid_out(&render::import::story(found, &takeover, common.verbose)));
    }
    let mut off = SwitchedOff::default();
    let ended = Box::pin(carry_out(&args, (found, &takeover, &mut off), progress, desk)).await;
    world.err.print(&render::import::end(found, &takeover, &off, &ended, common.quiet));
    if let (Ok(Verdict::InSync), false, Some((file, None))) = (&ended, args.dry_run || common.quiet, &in_file) {
        world.err.print(&render::import::lines_for(file, &takeover, &common.site()));
    }
    ended
}

/// Sets up the new stack, tests it, and ends the old alert.
async fn carry_out(
    args: &Args,
    (found, takeover, off): (&Found, &Takeover, &mut SwitchedOff),
    progress: &Progress,
    desk: &Desk<'_>,
) -> Result<Verdict> {
    let (Desk { common, world, .. }, command) = (desk, desk.world.command());
    let request =
        args.setup.request(Goal::Whole(Box::new(takeover.config.clone())), takeover.webhook(), &args.stack.settings)?;
    let prepare = prepared(request, args.dry_run, |prepared| found.ends_no_alert(prepared), desk);
    let (prepared, asked) = progress.over(prepare).await?;
    world.err.print(render::import::no_webhook(&prepared, takeover));
    let over = asked.and_then(|()| takeover.verdict(&prepared));
    let text = || render::import::plan(&prepared.plan, found, takeover, common.verbose);
    let print = |object| world.out.print(&render::json(&object));
    match (common.output, &over) {
        (Format::Json, Ok(None)) if args.yes => {}
        (Format::Json, Ok(None)) => world.err.print(&text()),
        (Format::Json, _) => print(render::import::prepared_object(&prepared, found, takeover, command)),
        _ => world.out.print(&world.laid_out(&text())),
    }
    if let Some(verdict) = over? {
        world.err.print(&render::setup::unreadable(&prepared.plan, command));
        return Ok(verdict);
    }
    let prepared = progress.over(with_webhook(prepared, args.stack.settings.hosts(), world)).await?;
    world.confirm(args.yes, &render::import::question(&prepared, found, takeover)).await?;
    let applied = progress.over(found.replace(prepared, takeover, off)).await;
    if common.output == Format::Json {
        print(render::import::applied_object(&applied, found, takeover, off.is_done, command));
    }
    world.err.print(&render::import::applied(&applied, off, &flags(common), common.quiet, command));
    let verdict = Ok(applied.verdict());
    render::setup::error(applied).or_else(|| off.failed.take()).map_or(verdict, Err)
}
