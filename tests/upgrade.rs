//! A stack that an earlier version set up is taken over by this one, without a moment in which it does not ring.
//!
//! `tests/data/upgrade/` has, for each version, the writes by which it sets a stack up. All laws are held for all of them.
//! Before a release: `UPDATE_GOLDEN=1 cargo test --test upgrade` writes the file of the version that Cargo.toml names.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::aws::Aws;
use support::emulator::{Emulator, Slack, sample, taskbell_at};
use support::proxy::Proxy;
use support::recorder::{Recorder, Sent, again};
use support::{Outcome, SECRET, WEBHOOK, run_with};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// All kinds of resources.
const FLAGS: &str = "--cluster batch --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call --tag team=data";

/// The stack as a version leaves it.
#[derive(Serialize, Deserialize)]
struct Left {
    version: String,
    /// What `setup` was given.
    flags: String,
    role_id: String,
    calls: Vec<Sent>,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/upgrade"))
}

fn all() -> Vec<Left> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
}

async fn command(sdk: &aws_config::SdkConfig, line: &str) -> Outcome {
    run_with(sdk.clone(), line, None, CancellationToken::new()).await
}

/// What this version leaves.
async fn left_by_this_version() -> Left {
    let aws = Aws::new().await;
    let (recorder, sdk) = Recorder::of(&aws.sdk());
    let setup = run_with(sdk, &format!("setup {FLAGS} --yes"), Some(WEBHOOK), CancellationToken::new()).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let calls = recorder.sent.lock().unwrap().clone();
    let role_id = recorder.role_id.lock().unwrap().clone().unwrap();
    Left { version: env!("CARGO_PKG_VERSION").to_owned(), flags: FLAGS.to_owned(), role_id, calls }
}

impl Left {
    /// With a file in the notifier's archive that no other version has, so that there is always an upgrade.
    fn marked(mut self) -> Self {
        for call in self.calls.iter_mut().filter(|call| call.action == "lambda:CreateFunction") {
            let mut body: Value = serde_json::from_str(&call.body).unwrap();
            let code = STANDARD.decode(body["Code"]["ZipFile"].as_str().unwrap()).unwrap();
            let mut archive = zip::ZipWriter::new_append(Cursor::new(code)).unwrap();
            archive.start_file("version", zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(self.version.as_bytes()).unwrap();
            body["Code"]["ZipFile"] = json!(STANDARD.encode(archive.finish().unwrap().into_inner()));
            call.body = body.to_string();
        }
        self
    }

    /// With another webhook. Nothing of ours decrypts it.
    fn ringing(mut self, webhook: &str) -> Self {
        for call in self.calls.iter_mut().filter(|call| call.action == "ssm:PutParameter") {
            call.body = call.body.replace(WEBHOOK, webhook);
        }
        self
    }

    async fn recreate(&self, sdk: &aws_config::SdkConfig, endpoint: Option<&str>) {
        again(sdk, endpoint, self.calls.clone(), &self.role_id).await;
    }
}

/// What differs, as `drift --output json` has it: `function/notifier /code_sha256`.
fn differences(drift: &Outcome) -> Vec<String> {
    let plan = drift.json();
    for none in ["conflicts", "unknown"] {
        assert_eq!(plan[none], json!([]), "{none}: {plan:#}");
    }
    let steps = plan["steps"].as_array().unwrap();
    let of_step = |step: &Value| {
        let id = step["id"].as_str().unwrap().to_owned();
        assert_eq!(step["action"], "change", "{step:#}");
        let changes = step["changes"].as_array().unwrap().clone();
        changes.into_iter().map(move |change| format!("{id} {}", change["path"].as_str().unwrap()))
    };
    steps.iter().flat_map(of_step).collect()
}

/// Whether it takes something away that rings, or keeps it from ringing.
fn silences(call: &Sent) -> bool {
    const NEVER: [&str; 9] = [
        "events:DeleteRule",
        "events:DisableRule",
        "events:RemoveTargets",
        "lambda:DeleteFunction",
        "lambda:RemovePermission",
        "lambda:PutFunctionConcurrency",
        "iam:DeleteRole",
        "iam:DeleteRolePolicy",
        "ssm:DeleteParameter",
    ];
    NEVER.contains(&call.action.as_str()) || (call.action == "events:PutRule" && call.body.contains("DISABLED"))
}

#[tokio::test(start_paused = true)]
async fn the_file_of_a_version_is_a_whole_stack() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let left = left_by_this_version().await;
        let path = folder().join(format!("{}.json", left.version));
        std::fs::write(path, serde_json::to_string_pretty(&left).unwrap() + "\n").unwrap();
    }
    let all = all();
    assert!(!all.is_empty());
    for left in all {
        for write in [
            "ssm:PutParameter",
            "logs:CreateLogGroup",
            "sqs:CreateQueue",
            "dynamodb:CreateTable",
            "iam:CreateRole",
            "lambda:CreateFunction",
            "lambda:AddPermission",
            "events:PutRule",
            "events:PutTargets",
            "cloudwatch:PutMetricAlarm",
        ] {
            assert!(left.calls.iter().any(|call| call.action == write), "{}: {write}", left.version);
        }
    }
}

/// In the process, over an AWS that is as strict as the real one.
#[tokio::test(start_paused = true)]
async fn only_what_changed_differs_and_setup_changes_it_in_place() {
    for left in all() {
        let left = left.marked();
        let version = &left.version;
        let aws = Aws::new().await;
        left.recreate(&aws.sdk(), None).await;
        let drift = format!("drift {}", left.flags);
        let seen = command(&aws.sdk(), &format!("{drift} --output json")).await;
        assert_eq!(seen.code, 2, "{version}: {seen:?}");
        insta::assert_snapshot!(format!("changed-since-{version}"), differences(&seen).join("\n"));

        let (recorder, sdk) = Recorder::of(&aws.sdk());
        let setup = command(&sdk, &format!("setup {} --yes", left.flags)).await;
        assert_eq!(setup.code, 0, "{version}: {setup:?}");
        let sent = recorder.sent.lock().unwrap().clone();
        let silencing: Vec<&Sent> = sent.iter().filter(|call| silences(call)).collect();
        assert!(silencing.is_empty(), "{version}: {silencing:?}");
        assert!(sent.iter().any(|call| call.action == "lambda:UpdateFunctionCode"), "{version}: {sent:?}");
        let after = command(&aws.sdk(), &drift).await;
        assert_eq!(after.code, 0, "{version}: {after:?}");
    }
}

/// On a local AWS whose function runs: before every write of the upgrade, and after the last one, a task fails and is announced.
/// Not while the code is replaced: there the local AWS ends the invocations that are under way, which AWS lets come to their end.
#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_moment_of_the_upgrade_in_which_it_does_not_ring() {
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

/// A task of a family of its own fails: what is like nothing before is announced at once. Nobody but ECS may put events of its source.
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
