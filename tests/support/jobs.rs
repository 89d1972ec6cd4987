//! Provides jobs for tests: the schedules that start them, and their ledgers.

use std::path::PathBuf;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_eventbridge::types::{EcsParameters as RuleParameters, RuleState, Target as RuleTarget};
use aws_sdk_scheduler::types::{EcsParameters, FlexibleTimeWindow, FlexibleTimeWindowMode, ScheduleState, Target};
use serde_json::{Value, json};

use crate::support::hand::{Hand, TABLE};

const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/batch";
const ROLE: &str = "arn:aws:iam::123456789012:role/starts-tasks";

fn definition(family: &str) -> String {
    format!("arn:aws:ecs:us-east-1:123456789012:task-definition/{family}:18")
}

impl Hand {
    /// Creates a schedule of EventBridge Scheduler that starts a task of the family in the cluster `batch`, by the clock of Tokyo.
    pub async fn starts(&self, name: &str, expression: &str, family: &str) {
        self.starts_in_state(name, expression, family, ScheduleState::Enabled).await;
    }

    pub async fn starts_in_state(&self, name: &str, expression: &str, family: &str, state: ScheduleState) {
        let parameters = EcsParameters::builder().task_definition_arn(definition(family)).build().unwrap();
        let target = Target::builder().arn(CLUSTER).role_arn(ROLE).ecs_parameters(parameters).build().unwrap();
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().unwrap();
        let call = self.scheduler.create_schedule().name(name).schedule_expression(expression).state(state);
        let call = call.schedule_expression_timezone("Asia/Tokyo").flexible_time_window(window).target(target);
        call.send().await.unwrap();
    }

    /// Creates a rule with a schedule that starts a task of the family in the cluster `batch`.
    pub async fn starts_by_rule(&self, name: &str, expression: &str, family: &str, state: RuleState) {
        let call = self.events.put_rule().name(name).schedule_expression(expression).state(state);
        call.send().await.unwrap();
        let parameters = RuleParameters::builder().task_definition_arn(definition(family)).build().unwrap();
        let target = RuleTarget::builder().id("task").arn(CLUSTER).role_arn(ROLE).ecs_parameters(parameters);
        self.events.put_targets().rule(name).targets(target.build().unwrap()).send().await.unwrap();
    }

    /// Writes the ledger of a job, as the notifier does.
    pub async fn ledger(&self, id: &str, ledger: &Value) {
        let call = self.dynamodb.put_item().table_name(TABLE).item("id", AttributeValue::S(id.to_owned()));
        let call = call.item("ledger", AttributeValue::S(ledger.to_string()));
        call.item("writes", AttributeValue::N("1".to_owned())).send().await.unwrap();
    }
}

/// Returns the end of a run in November 2026, as in `23T18:05`.
pub fn end(at: &str, cause: Option<&str>, seconds: u64) -> Value {
    json!({ "at": format!("2026-11-{at}:00.000Z"), "task": format!("task-{at}"), "ok": cause.is_none(), "seconds": seconds,
        "revision": 18, "cause": cause })
}

/// Returns a record with these ends, newest first.
pub fn record(ends: &[Value], told: &Value) -> Value {
    let good = ends.iter().find(|end| end["ok"] == true);
    json!({ "version": 1, "parts": {}, "all": { "lastSuccess": good, "lastStart": null, "ends": ends, "told": told } })
}

/// Returns what the notifier keeps about announcements if it has announced nothing.
pub fn untold() -> Value {
    json!({ "failure": null, "overdue": null, "recovered": null, "running": [], "checked": {} })
}

/// Writes a taskbell.toml with one stack, named after its cluster `batch`, that expects these jobs.
pub fn expecting(folder: &std::path::Path, jobs: &str) -> PathBuf {
    let path = folder.join("taskbell.toml");
    std::fs::write(&path, format!("[[stack]]\nname = \"batch\"\nclusters = [\"batch\"]\n{jobs}")).unwrap();
    path
}

/// The expectation of the job `nightly-report`.
pub const NIGHTLY: &str = r#"
[[stack.job]]
name = "nightly-report"
by = "cron(30 3 * * ? *)"
timezone = "Asia/Tokyo"
grace = "10m"
"#;
