//! Checks what `preview` shows, what it writes, and what it refuses.

mod described;
use taskbell::pattern::samples::SAMPLES;

use crate::support::aws::Aws;
use crate::support::{Outcome, taskbell};

async fn preview(line: &str) -> Outcome {
    let aws = Aws::new().await;
    let outcome = taskbell(&aws, &format!("preview {line}")).await;
    assert_eq!(aws.calls().len(), 0, "{line} asked AWS");
    outcome
}

#[tokio::test(start_paused = true)]
async fn preview_without_an_event_lists_the_samples() {
    let list = preview("").await;
    assert_eq!((list.code, list.out.lines().count()), (0, SAMPLES.len()));
    assert_eq!(preview("--output json").await.json().as_array().unwrap().len(), SAMPLES.len());
}

#[tokio::test(start_paused = true)]
async fn preview_draws_a_message() {
    let drawn = preview("oom").await;
    assert_eq!(drawn.code, 0, "{drawn:?}");
    insta::assert_snapshot!("preview-oom", drawn.out);
    insta::assert_snapshot!("preview-oom-ja", preview("02-oom --language ja --username ベル").await.out);
    insta::assert_snapshot!("preview-application-error", preview("application-error --mention here").await.out);
}

#[tokio::test(start_paused = true)]
async fn preview_shows_every_destination_and_accepts_a_scenarios_name() {
    for place in ["slack", "teams", "discord", "sns"] {
        let shown = preview(&format!("oom --for {place} --color never")).await.out;
        for told in ["failed in", "ran out of memory", "OutOfMemoryError", "heap 507 MiB", "10:32:11"] {
            assert!(shown.contains(told), "{place}: no {told} in {shown}");
        }
        assert!(!shown.contains("{{"), "{shown}");
    }
    assert_eq!(preview("out-of-memory").await.out, preview("oom").await.out);
}

#[tokio::test(start_paused = true)]
async fn json_output_is_the_payload_that_would_be_posted() {
    let payload = preview("02-oom --output json --mention U012ABCDEF --icon-emoji :bell:").await.json();
    assert!(payload["text"].as_str().unwrap().starts_with("<@U012ABCDEF> 🔴 *web* failed in *prod*"), "{payload:#}");
    assert_eq!(payload["icon_emoji"], ":bell:");
}

#[tokio::test(start_paused = true)]
async fn silent_event_is_shown_with_a_note() {
    let silent = preview("scale-in-137").await;
    assert_eq!(silent.code, 0);
    assert!(silent.err.contains("not announced: the service scheduler stopped it"), "{silent:?}");
}

#[tokio::test(start_paused = true)]
async fn event_without_a_default_pattern_names_the_pattern_that_matches() {
    for (line, note) in [
        ("user-stop", "note: no default pattern matches this event; --pattern nonzero-exit does\n"),
        ("run-rejected", "note: no default pattern matches this event; --pattern run-rejected does\n"),
        ("running", "note: no pattern of the catalogue matches this event\n"),
        ("oom", ""),
    ] {
        assert_eq!(preview(line).await.err, note, "{line}");
    }
    let accepted = preview("run-accepted").await;
    assert!(accepted.out.contains("nightly in prod: RunTask") && !accepted.out.contains("not run"), "{accepted:?}");
}

#[tokio::test(start_paused = true)]
async fn html_page_is_written_completely() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("message.html");
    let outcome = preview(&format!("oom --html {}", path.display())).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for part in [
        "<b>web</b> failed in <b>prod</b>",
        "pass 2 of &lt;3&gt;, heap 471 MiB &amp; growing",
        "Open the task in ECS (for about an hour)</a>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let nowhere = preview("oom --html /nowhere/message.html").await;
    assert!(nowhere.code == 1 && nowhere.err.contains("could not write /nowhere/message.html"), "{nowhere:?}");
}

#[tokio::test(start_paused = true)]
async fn invalid_event_is_refused_with_name_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("event.json");
    let at = path.display();
    for (text, said) in [
        ("{\n  \"source\": \"aws.ecs\",\n  \"detail\": {,}\n}", "line 3 column 14"),
        ("[1]", "is not an event"),
        ("", "is empty"),
        ("{}", "is not an event"),
    ] {
        std::fs::write(&path, text).unwrap();
        let refused = preview(&at.to_string()).await;
        assert_eq!(refused.code, 64, "{refused:?}");
        assert!(refused.err.contains(said) && refused.err.contains("event.json"), "{refused:?}");
    }
    let unknown = preview("exit-non-zero").await;
    assert!(unknown.code == 64 && unknown.err.contains("did you mean 01-exit-nonzero?"), "{unknown:?}");
    let missing = preview("nowhere.json").await;
    assert!(missing.code == 64 && missing.err.contains("could not read the event file nowhere.json"), "{missing:?}");
}
