//! Manages the notifier's Lambda function: its code and configuration. `children` manages the settings attached to it.

mod children;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    ApplicationLogLevel, Architecture, DeadLetterConfig, Environment, EphemeralStorage, FunctionCode,
    FunctionConfiguration, LastUpdateStatus, LogFormat, LoggingConfig, Runtime, State, SystemLogLevel, TracingConfig,
    TracingMode, VpcConfig,
};
use serde::{Deserialize, Serialize};

use super::lists::Lists;
use super::role;
use crate::aws::client::fault::{Fault, fault};
use crate::aws::client::identity::Identity;
use crate::aws::client::wait::{Attempt, CONFLICT, FUNCTION_UPDATE, ROLE_PROPAGATION, Waiter, conflict, unseen};
use crate::error::{Error, Result};
use crate::policy::Policy;
use crate::reconcile::resource::{Adapter, AlreadyExists, Found, Needs, TagChange, Tags};
use crate::stack::{Address, Id, Kind, Stack};

/// The tag with the id of the role whose grants the function holds: a role that was created again under the old name has another
/// id.
pub const ROLE_ID_TAG: &str = "taskbell:role-id";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    pub runtime: String,
    pub handler: String,
    pub architecture: String,
    pub memory_mib: i32,
    pub timeout_seconds: i32,
    pub description: String,
    pub role: String,
    /// Whether the grants belong to the role that has this name now; none for a role of the user's own.
    pub bound_to_current_role: Option<bool>,
    /// Base64 of the SHA-256 of the archive.
    pub code_sha256: String,
    /// The configuration that refuses code without a signature, such as the notifier's: none.
    pub code_signing: Option<String>,
    pub environment: BTreeMap<String, String>,
    /// The user's own key that encrypts the environment, none: without that key the function does not start.
    pub kms_key: Option<String>,
    pub log_format: String,
    /// The level below which Lambda drops the notifier's lines. The notifier writes them at INFO.
    pub log_level: String,
    /// The level below which Lambda drops its own lines about each run.
    pub system_log_level: String,
    pub log_group: String,
    pub layers: Vec<String>,
    pub in_vpc: bool,
    pub file_systems: Vec<String>,
    pub ephemeral_storage_mib: i32,
    /// Whether X-Ray receives traces.
    pub tracing: String,
    /// The older way to keep failed events, none: they go to the destination of `failed_invocations`.
    pub dead_letter: Option<String>,
    /// The queues and streams whose records also invoke the notifier, by the ids of their mappings: none.
    pub event_sources: BTreeMap<String, String>,
    /// The reserved concurrency; `Some(0)` would switch the notifier off.
    pub reserved_concurrency: Option<i32>,
    /// The statements of the resource policy, by their ids.
    pub permissions: BTreeMap<String, Policy>,
    pub failed_invocations: Option<FailedInvocations>,
}

use children::{ABSENT, Children, is_absent, not_ready};

pub use children::FailedInvocations;

pub struct Function {
    pub lambda: Client,
    pub roles: Arc<role::Reader>,
    pub waiter: Waiter,
    pub identity: Arc<Identity>,
    /// The zip archive to upload.
    pub archive: Vec<u8>,
    /// The name of the stack's own role.
    pub role_name: String,
    /// The lists of all stacks, if several are read.
    pub lists: Lists,
}

/// Returns the id of the notifier.
#[must_use]
pub fn id() -> Id {
    Id::new(Kind::Function, "notifier")
}

#[must_use]
pub fn address(stack: &Stack) -> Address {
    Address { id: id(), name: stack.function_name(), stack: stack.name.clone() }
}

impl Adapter for Function {
    type Spec = Spec;
    const KIND: Kind = Kind::Function;
    const NEEDS: Needs = Needs::OF_NOTIFIER;
    const CREATION_REFUSES: bool = true;

    async fn read(&self, at: &Address) -> Result<Option<Found<Spec>>> {
        let children = self.children();
        let (function, permissions, failed_invocations, event_sources, code_signing, role_id) = tokio::join!(
            self.get(&at.name),
            children.permissions(&at.name),
            children.failed_invocations(&at.name),
            children.event_sources(&at.name),
            children.code_signing(&at.name),
            self.role_id(),
        );
        let Some(function) = function? else {
            return Ok(None);
        };
        let (permissions, failed_invocations) = (permissions?, failed_invocations?);
        // No policy or no configuration: somebody may have removed them, or the whole function since it was read.
        let is_bare = permissions.is_none() || failed_invocations.is_none();
        if is_bare && self.get(&at.name).await?.is_none() {
            return Ok(None);
        }
        let Some(tags) = tags(&function)? else {
            return Ok(None);
        };
        environment_is_readable(&function)?;
        let mut spec = normal(function);
        spec.permissions = permissions.unwrap_or_default();
        spec.failed_invocations = failed_invocations;
        spec.event_sources = event_sources?;
        spec.code_signing = code_signing?;
        if spec.role.rsplit('/').next() == Some(&self.role_name) {
            let role_id = role_id?;
            spec.bound_to_current_role = Some(role_id.is_some() && tags.get(ROLE_ID_TAG) == role_id.as_ref());
        }
        Ok(Some(Found { spec, tags }))
    }

    async fn begin(&self, at: &Address, want: &Spec, tags: &TagChange) -> Result<()> {
        self.create(at, want, &tags.all).await
    }

    async fn put(&self, at: &Address, have: Option<&Spec>, want: &Spec, tags: &TagChange) -> Result<()> {
        let bound = match have {
            None => None,
            Some(have) => {
                if have.code_signing.is_some() && want.code_signing.is_none() {
                    self.children().remove_code_signing(at).await?;
                }
                self.update_code(at, have, want).await?;
                let bound = self.update_configuration(at, have, want).await?;
                self.update_concurrency(at, have, want).await?;
                bound
            }
        };
        let none = BTreeMap::new();
        let permissions = have.map_or(&none, |have| &have.permissions);
        let failed = have.and_then(|have| have.failed_invocations.as_ref());
        let children = self.children();
        let (permissions, failed) = tokio::join!(
            children.update_permissions(at, permissions, &want.permissions),
            children.update_failed_invocations(at, failed, want.failed_invocations.as_ref()),
        );
        permissions.and(failed)?;
        let sources = have.into_iter().flat_map(|have| have.event_sources.keys());
        for mapping in sources.filter(|mapping| !want.event_sources.contains_key(*mapping)) {
            children.remove_event_source(at, mapping).await?;
        }
        if have.is_some() { self.tag(at, tags, bound).await } else { Ok(()) }
    }

    /// Deletes the function, and with it the resource policy.
    async fn delete(&self, at: &Address, _have: &Spec) -> Result<()> {
        let call = || {
            let call = self.lambda.delete_function().function_name(&at.name);
            async {
                match call.send().await.map_err(fault("lambda:DeleteFunction")) {
                    Err(fault) if !is_absent(&fault) => Err(fault),
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

/// Reads the function.
impl Function {
    fn children(&self) -> Children<'_> {
        Children { lambda: &self.lambda, waiter: &self.waiter, identity: &self.identity, lists: &self.lists }
    }

    async fn get(&self, name: &str) -> Result<Option<GetFunctionOutput>, Fault> {
        match self.lambda.get_function().function_name(name).send().await.map_err(fault("lambda:GetFunction")) {
            Err(fault) if is_absent(&fault) => Ok(None),
            answer => Ok(Some(answer?)),
        }
    }

    async fn role_id(&self) -> Result<Option<String>> {
        Ok(self.roles.get(&self.role_name).await?.map(|role| role.role_id))
    }
}

/// Creates and updates the function.
impl Function {
    async fn create(&self, at: &Address, want: &Spec, tags: &Tags) -> Result<()> {
        let mut tags: HashMap<String, String> = tags.clone().into_iter().collect();
        if want.bound_to_current_role.is_some() {
            tags.insert(ROLE_ID_TAG.to_owned(), self.visible_role_id(at).await?);
        }
        let storage = storage(want)?;
        let call = || {
            let call = self
                .lambda
                .create_function()
                .function_name(&at.name)
                .runtime(Runtime::from(want.runtime.as_str()))
                .handler(&want.handler)
                .architectures(Architecture::from(want.architecture.as_str()))
                .memory_size(want.memory_mib)
                .timeout(want.timeout_seconds)
                .description(&want.description)
                .role(&want.role)
                .environment(environment(want))
                .logging_config(logging(want))
                .tracing_config(tracing(want))
                .ephemeral_storage(storage.clone())
                .code(FunctionCode::builder().zip_file(Blob::new(self.archive.clone())).build())
                .set_tags(Some(tags.clone()));
            async {
                match call.send().await.map_err(fault("lambda:CreateFunction")) {
                    Err(fault) if fault.is(&["ResourceConflictException"]) && fault.says("already exist") => {
                        Ok(Err(fault))
                    }
                    Err(fault) => Err(fault),
                    Ok(answer) => Ok(Ok(answer.state)),
                }
            }
        };
        match self.waiter.retry(&at.id, ROLE_PROPAGATION, not_ready, call).await? {
            Err(fault) => Err(AlreadyExists(fault.to_string()).into()),
            Ok(Some(State::Active)) => Ok(()),
            Ok(_) => self.wait_until_settled(at).await,
        }
    }

    /// Waits until IAM shows the role: a new role is not visible everywhere at once.
    async fn visible_role_id(&self, at: &Address) -> Result<String> {
        let look = || async {
            Ok(match self.role_id().await? {
                Some(id) => Attempt::Ready(id),
                None => Attempt::NotYet { what: "IAM to show the new role".to_owned(), fault: None },
            })
        };
        self.waiter.until(&at.id, ROLE_PROPAGATION, look).await
    }

    async fn update_code(&self, at: &Address, have: &Spec, want: &Spec) -> Result<()> {
        if have.code_sha256 == want.code_sha256 && have.architecture == want.architecture {
            return Ok(());
        }
        let call = || {
            let call = self
                .lambda
                .update_function_code()
                .function_name(&at.name)
                .architectures(Architecture::from(want.architecture.as_str()))
                .zip_file(Blob::new(self.archive.clone()));
            async { call.send().await.map_err(fault("lambda:UpdateFunctionCode")) }
        };
        self.waiter.retry(&at.id, FUNCTION_UPDATE, conflict, call).await?;
        self.wait_until_settled(at).await
    }

    /// Updates the configuration. Returns the id of the role to which the function is now bound, if it was bound again.
    async fn update_configuration(&self, at: &Address, have: &Spec, want: &Spec) -> Result<Option<String>> {
        let configuration = |spec: &Spec| Spec {
            code_sha256: String::new(),
            code_signing: None,
            architecture: String::new(),
            reserved_concurrency: None,
            permissions: BTreeMap::new(),
            failed_invocations: None,
            event_sources: BTreeMap::new(),
            ..spec.clone()
        };
        if configuration(have) == configuration(want) {
            return Ok(None);
        }
        let role_id = match want.bound_to_current_role {
            Some(_) => Some(self.visible_role_id(at).await?),
            None => None,
        };
        let storage = storage(want)?;
        let dead_letter = DeadLetterConfig::builder().target_arn(want.dead_letter.clone().unwrap_or_default()).build();
        let call = || {
            let call = self
                .lambda
                .update_function_configuration()
                .function_name(&at.name)
                .runtime(Runtime::from(want.runtime.as_str()))
                .handler(&want.handler)
                .memory_size(want.memory_mib)
                .timeout(want.timeout_seconds)
                .description(&want.description)
                .role(&want.role)
                .environment(environment(want))
                .logging_config(logging(want))
                .tracing_config(tracing(want))
                .ephemeral_storage(storage.clone())
                .set_layers(Some(want.layers.clone()))
                .set_dead_letter_config((have.dead_letter != want.dead_letter).then(|| dead_letter.clone()))
                // The call keeps what it does not name: only an empty text removes a key.
                .set_kms_key_arn((have.kms_key != want.kms_key).then(|| want.kms_key.clone().unwrap_or_default()))
                .set_file_system_configs((have.file_systems != want.file_systems).then(Vec::new))
                .set_vpc_config((have.in_vpc && !want.in_vpc).then(no_vpc));
            async { call.send().await.map_err(fault("lambda:UpdateFunctionConfiguration")) }
        };
        self.waiter.retry(&at.id, FUNCTION_UPDATE, not_ready, call).await?;
        self.wait_until_settled(at).await?;
        Ok(role_id)
    }

    async fn update_concurrency(&self, at: &Address, have: &Spec, want: &Spec) -> Result<()> {
        match want.reserved_concurrency {
            same if same == have.reserved_concurrency => {}
            Some(executions) => {
                let call = self.lambda.put_function_concurrency().function_name(&at.name);
                let call = call.reserved_concurrent_executions(executions);
                call.send().await.map_err(fault("lambda:PutFunctionConcurrency"))?;
            }
            None => {
                let call = self.lambda.delete_function_concurrency().function_name(&at.name);
                call.send().await.map_err(fault("lambda:DeleteFunctionConcurrency"))?;
            }
        }
        Ok(())
    }

    async fn tag(&self, at: &Address, tags: &TagChange, bound: Option<String>) -> Result<()> {
        let mut set = tags.set.clone();
        set.extend(bound.map(|id| (ROLE_ID_TAG.to_owned(), id)));
        if set.is_empty() && tags.remove.is_empty() {
            return Ok(());
        }
        let arn = self.identity.place().await?.function_arn(&at.name);
        if !set.is_empty() {
            let set: HashMap<String, String> = set.into_iter().collect();
            let call = || {
                let call = self.lambda.tag_resource().resource(&arn).set_tags(Some(set.clone()));
                async { call.send().await.map_err(fault("lambda:TagResource")) }
            };
            self.waiter.retry(&at.id, CONFLICT, |fault| unseen(fault, &ABSENT), call).await?;
        }
        if !tags.remove.is_empty() {
            let call = self.lambda.untag_resource().resource(&arn).set_tag_keys(Some(tags.remove.clone()));
            call.send().await.map_err(fault("lambda:UntagResource"))?;
        }
        Ok(())
    }

    async fn wait_until_settled(&self, at: &Address) -> Result<()> {
        let probe = || async {
            let call = self.lambda.get_function_configuration().function_name(&at.name);
            let now = match call.send().await.map_err(fault("lambda:GetFunctionConfiguration")) {
                Err(fault) if is_absent(&fault) => return Ok(Attempt::seen(None)),
                now => now?,
            };
            let reason = now.state_reason().or(now.last_update_status_reason()).unwrap_or("no reason given");
            match (now.state(), now.last_update_status()) {
                (Some(State::Failed), _) | (_, Some(LastUpdateStatus::Failed)) => {
                    Err(Error::new(format!("Lambda could not make {} ready: {reason}", at.name)))
                }
                (Some(State::Pending), _) | (_, Some(LastUpdateStatus::InProgress)) => {
                    let what = "Lambda to make the function ready".to_owned();
                    Ok(Attempt::NotYet { what, fault: None })
                }
                _ => Ok(Attempt::Ready(())),
            }
        };
        self.waiter.until(&at.id, FUNCTION_UPDATE, probe).await
    }
}

/// Returns the tags; none if the function is gone. GetFunction omits them for callers without lambda:ListTags: then the owner of the
/// function is unknown.
fn tags(function: &GetFunctionOutput) -> Result<Option<Tags>> {
    match function.tags_error() {
        Some(error) if ABSENT.contains(&error.error_code()) => Ok(None),
        Some(error) => Err(Error::new(format!("{} on lambda:ListTags: {}", error.error_code(), error.message()))),
        None => Ok(Some(function.tags.clone().unwrap_or_default().into_iter().collect())),
    }
}

/// Checks the environment: GetFunction succeeds without the variables if Lambda could not decrypt them for the caller.
fn environment_is_readable(function: &GetFunctionOutput) -> Result<()> {
    let environment = function.configuration().and_then(FunctionConfiguration::environment);
    match environment.and_then(|environment| environment.error()) {
        Some(error) => Err(Error::new(format!(
            "{} on the function's environment variables: {}",
            error.error_code().unwrap_or("error"),
            error.message().unwrap_or("no message")
        ))
        .hint(
            "the function's environment is encrypted with your own key: enable the key if it is disabled, and allow \
             kms:Decrypt on it",
        )),
        None => Ok(()),
    }
}

fn normal(function: GetFunctionOutput) -> Spec {
    let reserved_concurrency = function.concurrency.and_then(|concurrency| concurrency.reserved_concurrent_executions);
    let now = function.configuration.unwrap_or_else(|| FunctionConfiguration::builder().build());
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let environment = now.environment.and_then(|environment| environment.variables).unwrap_or_default();
    let logging = now.logging_config;
    let format = logging.as_ref().and_then(|logging| logging.log_format.as_ref());
    let level = logging.as_ref().and_then(|logging| logging.application_log_level.as_ref());
    let system_level = logging.as_ref().and_then(|logging| logging.system_log_level.as_ref());
    let system_level = system_level.map_or("INFO", SystemLogLevel::as_str).to_owned();
    Spec {
        runtime: now.runtime.map(|runtime| runtime.as_str().to_owned()).unwrap_or_default(),
        handler: text(&now.handler),
        architecture: now
            .architectures
            .and_then(|list| list.first().map(|one| one.as_str().to_owned()))
            .unwrap_or_else(|| "x86_64".to_owned()),
        memory_mib: now.memory_size.unwrap_or(128),
        timeout_seconds: now.timeout.unwrap_or(3),
        description: text(&now.description),
        role: text(&now.role),
        bound_to_current_role: None,
        code_sha256: text(&now.code_sha256),
        code_signing: None,
        environment: environment.into_iter().collect(),
        kms_key: now.kms_key_arn.filter(|arn| !arn.is_empty()),
        log_format: format.map_or("Text", LogFormat::as_str).to_owned(),
        log_level: level.map_or("INFO", ApplicationLogLevel::as_str).to_owned(),
        system_log_level: system_level,
        log_group: logging
            .and_then(|logging| logging.log_group)
            .unwrap_or_else(|| format!("/aws/lambda/{}", text(&now.function_name))),
        layers: now.layers.unwrap_or_default().into_iter().filter_map(|layer| layer.arn).collect(),
        in_vpc: now.vpc_config.is_some_and(|vpc| !vpc.subnet_ids().is_empty()),
        file_systems: now.file_system_configs.unwrap_or_default().into_iter().map(|system| system.arn).collect(),
        ephemeral_storage_mib: now.ephemeral_storage.map_or(512, |storage| storage.size),
        tracing: now
            .tracing_config
            .and_then(|tracing| tracing.mode)
            .unwrap_or(TracingMode::PassThrough)
            .as_str()
            .to_owned(),
        dead_letter: now.dead_letter_config.and_then(|config| config.target_arn).filter(|arn| !arn.is_empty()),
        event_sources: BTreeMap::new(),
        reserved_concurrency,
        permissions: BTreeMap::new(),
        failed_invocations: None,
    }
}

fn environment(spec: &Spec) -> Environment {
    Environment::builder().set_variables(Some(spec.environment.clone().into_iter().collect())).build()
}

fn logging(spec: &Spec) -> LoggingConfig {
    let (format, level) = (spec.log_format.as_str().into(), spec.log_level.as_str().into());
    let config = LoggingConfig::builder().log_format(format).application_log_level(level).log_group(&spec.log_group);
    config.system_log_level(spec.system_log_level.as_str().into()).build()
}

fn tracing(spec: &Spec) -> TracingConfig {
    TracingConfig::builder().mode(spec.tracing.as_str().into()).build()
}

fn storage(spec: &Spec) -> Result<EphemeralStorage> {
    let storage = EphemeralStorage::builder().size(spec.ephemeral_storage_mib).build();
    storage.map_err(|error| Error::new("could not describe the function's storage").because(error))
}

fn no_vpc() -> VpcConfig {
    VpcConfig::builder().set_subnet_ids(Some(Vec::new())).set_security_group_ids(Some(Vec::new())).build()
}
