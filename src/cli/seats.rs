//! Where the stacks of a fleet sit while they run: so many work at a time, and those that have to ask wait until all may be
//! asked about at once.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::error::{Category, Error, Hint, Result};
use crate::reconcile::resource::{Event, Listener};

/// How far the stacks are.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    waiting: usize,
    ended: usize,
}

/// What was answered, for all.
#[derive(Debug, Clone)]
enum Answer {
    Yes,
    No { told: String, hint: Option<Hint>, kind: Category },
}

/// All seats together.
pub struct Seats {
    total: usize,
    work: Arc<Semaphore>,
    count: watch::Sender<Count>,
    answer: watch::Sender<Option<Answer>>,
}

impl Seats {
    #[must_use]
    pub fn new(total: usize, jobs: usize) -> Arc<Self> {
        let work = Arc::new(Semaphore::new(jobs));
        Arc::new(Self { total, work, count: watch::Sender::default(), answer: watch::Sender::default() })
    }

    /// A seat, once there is work to do for it. What happens there is told to the listener.
    pub async fn take(self: &Arc<Self>, listener: Listener) -> Seat {
        let permit = Arc::clone(&self.work).acquire_owned().await.ok();
        Seat { seats: Arc::clone(self), permit: Mutex::new(permit), listener }
    }

    /// Ends once no stack works any more, and some wait for an answer.
    pub async fn all_wait(&self) {
        let asked = |count: &Count| count.waiting > 0 && count.waiting + count.ended == self.total;
        if self.answer.borrow().is_some() || self.count.subscribe().wait_for(asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub fn ended(&self) {
        self.count.send_modify(|count| count.ended += 1);
    }

    /// For all that wait.
    pub fn answer(&self, answer: &Result<()>) {
        let answer = match answer {
            Ok(()) => Answer::Yes,
            Err(error) => {
                Answer::No { told: error.in_one_line(), hint: error.nearest_hint().cloned(), kind: error.kind() }
            }
        };
        self.answer.send_replace(Some(answer));
    }
}

/// One stack's.
pub struct Seat {
    seats: Arc<Seats>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    listener: Listener,
}

impl Seat {
    #[must_use]
    pub fn listener(&self) -> Listener {
        let listener = Arc::clone(&self.listener);
        Arc::new(move |event: Event| listener(event))
    }

    /// Waits for the answer that is given for all. Others may work meanwhile.
    ///
    /// # Errors
    /// If it is no.
    pub async fn confirm(&self) -> Result<()> {
        drop(self.permit.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.seats.count.send_modify(|count| count.waiting += 1);
        let mut answers = self.seats.answer.subscribe();
        let answer = match answers.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone(),
            Err(_) => None,
        };
        let permit = Arc::clone(&self.seats.work).acquire_owned().await.ok();
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = permit;
        match answer {
            Some(Answer::Yes) => Ok(()),
            Some(Answer::No { told, hint, kind }) => {
                Err(hint.into_iter().fold(Error::new(told).category(kind), Error::hint))
            }
            None => Err(Error::new("nobody answered; nothing was changed")),
        }
    }
}
