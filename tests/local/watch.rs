//! Checks the schedules of a stack on ministack, whose Scheduler runs them: they exist after `setup`, `drift` sees changes by hand, and
//! `teardown` removes them.

use aws_sdk_scheduler::types::ScheduleState;
use serde_json::json;

use crate::support;
use crate::support::emulator::Emulator;

const FILE: &str = r#"
[[stack]]
name = "batch"
clusters = ["batch"]

[[stack.job]]
name = "nightly-report"
by = "cron(0 3 * * ? *)"
timezone = "Asia/Tokyo"
grace = "30m"

[[stack.job]]
name = "import"
every = "26h"
max_runtime = "2h"
"#;

#[tokio::test]
async fn schedules_come_with_setup_and_go_with_teardown_on_ministack() {
    let aws = Emulator::start("ministack");
    let sdk = aws.sdk().await;
    aws_sdk_ecs::Client::new(&sdk).create_cluster().cluster_name("batch").send().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taskbell.toml");
    std::fs::write(&file, FILE).unwrap();
    let of_file = |line: &str| aws.taskbell(&format!("{line} --config {}", file.display()), Some(support::WEBHOOK));
    let before = aws.listing().await;
    let setup = of_file("setup --yes");
    assert_eq!(setup.code, 0, "{setup:?}");
    assert_eq!(of_file("drift").code, 0);
    let listing = aws.listing().await;
    assert_eq!(listing["schedule_groups"], json!(["taskbell-batch"]));
    let schedules: Vec<&str> =
        listing["schedules"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let kinds: Vec<&str> = schedules.iter().map(|name| name.split('-').next().unwrap()).collect();
    assert_eq!(kinds.len(), 3, "{schedules:?}");
    assert!(["by", "every", "sweep"].iter().all(|kind| kinds.contains(kind)), "{schedules:?}");

    let calls = aws_sdk_scheduler::Client::new(&sdk);
    let by = schedules.iter().find(|name| name.starts_with("by-")).unwrap();
    let now = calls.get_schedule().group_name("taskbell-batch").name(*by).send().await.unwrap();
    let expected = (Some("cron(30 3 * * ? *)"), Some("Asia/Tokyo"));
    assert_eq!((now.schedule_expression(), now.schedule_expression_timezone()), expected);
    let call = calls.update_schedule().group_name("taskbell-batch").name(*by).state(ScheduleState::Disabled);
    let call = call.set_schedule_expression(now.schedule_expression).set_description(now.description);
    let call = call.set_schedule_expression_timezone(now.schedule_expression_timezone);
    call.set_flexible_time_window(now.flexible_time_window).set_target(now.target).send().await.unwrap();
    calls.delete_schedule().group_name("taskbell-batch").name("sweep").send().await.unwrap();
    let drift = of_file("drift --output json");
    let changes = drift.json()["steps"][0]["changes"].clone();
    let paths: Vec<&str> = changes.as_array().unwrap().iter().map(|change| change["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [format!("/schedules/{by}/state"), "/schedules/sweep".to_owned()], "{drift:?}");
    let repaired = of_file("setup --yes");
    assert_eq!(repaired.code, 0, "{repaired:?}");
    assert_eq!(of_file("drift").code, 0);
    let teardown = of_file("teardown --yes");
    assert_eq!(teardown.code, 0, "{teardown:?}");
    aws.is_again(&before).await;
}
