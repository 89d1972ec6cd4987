//! AWS: who is calling, the clients, and THE LIST of kinds. Each kind is a file of its own and knows no other kind.

pub mod alarm;
pub mod announcement;
pub mod assumed_role;
pub mod bus;
pub mod clients;
pub mod cluster;
pub mod credentials;
pub mod dates;
pub mod fault;
pub mod foreign;
pub mod function;
pub mod invocation;
pub mod joined;
pub mod journal;
pub mod log_group;
pub mod pace;
pub mod parameter;
pub mod queue;
pub mod role;
pub mod rule;
pub mod runtime;
pub mod services;
pub mod table;
pub mod tagged;
pub mod task;
pub mod undelivered;
pub mod wait;
pub mod workload;

use std::sync::Arc;

use aws_config::SdkConfig;
use tokio::sync::{Mutex, OnceCell};

use crate::error::{Error, Result};
use crate::resource::AnyKind;
use crate::stack::{Place, Stack};
use alarm::Alarm;
use fault::{Fault, fault};
use function::Function;
use joined::Joined;
use log_group::LogGroup;
use parameter::{Parameter, Webhook};
use queue::Queue;
use role::Role;
use rule::Rule;
use table::Table;
use wait::Waiter;

/// Account, partition and region of the caller. Asked for once; whoever needs it meanwhile waits for that one answer.
pub struct Identity {
    sts: aws_sdk_sts::Client,
    pub region: String,
    place: OnceCell<Result<Place, Option<Fault>>>,
}

impl Identity {
    #[must_use]
    pub fn new(config: &SdkConfig, region: &str) -> Self {
        Self { sts: clients::sts(config), region: region.to_owned(), place: OnceCell::new() }
    }

    /// # Errors
    /// If AWS does not know the caller, or cannot be reached: for all who ask, once and for all.
    pub async fn place(&self) -> Result<&Place> {
        let ask = || async {
            let call = self.sts.get_caller_identity().send();
            let caller = call.await.map_err(fault("sts:GetCallerIdentity")).map_err(Some)?;
            match (caller.arn(), caller.account()) {
                (Some(arn), Some(account)) => Ok(Place::of_caller(arn, account, &self.region)),
                _ => Err(None),
            }
        };
        self.place.get_or_init(ask).await.as_ref().map_err(|unknown| match unknown {
            Some(fault) => fault.clone().into(),
            None => Error::new("AWS did not say which account the credentials belong to"),
        })
    }
}

/// What the kinds need to know of this run; by default, nothing: for commands that write none of it.
#[derive(Default)]
pub struct Given {
    /// The webhook, if this run was given one.
    pub webhook: Option<Webhook>,
    /// Whether a webhook that somebody else stored is taken as it is.
    pub accept_stored_webhook: bool,
    /// The notifier's zip archive.
    pub archive: Vec<u8>,
}

/// THE LIST of kinds.
#[must_use]
pub fn kinds(
    config: &SdkConfig,
    stack: &Stack,
    identity: &Arc<Identity>,
    waiter: &Waiter,
    given: Given,
) -> Vec<Arc<dyn AnyKind>> {
    let Given { webhook, accept_stored_webhook, archive } = given;
    let iam = clients::iam(config);
    let roles = Arc::new(role::Reader { iam: iam.clone(), joined: Joined::default() });
    vec![
        Arc::new(Parameter {
            ssm: clients::ssm(config),
            waiter: waiter.clone(),
            webhook,
            accept_stored: accept_stored_webhook,
        }),
        Arc::new(LogGroup { logs: clients::logs(config), waiter: waiter.clone() }),
        Arc::new(queue_of(config, waiter)),
        Arc::new(Table { dynamodb: clients::dynamodb(config), waiter: waiter.clone() }),
        Arc::new(Alarm {
            cloudwatch: clients::cloudwatch(config),
            waiter: waiter.clone(),
            described: Joined::default(),
        }),
        Arc::new(Role { iam, waiter: waiter.clone(), reader: Arc::clone(&roles) }),
        Arc::new(Function {
            lambda: clients::lambda(config),
            roles,
            waiter: waiter.clone(),
            identity: Arc::clone(identity),
            archive,
            role_name: stack.role_name(),
        }),
        Arc::new(Rule {
            events: clients::eventbridge(config),
            waiter: waiter.clone(),
            identity: Arc::clone(identity),
            prefix: stack.rule_prefix(),
            listed: Joined::default(),
        }),
    ]
}

#[must_use]
pub fn queue_of(config: &SdkConfig, waiter: &Waiter) -> Queue {
    Queue { sqs: clients::sqs(config), waiter: waiter.clone(), url: Mutex::new(None) }
}
