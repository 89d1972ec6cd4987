//! Identifies a stack: its name, its region and account, and the names of its resources in AWS.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::arn::{Arn, is_ecs_name};
use crate::error::{Error, Result};
use crate::secret::echoed;

/// The tag that marks a resource as managed by taskbell, and names its stack.
pub const STACK_TAG: &str = "taskbell:stack";

/// The beginning of the names of the resources of every stack, except parameters and log groups.
pub const NAMES: &str = "taskbell-";

/// The path of all roles of taskbell, so that a permission to manage them can be limited to it.
pub const ROLE_PATH: &str = "/taskbell/";

/// The tag that another engine gives to the resources of an exported stack: they work for the stack, but taskbell must not
/// change them.
pub const EXPORTED_TAG: &str = "taskbell:exported";

/// The tag that names the fleet of a stack: the stacks of one file.
pub const FLEET_TAG: &str = "taskbell:fleet";

/// The keys of the alarms that a stack may have: on the entries of the queue, and on the notifier's failures.
pub const ALARMS: [&str; 2] = ["undelivered", "errors"];

/// The end of the name of the role with which Scheduler invokes the notifier, unless the name is shortened.
pub const WATCH_ROLE_END: &str = "-watch";

/// The name of a stack: 1 to 255 of `A-Z a-z 0-9 - _`, the characters that ECS accepts in a cluster's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct StackName(String);

impl StackName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StackName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if !is_ecs_name(text) {
            return Err(Error::usage(format!("{} is not a stack name", echoed(text)))
                .hint("a stack name has 1 to 255 letters, digits, hyphens and underscores; `--stack NAME` sets it"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that taskbell manages under one name in one region (of the account of the credentials in use).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    pub name: StackName,
    pub region: String,
}

impl Stack {
    #[must_use]
    pub fn function_name(&self) -> String {
        fit(&format!("taskbell-{}", self.name), 64)
    }

    /// Returns the name of the role. IAM is global, so the name includes the region: two regions never share a role.
    #[must_use]
    pub fn role_name(&self) -> String {
        fit(&format!("taskbell-{}-{}", self.name, self.region), 64)
    }

    /// Returns the name of the role with which Scheduler invokes the notifier. The name includes the region, as every role's.
    #[must_use]
    pub fn watch_role_name(&self) -> String {
        fit(&format!("taskbell-{}-{}{WATCH_ROLE_END}", self.name, self.region), 64)
    }

    /// Returns the name of the schedule group.
    #[must_use]
    pub fn schedule_group_name(&self) -> String {
        fit(&format!("taskbell-{}", self.name), 64)
    }

    #[must_use]
    pub fn queue_name(&self) -> String {
        fit(&format!("taskbell-{}-undelivered", self.name), 80)
    }

    #[must_use]
    pub fn table_name(&self) -> String {
        fit(&format!("taskbell-{}-announcements", self.name), 255)
    }

    /// Returns the name of an alarm, which ends with the whole key.
    #[must_use]
    pub fn alarm_name(&self, key: &str) -> String {
        format!("{}{key}", fit(&format!("taskbell-{}-", self.name), 200))
    }

    #[must_use]
    pub fn log_group_name(&self) -> String {
        format!("/aws/lambda/{}", self.function_name())
    }

    #[must_use]
    pub fn parameter_name(&self) -> String {
        format!("/taskbell/{}/slack-webhook-url", self.name)
    }

    #[must_use]
    pub fn rule_name(&self, pattern: &str) -> String {
        fit(&format!("{}{pattern}", self.whole_rule_prefix()), 64)
    }

    /// Returns the prefix of the names of all rules of this stack, shortened or not. Rules of other stacks may have the prefix,
    /// too.
    #[must_use]
    pub fn rule_prefix(&self) -> String {
        let mut prefix = self.whole_rule_prefix();
        prefix.truncate(64 - HASH_LENGTH);
        prefix
    }

    /// Returns the prefix without shortening: the pattern's name follows it.
    #[must_use]
    pub fn whole_rule_prefix(&self) -> String {
        format!("taskbell-{}-", self.name)
    }
}

const HASH_LENGTH: usize = 9;

/// Returns the name, or, if it is longer than `limit` characters, its beginning and a hash of the whole.
fn fit(name: &str, limit: usize) -> String {
    if name.len() <= limit {
        return name.to_owned();
    }
    let hash = format!("{:x}", Sha256::digest(name));
    let beginning: String = name.chars().take(limit - HASH_LENGTH).collect();
    format!("{beginning}-{}", &hash[..HASH_LENGTH - 1])
}

/// Defines the kinds from one list, so that every kind has a name and is in `Kind::ALL`.
macro_rules! kinds {
    ($($kind:ident = $name:literal,)*) => {
        /// A kind of resource.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($kind,)*
        }

        impl Kind {
            /// All kinds, in the order in which taskbell asks AWS about them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Returns the name that ids, plans and JSON contain.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    Parameter = "parameter",
    LogGroup = "log_group",
    Queue = "queue",
    Table = "table",
    Alarm = "alarm",
    Role = "role",
    Function = "function",
    Rule = "rule",
    Watch = "watch",
}

impl Kind {
    /// Returns the kind with that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

/// Compares the names: plans and reports list the resources in this order.
impl Ord for Kind {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The key of an id that stands for every resource of its kind.
const EVERY: &str = "*";

/// A resource of a stack: `role/notifier`, `rule/task-failed`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    pub kind: Kind,
    pub key: String,
}

impl Id {
    pub fn new(kind: Kind, key: impl Into<String>) -> Self {
        Self { kind, key: key.into() }
    }

    /// Returns the id that stands for every resource of a kind, if AWS cannot list them.
    #[must_use]
    pub fn every(kind: Kind) -> Self {
        Self::new(kind, EVERY)
    }

    /// Returns whether the id stands for every resource of its kind, and not for one resource.
    #[must_use]
    pub fn is_every(&self) -> bool {
        self.key == EVERY
    }

    /// Reads an id as a user types it.
    ///
    /// # Errors
    /// If it is not of the form `kind/key` with one of taskbell's kinds.
    pub fn parse(text: &str) -> Result<Self> {
        let (kind, key) = text.split_once('/').unwrap_or((text, ""));
        match Kind::named(kind) {
            Some(kind) if !key.is_empty() => Ok(Self::new(kind, key)),
            _ => Err(Error::usage(format!("{} is not the id of a resource", echoed(text)))
                .hint("use an id from the plan, for example log_group/notifier or rule/task-failed")),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.key)
    }
}

impl Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The thing whose progress taskbell reports: a resource of the stack, or something else that AWS has to accept or show.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Resource(Id),
    /// The whole stack.
    Stack(StackName),
    /// The pattern with this name, about which taskbell asks EventBridge before a rule exists.
    Pattern(String),
    /// The event of a drill, on its way to the notifier.
    Drill,
}

impl From<&Id> for Subject {
    fn from(id: &Id) -> Self {
        Self::Resource(id.clone())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(id) => id.fmt(f),
            Self::Stack(name) => write!(f, "stack/{name}"),
            Self::Pattern(name) => write!(f, "pattern/{name}"),
            Self::Drill => f.write_str("drill/event"),
        }
    }
}

/// The address of a resource: its id in the stack, and its name in AWS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub id: Id,
    pub name: String,
    /// The stack that has to own the resource.
    pub stack: StackName,
}

/// Account, partition and region: the parts that an ARN needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub partition: String,
    pub region: String,
    pub account: String,
}

impl Place {
    /// Reads the partition from the ARN that STS returns for the caller, and never assumes it.
    #[must_use]
    pub fn of_caller(arn: &str, account: &str, region: &str) -> Self {
        Self {
            partition: Arn::split(arn).map_or("aws", |arn| arn.partition).to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
        }
    }

    /// Derives the partition from the region, without a call to AWS.
    #[must_use]
    pub fn of_region(account: &str, region: &str) -> Self {
        let partitions = [
            ("cn-", "aws-cn"),
            ("us-gov-", "aws-us-gov"),
            ("eusc-", "aws-eusc"),
            ("us-iso-", "aws-iso"),
            ("us-isob-", "aws-iso-b"),
            ("eu-isoe-", "aws-iso-e"),
            ("us-isof-", "aws-iso-f"),
        ];
        let known = partitions.iter().find(|(prefix, _)| region.starts_with(prefix));
        let partition = known.map_or("aws", |(_, partition)| partition);
        Self { partition: partition.to_owned(), region: region.to_owned(), account: account.to_owned() }
    }

    /// Returns the ARN of a resource of a stack.
    #[must_use]
    pub fn arn_of(&self, address: &Address) -> String {
        let name = &address.name;
        match address.id.kind {
            Kind::Parameter => self.parameter_arn(name),
            Kind::LogGroup => self.log_group_arn(name),
            Kind::Queue => self.queue_arn(name),
            Kind::Table => self.table_arn(name),
            Kind::Alarm => self.alarm_arn(name),
            Kind::Role => self.role_arn(&format!("/taskbell/{name}")),
            Kind::Function => self.function_arn(name),
            Kind::Rule => self.rule_arn(name),
            Kind::Watch => self.schedule_group_arn(name),
        }
    }

    fn arn(&self, service: &str, rest: &str) -> String {
        let Self { partition, region, account } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{rest}")
    }

    #[must_use]
    pub fn cluster_arn(&self, cluster: &str) -> String {
        self.arn("ecs", &format!("cluster/{cluster}"))
    }

    #[must_use]
    pub fn function_arn(&self, name: &str) -> String {
        self.arn("lambda", &format!("function:{name}"))
    }

    /// Returns the ARN of a mapping through which a queue or a stream invokes a function.
    #[must_use]
    pub fn event_source_arn(&self, id: &str) -> String {
        self.arn("lambda", &format!("event-source-mapping:{id}"))
    }

    /// Returns the ARN of a rule on the default bus.
    #[must_use]
    pub fn rule_arn(&self, name: &str) -> String {
        self.arn("events", &format!("rule/{name}"))
    }

    #[must_use]
    pub fn schedule_group_arn(&self, name: &str) -> String {
        self.arn("scheduler", &format!("schedule-group/{name}"))
    }

    /// Returns the ARN of a schedule of a group; `*` stands for any schedule.
    #[must_use]
    pub fn schedule_arn(&self, group: &str, name: &str) -> String {
        self.arn("scheduler", &format!("schedule/{group}/{name}"))
    }

    /// Returns the ARN of the default bus.
    #[must_use]
    pub fn bus_arn(&self) -> String {
        self.arn("events", "event-bus/default")
    }

    #[must_use]
    pub fn queue_arn(&self, name: &str) -> String {
        self.arn("sqs", name)
    }

    #[must_use]
    pub fn table_arn(&self, name: &str) -> String {
        self.arn("dynamodb", &format!("table/{name}"))
    }

    #[must_use]
    pub fn alarm_arn(&self, name: &str) -> String {
        self.arn("cloudwatch", &format!("alarm:{name}"))
    }

    #[must_use]
    pub fn log_group_arn(&self, name: &str) -> String {
        self.arn("logs", &format!("log-group:{name}"))
    }

    /// Returns the ARN of a parameter: `/a/b` and `a` both follow `parameter` with one slash.
    #[must_use]
    pub fn parameter_arn(&self, name: &str) -> String {
        self.arn("ssm", &format!("parameter/{}", name.trim_start_matches('/')))
    }

    #[must_use]
    pub fn role_arn(&self, path_and_name: &str) -> String {
        format!("arn:{}:iam::{}:role{path_and_name}", self.partition, self.account)
    }

    /// Returns a service's hosts in this region, as condition keys name them. In China both spellings are in use.
    #[must_use]
    pub fn service_hosts(&self, service: &str) -> Vec<String> {
        let suffixes: &[&str] = match self.partition.as_str() {
            "aws-cn" => &["amazonaws.com", "amazonaws.com.cn"],
            "aws-eusc" => &["amazonaws.eu"],
            _ => &["amazonaws.com"],
        };
        suffixes.iter().map(|suffix| format!("{service}.{}.{suffix}", self.region)).collect()
    }

    #[must_use]
    pub fn key_arn_pattern(&self) -> String {
        self.arn("kms", "key/*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stack(name: &str) -> Stack {
        Stack { name: name.parse().unwrap(), region: "ap-northeast-1".to_owned() }
    }

    #[test]
    fn short_names_are_readable() {
        let stack = stack("batch");
        assert_eq!(stack.function_name(), "taskbell-batch");
        assert_eq!(stack.role_name(), "taskbell-batch-ap-northeast-1");
        assert_eq!(stack.rule_name("task-failed"), "taskbell-batch-task-failed");
        assert_eq!(stack.parameter_name(), "/taskbell/batch/slack-webhook-url");
    }

    #[test]
    fn ids_of_all_kinds_are_read_back_and_sorted_by_name() {
        for kind in Kind::ALL {
            let id = Id::new(*kind, "a");
            assert_eq!((Id::parse(&id.to_string()).unwrap(), Kind::named(kind.as_str())), (id, Some(*kind)));
        }
        let mut kinds = Kind::ALL.to_vec();
        kinds.sort();
        let names = ["alarm", "function", "log_group", "parameter", "queue", "role", "rule", "table", "watch"];
        assert_eq!(kinds.iter().map(ToString::to_string).collect::<Vec<_>>(), names);
        assert_eq!(serde_json::to_value(&kinds).unwrap(), serde_json::json!(names));
    }

    #[test]
    fn names_that_aws_would_refuse_are_refused() {
        for bad in ["", "a b", "a/b", "日本", "a.b", &"x".repeat(256)] {
            assert_eq!(bad.parse::<StackName>().unwrap_err().kind(), crate::error::Category::Usage, "{bad}");
        }
    }

    #[test]
    fn partition_is_the_callers() {
        let place = Place::of_caller("arn:aws-cn:iam::123456789012:user/me", "123456789012", "cn-north-1");
        assert_eq!(place.rule_arn("r"), "arn:aws-cn:events:cn-north-1:123456789012:rule/r");
        assert_eq!(place.role_arn("/taskbell/r"), "arn:aws-cn:iam::123456789012:role/taskbell/r");
        assert_eq!(place.parameter_arn("/a/b"), place.parameter_arn("a/b"));
    }

    proptest! {
        #[test]
        fn every_name_keeps_its_service_limit(name in "[A-Za-z0-9_-]{1,255}", pattern in "[a-z-]{1,64}") {
            let stack = stack(&name);
            prop_assert!(stack.function_name().len() <= 64);
            prop_assert!(stack.role_name().len() <= 64);
            prop_assert!(stack.watch_role_name().len() <= 64);
            prop_assert!(stack.schedule_group_name().len() <= 64);
            prop_assert!(stack.queue_name().len() <= 80);
            prop_assert!(stack.table_name().len() <= 255);
            prop_assert!(stack.alarm_name("undelivered").len() <= 255);
            prop_assert!(stack.rule_name(&pattern).len() <= 64);
            prop_assert!(stack.log_group_name().len() <= 512);
            prop_assert!(stack.parameter_name().len() <= 900);
            prop_assert!(stack.rule_name(&pattern).starts_with(&stack.rule_prefix()));
        }

        #[test]
        fn long_names_with_different_ends_differ(name in "[a-z]{100}", end in "[0-9]{3}", other in "[0-9]{3}") {
            prop_assume!(end != other);
            let (a, b) = (stack(&format!("{name}{end}")), stack(&format!("{name}{other}")));
            prop_assert_ne!(a.function_name(), b.function_name());
            prop_assert_ne!(a.rule_name("task-failed"), b.rule_name("task-failed"));
        }
    }
}
