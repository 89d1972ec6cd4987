//! Checks what a setup needs in AWS, all at the same time, while the stack itself is read.

use super::{pattern_check, preflight};
use crate::aws::calls::cluster;
use crate::config::Config;
use crate::error::Result;
use crate::operations::events::Note;
use crate::operations::session::Session;
use crate::reconcile::resource::{Inventory, Observed};

/// The end of the error about a cluster that does not exist.
const WAY_OUT: &str = "; --allow-missing-cluster accepts it anyway";

/// The checks that a setup may leave out.
#[derive(Debug, Clone, Copy)]
pub struct Checks {
    /// Whether the clusters have to exist.
    pub clusters: bool,
    /// Whether EventBridge itself is asked which samples the patterns match.
    pub patterns: bool,
}

impl Checks {
    /// Returns these checks, with the question to EventBridge only for a new stack: all of its rules will be added, and the answers come
    /// while the stack is read. Of another stack, the plan has to say first which rules change.
    pub fn while_reading(self, notifier: &Inventory) -> Self {
        let is_absent = notifier.values().all(|seen| matches!(seen.observed, Ok(Observed::Absent)));
        Self { patterns: self.patterns && is_absent, ..self }
    }
}

/// The answers. An error among them counts only once the plan is known, which may show a better one.
pub struct Answers {
    pub clusters: Result<()>,
    pub patterns: Result<()>,
    /// The notes about the logs, the clusters and the sweeps.
    pub notes: Vec<Note>,
    /// The user's own parameters that do not exist.
    pub parameters_missing: Result<Vec<String>>,
}

/// Asks AWS.
pub async fn look(config: &Config, session: &Session, checks: Checks) -> Answers {
    let asked = async {
        match checks.patterns {
            true => eventbridge_agrees(config, session, |_| true).await,
            false => Ok(()),
        }
    };
    // Boxed, because the futures of dozens of calls are too large for the call stack.
    let (clusters, notes, patterns, parameters_missing) = tokio::join!(
        Box::pin(clusters_exist(config, session, checks)),
        Box::pin(notes(config, session)),
        Box::pin(asked),
        Box::pin(preflight::parameters_missing(config, session)),
    );
    Answers { clusters, patterns, notes, parameters_missing }
}

async fn clusters_exist(config: &Config, session: &Session, checks: Checks) -> Result<()> {
    match checks.clusters {
        true => cluster::must_exist(&session.sdk, &config.clusters, WAY_OUT).await,
        false => Ok(()),
    }
}

async fn notes(config: &Config, session: &Session) -> Vec<Note> {
    let (logs, globs, sweeps) = tokio::join!(
        preflight::logs_beyond(config, &session.sdk),
        preflight::of_globs(config, &session.sdk),
        preflight::of_slow_sweeps(config, &session.sdk),
    );
    globs.into_iter().chain(logs).chain(sweeps).collect()
}

/// Asks EventBridge itself about the patterns of these names, before anything is written.
///
/// # Errors
/// If EventBridge disagrees about a pattern.
pub async fn eventbridge_agrees(config: &Config, session: &Session, is_asked: impl Fn(&str) -> bool) -> Result<()> {
    let place = session.identity.place().await?;
    for note in pattern_check::reached(&session.sdk, &session.waiter, (config, is_asked), place).await? {
        session.note(note);
    }
    Ok(())
}
