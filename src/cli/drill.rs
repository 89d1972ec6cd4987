//! `drill`: sends a labelled test failure through the live rule, and tells hop by hop how far it came.

use clap::Args as ClapArgs;

use super::exit::code;
use super::fleet::{FleetArgs, OfStack};
use super::options::{ClusterArgs, Common, Format};
use super::progress::Progress;
use super::render;
use super::world::World;
use crate::config::settings::Settings;
use crate::error::{Error, Result};
use crate::operations::drill::{TIMEOUT, perform};
use crate::operations::verdict::Verdict;
use crate::pattern::scenario::Scenario;

/// Send a labelled test failure through the live rule, and tell hop by hop how far it came.
///
/// Waits until the notifier has told what Slack answered. Exit code 0: Slack took it; 1: it did not arrive; the output says where
/// it stopped; 3: it cannot be known how far it came.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell drill --cluster batch
  taskbell drill --cluster batch --scenario out-of-memory")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
    #[command(flatten)]
    fleet: FleetArgs,
    /// What is pretended to have happened
    #[arg(long, value_enum, default_value_t)]
    scenario: Scenario,
    /// How long to wait for Slack's answer
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT, value_parser = clap::value_parser!(u64).range(1..=900))]
    timeout: u64,
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
    let clusters = args.clusters.parse()?;
    if clusters.is_empty() && world.seat.is_some() {
        world
            .out
            .print("no drill: it has no cluster; `taskbell notify test` raises an alert of an application's own\n");
        return Ok(0);
    }
    let cluster = clusters.first().ok_or_else(|| {
        Error::usage("a drill needs to know which cluster")
            .hint("give --cluster NAME; a stack of applications' own alerts is tested with `taskbell notify test`")
    })?;
    let target = common.target(&clusters)?;
    let progress = Progress::new(common, world);
    let drill = perform(args.scenario, args.timeout, cluster, &target, progress.context());
    let performed = progress.over(drill).await?;
    if common.output == Format::Json {
        let object = render::drill::object(&performed.drill);
        world.out.print(&render::json(&render::located(&performed.stack, &performed.place, object)));
    }
    let end = render::drill::end(&performed.drill);
    let verdict = performed.drill.verdict();
    if verdict != Verdict::InSync || !common.quiet {
        world.err.print(&end);
    }
    Ok(code(verdict))
}
