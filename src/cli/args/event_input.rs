//! Reads the events that a user names for `preview` and `pattern test`, from samples, files, folders and standard input, and prints
//! warnings about them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::terminal::World;
use crate::error::{Error, Result};
use crate::input;
use crate::operations::event_file::{self, Event};
use crate::operations::task_definition::Definition;
use crate::secret::file_without_secrets;

/// Reads the events of one name: a sample, a file, or - for standard input. A file of described tasks may have several events.
///
/// # Errors
/// If the name is neither a sample nor a file, or the file has no event.
pub fn read(name: &str, definition: Option<&Definition>, world: &World) -> Result<Vec<Event>> {
    let mut events = if name != "-" && !Path::new(name).exists() && !looks_like_a_path(name) {
        vec![Event::sample(name)?]
    } else {
        let (events, warnings) = event_file::events(&text(name, world)?, name, called(name))?;
        warn(&warnings, world);
        events
    };
    if let Some(definition) = definition {
        for event in &mut events {
            definition.attach_to(event, world);
        }
    }
    Ok(events)
}

/// Reads the events of all names. For a folder, reads its JSON files in order.
///
/// # Errors
/// As [`read`]; also for a folder without JSON files.
pub fn read_all(names: &[String], definition: Option<&Definition>, world: &World) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for name in names {
        let path = Path::new(name);
        if !path.is_dir() {
            events.extend(read(name, definition, world)?);
            continue;
        }
        let unreadable = |error| Error::usage(format!("could not read the folder {name}")).because(error);
        let mut files: Vec<PathBuf> = std::fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(unreadable)?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        if files.is_empty() {
            return Err(Error::usage(format!("there is no event in the folder {name}"))
                .hint("events are files whose names end in .json"));
        }
        files.sort();
        for file in files {
            events.extend(read(&file.display().to_string(), definition, world)?);
        }
    }
    Ok(events)
}

/// Reads one JSON object, with any fields.
///
/// # Errors
/// If the input is not a JSON object.
pub fn object(name: &str, world: &World) -> Result<Value> {
    event_file::object(&text(name, world)?, called(name))
}

impl Definition {
    /// Adds the outline to the event's context, as the notifier would have looked it up. Warns if the definition does not fit.
    pub fn attach_to(&self, event: &mut Event, world: &World) {
        warn(&self.attach(event), world);
    }
}

fn warn(warnings: &[String], world: &World) {
    for warning in warnings {
        world.err.print(&format!("warning: {}\n", input::printable(warning)));
    }
}

fn text(name: &str, world: &World) -> Result<String> {
    if name == "-" {
        return world.read_stdin();
    }
    let unreadable =
        |error| Error::usage(format!("could not read the event file {}", file_without_secrets(name))).because(error);
    input::text(std::fs::read(name).map_err(unreadable)?, name)
}

fn looks_like_a_path(name: &str) -> bool {
    name.contains(std::path::MAIN_SEPARATOR)
        || Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

fn called(name: &str) -> &str {
    if name == "-" { "standard input" } else { name }
}
