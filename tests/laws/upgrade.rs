//! Checks that this version upgrades the stacks of earlier versions: only the changed properties differ, and setup changes them in
//! place. `tests/local/upgrade.rs` checks that alerts are sent at every moment of the upgrade.
//!
//! For each version, `tests/data/upgrade/` has the writes with which it sets a stack up. Every law is checked for every version.
//! Before a release: `UPDATE_GOLDEN=1 cargo test --test laws upgrade::` writes the file of the version that Cargo.toml names.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::aws::Aws;
use crate::support::left::{Left, all, folder};
use crate::support::recorder::{Recorder, Sent};
use crate::support::{Outcome, WEBHOOK, run_with};

/// Flags for a stack with all kinds of resources.
const FLAGS: &str = "--cluster batch --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call --tag team=data";

async fn command(sdk: &aws_config::SdkConfig, line: &str) -> Outcome {
    run_with(sdk.clone(), line, None, CancellationToken::new()).await
}

/// Records the stack that this version leaves.
async fn left_by_this_version() -> Left {
    let aws = Aws::new().await;
    let (recorder, sdk) = Recorder::of(&aws.sdk());
    let setup = run_with(sdk, &format!("setup {FLAGS} --yes"), Some(WEBHOOK), CancellationToken::new()).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let calls = recorder.sent.lock().unwrap().clone();
    let role_id = recorder.role_id.lock().unwrap().clone().unwrap();
    Left { version: env!("CARGO_PKG_VERSION").to_owned(), flags: FLAGS.to_owned(), role_id, calls }
}

/// Returns the differences in the output of `drift --output json`, for example `function/notifier /code_sha256`, and the new resources:
/// `rule/job-succeeded (new)`. No version takes a resource of an earlier one away.
fn differences(drift: &Outcome) -> Vec<String> {
    let plan = drift.json();
    for none in ["conflicts", "unknown"] {
        assert_eq!(plan[none], json!([]), "{none}: {plan:#}");
    }
    let steps = plan["steps"].as_array().unwrap();
    let of_step = |step: &Value| {
        let id = step["id"].as_str().unwrap().to_owned();
        if step["action"] == "add" {
            return vec![format!("{id} (new)")];
        }
        assert_eq!(step["action"], "change", "{step:#}");
        let changes = step["changes"].as_array().unwrap();
        changes.iter().map(|change| format!("{id} {}", change["path"].as_str().unwrap())).collect()
    };
    steps.iter().flat_map(of_step).collect()
}

/// Checks whether a call could stop alerts: it removes or disables a resource that sends them.
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
async fn each_versions_file_is_a_complete_stack() {
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

/// Checks the upgrade in the process, against an AWS that is as strict as the real one.
#[tokio::test(start_paused = true)]
async fn only_changed_properties_differ_and_setup_changes_them_in_place() {
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
