//! Manages the SQS queue for undelivered alerts: failed deliveries of the rules, failed invocations of the notifier.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use aws_sdk_lambda::types::EventSourceMappingConfiguration;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Name;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::lists::Lists;
use crate::arn::names_function;
use crate::aws::client::fault::{Fault, fault};
use crate::aws::client::identity::Identity;
use crate::aws::client::wait::{Attempt, DELETED_QUEUE, Waiter};
use crate::error::{Error, Result};
use crate::policy::Policy;
use crate::reconcile::resource::{Adapter, AlreadyExists, Found, Remainder, TagChange, Tags};
use crate::stack::{Address, Id, Kind, Stack};

/// The error of a missing queue in both spellings: the JSON protocol's, and the query protocol's, which services send to old
/// clients.
pub(crate) const ABSENT: [&str; 2] = ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"];
const EXISTS: [&str; 2] = ["QueueAlreadyExists", "QueueNameExists"];
const DELETED_RECENTLY: [&str; 2] = ["AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    pub retention_seconds: u32,
    pub visibility_timeout_seconds: u32,
    pub delay_seconds: u32,
    /// The size above which SQS refuses a message, and with it the alert.
    pub max_message_bytes: u32,
    /// Whether the queue's own key encrypts it at rest; EventBridge and Lambda need no permission for that key.
    pub managed_encryption: bool,
    pub policy: Policy,
    /// The queue that receives messages after too many receipts. None: an alert stays until it is sent.
    pub redrive: Option<String>,
    /// The limit of the queues whose failed messages this queue may receive. None: AWS's default.
    pub redrive_allow: Option<String>,
    /// The functions that take alerts out of the queue, by the ids of their mappings, none: `replay` would not find these alerts.
    pub consumers: BTreeMap<String, String>,
}

pub struct Queue {
    pub sqs: Client,
    pub lambda: aws_sdk_lambda::Client,
    pub waiter: Waiter,
    pub identity: Arc<Identity>,
    /// The name of the stack's own function, whose mappings belong to that function.
    pub function: String,
    /// The queue's URL, once known: account, region and name determine it, and it never changes.
    pub url: Mutex<Option<String>>,
    /// The lists of all stacks, if several are read.
    pub lists: Lists,
}

#[must_use]
pub fn address(stack: &Stack) -> Address {
    Address { id: Id::new(Kind::Queue, "undelivered"), name: stack.queue_name(), stack: stack.name.clone() }
}

impl Adapter for Queue {
    type Spec = Spec;
    const KIND: Kind = Kind::Queue;

    async fn read(&self, at: &Address) -> Result<Option<Found<Spec>>> {
        let Some(url) = self.url(&at.name).await? else {
            return Ok(None);
        };
        let (attributes, tags, consumers) =
            tokio::join!(self.attributes(&url), self.tags(&at.name, &url), self.consumers(&at.name));
        let (attributes, tags) = match (attributes, tags) {
            (Err(fault), _) | (_, Err(fault)) if fault.is(&ABSENT) => return Ok(None),
            (attributes, tags) => (attributes?, tags?),
        };
        Ok(Some(Found { spec: Spec { consumers: consumers?, ..normal(&attributes) }, tags }))
    }

    async fn put(&self, at: &Address, have: Option<&Spec>, want: &Spec, tags: &TagChange) -> Result<()> {
        let Some(have) = have else {
            return self.create(at, want, &tags.all).await;
        };
        let Some(url) = self.url(&at.name).await? else {
            return self.create(at, want, &tags.all).await;
        };
        if have != want {
            let mut changed = attributes(want);
            if !have.managed_encryption && want.managed_encryption {
                // SQS allows one kind of encryption at a time: a key that somebody set has to be removed.
                changed.insert(Name::KmsMasterKeyId, String::new());
            }
            if have.redrive != want.redrive {
                changed.insert(Name::RedrivePolicy, want.redrive.clone().unwrap_or_default());
            }
            if have.redrive_allow != want.redrive_allow {
                let wanted = want.redrive_allow.clone();
                changed.insert(Name::RedriveAllowPolicy, wanted.unwrap_or_else(|| ALLOW_ALL.to_owned()));
            }
            let call = self.sqs.set_queue_attributes().queue_url(&url).set_attributes(Some(changed));
            call.send().await.map_err(fault("sqs:SetQueueAttributes"))?;
        }
        if !tags.set.is_empty() {
            let set = tags.set.clone().into_iter().collect();
            let call = self.sqs.tag_queue().queue_url(&url).set_tags(Some(set));
            call.send().await.map_err(fault("sqs:TagQueue"))?;
        }
        if !tags.remove.is_empty() {
            let call = self.sqs.untag_queue().queue_url(&url).set_tag_keys(Some(tags.remove.clone()));
            call.send().await.map_err(fault("sqs:UntagQueue"))?;
        }
        match have.consumers.iter().find(|(mapping, _)| !want.consumers.contains_key(*mapping)) {
            // Somebody else's function, with somebody else's mapping.
            Some((mapping, function)) => Err(Error::new(format!("{function} takes alerts out of the queue {}", at.name))
                .because(Remainder { field: "consumers" })
                .hint(format!(
                    "`aws lambda delete-event-source-mapping --uuid {mapping}` stops that; --ignore '{}/consumers/*' accepts it",
                    at.id
                ))),
            None => Ok(()),
        }
    }

    async fn delete(&self, at: &Address, _have: &Spec) -> Result<()> {
        let Some(url) = self.url(&at.name).await? else {
            return Ok(());
        };
        match self.sqs.delete_queue().queue_url(url).send().await.map_err(fault("sqs:DeleteQueue")) {
            Err(fault) if !fault.is(&ABSENT) => return Err(fault.into()),
            _ => *self.url.lock().await = None,
        }
        // For up to a minute SQS may answer as if the queue existed: a setup in that time would rely on it.
        let look = || async {
            if self.url(&at.name).await?.is_none() {
                return Ok(Attempt::Ready(()));
            }
            *self.url.lock().await = None;
            Ok(Attempt::NotYet { what: "SQS to complete the deletion of the queue".to_owned(), fault: None })
        };
        self.waiter.until(&at.id, DELETED_QUEUE, look).await
    }

    async fn list(&self, stack: &Stack) -> Result<Vec<Address>> {
        Ok(vec![address(stack)])
    }
}

impl Queue {
    /// Returns the approximate number of undelivered alerts in the queue; 0 if there is no queue.
    ///
    /// # Errors
    /// If the queue cannot be read.
    pub async fn depth(&self, stack: &Stack) -> Result<u64> {
        let Some(url) = self.url(&address(stack).name).await? else {
            return Ok(0);
        };
        let attributes = match self.attributes(&url).await {
            Err(fault) if fault.is(&ABSENT) => return Ok(0),
            attributes => attributes?,
        };
        let counts = [Name::ApproximateNumberOfMessages, Name::ApproximateNumberOfMessagesNotVisible];
        Ok(counts.iter().map(|name| number::<u64>(&attributes, name)).sum())
    }

    /// Returns the URL, requested once: while one caller requests it, others wait for the answer.
    async fn url(&self, name: &str) -> Result<Option<String>, Fault> {
        let mut known = self.url.lock().await;
        if known.is_none()
            && let Some(listed) = self.lists.queue(name).await
        {
            *known = listed.cloned();
            return Ok(known.clone());
        }
        if known.is_none() {
            let answer = self.sqs.get_queue_url().queue_name(name).send().await;
            match answer.map_err(fault("sqs:GetQueueUrl")) {
                Err(fault) if fault.is(&ABSENT) => {}
                answer => *known = answer?.queue_url,
            }
        }
        Ok(known.clone())
    }

    /// Returns the mappings through which functions of others consume the queue.
    async fn consumers(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let arn = self.identity.place().await?.queue_arn(name);
        let mappings = match self.lists.mappings(|mapping| mapping.event_source_arn() == Some(&arn)).await {
            Some(mappings) => mappings,
            None => self.mappings(arn).await?,
        };
        let of_others = mappings.into_iter().filter_map(|mapping| {
            let function = mapping.function_arn.unwrap_or_default();
            let is_other = mapping.state.as_deref() != Some("Deleting") && !names_function(&function, &self.function);
            is_other.then(|| (mapping.uuid.unwrap_or_default(), function))
        });
        Ok(of_others.collect())
    }

    /// Returns the mappings of the queue with this ARN.
    async fn mappings(&self, arn: String) -> Result<Vec<EventSourceMappingConfiguration>, Fault> {
        let call = self.lambda.list_event_source_mappings().event_source_arn(arn);
        let (mut mappings, mut found) = (call.into_paginator().items().send(), Vec::new());
        while let Some(mapping) = mappings.next().await {
            found.push(mapping.map_err(fault("lambda:ListEventSourceMappings"))?);
        }
        Ok(found)
    }

    async fn attributes(&self, url: &str) -> Result<HashMap<Name, String>, Fault> {
        let call = self.sqs.get_queue_attributes().queue_url(url).attribute_names(Name::All);
        let answer = call.send().await.map_err(fault("sqs:GetQueueAttributes"))?;
        Ok(answer.attributes.unwrap_or_default())
    }

    async fn tags(&self, name: &str, url: &str) -> Result<Tags, Fault> {
        if let Ok(place) = self.identity.place().await
            && let Some(tags) = self.lists.tags(&place.queue_arn(name)).await
        {
            return Ok(tags);
        }
        let answer = self.sqs.list_queue_tags().queue_url(url).send().await.map_err(fault("sqs:ListQueueTags"))?;
        Ok(answer.tags.unwrap_or_default().into_iter().collect())
    }

    async fn create(&self, at: &Address, want: &Spec, tags: &Tags) -> Result<()> {
        let tags: HashMap<String, String> = tags.clone().into_iter().collect();
        let call = || {
            let call = self.sqs.create_queue().queue_name(&at.name).set_attributes(Some(attributes(want)));
            let call = call.set_tags(Some(tags.clone()));
            async {
                match call.send().await.map_err(fault("sqs:CreateQueue")) {
                    Err(fault) if fault.is(&EXISTS) => Ok(Err(fault)),
                    Err(fault) => Err(fault),
                    Ok(answer) => Ok(Ok(answer.queue_url)),
                }
            }
        };
        let deleted = |fault: &Fault| {
            let held = fault.is(&DELETED_RECENTLY);
            held.then_some("the name of the deleted queue, which SQS reserves for 60 seconds")
        };
        match self.waiter.retry(&at.id, DELETED_QUEUE, deleted, call).await? {
            Err(fault) => Err(AlreadyExists(fault.to_string()).into()),
            Ok(url) => {
                *self.url.lock().await = url;
                Ok(())
            }
        }
    }
}

/// The default of `RedriveAllowPolicy`, which AWS also returns if somebody sets it.
const ALLOW_ALL: &str = r#"{"redrivePermission":"allowAll"}"#;

fn is_default(redrive_allow: &str) -> bool {
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(redrive_allow);
    redrive_allow.is_empty() || parsed.is_ok_and(|policy| policy["redrivePermission"] == "allowAll")
}

fn normal(attributes: &HashMap<Name, String>) -> Spec {
    let policy = attributes.get(&Name::Policy).filter(|text| !text.is_empty());
    Spec {
        retention_seconds: number(attributes, &Name::MessageRetentionPeriod),
        visibility_timeout_seconds: number(attributes, &Name::VisibilityTimeout),
        delay_seconds: number(attributes, &Name::DelaySeconds),
        max_message_bytes: number(attributes, &Name::MaximumMessageSize),
        managed_encryption: attributes.get(&Name::SqsManagedSseEnabled).is_some_and(|text| text == "true"),
        policy: Policy::parse(policy.map_or("{}", String::as_str)),
        redrive: attributes.get(&Name::RedrivePolicy).filter(|text| !text.is_empty()).cloned(),
        redrive_allow: attributes.get(&Name::RedriveAllowPolicy).filter(|text| !is_default(text)).cloned(),
        consumers: BTreeMap::new(),
    }
}

fn number<T: FromStr + Default>(attributes: &HashMap<Name, String>, name: &Name) -> T {
    attributes.get(name).and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn attributes(spec: &Spec) -> HashMap<Name, String> {
    let Spec {
        retention_seconds,
        visibility_timeout_seconds,
        delay_seconds,
        max_message_bytes,
        managed_encryption,
        policy,
        redrive: _,
        redrive_allow: _,
        consumers: _,
    } = spec;
    HashMap::from([
        (Name::MessageRetentionPeriod, retention_seconds.to_string()),
        (Name::VisibilityTimeout, visibility_timeout_seconds.to_string()),
        (Name::DelaySeconds, delay_seconds.to_string()),
        (Name::MaximumMessageSize, max_message_bytes.to_string()),
        (Name::SqsManagedSseEnabled, managed_encryption.to_string()),
        (Name::Policy, policy.document().to_string()),
    ])
}
