//! Checks all input from outside: no input causes a panic or reveals a secret, an error names the thing and has the documented exit
//! code, and normal forms are stable. The documents are modified valid ones, and noise.

use std::path::PathBuf;

use aws_config::{BehaviorVersion, SdkConfig};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};
use taskbell::config::{self, Cluster, WebhookHosts};
use taskbell::error::{Error, Result};
use taskbell::notifier::embedded::Engine;
use taskbell::pattern::matcher::Matcher;
use taskbell::pattern::samples::{SAMPLES, sample};
use taskbell::pattern::tree::Tree;
use taskbell::pattern::{CATALOGUE, Drill, LONGEST, Pattern};
use taskbell::policy::Policy;
use taskbell::stack::StackName;
use tokio_util::sync::CancellationToken;

use crate::support;

const PROD: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/prod";

/// Returns a configuration that draws the same cases every time; PROPTEST_CASES sets their number, and draws others.
fn usual(cases: u32) -> ProptestConfig {
    let given = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig { rng_seed: RngSeed::Random, ..given },
        None => ProptestConfig { cases, rng_seed: RngSeed::Fixed(7), ..given },
    }
}

/// Words that have a meaning for one of the parsers.
const WORDS: [&str; 34] = [
    "",
    "$or",
    "prefix",
    "suffix",
    "anything-but",
    "numeric",
    "exists",
    "cidr",
    "wildcard",
    "equals-ignore-case",
    "=",
    "<",
    "*",
    "**",
    "\\",
    "10.0.0.0/8",
    "::1",
    "${cluster_arn}",
    "${service_arn_prefix}",
    "source",
    "detail",
    "containers",
    "exitCode",
    "group",
    "taskDefinitionArn",
    "service:web",
    "a.b",
    "Statement",
    "Action",
    "Principal",
    "AWS:SourceArn",
    "\u{0}",
    "ß\u{202e}𝕏",
    "<!channel>",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![select(&WORDS[..]).prop_map(str::to_owned), "\\PC{0,12}", any::<String>()]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        select(vec![0_i64, 1, -1, 137, i64::MAX, i64::MIN]).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        text().prop_map(Value::from),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(text(), inner, 0..5).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// Collects the positions of a document, as JSON pointers.
fn places(value: &Value, here: &str, all: &mut Vec<String>) {
    all.push(here.to_owned());
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| places(value, &format!("{here}/{}", escaped(name)), all));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| places(item, &format!("{here}/{at}"), all));
        }
        _ => {}
    }
}

/// Returns one of these documents with up to three changes: a value is replaced, wrapped in a list or set to null, or one is added.
fn changed(documents: Vec<Value>) -> impl Strategy<Value = Value> {
    let change = (any::<Index>(), 0..4_u8, any_json(), text());
    (select(documents), vec(change, 0..4)).prop_map(|(mut document, changes)| {
        for (place, how, other, name) in changes {
            let mut all = Vec::new();
            places(&document, "", &mut all);
            let place: &String = place.get(&all);
            let at = document.pointer_mut(place).unwrap();
            match (how, &mut *at) {
                (0, Value::Object(fields)) => drop(fields.insert(name, other)),
                (0, Value::Array(items)) => items.push(other),
                (1, value) => *value = json!([value.take()]),
                (2, value) => *value = Value::Null,
                (_, value) => *value = other,
            }
        }
        document
    })
}

fn patterns() -> Vec<Value> {
    let named = CATALOGUE.iter().map(|entry| {
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "patterns", &format!("{}.json", entry.name)].iter().collect();
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    });
    let mut all: Vec<Value> = named.collect();
    all.push(json!({ "detail": { "a": [{ "numeric": [">", 0, "<=", 5] }, { "anything-but": ["x", "y"] }],
        "b": [{ "wildcard": "a*b\\*" }], "c": [{ "cidr": "10.0.0.0/8" }, { "prefix": { "equals-ignore-case": "x" } }],
        "$or": [{ "d": [{ "exists": false }] }, { "e": ["x", 1, null] }] } }));
    all
}

fn events() -> Vec<Value> {
    SAMPLES.iter().map(|one| sample(one.name).unwrap().0).collect()
}

/// Returns the JSON text with the fields of every object in reverse order.
fn backwards(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().rev().map(|(name, value)| format!("{}:{}", json!(name), backwards(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(backwards).collect::<Vec<_>>().join(",")),
        leaf => leaf.to_string(),
    }
}

/// Reverses every list of alternatives; a range of numbers is not such a list.
fn reordered(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                (name.clone(), if name == "numeric" { value.clone() } else { reordered(value) })
            };
            fields.iter().map(field).collect()
        }
        Value::Array(items) => items.iter().rev().map(reordered).collect(),
        leaf => leaf.clone(),
    }
}

/// Replaces each list of one item by the item, as AWS returns it.
fn with_scalars(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), with_scalars(value))).collect(),
        Value::Array(items) if items.len() == 1 => with_scalars(&items[0]),
        Value::Array(items) => items.iter().map(with_scalars).collect(),
        leaf => leaf.clone(),
    }
}

fn well_formed() -> impl Strategy<Value = Value> {
    let names = || vec("[a-z]{1,3}:[A-Za-z*]{1,5}|\\PC{1,4}", 1..4);
    let listed = |keys: &'static str| btree_map(keys, names(), 1..3);
    let conditions = btree_map("ArnEquals|ArnLike|StringLike|Bool", listed("aws:SourceArn|AWS:SourceArn|x:y"), 0..3);
    let statement = (select(vec!["Allow", "Deny"]), names(), listed("AWS|Service"), names(), conditions).prop_map(
        |(effect, actions, principals, resources, conditions)| {
            json!({ "Effect": effect, "Action": actions, "Principal": principals, "Resource": resources, "Condition": conditions })
        },
    );
    vec(statement, 1..4).prop_map(|statements| json!({ "Version": "2012-10-17", "Statement": statements }))
}

/// Checks that an error is a usage error, and that its text contains the thing.
fn is_usage(error: &Error, thing: &str) {
    let told = error.in_one_line();
    assert_eq!(error.kind(), taskbell::error::Category::Usage, "{told}");
    assert!(told.contains(thing), "{thing:?} is not named: {told}");
}

/// Reads a pattern file with this content.
fn found(content: &[u8]) -> Result<Pattern> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.json");
    std::fs::write(&path, content).unwrap();
    Pattern::find(path.to_str().unwrap())
}

proptest! {
    #![proptest_config(usual(400))]

    #[test]
    fn any_bytes_in_a_pattern_file_are_read_or_refused_by_name(content in vec(any::<u8>(), 0..60)) {
        if let Err(error) = found(&content) {
            is_usage(&error, "mine");
        }
    }

    #[test]
    fn pattern_is_bound_or_refused_by_name(
        tree in prop_oneof![changed(patterns()), any_json()],
        event in prop_oneof![changed(events()), any_json()],
    ) {
        let pattern = match found(tree.to_string().as_bytes()) {
            Ok(pattern) => pattern,
            Err(error) => return { is_usage(&error, "mine"); Ok(()) },
        };
        let clusters = [PROD.to_owned()];
        let bound = match pattern.bind(&clusters, Drill::Accepted) {
            Ok(bound) => bound,
            Err(error) => return { is_usage(&error, "mine"); Ok(()) },
        };
        // A bound pattern has no placeholder, so binding it again does not change it. Without repeated fields it may be too long.
        if bound.to_string().chars().count() <= LONGEST {
            let again = found(bound.to_string().as_bytes()).and_then(|pattern| pattern.bind(&clusters, Drill::Accepted));
            prop_assert_eq!(again.unwrap(), bound.clone());
        }
        // The order of fields has no meaning, nor has the order of alternatives.
        // But of a field that is repeated inside and outside of $or, the last one counts.
        if pattern.warnings().next().is_none() {
            prop_assert_eq!(found(backwards(&tree).as_bytes()).ok(), Some(pattern));
        }
        let matcher = Matcher::new(&Tree::from(&bound)).unwrap();
        let matches = matcher.matches(&event);
        prop_assert_eq!(matcher.mismatch(&event).is_none(), matches);
        prop_assert_eq!(Matcher::new(&Tree::from(&reordered(&bound))).unwrap().matches(&event), matches);
    }

    #[test]
    fn policy_has_one_normal_form_in_every_encoding(
        document in prop_oneof![changed(vec![policy_of_a_role(), policy_of_a_function()]), any_json()],
    ) {
        let normal = Policy::new(&document);
        let text = document.to_string();
        prop_assert_eq!(&Policy::parse(&text), &normal);
        prop_assert_eq!(&Policy::parse(&format!("{document:#}")), &normal);
        prop_assert_eq!(&Policy::parse(&backwards(&document)), &normal, "backwards");
        prop_assert_eq!(&Policy::parse(&utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string()), &normal);
        prop_assert!(!document.is_object() || Policy::new(&normal.document()) == normal);
        let _ = normal.allows_service("events.amazonaws.com", "lambda:InvokeFunction", "arn:x");
    }

    #[test]
    fn policy_is_equal_in_any_order_and_with_scalars_for_lists(policy in well_formed()) {
        let normal = Policy::new(&policy);
        prop_assert_eq!(&Policy::new(&reordered(&policy)), &normal);
        prop_assert_eq!(&Policy::parse(&backwards(&with_scalars(&policy))), &normal);
        let mut other = policy.clone();
        other["Statement"][0]["Effect"] = json!("Neither");
        prop_assert_ne!(&Policy::new(&other), &normal);
    }

    #[test]
    fn invalid_policy_is_not_an_empty_policy(text in prop_oneof![text(), leaf().prop_map(|leaf| leaf.to_string())]) {
        prop_assert_ne!(Policy::parse(&text), Policy::new(&json!({ "Statement": [] })));
    }

    #[test]
    fn flag_value_is_kept_or_refused_by_name(text in flag_value()) {
        // A URL may be a secret; everything else is repeated whole.
        let quoted = taskbell::secret::echoed(&text);
        prop_assert!(quoted == format!("{text:?}") || text.contains(['.', '@']) || text.contains("://"), "{}", quoted);
        same(text.parse::<Cluster>(), |cluster| cluster.to_string(), &text, &quoted);
        same(text.parse::<StackName>(), |name| name.to_string(), &text, &quoted);
        same(config::mention(&text), |whom| whom, &text, &quoted);
        same(config::alarm_topic(&text), |arn| arn, &text, &quoted);
        same(taskbell::arn::parameter_name(&text), |name| name, &text, &quoted);
        same(config::log_group(&text), |name| name, &text, &quoted);
        same(config::tag(&text), |(key, value)| format!("{key}={value}"), &text, "tag");
        same(config::ignore(std::slice::from_ref(&text)), |_| text.clone(), &text, &quoted);
        let days = config::log_retention(&text);
        same(days, |days| days.map_or("never".to_owned(), |days| days.to_string()), &text, &taskbell::secret::without_secrets(&text));
        let _ = config::log_group_covers(&text, "/ecs/web");
    }

    #[test]
    fn webhook_is_never_printed_and_an_accepted_one_is_a_valid_url(
        (scheme, host, path, tail) in (
            select(vec!["https://", "HTTPS://", "http://", "", "//", "https:/", "ftp://"]),
            prop_oneof![select(vec!["hooks.slack.com", "HOOKS.slack.com", "hooks.slack.com:443", "user:hunter2@hooks.slack.com",
                "hooks.slack-gov.com", "127.0.0.1:80", "[::1]", "hunter2@chat.example"]).prop_map(str::to_owned), "[ -~]{0,10}"],
            select(vec!["/services/", "/", "", "/services/T/B/", "/workflows/", "?", "#"]),
            "[ -~]{0,5}|\\PC{0,5}",
        ),
        any in any::<bool>(),
    ) {
        let given = format!("{scheme}{host}{path}hunter2{tail}");
        let hosts = if any { WebhookHosts::Any } else { WebhookHosts::Known };
        match config::webhook(&given, hosts) {
            Ok(webhook) => {
                let url = webhook.reveal().to_owned();
                let again = config::webhook(&url, hosts).unwrap();
                prop_assert_eq!(again.reveal(), &url);
                let authority = url.split('/').nth(2).unwrap();
                prop_assert!(!authority.contains('@'), "nobody can post to a URL with a password: {}", url);
                let shown = format!("{webhook:?} {webhook}");
                prop_assert!(!shown.contains("hunter2"));
            }
            Err(error) => {
                is_usage(&error, "webhook");
                let shown = format!("{error:?} {} {:?}", error.in_one_line(), error.nearest_hint());
                prop_assert!(!shown.contains("hunter2"), "{}", shown);
            }
        }
    }
}

/// Checks that a value is accepted unchanged, or refused.
fn same<T>(taken: Result<T>, back: impl Fn(T) -> String, text: &str, named: &str) {
    match taken {
        Ok(value) => assert_eq!(back(value), text),
        Err(error) => is_usage(&error, named),
    }
}

fn flag_value() -> impl Strategy<Value = String> {
    let valid = vec![
        PROD,
        "batch",
        "team=data",
        "a=b=c",
        "U0123",
        "here",
        "arn:aws:sns:us-east-1:123456789012:on-call",
        "/ecs/*",
        "30",
        "never",
        "log_group/*/retention_days",
        "{a,b}",
        "[a-z]",
        "arn:aws:ecs::cluster/x",
        "+30",
        "aws:x=1",
    ];
    let changed = (select(valid), any::<Index>(), text()).prop_map(|(valid, at, more)| {
        let at = at.index(valid.len() + 1);
        format!("{}{more}{}", &valid[..at], &valid[at..])
    });
    prop_oneof![changed, text()]
}

/// Returns a policy as IAM stores the notifier's.
fn policy_of_a_role() -> Value {
    json!({ "Version": "2012-10-17", "Id": "x", "Statement": [
        { "Sid": "Log", "Effect": "Allow", "Action": ["logs:CreateLogStream", "LOGS:PutLogEvents"], "Resource": "arn:x:*" },
        { "Effect": "Deny", "NotAction": "kms:Decrypt", "NotResource": ["a", "b"],
          "Condition": { "StringEquals": { "kms:ViaService": "x" }, "Bool": { "aws:SecureTransport": true } } },
    ] })
}

/// Returns a policy as Lambda stores a function's.
fn policy_of_a_function() -> Value {
    json!({ "Version": "2012-10-17", "Id": "default", "Statement": { "Sid": "rule", "Effect": "Allow",
        "Principal": { "Service": "events.amazonaws.com", "AWS": ["arn:aws:iam::123456789012:root", "*"] },
        "Action": "lambda:InvokeFunction", "Resource": "arn:function",
        "Condition": { "ArnLike": { "AWS:SourceArn": "arn:rule" }, "ArnEquals": { "aws:SourceArn": ["a", "b"] } } } })
}

proptest! {
    #![proptest_config(usual(150))]

    /// Checks any event, and any data that the notifier would look up.
    #[test]
    fn embedded_notifier_accepts_every_object_as_an_event(
        events in vec(prop_oneof![changed(events()), btree_map(text(), any_json(), 0..5).prop_map(|fields| fields.into_iter().collect())], 1..8),
        context in prop_oneof![changed(SAMPLES.iter().map(|one| sample(one.name).unwrap().1).collect()), Just(Value::Null)],
    ) {
        let engine = Engine::new().unwrap();
        for event in events.iter().filter(|event| event.is_object()) {
            let message = engine.preview(event, &Value::Null, &json!({ "language": "ja" })).unwrap();
            prop_assert!(message.payload["text"].as_str().is_some_and(|text| !text.is_empty()));
            let _ = engine.preview(event, &context, &json!({ "language": "en" }));
        }
    }

    #[test]
    fn event_file_is_read_or_refused_by_name(content in prop_oneof![
        vec(any::<u8>(), 0..60),
        changed(events()).prop_map(|event| event.to_string().into_bytes()),
        any_json().prop_map(|event| event.to_string().into_bytes()),
    ]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        std::fs::write(&path, content).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        for (line, codes) in [("preview", [0, 64]), ("pattern test", [1, 64]), ("pattern test --output json", [1, 64])] {
            let line = format!("{line} {}", path.display());
            let run = support::run_with(sdk.clone(), &line, None, CancellationToken::new());
            let outcome = runtime.block_on(run);
            let held = codes.contains(&outcome.code) || outcome.code == 0;
            prop_assert!(held && (outcome.code != 64 || outcome.err.contains("event.json")), "{}: {:?}", line, outcome);
        }
    }
}
