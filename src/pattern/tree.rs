//! Represents a pattern as it was written: JSON whose objects keep the order of their fields. In EventBridge, a field that is
//! repeated under `$or` replaces the earlier one, so the order has a meaning.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    Object(Vec<(String, Tree)>),
    Array(Vec<Tree>),
    Leaf(Value),
}

impl Tree {
    /// Returns the tree without the order of fields. Only the last of repeated fields is left: `Matcher::settled` keeps the
    /// meaning.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Object(fields) => fields.iter().map(|(name, tree)| (name.clone(), tree.to_value())).collect(),
            Self::Array(items) => items.iter().map(Self::to_value).collect(),
            Self::Leaf(value) => value.clone(),
        }
    }

    /// Changes each list that a top-level field of this name has.
    pub fn lists_at(&mut self, name: &str, mut change: impl FnMut(&mut Vec<Self>)) {
        let Self::Object(fields) = self else { return };
        for (field, tree) in fields {
            if let (true, Self::Array(items)) = (field == name, tree) {
                change(items);
            }
        }
    }

    /// Returns the tree without the order of fields. Joins repeated objects; of other repeated fields, only the last is left.
    #[must_use]
    pub fn joined(&self) -> Value {
        match self {
            Self::Object(fields) => {
                let mut object = serde_json::Map::new();
                for (name, tree) in fields {
                    put(&mut object, name.clone(), tree.joined());
                }
                Value::Object(object)
            }
            Self::Array(items) => Value::Array(items.iter().map(Self::joined).collect()),
            Self::Leaf(value) => value.clone(),
        }
    }
}

/// Puts a value into an object. The value replaces an earlier one of the same name, but two objects are joined.
fn put(object: &mut serde_json::Map<String, Value>, name: String, value: Value) {
    match (object.get_mut(&name), value) {
        (Some(Value::Object(known)), Value::Object(later)) => {
            for (name, value) in later {
                put(known, name, value);
            }
        }
        (_, value) => drop(object.insert(name, value)),
    }
}

/// Writes compact JSON, with the order and all fields.
impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(fields) => serializer.collect_map(fields.iter().map(|(name, tree)| (name, tree))),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Leaf(value) => value.serialize(serializer),
        }
    }
}

impl From<&Value> for Tree {
    fn from(value: &Value) -> Self {
        match value {
            Value::Object(fields) => {
                Self::Object(fields.iter().map(|(name, value)| (name.clone(), value.into())).collect())
            }
            Value::Array(items) => Self::Array(items.iter().map(Into::into).collect()),
            leaf => Self::Leaf(leaf.clone()),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    /// Keeps all fields of a repeated name, in their order, because EventBridge accepts a repeated name.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut fields: Vec<(String, Tree)> = Vec::new();
        while let Some((name, tree)) = map.next_entry::<String, Tree>()? {
            fields.push((name, tree));
        }
        Ok(Tree::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::Array(items))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Null))
    }
}
