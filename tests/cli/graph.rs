//! Checks that `graph` shows each resource once, in the state that `drift` reports, and that no text from AWS becomes markup.

use std::collections::{BTreeMap, BTreeSet};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::aws::{Aws, FOR_GOOD, Failure, Fault, On};
use crate::support::hand::{EXPECT, FUNCTION, Hand, RULE, changes_by_hand};
use crate::support::{self, taskbell};

const TOPIC: &str = "--alarm-topic arn:aws:sns:us-east-1:123456789012:on-call";
const LEAST: &str = "--cluster batch --pattern task-failed";

async fn with_stack(flags: &str) -> Aws {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, &format!("setup --yes {flags}")).await.code, 0);
    aws
}

/// Returns the SVG and the Mermaid picture of a stack.
async fn drawn(aws: &Aws, flags: &str, code: u8) -> (String, String) {
    let svg = taskbell(aws, &format!("graph {flags} --format svg")).await;
    let mermaid = taskbell(aws, &format!("graph {flags}")).await;
    assert_eq!((svg.code, mermaid.code), (code, code), "{svg:?}");
    (svg.out, mermaid.out)
}

async fn changed_by_hand(aws: &Aws) {
    let hand = Hand::of(aws);
    hand.events.disable_rule().name(RULE).send().await.unwrap();
    hand.configure().timeout(7).send().await.unwrap();
    let elsewhere = aws_sdk_eventbridge::types::Target::builder().id("copy");
    let elsewhere = elsewhere.arn("arn:aws:lambda:us-east-1:123456789012:function:somebodys").build().unwrap();
    hand.events.put_targets().rule(RULE).targets(elsewhere).send().await.unwrap();
}

async fn half_missing(aws: &Aws) {
    let hand = Hand::of(aws);
    hand.lambda.delete_function().function_name(FUNCTION).send().await.unwrap();
    hand.events.remove_targets().rule(RULE).ids("notifier").send().await.unwrap();
    hand.events.delete_rule().name(RULE).send().await.unwrap();
    hand.logs.delete_log_group().log_group_name(support::hand::GROUP).send().await.unwrap();
    hand.logs.create_log_group().log_group_name(support::hand::GROUP).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stack_in_sync_is_drawn_in_sync() {
    let aws = with_stack(&format!("--cluster batch {TOPIC}")).await;
    let (svg, mermaid) = drawn(&aws, &format!("--cluster batch {TOPIC}"), 0).await;
    assert_snapshot!("in-sync-svg", svg);
    assert_snapshot!("in-sync-mermaid", mermaid);
    assert!(!mermaid.contains("-.->"), "{mermaid}");
}

#[tokio::test(start_paused = true)]
async fn drifted_resources_and_their_edges_are_marked() {
    let aws = with_stack(LEAST).await;
    changed_by_hand(&aws).await;
    let (svg, mermaid) = drawn(&aws, LEAST, 2).await;
    assert_snapshot!("drifted-svg", svg);
    assert_snapshot!("drifted-mermaid", mermaid);
}

#[tokio::test(start_paused = true)]
async fn missing_resources_are_drawn_in_position() {
    let aws = with_stack(LEAST).await;
    half_missing(&aws).await;
    let (svg, mermaid) = drawn(&aws, LEAST, 2).await;
    assert_snapshot!("half-missing-svg", svg);
    assert_snapshot!("half-missing-mermaid", mermaid);
}

#[tokio::test(start_paused = true)]
async fn unreadable_resources_are_drawn_as_unknown() {
    let aws = with_stack(LEAST).await;
    let readable = json!(["sts:GetCallerIdentity", "ssm:DescribeParameters", "ssm:ListTagsForResource"]);
    aws.enforce(json!({ "Statement": [{ "Effect": "Allow", "Action": readable, "Resource": ["*"] }] }));
    let (svg, mermaid) = drawn(&aws, LEAST, 3).await;
    assert_snapshot!("unreadable-svg", svg);
    assert_snapshot!("unreadable-mermaid", mermaid);
}

/// Returns the state of each resource in the plan of `drift`, in the words of the picture.
fn told_by_drift(plan: &Value) -> BTreeMap<String, &'static str> {
    let ids = |list: &str| plan[list].as_array().unwrap().clone();
    let id = |one: &Value| one["id"].as_str().or(one.as_str()).unwrap().to_owned();
    let mut told = BTreeMap::new();
    for step in ids("steps") {
        let word = match step["action"].as_str().unwrap() {
            "add" => "missing",
            "change" => "drifted",
            _ => "unexpected",
        };
        assert!(told.insert(id(&step), word).is_none());
    }
    let lists = [("unchanged", "in sync"), ("conflicts", "unmanaged"), ("unknown", "unknown"), ("missing", "missing")];
    for (list, word) in lists {
        for one in ids(list) {
            assert!(told.insert(id(&one), word).is_none());
        }
    }
    told
}

/// Checks that each configured or existing resource is in the picture once, in the state that `drift` reports.
async fn is_as_drift_says(aws: &Aws, flags: &str) {
    let drift = taskbell(aws, &format!("drift {flags} --output json")).await;
    let graph = taskbell(aws, &format!("graph {flags} --output json")).await;
    assert_eq!(drift.code, graph.code, "{drift:?} {graph:?}");
    let (plan, object) = (drift.json(), graph.json());
    assert_eq!(plan["in_sync"], object["in_sync"]);
    let nodes = object["nodes"].as_array().unwrap();
    let id = |node: &Value| node["id"].as_str().unwrap().to_owned();
    let ids: BTreeSet<String> = nodes.iter().map(id).collect();
    assert_eq!(ids.len(), nodes.len(), "{object:#}");
    let resources = nodes.iter().filter(|node| node["state"] != "outside");
    let drawn: BTreeMap<String, &str> = resources.map(|node| (id(node), node["state"].as_str().unwrap())).collect();
    assert_eq!(drawn, told_by_drift(&plan), "{flags}");
    for edge in object["edges"].as_array().unwrap() {
        let is_there = |end: &Value| ids.contains(end.as_str().unwrap());
        assert!(is_there(&edge["from"]) && is_there(&edge["to"]), "{edge}");
    }
    let svg = taskbell(aws, &format!("graph {flags} --format svg")).await.out;
    let mermaid = taskbell(aws, &format!("graph {flags} --format mermaid")).await.out;
    for node in nodes {
        let (id, state) = (node["id"].as_str().unwrap(), node["state"].as_str().unwrap());
        let (in_svg, in_mermaid) = match state {
            "outside" => (format!("<title>{id} "), String::new()),
            _ => (
                format!("<title>{id} · {} ", node["name"].as_str().unwrap()),
                format!("[\"{}<br>", id.replace('*', "#42;")),
            ),
        };
        assert_eq!(svg.matches(&in_svg).count(), 1, "{id}: {svg}");
        assert!(in_mermaid.is_empty() || mermaid.matches(&in_mermaid).count() == 1, "{id}: {mermaid}");
        if state != "outside" {
            let title = svg.split(&in_svg).nth(1).unwrap().split("</title>").next().unwrap();
            assert!(title.contains(state), "{id}: {title}");
            assert!(mermaid.split(&in_mermaid).nth(1).unwrap().lines().next().unwrap().contains(state), "{id}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_resource_is_drawn_once_in_the_state_that_drift_reports() {
    let all = format!("--cluster batch --tag team=data {TOPIC} {EXPECT}");
    is_as_drift_says(&Aws::new().await, &all).await;
    let aws = with_stack(&all).await;
    is_as_drift_says(&aws, &all).await;
    // The stack has resources that are not configured, and other rules.
    is_as_drift_says(&aws, "--cluster batch --no-dedupe --pattern nonzero-exit --pattern application-error").await;
    is_as_drift_says(&aws, "--cluster batch --slack-webhook-parameter /mine/webhook").await;
    is_as_drift_says(&aws, "--cluster batch --notifier-role-arn arn:aws:iam::123456789012:role/mine").await;
    let hand = Hand::of(&aws);
    hand.iam.create_policy().policy_name("extra").policy_document("{}").send().await.unwrap();
    let mut changed = BTreeSet::new();
    for (id, path, change) in changes_by_hand() {
        // A single change of the targets represents all: each further change would start from the result of the one before.
        if path.starts_with("/targets/notifier") || !changed.insert((id, path)) {
            continue;
        }
        change(&hand).await;
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    }
    is_as_drift_says(&aws, &all).await;
    for action in ["events:ListRules", "lambda:GetFunction", "sqs:GetQueueUrl", "cloudwatch:DescribeAlarms"] {
        aws.fail(Fault { failure: Failure::Denied, on: On::Action(action), nth: 0, times: FOR_GOOD });
        is_as_drift_says(&aws, &all).await;
    }
}

/// Checks hostile texts in the picture: in tags and in targets' ARNs.
#[tokio::test(start_paused = true)]
async fn no_text_from_aws_becomes_markup() {
    let hostile = "\"]</title><script>alert(1)</script><image href='https://x'/>``` %%{init: {}}%% --> n9 \u{202e}\u{7}&amp;]]>#quot;";
    let aws = with_stack(LEAST).await;
    let hand = Hand::of(&aws);
    hand.logs.delete_log_group().log_group_name(support::hand::GROUP).send().await.unwrap();
    let tags = [("taskbell:stack".to_owned(), hostile.to_owned())];
    let call = hand.logs.create_log_group().log_group_name(support::hand::GROUP);
    call.set_tags(Some(tags.into())).send().await.unwrap();
    let elsewhere = aws_sdk_eventbridge::types::Target::builder().id("x").arn(format!("arn:aws:lambda:{hostile}"));
    let targets = hand.events.put_targets().rule(RULE).targets(elsewhere.build().unwrap());
    let _ = targets.send().await;
    let (svg, mermaid) = drawn(&aws, LEAST, 2).await;
    assert!(svg.contains("unmanaged") && svg.contains("&lt;script&gt;"), "{svg}");
    for markup in ["<script", "<image", "</title></", "]]>", "\u{202e}", "\u{7}", "href"] {
        let found = svg.replace("&lt;image href=", "").contains(markup);
        assert!(!found, "{markup:?}: {svg}");
    }
    // The picture has no elements other than taskbell's.
    let ours = ["svg", "title", "desc", "style", "defs", "marker", "path", "rect", "text", "g"];
    for tag in svg.split('<').skip(1).map(|rest| rest.trim_start_matches('/')) {
        let name: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect();
        assert!(ours.contains(&name.as_str()), "{name}");
    }
    assert!(!mermaid.contains("```") && !mermaid.contains("%%") && !mermaid.contains("<script"), "{mermaid}");
    // No text ends a label, and each line is a node, an edge, or one of taskbell's other lines.
    for line in mermaid.lines().skip(4) {
        let quotes = line.matches('"').count();
        assert!(quotes == 0 || quotes == 2, "{line}");
        let first = line.split_whitespace().next().unwrap();
        let is_ours = first.starts_with('n') || ["accTitle:", "accDescr:", "classDef"].contains(&first);
        assert!(is_ours, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn long_names_are_cut_in_the_label_and_complete_in_the_title() {
    let name = "a-cluster-whose-name-is-as-long-as-anybody-would-ever-want-to-make-it";
    let flags = format!("--cluster {name} --pattern task-failed");
    let svg = taskbell(&Aws::new().await, &format!("graph {flags} --format svg")).await.out;
    let whole = format!("/taskbell/{name}/slack-webhook-url");
    let titles: Vec<&str> = svg.split("<title>").skip(1).map(|rest| rest.split("</title>").next().unwrap()).collect();
    assert!(titles.iter().any(|title| title.contains(&whole)), "{titles:?}");
    let shown: Vec<&str> = svg.split("<text ").skip(1).map(|rest| rest.split(['>', '<']).nth(1).unwrap()).collect();
    assert!(shown.iter().any(|text| text.starts_with("/taskbell/a-") && text.contains('…')), "{shown:?}");
    assert!(!shown.iter().any(|text| text.contains(&whole)), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn file_extension_selects_the_format_unless_a_flag_does() {
    let aws = with_stack(LEAST).await;
    let folder = tempfile::tempdir().unwrap();
    for (name, flags, begins) in [
        ("a.svg", "", "<svg "),
        ("a.SVG", "", "<svg "),
        ("a.mmd", "", "---\ntitle: "),
        ("a.md", "", "```mermaid\n---\n"),
        ("a.txt", "--format svg", "<svg "),
        ("b.md", "--format svg", "<svg "),
        ("a.txt", "--format mermaid", "---\ntitle: "),
    ] {
        let path = folder.path().join(name);
        let outcome = taskbell(&aws, &format!("graph {LEAST} {flags} --file {}", path.display())).await;
        assert_eq!((outcome.code, outcome.out.as_str()), (0, ""), "{outcome:?}");
        assert!(outcome.err.ends_with(&format!("wrote {}: 8 in sync\n", path.display())), "{outcome:?}");
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(begins), "{name} {flags}");
    }
    aws.forget_calls();
    let unclear = taskbell(&aws, &format!("graph {LEAST} --file {}", folder.path().join("a.png").display())).await;
    assert_eq!((unclear.code, aws.calls().len()), (64, 0), "{unclear:?}");
    assert!(unclear.err.contains("hint: use a name that ends in .svg, .mmd or .md"), "{unclear:?}");
    let both = taskbell(&aws, &format!("graph {LEAST} --format svg --output json")).await;
    assert_eq!((both.code, aws.calls().len()), (64, 0), "{both:?}");
    let path = folder.path().join("c.svg");
    let beside = taskbell(&aws, &format!("graph {LEAST} --output json --file {}", path.display())).await;
    assert!(path.exists() && beside.json()["nodes"].is_array(), "{beside:?}");
    let nowhere = taskbell(&aws, &format!("graph {LEAST} --file {}", folder.path().join("no/a.svg").display())).await;
    assert_eq!(nowhere.code, 1, "{nowhere:?}");
}

/// Checks the tree for terminals: each node has its state in words, each edge a branch, and no node has its branches twice.
#[tokio::test(start_paused = true)]
async fn tree_shows_every_node_with_its_state() {
    let aws = with_stack(&format!("--cluster batch {TOPIC}")).await;
    let flags = format!("--cluster batch {TOPIC}");
    let tree = taskbell(&aws, &format!("graph {flags} --format tree")).await;
    assert!(tree.code == 0 && tree.out.starts_with("stack batch in us-east-1, account 123456789012\n"), "{tree:?}");
    let object = taskbell(&aws, &format!("graph {flags} --output json")).await.json();
    for node in object["nodes"].as_array().unwrap() {
        let id = node["id"].as_str().unwrap();
        let shown = if node["state"] == "outside" { id.to_owned() } else { format!("{id}  = in sync") };
        assert!(tree.out.contains(&shown), "{shown}: {}", tree.out);
    }
    let branches = tree.out.lines().filter(|line| line.contains("├─ ") || line.contains("└─ ")).count();
    assert_eq!(branches, object["edges"].as_array().unwrap().len(), "{}", tree.out);
    for once in ["invokes function/notifier  = in sync\n", "runs as role/notifier", "posts to Slack", "notifies arn:"] {
        assert!(tree.out.contains(once), "{once}: {}", tree.out);
    }
    assert_eq!(tree.out.matches("runs as role/notifier").count(), 1, "{}", tree.out);
    assert!(tree.out.contains("function/notifier  = in sync  (as above)\n"), "{}", tree.out);
    assert!(tree.out.ends_with(" in sync\n"), "{}", tree.out);
    let mermaid = taskbell(&aws, &format!("graph {flags} --output mermaid")).await;
    assert_eq!((mermaid.code, &mermaid.out), (0, &taskbell(&aws, &format!("graph {flags}")).await.out));
    assert!(mermaid.out.contains("flowchart LR"), "{mermaid:?}");
    let elsewhere = taskbell(&aws, "drift --cluster batch --output mermaid").await;
    assert!(elsewhere.code == 64 && elsewhere.err.contains("only with graph"), "{elsewhere:?}");
}

#[tokio::test(start_paused = true)]
async fn tree_names_the_differences() {
    let aws = with_stack(LEAST).await;
    changed_by_hand(&aws).await;
    let tree = taskbell(&aws, &format!("graph {LEAST} --format tree")).await;
    for told in
        ["rule/task-failed  ~ drifted: state", "function/notifier  ~ drifted: timeout", "(unexpected) arn:aws:lambda"]
    {
        assert!(tree.code == 2 && tree.out.contains(told), "{told}: {tree:?}");
    }
}
