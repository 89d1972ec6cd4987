//! Checks that no text from outside controls the terminal: names of tasks, failures, containers and patterns are shown without
//! control characters.

use std::process::Command;

use serde_json::json;

const FOREIGN: &str = "x\u{1b}[31m\u{7}\n\r\u{9b}2J\u{202e}y";

/// Runs the binary, and returns its exit code and its output on both streams.
fn printed(line: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_taskbell")).args(line).args(["--color", "always"]).env_clear().output();
    let output = output.unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code(), text)
}

#[test]
fn no_name_from_outside_reaches_the_terminal_raw() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let task = json!({
        "taskArn": format!("arn:aws:ecs:us-east-1:123456789012:task/prod/{FOREIGN}"),
        "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/prod", "group": FOREIGN,
        "lastStatus": "STOPPED", "stopCode": FOREIGN, "stoppedReason": FOREIGN,
        "containers": [{ "name": FOREIGN, "exitCode": 1, "reason": FOREIGN }],
    });
    let failure = json!({ "arn": FOREIGN, "reason": FOREIGN, "detail": FOREIGN });
    let tasks = file("tasks.json", &json!({ "tasks": [task, task], "failures": [failure] }).to_string());
    let one = file("one.json", &task.to_string());
    let none = file("none.json", &json!({ "tasks": [], "failures": [failure] }).to_string());
    let definition = file("definition.json", &json!({ "containerDefinitions": [{ "name": "web" }] }).to_string());
    let name = json!(FOREIGN).to_string();
    let repeated = file(
        "mine.json",
        &format!(r#"{{{name}:[1],{name}:[{name}],"$or":[{{"detail":{{{name}:["x"]}}}},{{"b":[1]}}]}}"#),
    );
    let apart = file("or.json", &format!(r#"{{{name}:{{"$or":[{{"a":[{name}]}},{{"b":[1]}}]}}}}"#));
    let invalid = file("bad.json", &format!(r#"{{"a":[{{{name}:1}}]}}"#));
    let unknown = file("unknown.json", &json!({ "a": [format!("${{{FOREIGN}}}")] }).to_string());
    let flag = format!("--{FOREIGN}");
    for (line, code) in [
        (vec![FOREIGN], 64),
        (vec!["drift", FOREIGN], 64),
        (vec!["drift", flag.as_str()], 64),
        (vec!["setup", "--cluster", "batch", "--storm-window", FOREIGN], 64),
        (vec!["setup", "--cluster", "batch", "--language", FOREIGN], 64),
        (vec!["preview", &tasks, "--task-definition", &definition], 0),
        (vec!["preview", &one], 0),
        (vec!["preview", &one, "--for", "teams"], 0),
        (vec!["preview", &one, "--for", "discord"], 0),
        (vec!["preview", &one, "--for", "webhook"], 0),
        (vec!["preview", &one, "--for", "sns"], 0),
        (vec!["preview", &none], 64),
        (vec!["pattern", "test", &tasks, "--task-definition", &definition, "--pattern", "spot-interrupted"], 1),
        (vec!["pattern", "test", &one], 0),
        (vec!["pattern", "test", &one, "--pattern", &repeated], 1),
        (vec!["pattern", "test", &one, "--pattern", &apart], 1),
        (vec!["pattern", "test", &one, "--pattern", &invalid], 64),
        (vec!["pattern", "test", &one, "--pattern", &unknown], 64),
    ] {
        let (ended, text) = printed(&line);
        assert_eq!(ended, Some(code), "{line:?}: {text}");
        // The output may contain taskbell's own styles, but not the style in the name.
        let styled = text.replace("x\u{1b}[31m", "FOREIGN");
        assert_eq!(styled, text, "{line:?}: {text:?}");
        for raw in ['\u{7}', '\r', '\u{9b}', '\u{202e}'] {
            assert!(!text.contains(raw), "{line:?}: {text:?}");
        }
    }
    // A name does not break the line.
    let (_, text) = printed(&["preview", &tasks]);
    assert!(text.contains("tasks.json, task x\u{fffd}[31m\u{fffd}  \u{fffd}2J\u{fffd}y\n"), "{text:?}");
    let (_, text) = printed(&["pattern", "test", &one, "--pattern", &repeated]);
    assert!(text.contains("`x\u{fffd}[31m\u{fffd}  \u{fffd}2J\u{fffd}y` is repeated"), "{text:?}");
    let (_, text) = printed(&["preview", &none]);
    assert_eq!(text.lines().count(), 1, "{text:?}");
}

/// Runs a line of a shell in a terminal of this width, and returns what the terminal shows.
#[cfg(target_os = "linux")]
fn in_terminal(columns: usize, line: &str, environment: &[(&str, &str)]) -> String {
    let line = format!("stty cols {columns} rows 30; {line}");
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).stdin(std::process::Stdio::null()).env_clear();
    command.env("PATH", std::env::var("PATH").unwrap()).env("SHELL", "/bin/sh").env("TERM", "xterm");
    let output = command.env("TASKBELL", env!("CARGO_BIN_EXE_taskbell")).envs(environment.iter().copied()).output();
    String::from_utf8(output.unwrap().stdout).unwrap().replace('\r', "")
}

#[cfg(target_os = "linux")]
#[test]
fn narrow_terminals_break_lines_between_words() {
    let text =
        in_terminal(40, "\"$TASKBELL\" drift --cluster batch --color never", &[("AWS_EC2_METADATA_DISABLED", "true")]);
    let hint = "  hint: give --region, or set\n    AWS_REGION, or a region in the\n    profile\n";
    assert!(text.contains("error: no AWS region is configured\n") && text.contains(hint), "{text:?}");
}

/// Checks that the end of the input, as by Ctrl-D, is a no: the question is not asked again.
#[cfg(target_os = "linux")]
#[test]
fn end_of_input_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("cd {} && \"$TASKBELL\" init --color never; echo ended with $?", folder.path().display());
    let environment = [("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_REGION", "us-east-1")];
    let text = in_terminal(80, &line, &environment);
    assert!(text.contains("Which clusters") && text.ends_with("Nothing was changed.\nended with 2\n"), "{text:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Interrupts commands while AWS, which accepts connections only, owes them an answer.
#[test]
fn interrupt_is_reported_once() {
    for line in
        ["drift batch", "status batch", "setup batch --yes", "teardown batch --yes", "drill batch", "replay batch"]
    {
        // A listener of its own: an earlier command may have left connections that nobody accepted.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", silent.local_addr().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
        command.args(line.split(' ')).env_clear().env("AWS_ENDPOINT_URL", &endpoint).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y").stdin(std::process::Stdio::null());
        let pipe = std::process::Stdio::piped;
        let child = command.stdout(pipe()).stderr(pipe()).spawn().unwrap();
        let asked = silent.accept().unwrap();
        let signal = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
        assert!(signal.success(), "{line}");
        let output = child.wait_with_output().unwrap();
        drop(asked);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*output.stdout), (Some(130), &b""[..]), "{line}: {told}");
        assert_eq!(told.matches("interrupted").count(), 1, "{line}: {told}");
        assert_eq!(told.matches("error").count(), 1, "{line}: {told}");
    }
}

/// Checks that the manual goes through the pager only at a terminal, and is printed if the pager does not exist.
#[cfg(target_os = "linux")]
#[test]
fn manual_goes_through_the_pager_on_a_terminal() {
    for (environment, begins) in [
        (&[("MANPAGER", "sed s/^/PAGED:/"), ("PAGER", "false")][..], "PAGED:"),
        (&[("PAGER", "sed s/^/PAGED:/")], "PAGED:"),
        (&[("PAGER", "/nowhere/pager")], ""),
    ] {
        let text = in_terminal(80, "\"$TASKBELL\" man pattern test", environment);
        let usage = format!("{begins}Usage: taskbell pattern test");
        assert!(text.contains(&usage) && !text.contains(".SH"), "{environment:?}: {text:?}");
    }
    let (code, roff) = printed(&["man", "pattern", "test"]);
    assert!(code == Some(0) && roff.contains(".SH SYNOPSIS"), "{roff}");
}

/// Checks that Ctrl-C, which the terminal sends to every process on it, is for the pager: a pager that goes on, as `less` does, is not
/// left alone on the terminal.
#[cfg(target_os = "linux")]
#[test]
fn interrupted_pager_that_goes_on_is_waited_for() {
    let pager = "trap : INT; cat >/dev/null; kill -s INT 0; sleep 1; echo pager left";
    let line = "trap : INT; \"$TASKBELL\" man pattern test; echo ended with $?";
    let text = in_terminal(80, line, &[("MANPAGER", pager)]);
    assert_eq!(text.trim(), "pager left\nended with 0", "{text:?}");
}
