//! Finds the logs of the clusters' tasks that the notifier may not read, patterns that no cluster narrows, the user's own parameters that
//! do not exist, and changes for which AWS has no room.

use std::collections::BTreeSet;

use crate::aws::calls::{bus, workload};
use crate::aws::client::SdkConfig;
use crate::aws::kinds::parameter;
use crate::config::{Config, log_group_covers};
use crate::desired::limits;
use crate::error::{Category, Error, Result};
use crate::operations::events::Note;
use crate::operations::room::Room;
use crate::operations::session::Session;
use crate::pattern::{BATCH_JOB_FAILED, EXECUTION_FAILED};
use crate::reconcile::plan::{Action, Plan};
use crate::stack::{Address, Kind, Place};

/// Returns a note about the log groups of the clusters' tasks that the notifier may not read, with the flags that would allow it.
pub async fn logs_beyond(config: &Config, sdk: &SdkConfig) -> Option<Note> {
    let covered = &config.log_groups;
    if covered.is_empty() || config.own_role_arn.is_some() {
        return None;
    }
    let (mut missing, mut whole) = (BTreeSet::new(), true);
    for cluster in &config.clusters {
        match workload::log_groups(sdk, cluster.name()).await {
            Ok(found) => {
                missing.extend(found.groups);
                whole &= found.whole;
            }
            // Another check, at the same time, asks for the cluster itself.
            Err(fault) if fault.is(&["ClusterNotFoundException"]) => {}
            Err(fault) => {
                let text = format!("the logs of the clusters' tasks could not be determined: {fault}");
                return Some(Note { text, hint: None });
            }
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

/// Returns a note about each pattern that no filter narrows and that the clusters of the stack do not narrow either, because its events
/// name no cluster.
pub fn of_no_cluster(config: &Config) -> Vec<Note> {
    let of_catalogue = [
        (BATCH_JOB_FAILED, "failed jobs of every job queue", "--job-queue GLOB and --job-name GLOB"),
        (EXECUTION_FAILED, "failed executions of every state machine", "--state-machine GLOB"),
    ];
    let note = |(name, events, flags): (&str, &str, &str)| {
        let pattern = config.patterns.iter().find(|pattern| pattern.name == name)?;
        let whatever = if config.clusters.is_empty() { "" } else { ", whatever the clusters of the stack" };
        let text = format!("{name} alerts on {events} of the account and region{whatever}");
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
/// the other stacks of the run add. Lists the bus only if the plan adds rules or wildcards. If the plan contains something
/// unreadable, nothing can be decided anyway. Books the rules of a plan that can be applied.
///
/// # Errors
/// If there is no room, or the rules on the bus cannot be read; on interruption.
pub async fn has_room(config: &Config, plan: &Plan, session: &Session, (room, place): (&Room, &Place)) -> Result<()> {
    limits::check_tags(plan)?;
    if !plan.unknown.is_empty() || !limits::needs_room(plan) {
        return Ok(());
    }
    let list = session.waiter.unless_throttled(|| bus::rules(&session.sdk));
    let rules = session.unless_interrupted(list).await?;
    let rules = rules.map_err(|fault| Error::from(fault).category(Category::Unreadable))?;
    let is_blocked = !plan.conflicts.is_empty() || !plan.missing.is_empty();
    let booked = if is_blocked { Vec::new() } else { limits::rules_of(plan) };
    room.book(place, &session.stack, booked, |beside| {
        limits::check_bus(config, &session.stack, plan, limits::Bus { rules: &rules, beside })
    })
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
