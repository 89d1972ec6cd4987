//! `import`: an alert made by hand becomes a stack, without a moment in which nothing rings.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::io::Write;

use aws_sdk_eventbridge::types::{PutEventsRequestEntry, RuleState, Tag, Target};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use aws_sdk_ssm::types::ParameterType;
use serde_json::{Value, json};
use support::aws::{ACCOUNT, Aws, FOR_GOOD, Failure, Fault, On};
use support::emulator::{Emulator, Slack, pause};
use support::hand::Hand;
use support::{Outcome, WEBHOOK, taskbell, taskbell_without_webhook, typing};

const OLD: &str = "ecs-task-failed";
const FUNCTION: &str = "ecs-to-slack";
const IMPORT: &str = "import ecs-task-failed --yes";

fn arn(service: &str, name: &str) -> String {
    format!("arn:aws:{service}:us-east-1:{ACCOUNT}:{name}")
}

/// As it stands in every other blog post.
fn pattern() -> Value {
    json!({
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {
            "clusterArn": [arn("ecs", "cluster/batch")],
            "lastStatus": ["STOPPED"],
            "containers": { "exitCode": [{ "anything-but": 0 }] },
        },
    })
}

async fn make_function(hand: &Hand, variables: &[(&str, &str)]) {
    make_function_of(hand, variables, b"PK".to_vec()).await;
}

async fn make_function_of(hand: &Hand, variables: &[(&str, &str)], archive: Vec<u8>) {
    let mut environment = Environment::builder();
    for (name, value) in variables {
        environment = environment.variables(*name, *value);
    }
    let code = FunctionCode::builder().zip_file(Blob::new(archive)).build();
    let call =
        hand.lambda.create_function().function_name(FUNCTION).runtime(Runtime::Nodejs20x).handler("index.handler");
    let call = call.role(format!("arn:aws:iam::{ACCOUNT}:role/ecs-to-slack-role")).code(code);
    call.environment(environment.build()).send().await.unwrap();
    let call = hand.lambda.add_permission().function_name(FUNCTION).statement_id("old").action("lambda:InvokeFunction");
    let call = call.principal("events.amazonaws.com").source_arn(arn("events", &format!("rule/{OLD}")));
    call.send().await.unwrap();
}

async fn make_rule(hand: &Hand, name: &str, pattern: &Value, targets: &[String]) {
    hand.events.put_rule().name(name).event_pattern(pattern.to_string()).send().await.unwrap();
    for (at, target) in targets.iter().enumerate() {
        let target = Target::builder().id(format!("t{at}")).arn(target).build().unwrap();
        hand.events.put_targets().rule(name).targets(target).send().await.unwrap();
    }
}

fn function() -> String {
    arn("lambda", &format!("function:{FUNCTION}"))
}

/// The rule and the function of the blog post, and a notifier whose drills arrive.
async fn by_hand() -> (Aws, Hand) {
    by_hand_with(&pattern(), &[("CHANNEL", "#ops"), ("SLACK_WEBHOOK_URL", WEBHOOK)]).await
}

async fn by_hand_with(pattern: &Value, variables: &[(&str, &str)]) -> (Aws, Hand) {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    make_function(&hand, variables).await;
    make_rule(&hand, OLD, pattern, &[function()]).await;
    aws.notifier_tells(Some(json!({ "outcome": "sent", "status": 200, "attempts": 1, "ms": { "total": 50 } })));
    aws.forget_calls();
    (aws, hand)
}

/// Without a webhook but that of the function.
async fn import(aws: &Aws, flags: &str) -> Outcome {
    taskbell_without_webhook(aws, &format!("{IMPORT} {flags}")).await
}

/// What was written, looking for the drill aside.
fn writes(aws: &Aws) -> Vec<String> {
    let looks = ["logs:FilterLogEvents", "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility"];
    aws.writes().into_iter().filter(|action| !looks.contains(&action.as_str())).collect()
}

async fn state(hand: &Hand) -> Option<RuleState> {
    let rules = hand.events.list_rules().name_prefix(OLD).send().await.unwrap();
    rules.rules().iter().find(|rule| rule.name() == Some(OLD)).and_then(|rule| rule.state().cloned())
}

async fn webhook_of_stack(hand: &Hand) -> String {
    let call = hand.ssm.get_parameter().name(support::hand::PARAMETER).with_decryption(true);
    let parameter = call.send().await.unwrap().parameter.unwrap();
    assert_eq!(parameter.r#type, Some(ParameterType::SecureString));
    parameter.value.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_list_has_the_rules_of_others_that_ring_for_ecs() {
    let (aws, hand) = by_hand().await;
    let anywhere = json!({ "source": ["aws.ecs"], "detail": { "stopCode": ["TaskFailedToStart"] } });
    let topic = arn("sns", "on-call");
    make_rule(&hand, "to-a-topic", &anywhere, std::slice::from_ref(&topic)).await;
    make_rule(&hand, "to-both", &anywhere, &[arn("lambda", "function:gone"), topic.clone()]).await;
    make_rule(&hand, "to-a-queue", &anywhere, &[arn("sqs", "archive")]).await;
    make_rule(&hand, "of-ec2", &json!({ "source": ["aws.ec2"] }), &[function()]).await;
    make_rule(&hand, "off", &pattern(), &[function()]).await;
    hand.events.disable_rule().name("off").send().await.unwrap();
    assert_eq!(taskbell(&aws, "setup --cluster web --yes").await.code, 0);
    aws.forget_calls();

    let list = taskbell_without_webhook(&aws, "import").await;
    assert_eq!(list.code, 0, "{list:?}");
    insta::assert_snapshot!(list.out);
    assert!(list.err.starts_with("3 rules in us-east-1"), "{list:?}");
    let object = taskbell_without_webhook(&aws, "import --output json").await.json();
    let names: Vec<&str> =
        object["rules"].as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap()).collect();
    assert_eq!(names, [OLD, "to-a-topic", "to-both"]);
    assert_eq!(object["rules"][0]["clusters"], json!([arn("ecs", "cluster/batch")]));
    assert_eq!(object["rules"][0]["webhook_variables"], json!(["SLACK_WEBHOOK_URL"]));
    assert_eq!((&object["rules"][1]["clusters"], &object["rules"][1]["function"]), (&Value::Null, &Value::Null));
    assert_eq!(aws.writes(), [""; 0]);

    aws.fail(Fault { failure: Failure::Denied, on: On::Action("lambda:GetFunction"), nth: 0, times: FOR_GOOD });
    let unread = taskbell_without_webhook(&aws, "import").await;
    assert!(unread.code == 3 && unread.out.contains("could not be read: could not read the function"), "{unread:?}");
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_there_the_list_is_empty() {
    let list = taskbell_without_webhook(&Aws::new().await, "import").await;
    assert_eq!((list.code, list.out.as_str()), (0, ""), "{list:?}");
    assert!(list.err.starts_with("No rule of others"), "{list:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_shows_what_would_change_and_changes_nothing() {
    let (aws, hand) = by_hand().await;
    let dry = taskbell_without_webhook(&aws, "import ecs-task-failed --dry-run").await;
    assert_eq!(dry.code, 2, "{dry:?}");
    insta::assert_snapshot!(dry.out);
    assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)));
    let removal = taskbell_without_webhook(&aws, "import ecs-task-failed --dry-run --remove-old").await;
    assert!(removal.out.ends_with("- function ecs-to-slack\n- rule ecs-task-failed\n"), "{removal:?}");
    let object = taskbell_without_webhook(&aws, "import ecs-task-failed --dry-run --output json").await.json();
    let import = &object["import"];
    assert_eq!((&import["done"], &import["webhook"]["variable"]), (&json!(false), &json!("SLACK_WEBHOOK_URL")));
    assert_eq!(import["steps"][0]["what"], "rule ecs-task-failed");
    let anew = import["rings"]["in_addition"].as_array().unwrap();
    assert!(anew.contains(&json!("an image cannot be pulled")), "{import:#}");
    let no_longer = import["rings"]["no_longer"].as_array().unwrap();
    assert!(no_longer.iter().any(|title| title.as_str().unwrap().starts_with("scale-in")), "{import:#}");
}

#[tokio::test(start_paused = true)]
async fn the_same_alert_stands_as_a_stack_and_the_old_rule_is_disabled_after_the_drill() {
    let (aws, hand) = by_hand().await;
    let done = import(&aws, "").await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("+ Slack") && done.err.contains("The rule ecs-task-failed is disabled."), "{done:?}");
    assert_eq!(state(&hand).await, Some(RuleState::Disabled));
    assert_eq!(webhook_of_stack(&hand).await, WEBHOOK);
    let writes = writes(&aws);
    let at = |action: &str| writes.iter().position(|write| write == action).unwrap();
    assert!(at("events:PutEvents") < at("events:DisableRule"), "{writes:?}");
    assert_eq!(writes.last().unwrap(), "events:DisableRule");
    assert_eq!(taskbell_without_webhook(&aws, "drift --cluster batch").await.code, 0);

    aws.forget_calls();
    let again = import(&aws, "").await;
    assert!(again.code == 0 && again.out.contains("in sync"), "{again:?}");
    assert_eq!(aws.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn as_json_it_is_one_object() {
    let (aws, _) = by_hand().await;
    let object = import(&aws, "--output json").await.json();
    assert_eq!((&object["import"]["done"], &object["drill"]["delivered"]), (&json!(true), &json!(true)), "{object:#}");
    assert_eq!((&object["in_sync"], &object["stack"]), (&json!(true), &json!("batch")));
}

#[tokio::test(start_paused = true)]
async fn whoever_says_no_keeps_what_there_was() {
    let (aws, hand) = by_hand().await;
    let declined = typing(&aws, "import ecs-task-failed", &["n"]).await;
    assert!(
        declined.code == 1 && declined.err.contains("and then disable the rule ecs-task-failed? [y/N]"),
        "{declined:?}"
    );
    assert!(declined.err.contains("The rule ecs-task-failed is as it was"), "{declined:?}");
    assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)));
    let unasked = taskbell_without_webhook(&aws, "import ecs-task-failed").await;
    assert_eq!((unasked.code, aws.writes()), (64, vec![]), "{unasked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_is_there_already_needs_but_the_last_step() {
    let (aws, hand) = by_hand().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    aws.forget_calls();
    assert_eq!(taskbell_without_webhook(&aws, "import ecs-task-failed --dry-run").await.code, 2);
    assert_eq!(import(&aws, "").await.code, 0);
    assert_eq!(writes(&aws), ["events:PutEvents", "events:DisableRule"]);
    assert_eq!(state(&hand).await, Some(RuleState::Disabled));
}

#[tokio::test(start_paused = true)]
async fn the_old_rule_and_its_function_are_removed_if_asked_for() {
    for first in ["", "--remove-old"] {
        let (aws, hand) = by_hand().await;
        assert_eq!(import(&aws, first).await.code, 0);
        let removed = import(&aws, "--remove-old").await;
        let code = if first.is_empty() { 0 } else { 64 };
        assert_eq!(removed.code, code, "{removed:?}");
        if first.is_empty() {
            assert!(removed.err.contains("--role-name ecs-to-slack-role"), "{removed:?}");
            assert!(removed.err.contains("--log-group-name /aws/lambda/ecs-to-slack"), "{removed:?}");
        }
        assert_eq!(state(&hand).await, None);
        assert!(hand.lambda.get_function().function_name(FUNCTION).send().await.is_err());
        assert_eq!(taskbell_without_webhook(&aws, "drift --cluster batch").await.code, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_failed_half_way_is_finished_by_the_next_run() {
    for action in ["lambda:DeleteFunction", "events:RemoveTargets", "events:DeleteRule"] {
        let (aws, hand) = by_hand().await;
        aws.fail(Fault { failure: Failure::Denied, on: On::Action(action), nth: 0, times: FOR_GOOD });
        let failed = import(&aws, "--remove-old").await;
        assert_eq!((failed.code, state(&hand).await), (1, Some(RuleState::Disabled)), "{action}: {failed:?}");
        assert!(failed.err.contains("is disabled, but could not be removed"), "{action}: {failed:?}");
        aws.heal();
        let finished = import(&aws, "--remove-old --cluster batch").await;
        assert_eq!((finished.code, state(&hand).await), (0, None), "{action}: {finished:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_pattern_may_be_kept() {
    let (aws, hand) = by_hand().await;
    let kept = import(&aws, "--keep-pattern").await;
    assert_eq!((kept.code, state(&hand).await), (0, Some(RuleState::Disabled)), "{kept:?}");
    let rule = hand.events.describe_rule().name("taskbell-batch-ecs-task-failed").send().await.unwrap();
    let text = rule.event_pattern.unwrap();
    let mut expected = pattern();
    expected["source"] = json!(["aws.ecs", "taskbell.drill"]);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    // As it says, the pattern in a file is what drift and setup need.
    assert!(kept.err.contains("describe-rule --name taskbell-batch-ecs-task-failed"), "{kept:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ecs-task-failed.json");
    std::fs::write(&file, text).unwrap();
    let drift = format!("drift --cluster batch --pattern {}", file.display());
    assert_eq!(taskbell_without_webhook(&aws, &drift).await.code, 0);
    assert_eq!(import(&aws, "--keep-pattern --pattern task-failed").await.code, 64);
}

/// The drill pretends what the kept pattern takes.
#[tokio::test(start_paused = true)]
async fn a_kept_pattern_is_proved_by_a_drill_it_takes_or_not_at_all() {
    let mut starts = pattern();
    starts["detail"] = json!({ "clusterArn": [arn("ecs", "cluster/batch")], "stopCode": ["TaskFailedToStart"] });
    let (aws, hand) = by_hand_with(&starts, &[("HOOK", WEBHOOK)]).await;
    assert_eq!(import(&aws, "--keep-pattern").await.code, 0);
    assert_eq!(state(&hand).await, Some(RuleState::Disabled));

    starts["detail"]["stopCode"] = json!(["UserInitiated"]);
    let (aws, hand) = by_hand_with(&starts, &[("HOOK", WEBHOOK)]).await;
    let refused = import(&aws, "--keep-pattern").await;
    assert!(refused.code == 64 && refused.err.contains("--no-drill"), "{refused:?}");
    assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)));
    let without = import(&aws, "--keep-pattern --no-drill").await;
    assert_eq!((without.code, state(&hand).await), (0, Some(RuleState::Disabled)), "{without:?}");
    assert!(without.out.contains("Then, without a drill:"), "{without:?}");
    assert!(!aws.writes().contains(&"events:PutEvents".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_over_before_goes_on_ringing() {
    let (aws, hand) = by_hand().await;
    assert_eq!(import(&aws, "").await.code, 0);
    make_rule(&hand, "other", &pattern(), &[function()]).await;
    aws.forget_calls();
    let refused = taskbell_without_webhook(&aws, "import other --yes --keep-pattern").await;
    assert_eq!((refused.code, aws.writes()), (1, vec![]), "{refused:?}");
    assert!(refused.err.contains("would lose its 3 rules taskbell-batch-"), "{refused:?}");
    assert!(refused.err.contains("--stack NAME") && refused.out.contains("- rule/task-failed"), "{refused:?}");
    let dry = taskbell_without_webhook(&aws, "import other --dry-run --keep-pattern").await;
    assert_eq!(dry.code, 1, "{dry:?}");
    let apart = taskbell_without_webhook(&aws, "import other --yes --keep-pattern --stack other").await;
    assert_eq!(apart.code, 0, "{apart:?}");
    assert_eq!(taskbell_without_webhook(&aws, "drift --cluster batch").await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_of_a_stack_that_is_there_goes_on_ringing() {
    let (aws, hand) = by_hand().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --cluster web --yes").await.code, 0);
    aws.forget_calls();
    let refused = import(&aws, "").await;
    assert!(refused.code == 1 && refused.err.contains("no longer ring for"), "{refused:?}");
    assert!(refused.err.contains(&arn("ecs", "cluster/web;")), "{refused:?}");
    assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)));
    assert_eq!(import(&aws, "--cluster batch --cluster web").await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_rule_for_every_cluster_is_taken_over_for_those_that_are_named() {
    let mut everywhere = pattern();
    everywhere["detail"].as_object_mut().unwrap().remove("clusterArn");
    let (aws, hand) = by_hand_with(&everywhere, &[("HOOK", WEBHOOK)]).await;
    let unclear = import(&aws, "").await;
    assert!(unclear.code == 64 && unclear.err.contains("takes the events of every cluster"), "{unclear:?}");
    assert_eq!(aws.writes(), [""; 0]);
    let named = import(&aws, "--cluster batch --cluster web --stack all").await;
    assert!(
        named.code == 0 && named.err.contains("warning: the old rule rings for all other clusters, too"),
        "{named:?}"
    );
    assert_eq!(state(&hand).await, Some(RuleState::Disabled));
    assert_eq!(taskbell_without_webhook(&aws, "drift --stack all --cluster batch --cluster web").await.code, 0);
}

/// A change to the alert by hand, and how it is refused: flags, exit code, words.
type Refusal = (&'static str, fn(&Hand) -> futures_util::future::BoxFuture<'_, ()>, &'static str, u8, &'static str);

macro_rules! hand {
    ($hand:ident => $change:expr) => {
        |$hand: &Hand| Box::pin(async move { $change })
    };
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_taken_over_is_refused_before_anything_is_changed() {
    let refusals: [Refusal; 9] = [
        (
            "a name with a typing mistake",
            hand!(_hand => {}),
            "import ecs-task-fail",
            64,
            "did you mean ecs-task-failed?",
        ),
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
            "one of ours",
            hand!(hand => {
                let tag = Tag::builder().key("taskbell:stack").value("web").build().unwrap();
                let call = hand.events.tag_resource().resource_arn(arn("events", &format!("rule/{OLD}")));
                call.tags(tag).send().await.unwrap();
            }),
            IMPORT,
            64,
            "belongs to the taskbell stack web already",
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
            "a cluster that is not there",
            hand!(_hand => {}),
            "import ecs-task-failed --yes --cluster bach",
            1,
            "no ECS cluster bach",
        ),
    ];
    for (what, change, line, code, told) in refusals {
        let (aws, hand) = by_hand().await;
        change(&hand).await;
        aws.forget_calls();
        let refused = taskbell_without_webhook(&aws, line).await;
        assert!(refused.code == code && refused.err.contains(told), "{what}: {refused:?}");
        assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)), "{what}");
    }
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
        let tag = Tag::builder().key(key).value(value).build().unwrap();
        let call = hand.events.tag_resource().resource_arn(arn("events", &format!("rule/{OLD}")));
        call.tags(tag).send().await.unwrap();
        let dry = taskbell_without_webhook(&aws, "import ecs-task-failed --dry-run").await;
        assert!(dry.err.contains(&format!("warning: the old rule was made by {told}")), "{dry:?}");
        let list = taskbell_without_webhook(&aws, "import").await;
        assert!(list.out.contains(told), "{list:?}");
    }
}

/// Whatever write fails, the old rule rings until the new alert is proved, and the next run gets there.
#[tokio::test(start_paused = true)]
async fn the_old_rule_rings_until_the_new_alert_is_proved_whatever_fails() {
    let (aws, _) = by_hand().await;
    assert_eq!(import(&aws, "").await.code, 0);
    let actions: std::collections::BTreeSet<String> = writes(&aws).into_iter().collect();
    assert!(actions.len() > 12, "{actions:?}");
    for action in actions {
        let (aws, hand) = by_hand().await;
        let on = On::Action(action.clone().leak());
        aws.fail(Fault { failure: Failure::Denied, on, nth: 0, times: FOR_GOOD });
        let failed = import(&aws, "").await;
        assert_ne!(failed.code, 0, "{action}: {failed:?}");
        assert_eq!(state(&hand).await, Some(RuleState::Enabled), "{action}: {failed:?}");
        let told = if action == "events:DisableRule" { "both ring now" } else { "is as it was, and rings as before" };
        assert!(failed.err.contains(told), "{action}: {failed:?}");
        aws.heal();
        let again = import(&aws, "").await;
        assert_eq!((again.code, state(&hand).await), (0, Some(RuleState::Disabled)), "{action}: {again:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drill_that_does_not_arrive_leaves_the_old_rule_ringing() {
    let (aws, hand) = by_hand().await;
    aws.notifier_tells(None);
    let lost = import(&aws, "").await;
    assert_eq!((lost.code, state(&hand).await), (1, Some(RuleState::Enabled)), "{lost:?}");
    assert!(lost.err.contains("is as it was, and rings as before"), "{lost:?}");
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("logs:FilterLogEvents"), nth: 0, times: FOR_GOOD });
    let unknown = import(&aws, "").await;
    assert_eq!((unknown.code, state(&hand).await), (3, Some(RuleState::Enabled)), "{unknown:?}");
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

/// At whichever call Ctrl-C comes: the old rule is disabled only where the new alert was proved.
#[tokio::test(start_paused = true)]
async fn an_interruption_at_any_call_leaves_no_gap() {
    let (aws, _) = by_hand().await;
    assert_eq!(import(&aws, "").await.code, 0);
    let all = aws.calls().len();
    for nth in (0..all).step_by(7) {
        let (aws, hand) = by_hand().await;
        let cancel = aws.interrupt_at(nth);
        let outcome = support::run(&aws, IMPORT, None, cancel).await;
        let proved = outcome.out.contains("+ Slack");
        let off = state(&hand).await == Some(RuleState::Disabled);
        assert!(proved || !off, "{nth}: {outcome:?}");
        assert!(outcome.code == 130 || (outcome.code == 0 && off), "{nth}: {outcome:?}");
        assert_eq!(import(&aws, "").await.code, 0, "{nth}");
        assert_eq!(state(&hand).await, Some(RuleState::Disabled), "{nth}");
    }
}

/// What docs/import.md says it needs besides what setup and a drill need: no less, and no more.
#[tokio::test(start_paused = true)]
async fn with_the_permissions_in_the_docs_it_takes_over_and_removes() {
    let (aws, hand) = by_hand().await;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/import.md")).unwrap();
    let block = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let block = block.replace("REGION", "us-east-1").replace("ACCOUNT", ACCOUNT);
    let policy: Value =
        serde_json::from_str(&block.replace("OLD-RULE", OLD).replace("OLD-FUNCTION", FUNCTION)).unwrap();
    let own = policy["Statement"].as_array().unwrap().clone();
    let mut statements = own.clone();
    for command in ["setup", "drill"] {
        let printed = taskbell(&aws, &format!("permissions --cluster batch --for {command}")).await.json();
        statements.extend(printed["Statement"].as_array().unwrap().clone());
    }
    aws.enforce(json!({ "Version": "2012-10-17", "Statement": statements }));
    let done = import(&aws, "").await;
    assert_eq!((done.code, state(&hand).await), (0, Some(RuleState::Disabled)), "{done:?}");
    let removed = import(&aws, "--remove-old").await;
    assert_eq!(removed.code, 0, "{removed:?}");
    let needed = aws.needed();
    for action in own.iter().flat_map(|statement| statement["Action"].as_array().unwrap()) {
        assert!(needed.contains(action.as_str().unwrap()), "{action}");
    }
}

/// As it stands in the blog post: whatever comes is posted as text.
const INDEX: &str = r#"
export const handler = async (event) => {
  const { clusterArn, group, stoppedReason, containers } = event.detail;
  const exits = containers.map(({ name, exitCode }) => `${name}: ${exitCode}`).join(", ");
  const response = await fetch(process.env.SLACK_WEBHOOK_URL, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      channel: process.env.CHANNEL,
      text: `by hand: ECS task stopped in ${clusterArn} (${group})`,
      attachments: [
        {
          color: "danger",
          fields: [
            { title: "reason", value: stoppedReason },
            { title: "exit codes", value: exits },
          ],
        },
      ],
    }),
  });
  console.log("Slack answered", response.status);
  return { statusCode: response.status };
};
"#;

fn archive() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("index.mjs", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(INDEX.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

/// Nobody may put events of aws.ecs on a bus, here as in AWS: the rule of this test takes those of somebody else, too.
const EMITTER: &str = "acme.ecs";

/// A task of the cluster dies.
async fn dies(hand: &Hand, task: &str) {
    let mut event =
        taskbell::pattern::samples::of_cluster_by_name("01-exit-nonzero", &arn("ecs", "cluster/batch")).unwrap();
    event["detail"]["taskArn"] = json!(arn("ecs", &format!("task/batch/{task}")));
    event["detail"]["group"] = json!(format!("family:{task}"));
    let entry = PutEventsRequestEntry::builder()
        .source(EMITTER)
        .detail_type("ECS Task State Change")
        .resources(event["detail"]["taskArn"].as_str().unwrap())
        .detail(event["detail"].to_string());
    let answer = hand.events.put_events().entries(entry.build()).send().await.unwrap();
    assert_eq!(answer.failed_entry_count(), 0, "{answer:?}");
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_task_that_dies_rings_once_before_and_once_after() {
    let (aws, slack) = (Emulator::start("ministack"), Slack::start());
    let sdk = aws.sdk().await;
    aws_sdk_ecs::Client::new(&sdk).create_cluster().cluster_name("batch").send().await.unwrap();
    let hand = Hand::with(&sdk);
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    hand.iam.create_role().role_name("ecs-to-slack-role").assume_role_policy_document(trust).send().await.unwrap();
    make_function_of(&hand, &[("SLACK_WEBHOOK_URL", &slack.webhook()), ("CHANNEL", "#ops")], archive()).await;
    let mut pattern = pattern();
    pattern["source"] = json!(["aws.ecs", EMITTER]);
    make_rule(&hand, OLD, &pattern, &[function()]).await;
    dies(&hand, "first").await;
    let before = slack.wait_for(1);
    assert!(texts(&before)[0].starts_with("by hand: ECS task stopped"), "{before:?}");

    slack.forget();
    let done = aws.taskbell(&format!("{IMPORT} --keep-pattern --allow-any-webhook-host"), None);
    let log = hand.logs.filter_log_events().log_group_name("/aws/lambda/taskbell-batch").send().await;
    assert_eq!((done.code, state(&hand).await), (0, Some(RuleState::Disabled)), "{done:?} {log:?}");
    assert!(slack.wait_for(1)[0].to_string().contains("taskbell-drill"));
    dies(&hand, "second").await;
    slack.wait_for(2);
    // Whatever else rings would have rung by now.
    for _ in 0..40 {
        pause();
    }
    let after = slack.wait_for(2);
    assert_eq!(after.len(), 2, "{after:#?}");
    assert!(after[1].to_string().contains("second") && !texts(&after)[1].contains("by hand"), "{after:#?}");

    let removed = aws.taskbell(&format!("{IMPORT} --keep-pattern --allow-any-webhook-host --remove-old"), None);
    assert_eq!((removed.code, state(&hand).await), (0, None), "{removed:?}");
    let functions = aws.listing().await["functions"].clone();
    assert_eq!(functions, json!(["taskbell-batch"]));
}
