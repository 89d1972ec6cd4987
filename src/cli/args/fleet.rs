//! Flags of commands about many stacks, and how the file completes what no flag said.

use clap::Args;

use super::common::{ClusterArgs, Common, StackArgs};
use crate::cli::terminal::World;
use crate::config::file::{Member, Site};
use crate::config::settings::{Settings, items};
use crate::error::Result;
use crate::secret::Sealed;

/// Flags of commands that take many stacks.
#[derive(Debug, Clone, Default, Args)]
pub struct FleetArgs {
    /// All stacks of the file
    #[arg(long, conflicts_with = "clusters")]
    pub all: bool,
    /// How many stacks at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
}

/// A command about one stack, that can be told about it by the file.
pub trait OfStack: Clone + 'static {
    /// What `--cluster` names.
    fn clusters(&self) -> &[String];

    /// Completes what no flag said.
    fn complete(&mut self, settings: &Settings);

    /// Its flags for many stacks, if it takes many.
    fn fleet(&self) -> Option<&FleetArgs> {
        None
    }

    /// Whether it is about a stack at all, or only about the place that the file's defaults name.
    fn needs_stack(&self) -> bool {
        true
    }

    /// Whether it asks before it writes.
    fn asks(&self) -> bool {
        true
    }

    /// Whether it is about the stacks that are no longer in the file.
    fn orphans(&self) -> bool {
        false
    }

    /// Whether stacks that are no longer in the file are looked for besides.
    fn looks_for_orphans(&self) -> bool {
        false
    }

    /// The webhook for all, where it is read from standard input.
    ///
    /// # Errors
    /// If there is none.
    fn take_webhook(&mut self, _world: &World) -> Result<Option<Sealed<String>>> {
        Ok(None)
    }
}

impl ClusterArgs {
    /// Completes what no flag said.
    pub fn complete(&mut self, settings: &Settings) {
        if self.clusters.is_empty() {
            self.clusters = items(&settings.clusters).to_vec();
        }
    }
}

impl StackArgs {
    /// Completes what no flag said.
    pub fn complete(&mut self, settings: &Settings) {
        let mut wider = settings.clone();
        if self.reads_stdin() {
            wider.webhook_parameter = None;
        }
        self.settings = std::mem::take(&mut self.settings).or(wider);
    }
}

impl Common {
    /// The same for one stack of the file. Flags come first.
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
