//! Matches events as EventBridge does, and explains why an event did not match.
//!
//! A pattern is a list of rules, one for each combination of `$or`'s alternatives; the pattern matches if one of the rules matches.
//! All fields of a rule have to be satisfied, each by one leaf of the event; fields that go through an array of objects have to be
//! satisfied by the same element of the array.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::Value;

use super::event::{Leaves, Membership, Paths, step_into, whole};
use super::operator::Condition;
use super::tree::Tree;
use super::validity::{self, Or};

pub use super::validity::Invalid;
use crate::input::printable;

/// A pattern that EventBridge would accept.
#[derive(Debug, Clone, PartialEq)]
pub struct Matcher {
    rules: Vec<Rule>,
    asked: Paths,
    repeated: Vec<Repeated>,
}

/// A repeated field: in one object, or inside and outside of `$or`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    pub path: String,
    pub kept: Kept,
}

/// The meaning of a repeated field in EventBridge's rule engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The last values replace the earlier ones.
    Last,
    /// All of the objects, or all of the `$or`s, have to match.
    All,
}

impl fmt::Display for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = match self.kept {
            Kept::Last => "the last one counts",
            Kept::All => "all of them count",
        };
        write!(f, "`{}` is repeated; in EventBridge {kept}", printable(&self.path))
    }
}

/// The fields of a rule in the order of their paths: the rule engine goes through them in this order, and a field is absent if no
/// element chosen so far contains it.
type Rule = Vec<Field>;

/// A path with the alternatives that are wanted at it, and with the branch of `$or` in which it was written, such as
/// `detail.$or[1]`; an empty branch: outside of `$or`.
#[derive(Debug, Clone, PartialEq)]
struct Field {
    path: String,
    wanted: Vec<Condition>,
    branch: String,
}

impl Field {
    /// Checks whether both fields require the same, in whatever branches they were written.
    fn is_like(&self, other: &Self) -> bool {
        self.path == other.path && self.wanted == other.wanted
    }
}

/// The first field that kept an event from matching. If a `$or` decided, with all fields that decided in the `$or`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    pub path: String,
    /// The values of the event at the path; empty: none.
    pub have: Vec<Value>,
    /// The alternatives that the pattern accepts at the path.
    pub want: Vec<Value>,
    /// Whether the field is satisfied, but not by the element of an array that satisfies another field.
    pub apart: bool,
    /// The closest branches of `$or`, the branch of this field first; empty: a field outside of every `$or` decided.
    pub branches: Vec<Branch>,
}

/// A branch of `$or`, with every field of the branch that decided against the event. The fields have no branches of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// The position in the pattern, counted from 0, such as `detail.$or[1]`.
    pub name: String,
    pub against: Vec<Mismatch>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, have, want, apart, branches: _ } = self;
        let list = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
        let have = if have.is_empty() { "nothing".to_owned() } else { list(have) };
        let together = if *apart { " in the same element as the fields before it" } else { "" };
        f.write_str(&printable(&format!("{path}: has {have}, wants {}{together}", list(want))))
    }
}

impl Matcher {
    /// # Errors
    /// If EventBridge would refuse the pattern.
    pub fn new(pattern: &Tree) -> Result<Self, Invalid> {
        let or = validity::check(pattern)?;
        let mut compiled = Compiled {
            rules: vec![Rule::new()],
            repeated: Vec::new(),
            or,
            place: String::new(),
            branch: String::new(),
        };
        if let Tree::Object(fields) = pattern {
            compiled.object(fields, &mut String::new());
        }
        let Compiled { mut rules, repeated, .. } = compiled;
        if rules.len() > validity::MOST_RULES {
            return Err(Invalid { reason: format!("$or makes more than {} combinations", validity::MOST_RULES) });
        }
        for rule in &mut rules {
            rule.sort_by(|one, other| one.path.cmp(&other.path));
        }
        let mut asked = Paths::default();
        rules.iter().flatten().for_each(|field| asked.add(&field.path));
        Ok(Self { rules, asked, repeated })
    }

    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        let leaves = Leaves::of(event, &self.asked);
        self.rules.iter().any(|rule| search(rule, &leaves).is_ok())
    }

    /// Returns the field that decided against the event; none if the event matches. Considers the closest combinations of `$or`,
    /// with the fewest fields against the event: first the combinations with the most satisfied fields, and of equal ones the
    /// first in the pattern.
    #[must_use]
    pub fn mismatch(&self, event: &Value) -> Option<Mismatch> {
        let leaves = Leaves::of(event, &self.asked);
        let mut closest: Vec<Failure> = Vec::new();
        for rule in &self.rules {
            let failure = Failure::of(rule, search(rule, &leaves).err()?, &leaves);
            let fewest = closest.first().map_or(usize::MAX, |best| best.against.len());
            if failure.against.len() < fewest {
                closest.clear();
            }
            if failure.against.len() <= fewest {
                closest.push(failure);
            }
        }
        // The sort is stable: equal combinations stay in the order of the pattern.
        closest.sort_by_key(|failure| Reverse(failure.satisfied));
        let spoken = closest.first()?;
        let first = spoken.first()?;
        let mut mismatch = told(first, spoken.apart, &leaves);
        if spoken.apart || !first.branch.is_empty() {
            mismatch.branches = branches(&closest, &leaves);
        }
        Some(mismatch)
    }

    /// Returns the repeated fields. EventBridge refuses none of them.
    #[must_use]
    pub fn repeated(&self) -> &[Repeated] {
        &self.repeated
    }

    /// Returns an equivalent pattern in which no field is repeated, so that the order of fields has no meaning. `pattern` is the
    /// pattern of this matcher.
    #[must_use]
    pub fn settled(&self, pattern: &Tree) -> Value {
        let plain = pattern.to_value();
        if self.repeated.is_empty() {
            return plain;
        }
        let means_the_same = |value: &Value| {
            Self::new(&value.into()).is_ok_and(|other| other.repeated.is_empty() && self.is_like(&other))
        };
        let joined = pattern.joined();
        if means_the_same(&joined) { joined } else { expanded(&self.rules) }
    }

    /// Checks whether both matchers have the same combinations.
    fn is_like(&self, other: &Self) -> bool {
        let alike = |one: &Rule, other: &Rule| {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.is_like(other))
        };
        let within =
            |rules: &[Rule], others: &[Rule]| rules.iter().all(|one| others.iter().any(|other| alike(one, other)));
        within(&self.rules, &other.rules) && within(&other.rules, &self.rules)
    }
}

/// Returns the combinations as one pattern: the fields that all have in common, and a `$or` of the others.
fn expanded(rules: &[Rule]) -> Value {
    let in_all = |field: &&Field| rules.iter().all(|rule| rule.iter().any(|other| other.is_like(field)));
    let common: Vec<&Field> = rules.first().into_iter().flatten().filter(in_all).collect();
    let mut rests: Vec<Vec<&Field>> = Vec::new();
    for rule in rules {
        let rest: Vec<&Field> = rule.iter().filter(|field| !in_all(field)).collect();
        let known = |other: &Vec<&Field>| {
            other.len() == rest.len() && other.iter().zip(&rest).all(|(one, other)| one.is_like(other))
        };
        if !rests.iter().any(known) {
            rests.push(rest);
        }
    }
    let mut value = nested(&common, "");
    // A combination without other fields matches all events that the others match.
    if rests.iter().all(|rest| !rest.is_empty()) {
        // Put `$or` into `detail` if possible, because filters look for it there.
        let in_detail = |fields: &[&Field]| fields.iter().all(|field| field.path.starts_with("detail."));
        let is_deep =
            rests.iter().all(|rest| in_detail(rest)) && (value["detail"].is_object() || value["detail"].is_null());
        let prefix = if is_deep { "detail." } else { "" };
        let branches: Value = rests.iter().map(|rest| nested(rest, prefix)).collect();
        match is_deep {
            true => value["detail"]["$or"] = branches,
            false => value["$or"] = branches,
        }
    }
    value
}

/// Returns the fields as an object, without the prefix of their paths. A path that cannot be nested becomes one name with dots,
/// which has the same meaning for the rule engine.
fn nested(fields: &[&Field], prefix: &str) -> Value {
    let mut object = Value::Object(serde_json::Map::new());
    for Field { path, wanted, .. } in fields {
        let path = path.strip_prefix(prefix).unwrap_or(path);
        let wanted: Value = wanted.iter().map(|wanted| wanted.written.clone()).collect();
        let steps: Vec<&str> = path.split('.').collect();
        let has_place = (1..steps.len()).all(|length| {
            let place = object.pointer(&format!("/{}", steps[..length].join("/")));
            place.is_none_or(Value::is_object)
        });
        let pointer = format!("/{}", steps.join("/"));
        let plain = |step: &&str| !step.is_empty() && !step.contains(['~', '/']) && !validity::is_reserved(step);
        match has_place && steps.iter().all(plain) && object.pointer(&pointer).is_none() {
            true => *steps.iter().fold(&mut object, |at, step| &mut at[*step]) = wanted,
            false => object[path] = wanted,
        }
    }
    object
}

/// The distance of one combination from an event.
struct Failure<'a> {
    rule: &'a Rule,
    /// The fields that fail alone; if none does, the field that fails together with the fields before it.
    against: Vec<&'a Field>,
    apart: bool,
    satisfied: usize,
}

impl<'a> Failure<'a> {
    fn of(rule: &'a Rule, failed: usize, leaves: &Leaves) -> Self {
        let fails = |field: &&Field| search(std::slice::from_ref(*field), leaves).is_err();
        let alone: Vec<&Field> = rule.iter().filter(fails).collect();
        let (satisfied, apart) = (rule.len() - alone.len(), alone.is_empty());
        Self { rule, against: if apart { vec![&rule[failed]] } else { alone }, apart, satisfied }
    }

    /// Returns the field to report: first one outside of `$or`, which decides for every branch; then one near the root, where the
    /// fields describe the kind of event.
    fn first(&self) -> Option<&'a Field> {
        let rank = |field: &&&Field| (!field.branch.is_empty(), field.path.matches('.').count());
        self.against.iter().min_by_key(rank).copied()
    }

    /// Returns the names of the innermost branches of the combination.
    fn branch(&self) -> String {
        let names: Vec<&str> = self.rule.iter().map(|field| field.branch.as_str()).collect();
        let is_innermost =
            |name: &&str| !name.is_empty() && !names.iter().any(|other| other.starts_with(&format!("{name}.")));
        let mut innermost: Vec<&str> = names.iter().copied().filter(is_innermost).collect();
        innermost.sort_unstable();
        innermost.dedup();
        innermost.join(" with ")
    }
}

/// Returns the branches that decided in the closest combinations, each once and in the order of the combinations.
fn branches(closest: &[Failure], leaves: &Leaves) -> Vec<Branch> {
    let mut all: Vec<Branch> = Vec::new();
    for failure in closest {
        let mut own: Vec<Branch> = Vec::new();
        for field in &failure.against {
            let name = if failure.apart { failure.branch() } else { field.branch.clone() };
            let against = told(field, failure.apart, leaves);
            match own.iter_mut().find(|branch| branch.name == name) {
                Some(branch) => branch.against.push(against),
                None => own.push(Branch { name, against: vec![against] }),
            }
        }
        own.retain(|branch| !branch.name.is_empty() && !all.contains(branch));
        all.append(&mut own);
    }
    all
}

/// The rules of the part of the pattern that was read so far.
struct Compiled {
    rules: Vec<Rule>,
    repeated: Vec<Repeated>,
    or: Or,
    /// The present position in the pattern, with the branches of `$or` on the way.
    place: String,
    /// The innermost branch around the position.
    branch: String,
}

impl Compiled {
    fn object(&mut self, fields: &[(String, Tree)], steps: &mut String) {
        for (at, (name, tree)) in fields.iter().enumerate() {
            let (length, place) = (steps.len(), self.place.len());
            let is_operator = name == "$or" && self.or == Or::Operator;
            let is_list = |tree: &Tree| matches!(tree, Tree::Array(_)) && !is_operator;
            // The later of two lists replaces the earlier one: `field` records that.
            if fields[..at].iter().any(|(known, other)| known == name && !(is_list(tree) && is_list(other))) {
                self.comes_again(&joined(steps, name), Kept::All);
            }
            match tree {
                Tree::Array(items) if is_operator => self.alternatives(items, steps),
                Tree::Array(wanted) => {
                    self.field(&joined(steps, name), &wanted.iter().map(Condition::of).collect::<Vec<_>>());
                }
                Tree::Object(inner) => {
                    step_into(steps, name);
                    step_into(&mut self.place, name);
                    self.object(inner, steps);
                }
                Tree::Leaf(_) => {}
            }
            steps.truncate(length);
            self.place.truncate(place);
        }
    }

    /// Combines each rule so far with each alternative.
    fn alternatives(&mut self, items: &[Tree], steps: &mut String) {
        let before = std::mem::take(&mut self.rules);
        let (outer, place) = (self.branch.clone(), self.place.len());
        let mut all = Vec::new();
        for (number, item) in items.iter().enumerate() {
            if let Tree::Object(fields) = item
                && all.len() <= validity::MOST_RULES
            {
                step_into(&mut self.place, &format!("$or[{number}]"));
                whole(&self.place).clone_into(&mut self.branch);
                self.rules.clone_from(&before);
                self.object(fields, steps);
                all.append(&mut self.rules);
                self.place.truncate(place);
            }
        }
        (self.rules, self.branch) = (all, outer);
    }

    fn field(&mut self, path: &str, wanted: &[Condition]) {
        let mut replaced = false;
        for rule in &mut self.rules {
            let length = rule.len();
            rule.retain(|known| known.path != path);
            replaced |= rule.len() < length;
            rule.push(Field { path: path.to_owned(), wanted: wanted.to_vec(), branch: self.branch.clone() });
        }
        if replaced {
            self.comes_again(path, Kept::Last);
        }
    }

    fn comes_again(&mut self, path: &str, kept: Kept) {
        if !self.repeated.iter().any(|known| known.path == path && known.kept == kept) {
            self.repeated.push(Repeated { path: path.to_owned(), kept });
        }
    }
}

/// Returns the path of a field. An empty path before the field adds no step, as in the engine.
fn joined(steps: &str, name: &str) -> String {
    match whole(steps) {
        "" => name.to_owned(),
        before => format!("{before}.{name}"),
    }
}

/// Checks whether all fields of a rule can be satisfied together. If not, returns the index of the first field that cannot be
/// satisfied together with the fields before it.
fn search(rule: &[Field], leaves: &Leaves) -> Result<(), usize> {
    let fields = rule.iter().enumerate();
    let last_use = fields.flat_map(|(at, field)| leaves.arrays(&field.path).into_iter().map(move |array| (array, at)));
    let mut search = Search { rule, leaves, last_use: last_use.collect(), failed: HashSet::new(), furthest: 0 };
    if search.goes_on(0, Membership::new()) { Ok(()) } else { Err(search.furthest) }
}

/// The state of a search with one rule and one event.
struct Search<'a> {
    rule: &'a [Field],
    leaves: &'a Leaves<'a>,
    /// The last field with leaves in an array, by the array's number.
    last_use: HashMap<usize, usize>,
    /// The fields and chosen elements from which the search failed. Without this record, the time for long lists would multiply.
    failed: HashSet<(usize, Membership)>,
    furthest: usize,
}

impl Search<'_> {
    /// Checks whether the fields from `at` on can be satisfied together with the elements that are already chosen.
    fn goes_on(&mut self, at: usize, taken: Membership) -> bool {
        let Some(Field { path, wanted, .. }) = self.rule.get(at) else { return true };
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

    /// Returns the chosen elements on which fields after `at` have to agree.
    fn needed(&self, at: usize, mut taken: Membership) -> Membership {
        taken.retain(|array, _| self.last_use.get(array).is_some_and(|last| *last > at));
        taken
    }
}

/// Describes a field, with the values of the event at the field's path.
fn told(Field { path, wanted, .. }: &Field, apart: bool, leaves: &Leaves) -> Mismatch {
    let have = leaves.at(path, &Membership::new()).into_iter().map(|leaf| leaf.value.clone()).collect();
    let want = wanted.iter().map(|wanted| wanted.written.clone()).collect();
    Mismatch { path: path.clone(), have, want, apart, branches: Vec::new() }
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
    fn every_verdict_agrees_with_the_rule_engine_of_the_service() {
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
    fn first_deciding_field_is_named_with_both_sides() {
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
    fn closest_alternative_is_reported() {
        let pattern = json!({ "$or": [{ "a": [1], "b": [1], "c": [1] }, { "a": [2] }] });
        assert_eq!(mismatch(&pattern, &json!({ "a": 1, "b": 1, "c": 2 })).path, "c");
    }

    #[test]
    fn fields_of_different_elements_do_not_match_together() {
        let pattern = json!({ "containers": { "name": ["app"], "exitCode": [1] } });
        let event = json!({ "containers": [{ "name": "app", "exitCode": 0 }, { "name": "side", "exitCode": 1 }] });
        assert!(mismatch(&pattern, &event).apart);
        assert!(
            Matcher::new(&(&pattern).into())
                .unwrap()
                .matches(&json!({ "containers": [{ "name": "app", "exitCode": 1 }] }))
        );
    }

    /// Expects the answers of the service's own rule engine.
    #[test]
    fn cases_beyond_the_recorded_verdicts_agree_too() {
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
    fn repeated_operator_is_refused_as_by_eventbridge() {
        for (twice, reason) in [
            (r#"{"a":[{"prefix":"a","prefix":"b"}]}"#, "Only one key allowed in match expression"),
            (r#"{"a":[{"numeric":[">",0],"numeric":["<",1]}]}"#, "Too many elements in numeric expression"),
            (r#"{"$or":[{"a":[1]},{"b":[1]}],"$or":[]}"#, "Unrecognized match type a"),
            (r#"{"a":[1],"a":"b"}"#, "\"a\" must be an object or an array"),
            (r#"{"a":[],"a":[1]}"#, "Empty arrays are not allowed"),
        ] {
            assert_eq!(Matcher::new(&serde_json::from_str(twice).unwrap()).unwrap_err().reason, reason, "{twice}");
        }
    }

    /// Expects the behaviour of `JsonRuleCompiler` of aws/event-ruler: values at one path replace earlier values, objects are
    /// walked again, and each `$or` multiplies the rules that were read before it.
    #[test]
    fn repeated_field_has_the_meaning_of_the_rule_engine() {
        for (pattern, repeated, takes, leaves) in [
            (r#"{"a":[1],"a":[2]}"#, vec![("a", Kept::Last)], vec![r#"{"a":2}"#], vec![r#"{"a":1}"#]),
            (
                r#"{"d":{"a":[1],"b":[1],"a":[2]}}"#,
                vec![("d.a", Kept::Last)],
                vec![r#"{"d":{"a":2,"b":1}}"#],
                vec![r#"{"d":{"a":1,"b":1}}"#, r#"{"d":{"a":2}}"#],
            ),
            (
                r#"{"d":{"a":[1]},"d":{"b":[1]}}"#,
                vec![("d", Kept::All)],
                vec![r#"{"d":{"a":1,"b":1}}"#],
                vec![r#"{"d":{"a":1}}"#, r#"{"d":{"b":1}}"#],
            ),
            (
                r#"{"d":{"a":[1],"b":[1]},"d":{"a":[2]}}"#,
                vec![("d", Kept::All), ("d.a", Kept::Last)],
                vec![r#"{"d":{"a":2,"b":1}}"#],
                vec![r#"{"d":{"a":1,"b":1}}"#],
            ),
            (
                r#"{"a.b":[1],"a":{"b":[2]}}"#,
                vec![("a.b", Kept::Last)],
                vec![r#"{"a":{"b":2}}"#],
                vec![r#"{"a":{"b":1}}"#],
            ),
            (
                r#"{"a":["1"],"a":{"b":["2"]},"a":["3"]}"#,
                vec![("a", Kept::All), ("a", Kept::Last)],
                vec![r#"{"a":["3",{"b":"2"}]}"#],
                vec![r#"{"a":["1",{"b":"2"}]}"#, r#"{"a":"3"}"#],
            ),
            (r#"{"a":[1],"a":{"b":[2]}}"#, vec![("a", Kept::All)], vec![r#"{"a":[1,{"b":2}]}"#], vec![r#"{"a":1}"#]),
            (
                r#"{"a":[1],"$or":[{"a":[2]},{"b":[1]}]}"#,
                vec![("a", Kept::Last)],
                vec![r#"{"a":2}"#, r#"{"a":1,"b":1}"#],
                vec![r#"{"a":1}"#, r#"{"a":3,"b":1}"#],
            ),
            (
                r#"{"$or":[{"a":[2]},{"b":[1]}],"a":[1]}"#,
                vec![("a", Kept::Last)],
                vec![r#"{"a":1}"#],
                vec![r#"{"a":2}"#, r#"{"b":1}"#],
            ),
            (
                r#"{"$or":[{"a":[1]},{"b":[1]}],"$or":[{"c":[1]},{"d":[1]}]}"#,
                vec![("$or", Kept::All)],
                vec![r#"{"a":1,"c":1}"#, r#"{"b":1,"d":1}"#],
                vec![r#"{"a":1,"b":1}"#, r#"{"c":1,"d":1}"#],
            ),
            (
                r#"{"detail":{"s":["x"],"$or":[{"s":["y"]},{"$or":[{"s":["z"]},{"t":["u"]}]}]}}"#,
                vec![("detail.s", Kept::Last)],
                vec![r#"{"detail":{"s":"y"}}"#, r#"{"detail":{"s":"z"}}"#, r#"{"detail":{"s":"x","t":"u"}}"#],
                vec![r#"{"detail":{"s":"x"}}"#, r#"{"detail":{"s":"y2","t":"u"}}"#],
            ),
            (
                r#"{"$or":[{"a":[1],"a":[2]},{"b":[1]}]}"#,
                vec![("a", Kept::Last)],
                vec![r#"{"a":2}"#],
                vec![r#"{"a":1}"#],
            ),
            (r#"{"$or":[{"a":[2]},{"a":[1]}]}"#, vec![], vec![r#"{"a":1}"#, r#"{"a":2}"#], vec![r#"{"a":3}"#]),
        ] {
            let tree: Tree = serde_json::from_str(pattern).unwrap();
            let matcher = Matcher::new(&tree).unwrap();
            let found: Vec<(&str, Kept)> = matcher.repeated().iter().map(|one| (one.path.as_str(), one.kept)).collect();
            assert_eq!(found, repeated, "{pattern}");
            let settled = matcher.settled(&tree);
            let again = Matcher::new(&(&settled).into()).unwrap();
            assert!(again.repeated().is_empty(), "{pattern}: {settled}");
            for (events, expected) in [(takes, true), (leaves, false)] {
                for event in events {
                    let event: Value = serde_json::from_str(event).unwrap();
                    assert_eq!(matcher.matches(&event), expected, "{pattern} {event}");
                    assert_eq!(again.matches(&event), expected, "{settled} {event}");
                }
            }
        }
    }

    /// Returns the closest branches, each with its fields.
    fn closest(pattern: &Value, event: &Value) -> Vec<(String, Vec<String>)> {
        let path = |one: Mismatch| if one.apart { format!("{} apart", one.path) } else { one.path };
        let told = |branch: Branch| (branch.name, branch.against.into_iter().map(path).collect());
        mismatch(pattern, event).branches.into_iter().map(told).collect()
    }

    #[test]
    fn closest_branches_are_named_with_every_failed_field() {
        let one =
            |name: &str, paths: &[&str]| (name.to_owned(), paths.iter().map(ToString::to_string).collect::<Vec<_>>());
        let or = json!({ "s": ["x"], "$or": [{ "a": [1], "b": [1] }, { "a": [2] }, { "c": [1] }] });
        // Only the branches with the fewest failed fields are named.
        assert_eq!(closest(&or, &json!({ "s": "x", "a": 3, "c": 2 })), [one("$or[1]", &["a"]), one("$or[2]", &["c"])]);
        let two = json!({ "$or": [{ "a": [1], "b": [1] }, { "a": [1], "b": [2], "c": [1] }] });
        assert_eq!(closest(&two, &json!({ "a": 3 })), [one("$or[0]", &["a", "b"])]);
        // A field outside of `$or` decides for every branch.
        assert_eq!(closest(&or, &json!({ "s": "y" })), []);
        assert_eq!(mismatch(&or, &json!({ "s": "y" })).path, "s");
        // Several branches, nested.
        let nested =
            json!({ "d": { "$or": [{ "a": [1] }, { "b": [1], "$or": [{ "c": [1] }, { "e": { "f": [1] } }] }] } });
        assert_eq!(
            closest(&nested, &json!({ "d": { "a": 2, "b": 1 } })),
            [one("d.$or[1].$or[0]", &["d.c"]), one("d.$or[1].$or[1]", &["d.e.f"]), one("d.$or[0]", &["d.a"])]
        );
        // Equal branches are named in the order of the pattern, regardless of their paths.
        let tie = json!({ "$or": [{ "m": [1] }, { "z": [1] }, { "a": [1] }] });
        assert_eq!(closest(&tie, &json!({})), [one("$or[0]", &["m"]), one("$or[1]", &["z"]), one("$or[2]", &["a"])]);
        let several =
            json!({ "x": { "$or": [{ "a": [1] }, { "b": [1] }] }, "y": { "$or": [{ "a": [1] }, { "b": [1] }] } });
        assert_eq!(
            closest(&several, &json!({ "x": { "a": 1 }, "y": { "a": 2 } })),
            [one("y.$or[0]", &["y.a"]), one("y.$or[1]", &["y.b"])]
        );
        let both = closest(&several, &json!({}));
        let mut names: Vec<&str> = both.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["x.$or[0]", "x.$or[1]", "y.$or[0]", "y.$or[1]"]);
        // Fields in different elements of a list are apart.
        let apart = json!({ "c": { "n": ["app"], "$or": [{ "e": [1] }, { "r": ["x"], "k": [1] }] } });
        let event = json!({ "c": [{ "n": "app", "e": 0 }, { "n": "side", "e": 1 }] });
        assert_eq!(closest(&apart, &event), [one("c.$or[0]", &["c.n apart"])]);
        // Each field has its own values.
        let told = mismatch(&or, &json!({ "s": "x", "a": 3, "c": 2 })).branches;
        assert_eq!((&told[0].against[0].have, &told[0].against[0].want), (&vec![json!(3)], &vec![json!(2)]));
    }

    fn object(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
        fields.into_iter().collect::<serde_json::Map<_, _>>().into()
    }

    /// Asserts no duration: a search without the record of failures would not end.
    #[test]
    fn long_lists_do_not_multiply_the_time() {
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
    fn long_list_of_objects_does_not_multiply_the_time() {
        let elements: Vec<Value> = (0..20_000).map(|number| json!({ "x": 1, "y": number % 2 })).collect();
        let event = json!({ "a": elements });
        assert!(!Matcher::new(&(&json!({ "a": { "x": [1], "y": [2] } })).into()).unwrap().matches(&event));
        assert!(mismatch(&json!({ "a": { "x": [2], "y": [1] } }), &event).have.len() == 20_000);
    }
}
