//! Checks that `setup` shows the next deadlines of jobs before it makes anything.

use serde_json::json;

use crate::support::aws::Aws;
use crate::support::taskbell;

const EXPECTED: &str = "--expect 'nightly,by=cron(0 3 * * ? *),timezone=Asia/Tokyo,grace=30m' \
    --expect import,every=26h,started-by=nightly --expect nightly,max-runtime=auto --summary 'cron(0 9 ? * MON *)'";

#[tokio::test(start_paused = true)]
async fn dry_run_shows_the_next_three_deadlines_of_each_expectation() {
    let aws = Aws::new().await;
    let outcome = taskbell(&aws, &format!("setup --cluster batch --dry-run {EXPECTED}")).await;
    let lines = "\nNext deadlines:
  import (started by nightly): every=26h, checked 10m later
  nightly: by=cron(0 3 * * ? *), checked 30m later
    Wed 2026-11-25 03:00 +09:00 (Asia/Tokyo)
    Thu 2026-11-26 03:00 +09:00
    Fri 2026-11-27 03:00 +09:00
  nightly: max-runtime=auto
  summary: cron(0 9 ? * MON *)
    Mon 2026-11-30 09:00 +00:00 (UTC)
    Mon 2026-12-07 09:00 +00:00
    Mon 2026-12-14 09:00 +00:00\n";
    assert_eq!(outcome.code, 2, "{outcome:?}");
    assert!(outcome.out.ends_with(lines), "{}", outcome.out);
    assert_eq!(aws.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn json_has_the_deadlines_with_their_offset() {
    let aws = Aws::new().await;
    let outcome = taskbell(&aws, &format!("setup --cluster batch --dry-run --output json {EXPECTED}")).await;
    let deadlines = &outcome.json()["deadlines"];
    assert_eq!(
        deadlines[1],
        json!({
            "job": "nightly", "started_by": null, "expected": "by=cron(0 3 * * ? *)", "timezone": "Asia/Tokyo",
            "grace_seconds": 1800,
            "next": ["2026-11-25T03:00:00+09:00", "2026-11-26T03:00:00+09:00", "2026-11-27T03:00:00+09:00"],
        })
    );
    let names: Vec<_> = (0..4).map(|at| deadlines[at]["job"].as_str()).collect();
    assert_eq!(names, [Some("import"), Some("nightly"), Some("nightly"), None]);
}

#[tokio::test(start_paused = true)]
async fn stack_without_expectations_shows_no_deadlines() {
    let aws = Aws::new().await;
    let outcome = taskbell(&aws, "setup --cluster batch --dry-run --output json").await;
    assert_eq!(outcome.json().get("deadlines"), None);
    assert!(!taskbell(&aws, "setup --cluster batch --dry-run").await.out.contains("deadlines"));
}
