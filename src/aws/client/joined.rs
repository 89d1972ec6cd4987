//! Joins equal calls at the same time into one: two kinds that need the same answer in one observation share it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OnceCell;

use super::fault::Fault;

/// The answer of the call in progress, if there is one. Nothing is kept once all callers have the answer.
#[derive(Debug)]
pub struct Joined<T> {
    running: Mutex<Weak<OnceCell<Result<T, Fault>>>>,
}

impl<T> Default for Joined<T> {
    fn default() -> Self {
        Self { running: Mutex::default() }
    }
}

impl<T: Clone> Joined<T> {
    /// Makes the call, or waits for the one in progress.
    ///
    /// # Errors
    /// Returns the call's error to all callers that waited for it: if each of them repeated the call, each would wait for an AWS
    /// that does not answer.
    pub async fn ask<F>(&self, call: impl FnOnce() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let answer = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.upgrade().unwrap_or_else(|| {
                let fresh = Arc::new(OnceCell::new());
                *running = Arc::downgrade(&fresh);
                fresh
            })
        };
        answer.get_or_init(call).await.clone()
    }
}
