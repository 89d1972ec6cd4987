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
