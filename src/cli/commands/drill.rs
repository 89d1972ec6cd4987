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

impl InPhases for Args {
    type Prepared = Infallible;

    async fn prepare(self, desk: &Desk<'_>) -> Result<Phase<Infallible>> {
        let clusters = self.clusters.parse()?;
        if clusters.is_empty() && desk.is_one_of_many {
            let none = "no drill: it has no cluster; `taskbell notify test` raises an alert of an application's own";
            let told = Told::verdict(format!("{none}\n"), Verdict::InSync);
            return Ok(Phase::Over(Told { sum: Some(none.to_owned()), ..told }));
        }
        let cluster = clusters.first().ok_or_else(|| {
            Error::usage("a drill needs to know which cluster")
                .hint("give --cluster NAME; a stack of applications' own alerts is tested with `taskbell notify test`")
        })?;
        let target = desk.common.target(&clusters)?;
        let performed = perform(self.scenario, self.timeout, cluster, &target, desk.context).await?;
        let Performed { stack, place, drill } = &performed;
        Ok(Phase::Over(Told {
            // Each hop was shown as soon as its result was known.
            out: String::new(),
            object: Some(render::located(stack, place, render::drill::object(drill, desk.world.command()))),
            err: render::drill::end(drill, desk.common.quiet, desk.world.command()),
            sum: None,
            ended: Ok(drill.verdict()),
        }))
    }

    async fn apply(never: Infallible, _: &Desk<'_>) -> Told {
        match never {}
    }
}
