//! `preview`: the message an event gives, without AWS.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::options::{Common, Format};
use super::world::World;
use super::{draw, page, pattern_test, render, whole};
use crate::config::{self, Language};
use crate::drill::Scenario;
use crate::error::{Error, Result};
use crate::input;
use crate::pattern::DEFAULT;
use crate::pattern::samples::{SAMPLES, Sample, sample};
use crate::preview::{Engine, Place, Preview};

/// Show the message that an event gives, without AWS.
///
/// The notifier's own code runs in the process. Without an event, lists the samples.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell preview oom
  taskbell preview oom --for teams --output json
  taskbell preview event.json --language ja --html message.html
  taskbell preview - <event.json")]
pub struct Args {
    /// A sample, the path of a JSON file with an event, or - for standard input
    #[arg(value_name = "EVENT|SAMPLE")]
    event: Option<String>,
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
    let (Preview { incident, payload }, taken_by) = if args.payload {
        (Preview { incident: json!({ "rings": true }), payload: object(name, world)? }, None)
    } else {
        let (event, context) = input(name, world)?;
        (
            Engine::new()?.preview_at(args.place, &event, &context, &options(args)?)?,
            Some(pattern_test::taken_by(&event)?),
        )
    };
    match common.output {
        Format::Json => world.out.print(&render::json(&payload)),
        Format::Text | Format::Github | Format::Markdown => {
            world.out.print(&draw::at(args.place, &payload, world.columns));
        }
    }
    if let Some(path) = &args.html {
        whole::write(path, &page::page(&payload, args.language.code()))?;
        world.err.print(&format!("wrote {}\n", path.display()));
    }
    if incident["rings"] == false {
        let reason = incident["silentBecause"].as_str().unwrap_or("no reason given");
        world.err.print(&format!("note: this event is not announced: {reason}\n"));
    }
    if let Some(taken_by) = taken_by.filter(|names| !names.iter().any(|name| DEFAULT.contains(name))) {
        let others: Vec<String> = taken_by.iter().map(|name| format!("--pattern {name}")).collect();
        world.err.print(&match others.is_empty() {
            true => "note: no pattern of the catalogue takes this event\n".to_owned(),
            false => format!("note: no default pattern takes this event; {} does\n", others.join(" or ")),
        });
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

/// The event, and what is known of it beside: a sample has a task definition and a log, a file has not.
pub fn input(name: &str, world: &World) -> Result<(Value, Value)> {
    if name != "-" && !Path::new(name).exists() && !looks_like_a_path(name) {
        return sample(Scenario::called(name).map_or(name, |scenario| scenario.sample()));
    }
    let event = object(name, world)?;
    match event["source"].is_string() && event["detail-type"].is_string() {
        true => Ok((event, Value::Null)),
        false => Err(Error::usage(format!("{} is not an event", called(name))).hint(if event["Source"].is_string() {
            OF_ENTRIES
        } else {
            OF_EVENTS
        })),
    }
}

const OF_EVENTS: &str = "an event is a JSON object with source, detail-type and detail, as EventBridge delivers it";
const OF_ENTRIES: &str = "it is an entry for put-events; as EventBridge delivers it, an event has source, detail-type and, as an \
    object, detail";

/// What a file, or standard input, has in it.
fn object(name: &str, world: &World) -> Result<Value> {
    let text = match name {
        "-" => world.read_stdin()?,
        path => {
            let unreadable = |error| Error::usage(format!("could not read the event file {path}")).because(error);
            input::text(std::fs::read(path).map_err(unreadable)?, path)?
        }
    };
    if text.trim().is_empty() {
        return Err(Error::usage(format!("{} is empty", called(name))).hint(OF_EVENTS));
    }
    let object: Value = serde_json::from_str(&text)
        .map_err(|error| Error::usage(format!("{} is not JSON", called(name))).because(error))?;
    match object.is_object() {
        true => Ok(object),
        false => Err(Error::usage(format!("{} is not an event", called(name))).hint(OF_EVENTS)),
    }
}

fn looks_like_a_path(name: &str) -> bool {
    name.contains(std::path::MAIN_SEPARATOR)
        || Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

fn called(name: &str) -> &str {
    if name == "-" { "standard input" } else { name }
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
