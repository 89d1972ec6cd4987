//! Checks the settings of a stack once: all other modules may rely on the result.

mod checks;
mod cluster;
pub mod companions;
pub mod deadlines;
pub mod destination;
pub mod file;
pub mod job;
mod letters;
pub mod record;
pub mod settings;
pub mod starter;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};

use crate::pattern::companions::takes_every_failed_job;
use crate::pattern::{Drill, Pattern, SERVICE_RECOVERED, is_in_catalogue};
use crate::stack::StackName;
pub use checks::{alarm_topic, distinct_tag_keys, ignore, log_group, log_group_covers, log_retention, mention, tag};
pub use cluster::{Cluster, clusters, clusters_but, stack_names};
use destination::{Destination, WebhookTakes};
use job::{Job, Summary};
pub use webhook::{WebhookHosts, service as webhook_service, webhook};

impl Config {
    /// Returns whether the stack stores the webhook in a parameter of its own.
    #[must_use]
    pub fn stores_webhook(&self) -> bool {
        self.own_parameter.is_none() && self.webhook_takes != WebhookTakes::Nothing
    }

    /// Returns the SSM parameters that the notifier reads and that taskbell did not create.
    #[must_use]
    pub fn parameters(&self) -> Vec<&str> {
        self.own_parameter
            .as_deref()
            .into_iter()
            .chain(self.destinations.iter().filter_map(Destination::parameter))
            .collect()
    }

    /// Returns whether the notifier remembers the runs of jobs in the stack's table: the ledger.
    #[must_use]
    pub fn keeps_ledger(&self) -> bool {
        let is_read = self.recovery || self.watches();
        self.announcements != Announcements::Forgotten && is_read
    }

    /// Returns the patterns that become rules: those that the stack alerts on, and their companions.
    pub fn rules(&self) -> impl Iterator<Item = &Pattern> {
        self.patterns.iter().chain(&self.companions)
    }

    /// Returns the names of the companions that the stack would not have without messages that a job or a service works again.
    pub fn rules_of_recovery(&self) -> impl Iterator<Item = &str> {
        let is_spare = |name: &str| self.recovery && (name == SERVICE_RECOVERED || !self.watches());
        self.companions.iter().map(|pattern| pattern.name.as_str()).filter(move |name| is_spare(name))
    }

    /// Returns whether the notifier reports that a service works again. A pattern of the user's own may ask for the same events: such
    /// a stack goes on reporting each of them.
    #[must_use]
    pub fn reports_recovered_services(&self) -> bool {
        self.recovery
            && self.companions.iter().any(|pattern| pattern.name == SERVICE_RECOVERED)
            && self.patterns.iter().all(|pattern| is_in_catalogue(&pattern.name))
    }

    /// Returns the patterns that the end of a task has to match to be reported, in alphabetical order, if the rule for the ends of jobs
    /// delivers more than these patterns ask for.
    #[must_use]
    pub fn reported_patterns(&self) -> Option<BTreeSet<&str>> {
        let names = || self.patterns.iter().map(|pattern| pattern.name.as_str());
        (self.keeps_ledger() && !names().any(takes_every_failed_job)).then(|| names().collect())
    }

    /// Returns whether the stack needs schedules, which ask for deadlines, running times and the summary.
    #[must_use]
    pub fn watches(&self) -> bool {
        !self.jobs.is_empty() || self.summary.is_some()
    }
}

/// The checked configuration of a stack.
#[derive(Debug, Clone)]
pub struct Config {
    pub stack: StackName,
    pub clusters: Vec<Cluster>,
    pub patterns: Vec<Pattern>,
    /// The patterns of events that end a failure, which the notifier needs besides.
    pub companions: Vec<Pattern>,
    pub drill: Drill,
    /// The most rules on the default bus; none: the default quota.
    pub rule_quota: Option<usize>,
    /// The destinations of alerts besides the stack's own webhook.
    pub destinations: Vec<Destination>,
    pub webhook_takes: WebhookTakes,
    /// The user's own SSM parameter with the webhook; none: the stack has one of its own.
    pub own_parameter: Option<String>,
    /// The user's own role for the notifier; none: the stack has one of its own.
    pub own_role_arn: Option<String>,
    pub permissions_boundary: Option<String>,
    /// The retention of the notifier's log in days; none: for ever.
    pub log_retention_days: Option<i32>,
    pub tags: BTreeMap<String, String>,
    pub message: MessageOptions,
    /// The rules for announcing a repetition.
    pub announcements: Announcements,
    /// The SNS topic for the alarms about a failing alert; none: no alarms.
    pub alarm_topic: Option<String>,
    /// The names of the application log groups that the notifier may read, with `*` and `?`.
    pub log_groups: Vec<String>,
    /// The jobs of which something is expected, each once, with at least one expectation.
    pub jobs: Vec<Job>,
    /// The times of the summary of all jobs; none: no summary.
    pub summary: Option<Summary>,
    /// Whether the notifier reports that a job or a service works again. Without a table it never does.
    pub recovery: bool,
    /// The settings as the stack keeps them; none: the stack does not keep them.
    pub record: Option<String>,
}

/// The notifier's memory of its announcements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announcements {
    /// The notifier announces every event.
    Forgotten,
    /// The notifier announces a task once; the same failure within this many minutes on occurrences 1, 2, 4, 8 and so on.
    Remembered { window_minutes: u16 },
}

/// The appearance of messages.
#[derive(Debug, Clone, Default)]
pub struct MessageOptions {
    pub language: Language,
    pub username: Option<String>,
    pub icon_emoji: Option<String>,
    pub mentions: Vec<String>,
    /// The number of last lines of the log to show; 0: none.
    pub log_lines: u16,
    pub redaction: Redaction,
}

/// Whether credentials are removed from log lines; in all other texts they always are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Redaction {
    #[default]
    On,
    Off,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    En,
    Ja,
}

impl Language {
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ja => "ja",
        }
    }
}
