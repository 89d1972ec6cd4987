//! Reads a pattern as a list of rules, one for each combination of `$or`'s alternatives.

use std::fmt;

use super::event::{step_into, whole};
use super::operator::Condition;
use super::tree::Tree;
use super::validity::{self, Invalid, Or};
use crate::input::printable;

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

/// A combination of the alternatives of every `$or`: its fields, sorted by path. The rule engine visits the fields in this order. A
/// field that matches inside a list fixes the element for the fields after it, and `exists: false` looks only at fixed elements.
pub type SubRule = Vec<Field>;

/// A field of a pattern: its path, and the conditions of which one has to match.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub path: String,
    pub wanted: Vec<Condition>,
    /// The branch of `$or` that contains the field, such as `detail.$or[1]`; empty: the field is outside of every `$or`.
    pub branch: String,
}

impl Field {
    /// Checks whether both fields have the same path and conditions, whatever their branches.
    pub fn is_like(&self, other: &Self) -> bool {
        self.path == other.path && self.wanted == other.wanted
    }
}

/// Returns the rules of a pattern, and its repeated fields.
///
/// # Errors
/// If EventBridge would refuse the pattern.
pub fn of(pattern: &Tree) -> Result<(Vec<SubRule>, Vec<Repeated>), Invalid> {
    let or = validity::check(pattern)?;
    let mut compiled =
        Compiled { rules: vec![SubRule::new()], repeated: Vec::new(), or, place: String::new(), branch: String::new() };
    if let Tree::Object(fields) = pattern {
        compiled.object(fields, &mut String::new());
    }
    let Compiled { mut rules, repeated, .. } = compiled;
    if rules.len() > validity::MOST_SUB_RULES {
        return Err(Invalid { reason: format!("$or makes more than {} combinations", validity::MOST_SUB_RULES) });
    }
    for rule in &mut rules {
        rule.sort_by(|one, other| one.path.cmp(&other.path));
    }
    Ok((rules, repeated))
}

/// The rules of the part of the pattern that was read so far.
struct Compiled {
    rules: Vec<SubRule>,
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
                && all.len() <= validity::MOST_SUB_RULES
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
