//! Checks several destinations at once, each with its route, on a local AWS: from the event to the message of each destination.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::emulator::{Emulator, Slack};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:on-call";

/// Stores a webhook owned by the user in a parameter, as the user would.
async fn put(aws: &Emulator, name: &str, value: &str) {
    let ssm = aws_sdk_ssm::Client::new(&aws.sdk().await);
    let call = ssm.put_parameter().name(name).value(value);
    call.r#type(aws_sdk_ssm::types::ParameterType::SecureString).send().await.unwrap();
}

#[tokio::test]
async fn failure_alerts_every_destination_of_its_route_in_its_format() {
    let aws = Emulator::start("ministack");
    let (slack, teams, discord, signed) = (Slack::start(), Slack::start(), Slack::start(), Slack::start());
    aws_sdk_ecs::Client::new(&aws.sdk().await).create_cluster().cluster_name("batch").send().await.unwrap();
    put(&aws, "/ops/teams", &teams.webhook()).await;
    put(&aws, "/ops/discord", &discord.webhook()).await;
    let secret = json!({ "url": signed.webhook(), "secret": "hunter2hunter2hunter2" });
    put(&aws, "/ops/signed", &secret.to_string()).await;
    let to = "--to /ops/teams,kind=teams --to /ops/discord,kind=discord,severity=warning \
        --to /ops/signed,kind=webhook,family=taskbell-*,pattern=out-of-memory";
    let flags = format!("--cluster batch --allow-any-webhook-host {to}");
    let setup = aws.taskbell(&format!("setup --yes {flags}"), Some(&slack.webhook()));
    assert_eq!(setup.code, 0, "{setup:?}");
    assert_eq!(aws.taskbell(&format!("drift {flags}"), None).code, 0);

    let drill = aws.taskbell("drill --timeout 900 --cluster batch --scenario out-of-memory", None);
    assert_eq!(drill.code, 0, "{drill:?}");
    assert!(drill.out.contains("✓ Slack      webhook answered 200"), "{drill:?}");
    assert!(drill.out.contains("✓ Teams      teams answered 200"), "{drill:?}");
    assert!(drill.out.contains("✓ signed     signed answered 200"), "{drill:?}");
    assert!(drill.err.contains("All 3 destinations accepted the drill."), "{drill:?}");
    assert!(slack.wait_for(1)[0]["blocks"].is_array());
    let card = &teams.wait_for(1)[0]["attachments"][0];
    assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
    let alert = &signed.wait_for(1)[0];
    assert_eq!((&alert["version"], &alert["cause"]["id"]), (&json!(1), &json!("out-of-memory")));

    // The route of Discord has warnings only: this drill is the first to reach Discord.
    let notify = aws.taskbell("drill --timeout 900 --cluster batch --scenario spot-interrupted", None);
    assert_eq!(notify.code, 0, "{notify:?}");
    assert_eq!(discord.wait_for(1).len(), 1);
    assert!(discord.wait_for(1)[0]["embeds"].is_array(), "{:#}", discord.wait_for(1)[0]);
    assert_eq!((signed.wait_for(1).len(), teams.wait_for(2).len()), (1, 2));

    // A destination that refuses the drill fails it, and the drill names that destination.
    teams.answer_with(404, "gone");
    let broken = aws.taskbell("drill --timeout 900 --cluster batch", None);
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(broken.out.contains("✗ Teams      teams: ") && broken.out.contains("404"), "{broken:?}");
    assert!(broken.out.contains("✓ Slack      webhook answered 200"), "{broken:?}");
    assert!(broken.err.contains("the drill did not reach Teams"), "{broken:?}");
}

#[tokio::test]
async fn stack_without_its_own_webhook_alerts_a_topic() {
    let aws = Emulator::start("ministack");
    let sdk = aws.sdk().await;
    aws_sdk_ecs::Client::new(&sdk).create_cluster().cluster_name("batch").send().await.unwrap();
    let other = Slack::start();
    put(&aws, "/ops/slack", &other.webhook()).await;
    let mut topic = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.local/venv/bin/python"));
    topic.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/topic.py")).env("AWS_ENDPOINT_URL", &aws.endpoint);
    topic.env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    assert!(topic.status().unwrap().success());
    let flags = "--cluster batch --allow-any-webhook-host --webhook-takes nothing --to /ops/slack";
    let setup = aws.taskbell(&format!("setup --yes {flags} --to {TOPIC}"), None);
    assert_eq!(setup.code, 0, "{setup:?}");
    let listing = aws.listing().await;
    assert_eq!(listing["parameters"], json!(["/ops/slack"]), "nothing is stored: {listing:#}");
    let drill = aws.taskbell("drill --timeout 900 --cluster batch", None);
    assert_eq!(drill.code, 0, "{drill:?}");
    assert!(drill.out.contains("✓ SNS        on-call answered 200"), "{drill:?}");
    assert_eq!(other.wait_for(1).len(), 1);
    let sqs = aws_sdk_sqs::Client::new(&sdk);
    let queue = sqs.get_queue_url().queue_name("on-call").send().await.unwrap().queue_url.unwrap();
    let message = loop {
        let received = sqs.receive_message().queue_url(&queue).wait_time_seconds(10).send().await.unwrap();
        if let Some(message) = received.messages.unwrap_or_default().pop() {
            break message;
        }
    };
    let notice: Value = serde_json::from_str(message.body().unwrap()).unwrap();
    assert!(notice["Subject"].as_str().unwrap().contains("DRILL"), "{notice:#}");
    assert_eq!(notice["MessageAttributes"]["cluster"]["Value"], "batch", "{notice:#}");
    // teardown keeps the user's parameter.
    assert_eq!(aws.taskbell("teardown --cluster batch --yes", None).code, 0);
    assert_eq!(aws.listing().await["parameters"], json!(["/ops/slack"]));
}
