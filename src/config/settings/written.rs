//! Writes the settings of a stack as one text: the keys of the file, in one order, without those that are not set.

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::document::canonical;

/// The key of the fleet, which the settings of a stack have from the head of the file.
pub const FLEET: &str = "fleet";

/// The lists whose order has no meaning.
const SETS: [&str; 5] = ["clusters", "patterns", "job", "log_groups", "ignore"];

/// Returns the settings as an object.
pub fn object(settings: &impl Serialize, fleet: Option<&str>) -> Map<String, Value> {
    let whole = serde_json::to_value(settings).ok().and_then(without_gaps);
    let mut keys = Map::deserialize(whole.unwrap_or_default()).unwrap_or_default();
    for key in SETS {
        if let Some(Value::Array(items)) = keys.get_mut(key) {
            items.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
            items.dedup();
        }
    }
    keys.extend(fleet.map(|name| (FLEET.to_owned(), Value::from(name))));
    keys
}

/// Returns the settings as one line of JSON. Equal settings have an equal text.
pub fn text(settings: &impl Serialize, fleet: Option<&str>) -> String {
    canonical(&Value::Object(object(settings, fleet))).to_string()
}

/// Returns the value without the keys that have none, also of its tables.
fn without_gaps(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(keys) => {
            let set: Map<String, Value> =
                keys.into_iter().filter_map(|(key, value)| Some((key, without_gaps(value)?))).collect();
            (!set.is_empty()).then_some(Value::Object(set))
        }
        other => Some(other),
    }
}

/// Writes `KEY=VALUE` texts as a table, as the file has them.
pub fn tags<S: Serializer>(tags: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    let mut table = serializer.serialize_map(Some(tags.len()))?;
    for (key, value) in tags.iter().filter_map(|tag| tag.split_once('=')) {
        table.serialize_entry(key, value)?;
    }
    table.end()
}
