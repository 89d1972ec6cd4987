//! Checks that a repair loses no alert in any moment: everything that works before the repair works after each of its calls.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use serde_json::{Value, json};
use taskbell::policy::Policy;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::support::aws::{ACCOUNT, Aws, FOR_GOOD, Failure, Fault, On};
use crate::support::hand::{
    Change, EVERY, FUNCTION, GROUP, Hand, PARAMETER, QUEUE, ROLE, RULE, SCHEDULES, TABLE, changes_by_hand, repaired,
};
use crate::support::{iam, taskbell};

const SETUP: &str = "setup --cluster batch --reset --yes --tag team=data --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call \
     --expect nightly,every=26h --expect nightly,max-runtime=2h";

fn arn(service: &str, name: &str) -> String {
    format!("arn:aws:{service}:us-east-1:{ACCOUNT}:{name}")
}

/// Returns the facts on which an alert depends and that hold now, one in a line.
async fn working(hand: &Hand) -> BTreeSet<String> {
    let mut facts = of_rules(hand).await;
    facts.extend(of_role(hand).await);
    facts.extend(of_function(hand).await);
    facts.extend(of_schedules(hand).await);
    let log = hand.logs.describe_log_groups().log_group_name_prefix(GROUP).send().await.unwrap();
    facts.extend(log.log_groups().iter().map(|group| format!("there is the log group {:?}", group.log_group_name())));
    if hand.ssm.get_parameter().name(PARAMETER).send().await.is_ok() {
        facts.insert("there is the webhook".to_owned());
    }
    if hand.dynamodb.describe_table().table_name(TABLE).send().await.is_ok() {
        facts.insert("there is the table".to_owned());
    }
    facts
}

async fn of_rules(hand: &Hand) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    let (function, queue) = (arn("lambda", &format!("function:{FUNCTION}")), arn("sqs", QUEUE));
    let policy = match hand.lambda.get_policy().function_name(FUNCTION).send().await {
        Ok(answer) => Policy::parse(&answer.policy.unwrap()),
        Err(_) => Policy::parse("{}"),
    };
    let url = hand.sqs.get_queue_url().queue_name(QUEUE).send().await.unwrap().queue_url.unwrap();
    let call = hand.sqs.get_queue_attributes().queue_url(url).attribute_names(Attribute::All);
    let attributes = call.send().await.unwrap().attributes.unwrap();
    let of_queue = Policy::parse(attributes.get(&Attribute::Policy).map_or("{}", String::as_str));
    let rules = hand.events.list_rules().name_prefix("taskbell-batch-").send().await.unwrap().rules.unwrap();
    for rule in rules {
        let (name, rule_arn) = (rule.name.unwrap(), rule.arn.unwrap());
        let mut fact = |holds: bool, what: &str| holds.then(|| facts.insert(format!("{name} {what}")));
        fact(rule.state.is_some_and(|state| state.as_str() == "ENABLED"), "is enabled");
        let pattern: Value = serde_json::from_str(&rule.event_pattern.unwrap()).unwrap();
        fact(true, &format!("matches {pattern}"));
        let targets = hand.events.list_targets_by_rule().rule(&name).send().await.unwrap().targets.unwrap();
        let mut notifiers = targets.iter().filter(|target| {
            let is_changed =
                target.input.is_some() || target.input_path.is_some() || target.input_transformer.is_some();
            target.arn == function && !is_changed
        });
        fact(notifiers.clone().next().is_some(), "invokes the notifier");
        let kept = notifiers.any(|target| target.dead_letter_config().and_then(|config| config.arn()) == Some(&queue));
        fact(kept, "keeps events in the queue");
        let service = "events.amazonaws.com";
        fact(policy.allows_service(service, "lambda:InvokeFunction", &rule_arn), "may invoke the notifier");
        fact(of_queue.allows_service(service, "sqs:SendMessage", &rule_arn), "may send to the queue");
    }
    facts
}

async fn of_schedules(hand: &Hand) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    for name in [EVERY, "sweep"] {
        let call = hand.scheduler.get_schedule().group_name(SCHEDULES).name(name);
        let Ok(schedule) = call.send().await else { continue };
        let (state, target) = (schedule.state.unwrap(), schedule.target.unwrap());
        let (expression, zone) =
            (schedule.schedule_expression.unwrap(), schedule.schedule_expression_timezone.unwrap());
        facts.insert(format!("{name} is {state:?}"));
        facts.insert(format!("{name} runs at {expression} in {zone}"));
        facts.insert(format!("{name} sends {:?} to {}", target.input, target.arn));
        facts.insert(format!("{name} keeps events in {:?}", target.dead_letter_config));
    }
    facts
}

async fn of_role(hand: &Hand) -> BTreeSet<String> {
    let Ok(answer) = hand.iam.get_role().role_name(ROLE).send().await else { return BTreeSet::new() };
    let trust = Policy::parse(&answer.role.unwrap().assume_role_policy_document.unwrap());
    let mut facts = BTreeSet::new();
    if trust.allows_service("lambda.amazonaws.com", "sts:AssumeRole", "") {
        facts.insert("Lambda may assume the role".to_owned());
    }
    let needs = [
        ("logs:PutLogEvents", arn("logs", &format!("log-group:{GROUP}:log-stream:x"))),
        ("ssm:GetParameter", arn("ssm", &format!("parameter{PARAMETER}"))),
        ("sqs:SendMessage", arn("sqs", QUEUE)),
        ("dynamodb:UpdateItem", arn("dynamodb", &format!("table/{TABLE}"))),
        ("ecs:DescribeTaskDefinition", "*".to_owned()),
    ];
    for name in hand.iam.list_role_policies().role_name(ROLE).send().await.unwrap().policy_names {
        let answer = hand.iam.get_role_policy().role_name(ROLE).policy_name(name).send().await.unwrap();
        let document = Policy::parse(&answer.policy_document).document();
        let granted = needs
            .iter()
            .filter(|(action, on)| iam::allows(&document, &((*action).to_owned(), on.clone()), &iam::Context::new()));
        facts.extend(granted.map(|(action, on)| format!("the role may {action} on {on}")));
    }
    facts
}

async fn of_function(hand: &Hand) -> BTreeSet<String> {
    let Ok(answer) = hand.lambda.get_function().function_name(FUNCTION).send().await else { return BTreeSet::new() };
    let reserved = answer.concurrency.and_then(|concurrency| concurrency.reserved_concurrent_executions);
    let now = answer.configuration.unwrap();
    let variables = now.environment.and_then(|environment| environment.variables).unwrap_or_default();
    let mut facts = BTreeSet::from([
        format!("the function has the role {:?}", now.role),
        format!("the function has the code {:?} and {:?}", now.code_sha256, now.handler),
        format!("the function has the variables {}", json!(variables)),
    ]);
    if reserved != Some(0) {
        facts.insert("the function may run".to_owned());
    }
    let call = hand.lambda.get_function_event_invoke_config().function_name(FUNCTION);
    if let Ok(config) = call.send().await {
        let destination = config.destination_config.and_then(|config| config.on_failure?.destination);
        facts.insert(format!("failed events go to {destination:?}"));
    }
    facts
}

/// Changes by hand after which the stack works in another way than taskbell set it up.
fn unusual() -> Vec<(&'static str, Change)> {
    vec![
        ("a statement that allows every rule, beside a statement of an interrupted repair", |hand| {
            Box::pin(async move {
                hand.lambda.remove_permission().function_name(FUNCTION).statement_id(RULE).send().await.unwrap();
                for (id, source) in [(RULE.to_owned(), "rule/*"), (format!("{RULE}-repair-1"), "rule/taskbell-*")] {
                    let call = hand.lambda.add_permission().function_name(FUNCTION).statement_id(id);
                    let call = call.action("lambda:InvokeFunction").principal("events.amazonaws.com");
                    call.source_arn(arn("events", source)).send().await.unwrap();
                }
            })
        }),
        ("the right statement under another id", |hand| {
            Box::pin(async move {
                hand.lambda.remove_permission().function_name(FUNCTION).statement_id(RULE).send().await.unwrap();
                let call = hand.lambda.add_permission().function_name(FUNCTION).statement_id("mine");
                let call = call.action("lambda:InvokeFunction").principal("events.amazonaws.com");
                call.source_arn(arn("events", &format!("rule/{RULE}"))).send().await.unwrap();
            })
        }),
        ("the target under another id", |hand| {
            Box::pin(async move {
                let mut target = hand.target().await;
                hand.events.remove_targets().rule(RULE).ids("notifier").send().await.unwrap();
                "mine".clone_into(&mut target.id);
                hand.put_target(target).await;
            })
        }),
        ("the role's policy under another name", |hand| {
            Box::pin(async move {
                let call = hand.iam.get_role_policy().role_name(ROLE).policy_name("notifier");
                let document = Policy::parse(&call.send().await.unwrap().policy_document).document().to_string();
                let put = hand.iam.put_role_policy().role_name(ROLE).policy_name("mine").policy_document(document);
                put.send().await.unwrap();
                hand.iam.delete_role_policy().role_name(ROLE).policy_name("notifier").send().await.unwrap();
            })
        }),
        ("a queue that any rule may send to", |hand| {
            Box::pin(async move {
                let policy = json!({ "Statement": [{ "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" },
                    "Action": "sqs:*", "Resource": "*" }] });
                hand.set_queue(Attribute::Policy, &policy.to_string()).await;
            })
        }),
    ]
}

#[tokio::test(start_paused = true)]
async fn no_moment_of_a_repair_loses_an_alert() {
    let prepared = Aws::new().await;
    let setup = taskbell(&prepared, SETUP).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let hand = Hand::of(&prepared);
    hand.iam.create_policy().policy_name("extra").policy_document("{}").send().await.unwrap();
    let goal = working(&hand).await;
    assert!(goal.len() > 20, "{goal:#?}");
    let named = changes_by_hand().into_iter().map(|(id, path, change)| (format!("{id}{path}"), change));
    let unusual = unusual().into_iter().map(|(name, change)| (name.to_owned(), change));
    for (name, change) in named.chain(unusual) {
        let aws = Aws::new().await;
        aws.become_like(&prepared).await;
        let hand = Hand::of(&aws);
        change(&hand).await;
        let before: BTreeSet<String> = working(&hand).await.intersection(&goal).cloned().collect();
        let (told, mut moments) = mpsc::unbounded_channel();
        let (now, kept) = (aws.clone(), before.clone());
        aws.watch(move |action| {
            let (now, kept, told) = (now.clone(), kept.clone(), told.clone());
            async move {
                let working = working(&Hand::of(&now)).await;
                let lost: Vec<String> = kept.difference(&working).cloned().collect();
                told.send((action, lost)).unwrap();
            }
        });
        let repaired = repaired(&aws, SETUP).await;
        aws.watch_no_more();
        assert_eq!(repaired.code, 0, "{name}: {repaired:?}");
        let mut looks = 0;
        while let Ok((action, lost)) = moments.try_recv() {
            looks += 1;
            assert!(lost.is_empty(), "{name}: after {action} is lost: {lost:#?}");
        }
        assert!(looks > 0, "{name}: nobody looked");
        let after = working(&hand).await;
        assert!(goal.is_subset(&after), "{name}: {:#?}", goal.difference(&after).collect::<Vec<_>>());
    }
}

/// Puts the stack's statement for the rule into a wrong state, or under another id.
async fn spoil_statement(hand: &Hand, id: &str, source: Option<String>) {
    hand.lambda.remove_permission().function_name(FUNCTION).statement_id(RULE).send().await.unwrap();
    let call = hand.lambda.add_permission().function_name(FUNCTION).statement_id(id);
    let call = call.action("lambda:InvokeFunction").principal("events.amazonaws.com");
    call.set_source_arn(source).send().await.unwrap();
}

/// Checks that callers see a new statement before another one that allows the same rule goes: Lambda applies changes of a
/// resource policy some seconds later.
#[tokio::test(start_paused = true)]
async fn statement_goes_only_after_its_stand_in_is_in_effect() {
    let own = arn("events", &format!("rule/{RULE}"));
    for (id, source, removals) in [(RULE, None, 2), ("mine", Some(own), 1)] {
        let aws = Aws::new().await;
        assert_eq!(taskbell(&aws, SETUP).await.code, 0);
        spoil_statement(&Hand::of(&aws), id, source).await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        let (told, mut moments) = mpsc::unbounded_channel();
        aws.watch(move |action| {
            told.send((action, Instant::now())).unwrap();
            async {}
        });
        let setup = taskbell(&aws, SETUP).await;
        aws.watch_no_more();
        assert_eq!(setup.code, 0, "{setup:?}");
        let (mut added, mut removed) = (None, 0);
        while let Ok((action, at)) = moments.try_recv() {
            match action.as_str() {
                "lambda:AddPermission" => added = Some(at),
                "lambda:RemovePermission" => {
                    removed += 1;
                    let since = at - added.unwrap();
                    assert!(since >= Duration::from_secs(10), "{id}: removed {since:?} after the last addition");
                }
                _ => {}
            }
        }
        assert_eq!(removed, removals, "{id}");
    }
}

/// Checks a Lambda that refuses the new statement because it still sees the removed one.
#[tokio::test(start_paused = true)]
async fn statement_that_lambda_took_for_the_old_one_is_added_again() {
    let aws = Aws::new().await;
    assert_eq!(Box::pin(taskbell(&aws, SETUP)).await.code, 0);
    let hand = Hand::of(&aws);
    Box::pin(spoil_statement(&hand, RULE, None)).await;
    aws.meanwhile("lambda:RemovePermission", 0, |aws| {
        Box::pin(async move {
            let message =
                format!("The statement id ({RULE}) provided already exists. Please provide a new statement id.");
            aws.refuse_next("lambda:AddPermission", "ResourceConflictException", &message, 1);
        })
    });
    aws.forget_calls();
    let setup = Box::pin(taskbell(&aws, SETUP)).await;
    assert!(setup.code == 0 && aws.refusals_left().is_empty(), "{setup:?}");
    let of_policy = |call: &String| call.ends_with("Permission");
    let writes: Vec<String> = aws.writes().into_iter().filter(of_policy).collect();
    let [add, remove] = ["lambda:AddPermission", "lambda:RemovePermission"];
    // The stand-in comes, the wrong statement goes; the right one is refused, and comes; the stand-in goes.
    assert_eq!(writes, [add, remove, add, add, remove]);
    assert!(Box::pin(of_rules(&hand)).await.contains(&format!("{RULE} may invoke the notifier")));
}

/// Checks a repair of a statement that ends after any of its calls: the rule may still invoke the notifier, and the next setup
/// completes the repair.
#[tokio::test(start_paused = true)]
async fn interrupted_repair_of_a_statement_keeps_the_rule_allowed() {
    let fact = format!("{RULE} may invoke the notifier");
    for (action, nth) in [
        ("lambda:AddPermission", 0),
        ("lambda:RemovePermission", 0),
        ("lambda:AddPermission", 1),
        ("lambda:RemovePermission", 1),
    ] {
        let aws = Aws::new().await;
        assert_eq!(taskbell(&aws, SETUP).await.code, 0);
        let hand = Hand::of(&aws);
        hand.lambda.remove_permission().function_name(FUNCTION).statement_id(RULE).send().await.unwrap();
        let call = hand.lambda.add_permission().function_name(FUNCTION).statement_id(RULE);
        call.action("lambda:InvokeFunction").principal("events.amazonaws.com").send().await.unwrap();
        aws.fail(Fault { failure: Failure::Denied, on: On::Action(action), nth, times: FOR_GOOD });
        assert_eq!(taskbell(&aws, SETUP).await.code, 1, "{action} {nth}");
        aws.heal();
        assert!(working(&hand).await.contains(&fact), "{action} {nth}");
        let again = taskbell(&aws, SETUP).await;
        assert_eq!(again.code, 0, "{action} {nth}: {again:?}");
        let policy = hand.lambda.get_policy().function_name(FUNCTION).send().await.unwrap().policy.unwrap();
        assert!(!policy.contains("repair"), "{action} {nth}: {policy}");
    }
}
