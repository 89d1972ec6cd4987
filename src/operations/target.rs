//! What an operation is about, and what it works with.

use std::sync::Arc;
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use super::events::Listener;
use crate::aws::client::connections::Connections;
use crate::config::file::Site;
use crate::stack::StackName;

/// Which stack, in which account and region.
#[derive(Debug, Clone)]
pub struct Target {
    pub stack: StackName,
    pub site: Site,
}

/// With what an operation works.
#[derive(Clone)]
pub struct Context {
    /// Clients and credentials, shared by all stacks of the process.
    pub connections: Arc<Connections>,
    /// Ends the operation: looks at once, changes within ten seconds.
    pub cancel: CancellationToken,
    pub clock: fn() -> SystemTime,
    pub listener: Listener,
}

impl Context {
    /// A context of the ordinary configuration, which reports nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { connections: Arc::default(), cancel: CancellationToken::new(), clock: now, listener: Arc::new(|_| {}) }
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
