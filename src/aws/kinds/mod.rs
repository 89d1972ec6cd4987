//! Lists the kinds. Each kind has a file of its own and uses no other kind, except that the function reads the role.

pub mod alarm;
pub mod function;
pub mod log_group;
pub mod parameter;
pub mod queue;
pub mod role;
pub mod rule;
pub mod table;

use std::sync::Arc;

use aws_config::SdkConfig;
use tokio::sync::Mutex;

use super::client;
use super::client::identity::Identity;
use super::client::joined::Joined;
use super::client::wait::Waiter;
use crate::reconcile::resource::AnyKind;
use crate::stack::Stack;
use alarm::Alarm;
use function::Function;
use log_group::LogGroup;
use parameter::{Parameter, Webhook};
use queue::Queue;
use role::Role;
use rule::Rule;
use table::Table;

/// The inputs of this run for the kinds; empty by default, for commands that write none of them.
#[derive(Default)]
pub struct Given {
    /// The webhook, if this run was given one.
    pub webhook: Option<Webhook>,
    /// Whether a webhook that somebody else stored is accepted as it is.
    pub accept_stored_webhook: bool,
    /// The notifier's zip archive.
    pub archive: Vec<u8>,
}

/// Returns all kinds. A new kind is added here.
#[must_use]
pub fn all(
    config: &SdkConfig,
    stack: &Stack,
    identity: &Arc<Identity>,
    waiter: &Waiter,
    given: Given,
) -> Vec<Arc<dyn AnyKind>> {
    let Given { webhook, accept_stored_webhook, archive } = given;
    let iam = client::iam(config);
    let roles = Arc::new(role::Reader { iam: iam.clone(), joined: Joined::default() });
    vec![
        Arc::new(Parameter {
            ssm: client::ssm(config),
            waiter: waiter.clone(),
            webhook,
            accept_stored: accept_stored_webhook,
        }),
        Arc::new(LogGroup { logs: client::logs(config), waiter: waiter.clone() }),
        Arc::new(queue_of(config, waiter)),
        Arc::new(Table { dynamodb: client::dynamodb(config), waiter: waiter.clone() }),
        Arc::new(Alarm {
            cloudwatch: client::cloudwatch(config),
            waiter: waiter.clone(),
            described: Joined::default(),
        }),
        Arc::new(Role { iam, waiter: waiter.clone(), reader: Arc::clone(&roles) }),
        Arc::new(Function {
            lambda: client::lambda(config),
            roles,
            waiter: waiter.clone(),
            identity: Arc::clone(identity),
            archive,
            role_name: stack.role_name(),
        }),
        Arc::new(Rule {
            events: client::eventbridge(config),
            waiter: waiter.clone(),
            identity: Arc::clone(identity),
            prefix: stack.rule_prefix(),
            listed: Joined::default(),
        }),
    ]
}

#[must_use]
pub fn queue_of(config: &SdkConfig, waiter: &Waiter) -> Queue {
    Queue { sqs: client::sqs(config), waiter: waiter.clone(), url: Mutex::new(None) }
}
