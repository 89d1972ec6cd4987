//! Tests events against patterns: the patterns that match an event, the field that decided against the others, and the notifier's
//! decision. `live` tests events against the rules in AWS.

pub mod answer;
pub mod live;

use serde_json::{Value, json};

use super::event_file::Event;
use super::links::Broken;
use crate::arn::Arn;
use crate::config::Cluster;
use crate::error::{Error, Result};
use crate::notifier::embedded::Engine;
use crate::pattern::clusters::example;
use crate::pattern::filter::Filters;
use crate::pattern::{CATALOGUE, DEFAULT, Drill, Pattern, narrow_something};
use crate::stack::Place;
use answer::{Answer, Decision, Outcome, Tested};

impl Event {
    /// Moves a sample to the given cluster, or to one that a glob covers, and to the given account and region. Leaves any other event unchanged.
    fn moved(self, place: &Place, cluster: &Cluster) -> Result<Self> {
        if !self.is_sample {
            return Ok(self);
        }
        let own = cluster_arns(&self.body, &[]).remove(0);
        let target = cluster.arn().map_or_else(|| place.cluster_arn(&example(cluster.name())), str::to_owned);
        let (Some((here, name)), Some((there, wanted))) = (own.split_once(":cluster/"), target.split_once(":cluster/"))
        else {
            return Ok(self);
        };
        let mut text = self.body.to_string().replace(&own, &target);
        for kind in ["service", "task", "container-instance"] {
            text = text.replace(&format!("{here}:{kind}/{name}/"), &format!("{there}:{kind}/{wanted}/"));
        }
        let mut body: Value = serde_json::from_str(&text)
            .map_err(|error| Error::new("could not move a sample to the cluster").because(error))?;
        if let Some(requested) =
            body.pointer_mut("/detail/requestParameters/cluster").filter(|requested| *requested == name)
        {
            *requested = json!(wanted);
        }
        (body["region"], body["account"]) = (json!(place.region), json!(place.account));
        Ok(Self { body, ..self })
    }
}

/// The patterns that events are tested against.
pub struct Patterns(Vec<Asked>);

/// A pattern to test, or only the name of a pattern whose events do not have the fields that the filters need.
enum Asked {
    Pattern { pattern: Box<Pattern>, is_default: bool },
    NotNarrowed { name: &'static str, is_default: bool },
}

impl Patterns {
    /// Returns the patterns with these names, narrowed by the filters. Without names, returns the whole catalogue, narrowed where
    /// possible.
    ///
    /// # Errors
    /// If a name is neither in the catalogue nor a file with a pattern, or a filter can narrow none of the named patterns.
    pub fn find(names: &[String], filters: &Filters) -> Result<Self> {
        if !names.is_empty() {
            let narrowed = |name: &String| Ok(Pattern::find(name)?.narrowed_where_possible(filters));
            let patterns = names.iter().map(narrowed).collect::<Result<Vec<Pattern>>>()?;
            narrow_something(&patterns.iter().collect::<Vec<_>>(), filters)?;
            let asked = |pattern: Pattern| {
                let is_default = DEFAULT.contains(&pattern.name.as_str());
                Asked::Pattern { pattern: Box::new(pattern), is_default }
            };
            return Ok(Self(patterns.into_iter().map(asked).collect()));
        }
        let of_catalogue = |name: &'static str| {
            let is_default = DEFAULT.contains(&name);
            let found = Pattern::find(name)?;
            // As in a stack, the default patterns alert as before if a filter cannot narrow them.
            let pattern = if is_default { Ok(found.narrowed_where_possible(filters)) } else { found.narrowed(filters) };
            Ok(pattern.map_or(Asked::NotNarrowed { name, is_default }, |pattern| Asked::Pattern {
                pattern: Box::new(pattern),
                is_default,
            }))
        };
        CATALOGUE.iter().map(|entry| of_catalogue(entry.name)).collect::<Result<_>>().map(Self)
    }

    /// Returns the patterns that the filters could narrow.
    pub fn narrowed(&self) -> impl Iterator<Item = &Pattern> {
        self.0.iter().filter_map(|asked| match asked {
            Asked::Pattern { pattern, .. } => Some(pattern.as_ref()),
            Asked::NotNarrowed { .. } => None,
        })
    }

    /// Tests an event, and asks the embedded notifier for its decision. Moves a sample to the first of the clusters.
    ///
    /// # Errors
    /// If a pattern is not valid, or the embedded notifier fails.
    pub fn test(&self, event: Event, clusters: &[Cluster], engine: &Engine) -> Result<Tested> {
        let place = place_of(&event.body);
        let event = match clusters.first() {
            Some(cluster) => event.moved(&place, cluster)?,
            None => event,
        };
        let answers = self.0.iter().map(|asked| answer(asked, &event.body, clusters)).collect::<Result<_>>()?;
        let decision = decision(engine, &event)?;
        Ok(Tested { event: event.name, answers, decision, is_live: false })
    }
}

fn answer(asked: &Asked, event: &Value, clusters: &[Cluster]) -> Result<Answer> {
    let (pattern, is_default) = match asked {
        Asked::NotNarrowed { name, is_default } => {
            return Ok(Answer { from: (*name).to_owned(), is_default: *is_default, outcome: Outcome::NotNarrowed });
        }
        Asked::Pattern { pattern, is_default } => (pattern, *is_default),
    };
    let matcher = pattern.matcher(&cluster_arns(event, clusters), Drill::Accepted)?;
    let outcome =
        matcher.mismatch(event).map_or(Outcome::Passes, |mismatch| Outcome::Broken(Broken::Mismatch(mismatch)));
    Ok(Answer { from: pattern.name.clone(), is_default, outcome })
}

/// Returns the patterns of the catalogue that match an event, after binding them to the event's own cluster.
///
/// # Errors
/// If a pattern cannot be bound to the cluster.
pub fn matching(event: &Value) -> Result<Vec<&'static str>> {
    let Patterns(asked) = Patterns::find(&[], &Filters::default())?;
    let mut names = Vec::new();
    for (entry, asked) in CATALOGUE.iter().zip(&asked) {
        if matches!(answer(asked, event, &[])?.outcome, Outcome::Passes) {
            names.push(entry.name);
        }
    }
    Ok(names)
}

/// Returns the decision of the embedded notifier. An event does not contain its task definition: if the definition could make the
/// event silent, the decision is unknown.
fn decision(engine: &Engine, Event { body: event, context, .. }: &Event) -> Result<Decision> {
    let says = |context: &Value| -> Result<Decision> {
        Ok(Decision::of(&engine.preview(event, context, &json!({}))?.incident))
    };
    let decision = says(context)?;
    if !context.is_null() || !matches!(decision, Decision::Announces(_)) {
        return Ok(decision);
    }
    let containers = event["detail"]["containers"].as_array().into_iter().flatten();
    let lenient = containers.map(|one| json!({ "name": one["name"], "essential": one["exitCode"] == 0 }));
    let lenient = json!({ "taskDefinition": { "containers": lenient.collect::<Vec<_>>() } });
    Ok(match says(&lenient)? {
        Decision::Silent(_) => Decision::Unknown(
            "the notifier skips it if the task definition marks the container that exited with 0 as essential"
                .to_owned(),
        ),
        _ => decision,
    })
}

/// Returns the partition, the region and the account of an event.
fn place_of(event: &Value) -> Place {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let partition = arns(event).find_map(|arn| Some(Arn::split(arn.as_str()?)?.partition.to_owned()));
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
