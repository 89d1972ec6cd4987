//! Manages the SSM SecureString with the webhook.
//!
//! taskbell never reads the value: tags hold a fingerprint and the version, so that a change by somebody else, or
//! another webhook in this run, is noticed without decrypting anything.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{
    ParameterMetadata, ParameterStringFilter, ParameterTier, ParameterType, ResourceTypeForTagging, Tag,
};
use serde::{Deserialize, Serialize};

use super::lists::Lists;
use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};
use crate::aws::client::wait::{CONFLICT, Waiter, conflict};
use crate::error::{Error, Result};
use crate::reconcile::resource::{Adapter, AlreadyExists, Found, TagChange, Tags};
use crate::secret::Sealed;
use crate::stack::{Address, Id, Kind, Stack};

pub type Webhook = Sealed<String>;

const FINGERPRINT_TAG: &str = "taskbell:fingerprint";
/// The service's key in every account. The key's own policy allows every caller that may read the parameter.
const DEFAULT_KEY: &str = "alias/aws/ssm";
const VERSION_TAG: &str = "taskbell:version";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    pub r#type: String,
    /// The key that encrypts the parameter. The notifier may use only the account's default key.
    pub key: String,
    /// The parameter's policies, as JSON; none wanted: a policy can make the webhook expire.
    pub policies: Vec<String>,
    /// The fingerprint of the webhook, never the webhook itself.
    pub webhook: Option<String>,
    /// Whether taskbell wrote the current version.
    pub stored_by_taskbell: bool,
}

impl Spec {
    /// Returns the spec with the webhook of this run, if there is one.
    #[must_use]
    pub fn holding(webhook: Option<&Webhook>) -> Self {
        let (r#type, key) = (ParameterType::SecureString.as_str().to_owned(), DEFAULT_KEY.to_owned());
        let webhook = webhook.map(Webhook::to_string);
        Self { r#type, key, policies: Vec::new(), webhook, stored_by_taskbell: true }
    }
}

pub struct Parameter {
    pub ssm: Client,
    pub waiter: Waiter,
    /// The webhook of this run.
    pub webhook: Option<Webhook>,
    /// Whether a value that somebody else stored is accepted as it is (`--adopt parameter/webhook`).
    pub accept_stored: bool,
    /// The lists of all stacks, if several are read.
    pub lists: Lists,
}

/// Returns the id under which a stored webhook can be adopted as it is.
#[must_use]
pub fn id() -> Id {
    Id::new(Kind::Parameter, "webhook")
}

#[must_use]
pub fn address(stack: &Stack) -> Address {
    Address { id: id(), name: stack.parameter_name(), stack: stack.name.clone() }
}

impl Adapter for Parameter {
    type Spec = Spec;
    const KIND: Kind = Kind::Parameter;
    const CREATION_REFUSES: bool = true;

    async fn read(&self, at: &Address) -> Result<Option<Found<Spec>>> {
        let (described, tags) = tokio::join!(self.describe(&at.name), self.tags(&at.name));
        let Some(metadata) = described? else {
            return Ok(None);
        };
        let tags = match tags {
            // Somebody removed the parameter between the two reads.
            Err(fault) if fault.is(&["InvalidResourceId"]) => return Ok(None),
            tags => tags?,
        };
        let stored_by_taskbell = tags.get(VERSION_TAG) == Some(&metadata.version().to_string());
        let fingerprint = tags.get(FINGERPRINT_TAG).filter(|_| stored_by_taskbell);
        let webhook = Some(format!("fingerprint {}", fingerprint.map_or("unknown", String::as_str)));
        let (r#type, key) = type_and_key(&metadata);
        let policies = metadata.policies().iter().filter_map(|policy| policy.policy_text.clone()).collect();
        let spec = Spec { r#type, key, policies, webhook, stored_by_taskbell };
        Ok(Some(Found { spec, tags }))
    }

    async fn put(&self, at: &Address, have: Option<&Spec>, want: &Spec, tags: &TagChange) -> Result<()> {
        let mut set = tags.set.clone();
        match have {
            None => return self.create(at, tags).await,
            Some(have) if have == want => {}
            Some(have) => set.extend(self.store(at, have).await?),
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

/// Most names that a filter accepts.
const NAMES_AT_ONCE: usize = 50;

/// Returns the names that no parameter has. Reads no value.
///
/// # Errors
/// If a call fails.
pub async fn missing(sdk: &SdkConfig, names: &[&str]) -> Result<Vec<String>, Fault> {
    let ssm = client::ssm(sdk);
    let mut missing: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    for some in names.chunks(NAMES_AT_ONCE) {
        let some = some.iter().map(|name| (*name).to_owned()).collect();
        let mut pages = ssm.describe_parameters().parameter_filters(named(some)?).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(fault("ssm:DescribeParameters"))?;
            missing.retain(|name| !page.parameters().iter().any(|parameter| parameter.name() == Some(name)));
        }
    }
    Ok(missing)
}

fn named(names: Vec<String>) -> Result<ParameterStringFilter, Fault> {
    let filter = ParameterStringFilter::builder().key("Name").option("Equals").set_values(Some(names)).build();
    filter.map_err(|error| Fault::of_entry("ssm:DescribeParameters", None, Some(&error.to_string())))
}

impl Parameter {
    /// Reads everything but the value. A filtered listing may have empty pages before the page with the parameter.
    async fn describe(&self, name: &str) -> Result<Option<ParameterMetadata>, Fault> {
        if let Some(listed) = self.lists.parameter(name).await {
            return Ok(listed.cloned());
        }
        let filter = named(vec![name.to_owned()])?;
        let mut pages = self.ssm.describe_parameters().parameter_filters(filter).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(fault("ssm:DescribeParameters"))?;
            let found = page.parameters().iter().find(|parameter| parameter.name() == Some(name));
            if let Some(parameter) = found {
                return Ok(Some(parameter.clone()));
            }
        }
        Ok(None)
    }

    /// Reads the tags of the parameter itself, never from the index: they are the evidence of the webhook, and the index may still have
    /// those of a parameter that was deleted and created again.
    async fn tags(&self, name: &str) -> Result<Tags, Fault> {
        let call = self.ssm.list_tags_for_resource();
        let call = call.resource_type(ResourceTypeForTagging::Parameter).resource_id(name);
        let answer = call.send().await.map_err(fault("ssm:ListTagsForResource"))?;
        Ok(answer.tag_list().iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect())
    }

    /// Creates the parameter with its tags. SSM accepts tags with a creation, but not with an overwrite.
    async fn create(&self, at: &Address, tags: &TagChange) -> Result<()> {
        let webhook = self.webhook.as_ref().ok_or_else(no_webhook)?;
        let mut all = tags.all.clone();
        all.extend(record(&webhook.fingerprint(), 1));
        let call = self
            .put_parameter(at, webhook)
            .overwrite(false)
            .tier(ParameterTier::Standard)
            .set_tags(Some(sdk_tags(&all)?));
        match call.send().await.map_err(fault("ssm:PutParameter")) {
            Err(fault) if fault.is(&["ParameterAlreadyExists"]) => Err(AlreadyExists(fault.to_string()).into()),
            other => other.map(drop).map_err(Into::into),
        }
    }

    /// Stores the webhook over the current value. Returns the tags that record the new version.
    async fn store(&self, at: &Address, have: &Spec) -> Result<BTreeMap<String, String>> {
        let Some(webhook) = &self.webhook else {
            return match self.describe(&at.name).await?.filter(|_| self.accept_stored) {
                Some(stored) if !have.policies.is_empty() => Err(Error::usage(format!(
                    "the stored webhook {} has policies, which can make it expire",
                    stored.name().unwrap_or(&at.name)
                ))
                .hint("give the webhook, so that taskbell can store it again without them")),
                Some(stored) if type_and_key(&stored) == type_and_key_wanted() => {
                    Ok(record("unknown", stored.version()))
                }
                Some(_) => Err(Error::usage(format!(
                    "the stored webhook {} is not encrypted with {DEFAULT_KEY}",
                    at.name
                ))
                .hint(
                    "give the webhook, so that taskbell can store it again, or use the parameter with --slack-webhook-parameter",
                )),
                None => Err(no_webhook()),
            };
        };
        let call = || {
            let call = self.put_parameter(at, webhook).overwrite(true);
            // SSM keeps the policies until an empty one replaces them.
            let call = call.set_policies((!have.policies.is_empty()).then(|| "[{}]".to_owned()));
            async { call.send().await.map_err(fault("ssm:PutParameter")) }
        };
        let answer = self.waiter.retry(&at.id, CONFLICT, conflict, call).await?;
        // Another run may have stored its own webhook meanwhile, and recorded that.
        let newest = self.describe(&at.name).await?.is_none_or(|now| now.version() <= answer.version());
        Ok(if newest { record(&webhook.fingerprint(), answer.version()) } else { Tags::new() })
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

fn type_and_key(metadata: &ParameterMetadata) -> (String, String) {
    let r#type = metadata.r#type().map_or("", ParameterType::as_str);
    (r#type.to_owned(), metadata.key_id().unwrap_or(DEFAULT_KEY).to_owned())
}

fn type_and_key_wanted() -> (String, String) {
    let Spec { r#type, key, .. } = Spec::holding(None);
    (r#type, key)
}

fn record(fingerprint: &str, version: i64) -> Tags {
    Tags::from([(FINGERPRINT_TAG.to_owned(), fingerprint.to_owned()), (VERSION_TAG.to_owned(), version.to_string())])
}

fn sdk_tags(tags: &Tags) -> Result<Vec<Tag>> {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    tags.collect::<Result<_, _>>().map_err(|error| Error::new("a tag is incomplete").because(error))
}

/// Returns the error that there is no webhook to store.
#[must_use]
pub fn no_webhook() -> Error {
    Error::usage("no Slack webhook was given, and taskbell has stored none").hint(
        "set TASKBELL_SLACK_WEBHOOK_URL, or pipe it to --slack-webhook-url-stdin; \
         to keep a value that somebody else stored: --adopt parameter/webhook",
    )
}
