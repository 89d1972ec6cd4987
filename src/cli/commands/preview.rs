//! Runs `preview`: shows the message for an event, without AWS.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::pattern_test;
use crate::cli::args::common::{Common, Format};
use crate::cli::args::event_input;
use crate::cli::render;
use crate::cli::render::message::{html, terminal};
use crate::cli::terminal::{World, whole_file};
use crate::config::{self, Language};
use crate::error::{Error, Result};
use crate::input::printable;
use crate::notifier::embedded::{Engine, Place, Preview};
use crate::operations::event_file::Event;
use crate::operations::task_definition::Definition;
use crate::pattern::DEFAULT;
use crate::pattern::samples::{SAMPLES, Sample};

/// Show the message that an event gives, without AWS.
///
/// The notifier's own code runs in the process. Without an event, lists the samples.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell preview oom
  taskbell preview oom --for teams --output json
  taskbell preview event.json --language ja --html message.html
  taskbell preview tasks.json --task-definition definition.json
  taskbell preview - <event.json")]
pub struct Args {
    /// A sample, the path of a JSON file with an event or with described tasks, or - for standard input
    #[arg(value_name = "EVENT|SAMPLE")]
    event: Option<String>,
    /// Read which containers are essential, and where they log, from the output of `aws ecs describe-task-definition`
    #[arg(long, value_name = "FILE", requires = "event")]
    task_definition: Option<PathBuf>,
    /// The language of the message
    #[arg(long, value_enum, default_value_t)]
    language: Language,
    /// Where the message is shown
    #[arg(long = "for", value_enum, value_name = "PLACE", default_value_t)]
    place: Place,
    /// The name messages are posted under
    #[arg(long)]
    username: Option<String>,
    /// The icon messages are posted with, as in :bell:
    #[arg(long, value_name = "EMOJI")]
    icon_emoji: Option<String>,
    /// Whom to mention: here, channel, a user (U…) or a user group (S…); may be repeated
    #[arg(long = "mention", value_name = "WHOM")]
    mentions: Vec<String>,
    /// Also write a page that looks like the message in Slack
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The input is a message and not an event
    #[arg(long, hide = true)]
    payload: bool,
}

pub fn run(args: &Args, common: &Common, world: &World) -> Result<u8> {
    if args.html.is_some() && args.place != Place::Slack {
        return Err(Error::usage("--html draws Slack's message").hint(
            "--output json prints the payload; that of Teams can be pasted into the designer of Adaptive Cards",
        ));
    }
    let Some(name) = &args.event else {
        world.out.print(&list(common.output));
        return Ok(0);
    };
    let shown = match args.payload {
        true => vec![Shown {
            name: name.clone(),
            incident: json!({ "rings": true }),
            payload: event_input::object(name, world)?,
            taken_by: None,
        }],
        false => shown(name, args, world)?,
    };
    if shown.len() > 1 && args.html.is_some() {
        return Err(Error::usage(format!("--html draws one message, and {name} has {} tasks", shown.len()))
            .hint("keep one task in the file"));
    }
    world.out.print(&match (common.output, shown.as_slice()) {
        (Format::Json, [one]) => render::json(&one.payload),
        (Format::Json, several) => render::json(&several.iter().map(|one| one.payload.clone()).collect()),
        (_, [one]) => terminal::at(args.place, &one.payload, world.columns),
        (_, several) => {
            let drawn =
                |one: &Shown| format!("{}\n{}", one.name, terminal::at(args.place, &one.payload, world.columns));
            several.iter().map(drawn).collect::<Vec<_>>().join("\n")
        }
    });
    if let (Some(path), [one]) = (&args.html, shown.as_slice()) {
        whole_file::write(path, &html::page(&one.payload, args.language.code()))?;
        world.err.print(&format!("wrote {}\n", path.display()));
    }
    for one in &shown {
        let which = if shown.len() > 1 { format!("{}: ", one.name) } else { String::new() };
        one.notes().iter().for_each(|note| world.err.print(&format!("note: {which}{}\n", printable(note))));
    }
    Ok(0)
}

/// An event with the notifier's incident and message for it.
struct Shown {
    name: String,
    incident: Value,
    payload: Value,
    /// The patterns of the catalogue that match. `None` if the input is not an event.
    taken_by: Option<Vec<&'static str>>,
}

fn shown(name: &str, args: &Args, world: &World) -> Result<Vec<Shown>> {
    let definition = args.task_definition.as_deref().map(Definition::read).transpose()?;
    let (engine, options) = (Engine::new()?, options(args)?);
    let show = |Event { name, body, context, is_sample: _ }| {
        let Preview { incident, payload } = engine.preview_at(args.place, &body, &context, &options)?;
        Ok(Shown { name, incident, payload, taken_by: Some(pattern_test::taken_by(&body)?) })
    };
    event_input::read(name, definition.as_ref(), world)?.into_iter().map(show).collect()
}

impl Shown {
    /// Returns the reasons why the message would not be posted.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.incident["rings"] == false {
            let reason = self.incident["silentBecause"].as_str().unwrap_or("no reason given");
            notes.push(format!("this event is not announced: {reason}"));
        }
        let none_of_defaults = |names: &&Vec<&str>| !names.iter().any(|name| DEFAULT.contains(name));
        if let Some(taken_by) = self.taken_by.as_ref().filter(none_of_defaults) {
            let others: Vec<String> = taken_by.iter().map(|name| format!("--pattern {name}")).collect();
            notes.push(match others.is_empty() {
                true => "no pattern of the catalogue takes this event".to_owned(),
                false => format!("no default pattern takes this event; {} does", others.join(" or ")),
            });
        }
        notes
    }
}

fn options(args: &Args) -> Result<Value> {
    let mentions: Vec<String> = args.mentions.iter().map(|text| config::mention(text)).collect::<Result<_>>()?;
    Ok(json!({
        "language": args.language.code(),
        "username": args.username,
        "iconEmoji": args.icon_emoji,
        "mention": mentions.join(","),
    }))
}

fn list(format: Format) -> String {
    let width = SAMPLES.iter().map(|sample| sample.name.len()).max().unwrap_or_default();
    match format {
        Format::Text | Format::Github | Format::Markdown => {
            let line = |Sample { name, title, .. }: &Sample| format!("{name:width$}  {title}");
            SAMPLES.iter().map(line).collect::<Vec<_>>().join("\n") + "\n"
        }
        Format::Json => render::json(&SAMPLES.iter().map(|sample| sample.name).collect()),
    }
}
