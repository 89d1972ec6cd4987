//! Checks the commands while AWS does not answer: they report the wait and its duration, and Ctrl-C ends them at once.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::aws::{Aws, FOR_GOOD, Failure, Fault, On, Shape};
use crate::support::hand::Hand;
use crate::support::{WEBHOOK, run, taskbell};

const SETUP: &str = "setup --cluster batch --yes --pattern task-failed";
const TEARDOWN: &str = "teardown --cluster batch --yes";

fn hangs(on: On, nth: usize) -> Fault {
    Fault { failure: Failure::Hangs, on, nth, times: FOR_GOOD }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_aws_is_reported_unless_quiet() {
    for line in ["status", "jobs", "drift", "graph", "teardown --yes", "drill", "replay --yes", "permissions"] {
        let aws = Aws::new().await;
        aws.fail(hangs(On::Every, 0));
        let line = format!("{line} --cluster batch");
        let told = taskbell(&aws, &line).await;
        let silence: String = told.err.lines().filter(|line| line.starts_with("still")).collect::<Vec<_>>().join("\n");
        let expected = [3, 10, 20, 30, 40, 50].map(|seconds| format!("still waiting for AWS ({seconds} s)…"));
        assert!(silence.starts_with(&expected.join("\n")), "{line}: {told:?}");
        let quiet = taskbell(&aws, &format!("{line} --quiet")).await;
        assert_eq!(quiet.code, told.code, "{line}");
        assert!(!quiet.err.contains("still waiting"), "{quiet:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn short_waits_for_aws_are_not_reported() {
    let aws = Aws::new().await;
    aws.delay(Duration::from_millis(500));
    for line in [SETUP, "drift --cluster batch", "status --cluster batch", TEARDOWN] {
        let outcome = taskbell(&aws, line).await;
        assert!(!outcome.err.contains("still waiting"), "{line}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_change_is_reported() {
    let aws = Aws::new().await;
    aws.fail(hangs(On::Action("logs:CreateLogGroup"), 0));
    let outcome = taskbell(&aws, SETUP).await;
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.err.contains("adding log_group/notifier\n"), "{outcome:?}");
    // The other steps go on until they need the log group.
    assert!(outcome.err.contains("still waiting for AWS (40 s)…\n"), "{outcome:?}");
}

/// Checks that Ctrl-C ends reads at once, and writes ten seconds later.
#[tokio::test(start_paused = true)]
async fn ctrl_c_ends_every_command_at_any_stuck_call() {
    for (line, every) in [
        ("drift --cluster batch", 1),
        ("graph --cluster batch", 5),
        ("status --cluster batch", 1),
        ("jobs --cluster batch", 1),
        ("doctor --cluster batch", 3),
        ("permissions --cluster batch", 1),
        ("import", 1),
        ("pattern test --live --cluster batch oom", 1),
        ("drill --cluster batch", 4),
        ("replay --cluster batch --yes", 1),
        ("setup --cluster batch --yes --pattern task-failed --language ja", 7),
        (TEARDOWN, 5),
    ] {
        let prepared = Aws::new().await;
        assert_eq!(taskbell(&prepared, SETUP).await.code, 0);
        let event = json!({ "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {} });
        let calls = {
            let aws = Aws::new().await;
            aws.become_like(&prepared).await;
            aws.lay_into_queue(&event, Shape::Delivery);
            aws.notifier_takes();
            taskbell(&aws, line).await;
            aws.calls().len()
        };
        let mut cases = 0;
        for nth in (0..calls).step_by(every) {
            let aws = Aws::new().await;
            aws.become_like(&prepared).await;
            aws.lay_into_queue(&event, Shape::Delivery);
            aws.notifier_takes();
            aws.fail(hangs(On::Every, nth));
            let cancel = aws.interrupt_at(nth);
            let all = async {
                let outcome = run(&aws, line, Some(WEBHOOK), cancel.clone()).await;
                let (is_interrupted, ended) = (cancel.is_cancelled(), Instant::now());
                cancel.cancel();
                (outcome, is_interrupted, ended)
            };
            let interrupted = async {
                cancel.cancelled().await;
                Instant::now()
            };
            let ((outcome, is_interrupted, ended), interrupted) = tokio::join!(all, interrupted);
            if !is_interrupted {
                continue;
            }
            cases += 1;
            let took = ended - interrupted;
            let case = format!("{line}, call {nth} of {calls}: {outcome:?} {took:?} after it");
            // The stuck call may be the first write.
            let began = !aws.writes().is_empty() || outcome.err.contains("the change may or may not have been made");
            let changes = !line.starts_with("drill") && began;
            // `replay` then returns the entries that it took to the queue.
            let bound = match (changes, line.starts_with("replay")) {
                (false, _) => Duration::from_secs(1),
                (true, false) => Duration::from_secs(11),
                (true, true) => Duration::from_secs(21),
            };
            assert!(took <= bound, "{case}");
            assert_eq!(outcome.code, 130, "{case}");
        }
        // Some commands answer their last calls with the results of calls already in progress.
        assert!(cases > 0 && 2 * cases * every >= calls, "{line}: {cases} interruptions in {calls} calls");
    }
}

/// Checks the search for stacks that the file no longer has, which reads one account and region after another.
#[tokio::test(start_paused = true)]
async fn search_for_orphans_reports_its_wait_and_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taskbell.toml");
    std::fs::write(&path, "fleet = \"ours\"\n[[stack]]\nclusters = [\"batch\"]\n").unwrap();
    for line in ["drift --all", "teardown --orphans --yes"] {
        let aws = Aws::new().await;
        aws.fail(hangs(On::Action("tag:GetResources"), 0));
        let cancel = tokio_util::sync::CancellationToken::new();
        let stop = cancel.clone();
        let press = async move {
            tokio::time::sleep(Duration::from_secs(12)).await;
            stop.cancel();
        };
        let line = format!("{line} --config {}", path.display());
        let start = Instant::now();
        let (outcome, ()) = tokio::join!(run(&aws, &line, None, cancel), press);
        assert!(start.elapsed() <= Duration::from_secs(13), "{:?}", start.elapsed());
        assert!(outcome.code == 130 && outcome.err.contains("still waiting for AWS (10 s)…"), "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn interrupted_change_reports_the_state_of_each_resource() {
    let aws = Aws::new().await;
    aws.fail(hangs(On::Action("iam:CreateRole"), 0));
    let cancel = tokio_util::sync::CancellationToken::new();
    let stop = cancel.clone();
    let press = async move {
        tokio::time::sleep(Duration::from_secs(9)).await;
        stop.cancel();
    };
    let start = Instant::now();
    let (outcome, ()) = tokio::join!(run(&aws, SETUP, Some(WEBHOOK), cancel), press);
    assert!(start.elapsed() <= Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(outcome.code, 130, "{outcome:?}");
    for told in [
        "done: log_group/notifier, parameter/webhook, queue/undelivered, table/announcements\n",
        "failed: nothing\n",
        "interrupted: role/notifier (the change may or may not have been made)\n",
        "not finished: rule/job-succeeded, rule/task-failed\n",
        "not started: function/notifier\n",
        "Run the same command again: it is safe, and continues from here.\n",
        "error: setup was interrupted\n",
    ] {
        assert!(outcome.err.contains(told), "{told}: {outcome:?}");
    }
    assert_eq!(outcome.err.matches("error:").count(), 1, "{outcome:?}");
    aws.heal();
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    aws.fail(hangs(On::Action("lambda:DeleteFunction"), 0));
    let cancel = tokio_util::sync::CancellationToken::new();
    let stop = cancel.clone();
    let press = async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        stop.cancel();
    };
    let (outcome, ()) = tokio::join!(run(&aws, TEARDOWN, None, cancel), press);
    assert_eq!(outcome.code, 130, "{outcome:?}");
    assert!(
        outcome
            .err
            .contains("failed: nothing\ninterrupted: function/notifier, queue/undelivered (the change may or may not have been made)\nnot started: nothing\nRun the same command again"),
        "{outcome:?}"
    );
    aws.heal();
    assert_eq!(taskbell(&aws, TEARDOWN).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn interrupt_before_a_change_says_nothing_changed() {
    for line in [SETUP, TEARDOWN] {
        let aws = Aws::new().await;
        assert_eq!(taskbell(&aws, SETUP).await.code, 0);
        Hand::of(&aws).configure().timeout(7).send().await.unwrap();
        aws.forget_calls();
        aws.fail(hangs(On::Every, 3));
        let outcome = run(&aws, line, Some(WEBHOOK), aws.interrupt_at(3)).await;
        assert_eq!((outcome.code, aws.writes().len()), (130, 0), "{outcome:?}");
        let hint = "hint: nothing was changed; the same command is safe to run again\n";
        assert!(outcome.err.contains(hint), "{line}: {outcome:?}");
    }
}
