//! Checks that `doctor` names each problem, and waits no longer than ten seconds for any service.

use std::time::Duration;

use aws_config::SdkConfig;
use insta::assert_snapshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::aws::{Aws, FOR_GOOD, Failure, Fault, On};
use crate::support::{self, Outcome, WEBHOOK, run, run_with, taskbell, taskbell_without_webhook, today};

async fn at_midnight() -> Aws {
    let aws = Aws::new().await;
    aws.say_time(today());
    aws
}

async fn doctor(aws: &Aws, flags: &str) -> Outcome {
    taskbell(aws, &format!("doctor {flags}")).await
}

fn line<'a>(outcome: &'a Outcome, name: &str) -> &'a str {
    outcome.out.lines().find(|line| line.split_once(' ').is_some_and(|(_, rest)| rest.starts_with(name))).unwrap()
}

#[tokio::test(start_paused = true)]
async fn healthy_account_passes_every_check_and_nothing_is_written() {
    let aws = at_midnight().await;
    let healthy = doctor(&aws, "--cluster batch").await;
    assert_eq!((healthy.code, healthy.err.as_str()), (0, ""), "{healthy:?}");
    assert_snapshot!(healthy.out, @r"
    ✓ file             no taskbell.toml in this folder: flags are used instead
    ✓ webhook          TASKBELL_SLACK_WEBHOOK_URL has the format of a webhook
    ✓ region           us-east-1, as given
    ✓ credentials      arn:aws:sts::123456789012:user/moto, from winterbaume
    ✓ STS              answers  (0 ms)
    ✓ clock            matches AWS's clock
    ✓ EventBridge      answers  (0 ms)
    ✓ Lambda           answers  (0 ms)
    ✓ IAM              answers  (0 ms)
    ✓ SQS              answers  (0 ms)
    ✓ SSM              answers  (0 ms)
    ✓ CloudWatch Logs  answers  (0 ms)
    ✓ CloudWatch       answers  (0 ms)
    ✓ DynamoDB         answers  (0 ms)
    ✓ Scheduler        answers  (0 ms)
    ✓ ECS              answers  (0 ms)
    ✓ resource tags    answers  (0 ms)
    ✓ cluster          batch: found
    18 ok
    ");
    assert_eq!(aws.writes(), [""; 0]);
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    assert_eq!(doctor(&aws, "--cluster batch").await.code, 0, "with a stack, too");
    let json = doctor(&aws, "--output json").await.json();
    assert_eq!(support::schema::mistakes(&[("doctor", json.clone())]), "");
    assert_eq!(json["ok"], true, "{json:#}");
    assert!(json["checks"].as_array().unwrap().len() >= 14, "{json:#}");
}

#[tokio::test(start_paused = true)]
async fn denied_check_names_the_action_and_the_policy() {
    let aws = at_midnight().await;
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("lambda:GetFunction"), nth: 0, times: FOR_GOOD });
    let denied = doctor(&aws, "--cluster batch").await;
    assert_eq!(denied.code, 1, "{denied:?}");
    assert!(line(&denied, "Lambda").starts_with("✗ Lambda           answers, but does not allow lambda:GetFunction"));
    assert!(denied.out.contains("hint: `taskbell permissions --for setup` prints the policy that the command needs; give it the same --cluster"), "{denied:?}");
    assert!(denied.out.ends_with("17 ok, 1 broken\n"), "{denied:?}");
    let of_no_stack = doctor(&aws, "").await;
    assert_eq!(of_no_stack.code, 3, "{of_no_stack:?}");
    assert!(line(&of_no_stack, "Lambda").contains("it is unknown whether"), "{of_no_stack:?}");
    assert!(of_no_stack.out.contains("hint: give --cluster NAME"), "{of_no_stack:?}");
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("tag:GetResources"), nth: 0, times: FOR_GOOD });
    let of_one_stack = doctor(&aws, "--cluster batch").await;
    assert_eq!(of_one_stack.code, 0, "only many stacks need it: {of_one_stack:?}");
    assert!(line(&of_one_stack, "resource tags").contains("tag:GetResources is not allowed"), "{of_one_stack:?}");
}

/// Checks that every check passes with the policy that `permissions` prints for setup, except the one that no stack needs.
#[tokio::test(start_paused = true)]
async fn least_policy_is_enough() {
    let aws = at_midnight().await;
    let policy = taskbell(&aws, "permissions --cluster batch --for setup").await.json();
    aws.enforce(policy);
    let healthy = doctor(&aws, "--cluster batch").await;
    assert_eq!(healthy.code, 0, "{healthy:?}");
    assert!(line(&healthy, "resource tags").contains("tag:GetResources is not allowed"), "{healthy:?}");
}

#[tokio::test(start_paused = true)]
async fn doctor_waits_ten_seconds_for_a_service() {
    for (on, names) in [(On::Action("sqs:GetQueueUrl"), &["SQS"][..]), (On::Every, &["STS", "SQS", "cluster"])] {
        let aws = at_midnight().await;
        aws.fail(Fault { failure: Failure::Hangs, on, nth: 0, times: FOR_GOOD });
        let start = Instant::now();
        let slow = doctor(&aws, "--cluster batch").await;
        assert!(start.elapsed() <= Duration::from_millis(10_100), "{:?}", start.elapsed());
        assert_eq!(slow.code, 3, "{slow:?}");
        for name in names {
            let told = line(&slow, name);
            assert!(told.starts_with('?') && told.ends_with("no answer within 10 s"), "{slow:?}");
        }
        assert_eq!(slow.out.matches("hint: check the network: it may be slow").count(), 1, "{slow:?}");
        assert!(slow.err.contains("still waiting for AWS (3 s)…\n"), "{slow:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn throttled_or_failed_check_is_unknown() {
    for (failure, told) in [(Failure::Throttled, "is throttling calls"), (Failure::ServerError, "InternalFailure")] {
        let aws = at_midnight().await;
        aws.fail(Fault { failure, on: On::Action("dynamodb:DescribeTable"), nth: 0, times: FOR_GOOD });
        let outcome = doctor(&aws, "--cluster batch").await;
        assert_eq!(outcome.code, 3, "{outcome:?}");
        assert!(
            line(&outcome, "DynamoDB").starts_with('?') && line(&outcome, "DynamoDB").contains(told),
            "{outcome:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn unreachable_service_is_broken() {
    let aws = at_midnight().await;
    aws.fail(Fault { failure: Failure::NotSent, on: On::Every, nth: 0, times: FOR_GOOD });
    let outcome = doctor(&aws, "--cluster batch").await;
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(line(&outcome, "EventBridge").starts_with("✗ EventBridge      cannot be reached"), "{outcome:?}");
    assert!(line(&outcome, "clock").starts_with("? clock"), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn clock_five_minutes_off_is_broken() {
    for (seconds, mark, told) in [
        (0, '✓', "matches AWS's clock"),
        (1, '✓', "matches AWS's clock"),
        (40, '✓', "40 s behind AWS's"),
        (-299, '✓', "299 s ahead of AWS's"),
        (300, '✗', "300 s behind AWS's"),
        (-86_400, '✗', "86400 s ahead of AWS's"),
    ] {
        let aws = Aws::new().await;
        let by = Duration::from_secs(i64::unsigned_abs(seconds));
        aws.say_time(if seconds < 0 { today() - by } else { today() + by });
        let outcome = doctor(&aws, "").await;
        assert_eq!(outcome.code, u8::from(mark == '✗'), "{seconds}: {outcome:?}");
        assert!(line(&outcome, "clock").starts_with(mark) && line(&outcome, "clock").contains(told), "{outcome:?}");
    }
    let silent = doctor(&Aws::new().await, "").await;
    assert_eq!((silent.code, line(&silent, "clock").starts_with('?')), (3, true), "{silent:?}");
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_are_broken_and_the_refusal_has_the_time() {
    let aws = at_midnight().await;
    aws.fail(Fault { failure: Failure::Expired, on: On::Every, nth: 0, times: FOR_GOOD });
    let outcome = doctor(&aws, "").await;
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert_eq!(line(&outcome, "clock"), "✓ clock            matches AWS's clock");
    assert!(line(&outcome, "credentials").contains("AWS does not accept them: ExpiredToken"), "{outcome:?}");
    assert_eq!(outcome.out.matches("hint: the credentials have expired").count(), 1, "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn no_service_is_called_without_a_region_or_credentials() {
    let aws = at_midnight().await;
    let nowhere = aws.sdk().to_builder().region(None).build();
    let nobody = SdkConfig::builder().region(aws.sdk().region().cloned()).build();
    for (sdk, name, told) in
        [(nowhere, "region", "no AWS region is configured"), (nobody, "credentials", "no credentials found")]
    {
        let outcome = run_with(sdk, "doctor --cluster batch", None, CancellationToken::new()).await;
        assert_eq!((outcome.code, aws.calls().len()), (1, 0), "{outcome:?}");
        assert!(line(&outcome, name).starts_with('✗') && line(&outcome, name).contains(told), "{outcome:?}");
        assert!(line(&outcome, "services").starts_with('?'), "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn missing_cluster_is_broken_with_the_nearest_names() {
    let aws = at_midnight().await;
    let outcome = doctor(&aws, "--cluster bacth").await;
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(line(&outcome, "cluster").contains("there is no ECS cluster bacth here"), "{outcome:?}");
    assert!(outcome.out.contains("hint: the nearest name is batch"), "{outcome:?}");
    // The placeholder for the running command in hints does not alter names that contain it.
    let named = doctor(&aws, "--cluster PROD_COMMAND").await;
    assert!(line(&named, "cluster").contains("there is no ECS cluster PROD_COMMAND here"), "{named:?}");
}

#[tokio::test(start_paused = true)]
async fn unread_cluster_is_neither_found_nor_missing() {
    for failure in [Failure::Throttled, Failure::ServerError, Failure::Denied] {
        let aws = at_midnight().await;
        aws.fail(Fault { failure, on: On::Action("ecs:DescribeClusters"), nth: 0, times: FOR_GOOD });
        let outcome = doctor(&aws, "--cluster batch").await;
        assert!(line(&outcome, "cluster").starts_with("? cluster          batch: not checked"), "{outcome:?}");
        assert_eq!(outcome.code, if failure == Failure::Denied { 1 } else { 3 }, "{outcome:?}");
    }
    // The nearest names are unknown, but the cluster is known to be missing.
    let aws = at_midnight().await;
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("ecs:ListClusters"), nth: 0, times: FOR_GOOD });
    let missing = doctor(&aws, "--cluster bacth").await;
    assert!(missing.code == 1 && line(&missing, "cluster").starts_with("✗ cluster"), "{missing:?}");
}

#[tokio::test(start_paused = true)]
async fn invalid_selection_is_refused_before_any_check() {
    let aws = at_midnight().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taskbell.toml");
    let stack = "[[stack]]\nname = \"nightly\"\nclusters = [\"batch\"]\nregion = ";
    std::fs::write(&path, format!("{stack}\"us-east-1\"\n{stack}\"eu-west-1\"\n")).unwrap();
    for wrong in ["--stack nightly", "--stack a --stack b"] {
        let outcome = doctor(&aws, &format!("{wrong} --config {}", path.display())).await;
        assert_eq!((outcome.code, outcome.out.as_str()), (64, ""), "{outcome:?}");
    }
    assert_eq!(doctor(&aws, "--stack a/b").await.code, 64);
    assert_eq!(doctor(&aws, &format!("--config {}", path.display())).await.code, 0, "of many it is about none");
}

#[tokio::test(start_paused = true)]
async fn file_and_webhook_format_are_checked_and_the_webhook_is_not_shown() {
    let aws = at_midnight().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taskbell.toml");
    std::fs::write(&path, "[[stack]]\nclusters = [\"batch\"]\n").unwrap();
    let flags = format!("--config {}", path.display());
    let right = doctor(&aws, &flags).await;
    assert_eq!(right.code, 0, "{right:?}");
    assert!(line(&right, "file").ends_with("is valid: 1 stack"), "{right:?}");
    assert_eq!(line(&right, "cluster"), "✓ cluster          batch: found", "of the one stack");
    std::fs::write(&path, "[[stack]]\nclusters = [\"batch\"]\nregion = \"us-east-1\"\npaterns = []\n").unwrap();
    let wrong = doctor(&aws, &flags).await;
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(line(&wrong, "file").contains("taskbell.toml:4"), "{wrong:?}");
    for (webhook, mark) in [(WEBHOOK, '✓'), ("https://example.com/services/hunter2", '✗')] {
        let outcome = run(&aws, "doctor", Some(webhook), CancellationToken::new()).await;
        assert!(line(&outcome, "webhook").starts_with(mark), "{outcome:?}");
    }
    let none = taskbell_without_webhook(&aws, "doctor").await;
    assert!(line(&none, "webhook").starts_with("✓ webhook          none in"), "{none:?}");
}

#[tokio::test(start_paused = true)]
async fn denied_calls_as_json_name_the_command_that_prints_the_policy() {
    let aws = at_midnight().await;
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("lambda:GetFunction"), nth: 0, times: FOR_GOOD });
    let denied = doctor(&aws, "--cluster batch --output json").await;
    assert!(!denied.out.contains("\\u0000") && !denied.out.contains('\0'), "{denied:?}");
    assert!(denied.out.contains("`taskbell permissions --for setup` prints the policy"), "{denied:?}");
}
