//! Adds the data that the emulator does not keep or does not return, so that its answers are as complete as AWS's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value as Cbor;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::support::strict::rewrite;

/// The sent data that the emulator forgets.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Kept>>);

#[derive(Debug, Clone, Default)]
struct Kept {
    /// By function name: the parts of its configuration that the emulator drops.
    functions: BTreeMap<String, Map<String, Value>>,
    /// By function name: its reserved concurrency.
    concurrency: BTreeMap<String, Value>,
    /// By role name: the XML elements that the emulator leaves out of GetRole.
    roles: BTreeMap<String, Role>,
    /// By queue name: the attributes that the emulator drops.
    queues: BTreeMap<String, Map<String, Value>>,
    /// By parameter name: its policies.
    parameters: BTreeMap<String, Vec<Value>>,
    /// By table name: its billing mode, and its deletion protection.
    tables: BTreeMap<String, Map<String, Value>>,
    /// The log groups that are protected from being deleted.
    protected: BTreeSet<String>,
    /// By alarm name: the parts of it that the emulator drops.
    alarms: BTreeMap<String, Map<String, Value>>,
    /// By the name of a rule that mutes alarms: the alarms.
    mute_rules: BTreeMap<String, Value>,
    /// By rule name: its tags.
    rule_tags: BTreeMap<String, BTreeMap<String, String>>,
    /// By group and name, as in `batch/sweep`: the schedule as it was sent.
    schedules: BTreeMap<String, Value>,
    /// By rule name and target id: the whole target.
    targets: BTreeMap<String, BTreeMap<String, Value>>,
}

#[derive(Debug, Default, Clone)]
struct Role {
    description: String,
    boundary: Option<String>,
    tags: BTreeMap<String, String>,
}

const ALARM_PARTS: [&str; 6] =
    ["ActionsEnabled", "DatapointsToAlarm", "InsufficientDataActions", "OKActions", "TreatMissingData", "Unit"];
const FUNCTION_PARTS: [&str; 10] = [
    "Architectures",
    "DeadLetterConfig",
    "EphemeralStorage",
    "FileSystemConfigs",
    "KMSKeyArn",
    "Layers",
    "LoggingConfig",
    "Role",
    "TracingConfig",
    "VpcConfig",
];
const QUEUE_PARTS: [&str; 2] = ["SqsManagedSseEnabled", "RedriveAllowPolicy"];

impl Memory {
    pub fn become_like(&self, other: &Self) {
        let kept = other.0.lock().unwrap().clone();
        *self.0.lock().unwrap() = kept;
    }

    /// Returns the permissions boundary of a role.
    pub fn boundary(&self, role: &str) -> Option<String> {
        self.0.lock().unwrap().roles.get(role)?.boundary.clone()
    }

    /// Checks whether the alarm of a request for tags exists: the emulator keeps the tags of a deleted alarm.
    pub fn has_alarm(&self, request: &HttpRequest) -> bool {
        let arn = Sent::of(request).rule("ResourceARN");
        self.0.lock().unwrap().alarms.contains_key(arn.rsplit(':').next().unwrap_or_default())
    }

    pub fn is_protected(&self, log_group: &str) -> bool {
        self.0.lock().unwrap().protected.contains(log_group)
    }

    /// Returns the value of a rule's tag.
    pub fn tag_of_rule(&self, rule: &str, key: &str) -> Option<String> {
        self.0.lock().unwrap().rule_tags.get(rule)?.get(key).cloned()
    }

    /// Returns, for comparisons, the data that this layer holds in addition to the emulator's own state.
    pub fn everything(&self) -> Value {
        let kept = self.0.lock().unwrap();
        let role = |role: &Role| {
            let mut tags = role.tags.clone();
            tags.remove("taskbell:role-id");
            json!({ "description": role.description, "boundary": role.boundary, "tags": tags })
        };
        json!({
            "functions": kept.functions,
            "queues": kept.queues,
            "tables": kept.tables,
            "protected": kept.protected,
            "alarms": kept.alarms,
            "schedules": kept.schedules,
            "targets": kept.targets.iter().filter(|(_, targets)| !targets.is_empty()).collect::<BTreeMap<_, _>>(),
            "roles": kept.roles.iter().map(|(name, kept)| (name.clone(), role(kept))).collect::<Map<_, _>>(),
        })
    }

    pub async fn answer(
        &self,
        action: &str,
        request: HttpRequest,
        inner: &SharedHttpConnector,
    ) -> Result<HttpResponse, ConnectorError> {
        let again = request.try_clone();
        let sent = Sent::of(&request);
        let new_rule = action == "events:PutRule" && !self.exists(&sent, &request, inner).await?;
        let answer = inner.call(request).await?;
        if !answer.status().is_success() {
            return Ok(answer);
        }
        let made = new_rule || action == "dynamodb:CreateTable";
        if let (true, Some(again)) = (made && !sent.json["Tags"].is_null(), again) {
            self.tag(action, &sent, again, inner, &answer).await?;
        }
        let mut kept = self.0.lock().unwrap();
        kept.remember(action, &sent);
        Ok(kept.complete(action, &sent, answer))
    }

    async fn exists(
        &self,
        sent: &Sent,
        like: &HttpRequest,
        inner: &SharedHttpConnector,
    ) -> Result<bool, ConnectorError> {
        let body = json!({ "Name": sent.json["Name"] });
        Ok(inner.call(another(like, "AWSEvents.DescribeRule", &body)).await?.status().is_success())
    }

    /// Tags a new resource with the tags of its request, which the emulator drops.
    async fn tag(
        &self,
        action: &str,
        sent: &Sent,
        like: HttpRequest,
        inner: &SharedHttpConnector,
        answer: &HttpResponse,
    ) -> Result<(), ConnectorError> {
        let made: Value = serde_json::from_slice(answer.body().bytes().unwrap_or_default()).unwrap();
        let tags = &sent.json["Tags"];
        let (target, body) = match action {
            "events:PutRule" => ("AWSEvents.TagResource", json!({ "ResourceARN": made["RuleArn"], "Tags": tags })),
            _ => (
                "DynamoDB_20120810.TagResource",
                json!({ "ResourceArn": made["TableDescription"]["TableArn"], "Tags": tags }),
            ),
        };
        let tagged = inner.call(another(&like, target, &body)).await?;
        assert!(tagged.status().is_success());
        Ok(())
    }
}

/// Returns the request with another operation and body.
pub fn another(like: &HttpRequest, target: &str, body: &Value) -> HttpRequest {
    let mut request = like.try_clone().unwrap();
    request.headers_mut().insert("x-amz-target", target.to_owned());
    *request.body_mut() = SdkBody::from(body.to_string());
    request
}

/// The parts of a request that matter here.
struct Sent {
    json: Value,
    form: BTreeMap<String, String>,
    /// The function named in the path.
    function: Option<String>,
    /// The function named in the query.
    asked_function: Option<String>,
    /// The queue or stream named in the query.
    asked_source: Option<String>,
    /// The last step of the path: the name of a schedule or a schedule group.
    last: String,
    /// The schedule group named in the query.
    asked_group: Option<String>,
}

impl Sent {
    fn of(request: &HttpRequest) -> Self {
        let body = request.body().bytes().unwrap_or_default();
        let text = String::from_utf8_lossy(body);
        let decode = |text: &str| {
            let spaced = text.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        };
        let form = text.split('&').filter_map(|pair| pair.split_once('='));
        let path = request.uri().split_once("/functions/").map(|(_, rest)| rest);
        let asked = |name| request.uri().split_once(name).and_then(|(_, rest)| rest.split('&').next());
        Self {
            // CloudWatch is sent CBOR.
            json: serde_json::from_slice(body).or_else(|_| ciborium::from_reader(body)).unwrap_or_default(),
            form: form.map(|(key, value)| (key.to_owned(), decode(value))).collect(),
            asked_function: asked("FunctionName=").map(decode),
            asked_source: asked("EventSourceArn=").map(decode),
            asked_group: asked("groupName=").map(decode),
            last: request
                .uri()
                .split('?')
                .next()
                .and_then(|path| path.rsplit('/').next())
                .map(decode)
                .unwrap_or_default(),
            function: path.and_then(|rest| rest.split(['/', '?']).next()).map(str::to_owned),
        }
    }

    fn function(&self) -> String {
        let named = self.json["FunctionName"].as_str().map(str::to_owned);
        self.function.clone().filter(|name| !name.is_empty()).or(named).unwrap_or_default()
    }

    fn role(&self) -> String {
        self.form.get("RoleName").cloned().unwrap_or_default()
    }

    fn queue(&self) -> String {
        let named = self.json["QueueName"].as_str().or(self.json["QueueUrl"].as_str()).unwrap_or_default();
        named.rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// Returns the group and the name of a schedule.
    fn schedule(&self) -> String {
        let group = self.json["GroupName"].as_str().or(self.asked_group.as_deref()).unwrap_or("default");
        format!("{group}/{}", self.last)
    }

    fn rule(&self, field: &str) -> String {
        self.json[field].as_str().unwrap_or_default().to_owned()
    }

    fn rule_tags(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let tags = self.json["Tags"].as_array().into_iter().flatten();
        tags.map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect()
    }

    fn tags(&self) -> BTreeMap<String, String> {
        let at = |number: usize, part: &str| self.form.get(&format!("Tags.member.{number}.{part}")).cloned();
        (1..).map_while(|number| Some((at(number, "Key")?, at(number, "Value")?))).collect()
    }
}

/// Returns the body as an answer in CBOR, with the headers of another answer.
fn in_cbor(body: &impl serde::Serialize, like: &HttpResponse) -> HttpResponse {
    let mut bytes = Vec::new();
    ciborium::into_writer(body, &mut bytes).unwrap();
    let mut answer = HttpResponse::new(like.status(), SdkBody::from(bytes));
    for name in ["smithy-protocol", "content-type"] {
        answer.headers_mut().insert(name, like.headers().get(name).unwrap().to_owned());
    }
    answer
}

impl Kept {
    #[allow(clippy::too_many_lines, reason = "one arm for each action")]
    fn remember(&mut self, action: &str, sent: &Sent) {
        match action {
            "lambda:CreateFunction" | "lambda:UpdateFunctionCode" | "lambda:UpdateFunctionConfiguration" => {
                let parts = self.functions.entry(sent.function()).or_default();
                let zip = sent.json["ZipFile"].as_str().or(sent.json["Code"]["ZipFile"].as_str());
                if let Some(zip) = zip.and_then(|text| STANDARD.decode(text).ok()) {
                    parts.insert("CodeSha256".to_owned(), json!(STANDARD.encode(Sha256::digest(zip))));
                }
                for part in FUNCTION_PARTS {
                    let no_vpc = json!({ "SubnetIds": [], "SecurityGroupIds": [] });
                    let none = [json!([]), json!({ "TargetArn": "" }), json!(""), no_vpc];
                    if none.contains(&sent.json[part]) {
                        parts.remove(part);
                    } else if !sent.json[part].is_null() {
                        parts.insert(part.to_owned(), sent.json[part].clone());
                    }
                }
            }
            "lambda:PutFunctionConcurrency" => drop(self.concurrency.insert(sent.function(), sent.json.clone())),
            "lambda:DeleteFunctionConcurrency" => drop(self.concurrency.remove(&sent.function())),
            "lambda:DeleteFunction" => drop(self.functions.remove(&sent.function())),
            "iam:CreateRole" => {
                let role = Role {
                    description: sent.form.get("Description").cloned().unwrap_or_default(),
                    boundary: sent.form.get("PermissionsBoundary").cloned(),
                    tags: sent.tags(),
                };
                self.roles.insert(sent.role(), role);
            }
            "events:PutTargets" => {
                let targets = self.targets.entry(sent.rule("Rule")).or_default();
                for target in sent.json["Targets"].as_array().unwrap() {
                    targets.insert(target["Id"].as_str().unwrap().to_owned(), target.clone());
                }
            }
            "events:RemoveTargets" => {
                let targets = self.targets.entry(sent.rule("Rule")).or_default();
                targets.retain(|id, _| !sent.json["Ids"].as_array().unwrap().contains(&json!(id)));
            }
            "events:DeleteRule" => {
                self.targets.remove(&sent.rule("Name"));
                self.rule_tags.remove(&sent.rule("Name"));
            }
            // PutRule ignores the tags for a rule that exists.
            "events:PutRule" => drop(self.rule_tags.entry(sent.rule("Name")).or_insert_with(|| sent.rule_tags())),
            "events:TagResource" | "events:UntagResource" => {
                let arn = sent.rule("ResourceARN");
                let tags = self.rule_tags.entry(arn.rsplit('/').next().unwrap_or_default().to_owned()).or_default();
                tags.extend(sent.rule_tags());
                tags.retain(|key, _| !sent.json["TagKeys"].as_array().is_some_and(|keys| keys.contains(&json!(key))));
            }
            "dynamodb:CreateTable" | "dynamodb:UpdateTable" => {
                let table = self.tables.entry(sent.rule("TableName")).or_default();
                for part in ["BillingMode", "DeletionProtectionEnabled"] {
                    if !sent.json[part].is_null() {
                        table.insert(part.to_owned(), sent.json[part].clone());
                    }
                }
            }
            "logs:PutLogGroupDeletionProtection" => {
                let name = sent.rule("logGroupIdentifier");
                match sent.json["deletionProtectionEnabled"] == true {
                    true => drop(self.protected.insert(name)),
                    false => drop(self.protected.remove(&name)),
                }
            }
            "dynamodb:DeleteTable" => drop(self.tables.remove(&sent.rule("TableName"))),
            "sqs:CreateQueue" | "sqs:SetQueueAttributes" => {
                let queue = self.queues.entry(sent.queue()).or_default();
                for part in QUEUE_PARTS {
                    let attribute = &sent.json["Attributes"][part];
                    if attribute == r#"{"redrivePermission":"allowAll"}"# {
                        queue.remove(part);
                    } else if !attribute.is_null() {
                        queue.insert(part.to_owned(), attribute.clone());
                    }
                }
            }
            "ssm:PutParameter" => {
                if let Some(policies) = sent.json["Policies"].as_str() {
                    let policies: Vec<Value> = serde_json::from_str(policies).unwrap();
                    let policies = policies.into_iter().filter(|policy| *policy != json!({})).collect();
                    self.parameters.insert(sent.rule("Name"), policies);
                }
            }
            "ssm:DeleteParameter" => drop(self.parameters.remove(&sent.rule("Name"))),
            "cloudwatch:PutMetricAlarm" => {
                let parts = ALARM_PARTS.map(|part| (part.to_owned(), sent.json[part].clone()));
                let sent_parts = parts.into_iter().filter(|(_, value)| !value.is_null());
                self.alarms.insert(sent.rule("AlarmName"), sent_parts.collect());
            }
            "cloudwatch:PutAlarmMuteRule" => {
                self.mute_rules.insert(sent.rule("Name"), sent.json["MuteTargets"]["AlarmNames"].clone());
            }
            "cloudwatch:DeleteAlarms" => {
                self.alarms.retain(|name, _| !sent.json["AlarmNames"].as_array().unwrap().contains(&json!(name)));
            }
            "scheduler:CreateSchedule" | "scheduler:UpdateSchedule" => {
                let mut schedule = sent.json.clone();
                schedule.as_object_mut().unwrap().remove("ClientToken");
                self.schedules.insert(sent.schedule(), schedule);
            }
            "scheduler:DeleteSchedule" => drop(self.schedules.remove(&sent.schedule())),
            "scheduler:DeleteScheduleGroup" => {
                self.schedules.retain(|name, _| !name.starts_with(&format!("{}/", sent.last)));
            }
            "sqs:DeleteQueue" => drop(self.queues.remove(&sent.queue())),
            "iam:DeleteRole" => drop(self.roles.remove(&sent.role())),
            "iam:UpdateRole"
            | "iam:PutRolePermissionsBoundary"
            | "iam:DeleteRolePermissionsBoundary"
            | "iam:TagRole"
            | "iam:UntagRole" => self.update_role(action, sent),
            _ => {}
        }
    }

    fn update_role(&mut self, action: &str, sent: &Sent) {
        let role = self.roles.entry(sent.role()).or_default();
        match action {
            "iam:UpdateRole" => role.description = sent.form.get("Description").cloned().unwrap_or_default(),
            "iam:PutRolePermissionsBoundary" => role.boundary = sent.form.get("PermissionsBoundary").cloned(),
            "iam:DeleteRolePermissionsBoundary" => role.boundary = None,
            // IAM takes keys that differ only by case for one key.
            "iam:TagRole" => {
                let tags = sent.tags();
                role.tags.retain(|key, _| !tags.keys().any(|new| new.to_lowercase() == key.to_lowercase()));
                role.tags.extend(tags);
            }
            _ => role.tags.retain(|key, _| !sent.form.values().any(|value| value.to_lowercase() == key.to_lowercase())),
        }
    }

    fn complete(&self, action: &str, sent: &Sent, answer: HttpResponse) -> HttpResponse {
        match action {
            "lambda:GetFunction" => self.complete_function(sent, answer, "/Configuration"),
            "lambda:GetFunctionConfiguration" => self.complete_function(sent, answer, ""),
            "iam:GetRole" => self.complete_role(sent, answer),
            "sqs:GetQueueAttributes" => rewrite(answer, |text| {
                let mut body: Value = serde_json::from_str(&text).unwrap();
                for (part, value) in self.queues.get(&sent.queue()).into_iter().flatten() {
                    body["Attributes"][part] = value.clone();
                }
                body.to_string()
            }),
            "ssm:DescribeParameters" => rewrite(answer, |text| {
                let mut body: Value = serde_json::from_str(&text).unwrap();
                for parameter in body["Parameters"].as_array_mut().into_iter().flatten() {
                    let policies = parameter["Name"].as_str().and_then(|name| self.parameters.get(name));
                    let told =
                        |policy: &Value| json!({ "PolicyText": policy.to_string(), "PolicyType": policy["Type"] });
                    parameter["Policies"] = policies.into_iter().flatten().map(told).collect();
                }
                body.to_string()
            }),
            // The emulator returns the mappings of all functions.
            "lambda:ListEventSourceMappings" => rewrite(answer, |text| {
                let mut body: Value = serde_json::from_str(&text).unwrap();
                let last = |name: &str| name.rsplit(':').next().unwrap_or_default().to_owned();
                let asked = sent.asked_function.as_deref().map(last);
                if let (Some(asked), Some(mappings)) = (asked, body["EventSourceMappings"].as_array_mut()) {
                    mappings.retain(|mapping| mapping["FunctionArn"].as_str().map(last).as_ref() == Some(&asked));
                }
                if let (Some(asked), Some(mappings)) = (&sent.asked_source, body["EventSourceMappings"].as_array_mut())
                {
                    mappings.retain(|mapping| mapping["EventSourceArn"] == asked.as_str());
                }
                body.to_string()
            }),
            "dynamodb:DescribeTable" => rewrite(answer, |text| {
                let mut body: Value = serde_json::from_str(&text).unwrap();
                let table = self.tables.get(&sent.rule("TableName")).cloned().unwrap_or_default();
                body["Table"]["BillingModeSummary"]["BillingMode"] =
                    table.get("BillingMode").cloned().unwrap_or_default();
                body["Table"]["DeletionProtectionEnabled"] =
                    table.get("DeletionProtectionEnabled").cloned().unwrap_or_default();
                body.to_string()
            }),
            "logs:DescribeLogGroups" => rewrite(answer, |text| {
                let mut body: Value = serde_json::from_str(&text).unwrap();
                for group in body["logGroups"].as_array_mut().into_iter().flatten() {
                    let is_protected = group["logGroupName"].as_str().is_some_and(|name| self.protected.contains(name));
                    group["deletionProtectionEnabled"] = json!(is_protected);
                }
                body.to_string()
            }),
            "scheduler:GetSchedule" => self.complete_schedule(sent, answer),
            "cloudwatch:DescribeAlarms" => self.complete_alarms(&answer),
            "cloudwatch:ListAlarmMuteRules" => {
                let mutes = |alarms: &Value| alarms.as_array().unwrap().contains(&sent.json["AlarmName"]);
                let rule = |name: &String| {
                    json!({ "Status": "SCHEDULED",
                    "AlarmMuteRuleArn": format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm-mute-rule:{name}") })
                };
                let rules = self.mute_rules.iter().filter(|(_, alarms)| mutes(alarms)).map(|(name, _)| rule(name));
                in_cbor(&json!({ "AlarmMuteRuleSummaries": rules.collect::<Vec<_>>() }), &answer)
            }
            "events:ListTargetsByRule" => {
                let targets = self.targets.get(&sent.rule("Rule")).cloned().unwrap_or_default();
                let all: Vec<Value> = targets.into_values().collect();
                rewrite(answer, |_| json!({ "Targets": all }).to_string())
            }
            _ => answer,
        }
    }

    fn complete_alarms(&self, answer: &HttpResponse) -> HttpResponse {
        let mut body: Cbor = ciborium::from_reader(answer.body().bytes().unwrap_or_default()).unwrap();
        let text = |value: &Cbor| value.as_text().map(str::to_owned);
        let fields = body.as_map_mut().unwrap().iter_mut().filter(|(name, _)| name.as_text() == Some("MetricAlarms"));
        for alarm in fields.flat_map(|(_, alarms)| alarms.as_array_mut().unwrap()).filter_map(Cbor::as_map_mut) {
            let name =
                alarm.iter().find(|(key, _)| key.as_text() == Some("AlarmName")).and_then(|(_, name)| text(name));
            alarm.retain(|(key, _)| !ALARM_PARTS.contains(&key.as_text().unwrap_or_default()));
            for (part, value) in self.alarms.get(&name.unwrap_or_default()).into_iter().flatten() {
                alarm.push((Cbor::Text(part.clone()), Cbor::serialized(value).unwrap()));
            }
        }
        in_cbor(&body, answer)
    }

    /// Adds what was sent, and AWS's defaults for what was not.
    fn complete_schedule(&self, sent: &Sent, answer: HttpResponse) -> HttpResponse {
        let Some(schedule) = self.schedules.get(&sent.schedule()) else { return answer };
        rewrite(answer, |text| {
            let mut body: Value = serde_json::from_str(&text).unwrap();
            for (field, default) in [
                ("ActionAfterCompletion", json!("NONE")),
                ("Description", Value::Null),
                ("EndDate", Value::Null),
                ("FlexibleTimeWindow", Value::Null),
                ("KmsKeyArn", Value::Null),
                ("ScheduleExpressionTimezone", json!("UTC")),
                ("StartDate", Value::Null),
                ("Target", Value::Null),
            ] {
                let sent = schedule.get(field).filter(|value| !value.is_null());
                body[field] = sent.cloned().unwrap_or(default);
            }
            for (field, default) in [("MaximumEventAgeInSeconds", 86_400), ("MaximumRetryAttempts", 185)] {
                let kept = &mut body["Target"]["RetryPolicy"][field];
                if kept.is_null() {
                    *kept = json!(default);
                }
            }
            body.to_string()
        })
    }

    fn complete_function(&self, sent: &Sent, answer: HttpResponse, at: &str) -> HttpResponse {
        let Some(parts) = self.functions.get(&sent.function()) else { return answer };
        rewrite(answer, |text| {
            let mut body: Value = serde_json::from_str(&text).unwrap();
            for (part, value) in parts {
                let arns = |value: &Value| value.as_array().unwrap().iter().map(|arn| json!({ "Arn": arn })).collect();
                let value = if part == "Layers" { arns(value) } else { value.clone() };
                body.pointer_mut(at).unwrap()[part] = value;
            }
            if let Some(concurrency) = self.concurrency.get(&sent.function()) {
                body["Concurrency"] = concurrency.clone();
            }
            body.to_string()
        })
    }

    fn complete_role(&self, sent: &Sent, answer: HttpResponse) -> HttpResponse {
        let Some(role) = self.roles.get(&sent.role()) else { return answer };
        let boundary = role.boundary.as_ref().map_or_else(String::new, |arn| {
            format!("<PermissionsBoundary><PermissionsBoundaryArn>{arn}</PermissionsBoundaryArn></PermissionsBoundary>")
        });
        let tag = |(key, value): (&String, &String)| format!("<member><Key>{key}</Key><Value>{value}</Value></member>");
        let tags: String = role.tags.iter().map(tag).collect();
        let more = format!("<Description>{}</Description>{boundary}<Tags>{tags}</Tags></Role>", role.description);
        rewrite(answer, |text| text.replace("</Role>", &more))
    }
}
