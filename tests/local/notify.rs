//! Checks `notify`: the events on the bus, and a command that runs as it would without taskbell.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::emulator::Slack;

/// A bus that accepts events, as EventBridge would.
struct Bus(Option<Slack>);

impl Bus {
    fn start() -> Self {
        let taker = Slack::start();
        taker.answer_with(200, r#"{"FailedEntryCount":0,"Entries":[{"EventId":"x"}]}"#);
        Self(Some(taker))
    }

    /// Returns a bus that does not answer.
    fn nowhere() -> Self {
        Self(None)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.as_ref().map_or(9, |taker| taker.port))
    }

    /// Waits for the first entry on the bus and returns it.
    fn entry(&self) -> Value {
        self.0.as_ref().unwrap().wait_for(1);
        self.entries().remove(0)
    }

    fn entries(&self) -> Vec<Value> {
        let requests = self.0.as_ref().unwrap().wait_for(0);
        requests.iter().flat_map(|request| request["Entries"].as_array().unwrap().clone()).collect()
    }
}

/// Runs `notify` with this bus.
fn notify(bus: &Bus, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
    command.arg("notify").args(arguments).env_clear().envs([
        ("PATH", std::env::var("PATH").unwrap()),
        ("AWS_ENDPOINT_URL", bus.url()),
        ("AWS_ACCESS_KEY_ID", "x".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn detail(entry: &Value) -> Value {
    assert_eq!(
        (&entry["Source"], &entry["DetailType"]),
        (&Value::from("taskbell.app"), &Value::from("Application Error"))
    );
    serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap()
}

#[test]
fn alert_enters_the_bus_with_its_level_source_and_detail() {
    let bus = Bus::start();
    let output =
        notify(&bus, &["no invoices", "--level", "warning", "--source", "billing", "--detail-file", "-"], "a\nb");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let sent = detail(&bus.entry());
    assert_eq!(
        sent,
        serde_json::json!({ "message": "no invoices", "level": "warning", "source": "billing", "detail": "a\nb" })
    );
}

#[test]
fn wrapped_command_runs_unchanged_and_its_failure_is_alerted() {
    let bus = Bus::start();
    let script = "cat; echo out; echo $0 >&2; for i in $(seq 3000); do echo line $i >&2; done; exit 7";
    let output = notify(&bus, &["--run", "--", "sh", "-c", script, "first"], "in\n");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(7), "in\nout\n"));
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with("first\nline 1\n") && stderr.ends_with("line 3000\n"), "all of stderr is passed on");
    let sent = detail(&bus.entry());
    assert_eq!((&sent["message"], &sent["source"]), (&Value::from("sh failed with exit code 7"), &Value::from("sh")));
    let tail = sent["detail"].as_str().unwrap();
    assert!(tail.ends_with("line 3000\n") && tail.len() <= 4_000, "{}", tail.len());
}

#[test]
fn beginning_and_end_of_a_long_detail_are_sent() {
    let bus = Bus::start();
    let lines = (1..=3000).map(|line| format!("line {line}")).collect::<Vec<_>>().join("\n") + "\n";
    assert_eq!(notify(&bus, &["x", "--detail-file", "-"], &lines).status.code(), Some(0));
    let sent = detail(&bus.entry());
    let sent = sent["detail"].as_str().unwrap();
    assert!(sent.starts_with("line 1\n") && sent.contains("\n…\n") && sent.ends_with("line 3000\n"), "{sent}");
    assert!(sent.chars().count() < 4_000);
}

#[test]
fn detail_in_another_encoding_is_sent_as_far_as_readable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.log");
    let utf16: Vec<u8> = "\u{feff}out of memory".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, told) in [(&utf16[..], "out of memory"), (b"\xef\xbb\xbfplain", "plain"), (b"caf\xe9", "caf\u{fffd}")] {
        std::fs::write(&path, bytes).unwrap();
        let bus = Bus::start();
        assert_eq!(notify(&bus, &["x", "--detail-file", path.to_str().unwrap()], "").status.code(), Some(0));
        assert_eq!(detail(&bus.entry())["detail"], told);
    }
}

#[test]
fn successful_command_sends_no_alert() {
    let bus = Bus::start();
    let output = notify(&bus, &["--run", "--", "sh", "-c", "echo fine >&2"], "");
    assert_eq!((output.status.code(), bus.entries().len()), (Some(0), 0));
    assert_eq!(text(&output.stderr), "fine\n");
}

/// Returns the detail of an event of this detail-type.
fn detail_of(detail_type: &str, entry: &Value) -> Value {
    assert_eq!((&entry["Source"], &entry["DetailType"]), (&"taskbell.app".into(), &detail_type.into()));
    serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap()
}

#[test]
fn both_ends_of_a_job_are_reported_with_its_duration() {
    let bus = Bus::start();
    let good = notify(&bus, &["--run", "--job", "backup", "--", "sh", "-c", "sleep 1.1"], "");
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    let bad = notify(&bus, &["--run", "--job", "backup", "--", "sh", "-c", "echo broken >&2; exit 3"], "");
    assert_eq!(bad.status.code(), Some(3), "{bad:?}");
    assert_eq!(notify(&bus, &["--ok", "--job", "backup", "--seconds", "412", "all done"], "").status.code(), Some(0));
    let entries = bus.entries();
    let (good, bad) = (detail_of("Job Succeeded", &entries[0]), detail_of("Application Error", &entries[1]));
    assert_eq!(good["job"], "backup");
    assert!(good["seconds"].as_u64().unwrap() >= 1 && good["at"].as_str().unwrap().ends_with('Z'), "{good}");
    assert_eq!((&bad["job"], &bad["message"]), (&"backup".into(), &"sh failed with exit code 3".into()));
    assert_eq!((&bad["detail"], bad["seconds"].as_u64()), (&"broken\n".into(), Some(0)));
    let said = detail_of("Job Succeeded", &entries[2]);
    assert_eq!((&said["message"], &said["seconds"]), (&"all done".into(), &412.into()));
}

#[test]
fn end_of_a_job_that_cannot_be_reported_changes_no_exit_code() {
    let nowhere = Bus::nowhere();
    let output = notify(&nowhere, &["--run", "--job", "backup", "--", "true"], "");
    assert_eq!(output.status.code(), Some(0));
    let told = text(&output.stderr);
    assert!(told.starts_with("error: true succeeded, and the success could not be reported\n"), "{told}");
    // A command that was ended on purpose reports nothing.
    let bus = Bus::start();
    let script = "trap 'exit 143' TERM; kill -TERM $PPID; while :; do sleep 0.1; done";
    let ended = notify(&bus, &["--run", "--job", "backup", "--", "sh", "-c", script], "");
    assert_eq!((ended.status.code(), bus.entries().len()), (Some(143), 0));
}

#[test]
fn signals_and_commands_that_cannot_run_have_the_shells_exit_codes() {
    let bus = Bus::start();
    let killed = notify(&bus, &["killed", "--run", "--", "sh", "-c", "kill -9 $$"], "");
    assert_eq!(killed.status.code(), Some(137));
    let missing = notify(&bus, &["--run", "--", "/nowhere/command"], "");
    assert_eq!(missing.status.code(), Some(127));
    assert!(text(&missing.stderr).starts_with("error: could not start /nowhere/command: No such file"), "{missing:?}");
    assert_eq!(notify(&bus, &["--run", "--", "/etc/passwd"], "").status.code(), Some(126));
    let entries = bus.entries();
    assert_eq!(detail(&entries[0])["message"], "killed");
    assert!(detail(&entries[1])["detail"].as_str().unwrap().contains("No such file"), "{entries:?}");
}

#[test]
fn terminated_command_is_not_a_failure() {
    let bus = Bus::start();
    let script = "trap 'echo ended; exit 143' TERM; kill -TERM $PPID; while :; do sleep 0.1; done";
    let output = notify(&bus, &["--run", "--", "sh", "-c", script], "");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(143), "ended\n"), "{output:?}");
    assert_eq!(bus.entries().len(), 0);
}

#[test]
fn interrupt_is_passed_on_and_a_later_failure_counts() {
    let bus = Bus::start();
    let ended = notify(
        &bus,
        &["--run", "--", "sh", "-c", "trap 'exit 130' INT; kill -INT $PPID; while :; do sleep 0.1; done"],
        "",
    );
    assert_eq!((ended.status.code(), bus.entries().len()), (Some(130), 0));
    let failed = notify(&bus, &["--run", "--", "sh", "-c", "trap '' INT; kill -INT $PPID; sleep 0.3; exit 3"], "");
    assert_eq!((failed.status.code(), bus.entries().len()), (Some(3), 1));
}

#[test]
fn background_process_does_not_delay_the_end() {
    let bus = Bus::start();
    let output = notify(&bus, &["--run", "--", "sh", "-c", "echo last words >&2; sleep 60 >/dev/null & exit 4"], "");
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(detail(&bus.entry())["detail"], "last words\n");
}

#[test]
fn empty_message_and_invalid_byte_do_not_lose_the_alert() {
    let bus = Bus::start();
    assert_eq!(notify(&bus, &["", "--run", "--", "false"], "").status.code(), Some(1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    std::fs::write(&path, b"caf\xe9").unwrap();
    assert_eq!(notify(&bus, &["x", "--detail-file", path.to_str().unwrap()], "").status.code(), Some(0));
    let entries = bus.entries();
    assert_eq!(detail(&entries[0])["message"], "false failed with exit code 1");
    assert_eq!(detail(&entries[1])["detail"], "caf\u{fffd}");
}

#[test]
fn failed_alert_is_reported_and_changes_no_exit_code() {
    let nowhere = Bus::nowhere();
    let output = notify(&nowhere, &["--run", "--", "sh", "-c", "exit 3"], "");
    assert_eq!(output.status.code(), Some(3));
    let told = text(&output.stderr);
    assert!(told.starts_with("error: sh failed with exit code 3, and the alert could not be raised\n"), "{told}");
    assert!(told.contains("events:PutEvents"), "{told}");
}

/// Runs `notify` with only this configuration of AWS.
fn notify_with(environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
    command.arg("notify").args(arguments).env_clear().stdin(Stdio::null());
    command.envs([("PATH", std::env::var("PATH").unwrap()), ("AWS_EC2_METADATA_DISABLED", "true".to_owned())]);
    command.env("HOME", "/nowhere").envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn missing_configuration_is_a_warning_even_if_the_command_succeeds() {
    for (environment, missing, way_out) in [
        (vec![], "no AWS region is configured", "AWS_REGION"),
        (vec![("AWS_REGION", "us-east-1")], "no credentials found", "in an ECS task, its task role is used"),
        (vec![("AWS_PROFILE", "nope")], "there is no profile \"nope\"", "list-profiles"),
    ] {
        let good = notify_with(&environment, &["--run", "--", "true"]);
        assert_eq!(good.status.code(), Some(0), "{good:?}");
        let told = text(&good.stderr);
        assert!(told.starts_with(&format!("warning: no alert can be raised on failure: {missing}")), "{told}");
        assert!(told.contains(way_out) && told.lines().count() == 1, "{told}");
        let bad = notify_with(&environment, &["--run", "--", "sh", "-c", "exit 9"]);
        assert_eq!(bad.status.code(), Some(9), "{bad:?}");
        let told = text(&bad.stderr);
        assert!(told.contains("error: sh failed with exit code 9, and the alert could not be raised\n"), "{told}");
        assert!(
            told.contains(&format!(
                "caused by: {}",
                if missing.starts_with("no cred") { "no answer to" } else { missing }
            )),
            "{told}"
        );
    }
}
