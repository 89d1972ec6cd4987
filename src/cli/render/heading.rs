//! Names the stack of a result, with region and account.

use serde_json::{Value, json};

use crate::stack::{Place, Stack};

/// Returns the name of the stack with region and account, so that nobody reads about, or changes, the wrong account.
pub fn heading(stack: &Stack, place: &Place) -> String {
    format!("stack {} in {}, account {}", stack.name, place.region, place.account)
}

/// Adds the stack, the region and the account to the object.
pub fn located(stack: &Stack, place: &Place, mut object: Value) -> Value {
    object["stack"] = json!(stack.name);
    object["region"] = json!(place.region);
    object["account"] = json!(place.account);
    object
}
