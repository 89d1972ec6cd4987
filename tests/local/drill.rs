//! Checks `drill` on a local AWS: through the whole live chain, and with the name of the broken link.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use serde_json::json;

use crate::support::Outcome;
use crate::support::aws::{Shape, undelivered};
use crate::support::emulator::{Emulator, Slack, pause};

const DRILL: &str = "drill --cluster batch";

/// The value of NEAR in src/operations/drill/trace.rs: a drill counts log lines up to this much older than itself as its own.
const LINES_ARE_NEAR: Duration = Duration::from_secs(2);

/// A stack on the shared local AWS: each case has its own stack, cluster and Slack.
struct Place {
    aws: Arc<Emulator>,
    name: String,
    slack: Slack,
    lambda: aws_sdk_lambda::Client,
    events: aws_sdk_eventbridge::Client,
    ssm: aws_sdk_ssm::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Place {
    async fn new(aws: &Arc<Emulator>, name: &str) -> Self {
        let sdk = aws.sdk().await;
        aws_sdk_ecs::Client::new(&sdk).create_cluster().cluster_name(name).send().await.unwrap();
        let place = Self {
            aws: Arc::clone(aws),
            name: name.to_owned(),
            slack: Slack::start(),
            lambda: aws_sdk_lambda::Client::new(&sdk),
            events: aws_sdk_eventbridge::Client::new(&sdk),
            ssm: aws_sdk_ssm::Client::new(&sdk),
            logs: aws_sdk_cloudwatchlogs::Client::new(&sdk),
            sqs: aws_sdk_sqs::Client::new(&sdk),
        };
        let setup = place.run(&format!("setup --cluster {name} --yes --allow-any-webhook-host")).await;
        assert_eq!(setup.code, 0, "{setup:?}");
        place
    }

    /// Runs the binary on its own thread, so that the other cases continue meanwhile.
    async fn run(&self, line: &str) -> Outcome {
        let (aws, line, webhook) = (Arc::clone(&self.aws), line.to_owned(), self.slack.webhook());
        tokio::task::spawn_blocking(move || aws.taskbell(&line, Some(&webhook))).await.unwrap()
    }

    async fn drill(&self, flags: &str) -> Outcome {
        self.run(&format!("drill --cluster {} {flags}", self.name)).await
    }

    fn stack(&self) -> String {
        format!("taskbell-{}", self.name)
    }

    fn rule(&self) -> String {
        format!("taskbell-{}-task-failed", self.name)
    }

    /// Runs the function once, so that it has started before a drill counts the time, and waits until no drill counts the lines of
    /// that run as its own.
    async fn runs(&self) {
        let run = self.lambda.invoke().function_name(self.stack()).payload(Blob::new("{}")).send().await.unwrap();
        assert_eq!(run.function_error(), None, "{run:?}");
        tokio::time::sleep(LINES_ARE_NEAR + Duration::from_secs(1)).await;
    }

    async fn replace_code(&self, source: &str) {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("index.mjs", zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, source.as_bytes()).unwrap();
        let bytes = zip.finish().unwrap().into_inner();
        let call = self.lambda.update_function_code().function_name(self.stack()).zip_file(Blob::new(bytes));
        call.send().await.unwrap();
        self.runs().await;
    }
}

type Break = for<'a> fn(&'a Place) -> BoxFuture<'a, ()>;

/// A case: the broken link, the change that breaks it, the exit code, the hop, words of the output, and flags of the drill.
type Link = (&'static str, Break, u8, &'static str, &'static str, &'static str);

macro_rules! links {
    ($( $what:literal $place:ident => $break:expr, $code:literal $hop:literal $told:literal $flags:literal; )*) => {
        vec![$( ($what, (|$place: &Place| async move { $break; }.boxed()) as Break, $code, $hop, $told, $flags) ),*]
    };
}

#[allow(clippy::semicolon_if_nothing_returned, reason = "a table of changes, one expression each")]
fn broken_links() -> Vec<Link> {
    links! {
        "rule disabled" place => place.events.disable_rule().name(place.rule()).send().await.unwrap(),
            1 "rule" "rule/task-failed is disabled" "--timeout 600";
        "target removed" place =>
            place.events.remove_targets().rule(place.rule()).ids("notifier").send().await.unwrap(),
            1 "rule" "the notifier is not among the rule's targets" "--timeout 600";
        "target's input replaced" place => {
            let targets = place.events.list_targets_by_rule().rule(place.rule()).send().await.unwrap();
            let mut target = targets.targets()[0].clone();
            target.input = Some("{}".to_owned());
            place.events.put_targets().rule(place.rule()).targets(target).send().await.unwrap()
        }, 1 "rule" "replaces the event with another input" "--timeout 600";
        "permission removed" place =>
            place.lambda.remove_permission().function_name(place.stack()).statement_id(place.rule()).send().await.unwrap(),
            1 "rule" "resource policy does not allow the rule to invoke it" "--timeout 600";
        "function deleted" place => place.lambda.delete_function().function_name(place.stack()).send().await.unwrap(),
            1 "rule" "the notifier does not exist" "--timeout 600";
        "reserved concurrency 0" place =>
            place.lambda.put_function_concurrency().function_name(place.stack()).reserved_concurrent_executions(0)
                .send().await.unwrap(),
            1 "rule" "its reserved concurrency is 0" "--timeout 600";
        "code that throws" place =>
            place.replace_code("export const handler = async ({ id }) => { if (id) throw new Error('boom'); };").await,
            1 "notifier" "boom" "--timeout 60";
        "handler wrong" place =>
            place.lambda.update_function_configuration().function_name(place.stack()).handler("index.other").send().await.unwrap(),
            1 "notifier" "ran, but reported nothing within" "--timeout 60";
        "webhook parameter deleted" place =>
            place.ssm.delete_parameter().name(format!("/taskbell/{}/slack-webhook-url", place.name)).send().await.unwrap(),
            1 "webhook" "could not read the webhook from parameter" "--timeout 600";
        "Slack answers 404" place => place.slack.answer_with(404, "no_service"),
            1 "Slack" "Slack answered 404: no_service" "--timeout 600";
        "Slack answers 403" place => place.slack.answer_with(403, "action_prohibited"),
            1 "Slack" "Slack answered 403: action_prohibited" "--timeout 600";
        "Slack answers 500" place => place.slack.answer_with(500, "server_error"),
            1 "Slack" "Slack answered 500: server_error" "--timeout 600";
        "Slack answers 429" place => place.slack.answer_with(429, "rate_limited"),
            1 "Slack" "Slack answered 429: rate_limited" "--timeout 600";
        "Slack never answers" place => place.slack.never_answer(),
            1 "Slack" "no answer in time" "--timeout 600";
        // The emulator creates the group again at the end of the run: Slack delays that end until the drill has read the log.
        "log group deleted" place => {
            place.slack.never_answer();
            place.logs.delete_log_group().log_group_name(format!("/aws/lambda/{}", place.stack())).send().await.unwrap()
        },
            3 "notifier" "ResourceNotFoundException on logs:FilterLogEvents" "--timeout 600";
        "code that tells nothing" place =>
            place.replace_code("export const handler = async () => ({ outcome: 'sent' });").await,
            1 "notifier" "ran, but reported nothing within" "--timeout 60";
    }
}

#[tokio::test]
async fn every_broken_link_is_named_on_a_local_aws() {
    let aws = Arc::new(Emulator::start("ministack"));
    let done = AtomicUsize::new(0);
    let links = broken_links();
    let case = async |(number, link): (usize, &Link)| {
        let (what, make, code, hop, told, flags) = link;
        let place = Place::new(&aws, &format!("case-{number}")).await;
        make(&place).await;
        let marks = ["✓", "✗", "", "?"];
        let named = |drill: &Outcome| {
            let last = drill.out.lines().last().unwrap_or_default();
            let hop = last.starts_with(&format!("{} {hop} ", marks[usize::from(*code)]));
            hop && last.contains(told) && drill.code == *code && drill.err.contains("\n  hint: ")
        };
        let drill = place.drill(flags).await;
        assert!(named(&drill), "{what}: {drill:?}");
        done.fetch_add(1, Ordering::Relaxed);
    };
    // Run slow cases at once: no case waits longer for the Slack of another case than for its own.
    futures_util::stream::iter(links.iter().enumerate().map(case)).buffer_unordered(4).collect::<Vec<()>>().await;
    println!("{} broken links on a local AWS", done.into_inner());
}

#[tokio::test]
async fn every_scenario_reaches_slack_on_a_local_aws() {
    let aws = Arc::new(Emulator::start("ministack"));
    let place = Place::new(&aws, "batch").await;
    let patterns = ["task-failed", "deployment-failed", "service-impaired", "batch-job-failed", "execution-failed"]
        .map(|name| format!("--pattern {name}"))
        .join(" ");
    let setup = place.run(&format!("setup --cluster batch --yes --allow-any-webhook-host {patterns}")).await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let scenarios = [
        "exit-code",
        "out-of-memory",
        "start-failed",
        "spot-interrupted",
        "health-check-failed",
        "deployment-failed",
        "service-impaired",
        "batch-job-failed",
        "execution-failed",
        // Repeat a scenario: no drill is skipped as a repetition.
        "service-impaired",
    ];
    for scenario in scenarios {
        place.slack.forget();
        let drill = place.drill(&format!("--timeout 600 --scenario {scenario}")).await;
        assert_eq!(drill.code, 0, "{scenario}: {drill:?}");
        let text = place.slack.wait_for(1)[0].to_string();
        assert!(text.contains("taskbell-drill") && text.to_lowercase().contains("drill"), "{scenario}: {text}");
    }
    println!("{} drills through the whole chain", scenarios.len());
}

#[tokio::test]
async fn event_in_the_queue_is_found_on_a_local_aws_and_an_interrupt_ends_the_wait() {
    let aws = Arc::new(Emulator::start("ministack"));
    let place = Place::new(&aws, "batch").await;
    // The function ignores the event: the emulator would put an event into the queue only after an asynchronous invocation.
    place.replace_code("export const handler = async () => ({});").await;
    let url =
        place.sqs.get_queue_url().queue_name("taskbell-batch-undelivered").send().await.unwrap().queue_url.unwrap();
    for (shape, told) in [(Shape::Delivery, "function's policy"), (Shape::Invocation, "Slack answered 404: no_service")]
    {
        let mut drill = aws.start_taskbell(&format!("{DRILL} --timeout 600"), None);
        let printed = drill.until("accepted the event ");
        let id = printed.split("accepted the event ").nth(1).unwrap().split(' ').next().unwrap();
        let event =
            json!({ "id": id, "source": "taskbell.drill", "detail-type": "ECS Task State Change", "detail": {} });
        let (body, attributes) = undelivered(&event, shape);
        let mut call = place.sqs.send_message().queue_url(&url).message_body(body.to_string());
        for (name, value) in attributes.as_object().into_iter().flatten() {
            let value = aws_sdk_sqs::types::MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value["StringValue"].as_str().unwrap());
            call = call.message_attributes(name, value.build().unwrap());
        }
        call.send().await.unwrap();
        let drill = drill.end(printed);
        assert!(
            drill.code == 1 && drill.out.contains("which is in the queue: ") && drill.out.contains(told),
            "{drill:?}"
        );
        assert!(drill.err.contains("`taskbell replay` sends the alerts in taskbell-batch-undelivered"), "{drill:?}");
    }
    let mut waiting = aws.start_taskbell(DRILL, None);
    let printed = waiting.until("accepted the event ");
    pause();
    waiting.interrupt();
    let interrupted = waiting.end(printed);
    assert!(interrupted.code == 130 && interrupted.err.contains("was already sent"), "{interrupted:?}");
}
