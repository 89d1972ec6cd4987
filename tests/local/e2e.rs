//! Checks the real binary end to end against a local AWS: on ministack from the event on the bus to the message received over HTTP,
//! with Node.js running the function; on moto as a second opinion on the control plane.

use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use aws_sdk_ecs::types::{ContainerDefinition, LogConfiguration, LogDriver};
use serde_json::{Value, json};

use crate::support;
use crate::support::emulator::{Emulator, Slack, pause, sample};

const SETUP: &str = "setup --cluster batch --yes --allow-any-webhook-host";

async fn with_cluster(name: &str) -> Emulator {
    let aws = Emulator::start(name);
    let ecs = aws_sdk_ecs::Client::new(&aws.sdk().await);
    ecs.create_cluster().cluster_name("batch").send().await.unwrap();
    aws
}

#[tokio::test]
async fn event_on_the_bus_becomes_a_message_in_slack() {
    let (aws, slack) = (with_cluster("ministack").await, Slack::start());
    let setup = aws.taskbell(SETUP, Some(&slack.webhook()));
    assert_eq!(setup.code, 0, "{setup:?}");
    assert_eq!(aws.taskbell("drift --cluster batch", None).code, 0);
    let drill = aws.taskbell("drill --timeout 900 --cluster batch", None);
    assert_eq!(drill.code, 0, "{drill:?}");
    let message = &slack.wait_for(1)[0];
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("batch") && text.contains("taskbell-drill"), "{message:#}");
    assert!(message.to_string().to_lowercase().contains("drill"), "{message:#}");
}

#[tokio::test]
async fn event_that_matches_two_rules_is_one_message() {
    let (aws, slack) = (with_cluster("ministack").await, Slack::start());
    let setup = aws.taskbell(&format!("{SETUP} --pattern task-failed --pattern nonzero-exit"), Some(&slack.webhook()));
    assert_eq!(setup.code, 0, "{setup:?}");
    // The drill may follow either invocation: this test checks only the result of both.
    aws.taskbell("drill --timeout 900 --cluster batch", None);
    slack.wait_for(1);
    // Both invocations are over once the table records the announcement, and the log has an outcome of each.
    let logs = aws_sdk_cloudwatchlogs::Client::new(&aws.sdk().await);
    let mut outcomes: Vec<String> = Vec::new();
    // Ends the test if an invocation logs nothing.
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(10);
    while std::time::Instant::now() < deadline {
        let call = logs.filter_log_events().log_group_name("/aws/lambda/taskbell-batch").send().await.unwrap();
        let lines = call.events().iter().filter_map(|event| event.message().map(str::to_owned));
        let entries = lines.filter_map(|line| serde_json::from_str::<Value>(&line[line.find('{')?..]).ok());
        outcomes = entries.filter_map(|entry| entry["outcome"].as_str().map(str::to_owned)).collect();
        if outcomes.len() >= 2 {
            break;
        }
        pause();
    }
    outcomes.sort();
    assert_eq!(outcomes, ["duplicate", "sent"]);
    assert_eq!(slack.wait_for(1).len(), 1);
}

#[tokio::test]
async fn deployed_function_alerts_in_the_configured_language() {
    let (aws, slack) = (with_cluster("ministack").await, Slack::start());
    let setup =
        aws.taskbell(&format!("{SETUP} --language ja --username bell --icon-emoji :bell:"), Some(&slack.webhook()));
    assert_eq!(setup.code, 0, "{setup:?}");
    let lambda = aws_sdk_lambda::Client::new(&aws.sdk().await);
    let event = sample("02-oom.json");
    let call = lambda.invoke().function_name("taskbell-batch");
    let answer = call.payload(aws_sdk_lambda::primitives::Blob::new(event.to_string())).send().await.unwrap();
    assert!(answer.function_error().is_none(), "{answer:?}");
    let message = &slack.wait_for(1)[0];
    assert!(message["text"].as_str().unwrap().contains("メモリ不足"), "{message:#}");
    assert_eq!((&message["username"], &message["icon_emoji"]), (&json!("bell"), &json!(":bell:")));
}

#[tokio::test]
async fn invocation_fails_unless_slack_answers_2xx() {
    let (aws, slack) = (with_cluster("ministack").await, Slack::start());
    assert_eq!(aws.taskbell(SETUP, Some(&slack.webhook())).code, 0);
    slack.answer_with(404, "no_service");
    let lambda = aws_sdk_lambda::Client::new(&aws.sdk().await);
    let call = lambda.invoke().function_name("taskbell-batch");
    let event = sample("01-exit-nonzero.json").to_string();
    let answer = call.payload(aws_sdk_lambda::primitives::Blob::new(event)).send().await.unwrap();
    assert!(answer.function_error().is_some(), "{answer:?}");
    let told = String::from_utf8(answer.payload().unwrap().as_ref().to_vec()).unwrap();
    assert!(told.contains("no_service") && !told.contains(support::SECRET), "{told}");
}

#[tokio::test]
async fn change_by_hand_is_shown_and_repaired_on_ministack() {
    let aws = with_cluster("ministack").await;
    changed_and_repaired(&aws, "", "").await;
}

#[tokio::test]
async fn change_of_an_alarm_is_shown_and_repaired_on_ministack() {
    let aws = with_cluster("ministack").await;
    let topic = "arn:aws:sns:us-east-1:000000000000:on-call";
    changed_and_repaired(&aws, &format!(" --alarm-topic {topic}"), "").await;
}

const TASK: &str = "02020202020202020202020202020202";

/// Registers the task definition `web`, which logs to the group, and returns its ARN.
async fn task_definition(aws: &Emulator, group: &str) -> String {
    let log = LogConfiguration::builder().log_driver(LogDriver::Awslogs).options("awslogs-group", group);
    let log = log.options("awslogs-region", "us-east-1").options("awslogs-stream-prefix", "ecs").build().unwrap();
    let container = ContainerDefinition::builder().name("web").image("x").memory(128).log_configuration(log).build();
    let ecs = aws_sdk_ecs::Client::new(&aws.sdk().await);
    let answer = ecs.register_task_definition().family("web").container_definitions(container).send().await.unwrap();
    answer.task_definition.unwrap().task_definition_arn.unwrap()
}

async fn write_log(aws: &Emulator, group: &str, lines: &[&str]) {
    let logs = aws_sdk_cloudwatchlogs::Client::new(&aws.sdk().await);
    let stream = format!("ecs/web/{TASK}");
    logs.create_log_group().log_group_name(group).send().await.unwrap();
    logs.create_log_stream().log_group_name(group).log_stream_name(&stream).send().await.unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let event = |(at, line): (usize, &&str)| {
        let time = i64::try_from(now).unwrap() + i64::try_from(at).unwrap();
        InputLogEvent::builder().timestamp(time).message(*line).build().unwrap()
    };
    let events = lines.iter().enumerate().map(event).collect();
    let call = logs.put_log_events().log_group_name(group).log_stream_name(&stream);
    call.set_log_events(Some(events)).send().await.unwrap();
}

/// Invokes the notifier with an event, and returns the outcome.
async fn invoke(aws: &Emulator, event: &Value) -> String {
    let lambda = aws_sdk_lambda::Client::new(&aws.sdk().await);
    let payload = aws_sdk_lambda::primitives::Blob::new(event.to_string());
    let answer = lambda.invoke().function_name("taskbell-batch").payload(payload).send().await.unwrap();
    assert!(answer.function_error().is_none(), "{answer:?}");
    let answer: Value = serde_json::from_slice(answer.payload().unwrap().as_ref()).unwrap();
    answer["outcome"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn alert_has_the_end_of_the_log_and_repetitions_are_counted() {
    let (aws, slack) = (with_cluster("ministack").await, Slack::start());
    let definition = task_definition(&aws, "/ecs/web").await;
    let lines: Vec<String> = (1..=30).map(|number| format!("line {number} <of> 30")).collect();
    write_log(&aws, "/ecs/web", &lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let setup = aws.taskbell(&format!("{SETUP} --log-lines 3"), Some(&slack.webhook()));
    assert_eq!(setup.code, 0, "{setup:?}");
    let mut event = sample("02-oom.json");
    event["detail"]["taskDefinitionArn"] = json!(definition);

    assert_eq!(invoke(&aws, &event).await, "sent");
    let message = slack.wait_for(1)[0].to_string();
    assert!(
        message.contains("```line 28 &lt;of&gt; 30\\nline 29 &lt;of&gt; 30\\nline 30 &lt;of&gt; 30```"),
        "{message}"
    );
    assert!(message.contains("Open the log of web") && message.contains("essential"), "{message}");
    event["id"] = json!("another delivery");
    assert_eq!(invoke(&aws, &event).await, "duplicate");

    let mut outcomes = Vec::new();
    for number in 2..=5 {
        let task = event["detail"]["taskArn"].as_str().unwrap().replace(TASK, &format!("{number:032}"));
        let mut other = event.clone();
        other["detail"]["taskArn"] = json!(task);
        outcomes.push(invoke(&aws, &other).await);
    }
    assert_eq!(outcomes, ["sent", "counted", "sent", "counted"]);
    let messages = slack.wait_for(3);
    assert!(messages[2]["text"].as_str().unwrap().ends_with("4 times"), "{messages:#?}");
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws.sdk().await);
    let items = dynamodb.scan().table_name("taskbell-batch-announcements").send().await.unwrap();
    assert_eq!(items.count(), 7, "five tasks, one window and one failure: {items:?}");
    let expiry = items.items()[0]["expiresAt"].as_n().unwrap().parse::<u64>().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((now + 14 * 86_400..now + 16 * 86_400).contains(&expiry), "{expiry} is not in fifteen days");
}

#[tokio::test]
async fn application_alert_arrives_with_its_detail_folded() {
    let (aws, slack) = (with_cluster("ministack").await, Slack::start());
    let setup = aws.taskbell(&format!("{SETUP} --pattern application-error"), Some(&slack.webhook()));
    assert_eq!(setup.code, 0, "{setup:?}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a.rb:1\nb.rb:2").unwrap();
    let line = format!("notify NoMethodError --source shop --detail-file {}", file.path().display());
    let notify = aws.taskbell(&line, None);
    assert_eq!(notify.code, 0, "{notify:?}");
    let message = &slack.wait_for(1)[0];
    assert_eq!(message["text"], "🔴 *shop*: NoMethodError");
    assert_eq!(message["attachments"][0]["text"], "```a.rb:1\nb.rb:2```");
}

#[tokio::test]
async fn unreadable_log_groups_are_listed_with_the_flags_that_allow_them() {
    let aws = with_cluster("ministack").await;
    let definition = task_definition(&aws, "/app/web").await;
    let ecs = aws_sdk_ecs::Client::new(&aws.sdk().await);
    ecs.create_service().cluster("batch").service_name("web").task_definition(&definition).send().await.unwrap();
    let setup = aws.taskbell(SETUP, Some(support::WEBHOOK));
    assert_eq!(setup.code, 0, "{setup:?}");
    assert!(setup.err.contains("may not read: /app/web\n"), "{setup:?}");
    assert!(setup.err.contains("hint: --log-group '/ecs/*' --log-group '/app/web'\n"), "{setup:?}");
    for covering in ["--log-group /ecs/* --log-group /app/web", "--log-group *", "--log-group none"] {
        let setup = aws.taskbell(&format!("{SETUP} {covering}"), None);
        assert!(setup.code == 0 && !setup.err.contains("may not read"), "{covering}: {setup:?}");
        assert_eq!(aws.taskbell(&format!("drift --cluster batch {covering}"), None).code, 0, "{covering}");
    }
}

/// Checks a change by hand on moto, which does not keep the log format and does not match patterns as AWS does.
#[tokio::test]
async fn change_by_hand_is_shown_and_repaired_on_moto() {
    let aws = with_cluster("moto").await;
    changed_and_repaired(&aws, " --ignore function/notifier/log_format", " --no-pattern-check").await;
}

async fn changed_and_repaired(aws: &Emulator, flags: &str, of_setup: &str) {
    let (setup, drift) = (format!("{SETUP}{flags}{of_setup}"), format!("drift --cluster batch{flags}"));
    let webhook = Some(support::WEBHOOK);
    let before = aws.listing().await;
    let first = aws.taskbell(&setup, webhook);
    assert_eq!(first.code, 0, "{first:?}");
    let again = aws.taskbell(&setup, webhook);
    assert!(again.code == 0 && again.out.starts_with("in sync"), "{again:?}");
    let events = aws_sdk_eventbridge::Client::new(&aws.sdk().await);
    events.disable_rule().name("taskbell-batch-task-failed").send().await.unwrap();
    let alarms = aws_sdk_cloudwatch::Client::new(&aws.sdk().await);
    let alarmed = flags.contains("--alarm-topic");
    if alarmed {
        alarms.delete_alarms().alarm_names("taskbell-batch-undelivered").send().await.unwrap();
    }
    let seen = aws.taskbell(&drift, webhook);
    assert!(
        seen.code == 2 && seen.out.contains("rule/task-failed") && seen.out.contains("is disabled, should"),
        "{seen:?}"
    );
    assert_eq!(seen.out.contains("+ alarm/undelivered"), alarmed, "{seen:?}");
    let repaired = aws.taskbell(&setup, webhook);
    assert_eq!(repaired.code, 0, "{repaired:?}");
    assert_eq!(aws.taskbell(&drift, webhook).code, 0);
    let teardown = aws.taskbell("teardown --cluster batch --yes", webhook);
    assert_eq!(teardown.code, 0, "{teardown:?}");
    aws.is_again(&before).await;
}

/// Checks the patterns with an independent rule engine, which differs from AWS's only in `exists: false` over several containers.
#[tokio::test]
async fn patterns_match_exactly_the_intended_samples() {
    let aws = Emulator::start("ministack");
    let events = aws_sdk_eventbridge::Client::new(&aws.sdk().await);
    // For each sample: whether task-failed matches it, and whether nonzero-exit does.
    for (name, failed, nonzero) in [
        ("01-exit-nonzero", true, true),
        ("02-oom", true, true),
        ("03-cannot-pull", true, false),
        ("04-resource-init", true, false),
        ("05-spot", true, true),
        ("05b-spot-warning-not-stopped", false, false),
        ("06-scale-in-143", false, true),
        ("06b-scale-in-137", false, true),
        ("06c-elb-unhealthy", true, true),
        ("07-user-stop", false, true),
        ("08-exit-0", true, false),
        ("09-sidecar-app-crash", true, true),
        ("09b-sidecar-clean-app-killed-sidecar", true, true),
        ("10-host-terminated", true, false),
        ("12-running", false, false),
        ("20-deployment-failed", false, false),
        ("21-placement-failure", false, false),
        ("22-start-impaired", false, false),
    ] {
        let event = sample(&format!("{name}.json"));
        let cluster =
            event["detail"]["clusterArn"].as_str().unwrap_or("arn:aws:ecs:us-east-1:123456789012:cluster/prod");
        for (pattern, expected) in [("task-failed", failed), ("nonzero-exit", nonzero)] {
            let bound = aws.taskbell(&format!("pattern show {pattern} --cluster {cluster}"), None).out;
            let call = events.test_event_pattern().event_pattern(bound).event(event.to_string());
            assert_eq!(call.send().await.unwrap().result(), expected, "{pattern} and {name}");
        }
    }
}

/// Compares taskbell's matcher with an independent rule engine: every pattern of the catalogue, plain and narrowed, on samples
/// changed at random. Skips `exists: false` on events of which some containers have the field and others do not: there the engine
/// is known to differ from AWS's.
#[tokio::test]
async fn matcher_agrees_with_an_independent_rule_engine() {
    let aws = Emulator::start("ministack");
    let bus = aws_sdk_eventbridge::Client::new(&aws.sdk().await);
    let prod = "arn:aws:ecs:us-east-1:123456789012:cluster/prod".to_owned();
    let samples = taskbell::pattern::samples::of_cluster(&prod).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let (mut asked, mut taken, mut narrowed, mut apart) = (0, 0, 0, 0);
    for entry in &taskbell::pattern::CATALOGUE {
        let plain = taskbell::pattern::Pattern::find(entry.name).unwrap();
        let mut patterns = vec![plain.clone()];
        patterns.extend(narrowings().iter().filter_map(|filters| plain.clone().narrowed(filters).ok()));
        narrowed += patterns.len() - 1;
        for pattern in patterns {
            let tree = pattern.bind(std::slice::from_ref(&prod), taskbell::pattern::Drill::Accepted).unwrap();
            let matcher = taskbell::pattern::matcher::Matcher::new(&(&tree).into()).unwrap();
            for _ in 0..40 {
                let event = changed(&samples[random.usize(..samples.len())], &mut random);
                if tree.to_string().contains(r#"{"exists":false}"#) && some_have_it(&event) {
                    apart += 1;
                    continue;
                }
                let call = bus.test_event_pattern().event_pattern(tree.to_string()).event(event.to_string());
                let theirs = call.send().await.unwrap().result();
                assert_eq!(matcher.matches(&event), theirs, "{tree} and {event:#}");
                asked += 1;
                taken += usize::from(theirs);
            }
        }
    }
    assert!(
        narrowed >= 15 && asked > 900 && taken > 60,
        "{taken} of {asked} matched, {narrowed} narrowed, {apart} apart"
    );
}

fn narrowings() -> [taskbell::pattern::filter::Filters; 4] {
    use taskbell::pattern::filter::Filters;
    let names = |name: &str| vec![name.to_owned()];
    [
        Filters { families: names("web"), ..Filters::default() },
        Filters { exclude_families: names("n*y"), services: names("we*"), ..Filters::default() },
        Filters { exclude_services: names("api"), container: Some("web".to_owned()), ..Filters::default() },
        Filters { services: names("web"), ..Filters::default() },
    ]
}

/// Checks whether some containers have an exit code, and others do not.
fn some_have_it(event: &Value) -> bool {
    let containers = event["detail"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let with = containers.iter().filter(|container| !container["exitCode"].is_null()).count();
    with > 0 && with < containers.len()
}

/// Returns the sample with some fields of its detail replaced by possible values, or removed.
fn changed(sample: &Value, random: &mut fastrand::Rng) -> Value {
    let mut event = sample.clone();
    let choices = [
        (
            "stopCode",
            json!(["TaskFailedToStart", "SpotInterruption", "UserInitiated", "ServiceSchedulerInitiated", "New"]),
        ),
        ("lastStatus", json!(["STOPPED", "RUNNING"])),
        ("group", json!(["service:web", "family:web"])),
        (
            "stoppedReason",
            json!(["Scaling activity initiated by (x)", "Task failed ELB health checks in (x)", "OutOfMemoryError: x"]),
        ),
        ("eventName", json!(["SERVICE_DEPLOYMENT_FAILED", "SERVICE_STEADY_STATE", "RunTask"])),
        ("clusterArn", json!(["arn:aws:ecs:us-east-1:123456789012:cluster/other"])),
    ];
    for (field, values) in choices {
        match random.u8(..6) {
            0 => event["detail"][field] = random.choice(values.as_array().unwrap()).unwrap().clone(),
            1 if field != "clusterArn" => drop(event["detail"].as_object_mut().unwrap().remove(field)),
            _ => {}
        }
    }
    if let Some(containers) = event["detail"]["containers"].as_array_mut() {
        if let Some(one) = containers.first().cloned().filter(|_| random.bool()) {
            containers.push(one);
        }
        for container in containers {
            change_container(container, random);
        }
    }
    event
}

fn change_container(container: &mut Value, random: &mut fastrand::Rng) {
    let reasons = ["OutOfMemoryError: x", "CannotPullContainerError: x", "outofmemory"];
    for (field, value) in [
        ("exitCode", json!(*random.choice(&[0, 1, 137, 143]).unwrap())),
        ("reason", json!(*random.choice(&reasons).unwrap())),
        ("name", json!(*random.choice(&["web", "app", "sidecar"]).unwrap())),
    ] {
        match random.u8(..6) {
            0 if field != "name" => drop(container.as_object_mut().unwrap().remove(field)),
            1..=3 if field != "reason" || random.bool() => container[field] = value,
            _ => {}
        }
    }
}

/// Checks `docs/what-alerts.md`, which has taskbell's decision on each recorded event and its reason, against an operator's
/// judgement in the README next to the events. After an intended change: `UPDATE_GOLDEN=1 cargo test --test local e2e::`.
#[tokio::test]
async fn every_recorded_event_alerts_or_is_silent_as_documented() {
    let aws = Emulator::start("ministack");
    let bus = aws_sdk_eventbridge::Client::new(&aws.sdk().await);
    let root = env!("CARGO_MANIFEST_DIR");
    let judgements = std::fs::read_to_string(format!("{root}/patterns/events/field/README.md")).unwrap();
    let engine = taskbell::notifier::embedded::Engine::new().unwrap();
    let mut rows = Vec::new();
    for row in judgements.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| file")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (name, judged) = (cells[1], cells[cells.len() - 3]);
        let event = sample(&format!("field/{name}.json"));
        let pattern = matching(&bus, &aws, event.clone()).await;
        let preview = engine.preview(&event, &looked_up(name), &json!({})).unwrap().incident;
        let verdict = match pattern {
            None => "silent: no default pattern matches".to_owned(),
            Some(_) if preview["rings"] == false => format!("silent: {}", preview["silentBecause"].as_str().unwrap()),
            Some(_) => format!("alert: {}", preview["cause"]["id"].as_str().unwrap()),
        };
        let alerts = verdict.starts_with("alert");
        assert!(judged == "depends" || alerts == (judged == "yes"), "{name} is judged {judged}: {verdict}");
        assert!(
            judged != "yes" || !verdict.ends_with("unknown") || name.contains("unknown-stopcode"),
            "{name}: {verdict}"
        );
        rows.push(format!("| {name} | {judged} | {verdict} |"));
    }
    assert!(rows.len() >= 66, "only {} events were judged", rows.len());
    let path = format!("{root}/docs/what-alerts.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, after) = page.split_once("<!-- events -->\n").unwrap();
    let (_, after) = after.split_once("<!-- end of events -->").unwrap();
    let table = format!("| event | operator | taskbell |\n|---|---|---|\n{}\n", rows.join("\n"));
    let told = format!("{before}<!-- events -->\n{table}<!-- end of events -->{after}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &told).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), told);
}

/// Returns the essential containers of a recorded event, if they decide the result.
fn looked_up(name: &str) -> Value {
    match name {
        "fargate-sidecars-143-job-exit0" => json!({ "taskDefinition": { "containers": [
            { "name": "forms-perf-test", "essential": true },
        ] } }),
        _ => Value::Null,
    }
}

/// Returns the first of the default patterns that matches, according to an independent rule engine.
async fn matching(bus: &aws_sdk_eventbridge::Client, aws: &Emulator, mut event: Value) -> Option<&'static str> {
    for (field, value) in [("time", "2026-11-20T10:00:00Z"), ("region", "us-east-1"), ("id", "x"), ("account", "1")] {
        if event[field].is_null() {
            event[field] = json!(value);
        }
    }
    if event["resources"].is_null() {
        event["resources"] = json!([]);
    }
    let service = event["resources"][0].as_str().and_then(|arn| arn.split_once(":service/"));
    let of_service = service.and_then(|(ecs, path)| Some(format!("{ecs}:cluster/{}", path.split_once('/')?.0)));
    let cluster = event["detail"]["clusterArn"].as_str().map(str::to_owned).or(of_service)?;
    // Bind to another cluster and replace its name: the authors of two events gave them ARNs that no cluster can have.
    let anywhere = "arn:aws:ecs:us-east-1:123456789012:cluster/anywhere";
    for pattern in taskbell::pattern::DEFAULT {
        let bound = aws.taskbell(&format!("pattern show {pattern} --cluster {anywhere}"), None).out;
        let services = |arn: &str| format!("{}/", arn.replacen(":cluster/", ":service/", 1));
        let bound = bound.replace(&services(anywhere), &services(&cluster)).replace(anywhere, &cluster);
        let call = bus.test_event_pattern().event_pattern(bound).event(event.to_string());
        if call.send().await.unwrap().result() {
            return Some(pattern);
        }
    }
    None
}
