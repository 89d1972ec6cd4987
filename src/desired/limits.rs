//! Refuses a stack that AWS would refuse for its size or its names, before anything is made.
//!
//! AWS refuses a resource that is too large only when its turn comes: by then, other resources exist. Every wanted document is
//! measured here, and a new kind does not compile without a decision in `fits`. `pattern` measures patterns itself, because only it
//! knows their shorter form. Makes no call.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::arn::LONGEST_PARAMETER;
use crate::aws::calls::bus;
use crate::aws::kinds::alarm::Alarm;
use crate::aws::kinds::function::{self, Function};
use crate::aws::kinds::queue::Queue;
use crate::aws::kinds::role::{self, Role};
use crate::aws::kinds::rule::{self, Rule};
use crate::aws::kinds::watch::{self, Watch};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::pattern::clusters::named;
use crate::policy::Policy;
use crate::reconcile::plan::{Action, Plan, Step};
use crate::reconcile::resource::{LONGEST_TAG_VALUE, Tags, Want, spec_of};
use crate::stack::{Address, FLEET_TAG, Kind, Place, Stack};

/// Most tags of a resource: every service has the same limit.
const TAGS: usize = 50;
/// The tags that an adapter adds to a document's: two for the parameter (fingerprint and version), one for the function.
const LATER_TAGS: usize = 2;
/// All variables of a function together, in bytes of JSON. Lambda: "exceeded the 4KB limit. String measured: {…}".
const ENVIRONMENT: usize = 4 * 1024;
/// The resource policy of a function, in bytes. Lambda: "The final policy size (…) is bigger than the limit (20480)."
const FUNCTION_POLICY: usize = 20 * 1024;
const FUNCTION_DESCRIPTION: usize = 256;
/// All inline policies of a role together. IAM does not count white space.
const INLINE_POLICIES: usize = 10_240;
const TRUST_POLICY: usize = 2_048;
const ROLE_DESCRIPTION: usize = 1_000;
/// The policy of a queue, in bytes.
const QUEUE_POLICY: usize = 8_192;
const RULE_DESCRIPTION: usize = 512;
const TARGETS: usize = 5;
/// The constant input of a target (PutTargets).
const INPUT: usize = 8_192;
const ALARM_DESCRIPTION: usize = 1_024;
const SCHEDULE_DESCRIPTION: usize = 512;
const SCHEDULE_EXPRESSION: usize = 256;
/// The input of a schedule, in bytes: Scheduler sends it to the function as the payload of an asynchronous invocation.
const SCHEDULE_INPUT: usize = 256 * 1024;
/// EventBridge's default quota for rules on a bus. AWS raises it on request.
const RULES: usize = 300;
/// EventBridge's default quota for rules in the regions where it is lower.
const FEWER_RULES: usize = 100;
const REGIONS_WITH_FEWER_RULES: [&str; 2] = ["af-south-1", "eu-south-1"];
/// EventBridge's quota for rules with wildcards on a bus, which AWS does not raise.
const RULES_WITH_WILDCARDS: usize = 30;

/// The end of a rule's description, followed by the name of the rule's stack.
pub const OF_THE_STACK: &str = " of the stack ";

const PATTERNS: &str =
    "use fewer --pattern (patterns in taskbell.toml), or spread the patterns over several stacks: `--stack NAME`";

/// Checks the wanted resources, and the names of the user's own parameters.
///
/// # Errors
/// For the first resource that is too large, or name that is too long for the region.
pub fn check(config: &Config, place: &Place, wants: &[Want]) -> Result<()> {
    for name in config.parameters() {
        let flag = match config.own_parameter.as_deref() == Some(name) {
            true => "--slack-webhook-parameter (webhook_parameter in taskbell.toml)",
            false => "--to (to in taskbell.toml)",
        };
        parameter_fits(name, place).map_err(|error| error.hint(format!("give a shorter name with {flag}")))?;
    }
    wants.iter().try_for_each(|want| {
        let document = want.document(None);
        let tags: Tags = serde_json::from_value(document["tags"].clone()).unwrap_or_default();
        tags_fit(&tags, 0, &want.address)?;
        fits(&want.address, &document)
    })
}

/// Checks the tags that existing resources get, together with the tags of others that they keep.
///
/// # Errors
/// For the first resource that would have too many tags.
pub fn check_tags(plan: &Plan) -> Result<()> {
    let mut kept = plan.steps.iter().filter(|step| step.action == Action::Change);
    kept.try_for_each(|step| tags_fit(&step.tags.all, step.tags.others, &step.address))
}

/// Checks a role that keeps its permissions until the notifier no longer uses them.
///
/// # Errors
/// If its policies are too large.
pub fn check_kept_permissions(policies: impl Iterator<Item = Policy>) -> Result<()> {
    let size = policies.map(|policy| without_white_space(&policy.document())).sum::<usize>();
    let of =
        "the old and the new permissions of the notifier's role, which it has together until the notifier is changed,";
    limited(of, size, "characters", "IAM", INLINE_POLICIES).map_err(|error| {
        error.hint("change the settings in two steps: first fewer --log-group or --to, then the others")
    })
}

/// The rules on the default bus, and those that the other stacks of the run add.
#[derive(Debug, Clone, Copy)]
pub struct Bus<'a> {
    pub rules: &'a [bus::Rule],
    pub beside: &'a [bus::Rule],
}

/// Checks that the default bus has room for the rules of a plan, and that no other stack's name differs only by case.
///
/// # Errors
/// If EventBridge would refuse a rule, or IAM the role.
pub fn check_bus(config: &Config, stack: &Stack, plan: &Plan, Bus { rules, beside }: Bus) -> Result<()> {
    other_case(config, stack, rules, "exists")?;
    other_case(config, stack, beside, "is set up in the same run")?;
    let has = |name: &str| rules.iter().any(|rule| rule.name == name);
    // Rules of other stacks may be on the bus by now.
    let to_come = beside.iter().filter(|rule| !has(&rule.name)).count();
    let wanted = rules_of(plan);
    let new = wanted.iter().filter(|rule| !has(&rule.name)).count();
    let region = stack.region.as_str();
    let default = if REGIONS_WITH_FEWER_RULES.contains(&region) { FEWER_RULES } else { RULES };
    let quota = config.rule_quota.unwrap_or(default);
    // With more rules than the default quota, AWS has raised the quota.
    let is_raised = config.rule_quota.is_none() && rules.len() > quota;
    if new > 0 && rules.len() + to_come + new > quota && !is_raised {
        let told = format!(
            "the default bus in {region} has {} rules{}, and the stack adds {new}; EventBridge accepts {quota}",
            rules.len(),
            of_others(to_come)
        );
        return Err(Error::usage(told).hint(format!(
            "remove rules, use fewer --pattern (patterns in taskbell.toml), {}or ask AWS to raise the quota for rules and give it with --rule-quota N (rule_quota)",
            without_recovery(config, stack, &wanted, |rule| !has(&rule.name))
        )));
    }
    let is_wanted = |rule: &bus::Rule| wanted.iter().any(|wanted| wanted.name == rule.name);
    let others = rules.iter().filter(|rule| rule.has_wildcard && !is_wanted(rule)).count();
    let is_wild = |wild: &bus::Rule| rules.iter().any(|rule| rule.name == wild.name && rule.has_wildcard);
    let to_come = beside.iter().filter(|rule| rule.has_wildcard && !is_wild(rule)).count();
    let needed = wanted.iter().filter(|rule| rule.has_wildcard).count();
    if needed > 0 && others + to_come + needed > RULES_WITH_WILDCARDS {
        let told = format!(
            "the default bus in {region} has {others} other rules with wildcards{}, and the stack needs {needed}; EventBridge accepts {RULES_WITH_WILDCARDS}, and AWS does not raise this quota",
            of_others(to_come)
        );
        return Err(Error::usage(told).hint(format!(
            "{}use no * within names of --cluster, --exclude-cluster, --family, --exclude-family, --service or --exclude-service (clusters and filters in taskbell.toml), where a * at the end alone needs no wildcard (excluded names with a * and whole names together do), and no * in names of job queues and state machines",
            without_recovery(config, stack, &wanted, |rule| rule.has_wildcard)
        )));
    }
    Ok(())
}

/// Returns the part of a hint about rules that serve only messages that a job or a service works again, if such a rule needs room.
fn without_recovery(
    config: &Config,
    stack: &Stack,
    rules: &[bus::Rule],
    needs_room: impl Fn(&bus::Rule) -> bool,
) -> &'static str {
    let names: Vec<String> = config.rules_of_recovery().map(|name| stack.rule_name(name)).collect();
    match rules.iter().any(|rule| needs_room(rule) && names.contains(&rule.name)) {
        true => "do without the messages that a job or a service works again (--no-recovery), ",
        false => "",
    }
}

/// Returns the part of an error about the rules that other stacks of the run add.
fn of_others(count: usize) -> String {
    if count == 0 { String::new() } else { format!(", other stacks of this run add {count}") }
}

/// Returns the rules that a plan adds or changes.
#[must_use]
pub fn rules_of(plan: &Plan) -> Vec<bus::Rule> {
    let steps = plan.steps.iter().filter(|step| step.action != Action::Remove && step.address.id.kind == Kind::Rule);
    let rule = |step: &Step| {
        let spec = step.want.as_ref().and_then(|want| spec_of::<Rule>(want).ok())?;
        let (name, has_wildcard, pattern) = (step.address.name.clone(), spec.has_wildcard(), spec.meaning());
        let is_enabled = spec.state != "DISABLED";
        Some(bus::Rule { name, description: spec.description, is_enabled, has_wildcard, pattern })
    };
    steps.filter_map(rule).collect()
}

/// Returns whether the plan adds rules, or wildcards or clusters to rules: only then the other rules on the bus matter.
#[must_use]
pub fn needs_room(plan: &Plan) -> bool {
    plan.steps.iter().filter(|step| step.address.id.kind == Kind::Rule).any(|step| match step.action {
        Action::Add => true,
        Action::Change => {
            let is_new = has_wildcard(step.want.as_ref()) && !has_wildcard(step.have.as_ref());
            is_new || !clusters_of(step.want.as_ref()).is_subset(&clusters_of(step.have.as_ref()))
        }
        Action::Remove => false,
    })
}

fn clusters_of(document: Option<&Value>) -> BTreeSet<String> {
    let spec = document.and_then(|document| spec_of::<Rule>(document).ok());
    spec.map(|spec| named(&spec.meaning())).unwrap_or_default()
}

fn has_wildcard(document: Option<&Value>) -> bool {
    document.and_then(|document| spec_of::<Rule>(document).ok()).is_some_and(|spec| spec.has_wildcard())
}

/// Checks that no rule is another stack's whose name differs only by case: IAM would take the roles of both for one.
fn other_case(config: &Config, stack: &Stack, rules: &[bus::Rule], is: &str) -> Result<()> {
    if config.own_role_arn.is_some() {
        return Ok(());
    }
    let name = stack.name.as_str();
    let is_other = |other: &&str| *other != name && other.to_lowercase() == name.to_lowercase();
    let of_taskbell =
        rules.iter().filter_map(|rule| rule.description.strip_prefix("taskbell: ")?.rsplit_once(OF_THE_STACK));
    match of_taskbell.map(|(_, other)| other).find(is_other) {
        None => Ok(()),
        Some(other) => Err(Error::usage(format!(
            "the stack {other} {is}, and its name differs from {name} only by case: IAM would take the roles of both for one"
        ))
        .hint("choose another name with --stack NAME (name in taskbell.toml)")),
    }
}

/// Checks everything in a document that grows with the configuration.
fn fits(address: &Address, document: &Value) -> Result<()> {
    let name = &address.name;
    match address.id.kind {
        // Nothing in these grows with the configuration.
        Kind::Parameter | Kind::LogGroup | Kind::Table => Ok(()),
        Kind::Queue => {
            let size = spec_of::<Queue>(document)?.policy.document().to_string().len();
            let of = format!("the policy of the queue {name}");
            limited(&of, size, "bytes", "SQS", QUEUE_POLICY).map_err(|error| error.hint(PATTERNS))
        }
        Kind::Alarm => {
            let description = spec_of::<Alarm>(document)?.description;
            described(&format!("the alarm {name}"), &description, "CloudWatch", ALARM_DESCRIPTION)
        }
        Kind::Role => role_fits(name, &spec_of::<Role>(document)?),
        Kind::Function => function_fits(name, &spec_of::<Function>(document)?),
        Kind::Rule => rule_fits(name, &spec_of::<Rule>(document)?),
        Kind::Watch => watch_fits(&spec_of::<Watch>(document)?),
    }
}

fn watch_fits(spec: &watch::Spec) -> Result<()> {
    spec.schedules.iter().try_for_each(|(name, schedule)| {
        let of = |part: &str| format!("the {part} of the schedule {name}");
        described(&format!("the schedule {name}"), &schedule.description, "Scheduler", SCHEDULE_DESCRIPTION)?;
        let expression = schedule.expression.chars().count();
        limited(&of("expression"), expression, "characters", "Scheduler", SCHEDULE_EXPRESSION).map_err(|error| {
            error.hint("write the days and hours of the deadline shorter (--expect), as ranges or steps")
        })?;
        let input = watch::written(&schedule.input).len();
        limited(&of("input"), input, "bytes", "Scheduler", SCHEDULE_INPUT)
            .map_err(|error| error.hint("spread the jobs over several stacks: `--stack NAME` with fewer --expect each"))
    })
}

fn role_fits(name: &str, spec: &role::Spec) -> Result<()> {
    let size = spec.policies.values().map(|policy| without_white_space(&policy.document())).sum::<usize>();
    let of = format!("the inline policy of the role {name}");
    limited(&of, size, "characters", "IAM", INLINE_POLICIES)
        .map_err(|error| error.hint(fewer_permissions(spec.policies.values())))?;
    let of = format!("the trust policy of the role {name}");
    limited(&of, without_white_space(&spec.trust.document()), "characters", "IAM", TRUST_POLICY)?;
    described(&format!("the role {name}"), &spec.description, "IAM", ROLE_DESCRIPTION)
}

/// Returns the way to a smaller policy: by the setting that takes the most of it.
fn fewer_permissions<'a>(policies: impl Iterator<Item = &'a Policy>) -> &'static str {
    let (mut logs, mut others) = (0, 0);
    for statement in policies.filter_map(Policy::statements).flatten() {
        let size = statement.to_string().len();
        let reads_logs =
            statement["Action"].as_array().is_some_and(|actions| actions.contains(&Value::from("logs:GetLogEvents")));
        if reads_logs { logs += size } else { others += size }
    }
    match logs > others {
        true => {
            "use fewer --log-group (log_groups in taskbell.toml), with a * that covers several, as in '/ecs/*', or several stacks"
        }
        false => "use fewer --to (to in taskbell.toml), or spread the destinations over several stacks: `--stack NAME`",
    }
}

/// Returns whether Lambda accepts these variables of a function.
#[must_use]
pub fn environment_fits(environment: &BTreeMap<String, String>) -> bool {
    environment_size(environment) <= ENVIRONMENT
}

fn environment_size(environment: &BTreeMap<String, String>) -> usize {
    serde_json::to_string(environment).unwrap_or_default().len()
}

fn function_fits(name: &str, spec: &function::Spec) -> Result<()> {
    let (environment, permissions) = (&spec.environment, &spec.permissions);
    let size = environment_size(environment);
    let of = format!("the environment of the function {name}");
    limited(&of, size, "bytes", "Lambda", ENVIRONMENT).map_err(|error| {
        let largest = environment.iter().max_by_key(|(_, value)| value.len()).map(|(variable, _)| variable.as_str());
        error.hint(match largest {
            Some("TASKBELL_DESTINATIONS") => "use fewer --to (to in taskbell.toml), shorter names, or several stacks",
            Some("TASKBELL_MENTION") => "use fewer --mention (mention in taskbell.toml), or a user group",
            Some("TASKBELL_USERNAME") => "use a shorter --username (username in taskbell.toml)",
            Some("TASKBELL_ICON_EMOJI") => "use a shorter --icon-emoji (icon_emoji in taskbell.toml)",
            _ => "use a parameter with a shorter name: --slack-webhook-parameter (webhook_parameter in taskbell.toml)",
        })
    })?;
    let of = format!("the resource policy of the function {name}, which allows {} rules,", permissions.len());
    limited(&of, resource_policy(permissions.iter()), "bytes", "Lambda", FUNCTION_POLICY)
        .map_err(|error| error.hint(PATTERNS))?;
    described(&format!("the function {name}"), &spec.description, "Lambda", FUNCTION_DESCRIPTION)
}

/// Returns the size of a resource policy as Lambda keeps it: one statement for each id, lists of one as scalars.
fn resource_policy<'a>(permissions: impl Iterator<Item = (&'a String, &'a Policy)>) -> usize {
    let statements: Vec<Value> = permissions
        .flat_map(|(id, policy)| {
            policy.statements().into_iter().flatten().map(move |statement| {
                let mut kept = scalars(statement);
                kept["Sid"] = Value::from(id.as_str());
                kept
            })
        })
        .collect();
    serde_json::json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements }).to_string().len()
}

fn scalars(value: &Value) -> Value {
    match value {
        Value::Array(items) if items.len() == 1 => scalars(&items[0]),
        Value::Array(items) => items.iter().map(scalars).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), scalars(value))).collect(),
        scalar => scalar.clone(),
    }
}

fn rule_fits(name: &str, spec: &rule::Spec) -> Result<()> {
    described(&format!("the rule {name}"), &spec.description, "EventBridge", RULE_DESCRIPTION).map_err(|error| {
        error.hint("the description contains the names of the pattern and of the stack: shorten the name of the pattern's file (--pattern), or --stack")
    })?;
    limited(&format!("the rule {name}"), spec.targets.len(), "targets", "EventBridge", TARGETS)?;
    spec.targets.iter().try_for_each(|(id, target)| {
        let size = target.input.as_ref().map_or(0, |input| input.chars().count());
        limited(&format!("the input of the target {id} of the rule {name}"), size, "characters", "EventBridge", INPUT)
    })
}

/// Checks the length of a parameter's name in this region: SSM counts the ARN, which contains the region. `arn` has checked the
/// rest of the name.
fn parameter_fits(name: &str, place: &Place) -> Result<()> {
    let of = format!("the ARN of the parameter {name} in {}", place.region);
    limited(&of, place.parameter_arn(name).len(), "characters", "SSM", LONGEST_PARAMETER)
}

fn tags_fit(tags: &Tags, others: usize, address: &Address) -> Result<()> {
    let size = tags.len() + LATER_TAGS + others;
    if size > TAGS {
        let users = tags.keys().filter(|key| !key.starts_with("taskbell:")).count();
        let own = tags.len() + LATER_TAGS - users;
        let theirs = match others {
            0 => String::new(),
            others => format!(" and {others} of others"),
        };
        let told = format!(
            "{address} would have {size} tags: {users} of yours{theirs}, and up to {own} of taskbell's own; AWS accepts {TAGS}",
            address = address.id
        );
        let or = if others > 0 { ", or remove tags of others" } else { "" };
        return Err(Error::usage(told).hint(format!("leave out {} of --tag (tags in taskbell.toml){or}", size - TAGS)));
    }
    tags.iter().try_for_each(|(key, value)| {
        let of = format!("the value of the tag {key}");
        let is_fleet = key == FLEET_TAG;
        limited(&of, value.chars().count(), "characters", "AWS", LONGEST_TAG_VALUE)
            .map_err(|error| if is_fleet { error.hint("shorten the key fleet in taskbell.toml") } else { error })
    })
}

fn described(of: &str, description: &str, service: &str, limit: usize) -> Result<()> {
    limited(&format!("the description of {of}"), description.chars().count(), "characters", service, limit)
}

/// # Errors
/// If the size is above the limit.
fn limited(of: &str, size: usize, unit: &str, service: &str, limit: usize) -> Result<()> {
    match size <= limit {
        true => Ok(()),
        false => Err(Error::usage(format!("{of} has {size} {unit}; {service} accepts {limit}"))),
    }
}

fn without_white_space(document: &Value) -> usize {
    document.to_string().chars().filter(|c| !c.is_whitespace()).count()
}

#[cfg(test)]
mod tests {

    use serde_json::json;

    use super::*;
    use crate::arn;
    use crate::aws::kinds::{alarm, queue};
    use crate::config::settings::Settings;
    use crate::desired::{Ground, desired};
    use crate::notifier::archive::archive;
    use crate::reconcile::owner::Owner;
    use crate::reconcile::resource::{Needs, tag_change};
    use crate::stack::Id;

    fn policy_of(size: usize, document: fn(&Value) -> usize) -> Policy {
        let of =
            |resource: &str| Policy::of_statement(&json!({ "Effect": "Allow", "Action": "a:b", "Resource": resource }));
        let empty = document(&of("").document());
        of(&"x".repeat(size - empty))
    }

    /// Returns the document of a wanted resource, whose parts a test then enlarges.
    fn wanted(kind: Kind) -> Value {
        let settings = Settings {
            clusters: Some(vec!["batch".to_owned()]),
            alarm_topic: Some("arn:aws:sns:us-east-1:123456789012:on-call".to_owned()),
            ..Settings::default()
        };
        let config = settings.config("batch".parse().unwrap()).unwrap();
        let stack = Stack { name: config.stack.clone(), region: "us-east-1".to_owned() };
        let place = Place::of_region("123456789012", "us-east-1");
        let archive = archive().unwrap();
        let ground = Ground { stack: &stack, place: &place, archive: &archive, webhook: None, leaving: &[] };
        let wants = desired(&config, ground).unwrap().wants;
        wants.iter().find(|want| want.address.id.kind == kind).unwrap().document(None)
    }

    fn role(inline: Policy, trust: Policy) -> role::Spec {
        let policies = BTreeMap::from([(role::POLICY.to_owned(), inline)]);
        role::Spec { trust, policies, ..spec_of::<Role>(&wanted(Kind::Role)).unwrap() }
    }

    fn function(environment: BTreeMap<String, String>, permissions: BTreeMap<String, Policy>) -> function::Spec {
        function::Spec { environment, permissions, ..spec_of::<Function>(&wanted(Kind::Function)).unwrap() }
    }

    fn rule(description: usize, targets: usize, input: usize) -> rule::Spec {
        let spec = spec_of::<Rule>(&wanted(Kind::Rule)).unwrap();
        let of_one = spec.targets.values().next().unwrap();
        let target = rule::Target { input: Some("x".repeat(input)), ..of_one.clone() };
        let targets = (0..targets).map(|id| (id.to_string(), target.clone())).collect();
        rule::Spec { description: "x".repeat(description), targets, ..spec }
    }

    fn refused(outcome: Result<()>, said: &str) {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), crate::error::Category::Usage);
        assert!(error.to_string().contains(said), "{said}: {error}");
    }

    /// A check of a size, its limit, and the error above the limit.
    type Whole<'a> = (&'a dyn Fn(usize) -> Result<()>, usize, &'a str);

    /// Checks each whole at its limit and one above it.
    #[test]
    fn whole_at_its_limit_is_accepted_and_a_larger_one_is_refused() {
        let small = || policy_of(200, without_white_space);
        let inline = |size: usize| role_fits("r", &role(policy_of(size, without_white_space), small()));
        let trust = |size: usize| role_fits("r", &role(small(), policy_of(size, without_white_space)));
        let variables = |size: usize| {
            let environment = BTreeMap::from([("A".to_owned(), "x".repeat(size - r#"{"A":""}"#.len()))]);
            function_fits("f", &function(environment, BTreeMap::new()))
        };
        let permissions = |size: usize| {
            let of = |resource: &str| {
                let policy = Policy::of_statement(&json!({ "Effect": "Allow", "Resource": resource }));
                BTreeMap::from([("a".to_owned(), policy)])
            };
            let empty = resource_policy(of("").iter());
            function_fits("f", &function(BTreeMap::new(), of(&"x".repeat(size - empty))))
        };
        let of_queue = |size: usize| {
            let policy = policy_of(size, |document| document.to_string().len());
            let spec = queue::Spec { policy, ..spec_of::<Queue>(&wanted(Kind::Queue)).unwrap() };
            fits(&address(Kind::Queue), &serde_json::to_value(spec).unwrap())
        };
        let description = |size: usize| rule_fits("r", &rule(size, 1, 1));
        let targets = |count: usize| rule_fits("r", &rule(1, count, 1));
        let input = |size: usize| rule_fits("r", &rule(1, 1, size));
        let wholes: [Whole; 8] = [
            (&inline, 10_240, "the inline policy of the role r has 10241 characters; IAM accepts 10240"),
            (&trust, 2_048, "the trust policy of the role r has 2049 characters; IAM accepts 2048"),
            (&variables, 4_096, "the environment of the function f has 4097 bytes; Lambda accepts 4096"),
            (&permissions, 20_480, "which allows 1 rules, has 20481 bytes; Lambda accepts 20480"),
            (&of_queue, 8_192, "the policy of the queue a has 8193 bytes; SQS accepts 8192"),
            (&description, 512, "the description of the rule r has 513 characters; EventBridge accepts 512"),
            (&targets, 5, "the rule r has 6 targets; EventBridge accepts 5"),
            (&input, 8_192, "the input of the target 0 of the rule r has 8193 characters; EventBridge accepts 8192"),
        ];
        for (whole, limit, said) in wholes {
            assert!(whole(limit).is_ok(), "{limit}: {said}");
            refused(whole(limit + 1), said);
        }
    }

    #[test]
    fn white_space_does_not_count_in_a_policy_of_iam() {
        let resource = format!("{}{}", " ".repeat(9_000), "x".repeat(9_000));
        let policy = Policy::of_statement(&json!({ "Effect": "Allow", "Action": "a:b", "Resource": resource }));
        assert!(role_fits("r", &role(policy, policy_of(200, without_white_space))).is_ok());
    }

    #[test]
    fn resource_policy_is_measured_in_the_form_that_lambda_keeps() {
        let policy = Policy::of_statement(&json!({
            "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" }, "Action": "lambda:InvokeFunction",
            "Resource": "arn:f", "Condition": { "ArnLike": { "AWS:SourceArn": "arn:r" } },
        }));
        let kept = r#"{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"r","Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:r"}}}]}"#;
        assert_eq!(resource_policy([("r".to_owned(), policy)].iter().map(|(id, policy)| (id, policy))), kept.len());
    }

    #[test]
    fn hint_names_the_setting_that_takes_the_most() {
        let statement = |action: &str, size: usize| {
            Policy::of_statement(&json!({ "Effect": "Allow", "Action": action, "Resource": "x".repeat(size) }))
        };
        for (logs, webhooks, flag) in [(9_000, 2_000, "--log-group"), (2_000, 9_000, "--to")] {
            let both = [statement("logs:GetLogEvents", logs), statement("ssm:GetParameter", webhooks)];
            assert!(fewer_permissions(both.iter()).contains(flag), "{flag}");
        }
        for (variable, flag) in [
            ("TASKBELL_DESTINATIONS", "--to"),
            ("TASKBELL_MENTION", "--mention"),
            ("TASKBELL_USERNAME", "--username"),
            ("TASKBELL_ICON_EMOJI", "--icon-emoji"),
            ("TASKBELL_WEBHOOK_PARAMETER", "--slack-webhook-parameter"),
        ] {
            let environment = BTreeMap::from([
                (variable.to_owned(), "x".repeat(4_000)),
                ("TASKBELL_STACK".to_owned(), "x".repeat(255)),
            ]);
            let error = function_fits("f", &function(environment, BTreeMap::new())).unwrap_err();
            assert!(format!("{:?}", error.nearest_hint()).contains(flag), "{variable}: {error:?}");
        }
    }

    #[test]
    fn parameter_is_too_long_where_the_region_has_a_long_name() {
        let name = format!("/{}", "a".repeat(LONGEST_PARAMETER - 45));
        assert_eq!(arn::parameter_name(&name).unwrap(), name);
        let of = |region: &str| parameter_fits(&name, &Place::of_region("123456789012", region));
        assert!(of("us-east-1").is_ok());
        refused(of("ap-northeast-1"), "in ap-northeast-1 has 1016 characters; SSM accepts 1011");
    }

    /// Checks that taskbell's own names are never reserved, whatever the stack is called.
    #[test]
    fn no_stack_name_leads_to_a_reserved_parameter() {
        for name in ["aws", "AWS", "ssm", "awsome"] {
            let stack = Stack { name: name.parse().unwrap(), region: "us-east-1".to_owned() };
            assert!(arn::parameter_name(&stack.parameter_name()).is_ok(), "{name}");
        }
    }

    fn address(kind: Kind) -> Address {
        Address { id: Id::new(kind, "a"), name: "a".to_owned(), stack: "s".parse().unwrap() }
    }

    #[test]
    fn tags_fit_together_with_taskbells_own_and_those_of_others() {
        let tags = |count: usize| -> Tags {
            let own = ["taskbell:stack", "taskbell:tags", "taskbell:applied"].map(str::to_owned);
            (0..count).map(|number| format!("key-{number}")).chain(own).map(|key| (key, "x".to_owned())).collect()
        };
        for (users, others, fits) in [(45, 0, true), (46, 0, false), (40, 5, true), (40, 6, false), (0, 45, true)] {
            assert_eq!(tags_fit(&tags(users), others, &address(Kind::Queue)).is_ok(), fits, "{users} {others}");
        }
        let told = tags_fit(&tags(46), 0, &address(Kind::Queue)).unwrap_err().to_string();
        assert_eq!(told, "queue/a would have 51 tags: 46 of yours, and up to 5 of taskbell's own; AWS accepts 50");
        let long = Tags::from([("a".to_owned(), "x".repeat(257))]);
        refused(tags_fit(&long, 0, &address(Kind::Queue)), "has 257 characters; AWS accepts 256");
    }

    #[test]
    fn alarms_description_is_measured_too() {
        let spec = spec_of::<Alarm>(&wanted(Kind::Alarm)).unwrap();
        let spec = alarm::Spec { description: "x".repeat(1_025), ..spec };
        refused(fits(&address(Kind::Alarm), &serde_json::to_value(spec).unwrap()), "CloudWatch accepts 1024");
    }

    fn plan_with(action: Action, names: &[&str], pattern: &Value) -> Plan {
        let step = |name: &&str| {
            let spec = rule::Spec { pattern: pattern.clone(), ..rule(1, 1, 1) };
            let mut want = serde_json::to_value(spec).unwrap();
            want["tags"] = json!({});
            let have = (action == Action::Change).then(|| {
                let mut have = want.clone();
                have["pattern"] = json!({ "source": ["x"] });
                have
            });
            Step {
                action,
                address: Address { name: (*name).to_owned(), ..address(Kind::Rule) },
                needs: Needs::NOTHING,
                tags: tag_change(&Tags::new(), &want),
                owner: Owner::default(),
                have,
                want: Some(want),
                changes: Vec::new(),
            }
        };
        Plan { steps: names.iter().map(step).collect(), ..Plan::default() }
    }

    fn alone(rules: &[bus::Rule]) -> Bus<'_> {
        Bus { rules, beside: &[] }
    }

    fn bus(count: usize, has_wildcard: bool) -> Vec<bus::Rule> {
        let rule = |number| bus::Rule {
            name: format!("other-{number}"),
            description: String::new(),
            is_enabled: true,
            has_wildcard,
            pattern: Value::Null,
        };
        (0..count).map(rule).collect()
    }

    #[test]
    fn bus_has_room_for_300_rules_or_as_many_as_the_quota_says() {
        let plain = json!({ "source": ["x"] });
        let new = plan_with(Action::Add, &["a", "b", "c"], &plain);
        for (region, exist, quota, has_room) in [
            ("us-east-1", 297, None, true),
            ("us-east-1", 298, None, false),
            ("us-east-1", 300, None, false),
            // AWS has raised the quota.
            ("us-east-1", 301, None, true),
            ("us-east-1", 298, Some(301), true),
            ("us-east-1", 298, Some(300), false),
            ("us-east-1", 501, Some(500), false),
            ("eu-south-1", 97, None, true),
            ("eu-south-1", 98, None, false),
            ("eu-south-1", 101, None, true),
        ] {
            let settings = Settings { rule_quota: quota, clusters: Some(vec!["a".to_owned()]), ..Settings::default() };
            let config = settings.config("a".parse().unwrap()).unwrap();
            let stack = Stack { name: "a".parse().unwrap(), region: region.to_owned() };
            let outcome = check_bus(&config, &stack, &new, alone(&bus(exist, false)));
            assert_eq!(outcome.is_ok(), has_room, "{region} {exist} {quota:?}: {outcome:?}");
            // A rule that exists already needs no room.
            let mut full = bus(297, false);
            full.extend(["a", "b", "c"].map(|name| bus::Rule { name: name.to_owned(), ..full[0].clone() }));
            assert!(region != "us-east-1" || check_bus(&config, &stack, &new, alone(&full)).is_ok());
        }
    }

    #[test]
    fn rules_of_other_stacks_of_the_run_take_room_until_they_are_on_the_bus() {
        let config = Settings { clusters: Some(vec!["a".to_owned()]), ..Settings::default() }
            .config("a".parse().unwrap())
            .unwrap();
        let stack = Stack { name: "a".parse().unwrap(), region: "us-east-1".to_owned() };
        let (plain, wild) = (json!({ "source": ["x"] }), json!({ "source": [{ "wildcard": "*x" }] }));
        for (pattern, quota) in [(&plain, 300), (&wild, 30)] {
            let new = plan_with(Action::Add, &["a", "b", "c"], pattern);
            let all = bus(quota, quota == 30);
            let outcome = |exist: usize, beside: &[bus::Rule]| {
                check_bus(&config, &stack, &new, Bus { rules: &all[..exist], beside })
            };
            assert!(outcome(quota - 5, &all[quota - 2..]).is_ok());
            let error = outcome(quota - 5, &all[quota - 3..]).unwrap_err().to_string();
            assert!(error.contains("other stacks of this run add 3"), "{error}");
            // These are on the bus already.
            assert!(outcome(quota - 3, &all[..3]).is_ok());
        }
        // Rules on the bus may get their first wildcard.
        let (new, plain_rules, wild_rules) =
            (plan_with(Action::Add, &["a", "b"], &wild), bus(29, false), bus(29, true));
        for (count, has_room) in [(28, true), (29, false)] {
            let beside = &wild_rules[..count];
            let outcome = check_bus(&config, &stack, &new, Bus { rules: &plain_rules, beside });
            assert_eq!(outcome.is_ok(), has_room, "{count}: {outcome:?}");
        }
        let other = bus::Rule { description: format!("taskbell: x{OF_THE_STACK}A"), ..bus(1, false)[0].clone() };
        let new = plan_with(Action::Add, &["a"], &plain);
        let error = check_bus(&config, &stack, &new, Bus { rules: &[], beside: &[other] }).unwrap_err().to_string();
        assert!(error.contains("the stack A is set up in the same run"), "{error}");
    }

    #[test]
    fn bus_has_room_for_30_rules_with_wildcards() {
        let config = Settings { clusters: Some(vec!["a".to_owned()]), ..Settings::default() }
            .config("a".parse().unwrap())
            .unwrap();
        let stack = Stack { name: "a".parse().unwrap(), region: "us-east-1".to_owned() };
        let wild = json!({ "source": [{ "wildcard": "*x" }] });
        let tame = json!({ "source": ["x"] });
        for (action, pattern, exist, has_room) in [
            (Action::Add, &wild, 28, true),
            (Action::Add, &wild, 29, false),
            (Action::Change, &wild, 29, false),
            (Action::Add, &tame, 30, true),
        ] {
            let plan = plan_with(action, &["a", "b"], pattern);
            assert!(needs_room(&plan));
            let outcome = check_bus(&config, &stack, &plan, alone(&bus(exist, true)));
            assert_eq!(outcome.is_ok(), has_room, "{action:?} {exist}: {outcome:?}");
        }
        // Rules that have their wildcards already do not count twice.
        let plan = plan_with(Action::Change, &["other-0", "other-1"], &wild);
        assert!(check_bus(&config, &stack, &plan, alone(&bus(30, true))).is_ok());
        for (action, pattern) in [(Action::Change, &tame), (Action::Remove, &wild)] {
            assert!(!needs_room(&plan_with(action, &["a"], pattern)), "{action:?}");
        }
    }
}
