//! Defines the flags of commands for several stacks, and completes missing flags from the file.

use clap::Args;

use super::common::{ClusterArgs, Common, StackArgs};
use crate::cli::terminal::World;
use crate::config::file::{Member, Site};
use crate::config::settings::{Settings, items};
use crate::error::Result;
use crate::operations::fleet::selection::{Accepts, Named, Several};
use crate::secret::Sealed;

/// Flags of commands that take many stacks.
#[derive(Debug, Clone, Default, Args)]
pub struct FleetArgs {
    /// The cluster, or several; the same as --cluster
    #[arg(value_name = "CLUSTER", conflicts_with = "all")]
    pub named: Vec<String>,
    /// Select all stacks of the file
    #[arg(long, conflicts_with = "clusters")]
    pub all: bool,
    /// The number of stacks that run at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
}

/// The clusters that a user may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Only those that exist.
    Existing,
    /// Also those that do not exist (yet).
    Any,
}

/// A command for one stack, whose missing flags the file can complete.
pub trait OfStack: Clone + 'static {
    /// Returns the values of `--cluster`.
    fn clusters(&self) -> &[String];

    /// Completes the settings that no flag has set.
    fn complete(&mut self, settings: &Settings);

    /// Moves the clusters that were named without a flag to those of `--cluster`.
    fn take_named(&mut self) {}

    /// Checks whether AWS tells which stack is meant if several clusters are named.
    fn finds_stack(&self) -> bool {
        true
    }

    /// Checks whether the command, without a name, is for the only stack that exists. Only a command that writes nothing is.
    fn takes_only_stack(&self) -> bool {
        false
    }

    /// Returns the choice of clusters, if the command asks for those that neither a flag nor the file names.
    fn asks_for_clusters(&self) -> Option<Choice> {
        None
    }

    /// Adds clusters to those of the flags.
    fn add_clusters(&mut self, _named: Vec<String>) {}

    /// Returns the flags for several stacks, if the command accepts several.
    fn fleet(&self) -> Option<&FleetArgs> {
        None
    }

    /// Checks whether the command needs a stack of the file. Otherwise the file's defaults are enough.
    fn needs_stack(&self) -> bool {
        true
    }

    /// Checks whether the command needs a cluster that neither a flag nor the file names.
    fn lacks_cluster(&self) -> bool {
        false
    }

    /// Checks whether the command writes only after a confirmation, or not at all.
    fn asks(&self) -> bool {
        true
    }

    /// Checks whether the command is for the stacks that are no longer in the file.
    fn orphans(&self) -> bool {
        false
    }

    /// Limits the removal of stacks that are no longer in the file to the resources of this fleet.
    fn limit_to_fleet(&mut self, _fleet: Option<&str>) {}

    /// Checks whether the command, with `--all`, also looks for stacks that are no longer in the file.
    fn looks_for_orphans(&self) -> bool {
        false
    }

    /// Returns the stacks that the flags name.
    fn named<'a>(&'a self, common: &'a Common) -> Named<'a> {
        Named { stacks: &common.stacks, clusters: self.clusters(), site: common.site() }
    }

    /// Returns the number of stacks that the command accepts.
    fn accepts(&self) -> Accepts {
        match (self.needs_stack(), self.fleet()) {
            (false, _) => Accepts::OneOrNone,
            (true, None) => Accepts::One,
            (true, Some(_)) => Accepts::Several,
        }
    }

    /// Reads the webhook for all stacks, if a flag says that standard input has it.
    ///
    /// # Errors
    /// If standard input has no webhook.
    fn take_webhook(&mut self, _world: &World) -> Result<Option<Sealed<String>>> {
        Ok(None)
    }
}

impl FleetArgs {
    /// Returns the choice of several stacks, or `None` if the flags select one stack.
    pub fn several(&self, args: &impl OfStack, common: &Common) -> Option<Several> {
        match (self.all, args.orphans()) {
            (true, _) => Some(Several::All),
            (false, true) => Some(Several::Orphans { asks: args.asks() }),
            (false, false) => (common.stacks.len() > 1).then_some(Several::Named),
        }
    }
}

impl ClusterArgs {
    /// Adds clusters to those of the flag.
    pub fn add(&mut self, named: Vec<String>) {
        self.clusters.extend(named);
    }

    /// Completes the settings that no flag has set.
    pub fn complete(&mut self, settings: &Settings) {
        if self.clusters.is_empty() {
            self.clusters = items(&settings.clusters).to_vec();
        }
    }
}

impl OfStack for StackArgs {
    fn clusters(&self) -> &[String] {
        items(&self.settings.clusters)
    }

    /// Completes the settings that no flag has set. A second call replaces the settings of the first one.
    fn complete(&mut self, settings: &Settings) {
        let typed = self.typed.get_or_insert_with(|| Box::new(self.settings.clone()));
        self.settings = Settings::clone(typed);
        let mut wider = settings.clone();
        if self.reads_stdin() {
            wider.webhook_parameter = None;
        }
        self.settings = std::mem::take(&mut self.settings).or(wider);
    }

    fn lacks_cluster(&self) -> bool {
        self.settings.lacks_cluster()
    }

    fn take_webhook(&mut self, world: &World) -> Result<Option<Sealed<String>>> {
        Self::take_webhook(self, world)
    }
}

impl Common {
    /// Returns the flags completed for one stack of the file. A flag takes precedence over the file.
    pub fn at(&self, member: &Member) -> Self {
        let Site { region, profile, .. } = member.site.clone();
        let named = member.name.iter().map(ToString::to_string).collect();
        Self {
            stacks: if member.name.is_some() { named } else { self.stacks.clone() },
            region: self.region.clone().or(region),
            profile: self.profile.clone().or(profile),
            assumed: member.site.assumed(),
            ..self.clone()
        }
    }
}
