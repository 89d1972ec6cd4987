//! Checks a full disk and a closed pipe under the output of every command that asks AWS. `tests/local/process.rs` checks the
//! commands without AWS, as processes.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde_json::json;
use taskbell::cli::terminal::Output;
use tokio_util::sync::CancellationToken;

use crate::support::aws::{Aws, Shape};
use crate::support::{Page, WEBHOOK, run_into, today};

/// A stream that accepts some bytes and then fails.
struct Failing {
    room: usize,
    kind: ErrorKind,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        if taken == 0 { Err(self.kind.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the exit code and stderr.
async fn run(aws: &Aws, line: &str, out: Output) -> (u8, String) {
    let err = Page::default();
    let streams = [out, Output::new(err.clone())];
    let code = run_into(streams, aws.sdk(), line, Some(WEBHOOK), CancellationToken::new(), today, None).await;
    (code, err.text())
}

/// Returns a stack with an alert in its queue.
async fn stack() -> Aws {
    let aws = Aws::lax().await;
    let (code, told) = run(&aws, "setup --cluster batch --yes --no-pattern-check", Output::new(Page::default())).await;
    assert_eq!(code, 0, "{told}");
    aws.notifier_tells(Some(json!({ "outcome": "sent", "ms": { "post": 1 },
        "destinations": [{ "name": "webhook", "kind": "slack", "outcome": "sent", "status": 200, "ms": 1 }] })));
    let event = json!({ "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {} });
    aws.lay_into_queue(&event, Shape::Delivery);
    aws
}

/// Returns command lines that print to stdout.
fn lines(file: &Path) -> Vec<String> {
    let file = file.display();
    let of_file = |line: &str| format!("{line} --config {file}");
    vec![
        "setup --cluster batch --dry-run --no-pattern-check --tag a=b".to_owned(),
        "setup --cluster batch --yes --no-pattern-check --tag a=b".to_owned(),
        "drift --cluster batch --tag a=c".to_owned(),
        "drift --cluster batch --tag a=c --output github".to_owned(),
        "drift --cluster batch --tag a=c --output markdown".to_owned(),
        of_file("drift --all"),
        of_file("status --all"),
        of_file("setup --all --yes --no-pattern-check"),
        "graph --cluster batch".to_owned(),
        "status --cluster batch".to_owned(),
        "jobs --cluster batch".to_owned(),
        "permissions --cluster batch".to_owned(),
        "drill --cluster batch".to_owned(),
        "replay --cluster batch --dry-run".to_owned(),
        "pattern test oom --live --cluster batch".to_owned(),
        "doctor --cluster batch".to_owned(),
        of_file("teardown --all --yes"),
    ]
}

/// Checks every command on its own stack, once in full, and then with less and less room for its output.
#[tokio::test(start_paused = true)]
async fn full_disk_is_an_error_and_a_closed_pipe_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taskbell.toml");
    std::fs::write(&file, "[[stack]]\nclusters = [\"batch\"]\n").unwrap();
    let prepared = stack().await;
    for line in lines(&file) {
        for format in ["", " --output json"] {
            if line.contains("--output") && !format.is_empty() {
                continue;
            }
            let line = format!("{line}{format}");
            let (page, aws) = (Page::default(), copy(&prepared).await);
            let (code, told) = run(&aws, &line, Output::new(page.clone())).await;
            let printed = page.text().len();
            assert!(printed > 0, "{line} printed nothing: {told}");
            let after = aws.everything().await;
            for room in [0, printed / 2] {
                for (kind, wanted) in [(ErrorKind::StorageFull, 1), (ErrorKind::BrokenPipe, code)] {
                    let aws = copy(&prepared).await;
                    let (lost, told) = run(&aws, &line, Output::new(Failing { room, kind })).await;
                    assert_eq!(lost, wanted, "{line} with room for {room}, {kind:?}: {told}");
                    let is_told = told.contains("error: could not write all of the output\n  caused by: ");
                    assert_eq!(is_told, kind == ErrorKind::StorageFull, "{line}, {kind:?}: {told}");
                    // The command did its work all the same.
                    assert_eq!(aws.everything().await, after, "{line}");
                }
            }
        }
    }
}

async fn copy(prepared: &Aws) -> Aws {
    let aws = Aws::lax().await;
    aws.become_like(prepared).await;
    let event = json!({ "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {} });
    aws.lay_into_queue(&event, Shape::Delivery);
    aws
}

/// Checks that wrong usage stays wrong usage: nothing was to be printed to stdout.
#[tokio::test(start_paused = true)]
async fn usage_errors_keep_their_code() {
    let aws = Aws::lax().await;
    let full = || Output::new(Failing { room: 0, kind: ErrorKind::StorageFull });
    for line in ["drift", "drift --nonsense", "status --all --config /nowhere/taskbell.toml"] {
        let (code, told) = run(&aws, line, full()).await;
        assert!(code == 64 && !told.contains("could not write"), "{line}: {told}");
    }
}
