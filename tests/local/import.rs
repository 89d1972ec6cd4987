//! Checks `import` end to end: the function made by hand sends the alert before, and the notifier after.

use std::io::Write;

use aws_sdk_eventbridge::types::{PutEventsRequestEntry, RuleState};
use serde_json::{Value, json};

use crate::support::by_hand::{IMPORT, OLD, arn, function, make_function_of, make_rule, pattern, state};
use crate::support::emulator::{Emulator, Slack, pause};
use crate::support::hand::Hand;

/// The code of many blog posts: it posts every event as text.
const INDEX: &str = r#"
export const handler = async (event) => {
  const { clusterArn, group, stoppedReason, containers } = event.detail;
  const exits = containers.map(({ name, exitCode }) => `${name}: ${exitCode}`).join(", ");
  const response = await fetch(process.env.SLACK_WEBHOOK_URL, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      channel: process.env.CHANNEL,
      text: `by hand: ECS task stopped in ${clusterArn} (${group})`,
      attachments: [
        {
          color: "danger",
          fields: [
            { title: "reason", value: stoppedReason },
            { title: "exit codes", value: exits },
          ],
        },
      ],
    }),
  });
  console.log("Slack answered", response.status);
  return { statusCode: response.status };
};
"#;

fn archive() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("index.mjs", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(INDEX.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

/// The source of this test's events: only ECS may put events of aws.ecs on a bus, here as in AWS, so the test's rule matches drills
/// too.
const EMITTER: &str = "taskbell.drill";

/// Puts the event of a failed task of the cluster on the bus.
async fn dies(hand: &Hand, task: &str) {
    let mut event =
        taskbell::pattern::samples::of_cluster_by_name("01-exit-nonzero", &arn("ecs", "cluster/batch")).unwrap();
    event["detail"]["taskArn"] = json!(arn("ecs", &format!("task/batch/{task}")));
    event["detail"]["group"] = json!(format!("family:{task}"));
    let entry = PutEventsRequestEntry::builder()
        .source(EMITTER)
        .detail_type("ECS Task State Change")
        .resources(event["detail"]["taskArn"].as_str().unwrap())
        .detail(event["detail"].to_string());
    let answer = hand.events.put_events().entries(entry.build()).send().await.unwrap();
    assert_eq!(answer.failed_entry_count(), 0, "{answer:?}");
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn failed_task_is_alerted_once_before_and_once_after_the_import() {
    let (aws, slack) = (Emulator::start("ministack"), Slack::start());
    let sdk = aws.sdk().await;
    aws_sdk_ecs::Client::new(&sdk).create_cluster().cluster_name("batch").send().await.unwrap();
    let hand = Hand::with(&sdk);
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    hand.iam.create_role().role_name("ecs-to-slack-role").assume_role_policy_document(trust).send().await.unwrap();
    make_function_of(&hand, &[("SLACK_WEBHOOK_URL", &slack.webhook()), ("CHANNEL", "#ops")], archive()).await;
    let mut pattern = pattern();
    pattern["source"] = json!(["aws.ecs", EMITTER]);
    make_rule(&hand, OLD, &pattern, &[function()]).await;
    dies(&hand, "first").await;
    let before = slack.wait_for(1);
    assert!(texts(&before)[0].starts_with("by hand: ECS task stopped"), "{before:?}");

    slack.forget();
    let done = aws.taskbell(&format!("{IMPORT} --keep-pattern --allow-any-webhook-host"), None);
    let log = hand.logs.filter_log_events().log_group_name("/aws/lambda/taskbell-batch").send().await;
    assert_eq!((done.code, state(&hand).await), (0, Some(RuleState::Disabled)), "{done:?} {log:?}");
    // Both alerts announced the drill.
    let drills = slack.wait_for(2);
    assert_eq!(texts(&drills).iter().filter(|text| text.starts_with("by hand")).count(), 1, "{drills:?}");
    slack.forget();
    dies(&hand, "second").await;
    slack.wait_for(1);
    // Any other alert would have arrived by now.
    for _ in 0..40 {
        pause();
    }
    let after = slack.wait_for(1);
    assert_eq!(after.len(), 1, "{after:#?}");
    assert!(after[0].to_string().contains("second") && !texts(&after)[0].contains("by hand"), "{after:#?}");

    let removed = aws.taskbell(&format!("{IMPORT} --keep-pattern --allow-any-webhook-host --remove-old"), None);
    assert_eq!((removed.code, state(&hand).await), (0, None), "{removed:?}");
    let functions = aws.listing().await["functions"].clone();
    assert_eq!(functions, json!(["taskbell-batch"]));
}
