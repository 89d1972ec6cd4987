//! `import`: takes over an alert that was made by hand or by a module: the same for the same clusters as a stack, proved by a
//! drill, and only then the old one is switched off. Names in AWS cannot be changed, so nothing of the old one becomes ours.

mod about;
mod compare;
mod found;
mod switch;
mod told;

use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;

use super::fleet::{self, FleetArgs, OfStack};
use super::options::{Common, StackArgs};
use super::session::{Session, no_account};
use super::setup::{self, Sequel};
use super::world::World;
use crate::aws::Given;
use crate::aws::foreign::Foreign;
use crate::aws::parameter::Webhook;
use crate::config::{self, Cluster, Config, WebhookHosts};
use crate::desired::cluster_arn;
use crate::drill::Scenario;
use crate::error::{Category, Error, Result, nearest};
use crate::pattern::matcher::Matcher;
use crate::pattern::{self, DRILL_SOURCE, Pattern};
use crate::settings::{Settings, items};
use crate::stack::{Place, StackName};
use found::{Clusters, Old};
use switch::Switch;

/// Take over an alert that was made by hand or by a module.
///
/// Without RULE, shows which rules there are. With it, sets up a stack for the same clusters and the same webhook, proves it by a
/// drill, and only then disables the old rule, so that no failure goes unheard meanwhile. Shows what it would do and asks. Takes
/// the flags of `setup`.
#[derive(Debug, Clone, ClapArgs)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_help = "\
Examples:
  taskbell import
  taskbell import ecs-task-failed --dry-run
  taskbell import ecs-task-failed --cluster batch --remove-old")]
pub struct Args {
    /// The rule to take over, by name or ARN; without it, which there are
    rule: Option<String>,
    #[command(flatten)]
    stack: StackArgs,
    /// Ring for what the old pattern takes, instead of what the default patterns take
    #[arg(long, conflicts_with = "patterns")]
    keep_pattern: bool,
    /// Remove the old rule and its function in the end, instead of disabling the rule
    #[arg(long)]
    remove_old: bool,
    /// Take a cluster that does not exist (yet)
    #[arg(long)]
    allow_missing_cluster: bool,
    /// Take over a resource that has one of the stack's names but is not ours, as in `log_group/notifier`; may be repeated
    #[arg(long = "adopt", value_name = "ID")]
    adopt: Vec<String>,
    /// Do not ask EventBridge whether it agrees about the patterns: for emulators of AWS that do not
    #[arg(long)]
    no_pattern_check: bool,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// What the flags say, without the file: which stack of it is meant, the rule may say.
    #[arg(skip)]
    flags: Box<Settings>,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        items(&self.stack.settings.clusters)
    }

    fn complete(&mut self, settings: &Settings) {
        *self.flags = self.stack.settings.clone();
        self.stack.complete(settings);
    }

    /// Which clusters it is about, the rule may say.
    fn needs_stack(&self) -> bool {
        !items(&self.stack.settings.clusters).is_empty()
    }
}

pub async fn run(mut args: Args, common: &Common, world: &World) -> Result<u8> {
    let given = Given::default();
    let session = Session::open("import".parse()?, given, common, world).await?;
    let place = session.unless_interrupted(session.identity.place()).await?.map_err(no_account)?.clone();
    let foreign = Foreign::new(&session.sdk, &session.waiter, &session.identity);
    match args.rule.take() {
        None => {
            let look = found::candidates(&foreign, &place, args.stack.settings.hosts());
            let candidates = session.unless_interrupted(Box::pin(look)).await??;
            Ok(told::list(&candidates, &place, common, world))
        }
        Some(rule) => {
            let hosts = args.stack.settings.hosts();
            let look = Box::pin(look_at(&rule, &place, &foreign, hosts, args.remove_old));
            let old = session.unless_interrupted(look).await?.inspect_err(|error| {
                if error.kind() == Category::Unreadable {
                    world.err.print("Nothing was changed.\n");
                }
            })?;
            let found = Found { old, hosts, foreign, session, place };
            Box::pin(take_over(args, &found, common, world)).await
        }
    }
}

/// What is there, and where "there" is.
struct Found {
    old: Old,
    hosts: WebhookHosts,
    foreign: Foreign,
    session: Session,
    place: Place,
}

/// The rule of that name or ARN, with all that hangs on it, if it can be taken over.
async fn look_at(rule: &str, place: &Place, foreign: &Foreign, hosts: WebhookHosts, remove: bool) -> Result<Old> {
    let name = rule.rsplit(":rule/").next().unwrap_or_default();
    if rule.starts_with("arn:") && rule != place.rule_arn(name) {
        let Place { region, account, .. } = place;
        return Err(Error::usage(format!("{rule} is no rule on the default bus in {region}, account {account}"))
            .hint("--region and --profile lead to another place"));
    }
    let old = named(name, foreign, hosts).await?;
    old.can_be_taken_over()?;
    if remove {
        can_be_removed(&old, foreign).await?;
    }
    Ok(old)
}

async fn named(name: &str, foreign: &Foreign, hosts: WebhookHosts) -> Result<Old> {
    let rules = foreign.rules().await.map_err(unread("the rules"))?;
    let Some(rule) = rules.iter().find(|rule| rule.name == *name) else {
        let near = nearest(rules.iter().map(|rule| rule.name.as_str()), name);
        let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
        return Err(Error::usage(format!("there is no rule {name} on the default bus"))
            .hint(format!("{near}`taskbell import` lists those that ring for ECS")));
    };
    Old::read(rule.clone(), foreign, hosts).await
}

/// # Errors
/// If anything else would go with the function, or that cannot be read.
async fn can_be_removed(old: &Old, foreign: &Foreign) -> Result<()> {
    let Some(function) = &old.function else { return Ok(()) };
    let name = &function.name;
    let triggers = foreign.other_triggers(function, &old.rule.arn).await;
    let triggers = triggers.map_err(unread(&format!("what else rings the function {name}")))?;
    let why = match triggers.first() {
        Some(trigger) => format!("the function {name} cannot be removed: {trigger}"),
        None if old.qualifier().is_some() => format!("the rule rings a version of the function {name}, not the whole"),
        None => return Ok(()),
    };
    Err(Error::new(why).hint("without --remove-old the rule is disabled, and the function stays"))
}

async fn take_over(mut args: Args, found: &Found, common: &Common, world: &World) -> Result<u8> {
    let Found { old, hosts, foreign, session, place } = found;
    let named = clusters(&args, old, place)?;
    let name = common.stack_name(&config::clusters(&named)?)?;
    let in_file = fleet::member(&name, place, common)?;
    if let Some((_, Some(member))) = &in_file {
        args.stack.settings = std::mem::take(&mut *args.flags);
        args.stack.complete(&member.settings);
    }
    args.stack.settings.clusters.get_or_insert(named);
    let filters = args.stack.settings.filters.checked()?;
    let filters: Vec<&str> = filters.apart().into_iter().map(|(flag, _)| flag).collect();
    let config = config(&mut args, name, old)?;
    let cluster_arns = config.clusters.iter().map(|cluster| cluster_arn(cluster, place)).collect::<Result<Vec<_>>>()?;
    let webhook = webhook(&args, old, world)?;
    let no_longer = clusters_left_out(&args, old, &cluster_arns);
    let compared = compare::compare(&old.pattern, &config.patterns, config.drill, &cluster_arns)?;
    let beyond = about::beyond_samples(&old.pattern.to_value(), &place.cluster_arn("default"))?;
    let story = told::Story {
        old,
        webhook: &webhook,
        compared: &compared,
        no_longer: &no_longer,
        filters: &filters,
        beyond: &beyond,
    };
    story.show(common, world);

    let left = old.rule.is_enabled() || args.remove_old;
    let drill = left && !args.dry_run && config.drill == pattern::Drill::Accepted;
    let scenario = if drill { scenario(&config, &cluster_arns, world)? } else { Scenario::default() };
    let of_setup = setup::Args {
        stack: args.stack.clone(),
        fleet: FleetArgs::default(),
        allow_missing_cluster: args.allow_missing_cluster,
        adopt: args.adopt.clone(),
        no_pattern_check: args.no_pattern_check,
        drill,
        dry_run: args.dry_run,
        yes: args.yes,
        scenario,
    };
    let (unsure, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let switch = Switch {
        old,
        foreign,
        session,
        config: &config,
        hosts: *hosts,
        removes: args.remove_old,
        unsure: &unsure,
        done: &done,
    };
    let off = || Box::pin(switch.off()) as _;
    let sequel = Sequel {
        text: told::steps(old, args.remove_old, config.drill),
        object: story.object(args.remove_old),
        question: told::question(old, args.remove_old),
        perform: if left { Some(Box::new(off)) } else { None },
        done: &done,
    };
    let given = match webhook {
        told::Origin::Given(webhook) | told::Origin::Found { webhook, .. } => Some(webhook),
        told::Origin::Elsewhere => None,
    };
    let ended = Box::pin(setup::carry_out(&of_setup, config.clone(), given, Some(sequel), common, world)).await;
    let is_as_it_was = old.rule.is_enabled() && !unsure.load(Ordering::Relaxed);
    match &ended {
        Ok(0) if done.load(Ordering::Relaxed) => told::afterwards(&args, old, &config, common, world),
        Err(error) if error.exit_code() == Error::usage("").exit_code() => {}
        _ if args.dry_run || !is_as_it_was => {}
        _ => world.err.print(&format!("The rule {} is as it was, and rings as before.\n", old.rule.name)),
    }
    if let (Ok(0), false, Some((file, None))) = (&ended, args.dry_run || common.quiet, &in_file) {
        world.err.print(&told::lines_for(file, &args, &config, common));
    }
    ended
}

/// What was asked for, or else what the rule's pattern names.
fn clusters(args: &Args, old: &Old, place: &Place) -> Result<Vec<String>> {
    let given = items(&args.stack.settings.clusters);
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    let what = match &old.clusters {
        // By their names, as somebody would type them.
        Clusters::Named(named) => {
            let name = |arn: &String| match arn.parse::<Cluster>() {
                Ok(cluster) if place.cluster_arn(cluster.name()) == *arn => cluster.name().to_owned(),
                _ => arn.clone(),
            };
            return Ok(named.iter().map(name).collect());
        }
        Clusters::All => "takes the events of every cluster",
        Clusters::Otherwise => "does not name its clusters by their ARNs",
    };
    Err(Error::usage(format!(
        "the pattern of the rule {} {what}, and a stack is about the clusters it is told",
        old.rule.name
    ))
    .hint("give --cluster NAME, once for each"))
}

/// What the stack shall be: that of the flags, or with the old pattern.
fn config(args: &mut Args, name: StackName, old: &Old) -> Result<Config> {
    if !args.keep_pattern {
        return Ok(args.stack.settings.config(name)?);
    }
    // Meant for the old pattern, and not for those it replaces.
    let filters = std::mem::take(&mut args.stack.settings.filters);
    let mut config = args.stack.settings.config(name)?;
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let kept_name: String = old.rule.name.chars().map(legal).collect();
    let text = old.rule.pattern.as_deref().unwrap_or_default();
    let as_written = Pattern::parse(&kept_name, text)?;
    let meant = old.pattern.to_value();
    let kept = match meant["source"].as_array() {
        Some(sources) if config.drill == pattern::Drill::Accepted && !sources.contains(&json!(DRILL_SOURCE)) => {
            as_written.with_source(DRILL_SOURCE)?
        }
        _ => as_written,
    };
    config.patterns = vec![kept.narrowed(&filters.checked()?)?];
    Ok(config)
}

/// The webhook that was given, or else that of the old function.
fn webhook(args: &Args, old: &Old, world: &World) -> Result<told::Origin> {
    let settings = &args.stack.settings;
    if let Some(given) = args.stack.webhook(world, settings.hosts())? {
        return Ok(told::Origin::Given(given));
    }
    let found: &[(String, Webhook)] = old.function.as_ref().map_or(&[], |function| &function.webhooks);
    match found {
        _ if settings.webhook_parameter.is_some() => Ok(told::Origin::Elsewhere),
        [] => Ok(told::Origin::Elsewhere),
        [(variable, webhook)] => Ok(told::Origin::Found { variable: variable.clone(), webhook: webhook.clone() }),
        several => {
            let names = several.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            Err(Error::usage(format!("the function has several webhooks, in its variables {names}"))
                .hint("give the one that is meant in TASKBELL_SLACK_WEBHOOK_URL"))
        }
    }
}

/// The clusters the old rule rings for and the stack would not.
fn clusters_left_out(args: &Args, old: &Old, wanted: &[String]) -> Vec<String> {
    match &old.clusters {
        _ if args.keep_pattern => Vec::new(),
        Clusters::Named(named) => named.iter().filter(|arn| !wanted.contains(arn)).cloned().collect(),
        Clusters::All => vec!["all other clusters".to_owned()],
        Clusters::Otherwise => vec!["whatever other clusters its pattern takes".to_owned()],
    }
}

/// The first failure to pretend that one of the patterns rings for.
fn scenario(config: &Config, cluster_arns: &[String], world: &World) -> Result<Scenario> {
    let cluster = cluster_arns.first().map(String::as_str).unwrap_or_default();
    for scenario in Scenario::value_variants() {
        let event = scenario.event(cluster, "0", world.now().into())?;
        for pattern in &config.patterns {
            let bound = pattern.bind(cluster_arns, config.drill)?;
            let matcher = Matcher::new(&(&bound).into()).map_err(|error| Error::new("not a pattern").because(error))?;
            if compare::takes(&matcher, event.clone()) {
                return Ok(*scenario);
            }
        }
    }
    Err(Error::usage(
        "no drill comes through the pattern, so that the new alert cannot be proved before the old one goes",
    )
    .hint("--no-drill does without a proof"))
}

/// Exit code 3, with where the permissions stand.
fn unread<E: Into<Error>>(what: &str) -> impl Fn(E) -> Error {
    let error = format!("could not read {what}");
    move |cause| Error::new(&error).because(cause.into()).category(Category::Unreadable)
}
