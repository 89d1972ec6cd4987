//! `teardown`: removes what the stack owns, and only that. The plan to nothing.

use clap::Args as ClapArgs;

use super::exit::code;
use super::fleet::{FleetArgs, OfStack};
use super::options::{ClusterArgs, Common, Format};
use super::progress::Progress;
use super::render;
use super::world::World;
use crate::config::settings::Settings;
use crate::error::Result;
use crate::operations::teardown::prepare;
use crate::operations::verdict::Verdict;

/// Remove everything the stack owns in AWS, and nothing else.
///
/// Whatever earlier versions or other flags left behind goes, too. Resources without the stack's tag are not touched.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "Example:\n  taskbell teardown --cluster batch")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
    #[command(flatten)]
    fleet: FleetArgs,
    /// The stacks that are in AWS but no longer in the file; only those whose `fleet` is the file's, if it has one
    #[arg(long, conflicts_with_all = ["all", "clusters"])]
    orphans: bool,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl Args {
    /// To show what would be removed.
    #[must_use]
    pub fn look() -> Self {
        Self {
            clusters: ClusterArgs::default(),
            fleet: FleetArgs::default(),
            orphans: false,
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

    fn fleet(&self) -> Option<&FleetArgs> {
        Some(&self.fleet)
    }

    fn orphans(&self) -> bool {
        self.orphans
    }

    fn asks(&self) -> bool {
        !(self.yes || self.dry_run)
    }
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let clusters = args.clusters.parse()?;
    let target = common.target(&clusters)?;
    let progress = Progress::new(common, world);
    let prepared = progress.over(prepare(&clusters, &target, progress.context())).await?;
    let plan = render::plan(&prepared.plan, common.verbose);
    if common.output == Format::Text {
        world.out.print(&plan);
    }
    world.err.print(&render::teardown::warnings(&prepared, world.command()));
    if args.dry_run || prepared.plan.steps.is_empty() {
        if common.output == Format::Json {
            let object = render::plan_json(&prepared.stack, &prepared.place, &prepared.plan, None);
            world.out.print(&render::json(&object));
        }
        return Ok(code(Verdict::of(&prepared.plan)));
    }
    if common.output == Format::Json && !args.yes {
        world.err.print(&plan);
    }
    world.confirm(args.yes, &render::teardown::question(&prepared)).await?;
    let applied = progress.over(prepared.apply()).await;
    if common.output == Format::Json {
        let result = Some((&applied.report, applied.is_gone()));
        let object = render::plan_json(&applied.stack, &applied.place, &applied.plan, result);
        world.out.print(&render::json(&object));
    }
    world.err.print(&render::teardown::end(&applied, world.command()));
    match applied.incomplete {
        Some(error) => Err(error),
        None if applied.plan.unknown.is_empty() => Ok(code(Verdict::InSync)),
        None => Ok(code(Verdict::Unreadable)),
    }
}
