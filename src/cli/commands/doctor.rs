//! Runs `doctor`: checks everything that taskbell needs, all at once, and changes nothing.

use std::time::Duration;

use aws_config::SdkConfig;
use clap::Args as ClapArgs;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::aws::calls::cluster;
use crate::aws::calls::services::{Question, questions};
use crate::aws::client::credentials;
use crate::aws::client::dates::Dates;
use crate::aws::client::fault::{Fault, Trouble};
use crate::aws::client::wait::{self, at_most};
use crate::cli::args::common::{ClusterArgs, Common, Format};
use crate::cli::args::fleet::OfStack;
use crate::cli::exit::code;
use crate::cli::render;
use crate::cli::run::fleet::one;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::config::file::{File, Member};
use crate::config::settings::Settings;
use crate::config::{self, Cluster, WebhookHosts};
use crate::error::{Error, Result};
use crate::operations::check::Check;
use crate::operations::session::unless;
use crate::stack::{Stack, StackName};

/// Check what taskbell needs: credentials, region, clock, network, permissions.
///
/// Asks each service that taskbell uses for one small thing, all at once, and none for longer than 10 seconds. With --cluster,
/// looks whether it exists, and asks about its stack. Reads taskbell.toml, if there is one, and looks at the webhook's form, if
/// one is given. Changes nothing, and sends nothing to Slack. Exit code 0: all is well; 1: something is broken; 3: something is
/// not known.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell doctor
  taskbell doctor --cluster batch --profile prod")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        &self.clusters.clusters
    }

    fn complete(&mut self, settings: &Settings) {
        self.clusters.complete(settings);
    }
}

/// The longest wait for an answer.
const LOOK: Duration = Duration::from_secs(10);
/// The clock difference from which AWS refuses signed requests, in seconds.
const FARTHEST: u64 = 5 * 60;
/// The clock difference that is ignored, in seconds: answers contain the time to the second, and take a moment to arrive.
const NEAR: u64 = 2;

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let progress = Progress::new(common, world);
    let looks = progress.patiently(Box::pin(look(args, common, world)));
    let checks = unless(&world.cancel, looks).await??;
    progress.finish();
    world.out.print(&match common.output {
        Format::Json => render::doctor::json(&checks),
        Format::Text | Format::Github | Format::Markdown => render::doctor::text(&checks),
    });
    Ok(code(render::doctor::verdict(&checks)))
}

async fn look(mut args: Args, common: &Common, world: &World) -> Result<Vec<Check>> {
    let file = File::find(common.config.as_deref());
    let member = match &file {
        Ok(Some(file)) => match one(&args, common, Some(file)) {
            // With several stacks and none selected, check only the file's defaults (region, profile).
            Err(_) if common.stacks.is_empty() && args.clusters().is_empty() => file.defaults.clone(),
            member => member?,
        },
        _ => Member::default(),
    };
    args.complete(&member.settings);
    let common = common.at(&member);
    let clusters = args.clusters.parse()?;
    let is_named = !common.stacks.is_empty() || !clusters.is_empty();
    let name = is_named.then(|| common.stack_name(&clusters)).transpose()?;
    let mut checks = vec![of_file(&file), of_webhook(member.settings.hosts(), world)];
    let sdk = at_most(LOOK, world.connections.configuration(&common.site())).await;
    let sdk = match sdk {
        Some(Ok(sdk)) => sdk,
        Some(Err(error)) => {
            checks.push(Check::failed("credentials", &error));
            return Ok(checks);
        }
        None => {
            checks.push(no_answer("credentials"));
            return Ok(checks);
        }
    };
    let region = sdk.region().map(ToString::to_string);
    checks.push(of_region(region.as_deref(), &member, &common, world).await);
    let source = at_most(LOOK, credentials::source(&sdk)).await;
    let (Some(Ok(source)), Some(region)) = (&source, region) else {
        checks.push(match source {
            Some(Ok(source)) => Check::holds("credentials", format!("found: {source}")),
            Some(Err(error)) => Check::failed("credentials", &error),
            None => no_answer("credentials"),
        });
        let hint = "they are asked once there are credentials and a region";
        checks.push(Check::unknown("services", "were not asked", hint));
        return Ok(checks);
    };
    let has_file = matches!(file, Ok(Some(_)));
    let asked = Asked { sdk, region, source: source.clone(), name, clusters, has_file };
    checks.extend(asked.look(world).await);
    Ok(checks)
}

fn of_file(file: &Result<Option<File>>) -> Check {
    match file {
        Ok(Some(file)) => {
            let stacks = crate::cli::render::count(file.stacks.len(), "stack");
            Check::holds("file", format!("{} is right: {stacks}", file.path.display()))
        }
        Ok(None) => Check::holds("file", "no taskbell.toml in this folder: flags say what is meant"),
        Err(error) => Check::failed("file", error),
    }
}

/// Checks only the webhook's format. Never prints the webhook, and never sends anything to it.
fn of_webhook(hosts: WebhookHosts, world: &World) -> Check {
    let Some(webhook) = &world.webhook else {
        return Check::holds(
            "webhook",
            "none in TASKBELL_SLACK_WEBHOOK_URL: `setup` asks for one where none is stored",
        );
    };
    match config::webhook(webhook.reveal(), hosts) {
        Ok(_) => Check::holds("webhook", "what TASKBELL_SLACK_WEBHOOK_URL holds has the form of one"),
        Err(error) => Check::failed("webhook", &error),
    }
}

async fn of_region(region: Option<&str>, member: &Member, common: &Common, world: &World) -> Check {
    let Some(region) = region else {
        let hint = "give --region, or set AWS_REGION, or a region in the profile";
        return Check::broken("region", "no AWS region is configured", hint);
    };
    let is_in = |name: &str| (world.variable)(name).is_some_and(|value| value == region);
    let of_file = common.region == member.site.region;
    let variable = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find(|name| is_in(name));
    let origin = match (&common.region, variable) {
        (Some(_), _) if of_file => "from taskbell.toml".to_owned(),
        (Some(_), _) => "from --region".to_owned(),
        (None, Some(variable)) => format!("from {variable}"),
        (None, None) if world.connections.is_given() => "as given".to_owned(),
        (None, None) => match credentials::profile(common.profile.as_deref()).await {
            Some((name, true)) => format!("from the profile {name}"),
            _ => "from where this machine is".to_owned(),
        },
    };
    Check::holds("region", format!("{region}, {origin}"))
}

/// The input of the requests to the services.
struct Asked {
    sdk: SdkConfig,
    region: String,
    source: String,
    /// The name of the stack. `None` if no stack is selected.
    name: Option<StackName>,
    clusters: Vec<Cluster>,
    has_file: bool,
}

impl Asked {
    async fn look(&self, world: &World) -> Vec<Check> {
        let dates = self.sdk.http_client().map(|client| Dates::new(client, world.clock));
        // Retry only once: a user who waits for a diagnosis should not wait for many attempts.
        let sdk = self.sdk.to_builder().retry_config(wait::retries().with_max_attempts(2));
        let sdk = match &dates {
            Some(dates) => sdk.http_client(dates.clone()).build(),
            None => sdk.build(),
        };
        let name = self.name.clone().or_else(|| "doctor".parse().ok());
        let stack = name.map(|name| Stack { name, region: self.region.clone() });
        let questions = stack.map(|stack| questions(&sdk, &stack, &self.clusters)).unwrap_or_default();
        let answers = join_all(questions.into_iter().map(|question| self.answer(question)));
        let cluster = at_most(LOOK, cluster::missing(&sdk, &self.clusters, ""));
        let start = Instant::now();
        let caller = async { (at_most(LOOK, credentials::caller(&sdk)).await, milliseconds(start)) };
        let ((caller, time), answers, cluster) = tokio::join!(caller, answers, cluster);
        let mut checks = self.of_caller(caller, time);
        checks.push(of_clock(dates.and_then(|dates| dates.ahead())));
        checks.extend(answers);
        let names: Vec<&str> = self.clusters.iter().map(Cluster::name).collect();
        if !names.is_empty() {
            checks.push(match cluster {
                Some(Ok(None)) => Check::holds("cluster", format!("{}: there", names.join(", "))),
                Some(Ok(Some(error))) => Check::failed("cluster", &error),
                // The service's own line explains the problem of the service.
                Some(Err(fault)) => {
                    let told = format!("{}: not looked for, {}", names.join(", "), fault.reason());
                    Check::unknown("cluster", told, "mend what ECS is told to have, above")
                }
                None => no_answer("cluster"),
            });
        }
        checks
    }

    fn of_caller(&self, caller: Option<Result<String, Fault>>, time: i64) -> Vec<Check> {
        let found = format!("found: {}", self.source);
        match caller {
            Some(Ok(arn)) => vec![
                Check::holds("credentials", format!("{arn}, by {}", self.source)),
                Check::holds("STS", "answers").took(time),
            ],
            Some(Err(fault)) if fault.trouble() == Trouble::Credentials => {
                let error = Error::from(fault);
                let told = format!("{found}; AWS does not take them: {}", error.in_one_line());
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
                    true => Check::broken(service, told, "no stack's policy has it: allow it on every resource"),
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
    let hint = error.nearest_hint().cloned().unwrap_or("it may be over in a minute: look again".into());
    let told = match trouble {
        Trouble::Denied if of_known_stack => format!("answers, and does not allow {action}"),
        Trouble::Denied => {
            let told = format!("answers; whether {action} is allowed for your stack is not known");
            return Check::unknown(service, told, "give --cluster NAME, or --stack NAME");
        }
        Trouble::Throttled => return Check::unknown(service, format!("takes no more calls: {error}"), hint),
        Trouble::Other => return Check::unknown(service, error.in_one_line(), hint),
        Trouble::Credentials | Trouble::Clock => error.in_one_line(),
        Trouble::Name => format!("its host has no address here: {reason}"),
        Trouble::Certificate => format!("whoever answers is not trusted: {reason}"),
        Trouble::Proxy => format!("the proxy does not lead there: {reason}"),
        Trouble::Network => format!("cannot be reached: {reason}"),
    };
    Check::broken(service, told, hint)
}

fn no_answer(name: &'static str) -> Check {
    let hint = "the network is slow, or something drops what is sent: a firewall, a proxy, a VPC without a way out";
    Check::unknown(name, format!("no answer within {} s", LOOK.as_secs()), hint)
}

/// Checks by how many seconds the clock of this machine differs from AWS's clock.
fn of_clock(ahead: Option<i64>) -> Check {
    let Some(ahead) = ahead else {
        return Check::unknown("clock", "not compared: no answer of AWS says the time", "mend the network first");
    };
    let (off, word) = (ahead.unsigned_abs(), if ahead < 0 { "behind" } else { "ahead of" });
    match off {
        0..=NEAR => Check::holds("clock", "as AWS's"),
        _ if off < FARTHEST => Check::holds("clock", format!("{off} s {word} AWS's; up to 5 minutes are taken")),
        _ => Check::broken(
            "clock",
            format!("{off} s {word} AWS's, which takes nothing signed more than 5 minutes off"),
            "set this machine's clock: `timedatectl set-ntp true`, or whatever keeps it on time",
        ),
    }
}

fn milliseconds(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
}
