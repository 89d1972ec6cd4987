//! Checks several destinations at once: the permissions of the role, and that each parameter must exist.

use serde_json::{Value, json};

use crate::support::aws::{Aws, FOR_GOOD, Failure, Fault, On};
use crate::support::hand::Hand;
use crate::support::taskbell;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:on-call";

/// Checks that new destinations change only the role and the notifier's environment.
#[tokio::test(start_paused = true)]
async fn role_may_use_only_the_configured_webhooks_and_topics() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    let to = format!("--to /ops/teams --to {TOPIC},severity=error");
    Hand::of(&aws).store("/ops/teams").await;
    let plan = taskbell(&aws, &format!("setup --cluster batch --dry-run --output json {to}")).await.json();
    let ids: Vec<&Value> = plan["steps"].as_array().unwrap().iter().map(|step| &step["id"]).collect();
    assert_eq!(ids, ["role/notifier", "function/notifier"]);
    assert_eq!(taskbell(&aws, &format!("setup --cluster batch --yes {to}")).await.code, 0);
    assert_eq!(taskbell(&aws, &format!("drift --cluster batch {to}")).await.code, 0);
    let role = Hand::of(&aws).iam.get_role_policy().role_name("taskbell-batch-us-east-1").policy_name("notifier");
    let document = role.send().await.unwrap().policy_document;
    let policy = percent_encoding::percent_decode_str(&document).decode_utf8().unwrap().into_owned();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    let of = |action: &str| {
        let statements = policy["Statement"].as_array().unwrap().iter();
        let of_action = |one: &&Value| one["Action"].to_string().contains(action);
        statements.filter(of_action).map(|one| one["Resource"].clone()).collect::<Vec<_>>()
    };
    let parameter = |name: &str| format!("arn:aws:ssm:us-east-1:123456789012:parameter{name}");
    let both = json!([parameter("/taskbell/batch/slack-webhook-url"), parameter("/ops/teams")]);
    assert_eq!(of("ssm:GetParameter"), [both]);
    assert_eq!(of("sns:Publish"), [json!(TOPIC)]);
    assert_eq!(of("kms:Decrypt").len(), 1);
}

/// Checks that a missing parameter is reported before the working webhook is given up for it, and as long as it is missing.
#[tokio::test(start_paused = true)]
async fn parameter_owned_by_the_user_must_exist() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    for flags in ["--slack-webhook-parameter /ops/own", "--to /ops/own", "--to /ops/own,kind=teams --to /ops/there"] {
        let (aws, before) = (Aws::new().await, &aws);
        aws.become_like(before).await;
        let hand = Hand::of(&aws);
        hand.store("/ops/there").await;
        aws.forget_calls();
        let setup = taskbell(&aws, &format!("setup --cluster batch --yes {flags}")).await;
        assert_eq!((setup.code, aws.writes()), (1, vec![]), "{setup:?}");
        assert!(setup.err.contains("error: there is no SSM parameter /ops/own here; nothing was changed"), "{setup:?}");
        assert!(setup.err.contains("hint: `aws ssm put-parameter --name /ops/own"), "{setup:?}");
        let dry = taskbell(&aws, &format!("setup --cluster batch --dry-run {flags}")).await;
        assert_eq!(dry.code, 2, "{dry:?}");
        hand.store("/ops/own").await;
        assert_eq!(taskbell(&aws, &format!("setup --cluster batch --yes {flags}")).await.code, 0);
        hand.ssm.delete_parameter().name("/ops/own").send().await.unwrap();
        let drift = taskbell(&aws, &format!("drift --cluster batch {flags}")).await;
        assert_eq!(drift.code, 2, "{drift:?}");
        assert!(drift.out.contains("! /ops/own  the SSM parameter does not exist"), "{drift:?}");
        assert!(drift.out.ends_with("1 parameter missing\n"), "{drift:?}");
        let json = taskbell(&aws, &format!("drift --cluster batch --output json {flags}")).await.json();
        assert_eq!((&json["missing"], &json["in_sync"]), (&json!(["/ops/own"]), &json!(false)));
        for (format, told) in [("github", "::error title="), ("markdown", "| missing | `/ops/own` |")] {
            let told_so = taskbell(&aws, &format!("drift --cluster batch --output {format} {flags}")).await;
            assert!(told_so.out.contains(told), "{told_so:?}");
        }
        let graph = taskbell(&aws, &format!("graph --cluster batch --output json {flags}")).await;
        let nodes = graph.json()["nodes"].as_array().unwrap().clone();
        assert!(nodes.iter().any(|node| node["id"] == "/ops/own" && node["state"] == "missing"), "{graph:?}");
    }
    // The existence of the parameter cannot be checked.
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("ssm:DescribeParameters"), nth: 0, times: FOR_GOOD });
    for line in ["drift", "setup --yes"] {
        let unknown = taskbell(&aws, &format!("{line} --cluster batch --to /ops/own")).await;
        assert_eq!(unknown.code, 3, "{unknown:?}");
    }
}
