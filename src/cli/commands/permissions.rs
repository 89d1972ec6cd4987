//! Runs `permissions`: prints the least IAM policy that a command needs for this stack.

use clap::Args as ClapArgs;

use crate::arn;
use crate::aws::kinds::Given;
use crate::cli::args::common::{ClusterArgs, Common, NamedArgs};
use crate::cli::args::fleet::OfStack;
use crate::cli::render;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::config::settings::Settings;
use crate::desired::{cluster_arn, references};
use crate::error::Result;
use crate::operations::session::Session;
use crate::pattern::Pattern;
use crate::permissions::{Command, Ground, policy};
use crate::stack::Place;

/// Print the least-privilege IAM policy that a command needs for this stack.
///
/// The policy contains the ARNs of this stack, and is ready for `aws iam create-policy`. Asks AWS only for the account, which
/// needs no permission.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell permissions batch
  taskbell permissions batch --for drift >drift.json
  taskbell permissions --for notify")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
    #[command(flatten)]
    named: NamedArgs,
    /// The command that the policy is for
    #[arg(long = "for", value_enum, value_name = "COMMAND", default_value = "setup")]
    command: Command,
    /// Your own role for the notifier, as given to `setup`
    #[arg(long, value_name = "ARN", alias = "role-arn", value_parser = arn::role)]
    notifier_role_arn: Option<String>,
    /// The permissions boundary, as given to `setup`: the policy does not allow raising the notifier's role above it
    #[arg(long, value_name = "ARN", conflicts_with = "notifier_role_arn", value_parser = arn::policy)]
    permissions_boundary: Option<String>,
    /// The configured patterns: their rules are named in the policy.
    #[arg(skip)]
    patterns: Vec<String>,
    /// The account ID [default: the account of the credentials]
    #[arg(long, value_name = "ID", value_parser = arn::account)]
    account: Option<String>,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        &self.clusters.clusters
    }

    fn complete(&mut self, settings: &Settings) {
        self.clusters.complete(settings);
        self.patterns = settings.patterns.clone().unwrap_or_default();
        if self.notifier_role_arn.is_none() && self.permissions_boundary.is_none() {
            self.notifier_role_arn.clone_from(&settings.notifier_role_arn);
            self.permissions_boundary.clone_from(&settings.permissions_boundary);
        }
    }

    fn take_named(&mut self) {
        self.clusters.add(std::mem::take(&mut self.named.named));
    }

    fn finds_stack(&self) -> bool {
        false
    }

    fn needs_stack(&self) -> bool {
        self.command != Command::Notify
    }
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let clusters = args.clusters.parse()?;
    let given = Given::default();
    let name = match args.command == Command::Notify && clusters.is_empty() && common.stacks.is_empty() {
        // All stacks share the bus: the policy of `notify` names no stack.
        true => "notify".parse()?,
        false => common.stack_name(&clusters)?,
    };
    let progress = Progress::new(common, world);
    let target = common.target_called(name);
    let session = progress.over(Session::open(&target, given, progress.context())).await?;
    let place = match &args.account {
        // Without an answer of AWS, the partition follows from the region.
        Some(account) => Place::of_region(account, &session.stack.region),
        None => progress.over(session.unless_interrupted(session.identity.place())).await??.clone(),
    };
    let cluster_arns = clusters.iter().map(|cluster| cluster_arn(cluster, &place)).collect::<Result<Vec<_>>>()?;
    args.permissions_boundary.iter().try_for_each(|arn| references::boundary(arn, &place))?;
    args.notifier_role_arn.iter().try_for_each(|arn| references::notifier_role(arn, &place))?;
    let patterns = args.patterns.iter().map(|name| Ok(Pattern::find(name)?.name)).collect::<Result<Vec<_>>>()?;
    let ground = Ground {
        stack: &session.stack,
        place: &place,
        clusters: &cluster_arns,
        own_role: args.notifier_role_arn.as_deref(),
        boundary: args.permissions_boundary.as_deref(),
        patterns: &patterns,
    };
    world.out.print(&render::document(&policy(args.command, ground)));
    if args.command == Command::Setup && !common.quiet {
        world.err.print(
            "note: add ecs:ListServices, ecs:DescribeServices, ecs:ListTasks, ecs:DescribeTasks and ecs:DescribeTaskDefinition, so that \
             setup can report the logs that the notifier may not read; add ecs:ListClusters, so that it can suggest similar names for \
             an unknown cluster\n\
             note: `--for schedules` prints the policy that setup needs as well with --expect or --summary, and after them to remove the \
             schedules\n",
        );
    }
    Ok(0)
}
