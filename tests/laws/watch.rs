//! Checks the schedules that watch over jobs: their contents, their drift, and their life beside the rest of a stack.

use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use serde_json::{Value, json};
use taskbell::document::diff;

use crate::support::aws::{ACCOUNT, Aws, FOR_GOOD, Failure, Fault, On};
use crate::support::hand::{EVERY, EXPECT, Hand, ROLE, SCHEDULES, WATCH_ROLE};
use crate::support::{Outcome, taskbell};

const SETUP: &str = "setup --cluster batch --reset --yes";
const DRIFT: &str = "drift --cluster batch --reset";
const TEARDOWN: &str = "teardown --cluster batch --yes";
const DEADLINE: &str = "--expect 'nightly-report,by=cron(0 3 * * ? *),timezone=Asia/Tokyo,grace=30m'";

async fn set_up(aws: &Aws, flags: &str) -> Outcome {
    let setup = taskbell(aws, &format!("{SETUP} {flags}")).await;
    assert_eq!(setup.code, 0, "{flags}: {setup:?}");
    setup
}

async fn names(hand: &Hand) -> Vec<String> {
    let answer = hand.scheduler.list_schedules().group_name(SCHEDULES).max_results(100).send().await.unwrap();
    answer.schedules().iter().map(|schedule| schedule.name().unwrap().to_owned()).collect()
}

async fn schedule(hand: &Hand, name: &str) -> GetScheduleOutput {
    hand.scheduler.get_schedule().group_name(SCHEDULES).name(name).send().await.unwrap()
}

fn input(schedule: &GetScheduleOutput) -> Value {
    serde_json::from_str(schedule.target().unwrap().input().unwrap()).unwrap()
}

/// Returns the ids of the plan's steps with their actions, such as `add watch/schedules`.
fn steps(outcome: &Outcome) -> Vec<String> {
    let plan = outcome.json();
    let step = |step: &Value| format!("{} {}", step["action"].as_str().unwrap(), step["id"].as_str().unwrap());
    plan["steps"].as_array().unwrap().iter().map(step).collect()
}

#[tokio::test(start_paused = true)]
async fn each_expectation_has_its_schedule() {
    let aws = Aws::new().await;
    let flags =
        format!("{DEADLINE} {EXPECT} --expect x,max-runtime=auto,started-by=nightly --summary 'cron(0 9 ? * MON *)'");
    set_up(&aws, &flags).await;
    let hand = Hand::of(&aws);
    let all = names(&hand).await;
    assert!(all[0].starts_with("by-") && all[0].len() == 11, "{all:?}");
    assert_eq!(all[1..], [EVERY, "summary", "sweep"]);

    let by = schedule(&hand, &all[0]).await;
    assert_eq!(by.schedule_expression(), Some("cron(30 3 * * ? *)"));
    assert_eq!(by.schedule_expression_timezone(), Some("Asia/Tokyo"));
    let target = by.target().unwrap();
    assert_eq!(target.arn(), format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:taskbell-batch"));
    assert_eq!(target.role_arn(), format!("arn:aws:iam::{ACCOUNT}:role/taskbell/{WATCH_ROLE}"));
    let queue = format!("arn:aws:sqs:us-east-1:{ACCOUNT}:taskbell-batch-undelivered");
    assert_eq!(target.dead_letter_config().and_then(|config| config.arn()), Some(queue.as_str()));
    let retry = target.retry_policy().unwrap();
    assert_eq!((retry.maximum_event_age_in_seconds(), retry.maximum_retry_attempts()), (Some(3600), Some(185)));
    assert_eq!(by.flexible_time_window().unwrap().mode().as_str(), "OFF");
    let cluster = format!("arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/batch");
    assert_eq!(
        input(&by),
        json!({
            "id": "<aws.scheduler.execution-id>", "source": "taskbell.watch", "detail-type": "Deadline",
            "time": "<aws.scheduler.scheduled-time>", "account": ACCOUNT, "region": "us-east-1",
            "detail": {
                "clusterArns": [cluster], "job": { "name": "nightly-report", "startedBy": null },
                "by": "cron(0 3 * * ? *)", "timezone": "Asia/Tokyo", "graceSeconds": 1800,
            },
        })
    );

    let every = schedule(&hand, EVERY).await;
    assert_eq!(every.schedule_expression(), Some("rate(60 minutes)"));
    assert_eq!(input(&every)["detail"]["everySeconds"], 93_600);
    let sweep = schedule(&hand, "sweep").await;
    assert_eq!(
        (sweep.schedule_expression(), &input(&sweep)["detail-type"]),
        (Some("rate(5 minutes)"), &json!("Sweep"))
    );
    assert_eq!(
        input(&sweep)["detail"]["jobs"],
        json!([
            { "name": "nightly", "startedBy": null, "maxSeconds": 7200 },
            { "name": "x", "startedBy": "nightly", "maxSeconds": "auto" },
        ])
    );
    let summary = schedule(&hand, "summary").await;
    assert_eq!(summary.schedule_expression(), Some("cron(0 9 ? * MON *)"));
    assert_eq!(input(&summary)["detail"]["jobs"].as_array().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn order_of_the_expectations_changes_nothing() {
    let aws = Aws::new().await;
    set_up(&aws, &format!("{DEADLINE} --expect nightly,every=26h")).await;
    aws.forget_calls();
    set_up(&aws, &format!("--expect nightly,every=26h {DEADLINE}")).await;
    assert_eq!(aws.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn changed_expectation_gets_its_schedule_before_the_old_one_goes() {
    let aws = Aws::new().await;
    set_up(&aws, &format!("{DEADLINE} --expect nightly,every=26h")).await;
    aws.forget_calls();
    set_up(&aws, &format!("{DEADLINE} --expect nightly,every=27h")).await;
    let kept = ["lambda:UpdateFunctionConfiguration", "lambda:TagResource"];
    let schedules = ["scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:TagResource"];
    assert_eq!(aws.writes(), [&kept[..], &schedules].concat());
}

#[tokio::test(start_paused = true)]
async fn first_expectation_adds_the_schedules_and_changes_only_what_they_need() {
    let aws = Aws::new().await;
    set_up(&aws, "").await;
    let seen = taskbell(&aws, &format!("{DRIFT} {DEADLINE} --output json")).await;
    let expected = [
        "change role/notifier",
        "add role/watch",
        "change function/notifier",
        "change rule/job-succeeded",
        "add watch/schedules",
    ];
    assert_eq!(steps(&seen), expected, "{seen:?}");
    set_up(&aws, DEADLINE).await;
    assert_eq!(taskbell(&aws, &format!("{DRIFT} {DEADLINE}")).await.code, 0);
}

/// Checks that the notifier keeps the permissions for its checks until no schedule asks for one.
#[tokio::test(start_paused = true)]
async fn removed_expectations_leave_neither_group_nor_role() {
    let aws = Aws::new().await;
    set_up(&aws, "").await;
    let before = aws.everything().await;
    set_up(&aws, EXPECT).await;
    aws.forget_calls();
    set_up(&aws, "").await;
    let writes = aws.writes();
    let last = |action: &str| writes.iter().rposition(|write| write == action).unwrap();
    assert!(last("scheduler:DeleteScheduleGroup") < last("iam:PutRolePolicy"), "{writes:?}");
    assert!(last("scheduler:DeleteScheduleGroup") < last("iam:DeleteRole"), "{writes:?}");
    let left = diff(&before, &aws.everything().await);
    assert!(left.is_empty(), "{left:#?}");
}

#[tokio::test(start_paused = true)]
async fn teardown_leaves_neither_schedules_nor_roles() {
    let aws = Aws::new().await;
    let before = aws.everything().await;
    set_up(&aws, &format!("{DEADLINE} {EXPECT}")).await;
    let teardown = taskbell(&aws, TEARDOWN).await;
    assert_eq!(teardown.code, 0, "{teardown:?}");
    let left = diff(&before, &aws.everything().await);
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(taskbell(&aws, TEARDOWN).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn setup_waits_for_the_end_of_a_groups_deletion() {
    let aws = Aws::new().await;
    set_up(&aws, EXPECT).await;
    Hand::of(&aws).scheduler.delete_schedule_group().name(SCHEDULES).send().await.unwrap();
    let drift = taskbell(&aws, &format!("{DRIFT} {EXPECT} --output json")).await;
    assert_eq!(steps(&drift), ["add watch/schedules"], "{drift:?}");
    set_up(&aws, EXPECT).await;
    assert_eq!(taskbell(&aws, &format!("{DRIFT} {EXPECT}")).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn interrupted_setup_of_schedules_is_completed_by_the_next() {
    for nth in [0, 1] {
        let aws = Aws::new().await;
        let action = On::Action("scheduler:CreateSchedule");
        aws.fail(Fault { failure: Failure::Denied, on: action, nth, times: FOR_GOOD });
        let failed = taskbell(&aws, &format!("{SETUP} {EXPECT}")).await;
        assert!(failed.code == 1 && failed.err.contains("scheduler:CreateSchedule"), "{failed:?}");
        aws.heal();
        let drift = taskbell(&aws, &format!("{DRIFT} {EXPECT} --output json")).await;
        // The failure may stop rules that waited for the notifier, too.
        let left = steps(&drift);
        assert!(
            left.iter().all(|step| step.starts_with("change rule/") || step == "change watch/schedules"),
            "{drift:?}"
        );
        assert!(left.contains(&"change watch/schedules".to_owned()), "{drift:?}");
        set_up(&aws, EXPECT).await;
        assert_eq!(taskbell(&aws, &format!("{DRIFT} {EXPECT}")).await.code, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn schedule_that_somebody_created_meanwhile_becomes_the_wanted_one() {
    let aws = Aws::new().await;
    aws.meanwhile("scheduler:CreateSchedule", 0, |aws| {
        Box::pin(async move {
            let hand = Hand::of(&aws);
            let target = aws_sdk_scheduler::types::Target::builder().arn("arn:aws:sqs:us-east-1:123456789012:mine");
            let target = target.role_arn("arn:aws:iam::123456789012:role/mine").input("{}").build().unwrap();
            let off = aws_sdk_scheduler::types::FlexibleTimeWindowMode::Off;
            let window = aws_sdk_scheduler::types::FlexibleTimeWindow::builder().mode(off).build().unwrap();
            let call = hand.scheduler.create_schedule().group_name(SCHEDULES).name(EVERY).target(target);
            call.flexible_time_window(window).schedule_expression("rate(1 day)").send().await.unwrap();
        })
    });
    set_up(&aws, "--expect nightly,every=26h").await;
    assert!(aws.has_changed_meanwhile());
    assert_eq!(taskbell(&aws, &format!("{DRIFT} --expect nightly,every=26h")).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn foreign_group_conflicts_only_if_desired() {
    let aws = Aws::new().await;
    Hand::of(&aws).scheduler.create_schedule_group().name(SCHEDULES).send().await.unwrap();
    set_up(&aws, "").await;
    assert_eq!(taskbell(&aws, DRIFT).await.code, 0);
    aws.forget_calls();
    let conflict = taskbell(&aws, &format!("{SETUP} {EXPECT}")).await;
    assert_eq!((conflict.code, aws.writes()), (1, vec![]), "{conflict:?}");
    assert!(conflict.out.contains("! watch/schedules"), "{conflict:?}");
    assert_eq!(taskbell(&aws, TEARDOWN).await.code, 0);
    Hand::of(&aws).scheduler.get_schedule_group().name(SCHEDULES).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn role_that_scheduler_may_never_assume_is_named_after_a_wait() {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    hand.iam.create_role().role_name("mine").assume_role_policy_document(trust).send().await.unwrap();
    let line = format!("{SETUP} {EXPECT} --notifier-role-arn arn:aws:iam::{ACCOUNT}:role/mine");
    let setup = taskbell(&aws, &line).await;
    assert_eq!(setup.code, 1, "{setup:?}");
    assert!(setup.err.contains("assume the role"), "{setup:?}");
}

/// Checks that a role of the user's own serves the schedules, too: users who give one may not create roles.
#[tokio::test(start_paused = true)]
async fn own_role_of_the_user_runs_the_schedules() {
    let aws = Aws::new().await;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/mine");
    set_up(&aws, &format!("{EXPECT} --notifier-role-arn {role}")).await;
    let hand = Hand::of(&aws);
    assert_eq!(schedule(&hand, EVERY).await.target().unwrap().role_arn(), role);
    for name in [ROLE, WATCH_ROLE] {
        assert!(hand.iam.get_role().role_name(name).send().await.is_err(), "{name}");
    }
    set_up(&aws, EXPECT).await;
    assert!(schedule(&hand, EVERY).await.target().unwrap().role_arn().ends_with(WATCH_ROLE));
}

#[tokio::test(start_paused = true)]
async fn notifier_may_look_for_tasks_only_if_something_is_expected() {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    let policy = || async {
        let call = hand.iam.get_role_policy().role_name(ROLE).policy_name("notifier");
        let document = call.send().await.unwrap().policy_document;
        percent_encoding::percent_decode_str(&document).decode_utf8().unwrap().into_owned()
    };
    set_up(&aws, "").await;
    let looks =
        ["ecs:ListTasks", "ecs:DescribeTasks\"", "scheduler:GetSchedule", "events:DescribeRule", "dynamodb:Scan"];
    let granted = |policy: &str| looks.map(|action| policy.contains(action));
    assert_eq!(granted(&policy().await), [false; 5]);
    set_up(&aws, EXPECT).await;
    assert_eq!(granted(&policy().await), [true, true, true, true, false]);
    set_up(&aws, "--summary 'cron(0 9 ? * MON *)'").await;
    assert_eq!(granted(&policy().await), [true; 5]);
}

/// Checks the rules and the environment: a stack of an earlier version differs only by the rules.
#[tokio::test(start_paused = true)]
async fn notifier_remembers_successes_unless_nobody_needs_them() {
    for (flags, rules, variables) in [
        ("", &["job-succeeded", "service-recovered"][..], json!({ "TASKBELL_SERVICE_RECOVERY": "on" })),
        ("--pattern task-failed", &["job-succeeded"], json!({})),
        ("--no-recovery", &[], json!({ "TASKBELL_LEDGER": "off", "TASKBELL_RECOVERY": "off" })),
        ("--no-recovery --expect nightly,every=26h", &["job-succeeded"], json!({ "TASKBELL_RECOVERY": "off" })),
        ("--no-dedupe", &[], json!({})),
        ("--pattern job-succeeded --pattern task-failed", &["job-succeeded"], json!({})),
    ] {
        let aws = Aws::new().await;
        set_up(&aws, flags).await;
        let hand = Hand::of(&aws);
        let found = hand.events.list_rules().name_prefix("taskbell-batch-").send().await.unwrap().rules.unwrap();
        let found = found.into_iter().map(|rule| rule.name.unwrap().replace("taskbell-batch-", ""));
        let mut companions: Vec<String> =
            found.filter(|name| ["job-succeeded", "service-recovered"].contains(&name.as_str())).collect();
        companions.sort();
        assert_eq!(companions, rules, "{flags}");
        let function = hand.lambda.get_function_configuration().function_name("taskbell-batch").send().await.unwrap();
        let environment = function.environment.unwrap().variables.unwrap();
        let of_jobs = ["TASKBELL_LEDGER", "TASKBELL_RECOVERY", "TASKBELL_SERVICE_RECOVERY"];
        let told: serde_json::Map<String, Value> = of_jobs
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), Value::from(environment.get(name)?.as_str()))))
            .collect();
        assert_eq!(Value::Object(told), variables, "{flags}");
        assert_eq!(taskbell(&aws, &format!("{DRIFT} {flags}")).await.code, 0, "{flags}");
    }
}

#[tokio::test(start_paused = true)]
async fn file_with_the_name_of_a_companion_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job-succeeded.json");
    std::fs::write(&file, r#"{"source":["nobody"]}"#).unwrap();
    let refused = taskbell(&Aws::new().await, &format!("{SETUP} --pattern {}", file.display())).await;
    assert!(refused.code == 64 && refused.err.contains("rename the file"), "{refused:?}");
}

/// Checks each drift of a schedule by the words of its report.
#[tokio::test(start_paused = true)]
async fn disabled_removed_and_added_schedules_are_named_in_the_report() {
    let aws = Aws::new().await;
    set_up(&aws, EXPECT).await;
    let hand = Hand::of(&aws);
    let disabled = aws_sdk_scheduler::types::ScheduleState::Disabled;
    hand.put_schedule(|call| call.state(disabled.clone())).await;
    hand.scheduler.delete_schedule().group_name(SCHEDULES).name("sweep").send().await.unwrap();
    let now = schedule(&hand, EVERY).await;
    let call = hand.scheduler.create_schedule().group_name(SCHEDULES).name("mine").schedule_expression("rate(1 day)");
    let call = call.set_flexible_time_window(now.flexible_time_window).set_target(now.target);
    call.send().await.unwrap();
    let drift = taskbell(&aws, &format!("{DRIFT} {EXPECT} --output json")).await.json();
    let paths: Vec<&str> = drift["steps"][0]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["path"].as_str().unwrap())
        .collect();
    let disabled = format!("/schedules/{EVERY}/state");
    assert_eq!(paths, [disabled.as_str(), "/schedules/mine", "/schedules/sweep"]);
    set_up(&aws, EXPECT).await;
    assert_eq!(names(&hand).await, [EVERY, "sweep"]);
}

/// Checks that a role which Scheduler cannot assume any more is repaired before the schedules are: Scheduler accepts no change of a
/// schedule before it sees the repaired role.
#[tokio::test(start_paused = true)]
async fn trust_is_repaired_before_the_schedules() {
    let aws = Aws::new().await;
    set_up(&aws, EXPECT).await;
    let hand = Hand::of(&aws);
    hand.put_schedule(|call| call.schedule_expression("rate(7 days)")).await;
    hand.scheduler.delete_schedule().group_name(SCHEDULES).name("sweep").send().await.unwrap();
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    hand.iam.update_assume_role_policy().role_name(WATCH_ROLE).policy_document(trust).send().await.unwrap();
    let drift = taskbell(&aws, &format!("{DRIFT} {EXPECT} --output json")).await;
    assert_eq!(steps(&drift), ["change role/watch", "change watch/schedules"], "{drift:?}");
    aws.forget_calls();
    set_up(&aws, EXPECT).await;
    let writes = aws.writes();
    let first = |action: &str| writes.iter().position(|write| write == action).unwrap();
    assert!(first("iam:UpdateAssumeRolePolicy") < first("scheduler:UpdateSchedule"), "{writes:?}");
    assert!(writes.iter().filter(|write| *write == "scheduler:UpdateSchedule").count() > 1, "no wait: {writes:?}");
    assert_eq!(taskbell(&aws, &format!("{DRIFT} {EXPECT}")).await.code, 0);
}

/// Checks that setup waits for other changes of the same group and schedules, whichever call Scheduler refuses.
#[tokio::test(start_paused = true)]
async fn conflicting_changes_of_schedules_are_waited_for() {
    let message = "Updating or deleting the resource can cause an inconsistent state.";
    let changed = "--expect nightly,every=27h --expect nightly,max-runtime=3h --tag team=data";
    for (action, flags) in [
        ("scheduler:CreateSchedule", changed),
        ("scheduler:UpdateSchedule", changed),
        ("scheduler:DeleteSchedule", changed),
        ("scheduler:TagResource", changed),
        ("scheduler:UntagResource", EXPECT),
        ("scheduler:DeleteScheduleGroup", ""),
    ] {
        let aws = Aws::new().await;
        set_up(&aws, &format!("{EXPECT} --tag owner=me")).await;
        aws.refuse_next(action, "ConflictException", message, 3);
        set_up(&aws, flags).await;
        assert_eq!(aws.refusals_left(), [""; 0], "{action}");
        assert_eq!(taskbell(&aws, &format!("{DRIFT} {flags}")).await.code, 0, "{action}");
    }
}

/// Checks that setup creates a schedule again that somebody deleted after the group was read.
#[tokio::test(start_paused = true)]
async fn schedule_that_somebody_deleted_meanwhile_is_created() {
    let aws = Aws::new().await;
    set_up(&aws, EXPECT).await;
    aws.meanwhile("scheduler:UpdateSchedule", 0, |aws| {
        Box::pin(async move {
            let call = Hand::of(&aws).scheduler.delete_schedule().group_name(SCHEDULES).name("sweep");
            call.send().await.unwrap();
        })
    });
    let changed = "--expect nightly,every=26h --expect nightly,max-runtime=3h";
    let start = tokio::time::Instant::now();
    set_up(&aws, changed).await;
    assert!(aws.has_changed_meanwhile() && start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    assert_eq!(taskbell(&aws, &format!("{DRIFT} {changed}")).await.code, 0);
}

/// Checks a deletion whose answer is lost: Scheduler refuses the second deletion while the first one, of minutes, goes on.
#[tokio::test(start_paused = true)]
async fn lost_answer_of_the_groups_deletion_is_waited_out() {
    let aws = Aws::new().await;
    set_up(&aws, EXPECT).await;
    let action = On::Action("scheduler:DeleteScheduleGroup");
    aws.fail(Fault { failure: Failure::AnswerLost, on: action, nth: 0, times: 1 });
    let teardown = taskbell(&aws, TEARDOWN).await;
    assert_eq!(teardown.code, 0, "{teardown:?}");
    assert!(teardown.err.contains("EventBridge Scheduler to delete the schedule group"), "{teardown:?}");
}

/// Checks that a creation whose answer is lost is repeated with its token, so that Scheduler takes it for the same one.
#[tokio::test(start_paused = true)]
async fn lost_answers_of_creations_are_repeated_with_their_tokens() {
    for action in ["scheduler:CreateScheduleGroup", "scheduler:CreateSchedule"] {
        let aws = Aws::new().await;
        aws.fail(Fault { failure: Failure::AnswerLost, on: On::Action(action), nth: 0, times: 1 });
        set_up(&aws, "--expect nightly,every=26h").await;
        let writes = aws.writes();
        let times = |action: &str| writes.iter().filter(|write| *write == action).count();
        assert!(times(action) > 1, "{action}: {writes:?}");
        assert_eq!((times("scheduler:UpdateSchedule"), times("scheduler:TagResource")), (0, 0), "{action}: {writes:?}");
        assert_eq!(taskbell(&aws, &format!("{DRIFT} --expect nightly,every=26h")).await.code, 0, "{action}");
    }
}
