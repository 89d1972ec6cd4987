//! End to end: the real binary against a local AWS. On ministack from the event on the bus to the message received
//! over HTTP, the function run by Node.js; on moto as a second opinion on the control plane.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod support;

use serde_json::{Value, json};
use support::emulator::{Emulator, Slack, pause, sample};

const SETUP: &str = "setup --cluster batch --yes --allow-any-webhook-host";

async fn with_cluster(name: &str) -> Emulator {
    let aws = Emulator::start(name);
    let ecs = aws_sdk_ecs::Client::new(&aws.sdk().await);
    ecs.create_cluster().cluster_name("batch").send().await.unwrap();
    aws
}

#[tokio::test]
async fn an_event_on_the_bus_becomes_a_message_in_slack() {
    let (aws, slack) = (with_cluster("ministack").await, Slack::start());
    let setup = aws.taskbell(SETUP, Some(&slack.webhook()));
    assert_eq!(setup.code, 0, "{setup:?}");
    assert_eq!(aws.taskbell("drift --cluster batch", None).code, 0);
    let drill = aws.taskbell("drill --cluster batch", None);
    assert_eq!(drill.code, 0, "{drill:?}");
    let message = &slack.wait_for(1)[0];
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("batch") && text.contains("taskbell-drill"), "{message:#}");
    assert!(message.to_string().to_lowercase().contains("drill"), "{message:#}");
}

#[tokio::test]
async fn the_deployed_function_tells_what_died_in_the_language_asked_for() {
    let (aws, slack) = (with_cluster("ministack").await, Slack::start());
    let setup =
        aws.taskbell(&format!("{SETUP} --language ja --username bell --icon-emoji :bell:"), Some(&slack.webhook()));
    assert_eq!(setup.code, 0, "{setup:?}");
    let lambda = aws_sdk_lambda::Client::new(&aws.sdk().await);
    let event = sample("02-oom.json");
    let call = lambda.invoke().function_name("taskbell-batch");
    let answer = call.payload(aws_sdk_lambda::primitives::Blob::new(event.to_string())).send().await.unwrap();
    assert!(answer.function_error().is_none(), "{answer:?}");
    let message = &slack.wait_for(1)[0];
    assert!(message["text"].as_str().unwrap().contains("メモリ不足"), "{message:#}");
    assert_eq!((&message["username"], &message["icon_emoji"]), (&json!("bell"), &json!(":bell:")));
}

#[tokio::test]
async fn an_answer_of_slack_other_than_2xx_fails_the_invocation() {
    let (aws, slack) = (with_cluster("ministack").await, Slack::start());
    assert_eq!(aws.taskbell(SETUP, Some(&slack.webhook())).code, 0);
    slack.answer_with(404, "no_service");
    let lambda = aws_sdk_lambda::Client::new(&aws.sdk().await);
    let call = lambda.invoke().function_name("taskbell-batch");
    let event = sample("01-exit-nonzero.json").to_string();
    let answer = call.payload(aws_sdk_lambda::primitives::Blob::new(event)).send().await.unwrap();
    assert!(answer.function_error().is_some(), "{answer:?}");
    let told = String::from_utf8(answer.payload().unwrap().as_ref().to_vec()).unwrap();
    assert!(told.contains("no_service") && !told.contains(support::SECRET), "{told}");
}

#[tokio::test]
async fn a_change_by_hand_is_seen_and_repaired_on_ministack() {
    let aws = with_cluster("ministack").await;
    changed_and_repaired(&aws, "").await;
}

/// moto does not keep the log format.
#[tokio::test]
async fn a_change_by_hand_is_seen_and_repaired_on_moto() {
    let aws = with_cluster("moto").await;
    changed_and_repaired(&aws, " --ignore function/notifier/log_format").await;
}

async fn changed_and_repaired(aws: &Emulator, flags: &str) {
    let (setup, drift) = (format!("{SETUP}{flags}"), format!("drift --cluster batch{flags}"));
    let webhook = Some(support::WEBHOOK);
    let before = listing(aws).await;
    let first = aws.taskbell(&setup, webhook);
    assert_eq!(first.code, 0, "{first:?}");
    let again = aws.taskbell(&setup, webhook);
    assert!(again.code == 0 && again.out.starts_with("in sync"), "{again:?}");
    let events = aws_sdk_eventbridge::Client::new(&aws.sdk().await);
    events.disable_rule().name("taskbell-batch-task-failed").send().await.unwrap();
    let seen = aws.taskbell(&drift, webhook);
    assert!(seen.code == 2 && seen.out.contains("rule/task-failed  /state"), "{seen:?}");
    let repaired = aws.taskbell(&setup, webhook);
    assert_eq!(repaired.code, 0, "{repaired:?}");
    assert_eq!(aws.taskbell(&drift, webhook).code, 0);
    let teardown = aws.taskbell("teardown --cluster batch --yes", webhook);
    assert_eq!(teardown.code, 0, "{teardown:?}");
    pause();
    assert_eq!(listing(aws).await, before);
}

/// The names of everything there is.
async fn listing(aws: &Emulator) -> Value {
    let sdk = aws.sdk().await;
    let rules = aws_sdk_eventbridge::Client::new(&sdk).list_rules().send().await.unwrap();
    let functions = aws_sdk_lambda::Client::new(&sdk).list_functions().send().await.unwrap();
    let iam_roles = aws_sdk_iam::Client::new(&sdk).list_roles().send().await.unwrap();
    let queues = aws_sdk_sqs::Client::new(&sdk).list_queues().send().await.unwrap();
    let groups = aws_sdk_cloudwatchlogs::Client::new(&sdk).describe_log_groups().send().await.unwrap();
    let parameters = aws_sdk_ssm::Client::new(&sdk).describe_parameters().send().await.unwrap();
    json!({
        "rules": rules.rules().iter().filter_map(|rule| rule.name()).collect::<Vec<_>>(),
        "functions": functions.functions().iter().filter_map(|function| function.function_name()).collect::<Vec<_>>(),
        "roles": iam_roles.roles().iter().map(aws_sdk_iam::types::Role::role_name).collect::<Vec<_>>(),
        "queues": queues.queue_urls(),
        "groups": groups.log_groups().iter().filter_map(|group| group.log_group_name()).collect::<Vec<_>>(),
        "parameters": parameters.parameters().iter().filter_map(|parameter| parameter.name()).collect::<Vec<_>>(),
    })
}

/// Asked of a rule engine that is not ours. It differs from AWS's only in `exists: false` over several containers.
#[tokio::test]
async fn the_patterns_match_the_samples_that_should_ring_and_no_other() {
    let aws = Emulator::start("ministack");
    let events = aws_sdk_eventbridge::Client::new(&aws.sdk().await);
    // By sample: whether task-failed rings, and nonzero-exit.
    for (name, failed, nonzero) in [
        ("01-exit-nonzero", true, true),
        ("02-oom", true, true),
        ("03-cannot-pull", true, false),
        ("04-resource-init", true, false),
        ("05-spot", true, true),
        ("05b-spot-warning-not-stopped", false, false),
        ("06-scale-in-143", false, true),
        ("06b-scale-in-137", false, true),
        ("06c-elb-unhealthy", true, true),
        ("07-user-stop", false, true),
        ("08-exit-0", false, false),
        ("09-sidecar-app-crash", true, true),
        ("09b-sidecar-clean-app-killed-sidecar", true, true),
        ("10-host-terminated", true, false),
        ("12-running", false, false),
        ("20-deployment-failed", false, false),
        ("21-placement-failure", false, false),
        ("22-start-impaired", false, false),
    ] {
        let event = sample(&format!("{name}.json"));
        let cluster =
            event["detail"]["clusterArn"].as_str().unwrap_or("arn:aws:ecs:us-east-1:123456789012:cluster/prod");
        for (pattern, expected) in [("task-failed", failed), ("nonzero-exit", nonzero)] {
            let bound = aws.taskbell(&format!("pattern show {pattern} --cluster {cluster}"), None).out;
            let call = events.test_event_pattern().event_pattern(bound).event(event.to_string());
            assert_eq!(call.send().await.unwrap().result(), expected, "{pattern} and {name}");
        }
    }
}

/// The judgements stand beside the events, in their README.
#[tokio::test]
async fn of_the_recorded_events_those_that_should_ring_match_and_those_that_should_not_do_not() {
    let aws = Emulator::start("ministack");
    let events = aws_sdk_eventbridge::Client::new(&aws.sdk().await);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/patterns/events/field");
    let judgements = std::fs::read_to_string(format!("{folder}/README.md")).unwrap();
    let mut judged = 0;
    // Bound once: two of the events have been given ARNs by their authors that no cluster has.
    let anywhere = "arn:aws:ecs:us-east-1:123456789012:cluster/anywhere";
    let bound = aws.taskbell(&format!("pattern show task-failed --cluster {anywhere}"), None).out;
    for row in judgements.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| file")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (name, alert) = (cells[1], cells[cells.len() - 3]);
        let mut event = sample(&format!("field/{name}.json"));
        let Some(cluster) = event["detail"]["clusterArn"].as_str().map(str::to_owned) else { continue };
        if event["detail-type"] != "ECS Task State Change" {
            continue;
        }
        for (field, value) in [("time", "2026-11-20T10:00:00Z"), ("region", "us-east-1"), ("id", "x"), ("account", "1")]
        {
            if event[field].is_null() {
                event[field] = json!(value);
            }
        }
        let bound = bound.replace(anywhere, &cluster);
        let call = events.test_event_pattern().event_pattern(bound).event(event.to_string());
        let rings = call.send().await.unwrap_or_else(|error| panic!("{name}: {error:?}")).result();
        // The pattern cannot see which containers are essential: this one is left to the notifier.
        let for_the_notifier = name == "fargate-sidecars-143-job-exit0";
        match alert {
            "yes" => assert!(rings, "{name} should ring"),
            "no" => assert!(!rings || for_the_notifier, "{name} should be silent"),
            _ => {}
        }
        judged += 1;
    }
    assert!(judged >= 45, "only {judged} events were judged");
}
