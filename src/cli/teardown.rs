//! `teardown`: removes what the stack owns, and only that. The plan to nothing.

use clap::Args as ClapArgs;

use super::drift::verdict;
use super::exit::code;
use super::fleet::{FleetArgs, OfStack};
use super::options::{ClusterArgs, Common, Format};
use super::render;
use super::session::{Session, nothing_changed};
use super::world::World;
use crate::aws::kinds;
use crate::aws::kinds::Given;
use crate::config::settings::Settings;
use crate::desired::cluster_arn;
use crate::error::{Error, Result};
use crate::operations::verdict::Verdict;
use crate::reconcile::plan::{Exceptions, Plan, plan};
use crate::reconcile::resource::Desired;

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
    let name = common.stack_name(&clusters)?;
    let given = Given::default();
    let session = Session::open(name, given, common, world).await?;
    let queue = kinds::queue_of(&session.sdk, &session.waiter);
    let looks = async { tokio::join!(session.observe(&[]), queue.depth(&session.stack)) };
    let (observed, depth) = session.unless_interrupted(looks).await.map_err(nothing_changed)?;
    let (seen, place) = observed.map_err(nothing_changed)?;
    clusters.iter().try_for_each(|cluster| cluster_arn(cluster, &place).map(drop))?;
    session.show_title(&place, common, world);
    let plan = plan(&Desired::default(), seen, &Exceptions::default());
    if common.output == Format::Text {
        world.out.print(&render::plan(&plan, common.verbose));
    }
    warn_of_undelivered(&plan, &depth, world);
    if plan.is_in_sync() {
        session.warn_of_missing(&clusters, world).await;
    }
    if args.dry_run || plan.steps.is_empty() {
        if common.output == Format::Json {
            world.out.print(&render::json(&render::plan_json(&session.stack, &place, &plan, None)));
        }
        return Ok(code(verdict(&plan)));
    }
    let question = format!("Remove {} of the {}?", render::count(plan.steps.len(), "resource"), session.title(&place));
    if common.output == Format::Json && !args.yes {
        world.err.print(&render::plan(&plan, common.verbose));
    }
    world.confirm(args.yes, &question).await?;
    let report = session.apply(&plan).await;
    let done = report.is_complete() && plan.unknown.is_empty();
    if common.output == Format::Json {
        let object = render::plan_json(&session.stack, &place, &plan, Some((&report, done)));
        world.out.print(&render::json(&object));
    }
    if !report.is_complete() {
        world.err.print(&render::report(&report, world.command()));
        return Err(match world.cancel.is_cancelled() {
            true => Error::interrupted("teardown was interrupted"),
            false => Error::new("teardown is not complete"),
        });
    }
    if !plan.unknown.is_empty() {
        world.err.print(&format!("What could not be read was left alone.\n{}", render::hints(&plan, world.command())));
        return Ok(code(Verdict::Unreadable));
    }
    world.err.print(&format!("The stack {} is gone.\n", session.stack.name));
    Ok(0)
}

/// Deleting the queue deletes the alerts in it.
fn warn_of_undelivered(plan: &Plan, depth: &Result<u64>, world: &World) {
    let queue_goes = plan.steps.iter().any(|step| step.address.id.kind == "queue");
    match depth {
        Ok(count) if *count > 0 && queue_goes => {
            let alerts = render::count(usize::try_from(*count).unwrap_or(usize::MAX), "undelivered alert");
            world.err.print(&format!("warning: the queue still holds about {alerts}, to be deleted with it\n"));
        }
        Err(error) if queue_goes => {
            world.err.print(&format!("warning: it is not known whether the queue holds undelivered alerts: {error}\n"));
        }
        _ => {}
    }
}
