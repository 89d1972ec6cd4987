//! `pattern test`: which patterns take an event, and what decided against it.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::options::{ClusterArgs, Common, Format};
use super::session::Session;
use super::world::World;
use super::{preview, render};
use crate::aws::Given;
use crate::config::Cluster;
use crate::error::{Category, Error, Result};
use crate::pattern::matcher::{Matcher, Mismatch};
use crate::pattern::{CATALOGUE, Drill, Pattern};
use crate::resource::{Observed, Seen};
use crate::stack::Place;

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A file with an event, a folder of such files, a sample (`taskbell preview` lists them), or - for standard input
    #[arg(value_name = "EVENT", required = true)]
    events: Vec<String>,
    /// A pattern of the catalogue, or the path of a JSON file; may be repeated [default: the whole catalogue]
    #[arg(long = "pattern", value_name = "NAME|FILE", conflicts_with = "live")]
    patterns: Vec<String>,
    #[command(flatten)]
    clusters: ClusterArgs,
    /// The rules of the stack as they are in AWS now
    #[arg(long)]
    live: bool,
}

/// A pattern to be asked, under the name it is told by.
enum Asked {
    /// Bound to each event's own cluster, if no other is given.
    Catalogue(Pattern),
    Live {
        name: String,
        enabled: bool,
        matcher: Matcher,
    },
}

/// What one pattern says of one event.
struct Answer {
    pattern: String,
    mismatch: Option<Mismatch>,
    enabled: bool,
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let clusters = args.clusters.parse()?;
    let asked = match args.live {
        true => live(&clusters, common, world).await?,
        false => of_catalogue(&args.patterns)?,
    };
    let mut told = Vec::new();
    for (name, event) in events(&args.events, world)? {
        let answers = asked.iter().map(|asked| answer(asked, &event, &clusters)).collect::<Result<Vec<_>>>()?;
        told.push((name, answers));
    }
    world.out.print(&match common.output {
        Format::Text => told.iter().map(|(name, answers)| text(name, answers)).collect(),
        Format::Json => render::json(&told.iter().map(|(name, answers)| object(name, answers)).collect()),
    });
    let any = told.iter().flat_map(|(_, answers)| answers).any(|answer| answer.mismatch.is_none() && answer.enabled);
    Ok(u8::from(!any))
}

fn of_catalogue(names: &[String]) -> Result<Vec<Asked>> {
    let all = || CATALOGUE.iter().map(|entry| entry.name.to_owned()).collect();
    let names: Vec<String> = if names.is_empty() { all() } else { names.to_vec() };
    names.iter().map(|name| Pattern::find(name).map(Asked::Catalogue)).collect()
}

async fn live(clusters: &[Cluster], common: &Common, world: &World) -> Result<Vec<Asked>> {
    let given = Given { webhook: None, accept_stored_webhook: false, archive: Vec::new() };
    let session = Session::open(common.stack_name(clusters)?, given, common, world).await?;
    let (seen, place) = session.observe(&[]).await?;
    session.show_title(&place, common, world);
    let mut asked = Vec::new();
    for Seen { address, observed, .. } in seen.into_values().filter(|seen| seen.address.id.kind == "rule") {
        let unreadable = |error: Error| {
            Error::new(format!("could not read {}", address.id)).because(error).category(Category::Unreadable)
        };
        if let Observed::Ours(found) = observed.map_err(unreadable)? {
            let matcher = Matcher::new(&(&found.spec["pattern"]).into()).map_err(|invalid| {
                Error::new(format!("the pattern of {} is not valid", address.id)).because(invalid)
            })?;
            asked.push(Asked::Live {
                name: address.id.to_string(),
                enabled: found.spec["state"] == "ENABLED",
                matcher,
            });
        }
    }
    match asked.is_empty() {
        true => Err(Error::new("the stack has no rule here").hint("`taskbell setup` sets it up")),
        false => Ok(asked),
    }
}

fn answer(asked: &Asked, event: &Value, clusters: &[Cluster]) -> Result<Answer> {
    match asked {
        Asked::Live { name, enabled, matcher } => {
            Ok(Answer { pattern: name.clone(), mismatch: matcher.mismatch(event), enabled: *enabled })
        }
        Asked::Catalogue(pattern) => {
            let bound = pattern.bind(&cluster_arns(event, clusters), Drill::Accepted)?;
            let matcher = Matcher::new(&(&bound).into()).map_err(|invalid| {
                Error::usage(format!("the pattern {} is not valid", pattern.name)).because(invalid)
            })?;
            Ok(Answer { pattern: pattern.name.clone(), mismatch: matcher.mismatch(event), enabled: true })
        }
    }
}

/// The clusters that are meant: by name, they are taken to be where the event comes from; else the event's own.
fn cluster_arns(event: &Value, clusters: &[Cluster]) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let arns = || event["resources"].as_array().into_iter().flatten().chain([&event["detail"]["clusterArn"]]);
    let partition = arns().find_map(|arn| arn.as_str()?.split(':').nth(1).map(str::to_owned));
    let place = Place {
        partition: partition.unwrap_or_else(|| "aws".to_owned()),
        region: text(&event["region"]).unwrap_or_else(|| "us-east-1".to_owned()),
        account: text(&event["account"]).unwrap_or_default(),
    };
    let of_service = || {
        let name =
            arns().find_map(|arn| arn.as_str()?.split_once(":service/")?.1.split_once('/').map(|(name, _)| name))?;
        Some(place.cluster_arn(name))
    };
    let requested = &event["detail"]["requestParameters"]["cluster"];
    let own = || {
        let requested = requested.as_str()?;
        Some(if requested.contains(':') { requested.to_owned() } else { place.cluster_arn(requested) })
    };
    if clusters.is_empty() {
        let found = text(&event["detail"]["clusterArn"]).or_else(of_service).or_else(own);
        return vec![found.unwrap_or_else(|| place.cluster_arn("default"))];
    }
    let arn = |cluster: &Cluster| cluster.arn().map_or_else(|| place.cluster_arn(cluster.name()), str::to_owned);
    clusters.iter().map(arn).collect()
}

/// Every event with the name it was given by; of a folder, those of its JSON files in order.
fn events(names: &[String], world: &World) -> Result<Vec<(String, Value)>> {
    let mut events = Vec::new();
    for name in names {
        let path = Path::new(name);
        if !path.is_dir() {
            events.push((name.clone(), preview::input(name, world)?.0));
            continue;
        }
        let unreadable = |error| Error::usage(format!("could not read the folder {name}")).because(error);
        let mut files: Vec<PathBuf> = std::fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(unreadable)?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        for file in files {
            let name = file.display().to_string();
            events.push((name.clone(), preview::input(&name, world)?.0));
        }
    }
    match events.is_empty() {
        true => Err(Error::usage("there is no event in there").hint("events are files whose names end in .json")),
        false => Ok(events),
    }
}

fn text(name: &str, answers: &[Answer]) -> String {
    let width = answers.iter().map(|answer| answer.pattern.len()).max().unwrap_or_default();
    let mut told = format!("{name}\n");
    for Answer { pattern, mismatch, enabled } in answers {
        let line = match (mismatch, enabled) {
            (None, true) => format!("  + {pattern}"),
            (None, false) => format!("  - {pattern:width$}  would match, but the rule is disabled"),
            (Some(mismatch), _) => format!("  - {pattern:width$}  {}", reason(mismatch)),
        };
        told += line.trim_end();
        told.push('\n');
    }
    told
}

fn reason(Mismatch { path, have, want, apart }: &Mismatch) -> String {
    let list = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
    let have = if have.is_empty() { "nothing".to_owned() } else { list(have) };
    let together = if *apart { " in the same element as the fields before it" } else { "" };
    format!("{path}: has {have}, wants {}{together}", list(want))
}

fn object(name: &str, answers: &[Answer]) -> Value {
    let each = answers.iter().map(|Answer { pattern, mismatch, enabled }| {
        let mismatch = mismatch.as_ref().map(
            |Mismatch { path, have, want, apart }| json!({ "path": path, "have": have, "want": want, "apart": apart }),
        );
        json!({ "pattern": pattern, "enabled": enabled, "matches": mismatch.is_none(), "mismatch": mismatch })
    });
    json!({ "event": name, "patterns": each.collect::<Vec<_>>() })
}
