//! Reads `taskbell.toml`: all settings that flags have, for one or many stacks.
//!
//! An error has the line and column, and the nearest key if a key is unknown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Command, ValueEnum};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::config::destination::{Kind, Severity};
use crate::config::job::{self, Job};
use crate::config::settings::{CONTRADICTIONS, FilterSettings, Settings, Trouble, contradiction};
use crate::error::{Error, Result, nearest};
use crate::secret::{file_without_secrets, quotes_without_secrets, without_secrets};
use crate::stack::StackName;
use crate::{arn, config, input};

/// The name under which the file is searched in the current folder.
pub const NAME: &str = "taskbell.toml";

/// A file that was read and checked.
#[derive(Debug, Default)]
pub struct File {
    pub path: PathBuf,
    /// The name of the fleet: the tag by which stacks that are no longer in the file are found.
    pub fleet: Option<String>,
    /// The settings for stacks that do not set their own.
    pub defaults: Member,
    pub stacks: Vec<Member>,
}

/// A stack of the file, completed by the defaults.
#[derive(Debug, Clone, Default)]
pub struct Member {
    /// The name of the stack; none only in the defaults.
    pub name: Option<StackName>,
    pub site: Site,
    pub settings: Settings,
}

/// The region and the account of a stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct Site {
    pub region: Option<String>,
    pub profile: Option<String>,
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
}

/// A check of a value of the file.
type Check = fn(&str) -> Result<()>;

/// A role in another account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Assumed {
    pub role_arn: String,
    pub external_id: Option<String>,
}

impl Site {
    #[must_use]
    pub fn assumed(&self) -> Option<Assumed> {
        let role_arn = self.role_arn.clone()?;
        Some(Assumed { role_arn, external_id: self.external_id.clone() })
    }

    /// Returns the values that AWS's rules restrict, by their keys, with the check of each.
    fn checks(&self) -> [(&'static str, Option<&str>, Check); 3] {
        [
            ("region", self.region.as_deref(), |text| arn::region(text).map(drop)),
            ("role_arn", self.role_arn.as_deref(), |text| arn::role(text).map(drop)),
            ("external_id", self.external_id.as_deref(), arn::external_id),
        ]
    }

    fn or(self, wider: &Self) -> Self {
        // A site that names its own credentials does not use the defaults' role, and an external id belongs to its role.
        let own = self.profile.is_some() || self.role_arn.is_some();
        let (role_arn, external_id) = match own {
            true => (self.role_arn, self.external_id),
            false => (wider.role_arn.clone(), self.external_id.or_else(|| wider.external_id.clone())),
        };
        Self {
            region: self.region.or_else(|| wider.region.clone()),
            profile: self.profile.or_else(|| wider.profile.clone()),
            role_arn,
            external_id,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    name: Option<String>,
}

/// The document; each reader uses the fields that it knows in the document's tables.
#[derive(Default, Deserialize)]
#[serde(default, bound = "T: DeserializeOwned + Default")]
struct Document<T> {
    fleet: Option<String>,
    defaults: T,
    stack: Vec<T>,
}

impl File {
    /// Finds the named file, or the one in this folder; none if there is none in this folder.
    ///
    /// # Errors
    /// If the file cannot be read, or has a mistake.
    pub fn find(named: Option<&Path>) -> Result<Option<Self>> {
        let path = named.unwrap_or(Path::new(NAME));
        match std::fs::read(path) {
            Ok(bytes) => Self::parse(path, &input::text(bytes, &path.display().to_string())?).map(Some),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::usage(format!("cannot read {}", file_without_secrets(path))).because(error)),
        }
    }

    /// # Errors
    /// For the first mistake, with its line and column.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let text = &Text { path, text };
        let tree = DeTable::parse(text.text).map_err(|error| {
            let mistake = text.mistake(error.span().as_ref(), error.message());
            text.orphan().into_iter().fold(mistake, Error::hint)
        })?;
        let keys = Keys::of(text, tree.get_ref())?;
        let Document { fleet, defaults: of_defaults, stack: settings } = text.read::<Settings>()?;
        let (sites, names) = (text.read::<Site>()?, text.read::<Named>()?);
        if let Some(fleet) = &fleet {
            config::tag(&format!("fleet={fleet}")).map_err(|error| text.at(keys.top.get("fleet"), &error))?;
        }
        let here = path.parent().unwrap_or(Path::new(""));
        let defaults = Member { name: None, site: sites.defaults, settings: beside(here, of_defaults) };
        // Tags are joined: a stack's tags do not replace the defaults'.
        defaults.settings.tags().map_err(|error| text.at(keys.defaults.get("tags"), &error))?;
        let mut stacks: Vec<Member> = Vec::new();
        for (at, ((own, site), Named { name })) in settings.into_iter().zip(sites.stack).zip(names.stack).enumerate() {
            let keys = Where { own: keys.stacks.get(at), defaults: &keys.defaults, start: keys.starts.get(at) };
            let settings = beside(here, own).or(defaults.settings.clone());
            let settings = Settings { fleet: fleet.clone(), ..settings };
            let site = site.or(&defaults.site);
            let name = name.map(|name| name.parse::<StackName>().map_err(|error| text.at(keys.find("name"), &error)));
            let name = match name.transpose()? {
                Some(name) => name,
                None => of_first_cluster(&settings).map_err(|error| text.at(keys.find("clusters"), &error))?,
            };
            for (key, value, check) in site.checks() {
                value.map_or(Ok(()), check).map_err(|error| text.at(keys.find(key), &error))?;
            }
            settings.config(name.clone()).map_err(|Trouble { key, error }| text.at(keys.find(key), &error))?;
            if stacks.iter().any(|other| other.name.as_ref() == Some(&name) && other.site == site) {
                let error =
                    Error::usage(format!("the stack {name} is defined twice")).hint("give one of them another name");
                return Err(text.at(keys.find("name"), &error));
            }
            if let Some(other) = stacks.iter().find(|other| shares_role(other, &name, &site, &settings)) {
                let other = other.name.as_ref().map(StackName::as_str).unwrap_or_default();
                let told =
                    format!("the stacks {other} and {name} differ only by case: IAM would take their roles for one");
                return Err(text.at(keys.find("name"), &Error::usage(told).hint("give one of them another name")));
            }
            stacks.push(Member { name: Some(name), site, settings });
        }
        Ok(Self { path: path.to_owned(), fleet, defaults, stacks })
    }
}

/// Returns whether the other stack and the stack with these settings would have one role: IAM does not distinguish names by case.
fn shares_role(other: &Member, name: &StackName, site: &Site, settings: &Settings) -> bool {
    let are_taskbells = [&other.settings, settings].iter().all(|one| one.notifier_role_arn.is_none());
    let is_alike = other.name.as_ref().is_some_and(|other| other.as_str().eq_ignore_ascii_case(name.as_str()));
    are_taskbells && is_alike && other.site == *site
}

fn of_first_cluster(settings: &Settings) -> Result<StackName> {
    match settings.clusters()?.first() {
        Some(cluster) => cluster.stack_name(),
        None => {
            Err(Error::usage("a stack needs a name or a cluster")
                .hint("give it `name = \"…\"` or `clusters = [\"…\"]`"))
        }
    }
}

/// Resolves the paths of files relative to the folder of the file that names them.
fn beside(folder: &Path, settings: Settings) -> Settings {
    let is_file = |name: &str| name.contains('/') || Path::new(name).extension().is_some();
    let path = |name: String| match is_file(&name) {
        true => folder.join(&name).to_string_lossy().into_owned(),
        false => name,
    };
    let patterns = settings.patterns.map(|names| names.into_iter().map(path).collect());
    Settings { patterns, ..settings }
}

/// The text of the file, which finds the line and column of a span.
struct Text<'a> {
    path: &'a Path,
    text: &'a str,
}

type Span = std::ops::Range<usize>;

impl Text<'_> {
    fn read<T: DeserializeOwned + Default>(&self) -> Result<Document<T>> {
        toml::from_str(self.text).map_err(|error| {
            let mistake = self.mistake(error.span().as_ref(), error.message());
            match (error.message().contains("expected a sequence"), self.orphan()) {
                (true, Some(hint)) => mistake.hint(hint),
                (true, None) => mistake.hint("a list needs brackets, even around a single value: [\"…\"]"),
                (false, _) => mistake,
            }
        })
    }

    /// Returns the hint about a table of a stack that comes before the first stack.
    fn orphan(&self) -> Option<String> {
        let first = self.text.lines().map(str::trim_start).find(|line| line.starts_with("[[stack"))?;
        let header = ["[[stack.job]]", "[[stack.to]]"].into_iter().find(|header| first.starts_with(header))?;
        Some(format!("{header} must come below the [[stack]] that it belongs to"))
    }

    fn mistake(&self, span: Option<&Span>, message: &str) -> Error {
        // A library's message may have several lines.
        let message = message.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("; ");
        // A library quotes the value that it did not expect.
        Error::usage(format!("{}: {}", self.place(span), quotes_without_secrets(&message)))
    }

    /// Returns the error with its position in the file.
    fn at(&self, span: Option<&Span>, error: &Error) -> Error {
        let hint = error.nearest_hint().cloned();
        let told = Error::usage(format!("{}: {}", self.place(span), error.in_one_line()));
        hint.into_iter().fold(told, Error::hint)
    }

    /// Returns a position as `taskbell.toml:3:1`.
    fn place(&self, span: Option<&Span>) -> String {
        let path = self.path.display();
        let Some(before) = span.and_then(|span| self.text.get(..span.start)) else { return path.to_string() };
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{path}:{line}:{column}")
    }
}

/// The position of each key.
type Spans = BTreeMap<String, Span>;

#[derive(Default)]
struct Keys {
    top: Spans,
    defaults: Spans,
    stacks: Vec<Spans>,
    /// The beginning of each stack.
    starts: Vec<Span>,
}

/// The keys of a stack and of the defaults.
struct Where<'a> {
    own: Option<&'a Spans>,
    defaults: &'a Spans,
    start: Option<&'a Span>,
}

impl<'a> Where<'a> {
    fn find(&self, key: &str) -> Option<&'a Span> {
        self.own.and_then(|keys| keys.get(key)).or_else(|| self.defaults.get(key)).or(self.start)
    }
}

impl Keys {
    /// Finds the keys of all tables; every key has to be in the schema.
    fn of(text: &Text, tree: &DeTable) -> Result<Self> {
        let schema = schema();
        let mut keys = Self { top: known(text, tree, &schema)?, ..Self::default() };
        for (key, value) in tree {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("defaults", DeValue::Table(table)) => {
                    keys.defaults = checked(text, table, &schema["properties"]["defaults"])?;
                }
                ("stack", DeValue::Array(stacks)) => {
                    for stack in stacks {
                        if let DeValue::Table(table) = stack.get_ref() {
                            keys.starts.push(stack.span());
                            keys.stacks.push(checked(text, table, &schema["properties"]["stack"]["items"])?);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(keys)
    }
}

/// Checks the keys of a table with settings of stacks, and of the tables in it.
fn checked(text: &Text, table: &DeTable, schema: &Value) -> Result<Spans> {
    let spans = known(text, table, schema)?;
    for (key, value) in table {
        let schema = &schema["properties"][key.get_ref().as_ref()];
        match value.get_ref() {
            DeValue::Table(inner) if schema.get("properties").is_some() => {
                known(text, inner, schema)?;
            }
            DeValue::Array(items) if schema["items"].get("anyOf").is_some() => {
                for item in items {
                    if let DeValue::Table(inner) = item.get_ref() {
                        known(text, inner, &schema["items"]["anyOf"][1])?;
                    }
                }
                if key.get_ref() == "job" {
                    jobs(text, items)?;
                }
            }
            _ => {}
        }
    }
    for (one, other) in CONTRADICTIONS {
        let is_off = |key: &str| table.get(key).is_some_and(|value| matches!(value.get_ref(), DeValue::Boolean(false)));
        if let (Some(first), Some(second)) = (spans.get(one), spans.get(other))
            && !is_off(one)
        {
            let later = if first.start > second.start { first } else { second };
            return Err(text.mistake(Some(later), &contradiction(one, other)));
        }
    }
    Ok(spans)
}

/// Checks the expectations of jobs: a mistake has the position of its key.
fn jobs(text: &Text, items: &DeArray) -> Result<()> {
    let mut all = Vec::new();
    for item in items {
        all.push(match item.get_ref() {
            DeValue::String(flag) => Job::parse(flag).map_err(|error| text.at(Some(&item.span()), &error))?,
            DeValue::Table(table) => job_of(text, table, &item.span())?,
            // The reader of the settings reports the type.
            _ => return Ok(()),
        });
    }
    Job::joined(all).map(drop).map_err(|(at, error)| text.at(items.get(at).map(Spanned::span).as_ref(), &error))
}

/// Reads a job from its table, which starts at this position.
fn job_of(text: &Text, table: &DeTable, start: &Span) -> Result<Job> {
    let mut pairs = Vec::new();
    let mut spans = BTreeMap::new();
    for (key, value) in table {
        let name = key.get_ref().replace('_', "-");
        let Some(known) = job::KEYS.into_iter().chain([job::NAME]).find(|known| *known == name) else { continue };
        let DeValue::String(value) = value.get_ref() else {
            let told = format!("{} has to be a string, as in \"30m\"", key.get_ref());
            return Err(text.mistake(Some(&value.span()), &told));
        };
        pairs.push((known, value.as_ref()));
        spans.insert(known, key.span());
    }
    Job::of_pairs(&pairs).map_err(|mistake| text.at(spans.get(mistake.key).or(Some(start)), &mistake.error))
}

/// Likely keys for a webhook.
const SECRETS: [&str; 4] = ["webhook", "webhook_url", "slack_webhook", "slack_webhook_url"];

fn known(text: &Text, table: &DeTable, schema: &Value) -> Result<Spans> {
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let mut spans = Spans::new();
    for key in table.keys() {
        let name = key.get_ref().as_ref();
        if !properties.contains_key(name) {
            let error = text.mistake(Some(&key.span()), &format!("unknown key {}", without_secrets(name)));
            let all = || properties.keys().map(String::as_str);
            return Err(error.hint(match nearest(all(), name) {
                _ if SECRETS.contains(&name) => {
                    "the webhook is a secret, and is not allowed in the file: set TASKBELL_SLACK_WEBHOOK_URL, or name the SSM \
                     parameter that holds the webhook: webhook_parameter = \"/team/slack-webhook\""
                        .to_owned()
                }
                Some(near) => format!("did you mean {near}?"),
                None => format!("the keys here are {}", all().collect::<Vec<_>>().join(", ")),
            }));
        }
        spans.insert(name.to_owned(), key.span());
    }
    Ok(spans)
}

/// Returns the JSON Schema of the file, for editors. The keys are the flags, with their help.
#[must_use]
pub fn schema() -> Value {
    let filters = properties(&FilterSettings::augment_args(Command::new("")), &Map::new());
    let mut settings = properties(&Settings::augment_args(Command::new("")), &filters);
    settings.insert("filters".to_owned(), object("Filters that narrow the patterns", &filters));
    settings.insert("tags".to_owned(), json!({ "type": "object", "additionalProperties": { "type": "string" }, "description": "Tags for every resource of the stack" }));
    let text = |told: &str| json!({ "type": "string", "description": told });
    for (key, told) in [
        ("region", "The AWS region"),
        ("profile", "The AWS profile"),
        (
            "role_arn",
            "The role that taskbell itself assumes, for example in another account; the notifier's role is notifier_role_arn",
        ),
        ("external_id", "The external ID that this role's trust policy requires"),
    ] {
        settings.insert(key.to_owned(), text(told));
    }
    let mut stack = settings.clone();
    stack.insert("name".to_owned(), text("The stack's name [default: the first cluster's name]"));
    let top = json!({
        "fleet": text("The name of this fleet; setup tags every stack with it, so that taskbell can find stacks that are no longer in this file"),
        "defaults": object("Settings for all stacks that do not set them", &settings),
        "stack": { "type": "array", "items": object("A stack", &stack), "description": "The stacks, one [[stack]] each" },
    });
    let mut schema = object("taskbell.toml", top.as_object().unwrap_or(&Map::new()));
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!(NAME);
    schema
}

/// Returns the schema of a destination as a table.
fn place() -> Value {
    let list = json!({ "type": "array", "items": { "type": "string" } });
    let text = json!({ "type": "string" });
    json!({ "type": "object", "additionalProperties": false, "properties": {
        "parameter": text, "topic": text, "name": text, "kind": { "enum": names::<Kind>() },
        "patterns": list, "families": list, "severities": { "type": "array", "items": { "enum": names::<Severity>() } },
    } })
}

/// Returns the schema of a job as a table.
fn job_table() -> Value {
    let keys = [job::NAME].into_iter().chain(job::KEYS).map(|key| (key.replace('-', "_"), json!({ "type": "string" })));
    let properties: Map<String, Value> = keys.collect();
    json!({ "type": "object", "additionalProperties": false, "required": [job::NAME], "properties": properties })
}

/// Returns the values that a flag accepts.
fn names<T: ValueEnum>() -> Vec<String> {
    T::value_variants().iter().filter_map(T::to_possible_value).map(|value| value.get_name().to_owned()).collect()
}

fn object(told: &str, properties: &Map<String, Value>) -> Value {
    json!({ "type": "object", "description": told, "additionalProperties": false, "properties": properties })
}

/// Returns one property for each flag that is not among `others`.
fn properties(command: &Command, others: &Map<String, Value>) -> Map<String, Value> {
    let arguments = command.get_arguments().filter(|argument| !others.contains_key(argument.get_id().as_str()));
    arguments
        .map(|argument| {
            let id = argument.get_id().as_str();
            let values = argument.get_possible_values();
            let mut property = match (id, argument.get_action()) {
                ("log_retention", _) => json!({ "type": ["integer", "string"] }),
                ("log_lines" | "storm_window" | "pattern_quota" | "rule_quota", _) => json!({ "type": "integer" }),
                ("to", _) => json!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, place()] } }),
                ("job", _) => json!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, job_table()] } }),
                (_, ArgAction::Append) => json!({ "type": "array", "items": { "type": "string" } }),
                ("language" | "webhook_takes", _) => {
                    json!({ "enum": values.iter().map(clap::builder::PossibleValue::get_name).collect::<Vec<_>>() })
                }
                _ if !argument.is_require_equals_set() => json!({ "type": "string" }),
                _ => json!({ "type": "boolean" }),
            };
            let told = match id {
                // The key is the opposite of its flag, --no-redaction.
                "redaction" => {
                    "false: show log lines unredacted; by default, text in them that looks like a credential is replaced, as it always is elsewhere"
                        .to_owned()
                }
                _ => argument.get_help().map(ToString::to_string).unwrap_or_default(),
            };
            property["description"] = json!(told.replace("; may be repeated", ""));
            (id.to_owned(), property)
        })
        .collect()
}
