//! Checks how `pattern test` explains a `$or`: by the closest branch or, on a tie, by all of the closest branches.

use super::*;

use serde_json::json;

#[tokio::test(start_paused = true)]
async fn each_closest_branch_has_a_line() {
    let aws = Aws::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.json");
    let ask = async |pattern: &serde_json::Value, flags: &str| {
        std::fs::write(&path, pattern.to_string()).unwrap();
        taskbell(&aws, &format!("pattern test exit-nonzero --pattern {} {flags}", path.display())).await
    };
    // The second branch is closer: one of its two fields does not match, and neither field of the first branch matches.
    let closer = json!({ "source": ["aws.ecs"], "detail": { "$or": [
        { "lastStatus": ["RUNNING"], "stopCode": ["UserInitiated"] },
        { "lastStatus": ["STOPPED"], "stopCode": ["SpotInterruption"] },
    ] } });
    let told = ask(&closer, "").await;
    let line =
        "  ✗ mine  detail.stopCode: has \"EssentialContainerExited\", wants \"SpotInterruption\" (detail.$or[1])\n";
    assert!(told.code == 1 && told.out.contains(line), "{told:?}");
    assert!(!told.out.contains("$or[0]"), "{told:?}");

    let tie = json!({ "source": ["aws.ecs"], "detail": { "$or": [
        { "lastStatus": ["STOPPED"], "stopCode": ["SpotInterruption"] },
        { "lastStatus": ["STOPPED"], "$or": [{ "group": ["service:api"] }, { "stopCode": ["UserInitiated"] }] },
        { "lastStatus": ["RUNNING"], "group": ["x"] },
    ] } });
    let told = ask(&tie, "").await;
    let lines = [
        "  ✗ mine  detail.stopCode: has \"EssentialContainerExited\", wants \"SpotInterruption\" (detail.$or[0])\n",
        "\n          detail.group: has \"service:web\", wants \"service:api\" (detail.$or[1].$or[0])\n",
        "\n          detail.stopCode: has \"EssentialContainerExited\", wants \"UserInitiated\" (detail.$or[1].$or[1])\n",
    ];
    for line in lines {
        assert!(told.out.contains(line), "{line}: {told:?}");
    }
    assert!(!told.out.contains("$or[2]"), "{told:?}");
    let object = ask(&tie, "--output json").await.json();
    let mismatch = &object[0]["patterns"][0]["mismatch"];
    assert_eq!(mismatch["path"], "detail.stopCode");
    let branches = mismatch["branches"].as_array().unwrap();
    assert_eq!(branches.len(), 3, "{mismatch:#}");
    assert_eq!(
        branches[0],
        json!({ "branch": "detail.$or[0]", "against": [{
        "path": "detail.stopCode", "have": ["EssentialContainerExited"], "want": ["SpotInterruption"], "apart": false,
    }] })
    );

    // The output lists all fields of the closest branch that do not match, and no branch if a field outside `$or` decides.
    let both = json!({ "detail": { "$or": [{ "lastStatus": ["RUNNING"], "stopCode": ["x"] }, { "a": [1], "b": [1], "c": [1] }] } });
    let told = ask(&both, "").await;
    let line = "detail.lastStatus: has \"STOPPED\", wants \"RUNNING\"; and detail.stopCode: has \"EssentialContainerExited\", wants \"x\" (detail.$or[0])\n";
    assert!(told.out.contains(line), "{told:?}");
    let mut outside = closer.clone();
    outside["source"] = json!(["aws.ec2"]);
    let told = ask(&outside, "").await;
    assert!(
        told.out.contains("  ✗ mine  source: has \"aws.ecs\", wants \"aws.ec2\"\n") && !told.out.contains("$or"),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn three_of_many_closest_branches_have_a_line_and_json_has_all() {
    let aws = Aws::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.json");
    let branches = |field: &str| -> Vec<serde_json::Value> {
        (0..6).map(|number| json!({ field: [format!("{field}-{number}")] })).collect()
    };
    let pattern = json!({ "source": ["aws.ecs"], "detail": {
        "$or": branches("stopCode"), "a": { "$or": branches("b") }, "c": { "$or": branches("d") },
    } });
    std::fs::write(&path, pattern.to_string()).unwrap();
    let line = format!("pattern test exit-nonzero --pattern {}", path.display());
    let told = taskbell(&aws, &line).await;
    let lines: Vec<&str> = told.out.lines().filter(|line| line.contains("$or")).collect();
    assert!(told.code == 1 && lines.len() == 3, "{told:?}");
    assert!(told.out.contains(&format!("{}\n          … and 15 more\n", lines[2])), "{told:?}");
    let object = taskbell(&aws, &format!("{line} --output json")).await.json();
    let pattern = &object[0]["patterns"][0];
    assert_eq!(pattern["mismatch"]["branches"].as_array().unwrap().len(), 18, "{pattern:#}");
    assert_eq!(pattern["broken"].as_str().unwrap().matches("$or").count(), 18, "{pattern:#}");
}
