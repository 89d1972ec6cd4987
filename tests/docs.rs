//! What the README says is so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::aws::Aws;
use support::taskbell;

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// The actions that the README's policy allows.
fn allowed() -> BTreeSet<String> {
    let readme = readme();
    let block = readme.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let policy: Value = serde_json::from_str(block).unwrap();
    let mut actions = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        match &statement["Action"] {
            Value::Array(list) => actions.extend(list.iter().map(|action| action.as_str().unwrap().to_owned())),
            single => drop(actions.insert(single.as_str().unwrap().to_owned())),
        }
    }
    actions
}

#[tokio::test(start_paused = true)]
async fn the_policy_allows_every_action_that_is_used_and_drift_only_reads() {
    let aws = Aws::new().await;
    let allowed = allowed();
    let more = "--tag team=a --log-retention 7 --pattern nonzero-exit --permissions-boundary arn:aws:iam::aws:policy/x";
    for line in [
        "setup --cluster batch --yes".to_owned(),
        format!("setup --cluster batch --yes {more}"),
        "setup --cluster batch --yes --log-retention never".to_owned(),
        "drill --cluster batch".to_owned(),
        "teardown --cluster batch --yes".to_owned(),
    ] {
        let outcome = taskbell(&aws, &line).await;
        assert_eq!(outcome.code, 0, "{line}: {outcome:?}");
    }
    assert_eq!(taskbell(&aws, "setup --cluster bacth --yes").await.code, 1);
    for call in aws.calls() {
        let no_policy_needed = call.action == "sts:GetCallerIdentity";
        assert!(no_policy_needed || allowed.contains(&call.action), "the README does not allow {}", call.action);
    }
    aws.forget_calls();
    taskbell(&aws, "drift --cluster batch").await;
    assert_eq!(aws.writes(), [""; 0]);
}

#[test]
fn every_flag_in_the_readme_is_one_that_the_commands_have() {
    let help: String = ["setup", "drift", "teardown", "drill"]
        .map(|command| {
            let binary = env!("CARGO_BIN_EXE_taskbell");
            let output = std::process::Command::new(binary).args([command, "--help"]).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        })
        .concat();
    let readme = readme();
    let flags = readme.split(|c: char| !(c.is_ascii_lowercase() || c == '-')).filter(|word| word.starts_with("--"));
    for flag in flags.filter(|flag| flag.contains(|c: char| c != '-') && *flag != "--path") {
        assert!(help.contains(flag), "{flag}");
    }
}
