//! Checks the law of `tests/laws/faults.rs` over real connections: however any call of setup, drift or teardown fails, the command
//! ends as documented, and a second run completes it.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tokio_util::sync::CancellationToken;

use crate::support::aws::Failure;
use crate::support::emulator::Emulator;
use crate::support::proxy::{Mishap, Proxy};
use crate::support::{self, Outcome, run_with};

/// The number of workers: their waits for stuck calls overlap.
const WORKERS: usize = 8;
const WAYS: [Failure; 6] =
    [Failure::NotSent, Failure::AnswerLost, Failure::ServerError, Failure::Throttled, Failure::Hangs, Failure::Denied];
/// Flags for one rule and no table: every kind of call, without the repetitions for further resources.
const LEAST: &str = "--cluster batch --pattern task-failed --no-dedupe --no-pattern-check";

/// A duration that no attempt reaches, even on a busy machine. `let_time_pass` skips the wait for an answer that never comes.
const ATTEMPT: Duration = Duration::from_secs(30);

async fn sdk(endpoint: &str, calls: &Calls) -> SdkConfig {
    let time_outs = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT);
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .http_client(SharedHttpClient::new(calls.clone()))
        .test_credentials()
        .timeout_config(time_outs.operation_timeout(ATTEMPT * 20).build())
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(10)))
        .load()
        .await
}

/// An HTTP client that counts the attempts in progress.
#[derive(Debug, Clone, Default)]
struct Calls {
    on_the_way: Arc<AtomicUsize>,
    inner: Arc<OnceLock<SharedHttpClient>>,
}

/// An attempt in progress; the attempt ends when this is dropped, whatever its result.
struct OnTheWay(Arc<AtomicUsize>);

impl Drop for OnTheWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl HttpClient for Calls {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let client = self.inner.get_or_init(|| aws_smithy_http_client::Builder::new().build_http());
        let inner = client.http_connector(settings, components);
        SharedHttpConnector::new(Connector { on_the_way: Arc::clone(&self.on_the_way), inner })
    }
}

#[derive(Debug)]
struct Connector {
    on_the_way: Arc<AtomicUsize>,
    inner: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.on_the_way.fetch_add(1, Ordering::SeqCst);
        let (on_the_way, answer) = (OnTheWay(Arc::clone(&self.on_the_way)), self.inner.call(request));
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            drop(on_the_way);
            answer
        })
    }
}

/// A guard that pauses the clock of this thread until it is dropped.
struct Stopped;

impl Stopped {
    fn new() -> Self {
        tokio::time::pause();
        Self
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        tokio::time::resume();
    }
}

/// A worker, which runs at the same time as others, with its own proxy and stack.
struct Worker {
    proxy: Proxy,
    stack: String,
    sdk: SdkConfig,
    calls: Calls,
}

impl Worker {
    async fn new(number: usize, emulator: &Emulator) -> Self {
        let proxy = Proxy::start(&emulator.endpoint);
        let calls = Calls::default();
        let sdk = sdk(&proxy.endpoint, &calls).await;
        Self { proxy, stack: format!("stack-{number}"), sdk, calls }
    }

    async fn taskbell(&self, command: &str) -> Outcome {
        let line = match command {
            "setup" => format!("setup {LEAST} --yes --stack {}", self.stack),
            "drift" => format!("drift {} --stack {}", LEAST.replace(" --no-pattern-check", ""), self.stack),
            _ => format!("teardown --cluster batch --yes --stack {}", self.stack),
        };
        run_with(self.sdk.clone(), &line, Some(support::WEBHOOK), CancellationToken::new()).await
    }

    /// Advances the clock of this thread beyond the time limit of a call whenever a call is stuck and no other is in progress.
    async fn let_time_pass(&self) -> Infallible {
        let (mut before, mut jumped) = (None, None);
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let hangs =
                self.proxy.hangs().filter(|(hanging, _)| *hanging == self.calls.on_the_way.load(Ordering::SeqCst));
            // The proxy notices late that a client gave up; that call must not cause a second jump.
            if hangs.is_some() && hangs == before && hangs != jumped {
                let _stopped = Stopped::new();
                tokio::time::advance(ATTEMPT + Duration::from_secs(1)).await;
                jumped = hangs;
            }
            before = hangs;
        }
    }

    /// Runs the command with one mishap, then without, and returns a description of what is wrong. The number of reads of a state
    /// varies, so the last calls of a run may not be made. `went_wrong` collects the cases whose call was made.
    async fn case(&self, command: &str, (nth, failure, for_good): Case, went_wrong: &WentWrong) -> Option<String> {
        self.proxy.set(Some(Mishap::Fails { failure, nth, for_good }));
        let disturbed = tokio::select! {
            outcome = self.taskbell(command) => outcome,
            never = self.let_time_pass() => match never {},
        };
        let hit = self.proxy.hit();
        self.proxy.set(None);
        // Do not block: the runtime of this thread still has to close connections.
        while !self.proxy.is_at_rest() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let case = format!("{command}, {failure:?} for good: {for_good}, at call {nth} ({hit:?}): {disturbed:?}");
        let Some(hit) = hit else {
            return (disturbed.code != 0).then_some(case);
        };
        let named = format!("{disturbed:?}").contains(&hit);
        went_wrong.lock().unwrap().push((command.to_owned(), failure as usize));
        if ![0, 1, 3].contains(&disturbed.code) || (disturbed.code != 0 && !named) {
            return Some(case);
        }
        let again = self.taskbell(command).await;
        (again.code != 0).then(|| format!("{case}, then {again:?}"))
    }
}

type Case = (usize, Failure, bool);

/// The command and the failure of each case whose call was made.
type WentWrong = Mutex<Vec<(String, usize)>>;

fn cases(calls: usize) -> Vec<Case> {
    let ways = |nth| WAYS.into_iter().flat_map(move |way| [(nth, way, false), (nth, way, true)]);
    (0..calls).flat_map(ways).collect()
}

/// Returns every second case: each call with each way to fail, either once or for good.
fn every_second(cases: Vec<Case>) -> Vec<Case> {
    cases.into_iter().filter(|(nth, way, for_good)| (nth + *way as usize).is_multiple_of(2) == *for_good).collect()
}

#[tokio::test]
async fn next_run_completes_the_command_after_any_failed_call_over_http() {
    let began = Instant::now();
    let emulator = Emulator::start("ministack");
    let ecs = aws_sdk_ecs::Client::new(&emulator.sdk().await);
    ecs.create_cluster().cluster_name("batch").send().await.unwrap();
    let first = Worker::new(0, &emulator).await;
    let mut calls = Vec::new();
    for command in ["setup", "drift", "teardown"] {
        first.proxy.set(None);
        let outcome = first.taskbell(command).await;
        assert_eq!(outcome.code, 0, "{outcome:?}");
        calls.push(first.proxy.calls());
    }
    let of_drift = cases(calls[1]);
    let (of_setup, of_teardown) = (every_second(cases(calls[0])), every_second(cases(calls[2])));
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (went_wrong, broken) = (WentWrong::default(), Mutex::new(Vec::new()));
    let rounds = of_setup.len().max(of_teardown.len());
    std::thread::scope(|scope| {
        for number in 1..=WORKERS {
            let (emulator, next, done, went_wrong, broken) = (&emulator, &next, &done, &went_wrong, &broken);
            let (of_setup, of_drift, of_teardown) = (&of_setup, &of_drift, &of_teardown);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let worker = Worker::new(number, emulator).await;
                    loop {
                        let round = next.fetch_add(1, Ordering::Relaxed);
                        if round >= rounds {
                            break;
                        }
                        // Each stack goes through one case of each command.
                        for (command, cases) in [("setup", of_setup), ("drift", of_drift), ("teardown", of_teardown)] {
                            let found = match cases.get(round) {
                                Some(case) => worker.case(command, *case, went_wrong).await,
                                None if command == "teardown" => {
                                    let gone = worker.taskbell(command).await;
                                    (gone.code != 0).then(|| format!("{gone:?}"))
                                }
                                None => None,
                            };
                            done.fetch_add(usize::from(cases.get(round).is_some()), Ordering::Relaxed);
                            broken.lock().unwrap().extend(found);
                        }
                    }
                });
            });
        }
    });
    let (done, broken) = (done.into_inner(), broken.into_inner().unwrap());
    let went_wrong = went_wrong.into_inner().unwrap();
    let never_made = done - went_wrong.len();
    println!(
        "{done} cases, {never_made} without their call, over {calls:?} calls of setup, drift and teardown; {:?}",
        began.elapsed()
    );
    assert!(broken.is_empty(), "{} of {done} broken:\n{}", broken.len(), broken.join("\n"));
    assert_eq!(done, of_setup.len() + of_drift.len() + of_teardown.len());
    assert!(never_made * 50 <= done, "{never_made} of {done} were never made");
    // Every command makes its first call, and each way to fail has a case for that call.
    assert_eq!(went_wrong.iter().collect::<BTreeSet<_>>().len(), 3 * WAYS.len());
    let sdk = emulator.sdk().await;
    let iam_roles = aws_sdk_iam::Client::new(&sdk).list_roles().send().await.unwrap();
    let functions = aws_sdk_lambda::Client::new(&sdk).list_functions().send().await.unwrap();
    let queues = aws_sdk_sqs::Client::new(&sdk).list_queues().send().await.unwrap();
    assert_eq!((iam_roles.roles().len(), functions.functions().len(), queues.queue_urls().len()), (0, 0, 0));
}
