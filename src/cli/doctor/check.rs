//! One thing that was looked at: how it is, and what can be done about it.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::cli::hops::Held;
use crate::cli::render;
use crate::error::Error;

#[derive(Debug)]
pub struct Check {
    pub name: &'static str,
    pub held: Held,
    pub told: String,
    pub hint: Option<String>,
    pub milliseconds: Option<u128>,
}

impl Check {
    pub fn holds(name: &'static str, told: impl Into<String>) -> Self {
        Self { name, held: Held::Yes, told: told.into(), hint: None, milliseconds: None }
    }

    pub fn broken(name: &'static str, told: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { held: Held::No, hint: Some(hint.into()), ..Self::holds(name, told) }
    }

    pub fn unknown(name: &'static str, told: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { held: Held::Unknown, ..Self::broken(name, told, hint) }
    }

    /// What failed, in the error's words, with its hint.
    pub fn failed(name: &'static str, error: &Error) -> Self {
        let hint = error.hint_text().map(str::to_owned);
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
        json!({ "check": name, "ok": ok, "told": told, "hint": hint, "ms": milliseconds })
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
            let _ = writeln!(text, "  {:width$}  hint: {hint}", "");
        }
    }
    let parts = [(Held::Yes, "ok"), (Held::No, "broken"), (Held::Unknown, "unknown")];
    let parts = parts.map(|(held, word)| (count(checks, held), word)).into_iter().filter(|(count, _)| *count > 0);
    text + &parts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ") + "\n"
}

pub fn object(checks: &[Check]) -> Value {
    let ok = match code(checks) {
        0 => Some(true),
        1 => Some(false),
        _ => None,
    };
    json!({ "ok": ok, "checks": checks.iter().map(Check::object).collect::<Vec<_>>() })
}

/// What is known to be broken is graver than what is not known: it is to be mended first.
pub fn code(checks: &[Check]) -> u8 {
    match (count(checks, Held::No), count(checks, Held::Unknown)) {
        (0, 0) => 0,
        (0, _) => crate::cli::UNREADABLE,
        _ => 1,
    }
}

pub fn json(checks: &[Check]) -> String {
    render::json(&object(checks))
}
