//! `drill`: through every link of the live chain, and which link it names when one is broken.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};
use support::aws::{Aws, Failure, Fault, On, Shape, undelivered};
use support::emulator::{Emulator, Slack, pause};
use support::{Outcome, run, taskbell};
use tokio::time::Instant;

const DRILL: &str = "drill --cluster batch";

async fn with_stack() -> Aws {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    aws.forget_calls();
    aws
}

fn sent() -> Value {
    json!({ "outcome": "sent", "status": 200, "attempts": 2, "ms": { "secret": 3, "slack": 40, "total": 50 } })
}

fn failed(error: &str, status: Option<u16>, ms: &Value) -> Value {
    json!({ "outcome": "failed", "error": error, "status": status, "ms": ms })
}

#[tokio::test(start_paused = true)]
async fn every_hop_is_told_with_its_time_until_slack_has_answered() {
    let aws = with_stack().await;
    aws.notifier_tells(Some(sent()));
    let drill = taskbell(&aws, DRILL).await;
    assert_eq!((drill.code, drill.err.ends_with("Slack took the drill.\n")), (0, true), "{drill:?}");
    let marks: Vec<&str> = drill.out.lines().map(|line| line.split("  ").next().unwrap().trim()).collect();
    assert_eq!(marks, ["+ rule", "+ bus", "+ notifier", "+ webhook", "+ Slack"], "{drill:?}");
    assert!(drill.out.contains("answered 200 at attempt 2  (40 ms)"), "{drill:?}");
    let object = taskbell(&aws, "drill --cluster batch --output json").await.json();
    assert_eq!((&object["delivered"], object["hops"].as_array().unwrap().len()), (&json!(true), 5), "{object}");
    assert_eq!((&object["scenario"], &object["hops"][4]["ms"]), (&json!("exit-code"), &json!(40)));
}

#[tokio::test(start_paused = true)]
async fn setup_ends_with_a_drill_if_asked_to() {
    let aws = Aws::new().await;
    aws.notifier_tells(Some(sent()));
    let setup = taskbell(&aws, "setup --cluster batch --yes --drill").await;
    assert!(setup.code == 0 && setup.out.contains("+ Slack"), "{setup:?}");
    aws.notifier_tells(None);
    let again = taskbell(&aws, "setup --cluster batch --yes --drill --output json").await;
    assert_eq!((again.code, &again.json()["drill"]["delivered"]), (1, &json!(false)), "{again:?}");
}

/// What the log, the queue or AWS says; the exit code, the last hop's name and what is told.
type Case = (&'static str, fn(&Aws), u8, &'static str, &'static str);

fn refuse(aws: &Aws, failure: Failure, action: &'static str) {
    aws.fail(Fault { failure, on: On::Action(action), nth: 0, times: 1000 });
}

const CASES: [Case; 31] = [
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
            // A number in its words is no status.
            let ms = json!({ "secret": 9, "slack": 30, "total": 40 });
            aws.notifier_tells(Some(failed("Slack answered 500 (no time left to wait 1404 ms)", Some(500), &ms)));
        },
        1,
        "Slack",
        "Lambda tries again",
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
        "does not announce it: scale-in",
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
    ("nothing is told", |_| {}, 1, "notifier", "told nothing within 60 s, and it does not lie in the queue"),
    (
        "nothing is told, and nothing began",
        |_| {},
        1,
        "notifier",
        "by the account's concurrency, and it may still arrive",
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
        "told nothing within 60 s, and it does not lie in the queue; another event failed: no_service\n",
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
        "told nothing within 60 s; this or another event failed: boom\n",
    ),
    (
        "others in the queue",
        |aws| (0..2).for_each(|_| aws.lay_text_into_queue("x")),
        1,
        "notifier",
        "told nothing within 60 s, and it was not seen in the queue\n",
    ),
    (
        "EventBridge could not deliver",
        |aws| aws.deliver_into_queue(Shape::Delivery),
        1,
        "notifier",
        "it lies in the queue: NO_PERMISSIONS: The function's policy",
    ),
    (
        "Lambda gave up",
        |aws| aws.deliver_into_queue(Shape::Invocation),
        1,
        "notifier",
        "it lies in the queue: Slack answered 404: no_service",
    ),
    (
        "a full queue",
        |aws| (0..30).for_each(|_| aws.lay_text_into_queue("x")),
        1,
        "notifier",
        "holds more than can be looked at",
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
        "it lies in the queue",
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
async fn whatever_does_not_hold_is_named_within_the_time() {
    for (case, make, code, hop, told) in &CASES {
        let aws = with_stack().await;
        make(&aws);
        let start = Instant::now();
        let drill = taskbell(&aws, DRILL).await;
        assert!(start.elapsed() < Duration::from_secs(60 + 2 * 10 + 5), "{case}: {:?}", start.elapsed());
        let last = drill.out.lines().last().unwrap_or_default();
        assert!(drill.code == *code && last[2..].starts_with(hop), "{case}: {drill:?}");
        assert!(format!("{}{}", drill.out, drill.err).contains(told), "{case}: {drill:?}");
        assert!(*code == 0 || drill.err.contains("\n  hint: "), "{case}: {drill:?}");
        let object = taskbell(&aws, "drill --cluster batch --output json --timeout 1").await.json();
        let delivered = [json!(true), json!(false), Value::Null, Value::Null][usize::from(*code)].clone();
        assert_eq!(object["delivered"], delivered, "{case}: {object}");
    }
    println!("{} cases in the process", CASES.len());
}

#[tokio::test(start_paused = true)]
async fn a_moment_in_which_the_log_cannot_be_read_does_not_end_a_drill() {
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
async fn one_look_without_an_answer_changes_nothing_whichever_it_is() {
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
async fn a_put_that_was_made_twice_is_known_by_its_task() {
    // The answer to the first was lost: its id, with which it is told of, is not known.
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
        assert!(drill.code == 1 && drill.out.contains("it lies in the queue: "), "{drill:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn denied_calls_as_json_name_the_command_that_prints_the_policy() {
    for action in ["events:PutEvents", "events:ListRules", "logs:FilterLogEvents"] {
        let aws = with_stack().await;
        refuse(&aws, Failure::Denied, action);
        let drill = taskbell(&aws, &format!("{DRILL} --output json")).await;
        assert!(!drill.out.contains("\\u0000") && !drill.out.contains('\0'), "{action}: {drill:?}");
        assert!(drill.out.contains("`taskbell permissions --for drill` prints the policy"), "{action}: {drill:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_ends_a_drill_at_once_wherever_it_waits() {
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
            // Calls that come later are made only after a look that hung.
            let before = if hangs { 25 } else { 5 };
            assert!(start.elapsed() < Duration::from_secs(before), "call {nth}: {:?}", start.elapsed());
            let put = drill.out.contains("EventBridge took");
            assert_eq!(drill.err.contains("was sent all the same"), put, "call {nth}: {drill:?}");
            let may_be = drill.err.contains("EventBridge may have taken the drill all the same");
            assert!(!(put && may_be) && (put || may_be || nth < first_put), "call {nth}: {drill:?}");
        }
    }
    println!("{} interruptions", 2 * calls);
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_while_the_event_is_on_its_way_says_that_it_may_arrive() {
    let aws = with_stack().await;
    // Calls that take time are shared: their number depends on it.
    aws.delay(Duration::from_secs(1));
    taskbell(&aws, "drill --cluster batch --timeout 1").await;
    let put = aws.calls().iter().position(|call| call.action == "events:PutEvents").unwrap();
    let token = aws.interrupt_at(put);
    let drill = run(&aws, DRILL, None, token).await;
    assert_eq!(drill.code, 130, "{drill:?}");
    assert!(drill.err.contains("interrupted; EventBridge may have taken the drill all the same"), "{drill:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_takes_no_such_drill_says_why() {
    for (setup, drill, told, hint) in [
        ("--no-drill", DRILL, "asks for another source", "without it lets them in"),
        ("--pattern start-failed", DRILL, "rule/start-failed asks for another detail", "--pattern nonzero-exit"),
        ("", "drill --cluster web --stack batch", "asks for another detail.clusterArn", "--scenario"),
    ] {
        let aws = Aws::new().await;
        assert_eq!(taskbell(&aws, &format!("setup --cluster batch --yes {setup}")).await.code, 0);
        let drill = taskbell(&aws, drill).await;
        assert!(drill.code == 1 && drill.out.contains(told) && drill.err.contains(hint), "{setup}: {drill:?}");
        assert!(!aws.writes().contains(&"events:PutEvents".to_owned()));
    }
    let nothing = taskbell(&Aws::new().await, DRILL).await;
    assert!(nothing.code == 1 && nothing.out.contains("the stack has no rule"), "{nothing:?}");
    assert_eq!(taskbell(&Aws::new().await, "drill").await.code, 64);
}

/// NEAR in cli/hops.rs: a drill takes log lines that are this much older for its own.
const LINES_ARE_NEAR: Duration = Duration::from_secs(2);

/// A stack of its own on the one local AWS: a cluster, and a Slack, for each case.
struct Place {
    aws: Arc<Emulator>,
    name: String,
    slack: Slack,
    lambda: aws_sdk_lambda::Client,
    events: aws_sdk_eventbridge::Client,
    ssm: aws_sdk_ssm::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Place {
    async fn new(aws: &Arc<Emulator>, name: &str) -> Self {
        let sdk = aws.sdk().await;
        aws_sdk_ecs::Client::new(&sdk).create_cluster().cluster_name(name).send().await.unwrap();
        let place = Self {
            aws: Arc::clone(aws),
            name: name.to_owned(),
            slack: Slack::start(),
            lambda: aws_sdk_lambda::Client::new(&sdk),
            events: aws_sdk_eventbridge::Client::new(&sdk),
            ssm: aws_sdk_ssm::Client::new(&sdk),
            logs: aws_sdk_cloudwatchlogs::Client::new(&sdk),
            sqs: aws_sdk_sqs::Client::new(&sdk),
        };
        let setup = place.run(&format!("setup --cluster {name} --yes --allow-any-webhook-host")).await;
        assert_eq!(setup.code, 0, "{setup:?}");
        place
    }

    /// On a thread of its own: the others go on meanwhile.
    async fn run(&self, line: &str) -> Outcome {
        let (aws, line, webhook) = (Arc::clone(&self.aws), line.to_owned(), self.slack.webhook());
        tokio::task::spawn_blocking(move || aws.taskbell(&line, Some(&webhook))).await.unwrap()
    }

    async fn drill(&self, flags: &str) -> Outcome {
        self.run(&format!("drill --cluster {} {flags}", self.name)).await
    }

    fn stack(&self) -> String {
        format!("taskbell-{}", self.name)
    }

    fn rule(&self) -> String {
        format!("taskbell-{}-task-failed", self.name)
    }

    /// Runs the function once, so that it has started before a drill counts the time, and waits until no drill takes the lines of that
    /// run for its own.
    async fn runs(&self) {
        let run = self.lambda.invoke().function_name(self.stack()).payload(Blob::new("{}")).send().await.unwrap();
        assert_eq!(run.function_error(), None, "{run:?}");
        tokio::time::sleep(LINES_ARE_NEAR + Duration::from_secs(1)).await;
    }

    async fn replace_code(&self, source: &str) {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("index.mjs", zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, source.as_bytes()).unwrap();
        let bytes = zip.finish().unwrap().into_inner();
        let call = self.lambda.update_function_code().function_name(self.stack()).zip_file(Blob::new(bytes));
        call.send().await.unwrap();
        self.runs().await;
    }
}

/// Emulators side by side would start their functions at the same time, each of them slower for it.
static ONE_LOCAL_AWS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

type Break = for<'a> fn(&'a Place) -> BoxFuture<'a, ()>;

/// What is broken; the exit code, the hop, what is told, and flags of the drill.
type Link = (&'static str, Break, u8, &'static str, &'static str, &'static str);

macro_rules! links {
    ($( $what:literal $place:ident => $break:expr, $code:literal $hop:literal $told:literal $flags:literal; )*) => {
        vec![$( ($what, (|$place: &Place| async move { $break; }.boxed()) as Break, $code, $hop, $told, $flags) ),*]
    };
}

#[allow(clippy::semicolon_if_nothing_returned, reason = "a table of changes, one expression each")]
fn broken_links() -> Vec<Link> {
    links! {
        "rule disabled" place => place.events.disable_rule().name(place.rule()).send().await.unwrap(),
            1 "rule" "rule/task-failed is disabled" "--timeout 600";
        "target removed" place =>
            place.events.remove_targets().rule(place.rule()).ids("notifier").send().await.unwrap(),
            1 "rule" "the notifier is not among the rule's targets" "--timeout 600";
        "target's input replaced" place => {
            let targets = place.events.list_targets_by_rule().rule(place.rule()).send().await.unwrap();
            let mut target = targets.targets()[0].clone();
            target.input = Some("{}".to_owned());
            place.events.put_targets().rule(place.rule()).targets(target).send().await.unwrap()
        }, 1 "rule" "replaces the event by another input" "--timeout 600";
        "permission removed" place =>
            place.lambda.remove_permission().function_name(place.stack()).statement_id(place.rule()).send().await.unwrap(),
            1 "rule" "resource policy does not let the rule in" "--timeout 600";
        "function deleted" place => place.lambda.delete_function().function_name(place.stack()).send().await.unwrap(),
            1 "rule" "there is no notifier" "--timeout 600";
        "reserved concurrency 0" place =>
            place.lambda.put_function_concurrency().function_name(place.stack()).reserved_concurrent_executions(0)
                .send().await.unwrap(),
            1 "rule" "its reserved concurrency is 0" "--timeout 600";
        "code that throws" place =>
            place.replace_code("export const handler = async ({ id }) => { if (id) throw new Error('boom'); };").await,
            1 "notifier" "boom" "--timeout 60";
        "handler wrong" place =>
            place.lambda.update_function_configuration().function_name(place.stack()).handler("index.other").send().await.unwrap(),
            1 "notifier" "ran, but told nothing within" "--timeout 60";
        "webhook parameter deleted" place =>
            place.ssm.delete_parameter().name(format!("/taskbell/{}/slack-webhook-url", place.name)).send().await.unwrap(),
            1 "webhook" "could not read the webhook from parameter" "--timeout 600";
        "Slack answers 404" place => place.slack.answer_with(404, "no_service"),
            1 "Slack" "Slack answered 404: no_service" "--timeout 600";
        "Slack answers 403" place => place.slack.answer_with(403, "action_prohibited"),
            1 "Slack" "Slack answered 403: action_prohibited" "--timeout 600";
        "Slack answers 500" place => place.slack.answer_with(500, "server_error"),
            1 "Slack" "Slack answered 500: server_error" "--timeout 600";
        "Slack answers 429" place => place.slack.answer_with(429, "rate_limited"),
            1 "Slack" "Slack answered 429: rate_limited" "--timeout 600";
        "Slack never answers" place => place.slack.never_answer(),
            1 "Slack" "no answer in time" "--timeout 600";
        // The emulator makes the group again once the run has ended: Slack keeps it going until the drill has looked.
        "log group deleted" place => {
            place.slack.never_answer();
            place.logs.delete_log_group().log_group_name(format!("/aws/lambda/{}", place.stack())).send().await.unwrap()
        },
            3 "notifier" "ResourceNotFoundException on logs:FilterLogEvents" "--timeout 600";
        "code that tells nothing" place =>
            place.replace_code("export const handler = async () => ({ outcome: 'sent' });").await,
            1 "notifier" "ran, but told nothing within" "--timeout 60";
    }
}

#[tokio::test]
async fn on_a_local_aws_every_broken_link_is_named() {
    let _turn = ONE_LOCAL_AWS.lock().await;
    let aws = Arc::new(Emulator::start("ministack"));
    let done = AtomicUsize::new(0);
    let links = broken_links();
    let case = async |(number, link): (usize, &Link)| {
        let (what, make, code, hop, told, flags) = link;
        let place = Place::new(&aws, &format!("case-{number}")).await;
        make(&place).await;
        let marks = ["+", "-", "", "?"];
        let named = |drill: &Outcome| {
            let last = drill.out.lines().last().unwrap_or_default();
            let hop = last.starts_with(&format!("{} {hop} ", marks[usize::from(*code)]));
            hop && last.contains(told) && drill.code == *code && drill.err.contains("\n  hint: ")
        };
        let drill = place.drill(flags).await;
        assert!(named(&drill), "{what}: {drill:?}");
        done.fetch_add(1, Ordering::Relaxed);
    };
    // Slow ones beside each other: they wait for one another's Slack no longer than for their own.
    futures_util::stream::iter(links.iter().enumerate().map(case)).buffer_unordered(4).collect::<Vec<()>>().await;
    println!("{} broken links on a local AWS", done.into_inner());
}

#[tokio::test]
async fn on_a_local_aws_every_scenario_reaches_slack_through_the_default_patterns() {
    let _turn = ONE_LOCAL_AWS.lock().await;
    let aws = Arc::new(Emulator::start("ministack"));
    let place = Place::new(&aws, "batch").await;
    let scenarios = [
        "exit-code",
        "out-of-memory",
        "start-failed",
        "spot-interrupted",
        "health-check-failed",
        "deployment-failed",
        "service-impaired",
        // Once more: no drill is left out as a repetition.
        "service-impaired",
    ];
    for scenario in scenarios {
        place.slack.forget();
        let drill = place.drill(&format!("--timeout 600 --scenario {scenario}")).await;
        assert_eq!(drill.code, 0, "{scenario}: {drill:?}");
        let text = place.slack.wait_for(1)[0].to_string();
        assert!(text.contains("taskbell-drill") && text.to_lowercase().contains("drill"), "{scenario}: {text}");
    }
    println!("{} drills through the whole chain", scenarios.len());
}

#[tokio::test]
async fn on_a_local_aws_an_event_in_the_queue_is_found_in_both_shapes_and_an_interrupt_ends_the_wait() {
    let _turn = ONE_LOCAL_AWS.lock().await;
    let aws = Arc::new(Emulator::start("ministack"));
    let place = Place::new(&aws, "batch").await;
    // Delivered to nobody: the emulator would put it into the queue only after an asynchronous invocation.
    place.replace_code("export const handler = async () => ({});").await;
    let url =
        place.sqs.get_queue_url().queue_name("taskbell-batch-undelivered").send().await.unwrap().queue_url.unwrap();
    for (shape, told) in [(Shape::Delivery, "function's policy"), (Shape::Invocation, "Slack answered 404: no_service")]
    {
        let mut drill = aws.start_taskbell(&format!("{DRILL} --timeout 600"), None);
        let printed = drill.until("took the event ");
        let id = printed.split("took the event ").nth(1).unwrap().split(' ').next().unwrap();
        let event =
            json!({ "id": id, "source": "taskbell.drill", "detail-type": "ECS Task State Change", "detail": {} });
        let (body, attributes) = undelivered(&event, shape);
        let mut call = place.sqs.send_message().queue_url(&url).message_body(body.to_string());
        for (name, value) in attributes.as_object().into_iter().flatten() {
            let value = aws_sdk_sqs::types::MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value["StringValue"].as_str().unwrap());
            call = call.message_attributes(name, value.build().unwrap());
        }
        call.send().await.unwrap();
        let drill = drill.end(printed);
        assert!(
            drill.code == 1 && drill.out.contains("it lies in the queue: ") && drill.out.contains(told),
            "{drill:?}"
        );
        assert!(drill.err.contains("`taskbell replay` sends what lies in taskbell-batch-undelivered"), "{drill:?}");
    }
    let mut waiting = aws.start_taskbell(DRILL, None);
    let printed = waiting.until("took the event ");
    pause();
    waiting.interrupt();
    let interrupted = waiting.end(printed);
    assert!(interrupted.code == 130 && interrupted.err.contains("was sent all the same"), "{interrupted:?}");
}
