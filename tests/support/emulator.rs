//! Provides a local AWS in its own process, and a substitute for Slack, for end-to-end tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use serde_json::{Value, json};

use crate::support::Outcome;

/// A local AWS, started by dev/local-aws, which ends the emulator when its command ends: a `cat` that runs until this value is
/// dropped or the process of the test is gone. A test has one emulator at a time.
pub struct Emulator {
    child: Child,
    pub endpoint: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Emulator {
    pub fn start(name: &str) -> Self {
        assert!(root().join(".local/installed").exists(), "run dev/install first (`make test` does)");
        let mut child = Command::new(root().join("dev/local-aws"))
            .args([name, "--", "sh", "-c", "echo $AWS_ENDPOINT_URL; exec cat >/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut endpoint = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        assert!(endpoint.starts_with("http"), "the local AWS did not start");
        Self { child, endpoint: endpoint.trim().to_owned() }
    }

    /// Returns the names of all resources.
    pub async fn listing(&self) -> Value {
        let sdk = self.sdk().await;
        let rules = aws_sdk_eventbridge::Client::new(&sdk).list_rules().send().await.unwrap();
        let functions = aws_sdk_lambda::Client::new(&sdk).list_functions().send().await.unwrap();
        let iam_roles = aws_sdk_iam::Client::new(&sdk).list_roles().send().await.unwrap();
        let queues = aws_sdk_sqs::Client::new(&sdk).list_queues().send().await.unwrap();
        let groups = aws_sdk_cloudwatchlogs::Client::new(&sdk).describe_log_groups().send().await.unwrap();
        let tables = aws_sdk_dynamodb::Client::new(&sdk).list_tables().send().await.unwrap();
        let alarms = aws_sdk_cloudwatch::Client::new(&sdk).describe_alarms().send().await.unwrap();
        let parameters = aws_sdk_ssm::Client::new(&sdk).describe_parameters().send().await.unwrap();
        let calls = aws_sdk_scheduler::Client::new(&sdk);
        let schedule_groups = calls.list_schedule_groups().send().await.unwrap();
        // Every account has the group `default`.
        let schedule_groups = schedule_groups.schedule_groups().iter().filter_map(|group| group.name());
        let schedule_groups: Vec<&str> = schedule_groups.filter(|name| *name != "default").collect();
        let schedules = calls.list_schedules().send().await.unwrap();
        json!({
            "schedule_groups": schedule_groups,
            "schedules": schedules.schedules().iter().filter_map(|schedule| schedule.name()).collect::<Vec<_>>(),
            "rules": rules.rules().iter().filter_map(|rule| rule.name()).collect::<Vec<_>>(),
            "functions": functions.functions().iter().filter_map(|function| function.function_name()).collect::<Vec<_>>(),
            "roles": iam_roles.roles().iter().map(aws_sdk_iam::types::Role::role_name).collect::<Vec<_>>(),
            "queues": queues.queue_urls(),
            "tables": tables.table_names(),
            "alarms": alarms.metric_alarms().iter().filter_map(|alarm| alarm.alarm_name()).collect::<Vec<_>>(),
            "groups": groups.log_groups().iter().filter_map(|group| group.log_group_name()).collect::<Vec<_>>(),
            "parameters": parameters.parameters().iter().filter_map(|parameter| parameter.name()).collect::<Vec<_>>(),
        })
    }

    /// Waits until the listing is as before, and checks that it remains so: the emulator may finish a removal after its answer.
    pub async fn is_again(&self, before: &Value) {
        // Reached only by a test that leaves a resource behind.
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.listing().await != *before && Instant::now() < deadline {
            pause();
        }
        pause();
        assert_eq!(self.listing().await, *before);
    }

    /// Returns an SDK configuration for changes by hand.
    pub async fn sdk(&self) -> SdkConfig {
        let http = aws_smithy_http_client::Builder::new().build_http();
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .http_client(http)
            .test_credentials()
            .load()
            .await
    }

    /// Runs the real binary to its end. The line is split at spaces: an argument cannot contain one.
    pub fn taskbell(&self, line: &str, webhook: Option<&str>) -> Outcome {
        self.start_taskbell(line, webhook).end(String::new())
    }

    /// Starts the real binary and returns while it runs.
    pub fn start_taskbell(&self, line: &str, webhook: Option<&str>) -> Running {
        start_at(&self.endpoint, line, webhook)
    }
}

/// Runs the real binary against the AWS at this endpoint.
pub fn taskbell_at(endpoint: &str, line: &str, webhook: Option<&str>) -> Outcome {
    start_at(endpoint, line, webhook).end(String::new())
}

fn start_at(endpoint: &str, line: &str, webhook: Option<&str>) -> Running {
    // The example in `src/operations/mod.rs` compiles this file, too, without the binary: `env!` would not compile.
    let Some(binary) = option_env!("CARGO_BIN_EXE_taskbell") else {
        panic!("only integration tests can run the binary")
    };
    let mut command = Command::new(binary);
    command
        .args(line.split_whitespace())
        .env_clear()
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(webhook) = webhook {
        command.env("TASKBELL_SLACK_WEBHOOK_URL", webhook);
    }
    let mut child = command.spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    Running { child, out }
}

/// The running binary. Nothing reads stderr until the end, so that its output has to fit into the buffer of
/// a pipe (64 KiB on Linux).
pub struct Running {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Running {
    /// Reads the output up to the first line that contains this text.
    pub fn until(&mut self, text: &str) -> String {
        let mut printed = String::new();
        while !printed.contains(text) {
            let read = self.out.read_line(&mut printed).unwrap();
            assert!(read > 0, "it ended before it said {text}: {printed}");
        }
        printed
    }

    /// Interrupts the binary, as Ctrl-C does.
    pub fn interrupt(&self) {
        Command::new("kill").arg("-INT").arg(self.child.id().to_string()).status().unwrap();
    }

    /// Waits for the end and returns the outcome; `printed` is the output that was already read.
    pub fn end(mut self, printed: String) -> Outcome {
        let mut out = printed;
        self.out.read_to_string(&mut out).unwrap();
        let output = self.child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        let code = u8::try_from(output.status.code().unwrap()).unwrap();
        let raw = [out.clone(), err.clone()];
        let outcome = Outcome { code, out, err, raw };
        assert!(!format!("{outcome:?}").contains(super::SECRET), "the webhook was printed: {outcome:?}");
        outcome
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// A substitute for Slack that gives every POST the answer that the test sets, and keeps the messages.
pub struct Slack {
    pub port: u16,
    messages: Arc<Mutex<Vec<Value>>>,
    answer: Arc<Mutex<(u16, &'static str)>>,
}

impl Slack {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let slack = Self { port, messages: Arc::default(), answer: Arc::new(Mutex::new((200, "ok"))) };
        let (messages, answer) = (Arc::clone(&slack.messages), Arc::clone(&slack.answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (status, body) = *answer.lock().unwrap();
                // A thread that nothing waits for keeps the connection open.
                if status == 0 {
                    std::thread::spawn(move || std::io::copy(&mut &stream, &mut std::io::sink()));
                    continue;
                }
                // A client that sends nothing delays no other client.
                let messages = Arc::clone(&messages);
                std::thread::spawn(move || exchange(stream, status, body, &messages));
            }
        });
        slack
    }

    pub fn webhook(&self) -> String {
        format!("http://127.0.0.1:{}/services/T00000000/B00000000/{}", self.port, super::SECRET)
    }

    pub fn answer_with(&self, status: u16, body: &'static str) {
        *self.answer.lock().unwrap() = (status, body);
    }

    /// Lets Slack accept every connection and never answer.
    pub fn never_answer(&self) {
        self.answer_with(0, "");
    }

    /// Forgets the messages that came so far.
    pub fn forget(&self) {
        self.messages.lock().unwrap().clear();
    }

    /// Waits for the first `count` messages and returns all messages.
    pub fn wait_for(&self, count: usize) -> Vec<Value> {
        // Reached only by a test whose message never comes.
        let deadline = Instant::now() + Duration::from_mins(10);
        loop {
            let messages = self.messages.lock().unwrap().clone();
            if messages.len() >= count {
                return messages;
            }
            assert!(Instant::now() < deadline, "only {} of {count} messages came", messages.len());
            pause();
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "other processes are waited for")]
pub fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}

/// Keeps the message before answering, so that a client that has its answer finds the message here.
fn exchange(mut stream: TcpStream, status: u16, answer: &str, messages: &Mutex<Vec<Value>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    messages.lock().unwrap().extend(serde_json::from_slice(&body).ok());
    write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len()).ok()
}

pub fn sample(name: &str) -> Value {
    let path: PathBuf = root().join("patterns/events").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
