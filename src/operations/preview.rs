//! Previews the notifier's messages for events, without AWS.

use serde_json::{Value, json};

use super::event_file::Event;
use super::pattern_test::matching;
use crate::error::Result;
use crate::notifier::embedded::{Engine, Place, Preview};

/// An event with the notifier's incident and message for it.
pub struct Shown {
    pub name: String,
    pub incident: Value,
    pub payload: Value,
    /// The patterns of the catalogue that match. `None` if the input is not an event.
    pub taken_by: Option<Vec<&'static str>>,
}

impl Shown {
    /// Returns a message that the notifier has made before.
    #[must_use]
    pub fn of_payload(name: String, payload: Value) -> Self {
        Self { name, incident: json!({ "rings": true }), payload, taken_by: None }
    }
}

/// Returns the messages of the events at a destination of this kind.
///
/// # Errors
/// If the embedded engine refuses an event.
pub fn shown(events: Vec<Event>, place: Place, options: &Value) -> Result<Vec<Shown>> {
    let engine = Engine::new()?;
    let show = |Event { name, body, context, is_sample: _ }| {
        let Preview { incident, payload } = engine.preview_at(place, &body, &context, options)?;
        Ok(Shown { name, incident, payload, taken_by: Some(matching(&body)?) })
    };
    events.into_iter().map(show).collect()
}
