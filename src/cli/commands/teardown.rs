//! Runs `teardown`: removes the resources that the stack owns, and no others. The plan leads to an empty stack.

use clap::Args as ClapArgs;

use crate::cli::args::common::ClusterArgs;
use crate::cli::args::fleet::{FleetArgs, OfStack};
use crate::cli::render;
use crate::cli::run::{Asks, Desk, InPhases, Phase, Told};
use crate::config::settings::Settings;
use crate::error::Result;
use crate::operations::teardown::{Applied, Prepared, prepare};

/// Remove everything the stack owns in AWS, and nothing else.
///
/// Also removes the stack's resources that earlier versions or other flags left behind, and the undelivered alerts in the queue:
/// run `taskbell replay` first. Does not touch resources without the stack's tag. Exit code 0: removed; 1: error; 2: --dry-run found
/// something to remove, or you answered no; 3: something could not be read.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "Example:\n  taskbell teardown --cluster batch")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
    #[command(flatten)]
    fleet: FleetArgs,
    /// Remove the stacks that exist in AWS but are no longer in the file; if the file has a `fleet`, only the stacks of that fleet
    #[arg(long, conflicts_with_all = ["all", "clusters", "named"])]
    orphans: bool,
    /// The fleet of the file, to which every resource must belong that `--orphans` removes.
    #[arg(skip)]
    only_of: Option<String>,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl Args {
    /// Returns the arguments that only show the resources to remove.
    #[must_use]
    pub fn look() -> Self {
        Self {
            clusters: ClusterArgs::default(),
            fleet: FleetArgs::default(),
            orphans: false,
            only_of: None,
            dry_run: true,
            yes: false,
        }
    }
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

    fn orphans(&self) -> bool {
        self.orphans
    }

    fn limit_to_fleet(&mut self, fleet: Option<&str>) {
        self.only_of = fleet.map(str::to_owned);
    }

    fn asks(&self) -> bool {
        !self.yes || self.dry_run
    }
}

impl InPhases for Args {
    type Prepared = Prepared;

    fn yes(&self) -> bool {
        self.yes
    }

    async fn prepare(self, desk: &Desk<'_>) -> Result<Phase<Prepared>> {
        let Desk { common, world, context, .. } = desk;
        let clusters = self.clusters.parse()?;
        let prepared = prepare(&clusters, self.only_of, &common.target(&clusters)?, context).await?;
        let prepared = if self.yes && !desk.is_one_of_many() { prepared.confirmed() } else { prepared };
        let Prepared { stack, place, plan, .. } = &prepared;
        let (out, sum) = (render::plan(plan, common.verbose), render::sum(plan));
        let err = render::teardown::warnings(&prepared, world.command());
        if self.dry_run || (plan.steps.is_empty() && prepared.refusal().is_none()) {
            let object = Some(render::plan_json(stack, place, plan, None));
            return Ok(Phase::Over(Told { out, object, err, sum, ended: Ok(prepared.verdict()) }));
        }
        if let Some(refusal) = prepared.refusal() {
            let object = Some(render::plan_json(stack, place, plan, None));
            return Ok(Phase::Over(Told { out, object, err, sum: None, ended: Err(refusal) }));
        }
        let question = render::teardown::question(&prepared);
        Ok(Phase::Asks(Asks { instead: out.clone(), out, err, sum, question, prepared }))
    }

    async fn apply(prepared: Prepared, desk: &Desk<'_>) -> Told {
        let applied = prepared.apply().await;
        let err = render::teardown::end(&applied, desk.world.command());
        let (verdict, is_gone, sum) = (applied.verdict(), applied.is_gone(), render::sum_of_done(&applied.plan));
        let Applied { stack, place, plan, report, incomplete } = applied;
        Told {
            out: String::new(),
            object: Some(render::plan_json(&stack, &place, &plan, Some((&report, is_gone)))),
            err,
            sum,
            ended: incomplete.map_or(Ok(verdict), Err),
        }
    }
}
