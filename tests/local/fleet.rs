//! Checks many stacks of one file with the binary: on a local AWS in two regions, and without an AWS.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::emulator::{Emulator, Slack};

/// Returns a file with this text, in its own folder.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taskbell.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn with(line: &str, path: &Path) -> String {
    format!("{line} --config {}", path.display())
}

/// Checks, on a local AWS, two regions, one file, and a stack that is removed from the file.
#[tokio::test]
async fn orphaned_stack_is_shown_and_removed_on_request() {
    let (emulator, slack) = (Emulator::start("ministack"), Slack::start());
    for region in ["us-east-1", "eu-west-1"] {
        let sdk = emulator.sdk().await.to_builder().region(aws_config::Region::new(region)).build();
        aws_sdk_ecs::Client::new(&sdk).create_cluster().cluster_name("batch").send().await.unwrap();
    }
    let before = emulator.listing().await;
    let whole = r#"
        fleet = "data"
        [defaults]
        patterns = ["task-failed"]
        allow_any_webhook_host = true
        [[stack]]
        clusters = ["batch"]
        [[stack]]
        name = "west"
        clusters = ["batch"]
        region = "eu-west-1"
        [[stack]]
        name = "old"
        clusters = ["batch"]
    "#;
    let (_folder, path) = file(whole);
    let run = |line: &str| emulator.taskbell(&with(line, &path), Some(&slack.webhook()));
    let setup = run("setup --all --yes");
    assert_eq!(setup.code, 0, "{setup:?}");
    let drill = run("drill --timeout 900 --stack batch --stack west");
    assert_eq!(drill.code, 0, "{drill:?}");
    slack.wait_for(2);
    // A stack outside the fleet, set up by flags alone.
    let other =
        emulator.taskbell("setup --cluster batch --stack other --yes --allow-any-webhook-host", Some(&slack.webhook()));
    assert_eq!(other.code, 0, "{other:?}");
    assert_eq!(run("drift --all").code, 0);

    std::fs::write(&path, whole.rsplit_once("[[stack]]").unwrap().0).unwrap();
    let drift = run("drift --all");
    assert!(
        drift.code == 2 && drift.out.contains("stack old in us-east-1, account 123456789012, no longer in"),
        "{drift:?}"
    );
    assert!(drift.out.contains("- rule/task-failed") && !drift.out.contains("other"), "{drift:?}");
    // Only `--orphans` removes the orphan.
    assert_eq!(run("setup --all --yes").code, 0);
    let teardown = run("teardown --orphans --yes");
    assert!(
        teardown.code == 0 && teardown.out.contains("stack old in us-east-1") && teardown.out.contains(" removed\n"),
        "{teardown:?}"
    );
    assert_eq!(run("drift --all").code, 0);
    assert_eq!(run("teardown --all --yes").code, 0);
    assert_eq!(emulator.taskbell("teardown --stack other --yes", None).code, 0);
    emulator.is_again(&before).await;
}

/// Runs the binary with keys, without a region, and without a reachable AWS.
fn offline(line: &str, path: &Path) -> std::process::Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_taskbell"));
    command.args(with(line, path).split_whitespace()).env_clear().envs([
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_MAX_ATTEMPTS", "1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    command.output().unwrap()
}

#[test]
fn stack_without_a_region_does_not_use_the_region_of_another() {
    let (_folder, path) =
        file("[[stack]]\nclusters = [\"a\"]\nregion = \"eu-west-1\"\n[[stack]]\nclusters = [\"b\"]\n");
    let drift = offline("drift --all", &path);
    let told = String::from_utf8(drift.stderr).unwrap();
    assert_eq!(told.matches("no AWS region is configured").count(), 2, "its line and its error: {told}");
    assert_eq!(drift.status.code(), Some(64), "{told}");
}

#[test]
fn failed_search_for_orphans_is_not_a_success() {
    let (_folder, path) = file("fleet = \"data\"\n[[stack]]\nclusters = [\"a\"]\nregion = \"eu-west-1\"\n");
    let teardown = offline("teardown --orphans --yes", &path);
    let told = String::from_utf8(teardown.stdout).unwrap();
    assert!(teardown.status.code() == Some(3) && told.contains("1 stack: 0 good, 1 not"), "{told}");
}

#[test]
fn unreadable_stack_is_annotated_too() {
    let (_folder, path) = file("[[stack]]\nclusters = [\"a\"]\n[[stack]]\nclusters = [\"b\"]\n");
    let drift = offline("drift --all --output github", &path);
    let told = String::from_utf8(drift.stdout).unwrap();
    assert_eq!(told.lines().filter(|line| line.starts_with("::error title=taskbell ")).count(), 2, "{told}");
}

#[test]
fn region_or_profile_selects_among_stacks_of_one_name() {
    let stack = |place: &str, tag| format!("[[stack]]\nclusters = [\"batch\"]\n{place}\ntags = {{ a = \"{tag}\" }}\n");
    let places = ["region = \"us-east-1\"", "region = \"eu-central-1\"", "profile = \"other\""];
    let all: String = places.iter().zip(["one", "two", "three"]).map(|(place, tag)| stack(place, tag)).collect();
    let (_folder, path) = file(&all);
    let exported = |flags: &str| {
        let output = offline(&format!("export terraform {flags}"), &path);
        let told = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), told)
    };
    for (flags, tag) in [
        ("--stack batch --region us-east-1", "one"),
        ("--cluster batch --region eu-central-1", "two"),
        ("--stack batch --profile other", "three"),
    ] {
        let (code, told) = exported(flags);
        assert!(code == 0 && told.contains(&format!("= \"{tag}\"")), "{flags}: {told}");
    }
    for flags in ["--stack batch", "--stack batch --region ap-northeast-1"] {
        let (code, told) = exported(flags);
        assert!(code == 64 && told.contains("several stacks called batch"), "{flags}: {told}");
        assert!(told.contains("hint: give the --region or --profile"), "{flags}: {told}");
    }
    // No flag distinguishes these stacks.
    let roles =
        ["one", "two"].map(|role| stack(&format!("role_arn = \"arn:aws:iam::123456789012:role/{role}\""), role));
    std::fs::write(&path, roles.concat()).unwrap();
    let (code, told) = exported("--stack batch");
    assert!(code == 64 && told.contains("give one of them another name"), "{told}");
}
