//! Checks that every command refuses bad input with a clear error and the documented exit code, and changes nothing.

mod explained;
mod files;
mod limits;
mod repeated;

use std::io::Write;

use tokio_util::sync::CancellationToken;

use crate::support::aws::{Aws, Failure, Fault, On};
use crate::support::{self, run, taskbell, taskbell_without_webhook};

const SETUP: &str = "setup --cluster batch --reset --yes";

#[tokio::test(start_paused = true)]
async fn invalid_usage_is_refused_before_any_write() {
    let aws = Aws::new().await;
    let long = format!(
        "setup --stack many --yes{}",
        (0..40).fold(String::new(), |line, n| line + &format!(" --cluster c{n}"))
    );
    for (line, said) in [
        ("setup --yes", "no stack was selected"),
        ("setup --cluster batch --stack a.b --yes", "\"a.b\" is not a stack name"),
        ("setup --cluster a/b --yes", "neither the name nor the ARN"),
        ("setup --cluster batch --pattern task-fails --yes", "did you mean task-failed?"),
        ("setup --cluster batch --pattern nowhere.json --yes", "cannot read the pattern file nowhere.json"),
        ("setup --cluster batch --tag x --yes", "not of the form KEY=VALUE"),
        ("setup --cluster batch --log-retention 31 --yes", "CloudWatch Logs accepts a retention of 1, 3, 5"),
        ("setup --cluster batch --mention everybody --yes", "--mention does not accept"),
        ("setup --cluster batch --notifier-role-arn x --yes", "not the ARN of an IAM role"),
        // The flag's former name.
        ("setup --cluster batch --role-arn x --yes", "not the ARN of an IAM role"),
        ("setup --cluster batch --adopt nothing --yes", "not the id of a resource"),
        ("setup --cluster batch --ignore [ --yes", "is not a glob"),
        ("setup --cluster arn:aws:ecs:us-east-1:999999999999:cluster/batch --yes", "not in the account and region"),
        ("setup --cluster batch", "cannot ask for confirmation: not a terminal"),
        ("setup --cluster arn:aws:ecs:us-east-1:12:cluster/batch --yes", "\"12\" is not an account ID"),
        ("setup --cluster batch --region us-east-1a --yes", "\"us-east-1a\" is not an AWS region"),
        ("setup --cluster batch --alarm-topic arn:aws:sns:us-east-1:123456789012:a.fifo --yes", "a FIFO topic"),
        (
            "setup --cluster batch --alarm-topic arn:aws:sns:us-east-1:123456789012:a.b --yes",
            "letters, digits, hyphens",
        ),
        ("setup --cluster batch --permissions-boundary arn:aws:iam::123456789012:role/x --yes", "of an IAM policy"),
        ("setup --cluster batch --slack-webhook-parameter /AWS/hook --yes", "names that begin with aws or ssm"),
        ("setup --cluster batch --slack-webhook-parameter /a/ --yes", "ends with a slash"),
        ("setup --cluster batch --to /aws/reference/secretsmanager/hook --yes", "Secrets Manager"),
        ("permissions --cluster batch --account 12345", "\"12345\" is not an account ID"),
        ("permissions --cluster batch --notifier-role-arn x", "is not the ARN of an IAM role"),
        ("permissions --cluster batch --permissions-boundary x", "is not the ARN of an IAM policy"),
        ("import arn:aws:events:us-east-1:12:rule/x", "is not the ARN of an EventBridge rule: \"12\""),
        ("pattern test --task arn:aws:ecs:us-east-1:12:task/a/0a --cluster a", "is not the ARN of a task: \"12\""),
        ("setup --cluster batch --language fr --yes", "invalid value 'fr'"),
        ("setup --cluster batch --expect nightly --yes", "nothing is expected of the job"),
        ("setup --cluster batch --expect 'nightly,by=cron(0 3 * * *)' --yes", "has 5 fields, not 6"),
        (
            "setup --cluster batch --expect 'nightly,by=cron(0 3 * * ? 2025)' --yes",
            "the job nightly: cron(0 3 * * ? 2025) never comes again",
        ),
        ("setup --cluster batch --expect nightly,every=1d --expect nightly,every=2d --yes", "is expected twice"),
        (
            "setup --cluster batch --expect nightly,every=1d --no-dedupe --yes",
            "--no-dedupe and --expect contradict each other",
        ),
        ("setup --cluster batch --storm-window 5 --no-dedupe=true --yes", "--no-dedupe and --storm-window contradict"),
        ("setup --cluster batch --drill --no-drill --yes", "--drill and --no-drill contradict each other"),
        ("setup --cluster batch --summary weekly --yes", "\"weekly\" is not a cron expression"),
        ("setup --cluster batch --summary 'cron(0 9 ? * MON 2025)' --yes", "the summary: cron(0 9 ? * MON 2025) never"),
        (
            "setup --cluster batch --summary 'cron(0 9 ? * MON *)' --no-dedupe --yes",
            "--no-dedupe and --summary contradict each other",
        ),
        ("setup --cluster batch --nonsense", "unexpected argument"),
        (long.as_str(), "EventBridge accepts 2048"),
    ] {
        let outcome = taskbell(&aws, line).await;
        assert!(outcome.err.contains(said), "{line}: {outcome:?}");
        assert_eq!(outcome.code, 64, "{line}: {outcome:?}");
    }
    assert_eq!(aws.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn flag_that_is_off_contradicts_no_other() {
    let aws = Aws::new().await;
    aws.notifier_tells(Some(
        serde_json::json!({ "outcome": "sent", "ms": { "secret": 3, "post": 41, "total": 50 }, "destinations": [
        { "name": "webhook", "kind": "slack", "outcome": "sent", "status": 200, "attempts": 1, "ms": 40 },
    ] }),
    ));
    let line = "setup --cluster batch --no-dedupe=false --storm-window 5 --expect nightly,every=1d \
                --summary 'cron(0 9 ? * MON *)' --drill --no-drill=false --yes";
    let outcome = taskbell(&aws, line).await;
    assert!(outcome.code == 0 && outcome.out.contains("✓ Slack"), "{outcome:?}");
}

/// Checks each argument that a user may mistake for the place of a webhook or a proxy: no output repeats its secret.
#[tokio::test(start_paused = true)]
async fn no_argument_is_echoed_with_its_secret() {
    let aws = Aws::new().await;
    let secrets = [
        "https://user:hunter2@chat.example/x",
        "https://hooks.slack.com/services/T0/B0/hunter2",
        "https://hunter2@proxy:8080",
        "user:hunter2@proxy:8080",
    ];
    for secret in secrets {
        for line in [
            "S",
            "drift S",
            "setup S",
            "setup --cluster S",
            "setup --cluster batch --region S",
            "setup --stack S",
            "--config S drift",
            "setup --cluster batch --slack-webhook-parameter S",
            "setup --cluster batch --to S",
            "setup --cluster batch --to /a,S",
            "setup --cluster batch --alarm-topic S",
            "setup --cluster batch --pattern S",
            "setup --cluster batch --tag S",
            "setup --cluster batch --mention S",
            "setup --cluster batch --log-group S",
            "setup --cluster batch --expect S",
            "setup --cluster batch --expect S,every=1d",
            "setup --cluster batch --expect x,every=S",
            "setup --cluster batch --expect x,by=S",
            "setup --cluster batch --expect x,S=1d",
            "setup --cluster batch --expect x,every=1d,started-by=S",
            "setup --cluster batch --expect 'x,by=cron(0 3 * * ? *),timezone=S'",
            "setup --cluster batch --summary S",
            "setup --cluster batch --family S",
            "setup --cluster batch --container S",
            "setup --cluster batch --ignore [S",
            "setup --cluster batch --adopt S",
            "setup --cluster batch --language S",
            "setup --cluster batch --storm-window S",
            "setup --cluster batch --notifier-role-arn S",
            "setup --cluster batch --permissions-boundary S",
            "setup --cluster batch --log-retention S",
            "preview S",
            "pattern show S",
            "pattern test S",
            "pattern test --task S",
            "import S",
            "permissions --account S",
            "drill --cluster batch --scenario S",
            "completions S",
            "preview oom --task-definition S",
            "setup --S",
            "setup --no-drill=S",
        ] {
            let outcome = taskbell(&aws, &line.replace('S', secret)).await;
            assert!(!format!("{outcome:?}").contains("hunter2"), "{line}: {outcome:?}");
            assert_eq!(outcome.code, 64, "{line} {secret}: {outcome:?}");
        }
    }
    assert_eq!(aws.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn filter_that_a_pattern_does_not_support_is_named_with_a_hint() {
    let aws = Aws::new().await;
    for (flags, flag, said) in [
        ("--pattern deployment-failed --family job-*", "--family", "such as --pattern task-failed"),
        ("--pattern application-error --service web", "--service", "such as --pattern task-failed"),
        ("--pattern deployment-failed --container app", "--container", "such as --pattern task-failed"),
    ] {
        let outcome = taskbell(&aws, &format!("{SETUP} {flags}")).await;
        assert_eq!((outcome.code, aws.calls().len()), (64, 0), "{outcome:?}");
        let named = match flag {
            "--container" => "deployment-failed has no condition on containers\n".to_owned(),
            flag => format!("cannot be narrowed by {flag}\n"),
        };
        assert!(outcome.err.contains(&named), "{flags}: {outcome:?}");
        assert!(outcome.err.contains(said), "{flags}: {outcome:?}");
    }
    for flags in ["--pattern task-failed --family job-*", "--family job-*", "--service web"] {
        assert_eq!(taskbell(&aws, &format!("{SETUP} {flags} --dry-run")).await.code, 2, "{flags}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_cluster_lists_the_nearest_names() {
    let aws = Aws::new().await;
    let outcome = taskbell(&aws, "setup --cluster btach --yes").await;
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.err.contains("there is no ECS cluster btach here"), "{outcome:?}");
    assert!(outcome.err.contains("the nearest name is batch"), "{outcome:?}");
    assert_eq!(aws.writes(), [""; 0]);
    assert_eq!(taskbell(&aws, "setup --cluster btach --yes --allow-missing-cluster").await.code, 0);
    let unlike = taskbell(&aws, "setup --cluster zzz --yes").await;
    assert!(unlike.code == 1 && !unlike.err.contains("nearest"), "{unlike:?}");
    assert!(unlike.err.contains("check --region and --profile"), "{unlike:?}");
}

#[tokio::test]
async fn invalid_event_file_names_its_problem() {
    let aws = Aws::new().await;
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events");
    std::fs::create_dir(&events).unwrap();
    let empty_folder = format!("pattern test {}", events.display());
    let told = taskbell(&aws, &empty_folder).await;
    assert!(told.code == 64 && told.err.contains(&format!("no event in the folder {}", events.display())), "{told:?}");
    let file = |name: &str, text: &str| {
        let path = events.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let entry = r#"{"Source":"taskbell.app","DetailType":"Application Error","Detail":"{}"}"#;
    file("a.json", r#"{"source":"aws.ecs","detail-type":"ECS Task State Change","detail":{}}"#);
    for (text, said) in [
        ("{}", "is not an event\n  hint: an event is a JSON object"),
        ("[]", "is not an event\n  hint: an event is a JSON object"),
        (entry, "is not an event\n  hint: this is an entry for put-events"),
        (" \n", "bad.json is empty"),
        ("{", "bad.json is not JSON"),
    ] {
        let path = file("bad.json", text);
        for line in
            [format!("preview {path}"), format!("pattern test {path}"), format!("pattern test {}", events.display())]
        {
            let outcome = taskbell(&aws, &line).await;
            assert!(outcome.code == 64 && outcome.out.is_empty(), "{line}: {outcome:?}");
            assert!(outcome.err.contains("bad.json") && outcome.err.contains(said), "{line}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn only_a_similar_name_is_suggested_and_a_missing_file_is_reported() {
    let aws = Aws::new().await;
    for (line, said, asked) in [
        ("preview oomm", "is neither a sample nor a file", Some("did you mean 02-oom?")),
        ("preview {}", "- for standard input", None),
        ("pattern test zzz", "`taskbell preview` lists the samples", None),
        ("pattern show zzz", "there is no pattern \"zzz\"", None),
        ("preview evnt.json", "No such file", None),
        ("pattern test events/oom", "No such file", None),
        ("pattern show mine.json", "No such file", None),
    ] {
        let outcome = taskbell(&aws, line).await;
        assert!(outcome.code == 64 && outcome.err.contains(said), "{line}: {outcome:?}");
        assert!(outcome.err.contains(asked.unwrap_or("error:")), "{line}: {outcome:?}");
        assert!(asked.is_some() || !outcome.err.contains("did you mean"), "{line}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn invalid_pattern_file_is_refused_with_eventbridges_reason() {
    let aws = Aws::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    for (name, text, said) in [
        ("broken.json", "{", "is not JSON"),
        ("scalar.json", r#"{"source": "aws.ecs"}"#, "\"source\" must be an object or an array"),
        ("typo.json", r#"{"source": [{"prefx": "a"}]}"#, "Unrecognized match type prefx"),
    ] {
        let outcome = taskbell(&aws, &format!("{SETUP} --pattern {}", file(name, text))).await;
        assert_eq!(outcome.code, 64, "{outcome:?}");
        assert!(outcome.err.contains(said), "{outcome:?}");
    }
    let good = file("mine.json", r#"{"source": ["aws.ecs"], "detail": {"clusterArn": ["${cluster_arn}"]}}"#);
    assert_eq!(taskbell(&aws, &format!("{SETUP} --pattern {good}")).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn setup_needs_a_webhook_only_until_one_is_stored() {
    let aws = Aws::new().await;
    let without = taskbell_without_webhook(&aws, SETUP).await;
    assert_eq!(without.code, 64, "{without:?}");
    assert!(without.err.contains("TASKBELL_SLACK_WEBHOOK_URL"), "{without:?}");
    assert_eq!(aws.writes(), [""; 0]);
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    assert_eq!(taskbell_without_webhook(&aws, &format!("{SETUP} --log-retention 7")).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn webhook_of_another_host_is_refused_and_not_printed() {
    let aws = Aws::new().await;
    let outcome = run(&aws, SETUP, Some("https://chat.example/hunter2"), CancellationToken::new()).await;
    assert_eq!(outcome.code, 64);
    assert!(outcome.err.contains("the webhook's host does not belong to Slack, Teams or Discord"), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn every_denied_action_is_named_with_a_hint() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let reads: Vec<String> = reads_of(&aws, "drift --cluster batch").await;
    assert!(reads.len() >= 15, "{reads:?}");
    for action in reads {
        let denied: &'static str = action.clone().leak();
        aws.fail(Fault { failure: Failure::Denied, on: On::Action(denied), nth: 0, times: 99 });
        let outcome = taskbell(&aws, "drift --cluster batch").await;
        assert!([1, 3].contains(&outcome.code), "{action}: {outcome:?}");
        let told = format!("{}{}", outcome.out, outcome.err);
        assert!(told.contains(&action), "{action} is not named: {outcome:?}");
        assert!(
            told.contains("hint: `taskbell permissions --for drift` prints"),
            "{action} has no way out: {outcome:?}"
        );
        aws.heal();
    }
}

#[tokio::test(start_paused = true)]
async fn hint_for_a_denied_action_names_the_command_that_ran() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    for (line, denied, name) in [
        ("setup --cluster batch --yes --log-retention 7", "logs:PutRetentionPolicy", "setup`"),
        ("setup --cluster batch --yes --drill", "events:PutEvents", "setup` or, for the drill, `--for drill`"),
        ("drill --cluster batch", "events:PutEvents", "drill`"),
        ("pattern test oom --cluster batch --live", "sts:GetCallerIdentity", "pattern-test`"),
        ("notify broken", "events:PutEvents", "notify`"),
        ("teardown --cluster batch --yes", "sqs:DeleteQueue", "teardown`"),
    ] {
        aws.fail(Fault { failure: Failure::Denied, on: On::Action(denied), nth: 0, times: 99 });
        let outcome = taskbell(&aws, line).await;
        assert!(outcome.err.contains(&format!("`taskbell permissions --for {name} prints")), "{line}: {outcome:?}");
        assert!(!outcome.err.contains("COMMAND"), "{line}: {outcome:?}");
        aws.heal();
    }
}

async fn reads_of(aws: &Aws, line: &str) -> Vec<String> {
    aws.forget_calls();
    assert_eq!(taskbell(aws, line).await.code, 0);
    let mut actions: Vec<String> = aws.calls().into_iter().map(|call| call.action).collect();
    actions.sort();
    actions.dedup();
    actions
}

#[tokio::test(start_paused = true)]
async fn unreadable_resource_is_unknown_and_nothing_changes() {
    let aws = Aws::new().await;
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("sqs:GetQueueUrl"), nth: 0, times: 99 });
    let drift = taskbell(&aws, "drift --cluster batch").await;
    assert_eq!(drift.code, 3, "{drift:?}");
    assert!(drift.out.contains("? queue/undelivered"), "{drift:?}");
    let setup = taskbell(&aws, SETUP).await;
    assert_eq!(setup.code, 3, "{setup:?}");
    assert_eq!(aws.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn drill_without_an_enabled_rule_is_not_sent() {
    let aws = Aws::new().await;
    let none = taskbell(&aws, "drill --cluster batch").await;
    assert!(none.code == 1 && none.err.contains("no stack batch is set up"), "{none:?}");
    assert_eq!(taskbell(&aws, &format!("{SETUP} --pattern task-failed")).await.code, 0);
    let events = aws_sdk_eventbridge::Client::new(&aws.sdk());
    events.disable_rule().name("taskbell-batch-task-failed").send().await.unwrap();
    aws.forget_calls();
    let disabled = taskbell(&aws, "drill --cluster batch").await;
    assert!(disabled.code == 1 && disabled.out.contains("disabled"), "{disabled:?}");
    assert_eq!(aws.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn drill_without_a_matching_rule_is_not_sent_and_unreadable_rules_end_with_3() {
    for flags in ["--no-drill", "--pattern deployment-failed"] {
        let aws = Aws::new().await;
        assert_eq!(taskbell(&aws, &format!("{SETUP} {flags}")).await.code, 0);
        let drill = taskbell(&aws, "drill --cluster batch").await;
        assert!(drill.code == 1 && drill.out.contains("no rule matches this drill"), "{flags}: {drill:?}");
    }
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let other = taskbell(&aws, "drill --stack batch --cluster web").await;
    assert!(other.code == 1 && other.out.contains("detail.clusterArn"), "{other:?}");
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("events:ListRules"), nth: 0, times: 99 });
    let unknown = taskbell(&aws, "drill --cluster batch").await;
    assert!(unknown.code == 3 && format!("{unknown:?}").contains("events:ListRules"), "{unknown:?}");
}

#[tokio::test(start_paused = true)]
async fn every_command_refuses_a_cluster_of_another_region() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    let before = aws.everything().await;
    let there = "arn:aws:ecs:eu-west-1:123456789012:cluster/batch";
    for line in [
        format!("setup --yes --cluster {there}"),
        format!("setup --yes --cluster batch --cluster {there}"),
        format!("drift --cluster {there}"),
        format!("drill --cluster {there}"),
        format!("teardown --yes --cluster {there}"),
    ] {
        let outcome = taskbell(&aws, &line).await;
        assert!(
            outcome.code == 64 && outcome.err.contains("is not in the account and region in use"),
            "{line}: {outcome:?}"
        );
    }
    assert_eq!(aws.everything().await, before);
}

#[tokio::test(start_paused = true)]
async fn setup_writes_nothing_unless_eventbridge_confirms_each_pattern() {
    let willing = Aws::new().await;
    assert_eq!(taskbell(&willing, SETUP).await.code, 0);
    let questions = willing.calls().iter().filter(|call| call.action == "events:TestEventPattern").count();
    assert!(questions >= 12, "{questions}");
    for (failure, said) in [
        (Failure::OtherAnswer, "do not agree on which events match the pattern"),
        (Failure::Denied, "events:TestEventPattern"),
    ] {
        for nth in 0..questions {
            let aws = Aws::new().await;
            aws.fail(Fault { failure, on: On::Action("events:TestEventPattern"), nth, times: 1 });
            let outcome = taskbell(&aws, SETUP).await;
            assert_eq!((outcome.code, aws.writes()), (1, vec![]), "{outcome:?}");
            assert!(outcome.err.contains(said), "{outcome:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn placeholder_that_cannot_be_filled_in_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.json");
    for pattern in [
        r#"{"resources":[{"wildcard":"${service_arn_prefix}*"}]}"#,
        r#"{"resources":[{"prefix":{"equals-ignore-case":"${cluster_arn}"}}]}"#,
        r#"{"source":["taskbell.drill"]}"#,
    ] {
        std::fs::write(&path, pattern).unwrap();
        let aws = Aws::new().await;
        let outcome = taskbell(&aws, &format!("{SETUP} --no-drill --pattern {}", path.display())).await;
        assert_eq!((outcome.code, aws.writes()), (64, vec![]), "{pattern}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nonexistent_cluster_is_named_if_no_resources_are_found() {
    let aws = Aws::new().await;
    for line in ["drift --cluster bacth", "teardown --cluster bacth --yes"] {
        let outcome = taskbell(&aws, line).await;
        assert!(outcome.err.contains("no ECS cluster bacth") && outcome.err.contains("batch"), "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn dry_run_needs_no_webhook_and_denied_reads_are_reported_first() {
    let aws = Aws::new().await;
    let dry = taskbell_without_webhook(&aws, "setup --cluster batch --dry-run").await;
    assert_eq!(dry.code, 2, "{dry:?}");
    assert!(dry.out.contains("+ parameter/webhook"), "{dry:?}");
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("sqs:GetQueueUrl"), nth: 0, times: 9 });
    let denied = taskbell_without_webhook(&aws, SETUP).await;
    assert_eq!(denied.code, 3, "{denied:?}");
    assert!(denied.out.contains("sqs:GetQueueUrl"), "{denied:?}");
    assert_eq!(aws.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn setup_changes_nothing_if_its_second_read_fails() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    aws.forget_calls();
    let action = "events:ListTagsForResource";
    let plan = taskbell(&aws, &format!("{SETUP} --pattern nonzero-exit").replace("--yes", "--dry-run")).await;
    assert_eq!(plan.code, 2, "{plan:?}");
    // The first read makes as many calls as a run that only plans, and the second read makes as many again.
    let reads = aws.calls().iter().filter(|call| call.action == action).count();
    aws.forget_calls();
    aws.fail(Fault { failure: Failure::Denied, on: On::Action(action), nth: reads, times: reads });
    let outcome = taskbell(&aws, &format!("{SETUP} --pattern nonzero-exit")).await;
    assert_eq!((outcome.code, aws.writes()), (1, vec![]), "{outcome:?}");
    assert!(
        outcome.err.contains("events:ListTagsForResource") && outcome.err.contains("changed in the meantime"),
        "{outcome:?}"
    );
    assert!(!outcome.err.contains(char::REPLACEMENT_CHARACTER), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn invalid_parameter_name_is_refused() {
    let aws = Aws::new().await;
    for name in ["arn:aws:ssm:us-east-1:1:parameter/x", "a b", ""] {
        let outcome = run(
            &aws,
            &format!("setup --cluster batch --yes --slack-webhook-parameter={}", name.replace(' ', "%")),
            None,
            CancellationToken::new(),
        )
        .await;
        assert_eq!(outcome.code, 64, "{outcome:?}");
        assert_eq!(aws.calls().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn interrupted_setup_reports_its_state_and_the_next_run_completes_it() {
    let aws = Aws::new().await;
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let press = async move {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        stop.cancel();
    };
    let (outcome, ()) = tokio::join!(run(&aws, SETUP, Some(support::WEBHOOK), cancel), press);
    assert_eq!(outcome.code, 130, "{outcome:?}");
    let unfinished = outcome.err.lines().find(|line| line.starts_with("not finished: ")).unwrap();
    assert!(unfinished.ends_with("rule/task-failed"), "{outcome:?}");
    assert!(outcome.err.contains("it is safe, and continues from here"), "{outcome:?}");
    assert_eq!(taskbell(&aws, SETUP).await.code, 0);
    assert_eq!(taskbell(&aws, "drift --cluster batch").await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn concurrent_setups_end_in_sync() {
    for delay in [0, 1, 30, 70] {
        let aws = Aws::new().await;
        aws.delay(std::time::Duration::from_millis(20));
        let later = async {
            tokio::time::sleep(std::time::Duration::from_millis(delay)).await;
            taskbell(&aws, SETUP).await
        };
        let (one, other) = tokio::join!(taskbell(&aws, SETUP), later);
        assert!(one.code <= 1 && other.code <= 1, "{one:?} {other:?}");
        assert!(one.code == 0 || other.code == 0, "{one:?} {other:?}");
        let drift = taskbell(&aws, "drift --cluster batch").await;
        assert_eq!(drift.code, 0, "{one:?} {other:?} {drift:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn next_run_completes_setup_and_teardown_after_any_interruption() {
    for command in [SETUP, "teardown --cluster batch --yes"] {
        for moment in (0..16).map(|step| std::time::Duration::from_millis(step * 900)) {
            let aws = Aws::new().await;
            aws.delay(std::time::Duration::from_millis(300));
            if command != SETUP {
                assert_eq!(taskbell(&aws, SETUP).await.code, 0);
            }
            let cancel = CancellationToken::new();
            let stop = cancel.clone();
            let press = async move {
                tokio::time::sleep(moment).await;
                stop.cancel();
            };
            let (outcome, ()) = tokio::join!(run(&aws, command, Some(support::WEBHOOK), cancel), press);
            assert!([0, 130].contains(&outcome.code), "{command} at {moment:?}: {outcome:?}");
            assert_eq!(taskbell(&aws, command).await.code, 0, "{command} at {moment:?}: {outcome:?}");
            let left = if command == SETUP { 0 } else { 2 };
            assert_eq!(taskbell(&aws, "drift --cluster batch").await.code, left, "{command} at {moment:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn names_at_the_services_limits_are_accepted() {
    let aws = Aws::new().await;
    let cluster = "a".repeat(255);
    let flags = format!("--cluster {cluster} --allow-missing-cluster");
    assert_eq!(taskbell(&aws, &format!("setup {flags} --yes")).await.code, 0);
    assert_eq!(taskbell(&aws, &format!("drift --cluster {cluster}")).await.code, 0);
    let before = aws.writes().len();
    assert_eq!(taskbell(&aws, &format!("teardown --cluster {cluster} --yes")).await.code, 0);
    assert!(aws.writes().len() > before + 5);
    let left = taskbell(&aws, &format!("drift --cluster {cluster}")).await;
    let line = "is not set up in us-east-1, account 123456789012: `taskbell setup --cluster ";
    assert!(left.out.contains(line) && left.out.lines().count() == 1, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn clusters_by_name_by_arn_and_repeated_form_one_stack() {
    let aws = Aws::new().await;
    let line = "--cluster batch --cluster arn:aws:ecs:us-east-1:123456789012:cluster/web --cluster batch";
    let setup = taskbell(&aws, &format!("setup {line} --yes")).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    assert!(setup.out.contains("11 to add"), "{setup:?}");
    assert_eq!(taskbell(&aws, &format!("drift {line}")).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_are_reported_and_nothing_is_written() {
    let aws = Aws::new().await;
    aws.fail(Fault { failure: Failure::Expired, on: On::Every, nth: 0, times: 999 });
    for line in [SETUP, "drift --cluster batch", "teardown --cluster batch --yes", "drill --cluster batch"] {
        let outcome = taskbell(&aws, line).await;
        assert_eq!(outcome.code, 3, "{outcome:?}");
        assert!(outcome.err.contains("the credentials have expired"), "{outcome:?}");
    }
    assert_eq!(aws.calls().iter().filter(|call| call.is_write() && !call.failed).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn setup_succeeds_without_its_hint_about_log_groups() {
    let aws = Aws::new().await;
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("ecs:ListServices"), nth: 0, times: 9 });
    let setup = taskbell(&aws, SETUP).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    assert!(setup.err.contains("could not be determined: AccessDeniedException on ecs:ListServices"), "{setup:?}");
}

#[tokio::test(start_paused = true)]
async fn invalid_log_group_name_is_refused() {
    let aws = Aws::new().await;
    for flags in ["--log-group=a:b", "--log-group=none --log-group=/ecs/x", "--log-group="] {
        let outcome = taskbell(&aws, &format!("setup --cluster batch --yes {flags}")).await;
        assert_eq!((outcome.code, aws.calls().len()), (64, 0), "{outcome:?}");
    }
}

/// Checks the values of a flag whose meaning is the opposite of its key in the file.
#[tokio::test(start_paused = true)]
async fn no_redaction_accepts_only_true_and_false() {
    let aws = Aws::new().await;
    for (flag, is_off) in
        [("", false), ("--no-redaction", true), ("--no-redaction=true", true), ("--no-redaction=false", false)]
    {
        let exported = taskbell(&aws, &format!("export cloudformation --cluster batch {flag}")).await;
        assert_eq!((exported.code, exported.out.contains("TASKBELL_REDACTION")), (0, is_off), "{flag}: {exported:?}");
    }
    for flag in ["--no-redaction=maybe", "--no-redaction=", "--no-redaction=FALSE1"] {
        let refused = taskbell(&aws, &format!("setup --cluster batch --yes {flag}")).await;
        assert!(refused.code == 64 && refused.err.contains("--no-redaction"), "{flag}: {refused:?}");
    }
    assert_eq!(aws.calls().len(), 0);
}
