//! `drift`: reads, compares, never writes.

use clap::Args as ClapArgs;

use super::exit::code;
use super::fleet::{FleetArgs, OfStack};
use super::options::{Common, Format, StackArgs};
use super::progress::Progress;
use super::render;
use super::world::World;
use crate::aws::kinds::parameter::Webhook;
use crate::config::settings::{Settings, items};
use crate::error::Result;
use crate::operations::drift::compare;
use crate::operations::verdict::Verdict;

/// Tell whether AWS still is what was asked for. Only reads; needs no write permission.
///
/// Give it the same flags as `setup`. Exit code 0: in sync; 2: there are differences; 3: something could not be read.
///
/// Warns when AWS stops to support the notifier's runtime within 180 days.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "Example:\n  taskbell drift --cluster batch")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    #[command(flatten)]
    fleet: FleetArgs,
    /// End with 2 also where there is nothing but a warning
    #[arg(long)]
    fail_on_warning: bool,
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

    fn looks_for_orphans(&self) -> bool {
        true
    }
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let request = args.stack.comparison(common, world)?;
    let target = common.target_called(request.config.stack.clone());
    let progress = Progress::new(common, world);
    let comparison = progress.over(compare(&request, &target, progress.context())).await?;
    world.out.print(&match common.output {
        Format::Text => render::plan(&comparison.plan, common.verbose),
        Format::Github => render::drift::annotations(&comparison),
        Format::Markdown => render::drift::markdown(&comparison),
        Format::Json => render::json(&render::drift::object(&comparison)),
    });
    world.err.print(&render::drift::remarks(&comparison, world.command()));
    Ok(code(match Verdict::of(&comparison.plan) {
        Verdict::InSync if args.fail_on_warning && comparison.warning.is_some() => Verdict::Differs,
        verdict => verdict,
    }))
}
