//! Exports a stack for other engines: the resources that `desired` describes, with blanks for the account, the region, the clusters
//! and the parameter of the webhook. Makes no call and writes no file.
//!
//! Calls `desired` with tokens instead of these values; each engine writes references in place of the tokens. A template therefore
//! always describes the same stack as `setup`.

pub mod cloudformation;
mod hcl;
pub mod terraform;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::arn::Arn;
use crate::aws::kinds::alarm::{self, Alarm};
use crate::aws::kinds::function::{self, Function};
use crate::aws::kinds::log_group::{self, LogGroup};
use crate::aws::kinds::queue::{self, Queue};
use crate::aws::kinds::role::{self, Role};
use crate::aws::kinds::rule::{self, Rule};
use crate::aws::kinds::table::{self, Table};
use crate::aws::kinds::watch::{self, Watch};
use crate::config::destination::WebhookTakes;
use crate::config::{Cluster, Config};
use crate::desired::{Ground, cluster_arn, desired};
use crate::error::{Error, Result};
use crate::notifier::archive::Archive;
use crate::pattern::Pattern;
use crate::pattern::companions::{is_companion, needed_for};
use crate::policy::Policy;
use crate::reconcile::resource::{Adapter, Tags, Want, spec_of};
use crate::stack::{Address, EXPORTED_TAG, Kind, Place, Stack};

/// Tokens as long as the longest partition, region and account, so that a text that fits with them fits everywhere.
const PARTITION: &str = "~partition";
const REGION: &str = "~region~~~~~~~";
const ACCOUNT: &str = "~account~~~~";
const WEBHOOK: &str = "~webhook";
const TOPIC: &str = "~topic";

/// The cluster that ECS uses if a call names none. Patterns contain more about this cluster than its name.
const DEFAULT_CLUSTER: &str = "default";

/// A value that is left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blank {
    Partition,
    Region,
    Account,
    /// The name of a cluster, by its index among the clusters that are left open.
    Cluster(usize),
    WebhookParameter,
    /// The name of the SNS topic for alarms.
    TopicName,
    /// The ARN of the SNS topic for alarms.
    TopicArn,
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a> {
    Text(&'a str),
    Blank(Blank),
}

/// The way in which the topic for alarms is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// By the topic's ARN, wherever the topic is.
    ByArn,
    /// By the topic's name, in the account and region of the stack.
    ByName,
}

/// All resources of a stack, with blanks in their texts.
#[derive(Debug)]
pub struct Blueprint {
    pub stack: Stack,
    pub pieces: Vec<Piece>,
    /// The patterns that the user of the file may choose. Rules for other patterns are always created.
    pub choices: Vec<Choice>,
    /// The rules that are needed only with one of some patterns: the rule's key, and the patterns.
    companions: BTreeMap<String, &'static [&'static str]>,
    /// The default of each blank. Blanks that the engine knows by itself have none.
    pub defaults: Vec<(Blank, String)>,
    /// The hosts of SSM as policies contain them outside of China. In China, both spellings are in use.
    pub ssm_hosts: Vec<String>,
    /// The name of the archive in a bucket. Another archive has another name.
    pub code_file: String,
    pub code_sha256: String,
    tokens: Vec<(String, Blank)>,
}

/// A pattern of the catalogue, with a rule among the pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The key of the pattern's rule.
    pub pattern: String,
    /// Whether the pattern is chosen by default.
    pub chosen: bool,
}

/// A resource of the blueprint.
#[derive(Debug)]
pub struct Piece {
    pub address: Address,
    /// The user's tags, and the tag that names the exported stack. Contains no tag that would make the resource managed by
    /// taskbell.
    pub tags: Tags,
    pub spec: Spec,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "an export has a dozen of these")]
pub enum Spec {
    LogGroup(log_group::Spec),
    Queue(queue::Spec),
    Table(table::Spec),
    Alarm(alarm::Spec),
    Role(role::Spec),
    Function(function::Spec),
    Rule(rule::Spec),
    Watch(watch::Spec),
}

impl Blueprint {
    /// Describes a stack with blanks. With `others`, adds the rules of these patterns, if the patterns can be bound, as choices
    /// of the user of the file.
    ///
    /// # Errors
    /// If a configured value cannot be left open, and for everything that `desired` refuses.
    pub fn new(config: &Config, others: Option<&[Pattern]>, archive: &Archive, topic: Topic) -> Result<Self> {
        let stack = Stack { name: config.stack.clone(), region: REGION.to_owned() };
        let place = Place { partition: PARTITION.to_owned(), region: REGION.to_owned(), account: ACCOUNT.to_owned() };
        names_fit(config, &stack)?;
        let mut opened = Opened { config: config.clone(), tokens: Vec::new(), defaults: Vec::new() };
        opened.open_clusters(&config.clusters)?;
        opened.open_webhook(&stack);
        opened.open_topic(topic, &place);
        opened.config.permissions_boundary = config.permissions_boundary.as_deref().map(anywhere);
        // The user of the file changes settings there, and a record would not follow.
        opened.config.record = None;
        opened.config.own_role_arn = config.own_role_arn.as_deref().map(anywhere);
        let known = [(PARTITION, Blank::Partition), (REGION, Blank::Region), (ACCOUNT, Blank::Account)];
        opened.tokens.extend(known.map(|(token, blank)| (token.to_owned(), blank)));
        let given = format!("{config:?}");
        if let Some((token, _)) = opened.tokens.iter().find(|(token, _)| given.contains(token)) {
            return Err(Error::usage(format!("{token:?} is reserved in an export: no setting may contain it")));
        }
        let choices = opened.open_patterns(others, &place)?;
        let ground = Ground { stack: &stack, place: &place, archive, webhook: None, leaving: &[] };
        let wants = desired(&opened.config, ground)?.wants;
        let companion = |rule: &Pattern| (rule.name.clone(), needed_for(rule));
        let companions = opened.config.companions.iter().map(companion).collect();
        let pieces = wants.iter().map(piece).collect::<Result<_>>()?;
        let Opened { config: _, tokens, defaults } = opened;
        let ssm_hosts = place.service_hosts("ssm");
        let (code_file, code_sha256) = (code_file(archive), archive.code_sha256.clone());
        Ok(Self { stack, pieces, choices, companions, defaults, ssm_hosts, code_file, code_sha256, tokens })
    }

    /// Returns the text, cut at its blanks.
    #[must_use]
    pub fn parts<'a>(&self, text: &'a str) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        let mut rest = text;
        // The first token; of two tokens at one position, the longer one.
        let next = |rest: &str| {
            let found = self.tokens.iter().filter_map(|(token, blank)| Some((rest.find(token)?, token.len(), *blank)));
            found.min_by_key(|(at, length, _)| (*at, usize::MAX - length))
        };
        while let Some((at, length, blank)) = next(rest) {
            if at > 0 {
                parts.push(Part::Text(&rest[..at]));
            }
            parts.push(Part::Blank(blank));
            rest = &rest[at + length..];
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest));
        }
        parts
    }

    /// Returns the choices of which one has to be made for the rule to be needed: the rule's own, or those whose companion it is. None
    /// for a rule that is always needed.
    pub fn choices_for<'a>(&'a self, rule: &'a str) -> impl Iterator<Item = &'a str> {
        let with = self.companions.get(rule).copied().unwrap_or_default();
        let is_of = move |pattern: &&str| *pattern == rule || with.contains(pattern);
        self.choices.iter().map(|choice| choice.pattern.as_str()).filter(is_of)
    }

    /// Returns the rule with that name in AWS.
    ///
    /// # Errors
    /// If no rule has that name.
    pub fn rule_named(&self, name: &str) -> Result<&Address> {
        let rules = self.pieces.iter().filter(|piece| matches!(piece.spec, Spec::Rule(_))).map(|piece| &piece.address);
        let found = rules.into_iter().find(|address| address.name == name);
        found.ok_or_else(|| Error::new(format!("there is no rule {name} to allow")))
    }

    /// Returns the name of a rule in the form of an engine. If several rules would have one name, numbers the later ones.
    #[must_use]
    pub fn distinct_rule(&self, key: &str, called: fn(&str) -> String) -> String {
        let rules = self.pieces.iter().filter(|piece| matches!(piece.spec, Spec::Rule(_)));
        let alike = rules.map(|piece| piece.address.id.key.as_str()).filter(|other| called(other) == called(key));
        match alike.take_while(|other| *other != key).count() {
            0 => called(key),
            earlier => format!("{}_{}", called(key), earlier + 1),
        }
    }
}

/// Checks that the names of the roles contain the whole region, which is left open.
fn names_fit(config: &Config, stack: &Stack) -> Result<()> {
    let (role, end) = match config.watches() {
        true => (stack.watch_role_name(), format!("{REGION}-{}", role::WATCH)),
        false => (stack.role_name(), REGION.to_owned()),
    };
    if config.own_role_arn.is_some() || role.ends_with(&end) {
        return Ok(());
    }
    let most = 64 - format!("taskbell--{end}").len();
    Err(Error::usage(format!("the stack name {} is too long for the role's name", config.stack))
        .hint(format!("the role's name contains the region: give --stack NAME with at most {most} characters")))
}

/// Returns the name of the archive in a bucket.
#[must_use]
pub fn code_file(archive: &Archive) -> String {
    format!("notifier-{:.16}.zip", format!("{:x}", Sha256::digest(&archive.bytes)))
}

/// A configuration whose values are being replaced by blanks.
struct Opened {
    config: Config,
    tokens: Vec<(String, Blank)>,
    defaults: Vec<(Blank, String)>,
}

impl Opened {
    fn open_clusters(&mut self, clusters: &[Cluster]) -> Result<()> {
        self.config.clusters.clear();
        for cluster in clusters {
            let name = cluster.name();
            if cluster.arn().is_some() {
                return Err(Error::usage("an export is for every account and region, and an ARN is only for one")
                    .hint(format!("give the cluster by its name: --cluster {name}")));
            }
            // Patterns say otherwise what a glob means, and a blank is one name.
            let stays = name == DEFAULT_CLUSTER || cluster.is_glob();
            let open = Blank::Cluster(self.defaults.len());
            let token = match stays {
                true => name.to_owned(),
                false => format!("{:-<1$}", format!("-cluster-{}-", self.defaults.len() + 1), name.len()),
            };
            self.config.clusters.push(if cluster.is_glob() { cluster.clone() } else { token.parse()? });
            if !stays {
                self.tokens.push((token, open));
                self.defaults.push((open, name.to_owned()));
            }
        }
        Ok(())
    }

    /// Adds the other patterns that can be bound. Returns the choices; the configuration's own patterns are chosen by default.
    fn open_patterns(&mut self, others: Option<&[Pattern]>, place: &Place) -> Result<Vec<Choice>> {
        let Some(others) = others else { return Ok(Vec::new()) };
        let arns =
            self.config.clusters.iter().map(|cluster| cluster_arn(cluster, place)).collect::<Result<Vec<_>>>()?;
        let choice = |pattern: &Pattern, chosen| Choice { pattern: pattern.name.clone(), chosen };
        let own = self.config.patterns.iter().filter(|pattern| pattern.is_of_catalogue());
        let mut choices: Vec<Choice> = own.map(|pattern| choice(pattern, true)).collect();
        let bound = |pattern: &&Pattern| pattern.bind(&arns, self.config.drill).is_ok();
        let others = others.iter().filter(bound).cloned();
        // Nobody chooses a companion: it follows from the choices.
        let (companions, others): (Vec<Pattern>, Vec<Pattern>) =
            others.partition(|pattern| is_companion(&pattern.name));
        self.config.companions.extend(companions);
        choices.extend(others.iter().map(|pattern| choice(pattern, false)));
        self.config.patterns.extend(others);
        Ok(choices)
    }

    /// Leaves the webhook's parameter open. The default is the user's own parameter, or one with the name that the stack's own
    /// parameter would have, because no template can create a SecureString.
    fn open_webhook(&mut self, stack: &Stack) {
        if self.config.webhook_takes == WebhookTakes::Nothing {
            return;
        }
        let name = self.config.own_parameter.clone().unwrap_or_else(|| stack.parameter_name());
        // In an ARN, a name that begins with a slash follows `parameter` without another one.
        let token = if name.starts_with('/') { format!("/{WEBHOOK}") } else { WEBHOOK.to_owned() };
        self.config.own_parameter = Some(token.clone());
        self.tokens.push((token, Blank::WebhookParameter));
        self.defaults.push((Blank::WebhookParameter, name));
    }

    fn open_topic(&mut self, topic: Topic, place: &Place) {
        let Some(arn) = self.config.alarm_topic.take() else { return };
        let Place { partition, region, account } = place;
        let token = format!("arn:{partition}:sns:{region}:{account}:{TOPIC}");
        match topic {
            Topic::ByArn => {
                self.tokens.push((token.clone(), Blank::TopicArn));
                self.defaults.push((Blank::TopicArn, arn));
            }
            Topic::ByName => {
                let name = Arn::split(&arn).map(|arn| arn.last()).unwrap_or_default();
                self.tokens.push((TOPIC.to_owned(), Blank::TopicName));
                self.defaults.push((Blank::TopicName, name.to_owned()));
            }
        }
        self.config.alarm_topic = Some(token);
    }
}

/// Returns the ARN of a role or policy with blanks for the partition and the account. Both have to be in the account of the
/// resource that uses them, unless AWS owns them.
fn anywhere(arn: &str) -> String {
    let here = |arn: Arn| {
        let account = if arn.account == "aws" { arn.account } else { ACCOUNT };
        Arn { partition: PARTITION, account, ..arn }.to_string()
    };
    Arn::split(arn).map_or_else(|| arn.to_owned(), here)
}

/// Returns the rule, if its pattern repeats no field. CloudFormation and Terraform read a pattern into an object, in which only the
/// last of several equal fields is left.
fn without_repeats(spec: rule::Spec, address: &Address) -> Result<rule::Spec> {
    if !spec.pattern.is_string() {
        return Ok(spec);
    }
    let name = &address.id.key;
    Err(Error::usage(format!(
        "the pattern {name} cannot be exported: it is short enough only with repeated fields, of which CloudFormation and Terraform \
         keep the last"
    ))
    .hint("set it up with `taskbell setup`, or split the pattern into several files without repeated fields"))
}

fn piece(want: &Want) -> Result<Piece> {
    let document = want.document(None);
    let address = want.address.clone();
    let spec = match address.id.kind {
        Kind::LogGroup => Spec::LogGroup(read::<LogGroup>(&address, &document)?),
        Kind::Queue => Spec::Queue(read::<Queue>(&address, &document)?),
        Kind::Table => Spec::Table(read::<Table>(&address, &document)?),
        Kind::Alarm => Spec::Alarm(read::<Alarm>(&address, &document)?),
        Kind::Role => Spec::Role(read::<Role>(&address, &document)?),
        Kind::Function => Spec::Function(read::<Function>(&address, &document)?),
        Kind::Rule => Spec::Rule(without_repeats(read::<Rule>(&address, &document)?, &address)?),
        Kind::Watch => Spec::Watch(read::<Watch>(&address, &document)?),
        // No template can create a SecureString.
        kind @ Kind::Parameter => return Err(Error::new(format!("the kind {kind} cannot be exported"))),
    };
    let mut tags = Tags::deserialize(&document["tags"]).map_err(not_exported(&address))?;
    tags.retain(|key, _| !key.starts_with("taskbell:"));
    tags.insert(EXPORTED_TAG.to_owned(), address.stack.to_string());
    Ok(Piece { address, tags, spec })
}

fn read<A: Adapter>(address: &Address, document: &Value) -> Result<A::Spec> {
    spec_of::<A>(document).map_err(not_exported(address))
}

fn not_exported<E: std::error::Error + Send + Sync + 'static>(address: &Address) -> impl FnOnce(E) -> Error {
    let error = Error::new(format!("{} cannot be exported", address.id));
    |cause| error.because(cause)
}

/// A statement of the function's resource policy, as other engines write it.
#[derive(Debug, PartialEq, Eq)]
pub struct Permission {
    pub action: String,
    pub principal: String,
    pub source_arn: String,
}

impl Permission {
    /// # Errors
    /// If the policy contains more than an action, a service and the resource for which the service acts.
    pub fn of(policy: &Policy) -> Result<Self> {
        let document = policy.document();
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let permission = Self {
            action: text("/Statement/0/Action/0"),
            principal: text("/Statement/0/Principal/Service/0"),
            source_arn: text("/Statement/0/Condition/ArnLike/aws:SourceArn/0"),
        };
        let Self { action, principal, source_arn } = &permission;
        let said = Policy::of_statement(&serde_json::json!({
            "Effect": "Allow",
            "Principal": { "Service": principal },
            "Action": action,
            "Resource": text("/Statement/0/Resource/0"),
            "Condition": { "ArnLike": { "aws:SourceArn": source_arn } },
        }));
        match said == *policy {
            true => Ok(permission),
            false => Err(Error::new("a permission of the function cannot be exported")),
        }
    }
}

/// Returns the words of a key, from which each engine builds names in its own form.
#[must_use]
pub fn words(key: &str) -> Vec<&str> {
    key.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect()
}
