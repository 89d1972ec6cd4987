//! Checks that `replay` sends the undelivered alerts again, oldest first, once each, and never loses one.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::aws::{Aws, Failure, Fault, On, Shape, undelivered};
use crate::support::hand::{Hand, QUEUE};
use crate::support::{Outcome, run, taskbell};

const REPLAY: &str = "replay --cluster batch";
const STRANGE: &str = "no event";

fn event(number: usize) -> Value {
    let task = format!("arn:aws:ecs:us-east-1:123456789012:task/batch/{number:032}");
    json!({ "id": format!("event {number}"), "source": "aws.ecs", "detail-type": "ECS Task State Change",
        "resources": [task], "detail": { "taskArn": task } })
}

fn shape(number: usize) -> Shape {
    if number.is_multiple_of(2) { Shape::Delivery } else { Shape::Invocation }
}

/// Returns a stack with `count` events in its queue, in both shapes, and after the first of them a message that is not an event.
async fn with_queue(count: usize) -> Aws {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    fill(&aws, count);
    aws
}

/// Fills the queue, and forgets the alerts sent so far.
fn fill(aws: &Aws, count: usize) {
    aws.empty_queue();
    aws.notifier_takes();
    aws.take_invoked();
    for number in 0..count {
        aws.lay_into_queue(&event(number), shape(number));
        if number == 0 {
            aws.lay_text_into_queue(STRANGE);
        }
    }
    aws.forget_calls();
}

fn events(count: usize) -> Vec<Value> {
    (0..count).map(event).collect()
}

/// Returns the queued bodies, and whether a caller would receive all of them now.
fn queued(aws: &Aws) -> (Vec<String>, bool) {
    let queued = aws.queued();
    let visible = queued.iter().all(|(_, visible)| *visible);
    (queued.into_iter().map(|(body, _)| body).collect(), visible)
}

/// Checks that a missed check of a deadline is sent with the time for which it was scheduled, however long ago that is.
#[tokio::test(start_paused = true)]
async fn request_of_a_schedule_is_sent_with_its_time() {
    let aws = with_queue(0).await;
    let request = json!({ "id": "<aws.scheduler.execution-id>", "source": "taskbell.watch", "detail-type": "Deadline",
        "time": "<aws.scheduler.scheduled-time>", "detail": { "job": { "name": "nightly", "startedBy": null } } });
    aws.lay_into_queue(&request, Shape::Schedule);
    let dry = taskbell(&aws, &format!("{REPLAY} --dry-run")).await;
    assert!(
        dry.code == 0 && dry.out.contains("  Deadline of 2026-11-23 18:40:00 UTC  nightly  (AccessDenied"),
        "{dry:?}"
    );
    let replay = taskbell(&aws, REPLAY).await;
    assert_eq!(replay.code, 0, "{replay:?}");
    let sent = aws.announced();
    assert_eq!((sent.len(), &sent[0]["id"], &sent[0]["time"]), (1, &json!("d3c5ab9e"), &json!("2026-11-23T18:40:00Z")));
}

#[tokio::test(start_paused = true)]
async fn every_event_is_sent_oldest_first_and_other_messages_stay() {
    let aws = with_queue(25).await;
    let replay = taskbell(&aws, REPLAY).await;
    assert_eq!(replay.code, 1, "{replay:?}");
    assert_eq!(aws.announced(), events(25));
    assert_eq!(queued(&aws), (vec![STRANGE.to_owned()], true));
    assert!(replay.err.contains("25 alerts sent, 1 alert left in the queue."), "{replay:?}");
    assert!(replay.err.contains("entries that are not events stay in the queue"), "{replay:?}");
    let lines: Vec<&str> = replay.out.lines().collect();
    assert!(lines[0].contains("NO_PERMISSIONS: The function's policy") && lines[0].ends_with("Slack accepted it"));
    assert!(lines[1].starts_with("? ") && lines[1].contains("\"no event\""), "{replay:?}");
    assert!(lines[2].contains("(Slack answered 404: no_service)"), "{replay:?}");
}

#[tokio::test(start_paused = true)]
async fn event_queued_twice_is_announced_once_and_deleted() {
    let aws = with_queue(0).await;
    for shape in [Shape::Delivery, Shape::Invocation] {
        aws.lay_into_queue(&event(7), shape);
    }
    let replay = taskbell(&aws, REPLAY).await;
    assert_eq!(replay.code, 0, "{replay:?}");
    assert_eq!((aws.announced(), queued(&aws).0.len()), (vec![event(7)], 0));
    assert!(replay.out.ends_with("was announced already\n"), "{replay:?}");
    let empty = taskbell(&aws, REPLAY).await;
    assert_eq!((empty.code, empty.err.ends_with("The queue is empty.\n")), (0, true), "{empty:?}");
}

#[tokio::test(start_paused = true)]
async fn dry_run_sends_nothing_and_hides_nothing_from_the_next_replay() {
    let aws = with_queue(12).await;
    let dry = taskbell(&aws, "replay --cluster batch --dry-run").await;
    assert_eq!((dry.code, dry.out.lines().count(), aws.announced().len()), (0, 13, 0), "{dry:?}");
    assert_eq!((queued(&aws).0.len(), queued(&aws).1), (13, true));
    assert!(dry.err.ends_with("13 alerts in the queue.\n"), "{dry:?}");
    taskbell(&aws, REPLAY).await;
    assert_eq!(aws.announced(), events(12));
}

/// Checks a dry run so slow that entries become visible again while it runs: it does not list them twice.
#[tokio::test(start_paused = true)]
async fn slow_dry_run_ends_without_a_warning() {
    let aws = with_queue(12).await;
    aws.delay(Duration::from_secs(20));
    let dry = tokio::time::timeout(Duration::from_hours(1), taskbell(&aws, "replay --cluster batch --dry-run"));
    let dry = dry.await.unwrap();
    assert_eq!((dry.code, dry.out.lines().count(), aws.announced().len()), (0, 13, 0), "{dry:?}");
    assert!(dry.err.ends_with("13 alerts in the queue.\n"), "{dry:?}");
    assert_eq!((queued(&aws).0.len(), queued(&aws).1), (13, true));
}

#[tokio::test(start_paused = true)]
async fn entries_held_by_another_replay_are_reported() {
    let aws = with_queue(3).await;
    let hand = Hand::of(&aws);
    let url = hand.sqs.get_queue_url().queue_name(QUEUE).send().await.unwrap().queue_url.unwrap();
    let call = hand.sqs.receive_message().queue_url(&url).max_number_of_messages(10).visibility_timeout(600);
    call.send().await.unwrap();
    let replay = taskbell(&aws, REPLAY).await;
    assert!(replay.err.contains("The queue has entries, but returned none.\nnote: about 4 alerts more"), "{replay:?}");
    assert_eq!(replay.code, 1, "{replay:?}");
    assert_eq!((aws.announced().len(), queued(&aws).0.len()), (0, 4));
    tokio::time::sleep(Duration::from_mins(11)).await;
    taskbell(&aws, REPLAY).await;
    assert_eq!(aws.announced(), events(3));
}

/// Checks the exit code: a job that repeats `replay` until 0 must not stop while the queue has entries.
#[tokio::test(start_paused = true)]
async fn replay_ends_with_0_only_if_no_alert_is_known_to_be_left() {
    let aws = with_queue(0).await;
    for (number, shape) in [(0, Shape::Delivery), (1, Shape::Invocation)] {
        aws.lay_into_queue(&event(number), shape);
    }
    let hand = Hand::of(&aws);
    let url = hand.sqs.get_queue_url().queue_name(QUEUE).send().await.unwrap().queue_url.unwrap();
    let call = hand.sqs.receive_message().queue_url(&url).max_number_of_messages(1).visibility_timeout(600);
    call.send().await.unwrap();
    let replay = taskbell(&aws, REPLAY).await;
    assert!(replay.err.contains("1 alert sent, 0 alerts left in the queue.\nnote: about 1 alert more"), "{replay:?}");
    assert_eq!((replay.code, aws.announced().len()), (1, 1), "{replay:?}");
    let dry = taskbell(&aws, "replay --cluster batch --dry-run").await;
    assert!(dry.code == 0 && dry.err.contains("The queue has entries, but returned none."), "{dry:?}");
    tokio::time::sleep(Duration::from_mins(11)).await;
    let rest = taskbell(&aws, REPLAY).await;
    assert!(rest.code == 0 && rest.err.ends_with("1 alert sent, 0 alerts left in the queue.\n"), "{rest:?}");
}

#[tokio::test(start_paused = true)]
async fn outdated_count_is_not_taken_for_remaining_alerts() {
    let aws = with_queue(0).await;
    aws.count_late(3, Duration::from_secs(4));
    let empty = taskbell(&aws, REPLAY).await;
    assert_eq!((empty.code, empty.err.ends_with("The queue is empty.\n")), (0, true), "{empty:?}");
    aws.lay_into_queue(&event(0), Shape::Delivery);
    aws.count_late(1, Duration::from_secs(4));
    let sent = taskbell(&aws, REPLAY).await;
    assert_eq!((sent.code, sent.err.contains("note: ")), (0, false), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn unexpected_answer_of_the_function_keeps_the_entry() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    aws.lay_into_queue(&event(0), Shape::Delivery);
    aws.notifier_tells(Some(json!({ "statusCode": 200 })));
    let replay = taskbell(&aws, REPLAY).await;
    assert!(replay.code == 1 && replay.err.contains("not an answer of the notifier"), "{replay:?}");
    assert_eq!(queued(&aws).0.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn purge_asks_and_needs_no_function_and_deletes_every_entry() {
    let aws = with_queue(12).await;
    Hand::of(&aws).lambda.delete_function().function_name("taskbell-batch").send().await.unwrap();
    let unasked = taskbell(&aws, "replay --cluster batch --purge").await;
    assert_eq!((unasked.code, queued(&aws).0.len()), (64, 13), "{unasked:?}");
    let dry = taskbell(&aws, "replay --cluster batch --dry-run").await;
    assert_eq!((dry.code, dry.out.lines().count()), (0, 13), "{dry:?}");
    let replay = taskbell(&aws, REPLAY).await;
    assert!(replay.code == 1 && replay.err.contains("the stack has no function/notifier"), "{replay:?}");
    let purge = taskbell(&aws, "replay --cluster batch --purge --yes --output json").await;
    assert_eq!((purge.code, purge.json()["deleted"].clone(), queued(&aws).0.len()), (0, json!(13), 0), "{purge:?}");
}

#[tokio::test(start_paused = true)]
async fn json_output_has_every_entry_with_its_fate() {
    let aws = with_queue(3).await;
    aws.fail(Fault { failure: Failure::OtherAnswer, on: On::Action("lambda:Invoke"), nth: 0, times: 2 });
    let replay = taskbell(&aws, "replay --cluster batch --output json").await;
    assert_eq!(replay.code, 1, "{replay:?}");
    let object = replay.json();
    let fates: Vec<&str> =
        object["entries"].as_array().unwrap().iter().map(|entry| entry["fate"].as_str().unwrap()).collect();
    assert_eq!(fates, ["failed", "unknown", "failed", "left"]);
    assert_eq!((&object["account"], &object["entries"][0]["event"]), (&json!("123456789012"), &event(0)));
    assert!(
        replay.err.contains("Slack answered 404: no_service; 0 alerts sent, 2 failed, 4 alerts left in the queue"),
        "{replay:?}"
    );
}

/// Checks that an event on which the notifier always fails does not hold back the later events.
#[tokio::test(start_paused = true)]
async fn failing_event_stays_and_the_others_are_sent() {
    for nth in [0, 2] {
        let aws = with_queue(4).await;
        aws.fail(Fault { failure: Failure::OtherAnswer, on: On::Action("lambda:Invoke"), nth, times: 1 });
        let replay = taskbell(&aws, REPLAY).await;
        assert_eq!(replay.code, 1, "{replay:?}");
        assert!(replay.err.contains("no_service; 3 alerts sent, 1 failed, 2 alerts left in the queue"), "{replay:?}");
        let others: Vec<Value> = (0..4).filter(|number| *number != nth).map(event).collect();
        assert_eq!(aws.announced(), others, "{nth}");
        assert!(queued(&aws).1);
        let again = taskbell(&aws, REPLAY).await;
        assert_eq!((again.code, aws.announced().len(), queued(&aws).0), (1, 4, vec![STRANGE.to_owned()]), "{again:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_failing_events_in_a_row_or_a_fault_of_aws_end_the_run() {
    for (failure, sent, failed) in [(Failure::OtherAnswer, 1, 2), (Failure::ServerError, 1, 1)] {
        let aws = with_queue(6).await;
        aws.fail(Fault { failure, on: On::Action("lambda:Invoke"), nth: 1, times: 1000 });
        let replay = taskbell(&aws, REPLAY).await;
        let told = format!("{sent} alert sent, {failed} failed, 6 alerts left in the queue");
        assert!(replay.code == 1 && replay.err.contains(&told), "{replay:?}");
        assert_eq!((aws.announced(), queued(&aws).1), (events(1), true));
    }
}

const COUNT: usize = 2;

/// Checks the law of every run, however it was disturbed: no event is lost, none is announced twice, and the next run sends the
/// remaining ones in order.
async fn nothing_is_lost(aws: &Aws, disturbed: &Outcome, case: &str) {
    let (bodies, visible) = queued(aws);
    let announced = aws.announced();
    for (number, event) in events(COUNT).iter().enumerate() {
        let lies = bodies.contains(&undelivered(event, shape(number)).0.to_string());
        let taken = announced.iter().filter(|taken| *taken == event).count();
        assert!(lies && taken <= 1 || taken == 1, "{case}: {event} lies there: {lies}, announced {taken} times");
    }
    assert!(bodies.contains(&STRANGE.to_owned()), "{case}");
    // Entries in a lost answer become visible again by themselves; `replay` returns all others to the queue, or reports that it
    // could not.
    let told = disturbed.err.contains("could not release") || disturbed.err.contains("sqs:ReceiveMessage");
    assert!(visible || told || case.contains("AnswerLost"), "{case}: {disturbed:?}");
    let invoked = aws.take_invoked();
    let times = |invoked: &[Value], event: &Value| invoked.iter().filter(|one| *one == event).count();
    assert!(events(COUNT).iter().all(|event| times(&invoked, event) <= 1), "{case}: {invoked:?}");
    // After such a failure it is unknown whether the alert was sent, or the entry deleted.
    let unsure = ["lambda:Invoke", "sqs:DeleteMessage"];
    let unsure = aws.calls().iter().any(|call| call.failed && unsure.contains(&call.action.as_str()));
    aws.heal();
    tokio::time::sleep(Duration::from_mins(11)).await;
    let again = taskbell(aws, REPLAY).await;
    assert_eq!(again.code, 1, "{case}: {again:?}");
    let later = aws.take_invoked();
    let repeated = later.iter().filter(|event| invoked.contains(event)).count();
    assert!(repeated <= usize::from(unsure), "{case}: {invoked:?}, then {later:?}");
    assert!(events(COUNT).iter().all(|event| times(&later, event) <= 1), "{case}: {later:?}");
    let mut announced = aws.announced();
    if case.starts_with("OtherAnswer") {
        // The notifier announces the events on which it failed after the others.
        announced.sort_by_key(|event| event["id"].to_string());
    }
    assert_eq!(announced, events(COUNT), "{case}");
    assert_eq!(queued(aws), (vec![STRANGE.to_owned()], true), "{case}");
}

/// Ways in which a call fails, and how often. The SDK's own retries hide a single failure before AWS changed anything.
const FAILURES: [(Failure, usize); 11] = [
    (Failure::Throttled, 1),
    (Failure::AnswerLost, 1),
    (Failure::Hangs, 1),
    (Failure::OtherAnswer, 1),
    (Failure::ServerError, 1000),
    (Failure::Throttled, 1000),
    (Failure::Denied, 1000),
    (Failure::Expired, 1000),
    (Failure::AnswerLost, 1000),
    (Failure::NotSent, 1000),
    (Failure::Hangs, 1000),
];

#[tokio::test(start_paused = true)]
async fn no_failing_call_loses_or_repeats_an_alert() {
    let aws = with_queue(COUNT).await;
    assert_eq!(taskbell(&aws, REPLAY).await.code, 1);
    let calls = aws.calls().len();
    let mut cases = 0;
    for nth in 0..calls {
        for (failure, times) in FAILURES {
            fill(&aws, COUNT);
            aws.fail(Fault { failure, on: On::Every, nth, times });
            let disturbed = taskbell(&aws, REPLAY).await;
            let case = format!("{failure:?} x{times} at call {nth}");
            let named = ["Exception", "Expired", "Failure", "Throttl", "no answer to", "no_service"];
            let told = named.iter().any(|name| disturbed.err.contains(name));
            assert!(told || times == 1, "{case}: {disturbed:?}");
            assert!([1, 3].contains(&disturbed.code), "{case}: {disturbed:?}");
            nothing_is_lost(&aws, &disturbed, &case).await;
            cases += 1;
        }
    }
    println!("{cases} cases, {calls} calls");
    assert!(calls >= 15 && cases >= 150, "{cases} cases over {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn interrupted_replay_loses_nothing_and_returns_every_entry() {
    let aws = with_queue(COUNT).await;
    taskbell(&aws, REPLAY).await;
    let calls = aws.calls().len();
    let mut cases = 0;
    for line in [REPLAY, "replay --cluster batch --dry-run"] {
        for nth in 0..calls {
            fill(&aws, COUNT);
            let token = aws.interrupt_at(nth);
            let interrupted = run(&aws, line, None, token.clone()).await;
            let case = format!("{line} interrupted at call {nth}");
            assert!(queued(&aws).1, "{case}: {interrupted:?}");
            assert!([0, 1, 130].contains(&interrupted.code), "{case}: {interrupted:?}");
            let last = "note: entries that are not events stay";
            assert!(interrupted.code == 130 || interrupted.err.contains(last) || line != REPLAY, "{interrupted:?}");
            nothing_is_lost(&aws, &interrupted, &case).await;
            cases += 1;
        }
    }
    println!("{cases} interruptions, {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn queue_too_slow_for_one_run_is_replayed_in_several() {
    let aws = with_queue(40).await;
    aws.delay(Duration::from_secs(15));
    let first = run(&aws, REPLAY, None, CancellationToken::new()).await;
    assert!(first.code == 1 && first.err.contains("this is the limit of one run; run the command again"), "{first:?}");
    assert!(queued(&aws).1, "{first:?}");
    for _ in 0..9 {
        taskbell(&aws, REPLAY).await;
    }
    assert_eq!((aws.announced(), queued(&aws).0), (events(40), vec![STRANGE.to_owned()]));
}
