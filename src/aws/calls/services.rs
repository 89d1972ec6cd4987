//! Checks that the services that taskbell uses answer: requests from each of them one small thing that taskbell reads anyway.

use aws_config::SdkConfig;
use futures_util::future::BoxFuture;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};
use crate::config::Cluster;
use crate::stack::Stack;

/// A request to a service.
pub struct Question<'a> {
    pub service: &'static str,
    /// Whether the request is about a resource of the stack: a caller with permission for one stack may have none for another.
    pub of_stack: bool,
    pub answer: BoxFuture<'a, Result<(), Fault>>,
}

/// Error codes for something that does not exist: the service has answered.
const ABSENT: [&str; 7] = [
    "ResourceNotFoundException",
    "NoSuchEntity",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "ParameterNotFound",
    "ClusterNotFoundException",
    "TableNotFoundException",
];

/// Returns a request to each service but STS, which is asked for the caller.
#[must_use]
pub fn questions<'a>(sdk: &'a SdkConfig, stack: &Stack, clusters: &[Cluster]) -> Vec<Question<'a>> {
    // Read-only calls, allowed by the policies that `permissions` prints.
    macro_rules! ask {
        ($service:literal, $of_stack:literal, $action:literal, $call:expr) => {{
            let call = $call;
            let answer = async move {
                match call.send().await.map_err(fault($action)) {
                    Err(fault) if !fault.is(&ABSENT) => Err(fault),
                    _ => Ok(()),
                }
            };
            Question { service: $service, of_stack: $of_stack, answer: Box::pin(answer) }
        }};
    }
    let rules = client::eventbridge(sdk).list_rules().name_prefix(stack.rule_prefix()).limit(1);
    let function = client::lambda(sdk).get_function().function_name(stack.function_name());
    let role = client::iam(sdk).get_role().role_name(stack.role_name());
    let queue = client::sqs(sdk).get_queue_url().queue_name(stack.queue_name());
    let parameters = client::ssm(sdk).describe_parameters().max_results(1);
    let groups = client::logs(sdk).describe_log_groups().limit(1);
    let groups = groups.log_group_name_prefix(stack.log_group_name());
    let alarms = client::cloudwatch(sdk).describe_alarms().max_records(1);
    let table = client::dynamodb(sdk).describe_table().table_name(stack.table_name());
    let schedules = client::scheduler(sdk).get_schedule_group().name(stack.schedule_group_name());
    let described = client::ecs(sdk).describe_clusters();
    let named = clusters.iter().filter(|cluster| !cluster.is_glob());
    let clusters = named.fold(described, |call, cluster| call.clusters(cluster.name()));
    let tagged = client::tagging(sdk).get_resources().resources_per_page(1);
    vec![
        ask!("EventBridge", false, "events:ListRules", rules),
        ask!("Lambda", true, "lambda:GetFunction", function),
        ask!("IAM", true, "iam:GetRole", role),
        ask!("SQS", true, "sqs:GetQueueUrl", queue),
        ask!("SSM", false, "ssm:DescribeParameters", parameters),
        ask!("CloudWatch Logs", false, "logs:DescribeLogGroups", groups),
        ask!("CloudWatch", false, "cloudwatch:DescribeAlarms", alarms),
        ask!("DynamoDB", true, "dynamodb:DescribeTable", table),
        ask!("Scheduler", true, "scheduler:GetScheduleGroup", schedules),
        ask!("ECS", true, "ecs:DescribeClusters", clusters),
        ask!("resource tags", false, "tag:GetResources", tagged),
    ]
}
