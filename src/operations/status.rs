//! Reads the state of a stack: jobs with a problem, rules, notifier, queue, the last alert, the last drill.

use std::collections::BTreeSet;

use serde_json::Value;

use super::check::Held;
use super::jobs::problem::{self, Problem};
use super::overlap::{Overlap, overlaps};
use super::session::Session;
use super::stacks::not_set_up;
use super::target::{Context, Target};
use super::uncovered::uncovered;
use super::verdict::Verdict;
use crate::aws::calls::journal::{Journal, Line, Said, failures};
use crate::aws::calls::ledger::{self, Book, Entry, Ledger};
use crate::aws::calls::runtime::{self, Health, health};
use crate::aws::calls::undelivered::Undelivered;
use crate::aws::calls::{bus, cluster};
use crate::aws::client::fault::Fault;
use crate::aws::kinds::Given;
use crate::aws::kinds::function::{self, Function};
use crate::aws::kinds::rule::{self, Rule};
use crate::error::{Error, Result};
use crate::pattern::clusters;
use crate::reconcile::resource::{Found, Inventory, Seen};
use crate::stack::{Kind, Place, Stack};

/// A fact, or the reason why it is not known.
pub type Fact<T> = Result<T, String>;

/// The most pages of the table that `status` reads, of 1 MB each: the table also has the announcements of single tasks.
const PAGES: usize = 5;

/// The extent of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The stack alone.
    Stack,
    /// Also the clusters that no stack covers, in the stack's account and region.
    Account,
}

/// The facts about a stack, in their order on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    Jobs,
    Clusters,
    Rules,
    Notifier,
    LastError,
    Queue,
    LastAlert,
    LastDrill,
}

impl Row {
    pub const ALL: [Self; 8] = [
        Self::Jobs,
        Self::Clusters,
        Self::Rules,
        Self::Notifier,
        Self::LastError,
        Self::Queue,
        Self::LastAlert,
        Self::LastDrill,
    ];
}

pub struct Status {
    pub stack: Stack,
    pub place: Place,
    /// An error if a rule could not be read, and no readable rule names a cluster.
    pub clusters: Fact<BTreeSet<String>>,
    /// The clusters that a stack for all clusters leaves out.
    pub excluded_clusters: BTreeSet<String>,
    /// The name and the state of each rule.
    pub rules: Vec<(String, Fact<String>)>,
    pub notifier: Fact<Option<Health>>,
    pub undelivered: Fact<Option<u64>>,
    /// The jobs of the ledger; none: the stack keeps no ledger.
    pub jobs: Fact<Option<JobsInBrief>>,
    /// The clusters of the account that no stack covers; none: nobody asked.
    pub uncovered: Option<Fact<Vec<String>>>,
    /// The warning about the end of support of the notifier's runtime, if one is due.
    pub warning: Option<String>,
    /// The other stacks that alert on the same failures.
    pub overlaps: Fact<Vec<Overlap>>,
    lines: Fact<Vec<Line>>,
}

/// The jobs of a stack in brief.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobsInBrief {
    /// The number of jobs in the ledger.
    pub count: usize,
    /// Whether the whole table was read.
    pub is_whole: bool,
    pub problems: Vec<JobWithProblem>,
}

/// A job, or a part of it, that has a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobWithProblem {
    pub name: String,
    /// The `startedBy` of the part; none: all runs.
    pub started_by: Option<String>,
    pub problem: Problem,
}

/// Reads the state of a stack. Writes nothing.
///
/// # Errors
/// If nothing of the stack exists, or the caller is unknown to AWS; on interruption.
pub async fn look(target: &Target, extent: Extent, context: &Context) -> Result<Status> {
    let session = Session::open(target, Given::default(), context).await?;
    let (seen, health, undelivered, lines) = {
        let journal = Journal::new(&session.sdk, session.stack.log_group_name());
        let name = session.stack.function_name();
        let looks = async {
            tokio::join!(
                session.observe_only(&[Kind::Function, Kind::Rule]),
                health(&session.sdk, &name),
                depth(&session),
                journal.latest()
            )
        };
        session.unless_interrupted(looks).await?
    };
    let (seen, place) = seen?;
    let told = |fault: Fault| fault.to_string();
    let notifier = notifier(&seen, &session, health.map_err(told));
    let warning = match &notifier {
        Ok(Some(health)) => runtime::warning(&health.runtime, (context.clock)().into()),
        _ => None,
    };
    let more = async {
        tokio::join!(jobs(&session, &seen), bus::of_stacks(&session.sdk), async {
            match extent {
                Extent::Stack => None,
                Extent::Account => Some(cluster::names(&session.sdk).await),
            }
        })
    };
    let (jobs, others, names) = session.unless_interrupted(more).await?;
    let (rules, others) = (rules_of(&seen), others.map_err(told));
    let uncovered = names.map(|names| {
        let others = others.as_ref().map_err(Clone::clone)?;
        Ok(uncovered(names.map_err(told)?, others, &place))
    });
    let state = |spec: rule::Spec| spec.state.to_lowercase();
    let status = Status {
        clusters: clusters_of(&rules),
        excluded_clusters: excluded_of(&rules),
        rules: rules.into_iter().map(|(name, spec)| (name, spec.map(state))).collect(),
        notifier,
        undelivered: undelivered.map_err(told),
        jobs,
        uncovered,
        lines: lines.map_err(told),
        overlaps: others.as_ref().map(|others| overlaps_of(&session.stack, &seen, others)).map_err(Clone::clone),
        warning,
        stack: session.stack.clone(),
        place,
    };
    if status.is_nothing() {
        return Err(not_set_up(&status.stack, &status.place, &others.unwrap_or_default()));
    }
    Ok(status)
}

/// Returns the other stacks that alert on the same failures, of the rules of all stacks.
fn overlaps_of(stack: &Stack, seen: &Inventory, all: &[bus::Rule]) -> Vec<Overlap> {
    let is_own = |rule: &&bus::Rule| {
        seen.values().any(|seen| seen.address.id.kind == Kind::Rule && seen.address.name == rule.name)
    };
    let own: Vec<bus::Rule> = all.iter().filter(is_own).cloned().collect();
    overlaps(stack.name.as_str(), &own, all)
}

async fn depth(session: &Session) -> Result<Option<u64>, Fault> {
    match Undelivered::open(&session.sdk, &session.stack.queue_name()).await? {
        Some(queue) => queue.depth().await.map(Some),
        None => Ok(None),
    }
}

/// Returns the health of the function, if the function exists and belongs to the stack.
fn notifier(seen: &Inventory, session: &Session, health: Fact<Option<Health>>) -> Fact<Option<Health>> {
    match seen.get(&function::address(&session.stack).id).map(Seen::serving) {
        Some(Err(error)) => Err(error.in_one_line()),
        Some(Ok(Some(found))) => {
            let spec = found.spec_of::<Function>().map_err(|error| error.in_one_line())?;
            let off = (spec.reserved_concurrency == Some(0))
                .then(|| "switched off: its reserved concurrency is 0".to_owned());
            Ok(health?.map(|health| Health { problem: off.or(health.problem.clone()), ..health }))
        }
        Some(Ok(None)) => Ok(None),
        // The listing has no function. If the health could not be read either, the answer is not known.
        None => health.map(|_| None),
    }
}

/// Reads the ledgers, after the function: its settings say whether the stack keeps any.
async fn jobs(session: &Session, seen: &Inventory) -> Fact<Option<JobsInBrief>> {
    match ledger_table(seen, &session.stack)? {
        None => Ok(None),
        Some(table) => {
            let book = ledger::book(&session.sdk, &table, PAGES).await.map_err(|fault| fault.to_string())?;
            Ok(Some(in_brief(&book)))
        }
    }
}

/// Returns the table of the stack's ledgers; none if the stack keeps none.
///
/// # Errors
/// If the function could not be read: the reason.
pub(super) fn ledger_table(seen: &Inventory, stack: &Stack) -> Fact<Option<String>> {
    match seen.get(&function::address(stack).id).map(Seen::serving) {
        Some(Err(error)) => Err(error.in_one_line()),
        Some(Ok(Some(found))) => {
            let setting = |name: &str| found.spec["environment"][name].as_str();
            let is_kept = setting("TASKBELL_LEDGER") != Some("off");
            Ok(setting("TASKBELL_TABLE").filter(|_| is_kept).map(str::to_owned))
        }
        Some(Ok(None)) | None => Ok(None),
    }
}

/// Returns the jobs that have a problem as a whole, and otherwise the parts of jobs that have one. Ledgers that are not
/// understood have no known problem: `jobs` shows them.
fn in_brief(Book { jobs, is_whole }: &Book) -> JobsInBrief {
    let with = |entry: &Entry, started_by: Option<&str>, ledger: &Ledger| {
        let problem = problem::of(ledger)?;
        Some(JobWithProblem { name: entry.name.clone(), started_by: started_by.map(str::to_owned), problem })
    };
    let of = |entry: &Entry| -> Vec<JobWithProblem> {
        let Ok(ledgers) = &entry.ledgers else { return Vec::new() };
        match with(entry, None, &ledgers.all) {
            Some(whole) => vec![whole],
            None => ledgers.parts.iter().filter_map(|(part, ledger)| with(entry, Some(part), ledger)).collect(),
        }
    };
    let problems = jobs.iter().flat_map(of).collect();
    JobsInBrief { count: jobs.len(), is_whole: *is_whole, problems }
}

/// Returns the rules of the stack, by the keys of their ids.
pub(super) fn rules_of(seen: &Inventory) -> Vec<(String, Fact<rule::Spec>)> {
    let spec = |found: &Found<Value>| found.spec_of::<Rule>().map_err(|error| error.in_one_line());
    let rule = |seen: &Seen| {
        let found = seen.serving().transpose()?;
        Some((seen.address.id.key.clone(), found.map_err(Error::in_one_line).and_then(spec)))
    };
    seen.values().filter(|seen| seen.address.id.kind == Kind::Rule).filter_map(rule).collect()
}

/// Returns the names of the clusters that the rules name. An unreadable rule is an error only if no other rule names a cluster.
pub(super) fn clusters_of(rules: &[(String, Fact<rule::Spec>)]) -> Fact<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut unknown = None;
    for (_, spec) in rules {
        match spec {
            Ok(spec) => names.extend(clusters::named(&spec.meaning()).iter().map(|arn| clusters::name(arn).to_owned())),
            Err(error) => unknown = Some(error.clone()),
        }
    }
    match unknown {
        Some(error) if names.is_empty() => Err(error),
        _ => Ok(names),
    }
}

/// Returns the names of the clusters that the rules leave out.
pub(super) fn excluded_of(rules: &[(String, Fact<rule::Spec>)]) -> BTreeSet<String> {
    let specs = rules.iter().filter_map(|(_, spec)| spec.as_ref().ok());
    specs.flat_map(|spec| clusters::excluded(&spec.meaning())).map(|arn| clusters::name(&arn).to_owned()).collect()
}

impl Status {
    fn is_nothing(&self) -> bool {
        self.rules.is_empty() && matches!(self.notifier, Ok(None)) && matches!(self.undelivered, Ok(None))
    }

    /// Returns the verdict. Something unreadable is more severe than trouble, because nothing can be decided.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.is_known(), self.troubles().is_empty()) {
            (false, _) => Verdict::Unreadable,
            (true, false) => Verdict::Differs,
            (true, true) => Verdict::InSync,
        }
    }

    /// Returns the facts that are trouble: somebody has to mend them.
    #[must_use]
    pub fn troubles(&self) -> Vec<Row> {
        Row::ALL.into_iter().filter(|row| self.held(*row) == Some(Held::No)).collect()
    }

    /// Returns whether a fact is as it should be; none for a fact that is neither good nor bad. An old failure is no trouble: an alert
    /// or a drill arrived after it.
    #[must_use]
    pub fn held(&self, row: Row) -> Option<Held> {
        let told = |is_good: bool| Some(if is_good { Held::Yes } else { Held::No });
        let unknown = Some(Held::Unknown);
        match row {
            Row::Jobs => match &self.jobs {
                Err(_) => unknown,
                Ok(jobs) => jobs.as_ref().and_then(|jobs| told(jobs.problems.is_empty())),
            },
            Row::Clusters => self.clusters.is_err().then_some(Held::Unknown),
            Row::Rules if self.rules.iter().any(|(_, state)| state.as_deref() == Ok("disabled")) => Some(Held::No),
            Row::Rules if self.rules.iter().any(|(_, state)| state.is_err()) => unknown,
            Row::Rules => told(!self.rules.is_empty()),
            Row::Notifier => match &self.notifier {
                Err(_) => unknown,
                Ok(health) => told(health.as_ref().is_some_and(|health| health.problem.is_none())),
            },
            Row::Queue => match &self.undelivered {
                Err(_) => unknown,
                Ok(depth) => told(*depth == Some(0)),
            },
            Row::LastError => match self.last_failure() {
                Err(_) => unknown,
                Ok(None) => told(true),
                Ok(Some((_, at))) => self.is_latest(at).then_some(Held::No),
            },
            Row::LastAlert | Row::LastDrill => match self.last(row == Row::LastDrill) {
                Err(_) => unknown,
                Ok(None) => None,
                Ok(Some((entry, _))) if entry["outcome"] != "failed" => told(true),
                Ok(Some((_, at))) => self.is_latest(at).then_some(Held::No),
            },
        }
    }

    /// Returns whether nothing arrived after this time, in milliseconds since 1970.
    fn is_latest(&self, at: i64) -> bool {
        let arrived = |line: &Line| match &line.said {
            Said::Entry(entry) => entry["outcome"] == "sent" || entry["outcome"] == "sent-plain",
            _ => false,
        };
        !self.lines.iter().flatten().any(|line| line.at > at && arrived(line))
    }

    /// Returns whether everything could be read.
    fn is_known(&self) -> bool {
        let Self { clusters, rules, notifier, undelivered, jobs, lines, .. } = self;
        let rules = clusters.is_ok() && rules.iter().all(|(_, state)| state.is_ok());
        rules && notifier.is_ok() && undelivered.is_ok() && jobs.is_ok() && lines.is_ok()
    }

    /// Returns the last line about an event that was announced or that failed: among drills only, or among all other events.
    ///
    /// # Errors
    /// If the log could not be read.
    pub fn last(&self, drill: bool) -> Fact<Option<(&Value, i64)>> {
        let lines = self.lines.as_ref().map_err(Clone::clone)?;
        Ok(lines.iter().find_map(|line| match &line.said {
            Said::Entry(entry) if entry["drill"].as_bool().unwrap_or_default() == drill => {
                let outcome = entry["outcome"].as_str().unwrap_or_default();
                ["sent", "sent-plain", "failed"].contains(&outcome).then_some((entry, line.at))
            }
            _ => None,
        }))
    }

    /// Returns the last failure of the notifier itself.
    ///
    /// # Errors
    /// If the log could not be read.
    pub fn last_failure(&self) -> Fact<Option<(String, i64)>> {
        let lines = self.lines.as_ref().map_err(Clone::clone)?;
        Ok(failures(lines).into_iter().next())
    }
}
