//! Whether all fields of a rule can be satisfied together by one event.

use std::collections::{HashMap, HashSet};

use super::event::{Leaves, Membership};
use super::operator::Condition;
use super::rules::Field;

/// Whether all fields of a rule can be satisfied together; if not, the number of the first that cannot with those before it.
pub fn search(rule: &[Field], leaves: &Leaves) -> Result<(), usize> {
    let fields = rule.iter().enumerate();
    let last_use = fields.flat_map(|(at, field)| leaves.arrays(&field.path).into_iter().map(move |array| (array, at)));
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

    /// The elements that fields after `at` have to agree on.
    fn needed(&self, at: usize, mut taken: Membership) -> Membership {
        taken.retain(|array, _| self.last_use.get(array).is_some_and(|last| *last > at));
        taken
    }
}
