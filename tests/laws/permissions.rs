//! Checks the least policies: each command succeeds with exactly the policy that `permissions` prints, and names an action that is
//! missing.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::Region;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use proptest::prelude::*;
use serde_json::{Value, json};
use taskbell::pattern::CATALOGUE;
use taskbell::permissions::{Command, Ground};
use taskbell::policy::Policy;
use taskbell::stack::{EXPORTED_TAG, Place, STACK_TAG, Stack};
use tokio_util::sync::CancellationToken;

use crate::support::aws::{ACCOUNT, Aws};
use crate::support::hand::{EXPECT, Hand, WATCH_ROLE, changes_by_hand};
use crate::support::iam::{self, actions, attach, put_into_profile, put_role_into_profile, was_refused, without};
use crate::support::witness::permissions_for;
use crate::support::{self, Outcome, run, run_with, taskbell};

type Prepare = Box<dyn Fn(Aws) -> LocalBoxFuture<'static, ()>>;

#[tokio::test(start_paused = true)]
async fn policy_for_notify_needs_no_cluster() {
    let aws = Aws::new().await;
    let printed = taskbell(&aws, "permissions --for notify").await;
    assert_eq!(printed.code, 0, "{printed:?}");
    assert_eq!(printed.json(), taskbell(&aws, "permissions --for notify --cluster batch").await.json());
    assert_eq!(taskbell(&aws, "permissions --for drift").await.code, 64);
}

/// A run of a command, after a preparation with all permissions.
struct Case {
    prepare: Prepare,
    line: String,
    code: u8,
    /// The flags for `permissions`.
    flags: &'static str,
}

const ALL: &str = "--tag team=data --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call";

fn case(before: &[&str], line: &str) -> Case {
    let before: Vec<String> = before.iter().map(|line| (*line).to_owned()).collect();
    let prepare: Prepare = Box::new(move |aws| {
        let before = before.clone();
        async move {
            Hand::of(&aws).store("/mine/webhook").await;
            for line in before {
                assert_eq!(taskbell(&aws, &line).await.code, 0, "{line}");
            }
        }
        .boxed_local()
    });
    Case { prepare, line: line.to_owned(), code: 0, flags: "" }
}

/// Returns a case that follows a change by hand of a stack that was set up with these flags.
fn by_hand(
    flags: &str,
    line: &str,
    change: impl Fn(Hand) -> LocalBoxFuture<'static, ()> + Clone + Send + Sync + 'static,
) -> Case {
    let setup = format!("setup --cluster batch --yes {ALL} {flags}");
    let prepare: Prepare = Box::new(move |aws| {
        let (change, setup) = (change.clone(), setup.clone());
        async move {
            assert_eq!(taskbell(&aws, &setup).await.code, 0);
            change(Hand::of(&aws)).await;
        }
        .boxed_local()
    });
    Case { prepare, line: line.to_owned(), code: 0, flags: "" }
}

const BOUNDARY: &str = "--permissions-boundary arn:aws:iam::aws:policy/ReadOnlyAccess";
const OWN_ROLE: &str = "--notifier-role-arn arn:aws:iam::123456789012:role/mine";

/// Returns the cases of `setup`, with these flags of the role in every command line.
fn of_setup(flags: &'static str) -> Vec<Case> {
    let setup = format!("setup --cluster batch --reset --yes {flags}");
    let setup = setup.trim_end();
    let all = format!("{setup} {ALL}");
    let mut cases = vec![
        // Setup reads existing resources before it writes; after it wrote, it reads for up to two minutes.
        case(&[&all], &all),
        case(&[], &all),
        // Setup removes the resources of another configuration.
        case(&[&all], setup),
        case(&[&all], &all.replace("--tag team=data", "")),
        case(&[setup], &format!("{setup} --no-dedupe --pattern nonzero-exit")),
        case(&[setup], &format!("{setup} --slack-webhook-parameter /mine/webhook")),
        case(&[setup], &format!("{setup} --log-retention never")),
    ];
    // All changes by hand: a webhook that was stored by hand needs --adopt, the other changes do not.
    for parameter in [true, false] {
        let line = if parameter { format!("{all} --adopt parameter/webhook") } else { all.clone() };
        cases.push(by_hand(flags, &line, move |hand| {
            async move {
                hand.iam.create_policy().policy_name("extra").policy_document("{}").send().await.unwrap();
                let mut changed = BTreeSet::new();
                for (id, path, change) in changes_by_hand() {
                    // A single change of the targets represents all: each further change would start from the result of
                    // the one before.
                    let is_another_target = path.starts_with("/targets/notifier");
                    let is_there = (id != "role/notifier" || flags != OWN_ROLE) && !OF_SCHEDULES.contains(&id);
                    if (id == "parameter/webhook") == parameter
                        && is_there
                        && changed.insert((id, path))
                        && !is_another_target
                        // Only a run with the webhook can remove the parameter's policies.
                        && path != "/policies"
                    {
                        change(&hand).await;
                        // Functions and tables accept one change at a time.
                        tokio::time::sleep(Duration::from_secs(10)).await;
                    }
                }
            }
            .boxed_local()
        }));
    }
    match flags {
        // The stack's own role is removed, or an instance profile prevents that: the actions that read the role are needed only if
        // the role exists.
        OWN_ROLE => {
            let goes = by_hand("", &all, |hand| async move { attach(&hand).await }.boxed_local());
            let held = by_hand("", &all, |hand| async move { put_into_profile(&hand).await }.boxed_local());
            cases.splice(0..0, [goes, Case { code: 1, ..held }]);
        }
        BOUNDARY => cases.push(case(&["setup --cluster batch --yes"], &all)),
        _ => cases.push(case(&[setup], &format!("{setup} {BOUNDARY}"))),
    }
    cases.into_iter().map(|case| Case { flags, ..case }).collect()
}

/// The resources that the policy of `schedules` changes.
const OF_SCHEDULES: [&str; 2] = ["role/watch", "watch/schedules"];

/// Returns the cases of `setup` with schedules, with these flags of the role in every command line.
fn of_schedules(flags: &'static str) -> Vec<Case> {
    let setup = format!("setup --cluster batch --reset --yes --tag team=data {flags}");
    let setup = setup.trim_end();
    let expect = format!("{setup} {EXPECT}");
    let held = |line: &str| {
        let hold = |hand: Hand| async move { put_role_into_profile(&hand, WATCH_ROLE).await }.boxed_local();
        let before = if flags == BOUNDARY { format!("{EXPECT} {BOUNDARY}") } else { EXPECT.to_owned() };
        Case { code: 1, ..by_hand(&before, line, hold) }
    };
    let mut cases =
        vec![case(&[&expect], &expect), case(&[], &expect), case(&[&expect], &expect.replace("--tag team=data", ""))];
    cases.push(by_hand(&format!("{flags} {EXPECT}"), &expect, move |hand| {
        async move {
            let mut changed = BTreeSet::new();
            for (id, path, change) in changes_by_hand() {
                let is_there = id == "watch/schedules" || id == "role/watch" && flags != OWN_ROLE;
                // The first change of a property is enough. After some others, no schedule could be changed by hand any more.
                if is_there && changed.insert((id, path)) {
                    change(&hand).await;
                    // Scheduler takes a role only some seconds after its trust policy was changed.
                    tokio::time::sleep(Duration::from_secs(10)).await;
                }
            }
            if flags != OWN_ROLE {
                change_watch_role(&hand).await;
            }
        }
        .boxed_local()
    }));
    // Nothing is expected any more.
    cases.push(case(&[&expect], setup));
    match flags {
        // The stack's own role is removed, or an instance profile prevents that.
        OWN_ROLE => {
            cases.push(by_hand(EXPECT, &expect, |hand| async move { change_watch_role(&hand).await }.boxed_local()));
            cases.push(held(&expect));
        }
        BOUNDARY => cases.extend([case(&[&expect.replace(BOUNDARY, "")], &expect), held(setup)]),
        _ => cases.extend([case(&[&expect], &format!("{expect} {BOUNDARY}")), held(setup)]),
    }
    cases.into_iter().map(|case| Case { flags, ..case }).collect()
}

/// Changes by hand what only setup with the right to change the role can repair.
async fn change_watch_role(hand: &Hand) {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    hand.iam.create_policy().policy_name("more").policy_document(policy).send().await.unwrap();
    let more = "arn:aws:iam::123456789012:policy/more";
    hand.iam.attach_role_policy().role_name(WATCH_ROLE).policy_arn(more).send().await.unwrap();
    let call = hand.iam.put_role_policy().role_name(WATCH_ROLE).policy_name("more").policy_document(policy);
    call.send().await.unwrap();
    hand.iam.update_role().role_name(WATCH_ROLE).description("mine").send().await.unwrap();
    let call = hand.iam.put_role_permissions_boundary().role_name(WATCH_ROLE).permissions_boundary(more);
    call.send().await.unwrap();
}

fn of_teardown() -> Vec<Case> {
    let teardown = "teardown --cluster batch --yes";
    let held = by_hand("", teardown, |hand| async move { put_into_profile(&hand).await }.boxed_local());
    vec![
        by_hand(EXPECT, teardown, |_| async {}.boxed_local()),
        Case { code: 1, ..held },
        by_hand("", teardown, |hand| {
            async move {
                attach(&hand).await;
                let call = hand.dynamodb.update_table().table_name(support::hand::TABLE);
                call.deletion_protection_enabled(true).send().await.unwrap();
                protect_log(&hand).await;
            }
            .boxed_local()
        }),
    ]
}

async fn protect_log(hand: &Hand) {
    let call = hand.logs.put_log_group_deletion_protection().log_group_identifier(support::hand::GROUP);
    call.deletion_protection_enabled(true).send().await.unwrap();
}

/// Returns a case that follows setup, with a notifier that logs this line.
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
    Case { prepare, line: line.to_owned(), code, flags: "" }
}

/// Returns a case with a schedule and a rule that start tasks. Without `--cluster`, `jobs` finds the clusters in the rules of the stack.
fn with_jobs() -> Case {
    let prepare: Prepare = Box::new(|aws| {
        async move {
            assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
            let hand = Hand::of(&aws);
            hand.starts("nightly", "cron(0 3 * * ? *)", "nightly-report").await;
            hand.starts_by_rule("hourly", "rate(1 hour)", "import", aws_sdk_eventbridge::types::RuleState::Enabled)
                .await;
        }
        .boxed_local()
    });
    Case { prepare, line: "jobs --stack batch".to_owned(), code: 0, flags: "" }
}

const TASK: &str = "arn:aws:ecs:us-east-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";

fn cases(command: &str) -> Vec<Case> {
    let sent = json!({ "outcome": "sent", "ms": { "post": 1 },
        "destinations": [{ "name": "webhook", "kind": "slack", "outcome": "sent", "status": 200, "ms": 1 }] });
    match command {
        "setup" => of_setup(""),
        "setup within a boundary" => of_setup(BOUNDARY),
        "setup with an own role" => of_setup(OWN_ROLE),
        "schedules" => of_schedules(""),
        "schedules within a boundary" => of_schedules(BOUNDARY),
        "schedules with an own role" => of_schedules(OWN_ROLE),
        "drift" => {
            let all = format!("{ALL} {EXPECT}");
            vec![case(&[&format!("setup --cluster batch --yes {all}")], &format!("drift --cluster batch {all}"))]
        }
        "teardown" => of_teardown(),
        "teardown with an own role" => {
            let teardown = by_hand(&format!("{OWN_ROLE} {EXPECT}"), "teardown --cluster batch --yes", |hand| {
                async move {
                    let call = hand.dynamodb.update_table().table_name(support::hand::TABLE);
                    call.deletion_protection_enabled(true).send().await.unwrap();
                    protect_log(&hand).await;
                }
                .boxed_local()
            });
            vec![Case { flags: OWN_ROLE, ..teardown }]
        }
        "drill" => vec![
            // The drill looks in the queue for an event that the notifier's log does not mention.
            after_setup("drill --cluster batch --timeout 1", None, 1),
            after_setup("drill --cluster batch", Some(sent), 0),
        ],
        "replay" => vec![
            after_setup("replay --cluster batch --yes", Some(sent), 0),
            after_setup("replay --cluster batch --purge --yes", None, 0),
        ],
        "status" => vec![after_setup("status --cluster batch", None, 2)],
        "jobs" => vec![with_jobs()],
        "pattern-test" => vec![after_setup(&format!("pattern test --task {TASK}"), None, 0)],
        "notify" => vec![after_setup("notify broken", None, 0)],
        other => panic!("{other}"),
    }
}

async fn policy(command: &str, flags: &str) -> Value {
    let command = command.split(' ').next().unwrap();
    taskbell(&Aws::new().await, &format!("permissions --cluster batch --for {command} {flags}")).await.json()
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
        let policy = policy(command, case.flags).await;
        granted = actions(&policy);
        // The schedules need the policy of setup as well.
        let other = match command.starts_with("schedules") {
            true => self::policy("setup", case.flags).await,
            false => json!({ "Statement": [] }),
        };
        let mut aws = prepared(&case).await;
        let outcome = with_policy(&aws, &case, both(&policy, &other)).await;
        assert!(outcome.code == case.code && !was_refused(&outcome), "{}: {outcome:?}", case.line);
        // Remove each action in the first case that needs it.
        let needed = aws.needed().into_iter().filter(|(need, context)| !iam::allows(&other, need, context));
        let needed: BTreeSet<String> = needed.map(|((action, _), _)| action).collect();
        for action in needed.intersection(&granted).filter(|action| tried.insert((*action).clone())) {
            if !aws.writes().is_empty() {
                aws = prepared(&case).await;
            }
            let outcome = with_policy(&aws, &case, both(&without(&policy, action), &other)).await;
            let told = format!("{}{}", outcome.out, outcome.err);
            // Without the list of clusters, `status` says so, and shows the stack.
            let is_needed = outcome.code != 0 || (command == "status" && action == "ecs:ListClusters");
            assert!(is_needed && told.contains(action), "{} without {action}: {outcome:?}", case.line);
        }
    }
    let unneeded: Vec<&String> = granted.difference(&tried).collect();
    assert!(unneeded.is_empty(), "{command} never needs {unneeded:?}");
    println!("{command}: {} actions, taken away one at a time", granted.len());
}

/// Returns a document with the statements of both.
fn both(policy: &Value, other: &Value) -> Value {
    let statements = [policy, other].into_iter().flat_map(|policy| policy["Statement"].as_array().unwrap());
    json!({ "Statement": statements.collect::<Vec<_>>() })
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
    setup_within_a_boundary_needs_all_of_its_policy_and_nothing_else "setup within a boundary"
    setup_with_an_own_role_needs_all_of_its_policy_and_nothing_else "setup with an own role"
    schedules_need_all_of_their_policy_and_nothing_else "schedules"
    schedules_within_a_boundary_need_all_of_their_policy_and_nothing_else "schedules within a boundary"
    schedules_with_an_own_role_need_all_of_their_policy_and_nothing_else "schedules with an own role"
    drift_needs_all_of_its_policy_and_nothing_else "drift"
    teardown_needs_all_of_its_policy_and_nothing_else "teardown"
    teardown_with_an_own_role_needs_all_of_its_policy_and_nothing_else "teardown with an own role"
    drill_needs_all_of_its_policy_and_nothing_else "drill"
    replay_needs_all_of_its_policy_and_nothing_else "replay"
    status_needs_all_of_its_policy_and_nothing_else "status"
    jobs_needs_all_of_its_policy_and_nothing_else "jobs"
    pattern_test_needs_all_of_its_policy_and_nothing_else "pattern-test"
    notify_needs_all_of_its_policy_and_nothing_else "notify"
}

#[tokio::test(start_paused = true)]
async fn role_in_an_instance_profile_is_kept_with_a_hint() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    put_into_profile(&Hand::of(&aws)).await;
    aws.enforce(policy("teardown", "").await);
    let teardown = taskbell(&aws, "teardown --cluster batch --yes").await;
    assert!(teardown.err.contains("is in the instance profile somebodys"), "{teardown:?}");
    assert!(teardown.err.contains("hint: remove it from the instance profile somebodys, then"), "{teardown:?}");
}

/// Checks that the policy printed for a boundary does not allow a role without that boundary.
#[tokio::test(start_paused = true)]
async fn policy_for_a_boundary_denies_setup_without_it() {
    let setup = "setup --cluster batch --yes";
    let aws = Aws::new().await;
    aws.enforce(policy("setup", BOUNDARY).await);
    for line in [setup.to_owned(), format!("{setup} --permissions-boundary arn:aws:iam::aws:policy/Other")] {
        let refused = taskbell(&aws, &line).await;
        assert!(refused.code == 1 && refused.err.contains("iam:CreateRole"), "{refused:?}");
    }
    let within = taskbell(&aws, &format!("{setup} {BOUNDARY}")).await;
    assert_eq!(within.code, 0, "{within:?}");
    let released = taskbell(&aws, &format!("{setup} --reset")).await;
    assert!(released.code == 1 && released.err.contains("iam:DeleteRolePermissionsBoundary"), "{released:?}");
}

/// Checks that the policy of setup alone makes no schedule and no role for one, and that the hint names the policy that does.
#[tokio::test(start_paused = true)]
async fn setup_with_schedules_needs_two_policies() {
    let aws = Aws::new().await;
    let setup = format!("setup --cluster batch --yes {EXPECT}");
    let (own, schedules) = (policy("setup", "").await, policy("schedules", "").await);
    aws.enforce(own.clone());
    let refused = taskbell(&aws, &setup).await;
    assert!(refused.code == 1 && refused.err.contains("iam:CreateRole"), "{refused:?}");
    let hint = "hint: `taskbell permissions --for setup` and `--for schedules` print the policies";
    assert!(refused.err.contains(hint), "{refused:?}");
    aws.enforce(both(&own, &schedules));
    let made = taskbell(&aws, &setup).await;
    assert_eq!(made.code, 0, "{made:?}");
    // To remove the schedules needs both as well.
    aws.enforce(own);
    let unread = taskbell(&aws, "setup --cluster batch --reset --yes").await;
    assert!(unread.code == 3 && unread.out.contains("scheduler:ListTagsForResource"), "{unread:?}");
    assert!(format!("{unread:?}").contains(hint), "{unread:?}");
}

#[tokio::test(start_paused = true)]
async fn permissions_accepts_only_a_valid_account() {
    let aws = Aws::new().await;
    let sdk = aws.sdk().to_builder().region(Region::new("cn-north-1")).build();
    let line = "permissions --cluster batch --for drift --account 210987654321";
    let told = run_with(sdk, line, None, CancellationToken::new()).await;
    assert_eq!((told.code, aws.calls().len()), (0, 0), "{told:?}");
    let function = "arn:aws-cn:lambda:cn-north-1:210987654321:function:taskbell-batch";
    assert!(told.out.contains(function) && !told.out.contains("arn:aws:"), "{told:?}");
    assert_eq!(taskbell(&aws, "permissions --cluster batch --account 12").await.code, 64);
    assert_eq!(taskbell(&aws, "permissions --cluster batch --for nothing").await.code, 64);
}

/// The condition keys in taskbell's policies that have at most one value in a request (String, ARN in IAM's reference).
const OF_ONE_VALUE: [&str; 11] = [
    "aws:RequestTag/taskbell:stack",
    "aws:ResourceTag/taskbell:exported",
    "aws:ResourceTag/taskbell:stack",
    "aws:SourceAccount",
    "aws:SourceArn",
    "ecs:cluster",
    "iam:PassedToService",
    "iam:PermissionsBoundary",
    "kms:EncryptionContext:PARAMETER_ARN",
    "kms:ViaService",
    "lambda:FunctionArn",
];

/// Checks the printed policies, and those of the role, the queue and the function.
#[tokio::test(start_paused = true)]
async fn no_plain_operator_compares_a_key_with_many_values() {
    let mut documents = Vec::new();
    for command in
        ["setup", "schedules", "drift", "teardown", "drill", "replay", "status", "jobs", "pattern-test", "notify"]
    {
        for flags in ["", BOUNDARY, OWN_ROLE] {
            documents.push(policy(command, flags).await);
        }
    }
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    hand.store("/mine/webhook").await;
    let line = "setup --cluster batch --yes --slack-webhook-parameter /mine/webhook --expect nightly,every=26h";
    let setup = taskbell(&aws, line).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let watch = hand.iam.get_role().role_name(WATCH_ROLE).send().await.unwrap().role.unwrap();
    documents.push(Policy::parse(&watch.assume_role_policy_document.unwrap()).document());
    let role = hand.iam.get_role_policy().role_name(support::hand::ROLE).policy_name("notifier").send().await.unwrap();
    documents.push(Policy::parse(&role.policy_document).document());
    let function = hand.lambda.get_policy().function_name(support::hand::FUNCTION).send().await.unwrap();
    documents.push(Policy::parse(&function.policy.unwrap()).document());
    let url = hand.sqs.get_queue_url().queue_name(support::hand::QUEUE).send().await.unwrap().queue_url.unwrap();
    let queue = hand.sqs.get_queue_attributes().queue_url(url).attribute_names(Attribute::Policy).send().await.unwrap();
    documents.push(Policy::parse(&queue.attributes.unwrap()[&Attribute::Policy]).document());
    let mut seen = BTreeSet::new();
    for document in &documents {
        for (operator, key, _) in document["Statement"].as_array().unwrap().iter().flat_map(iam::conditions) {
            let of_many = iam::OF_MANY_VALUES.contains(&key);
            assert!(of_many || OF_ONE_VALUE.contains(&key), "is {key} a key of many values? {document:#}");
            let is_set = operator.starts_with("ForAllValues:") || operator.starts_with("ForAnyValue:");
            assert!(!of_many || is_set || operator == "Null", "{operator} on {key}: {document:#}");
            // ForAllValues also holds for a request without the key.
            let is_required = document["Statement"].as_array().unwrap().iter().any(|statement| {
                iam::conditions(statement)
                    .any(|(operator, other, values)| operator == "Null" && other == key && values == ["false"])
            });
            assert!(!operator.starts_with("ForAllValues:") || is_required, "{key} may be missing: {document:#}");
            seen.insert(key.to_owned());
        }
    }
    let all: BTreeSet<String> = OF_ONE_VALUE.iter().chain(&["events:source"]).map(|key| (*key).to_owned()).collect();
    assert_eq!(seen, all);
}

fn is_read(action: &str) -> bool {
    let verb = action.split_once(':').unwrap().1;
    ["Get", "List", "Describe", "Test", "FilterLogEvents"].iter().any(|read| verb.starts_with(read))
}

/// Returns the ARNs of the resources that a stack may have.
fn arns_of(stack: &Stack, place: &Place, patterns: &[&str]) -> Vec<String> {
    let group = place.log_group_arn(&stack.log_group_name());
    let role = stack.role_name();
    let mut arns = vec![
        place.function_arn(&stack.function_name()),
        place.queue_arn(&stack.queue_name()),
        place.table_arn(&stack.table_name()),
        place.parameter_arn(&stack.parameter_name()),
        place.role_arn(&format!("/taskbell/{role}")),
        place.role_arn(&format!("/{role}")),
        place.role_arn(&format!("/taskbell/{}", stack.watch_role_name())),
        place.role_arn(&format!("/{}", stack.watch_role_name())),
        place.schedule_group_arn(&stack.schedule_group_name()),
        place.schedule_arn(&stack.schedule_group_name(), "sweep"),
        format!("{group}:*"),
        format!("{group}:log-stream:x"),
        group,
    ];
    arns.extend(["undelivered", "errors"].map(|key| place.alarm_arn(&stack.alarm_name(key))));
    let names = CATALOGUE.iter().map(|entry| entry.name).chain(patterns.iter().copied());
    arns.extend(names.map(|name| place.rule_arn(&stack.rule_name(name))));
    arns
}

proptest! {
    /// Checks stacks with names like `prod` and `prod-eu`, also with names that are too long and therefore shortened.
    #[test]
    fn policy_of_a_stack_changes_no_stack_whose_name_begins_alike(
        name in "[A-Za-z0-9_-]{1,90}", end in "-?[A-Za-z0-9_-]{1,40}", pattern in "[a-z][a-z-]{0,40}",
    ) {
        let stack = |name: &str| Stack { name: name.parse().unwrap(), region: "eu-west-1".to_owned() };
        let place = Place::of_caller("arn:aws:iam::123456789012:user/x", "123456789012", "eu-west-1");
        let (one, other) = (stack(&name), stack(&format!("{name}{end}")));
        let mine = arns_of(&one, &place, &[&pattern]);
        // The other stack is managed by taskbell, or was exported.
        let contexts = [STACK_TAG, EXPORTED_TAG].map(|tag| iam::Context::from([
            (format!("aws:ResourceTag/{tag}"), vec![other.name.to_string()]),
            (format!("aws:RequestTag/{STACK_TAG}"), vec![one.name.to_string()]),
            ("iam:PassedToService".to_owned(), vec!["lambda.amazonaws.com".to_owned()]),
        ]));
        for command in Command::ALL {
            let patterns = [pattern.clone()];
            let ground = Ground { stack: &one, place: &place, clusters: &[], own_role: None, boundary: None, patterns: &patterns };
            let policy = taskbell::permissions::policy(command, ground);
            for action in actions(&policy).into_iter().filter(|action| !is_read(action)) {
                for arn in arns_of(&other, &place, &[&pattern]).iter().filter(|arn| !mine.contains(arn)) {
                    let need = (action.clone(), arn.clone());
                    let allowed = contexts.iter().any(|context| iam::allows(&policy, &need, context));
                    prop_assert!(!allowed, "{command:?} of {} allows {action} on {arn}", one.name);
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rule_of_another_stack_with_the_same_beginning_is_out_of_reach() {
    let aws = Aws::new().await;
    for stack in ["batch", "batch-task"] {
        let setup = taskbell(&aws, &format!("setup --cluster batch --stack {stack} --yes")).await;
        assert_eq!(setup.code, 0, "{setup:?}");
    }
    let hand = Hand::of(&aws);
    let tag = |key: &str, value: &str| {
        let tag = aws_sdk_eventbridge::types::Tag::builder().key(key).value(value);
        tag.build().unwrap()
    };
    let stack = |name: &str| tag(STACK_TAG, name);
    let pattern = r#"{"source":["aws.ecs"]}"#;
    // CloudFormation or Terraform manages the rule of an exported stack.
    let exported = hand.events.put_rule().name("taskbell-batch-eu-task-failed").event_pattern(pattern);
    exported.tags(tag(EXPORTED_TAG, "batch-eu")).send().await.unwrap();
    aws.enforce(policy("setup", "").await);
    for (rule, reachable) in [
        ("taskbell-batch-task-failed", true),
        ("taskbell-batch-task-task-failed", false),
        ("taskbell-batch-eu-task-failed", false),
        ("taskbell-batch-free", true),
    ] {
        let arn = format!("arn:aws:events:us-east-1:123456789012:rule/{rule}");
        let put = hand.events.put_rule().name(rule).event_pattern(pattern).tags(stack("batch")).send().await;
        assert_eq!(put.is_ok(), reachable, "{rule}");
        let tagged = hand.events.tag_resource().resource_arn(&arn).tags(stack("batch")).send().await;
        assert_eq!(tagged.is_ok(), reachable, "{rule}");
        let untagged = hand.events.untag_resource().resource_arn(&arn).tag_keys("team").send().await;
        assert_eq!(untagged.is_ok(), reachable, "{rule}");
        let removed = hand.events.remove_targets().rule(rule).ids("notifier").send().await;
        assert_eq!(removed.is_ok(), reachable, "{rule}");
        let deleted = hand.events.delete_rule().name(rule).send().await;
        assert_eq!(deleted.is_ok(), reachable, "{rule}");
    }
    let untagged = hand.events.put_rule().name("taskbell-batch-other").event_pattern(pattern).send().await;
    assert!(untagged.is_err(), "a rule under a free name needs the stack's tag");
}

/// Checks the pattern of a file: the policy cannot know the name of its rule.
#[tokio::test(start_paused = true)]
async fn policy_covers_rules_of_own_patterns() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("quiet.json");
    std::fs::write(&file, r#"{"source":["nobody"]}"#).unwrap();
    let aws = Aws::new().await;
    aws.enforce(policy("setup", "").await);
    let line = format!("setup --cluster batch --yes --pattern {}", file.display());
    let setup = taskbell(&aws, &line).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    std::fs::write(&file, r#"{"source":["nobody","anybody"]}"#).unwrap();
    let changed = taskbell(&aws, &line).await;
    assert!(changed.code == 0 && changed.out.contains("rule/quiet"), "{changed:?}");
    let replaced = taskbell(&aws, "setup --cluster batch --yes --pattern task-failed").await;
    assert!(replaced.code == 0 && replaced.out.contains("- rule/quiet"), "{replaced:?}");
    assert_eq!(taskbell(&aws, &line).await.code, 0);
    aws.enforce(policy("teardown", "").await);
    let teardown = taskbell(&aws, "teardown --cluster batch --yes").await;
    assert_eq!(teardown.code, 0, "{teardown:?}");
}

/// Checks that the policy names the rules of the patterns in `taskbell.toml`.
#[tokio::test(start_paused = true)]
async fn policy_names_the_rules_of_configured_patterns() {
    let folder = tempfile::tempdir().unwrap();
    let (file, config) = (folder.path().join("quiet.json"), folder.path().join("taskbell.toml"));
    std::fs::write(&file, r#"{"source":["nobody"]}"#).unwrap();
    let text = format!("[[stack]]\nclusters = [\"batch\"]\npatterns = [\"task-failed\", {file:?}]\n");
    std::fs::write(&config, text).unwrap();
    let aws = Aws::new().await;
    let printed = taskbell(&aws, &format!("permissions --config {} --stack batch", config.display())).await;
    assert_eq!(printed.code, 0, "{printed:?}");
    let rule = "arn:aws:events:us-east-1:123456789012:rule/taskbell-batch-quiet".to_owned();
    let put = ("events:PutRule".to_owned(), rule);
    assert!(iam::allows(&printed.json(), &put, &iam::Context::new()), "{printed:?}");
    assert!(!iam::allows(&policy("setup", "").await, &put, &iam::Context::new()));
}

/// Checks the look for the stack of several clusters: the stack may have the name of each of them, also of a glob.
#[tokio::test(start_paused = true)]
async fn policy_of_several_clusters_finds_the_stack_that_has_the_name_of_a_glob() {
    const CLUSTERS: &str = "--cluster batch --cluster 'prod-*'";
    let aws = Aws::new().await;
    let printed = |command: &str| format!("permissions --for {command} {CLUSTERS}");
    let get = |stack: &str| {
        let arn = format!("arn:aws:lambda:us-east-1:123456789012:function:taskbell-{stack}");
        ["lambda:GetFunction", "lambda:ListTags"].map(|action| (action.to_owned(), arn.clone()))
    };
    for command in ["setup", "drift", "teardown", "drill", "replay", "status", "jobs", "pattern-test"] {
        let policy = taskbell(&aws, &printed(command)).await.json();
        for need in ["batch", "prod-all"].into_iter().flat_map(get) {
            assert!(iam::allows(&policy, &need, &iam::Context::new()), "{command} {need:?}: {policy:#}");
        }
    }
    let policy = taskbell(&aws, &printed("setup")).await.json();
    aws.enforce(policy.clone());
    let setup = taskbell(&aws, &format!("setup {CLUSTERS} --yes")).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    // Without the right to look, no second stack is planned.
    let other = Aws::new().await;
    let line = format!("setup --stack prod-all {CLUSTERS} --yes");
    assert_eq!(taskbell(&other, &line).await.code, 0);
    other.forget_calls();
    other.enforce(taskbell(&other, "permissions --for setup --cluster batch").await.json());
    for line in [format!("setup {CLUSTERS} --yes"), format!("drift {CLUSTERS}")] {
        let unread = taskbell(&other, &line).await;
        assert_eq!(unread.code, 3, "{line}: {unread:?}");
        assert!(unread.err.contains("whether one of the stacks batch, prod-all exists"), "{line}: {unread:?}");
        assert!(unread.err.contains("lambda:GetFunction") && unread.err.contains("taskbell permissions"), "{unread:?}");
    }
    assert_eq!(other.writes(), [""; 0]);
}

/// Checks which printed policy the judges compare with the requests of a command line.
#[test]
fn judged_policy_belongs_to_the_command_and_its_flags() {
    let of = |line: &str| permissions_for(line, "us-east-1");
    let start = |command: &str| format!("permissions --for {command} --account {ACCOUNT} --region us-east-1");
    assert_eq!(of("drift --cluster batch --tag a=b"), [format!("{} --cluster batch", start("drift"))]);
    let of_setup = ["setup", "schedules", "drill"].map(|of| format!("{} --stack x", start(of)));
    assert_eq!(of("setup --drill --stack x --yes"), of_setup);
    assert_eq!(of("setup --stack x --expect backup,every=26h"), of_setup[..2]);
    assert_eq!(of(&format!("pattern test --task {TASK}")), [format!("{} --cluster batch", start("pattern-test"))]);
    assert_eq!(of(&format!("pattern test --task {TASK} --stack x")), [format!("{} --stack x", start("pattern-test"))]);
    assert_eq!(of("notify hello"), [start("notify")]);
    assert_eq!(of("drift batch --tag a=b"), [format!("{} --cluster batch", start("drift"))]);
    assert_eq!(of("drift --tag a=b a b --stack x"), [format!("{} --stack x", start("drift"))]);
    // AWS tells which stack is meant by several clusters.
    assert!(of("drift a b").is_empty() && of("drift --cluster a b").is_empty());
    // Without a name, the policy of no stack would be printed.
    assert!(of("pattern test event.json").is_empty() && of("setup").is_empty());
    assert!(of("setup --all --yes").is_empty() && of("import rule --cluster batch").is_empty());
}
