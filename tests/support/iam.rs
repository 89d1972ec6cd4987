//! Imitates IAM for the AWS in the process: the actions and resources that a request needs, and whether a policy allows them.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use serde_json::Value;
use taskbell::stack::{EXPORTED_TAG, STACK_TAG};

use crate::support::Outcome;
use crate::support::aws::{ACCOUNT, REGION};
use crate::support::hand::{FUNCTION, Hand, ROLE};

/// A permission that a request needs: an action, and a resource.
pub type Need = (String, String);

/// The values of the condition keys of a request. A key that the request does not have is missing.
pub type Context = BTreeMap<String, Vec<String>>;

/// The condition keys that can have many values in one request (ArrayOfString and ArrayOfARN in IAM's reference).
pub const OF_MANY_VALUES: [&str; 6] = [
    "aws:TagKeys",
    "dynamodb:Attributes",
    "dynamodb:LeadingKeys",
    "events:TargetArn",
    "events:source",
    "kms:EncryptionContextKeys",
];

/// Checks whether a policy document allows the action on the resource; compares conditions with `context`. No action takes a resource
/// of another service, so a statement may list those of several services.
pub fn allows(policy: &Value, (action, resource): &Need, context: &Context) -> bool {
    let takes = resource == "*" || resource.split(':').nth(2) == action.split(':').next();
    takes
        && policy["Statement"].as_array().unwrap().iter().any(|statement| {
            let listed = |field: &str, name: &str| {
                statement[field].as_array().unwrap().iter().any(|pattern| fits(pattern.as_str().unwrap(), name))
            };
            let mut conditions = conditions(statement);
            listed("Action", action)
                && listed("Resource", resource)
                && conditions.all(|(operator, key, values)| holds(operator, key, &values, context))
        })
}

/// Returns the conditions of a statement: operators, keys and values.
pub fn conditions(statement: &Value) -> impl Iterator<Item = (&str, &str, Vec<&str>)> {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    operators.flat_map(|(operator, keys)| {
        keys.as_object().unwrap().iter().map(move |(key, value)| (operator.as_str(), key.as_str(), texts(value)))
    })
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().map(|value| value.as_str().unwrap()).collect(),
        value => vec![value.as_str().unwrap()],
    }
}

/// Evaluates a condition as IAM does. A plain operator on a key with many values never holds: IAM does not define which of the
/// values it compares.
fn holds(operator: &str, key: &str, values: &[&str], context: &Context) -> bool {
    let given = context.get(key);
    match operator {
        "StringEquals" | "ArnEquals" => {
            let is_single = !OF_MANY_VALUES.contains(&key);
            is_single && given.is_some_and(|given| given.iter().all(|given| values.contains(&given.as_str())))
        }
        "ForAllValues:StringEquals" => given.into_iter().flatten().all(|given| values.contains(&given.as_str())),
        "Null" => values == [if given.is_none() { "true" } else { "false" }],
        other => panic!("no evaluation of {other}"),
    }
}

/// Returns the actions that a policy grants.
pub fn actions(policy: &Value) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

pub fn without(policy: &Value, action: &str) -> Value {
    let mut policy = policy.clone();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        statement["Action"].as_array_mut().unwrap().retain(|other| other != action);
    }
    policy
}

/// Puts the stack's role into an instance profile by hand.
pub async fn put_into_profile(hand: &Hand) {
    put_role_into_profile(hand, ROLE).await;
}

/// Puts a role into an instance profile by hand.
pub async fn put_role_into_profile(hand: &Hand, role: &str) {
    let name = "somebodys";
    hand.iam.create_instance_profile().instance_profile_name(name).send().await.unwrap();
    let call = hand.iam.add_role_to_instance_profile().instance_profile_name(name);
    call.role_name(role).send().await.unwrap();
}

/// Attaches a policy to the stack's role by hand.
pub async fn attach(hand: &Hand) {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    hand.iam.create_policy().policy_name("extra").policy_document(policy).send().await.unwrap();
    let arn = "arn:aws:iam::123456789012:policy/extra";
    hand.iam.attach_role_policy().role_name(ROLE).policy_arn(arn).send().await.unwrap();
}

/// Checks whether AWS refused a call that a printed policy should allow: no policy allows the calls for the hint about log groups,
/// or those on instance profiles.
pub fn was_refused(outcome: &Outcome) -> bool {
    let granted_nowhere =
        ["the logs of the clusters' tasks could not be determined", "on iam:RemoveRoleFromInstanceProfile"];
    let mut lines = outcome.out.lines().chain(outcome.err.lines());
    lines.any(|line| line.contains("not authorized") && !granted_nowhere.iter().any(|known| line.contains(known)))
}

/// Checks whether a name matches a pattern, in which `*` stands for any characters.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(start) else {
        return false;
    };
    (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| fits(rest, &name[at..]))
}

fn arn(service: &str, rest: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}")
}

/// Returns the resource of a call of Scheduler; `group` is the group named in the body.
fn scheduler_arn(verb: &str, path: &str, group: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let name = path.rsplit('/').next().unwrap_or_default();
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("groupName="));
    match verb {
        "ListSchedules" | "ListScheduleGroups" => "*".to_owned(),
        "ListTagsForResource" | "TagResource" | "UntagResource" => path.split_once("/tags/").unwrap().1.to_owned(),
        _ if verb.ends_with("Group") => arn("scheduler", &format!("schedule-group/{name}")),
        _ => arn("scheduler", &format!("schedule/{}/{name}", if group.is_empty() { asked.unwrap() } else { group })),
    }
}

/// Returns the permissions that the caller needs before AWS carries the request out, and the values of condition keys. `bound`
/// returns the permissions boundary of a role, `tag` the value of a rule's tag.
#[allow(clippy::too_many_lines, reason = "one arm for each action")]
pub fn needs(
    action: &str,
    request: &HttpRequest,
    bound: impl Fn(&str) -> Option<String>,
    tag: impl Fn(&str, &str) -> Option<String>,
) -> (Vec<Need>, Context) {
    let body = request.body().bytes().unwrap_or_default();
    let json: Value = serde_json::from_slice(body).or_else(|_| ciborium::from_reader(body)).unwrap_or_default();
    let form = String::from_utf8_lossy(body).into_owned();
    let field = |name: &str| {
        let pair = form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        json[name].as_str().map(str::to_owned).or_else(|| pair.map(decoded)).unwrap_or_default()
    };
    let has = |name: &str| {
        !json[name].is_null() && json[name] != serde_json::json!({}) || form.contains(&format!("&{name}."))
    };
    let (service, verb) = action.split_once(':').unwrap();
    let first = |names: &[&str]| names.iter().map(|name| field(name)).find(|text| !text.is_empty()).unwrap_or_default();
    let path = percent_encoding::percent_decode_str(request.uri()).decode_utf8_lossy().into_owned();
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/taskbell/{name}");
    let resource = match service {
        "sts" => return (Vec::new(), Context::new()),
        "ssm" if verb != "DescribeParameters" => arn("ssm", &format!("parameter{}", first(&["Name", "ResourceId"]))),
        "logs" if verb == "GetLogEvents" => {
            arn("logs", &format!("log-group:{}:log-stream:{}", field("logGroupName"), field("logStreamName")))
        }
        "logs" if verb == "DescribeLogGroups" => "*".to_owned(),
        "logs" => match field("resourceArn") {
            text if text.is_empty() => {
                arn("logs", &format!("log-group:{}", first(&["logGroupName", "logGroupIdentifier"])))
            }
            text => text,
        },
        "sqs" => arn("sqs", first(&["QueueName", "QueueUrl"]).rsplit('/').next().unwrap()),
        "dynamodb" => match field("ResourceArn") {
            text if text.is_empty() => arn("dynamodb", &format!("table/{}", field("TableName"))),
            text => text,
        },
        "cloudwatch" if verb == "DeleteAlarms" => {
            arn("cloudwatch", &format!("alarm:{}", json["AlarmNames"][0].as_str().unwrap()))
        }
        "cloudwatch" if verb == "PutMetricAlarm" => arn("cloudwatch", &format!("alarm:{}", field("AlarmName"))),
        "cloudwatch" if !["DescribeAlarms", "ListAlarmMuteRules"].contains(&verb) => field("ResourceARN"),
        "iam" if verb == "RemoveRoleFromInstanceProfile" => {
            format!("arn:aws:iam::{ACCOUNT}:instance-profile/{}", field("InstanceProfileName"))
        }
        "iam" => role(&field("RoleName")),
        "lambda" if verb == "ListEventSourceMappings" => "*".to_owned(),
        "lambda" if verb == "DeleteEventSourceMapping" => {
            arn("lambda", &format!("event-source-mapping:{}", path.rsplit('/').next().unwrap()))
        }
        "lambda" => {
            let named = path.split_once("/functions/").or_else(|| path.split_once(":function:")).map(|(_, rest)| rest);
            let named = named.and_then(|rest| rest.split(['/', '?']).next()).filter(|name| !name.is_empty());
            // taskbell names functions that it does not manage by their ARNs.
            let named = named.and_then(|name| name.rsplit(':').next());
            arn("lambda", &format!("function:{}", named.map_or_else(|| field("FunctionName"), str::to_owned)))
        }
        "events" if ["ListRules", "TestEventPattern"].contains(&verb) => "*".to_owned(),
        "events" if verb == "PutEvents" => arn("events", "event-bus/default"),
        "events" => match field("ResourceARN") {
            text if text.is_empty() => arn("events", &format!("rule/{}", first(&["Name", "Rule"]))),
            text => text,
        },
        "scheduler" => scheduler_arn(verb, &path, &field("GroupName")),
        "ecs" if verb == "DescribeClusters" => {
            arn("ecs", &format!("cluster/{}", json["clusters"][0].as_str().unwrap()))
        }
        "ecs" if verb == "DescribeTasks" => json["tasks"][0].as_str().unwrap().to_owned(),
        _ => "*".to_owned(),
    };
    let name = if action == "lambda:Invoke" { "lambda:InvokeFunction" } else { action };
    let mut needs = vec![(name.to_owned(), resource.clone())];
    let of_rule = |key: &str| resource.split_once(":rule/").and_then(|(_, rule)| tag(rule, key));
    let (of_stack, of_export) = (of_rule(STACK_TAG), of_rule(EXPORTED_TAG));
    let tags = json["Tags"].as_array().into_iter().flatten();
    let requested = tags.filter(|tag| tag["Key"] == STACK_TAG).find_map(|tag| tag["Value"].as_str());
    let with_tags = match action {
        "lambda:CreateFunction" => Some(("Tags", "lambda:TagResource")),
        "events:PutRule" => Some(("Tags", "events:TagResource")),
        "logs:CreateLogGroup" => Some(("tags", "logs:TagResource")),
        "sqs:CreateQueue" => Some(("tags", "sqs:TagQueue")),
        "ssm:PutParameter" => Some(("Tags", "ssm:AddTagsToResource")),
        "iam:CreateRole" => Some(("Tags", "iam:TagRole")),
        "dynamodb:CreateTable" => Some(("Tags", "dynamodb:TagResource")),
        "cloudwatch:PutMetricAlarm" => Some(("Tags", "cloudwatch:TagResource")),
        "scheduler:CreateScheduleGroup" => Some(("Tags", "scheduler:TagResource")),
        _ => None,
    };
    if let Some((tags, action)) = with_tags
        && has(tags)
    {
        needs.push((action.to_owned(), resource.clone()));
    }
    let passed = json["Target"]["RoleArn"].as_str().filter(|_| service == "scheduler");
    needs.extend(passed.map(|role| ("iam:PassRole".to_owned(), role.to_owned())));
    if action == "scheduler:DeleteScheduleGroup" {
        let schedules = resource.replacen(":schedule-group/", ":schedule/", 1) + "/*";
        needs.push(("scheduler:DeleteSchedule".to_owned(), schedules));
    }
    if action == "lambda:GetFunction" {
        needs.push(("lambda:ListTags".to_owned(), resource));
    }
    if ["lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"].contains(&action) && !field("Role").is_empty() {
        needs.push(("iam:PassRole".to_owned(), field("Role")));
    }
    let of_mapping = (action == "lambda:DeleteEventSourceMapping").then_some(());
    let boundary = match action {
        "iam:CreateRole" | "iam:PutRolePermissionsBoundary" => Some(field("PermissionsBoundary")),
        _ => bound(&field("RoleName")),
    };
    let context = [
        ("iam:PassedToService".to_owned(), Some(format!("{service}.amazonaws.com"))),
        ("lambda:FunctionArn".to_owned(), of_mapping.map(|()| arn("lambda", &format!("function:{FUNCTION}")))),
        ("events:source".to_owned(), json["Entries"][0]["Source"].as_str().map(str::to_owned)),
        ("iam:PermissionsBoundary".to_owned(), boundary.filter(|arn| !arn.is_empty())),
        (format!("aws:ResourceTag/{STACK_TAG}"), of_stack),
        (format!("aws:ResourceTag/{EXPORTED_TAG}"), of_export),
        (format!("aws:RequestTag/{STACK_TAG}"), requested.map(str::to_owned)),
    ];
    (needs, context.into_iter().filter_map(|(key, value)| Some((key, vec![value?]))).collect())
}
