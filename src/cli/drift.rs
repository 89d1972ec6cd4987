//! `drift`: reads, compares, never writes.

use clap::Args as ClapArgs;

use super::exit::code;
use super::fleet::{FleetArgs, OfStack};
use super::options::{Common, Format, StackArgs};
use super::session::Session;
use super::world::World;
use super::{reach, render};
use crate::aws::calls::runtime;
use crate::aws::kinds::parameter::Webhook;
use crate::aws::kinds::{Given, function};
use crate::config::settings::{Settings, items};
use crate::config::{self, Cluster, WebhookHosts};
use crate::desired::{Ground, addresses, desired};
use crate::error::Result;
use crate::notifier::archive::archive;
use crate::operations::verdict::Verdict;
use crate::reconcile::plan::{Action, Exceptions, Plan, plan};
use crate::reconcile::resource::{Desired, Inventory};
use crate::stack::Place;

/// Tell whether AWS still is what was asked for. Only reads; needs no write permission.
///
/// Give it the same flags as `setup`. Exit code 0: in sync; 2: there are differences; 3: something could not be read.
///
/// Warns when AWS stops to support the notifier's runtime within 180 days.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "Example:\n  taskbell drift --cluster batch")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    #[command(flatten)]
    fleet: FleetArgs,
    /// End with 2 also where there is nothing but a warning
    #[arg(long)]
    fail_on_warning: bool,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        items(&self.stack.settings.clusters)
    }

    fn complete(&mut self, settings: &Settings) {
        self.stack.complete(settings);
    }

    fn fleet(&self) -> Option<&FleetArgs> {
        Some(&self.fleet)
    }

    fn take_webhook(&mut self, world: &World) -> Result<Option<Webhook>> {
        self.stack.take_webhook(world)
    }

    fn looks_for_orphans(&self) -> bool {
        true
    }
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let comparison = compare(&args.stack, common, world).await?;
    let Comparison { session, place, plan, warning, .. } = &comparison;
    match common.output {
        Format::Text => world.out.print(&render::plan(plan, common.verbose)),
        Format::Github => world.out.print(&render::annotations(&session.stack, plan, warning.as_deref())),
        Format::Markdown => {
            world.out.print(&render::markdown(&session.title(place), plan, warning.as_deref()));
        }
        Format::Json => {
            let mut object = render::plan_json(&session.stack, place, plan, None);
            object["warnings"] = warning.iter().cloned().collect();
            world.out.print(&render::json(&object));
        }
    }
    comparison.remark(world).await;
    Ok(code(match verdict(plan) {
        Verdict::InSync if args.fail_on_warning && warning.is_some() => Verdict::Differs,
        verdict => verdict,
    }))
}

/// What is there, beside what was asked for.
pub struct Comparison {
    pub session: Session,
    pub place: Place,
    pub desired: Desired,
    pub plan: Plan,
    pub warning: Option<String>,
    clusters: Vec<Cluster>,
}

/// Looks, and compares. Says which stack it is about.
///
/// # Errors
/// If it is not clear what was asked for, or where; on interruption.
pub async fn compare(stack: &StackArgs, common: &Common, world: &World) -> Result<Comparison> {
    let config = stack.config(common)?;
    let webhook = stack.webhook(world, WebhookHosts::Any)?;
    let exceptions = Exceptions { adopt: Vec::new(), ignore: config::ignore(items(&stack.settings.ignore))? };
    let archive = archive()?;
    let given = Given { webhook: webhook.clone(), accept_stored_webhook: false, archive: archive.bytes.clone() };
    let session = Session::open(config.stack.clone(), given, common, world).await?;
    let addresses = addresses(&config, &session.stack);
    // Boxed: the futures of dozens of calls do not belong on the stack.
    let look =
        Box::pin(async { tokio::join!(session.observe(&addresses), reach::parameters_missing(&config, &session)) });
    let (observed, missing) = look.await;
    let (seen, place) = observed?;
    session.show_title(&place, common, world);
    let ground =
        Ground { stack: &session.stack, place: &place, archive: &archive, webhook: webhook.as_ref(), leaving: &[] };
    let warning = end_of_runtime(&seen, &session, world);
    let desired = desired(&config, ground)?;
    let plan = reach::lacking(plan(&desired, seen, &exceptions), missing)?;
    Ok(Comparison { session, place, desired, plan, warning, clusters: config.clusters })
}

impl Comparison {
    /// What is to be said beside the result.
    pub async fn remark(&self, world: &World) {
        let Self { session, place: _, desired: _, plan, warning, clusters } = self;
        world.err.print(&render::hints(plan, world.command()));
        if let Some(warning) = warning {
            world.err.print(&format!("warning: {warning}; `setup` of a newer taskbell moves the notifier on\n"));
        }
        // Nothing at all is there: most likely a name with a typing mistake.
        if plan.unchanged.is_empty() && plan.steps.iter().all(|step| step.action == Action::Add) {
            session.warn_of_missing(clusters, world).await;
        }
    }
}

/// What is to be said about the runtime the notifier has now.
fn end_of_runtime(seen: &Inventory, session: &Session, world: &World) -> Option<String> {
    let found = seen.get(&function::address(&session.stack).id)?.serving().ok()??;
    runtime::warning(found.spec["runtime"].as_str()?, world.now().into())
}

/// What a comparison came to. An unknown is graver than a difference: there is no verdict.
pub fn verdict(plan: &Plan) -> Verdict {
    match (plan.unknown.is_empty(), plan.is_in_sync()) {
        (false, _) => Verdict::Unreadable,
        (true, false) => Verdict::Differs,
        (true, true) => Verdict::InSync,
    }
}
