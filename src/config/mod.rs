//! What was asked for, validated once: everything behind this wall may rely on it.

mod checks;
mod cluster;
pub mod destination;
pub mod file;
pub mod settings;
mod webhook;

use std::collections::BTreeMap;

use crate::pattern::{Drill, Pattern};
use crate::stack::StackName;
pub use checks::{
    ignore, log_group, log_group_covers, log_retention, mention, parameter_name, policy_arn, role_arn, tag, topic,
};
pub use cluster::{Cluster, clusters};
use destination::{Destination, WebhookTakes};
pub use webhook::{WebhookHosts, webhook};

impl Config {
    /// Whether the stack keeps the webhook in a parameter of its own.
    #[must_use]
    pub fn stores_webhook(&self) -> bool {
        self.own_parameter.is_none() && self.webhook_takes != WebhookTakes::Nothing
    }

    /// The SSM parameters that the notifier reads and taskbell did not make.
    #[must_use]
    pub fn parameters(&self) -> Vec<&str> {
        self.own_parameter
            .as_deref()
            .into_iter()
            .chain(self.destinations.iter().filter_map(Destination::parameter))
            .collect()
    }
}

/// A stack as it was asked for.
#[derive(Debug, Clone)]
pub struct Config {
    pub stack: StackName,
    pub clusters: Vec<Cluster>,
    pub patterns: Vec<Pattern>,
    pub drill: Drill,
    /// Where alerts go besides the webhook of its own.
    pub destinations: Vec<Destination>,
    pub webhook_takes: WebhookTakes,
    /// The user's own SSM parameter with the webhook; none: the stack has one of its own.
    pub own_parameter: Option<String>,
    /// The user's own role for the notifier; none: the stack has one of its own.
    pub own_role_arn: Option<String>,
    pub permissions_boundary: Option<String>,
    /// None: for ever.
    pub log_retention_days: Option<i32>,
    pub tags: BTreeMap<String, String>,
    pub message: MessageOptions,
    /// What is announced again, and how often.
    pub announcements: Announcements,
    /// The SNS topic that is told when the alert itself fails; none: no alarms.
    pub alarm_topic: Option<String>,
    /// Names of the application log groups the notifier may read, with `*` and `?`.
    pub log_groups: Vec<String>,
}

/// What the notifier remembers of what it announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announcements {
    /// Every event is announced.
    Forgotten,
    /// A task once; the same failure within this many minutes on occurrences 1, 2, 4, 8 and so on.
    Remembered { window_minutes: u16 },
}

/// How messages look.
#[derive(Debug, Clone, Default)]
pub struct MessageOptions {
    pub language: Language,
    pub username: Option<String>,
    pub icon_emoji: Option<String>,
    pub mentions: Vec<String>,
    /// How many of the last lines of the log; 0: none.
    pub log_lines: u16,
    pub redaction: Redaction,
}

/// Whether credentials are taken out of log lines; everywhere else they always are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Redaction {
    #[default]
    On,
    Off,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
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
