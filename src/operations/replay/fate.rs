//! What became of the entries of the queue.

use crate::aws::calls::undelivered::Entry;

/// What became of an entry.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It would be sent.
    Waiting,
    /// The notifier took it: its outcome.
    Sent(String),
    /// It is not an event: it stays.
    Unknown,
    /// The notifier failed on it: the next one may fare better.
    Refused(String),
    /// AWS did not do it.
    Failed(String),
    /// Sent, but it could not be deleted: it stays, and is told once at most where there is a table.
    NotDeleted(String),
}

/// An entry that was handled.
#[derive(Debug, Clone)]
pub struct Handled {
    pub entry: Entry,
    pub fate: Fate,
}
