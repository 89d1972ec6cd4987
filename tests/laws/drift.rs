//! Checks that `drift` shows, and `setup` repairs, every property that setup promises, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ssm::types::ParameterType;
use futures_util::FutureExt;
use serde_json::Value;
use taskbell::document::diff;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::aws::{Aws, Failure, Fault, On};
use crate::support::hand::{ALARM, FUNCTION, GROUP, Hand, PARAMETER, QUEUE, ROLE, changes_by_hand, repaired};
use crate::support::strict::EXPIRY_HELD;
use crate::support::{self, WEBHOOK, run, taskbell};

const SETUP: &str = "setup --cluster batch --reset --yes --tag team=data --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call \
     --expect nightly,every=26h --expect nightly,max-runtime=2h";
const DRIFT: &str = "drift --cluster batch --reset --tag team=data --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call \
     --expect nightly,every=26h --expect nightly,max-runtime=2h --output json";

#[tokio::test(start_paused = true)]
async fn each_property_changed_by_hand_is_shown_alone_and_repaired() {
    let aws = Aws::new().await;
    let setup = taskbell(&aws, SETUP).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let hand = Hand::of(&aws);
    hand.iam.create_policy().policy_name("extra").policy_document("{}").send().await.unwrap();
    let (_folder, file) = fleet();
    assert_eq!(taskbell(&aws, &format!("setup --stack beside --yes --config {file}")).await.code, 0);
    let together = format!("drift --stack batch --stack beside --output json --config {file}");
    assert_eq!(taskbell(&aws, &together).await.code, 0);
    let goal = aws.everything().await;
    for (id, path, change) in changes_by_hand() {
        change(&hand).await;
        let drift = taskbell(&aws, DRIFT).await;
        assert_eq!(drift.code, 2, "{id}{path} is not seen: {drift:?}");
        let plan = drift.json();
        let steps = plan["steps"].as_array().unwrap();
        assert_eq!((steps.len(), &steps[0]["id"]), (1, &Value::from(id)), "{id}{path}: {plan:#}");
        for shown in steps[0]["changes"].as_array().unwrap() {
            let place = shown["path"].as_str().unwrap();
            assert!(place.starts_with(path) || follows(place, path), "{id}{path}: {shown:#}");
            assert_eq!(shown["cause"], "changed outside taskbell", "{id}{path}: {shown:#}");
        }
        // As one of several stacks, the stack is first compared with what AWS lists of all of them.
        let fleet = taskbell(&aws, &together).await.json();
        assert_eq!(fleet["stacks"][0]["steps"], plan["steps"], "{id}{path}: {fleet:#}");
        let repaired = repaired(&aws, SETUP).await;
        assert_eq!(repaired.code, 0, "{id}{path} is not repaired: {repaired:?}");
        assert_eq!(taskbell(&aws, DRIFT).await.code, 0, "{id}{path}");
        if id != "parameter/webhook" {
            let left = diff(&goal, &aws.everything().await);
            let left: Vec<_> = left.iter().filter(|change| !change.path.contains("slack-webhook-url")).collect();
            assert!(left.is_empty(), "{id}{path}: {left:#?}");
        }
    }
}

/// Returns a file with the stack of these tests, and one beside it.
fn fleet() -> (TempDir, String) {
    let text = "[[stack]]\nname = \"batch\"\nclusters = [\"batch\"]\ntags = { team = \"data\" }\n\
        alarm_topic = \"arn:aws:sns:us-east-1:123456789012:on-call\"\n\
        job = [\"nightly,every=26h\", \"nightly,max-runtime=2h\"]\n\
        [[stack]]\nname = \"beside\"\nclusters = [\"web\"]\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taskbell.toml");
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    (folder, file)
}

/// Checks whether a change of the first property also shows at the second: a function with another role is no longer bound to the
/// stack's role, and the webhook in a parameter that was stored by hand is unknown.
fn follows(place: &str, path: &str) -> bool {
    let pairs = [
        ("/role", "/bound_to_current_role"),
        ("/stored_by_taskbell", "/webhook"),
        ("/policies", "/stored_by_taskbell"),
        ("/policies", "/webhook"),
        // There can be no more datapoints than periods.
        ("/datapoints_to_alarm", "/evaluation_periods"),
    ];
    pairs.contains(&(path, place))
}

#[tokio::test(start_paused = true)]
async fn changes_by_hand_cover_every_promised_property() {
    let aws = Aws::new().await;
    let dry = taskbell(&aws, "setup --cluster batch --yes --tag team=data").await;
    assert_eq!(dry.code, 0);
    let covered: BTreeSet<String> =
        changes_by_hand().iter().map(|(id, path, _)| format!("{id}/{}", top(path))).collect();
    // Properties that no change of an existing resource can alter.
    let cannot = [
        "parameter/webhook/type",
        "parameter/webhook/key",
        "log_group/notifier/class",
        "role/notifier/path",
        "table/announcements/key",
        "parameter/webhook/webhook",
        "function/notifier/architecture",
        "rule/task-failed/role",
        // Somebody else's, which setup leaves.
        "alarm/undelivered/mute_rules",
        // Somebody else's, which setup leaves.
        "queue/undelivered/consumers",
    ];
    for (id, fields) in promised() {
        for field in fields {
            let property = format!("{id}/{field}");
            assert!(
                covered.contains(&property) || cannot.contains(&property.as_str()),
                "{property} has no change by hand"
            );
        }
    }
}

/// Returns the property of a path: of a schedule, if the path leads to one.
fn top(path: &str) -> &str {
    let mut steps = path.split('/').skip(1);
    let first = steps.next().unwrap();
    steps.nth(1).filter(|_| first == "schedules").unwrap_or(first)
}

/// Returns the fields of every kind's spec, as serde names them.
#[allow(clippy::too_many_lines, reason = "one entry for each kind")]
fn promised() -> BTreeMap<&'static str, Vec<String>> {
    use taskbell::aws::kinds::{alarm, function, log_group, parameter, queue, role, rule, table, watch};
    use taskbell::policy::Policy;
    let policy = || Policy::parse("{}");
    let fields = |spec: Value| spec.as_object().unwrap().keys().cloned().collect();
    let parameter = parameter::Spec::holding(None);
    let log_group = log_group::Spec {
        class: String::new(),
        retention_days: None,
        subscriptions: BTreeMap::new(),
        deletion_protection: false,
    };
    let queue = queue::Spec {
        retention_seconds: 0,
        visibility_timeout_seconds: 0,
        delay_seconds: 0,
        max_message_bytes: 0,
        managed_encryption: true,
        policy: policy(),
        redrive: None,
        redrive_allow: None,
        consumers: BTreeMap::new(),
    };
    let table = table::Spec::of_announcements();
    let role = role::Spec {
        path: String::new(),
        trust: policy(),
        description: String::new(),
        max_session_seconds: 0,
        permissions_boundary: None,
        policies: BTreeMap::new(),
        attached: BTreeSet::new(),
    };
    let function = function::Spec {
        runtime: String::new(),
        handler: String::new(),
        architecture: String::new(),
        memory_mib: 0,
        timeout_seconds: 0,
        description: String::new(),
        role: String::new(),
        bound_to_current_role: None,
        code_sha256: String::new(),
        code_signing: None,
        environment: BTreeMap::new(),
        kms_key: None,
        log_format: String::new(),
        log_level: String::new(),
        system_log_level: String::new(),
        log_group: String::new(),
        layers: Vec::new(),
        in_vpc: false,
        file_systems: Vec::new(),
        ephemeral_storage_mib: 0,
        tracing: String::new(),
        dead_letter: None,
        event_sources: BTreeMap::new(),
        reserved_concurrency: None,
        permissions: BTreeMap::new(),
        failed_invocations: None,
    };
    let trigger = rule::Spec {
        pattern: Value::Null,
        state: String::new(),
        description: String::new(),
        schedule: None,
        role: None,
        targets: BTreeMap::new(),
    };
    let schedule = watch::Schedule {
        expression: String::new(),
        time_zone: String::new(),
        state: String::new(),
        description: String::new(),
        window_minutes: None,
        starts: None,
        ends: None,
        after_completion: String::new(),
        kms_key: None,
        target: String::new(),
        role: String::new(),
        input: Value::Null,
        max_event_age_seconds: None,
        max_retry_attempts: None,
        dead_letter_queue: None,
    };
    let of_schedule: Vec<String> =
        serde_json::to_value(schedule).unwrap().as_object().unwrap().keys().cloned().collect();
    let alarm = alarm::Spec {
        description: String::new(),
        namespace: String::new(),
        metric: String::new(),
        dimensions: BTreeMap::new(),
        statistic: String::new(),
        unit: None,
        period_seconds: 0,
        evaluation_periods: 0,
        datapoints_to_alarm: 0,
        comparison: String::new(),
        threshold: 0.0,
        missing_data: String::new(),
        enabled: true,
        alarm_actions: Vec::new(),
        ok_actions: Vec::new(),
        insufficient_data_actions: Vec::new(),
        mute_rules: BTreeSet::new(),
    };
    BTreeMap::from([
        ("alarm/undelivered", fields(serde_json::to_value(alarm).unwrap())),
        ("watch/schedules", of_schedule),
        ("parameter/webhook", fields(serde_json::to_value(parameter).unwrap())),
        ("log_group/notifier", fields(serde_json::to_value(log_group).unwrap())),
        ("queue/undelivered", fields(serde_json::to_value(queue).unwrap())),
        ("table/announcements", fields(serde_json::to_value(table).unwrap())),
        ("role/notifier", fields(serde_json::to_value(role).unwrap())),
        ("function/notifier", fields(serde_json::to_value(function).unwrap())),
        ("rule/task-failed", fields(serde_json::to_value(trigger).unwrap())),
    ])
}

#[tokio::test(start_paused = true)]
async fn new_webhook_counts_as_a_change_of_the_configuration() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let other = WEBHOOK.replace("B00000000", "B11111111");
    let drift = run(&aws, DRIFT, Some(&other), CancellationToken::new()).await;
    let change = &drift.json()["steps"][0]["changes"][0];
    assert_eq!(
        (change["path"].as_str(), change["cause"].as_str()),
        (Some("/webhook"), Some("your configuration changed"))
    );
    let setup = run(&aws, SETUP, Some(&other), CancellationToken::new()).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    assert_eq!(run(&aws, DRIFT, Some(&other), CancellationToken::new()).await.code, 0);
    assert_eq!(run(&aws, DRIFT, None, CancellationToken::new()).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn webhook_stored_by_hand_is_reported_and_can_be_adopted() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let hand = Hand::of(&aws);
    hand.ssm
        .put_parameter()
        .name(PARAMETER)
        .value("new")
        .overwrite(true)
        .r#type(ParameterType::SecureString)
        .send()
        .await
        .unwrap();
    let none = CancellationToken::new;
    assert_eq!(run(&aws, DRIFT, None, none()).await.code, 2);
    aws.forget_calls();
    let setup = run(&aws, SETUP, None, none()).await;
    assert_eq!((setup.code, aws.writes().len()), (64, 0), "{setup:?}");
    let adopted = run(&aws, &format!("{SETUP} --adopt parameter/webhook"), None, none()).await;
    assert_eq!(adopted.code, 0, "{adopted:?}");
    assert!(!aws.writes().contains(&"ssm:PutParameter".to_owned()));
    assert_eq!(run(&aws, DRIFT, None, none()).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn ignored_difference_is_neither_shown_nor_repaired() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let hand = Hand::of(&aws);
    hand.configure().memory_size(1024).timeout(7).send().await.unwrap();
    let drift = taskbell(&aws, &format!("{DRIFT} --ignore function/*/memory_mib")).await;
    assert_eq!(drift.json()["steps"][0]["changes"].as_array().unwrap().len(), 1);
    assert_eq!(taskbell(&aws, &format!("{SETUP} --ignore function/*/memory_mib")).await.code, 0);
    let function = hand.lambda.get_function_configuration().function_name(FUNCTION).send().await.unwrap();
    assert_eq!((function.memory_size(), function.timeout()), (Some(1024), Some(30)));
    assert_eq!(taskbell(&aws, &format!("{DRIFT} --ignore function/*/memory_mib")).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn recreated_role_gets_its_grants_back() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let hand = Hand::of(&aws);
    hand.iam.delete_role_policy().role_name(ROLE).policy_name("notifier").send().await.unwrap();
    hand.iam.delete_role().role_name(ROLE).send().await.unwrap();
    aws.forget_calls();
    let setup = taskbell(&aws, SETUP).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    assert!(aws.writes().contains(&"lambda:UpdateFunctionConfiguration".to_owned()), "{:?}", aws.writes());
    assert_eq!(taskbell(&aws, DRIFT).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn failed_change_is_still_attributed_to_the_configuration() {
    for (flags, action) in [
        ("--log-retention 7", "logs:PutRetentionPolicy"),
        ("--language ja", "lambda:UpdateFunctionConfiguration"),
        ("--pattern task-failed --no-drill", "events:PutRule"),
        ("--log-group /app/*", "iam:PutRolePolicy"),
    ] {
        let aws = Aws::new().await;
        assert_eq!(taskbell(&aws, SETUP).await.code, 0);
        aws.fail(Fault { failure: Failure::Denied, on: On::Action(action), nth: 0, times: 9 });
        assert_eq!(taskbell(&aws, &format!("{SETUP} {flags}")).await.code, 1, "{action}");
        aws.heal();
        let drift = taskbell(&aws, &format!("{DRIFT} {flags}")).await.json().to_string();
        assert!(drift.contains("your configuration changed"), "{drift}");
        assert!(!drift.contains("changed outside taskbell"), "{action}: {drift}");
    }
}

#[tokio::test(start_paused = true)]
async fn changed_flags_change_only_their_resources_and_rules_stay_permitted() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    aws.forget_calls();
    assert_eq!(taskbell(&aws, &format!("{SETUP} --log-retention 7")).await.code, 0);
    // The function keeps the settings.
    let kept = ["lambda:UpdateFunctionConfiguration", "lambda:TagResource"];
    assert_eq!(aws.writes(), [&["logs:PutRetentionPolicy", "logs:TagResource"], &kept[..]].concat());
    aws.forget_calls();
    let other = taskbell(&aws, &format!("{SETUP} --log-retention 7 --pattern nonzero-exit")).await;
    assert_eq!(other.code, 0, "{other:?}");
    let writes = aws.writes();
    let position = |action: &str| writes.iter().position(|write| write == action).unwrap();
    assert!(position("lambda:AddPermission") < position("events:PutTargets"), "{writes:?}");
    assert!(position("events:DeleteRule") < position("lambda:RemovePermission"), "{writes:?}");
    assert_eq!(taskbell(&aws, &format!("{DRIFT} --log-retention 7 --pattern nonzero-exit")).await.code, 0);
}

/// Checks an expiry by another attribute: DynamoDB accepts no second change within an hour, and all other resources are repaired.
#[tokio::test(start_paused = true)]
async fn expiry_that_must_wait_an_hour_stops_no_other_repair() {
    let aws = Aws::new().await;
    assert_eq!(Box::pin(taskbell(&aws, SETUP)).await.code, 0);
    let hand = Hand::of(&aws);
    Box::pin(hand.set_expiry("expiresAt", false)).await;
    Box::pin(hand.set_expiry_now("other", true)).await;
    let others = ["function/notifier/memory_mib", "rule/task-failed/state", "table/announcements/tags/team"];
    for (id, path, change) in changes_by_hand() {
        if others.contains(&&*format!("{id}{path}")) {
            change(&hand).await;
        }
    }
    for changed in [4, 1] {
        let drift = Box::pin(taskbell(&aws, DRIFT)).await.json();
        let changes = drift["steps"].as_array().unwrap().iter().map(|step| step["changes"].as_array().unwrap().len());
        assert_eq!(changes.sum::<usize>(), changed, "{drift:#}");
        let start = tokio::time::Instant::now();
        let setup = Box::pin(taskbell(&aws, SETUP)).await;
        assert_eq!(setup.code, 1, "{setup:?}");
        assert!(setup.err.contains("one change of a table's expiry an hour"), "{setup:?}");
        assert!(setup.err.contains("hint: run the same command again in an hour"), "{setup:?}");
        assert!(setup.err.contains("failed: table/announcements\nnot started: nothing"), "{setup:?}");
        assert!(start.elapsed().as_secs() < 60, "waited {:?} for what cannot change", start.elapsed());
    }
    tokio::time::sleep(EXPIRY_HELD).await;
    // The change of the attribute needs two calls.
    let half = Box::pin(taskbell(&aws, SETUP)).await;
    assert_eq!(half.code, 1, "{half:?}");
    tokio::time::sleep(EXPIRY_HELD).await;
    assert_eq!(Box::pin(taskbell(&aws, SETUP)).await.code, 0);
    assert_eq!(Box::pin(taskbell(&aws, DRIFT)).await.code, 0);
}

/// Checks a function that takes alerts out of the queue: it is shown, and stays, and everything else is repaired.
#[tokio::test(start_paused = true)]
async fn consumer_of_the_queue_is_shown_and_left_to_its_owner() {
    let aws = Aws::new().await;
    assert_eq!(Box::pin(taskbell(&aws, SETUP)).await.code, 0);
    let hand = Hand::of(&aws);
    let role = Box::pin(hand.iam.get_role().role_name(ROLE).send()).await.unwrap().role.unwrap().arn;
    let code = aws_sdk_lambda::types::FunctionCode::builder();
    let code = code.zip_file(aws_sdk_lambda::primitives::Blob::new("x")).build();
    let call = hand.lambda.create_function().function_name("taskbell-batch-2").role(role).code(code);
    let call = call.runtime(aws_sdk_lambda::types::Runtime::Nodejs22x).handler("index.handler");
    Box::pin(call.send()).await.unwrap();
    let consume = |queue: &str| {
        let call = hand.lambda.create_event_source_mapping().function_name("taskbell-batch-2").batch_size(1);
        call.event_source_arn(format!("arn:aws:sqs:us-east-1:123456789012:{queue}")).send().boxed()
    };
    consume("other").await.unwrap();
    assert_eq!(Box::pin(taskbell(&aws, DRIFT)).await.code, 0);
    let mapping = consume(QUEUE).await.unwrap().uuid.unwrap();
    Box::pin(hand.set_queue(aws_sdk_sqs::types::QueueAttributeName::DelaySeconds, "7")).await;
    Box::pin(hand.events.disable_rule().name("taskbell-batch-task-failed").send()).await.unwrap();
    let setup = Box::pin(taskbell(&aws, SETUP)).await;
    assert_eq!(setup.code, 1, "{setup:?}");
    assert!(setup.err.contains("function:taskbell-batch-2 takes alerts out of the queue"), "{setup:?}");
    assert!(setup.err.contains(&format!("delete-event-source-mapping --uuid {mapping}")), "{setup:?}");
    assert!(!aws.writes().contains(&"lambda:DeleteEventSourceMapping".to_owned()));
    let drift = Box::pin(taskbell(&aws, DRIFT)).await;
    let steps = drift.json()["steps"].clone();
    let changes = steps[0]["changes"].as_array().unwrap();
    assert_eq!((drift.code, steps.as_array().unwrap().len(), changes.len()), (2, 1, 1), "{drift:?}");
    assert_eq!(changes[0]["path"], format!("/consumers/{mapping}"), "{drift:?}");
    let accepted = Box::pin(taskbell(&aws, &format!("{SETUP} --ignore queue/undelivered/consumers/*"))).await;
    assert_eq!(accepted.code, 0, "{accepted:?}");
}

/// Checks a rule that mutes an alarm: it is shown, and stays, and everything else is repaired.
#[tokio::test(start_paused = true)]
async fn mute_rule_of_an_alarm_is_shown_and_left_to_its_owner() {
    use aws_sdk_cloudwatch::types::{MuteTargets, Rule, Schedule};
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let hand = Hand::of(&aws);
    let schedule = Schedule::builder().expression("cron(0 2 * * *)").duration("PT4H").build();
    let other = MuteTargets::builder().alarm_names("somebodys").build();
    let mute = |name: &str, targets| {
        let rule = Rule::builder().schedule(schedule.clone()).build();
        hand.cloudwatch.put_alarm_mute_rule().name(name).rule(rule).mute_targets(targets).send()
    };
    mute("others", other).await.unwrap();
    assert_eq!(taskbell(&aws, DRIFT).await.code, 0);
    mute("nights", MuteTargets::builder().alarm_names(ALARM).build()).await.unwrap();
    hand.events.disable_rule().name("taskbell-batch-task-failed").send().await.unwrap();
    let setup = taskbell(&aws, SETUP).await;
    assert_eq!(setup.code, 1, "{setup:?}");
    assert!(setup.err.contains("the mute rule nights mutes the alarm"), "{setup:?}");
    assert!(setup.err.contains("--ignore 'alarm/undelivered/mute_rules/*' accepts it"), "{setup:?}");
    assert!(!aws.writes().contains(&"cloudwatch:DeleteAlarmMuteRule".to_owned()));
    let drift = taskbell(&aws, DRIFT).await;
    let steps = drift.json()["steps"].clone();
    assert_eq!((drift.code, steps.as_array().unwrap().len()), (2, 1), "{drift:?}");
    assert_eq!(steps[0]["changes"][0]["path"], "/mute_rules/0", "{drift:?}");
    let accepted = format!("{SETUP} --ignore alarm/undelivered/mute_rules/*");
    let accepted = taskbell(&aws, &accepted).await;
    assert_eq!(accepted.code, 0, "{accepted:?}");
}

/// Checks a region whose CloudWatch does not have mute rules yet.
#[tokio::test(start_paused = true)]
async fn cloudwatch_without_mute_rules_has_none() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    for code in ["UnknownOperationException", "InvalidAction"] {
        aws.refuse_next("cloudwatch:ListAlarmMuteRules", code, "no such operation", 2);
        let drift = taskbell(&aws, DRIFT).await;
        assert!(drift.code == 0 && aws.refusals_left().is_empty(), "{drift:?}");
    }
}

/// Checks a call whose answer was lost: DynamoDB may refuse its repetition as a second change.
#[tokio::test(start_paused = true)]
async fn repeated_change_of_the_expiry_is_no_remainder() {
    let aws = Aws::new().await;
    let refusal = "Time to live has been modified multiple times within a fixed interval";
    aws.meanwhile("dynamodb:UpdateTimeToLive", 0, move |aws| {
        Box::pin(async move {
            Hand::of(&aws).set_expiry_now("expiresAt", true).await;
            aws.refuse_next("dynamodb:UpdateTimeToLive", "ValidationException", refusal, 1);
        })
    });
    let setup = taskbell(&aws, SETUP).await;
    assert!(setup.code == 0 && aws.has_changed_meanwhile() && aws.refusals_left().is_empty(), "{setup:?}");
}

/// Checks that teardown deletes a log group that somebody protected.
#[tokio::test(start_paused = true)]
async fn protected_log_group_is_deleted() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let hand = Hand::of(&aws);
    let call = hand.logs.put_log_group_deletion_protection().log_group_identifier(GROUP);
    call.deletion_protection_enabled(true).send().await.unwrap();
    assert!(hand.logs.delete_log_group().log_group_name(GROUP).send().await.is_err());
    let teardown = taskbell(&aws, "teardown --cluster batch --yes").await;
    assert_eq!(teardown.code, 0, "{teardown:?}");
    let left = hand.logs.describe_log_groups().log_group_name_prefix(GROUP).send().await.unwrap();
    assert!(left.log_groups().is_empty(), "{left:?}");
}

/// Checks a function whose key was disabled: Lambda returns it without its environment.
#[tokio::test(start_paused = true)]
async fn disabled_key_of_the_environment_is_named() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let error = serde_json::json!({ "ErrorCode": "KMSDisabledException", "Message": "the key is disabled" });
    let configuration = serde_json::json!({ "FunctionName": FUNCTION, "Environment": { "Error": error } });
    aws.answer_next("lambda:GetFunction", [serde_json::json!({ "Configuration": configuration, "Tags": {} })]);
    let drift = taskbell(&aws, &DRIFT.replace(" --output json", "")).await;
    assert_eq!(drift.code, 3, "{drift:?}");
    assert!(drift.out.contains("KMSDisabledException") || drift.err.contains("KMSDisabledException"), "{drift:?}");
    assert!(format!("{}{}", drift.out, drift.err).contains("enable the key if it is disabled"), "{drift:?}");
}

/// Checks a log group of a class without search, which nobody can change after its creation.
#[tokio::test(start_paused = true)]
async fn class_of_the_log_group_is_shown_and_named_if_it_cannot_be_repaired() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let arn = format!("arn:aws:logs:us-east-1:123456789012:log-group:{GROUP}");
    let group = serde_json::json!({ "logGroupName": GROUP, "arn": format!("{arn}:*"), "logGroupArn": arn,
        "logGroupClass": "INFREQUENT_ACCESS", "retentionInDays": 30 });
    let answer = serde_json::json!({ "logGroups": [group] });
    // For drift, for the plan of setup, and for the read before the change.
    aws.answer_next("logs:DescribeLogGroups", [answer.clone(), answer.clone(), answer]);
    let drift = taskbell(&aws, DRIFT).await;
    assert_eq!((drift.code, &drift.json()["steps"][0]["changes"][0]["path"]), (2, &Value::from("/class")), "{drift:?}");
    let setup = taskbell(&aws, SETUP).await;
    assert_eq!(setup.code, 1, "{setup:?}");
    assert!(setup.err.contains("is INFREQUENT_ACCESS and cannot be changed"), "{setup:?}");
    assert!(setup.err.contains("hint: delete the log group and run again"), "{setup:?}");
}

/// Checks that setup names the policies of a webhook that only the user can store again.
#[tokio::test(start_paused = true)]
async fn expiring_webhook_is_named_if_it_cannot_be_stored_again() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let hand = Hand::of(&aws);
    let changes = changes_by_hand();
    let (_, _, expire) = changes.iter().find(|(_, path, _)| *path == "/policies").unwrap();
    expire(&hand).await;
    aws.forget_calls();
    let line = format!("{SETUP} --adopt parameter/webhook");
    let setup = run(&aws, &line, None, CancellationToken::new()).await;
    assert_eq!(setup.code, 1, "{setup:?}");
    assert!(setup.err.contains("has policies, which can make it expire"), "{setup:?}");
}

type Clock = fn() -> std::time::SystemTime;

#[tokio::test(start_paused = true)]
async fn runtime_near_its_end_is_a_warning_and_fails_only_if_asked() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    // AWS's support of nodejs24.x ends on 2028-04-30, day 21,304 since 1970. Cases: 181 and 180 days before it, an hour after it.
    let cases: [(Clock, Option<&str>); 3] = [
        (|| std::time::UNIX_EPOCH + std::time::Duration::from_hours(24 * (21_304 - 181)), None),
        (|| std::time::UNIX_EPOCH + std::time::Duration::from_hours(24 * (21_304 - 180)), Some("in 180 days")),
        (|| std::time::UNIX_EPOCH + std::time::Duration::from_hours(24 * 21_304 + 1), Some("AWS stopped")),
    ];
    for (clock, warned) in cases {
        for (flags, code) in [("", 0), (" --fail-on-warning", if warned.is_some() { 2 } else { 0 })] {
            let line = format!("drift --cluster batch{flags}");
            let drift = support::run_at(&aws, &line, None, CancellationToken::new(), clock).await;
            assert_eq!(drift.code, code, "{warned:?}{flags}: {drift:?}");
            assert_eq!(drift.err.contains("warning: AWS "), warned.is_some(), "{warned:?}: {drift:?}");
            assert!(drift.err.contains(warned.unwrap_or_default()), "{warned:?}: {drift:?}");
            let line = format!("{line} --output json");
            let json = support::run_at(&aws, &line, None, CancellationToken::new(), clock).await.json();
            assert_eq!(json["warnings"].as_array().unwrap().len(), usize::from(warned.is_some()));
        }
    }
}
