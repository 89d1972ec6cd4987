//! Runs `status`: shows the stack on one screen.

use std::convert::Infallible;

use clap::Args as ClapArgs;

use crate::cli::args::common::ClusterArgs;
use crate::cli::args::fleet::{FleetArgs, OfStack};
use crate::cli::render;
use crate::cli::run::setup::flags;
use crate::cli::run::{Desk, InPhases, Phase, Told};
use crate::config::settings::Settings;
use crate::error::Result;
use crate::operations::status::{self, Extent, Status};

/// Show the state of the stack: jobs with a problem, rules, notifier, queue, the last alert, the last drill.
///
/// Shows trouble first, with the command that mends it, and names the clusters of the account that no stack covers. To check
/// whether AWS still matches the configuration, run `taskbell drift`. Exit code 0: no trouble; 1: the stack does not exist; 2: there is
/// trouble; 3: something could not be read.
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

    async fn prepare(self, desk: &Desk<'_>) -> Result<Phase<Infallible>> {
        let target = desk.common.target(&self.clusters.parse()?)?;
        // Several stacks would all show the same clusters.
        let extent = if desk.is_one_of_many() { Extent::Stack } else { Extent::Account };
        let status = status::look(&target, extent, desk.context).await?;
        let Status { stack, place, warning, .. } = &status;
        Ok(Phase::Over(Told {
            out: format!("{}\n{}", render::heading(stack, place), render::status::text(&status, &flags(desk.common))),
            object: Some(render::located(stack, place, render::status::object(&status))),
            err: warning.as_deref().map(render::drift::end_of_runtime).unwrap_or_default(),
            sum: render::status::sum(&status),
            ended: Ok(status.verdict()),
        }))
    }

    async fn apply(never: Infallible, _: &Desk<'_>) -> Told {
        match never {}
    }
}
