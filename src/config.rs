//! What was asked for, validated once: everything behind this wall may rely on it.

pub mod destination;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result};
use crate::pattern::{Drill, Pattern};
use crate::secret::Sealed;
use crate::stack::StackName;
use destination::{Destination, WebhookTakes};

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

/// An ECS cluster, by name or by ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    name: String,
    arn: Option<String>,
}

impl Cluster {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Only if it was given.
    #[must_use]
    pub fn arn(&self) -> Option<&str> {
        self.arn.as_deref()
    }
}

impl FromStr for Cluster {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, arn) = match text.strip_prefix("arn:") {
            None => (text, None),
            Some(rest) => {
                let name = rest.split_once(":ecs:").and_then(|(_, rest)| rest.split_once(":cluster/"));
                (name.map_or("", |(_, name)| name), Some(text.to_owned()))
            }
        };
        // ECS takes the same characters for a cluster's name as taskbell for a stack's.
        match name.parse::<StackName>() {
            Ok(_) => Ok(Self { name: name.to_owned(), arn }),
            Err(_) => Err(Error::usage(format!("{text:?} is neither the name nor the ARN of an ECS cluster"))
                .hint("a name has letters, digits, hyphens and underscores; an ARN looks like arn:aws:ecs:us-east-1:123456789012:cluster/NAME")),
        }
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.arn.as_deref().unwrap_or(&self.name))
    }
}

/// The clusters, each once.
///
/// # Errors
/// If one is neither a name nor an ARN.
pub fn clusters(texts: &[String]) -> Result<Vec<Cluster>> {
    let mut clusters: Vec<Cluster> = Vec::new();
    for text in texts {
        let cluster: Cluster = text.parse()?;
        if !clusters.contains(&cluster) {
            clusters.push(cluster);
        }
    }
    Ok(clusters)
}

/// Which hosts a webhook may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookHosts {
    /// Those of Slack, Teams and Discord.
    Known,
    Any,
}

/// Checks a webhook. No message repeats it. Whose it is, the notifier tells by its host as well (`lambda/destinations.mjs`).
///
/// # Errors
/// If it is not an https URL of an incoming webhook of Slack, Teams or Discord (or, with `WebhookHosts::Any`, of another
/// host; plain http only for this machine).
pub fn webhook(text: &str, hosts: WebhookHosts) -> Result<Sealed<String>> {
    let bad = |problem: String| {
        Error::usage(problem).hint("an incoming webhook of Slack looks like https://hooks.slack.com/services/T…/B…/…; docs/destinations.md has those of Teams and Discord")
    };
    let text = text.trim();
    let url: http::Uri = text.parse().map_err(|_| bad("the webhook is not a URL".to_owned()))?;
    let (Some(scheme), Some(host)) = (url.scheme_str(), url.host()) else {
        return Err(bad("the webhook is not a complete URL".to_owned()));
    };
    // The notifier's fetch takes no URL with credentials in it.
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(bad("the webhook has a user's name in front of its host".to_owned()));
    }
    let loopback = ["127.0.0.1", "localhost", "[::1]"].contains(&host);
    let plain_to_this_machine = scheme == "http" && loopback;
    if scheme != "https" && !(plain_to_this_machine && hosts == WebhookHosts::Any) {
        let error = bad("the webhook is not an https URL".to_owned());
        let flag = "--allow-any-webhook-host admits plain http to this machine";
        return Err(if plain_to_this_machine { error.hint(flag) } else { error });
    }
    let slack = ["hooks.slack.com", "hooks.slack-gov.com"].contains(&host);
    if slack && ["/workflows/", "/triggers/"].iter().any(|start| url.path().starts_with(start)) {
        return Err(bad("this webhook starts a Slack workflow, which takes variables and not messages".to_owned()));
    }
    if slack && !url.path().starts_with("/services/") {
        return Err(bad("the Slack webhook's path does not begin with /services/".to_owned()));
    }
    let discord = ["discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"].contains(&host);
    if discord && !url.path().starts_with("/api/webhooks/") {
        return Err(bad("the path of Discord's webhook does not begin with /api/webhooks/".to_owned()));
    }
    let teams =
        [".logic.azure.com", ".api.powerplatform.com", ".webhook.office.com"].iter().any(|end| host.ends_with(end));
    if !(slack || discord || teams) && hosts == WebhookHosts::Known {
        return Err(bad("the host of the webhook is none of Slack's, Teams' or Discord's".to_owned())
            .hint("setup --allow-any-webhook-host admits other hosts that speak Slack's format"));
    }
    Ok(Sealed::new(text.to_owned()))
}

/// Log retention in days, of those CloudWatch Logs takes; `never` for no end.
///
/// # Errors
/// For any other number, naming them.
pub fn log_retention(text: &str) -> Result<Option<i32>> {
    const DAYS: [i32; 22] =
        [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
    if text == "never" {
        return Ok(None);
    }
    DAYS.into_iter().find(|days| days.to_string() == text).map(Some).ok_or_else(|| {
        let days = DAYS.map(|days| days.to_string()).join(", ");
        Error::usage(format!("CloudWatch Logs takes {days} days, or never; not {text}"))
    })
}

/// Whom a message mentions.
///
/// # Errors
/// For anything but here, channel, or the id of a user (U…, W…) or of a user group (S…).
pub fn mention(text: &str) -> Result<String> {
    let rest = text.strip_prefix(['U', 'W', 'S']).unwrap_or_default();
    let id = rest.len() > 1 && rest.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    match id || ["here", "channel"].contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(Error::usage(format!("--mention {text:?} cannot be mentioned"))
            .hint("here, channel, a user's id (U…) or a user group's id (S…)")),
    }
}

/// The ARN of an SNS topic.
///
/// # Errors
/// If it is none.
pub fn topic(text: &str) -> Result<String> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        ["arn", _, "sns", region, account, name] if ![region, account, name].contains(&"") => Ok(text.to_owned()),
        _ => Err(Error::usage(format!("{} is not the ARN of an SNS topic", echoed(text)))
            .hint("it looks like arn:aws:sns:us-east-1:123456789012:on-call")),
    }
}

/// The name of a CloudWatch Logs group, or a pattern of names with `*` and `?`.
///
/// # Errors
/// If it has characters that no log group's name has.
pub fn log_group(text: &str) -> Result<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_-/.#*?".contains(c);
    match !text.is_empty() && text.len() <= 512 && text.chars().all(legal) {
        true => Ok(text.to_owned()),
        false => Err(Error::usage(format!("{text:?} is not the name of a log group"))
            .hint("letters, digits and _-/.# as in /ecs/web, with * and ? for any others; or none")),
    }
}

/// Whether a name fits a pattern of [`log_group`], as IAM reads it: `*` stands for any characters, `/` too.
#[must_use]
pub fn log_group_covers(pattern: &str, name: &str) -> bool {
    GlobBuilder::new(pattern).build().is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

/// One `KEY=VALUE`, in the letters that every tagged service takes.
///
/// # Errors
/// If it has no `=`, is too long, or has other characters; reserved keys too.
pub fn tag(text: &str) -> Result<(String, String)> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(Error::usage(format!("the tag {text:?} is not of the form KEY=VALUE")));
    };
    let legal = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c));
    let reserved = key.to_lowercase().starts_with("aws:") || key.starts_with("taskbell:");
    if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || !legal(key) || !legal(value) {
        return Err(Error::usage(format!("AWS does not take the tag {text:?}"))
            .hint("up to 128 letters for the key and 256 for the value: letters, digits, spaces and _.:/=+-@"));
    }
    if reserved {
        return Err(Error::usage(format!("the tag key {key} is reserved")));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// The name of an SSM parameter.
///
/// # Errors
/// If it has characters that none has, or is too long.
pub fn parameter_name(text: &str) -> Result<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    let whole = !text.contains('/') || (text.starts_with('/') && !text.ends_with('/'));
    match !text.is_empty() && text.len() <= 1011 && text.chars().all(legal) && whole {
        true => Ok(text.to_owned()),
        false => Err(Error::usage(format!("{} is not the name of an SSM parameter", echoed(text))).hint(
            "a name has letters, digits and _.-/ as in /team/slack-webhook; an ARN is not one, nor is a webhook: store that under a name",
        )),
    }
}

/// What was said, to be told again. Where an address stands in it, that is cut short after its host: it may be a webhook, and is
/// a secret then.
fn echoed(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (&text[..scheme.len() + 3], rest));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_address = !path.is_empty() && (!scheme.is_empty() || host.contains('.'));
    if is_address && !text.starts_with("arn:") {
        format!("{:?}", format!("{scheme}{host}/…"))
    } else {
        format!("{text:?}")
    }
}

/// The ARN of an IAM policy.
///
/// # Errors
/// If it is none.
pub fn policy_arn(text: &str) -> Result<String> {
    of_iam(text, "policy")
}

/// The ARN of an IAM role.
///
/// # Errors
/// If it is none.
pub fn role_arn(text: &str) -> Result<String> {
    of_iam(text, "role")
}

fn of_iam(text: &str, what: &str) -> Result<String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts[..] {
        ["arn", partition, "iam", "", account, name]
            if ![partition, account].contains(&"")
                && name.strip_prefix(what).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/')) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(Error::usage(format!("{text:?} is not the ARN of an IAM {what}"))
            .hint(format!("it looks like arn:aws:iam::123456789012:{what}/NAME"))),
    }
}

/// The globs of `--ignore`.
///
/// # Errors
/// If one is not a glob.
pub fn ignore(globs: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for text in globs {
        let bad = |error| Error::usage(format!("--ignore {text:?} is not a glob")).because(error);
        set.add(GlobBuilder::new(text).literal_separator(false).build().map_err(bad)?);
    }
    set.build().map_err(|error| Error::usage("the globs of --ignore are too large together").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_taken_only_from_slack_and_never_repeated() {
        let good = "https://hooks.slack.com/services/T0/B0/hunter2";
        assert_eq!(webhook(good, WebhookHosts::Known).unwrap().reveal(), good);
        for good in [
            " https://hooks.slack-gov.com/services/T/B/x\n",
            "https://discord.com/api/webhooks/1/x",
            "https://prod-1.westeurope.logic.azure.com:443/workflows/x/triggers/manual/paths/invoke?sig=x",
            "https://default1.2.environment.api.powerplatform.com:443/powerautomate/x?sig=y",
        ] {
            assert!(webhook(good, WebhookHosts::Known).is_ok(), "{good}");
        }
        for bad in [
            "hunter2",
            "hunter2 hunter2",
            "http://hooks.slack.com/services/T0/B0/hunter2",
            "https://hooks.slack.com.evil.example/services/hunter2",
            "https://hooks.slack.com/workflows/hunter2",
            "https://hooks.slack.com/triggers/hunter2",
            "https://hooks.slack.com/hunter2",
            "https://discord.com/hunter2",
            "https://discord.com.evil.example/api/webhooks/hunter2",
            "https://evil-logic.azure.com/hunter2",
            "https://hooks.slack.comhunter2",
            "https://user:hunter2@hooks.slack.com/services/T0/B0/x",
        ] {
            let error = webhook(bad, WebhookHosts::Known).unwrap_err();
            assert_eq!(error.exit_code(), 64);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn another_host_needs_the_flag_and_plain_http_needs_this_machine() {
        assert!(webhook("https://chat.example/hook", WebhookHosts::Any).is_ok());
        assert!(webhook("http://127.0.0.1:8080/services/x", WebhookHosts::Any).is_ok());
        assert!(webhook("http://127.0.0.1:8080/services/x", WebhookHosts::Known).is_err());
        assert!(webhook("http://chat.example/hook", WebhookHosts::Any).is_err());
        assert!(webhook("http://127.0.0.1.evil.example/x", WebhookHosts::Any).is_err());
    }

    #[test]
    fn a_cluster_is_a_name_or_an_arn() {
        let arn = "arn:aws-cn:ecs:cn-north-1:123456789012:cluster/batch";
        let cluster: Cluster = arn.parse().unwrap();
        assert_eq!((cluster.name(), cluster.arn()), ("batch", Some(arn)));
        assert_eq!("batch".parse::<Cluster>().unwrap().arn(), None);
        for bad in ["", "a b", "arn:aws:ecs:us-east-1:1:service/x", "arn:aws:ecs:us-east-1:1:cluster/a/b"] {
            assert!(bad.parse::<Cluster>().is_err(), "{bad}");
        }
    }

    #[test]
    fn retention_and_tags_are_what_aws_takes() {
        assert_eq!(log_retention("30").unwrap(), Some(30));
        assert_eq!(log_retention("never").unwrap(), None);
        assert!(log_retention("31").is_err() && log_retention("+30").is_err());
        assert!(tag("team=data").is_ok());
        for bad in ["team", "=x", "taskbell:stack=x", "aws:x=y", "a=b,c"] {
            assert!(tag(bad).is_err(), "{bad}");
        }
    }
}
