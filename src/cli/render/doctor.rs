//! How everything is that was looked at, as text and as JSON.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};

use super::error::hint as words_of;
use super::json::json as to_json;
use crate::operations::check::{Check, Held};
use crate::operations::verdict::Verdict;

/// Whose policy has to be granted where a call is denied.
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

/// A line each; a hint that several share stands once.
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

/// What is known to be broken is graver than what is not known: it is to be mended first.
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
