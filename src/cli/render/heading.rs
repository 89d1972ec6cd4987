//! Which stack a result is about, and where.

use serde_json::{Value, json};

use crate::stack::{Place, Stack};

/// Which stack this is about, and where: so that nobody reads about, or changes, the wrong account.
pub fn heading(stack: &Stack, place: &Place) -> String {
    format!("stack {} in {}, account {}", stack.name, place.region, place.account)
}

/// The object, with which stack it is about, and where.
pub fn located(stack: &Stack, place: &Place, mut object: Value) -> Value {
    object["stack"] = json!(stack.name);
    object["region"] = json!(place.region);
    object["account"] = json!(place.account);
    object
}
