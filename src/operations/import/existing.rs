//! Reads existing alerts: rules for ECS events that taskbell does not manage, with their targets and functions.

use std::fmt;

use super::scope;
use crate::arn::Arn;
use crate::aws::calls::foreign::{Foreign, Function, Rule, Target};
use crate::config::WebhookHosts;
use crate::error::{Category, Error, Result};
use crate::pattern::clusters::Clusters;
use crate::pattern::matcher::{Invalid, Matcher, Repeated};
use crate::pattern::read;
use crate::pattern::tree::Tree;
use crate::reconcile::resource::{Tags, served};
use crate::stack::{Place, STACK_TAG};

/// A rule that taskbell does not manage, with its targets.
pub struct ExistingAlert {
    pub rule: Rule,
    /// The pattern as EventBridge evaluates it: no field is repeated.
    pub pattern: Tree,
    /// The fields that are repeated in the written pattern of the rule.
    pub repeated: Vec<Repeated>,
    /// The reason why taskbell does not understand the pattern, although EventBridge accepted it.
    pub not_understood: Option<Invalid>,
    pub clusters: Clusters,
    pub targets: Vec<Target>,
    /// None: no target is a function, the function does not exist, or a taskbell stack owns the rule.
    pub function: Option<Function>,
    pub keeper: Option<Keeper>,
    tags: Tags,
}

/// The tool that would restore the old rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    CloudFormation(String),
    Terraform(String),
}

impl fmt::Display for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloudFormation(stack) => write!(f, "the CloudFormation stack {stack}"),
            Self::Terraform(tag) => write!(f, "Terraform (tag {tag})"),
        }
    }
}

/// A rule of the list, with its alert or the reason why the alert could not be read.
pub struct Candidate {
    pub rule: Rule,
    pub read: Result<ExistingAlert>,
}

/// Returns the enabled rules that taskbell does not manage and that send ECS events to a function or a topic.
///
/// # Errors
/// If the rules cannot be listed. A candidate contains the error of reading its own rule.
pub async fn candidates(foreign: &Foreign, place: &Place, hosts: WebhookHosts) -> Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    let cluster = place.cluster_arn("default");
    for rule in foreign.rules().await.map_err(unread("the rules"))? {
        let Some(text) = rule.pattern.as_deref().filter(|_| rule.is_enabled()) else { continue };
        let is_about_ecs = match read(text) {
            Ok((pattern, _)) => scope::is_about_ecs(&pattern.to_value(), &cluster),
            // EventBridge accepts a pattern that taskbell does not understand. The list has its rule, with the reason.
            Err(_) => scope::may_be_about_ecs(text),
        };
        if !is_about_ecs {
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
    /// If a part of the alert cannot be read, or the rule's pattern is not a pattern.
    pub async fn read(rule: Rule, foreign: &Foreign, hosts: WebhookHosts) -> Result<Self> {
        let name = &rule.name;
        let text = rule.pattern.as_deref().unwrap_or("{}");
        let (pattern, repeated) = read(text)
            .map_err(|error| Error::new(format!("the pattern of the rule {name} cannot be read")).because(error))?;
        let targets = foreign.targets(name).await.map_err(unread(&format!("the targets of the rule {name}")))?;
        let tags = foreign.tags(&rule.arn).await.map_err(unread(&format!("the tags of the rule {name}")))?;
        let mut function = None;
        // Read the function only if no taskbell stack owns the rule.
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
        Ok(Self {
            clusters: Clusters::of(&pattern.to_value()),
            not_understood: Matcher::new(&pattern).err(),
            rule,
            pattern,
            repeated,
            targets,
            function,
            keeper,
            tags,
        })
    }

    /// Returns the parts of the alert that changed since `before` was read.
    #[must_use]
    pub fn changed(&self, before: &Self) -> Vec<&'static str> {
        let Self { rule, pattern: _, repeated: _, not_understood: _, clusters: _, targets, function, keeper: _, tags } =
            self;
        let Rule { name: _, arn: _, pattern, state, schedule, managed_by } = rule;
        let was = &before.rule;
        let changed = [
            ("its state", *state != was.state),
            ("its pattern", *pattern != was.pattern),
            ("its schedule", *schedule != was.schedule),
            ("its owner", *managed_by != was.managed_by || *tags != before.tags),
            ("its targets", *targets != before.targets),
            ("its function", *function != before.function),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(what, _)| what).collect()
    }

    /// Returns the version or alias of the function that the rule invokes.
    #[must_use]
    pub fn qualifier(&self) -> Option<&str> {
        Arn::split(&self.targets.first()?.arn)?.resource.split(':').nth(2)
    }

    /// Returns the name of the function, also if the function does not exist.
    #[must_use]
    pub fn function_name(&self) -> Option<&str> {
        let target = self.targets.iter().find(|target| kind(target) == "function")?;
        Some(function_name(&target.arn))
    }

    /// # Errors
    /// If a stack cannot replace the alert, or disabling the rule would end more than this alert.
    pub fn can_be_taken_over(&self) -> Result<()> {
        let name = &self.rule.name;
        let refused = |why: String| Err(Error::new(format!("the rule {name} cannot be replaced: {why}")));
        if let Some(stack) = served(&self.tags) {
            return Err(Error::usage(match self.tags.contains_key(STACK_TAG) {
                true => format!("the rule {name} already belongs to the taskbell stack {stack}"),
                false => {
                    format!(
                        "the rule {name} belongs to the export of the taskbell stack {stack}, and already alerts for it"
                    )
                }
            }));
        }
        if let Some(service) = &self.rule.managed_by {
            return refused(format!("{service} manages it"));
        }
        let pattern = self.pattern.to_value();
        if !scope::is_about_ecs(&pattern, "arn:aws:ecs:us-east-1:123456789012:cluster/default") {
            return refused("its pattern matches no ECS event".to_owned());
        }
        if let Some(why) = scope::others(&pattern) {
            return refused(format!("{why}, and no alert would be sent for those any more")).map_err(|error| {
                error.hint("first create another rule for those events, and give this one \"source\": [\"aws.ecs\"]; or set up an alert beside it with `taskbell setup --cluster NAME`")
            });
        }
        if self.rule.schedule.is_some() {
            return refused("it also has a schedule, which would stop with the rule".to_owned());
        }
        match self.targets.as_slice() {
            [] => Ok(()),
            [target] if kind(target) == "function" => Ok(()),
            [target] if kind(target) == "topic" => {
                let error = format!("its target is the SNS topic {}, not a function", last(&target.arn));
                refused(error)
                    .map_err(|error| error.hint("set up an alert beside it with `taskbell setup --cluster NAME`"))
            }
            [target] => refused(format!("its target is {}, not a function", target.arn)),
            several => {
                let others = several.iter().map(|target| target.arn.as_str()).collect::<Vec<_>>().join(", ");
                refused(format!("it has several targets, and none of them would receive events any more: {others}"))
                    .map_err(|error| error.hint("first move all targets except the function to another rule"))
            }
        }
    }
}

/// Returns the kind of a target: a function, a topic, or something else.
#[must_use]
pub fn kind(target: &Target) -> &'static str {
    match Arn::split(&target.arn).map(|arn| arn.service) {
        Some("lambda") => "function",
        Some("sns") => "topic",
        _ => "other",
    }
}

#[must_use]
pub fn last(arn: &str) -> &str {
    Arn::split(arn).map(|arn| arn.last()).unwrap_or_default()
}

fn function_name(arn: &str) -> &str {
    Arn::split(arn).and_then(|arn| arn.resource.split(':').nth(1)).unwrap_or(arn)
}

/// Finds the tool that created a resource. CloudFormation tags its resources; Terraform's modules mostly do, with words of their
/// own.
fn keeper(tags: &Tags) -> Option<Keeper> {
    if let Some(stack) = tags.get("aws:cloudformation:stack-name") {
        return Some(Keeper::CloudFormation(stack.clone()));
    }
    let says_so = |text: &str| ["terraform", "opentofu"].iter().any(|tool| text.to_lowercase().contains(tool));
    let tag = tags.iter().find(|(key, value)| says_so(key) || says_so(value))?;
    Some(Keeper::Terraform(format!("{}={}", tag.0, tag.1)))
}

/// Returns a function that adds the name of the thing that was read to an error.
pub fn unread<E: Into<Error>>(what: &str) -> impl Fn(E) -> Error {
    let error = format!("could not read {what}");
    move |cause| Error::new(&error).because(cause.into()).category(Category::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_reveal_the_tool_that_would_restore_a_rule() {
        let of = |key: &str, value: &str| keeper(&Tags::from([(key.to_owned(), value.to_owned())]));
        assert_eq!(of("aws:cloudformation:stack-name", "ops"), Some(Keeper::CloudFormation("ops".to_owned())));
        assert_eq!(of("ManagedBy", "Terraform"), Some(Keeper::Terraform("ManagedBy=Terraform".to_owned())));
        assert_eq!(of("team", "data"), None);
    }
}
