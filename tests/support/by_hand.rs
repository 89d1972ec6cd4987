//! Creates an alert by hand: the rule and the function that many blog posts describe.

use aws_sdk_eventbridge::types::{RuleState, Target};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use serde_json::{Value, json};

use crate::support::aws::ACCOUNT;
use crate::support::hand::Hand;

pub const OLD: &str = "ecs-task-failed";
pub const FUNCTION: &str = "ecs-to-slack";
pub const IMPORT: &str = "import ecs-task-failed --yes";

pub fn arn(service: &str, name: &str) -> String {
    format!("arn:aws:{service}:us-east-1:{ACCOUNT}:{name}")
}

/// Returns the pattern that many blog posts show.
pub fn pattern() -> Value {
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

pub async fn make_function_of(hand: &Hand, variables: &[(&str, &str)], archive: Vec<u8>) {
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

pub async fn make_rule(hand: &Hand, name: &str, pattern: &Value, targets: &[String]) {
    hand.events.put_rule().name(name).event_pattern(pattern.to_string()).send().await.unwrap();
    for (at, target) in targets.iter().enumerate() {
        let target = Target::builder().id(format!("t{at}")).arn(target).build().unwrap();
        hand.events.put_targets().rule(name).targets(target).send().await.unwrap();
    }
}

pub fn function() -> String {
    arn("lambda", &format!("function:{FUNCTION}"))
}

pub async fn state(hand: &Hand) -> Option<RuleState> {
    let rules = hand.events.list_rules().name_prefix(OLD).send().await.unwrap();
    rules.rules().iter().find(|rule| rule.name() == Some(OLD)).and_then(|rule| rule.state().cloned())
}
