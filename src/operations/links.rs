//! Checks the links between an event on the bus and the notifier, for each rule of a stack. Decides from what was read;
//! makes no call.

use std::fmt;

use serde_json::Value;

use crate::aws::kinds::function::{self, Function};
use crate::aws::kinds::rule::{self, Rule};
use crate::error::{Error, Hint};
use crate::pattern::matcher::{Matcher, Mismatch};
use crate::reconcile::resource::{Adapter, Found, Inventory, Seen};
use crate::stack::{Id, Kind, Place, Stack};

/// The links that a rule provides for an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    pub rule: Id,
    /// The first broken link; none: the event reaches the notifier.
    pub broken: Option<Broken>,
}

/// The reason why an event does not reach the notifier.
#[derive(Debug, Clone, PartialEq)]
pub enum Broken {
    Mismatch(Mismatch),
    Invalid(String),
    Disabled,
    /// None of the rule's targets is the notifier.
    NoTarget,
    /// The rule sends the notifier another input than the event.
    Replaced,
    NoFunction,
    /// The function's policy does not allow the rule to invoke the function.
    NotLetIn,
    /// The function's reserved concurrency is 0.
    SwitchedOff,
    Unreadable {
        what: Id,
        error: String,
        hint: Option<Hint>,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Invalid(reason) => write!(f, "has an invalid pattern: {reason}"),
            Self::Disabled => f.write_str("would match, but the rule is disabled"),
            Self::NoTarget => f.write_str("matches, but the notifier is not among the rule's targets"),
            Self::Replaced => f.write_str("matches, but its target replaces the event with another input"),
            Self::NoFunction => f.write_str("matches, but the notifier does not exist"),
            Self::NotLetIn => {
                f.write_str("matches, but the notifier's resource policy does not allow the rule to invoke it")
            }
            Self::SwitchedOff => {
                f.write_str("matches, but the notifier is switched off: its reserved concurrency is 0")
            }
            Self::Unreadable { what, error, .. } => write!(f, "{what} could not be read: {error}"),
        }
    }
}

/// Returns every rule of the stack, with the first link that is broken for the event.
#[must_use]
pub fn links(event: &Value, seen: &Inventory, stack: &Stack, place: &Place) -> Vec<Link> {
    let rules = seen.values().filter(|seen| seen.address.id.kind == Kind::Rule);
    let link = |rule: &Seen| {
        let address = &rule.address;
        let broken = match rule.serving() {
            Err(error) => Some(unreadable(&address.id, error)),
            Ok(None) => return None,
            Ok(Some(found)) => match read::<Rule>(&address.id, found) {
                Err(broken) => Some(broken),
                Ok(spec) => of_rule(event, &spec)
                    .or_else(|| of_target(&spec, stack, place))
                    .or_else(|| of_function(seen, stack, &place.rule_arn(&address.name))),
            },
        };
        Some(Link { rule: address.id.clone(), broken })
    };
    rules.filter_map(link).collect()
}

/// Checks whether the rule is enabled, and its pattern is valid and matches.
fn of_rule(event: &Value, spec: &rule::Spec) -> Option<Broken> {
    let matcher = match Matcher::new(&(&spec.meaning()).into()) {
        Err(invalid) => return Some(Broken::Invalid(invalid.reason)),
        Ok(matcher) => matcher,
    };
    match matcher.mismatch(event) {
        Some(mismatch) => Some(Broken::Mismatch(mismatch)),
        None => (spec.state != "ENABLED").then_some(Broken::Disabled),
    }
}

fn of_target(rule::Spec { targets, .. }: &rule::Spec, stack: &Stack, place: &Place) -> Option<Broken> {
    let notifier = place.function_arn(&stack.function_name());
    let targets: Vec<&rule::Target> = targets.values().filter(|target| target.arn == notifier).collect();
    match targets.iter().any(|target| target.input.is_none()) {
        true => None,
        false if targets.is_empty() => Some(Broken::NoTarget),
        false => Some(Broken::Replaced),
    }
}

fn of_function(seen: &Inventory, stack: &Stack, rule_arn: &str) -> Option<Broken> {
    let id = function::address(stack).id;
    let found = match seen.get(&id).map(Seen::serving) {
        Some(Ok(Some(found))) => found,
        Some(Ok(None)) | None => return Some(Broken::NoFunction),
        Some(Err(error)) => return Some(unreadable(&id, error)),
    };
    let spec = match read::<Function>(&id, found) {
        Ok(spec) => spec,
        Err(broken) => return Some(broken),
    };
    let lets_in = |service: &str, action: &str| {
        spec.permissions.values().any(|policy| policy.allows_service(service, action, rule_arn))
    };
    match (lets_in("events.amazonaws.com", "lambda:InvokeFunction"), spec.reserved_concurrency) {
        (false, _) => Some(Broken::NotLetIn),
        (true, Some(0)) => Some(Broken::SwitchedOff),
        (true, _) => None,
    }
}

fn read<A: Adapter>(id: &Id, found: &Found<Value>) -> Result<A::Spec, Broken> {
    found.spec_of::<A>().map_err(|error| unreadable(id, &error))
}

fn unreadable(id: &Id, error: &Error) -> Broken {
    Broken::Unreadable { what: id.clone(), error: error.in_one_line(), hint: error.nearest_hint().cloned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::resource::{Needs, Observed, Tags};
    use crate::stack::Address;
    use serde_json::json;

    fn stack() -> Stack {
        Stack { name: "batch".parse().unwrap(), region: "us-east-1".to_owned() }
    }

    fn place() -> Place {
        Place::of_caller("arn:aws:iam::123456789012:user/someone", "123456789012", "us-east-1")
    }

    fn rule_with(pattern: &Value) -> Value {
        let target = json!({
            "arn": place().function_arn(&stack().function_name()),
            "max_event_age_seconds": null, "max_retry_attempts": null,
            "dead_letter_queue": null, "input": null, "role": null
        });
        json!({
            "pattern": pattern, "state": "ENABLED", "description": "", "schedule": null, "role": null,
            "targets": { "notifier": target }
        })
    }

    /// Returns the link that is broken for the event `{"a": 1}` if these specs were read.
    fn broken(specs: &[(Address, Value)]) -> Option<Broken> {
        let seen = specs.iter().map(|(address, spec)| {
            let found = Found { spec: spec.clone(), tags: Tags::new() };
            let observed = Ok(Observed::Ours(found));
            (address.id.clone(), Seen { address: address.clone(), needs: Needs::NOTHING, observed })
        });
        let mut links = links(&json!({ "a": 1 }), &seen.collect(), &stack(), &place());
        assert_eq!(links.len(), 1);
        links.remove(0).broken
    }

    #[test]
    fn missing_or_unreadable_resource_breaks_the_link() {
        let address = rule::address(&stack(), "task-failed");
        let rule = (address.clone(), rule_with(&json!({ "a": [1] })));
        assert_eq!(broken(std::slice::from_ref(&rule)), Some(Broken::NoFunction));

        let strange = (function::address(&stack()), json!({ "runtime": 1 }));
        let id = strange.0.id.clone();
        let told = broken(&[rule.clone(), strange]);
        assert!(matches!(told, Some(Broken::Unreadable { what, .. }) if what == id));

        let mut half = rule.1;
        half["targets"] = json!(1);
        let told = broken(&[(address.clone(), half)]);
        assert!(matches!(told, Some(Broken::Unreadable { what, .. }) if what == address.id));
    }
}
