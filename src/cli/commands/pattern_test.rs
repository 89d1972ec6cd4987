//! Runs `pattern test`: shows which patterns match an event, and which field decided against the others. For the rules in AWS,
//! shows every link up to the notifier's own verdict.

mod live;
mod told;

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use crate::cli::args::common::{ClusterArgs, Common, Format, warn_of_repeated};
use crate::cli::args::event_input;
use crate::cli::args::fleet::OfStack;
use crate::cli::exit::code;
use crate::cli::render;
use crate::cli::terminal::World;
use crate::config::Cluster;
use crate::config::settings::{FilterSettings, Settings};
use crate::error::{Error, Result};
use crate::notifier::embedded::Engine;
use crate::operations::event_file::Event;
use crate::operations::links::Broken;
use crate::operations::task_definition::Definition;
use crate::operations::verdict::Verdict as Outcome;
use crate::pattern::filter::Filters;
use crate::pattern::matcher::Matcher;
use crate::pattern::{CATALOGUE, DEFAULT, Drill, Pattern};
use crate::stack::Place;
use live::{Live, TaskArn};
use told::{Answer, Said, Told, Verdict};

#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// A file with an event or with described tasks, a folder of such files, a sample (`taskbell preview` lists them), or - for
    /// standard input
    #[arg(value_name = "EVENT", required_unless_present = "task", conflicts_with = "task")]
    events: Vec<String>,
    /// A pattern of the catalogue, or the path of a JSON file; may be repeated [default: the whole catalogue]
    #[arg(long = "pattern", value_name = "NAME|FILE", conflicts_with_all = ["live", "task"])]
    patterns: Vec<String>,
    #[command(flatten)]
    clusters: ClusterArgs,
    #[command(flatten)]
    filters: FilterSettings,
    /// Read which containers are essential, and where they log, from the output of `aws ecs describe-task-definition`
    #[arg(long, value_name = "FILE")]
    task_definition: Option<PathBuf>,
    /// The rules of the stack as they are in AWS now, and every link from them to the notifier
    #[arg(long)]
    live: bool,
    /// Why did it not ring? The same for a task that ECS still shows: for about an hour after it stopped
    #[arg(long, value_name = "ARN")]
    task: Option<String>,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        &self.clusters.clusters
    }

    fn complete(&mut self, settings: &Settings) {
        self.clusters.complete(settings);
    }

    fn needs_stack(&self) -> bool {
        self.live
    }
}

impl Event {
    /// Moves a sample to the given cluster, and to the given account and region. Leaves any other event unchanged.
    fn moved(self, place: &Place, cluster: &Cluster) -> Result<Self> {
        if !self.is_sample {
            return Ok(self);
        }
        let own = cluster_arns(&self.body, &[]).remove(0);
        let target = cluster.arn().map_or_else(|| place.cluster_arn(cluster.name()), str::to_owned);
        let (Some((here, name)), Some((there, wanted))) = (own.split_once(":cluster/"), target.split_once(":cluster/"))
        else {
            return Ok(self);
        };
        let mut text = self.body.to_string().replace(&own, &target);
        for kind in ["service", "task", "container-instance"] {
            text = text.replace(&format!("{here}:{kind}/{name}/"), &format!("{there}:{kind}/{wanted}/"));
        }
        let mut body: Value =
            serde_json::from_str(&text).map_err(|error| Error::new("a sample could not be moved").because(error))?;
        if let Some(requested) =
            body.pointer_mut("/detail/requestParameters/cluster").filter(|requested| *requested == name)
        {
            *requested = json!(wanted);
        }
        (body["region"], body["account"]) = (json!(place.region), json!(place.account));
        Ok(Self { body, ..self })
    }
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let mut clusters = args.clusters.parse()?;
    let filters = args.filters.checked()?;
    if filters != Filters::default() && (args.live || args.task.is_some()) {
        return Err(Error::usage("the rules in AWS are asked as they are: filters are for patterns")
            .hint("leave the filters out, or --live"));
    }
    let definition = args.task_definition.as_deref().map(Definition::read).transpose()?;
    let events = || event_input::read_all(&args.events, definition.as_ref(), world);
    let mut told = Vec::new();
    if let Some(arn) = &args.task {
        let task = TaskArn::parse(arn, &clusters)?;
        if clusters.is_empty() {
            clusters.push(task.cluster.clone());
        }
        let live = Live::read(&clusters, common, world).await?;
        let mut event = live.event_of(&task).await?;
        if let Some(definition) = &definition {
            definition.attach_to(&mut event, world);
        }
        told.push(live.tell(&event).await?);
    } else if args.live {
        let events = events()?;
        let live = Live::read(&clusters, common, world).await?;
        for event in events {
            let event = match clusters.first() {
                Some(cluster) => event.moved(&live.place, cluster)?,
                None => event,
            };
            told.push(live.tell(&event).await?);
        }
    } else {
        let patterns = narrowed(&args.patterns, &filters)?;
        warn_of_repeated(
            patterns.iter().filter_map(|asked| match asked {
                Asked::Pattern { pattern, .. } => Some(pattern),
                Asked::NotNarrowed { .. } => None,
            }),
            world,
        );
        let engine = Engine::new()?;
        for event in events()? {
            let place = place_of(&event.body);
            let event = match clusters.first() {
                Some(cluster) => event.moved(&place, cluster)?,
                None => event,
            };
            let answers =
                patterns.iter().map(|pattern| answer(pattern, &event.body, &clusters)).collect::<Result<_>>()?;
            let verdict = verdict(&engine, &event)?;
            told.push(Told { event: event.name, answers, verdict, is_live: false });
        }
    }
    world.out.print(&match common.output {
        Format::Text | Format::Github | Format::Markdown => told.iter().map(Told::text).collect(),
        Format::Json => render::json(&told.iter().map(Told::object).collect()),
    });
    match told.iter().any(Told::holds) {
        true => Ok(0),
        false if told.iter().any(Told::is_uncertain) => Ok(code(Outcome::Unreadable)),
        false => Ok(code(Outcome::Failed)),
    }
}

/// A pattern to test, or only the name of a pattern whose events do not have the fields that the filters need.
enum Asked {
    Pattern { pattern: Pattern, is_default: bool },
    NotNarrowed { name: &'static str, is_default: bool },
}

/// Returns the patterns with these names, narrowed by the filters. Without names, returns the whole catalogue, narrowed where
/// possible.
fn narrowed(names: &[String], filters: &Filters) -> Result<Vec<Asked>> {
    if !names.is_empty() {
        let asked = |name: &String| {
            let is_default = DEFAULT.contains(&name.as_str());
            Ok(Asked::Pattern { pattern: Pattern::find(name)?.narrowed(filters)?, is_default })
        };
        return names.iter().map(asked).collect();
    }
    let of_catalogue = |name: &'static str| {
        let is_default = DEFAULT.contains(&name);
        let pattern = Pattern::find(name)?.narrowed(filters);
        Ok(pattern.map_or(Asked::NotNarrowed { name, is_default }, |pattern| Asked::Pattern { pattern, is_default }))
    };
    CATALOGUE.iter().map(|entry| of_catalogue(entry.name)).collect()
}

fn answer(asked: &Asked, event: &Value, clusters: &[Cluster]) -> Result<Answer> {
    let (pattern, is_default) = match asked {
        Asked::NotNarrowed { name, is_default } => {
            return Ok(Answer { from: (*name).to_owned(), is_default: *is_default, said: Said::NotNarrowed });
        }
        Asked::Pattern { pattern, is_default } => (pattern, *is_default),
    };
    let bound = pattern.judged(&cluster_arns(event, clusters), Drill::Accepted)?;
    let matcher = Matcher::new(&(&bound).into())
        .map_err(|invalid| Error::usage(format!("the pattern {} is not valid", pattern.name)).because(invalid))?;
    let said = matcher.mismatch(event).map_or(Said::Takes, |mismatch| Said::Broken(Broken::Mismatch(mismatch)));
    Ok(Answer { from: pattern.name.clone(), is_default, said })
}

/// Returns the patterns of the catalogue that match an event, after binding them to the event's own cluster.
pub fn taken_by(event: &Value) -> Result<Vec<&'static str>> {
    let asked = narrowed(&[], &Filters::default())?;
    let mut names = Vec::new();
    for (entry, asked) in CATALOGUE.iter().zip(&asked) {
        if matches!(answer(asked, event, &[])?.said, Said::Takes) {
            names.push(entry.name);
        }
    }
    Ok(names)
}

/// Returns the verdict of the embedded notifier. An event does not contain its task definition: if the definition could make the
/// event silent, the verdict is unknown.
fn verdict(engine: &Engine, Event { body: event, context, .. }: &Event) -> Result<Verdict> {
    let says =
        |context: &Value| -> Result<Verdict> { Ok(Verdict::of(&engine.preview(event, context, &json!({}))?.incident)) };
    let verdict = says(context)?;
    if !context.is_null() || !matches!(verdict, Verdict::Announces(_)) {
        return Ok(verdict);
    }
    let containers = event["detail"]["containers"].as_array().into_iter().flatten();
    let lenient = containers.map(|one| json!({ "name": one["name"], "essential": one["exitCode"] == 0 }));
    let lenient = json!({ "taskDefinition": { "containers": lenient.collect::<Vec<_>>() } });
    Ok(match says(&lenient)? {
        Verdict::Silent(_) => Verdict::Unknown(
            "the notifier leaves it out if the task definition says that what exited with 0 was essential".to_owned(),
        ),
        _ => verdict,
    })
}

/// Returns the partition, the region and the account of an event.
fn place_of(event: &Value) -> Place {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let partition = arns(event).find_map(|arn| arn.as_str()?.split(':').nth(1).map(str::to_owned));
    Place {
        partition: partition.unwrap_or_else(|| "aws".to_owned()),
        region: text(&event["region"]).unwrap_or_else(|| "us-east-1".to_owned()),
        account: text(&event["account"]).unwrap_or_default(),
    }
}

fn arns(event: &Value) -> impl Iterator<Item = &Value> {
    event["resources"].as_array().into_iter().flatten().chain([&event["detail"]["clusterArn"]])
}

/// Returns the ARNs of the clusters; a cluster without an ARN is assumed to be in the event's account and region. Without clusters,
/// returns the ARN of the event's own cluster.
fn cluster_arns(event: &Value, clusters: &[Cluster]) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let place = place_of(event);
    let of_service = || {
        let name = arns(event)
            .find_map(|arn| arn.as_str()?.split_once(":service/")?.1.split_once('/').map(|(name, _)| name))?;
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
