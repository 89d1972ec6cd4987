//! `drift`: reads, compares, never writes.

use clap::Args as ClapArgs;

use super::options::{Common, Format, StackArgs};
use super::session::Session;
use super::world::World;
use super::{DIFFERENCES, UNREADABLE, render};
use crate::aws::Given;
use crate::config::{self, WebhookHosts};
use crate::desired::{Ground, addresses, desired};
use crate::error::Result;
use crate::notifier::archive;
use crate::plan::{Action, Exceptions, Plan, plan};

/// Tell whether AWS still is what was asked for. Never writes, needs no permission to.
///
/// Give it the same flags as `setup`. Exit code 0: in sync; 2: there are differences; 3: something could not be read.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  taskbell drift --cluster batch")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let config = args.stack.config(common)?;
    let webhook = args.stack.webhook(world, WebhookHosts::Any)?;
    let exceptions = Exceptions { adopt: Vec::new(), ignore: config::ignore(&args.stack.ignore)? };
    let archive = archive()?;
    let given = Given { webhook: webhook.clone(), accept_stored_webhook: false, archive: archive.bytes.clone() };
    let session = Session::open(config.stack.clone(), given, common, world).await?;
    let (seen, place) = session.observe(&addresses(&config, &session.stack)).await?;
    session.show_title(&place, common, world);
    let ground =
        Ground { stack: &session.stack, place: &place, archive: &archive, webhook: webhook.as_ref(), leaving: &[] };
    let plan = plan(&desired(&config, ground)?, seen, &exceptions);
    match common.output {
        Format::Text => world.out.print(&render::plan(&plan, common.verbose)),
        Format::Json => world.out.print(&render::json(&render::plan_json(&session.stack, &place, &plan, None))),
    }
    world.err.print(&render::hints(&plan));
    // Nothing at all is there: most likely a name with a typing mistake.
    if plan.unchanged.is_empty() && plan.steps.iter().all(|step| step.action == Action::Add) {
        session.warn_of_missing(&config.clusters, world).await;
    }
    Ok(verdict(&plan))
}

/// The exit code of a comparison. An unknown is graver than a difference: there is no verdict.
pub fn verdict(plan: &Plan) -> u8 {
    match (plan.unknown.is_empty(), plan.is_in_sync()) {
        (false, _) => UNREADABLE,
        (true, false) => DIFFERENCES,
        (true, true) => 0,
    }
}
