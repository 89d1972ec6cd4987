//! Checks `preview` and `pattern test` with tasks and task definitions as the AWS CLI prints them.

use serde_json::{Value, json};
use taskbell::pattern::samples::sample;
use tempfile::TempDir;

use super::*;

const ECS: &str = "arn:aws:ecs:us-east-1:123456789012";
const SECRET: &str = "correct-horse";

/// Returns a stopped task as `aws ecs describe-tasks` prints it, with secrets wherever a task may have some.
fn task(id: &str, containers: &Value) -> Value {
    json!({
        "taskArn": format!("{ECS}:task/prod/{id}"), "clusterArn": format!("{ECS}:cluster/prod"),
        "taskDefinitionArn": format!("{ECS}:task-definition/nightly:3"), "group": "family:nightly",
        "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited", "stoppedAt": "2026-11-20T19:32:11.177000+09:00", "version": 4,
        "overrides": { "containerOverrides": [{ "name": "app", "environment": [{ "name": "TOKEN", "value": SECRET }] }] },
        "attributes": [{ "name": "x", "value": SECRET }], "attachments": [{ "details": [{ "value": SECRET }] }],
        "containers": containers,
    })
}

fn failed(id: &str) -> Value {
    task(id, &json!([{ "name": "app", "lastStatus": "STOPPED", "exitCode": 3 }]))
}

/// Returns a job that succeeded, whose sidecar ECS then killed: silent if the task definition says so.
fn ended(id: &str) -> Value {
    task(id, &json!([{ "name": "app", "exitCode": 0 }, { "name": "side", "exitCode": 143 }]))
}

fn definition(containers: &[(&str, bool)]) -> Value {
    let log = json!({ "logDriver": "awslogs", "options": {
        "awslogs-group": "/ecs/nightly", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ecs",
    } });
    let container = |(name, essential): &(&str, bool)| {
        json!({
            "name": name, "essential": essential, "logConfiguration": log, "image": "app:1",
            "environment": [{ "name": "TOKEN", "value": SECRET }],
            "secrets": [{ "name": "KEY", "valueFrom": SECRET }],
        })
    };
    let containers: Vec<Value> = containers.iter().map(container).collect();
    json!({ "taskDefinition": { "family": "nightly", "revision": 3, "containerDefinitions": containers }, "tags": [] })
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &Value) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, content.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// Runs the command without AWS, and checks that the secret of tasks and definitions is not printed.
async fn asked(line: &str) -> Outcome {
    let aws = Aws::new().await;
    let outcome = taskbell(&aws, line).await;
    assert_eq!(aws.calls().len(), 0, "{line} asked AWS");
    assert!(!format!("{outcome:?}").contains(SECRET), "{line}: {outcome:?}");
    outcome
}

#[tokio::test(start_paused = true)]
async fn described_task_is_read_as_the_event_that_ecs_would_send() {
    let folder = Folder::new();
    let (body, _) = sample("01-exit-nonzero").unwrap();
    for (name, content) in [
        ("described.json", json!({ "tasks": [failed("0a")], "failures": [] })),
        ("query.json", json!([failed("0a")])),
        ("one.json", failed("0a")),
    ] {
        let file = folder.file(name, &content);
        let shown = asked(&format!("preview {file}")).await;
        assert!(
            shown.code == 0 && shown.out.contains("nightly failed in prod") && shown.err.is_empty(),
            "{name}: {shown:?}"
        );
        let told = asked(&format!("pattern test {file} --pattern task-failed")).await;
        assert!(told.code == 0 && told.out.starts_with(&format!("{file}\n  ✓ task-failed")), "{name}: {told:?}");
    }
    // The described task of a sample gives the sample's message.
    let mut described = body["detail"].clone();
    described["stoppedAt"] = json!("2026-11-20T10:32:11.177000+00:00");
    let mut event = body.clone();
    event["detail"]["stoppedAt"] = json!("2026-11-20T10:32:11.177Z");
    event["time"] = event["detail"]["stoppedAt"].clone();
    let of_event = asked(&format!("preview {}", folder.file("event.json", &event))).await;
    let of_task = asked(&format!("preview {}", folder.file("task.json", &described))).await;
    assert_eq!(of_task.out, of_event.out);
}

#[tokio::test(start_paused = true)]
async fn each_of_several_tasks_is_tested_and_failures_are_reported() {
    let folder = Folder::new();
    let failure = json!({ "arn": format!("{ECS}:task/prod/0c"), "reason": "MISSING", "detail": "gone" });
    let file = folder.file("tasks.json", &json!({ "tasks": [failed("0a"), ended("0b")], "failures": [failure] }));
    let warning = format!("warning: {file}: ECS reports MISSING for {ECS}:task/prod/0c (gone)\n");
    let told = asked(&format!("pattern test {file} --pattern task-failed --output json")).await;
    let events: Vec<Value> = told.json().as_array().unwrap().iter().map(|one| one["event"].clone()).collect();
    assert_eq!(events, [json!(format!("{file}, task 0a")), json!(format!("{file}, task 0b"))]);
    assert_eq!(told.err, warning);

    let shown = asked(&format!("preview {file}")).await;
    let at = |text: &str| shown.out.find(text).unwrap_or_else(|| panic!("{text}: {shown:?}"));
    assert!(
        at("tasks.json, task 0a\n") < at("nightly failed in prod")
            && at("nightly failed in prod") < at("tasks.json, task 0b\n")
    );
    assert_eq!(shown.err, warning);
    let payloads = asked(&format!("preview {file} --output json")).await.json();
    assert_eq!(payloads.as_array().unwrap().len(), 2);
    assert!(payloads[0]["text"].as_str().unwrap().contains("*nightly* failed in *prod*"), "{payloads:#}");
    let page = asked(&format!("preview {file} --html {}", folder.0.path().join("page.html").display())).await;
    assert!(page.code == 64 && page.err.contains("has 2 tasks\n  hint: keep one task in the file"), "{page:?}");

    // The hint for one reason is not printed for another.
    let throttled = json!({ "arn": format!("{ECS}:task/prod/0c"), "reason": "ACCESS_DENIED" });
    for (failures, has_hint) in [(json!([throttled]), false), (json!([throttled, failure]), true)] {
        let refused = asked(&format!("preview {}", folder.file("none.json", &json!({ "failures": failures })))).await;
        assert!(refused.code == 64 && refused.err.contains("ACCESS_DENIED"), "{refused:?}");
        assert_eq!(refused.err.contains("hint: MISSING"), has_hint, "{refused:?}");
    }
    for (content, said) in [
        (json!({ "tasks": [], "failures": [failure] }), "has no task: ECS reports MISSING for arn:aws:ecs"),
        (json!({ "tasks": [], "failures": [] }), "has no task\n  hint: ECS shows a stopped task for about an hour"),
        (
            json!({ "tasks": [failed("0a"), "x"] }),
            "tasks[1] has no taskArn\n  hint: `aws ecs list-tasks` prints only ARNs",
        ),
        (json!([1, failed("0a")]), "is not an event"),
        (json!([format!("{ECS}:task/prod/0a")]), "is not an event\n  hint: `aws ecs list-tasks` prints only ARNs"),
        (
            json!({ "taskArns": [format!("{ECS}:task/prod/0a")] }),
            "is not an event\n  hint: `aws ecs list-tasks` prints only ARNs",
        ),
        (json!({ "failures": [1] }), "is not an event\n  hint: an event is a JSON object"),
        (definition(&[("app", true)]), "is a task definition, and not an event"),
    ] {
        let file = folder.file("none.json", &content);
        for line in [format!("preview {file}"), format!("pattern test {file}")] {
            let refused = asked(&line).await;
            assert!(refused.code == 64 && refused.out.is_empty() && refused.err.contains(said), "{line}: {refused:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn task_definition_determines_the_essential_containers() {
    let folder = Folder::new();
    let tasks = folder.file("tasks.json", &json!({ "tasks": [ended("0b")], "failures": [] }));
    let unknown = asked(&format!("pattern test {tasks} --pattern task-failed")).await;
    assert!(unknown.out.contains("skips it if the task definition marks"), "{unknown:?}");
    let whole = definition(&[("app", true), ("side", false)]);
    for (name, content) in [("described.json", whole.clone()), ("bare.json", whole["taskDefinition"].clone())] {
        let file = folder.file(name, &content);
        let told = asked(&format!("pattern test {tasks} --pattern task-failed --task-definition {file}")).await;
        assert!(told.out.contains("but the notifier skips it: stand-alone task finished"), "{name}: {told:?}");
        let shown = asked(&format!("preview {tasks} --task-definition {file}")).await;
        assert!(shown.err.contains("not announced: stand-alone task finished"), "{name}: {shown:?}");
        assert!(!told.err.contains("warning") && !shown.err.contains("warning"), "{told:?} {shown:?}");
    }
    // The message links to the log of the failed container, whose location comes from the definition.
    let mut one = failed("0a");
    one["containers"][0]["runtimeId"] = json!("0a-1");
    let (one, file) = (folder.file("one.json", &one), folder.file("app.json", &definition(&[("app", true)])));
    let shown = asked(&format!("preview {one} --task-definition {file} --output json")).await;
    assert!(shown.out.contains("$252Fecs$252Fnightly"), "{shown:?}");
    // A sample keeps its log.
    let file = folder.file("web.json", &definition(&[("web", true)]));
    let shown = asked(&format!("preview oom --task-definition {file}")).await;
    assert!(shown.out.contains("heap 507 MiB") && shown.err.is_empty(), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn task_definition_with_other_containers_is_a_warning() {
    let folder = Folder::new();
    let injected = task(
        "0a",
        &json!([{ "name": "app", "exitCode": 3 }, { "name": "ecs-service-connect-Ab12C" }, { "name": "aws-guardduty-agent-x" }]),
    );
    let task = folder.file("task.json", &injected);
    for (containers, warning) in [
        (vec![("app", true)], None),
        (vec![("app", true), ("side", false)], None),
        (vec![("web", true)], Some("lacks containers of")),
    ] {
        let file = folder.file("definition.json", &definition(&containers));
        for line in ["preview", "pattern test"] {
            let told = asked(&format!("{line} {task} --task-definition {file}")).await;
            assert_eq!(told.code, 0, "{told:?}");
            assert_eq!(told.err.contains("warning: "), warning.is_some(), "{told:?}");
            assert!(told.err.contains(warning.unwrap_or_default()), "{told:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn task_definition_of_another_family_or_revision_is_a_warning() {
    let folder = Folder::new();
    let task = folder.file("task.json", &failed("0a"));
    for (family, revision, is_other) in [("nightly", 3, false), ("nightly", 4, true), ("weekly", 3, true)] {
        let mut definition = definition(&[("app", true)]);
        definition["taskDefinition"]["family"] = json!(family);
        definition["taskDefinition"]["revision"] = json!(revision);
        let file = folder.file("definition.json", &definition);
        for line in ["preview", "pattern test"] {
            let told = asked(&format!("{line} {task} --task-definition {file}")).await;
            assert_eq!(told.code, 0, "{told:?}");
            let warned = told.err.contains(&format!("is the task definition {family}:{revision}, but "))
                && told.err.contains("is a task of nightly:3");
            assert!(warned == is_other && told.err.contains("warning: ") == is_other, "{told:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn invalid_task_definition_file_names_its_content() {
    let folder = Folder::new();
    let event = sample("02-oom").unwrap().0;
    for (content, said) in [
        (event, "is an event, and not a task definition"),
        (json!({ "tasks": [failed("0a")], "failures": [] }), "is the output of `aws ecs describe-tasks`, and not"),
        (json!({ "taskDefinitionArns": [] }), "is the output of `aws ecs list-task-definitions`, and not"),
        (json!({ "ContainerDefinitions": [{ "Name": "app" }] }), "is a CloudFormation resource or template, and not"),
        (json!([{ "name": "app", "image": "app:1" }]), "is a list of containers, and not"),
        (json!({ "containerDefinitions": [] }), "is a definition without named containers, and not"),
        (json!({ "taskDefinition": { "containerDefinitions": [{ "image": "x" }] } }), "without named containers"),
        (json!({ "a": 1 }), "is a JSON object of another kind, and not"),
        (json!(1), "is a JSON value without fields, and not"),
    ] {
        let file = folder.file("definition.json", &content);
        for line in ["preview", "pattern test"] {
            let refused = asked(&format!("{line} oom --task-definition {file}")).await;
            assert!(refused.code == 64 && refused.out.is_empty(), "{refused:?}");
            assert!(refused.err.contains(said) && refused.err.contains("definition.json"), "{said}: {refused:?}");
            assert!(refused.err.contains("hint: --task-definition accepts the output of"), "{refused:?}");
        }
    }
    let path = folder.0.path().join("definition.yaml");
    for (text, said) in [("taskDefinition:\n  family: x\n", "is not JSON"), ("", "is empty")] {
        std::fs::write(&path, text).unwrap();
        let refused = asked(&format!("preview oom --task-definition {}", path.display())).await;
        assert!(
            refused.code == 64 && refused.err.contains(said) && refused.err.contains("--output json"),
            "{refused:?}"
        );
    }
    for line in ["preview oom", "pattern test oom", "preview -"] {
        let refused = asked(&format!("{line} --task-definition -")).await;
        let said = "--task-definition does not read standard input\n  hint: give the name of a file";
        assert!(refused.code == 64 && refused.err.contains(said), "{line}: {refused:?}");
    }
    let missing = asked("preview oom --task-definition nowhere.json").await;
    assert!(
        missing.code == 64 && missing.err.contains("could not read the task definition nowhere.json"),
        "{missing:?}"
    );
}
