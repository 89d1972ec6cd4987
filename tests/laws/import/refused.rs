//! Checks which alerts `import` refuses to replace, and how it explains that in advance.

use aws_sdk_eventbridge::types::Target;
use aws_sdk_lambda::types::{EndPointType, Environment, SelfManagedEventSource};

use super::*;

/// A change to the alert, and its refusal: a title, the change, the command line, the exit code, words of the output.
type Refusal = (&'static str, Change, &'static str, u8, &'static str);

async fn are_refused(refusals: &[Refusal]) {
    for (what, change, line, code, told) in refusals {
        let (aws, hand) = by_hand().await;
        change(&hand).await;
        aws.forget_calls();
        let refused = taskbell_without_webhook(&aws, line).await;
        assert!(refused.code == *code && refused.err.contains(told), "{what}: {refused:?}");
        assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_with_other_uses_is_refused_before_any_change() {
    let refusals: [Refusal; 6] = [
        (
            "another target",
            hand!(hand => {
                let target = Target::builder().id("archive").arn(arn("sqs", "archive")).build().unwrap();
                hand.events.put_targets().rule(OLD).targets(target).send().await.unwrap();
            }),
            IMPORT,
            1,
            "several targets, and none of them would receive events any more",
        ),
        (
            "a topic",
            hand!(hand => {
                let target = Target::builder().id("t0").arn(arn("sns", "on-call")).build().unwrap();
                hand.events.put_targets().rule(OLD).targets(target).send().await.unwrap();
            }),
            IMPORT,
            1,
            "the SNS topic on-call",
        ),
        (
            "a schedule",
            hand!(hand => {
                let call = hand.events.put_rule().name(OLD).event_pattern(pattern().to_string());
                call.schedule_expression("rate(1 day)").send().await.unwrap();
            }),
            IMPORT,
            1,
            "it also has a schedule",
        ),
        (
            "not about ECS",
            hand!(hand => {
                hand.events.put_rule().name(OLD).event_pattern(r#"{"source":["aws.ec2"]}"#).send().await.unwrap();
            }),
            IMPORT,
            1,
            "matches no ECS event",
        ),
        (
            "events of others",
            hand!(hand => {
                let wide = json!({ "source": ["aws.ecs", "aws.batch"] }).to_string();
                hand.events.put_rule().name(OLD).event_pattern(wide).send().await.unwrap();
            }),
            IMPORT,
            1,
            "it also matches events from aws.batch, and no alert would be sent for those any more",
        ),
        (
            "no source",
            hand!(hand => {
                let wide = json!({ "detail-type": ["ECS Task State Change", "Batch Job State Change"] }).to_string();
                hand.events.put_rule().name(OLD).event_pattern(wide).send().await.unwrap();
            }),
            "import ecs-task-failed --yes --cluster batch",
            1,
            "its pattern has no source",
        ),
    ];
    are_refused(&refusals).await;
}

#[tokio::test(start_paused = true)]
async fn missing_or_ambiguous_rule_is_refused_before_any_change() {
    let refusals: [Refusal; 7] = [
        (
            "a name with a typing mistake",
            hand!(_hand => {}),
            "import ecs-task-fail",
            64,
            "did you mean ecs-task-failed?",
        ),
        (
            "one of ours",
            hand!(hand => {
                tag(hand, OLD, "taskbell:stack", "web").await;
            }),
            IMPORT,
            64,
            "already belongs to the taskbell stack web",
        ),
        (
            "one of our export",
            hand!(hand => tag(hand, OLD, "taskbell:exported", "web").await),
            IMPORT,
            64,
            "belongs to the export of the taskbell stack web",
        ),
        (
            "a rule of another region",
            hand!(_hand => {}),
            "import arn:aws:events:eu-west-1:123456789012:rule/ecs-task-failed --yes",
            64,
            "is not a rule on the default bus in us-east-1, account 123456789012",
        ),
        (
            "a rule of another account",
            hand!(_hand => {}),
            "import arn:aws:events:us-east-1:210987654321:rule/ecs-task-failed --yes",
            64,
            "is not a rule on the default bus in us-east-1, account 123456789012",
        ),
        (
            "several webhooks",
            hand!(hand => {
                let other = format!("{WEBHOOK}2");
                let environment = Environment::builder().variables("A", WEBHOOK).variables("B", other).build();
                let call = hand.lambda.update_function_configuration().function_name(FUNCTION);
                tokio::time::sleep(std::time::Duration::from_mins(1)).await;
                call.environment(environment).send().await.unwrap();
            }),
            IMPORT,
            64,
            "in its variables A, B",
        ),
        (
            "a cluster that is not there",
            hand!(_hand => {}),
            "import ecs-task-failed --yes --cluster bach",
            1,
            "no ECS cluster bach",
        ),
    ];
    are_refused(&refusals).await;
}

#[tokio::test(start_paused = true)]
async fn function_with_other_uses_is_not_removed() {
    let refusals: [Refusal; 3] = [
        (
            "a function that others ring, too",
            hand!(hand => {
                let call = hand.lambda.add_permission().function_name(FUNCTION).statement_id("api");
                let call = call.action("lambda:InvokeFunction").principal("apigateway.amazonaws.com");
                call.send().await.unwrap();
            }),
            "import ecs-task-failed --yes --remove-old",
            1,
            "the statement api of its resource policy",
        ),
        (
            "a function that takes what comes from Kafka elsewhere",
            hand!(hand => {
                let brokers = SelfManagedEventSource::builder()
                    .endpoints(EndPointType::KafkaBootstrapServers, vec!["kafka.example:9092".to_owned()]);
                let call = hand.lambda.create_event_source_mapping().function_name(FUNCTION).topics("jobs");
                call.self_managed_event_source(brokers.build()).send().await.unwrap();
            }),
            "import ecs-task-failed --yes --remove-old",
            1,
            "it has the event source mapping ",
        ),
        (
            "a function with an alias",
            hand!(hand => {
                let version = hand.lambda.publish_version().function_name(FUNCTION).send().await.unwrap();
                let call = hand.lambda.create_alias().function_name(FUNCTION).name("live");
                call.function_version(version.version.unwrap()).send().await.unwrap();
            }),
            "import ecs-task-failed --yes --remove-old",
            1,
            "its alias live would be deleted, too",
        ),
    ];
    are_refused(&refusals).await;
}

#[tokio::test(start_paused = true)]
async fn function_without_a_webhook_needs_one_as_in_setup() {
    let (aws, hand) = by_hand_with(&pattern(), &[("CHANNEL", "#ops")]).await;
    let none = import(&aws, "").await;
    assert!(none.code == 64 && none.err.contains("TASKBELL_SLACK_WEBHOOK_URL"), "{none:?}");
    assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)));
    assert_eq!(taskbell(&aws, IMPORT).await.code, 0);
    assert_eq!((webhook_of_stack(&hand).await.as_str(), state(&hand).await), (WEBHOOK, Some(RuleState::Disabled)));
}

#[tokio::test(start_paused = true)]
async fn rule_of_a_deleted_function_can_be_replaced() {
    let (aws, hand) = by_hand().await;
    hand.lambda.delete_function().function_name(FUNCTION).send().await.unwrap();
    let done = taskbell(&aws, IMPORT).await;
    assert!(done.code == 0 && done.out.contains("which does not exist"), "{done:?}");
    assert_eq!(state(&hand).await, Some(RuleState::Disabled));
}

#[tokio::test(start_paused = true)]
async fn tool_that_would_recreate_the_old_rule_is_named() {
    for (key, value, told) in [
        ("aws:cloudformation:stack-name", "ops", "the CloudFormation stack ops"),
        ("ManagedBy", "terraform", "Terraform (tag ManagedBy=terraform)"),
    ] {
        let (aws, hand) = by_hand().await;
        tag(&hand, OLD, key, value).await;
        let dry = taskbell_without_webhook(&aws, "import ecs-task-failed --dry-run").await;
        assert!(dry.err.contains(&format!("warning: the old rule was created by {told}")), "{dry:?}");
        let list = taskbell_without_webhook(&aws, "import").await;
        assert!(list.out.contains(told), "{list:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn unreadable_resource_ends_with_3_and_changes_nothing() {
    for action in [
        "events:ListRules",
        "events:ListTargetsByRule",
        "events:ListTagsForResource",
        "lambda:GetFunction",
        "lambda:GetPolicy",
        "lambda:ListEventSourceMappings",
        "lambda:ListAliases",
        "sts:GetCallerIdentity",
    ] {
        let (aws, hand) = by_hand().await;
        aws.fail(Fault { failure: Failure::Denied, on: On::Action(action), nth: 0, times: FOR_GOOD });
        let unread = import(&aws, "--remove-old").await;
        assert_eq!((unread.code, aws.writes()), (3, vec![]), "{action}: {unread:?}");
        assert!(action.starts_with("sts") || unread.err.contains("Nothing was changed."), "{action}: {unread:?}");
        aws.heal();
        assert_eq!(state(&hand).await, Some(RuleState::Enabled), "{action}");
    }
}

/// Checks that other triggers of the function are counted up to the last page, and that a policy that taskbell does not understand
/// is not taken for the absence of triggers.
#[tokio::test(start_paused = true)]
async fn function_is_removed_only_if_it_has_no_other_trigger() {
    let pages = |key: &str, last: Value| vec![json!({ key: [], "NextMarker": "2" }), json!({ key: [last] })];
    let mapping = json!({ "UUID": "1b2c" });
    for (action, answers, code, told) in [
        (
            "lambda:ListEventSourceMappings",
            pages("EventSourceMappings", mapping.clone()),
            1,
            "it has the event source mapping 1b2c",
        ),
        ("lambda:ListAliases", pages("Aliases", json!({ "Name": "live" })), 1, "its alias live"),
        ("lambda:GetPolicy", vec![json!({ "Policy": "{" })], 3, "its resource policy is not understood"),
        (
            "lambda:GetPolicy",
            vec![json!({ "Policy": "{\"Statement\":{}}" })],
            3,
            "its resource policy is not understood",
        ),
    ] {
        let (aws, hand) = by_hand().await;
        aws.answer_next(action, answers);
        let refused = import(&aws, "--remove-old").await;
        assert!(refused.code == code && refused.err.contains(told), "{told}: {refused:?}");
        assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)), "{told}");
    }
}

/// Checks a rule whose function, in another account, has the name of a function in the caller's account: all calls are for the
/// function in the other account.
#[tokio::test(start_paused = true)]
async fn function_of_another_account_is_not_confused_with_a_namesake() {
    let (aws, hand) = by_hand().await;
    let elsewhere = function().replace(ACCOUNT, "210987654321");
    let target = Target::builder().id("t0").arn(&elsewhere).build().unwrap();
    hand.events.put_targets().rule(OLD).targets(target).send().await.unwrap();
    let variables = json!({ "Variables": { "HOOK": WEBHOOK } });
    let shown =
        json!({ "Configuration": { "FunctionName": FUNCTION, "FunctionArn": elsewhere, "Environment": variables } });
    aws.answer_next("lambda:GetFunction", [shown]);
    aws.forget_calls();
    let unread = import(&aws, "--remove-old").await;
    assert_eq!((unread.code, aws.writes()), (3, vec![]), "{unread:?}");
    assert!(unread.err.contains("the other triggers of the function"), "{unread:?}");
    assert!(hand.lambda.get_function().function_name(FUNCTION).send().await.is_ok());
}
