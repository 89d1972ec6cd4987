//! Holds the settings of a stack, from flags or from `taskbell.toml`: as they were given, and not yet checked.
//!
//! A field is a flag and, by its own name, a key of the file. A narrower source has priority over a wider one: flags, then the
//! stack, then the defaults of the file, then taskbell's own.

mod values;
mod written;

use std::collections::BTreeMap;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::arn;
use crate::config::companions;
use crate::config::destination::{self, WebhookTakes};
use crate::config::job::{Job, Summary};
use crate::config::{self, Announcements, Cluster, Config, Language, MessageOptions, Redaction, WebhookHosts};
use crate::error::{Error, Result};
use crate::pattern::companions::is_companion;
use crate::pattern::filter::Filters;
use crate::pattern::job_filter::{JobFilters, Names};
use crate::pattern::{self, BATCH_JOB_FAILED, CATALOGUE, Drill, Entry, Pattern};
use crate::stack::{FLEET_TAG, StackName};

pub use written::FLEET;

/// A list of values; none if the source does not set it. An empty list sets it to nothing, regardless of wider sources.
pub type List = Option<Vec<String>>;

/// Returns the values of a list.
#[must_use]
pub fn items(list: &List) -> &[String] {
    list.as_deref().unwrap_or_default()
}

/// Flags that say what a stack shall be.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize, Serialize)]
#[serde(default)]
pub struct Settings {
    /// An ECS cluster, by name with * for any characters, or by ARN; '*' is every cluster, also one that does not exist yet; may be repeated
    #[arg(long = "cluster", value_name = "NAME|GLOB|ARN")]
    pub clusters: Option<Vec<String>>,
    /// A pattern of the catalogue (`taskbell pattern list`) or the path of a JSON file; may be repeated; replaces the defaults [default: task-failed, deployment-failed and service-impaired]
    #[arg(long = "pattern", value_name = "NAME|FILE")]
    pub patterns: Option<Vec<String>>,
    #[command(flatten)]
    pub filters: FilterSettings,
    /// Create rules that do not match drills
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_drill: Option<bool>,
    /// Use the quota of characters of a rule's pattern that AWS raised for the account (L-664C5505), up to 4096 [default: 2048]
    #[arg(long, value_name = "N")]
    pub pattern_quota: Option<u16>,
    /// Use the quota of rules on the default bus that AWS raised for the account [default: 300]
    #[arg(long, value_name = "N")]
    pub rule_quota: Option<u16>,
    /// Use your own SSM parameter that holds the webhook; taskbell never changes it
    #[arg(long = "slack-webhook-parameter", value_name = "NAME", conflicts_with = "slack_webhook_url_stdin")]
    pub webhook_parameter: Option<String>,
    /// Also send alerts to this destination: your own SSM parameter that holds a webhook of Slack, Teams or Discord, or an SNS topic's ARN; then, separated by commas: pattern=NAME, family=GLOB and severity=LEVEL select its alerts, name=NAME names it, kind=webhook sends signed JSON; may be repeated
    #[arg(long = "to", value_name = "DESTINATION[,KEY=VALUE…]")]
    #[serde(deserialize_with = "values::places")]
    pub to: Option<Vec<String>>,
    /// The alerts that the stack's own webhook receives [default: all]
    #[arg(long, value_enum)]
    pub webhook_takes: Option<WebhookTakes>,
    /// Allow a webhook of another host that accepts Slack's format
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub allow_any_webhook_host: Option<bool>,
    /// The language of the messages [default: en]
    #[arg(long, value_enum)]
    pub language: Option<Language>,
    /// Mention `here`, `channel`, a user (U…) or a user group (S…); may be repeated
    #[arg(long = "mention", value_name = "WHOM")]
    pub mention: Option<Vec<String>>,
    /// The name under which messages are posted (legacy webhooks only: Slack apps ignore it)
    #[arg(long)]
    pub username: Option<String>,
    /// The icon with which messages are posted, as in :bell: (legacy webhooks only: Slack apps ignore it)
    #[arg(long, value_name = "EMOJI")]
    pub icon_emoji: Option<String>,
    /// Show this many of the last log lines of the failed container, up to 100; 0 for none [default: 10]
    #[arg(long, value_name = "N")]
    pub log_lines: Option<u16>,
    /// The application log groups that the notifier may read, by name with * and ?; may be repeated; `none` for none [default: /ecs/*, with --pattern batch-job-failed also /aws/batch/job]
    #[arg(long = "log-group", value_name = "GLOB")]
    pub log_groups: Option<Vec<String>>,
    /// Show log lines unredacted; everything else stays redacted [key: redaction = false]
    #[arg(
        long = "no-redaction", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = values::opposite
    )]
    pub redaction: Option<bool>,
    /// Announce the same failure of the same family on occurrences 1, 2, 4, 8 and so on within this many minutes, up to 1440 [default: 15]
    #[arg(long, value_name = "MINUTES")]
    pub storm_window: Option<u16>,
    /// Announce every event, including repetitions, and create no table
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_dedupe: Option<bool>,
    /// Expect a job to run: the family of its task definition, or the name of a job that `taskbell notify --job` reports; then, separated by commas: by=cron(…), the deadline by which the job must have ended well, with timezone=ZONE [default: UTC], every=DURATION, max-runtime=DURATION|auto, grace=DURATION [default: 10m], started-by=SCHEDULE; may be repeated
    #[arg(long = "expect", value_name = "JOB,KEY=VALUE…")]
    #[serde(deserialize_with = "values::jobs")]
    pub job: Option<Vec<String>>,
    /// Do not report that a job or a service works again after a failure
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_recovery: Option<bool>,
    /// Send a summary of all jobs at these times, in UTC without a timezone, for example every Monday: 'cron(0 9 ? * MON *),timezone=Asia/Tokyo'
    #[arg(long, value_name = "CRON[,timezone=ZONE]")]
    pub summary: Option<String>,
    /// Notify this SNS topic when alerts cannot be delivered or the notifier fails: creates two CloudWatch alarms
    #[arg(long, value_name = "ARN")]
    pub alarm_topic: Option<String>,
    /// The days for which the notifier's log keeps its entries; `never`: AWS deletes no entry [default: 30]
    #[arg(long, value_name = "DAYS")]
    #[serde(deserialize_with = "values::days")]
    pub log_retention: Option<String>,
    /// A tag for every resource of the stack; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    #[serde(deserialize_with = "values::tags", serialize_with = "written::tags")]
    pub tags: Vec<String>,
    /// A permissions boundary for the notifier's role
    #[arg(long, value_name = "ARN", conflicts_with = "notifier_role_arn")]
    pub permissions_boundary: Option<String>,
    /// Use your own role for the notifier, instead of a role of the stack; the key `role_arn` in taskbell.toml is another role, which taskbell itself assumes
    #[arg(long, value_name = "ARN", alias = "role-arn")]
    pub notifier_role_arn: Option<String>,
    /// Neither show nor repair differences that match this glob over kind/key/property, as in 'log_group/*/retention_days'; may be repeated
    #[arg(long = "ignore", value_name = "GLOB")]
    pub ignore: Option<Vec<String>>,
    /// The name of the fleet that owns the stack, from the file.
    #[arg(skip)]
    #[serde(skip)]
    pub fleet: Option<String>,
}

/// Flags that narrow patterns.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize, Serialize)]
#[serde(default)]
pub struct FilterSettings {
    /// Match only tasks of this task definition family, with * for any characters; may be repeated
    #[arg(long = "family", value_name = "GLOB")]
    pub families: Option<Vec<String>>,
    /// Exclude tasks of this task definition family, with * for any characters; may be repeated
    #[arg(long = "exclude-family", value_name = "GLOB")]
    pub exclude_families: Option<Vec<String>>,
    /// Match only tasks and events of this service, with * for any characters; may be repeated
    #[arg(long = "service", value_name = "GLOB")]
    pub services: Option<Vec<String>>,
    /// Exclude tasks and events of this service, with * for any characters; may be repeated
    #[arg(long = "exclude-service", value_name = "GLOB")]
    pub exclude_services: Option<Vec<String>>,
    /// Match only this container's exit code and reason
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// Leave this cluster out of --cluster '*', with * for any characters; may be repeated
    #[arg(long = "exclude-cluster", value_name = "GLOB")]
    pub exclude_clusters: Option<Vec<String>>,
    /// Match only jobs of this queue of AWS Batch, with * for any characters; may be repeated
    #[arg(long = "job-queue", value_name = "GLOB")]
    pub job_queues: Option<Vec<String>>,
    /// Exclude jobs of this queue of AWS Batch, with * for any characters; may be repeated
    #[arg(long = "exclude-job-queue", value_name = "GLOB")]
    pub exclude_job_queues: Option<Vec<String>>,
    /// Match only jobs of AWS Batch with this name, with * for any characters; may be repeated
    #[arg(long = "job-name", value_name = "GLOB")]
    pub job_names: Option<Vec<String>>,
    /// Exclude jobs of AWS Batch with this name, with * for any characters; may be repeated
    #[arg(long = "exclude-job-name", value_name = "GLOB")]
    pub exclude_job_names: Option<Vec<String>>,
    /// Match only executions of this state machine of Step Functions, with * for any characters; may be repeated
    #[arg(long = "state-machine", value_name = "GLOB")]
    pub state_machines: Option<Vec<String>>,
    /// Exclude executions of this state machine of Step Functions, with * for any characters; may be repeated
    #[arg(long = "exclude-state-machine", value_name = "GLOB")]
    pub exclude_state_machines: Option<Vec<String>>,
}

impl FilterSettings {
    /// # Errors
    /// For invalid filters.
    pub fn checked(&self) -> Result<Filters> {
        let Self { families, exclude_families, services, exclude_services, container, exclude_clusters, .. } = self;
        let list = |list: &List| items(list).to_vec();
        Filters {
            families: list(families),
            exclude_families: list(exclude_families),
            services: list(services),
            exclude_services: list(exclude_services),
            container: container.clone(),
            exclude_clusters: list(exclude_clusters),
            jobs: self.jobs(),
        }
        .checked()
    }

    fn jobs(&self) -> JobFilters {
        let names = |included: &List, excluded: &List| Names {
            included: items(included).to_vec(),
            excluded: items(excluded).to_vec(),
        };
        JobFilters {
            queues: names(&self.job_queues, &self.exclude_job_queues),
            jobs: names(&self.job_names, &self.exclude_job_names),
            machines: names(&self.state_machines, &self.exclude_state_machines),
        }
    }
}

/// Pairs of settings that exclude each other.
pub const CONTRADICTIONS: [(&str, &str); 4] = [
    ("no_dedupe", "storm_window"),
    ("no_dedupe", "job"),
    ("no_dedupe", "summary"),
    ("permissions_boundary", "notifier_role_arn"),
];

/// Returns the sentence about two settings, by their names where the user gave them.
#[must_use]
pub fn contradiction(one: &str, other: &str) -> String {
    format!("{one} and {other} contradict each other")
}

/// The log groups to which the ECS console's own task definitions log.
const DEFAULT_LOG_GROUP: &str = "/ecs/*";
/// The log group of jobs of AWS Batch whose definition names no other.
const BATCH_LOG_GROUP: &str = "/aws/batch/job";
const DEFAULT_LOG_LINES: u16 = 10;
const DEFAULT_STORM_WINDOW: u16 = 15;
const DEFAULT_LOG_RETENTION: &str = "30";

/// A problem with a setting, and the key of the setting.
#[derive(Debug)]
pub struct Trouble {
    pub key: &'static str,
    pub error: Error,
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        trouble.error
    }
}

fn about<T>(key: &'static str, checked: Result<T>) -> Result<T, Trouble> {
    checked.map_err(|error| Trouble { key, error })
}

impl Settings {
    /// Returns these settings, completed by the settings of a wider source. Lists replace each other; tags are joined key by key.
    #[must_use]
    pub fn or(self, wider: Self) -> Self {
        let wider = wider.without_what_contradicts(&self);
        Self {
            clusters: self.clusters.or(wider.clusters),
            patterns: self.patterns.or(wider.patterns),
            filters: FilterSettings {
                families: self.filters.families.or(wider.filters.families),
                exclude_families: self.filters.exclude_families.or(wider.filters.exclude_families),
                services: self.filters.services.or(wider.filters.services),
                exclude_services: self.filters.exclude_services.or(wider.filters.exclude_services),
                container: self.filters.container.or(wider.filters.container),
                exclude_clusters: self.filters.exclude_clusters.or(wider.filters.exclude_clusters),
                job_queues: self.filters.job_queues.or(wider.filters.job_queues),
                exclude_job_queues: self.filters.exclude_job_queues.or(wider.filters.exclude_job_queues),
                job_names: self.filters.job_names.or(wider.filters.job_names),
                exclude_job_names: self.filters.exclude_job_names.or(wider.filters.exclude_job_names),
                state_machines: self.filters.state_machines.or(wider.filters.state_machines),
                exclude_state_machines: self.filters.exclude_state_machines.or(wider.filters.exclude_state_machines),
            },
            no_drill: self.no_drill.or(wider.no_drill),
            pattern_quota: self.pattern_quota.or(wider.pattern_quota),
            rule_quota: self.rule_quota.or(wider.rule_quota),
            webhook_parameter: self.webhook_parameter.or(wider.webhook_parameter),
            to: self.to.or(wider.to),
            webhook_takes: self.webhook_takes.or(wider.webhook_takes),
            allow_any_webhook_host: self.allow_any_webhook_host.or(wider.allow_any_webhook_host),
            language: self.language.or(wider.language),
            mention: self.mention.or(wider.mention),
            username: self.username.or(wider.username),
            icon_emoji: self.icon_emoji.or(wider.icon_emoji),
            log_lines: self.log_lines.or(wider.log_lines),
            log_groups: self.log_groups.or(wider.log_groups),
            redaction: self.redaction.or(wider.redaction),
            storm_window: self.storm_window.or(wider.storm_window),
            no_dedupe: self.no_dedupe.or(wider.no_dedupe),
            job: self.job.or(wider.job),
            no_recovery: self.no_recovery.or(wider.no_recovery),
            summary: self.summary.or(wider.summary),
            alarm_topic: self.alarm_topic.or(wider.alarm_topic),
            log_retention: self.log_retention.or(wider.log_retention),
            tags: joined(wider.tags, self.tags),
            permissions_boundary: self.permissions_boundary.or(wider.permissions_boundary),
            notifier_role_arn: self.notifier_role_arn.or(wider.notifier_role_arn),
            ignore: self.ignore.or(wider.ignore),
            fleet: self.fleet.or(wider.fleet),
        }
    }

    /// Drops the settings that contradict those of a narrower source.
    fn without_what_contradicts(self, narrower: &Self) -> Self {
        let mut left = self;
        if narrower.storm_window.is_some() || !items(&narrower.job).is_empty() || narrower.summary.is_some() {
            left.no_dedupe = None;
        }
        if narrower.no_dedupe == Some(true) {
            left.storm_window = None;
            left.job = None;
            left.summary = None;
        }
        if narrower.webhook_takes == Some(WebhookTakes::Nothing) {
            left.webhook_parameter = None;
        }
        if narrower.webhook_parameter.is_some() && left.webhook_takes == Some(WebhookTakes::Nothing) {
            left.webhook_takes = None;
        }
        if narrower.permissions_boundary.is_some() {
            left.notifier_role_arn = None;
        }
        if narrower.notifier_role_arn.is_some() {
            left.permissions_boundary = None;
        }
        // Clusters are left out only of all clusters.
        if narrower.clusters.as_deref().is_some_and(|clusters| clusters != ["*"]) {
            left.filters.exclude_clusters = None;
        }
        if !items(&narrower.filters.exclude_clusters).is_empty() {
            left.clusters = None;
        }
        let (filters, narrower) = (&mut left.filters, &narrower.filters);
        for (said, opposite) in [
            (&narrower.families, &mut filters.exclude_families),
            (&narrower.exclude_families, &mut filters.families),
            (&narrower.services, &mut filters.exclude_services),
            (&narrower.exclude_services, &mut filters.services),
            (&narrower.job_queues, &mut filters.exclude_job_queues),
            (&narrower.exclude_job_queues, &mut filters.job_queues),
            (&narrower.job_names, &mut filters.exclude_job_names),
            (&narrower.exclude_job_names, &mut filters.job_names),
            (&narrower.state_machines, &mut filters.exclude_state_machines),
            (&narrower.exclude_state_machines, &mut filters.state_machines),
        ] {
            if said.is_some() {
                *opposite = None;
            }
        }
        left
    }

    /// Returns the record of these settings, which the stack keeps, so that later runs need to give only what changes. Contains no
    /// secret: settings only name the parameters that hold webhooks.
    #[must_use]
    pub fn record(&self) -> String {
        written::text(self, self.fleet.as_deref())
    }

    /// Returns the settings that are set, by their keys in the file.
    #[must_use]
    pub fn object(&self) -> Map<String, Value> {
        written::object(self, None)
    }

    /// Returns the clusters, each once.
    ///
    /// # Errors
    /// If one is neither a name nor an ARN, or clusters are excluded from others than all.
    pub fn clusters(&self) -> Result<Vec<Cluster>> {
        config::clusters_but(items(&self.clusters), items(&self.filters.exclude_clusters))
    }

    /// Returns the hosts that a webhook may have.
    #[must_use]
    pub fn hosts(&self) -> WebhookHosts {
        if self.allow_any_webhook_host == Some(true) { WebhookHosts::Any } else { WebhookHosts::Known }
    }

    /// # Errors
    /// For the first invalid value.
    pub fn config(&self, stack: StackName) -> Result<Config, Trouble> {
        self.without_contradiction()?;
        let clusters = about("clusters", self.clusters())?;
        let patterns = self.patterns()?;
        let (named, patterns): (Vec<Pattern>, Vec<Pattern>) =
            patterns.into_iter().partition(|pattern| is_companion(&pattern.name));
        if clusters.is_empty()
            && let Some(pattern) = patterns.iter().find(|pattern| pattern.needs_cluster())
        {
            let unclear = Error::usage(format!("the pattern {} needs a cluster", pattern.name));
            return Err(Trouble {
                key: "clusters",
                error: unclear.hint("give --cluster NAME, or --cluster '*' for every cluster"),
            });
        }
        about("ignore", config::ignore(items(&self.ignore)))?;
        let announcements = match (self.no_dedupe, self.storm_window.unwrap_or(DEFAULT_STORM_WINDOW)) {
            (Some(true), _) => Announcements::Forgotten,
            (_, window_minutes @ 1..=1440) => Announcements::Remembered { window_minutes },
            (_, minutes) => {
                let error = Error::usage(format!("a storm window has 1 to 1440 minutes, not {minutes}"));
                return Err(Trouble { key: "storm_window", error });
            }
        };
        let destinations = about("to", items(&self.to).iter().map(|text| text.parse()).collect::<Result<Vec<_>>>())?;
        let webhook_takes = self.webhook_takes.unwrap_or_default();
        let said = if self.webhook_takes.is_some() { "webhook_takes" } else { "to" };
        about(said, destination::checked(&destinations, webhook_takes))?;
        if webhook_takes == WebhookTakes::Nothing && self.webhook_parameter.is_some() {
            let error = Error::usage("a webhook that receives no alerts needs no parameter");
            return Err(Trouble {
                key: "webhook_takes",
                error: error.hint("omit --webhook-takes or --slack-webhook-parameter"),
            });
        }
        let mut config = Config {
            stack,
            clusters,
            destinations,
            webhook_takes,
            patterns,
            companions: Vec::new(),
            drill: if self.no_drill == Some(true) { Drill::Refused } else { Drill::Accepted },
            rule_quota: self.rule_quota.map(usize::from),
            own_parameter: about(
                "webhook_parameter",
                self.webhook_parameter.as_deref().map(arn::parameter_name).transpose(),
            )?,
            own_role_arn: about("notifier_role_arn", self.notifier_role_arn.as_deref().map(arn::role).transpose())?,
            permissions_boundary: about(
                "permissions_boundary",
                self.permissions_boundary.as_deref().map(arn::policy).transpose(),
            )?,
            log_retention_days: about(
                "log_retention",
                config::log_retention(self.log_retention.as_deref().unwrap_or(DEFAULT_LOG_RETENTION)),
            )?,
            tags: about("tags", self.tags())?,
            message: self.message()?,
            announcements,
            alarm_topic: about("alarm_topic", self.alarm_topic.as_deref().map(config::alarm_topic).transpose())?,
            log_groups: about("log_groups", self.log_groups())?,
            jobs: about("job", self.jobs())?,
            summary: about("summary", self.summary.as_deref().map(Summary::parse).transpose())?,
            recovery: self.no_recovery != Some(true) && announcements != Announcements::Forgotten,
            record: Some(self.record()),
        };
        config.companions = self.companions(&config, named)?;
        Ok(config)
    }

    /// # Errors
    /// If one source sets what another of its settings excludes. The file is checked where it is read, by its own keys.
    fn without_contradiction(&self) -> Result<(), Trouble> {
        let of_dedupe = [
            ("storm_window", "--storm-window", self.storm_window.is_some()),
            ("job", "--expect", !items(&self.job).is_empty()),
            ("summary", "--summary", self.summary.is_some()),
        ];
        match of_dedupe.into_iter().find(|(.., is_set)| self.no_dedupe == Some(true) && *is_set) {
            None => Ok(()),
            Some((key, flag, _)) => Err(Trouble { key, error: Error::usage(contradiction("--no-dedupe", flag)) }),
        }
    }

    /// Returns the companions of the patterns, also those that the user names.
    fn companions(&self, config: &Config, named: Vec<Pattern>) -> Result<Vec<Pattern>, Trouble> {
        let filters = about("filters", self.filters.checked())?;
        let quota = about("pattern_quota", self.quota_of_patterns())?;
        let named: Vec<String> = named.into_iter().map(|pattern| pattern.name).collect();
        about("filters", companions::companions(config, &filters, quota, &named))
    }

    /// Returns the jobs of which something is expected, each once.
    ///
    /// # Errors
    /// For the first invalid expectation, and for the first that is given twice.
    fn jobs(&self) -> Result<Vec<Job>> {
        let all = items(&self.job).iter().map(|text| Job::parse(text)).collect::<Result<_>>()?;
        let mut jobs = Job::joined(all).map_err(|(_, error)| error)?;
        // Schedules must not depend on the order of the flags: the record of the settings is sorted, too.
        jobs.sort_by(|one, other| (&one.name, &one.started_by).cmp(&(&other.name, &other.started_by)));
        Ok(jobs)
    }

    /// Returns the tags, with the tag that names the fleet.
    ///
    /// # Errors
    /// For the first tag that AWS would refuse, and for keys that differ only by case.
    pub fn tags(&self) -> Result<BTreeMap<String, String>> {
        let fleet = self.fleet.iter().map(|fleet| Ok((FLEET_TAG.to_owned(), fleet.clone())));
        let tags: BTreeMap<String, String> =
            self.tags.iter().map(|text| config::tag(text)).chain(fleet).collect::<Result<_>>()?;
        config::distinct_tag_keys(tags.keys())?;
        Ok(tags)
    }

    fn message(&self) -> Result<MessageOptions, Trouble> {
        let log_lines = match self.log_lines.unwrap_or(DEFAULT_LOG_LINES) {
            lines @ 0..=100 => Ok(lines),
            lines => Err(Error::usage(format!("a message has room for 0 to 100 lines of the log, not {lines}"))),
        };
        Ok(MessageOptions {
            language: self.language.unwrap_or_default(),
            username: self.username.clone(),
            icon_emoji: self.icon_emoji.clone(),
            mentions: about("mention", items(&self.mention).iter().map(|text| config::mention(text)).collect())?,
            log_lines: about("log_lines", log_lines)?,
            redaction: if self.redaction == Some(false) { Redaction::Off } else { Redaction::On },
        })
    }

    /// Checks whether a pattern needs a cluster and none is set. An invalid pattern needs none.
    #[must_use]
    pub fn lacks_cluster(&self) -> bool {
        let needs_cluster = |patterns: Vec<Pattern>| patterns.iter().any(Pattern::needs_cluster);
        let names_none = items(&self.clusters).is_empty() && items(&self.filters.exclude_clusters).is_empty();
        names_none && self.patterns().is_ok_and(needs_cluster)
    }

    /// Returns the most characters of a rule's pattern.
    ///
    /// # Errors
    /// For a quota that AWS does not grant.
    pub fn quota_of_patterns(&self) -> Result<usize> {
        match self.pattern_quota.map_or(pattern::LONGEST, usize::from) {
            quota @ pattern::LONGEST..=pattern::HIGHEST_QUOTA => Ok(quota),
            other => Err(Error::usage(format!("a pattern quota has 2048 to 4096 characters, not {other}"))),
        }
    }

    fn patterns(&self) -> Result<Vec<Pattern>, Trouble> {
        let filters = about("filters", self.filters.checked())?;
        let quota = about("pattern_quota", self.quota_of_patterns())?;
        let defaults = pattern::DEFAULT.map(str::to_owned);
        let named = items(&self.patterns);
        let wanted = if named.is_empty() { &defaults[..] } else { named };
        let mut patterns: Vec<Pattern> = Vec::new();
        for name in wanted {
            let found = about("patterns", Pattern::find(name))?.with_quota(quota);
            // The filters of companions are applied when all settings are known.
            let pattern = match is_companion(&found.name) {
                true if about("patterns", Pattern::find(&found.name))?.with_quota(quota) != found => {
                    let error =
                        Error::usage(format!("the pattern file {name} has the name of a pattern of taskbell's own"));
                    return Err(Trouble { key: "patterns", error: error.hint("rename the file") });
                }
                true => found,
                false => found.narrowed_where_possible(&filters),
            };
            match patterns.iter().find(|other| other.name == pattern.name) {
                None => patterns.push(pattern),
                Some(same) if *same == pattern => {}
                Some(_) => {
                    let error = Error::usage(format!("two different patterns are called {}", pattern.name));
                    return Err(Trouble { key: "patterns", error });
                }
            }
        }
        let alerting: Vec<&Pattern> = patterns.iter().filter(|pattern| !is_companion(&pattern.name)).collect();
        about("filters", pattern::narrow_something(&alerting, &filters))?;
        about("filters", pattern::uses(&filters, &patterns))?;
        Ok(patterns)
    }

    /// Returns the other patterns of the catalogue that this configuration could use, with the companion that they would need besides.
    ///
    /// # Errors
    /// For invalid filters.
    pub fn other_patterns(&self, config: &Config) -> Result<Vec<Pattern>> {
        let (filters, quota) = (self.filters.checked()?, self.quota_of_patterns()?);
        let is_known = |name: &str| config.patterns.iter().any(|pattern| pattern.name == name);
        let is_other = |entry: &&Entry| !is_known(entry.name) && !is_companion(entry.name);
        let others = CATALOGUE
            .iter()
            .filter(is_other)
            .map(|entry| Pattern::find(entry.name)?.with_quota(quota).narrowed(&filters));
        let has_clusters = |pattern: &Pattern| !config.clusters.is_empty() || !pattern.needs_cluster();
        let mut others: Vec<Pattern> = others.flatten().filter(has_clusters).collect();
        let patterns = config.patterns.iter().chain(&others).cloned().collect();
        let of_all = companions::companions(&Config { patterns, ..config.clone() }, &filters, quota, &[])?;
        let is_new = |one: &Pattern| config.companions.iter().all(|known| known.name != one.name);
        others.extend(of_all.into_iter().filter(is_new));
        Ok(others)
    }

    fn log_groups(&self) -> Result<Vec<String>> {
        let Some(groups) = &self.log_groups else {
            let is_of_batch = items(&self.patterns).iter().any(|name| name == BATCH_JOB_FAILED);
            let of_batch = is_of_batch.then_some(BATCH_LOG_GROUP);
            return Ok([DEFAULT_LOG_GROUP].into_iter().chain(of_batch).map(str::to_owned).collect());
        };
        match groups.iter().any(|text| text == "none") {
            true if groups.len() == 1 => Ok(Vec::new()),
            true => Err(Error::usage("--log-group none cannot be combined with another --log-group")),
            false => groups.iter().map(|text| config::log_group(text)).collect(),
        }
    }
}

/// Joins `KEY=VALUE` lists; later values replace earlier ones.
fn joined(earlier: Vec<String>, later: Vec<String>) -> Vec<String> {
    let key = |tag: &str| tag.split_once('=').map(|(key, _)| key.to_owned());
    let mut tags = earlier;
    tags.retain(|tag| !later.iter().any(|other| key(other) == key(tag)));
    tags.extend(later);
    tags
}
