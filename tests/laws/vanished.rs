//! Checks resources that vanish between two reads, and resources that AWS does not show everywhere right after their creation.

use futures_util::future::BoxFuture;

use crate::support::aws::Aws;
use crate::support::hand::{ALARM, FUNCTION, GROUP, Hand, PARAMETER, QUEUE, ROLE, RULE, SCHEDULES, TABLE, WATCH_ROLE};
use crate::support::taskbell;

const FLAGS: &str = "--tag team=data --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call \
    --expect nightly,every=26h --expect nightly,max-runtime=2h";

type Removal = fn(Hand) -> BoxFuture<'static, ()>;

/// Lists removals by somebody else: the resource, and the read before which it is removed.
macro_rules! removals {
    ($( $id:literal $actions:expr, $hand:ident => $removal:expr; )*) => {
        vec![$( ($id, &$actions[..], (|$hand: Hand| Box::pin(async move { $removal; })) as Removal) ),*]
    };
}

fn removals() -> Vec<(&'static str, &'static [&'static str], Removal)> {
    removals! {
        "parameter/webhook" ["ssm:ListTagsForResource"], hand =>
            hand.ssm.delete_parameter().name(PARAMETER).send().await.unwrap();
        "log_group/notifier" ["logs:ListTagsForResource"], hand =>
            hand.logs.delete_log_group().log_group_name(GROUP).send().await.unwrap();
        "queue/undelivered" ["sqs:GetQueueAttributes", "sqs:ListQueueTags"], hand => {
            let url = hand.sqs.get_queue_url().queue_name(QUEUE).send().await.unwrap().queue_url.unwrap();
            hand.sqs.delete_queue().queue_url(url).send().await.unwrap()
        };
        "table/announcements" ["dynamodb:DescribeTimeToLive", "dynamodb:ListTagsOfResource"], hand =>
            hand.dynamodb.delete_table().table_name(TABLE).send().await.unwrap();
        "alarm/undelivered" ["cloudwatch:ListTagsForResource"], hand =>
            hand.cloudwatch.delete_alarms().alarm_names(ALARM).send().await.unwrap();
        "role/notifier" ["iam:ListRolePolicies", "iam:ListAttachedRolePolicies", "iam:GetRolePolicy"], hand => {
            hand.iam.delete_role_policy().role_name(ROLE).policy_name("notifier").send().await.unwrap();
            hand.iam.delete_role().role_name(ROLE).send().await.unwrap()
        };
        "function/notifier" ["lambda:GetPolicy", "lambda:GetFunctionEventInvokeConfig"], hand =>
            hand.lambda.delete_function().function_name(FUNCTION).send().await.unwrap();
        "role/watch" ["iam:ListRolePolicies", "iam:ListAttachedRolePolicies"], hand => {
            hand.iam.delete_role_policy().role_name(WATCH_ROLE).policy_name("watch").send().await.unwrap();
            hand.iam.delete_role().role_name(WATCH_ROLE).send().await.unwrap()
        };
        "watch/schedules" ["scheduler:ListTagsForResource", "scheduler:ListSchedules", "scheduler:GetSchedule"], hand =>
            hand.scheduler.delete_schedule_group().name(SCHEDULES).send().await.unwrap();
        "rule/task-failed" ["events:ListTargetsByRule", "events:ListTagsForResource"], hand => {
            hand.events.remove_targets().rule(RULE).ids("notifier").send().await.unwrap();
            hand.events.delete_rule().name(RULE).send().await.unwrap()
        };
    }
}

#[tokio::test(start_paused = true)]
async fn resource_removed_between_two_reads_is_missing_and_not_unreadable() {
    let prepared = Aws::new().await;
    let setup = taskbell(&prepared, &format!("setup --cluster batch --pattern task-failed --yes {FLAGS}")).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    for (id, actions, removal) in removals() {
        for action in actions {
            let aws = Aws::new().await;
            aws.become_like(&prepared).await;
            aws.meanwhile(action, 0, move |aws| removal(Hand::of(&aws)));
            let line = format!("drift --cluster batch --pattern task-failed {FLAGS} --output json");
            let drift = taskbell(&aws, &line).await;
            assert!(aws.has_changed_meanwhile(), "{id} at {action}");
            assert_eq!(drift.code, 2, "{id} at {action}: {drift:?}");
            let plan = drift.json();
            assert_eq!(plan["unknown"].as_array().map(Vec::len), Some(0), "{id} at {action}: {plan:#}");
            let step = plan["steps"].as_array().unwrap().iter().find(|step| step["id"] == id);
            let told = step.map(|step| step["action"].as_str().unwrap());
            assert_eq!(told, Some("add"), "{id} at {action}: {plan:#}");
        }
    }
}

/// The calls that follow the creation of a resource, with AWS's answer while it does not show the resource there.
const FOLLOWING: [(&str, &str, &str); 8] = [
    ("scheduler:CreateSchedule", "ResourceNotFoundException", "Schedule group taskbell-batch does not exist."),
    ("logs:PutRetentionPolicy", "ResourceNotFoundException", "The specified log group does not exist."),
    ("dynamodb:UpdateTimeToLive", "ResourceNotFoundException", "Requested resource not found"),
    ("iam:PutRolePolicy", "NoSuchEntity", "The role with name taskbell-batch-us-east-1 cannot be found."),
    ("lambda:GetFunctionConfiguration", "ResourceNotFoundException", "Function not found: taskbell-batch"),
    ("lambda:AddPermission", "ResourceNotFoundException", "Function not found: taskbell-batch"),
    ("lambda:PutFunctionEventInvokeConfig", "ResourceNotFoundException", "The function taskbell-batch doesn't exist"),
    (
        "events:PutTargets",
        "ResourceNotFoundException",
        "Rule taskbell-batch-task-failed does not exist on EventBus default.",
    ),
];

#[tokio::test(start_paused = true)]
async fn call_on_a_new_resource_waits_until_aws_shows_it() {
    for (action, code, message) in FOLLOWING {
        let aws = Aws::new().await;
        aws.refuse_next(action, code, message, 4);
        let setup = taskbell(&aws, &format!("setup --cluster batch --pattern task-failed --yes {FLAGS}")).await;
        assert_eq!((setup.code, aws.refusals_left().len()), (0, 0), "{action}: {setup:?}");
        let drift = taskbell(&aws, &format!("drift --cluster batch --pattern task-failed {FLAGS}")).await;
        assert_eq!(drift.code, 0, "{action}: {drift:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn wait_for_a_new_resource_has_an_end_and_a_hint() {
    for (action, code, message) in FOLLOWING {
        let aws = Aws::new().await;
        aws.refuse_next(action, code, message, 1000);
        let setup = taskbell(&aws, &format!("setup --cluster batch --pattern task-failed --yes {FLAGS}")).await;
        assert_eq!(setup.code, 1, "{action}: {setup:?}");
        assert!(setup.err.contains(" s for AWS to show the resource everywhere"), "{action}: {setup:?}");
        assert!(setup.err.contains("hint: run the same command again; it continues from here"), "{action}: {setup:?}");
    }
}

/// Checks the tags of a resource that another call of the same run created, and whose answer was lost.
#[tokio::test(start_paused = true)]
async fn tags_wait_until_aws_shows_the_resource() {
    for (action, code) in [
        ("logs:TagResource", "ResourceNotFoundException"),
        ("dynamodb:TagResource", "ResourceNotFoundException"),
        ("iam:TagRole", "NoSuchEntity"),
        ("lambda:TagResource", "ResourceNotFoundException"),
        ("events:TagResource", "ResourceNotFoundException"),
        ("cloudwatch:TagResource", "ResourceNotFoundException"),
        ("scheduler:TagResource", "ResourceNotFoundException"),
    ] {
        let aws = Aws::new().await;
        let line = format!("setup --cluster batch --pattern task-failed --yes {FLAGS}");
        assert_eq!(taskbell(&aws, &line).await.code, 0);
        aws.refuse_next(action, code, "not found", 4);
        let setup = taskbell(&aws, &line.replace("team=data", "team=other")).await;
        assert_eq!((setup.code, aws.refusals_left().len()), (0, 0), "{action}: {setup:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn second_change_of_the_expiry_within_an_hour_has_a_hint() {
    let aws = Aws::new().await;
    let message = "Time to live has been modified multiple times within a fixed interval";
    aws.refuse_next("dynamodb:UpdateTimeToLive", "ValidationException", message, 1);
    let setup = taskbell(&aws, "setup --cluster batch --pattern task-failed --yes").await;
    assert_eq!(setup.code, 1, "{setup:?}");
    assert!(setup.err.contains("run the same command again in an hour"), "{setup:?}");
    let again = taskbell(&aws, "setup --cluster batch --pattern task-failed --yes").await;
    assert_eq!(again.code, 0, "{again:?}");
}
