//! Defines the results of a replay for the entries of the queue.

use crate::aws::calls::undelivered::Entry;

/// The result for an entry of the queue.
#[derive(Debug, Clone)]
pub enum Fate {
    /// An event that a run would send, in a dry run.
    Waiting,
    /// An event that the notifier accepted, with the notifier's outcome.
    Sent(String),
    /// An entry that is not an event and stays in the queue.
    Unknown,
    /// An event on which the notifier failed. The next event may succeed.
    Refused(String),
    /// An event that AWS did not deliver, or may not have delivered.
    Failed(String),
    /// An event that was sent, but not deleted: the entry stays, and is announced at most once if the stack has a table.
    NotDeleted(String),
}

/// An entry that was handled.
#[derive(Debug, Clone)]
pub struct Handled {
    pub entry: Entry,
    pub fate: Fate,
}
