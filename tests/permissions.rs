//! The least policies: each command succeeds with exactly what `permissions` prints, and names the action that is missing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use support::aws::Aws;
use support::hand::{Hand, TOPIC, changes_by_hand};
use support::{Outcome, run, taskbell};
use tokio_util::sync::CancellationToken;

type Prepare = Box<dyn Fn(Aws) -> LocalBoxFuture<'static, ()>>;

#[tokio::test(start_paused = true)]
async fn the_policy_for_notify_is_of_no_stack_and_needs_no_cluster() {
    let aws = Aws::new().await;
    let printed = taskbell(&aws, "permissions --for notify").await;
    assert_eq!(printed.code, 0, "{printed:?}");
    assert_eq!(printed.json(), taskbell(&aws, "permissions --for notify --cluster batch").await.json());
    assert_eq!(taskbell(&aws, "permissions --for drift").await.code, 64);
}

/// A run of a command, after something was done with all permissions.
struct Case {
    prepare: Prepare,
    line: String,
    code: u8,
}

const ALL: &str = "--tag team=data --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call";

fn case(before: &[&str], line: &str) -> Case {
    let before: Vec<String> = before.iter().map(|line| (*line).to_owned()).collect();
    let prepare: Prepare = Box::new(move |aws| {
        let before = before.clone();
        async move {
            for line in before {
                assert_eq!(taskbell(&aws, &line).await.code, 0, "{line}");
            }
        }
        .boxed_local()
    });
    Case { prepare, line: line.to_owned(), code: 0 }
}

fn by_hand(line: &str, change: impl Fn(Hand) -> LocalBoxFuture<'static, ()> + Clone + Send + Sync + 'static) -> Case {
    let prepare: Prepare = Box::new(move |aws| {
        let change = change.clone();
        async move {
            assert_eq!(taskbell(&aws, &format!("setup --cluster batch --yes {ALL}")).await.code, 0);
            change(Hand::of(&aws)).await;
        }
        .boxed_local()
    });
    Case { prepare, line: line.to_owned(), code: 0 }
}

fn of_setup() -> Vec<Case> {
    let setup = "setup --cluster batch --yes";
    let all = format!("{setup} {ALL}");
    let to_own_role = format!("{all} --role-arn arn:aws:iam::123456789012:role/mine");
    let mut cases = vec![
        // What is there is read before anything is written; what was written, for two minutes if need be.
        case(&[&all], &all),
        case(&[], &all),
        // What another configuration had is removed.
        case(&[&all], setup),
        case(&[&all], &all.replace("--tag team=data", "")),
        case(&[setup], &format!("{setup} --no-dedupe --pattern nonzero-exit")),
        by_hand(&to_own_role, |hand| async move { profile(&hand).await }.boxed_local()),
        case(&[setup], &format!("{setup} --slack-webhook-parameter /mine/webhook")),
        case(&[setup], &format!("{setup} --permissions-boundary arn:aws:iam::aws:policy/ReadOnlyAccess")),
        case(&[setup], &format!("{setup} --log-retention never")),
    ];
    // All that may be changed by hand; a webhook that somebody stored is taken with --adopt, and the others are not.
    for parameter in [true, false] {
        let line = if parameter { format!("{all} --adopt parameter/webhook") } else { all.clone() };
        cases.push(by_hand(&line, move |hand| {
            async move {
                hand.iam.create_policy().policy_name("extra").policy_document("{}").send().await.unwrap();
                let mut changed = BTreeSet::new();
                for (id, path, change) in changes_by_hand() {
                    // One change of the targets stands for all: the others begin from what it left.
                    let is_another_target = path.starts_with("/targets/notifier");
                    if (id == "parameter/webhook") == parameter && changed.insert((id, path)) && !is_another_target {
                        change(&hand).await;
                        // Functions and tables take one change at a time.
                        tokio::time::sleep(Duration::from_secs(10)).await;
                    }
                }
            }
            .boxed_local()
        }));
    }
    cases
}

async fn profile(hand: &Hand) {
    let name = "somebodys";
    hand.iam.create_instance_profile().instance_profile_name(name).send().await.unwrap();
    let call = hand.iam.add_role_to_instance_profile().instance_profile_name(name);
    call.role_name(support::hand::ROLE).send().await.unwrap();
}

fn of_teardown() -> Vec<Case> {
    let teardown = "teardown --cluster batch --yes";
    vec![
        by_hand(teardown, |_| async {}.boxed_local()),
        by_hand(teardown, |hand| async move { profile(&hand).await }.boxed_local()),
        by_hand(teardown, |hand| {
            async move {
                hand.iam.create_policy().policy_name("extra").policy_document("{}").send().await.unwrap();
                let arn = "arn:aws:iam::123456789012:policy/extra";
                hand.iam.attach_role_policy().role_name(support::hand::ROLE).policy_arn(arn).send().await.unwrap();
                let call = hand.dynamodb.update_table().table_name(support::hand::TABLE);
                call.deletion_protection_enabled(true).send().await.unwrap();
            }
            .boxed_local()
        }),
    ]
}

/// With a notifier that tells this.
fn after_setup(line: &str, tells: Option<Value>, code: u8) -> Case {
    let prepare: Prepare = Box::new(move |aws| {
        let tells = tells.clone();
        async move {
            assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
            aws.notifier_tells(tells);
            let hand = Hand::of(&aws);
            let url =
                hand.sqs.get_queue_url().queue_name(support::hand::QUEUE).send().await.unwrap().queue_url.unwrap();
            let event = json!({ "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {} });
            hand.sqs.send_message().queue_url(url).message_body(event.to_string()).send().await.unwrap();
            let (group, stream) = (support::hand::GROUP, "2026/11/24/[$LATEST]x");
            hand.logs.create_log_stream().log_group_name(group).log_stream_name(stream).send().await.unwrap();
            aws.describe_task(Some(json!({ "taskArn": TASK, "lastStatus": "STOPPED", "stopCode": "TaskFailedToStart",
                "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/nightly:3",
                "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/batch" })));
        }
        .boxed_local()
    });
    Case { prepare, line: line.to_owned(), code }
}

const TASK: &str = "arn:aws:ecs:us-east-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";

fn cases(command: &str) -> Vec<Case> {
    let sent = json!({ "outcome": "sent", "status": 200, "ms": { "slack": 1 } });
    match command {
        "setup" => of_setup(),
        "drift" => {
            vec![case(&[&format!("setup --cluster batch --yes {ALL}")], &format!("drift --cluster batch {ALL}"))]
        }
        "teardown" => of_teardown(),
        "drill" => vec![
            // What nobody tells of is looked for in the queue.
            after_setup("drill --cluster batch --timeout 1", None, 1),
            after_setup("drill --cluster batch", Some(sent), 0),
        ],
        "replay" => vec![
            after_setup("replay --cluster batch --yes", Some(sent), 0),
            after_setup("replay --cluster batch --purge --yes", None, 0),
        ],
        "status" => vec![after_setup("status --cluster batch", None, 0)],
        "pattern-test" => vec![after_setup(&format!("pattern test --task {TASK}"), None, 0)],
        "notify" => vec![after_setup("notify broken", None, 0)],
        other => panic!("{other}"),
    }
}

async fn policy(command: &str, line: &str) -> Value {
    let role = line.split(" --role-arn ").nth(1).map(|arn| format!("--role-arn {arn}")).unwrap_or_default();
    taskbell(&Aws::new().await, &format!("permissions --cluster batch --for {command} {role}")).await.json()
}

fn actions(policy: &Value) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

fn without(policy: &Value, action: &str) -> Value {
    let mut policy = policy.clone();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        statement["Action"].as_array_mut().unwrap().retain(|other| other != action);
    }
    policy
}

async fn prepared(case: &Case) -> Aws {
    let aws = Aws::new().await;
    (case.prepare)(aws.clone()).await;
    aws
}

async fn with_policy(aws: &Aws, case: &Case, policy: Value) -> Outcome {
    aws.forget_calls();
    aws.enforce(policy);
    let webhook = (!case.line.contains("--adopt")).then_some(support::WEBHOOK);
    run(aws, &case.line, webhook, CancellationToken::new()).await
}

async fn needs_all_of_its_policy_and_nothing_else(command: &str) {
    let (mut granted, mut tried) = (BTreeSet::new(), BTreeSet::new());
    for case in cases(command) {
        let policy = policy(command, &case.line).await;
        granted = actions(&policy);
        let mut aws = prepared(&case).await;
        let outcome = with_policy(&aws, &case, policy.clone()).await;
        let denied = format!("{outcome:?}").contains("not authorized");
        // The hint about log groups may be left out.
        let denied = denied && !outcome.err.contains("which logs the clusters' tasks write is not known");
        assert!(outcome.code == case.code && !denied, "{}: {outcome:?}", case.line);
        // Each action is taken away in the first case that needs it.
        let needed = aws.needed();
        for action in needed.intersection(&granted).filter(|action| tried.insert((*action).clone())) {
            if !aws.writes().is_empty() {
                aws = prepared(&case).await;
            }
            let outcome = with_policy(&aws, &case, without(&policy, action)).await;
            let told = format!("{}{}", outcome.out, outcome.err);
            assert!(outcome.code != 0 && told.contains(action), "{} without {action}: {outcome:?}", case.line);
        }
    }
    let unneeded: Vec<&String> = granted.difference(&tried).collect();
    assert!(unneeded.is_empty(), "{command} never needs {unneeded:?}");
    println!("{command}: {} actions, taken away one at a time", granted.len());
}

macro_rules! each_command {
    ($($name:ident $command:literal)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            needs_all_of_its_policy_and_nothing_else($command).await;
        }
    )*};
}

each_command! {
    setup_needs_all_of_its_policy_and_nothing_else "setup"
    drift_needs_all_of_its_policy_and_nothing_else "drift"
    teardown_needs_all_of_its_policy_and_nothing_else "teardown"
    drill_needs_all_of_its_policy_and_nothing_else "drill"
    replay_needs_all_of_its_policy_and_nothing_else "replay"
    status_needs_all_of_its_policy_and_nothing_else "status"
    pattern_test_needs_all_of_its_policy_and_nothing_else "pattern-test"
    notify_needs_all_of_its_policy_and_nothing_else "notify"
}

#[tokio::test(start_paused = true)]
async fn the_account_may_be_given_and_has_to_be_one() {
    let aws = Aws::new().await;
    let told =
        taskbell(&aws, "permissions --cluster batch --for drift --account 210987654321 --region cn-north-1").await;
    assert_eq!((told.code, aws.calls().len()), (0, 0), "{told:?}");
    assert!(told.out.contains("arn:aws:lambda:us-east-1:210987654321:function:taskbell-batch"), "{told:?}");
    assert_eq!(taskbell(&aws, "permissions --cluster batch --account 12").await.code, 64);
    assert_eq!(taskbell(&aws, "permissions --cluster batch --for nothing").await.code, 64);
    assert!(TOPIC.contains("on-call"));
}
