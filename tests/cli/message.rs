//! Checks the messages of the notifier's own modules in the embedded engine: golden files for every sample, and Slack's limits for
//! any event.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use taskbell::notifier::embedded::{Engine, Place};
use taskbell::pattern::samples::{SAMPLES, sample};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

fn options(language: &str) -> Value {
    json!({ "language": language })
}

/// Compares the golden files with the engine's messages; `lambda/test/golden.test.mjs` compares the same files with those of
/// Node.js. After an intended change: `UPDATE_GOLDEN=1 cargo test --test cli message::`.
#[test]
fn every_sample_gives_its_golden_message_in_both_languages() {
    let engine = Engine::new().unwrap();
    for name in SAMPLES.map(|sample| sample.name) {
        let (event, context) = sample(name).unwrap();
        for language in ["en", "ja"] {
            let payload = engine.preview(&event, &context, &options(language)).unwrap().payload;
            assert_slack_takes(&payload);
            let path = format!("{GOLDEN}/{name}.{language}.json");
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&path, format!("{payload:#}\n")).unwrap();
            }
            let golden: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(payload, golden, "{path}");
        }
    }
    assert_eq!(messages(GOLDEN), 2 * SAMPLES.len(), "a golden message without a sample");
}

fn messages(folder: &str) -> usize {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".en.json") || name.ends_with(".ja.json")).count()
}

/// Compares the engine's payloads for the other destinations with those of Node.js, which `lambda/test/golden.test.mjs` writes.
#[test]
fn every_sample_gives_its_golden_payload_for_every_other_destination() {
    let engine = Engine::new().unwrap();
    let places = [Place::Teams, Place::Discord, Place::Webhook, Place::Sns]
        .into_iter()
        .zip(["teams", "discord", "webhook", "sns"]);
    for (place, folder) in places {
        let folder = format!("{GOLDEN}/{folder}");
        for name in SAMPLES.map(|sample| sample.name) {
            let (event, context) = sample(name).unwrap();
            for language in ["en", "ja"] {
                let payload = engine.preview_at(place, &event, &context, &options(language)).unwrap().payload;
                let path = format!("{folder}/{name}.{language}.json");
                let golden: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
                assert_eq!(payload, golden, "{path}");
            }
        }
        assert_eq!(messages(&folder), 2 * SAMPLES.len(), "a golden payload without a sample");
    }
}

#[test]
fn every_recorded_event_gives_a_message_that_slack_accepts() {
    let engine = Engine::new().unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/patterns/events/field");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let event: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            for language in ["en", "ja"] {
                assert_slack_takes(&engine.preview(&event, &Value::Null, &options(language)).unwrap().payload);
            }
            seen += 1;
        }
    }
    assert!(seen >= 60, "{seen}");
}

/// Checks random shapes, missing and unknown fields, hostile strings, reasons of 10 kB, 50 containers.
#[test]
fn slack_accepts_the_message_of_any_event_and_no_text_becomes_markup() {
    let engine = Engine::new().unwrap();
    let mut runner = TestRunner::new(Config { cases: 1500, failure_persistence: None, ..Config::default() });
    let rang = std::cell::Cell::new(0);
    runner
        .run(&(event(), context(), message_options()), |(event, context, options)| {
            let preview = engine
                .preview(&event, &context, &options)
                .map_err(|error| TestCaseError::fail(format!("{error}: {event}")))?;
            assert_slack_takes(&preview.payload);
            prop_assert!(!preview.payload.to_string().contains("hunter2"), "an override in {}", preview.payload);
            rang.set(rang.get() + usize::from(preview.incident["rings"] == true));
            Ok(())
        })
        .unwrap();
    assert!(rang.get() > 1000, "only {} rang", rang.get());
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<!channel>",
        "<@U012AB>",
        "<https://evil.example|click>",
        "```",
        "`",
        "&",
        "<",
        ">",
        "&amp;",
        "*",
        "_",
        "~",
        "\n",
        "\r\n",
        "\u{1b}[31m",
        "\u{1b}]0;x\u{7}",
        "\u{0}",
        "\u{202e}",
        "🔥",
        "é",
        "日本語",
        " ",
        "{container}",
        "$&",
        "|",
        "word",
        "OutOfMemoryError: x",
        "CannotPullContainerError: ",
        "Scaling activity initiated by",
        "\u{2028}",
    ]);
    prop_oneof![
        4 => prop::collection::vec(piece.clone(), 0..12).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
        1 => (piece, 1..3000usize).prop_map(|(piece, times)| piece.repeat(times.min(10_000 / piece.len().max(1)))),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        hostile().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z_]{1,9}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// Returns a field that is a string in most cases, any value in some, and missing in others.
fn field() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![6 => hostile().prop_map(|text| Some(Value::from(text))), 1 => anything().prop_map(Some), 2 => Just(None)]
}

fn container() -> impl Strategy<Value = Value> {
    let code = prop_oneof![Just(json!(0)), Just(json!(1)), Just(json!(137)), Just(json!(143)), anything()];
    (field(), prop::option::of(code), field())
        .prop_map(|(name, code, reason)| object([("name", name), ("exitCode", code), ("reason", reason)]))
}

fn event() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec![
        "ECS Task State Change",
        "ECS Task State Change",
        "ECS Deployment State Change",
        "ECS Service Action",
        "Application Error",
        "Something Else",
    ]);
    let source = prop::sample::select(vec!["aws.ecs", "aws.ecs", "taskbell.drill", "taskbell.app"]);
    let detail = (
        prop::collection::vec(container(), 0..50),
        prop::array::uniform10(field()),
        prop::option::of(prop::sample::select(vec![
            "EssentialContainerExited",
            "TaskFailedToStart",
            "UserInitiated",
            "SpotInterruption",
            "New",
        ])),
        field(),
    );
    (kind, source, detail, prop::array::uniform4(field()), prop::option::weighted(0.1, anything())).prop_map(
        |(kind, source, (containers, fields, stop_code, level), [id, account, region, time], instead)| {
            if let Some(anything) = instead {
                return anything;
            }
            let [cluster, task, definition, group, reason, started, stopped, name, message, more] = fields;
            let detail = object([
                ("containers", Some(Value::from(containers))),
                ("clusterArn", cluster),
                ("taskArn", task),
                ("taskDefinitionArn", definition),
                ("group", group),
                ("stoppedReason", reason.clone()),
                ("reason", reason),
                ("startedAt", started),
                ("stoppedAt", stopped),
                ("eventName", name),
                ("message", message),
                ("detail", more),
                ("stopCode", stop_code.map(Value::from)),
                ("level", level),
                ("lastStatus", Some(json!("STOPPED"))),
                (
                    "overrides",
                    Some(json!({ "containerOverrides": [{ "environment": [{ "name": "K", "value": "hunter2" }] }] })),
                ),
            ]);
            object([
                ("source", Some(json!(source))),
                ("detail-type", Some(json!(kind))),
                ("detail", Some(detail)),
                ("id", id),
                ("account", account),
                ("region", region),
                ("time", time),
                ("resources", Some(json!([hostile_arn()]))),
            ])
        },
    )
}

fn hostile_arn() -> String {
    format!("arn:aws:ecs:us-east-1:1:service/{}/<!here>", "c".repeat(300))
}

fn context() -> impl Strategy<Value = Value> {
    let outline =
        (hostile(), any::<bool>(), field(), field(), field()).prop_map(|(name, essential, group, region, prefix)| {
            let log =
                object([("driver", Some(json!("awslogs"))), ("group", group), ("region", region), ("prefix", prefix)]);
            json!({ "name": name, "essential": essential, "log": log })
        });
    (prop::collection::vec(outline, 0..5), prop::collection::vec(hostile(), 0..40), 1..5000u32, anything()).prop_map(
        |(containers, tail, count, odd)| {
            json!({
                "taskDefinition": { "containers": containers }, "tail": tail,
                "missing": [{ "action": "logs:GetLogEvents", "why": "denied" }, odd],
                "occurrence": { "count": count, "since": "2026-11-20T10:00:00.000Z", "earlier": count / 2, "next": 2 * count },
            })
        },
    )
}

fn message_options() -> impl Strategy<Value = Value> {
    (prop::sample::select(vec!["en", "ja", "fr"]), field(), field(), field()).prop_map(
        |(language, username, icon, mention)| {
            object([
                ("language", Some(json!(language))),
                ("username", username),
                ("iconEmoji", icon),
                ("mention", mention),
            ])
        },
    )
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Checks Slack's limits (facts of its documentation, lengths in UTF-16 units as the strictest reading), and its escaping. All blocks
/// count together, those of attachments included.
fn assert_slack_takes(payload: &Value) {
    let text = payload["text"].as_str().unwrap();
    assert!(!text.is_empty() && units(text) <= 4000, "text: {}", units(text));
    assert_no_foreign_markup(text);
    let mut blocks: Vec<&Value> = payload["blocks"].as_array().unwrap().iter().collect();
    // Slack shows the headline in notifications as `text`, and in the channel as the first block.
    assert_eq!(blocks[0]["text"]["text"], payload["text"]);
    for block in &blocks {
        let is_section = block["type"] == "section";
        assert_eq!(block["expand"] == true, is_section, "Slack may fold {block:#}");
    }
    for attachment in payload["attachments"].as_array().unwrap() {
        assert!(attachment["color"].as_str().unwrap().starts_with('#'));
        if let Some(folded) = attachment["text"].as_str() {
            assert!(units(folded) <= 8000);
            assert_no_foreign_markup(folded);
        } else {
            blocks.extend(attachment["blocks"].as_array().unwrap());
        }
    }
    assert!(blocks.len() <= 50);
    let total: usize = blocks.into_iter().map(assert_slack_takes_block).sum();
    assert!(total <= 13_000, "all blocks: {total}");
}

/// Checks the limits of one block, and returns the length of its texts.
fn assert_slack_takes_block(block: &Value) -> usize {
    let fields: Vec<&Value> = block["fields"].as_array().into_iter().flatten().collect();
    let elements: Vec<&Value> = block["elements"].as_array().into_iter().flatten().collect();
    assert!(fields.len() <= 10 && elements.len() <= 10, "{block:#}");
    assert!(block["text"].is_object() || !fields.is_empty() || !elements.is_empty(), "{block:#}");
    let text = block["text"].is_object().then_some((&block["text"], 3000));
    let short = fields.into_iter().chain(elements).map(|one| (one, 2000));
    let mut total = 0;
    for (one, most) in text.into_iter().chain(short) {
        let text = one["text"].as_str().unwrap();
        assert!(!text.trim().is_empty() && units(text) <= most, "{} of {most}: {text}", units(text));
        assert_no_foreign_markup(text);
        total += units(text);
    }
    total
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Checks that there is no bare `<`, `>` or `&` outside of taskbell's links, dates and mentions, and that no fence is left open.
fn assert_no_foreign_markup(text: &str) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        assert_escaped(before);
        let (inner, after) = after.split_once('>').unwrap_or_else(|| panic!("an open < in {text}"));
        let ours = inner.starts_with("https://") || inner.starts_with("!date^") || is_mention(inner);
        assert!(ours && !inner.contains('<'), "<{inner}> in {text}");
        rest = after;
    }
    assert_escaped(rest);
    // Within a fence, only three backticks in a row are marks.
    let parts: Vec<&str> = text.split("```").collect();
    assert_eq!(parts.len() % 2, 1, "an open fence in {text}");
    let outside: String = parts.into_iter().step_by(2).collect();
    assert_eq!(outside.matches('`').count() % 2, 0, "an odd backtick in {text}");
}

fn is_mention(inner: &str) -> bool {
    ["!here", "!channel", "!everyone"].contains(&inner) || inner.starts_with('@') || inner.starts_with("!subteam^")
}

fn assert_escaped(text: &str) {
    assert!(!text.contains('>'), "a bare > in {text}");
    for (at, _) in text.match_indices('&') {
        let entity = ["&amp;", "&lt;", "&gt;"].iter().any(|entity| text[at..].starts_with(entity));
        assert!(entity, "a bare & in {text}");
    }
    assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "a control character in {text:?}");
}
