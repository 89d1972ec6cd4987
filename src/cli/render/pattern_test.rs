//! Renders the answers about an event, from each pattern or rule and from the notifier, as text and as JSON.

use serde_json::{Value, json};

use super::{marks, mismatch};
use crate::input::printable;
use crate::operations::check::Held;
use crate::operations::links::Broken;
use crate::operations::pattern_test::answer::{Answer, Decision, Matching, Outcome, Repetition, Tested};
use crate::pattern::matcher::{Branch, Mismatch};

/// The number of equally close branches of `$or` that the text shows of a pattern. JSON has all of them.
const SHOWN_BRANCHES: usize = 3;

/// The note for a notifier in AWS whose code this binary does not have.
pub const ANOTHER_VERSION: &str =
    "note: the notifier in AWS has another version than this taskbell; the answers follow the rules of this taskbell\n";

/// Returns the name of the event, a line for each answer, and the conclusion.
pub fn text(tested: &Tested) -> String {
    let Tested { event, answers, decision, is_live } = tested;
    let rows = answers.iter().map(|answer| (name(answer), sign(answer), first_of(reasons(answer, *is_live))));
    let notifier = is_live.then(|| {
        let (sign, told) = match decision {
            Decision::Announces(cause) if !tested.matches() => {
                (Held::Yes, format!("would announce it if a rule delivered it: {cause}"))
            }
            Decision::Announces(cause) => (Held::Yes, format!("announces it: {cause}")),
            Decision::Silent(why) => (Held::No, format!("would not announce it: {why}")),
            Decision::Repeated(repetition) => (Held::No, repetition_text(repetition)),
            Decision::Unknown(why) => (Held::Unknown, why.clone()),
        };
        ("function/notifier".to_owned(), sign, vec![told])
    });
    let rows: Vec<(String, Held, Vec<String>)> = rows.chain(notifier).collect();
    let width = rows.iter().map(|(from, ..)| from.len()).max().unwrap_or_default();
    let line = |(from, sign, told): &(String, Held, Vec<String>)| {
        let (first, more) = told.split_first().map_or(("", &told[..]), |(first, more)| (first.as_str(), more));
        let first = printable(&format!("{from:width$}  {first}"));
        let first = format!("  {} {}\n", marks::check(*sign), first.trim_end());
        more.iter().fold(first, |text, told| text + &format!("    {:width$}  {}\n", "", printable(told)))
    };
    let sum = if *is_live { String::new() } else { format!("  {}\n", printable(&sum(&tested.matching(), decision))) };
    std::iter::once(format!("{}\n", printable(event))).chain(rows.iter().map(line)).chain([sum]).collect()
}

pub fn object(tested: &Tested) -> Value {
    let Tested { event, answers, decision, is_live } = tested;
    let answers: Vec<Value> = answers.iter().map(answer_object).collect();
    let mut object = json!({ "event": event, "patterns": answers, "notifier": decision_object(decision) });
    if *is_live {
        object["rings"] = json!(tested.holds());
    } else {
        object["matches"] = json!(tested.matches());
        object["rings_with"] = matching_object(&tested.matching(), decision);
    }
    object
}

fn name(Answer { from, is_default, .. }: &Answer) -> String {
    format!("{from}{}", if *is_default { " (default)" } else { "" })
}

fn sign(answer: &Answer) -> Held {
    match answer.outcome {
        Outcome::Passes => Held::Yes,
        Outcome::Broken(Broken::Unreadable { .. }) => Held::Unknown,
        Outcome::Broken(_) | Outcome::NotNarrowed => Held::No,
    }
}

fn reasons(answer: &Answer, is_live: bool) -> Vec<String> {
    match &answer.outcome {
        Outcome::Passes if is_live => vec!["matches, is enabled, and reaches the notifier".to_owned()],
        Outcome::Passes => Vec::new(),
        Outcome::Broken(broken) => mismatch::of_broken(broken),
        Outcome::NotNarrowed => vec!["cannot be narrowed by these filters".to_owned()],
    }
}

/// Shortens the list of reasons: several `$or`s in a pattern can have hundreds of equally close branches.
fn first_of(mut reasons: Vec<String>) -> Vec<String> {
    let more = reasons.len().saturating_sub(SHOWN_BRANCHES);
    if more > 0 {
        reasons.truncate(SHOWN_BRANCHES);
        reasons.push(format!("… and {more} more"));
    }
    reasons
}

fn answer_object(answer: &Answer) -> Value {
    let broken = match &answer.outcome {
        Outcome::Broken(broken) => Some(broken),
        Outcome::Passes | Outcome::NotNarrowed => None,
    };
    let mismatch = match broken {
        Some(Broken::Mismatch(mismatch)) => {
            let branch = |Branch { name, against }: &Branch| json!({ "branch": name, "against": against.iter().map(field_object).collect::<Vec<_>>() });
            let mut object = field_object(mismatch);
            object["branches"] = mismatch.branches.iter().map(branch).collect();
            object
        }
        _ => Value::Null,
    };
    let never = matches!(
        answer.outcome,
        Outcome::NotNarrowed | Outcome::Broken(Broken::Unreadable { .. } | Broken::Invalid(_))
    );
    let told = reasons(answer, false).join("; ");
    json!({
        "pattern": answer.from,
        "default": answer.is_default,
        "matches": !never && mismatch.is_null(),
        "mismatch": mismatch,
        "enabled": broken != Some(&Broken::Disabled),
        "broken": Some(told).filter(|told| !told.is_empty()),
    })
}

fn field_object(Mismatch { path, have, want, apart, branches: _ }: &Mismatch) -> Value {
    json!({ "path": path, "have": have, "want": want, "apart": apart })
}

fn decision_object(decision: &Decision) -> Value {
    let (mut cause, mut silent, mut unknown) = (None, None, None);
    match decision {
        Decision::Announces(id) => cause = Some(id),
        Decision::Silent(why) => silent = Some(why.clone()),
        Decision::Repeated(repetition) => silent = Some(repetition_text(repetition)),
        Decision::Unknown(why) => unknown = Some(why),
    }
    json!({ "rings": decision.announces(), "silent_because": silent, "cause": cause, "unknown": unknown })
}

fn repetition_text(repetition: &Repetition) -> String {
    match repetition {
        Repetition::Handled { since, count: Some(1), .. } => format!("was announced already, at {since}"),
        Repetition::Handled { since, count: Some(count), announced } => format!(
            "was announced or counted as a repetition already: {count} of the same failure since {since}, the last announced was number {announced}"
        ),
        Repetition::Handled { since, count: None, .. } => {
            format!("was announced or counted as a repetition already, after {since}")
        }
        Repetition::Counted { since, number, next } => format!(
            "counted as a repetition: number {number} of the same failure since {since}; number {next} is announced again"
        ),
    }
}

fn which(matching: &Matching) -> &'static str {
    if matching.is_of_catalogue { "the default patterns" } else { "these patterns" }
}

/// Returns the conclusion about the tested patterns.
fn sum(matching: &Matching, decision: &Decision) -> String {
    let Matching { of_setup, others, .. } = matching;
    let (which, leaves_out) = (which(matching), "matched, but the notifier skips it");
    match (decision, of_setup.is_empty(), others.is_empty()) {
        (_, true, true) => format!("alerts with {which}: no"),
        (Decision::Silent(why), ..) => format!("{leaves_out}: {why}"),
        (Decision::Repeated(repetition), ..) => format!("{leaves_out}: {}", repetition_text(repetition)),
        (_, true, false) => format!("alerts with {which}: no; with {}: yes", others.join(", ")),
        (Decision::Announces(_), false, _) => format!("alerts with {which}: yes ({})", of_setup.join(", ")),
        (Decision::Unknown(why), false, _) => format!("matched by {}; {why}", of_setup.join(", ")),
    }
}

fn matching_object(matching: &Matching, decision: &Decision) -> Value {
    let rings = if matching.of_setup.is_empty() { Some(false) } else { decision.announces() };
    json!({ "patterns": which(matching), "rings": rings, "taken_by": matching.of_setup })
}
