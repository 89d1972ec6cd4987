//! Checks that `--orphans` removes a stack only if each of its resources carries the fleet's tag itself.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::support::aws::{FOR_GOOD, Failure, Fault, On};
use crate::support::hand::{Hand, RULE};

/// The second rule of the stack: for the ends of jobs.
const COMPANION: &str = "taskbell-batch-job-succeeded";

struct Files {
    _folder: tempfile::TempDir,
    data: PathBuf,
    web: PathBuf,
}

/// Returns the files of two fleets. The fleet `web` has the stack `batch`, and the fleet `data` no longer has it.
fn files() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let defaults = "[defaults]\npatterns = [\"task-failed\"]\n[[stack]]\n";
    let data = file("data.toml", &format!("fleet = \"data\"\n{defaults}name = \"jobs\"\nclusters = [\"web\"]\n"));
    let web = file("web.toml", &format!("fleet = \"web\"\n{defaults}clusters = [\"batch\"]\n"));
    Files { _folder: folder, data, web }
}

fn with(line: &str, path: &std::path::Path) -> String {
    format!("{line} --no-pattern-check --config {}", path.display())
}

/// Returns the file of the fleet `data` as it was while it had the stack `batch`.
fn before(files: &Files) -> PathBuf {
    let path = files.data.with_file_name("before.toml");
    let text = std::fs::read_to_string(&files.data).unwrap() + "[[stack]]\nclusters = [\"batch\"]\n";
    std::fs::write(&path, text).unwrap();
    path
}

/// Lets the index find these stacks as stacks of the fleet, as often as it is asked.
fn index_finds(aws: &Aws, stacks: &[&str]) {
    let resource = |stack: &&str| {
        json!({ "ResourceARN": format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{stack}"), "Tags": [
            { "Key": "taskbell:stack", "Value": stack }, { "Key": "taskbell:fleet", "Value": "data" },
        ] })
    };
    let page = json!({ "ResourceTagMappingList": stacks.iter().map(resource).collect::<Vec<_>>() });
    // `drift` asks twice: for the stacks that are no longer in the file, and for the tags of all stacks.
    aws.answer_next("tag:GetResources", std::iter::repeat_n(page, 5));
}

/// Checks that nothing of the stack is removed, and that the output names the tag and the way out.
async fn is_refused(aws: &Aws, files: &Files, evidence: &str) {
    let everything = aws.everything().await;
    let line = |line: &str| format!("{line} --config {}", files.data.display());
    let look = taskbell(aws, &line("drift --all")).await;
    assert!(look.code == 2 && look.out.contains(evidence), "{look:?}");
    let dry = taskbell(aws, &line("teardown --orphans --dry-run")).await;
    assert!(dry.code == 2 && dry.out.contains(evidence), "{dry:?}");
    let teardown = taskbell(aws, &line("teardown --orphans --yes")).await;
    assert!(teardown.code == 1 && teardown.out.contains(evidence), "{teardown:?}");
    for told in ["without the tag taskbell:fleet=data", "nothing was changed", "`taskbell teardown --stack batch`"] {
        assert!(teardown.err.contains(told), "{told}: {teardown:?}");
    }
    let changes = diff(&everything, &aws.everything().await);
    assert!(changes.is_empty(), "{changes:#?}");
    let json = taskbell(aws, &line("teardown --orphans --yes --output json")).await;
    let stack = &json.json()["stacks"][0];
    assert!(stack["exit_code"] == 1 && !stack["conflicts"].as_array().unwrap().is_empty(), "{json:?}");
}

/// Checks one queue of somebody else that carries a copy of the tags of two fleets: the index finds the other fleet's stack by it.
#[tokio::test(start_paused = true)]
async fn copied_tags_remove_no_stack_of_another_fleet() {
    let (aws, files) = (Aws::lax().await, files());
    assert_eq!(taskbell(&aws, &with("setup --all --yes", &files.data)).await.code, 0);
    assert_eq!(taskbell(&aws, &with("setup --all --yes", &files.web)).await.code, 0);
    index_finds(&aws, &["batch", "jobs"]);
    is_refused(&aws, &files, "taskbell:fleet is web, and not data").await;
}

/// Checks a stack of which one resource alone carries the fleet's tag.
#[tokio::test(start_paused = true)]
async fn stack_with_one_resource_of_the_fleet_is_not_removed() {
    let (aws, files) = (Aws::lax().await, files());
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes --pattern task-failed --no-pattern-check").await.code, 0);
    let hand = Hand::of(&aws);
    let tag = aws_sdk_eventbridge::types::Tag::builder().key("taskbell:fleet").value("data").build().unwrap();
    let arn = format!("arn:aws:events:us-east-1:{ACCOUNT}:rule/{RULE}");
    hand.events.tag_resource().resource_arn(arn).tags(tag).send().await.unwrap();
    index_finds(&aws, &["batch"]);
    is_refused(&aws, &files, "no tag taskbell:fleet").await;
}

/// Checks a stack that moved from one file to another, while the index still shows the tags from before.
#[tokio::test(start_paused = true)]
async fn stack_that_moved_to_another_fleet_is_not_removed() {
    let (aws, files) = (Aws::lax().await, files());
    assert_eq!(taskbell(&aws, &with("setup --stack batch --yes", &before(&files))).await.code, 0);
    // The other fleet's setup fails in the middle: some resources have the new tag, and some still have the old one.
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("lambda:TagResource"), nth: 0, times: FOR_GOOD });
    assert_eq!(taskbell(&aws, &with("setup --all --yes", &files.web)).await.code, 1);
    aws.heal();
    index_finds(&aws, &["batch"]);
    is_refused(&aws, &files, "taskbell:fleet is web, and not data").await;
    assert_eq!(taskbell(&aws, &with("setup --all --yes", &files.web)).await.code, 0);
    let drift = taskbell(&aws, &format!("drift --all --config {}", files.web.display())).await;
    assert_eq!(drift.code, 0, "{drift:?}");
}

#[tokio::test(start_paused = true)]
async fn half_made_stack_of_the_fleet_is_removed() {
    let (aws, files) = (Aws::lax().await, files());
    let empty = aws.everything().await;
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("lambda:CreateFunction"), nth: 0, times: FOR_GOOD });
    assert_eq!(taskbell(&aws, &with("setup --stack batch --yes", &before(&files))).await.code, 1);
    aws.heal();
    index_finds(&aws, &["batch"]);
    let teardown = taskbell(&aws, &format!("teardown --orphans --yes --config {}", files.data.display())).await;
    assert_eq!(teardown.code, 0, "{teardown:?}");
    let changes = diff(&empty, &aws.everything().await);
    assert!(changes.is_empty(), "{changes:#?}");
}

/// Checks an index that still shows a stack that was deleted.
#[tokio::test(start_paused = true)]
async fn deleted_stack_in_the_index_is_no_difference() {
    let (aws, files) = (Aws::lax().await, files());
    index_finds(&aws, &["batch"]);
    aws.forget_calls();
    let teardown = taskbell(&aws, &format!("teardown --orphans --yes --config {}", files.data.display())).await;
    assert_eq!((teardown.code, aws.writes()), (0, vec![]), "{teardown:?}");
}

/// Checks a resource that cannot be read: its fleet is not known, so nothing of the stack is removed.
#[tokio::test(start_paused = true)]
async fn stack_with_an_unreadable_resource_is_not_removed() {
    let (aws, files) = (Aws::lax().await, files());
    assert_eq!(taskbell(&aws, &with("setup --stack batch --yes", &before(&files))).await.code, 0);
    index_finds(&aws, &["batch"]);
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("sqs:ListQueueTags"), nth: 0, times: FOR_GOOD });
    aws.forget_calls();
    let teardown = taskbell(&aws, &format!("teardown --orphans --yes --config {}", files.data.display())).await;
    assert_eq!((teardown.code, aws.writes()), (3, vec![]), "{teardown:?}");
    assert!(teardown.err.contains("its fleet is not known; nothing was changed"), "{teardown:?}");
}

/// Checks that the fleet's tag is read again right before each removal.
#[tokio::test(start_paused = true)]
async fn resource_that_leaves_the_fleet_after_the_plan_is_not_removed() {
    let (aws, files) = (Aws::lax().await, files());
    assert_eq!(taskbell(&aws, &with("setup --stack batch --yes", &before(&files))).await.code, 0);
    index_finds(&aws, &["batch"]);
    // The plan reads the tags of both rules; then each removal reads them again.
    aws.meanwhile("events:ListTagsForResource", 2, |aws| {
        Box::pin(async move {
            let tag = aws_sdk_eventbridge::types::Tag::builder().key("taskbell:fleet").value("web").build().unwrap();
            for rule in [RULE, COMPANION] {
                let arn = format!("arn:aws:events:us-east-1:{ACCOUNT}:rule/{rule}");
                Hand::of(&aws).events.tag_resource().resource_arn(arn).tags(tag.clone()).send().await.unwrap();
            }
        })
    });
    let teardown = taskbell(&aws, &format!("teardown --orphans --yes --config {}", files.data.display())).await;
    assert!(teardown.code == 1 && aws.has_changed_meanwhile(), "{teardown:?}");
    let told =
        "taskbell:stack is batch, taskbell:fleet is web; before, taskbell:stack is batch, taskbell:fleet is data";
    assert_eq!(teardown.err.matches(told).count(), 2, "{teardown:?}");
    let rules: Value = json!(aws.writes());
    assert!(!rules.to_string().contains("events:DeleteRule"), "{rules}");
}
