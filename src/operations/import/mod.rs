//! Replaces an alert that was made by hand: sets up a stack for the same clusters, proves it by a drill, and only
//! then disables the old rule. Names in AWS cannot be changed, so no resource of the old alert becomes part of the stack.

pub mod compare;
pub mod existing;
mod lookup;
pub mod narrowing;
mod no_alert_ends;
pub mod replace;
pub mod scope;
pub mod switch_off;

use std::time::SystemTime;

use serde_json::json;

use super::session::{Session, no_account};
use super::setup::Prepared;
use super::target::{Context, Target};
use super::verdict::Verdict;
use crate::aws::calls::foreign::Foreign;
use crate::aws::kinds::Given;
use crate::aws::kinds::parameter::Webhook;
use crate::config::companions::companions;
use crate::config::file::Site;
use crate::config::settings::{FilterSettings, Settings, items};
use crate::config::{Cluster, Config, WebhookHosts};
use crate::desired::cluster_arn;
use crate::error::{Error, Result};
use crate::pattern::clusters::{Clusters, covers, example};
use crate::pattern::fitting::fitted;
use crate::pattern::scenario::Scenario;
use crate::pattern::tree::Tree;
use crate::pattern::{DRILL_SOURCE, Drill, Pattern};
use crate::stack::{Place, StackName};
use compare::{Compared, compare};
use existing::{Candidate, ExistingAlert, candidates};
use narrowing::{New, Scope};
use switch_off::{Switch, SwitchedOff};

/// The settings of the new stack, and the way in which it replaces the old alert.
pub struct Request {
    /// The settings of the new stack.
    pub settings: Settings,
    /// Whether the new rule uses the old pattern.
    pub keep_pattern: bool,
    /// Whether the old rule and its function are removed in the end.
    pub remove_old: bool,
    /// The webhook that the user gave.
    pub webhook: Option<Webhook>,
}

/// The rules that a stack could replace, with their account and region.
pub struct Survey {
    pub candidates: Vec<Candidate>,
    pub place: Place,
}

/// The alert that is to be replaced.
pub struct Found {
    pub old: ExistingAlert,
    pub place: Place,
    hosts: WebhookHosts,
    foreign: Foreign,
    session: Session,
}

/// The origin of the webhook.
pub enum Origin {
    Given(Webhook),
    Found {
        variable: String,
        webhook: Webhook,
    },
    /// A webhook that is stored already, is in a parameter that the user owns, or has to be asked for.
    Elsewhere,
}

/// The configuration of the new stack, and the differences from the old alert.
pub struct Takeover {
    pub config: Config,
    pub origin: Origin,
    /// None: the old pattern is not understood.
    pub compared: Option<Compared>,
    /// The clusters of the old rule for which the stack would send no alerts.
    pub no_longer: Vec<String>,
    /// The names of the flags that narrow the new rules.
    pub filters: Vec<&'static str>,
    /// The fields by which the old pattern narrows its alerts, and how far the new rules keep that.
    pub scope: Scope,
    /// The events that the old rule matches and for which no sample exists.
    pub beyond: Vec<String>,
    /// Whether a part of the old alert is left to be disabled or removed.
    pub is_left: bool,
    /// The scenario of the drill that proves the new alert; none: no drill is sent.
    pub scenario: Option<Scenario>,
    /// The name of the new rule's pattern, if it is the old pattern.
    pub kept_pattern: Option<String>,
    pub remove_old: bool,
    /// Whether the plan is only shown.
    pub dry_run: bool,
}

async fn open(site: &Site, context: &Context) -> Result<(Session, Place)> {
    let nobody: StackName = "import".parse()?;
    let session = Session::open(&Target { stack: nobody, site: site.clone() }, Given::default(), context).await?;
    let place = session.unless_interrupted(session.identity.place()).await?.map_err(no_account)?.clone();
    Ok((session, place))
}

/// Lists the rules that a stack could replace.
///
/// # Errors
/// If the rules cannot be listed; on interruption.
pub async fn survey(hosts: WebhookHosts, site: &Site, context: &Context) -> Result<Survey> {
    let (session, place) = open(site, context).await?;
    let foreign = Foreign::new(&session.sdk, &session.waiter, &session.identity);
    let look = candidates(&foreign, &place, hosts);
    let candidates = session.unless_interrupted(Box::pin(look)).await??;
    Ok(Survey { candidates, place })
}

/// Finds the rule with that name or ARN.
///
/// # Errors
/// If the rule does not exist, cannot be read, or cannot be replaced; on interruption.
pub async fn find(rule: &str, hosts: WebhookHosts, remove_old: bool, site: &Site, context: &Context) -> Result<Found> {
    lookup::name(rule)?;
    let (session, place) = open(site, context).await?;
    let foreign = Foreign::new(&session.sdk, &session.waiter, &session.identity);
    let look = Box::pin(lookup::look_at(rule, &place, &foreign, hosts, remove_old));
    let old = session.unless_interrupted(look).await??;
    Ok(Found { old, place, hosts, foreign, session })
}

impl Survey {
    /// Returns the verdict: every rule can be read, or not.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let is_unread = self.candidates.iter().any(|candidate| candidate.read.is_err());
        if is_unread { Verdict::Unreadable } else { Verdict::InSync }
    }
}

impl Found {
    /// Returns the clusters from the settings, or else the clusters that the rule's pattern names.
    ///
    /// # Errors
    /// If neither of them names a cluster.
    pub fn clusters(&self, settings: &Settings) -> Result<Vec<String>> {
        clusters(settings, &self.old, &self.place)
    }

    /// Compares the old alert with the new stack.
    ///
    /// # Errors
    /// If the settings are not a valid stack, or no drill can prove the stack.
    pub fn compare(&self, mut request: Request, name: StackName, dry_run: bool, now: SystemTime) -> Result<Takeover> {
        let Self { old, place, .. } = self;
        let filters = request.settings.filters.checked()?;
        let filters: Vec<&str> = filters.apart().into_iter().map(|(flag, _)| flag).collect();
        let bare = Settings { filters: FilterSettings::default(), ..request.settings.clone() };
        let bare = if request.keep_pattern { None } else { Some(bare.config(name.clone())?.patterns) };
        let config = config(&mut request, name, old)?;
        let arns = config.clusters.iter().map(|cluster| cluster_arn(cluster, place)).collect::<Result<Vec<_>>>()?;
        let origin = webhook(&request, old)?;
        let no_longer = clusters_left_out(&request, old, &arns);
        let pattern = old.pattern.to_value();
        let wide = Tree::from(&narrowing::without_narrowings(&pattern));
        let compared = compare(&wide, &config.patterns, config.drill, &arns)?;
        let patterns = &config.patterns;
        let bare = bare.as_ref().unwrap_or(patterns);
        let scope = match compared {
            Some(_) => Scope::of(&pattern, New { patterns, bare, drill: config.drill, cluster_arns: &arns })?,
            None => Scope::default(),
        };
        let beyond = scope::beyond_samples(&pattern, &place.cluster_arn("default"))?;
        let is_left = old.rule.is_enabled() || request.remove_old;
        let drill = is_left && !dry_run && config.drill == Drill::Accepted;
        let scenario = if drill { Some(scenario(&config, &arns, now)?) } else { None };
        let remove_old = request.remove_old;
        let kept = config.patterns.first().filter(|_| request.keep_pattern);
        let kept_pattern = kept.map(|pattern| pattern.name.clone());
        Ok(Takeover {
            config,
            origin,
            compared,
            no_longer,
            filters,
            scope,
            beyond,
            is_left,
            scenario,
            kept_pattern,
            remove_old,
            dry_run,
        })
    }

    /// # Errors
    /// If the plan ends an alert of the stack: failures whose old alert the stack has already replaced would become silent.
    pub fn ends_no_alert(&self, prepared: &Prepared) -> Result<()> {
        no_alert_ends::ends_no_alert(&prepared.plan, &prepared.stack.name)
    }

    /// Disables the old alert, after the new one is proved.
    async fn switch_off(&self, takeover: &Takeover) -> SwitchedOff {
        let Self { old, hosts, foreign, session, .. } = self;
        let (config, removes) = (&takeover.config, takeover.remove_old);
        Box::pin(Switch { old, foreign, session, config, hosts: *hosts, removes }.off()).await
    }
}

/// Returns the clusters from the settings, or else the clusters that the rule's pattern names: all, if it names none.
fn clusters(settings: &Settings, old: &ExistingAlert, place: &Place) -> Result<Vec<String>> {
    let given = items(&settings.clusters);
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    let what = match &old.clusters {
        // Shorten ARNs to names, as a user would type them.
        Clusters::Named(named) => {
            let name = |arn: &String| match arn.rsplit_once('/').and_then(|(_, name)| name.parse::<Cluster>().ok()) {
                Some(cluster) if place.cluster_arn(cluster.name()) == *arn => cluster.name().to_owned(),
                _ => arn.clone(),
            };
            return Ok(named.iter().map(name).collect());
        }
        Clusters::All => return Ok(vec!["*".to_owned()]),
        Clusters::Otherwise => "does not name its clusters by their ARNs",
    };
    Err(Error::usage(format!(
        "the pattern of the rule {} {what}, but a stack needs the names of its clusters",
        old.rule.name
    ))
    .hint("give --cluster NAME, once for each cluster, or --cluster '*' for every cluster"))
}

/// Returns the configuration of the stack, with the patterns of the flags or with the old pattern.
fn config(request: &mut Request, name: StackName, old: &ExistingAlert) -> Result<Config> {
    let settings = &mut request.settings;
    if !request.keep_pattern {
        return Ok(settings.config(name)?);
    }
    // The filters are for the old pattern, not for the patterns that it replaces.
    let filters = std::mem::take(&mut settings.filters);
    let quota = settings.quota_of_patterns()?;
    let mut config = settings.config(name)?;
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let kept_name: String = old.rule.name.chars().map(legal).collect();
    let text = old.rule.pattern.as_deref().unwrap_or_default();
    let as_written = Pattern::parse(&kept_name, text)?;
    let meaning = old.pattern.to_value();
    let kept = match meaning["source"].as_array() {
        Some(sources) if config.drill == Drill::Accepted && !sources.contains(&json!(DRILL_SOURCE)) => {
            as_written.with_source(DRILL_SOURCE)?
        }
        _ => as_written,
    };
    let filters = filters.checked()?;
    config.patterns = vec![kept.with_quota(quota).narrowed(&filters)?];
    config.companions = companions(&config, &filters, quota, &[])?;
    // No setting names the old pattern.
    config.record = None;
    Ok(config)
}

/// Returns the webhook that the user gave, or else the webhook of the old function.
fn webhook(request: &Request, old: &ExistingAlert) -> Result<Origin> {
    if let Some(given) = &request.webhook {
        return Ok(Origin::Given(given.clone()));
    }
    let found: &[(String, Webhook)] = old.function.as_ref().map_or(&[], |function| &function.webhooks);
    match found {
        _ if request.settings.webhook_parameter.is_some() => Ok(Origin::Elsewhere),
        [] => Ok(Origin::Elsewhere),
        [(variable, webhook)] => Ok(Origin::Found { variable: variable.clone(), webhook: webhook.clone() }),
        several => {
            let names = several.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            Err(Error::usage(format!("the function has several webhooks, in its variables {names}"))
                .hint("put the webhook to use into TASKBELL_SLACK_WEBHOOK_URL"))
        }
    }
}

/// Returns the clusters of the old rule for which the stack would send no alerts.
fn clusters_left_out(request: &Request, old: &ExistingAlert, wanted: &[String]) -> Vec<String> {
    // A glob covers another one as if that one's `*` were a character.
    let is_wanted = |arn: &str| {
        let is_all = arn == "*" && wanted.iter().any(|glob| glob.ends_with("/*"));
        is_all || wanted.iter().any(|glob| covers(glob, arn))
    };
    match &old.clusters {
        _ if request.keep_pattern => Vec::new(),
        Clusters::Named(named) => named.iter().filter(|arn| !is_wanted(arn)).cloned().collect(),
        Clusters::All if is_wanted("*") => Vec::new(),
        Clusters::All => vec!["all other clusters".to_owned()],
        Clusters::Otherwise => vec!["all other clusters that its pattern matches".to_owned()],
    }
}

/// Returns the first scenario that one of the patterns matches.
fn scenario(config: &Config, cluster_arns: &[String], now: SystemTime) -> Result<Scenario> {
    let cluster = cluster_arns.first().map(|arn| example(arn)).unwrap_or_default();
    for scenario in Scenario::ALL.into_iter().filter(|scenario| !scenario.is_of_jobs()) {
        let event = scenario.event(&cluster, "0", now.into())?;
        for pattern in &config.patterns {
            let matcher = pattern.matcher(cluster_arns, config.drill)?;
            if fitted(&matcher, event.clone()).is_some() {
                return Ok(scenario);
            }
        }
    }
    Err(Error::usage("no drill matches the pattern, so the new alert cannot be proved before the old one is disabled")
        .hint("use --no-drill to continue without this proof"))
}
