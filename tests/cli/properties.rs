//! Names every property that AWS's service models list for the kinds of resources, as compared by `drift`, or as left alone with the
//! reason. `tests/data/properties.json` has AWS's lists; `tests/local/properties.rs` compares them with the models.

use std::collections::{BTreeMap, BTreeSet};

use Verdict::{Compared, Identifies, Left};

/// The lists by kind and structure. The structure `reads` has the calls that read a resource by its name.
type Lists = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[derive(Clone, Copy)]
enum Verdict {
    /// A difference shows at this field of the kind's spec.
    Compared(&'static str),
    /// Names the resource, or its tags, which taskbell reads.
    Identifies,
    Left(&'static str),
}

/// A kind, a structure, and properties with the same verdict.
type Row = (&'static str, &'static str, Verdict, &'static [&'static str]);

const RECORD: Verdict = Left("a record or a state that AWS keeps, and nobody sets");
const COST: Verdict = Left("decides about the price alone");
const OTHER: Verdict = Left("about another kind of resource");
const DOUBLE: Verdict = Left("repeats what another call that taskbell makes says");

const JUDGED: &[Row] = &[
    // The parameter.
    ("parameter", "reads", OTHER, &["DescribeDocument", "GetDocument", "ListDocumentVersions"]),
    (
        "parameter",
        "reads",
        Left("returns the webhook, which only the notifier reads"),
        &["GetParameter", "GetParameterHistory"],
    ),
    ("parameter", "reads", Left("a parameter of the tier Standard cannot be shared"), &["GetResourcePolicies"]),
    ("parameter", "ParameterMetadata", Identifies, &["ARN", "Name"]),
    ("parameter", "ParameterMetadata", Compared("type"), &["Type"]),
    ("parameter", "ParameterMetadata", Compared("key"), &["KeyId"]),
    ("parameter", "ParameterMetadata", Compared("policies"), &["Policies"]),
    ("parameter", "ParameterMetadata", Compared("stored_by_taskbell"), &["Version"]),
    ("parameter", "ParameterMetadata", COST, &["Tier"]),
    ("parameter", "ParameterMetadata", RECORD, &["LastModifiedDate", "LastModifiedUser"]),
    ("parameter", "ParameterMetadata", Left("a label for readers, which decides nothing"), &["Description"]),
    (
        "parameter",
        "ParameterMetadata",
        Left("checks only values that are stored later, and the call that stores one says so"),
        &["AllowedPattern"],
    ),
    ("parameter", "ParameterMetadata", Left("a SecureString has no other type of data than text"), &["DataType"]),
    // The log group.
    ("log_group", "reads", Compared("subscriptions"), &["DescribeSubscriptionFilters"]),
    (
        "log_group",
        "reads",
        Left("masks data for readers of the log; no alert depends on it"),
        &["GetDataProtectionPolicy"],
    ),
    ("log_group", "reads", Left("writes a second form of each line, and keeps the first"), &["GetTransformer"]),
    ("log_group", "reads", DOUBLE, &["ListTagsLogGroup"]),
    ("log_group", "LogGroup", Identifies, &["arn", "logGroupArn", "logGroupName"]),
    ("log_group", "LogGroup", Compared("class"), &["logGroupClass"]),
    ("log_group", "LogGroup", Compared("retention_days"), &["retentionInDays"]),
    ("log_group", "LogGroup", RECORD, &["creationTime", "storedBytes", "inheritedProperties"]),
    ("log_group", "LogGroup", Left("metrics contain counts, and no line of the log"), &["metricFilterCount"]),
    (
        "log_group",
        "LogGroup",
        Left("masks data for readers of the log; no alert depends on it"),
        &["dataProtectionStatus"],
    ),
    (
        "log_group",
        "LogGroup",
        Left("a key of the user's own protects the log; without the key, alerts are sent all the same"),
        &["kmsKeyId"],
    ),
    ("log_group", "LogGroup", Compared("deletion_protection"), &["deletionProtectionEnabled"]),
    (
        "log_group",
        "LogGroup",
        Left("another way to write into the log, which also needs a permission"),
        &["bearerTokenAuthenticationEnabled"],
    ),
    // The queue.
    ("queue", "reads", Identifies, &["GetQueueAttributes", "ListQueueTags"]),
    (
        "queue",
        "reads",
        Left("names queues whose failed messages come here: `redrive_allow` limits them"),
        &["ListDeadLetterSourceQueues"],
    ),
    ("queue", "QueueAttributeName", Identifies, &["All", "QueueArn"]),
    ("queue", "QueueAttributeName", Compared("retention_seconds"), &["MessageRetentionPeriod"]),
    ("queue", "QueueAttributeName", Compared("visibility_timeout_seconds"), &["VisibilityTimeout"]),
    ("queue", "QueueAttributeName", Compared("delay_seconds"), &["DelaySeconds"]),
    ("queue", "QueueAttributeName", Compared("max_message_bytes"), &["MaximumMessageSize"]),
    ("queue", "QueueAttributeName", Compared("managed_encryption"), &["SqsManagedSseEnabled", "KmsMasterKeyId"]),
    ("queue", "QueueAttributeName", Compared("policy"), &["Policy"]),
    ("queue", "QueueAttributeName", Compared("redrive"), &["RedrivePolicy"]),
    ("queue", "QueueAttributeName", Compared("redrive_allow"), &["RedriveAllowPolicy"]),
    (
        "queue",
        "QueueAttributeName",
        RECORD,
        &[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
            "CreatedTimestamp",
            "LastModifiedTimestamp",
        ],
    ),
    (
        "queue",
        "QueueAttributeName",
        Left("a queue that is not FIFO has none of these, and the name decides that"),
        &["ContentBasedDeduplication", "DeduplicationScope", "FifoQueue", "FifoThroughputLimit"],
    ),
    (
        "queue",
        "QueueAttributeName",
        Left("without a key of the user's own it has no effect"),
        &["KmsDataKeyReusePeriodSeconds"],
    ),
    (
        "queue",
        "QueueAttributeName",
        Left("`replay` and `drill` say with each call how long they wait"),
        &["ReceiveMessageWaitTimeSeconds"],
    ),
    // The table.
    ("table", "reads", Identifies, &["DescribeTable", "DescribeTimeToLive", "ListTagsOfResource"]),
    ("table", "reads", Compared("policy"), &["GetResourcePolicy"]),
    (
        "table",
        "reads",
        COST,
        &["DescribeContinuousBackups", "DescribeContributorInsights", "DescribeTableReplicaAutoScaling"],
    ),
    ("table", "reads", Compared("kinesis_streams"), &["DescribeKinesisStreamingDestination"]),
    ("table", "TableDescription", Identifies, &["TableArn", "TableName"]),
    ("table", "TableDescription", Compared("key"), &["AttributeDefinitions", "KeySchema"]),
    ("table", "TableDescription", Compared("on_demand"), &["BillingModeSummary", "ProvisionedThroughput"]),
    ("table", "TableDescription", Compared("deletion_protection"), &["DeletionProtectionEnabled"]),
    ("table", "TableDescription", Compared("stream"), &["StreamSpecification", "LatestStreamArn", "LatestStreamLabel"]),
    (
        "table",
        "TableDescription",
        RECORD,
        &[
            "ArchivalSummary",
            "CreationDateTime",
            "ItemCount",
            "RestoreSummary",
            "TableId",
            "TableSizeBytes",
            "TableStatus",
        ],
    ),
    ("table", "TableDescription", COST, &["TableClassSummary", "WarmThroughput"]),
    (
        "table",
        "TableDescription",
        Left("the notifier reads and writes by the key alone"),
        &["GlobalSecondaryIndexes", "LocalSecondaryIndexes", "VectorIndexes"],
    ),
    (
        "table",
        "TableDescription",
        Left("replicas stay in the account, and the notifier uses the table of its region"),
        &[
            "GlobalTableSettingsReplicationMode",
            "GlobalTableVersion",
            "GlobalTableWitnesses",
            "MultiRegionConsistency",
            "Replicas",
        ],
    ),
    (
        "table",
        "TableDescription",
        Left("the notifier also sends an alert if the table refuses its calls"),
        &["OnDemandThroughput", "SSEDescription"],
    ),
    ("table", "TimeToLiveDescription", Compared("expiry"), &["AttributeName", "TimeToLiveStatus"]),
    // The alarms.
    ("alarm", "reads", Identifies, &["ListTagsForResource"]),
    ("alarm", "reads", RECORD, &["DescribeAlarmContributors"]),
    ("alarm", "reads", OTHER, &["ListManagedInsightRules"]),
    ("alarm", "MetricAlarm", Identifies, &["AlarmArn", "AlarmName"]),
    ("alarm", "MetricAlarm", Compared("description"), &["AlarmDescription"]),
    ("alarm", "MetricAlarm", Compared("namespace"), &["Namespace"]),
    // An alarm on an expression has no metric of its own.
    (
        "alarm",
        "MetricAlarm",
        Compared("metric"),
        &["MetricName", "Metrics", "ThresholdMetricId", "EvaluationCriteria", "EvaluationInterval"],
    ),
    ("alarm", "MetricAlarm", Compared("dimensions"), &["Dimensions"]),
    (
        "alarm",
        "MetricAlarm",
        Compared("statistic"),
        &["ExtendedStatistic", "Statistic", "EvaluateLowSampleCountPercentile"],
    ),
    ("alarm", "MetricAlarm", Compared("unit"), &["Unit"]),
    ("alarm", "MetricAlarm", Compared("period_seconds"), &["Period"]),
    ("alarm", "MetricAlarm", Compared("evaluation_periods"), &["EvaluationPeriods"]),
    ("alarm", "MetricAlarm", Compared("datapoints_to_alarm"), &["DatapointsToAlarm"]),
    ("alarm", "MetricAlarm", Compared("comparison"), &["ComparisonOperator"]),
    ("alarm", "MetricAlarm", Compared("threshold"), &["Threshold"]),
    ("alarm", "MetricAlarm", Compared("missing_data"), &["TreatMissingData"]),
    ("alarm", "MetricAlarm", Compared("enabled"), &["ActionsEnabled"]),
    ("alarm", "MetricAlarm", Compared("alarm_actions"), &["AlarmActions"]),
    ("alarm", "MetricAlarm", Compared("ok_actions"), &["OKActions"]),
    ("alarm", "MetricAlarm", Compared("insufficient_data_actions"), &["InsufficientDataActions"]),
    (
        "alarm",
        "MetricAlarm",
        RECORD,
        &[
            "AlarmConfigurationUpdatedTimestamp",
            "EvaluationState",
            "StateReason",
            "StateReasonData",
            "StateTransitionedTimestamp",
            "StateUpdatedTimestamp",
            "StateValue",
        ],
    ),
    (
        "alarm",
        "MetricAlarm",
        Left("delays the first state of a new alarm alone, or aligns its periods"),
        &["EvaluationWindow", "WarmUpConfiguration"],
    ),
    // The role.
    ("role", "reads", Identifies, &["GetRole"]),
    ("role", "reads", Compared("attached"), &["ListAttachedRolePolicies"]),
    ("role", "reads", Compared("policies"), &["ListRolePolicies"]),
    ("role", "reads", DOUBLE, &["ListRoleTags"]),
    (
        "role",
        "reads",
        Left("the trust policy decides who gets the role: EC2 does not, in any profile"),
        &["ListInstanceProfilesForRole"],
    ),
    ("role", "Role", Identifies, &["Arn", "RoleName", "Tags"]),
    ("role", "Role", Compared("path"), &["Path"]),
    ("role", "Role", Compared("trust"), &["AssumeRolePolicyDocument"]),
    ("role", "Role", Compared("description"), &["Description"]),
    ("role", "Role", Compared("max_session_seconds"), &["MaxSessionDuration"]),
    ("role", "Role", Compared("permissions_boundary"), &["PermissionsBoundary"]),
    // The function is bound to the role's id.
    ("role", "Role", RECORD, &["CreateDate", "RoleId", "RoleLastUsed", "SourceRoleTemplate"]),
    // The function.
    ("function", "reads", Identifies, &["GetFunction"]),
    (
        "function",
        "reads",
        DOUBLE,
        &["GetFunctionConcurrency", "GetFunctionConfiguration", "ListFunctionEventInvokeConfigs", "ListTags"],
    ),
    ("function", "reads", Compared("permissions"), &["GetPolicy"]),
    ("function", "reads", Compared("failed_invocations"), &["GetFunctionEventInvokeConfig"]),
    ("function", "reads", Compared("code_signing"), &["GetFunctionCodeSigningConfig"]),
    (
        "function",
        "reads",
        Left("chooses among patches of the same runtime, which `runtime` compares"),
        &["GetRuntimeManagementConfig"],
    ),
    (
        "function",
        "reads",
        Left("stops loops through the function's own queue, and the notifier writes into none"),
        &["GetFunctionRecursionConfig"],
    ),
    (
        "function",
        "reads",
        Left("an open URL needs a statement, which `permissions` shows; else only callers with a permission use it"),
        &["GetFunctionUrlConfig", "ListFunctionUrlConfigs"],
    ),
    (
        "function",
        "reads",
        Left("the rules invoke the function without alias and version"),
        &["ListAliases", "ListVersionsByFunction"],
    ),
    ("function", "reads", COST, &["ListProvisionedConcurrencyConfigs"]),
    ("function", "reads", RECORD, &["ListDurableExecutionsByFunction"]),
    ("function", "GetFunctionResponse", Identifies, &["Configuration", "Tags", "TagsError"]),
    ("function", "GetFunctionResponse", Compared("code_sha256"), &["Code"]),
    ("function", "GetFunctionResponse", Compared("reserved_concurrency"), &["Concurrency"]),
    ("function", "FunctionConfiguration", Identifies, &["FunctionArn", "FunctionName"]),
    ("function", "FunctionConfiguration", Compared("runtime"), &["Runtime"]),
    ("function", "FunctionConfiguration", Compared("handler"), &["Handler"]),
    ("function", "FunctionConfiguration", Compared("architecture"), &["Architectures"]),
    ("function", "FunctionConfiguration", Compared("memory_mib"), &["MemorySize"]),
    ("function", "FunctionConfiguration", Compared("timeout_seconds"), &["Timeout"]),
    ("function", "FunctionConfiguration", Compared("description"), &["Description"]),
    ("function", "FunctionConfiguration", Compared("role"), &["Role"]),
    (
        "function",
        "FunctionConfiguration",
        Compared("code_sha256"),
        &["CodeSha256", "CodeSize", "ImageConfigResponse", "PackageType"],
    ),
    ("function", "FunctionConfiguration", Compared("environment"), &["Environment"]),
    ("function", "FunctionConfiguration", Compared("log_group"), &["LoggingConfig"]),
    ("function", "FunctionConfiguration", Compared("layers"), &["Layers"]),
    ("function", "FunctionConfiguration", Compared("in_vpc"), &["VpcConfig"]),
    ("function", "FunctionConfiguration", Compared("file_systems"), &["FileSystemConfigs"]),
    ("function", "FunctionConfiguration", Compared("ephemeral_storage_mib"), &["EphemeralStorage"]),
    ("function", "FunctionConfiguration", Compared("tracing"), &["TracingConfig"]),
    ("function", "FunctionConfiguration", Compared("dead_letter"), &["DeadLetterConfig"]),
    (
        "function",
        "FunctionConfiguration",
        RECORD,
        &[
            "ConfigSha256",
            "LastModified",
            "LastUpdateStatus",
            "LastUpdateStatusReason",
            "LastUpdateStatusReasonCode",
            "MasterArn",
            "RevisionId",
            "RuntimeVersionConfig",
            "SigningJobArn",
            "SigningProfileVersionArn",
            "State",
            "StateReason",
            "StateReasonCode",
            "Version",
        ],
    ),
    ("function", "FunctionConfiguration", Compared("kms_key"), &["KMSKeyArn"]),
    (
        "function",
        "FunctionConfiguration",
        Left("fixed when a function is created, and taskbell's function is deployed without"),
        &["CapacityProviderConfig", "DurableConfig", "TenancyConfig"],
    ),
    (
        "function",
        "FunctionConfiguration",
        Left("applies to published versions alone, and the rules invoke none"),
        &["SnapStart"],
    ),
    ("function", "LoggingConfig", Compared("log_format"), &["LogFormat"]),
    ("function", "LoggingConfig", Compared("log_level"), &["ApplicationLogLevel"]),
    ("function", "LoggingConfig", Compared("log_group"), &["LogGroup"]),
    ("function", "LoggingConfig", Compared("system_log_level"), &["SystemLogLevel"]),
    ("function", "FunctionEventInvokeConfig", Identifies, &["FunctionArn"]),
    ("function", "FunctionEventInvokeConfig", RECORD, &["LastModified"]),
    ("function", "FunctionEventInvokeConfig", Compared("max_event_age_seconds"), &["MaximumEventAgeInSeconds"]),
    ("function", "FunctionEventInvokeConfig", Compared("max_retry_attempts"), &["MaximumRetryAttempts"]),
    ("function", "FunctionEventInvokeConfig", Compared("destination"), &["DestinationConfig"]),
    ("function", "DestinationConfig", Compared("destination"), &["OnFailure"]),
    ("function", "DestinationConfig", Compared("success_destination"), &["OnSuccess"]),
    // The rules.
    ("rule", "reads", Identifies, &["ListTagsForResource"]),
    ("rule", "reads", Compared("targets"), &["ListTargetsByRule"]),
    ("rule", "reads", DOUBLE, &["DescribeRule"]),
    (
        "rule",
        "reads",
        OTHER,
        &[
            "DescribeApiDestination",
            "DescribeConnection",
            "DescribeEndpoint",
            "DescribeEventSource",
            "DescribePartnerEventSource",
        ],
    ),
    ("rule", "Rule", Identifies, &["Arn", "EventBusName", "Name"]),
    ("rule", "Rule", Compared("pattern"), &["EventPattern"]),
    ("rule", "Rule", Compared("state"), &["State"]),
    ("rule", "Rule", Compared("description"), &["Description"]),
    ("rule", "Rule", Compared("schedule"), &["ScheduleExpression"]),
    ("rule", "Rule", Compared("role"), &["RoleArn"]),
    ("rule", "Rule", RECORD, &["ManagedBy"]),
    ("rule", "Target", Identifies, &["Id"]),
    ("rule", "Target", Compared("arn"), &["Arn"]),
    ("rule", "Target", Compared("role"), &["RoleArn"]),
    ("rule", "Target", Compared("input"), &["Input", "InputPath", "InputTransformer"]),
    ("rule", "Target", Compared("dead_letter_queue"), &["DeadLetterConfig"]),
    ("rule", "Target", Compared("max_retry_attempts"), &["RetryPolicy"]),
    (
        "rule",
        "Target",
        Left("has no effect on a function, and `arn` is compared"),
        &[
            "AppSyncParameters",
            "BatchParameters",
            "EcsParameters",
            "HttpParameters",
            "KinesisParameters",
            "RedshiftDataParameters",
            "RunCommandParameters",
            "SageMakerPipelineParameters",
            "SqsParameters",
        ],
    ),
    // The schedule group, and its schedules.
    ("watch", "reads", Identifies, &["GetScheduleGroup", "ListTagsForResource"]),
    ("watch", "reads", Compared("schedules"), &["GetSchedule"]),
    ("watch", "GetScheduleGroupOutput", Identifies, &["Arn", "Name"]),
    ("watch", "GetScheduleGroupOutput", RECORD, &["CreationDate", "LastModificationDate", "State"]),
    ("watch", "GetScheduleOutput", Identifies, &["Arn", "GroupName", "Name"]),
    ("watch", "GetScheduleOutput", RECORD, &["CreationDate", "LastModificationDate"]),
    ("watch", "GetScheduleOutput", Compared("after_completion"), &["ActionAfterCompletion"]),
    ("watch", "GetScheduleOutput", Compared("description"), &["Description"]),
    ("watch", "GetScheduleOutput", Compared("ends"), &["EndDate"]),
    ("watch", "GetScheduleOutput", Compared("expression"), &["ScheduleExpression"]),
    ("watch", "GetScheduleOutput", Compared("kms_key"), &["KmsKeyArn"]),
    ("watch", "GetScheduleOutput", Compared("starts"), &["StartDate"]),
    ("watch", "GetScheduleOutput", Compared("state"), &["State"]),
    ("watch", "GetScheduleOutput", Compared("target"), &["Target"]),
    ("watch", "GetScheduleOutput", Compared("time_zone"), &["ScheduleExpressionTimezone"]),
    ("watch", "GetScheduleOutput", Compared("window_minutes"), &["FlexibleTimeWindow"]),
    ("watch", "Target", Compared("target"), &["Arn"]),
    ("watch", "Target", Compared("dead_letter_queue"), &["DeadLetterConfig"]),
    ("watch", "Target", Compared("input"), &["Input"]),
    ("watch", "Target", Compared("max_retry_attempts"), &["RetryPolicy"]),
    ("watch", "Target", Compared("role"), &["RoleArn"]),
    (
        "watch",
        "Target",
        Left("has no effect on a function, and `target` is compared"),
        &[
            "EcsParameters",
            "EventBridgeParameters",
            "KinesisParameters",
            "SageMakerPipelineParameters",
            "SqsParameters",
        ],
    ),
];

/// Fields of specs that no property of AWS has: taskbell computes them from tags, or from calls that name no single resource.
const COMPUTED: [&str; 5] = [
    "parameter.webhook",
    "function.bound_to_current_role",
    "function.event_sources",
    "queue.consumers",
    "alarm.mute_rules",
];

fn text(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Returns the fields of the structures that a kind's file declares as its spec.
fn fields(kind: &str) -> BTreeSet<String> {
    let mut source = text(&format!("src/aws/kinds/{kind}.rs"));
    if kind == "function" {
        source += &text("src/aws/kinds/function/children.rs");
    }
    let is_spec = |part: &&str| part.contains("Serialize, Deserialize)]");
    let parts: Vec<&str> = source.split("#[derive(").collect();
    let structures = parts.into_iter().filter(is_spec).map(|part| part.split("\n}").next().unwrap());
    let lines = structures.flat_map(|structure| structure.lines().skip(1).collect::<Vec<_>>());
    let names = lines.into_iter().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": "));
    names.map(|(name, _)| name.trim_start_matches("r#").to_owned()).collect()
}

#[test]
fn every_property_of_every_kind_is_compared_or_left_alone_with_a_reason() {
    let lists: Lists = serde_json::from_str(&text("tests/data/properties.json")).unwrap();
    let mut judged = Lists::new();
    for (kind, structure, verdict, properties) in JUDGED {
        if let Left(reason) = verdict {
            assert!(reason.len() > 20, "{kind}/{structure}: {reason}");
        }
        let all = judged.entry((*kind).to_owned()).or_default().entry((*structure).to_owned()).or_default();
        for property in *properties {
            assert!(all.insert((*property).to_owned()), "{kind}/{structure}/{property} has two verdicts");
        }
    }
    for (kind, structures) in &lists {
        for (structure, properties) in structures {
            let known = judged.get(kind).and_then(|all| all.get(structure)).cloned().unwrap_or_default();
            let unjudged: Vec<_> = properties.difference(&known).collect();
            let unknown: Vec<_> = known.difference(properties).collect();
            assert!(unjudged.is_empty() && unknown.is_empty(), "{kind}/{structure}: {unjudged:?} {unknown:?}");
        }
    }
    assert_eq!(lists.keys().collect::<Vec<_>>(), judged.keys().collect::<Vec<_>>());
}

#[test]
fn compared_properties_are_exactly_the_fields_of_the_specs() {
    for kind in ["alarm", "function", "log_group", "parameter", "queue", "role", "rule", "table", "watch"] {
        let of_kind = JUDGED.iter().filter(|(of, ..)| *of == kind);
        let compared: BTreeSet<String> = of_kind
            .filter_map(|(_, _, verdict, _)| match verdict {
                Compared(field) => Some((*field).to_owned()),
                Identifies | Left(_) => None,
            })
            .collect();
        let fields = fields(kind);
        let missing: Vec<_> = compared.difference(&fields).collect();
        assert!(missing.is_empty(), "{kind} has no field {missing:?}");
        // Both numbers are in one property of AWS.
        let beside =
            |field: &&String| *field != "max_event_age_seconds" && !COMPUTED.contains(&&*format!("{kind}.{field}"));
        let unnamed: Vec<_> = fields.difference(&compared).filter(beside).collect();
        assert!(unnamed.is_empty(), "{kind}: {unnamed:?} come from no property");
    }
}
