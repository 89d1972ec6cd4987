//! Checks that taskbell does not touch resources that it does not manage.

mod meanwhile;
mod orphans;

use std::collections::BTreeMap;

use taskbell::document::diff;
use taskbell::reconcile::resource::Tags;

use crate::support::aws::{ACCOUNT, Aws, FOR_GOOD, Failure, Fault, On};
use crate::support::{self, taskbell, typing};

const SETUP: &str = "setup --cluster batch --reset --yes";
const TEARDOWN: &str = "teardown --cluster batch --yes";

/// Creates resources with names as similar to the stack's as possible: some that taskbell does not manage, and another stack.
async fn strangers(aws: &Aws) {
    let sdk = aws.sdk();
    let events = aws_sdk_eventbridge::Client::new(&sdk);
    let put = events.put_rule().name("taskbell-batch-mine").event_pattern(r#"{"source":["aws.ecs"]}"#);
    put.send().await.unwrap();
    let iam = aws_sdk_iam::Client::new(&sdk);
    let trust = r#"{"Statement":[]}"#;
    iam.create_role().role_name("taskbell-batch").assume_role_policy_document(trust).send().await.unwrap();
    let sqs = aws_sdk_sqs::Client::new(&sdk);
    sqs.create_queue().queue_name("taskbell-batch-undelivered-2").send().await.unwrap();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&sdk);
    logs.create_log_group().log_group_name("/aws/lambda/taskbell-batch-2").send().await.unwrap();
    let ssm = aws_sdk_ssm::Client::new(&sdk);
    let put = ssm.put_parameter().name("/taskbell/batch/other").value("x").r#type("String".into());
    put.send().await.unwrap();
    let other = taskbell(aws, "setup --cluster web --stack batch-task --yes").await;
    assert_eq!(other.code, 0, "{other:?}");
}

#[tokio::test(start_paused = true)]
async fn unmanaged_resources_survive_setup_and_teardown_byte_for_byte() {
    let aws = Aws::new().await;
    strangers(&aws).await;
    let before = aws.everything().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    assert_eq!(taskbell(&aws, TEARDOWN).await.code, 0);
    let changes = diff(&before, &aws.everything().await);
    assert!(changes.is_empty(), "{changes:#?}");
}

#[tokio::test(start_paused = true)]
async fn other_tags_on_managed_resources_survive_setup() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, &format!("{SETUP} --tag team=a")).await.code, 0);
    let lambda = aws_sdk_lambda::Client::new(&aws.sdk());
    let arn = format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:taskbell-batch");
    lambda.tag_resource().resource(&arn).tags("cost-centre", "7").send().await.unwrap();
    assert_eq!(taskbell(&aws, "drift --cluster batch --tag team=a").await.code, 0);
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let tags: Tags = lambda.list_tags().resource(arn).send().await.unwrap().tags.unwrap().into_iter().collect();
    assert_eq!((tags.get("cost-centre").map(String::as_str), tags.get("team")), (Some("7"), None));
}

/// Checks every kind: IAM takes keys that differ only by case for one key, so a removal after the new tag would remove that tag.
#[tokio::test(start_paused = true)]
async fn change_of_a_tag_keys_case_removes_the_old_key_first() {
    let aws = Aws::new().await;
    let with = |tag: &str| {
        format!("{SETUP} --alarm-topic arn:aws:sns:us-east-1:{ACCOUNT}:on-call --expect nightly,every=26h --tag {tag}")
    };
    assert_eq!(taskbell(&aws, &with("Team=x")).await.code, 0);
    aws.forget_calls();
    let changed = taskbell(&aws, &with("team=x")).await;
    assert_eq!(changed.code, 0, "{changed:?}");
    let calls = aws.calls();
    for (untag, tag) in [
        ("iam:UntagRole", "iam:TagRole"),
        ("lambda:UntagResource", "lambda:TagResource"),
        ("events:UntagResource", "events:TagResource"),
        ("sqs:UntagQueue", "sqs:TagQueue"),
        ("logs:UntagResource", "logs:TagResource"),
        ("ssm:RemoveTagsFromResource", "ssm:AddTagsToResource"),
        ("dynamodb:UntagResource", "dynamodb:TagResource"),
        ("cloudwatch:UntagResource", "cloudwatch:TagResource"),
        ("scheduler:UntagResource", "scheduler:TagResource"),
    ] {
        let positions = |action: &str| -> Vec<usize> {
            calls.iter().enumerate().filter(|(_, call)| call.action == action).map(|(at, _)| at).collect()
        };
        let (removals, additions) = (positions(untag), positions(tag));
        // The function also keeps the settings: the mark of its changed variables is written first.
        let more = usize::from(untag.starts_with("lambda"));
        assert!(
            !removals.is_empty() && removals.len() + more == additions.len(),
            "{untag}: {removals:?} {additions:?}"
        );
        // Steps of one kind run at once: the first removal comes before the first addition, and the last before the last.
        assert!(
            removals[0] < additions[more] && removals.last() < additions.last(),
            "{untag}: {removals:?} {additions:?}"
        );
    }
    let iam = aws_sdk_iam::Client::new(&aws.sdk());
    let role = iam.get_role().role_name("taskbell-batch-us-east-1").send().await.unwrap().role.unwrap();
    let keys: Vec<&str> =
        role.tags().iter().map(aws_sdk_iam::types::Tag::key).filter(|key| !key.contains(':')).collect();
    assert_eq!(keys, ["team"]);
    assert_eq!(taskbell(&aws, &with("team=x").replace(SETUP, "drift --cluster batch")).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn name_in_use_is_a_conflict_and_nothing_changes() {
    let aws = Aws::new().await;
    let logs = aws_sdk_cloudwatchlogs::Client::new(&aws.sdk());
    logs.create_log_group().log_group_name("/aws/lambda/taskbell-batch").send().await.unwrap();
    aws.forget_calls();
    let setup = taskbell(&aws, SETUP).await;
    assert_eq!(setup.code, 1);
    assert!(setup.out.contains("! log_group/notifier"), "{}", setup.out);
    assert!(setup.err.contains("--adopt ID"), "{}", setup.err);
    assert_eq!(taskbell(&aws, "drift --cluster batch").await.code, 2);
    assert_eq!(aws.writes(), [""; 0]);
    let adopted = taskbell(&aws, &format!("{SETUP} --adopt log_group/notifier")).await;
    assert_eq!(adopted.code, 0, "{adopted:?}");
    assert_eq!(taskbell(&aws, "drift --cluster batch").await.code, 0);
    assert_eq!(taskbell(&aws, TEARDOWN).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_resource_can_be_adopted() {
    let made = Aws::new().await;
    let line = format!("{SETUP} --expect nightly,every=26h");
    assert_eq!(taskbell(&made, &line).await.code, 0);
    let ids = [
        "parameter/webhook",
        "log_group/notifier",
        "queue/undelivered",
        "table/announcements",
        "role/notifier",
        "function/notifier",
        "rule/task-failed",
        "role/watch",
        "watch/schedules",
    ];
    for id in ids {
        make_foreign(&made, id).await;
        let conflict = taskbell(&made, &line).await;
        assert_eq!(conflict.code, 1, "{id}: {conflict:?}");
        let adopted = taskbell(&made, &format!("{line} --adopt {id}")).await;
        assert_eq!(adopted.code, 0, "{id}: {adopted:?}");
        let drift = taskbell(&made, "drift --cluster batch --expect nightly,every=26h").await;
        assert_eq!(drift.code, 0, "{id}: {drift:?}");
    }
}

/// Removes the stack's tag.
async fn make_foreign(aws: &Aws, id: &str) {
    let (sdk, tag) = (aws.sdk(), "taskbell:stack");
    let arn = |service: &str, name: &str| format!("arn:aws:{service}:us-east-1:{ACCOUNT}:{name}");
    match id {
        "parameter/webhook" => {
            let ssm = aws_sdk_ssm::Client::new(&sdk);
            let call = ssm.remove_tags_from_resource().resource_type("Parameter".into());
            call.resource_id("/taskbell/batch/slack-webhook-url").tag_keys(tag).send().await.map(drop).unwrap();
        }
        "log_group/notifier" => {
            let logs = aws_sdk_cloudwatchlogs::Client::new(&sdk);
            let call = logs.untag_resource().resource_arn(arn("logs", "log-group:/aws/lambda/taskbell-batch"));
            call.tag_keys(tag).send().await.map(drop).unwrap();
        }
        "queue/undelivered" => {
            let sqs = aws_sdk_sqs::Client::new(&sdk);
            let url = sqs.get_queue_url().queue_name("taskbell-batch-undelivered").send().await.unwrap().queue_url;
            sqs.untag_queue().set_queue_url(url).tag_keys(tag).send().await.map(drop).unwrap();
        }
        "table/announcements" => {
            let dynamodb = aws_sdk_dynamodb::Client::new(&sdk);
            let call = dynamodb.untag_resource().resource_arn(arn("dynamodb", "table/taskbell-batch-announcements"));
            call.tag_keys(tag).send().await.map(drop).unwrap();
        }
        "role/notifier" => {
            let iam = aws_sdk_iam::Client::new(&sdk);
            iam.untag_role().role_name("taskbell-batch-us-east-1").tag_keys(tag).send().await.map(drop).unwrap();
        }
        "role/watch" => {
            let iam = aws_sdk_iam::Client::new(&sdk);
            iam.untag_role().role_name("taskbell-batch-us-east-1-watch").tag_keys(tag).send().await.map(drop).unwrap();
        }
        "watch/schedules" => {
            let scheduler = aws_sdk_scheduler::Client::new(&sdk);
            let call = scheduler.untag_resource().resource_arn(arn("scheduler", "schedule-group/taskbell-batch"));
            call.tag_keys(tag).send().await.map(drop).unwrap();
        }
        "function/notifier" => {
            let lambda = aws_sdk_lambda::Client::new(&sdk);
            let call = lambda.untag_resource().resource(arn("lambda", "function:taskbell-batch"));
            call.tag_keys(tag).send().await.map(drop).unwrap();
        }
        _ => {
            let events = aws_sdk_eventbridge::Client::new(&sdk);
            let call = events.untag_resource().resource_arn(arn("events", "rule/taskbell-batch-task-failed"));
            call.tag_keys(tag).send().await.map(drop).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn teardown_removes_leftovers_of_other_flags_and_keeps_the_users_resources() {
    let aws = Aws::new().await;
    let sdk = aws.sdk();
    let ssm = aws_sdk_ssm::Client::new(&sdk);
    ssm.put_parameter().name("/mine/webhook").value("x").r#type("SecureString".into()).send().await.unwrap();
    let iam = aws_sdk_iam::Client::new(&sdk);
    iam.create_role().role_name("mine").assume_role_policy_document("{}").send().await.unwrap();
    let before = aws.everything().await;
    assert_eq!(taskbell(&aws, &format!("{SETUP} --pattern nonzero-exit --pattern task-failed")).await.code, 0);
    let own =
        format!("{SETUP} --slack-webhook-parameter /mine/webhook --notifier-role-arn arn:aws:iam::{ACCOUNT}:role/mine");
    let setup = taskbell(&aws, &own).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    assert!(setup.out.contains("- role/notifier") && setup.out.contains("- parameter/webhook"), "{}", setup.out);
    assert!(setup.out.contains("- rule/nonzero-exit"), "{}", setup.out);
    assert_eq!(taskbell(&aws, TEARDOWN).await.code, 0);
    let changes: BTreeMap<_, _> =
        diff(&before, &aws.everything().await).into_iter().map(|change| (change.path.clone(), change)).collect();
    assert!(changes.is_empty(), "{changes:#?}");
}

#[tokio::test(start_paused = true)]
async fn teardown_warns_of_undelivered_alerts() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let sqs = aws_sdk_sqs::Client::new(&aws.sdk());
    let url = sqs.get_queue_url().queue_name("taskbell-batch-undelivered").send().await.unwrap().queue_url;
    sqs.send_message().set_queue_url(url).message_body("{}").send().await.unwrap();
    let teardown = taskbell(&aws, TEARDOWN).await;
    assert!(teardown.err.contains("about 1 undelivered alert,"), "{}", teardown.err);
    assert_eq!(teardown.code, 0);
}

/// Checks that the user cannot name the stack's own resource as the user's: setup would remove it, and no alert would be sent.
#[tokio::test(start_paused = true)]
async fn resource_of_the_stack_is_refused_as_the_users_own() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let parameter = "/taskbell/batch/slack-webhook-url";
    aws.forget_calls();
    for flags in [
        format!("--slack-webhook-parameter {parameter}"),
        format!("--webhook-takes nothing --to {parameter},name=own"),
        format!("--notifier-role-arn arn:aws:iam::{ACCOUNT}:role/taskbell/taskbell-batch-us-east-1"),
    ] {
        let drift = taskbell(&aws, &format!("drift --cluster batch {flags}")).await;
        assert_eq!(drift.code, 2, "{drift:?}");
        for line in [format!("{SETUP} {flags}"), format!("setup --cluster batch --dry-run {flags}")] {
            let refused = taskbell(&aws, &line).await;
            assert_eq!((refused.code, aws.writes()), (64, vec![]), "{line}: {refused:?}");
            assert!(
                refused.err.contains("belongs to this stack") && refused.err.contains("leave out the flag"),
                "{refused:?}"
            );
        }
    }
}

/// Checks that setup does not begin an adoption that can never be finished.
#[tokio::test(start_paused = true)]
async fn resource_that_cannot_be_changed_to_fit_is_not_adopted() {
    let aws = Aws::new().await;
    let iam = aws_sdk_iam::Client::new(&aws.sdk());
    let role = iam.create_role().role_name("taskbell-batch-us-east-1").path("/");
    role.assume_role_policy_document("{}").send().await.unwrap();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&aws.sdk());
    logs.create_log_group().log_group_name("/aws/lambda/taskbell-batch").send().await.unwrap();
    aws.forget_calls();
    let refused = taskbell(&aws, &format!("{SETUP} --adopt role/notifier --adopt log_group/notifier")).await;
    assert_eq!((refused.code, aws.writes()), (1, vec![]), "{refused:?}");
    assert!(refused.out.contains("it cannot be adopted: its path differs"), "{refused:?}");
    assert!(!refused.out.contains("(--adopt role/notifier)"), "{refused:?}");
}

/// Checks that the role keeps the permissions for the notifier's old settings until the notifier has the new ones, wherever a run
/// ends.
#[tokio::test(start_paused = true)]
async fn role_keeps_a_permission_until_the_notifier_no_longer_needs_it() {
    let aws = Aws::new().await;
    let hand = support::hand::Hand::of(&aws);
    hand.store("/mine/webhook").await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let rights = || async {
        let call = hand.iam.get_role_policy().role_name("taskbell-batch-us-east-1").policy_name("notifier");
        let document = call.send().await.unwrap().policy_document;
        percent_encoding::percent_decode_str(&document).decode_utf8().unwrap().into_owned()
    };
    let change = format!("{SETUP} --slack-webhook-parameter /mine/webhook --no-dedupe");
    let action = On::Action("lambda:UpdateFunctionConfiguration");
    aws.fail(Fault { failure: Failure::Denied, on: action, nth: 0, times: FOR_GOOD });
    assert_eq!(taskbell(&aws, &change).await.code, 1);
    let both = rights().await;
    for needed in ["parameter/taskbell/batch/slack-webhook-url", "parameter/mine/webhook", "dynamodb:GetItem"] {
        assert!(both.contains(needed), "{needed}: {both}");
    }
    aws.heal();
    assert_eq!(taskbell(&aws, &change).await.code, 0);
    let least = rights().await;
    assert!(!least.contains("slack-webhook-url") && !least.contains("dynamodb"), "{least}");
    assert_eq!(
        taskbell(&aws, &format!("drift --cluster batch {} --no-dedupe", "--slack-webhook-parameter /mine/webhook"))
            .await
            .code,
        0
    );
}
