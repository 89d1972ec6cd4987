//! Several places at once, each for what its route takes: on a local AWS, from the event to what each of them was sent.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::aws::{Aws, FOR_GOOD, Failure, Fault, On};
use support::emulator::{Emulator, Slack};
use support::hand::Hand;
use support::taskbell;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:on-call";

/// Parameters with webhooks of the user's own, as they would have put them there.
async fn put(aws: &Emulator, name: &str, value: &str) {
    let ssm = aws_sdk_ssm::Client::new(&aws.sdk().await);
    let call = ssm.put_parameter().name(name).value(value);
    call.r#type(aws_sdk_ssm::types::ParameterType::SecureString).send().await.unwrap();
}

#[tokio::test]
async fn a_failure_rings_in_every_place_that_takes_it_in_that_places_own_words() {
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
    assert!(drill.out.contains("+ Slack      webhook answered 200"), "{drill:?}");
    assert!(drill.out.contains("+ Teams      teams answered 200"), "{drill:?}");
    assert!(drill.out.contains("+ signed     signed answered 200"), "{drill:?}");
    assert!(drill.err.contains("All 3 places took the drill."), "{drill:?}");
    assert!(slack.wait_for(1)[0]["attachments"][0]["blocks"].is_array());
    let card = &teams.wait_for(1)[0]["attachments"][0];
    assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
    let alert = &signed.wait_for(1)[0];
    assert_eq!((&alert["version"], &alert["cause"]["id"]), (&json!(1), &json!("out-of-memory")));

    // Its route takes warnings only: of all of these, it is rung now for the first time.
    let notify = aws.taskbell("drill --timeout 900 --cluster batch --scenario spot-interrupted", None);
    assert_eq!(notify.code, 0, "{notify:?}");
    assert_eq!(discord.wait_for(1).len(), 1);
    assert!(discord.wait_for(1)[0]["embeds"].is_array(), "{:#}", discord.wait_for(1)[0]);
    assert_eq!((signed.wait_for(1).len(), teams.wait_for(2).len()), (1, 2));

    // One that does not take it fails the drill, and says which.
    teams.answer_with(404, "gone");
    let broken = aws.taskbell("drill --timeout 900 --cluster batch", None);
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(broken.out.contains("- Teams      teams: ") && broken.out.contains("404"), "{broken:?}");
    assert!(broken.out.contains("+ Slack      webhook answered 200"), "{broken:?}");
    assert!(broken.err.contains("the drill did not reach Teams"), "{broken:?}");
}

#[tokio::test]
async fn a_stack_may_have_no_webhook_of_its_own_and_ring_a_topic() {
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
    assert!(drill.out.contains("+ SNS        on-call answered 200"), "{drill:?}");
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
    // teardown leaves what is the user's.
    assert_eq!(aws.taskbell("teardown --cluster batch --yes", None).code, 0);
    assert_eq!(aws.listing().await["parameters"], json!(["/ops/slack"]));
}

/// What the role may do follows from the places, and nothing else of the stack does but the notifier's environment.
#[tokio::test(start_paused = true)]
async fn the_role_may_read_each_webhook_and_publish_to_each_topic_and_no_other() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    let to = format!("--to /ops/teams --to {TOPIC},severity=error");
    Hand::of(&aws).store("/ops/teams").await;
    let plan = taskbell(&aws, &format!("setup --cluster batch --dry-run --output json {to}")).await.json();
    let ids: Vec<&Value> = plan["steps"].as_array().unwrap().iter().map(|step| &step["id"]).collect();
    assert_eq!(ids, ["role/notifier", "function/notifier"]);
    assert_eq!(taskbell(&aws, &format!("setup --cluster batch --yes {to}")).await.code, 0);
    assert_eq!(taskbell(&aws, &format!("drift --cluster batch {to}")).await.code, 0);
    let role = Hand::of(&aws).iam.get_role_policy().role_name("taskbell-batch-us-east-1").policy_name("notifier");
    let document = role.send().await.unwrap().policy_document;
    let policy = percent_encoding::percent_decode_str(&document).decode_utf8().unwrap().into_owned();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    let of = |action: &str| {
        let statements = policy["Statement"].as_array().unwrap().iter();
        let of_action = |one: &&Value| one["Action"].to_string().contains(action);
        statements.filter(of_action).map(|one| one["Resource"].clone()).collect::<Vec<_>>()
    };
    let parameter = |name: &str| format!("arn:aws:ssm:us-east-1:123456789012:parameter{name}");
    let both = json!([parameter("/taskbell/batch/slack-webhook-url"), parameter("/ops/teams")]);
    assert_eq!(of("ssm:GetParameter"), [both]);
    assert_eq!(of("sns:Publish"), [json!(TOPIC)]);
    assert_eq!(of("kms:Decrypt").len(), 1);
}

/// A place that is not there is told before the webhook that works is given up for it, and for as long as it is missing.
#[tokio::test(start_paused = true)]
async fn a_parameter_of_ones_own_has_to_be_there() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    for flags in ["--slack-webhook-parameter /ops/own", "--to /ops/own", "--to /ops/own,kind=teams --to /ops/there"] {
        let (aws, before) = (Aws::new().await, &aws);
        aws.become_like(before).await;
        let hand = Hand::of(&aws);
        hand.store("/ops/there").await;
        aws.forget_calls();
        let setup = taskbell(&aws, &format!("setup --cluster batch --yes {flags}")).await;
        assert_eq!((setup.code, aws.writes()), (1, vec![]), "{setup:?}");
        assert!(setup.err.contains("error: there is no SSM parameter /ops/own here; nothing was changed"), "{setup:?}");
        assert!(setup.err.contains("hint: `aws ssm put-parameter --name /ops/own"), "{setup:?}");
        let dry = taskbell(&aws, &format!("setup --cluster batch --dry-run {flags}")).await;
        assert_eq!(dry.code, 2, "{dry:?}");
        hand.store("/ops/own").await;
        assert_eq!(taskbell(&aws, &format!("setup --cluster batch --yes {flags}")).await.code, 0);
        hand.ssm.delete_parameter().name("/ops/own").send().await.unwrap();
        let drift = taskbell(&aws, &format!("drift --cluster batch {flags}")).await;
        assert_eq!(drift.code, 2, "{drift:?}");
        assert!(drift.out.contains("! /ops/own  there is no such SSM parameter"), "{drift:?}");
        assert!(drift.out.ends_with("1 parameter missing\n"), "{drift:?}");
        let json = taskbell(&aws, &format!("drift --cluster batch --output json {flags}")).await.json();
        assert_eq!((&json["missing"], &json["in_sync"]), (&json!(["/ops/own"]), &json!(false)));
        for (format, told) in [("github", "::error title="), ("markdown", "| missing | `/ops/own` |")] {
            let told_so = taskbell(&aws, &format!("drift --cluster batch --output {format} {flags}")).await;
            assert!(told_so.out.contains(told), "{told_so:?}");
        }
        let graph = taskbell(&aws, &format!("graph --cluster batch --output json {flags}")).await;
        let nodes = graph.json()["nodes"].as_array().unwrap().clone();
        assert!(nodes.iter().any(|node| node["id"] == "/ops/own" && node["state"] == "missing"), "{graph:?}");
    }
    // Whether it is there, nobody knows.
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("ssm:DescribeParameters"), nth: 0, times: FOR_GOOD });
    for line in ["drift", "setup --yes"] {
        let unknown = taskbell(&aws, &format!("{line} --cluster batch --to /ops/own")).await;
        assert_eq!(unknown.code, 3, "{unknown:?}");
    }
}
