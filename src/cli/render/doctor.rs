//! Renders the checks of `doctor` as text and as JSON.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};

use super::error::hint as words_of;
use super::json::json as to_json;
use crate::operations::check::{Check, Held};
use crate::operations::verdict::Verdict;

/// The command whose policy a hint names if AWS denies a call.
const COMMAND: &str = "setup";

fn check_object(Check { name, held, told, hint, milliseconds }: &Check) -> Value {
    let ok = match held {
        Held::Yes => Some(true),
        Held::No => Some(false),
        Held::Unknown => None,
    };
    let hint = hint.as_ref().map(|hint| words_of(hint, COMMAND));
    json!({ "check": name, "ok": ok, "told": told, "hint": hint, "ms": milliseconds })
}

fn count(checks: &[Check], held: Held) -> usize {
    checks.iter().filter(|check| check.held == held).count()
}

/// Returns a line for each check. A hint that several checks share appears once.
pub fn text(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    let (mut text, mut hints) = (String::new(), BTreeSet::new());
    for Check { name, held, told, hint, milliseconds } in checks {
        let mark = match held {
            Held::Yes => '+',
            Held::No => '-',
            Held::Unknown => '?',
        };
        let time = milliseconds.map(|time| format!("  ({time} ms)")).unwrap_or_default();
        let _ = writeln!(text, "{mark} {name:width$}  {told}{time}");
        if let Some(hint) = hint.as_ref().filter(|hint| hints.insert(*hint)) {
            let _ = writeln!(text, "  {:width$}  hint: {}", "", words_of(hint, COMMAND));
        }
    }
    let parts = [(Held::Yes, "ok"), (Held::No, "broken"), (Held::Unknown, "unknown")];
    let parts = parts.map(|(held, word)| (count(checks, held), word)).into_iter().filter(|(count, _)| *count > 0);
    text + &parts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ") + "\n"
}

pub fn object(checks: &[Check]) -> Value {
    let ok = match verdict(checks) {
        Verdict::InSync => Some(true),
        Verdict::Unreadable => None,
        Verdict::Differs | Verdict::Failed => Some(false),
    };
    json!({ "ok": ok, "checks": checks.iter().map(check_object).collect::<Vec<_>>() })
}

/// Returns the verdict on all checks. A broken check outranks an unknown one: the user has to fix the broken one first.
pub fn verdict(checks: &[Check]) -> Verdict {
    match (count(checks, Held::No), count(checks, Held::Unknown)) {
        (0, 0) => Verdict::InSync,
        (0, _) => Verdict::Unreadable,
        _ => Verdict::Failed,
    }
}

pub fn json(checks: &[Check]) -> String {
    to_json(&object(checks))
}
