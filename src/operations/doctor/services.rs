//! Asks each service that taskbell uses for one small thing, and compares this machine's clock with AWS's.

use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::aws::calls::services::{Question, questions};
use crate::aws::calls::{bus, cluster};
use crate::aws::client::SdkConfig;
use crate::aws::client::credentials;
use crate::aws::client::dates::Dates;
use crate::aws::client::fault::{Fault, Trouble};
use crate::aws::client::wait::{self, at_most};
use crate::config::Cluster;
use crate::error::Error;
use crate::operations::check::Check;
use crate::operations::overlap::{Overlap, all_overlaps};
use crate::stack::{Stack, StackName};
use crate::words::count;

/// The longest wait for an answer.
pub(super) const LOOK: Duration = Duration::from_secs(10);
/// The clock difference from which AWS refuses signed requests, in seconds.
const FARTHEST: u64 = 5 * 60;
/// The clock difference that is ignored, in seconds: answers contain the time to the second, and take a moment to arrive.
const NEAR: u64 = 2;

/// The input of the requests to the services.
pub(super) struct Asked<'a> {
    pub sdk: SdkConfig,
    pub region: String,
    /// The source of the credentials, in words.
    pub source: String,
    /// The name of the stack. `None` if no stack is selected.
    pub name: Option<StackName>,
    pub clusters: &'a [Cluster],
    /// Whether the stacks have a file, so that commands for several stacks are likely.
    pub has_file: bool,
}

impl Asked<'_> {
    /// Asks all services at once, each for at most [`LOOK`].
    pub async fn look(&self, clock: fn() -> SystemTime) -> Vec<Check> {
        let dates = self.sdk.http_client().map(|client| Dates::new(client, clock));
        // Retry only once: a user who waits for a diagnosis should not wait for many attempts.
        let sdk = self.sdk.to_builder().retry_config(wait::retries().with_max_attempts(2));
        let sdk = match &dates {
            Some(dates) => sdk.http_client(dates.clone()).build(),
            None => sdk.build(),
        };
        let name = self.name.clone().or_else(|| "doctor".parse().ok());
        let stack = name.map(|name| Stack { name, region: self.region.clone() });
        let questions = stack.map(|stack| questions(&sdk, &stack, self.clusters)).unwrap_or_default();
        let answers = join_all(questions.into_iter().map(|question| self.answer(question)));
        let cluster = at_most(LOOK, cluster::missing(&sdk, self.clusters, ""));
        let globs: Vec<Cluster> = self.clusters.iter().filter(|cluster| cluster.is_glob()).cloned().collect();
        let covered = at_most(LOOK, cluster::meant(&sdk, &globs));
        let start = Instant::now();
        let caller = async { (at_most(LOOK, credentials::caller(&sdk)).await, milliseconds(start)) };
        let rules = at_most(LOOK, bus::of_stacks(&sdk));
        let ((caller, time), answers, cluster, covered, rules) = tokio::join!(caller, answers, cluster, covered, rules);
        let mut checks = self.of_caller(caller, time);
        checks.push(of_clock(dates.and_then(|dates| dates.ahead())));
        checks.extend(answers);
        let certain = self.clusters.iter().filter(|cluster| !cluster.is_glob());
        let names: Vec<&str> = certain.map(Cluster::name).collect();
        if !names.is_empty() {
            checks.push(match cluster {
                Some(Ok(None)) => Check::holds("cluster", format!("{}: found", names.join(", "))),
                Some(Ok(Some(error))) => Check::failed("cluster", &error),
                // The service's own line explains the problem of the service.
                Some(Err(fault)) => {
                    let told = format!("{}: not checked, {}", names.join(", "), fault.reason());
                    Check::unknown("cluster", told, "fix the ECS problem shown above")
                }
                None => no_answer("cluster"),
            });
        }
        checks.extend((!globs.is_empty()).then(|| of_globs(&globs, covered)));
        // The service's own line explains why its rules cannot be listed.
        let rules = rules.and_then(Result::ok).unwrap_or_default();
        let is_asked = |(stack, overlap): &(String, Overlap)| {
            let named = self.name.as_ref().map(StackName::as_str);
            named.is_none_or(|name| name == stack || name == overlap.stack)
        };
        let told = |(stack, overlap): (String, Overlap)| format!("{stack}: {}", overlap.told());
        let found: Vec<String> = all_overlaps(&rules).into_iter().filter(is_asked).map(told).collect();
        checks.extend((!found.is_empty()).then(|| Check::holds("overlap", found.join("; "))));
        checks
    }

    fn of_caller(&self, caller: Option<Result<String, Fault>>, time: i64) -> Vec<Check> {
        let found = format!("found: {}", self.source);
        match caller {
            Some(Ok(arn)) => vec![
                Check::holds("credentials", format!("{arn}, from {}", self.source)),
                Check::holds("STS", "answers").took(time),
            ],
            Some(Err(fault)) if fault.trouble() == Trouble::Credentials => {
                let error = Error::from(fault);
                let told = format!("{found}; AWS does not accept them: {}", error.in_one_line());
                vec![Check { told, ..Check::failed("credentials", &error) }, Check::holds("STS", "answers").took(time)]
            }
            Some(Err(fault)) => vec![Check::holds("credentials", found), refused("STS", fault, true).took(time)],
            None => vec![Check::holds("credentials", found), no_answer("STS")],
        }
    }

    async fn answer(&self, Question { service, of_stack, answer }: Question<'_>) -> Check {
        let start = Instant::now();
        let answer = at_most(LOOK, answer).await;
        let time = milliseconds(start);
        match answer {
            Some(Ok(())) => Check::holds(service, "answers").took(time),
            // Only commands for several stacks need this action.
            Some(Err(fault)) if fault.action() == "tag:GetResources" && fault.trouble() == Trouble::Denied => {
                let told = "answers; tag:GetResources is not allowed: `drift --all` and `teardown --orphans` need it";
                match self.has_file {
                    true => Check::broken(
                        service,
                        told,
                        "allow tag:GetResources on every resource: no stack's policy includes it",
                    ),
                    false => Check::holds(service, told),
                }
                .took(time)
            }
            Some(Err(fault)) => refused(service, fault, !of_stack || self.name.is_some()).took(time),
            None => no_answer(service),
        }
    }
}

/// Returns the check of a service whose call failed. An action that is denied without a stack may be allowed for a stack.
fn refused(service: &'static str, fault: Fault, of_known_stack: bool) -> Check {
    let (trouble, action, reason) = (fault.trouble(), fault.action(), fault.reason().to_owned());
    let error = Error::from(fault);
    let hint = error.nearest_hint().cloned().unwrap_or("run `taskbell doctor` again in a minute".into());
    let told = match trouble {
        Trouble::Denied if of_known_stack => format!("answers, but does not allow {action}"),
        Trouble::Denied => {
            let told = format!("answers; it is unknown whether {action} is allowed for your stack");
            return Check::unknown(service, told, "give --cluster NAME, or --stack NAME");
        }
        Trouble::Throttled => return Check::unknown(service, format!("is throttling calls: {error}"), hint),
        Trouble::Other => return Check::unknown(service, error.in_one_line(), hint),
        Trouble::Credentials | Trouble::Clock => error.in_one_line(),
        Trouble::Name => format!("the host name could not be resolved: {reason}"),
        Trouble::Certificate => format!("the server's certificate is not trusted: {reason}"),
        Trouble::Proxy => format!("the proxy refuses the connection: {reason}"),
        Trouble::Network => format!("cannot be reached: {reason}"),
    };
    Check::broken(service, told, hint)
}

/// Returns the check of clusters that globs cover. None of them has to exist.
fn of_globs(globs: &[Cluster], covered: Option<Result<Vec<String>, Fault>>) -> Check {
    let names = globs.iter().map(Cluster::name).collect::<Vec<_>>().join(", ");
    match covered {
        Some(Ok(found)) => match found.as_slice() {
            [] => Check::holds("cluster", format!("{names}: no cluster yet; alerts begin with the first one")),
            some => Check::holds("cluster", format!("{names}: {}", count(some.len(), "cluster"))),
        },
        Some(Err(fault)) => Check::unknown(
            "cluster",
            format!("{names}: not checked, {fault}"),
            "allow ecs:ListClusters on every resource",
        ),
        None => no_answer("cluster"),
    }
}

/// Returns the check of a question that AWS did not answer in time.
pub(super) fn no_answer(name: &'static str) -> Check {
    let hint = "check the network: it may be slow, or a firewall, a proxy or a VPC without a route to AWS may drop the requests";
    Check::unknown(name, format!("no answer within {} s", LOOK.as_secs()), hint)
}

/// Checks by how many seconds the clock of this machine differs from AWS's clock.
fn of_clock(ahead: Option<i64>) -> Check {
    let Some(ahead) = ahead else {
        return Check::unknown("clock", "not compared: no answer from AWS contained the time", "fix the network first");
    };
    let (off, word) = (ahead.unsigned_abs(), if ahead < 0 { "behind" } else { "ahead of" });
    match off {
        0..=NEAR => Check::holds("clock", "matches AWS's clock"),
        _ if off < FARTHEST => {
            Check::holds("clock", format!("{off} s {word} AWS's clock; AWS accepts up to 5 minutes"))
        }
        _ => Check::broken(
            "clock",
            format!("{off} s {word} AWS's clock; AWS refuses requests that are more than 5 minutes off"),
            "set this machine's clock, for example with `timedatectl set-ntp true`",
        ),
    }
}

fn milliseconds(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
}
