//! Checks patterns with a repeated field: every command reads them as EventBridge does, warns, and does not refuse them.

use super::*;

use aws_sdk_eventbridge::types::Target;
use serde_json::{Value, json};
use taskbell::pattern::samples::sample;

use crate::support::Outcome;
use crate::support::hand::Hand;

/// Patterns, each with its warning, and whether it matches the sample of a failed deployment.
const REPEATED: [(&str, &str, bool); 7] = [
    (
        r#"{"source":["aws.ecs"],"detail":{"eventName":["ERROR"],"eventName":["SERVICE_DEPLOYMENT_FAILED"]}}"#,
        "`detail.eventName` is repeated; in EventBridge the last one counts",
        true,
    ),
    (
        r#"{"source":["aws.ecs"],"detail":{"eventName":["SERVICE_DEPLOYMENT_FAILED"],"eventName":["ERROR"]}}"#,
        "`detail.eventName` is repeated; in EventBridge the last one counts",
        false,
    ),
    (
        r#"{"source":["aws.ecs"],"detail":{"eventName":["SERVICE_DEPLOYMENT_FAILED"]},"detail":{"eventType":["INFO"]}}"#,
        "`detail` is repeated; in EventBridge all of them count",
        false,
    ),
    (
        r#"{"source":["aws.ec2"],"$or":[{"source":["aws.ecs"]},{"account":["1"]}]}"#,
        "`source` is repeated; in EventBridge the last one counts",
        true,
    ),
    (
        r#"{"$or":[{"source":["aws.ecs"]},{"account":["1"]}],"source":["aws.ec2"]}"#,
        "`source` is repeated; in EventBridge the last one counts",
        false,
    ),
    (
        r#"{"detail":{"eventName":["ERROR"],"eventName":{"b":["x"]},"eventName":["SERVICE_DEPLOYMENT_FAILED"]}}"#,
        "`detail.eventName` is repeated; in EventBridge the last one counts",
        false,
    ),
    (
        r#"{"$or":[{"detail-type":["x"]},{"account":["1"]}],"$or":[{"source":["aws.ecs"]},{"region":["x"]}]}"#,
        "`$or` is repeated; in EventBridge all of them count",
        false,
    ),
];

/// Returns the answer about the rule `mine`: a stack has other rules besides, for the ends of failures.
fn mine(live: &Outcome) -> Value {
    let answers = live.json()[0]["patterns"].as_array().unwrap().clone();
    let mut of_mine = answers.into_iter().filter(|answer| answer["pattern"] == "rule/mine");
    of_mine.next().unwrap_or_else(|| panic!("{live:?}"))
}

#[tokio::test(start_paused = true)]
async fn every_command_accepts_a_repeated_field_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.json");
    for (pattern, told, takes) in REPEATED {
        std::fs::write(&path, pattern).unwrap();
        let (file, warning) = (path.display(), format!("warning: in the pattern mine, {told}\n"));
        let aws = Aws::new().await;
        let test = taskbell(&aws, &format!("pattern test deployment-failed --pattern {file}")).await;
        assert_eq!((test.code, test.err.contains(&warning)), (u8::from(!takes), true), "{pattern}: {test:?}");
        for line in [
            format!("pattern show {file} --cluster batch"),
            format!("export terraform --cluster batch --pattern {file}"),
            format!("setup --cluster batch --yes --no-pattern-check --pattern {file}"),
        ] {
            let outcome = taskbell(&aws, &line).await;
            assert!(outcome.code == 0 && outcome.err.contains(&warning), "{line} {pattern}: {outcome:?}");
        }
        // The rule in AWS has the same meaning, and is in sync.
        assert_eq!(taskbell(&aws, &format!("drift --cluster batch --pattern {file}")).await.code, 0, "{pattern}");
        let live = taskbell(&aws, "pattern test deployment-failed --cluster batch --live --output json").await;
        assert_eq!(mine(&live)["matches"], takes, "{pattern}: {live:?}");
    }
}

/// Checks a rule edited by hand: `drift` and `pattern test` evaluate it as EventBridge does, not as a reader that keeps only the
/// last field.
#[tokio::test(start_paused = true)]
async fn deployed_rule_is_evaluated_as_eventbridge_evaluates_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.json");
    let text = r#"{"source":["aws.ecs"],"detail":{"eventName":["SERVICE_DEPLOYMENT_FAILED"]}}"#;
    std::fs::write(&path, text).unwrap();
    for (edited, in_sync, takes) in [
        // Of repeated objects, all count.
        (
            r#"{"source":["aws.ecs"],"detail":{"eventName":["ERROR"]},"detail":{"eventName":["SERVICE_DEPLOYMENT_FAILED"]}}"#,
            true,
            true,
        ),
        (
            r#"{"source":["aws.ecs"],"detail":{"eventType":["INFO"]},"detail":{"eventName":["SERVICE_DEPLOYMENT_FAILED"]}}"#,
            false,
            false,
        ),
        (r#"{"source":["aws.ec2"],"$or":[{"source":["aws.ecs"]},{"account":["1"]}]}"#, false, true),
        (r#"{"$or":[{"source":["aws.ecs"]},{"account":["1"]}],"source":["aws.ec2"]}"#, false, false),
    ] {
        let aws = Aws::new().await;
        let flags = format!("--cluster batch --pattern {}", path.display());
        assert_eq!(taskbell(&aws, &format!("setup {flags} --yes --no-pattern-check")).await.code, 0);
        let put = Hand::of(&aws).events.put_rule().name("taskbell-batch-mine").event_pattern(edited).send().await;
        put.unwrap();
        let drift = taskbell(&aws, &format!("drift {flags}")).await;
        let differs = drift.out.contains("rule/mine") && drift.out.contains("pattern");
        assert_eq!(differs, !in_sync, "{edited}: {drift:?}");
        let live = taskbell(&aws, "pattern test deployment-failed --cluster batch --live --output json").await;
        assert_eq!(mine(&live)["mismatch"].is_null(), takes, "{edited}: {live:?}");
        assert!(!live.out.contains("could not be read"), "{edited}: {live:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn import_lists_and_replaces_a_rule_with_a_repeated_field() {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    for (number, (pattern, _, _)) in REPEATED.into_iter().enumerate().take(5) {
        let name = format!("n{number}");
        hand.events.put_rule().name(&name).event_pattern(pattern).send().await.unwrap();
        let function = "arn:aws:lambda:us-east-1:123456789012:function:gone";
        let target = Target::builder().id("1").arn(function).build().unwrap();
        hand.events.put_targets().rule(&name).targets(target).send().await.unwrap();
    }
    let list = taskbell(&aws, "import --output json").await;
    assert_eq!(list.code, 0, "{list:?}");
    let listed: Vec<Value> = list.json()["rules"].as_array().unwrap().iter().map(|rule| rule["name"].clone()).collect();
    assert_eq!(
        listed,
        [json!("n0"), json!("n1"), json!("n2"), json!("n3")],
        "the last takes events of EC2 alone: {list:?}"
    );
    for (number, (_, told, _)) in REPEATED.into_iter().enumerate().take(4) {
        let warning = format!("warning: in the pattern of the rule n{number}, {told}\n");
        assert!(list.err.contains(&warning), "{list:?}");
        if number < 3 {
            let dry = taskbell(&aws, &format!("import n{number} --cluster batch --dry-run")).await;
            assert!(dry.code == 2 && dry.err.contains(&warning), "{dry:?}");
        }
    }
    let kept = taskbell(&aws, "import n0 --cluster batch --dry-run --keep-pattern --no-drill --output json").await;
    assert_eq!(kept.code, 2, "{kept:?}");
    let rings = kept.json()["import"]["rings"]["as_before"].clone();
    assert_eq!(rings, json!(["a deployment with a circuit breaker or an alarm fails"]), "{kept:?}");
    assert!(sample("deployment-failed").is_ok());
}

/// EventBridge accepts three `$or`s beside each other, which would be far too long without repeated fields.
#[tokio::test(start_paused = true)]
async fn pattern_that_is_too_long_without_repeated_fields_is_set_up_as_written() {
    let or = |letter: char| {
        let branches: Vec<Value> = (0..6).map(|at| json!({ format!("{letter}{at}"): ["x".repeat(9)] })).collect();
        format!(r#""$or":{}"#, json!(branches))
    };
    let ors = ['a', 'b', 'c'].map(or).join(",");
    let text = format!(r#"{{"source":["aws.ecs"],"detail-type":["ECS Task State Change"],"detail":{{{ors}}}}}"#);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.json");
    std::fs::write(&path, &text).unwrap();
    let aws = Aws::new().await;
    let flags = format!("--cluster batch --pattern {}", path.display());
    let shown = taskbell(&aws, &format!("pattern show {}", path.display())).await;
    assert_eq!((shown.code, shown.out.trim_end()), (0, text.as_str()), "{shown:?}");
    assert_eq!(taskbell(&aws, &format!("setup {flags} --yes --no-pattern-check")).await.code, 0);
    let hand = Hand::of(&aws);
    let deployed = |name: &'static str| hand.events.describe_rule().name(name).send();
    assert_eq!(deployed("taskbell-batch-mine").await.unwrap().event_pattern().unwrap(), text);
    assert_eq!(taskbell(&aws, &format!("drift {flags}")).await.code, 0);
    let before = aws.writes().len();
    assert_eq!(taskbell(&aws, &format!("setup {flags} --yes --no-pattern-check")).await.code, 0);
    assert_eq!(aws.writes().len(), before, "it is in sync");
    let live = taskbell(&aws, "pattern test exit-nonzero --cluster batch --live --output json").await;
    let mismatch = &mine(&live)["mismatch"];
    assert!(mismatch["path"].as_str().unwrap().starts_with("detail."), "{live:?}");
    // Drift shows an edit by hand; setup writes a filter at the end.
    let edited = text.replace("a0", "z0");
    hand.events.put_rule().name("taskbell-batch-mine").event_pattern(edited).send().await.unwrap();
    assert_eq!(taskbell(&aws, &format!("drift {flags}")).await.code, 2);
    let narrowed = format!("{flags} --family night* --yes --no-pattern-check");
    assert_eq!(taskbell(&aws, &format!("setup {narrowed}")).await.code, 0);
    let rule = deployed("taskbell-batch-mine").await.unwrap();
    assert!(rule.event_pattern().unwrap().contains("task-definition/night"), "{rule:?}");
    // An import keeps the text of the rule.
    hand.events.put_rule().name("old").event_pattern(&text).send().await.unwrap();
    let target = Target::builder().id("1").arn("arn:aws:lambda:us-east-1:123456789012:function:gone").build().unwrap();
    hand.events.put_targets().rule("old").targets(target).send().await.unwrap();
    let kept = "import old --cluster batch --stack kept --keep-pattern --no-drill --yes --no-pattern-check";
    let kept = taskbell(&aws, kept).await;
    assert_eq!(kept.code, 0, "{kept:?}");
    let rule = deployed("taskbell-kept-old").await;
    assert_eq!(rule.unwrap().event_pattern().unwrap(), text, "{kept:?}");
}
