//! Holds the settings of a stack, from flags or from `taskbell.toml`: as they were given, and not yet checked.
//!
//! A field is a flag and, by its own name, a key of the file. A narrower source has priority over a wider one: flags, then the
//! stack, then the defaults of the file, then taskbell's own.

mod given;
mod values;
mod written;

use std::collections::BTreeMap;

use crate::arn;
use crate::config::companions;
use crate::config::destination::{self, WebhookTakes};
use crate::config::job::{Job, Summary};
use crate::config::{self, Announcements, Cluster, Config, MessageOptions, Redaction, WebhookHosts};
use crate::error::{Error, Result};
use crate::pattern::companions::is_companion;
use crate::pattern::{self, BATCH_JOB_FAILED, CATALOGUE, Drill, Entry, Pattern};
use crate::stack::{FLEET_TAG, StackName};

pub use given::{FilterSettings, List, Settings, items};
pub use written::FLEET;

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
