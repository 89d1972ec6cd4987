//! Runs `drill`: sends a labelled test failure through the rule in AWS, and reports the result of each hop.

use std::convert::Infallible;

use clap::Args as ClapArgs;

use crate::cli::args::common::ClusterArgs;
use crate::cli::args::fleet::{FleetArgs, OfStack};
use crate::cli::render;
use crate::cli::run::{Desk, InPhases, Phase, Told};
use crate::config::settings::Settings;
use crate::error::{Error, Result};
use crate::operations::drill::{Performed, TIMEOUT, perform};
use crate::operations::verdict::Verdict;
use crate::pattern::scenario::Scenario;

/// Send a labelled test failure through the live rule, and report hop by hop how far it came.
///
/// Waits until the notifier reports the answer of Slack. Exit code 0: Slack accepted the drill; 1: the drill did not arrive, and
/// the output shows where it stopped; 3: taskbell could not find out how far the drill came.
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
    /// The failure to simulate
    #[arg(long, value_enum, default_value_t)]
    scenario: Scenario,
    /// Wait this long for Slack's answer
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

    fn take_named(&mut self) {
        self.clusters.add(std::mem::take(&mut self.fleet.named));
    }

    fn fleet(&self) -> Option<&FleetArgs> {
        Some(&self.fleet)
    }

    fn lacks_cluster(&self) -> bool {
        self.clusters().is_empty() && !self.scenario.is_without_cluster()
    }
}

impl InPhases for Args {
    type Prepared = Infallible;

    async fn prepare(self, desk: &Desk<'_>) -> Result<Phase<Infallible>> {
        let clusters = self.clusters.parse()?;
        if self.lacks_cluster() && desk.is_one_of_many() {
            let none = "no drill: the stack has no cluster; test it with `taskbell notify test`";
            let told = Told::verdict(format!("{none}\n"), Verdict::InSync);
            return Ok(Phase::Over(Told { sum: Some(none.to_owned()), ..told }));
        }
        if self.lacks_cluster() {
            return Err(Error::usage("a drill needs a cluster").hint(
                "name a cluster of the stack: `taskbell drill NAME`; test a stack without clusters with `taskbell notify test`",
            ));
        }
        let target = desk.common.target(&clusters)?;
        let performed = perform(self.scenario, self.timeout, clusters.first(), &target, desk.context).await?;
        let Performed { stack, place, drill } = &performed;
        Ok(Phase::Over(Told {
            // Each hop was shown as soon as its result was known.
            out: String::new(),
            object: Some(render::located(stack, place, render::drill::object(drill, desk.world.command()))),
            err: render::drill::end(drill, desk.common.quiet, desk.world.command())
                + &render::drill::of_one(&clusters, desk.common.quiet),
            sum: None,
            ended: Ok(drill.verdict()),
        }))
    }

    async fn apply(never: Infallible, _: &Desk<'_>) -> Told {
        match never {}
    }
}
