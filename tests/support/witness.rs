//! Writes the requests of each command line into the folder that `TASKBELL_REQUESTS` names, for the judges in `dev/judges`. Each
//! request is written once. Without this variable, nothing is written.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use clap::{Command, CommandFactory};
use serde_json::{Value, json};
use taskbell::cli::Cli;

use crate::support::Outcome;
use crate::support::aws::{ACCOUNT, REGION};
use crate::support::recorder::Sent;

static BOOK: LazyLock<Option<Book>> = LazyLock::new(|| {
    let folder = PathBuf::from(std::env::var_os("TASKBELL_REQUESTS")?);
    std::fs::create_dir_all(&folder).unwrap();
    let file = File::create(folder.join(format!("tests-{}.jsonl", std::process::id()))).unwrap();
    Some(Book { written: Mutex::new((file, HashSet::new())) })
});

struct Book {
    /// The file, and the hashes of the lines that it has.
    written: Mutex<(File, HashSet<u64>)>,
}

impl Book {
    /// Writes the line that `line` returns, unless the key is known; returns whether the key was new.
    fn write(&self, key: impl Hash, line: impl FnOnce() -> Value) -> bool {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = written.1.insert(hasher.finish());
        if is_new {
            let line = format!("{}\n", line());
            written.0.write_all(line.as_bytes()).unwrap();
        }
        is_new
    }
}

static COMMAND: LazyLock<Command> = LazyLock::new(Cli::command);

/// Returns whether this flag of the command takes a value.
fn takes_value(command: &str, flag: &str) -> bool {
    let both = COMMAND.find_subcommand(command).into_iter().chain([&*COMMAND]);
    let mut of_flag =
        both.flat_map(Command::get_arguments).filter(|argument| argument.get_long() == flag.strip_prefix("--"));
    of_flag.next().is_some_and(|argument| argument.get_action().takes_values())
}

/// Returns the command lines that print the policies for this command line; none: no policy is for it alone. The judge of requests
/// demands a policy for each of them.
pub fn permissions_for(line: &str, region: &str) -> Vec<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let commands: &[&str] = match &words[..] {
        // The settings of these stacks are in a file.
        words if words.iter().any(|word| ["--all", "--config", "--orphans"].contains(word)) => &[],
        // A line without an expectation may remove the schedules of an earlier one.
        ["setup", rest @ ..] if rest.contains(&"--drill") => &["setup", "schedules", "drill"],
        ["setup", ..] => &["setup", "schedules"],
        ["drift" | "graph", ..] => &["drift"],
        ["teardown", ..] => &["teardown"],
        ["drill", ..] => &["drill"],
        ["replay", ..] => &["replay"],
        ["status", ..] => &["status"],
        ["jobs", ..] => &["jobs"],
        ["pattern", "test", rest @ ..] if rest.contains(&"--job") => &["jobs"],
        ["notify", ..] => &["notify"],
        ["pattern", "test", ..] => &["pattern-test"],
        _ => &[],
    };
    let (mut flags, mut named, mut cluster_of_task) = (Vec::new(), Vec::new(), None);
    let mut rest = words.iter().skip(1);
    while let Some(word) = rest.next() {
        match *word {
            "--cluster" | "--stack" | "--notifier-role-arn" | "--permissions-boundary" => {
                flags.extend([*word, rest.next().unwrap_or(&"")]);
            }
            "--task" => cluster_of_task = rest.next().and_then(|arn| arn.split(":task/").nth(1)?.split_once('/')),
            flag if flag.starts_with('-') && takes_value(words[0], flag) => drop(rest.next()),
            word if word.starts_with('-') || commands == ["notify"] || commands == ["pattern-test"] => {}
            cluster => named.push(cluster),
        }
    }
    let names_stack = |flags: &[&str]| flags.contains(&"--cluster") || flags.contains(&"--stack");
    match (cluster_of_task, named.as_slice()) {
        (_, [only]) if !names_stack(&flags) => flags.extend(["--cluster", only]),
        // AWS tells which stack is meant by several clusters.
        (_, [_, ..]) if !flags.contains(&"--stack") => return Vec::new(),
        (Some((cluster, _)), []) if !names_stack(&flags) => flags.extend(["--cluster", cluster]),
        // The user types the cluster later, or the command has nothing to do.
        (None, []) if !names_stack(&flags) && commands != ["notify"] => return Vec::new(),
        _ => {}
    }
    let flags: String = flags.into_iter().flat_map(|word| [" ", word]).collect();
    let of = |command: &&str| format!("permissions --for {command} --account {ACCOUNT} --region {region}{flags}");
    commands.iter().map(of).collect()
}

/// Returns the region of the SDK configuration.
pub fn region(sdk: &SdkConfig) -> String {
    sdk.region().map_or(REGION.to_owned(), ToString::to_string)
}

/// Returns an SDK configuration that writes the requests of this command line, if a folder is given.
pub fn of(sdk: SdkConfig, line: &str) -> SdkConfig {
    let (Some(book), Some(inner)) = (BOOK.as_ref(), sdk.http_client()) else { return sdk };
    let permissions = permissions_for(line, &region(&sdk)).join("\n");
    sdk.to_builder().http_client(SharedHttpClient::new(Witness { inner, book, permissions })).build()
}

/// Writes the policy that this command line printed, or that taskbell refused the line as a mistake. `outcome` runs only if it is not
/// written yet.
pub async fn write_policy(permissions: &str, outcome: impl Future<Output = Outcome>) {
    let Some(book) = BOOK.as_ref() else { return };
    if !book.write(("asked", permissions), || json!({ "asked": permissions })) {
        return;
    }
    let outcome = outcome.await;
    match outcome.code {
        0 => book.write(("policy", permissions), || json!({ "permissions": permissions, "policy": outcome.json() })),
        64 => book.write(("refused", permissions), || json!({ "refused": permissions })),
        _ => false,
    };
}

struct Witness {
    inner: SharedHttpClient,
    book: &'static Book,
    permissions: String,
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Witness({})", self.permissions)
    }
}

impl HttpClient for Witness {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Writing { inner, book: self.book, permissions: self.permissions.clone() })
    }
}

struct Writing {
    inner: SharedHttpConnector,
    book: &'static Book,
    permissions: String,
}

impl std::fmt::Debug for Writing {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Writing({})", self.permissions)
    }
}

impl HttpConnector for Writing {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").map(str::to_owned);
        let key = (&self.permissions, request.method(), request.uri(), &target, request.body().bytes());
        self.book.write(key, || {
            let mut line = json!(Sent::of(&request));
            let scope = request.headers().get("authorization").and_then(|text| text.split_once("Credential="));
            let scope: Vec<&str> = scope.map(|(_, scope)| scope.split('/').collect()).unwrap_or_default();
            line["region"] = json!(scope.get(2));
            line["service"] = json!(scope.get(3));
            line["permissions"] = json!(self.permissions.lines().collect::<Vec<_>>());
            line
        });
        self.inner.call(request)
    }
}
