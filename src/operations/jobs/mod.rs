//! Lists the jobs of a stack's clusters: the jobs in the ledger, and those that schedules start, with the expectations of each.
//! Writes nothing.

pub mod expected;
pub mod problem;
pub mod suggest;
pub mod times;
pub mod why;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::session::Session;
use super::status::{Fact, clusters_of, excluded_of, ledger_table, rules_of};
use super::target::{Context, Target};
use super::verdict::Verdict;
use crate::aws::calls::cluster;
use crate::aws::calls::ledger::{self, Book, ELSEWHERE, Entry, Ledger};
use crate::aws::calls::schedules::{self, Keeper, Schedule, Schedules};
use crate::aws::client::fault::Fault;
use crate::aws::kinds::Given;
use crate::config::Cluster;
use crate::config::starter::{self, bare};
use crate::desired::cluster_arn;
use crate::error::{Error, Hint, Result};
use crate::pattern::clusters;
use crate::reconcile::resource::Inventory;
use crate::stack::{Kind, Place, Stack};
use expected::{Expectation, expectations};
use problem::Problem;

/// The most pages of the table that `jobs` reads, of 1 MB each.
const PAGES: usize = 200;

/// The jobs of a stack.
pub struct Jobs {
    pub stack: Stack,
    pub place: Place,
    /// The names of the clusters.
    pub clusters: Vec<String>,
    /// Whether something of the stack exists.
    pub is_set_up: bool,
    /// Whether the stack keeps ledgers; none: not known.
    pub keeps_ledger: Option<bool>,
    /// The jobs with a problem first, then by name.
    pub jobs: Vec<Job>,
    /// The reasons why a part of the list may be missing.
    pub unread: Vec<String>,
    /// The time of the list.
    pub now: SystemTime,
}

/// A job, or the part of a job that one schedule starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The name of the cluster; none: a job of another machine, or one that has never run.
    pub cluster: Option<String>,
    pub name: String,
    /// The name of the schedule whose runs alone are meant; none: all runs.
    pub started_by: Option<String>,
    pub schedules: Vec<Schedule>,
    /// The ledger; none: nothing is recorded. An error: the reason why the ledger is not known.
    pub ledger: Fact<Option<Ledger>>,
    /// The deadlines that were checked last, in any cluster, by the notifier's names of expectations.
    pub checked: BTreeMap<String, String>,
    pub expectations: Vec<Expectation>,
}

/// Lists the jobs of the stack and of these clusters. Without clusters, lists those of the clusters that the stack's rules name.
///
/// # Errors
/// If no cluster is known, a cluster belongs to another account or region, or the caller is unknown to AWS; on interruption.
pub async fn look(clusters: &[Cluster], target: &Target, context: &Context) -> Result<Jobs> {
    let session = Session::open(target, Given::default(), context).await?;
    let (seen, place) = session.observe_only(&[Kind::Function, Kind::Rule]).await?;
    let mut unread = Vec::new();
    let arns = arns_of(clusters, &seen, &place, &mut unread)?;
    let arns = existing(arns, &seen, (&session, &place), &mut unread).await?;
    let table = ledger_table(&seen, &session.stack);
    let (scheduler, rules, book) = {
        let group = session.stack.schedule_group_name();
        let reads = async {
            tokio::join!(
                schedules::of_scheduler(&session.sdk, &arns, &group),
                schedules::of_rules(&session.sdk, &arns),
                book(&session, &table)
            )
        };
        session.unless_interrupted(reads).await?
    };
    if scheduler.as_ref().is_ok_and(|schedules| !schedules.is_whole) {
        unread.push("only the first 1,000 schedules were read".to_owned());
    }
    let Schedules { mut starters, own, is_whole: _ } = fact("the schedules", scheduler, &mut unread);
    starters.extend(fact("the rules with a schedule", rules, &mut unread));
    if matches!(&book, Ok(Ok(book)) if !book.is_whole) {
        unread.push("only the first pages of the table were read".to_owned());
    }
    let book = match book {
        Ok(book) => fact("the ledgers", book, &mut unread),
        Err(error) => {
            unread.push(error);
            Book::default()
        }
    };
    let mut jobs = joined(starters, &book.jobs, &expectations(&own));
    jobs.sort_by_key(|job| job.problem().is_none());
    let names = arns.iter().map(|arn| clusters::name(arn).to_owned()).collect();
    Ok(Jobs {
        clusters: names,
        is_set_up: seen.values().any(|seen| !matches!(seen.serving(), Ok(None))),
        keeps_ledger: table.as_ref().ok().map(Option::is_some),
        jobs,
        unread,
        now: (context.clock)(),
        stack: session.stack.clone(),
        place,
    })
}

/// Returns the answer. If there is none, notes the reason and returns nothing.
fn fact<T: Default>(what: &str, answer: Result<T, Fault>, unread: &mut Vec<String>) -> T {
    answer.unwrap_or_else(|fault| {
        unread.push(format!("{what} could not be read: {fault}"));
        T::default()
    })
}

/// Returns the ARNs of the named clusters, or of those that the rules of the stack name.
fn arns_of(named: &[Cluster], seen: &Inventory, place: &Place, unread: &mut Vec<String>) -> Result<Vec<String>> {
    if !named.is_empty() {
        return named.iter().map(|cluster| cluster_arn(cluster, place)).collect();
    }
    match clusters_of(&rules_of(seen)) {
        Ok(clusters) if clusters.is_empty() => Err(Error::usage("no cluster is known").hint(Hint::NameCluster)),
        Ok(clusters) => Ok(clusters.iter().map(|name| place.cluster_arn(name)).collect()),
        Err(error) => {
            unread.push(format!("the clusters of the stack could not be read: {error}"));
            Ok(Vec::new())
        }
    }
}

/// Returns the ARNs, with those of the existing clusters in place of globs. The rules of the stack may leave out some clusters.
async fn existing(
    arns: Vec<String>,
    seen: &Inventory,
    (session, place): (&Session, &Place),
    unread: &mut Vec<String>,
) -> Result<Vec<String>> {
    if !arns.iter().any(|arn| clusters::is_glob(arn)) {
        return Ok(arns);
    }
    let names = session.unless_interrupted(cluster::names(&session.sdk)).await?;
    let excluded = excluded_of(&rules_of(seen));
    let found = fact("the clusters", names, unread);
    let is_meant = |name: &String| !excluded.iter().any(|glob| clusters::covers(glob, name));
    let found: Vec<String> = found.into_iter().filter(is_meant).map(|name| place.cluster_arn(&name)).collect();
    let mut all: Vec<String> = Vec::new();
    for arn in arns {
        let meant = if clusters::is_glob(&arn) { found.clone() } else { vec![arn.clone()] };
        let new = meant.into_iter().filter(|one| clusters::covers(&arn, one));
        all.extend(new);
    }
    all.sort();
    all.dedup();
    Ok(all)
}

async fn book(session: &Session, table: &Fact<Option<String>>) -> Fact<Result<Book, Fault>> {
    match table {
        Err(error) => Err(format!("the ledgers could not be read: {error}")),
        Ok(None) => Ok(Ok(Book { is_whole: true, ..Book::default() })),
        Ok(Some(table)) => Ok(ledger::book(&session.sdk, table, PAGES).await),
    }
}

/// Joins the schedules, the ledgers and the expectations of each job. A job whose runs are started by several schedules, or of
/// which one schedule's runs are expected, is listed once for each schedule.
fn joined(schedules: Vec<Schedule>, entries: &[Entry], expectations: &[Expectation]) -> Vec<Job> {
    let mut jobs: BTreeMap<(String, Option<String>), Vec<Schedule>> = BTreeMap::new();
    // For clusters with a `*`, the ledger of the other machines keeps the checks of jobs that ran elsewhere.
    let only_notes = |entry: &&Entry| {
        let has_no_end = entry.ledgers.as_ref().is_ok_and(|ledgers| ledgers.all.ends.is_empty());
        has_no_end && entry.cluster == ELSEWHERE
    };
    for entry in entries.iter().filter(|entry| !only_notes(entry)) {
        let cluster = (entry.cluster != ELSEWHERE).then(|| entry.cluster.clone());
        jobs.entry((entry.name.clone(), cluster)).or_default();
    }
    for schedule in schedules {
        jobs.entry((schedule.family.clone(), Some(schedule.cluster.clone()))).or_default().push(schedule);
    }
    let noted = entries.iter().filter(only_notes).map(|entry| &entry.name);
    for name in noted.chain(expectations.iter().map(|expectation| &expectation.job.name)) {
        if !jobs.keys().any(|(known, _)| known == name) {
            jobs.insert((name.clone(), None), Vec::new());
        }
    }
    let of = |((name, cluster), schedules): ((String, Option<String>), Vec<Schedule>)| {
        let is_of = |entry: &&Entry| entry.name == name && entry.cluster == cluster.as_deref().unwrap_or(ELSEWHERE);
        let entry = entries.iter().find(is_of).cloned();
        let expected: Vec<&Expectation> = expectations.iter().filter(|one| one.job.name == name).collect();
        let parts = parts(&name, cluster.as_deref(), &schedules, entry.as_ref(), &expected);
        let checked = checked(&name, entries);
        parts.into_iter().map(move |part| Job { checked: checked.clone(), ..part })
    };
    jobs.into_iter().flat_map(of).collect()
}

/// Returns the latest checks of a job. The notifier notes a check in the ledger of one of the job's clusters.
fn checked(name: &str, entries: &[Entry]) -> BTreeMap<String, String> {
    let mut latest: BTreeMap<String, String> = BTreeMap::new();
    let ledgers = entries.iter().filter(|entry| entry.name == name).filter_map(|entry| entry.ledgers.as_ref().ok());
    for (expectation, at) in ledgers.flat_map(|ledgers| &ledgers.all.told.checked) {
        let known = latest.entry(expectation.clone()).or_default();
        if ledger::millis(known) < ledger::millis(at) {
            known.clone_from(at);
        }
    }
    latest
}

/// Returns a job, whole or in parts.
fn parts(
    name: &str,
    cluster: Option<&str>,
    schedules: &[Schedule],
    entry: Option<&Entry>,
    expected: &[&Expectation],
) -> Vec<Job> {
    let part = |started_by: Option<&str>, schedules: Vec<Schedule>| {
        let is_of = |one: &&&Expectation| one.job.started_by.as_deref().map(bare) == started_by;
        let ledger = match entry.map(|entry| &entry.ledgers) {
            None => Ok(None),
            Some(Err(error)) => Err(error.clone()),
            Some(Ok(ledgers)) => Ok(ledgers.of(started_by).cloned()),
        };
        Job {
            cluster: cluster.map(str::to_owned),
            name: name.to_owned(),
            started_by: started_by.map(str::to_owned),
            schedules,
            ledger,
            checked: BTreeMap::new(),
            expectations: expected.iter().filter(is_of).map(|one| (*one).clone()).collect(),
        }
    };
    let mut starters: BTreeSet<&str> =
        expected.iter().filter_map(|one| one.job.started_by.as_deref().map(bare)).collect();
    if schedules.len() > 1 || !starters.is_empty() {
        starters.extend(schedules.iter().map(|schedule| schedule.name.as_str()));
    }
    if starters.is_empty() {
        return vec![part(None, schedules.to_vec())];
    }
    let of = |starter: &&str| {
        // ECS cuts the names of long schedules, but here they are whole.
        let is_of = |schedule: &&Schedule| schedule.name == **starter || started_by(schedule) == **starter;
        part(Some(*starter), schedules.iter().filter(is_of).cloned().collect())
    };
    let whole = (schedules.is_empty() || expected.iter().any(|one| one.job.started_by.is_none()))
        .then(|| part(None, Vec::new()));
    whole.into_iter().chain(starters.iter().map(of)).collect()
}

/// Returns the `startedBy` of the tasks that a schedule starts, before ECS cuts it.
fn started_by(schedule: &Schedule) -> String {
    let [scheduler, rule] = starter::PREFIXES;
    match schedule.keeper {
        Keeper::Scheduler { .. } => format!("{scheduler}{}", schedule.name),
        Keeper::Rule => format!("{rule}{}", schedule.name),
    }
}

impl Job {
    /// Returns the problem that the ledger shows.
    #[must_use]
    pub fn problem(&self) -> Option<Problem> {
        problem::of(self.ledger.as_ref().ok()?.as_ref()?)
    }

    /// Returns whether a success of the job is expected.
    #[must_use]
    pub fn is_expected(&self) -> bool {
        self.expectations.iter().any(|one| !matches!(one.rule, expected::Rule::MaxRuntime(_)))
    }
}

impl Jobs {
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let is_known = self.unread.is_empty() && self.jobs.iter().all(|job| job.ledger.is_ok());
        if is_known { Verdict::InSync } else { Verdict::Unreadable }
    }
}
