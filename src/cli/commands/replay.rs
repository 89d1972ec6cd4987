//! Runs `replay`: sends the undelivered alerts in the queue through the notifier again.

use clap::Args as ClapArgs;
use serde_json::json;

use crate::cli::args::common::{ClusterArgs, Common, Format, NamedArgs};
use crate::cli::args::fleet::OfStack;
use crate::cli::exit::code;
use crate::cli::render;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::config::settings::Settings;
use crate::error::Result;
use crate::operations::replay::{prepare_purge, replay};
use crate::operations::target::Target;
use crate::operations::verdict::Verdict;

/// Send the undelivered alerts again.
///
/// Shows the entries of the queue, oldest first, and sends them to the notifier one at a time. An entry leaves the queue only
/// after the notifier has accepted it, so that an interruption loses nothing. If the notifier fails on an entry, the entry stays,
/// and the next one is sent; two failures in a row end the run. Exit code 0: nothing is known to be left in the queue; 1:
/// something is left, because it failed, is not an event, is held by another replay, or exceeds the limit of one run. With
/// --dry-run, entries in the queue do not change the exit code.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell replay batch --dry-run
  taskbell replay batch
  taskbell replay batch --purge")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
    #[command(flatten)]
    named: NamedArgs,
    /// Show the entries of the queue and send nothing
    #[arg(long, conflicts_with = "purge")]
    dry_run: bool,
    /// Delete the entries of the queue instead of sending them
    #[arg(long)]
    purge: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        &self.clusters.clusters
    }

    fn complete(&mut self, settings: &Settings) {
        self.clusters.complete(settings);
    }

    fn take_named(&mut self) {
        self.clusters.add(std::mem::take(&mut self.named.named));
    }
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let target = common.target(&args.clusters.parse()?)?;
    if args.purge {
        return purge(&args, &target, common, world).await;
    }
    let progress = Progress::new(common, world);
    let mut replay = progress.over(replay(args.dry_run, &target, progress.context())).await?;
    if common.output == Format::Json {
        let object = render::replay::object(&replay);
        world.out.print(&render::json(&render::located(&replay.stack, &replay.place, object)));
    }
    world.err.print(&render::replay::warning(&replay));
    if let Some(error) = replay.error() {
        return Err(error);
    }
    world.err.print(&render::replay::end(&replay, common.quiet));
    Ok(code(replay.verdict()))
}

async fn purge(args: &Args, target: &Target, common: &Common, world: &World) -> Result<u8> {
    let progress = Progress::new(common, world);
    let purge = progress.over(prepare_purge(target, progress.context())).await?;
    if purge.depth > 0 {
        world.confirm(args.yes, &render::replay::question(&purge)).await?;
        progress.over(purge.apply()).await?;
    }
    if common.output == Format::Json {
        let object = render::located(&purge.stack, &purge.place, json!({ "deleted": purge.depth }));
        world.out.print(&render::json(&object));
    } else if !common.quiet {
        world.err.print(&render::replay::deleted(&purge));
    }
    Ok(code(Verdict::InSync))
}
