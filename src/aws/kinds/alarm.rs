//! Manages CloudWatch alarms: they alert by another way than Slack, for the case that Slack or the notifier itself fails.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{
    AlarmMuteRuleStatus, ComparisonOperator, Dimension, MetricAlarm, StandardUnit, Statistic, Tag,
};
use serde::{Deserialize, Serialize};

use super::lists::Lists;
use crate::aws::client::fault::{Fault, fault};
use crate::aws::client::joined::Joined;
use crate::aws::client::wait::{Attempt, CONFLICT, Waiter, conflict, unseen};
use crate::error::{Error, Result};
use crate::reconcile::resource::{Adapter, Found, Remainder, TagChange, Tags};
use crate::stack::{ALARMS, Address, Id, Kind, Stack};

const ABSENT: [&str; 2] = ["ResourceNotFound", "ResourceNotFoundException"];
/// The answers of a CloudWatch that does not have mute rules yet: AWS brings new operations to its regions one after the other.
const UNKNOWN: [&str; 2] = ["UnknownOperationException", "InvalidAction"];

/// A metric, compared with a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    pub description: String,
    pub namespace: String,
    pub metric: String,
    pub dimensions: BTreeMap<String, String>,
    pub statistic: String,
    /// The unit of the data that count: an alarm with another unit than the metric's sees no data.
    pub unit: Option<String>,
    pub period_seconds: i32,
    pub evaluation_periods: i32,
    pub datapoints_to_alarm: i32,
    pub comparison: String,
    pub threshold: f64,
    /// The meaning of a period without data.
    pub missing_data: String,
    pub enabled: bool,
    pub alarm_actions: Vec<String>,
    pub ok_actions: Vec<String>,
    pub insufficient_data_actions: Vec<String>,
    /// The names of the rules that mute the actions, now or at some time, none: a muted alarm notifies nobody.
    pub mute_rules: BTreeSet<String>,
}

pub struct Alarm {
    pub cloudwatch: Client,
    pub waiter: Waiter,
    /// The call that reads both alarms of the stack at once.
    pub described: Joined<Vec<MetricAlarm>>,
    /// The lists of all stacks, if several are read.
    pub lists: Lists,
}

#[must_use]
pub fn address(stack: &Stack, key: &str) -> Address {
    Address { id: Id::new(Kind::Alarm, key), name: stack.alarm_name(key), stack: stack.name.clone() }
}

#[must_use]
pub fn addresses(stack: &Stack) -> Vec<Address> {
    ALARMS.map(|key| address(stack, key)).to_vec()
}

impl Adapter for Alarm {
    type Spec = Spec;
    const KIND: Kind = Kind::Alarm;

    async fn read(&self, at: &Address) -> Result<Option<Found<Spec>>> {
        let alarms = self.described.ask(|| self.describe(at)).await?;
        let Some(alarm) = alarms.iter().find(|alarm| alarm.alarm_name() == Some(&at.name)) else {
            return Ok(None);
        };
        let tags = self.tags(alarm.alarm_arn().unwrap_or_default());
        match tokio::join!(tags, self.mute_rules(&at.name)) {
            (Err(fault), _) | (_, Err(fault)) if is_absent(&fault) => Ok(None),
            (tags, mute_rules) => {
                Ok(Some(Found { spec: Spec { mute_rules: mute_rules?, ..normal(alarm) }, tags: tags? }))
            }
        }
    }

    /// Replaces the whole alarm; only the call that creates an alarm accepts tags.
    async fn put(&self, at: &Address, have: Option<&Spec>, want: &Spec, tags: &TagChange) -> Result<()> {
        let muted = |have: &Spec| have.mute_rules.difference(&want.mute_rules).next().cloned();
        if have.map(|have| Spec { mute_rules: want.mute_rules.clone(), ..have.clone() }).as_ref() != Some(want) {
            let new = have.is_none().then(|| sdk_tags(&tags.all));
            let call = || {
                let call = self.put_call(at, want).set_tags(new.clone());
                async { call.send().await.map(drop).map_err(fault("cloudwatch:PutMetricAlarm")) }
            };
            self.waiter.retry(&at.id, CONFLICT, conflict, call).await?;
        }
        let Some(have) = have else { return Ok(()) };
        self.tag(at, tags).await?;
        match muted(have) {
            // Somebody else's rule, which may mute other alarms, too.
            Some(rule) => Err(Error::new(format!("the mute rule {rule} mutes the alarm {}", at.name))
                .because(Remainder { field: "mute_rules" })
                .hint(format!(
                    "take the alarm out of the rule, or delete the rule (`aws cloudwatch delete-alarm-mute-rule`); \
                     --ignore '{}/mute_rules/*' accepts it",
                    at.id
                ))),
            None => Ok(()),
        }
    }

    async fn delete(&self, at: &Address, _have: &Spec) -> Result<()> {
        match self
            .cloudwatch
            .delete_alarms()
            .alarm_names(&at.name)
            .send()
            .await
            .map_err(fault("cloudwatch:DeleteAlarms"))
        {
            Err(fault) if !is_absent(&fault) => Err(fault.into()),
            _ => Ok(()),
        }
    }

    async fn list(&self, stack: &Stack) -> Result<Vec<Address>> {
        Ok(addresses(stack))
    }
}

impl Alarm {
    /// Reads both alarms of the stack, for either address: their names differ only at the end.
    async fn describe(&self, at: &Address) -> Result<Vec<MetricAlarm>, Fault> {
        let common = at.name.strip_suffix(&at.id.key).unwrap_or(&at.name);
        let names = ALARMS.map(|key| format!("{common}{key}"));
        if let Some(alarms) = self.lists.alarms(&names).await {
            return Ok(alarms);
        }
        let call = self.cloudwatch.describe_alarms().set_alarm_names(Some(names.to_vec()));
        let answer = call.send().await.map_err(fault("cloudwatch:DescribeAlarms"))?;
        Ok(answer.metric_alarms.unwrap_or_default())
    }

    /// Returns the names of the rules that mute an alarm, now or later.
    async fn mute_rules(&self, alarm: &str) -> Result<BTreeSet<String>, Fault> {
        let call = self.cloudwatch.list_alarm_mute_rules().alarm_name(alarm);
        let call = call.statuses(AlarmMuteRuleStatus::Scheduled).statuses(AlarmMuteRuleStatus::Active);
        let (mut names, mut rules) = (BTreeSet::new(), call.into_paginator().items().send());
        while let Some(rule) = rules.next().await {
            match rule.map_err(fault("cloudwatch:ListAlarmMuteRules")) {
                Err(fault) if fault.is(&UNKNOWN) => break,
                rule => {
                    let arn = rule?.alarm_mute_rule_arn.unwrap_or_default();
                    let name = arn.split_once(":alarm-mute-rule").map_or(arn.as_str(), |(_, rest)| rest);
                    names.insert(name.trim_start_matches([':', '/']).to_owned());
                }
            }
        }
        Ok(names)
    }

    async fn tags(&self, arn: &str) -> Result<Tags, Fault> {
        if let Some(tags) = self.lists.tags(arn).await {
            return Ok(tags);
        }
        let answer = self.cloudwatch.list_tags_for_resource().resource_arn(arn).send().await;
        let tags = answer.map_err(fault("cloudwatch:ListTagsForResource"))?.tags.unwrap_or_default();
        Ok(tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect())
    }

    fn put_call(
        &self,
        at: &Address,
        want: &Spec,
    ) -> aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmFluentBuilder {
        let dimension = |(name, value): (&String, &String)| Dimension::builder().name(name).value(value).build();
        self.cloudwatch
            .put_metric_alarm()
            .alarm_name(&at.name)
            .alarm_description(&want.description)
            .namespace(&want.namespace)
            .metric_name(&want.metric)
            .set_dimensions(Some(want.dimensions.iter().map(dimension).collect()))
            .statistic(Statistic::from(want.statistic.as_str()))
            .set_unit(want.unit.as_deref().map(StandardUnit::from))
            .period(want.period_seconds)
            .evaluation_periods(want.evaluation_periods)
            .datapoints_to_alarm(want.datapoints_to_alarm)
            .comparison_operator(ComparisonOperator::from(want.comparison.as_str()))
            .threshold(want.threshold)
            .treat_missing_data(&want.missing_data)
            .actions_enabled(want.enabled)
            .set_alarm_actions(Some(want.alarm_actions.clone()))
            .set_ok_actions(Some(want.ok_actions.clone()))
            .set_insufficient_data_actions(Some(want.insufficient_data_actions.clone()))
    }

    async fn tag(&self, at: &Address, tags: &TagChange) -> Result<()> {
        if tags.set.is_empty() && tags.remove.is_empty() {
            return Ok(());
        }
        let look = || async {
            let alarms = self.describe(at).await?;
            let alarm = alarms.into_iter().find(|alarm| alarm.alarm_name() == Some(&at.name));
            Ok(Attempt::seen(alarm.and_then(|alarm| alarm.alarm_arn)))
        };
        let arn = self.waiter.until(&at.id, CONFLICT, look).await?;
        if !tags.set.is_empty() {
            let call = || {
                let call = self.cloudwatch.tag_resource().resource_arn(&arn).set_tags(Some(sdk_tags(&tags.set)));
                async { call.send().await.map_err(fault("cloudwatch:TagResource")) }
            };
            self.waiter.retry(&at.id, CONFLICT, |fault| unseen(fault, &ABSENT), call).await?;
        }
        if !tags.remove.is_empty() {
            let call = self.cloudwatch.untag_resource().resource_arn(&arn).set_tag_keys(Some(tags.remove.clone()));
            call.send().await.map_err(fault("cloudwatch:UntagResource"))?;
        }
        Ok(())
    }
}

fn normal(alarm: &MetricAlarm) -> Spec {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let dimension = |one: &Dimension| Some((one.name()?.to_owned(), one.value()?.to_owned()));
    let evaluation_periods = alarm.evaluation_periods().unwrap_or(1);
    Spec {
        description: text(alarm.alarm_description()),
        namespace: text(alarm.namespace()),
        metric: text(alarm.metric_name()),
        dimensions: alarm.dimensions().iter().filter_map(dimension).collect(),
        statistic: text(alarm.statistic().map(Statistic::as_str).or(alarm.extended_statistic())),
        unit: alarm.unit().map(|unit| unit.as_str().to_owned()),
        period_seconds: alarm.period().unwrap_or_default(),
        evaluation_periods,
        datapoints_to_alarm: alarm.datapoints_to_alarm().unwrap_or(evaluation_periods),
        comparison: text(alarm.comparison_operator().map(ComparisonOperator::as_str)),
        threshold: alarm.threshold().unwrap_or_default(),
        missing_data: alarm.treat_missing_data().unwrap_or("missing").to_owned(),
        enabled: alarm.actions_enabled().unwrap_or(true),
        alarm_actions: alarm.alarm_actions().to_vec(),
        ok_actions: alarm.ok_actions().to_vec(),
        insufficient_data_actions: alarm.insufficient_data_actions().to_vec(),
        mute_rules: BTreeSet::new(),
    }
}

fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn is_absent(fault: &Fault) -> bool {
    fault.is(&ABSENT)
}
