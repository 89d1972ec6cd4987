//! The engine's laws, over a strict AWS in the process, through the command line itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::time::Duration;

use support::aws::{Aws, Failure, Fault, On, trips};
use support::{taskbell, taskbell_without_webhook};
use tokio::time::Instant;

const SETUP: &str = "setup --cluster batch --yes --verbose";
/// The questions to EventBridge write nothing: hundreds of runs do without them.
const UNASKED: &str = "setup --cluster batch --yes --verbose --no-pattern-check";
const DRIFT: &str = "drift --cluster batch --verbose";
const TEARDOWN: &str = "teardown --cluster batch --yes";

#[tokio::test(start_paused = true)]
async fn after_setup_setup_plans_nothing_and_writes_nothing() {
    let aws = Aws::new().await;
    let first = taskbell(&aws, SETUP).await;
    assert_eq!(first.code, 0, "{first:?}");
    aws.forget_calls();
    let again = taskbell(&aws, SETUP).await;
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(aws.writes(), [""; 0]);
    assert_eq!(taskbell(&aws, DRIFT).await.code, 0);
    assert_eq!(taskbell_without_webhook(&aws, DRIFT).await.code, 0);
    assert_eq!(aws.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn teardown_leaves_nothing_and_is_a_success_again() {
    let aws = Aws::new().await;
    let before = aws.everything().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    assert_eq!(taskbell(&aws, TEARDOWN).await.code, 0);
    pretty_assertions(&aws.everything().await, &before);
    assert_eq!(taskbell(&aws, TEARDOWN).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn whatever_write_of_setup_fails_in_whatever_way_running_again_completes_it() {
    let undisturbed = Aws::new().await;
    assert_eq!(taskbell(&undisturbed, SETUP).await.code, 0);
    let (goal, writes) = (undisturbed.everything().await, undisturbed.writes().len());
    let mut cases = 0;
    for nth in 0..writes {
        for (failure, times) in failures() {
            let aws = Aws::new().await;
            aws.fail(Fault { failure, on: On::Writes, nth, times });
            let disturbed = taskbell(&aws, UNASKED).await;
            assert!([0, 1].contains(&disturbed.code), "{failure:?} at write {nth}: {disturbed:?}");
            aws.heal();
            let again = taskbell(&aws, UNASKED).await;
            assert_eq!(again.code, 0, "{failure:?} x{times} at write {nth}: {disturbed:?} then {again:?}");
            assert_same(&aws.everything().await, &goal, &format!("{failure:?} x{times} at write {nth}"));
            cases += 1;
        }
    }
    println!("{cases} cases, {writes} writes");
    assert!(writes >= 10 && cases >= 100, "{cases} cases over {writes} writes");
}

#[tokio::test(start_paused = true)]
async fn whatever_write_of_teardown_fails_in_whatever_way_running_again_completes_it() {
    let undisturbed = Aws::new().await;
    let goal = undisturbed.everything().await;
    assert_eq!(taskbell(&undisturbed, SETUP).await.code, 0);
    undisturbed.forget_calls();
    assert_eq!(taskbell(&undisturbed, TEARDOWN).await.code, 0);
    let writes = undisturbed.writes().len();
    for nth in 0..writes {
        for (failure, times) in failures() {
            let aws = Aws::new().await;
            assert_eq!(taskbell(&aws, UNASKED).await.code, 0);
            aws.fail(Fault { failure, on: On::Writes, nth, times });
            let disturbed = taskbell(&aws, TEARDOWN).await;
            assert!([0, 1].contains(&disturbed.code), "{failure:?} at write {nth}: {disturbed:?}");
            aws.heal();
            let again = taskbell(&aws, TEARDOWN).await;
            assert_eq!(again.code, 0, "{failure:?} x{times} at write {nth}: {disturbed:?} then {again:?}");
            assert_same(&aws.everything().await, &goal, &format!("{failure:?} x{times} at write {nth}"));
        }
    }
    assert!(writes >= 7, "{writes} writes");
}

/// Once: the SDK's own retry meets what the first attempt left. Many times: the call fails for good.
fn failures() -> Vec<(Failure, usize)> {
    let ways = [
        Failure::ServerError,
        Failure::Throttled,
        Failure::Denied,
        Failure::NotSent,
        Failure::AnswerLost,
        Failure::Hangs,
    ];
    ways.into_iter().flat_map(|way| [(way, 1), (way, 3)]).collect()
}

#[tokio::test(start_paused = true)]
async fn round_trips_and_calls_keep_their_bounds() {
    let aws = Aws::lax().await;
    let latency = Duration::from_millis(50);
    aws.delay(latency);
    let mut figures = Vec::new();
    let least = |line: &str| format!("{line} --pattern task-failed --no-dedupe");
    // One rule and no table; then the whole. A table costs three calls to read, each further rule two; setup asks EventBridge
    // about 20 samples for task-failed, 3 for deployment-failed and 8 for service-impaired.
    for (line, most_trips, most_calls) in [
        (least(SETUP), 12, 72),
        (least(SETUP), 3, 44),
        (least(DRIFT), 3, 20),
        (TEARDOWN.to_owned(), 6, 40),
        (SETUP.to_owned(), 12, 102),
        (SETUP.to_owned(), 3, 61),
        (DRIFT.to_owned(), 3, 26),
        (TEARDOWN.to_owned(), 6, 50),
    ] {
        aws.forget_calls();
        let start = Instant::now();
        let outcome = taskbell(&aws, &line).await;
        assert_eq!(outcome.code, 0, "{outcome:?}");
        let (trips, calls) = (trips(start, latency), aws.calls().len());
        figures.push(format!("{line}: {trips} round trips, {calls} calls"));
        assert!(trips <= most_trips && calls <= most_calls, "{figures:#?} {:#?}", aws.calls());
    }
    println!("{}", figures.join("\n"));
}

fn assert_same(have: &serde_json::Value, want: &serde_json::Value, when: &str) {
    let changes = taskbell::document::diff(want, have);
    assert!(changes.is_empty(), "{when}: {changes:#?}");
}

fn pretty_assertions(have: &serde_json::Value, want: &serde_json::Value) {
    assert_same(have, want, "afterwards");
}
