//! Checks stacks for all clusters that a glob covers, stacks that alert for the same cluster, and filters that narrow only some of the
//! patterns.

use serde_json::{Value, json};

use crate::support::aws::Aws;
use crate::support::hand::Hand;
use crate::support::taskbell;

fn sent() -> Value {
    json!({ "outcome": "sent", "ms": { "secret": 3, "post": 41, "total": 50 }, "destinations": [
        { "name": "webhook", "kind": "slack", "outcome": "sent", "status": 200, "attempts": 1, "ms": 40 },
    ] })
}

/// Returns the patterns of all rules, as one text.
async fn patterns(aws: &Aws) -> String {
    let rules = Hand::of(aws).events.list_rules().send().await.unwrap();
    rules.rules().iter().filter_map(|rule| rule.event_pattern()).collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn stack_for_a_glob_is_as_configured_and_shows_its_clusters() {
    for (flags, stack, shown, has_wildcards) in [
        ("--cluster '*'", "all", "cluster     *\n", false),
        ("--cluster 'we*' --cluster batch", "batch", "cluster     batch, we*\n", false),
        ("--cluster '*eb'", "all-eb", "cluster     *eb\n", true),
        ("--cluster '*' --exclude-cluster 'dev-*'", "all", "cluster     * without dev-*\n", false),
        ("--exclude-cluster dev --exclude-cluster '*-dev'", "all", "cluster     * without *-dev, dev\n", true),
    ] {
        let aws = Aws::new().await;
        let setup = taskbell(&aws, &format!("setup {flags} --yes")).await;
        assert_eq!(setup.code, 0, "{flags}: {setup:?}");
        let drift = taskbell(&aws, &format!("drift {flags}")).await;
        assert_eq!(drift.code, 0, "{flags}: {drift:?}");
        let text = patterns(&aws).await;
        assert_eq!(text.contains("wildcard"), has_wildcards, "{flags}: {text}");
        let status = taskbell(&aws, &format!("status --stack {stack}")).await;
        assert!(status.code == 0 && status.out.contains(shown), "{flags}: {status:?}");
    }
    let aws = Aws::new().await;
    for flags in
        ["--cluster batch --exclude-cluster web", "--cluster 'we*' --exclude-cluster web", "--exclude-cluster '*'"]
    {
        let refused = taskbell(&aws, &format!("setup {flags} --yes")).await;
        assert_eq!((refused.code, aws.calls().len()), (64, 0), "{flags}: {refused:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn drill_of_a_glob_uses_a_cluster_that_exists() {
    for (flags, drill) in [
        ("--cluster '*'", "drill --cluster '*'"),
        ("--cluster 'w*b'", "drill --cluster 'w*b'"),
        // The first cluster by name is left out.
        ("--exclude-cluster batch", "drill --cluster '*'"),
    ] {
        let aws = Aws::new().await;
        aws.notifier_tells(Some(sent()));
        let setup = taskbell(&aws, &format!("setup {flags} --yes --drill")).await;
        assert!(setup.code == 0 && setup.out.contains("✓ Slack"), "{flags}: {setup:?}");
        let drill = taskbell(&aws, drill).await;
        assert_eq!(drill.code, 0, "{flags}: {drill:?}");
    }
    let aws = Aws::new().await;
    let setup = taskbell(&aws, "setup --cluster 'none-*' --yes").await;
    assert_eq!(setup.code, 0, "clusters do not have to exist: {setup:?}");
    assert!(setup.err.contains("no ECS cluster here has a name like none-* yet"), "{setup:?}");
    let drill = taskbell(&aws, "drill --cluster 'none-*'").await;
    assert_eq!(drill.code, 1, "{drill:?}");
    assert!(drill.err.contains("no ECS cluster here has a name like none-*"), "{drill:?}");
    assert!(drill.err.contains("a drill needs a cluster that exists"), "{drill:?}");
    let doctor = taskbell(&aws, "doctor --cluster 'none-*' --cluster '*'").await;
    assert!(doctor.out.contains("none-*, *: 2 clusters"), "{doctor:?}");
}

#[tokio::test(start_paused = true)]
async fn notifier_may_find_the_clusters_of_a_glob_for_its_jobs() {
    let aws = Aws::new().await;
    let flags = "--exclude-cluster dev --expect nightly,every=26h --expect nightly,max-runtime=2h";
    let setup = taskbell(&aws, &format!("setup {flags} --yes")).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    assert_eq!(taskbell(&aws, &format!("drift {flags}")).await.code, 0);
    let role = Hand::of(&aws).iam.get_role_policy().role_name("taskbell-all-us-east-1").policy_name("notifier");
    let document = role.send().await.unwrap().policy_document;
    let document = percent_encoding::percent_decode_str(&document).decode_utf8().unwrap().into_owned();
    let everything = aws.everything().await.to_string() + &document;
    for part in ["ecs:ListClusters", "cluster/*", "excludedClusters", "task/*/*"] {
        assert!(everything.contains(part), "{part}: {everything}");
    }
    let jobs = taskbell(&aws, "jobs --stack all").await;
    assert_eq!(jobs.code, 0, "{jobs:?}");
    for command in ["setup", "drill", "jobs"] {
        let of = |cluster: &str| format!("permissions --for {command} --cluster '{cluster}'");
        assert!(taskbell(&aws, &of("prod-*")).await.out.contains("ecs:ListClusters"), "{command}");
        assert!(!taskbell(&aws, &of("batch")).await.out.contains("ecs:ListClusters"), "{command}");
        let of_stack = format!("permissions --for {command} --stack x");
        assert!(taskbell(&aws, &of_stack).await.out.contains("ecs:ListClusters"), "{command}");
    }
}

#[tokio::test(start_paused = true)]
async fn stacks_that_alert_for_one_cluster_are_noticed() {
    let aws = Aws::new().await;
    let alone = taskbell(&aws, "setup --cluster batch --yes").await;
    assert!(alone.code == 0 && !alone.err.contains("also alerts"), "{alone:?}");
    let told = "the stack batch also alerts on deployment-failed, service-impaired, task-failed in batch";
    let all = taskbell(&aws, "setup --cluster '*' --yes").await;
    assert!(all.code == 0 && all.err.contains(told), "{all:?}");
    let status = taskbell(&aws, "status --stack all").await;
    assert!(status.code == 0 && status.out.contains(told), "{status:?}");
    let object = taskbell(&aws, "status --stack all --output json").await.json();
    assert_eq!(object["overlaps"][0]["stack"], "batch", "{object}");
    for line in ["doctor", "doctor --stack batch"] {
        let doctor = taskbell(&aws, line).await;
        assert!(doctor.out.contains("all: ") && doctor.out.contains("also alerts on"), "{line}: {doctor:?}");
    }
    // A disabled rule announces nothing.
    for pattern in ["deployment-failed", "service-impaired", "task-failed"] {
        let events = Hand::of(&aws).events;
        events.disable_rule().name(format!("taskbell-batch-{pattern}")).send().await.unwrap();
    }
    let off = taskbell(&aws, "status --stack all").await;
    assert!(off.code == 0 && !off.out.contains("also alerts"), "{off:?}");
    let without = taskbell(&aws, "setup --exclude-cluster batch --yes").await;
    assert!(without.code == 0 && !without.err.contains("also alerts"), "{without:?}");
    let status = taskbell(&aws, "status --stack all").await;
    assert!(!status.out.contains("also alerts"), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn filter_narrows_what_it_can_and_the_other_patterns_alert_as_before() {
    let services =
        "deployment-failed and service-impaired are about services and alert as before; --service narrows them";
    for (flags, told) in [
        ("--family 'job-*'", format!("--family narrows task-failed: {services}")),
        ("--exclude-family 'job-*'", format!("--exclude-family narrows task-failed: {services}")),
        ("--container app", format!("--container narrows task-failed: {services}")),
        (
            "--exclude-service web",
            "--exclude-service narrows task-failed and service-impaired: deployment-failed cannot be narrowed by it and alerts as before"
                .to_owned(),
        ),
    ] {
        let aws = Aws::new().await;
        let setup = taskbell(&aws, &format!("setup --cluster batch --yes {flags}")).await;
        assert!(setup.code == 0 && setup.err.contains(&told), "{flags}: {setup:?}");
        assert_eq!(taskbell(&aws, &format!("drift --cluster batch {flags}")).await.code, 0, "{flags}");
        let rules = Hand::of(&aws).events.list_rules().send().await.unwrap();
        assert_eq!(rules.rules().len(), 5, "{flags}: {rules:?}");
    }
    let aws = Aws::new().await;
    let both = taskbell(&aws, "setup --cluster batch --yes --family 'job-*' --service web").await;
    assert!(both.code == 0 && !both.err.contains("--service narrows task-failed"), "{both:?}");
    let text = patterns(&aws).await;
    assert!(text.contains("task-definition/job-") && text.contains("service/batch/web"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn plan_for_another_cluster_has_one_sentence_for_each_rule() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup batch --yes").await.code, 0);
    let plan = taskbell(&aws, "setup --stack batch --cluster batch --cluster web --dry-run").await;
    let told = |plan: &str, rule: &str| -> Vec<String> {
        let of_rule = plan.lines().filter(|line| line.contains(&format!("rule/{rule} ")));
        of_rule.map(|line| line.split_once("  ").unwrap().1.trim().to_owned()).collect()
    };
    for rule in ["deployment-failed", "service-impaired", "task-failed"] {
        let gains = "now also for cluster web (your configuration changed)";
        assert_eq!(told(&plan.out, rule), [gains], "{plan:?}");
    }
    let planned = taskbell(&aws, "setup --stack batch --cluster web --dry-run").await;
    for rule in ["deployment-failed", "service-impaired", "task-failed"] {
        let moves = "for cluster web, and no longer for batch (your configuration changed)";
        assert_eq!(told(&planned.out, rule), [moves], "{planned:?}");
    }
}
