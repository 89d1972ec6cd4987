//! Makes the adapters of the kinds. Each kind has a file of its own and uses no other kind, except that the function reads the role.

pub mod alarm;
pub mod function;
pub mod lists;
pub mod log_group;
pub mod parameter;
pub mod queue;
pub mod role;
pub mod rule;
pub mod table;
pub mod watch;

use std::sync::Arc;

use aws_config::SdkConfig;
use tokio::sync::Mutex;

use super::client;
use super::client::identity::Identity;
use super::client::joined::Joined;
use super::client::wait::Waiter;
use crate::reconcile::resource::AnyAdapter;
use crate::stack::{Kind, Stack};
use alarm::Alarm;
use function::Function;
use lists::Lists;
use log_group::LogGroup;
use parameter::{Parameter, Webhook};
use queue::Queue;
use role::Role;
use rule::Rule;
use table::Table;
use watch::Watch;

/// The values that this run writes to AWS: the webhook and the notifier's archive. Commands that write neither use the default.
#[derive(Default)]
pub struct Given {
    /// The webhook, if this run was given one.
    pub webhook: Option<Webhook>,
    /// Whether a webhook that somebody else stored is accepted as it is.
    pub accept_stored_webhook: bool,
    /// The notifier's zip archive.
    pub archive: Vec<u8>,
}

/// Returns the adapters of all kinds. With `lists`, they read what the lists show of all stacks at once.
#[must_use]
pub fn all(
    config: &SdkConfig,
    stack: &Stack,
    identity: &Arc<Identity>,
    waiter: &Waiter,
    given: Given,
    lists: &Lists,
) -> Vec<Arc<dyn AnyAdapter>> {
    let Given { webhook, accept_stored_webhook, mut archive } = given;
    let iam = client::iam(config);
    let notifier = stack.role_name();
    let roles = Arc::new(role::Reader { iam: iam.clone(), notifier, joined: Joined::default(), lists: lists.clone() });
    let mut adapter = |kind: &Kind| -> Arc<dyn AnyAdapter> {
        match kind {
            Kind::Parameter => Arc::new(Parameter {
                ssm: client::ssm(config),
                waiter: waiter.clone(),
                webhook: webhook.clone(),
                accept_stored: accept_stored_webhook,
                lists: lists.clone(),
            }),
            Kind::LogGroup => {
                Arc::new(LogGroup { logs: client::logs(config), waiter: waiter.clone(), lists: lists.clone() })
            }
            Kind::Queue => Arc::new(Queue { lists: lists.clone(), ..queue_of(config, stack, identity, waiter) }),
            Kind::Table => {
                Arc::new(Table { dynamodb: client::dynamodb(config), waiter: waiter.clone(), lists: lists.clone() })
            }
            Kind::Alarm => Arc::new(Alarm {
                cloudwatch: client::cloudwatch(config),
                waiter: waiter.clone(),
                described: Joined::default(),
                lists: lists.clone(),
            }),
            Kind::Role => Arc::new(Role { iam: iam.clone(), waiter: waiter.clone(), reader: Arc::clone(&roles) }),
            Kind::Function => Arc::new(Function {
                lambda: client::lambda(config),
                roles: Arc::clone(&roles),
                waiter: waiter.clone(),
                identity: Arc::clone(identity),
                archive: std::mem::take(&mut archive),
                role_name: stack.role_name(),
                lists: lists.clone(),
            }),
            Kind::Rule => Arc::new(Rule {
                events: client::eventbridge(config),
                waiter: waiter.clone(),
                identity: Arc::clone(identity),
                prefix: stack.rule_prefix(),
                listed: Joined::default(),
                lists: lists.clone(),
            }),
            Kind::Watch => {
                Arc::new(Watch { scheduler: client::scheduler(config), waiter: waiter.clone(), lists: lists.clone() })
            }
        }
    };
    Kind::ALL.iter().map(&mut adapter).collect()
}

#[must_use]
pub fn queue_of(config: &SdkConfig, stack: &Stack, identity: &Arc<Identity>, waiter: &Waiter) -> Queue {
    Queue {
        sqs: client::sqs(config),
        lambda: client::lambda(config),
        waiter: waiter.clone(),
        identity: Arc::clone(identity),
        function: stack.function_name(),
        url: Mutex::new(None),
        lists: Lists::default(),
    }
}
