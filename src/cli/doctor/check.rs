//! One thing that was looked at: how it is, and what can be done about it.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::cli::hops::Held;
use crate::cli::render;
use crate::error::{Error, Hint};
use crate::operations::verdict::Verdict;

/// Whose policy has to be granted where a call is denied.
const COMMAND: &str = "setup";

#[derive(Debug)]
pub struct Check {
    pub name: &'static str,
    pub held: Held,
    pub told: String,
    pub hint: Option<Hint>,
    pub milliseconds: Option<u128>,
}

impl Check {
    pub fn holds(name: &'static str, told: impl Into<String>) -> Self {
        Self { name, held: Held::Yes, told: told.into(), hint: None, milliseconds: None }
    }

    pub fn broken(name: &'static str, told: impl Into<String>, hint: impl Into<Hint>) -> Self {
        Self { held: Held::No, hint: Some(hint.into()), ..Self::holds(name, told) }
    }

    pub fn unknown(name: &'static str, told: impl Into<String>, hint: impl Into<Hint>) -> Self {
        Self { held: Held::Unknown, ..Self::broken(name, told, hint) }
    }

    /// What failed, in the error's words, with its hint.
    pub fn failed(name: &'static str, error: &Error) -> Self {
        let hint = error.nearest_hint().cloned();
        Self { held: Held::No, hint, ..Self::holds(name, error.in_one_line()) }
    }

    pub fn took(self, milliseconds: u128) -> Self {
        Self { milliseconds: Some(milliseconds), ..self }
    }

    fn object(&self) -> Value {
        let Self { name, held, told, hint, milliseconds } = self;
        let ok = match held {
            Held::Yes => Some(true),
            Held::No => Some(false),
            Held::Unknown => None,
        };
        json!({ "check": name, "ok": ok, "told": told, "hint": hint.as_ref().map(|hint| render::hint(hint, COMMAND)), "ms": milliseconds })
    }
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
            let _ = writeln!(text, "  {:width$}  hint: {}", "", render::hint(hint, COMMAND));
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
    json!({ "ok": ok, "checks": checks.iter().map(Check::object).collect::<Vec<_>>() })
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
    render::json(&object(checks))
}
