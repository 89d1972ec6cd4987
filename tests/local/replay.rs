//! Checks `replay` on a local AWS: alerts that Slack refused arrive once and in order.

use std::time::Duration;

use serde_json::json;

use crate::support::aws::{Shape, undelivered};
use crate::support::emulator::{Emulator, Slack, sample};
use crate::support::hand::QUEUE;

const REPLAY: &str = "replay --cluster batch";
const STRANGE: &str = "no event";

fn shape(number: usize) -> Shape {
    if number.is_multiple_of(2) { Shape::Delivery } else { Shape::Invocation }
}

/// Checks the real function, with a Slack that refuses at first.
#[tokio::test]
async fn refused_alerts_arrive_once_and_in_order_on_a_local_aws() {
    let (aws, slack) = (Emulator::start("ministack"), Slack::start());
    let sdk = aws.sdk().await;
    aws_sdk_ecs::Client::new(&sdk).create_cluster().cluster_name("batch").send().await.unwrap();
    let setup = aws.taskbell("setup --cluster batch --yes --allow-any-webhook-host", Some(&slack.webhook()));
    assert_eq!(setup.code, 0, "{setup:?}");
    let sqs = aws_sdk_sqs::Client::new(&sdk);
    let url = sqs.get_queue_url().queue_name(QUEUE).send().await.unwrap().queue_url.unwrap();
    for number in 0..12 {
        let mut event = sample("01-exit-nonzero.json");
        // Event 11 has the task of event 0.
        let task = format!("arn:aws:ecs:us-east-1:123456789012:task/batch/{:032}", number % 11);
        event["id"] = json!(format!("event {number}"));
        event["detail"]["taskArn"] = json!(task);
        event["detail"]["taskDefinitionArn"] =
            json!(format!("arn:aws:ecs:us-east-1:123456789012:task-definition/job-{number}:1"));
        event["detail"]["group"] = json!(format!("family:job-{number}"));
        let (body, attributes) = undelivered(&event, shape(number));
        let mut call = sqs.send_message().queue_url(&url).message_body(body.to_string());
        for (name, value) in attributes.as_object().into_iter().flatten() {
            let value = aws_sdk_sqs::types::MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value["StringValue"].as_str().unwrap());
            call = call.message_attributes(name, value.build().unwrap());
        }
        call.send().await.unwrap();
        // SQS does not order messages that come close together.
        std::thread::sleep(Duration::from_millis(20));
    }
    sqs.send_message().queue_url(&url).message_body(STRANGE).send().await.unwrap();

    slack.answer_with(404, "no_service");
    let refused = aws.taskbell(REPLAY, None);
    assert!(
        refused.code == 1 && refused.err.contains("no_service; 0 alerts sent, 2 failed, 13 alerts left in the queue"),
        "{refused:?}"
    );
    let dry = aws.taskbell("replay --cluster batch --dry-run", None);
    assert_eq!((dry.code, dry.out.lines().count()), (0, 13), "{dry:?}");
    slack.forget();

    slack.answer_with(200, "ok");
    let replay = aws.taskbell(REPLAY, None);
    assert!(replay.code == 1 && replay.err.contains("12 alerts sent, 1 alert left in the queue"), "{replay:?}");
    let messages = slack.wait_for(11);
    let jobs: Vec<usize> = messages
        .iter()
        .map(|message| (0..12).rev().find(|number| message.to_string().contains(&format!("job-{number}"))).unwrap())
        .collect();
    assert_eq!(jobs, (0..11).collect::<Vec<_>>());
    assert!(replay.out.contains("was announced already"), "{replay:?}");
    let again = aws.taskbell(REPLAY, None);
    assert!(again.code == 1 && again.err.contains("0 alerts sent, 1 alert left"), "{again:?}");
    assert_eq!(slack.wait_for(0).len(), 11);
    let purge = aws.taskbell("replay --cluster batch --purge --yes", None);
    assert_eq!(purge.code, 0, "{purge:?}");
    assert!(aws.taskbell(REPLAY, None).err.ends_with("The queue is empty.\n"));
}
