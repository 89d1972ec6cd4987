//! Checks what `setup` asks a person at a terminal, in which order, and what it says at its end.

use serde_json::json;

use crate::support::aws::Aws;
use crate::support::{WEBHOOK, taskbell, typing, typing_webhook};

const SETUP: &str = "setup --cluster batch";
const PROMPT: &str = "Webhook (not shown): ";
const CANCELLED: &str = "Cancelled. Nothing was changed.\n";

#[tokio::test(start_paused = true)]
async fn webhook_is_asked_after_the_plan_and_again_after_a_mistake() {
    let aws = Aws::new().await;
    let cut_short = "https://hooks.slack.com/services/T00000000/B00000000";
    let setup = typing_webhook(&aws, SETUP, &["hooks.slack", cut_short, WEBHOOK, "y", "n"]).await;
    assert!(setup.code == 0 && setup.out.contains("11 to add"), "{setup:?}");
    assert_eq!((setup.err.matches(PROMPT).count(), setup.err.matches("error: ").count()), (3, 2), "{setup:?}");
    assert!(setup.err.contains("Make one at https://api.slack.com/messaging/webhooks"), "{setup:?}");
    let accepted = setup.err.find("This is an incoming webhook of Slack.\n").unwrap();
    assert!(setup.err.rfind(PROMPT).unwrap() < accepted && accepted < setup.err.find("[y/N]").unwrap(), "{setup:?}");
    assert_eq!(taskbell(&aws, "drift --cluster batch").await.code, 0);
    // A stored webhook is not asked for again.
    let again = typing_webhook(&aws, "setup --cluster batch --language ja", &["y"]).await;
    assert!(again.code == 0 && !again.err.contains(PROMPT), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn service_of_the_webhook_is_named_without_its_url() {
    for (webhook, service) in [
        ("https://discord.com/api/webhooks/1/hunter2", "a webhook of Discord"),
        ("https://a.westeurope.logic.azure.com/workflows/x?sig=hunter2", "a workflow of Microsoft Teams"),
    ] {
        let aws = Aws::new().await;
        let setup = typing_webhook(&aws, SETUP, &[webhook, "n"]).await;
        assert!(setup.code == 2 && setup.err.contains(&format!("This is {service}.\n")), "{setup:?}");
        assert!(!setup.err.contains("/api/webhooks") && !setup.err.contains("azure"), "{setup:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn answer_of_no_is_no_error_and_changes_nothing() {
    let aws = Aws::new().await;
    // The plan is shown before the question for the webhook.
    let no_webhook = typing_webhook(&aws, SETUP, &[""]).await;
    let no = typing(&aws, SETUP, &["n"]).await;
    let enter = typing(&aws, SETUP, &[""]).await;
    for outcome in [no_webhook, no, enter] {
        assert!(outcome.code == 2 && outcome.out.contains("11 to add"), "{outcome:?}");
        assert!(outcome.err.ends_with(CANCELLED) && !outcome.err.contains("error"), "{outcome:?}");
    }
    assert_eq!(aws.writes(), [""; 0]);
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    aws.forget_calls();
    let teardown = typing(&aws, "teardown --cluster batch", &["no"]).await;
    assert!(teardown.code == 2 && teardown.err.ends_with(CANCELLED), "{teardown:?}");
    assert_eq!(aws.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn first_setup_ends_with_the_alerts_the_next_commands_the_costs_and_the_console() {
    let aws = Aws::new().await;
    let setup = taskbell(&aws, "setup --cluster batch --stack jobs --region us-east-1 --yes").await;
    assert_eq!(setup.code, 0, "{setup:?}");
    for told in [
        "The stack jobs is set up in us-east-1, account 123456789012.\n",
        "These failures cause an alert now, through an incoming webhook of Slack:\n  task-failed        every stop",
        "\n  deployment-failed  a service's deployment that failed, and",
        "\n  taskbell drill batch --stack jobs --region us-east-1     send a test through the whole path\n",
        "\n  taskbell status batch --stack jobs --region us-east-1 ",
        "\n  taskbell drift batch --stack jobs --region us-east-1 ",
        "\n  taskbell teardown batch --stack jobs --region us-east-1  remove it\n",
        "\nOther rules report when a job or a service works again: job-succeeded, service-recovered.\n",
        "\nCosts: nothing while nothing fails, and a cent or two for 1,000 alerts a month.\n",
        "https://us-east-1.console.aws.amazon.com/lambda/home?region=us-east-1#/functions/taskbell-jobs\n",
        "#logsV2:log-groups/log-group/$252Faws$252Flambda$252Ftaskbell-jobs\n",
    ] {
        assert!(setup.err.contains(told), "{told}: {}", setup.err);
    }
    // Each of the commands works as it is printed.
    aws.notifier_tells(Some(json!({ "outcome": "sent", "ms": { "total": 50, "post": 9 },
        "destinations": [{ "name": "webhook", "kind": "slack", "outcome": "sent", "status": 200, "attempts": 1, "ms": 9 }] })));
    for line in setup.err.lines().filter_map(|line| line.strip_prefix("  taskbell ")) {
        let command = line.split("  ").next().unwrap();
        let yes = if command.starts_with("teardown") { " --yes" } else { "" };
        let outcome = taskbell(&aws, &format!("{command}{yes}")).await;
        assert_eq!(outcome.code, 0, "{command}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn question_names_the_clusters_of_a_stack_for_several() {
    let aws = Aws::new().await;
    let several = typing(&aws, "setup batch web", &["n"]).await;
    let question =
        "Make 11 changes to the stack batch in us-east-1, account 123456789012 (clusters batch, web)? [y/N] ";
    assert!(several.err.contains(question), "{several:?}");
    let single = typing(&aws, "setup batch", &["n"]).await;
    assert!(single.err.contains("account 123456789012? [y/N] "), "{single:?}");
}

#[tokio::test(start_paused = true)]
async fn later_setup_ends_in_one_line() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    let later = taskbell(&aws, "setup --cluster batch --yes --language ja").await;
    assert!(
        later.err.ends_with("The stack batch is set up. `taskbell drill batch` sends a test through it.\n"),
        "{later:?}"
    );
    let topic = "--alarm-topic arn:aws:sns:us-east-1:123456789012:on-call";
    let alarms = taskbell(&Aws::new().await, &format!("setup --cluster batch --yes {topic}")).await;
    assert!(alarms.err.contains("Costs: 0.20 USD a month for the two alarms"), "{alarms:?}");
}
