//! Checks deadlines on a local AWS whose Scheduler really fires: silence after a success, one alert without one, the failure alone after a
//! failure, the recovery, the running task over its limit, and the drift of the schedules.

use std::time::{Duration, Instant, SystemTime};

use aws_sdk_ecs::types::ContainerDefinition;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_scheduler::types::ScheduleState;
use serde_json::{Value, json};

use crate::support::emulator::{Emulator, Slack, pause};

const STACK: &str = "taskbell-batch";
const LOG: &str = "/aws/lambda/taskbell-batch";

/// Returns the time as EventBridge writes it, in seconds after 1970.
fn written(seconds: u64) -> String {
    let time = taskbell::date::DateTime::from_secs(i64::try_from(seconds).unwrap());
    time.fmt(taskbell::date::Format::DateTime).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// A stack whose jobs are due within the next minutes.
struct Watched {
    aws: Emulator,
    slack: Slack,
    config: tempfile::TempDir,
}

impl Watched {
    /// Sets up a stack that expects these jobs.
    async fn start(jobs: &str) -> Self {
        let (aws, slack) = (Emulator::start("ministack"), Slack::start());
        let ecs = aws_sdk_ecs::Client::new(&aws.sdk().await);
        ecs.create_cluster().cluster_name("batch").send().await.unwrap();
        let config = tempfile::tempdir().unwrap();
        let watched = Self { aws, slack, config };
        watched.expect(jobs);
        let setup = watched.setup();
        assert_eq!(setup.code, 0, "{setup:?}");
        watched
    }

    fn expect(&self, jobs: &str) {
        let stack = "[[stack]]\nname = \"batch\"\nclusters = [\"batch\"]\nallow_any_webhook_host = true\n";
        std::fs::write(self.config.path().join("taskbell.toml"), format!("{stack}{jobs}")).unwrap();
    }

    fn taskbell(&self, line: &str) -> crate::support::Outcome {
        let path = self.config.path().join("taskbell.toml");
        self.aws.taskbell(&format!("{line} --config {}", path.display()), None)
    }

    fn setup(&self) -> crate::support::Outcome {
        let path = self.config.path().join("taskbell.toml");
        self.aws.taskbell(&format!("setup --yes --config {}", path.display()), Some(&self.slack.webhook()))
    }

    /// Puts the end of a job of another machine on the bus, as its scripts do, with the time of the end.
    async fn ends(&self, detail_type: &str, job: &str, at: u64) {
        let detail = json!({ "job": job, "at": written(at), "seconds": 5, "message": format!("{job} failed") });
        let entry = PutEventsRequestEntry::builder().source("taskbell.app").detail_type(detail_type);
        let entry = entry.detail(detail.to_string()).build();
        let events = aws_sdk_eventbridge::Client::new(&self.aws.sdk().await);
        events.put_events().entries(entry).send().await.unwrap();
    }

    /// Returns the log lines of the notifier about events of this detail-type, as soon as there are `count` of them.
    async fn lines(&self, detail_type: &str, count: usize) -> Vec<Value> {
        let logs = aws_sdk_cloudwatchlogs::Client::new(&self.aws.sdk().await);
        // Reached only by a test whose event never comes.
        let deadline = Instant::now() + Duration::from_mins(10);
        loop {
            let found = logs.filter_log_events().log_group_name(LOG).send().await;
            let events = found.map(|answer| answer.events.unwrap_or_default()).unwrap_or_default();
            let lines: Vec<Value> = events
                .iter()
                .filter_map(|event| event.message())
                .filter_map(|line| serde_json::from_str::<Value>(&line[line.find('{')?..]).ok())
                .filter(|line| line["detailType"] == detail_type && line["outcome"].is_string())
                .collect();
            if lines.len() >= count {
                return lines;
            }
            assert!(Instant::now() < deadline, "only {} of {count} events of {detail_type} came", lines.len());
            pause();
        }
    }

    fn texts(&self, count: usize) -> Vec<String> {
        self.slack.wait_for(count).iter().map(ToString::to_string).collect()
    }
}

/// Returns a daily deadline at this time, which is a full minute.
fn by(name: &str, at: u64) -> String {
    let (minute, hour) = (at / 60 % 60, at / 3600 % 24);
    format!("[[stack.job]]\nname = \"{name}\"\nby = \"cron({minute} {hour} * * ? *)\"\ngrace = \"0m\"\n")
}

#[tokio::test]
async fn deadline_is_silent_after_a_success_and_rings_once_without_one() {
    // The deadline is far enough away for the setup and the ends of the jobs.
    let due = (now() / 60 + 4) * 60;
    let jobs: String = ["good", "missing", "failing"].map(|name| by(name, due)).concat();
    let watched = Watched::start(&jobs).await;
    // Jobs without history would be pending until their first full window.
    for job in ["good", "missing", "failing"] {
        watched.ends("Job Succeeded", job, now() - 2 * 86_400).await;
    }
    watched.lines("Job Succeeded", 3).await;
    watched.ends("Application Error", "failing", now()).await;
    watched.ends("Job Succeeded", "good", now()).await;
    assert!(watched.texts(1)[0].contains("failing failed"));
    watched.lines("Job Succeeded", 4).await;
    assert!(now() < due, "the preparation took longer than the deadline allows");

    // Three checks come at the deadline: only the job that never ended is an alert.
    watched.lines("Deadline", 3).await;
    let texts = watched.texts(2);
    assert_eq!(texts.len(), 2, "{texts:#?}");
    assert!(texts[1].contains("missing"), "{texts:#?}");
    let listed = watched.taskbell("jobs");
    assert!(listed.code == 0 && listed.out.contains("✗ missing  overdue: no success by"), "{listed:?}");
    assert!(
        listed.out.contains("✗ failing  1 failure since") && listed.out.contains("✓ good  no problem"),
        "{listed:?}"
    );
    let why = watched.taskbell("pattern test --job missing");
    assert!(why.code == 0 && why.out.contains("✓ alert sent: no success by"), "{why:?}");

    // Each of the two jobs works again, once.
    for job in ["missing", "failing", "failing"] {
        watched.ends("Job Succeeded", job, now()).await;
    }
    watched.lines("Job Succeeded", 7).await;
    let texts = watched.texts(4);
    assert_eq!(texts.len(), 4, "{texts:#?}");
    let listed = watched.taskbell("jobs");
    assert!(listed.out.contains("✓ missing  no problem") && listed.out.contains("✓ failing  no problem"), "{listed:?}");
}

/// Checks the limit of running time. The local AWS shows the task as started three hours ago.
#[tokio::test]
async fn task_over_its_limit_rings_once() {
    let watched = Watched::start("[[stack.job]]\nname = \"import\"\nmax_runtime = \"2h\"\n").await;
    let sdk = watched.aws.sdk().await;
    let ecs = aws_sdk_ecs::Client::new(&sdk);
    let container = ContainerDefinition::builder().name("import").image("x").memory(128).build();
    ecs.register_task_definition().family("import").container_definitions(container).send().await.unwrap();
    for started_by in ["three-hours-ago", "somebody"] {
        let call = ecs.run_task().cluster("batch").task_definition("import").started_by(started_by);
        call.send().await.unwrap();
    }
    // Scheduler asks every five minutes: ask twice at once, with the input that Scheduler has.
    let scheduler = aws_sdk_scheduler::Client::new(&sdk);
    let sweep = scheduler.get_schedule().group_name(STACK).name("sweep").send().await.unwrap();
    let input = sweep.target().unwrap().input().unwrap().replace("<aws.scheduler.scheduled-time>", &written(now()));
    let lambda = aws_sdk_lambda::Client::new(&sdk);
    for nth in ["first", "second"] {
        let input = input.replace("<aws.scheduler.execution-id>", nth);
        let payload = aws_sdk_lambda::primitives::Blob::new(input);
        let answer = lambda.invoke().function_name(STACK).payload(payload).send().await.unwrap();
        assert!(answer.function_error().is_none(), "{answer:?}");
    }
    let texts = watched.texts(1);
    assert_eq!(texts.len(), 1, "{texts:#?}");
    assert!(texts[0].contains("import"), "{texts:#?}");
    let why = watched.taskbell("pattern test --job import");
    assert!(why.code == 0 && why.out.contains("✓ alert sent for 1 task"), "{why:?}");
}

#[tokio::test]
async fn changed_schedules_are_drift_and_teardown_leaves_none() {
    let aws = Emulator::start("ministack");
    let before = aws.listing().await;
    drop(aws);
    let jobs = format!("{}[[stack.job]]\nname = \"hourly\"\nevery = \"1h\"\n", by("nightly", 3 * 3600));
    let watched = Watched::start(&jobs).await;
    let in_sync = watched.taskbell("drift");
    assert_eq!(in_sync.code, 0, "{in_sync:?}");
    let scheduler = aws_sdk_scheduler::Client::new(&watched.aws.sdk().await);
    let listed = scheduler.list_schedules().group_name(STACK).send().await.unwrap();
    let name = listed.schedules().iter().filter_map(|schedule| schedule.name()).find(|name| name.starts_with("by-"));
    let name = name.unwrap().to_owned();
    for change in ["disabled", "removed", "added"] {
        let known = scheduler.get_schedule().group_name(STACK).name(&name).send().await.unwrap();
        let (window, target) = (known.flexible_time_window().cloned(), known.target().cloned());
        let expression = known.schedule_expression().unwrap();
        match change {
            "disabled" => {
                let call = scheduler.update_schedule().group_name(STACK).name(&name).state(ScheduleState::Disabled);
                let call = call.set_flexible_time_window(window).set_target(target);
                call.schedule_expression(expression).send().await.map(drop).unwrap();
            }
            "removed" => {
                scheduler.delete_schedule().group_name(STACK).name(&name).send().await.map(drop).unwrap();
            }
            _ => {
                let call = scheduler.create_schedule().group_name(STACK).name("by-somebody");
                let call = call.set_flexible_time_window(window).set_target(target);
                call.schedule_expression(expression).send().await.map(drop).unwrap();
            }
        }
        let drift = watched.taskbell("drift");
        assert!(drift.code == 2 && drift.out.contains("watch/schedules"), "{change}: {drift:?}");
        if change == "disabled" {
            let jobs = watched.taskbell("jobs");
            assert!(jobs.out.contains("NOT CHECKED: its schedule is disabled"), "{jobs:?}");
        }
        let repaired = watched.setup();
        assert_eq!(repaired.code, 0, "{change}: {repaired:?}");
        assert_eq!(watched.taskbell("drift").code, 0, "{change}");
    }
    let teardown = watched.taskbell("teardown --yes");
    assert_eq!(teardown.code, 0, "{teardown:?}");
    watched.aws.is_again(&before).await;
}
