//! Stacks that are set up at once, against control planes that take only so many calls a second.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::time::Duration;

use futures_util::future::join_all;
use support::aws::Aws;
use support::emulator::{Emulator, taskbell_at};
use support::limits::Limits;
use support::proxy::Proxy;
use support::{Outcome, taskbell};
use tokio::time::Instant;

/// In one process; and each in a process of its own.
const IN_THE_PROCESS: usize = 5;
const PROCESSES: usize = 10;

/// The same command for each stack, all at once.
async fn all(aws: &Aws, command: &str) -> Vec<Outcome> {
    let lines = (0..IN_THE_PROCESS).map(|number| command.replace("STACK", &format!("storm-{number}")));
    let lines: Vec<String> = lines.collect();
    let (before, start) = (aws.throttled(), Instant::now());
    aws.forget_calls();
    let outcomes = join_all(lines.iter().map(|line| Box::pin(taskbell(aws, line)))).await;
    let (took, calls, throttled) = (start.elapsed(), aws.calls().len(), aws.throttled() - before);
    let codes: Vec<u8> = outcomes.iter().map(|outcome| outcome.code).collect();
    println!("{command}: {took:?}, {throttled} of {calls} calls throttled; exit codes {codes:?}");
    outcomes
}

#[tokio::test(start_paused = true)]
async fn stacks_in_one_process_are_set_up_in_sync_and_torn_down_however_aws_throttles() {
    fastrand::seed(7);
    let aws = Aws::new().await;
    let before = aws.everything().await;
    aws.delay(Duration::from_millis(50));
    aws.limit(Limits::of_the_control_planes());
    for command in [
        "setup --cluster batch --stack STACK --yes --no-pattern-check",
        "drift --cluster batch --stack STACK",
        "setup --cluster batch --stack STACK --yes --no-pattern-check --language ja",
        "teardown --cluster batch --stack STACK --yes",
    ] {
        for outcome in all(&aws, command).await {
            assert_eq!(outcome.code, 0, "{command}: {outcome:?}");
        }
    }
    assert!(taskbell::document::diff(&before, &aws.everything().await).is_empty());
    assert!(aws.throttled() > 100, "only {} calls were throttled", aws.throttled());
}

#[tokio::test]
async fn ten_processes_at_once_set_ten_stacks_up_in_sync_and_tear_them_down_however_aws_throttles() {
    let emulator = Emulator::start("ministack");
    let ecs = aws_sdk_ecs::Client::new(&emulator.sdk().await);
    ecs.create_cluster().cluster_name("batch").send().await.unwrap();
    let before = emulator.listing().await;
    let proxy = Proxy::start(&emulator.endpoint);
    proxy.limit(Limits::of_the_control_planes().and_every(10));
    for command in ["setup --cluster batch --yes", "drift --cluster batch", "teardown --cluster batch --yes"] {
        let (start, calls, throttled) = (Instant::now(), proxy.calls(), proxy.throttled());
        let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let lines = (0..PROCESSES).map(|number| format!("{command} --stack storm-{number}"));
            let run = |line: String| taskbell_at(&proxy.endpoint, &line, Some(support::WEBHOOK));
            let running: Vec<_> = lines.map(|line| scope.spawn(move || run(line))).collect();
            running.into_iter().map(|running| running.join().unwrap()).collect()
        });
        println!(
            "{PROCESSES} processes, {command}: {:?}, {} of {} calls throttled",
            start.elapsed(),
            proxy.throttled() - throttled,
            proxy.calls() - calls
        );
        for outcome in outcomes {
            assert_eq!(outcome.code, 0, "{command}: {outcome:?}");
        }
    }
    emulator.is_again(&before).await;
    assert!(proxy.throttled() > 0, "nothing was throttled");
}
