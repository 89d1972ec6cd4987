//! Checks the least policies with an independent evaluator: moto, with its IAM enforced. Each command succeeds with exactly the
//! policy that `permissions` prints, and fails without any single action of it, naming the action.
//!
//! moto compares only the names of actions: it treats every resource as `*`, and denies a condition whose key it does not know.
//! This test removes both from the policies; `tests/laws/permissions.rs` checks them. moto checks only the action of a request,
//! not the others that AWS requires: `iam:PassRole`, `lambda:ListTags`, tags at creation (the test removes the tag actions where
//! tags change). moto does not report a function's concurrency, so `setup` has no concurrency to remove, and the changes by hand here
//! leave out the table's policy, event source mappings, code signing and subscription filters.

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

/// Flags for a property that moto handles differently than AWS: see `tests/local/e2e.rs`.
const ON_MOTO: &str = "--ignore function/notifier/log_format";
const ALL: &str = "--tag team=data --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call \
    --expect nightly,every=26h --expect nightly,max-runtime=2h";

/// The state before the command, prepared with all permissions.
#[derive(Clone, Copy)]
enum State {
    Nothing,
    /// A stack with all kinds of resources.
    Everything,
    /// A stack with many changes by hand.
    Changed,
    /// A stack with a policy attached to the role, and a protected table.
    Held,
    /// A stack whose role is in an instance profile; no printed policy allows its removal from there.
    InProfile,
    /// A stack with an alert in the queue, a stream in the log, and a running task.
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
        let server = Emulator::start("moto");
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

    /// Runs a command as a user with this policy.
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

    /// Prepares the state, and returns the ARN of the running task, or an empty text.
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

/// Changes by hand that `setup` repairs, each with another action.
const CHANGED: [(&str, &str); 17] = [
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
    ("watch/schedules", "/schedules/every-ce1ecc98/state"),
    ("watch/schedules", "/schedules/mine"),
];

async fn change(hand: &Hand) {
    attach(hand).await;
    for (id, path, change) in changes_by_hand() {
        if CHANGED.contains(&(id, path)) {
            change(hand).await;
        }
    }
}

/// Adds the obstacles that teardown has to remove first.
async fn hold(hand: &Hand) {
    attach(hand).await;
    let call = hand.dynamodb.update_table().table_name(TABLE);
    call.deletion_protection_enabled(true).send().await.unwrap();
}

/// Returns the policy in a form that moto can check: every resource, no condition, and moto's names for two actions. To moto, the
/// service in an action's name is the one that the request is signed for, and the rest is the operation's name.
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
            let line = format!("{setup} --no-pattern-check --reset");
            vec![
                // Setup reads existing resources before it writes; after it wrote, it reads for up to two minutes.
                case(State::Everything, &format!("{line} {ALL}"), 0),
                case(State::Nothing, &format!("{line} {ALL}"), 0),
                case(State::Everything, &line, 0),
                case(State::Everything, &format!("{line} {}", ALL.replace("--tag team=data", "")), 0),
                case(State::Changed, &format!("{line} {ALL}"), 0),
                case(State::Everything, &format!("{line} --no-dedupe --pattern nonzero-exit"), 0),
                case(State::Held, &format!("{line} --notifier-role-arn arn:aws:iam::123456789012:role/mine"), 0),
                case(State::InProfile, &format!("{line} --notifier-role-arn arn:aws:iam::123456789012:role/mine"), 1),
                case(State::Everything, &format!("{line} --slack-webhook-parameter /mine/webhook"), 0),
                case(State::Everything, &format!("{line} --permissions-boundary arn:aws:iam::aws:policy/x"), 0),
                case(State::Everything, &format!("{line} --log-retention never"), 0),
                // To moto, no event matches any pattern.
                case(State::Nothing, &format!("{setup} --pattern {quiet}"), 0),
            ]
        }
        "drift" => vec![case(State::Everything, &format!("drift --cluster batch {ON_MOTO} {ALL}"), 0)],
        "teardown" => vec![
            case(State::Everything, "teardown --cluster batch --yes", 0),
            case(State::Held, "teardown --cluster batch --yes", 0),
            case(State::InProfile, "teardown --cluster batch --yes", 1),
        ],
        // No function runs on moto, so the drill looks in the queue for its event.
        "drill" => vec![case(State::Used, "drill --cluster batch --timeout 1", 1)],
        "replay" => vec![
            case(State::Used, "replay --cluster batch --yes", 0),
            case(State::Used, "replay --cluster batch --purge --yes", 0),
        ],
        "status" => vec![case(State::Used, "status --cluster batch", 2)],
        "pattern-test" => vec![
            case(State::Everything, &format!("pattern test {event} --live --cluster batch"), 0),
            // The task still runs, so no rule matches.
            case(State::Used, &format!("pattern test --task {TASK}"), 1),
        ],
        // Without a cluster, the command reads the clusters in the rules of the stack.
        "jobs" => vec![case(State::Used, "jobs --stack batch", 0)],
        "notify" => vec![case(State::Everything, "notify broken", 0)],
        other => panic!("{other}"),
    }
}

/// The placeholder for the ARN of the running task.
const TASK: &str = "TASK";

/// Removes each action in the first case in which moto checked it, and returns the actions that moto never checked.
async fn needs_all_of_its_policy(moto: &Moto, command: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("quiet.json"), r#"{"source":["nobody"]}"#).unwrap();
    let event = sample("01-exit-nonzero.json").to_string().replace(":cluster/prod", ":cluster/batch");
    std::fs::write(folder.path().join("event.json"), event).unwrap();
    let policy = |line: &str| {
        let flag = |name: &str| line.split(&format!(" {name} ")).nth(1).map(|arn| format!("{name} {arn}"));
        let flags = flag("--notifier-role-arn").or_else(|| flag("--permissions-boundary")).unwrap_or_default();
        format!("permissions --cluster batch --for {command} {flags}")
    };
    let (mut tried, mut granted) = (BTreeSet::new(), BTreeSet::new());
    for case in cases(command, folder.path()) {
        let printed = policy(&case.line);
        let mut policy = moto.almighty(&printed).await.json();
        if command == "setup" {
            // The stacks have schedules, or had some.
            let more = moto.almighty(&printed.replace("--for setup", "--for schedules")).await.json();
            policy["Statement"].as_array_mut().unwrap().extend(more["Statement"].as_array().unwrap().clone());
        }
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
            // If nothing was written, the next removal can use the same state.
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

/// Returns the actions of each command that moto never checked.
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
async fn setup_needs_all_of_its_policy_on_moto() {
    let unjudged = of_each(&["setup"]).await;
    insta::assert_snapshot!(unjudged, @"setup: dynamodb:DeleteResourcePolicy dynamodb:DisableKinesisStreamingDestination iam:PassRole lambda:DeleteEventSourceMapping lambda:DeleteFunctionCodeSigningConfig lambda:DeleteFunctionConcurrency lambda:ListTags logs:DeleteSubscriptionFilter logs:PutLogGroupDeletionProtection");
}

#[tokio::test]
async fn every_other_command_needs_all_of_its_policy_on_moto() {
    let commands = ["drift", "teardown", "drill", "replay", "status", "jobs", "pattern-test", "notify"];
    // On moto, the removal of a schedule group needs no permission for its schedules.
    insta::assert_snapshot!(of_each(&commands).await, @r"
    drift: lambda:ListTags
    teardown: lambda:ListTags logs:PutLogGroupDeletionProtection scheduler:DeleteSchedule
    drill: lambda:ListTags
    replay: lambda:ListTags
    status: lambda:ListTags
    jobs: lambda:ListTags
    pattern-test: lambda:ListTags
    ");
}
