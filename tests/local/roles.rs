//! Checks the roles of a stack with every feature: outside its table, the notifier may only do what the list of exceptions names.
//! AWS's service reference says which actions only read.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};
use taskbell::policy::Policy;

use crate::support::aws::Aws;
use crate::support::hand::{EXPECT, FUNCTION, Hand, QUEUE, ROLE, TABLE, TOPIC, WATCH_ROLE};
use crate::support::iam::actions;
use crate::support::taskbell;

/// The actions of the notifier that AWS does not call a read: each with the only resource, and the reason. `*` at the end of a
/// resource stands for the parts of that resource.
const EXCEPTIONS: [(&str, &str, &str); 5] = [
    ("logs:CreateLogStream", GROUP, "the notifier writes its own log"),
    ("logs:PutLogEvents", GROUP, "the notifier writes its own log"),
    ("sqs:SendMessage", QUEUE_ARN, "Lambda puts an event on which the notifier failed into the stack's queue"),
    ("sns:Publish", TOPIC, "the user named this topic as a destination of the alerts"),
    ("kms:Decrypt", KEYS, "the user encrypted the webhook with a key; AWS calls this a write, but it changes nothing"),
];

const GROUP: &str = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/taskbell-batch:*";
const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:123456789012:taskbell-batch-undelivered";
const KEYS: &str = "arn:aws:kms:us-east-1:123456789012:key/*";

/// Returns the access level of each action.
fn levels(policies: &[Value]) -> BTreeMap<String, Option<String>> {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new(format!("{root}/.local/bin/node"));
    command.arg(format!("{root}/tests/support/access.mjs")).args(policies.iter().flat_map(actions));
    let told = command.output().unwrap();
    assert!(told.status.success(), "{told:?}");
    serde_json::from_slice(&told.stdout).unwrap()
}

/// Returns the permissions that are neither a read nor on the stack's table.
fn changes(policy: &Value, levels: &BTreeMap<String, Option<String>>) -> BTreeSet<(String, String)> {
    let table = format!("arn:aws:dynamodb:us-east-1:123456789012:table/{TABLE}");
    let texts =
        |value: &Value| value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    let mut changes = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        let (actions, resources): (Vec<String>, Vec<String>) =
            (texts(&statement["Action"]), texts(&statement["Resource"]));
        for action in &actions {
            let level = levels[action].as_deref().unwrap_or_else(|| panic!("{action} is no action"));
            let is_read = ["Read", "List"].contains(&level);
            let others = resources.iter().filter(|resource| !is_read && **resource != table);
            changes.extend(others.map(|resource| (action.clone(), resource.clone())));
        }
    }
    changes
}

/// Returns all policies of a role, in a form in which actions and resources are lists.
async fn policies_of(hand: &Hand, role: &str) -> Vec<Value> {
    let attached = hand.iam.list_attached_role_policies().role_name(role).send().await.unwrap();
    assert!(attached.attached_policies().is_empty(), "{attached:?}");
    let names = hand.iam.list_role_policies().role_name(role).send().await.unwrap().policy_names;
    let mut policies = Vec::new();
    for name in names {
        let policy = hand.iam.get_role_policy().role_name(role).policy_name(name).send().await.unwrap();
        let mut document = Policy::parse(&policy.policy_document).document();
        for statement in document["Statement"].as_array_mut().unwrap() {
            assert_eq!(statement["Effect"], "Allow", "{statement}");
            for field in ["Action", "Resource"] {
                if statement[field].is_string() {
                    statement[field] = json!([statement[field]]);
                }
            }
        }
        policies.push(document);
    }
    policies
}

/// Returns the roles of a stack that uses every feature: those of the notifier, and those of the schedules.
async fn roles_with_every_feature() -> (Vec<Value>, Vec<Value>) {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    hand.store("/ops/own").await;
    let line = format!(
        "setup --cluster batch --yes {EXPECT} --expect 'backup,by=cron(0 3 * * ? *),grace=30m' --summary 'cron(0 9 ? * MON *)' \
         --to {TOPIC},severity=error --to /ops/own --log-group /ecs/* --pattern task-failed --pattern run-rejected \
         --pattern application-error --alarm-topic {TOPIC}"
    );
    let setup = taskbell(&aws, &line).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    (policies_of(&hand, ROLE).await, policies_of(&hand, WATCH_ROLE).await)
}

#[tokio::test(start_paused = true)]
async fn notifier_changes_nothing_outside_its_table_but_the_exceptions() {
    let (notifier, _) = roles_with_every_feature().await;
    let levels = levels(&notifier);
    let changes: BTreeSet<(String, String)> = notifier.iter().flat_map(|policy| changes(policy, &levels)).collect();
    let allowed = EXCEPTIONS.map(|(action, resource, _)| (action.to_owned(), resource.to_owned()));
    assert_eq!(changes, BTreeSet::from(allowed));
    // The features that only read are there, so the comparison above has seen their statements.
    for action in
        ["ecs:ListTasks", "ecs:DescribeTasks", "scheduler:GetSchedule", "events:DescribeRule", "dynamodb:Scan"]
    {
        assert!(levels.contains_key(action), "{action} is not in the policy: {levels:?}");
    }
    let decrypts = |statement: &&Value| statement["Action"] == json!(["kms:Decrypt"]);
    let statements = notifier.iter().flat_map(|policy| policy["Statement"].as_array().unwrap());
    let condition = &statements.clone().find(decrypts).unwrap()["Condition"];
    assert_eq!(condition["StringEquals"]["kms:ViaService"], json!(["ssm.us-east-1.amazonaws.com"]), "{condition}");
}

#[tokio::test(start_paused = true)]
async fn scheduler_may_only_invoke_the_notifier_and_send_to_the_queue_of_the_stack() {
    let (_, schedules) = roles_with_every_feature().await;
    let function = format!("arn:aws:lambda:us-east-1:123456789012:function:{FUNCTION}");
    let statements = schedules.iter().flat_map(|policy| policy["Statement"].as_array().unwrap());
    let allowed: BTreeSet<String> =
        statements.map(|statement| format!("{} on {}", statement["Action"], statement["Resource"])).collect();
    let expected = [("lambda:InvokeFunction", function), ("sqs:SendMessage", QUEUE_ARN.to_owned())];
    assert_eq!(allowed, expected.map(|(action, arn)| format!("[\"{action}\"] on [\"{arn}\"]")).into());
    assert!(QUEUE_ARN.ends_with(QUEUE));
}

/// Checks that the comparison finds what it looks for.
#[test]
fn planted_permission_to_change_something_is_found() {
    let table = "arn:aws:dynamodb:us-east-1:123456789012:table/taskbell-batch-announcements";
    for (action, resource, is_change) in [
        ("ecs:StopTask", "*", true),
        ("ecs:RunTask", "*", true),
        ("scheduler:UpdateSchedule", "arn:aws:scheduler:us-east-1:123456789012:schedule/default/*", true),
        ("events:EnableRule", "arn:aws:events:us-east-1:123456789012:rule/*", true),
        ("dynamodb:PutItem", "arn:aws:dynamodb:us-east-1:123456789012:table/other", true),
        ("dynamodb:PutItem", "*", true),
        ("iam:PutRolePolicy", "*", true),
        ("ec2:CreateTags", "*", true),
        ("dynamodb:PutItem", table, false),
        ("dynamodb:Scan", "*", false),
        ("ecs:ListTasks", "*", false),
    ] {
        let policy = json!({ "Statement": [{ "Effect": "Allow", "Action": [action], "Resource": [resource] }] });
        let found = changes(&policy, &levels(std::slice::from_ref(&policy)));
        assert_eq!(!found.is_empty(), is_change, "{action} on {resource}");
    }
}
