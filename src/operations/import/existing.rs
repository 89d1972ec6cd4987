//! What is there already: rules of others that ring for ECS, and what hangs on them.

use std::fmt;

use serde_json::Value;

use super::scope;
use crate::aws::calls::foreign::{Foreign, Function, Rule, Target};
use crate::config::WebhookHosts;
use crate::error::{Category, Error, Result};
use crate::pattern::matcher::Repeated;
use crate::pattern::read;
use crate::pattern::tree::Tree;
use crate::reconcile::resource::{Tags, served};
use crate::stack::{Place, STACK_TAG};

/// A rule of somebody else's, with what it rings.
pub struct ExistingAlert {
    pub rule: Rule,
    /// As EventBridge judges it: no field comes again.
    pub pattern: Tree,
    /// The fields that come again in the rule's pattern as it is written.
    pub repeated: Vec<Repeated>,
    pub clusters: Clusters,
    pub targets: Vec<Target>,
    /// None: its target is no function, or one that is not there.
    pub function: Option<Function>,
    pub keeper: Option<Keeper>,
    tags: Tags,
}

/// Which clusters a pattern takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clusters {
    All,
    /// Their ARNs.
    Named(Vec<String>),
    /// Not by exact ARNs.
    Otherwise,
}

/// Who would bring the old rule back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    CloudFormation(String),
    Terraform(String),
}

impl fmt::Display for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloudFormation(stack) => write!(f, "the CloudFormation stack {stack}"),
            Self::Terraform(tag) => write!(f, "Terraform, as its tag {tag} says"),
        }
    }
}

/// A rule of the list: one that could be read, or why not.
pub struct Candidate {
    pub rule: Rule,
    pub read: Result<ExistingAlert>,
}

/// The enabled rules of others that ring a function or a topic for ECS.
///
/// # Errors
/// If the rules cannot be listed. What hangs on one of them is its own matter.
pub async fn candidates(foreign: &Foreign, place: &Place, hosts: WebhookHosts) -> Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    let cluster = place.cluster_arn("default");
    for rule in foreign.rules().await.map_err(unread("the rules"))? {
        let parsed = rule.pattern.as_deref().and_then(|text| Some(read(text).ok()?.0));
        if !rule.is_enabled() || !parsed.is_some_and(|pattern| scope::is_about_ecs(&pattern.to_value(), &cluster)) {
            continue;
        }
        let read = ExistingAlert::read(rule.clone(), foreign, hosts).await;
        let rings = |old: &ExistingAlert| {
            served(&old.tags).is_none() && old.targets.iter().any(|target| kind(target) != "other")
        };
        if read.as_ref().map_or(true, rings) {
            candidates.push(Candidate { rule, read });
        }
    }
    candidates.sort_by(|one, other| one.rule.name.cmp(&other.rule.name));
    Ok(candidates)
}

impl ExistingAlert {
    /// # Errors
    /// If something of it cannot be read, or its pattern is none.
    pub async fn read(rule: Rule, foreign: &Foreign, hosts: WebhookHosts) -> Result<Self> {
        let name = &rule.name;
        let text = rule.pattern.as_deref().unwrap_or("{}");
        let (pattern, repeated) = read(text)
            .map_err(|error| Error::new(format!("the pattern of the rule {name} cannot be read")).because(error))?;
        let targets = foreign.targets(name).await.map_err(unread(&format!("the targets of the rule {name}")))?;
        let tags = foreign.tags(&rule.arn).await.map_err(unread(&format!("the tags of the rule {name}")))?;
        let mut function = None;
        // Whose it is says whether the rest may be looked at.
        if served(&tags).is_none()
            && let Some(target) = targets.iter().find(|target| kind(target) == "function")
        {
            function = foreign.function(&target.arn, hosts).await.map_err(|error| {
                Error::new(format!("could not read the function {}", function_name(&target.arn)))
                    .because(error)
                    .category(Category::Unreadable)
            })?;
        }
        let keeper = keeper(&tags).or_else(|| keeper(&function.as_ref()?.tags));
        Ok(Self { clusters: clusters(&pattern.to_value()), rule, pattern, repeated, targets, function, keeper, tags })
    }

    /// What is not as it was when the other one was read.
    pub fn changed(&self, before: &Self) -> Vec<&'static str> {
        let Self { rule, pattern: _, repeated: _, clusters: _, targets, function, keeper: _, tags } = self;
        let Rule { name: _, arn: _, pattern, state, schedule, managed_by } = rule;
        let was = &before.rule;
        let changed = [
            ("its state", *state != was.state),
            ("its pattern", *pattern != was.pattern),
            ("its schedule", *schedule != was.schedule),
            ("who made it", *managed_by != was.managed_by || *tags != before.tags),
            ("its targets", *targets != before.targets),
            ("its function", *function != before.function),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(what, _)| what).collect()
    }

    /// The version or alias that is rung.
    pub fn qualifier(&self) -> Option<&str> {
        self.targets.first()?.arn.split(':').nth(7)
    }

    /// The function by its name, also where it is not there.
    pub fn function_name(&self) -> Option<&str> {
        let target = self.targets.iter().find(|target| kind(target) == "function")?;
        Some(function_name(&target.arn))
    }

    /// # Errors
    /// If the same alert cannot be had as a stack, or switching it off would switch off more.
    pub fn can_be_taken_over(&self) -> Result<()> {
        let name = &self.rule.name;
        let refused = |why: String| Err(Error::new(format!("the rule {name} cannot be taken over: {why}")));
        if let Some(stack) = served(&self.tags) {
            return Err(Error::usage(match self.tags.contains_key(STACK_TAG) {
                true => format!("the rule {name} belongs to the taskbell stack {stack} already"),
                false => {
                    format!("the rule {name} is of the export of the taskbell stack {stack}, and rings for it already")
                }
            }));
        }
        if let Some(service) = &self.rule.managed_by {
            return refused(format!("{service} made it for itself"));
        }
        let pattern = self.pattern.to_value();
        if !scope::is_about_ecs(&pattern, "arn:aws:ecs:us-east-1:123456789012:cluster/default") {
            return refused("its pattern takes no event of ECS".to_owned());
        }
        if let Some(why) = scope::others(&pattern) {
            return refused(format!("{why}, for which nothing would ring any more")).map_err(|error| {
                error.hint("give these a rule of their own, and this one \"source\": [\"aws.ecs\"], first; or `taskbell setup --cluster NAME` sets up an alert beside it")
            });
        }
        if self.rule.schedule.is_some() {
            return refused("it has a schedule, too, which would stop with it".to_owned());
        }
        match self.targets.as_slice() {
            [] => Ok(()),
            [target] if kind(target) == "function" => Ok(()),
            [target] if kind(target) == "topic" => {
                let error = format!("it rings the SNS topic {}, and not a function", last(&target.arn));
                refused(error).map_err(|error| error.hint("`taskbell setup --cluster NAME` sets up an alert beside it"))
            }
            [target] => refused(format!("it rings {}, and not a function", target.arn)),
            several => {
                let others = several.iter().map(|target| target.arn.as_str()).collect::<Vec<_>>().join(", ");
                refused(format!("it has several targets, which would all fall silent: {others}"))
                    .map_err(|error| error.hint("give all but the function a rule of their own first"))
            }
        }
    }
}

/// What rings: a function, a topic, or something else.
pub fn kind(target: &Target) -> &'static str {
    match target.arn.split(':').nth(2) {
        Some("lambda") => "function",
        Some("sns") => "topic",
        _ => "other",
    }
}

pub fn last(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

fn function_name(arn: &str) -> &str {
    arn.split(':').nth(6).unwrap_or(arn)
}

fn clusters(pattern: &Value) -> Clusters {
    let asked = &pattern["detail"]["clusterArn"];
    let exact = asked.as_array().map(|leaves| leaves.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    let text = pattern.to_string();
    match exact {
        Some(Some(arns)) => Clusters::Named(arns.into_iter().map(str::to_owned).collect()),
        None if asked.is_null() && !text.contains("clusterArn") && pattern["resources"].is_null() => Clusters::All,
        _ => Clusters::Otherwise,
    }
}

/// CloudFormation tags what it makes; Terraform's modules mostly do, in words of their own.
fn keeper(tags: &Tags) -> Option<Keeper> {
    if let Some(stack) = tags.get("aws:cloudformation:stack-name") {
        return Some(Keeper::CloudFormation(stack.clone()));
    }
    let says_so = |text: &str| ["terraform", "opentofu"].iter().any(|tool| text.to_lowercase().contains(tool));
    let tag = tags.iter().find(|(key, value)| says_so(key) || says_so(value))?;
    Some(Keeper::Terraform(format!("{}={}", tag.0, tag.1)))
}

/// An error of a read, told with what was read.
pub fn unread<E: Into<Error>>(what: &str) -> impl Fn(E) -> Error {
    let error = format!("could not read {what}");
    move |cause| Error::new(&error).because(cause.into()).category(Category::Unreadable)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/batch";

    #[test]
    fn only_exact_arns_name_clusters() {
        let of = |detail: Value| clusters(&json!({ "source": ["aws.ecs"], "detail": detail }));
        assert_eq!(of(json!({ "clusterArn": [ARN] })), Clusters::Named(vec![ARN.to_owned()]));
        assert_eq!(of(json!({ "lastStatus": ["STOPPED"] })), Clusters::All);
        assert_eq!(of(json!({ "clusterArn": [{ "prefix": "arn:" }] })), Clusters::Otherwise);
        assert_eq!(of(json!({ "$or": [{ "clusterArn": [ARN] }, { "group": ["x"] }] })), Clusters::Otherwise);
        let services = json!({ "source": ["aws.ecs"], "resources": [{ "prefix": "arn:aws:ecs" }] });
        assert_eq!(clusters(&services), Clusters::Otherwise);
    }

    #[test]
    fn who_would_bring_it_back_is_read_from_the_tags() {
        let of = |key: &str, value: &str| keeper(&Tags::from([(key.to_owned(), value.to_owned())]));
        assert_eq!(of("aws:cloudformation:stack-name", "ops"), Some(Keeper::CloudFormation("ops".to_owned())));
        assert_eq!(of("ManagedBy", "Terraform"), Some(Keeper::Terraform("ManagedBy=Terraform".to_owned())));
        assert_eq!(of("team", "data"), None);
    }
}
