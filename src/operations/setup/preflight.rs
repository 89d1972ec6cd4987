//! Finds the logs of the clusters' tasks that the notifier may not read, patterns that no cluster narrows, the user's own parameters that
//! do not exist, and changes for which AWS has no room.

use std::collections::BTreeSet;

use futures_util::stream::{StreamExt, iter};

use crate::aws::calls::{bus, cluster, workload};
use crate::aws::client::SdkConfig;
use crate::aws::client::fault::Fault;
use crate::aws::kinds::parameter;
use crate::config::job::{Expectation, Job};
use crate::config::{Cluster, Config, log_group_covers};
use crate::desired::limits;
use crate::error::{Category, Error, Result};
use crate::operations::events::Note;
use crate::operations::overlap::overlaps;
use crate::operations::room::Room;
use crate::operations::session::Session;
use crate::pattern::{BATCH_JOB_FAILED, EXECUTION_FAILED, Pattern};
use crate::reconcile::plan::{Action, Plan};
use crate::stack::{Address, Kind, Place};

/// The looks for running tasks that the notifier makes in one sweep, every five minutes: `LOOKS_A_SWEEP` in `lambda/watch/sweep.mjs`.
const LOOKS_A_SWEEP: usize = 100;
/// The number of sweeps within which every look has had its turn, without a word about it.
const UNNOTED_SWEEPS: usize = 3;
const MINUTES_OF_SWEEP: usize = 5;

/// Most clusters whose services and tasks are read at once.
const CLUSTERS_AT_ONCE: usize = 4;

/// Returns a note about the log groups of the clusters' tasks that the notifier may not read, with the flags that would allow it.
pub async fn logs_beyond(config: &Config, sdk: &SdkConfig) -> Option<Note> {
    let covered = &config.log_groups;
    if covered.is_empty() || config.own_role_arn.is_some() {
        return None;
    }
    let (mut missing, mut whole) = (BTreeSet::new(), true);
    let unknown = |fault: Fault| {
        let text = format!("the logs of the clusters' tasks could not be determined: {fault}");
        Some(Note { text, hint: None })
    };
    let clusters = match cluster::meant(sdk, &config.clusters).await {
        Ok(clusters) => clusters,
        Err(fault) => return unknown(fault),
    };
    let looks = clusters.into_iter().map(|cluster| async move { workload::log_groups(sdk, &cluster).await });
    for found in iter(looks).buffered(CLUSTERS_AT_ONCE).collect::<Vec<_>>().await {
        match found {
            Ok(found) => {
                missing.extend(found.groups);
                whole &= found.whole;
            }
            // Another check, at the same time, asks for the cluster itself.
            Err(fault) if fault.is(&["ClusterNotFoundException"]) => {}
            Err(fault) => return unknown(fault),
        }
    }
    missing.retain(|group| !covered.iter().any(|pattern| log_group_covers(pattern, group)));
    if missing.is_empty() {
        return None;
    }
    let flags = covered.iter().chain(&missing).map(|group| format!("--log-group '{group}'"));
    let (names, flags) = (missing.iter().cloned().collect::<Vec<_>>(), flags.collect::<Vec<_>>());
    let text = format!(
        "alerts will not show the last lines of these logs, which the notifier may not read: {}{}",
        names.join(", "),
        if whole { "" } else { " (and maybe others: not all task definitions were read)" }
    );
    Some(Note { text, hint: Some(flags.join(" ")) })
}

/// Returns a note for each flag of a filter that does not narrow all of the patterns: the others alert as before.
#[must_use]
pub fn alerting_as_before(config: &Config) -> Vec<Note> {
    let flags = ["--family", "--exclude-family", "--service", "--exclude-service", "--container"];
    let note = |flag: &&str| {
        let refuses = |pattern: &&Pattern| pattern.refused.contains(flag);
        let (refusing, narrowed): (Vec<&Pattern>, Vec<&Pattern>) = config.patterns.iter().partition(refuses);
        let names = |patterns: &[&Pattern]| {
            let names: Vec<&str> = patterns.iter().map(|pattern| pattern.name.as_str()).collect();
            names.join(" and ")
        };
        let are = |one: &'static str, several: &'static str| if refusing.len() == 1 { one } else { several };
        if refusing.is_empty() {
            return None;
        }
        let is_about_services = refusing.iter().all(|pattern| pattern.is_of_services());
        let why = match (is_about_services, *flag) {
            (true, "--service" | "--exclude-service") | (false, _) => {
                format!("{} cannot be narrowed by it and {} as before", names(&refusing), are("alerts", "alert"))
            }
            (true, _) => format!(
                "{} {} about services and {} as before; --service narrows {}",
                names(&refusing),
                are("is", "are"),
                are("alerts", "alert"),
                are("it", "them")
            ),
        };
        Some(Note { text: format!("{flag} narrows {}: {why}", names(&narrowed)), hint: None })
    };
    flags.iter().filter_map(note).collect()
}

/// Returns a note for each glob that covers no cluster yet, and one if globs cover the clusters of AWS Batch, whose jobs have alerts of
/// their own; none if the clusters cannot be listed.
pub async fn of_globs(config: &Config, sdk: &SdkConfig) -> Vec<Note> {
    let globs: Vec<&Cluster> = config.clusters.iter().filter(|cluster| cluster.is_glob()).collect();
    if globs.is_empty() {
        return Vec::new();
    }
    let Ok(names) = cluster::names(sdk).await else { return Vec::new() };
    let has_jobs = config.patterns.iter().any(|pattern| pattern.name == BATCH_JOB_FAILED);
    let is_covered = |name: &&String| globs.iter().any(|glob| glob.covers(name));
    let of_batch = names.iter().filter(is_covered).find(|name| has_jobs && cluster::is_of_batch(name)).map(|name| Note {
        text: format!(
            "AWS Batch runs its jobs in clusters like {name}, which the stack covers: each failed attempt alerts as a task, besides \
             {BATCH_JOB_FAILED}"
        ),
        hint: Some("--exclude-cluster 'AWSBatch-*' --exclude-cluster '*_Batch_*' leaves these clusters out".to_owned()),
    });
    let is_empty = |glob: &&&Cluster| !names.iter().any(|name| glob.covers(name));
    let note = |glob: &&Cluster| Note {
        text: format!("no ECS cluster here has a name like {glob} yet: the alerts begin with the first one"),
        hint: None,
    };
    globs.iter().filter(is_empty).map(note).chain(of_batch).collect()
}

/// Returns a note if the limited jobs in all clusters are too many for a look at each of them within a quarter of an hour; none if the
/// clusters cannot be listed.
pub async fn of_slow_sweeps(config: &Config, sdk: &SdkConfig) -> Option<Note> {
    let limits = |job: &&Job| job.expectations.iter().any(|one| matches!(one, Expectation::MaxRuntime(_)));
    let jobs: BTreeSet<&str> = config.jobs.iter().filter(limits).map(|job| job.name.as_str()).collect();
    if jobs.is_empty() {
        return None;
    }
    slow_sweeps(jobs.len(), cluster::meant(sdk, &config.clusters).await.ok()?.len())
}

fn slow_sweeps(jobs: usize, clusters: usize) -> Option<Note> {
    let sweeps = (jobs * clusters).div_ceil(LOOKS_A_SWEEP);
    let text = format!(
        "the notifier looks for runs over their limit every {} minutes, not every {MINUTES_OF_SWEEP}: {jobs} jobs with max-runtime in \
         {clusters} clusters are too many looks at once for the rate that ECS allows",
        sweeps * MINUTES_OF_SWEEP
    );
    (sweeps > UNNOTED_SWEEPS).then_some(Note { text, hint: None })
}

/// Returns a note about each pattern that no filter narrows and that the clusters of the stack do not narrow either, because its events
/// name no cluster.
#[must_use]
pub fn of_no_cluster(config: &Config) -> Vec<Note> {
    let of_catalogue = [
        (BATCH_JOB_FAILED, "failed jobs of every job queue", "--job-queue GLOB and --job-name GLOB"),
        (EXECUTION_FAILED, "failed executions of every state machine", "--state-machine GLOB"),
    ];
    let note = |(name, events, flags): (&str, &str, &str)| {
        let pattern = config.patterns.iter().find(|pattern| pattern.name == name)?;
        let whatever = if config.clusters.is_empty() { "" } else { ", whatever the clusters of the stack" };
        let text = format!("{name} alerts on {events} whose events arrive on the bus{whatever}");
        (!pattern.is_narrowed_by_jobs()).then(|| Note { text, hint: Some(format!("narrow it with {flags}")) })
    };
    of_catalogue.into_iter().filter_map(note).collect()
}

/// Returns the user's own parameters that do not exist.
///
/// # Errors
/// If AWS does not answer which parameters exist; on interruption.
pub async fn parameters_missing(config: &Config, session: &Session) -> Result<Vec<String>> {
    let names = config.parameters();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let found = session.unless_interrupted(parameter::missing(&session.sdk, &names)).await?;
    found.map_err(|fault| Error::from(fault).category(Category::Unreadable))
}

/// Returns the plan with the missing parameters. If the plan contains something unreadable, nothing can be decided anyway, and an
/// error about the parameters is dropped.
///
/// # Errors
/// If the missing parameters are not known, and everything else could be read.
pub fn lacking(plan: Plan, missing: Result<Vec<String>>) -> Result<Plan> {
    match missing {
        Err(error) if plan.unknown.is_empty() => Err(error),
        missing => Ok(Plan { missing: missing.unwrap_or_default(), ..plan }),
    }
}

/// Checks that AWS has room for the changes of a plan: for tags beside those of others, and for rules on the bus, beside those that
/// the other stacks of the run add. Lists the bus only if the plan adds rules, wildcards or clusters. If the plan contains something
/// unreadable, nothing can be decided anyway. Books the rules of a plan that can be applied. Returns a note for each other stack that
/// alerts on the same failures.
///
/// # Errors
/// If there is no room, or the rules on the bus cannot be read; on interruption.
pub async fn has_room(
    config: &Config,
    plan: &Plan,
    session: &Session,
    (room, place): (&Room, &Place),
) -> Result<Vec<Note>> {
    limits::check_tags(plan)?;
    if !plan.unknown.is_empty() || !limits::needs_room(plan) {
        return Ok(Vec::new());
    }
    let list = session.waiter.unless_throttled(|| bus::rules(&session.sdk));
    let rules = session.unless_interrupted(list).await?;
    let rules = rules.map_err(|fault| Error::from(fault).category(Category::Unreadable))?;
    let is_blocked = !plan.conflicts.is_empty() || !plan.missing.is_empty();
    let booked = if is_blocked { Vec::new() } else { limits::rules_of(plan) };
    let mut others = rules.clone();
    room.book(place, &session.stack, booked, |beside| {
        others.extend_from_slice(beside);
        limits::check_bus(config, &session.stack, plan, limits::Bus { rules: &rules, beside })
    })?;
    let found = overlaps(session.stack.name.as_str(), &limits::rules_of(plan), &others);
    Ok(found.iter().map(|overlap| Note { text: overlap.told(), hint: None }).collect())
}

/// # Errors
/// If users name a parameter or a role as their own that the stack owns, and that setup would therefore remove.
pub fn own_is_kept(plan: &Plan, config: &Config) -> Result<()> {
    let of_role = config.own_role_arn.as_ref().and_then(|arn| arn.rsplit('/').next());
    let is_used = |address: &Address| match address.id.kind {
        Kind::Parameter => config.parameters().contains(&address.name.as_str()),
        Kind::Role => of_role == Some(&address.name),
        // A configuration names no other resource as the user's own.
        Kind::LogGroup | Kind::Queue | Kind::Table | Kind::Alarm | Kind::Function | Kind::Rule | Kind::Watch => false,
    };
    let mut going = plan.steps.iter().filter(|step| step.action == Action::Remove).map(|step| &step.address);
    match going.find(|address| is_used(address)) {
        None => Ok(()),
        Some(address) => Err(Error::usage(format!(
            "{} belongs to this stack: setup would delete it while using it as yours",
            address.name
        ))
        .hint("leave out the flag that names it: the stack uses it anyway")),
    }
}

/// # Errors
/// If a parameter that the user owns is missing.
pub fn all_there(Plan { missing, .. }: &Plan) -> Result<()> {
    let Some(name) = missing.first() else { return Ok(()) };
    let error = Error::new(format!("there is no SSM parameter {} here; nothing was changed", missing.join(", ")));
    Err(error.hint(format!(
        "`aws ssm put-parameter --name {name} --type SecureString --value file://webhook.txt` creates it from a file"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_about_slow_sweeps_has_the_numbers_of_the_notifier() {
        let notifier = include_str!("../../../lambda/watch/sweep.mjs");
        assert!(notifier.contains(&format!("const LOOKS_A_SWEEP = {LOOKS_A_SWEEP};")));
        assert!(notifier.contains(&format!("const ROUND_MS = {MINUTES_OF_SWEEP} * 60_000;")));
        assert!(slow_sweeps(3, 100).is_none() && slow_sweeps(300, 1).is_none());
        let note = slow_sweeps(7, 43).unwrap();
        assert!(
            note.text.contains("every 20 minutes, not every 5: 7 jobs with max-runtime in 43 clusters"),
            "{}",
            note.text
        );
    }
}
