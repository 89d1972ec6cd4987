//! The SSM SecureString that holds the webhook.
//!
//! Its value is never read: a fingerprint and the version are kept as tags, so that a change by somebody else, or
//! another webhook being given, is seen without decrypting anything.

use std::collections::BTreeMap;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{ParameterStringFilter, ParameterTier, ParameterType, ResourceTypeForTagging, Tag};
use serde::{Deserialize, Serialize};

use super::fault::{Fault, fault};
use super::wait::{CONFLICT, Waiter, conflict};
use crate::error::{Error, Result};
use crate::resource::{AlreadyExists, Found, Kind, Stage, TagChange, Tags};
use crate::secret::Sealed;
use crate::stack::{Address, Id, Stack};

/// The id under which a stored webhook can be taken as it is.
pub const ADOPTABLE: &str = "parameter/webhook";

pub type Webhook = Sealed<String>;

const FINGERPRINT_TAG: &str = "taskbell:fingerprint";
const VERSION_TAG: &str = "taskbell:version";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    pub r#type: String,
    /// Which webhook it is: its fingerprint, never the webhook.
    pub webhook: Option<String>,
    /// Whether the version that is there is the one taskbell wrote.
    pub stored_by_taskbell: bool,
}

impl Spec {
    /// With the webhook that was given in this run, if one was.
    #[must_use]
    pub fn holding(webhook: Option<&Webhook>) -> Self {
        Self { r#type: "SecureString".to_owned(), webhook: webhook.map(Webhook::to_string), stored_by_taskbell: true }
    }
}

pub struct Parameter {
    pub ssm: Client,
    pub waiter: Waiter,
    /// The webhook given in this run.
    pub webhook: Option<Webhook>,
    /// Whether a value that somebody else stored is taken as it is (`--adopt parameter/webhook`).
    pub accept_stored: bool,
}

#[must_use]
pub fn address(stack: &Stack) -> Address {
    Address { id: Id::new(Parameter::NAME, "webhook"), name: stack.parameter_name(), stack: stack.name.clone() }
}

impl Kind for Parameter {
    type Spec = Spec;
    const NAME: &'static str = "parameter";
    const STAGE: Stage = Stage::Foundation;

    async fn read(&self, at: &Address) -> Result<Option<Found<Spec>>> {
        let (described, tags) = tokio::join!(self.describe(&at.name), self.tags(&at.name));
        let Some((r#type, version)) = described? else {
            return Ok(None);
        };
        let tags = tags?;
        let stored_by_taskbell = tags.get(VERSION_TAG) == Some(&version.to_string());
        let fingerprint = tags.get(FINGERPRINT_TAG).filter(|_| stored_by_taskbell);
        let webhook = Some(format!("fingerprint {}", fingerprint.map_or("unknown", String::as_str)));
        let spec = Spec { r#type, webhook, stored_by_taskbell };
        Ok(Some(Found { spec, tags }))
    }

    async fn put(&self, at: &Address, have: Option<&Spec>, want: &Spec, tags: &TagChange) -> Result<()> {
        let mut set = tags.set.clone();
        match have {
            None => return self.create(at, tags).await,
            Some(have) if have == want => {}
            Some(_) => set.extend(self.store(at).await?),
        }
        self.tag(at, &set, &tags.remove).await
    }

    async fn delete(&self, at: &Address, _have: &Spec) -> Result<()> {
        match self.ssm.delete_parameter().name(&at.name).send().await.map_err(fault("ssm:DeleteParameter")) {
            Err(fault) if !fault.is(&["ParameterNotFound"]) => Err(fault.into()),
            _ => Ok(()),
        }
    }

    async fn list(&self, stack: &Stack) -> Result<Vec<Address>> {
        Ok(vec![address(stack)])
    }
}

impl Parameter {
    /// Type and version. A filtered listing may have empty pages before the one with the parameter.
    async fn describe(&self, name: &str) -> Result<Option<(String, i64)>, Fault> {
        let filter = ParameterStringFilter::builder().key("Name").option("Equals").values(name).build();
        let filter =
            filter.map_err(|error| Fault::of_entry("ssm:DescribeParameters", None, Some(&error.to_string())))?;
        let mut pages = self.ssm.describe_parameters().parameter_filters(filter).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(fault("ssm:DescribeParameters"))?;
            let found = page.parameters().iter().find(|parameter| parameter.name() == Some(name));
            if let Some(parameter) = found {
                let r#type = parameter.r#type().map_or("", ParameterType::as_str).to_owned();
                return Ok(Some((r#type, parameter.version())));
            }
        }
        Ok(None)
    }

    async fn tags(&self, name: &str) -> Result<Tags, Fault> {
        let call = self.ssm.list_tags_for_resource();
        let call = call.resource_type(ResourceTypeForTagging::Parameter).resource_id(name);
        let answer = call.send().await.map_err(fault("ssm:ListTagsForResource"))?;
        Ok(answer.tag_list().iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect())
    }

    /// Tags cannot be sent along with an overwrite, but they can with a creation.
    async fn create(&self, at: &Address, tags: &TagChange) -> Result<()> {
        let webhook = self.webhook.as_ref().ok_or_else(no_webhook)?;
        let mut all = tags.all.clone();
        all.extend(record(&webhook.fingerprint(), 1));
        let call = self.put_parameter(at, webhook).set_tags(Some(sdk_tags(&all)?));
        match call.send().await.map_err(fault("ssm:PutParameter")) {
            Err(fault) if fault.is(&["ParameterAlreadyExists"]) => Err(AlreadyExists(fault.to_string()).into()),
            other => other.map(drop).map_err(Into::into),
        }
    }

    /// Stores the webhook over what is there; the tags that then record it.
    async fn store(&self, at: &Address) -> Result<BTreeMap<String, String>> {
        let Some(webhook) = &self.webhook else {
            return match (self.accept_stored, self.describe(&at.name).await?) {
                (true, Some((_, version))) => Ok(record("unknown", version)),
                _ => Err(no_webhook()),
            };
        };
        let call = || {
            let call = self.put_parameter(at, webhook).overwrite(true);
            async { call.send().await.map_err(fault("ssm:PutParameter")) }
        };
        let answer = self.waiter.retry(&at.id, CONFLICT, conflict, call).await?;
        Ok(record(&webhook.fingerprint(), answer.version()))
    }

    fn put_parameter(
        &self,
        at: &Address,
        webhook: &Webhook,
    ) -> aws_sdk_ssm::operation::put_parameter::builders::PutParameterFluentBuilder {
        self.ssm
            .put_parameter()
            .name(&at.name)
            .r#type(ParameterType::SecureString)
            .tier(ParameterTier::Standard)
            .description("Slack webhook of taskbell")
            .value(webhook.reveal())
    }

    async fn tag(&self, at: &Address, set: &Tags, remove: &[String]) -> Result<()> {
        if !set.is_empty() {
            let call = self.ssm.add_tags_to_resource().resource_type(ResourceTypeForTagging::Parameter);
            let call = call.resource_id(&at.name).set_tags(Some(sdk_tags(set)?));
            call.send().await.map_err(fault("ssm:AddTagsToResource"))?;
        }
        if !remove.is_empty() {
            let call = self.ssm.remove_tags_from_resource().resource_type(ResourceTypeForTagging::Parameter);
            let call = call.resource_id(&at.name).set_tag_keys(Some(remove.to_vec()));
            call.send().await.map_err(fault("ssm:RemoveTagsFromResource"))?;
        }
        Ok(())
    }
}

fn record(fingerprint: &str, version: i64) -> Tags {
    Tags::from([(FINGERPRINT_TAG.to_owned(), fingerprint.to_owned()), (VERSION_TAG.to_owned(), version.to_string())])
}

fn sdk_tags(tags: &Tags) -> Result<Vec<Tag>> {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    tags.collect::<Result<_, _>>().map_err(|error| Error::new("a tag is incomplete").because(error))
}

/// There is no webhook to store.
#[must_use]
pub fn no_webhook() -> Error {
    Error::usage("no Slack webhook was given, and none that taskbell stored is there").hint(
        "set TASKBELL_SLACK_WEBHOOK_URL, or pipe it to --slack-webhook-url-stdin; \
         to keep a value somebody else stored: --adopt parameter/webhook",
    )
}
