//! Defines the flags that several commands share, and the values that follow from them.

use std::path::PathBuf;

use anstream::ColorChoice;
use clap::{Args, ValueEnum};

use crate::arn;
use crate::aws::kinds::parameter::Webhook;
use crate::cli::terminal::World;
use crate::config::file::{Assumed, Site};
use crate::config::settings::{FilterSettings, Settings, items};
use crate::config::{self, Cluster, Config, WebhookHosts};
use crate::error::{Error, Hint, Result};
use crate::input::printable;
use crate::operations::drift;
use crate::operations::events::{Event, Listener};
use crate::operations::goal::Goal;
use crate::operations::target::Target;
use crate::pattern::Pattern;
use crate::reconcile::plan::Exceptions;
use crate::stack::StackName;

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// The stack's name [default: the cluster's name, with "all" for *; of several clusters, the first name in the alphabet]; may be repeated if the command has --all
    #[arg(id = "stack", long, global = true, value_name = "NAME")]
    pub stacks: Vec<String>,
    /// The file with the stacks [default: taskbell.toml in this folder, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The AWS region [default: as the AWS CLI finds it]
    #[arg(long, global = true, value_parser = arn::region)]
    pub region: Option<String>,
    /// The AWS profile [default: as the AWS CLI finds it]
    #[arg(long, global = true)]
    pub profile: Option<String>,
    #[arg(long, global = true, value_enum, default_value_t)]
    /// The format of the results on stdout; `drift` also has github (annotations for a workflow) and markdown (a summary for it), `graph` has mermaid
    pub output: Format,
    /// Use colours; `auto`: on a terminal (NO_COLOR and CLICOLOR_FORCE are respected, too)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Also show unchanged resources, and errors in full
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Show no progress and no notes on stderr
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// The role that is assumed in the account of the stack, as the file has it.
    #[arg(skip)]
    pub assumed: Option<Assumed>,
    /// Whether a file with stacks was found: its settings are the whole truth.
    #[arg(skip)]
    pub has_file: bool,
    /// The name of the stack of several clusters, as it was found.
    #[arg(skip)]
    pub found: Option<StackName>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
    Github,
    Markdown,
    Mermaid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    #[must_use]
    pub fn choice(self) -> ColorChoice {
        match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
    }
}

impl Common {
    /// Returns the region, the profile and the role that the flags and the file select.
    pub fn site(&self) -> Site {
        let (role_arn, external_id) = match self.assumed.clone() {
            Some(Assumed { role_arn, external_id }) => (Some(role_arn), external_id),
            None => (None, None),
        };
        Site { region: self.region.clone(), profile: self.profile.clone(), role_arn, external_id }
    }

    /// Returns the name and the site of the selected stack.
    ///
    /// # Errors
    /// As [`Common::stack_name`].
    pub fn target(&self, clusters: &[Cluster]) -> Result<Target> {
        Ok(self.target_called(self.stack_name(clusters)?))
    }

    /// Returns a target with this stack name and the site of the flags.
    pub fn target_called(&self, stack: StackName) -> Target {
        Target { stack, site: self.site() }
    }

    /// Returns the first `--stack`, or else the name that follows from the clusters.
    ///
    /// # Errors
    /// If neither is given, or the name has characters that are not allowed.
    pub fn stack_name(&self, clusters: &[Cluster]) -> Result<StackName> {
        if let Some(name) = self.stacks.first() {
            return name.parse();
        }
        let of_clusters = match &self.found {
            Some(name) => Some(name.clone()),
            None => config::stack_names(clusters)?.into_iter().next(),
        };
        of_clusters.ok_or_else(|| Error::usage("no stack was selected").hint(Hint::NameStack))
    }
}

/// Flags that name clusters.
#[derive(Debug, Clone, Default, Args)]
pub struct ClusterArgs {
    /// An ECS cluster, by name with * for any characters, or by ARN; may be repeated
    #[arg(long = "cluster", value_name = "NAME|GLOB|ARN")]
    pub clusters: Vec<String>,
}

impl ClusterArgs {
    /// # Errors
    /// If a value is neither a name nor an ARN.
    pub fn parse(&self) -> Result<Vec<Cluster>> {
        config::clusters(&self.clusters)
    }

    /// Returns the clusters, of which `*` leaves out those that the filters exclude.
    ///
    /// # Errors
    /// As [`ClusterArgs::parse`], and if clusters are excluded from others than `*`.
    pub fn parse_but(&self, filters: &FilterSettings) -> Result<Vec<Cluster>> {
        config::clusters_but(&self.clusters, items(&filters.exclude_clusters))
    }
}

/// Clusters that are named without a flag, by commands for one stack.
#[derive(Debug, Clone, Default, Args)]
pub struct NamedArgs {
    /// The cluster, or several; the same as --cluster
    #[arg(value_name = "CLUSTER")]
    pub named: Vec<String>,
}

/// Flags that say what a stack shall be, and where its webhook comes from.
#[derive(Debug, Clone, Args)]
pub struct StackArgs {
    #[command(flatten)]
    pub settings: Settings,
    /// Read the webhook from standard input [default: from TASKBELL_SLACK_WEBHOOK_URL; `setup` asks if none is stored]
    #[arg(long)]
    slack_webhook_url_stdin: bool,
    /// Return to the defaults: settings that the stack was set up with, and that no flag gives, are not kept
    #[arg(long)]
    reset: bool,
    /// The settings of the flags alone, before they were completed.
    #[arg(skip)]
    pub(super) typed: Option<Box<Settings>>,
}

impl StackArgs {
    /// # Errors
    /// For the first value that is not valid.
    pub fn config(&self, common: &Common) -> Result<Config> {
        let stack = common.stack_name(&self.settings.clusters()?)?;
        Ok(self.settings.config(stack)?)
    }

    /// Adds clusters to those of the flag.
    pub fn add_clusters(&mut self, named: Vec<String>) {
        if !named.is_empty() {
            self.settings.clusters.get_or_insert_default().extend(named);
        }
    }

    /// Returns whether the settings that a stack was set up with complete the flags. With a file, the file does.
    fn keeps_settings(&self, common: &Common) -> bool {
        !self.reset && !common.has_file
    }

    /// Returns the wish for the stack.
    ///
    /// # Errors
    /// For the first value that is not valid.
    pub fn goal(&self, common: &Common) -> Result<Goal> {
        if !self.keeps_settings(common) {
            return Ok(Goal::Whole(Box::new(self.config(common)?)));
        }
        let stack = common.stack_name(&self.settings.clusters()?)?;
        Goal::completed((stack, self.settings.clone()), common.stacks.is_empty(), self.slack_webhook_url_stdin)
    }

    /// Returns the request for a comparison of AWS with these settings.
    ///
    /// # Errors
    /// For the first value that is not valid.
    pub fn comparison(&self, common: &Common, world: &World) -> Result<drift::Request> {
        let goal = self.goal(common)?;
        let webhook = self.webhook(world, WebhookHosts::Any)?;
        let ignore = config::ignore(items(&self.settings.ignore))?;
        Ok(drift::Request { goal, webhook, exceptions: Exceptions { adopt: Vec::new(), ignore } })
    }

    /// Returns the settings of the flags alone, without those of the file.
    #[must_use]
    pub fn typed(&self) -> &Settings {
        self.typed.as_deref().unwrap_or(&self.settings)
    }

    #[must_use]
    pub fn reads_stdin(&self) -> bool {
        self.slack_webhook_url_stdin
    }

    /// Reads the webhook from standard input, if the flag for that is set, and clears the flag.
    ///
    /// # Errors
    /// If the text is not a webhook.
    pub fn take_webhook(&mut self, world: &World) -> Result<Option<Webhook>> {
        match std::mem::take(&mut self.slack_webhook_url_stdin) {
            true => config::webhook(&world.read_stdin()?, WebhookHosts::Any).map(Some),
            false => Ok(None),
        }
    }

    /// Returns the webhook from standard input or from the environment, if any. Never asks for one.
    ///
    /// # Errors
    /// If the text is not a webhook.
    pub fn webhook(&self, world: &World, hosts: WebhookHosts) -> Result<Option<Webhook>> {
        if self.settings.webhook_parameter.is_some() {
            return Ok(None);
        }
        match (self.slack_webhook_url_stdin, &world.webhook) {
            (true, _) => config::webhook(&world.read_stdin()?, hosts).map(Some),
            (false, Some(text)) => config::webhook(text.reveal(), hosts).map(Some),
            (false, None) => Ok(None),
        }
    }
}

/// Prints the warnings that [`report_repeated`] reports.
pub fn warn_of_repeated<'a>(patterns: impl IntoIterator<Item = &'a Pattern>, world: &World) {
    for warning in patterns.into_iter().flat_map(Pattern::warnings) {
        world.err.print(&format!("warning: {}\n", printable(&warning)));
    }
}

/// Reports a warning for each field that a pattern repeats: EventBridge accepts the pattern, but its author may not know how
/// EventBridge reads it.
pub fn report_repeated<'a>(patterns: impl IntoIterator<Item = &'a Pattern>, listener: &Listener) {
    for warning in patterns.into_iter().flat_map(Pattern::warnings) {
        listener(Event::Warning(warning));
    }
}
