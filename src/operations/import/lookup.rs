//! Finds the rule of the alert that is to be replaced.

use super::existing::{ExistingAlert, unread};
use crate::arn;
use crate::aws::calls::foreign::Foreign;
use crate::config::WebhookHosts;
use crate::error::{Error, Hint, Result, nearest};
use crate::secret::without_secrets;
use crate::stack::Place;

/// Returns the alert of the rule with that name or ARN, if a stack can replace it.
pub async fn look_at(
    rule: &str,
    place: &Place,
    foreign: &Foreign,
    hosts: WebhookHosts,
    remove: bool,
) -> Result<ExistingAlert> {
    let name = name(rule)?;
    if arn::is_meant(rule) && rule != place.rule_arn(name) {
        let Place { region, account, .. } = place;
        return Err(Error::usage(format!("{rule} is not a rule on the default bus in {region}, account {account}"))
            .hint(Hint::CheckPlace));
    }
    let old = named(name, foreign, hosts).await?;
    old.can_be_taken_over()?;
    if remove {
        can_be_removed(&old, foreign).await?;
    }
    Ok(old)
}

/// Returns the name of the rule that the user gave by name or ARN.
///
/// # Errors
/// If the ARN is not the ARN of a rule.
pub fn name(rule: &str) -> Result<&str> {
    match arn::is_meant(rule) {
        true => arn::rule(rule).map(|(_, name)| name),
        false => Ok(rule),
    }
}

pub async fn named(name: &str, foreign: &Foreign, hosts: WebhookHosts) -> Result<ExistingAlert> {
    let rules = foreign.rules().await.map_err(unread("the rules"))?;
    let Some(rule) = rules.iter().find(|rule| rule.name == *name) else {
        let near = nearest(rules.iter().map(|rule| rule.name.as_str()), name);
        let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
        return Err(Error::usage(format!("there is no rule {} on the default bus", without_secrets(name)))
            .hint(format!("{near}`taskbell import` lists the rules that alert on ECS events")));
    };
    ExistingAlert::read(rule.clone(), foreign, hosts).await
}

/// # Errors
/// If anything else invokes the function, or the function's triggers cannot be read.
pub async fn can_be_removed(old: &ExistingAlert, foreign: &Foreign) -> Result<()> {
    let Some(function) = &old.function else { return Ok(()) };
    let name = &function.name;
    let triggers = foreign.other_triggers(function, &old.rule.arn).await;
    let triggers = triggers.map_err(unread(&format!("the other triggers of the function {name}")))?;
    let why = match triggers.first() {
        Some(trigger) => format!("the function {name} cannot be removed: {trigger}"),
        None if old.qualifier().is_some() => {
            format!("the rule invokes only a version or an alias of the function {name}")
        }
        None => return Ok(()),
    };
    Err(Error::new(why).hint("without --remove-old the rule is disabled, and the function stays"))
}
