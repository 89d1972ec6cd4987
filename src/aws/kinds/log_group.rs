//! Manages the notifier's log group. taskbell creates it, so that it has a retention; the notifier's role may not create one.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::LogGroup as SdkLogGroup;
use serde::{Deserialize, Serialize};

use super::lists::Lists;
use crate::aws::client::fault::fault;
use crate::aws::client::wait::{Attempt, CONFLICT, Waiter, conflict, unseen};
use crate::error::{Error, Result};
use crate::reconcile::resource::{Adapter, AlreadyExists, Found, TagChange, Tags};
use crate::stack::{Address, Id, Kind, Stack};

const ABSENT: [&str; 1] = ["ResourceNotFoundException"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The class, which cannot be changed: without the class STANDARD, the log cannot be searched.
    pub class: String,
    /// The retention in days; `None` keeps the log for ever.
    pub retention_days: Option<i32>,
    /// The subscription filters, which copy the log, by name: the ARNs of their destinations.
    pub subscriptions: BTreeMap<String, String>,
    /// Whether CloudWatch Logs refuses to delete the log group.
    pub deletion_protection: bool,
}

/// The class of a log group that can be searched.
pub const STANDARD: &str = "STANDARD";

/// The parts of DescribeLogGroups' answer that matter.
struct Described {
    /// Without the trailing `:*`, as tagging requires.
    arn: String,
    class: String,
    retention_days: Option<i32>,
    deletion_protection: bool,
}

pub struct LogGroup {
    pub logs: Client,
    pub waiter: Waiter,
    /// The lists of all stacks, if several are read.
    pub lists: Lists,
}

#[must_use]
pub fn address(stack: &Stack) -> Address {
    Address { id: Id::new(Kind::LogGroup, "notifier"), name: stack.log_group_name(), stack: stack.name.clone() }
}

impl Adapter for LogGroup {
    type Spec = Spec;
    const KIND: Kind = Kind::LogGroup;
    const FIXED: &'static [&'static str] = &["class"];
    const CREATION_REFUSES: bool = true;

    async fn read(&self, at: &Address) -> Result<Option<Found<Spec>>> {
        let (described, subscriptions) = tokio::join!(self.describe(&at.name), self.subscriptions(&at.name));
        let Some(Described { arn, class, retention_days, deletion_protection }) = described? else {
            return Ok(None);
        };
        let Some(subscriptions) = subscriptions? else {
            return Ok(None);
        };
        let Some(tags) = self.tags(&arn).await? else {
            return Ok(None);
        };
        Ok(Some(Found { spec: Spec { class, retention_days, subscriptions, deletion_protection }, tags }))
    }

    async fn put(&self, at: &Address, have: Option<&Spec>, want: &Spec, tags: &TagChange) -> Result<()> {
        if have.is_none() {
            self.create(at, &tags.all).await?;
        }
        let Spec { class, retention_days, subscriptions, deletion_protection } = want;
        if let Some(have) = have.filter(|have| have.class != *class) {
            let message = format!("the class of the log group {} is {} and cannot be changed", at.name, have.class);
            return Err(
                Error::new(message).hint("delete the log group and run again, or choose another name with --stack")
            );
        }
        let extra = have.into_iter().flat_map(|have| have.subscriptions.keys());
        for name in extra.filter(|name| !subscriptions.contains_key(*name)) {
            self.unsubscribe(at, name).await?;
        }
        if have.and_then(|have| have.retention_days) != *retention_days {
            self.retain(at, *retention_days).await?;
        }
        if have.is_some_and(|have| have.deletion_protection) != *deletion_protection {
            self.protect(at, *deletion_protection).await?;
        }
        if have.is_some() { self.tag(at, tags).await } else { Ok(()) }
    }

    async fn delete(&self, at: &Address, have: &Spec) -> Result<()> {
        if have.deletion_protection {
            self.protect(at, false).await?;
        }
        let call = || {
            let call = self.logs.delete_log_group().log_group_name(&at.name);
            async {
                match call.send().await.map_err(fault("logs:DeleteLogGroup")) {
                    Err(fault) if !fault.is(&ABSENT) => Err(fault),
                    _ => Ok(()),
                }
            }
        };
        self.waiter.retry(&at.id, CONFLICT, conflict, call).await
    }

    async fn list(&self, stack: &Stack) -> Result<Vec<Address>> {
        Ok(vec![address(stack)])
    }
}

impl LogGroup {
    async fn retain(&self, at: &Address, retention_days: Option<i32>) -> Result<()> {
        let call = || async {
            if let Some(days) = retention_days {
                let call = self.logs.put_retention_policy().log_group_name(&at.name).retention_in_days(days);
                call.send().await.map(drop).map_err(fault("logs:PutRetentionPolicy"))
            } else {
                let call = self.logs.delete_retention_policy().log_group_name(&at.name);
                call.send().await.map(drop).map_err(fault("logs:DeleteRetentionPolicy"))
            }
        };
        self.waiter.retry(&at.id, CONFLICT, |fault| unseen(fault, &ABSENT), call).await
    }

    async fn protect(&self, at: &Address, is_protected: bool) -> Result<()> {
        let call = || {
            let call = self.logs.put_log_group_deletion_protection().log_group_identifier(&at.name);
            let call = call.deletion_protection_enabled(is_protected);
            async { call.send().await.map(drop).map_err(fault("logs:PutLogGroupDeletionProtection")) }
        };
        self.waiter.retry(&at.id, CONFLICT, |fault| unseen(fault, &ABSENT), call).await
    }

    /// Returns the subscription filters; none if there is no such log group.
    async fn subscriptions(&self, name: &str) -> Result<Option<BTreeMap<String, String>>> {
        let mut filters = BTreeMap::new();
        let call = self.logs.describe_subscription_filters().log_group_name(name);
        let mut pages = call.into_paginator().items().send();
        while let Some(filter) = pages.next().await {
            let filter = match filter.map_err(fault("logs:DescribeSubscriptionFilters")) {
                Err(fault) if fault.is(&ABSENT) => return Ok(None),
                filter => filter?,
            };
            filters.insert(filter.filter_name.unwrap_or_default(), filter.destination_arn.unwrap_or_default());
        }
        Ok(Some(filters))
    }

    async fn unsubscribe(&self, at: &Address, filter: &str) -> Result<()> {
        let call = || {
            let call = self.logs.delete_subscription_filter().log_group_name(&at.name).filter_name(filter);
            async {
                match call.send().await.map_err(fault("logs:DeleteSubscriptionFilter")) {
                    Err(fault) if !fault.is(&ABSENT) => Err(fault),
                    _ => Ok(()),
                }
            }
        };
        self.waiter.retry(&at.id, CONFLICT, conflict, call).await
    }

    /// Reads the log group. DescribeLogGroups searches by prefix.
    async fn describe(&self, name: &str) -> Result<Option<Described>> {
        if let Some(listed) = self.lists.log_group(name).await {
            return Ok(listed.map(described));
        }
        let mut pages = self.logs.describe_log_groups().log_group_name_prefix(name).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(fault("logs:DescribeLogGroups"))?;
            if let Some(group) = page.log_groups().iter().find(|group| group.log_group_name() == Some(name)) {
                return Ok(Some(described(group)));
            }
        }
        Ok(None)
    }

    /// Returns the tags; none if there is no such log group.
    async fn tags(&self, arn: &str) -> Result<Option<Tags>> {
        if let Some(tags) = self.lists.tags(arn).await {
            return Ok(Some(tags));
        }
        let answer = self.logs.list_tags_for_resource().resource_arn(arn).send().await;
        match answer.map_err(fault("logs:ListTagsForResource")) {
            Err(fault) if fault.is(&ABSENT) => Ok(None),
            answer => Ok(Some(answer?.tags.unwrap_or_default().into_iter().collect())),
        }
    }

    async fn create(&self, at: &Address, tags: &Tags) -> Result<()> {
        let tags: HashMap<String, String> = tags.clone().into_iter().collect();
        let call = || {
            let call = self.logs.create_log_group().log_group_name(&at.name).set_tags(Some(tags.clone()));
            async {
                match call.send().await.map_err(fault("logs:CreateLogGroup")) {
                    Err(fault) if fault.is(&["ResourceAlreadyExistsException"]) => Ok(Some(fault)),
                    Err(fault) => Err(fault),
                    Ok(_) => Ok(None),
                }
            }
        };
        match self.waiter.retry(&at.id, CONFLICT, conflict, call).await? {
            Some(fault) => Err(AlreadyExists(fault.to_string()).into()),
            None => Ok(()),
        }
    }

    async fn tag(&self, at: &Address, tags: &TagChange) -> Result<()> {
        if tags.set.is_empty() && tags.remove.is_empty() {
            return Ok(());
        }
        let look = || async { Ok(Attempt::seen(self.describe(&at.name).await?)) };
        let Described { arn, .. } = self.waiter.until(&at.id, CONFLICT, look).await?;
        if !tags.set.is_empty() {
            let set: HashMap<String, String> = tags.set.clone().into_iter().collect();
            let call = || {
                let call = self.logs.tag_resource().resource_arn(&arn).set_tags(Some(set.clone()));
                async { call.send().await.map_err(fault("logs:TagResource")) }
            };
            self.waiter.retry(&at.id, CONFLICT, |fault| unseen(fault, &ABSENT), call).await?;
        }
        if !tags.remove.is_empty() {
            let call = self.logs.untag_resource().resource_arn(&arn).set_tag_keys(Some(tags.remove.clone()));
            call.send().await.map_err(fault("logs:UntagResource"))?;
        }
        Ok(())
    }
}

fn described(group: &SdkLogGroup) -> Described {
    let arn = group.log_group_arn().or(group.arn()).unwrap_or_default();
    Described {
        arn: arn.trim_end_matches(":*").to_owned(),
        class: group.log_group_class().map_or(STANDARD, |class| class.as_str()).to_owned(),
        retention_days: group.retention_in_days(),
        deletion_protection: group.deletion_protection_enabled().unwrap_or_default(),
    }
}
