//! Checks the destinations of alerts besides the stack's own webhook, and their routes; writes them for the notifier.
//! Makes no call.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::arn::{self, is_ecs_name};
use crate::error::{Error, Result, nearest};
use crate::pattern::CATALOGUE;
use crate::secret::echoed;

/// How grave an incident is, as the notifier judges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
    Info,
}

/// The alerts that the stack's own webhook receives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum WebhookTakes {
    /// Every alert
    #[default]
    All,
    /// Alerts that match no --to
    Rest,
    /// No alerts: the stack has no webhook of its own
    Nothing,
}

/// A destination, as given with `--to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Destination {
    /// The name of the destination in the log and in a drill.
    pub name: String,
    #[serde(flatten)]
    pub at: At,
    #[serde(flatten)]
    pub route: Route,
}

/// The address of a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum At {
    /// The webhook in this SSM parameter of the user's. Without a kind, the webhook's host decides it.
    Webhook {
        parameter: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<Kind>,
    },
    /// An SNS topic, by its ARN.
    Topic { topic: String },
}

/// The format that a webhook accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Slack,
    Teams,
    Discord,
    /// The alert as JSON with a signature: the parameter holds its address and its secret.
    Webhook,
}

/// The alerts that a destination receives: those that match each of the lists. An empty list matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Names of patterns of the catalogue.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// Families of task definitions, with * and ?.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub severities: Vec<Severity>,
}

impl Route {
    #[must_use]
    pub fn takes_all(&self) -> bool {
        *self == Self::default()
    }
}

impl Destination {
    /// Returns the SSM parameter with the webhook, if the destination is a webhook.
    #[must_use]
    pub fn parameter(&self) -> Option<&str> {
        match &self.at {
            At::Webhook { parameter, .. } => Some(parameter),
            At::Topic { .. } => None,
        }
    }

    /// Returns the ARN of the topic, if the destination is a topic.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        match &self.at {
            At::Topic { topic } => Some(topic),
            At::Webhook { .. } => None,
        }
    }
}

/// Reads `PLACE,key=value,…`: the name of a parameter or the ARN of a topic comes first.
impl FromStr for Destination {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        const KEYS: [&str; 5] = ["name", "kind", "pattern", "family", "severity"];
        let mut words = text.split(',').map(str::trim);
        let place = words.next().unwrap_or_default();
        let (mut name, mut kind, mut route) = (None, None, Route::default());
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            if value.is_empty() {
                return Err(bad(text, &format!("{} has no value", echoed(key))));
            }
            match key {
                "name" | "kind" if text.matches(&format!(",{key}=")).count() > 1 => {
                    return Err(bad(text, &format!("{key} is given more than once")));
                }
                "name" => name = Some(called(value)?),
                "kind" => {
                    let known = Kind::from_str(value, false);
                    let wrong = |_| bad(text, "the kind must be slack, teams, discord or webhook (signed JSON)");
                    kind = Some(known.map_err(wrong)?);
                }
                "pattern" => route.patterns.push(pattern(value)?),
                "family" => route.families.push(family(value)?),
                "severity" => {
                    let severity = Severity::from_str(value, false);
                    route
                        .severities
                        .push(severity.map_err(|_| bad(text, "the severity must be error, warning or info"))?);
                }
                _ => {
                    let error = bad(text, &format!("unknown key {}", echoed(key)));
                    return Err(match nearest(KEYS, key) {
                        Some(near) => error.hint(format!("did you mean {near}=?")),
                        None => error.hint(format!("the keys are {}", KEYS.join(", "))),
                    });
                }
            }
        }
        let (at, last) = match (arn::is_meant(place), kind) {
            (true, None) => {
                let topic = arn::topic(place)?;
                if arn::is_fifo(&topic) {
                    return Err(bad(
                        text,
                        "a FIFO topic cannot receive alerts: it requires a message group ID, and alerts have none",
                    ));
                }
                (At::Topic { topic: place.to_owned() }, topic.last())
            }
            (true, Some(_)) => return Err(bad(text, "only a webhook has a kind, not a topic")),
            (false, kind) => {
                let parameter = arn::parameter_name(place)?;
                (At::Webhook { parameter, kind }, place.rsplit('/').next().unwrap_or_default())
            }
        };
        let name = match name {
            Some(name) => name,
            None => {
                called(last).map_err(|error| error.hint("give the destination another name: --to '…,name=NAME'"))?
            }
        };
        Ok(Self { name, at, route })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        })
    }
}

fn bad(text: &str, problem: &str) -> Error {
    Error::usage(format!("--to {}: {problem}", echoed(text)))
}

fn called(name: &str) -> Result<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    match !name.is_empty() && name.len() <= 64 && name.chars().all(legal) && name != OWN {
        true => Ok(name.to_owned()),
        false => Err(bad(name, "a name has up to 64 letters, digits and _.- and is not \"webhook\"")),
    }
}

/// The notifier's name for the stack's own webhook.
const OWN: &str = "webhook";

fn pattern(name: &str) -> Result<String> {
    let all = || CATALOGUE.iter().map(|entry| entry.name);
    match all().any(|known| known == name) {
        true => Ok(name.to_owned()),
        false => Err(bad(name, "a route accepts only patterns of the catalogue").hint(match nearest(all(), name) {
            Some(near) => format!("did you mean {near}?"),
            None => {
                "`taskbell pattern list` shows them; the notifier cannot see which rule matched an event".to_owned()
            }
        })),
    }
}

fn family(glob: &str) -> Result<String> {
    match is_ecs_name(&glob.replace(['*', '?'], "-")) {
        true => Ok(glob.to_owned()),
        false => Err(bad(glob, "a family has letters, digits, _ and -, with * and ? as wildcards")),
    }
}

/// Checks the destinations together: their names differ, they fit into the notifier's environment, and every alert has a
/// destination.
///
/// # Errors
/// If one of these does not hold, or nothing would be left for a webhook that receives the rest.
pub fn checked(destinations: &[Destination], takes: WebhookTakes) -> Result<()> {
    for (at, one) in destinations.iter().enumerate() {
        if destinations[..at].iter().any(|other| other.name == one.name) {
            return Err(Error::usage(format!("two destinations have the name {}", one.name))
                .hint("give one of them another name: --to '…,name=NAME'"));
        }
    }
    if takes == WebhookTakes::Nothing && !destinations.iter().any(|one| one.route.takes_all()) {
        return Err(Error::usage("some alerts would match no destination")
            .hint("leave one --to without pattern, family and severity, or send the rest to the stack's own webhook: --webhook-takes rest"));
    }
    if takes == WebhookTakes::Rest && destinations.iter().any(|one| one.route.takes_all()) {
        return Err(Error::usage("one --to receives every alert, so none would be left for the stack's own webhook")
            .hint("use --webhook-takes all, or nothing"));
    }
    match told(destinations).len() {
        0..=LONGEST => Ok(()),
        length => Err(Error::usage(format!(
            "the destinations need {length} characters of the notifier's environment, but only {LONGEST} are available"
        ))
        .hint("use shorter names, fewer destinations, or several stacks")),
    }
}

/// Most characters of the destinations: Lambda accepts 4 KB for all variables of a function together.
const LONGEST: usize = 3_000;

/// Returns the destinations as the notifier reads them.
#[must_use]
pub fn told(destinations: &[Destination]) -> String {
    serde_json::to_string(destinations).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:on-call";

    fn parsed(text: &str) -> Destination {
        text.parse().unwrap()
    }

    #[test]
    fn notifier_receives_the_destinations_as_given() {
        let all = [
            parsed("/ops/teams-webhook"),
            parsed(&format!("{TOPIC},severity=error,severity=warning")),
            parsed("/ops/hook,kind=webhook,name=pager,pattern=task-failed,family=nightly-*"),
        ];
        let told: serde_json::Value = serde_json::from_str(&told(&all)).unwrap();
        let expected = json!([
            { "name": "teams-webhook", "parameter": "/ops/teams-webhook" },
            { "name": "on-call", "topic": TOPIC, "severities": ["error", "warning"] },
            { "name": "pager", "parameter": "/ops/hook", "kind": "webhook", "patterns": ["task-failed"], "families": ["nightly-*"] },
        ]);
        assert_eq!(told, expected);
    }

    #[test]
    fn invalid_destinations_are_explained_with_a_fix() {
        for (text, told) in [
            ("", "is not the name of an SSM parameter"),
            ("https://discord.com/api/webhooks/1/SECRET", "is not the name of an SSM parameter"),
            ("hooks.slack.com/services/T0/B0/SECRET", "is not the name of an SSM parameter"),
            ("https://discord.com/api/webhooks/1/SECRET,kind=x", "slack, teams, discord or webhook"),
            ("https://discord.com/api/webhooks/1/SECRET", "\"https://discord.com/…\""),
            ("/ops/teams/", "is not the name of an SSM parameter"),
            ("arn:aws:sns:us-east-1", "is not the ARN of an SNS topic"),
            ("/a,pattern=task-fail", "did you mean task-failed?"),
            ("/a,patern=task-failed", "did you mean pattern=?"),
            ("/a,severity=fatal", "error, warning or info"),
            ("/a,kind=mattermost", "slack, teams, discord or webhook"),
            (&format!("{TOPIC},kind=webhook"), "only a webhook has a kind, not a topic"),
            (&format!("{TOPIC}.fifo"), "a FIFO topic"),
            ("/a,name=webhook", "is not \"webhook\""),
            ("/ops/webhook", "give the destination another name"),
            ("/a,family=", "has no value"),
            ("/a,family=a b", "a family has letters"),
        ] {
            let error = text.parse::<Destination>().unwrap_err();
            let said = format!("{error} {:?}", error.nearest_hint());
            assert!(said.contains(told) && error.kind() == crate::error::Category::Usage, "{text}: {said}");
            assert!(!said.contains("SECRET"), "{said}");
        }
    }

    #[test]
    fn every_alert_has_a_destination() {
        let routed = parsed("/a,severity=error");
        let whole = parsed("/b");
        for (places, takes, is_good) in [
            (&[][..], WebhookTakes::All, true),
            (&[], WebhookTakes::Nothing, false),
            (std::slice::from_ref(&routed), WebhookTakes::Nothing, false),
            (std::slice::from_ref(&routed), WebhookTakes::Rest, true),
            (&[routed.clone(), whole.clone()], WebhookTakes::Nothing, true),
            (&[routed.clone(), whole.clone()], WebhookTakes::Rest, false),
            (&[whole.clone(), whole], WebhookTakes::All, false),
        ] {
            assert_eq!(checked(places, takes).is_ok(), is_good, "{places:?} {takes:?}");
        }
    }
}
