//! Checks that `status` shows the stack on one screen, as far as the stack can be read.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::aws::{Aws, Failure, Fault, On, Shape};
use crate::support::hand::{GROUP, Hand, RULE};
use crate::support::{run_at, taskbell};

const STATUS: &str = "status --cluster batch";
/// 2026-11-24T00:00:00Z, in seconds.
const DAY: i64 = 1_795_478_400;

async fn write_log(aws: &Aws, stream: &str, lines: &[(i64, Value)]) {
    let logs = Hand::of(aws).logs;
    logs.create_log_stream().log_group_name(GROUP).log_stream_name(stream).send().await.unwrap();
    let event = |(seconds, line): &(i64, Value)| {
        InputLogEvent::builder().timestamp((DAY + seconds) * 1000).message(line.to_string()).build().unwrap()
    };
    let call = logs.put_log_events().log_group_name(GROUP).log_stream_name(stream);
    call.set_log_events(Some(lines.iter().map(event).collect())).send().await.unwrap();
}

fn entry(drill: bool, outcome: &str) -> Value {
    json!({ "eventId": "e", "outcome": outcome, "drill": drill, "cause": "exit-code", "cluster": "batch",
        "destinations": [{ "name": "webhook", "kind": "slack", "outcome": outcome }],
        "family": "import", "error": (outcome == "failed").then_some("Slack answered 404: no_service") })
}

async fn with_stack() -> Aws {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    write_log(&aws, "2026/11/23/[$LATEST]a", &[(0, entry(true, "sent")), (60, entry(false, "sent"))]).await;
    let failed = [
        (120, entry(false, "failed")),
        (120, json!({ "level": "ERROR", "message": { "errorMessage": "Slack answered 404: no_service" } })),
        (121, json!({ "type": "platform.report", "record": { "status": "error" } })),
        (180, entry(false, "duplicate")),
    ];
    write_log(&aws, "2026/11/24/[$LATEST]b", &failed).await;
    aws.lay_into_queue(&json!({ "source": "aws.ecs", "detail-type": "x" }), Shape::Delivery);
    aws
}

#[tokio::test(start_paused = true)]
async fn status_shows_the_stack_on_one_screen() {
    let aws = with_stack().await;
    let status = taskbell(&aws, STATUS).await;
    assert_eq!((status.code, status.err.as_str()), (2, ""), "{status:?}");
    insta::assert_snapshot!(status.out, @r"
    stack batch in us-east-1, account 123456789012
    ✗ last error  2026-11-24 00:02:00 UTC · Slack answered 404: no_service
                  `taskbell drill --cluster batch` shows where an alert stops
    ✗ queue       about 1 undelivered
                  `taskbell replay --cluster batch --dry-run` shows them, `taskbell replay --cluster batch` sends them again
    ✗ last alert  2026-11-24 00:02:00 UTC · import in batch: exit-code; failed: Slack answered 404: no_service
      cluster     batch
    ✓ rules       deployment-failed enabled · job-succeeded enabled · service-impaired enabled · service-recovered enabled · task-failed enabled
    ✓ notifier    active, nodejs24.x, supported until 2028-04-30
    ✓ last drill  2026-11-24 00:00:00 UTC · import in batch: exit-code; Slack accepted it
    ✓ jobs        none recorded yet
      others      no stack covers web: `taskbell setup --cluster web` sets one up
    ");
    let object = taskbell(&aws, "status --cluster batch --output json").await.json();
    insta::assert_snapshot!(format!("{object:#}"), @r#"
    {
      "account": "123456789012",
      "clusters": [
        "batch"
      ],
      "excluded_clusters": [],
      "jobs": {
        "complete": true,
        "count": 0,
        "problems": []
      },
      "last_alert": {
        "at": "2026-11-24T00:02:00Z",
        "cause": "exit-code",
        "cluster": "batch",
        "error": "Slack answered 404: no_service",
        "family": "import",
        "outcome": "failed",
        "service": null
      },
      "last_drill": {
        "at": "2026-11-24T00:00:00Z",
        "cause": "exit-code",
        "cluster": "batch",
        "error": null,
        "family": "import",
        "outcome": "sent",
        "service": null
      },
      "last_error": {
        "at": "2026-11-24T00:02:00Z",
        "error": "Slack answered 404: no_service"
      },
      "notifier": {
        "problem": null,
        "runtime": "nodejs24.x",
        "state": "Active",
        "supported_until": "2028-04-30"
      },
      "overlaps": [],
      "region": "us-east-1",
      "rules": [
        {
          "error": null,
          "name": "deployment-failed",
          "state": "enabled"
        },
        {
          "error": null,
          "name": "job-succeeded",
          "state": "enabled"
        },
        {
          "error": null,
          "name": "service-impaired",
          "state": "enabled"
        },
        {
          "error": null,
          "name": "service-recovered",
          "state": "enabled"
        },
        {
          "error": null,
          "name": "task-failed",
          "state": "enabled"
        }
      ],
      "stack": "batch",
      "uncovered_clusters": [
        "web"
      ],
      "undelivered": 1
    }
    "#);
}

#[tokio::test(start_paused = true)]
async fn status_shows_disabled_and_missing_resources() {
    let aws = with_stack().await;
    let hand = Hand::of(&aws);
    hand.events.disable_rule().name(RULE).send().await.unwrap();
    let call = hand.lambda.put_function_concurrency().function_name("taskbell-batch");
    call.reserved_concurrent_executions(0).send().await.unwrap();
    let status = taskbell(&aws, STATUS).await;
    assert!(status.code == 2 && status.out.contains("task-failed disabled"), "{status:?}");
    assert!(status.out.contains("✗ rules ") && status.out.contains("`taskbell setup --cluster batch` repairs this"));
    assert!(status.out.contains("switched off: its reserved concurrency is 0"), "{status:?}");
    hand.lambda.delete_function().function_name("taskbell-batch").send().await.unwrap();
    let status = taskbell(&aws, STATUS).await;
    assert!(status.code == 2 && status.out.contains("✗ notifier    none"), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn unreadable_parts_are_unknown_and_the_rest_is_shown() {
    let aws = with_stack().await;
    aws.forget_calls();
    taskbell(&aws, STATUS).await;
    let actions: BTreeSet<String> = aws.calls().into_iter().map(|call| call.action).collect();
    let mut cases = 0;
    for action in actions.iter().filter(|action| *action != "sts:GetCallerIdentity") {
        for failure in [Failure::Denied, Failure::ServerError, Failure::NotSent] {
            let action: &'static str = action.clone().leak();
            aws.fail(Fault { failure, on: On::Action(action), nth: 0, times: 1000 });
            let status = taskbell(&aws, STATUS).await;
            let unknown: Vec<&str> = status.out.lines().filter(|line| line.starts_with("? ")).collect();
            // The list of clusters is no fact about the stack.
            let code = if action == "ecs:ListClusters" { 2 } else { 3 };
            let facts = status.out.lines().filter(|line| !line.starts_with("      ")).count();
            // The overlaps with other stacks have a line only if there are any, or if they are not known.
            let all = 10 + usize::from(action == "events:ListRules");
            assert_eq!((status.code, facts), (code, all), "{action}: {status:?}");
            assert!(unknown.iter().all(|line| line.contains(action)), "{action}: {status:?}");
            assert_eq!(unknown.iter().any(|line| line.starts_with("? overlap     unknown: ")), all > 10, "{status:?}");
            assert!((1..=6).contains(&unknown.len()), "{action}: {status:?}");
            let object = taskbell(&aws, "status --cluster batch --output json").await;
            assert!(object.code == code && object.out.contains(action), "{action}: {object:?}");
            assert_eq!(object.json()["overlaps"]["unknown"].is_string(), all > 10, "{object:?}");
            cases += 1;
        }
    }
    println!("{cases} cases, {} actions", actions.len());
    assert!(cases >= 27);
    // Without the account's id, `status` shows nothing.
    aws.fail(Fault { failure: Failure::Expired, on: On::Every, nth: 0, times: 1000 });
    let nobody = taskbell(&aws, STATUS).await;
    assert!(nobody.code == 3 && nobody.err.contains("log in again"), "{nobody:?}");
}

#[tokio::test(start_paused = true)]
async fn commands_that_mend_trouble_select_the_same_place() {
    let aws = with_stack().await;
    let status = taskbell(&aws, "status batch --region us-east-1").await;
    for command in [
        "`taskbell drill --cluster batch --region us-east-1` shows",
        "`taskbell replay --cluster batch --region us-east-1 --dry-run` shows",
        "`taskbell setup --cluster web --region us-east-1` sets one up",
    ] {
        assert!(status.out.contains(command), "{command}: {status:?}");
    }
    let missing = taskbell(&Aws::new().await, "drift --cluster 'we*' --region us-east-1 --language ja").await;
    let repair = ": `taskbell setup --cluster 'we*' --region us-east-1`, with the other flags of this command\n";
    assert!(missing.code == 2 && missing.out.ends_with(repair), "{missing:?}");
}

#[tokio::test(start_paused = true)]
async fn stack_without_resources_is_an_error() {
    let status = taskbell(&Aws::new().await, STATUS).await;
    assert_eq!((status.code, status.out.as_str()), (1, ""), "{status:?}");
    assert!(status.err.contains("no stack batch is set up in us-east-1, account 123456789012"), "{status:?}");
    assert!(status.err.contains("hint: run `taskbell setup`, or check --stack, --region and --profile"));
}

#[tokio::test(start_paused = true)]
async fn runtime_near_its_end_is_a_warning() {
    let aws = with_stack().await;
    let later = || SystemTime::UNIX_EPOCH + Duration::from_secs(1_838_000_000);
    let status = run_at(&aws, STATUS, None, CancellationToken::new(), later).await;
    assert!(status.code == 2 && status.err.starts_with("warning: AWS stops supporting nodejs24.x"), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn failure_before_an_alert_that_arrived_is_no_trouble() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --cluster web --yes").await.code, 0);
    let lines = [(0, entry(false, "failed")), (60, entry(true, "sent"))];
    write_log(&aws, "2026/11/23/[$LATEST]a", &lines).await;
    let status = taskbell(&aws, STATUS).await;
    assert!(status.code == 0 && !status.out.contains('✗') && !status.out.contains("no stack covers"), "{status:?}");
}
