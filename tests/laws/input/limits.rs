//! Checks that a stack that AWS would refuse for its size or its names is refused before anything is made.

use super::*;

use std::fmt::Display;

use aws_sdk_eventbridge::types::Tag;
use taskbell::reconcile::resource::Tags;

use crate::support::Outcome;
use crate::support::aws::ACCOUNT;

/// Repeats a flag with different values.
fn each<T: Display>(flag: &str, values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| format!(" {flag} {value}")).collect::<Vec<_>>().concat()
}

/// Runs `setup`, `setup --dry-run` and `drift` with these flags: each must refuse them with these words, and make nothing.
async fn all_refuse(aws: &Aws, flags: &str, said: &[&str]) {
    aws.forget_calls();
    for line in [
        format!("setup --yes --no-pattern-check {flags}"),
        format!("setup --dry-run --no-pattern-check {flags}"),
        format!("drift {flags}"),
    ] {
        let outcome = taskbell(aws, &line).await;
        assert_eq!(outcome.code, 64, "{line:.90}: {outcome:?}");
        for said in said {
            assert!(outcome.err.contains(said), "{line:.90}: {said}: {outcome:?}");
        }
    }
    assert_eq!(aws.writes(), [""; 0], "{flags:.90}");
}

/// Runs `setup` and `setup --dry-run` with these flags: each must refuse them with these words, and make nothing. `drift` changes
/// nothing, and must show the differences all the same.
async fn only_setup_refuses(aws: &Aws, flags: &str, said: &[&str]) {
    aws.forget_calls();
    for line in ["setup --yes --no-pattern-check", "setup --dry-run --no-pattern-check", "drift --output json"] {
        let outcome = taskbell(aws, &format!("{line} {flags}")).await;
        if line.starts_with("drift") {
            let steps = outcome.json()["steps"].clone();
            assert!(outcome.code == 2 && steps.as_array().is_some_and(|steps| !steps.is_empty()), "{outcome:?}");
            continue;
        }
        assert_eq!(outcome.code, 64, "{line}: {outcome:?}");
        for said in said {
            assert!(outcome.err.contains(said), "{line}: {said}: {outcome:?}");
        }
    }
    assert_eq!(aws.writes(), [""; 0], "{flags:.90}");
}

/// Writes pattern files, and returns a flag for each.
fn patterns(folder: &std::path::Path, names: impl IntoIterator<Item = String>) -> String {
    each(
        "--pattern",
        names.into_iter().map(|name| {
            let path = folder.join(format!("{name}.json"));
            std::fs::write(&path, r#"{"source":["my.app"]}"#).unwrap();
            path.display().to_string()
        }),
    )
}

async fn succeeds(aws: &Aws, line: &str) -> Outcome {
    let outcome = taskbell(aws, line).await;
    assert_eq!(outcome.code, 0, "{line:.90}: {outcome:?}");
    outcome
}

#[tokio::test(start_paused = true)]
async fn whole_that_aws_would_refuse_is_refused_before_any_write() {
    let aws = Aws::new().await;
    let folder = tempfile::tempdir().unwrap();
    let groups = (1..=110).map(|n| format!("/ecs/customer-number-{n}-production-blue-green-environment/web"));
    let many_patterns = patterns(folder.path(), (0..70).map(|n| format!("pattern-{n}")));
    let long_pattern = patterns(folder.path(), ["p".repeat(250)]);
    let batch = "--cluster batch";
    for (flags, said) in [
        (
            format!("{batch}{}", each("--log-group", groups)),
            vec![
                "the inline policy of the role taskbell-batch-us-east-1 has",
                "IAM accepts 10240",
                "--log-group (log_groups",
            ],
        ),
        (
            format!("{batch}{}", each("--mention", (0..400).map(|n| format!("U{n:010}")))),
            vec!["the environment of the function taskbell-batch has", "Lambda accepts 4096", "--mention (mention"],
        ),
        (format!("{batch} --username {}", "x".repeat(4_000)), vec!["Lambda accepts 4096", "--username"]),
        (
            format!("{batch}{many_patterns}"),
            vec!["the resource policy of the function taskbell-batch", "Lambda accepts 20480", "--pattern"],
        ),
        (
            format!("{batch} --stack {}{long_pattern}", "s".repeat(255)),
            vec!["the description of the rule", "EventBridge accepts 512", "--pattern", "--stack"],
        ),
        (
            format!("{batch}{}", each("--tag", (0..46).map(|n| format!("key-{n}=x")))),
            vec!["would have 51 tags: 46 of yours", "AWS accepts 50", "leave out 1 of --tag (tags"],
        ),
        (
            format!("{batch} --tag Environment=prod --tag environment=prod"),
            vec!["Environment and environment differ only by case"],
        ),
        (format!("{batch} --tag Taskbell:Stack=mine"), vec!["the tag key Taskbell:Stack is reserved"]),
        (format!("{batch} --tag team=aws:x"), vec!["the value of the tag team is reserved"]),
        (format!("{batch} --tag team=ที"), vec!["AWS does not accept the tag", "combining vowel signs"]),
        (format!("{batch} --tag मा=1"), vec!["AWS does not accept the tag"]),
        (format!("{batch} --tag team=Ⓐ"), vec!["AWS does not accept the tag"]),
        (
            format!("{batch} --slack-webhook-parameter /aws/webhook"),
            vec![
                "\"/aws/webhook\" is not the name of an SSM parameter",
                "begin with aws or ssm, in any case, are reserved",
            ],
        ),
        (format!("{batch} --to /SSM/hook"), vec!["\"/SSM/hook\" is not the name of an SSM parameter", "are reserved"]),
        (
            format!(
                "{batch} --pattern task-failed{}",
                each("--family", (0..40).map(|n| format!("*-customer-{n}-nightly")))
            ),
            vec!["EventBridge accepts 2048", "names with --family", "--pattern-quota"],
        ),
        (format!("{batch} --pattern-quota 5000"), vec!["2048 to 4096 characters, not 5000"]),
        (format!("{batch} --pattern-quota 2000"), vec!["2048 to 4096 characters, not 2000"]),
    ] {
        all_refuse(&aws, &flags, &said).await;
    }
}

/// Checks the ARNs that AWS would refuse only when the resource that uses them is made.
#[tokio::test(start_paused = true)]
async fn arn_of_another_account_or_partition_is_refused_before_any_write() {
    let aws = Aws::new().await;
    for (flags, said) in [
        (
            "--permissions-boundary arn:aws:iam::210987654321:policy/wall",
            [
                "arn:aws:iam::210987654321:policy/wall is not in the account 123456789012",
                "arn:aws:iam::123456789012:policy/wall",
            ],
        ),
        (
            "--permissions-boundary arn:aws-cn:iam::aws:policy/ReadOnlyAccess",
            ["is not in the account 123456789012 of the partition aws", "arn:aws:iam::aws:policy/ReadOnlyAccess"],
        ),
        (
            "--notifier-role-arn arn:aws:iam::210987654321:role/mine",
            ["arn:aws:iam::210987654321:role/mine is not in the account", "arn:aws:iam::123456789012:role/mine"],
        ),
        ("--to arn:aws-cn:sns:cn-north-1:123456789012:a", ["is not in the partition aws", "a topic of this partition"]),
        ("--alarm-topic arn:aws-cn:sns:us-east-1:123456789012:a", ["is not in the partition aws", "--profile"]),
        ("--alarm-topic arn:aws:sns:eu-west-1:123456789012:a", ["is not in us-east-1", "its own region"]),
    ] {
        all_refuse(&aws, &format!("--cluster batch {flags}"), &said).await;
    }
    // The printed policy would contain the same ARN.
    let wall = "permissions --cluster batch --permissions-boundary arn:aws:iam::210987654321:policy/wall";
    let mine = "permissions --cluster batch --notifier-role-arn arn:aws:iam::210987654321:role/mine";
    for line in [wall, mine] {
        let here = taskbell(&aws, line).await;
        assert!(here.code == 64 && here.err.contains("is not in the account 123456789012"), "{line}: {here:?}");
        let there = taskbell(&aws, &format!("{line} --account 210987654321")).await;
        assert_eq!(there.code, 0, "{line}: {there:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn most_tags_that_aws_accepts_are_set_and_removed_again() {
    let aws = Aws::new().await;
    let events = aws_sdk_eventbridge::Client::new(&aws.sdk());
    let arn = format!("arn:aws:events:us-east-1:{ACCOUNT}:rule/taskbell-batch-task-failed");
    let tags = || async {
        let tags = events.list_tags_for_resource().resource_arn(&arn).send().await.unwrap().tags.unwrap();
        tags.into_iter().map(|tag| (tag.key, tag.value)).collect::<Tags>()
    };
    for counts in [[45, 36, 1], [37, 44, 0]] {
        for count in counts {
            let flags = each("--tag", (0..count).map(|n| format!("key-{n}=x")));
            succeeds(&aws, &format!("{SETUP}{flags}")).await;
            succeeds(&aws, &format!("drift --cluster batch{flags}")).await;
            let now = tags().await;
            let (own, users): (Tags, Tags) = now.into_iter().partition(|(key, _)| key.starts_with("taskbell:"));
            assert_eq!(users.keys().filter(|key| key.starts_with("key-")).count(), count);
            assert!(own.values().all(|value| value.len() <= 256), "{own:?}");
            assert!(own.len() + users.len() <= 50, "{own:?} {users:?}");
        }
        let stranger = Tag::builder().key("stranger").value("keep").build().unwrap();
        events.tag_resource().resource_arn(&arn).tags(stranger).send().await.unwrap();
    }
    assert_eq!(tags().await.get("stranger").map(String::as_str), Some("keep"));
}

#[tokio::test(start_paused = true)]
async fn tags_of_others_leave_less_room_for_new_ones() {
    let aws = Aws::new().await;
    succeeds(&aws, SETUP).await;
    let sqs = aws_sdk_sqs::Client::new(&aws.sdk());
    let url = sqs.get_queue_url().queue_name("taskbell-batch-undelivered").send().await.unwrap().queue_url.unwrap();
    let call = sqs.tag_queue().queue_url(url);
    let call = (0..40).fold(call, |call, number| call.tags(format!("stranger-{number}"), "keep"));
    call.send().await.unwrap();
    let tags = |count: usize| each("--tag", (0..count).map(|n| format!("key-{n}=x")));
    only_setup_refuses(
        &aws,
        &format!("--cluster batch{}", tags(6)),
        &["queue/undelivered would have 51 tags: 6 of yours and 40 of others", "AWS accepts 50"],
    )
    .await;
    succeeds(&aws, &format!("{SETUP}{}", tags(5))).await;
}

#[tokio::test(start_paused = true)]
async fn pattern_may_be_as_long_as_the_raised_quota() {
    let aws = Aws::new().await;
    let clusters = each("--cluster", (0..25).map(|n| format!("customer-number-{n}-production")));
    let flags = format!("--stack many{clusters} --pattern task-failed");
    all_refuse(&aws, &flags, &["EventBridge accepts 2048", "spread the clusters", "--pattern-quota"]).await;
    let flags = format!("{flags} --pattern-quota 4096");
    succeeds(&aws, &format!("setup --yes --allow-missing-cluster {flags}")).await;
    succeeds(&aws, &format!("drift {flags}")).await;
}

#[tokio::test(start_paused = true)]
async fn full_bus_is_refused_before_anything_is_made() {
    let aws = Aws::new().await;
    let events = aws_sdk_eventbridge::Client::new(&aws.sdk());
    let put = |name: String, pattern: &'static str| {
        let call = events.put_rule().name(name).event_pattern(pattern);
        async { call.send().await.map(drop).unwrap() }
    };
    for number in 0..30 {
        put(format!("wild-{number}"), r#"{"source":[{"wildcard":"a*b"}]}"#).await;
    }
    let wild = "--cluster batch --pattern task-failed --family *-nightly";
    only_setup_refuses(
        &aws,
        wild,
        &["has 30 other rules with wildcards, and the stack needs 2", "accepts 30", "--family"],
    )
    .await;
    // The family also narrows the rule for the ends of jobs, which the user can do without.
    events.delete_rule().name("wild-0").send().await.unwrap();
    let told = ["has 29 other rules with wildcards, and the stack needs 2", "works again (--no-recovery)"];
    only_setup_refuses(&aws, wild, &told).await;
    let dry = taskbell(&aws, &format!("setup --dry-run --no-recovery {wild}")).await;
    assert_eq!(dry.code, 2, "{dry:?}");
    events.delete_rule().name("wild-1").send().await.unwrap();
    let dry = taskbell(&aws, &format!("setup --dry-run {wild}")).await;
    assert_eq!(dry.code, 2, "{dry:?}");
    for number in 0..268 {
        put(format!("plain-{number}"), r#"{"source":["a"]}"#).await;
    }
    only_setup_refuses(
        &aws,
        "--cluster batch",
        &["has 296 rules, and the stack adds 5", "EventBridge accepts 300", "--rule-quota", "(--no-recovery)"],
    )
    .await;
    let dry = taskbell(&aws, "setup --dry-run --cluster batch --rule-quota 400").await;
    assert_eq!(dry.code, 2, "{dry:?}");
    // The three patterns alone fit, and so do two of them with the rules for the ends of jobs and of failures of services.
    let dry = taskbell(&aws, "setup --dry-run --cluster batch --no-recovery").await;
    assert_eq!(dry.code, 2, "{dry:?}");
    succeeds(&aws, &format!("{SETUP} --pattern task-failed --pattern deployment-failed")).await;
    // The stack's rules are on the bus by now, and need no room.
    succeeds(&aws, &format!("{SETUP} --pattern task-failed --pattern deployment-failed --log-retention 7")).await;
}

#[tokio::test(start_paused = true)]
async fn stack_name_that_differs_only_by_case_is_refused() {
    let aws = Aws::new().await;
    succeeds(&aws, "setup --cluster web --stack Batch --yes").await;
    only_setup_refuses(
        &aws,
        "--cluster batch",
        &["the stack Batch exists, and its name differs from batch only by case", "--stack"],
    )
    .await;
    // Other names, and a role of the user's own, do not collide.
    for flags in
        ["--stack batch-2", "--stack Batc", "--stack batch --notifier-role-arn arn:aws:iam::123456789012:role/mine"]
    {
        let dry = taskbell(&aws, &format!("setup --dry-run --cluster batch {flags}")).await;
        assert_eq!(dry.code, 2, "{flags}: {dry:?}");
    }
    let again = taskbell(&aws, "setup --cluster web --stack Batch --yes --pattern task-failed").await;
    assert_eq!(again.code, 0, "{again:?}");
}

/// Checks the moment between two settings, when removed rules and old settings still have their permissions.
#[tokio::test(start_paused = true)]
async fn permissions_of_old_and_new_settings_together_are_measured_too() {
    let aws = Aws::new().await;
    let folder = tempfile::tempdir().unwrap();
    let of = |prefix: &str| patterns(folder.path(), (0..35).map(|n| format!("{prefix}-{n}")));
    succeeds(&aws, &format!("{SETUP} --no-pattern-check{}", of("old"))).await;
    aws.forget_calls();
    for line in ["setup --yes", "setup --dry-run"] {
        let outcome = taskbell(&aws, &format!("{line} --cluster batch --no-pattern-check{}", of("new"))).await;
        assert_eq!((outcome.code, aws.writes()), (64, vec![]), "{outcome:?}");
        assert!(
            outcome.err.contains("Lambda accepts 20480") && outcome.err.contains("remove them first"),
            "{outcome:?}"
        );
    }

    let aws = Aws::new().await;
    let groups =
        |name: &str| each("--log-group", (0..70).map(|n| format!("/ecs/{name}-production-environment-{n}/web")));
    succeeds(&aws, &format!("{SETUP}{}", groups("first"))).await;
    aws.forget_calls();
    for line in ["setup --yes", "setup --dry-run"] {
        let outcome = taskbell(&aws, &format!("{line} --cluster batch --log-lines 20{}", groups("other"))).await;
        assert_eq!((outcome.code, aws.writes()), (64, vec![]), "{outcome:?}");
        assert!(outcome.err.contains("IAM accepts 10240") && outcome.err.contains("in two steps"), "{outcome:?}");
    }
}
