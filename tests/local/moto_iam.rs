//! The least policies before a judge that is not ours: moto, with its IAM enforced. Each command succeeds with exactly what
//! `permissions` prints, and fails, naming the action, without any single one of them.
//!
//! moto compares the names of actions, and nothing else: to it every resource is `*`, and a condition whose key it does not
//! know denies. Both are taken out of the policies here; `tests/laws/permissions.rs` judges them. It asks about the action of a
//! request alone, not about what AWS wants besides: `iam:PassRole`, `lambda:ListTags`, tags at creation (the tag actions are
//! tried where tags change). It does not tell a function's concurrency, so that `setup` has nothing to take back.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use aws_config::SdkConfig;
use aws_sdk_ecs::types::{ContainerDefinition, LaunchType};
use aws_sdk_iam::config::{Credentials, SharedCredentialsProvider};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::emulator::{Emulator, sample};
use crate::support::hand::{GROUP, Hand, QUEUE, TABLE, changes_by_hand};
use crate::support::iam::{actions, attach, put_into_profile, was_refused, without};
use crate::support::{self, Outcome};

/// What moto does otherwise than AWS: see `tests/local/e2e.rs`.
const ON_MOTO: &str = "--ignore function/notifier/log_format";
const ALL: &str = "--tag team=data --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call";

/// What is there before the command, made by whoever may do everything.
#[derive(Clone, Copy)]
enum State {
    Nothing,
    /// The stack with all it can have.
    Everything,
    /// Much of it changed by hand.
    Changed,
    /// Something attached to the role, the table protected.
    Held,
    /// The role in an instance profile, which no policy lets it leave.
    InProfile,
    /// An alert in the queue, a stream in the log, and a task that runs.
    Used,
}

struct Case {
    state: State,
    line: String,
    code: u8,
}

struct Moto {
    server: Emulator,
    sdk: SdkConfig,
}

impl Moto {
    async fn start() -> Self {
        let server = Emulator::start("moto").await;
        let sdk = server.sdk().await;
        Self { server, sdk }
    }

    fn tell(&self, path: &str, body: &str) -> String {
        let address = self.server.endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!("POST {path} HTTP/1.0\r\nhost: {address}\r\ncontent-type: text/plain");
        write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.split(' ').nth(1).unwrap().starts_with('2'), "{answer}");
        body.to_owned()
    }

    fn enforce(&self, enforced: bool) {
        self.tell("/moto-api/reset-auth", if enforced { "0" } else { "inf" });
    }

    async fn almighty(&self, line: &str) -> Outcome {
        support::run_with(self.sdk.clone(), line, Some(support::WEBHOOK), CancellationToken::new()).await
    }

    /// A run by a user with this policy.
    async fn with_policy(&self, policy: &Value, line: &str) -> Outcome {
        let iam = aws_sdk_iam::Client::new(&self.sdk);
        let name = format!("ci-{}", fastrand::u64(..));
        iam.create_user().user_name(&name).send().await.unwrap();
        let key = iam.create_access_key().user_name(&name).send().await.unwrap().access_key.unwrap();
        let policy = for_moto(policy);
        if policy["Statement"] != json!([]) {
            let call = iam.put_user_policy().user_name(&name).policy_name("least");
            call.policy_document(policy.to_string()).send().await.unwrap();
        }
        let credentials = Credentials::new(key.access_key_id, key.secret_access_key, None, None, "test");
        let sdk = self.sdk.to_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build();
        self.enforce(true);
        let outcome = support::run_with(sdk, line, Some(support::WEBHOOK), CancellationToken::new()).await;
        self.enforce(false);
        outcome
    }

    fn judged(&self) -> BTreeSet<String> {
        let names: Vec<String> = serde_json::from_str(&self.tell("/judged", "")).unwrap();
        names.iter().map(|name| of_moto(name)).collect()
    }

    /// The ARN of a task that runs, where one does.
    async fn prepare(&self, state: State) -> String {
        self.enforce(false);
        self.tell("/moto-api/reset", "");
        self.tell("/moto-api/config", r#"{"lambda":{"use_docker":false}}"#);
        let ecs = aws_sdk_ecs::Client::new(&self.sdk);
        ecs.create_cluster().cluster_name("batch").send().await.unwrap();
        Hand::with(&self.sdk).store("/mine/webhook").await;
        if matches!(state, State::Nothing) {
            return String::new();
        }
        let setup = self.almighty(&format!("setup --cluster batch --yes --no-pattern-check {ON_MOTO} {ALL}")).await;
        assert_eq!(setup.code, 0, "{setup:?}");
        let hand = Hand::with(&self.sdk);
        match state {
            State::Nothing | State::Everything => {}
            State::Changed => change(&hand).await,
            State::Held => hold(&hand).await,
            State::InProfile => put_into_profile(&hand).await,
            State::Used => return self.use_it(&hand).await,
        }
        String::new()
    }

    async fn use_it(&self, hand: &Hand) -> String {
        let url = hand.sqs.get_queue_url().queue_name(QUEUE).send().await.unwrap().queue_url.unwrap();
        let event = json!({ "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {} });
        hand.sqs.send_message().queue_url(url).message_body(event.to_string()).send().await.unwrap();
        hand.logs.create_log_stream().log_group_name(GROUP).log_stream_name("x").send().await.unwrap();
        let results = json!({ "results": [json!({ "outcome": "sent", "status": 200 }).to_string()] });
        self.tell("/moto-api/static/lambda-simple/response", &results.to_string());
        let ecs = aws_sdk_ecs::Client::new(&self.sdk);
        let container = ContainerDefinition::builder().name("app").image("app").memory(64).build();
        ecs.register_task_definition().family("web").container_definitions(container).send().await.unwrap();
        let call = ecs.run_task().cluster("batch").task_definition("web").launch_type(LaunchType::Fargate);
        call.send().await.unwrap().tasks()[0].task_arn().unwrap().to_owned()
    }
}

/// One change that each of these asks `setup` for.
const CHANGED: [(&str, &str); 15] = [
    ("log_group/notifier", "/retention_days"),
    ("queue/undelivered", "/retention_seconds"),
    ("table/announcements", "/deletion_protection"),
    ("role/notifier", "/trust"),
    ("role/notifier", "/description"),
    ("role/notifier", "/permissions_boundary"),
    ("role/notifier", "/policies/extra"),
    ("function/notifier", "/memory_mib"),
    ("function/notifier", "/code_sha256"),
    ("function/notifier", "/timeout_seconds"),
    ("function/notifier", "/permissions/other"),
    ("rule/task-failed", "/targets/extra"),
    ("rule/task-failed", "/state"),
    ("alarm/undelivered", "/threshold"),
    ("alarm/undelivered", "/tags/team"),
];

async fn change(hand: &Hand) {
    attach(hand).await;
    for (id, path, change) in changes_by_hand() {
        if CHANGED.contains(&(id, path)) {
            change(hand).await;
        }
    }
}

/// What teardown has to take away first.
async fn hold(hand: &Hand) {
    attach(hand).await;
    let call = hand.dynamodb.update_table().table_name(TABLE);
    call.deletion_protection_enabled(true).send().await.unwrap();
}

/// The policy as moto can judge it: every resource, no condition, and its names for two things. The service's part of a name
/// is for moto what the request was signed for, and the rest the operation's name.
fn for_moto(policy: &Value) -> Value {
    let mut policy = policy.clone();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        statement["Resource"] = json!("*");
        statement.as_object_mut().unwrap().remove("Condition");
        for action in statement["Action"].as_array_mut().unwrap() {
            let text = action.as_str().unwrap().replace("cloudwatch:", "monitoring:");
            *action = json!(text.replace("lambda:InvokeFunction", "lambda:Invoke"));
        }
    }
    policy["Statement"].as_array_mut().unwrap().retain(|statement| statement["Action"] != json!([]));
    policy
}

fn of_moto(action: &str) -> String {
    let action = action.replace("monitoring:", "cloudwatch:");
    if action == "lambda:Invoke" { "lambda:InvokeFunction".to_owned() } else { action }
}

fn cases(command: &str, folder: &Path) -> Vec<Case> {
    let case = |state, line: &str, code| Case { state, line: line.to_owned(), code };
    let setup = format!("setup --cluster batch --yes {ON_MOTO}");
    let (quiet, event) = (folder.join("quiet.json"), folder.join("event.json"));
    let (quiet, event) = (quiet.display(), event.display());
    match command {
        "setup" => {
            let line = format!("{setup} --no-pattern-check");
            vec![
                // What is there is read before anything is written; what was written, for two minutes if need be.
                case(State::Everything, &format!("{line} {ALL}"), 0),
                case(State::Nothing, &format!("{line} {ALL}"), 0),
                case(State::Everything, &line, 0),
                case(State::Everything, &format!("{line} {}", ALL.replace("--tag team=data", "")), 0),
                case(State::Changed, &format!("{line} {ALL}"), 0),
                case(State::Everything, &format!("{line} --no-dedupe --pattern nonzero-exit"), 0),
                case(State::Held, &format!("{line} --role-arn arn:aws:iam::123456789012:role/mine"), 0),
                case(State::InProfile, &format!("{line} --role-arn arn:aws:iam::123456789012:role/mine"), 1),
                case(State::Everything, &format!("{line} --slack-webhook-parameter /mine/webhook"), 0),
                case(State::Everything, &format!("{line} --permissions-boundary arn:aws:iam::aws:policy/x"), 0),
                case(State::Everything, &format!("{line} --log-retention never"), 0),
                // moto says of every pattern that nothing matches it.
                case(State::Nothing, &format!("{setup} --pattern {quiet}"), 0),
            ]
        }
        "drift" => vec![case(State::Everything, &format!("drift --cluster batch {ON_MOTO} {ALL}"), 0)],
        "teardown" => vec![
            case(State::Everything, "teardown --cluster batch --yes", 0),
            case(State::Held, "teardown --cluster batch --yes", 0),
            case(State::InProfile, "teardown --cluster batch --yes", 1),
        ],
        // No function runs on moto: what nobody tells of is looked for in the queue.
        "drill" => vec![case(State::Used, "drill --cluster batch --timeout 1", 1)],
        "replay" => vec![
            case(State::Used, "replay --cluster batch --yes", 0),
            case(State::Used, "replay --cluster batch --purge --yes", 0),
        ],
        "status" => vec![case(State::Used, "status --cluster batch", 0)],
        "pattern-test" => vec![
            case(State::Everything, &format!("pattern test {event} --live --cluster batch"), 0),
            // It still runs: nothing rings.
            case(State::Used, &format!("pattern test --task {TASK}"), 1),
        ],
        "notify" => vec![case(State::Everything, "notify broken", 0)],
        other => panic!("{other}"),
    }
}

/// Stands for the ARN of the task that runs.
const TASK: &str = "TASK";

/// Each action, taken away in the first case in which moto was asked about it. What moto was never asked about is told.
async fn needs_all_of_its_policy(moto: &Moto, command: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("quiet.json"), r#"{"source":["nobody"]}"#).unwrap();
    let event = sample("01-exit-nonzero.json").to_string().replace(":cluster/prod", ":cluster/batch");
    std::fs::write(folder.path().join("event.json"), event).unwrap();
    let policy = |line: &str| {
        let flag = |name: &str| line.split(&format!(" {name} ")).nth(1).map(|arn| format!("{name} {arn}"));
        let flags = flag("--role-arn").or_else(|| flag("--permissions-boundary")).unwrap_or_default();
        format!("permissions --cluster batch --for {command} {flags}")
    };
    let (mut tried, mut granted) = (BTreeSet::new(), BTreeSet::new());
    for case in cases(command, folder.path()) {
        let policy = moto.almighty(&policy(&case.line)).await.json();
        let of_case = actions(&policy);
        granted.extend(of_case.clone());
        let mut task = moto.prepare(case.state).await;
        moto.judged();
        let outcome = moto.with_policy(&policy, &case.line.replace(TASK, &task)).await;
        let judged = moto.judged();
        assert!(outcome.code == case.code && !was_refused(&outcome), "{}: {outcome:?}", case.line);
        let fresh = |action: &&String| judged.contains(*action) && !tried.contains(*action);
        let removals: Vec<String> = of_case.iter().filter(fresh).cloned().collect();
        let mut prepared = false;
        for action in removals {
            if !prepared {
                task = moto.prepare(case.state).await;
            }
            moto.judged();
            let line = case.line.replace(TASK, &task);
            let outcome = moto.with_policy(&without(&policy, &action), &line).await;
            let told = format!("{}{}", outcome.out, outcome.err);
            assert!(outcome.code != 0 && told.contains(&action), "{} without {action}: {outcome:?}", case.line);
            // Where nothing was written, the next may begin.
            prepared = moto.judged().iter().all(|action| reads(action));
            tried.insert(action);
        }
    }
    println!("{command}: {} of {} actions, taken away one at a time", tried.len(), granted.len());
    granted.difference(&tried).cloned().collect()
}

fn reads(action: &str) -> bool {
    let verb = action.split_once(':').unwrap().1;
    ["Get", "List", "Describe"].iter().any(|read| verb.starts_with(read))
}

/// The actions of each command that moto was never asked about.
async fn of_each(commands: &[&str]) -> String {
    let moto = Moto::start().await;
    let mut told = String::new();
    for command in commands {
        let unjudged: Vec<String> = needs_all_of_its_policy(&moto, command).await.into_iter().collect();
        if !unjudged.is_empty() {
            let _ = writeln!(told, "{command}: {}", unjudged.join(" "));
        }
    }
    told
}

#[tokio::test]
async fn to_moto_too_setup_needs_all_of_its_policy() {
    let unjudged = of_each(&["setup"]).await;
    insta::assert_snapshot!(unjudged, @"setup: iam:PassRole lambda:DeleteFunctionConcurrency lambda:ListTags");
}

#[tokio::test]
async fn to_moto_too_every_other_command_needs_all_of_its_policy() {
    let commands = ["drift", "teardown", "drill", "replay", "status", "pattern-test", "notify"];
    insta::assert_snapshot!(of_each(&commands).await, @r"
    drift: lambda:ListTags
    teardown: lambda:ListTags
    drill: lambda:ListTags
    replay: lambda:ListTags
    status: lambda:ListTags
    pattern-test: lambda:ListTags
    ");
}
