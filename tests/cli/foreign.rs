//! Checks that no foreign text controls the terminal or a log viewer: every command, in every format, against an AWS that puts
//! hostile texts into its answers.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use taskbell::input::is_hidden;

use crate::support::aws::{Aws, Shape};
use crate::support::by_hand::{self, make_function_of, make_rule};
use crate::support::hand::{GROUP, Hand};
use crate::support::hostile::{Hostility, TEXT, TOKEN};
use crate::support::{Outcome, WEBHOOK, taskbell, typing};

const SETUP: &str =
    "setup --cluster batch --yes --no-pattern-check --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call";
const TASK: &str = "arn:aws:ecs:us-east-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";

/// Returns an ECS event with hostile texts in every field that ECS fills with free text.
fn event() -> Value {
    json!({
        "version": "0", "id": "0b5b1fbd-0000-4000-8000-000000000000", "source": "aws.ecs", "account": "123456789012",
        "time": "2026-11-24T00:00:00Z", "region": "us-east-1", "detail-type": "ECS Task State Change",
        "resources": [format!("{TASK}{TEXT}")],
        "detail": {
            "taskArn": TASK, "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/batch", "lastStatus": "STOPPED",
            "group": format!("service:{TEXT}"), "stopCode": "EssentialContainerExited", "stoppedReason": TEXT,
            "containers": [{ "name": TEXT, "exitCode": 1, "reason": TEXT, "lastStatus": "STOPPED", "image": TEXT }],
            "taskDefinitionArn": format!("arn:aws:ecs:us-east-1:123456789012:task-definition/{TEXT}:1"),
        },
    })
}

/// Returns a stack that differs from its configuration, an alert made by hand, a queue with alerts, and a log with lines: each with
/// hostile texts wherever the services accept any text.
async fn hostile_aws() -> Aws {
    let aws = Aws::lax().await;
    let setup = taskbell(&aws, &format!("{SETUP} --tag team=data")).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let hand = Hand::of(&aws);
    let kept = |field: &str| json!({ "source": ["aws.ecs"], "detail": { field: [TEXT] } }).to_string();
    hand.put_rule(&kept("group")).send().await.unwrap();
    let mut target = hand.target().await;
    target.input = Some(json!(TEXT).to_string());
    hand.put_target(target).await;
    make_function_of(&hand, &[("SLACK_WEBHOOK_URL", WEBHOOK)], b"PK".to_vec()).await;
    make_rule(&hand, by_hand::OLD, &by_hand::pattern(), &[by_hand::function()]).await;
    let call = hand.logs.create_log_stream().log_group_name(GROUP).log_stream_name("2026/11/24/[$LATEST]x");
    call.send().await.unwrap();
    aws.notifier_tells(Some(json!({ "outcome": "failed", "error": TEXT, "cause": TEXT, "service": TEXT, "family": TEXT,
        "cluster": TEXT, "ms": { "post": 1 }, "destinations": [
            { "name": TEXT, "kind": "slack", "outcome": "failed", "status": 404, "attempts": 1, "ms": 1, "error": TEXT },
        ] })));
    let line = json!({ "outcome": "failed", "error": TEXT, "drill": true, "eventId": "x", "ms": {} }).to_string();
    aws.log_says(&[TEXT, &line, &format!("2026-11-24T00:00:00Z\tr\tERROR\t{TEXT}")]);
    aws.describe_task(Some(json!({ "taskArn": TASK, "lastStatus": "STOPPED", "stopCode": "TaskFailedToStart",
        "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/batch", "group": TEXT, "stoppedReason": TEXT,
        "containers": [{ "name": TEXT, "reason": TEXT }] })));
    aws.lay_into_queue(&event(), Shape::Delivery);
    aws.lay_into_queue(&event(), Shape::Invocation);
    aws.lay_text_into_queue(TEXT);
    aws
}

/// Checks both outputs of a command.
fn assert_harmless(line: &str, outcome: &Outcome) {
    let harm = harm(line, outcome);
    assert!(harm.is_empty(), "{harm:#?}");
}

/// Returns the harm that both outputs of a command do. `##[` and a `::` at the beginning of a line are commands of GitHub's runner.
fn harm(line: &str, outcome: &Outcome) -> Vec<String> {
    let mut harm = Vec::new();
    // `preview` breaks the lines of a message itself, between the words of a foreign text, too.
    let is_drawn = line.starts_with("preview") && !line.ends_with("--output json");
    let own = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    for text in &outcome.raw {
        let bad = format!("{line} ended with {}: {text:?}", outcome.code);
        let mut note = |what: &str| harm.push(format!("{what}: {bad}"));
        if text.contains("\u{1b}[35") {
            note("a foreign style");
        }
        let text = own.replace_all(text, "");
        let hidden: BTreeSet<char> = text.chars().filter(|char| is_hidden(*char) && !"\n\t".contains(*char)).collect();
        if hidden.iter().any(|char| *char != '\u{fe0f}') {
            note(&format!("{hidden:?}"));
        }
        if text.contains("##[") || text.contains("##vso[") {
            note("a command");
        }
        for line in text.lines() {
            let begun = line.trim_start();
            let is_own =
                ["::error title=taskbell ", "::warning title=taskbell "].iter().any(|own| line.starts_with(own));
            if !is_own && begun.starts_with("::") {
                note(&format!("the command {line:?}"));
            }
            if begun.starts_with(TOKEN) && !is_drawn {
                note(&format!("a foreign text begins the line {line:?}"));
            }
        }
    }
    harm
}

/// A command line, without its format, and whether hostile texts are expected in its output.
type Line = (String, Shows);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Foreign,
    /// AWS's own rules exclude free texts from everything that the command shows.
    Nothing,
}

fn lines(file: &Path, event: &Path) -> Vec<Line> {
    use Shows::{Foreign, Nothing};
    let (file, event) = (file.display(), event.display());
    let of_file = |line: &str| format!("{line} --config {file}");
    vec![
        ("drift --cluster batch --tag team=web --verbose".to_owned(), Foreign),
        ("drift --cluster batch --tag team=web --output github".to_owned(), Foreign),
        ("drift --cluster batch --tag team=web --output markdown".to_owned(), Foreign),
        (of_file("drift --all --verbose"), Foreign),
        (of_file("drift --all --output github"), Foreign),
        (of_file("drift --all --output markdown"), Foreign),
        ("setup --cluster batch --dry-run --no-pattern-check".to_owned(), Foreign),
        (of_file("setup --all --dry-run --no-pattern-check"), Foreign),
        ("graph --cluster batch --format svg".to_owned(), Nothing),
        ("graph --cluster batch --format mermaid".to_owned(), Nothing),
        ("drill --cluster batch".to_owned(), Nothing),
        (of_file("drill --all"), Nothing),
        ("replay --cluster batch --dry-run".to_owned(), Foreign),
        ("replay --cluster batch --yes".to_owned(), Foreign),
        ("status --cluster batch".to_owned(), Foreign),
        (of_file("status --all"), Foreign),
        ("jobs --cluster batch".to_owned(), Nothing),
        ("jobs --cluster batch --suggest".to_owned(), Nothing),
        (of_file("jobs --all"), Nothing),
        ("pattern test --cluster batch --job nightly".to_owned(), Nothing),
        ("doctor --cluster batch".to_owned(), Nothing),
        ("notify hello".to_owned(), Nothing),
        ("import".to_owned(), Nothing),
        (format!("import {} --dry-run --verbose", by_hand::OLD), Foreign),
        (format!("pattern test {event}"), Foreign),
        (format!("pattern test {event} --live --cluster batch"), Foreign),
        (format!("pattern test --task {TASK}"), Foreign),
        (format!("pattern test {event} --live --stack batch"), Foreign),
        (format!("preview {event}"), Foreign),
        (format!("preview {event} --for teams"), Foreign),
        (format!("preview {event} --for discord"), Foreign),
        (format!("preview {event} --for webhook"), Foreign),
        (format!("preview {event} --for sns"), Foreign),
        ("teardown --cluster batch --dry-run".to_owned(), Nothing),
        ("setup --cluster batch --yes --no-pattern-check".to_owned(), Foreign),
        (of_file("teardown --orphans --dry-run"), Nothing),
        ("teardown --cluster batch --yes".to_owned(), Nothing),
    ]
}

/// Runs every command against one AWS.
async fn every_command(hostility: Hostility) {
    let folder = tempfile::tempdir().unwrap();
    let (file, event_file) = (folder.path().join("taskbell.toml"), folder.path().join("event.json"));
    std::fs::write(&file, "[[stack]]\nclusters = [\"batch\"]\ntags = { team = \"web\" }\n").unwrap();
    std::fs::write(&event_file, event().to_string()).unwrap();
    let prepared = hostile_aws().await;
    let mut harms = Vec::new();
    for (line, shows) in lines(&file, &event_file) {
        let formats: &[&str] = if line.contains("--output") { &[""] } else { &["", " --output json"] };
        for format in formats {
            let aws = Aws::lax().await;
            aws.become_like(&prepared).await;
            aws.log_says(&[TEXT, &format!("2026-11-24T00:00:00Z\tr\tERROR\t{TEXT}")]);
            aws.lay_into_queue(&event(), Shape::Invocation);
            aws.lay_text_into_queue(TEXT);
            aws.turn_hostile(Some(hostility));
            let line = format!("{line}{format}");
            let outcome = taskbell(&aws, &line).await;
            harms.extend(harm(&line, &outcome));
            let told = outcome.raw.concat();
            if hostility == Hostility::Texts && shows == Shows::Foreign && !told.contains(TOKEN) {
                harms.push(format!("no hostile text is shown by `{line}`: {told}"));
            }
            if format.ends_with("json") && !outcome.out.is_empty() {
                let object = outcome.json();
                if outcome.out.contains(TOKEN) && !has(&object, "##[error]HOSTILE") {
                    harms.push(format!("not the same text: {line}: {object}"));
                }
            }
        }
    }
    assert!(harms.is_empty(), "{harms:#?}");
}

/// Checks whether a text of the document contains the part.
fn has(value: &Value, part: &str) -> bool {
    match value {
        Value::String(text) => text.contains(part),
        Value::Array(items) => items.iter().any(|item| has(item, part)),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains(part) || has(value, part)),
        _ => false,
    }
}

#[tokio::test(start_paused = true)]
async fn free_texts_of_aws_control_nothing() {
    every_command(Hostility::Texts).await;
}

#[tokio::test(start_paused = true)]
async fn impossible_texts_of_aws_control_nothing() {
    every_command(Hostility::Everything).await;
}

#[tokio::test(start_paused = true)]
async fn codes_and_messages_of_failed_calls_control_nothing() {
    every_command(Hostility::Faults).await;
}

/// Checks the answer about the caller, from which the account and the partition come.
#[tokio::test(start_paused = true)]
async fn hostile_answer_about_the_caller_is_refused() {
    let aws = Aws::lax().await;
    for (account, arn) in [(TEXT, "arn:aws:iam::1:x"), ("12345678901x", "arn:aws:iam::1:x"), ("123456789012", TEXT)] {
        let escaped = |text: &str| text.chars().map(|c| format!("&#{};", u32::from(c))).collect::<Vec<_>>().concat();
        let body = format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>{}</Arn><UserId>u</UserId><Account>{}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
            escaped(arn),
            escaped(account)
        );
        for line in ["drift --cluster batch", "setup --cluster batch --yes", "status --cluster batch", "import"] {
            aws.answer_next_in_words("sts:GetCallerIdentity", &body);
            let outcome = taskbell(&aws, line).await;
            assert_harmless(line, &outcome);
            assert!(outcome.code == 3 || outcome.code == 1, "{line}: {outcome:?}");
        }
    }
    assert_eq!(aws.writes(), Vec::<String>::new());
}

/// Checks the list of clusters that `init` shows.
#[tokio::test(start_paused = true)]
async fn names_in_the_questions_of_init_control_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taskbell.toml");
    for hostility in [Hostility::Everything, Hostility::Faults] {
        let aws = Aws::lax().await;
        aws.turn_hostile(Some(hostility));
        let init = typing(&aws, &format!("init --config {}", path.display()), &["1", "batch", "en"]).await;
        assert_harmless("init", &init);
        assert!(init.err.contains("2J"), "{init:?}");
    }
}

/// Checks the page of a message, which is a file for a browser.
#[tokio::test(start_paused = true)]
async fn page_of_a_message_has_no_hidden_character() {
    let folder = tempfile::tempdir().unwrap();
    let (page, event_file) = (folder.path().join("page.html"), folder.path().join("event.json"));
    std::fs::write(&event_file, event().to_string()).unwrap();
    let aws = Aws::lax().await;
    let line = format!("preview {} --html {}", event_file.display(), page.display());
    let preview = taskbell(&aws, &line).await;
    assert_eq!(preview.code, 0, "{preview:?}");
    let page = std::fs::read_to_string(page).unwrap();
    let hidden: BTreeSet<char> = page.chars().filter(|char| is_hidden(*char) && *char != '\n').collect();
    assert!(hidden.is_empty() && page.contains(TOKEN), "{hidden:?}");
}

/// Checks that the picture has the source of the rule's events, which may be any text, without hidden characters: in SVG and Mermaid
/// they have no escape.
#[tokio::test(start_paused = true)]
async fn pictures_have_no_hidden_character() {
    let folder = tempfile::tempdir().unwrap();
    let aws = hostile_aws().await;
    let source = format!("{TOKEN} {TEXT}");
    Hand::of(&aws).put_rule(&json!({ "source": ["aws.ecs", source] }).to_string()).send().await.unwrap();
    aws.turn_hostile(Some(Hostility::Texts));
    for name in ["stack.svg", "stack.mmd", "stack.md"] {
        let path = folder.path().join(name);
        let graph = taskbell(&aws, &format!("graph --cluster batch --file {}", path.display())).await;
        assert_harmless("graph", &graph);
        let picture = std::fs::read_to_string(&path).unwrap();
        let hidden: BTreeSet<char> =
            picture.chars().filter(|char| is_hidden(*char) && !"\n\t".contains(*char)).collect();
        assert!(hidden.is_empty() && picture.contains(TOKEN), "{name}: {hidden:?} in {picture}");
    }
}
