//! Checks many stacks of one file: each has its own outcome, and none stops another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::aws::{Aws, FOR_GOOD, Failure, Fault, On};
use crate::support::hand::Hand;
use crate::support::{self, taskbell, taskbell_without_webhook, typing};

/// Returns a file with this text, in its own folder.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taskbell.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

/// Returns a file's text with `count` stacks of the cluster `batch`, each with one rule.
fn stacks(count: usize) -> String {
    let stack = |number| format!("[[stack]]\nname = \"job-{number}\"\nclusters = [\"batch\"]\n");
    "[defaults]\npatterns = [\"task-failed\"]\n".to_owned() + &(0..count).map(stack).collect::<String>()
}

fn with(line: &str, path: &Path) -> String {
    format!("{line} --config {}", path.display())
}

#[tokio::test(start_paused = true)]
async fn broken_stack_among_fifty_is_reported_and_stops_no_other() {
    // The strict AWS can hold the states of one stack only.
    let aws = Aws::lax().await;
    let (_folder, path) = file(&stacks(50));
    // A queue that taskbell does not manage has the name of one stack's queue.
    Hand::of(&aws).sqs.create_queue().queue_name("taskbell-job-17-undelivered").send().await.unwrap();
    let setup = taskbell(&aws, &with("setup --all --yes --no-pattern-check", &path)).await;
    assert_eq!(setup.code, 1, "{setup:?}");
    let summary: Vec<&str> = setup.out.lines().rev().take(51).collect();
    assert_eq!(summary[0], "50 stacks: 49 good, 1 not", "{}", setup.err);
    let told: Vec<&&str> = summary.iter().filter(|line| line.contains("error:")).collect();
    assert!(told.len() == 1 && told[0].starts_with("job-17 ") && told[0].contains("does not manage"), "{told:?}");
    assert!(
        setup.err.contains("stack job-17 in us-east-1, account 123456789012:\n") && setup.err.contains("--adopt ID"),
        "{setup:?}"
    );

    let drift = taskbell(&aws, &with("drift --all --output json", &path)).await;
    assert_eq!(drift.code, 2, "{drift:?}");
    let stacks = drift.json()["stacks"].as_array().unwrap().clone();
    assert_eq!(stacks.iter().filter(|stack| stack["exit_code"] == 0 && stack["in_sync"] == true).count(), 49);
    let broken: Vec<&Value> = stacks.iter().filter(|stack| stack["exit_code"] != 0).collect();
    assert!(broken.len() == 1 && broken[0]["stack"] == "job-17", "{broken:?}");
}

/// Returns a file's text with `count` stacks of the cluster `batch`, with the rules of the defaults.
fn whole_stacks(count: usize) -> String {
    let stack = |number| format!("[[stack]]\nname = \"job-{number}\"\nclusters = [\"batch\"]\n");
    (0..count).map(stack).collect()
}

#[tokio::test(start_paused = true)]
async fn drift_of_many_stacks_reads_lists_once() {
    const STACKS: usize = 50;
    let aws = Aws::lax().await;
    aws.index_tags();
    let (_folder, path) = file(&whole_stacks(STACKS));
    let setup = taskbell(&aws, &with("setup --all --yes --no-pattern-check", &path)).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    aws.forget_calls();
    aws.delay(Duration::from_millis(50));
    let drift = taskbell(&aws, &with("drift --all", &path)).await;
    assert!(drift.code == 0 && drift.out.ends_with("50 stacks: all good\n"), "{drift:?}");
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for call in aws.calls() {
        *calls.entry(call.action).or_default() += 1;
    }
    // The search for stacks that are no longer in the file has a list of its own.
    assert_eq!(calls.remove("tag:GetResources"), Some(2));
    // Each stack looks up its account only here, where all of them share one given connection.
    calls.remove("sts:GetCallerIdentity");
    let lists = calls.iter().filter(|(_, count)| **count < STACKS).map(|(action, count)| (action.as_str(), *count));
    let once = [
        "cloudwatch:DescribeAlarms",
        "events:ListRules",
        "iam:ListRoles",
        "lambda:ListCodeSigningConfigs",
        "lambda:ListEventSourceMappings",
        "logs:DescribeLogGroups",
        "scheduler:ListScheduleGroups",
        "sqs:ListQueues",
        "ssm:DescribeParameters",
    ];
    assert_eq!(lists.collect::<Vec<_>>(), once.map(|action| (action, 1)), "{calls:#?}");
    let total: usize = calls.values().sum();
    assert!(total < 20 * STACKS, "{total} calls: {calls:#?}");
}

#[tokio::test(start_paused = true)]
async fn difference_that_only_the_late_index_shows_is_not_reported() {
    let aws = Aws::lax().await;
    aws.index_tags();
    let (_folder, path) = file(&stacks(3));
    assert_eq!(taskbell(&aws, &with("setup --all --yes --no-pattern-check", &path)).await.code, 0);
    aws.index_tags_late();
    std::fs::write(&path, format!("{}tags = {{ team = \"data\" }}\n", stacks(3))).unwrap();
    let setup = taskbell(&aws, &with("setup --all --yes --no-pattern-check", &path)).await;
    assert!(setup.code == 0 && setup.out.contains("team"), "{setup:?}");
    let drift = taskbell(&aws, &with("drift --all", &path)).await;
    assert!(drift.code == 0 && drift.out.ends_with("3 stacks: all good\n"), "{drift:?}");
}

#[tokio::test(start_paused = true)]
async fn late_index_hides_a_changed_tag_and_never_another_webhook() {
    let aws = Aws::lax().await;
    aws.index_tags();
    let (_folder, path) = file(&stacks(2));
    assert_eq!(taskbell(&aws, &with("setup --all --yes --no-pattern-check", &path)).await.code, 0);
    aws.index_tags_late();
    let hand = Hand::of(&aws);
    let url = hand.sqs.get_queue_url().queue_name("taskbell-job-0-undelivered").send().await.unwrap().queue_url;
    hand.sqs.untag_queue().set_queue_url(url).tag_keys("taskbell:applied").send().await.unwrap();
    let together = with("drift --stack job-0 --stack job-1", &path);
    assert_eq!(taskbell(&aws, &together).await.code, 0, "docs/scale.md says that a changed tag shows later");
    assert_eq!(taskbell(&aws, &with("drift --stack job-0", &path)).await.code, 2);
    // The parameter that somebody deleted and created again has the version of the first one, and its tags are still in the index.
    let webhook = "/taskbell/job-1/slack-webhook-url";
    hand.ssm.delete_parameter().name(webhook).send().await.unwrap();
    hand.ssm.put_parameter().name(webhook).value("x").r#type("SecureString".into()).send().await.unwrap();
    let drift = taskbell(&aws, &together).await;
    assert!(drift.code == 2 && drift.out.contains("parameter/webhook"), "{drift:?}");
}

#[tokio::test(start_paused = true)]
async fn stacks_are_read_one_by_one_where_lists_are_denied() {
    let aws = Aws::lax().await;
    aws.index_tags();
    let (_folder, path) = file(&stacks(2));
    assert_eq!(taskbell(&aws, &with("setup --all --yes --no-pattern-check", &path)).await.code, 0);
    let line = with("drift --stack job-0 --stack job-1", &path);
    for action in [
        "tag:GetResources",
        "iam:ListRoles",
        "sqs:ListQueues",
        "scheduler:ListScheduleGroups",
        "lambda:ListCodeSigningConfigs",
    ] {
        aws.fail(Fault { failure: Failure::Denied, on: On::Action(action), nth: 0, times: FOR_GOOD });
        let drift = taskbell(&aws, &line).await;
        assert!(drift.code == 0 && drift.out.ends_with("2 stacks: all good\n"), "{action}: {drift:?}");
        assert_eq!(aws.hit().as_deref(), Some(action));
    }
}

#[tokio::test(start_paused = true)]
async fn most_severe_exit_code_is_the_code_of_the_fleet() {
    let aws = Aws::new().await;
    let (_folder, path) = file(&stacks(3));
    let setup = with("setup --stack job-0 --stack job-1 --yes --no-pattern-check", &path);
    assert_eq!(taskbell(&aws, &setup).await.code, 0);
    let drift = taskbell(&aws, &with("drift --stack job-0 --stack job-1", &path)).await;
    assert!(drift.code == 0 && drift.out.ends_with("2 stacks: all good\n"), "{drift:?}");
    let all = taskbell(&aws, &with("drift --stack job-0 --stack job-2", &path)).await;
    assert!(all.code == 2 && all.out.contains("job-0  in sync") && all.out.contains("job-2  not set up"), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn ambiguous_selection_is_refused_before_any_call() {
    let aws = Aws::new().await;
    let (_folder, path) = file(&stacks(2));
    for (line, told) in [
        ("drift", "has 2 stacks"),
        ("drift --stack job-1 --stack jobs-0", "did you mean job-"),
        ("drift --all --stack job-1", "cannot be combined"),
        ("drift --all --cluster batch", "cannot be used with"),
        ("replay --stack job-0 --stack job-1", "one stack at a time"),
        ("export terraform --stack job-0 --stack job-1", "one stack at a time"),
        ("teardown --orphans --yes", "without a fleet"),
        ("teardown --orphans --stack job-1", "selects all stacks"),
        ("status --all --output github", "work only with drift"),
    ] {
        let outcome = taskbell(&aws, &with(line, &path)).await;
        assert!(outcome.code == 64 && outcome.err.contains(told), "{line}: {outcome:?}");
    }
    let nothing = taskbell(&aws, "drift --all --config /nowhere/taskbell.toml").await;
    assert!(nothing.code == 64 && nothing.err.contains("cannot read /nowhere/taskbell.toml"), "{nothing:?}");
    assert!(aws.calls().is_empty(), "{:?}", aws.calls());
    // A dry run removes nothing, with or without a fleet.
    let dry = taskbell(&aws, &with("teardown --orphans --dry-run", &path)).await;
    assert_eq!(dry.code, 0, "{dry:?}");
    // A flag takes precedence over the file.
    let one = taskbell(&aws, &with("setup --stack job-0 --yes --no-pattern-check --language ja", &path)).await;
    assert_eq!(one.code, 0, "{one:?}");
    let drift = taskbell(&aws, &with("drift --stack job-0", &path)).await;
    assert!(drift.code == 2 && drift.out.contains("language: is ja, should be en"), "{drift:?}");
}

#[tokio::test(start_paused = true)]
async fn stack_that_is_not_in_the_file_is_named_with_the_stacks_of_the_file() {
    let aws = Aws::new().await;
    let (_folder, path) = file(&stacks(2));
    let near = "has no stack jobs-1\n  hint: did you mean job-1? (for a stack that is not in the file, also give --cluster NAME)\n";
    let far = "has no stack batch\n  hint: the stacks of the file are job-0, job-1 (for a stack that is not in the file, also give";
    for (line, told) in [
        ("drift --stack jobs-1", near),
        ("graph --stack jobs-1", near),
        ("drill --stack jobs-1", near),
        ("setup --stack batch --yes", far),
        ("export terraform --stack batch", far),
        ("drift --stack job-1 --stack batch", "has no stack batch\n  hint: the stacks of the file are job-0, job-1\n"),
    ] {
        let outcome = taskbell(&aws, &with(line, &path)).await;
        assert!(outcome.code == 64 && outcome.err.contains(told), "{line}: {outcome:?}");
    }
    assert!(aws.calls().is_empty(), "{:?}", aws.calls());
    // These commands need no cluster, and find a stack that is not in the file.
    for line in ["status --stack batch", "setup --stack alerts --pattern application-error --dry-run"] {
        let outcome = taskbell(&aws, &with(line, &path)).await;
        assert!(outcome.code != 64 && !outcome.err.contains("has no stack"), "{line}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fleet_setup_needs_confirmation_and_a_webhook_for_every_stack() {
    let aws = Aws::new().await;
    let (_folder, path) = file(&stacks(12));
    let before = aws.everything().await;
    let unasked = taskbell(&aws, &with("setup --all --no-pattern-check", &path)).await;
    assert!(unasked.code == 64 && unasked.err.contains("cannot ask for confirmation: not a terminal"), "{unasked:?}");
    assert!(
        unasked.err.contains("pass --yes") && unasked.out.contains("stack job-0 in us-east-1, account"),
        "{unasked:?}"
    );
    // Setup showed every stack's plan before the question.
    assert_eq!(unasked.out.matches("8 to add").count(), 12, "{unasked:?}");
    let secretless = taskbell_without_webhook(&aws, &with("setup --all --yes --no-pattern-check", &path)).await;
    assert!(secretless.code != 0 && secretless.out.matches("error:").count() == 12, "{secretless:?}");
    assert_eq!(aws.everything().await, before);
}

#[tokio::test(start_paused = true)]
async fn drift_annotates_differences_for_a_workflow() {
    let aws = Aws::new().await;
    let (_folder, path) = file(&stacks(1));
    assert_eq!(taskbell(&aws, &with("setup --yes --no-pattern-check", &path)).await.code, 0);
    let hand = Hand::of(&aws);
    hand.events.disable_rule().name("taskbell-job-0-task-failed").send().await.unwrap();
    let drift = taskbell(&aws, &with("drift --output github", &path)).await;
    let lines: Vec<&str> = drift.out.lines().collect();
    assert_eq!(drift.code, 2, "{drift:?}");
    assert_eq!(
        lines,
        [
            "::error title=taskbell job-0 in us-east-1%3A rule/task-failed::is disabled, should be enabled (changed outside taskbell)"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn fleet_is_confirmed_once_after_every_plan_is_shown() {
    let aws = Aws::lax().await;
    let (_folder, path) = file(&stacks(12));
    let before = aws.everything().await;
    let no = typing(&aws, &with("setup --all --no-pattern-check", &path), &["n"]).await;
    assert!(
        no.code == 2 && no.err.matches("[y/N]").count() == 1 && no.err.contains("Apply these changes to 12 stacks?"),
        "{no:?}"
    );
    assert_eq!((no.err.matches("Cancelled").count(), no.err.contains("error")), (1, false), "{no:?}");
    assert_eq!(aws.everything().await, before);
    // With JSON on stdout, stderr shows the plans before the question.
    let json = typing(&aws, &with("setup --all --no-pattern-check --output json", &path), &["n"]).await;
    let shown = json.err.split("Apply these changes").next().unwrap();
    assert_eq!((json.code, shown.matches("8 to add").count()), (2, 12), "{json:?}");
    assert_eq!(aws.everything().await, before);
    let yes = typing(&aws, &with("setup --all --no-pattern-check", &path), &["y"]).await;
    assert!(yes.code == 0 && yes.err.matches("[y/N]").count() == 1, "{yes:?}");
    assert!(yes.out.contains("job-11  8 added\n"), "{yes:?}");
    assert_eq!(taskbell(&aws, &with("drift --all", &path)).await.code, 0);
}

/// Returns an AWS whose bus has room for four more rules: for two stacks, each with its pattern and `job-succeeded`.
async fn nearly_full() -> Aws {
    let aws = Aws::lax().await;
    let events = Hand::of(&aws).events;
    for number in 0..296 {
        let call = events.put_rule().name(format!("plain-{number}")).event_pattern(r#"{"source":["a"]}"#);
        call.send().await.unwrap();
    }
    aws
}

/// Returns the number of the fleet's rules on the bus.
async fn rules_of_jobs(aws: &Aws) -> usize {
    Hand::of(aws).events.list_rules().name_prefix("taskbell-job-").send().await.unwrap().rules().len()
}

/// Checks stacks that are prepared at the same time: each would fit on the bus alone, and together they do not.
#[tokio::test(start_paused = true)]
async fn stacks_of_a_fleet_share_the_room_on_the_bus() {
    let (_folder, path) = file(&stacks(4));
    let refused = "has 296 rules, other stacks of this run add 4, and the stack adds 2; EventBridge accepts 300";
    let aws = nearly_full().await;
    let before = aws.everything().await;
    for line in ["setup --all --dry-run --no-pattern-check", "setup --all --no-pattern-check"] {
        let outcome = typing(&aws, &with(line, &path), &["n"]).await;
        assert_eq!(outcome.out.matches(refused).count(), 2, "{line}: {outcome:?}");
        assert_eq!(aws.everything().await, before, "{line}");
    }
    let yes = taskbell(&aws, &with("setup --all --yes --no-pattern-check", &path)).await;
    assert!(yes.code == 64 && yes.out.ends_with("4 stacks: 2 good, 2 not\n"), "{yes:?}");
    assert_eq!(rules_of_jobs(&aws).await, 4);
    // The refused stacks have made nothing.
    let drift = taskbell(&aws, &with("drift --all --output json", &path)).await;
    let stacks = drift.json()["stacks"].as_array().unwrap().clone();
    let steps: Vec<usize> = stacks.iter().map(|stack| stack["steps"].as_array().unwrap().len()).collect();
    assert_eq!(steps.iter().filter(|count| **count == 8).count(), 2, "{steps:?}");
    assert_eq!(steps.iter().filter(|count| **count == 0).count(), 2, "{steps:?}");
    // Rules that exist by now are not counted twice.
    let aws = nearly_full().await;
    let one = taskbell(&aws, &with("setup --all --yes --no-pattern-check --jobs 1", &path)).await;
    assert!(one.code == 64 && one.out.ends_with("4 stacks: 2 good, 2 not\n"), "{one:?}");
    assert!(one.err.contains("has 300 rules, and the stack adds 2"), "{one:?}");
    assert_eq!(rules_of_jobs(&aws).await, 4);
}

#[tokio::test(start_paused = true)]
async fn init_asks_and_writes_a_valid_file() {
    let aws = Aws::lax().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taskbell.toml");
    let answers = [
        "7",
        "1 web",
        "both",
        "each",
        "fr",
        "ja",
        "here everyone",
        "here, S0123",
        "no",
        "arn:aws:sns:us-east-1:123456789012:on-call",
    ];
    let init = typing(&aws, &with("init", &path), &answers).await;
    assert_eq!(init.code, 0, "{init:?}");
    for told in [
        "1  batch",
        "no cluster number 7",
        "Make one stack for all clusters, also new ones, or one each?",
        "unknown answer \"both\": use one or each",
        "unknown language fr",
        "--mention does not accept",
        "not the ARN of an SNS topic",
    ] {
        assert!(init.err.contains(told), "{told}: {init:?}");
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let read = taskbell::config::file::File::parse(&path, &text).unwrap();
    assert_eq!(read.fleet.as_deref(), Some("batch"));
    let names: Vec<&str> = read.stacks.iter().map(|stack| stack.name.as_ref().unwrap().as_str()).collect();
    assert_eq!(names, ["batch", "web"]);
    assert_eq!(read.stacks[1].settings.mention.as_deref().unwrap(), ["here", "S0123"]);
    assert_eq!(read.stacks[1].site.region.as_deref(), Some("us-east-1"));
    // The commented-out lines are valid, too.
    let said: String = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = ")).unwrap_or(line).to_owned() + "\n")
        .collect();
    let said = said.replace("fleet = \"NAME\"", "");
    taskbell::config::file::File::parse(&path, &said).unwrap();

    let again = typing(&aws, &with("init", &path), &[]).await;
    assert!(again.code == 64 && again.err.contains("already exists"), "{again:?}");
    let unasked = taskbell(&aws, &with("init --force", &path)).await;
    assert!(unasked.code == 64 && unasked.err.contains("--cluster NAME"), "{unasked:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let setup = taskbell(&aws, &with("setup --all --yes --no-pattern-check", &path)).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let unattended = taskbell(&aws, &with("init --force --cluster batch --region eu-west-1", &path)).await;
    assert_eq!(unattended.code, 0, "{unattended:?}");
    let schema = taskbell(&aws, "init --schema").await;
    assert!(schema.code == 0 && schema.json()["title"] == "taskbell.toml");
}

#[tokio::test(start_paused = true)]
async fn init_writes_one_stack_for_all_clusters() {
    let aws = Aws::new().await;
    let folder = tempfile::tempdir().unwrap();
    for (answers, clusters, name) in
        [(["all", "one", "", ""], vec!["*"], "all"), (["batch other", "one", "", ""], vec!["batch", "other"], "batch")]
    {
        let path = folder.path().join(format!("{name}.toml"));
        let init = typing(&aws, &with("init", &path), &[&answers[..], &[""]].concat()).await;
        assert_eq!(init.code, 0, "{init:?}");
        let text = std::fs::read_to_string(&path).unwrap();
        let read = taskbell::config::file::File::parse(&path, &text).unwrap();
        let [stack] = read.stacks.as_slice() else { panic!("{text}") };
        assert_eq!(stack.name.as_ref().unwrap().as_str(), name, "{text}");
        assert_eq!(stack.settings.clusters.as_deref().unwrap(), clusters, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn stack_defined_twice_by_two_profiles_of_one_account_is_refused() {
    let aws = Aws::lax().await;
    let twice = "[[stack]]\nclusters = [\"batch\"]\n[[stack]]\nclusters = [\"batch\"]\nprofile = \"same\"\n";
    let (_folder, path) = file(twice);
    let setup = taskbell(&aws, &with("setup --all --yes", &path)).await;
    assert!(
        setup.code == 64 && setup.err.contains("defined twice: both are in us-east-1, account 123456789012"),
        "{setup:?}"
    );
    assert_eq!(aws.writes(), Vec::<String>::new());
}

/// Checks a stack as docs/application-alerts.md advises: without a cluster, and so without a task whose failure a drill could
/// simulate.
#[tokio::test(start_paused = true)]
async fn drill_skips_stacks_without_clusters() {
    let (_folder, path) =
        file("[[stack]]\nclusters = [\"batch\"]\n[[stack]]\nname = \"alerts\"\npatterns = [\"application-error\"]\n");
    let aws = Aws::lax().await;
    aws.notifier_tells(Some(json!({ "outcome": "sent", "ms": { "total": 5, "post": 1 },
        "destinations": [{ "name": "webhook", "kind": "slack", "outcome": "sent", "status": 200, "attempts": 1, "ms": 1 }] })));
    let run = |line: &str| {
        let line = format!("{line} --config {}", path.display());
        let aws = &aws;
        async move { support::taskbell(aws, &line).await }
    };
    let setup = run("setup --all --yes --drill").await;
    assert_eq!(setup.code, 0, "{setup:?}");
    assert_eq!(run("drift --all").await.code, 0);
    let drill = run("drill --all").await;
    assert!(drill.code == 0 && drill.out.contains("alerts  no drill: the stack has no cluster"), "{drill:?}");
    assert_eq!(run("drill --stack alerts").await.code, 64, "alone, it is asked for what it cannot do");
    aws.notifier_tells(None);
    let failed = run("drill --all").await;
    assert!(failed.code == 1 && failed.out.contains("✗ notifier   reported nothing"), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn failing_stack_leaves_the_others_their_retries() {
    const BROKEN: usize = 30;
    // The number of attempts that the SDK makes for one call.
    const ATTEMPTS: usize = 12;
    let aws = Aws::lax().await;
    let (_folder, path) = file(&stacks(BROKEN + 1));
    // Each stack has one failing call; for the last stack, only the call's first attempt fails.
    let on = On::Action("sqs:GetQueueUrl");
    aws.fail(Fault { failure: Failure::NotSent, on, nth: 0, times: BROKEN * ATTEMPTS + 1 });
    let drift = taskbell(&aws, &with("drift --all --jobs 1 --output json", &path)).await;
    let stacks = drift.json()["stacks"].as_array().unwrap().clone();
    let codes: Vec<u64> = stacks.iter().map(|stack| stack["exit_code"].as_u64().unwrap()).collect();
    let (last, broken) = codes.split_last().unwrap();
    assert!(broken.iter().all(|code| *code == 3) && *last == 2, "{codes:?}");
}

#[tokio::test(start_paused = true)]
async fn failed_account_lookup_prevents_all_other_calls() {
    let aws = Aws::lax().await;
    let (_folder, path) = file(&stacks(12));
    aws.fail(Fault { failure: Failure::NotSent, on: On::Action("sts:GetCallerIdentity"), nth: 0, times: FOR_GOOD });
    for command in ["drift --all", "status --all", "setup --all --yes", "teardown --all --yes"] {
        aws.forget_calls();
        let outcome = taskbell(&aws, &with(&format!("{command} --output json"), &path)).await;
        let stacks = outcome.json()["stacks"].as_array().unwrap().clone();
        let told = |stack: &Value| {
            stack["exit_code"] == 3 && stack["error"].to_string().contains("could not determine the AWS account")
        };
        assert!(outcome.code == 3 && stacks.len() == 12 && stacks.iter().all(told), "{command}: {outcome:?}");
        assert!(aws.calls().iter().all(|call| call.action == "sts:GetCallerIdentity"), "{command}: {:?}", aws.calls());
    }
}
