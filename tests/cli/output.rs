//! Checks the form of plans, results and errors, as text and JSON, against reviewed snapshots.

use crate::support::aws::{Aws, Failure, Fault, On};
use crate::support::taskbell;

/// Returns a stack with one difference of each kind: a rule changed by hand, a rule of other flags, a log group that taskbell does
/// not manage, a missing parameter, an unreadable queue.
async fn troubled() -> Aws {
    let aws = Aws::new().await;
    assert_eq!(
        taskbell(&aws, "setup --cluster batch --yes --pattern nonzero-exit --pattern task-failed").await.code,
        0
    );
    let sdk = aws.sdk();
    let events = aws_sdk_eventbridge::Client::new(&sdk);
    events.disable_rule().name("taskbell-batch-task-failed").send().await.unwrap();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&sdk);
    logs.delete_log_group().log_group_name("/aws/lambda/taskbell-batch").send().await.unwrap();
    logs.create_log_group().log_group_name("/aws/lambda/taskbell-batch").send().await.unwrap();
    let ssm = aws_sdk_ssm::Client::new(&sdk);
    ssm.delete_parameter().name("/taskbell/batch/slack-webhook-url").send().await.unwrap();
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("sqs:GetQueueUrl"), nth: 0, times: 99 });
    aws
}

#[tokio::test(start_paused = true)]
async fn plan_shows_every_difference_with_both_values_and_its_cause() {
    let aws = troubled().await;
    let drift = taskbell(&aws, "drift --cluster batch --reset --log-retention 7 --verbose").await;
    assert_eq!(drift.code, 3);
    insta::assert_snapshot!("plan", drift.out);
    let short = taskbell(&aws, "drift --cluster batch --reset --log-retention 7").await;
    let words = "~ rule/task-failed        is disabled, should be enabled (changed outside taskbell)\n";
    assert!(short.code == 3 && short.out.contains(words) && !short.out.contains("->"), "{short:?}");
}

#[tokio::test(start_paused = true)]
async fn plan_as_json_is_one_object() {
    let aws = troubled().await;
    let drift = taskbell(&aws, "drift --cluster batch --reset --output json").await;
    insta::assert_json_snapshot!("plan-json", drift.json());
}

#[tokio::test(start_paused = true)]
async fn json_result_lists_done_failed_and_not_started_steps() {
    let aws = Aws::new().await;
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("lambda:CreateFunction"), nth: 0, times: 99 });
    let failed = taskbell(&aws, "setup --cluster batch --yes --output json --quiet").await;
    assert_eq!(failed.code, 1);
    insta::assert_json_snapshot!("failed-setup-json", failed.json()["result"]);
    insta::assert_snapshot!("failed-setup", failed.err);
    aws.heal();
    let done = taskbell(&aws, "setup --cluster batch --yes --output json").await;
    assert_eq!((done.code, &done.json()["in_sync"]), (0, &true.into()));
    let torn = taskbell(&aws, "teardown --cluster batch --yes --output json").await;
    assert_eq!((torn.code, torn.json()["result"]["done"].as_array().unwrap().len()), (0, 11));
}

/// Checks a setup that removes a rule: the rule's permissions stay at first, so setup reads a second time; the output reports the
/// steps that were done before that read failed.
#[tokio::test(start_paused = true)]
async fn json_result_lists_the_steps_done_before_a_second_read_failed() {
    let setup = |patterns: &str| format!("setup --cluster batch --yes --output json {patterns}");
    let before = setup("--pattern task-failed --pattern out-of-memory");
    let change = setup("--pattern task-failed --log-retention 7");
    // A run that succeeds shows how often the rules are listed until the rule is gone. Then the second read begins.
    let twin = Aws::new().await;
    assert_eq!(taskbell(&twin, &before).await.code, 0);
    twin.forget_calls();
    assert_eq!(taskbell(&twin, &change).await.code, 0);
    let calls = twin.calls();
    let until_the_rule_is_gone = calls.iter().take_while(|call| call.action != "events:DeleteRule");
    let lists = until_the_rule_is_gone.filter(|call| call.action == "events:ListRules").count();

    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, &before).await.code, 0);
    aws.forget_calls();
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("events:ListRules"), nth: lists, times: 99 });
    let outcome = taskbell(&aws, &change).await;
    assert_eq!(outcome.code, 1, "{outcome:?}");
    let result = outcome.json()["result"].clone();
    assert!(result["done"].as_array().unwrap().contains(&"log_group/notifier".into()), "{result:#}");
    aws.heal();
    assert_eq!(taskbell(&aws, &change).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn dry_run_shows_the_plan_and_changes_nothing() {
    let aws = Aws::new().await;
    let dry = taskbell(&aws, "setup --cluster batch --dry-run").await;
    assert_eq!(dry.code, 2, "{dry:?}");
    assert!(dry.out.contains("11 to add"), "{dry:?}");
    assert!(dry.err.ends_with("Run the same command without --dry-run to set it up.\n"), "{dry:?}");
    for flags in ["--quiet", "--output json"] {
        let dry = taskbell(&aws, &format!("setup --cluster batch --dry-run {flags}")).await;
        assert!(dry.code == 2 && !dry.err.contains("without --dry-run"), "{flags}: {dry:?}");
    }
    let dry = taskbell(&aws, "teardown --cluster batch --dry-run").await;
    assert_eq!(dry.code, 0, "{dry:?}");
    assert_eq!(aws.writes(), [""; 0]);
}

/// Checks that the command that setup suggests at its end works with every pattern.
#[tokio::test(start_paused = true)]
async fn suggested_next_command_sends_an_alert() {
    for (flags, next) in [
        ("--cluster batch", Some("taskbell drill batch")),
        ("--cluster batch --stack jobs", Some("taskbell drill batch --stack jobs")),
        (
            "--cluster batch --pattern deployment-failed --pattern service-impaired",
            Some("taskbell drill batch --scenario deployment-failed"),
        ),
        ("--cluster batch --pattern out-of-memory", Some("taskbell drill batch --scenario out-of-memory")),
        ("--cluster batch --cluster web", Some("taskbell drill batch")),
        ("--cluster 'ba*'", Some("taskbell drill --cluster 'ba*'")),
        ("--stack alerts --pattern application-error", Some("taskbell notify test")),
        (
            "--stack jobs --pattern batch-job-failed --job-queue nightly",
            Some("taskbell drill --stack jobs --scenario batch-job-failed"),
        ),
        ("--cluster batch --pattern execution-failed", Some("taskbell drill batch --scenario execution-failed")),
        ("--cluster batch --pattern run-rejected", None),
        ("--cluster batch --no-drill", None),
    ] {
        let aws = Aws::new().await;
        let entry = serde_json::json!({ "outcome": "sent", "ms": { "total": 50, "post": 9 },
            "destinations": [{ "name": "webhook", "kind": "slack", "outcome": "sent", "status": 200, "attempts": 1, "ms": 9 }] });
        aws.notifier_tells(Some(entry));
        let setup = taskbell(&aws, &format!("setup --yes {flags}")).await;
        assert_eq!(setup.code, 0, "{setup:?}");
        assert!(setup.err.contains("is set up in us-east-1, account 123456789012.\n"), "{setup:?}");
        let told = setup.err.lines().find(|line| line.ends_with("  send a test through the whole path"));
        let told = told.map(|line| line.trim_start().split("  ").next().unwrap());
        match next {
            None => assert_eq!(told, None, "{setup:?}"),
            Some(next) => {
                assert_eq!(told, Some(next), "{setup:?}");
                let test = taskbell(&aws, next.strip_prefix("taskbell ").unwrap()).await;
                assert_eq!(test.code, 0, "{next}: {test:?}");
            }
        }
    }
}

/// Checks what other programs apply: a template, a pattern and a message have the user's texts as they are, also where a report would
/// hide a name that could belong to a password.
#[tokio::test(start_paused = true)]
async fn documents_for_other_programs_keep_every_url() {
    const URLS: [&str; 2] = ["ssh://git@github.com/acme/x", "https://wiki:8443/@ops"];
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, document: serde_json::Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, document.to_string()).unwrap();
        path.display().to_string()
    };
    let pattern = file("mine.json", serde_json::json!({ "source": ["acme"], "detail": { "page": URLS } }));
    let event = file(
        "event.json",
        serde_json::json!({
            "version": "0", "id": "0b5b1fbd-0000-4000-8000-000000000000", "source": "aws.ecs", "account": "123456789012",
            "time": "2026-11-24T00:00:00Z", "region": "us-east-1", "detail-type": "ECS Task State Change", "resources": [],
            "detail": {
                "taskArn": "arn:aws:ecs:us-east-1:123456789012:task/batch/0123456789abcdef0123456789abcdef",
                "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/batch", "lastStatus": "STOPPED", "group": "service:web",
                "stopCode": "EssentialContainerExited", "stoppedReason": URLS.join(" "), "containers": [],
                "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/web:1",
            },
        }),
    );
    let aws = Aws::new().await;
    for line in [
        format!("export cloudformation --cluster batch --tag repo={} --tag wiki={}", URLS[0], URLS[1]),
        format!("export terraform --cluster batch --tag repo={} --tag wiki={}", URLS[0], URLS[1]),
        format!("pattern show {pattern}"),
        format!("preview {event} --for webhook"),
        format!("preview {event} --for webhook --output json"),
        format!("preview {event} --for slack --output json"),
    ] {
        let shown = taskbell(&aws, &line).await;
        assert_eq!(shown.code, 0, "{shown:?}");
        for url in URLS {
            assert!(shown.out.contains(url), "{line} lacks {url}: {}", shown.out);
        }
    }
}
