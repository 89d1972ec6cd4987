//! Explains why an event did not match a pattern.

use std::cmp::Reverse;
use std::fmt;

use serde_json::Value;

use super::event::{Leaves, Membership};
use super::rules::{Field, SubRule};
use super::search::search;
use crate::input::printable;

/// Returns the field that decided against the event; none if the event matches. Considers the closest combinations of `$or`,
/// with the fewest fields against the event: first the combinations with the most satisfied fields, and of equal ones the
/// first in the pattern.
pub fn of(rules: &[SubRule], leaves: &Leaves) -> Option<Mismatch> {
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
    // The sort is stable: equal combinations stay in the order of the pattern.
    closest.sort_by_key(|failure| Reverse(failure.satisfied));
    let spoken = closest.first()?;
    let first = spoken.first()?;
    let mut mismatch = told(first, spoken.apart, leaves);
    if spoken.apart || !first.branch.is_empty() {
        mismatch.branches = branches(&closest, leaves);
    }
    Some(mismatch)
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

/// The distance of one combination from an event.
struct Failure<'a> {
    rule: &'a SubRule,
    /// The fields that fail alone; if none does, the field that fails together with the fields before it.
    against: Vec<&'a Field>,
    apart: bool,
    satisfied: usize,
}

impl<'a> Failure<'a> {
    fn of(rule: &'a SubRule, failed: usize, leaves: &Leaves) -> Self {
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

/// Describes a field, with the values of the event at the field's path.
fn told(Field { path, wanted, .. }: &Field, apart: bool, leaves: &Leaves) -> Mismatch {
    let have = leaves.at(path, &Membership::new()).into_iter().map(|leaf| leaf.value.clone()).collect();
    let want = wanted.iter().map(|wanted| wanted.written.clone()).collect();
    Mismatch { path: path.clone(), have, want, apart, branches: Vec::new() }
}
