//! Checks one law for every call of every command: however the call fails, the command ends within its bound, with a documented
//! exit code and the action's name, and a second run completes it. The tests run in the process, on a paused clock.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::aws::{Aws, FOR_GOOD, Failure, Fault, On};
use crate::support::hand::{self, Hand};
use crate::support::{Outcome, taskbell};

/// A command and its circumstances.
struct Command {
    /// The command lines that run before.
    before: &'static [&'static str],
    line: &'static str,
    /// The exit code without a failure.
    code: u8,
    /// The other exit codes that are allowed if a call fails.
    codes: &'static [u8],
    /// The longest allowed duration, by the clock of the process.
    bound: Duration,
    /// The actions that may fail for good without a message: the code states that they are best effort.
    silent: &'static [&'static str],
}

/// A setup of one rule: every kind of call, without the repetitions for further rules.
const SETUP: &str = "setup --cluster batch --reset --yes --pattern task-failed";
const TASK: &str = "arn:aws:ecs:us-east-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";

/// The time for which SQS gives no caller an alert that was in a lost answer; `replay` reports it.
const HOLD: Duration = Duration::from_mins(10);
const HELD: &str = "run the command again in 10 minutes";

const WAYS: [Failure; 6] =
    [Failure::NotSent, Failure::AnswerLost, Failure::ServerError, Failure::Throttled, Failure::Hangs, Failure::Denied];

/// Prepares the stack for the command.
async fn prepared(command: &Command) -> Aws {
    let aws = Aws::new().await;
    for line in command.before {
        let outcome = taskbell(&aws, line).await;
        assert_eq!(outcome.code, 0, "{line}: {outcome:?}");
    }
    aws.notifier_tells(Some(json!({ "outcome": "sent", "ms": { "post": 1 },
        "destinations": [{ "name": "webhook", "kind": "slack", "outcome": "sent", "status": 200, "ms": 1 }] })));
    aws.describe_task(Some(json!({ "taskArn": TASK, "lastStatus": "STOPPED", "stopCode": "TaskFailedToStart",
        "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/batch" })));
    if !command.before.is_empty() {
        let (group, stream) = (hand::GROUP, "2026/11/24/[$LATEST]x");
        let call = Hand::of(&aws).logs.create_log_stream().log_group_name(group).log_stream_name(stream);
        call.send().await.unwrap();
    }
    aws
}

/// Restores the prepared state, whatever the previous case left.
async fn reset(aws: &Aws, prepared: &Aws, command: &Command) {
    aws.become_like(prepared).await;
    if command.line.starts_with("replay") {
        let sqs = Hand::of(aws).sqs;
        let url = sqs.get_queue_url().queue_name(hand::QUEUE).send().await.unwrap().queue_url.unwrap();
        sqs.purge_queue().queue_url(&url).send().await.unwrap();
        let event = json!({ "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {} });
        sqs.send_message().queue_url(url).message_body(event.to_string()).send().await.unwrap();
    }
    aws.forget_calls();
    // Make the pauses between attempts equal in all cases.
    fastrand::seed(7);
}

/// The findings about one command.
#[derive(Default)]
struct Found {
    cases: usize,
    codes: BTreeMap<u8, usize>,
    longest: (Duration, String),
    /// The number of cases whose call was not made.
    never_made: usize,
    /// The number of cases in which the second run continued from a partial state.
    repaired: usize,
    broken: Vec<String>,
    /// The output of the undisturbed command.
    undisturbed: String,
}

impl Found {
    fn judge(&mut self, command: &Command, fault: &Fault, hit: Option<&str>, outcome: &Outcome, took: Duration) {
        let Fault { failure, nth, times, .. } = fault;
        let good = if *times == FOR_GOOD { "for good" } else { "once" };
        let case = format!("{failure:?} {good} at call {nth} ({})", hit.unwrap_or("none"));
        self.cases += 1;
        *self.codes.entry(outcome.code).or_default() += 1;
        let undisturbed = &self.undisturbed;
        let mut broken = |what: &str| self.broken.push(format!("{case}: {what}: {outcome:?}"));
        let as_undisturbed = outcome.code == command.code;
        // Two concurrent readers may or may not share one call, so one run may make a call or two less than another.
        let Some(hit) = hit else {
            self.never_made += 1;
            if !as_undisturbed {
                broken("nothing happened to it");
            }
            return;
        };
        if as_undisturbed && command.line.contains("--dry-run") && outcome.out != *undisturbed {
            broken("another plan");
        }
        if !as_undisturbed && !command.codes.contains(&outcome.code) {
            broken("undocumented exit code");
        }
        let told = format!("{}{}", outcome.out, outcome.err);
        let held = told.contains(HELD);
        let named = told.contains(hit) || held;
        if !named && (!as_undisturbed || (*times == FOR_GOOD && !command.silent.contains(&hit))) {
            broken("the action is not named");
        }
        let met_by_the_sdk = !matches!(failure, Failure::Denied) && *times == 1 && hit != "lambda:Invoke" && !held;
        if met_by_the_sdk && !as_undisturbed {
            broken("one attempt that failed made the command fail");
        }
        if took > command.bound {
            broken(&format!("took {took:?}"));
        }
        if took > self.longest.0 {
            self.longest = (took, case);
        }
    }
}

/// Returns the cases: every call, every way to fail. For commands with many calls, the failure is once or for good by turns;
/// `EVERY_CASE=1` adds the others.
fn cases(calls: usize) -> Vec<(usize, Failure, usize)> {
    let both = calls <= 20 || std::env::var_os("EVERY_CASE").is_some();
    let ways = |nth| WAYS.into_iter().flat_map(move |way| [(nth, way, 1), (nth, way, FOR_GOOD)]);
    let by_turns =
        |(nth, way, times): &(usize, Failure, usize)| (nth + *way as usize).is_multiple_of(2) == (*times == 1);
    (0..calls).flat_map(ways).filter(|case| both || by_turns(case)).collect()
}

async fn holds(command: Command) {
    let began = std::time::Instant::now();
    let (prepared, aws) = (prepared(&command).await, Aws::new().await);
    let before = prepared.everything().await;
    reset(&aws, &prepared, &command).await;
    let outcome = taskbell(&aws, command.line).await;
    assert_eq!(outcome.code, command.code, "{outcome:?}");
    let (goal, calls) = (aws.everything().await, aws.calls().len());
    let mut found = Found { undisturbed: outcome.out, ..Found::default() };
    let expected = cases(calls);
    for &(nth, failure, times) in &expected {
        reset(&aws, &prepared, &command).await;
        let fault = Fault { failure, on: On::EveryLikeIt, nth, times };
        aws.fail(fault.clone());
        let start = Instant::now();
        let outcome = taskbell(&aws, command.line).await;
        let (took, hit) = (start.elapsed(), aws.hit());
        aws.heal();
        found.judge(&command, &fault, hit.as_deref(), &outcome, took);
        // A second run from the first state or the final state is already checked, except for the queue, which is not compared.
        let after = aws.everything().await;
        if (after == before || after == goal) && (outcome.code == 0 || !command.line.starts_with("replay")) {
            continue;
        }
        found.repaired += 1;
        if command.line.starts_with("replay") {
            tokio::time::sleep(HOLD).await;
        }
        let again = taskbell(&aws, command.line).await;
        let changes = taskbell::document::diff(&goal, &aws.everything().await);
        if again.code != command.code || !changes.is_empty() {
            found.broken.push(format!("{fault:?} on {hit:?}: {outcome:?}, and again: {again:?} {changes:#?}"));
        }
    }
    let Found { cases, codes, longest, never_made, repaired, broken, undisturbed: _ } = found;
    println!(
        "{}: {cases} cases over {calls} calls, {repaired} went on from halfway, {never_made} without their call; exit codes {codes:?}; {:?} for {}; {:?}",
        command.line,
        longest.0,
        longest.1,
        began.elapsed()
    );
    assert!(broken.is_empty(), "{} of {cases} broken:\n{}", broken.len(), broken.join("\n"));
    assert!(cases == expected.len() && never_made * 20 <= cases, "{never_made} of {cases} were never made");
}

macro_rules! each_command {
    ($($name:ident $command:expr;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            holds($command).await;
        }
    )*};
}

const MINUTES: Duration = Duration::from_mins(1);

const STACK: &[&str] = &[SETUP];

/// A stack with the role and the group of its schedules: for an interval, for a limit of the running time, and for the summary.
const WATCHED: &[&str] = &[
    "setup --cluster batch --yes --no-pattern-check --pattern task-failed --expect nightly,every=26h --expect x,max-runtime=2h --summary 'cron(0 9 ? * MON *)'",
];

each_command! {
    // The longest tests have the first names: tests start in the order of their names.
    a_setup_from_nothing_survives_every_failure_of_every_call Command {
        before: &[], line: SETUP, code: 0, codes: &[1, 3], bound: MINUTES * 6, silent: &[],
    };
    b_setup_of_a_change_survives_every_failure_of_every_call Command {
        before: STACK, line: "setup --cluster batch --yes --no-pattern-check --pattern task-failed --language ja --tag team=data", code: 0, codes: &[1, 3],
        bound: MINUTES * 6, silent: &[],
    };
    setup_that_asks_about_patterns_survives_every_failure_of_every_call Command {
        before: STACK, line: "setup --cluster batch --dry-run --pattern deployment-failed", code: 2, codes: &[1, 3],
        bound: MINUTES * 4, silent: &OF_A_RULE_THAT_IS_NOT_THERE,
    };
    c_teardown_survives_every_failure_of_every_call Command {
        before: STACK, line: "teardown --cluster batch --yes", code: 0, codes: &[1, 3], bound: MINUTES * 6, silent: &[],
    };
    d_setup_of_schedules_survives_every_failure_of_every_call Command {
        before: STACK, code: 0, codes: &[1, 3], bound: MINUTES * 6, silent: &[],
        line: "setup --cluster batch --yes --no-pattern-check --pattern task-failed --expect nightly,every=26h --expect x,max-runtime=2h --summary 'cron(0 9 ? * MON *)'",
    };
    d_setup_of_changed_schedules_survives_every_failure_of_every_call Command {
        before: WATCHED, code: 0, codes: &[1, 3], bound: MINUTES * 6, silent: &[],
        line: "setup --cluster batch --yes --no-pattern-check --pattern task-failed --expect nightly,every=27h --expect x,max-runtime=3h",
    };
    d_setup_without_schedules_survives_every_failure_of_every_call Command {
        before: WATCHED, line: SETUP, code: 0, codes: &[1, 3], bound: MINUTES * 8, silent: &[],
    };
    d_teardown_of_schedules_survives_every_failure_of_every_call Command {
        before: WATCHED, line: "teardown --cluster batch --yes", code: 0, codes: &[1, 3], bound: MINUTES * 8, silent: &[],
    };
    drift_of_schedules_survives_every_failure_of_every_call Command {
        before: WATCHED, line: "drift --cluster batch --pattern task-failed --expect nightly,every=27h", code: 2, codes: &[3],
        bound: MINUTES * 2, silent: &[],
    };
    jobs_of_a_watched_stack_survives_every_failure_of_every_call Command {
        before: WATCHED, line: "jobs --cluster batch", code: 0, codes: &[3], bound: MINUTES * 2, silent: &OF_OTHER_RULES,
    };
    drift_survives_every_failure_of_every_call Command {
        before: STACK, line: "drift --cluster batch --pattern task-failed --language ja", code: 2, codes: &[3], bound: MINUTES * 2, silent: &[],
    };
    drill_survives_every_failure_of_every_call Command {
        before: STACK, line: "drill --cluster batch", code: 0, codes: &[1, 3], bound: MINUTES * 4, silent: &OTHER_LINKS,
    };
    replay_survives_every_failure_of_every_call Command {
        before: STACK, line: "replay --cluster batch --yes", code: 0, codes: &[1, 3], bound: MINUTES * 4, silent: &[],
    };
    status_survives_every_failure_of_every_call Command {
        before: STACK, line: "status --cluster batch", code: 0, codes: &[3], bound: MINUTES * 2, silent: &[],
    };
    jobs_survives_every_failure_of_every_call Command {
        before: STACK, line: "jobs --cluster batch", code: 0, codes: &[3], bound: MINUTES * 2, silent: &OF_OTHER_RULES,
    };
    notify_of_a_job_survives_every_failure_of_every_call Command {
        before: STACK, line: "notify --ok --job nightly", code: 0, codes: &[1], bound: MINUTES, silent: &[],
    };
    notify_survives_every_failure_of_every_call Command {
        before: STACK, line: "notify broken", code: 0, codes: &[1], bound: MINUTES, silent: &[],
    };
    pattern_test_of_a_task_survives_every_failure_of_every_call Command {
        before: STACK, code: 0, codes: &[1, 3], bound: MINUTES * 3, silent: &OTHER_LINKS,
        line: "pattern test --task arn:aws:ecs:us-east-1:123456789012:task/batch/0123456789abcdef0123456789abcdef",
    };
    pattern_test_of_live_rules_survives_every_failure_of_every_call Command {
        before: &["setup --cluster prod --stack batch --yes --pattern task-failed --allow-missing-cluster"],
        line: "pattern test --live --stack batch oom", code: 0, codes: &[1, 3], bound: MINUTES * 2, silent: &OTHER_LINKS,
    };
}

/// The calls that Rule::read makes for targets and tags while it lists the rules. If the list lacks the rule, their answers are not
/// used.
const OF_A_RULE_THAT_IS_NOT_THERE: [&str; 2] = ["events:ListTargetsByRule", "events:ListTagsForResource"];

/// The calls of Rule::read, whose answers `jobs` uses only to find the clusters that no flag names.
const OF_OTHER_RULES: [&str; 2] = ["events:ListTargetsByRule", "events:ListTagsForResource"];

/// The calls whose failure does not matter once one rule is known to match the event, or the notifier logged the event: those that
/// read other rules, or look for the event in the queue.
const OTHER_LINKS: [&str; 5] = [
    "events:ListRules",
    "events:ListTargetsByRule",
    "events:ListTagsForResource",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
];
