//! Renders the checks of `doctor` as text and as JSON.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};

use super::error::hint as words_of;
use super::json::json as to_json;
use crate::input::printable;
use crate::operations::check::{Check, Held};
use crate::operations::doctor::Examination;
use crate::operations::verdict::Verdict;

fn check_object(Check { name, held, told, hint, milliseconds }: &Check, command: &str) -> Value {
    let ok = match held {
        Held::Yes => Some(true),
        Held::No => Some(false),
        Held::Unknown => None,
    };
    let hint = hint.as_ref().map(|hint| words_of(hint, command));
    json!({ "check": name, "ok": ok, "told": told, "hint": hint, "ms": milliseconds })
}

/// Returns a line for each check. A hint that several checks share appears once. `command` is the name in `permissions --for`.
pub fn text(examination: &Examination, command: &str) -> String {
    let checks = &examination.checks;
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    let (mut text, mut hints) = (String::new(), BTreeSet::new());
    for Check { name, held, told, hint, milliseconds } in checks {
        let mark = super::marks::check(*held);
        let time = milliseconds.map(|time| format!("  ({time} ms)")).unwrap_or_default();
        let _ = writeln!(text, "{mark} {name:width$}  {}{time}", printable(told));
        if let Some(hint) = hint.as_ref().filter(|hint| hints.insert(*hint)) {
            let _ = writeln!(text, "  {:width$}  hint: {}", "", words_of(hint, command));
        }
    }
    let parts = [(Held::Yes, "ok"), (Held::No, "broken"), (Held::Unknown, "unknown")];
    let parts = parts.map(|(held, word)| (examination.count(held), word)).into_iter().filter(|(count, _)| *count > 0);
    text + &parts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ") + "\n"
}

pub fn json(examination: &Examination, command: &str) -> String {
    let ok = match examination.verdict() {
        Verdict::InSync => Some(true),
        Verdict::Unreadable => None,
        Verdict::Differs | Verdict::Failed => Some(false),
    };
    let checks: Vec<Value> = examination.checks.iter().map(|check| check_object(check, command)).collect();
    to_json(&json!({ "ok": ok, "checks": checks }))
}
