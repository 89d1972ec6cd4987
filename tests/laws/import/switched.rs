//! Checks that the old rule sends alerts until the new alert is tested, and that `import` does not touch resources that changed
//! after they were shown.

use aws_sdk_eventbridge::types::Target;
use aws_sdk_lambda::types::Environment;

use super::*;

/// Checks that, if any write fails, the old rule sends alerts until the new alert is tested, and the next run succeeds.
#[tokio::test(start_paused = true)]
async fn old_rule_stays_enabled_until_the_new_alert_is_tested() {
    let (aws, _) = by_hand().await;
    assert_eq!(import(&aws, "").await.code, 0);
    let actions: std::collections::BTreeSet<String> = writes(&aws).into_iter().collect();
    assert!(actions.len() > 12, "{actions:?}");
    for action in actions {
        let (aws, hand) = by_hand().await;
        let on = On::Action(action.clone().leak());
        aws.fail(Fault { failure: Failure::Denied, on, nth: 0, times: FOR_GOOD });
        let failed = import(&aws, "").await;
        assert_ne!(failed.code, 0, "{action}: {failed:?}");
        assert_eq!(state(&hand).await, Some(RuleState::Enabled), "{action}: {failed:?}");
        let told = if action == "events:DisableRule" {
            "it may still send alerts in addition to the new rules"
        } else {
            "is unchanged, and alerts as before"
        };
        assert!(failed.err.contains(told), "{action}: {failed:?}");
        let is_as_it_was = failed.err.contains("is unchanged");
        assert_eq!(is_as_it_was, action != "events:DisableRule", "{action}: {failed:?}");
        aws.heal();
        let again = import(&aws, "").await;
        assert_eq!((again.code, state(&hand).await), (0, Some(RuleState::Disabled)), "{action}: {again:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn lost_drill_leaves_the_old_rule_enabled() {
    let (aws, hand) = by_hand().await;
    aws.notifier_tells(None);
    let lost = import(&aws, "").await;
    assert_eq!((lost.code, state(&hand).await), (1, Some(RuleState::Enabled)), "{lost:?}");
    assert!(lost.err.contains("is unchanged, and alerts as before"), "{lost:?}");
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("logs:FilterLogEvents"), nth: 0, times: FOR_GOOD });
    let unknown = import(&aws, "").await;
    assert_eq!((unknown.code, state(&hand).await), (3, Some(RuleState::Enabled)), "{unknown:?}");
}

/// Checks Ctrl-C at any call from the drill on: the old rule is disabled only after the new alert was tested, and resources that
/// were not removed yet stay.
#[tokio::test(start_paused = true)]
async fn interruption_at_any_call_leaves_no_gap() {
    for flags in ["", "--remove-old"] {
        for nth in 0.. {
            let (aws, hand) = by_hand().await;
            let cancel = aws.interrupt_from("events:PutEvents", nth);
            let outcome = support::run(&aws, &format!("{IMPORT} {flags}"), None, cancel).await;
            let made: Vec<String> = aws.calls().into_iter().map(|call| call.action).collect();
            let was_made = |action: &str| made.iter().any(|other| other == action);
            let told = format!("{flags} {nth} {:?}: {outcome:?}", made.last());
            let rings = !was_made("events:DisableRule");
            assert_eq!(
                (state(&hand).await == Some(RuleState::Enabled), outcome.err.contains("is unchanged")),
                (rings, rings),
                "{told}"
            );
            assert_eq!(has_function(&hand).await, !was_made("lambda:DeleteFunction"), "{told}");
            assert!(rings || outcome.out.contains("✓ Slack"), "{told}");
            if outcome.code == 0 {
                // The interruption came during the last step, which was finished.
                let last = if flags.is_empty() { "events:DisableRule" } else { "events:DeleteRule" };
                assert!(nth >= 6 && was_made(last), "{told}");
                break;
            }
            assert_eq!(outcome.code, 130, "{told}");
            assert_eq!(import(&aws, flags).await.code, 0, "{told}");
            let end = if flags.is_empty() { Some(RuleState::Disabled) } else { None };
            assert_eq!((state(&hand).await, has_function(&hand).await), (end, flags.is_empty()), "{told}");
        }
    }
}

/// Checks Ctrl-C during each write of the last step that is stuck: the command ends, and says that the write may be done.
#[tokio::test(start_paused = true)]
async fn ctrl_c_ends_a_stuck_write() {
    for (action, flags) in [
        ("events:DisableRule", ""),
        ("lambda:DeleteFunction", "--remove-old"),
        ("events:RemoveTargets", "--remove-old"),
        ("events:DeleteRule", "--remove-old"),
    ] {
        let (aws, _) = by_hand().await;
        let cancel = aws.interrupt_from(action, 0);
        aws.fail(Fault { failure: Failure::Hangs, on: On::Action(action), nth: 0, times: FOR_GOOD });
        let pressed = async {
            cancel.cancelled().await;
            tokio::time::Instant::now()
        };
        let ended = async {
            let outcome = support::run(&aws, &format!("{IMPORT} {flags}"), None, cancel.clone()).await;
            (outcome, tokio::time::Instant::now())
        };
        let ((outcome, end), start) = tokio::join!(ended, pressed);
        assert!(end - start <= std::time::Duration::from_secs(11), "{action}: {:?}", end - start);
        assert!(
            outcome.code == 130 && outcome.err.contains("the change may or may not have been made"),
            "{action}: {outcome:?}"
        );
        aws.heal();
        assert_eq!(import(&aws, flags).await.code, 0, "{action}");
    }
}

async fn has_function(hand: &Hand) -> bool {
    hand.lambda.get_function().function_name(FUNCTION).send().await.is_ok()
}

/// Checks changes by hand, while the drill is in progress, of resources that were shown.
#[tokio::test(start_paused = true)]
async fn changed_resource_is_not_switched_off() {
    let changes: [(&str, Change, &str); 6] = [
        (
            "its state",
            hand!(hand => drop(hand.events.disable_rule().name(OLD).send().await.unwrap())),
            "because its state changed in the meantime",
        ),
        (
            "its pattern",
            hand!(hand => {
                let wide = json!({ "source": ["aws.ecs", "aws.batch"] }).to_string();
                hand.events.put_rule().name(OLD).event_pattern(wide).send().await.unwrap();
            }),
            "because its pattern changed in the meantime",
        ),
        (
            "its targets",
            hand!(hand => {
                let target = Target::builder().id("archive").arn(arn("sqs", "archive")).build().unwrap();
                hand.events.put_targets().rule(OLD).targets(target).send().await.unwrap();
            }),
            "because its targets changed in the meantime",
        ),
        (
            "its function",
            hand!(hand => {
                let environment = Environment::builder().variables("HOOK", format!("{WEBHOOK}2")).build();
                let call = hand.lambda.update_function_configuration().function_name(FUNCTION);
                call.environment(environment).send().await.unwrap();
            }),
            "because its function changed in the meantime",
        ),
        (
            "all of it",
            hand!(hand => {
                hand.events.remove_targets().rule(OLD).ids("t0").send().await.unwrap();
                hand.events.delete_rule().name(OLD).send().await.unwrap();
            }),
            "nothing was disabled",
        ),
        (
            "who rings the function",
            hand!(hand => {
                let call = hand.lambda.add_permission().function_name(FUNCTION).statement_id("api");
                let call = call.action("lambda:InvokeFunction").principal("apigateway.amazonaws.com");
                call.send().await.unwrap();
            }),
            "the statement api of its resource policy",
        ),
    ];
    for (what, change, told) in changes {
        let (aws, hand) = by_hand().await;
        aws.delay(std::time::Duration::from_secs(1));
        let meanwhile = async {
            while !aws.writes().contains(&"events:PutEvents".to_owned()) {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            change(&hand).await;
            state(&hand).await
        };
        let (outcome, then) = tokio::join!(import(&aws, "--remove-old"), meanwhile);
        assert!(outcome.code == 1 && outcome.err.contains(told), "{what}: {outcome:?}");
        assert!(outcome.err.contains("nothing was disabled"), "{what}: {outcome:?}");
        assert!(!outcome.err.contains("is unchanged"), "{what}: {outcome:?}");
        assert_eq!((state(&hand).await, has_function(&hand).await), (then, true), "{what}");
    }
}

/// Checks the wait without a drill: EventBridge applies a rule after a short delay, and only a drill shows that the delay is over.
#[tokio::test(start_paused = true)]
async fn old_rule_stays_enabled_for_a_minute_without_a_drill() {
    let (aws, hand) = by_hand().await;
    let cancel = tokio_util::sync::CancellationToken::new();
    let line = format!("{IMPORT} --no-drill");
    let interrupted = async {
        while !aws.writes().contains(&"events:PutTargets".to_owned()) {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        tokio::time::sleep(std::time::Duration::from_secs(50)).await;
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(support::run(&aws, &line, None, cancel.clone()), interrupted);
    assert_eq!((outcome.code, state(&hand).await), (130, Some(RuleState::Enabled)), "{outcome:?}");
    assert!(outcome.err.contains("waiting for EventBridge to apply the new rules"), "{outcome:?}");
    assert_eq!((import(&aws, "--no-drill").await.code, state(&hand).await), (0, Some(RuleState::Disabled)));
}
