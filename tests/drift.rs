//! What drift sees and setup repairs: every property that setup promises, and nothing else.

#![allow(clippy::semicolon_if_nothing_returned, reason = "a table of changes, one expression each")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types as dynamodb;
use aws_sdk_eventbridge::types::{RuleState, Target};
use aws_sdk_lambda::types as lambda;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use aws_sdk_ssm::types::{ParameterType, ResourceTypeForTagging};
use futures_util::future::BoxFuture;
use serde_json::Value;
use support::aws::{ACCOUNT, Aws, Failure, Fault, On};
use support::{WEBHOOK, run, taskbell};
use taskbell::document::diff;
use tokio_util::sync::CancellationToken;

const SETUP: &str = "setup --cluster batch --yes --tag team=data";
const DRIFT: &str = "drift --cluster batch --tag team=data --output json";
const FUNCTION: &str = "taskbell-batch";
const RULE: &str = "taskbell-batch-task-failed";
const ROLE: &str = "taskbell-batch-us-east-1";
const QUEUE: &str = "taskbell-batch-undelivered";
const TABLE: &str = "taskbell-batch-announcements";
const GROUP: &str = "/aws/lambda/taskbell-batch";
const PARAMETER: &str = "/taskbell/batch/slack-webhook-url";

/// Somebody's clients.
struct Hand {
    events: aws_sdk_eventbridge::Client,
    iam: aws_sdk_iam::Client,
    lambda: aws_sdk_lambda::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    ssm: aws_sdk_ssm::Client,
}

impl Hand {
    fn of(aws: &Aws) -> Self {
        let sdk = aws.sdk();
        Self {
            events: aws_sdk_eventbridge::Client::new(&sdk),
            iam: aws_sdk_iam::Client::new(&sdk),
            lambda: aws_sdk_lambda::Client::new(&sdk),
            logs: aws_sdk_cloudwatchlogs::Client::new(&sdk),
            dynamodb: aws_sdk_dynamodb::Client::new(&sdk),
            sqs: aws_sdk_sqs::Client::new(&sdk),
            ssm: aws_sdk_ssm::Client::new(&sdk),
        }
    }

    async fn set_queue(&self, name: Attribute, value: &str) {
        let url = self.sqs.get_queue_url().queue_name(QUEUE).send().await.unwrap().queue_url.unwrap();
        self.sqs.set_queue_attributes().queue_url(url).attributes(name, value).send().await.unwrap();
    }

    async fn set_expiry(&self, attribute: &str, enabled: bool) {
        let setting = dynamodb::TimeToLiveSpecification::builder().attribute_name(attribute).enabled(enabled);
        let call = self.dynamodb.update_time_to_live().table_name(TABLE);
        call.time_to_live_specification(setting.build().unwrap()).send().await.unwrap();
    }

    async fn target(&self) -> Target {
        let targets = self.events.list_targets_by_rule().rule(RULE).send().await.unwrap();
        targets.targets()[0].clone()
    }

    async fn put_target(&self, target: Target) {
        self.events.put_targets().rule(RULE).targets(target).send().await.unwrap();
    }

    fn put_rule(&self, pattern: &str) -> aws_sdk_eventbridge::operation::put_rule::builders::PutRuleFluentBuilder {
        self.events
            .put_rule()
            .name(RULE)
            .event_pattern(pattern)
            .state(RuleState::Enabled)
            .description("taskbell: task-failed of the stack batch")
    }

    async fn pattern(&self) -> String {
        self.events.describe_rule().name(RULE).send().await.unwrap().event_pattern.unwrap()
    }

    fn configure(
        &self,
    ) -> aws_sdk_lambda::operation::update_function_configuration::builders::UpdateFunctionConfigurationFluentBuilder
    {
        self.lambda.update_function_configuration().function_name(FUNCTION)
    }

    fn invoke_config(
        &self,
    ) -> aws_sdk_lambda::operation::put_function_event_invoke_config::builders::PutFunctionEventInvokeConfigFluentBuilder
    {
        let queue = format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{QUEUE}");
        let destination = lambda::OnFailure::builder().destination(queue).build();
        self.lambda
            .put_function_event_invoke_config()
            .function_name(FUNCTION)
            .maximum_retry_attempts(2)
            .maximum_event_age_in_seconds(21600)
            .destination_config(lambda::DestinationConfig::builder().on_failure(destination).build())
    }
}

type Change = fn(&Hand) -> BoxFuture<'_, ()>;

/// A change by hand: which resource, which property it shows at, and the change.
macro_rules! changes {
    ($( $id:literal $path:literal $hand:ident => $change:expr; )*) => {
        vec![$( ($id, $path, (|$hand: &Hand| Box::pin(async move { $change; })) as Change) ),*]
    };
}

fn changes_by_hand() -> Vec<(&'static str, &'static str, Change)> {
    let mut all = foundation();
    all.extend(function());
    all.extend(rule());
    all
}

fn foundation() -> Vec<(&'static str, &'static str, Change)> {
    changes! {
        "parameter/webhook" "/stored_by_taskbell" hand =>
            hand.ssm.put_parameter().name(PARAMETER).value("other").overwrite(true).r#type(ParameterType::SecureString)
                .send().await.unwrap();
        "parameter/webhook" "/tags/team" hand =>
            hand.ssm.remove_tags_from_resource().resource_type(ResourceTypeForTagging::Parameter).resource_id(PARAMETER)
                .tag_keys("team").send().await.unwrap();
        "log_group/notifier" "/retention_days" hand =>
            hand.logs.put_retention_policy().log_group_name(GROUP).retention_in_days(7).send().await.unwrap();
        "log_group/notifier" "/retention_days" hand =>
            hand.logs.delete_retention_policy().log_group_name(GROUP).send().await.unwrap();
        "log_group/notifier" "/tags/team" hand =>
            hand.logs.tag_resource().resource_arn(format!("arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}"))
                .tags("team", "other").send().await.unwrap();
        "queue/undelivered" "/retention_seconds" hand => hand.set_queue(Attribute::MessageRetentionPeriod, "60").await;
        "queue/undelivered" "/visibility_timeout_seconds" hand => hand.set_queue(Attribute::VisibilityTimeout, "7").await;
        "queue/undelivered" "/delay_seconds" hand => hand.set_queue(Attribute::DelaySeconds, "7").await;
        "queue/undelivered" "/managed_encryption" hand => hand.set_queue(Attribute::SqsManagedSseEnabled, "false").await;
        "queue/undelivered" "/policy" hand => hand.set_queue(Attribute::Policy, r#"{"Statement":[]}"#).await;
        "queue/undelivered" "/policy" hand => hand.set_queue(Attribute::Policy,
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}]}"#).await;
        "queue/undelivered" "/tags/team" hand => {
            let url = hand.sqs.get_queue_url().queue_name(QUEUE).send().await.unwrap().queue_url.unwrap();
            hand.sqs.tag_queue().queue_url(url).tags("team", "other").send().await.unwrap()
        };
        "table/announcements" "/on_demand" hand =>
            hand.dynamodb.update_table().table_name(TABLE).billing_mode(dynamodb::BillingMode::Provisioned).send().await.unwrap();
        "table/announcements" "/deletion_protection" hand =>
            hand.dynamodb.update_table().table_name(TABLE).deletion_protection_enabled(true).send().await.unwrap();
        "table/announcements" "/expiry" hand => hand.set_expiry("expiresAt", false).await;
        "table/announcements" "/expiry" hand => {
            hand.set_expiry("expiresAt", false).await;
            hand.set_expiry("other", true).await
        };
        "table/announcements" "/tags/team" hand =>
            hand.dynamodb.untag_resource().resource_arn(format!("arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{TABLE}"))
                .tag_keys("team").send().await.unwrap();
        "role/notifier" "/trust" hand =>
            hand.iam.update_assume_role_policy().role_name(ROLE).policy_document(
                r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","ec2.amazonaws.com"]},"Action":"sts:AssumeRole"}]}"#)
                .send().await.unwrap();
        "role/notifier" "/description" hand =>
            hand.iam.update_role().role_name(ROLE).description("mine").max_session_duration(3600).send().await.unwrap();
        "role/notifier" "/max_session_seconds" hand =>
            hand.iam.update_role().role_name(ROLE).description("Notifier of the taskbell stack batch")
                .max_session_duration(7200).send().await.unwrap();
        "role/notifier" "/permissions_boundary" hand =>
            hand.iam.put_role_permissions_boundary().role_name(ROLE)
                .permissions_boundary("arn:aws:iam::aws:policy/ReadOnlyAccess").send().await.unwrap();
        "role/notifier" "/policies/notifier" hand =>
            hand.iam.put_role_policy().role_name(ROLE).policy_name("notifier")
                .policy_document(r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#).send().await.unwrap();
        "role/notifier" "/policies/notifier" hand =>
            hand.iam.delete_role_policy().role_name(ROLE).policy_name("notifier").send().await.unwrap();
        "role/notifier" "/policies/extra" hand =>
            hand.iam.put_role_policy().role_name(ROLE).policy_name("extra")
                .policy_document(r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#).send().await.unwrap();
        "role/notifier" "/attached" hand =>
            hand.iam.attach_role_policy().role_name(ROLE).policy_arn(format!("arn:aws:iam::{ACCOUNT}:policy/extra"))
                .send().await.unwrap();
        "role/notifier" "/tags/team" hand =>
            hand.iam.untag_role().role_name(ROLE).tag_keys("team").send().await.unwrap();
    }
}

fn function() -> Vec<(&'static str, &'static str, Change)> {
    changes! {
        "function/notifier" "/runtime" hand => hand.configure().runtime(lambda::Runtime::Nodejs22x).send().await.unwrap();
        "function/notifier" "/handler" hand => hand.configure().handler("other.handler").send().await.unwrap();
        "function/notifier" "/memory_mib" hand => hand.configure().memory_size(1024).send().await.unwrap();
        "function/notifier" "/timeout_seconds" hand => hand.configure().timeout(3).send().await.unwrap();
        "function/notifier" "/description" hand => hand.configure().description("mine").send().await.unwrap();
        "function/notifier" "/role" hand =>
            hand.configure().role(format!("arn:aws:iam::{ACCOUNT}:role/other")).send().await.unwrap();
        "function/notifier" "/environment" hand =>
            hand.configure().environment(lambda::Environment::builder().variables("TASKBELL_STACK", "x").build())
                .send().await.unwrap();
        "function/notifier" "/log_format" hand =>
            hand.configure().logging_config(lambda::LoggingConfig::builder().log_format(lambda::LogFormat::Text)
                .log_group(GROUP).build()).send().await.unwrap();
        "function/notifier" "/log_group" hand =>
            hand.configure().logging_config(lambda::LoggingConfig::builder().log_format(lambda::LogFormat::Json)
                .log_group("/other").build()).send().await.unwrap();
        "function/notifier" "/layers" hand =>
            hand.configure().layers(format!("arn:aws:lambda:us-east-1:{ACCOUNT}:layer:x:1")).send().await.unwrap();
        "function/notifier" "/in_vpc" hand =>
            hand.configure().vpc_config(lambda::VpcConfig::builder().subnet_ids("subnet-1").security_group_ids("sg-1").build())
                .send().await.unwrap();
        "function/notifier" "/code_sha256" hand =>
            hand.lambda.update_function_code().function_name(FUNCTION).architectures(lambda::Architecture::Arm64)
                .zip_file(aws_sdk_lambda::primitives::Blob::new("other")).send().await.unwrap();
        "function/notifier" "/reserved_concurrency" hand =>
            hand.lambda.put_function_concurrency().function_name(FUNCTION).reserved_concurrent_executions(0)
                .send().await.unwrap();
        "function/notifier" "/permissions/other" hand =>
            hand.lambda.add_permission().function_name(FUNCTION).statement_id("other").action("lambda:InvokeFunction")
                .principal("s3.amazonaws.com").send().await.unwrap();
        "function/notifier" "/permissions/taskbell-batch-task-failed" hand =>
            hand.lambda.remove_permission().function_name(FUNCTION).statement_id(RULE).send().await.unwrap();
        "function/notifier" "/permissions/taskbell-batch-task-failed" hand => {
            hand.lambda.remove_permission().function_name(FUNCTION).statement_id(RULE).send().await.unwrap();
            hand.lambda.add_permission().function_name(FUNCTION).statement_id(RULE).action("lambda:InvokeFunction")
                .principal("events.amazonaws.com").send().await.unwrap()
        };
        "function/notifier" "/failed_invocations/max_retry_attempts" hand =>
            hand.invoke_config().maximum_retry_attempts(0).send().await.unwrap();
        "function/notifier" "/failed_invocations/max_event_age_seconds" hand =>
            hand.invoke_config().maximum_event_age_in_seconds(60).send().await.unwrap();
        "function/notifier" "/failed_invocations/destination" hand =>
            hand.invoke_config().destination_config(lambda::DestinationConfig::builder().on_failure(
                lambda::OnFailure::builder().destination(format!("arn:aws:sqs:us-east-1:{ACCOUNT}:other")).build()).build())
                .send().await.unwrap();
        "function/notifier" "/tags/team" hand =>
            hand.lambda.untag_resource().resource(format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:{FUNCTION}"))
                .tag_keys("team").send().await.unwrap();
        "function/notifier" "/bound_to_current_role" hand =>
            hand.lambda.tag_resource().resource(format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:{FUNCTION}"))
                .tags("taskbell:role-id", "AROAOLD").send().await.unwrap();
    }
}

fn rule() -> Vec<(&'static str, &'static str, Change)> {
    changes! {
        "rule/task-failed" "/pattern" hand =>
            hand.put_rule(&hand.pattern().await.replace("STOPPED", "RUNNING")).send().await.unwrap();
        "rule/task-failed" "/state" hand => hand.events.disable_rule().name(RULE).send().await.unwrap();
        "rule/task-failed" "/description" hand =>
            hand.put_rule(&hand.pattern().await).description("mine").send().await.unwrap();
        "rule/task-failed" "/schedule" hand =>
            hand.put_rule(&hand.pattern().await).schedule_expression("rate(1 day)").send().await.unwrap();
        "rule/task-failed" "/targets/extra" hand => {
            let target = Target::builder().id("extra").arn(format!("arn:aws:sqs:us-east-1:{ACCOUNT}:q")).build().unwrap();
            hand.put_target(target).await
        };
        "rule/task-failed" "/targets/notifier" hand =>
            hand.events.remove_targets().rule(RULE).ids("notifier").send().await.unwrap();
        "rule/task-failed" "/targets/notifier/arn" hand => {
            let mut target = hand.target().await;
            target.arn = format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:other");
            hand.put_target(target).await
        };
        "rule/task-failed" "/targets/notifier/dead_letter_queue" hand => {
            let mut target = hand.target().await;
            target.dead_letter_config = None;
            hand.put_target(target).await
        };
        "rule/task-failed" "/targets/notifier/max_retry_attempts" hand => {
            let mut target = hand.target().await;
            target.retry_policy.as_mut().unwrap().maximum_retry_attempts = Some(0);
            hand.put_target(target).await
        };
        "rule/task-failed" "/targets/notifier/max_event_age_seconds" hand => {
            let mut target = hand.target().await;
            target.retry_policy.as_mut().unwrap().maximum_event_age_in_seconds = Some(60);
            hand.put_target(target).await
        };
        "rule/task-failed" "/targets/notifier/input" hand => {
            let mut target = hand.target().await;
            target.input = Some("{}".to_owned());
            hand.put_target(target).await
        };
        "rule/task-failed" "/targets/notifier/role" hand => {
            let mut target = hand.target().await;
            target.role_arn = Some(format!("arn:aws:iam::{ACCOUNT}:role/x"));
            hand.put_target(target).await
        };
        "rule/task-failed" "/tags/team" hand =>
            hand.events.untag_resource().resource_arn(format!("arn:aws:events:us-east-1:{ACCOUNT}:rule/{RULE}"))
                .tag_keys("team").send().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn every_property_changed_by_hand_is_shown_alone_and_repaired() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let hand = Hand::of(&aws);
    hand.iam.create_policy().policy_name("extra").policy_document("{}").send().await.unwrap();
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
        let repaired = taskbell(&aws, SETUP).await;
        assert_eq!(repaired.code, 0, "{id}{path} is not repaired: {repaired:?}");
        assert_eq!(taskbell(&aws, DRIFT).await.code, 0, "{id}{path}");
        if id != "parameter/webhook" {
            let left = diff(&goal, &aws.everything().await);
            let left: Vec<_> = left.iter().filter(|change| !change.path.contains("slack-webhook-url")).collect();
            assert!(left.is_empty(), "{id}{path}: {left:#?}");
        }
    }
}

/// A function that is given another role is no longer bound to ours; which webhook somebody else stored is not known.
fn follows(place: &str, path: &str) -> bool {
    [("/role", "/bound_to_current_role"), ("/stored_by_taskbell", "/webhook")].contains(&(path, place))
}

#[tokio::test(start_paused = true)]
async fn no_promised_property_is_left_out_of_the_changes_by_hand() {
    let aws = Aws::new().await;
    let dry = taskbell(&aws, "setup --cluster batch --yes --tag team=data").await;
    assert_eq!(dry.code, 0);
    let covered: BTreeSet<String> =
        changes_by_hand().iter().map(|(id, path, _)| format!("{id}/{}", top(path))).collect();
    // What cannot be had by changing what is there.
    let cannot = [
        "parameter/webhook/type",
        "parameter/webhook/key",
        "role/notifier/path",
        "table/announcements/key",
        "parameter/webhook/webhook",
        "function/notifier/architecture",
        "rule/task-failed/role",
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

fn top(path: &str) -> &str {
    path.split('/').nth(1).unwrap()
}

/// The fields of every kind's spec, as serde names them.
fn promised() -> BTreeMap<&'static str, Vec<String>> {
    use taskbell::aws::{function, log_group, parameter, queue, role, rule, table};
    use taskbell::policy::Policy;
    let policy = || Policy::parse("{}");
    let fields = |spec: Value| spec.as_object().unwrap().keys().cloned().collect();
    let parameter = parameter::Spec::holding(None);
    let log_group = log_group::Spec { retention_days: None };
    let queue = queue::Spec {
        retention_seconds: 0,
        visibility_timeout_seconds: 0,
        delay_seconds: 0,
        managed_encryption: true,
        policy: policy(),
    };
    let table = table::Spec { key: String::new(), on_demand: true, expiry: None, deletion_protection: false };
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
        environment: BTreeMap::new(),
        log_format: String::new(),
        log_group: String::new(),
        layers: Vec::new(),
        in_vpc: false,
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
    BTreeMap::from([
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
async fn another_webhook_is_your_configuration_and_one_stored_by_somebody_else_is_not() {
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
async fn a_webhook_that_somebody_else_stored_is_told_and_kept_if_that_is_wished() {
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
async fn an_ignored_difference_is_neither_shown_nor_repaired() {
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
async fn a_role_that_was_deleted_and_made_anew_gets_its_grants_back() {
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
async fn a_change_of_yours_that_failed_half_way_is_still_yours() {
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
async fn changed_flags_change_just_that_and_no_event_meets_a_closed_door() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    aws.forget_calls();
    assert_eq!(taskbell(&aws, &format!("{SETUP} --log-retention 7")).await.code, 0);
    assert_eq!(aws.writes(), ["logs:PutRetentionPolicy", "logs:TagResource"]);
    aws.forget_calls();
    let other = taskbell(&aws, &format!("{SETUP} --log-retention 7 --pattern nonzero-exit")).await;
    assert_eq!(other.code, 0, "{other:?}");
    let writes = aws.writes();
    let position = |action: &str| writes.iter().position(|write| write == action).unwrap();
    assert!(position("lambda:AddPermission") < position("events:PutTargets"), "{writes:?}");
    assert!(position("events:DeleteRule") < position("lambda:RemovePermission"), "{writes:?}");
    assert_eq!(taskbell(&aws, &format!("{DRIFT} --log-retention 7 --pattern nonzero-exit")).await.code, 0);
}
