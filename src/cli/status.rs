//! `status`: the stack on one screen.

use clap::Args as ClapArgs;

use super::exit::code;
use super::fleet::{FleetArgs, OfStack};
use super::options::{ClusterArgs, Common, Format};
use super::progress::Progress;
use super::render;
use super::world::World;
use crate::config::settings::Settings;
use crate::error::Result;
use crate::operations::status;
use crate::operations::verdict::Verdict;

/// Show how the stack is doing: rules, notifier, queue, the last alert, the last drill.
///
/// `taskbell drift` tells whether it still is what was asked for. Exit code 0: told; 1: there is no such stack; 3: something
/// could not be read.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "Example:\n  taskbell status --cluster batch")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
    #[command(flatten)]
    fleet: FleetArgs,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        &self.clusters.clusters
    }

    fn complete(&mut self, settings: &Settings) {
        self.clusters.complete(settings);
    }

    fn fleet(&self) -> Option<&FleetArgs> {
        Some(&self.fleet)
    }
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let target = common.target(&args.clusters.parse()?)?;
    let progress = Progress::new(common, world);
    let status = progress.over(status::look(&target, progress.context())).await?;
    match common.output {
        Format::Text | Format::Github | Format::Markdown => {
            world.out.print(&format!(
                "{}\n{}",
                render::heading(&status.stack, &status.place),
                render::status::text(&status)
            ));
        }
        Format::Json => {
            world.out.print(&render::json(&render::located(
                &status.stack,
                &status.place,
                render::status::object(&status),
            )));
        }
    }
    if let Some(warning) = &status.warning {
        world.err.print(&format!("warning: {warning}; a newer taskbell's `setup` moves the notifier on\n"));
    }
    Ok(code(if status.is_known() { Verdict::InSync } else { Verdict::Unreadable }))
}
