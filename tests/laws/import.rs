//! Checks `import`: a stack replaces an alert made by hand, without a moment in which no alert would be sent.

/// A change by hand.
type Change = fn(&Hand) -> futures_util::future::BoxFuture<'_, ()>;

macro_rules! hand {
    ($hand:ident => $change:expr) => {
        |$hand: &Hand| Box::pin(async move { $change })
    };
}

mod beside_file;
mod refused;
mod switched;

use aws_sdk_eventbridge::types::{RuleState, Tag};
use aws_sdk_ssm::types::ParameterType;
use serde_json::{Value, json};

use crate::support::aws::{ACCOUNT, Aws, FOR_GOOD, Failure, Fault, On};
use crate::support::by_hand::{FUNCTION, IMPORT, OLD, arn, function, make_function_of, make_rule, pattern, state};
use crate::support::hand::Hand;
use crate::support::schema::mistakes;
use crate::support::{self, Outcome, WEBHOOK, taskbell, taskbell_without_webhook, typing};

async fn make_function(hand: &Hand, variables: &[(&str, &str)]) {
    make_function_of(hand, variables, b"PK".to_vec()).await;
}

async fn tag(hand: &Hand, rule: &str, key: &str, value: &str) {
    let tag = Tag::builder().key(key).value(value).build().unwrap();
    let call = hand.events.tag_resource().resource_arn(arn("events", &format!("rule/{rule}")));
    call.tags(tag).send().await.unwrap();
}

/// Creates the rule and the function that many blog posts describe, and a notifier whose drills arrive.
async fn by_hand() -> (Aws, Hand) {
    by_hand_with(&pattern(), &[("CHANNEL", "#ops"), ("SLACK_WEBHOOK_URL", WEBHOOK)]).await
}

async fn by_hand_with(pattern: &Value, variables: &[(&str, &str)]) -> (Aws, Hand) {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    make_function(&hand, variables).await;
    make_rule(&hand, OLD, pattern, &[function()]).await;
    aws.notifier_tells(Some(json!({ "outcome": "sent", "ms": { "total": 50 },
        "destinations": [{ "name": "webhook", "kind": "slack", "outcome": "sent", "status": 200, "attempts": 1, "ms": 1 }] })));
    aws.forget_calls();
    (aws, hand)
}

/// Runs `import` with only the function's webhook.
async fn import(aws: &Aws, flags: &str) -> Outcome {
    taskbell_without_webhook(aws, &format!("{IMPORT} {flags}")).await
}

/// Returns the writes, without the calls that look for the drill.
fn writes(aws: &Aws) -> Vec<String> {
    let looks = ["logs:FilterLogEvents", "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility"];
    aws.writes().into_iter().filter(|action| !looks.contains(&action.as_str())).collect()
}

async fn webhook_of_stack(hand: &Hand) -> String {
    let call = hand.ssm.get_parameter().name(support::hand::PARAMETER).with_decryption(true);
    let parameter = call.send().await.unwrap().parameter.unwrap();
    assert_eq!(parameter.r#type, Some(ParameterType::SecureString));
    parameter.value.unwrap()
}

#[tokio::test(start_paused = true)]
async fn list_has_the_unmanaged_rules_that_alert_on_ecs() {
    let (aws, hand) = by_hand().await;
    let anywhere = json!({ "source": ["aws.ecs"], "detail": { "stopCode": ["TaskFailedToStart"] } });
    let topic = arn("sns", "on-call");
    make_rule(&hand, "to-a-topic", &anywhere, std::slice::from_ref(&topic)).await;
    make_rule(&hand, "to-both", &anywhere, &[arn("lambda", "function:gone"), topic.clone()]).await;
    make_rule(&hand, "to-a-queue", &anywhere, &[arn("sqs", "archive")]).await;
    make_rule(&hand, "of-ec2", &json!({ "source": ["aws.ec2"] }), &[function()]).await;
    make_rule(&hand, "of-batch", &json!({ "source": ["aws.batch", "aws.ecs"] }), &[function()]).await;
    make_rule(&hand, "exported", &pattern(), &[function()]).await;
    tag(&hand, "exported", "taskbell:exported", "prod").await;
    make_rule(&hand, "off", &pattern(), &[function()]).await;
    hand.events.disable_rule().name("off").send().await.unwrap();
    assert_eq!(taskbell(&aws, "setup --cluster web --yes").await.code, 0);
    aws.forget_calls();

    let list = taskbell_without_webhook(&aws, "import").await;
    assert_eq!(list.code, 0, "{list:?}");
    insta::assert_snapshot!(list.out);
    assert!(list.err.starts_with("4 rules in us-east-1"), "{list:?}");
    let object = taskbell_without_webhook(&aws, "import --output json").await.json();
    let names: Vec<&str> =
        object["rules"].as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap()).collect();
    assert_eq!(names, [OLD, "of-batch", "to-a-topic", "to-both"]);
    assert_eq!(object["rules"][0]["clusters"], json!([arn("ecs", "cluster/batch")]));
    assert_eq!(object["rules"][0]["webhook_variables"], json!(["SLACK_WEBHOOK_URL"]));
    assert_eq!((&object["rules"][2]["clusters"], &object["rules"][2]["function"]), (&Value::Null, &Value::Null));
    assert_eq!(aws.writes(), [""; 0]);

    aws.fail(Fault { failure: Failure::Denied, on: On::Action("lambda:GetFunction"), nth: 0, times: FOR_GOOD });
    let unread = taskbell_without_webhook(&aws, "import").await;
    assert!(unread.code == 3 && unread.out.contains("could not be read: could not read the function"), "{unread:?}");
}

#[tokio::test(start_paused = true)]
async fn list_is_empty_without_rules() {
    let list = taskbell_without_webhook(&Aws::new().await, "import").await;
    assert_eq!((list.code, list.out.as_str()), (0, ""), "{list:?}");
    assert!(list.err.starts_with("Found no rule outside taskbell"), "{list:?}");
}

#[tokio::test(start_paused = true)]
async fn dry_run_shows_the_changes_and_makes_none() {
    let (aws, hand) = by_hand().await;
    let dry = taskbell_without_webhook(&aws, "import ecs-task-failed --dry-run").await;
    assert_eq!(dry.code, 2, "{dry:?}");
    insta::assert_snapshot!(dry.out);
    assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)));
    let by_arn = format!("import {} --dry-run", arn("events", &format!("rule/{OLD}")));
    assert_eq!(taskbell_without_webhook(&aws, &by_arn).await.out, dry.out);
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
    assert_eq!((&import["narrowed_by"], &import["without_sample"]), (&json!([]), &json!([])));
    assert!(!dry.err.contains("warning"), "{dry:?}");
}

/// Checks the fields by which rules of other tools narrow their alerts: each is reported, with the flags that keep it, and those
/// flags keep it.
#[tokio::test(start_paused = true)]
async fn scope_of_the_old_rule_is_reported_with_the_flags_that_keep_it() {
    let definition = arn("ecs", "task-definition/nightly:");
    for (detail, field, told, flags) in [
        (
            json!({ "group": ["service:orders"], "stopCode": [{ "anything-but": ["SpotInterruption"] }] }),
            "detail.group",
            "(not kept; --service orders keeps it)",
            Some("--service orders"),
        ),
        (
            json!({ "taskDefinitionArn": [{ "prefix": definition }], "containers": { "exitCode": [{ "anything-but": 0 }] } }),
            "detail.taskDefinitionArn",
            "(not kept; --family nightly keeps it)\nThese flags do not narrow the other patterns, which alert on more than the rule does; --pattern task-failed",
            Some("--pattern task-failed --family nightly"),
        ),
        (
            json!({ "startedBy": [{ "prefix": "events-rule/" }], "stopCode": ["EssentialContainerExited", "TaskFailedToStart"] }),
            "detail.startedBy",
            "no flag says the same; --keep-pattern keeps the whole pattern",
            Some("--keep-pattern"),
        ),
        (json!({ "launchType": ["FARGATE"] }), "detail.launchType", "no flag says the same", None),
    ] {
        let mut narrow = pattern();
        narrow["detail"].as_object_mut().unwrap().remove("containers");
        narrow["detail"].as_object_mut().unwrap().extend(detail.as_object().unwrap().clone());
        let (aws, _) = by_hand_with(&narrow, &[("HOOK", WEBHOOK)]).await;
        let dry = "import ecs-task-failed --dry-run";
        let wide = taskbell_without_webhook(&aws, dry).await;
        assert!(wide.out.contains("The rule alerts only on a part of these events:\n"), "{detail}: {wide:?}");
        assert!(wide.out.contains(&format!("  {field}: ")) && wide.out.contains(told), "{detail}: {wide:?}");
        let warning = format!("the new rules also alert on events that the old rule excludes by {field}\n");
        assert!(wide.err.contains(&warning), "{detail}: {wide:?}");
        assert!(!wide.out.contains("Alerts as before: 0"), "{detail}: {wide:?}");
        let object = taskbell_without_webhook(&aws, &format!("{dry} --output json")).await.json();
        assert_eq!(object["import"]["old_scope"]["fields"][0]["kept"], false, "{object:#}");
        assert_eq!(mistakes(&[("import", object)]), "");
        if let Some(flags) = flags {
            let kept = taskbell_without_webhook(&aws, &format!("{dry} {flags}")).await;
            assert!(
                kept.out.contains("(the new rules keep this)") && !kept.err.contains(&warning),
                "{flags}: {kept:?}"
            );
        }
        assert_eq!(aws.writes(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn dry_run_says_that_no_webhook_is_known() {
    let (aws, _) = by_hand_with(&pattern(), &[("CHANNEL", "#ops")]).await;
    let note = "note: the old alert has no webhook that taskbell recognises";
    let dry = taskbell_without_webhook(&aws, "import ecs-task-failed --dry-run").await;
    assert!(dry.code == 2 && dry.err.contains(note), "{dry:?}");
    let given = taskbell(&aws, "import ecs-task-failed --dry-run").await;
    assert!(given.code == 2 && !given.err.contains(note), "{given:?}");
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    let stored = taskbell_without_webhook(&aws, "import ecs-task-failed --dry-run").await;
    assert!(!stored.err.contains(note), "{stored:?}");
}

/// Checks rules that EventBridge accepts and taskbell cannot read: the list has those that may be about ECS.
#[tokio::test(start_paused = true)]
async fn rule_with_a_pattern_that_cannot_be_read_is_listed_with_the_reason() {
    let (aws, hand) = by_hand().await;
    for (name, source) in [("huge", "aws.ecs"), ("of-ec2", "aws.ec2")] {
        let text = format!(r#"{{"source":["{source}"],"detail":{{"x":[1e400]}}}}"#);
        hand.events.put_rule().name(name).event_pattern(text).send().await.unwrap();
    }
    let list = taskbell_without_webhook(&aws, "import").await;
    let line = list.out.lines().find(|line| line.starts_with("huge"));
    assert!(line.is_some_and(|line| line.contains("could not be read: the pattern of the rule huge")), "{list:?}");
    assert!(list.code == 3 && !list.out.contains("of-ec2"), "{list:?}");
}

#[tokio::test(start_paused = true)]
async fn differences_that_no_sample_shows_are_a_warning() {
    let mut wide = pattern();
    wide["detail-type"] = json!(["ECS Task State Change", "ECS Container Instance State Change"]);
    let (aws, _) = by_hand_with(&wide, &[("HOOK", WEBHOOK)]).await;
    let dry = "import ecs-task-failed --dry-run --pattern task-failed --exclude-family web*";
    let told = taskbell_without_webhook(&aws, dry).await;
    assert!(told.err.contains("no sample represents (ECS Container Instance State Change)"), "{told:?}");
    assert!(told.err.contains("may also alert on events that --exclude-family excludes"), "{told:?}");
    let object = taskbell_without_webhook(&aws, &format!("{dry} --output json")).await.json();
    assert_eq!(object["import"]["narrowed_by"], json!(["--exclude-family"]));
    assert_eq!(object["import"]["without_sample"], json!(["ECS Container Instance State Change"]));
    let (aws, _) = by_hand().await;
    let kept = taskbell_without_webhook(&aws, "import ecs-task-failed --dry-run --keep-pattern --family web").await;
    assert!(kept.err.contains("may also alert on events that --family excludes"), "{kept:?}");
}

#[tokio::test(start_paused = true)]
async fn stack_replaces_the_alert_and_the_old_rule_is_disabled_after_the_drill() {
    let (aws, hand) = by_hand().await;
    let done = import(&aws, "").await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("✓ Slack") && done.err.contains("The rule ecs-task-failed is disabled."), "{done:?}");
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
async fn json_output_is_one_object() {
    let (aws, _) = by_hand().await;
    let object = import(&aws, "--output json").await.json();
    assert_eq!((&object["import"]["done"], &object["drill"]["delivered"]), (&json!(true), &json!(true)), "{object:#}");
    assert_eq!((&object["in_sync"], &object["stack"]), (&json!(true), &json!("batch")));
    let list = taskbell(&aws, "import --output json").await.json();
    assert_eq!(mistakes(&[("import", object), ("import-list", list)]), "");
}

#[tokio::test(start_paused = true)]
async fn declined_confirmation_changes_nothing() {
    let (aws, hand) = by_hand().await;
    let declined = typing(&aws, "import ecs-task-failed", &["n"]).await;
    assert!(
        declined.code == 2 && declined.err.contains("and then disable the rule ecs-task-failed? [y/N]"),
        "{declined:?}"
    );
    assert!(declined.err.contains("The rule ecs-task-failed is unchanged"), "{declined:?}");
    assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)));
    let removal = typing(&aws, "import ecs-task-failed --remove-old", &["n"]).await;
    for told in ["whose code cannot be restored", "only need IAM permissions"] {
        assert!(removal.err.contains(told), "{removal:?}");
    }
    let unasked = taskbell_without_webhook(&aws, "import ecs-task-failed").await;
    assert_eq!((unasked.code, aws.writes()), (64, vec![]), "{unasked:?}");
}

#[tokio::test(start_paused = true)]
async fn existing_stack_needs_only_the_last_step() {
    let (aws, hand) = by_hand().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    aws.forget_calls();
    assert_eq!(taskbell_without_webhook(&aws, "import ecs-task-failed --dry-run").await.code, 2);
    assert_eq!(import(&aws, "").await.code, 0);
    assert_eq!(writes(&aws), ["events:PutEvents", "events:DisableRule"]);
    assert_eq!(state(&hand).await, Some(RuleState::Disabled));
}

#[tokio::test(start_paused = true)]
async fn old_rule_and_its_function_are_removed_on_request() {
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
async fn next_run_finishes_a_failed_removal() {
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
async fn old_pattern_can_be_kept() {
    let (aws, hand) = by_hand().await;
    let kept = import(&aws, "--keep-pattern").await;
    assert_eq!((kept.code, state(&hand).await), (0, Some(RuleState::Disabled)), "{kept:?}");
    let rule = hand.events.describe_rule().name("taskbell-batch-ecs-task-failed").send().await.unwrap();
    let text = rule.event_pattern.unwrap();
    let mut expected = pattern();
    expected["source"] = json!(["aws.ecs", "taskbell.drill"]);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    // The output says that drift and setup need the pattern in a file.
    assert!(kept.err.contains("describe-rule --name taskbell-batch-ecs-task-failed"), "{kept:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ecs-task-failed.json");
    std::fs::write(&file, text).unwrap();
    let drift = format!("drift --cluster batch --pattern {}", file.display());
    assert_eq!(taskbell_without_webhook(&aws, &drift).await.code, 0);
    assert_eq!(import(&aws, "--keep-pattern --pattern task-failed").await.code, 64);
}

/// Checks that the drill simulates a failure that the kept pattern matches.
#[tokio::test(start_paused = true)]
async fn kept_pattern_needs_a_drill_that_matches_it_or_no_drill() {
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
    assert!(without.err.contains("waiting for EventBridge to apply the new rules"), "{without:?}");
    assert!(!aws.writes().contains(&"events:PutEvents".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn import_does_not_remove_rules_imported_before() {
    let (aws, hand) = by_hand().await;
    assert_eq!(import(&aws, "").await.code, 0);
    make_rule(&hand, "other", &pattern(), &[function()]).await;
    aws.forget_calls();
    let refused = taskbell_without_webhook(&aws, "import other --yes --keep-pattern").await;
    assert_eq!((refused.code, aws.writes()), (1, vec![]), "{refused:?}");
    // The rule for recoveries of services goes, too, but sends no alert.
    assert!(refused.err.contains("would lose its 3 rules taskbell-batch-"), "{refused:?}");
    assert!(refused.out.contains("- rule/service-recovered"), "{refused:?}");
    assert!(refused.err.contains("--stack NAME") && refused.out.contains("- rule/task-failed"), "{refused:?}");
    let dry = taskbell_without_webhook(&aws, "import other --dry-run --keep-pattern").await;
    assert_eq!(dry.code, 1, "{dry:?}");
    let apart = taskbell_without_webhook(&aws, "import other --yes --keep-pattern --stack other").await;
    assert_eq!(apart.code, 0, "{apart:?}");
    assert_eq!(taskbell_without_webhook(&aws, "drift --cluster batch").await.code, 0);
}

/// Checks that an import leaves no job without its check, and that rules which send no alert may go.
#[tokio::test(start_paused = true)]
async fn import_does_not_drop_an_expectation_of_an_existing_stack() {
    let (aws, hand) = by_hand().await;
    let flags = "--expect nightly,every=26h --expect report,max-runtime=2h";
    assert_eq!(taskbell(&aws, &format!("setup --cluster batch --yes {flags}")).await.code, 0);
    aws.forget_calls();
    for (kept, lost) in [("", "nightly, report"), ("--expect nightly,every=2h", "report")] {
        let refused = import(&aws, kept).await;
        assert!(refused.code == 1 && refused.err.contains("already exists, and would no longer expect"), "{refused:?}");
        assert!(refused.err.contains(&format!("of the jobs {lost};")), "{refused:?}");
        assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)));
    }
    let changed = "--expect nightly,every=2h --expect report,max-runtime=3h";
    assert_eq!(import(&aws, changed).await.code, 0);

    let (aws, hand) = by_hand().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    let quiet = import(&aws, "--no-recovery").await;
    assert!(quiet.code == 0 && quiet.out.contains("- rule/job-succeeded"), "{quiet:?}");
    assert_eq!(state(&hand).await, Some(RuleState::Disabled));
}

#[tokio::test(start_paused = true)]
async fn import_does_not_drop_a_cluster_of_an_existing_stack() {
    let (aws, hand) = by_hand().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --cluster web --yes").await.code, 0);
    aws.forget_calls();
    let refused = import(&aws, "").await;
    assert!(refused.code == 1 && refused.err.contains("no longer alert on failures in"), "{refused:?}");
    assert!(refused.err.contains(&arn("ecs", "cluster/web;")), "{refused:?}");
    assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)));
    assert_eq!(import(&aws, "--cluster batch --cluster web").await.code, 0);
}

/// Checks a rule that names the services of its clusters, and not the clusters.
#[tokio::test(start_paused = true)]
async fn import_does_not_drop_a_cluster_with_only_deployment_alerts() {
    let (aws, hand) = by_hand().await;
    let flags = "--cluster batch --cluster web --pattern deployment-failed";
    assert_eq!(taskbell(&aws, &format!("setup {flags} --yes")).await.code, 0);
    aws.forget_calls();
    let refused = import(&aws, "--pattern deployment-failed --no-drill").await;
    assert!(refused.code == 1 && refused.err.contains("no longer alert on failures in"), "{refused:?}");
    assert!(refused.err.contains(&arn("ecs", "cluster/web")), "{refused:?}");
    assert_eq!((aws.writes(), state(&hand).await), (vec![], Some(RuleState::Enabled)));
}

#[tokio::test(start_paused = true)]
async fn rule_for_every_cluster_is_replaced_for_the_named_clusters() {
    let mut everywhere = pattern();
    everywhere["detail"].as_object_mut().unwrap().remove("clusterArn");
    let (aws, hand) = by_hand_with(&everywhere, &[("HOOK", WEBHOOK)]).await;
    let proposed = import(&aws, "--dry-run").await;
    assert!(proposed.code == 2 && proposed.out.contains("taskbell-all-task-failed"), "{proposed:?}");
    assert!(!proposed.err.contains("all other clusters"), "{proposed:?}");
    assert_eq!(aws.writes(), [""; 0]);
    let named = import(&aws, "--cluster batch --cluster web --stack all").await;
    assert!(
        named.code == 0 && named.err.contains("warning: the old rule also alerts for all other clusters"),
        "{named:?}"
    );
    assert_eq!(state(&hand).await, Some(RuleState::Disabled));
    assert_eq!(taskbell_without_webhook(&aws, "drift --stack all --cluster batch --cluster web").await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn rule_for_every_cluster_is_replaced_by_a_stack_for_every_cluster() {
    let mut everywhere = pattern();
    everywhere["detail"].as_object_mut().unwrap().remove("clusterArn");
    let (aws, hand) = by_hand_with(&everywhere, &[("HOOK", WEBHOOK)]).await;
    let imported = import(&aws, "").await;
    assert!(imported.code == 0 && !imported.err.contains("all other clusters"), "{imported:?}");
    assert_eq!(state(&hand).await, Some(RuleState::Disabled));
    assert_eq!(taskbell_without_webhook(&aws, "drift --cluster '*'").await.code, 0);
}

/// Checks that `import` needs all actions that docs/import.md lists besides those of setup and drill, and no others.
#[tokio::test(start_paused = true)]
async fn documented_permissions_suffice_to_import_and_remove() {
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
        assert!(needed.iter().any(|((needed, _), _)| needed == action.as_str().unwrap()), "{action}");
    }
}
