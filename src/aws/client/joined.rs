//! One call for all who ask at the same time: two kinds that want the same answer in one observation share it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OnceCell;

use super::fault::Fault;

/// The answer that is being waited for, if one is. Nothing is kept once everybody has it.
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
    /// Makes the call, or waits for the one that is under way.
    ///
    /// # Errors
    /// The call's own, for all who waited for it: making it again for each of them would wait for an AWS that does not answer
    /// as many times.
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
