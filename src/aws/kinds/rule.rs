//! Manages the EventBridge rules on the default bus, with their targets.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{DeadLetterConfig, RetryPolicy, Rule as SdkRule, RuleState, Tag, Target as SdkTarget};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lists::{Lists, rules_on_bus};
use crate::aws::client::fault::{Fault, fault};
use crate::aws::client::identity::Identity;
use crate::aws::client::joined::Joined;
use crate::aws::client::wait::{CONFLICT, Waiter, conflict, unseen};
use crate::error::{Error, Result};
use crate::pattern;
use crate::reconcile::resource::{Adapter, Found, Needs, TagChange, Tags};
use crate::stack::{Address, Id, Kind, Stack};

const ABSENT: [&str; 1] = ["ResourceNotFoundException"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// In its normal form ([`pattern::normal`]).
    pub pattern: Value,
    pub state: String,
    pub description: String,
    /// The schedule, always none: a schedule next to the pattern would also invoke the notifier.
    pub schedule: Option<String>,
    pub role: Option<String>,
    /// The targets by id.
    pub targets: BTreeMap<String, Target>,
}

impl Spec {
    /// Returns the pattern without repeated fields.
    #[must_use]
    pub fn meaning(&self) -> Value {
        pattern::meaning(&self.pattern)
    }

    /// Returns whether the rule counts as one with wildcards, of which a bus accepts few.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        pattern::has_wildcard(&self.meaning())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub arn: String,
    pub max_event_age_seconds: Option<i32>,
    pub max_retry_attempts: Option<i32>,
    pub dead_letter_queue: Option<String>,
    /// The text that replaces the event; none delivers the event unchanged.
    pub input: Option<String>,
    pub role: Option<String>,
}

pub struct Rule {
    pub events: Client,
    pub waiter: Waiter,
    pub identity: Arc<Identity>,
    /// The prefix of the names of all rules of the stack.
    pub prefix: String,
    pub listed: Joined<Vec<SdkRule>>,
    /// The lists of all stacks, if several are read.
    pub lists: Lists,
}

#[must_use]
pub fn address(stack: &Stack, pattern: &str) -> Address {
    Address { id: Id::new(Kind::Rule, pattern), name: stack.rule_name(pattern), stack: stack.name.clone() }
}

impl Adapter for Rule {
    type Spec = Spec;
    const KIND: Kind = Kind::Rule;
    const NEEDS: Needs = Needs::OF_TRIGGER;

    async fn read(&self, at: &Address) -> Result<Option<Found<Spec>>> {
        let (rules, targets, tags) = tokio::join!(self.rules(), self.targets(&at.name), self.tags(at));
        let Some(rule) = rules?.into_iter().find(|rule| rule.name() == Some(&at.name)) else {
            return Ok(None);
        };
        // A rule that was removed after it was listed has neither targets nor tags.
        let (Some(targets), Some(tags)) = (targets?, tags?) else {
            return Ok(None);
        };
        let spec = Spec {
            pattern: pattern::normal(rule.event_pattern.as_deref().unwrap_or("null")),
            state: rule.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
            description: rule.description.unwrap_or_default(),
            schedule: rule.schedule_expression,
            role: rule.role_arn,
            targets,
        };
        Ok(Some(Found { spec, tags }))
    }

    /// Makes the rule without a target: it triggers nothing.
    async fn begin(&self, at: &Address, want: &Spec, tags: &TagChange) -> Result<()> {
        self.put_rule(at, want, Some(&tags.all)).await
    }

    async fn put(&self, at: &Address, have: Option<&Spec>, want: &Spec, tags: &TagChange) -> Result<()> {
        if have.is_some_and(|have| !same_rule(have, want)) {
            self.put_rule(at, want, None).await?;
        }
        let none = BTreeMap::new();
        let targets = have.map_or(&none, |have| &have.targets);
        let put: BTreeMap<&String, &Target> =
            want.targets.iter().filter(|(id, target)| targets.get(*id) != Some(*target)).collect();
        self.put_targets(at, &put).await?;
        let remove: Vec<String> = targets.keys().filter(|id| !want.targets.contains_key(*id)).cloned().collect();
        self.remove_targets(at, &remove).await?;
        if have.is_some() { self.tag(at, tags).await } else { Ok(()) }
    }

    async fn stop(&self, at: &Address, have: &Spec) -> Result<()> {
        self.remove_targets(at, &have.targets.keys().cloned().collect::<Vec<_>>()).await
    }

    /// Deletes the rule, which must not have targets; if one was added since the rule was stopped, the targets are listed again.
    async fn delete(&self, at: &Address, _have: &Spec) -> Result<()> {
        if self.delete_rule(at).await?.is_ok() {
            return Ok(());
        }
        let left = self.targets(&at.name).await?.unwrap_or_default();
        self.remove_targets(at, &left.into_keys().collect::<Vec<_>>()).await?;
        let still = |fault: &Fault| has_targets(fault).then_some("EventBridge to remove the rule's targets");
        let call = || async { self.try_delete(at).await };
        self.waiter.retry(&at.id, CONFLICT, still, call).await
    }

    async fn list(&self, stack: &Stack) -> Result<Vec<Address>> {
        let rules = self.rules().await?;
        let names = rules.iter().filter_map(|rule| rule.name());
        let address = |name: &str| Address {
            id: Id::new(Kind::Rule, name.strip_prefix(&stack.whole_rule_prefix()).unwrap_or(name)),
            name: name.to_owned(),
            stack: stack.name.clone(),
        };
        Ok(names.map(address).collect())
    }
}

impl Rule {
    /// Returns all rules whose names begin with the stack's prefix, with everything that DescribeRule returns.
    async fn rules(&self) -> Result<Vec<SdkRule>, Fault> {
        if let Some(rules) = self.lists.rules(&self.prefix).await {
            return Ok(rules);
        }
        let list_once = || rules_on_bus(&self.events, Some(&self.prefix));
        // All knowledge about rules depends on this one call.
        self.listed.ask(|| self.waiter.unless_throttled(list_once)).await
    }

    /// Returns the targets; none if there is no such rule.
    async fn targets(&self, rule: &str) -> Result<Option<BTreeMap<String, Target>>, Fault> {
        let mut targets = BTreeMap::new();
        let mut next = None;
        loop {
            let call = self.events.list_targets_by_rule().rule(rule).set_next_token(next.take());
            let page = match call.send().await.map_err(fault("events:ListTargetsByRule")) {
                Err(fault) if is_absent(&fault) => return Ok(None),
                page => page?,
            };
            targets.extend(page.targets().iter().map(normal));
            next = page.next_token;
            if next.is_none() {
                return Ok(Some(targets));
            }
        }
    }

    async fn arn(&self, at: &Address) -> Result<String> {
        Ok(self.identity.place().await?.rule_arn(&at.name))
    }

    /// Returns the tags; none if there is no such rule.
    async fn tags(&self, at: &Address) -> Result<Option<Tags>> {
        let arn = self.arn(at).await?;
        if let Some(tags) = self.lists.tags(&arn).await {
            return Ok(Some(tags));
        }
        let call = self.events.list_tags_for_resource().resource_arn(arn);
        match call.send().await.map_err(fault("events:ListTagsForResource")) {
            Err(fault) if is_absent(&fault) => Ok(None),
            answer => Ok(Some(answer?.tags().iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect())),
        }
    }

    /// Replaces the whole rule; PutRule accepts tags only for a new one.
    async fn put_rule(&self, at: &Address, want: &Spec, tags: Option<&Tags>) -> Result<()> {
        let Spec { pattern, state, description, schedule, role, targets: _ } = want;
        let tags = tags.map(sdk_tags).transpose()?;
        let call = || {
            let call = self
                .events
                .put_rule()
                .name(&at.name)
                .event_pattern(written(pattern))
                .state(RuleState::from(state.as_str()))
                .description(description)
                .set_schedule_expression(schedule.clone())
                .set_role_arn(role.clone())
                .set_tags(tags.clone());
            async { call.send().await.map_err(fault("events:PutRule")) }
        };
        self.waiter.retry(&at.id, CONFLICT, conflict, call).await.map(drop)
    }

    /// Puts the targets; PutTargets can fail for single entries within a successful answer.
    async fn put_targets(&self, at: &Address, targets: &BTreeMap<&String, &Target>) -> Result<()> {
        if targets.is_empty() {
            return Ok(());
        }
        let targets: Vec<SdkTarget> =
            targets.iter().map(|(id, target)| sdk_target(id, target)).collect::<Result<_>>()?;
        let call = || {
            let call = self.events.put_targets().rule(&at.name).set_targets(Some(targets.clone()));
            async {
                let answer = call.send().await.map_err(fault("events:PutTargets"))?;
                answer.failed_entries().first().map_or(Ok(()), |entry| {
                    Err(Fault::of_entry("events:PutTargets", entry.error_code(), entry.error_message()))
                })
            }
        };
        self.waiter.retry(&at.id, CONFLICT, |fault| unseen(fault, &ABSENT), call).await
    }

    async fn remove_targets(&self, at: &Address, ids: &[String]) -> Result<()> {
        for ids in ids.chunks(10) {
            let call = || {
                let call = self.events.remove_targets().rule(&at.name).set_ids(Some(ids.to_vec()));
                async {
                    let answer = match call.send().await.map_err(fault("events:RemoveTargets")) {
                        Err(fault) if is_absent(&fault) => return Ok(()),
                        answer => answer?,
                    };
                    let failed = answer
                        .failed_entries()
                        .iter()
                        .find(|entry| entry.error_code() != Some("ResourceNotFoundException"));
                    failed.map_or(Ok(()), |entry| {
                        Err(Fault::of_entry("events:RemoveTargets", entry.error_code(), entry.error_message()))
                    })
                }
            };
            self.waiter.retry(&at.id, CONFLICT, conflict, call).await?;
        }
        Ok(())
    }

    /// Deletes the rule. The inner error says that the rule still has targets.
    async fn delete_rule(&self, at: &Address) -> Result<Result<(), Fault>> {
        let call = || async {
            match self.try_delete(at).await {
                Err(fault) if has_targets(&fault) => Ok(Err(fault)),
                outcome => outcome.map(Ok),
            }
        };
        self.waiter.retry(&at.id, CONFLICT, conflict, call).await
    }

    async fn try_delete(&self, at: &Address) -> Result<(), Fault> {
        match self.events.delete_rule().name(&at.name).send().await.map_err(fault("events:DeleteRule")) {
            Err(fault) if !is_absent(&fault) => Err(fault),
            _ => Ok(()),
        }
    }

    async fn tag(&self, at: &Address, tags: &TagChange) -> Result<()> {
        if !tags.set.is_empty() {
            let (arn, set) = (self.arn(at).await?, sdk_tags(&tags.set)?);
            let call = || {
                let call = self.events.tag_resource().resource_arn(&arn).set_tags(Some(set.clone()));
                async { call.send().await.map_err(fault("events:TagResource")) }
            };
            self.waiter.retry(&at.id, CONFLICT, |fault| unseen(fault, &ABSENT), call).await?;
        }
        if !tags.remove.is_empty() {
            let call = self.events.untag_resource().resource_arn(self.arn(at).await?);
            let call = call.set_tag_keys(Some(tags.remove.clone()));
            call.send().await.map_err(fault("events:UntagResource"))?;
        }
        Ok(())
    }
}

/// Returns the text of a pattern in its normal form.
#[must_use]
pub fn written(pattern: &Value) -> String {
    pattern.as_str().map_or_else(|| pattern.to_string(), str::to_owned)
}

fn same_rule(have: &Spec, want: &Spec) -> bool {
    let Spec { pattern, state, description, schedule, role, targets: _ } = want;
    have.pattern == *pattern
        && have.state == *state
        && have.description == *description
        && have.schedule == *schedule
        && have.role == *role
}

fn normal(target: &SdkTarget) -> (String, Target) {
    let retry = target.retry_policy();
    let transformer = target.input_transformer().map(|transformer| transformer.input_template().to_owned());
    let normal = Target {
        arn: target.arn().to_owned(),
        max_event_age_seconds: retry.and_then(RetryPolicy::maximum_event_age_in_seconds),
        max_retry_attempts: retry.and_then(RetryPolicy::maximum_retry_attempts),
        dead_letter_queue: target.dead_letter_config().and_then(DeadLetterConfig::arn).map(str::to_owned),
        input: transformer.or_else(|| target.input().or(target.input_path()).map(str::to_owned)),
        role: target.role_arn().map(str::to_owned),
    };
    (target.id().to_owned(), normal)
}

fn sdk_target(id: &str, target: &Target) -> Result<SdkTarget> {
    let Target { arn, max_event_age_seconds, max_retry_attempts, dead_letter_queue, input, role } = target;
    let retry = RetryPolicy::builder()
        .set_maximum_event_age_in_seconds(*max_event_age_seconds)
        .set_maximum_retry_attempts(*max_retry_attempts)
        .build();
    let target = SdkTarget::builder()
        .id(id)
        .arn(arn)
        .retry_policy(retry)
        .set_dead_letter_config(dead_letter_queue.as_ref().map(|arn| DeadLetterConfig::builder().arn(arn).build()))
        .set_input(input.clone())
        .set_role_arn(role.clone());
    target.build().map_err(|error| Error::new(format!("the target {id} is incomplete")).because(error))
}

fn sdk_tags(tags: &Tags) -> Result<Vec<Tag>> {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    tags.collect::<Result<_, _>>().map_err(|error| Error::new("a tag is incomplete").because(error))
}

fn is_absent(fault: &Fault) -> bool {
    fault.is(&ABSENT)
}

fn has_targets(fault: &Fault) -> bool {
    fault.is(&["ValidationException"]) && fault.says("has targets")
}
