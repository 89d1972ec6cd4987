//! Reports that AWS has not answered yet: after three seconds, after ten, and every ten from then on.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Output;
use crate::aws::client::wait;
use crate::operations::events::{Asking, Event};
use crate::reconcile::resource::Event as Step;
use crate::stack::Subject;

const FIRST: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_secs(10);
/// The age of a resource's last report above which the resource is considered stuck.
const STALE: Duration = Duration::from_secs(30);

/// The form of the report.
pub enum Voice {
    /// A new line for each report.
    Plain(Output),
    /// A single line that counts the seconds.
    InPlace(MultiProgress),
}

/// The listener of a run that reports a wait while nothing else is reported.
pub struct Silence {
    voice: Voice,
    state: Mutex<State>,
    heard: Notify,
}

struct State {
    /// The number of current waits, nested or side by side. All of them share one report.
    waits: usize,
    /// The time since which nothing else was reported.
    since: Instant,
    /// The number of reports that are due so far in this silence.
    told: u32,
    /// Resources that report their own waits, with the time of the last report.
    telling: BTreeMap<Subject, Instant>,
    line: Option<ProgressBar>,
}

impl State {
    fn due(&self) -> Instant {
        self.since + if self.told == 0 { FIRST } else { AGAIN * self.told }
    }

    fn begin(&mut self) {
        (self.since, self.told) = (Instant::now(), 0);
        if let Some(line) = self.line.take() {
            line.finish_and_clear();
        }
    }
}

impl Silence {
    #[must_use]
    pub fn new(voice: Voice) -> Self {
        let state = State { waits: 0, since: Instant::now(), told: 0, telling: BTreeMap::new(), line: None };
        Self { voice, state: Mutex::new(state), heard: Notify::new() }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records when AWS is asked and when AWS answers, and the steps that are reported meanwhile.
    pub fn heard(&self, event: &Event) {
        // Each change has its own line, which counts the seconds.
        let is_drawn = |asking: &Asking| *asking == Asking::Changes && matches!(self.voice, Voice::InPlace(_));
        self.with(|state| match event {
            Event::Asking(asking) if !is_drawn(asking) => {
                if state.waits == 0 {
                    state.begin();
                    state.telling.clear();
                }
                state.waits += 1;
            }
            Event::Answered(asking) if !is_drawn(asking) => {
                state.waits = state.waits.saturating_sub(1);
                if state.waits == 0 {
                    state.begin();
                }
            }
            Event::Step(step) => {
                state.begin();
                match step {
                    Step::Waiting { subject, .. } => drop(state.telling.insert(subject.clone(), Instant::now())),
                    Step::Started { subject, .. } | Step::Done { subject } | Step::Failed { subject } => {
                        state.telling.remove(subject);
                    }
                }
            }
            _ => {}
        });
        self.heard.notify_waiters();
    }

    /// Runs a command, and meanwhile reports how long AWS has not answered.
    pub async fn over<T>(&self, command: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            ended = command => ended,
            never = self.tell() => match never {},
        }
    }

    async fn tell(&self) -> Infallible {
        loop {
            let heard = self.heard.notified();
            let due = self.with(|state| (state.waits > 0).then(|| state.due()));
            let Some(due) = due else {
                heard.await;
                continue;
            };
            tokio::select! {
                () = wait::moment(due) => {}
                () = heard => continue,
            }
            self.with(|state| {
                // Another caller may have reported this wait, or another event may have ended the silence.
                if state.waits > 0 && state.due() <= Instant::now() {
                    state.told += 1;
                    if state.telling.values().all(|last| last.elapsed() > STALE) {
                        self.say(state);
                    }
                }
            });
        }
    }

    fn say(&self, state: &mut State) {
        let time = state.since.elapsed();
        match &self.voice {
            Voice::Plain(err) => err.print(&format!("still waiting for AWS ({} s)…\n", time.as_secs())),
            Voice::InPlace(bars) => {
                state.line.get_or_insert_with(|| {
                    let style = ProgressStyle::with_template("{spinner} still waiting for AWS ({elapsed})…");
                    let line = bars.add(ProgressBar::new_spinner().with_elapsed(time));
                    line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                    line.enable_steady_tick(Duration::from_millis(100));
                    line
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn seconds(&self) -> Vec<u64> {
            let text = String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap();
            let number = |line: &str| line.split(['(', ' ']).find_map(|word| word.parse().ok()).unwrap();
            text.lines().map(number).collect()
        }
    }

    /// Simulates a request that AWS answers at the end of the wait.
    async fn asked<T>(silence: &Silence, wait: impl Future<Output = T>) -> T {
        silence
            .over(async {
                silence.heard(&Event::Asking(Asking::Look));
                let waited = wait.await;
                silence.heard(&Event::Answered(Asking::Look));
                waited
            })
            .await
    }

    async fn pass(seconds: u64) {
        wait::moment(Instant::now() + Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_waits_share_reports_after_3_10_and_every_10_seconds() {
        let page = Page::default();
        let silence = Silence::new(Voice::Plain(Output::new(page.clone())));
        asked(&silence, pass(2)).await;
        assert!(page.seconds().is_empty());
        asked(&silence, async { tokio::join!(asked(&silence, pass(35)), asked(&silence, pass(12))) }).await;
        assert_eq!(page.seconds(), [3, 10, 20, 30]);
        silence.over(pass(60)).await;
        assert!(page.seconds().is_empty(), "AWS is not asked");
    }

    #[tokio::test(start_paused = true)]
    async fn steps_end_the_silence_and_own_reports_suppress_it() {
        let page = Page::default();
        let silence = Silence::new(Voice::Plain(Output::new(page.clone())));
        let subject = Subject::Drill;
        asked(&silence, async {
            pass(4).await;
            silence.heard(&Event::Step(Step::Started { subject: subject.clone(), doing: "adding" }));
            pass(5).await;
            for seconds in [0, 10, 20, 30] {
                silence.heard(&Event::Step(Step::Waiting {
                    subject: subject.clone(),
                    what: "Lambda".to_owned(),
                    seconds,
                }));
                pass(10).await;
            }
            silence.heard(&Event::Step(Step::Done { subject: subject.clone() }));
            pass(4).await;
        })
        .await;
        assert_eq!(page.seconds(), [3, 3, 3]);
        // A stuck call is reported, once the resource's own report is older than `STALE`.
        asked(&silence, async {
            silence.heard(&Event::Step(Step::Waiting {
                subject: subject.clone(),
                what: "Lambda".to_owned(),
                seconds: 0,
            }));
            pass(45).await;
        })
        .await;
        assert_eq!(page.seconds(), [40]);
    }
}
