//! Declares the settings as flags and as keys of the file, and completes those of a narrow source by those of a wider one.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{values, written};
use crate::config::Language;
use crate::config::destination::WebhookTakes;
use crate::error::Result;
use crate::pattern::filter::Filters;
use crate::pattern::job_filter::{JobFilters, Names};

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
}

/// Joins `KEY=VALUE` lists; later values replace earlier ones.
fn joined(earlier: Vec<String>, later: Vec<String>) -> Vec<String> {
    let key = |tag: &str| tag.split_once('=').map(|(key, _)| key.to_owned());
    let mut tags = earlier;
    tags.retain(|tag| !later.iter().any(|other| key(other) == key(tag)));
    tags.extend(later);
    tags
}
