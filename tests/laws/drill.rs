//! Checks that `drill` goes through every link of the live chain, and names the broken link.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::aws::{Aws, Failure, Fault, On, Shape};
use crate::support::{Outcome, run, taskbell, typing};

const DRILL: &str = "drill --cluster batch";

async fn with_stack() -> Aws {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    aws.forget_calls();
    aws
}

fn sent() -> Value {
    json!({ "outcome": "sent", "ms": { "secret": 3, "post": 41, "total": 50 }, "destinations": [
        { "name": "webhook", "kind": "slack", "outcome": "sent", "status": 200, "attempts": 2, "ms": 40 },
    ] })
}

/// Returns the log line of an alert that the only destination did not accept.
fn not_taken(kind: Option<&str>, status: Option<u16>, error: &str) -> Value {
    json!({ "outcome": "failed", "error": error, "ms": { "secret": 9, "post": 30, "total": 40 }, "destinations": [
        { "name": "webhook", "kind": kind, "outcome": "failed", "status": status, "ms": 30, "error": error },
    ] })
}

/// Returns the log line of a notifier that an older taskbell set up.
fn failed(error: &str, status: Option<u16>, ms: &Value) -> Value {
    json!({ "outcome": "failed", "error": error, "status": status, "ms": ms })
}

#[tokio::test(start_paused = true)]
async fn drill_prints_each_hop_with_its_time_up_to_slacks_answer() {
    let aws = with_stack().await;
    aws.notifier_tells(Some(sent()));
    let drill = taskbell(&aws, DRILL).await;
    assert_eq!((drill.code, drill.err.ends_with("Slack accepted the drill.\n")), (0, true), "{drill:?}");
    let marks: Vec<&str> = drill.out.lines().map(|line| line.split("  ").next().unwrap().trim()).collect();
    assert_eq!(marks, ["✓ rule", "✓ bus", "✓ notifier", "✓ webhook", "✓ Slack"], "{drill:?}");
    assert!(drill.out.contains("answered 200 at attempt 2  (40 ms)"), "{drill:?}");
    let object = taskbell(&aws, "drill --cluster batch --output json").await.json();
    assert_eq!((&object["delivered"], object["hops"].as_array().unwrap().len()), (&json!(true), 5), "{object}");
    assert_eq!((&object["scenario"], &object["hops"][4]["ms"]), (&json!("exit-code"), &json!(40)));
}

#[tokio::test(start_paused = true)]
async fn setup_ends_with_a_drill_on_request() {
    let aws = Aws::new().await;
    aws.notifier_tells(Some(sent()));
    let setup = taskbell(&aws, "setup --cluster batch --yes --drill").await;
    assert!(setup.code == 0 && setup.out.contains("✓ Slack"), "{setup:?}");
    aws.notifier_tells(None);
    let again = taskbell(&aws, "setup --cluster batch --yes --drill --output json").await;
    assert_eq!((again.code, &again.json()["drill"]["delivered"]), (1, &json!(false)), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn drills_of_jobs_need_what_they_simulate() {
    let aws = with_stack().await;
    aws.notifier_tells(Some(sent()));
    let recovered = taskbell(&aws, "drill --cluster batch --scenario recovered").await;
    assert_eq!(recovered.code, 0, "{recovered:?}");
    aws.forget_calls();
    for scenario in ["overdue", "running-long"] {
        let refused = taskbell(&aws, &format!("drill --cluster batch --scenario {scenario}")).await;
        assert_eq!((refused.code, refused.out.lines().count()), (1, 1), "{scenario}: {refused:?}");
        assert!(refused.err.contains("the stack expects nothing of jobs"), "{scenario}: {refused:?}");
    }
    assert!(aws.calls().iter().all(|call| call.action != "events:PutEvents"), "{:?}", aws.calls());
    let setup = "setup --cluster batch --yes --no-recovery --expect 'nightly,every=1d' --expect nightly,max-runtime=2h";
    assert_eq!(taskbell(&aws, setup).await.code, 0);
    for (scenario, code) in [("overdue", 0), ("running-long", 0), ("recovered", 1)] {
        let drill = taskbell(&aws, &format!("drill --cluster batch --scenario {scenario}")).await;
        assert_eq!(drill.code, code, "{scenario}: {drill:?}");
        assert_eq!(drill.err.contains("--no-recovery"), code == 1, "{scenario}: {drill:?}");
    }
}

/// Checks the offer of a first test at a terminal: the default answer is yes, and an existing stack is not offered a test.
#[tokio::test(start_paused = true)]
async fn first_setup_at_a_terminal_offers_a_drill() {
    let question = "Send a test message now? [Y/n] ";
    for (answers, is_sent) in [(&["y", ""][..], true), (&["y", "Y"], true), (&["y", "n"], false), (&["y"], false)] {
        let aws = Aws::new().await;
        aws.notifier_tells(Some(sent()));
        let setup = typing(&aws, "setup --cluster batch", answers).await;
        assert!(setup.code == 0 && setup.err.contains(question), "{answers:?}: {setup:?}");
        assert!(setup.err.contains("\n  taskbell drill --cluster batch     send a test"), "{setup:?}");
        assert_eq!(setup.out.contains("✓ Slack"), is_sent, "{answers:?}: {setup:?}");
        assert_eq!(setup.err.matches("is set up").count(), 1, "{setup:?}");
        let changed = typing(&aws, "setup --cluster batch --language ja", &["y"]).await;
        assert!(changed.code == 0 && !changed.err.contains(question), "{changed:?}");
    }
    for (line, answers) in [
        ("setup --cluster batch --yes", &[][..]),
        ("setup --cluster batch --quiet", &["y"]),
        ("setup --cluster batch --no-drill", &["y"]),
        ("setup --cluster batch --output json", &["y"]),
    ] {
        let aws = Aws::new().await;
        let setup = typing(&aws, line, answers).await;
        assert!(setup.code == 0 && !setup.err.contains("Send a test"), "{line}: {setup:?}");
    }
    let aws = Aws::new().await;
    aws.notifier_tells(None);
    let unanswered = typing(&aws, "setup --cluster batch", &["y", ""]).await;
    assert!(unanswered.code == 1 && unanswered.err.contains(question), "{unanswered:?}");
    let elsewhere = taskbell(&Aws::new().await, "setup --cluster batch --yes").await;
    assert!(!elsewhere.err.contains("Send a test") && elsewhere.err.contains("  taskbell drill"), "{elsewhere:?}");
}

/// A case: its title, the state of the log, the queue or AWS, the exit code, the last hop's name, and words of the output.
type Case = (&'static str, fn(&Aws), u8, &'static str, &'static str);

fn refuse(aws: &Aws, failure: Failure, action: &'static str) {
    aws.fail(Fault { failure, on: On::Action(action), nth: 0, times: 1000 });
}

const CASES: [Case; 36] = [
    (
        "the only webhook may not be read",
        |aws| {
            let error =
                "could not read the webhook from parameter /taskbell/batch/slack-webhook-url: AccessDeniedException";
            aws.notifier_tells(Some(not_taken(None, None, error)));
        },
        1,
        "webhook",
        "AccessDeniedException",
    ),
    (
        "the only webhook is revoked",
        |aws| aws.notifier_tells(Some(not_taken(Some("slack"), Some(404), "Slack answered 404: no_service"))),
        1,
        "Slack",
        "TASKBELL_SLACK_WEBHOOK_URL",
    ),
    (
        "settings are wrong",
        |aws| {
            let error = "TASKBELL_WEBHOOK_PARAMETER is not set";
            let entry = json!({ "outcome": "failed", "error": error, "ms": { "total": 1 }, "destinations": [] });
            aws.notifier_tells(Some(entry));
        },
        1,
        "notifier",
        "TASKBELL_WEBHOOK_PARAMETER is not set",
    ),
    (
        "a plain line to the only destination",
        |aws| {
            aws.notifier_tells(Some(json!({ "outcome": "sent-plain", "ms": {}, "destinations": [
                { "name": "ops", "kind": "teams", "outcome": "sent-plain", "status": 200, "refused": "BadRequest" },
            ] })));
        },
        0,
        "Teams",
        "ops answered 200, but only in one plain line: it refused the layout with BadRequest",
    ),
    (
        "the line of an older notifier",
        |aws| {
            let ms = json!({ "secret": 3, "slack": 40, "total": 50 });
            aws.notifier_tells(Some(json!({ "outcome": "sent", "status": 200, "attempts": 2, "ms": ms })));
        },
        0,
        "Slack",
        "answered 200 at attempt 2  (40 ms)",
    ),
    (
        "the role may not read the webhook",
        |aws| {
            let error =
                "could not read the webhook from parameter /taskbell/batch/slack-webhook-url: AccessDeniedException";
            aws.notifier_tells(Some(failed(error, None, &json!({ "secret": 9, "total": 9 }))));
        },
        1,
        "webhook",
        "AccessDeniedException",
    ),
    (
        "no webhook in the parameter",
        |aws| {
            let error = "the webhook parameter does not hold an https URL";
            aws.notifier_tells(Some(failed(error, None, &json!({ "secret": 9, "slack": 0, "total": 9 }))));
        },
        1,
        "Slack",
        "does not hold an https URL",
    ),
    (
        "the webhook is revoked",
        |aws| {
            let ms = json!({ "secret": 9, "slack": 30, "total": 40 });
            aws.notifier_tells(Some(failed("Slack answered 404: no_service", Some(404), &ms)));
        },
        1,
        "Slack",
        "TASKBELL_SLACK_WEBHOOK_URL",
    ),
    (
        "Slack is down",
        |aws| {
            // A number in the error's text is not a status.
            let ms = json!({ "secret": 9, "slack": 30, "total": 40 });
            aws.notifier_tells(Some(failed("Slack answered 500 (no time left to wait 1404 ms)", Some(500), &ms)));
        },
        1,
        "Slack",
        "Lambda retries",
    ),
    (
        "the function failed before Slack",
        |aws| {
            aws.notifier_tells(Some(failed("TASKBELL_WEBHOOK_PARAMETER is not set", None, &json!({ "total": 1 }))));
        },
        1,
        "notifier",
        "TASKBELL_WEBHOOK_PARAMETER is not set",
    ),
    (
        "the notifier is silent",
        |aws| {
            aws.notifier_tells(Some(json!({ "outcome": "silent", "silentBecause": "scale-in", "ms": { "total": 1 } })));
        },
        1,
        "notifier",
        "skips the event: scale-in",
    ),
    (
        "a plain line",
        |aws| {
            aws.notifier_tells(Some(
                json!({ "outcome": "sent-plain", "status": 200, "refused": "invalid_blocks", "ms": {} }),
            ));
        },
        0,
        "Slack",
        "refused the layout with invalid_blocks",
    ),
    (
        "the code throws",
        |aws| {
            aws.log_says(&[
                r#"{"level":"ERROR","message":{"errorType":"Error","errorMessage":"boom"}}"#,
                r#"{"type":"platform.report","record":{"status":"error"}}"#,
            ]);
        },
        1,
        "notifier",
        "failed: boom\n",
    ),
    (
        "the function is killed",
        |aws| aws.log_says(&[r#"{"type":"platform.report","record":{"status":"timeout"}}"#]),
        1,
        "notifier",
        "failed: the run ended with timeout",
    ),
    ("nothing is told", |_| {}, 1, "notifier", "reported nothing within 60 s, and the event is not in the queue"),
    (
        "nothing is told, and nothing began",
        |_| {},
        1,
        "notifier",
        "the account's concurrency limit may throttle Lambda, and the alert may still arrive",
    ),
    (
        "another event failed",
        |aws| {
            aws.log_says(&[
                r#"{"eventId":"other","taskId":"other","outcome":"failed","error":"no_service"}"#,
                r#"{"level":"ERROR","message":{"errorType":"Error","errorMessage":"no_service"}}"#,
                r#"{"type":"platform.report","record":{"status":"error"}}"#,
            ]);
        },
        1,
        "notifier",
        "reported nothing within 60 s, and the event is not in the queue; another event failed: no_service\n",
    ),
    (
        "another event came, and some run failed",
        |aws| {
            aws.log_says(&[
                r#"{"eventId":"other","taskId":"other","outcome":"sent"}"#,
                r#"{"level":"ERROR","message":{"errorType":"Error","errorMessage":"boom"}}"#,
            ]);
        },
        3,
        "notifier",
        "reported nothing within 60 s; this or another event failed: boom\n",
    ),
    (
        "others in the queue",
        |aws| (0..2).for_each(|_| aws.lay_text_into_queue("x")),
        1,
        "notifier",
        "reported nothing within 60 s, and the event was not seen in the queue\n",
    ),
    (
        "EventBridge could not deliver",
        |aws| aws.deliver_into_queue(Shape::Delivery),
        1,
        "notifier",
        "which is in the queue: NO_PERMISSIONS: The function's policy",
    ),
    (
        "Lambda gave up",
        |aws| aws.deliver_into_queue(Shape::Invocation),
        1,
        "notifier",
        "which is in the queue: Slack answered 404: no_service",
    ),
    (
        "a full queue",
        |aws| (0..30).for_each(|_| aws.lay_text_into_queue("x")),
        1,
        "notifier",
        "has more entries than a drill can read",
    ),
    (
        "the log may not be read",
        |aws| refuse(aws, Failure::Denied, "logs:FilterLogEvents"),
        3,
        "notifier",
        "AccessDeniedException on logs:FilterLogEvents",
    ),
    (
        "the log is throttled",
        |aws| refuse(aws, Failure::Throttled, "logs:FilterLogEvents"),
        3,
        "notifier",
        "ThrottlingException on logs:FilterLogEvents",
    ),
    (
        "the log never answers",
        |aws| refuse(aws, Failure::Hangs, "logs:FilterLogEvents"),
        3,
        "notifier",
        "no answer to logs:FilterLogEvents within 10 s",
    ),
    (
        "the log is not there, but the queue has it",
        |aws| {
            aws.deliver_into_queue(Shape::Delivery);
            refuse(aws, Failure::Denied, "logs:FilterLogEvents");
        },
        1,
        "notifier",
        "which is in the queue",
    ),
    (
        "the queue may not be looked into",
        |aws| refuse(aws, Failure::Denied, "sqs:ReceiveMessage"),
        3,
        "notifier",
        "AccessDeniedException on sqs:ReceiveMessage",
    ),
    (
        "the queue's address may not be asked for",
        |aws| refuse(aws, Failure::Denied, "sqs:GetQueueUrl"),
        3,
        "notifier",
        "AccessDeniedException on sqs:GetQueueUrl",
    ),
    (
        "the queue does not matter",
        |aws| {
            aws.notifier_tells(Some(sent()));
            refuse(aws, Failure::Denied, "sqs:ReceiveMessage");
        },
        0,
        "Slack",
        "answered 200",
    ),
    (
        "the queue never answers",
        |aws| refuse(aws, Failure::Hangs, "sqs:ReceiveMessage"),
        3,
        "notifier",
        "no answer to sqs:ReceiveMessage",
    ),
    (
        "an entry that failed",
        |aws| refuse(aws, Failure::OtherAnswer, "events:PutEvents"),
        1,
        "bus",
        "InternalException on events:PutEvents: try again",
    ),
    (
        "no permission to put",
        |aws| refuse(aws, Failure::Denied, "events:PutEvents"),
        1,
        "bus",
        "AccessDeniedException on events:PutEvents",
    ),
    (
        "the bus is throttled",
        |aws| refuse(aws, Failure::Throttled, "events:PutEvents"),
        1,
        "bus",
        "ThrottlingException on events:PutEvents",
    ),
    (
        "the rules may not be read",
        |aws| refuse(aws, Failure::Denied, "events:ListRules"),
        3,
        "rule",
        "AccessDeniedException on events:ListRules",
    ),
    (
        "the targets may not be read",
        |aws| refuse(aws, Failure::Denied, "events:ListTargetsByRule"),
        3,
        "rule",
        "AccessDeniedException on events:ListTargetsByRule",
    ),
    (
        "the function's policy may not be read",
        |aws| refuse(aws, Failure::Denied, "lambda:GetPolicy"),
        3,
        "rule",
        "AccessDeniedException on lambda:GetPolicy",
    ),
];

#[tokio::test(start_paused = true)]
async fn broken_hop_is_named_within_the_time() {
    for (case, make, code, hop, told) in &CASES {
        let aws = with_stack().await;
        make(&aws);
        let start = Instant::now();
        let drill = taskbell(&aws, DRILL).await;
        assert!(start.elapsed() < Duration::from_secs(60 + 2 * 10 + 5), "{case}: {:?}", start.elapsed());
        let last = drill.out.lines().last().unwrap_or_default();
        assert!(
            drill.code == *code && last.split_once(' ').is_some_and(|(_, rest)| rest.starts_with(hop)),
            "{case}: {drill:?}"
        );
        assert!(format!("{}{}", drill.out, drill.err).contains(told), "{case}: {drill:?}");
        assert!(*code == 0 || drill.err.contains("\n  hint: "), "{case}: {drill:?}");
        let object = taskbell(&aws, "drill --cluster batch --output json --timeout 1").await.json();
        let delivered = [json!(true), json!(false), Value::Null, Value::Null][usize::from(*code)].clone();
        assert_eq!(object["delivered"], delivered, "{case}: {object}");
    }
    println!("{} cases in the process", CASES.len());
}

#[tokio::test(start_paused = true)]
async fn briefly_unreadable_log_does_not_end_a_drill() {
    for (failure, times) in
        [(Failure::Throttled, 6), (Failure::ServerError, 6), (Failure::NotSent, 6), (Failure::Hangs, 2)]
    {
        let aws = with_stack().await;
        aws.notifier_tells(Some(sent()));
        aws.fail(Fault { failure, on: On::Action("logs:FilterLogEvents"), nth: 0, times });
        let drill = taskbell(&aws, DRILL).await;
        assert_eq!(drill.code, 0, "{failure:?}: {drill:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn any_single_unanswered_read_changes_nothing() {
    let undisturbed = taskbell(&with_stack().await, DRILL).await;
    assert_eq!(undisturbed.code, 1, "{undisturbed:?}");
    for action in ["logs:FilterLogEvents", "sqs:ReceiveMessage"] {
        let mut looks = 0;
        for nth in 0.. {
            let aws = with_stack().await;
            aws.fail(Fault { failure: Failure::Hangs, on: On::Action(action), nth, times: 1 });
            let drill = taskbell(&aws, DRILL).await;
            assert_eq!((drill.code, &last_line(&drill)), (1, &last_line(&undisturbed)), "{action} {nth}: {drill:?}");
            looks = looks.max(aws.calls().iter().filter(|call| call.action == action).count());
            if nth > looks {
                break;
            }
        }
        assert!(looks > 10, "{action}: {looks}");
    }
}

fn last_line(drill: &Outcome) -> String {
    drill.out.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn event_put_twice_is_recognised_by_its_task() {
    // The answer to the first call was lost, so taskbell does not know its event id, which the log contains.
    let twice = Fault { failure: Failure::AnswerLost, on: On::Action("events:PutEvents"), nth: 0, times: 1 };
    let aws = with_stack().await;
    aws.notifier_tells(Some(sent()));
    aws.fail(twice.clone());
    let drill = taskbell(&aws, DRILL).await;
    assert_eq!(drill.code, 0, "{drill:?}");
    for shape in [Shape::Delivery, Shape::Invocation] {
        let aws = with_stack().await;
        aws.deliver_into_queue(shape);
        aws.fail(twice.clone());
        let drill = taskbell(&aws, DRILL).await;
        assert!(drill.code == 1 && drill.out.contains("which is in the queue: "), "{drill:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn denied_calls_as_json_name_the_command_that_prints_the_policy() {
    for action in ["events:PutEvents", "events:ListRules", "logs:FilterLogEvents"] {
        let aws = with_stack().await;
        refuse(&aws, Failure::Denied, action);
        let drill = taskbell(&aws, &format!("{DRILL} --output json")).await;
        assert!(!drill.out.contains("\\u0000") && !drill.out.contains('\0'), "{action}: {drill:?}");
        assert!(drill.out.contains("`taskbell permissions --for drill` prints "), "{action}: {drill:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_ends_a_drill_at_once_at_any_wait() {
    let aws = with_stack().await;
    taskbell(&aws, "drill --cluster batch --timeout 1").await;
    let calls = aws.calls().len();
    let first_put = aws.calls().iter().position(|call| call.action == "events:PutEvents").unwrap();
    for hangs in [false, true] {
        for nth in 0..calls {
            aws.heal();
            if hangs {
                refuse(&aws, Failure::Hangs, "logs:FilterLogEvents");
            }
            let token = aws.interrupt_at(nth);
            let start = Instant::now();
            let drill = run(&aws, DRILL, None, token).await;
            assert_eq!(drill.code, 130, "call {nth}: {drill:?}");
            // Later calls follow only after a stuck read.
            let before = if hangs { 25 } else { 5 };
            assert!(start.elapsed() < Duration::from_secs(before), "call {nth}: {:?}", start.elapsed());
            let put = drill.out.contains("EventBridge accepted the event");
            assert_eq!(drill.err.contains("was already sent"), put, "call {nth}: {drill:?}");
            let may_be = drill.err.contains("EventBridge may have accepted the drill anyway");
            assert!(!(put && may_be) && (put || may_be || nth < first_put), "call {nth}: {drill:?}");
        }
    }
    println!("{} interruptions", 2 * calls);
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_during_put_says_that_the_drill_may_arrive() {
    let aws = with_stack().await;
    // Concurrent reads share a call while it takes time, so the number of calls depends on the delay.
    aws.delay(Duration::from_secs(1));
    taskbell(&aws, "drill --cluster batch --timeout 1").await;
    let put = aws.calls().iter().position(|call| call.action == "events:PutEvents").unwrap();
    let token = aws.interrupt_at(put);
    let drill = run(&aws, DRILL, None, token).await;
    assert_eq!(drill.code, 130, "{drill:?}");
    assert!(drill.err.contains("interrupted; EventBridge may have accepted the drill anyway"), "{drill:?}");
}

#[tokio::test(start_paused = true)]
async fn drill_explains_why_no_rule_matches() {
    for (setup, drill, told, hint) in [
        ("--no-drill", DRILL, "requires another source", "without that flag to allow drills"),
        ("--pattern start-failed", DRILL, "rule/start-failed requires another detail", "--pattern nonzero-exit"),
        ("", "drill --cluster web --stack batch", "requires another detail.clusterArn", "--scenario"),
    ] {
        let aws = Aws::new().await;
        assert_eq!(taskbell(&aws, &format!("setup --cluster batch --yes {setup}")).await.code, 0);
        let drill = taskbell(&aws, drill).await;
        assert!(drill.code == 1 && drill.out.contains(told) && drill.err.contains(hint), "{setup}: {drill:?}");
        assert!(!aws.writes().contains(&"events:PutEvents".to_owned()));
    }
    assert_eq!(taskbell(&Aws::new().await, "drill").await.code, 64);
}

#[tokio::test(start_paused = true)]
async fn drill_of_a_stack_that_does_not_exist_says_so_before_anything_is_sent() {
    let aws = with_stack().await;
    let mistyped = taskbell(&aws, "drill btach").await;
    assert_eq!((mistyped.code, mistyped.out.as_str()), (1, ""), "{mistyped:?}");
    let told =
        "error: no stack btach is set up in us-east-1, account 123456789012\n  hint: the nearest name is batch; ";
    assert!(mistyped.err.starts_with(told) && !mistyped.err.contains("repairs"), "{mistyped:?}");
    let nothing = taskbell(&Aws::new().await, DRILL).await;
    assert!(nothing.code == 1 && nothing.err.contains("hint: run `taskbell setup`, or check --stack"), "{nothing:?}");
    assert!(!aws.writes().contains(&"events:PutEvents".to_owned()));
    // A part of the stack is a stack that can be repaired.
    let events = aws_sdk_eventbridge::Client::new(&aws.sdk());
    for rule in events.list_rules().send().await.unwrap().rules() {
        let name = rule.name().unwrap();
        events.remove_targets().rule(name).ids("notifier").send().await.unwrap();
        events.delete_rule().name(name).send().await.unwrap();
    }
    let part = taskbell(&aws, DRILL).await;
    assert!(part.code == 1 && part.out.contains("the stack has no rule"), "{part:?}");
}
