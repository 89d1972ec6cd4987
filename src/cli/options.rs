//! Flags that several commands share, and what they mean.

use anstream::ColorChoice;
use clap::{Args, ValueEnum};

use super::world::World;
use crate::aws::parameter::Webhook;
use crate::config::{self, Announcements, Cluster, Config, Language, MessageOptions, WebhookHosts};
use crate::error::{Error, Result};
use crate::pattern::filter::Filters;
use crate::pattern::{self, Drill, Pattern};
use crate::stack::StackName;

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// The stack's name [default: the cluster's name]
    #[arg(long, global = true, value_name = "NAME")]
    pub stack: Option<String>,
    /// The AWS region [default: as the AWS CLI finds it]
    #[arg(long, global = true)]
    pub region: Option<String>,
    /// The AWS profile [default: as the AWS CLI finds it]
    #[arg(long, global = true)]
    pub profile: Option<String>,
    #[arg(long, global = true, value_enum, default_value_t)]
    /// How results are written to stdout
    pub output: Format,
    /// When to use colour (NO_COLOR and CLICOLOR_FORCE are heeded, too)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Also show what is unchanged, and errors at length
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// No progress on stderr
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
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
    /// `--stack`, or else the name of the first cluster.
    ///
    /// # Errors
    /// If neither is given, or the name has illegal characters.
    pub fn stack_name(&self, clusters: &[Cluster]) -> Result<StackName> {
        match (&self.stack, clusters.first()) {
            (Some(name), _) => name.parse(),
            (None, Some(cluster)) => cluster.name().parse(),
            (None, None) => {
                Err(Error::usage("it is not clear which stack is meant").hint("give --cluster NAME or --stack NAME"))
            }
        }
    }
}

/// Flags that name clusters.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// An ECS cluster, by name or ARN; may be repeated
    #[arg(long = "cluster", value_name = "NAME|ARN")]
    pub clusters: Vec<String>,
}

impl ClusterArgs {
    /// # Errors
    /// If one is neither a name nor an ARN.
    pub fn parse(&self) -> Result<Vec<Cluster>> {
        let mut clusters: Vec<Cluster> = Vec::new();
        for text in &self.clusters {
            let cluster: Cluster = text.parse()?;
            if !clusters.contains(&cluster) {
                clusters.push(cluster);
            }
        }
        Ok(clusters)
    }
}

/// Where the ECS console's own task definitions log to.
const DEFAULT_LOG_GROUP: &str = "/ecs/*";

const OF_DEFAULTS: &str = "it is one of the defaults, and its events do not carry that; add --pattern task-failed, which takes their place: \
    deployments and services then ring from a stack of their own (--stack NAME --pattern deployment-failed --pattern service-impaired)";

/// Flags that narrow patterns.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// Only task definitions of this family, with * for any characters; may be repeated
    #[arg(long = "family", value_name = "GLOB")]
    families: Vec<String>,
    /// Not this family; may be repeated
    #[arg(long = "exclude-family", value_name = "GLOB")]
    exclude_families: Vec<String>,
    /// Only this service; may be repeated
    #[arg(long = "service", value_name = "GLOB")]
    services: Vec<String>,
    /// Not this service; may be repeated
    #[arg(long = "exclude-service", value_name = "GLOB")]
    exclude_services: Vec<String>,
    /// Only this container's exit code and reason count
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
}

impl FilterArgs {
    /// # Errors
    /// For filters that make no sense.
    pub fn checked(&self) -> Result<Filters> {
        let Self { families, exclude_families, services, exclude_services, container } = self;
        Filters {
            families: families.clone(),
            exclude_families: exclude_families.clone(),
            services: services.clone(),
            exclude_services: exclude_services.clone(),
            container: container.clone(),
        }
        .checked()
    }
}

/// Flags that say what a stack shall be.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct StackArgs {
    #[command(flatten)]
    pub clusters: ClusterArgs,
    /// A pattern of the catalogue (`taskbell pattern list`) or the path of a JSON file; may be repeated; those named replace the defaults [default: task-failed, deployment-failed and service-impaired]
    #[arg(long = "pattern", value_name = "NAME|FILE")]
    patterns: Vec<String>,
    #[command(flatten)]
    filters: FilterArgs,
    /// Let no drills through the rules
    #[arg(long)]
    no_drill: bool,
    /// Read the webhook from standard input [default: from TASKBELL_SLACK_WEBHOOK_URL; `setup` asks where none is stored]
    #[arg(long)]
    slack_webhook_url_stdin: bool,
    /// Use an SSM parameter of yours that holds the webhook; it is never touched
    #[arg(long, value_name = "NAME", conflicts_with = "slack_webhook_url_stdin")]
    slack_webhook_parameter: Option<String>,
    /// Take a webhook of another host than Slack's that speaks its format
    #[arg(long)]
    allow_any_webhook_host: bool,
    /// The language of the messages
    #[arg(long, value_enum, default_value_t)]
    language: Language,
    /// Whom to mention: here, channel, a user (U…) or a user group (S…); may be repeated
    #[arg(long = "mention", value_name = "WHOM")]
    mentions: Vec<String>,
    /// The name messages are posted under (legacy webhooks only: Slack apps ignore it)
    #[arg(long)]
    username: Option<String>,
    /// The icon messages are posted with, as in :bell: (legacy webhooks only: Slack apps ignore it)
    #[arg(long, value_name = "EMOJI")]
    icon_emoji: Option<String>,
    /// How many of the last lines of the log of the container that failed to show; 0 for none
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=100))]
    log_lines: u16,
    /// The application log groups the notifier may read, by name with * and ?; may be repeated; `none` for none
    #[arg(long = "log-group", value_name = "GLOB", default_values_t = [DEFAULT_LOG_GROUP.to_owned()])]
    log_groups: Vec<String>,
    /// The same failure of the same family is announced on occurrences 1, 2, 4, 8 and so on within this many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=1440), conflicts_with = "no_dedupe")]
    storm_window: u16,
    /// Announce every event, repetitions too, and make no table to remember them
    #[arg(long)]
    no_dedupe: bool,
    /// An SNS topic to tell when alerts cannot be delivered or the notifier fails: two CloudWatch alarms
    #[arg(long, value_name = "ARN")]
    alarm_topic: Option<String>,
    /// Days to keep the notifier's log, or never to delete it: `never`
    #[arg(long, value_name = "DAYS", default_value = "30")]
    log_retention: String,
    /// A tag for every resource of the stack; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,
    /// A permissions boundary for the notifier's role
    #[arg(long, value_name = "ARN", conflicts_with = "role_arn")]
    permissions_boundary: Option<String>,
    /// A role of yours for the notifier, instead of one of the stack's own
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
    /// A known difference, neither shown nor repaired: a glob over kind/key/property, as in 'log_group/*/retention_days'; may be repeated
    #[arg(long = "ignore", value_name = "GLOB")]
    pub ignore: Vec<String>,
}

impl StackArgs {
    /// # Errors
    /// For the first value that makes no sense.
    pub fn config(&self, common: &Common) -> Result<Config> {
        let clusters = self.clusters.parse()?;
        let stack = common.stack_name(&clusters)?;
        let names = match self.patterns.is_empty() {
            true => pattern::DEFAULT.map(str::to_owned).to_vec(),
            false => self.patterns.clone(),
        };
        let filters = self.filters.checked()?;
        let mut patterns: Vec<Pattern> = Vec::new();
        for name in &names {
            let pattern = Pattern::find(name)?.narrowed(&filters);
            let pattern = match self.patterns.is_empty() {
                true => pattern.map_err(|error| error.hint(OF_DEFAULTS))?,
                false => pattern?,
            };
            match patterns.iter().find(|other| other.name == pattern.name) {
                None => patterns.push(pattern),
                Some(same) if *same == pattern => {}
                Some(_) => return Err(Error::usage(format!("two different patterns are called {}", pattern.name))),
            }
        }
        if clusters.is_empty()
            && let Some(pattern) = patterns.iter().find(|pattern| pattern.needs_cluster())
        {
            return Err(Error::usage(format!("the pattern {} needs to know which cluster", pattern.name))
                .hint("give --cluster NAME"));
        }
        let drill = if self.no_drill { Drill::Refused } else { Drill::Accepted };
        Ok(Config {
            stack,
            clusters,
            patterns,
            drill,
            own_parameter: self.slack_webhook_parameter.as_deref().map(parameter_name).transpose()?,
            own_role_arn: self.role_arn.as_deref().map(role_arn).transpose()?,
            permissions_boundary: self.permissions_boundary.clone(),
            log_retention_days: config::log_retention(&self.log_retention)?,
            tags: self.tags.iter().map(|text| config::tag(text)).collect::<Result<_>>()?,
            message: MessageOptions {
                language: self.language,
                username: self.username.clone(),
                icon_emoji: self.icon_emoji.clone(),
                mentions: self.mentions.iter().map(|text| config::mention(text)).collect::<Result<_>>()?,
                log_lines: self.log_lines,
            },
            announcements: match self.no_dedupe {
                true => Announcements::Forgotten,
                false => Announcements::Remembered { window_minutes: self.storm_window },
            },
            alarm_topic: self.alarm_topic.as_deref().map(config::topic).transpose()?,
            log_groups: self.log_groups()?,
        })
    }

    fn log_groups(&self) -> Result<Vec<String>> {
        match self.log_groups.iter().any(|text| text == "none") {
            true if self.log_groups.len() == 1 => Ok(Vec::new()),
            true => Err(Error::usage("--log-group none cannot stand beside another --log-group")),
            false => self.log_groups.iter().map(|text| config::log_group(text)).collect(),
        }
    }

    /// The webhook this run was given, if any. Never asks.
    ///
    /// # Errors
    /// If it is not a webhook.
    pub fn webhook(&self, world: &World, hosts: WebhookHosts) -> Result<Option<Webhook>> {
        if self.slack_webhook_parameter.is_some() {
            return Ok(None);
        }
        match (self.slack_webhook_url_stdin, &world.webhook) {
            (true, _) => config::webhook(&world.read_stdin()?, hosts).map(Some),
            (false, Some(text)) => config::webhook(text.reveal(), hosts).map(Some),
            (false, None) => Ok(None),
        }
    }

    /// Which hosts a webhook may have.
    #[must_use]
    pub fn hosts(&self) -> WebhookHosts {
        if self.allow_any_webhook_host { WebhookHosts::Any } else { WebhookHosts::Slack }
    }
}

fn parameter_name(text: &str) -> Result<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    match !text.is_empty() && text.len() <= 1011 && text.chars().all(legal) {
        true => Ok(text.to_owned()),
        false => Err(Error::usage(format!("{text:?} is not the name of an SSM parameter"))
            .hint("a name has letters, digits and _.-/ as in /team/slack-webhook; an ARN is not one")),
    }
}

fn role_arn(text: &str) -> Result<String> {
    let mut parts = text.splitn(6, ':');
    let service = parts.nth(2);
    match (text.starts_with("arn:") && service == Some("iam"), parts.nth(2)) {
        (true, Some(role)) if role.starts_with("role/") => Ok(text.to_owned()),
        _ => Err(Error::usage(format!("{text:?} is not the ARN of an IAM role"))),
    }
}
