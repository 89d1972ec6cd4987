//! Manages the DynamoDB table in which the notifier records its announcements.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, DestinationStatus, KeySchemaElement, KeyType, ScalarAttributeType,
    StreamSpecification, TableDescription, TableStatus, Tag, TimeToLiveSpecification, TimeToLiveStatus,
};
use serde::{Deserialize, Serialize};

use super::lists::Lists;
use crate::aws::client::fault::{EXPIRY_CHANGED_TWICE, Fault, fault};
use crate::aws::client::wait::{Attempt, CONFLICT, TABLE_STATE, Waiter, unseen};
use crate::error::{Error, Result};
use crate::policy::Policy;
use crate::reconcile::resource::{Adapter, AlreadyExists, Found, Remainder, TagChange, Tags};
use crate::stack::{Address, Id, Kind, Stack};

/// The only key attribute, a string, and the attribute with the time of expiry: `lambda/memory/table.mjs` writes both.
const KEY: &str = "id";
pub const EXPIRY: &str = "expiresAt";
const ABSENT: [&str; 2] = ["ResourceNotFoundException", "TableNotFoundException"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The key attributes with their types, as in `id:S`. A table's key cannot be changed.
    pub key: String,
    /// Whether the table is billed by request, and not by the hour.
    pub on_demand: bool,
    /// The attribute with the time at which DynamoDB removes an item.
    pub expiry: Option<String>,
    pub deletion_protection: bool,
    /// The stream that copies every change; none wanted.
    pub stream: Option<String>,
    /// The ARNs of the Kinesis streams to which DynamoDB also copies every change; none wanted.
    pub kinesis_streams: BTreeSet<String>,
    /// The table's own policy, which could allow others to read and write announcements; none wanted.
    pub policy: Option<Policy>,
}

impl Spec {
    /// Returns the spec that the notifier needs.
    #[must_use]
    pub fn of_announcements() -> Self {
        Self {
            key: format!("{KEY}:S"),
            on_demand: true,
            expiry: Some(EXPIRY.to_owned()),
            deletion_protection: false,
            stream: None,
            kinesis_streams: BTreeSet::new(),
            policy: None,
        }
    }
}

pub struct Table {
    pub dynamodb: Client,
    pub waiter: Waiter,
    /// The lists of all stacks, if several are read.
    pub lists: Lists,
}

#[must_use]
pub fn address(stack: &Stack) -> Address {
    Address { id: Id::new(Kind::Table, "announcements"), name: stack.table_name(), stack: stack.name.clone() }
}

impl Adapter for Table {
    type Spec = Spec;
    const KIND: Kind = Kind::Table;
    const FIXED: &'static [&'static str] = &["key"];
    const CREATION_REFUSES: bool = true;

    async fn read(&self, at: &Address) -> Result<Option<Found<Spec>>> {
        let Some(table) = self.describe(&at.name).await? else {
            return Ok(None);
        };
        let arn = table.table_arn().unwrap_or_default();
        let (expiry, streams) = (self.expiry(&at.name), self.kinesis_streams(&at.name));
        match tokio::join!(expiry, streams, self.tags(arn), self.policy(arn)) {
            (Err(fault), ..) | (_, Err(fault), ..) | (_, _, Err(fault), _) | (.., Err(fault)) if fault.is(&ABSENT) => {
                Ok(None)
            }
            (expiry, streams, tags, policy) => {
                let spec = Spec { expiry: expiry?, kinesis_streams: streams?, policy: policy?, ..normal(&table) };
                Ok(Some(Found { spec, tags: tags? }))
            }
        }
    }

    async fn put(&self, at: &Address, have: Option<&Spec>, want: &Spec, tags: &TagChange) -> Result<()> {
        let made = have.is_none();
        let have = match have {
            None => self.create(at, want, &tags.all).await?,
            Some(have) => have.clone(),
        };
        if have.key != want.key {
            return Err(Error::new(format!("the key of the table {} is {} and cannot be changed", at.name, have.key))
                .hint("delete the table and run again: it only records the latest announcements"));
        }
        if (have.on_demand, have.deletion_protection) != (want.on_demand, want.deletion_protection) {
            self.update(at, &have, want).await?;
        }
        if have.stream.is_some() && want.stream.is_none() {
            self.stop_stream(at).await?;
        }
        for stream in have.kinesis_streams.difference(&want.kinesis_streams) {
            self.stop_kinesis_stream(at, stream).await?;
        }
        if have.policy.is_some() && want.policy.is_none() {
            self.remove_policy(at).await?;
        }
        let expires = match have.expiry == want.expiry {
            true => true,
            false => self.expire_by(at, have.expiry.as_deref(), want.expiry.as_deref()).await?,
        };
        if !made {
            self.tag(at, tags).await?;
        }
        match expires {
            true => Ok(()),
            false => Err(Error::new("DynamoDB accepts one change of a table's expiry an hour")
                .because(Remainder { field: "expiry" })
                .hint("run the same command again in an hour; until then, the table keeps old announcements")),
        }
    }

    async fn delete(&self, at: &Address, have: &Spec) -> Result<()> {
        if have.deletion_protection {
            self.update(at, have, &Spec { deletion_protection: false, ..have.clone() }).await?;
        }
        let call = || {
            let call = self.dynamodb.delete_table().table_name(&at.name);
            async {
                match call.send().await.map_err(fault("dynamodb:DeleteTable")) {
                    Err(fault) if !fault.is(&ABSENT) => Err(fault),
                    _ => Ok(()),
                }
            }
        };
        self.waiter.retry(&at.id, TABLE_STATE, in_use, call).await
    }

    async fn list(&self, stack: &Stack) -> Result<Vec<Address>> {
        Ok(vec![address(stack)])
    }
}

impl Table {
    /// Reads the table. A table that is being deleted counts as absent.
    async fn describe(&self, name: &str) -> Result<Option<TableDescription>, Fault> {
        let answer = self.dynamodb.describe_table().table_name(name).send().await;
        match answer.map_err(fault("dynamodb:DescribeTable")) {
            Err(fault) if fault.is(&ABSENT) => Ok(None),
            answer => Ok(answer?.table.filter(|table| table.table_status() != Some(&TableStatus::Deleting))),
        }
    }

    async fn expiry(&self, name: &str) -> Result<Option<String>, Fault> {
        let answer = self.dynamodb.describe_time_to_live().table_name(name).send().await;
        let answer = answer.map_err(fault("dynamodb:DescribeTimeToLive"))?;
        let on = |status: Option<&TimeToLiveStatus>| {
            matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
        };
        let description = answer.time_to_live_description.filter(|ttl| on(ttl.time_to_live_status()));
        Ok(description.and_then(|ttl| ttl.attribute_name))
    }

    /// Returns the Kinesis streams that get a copy of every change.
    async fn kinesis_streams(&self, name: &str) -> Result<BTreeSet<String>, Fault> {
        let answer = self.dynamodb.describe_kinesis_streaming_destination().table_name(name).send().await;
        let answer = answer.map_err(fault("dynamodb:DescribeKinesisStreamingDestination"))?;
        let is_on = |status: &DestinationStatus| {
            matches!(status, DestinationStatus::Enabling | DestinationStatus::Active | DestinationStatus::Updating)
        };
        let all = answer.kinesis_data_stream_destinations.unwrap_or_default().into_iter();
        let on = all.filter(|one| one.destination_status.as_ref().is_some_and(is_on));
        Ok(on.filter_map(|one| one.stream_arn).collect())
    }

    async fn stop_kinesis_stream(&self, at: &Address, stream: &str) -> Result<()> {
        let call = || async {
            // A copy that taskbell's own last call stopped refuses to be stopped again, as one that is not complete yet.
            if !self.kinesis_streams(&at.name).await?.contains(stream) {
                return Ok(());
            }
            let call = self.dynamodb.disable_kinesis_streaming_destination().table_name(&at.name).stream_arn(stream);
            call.send().await.map(drop).map_err(fault("dynamodb:DisableKinesisStreamingDestination"))
        };
        self.waiter.retry(&at.id, TABLE_STATE, in_use, call).await
    }

    async fn policy(&self, arn: &str) -> Result<Option<Policy>, Fault> {
        let answer = self.dynamodb.get_resource_policy().resource_arn(arn).send().await;
        match answer.map_err(fault("dynamodb:GetResourcePolicy")) {
            Err(fault) if fault.is(&["PolicyNotFoundException"]) => Ok(None),
            answer => Ok(answer?.policy.filter(|text| !text.is_empty()).map(|text| Policy::parse(&text))),
        }
    }

    async fn stop_stream(&self, at: &Address) -> Result<()> {
        let off = StreamSpecification::builder().stream_enabled(false).build();
        let off = off.map_err(|error| Error::new("could not describe a stream").because(error))?;
        let call = || {
            let call = self.dynamodb.update_table().table_name(&at.name).stream_specification(off.clone());
            async { call.send().await.map(drop).map_err(fault("dynamodb:UpdateTable")) }
        };
        self.waiter.retry(&at.id, TABLE_STATE, in_use, call).await?;
        self.until_active(at).await
    }

    async fn remove_policy(&self, at: &Address) -> Result<()> {
        let look = || async { Ok(Attempt::seen(self.describe(&at.name).await?.and_then(|table| table.table_arn))) };
        let arn = self.waiter.until(&at.id, CONFLICT, look).await?;
        let call = || {
            let call = self.dynamodb.delete_resource_policy().resource_arn(&arn);
            async {
                match call.send().await.map_err(fault("dynamodb:DeleteResourcePolicy")) {
                    Err(fault) if fault.is(&["PolicyNotFoundException"]) => Ok(()),
                    answer => answer.map(drop),
                }
            }
        };
        self.waiter.retry(&at.id, TABLE_STATE, in_use, call).await
    }

    async fn tags(&self, arn: &str) -> Result<Tags, Fault> {
        if let Some(tags) = self.lists.tags(arn).await {
            return Ok(tags);
        }
        let mut tags = Tags::new();
        let mut next = None;
        loop {
            let call = self.dynamodb.list_tags_of_resource().resource_arn(arn).set_next_token(next);
            let page = call.send().await.map_err(fault("dynamodb:ListTagsOfResource"))?;
            tags.extend(page.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())));
            next = page.next_token;
            if next.is_none() {
                return Ok(tags);
            }
        }
    }

    /// Creates the table and waits until it is usable. Returns the spec that it then has.
    async fn create(&self, at: &Address, want: &Spec, tags: &Tags) -> Result<Spec> {
        let attribute = AttributeDefinition::builder().attribute_name(KEY).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(KEY).key_type(KeyType::Hash);
        let (attribute, key) = match (attribute.build(), key.build()) {
            (Ok(attribute), Ok(key)) => (attribute, key),
            (Err(error), _) | (_, Err(error)) => return Err(Error::new("could not describe a table").because(error)),
        };
        let call = || {
            let call = self.dynamodb.create_table().table_name(&at.name).billing_mode(billing(want));
            let call = call.attribute_definitions(attribute.clone()).key_schema(key.clone());
            let call = call.deletion_protection_enabled(want.deletion_protection).set_tags(Some(sdk_tags(tags)));
            async { call.send().await.map(drop).map_err(fault("dynamodb:CreateTable")) }
        };
        if let Err(fault) = call().await {
            // The name is taken, perhaps by a table that is being deleted.
            if !fault.is(&["ResourceInUseException"]) {
                return Err(fault.into());
            }
            if self.describe(&at.name).await?.is_some() {
                return Err(AlreadyExists(fault.to_string()).into());
            }
            self.waiter.retry(&at.id, TABLE_STATE, in_use, call).await?;
        }
        self.until_active(at).await?;
        Ok(Spec { expiry: None, ..want.clone() })
    }

    /// Updates only the settings that differ: with the mode, a table that is billed by the hour would also need its capacity.
    async fn update(&self, at: &Address, have: &Spec, want: &Spec) -> Result<()> {
        let mode = (have.on_demand != want.on_demand).then(|| billing(want));
        let protection = (have.deletion_protection != want.deletion_protection).then_some(want.deletion_protection);
        let call = || {
            let call = self.dynamodb.update_table().table_name(&at.name).set_billing_mode(mode.clone());
            let call = call.set_deletion_protection_enabled(protection);
            async { call.send().await.map(drop).map_err(fault("dynamodb:UpdateTable")) }
        };
        self.waiter.retry(&at.id, TABLE_STATE, in_use, call).await?;
        self.until_active(at).await
    }

    /// Sets the expiry, and returns whether it is as wanted. The attribute can only be changed after expiry was turned off, and
    /// DynamoDB refuses a second change within an hour of the last one, which may be somebody else's.
    async fn expire_by(&self, at: &Address, have: Option<&str>, want: Option<&str>) -> Result<bool> {
        for (attribute, enabled) in [(have, false), (want, true)] {
            let Some(attribute) = attribute else { continue };
            let setting = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(enabled).build();
            let setting = setting.map_err(|error| Error::new("could not describe the expiry").because(error))?;
            let call = || {
                let call = self.dynamodb.update_time_to_live().table_name(&at.name);
                let call = call.time_to_live_specification(setting.clone());
                async {
                    match call.send().await.map_err(fault("dynamodb:UpdateTimeToLive")) {
                        // taskbell's own last call arrived, or another run was faster.
                        Err(fault) if fault.says("already enabled") || fault.says("already disabled") => Ok(true),
                        Err(fault) if fault.says(EXPIRY_CHANGED_TWICE) => Ok(false),
                        answer => answer.map(|_| true),
                    }
                }
            };
            if !self.waiter.retry(&at.id, TABLE_STATE, in_use, call).await? {
                // The refused call may have repeated one whose answer was lost.
                return Ok(self.expiry(&at.name).await?.as_deref() == want);
            }
        }
        Ok(true)
    }

    async fn until_active(&self, at: &Address) -> Result<()> {
        let look = || async {
            match self.describe(&at.name).await? {
                Some(table) if table.table_status() == Some(&TableStatus::Active) => Ok(Attempt::Ready(())),
                _ => Ok(Attempt::NotYet { what: "the table to be ready".to_owned(), fault: None }),
            }
        };
        self.waiter.until(&at.id, TABLE_STATE, look).await
    }

    async fn tag(&self, at: &Address, tags: &TagChange) -> Result<()> {
        if tags.set.is_empty() && tags.remove.is_empty() {
            return Ok(());
        }
        let look = || async { Ok(Attempt::seen(self.describe(&at.name).await?.and_then(|table| table.table_arn))) };
        let arn = self.waiter.until(&at.id, CONFLICT, look).await?;
        if !tags.set.is_empty() {
            let call = || {
                let call = self.dynamodb.tag_resource().resource_arn(&arn).set_tags(Some(sdk_tags(&tags.set)));
                async { call.send().await.map(drop).map_err(fault("dynamodb:TagResource")) }
            };
            self.waiter.retry(&at.id, CONFLICT, in_use, call).await?;
        }
        if !tags.remove.is_empty() {
            let call = || {
                let call = self.dynamodb.untag_resource().resource_arn(&arn).set_tag_keys(Some(tags.remove.clone()));
                async { call.send().await.map(drop).map_err(fault("dynamodb:UntagResource")) }
            };
            self.waiter.retry(&at.id, CONFLICT, in_use, call).await?;
        }
        Ok(())
    }
}

/// Returns the reason to wait: while a table is created, updated or deleted, it accepts no other change.
fn in_use(fault: &Fault) -> Option<&'static str> {
    let busy = fault.is(&["ResourceInUseException", "LimitExceededException"]);
    if busy { Some("another change of the same table to finish") } else { unseen(fault, &ABSENT) }
}

fn billing(spec: &Spec) -> BillingMode {
    if spec.on_demand { BillingMode::PayPerRequest } else { BillingMode::Provisioned }
}

fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok()).collect()
}

/// Returns the spec without the parts that other calls return.
fn normal(table: &TableDescription) -> Spec {
    let type_of = |name: &str| {
        let definition = table.attribute_definitions().iter().find(|definition| definition.attribute_name() == name);
        definition.map_or("?", |definition| definition.attribute_type().as_str())
    };
    let keys =
        table.key_schema().iter().map(|key| format!("{}:{}", key.attribute_name(), type_of(key.attribute_name())));
    let mode = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    Spec {
        key: keys.collect::<Vec<_>>().join(","),
        on_demand: mode == Some(&BillingMode::PayPerRequest),
        expiry: None,
        deletion_protection: table.deletion_protection_enabled().unwrap_or_default(),
        stream: table.stream_specification().filter(|stream| stream.stream_enabled()).map(|stream| {
            stream.stream_view_type().map_or_else(|| "ENABLED".to_owned(), |shown| shown.as_str().to_owned())
        }),
        kinesis_streams: BTreeSet::new(),
        policy: None,
    }
}
