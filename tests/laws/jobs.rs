//! Checks `jobs`: the jobs that schedules start and those of the ledger, their expectations, and the suggestions; and the explanation
//! of a missing alert.

use aws_sdk_eventbridge::types::RuleState;
use aws_sdk_scheduler::types::ScheduleState;
use serde_json::{Value, json};

use crate::support::aws::{Aws, Failure, Fault, On};
use crate::support::hand::Hand;
use crate::support::jobs::{NIGHTLY, end, expecting, record, untold};
use crate::support::{taskbell, typing};

const JOBS: &str = "jobs --cluster batch";

/// Returns an AWS with schedules that start tasks, and without a stack.
async fn with_schedules() -> Aws {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    hand.starts("nightly", "cron(20 3 * * ? *)", "nightly-report").await;
    hand.starts_in_state("old", "cron(0 1 * * ? *)", "old-report", ScheduleState::Disabled).await;
    hand.starts_by_rule("hourly", "rate(1 hour)", "import", RuleState::Enabled).await;
    // Neither of these starts a task of the cluster.
    hand.events.put_rule().name("tick").schedule_expression("rate(1 hour)").send().await.unwrap();
    hand.starts_by_rule("elsewhere", "rate(1 hour)", "import", RuleState::Enabled).await;
    hand.events.remove_targets().rule("elsewhere").ids("task").send().await.unwrap();
    aws
}

/// Sets up a stack that expects the nightly report, with ledgers as the notifier writes them.
async fn with_stack(aws: &Aws) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = expecting(folder.path(), NIGHTLY);
    let setup = taskbell(aws, &format!("setup --config {} --yes", path.display())).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let hand = Hand::of(aws);
    let failing = [end("23T18:25", Some("oom"), 9), end("22T18:25", Some("exit-code"), 9), end("21T18:28", None, 412)];
    let mut rung = untold();
    rung["failure"] = json!("2026-11-23T18:25:00.000Z");
    hand.ledger("job batch|nightly-report", &record(&failing, &rung)).await;
    hand.ledger("job batch|import", &record(&[end("23T23:01", None, 55), end("23T22:01", None, 61)], &untold())).await;
    let mut told = untold();
    told["overdue"] = json!("2026-11-23T12:00:00.000Z");
    hand.ledger("job -|backup", &record(&[end("22T11:50", None, 3)], &told)).await;
    folder
}

#[tokio::test(start_paused = true)]
async fn without_a_stack_the_jobs_of_schedules_are_listed() {
    let aws = with_schedules().await;
    aws.forget_calls();
    let jobs = taskbell(&aws, JOBS).await;
    assert_eq!(jobs.code, 0, "{jobs:?}");
    insta::assert_snapshot!(jobs.out, @r"
    stack batch in us-east-1, account 123456789012
    ✓ import in batch  no run is recorded yet
        schedule       rate(1 hour): hourly (rule of EventBridge)
        expected       nothing
    ✓ nightly-report in batch  no run is recorded yet
        schedule       cron(20 3 * * ? *) Asia/Tokyo: nightly (EventBridge Scheduler, group default)
        next run       2026-11-25T03:20:00+09:00
        expected       nothing
    ✓ old-report in batch  no run is recorded yet
        schedule       DISABLED: cron(0 1 * * ? *) Asia/Tokyo: old (EventBridge Scheduler, group default)
        expected       nothing
    ");
    assert!(jobs.err.contains("note: no stack is set up here"), "{jobs:?}");
    assert!(jobs.err.contains("hint: 3 jobs without an expectation; `taskbell jobs --suggest`"), "{jobs:?}");
    assert_eq!(taskbell(&aws, &format!("{JOBS} --quiet")).await.err, "");
    assert_eq!(aws.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn jobs_with_a_problem_come_first() {
    let aws = with_schedules().await;
    let _folder = with_stack(&aws).await;
    let jobs = taskbell(&aws, &format!("{JOBS} --verbose")).await;
    assert_eq!(jobs.code, 0, "{jobs:?}");
    insta::assert_snapshot!(jobs.out, @r"
    stack batch in us-east-1, account 123456789012
    ✗ backup  overdue: no success by 2026-11-23 12:00:00 UTC
        last success   2026-11-22 11:50:00 UTC, after 3 s
        usually takes  up to 3 s (95 % of 1 run)
        expected       nothing
    ✗ nightly-report in batch  2 failures since 2026-11-22 18:25:00 UTC: oom
        last success   2026-11-21 18:28:00 UTC, after 6 min 52 s
        usually takes  up to 6 min 52 s (95 % of 1 run)
        schedule       cron(20 3 * * ? *) Asia/Tokyo: nightly (EventBridge Scheduler, group default)
        next run       2026-11-25T03:20:00+09:00
        expected       success by cron(30 3 * * ? *) Asia/Tokyo, grace 10 min
        next deadline  2026-11-25T03:30:00+09:00, 2026-11-26T03:30:00+09:00, 2026-11-27T03:30:00+09:00
    ✓ import in batch  no problem
        last success   2026-11-23 23:01:00 UTC, after 55 s
        usually takes  up to 1 min 1 s (95 % of 2 runs)
        schedule       rate(1 hour): hourly (rule of EventBridge)
        expected       nothing
    ✓ old-report in batch  no run is recorded yet
        schedule       DISABLED: cron(0 1 * * ? *) Asia/Tokyo: old (EventBridge Scheduler, group default)
        expected       nothing
    ");
    let short = taskbell(&aws, JOBS).await;
    assert!(short.out.contains("next deadline  2026-11-25T03:30:00+09:00\n"), "{short:?}");
    // The clusters come from the rules of the stack, if no flag names them.
    assert_eq!(taskbell(&aws, "jobs --stack batch").await.out, short.out);
}

#[tokio::test(start_paused = true)]
async fn status_names_the_jobs_with_a_problem_first() {
    let aws = Aws::new().await;
    let _folder = with_stack(&aws).await;
    let status = taskbell(&aws, "status --cluster batch").await;
    let jobs = "✗ jobs        backup overdue: no success by 2026-11-23 12:00:00 UTC · nightly-report 2 failures since \
                2026-11-22 18:25:00 UTC: oom · 3 jobs in all";
    assert_eq!((status.code, status.out.lines().nth(1)), (2, Some(jobs)), "{status:?}");
    let remedy = "`taskbell jobs --cluster batch` shows them";
    assert!(status.out.lines().nth(2).is_some_and(|line| line.trim() == remedy), "{status:?}");
    let none = Aws::new().await;
    assert_eq!(taskbell(&none, "setup --cluster batch --yes --no-dedupe").await.code, 0);
    let status = taskbell(&none, "status --cluster batch").await;
    assert!(status.code == 0 && !status.out.contains(" jobs "), "{status:?}");
    assert!(!none.calls().iter().any(|call| call.action == "dynamodb:Scan"), "{:?}", none.calls());
}

#[tokio::test(start_paused = true)]
async fn suggestions_follow_from_schedules_and_durations_and_are_valid() {
    let aws = with_schedules().await;
    let unknown = taskbell(&aws, &format!("{JOBS} --suggest")).await;
    assert_eq!(unknown.code, 0, "{unknown:?}");
    assert!(unknown.out.contains("by = \"cron(20 3 * * ? *)\"") && unknown.out.contains("raise grace"), "{unknown:?}");
    // A stack that expects something else of the report: a limit of its duration.
    let folder = tempfile::tempdir().unwrap();
    let limit = "[[stack.job]]\nname = \"nightly-report\"\nmax_runtime = \"2h\"\n";
    let path = expecting(folder.path(), limit);
    assert_eq!(taskbell(&aws, &format!("setup --config {} --yes", path.display())).await.code, 0);
    let hand = Hand::of(&aws);
    hand.ledger("job batch|nightly-report", &record(&[end("23T18:26", None, 412)], &untold())).await;
    hand.ledger("job batch|manual", &record(&[end("23T18:26", None, 412)], &untold())).await;
    let suggested = taskbell(&aws, &format!("{JOBS} --suggest")).await;
    insta::assert_snapshot!(suggested.out, @r##"
    # stack batch in us-east-1, account 123456789012
    # import: rate(1 hour): hourly (rule of EventBridge) starts it, no run is recorded yet: if it takes longer than 10 min, raise grace
    [[stack.job]]
    name = "import"
    every = "1h"
    grace = "10m"

    # manual: no schedule starts it

    # nightly-report: cron(20 3 * * ? *) Asia/Tokyo: nightly (EventBridge Scheduler, group default) starts it, it takes up to 6 min 52 s (1 run)
    [[stack.job]]
    name = "nightly-report"
    by = "cron(30 3 * * ? *)"
    timezone = "Asia/Tokyo"
    grace = "10m"

    # old-report: its schedule old is disabled
    "##);
    // The lines are a part of a valid file, and a stack with them has nothing more to suggest of these jobs.
    let path = expecting(folder.path(), &format!("{limit}\n{}", suggested.out));
    assert_eq!(taskbell(&aws, &format!("setup --config {} --yes", path.display())).await.code, 0);
    let again = taskbell(&aws, &format!("{JOBS} --suggest")).await;
    assert!(again.code == 0 && !again.out.contains("[[stack.job]]"), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn family_with_several_schedules_is_listed_once_for_each() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    let hand = Hand::of(&aws);
    hand.starts("monthly", "cron(0 3 1 * ? *)", "report").await;
    hand.starts("weekly", "cron(0 3 ? * MON *)", "report").await;
    let mut ledger = record(&[end("23T18:02", None, 60), end("01T18:02", Some("oom"), 5)], &untold());
    let part = |ends: &[Value]| record(ends, &untold())["all"].clone();
    ledger["parts"] = json!({
        "chronos-schedule/weekly": part(&[end("23T18:02", None, 60)]),
        "chronos-schedule/monthly": part(&[end("01T18:02", Some("oom"), 5)]),
    });
    hand.ledger("job batch|report", &ledger).await;
    let jobs = taskbell(&aws, JOBS).await;
    assert!(jobs.out.contains("✗ report in batch, started by monthly  1 failure since"), "{jobs:?}");
    assert!(jobs.out.contains("✓ report in batch, started by weekly  no problem"), "{jobs:?}");
    let suggested = taskbell(&aws, &format!("{JOBS} --suggest")).await.out;
    assert!(suggested.contains("name = \"report\"\nstarted_by = \"weekly\"\nby = \"cron(5 3 ? * "), "{suggested}");
}

#[tokio::test(start_paused = true)]
async fn unreadable_parts_are_named_and_the_rest_is_listed() {
    let aws = with_schedules().await;
    let _folder = with_stack(&aws).await;
    for action in [
        "scheduler:ListSchedules",
        "scheduler:GetSchedule",
        "dynamodb:Scan",
        "lambda:GetFunction",
        "events:ListTargetsByRule",
    ] {
        aws.fail(Fault { failure: Failure::Denied, on: On::Action(action), nth: 0, times: 1000 });
        let jobs = taskbell(&aws, JOBS).await;
        assert!(jobs.code == 3 && jobs.out.contains("? unknown: ") && jobs.out.contains(action), "{action}: {jobs:?}");
        let object = taskbell(&aws, &format!("{JOBS} --output json")).await;
        assert!(object.code == 3 && object.json()["unknown"].to_string().contains(action), "{action}: {object:?}");
    }
    aws.heal();
    // A ledger of a later version is unknown, and the other jobs are listed.
    Hand::of(&aws).ledger("job batch|newer", &json!({ "version": 2 })).await;
    let jobs = taskbell(&aws, JOBS).await;
    assert!(jobs.code == 3 && jobs.out.contains("? newer in batch  unknown: its ledger has version 2"), "{jobs:?}");
    assert!(jobs.out.contains("✓ import in batch  no problem"), "{jobs:?}");
}

#[tokio::test(start_paused = true)]
async fn missing_alert_of_a_job_is_explained() {
    let aws = with_schedules().await;
    let _folder = with_stack(&aws).await;
    let why = async |job: &str| taskbell(&aws, &format!("pattern test --cluster batch --job {job}")).await;
    let failed = why("nightly-report").await;
    assert_eq!(failed.code, 0, "{failed:?}");
    insta::assert_snapshot!(failed.out, @r"
    nightly-report in batch
      expected  success by cron(30 3 * * ? *) Asia/Tokyo, grace 10 min
      ✓ the failure at 2026-11-23 18:25:00 UTC (oom) had its own alert, so that the deadline 2026-11-24T03:30:00+09:00 had none
    ");
    let nothing = why("import").await;
    assert!(nothing.code == 1 && nothing.out.contains("nothing is expected of this job"), "{nothing:?}");
    let unknown = why("nightly").await;
    assert!(unknown.code == 1 && unknown.err.contains("did you mean nightly-report?"), "{unknown:?}");
    let good = [end("23T18:25", None, 9), end("22T18:25", None, 9)];
    Hand::of(&aws).ledger("job batch|nightly-report", &record(&good, &untold())).await;
    let in_time = why("nightly-report").await;
    assert!(
        in_time.code == 1 && in_time.out.contains("✗ no alert: the job ended well at 2026-11-23 18:25"),
        "{in_time:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn init_offers_the_jobs_of_the_chosen_clusters() {
    let aws = with_schedules().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taskbell.toml");
    let line = format!("init --config {}", path.display());
    let init = typing(&aws, &line, &["batch", "", "", "maybe", "y", ""]).await;
    assert_eq!(init.code, 0, "{init:?}");
    assert!(init.err.contains("does not end well in time (2 schedules)? [Y/n]"), "{init:?}");
    assert!(init.err.contains("unknown answer \"maybe\": use y or n"), "{init:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("[[stack.job]]\nname = \"nightly-report\"\nby = \"cron(20 3 * * ? *)\""), "{text}");
    assert_eq!(text.matches("[[stack.job]]").count(), 2, "{text}");
    let setup = taskbell(&aws, &format!("setup --config {} --yes", path.display())).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let refused = typing(&aws, &format!("{line} --force"), &["batch", "", "", "n", ""]).await;
    assert_eq!(refused.code, 0, "{refused:?}");
    assert!(!std::fs::read_to_string(&path).unwrap().contains("[[stack.job]]"));
}
