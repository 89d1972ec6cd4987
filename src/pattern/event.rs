//! An event as EventBridge's rule engine sees it: leaves by their paths, arrays flattened, but for which element of an
//! array of objects a leaf comes from: fields of one pattern have to agree on it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// Array by its number in the event -> the element taken.
pub type Membership = Vec<(usize, usize)>;

#[derive(Debug)]
pub struct Leaf<'a> {
    pub value: &'a Value,
    pub membership: Membership,
}

/// The paths a pattern asks about, and all that leads to them: nothing else of an event is looked at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Paths(HashSet<String>);

impl Paths {
    pub fn add(&mut self, path: &str) {
        self.0.extend(path.match_indices('.').map(|(end, _)| path[..end].to_owned()));
        self.0.insert(path.to_owned());
    }
}

#[derive(Debug)]
pub struct Leaves<'a> {
    by_path: HashMap<String, Vec<Leaf<'a>>>,
    arrays: usize,
    asked: &'a Paths,
}

impl<'a> Leaves<'a> {
    #[must_use]
    pub fn of(event: &'a Value, asked: &'a Paths) -> Self {
        let mut leaves = Self { by_path: HashMap::new(), arrays: 0, asked };
        leaves.walk(event, &mut String::new(), &mut Membership::new());
        leaves
    }

    /// Every leaf at the path; none where there is no value, or an object.
    #[must_use]
    pub fn at(&self, path: &str) -> &[Leaf<'a>] {
        self.by_path.get(path).map_or(&[], Vec::as_slice)
    }

    fn walk(&mut self, value: &'a Value, path: &mut String, membership: &mut Membership) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let length = path.len();
                    join(path, name);
                    if self.asked.0.contains(path) {
                        self.walk(value, path, membership);
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
                        membership.push((array, index));
                    }
                    self.walk(item, path, membership);
                    if in_element {
                        membership.pop();
                    }
                }
            }
            leaf => {
                let leaf = Leaf { value: leaf, membership: membership.clone() };
                match self.by_path.get_mut(path) {
                    Some(leaves) => leaves.push(leaf),
                    None => drop(self.by_path.insert(path.clone(), vec![leaf])),
                }
            }
        }
    }
}

/// Appends a field's name to a path.
pub fn join(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// Both together, if they take the same element of every array both go through.
#[must_use]
pub fn merged(one: &Membership, other: &Membership) -> Option<Membership> {
    let mut both = one.clone();
    for (array, index) in other {
        match one.iter().find(|(known, _)| known == array) {
            Some((_, taken)) if taken != index => return None,
            Some(_) => {}
            None => both.push((*array, *index)),
        }
    }
    Some(both)
}
