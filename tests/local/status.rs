//! Checks `status` on a local AWS: it shows the lines that the notifier logged.

use aws_sdk_lambda::primitives::Blob;
use serde_json::{Value, json};

use crate::support::emulator::{Emulator, Slack, sample};

const STATUS: &str = "status --cluster batch";

/// Returns a line without its mark.
fn bare(line: &str) -> &str {
    line.trim_start_matches(['✓', '✗', '?', ' '])
}

#[tokio::test]
async fn drill_and_real_failure_are_shown_on_a_local_aws() {
    let (aws, slack) = (Emulator::start("ministack"), Slack::start());
    let sdk = aws.sdk().await;
    aws_sdk_ecs::Client::new(&sdk).create_cluster().cluster_name("batch").send().await.unwrap();
    let setup = aws.taskbell("setup --cluster batch --yes --allow-any-webhook-host", Some(&slack.webhook()));
    assert_eq!(setup.code, 0, "{setup:?}");
    let drilled = aws.taskbell("drill --cluster batch --timeout 600", None);
    assert_eq!(drilled.code, 0, "{drilled:?}");
    let status = aws.taskbell("status --cluster batch --output json", None);
    let object = status.json();
    assert_eq!((status.code, &object["last_drill"]["outcome"]), (0, &json!("sent")), "{status:?}");
    assert_eq!((&object["last_alert"], &object["last_error"]), (&Value::Null, &Value::Null), "{status:?}");

    let lambda = aws_sdk_lambda::Client::new(&sdk);
    for (number, (code, answer, told)) in
        [(404, "no_service", "failed: Slack answered 404: no_service"), (200, "ok", "Slack accepted it")]
            .iter()
            .enumerate()
    {
        slack.answer_with(*code, answer);
        let mut event = sample("02-oom.json");
        let task = format!("arn:aws:ecs:us-east-1:123456789012:task/batch/{number:032}");
        event["detail"]["taskArn"] = json!(task);
        // Give the task its own family: a repetition would be counted and not announced.
        event["detail"]["group"] = json!(format!("family:job-{number}"));
        event["detail"]["taskDefinitionArn"] =
            json!(format!("arn:aws:ecs:us-east-1:123456789012:task-definition/job-{number}:1"));
        let call = lambda.invoke().function_name("taskbell-batch").payload(Blob::new(event.to_string()));
        call.send().await.unwrap();
        let status = aws.taskbell(STATUS, None);
        let last = status.out.lines().find(|line| bare(line).starts_with("last alert")).unwrap();
        assert!(last.ends_with(told), "{status:?}");
    }
    let status = aws.taskbell(STATUS, None);
    assert_eq!(status.code, 0, "{status:?}");
    let row = |name: &str| status.out.lines().find(|line| bare(line).starts_with(name)).unwrap().to_owned();
    assert!(row("rules").contains("task-failed enabled"), "{status:?}");
    assert!(row("notifier").contains("active, nodejs24.x, supported until 2028-04-30"), "{status:?}");
    assert!(row("last error").ends_with("Slack answered 404: no_service"), "{status:?}");
    assert!(row("queue").ends_with("empty"), "{status:?}");
    assert!(row("last alert").ends_with("Slack accepted it"), "{status:?}");
    assert!(
        row("last drill").contains("taskbell-drill") && row("last drill").ends_with("Slack accepted it"),
        "{status:?}"
    );
}
