//! Makes changes by hand: changes to a stack's resources outside taskbell.

#![allow(clippy::semicolon_if_nothing_returned, reason = "a table of changes, one expression each")]

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmFluentBuilder as PutAlarm;
use aws_sdk_cloudwatch::types as cloudwatch;
use aws_sdk_dynamodb::types as dynamodb;
use aws_sdk_eventbridge::types::{RuleState, Target};
use aws_sdk_lambda::types as lambda;
use aws_sdk_scheduler::operation::update_schedule::builders::UpdateScheduleFluentBuilder as UpdateSchedule;
use aws_sdk_scheduler::primitives::DateTime;
use aws_sdk_scheduler::types as scheduler;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use aws_sdk_ssm::types::{ParameterTier, ParameterType, ResourceTypeForTagging};
use futures_util::future::BoxFuture;

use crate::support::aws::{ACCOUNT, Aws};
use crate::support::strict::{EXPIRY_HELD, ROLE_PROPAGATION};
use crate::support::{Outcome, taskbell};

pub const ALARM: &str = "taskbell-batch-undelivered";
pub const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:on-call";
pub const FUNCTION: &str = "taskbell-batch";
pub const RULE: &str = "taskbell-batch-task-failed";
pub const ROLE: &str = "taskbell-batch-us-east-1";
pub const QUEUE: &str = "taskbell-batch-undelivered";
pub const WATCH_ROLE: &str = "taskbell-batch-us-east-1-watch";
pub const SCHEDULES: &str = "taskbell-batch";
/// The schedule of the first expectation of [`EXPECT`].
pub const EVERY: &str = "every-ce1ecc98";
/// Flags for a schedule group with two schedules.
pub const EXPECT: &str = "--expect nightly,every=26h --expect nightly,max-runtime=2h";
pub const TABLE: &str = "taskbell-batch-announcements";
pub const GROUP: &str = "/aws/lambda/taskbell-batch";
pub const PARAMETER: &str = "/taskbell/batch/slack-webhook-url";

/// The clients for changes by hand.
pub struct Hand {
    pub events: aws_sdk_eventbridge::Client,
    pub iam: aws_sdk_iam::Client,
    pub lambda: aws_sdk_lambda::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub ssm: aws_sdk_ssm::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub scheduler: aws_sdk_scheduler::Client,
}

impl Hand {
    pub fn of(aws: &Aws) -> Self {
        Self::with(&aws.sdk())
    }

    pub fn with(sdk: &SdkConfig) -> Self {
        Self {
            events: aws_sdk_eventbridge::Client::new(sdk),
            iam: aws_sdk_iam::Client::new(sdk),
            lambda: aws_sdk_lambda::Client::new(sdk),
            logs: aws_sdk_cloudwatchlogs::Client::new(sdk),
            dynamodb: aws_sdk_dynamodb::Client::new(sdk),
            sqs: aws_sdk_sqs::Client::new(sdk),
            ssm: aws_sdk_ssm::Client::new(sdk),
            cloudwatch: aws_sdk_cloudwatch::Client::new(sdk),
            scheduler: aws_sdk_scheduler::Client::new(sdk),
        }
    }

    /// Stores the user's own webhook in this parameter.
    pub async fn store(&self, name: &str) {
        let call = self.ssm.put_parameter().name(name).value("https://hooks.slack.com/services/T0/B0/own");
        call.r#type(ParameterType::SecureString).overwrite(true).send().await.unwrap();
    }

    pub async fn set_queue(&self, name: Attribute, value: &str) {
        let url = self.sqs.get_queue_url().queue_name(QUEUE).send().await.unwrap().queue_url.unwrap();
        self.sqs.set_queue_attributes().queue_url(url).attributes(name, value).send().await.unwrap();
    }

    /// Sets the expiry as somebody did an hour ago: DynamoDB accepts one change an hour.
    pub async fn set_expiry(&self, attribute: &str, enabled: bool) {
        tokio::time::sleep(EXPIRY_HELD).await;
        self.set_expiry_now(attribute, enabled).await;
        tokio::time::sleep(EXPIRY_HELD).await;
    }

    pub async fn set_expiry_now(&self, attribute: &str, enabled: bool) {
        let setting = dynamodb::TimeToLiveSpecification::builder().attribute_name(attribute).enabled(enabled);
        let call = self.dynamodb.update_time_to_live().table_name(TABLE);
        call.time_to_live_specification(setting.build().unwrap()).send().await.unwrap();
    }

    pub async fn target(&self) -> Target {
        let targets = self.events.list_targets_by_rule().rule(RULE).send().await.unwrap();
        targets.targets()[0].clone()
    }

    pub async fn put_target(&self, target: Target) {
        self.events.put_targets().rule(RULE).targets(target).send().await.unwrap();
    }

    pub fn put_rule(&self, pattern: &str) -> aws_sdk_eventbridge::operation::put_rule::builders::PutRuleFluentBuilder {
        self.events
            .put_rule()
            .name(RULE)
            .event_pattern(pattern)
            .state(RuleState::Enabled)
            .description("taskbell: task-failed of the stack batch")
    }

    pub async fn pattern(&self) -> String {
        self.events.describe_rule().name(RULE).send().await.unwrap().event_pattern.unwrap()
    }

    pub fn configure(
        &self,
    ) -> aws_sdk_lambda::operation::update_function_configuration::builders::UpdateFunctionConfigurationFluentBuilder
    {
        self.lambda.update_function_configuration().function_name(FUNCTION)
    }

    /// Puts the current alarm with one change.
    pub async fn put_alarm(&self, change: impl Fn(PutAlarm) -> PutAlarm) {
        let answer = self.cloudwatch.describe_alarms().alarm_names(ALARM).send().await.unwrap();
        let alarm = answer.metric_alarms()[0].clone();
        let call = self
            .cloudwatch
            .put_metric_alarm()
            .set_alarm_name(alarm.alarm_name)
            .set_alarm_description(alarm.alarm_description)
            .set_namespace(alarm.namespace)
            .set_metric_name(alarm.metric_name)
            .set_dimensions(alarm.dimensions)
            .set_statistic(alarm.statistic)
            .set_period(alarm.period)
            .set_evaluation_periods(alarm.evaluation_periods)
            .set_datapoints_to_alarm(alarm.datapoints_to_alarm)
            .set_comparison_operator(alarm.comparison_operator)
            .set_threshold(alarm.threshold)
            .set_treat_missing_data(alarm.treat_missing_data)
            .set_actions_enabled(alarm.actions_enabled)
            .set_alarm_actions(alarm.alarm_actions)
            .set_ok_actions(alarm.ok_actions);
        change(call).send().await.unwrap();
    }

    /// Replaces the schedule of an expectation with one change.
    pub async fn put_schedule(&self, change: impl Fn(UpdateSchedule) -> UpdateSchedule) {
        let now = self.scheduler.get_schedule().group_name(SCHEDULES).name(EVERY).send().await.unwrap();
        let call = self
            .scheduler
            .update_schedule()
            .group_name(SCHEDULES)
            .name(EVERY)
            .set_schedule_expression(now.schedule_expression)
            .set_schedule_expression_timezone(now.schedule_expression_timezone)
            .set_state(now.state)
            .set_description(now.description)
            .set_action_after_completion(now.action_after_completion)
            .set_start_date(now.start_date)
            .set_end_date(now.end_date)
            .set_kms_key_arn(now.kms_key_arn)
            .set_flexible_time_window(now.flexible_time_window)
            .set_target(now.target);
        // The schedule's role may have changed a moment ago, and Scheduler must see the change first.
        tokio::time::sleep(ROLE_PROPAGATION).await;
        change(call).send().await.unwrap();
    }

    /// Replaces the schedule of an expectation with one change of its target.
    pub async fn put_schedules_target(&self, change: impl Fn(&mut scheduler::Target)) {
        let now = self.scheduler.get_schedule().group_name(SCHEDULES).name(EVERY).send().await.unwrap();
        let mut target = now.target.unwrap();
        change(&mut target);
        self.put_schedule(|call| call.target(target.clone())).await;
    }

    pub fn invoke_config(
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

/// Runs setup, and runs it again in an hour if DynamoDB accepts no other change of the table's expiry before.
pub async fn repaired(aws: &Aws, setup: &str) -> Outcome {
    let first = taskbell(aws, setup).await;
    if !first.err.contains("one change of a table's expiry an hour") {
        return first;
    }
    tokio::time::sleep(EXPIRY_HELD).await;
    taskbell(aws, setup).await
}

pub type Change = fn(&Hand) -> BoxFuture<'_, ()>;

/// Lists changes by hand: the resource, the property in which the change shows, and the change.
macro_rules! changes {
    ($( $id:literal $path:literal $hand:ident => $change:expr; )*) => {
        vec![$( ($id, $path, (|$hand: &Hand| Box::pin(async move { $change; })) as Change) ),*]
    };
}

pub fn changes_by_hand() -> Vec<(&'static str, &'static str, Change)> {
    let mut all = foundation();
    all.extend(function());
    all.extend(rule());
    all.extend(alarm());
    all.extend(watch());
    all
}

fn watch() -> Vec<(&'static str, &'static str, Change)> {
    changes! {
        "role/watch" "/trust" hand =>
            hand.iam.update_assume_role_policy().role_name(WATCH_ROLE).policy_document(
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"scheduler.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#)
                .send().await.unwrap();
        "role/watch" "/trust" hand =>
            hand.iam.update_assume_role_policy().role_name(WATCH_ROLE).policy_document(
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#)
                .send().await.unwrap();
        "role/watch" "/policies/watch" hand =>
            hand.iam.put_role_policy().role_name(WATCH_ROLE).policy_name("watch")
                .policy_document(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:*","Resource":"*"}]}"#).send().await.unwrap();
        "watch/schedules" "/schedules/every-ce1ecc98/state" hand =>
            hand.put_schedule(|call| call.state(scheduler::ScheduleState::Disabled)).await;
        "watch/schedules" "/schedules/every-ce1ecc98/expression" hand =>
            hand.put_schedule(|call| call.schedule_expression("rate(7 days)")).await;
        "watch/schedules" "/schedules/every-ce1ecc98/time_zone" hand =>
            hand.put_schedule(|call| call.schedule_expression_timezone("Asia/Tokyo")).await;
        "watch/schedules" "/schedules/every-ce1ecc98/description" hand => hand.put_schedule(|call| call.description("mine")).await;
        "watch/schedules" "/schedules/every-ce1ecc98/window_minutes" hand => {
            let window = scheduler::FlexibleTimeWindow::builder().mode(scheduler::FlexibleTimeWindowMode::Flexible);
            let window = window.maximum_window_in_minutes(60).build().unwrap();
            hand.put_schedule(|call| call.flexible_time_window(window.clone())).await
        };
        "watch/schedules" "/schedules/every-ce1ecc98/starts" hand =>
            hand.put_schedule(|call| call.start_date(DateTime::from_secs(1_900_000_000))).await;
        "watch/schedules" "/schedules/every-ce1ecc98/ends" hand =>
            hand.put_schedule(|call| call.end_date(DateTime::from_secs(1_900_000_000))).await;
        "watch/schedules" "/schedules/every-ce1ecc98/after_completion" hand =>
            hand.put_schedule(|call| call.action_after_completion(scheduler::ActionAfterCompletion::Delete)).await;
        "watch/schedules" "/schedules/every-ce1ecc98/kms_key" hand =>
            hand.put_schedule(|call| call.kms_key_arn(format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/mine"))).await;
        "watch/schedules" "/schedules/every-ce1ecc98/target" hand => hand.put_schedules_target(|target| {
            target.arn = format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:other");
        }).await;
        "watch/schedules" "/schedules/every-ce1ecc98/role" hand => hand.put_schedules_target(|target| {
            target.role_arn = format!("arn:aws:iam::{ACCOUNT}:role/other");
        }).await;
        "watch/schedules" "/schedules/every-ce1ecc98/input" hand => hand.put_schedules_target(|target| {
            target.input = Some("{}".to_owned());
        }).await;
        "watch/schedules" "/schedules/every-ce1ecc98/max_event_age_seconds" hand => hand.put_schedules_target(|target| {
            let retry = scheduler::RetryPolicy::builder().maximum_event_age_in_seconds(60).maximum_retry_attempts(185);
            target.retry_policy = Some(retry.build());
        }).await;
        "watch/schedules" "/schedules/every-ce1ecc98/max_retry_attempts" hand => hand.put_schedules_target(|target| {
            let retry = scheduler::RetryPolicy::builder().maximum_event_age_in_seconds(3600).maximum_retry_attempts(0);
            target.retry_policy = Some(retry.build());
        }).await;
        "watch/schedules" "/schedules/every-ce1ecc98/dead_letter_queue" hand => hand.put_schedules_target(|target| {
            target.dead_letter_config = None;
        }).await;
        "watch/schedules" "/schedules/sweep" hand =>
            hand.scheduler.delete_schedule().group_name(SCHEDULES).name("sweep").send().await.unwrap();
        "watch/schedules" "/schedules/mine" hand => {
            let now = hand.scheduler.get_schedule().group_name(SCHEDULES).name(EVERY).send().await.unwrap();
            hand.scheduler.create_schedule().group_name(SCHEDULES).name("mine").schedule_expression("rate(1 minute)")
                .set_flexible_time_window(now.flexible_time_window).set_target(now.target).send().await.unwrap()
        };
        "watch/schedules" "/tags/team" hand => {
            let tag = scheduler::Tag::builder().key("team").value("other").build().unwrap();
            hand.scheduler.tag_resource().resource_arn(format!("arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/{SCHEDULES}"))
                .tags(tag).send().await.unwrap()
        };
    }
}

fn foundation() -> Vec<(&'static str, &'static str, Change)> {
    changes! {
        "parameter/webhook" "/stored_by_taskbell" hand =>
            hand.ssm.put_parameter().name(PARAMETER).value("other").overwrite(true).r#type(ParameterType::SecureString)
                .send().await.unwrap();
        "parameter/webhook" "/policies" hand =>
            hand.ssm.put_parameter().name(PARAMETER).value("other").overwrite(true).r#type(ParameterType::SecureString)
                .tier(ParameterTier::Advanced)
                .policies(r#"[{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"2027-01-01T00:00:00.000Z"}}]"#)
                .send().await.unwrap();
        "parameter/webhook" "/tags/team" hand =>
            hand.ssm.remove_tags_from_resource().resource_type(ResourceTypeForTagging::Parameter).resource_id(PARAMETER)
                .tag_keys("team").send().await.unwrap();
        "log_group/notifier" "/retention_days" hand =>
            hand.logs.put_retention_policy().log_group_name(GROUP).retention_in_days(7).send().await.unwrap();
        "log_group/notifier" "/retention_days" hand =>
            hand.logs.delete_retention_policy().log_group_name(GROUP).send().await.unwrap();
        "log_group/notifier" "/subscriptions/copy" hand =>
            hand.logs.put_subscription_filter().log_group_name(GROUP).filter_name("copy").filter_pattern("")
                .destination_arn(format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:{FUNCTION}")).send().await.unwrap();
        "log_group/notifier" "/tags/team" hand =>
            hand.logs.tag_resource().resource_arn(format!("arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}"))
                .tags("team", "other").send().await.unwrap();
        "log_group/notifier" "/deletion_protection" hand =>
            hand.logs.put_log_group_deletion_protection().log_group_identifier(GROUP).deletion_protection_enabled(true)
                .send().await.unwrap();
        "queue/undelivered" "/redrive" hand => hand.set_queue(Attribute::RedrivePolicy,
            &format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:{ACCOUNT}:other","maxReceiveCount":1}}"#)).await;
        "queue/undelivered" "/retention_seconds" hand => hand.set_queue(Attribute::MessageRetentionPeriod, "60").await;
        "queue/undelivered" "/visibility_timeout_seconds" hand => hand.set_queue(Attribute::VisibilityTimeout, "7").await;
        "queue/undelivered" "/delay_seconds" hand => hand.set_queue(Attribute::DelaySeconds, "7").await;
        "queue/undelivered" "/max_message_bytes" hand => hand.set_queue(Attribute::MaximumMessageSize, "1024").await;
        "queue/undelivered" "/redrive_allow" hand =>
            hand.set_queue(Attribute::RedriveAllowPolicy, r#"{"redrivePermission":"denyAll"}"#).await;
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
        "table/announcements" "/stream" hand => {
            let stream = dynamodb::StreamSpecification::builder().stream_enabled(true);
            let stream = stream.stream_view_type(dynamodb::StreamViewType::NewImage).build().unwrap();
            hand.dynamodb.update_table().table_name(TABLE).stream_specification(stream).send().await.unwrap()
        };
        "table/announcements" "/kinesis_streams" hand =>
            hand.dynamodb.enable_kinesis_streaming_destination().table_name(TABLE)
                .stream_arn(format!("arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/copy")).send().await.unwrap();
        "table/announcements" "/policy" hand =>
            hand.dynamodb.put_resource_policy().resource_arn(format!("arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{TABLE}"))
                .policy(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"dynamodb:PutItem","Resource":"*"}]}"#)
                .send().await.unwrap();
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
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","ec2.amazonaws.com"]},"Action":"sts:AssumeRole"}]}"#)
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
                .policy_document(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#).send().await.unwrap();
        "role/notifier" "/policies/notifier" hand =>
            hand.iam.delete_role_policy().role_name(ROLE).policy_name("notifier").send().await.unwrap();
        "role/notifier" "/policies/extra" hand =>
            hand.iam.put_role_policy().role_name(ROLE).policy_name("extra")
                .policy_document(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#).send().await.unwrap();
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
        "function/notifier" "/kms_key" hand =>
            hand.configure().kms_key_arn(format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/mine")).send().await.unwrap();
        "function/notifier" "/log_level" hand => hand.configure().logging_config(lambda::LoggingConfig::builder()
            .log_format(lambda::LogFormat::Json).application_log_level(lambda::ApplicationLogLevel::Fatal)
            .log_group(GROUP).build()).send().await.unwrap();
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
        "function/notifier" "/system_log_level" hand => hand.configure().logging_config(lambda::LoggingConfig::builder()
            .log_format(lambda::LogFormat::Json).application_log_level(lambda::ApplicationLogLevel::Info)
            .system_log_level(lambda::SystemLogLevel::Warn).log_group(GROUP).build()).send().await.unwrap();
        "function/notifier" "/code_signing" hand => {
            let version = format!("arn:aws:signer:us-east-1:{ACCOUNT}:/signing-profiles/p/x");
            let signers = lambda::AllowedPublishers::builder().signing_profile_version_arns(version).build().unwrap();
            let made = hand.lambda.create_code_signing_config().allowed_publishers(signers).send().await.unwrap();
            let arn = made.code_signing_config.unwrap().code_signing_config_arn;
            hand.lambda.put_function_code_signing_config().function_name(FUNCTION).code_signing_config_arn(arn)
                .send().await.unwrap()
        };
        "function/notifier" "/file_systems" hand => {
            let system = lambda::FileSystemConfig::builder().local_mount_path("/mnt/x");
            let system = system.arn(format!("arn:aws:elasticfilesystem:us-east-1:{ACCOUNT}:access-point/fsap-0")).build();
            hand.configure().file_system_configs(system.unwrap()).send().await.unwrap()
        };
        "function/notifier" "/ephemeral_storage_mib" hand => {
            let storage = lambda::EphemeralStorage::builder().size(1024).build().unwrap();
            hand.configure().ephemeral_storage(storage).send().await.unwrap()
        };
        "function/notifier" "/tracing" hand => hand.configure().tracing_config(lambda::TracingConfig::builder()
            .mode(lambda::TracingMode::Active).build()).send().await.unwrap();
        "function/notifier" "/dead_letter" hand => hand.configure().dead_letter_config(lambda::DeadLetterConfig::builder()
            .target_arn(format!("arn:aws:sqs:us-east-1:{ACCOUNT}:other")).build()).send().await.unwrap();
        "function/notifier" "/event_sources" hand =>
            hand.lambda.create_event_source_mapping().function_name(FUNCTION).batch_size(1)
                .event_source_arn(format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{QUEUE}")).send().await.unwrap();
        "function/notifier" "/failed_invocations/success_destination" hand => {
            let (failure, success) = (lambda::OnFailure::builder(), lambda::OnSuccess::builder());
            let failure = failure.destination(format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{QUEUE}")).build();
            let success = success.destination(format!("arn:aws:sqs:us-east-1:{ACCOUNT}:other")).build();
            let both = lambda::DestinationConfig::builder().on_failure(failure).on_success(success).build();
            hand.invoke_config().destination_config(both).send().await.unwrap()
        };
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

fn alarm() -> Vec<(&'static str, &'static str, Change)> {
    changes! {
        "alarm/undelivered" "/description" hand => hand.put_alarm(|alarm| alarm.alarm_description("mine")).await;
        "alarm/undelivered" "/namespace" hand => hand.put_alarm(|alarm| alarm.namespace("AWS/Other")).await;
        "alarm/undelivered" "/metric" hand => hand.put_alarm(|alarm| alarm.metric_name("NumberOfMessagesSent")).await;
        "alarm/undelivered" "/dimensions" hand => hand.put_alarm(|alarm| alarm.set_dimensions(Some(Vec::new()))).await;
        "alarm/undelivered" "/statistic" hand => hand.put_alarm(|alarm| alarm.statistic(cloudwatch::Statistic::Minimum)).await;
        "alarm/undelivered" "/unit" hand => hand.put_alarm(|alarm| alarm.unit(cloudwatch::StandardUnit::Bytes)).await;
        "alarm/undelivered" "/period_seconds" hand => hand.put_alarm(|alarm| alarm.period(60)).await;
        "alarm/undelivered" "/evaluation_periods" hand => hand.put_alarm(|alarm| alarm.evaluation_periods(3)).await;
        "alarm/undelivered" "/datapoints_to_alarm" hand =>
            hand.put_alarm(|alarm| alarm.evaluation_periods(3).datapoints_to_alarm(2)).await;
        "alarm/undelivered" "/comparison" hand =>
            hand.put_alarm(|alarm| alarm.comparison_operator(cloudwatch::ComparisonOperator::LessThanThreshold)).await;
        "alarm/undelivered" "/threshold" hand => hand.put_alarm(|alarm| alarm.threshold(1000.0)).await;
        "alarm/undelivered" "/missing_data" hand => hand.put_alarm(|alarm| alarm.treat_missing_data("ignore")).await;
        "alarm/undelivered" "/enabled" hand => hand.put_alarm(|alarm| alarm.actions_enabled(false)).await;
        "alarm/undelivered" "/alarm_actions" hand => hand.put_alarm(|alarm| alarm.set_alarm_actions(Some(Vec::new()))).await;
        "alarm/undelivered" "/ok_actions" hand => hand.put_alarm(|alarm| alarm.set_ok_actions(Some(Vec::new()))).await;
        "alarm/undelivered" "/insufficient_data_actions" hand =>
            hand.put_alarm(|alarm| alarm.insufficient_data_actions(TOPIC)).await;
        "alarm/undelivered" "/tags/team" hand =>
            hand.cloudwatch.untag_resource().resource_arn(format!("arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{ALARM}"))
                .tag_keys("team").send().await.unwrap();
    }
}
