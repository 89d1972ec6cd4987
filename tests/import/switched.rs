//! The old rule rings until the new alert is proved, whatever happens; and what is not as it was shown is not touched.

use super::*;

/// Whatever write fails, the old rule rings until the new alert is proved, and the next run gets there.
#[tokio::test(start_paused = true)]
async fn the_old_rule_rings_until_the_new_alert_is_proved_whatever_fails() {
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
        let told = if action == "events:DisableRule" { "both ring now" } else { "is as it was, and rings as before" };
        assert!(failed.err.contains(told), "{action}: {failed:?}");
        aws.heal();
        let again = import(&aws, "").await;
        assert_eq!((again.code, state(&hand).await), (0, Some(RuleState::Disabled)), "{action}: {again:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drill_that_does_not_arrive_leaves_the_old_rule_ringing() {
    let (aws, hand) = by_hand().await;
    aws.notifier_tells(None);
    let lost = import(&aws, "").await;
    assert_eq!((lost.code, state(&hand).await), (1, Some(RuleState::Enabled)), "{lost:?}");
    assert!(lost.err.contains("is as it was, and rings as before"), "{lost:?}");
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("logs:FilterLogEvents"), nth: 0, times: FOR_GOOD });
    let unknown = import(&aws, "").await;
    assert_eq!((unknown.code, state(&hand).await), (3, Some(RuleState::Enabled)), "{unknown:?}");
}

/// At whichever call Ctrl-C comes: the old rule is disabled only where the new alert was proved.
#[tokio::test(start_paused = true)]
async fn an_interruption_at_any_call_leaves_no_gap() {
    let (aws, _) = by_hand().await;
    assert_eq!(import(&aws, "").await.code, 0);
    let all = aws.calls().len();
    for nth in (0..all).step_by(7) {
        let (aws, hand) = by_hand().await;
        let cancel = aws.interrupt_at(nth);
        let outcome = support::run(&aws, IMPORT, None, cancel).await;
        let proved = outcome.out.contains("+ Slack");
        let off = state(&hand).await == Some(RuleState::Disabled);
        assert!(proved || !off, "{nth}: {outcome:?}");
        assert!(outcome.code == 130 || (outcome.code == 0 && off), "{nth}: {outcome:?}");
        assert_eq!(import(&aws, "").await.code, 0, "{nth}");
        assert_eq!(state(&hand).await, Some(RuleState::Disabled), "{nth}");
    }
}
