//! What is not taken over, and what is told before.

use super::*;

/// A change to the alert, and how it is refused: flags, exit code, words.
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
async fn a_rule_that_rings_for_more_is_refused_before_anything_is_changed() {
    let refusals: [Refusal; 6] = [
        (
            "another target",
            hand!(hand => {
                let target = Target::builder().id("archive").arn(arn("sqs", "archive")).build().unwrap();
                hand.events.put_targets().rule(OLD).targets(target).send().await.unwrap();
            }),
            IMPORT,
            1,
            "several targets, which would all fall silent",
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
            "it has a schedule, too",
        ),
        (
            "not about ECS",
            hand!(hand => {
                hand.events.put_rule().name(OLD).event_pattern(r#"{"source":["aws.ec2"]}"#).send().await.unwrap();
            }),
            IMPORT,
            1,
            "takes no event of ECS",
        ),
        (
            "events of others",
            hand!(hand => {
                let wide = json!({ "source": ["aws.ecs", "aws.batch"] }).to_string();
                hand.events.put_rule().name(OLD).event_pattern(wide).send().await.unwrap();
            }),
            IMPORT,
            1,
            "it takes events of aws.batch, too, for which nothing would ring any more",
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
async fn what_is_not_there_or_not_clear_is_refused_before_anything_is_changed() {
    let refusals: [Refusal; 5] = [
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
            "belongs to the taskbell stack web already",
        ),
        (
            "one of our export",
            hand!(hand => tag(hand, OLD, "taskbell:exported", "web").await),
            IMPORT,
            64,
            "is of the export of the taskbell stack web",
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
async fn a_function_that_more_hangs_on_is_not_removed() {
    let refusals: [Refusal; 1] = [(
        "a function that others ring, too",
        hand!(hand => {
            let call = hand.lambda.add_permission().function_name(FUNCTION).statement_id("api");
            let call = call.action("lambda:InvokeFunction").principal("apigateway.amazonaws.com");
            call.send().await.unwrap();
        }),
        "import ecs-task-failed --yes --remove-old",
        1,
        "the statement api of its resource policy",
    )];
    are_refused(&refusals).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_webhook_in_the_function_it_comes_as_with_setup() {
    let (aws, hand) = by_hand_with(&pattern(), &[("CHANNEL", "#ops")]).await;
    let none = import(&aws, "").await;
    assert!(none.code == 64 && none.err.contains("TASKBELL_SLACK_WEBHOOK_URL"), "{none:?}");
    assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)));
    assert_eq!(taskbell(&aws, IMPORT).await.code, 0);
    assert_eq!((webhook_of_stack(&hand).await.as_str(), state(&hand).await), (WEBHOOK, Some(RuleState::Disabled)));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_gone_leaves_a_rule_to_be_taken_over() {
    let (aws, hand) = by_hand().await;
    hand.lambda.delete_function().function_name(FUNCTION).send().await.unwrap();
    let done = taskbell(&aws, IMPORT).await;
    assert!(done.code == 0 && done.out.contains("which is not there"), "{done:?}");
    assert_eq!(state(&hand).await, Some(RuleState::Disabled));
}

#[tokio::test(start_paused = true)]
async fn who_would_bring_the_old_rule_back_is_named() {
    for (key, value, told) in [
        ("aws:cloudformation:stack-name", "ops", "the CloudFormation stack ops"),
        ("ManagedBy", "terraform", "Terraform, as its tag ManagedBy=terraform says"),
    ] {
        let (aws, hand) = by_hand().await;
        tag(&hand, OLD, key, value).await;
        let dry = taskbell_without_webhook(&aws, "import ecs-task-failed --dry-run").await;
        assert!(dry.err.contains(&format!("warning: the old rule was made by {told}")), "{dry:?}");
        let list = taskbell_without_webhook(&aws, "import").await;
        assert!(list.out.contains(told), "{list:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_ends_with_3_and_changes_nothing() {
    for action in [
        "events:ListRules",
        "events:ListTargetsByRule",
        "events:ListTagsForResource",
        "lambda:GetFunction",
        "lambda:GetPolicy",
        "lambda:ListEventSourceMappings",
        "sts:GetCallerIdentity",
    ] {
        let (aws, hand) = by_hand().await;
        aws.fail(Fault { failure: Failure::Denied, on: On::Action(action), nth: 0, times: FOR_GOOD });
        let unread = import(&aws, "--remove-old").await;
        assert_eq!((unread.code, aws.writes()), (3, vec![]), "{action}: {unread:?}");
        aws.heal();
        assert_eq!(state(&hand).await, Some(RuleState::Enabled), "{action}");
    }
}
