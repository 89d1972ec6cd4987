//! Measures events a second on one core: the default pattern over the samples; the part of it that the quamina crate can express,
//! beside that crate; and growing numbers of events.

use std::hint::black_box;
use std::time::Instant;

use quamina::Quamina;
use serde_json::{Value, json};
use taskbell::pattern::matcher::Matcher;
use taskbell::pattern::samples::of_cluster;
use taskbell::pattern::{Drill, Pattern};

const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/prod";
const ROUNDS: usize = 5;
const EVENTS: usize = 50_000;

fn main() {
    let pattern = Pattern::find("task-failed").and_then(|pattern| pattern.bind(&[CLUSTER.to_owned()], Drill::Accepted));
    let pattern = pattern.unwrap_or_else(|error| panic!("{error}"));
    let events = of_cluster(CLUSTER).unwrap_or_else(|error| panic!("{error}"));
    let matcher = matcher(&pattern);
    println!("matching, on one core, best of {ROUNDS}:\n");
    println!(
        "task-failed over {} samples: {:>9.0} events a second",
        events.len(),
        speed(EVENTS, &events, |event| matcher.matches(event))
    );

    beside_quamina(&pattern, &events);

    println!("\nlinear in the number of events:");
    for count in [10_000, 20_000, 40_000, 80_000] {
        let speed = speed(count, &events, |event| matcher.matches(event));
        println!("{count:>8} events: {:>6.2} ms a thousand", 1e6 / speed);
    }
}

/// Compares the two matchers, which both read the event's text. quamina has neither `$or` nor `anything-but` with a prefix: it
/// receives the alternatives one by one, and both matchers omit the one alternative that quamina cannot express.
fn beside_quamina(pattern: &Value, events: &[Value]) {
    let mut common = pattern.clone();
    let alternatives = common["detail"]["$or"].take();
    let said: Vec<&Value> = alternatives
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| !one.to_string().contains("{\"prefix\":["))
        .collect();
    common["detail"]["$or"] = json!(said);
    let matcher = matcher(&common);
    let mut quamina = Quamina::new();
    for one in &said {
        let mut whole = common.clone();
        if let Some(detail) = whole["detail"].as_object_mut() {
            detail.remove("$or");
            detail.extend(one.as_object().cloned().unwrap_or_default());
        }
        quamina.add_pattern("task-failed", &whole.to_string()).unwrap_or_else(|error| panic!("{error:?}"));
    }
    let takes = |text: &String| quamina.has_matches(text.as_bytes()).unwrap_or_else(|error| panic!("{error:?}"));
    let texts: Vec<String> = events.iter().map(Value::to_string).collect();
    let (same, other): (Vec<String>, Vec<String>) =
        texts.into_iter().partition(|text| ours(&matcher, text) == takes(text));
    println!(
        "\nfrom text, {} of {} alternatives, the {} samples both agree on ({} not):",
        said.len(),
        alternatives.as_array().map_or(0, Vec::len),
        same.len(),
        other.len()
    );
    let own = speed(EVENTS, &same, |text| ours(&matcher, text));
    let theirs = speed(EVENTS, &same, takes);
    println!("  taskbell {own:>9.0} events a second\n  quamina  {theirs:>9.0} events a second, {:.1} x", theirs / own);
}

fn ours(matcher: &Matcher, text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|event| matcher.matches(&event))
}

fn matcher(pattern: &Value) -> Matcher {
    Matcher::new(&pattern.into()).unwrap_or_else(|invalid| panic!("{invalid}"))
}

fn speed<T>(count: usize, events: &[T], takes: impl Fn(&T) -> bool) -> f64 {
    let round = |_| {
        let start = Instant::now();
        for event in events.iter().cycle().take(count) {
            black_box(takes(black_box(event)));
        }
        count as f64 / start.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(round).fold(0.0, f64::max)
}
