//! Checks whether one event can satisfy all fields of a rule together.

use std::collections::{HashMap, HashSet};

use super::event::{Leaves, Membership};
use super::operator::Condition;
use super::rules::Field;

/// Checks whether all fields of a rule can be satisfied together. If not, returns the index of the first field that cannot be
/// satisfied together with the fields before it.
pub fn search(rule: &[Field], leaves: &Leaves) -> Result<(), usize> {
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
