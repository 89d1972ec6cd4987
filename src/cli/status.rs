//! `status`: the stack on one screen.

use std::collections::BTreeSet;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::fleet::{FleetArgs, OfStack};
use super::options::{ClusterArgs, Common, Format};
use super::session::Session;
use super::world::World;
use super::{UNREADABLE, render};
use crate::aws::fault::Fault;
use crate::aws::journal::{Journal, Line, Said, failures};
use crate::aws::runtime::{self, Health, health, supported_until};
use crate::aws::undelivered::Undelivered;
use crate::aws::{Given, function};
use crate::error::{Error, Result};
use crate::pattern;
use crate::resource::{Found, Inventory, Seen};
use crate::settings::Settings;

/// Show how the stack is doing: rules, notifier, queue, the last alert, the last drill.
///
/// `taskbell drift` tells whether it still is what was asked for. Exit code 0: told; 1: there is no such stack; 3: something
/// could not be read.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "Example:\n  taskbell status --cluster batch")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
    #[command(flatten)]
    fleet: FleetArgs,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        &self.clusters.clusters
    }

    fn complete(&mut self, settings: &Settings) {
        self.clusters.complete(settings);
    }

    fn fleet(&self) -> Option<&FleetArgs> {
        Some(&self.fleet)
    }
}

/// One line of the screen: a fact, or why it is not known.
type Fact<T> = Result<T, String>;

struct Status {
    /// None where a rule could not be read, and none of those that could names one.
    clusters: Fact<BTreeSet<String>>,
    /// By name: its state.
    rules: Vec<(String, Fact<String>)>,
    notifier: Fact<Option<Health>>,
    undelivered: Fact<Option<u64>>,
    lines: Fact<Vec<Line>>,
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let clusters = args.clusters.parse()?;
    let given = Given::default();
    let session = Session::open(common.stack_name(&clusters)?, given, common, world).await?;
    let (seen, health, undelivered, lines) = {
        let journal = Journal::new(&session.sdk, session.stack.log_group_name());
        let name = session.stack.function_name();
        let looks = async {
            tokio::join!(
                session.observe_only(&["function", "rule"]),
                health(&session.sdk, &name),
                depth(&session),
                journal.latest()
            )
        };
        session.unless_interrupted(looks).await?
    };
    let (seen, place) = seen?;
    let told = |fault: Fault| fault.to_string();
    let status = Status {
        clusters: clusters_of(&seen),
        rules: rules(&seen),
        notifier: notifier(&seen, &session, health.map_err(told)),
        undelivered: undelivered.map_err(told),
        lines: lines.map_err(told),
    };
    if status.is_nothing() {
        session.show_title(&place, common, world);
        return Err(Error::new("nothing of this stack is there")
            .hint("`taskbell setup` sets it up; check --stack, --region and --profile"));
    }
    match common.output {
        Format::Text | Format::Github | Format::Markdown => {
            world.out.print(&format!("{}\n{}", session.title(&place), status.text()));
        }
        Format::Json => {
            world.out.print(&render::json(&session.located(&place, status.object())));
        }
    }
    if let Ok(Some(health)) = &status.notifier
        && let Some(warning) = runtime::warning(&health.runtime, world.now().into())
    {
        world.err.print(&format!("warning: {warning}; a newer taskbell's `setup` moves the notifier on\n"));
    }
    Ok(if status.is_known() { 0 } else { UNREADABLE })
}

async fn depth(session: &Session) -> Result<Option<u64>, Fault> {
    match Undelivered::open(&session.sdk, &session.stack.queue_name()).await? {
        Some(queue) => queue.depth().await.map(Some),
        None => Ok(None),
    }
}

/// How the function is doing, if there is one and it is the stack's.
fn notifier(seen: &Inventory, session: &Session, health: Fact<Option<Health>>) -> Fact<Option<Health>> {
    match seen.get(&function::address(&session.stack).id).map(Seen::serving) {
        Some(Err(error)) => Err(error.in_one_line()),
        Some(Ok(Some(found))) => {
            let off = found.spec["reserved_concurrency"] == 0;
            let off = off.then(|| "switched off: its reserved concurrency is 0".to_owned());
            Ok(health?.map(|health| Health { problem: off.or(health.problem.clone()), ..health }))
        }
        Some(Ok(None)) => Ok(None),
        // No function was listed; whether that can be relied on, the other read knows.
        None => health.map(|_| None),
    }
}

fn of_rules(seen: &Inventory) -> impl Iterator<Item = (&String, Result<&Found<Value>, &Error>)> {
    let rules = seen.values().filter(|seen| seen.address.id.kind == "rule");
    rules.filter_map(|seen| Some((&seen.address.id.key, seen.serving().transpose()?)))
}

fn rules(seen: &Inventory) -> Vec<(String, Fact<String>)> {
    let state = |found: &Found<Value>| found.spec["state"].as_str().unwrap_or_default().to_lowercase();
    of_rules(seen).map(|(name, found)| (name.clone(), found.map(state).map_err(Error::in_one_line))).collect()
}

/// Every cluster that a rule names, in any place of its pattern: by its ARN, or at the head of its services' ARNs.
fn clusters_of(seen: &Inventory) -> Fact<BTreeSet<String>> {
    fn collect(value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => {
                let of = |mark| text.split_once(mark).and_then(|(_, rest)| rest.split('/').next());
                names.extend([":cluster/", ":service/"].into_iter().filter_map(of).map(str::to_owned));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
            Value::Object(fields) => fields.values().for_each(|field| collect(field, names)),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    let mut unknown = None;
    for (_, found) in of_rules(seen) {
        match found {
            Ok(found) => collect(&pattern::meaning(&found.spec["pattern"]), &mut names),
            Err(error) => unknown = Some(error.in_one_line()),
        }
    }
    match unknown {
        Some(error) if names.is_empty() => Err(error),
        _ => Ok(names),
    }
}

impl Status {
    fn is_nothing(&self) -> bool {
        self.rules.is_empty() && matches!(self.notifier, Ok(None)) && matches!(self.undelivered, Ok(None))
    }

    fn is_known(&self) -> bool {
        let Self { clusters, rules, notifier, undelivered, lines } = self;
        let rules = clusters.is_ok() && rules.iter().all(|(_, state)| state.is_ok());
        rules && notifier.is_ok() && undelivered.is_ok() && lines.is_ok()
    }

    /// The last line about an event that is a drill, or none, and that was told or failed.
    fn last(&self, drill: bool) -> Fact<Option<(&Value, i64)>> {
        let lines = self.lines.as_ref().map_err(Clone::clone)?;
        Ok(lines.iter().find_map(|line| match &line.said {
            Said::Entry(entry) if entry["drill"].as_bool().unwrap_or_default() == drill => {
                let outcome = entry["outcome"].as_str().unwrap_or_default();
                ["sent", "sent-plain", "failed"].contains(&outcome).then_some((entry, line.at))
            }
            _ => None,
        }))
    }

    fn last_failure(&self) -> Fact<Option<(String, i64)>> {
        let lines = self.lines.as_ref().map_err(Clone::clone)?;
        Ok(failures(lines).into_iter().next())
    }

    fn text(&self) -> String {
        let names = |names: BTreeSet<String>| or_none(names.into_iter().collect::<Vec<_>>().join(", "));
        let rule = |(name, state): &(String, Fact<String>)| format!("{name} {}", known(state.clone()));
        let rows = [
            ("cluster", known(self.clusters.clone().map(names))),
            ("rules", or_none(self.rules.iter().map(rule).collect::<Vec<_>>().join(" · "))),
            ("notifier", known(self.notifier.clone().map(|health| health.map_or_else(none, health_text)))),
            ("last error", known(self.last_failure().map(|last| last.map_or_else(none, failure_text)))),
            ("queue", known(self.undelivered.clone().map(|count| count.map_or_else(none, undelivered_text)))),
            ("last alert", known(self.last(false).map(|last| last.map_or_else(none, entry_text)))),
            ("last drill", known(self.last(true).map(|last| last.map_or_else(none, entry_text)))),
        ];
        rows.iter().map(|(name, text)| format!("  {name:<10}  {text}")).collect::<Vec<_>>().join("\n") + "\n"
    }

    fn object(&self) -> Value {
        let rule = |(name, state): &(String, Fact<String>)| json!({ "name": name, "state": state.as_ref().ok(), "error": state.as_ref().err() });
        let notifier = self.notifier.as_ref().map(|health| health.as_ref().map(|Health { runtime, state, problem }| {
            json!({ "runtime": runtime, "supported_until": supported_until(runtime), "state": state, "problem": problem })
        }));
        let last = |drill| {
            self.last(drill).map(|last| {
                last.map(|(entry, at)| json!({
            "at": render::time(at), "outcome": entry["outcome"], "cause": entry["cause"], "cluster": entry["cluster"],
            "family": entry["family"], "service": entry["service"], "error": entry["error"],
        }))
            })
        };
        let failure = self.last_failure();
        let failure = failure.map(|last| last.map(|(error, at)| json!({ "at": render::time(at), "error": error })));
        json!({
            "clusters": or_error(self.clusters.as_ref()),
            "rules": self.rules.iter().map(rule).collect::<Vec<_>>(),
            "notifier": or_error(notifier),
            "last_error": or_error(failure),
            "undelivered": or_error(self.undelivered.as_ref()),
            "last_alert": or_error(last(false).as_ref()),
            "last_drill": or_error(last(true).as_ref()),
        })
    }
}

fn or_error<T: serde::Serialize, E: serde::Serialize>(fact: Result<T, E>) -> Value {
    match fact {
        Ok(fact) => json!(fact),
        Err(error) => json!({ "unknown": error }),
    }
}

fn known(fact: Fact<String>) -> String {
    fact.unwrap_or_else(|error| format!("? not known: {error}"))
}

fn none() -> String {
    "none".to_owned()
}

fn or_none(text: String) -> String {
    if text.is_empty() { none() } else { text }
}

fn health_text(Health { runtime, state, problem }: Health) -> String {
    let until = supported_until(&runtime).map(|day| format!(", supported until {day}")).unwrap_or_default();
    let problem = problem.map(|problem| format!(" ({problem})")).unwrap_or_default();
    format!("{}{problem}, {runtime}{until}", state.to_lowercase())
}

fn failure_text((error, at): (String, i64)) -> String {
    format!("{}  {error}", render::time(at))
}

fn undelivered_text(count: u64) -> String {
    match count {
        0 => "empty".to_owned(),
        count => format!("about {count} undelivered: `taskbell replay --dry-run` shows them"),
    }
}

fn entry_text((entry, at): (&Value, i64)) -> String {
    let text = |name: &str| entry[name].as_str();
    let what = text("service").or_else(|| text("family")).or_else(|| text("detailType")).unwrap_or("?");
    let cluster = text("cluster").map(|cluster| format!(" in {cluster}")).unwrap_or_default();
    let end = match text("outcome") {
        Some("failed") => format!("failed: {}", text("error").unwrap_or_default()),
        _ => match entry["destinations"].as_array() {
            Some(places) => format!("{} took it", render::count(places.len(), "place")),
            None => "Slack took it".to_owned(),
        },
    };
    format!("{}  {what}{cluster}: {}; {end}", render::time(at), text("cause").unwrap_or_default())
}
