//! Runs `setup`: plans, shows the plan, asks for confirmation, applies the plan, and observes AWS again.

use clap::Args as ClapArgs;

use crate::aws::kinds::parameter::Webhook;
use crate::cli::args::common::StackArgs;
use crate::cli::args::fleet::{Choice, FleetArgs, OfStack};
use crate::cli::args::setup::SetupArgs;
use crate::cli::render;
use crate::cli::run::setup::{closing, drilled, offered, prepared, seen, with_webhook};
use crate::cli::run::{Asks, Desk, InPhases, Phase, Told};
use crate::cli::terminal::World;
use crate::config::settings::{Settings, items};
use crate::config::{Config, WebhookHosts};
use crate::error::{Error, Result};
use crate::operations::setup::{Prepared, Refusal, Request};
use crate::pattern::scenario::Scenario;

/// Set up the alert, or restore its configured state.
///
/// Without a cluster, offers those that it finds. Shows the plan, and asks before it changes anything. Run the command again at any
/// time: it changes only the differences, and keeps the settings that no flag gives; --reset returns to the defaults. With
/// taskbell.toml, the settings are those of the file. Exit code 0: done; 1: error; 2: --dry-run found differences, or you answered
/// no; 3: something could not be read, and nothing was changed.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell setup batch
  taskbell setup --cluster batch --language ja --mention here --log-group '/app/*'
  taskbell setup --cluster '*' --exclude-cluster 'dev-*' --dry-run")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    setup: SetupArgs,
    /// Send a labelled test failure afterwards, and wait for Slack's answer
    #[arg(long, conflicts_with = "dry_run")]
    pub drill: bool,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        items(&self.stack.settings.clusters)
    }

    fn complete(&mut self, settings: &Settings) {
        self.stack.complete(settings);
    }

    fn take_named(&mut self) {
        self.stack.add_clusters(std::mem::take(&mut self.fleet.named));
    }

    fn fleet(&self) -> Option<&FleetArgs> {
        Some(&self.fleet)
    }

    fn asks_for_clusters(&self) -> Option<Choice> {
        self.stack.lacks_cluster().then(|| self.setup.choice())
    }

    fn add_clusters(&mut self, named: Vec<String>) {
        self.stack.add_clusters(named);
    }

    fn lacks_cluster(&self) -> bool {
        let names_none = || self.stack.settings.clusters().is_ok_and(|clusters| clusters.is_empty());
        self.stack.lacks_cluster() || (self.drill && names_none())
    }

    fn take_webhook(&mut self, world: &World) -> Result<Option<Webhook>> {
        self.stack.take_webhook(world)
    }
}

/// The prepared changes, and whether a drill follows them.
pub struct Ready {
    prepared: Prepared,
    drills: bool,
    /// Whether the user can be asked for a drill after the first setup.
    offers_drill: bool,
    hosts: WebhookHosts,
}

impl InPhases for Args {
    type Prepared = Ready;

    fn yes(&self) -> bool {
        self.yes
    }

    async fn prepare(self, desk: &Desk<'_>) -> Result<Phase<Ready>> {
        self.stack.admits(self.drill)?;
        let request = self.setup.of_stack(&self.stack, desk.common, desk.world)?;
        let request = Request { is_one_of_many: desk.is_one_of_many(), ..request };
        let lacks_clusters = |config: &Config| config.clusters.is_empty();
        // Among several stacks, those for applications' own alerts have no cluster. The drill is for the others.
        if self.drill && request.goal.early().is_some_and(lacks_clusters) && !desk.is_one_of_many() {
            return Err(Error::usage("a drill needs a cluster").hint("give --cluster NAME"));
        }
        let (prepared, asked) = prepared(request, self.dry_run, |_| Ok(()), desk).await?;
        let drills = self.drill && !lacks_clusters(prepared.config());
        let told = seen(&prepared, self.dry_run, desk);
        if let Err(error) = asked {
            return Ok(Phase::Over(Told { ended: Err(error), ..told }));
        }
        let unreadable = || render::setup::unreadable(&prepared.plan, desk.world.command());
        let is_over = prepared.plan.is_in_sync() || self.dry_run;
        match prepared.refusal() {
            Some(Refusal::Unreadable) => Ok(Phase::Over(Told { err: unreadable(), ..told })),
            Some(Refusal::Blocked(error)) if !is_over => Ok(Phase::Over(Told { ended: Err(error), ..told })),
            _ if is_over && drills => Ok(Phase::Over(drilled(&prepared, told, desk).await?)),
            _ if is_over => Ok(Phase::Over(Told { err: render::setup::to_do(&prepared, desk.tells()), ..told })),
            _ => {
                let Told { out, err, sum, .. } = told;
                let question = render::setup::question(&prepared) + "?";
                let offers_drill = desk.can_ask() && !self.yes;
                let prepared = Ready { prepared, drills, offers_drill, hosts: self.stack.settings.hosts() };
                Ok(Phase::Asks(Asks { instead: out.clone(), out, err, sum, question, prepared }))
            }
        }
    }

    async fn complete_prepared(ready: Ready, desk: &Desk<'_>) -> Result<Ready> {
        let prepared = with_webhook(ready.prepared, ready.hosts, desk.world).await?;
        Ok(Ready { prepared, ..ready })
    }

    async fn apply(Ready { prepared, drills, offers_drill, hosts: _ }: Ready, desk: &Desk<'_>) -> Told {
        let applied = prepared.apply(drills.then(Scenario::default)).await;
        let (applied, is_told) = if offers_drill { offered(applied, desk).await } else { (applied, false) };
        let verdict = applied.verdict();
        Told {
            out: String::new(),
            object: Some(render::setup::applied_object(&applied, desk.world.command())),
            err: closing(&applied, is_told, desk),
            sum: render::sum_of_done(&applied.plan),
            ended: render::setup::error(applied).map_or(Ok(verdict), Err),
        }
    }
}
