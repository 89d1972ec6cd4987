//! Names the owner of a resource by its tags, so that a step can check whether the owner is still the owner of the plan.
//! Makes no call.

use std::collections::BTreeMap;
use std::fmt;

use crate::stack::{FLEET_TAG, STACK_TAG};

/// The stack and the fleet that the tags of a resource name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    pub stack: Option<String>,
    pub fleet: Option<String>,
}

impl Owner {
    #[must_use]
    pub fn of(tags: &BTreeMap<String, String>) -> Self {
        Self { stack: tags.get(STACK_TAG).cloned(), fleet: tags.get(FLEET_TAG).cloned() }
    }

    /// Returns the reason why a resource does not belong to this fleet; `None` if the resource does.
    #[must_use]
    pub fn evidence_against(&self, fleet: &str) -> Option<String> {
        match &self.fleet {
            Some(own) if own == fleet => None,
            Some(other) => Some(format!("{}, and not {fleet}", told(FLEET_TAG, Some(other)))),
            None => Some(told(FLEET_TAG, None)),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&told(STACK_TAG, self.stack.as_deref()))?;
        match &self.fleet {
            Some(fleet) => write!(f, ", {}", told(FLEET_TAG, Some(fleet))),
            None => Ok(()),
        }
    }
}

/// Returns the value of a tag in words, also for an error about the tag.
#[must_use]
pub fn told(tag: &str, value: Option<&str>) -> String {
    value.map_or_else(|| format!("no tag {tag}"), |value| format!("{tag} is {value}"))
}
