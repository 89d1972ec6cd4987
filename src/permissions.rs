//! Computes the least IAM policy that a command needs for one stack. Makes no call.
//!
//! Some calls need several actions, by AWS's rules: to create a resource with tags also needs the service's tag action, to give a
//! function or a schedule a role also needs iam:PassRole, to see tags in GetFunction's answer also needs lambda:ListTags, and to delete
//! a schedule group also needs scheduler:DeleteSchedule.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::config::Cluster;
use crate::pattern::clusters::is_glob;
use crate::pattern::{
    APPLICATION_SOURCE, CATALOGUE, COMPANIONS, DEFAULT, DRILL_SOURCE, JOB_SUCCEEDED, SERVICE_RECOVERED,
};
use crate::stack::{ALARMS, EXPORTED_TAG, Place, STACK_TAG, Stack};

/// A command that makes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Creates, repairs or reconfigures the stack. Does not remove it. Schedules need the next policy besides.
    Setup,
    /// The part of setup that creates, changes or removes the schedules and their role. A policy of its own: together with the rest,
    /// the policy would be too long for a managed policy.
    Schedules,
    /// Only reads, and decrypts nothing.
    Drift,
    Teardown,
    Drill,
    Replay,
    /// Only reads.
    Status,
    /// Only reads, also schedules and rules of others: they start the jobs.
    Jobs,
    /// `pattern test` with a stack or a task in AWS. Only reads.
    PatternTest,
    Notify,
}

impl Command {
    pub const ALL: [Self; 10] = [
        Self::Setup,
        Self::Schedules,
        Self::Drift,
        Self::Teardown,
        Self::Drill,
        Self::Replay,
        Self::Status,
        Self::Jobs,
        Self::PatternTest,
        Self::Notify,
    ];
}

/// The resources of a statement, in the order in which statements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum On {
    Everything,
    /// Every cluster: setup also looks for those that the stack was set up with.
    EveryCluster,
    Tasks,
    /// Every rule whose name begins like the stack's: also rules of stacks whose names begin with this stack's name. For reads.
    Rules,
    /// The rules whose names are known: of the catalogue's patterns, and of the configured patterns.
    NamedRules,
    /// Every rule whose name begins like the stack's, on condition that its tag names the stack.
    TaggedRules,
    /// A rule that does not exist, or belongs to no stack and no export, on condition that it gets the stack's tag.
    NewRules,
    /// Every rule on the default bus. For reads.
    EveryRule,
    /// Every schedule of EventBridge Scheduler. For reads.
    EverySchedule,
    /// The default bus, for events of this source alone.
    Bus(&'static str),
    Function,
    /// The functions of the stacks that may have the clusters' names: with several clusters, the stack is one of them.
    Namesakes,
    /// The mappings of queues and streams, on condition that they invoke the function.
    EventSources,
    /// The notifier's role.
    Role,
    /// The notifier's role, on condition that it has the permissions boundary.
    RoleWithin,
    /// The role with which Scheduler invokes the notifier.
    WatchRole,
    /// The role with which Scheduler invokes the notifier, on condition that it has the permissions boundary.
    WatchRoleWithin,
    /// The notifier's role, on condition that it is passed to Lambda and to no other service.
    RoleForLambda,
    /// The role with which Scheduler invokes the notifier, on condition that it is passed to Scheduler and to no other service.
    RoleForScheduler,
    LogGroup,
    Queue,
    Table,
    Parameter,
    Alarms,
    ScheduleGroup,
    /// Every schedule of the group.
    Schedules,
}

/// Actions by their resources.
type Grants = &'static [(On, &'static [&'static str])];

const READ_PARAMETER: Grants =
    &[(On::Everything, &["ssm:DescribeParameters"]), (On::Parameter, &["ssm:ListTagsForResource"])];
const READ_LOG_GROUP: Grants = &[
    (On::Everything, &["logs:DescribeLogGroups"]),
    (On::LogGroup, &["logs:ListTagsForResource", "logs:DescribeSubscriptionFilters"]),
];
const READ_QUEUE: Grants = &[(On::Queue, &["sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ListQueueTags"])];
const READ_TABLE: Grants = &[(
    On::Table,
    &[
        "dynamodb:DescribeTable",
        "dynamodb:DescribeTimeToLive",
        "dynamodb:DescribeKinesisStreamingDestination",
        "dynamodb:GetResourcePolicy",
        "dynamodb:ListTagsOfResource",
    ],
)];
const READ_ALARMS: Grants = &[
    (On::Everything, &["cloudwatch:DescribeAlarms", "cloudwatch:ListAlarmMuteRules"]),
    (On::Alarms, &["cloudwatch:ListTagsForResource"]),
];
const READ_ROLE: Grants =
    &[(On::Role, &["iam:GetRole", "iam:ListRolePolicies", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies"])];
/// Includes the role, because a function's grants belong to the present role or to an earlier one.
const READ_FUNCTION: Grants = &[
    (On::Everything, &["lambda:ListEventSourceMappings"]),
    (
        On::Function,
        &[
            "lambda:GetFunction",
            "lambda:GetFunctionCodeSigningConfig",
            "lambda:ListTags",
            "lambda:GetPolicy",
            "lambda:GetFunctionEventInvokeConfig",
        ],
    ),
    (On::Namesakes, &["lambda:GetFunction", "lambda:ListTags"]),
    (On::Role, &["iam:GetRole"]),
];
const READ_RULES: Grants = &[
    (On::Everything, &["events:ListRules"]),
    (On::Rules, &["events:ListTargetsByRule", "events:ListTagsForResource"]),
];
/// Shows that the schedule group and its role do not exist.
const SEE_SCHEDULES: Grants =
    &[(On::ScheduleGroup, &["scheduler:GetScheduleGroup"]), (On::WatchRole, &["iam:GetRole"])];
/// Reads a schedule group that exists.
const READ_SCHEDULES: Grants = &[
    (On::Everything, &["scheduler:ListSchedules"]),
    (On::ScheduleGroup, &["scheduler:ListTagsForResource"]),
    (On::Schedules, &["scheduler:GetSchedule"]),
];
/// Reads a role of the schedules that exists.
const READ_WATCH_ROLE: Grants =
    &[(On::WatchRole, &["iam:ListRolePolicies", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies"])];

const READ_ALL: [Grants; 9] = [
    READ_PARAMETER,
    READ_LOG_GROUP,
    READ_QUEUE,
    READ_TABLE,
    READ_ALARMS,
    READ_ROLE,
    READ_FUNCTION,
    READ_RULES,
    SEE_SCHEDULES,
];

const WRITE: Grants = &[
    (On::EveryCluster, &["ecs:DescribeClusters"]),
    (On::Everything, &["events:TestEventPattern"]),
    (
        On::Parameter,
        &["ssm:PutParameter", "ssm:AddTagsToResource", "ssm:RemoveTagsFromResource", "ssm:DeleteParameter"],
    ),
    (
        On::LogGroup,
        &[
            "logs:CreateLogGroup",
            "logs:PutRetentionPolicy",
            "logs:DeleteRetentionPolicy",
            "logs:TagResource",
            "logs:UntagResource",
            "logs:DeleteSubscriptionFilter",
            "logs:PutLogGroupDeletionProtection",
        ],
    ),
    (On::Queue, &["sqs:CreateQueue", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue"]),
    (
        On::Table,
        &[
            "dynamodb:CreateTable",
            "dynamodb:UpdateTable",
            "dynamodb:UpdateTimeToLive",
            "dynamodb:TagResource",
            "dynamodb:UntagResource",
            "dynamodb:DeleteTable",
            "dynamodb:DeleteResourcePolicy",
            "dynamodb:DisableKinesisStreamingDestination",
        ],
    ),
    (On::EventSources, &["lambda:DeleteEventSourceMapping"]),
    (
        On::Alarms,
        &["cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource", "cloudwatch:DeleteAlarms"],
    ),
    (On::RoleForLambda, &["iam:PassRole"]),
    (
        On::Function,
        &[
            "lambda:CreateFunction",
            "lambda:GetFunctionConfiguration",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
            "lambda:AddPermission",
            "lambda:RemovePermission",
            "lambda:PutFunctionEventInvokeConfig",
            "lambda:DeleteFunctionCodeSigningConfig",
            "lambda:DeleteFunctionConcurrency",
            "lambda:TagResource",
            "lambda:UntagResource",
        ],
    ),
    (On::NamedRules, WRITE_RULES),
    (On::TaggedRules, WRITE_RULES),
    (On::NewRules, &["events:PutRule", "events:TagResource"]),
];

const WRITE_RULES: &[&str] = &["events:PutRule", "events:PutTargets", "events:TagResource", "events:UntagResource"];

const WRITE_SCHEDULES: Grants = &[
    (On::RoleForScheduler, &["iam:PassRole"]),
    (On::ScheduleGroup, &["scheduler:CreateScheduleGroup", "scheduler:TagResource", "scheduler:UntagResource"]),
    (On::Schedules, &["scheduler:CreateSchedule", "scheduler:UpdateSchedule"]),
];
const DELETE_SCHEDULES: Grants =
    &[(On::ScheduleGroup, &["scheduler:DeleteScheduleGroup"]), (On::Schedules, &["scheduler:DeleteSchedule"])];

/// Not needed if the user owns the role.
const WRITE_ROLE: Grants = &[(On::Role, WRITE_A_ROLE)];
const WRITE_WATCH_ROLE: Grants = &[(On::WatchRole, WRITE_A_ROLE)];
const WRITE_A_ROLE: &[&str] = &[
    "iam:CreateRole",
    "iam:UpdateRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:PutRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:DeleteRolePermissionsBoundary",
    "iam:TagRole",
    "iam:UntagRole",
];
/// The actions that decide about a role's permissions. A boundary is effective only if each of them requires it.
const WITHIN_BOUNDARY: [&str; 5] = [
    "iam:CreateRole",
    "iam:PutRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
];
const STRIP_ROLE: Grants = &[(On::Role, STRIP_A_ROLE)];
const STRIP_WATCH_ROLE: Grants = &[(On::WatchRole, STRIP_A_ROLE)];
const STRIP_A_ROLE: &[&str] = &["iam:DeleteRolePolicy", "iam:DetachRolePolicy"];
const DELETE_ROLE: Grants = &[(On::Role, DELETE_A_ROLE)];
const DELETE_WATCH_ROLE: Grants = &[(On::WatchRole, DELETE_A_ROLE)];
/// Contains no action that changes instance profiles, which others may own. Only a caller who has that permission from elsewhere
/// can remove the role from them.
const DELETE_A_ROLE: &[&str] = &["iam:ListInstanceProfilesForRole", "iam:DeleteRole"];
const DELETE_RULES: Grants = &[(On::NamedRules, DELETE_RULE), (On::TaggedRules, DELETE_RULE)];
const DELETE_RULE: &[&str] = &["events:RemoveTargets", "events:DeleteRule"];
const DELETE_REST: Grants = &[
    (On::Parameter, &["ssm:DeleteParameter"]),
    // PutLogGroupDeletionProtection and UpdateTable disable deletion protection that somebody enabled.
    (On::LogGroup, &["logs:PutLogGroupDeletionProtection", "logs:DeleteLogGroup"]),
    (On::Queue, &["sqs:DeleteQueue"]),
    (On::Table, &["dynamodb:UpdateTable", "dynamodb:DeleteTable"]),
    (On::Alarms, &["cloudwatch:DeleteAlarms"]),
    (On::Function, &["lambda:DeleteFunction"]),
];

const DRILL: Grants = &[
    (On::Bus(DRILL_SOURCE), &["events:PutEvents"]),
    (On::LogGroup, &["logs:FilterLogEvents"]),
    (On::Queue, &["sqs:GetQueueUrl", "sqs:ReceiveMessage"]),
];
const REPLAY: Grants = &[
    (On::Queue, &["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:PurgeQueue"]),
    (On::Function, &["lambda:InvokeFunction"]),
];
/// Includes the list of clusters: `status` names those that no stack covers.
const STATUS: Grants = &[
    (On::Everything, &["ecs:ListClusters"]),
    (On::Function, &["lambda:GetFunctionConfiguration"]),
    (On::LogGroup, &["logs:DescribeLogStreams", "logs:GetLogEvents"]),
    (On::Queue, &["sqs:GetQueueUrl", "sqs:GetQueueAttributes"]),
    (On::Table, &["dynamodb:Scan"]),
];
const JOBS: Grants = &[
    (On::Everything, &["scheduler:ListSchedules"]),
    (On::EveryRule, &["events:ListTargetsByRule"]),
    (On::EverySchedule, &["scheduler:GetSchedule"]),
    (On::Table, &["dynamodb:Scan"]),
];
/// Allows DescribeTaskDefinition for all task definitions, as the notifier's role does: a policy cannot name them.
const PATTERN_TEST: Grants = &[
    (On::Everything, &["ecs:DescribeTaskDefinition"]),
    (On::Tasks, &["ecs:DescribeTasks"]),
    (On::Table, &["dynamodb:GetItem"]),
];
/// Finds the clusters that a glob covers, of the user or of the settings that a stack was set up with.
const FIND_CLUSTERS: Grants = &[(On::Everything, &["ecs:ListClusters"])];
const NOTIFY: Grants = &[(On::Bus(APPLICATION_SOURCE), &["events:PutEvents"])];

fn grants(command: Command, own_role: Option<&str>) -> Vec<Grants> {
    let and_all = |more: &[Grants]| [&READ_ALL[..], more].concat();
    let schedules = [READ_SCHEDULES, READ_WATCH_ROLE, STRIP_WATCH_ROLE, DELETE_WATCH_ROLE, DELETE_SCHEDULES];
    match command {
        Command::Setup if own_role.is_none() => and_all(&[WRITE, WRITE_ROLE, STRIP_ROLE, DELETE_RULES]),
        // Setup removes a role that the stack owned before.
        Command::Setup => and_all(&[WRITE, STRIP_ROLE, DELETE_ROLE, DELETE_RULES]),
        // Setup also removes the schedules and their role, if nothing is expected any more or the user gives an own role.
        Command::Schedules if own_role.is_none() => [&schedules[..], &[WRITE_SCHEDULES, WRITE_WATCH_ROLE]].concat(),
        Command::Schedules => [&schedules[..], &[WRITE_SCHEDULES]].concat(),
        Command::Drift => and_all(&[READ_SCHEDULES, READ_WATCH_ROLE]),
        Command::Teardown if own_role.is_none() => {
            and_all(&[&[STRIP_ROLE, DELETE_ROLE, DELETE_RULES, DELETE_REST], &schedules[..]].concat())
        }
        // For the stack's own roles, teardown only has to see that none exists: READ_FUNCTION and SEE_SCHEDULES allow that.
        Command::Teardown => {
            let all = and_all(&[DELETE_RULES, DELETE_REST, READ_SCHEDULES, DELETE_SCHEDULES]);
            all.into_iter().filter(|grants| *grants != READ_ROLE).collect()
        }
        Command::Drill => vec![READ_FUNCTION, READ_RULES, DRILL],
        Command::Replay => vec![READ_FUNCTION, READ_QUEUE, REPLAY],
        Command::Status => vec![READ_FUNCTION, READ_RULES, STATUS],
        Command::Jobs => vec![READ_FUNCTION, READ_RULES, JOBS],
        Command::PatternTest => vec![READ_FUNCTION, READ_RULES, PATTERN_TEST],
        Command::Notify => vec![NOTIFY],
    }
}

/// The stack, the clusters and the roles for which a policy is written.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    pub stack: &'a Stack,
    pub place: &'a Place,
    /// The ARNs of the clusters; empty: all clusters.
    pub clusters: &'a [String],
    /// The user's own role for the notifier.
    pub own_role: Option<&'a str>,
    /// The permissions boundary that the notifier's role must have.
    pub boundary: Option<&'a str>,
    /// The names of the configured patterns; empty: the default ones.
    pub patterns: &'a [String],
}

/// The most characters of a managed policy, without white space.
const MANAGED: usize = 6144;

/// Returns the policy document for a command. If the policy were too long for a managed policy, it has fewer statements, each for
/// several services; if that does not suffice, it does not name the rules of all patterns of the catalogue, but those of the default
/// and the configured patterns, and then those of the configured patterns alone: the conditions on tags cover the others. With long
/// names, the policy can still be too long: then it fits the inline policies of a role.
#[must_use]
pub fn policy(command: Command, ground: Ground) -> Value {
    let all: Vec<&str> = CATALOGUE.iter().chain(&COMPANIONS).map(|entry| entry.name).collect();
    let default: Vec<&str> = DEFAULT.into_iter().chain([JOB_SUCCEEDED, SERVICE_RECOVERED]).collect();
    let mut shortest = Value::Null;
    for names in [all, default, Vec::new()] {
        let configured = ground.patterns.iter().filter(|name| !names.contains(&name.as_str()));
        let patterns: Vec<String> = names.iter().map(|name| (*name).to_owned()).chain(configured.cloned()).collect();
        let statements = statements(command, Ground { patterns: &patterns, ..ground });
        for statements in [statements.clone(), merged(statements)] {
            let statements: Vec<Value> = statements.iter().map(Statement::value).collect();
            shortest = json!({ "Version": "2012-10-17", "Statement": statements });
            if shortest.to_string().len() <= MANAGED {
                return shortest;
            }
        }
    }
    shortest
}

#[derive(Clone)]
struct Statement {
    actions: Vec<&'static str>,
    resources: Vec<String>,
    condition: Option<Value>,
}

impl Statement {
    fn value(&self) -> Value {
        let mut value = json!({ "Effect": "Allow", "Action": self.actions, "Resource": self.resources });
        if let Some(condition) = &self.condition {
            value["Condition"] = condition.clone();
        }
        value
    }

    fn services(&self) -> BTreeSet<&str> {
        self.actions.iter().filter_map(|action| action.split(':').next()).collect()
    }

    /// Returns whether the statement has no condition and names its resources.
    fn is_plain(&self) -> bool {
        self.condition.is_none() && self.resources != ["*"]
    }
}

/// Returns the statements that name the rules of `ground.patterns`.
fn statements(command: Command, ground: Ground) -> Vec<Statement> {
    let mut by_resource: BTreeMap<On, BTreeSet<&'static str>> = BTreeMap::new();
    let has_globs = ground.clusters.is_empty() || ground.clusters.iter().any(|arn| is_glob(arn));
    let finds = has_globs && matches!(command, Command::Setup | Command::Drill | Command::Jobs);
    let more = if finds { vec![FIND_CLUSTERS] } else { Vec::new() };
    for (on, actions) in grants(command, ground.own_role).into_iter().chain(more).flatten() {
        for action in *actions {
            let is_bound = ground.boundary.is_some() && matches!(command, Command::Setup | Command::Schedules);
            let on = match *on {
                On::Role | On::WatchRole if is_bound && *action == "iam:DeleteRolePermissionsBoundary" => continue,
                On::Role if is_bound && WITHIN_BOUNDARY.contains(action) => On::RoleWithin,
                On::WatchRole if is_bound && WITHIN_BOUNDARY.contains(action) => On::WatchRoleWithin,
                on => on,
            };
            by_resource.entry(on).or_default().insert(action);
        }
    }
    let is_named = |on: On| match on {
        On::NamedRules => !ground.patterns.is_empty(),
        On::Namesakes => !namesakes(ground).is_empty(),
        _ => true,
    };
    let named = by_resource.into_iter().filter(|(on, _)| is_named(*on));
    let statement = |(on, actions): (On, BTreeSet<&'static str>)| Statement {
        actions: actions.into_iter().collect(),
        resources: resources(on, ground),
        condition: condition(on, ground),
    };
    named.map(statement).collect()
}

/// Returns the functions of the other stacks that may have the clusters' names.
fn namesakes(Ground { stack, place, clusters, .. }: Ground) -> Vec<String> {
    if clusters.len() < 2 {
        return Vec::new();
    }
    let names = clusters.iter().filter_map(|arn| arn.rsplit('/').next()?.parse::<Cluster>().ok()?.stack_name().ok());
    let functions = names.map(|name| Stack { name, region: stack.region.clone() }.function_name());
    let arns: BTreeSet<String> = functions.map(|name| place.function_arn(&name)).collect();
    arns.into_iter().filter(|arn| *arn != place.function_arn(&stack.function_name())).collect()
}

/// Merges statements that have no service in common. The policy allows the same as before: no action takes a resource of another
/// service.
fn merged(statements: Vec<Statement>) -> Vec<Statement> {
    let mut merged: Vec<Statement> = Vec::new();
    for mut statement in statements {
        let joins = |other: &&mut Statement| {
            statement.is_plain() && other.is_plain() && other.services().is_disjoint(&statement.services())
        };
        match merged.iter_mut().find(joins) {
            Some(other) => {
                other.actions.append(&mut statement.actions);
                other.resources.append(&mut statement.resources);
            }
            None => merged.push(statement),
        }
    }
    merged
}

/// Returns the condition of a statement. A key that can have many values in one request is not compared with a plain operator:
/// `ForAllValues` compares each value, and `Null` requires that there is one.
fn condition(on: On, Ground { stack, place, boundary, .. }: Ground) -> Option<Value> {
    let tag = |tags: &str, key: &str| format!("aws:{tags}/{key}");
    Some(match on {
        On::RoleForLambda => json!({ "StringEquals": { "iam:PassedToService": "lambda.amazonaws.com" } }),
        On::RoleForScheduler => json!({ "StringEquals": { "iam:PassedToService": "scheduler.amazonaws.com" } }),
        On::RoleWithin | On::WatchRoleWithin => json!({ "StringEquals": { "iam:PermissionsBoundary": boundary? } }),
        On::Bus(source) => json!({
            "ForAllValues:StringEquals": { "events:source": source },
            "Null": { "events:source": "false" },
        }),
        On::EventSources => json!({
            "ArnEquals": { "lambda:FunctionArn": place.function_arn(&stack.function_name()) },
        }),
        On::TaggedRules => json!({ "StringEquals": { tag("ResourceTag", STACK_TAG): stack.name } }),
        // EventBridge accepts PutRule with tags for a rule that exists, and ignores the tags: rules of other stacks are excluded,
        // also those that another engine manages.
        On::NewRules => json!({
            "StringEquals": { tag("RequestTag", STACK_TAG): stack.name },
            "Null": { tag("ResourceTag", STACK_TAG): "true", tag("ResourceTag", EXPORTED_TAG): "true" },
        }),
        _ => return None,
    })
}

fn resources(on: On, ground: Ground) -> Vec<String> {
    let Ground { stack, place, clusters, own_role, boundary: _, patterns } = ground;
    let role = |name: &str| place.role_arn(&format!("/taskbell/{name}"));
    // AWS evaluates a request for a role that does not exist (yet) without the role's path.
    let both = |name: &str| vec![role(name), place.role_arn(&format!("/{name}"))];
    let schedules = stack.schedule_group_name();
    let group = place.log_group_arn(&stack.log_group_name());
    let of_clusters = |arns: &dyn Fn(&str) -> String| match clusters {
        [] => vec![arns(&place.cluster_arn("*"))],
        clusters => clusters.iter().map(|arn| arns(arn)).collect(),
    };
    match on {
        On::Everything => vec!["*".to_owned()],
        On::EveryCluster => vec![place.cluster_arn("*")],
        On::Tasks => of_clusters(&|arn| format!("{}/*", arn.replacen(":cluster/", ":task/", 1))),
        On::Rules | On::TaggedRules | On::NewRules => vec![place.rule_arn(&format!("{}*", stack.rule_prefix()))],
        On::EveryRule => vec![place.rule_arn("*")],
        On::EverySchedule => vec![place.schedule_arn("*", "*")],
        On::NamedRules => patterns.iter().map(|name| place.rule_arn(&stack.rule_name(name))).collect(),
        On::Bus(_) => vec![place.bus_arn()],
        On::EventSources => vec![place.event_source_arn("*")],
        On::Function => vec![place.function_arn(&stack.function_name())],
        On::Namesakes => namesakes(ground),
        On::Role | On::RoleWithin => both(&stack.role_name()),
        On::WatchRole | On::WatchRoleWithin => both(&stack.watch_role_name()),
        On::RoleForLambda => vec![own_role.map_or_else(|| role(&stack.role_name()), str::to_owned)],
        On::RoleForScheduler => vec![own_role.map_or_else(|| role(&stack.watch_role_name()), str::to_owned)],
        On::LogGroup => vec![group.clone(), format!("{group}:*")],
        On::Queue => vec![place.queue_arn(&stack.queue_name())],
        On::Table => vec![place.table_arn(&stack.table_name())],
        On::Parameter => vec![place.parameter_arn(&stack.parameter_name())],
        On::ScheduleGroup => vec![place.schedule_group_arn(&schedules)],
        On::Schedules => vec![place.schedule_arn(&schedules, "*")],
        On::Alarms => ALARMS.iter().map(|key| place.alarm_arn(&stack.alarm_name(key))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: Command) -> Value {
        let stack = Stack { name: "batch".parse().unwrap(), region: "cn-north-1".to_owned() };
        let place = Place::of_caller("arn:aws-cn:iam::123456789012:user/x", "123456789012", "cn-north-1");
        policy(
            command,
            Ground {
                stack: &stack,
                place: &place,
                clusters: &[place.cluster_arn("batch")],
                own_role: None,
                boundary: None,
                patterns: &[],
            },
        )
    }

    fn actions(policy: &Value) -> Vec<&str> {
        let statements = policy["Statement"].as_array().unwrap().iter();
        statements.flat_map(|one| one["Action"].as_array().unwrap()).map(|action| action.as_str().unwrap()).collect()
    }

    #[test]
    fn reading_commands_only_read_and_no_policy_decrypts() {
        for command in [Command::Drift, Command::Status, Command::Jobs, Command::PatternTest] {
            let policy = of(command);
            for action in actions(&policy) {
                let verb = action.split_once(':').unwrap().1;
                assert!(["Get", "List", "Describe", "Scan"].iter().any(|read| verb.starts_with(read)), "{action}");
                assert!(!["ssm:GetParameter", "sqs:ReceiveMessage"].contains(&action));
            }
        }
        for command in &Command::ALL {
            assert!(!of(*command).to_string().contains("kms:"));
        }
    }

    #[test]
    fn arns_have_the_partition_and_only_reads_apply_to_everything() {
        for command in &Command::ALL {
            let policy = of(*command);
            for statement in policy["Statement"].as_array().unwrap() {
                for resource in statement["Resource"].as_array().unwrap().iter().map(|arn| arn.as_str().unwrap()) {
                    assert!(resource == "*" || resource.starts_with("arn:aws-cn:"), "{resource}");
                    let lists = ["Describe", "List", "Test"];
                    let harmless = actions(&json!({ "Statement": [statement] }))
                        .iter()
                        .all(|action| lists.iter().any(|verb| action.split_once(':').unwrap().1.starts_with(verb)));
                    assert!(resource != "*" || harmless, "{statement}");
                }
            }
        }
    }

    #[test]
    fn every_decision_about_the_role_requires_the_boundary() {
        let stack = Stack { name: "batch".parse().unwrap(), region: "us-east-1".to_owned() };
        let place = Place::of_caller("arn:aws:iam::123456789012:user/x", "123456789012", "us-east-1");
        let boundary = Some("arn:aws:iam::123456789012:policy/wall");
        let ground = Ground { stack: &stack, place: &place, clusters: &[], own_role: None, boundary, patterns: &[] };
        let policy = policy(Command::Setup, ground);
        assert!(!policy.to_string().contains("iam:DeleteRolePermissionsBoundary"));
        for statement in policy["Statement"].as_array().unwrap() {
            let decides = statement["Action"].as_array().unwrap().iter().any(|action| {
                let action = action.as_str().unwrap();
                WITHIN_BOUNDARY.contains(&action) || action == "iam:AttachRolePolicy"
            });
            let condition = &statement["Condition"]["StringEquals"]["iam:PermissionsBoundary"];
            assert_eq!(condition.as_str(), boundary.filter(|_| decides), "{statement}");
        }
    }

    #[test]
    fn no_policy_changes_instance_profiles_or_a_role_of_the_user() {
        let stack = Stack { name: "batch".parse().unwrap(), region: "us-east-1".to_owned() };
        let place = Place::of_caller("arn:aws:iam::123456789012:user/x", "123456789012", "us-east-1");
        for command in &Command::ALL {
            assert!(!of(*command).to_string().contains("iam:RemoveRoleFromInstanceProfile"));
            let own_role = Some("arn:aws:iam::123456789012:role/mine");
            let ground =
                Ground { stack: &stack, place: &place, clusters: &[], own_role, boundary: None, patterns: &[] };
            let policy = policy(*command, ground);
            for action in actions(&policy).iter().filter(|action| action.starts_with("iam:")) {
                assert!(
                    !["Create", "Put", "Update", "Attach"].iter().any(|verb| action[4..].starts_with(verb)),
                    "{action}"
                );
            }
        }
    }

    /// Checks IAM's limits, which do not count white space: 6,144 characters for a managed policy, 10,240 for all inline policies
    /// of a role. More than the default patterns need the latter one if the names are long.
    #[test]
    fn every_policy_fits_a_managed_policy_and_with_the_longest_names_an_inline_policy() {
        for (length, of_role, most) in [(20, 40, MANAGED), (48, 64, MANAGED), (255, 512 + 64, 10_240)] {
            let name = "x".repeat(length);
            let stack = Stack { name: name.parse().unwrap(), region: "ap-southeast-99".to_owned() };
            let place = Place::of_caller("arn:aws-us-gov:iam::123456789012:user/x", "123456789012", &stack.region);
            let role = place.role_arn(&format!("/{}", "x".repeat(of_role)));
            for command in &Command::ALL {
                let clusters = [place.cluster_arn(&name)];
                for (own_role, boundary) in [(Some(role.as_str()), None), (None, Some(role.as_str()))] {
                    for patterns in [vec![], configured()] {
                        let patterns = &patterns;
                        let ground =
                            Ground { stack: &stack, place: &place, clusters: &clusters, own_role, boundary, patterns };
                        let count = policy(*command, ground).to_string().chars().filter(|c| !c.is_whitespace()).count();
                        let most = if length > 20 && !patterns.is_empty() { 10_240 } else { most };
                        assert!(count <= most, "{command:?} of {length} with {patterns:?}: {count}");
                    }
                }
            }
        }
    }

    /// Checks that merged statements allow the same: the same actions on the resources of their own service, on the same conditions.
    #[test]
    fn merged_statements_allow_the_same() {
        let stack = Stack { name: "batch".parse().unwrap(), region: "us-east-1".to_owned() };
        let place = Place::of_caller("arn:aws:iam::123456789012:user/x", "123456789012", "us-east-1");
        let boundary = Some("arn:aws:iam::123456789012:policy/wall");
        let patterns = configured();
        let ground =
            Ground { stack: &stack, place: &place, clusters: &[], own_role: None, boundary, patterns: &patterns };
        let allowed = |statements: &[Statement]| {
            let mut allowed = BTreeSet::new();
            for Statement { actions, resources, condition } in statements {
                for (action, arn) in actions.iter().flat_map(|action| resources.iter().map(move |arn| (action, arn))) {
                    if arn == "*" || arn.split(':').nth(2) == action.split(':').next() {
                        allowed.insert(format!("{action} {arn} {condition:?}"));
                    }
                }
            }
            allowed
        };
        for command in Command::ALL {
            let statements = statements(command, ground);
            let merged = merged(statements.clone());
            assert_eq!(allowed(&merged), allowed(&statements), "{command:?}");
            assert!(merged.len() <= statements.len());
            for statement in merged.iter().filter(|statement| statement.resources == ["*"]) {
                assert!(statements.iter().any(|other| other.actions == statement.actions), "{:?}", statement.actions);
            }
        }
    }

    /// Returns configured patterns: one of the catalogue that is no default, and one of a file.
    fn configured() -> Vec<String> {
        let is_default = |name: &str| DEFAULT.contains(&name);
        let other = CATALOGUE.iter().map(|entry| entry.name).find(|name| !is_default(name)).unwrap();
        DEFAULT.into_iter().chain([other, "quiet"]).map(str::to_owned).collect()
    }

    #[test]
    fn every_configured_rule_is_named_once_also_where_the_catalogue_is_too_long() {
        let mut is_short = Vec::new();
        for length in [5, 48] {
            let stack = Stack { name: "x".repeat(length).parse().unwrap(), region: "ap-southeast-99".to_owned() };
            let place = Place::of_caller("arn:aws-us-gov:iam::123456789012:user/x", "123456789012", &stack.region);
            for patterns in [vec![], configured()] {
                let ground = Ground {
                    stack: &stack,
                    place: &place,
                    clusters: &[],
                    own_role: None,
                    boundary: None,
                    patterns: &patterns,
                };
                let text = policy(Command::Setup, ground).to_string();
                let times =
                    |name: &str| text.matches(&format!("\"{}\"", place.rule_arn(&stack.rule_name(name)))).count();
                for name in &patterns {
                    assert_eq!(times(name), 1, "{name} of {length}: {text}");
                }
                is_short.push(CATALOGUE.iter().any(|entry| times(entry.name) == 0));
            }
        }
        assert_eq!(is_short, [false, false, true, true]);
    }
}
