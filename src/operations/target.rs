//! Defines the target of an operation, and the means that the operation uses.

use std::sync::Arc;
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use super::events::Listener;
use super::fleet::lists::FleetLists;
use super::room::Room;
use crate::aws::client::connections::Connections;
use crate::config::file::Site;
use crate::stack::StackName;

/// A stack, with its account and region.
#[derive(Debug, Clone)]
pub struct Target {
    pub stack: StackName,
    pub site: Site,
}

/// The means that an operation uses: connections, interruption, clock, listener, and what the stacks of the process share.
#[derive(Clone)]
pub struct Context {
    /// Clients and credentials, shared by all stacks of the process.
    pub connections: Arc<Connections>,
    /// Ends the operation: reads at once, changes within ten seconds.
    pub cancel: CancellationToken,
    pub clock: fn() -> SystemTime,
    pub listener: Listener,
    /// The rules that the stacks of the process add to the buses.
    pub room: Arc<Room>,
    /// The lists of all stacks of an account and region.
    pub lists: Arc<FleetLists>,
}

impl Context {
    /// Returns a context with the ordinary configuration, which reports nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            connections: Arc::default(),
            cancel: CancellationToken::new(),
            clock: now,
            listener: Arc::new(|_| {}),
            room: Arc::default(),
            lists: Arc::default(),
        }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

#[allow(clippy::disallowed_methods, reason = "the clock of those who bring none of their own")]
fn now() -> SystemTime {
    SystemTime::now()
}
