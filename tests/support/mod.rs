//! Provides what the tests share: a strict AWS in the process, and a world to run the command line in.

#![allow(dead_code, reason = "every test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

pub mod aws;
pub mod by_hand;
mod complete;
pub mod emulator;
pub mod hand;
pub mod hostile;
pub mod iam;
pub mod jobs;
pub mod left;
pub mod limits;
mod mailbox;
pub mod proxy;
pub mod recorder;
pub mod schema;
pub mod script;
pub mod strict;
pub mod tag_index;
pub mod witness;

use std::io::Write;
use std::sync::{Arc, Mutex};

use aws_config::SdkConfig;
use taskbell::aws::client::connections::Connections;
use taskbell::calendar::Zone;
use taskbell::cli;
use taskbell::cli::terminal::{Output, World};
use taskbell::config::{WebhookHosts, webhook};
use tokio_util::sync::CancellationToken;

use aws::Aws;

pub const WEBHOOK: &str = "https://hooks.slack.com/services/T00000000/B00000000/hunter2hunter2hunter2";
/// The part of the webhook that no output may contain.
pub const SECRET: &str = "hunter2";

/// A command's output and exit code.
#[derive(Debug)]
pub struct Outcome {
    pub code: u8,
    pub out: String,
    pub err: String,
    /// Both outputs, with styles and everything else.
    pub raw: [String; 2],
}

impl Outcome {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

#[derive(Clone, Default)]
pub struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Page {
    pub fn text(&self) -> String {
        anstream::adapter::strip_str(&self.raw()).to_string()
    }

    pub fn raw(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Returns the date of all tests, 24 November 2026: with the real date, tests would fail once AWS ends the support of Lambda's
/// runtime.
pub fn today() -> std::time::SystemTime {
    std::time::UNIX_EPOCH + std::time::Duration::from_hours(24 * 20_781)
}

/// Runs a command line, with the webhook in the environment.
pub async fn taskbell(aws: &Aws, line: &str) -> Outcome {
    run(aws, line, Some(WEBHOOK), CancellationToken::new()).await
}

/// Runs a command line without a webhook.
pub async fn taskbell_without_webhook(aws: &Aws, line: &str) -> Outcome {
    run(aws, line, None, CancellationToken::new()).await
}

pub async fn run(aws: &Aws, line: &str, secret: Option<&str>, cancel: CancellationToken) -> Outcome {
    run_at(aws, line, secret, cancel, today).await
}

/// Runs a command line at the time that `clock` returns.
pub async fn run_at(
    aws: &Aws,
    line: &str,
    secret: Option<&str>,
    cancel: CancellationToken,
    clock: fn() -> std::time::SystemTime,
) -> Outcome {
    in_aws(aws, line, secret, cancel, clock, None).await
}

/// Runs a command line against the AWS of this SDK configuration.
pub async fn run_with(sdk: SdkConfig, line: &str, secret: Option<&str>, cancel: CancellationToken) -> Outcome {
    in_world(sdk, line, secret, cancel, today, None).await
}

/// Runs a command line in an interactive terminal where a user types these lines.
pub async fn typing(aws: &Aws, line: &str, lines: &[&str]) -> Outcome {
    in_aws(aws, line, Some(WEBHOOK), CancellationToken::new(), today, Some(lines)).await
}

/// Runs a command line without a webhook in an interactive terminal where a user types these lines.
pub async fn typing_webhook(aws: &Aws, line: &str, lines: &[&str]) -> Outcome {
    in_aws(aws, line, None, CancellationToken::new(), today, Some(lines)).await
}

async fn in_aws(
    aws: &Aws,
    line: &str,
    secret: Option<&str>,
    cancel: CancellationToken,
    clock: fn() -> std::time::SystemTime,
    typed: Option<&[&str]>,
) -> Outcome {
    match aws.is_hostile() {
        // The real AWS gives no answers that lead to such requests: the judges of requests do not see them.
        true => run_in(aws.sdk(), line, secret, cancel, clock, typed).await,
        false => in_world(aws.sdk(), line, secret, cancel, clock, typed).await,
    }
}

async fn in_world(
    sdk: SdkConfig,
    line: &str,
    secret: Option<&str>,
    cancel: CancellationToken,
    clock: fn() -> std::time::SystemTime,
    typed: Option<&[&str]>,
) -> Outcome {
    // At a terminal, the first setup offers a drill.
    let judged = match typed {
        Some(_) if line.starts_with("setup ") => format!("{line} --drill"),
        _ => line.to_owned(),
    };
    for permissions in witness::permissions_for(&judged, &witness::region(&sdk)) {
        let printed = run_in(sdk.clone(), &permissions, None, CancellationToken::new(), clock, None);
        witness::write_policy(&permissions, printed).await;
    }
    run_in(witness::of(sdk, &judged), line, secret, cancel, clock, typed).await
}

async fn run_in(
    sdk: SdkConfig,
    line: &str,
    secret: Option<&str>,
    cancel: CancellationToken,
    clock: fn() -> std::time::SystemTime,
    typed: Option<&[&str]>,
) -> Outcome {
    let (out, err) = (Page::default(), Page::default());
    let streams = [Output::new(out.clone()), Output::new(err.clone())];
    // Otherwise, the future of each test would contain a whole run several times.
    let code = Box::pin(run_into(streams, sdk, line, secret, cancel, clock, typed)).await;
    let outcome = Outcome { code, out: out.text(), err: err.text(), raw: [out.raw(), err.raw()] };
    assert!(!format!("{outcome:?}").contains(SECRET), "the webhook was printed by `{line}`: {outcome:?}");
    outcome
}

/// Runs a command line with these outputs, and returns its exit code.
pub async fn run_into(
    [out, err]: [Output; 2],
    sdk: SdkConfig,
    line: &str,
    secret: Option<&str>,
    cancel: CancellationToken,
    clock: fn() -> std::time::SystemTime,
    typed: Option<&[&str]>,
) -> u8 {
    let world = World {
        out,
        err,
        interactive: typed.is_some(),
        out_is_terminal: false,
        live: false,
        columns: 80,
        webhook: secret.map(|text| webhook(text, WebhookHosts::Any).unwrap()),
        cancel,
        variable: |_| None,
        zone: Zone::utc(),
        clock,
        signals: false,
        connections: Arc::new(Connections::given(sdk)),
        command: std::sync::OnceLock::new(),
        typed: typed.map(|lines| Arc::new(Mutex::new(lines.iter().map(ToString::to_string).collect()))),
    };
    let arguments = std::iter::once("taskbell".to_owned()).chain(arguments(line)).map(Into::into);
    cli::run(arguments, &world).await
}

/// Splits a command line at its blanks, except for those between single quotes.
fn arguments(line: &str) -> Vec<String> {
    let (mut arguments, mut is_quoted) = (vec![String::new()], false);
    for char in line.chars() {
        match char {
            '\'' => is_quoted = !is_quoted,
            blank if blank.is_whitespace() && !is_quoted => arguments.push(String::new()),
            char => arguments.last_mut().unwrap().push(char),
        }
    }
    arguments.retain(|argument| !argument.is_empty());
    arguments
}
