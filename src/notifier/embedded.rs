//! Runs the notifier's pure modules in an embedded JavaScript engine: computes the message for an event without AWS or Node.js.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rquickjs::loader::{BuiltinLoader, BuiltinResolver};
use rquickjs::{CatchResultExt, Context, Ctx, Function, Module, Runtime};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::notifier::archive;

/// Limits for one message: a script that needs too much memory or is stuck ends with an error. The engine counts a turn every few
/// thousand operations; an ordinary message needs a few turns.
const MEMORY_BYTES: usize = 64 << 20;
const MOST_TURNS: u32 = 100_000;
const STACK_BYTES: usize = 1 << 20;

/// The script that uses the pure modules as the notifier does, without the I/O.
const SHELL: &str = r#"
import { foresee, keysOf, placeOf } from "memory/announcements.mjs";
import { linesWithoutCredentials } from "core/credentials.mjs";
import { incidentOf } from "core/incident.mjs";
import { destinationsOf, routesOf } from "core/destinations.mjs";
import { patternsOf } from "core/patterns.mjs";
import * as discord from "places/discord.mjs";
import { messageOf } from "places/slack-message.mjs";
import * as sns from "places/sns.mjs";
import * as teams from "places/teams.mjs";
import * as webhook from "places/webhook.mjs";
const payloads = { slack: messageOf, teams: teams.payloadOf, discord: discord.payloadOf, webhook: webhook.payloadOf, sns: sns.payloadOf };
globalThis.windowOf = (text) => {
  const { incident, subject, at } = JSON.parse(text);
  return JSON.stringify(placeOf(subject, keysOf(incident, at)).id);
};
globalThis.foresee = (text) => {
  const { event, incident, settings, seen } = JSON.parse(text);
  const chosen = routesOf({ ...incident, patterns: patternsOf(event) }, destinationsOf(settings));
  return JSON.stringify(foresee(seen, { destinations: chosen.map(({ name }) => name) }));
};
globalThis.preview = (text) => {
  const { event, context, options, place } = JSON.parse(text);
  const incident = incidentOf(event, context);
  const { occurrence = null, tail = [] } = context ?? {};
  const shown = { ...incident, occurrence, tail: incident.log?.stream ? linesWithoutCredentials(tail) : [] };
  return JSON.stringify({ incident, payload: payloads[place](shown, options) });
};
"#;

/// Where a message is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Place {
    #[default]
    Slack,
    /// Microsoft Teams: an Adaptive Card.
    Teams,
    Discord,
    /// A webhook of any host: JSON, signed when it is sent.
    Webhook,
    /// An SNS topic.
    Sns,
}

impl Place {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Discord => "discord",
            Self::Webhook => "webhook",
            Self::Sns => "sns",
        }
    }
}

/// The notifier's result for an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    pub incident: Value,
    /// The message that would be posted.
    pub payload: Value,
}

/// An engine with the modules loaded, for any number of events.
pub struct Engine {
    context: Context,
    turns: Arc<AtomicU32>,
    /// The runtime that the context needs.
    _runtime: Runtime,
}

impl Engine {
    /// # Errors
    /// If the modules cannot be loaded, which is a defect of the release.
    pub fn new() -> Result<Self> {
        let runtime = Runtime::new().map_err(|error| broken(&error.to_string()))?;
        runtime.set_memory_limit(MEMORY_BYTES);
        runtime.set_max_stack_size(STACK_BYTES);
        let turns = Arc::new(AtomicU32::new(0));
        let taken = Arc::clone(&turns);
        runtime.set_interrupt_handler(Some(Box::new(move || taken.fetch_add(1, Ordering::Relaxed) > MOST_TURNS)));
        let mut resolver = BuiltinResolver::default();
        let mut loader = BuiltinLoader::default();
        for (name, text) in archive::pure() {
            resolver.add_module(name);
            loader.add_module(name, text);
        }
        runtime.set_loader(resolver, loader);
        let context = Context::full(&runtime).map_err(|error| broken(&error.to_string()))?;
        context.with(|js| {
            let evaluated = Module::evaluate(js.clone(), "shell.mjs", SHELL).and_then(|module| module.finish::<()>());
            evaluated.catch(&js).map_err(|error| broken(&error.to_string()))
        })?;
        Ok(Self { context, turns, _runtime: runtime })
    }

    /// Returns the message for an event. `context` contains the facts that the notifier would look up: the task definition's
    /// outline as `taskDefinition`, the last lines of the log as `tail`, a repetition as `occurrence`. `options` are `language`,
    /// `username`, `iconEmoji` and `mention`.
    ///
    /// # Errors
    /// If the modules throw, which is a defect: no event should cause it.
    pub fn preview(&self, event: &Value, context: &Value, options: &Value) -> Result<Preview> {
        self.preview_at(Place::Slack, event, context, options)
    }

    /// Returns the message for an event, as [`Engine::preview`] does, for any kind of destination.
    ///
    /// # Errors
    /// As [`Engine::preview`].
    pub fn preview_at(&self, place: Place, event: &Value, context: &Value, options: &Value) -> Result<Preview> {
        let input = json!({ "event": event, "context": context, "options": options, "place": place.name() });
        let mut answer = self.call("preview", &input)?;
        Ok(Preview { incident: answer["incident"].take(), payload: answer["payload"].take() })
    }

    /// Returns the key of the window in which the incident counts. `subject` is the table's record of the incident's subject, or
    /// null. The time and the length of a window are in milliseconds.
    ///
    /// # Errors
    /// If the modules throw, which is a defect: no record should cause it.
    pub fn window_of(&self, incident: &Value, subject: &Value, now: u64, window: u64) -> Result<String> {
        let at = json!({ "now": now, "windowMs": window });
        let key = self.call("windowOf", &json!({ "incident": incident, "subject": subject, "at": at }))?;
        Ok(key.as_str().unwrap_or_default().to_owned())
    }

    /// Returns whether the incident of an event would be announced now or is a repetition, according to the table's records
    /// (`seen`: `subject` and `window`). `settings` is the notifier's environment, which names the destinations.
    ///
    /// # Errors
    /// If the settings name no destinations, or the modules throw, which is a defect: no record should cause it.
    pub fn foresee(&self, event: &Value, incident: &Value, settings: &Value, seen: &Value) -> Result<Value> {
        let input = json!({ "event": event, "incident": incident, "settings": settings, "seen": seen });
        self.call("foresee", &input)
    }

    fn call(&self, function: &str, input: &Value) -> Result<Value> {
        self.turns.store(0, Ordering::Relaxed);
        let answer = self.context.with(|js: Ctx| {
            let call = || -> rquickjs::Result<String> {
                js.globals().get::<_, Function>(function)?.call((input.to_string(),))
            };
            call().catch(&js).map_err(|error| broken(&error.to_string()))
        })?;
        serde_json::from_str(&answer).map_err(|error| broken(&error.to_string()))
    }
}

fn broken(reason: &str) -> Error {
    Error::new(format!("the notifier's message code failed: {}", reason.trim()))
}
