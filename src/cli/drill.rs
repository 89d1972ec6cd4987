//! `drill`: sends a labelled test failure through the live rule, and tells hop by hop how far it came.

use std::time::{Duration, UNIX_EPOCH};

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::options::{ClusterArgs, Common, Format};
use super::render;
use super::session::Session;
use super::world::World;
use crate::aws::fault::Fault;
use crate::aws::journal::{Journal, Line, Said};
use crate::aws::undelivered::{Content, Entry, Undelivered};
use crate::aws::wait::Attempt;
use crate::aws::{Given, bus};
use crate::chain::{Broken, Link, links};
use crate::config::Cluster;
use crate::desired::cluster_arn;
use crate::drill::{Scenario, fit};
use crate::error::{Category, Error, Result};
use crate::pattern::DRILL_SOURCE;
use crate::resource::Inventory;
use crate::stack::{Id, Place};

/// Send a labelled test failure through the live rule, and tell hop by hop how far it came.
///
/// Waits until the notifier has told what Slack answered. Exit code 0: Slack took it; 1: it did not arrive; the output says where
/// it stopped; 3: it cannot be known how far it came.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell drill --cluster batch
  taskbell drill --cluster batch --scenario out-of-memory")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
    /// What is pretended to have happened
    #[arg(long, value_enum, default_value_t)]
    scenario: Scenario,
    /// How long to wait for Slack's answer
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT, value_parser = clap::value_parser!(u64).range(1..=900))]
    timeout: u64,
}

/// Seconds: a function that has to be started, a throttling Slack, a log that is some seconds behind.
pub const TIMEOUT: u64 = 60;
/// Clocks differ: how far back the log is read, in milliseconds.
const SKEW: i64 = 60_000;
/// Rules may ask for several names.
const MOST_FITS: usize = 8;

/// One step of the way, and how it went.
struct Hop {
    name: &'static str,
    holds: bool,
    told: String,
    milliseconds: Option<i64>,
}

/// What became of a drill.
pub struct Drill {
    scenario: Scenario,
    event_id: Option<String>,
    hops: Vec<Hop>,
    hint: Option<String>,
}

/// How far it came, once it was sent.
enum Arrival {
    /// The notifier told about it, at this time.
    Told(Value, i64),
    /// It lies in the queue.
    Undelivered(String),
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let clusters = args.clusters.parse()?;
    let cluster = clusters
        .first()
        .ok_or_else(|| Error::usage("a drill needs to know which cluster").hint("give --cluster NAME"))?;
    let given = Given { webhook: None, accept_stored_webhook: false, archive: Vec::new() };
    let session = Session::open(common.stack_name(&clusters)?, given, common, world).await?;
    let (seen, place) = session.observe_only(&["function", "rule"]).await?;
    session.show_title(&place, common, world);
    let drill =
        Box::pin(Drill::perform(args.scenario, args.timeout, &session, (&seen, &place, cluster), common, world));
    let drill = drill.await?;
    session.finish_progress();
    if common.output == Format::Json {
        let mut object = drill.object();
        object["stack"] = json!(session.stack.name);
        object["region"] = json!(place.region);
        object["account"] = json!(place.account);
        world.out.print(&render::json(&object));
    }
    Ok(drill.conclude(common, world))
}

impl Drill {
    /// Sends it and waits until it is known how far it came.
    ///
    /// # Errors
    /// If it cannot be sent, or not be known what became of it; on interruption.
    pub async fn perform(
        scenario: Scenario,
        timeout: u64,
        session: &Session,
        (seen, place, cluster): (&Inventory, &Place, &Cluster),
        common: &Common,
        world: &World,
    ) -> Result<Self> {
        let mut drill = Self { scenario, event_id: None, hops: Vec::new(), hint: None };
        let show = |drill: &Self| {
            if let (Format::Text, Some(hop)) = (common.output, drill.hops.last()) {
                world.out.print(&hop.line());
            }
        };
        let task = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let cluster_arn = cluster_arn(cluster, place)?;
        let mut event = scenario.event(&cluster_arn, &task, world.now().into())?;
        let rule = way_in(&mut event, seen, session, place).map_err(|error| {
            error.hint(format!("`taskbell setup --cluster {cluster_arn}` sets it up, or repairs it"))
        })?;
        drill.hop("rule", format!("{rule} takes it, is enabled, and may ring the notifier"), None);
        show(&drill);

        let sent = millis(world);
        let resources: Vec<String> = event["resources"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|arn| Some(arn.as_str()?.to_owned()))
            .collect();
        let detail_type = event["detail-type"].as_str().unwrap_or_default();
        let put = bus::put(&session.sdk, DRILL_SOURCE, detail_type, &resources, &event["detail"]);
        let event_id = session.unless_interrupted(put).await??;
        drill.hop("bus", format!("EventBridge took the event {event_id}"), Some(millis(world) - sent));
        show(&drill);

        let arrival = await_arrival(session, &event_id, sent, timeout).await?;
        drill.event_id = Some(event_id);
        for hop in arrival {
            drill.hops.push(hop);
            show(&drill);
        }
        drill.hint = drill.hops.last().filter(|hop| !hop.holds).map(|hop| hint(hop, session));
        Ok(drill)
    }

    fn hop(&mut self, name: &'static str, told: String, milliseconds: Option<i64>) {
        self.hops.push(Hop { name, holds: true, told, milliseconds });
    }

    fn delivered(&self) -> bool {
        self.hops.iter().all(|hop| hop.holds)
    }

    #[must_use]
    pub fn object(&self) -> Value {
        let hops = self.hops.iter().map(|Hop { name, holds, told, milliseconds }| {
            json!({ "hop": name, "holds": holds, "told": told, "ms": milliseconds })
        });
        json!({
            "scenario": clap::ValueEnum::to_possible_value(&self.scenario).map(|value| value.get_name().to_owned()),
            "event_id": self.event_id,
            "delivered": self.delivered(),
            "hops": hops.collect::<Vec<_>>(),
        })
    }

    /// The last word, and the exit code.
    #[must_use]
    pub fn conclude(&self, common: &Common, world: &World) -> u8 {
        if let Some(hint) = &self.hint {
            world.err.print(&format!("error: the drill did not reach Slack\n  hint: {hint}\n"));
        } else if !common.quiet {
            world.err.print("Slack took the drill.\n");
        }
        u8::from(!self.delivered())
    }
}

impl Hop {
    fn line(&self) -> String {
        let Self { name, holds, told, milliseconds } = self;
        let time = milliseconds.map(|time| format!("  ({time} ms)")).unwrap_or_default();
        format!("{} {name:<9}  {told}{time}\n", if *holds { "+" } else { "-" })
    }
}

/// The rule that would ring for it, after the drill has taken the names that the rule asks for. A drill that nothing can ring
/// for is not sent.
fn way_in(event: &mut Value, seen: &Inventory, session: &Session, place: &Place) -> Result<Id> {
    let mut found = Vec::new();
    for _ in 0..MOST_FITS {
        found = links(event, seen, &session.stack, place);
        if let Some(link) = found.iter().find(|link| link.broken.is_none()) {
            return Ok(link.rule.clone());
        }
        let fitted = found.iter().any(|link| match &link.broken {
            Some(Broken::Mismatch(mismatch)) => fit(event, mismatch),
            _ => false,
        });
        if !fitted {
            break;
        }
    }
    if found.is_empty() {
        return Err(Error::new("the stack has no rule, so nothing would ring"));
    }
    let told: Vec<String> = found.iter().filter_map(refusal).collect();
    let error = Error::new(format!("no rule would ring for a drill of this cluster: {}", told.join("; ")));
    let unreadable = |link: &Link| matches!(link.broken, Some(Broken::Unreadable { .. }));
    Err(match found.iter().any(unreadable) {
        true => error.category(Category::Unreadable),
        false => error,
    })
}

fn refusal(Link { rule, broken }: &Link) -> Option<String> {
    Some(match broken.as_ref()? {
        Broken::Mismatch(mismatch) => format!("{rule} does not let it in: {}", mismatch.path),
        Broken::Disabled => format!("{rule} is disabled"),
        Broken::Unreadable { what, error } => format!("could not read {what}: {error}"),
        broken => format!("{rule} {broken}"),
    })
}

/// The hops behind the bus.
async fn await_arrival(session: &Session, event_id: &str, sent: i64, timeout: u64) -> Result<Vec<Hop>> {
    let journal = Journal::new(&session.sdk, session.stack.log_group_name());
    let queue = Undelivered::open(&session.sdk, &session.stack.queue_name()).await;
    let look = || async {
        let (lines, entries) = tokio::join!(journal.since(sent - SKEW), lying(&queue));
        // Who may not look into the queue is told so in the end, if it matters.
        Ok(match arrival(&lines?, &entries.unwrap_or_default(), event_id) {
            Some(arrival) => Attempt::Ready(arrival),
            None => Attempt::NotYet { what: "the notifier to tell what Slack answered".to_owned(), fault: None },
        })
    };
    let id = Id::new("drill", "event");
    let arrived = session.waiter.within(&id, Duration::from_secs(timeout), look).await.map_err(|error| match error
        .is_interrupted()
    {
        true => error,
        false => {
            Error::new("the event was sent; how far it came is not known").because(error).category(Category::Unreadable)
        }
    })?;
    match arrived {
        Ok(Arrival::Told(entry, at)) => Ok(hops(&entry, at - sent)),
        Ok(Arrival::Undelivered(why)) => {
            Ok(vec![broken("notifier", format!("did not get it; it lies in the queue: {why}"))])
        }
        Err(late) => {
            let failures = failures(&journal.since(sent).await?);
            let nothing = format!("told nothing within {} s", late.seconds);
            let told = match (failures.is_empty(), lying(&queue).await) {
                (false, _) => format!("failed: {}", failures.join("; ")),
                (true, Err(fault)) => format!("{nothing}; whether it lies in the queue is not known: {fault}"),
                (true, Ok(_)) => format!("{nothing}, and it does not lie in the queue"),
            };
            Ok(vec![broken("notifier", told)])
        }
    }
}

/// What lies in the queue, without holding it.
async fn lying(queue: &Result<Option<Undelivered>, Fault>) -> Result<Vec<Entry>, Fault> {
    match queue {
        Ok(Some(queue)) => queue.receive(Duration::ZERO).await,
        Ok(None) => Ok(Vec::new()),
        Err(fault) => Err(fault.clone()),
    }
}

/// Several rules may have taken the event: what Slack took counts before what failed; who waits for the other says nothing.
fn arrival(lines: &[Line], entries: &[Entry], event_id: &str) -> Option<Arrival> {
    let told = |outcomes: &[&str]| {
        lines.iter().find_map(|line| match &line.said {
            Said::Entry(entry) if entry["eventId"] == event_id => {
                let outcome = entry["outcome"].as_str().unwrap_or_default();
                outcomes.contains(&outcome).then(|| Arrival::Told(entry.clone(), line.at))
            }
            _ => None,
        })
    };
    let undelivered = || {
        entries.iter().find_map(|entry| match &entry.content {
            Content::Event { event, why } if event["id"] == event_id => Some(Arrival::Undelivered(why.clone())),
            _ => None,
        })
    };
    told(&["sent", "sent-plain"]).or_else(|| told(&["failed", "silent"])).or_else(undelivered)
}

fn failures(lines: &[Line]) -> Vec<String> {
    let mut told: Vec<String> = lines
        .iter()
        .filter_map(|line| match &line.said {
            Said::Failure(message) => Some(message.clone()),
            _ => None,
        })
        .collect();
    told.dedup();
    told
}

/// What the notifier's own line says about its hops.
fn hops(entry: &Value, after: i64) -> Vec<Hop> {
    let milliseconds = |name: &str| entry["ms"][name].as_i64();
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let started = after - milliseconds("total").unwrap_or_default();
    let hop = |name, holds, told, milliseconds| Hop { name, holds, told, milliseconds };
    let ran = hop("notifier", true, "began".to_owned(), Some(started.max(0)));
    let secret = |holds, told: &str| hop("webhook", holds, told.to_owned(), milliseconds("secret"));
    let slack = |holds, told| hop("Slack", holds, told, milliseconds("slack"));
    let error = text("error");
    let (outcome, at_slack) = (text("outcome"), entry["ms"]["slack"].is_number());
    match outcome.as_str() {
        "sent" | "sent-plain" => {
            let attempts = entry["attempts"].as_i64().filter(|attempts| *attempts > 1);
            let attempts = attempts.map(|attempts| format!(" at attempt {attempts}")).unwrap_or_default();
            let plain = match outcome.as_str() {
                "sent" => String::new(),
                _ => format!(", but only in one plain line: it refused the layout with {}", text("refused")),
            };
            vec![ran, secret(true, "read"), slack(true, format!("answered {}{attempts}{plain}", entry["status"]))]
        }
        "silent" => {
            vec![hop("notifier", false, format!("does not announce it: {}", text("silentBecause")), Some(started))]
        }
        _ if error.contains("could not read the webhook") => vec![ran, secret(false, &error)],
        _ if at_slack => vec![ran, secret(true, "read"), slack(false, error)],
        _ => vec![hop("notifier", false, format!("failed: {error}"), Some(started.max(0)))],
    }
}

fn broken(name: &'static str, told: String) -> Hop {
    Hop { name, holds: false, told, milliseconds: None }
}

/// Where to look.
fn hint(hop: &Hop, session: &Session) -> String {
    let stack = &session.stack;
    let again = |marks: &[&str]| marks.iter().any(|mark| hop.told.contains(mark));
    match hop.name {
        "webhook" => format!(
            "`taskbell drift` tells whether {} and the role {} are as they were",
            stack.parameter_name(),
            stack.role_name()
        ),
        "Slack" if again(&["404", "410", "403", "no_service", "invalid_token", "no_team"]) => {
            "the webhook is not valid any more: `taskbell setup` stores a new one, given in TASKBELL_SLACK_WEBHOOK_URL"
                .to_owned()
        }
        "Slack" => {
            "Lambda tries again after one minute and after two; then the event lies in the queue for `taskbell replay`"
                .to_owned()
        }
        _ if again(&["queue: "]) => {
            format!("`taskbell drift` tells what differs; `taskbell replay` sends what lies in {}", stack.queue_name())
        }
        _ => format!(
            "`taskbell drift` tells what differs; the function's log is {}; --timeout waits longer",
            stack.log_group_name()
        ),
    }
}

/// Since 1970.
fn millis(world: &World) -> i64 {
    let since = world.now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
