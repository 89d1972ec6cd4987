//! Checks the engine's laws, through the command line itself, with a strict AWS in the process. `faults.rs` checks the effects of
//! failures.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use taskbell::aws::client::pace::Pace;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::aws::{Aws, FOR_GOOD, Failure, Fault, On, trips};
use crate::support::{WEBHOOK, run_with, taskbell, taskbell_without_webhook};

const SETUP: &str = "setup --cluster batch --yes --verbose";
const DRIFT: &str = "drift --cluster batch --verbose";
const TEARDOWN: &str = "teardown --cluster batch --yes";

#[tokio::test(start_paused = true)]
async fn second_setup_plans_nothing_and_writes_nothing() {
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
async fn teardown_leaves_nothing_and_succeeds_again() {
    let aws = Aws::new().await;
    let before = aws.everything().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    assert_eq!(taskbell(&aws, TEARDOWN).await.code, 0);
    pretty_assertions(&aws.everything().await, &before);
    assert_eq!(taskbell(&aws, TEARDOWN).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn round_trips_and_calls_stay_within_their_bounds() {
    let aws = Aws::lax().await;
    let latency = Duration::from_millis(50);
    aws.delay(latency);
    let (mut figures, mut exceeded) = (Vec::new(), Vec::new());
    let least = |line: &str| format!("{line} --pattern task-failed --no-dedupe");
    let expecting = |line: &str| format!("{line} --expect nightly,every=26h --expect report,max-runtime=2h");
    // The first four runs have one rule and no table, the next four the whole stack with its five rules, of which two are for the ends
    // of failures, and the last four also two schedules. A table costs five calls to read, each further rule two, and two calls show
    // that a stack has neither schedules nor the role for them: no other answer shows what removed expectations left. Four calls read
    // what no other answer has: event source mappings of the function and of the queue, code signing, subscription filters. A setup
    // that changes rules asks EventBridge about few samples that decide each alternative of a pattern. Before a change, a step reads its
    // resource again, and afterwards setup reads everything once more. So a further rule costs nine calls to add: two for each of these
    // three reads, the rule, its target and its permission.
    // Schedules are read in three steps: the group, which most stacks do not have, its list, each schedule. The role for them takes
    // one step more than that of the notifier, because one call shows that most stacks have no such role.
    for (line, most_trips, most_calls) in [
        (least(SETUP), 10, 72),
        (least(SETUP), 2, 30),
        (least(DRIFT), 2, 26),
        (TEARDOWN.to_owned(), 5, 55),
        (SETUP.to_owned(), 10, 128),
        (SETUP.to_owned(), 2, 42),
        (DRIFT.to_owned(), 2, 38),
        (TEARDOWN.to_owned(), 5, 81),
        (expecting(SETUP), 11, 140),
        (expecting(SETUP), 3, 49),
        (expecting(DRIFT), 3, 45),
        (TEARDOWN.to_owned(), 7, 96),
    ] {
        aws.forget_calls();
        let start = Instant::now();
        let outcome = taskbell(&aws, &line).await;
        assert_eq!(outcome.code, 0, "{outcome:?}");
        let (trips, calls) = (trips(start, latency), aws.calls().len());
        figures.push(format!("{line}: {trips} round trips, {calls} calls"));
        if trips > most_trips || calls > most_calls {
            exceeded.push(format!("{line}: {:#?}", aws.calls()));
        }
    }
    println!("{}", figures.join("\n"));
    assert!(exceeded.is_empty(), "{figures:#?} {}", exceeded.join("\n"));
}

/// Most calls a second that EventBridge accepts from an account in a region.
const A_SECOND: usize = 50;

#[tokio::test(start_paused = true)]
async fn setup_of_ten_patterns_stays_under_the_rate_of_eventbridge() {
    let aws = Aws::new().await;
    aws.delay(Duration::from_millis(50));
    let patterns: Vec<&str> = taskbell::pattern::CATALOGUE.iter().take(10).map(|one| one.name).collect();
    let line = format!("{SETUP} --pattern {}", patterns.join(" --pattern "));
    let sdk = aws.sdk().to_builder().http_client(Pace::of_one(SharedHttpClient::new(aws.clone()))).build();
    let setup = run_with(sdk, &line, Some(WEBHOOK), CancellationToken::new()).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let calls = aws.calls();
    let at: Vec<Instant> = calls.iter().filter(|call| call.action.starts_with("events:")).map(|call| call.at).collect();
    let in_a_second = |first: &Instant| {
        let a_second = *first..*first + Duration::from_secs(1);
        at.iter().filter(|at| a_second.contains(at)).count()
    };
    let most = at.iter().map(in_a_second).max().unwrap();
    println!("{} calls to EventBridge, at most {most} in a second", at.len());
    assert!(most <= A_SECOND, "{most} calls to EventBridge in a second");
    assert!(at.len() > 2 * A_SECOND, "{} calls would stay under the rate anyway", at.len());
}

#[tokio::test(start_paused = true)]
async fn failed_account_lookup_ends_drift_at_once() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let latency = Duration::from_secs(5);
    aws.delay(latency);
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("sts:GetCallerIdentity"), nth: 0, times: FOR_GOOD });
    let start = Instant::now();
    let drift = taskbell(&aws, DRIFT).await;
    assert!(drift.code == 3 && drift.err.contains("sts:GetCallerIdentity"), "{drift:?}");
    assert_eq!(trips(start, latency), 1, "reads were waited for whose answer nobody wants");
}

fn assert_same(have: &serde_json::Value, want: &serde_json::Value, when: &str) {
    let changes = taskbell::document::diff(want, have);
    assert!(changes.is_empty(), "{when}: {changes:#?}");
}

fn pretty_assertions(have: &serde_json::Value, want: &serde_json::Value) {
    assert_same(have, want, "afterwards");
}
