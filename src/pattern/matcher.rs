//! EventBridge's matching of events, and an answer to "why did it not match?".
//!
//! A pattern is a list of rules, one for each combination of `$or`'s alternatives; it matches where one of them does. All
//! fields of a rule have to be satisfied, each by one leaf of the event, and those that go through an array of objects by
//! the same element of it.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::Value;

use super::event::{Leaves, Membership, Paths, step_into, whole};
use super::operator::Condition;
use super::tree::Tree;
use super::validity::{self, Or};

/// A pattern EventBridge would take.
#[derive(Debug, Clone, PartialEq)]
pub struct Matcher {
    rules: Vec<Rule>,
    asked: Paths,
    /// A path that comes twice in one combination.
    replaced: Option<String>,
}

/// Fields in the order of their paths: the rule engine goes through them in this order, and a field is absent if no element
/// taken so far has it.
type Rule = Vec<Field>;

/// A path with the alternatives wanted there.
type Field = (String, Vec<Condition>);

/// Why EventBridge would not take a pattern, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    pub reason: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Invalid {}

/// The first field that kept an event from matching.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    pub path: String,
    /// What the event has there; empty: nothing.
    pub have: Vec<Value>,
    /// The alternatives the pattern takes there.
    pub want: Vec<Value>,
    /// It is satisfied, but not by the element of an array that satisfies another field.
    pub apart: bool,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, have, want, apart } = self;
        let list = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
        let have = if have.is_empty() { "nothing".to_owned() } else { list(have) };
        let together = if *apart { " in the same element as the fields before it" } else { "" };
        write!(f, "{path}: has {have}, wants {}{together}", list(want))
    }
}

impl Matcher {
    /// # Errors
    /// If EventBridge would refuse the pattern.
    pub fn new(pattern: &Tree) -> Result<Self, Invalid> {
        let or = validity::check(pattern)?;
        let mut compiled = Compiled { rules: vec![Rule::new()], replaced: None, or };
        if let Tree::Object(fields) = pattern {
            compiled.object(fields, &mut String::new());
        }
        let Compiled { mut rules, replaced, or: _ } = compiled;
        if rules.len() > validity::MOST_RULES {
            return Err(Invalid { reason: format!("$or makes more than {} combinations", validity::MOST_RULES) });
        }
        for rule in &mut rules {
            rule.sort_by(|one, other| one.0.cmp(&other.0));
        }
        let mut asked = Paths::default();
        rules.iter().flatten().for_each(|(path, _)| asked.add(path));
        Ok(Self { rules, asked, replaced })
    }

    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        let leaves = Leaves::of(event, &self.asked);
        self.rules.iter().any(|rule| search(rule, &leaves).is_ok())
    }

    /// The field that decided against the event; none if it matches. Of `$or`, the combination speaks that
    /// came nearest: with the most fields satisfied, and of those the one that failed last in the order of the paths.
    #[must_use]
    pub fn mismatch(&self, event: &Value) -> Option<Mismatch> {
        let leaves = Leaves::of(event, &self.asked);
        let mut nearest: Option<(usize, Mismatch)> = None;
        for rule in &self.rules {
            let failed = search(rule, &leaves).err()?;
            let (satisfied, mismatch) = told(rule, failed, &leaves);
            if nearest.as_ref().is_none_or(|(most, best)| (satisfied, &mismatch.path) > (*most, &best.path)) {
                nearest = Some((satisfied, mismatch));
            }
        }
        nearest.map(|(_, mismatch)| mismatch)
    }

    /// A path that comes twice, as one that stands beside `$or` and again in it: EventBridge lets the later one replace the
    /// former, so that the order in which the pattern is written decides what it means.
    #[must_use]
    pub fn replaced(&self) -> Option<&str> {
        self.replaced.as_deref()
    }
}

/// The rules as far as the pattern was read.
struct Compiled {
    rules: Vec<Rule>,
    replaced: Option<String>,
    or: Or,
}

impl Compiled {
    fn object(&mut self, fields: &[(String, Tree)], steps: &mut String) {
        for (name, tree) in fields {
            let length = steps.len();
            match tree {
                Tree::Array(items) if name == "$or" && self.or == Or::Operator => self.alternatives(items, steps),
                Tree::Array(wanted) => {
                    // Empty names before it are no steps to a field: the engine joins them so.
                    let path = match whole(steps) {
                        "" => name.clone(),
                        before => format!("{before}.{name}"),
                    };
                    self.field(&path, &wanted.iter().map(Condition::of).collect::<Vec<_>>());
                }
                Tree::Object(inner) => {
                    step_into(steps, name);
                    self.object(inner, steps);
                }
                Tree::Leaf(_) => {}
            }
            steps.truncate(length);
        }
    }

    /// Each rule so far, with each alternative.
    fn alternatives(&mut self, items: &[Tree], steps: &mut String) {
        let before = std::mem::take(&mut self.rules);
        let mut all = Vec::new();
        for item in items {
            if let Tree::Object(fields) = item
                && all.len() <= validity::MOST_RULES
            {
                self.rules.clone_from(&before);
                self.object(fields, steps);
                all.append(&mut self.rules);
            }
        }
        self.rules = all;
    }

    fn field(&mut self, path: &str, wanted: &[Condition]) {
        for rule in &mut self.rules {
            let length = rule.len();
            rule.retain(|(known, _)| known != path);
            if rule.len() < length {
                self.replaced = Some(path.to_owned());
            }
            rule.push((path.to_owned(), wanted.to_vec()));
        }
    }
}

/// Whether all fields of a rule can be satisfied together; if not, the number of the first that cannot with those before it.
fn search(rule: &[Field], leaves: &Leaves) -> Result<(), usize> {
    let fields = rule.iter().enumerate();
    let last_use = fields.flat_map(|(at, (path, _))| leaves.arrays(path).into_iter().map(move |array| (array, at)));
    let mut search = Search { rule, leaves, last_use: last_use.collect(), failed: HashSet::new(), furthest: 0 };
    if search.goes_on(0, Membership::new()) { Ok(()) } else { Err(search.furthest) }
}

/// What was found out about one rule and one event.
struct Search<'a> {
    rule: &'a [Field],
    leaves: &'a Leaves<'a>,
    /// Array -> the last field that has leaves in it.
    last_use: HashMap<usize, usize>,
    /// From where, and with which elements taken, there was no way to the end. Without this, long lists would multiply.
    failed: HashSet<(usize, Membership)>,
    furthest: usize,
}

impl Search<'_> {
    /// Whether the fields from `at` on can be satisfied together with the elements that are taken already.
    fn goes_on(&mut self, at: usize, taken: Membership) -> bool {
        let Some((path, wanted)) = self.rule.get(at) else { return true };
        let start = (at, taken);
        if self.failed.contains(&start) {
            return false;
        }
        self.furthest = self.furthest.max(at);
        let (_, taken) = &start;
        let found = self.leaves.at(path, taken);
        let arrives = match found.is_empty() {
            true => wanted.iter().any(Condition::is_absence) && self.goes_on(at + 1, self.needed(at, taken.clone())),
            false => found.into_iter().any(|mut leaf| {
                wanted.iter().any(|wanted| wanted.accepts(leaf.value)) && {
                    leaf.membership.extend(taken);
                    self.goes_on(at + 1, self.needed(at, leaf.membership))
                }
            }),
        };
        if !arrives {
            self.failed.insert(start);
        }
        arrives
    }

    /// The elements that fields after `at` have to agree on.
    fn needed(&self, at: usize, mut taken: Membership) -> Membership {
        taken.retain(|array, _| self.last_use.get(array).is_some_and(|last| *last > at));
        taken
    }
}

/// How many fields are satisfied by themselves, and the first that is not, by itself or together with those before it.
/// Fields near the root come first: they decide what kind of event it is about.
fn told(rule: &[Field], failed: usize, leaves: &Leaves) -> (usize, Mismatch) {
    let fails = |field: &&Field| search(std::slice::from_ref(*field), leaves).is_err();
    let failing: Vec<&Field> = rule.iter().filter(fails).collect();
    let alone = failing.iter().min_by_key(|(path, _)| path.matches('.').count()).copied();
    let (path, wanted) = alone.unwrap_or(&rule[failed]);
    let have = leaves.at(path, &Membership::new()).into_iter().map(|leaf| leaf.value.clone()).collect();
    let want = wanted.iter().map(|wanted| wanted.written.clone()).collect();
    (rule.len() - failing.len(), Mismatch { path: path.clone(), have, want, apart: alone.is_none() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(serde::Deserialize)]
    struct Case {
        pattern: Tree,
        event: Value,
        r#match: bool,
    }

    #[test]
    fn every_verdict_of_the_services_rule_engine_is_shared() {
        let mut matched = 0;
        for (number, line) in include_str!("../../tests/data/verdicts.jsonl").lines().enumerate() {
            let Case { pattern, event, r#match } = serde_json::from_str(line).unwrap();
            let pattern = Matcher::new(&pattern).unwrap();
            assert_eq!(pattern.matches(&event), r#match, "verdict {number}: {line}");
            assert_eq!(pattern.mismatch(&event).is_none(), r#match, "verdict {number}");
            matched += usize::from(r#match);
        }
        assert!((200..1100).contains(&matched), "{matched}");
    }

    fn mismatch(pattern: &Value, event: &Value) -> Mismatch {
        Matcher::new(&pattern.into()).unwrap().mismatch(event).unwrap()
    }

    #[test]
    fn the_first_field_that_decided_is_named_with_both_sides() {
        let event =
            json!({ "source": "aws.ecs", "detail": { "lastStatus": "RUNNING", "containers": [{ "exitCode": 0 }] } });
        let pattern = json!({ "source": ["aws.ecs"], "detail": { "lastStatus": ["STOPPED"], "containers": { "exitCode": [1] } } });
        let told = mismatch(&pattern, &event);
        assert_eq!(
            (told.path.as_str(), told.have, told.want),
            ("detail.lastStatus", vec![json!("RUNNING")], vec![json!("STOPPED")])
        );
        let absent = mismatch(&json!({ "detail": { "stopCode": ["x"] } }), &event);
        assert_eq!((absent.path.as_str(), absent.have), ("detail.stopCode", vec![]));
    }

    #[test]
    fn of_alternatives_the_nearest_speaks() {
        let pattern = json!({ "$or": [{ "a": [1], "b": [1], "c": [1] }, { "a": [2] }] });
        assert_eq!(mismatch(&pattern, &json!({ "a": 1, "b": 1, "c": 2 })).path, "c");
    }

    #[test]
    fn fields_of_different_elements_do_not_make_one() {
        let pattern = json!({ "containers": { "name": ["app"], "exitCode": [1] } });
        let event = json!({ "containers": [{ "name": "app", "exitCode": 0 }, { "name": "side", "exitCode": 1 }] });
        assert!(mismatch(&pattern, &event).apart);
        assert!(
            Matcher::new(&(&pattern).into())
                .unwrap()
                .matches(&json!({ "containers": [{ "name": "app", "exitCode": 1 }] }))
        );
    }

    /// Asked of the service's own rule engine.
    #[test]
    fn what_the_recorded_verdicts_leave_out() {
        for (pattern, event, expected) in [
            (r#"{"a":{"b":[1],"c":[2]}}"#, r#"{"a":[[{"b":1}],[{"c":2}]]}"#, false),
            (r#"{"a":{"b":[1],"c":[{"exists":false}]}}"#, r#"{"a":[[{"b":1}],[{"c":2}]]}"#, true),
            (r#"{"a":["2001:DB8::1"]}"#, r#"{"a":"2001:db8::1"}"#, true),
            (r#"{"a.":[1]}"#, r#"{"a":{"":1}}"#, false),
            (r#"{"a.":[1]}"#, r#"{"a.":1}"#, true),
            (r#"{"":[1]}"#, r#"{"":1}"#, true),
            (r#"{"":{"a":[1]}}"#, r#"{"":{"a":1}}"#, false),
            (r#"{"":{"a":[1]}}"#, r#"{"a":1}"#, true),
            (r#"{"$or":{"a":["x"]}}"#, r#"{"$or":{"a":"x"}}"#, true),
        ] {
            let matcher = Matcher::new(&serde_json::from_str(pattern).unwrap()).unwrap();
            assert_eq!(matcher.matches(&serde_json::from_str(event).unwrap()), expected, "{pattern} {event}");
        }
        for (pattern, reason) in [
            (r#"{"$or":[{"a":[1]},{"regex":["x"]}]}"#, "Unrecognized match type a"),
            (r#"{"$or":[{"a":[1]},{"x":{"exists":["y"]}}]}"#, "Unrecognized match type a"),
            (r#"{"$or":[{"a":[1]},{"$or":["q"]}]}"#, "Unrecognized match type a"),
            (r#"{"x":{"$or":[{"a":[1]},{"b":[1]}]},"y":{"$or":["q","r"]}}"#, "Unrecognized match type a"),
            (r#"{"a":[{"anything-but":[1700000000123456789]}]}"#, "Cannot compare number : 1700000000123456789"),
            (r#"{"a":[{"prefix":{"prefix":"a"}}]}"#, "Unsupported prefix pattern: prefix"),
            (r#"{"a":[{"prefix":{"equals-ignore-case":"a","x":"b"}}]}"#, "Only one key allowed in match expression"),
            (r#"{"a":[{"wildcard":"a\\"}]}"#, "Invalid escape character at pos 2"),
            (r#"{"a":[{"numeric":[">",0,">",1]}]}"#, "Bad numeric range operator: >"),
            (r#"{"a":[{"cidr":"10.0.0.0/300"}]}"#, "IPv4 mask bits must be < 32"),
            (r#"{"a":[{"cidr":"x/8"}]}"#, "Nonstandard IP address: x"),
        ] {
            let told = Matcher::new(&serde_json::from_str(pattern).unwrap()).unwrap_err();
            assert_eq!(told.reason, reason, "{pattern}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_and_not_dropped() {
        for twice in [
            r#"{"a":[1],"a":[2]}"#,
            r#"{"a":[{"prefix":"a","prefix":"b"}]}"#,
            r#"{"$or":[{"a":[1]},{"b":[1]}],"$or":[]}"#,
        ] {
            let error = serde_json::from_str::<Tree>(twice).unwrap_err().to_string();
            assert!(error.contains("stands twice"), "{error}");
        }
    }

    fn object(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
        fields.into_iter().collect::<serde_json::Map<_, _>>().into()
    }

    /// Time is not asserted; without care for lists that are alike this would not end.
    #[test]
    fn long_lists_take_no_longer_than_they_are() {
        let one_of_them_fails = [
            (json!([{ "prefix": "x" }]), json!(vec!["x"; 60])),
            (json!({ "x": [1] }), json!(vec![json!({ "x": 1 }); 60])),
            (json!({ "x": [1], "y": [1] }), json!(vec![json!({ "x": 1, "y": 1 }); 60])),
            (json!({ "x": { "y": [1], "z": [1] } }), json!(vec![json!({ "x": [{ "y": 1, "z": 1 }] }); 60])),
        ];
        for (wanted, list) in one_of_them_fails {
            let each = |value: &Value| (0..8).map(|number| (format!("f{number}"), value.clone())).collect::<Vec<_>>();
            let mut pattern = object(each(&wanted));
            pattern["z"] = json!(["no"]);
            let mut event = object(each(&list));
            event["z"] = json!("yes");
            let matcher = Matcher::new(&(&pattern).into()).unwrap();
            assert!(!matcher.matches(&event));
            assert_eq!(matcher.mismatch(&event).unwrap().path, "z");

            pattern["z"] = json!(["yes"]);
            assert!(Matcher::new(&(&pattern).into()).unwrap().matches(&event));
        }
    }

    #[test]
    fn a_long_list_of_objects_takes_no_longer_than_it_is() {
        let elements: Vec<Value> = (0..20_000).map(|number| json!({ "x": 1, "y": number % 2 })).collect();
        let event = json!({ "a": elements });
        assert!(!Matcher::new(&(&json!({ "a": { "x": [1], "y": [2] } })).into()).unwrap().matches(&event));
        assert!(mismatch(&json!({ "a": { "x": [2], "y": [1] } }), &event).have.len() == 20_000);
    }

    #[test]
    fn a_field_that_comes_again_replaces_the_one_before_and_is_told() {
        let matcher = |text: &str| Matcher::new(&serde_json::from_str(text).unwrap()).unwrap();
        let after = matcher(r#"{"a":[1],"$or":[{"a":[2]},{"b":[1]}]}"#);
        assert!(after.matches(&json!({"a": 2})) && !after.matches(&json!({"a": 1})));
        assert_eq!(after.replaced(), Some("a"));
        let before = matcher(r#"{"$or":[{"a":[2]},{"b":[1]}],"a":[1]}"#);
        assert!(before.matches(&json!({"a": 1})) && !before.matches(&json!({"a": 2})));
        assert_eq!(matcher(r#"{"$or":[{"a":[2]},{"a":[1]}]}"#).replaced(), None);
    }
}
