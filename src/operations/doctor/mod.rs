//! Checks everything that taskbell needs, all at once: the file, the webhook's format, region, credentials, clock, services and
//! clusters. Changes nothing.

mod services;

use super::check::{Check, Held};
use super::events::Asking;
use super::session::{asking, unless};
use super::target::Context;
use super::verdict::Verdict;
use crate::aws::client::credentials;
use crate::aws::client::wait::at_most;
use crate::aws::kinds::parameter::Webhook;
use crate::config::file::{File, Member, Site};
use crate::config::{self, Cluster};
use crate::error::{Hint, Result};
use crate::stack::StackName;
use crate::words::count;
use services::{Asked, LOOK, no_answer};

/// The input of the checks.
pub struct Request {
    /// The file of the stacks, if it exists, or the error about it.
    pub file: Result<Option<File>>,
    /// The selected stack of the file, or else the file's defaults.
    pub member: Member,
    /// The region and the account that the flags and the file select.
    pub site: Site,
    /// The name of the stack. `None` if no stack is selected.
    pub stack: Option<StackName>,
    pub clusters: Vec<Cluster>,
    /// The webhook of the environment, unchecked.
    pub webhook: Option<Webhook>,
    /// The lookup of an environment variable, for the report about the source of the region.
    pub variable: fn(&str) -> Option<String>,
}

/// The results of all checks, in the order in which they are shown.
pub struct Examination {
    pub checks: Vec<Check>,
}

impl Examination {
    /// Returns the number of checks with this outcome.
    #[must_use]
    pub fn count(&self, held: Held) -> usize {
        self.checks.iter().filter(|check| check.held == held).count()
    }

    /// Returns the verdict on all checks. A broken check outranks an unknown one: the user has to fix the broken one first.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.count(Held::No), self.count(Held::Unknown)) {
            (0, 0) => Verdict::InSync,
            (0, _) => Verdict::Unreadable,
            _ => Verdict::Failed,
        }
    }
}

/// Makes all checks. A problem is the result of its check, and not an error.
///
/// # Errors
/// On interruption.
pub async fn examine(request: &Request, context: &Context) -> Result<Examination> {
    let checks = unless(&context.cancel, asking(&context.listener, Asking::Look, look(request, context))).await?;
    Ok(Examination { checks })
}

async fn look(request: &Request, context: &Context) -> Vec<Check> {
    let mut checks = vec![of_file(&request.file), of_webhook(request)];
    let sdk = match at_most(LOOK, context.connections.configuration(&request.site)).await {
        Some(Ok(sdk)) => sdk,
        Some(Err(error)) => {
            checks.push(Check::failed("credentials", &error));
            return checks;
        }
        None => {
            checks.push(no_answer("credentials"));
            return checks;
        }
    };
    let region = sdk.region().map(ToString::to_string);
    checks.push(of_region(region.as_deref(), request, context).await);
    let source = at_most(LOOK, credentials::source(&sdk)).await;
    let (Some(Ok(source)), Some(region)) = (&source, region) else {
        checks.push(match source {
            Some(Ok(source)) => Check::holds("credentials", format!("found: {source}")),
            Some(Err(error)) => Check::failed("credentials", &error),
            None => no_answer("credentials"),
        });
        let hint = "configure credentials and a region first";
        checks.push(Check::unknown("services", "were not checked", hint));
        return checks;
    };
    let asked = Asked {
        sdk,
        region,
        source: source.clone(),
        name: request.stack.clone(),
        clusters: &request.clusters,
        has_file: matches!(request.file, Ok(Some(_))),
    };
    checks.extend(asked.look(context.clock).await);
    checks
}

fn of_file(file: &Result<Option<File>>) -> Check {
    match file {
        Ok(Some(file)) => {
            let stacks = count(file.stacks.len(), "stack");
            Check::holds("file", format!("{} is valid: {stacks}", file.path.display()))
        }
        Ok(None) => Check::holds("file", "no taskbell.toml in this folder: flags are used instead"),
        Err(error) => Check::failed("file", error),
    }
}

/// Checks only the webhook's format. Never prints the webhook, and never sends anything to it.
fn of_webhook(Request { webhook, member, .. }: &Request) -> Check {
    let Some(webhook) = webhook else {
        return Check::holds("webhook", "none in TASKBELL_SLACK_WEBHOOK_URL: `setup` asks for one if none is stored");
    };
    match config::webhook(webhook.reveal(), member.settings.hosts()) {
        Ok(_) => Check::holds("webhook", "TASKBELL_SLACK_WEBHOOK_URL has the format of a webhook"),
        Err(error) => Check::failed("webhook", &error),
    }
}

async fn of_region(region: Option<&str>, request: &Request, context: &Context) -> Check {
    let Some(region) = region else {
        return Check::broken("region", "no AWS region is configured", Hint::NameRegion);
    };
    let Request { site, member, variable, .. } = request;
    let is_in = |name: &str| variable(name).is_some_and(|value| value == region);
    let of_file = site.region == member.site.region;
    let variable = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find(|name| is_in(name));
    let origin = match (&site.region, variable) {
        (Some(_), _) if of_file => "from taskbell.toml".to_owned(),
        (Some(_), _) => "from --region".to_owned(),
        (None, Some(variable)) => format!("from {variable}"),
        (None, None) if context.connections.is_given() => "as given".to_owned(),
        (None, None) => match credentials::profile(site.profile.as_deref()).await {
            Some((name, true)) => format!("from the profile {name}"),
            _ => "from the metadata of this machine".to_owned(),
        },
    };
    Check::holds("region", format!("{region}, {origin}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_check_outranks_an_unknown_one() {
        let verdict = |checks: &[Check]| Examination { checks: checks.to_vec() }.verdict();
        let [fine, unknown, broken] = [Check::holds("a", ""), Check::unknown("b", "", ""), Check::broken("c", "", "")];
        assert_eq!(verdict(&[]), Verdict::InSync);
        assert_eq!(verdict(std::slice::from_ref(&fine)), Verdict::InSync);
        assert_eq!(verdict(&[fine.clone(), unknown.clone()]), Verdict::Unreadable);
        assert_eq!(verdict(&[fine, unknown, broken]), Verdict::Failed);
    }
}
