//! Sends a labelled test failure through the live rule, and follows it hop by hop.

pub mod trace;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use tokio::time::timeout;

use super::check::{Check, Held};
use super::events::Event;
use super::links::{Broken, Link, links};
use super::session::Session;
use super::stacks::not_set_up;
use super::target::{Context, Target};
use super::verdict::Verdict;
use crate::aws::calls::journal::Journal;
use crate::aws::calls::undelivered::{Entry, Undelivered};
use crate::aws::calls::{bus, cluster};
use crate::aws::client::SdkConfig;
use crate::aws::client::fault::Fault;
use crate::aws::client::wait::{self, Attempt};
use crate::aws::kinds::{Given, function};
use crate::config::Cluster;
use crate::desired::cluster_arn;
use crate::error::{Error, Hint, Result};
use crate::pattern::fitting::fit;
use crate::pattern::matcher::Mismatch;
use crate::pattern::scenario::Scenario;
use crate::pattern::{DEFAULT_CLUSTER, DRILL_SOURCE};
use crate::reconcile::resource::Inventory;
use crate::stack::{Id, Kind, Place, Stack, Subject};
use trace::{Looks, Sent, Unread, arrival, lost};

/// The default time limit in seconds: enough for a cold start, a throttling Slack and a log that is some seconds late.
pub const TIMEOUT: u64 = 60;
/// The time limit of a single read of the log or the queue.
const LOOK: Duration = Duration::from_secs(10);
/// The time before the drill from which the log is read, in milliseconds, because clocks differ.
const SKEW: i64 = 60_000;
const RUN_AGAIN: &str = "run the same command again";
const NOTHING_EXPECTED: &str = "the stack expects nothing of jobs: `taskbell jobs --suggest` prints expectations for taskbell.toml, \
    and `setup --expect` sets one up";

/// A drill and the hops that it reached.
pub struct Drill {
    pub scenario: Scenario,
    pub event_id: Option<String>,
    pub hops: Vec<Check>,
}

/// A drill, with the stack through which it went.
pub struct Performed {
    pub stack: Stack,
    pub place: Place,
    pub drill: Drill,
}

/// Sends a drill through a stack. `timeout` is in seconds. Only scenarios whose events name no cluster need none.
///
/// # Errors
/// If the caller is unknown to AWS, nothing of the stack exists, or the cluster is missing or belongs to another account or region; on
/// interruption.
pub async fn perform(
    scenario: Scenario,
    timeout: u64,
    cluster: Option<&Cluster>,
    target: &Target,
    context: &Context,
) -> Result<Performed> {
    let session = Session::open(target, Given::default(), context).await?;
    let (seen, place) = session.observe_only(&[Kind::Function, Kind::Rule]).await?;
    if seen.values().all(|seen| matches!(seen.serving(), Ok(None))) {
        let rules = session.unless_interrupted(bus::of_stacks(&session.sdk)).await?.unwrap_or_default();
        return Err(not_set_up(&session.stack, &place, &rules));
    }
    session.report_place(&place);
    let drill = Box::pin(Drill::perform(scenario, timeout, &session, (&seen, &place, cluster), context)).await?;
    session.finish_steps();
    Ok(Performed { stack: session.stack.clone(), place, drill })
}

impl Drill {
    /// Sends a drill and waits until its last hop is known.
    ///
    /// # Errors
    /// On interruption, for a cluster that belongs to another account or region, and for a glob that covers no cluster.
    pub async fn perform(
        scenario: Scenario,
        timeout: u64,
        session: &Session,
        (seen, place, cluster): (&Inventory, &Place, Option<&Cluster>),
        context: &Context,
    ) -> Result<Self> {
        let mut drill = Self { scenario, event_id: None, hops: Vec::new() };
        let task = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let (event, way_in) = {
            let mut tries = Vec::new();
            for arn in arns_of(cluster, scenario, session, place).await? {
                let mut event = scenario.event(&arn, &task, (context.clock)().into())?;
                let way_in = way_in(scenario, &mut event, seen, session, place);
                tries.push((event, way_in));
            }
            // The stack may leave out some of the clusters.
            let best = tries.iter().position(|(_, way_in)| way_in.held == Held::Yes).unwrap_or_default();
            tries.swap_remove(best)
        };
        drill.reach(way_in, context);
        if drill.verdict() != Verdict::InSync {
            return Ok(drill);
        }

        let at = millis(context);
        let resources = event["resources"].as_array().into_iter().flatten();
        let resources: Vec<String> = resources.filter_map(|arn| Some(arn.as_str()?.to_owned())).collect();
        let detail_type = event["detail-type"].as_str().unwrap_or_default();
        let put = bus::put(&session.sdk, DRILL_SOURCE, detail_type, &resources, &event["detail"]);
        let sent = session.unless_interrupted(put).await;
        let interrupted = |_| Error::interrupted("interrupted; EventBridge may have accepted the drill anyway");
        let event_id = match sent.map_err(interrupted)? {
            Ok(event_id) => event_id,
            Err(fault) => {
                let (make, doubt): (fn(_, _, _) -> _, _) = match fault.unanswered {
                    true => (Check::unknown, "; EventBridge may have accepted it anyway"),
                    false => (Check::broken, ""),
                };
                let error = Error::from(fault);
                let hint = error.nearest_hint().cloned().unwrap_or(RUN_AGAIN.into());
                drill.reach(make("bus", error.in_one_line() + doubt, hint), context);
                return Ok(drill);
            }
        };
        let told = format!("EventBridge accepted the event {event_id}");
        drill.reach(Check::holds("bus", told).took(millis(context) - at), context);

        drill.event_id = Some(event_id.clone());
        for hop in await_arrival(session, &Sent { event_id, task, at }, timeout).await? {
            drill.reach(hop, context);
        }
        Ok(drill)
    }

    /// Reports a hop as soon as it is known.
    fn reach(&mut self, hop: Check, context: &Context) {
        (context.listener)(Event::Hop(hop.clone()));
        self.hops.push(hop);
    }

    /// Returns the verdict of the drill. The last hop decides: nothing is checked after a broken one.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.hops.last().map(|hop| hop.held) {
            Some(Held::Yes) => Verdict::InSync,
            Some(Held::No) => Verdict::Failed,
            Some(Held::Unknown) | None => Verdict::Unreadable,
        }
    }
}

/// Returns the ARN of the cluster, or those of the existing clusters that a glob covers.
async fn arns_of(
    cluster: Option<&Cluster>,
    scenario: Scenario,
    session: &Session,
    place: &Place,
) -> Result<Vec<String>> {
    let cluster = match cluster {
        Some(cluster) if cluster.is_glob() => cluster,
        Some(cluster) => return Ok(vec![cluster_arn(cluster, place)?]),
        None if scenario.is_without_cluster() => return Ok(vec![place.cluster_arn(DEFAULT_CLUSTER)]),
        None => return Err(Error::usage("a drill needs a cluster").hint("give --cluster NAME")),
    };
    let meant = cluster::meant(&session.sdk, std::slice::from_ref(cluster));
    let names = session.unless_interrupted(meant).await??;
    match names.is_empty() {
        false => Ok(names.iter().map(|name| place.cluster_arn(name)).collect()),
        true => Err(Error::new(format!("no ECS cluster here has a name like {cluster}"))
            .hint("a drill needs a cluster that exists: create one, name it with --cluster NAME, or check --region and --profile")),
    }
}

/// Checks whether a rule would send the drill to the notifier, after changing the drill's names to those that the rule requires.
/// A drill that no rule can match is not sent.
fn way_in(scenario: Scenario, event: &mut Value, seen: &Inventory, session: &Session, place: &Place) -> Check {
    let mut found = Vec::new();
    fit(event, |event| {
        found = links(event, seen, &session.stack, place);
        match found.iter().any(|link| link.broken.is_none()) {
            true => Ok(()),
            false => Err(found.iter().filter_map(mismatch).collect()),
        }
    });
    match found.iter().find(|link| link.broken.is_none()) {
        Some(_) if scenario == Scenario::Recovered && reports_no_recovery(seen, &session.stack) => Check::broken(
            "rule",
            "the stack reports no recoveries",
            "the stack was set up with --no-recovery: run `taskbell setup` without that flag",
        ),
        Some(Link { rule, .. }) => {
            Check::holds("rule", format!("{rule} matches, is enabled, and may invoke the notifier"))
        }
        None => no_way_in(scenario, &found),
    }
}

/// Returns whether the settings of the notifier switch recoveries off.
fn reports_no_recovery(seen: &Inventory, stack: &Stack) -> bool {
    let found = seen.get(&function::address(stack).id).and_then(|seen| seen.serving().ok().flatten());
    found.is_some_and(|found| found.spec["environment"]["TASKBELL_RECOVERY"] == "off")
}

fn mismatch(link: &Link) -> Option<Mismatch> {
    match &link.broken {
        Some(Broken::Mismatch(mismatch)) => Some(mismatch.clone()),
        _ => None,
    }
}

/// Explains why no rule would send the drill to the notifier. Rules that match, but have a broken link, come before rules that
/// match other events.
fn no_way_in(scenario: Scenario, found: &[Link]) -> Check {
    let is = |kind: fn(&Broken) -> bool| found.iter().any(|link| link.broken.as_ref().is_some_and(kind));
    let tell = |kind: fn(&Broken) -> bool| {
        let links = found.iter().filter(|link| link.broken.as_ref().is_some_and(kind));
        links.filter_map(refusal).collect::<Vec<_>>().join("; ")
    };
    let takes_others = |broken: &Broken| matches!(broken, Broken::Mismatch(_));
    let unreadable = |broken: &Broken| matches!(broken, Broken::Unreadable { .. });
    let no_drills = |broken: &Broken| matches!(broken, Broken::Mismatch(mismatch) if mismatch.path == "source");
    if found.is_empty() {
        return Check::broken("rule", "the stack has no rule, so it would send no alert", Hint::Repair);
    }
    if is(unreadable) {
        let hint = found.iter().find_map(|link| match &link.broken {
            Some(Broken::Unreadable { hint, .. }) => hint.clone(),
            _ => None,
        });
        let hint = hint.unwrap_or(RUN_AGAIN.into());
        return Check::unknown("rule", format!("no rule is known to invoke the notifier: {}", tell(|_| true)), hint);
    }
    if is(|broken| !matches!(broken, Broken::Mismatch(_))) {
        return Check::broken("rule", tell(|broken| !matches!(broken, Broken::Mismatch(_))), Hint::Repair);
    }
    let hint = match is(no_drills) {
        true => {
            "the stack was set up with --no-drill: run `taskbell setup` without that flag to allow drills".to_owned()
        }
        false if scenario.needs_expectation() => NOTHING_EXPECTED.to_owned(),
        false => pretend_otherwise(scenario, found),
    };
    Check::broken("rule", format!("no rule matches this drill: {}", tell(takes_others)), hint)
}

/// Suggests the scenarios that the rules match.
fn pretend_otherwise(scenario: Scenario, found: &[Link]) -> String {
    let rung = |other: &Scenario| {
        !other.needs_expectation() && found.iter().any(|link| link.rule == Id::new(Kind::Rule, other.pattern()))
    };
    let others: Vec<&str> = Scenario::ALL.into_iter().filter(rung).map(Scenario::name).collect();
    let others = if others.is_empty() { "NAME".to_owned() } else { others.join(" or ") };
    format!(
        "use --scenario {others}, or run `taskbell setup` with the same flags and --pattern {} to alert on this failure",
        scenario.pattern()
    )
}

fn refusal(Link { rule, broken }: &Link) -> Option<String> {
    Some(match broken.as_ref()? {
        Broken::Mismatch(mismatch) => format!("{rule} requires another {}", mismatch.path),
        Broken::Disabled => format!("{rule} is disabled"),
        Broken::Unreadable { what, error, .. } => format!("could not read {what}: {error}"),
        broken => format!("{rule} {broken}"),
    })
}

/// Returns the hops after the bus. Ends within the time limit and two reads: a last read that failed is repeated once, because it
/// shows nothing.
async fn await_arrival(session: &Session, sent: &Sent, seconds: u64) -> Result<Vec<Check>> {
    let sdk = session.sdk.to_builder().retry_config(wait::retries_of_a_look()).build();
    let journal = Journal::new(&sdk, session.stack.log_group_name());
    let queue = Mutex::new(None);
    let looks = Mutex::new(Looks::default());
    let look = || async {
        let queued = entries(&sdk, &session.stack, &queue);
        let (lines, entries) = tokio::join!(timeout(LOOK, journal.since(sent.at - SKEW)), timeout(LOOK, queued));
        let mut looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
        let for_good = matches!(&lines, Ok(Err(fault)) if fault.is(&FOR_GOOD));
        looks.log = keep(lines, &mut looks.lines, "logs:FilterLogEvents");
        let mut lying = Vec::new();
        looks.queue = keep(entries, &mut lying, "sqs:ReceiveMessage");
        looks.entries = looks.entries.max(lying.len());
        Ok(match arrival(&looks.lines, &lying, sent, &session.stack) {
            Some(hops) => Attempt::Ready(hops),
            None if for_good => Attempt::Ready(vec![lost(&looks, seconds, sent, &session.stack)]),
            None => Attempt::NotYet { what: "the notifier to report Slack's answer".to_owned(), fault: None },
        })
    };
    let arrived =
        session.unless_interrupted(session.waiter.within(Subject::Drill, Duration::from_secs(seconds), look)).await;
    let interrupted = |error: Error| match error.is_interrupted() {
        true => Error::interrupted(format!("interrupted; the event {} was already sent", sent.event_id)),
        false => error,
    };
    if let Ok(hops) = arrived.and_then(|arrived| arrived).map_err(interrupted)? {
        return Ok(hops);
    }
    let failed = {
        let looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.log.is_some() || looks.queue.is_some()
    };
    if failed {
        let arrived = session.unless_interrupted(look()).await;
        if let Attempt::Ready(hops) = arrived.and_then(|arrived| arrived).map_err(interrupted)? {
            return Ok(hops);
        }
    }
    let looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(vec![lost(&looks, seconds, sent, &session.stack)])
}

/// Errors of a read of the log that a second read would return too.
const FOR_GOOD: [&str; 3] = ["AccessDeniedException", "AccessDenied", "ResourceNotFoundException"];

/// Keeps the result of a read, or returns the reason for its failure.
fn keep<T>(
    answer: std::result::Result<std::result::Result<Vec<T>, Fault>, tokio::time::error::Elapsed>,
    kept: &mut Vec<T>,
    call: &str,
) -> Option<Unread> {
    match answer {
        Ok(Ok(read)) => {
            *kept = read;
            None
        }
        Ok(Err(fault)) => {
            let reason = fault.to_string();
            Some(Unread { reason, hint: Error::from(fault).nearest_hint().cloned() })
        }
        Err(_) => Some(Unread { reason: format!("no answer to {call} within {} s", LOOK.as_secs()), hint: None }),
    }
}

/// Returns entries of the queue. Looks up the queue's address only once.
async fn entries(
    sdk: &SdkConfig,
    stack: &Stack,
    queue: &Mutex<Option<Arc<Undelivered>>>,
) -> std::result::Result<Vec<Entry>, Fault> {
    let known = queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let opened = match known {
        Some(queue) => Some(queue),
        None => Undelivered::open(sdk, &stack.queue_name()).await?.map(Arc::new),
    };
    queue.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&opened);
    match opened {
        Some(queue) => queue.glance().await,
        None => Ok(Vec::new()),
    }
}

/// Returns the current time in milliseconds since 1970.
fn millis(context: &Context) -> i64 {
    let since = (context.clock)().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
