//! `pattern test`: which patterns take an event, and what decided against it; with the rules as they are in AWS, every
//! link up to the notifier's own verdict.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::options::{ClusterArgs, Common, Format};
use super::session::Session;
use super::world::World;
use super::{UNREADABLE, preview, render};
use crate::aws::{Given, function, task};
use crate::chain::{Broken, links};
use crate::config::Cluster;
use crate::error::{Error, Result};
use crate::notifier::archive;
use crate::pattern::matcher::Matcher;
use crate::pattern::{CATALOGUE, Drill, Pattern};
use crate::preview::Engine;
use crate::resource::{Inventory, Observed};
use crate::stack::Place;

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A file with an event, a folder of such files, a sample (`taskbell preview` lists them), or - for standard input
    #[arg(value_name = "EVENT", required_unless_present = "task", conflicts_with = "task")]
    events: Vec<String>,
    /// A pattern of the catalogue, or the path of a JSON file; may be repeated [default: the whole catalogue]
    #[arg(long = "pattern", value_name = "NAME|FILE", conflicts_with_all = ["live", "task"])]
    patterns: Vec<String>,
    #[command(flatten)]
    clusters: ClusterArgs,
    /// The rules of the stack as they are in AWS now, and every link from them to the notifier
    #[arg(long)]
    live: bool,
    /// Why did it not ring? The same for a task that ECS still shows: for about an hour after it stopped
    #[arg(long, value_name = "ARN")]
    task: Option<String>,
}

/// What one pattern, rule or the notifier says of one event.
struct Answer {
    from: String,
    broken: Option<Broken>,
}

/// What is said of one event.
struct Told {
    event: String,
    answers: Vec<Answer>,
    /// The notifier's own verdict, where it was asked for; the inner one says why it is silent.
    notifier: Option<Result<String, String>>,
}

impl Told {
    fn rings(&self) -> bool {
        self.answers.iter().any(|answer| answer.broken.is_none()) && !matches!(self.notifier, Some(Err(_)))
    }

    fn is_uncertain(&self) -> bool {
        let unreadable = |answer: &Answer| matches!(answer.broken, Some(Broken::Unreadable { .. }));
        !self.rings() && !matches!(self.notifier, Some(Err(_))) && self.answers.iter().any(unreadable)
    }
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let mut clusters = args.clusters.parse()?;
    let told = match (&args.task, args.live) {
        (Some(arn), _) => {
            let task = TaskArn::parse(arn, &clusters)?;
            if clusters.is_empty() {
                clusters.push(task.cluster.clone());
            }
            let live = Live::read(&clusters, common, world).await?;
            let event = live.event_of(&task).await?;
            vec![live.tell(&Engine::new()?, arn, &event)?]
        }
        (None, true) => {
            let events = events(&args.events, world)?;
            let live = Live::read(&clusters, common, world).await?;
            let engine = Engine::new()?;
            events.iter().map(|(name, event)| live.tell(&engine, name, event)).collect::<Result<_>>()?
        }
        (None, false) => {
            let patterns = of_catalogue(&args.patterns)?;
            let tell = |(name, event): (String, Value)| {
                let answers =
                    patterns.iter().map(|pattern| answer(pattern, &event, &clusters)).collect::<Result<_>>()?;
                Ok(Told { event: name, answers, notifier: None })
            };
            events(&args.events, world)?.into_iter().map(tell).collect::<Result<Vec<_>>>()?
        }
    };
    world.out.print(&match common.output {
        Format::Text => told.iter().map(text).collect(),
        Format::Json => render::json(&told.iter().map(object).collect()),
    });
    match told.iter().any(Told::rings) {
        true => Ok(0),
        false if told.iter().any(Told::is_uncertain) => Ok(UNREADABLE),
        false => Ok(1),
    }
}

fn of_catalogue(names: &[String]) -> Result<Vec<Pattern>> {
    let all = || CATALOGUE.iter().map(|entry| entry.name.to_owned()).collect();
    let names: Vec<String> = if names.is_empty() { all() } else { names.to_vec() };
    names.iter().map(|name| Pattern::find(name)).collect()
}

fn answer(pattern: &Pattern, event: &Value, clusters: &[Cluster]) -> Result<Answer> {
    let bound = pattern.bind(&cluster_arns(event, clusters), Drill::Accepted)?;
    let matcher = Matcher::new(&(&bound).into())
        .map_err(|invalid| Error::usage(format!("the pattern {} is not valid", pattern.name)).because(invalid))?;
    Ok(Answer { from: pattern.name.clone(), broken: matcher.mismatch(event).map(Broken::Mismatch) })
}

/// The task that is asked about.
struct TaskArn<'a> {
    arn: &'a str,
    region: &'a str,
    cluster: Cluster,
}

impl<'a> TaskArn<'a> {
    /// The cluster's name is part of the ARN, but for tasks of the old, short form.
    fn parse(arn: &'a str, clusters: &[Cluster]) -> Result<Self> {
        let bad = || {
            Error::usage(format!("{arn:?} is not the ARN of a task"))
                .hint("it looks like arn:aws:ecs:us-east-1:123456789012:task/CLUSTER/0123456789abcdef0123456789abcdef")
        };
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, "ecs", region, _, rest] = parts[..] else { return Err(bad()) };
        let named = match rest.split('/').collect::<Vec<_>>()[..] {
            ["task", cluster, _] => cluster.parse().ok(),
            ["task", _] => {
                let missing = || Error::usage("this task's ARN does not name its cluster").hint("give --cluster NAME");
                Some(clusters.first().cloned().ok_or_else(missing)?)
            }
            _ => None,
        };
        Ok(Self { arn, region, cluster: named.ok_or_else(bad)? })
    }
}

/// The stack as it is in AWS now.
struct Live {
    session: Session,
    seen: Inventory,
    place: Place,
}

impl Live {
    async fn read(clusters: &[Cluster], common: &Common, world: &World) -> Result<Self> {
        let given = Given { webhook: None, accept_stored_webhook: false, archive: Vec::new() };
        let session = Session::open(common.stack_name(clusters)?, given, common, world).await?;
        let (seen, place) = session.observe_only(&["function", "rule"]).await?;
        session.show_title(&place, common, world);
        let live = Self { session, seen, place };
        live.note_another_notifier(world)?;
        match links(&Value::Null, &live.seen, &live.session.stack, &live.place).is_empty() {
            true => Err(Error::new("the stack has no rule here").hint("`taskbell setup` sets it up")),
            false => Ok(live),
        }
    }

    async fn event_of(&self, TaskArn { arn, region, cluster }: &TaskArn<'_>) -> Result<Value> {
        if *region != self.place.region {
            return Err(Error::usage(format!(
                "the task is in {region}, and the region in use is {}",
                self.place.region
            ))
            .hint(format!("give --region {region}")));
        }
        let look = self.session.unless_interrupted(task::event_of(&self.session.sdk, cluster.name(), arn)).await?;
        let look = look.map_err(|fault| Error::new("could not look the task up").because(Error::from(fault)))?;
        look.ok_or_else(|| {
            Error::new(format!("ECS does not know the task {arn}"))
                .hint("it shows stopped tasks for about an hour; an event that was kept can be tested with `taskbell pattern test FILE --live`")
        })
    }

    fn tell(&self, notifier: &Engine, name: &str, event: &Value) -> Result<Told> {
        let links = links(event, &self.seen, &self.session.stack, &self.place);
        let answers =
            links.into_iter().map(|link| Answer { from: link.rule.to_string(), broken: link.broken }).collect();
        let incident = notifier.preview(event, &Value::Null, &json!({}))?.incident;
        let verdict = match incident["silentBecause"].as_str() {
            Some(why) => Err(why.to_owned()),
            None => Ok(incident["cause"]["id"].as_str().unwrap_or_default().to_owned()),
        };
        Ok(Told { event: name.to_owned(), answers, notifier: Some(verdict) })
    }

    /// Its rules are asked in this binary; another version may have others.
    fn note_another_notifier(&self, world: &World) -> Result<()> {
        let seen = self.seen.get(&function::address(&self.session.stack).id);
        if let Some(Ok(Observed::Ours(found))) = seen.map(|seen| &seen.observed)
            && found.spec["code_sha256"] != archive()?.code_sha256
        {
            world
                .err
                .print("note: the notifier in AWS is of another version than this taskbell, whose rules are told\n");
        }
        Ok(())
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

const NOTIFIER: &str = "function/notifier";

fn text(Told { event, answers, notifier }: &Told) -> String {
    let notifier = notifier.as_ref().map(|verdict| match verdict {
        Ok(cause) => (NOTIFIER, true, format!("announces it: {cause}")),
        Err(why) => (NOTIFIER, false, format!("would not announce it: {why}")),
    });
    let told_of = |answer: &Answer| match &answer.broken {
        None if notifier.is_some() => "takes it, is enabled, and reaches the notifier".to_owned(),
        None => String::new(),
        Some(broken) => broken.to_string(),
    };
    let rows = answers.iter().map(|answer| (answer.from.as_str(), answer.broken.is_none(), told_of(answer)));
    let rows: Vec<_> = rows.chain(notifier.clone()).collect();
    let width = rows.iter().map(|(from, ..)| from.len()).max().unwrap_or_default();
    let lines = rows.iter().map(|(from, holds, told)| {
        let line = format!("  {} {from:width$}  {told}", if *holds { "+" } else { "-" });
        format!("{}\n", line.trim_end())
    });
    std::iter::once(format!("{event}\n")).chain(lines).collect()
}

fn object(told: &Told) -> Value {
    let each = told.answers.iter().map(|Answer { from, broken }| {
        let mismatch = match broken {
            Some(Broken::Mismatch(mismatch)) => {
                json!({ "path": mismatch.path, "have": mismatch.have, "want": mismatch.want, "apart": mismatch.apart })
            }
            _ => Value::Null,
        };
        let unknown = matches!(broken, Some(Broken::Unreadable { .. } | Broken::Invalid(_)));
        json!({
            "pattern": from,
            "matches": !unknown && mismatch.is_null(),
            "mismatch": mismatch,
            "enabled": *broken != Some(Broken::Disabled),
            "broken": broken.as_ref().map(ToString::to_string),
        })
    });
    let mut object = json!({ "event": told.event, "rings": told.rings(), "patterns": each.collect::<Vec<_>>() });
    if let Some(verdict) = &told.notifier {
        object["notifier"] = json!({ "rings": verdict.is_ok(), "silent_because": verdict.as_ref().err(), "cause": verdict.as_ref().ok() });
    }
    object
}
