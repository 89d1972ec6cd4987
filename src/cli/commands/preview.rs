//! Runs `preview`: shows the message for an event, without AWS.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use crate::cli::args::common::{Common, Format};
use crate::cli::args::event_input;
use crate::cli::render;
use crate::cli::render::message::{html, in_zone};
use crate::cli::terminal::{World, whole_file};
use crate::config::{self, Language};
use crate::error::{Error, Result};
use crate::input::printable;
use crate::notifier::embedded::Place;
use crate::operations::preview::{Shown, shown};
use crate::operations::task_definition::Definition;

/// Show the message for an event, without AWS.
///
/// Runs the notifier's own code on this machine. Without an event, lists the samples. Shows times in the time zone of this machine, as Slack
/// does; TZ names another one.
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
    /// The destination that the message is for
    #[arg(long = "for", value_enum, value_name = "DESTINATION", default_value_t)]
    place: Place,
    /// The name under which messages are posted
    #[arg(long)]
    username: Option<String>,
    /// The icon with which messages are posted, as in :bell:
    #[arg(long, value_name = "EMOJI")]
    icon_emoji: Option<String>,
    /// Mention `here`, `channel`, a user (U…) or a user group (S…); may be repeated
    #[arg(long = "mention", value_name = "WHOM")]
    mentions: Vec<String>,
    /// Also write a page that looks like the message in Slack
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Read a message instead of an event
    #[arg(long, hide = true)]
    payload: bool,
}

pub fn run(args: &Args, common: &Common, world: &World) -> Result<u8> {
    if args.html.is_some() && args.place != Place::Slack {
        return Err(Error::usage("--html draws only the message for Slack")
            .hint("print the payload with --output json; the designer of Adaptive Cards shows that of Teams"));
    }
    let Some(name) = &args.event else {
        world.out.print(&match common.output {
            Format::Text | Format::Github | Format::Markdown | Format::Mermaid => {
                world.laid_out(&render::preview::samples())
            }
            Format::Json => render::json(&render::preview::samples_object()),
        });
        return Ok(0);
    };
    let shown = if args.payload {
        vec![Shown::of_payload(name.clone(), event_input::object(name, world)?)]
    } else {
        let definition = args.task_definition.as_deref().map(Definition::read).transpose()?;
        let options = options(args)?;
        shown(event_input::read(name, definition.as_ref(), world)?, args.place, &options)?
    };
    if shown.len() > 1 && args.html.is_some() {
        return Err(Error::usage(format!("--html draws only one message, but {name} has {} tasks", shown.len()))
            .hint("keep one task in the file"));
    }
    world.out.print(&match common.output {
        Format::Json => render::document(&render::preview::object(&shown)),
        _ => render::preview::text(&shown, args.place, world.columns, &world.zone),
    });
    if let (Some(path), [one]) = (&args.html, shown.as_slice()) {
        whole_file::write(path, html::page(&in_zone(&one.payload, &world.zone), args.language.code()))?;
        world.err.print(&format!("wrote {}\n", path.display()));
    }
    for one in &shown {
        let which = if shown.len() > 1 { format!("{}: ", one.name) } else { String::new() };
        for note in render::preview::notes(one) {
            world.err.print(&format!("note: {which}{}\n", printable(&note)));
        }
    }
    Ok(0)
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
