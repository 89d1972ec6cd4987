//! Checks that a step touches only the resource that the plan shows, whatever somebody else did since the plan was made.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::support::hand::{
    ALARM, FUNCTION, GROUP, Hand, PARAMETER, QUEUE, ROLE, RULE, SCHEDULES, TABLE, TOPIC, WATCH_ROLE,
};

const SETUP: &str = "setup --cluster batch --yes --pattern task-failed --expect nightly,every=26h \
     --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call";
const IDS: [&str; 10] = [
    "parameter/webhook",
    "log_group/notifier",
    "queue/undelivered",
    "table/announcements",
    "alarm/undelivered",
    "role/notifier",
    "function/notifier",
    "rule/task-failed",
    "role/watch",
    "watch/schedules",
];

/// Returns the call by which taskbell learns the tags of a resource.
fn read_of_tags(id: &str) -> &'static str {
    match id {
        "parameter/webhook" => "ssm:ListTagsForResource",
        "log_group/notifier" => "logs:ListTagsForResource",
        "queue/undelivered" => "sqs:ListQueueTags",
        "table/announcements" => "dynamodb:ListTagsOfResource",
        "role/notifier" | "role/watch" => "iam:GetRole",
        "watch/schedules" => "scheduler:ListTagsForResource",
        "function/notifier" => "lambda:GetFunction",
        "alarm/undelivered" => "cloudwatch:DescribeAlarms",
        _ => "events:ListTagsForResource",
    }
}

/// Gives the resource to another stack.
async fn give_away(aws: &Aws, id: &str) {
    let hand = Hand::of(aws);
    let (key, value) = ("taskbell:stack", "other");
    let arn = |service: &str, name: &str| format!("arn:aws:{service}:us-east-1:{ACCOUNT}:{name}");
    match id {
        "parameter/webhook" => {
            let tag = aws_sdk_ssm::types::Tag::builder().key(key).value(value).build().unwrap();
            let call = hand.ssm.add_tags_to_resource().resource_type("Parameter".into()).resource_id(PARAMETER);
            call.tags(tag).send().await.map(drop).unwrap();
        }
        "log_group/notifier" => {
            let call = hand.logs.tag_resource().resource_arn(arn("logs", &format!("log-group:{GROUP}")));
            call.tags(key, value).send().await.map(drop).unwrap();
        }
        "queue/undelivered" => {
            let url = hand.sqs.get_queue_url().queue_name(QUEUE).send().await.unwrap().queue_url;
            hand.sqs.tag_queue().set_queue_url(url).tags(key, value).send().await.map(drop).unwrap();
        }
        "table/announcements" => {
            let tag = aws_sdk_dynamodb::types::Tag::builder().key(key).value(value).build().unwrap();
            let call = hand.dynamodb.tag_resource().resource_arn(arn("dynamodb", &format!("table/{TABLE}")));
            call.tags(tag).send().await.map(drop).unwrap();
        }
        "role/notifier" | "role/watch" => {
            let tag = aws_sdk_iam::types::Tag::builder().key(key).value(value).build().unwrap();
            hand.iam.tag_role().role_name(role(id)).tags(tag).send().await.map(drop).unwrap();
        }
        "watch/schedules" => {
            let tag = aws_sdk_scheduler::types::Tag::builder().key(key).value(value).build().unwrap();
            let call = hand.scheduler.tag_resource().tags(tag);
            call.resource_arn(arn("scheduler", &format!("schedule-group/{SCHEDULES}"))).send().await.map(drop).unwrap();
        }
        "function/notifier" => {
            let call = hand.lambda.tag_resource().resource(arn("lambda", &format!("function:{FUNCTION}")));
            call.tags(key, value).send().await.map(drop).unwrap();
        }
        "alarm/undelivered" => {
            let tag = aws_sdk_cloudwatch::types::Tag::builder().key(key).value(value).build();
            let call = hand.cloudwatch.tag_resource().resource_arn(arn("cloudwatch", &format!("alarm:{ALARM}")));
            call.tags(tag).send().await.map(drop).unwrap();
        }
        _ => {
            let tag = aws_sdk_eventbridge::types::Tag::builder().key(key).value(value).build().unwrap();
            let call = hand.events.tag_resource().resource_arn(arn("events", &format!("rule/{RULE}")));
            call.tags(tag).send().await.map(drop).unwrap();
        }
    }
}

/// Checks every kind: another stack receives the resource after the plan was made, and before the step begins.
#[tokio::test(start_paused = true)]
async fn resource_whose_owner_changes_after_the_plan_is_neither_changed_nor_deleted() {
    let made = Aws::new().await;
    assert_eq!(taskbell(&made, SETUP).await.code, 0);
    for id in IDS {
        for line in [TEARDOWN.to_owned(), format!("{SETUP} --no-pattern-check --tag team=data")] {
            let aws = Aws::new().await;
            aws.become_like(&made).await;
            aws.forget_calls();
            // The number of reads of the plan is known from a run that only plans.
            let reads = reads_of_the_plan(&aws, &line, read_of_tags(id)).await;
            aws.forget_calls();
            aws.meanwhile(read_of_tags(id), reads, move |aws| Box::pin(async move { give_away(&aws, id).await }));
            // Without a question, the read of the plan is the one directly before the first write of a removal.
            let outcome = match line == TEARDOWN {
                true => typing(&aws, &line.replace(" --yes", ""), &["y"]).await,
                false => taskbell(&aws, &line).await,
            };
            assert!(aws.has_changed_meanwhile(), "{id}: {line}");
            assert_eq!(outcome.code, 1, "{id}: {outcome:?}");
            assert!(outcome.err.contains("changed since the plan: taskbell:stack is other"), "{id}: {outcome:?}");
            assert!(outcome.err.contains(&format!("failed: {id}\n")), "{id}: {outcome:?}");
            // Somebody else wrote the tag, and taskbell changed or deleted the other alarm, the other rule (after its target) or the
            // other role (after its policy). No other resource is of this service. The other rule, which waits for the notifier at the
            // same time, changes or does not change.
            let others = match id {
                "rule/task-failed" | "role/notifier" | "role/watch" if line == TEARDOWN => 2..=2,
                "alarm/undelivered" | "role/notifier" | "role/watch" => 1..=1,
                "rule/task-failed" => 0..=1,
                _ => 0..=0,
            };
            let service = format!("{}:", service(id));
            let writes: Vec<String> = aws.writes().into_iter().filter(|write| write.starts_with(&service)).collect();
            assert!(others.contains(&(writes.len() - 1)), "{id}: {writes:?}");
            if id == "rule/task-failed" {
                let tags = tags_of_rule(&aws).await;
                assert!(tags.iter().any(|tag| tag.key == "taskbell:stack" && tag.value == "other"), "{line}: {tags:?}");
                assert!(!tags.iter().any(|tag| tag.key == "team"), "{line}: {tags:?}");
            }
        }
    }
}

/// Returns the tags of the rule, which must exist.
async fn tags_of_rule(aws: &Aws) -> Vec<aws_sdk_eventbridge::types::Tag> {
    let arn = format!("arn:aws:events:us-east-1:{ACCOUNT}:rule/{RULE}");
    let call = Hand::of(aws).events.list_tags_for_resource().resource_arn(arn);
    call.send().await.unwrap().tags.unwrap_or_default()
}

/// Checks that a removal without a question reads the owner again if the reads of the plan took long.
#[tokio::test(start_paused = true)]
async fn old_read_of_the_plan_is_not_enough_for_a_removal() {
    let aws = Aws::lax().await;
    assert_eq!(taskbell(&aws, &format!("{SETUP} --no-pattern-check")).await.code, 0);
    aws.delay(Duration::from_secs(6));
    // The schedules are read last, after the rules.
    aws.meanwhile("scheduler:GetSchedule", 0, |aws| {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            give_away(&aws, "rule/task-failed").await;
        })
    });
    let outcome = taskbell(&aws, TEARDOWN).await;
    assert!(aws.has_changed_meanwhile(), "{:?}", aws.calls());
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.err.contains("changed since the plan: taskbell:stack is other"), "{outcome:?}");
}

/// Returns the number of calls of this action before the first write.
async fn reads_of_the_plan(aws: &Aws, line: &str, action: &str) -> usize {
    let look = taskbell(aws, &line.replace("--yes", "--dry-run")).await;
    assert_eq!(look.code, 2, "{look:?}");
    aws.calls().iter().filter(|call| call.action == action).count()
}

/// Creates a resource with the stack's name, as somebody else.
async fn make(aws: &Aws, id: &str) {
    let hand = Hand::of(aws);
    match id {
        "parameter/webhook" => {
            let call = hand.ssm.put_parameter().name(PARAMETER).value("x").r#type("SecureString".into());
            call.send().await.map(drop).unwrap();
        }
        "log_group/notifier" => hand.logs.create_log_group().log_group_name(GROUP).send().await.map(drop).unwrap(),
        "queue/undelivered" => hand.sqs.create_queue().queue_name(QUEUE).send().await.map(drop).unwrap(),
        "table/announcements" => {
            use aws_sdk_dynamodb::types::{AttributeDefinition, KeySchemaElement, KeyType, ScalarAttributeType};
            let attribute = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
            let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
            let call = hand.dynamodb.create_table().table_name(TABLE).billing_mode("PAY_PER_REQUEST".into());
            let call = call.attribute_definitions(attribute.build().unwrap()).key_schema(key.build().unwrap());
            call.send().await.map(drop).unwrap();
        }
        "role/notifier" | "role/watch" => {
            let call = hand.iam.create_role().role_name(role(id)).path("/taskbell/").assume_role_policy_document("{}");
            call.send().await.map(drop).unwrap();
        }
        "watch/schedules" => {
            hand.scheduler.create_schedule_group().name(SCHEDULES).send().await.map(drop).unwrap();
        }
        "function/notifier" => {
            let code = aws_sdk_lambda::types::FunctionCode::builder()
                .zip_file(aws_sdk_lambda::primitives::Blob::new(b"PK".to_vec()));
            let call = hand.lambda.create_function().function_name(FUNCTION).runtime("nodejs22.x".into());
            let call = call.handler("index.handler").role(format!("arn:aws:iam::{ACCOUNT}:role/{ROLE}"));
            call.code(code.build()).send().await.map(drop).unwrap();
        }
        "alarm/undelivered" => {
            let call = hand.cloudwatch.put_metric_alarm().alarm_name(ALARM).namespace("AWS/SQS").metric_name("mine");
            let call = call.evaluation_periods(1).period(60).threshold(1.0).statistic("Sum".into());
            let call = call.comparison_operator("GreaterThanThreshold".into()).alarm_actions(TOPIC);
            call.send().await.map(drop).unwrap();
        }
        _ => {
            let call = hand.events.put_rule().name(RULE).event_pattern(r#"{"source":["mine"]}"#);
            call.send().await.map(drop).unwrap();
        }
    }
}

/// Checks every kind: somebody else creates the resource after the plan was made, right before the call that would create it.
#[tokio::test(start_paused = true)]
async fn resource_that_appears_after_the_plan_is_not_overwritten() {
    for (id, action, nth) in [
        ("parameter/webhook", "ssm:PutParameter", 0),
        ("log_group/notifier", "logs:CreateLogGroup", 0),
        ("table/announcements", "dynamodb:CreateTable", 0),
        ("role/notifier", "iam:CreateRole", 0),
        ("role/watch", "iam:CreateRole", 0),
        ("watch/schedules", "scheduler:CreateScheduleGroup", 0),
        ("function/notifier", "lambda:CreateFunction", 0),
        // AWS has no call that creates these and refuses an existing name: the second read is the read before the first write.
        ("queue/undelivered", "sqs:GetQueueUrl", 1),
        ("alarm/undelivered", "cloudwatch:DescribeAlarms", 1),
        // The second listing counts the rules on the bus.
        ("rule/task-failed", "events:ListRules", 2),
    ] {
        let aws = Aws::lax().await;
        aws.meanwhile(action, nth, move |aws| Box::pin(async move { make(&aws, id).await }));
        let setup = taskbell(&aws, &format!("{SETUP} --no-pattern-check")).await;
        assert!(aws.has_changed_meanwhile(), "{id}: {:?}", aws.calls());
        assert_eq!(setup.code, 1, "{id}: {setup:?}");
        assert!(setup.err.contains("in the meantime: no tag taskbell:stack"), "{id}: {setup:?}");
        assert!(setup.err.contains(&format!("failed: {id}")), "{id}: {setup:?}");
        // No function runs with somebody else's role.
        assert!(
            id != "role/notifier" || !aws.writes().contains(&"lambda:CreateFunction".to_owned()),
            "{:?}",
            aws.writes()
        );
        // The resource is as its owner made it.
        let other = Aws::lax().await;
        make(&other, id).await;
        let kind = |aws: &Value| aws[service(id)].clone();
        let (have, want) = (kind(&aws.everything().await), kind(&other.everything().await));
        let lost: Vec<_> = diff(&want, &have).into_iter().filter(|change| change.have.is_some()).collect();
        assert!(lost.is_empty(), "{id}: {lost:#?}");
    }
}

/// Checks that the run converges with a run of the same stack at the same time.
#[tokio::test(start_paused = true)]
async fn resource_of_the_same_stack_that_appears_after_the_plan_is_continued() {
    let other = Aws::lax().await;
    assert_eq!(taskbell(&other, &format!("{SETUP} --no-pattern-check")).await.code, 0);
    for (action, nth) in [
        ("sqs:GetQueueUrl", 1),
        ("events:ListRules", 2),
        ("iam:CreateRole", 0),
        ("iam:CreateRole", 1),
        ("scheduler:CreateScheduleGroup", 0),
    ] {
        let aws = Aws::lax().await;
        let other = other.clone();
        aws.meanwhile(action, nth, move |aws| Box::pin(async move { aws.become_like(&other).await }));
        let setup = taskbell(&aws, &format!("{SETUP} --no-pattern-check")).await;
        assert!(setup.code == 0 && aws.has_changed_meanwhile(), "{action}: {setup:?}");
        assert_eq!(taskbell(&aws, &SETUP.replace("setup", "drift").replace(" --yes", "")).await.code, 0, "{action}");
    }
}

fn role(id: &str) -> &'static str {
    if id == "role/watch" { WATCH_ROLE } else { ROLE }
}

fn service(id: &str) -> &'static str {
    match id.split('/').next() {
        Some("parameter") => "ssm",
        Some("log_group") => "logs",
        Some("queue") => "sqs",
        Some("table") => "dynamodb",
        Some("role") => "iam",
        Some("function") => "lambda",
        Some("alarm") => "cloudwatch",
        Some("watch") => "scheduler",
        _ => "events",
    }
}
