//! Runs every command of README and docs as it is written, page by page, on a local AWS.

use std::path::Path;
use std::process::{Command, Output};

use taskbell::notifier::archive::archive;
use tempfile::TempDir;

use crate::support::emulator::{Emulator, Slack};
use crate::support::script::executable;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The commands that need answers from a user: `tests/laws/fleet.rs` answers them.
const ASK: [&str; 1] = ["taskbell init"];

/// The placeholders in the docs for the reader's own names, each with a value.
const PLACEHOLDERS: [(&str, &str); 5] = [
    ("NAME", "batch"),
    ("FILE", "my-pattern.json"),
    ("SAMPLE", "oom"),
    ("COMMAND", "drift"),
    ("ARN", "arn:aws:ecs:us-east-1:123456789012:task/batch/0123456789abcdef0123456789abcdef"),
];

/// The exit codes that describe the state of the stack; other codes mean that the command was written wrongly.
const TOLD: [i32; 4] = [0, 1, 2, 3];

/// Returns the commands of a page: those in code blocks, with their continued lines, and those between backticks.
fn commands(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for (at, part) in page.split("\n```").enumerate() {
        let text = part.split_once('\n').map_or("", |(_, text)| text).replace("\\\n", " ");
        let typed: Vec<&str> = match at % 2 {
            0 => part.split('`').skip(1).step_by(2).collect(),
            _ => text.lines().map(|line| line.strip_prefix("$ ").unwrap_or(line)).collect(),
        };
        let typed = typed.into_iter().map(|line| line.trim().replace('\n', " "));
        let typed = typed.filter(|line| line.starts_with("taskbell "));
        // In a sentence, a bare name of a command is only its name.
        let is_name = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            at % 2 == 0 && (words.len() == 2 || (words.len() == 3 && ["pattern", "export"].contains(&words[1])))
        };
        commands.extend(typed.map(|line| if is_name(&line) { line + " --help" } else { line }));
    }
    commands
}

/// Replaces the placeholders in a command by the values of a user with a stack `batch`, an event and a pattern.
fn typed(command: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    PLACEHOLDERS.iter().fold(command.to_owned(), |command, (placeholder, value)| {
        let mut typed = String::new();
        let mut rest = command.as_str();
        while let Some(at) = rest.find(placeholder) {
            let (before, after) = (&rest[..at], &rest[at + placeholder.len()..]);
            let whole = !before.ends_with(is_word) && !after.starts_with(is_word);
            typed = typed + before + if whole { value } else { placeholder };
            rest = after;
        }
        typed + rest
    })
}

/// Returns a folder with the files that the commands read, and a `taskbell` that adds --yes, because nobody can answer questions.
fn folder(stacks: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let event = std::fs::read_to_string(format!("{ROOT}/patterns/events/02-oom.json")).unwrap();
    write("event.json", &event);
    write("stack-trace.txt", "ValueError: no such column\n");
    write("my-pattern.json", r#"{ "source": ["aws.ecs"], "detail": { "clusterArn": ["${cluster_arn}"] } }"#);
    // The substitute for Slack is on this machine.
    let stack = |name: &&str| format!("[[stack]]\nname = \"{name}\"\nclusters = [\"batch\"]\n");
    let stacks: String = stacks.iter().map(stack).collect();
    write("taskbell.toml", &format!("fleet = \"docs\"\n[defaults]\nallow_any_webhook_host = true\n{stacks}"));
    executable(&folder.path().join("nightly-import"), b"#!/bin/sh\nexit 0\n");
    std::fs::create_dir(folder.path().join("events")).unwrap();
    write("events/event.json", &event);
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    let binary = env!("CARGO_BIN_EXE_taskbell");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n*--help*) ;;\nsetup*|teardown*|import\\ ?*|*--purge*) set -- \"$@\" --yes ;;\nesac\nexec {binary} \"$@\"\n"
    );
    executable(&folder.path().join("bin/taskbell"), script.as_bytes());
    folder
}

/// Creates a cluster, and an alert made by hand.
async fn account(aws: &Emulator, slack: &Slack) {
    let sdk = aws.sdk().await;
    aws_sdk_ecs::Client::new(&sdk).create_cluster().cluster_name("batch").send().await.unwrap();
    let code = aws_sdk_lambda::types::FunctionCode::builder().zip_file(archive().unwrap().bytes.into()).build();
    let environment = aws_sdk_lambda::types::Environment::builder().variables("SLACK_WEBHOOK_URL", slack.webhook());
    let function = aws_sdk_lambda::Client::new(&sdk).create_function().function_name("ecs-to-slack").code(code);
    let function = function.runtime("nodejs22.x".into()).handler("index.handler").environment(environment.build());
    let made = function.role("arn:aws:iam::123456789012:role/by-hand").send().await.unwrap();
    let target = aws_sdk_eventbridge::types::Target::builder().id("1").arn(made.function_arn().unwrap()).build();
    let events = aws_sdk_eventbridge::Client::new(&sdk);
    let pattern = r#"{"source":["aws.ecs"],"detail-type":["ECS Task State Change"],"detail":{"lastStatus":["STOPPED"],
        "clusterArn":["arn:aws:ecs:us-east-1:123456789012:cluster/batch"],"containers":{"exitCode":[{"anything-but":0}]}}}"#;
    events.put_rule().name("ecs-task-failed").event_pattern(pattern).send().await.unwrap();
    events.put_targets().rule("ecs-task-failed").targets(target.unwrap()).send().await.unwrap();
}

fn run(command: &str, folder: &Path, aws: &Emulator, slack: &Slack) -> Output {
    let path = std::env::var("PATH").unwrap();
    Command::new("bash")
        .args(["-c", command])
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("PATH", format!("{}/bin:{path}", folder.display()))
        .env("AWS_ENDPOINT_URL", &aws.endpoint)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("TASKBELL_SLACK_WEBHOOK_URL", slack.webhook())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

async fn every_command_of(page: &str) -> usize {
    let text = std::fs::read_to_string(format!("{ROOT}/{page}")).unwrap();
    let commands: Vec<String> = commands(&text).into_iter().filter(|line| !ASK.contains(&line.as_str())).collect();
    if commands.is_empty() {
        return 0;
    }
    // With a single stack in the file, no flag has to select it.
    let stacks: &[&str] = if page == "docs/fleet.md" { &["batch", "reports"] } else { &["batch"] };
    let (aws, slack, folder) = (Emulator::start("ministack"), Slack::start(), folder(stacks));
    account(&aws, &slack).await;
    let set_up = run("taskbell setup --cluster batch", folder.path(), &aws, &slack);
    assert!(set_up.status.success(), "{page}: {set_up:?}");
    let mut wrong = Vec::new();
    for command in &commands {
        let output = run(&typed(command), folder.path(), &aws, &slack);
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.code().is_some_and(|code| TOLD.contains(&code)) || said.contains("panicked") {
            wrong.push(format!("{page}: {command}: {:?}\n{said}", output.status.code()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    commands.len()
}

#[tokio::test]
async fn every_command_of_the_readme_runs_as_written() {
    assert!(every_command_of("README.md").await >= 10);
}

#[tokio::test]
async fn every_command_of_the_docs_runs_as_written() {
    let mut seen = 0;
    let mut pages: Vec<String> = std::fs::read_dir(format!("{ROOT}/docs"))
        .unwrap()
        .map(|entry| format!("docs/{}", entry.unwrap().file_name().display()))
        .filter(|name| name.rsplit('.').next() == Some("md"))
        .collect();
    pages.sort();
    for page in pages {
        seen += every_command_of(&page).await;
    }
    assert!(seen >= 30, "{seen}");
}

#[test]
fn command_is_found_with_all_its_lines_and_filled_placeholders() {
    let page = "text\n```console\n$ taskbell setup --cluster NAME \\\n    --pattern FILE\n+ added\n```\n`taskbell status` and `drift`\n\
        ```\ntaskbell drift # NAMES\n```\n";
    let found = commands(page);
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(typed(&found[0]), "taskbell setup --cluster batch      --pattern my-pattern.json");
    assert_eq!(found[1], "taskbell status --help");
    assert_eq!(typed(&found[2]), "taskbell drift # NAMES");
}
