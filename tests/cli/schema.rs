//! Checks the output of every command with `--output json` against `schema/output.schema.json`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::aws::{Aws, Failure, Fault, On, Shape};
use crate::support::hand::Hand;
use crate::support::jobs::{NIGHTLY, end, expecting, record, untold};
use crate::support::schema::mistakes;
use crate::support::taskbell;

/// Printed objects, each with its definition in the schema.
#[derive(Default)]
struct Printed(Vec<(&'static str, Value)>);

impl Printed {
    async fn by(&mut self, definition: &'static str, aws: &Aws, line: &str, code: u8) -> Value {
        let outcome = taskbell(aws, &format!("{line} --output json")).await;
        assert_eq!(outcome.code, code, "{line}: {outcome:?}");
        let value = outcome.json();
        self.0.push((definition, value.clone()));
        value
    }
}

async fn of_the_stack(printed: &mut Printed) {
    let aws = Aws::new().await;
    printed.by("setup", &aws, "setup --cluster batch --dry-run", 2).await;
    let expected = "--expect 'a,by=cron(0 3 * * ? *),grace=5m' --expect b,every=1d --summary 'cron(0 9 ? * MON *)'";
    printed.by("setup", &aws, &format!("setup --cluster batch --dry-run {expected}"), 2).await;
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("lambda:CreateFunction"), nth: 0, times: 99 });
    printed.by("setup", &aws, "setup --cluster batch --yes", 1).await;
    aws.heal();
    aws.notifier_tells(Some(json!({ "outcome": "sent", "ms": { "post": 1 },
        "destinations": [{ "name": "webhook", "kind": "slack", "outcome": "sent", "status": 200, "ms": 1 }] })));
    printed.by("setup", &aws, "setup --cluster batch --yes --drill", 0).await;
    printed.by("drift", &aws, "drift --cluster batch", 0).await;
    printed.by("graph", &aws, "graph --cluster batch", 0).await;
    printed.by("drill", &aws, "drill --cluster batch", 0).await;
    printed.by("status", &aws, "status --cluster batch", 0).await;
    printed.by("jobs", &aws, "jobs --cluster batch", 0).await;
    printed.by("notify", &aws, "notify hello", 0).await;
    printed.by("notify", &aws, "notify --ok --job nightly", 0).await;

    let hand = Hand::of(&aws);
    hand.events.disable_rule().name("taskbell-batch-task-failed").send().await.unwrap();
    let group = "/aws/lambda/taskbell-batch";
    hand.logs.delete_log_group().log_group_name(group).send().await.unwrap();
    hand.logs.create_log_group().log_group_name(group).send().await.unwrap();
    for (action, definition, line) in [
        ("sqs:GetQueueUrl", "drift", "drift --cluster batch --tag a=b"),
        ("lambda:GetFunctionConfiguration", "status", "status --cluster batch"),
        ("logs:DescribeLogStreams", "status", "status --cluster batch"),
    ] {
        aws.fail(Fault { failure: Failure::Denied, on: On::Action(action), nth: 0, times: 99 });
        printed.by(definition, &aws, line, 3).await;
    }
    aws.heal();
    printed.by("drill", &aws, "drill --cluster batch", 1).await;
    printed.by("teardown", &aws, "teardown --cluster batch --dry-run", 2).await;
    printed.by("teardown", &aws, "teardown --cluster batch --yes", 0).await;
}

async fn of_the_queue(printed: &mut Printed) {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    aws.notifier_takes();
    let event = json!({ "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {} });
    for line in ["replay --cluster batch --dry-run", "replay --cluster batch"] {
        aws.empty_queue();
        aws.lay_into_queue(&event, Shape::Delivery);
        aws.lay_text_into_queue("no event");
        printed.by("replay", &aws, line, u8::from(!line.contains("dry"))).await;
    }
    printed.by("replay", &aws, "replay --cluster batch --purge --yes", 0).await;
}

async fn of_patterns_and_files(printed: &mut Printed, folder: &std::path::Path) {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    printed.by("pattern-list", &aws, "pattern list", 0).await;
    printed.by("pattern-show", &aws, "pattern show task-failed --cluster batch", 0).await;
    let event = concat!(env!("CARGO_MANIFEST_DIR"), "/patterns/events/02-oom.json");
    printed.by("pattern-test", &aws, &format!("pattern test {event}"), 0).await;
    printed.by("pattern-test", &aws, &format!("pattern test {event} --live --cluster batch"), 1).await;
    printed.by("preview", &aws, "preview", 0).await;
    for place in ["slack", "teams", "discord", "webhook", "sns"] {
        printed.by("preview", &aws, &format!("preview oom --for {place}"), 0).await;
    }
    printed.by("permissions", &aws, "permissions --cluster batch", 0).await;
    printed.by("import-list", &aws, "import", 0).await;
    let at = |name: &str| folder.join(name).display().to_string();
    printed.by("export-notifier", &aws, &format!("export notifier --to {}", at("notifier.zip")), 0).await;
    printed.by("init", &aws, &format!("init --cluster batch --config {}", at("taskbell.toml")), 0).await;
    let config = at("taskbell.toml");
    for line in ["drift", "status", "jobs", "setup --dry-run", "teardown --dry-run"] {
        // The file defines a fleet, which flags do not.
        let code = if ["status", "jobs"].contains(&line) { 0 } else { 2 };
        printed.by("fleet", &aws, &format!("{line} --all --config {config}"), code).await;
    }
}

async fn of_jobs(printed: &mut Printed, folder: &std::path::Path) {
    let aws = Aws::new().await;
    let hand = Hand::of(&aws);
    hand.starts("nightly", "cron(0 3 * * ? *)", "nightly-report").await;
    hand.starts("hourly", "rate(1 hour)", "import").await;
    hand.starts("once", "at(2026-12-01T03:00:00)", "once").await;
    printed.by("jobs", &aws, "jobs --cluster batch", 0).await;
    let limit = "[[stack.job]]\nname = \"nightly-report\"\nmax_runtime = \"auto\"\n";
    let path = expecting(folder, &format!("{NIGHTLY}{limit}"));
    let setup = taskbell(&aws, &format!("setup --config {} --yes", path.display())).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let ends = [end("23T18:05", Some("oom"), 9), end("22T18:05", None, 412)];
    hand.ledger("job batch|nightly-report", &record(&ends, &untold())).await;
    hand.ledger("job -|backup", &json!({ "version": 2 })).await;
    printed.by("jobs", &aws, "jobs --cluster batch", 3).await;
    printed.by("jobs", &aws, "jobs --cluster batch --suggest", 3).await;
    printed.by("status", &aws, "status --cluster batch", 2).await;
    printed.by("job-test", &aws, "pattern test --cluster batch --job nightly-report", 3).await;
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("scheduler:ListSchedules"), nth: 0, times: 99 });
    printed.by("jobs", &aws, "jobs --cluster batch --suggest", 3).await;
}

#[tokio::test(start_paused = true)]
async fn json_output_follows_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    let mut printed = Printed::default();
    of_jobs(&mut printed, tempfile::tempdir().unwrap().path()).await;
    of_the_stack(&mut printed).await;
    of_the_queue(&mut printed).await;
    of_patterns_and_files(&mut printed, folder.path()).await;
    let told = mistakes(&printed.0);
    assert!(told.is_empty(), "{told}");

    // Every definition is printed by a command: `import` of one rule is in tests/laws/import.rs, `doctor` in tests/laws/doctor.rs.
    let schema: Value = serde_json::from_str(include_str!("../../schema/output.schema.json")).unwrap();
    let parts = [
        "place",
        "change",
        "step",
        "plan",
        "hops",
        "unknown_fact",
        "alert",
        "old_rule",
        "taken",
        "import",
        "doctor",
        "open_failure",
        "expectation",
    ];
    let defined: BTreeSet<&str> = schema["definitions"].as_object().unwrap().keys().map(String::as_str).collect();
    let seen: BTreeSet<&str> = printed.0.iter().map(|(name, _)| *name).chain(parts).collect();
    assert_eq!(defined, seen);
}

/// Checks that the schema requires each field: a schema that accepts every object would prove nothing.
#[tokio::test(start_paused = true)]
async fn missing_fields_and_wrong_values_violate_the_schema() {
    let aws = Aws::new().await;
    let mut printed = Printed::default();
    let drift = printed.by("drift", &aws, "drift --cluster batch", 2).await;
    for field in drift.as_object().unwrap().keys() {
        let mut without = drift.clone();
        without.as_object_mut().unwrap().remove(field);
        assert!(mistakes(&[("drift", without)]).contains(field), "{field}");
    }
    let mut wrong = drift;
    wrong["steps"][0]["action"] = json!("explode");
    assert!(mistakes(&[("drift", wrong)]).contains("explode"));
}
