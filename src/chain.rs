//! From an event on the bus to the notifier: which links hold, for each rule of a stack. Decides from what was read;
//! makes no call.

use std::fmt;

use serde_json::Value;

use crate::aws::{function, rule};
use crate::pattern::matcher::{Matcher, Mismatch};
use crate::resource::{Found, Inventory, Observed, Seen};
use crate::stack::{Id, Place, Stack};

/// How far an event comes through one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    pub rule: Id,
    /// The first link that does not hold; none: the event reaches the notifier.
    pub broken: Option<Broken>,
}

/// Why an event does not come further.
#[derive(Debug, Clone, PartialEq)]
pub enum Broken {
    Mismatch(Mismatch),
    Invalid(String),
    Disabled,
    /// None of the rule's targets is the notifier.
    NoTarget,
    /// The rule hands the notifier something else than the event.
    Replaced,
    NoFunction,
    /// The function's policy does not let the rule in.
    NotLetIn,
    /// The function may run no more than 0 times at once.
    SwitchedOff,
    Unreadable {
        what: Id,
        error: String,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Invalid(reason) => write!(f, "its pattern is not valid: {reason}"),
            Self::Disabled => f.write_str("would match, but the rule is disabled"),
            Self::NoTarget => f.write_str("matches, but the notifier is not among the rule's targets"),
            Self::Replaced => f.write_str("matches, but its target replaces the event by another input"),
            Self::NoFunction => f.write_str("matches, but there is no notifier"),
            Self::NotLetIn => f.write_str("matches, but the notifier's resource policy does not let the rule in"),
            Self::SwitchedOff => {
                f.write_str("matches, but the notifier is switched off: its reserved concurrency is 0")
            }
            Self::Unreadable { what, error } => write!(f, "{what} could not be read: {error}"),
        }
    }
}

/// Every rule of the stack, with the first link that does not hold for the event.
#[must_use]
pub fn links(event: &Value, seen: &Inventory, stack: &Stack, place: &Place) -> Vec<Link> {
    let rules = seen.values().filter(|seen| seen.address.id.kind == "rule");
    let link = |Seen { address, observed, .. }: &Seen| {
        let broken = match observed {
            Err(error) => Some(Broken::Unreadable { what: address.id.clone(), error: error.in_one_line() }),
            Ok(Observed::Ours(found)) => of_rule(event, found)
                .or_else(|| of_target(found, stack, place))
                .or_else(|| of_function(seen, stack, &place.rule_arn(&address.name))),
            Ok(_) => return None,
        };
        Some(Link { rule: address.id.clone(), broken })
    };
    rules.filter_map(link).collect()
}

fn of_rule(event: &Value, Found { spec, .. }: &Found<Value>) -> Option<Broken> {
    match Matcher::new(&(&spec["pattern"]).into()) {
        Err(invalid) => Some(Broken::Invalid(invalid.reason)),
        Ok(matcher) => match matcher.mismatch(event) {
            Some(mismatch) => Some(Broken::Mismatch(mismatch)),
            None => (spec["state"] != "ENABLED").then_some(Broken::Disabled),
        },
    }
}

fn of_target(Found { spec, .. }: &Found<Value>, stack: &Stack, place: &Place) -> Option<Broken> {
    let spec: rule::Spec = serde_json::from_value(spec.clone()).ok()?;
    let notifier = place.function_arn(&stack.function_name());
    let targets: Vec<&rule::Target> = spec.targets.values().filter(|target| target.arn == notifier).collect();
    match targets.iter().any(|target| target.input.is_none()) {
        true => None,
        false if targets.is_empty() => Some(Broken::NoTarget),
        false => Some(Broken::Replaced),
    }
}

fn of_function(seen: &Inventory, stack: &Stack, rule_arn: &str) -> Option<Broken> {
    let id = function::address(stack).id;
    let found = match &seen.get(&id)?.observed {
        Ok(Observed::Ours(found)) => found,
        Ok(_) => return Some(Broken::NoFunction),
        Err(error) => return Some(Broken::Unreadable { what: id, error: error.in_one_line() }),
    };
    let spec: function::Spec = serde_json::from_value(found.spec.clone()).ok()?;
    let lets_in = |service: &str, action: &str| {
        spec.permissions.values().any(|policy| policy.allows_service(service, action, rule_arn))
    };
    match (lets_in("events.amazonaws.com", "lambda:InvokeFunction"), spec.reserved_concurrency) {
        (false, _) => Some(Broken::NotLetIn),
        (true, Some(0)) => Some(Broken::SwitchedOff),
        (true, _) => None,
    }
}
