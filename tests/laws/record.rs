//! Checks that a run keeps the settings that it leaves out, because the stack itself keeps them, and that the name of a stack follows
//! from its clusters.

use aws_sdk_lambda::types::Environment;
use tokio_util::sync::CancellationToken;

use crate::support::aws::{Aws, Failure, Fault, On};
use crate::support::hand::{FUNCTION, Hand};
use crate::support::{Outcome, run_with, taskbell, taskbell_without_webhook, typing};

const RECORD: &str = "TASKBELL_SETTINGS";

async fn variable(hand: &Hand, name: &str) -> Option<String> {
    let function = hand.lambda.get_function_configuration().function_name(FUNCTION).send().await.unwrap();
    function.environment?.variables?.get(name).cloned()
}

/// Changes the record by hand; none removes it.
async fn record(hand: &Hand, text: Option<&str>) {
    // Lambda refuses a change while the last one is in progress.
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    let function = hand.lambda.get_function_configuration().function_name(FUNCTION).send().await.unwrap();
    let mut variables = function.environment.unwrap().variables.unwrap();
    variables.remove(RECORD);
    variables.extend(text.map(|text| (RECORD.to_owned(), text.to_owned())));
    let environment = Environment::builder().set_variables(Some(variables)).build();
    hand.configure().environment(environment).send().await.unwrap();
}

async fn succeeds(aws: &Aws, line: &str) -> Outcome {
    let outcome = taskbell(aws, line).await;
    assert_eq!(outcome.code, 0, "{line}: {outcome:?}");
    outcome
}

#[tokio::test(start_paused = true)]
async fn setting_that_a_later_run_leaves_out_stays_and_is_named() {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    let all =
        "--language ja --mention here --no-dedupe --log-retention 7 --exclude-family 'dev-*' --pattern task-failed";
    succeeds(&aws, &format!("setup batch --yes {all} --tag team=data")).await;
    aws.forget_calls();
    let again = succeeds(&aws, "setup batch --yes").await;
    assert_eq!(aws.writes(), [""; 0]);
    for kept in ["--language ja", "--mention here", "--no-dedupe", "--exclude-family 'dev-*'", "--tag team=data"] {
        assert!(again.err.contains(kept), "{kept}: {again:?}");
    }
    assert!(again.err.contains("--reset returns to the defaults"), "{again:?}");
    for line in ["drift batch", "drift --stack batch", "drift --cluster batch --language ja"] {
        let drift = taskbell_without_webhook(&aws, line).await;
        assert_eq!(drift.code, 0, "{line}: {drift:?}");
        assert!(drift.err.contains("note: compared with the settings of the last setup: --"), "{line}: {drift:?}");
    }
    succeeds(&aws, "setup batch --yes --mention channel --no-dedupe=false --tag cost=1").await;
    assert_eq!(variable(&hand, "TASKBELL_LANGUAGE").await.as_deref(), Some("ja"));
    assert_eq!(variable(&hand, "TASKBELL_MENTION").await.as_deref(), Some("channel"));
    assert!(variable(&hand, "TASKBELL_TABLE").await.is_some());
    let kept = variable(&hand, RECORD).await.unwrap();
    assert!(kept.contains(r#""tags":{"cost":"1"}"#), "{kept}");
    assert_eq!(taskbell(&aws, "drift batch --language en").await.code, 2);
}

#[tokio::test(start_paused = true)]
async fn comparison_names_the_settings_of_the_last_setup() {
    let aws = Aws::new().await;
    succeeds(&aws, "setup batch --yes").await;
    for (flags, settings) in [("", "the defaults"), (" --language en", "the defaults, and the given flags")] {
        let drift = succeeds(&aws, &format!("drift batch{flags}")).await;
        let note = format!("note: compared with the settings of the last setup: {settings}\n");
        assert!(drift.err.ends_with(&note), "{drift:?}");
    }
    succeeds(&aws, "setup batch --yes --language ja").await;
    let drift = succeeds(&aws, "drift batch").await;
    assert!(drift.err.ends_with("note: compared with the settings of the last setup: --language ja\n"), "{drift:?}");
}

#[tokio::test(start_paused = true)]
async fn webhook_beside_the_users_own_parameter_is_not_ignored_in_silence() {
    let aws = Aws::new().await;
    Hand::of(&aws).store("/own/hook").await;
    let unused = "note: TASKBELL_SLACK_WEBHOOK_URL is not used: the stack reads its own parameter /own/hook\n";
    let setup = taskbell_without_webhook(&aws, "setup batch --yes --slack-webhook-parameter /own/hook").await;
    assert!(setup.code == 0 && !setup.err.contains("is not used"), "{setup:?}");
    let again = succeeds(&aws, "setup batch --yes").await;
    assert!(again.err.contains(unused), "{again:?}");
    let without = taskbell_without_webhook(&aws, "setup batch --yes").await;
    assert!(without.code == 0 && !without.err.contains("is not used"), "{without:?}");
}

#[tokio::test(start_paused = true)]
async fn reset_returns_to_the_defaults() {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    succeeds(&aws, "setup batch --yes --language ja --log-lines 3").await;
    assert_eq!(taskbell(&aws, "drift batch --reset").await.code, 2);
    let reset = succeeds(&aws, "setup batch --yes --reset --log-lines 4").await;
    assert!(!reset.err.contains("keeps"), "{reset:?}");
    assert_eq!(variable(&hand, "TASKBELL_LANGUAGE").await.as_deref(), Some("en"));
    assert_eq!(variable(&hand, RECORD).await.as_deref(), Some(r#"{"clusters":["batch"],"log_lines":4}"#));
    assert_eq!(taskbell(&aws, "drift batch").await.code, 0);
}

/// Checks a lost alert: whoever names a stack by one of its clusters does not mean to drop the others.
#[tokio::test(start_paused = true)]
async fn cluster_that_names_the_stack_drops_no_other_cluster() {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    succeeds(&aws, "setup batch web --yes").await;
    let kept = succeeds(&aws, "setup batch --yes --log-retention 7").await;
    assert!(kept.err.contains("keeps --cluster web"), "{kept:?}");
    assert!(hand.pattern().await.contains("cluster/web"));
    assert_eq!(taskbell(&aws, "drift batch").await.code, 0);
    let dropped = succeeds(&aws, "setup --stack batch --cluster batch --yes").await;
    let told = "note: the stack no longer alerts for web\n  hint: to keep it, give --cluster web as well\n";
    assert!(dropped.err.contains(told), "{dropped:?}");
    assert!(!hand.pattern().await.contains("cluster/web"));
    succeeds(&aws, "setup --stack batch --yes").await;
    assert!(hand.pattern().await.contains("cluster/batch"));
    // A new cluster beside the one that names the stack does not say that the others shall go.
    succeeds(&aws, "setup batch web --yes").await;
    let other = taskbell(&aws, "setup batch prod --allow-missing-cluster --dry-run").await;
    assert!(other.code == 2 && other.err.contains(told), "{other:?}");
    let reset = taskbell(&aws, "setup batch prod --allow-missing-cluster --reset --dry-run").await;
    assert!(reset.code == 2 && !reset.err.contains("no longer alerts"), "{reset:?}");
}

#[tokio::test(start_paused = true)]
async fn record_that_cannot_be_read_is_an_error_with_a_way_out() {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    succeeds(&aws, "setup batch --yes --language ja").await;
    for spoilt in ["", "[1]", r#"{"language":"xx"}"#, r#"{"colour":"red"}"#, r#"{"clusters":["a b"]}"#] {
        record(&hand, Some(spoilt)).await;
        aws.forget_calls();
        for line in ["setup batch --yes", "drift batch"] {
            let refused = taskbell(&aws, line).await;
            assert!(![0, 2].contains(&refused.code), "{line} {spoilt}: {refused:?}");
        }
        assert_eq!(aws.writes(), [""; 0]);
    }
    record(&hand, Some("x")).await;
    let refused = taskbell(&aws, "setup batch --yes").await;
    assert!(
        refused.code == 1 && refused.err.contains("TASKBELL_SETTINGS") && refused.err.contains("--reset"),
        "{refused:?}"
    );
    let drift = taskbell(&aws, "drift batch --reset --language ja --output json").await;
    assert_eq!(drift.code, 2, "{drift:?}");
    assert_eq!(drift.json()["steps"][0]["changes"].as_array().unwrap().len(), 1, "{drift:?}");
    succeeds(&aws, "setup batch --yes --reset --language ja").await;
    assert_eq!(taskbell(&aws, "drift batch").await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn stack_without_a_record_has_the_settings_of_the_flags_and_the_defaults() {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    succeeds(&aws, "setup batch --yes --language ja").await;
    record(&hand, None).await;
    let drift = taskbell(&aws, "drift batch --language ja").await;
    assert!(drift.err.contains("has no record of its settings"), "{drift:?}");
    // Somebody removed the record, and an earlier version never wrote one: only the mark of the variables differs.
    assert!(
        drift.code == 2 && drift.out.starts_with("~ function/notifier  the record of the last applied state"),
        "{drift:?}"
    );
    assert!(drift.out.contains("1 differs"), "{drift:?}");
    let other = taskbell(&aws, "drift batch").await;
    assert!(other.code == 2 && other.out.contains("language"), "{other:?}");
    let setup = succeeds(&aws, "setup batch --yes").await;
    assert!(setup.err.contains("this run has to give all flags again"), "{setup:?}");
    assert_eq!(variable(&hand, "TASKBELL_LANGUAGE").await.as_deref(), Some("en"));
    assert_eq!(variable(&hand, RECORD).await.as_deref(), Some(r#"{"clusters":["batch"]}"#));
}

#[tokio::test(start_paused = true)]
async fn settings_that_are_too_long_to_be_kept_are_needed_again() {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    let many = (0..60).map(|n| format!("--ignore log_group/*/{}{n}", "x".repeat(80))).collect::<Vec<_>>().join(" ");
    let whole = format!("batch --language ja {many}");
    let first = succeeds(&aws, &format!("setup {whole} --yes")).await;
    assert!(first.err.contains("too long for the stack to keep"), "{first:?}");
    assert!(variable(&hand, RECORD).await.unwrap().starts_with("not kept "));
    // A repeated run, as in CI, needs no other flag.
    aws.forget_calls();
    succeeds(&aws, &format!("setup {whole} --yes")).await;
    succeeds(&aws, &format!("drift {whole}")).await;
    assert_eq!(aws.writes(), [""; 0]);
    let other = format!("drift {}", whole.replace("ja", "en"));
    for line in ["setup batch --yes", "drift batch", &other] {
        let refused = taskbell(&aws, line).await;
        assert!(
            refused.code == 1 && refused.err.contains("too long") && refused.err.contains("--reset"),
            "{refused:?}"
        );
    }
    aws.forget_calls();
    succeeds(&aws, &format!("setup batch --yes --reset --language ja {many}")).await;
    assert_eq!(aws.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn file_is_the_whole_truth() {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taskbell.toml");
    let with = |text: &str| std::fs::write(&path, format!("[[stack]]\nclusters = [\"batch\"]\n{text}")).unwrap();
    with("language = \"ja\"\n");
    succeeds(&aws, &format!("setup --yes --config {}", path.display())).await;
    // Without the file, the stack is as the file said.
    assert_eq!(taskbell(&aws, "drift batch").await.code, 0);
    with("log_lines = 3\n");
    let file = succeeds(&aws, &format!("setup --yes --config {}", path.display())).await;
    assert!(!file.err.contains("keeps"), "{file:?}");
    assert_eq!(variable(&hand, "TASKBELL_LANGUAGE").await.as_deref(), Some("en"));
}

#[tokio::test(start_paused = true)]
async fn record_that_could_not_be_read_from_aws_changes_nothing() {
    let aws = Aws::new().await;
    succeeds(&aws, "setup batch --yes --language ja").await;
    aws.forget_calls();
    for line in ["setup batch --yes", "setup --stack batch --yes", "drift batch", "drift --stack batch"] {
        aws.fail(Fault { failure: Failure::Denied, on: On::Action("lambda:GetFunction"), nth: 0, times: 9 });
        let unread = taskbell(&aws, line).await;
        assert_eq!(unread.code, 3, "{line}: {unread:?}");
        assert!(!unread.out.contains("repair: "), "{line}: {unread:?}");
        let is_told = unread.err.contains("the settings of the stack could not be read: ");
        assert_eq!(is_told, line.contains(" batch") && !line.contains("--stack"), "{line}: {unread:?}");
        aws.heal();
    }
    assert_eq!(aws.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn name_of_a_stack_does_not_depend_on_the_order_of_its_clusters() {
    let aws = Aws::new().await;
    succeeds(&aws, "setup web batch --yes").await;
    for line in ["drift batch web", "drift web batch", "drift --cluster web batch", "drift --stack batch"] {
        succeeds(&aws, line).await;
    }
    succeeds(&aws, "teardown web batch --yes").await;
    assert_eq!(taskbell(&aws, "status --stack batch").await.code, 1);
}

/// Checks what a user meets who names one of a stack's other clusters.
#[tokio::test(start_paused = true)]
async fn every_cluster_of_a_stack_leads_to_the_stack() {
    let aws = Aws::new().await;
    succeeds(&aws, "setup batch web --yes").await;
    for line in ["status web", "drill web"] {
        let elsewhere = taskbell(&aws, line).await;
        let way = "the stack batch covers the cluster web: give --stack batch";
        assert!(elsewhere.code == 1 && elsewhere.err.contains(way), "{line}: {elsewhere:?}");
    }
    let drill = taskbell(&aws, "drill batch web --timeout 1").await;
    assert!(drill.err.contains("the drill is about batch; the same rules watch the other clusters"), "{drill:?}");
    let asked = typing(&aws, "teardown batch", &["n"]).await;
    assert!(asked.code == 2 && asked.err.contains("(clusters batch, web)?"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn cluster_may_be_named_without_its_flag() {
    let aws = Aws::new().await;
    succeeds(&aws, "setup batch web --yes").await;
    for line in [
        "setup CLUSTERS --dry-run",
        "drift CLUSTERS",
        "status CLUSTERS",
        "jobs CLUSTERS",
        "graph CLUSTERS",
        "replay CLUSTERS --dry-run",
        "permissions CLUSTERS --for drift",
        "teardown CLUSTERS --dry-run",
    ] {
        let named = taskbell(&aws, &line.replace("CLUSTERS", "batch web")).await;
        let flagged = taskbell(&aws, &line.replace("CLUSTERS", "--cluster batch --cluster web")).await;
        assert_eq!((named.code, named.out, named.err), (flagged.code, flagged.out, flagged.err), "{line}");
        let nobody = taskbell(&aws, &line.replace("CLUSTERS", "b/c")).await;
        assert!(nobody.code == 64 && nobody.err.contains("\"b/c\""), "{line}: {nobody:?}");
    }
}

/// Checks stacks of earlier versions, which took the name of the first cluster.
#[tokio::test(start_paused = true)]
async fn stack_with_the_name_of_another_of_its_clusters_is_found() {
    let aws = Aws::new().await;
    succeeds(&aws, "setup --stack web --cluster web --cluster batch --yes").await;
    aws.forget_calls();
    succeeds(&aws, "setup batch web --yes").await;
    assert_eq!(aws.writes(), [""; 0]);
    succeeds(&aws, "drift web batch").await;
    // Now two stacks have names of the clusters. The one that was set up with exactly these clusters is meant.
    succeeds(&aws, "setup batch --yes").await;
    let status = succeeds(&aws, "status batch web --output json").await;
    assert_eq!(status.json()["stack"], "web", "{status:?}");
    succeeds(&aws, "setup --stack batch --cluster web --cluster batch --yes").await;
    let unclear = taskbell(&aws, "status batch web").await;
    assert!(unclear.code == 64 && unclear.err.contains("several stacks: batch, web"), "{unclear:?}");
}

#[tokio::test(start_paused = true)]
async fn setup_without_a_cluster_offers_those_that_exist() {
    let aws = Aws::new().await;
    let listed = taskbell(&aws, "setup --yes").await;
    assert!(listed.code == 64 && listed.err.contains("no stack was selected"), "{listed:?}");
    assert!(listed.err.contains("are batch, web") && listed.err.contains("`taskbell setup batch`"), "{listed:?}");
    assert_eq!(aws.writes(), [""; 0]);
    let denied = Aws::new().await;
    denied.fail(Fault { failure: Failure::Denied, on: On::Action("ecs:ListClusters"), nth: 0, times: 9 });
    let denied = taskbell(&denied, "setup --yes").await;
    assert!(denied.code == 64 && denied.err.contains("could not be listed"), "{denied:?}");
    let asked = typing(&aws, "setup", &["", "9", "2", "y", "n"]).await;
    assert_eq!(asked.code, 0, "{asked:?}");
    assert!(asked.err.contains("at least one cluster is needed"), "{asked:?}");
    succeeds(&aws, "drift web").await;
    let mistyped = typing(&aws, "setup", &["btach", "batch webb", "batch", "y", "n"]).await;
    assert_eq!(mistyped.code, 0, "{mistyped:?}");
    for told in ["no ECS cluster btach here\n  hint: did you mean batch?", "did you mean web?"] {
        assert!(mistyped.err.contains(told), "{told}: {mistyped:?}");
    }
    let missing = typing(&aws, "setup --allow-missing-cluster", &["later", "n"]).await;
    assert!(missing.code == 2 && missing.err.contains("Cancelled"), "{missing:?}");
}

#[tokio::test(start_paused = true)]
async fn setup_offers_the_only_cluster_with_a_yes() {
    let aws = Aws::new().await.in_region("eu-west-1");
    aws_sdk_ecs::Client::new(&aws.sdk()).create_cluster().cluster_name("batch").send().await.unwrap();
    aws.forget_calls();
    let listed = taskbell(&aws, "setup --yes").await;
    assert!(listed.code == 64 && listed.err.contains("the only cluster in eu-west-1 is batch"), "{listed:?}");
    let no = typing(&aws, "setup", &["what", "n"]).await;
    assert!(no.code == 2 && no.err.contains("unknown answer \"what\""), "{no:?}");
    assert!(no.out.is_empty() && no.err.ends_with("Cancelled. Nothing was changed.\n"), "{no:?}");
    for answer in ["", "y"] {
        let yes = typing(&aws, "setup", &[answer, "n"]).await;
        assert!(yes.code == 2 && yes.out.contains("taskbell-batch"), "{yes:?}");
        assert!(yes.err.starts_with("Set up alerts for the cluster batch in eu-west-1? [Y/n] "), "{yes:?}");
    }
    assert_eq!(aws.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn setup_that_cannot_ask_aws_says_so() {
    let aws = Aws::new().await;
    for (failure, told) in [
        (Failure::Expired, "log in again"),
        (Failure::ServerError, "ecs:ListClusters"),
        (Failure::NotSent, "no answer to ecs:ListClusters"),
    ] {
        aws.fail(Fault { failure, on: On::Every, nth: 0, times: 1000 });
        let failed = taskbell(&aws, "setup --yes").await;
        assert!(failed.code == 3 && failed.err.contains(told), "{failure:?}: {failed:?}");
        assert!(!failed.err.contains("no stack was selected"), "{failed:?}");
        aws.heal();
    }
    let sdk = aws.sdk().to_builder().region(None).build();
    let nowhere = run_with(sdk, "setup --yes", None, CancellationToken::new()).await;
    assert!(nowhere.err.starts_with("error: no AWS region is configured"), "{nowhere:?}");
}

#[tokio::test(start_paused = true)]
async fn command_without_a_stack_lists_those_that_exist() {
    let aws = Aws::new().await;
    let none = taskbell(&aws, "status").await;
    assert!(none.code == 64 && none.err.contains("there is none in us-east-1 yet"), "{none:?}");
    succeeds(&aws, "setup batch --yes").await;
    aws.forget_calls();
    for line in ["status", "drift", "jobs", "graph"] {
        let (only, named) = (taskbell(&aws, line).await, taskbell(&aws, &format!("{line} --stack batch")).await);
        assert_eq!((only.code, only.out), (named.code, named.out), "{line}");
        assert_eq!(only.err, format!("note: batch is the only stack in us-east-1\n{}", named.err), "{line}");
        let other = taskbell(&aws, &format!("{line} web")).await;
        assert_eq!(other.code, taskbell(&aws, &format!("{line} --cluster web")).await.code, "{line}: {other:?}");
    }
    assert_eq!(aws.writes().into_iter().filter(|action| action != "dynamodb:Scan").collect::<Vec<_>>(), [""; 0]);
    for line in ["teardown --yes", "replay --dry-run"] {
        let one = taskbell(&aws, line).await;
        assert!(one.code == 64 && one.err.contains("error: no stack was selected\n"), "{line}: {one:?}");
        let hint = "hint: give --cluster NAME or --stack NAME; the only stack in us-east-1 is batch\n";
        assert!(one.err.contains(hint), "{line}: {one:?}");
    }
    succeeds(&aws, "setup web --yes").await;
    let two = typing(&aws, "status", &[]).await;
    assert!(two.code == 64 && two.err.contains("the stacks in us-east-1 are batch, web"), "{two:?}");
    for failure in [Failure::Denied, Failure::Hangs] {
        aws.fail(Fault { failure, on: On::Action("events:ListRules"), nth: 0, times: 99 });
        let unknown = taskbell(&aws, "status").await;
        assert!(unknown.code == 64 && unknown.err.ends_with("give --cluster NAME or --stack NAME\n"), "{unknown:?}");
        aws.heal();
    }
}
