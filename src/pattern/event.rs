//! Represents an event as EventBridge's rule engine sees it: leaves by their paths, with flattened arrays. Each leaf keeps the
//! elements of arrays from which it comes, because the fields of one pattern have to agree on them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

/// The chosen element of each array, by the array's number in the event.
pub type Membership = BTreeMap<usize, usize>;

#[derive(Debug)]
pub struct Leaf<'a> {
    pub value: &'a Value,
    pub membership: Membership,
}

/// The paths that a pattern contains, and all paths that lead to them. No other part of an event is read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Paths {
    paths: HashSet<String>,
    steps: HashSet<String>,
}

impl Paths {
    pub fn add(&mut self, path: &str) {
        self.paths.extend(path.match_indices('.').map(|(end, _)| path[..end].to_owned()));
        self.paths.insert(path.to_owned());
        self.steps.extend(steps(path).map(str::to_owned));
    }

    fn lead(&self, path: &str, name: &str) -> bool {
        self.paths.contains(path) && (self.steps.contains(name) || steps(name).all(|step| self.steps.contains(step)))
    }
}

/// Returns the steps of a path. Empty steps at the end of a path are no steps to the engine: `a.` is never found in
/// `{"a": {"": 1}}`.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    let significant =
        if path.is_empty() { Some(path) } else { Some(path.trim_end_matches('.')).filter(|it| !it.is_empty()) };
    significant.into_iter().flat_map(|path| path.split('.'))
}

#[derive(Debug)]
pub struct Leaves<'a> {
    by_path: HashMap<String, Branch<'a>>,
    arrays: usize,
    asked: &'a Paths,
}

/// The leaves of one path, by the elements of the arrays from which they come.
#[derive(Debug, Default)]
struct Branch<'a> {
    leaves: Vec<&'a Value>,
    arrays: BTreeMap<usize, BTreeMap<usize, Branch<'a>>>,
}

impl<'a> Leaves<'a> {
    #[must_use]
    pub fn of(event: &'a Value, asked: &'a Paths) -> Self {
        let mut leaves = Self { by_path: HashMap::new(), arrays: 0, asked };
        leaves.walk(event, &mut String::new(), &mut Vec::new());
        leaves
    }

    /// Returns every leaf at the path that comes from the chosen elements of arrays, or from arrays without a chosen element.
    /// Returns none if the path has no value, or has an object.
    #[must_use]
    pub fn at(&self, path: &str, taken: &Membership) -> Vec<Leaf<'a>> {
        let mut found = Vec::new();
        if let Some(branch) = self.by_path.get(path) {
            branch.gather(taken, &mut Membership::new(), &mut found);
        }
        found
    }

    /// Returns the arrays from which the leaves of the path come.
    #[must_use]
    pub fn arrays(&self, path: &str) -> BTreeSet<usize> {
        let mut arrays = BTreeSet::new();
        if let Some(branch) = self.by_path.get(path) {
            branch.arrays(&mut arrays);
        }
        arrays
    }

    fn walk(&mut self, value: &'a Value, path: &mut String, from: &mut Vec<(usize, usize)>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let length = path.len();
                    step_into(path, name);
                    if self.asked.lead(whole(path), name) {
                        self.walk(value, path, from);
                    }
                    path.truncate(length);
                }
            }
            Value::Array(items) => {
                let array = self.arrays;
                self.arrays += 1;
                for (index, item) in items.iter().enumerate() {
                    let in_element = item.is_object() || item.is_array();
                    if in_element {
                        from.push((array, index));
                    }
                    self.walk(item, path, from);
                    if in_element {
                        from.pop();
                    }
                }
            }
            leaf => {
                let mut branch = self.by_path.entry(whole(path).to_owned()).or_default();
                for (array, index) in from {
                    branch = branch.arrays.entry(*array).or_default().entry(*index).or_default();
                }
                branch.leaves.push(leaf);
            }
        }
    }
}

impl<'a> Branch<'a> {
    fn gather(&self, taken: &Membership, membership: &mut Membership, found: &mut Vec<Leaf<'a>>) {
        found.extend(self.leaves.iter().map(|value| Leaf { value, membership: membership.clone() }));
        for (array, elements) in &self.arrays {
            let mut gather = |(index, branch): (&usize, &Self)| {
                membership.insert(*array, *index);
                branch.gather(taken, membership, found);
                membership.remove(array);
            };
            match taken.get(array) {
                Some(index) => elements.get_key_value(index).into_iter().for_each(&mut gather),
                None => elements.iter().for_each(&mut gather),
            }
        }
    }

    fn arrays(&self, all: &mut BTreeSet<usize>) {
        all.extend(self.arrays.keys());
        self.arrays.values().flat_map(BTreeMap::values).for_each(|branch| branch.arrays(all));
    }
}

/// Appends a field's name to the steps before it. Each step has a dot in front, so that an empty name is a step, too.
pub fn step_into(steps: &mut String, name: &str) {
    steps.push('.');
    steps.push_str(name);
}

/// Returns the steps as one path.
#[must_use]
pub fn whole(steps: &str) -> &str {
    steps.get(1..).unwrap_or_default()
}
