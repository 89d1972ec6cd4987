//! Checks the binary as a process: output that does not need AWS, and errors if AWS cannot be used at all.

use std::process::{Command, Output, Stdio};

fn taskbell(line: &str, environment: &[(&str, &str)]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
    command.args(line.split_whitespace()).env_clear().env("HOME", home.path()).stdin(Stdio::null());
    command.env("AWS_EC2_METADATA_DISABLED", "true").envs(environment.iter().copied());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

#[test]
fn missing_region_is_an_error_with_a_hint() {
    let output = taskbell("drift --cluster batch", &KEYS);
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("no AWS region is configured"), "{output:?}");
    assert!(text(&output.stderr).contains("--region"), "{output:?}");
}

#[test]
fn missing_credentials_are_an_error_with_a_hint() {
    for line in [
        "drift --cluster batch",
        "setup --cluster batch --yes",
        "teardown --cluster batch --yes",
        "status --cluster batch",
        "replay --cluster batch --yes",
        "drill --cluster batch",
        "import",
        "notify hello",
    ] {
        let webhook = ("TASKBELL_SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/hunter2");
        let output = taskbell(line, &[("AWS_REGION", "us-east-1"), webhook]);
        let told = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{line}: {told}");
        assert!(told.contains("no usable AWS credentials") && told.contains("task role"), "{line}: {told}");
        assert!(told.matches("error: ").count() == 1 && !told.contains("caused by"), "{line}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
        let at_length = text(&taskbell(&format!("{line} --verbose"), &[("AWS_REGION", "us-east-1"), webhook]).stderr);
        assert!(at_length.contains("no credentials found\n") && at_length.contains("in full: "), "{line}: {at_length}");
        assert!(at_length.contains("EcsContainer"), "{line}: {at_length}");
    }
}

/// Checks a machine in a network that answers for the instance metadata of EC2, and refuses.
#[test]
fn refused_instance_metadata_counts_as_missing_credentials() {
    use std::io::{Read, Write};
    let metadata = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", metadata.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut connection in metadata.incoming().map_while(Result::ok) {
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let environment = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint),
    ];
    for line in ["setup", "drift batch", "permissions batch"] {
        let output = taskbell(line, &environment);
        let told = text(&output.stderr);
        assert_eq!((output.status.code(), told.lines().count()), (Some(3), 1), "{line}: {told}");
        assert!(told.starts_with("error: no usable AWS credentials"), "{line}: {told}");
    }
    let at_length = text(&taskbell("drift batch --verbose", &environment).stderr);
    assert!(at_length.contains("IMDS"), "{at_length}");
}

#[test]
fn nonexistent_region_is_reported() {
    let environment = [KEYS[0], KEYS[1], ("AWS_REGION", "us-nowhere-1"), ("AWS_MAX_ATTEMPTS", "1")];
    let output = taskbell("drift --cluster batch", &environment);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("no answer to sts:GetCallerIdentity") && told.contains("--region"), "{told}");
}

/// An HTTP proxy that refuses every request. `asked` ends it and returns the first line of each request.
struct RefusingProxy {
    address: std::net::SocketAddr,
    lines: std::thread::JoinHandle<Vec<String>>,
}

impl RefusingProxy {
    const END: &str = "END\n";

    fn start() -> Self {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let lines = std::thread::spawn(move || {
            let mut lines = Vec::new();
            for mut stream in listener.incoming().flatten() {
                let mut line = String::new();
                let _ = BufReader::new(&stream).read_line(&mut line);
                if line == Self::END {
                    break;
                }
                let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                lines.push(line);
            }
            lines
        });
        Self { address, lines }
    }

    /// Ends the proxy and returns the request lines of all earlier connections: the listener accepts connections in order.
    fn asked(self) -> Vec<String> {
        std::io::Write::write_all(&mut std::net::TcpStream::connect(self.address).unwrap(), Self::END.as_bytes())
            .unwrap();
        self.lines.join().unwrap().into_iter().filter(|line| !line.is_empty()).collect()
    }
}

/// Runs a command whose calls all fail, so that it ends with 3.
fn status_through(proxy: (&'static str, &str), endpoint: &str, direct: Option<&str>) {
    let mut environment = vec![KEYS[0], KEYS[1], ("AWS_REGION", "us-east-1"), ("AWS_MAX_ATTEMPTS", "1")];
    environment.extend([proxy, ("AWS_ENDPOINT_URL", endpoint)]);
    environment.extend(direct.map(|hosts| ("NO_PROXY", hosts)));
    let output = taskbell("status --cluster batch", &environment);
    assert!(output.status.code() == Some(3) && text(&output.stderr).contains("sts:GetCallerIdentity"), "{output:?}");
}

/// Checks the variables of proxies, as other AWS tools read them.
#[test]
fn calls_go_through_the_proxy_that_the_environment_names() {
    let proxy = RefusingProxy::start();
    status_through(("HTTP_PROXY", &format!("http://{}", proxy.address)), "http://aws.invalid", None);
    let asked = proxy.asked();
    assert!(!asked.is_empty() && asked.iter().all(|line| line.contains("http://aws.invalid/")), "{asked:?}");
    let proxy = RefusingProxy::start();
    status_through(("HTTPS_PROXY", &format!("http://{}", proxy.address)), "https://aws.invalid", None);
    let asked = proxy.asked();
    assert!(!asked.is_empty() && asked.iter().all(|line| line.starts_with("CONNECT aws.invalid:443")), "{asked:?}");
    // A connection to this listener would wait in its backlog, where the test finds it.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    nobody.set_nonblocking(true).unwrap();
    let proxy = format!("http://{}", nobody.local_addr().unwrap());
    status_through(("HTTP_PROXY", &proxy), "http://aws.invalid", Some("aws.invalid"));
    let asked = nobody.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(asked, Err(std::io::ErrorKind::WouldBlock), "it was asked all the same");
}

#[test]
fn help_goes_to_stdout_and_a_mistake_to_stderr() {
    let help = taskbell("--help", &[]);
    assert_eq!((help.status.code(), text(&help.stderr).as_str()), (Some(0), ""));
    assert!(text(&help.stdout).contains("Exit codes"));
    let mistake = taskbell("drfit", &[]);
    assert_eq!((mistake.status.code(), text(&mistake.stdout).as_str()), (Some(64), ""));
    assert!(text(&mistake.stderr).contains("drift"), "{mistake:?}");
}

#[test]
fn help_of_setup_has_sections_and_the_short_help_has_the_first_four() {
    let sections = ["Which tasks", "Where alerts go", "Message", "This run", "AWS resources", "Rarely needed"];
    let headings = |flag: &str| {
        let help = text(&taskbell(&format!("setup {flag}"), &[]).stdout);
        let lines = help.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.strip_suffix(':'));
        lines.filter(|line| sections.contains(line)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(headings("--help"), sections);
    assert_eq!(headings("-h"), sections[..4]);
}

#[test]
fn words_that_people_type_for_a_command_are_understood() {
    for (typed, meant) in [("plan", "setup"), ("remove", "teardown"), ("destroy", "teardown"), ("test", "drill")] {
        let help = |command: &str| text(&taskbell(&format!("{command} --help"), &[]).stdout);
        assert_eq!(help(typed), help(meant), "{typed}");
    }
    assert_eq!(taskbell("version", &[]).stdout, taskbell("--version", &[]).stdout);
    let tested = taskbell("test oom", &[]);
    assert_eq!(tested.stdout, taskbell("pattern test oom", &[]).stdout);
    assert!(text(&tested.stderr).starts_with("note: `taskbell test` is here `taskbell pattern test`"), "{tested:?}");
    let short = taskbell("pattern show oom --cluster batch", &[]);
    assert_eq!(short.stdout, taskbell("pattern show out-of-memory --cluster batch", &[]).stdout);
    assert!(!short.stdout.is_empty(), "{short:?}");
}

#[test]
fn webhook_as_an_argument_is_refused_with_the_way_and_not_repeated() {
    let webhook = "https://hooks.slack.com/services/T0/B0/hunter2";
    for line in [format!("setup --cluster batch --webhook {webhook}"), format!("setup --slack-webhook-url={webhook}")] {
        let refused = taskbell(&line, &[]);
        let told = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(64), "{told}");
        assert!(told.contains("a webhook is a secret") && told.contains("TASKBELL_SLACK_WEBHOOK_URL"), "{told}");
        assert!(!told.contains("hunter2") && !told.contains("tip:"), "{told}");
    }
}

#[test]
fn tip_names_a_flag_only_for_a_typing_mistake() {
    let tip = |line: &str| text(&taskbell(line, &[]).stderr).contains("tip: a similar argument exists");
    assert!(tip("setup --clsuter batch") && tip("drift --log-line 3"));
    assert!(!tip("setup --user bell") && !tip("setup --log-level debug"));
}

#[test]
fn help_names_every_kind_of_resource() {
    let help = text(&taskbell("--help", &[]).stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    for thing in ["rule", "function", "role", "log group", "queue", "table", "parameter", "schedule group"] {
        assert!(help.split("Usage:").next().unwrap().contains(thing), "{thing}: {help}");
    }
}

#[test]
fn flags_without_effect_are_accepted_and_not_in_the_help() {
    for (command, hidden) in [
        ("preview oom", &["--stack", "--region", "--profile"][..]),
        ("pattern list", &["--stack", "--region", "--profile"]),
        ("pattern show application-error", &["--stack", "--profile"]),
        ("export cloudformation --cluster batch", &["--region", "--profile"]),
        ("export terraform --cluster batch", &["--region", "--profile"]),
        ("export notifier --to /dev/null", &["--stack", "--region", "--profile"]),
    ] {
        let help = text(&taskbell(&format!("{command} --help"), &[]).stdout);
        for flag in hidden {
            assert!(!help.contains(flag), "{command} {flag}: {help}");
            for line in [format!("{command} {flag} eu-west-1"), format!("{flag} eu-west-1 {command}")] {
                let output = taskbell(&line, &[]);
                assert_ne!(output.status.code(), Some(64), "{line}: {output:?}");
            }
        }
    }
    let show = "pattern show task-failed --cluster batch";
    for line in [format!("{show} --region eu-west-1"), format!("--region eu-west-1 {show}")] {
        assert!(text(&taskbell(&line, &[]).stdout).contains("arn:aws:ecs:eu-west-1:"), "{line}");
    }
}

#[test]
fn help_of_every_command_is_as_reviewed() {
    for command in [
        "",
        "setup",
        "import",
        "drift",
        "graph",
        "teardown",
        "drill",
        "replay",
        "status",
        "jobs",
        "doctor",
        "preview",
        "notify",
        "permissions",
        "export",
        "export cloudformation",
        "export terraform",
        "export notifier",
        "pattern",
        "pattern test",
        "pattern list",
        "pattern show",
        "completions",
        "man",
    ] {
        let output = taskbell(&format!("{command} --help"), &[]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        insta::assert_snapshot!(format!("help {command}").trim().replace(' ', "-"), text(&output.stdout));
    }
}

#[test]
fn long_version_includes_the_notifier_and_short_version_does_not() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(text(&taskbell("-V", &[]).stdout), format!("taskbell {version}\n"));
    let long = text(&taskbell("--version", &[]).stdout);
    let lines: Vec<&str> = long.lines().collect();
    assert_eq!(lines[0], format!("taskbell {version}"));
    let notifier = taskbell::notifier::archive::archive().unwrap().code_sha256;
    assert_eq!(lines.last(), Some(&format!("notifier  {notifier}").as_str()), "{long}");
    // Only a release build contains its commit: tests/release/main.rs checks the rest.
    assert!(lines[1..lines.len() - 1].iter().all(|line| line.starts_with("commit    ")), "{long}");
    assert_eq!(text(&taskbell("drift --version", &[]).stdout).lines().count(), lines.len());
}

#[test]
fn every_command_has_a_page_in_the_manual() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("man1");
    let written = taskbell(&format!("man --to {}", to.display()), &[]);
    assert_eq!((written.status.code(), &written.stdout[..], &written.stderr[..]), (Some(0), &b""[..], &b""[..]));
    let mut pages: Vec<String> =
        std::fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    assert!(pages.len() >= 21, "{pages:?}");
    for (command, page) in
        [("", "taskbell.1"), ("drift", "taskbell-drift.1"), ("pattern test", "taskbell-pattern-test.1")]
    {
        let shown = text(&taskbell(&format!("man {command}"), &[]).stdout);
        assert_eq!(shown, std::fs::read_to_string(to.join(page)).unwrap(), "{command}");
        assert!(shown.contains(".SH NAME") && shown.contains("Common options".to_uppercase().as_str()), "{shown}");
    }
    assert!(text(&taskbell("man drill", &[]).stdout).contains(".SH EXAMPLES\n"));
    let unknown = taskbell("man drfit", &[]);
    assert_eq!(unknown.status.code(), Some(64));
    assert!(text(&unknown.stderr).contains("did you mean drift?"), "{unknown:?}");
    let nowhere = taskbell("man --to /dev/null/man1", &[]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("could not write the manual into /dev/null/man1"), "{nowhere:?}");
}

/// Returns every command with its subcommands: `pattern`, `pattern list`.
fn commands(above: &str) -> Vec<String> {
    let help = text(&taskbell(&format!("{above} -h"), &[]).stdout);
    let Some(list) = help.split("Commands:\n").nth(1) else { return Vec::new() };
    let lines = list.split("\n\n").next().unwrap().lines();
    // The commands of the first level are below the names of their groups.
    let lines = lines.filter(|line| line.starts_with("    ") == above.is_empty());
    let names = lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let names = names.map(|name| format!("{above} {name}").trim().to_owned());
    names.flat_map(|name| [vec![name.clone()], commands(&name)].concat()).collect()
}

#[test]
fn every_help_and_the_bare_command_have_an_example() {
    let commands = commands("");
    assert!(commands.len() >= 20 && commands.contains(&"pattern list".to_owned()), "{commands:?}");
    for command in &commands {
        for flag in ["-h", "--help"] {
            let help = text(&taskbell(&format!("{command} {flag}"), &[]).stdout);
            let example = help.split("Example").nth(1).unwrap_or_else(|| panic!("{command} {flag}: {help}"));
            assert!(example.contains(&format!("  taskbell {command}")), "{command} {flag}: {help}");
        }
    }
    let alone = taskbell("", &[]);
    assert!(text(&alone.stderr).contains("Examples:\n  taskbell "), "{alone:?}");
}

/// Checks that a profile given by flag takes precedence over keys in the environment, as in the AWS CLI.
#[test]
fn given_profile_is_used_or_an_error() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let config = "[profile other]\naws_access_key_id = OTHERKEY\naws_secret_access_key = x\nregion = us-east-1\n";
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", server.local_addr().unwrap());
    // Read the first connection: the command's, or, if it makes none, the one that this test makes below.
    let asked = std::thread::spawn(move || {
        let mut head = String::new();
        let mut lines = std::io::BufReader::new(server.accept().unwrap().0);
        while std::io::BufRead::read_line(&mut lines, &mut head).is_ok_and(|read| read > 2) {}
        head
    });
    let environment = [
        ("HOME", home.path().to_str().unwrap()),
        ("AWS_ACCESS_KEY_ID", "ENVKEY"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", &endpoint),
    ];
    let unknown = taskbell("drift --cluster batch --profile nope", &environment);
    assert_eq!(unknown.status.code(), Some(1));
    let told = text(&unknown.stderr);
    assert!(told.starts_with("error: there is no profile \"nope\" in the AWS configuration\n"), "{told}");
    assert!(told.contains("list-profiles"), "{told}");
    taskbell("drift --cluster batch --profile other", &environment);
    drop(std::net::TcpStream::connect(endpoint.trim_start_matches("http://")));
    assert!(asked.join().unwrap().contains("Credential=OTHERKEY/"));
}

#[test]
fn missing_profile_of_the_environment_is_named_if_nothing_else_suffices() {
    for environment in [vec![("AWS_PROFILE", "nope")], vec![("AWS_PROFILE", "nope"), ("AWS_REGION", "us-east-1")]] {
        let output = taskbell("drift --cluster batch", &environment);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).starts_with("error: there is no profile \"nope\""), "{output:?}");
    }
    let keys = [
        KEYS[0],
        KEYS[1],
        ("AWS_PROFILE", "nope"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
    ];
    let output = taskbell("drift --cluster batch", &keys);
    assert!(text(&output.stderr).contains("no answer to sts:GetCallerIdentity"), "{output:?}");
}

#[test]
fn output_without_a_terminal_is_coloured_only_on_request() {
    let cluster = "pattern show nowhere";
    let escape = '\u{1b}';
    assert!(!text(&taskbell(cluster, &[]).stderr).contains(escape));
    assert!(text(&taskbell(&format!("{cluster} --color always"), &[]).stderr).contains(escape));
    assert!(text(&taskbell(cluster, &[("CLICOLOR_FORCE", "1")]).stderr).contains(escape));
    let refused = [("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")];
    assert!(!text(&taskbell(&format!("{cluster} --color never"), &refused).stderr).contains(escape));
}

#[test]
fn bound_pattern_is_as_reviewed() {
    for pattern in ["task-failed", "nonzero-exit"] {
        let cluster = "--cluster arn:aws:ecs:us-east-1:123456789012:cluster/batch";
        let output = taskbell(&format!("pattern show {pattern} {cluster}"), &[]);
        insta::assert_snapshot!(format!("pattern-{pattern}"), text(&output.stdout));
    }
}

/// The commands that print without an AWS.
const PRINTING: [&str; 20] = [
    "--help",
    "--version",
    "setup --help",
    "pattern test -h",
    "preview",
    "preview --output json",
    "preview oom",
    "preview oom --output json",
    "preview oom --for sns",
    "pattern list",
    "pattern list --output json",
    "pattern show task-failed --cluster batch",
    "pattern test oom",
    "pattern test oom --output json",
    "export cloudformation --cluster batch",
    "export terraform --cluster batch",
    "init --schema",
    "completions bash",
    "man",
    "man pattern test",
];

fn into(line: &str, stdout: impl Into<Stdio>) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
    command.args(line.split_whitespace()).env_clear().env("HOME", home.path()).stdin(Stdio::null());
    command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
}

#[cfg(target_os = "linux")]
fn full() -> std::fs::File {
    std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// Checks a full disk under the output: a script must not go on with half a file.
#[cfg(target_os = "linux")]
#[test]
fn output_on_a_full_disk_is_an_error() {
    for line in PRINTING {
        let output = into(line, full());
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {told}");
        let error = "error: could not write all of the output\n  caused by: No space left on device";
        assert!(told.contains(error), "{line}: {told}");
    }
}

/// Checks a reader that has seen enough, as `head` has: that is no error, and the exit code stays that of the command.
#[test]
fn closed_pipe_is_no_error() {
    for line in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = into(line, writer);
        assert_eq!(
            (output.status.code(), text(&output.stderr).contains("error")),
            (Some(0), false),
            "{line}: {output:?}"
        );
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let event = concat!(env!("CARGO_MANIFEST_DIR"), "/patterns/events/02-oom.json");
    let differs = into(&format!("pattern test {event} --pattern spot-interrupted"), writer);
    assert_eq!(differs.status.code(), Some(1), "{differs:?}");
}

/// Checks the files that commands write.
#[cfg(target_os = "linux")]
#[test]
fn file_on_a_full_disk_is_an_error() {
    for line in [
        "preview oom --html /dev/full",
        "export notifier --to /dev/full",
        "init --cluster batch --force --config /dev/full",
    ] {
        let output = into(line, Stdio::null());
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains("could not write /dev/full"), "{line}: {output:?}");
    }
}

/// Checks that an error on a full stderr is an error all the same, and that a lost message does not change the result.
#[cfg(target_os = "linux")]
#[test]
fn full_disk_under_stderr_changes_no_exit_code() {
    let home = tempfile::tempdir().unwrap();
    for (line, code) in [("preview oom", 0), ("drift", 64), ("preview no-such-sample", 64)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
        command.args(line.split_whitespace()).env_clear().env("HOME", home.path()).stdin(Stdio::null());
        let status = command.stdout(Stdio::null()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{line}");
    }
}
