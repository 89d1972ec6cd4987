//! Runs `jobs`: lists the jobs of the clusters, and suggests expectations.

use std::convert::Infallible;

use clap::Args as ClapArgs;
use serde_json::json;

use crate::cli::args::common::ClusterArgs;
use crate::cli::args::fleet::{FleetArgs, OfStack};
use crate::cli::render;
use crate::cli::run::{Desk, InPhases, Phase, Told};
use crate::config::settings::Settings;
use crate::error::Result;
use crate::operations::jobs::{self, Jobs};

/// List the jobs of the clusters: schedules, next runs, last successes, open failures, expectations.
///
/// Finds the jobs in the stack's ledger, and those that EventBridge Scheduler and rules with a schedule start. Works without a
/// stack, too. With -v, shows the next three deadlines. Exit code 0: shown; 3: something could not be read.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell jobs --cluster batch
  taskbell jobs --cluster batch --suggest")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
    #[command(flatten)]
    fleet: FleetArgs,
    /// Print lines for taskbell.toml that expect a success of each job without an expectation
    #[arg(long)]
    suggest: bool,
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

    fn takes_only_stack(&self) -> bool {
        true
    }

    fn fleet(&self) -> Option<&FleetArgs> {
        Some(&self.fleet)
    }
}

impl InPhases for Args {
    type Prepared = Infallible;

    fn is_prose(&self) -> bool {
        !self.suggest
    }

    async fn prepare(self, desk: &Desk<'_>) -> Result<Phase<Infallible>> {
        let clusters = self.clusters.parse()?;
        let target = desk.common.target(&clusters)?;
        let jobs = jobs::look(&clusters, &target, desk.context).await?;
        let Jobs { stack, place, .. } = &jobs;
        let heading = render::heading(stack, place);
        let mut object = render::jobs::object(&jobs);
        let (out, err) = match self.suggest {
            true => (format!("# {heading}\n{}", render::jobs::suggestions(&jobs)), String::new()),
            false => {
                (format!("{heading}\n{}", render::jobs::text(&jobs, desk.common.verbose)), render::jobs::notes(&jobs))
            }
        };
        if self.suggest {
            object["suggestions"] = json!(render::jobs::suggestions_object(&jobs));
        }
        Ok(Phase::Over(Told {
            out,
            object: Some(render::located(stack, place, object)),
            err: if desk.common.quiet { String::new() } else { err },
            sum: None,
            ended: Ok(jobs.verdict()),
        }))
    }

    async fn apply(never: Infallible, _: &Desk<'_>) -> Told {
        match never {}
    }
}
