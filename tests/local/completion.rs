//! Checks completion as a shell requests it: bash runs the script that `completions` prints, and the binary answers.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use crate::support;
use crate::support::emulator::Emulator;

/// Returns the completions that bash offers at the end of the line, in that folder; the words are split as bash splits them.
fn bash(words: &[&str], folder: &Path, environment: &[(&str, &str)]) -> (Vec<String>, Output) {
    let script = r#"
        eval "$(taskbell completions bash)"
        registered=$(complete -p taskbell) function=${registered#* -F } function=${function%% *}
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_TYPE=9
        current=${COMP_WORDS[COMP_CWORD]}
        [ "$current" = = ] && current=
        # Bash passes a word without the quote that is open.
        current=${current#[\"\']}
        "$function" taskbell "$current" "${COMP_WORDS[COMP_CWORD - 1]}" || exit 9
        [ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let binaries = Path::new(env!("CARGO_BIN_EXE_taskbell")).parent().unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", script, "bash"]).args(words).current_dir(folder).env_clear();
    command.env("PATH", format!("{}:/usr/bin:/bin", binaries.display())).env("HOME", home.path());
    command.env("AWS_EC2_METADATA_DISABLED", "true").envs(environment.iter().copied());
    let output = command.output().unwrap();
    let offered = String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect();
    (offered, output)
}

/// Returns bash's completions, and checks that it prints nothing else.
fn offered(words: &[&str], folder: &Path, environment: &[(&str, &str)]) -> Vec<String> {
    let (offered, output) = bash(words, folder, environment);
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]), "{words:?}: {output:?}");
    offered
}

fn anywhere() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

const KEYS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")];

#[test]
fn fixed_names_and_files_are_offered_without_aws() {
    let folder = anywhere();
    std::fs::write(folder.path().join("mine.json"), "{}").unwrap();
    for (line, expected) in [
        ("te", &["teardown"][..]),
        ("pattern s", &["show"]),
        ("setup --exclude-s", &["--exclude-service"]),
        ("setup --pattern o", &["out-of-memory"]),
        ("setup --pattern mi", &["mine.json"]),
        ("pattern show nonz", &["nonzero-exit"]),
        ("drill --scenario sp", &["spot-interrupted"]),
        ("preview oo", &["oom"]),
        ("preview 02", &["02-oom"]),
        ("preview mi", &["mine.json"]),
        ("pattern test ./m", &["./mine.json"]),
        ("completions po", &["powershell"]),
        ("drift --output g", &["github"]),
    ] {
        let words: Vec<&str> = std::iter::once("taskbell").chain(line.split(' ')).collect();
        assert_eq!(offered(&words, folder.path(), &[]), expected, "{line}");
    }
}

/// Checks that bash would run nothing of a file's name: every argument that accepts a path offers the name as a user would type it.
#[test]
fn name_of_a_file_is_offered_quoted() {
    let folder = anywhere();
    let name = "mine $(touch run) \"[*]\".json";
    std::fs::write(folder.path().join(name), "{}").unwrap();
    let read = |word: &str| {
        let line = format!("printf %s {word}");
        let typed = Command::new("bash").args(["-c", &line]).current_dir(folder.path()).output().unwrap();
        String::from_utf8(typed.stdout).unwrap()
    };
    for command in [
        "setup --pattern",
        "--config",
        "drift --config",
        "pattern test",
        "pattern test --task-definition",
        "preview",
        "preview --task-definition",
        "preview --html",
        "notify x --detail-file",
        "graph --file",
        "man --to",
        "export notifier --to",
        "pattern show",
    ] {
        for (begun, quote) in [("mi", ""), (r"mine\ ", ""), ("\"mine ", "\""), ("'mi", "'"), ("./mi", "")] {
            let words: Vec<&str> = std::iter::once("taskbell").chain(command.split(' ')).chain([begun]).collect();
            let offered = offered(&words, folder.path(), &[]);
            assert_eq!(offered.len(), 1, "{words:?}: {offered:?}");
            assert_eq!(
                read(&format!("{quote}{}{quote}", offered[0])).trim_start_matches("./"),
                name,
                "{words:?}: {offered:?}"
            );
        }
    }
    assert!(!folder.path().join("run").exists());
}

/// Checks that bash still finds the user's home: a tilde between quotes, or behind a backslash, is a character like others.
#[test]
fn tilde_of_a_path_stays_a_tilde() {
    let home = anywhere();
    let folder = anywhere();
    std::fs::create_dir(home.path().join("my events")).unwrap();
    let at_home = [("HOME", home.path().to_str().unwrap())];
    for (begun, expected) in [("~/my", &[r"~/my\ events/"][..]), ("\"~/my", &[]), (r"\~/my", &[])] {
        for command in ["--config", "preview"] {
            let words = ["taskbell", command, begun];
            assert_eq!(offered(&words, folder.path(), &at_home), expected, "{words:?}");
        }
    }
}

#[test]
fn stacks_and_clusters_of_the_file_are_offered_without_a_call() {
    let folder = anywhere();
    let stacks =
        "[[stack]]\nclusters = [\"batch\"]\n[[stack]]\nname = \"nightly\"\nclusters = [\"batch\", \"reports\"]\n";
    std::fs::write(folder.path().join("taskbell.toml"), stacks).unwrap();
    let elsewhere = anywhere();
    let path = folder.path().join("taskbell.toml");
    // Nothing answers here, and every call is noticed.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let environment = [KEYS[0], KEYS[1], KEYS[2], ("AWS_ENDPOINT_URL", &endpoint)];
    for (folder, words, expected) in [
        (&folder, &["drift", "--stack", ""][..], &["batch", "nightly"][..]),
        (&folder, &["drift", "--stack", "n"], &["nightly"]),
        (&folder, &["drift", "--stack", "=", "n"], &["nightly"]),
        (&folder, &["drift", "--stack", "="], &["batch", "nightly"]),
        (&folder, &["drill", "--cluster", "re"], &["reports"]),
        (&folder, &["setup", "--stack", "nightly", "--cluster", ""], &["batch", "reports"]),
        (&elsewhere, &["--config", path.to_str().unwrap(), "status", "--stack", "n"], &["nightly"]),
    ] {
        let words: Vec<&str> = std::iter::once("taskbell").chain(words.iter().copied()).collect();
        assert_eq!(offered(&words, folder.path(), &environment), expected, "{words:?}");
    }
    assert!(listener.accept().is_err(), "AWS was asked");
}

#[test]
fn failed_completion_offers_nothing_and_prints_nothing() {
    let folder = anywhere();
    // Accepts every connection and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let mistaken = folder.path().join("mistaken.toml");
    std::fs::write(&mistaken, "[[stack]\n").unwrap();
    let unanswered = [KEYS[0], KEYS[1], KEYS[2], ("AWS_ENDPOINT_URL", endpoint.as_str())];
    let refused = [KEYS[0], KEYS[1], KEYS[2], ("AWS_ENDPOINT_URL", "http://127.0.0.1:9")];
    for environment in [&[][..], &KEYS[..2], &unanswered, &refused, &[("AWS_PROFILE", "nope")]] {
        for flag in ["--cluster", "--stack"] {
            let words = ["taskbell", "--config", mistaken.to_str().unwrap(), "drift", flag, ""];
            assert_eq!(offered(&words, folder.path(), environment), Vec::<String>::new(), "{flag} {environment:?}");
        }
    }
}

/// Checks completion on a local AWS.
#[tokio::test]
async fn clusters_and_stacks_of_the_account_complete_those_of_the_file() {
    let aws = Emulator::start("ministack");
    let abroad = aws.sdk().await.to_builder().region(aws_config::Region::new("eu-west-1")).build();
    for (sdk, names) in [(aws.sdk().await, &["batch", "web-blue", "web-green"][..]), (abroad, &["web-abroad"])] {
        for name in names {
            aws_sdk_ecs::Client::new(&sdk).create_cluster().cluster_name(*name).send().await.unwrap();
        }
    }
    let setup = aws.taskbell("setup --cluster batch --stack nightly --yes", Some(support::WEBHOOK));
    assert_eq!(setup.code, 0, "{setup:?}");
    let folder = anywhere();
    let environment = [KEYS[0], KEYS[1], KEYS[2], ("AWS_ENDPOINT_URL", aws.endpoint.as_str())];
    let ask = |line: &str| {
        let words: Vec<&str> = std::iter::once("taskbell").chain(line.split(' ')).collect();
        // Completion waits two seconds at most, and a busy machine may need longer: press Tab again until it offers names.
        let presses = (0..60).map(|_| offered(&words, folder.path(), &environment));
        presses.into_iter().find(|names| !names.is_empty()).unwrap_or_default()
    };
    assert_eq!(ask("setup --cluster web-"), ["web-blue", "web-green"]);
    assert_eq!(ask("setup --region eu-west-1 --cluster web-"), ["web-abroad"]);
    assert_eq!(ask("drift --stack n"), ["nightly"]);
    let defaults = "[defaults]\nregion = \"eu-west-1\"\n[[stack]]\nclusters = [\"batch\"]\n";
    std::fs::write(folder.path().join("taskbell.toml"), defaults).unwrap();
    assert_eq!(ask("setup --cluster "), ["batch"]);
    assert_eq!(ask("setup --cluster w"), ["web-abroad"]);
}

/// Checks a leftover variable: a job of CI must not succeed because of it.
#[test]
fn command_runs_without_words_to_complete() {
    let (home, ask) = (anywhere(), ["TASKBELL_COMPLETE=1", "TASKBELL_COMPLETE=bash"]);
    for (name, value) in ask.map(|pair| pair.split_once('=').unwrap()) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
        command.args(["drift", "--no-such-flag"]).env_clear().env(name, value).current_dir(home.path());
        assert_eq!(command.output().unwrap().status.code(), Some(64), "{name}={value}");
    }
}

#[test]
fn every_shell_has_a_script_and_an_unknown_one_lists_them() {
    let run = |shell: &str| Command::new(env!("CARGO_BIN_EXE_taskbell")).args(["completions", shell]).output().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = String::from_utf8(run(shell).stdout).unwrap();
        let called = format!("TASKBELL_COMPLETE={shell}");
        let called = [called.clone(), called.replace('=', "=\""), "$env:TASKBELL_COMPLETE = \"powershell\"".to_owned()];
        assert!(called.iter().any(|call| script.contains(call)), "{script}");
    }
    let other = run("csh");
    assert_eq!(other.status.code(), Some(64));
    assert!(String::from_utf8(other.stderr).unwrap().contains("elvish"));
}
