//! Manages the notifier's log group. taskbell creates it, so that it has a retention; the notifier's role may not create one.

use aws_sdk_cloudwatchlogs::Client;
use serde::{Deserialize, Serialize};

use crate::aws::client::fault::fault;
use crate::aws::client::wait::{CONFLICT, Waiter, conflict};
use crate::error::Result;
use crate::reconcile::resource::{Adapter, AlreadyExists, Found, Stage, TagChange, Tags};
use crate::stack::{Address, Id, Kind, Stack};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The retention in days; `None` keeps the log for ever.
    pub retention_days: Option<i32>,
}

pub struct LogGroup {
    pub logs: Client,
    pub waiter: Waiter,
}

#[must_use]
pub fn address(stack: &Stack) -> Address {
    Address { id: Id::new(Kind::LogGroup, "notifier"), name: stack.log_group_name(), stack: stack.name.clone() }
}

impl Adapter for LogGroup {
    type Spec = Spec;
    const KIND: Kind = Kind::LogGroup;
    const STAGE: Stage = Stage::Foundation;
    const CREATION_REFUSES: bool = true;

    async fn read(&self, at: &Address) -> Result<Option<Found<Spec>>> {
        let Some((arn, retention_days)) = self.describe(&at.name).await? else {
            return Ok(None);
        };
        let answer = self.logs.list_tags_for_resource().resource_arn(arn).send().await;
        let tags = match answer.map_err(fault("logs:ListTagsForResource")) {
            Err(fault) if fault.is(&["ResourceNotFoundException"]) => return Ok(None),
            answer => answer?.tags.unwrap_or_default().into_iter().collect(),
        };
        Ok(Some(Found { spec: Spec { retention_days }, tags }))
    }

    async fn put(&self, at: &Address, have: Option<&Spec>, want: &Spec, tags: &TagChange) -> Result<()> {
        if have.is_none() {
            self.create(at, &tags.all).await?;
        }
        let Spec { retention_days } = want;
        if have.and_then(|have| have.retention_days) != *retention_days {
            self.retain(at, *retention_days).await?;
        }
        if have.is_some() { self.tag(at, tags).await } else { Ok(()) }
    }

    async fn delete(&self, at: &Address, _have: &Spec) -> Result<()> {
        let call = || {
            let call = self.logs.delete_log_group().log_group_name(&at.name);
            async {
                match call.send().await.map_err(fault("logs:DeleteLogGroup")) {
                    Err(fault) if !fault.is(&["ResourceNotFoundException"]) => Err(fault),
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
        self.waiter.retry(&at.id, CONFLICT, conflict, call).await
    }

    /// Returns the ARN (without the trailing `:*`, as tagging requires) and the retention. DescribeLogGroups searches by prefix.
    async fn describe(&self, name: &str) -> Result<Option<(String, Option<i32>)>> {
        let mut pages = self.logs.describe_log_groups().log_group_name_prefix(name).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(fault("logs:DescribeLogGroups"))?;
            if let Some(group) = page.log_groups().iter().find(|group| group.log_group_name() == Some(name)) {
                let arn = group.log_group_arn().or(group.arn()).unwrap_or_default();
                return Ok(Some((arn.trim_end_matches(":*").to_owned(), group.retention_in_days())));
            }
        }
        Ok(None)
    }

    async fn create(&self, at: &Address, tags: &Tags) -> Result<()> {
        let tags: std::collections::HashMap<String, String> = tags.clone().into_iter().collect();
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
        let Some((arn, _)) = self.describe(&at.name).await? else {
            return Ok(());
        };
        if !tags.set.is_empty() {
            let set = tags.set.clone().into_iter().collect();
            let call = self.logs.tag_resource().resource_arn(&arn).set_tags(Some(set));
            call.send().await.map_err(fault("logs:TagResource"))?;
        }
        if !tags.remove.is_empty() {
            let call = self.logs.untag_resource().resource_arn(&arn).set_tag_keys(Some(tags.remove.clone()));
            call.send().await.map_err(fault("logs:UntagResource"))?;
        }
        Ok(())
    }
}
