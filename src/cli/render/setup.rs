//! Renders the output of `setup`.

use serde_json::Value;

use super::heading::heading;
use super::json::plan_json;
use super::plan::plan;
use crate::aws::kinds::parameter::Webhook;
use crate::config::{Cluster, Config, webhook_service};
use crate::error::Error;
use crate::operations::drill::Drill;
use crate::operations::setup::{Applied, Failed, Halt, Prepared};
use crate::reconcile::engine::Report;
use crate::reconcile::plan::Plan;
use crate::stack::{Place, Stack};
use crate::style::plain;
use crate::words::count;

/// The most clusters that the question names.
const MOST_CLUSTERS: usize = 10;

/// Precedes the question for the webhook.
pub const WEBHOOK: &str = "\
Paste the URL of the Slack incoming webhook that receives the alerts.
Make one at https://api.slack.com/messaging/webhooks
The URL of a Teams workflow or of a Discord webhook works, too.
Enter alone cancels.
";

/// Asks for the webhook.
pub const ASK_WEBHOOK: &str = "Webhook (not shown): ";

/// Returns the answer to a webhook: the service to which it belongs, and no part of it.
pub fn accepted(webhook: &Webhook) -> String {
    format!("This is {}.\n", webhook_service(webhook))
}

/// Returns the question before the changes.
pub fn question(prepared: &Prepared) -> String {
    let Prepared { stack, place, plan, .. } = prepared;
    let clusters = clusters(prepared.config());
    format!("Make {} to the {}{clusters}", count(plan.steps.len(), "change"), heading(stack, place))
}

/// Returns the clusters of a stack for several, of which its name has only one.
fn clusters(Config { clusters, .. }: &Config) -> String {
    if clusters.len() < 2 { String::new() } else { of_clusters(clusters.iter().map(Cluster::name)) }
}

/// Returns the names of several clusters, behind the name of their stack.
pub fn of_clusters<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(MOST_CLUSTERS);
    let shown: Vec<&str> = names.take(MOST_CLUSTERS).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(" (clusters {}{more})", shown.join(", "))
}

/// Returns the plan, and the drill that was sent although the plan is empty, as one object.
pub fn prepared_object(Prepared { stack, place, plan, .. }: &Prepared, drill: Option<&Drill>, command: &str) -> Value {
    object((stack, place, plan), None, drill, command)
}

fn object(
    (stack, place, plan): (&Stack, &Place, &Plan),
    result: Option<(&Report, bool)>,
    drill: Option<&Drill>,
    command: &str,
) -> Value {
    let mut object = plan_json(stack, place, plan, result);
    if let Some(drill) = drill {
        object["drill"] = super::drill::object(drill, command);
    }
    object
}

/// Returns the applied plan, its result and the drill after it, as one object.
pub fn applied_object(applied: &Applied, command: &str) -> Value {
    let Applied { stack, place, plan, report, failed, drill, .. } = applied;
    let drill = drill.as_ref().and_then(|drill| drill.as_ref().ok());
    object((stack, place, plan), Some((report, failed.is_none())), drill, command)
}

/// Returns the next step after a plan that was only shown, if there is one and the user can be told.
pub fn to_do(prepared: &Prepared, tells: bool) -> String {
    let is_ready = !prepared.plan.is_in_sync() && prepared.refusal().is_none();
    let next = if tells && is_ready { "Run the same command without --dry-run to set it up.\n" } else { "" };
    next.to_owned()
}

/// Returns the message that something could not be read, with hints, if that is so. `command` is the name in `permissions --for`.
pub fn unreadable(plan: &Plan, command: &str) -> String {
    if plan.unknown.is_empty() {
        return String::new();
    }
    format!("Something could not be read, so nothing was changed.\n{}", super::error::hints(plan, command))
}

/// Returns the result of the drill after a setup, or the text that precedes the setup's error. `command` is the name in `permissions --for`.
pub fn end(applied: &Applied, quiet: bool, command: &str) -> String {
    match (&applied.failed, &applied.drill) {
        (Some(failed), _) => failure(&applied.report, failed, command),
        (None, Some(Ok(drill))) => super::drill::end(drill, quiet, command),
        (None, Some(Err(_)) | None) => String::new(),
    }
}

/// Returns the error of a setup or of the drill after it, if one of them failed.
pub fn error(Applied { failed, drill, .. }: Applied) -> Option<Error> {
    failed.map(error_of).or_else(|| drill?.err())
}

fn failure(report: &Report, failed: &Failed, command: &str) -> String {
    match failed {
        Failed::NotBegun(_) => String::new(),
        Failed::HalfDone(_) | Failed::Incomplete(_) => super::error::report(report, command),
        Failed::Unsettled { left, .. } => left.as_ref().map(|left| plan(left, false)).unwrap_or_default(),
    }
}

fn error_of(failed: Failed) -> Error {
    match failed {
        Failed::NotBegun(halt) | Failed::HalfDone(halt) => match halt {
            Halt::Changed(now) => {
                Error::new(format!("AWS has changed in the meantime:\n{}", plain(&plan(&now, false))))
                    .hint("run the same command again")
            }
            Halt::Error(error) => error,
        },
        Failed::Incomplete(error) | Failed::Unsettled { error, .. } => error,
    }
}
