//! Checks, on a local AWS, that this version upgrades the stacks of earlier versions without a moment in which no alert is sent.

use std::sync::{Arc, Mutex};

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::support::SECRET;
use crate::support::emulator::{Emulator, Slack, sample, taskbell_at};
use crate::support::left::all;
use crate::support::proxy::Proxy;

/// Checks that a task that fails before any write of the upgrade, or after the last one, is announced. No task fails while the code
/// is replaced: the local AWS then ends running invocations, which AWS lets finish.
#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_sent_at_every_moment_of_the_upgrade() {
    for left in all() {
        let (aws, slack) = (Emulator::start("ministack"), Arc::new(Slack::start()));
        let sdk = aws.sdk().await;
        aws_sdk_ecs::Client::new(&sdk).create_cluster().cluster_name("batch").send().await.unwrap();
        let left = left.marked().ringing(&slack.webhook());
        left.recreate(&sdk, Some(&aws.endpoint)).await;

        let (proxy, writes) = (Proxy::start(&aws.endpoint), Arc::new(Mutex::new(Vec::new())));
        let bus = aws_sdk_eventbridge::Client::new(&sdk);
        let (runtime, ringing, seen, meanwhile) = (Handle::current(), slack.clone(), Arc::clone(&writes), bus.clone());
        proxy.before_writes(move |action| {
            let mut seen = seen.lock().unwrap();
            runtime.block_on(fail(&meanwhile, seen.len()));
            seen.push(action.to_owned());
            ringing.wait_for(seen.len());
        });
        let setup = format!("setup {} --yes --allow-any-webhook-host", left.flags);
        let upgraded = tokio::task::spawn_blocking(move || taskbell_at(&proxy.endpoint, &setup, None)).await.unwrap();
        assert_eq!(upgraded.code, 0, "{}: {upgraded:?}", left.version);
        let writes = writes.lock().unwrap().clone();
        assert!(writes.iter().any(|write| write == "lambda:UpdateFunctionCode"), "{}: {writes:?}", left.version);

        fail(&bus, writes.len()).await;
        let told: Vec<String> = slack.wait_for(writes.len() + 1).iter().map(Value::to_string).collect();
        for number in 0..=writes.len() {
            let family = format!("job-{number}-of-many");
            let times = told.iter().filter(|message| message.contains(&family)).count();
            assert_eq!(times, 1, "{}: {family}, {writes:?}", left.version);
        }
        assert!(!told.concat().contains(SECRET));
        let drift = aws.taskbell(&format!("drift {}", left.flags), None);
        assert_eq!(drift.code, 0, "{}: {drift:?}", left.version);
    }
}

/// Puts the event of a failed task with its own family, whose first failure is announced at once, on the bus. The source is that of
/// drills: only ECS may put events of its own source.
async fn fail(bus: &aws_sdk_eventbridge::Client, number: usize) {
    let event = sample("01-exit-nonzero.json").to_string();
    let event: Value = serde_json::from_str(&event.replace("cluster/prod", "cluster/batch")).unwrap();
    let mut detail = event["detail"].clone();
    detail["taskArn"] = json!(format!("arn:aws:ecs:us-east-1:123456789012:task/batch/{number:032x}"));
    detail["taskDefinitionArn"] =
        json!(format!("arn:aws:ecs:us-east-1:123456789012:task-definition/job-{number}-of-many:1"));
    detail["group"] = json!(format!("family:job-{number}-of-many"));
    let entry = PutEventsRequestEntry::builder().source("taskbell.drill").detail_type("ECS Task State Change");
    let entry = entry.detail(detail.to_string()).build();
    let answer = bus.put_events().entries(entry).send().await.unwrap();
    assert_eq!(answer.failed_entry_count(), 0, "{answer:?}");
}
