//! Checks stacks that are set up at once, against control planes that accept only so many calls per second.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::support::aws::{Aws, Failure, Fault, On};
use crate::support::limits::Limits;
use crate::support::{Outcome, taskbell};

const IN_THE_PROCESS: usize = 5;

/// Runs a command for every stack at once.
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
async fn stacks_at_once_survive_throttling() {
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

/// Checks the number of attempts: eight were too few for ten processes at once.
#[tokio::test(start_paused = true)]
async fn call_that_is_refused_eleven_times_in_a_row_ends_well() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes --no-pattern-check").await.code, 0);
    for (times, code) in [(11, 0), (12, 3)] {
        let on = On::Action("lambda:GetFunctionEventInvokeConfig");
        aws.fail(Fault { failure: Failure::Throttled, on, nth: 0, times });
        let drift = taskbell(&aws, "drift --cluster batch").await;
        assert_eq!(drift.code, code, "{drift:?}");
        aws.heal();
    }
}
