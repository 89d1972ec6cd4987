//! The notifier's pure modules in an embedded JavaScript engine: the message an event gives, without AWS or Node.js.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rquickjs::loader::{BuiltinLoader, BuiltinResolver};
use rquickjs::{CatchResultExt, Context, Ctx, Function, Module, Runtime};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::notifier;

/// Bounds on what a message may need: a greedy or stuck script ends with an error. The engine takes a turn every some
/// thousand operations; an ordinary message needs a few.
const MEMORY_BYTES: usize = 64 << 20;
const MOST_TURNS: u32 = 100_000;
const STACK_BYTES: usize = 1 << 20;

const MODULES: [&str; 4] = ["announcements.mjs", "causes.mjs", "incident.mjs", "slack-message.mjs"];

/// What the shell of the notifier does with the pure modules, less the I/O.
const SHELL: &str = r#"
import { foresee } from "announcements.mjs";
import { incidentOf } from "incident.mjs";
import { messageOf } from "slack-message.mjs";
globalThis.foresee = (text) => {
  const { seen, keys, how } = JSON.parse(text);
  return JSON.stringify(foresee(seen, keys, how));
};
globalThis.preview = (text) => {
  const { event, context, options } = JSON.parse(text);
  const incident = incidentOf(event, context);
  const { occurrence = null, tail = [] } = context ?? {};
  const shown = { ...incident, occurrence, tail: incident.log?.stream ? tail : [] };
  return JSON.stringify({ incident, payload: messageOf(shown, options) });
};
"#;

/// What the notifier makes of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    pub incident: Value,
    /// What would be posted to Slack.
    pub payload: Value,
}

/// An engine with the modules loaded; one serves any number of events.
pub struct Engine {
    context: Context,
    turns: Arc<AtomicU32>,
    /// The context lives in it.
    _runtime: Runtime,
}

impl Engine {
    /// # Errors
    /// If the modules cannot be loaded, which no release should show.
    pub fn new() -> Result<Self> {
        let runtime = Runtime::new().map_err(|error| broken(&error.to_string()))?;
        runtime.set_memory_limit(MEMORY_BYTES);
        runtime.set_max_stack_size(STACK_BYTES);
        let turns = Arc::new(AtomicU32::new(0));
        let taken = Arc::clone(&turns);
        runtime.set_interrupt_handler(Some(Box::new(move || taken.fetch_add(1, Ordering::Relaxed) > MOST_TURNS)));
        let mut resolver = BuiltinResolver::default();
        let mut loader = BuiltinLoader::default();
        for name in MODULES {
            resolver.add_module(name);
            loader.add_module(name, notifier::source(name).unwrap_or_default());
        }
        runtime.set_loader(resolver, loader);
        let context = Context::full(&runtime).map_err(|error| broken(&error.to_string()))?;
        context.with(|js| {
            let evaluated = Module::evaluate(js.clone(), "shell.mjs", SHELL).and_then(|module| module.finish::<()>());
            evaluated.catch(&js).map_err(|error| broken(&error.to_string()))
        })?;
        Ok(Self { context, turns, _runtime: runtime })
    }

    /// The message for an event. `context` is what the notifier would look up: the task definition's outline as
    /// `taskDefinition`, the last lines of the log as `tail`, a repetition as `occurrence`. `options` are `language`,
    /// `username`, `iconEmoji` and `mention`.
    ///
    /// # Errors
    /// If the modules throw, which no event should make them do.
    pub fn preview(&self, event: &Value, context: &Value, options: &Value) -> Result<Preview> {
        let mut answer = self.call("preview", &json!({ "event": event, "context": context, "options": options }))?;
        Ok(Preview { incident: answer["incident"].take(), payload: answer["payload"].take() })
    }

    /// Whether the incident would be told now, after what the table has noted of it (`seen`: `subject` and `failure`), or is
    /// a repetition. The time and the window are in milliseconds.
    ///
    /// # Errors
    /// If the modules throw, which nothing that is noted should make them do.
    pub fn foresee(&self, incident: &Value, seen: &Value, now: u64, window: u64) -> Result<Value> {
        let keys = json!({ "subject": incident["subject"], "failure": incident["failure"] });
        let how = json!({ "time": incident["time"], "now": now, "windowMs": window });
        self.call("foresee", &json!({ "seen": seen, "keys": keys, "how": how }))
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
