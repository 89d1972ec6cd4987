//! The answer to "why did it not match?".

use std::cmp::Reverse;
use std::fmt;

use serde_json::Value;

use super::event::{Leaves, Membership};
use super::rules::{Field, Rule};
use super::search::search;
use crate::input::printable;

/// Returns the field that decided against the event; none if it matches. Of `$or`, the combinations speak that came
/// closest, with the fewest fields against the event: of these first those with the most fields satisfied, and of equal ones
/// the first in the pattern.
pub fn of(rules: &[Rule], leaves: &Leaves) -> Option<Mismatch> {
    let mut closest: Vec<Failure> = Vec::new();
    for rule in rules {
        let failure = Failure::of(rule, search(rule, leaves).err()?, leaves);
        let fewest = closest.first().map_or(usize::MAX, |best| best.against.len());
        if failure.against.len() < fewest {
            closest.clear();
        }
        if failure.against.len() <= fewest {
            closest.push(failure);
        }
    }
    // A stable sort: equal ones stay in the order of the pattern.
    closest.sort_by_key(|failure| Reverse(failure.satisfied));
    let spoken = closest.first()?;
    let first = spoken.first()?;
    let mut mismatch = told(first, spoken.apart, leaves);
    if spoken.apart || !first.branch.is_empty() {
        mismatch.branches = branches(&closest, leaves);
    }
    Some(mismatch)
}

/// The first field that kept an event from matching; where a `$or` decided, with all that decided in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    pub path: String,
    /// What the event has there; empty: nothing.
    pub have: Vec<Value>,
    /// The alternatives the pattern takes there.
    pub want: Vec<Value>,
    /// It is satisfied, but not by the element of an array that satisfies another field.
    pub apart: bool,
    /// The branches of `$or` that came closest, the one of this field first; empty: a field outside of every `$or` decided.
    pub branches: Vec<Branch>,
}

/// A branch of `$or`, with every field of it that decided against the event. These have no branches of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// Where it stands in the pattern, counted from 0: `detail.$or[1]`.
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

/// How far one combination is from an event.
struct Failure<'a> {
    rule: &'a Rule,
    /// The fields that fail by themselves; else the one that fails together with those before it.
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

    /// The field that speaks: outside of `$or`, where it decides whatever the branch; then near the root, where the fields say what
    /// kind of event it is about.
    fn first(&self) -> Option<&'a Field> {
        let rank = |field: &&&Field| (!field.branch.is_empty(), field.path.matches('.').count());
        self.against.iter().min_by_key(rank).copied()
    }

    /// The innermost branches that the combination is made of.
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

/// The branches that decided in the closest combinations, each once and in their order.
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

/// One field, with what the event has there.
fn told(Field { path, wanted, .. }: &Field, apart: bool, leaves: &Leaves) -> Mismatch {
    let have = leaves.at(path, &Membership::new()).into_iter().map(|leaf| leaf.value.clone()).collect();
    let want = wanted.iter().map(|wanted| wanted.written.clone()).collect();
    Mismatch { path: path.clone(), have, want, apart, branches: Vec::new() }
}
