//! Lists the resources of all stacks of an account and region, once for all of them. For commands that read many stacks: a call that
//! lists costs as much as a call that reads one resource.
//!
//! A list may be a little old: it is as AWS was when the command began, and AWS's index of tags follows a change only after minutes.
//! So a command believes a list only if it says that everything is as wanted, and otherwise reads the stack itself.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::{AlarmType, MetricAlarm};
use aws_sdk_cloudwatchlogs::types::LogGroup;
use aws_sdk_eventbridge::types::Rule;
use aws_sdk_lambda::types::EventSourceMappingConfiguration;
use aws_sdk_resourcegroupstagging::types::TagFilter;
use aws_sdk_ssm::types::{ParameterMetadata, ParameterStringFilter};
use tokio::sync::OnceCell;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};
use crate::reconcile::resource::Tags;
use crate::stack::{NAMES, ROLE_PATH, STACK_TAG};

/// The beginning of the names of all notifiers' log groups.
const LOG_GROUPS: &str = "/aws/lambda/taskbell-";
/// The beginning of the names of all stacks' parameters.
const PARAMETERS: &str = "/taskbell/";

/// Most pages of a list that also has resources of others: further pages could cost more calls than the list saves.
const PAGES: usize = 5;
/// Most resources of a page of tags, of log groups and of parameters.
const TAGS_AT_ONCE: i32 = 100;
const LOG_GROUPS_AT_ONCE: i32 = 50;
const PARAMETERS_AT_ONCE: i32 = 50;
const ROLES_AT_ONCE: i32 = 1000;
const QUEUES_AT_ONCE: i32 = 1000;

/// A list, once it was asked for; none: there is no list, and each resource is read by itself.
type Once<T> = OnceCell<Option<T>>;

/// The lists of an account and region, each read when it is first needed; the default has no lists.
#[derive(Clone, Default)]
pub struct Lists(Option<Arc<Kept>>);

struct Kept {
    sdk: SdkConfig,
    tags: Once<BTreeMap<String, Tags>>,
    rules: Once<Vec<Rule>>,
    alarms: Once<Vec<MetricAlarm>>,
    log_groups: Once<BTreeMap<String, LogGroup>>,
    parameters: Once<BTreeMap<String, ParameterMetadata>>,
    queues: Once<BTreeMap<String, String>>,
    mappings: Once<Vec<EventSourceMappingConfiguration>>,
    signs_code: Once<bool>,
    roles: Once<BTreeSet<String>>,
    schedule_groups: Once<BTreeSet<String>>,
}

/// Every answer is none if there is no list.
impl Lists {
    #[must_use]
    pub fn of(sdk: &SdkConfig) -> Self {
        Self(Some(Arc::new(Kept {
            sdk: sdk.clone(),
            tags: OnceCell::new(),
            rules: OnceCell::new(),
            alarms: OnceCell::new(),
            log_groups: OnceCell::new(),
            parameters: OnceCell::new(),
            queues: OnceCell::new(),
            mappings: OnceCell::new(),
            signs_code: OnceCell::new(),
            roles: OnceCell::new(),
            schedule_groups: OnceCell::new(),
        })))
    }

    /// Returns the tags of the resource with this ARN; none also if the index does not have it as a stack's, which proves nothing.
    pub(super) async fn tags(&self, arn: &str) -> Option<Tags> {
        let kept = self.0.as_ref()?;
        once(&kept.tags, kept.list_tags()).await?.get(arn).cloned()
    }

    /// Returns the rules on the default bus whose names begin like this.
    pub(super) async fn rules(&self, prefix: &str) -> Option<Vec<Rule>> {
        let kept = self.0.as_ref()?;
        let rules = once(&kept.rules, kept.list_rules()).await?.iter();
        Some(rules.filter(|rule| rule.name().is_some_and(|name| name.starts_with(prefix))).cloned().collect())
    }

    /// Returns the alarms with these names.
    pub(super) async fn alarms(&self, names: &[String]) -> Option<Vec<MetricAlarm>> {
        let kept = self.0.as_ref()?;
        let alarms = once(&kept.alarms, kept.list_alarms()).await?.iter();
        let is_named =
            |alarm: &&MetricAlarm| alarm.alarm_name().is_some_and(|name| names.iter().any(|one| one == name));
        Some(alarms.filter(is_named).cloned().collect())
    }

    pub(super) async fn log_group(&self, name: &str) -> Option<Option<&LogGroup>> {
        let kept = self.0.as_ref()?;
        Some(once(&kept.log_groups, kept.list_log_groups()).await?.get(name))
    }

    pub(super) async fn parameter(&self, name: &str) -> Option<Option<&ParameterMetadata>> {
        let kept = self.0.as_ref()?;
        Some(once(&kept.parameters, kept.list_parameters()).await?.get(name))
    }

    /// Returns the URL of the queue.
    pub(super) async fn queue(&self, name: &str) -> Option<Option<&String>> {
        let kept = self.0.as_ref()?;
        Some(once(&kept.queues, kept.list_queues()).await?.get(name))
    }

    /// Returns the mappings of queues and streams to functions, of any owner.
    pub(super) async fn mappings(&self) -> Option<Vec<EventSourceMappingConfiguration>> {
        let kept = self.0.as_ref()?;
        once(&kept.mappings, kept.list_mappings()).await.cloned()
    }

    /// Returns whether there is a configuration that refuses code without a signature: some function may have it.
    pub(super) async fn signs_code(&self) -> Option<bool> {
        let kept = self.0.as_ref()?;
        once(&kept.signs_code, kept.look_for_code_signing()).await.copied()
    }

    /// Returns whether a role with this name is on the path of stacks' roles.
    pub(super) async fn has_role(&self, name: &str) -> Option<bool> {
        let kept = self.0.as_ref()?;
        Some(once(&kept.roles, kept.list_roles()).await?.contains(name))
    }

    pub(super) async fn has_schedule_group(&self, name: &str) -> Option<bool> {
        let kept = self.0.as_ref()?;
        Some(once(&kept.schedule_groups, kept.list_schedule_groups()).await?.contains(name))
    }
}

/// Returns the list; none if it cannot be read. A resource that is then read by itself tells why.
async fn once<T>(cell: &Once<T>, list: impl Future<Output = Result<Option<T>, Fault>>) -> Option<&T> {
    cell.get_or_init(|| async { Box::pin(list).await.unwrap_or_default() }).await.as_ref()
}

/// Reads the lists.
impl Kept {
    async fn list_tags(&self) -> Result<Option<BTreeMap<String, Tags>>, Fault> {
        let of_stacks = TagFilter::builder().key(STACK_TAG).build();
        let call = client::tagging(&self.sdk).get_resources().tag_filters(of_stacks);
        let mut pages = call.resources_per_page(TAGS_AT_ONCE).into_paginator().send();
        let mut tags = BTreeMap::new();
        while let Some(page) = pages.next().await {
            for resource in page.map_err(fault("tag:GetResources"))?.resource_tag_mapping_list() {
                let of_one = resource.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
                // A log group's ARN may end like this, for its streams.
                tags.extend(resource.resource_arn().map(|arn| (arn.trim_end_matches(":*").to_owned(), of_one)));
            }
        }
        Ok(Some(tags))
    }

    async fn list_rules(&self) -> Result<Option<Vec<Rule>>, Fault> {
        let events = client::eventbridge(&self.sdk);
        let mut rules = Vec::new();
        let mut next = None;
        loop {
            let call = events.list_rules().name_prefix(NAMES).set_next_token(next.take());
            let page = call.send().await.map_err(fault("events:ListRules"))?;
            rules.extend(page.rules.unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                return Ok(Some(rules));
            }
        }
    }

    async fn list_alarms(&self) -> Result<Option<Vec<MetricAlarm>>, Fault> {
        let call = client::cloudwatch(&self.sdk).describe_alarms().alarm_name_prefix(NAMES);
        let mut pages = call.alarm_types(AlarmType::MetricAlarm).into_paginator().send();
        let mut alarms = Vec::new();
        while let Some(page) = pages.next().await {
            alarms.extend(page.map_err(fault("cloudwatch:DescribeAlarms"))?.metric_alarms.unwrap_or_default());
        }
        Ok(Some(alarms))
    }

    async fn list_log_groups(&self) -> Result<Option<BTreeMap<String, LogGroup>>, Fault> {
        let call = client::logs(&self.sdk).describe_log_groups().log_group_name_prefix(LOG_GROUPS);
        let mut pages = call.limit(LOG_GROUPS_AT_ONCE).into_paginator().send();
        let mut groups = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(fault("logs:DescribeLogGroups"))?.log_groups.unwrap_or_default();
            groups.extend(page.into_iter().filter_map(|group| Some((group.log_group_name.clone()?, group))));
        }
        Ok(Some(groups))
    }

    async fn list_parameters(&self) -> Result<Option<BTreeMap<String, ParameterMetadata>>, Fault> {
        let of_stacks = ParameterStringFilter::builder().key("Name").option("BeginsWith").values(PARAMETERS).build();
        let Ok(of_stacks) = of_stacks else { return Ok(None) };
        let call = client::ssm(&self.sdk).describe_parameters().parameter_filters(of_stacks);
        let mut pages = call.max_results(PARAMETERS_AT_ONCE).into_paginator().send();
        let mut parameters = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(fault("ssm:DescribeParameters"))?.parameters.unwrap_or_default();
            parameters.extend(page.into_iter().filter_map(|parameter| Some((parameter.name.clone()?, parameter))));
        }
        Ok(Some(parameters))
    }

    async fn list_queues(&self) -> Result<Option<BTreeMap<String, String>>, Fault> {
        let call = client::sqs(&self.sdk).list_queues().queue_name_prefix(NAMES);
        let mut urls = call.max_results(QUEUES_AT_ONCE).into_paginator().items().send();
        let mut queues = BTreeMap::new();
        while let Some(url) = urls.next().await {
            let url = url.map_err(fault("sqs:ListQueues"))?;
            let name = url.rsplit('/').next().unwrap_or_default().to_owned();
            queues.insert(name, url);
        }
        Ok(Some(queues))
    }

    async fn list_mappings(&self) -> Result<Option<Vec<EventSourceMappingConfiguration>>, Fault> {
        let mut pages = client::lambda(&self.sdk).list_event_source_mappings().into_paginator().send();
        let mut mappings = Vec::new();
        for _ in 0..PAGES {
            let Some(page) = pages.next().await else { return Ok(Some(mappings)) };
            let page = page.map_err(fault("lambda:ListEventSourceMappings"))?;
            mappings.extend(page.event_source_mappings.unwrap_or_default());
            if page.next_marker.is_none_or(|marker| marker.is_empty()) {
                return Ok(Some(mappings));
            }
        }
        Ok(None)
    }

    async fn look_for_code_signing(&self) -> Result<Option<bool>, Fault> {
        let answer = client::lambda(&self.sdk).list_code_signing_configs().max_items(1).send().await;
        Ok(Some(!answer.map_err(fault("lambda:ListCodeSigningConfigs"))?.code_signing_configs().is_empty()))
    }

    async fn list_roles(&self) -> Result<Option<BTreeSet<String>>, Fault> {
        let call = client::iam(&self.sdk).list_roles().path_prefix(ROLE_PATH);
        let mut roles = call.max_items(ROLES_AT_ONCE).into_paginator().items().send();
        let mut names = BTreeSet::new();
        while let Some(role) = roles.next().await {
            names.insert(role.map_err(fault("iam:ListRoles"))?.role_name);
        }
        Ok(Some(names))
    }

    async fn list_schedule_groups(&self) -> Result<Option<BTreeSet<String>>, Fault> {
        let call = client::scheduler(&self.sdk).list_schedule_groups().name_prefix(NAMES);
        let mut groups = call.into_paginator().items().send();
        let mut names = BTreeSet::new();
        while let Some(group) = groups.next().await {
            names.extend(group.map_err(fault("scheduler:ListScheduleGroups"))?.name);
        }
        Ok(Some(names))
    }
}
