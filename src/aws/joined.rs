//! One call for all who ask at the same time: two kinds that want the same answer in one observation share it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OnceCell;

/// The answer that is being waited for, if one is. Nothing is kept once everybody has it.
#[derive(Debug)]
pub struct Joined<T> {
    running: Mutex<Weak<OnceCell<T>>>,
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
    /// The call's own. Whoever waited for a call that failed makes it again.
    pub async fn ask<E, F>(&self, call: impl FnOnce() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let answer = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.upgrade().unwrap_or_else(|| {
                let fresh = Arc::new(OnceCell::new());
                *running = Arc::downgrade(&fresh);
                fresh
            })
        };
        answer.get_or_try_init(call).await.cloned()
    }
}
