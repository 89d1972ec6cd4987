//! Lists the resources of all stacks of an account and region, once for all of them. For commands that read many stacks: a call that
//! lists costs as much as a call that reads one resource.
//!
//! A list may be older than AWS: it is as AWS was when it was read, and AWS's index of tags follows a change only after minutes. A list
//! that shows a difference is not believed: the command reads the stack itself. A list that shows none is believed, so that a change
//! since then is missed; of a tag, a change of the last minutes. The parameter's tags are never listed, because they are the evidence of
//! the webhook.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::{AlarmType, MetricAlarm};
use aws_sdk_cloudwatchlogs::types::LogGroup;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::Rule;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::types::EventSourceMappingConfiguration;
use aws_sdk_resourcegroupstagging::types::{ResourceTagMapping, TagFilter};
use aws_sdk_ssm::types::{ParameterMetadata, ParameterStringFilter};
use aws_smithy_async::future::pagination_stream::PaginationStream;
use tokio::sync::OnceCell;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};
use crate::reconcile::resource::Tags;
use crate::stack::{NAMES, ROLE_PATH, STACK_TAG};

/// The beginning of the names of all notifiers' log groups.
const LOG_GROUPS: &str = "/aws/lambda/taskbell-";
/// The beginning of the names of all stacks' parameters.
const PARAMETERS: &str = "/taskbell/";

/// Most pages of a list for a few stacks.
const PAGES: usize = 5;
/// Most resources of a page.
const TAGS_AT_ONCE: i32 = 100;
const LOG_GROUPS_AT_ONCE: i32 = 50;
const PARAMETERS_AT_ONCE: i32 = 50;
const ROLES_AT_ONCE: i32 = 1000;
const QUEUES_AT_ONCE: i32 = 1000;

type Pages<P, E> = PaginationStream<Result<P, SdkError<E>>>;

/// A list, once it was asked for; none: there is no list, and each resource is read by itself.
type Once<T> = OnceCell<Option<T>>;

/// The lists of an account and region, each read when it is first needed; the default has no lists.
#[derive(Clone, Default)]
pub struct Lists(Option<Arc<Kept>>);

struct Kept {
    sdk: SdkConfig,
    /// The number of stacks that are read.
    stacks: usize,
    tags: Once<BTreeMap<String, Tags>>,
    rules: Once<BTreeMap<String, Rule>>,
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
    /// Returns the lists for so many stacks.
    #[must_use]
    pub fn of(sdk: &SdkConfig, stacks: usize) -> Self {
        Self(Some(Arc::new(Kept {
            sdk: sdk.clone(),
            stacks,
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
        let rules = once(&kept.rules, kept.list_rules()).await?.range(prefix.to_owned()..);
        Some(rules.take_while(|(name, _)| name.starts_with(prefix)).map(|(_, rule)| rule.clone()).collect())
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

    /// Returns these mappings of queues and streams to functions, of any owner.
    pub(super) async fn mappings(
        &self,
        is_meant: impl Fn(&EventSourceMappingConfiguration) -> bool,
    ) -> Option<Vec<EventSourceMappingConfiguration>> {
        let kept = self.0.as_ref()?;
        let mappings = once(&kept.mappings, kept.list_mappings()).await?.iter();
        Some(mappings.filter(|mapping| is_meant(mapping)).cloned().collect())
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
    /// Reads all pages; none if there are so many that they cost more calls than the list saves, which is at least one of each stack.
    async fn pages<P, E>(&self, action: &'static str, mut stream: Pages<P, E>) -> Result<Option<Vec<P>>, Fault>
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let mut pages = Vec::new();
        while let Some(page) = stream.next().await {
            pages.push(page.map_err(fault(action))?);
            if pages.len() > PAGES.max(self.stacks) {
                return Ok(None);
            }
        }
        Ok(Some(pages))
    }

    async fn list_tags(&self) -> Result<Option<BTreeMap<String, Tags>>, Fault> {
        let of_stacks = TagFilter::builder().key(STACK_TAG).build();
        let call = client::tagging(&self.sdk).get_resources().tag_filters(of_stacks);
        let pages = call.resources_per_page(TAGS_AT_ONCE).into_paginator().send();
        let pages = self.pages("tag:GetResources", pages).await?;
        let tagged = |resource: ResourceTagMapping| {
            let tags = resource.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
            // A log group's ARN may end like this, for its streams.
            Some((resource.resource_arn?.trim_end_matches(":*").to_owned(), tags))
        };
        Ok(pages.map(|pages| {
            let resources = pages.into_iter().flat_map(|page| page.resource_tag_mapping_list.unwrap_or_default());
            resources.filter_map(tagged).collect()
        }))
    }

    async fn list_rules(&self) -> Result<Option<BTreeMap<String, Rule>>, Fault> {
        let rules = rules_on_bus(&client::eventbridge(&self.sdk), Some(NAMES)).await?;
        Ok(Some(rules.into_iter().filter_map(|rule| Some((rule.name.clone()?, rule))).collect()))
    }

    async fn list_alarms(&self) -> Result<Option<Vec<MetricAlarm>>, Fault> {
        let call = client::cloudwatch(&self.sdk).describe_alarms().alarm_name_prefix(NAMES);
        let pages = call.alarm_types(AlarmType::MetricAlarm).into_paginator().send();
        let pages = self.pages("cloudwatch:DescribeAlarms", pages).await?;
        Ok(pages.map(|pages| pages.into_iter().flat_map(|page| page.metric_alarms.unwrap_or_default()).collect()))
    }

    async fn list_log_groups(&self) -> Result<Option<BTreeMap<String, LogGroup>>, Fault> {
        let call = client::logs(&self.sdk).describe_log_groups().log_group_name_prefix(LOG_GROUPS);
        let pages = call.limit(LOG_GROUPS_AT_ONCE).into_paginator().send();
        let pages = self.pages("logs:DescribeLogGroups", pages).await?;
        Ok(pages.map(|pages| {
            let groups = pages.into_iter().flat_map(|page| page.log_groups.unwrap_or_default());
            groups.filter_map(|group| Some((group.log_group_name.clone()?, group))).collect()
        }))
    }

    async fn list_parameters(&self) -> Result<Option<BTreeMap<String, ParameterMetadata>>, Fault> {
        let of_stacks = ParameterStringFilter::builder().key("Name").option("BeginsWith").values(PARAMETERS).build();
        let Ok(of_stacks) = of_stacks else { return Ok(None) };
        let call = client::ssm(&self.sdk).describe_parameters().parameter_filters(of_stacks);
        let pages = call.max_results(PARAMETERS_AT_ONCE).into_paginator().send();
        let pages = self.pages("ssm:DescribeParameters", pages).await?;
        Ok(pages.map(|pages| {
            let parameters = pages.into_iter().flat_map(|page| page.parameters.unwrap_or_default());
            parameters.filter_map(|parameter| Some((parameter.name.clone()?, parameter))).collect()
        }))
    }

    async fn list_queues(&self) -> Result<Option<BTreeMap<String, String>>, Fault> {
        let call = client::sqs(&self.sdk).list_queues().queue_name_prefix(NAMES);
        let pages = call.max_results(QUEUES_AT_ONCE).into_paginator().send();
        let pages = self.pages("sqs:ListQueues", pages).await?;
        let named = |url: String| (url.rsplit('/').next().unwrap_or_default().to_owned(), url);
        Ok(pages
            .map(|pages| pages.into_iter().flat_map(|page| page.queue_urls.unwrap_or_default()).map(named).collect()))
    }

    async fn list_mappings(&self) -> Result<Option<Vec<EventSourceMappingConfiguration>>, Fault> {
        let pages = client::lambda(&self.sdk).list_event_source_mappings().into_paginator().send();
        let pages = self.pages("lambda:ListEventSourceMappings", pages).await?;
        Ok(pages
            .map(|pages| pages.into_iter().flat_map(|page| page.event_source_mappings.unwrap_or_default()).collect()))
    }

    async fn look_for_code_signing(&self) -> Result<Option<bool>, Fault> {
        let answer = client::lambda(&self.sdk).list_code_signing_configs().max_items(1).send().await;
        let answer = answer.map_err(fault("lambda:ListCodeSigningConfigs"))?;
        let is_more = answer.next_marker().is_some_and(|marker| !marker.is_empty());
        Ok(Some(is_more || !answer.code_signing_configs().is_empty()))
    }

    async fn list_roles(&self) -> Result<Option<BTreeSet<String>>, Fault> {
        let call = client::iam(&self.sdk).list_roles().path_prefix(ROLE_PATH);
        let pages = self.pages("iam:ListRoles", call.max_items(ROLES_AT_ONCE).into_paginator().send()).await?;
        Ok(pages.map(|pages| pages.into_iter().flat_map(|page| page.roles).map(|role| role.role_name).collect()))
    }

    async fn list_schedule_groups(&self) -> Result<Option<BTreeSet<String>>, Fault> {
        let call = client::scheduler(&self.sdk).list_schedule_groups().name_prefix(NAMES);
        let pages = self.pages("scheduler:ListScheduleGroups", call.into_paginator().send()).await?;
        Ok(pages.map(|pages| {
            pages.into_iter().flat_map(|page| page.schedule_groups).filter_map(|group| group.name).collect()
        }))
    }
}

/// Returns the rules on the default bus, as AWS describes them; with a prefix, those whose names begin like this.
///
/// # Errors
/// If a call fails.
pub async fn rules_on_bus(events: &Client, prefix: Option<&str>) -> Result<Vec<Rule>, Fault> {
    let mut rules = Vec::new();
    let mut next = None;
    loop {
        let call = events.list_rules().set_name_prefix(prefix.map(str::to_owned)).set_next_token(next.take());
        let page = call.send().await.map_err(fault("events:ListRules"))?;
        rules.extend(page.rules.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Ok(rules);
        }
    }
}
