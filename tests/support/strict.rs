//! Imitates the behaviour of AWS that the emulator lacks: refusals, states, propagation, normal forms.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use taskbell::pattern::matcher::Matcher;
use tokio::time::Instant;

use crate::support::aws::error;
use crate::support::complete;
use crate::support::limits::{fields, too_large};

/// The time after a role's creation in which Lambda cannot assume the role.
const ROLE_PROPAGATION: Duration = Duration::from_secs(8);
/// The time for which a function is Pending, and an update InProgress.
const FUNCTION_BUSY: Duration = Duration::from_secs(3);
/// The time for which a table is CREATING, or UPDATING.
const TABLE_BUSY: Duration = Duration::from_secs(4);
/// The time after a change of a table's expiry in which DynamoDB refuses another one.
pub const EXPIRY_HELD: Duration = Duration::from_hours(1);
/// The time for which a schedule group is DELETING.
const GROUP_GOING: Duration = Duration::from_secs(20);
const QUEUE_NAME_HELD: Duration = Duration::from_mins(1);
const QUEUE_LINGERS: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Default)]
pub struct Strictness(Arc<Mutex<Memory>>);

#[derive(Debug, Clone, Default)]
struct Memory {
    role_changed: Option<Instant>,
    function_busy_until: Option<Instant>,
    pending: bool,
    table_busy_until: Option<Instant>,
    /// By table name: the last change of its expiry, and the time of the change.
    expiries: HashMap<String, (Value, Instant)>,
    queues_deleted: HashMap<String, Instant>,
    /// By role name: its trust policy, and the time of its last change.
    trusts: HashMap<String, (String, Instant)>,
    /// By the name of a schedule group: the time of its deletion.
    groups_deleted: HashMap<String, Instant>,
}

impl Strictness {
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }

    pub async fn answer(
        &self,
        action: &str,
        request: HttpRequest,
        memory: &complete::Memory,
        inner: &SharedHttpConnector,
    ) -> Result<HttpResponse, ConnectorError> {
        let (body, form) = (body_of(&request), form_of(action, &request));
        let path = path_of(action, &request);
        let request = in_pages(action, request);
        if let Some(answer) = self.0.lock().unwrap().ghost(action, &body) {
            return Ok(answer);
        }
        if let Some(answer) = self.0.lock().unwrap().of_scheduler(action, &path, &body) {
            return Ok(answer);
        }
        if let Some(refusal) = self.0.lock().unwrap().refusal(action, &body).or_else(|| too_large(action, &request)) {
            return Ok(refusal);
        }
        if action == "logs:DeleteLogGroup" && memory.is_protected(body["logGroupName"].as_str().unwrap_or_default()) {
            let message = "The log group cannot be deleted because deletion protection is enabled for it.";
            return Ok(error(action, 400, "ValidationException", message));
        }
        if action == "ssm:ListTagsForResource" && !has_parameter(&request, &body, inner).await? {
            return Ok(error(action, 400, "InvalidResourceId", "The resource ID isn't valid."));
        }
        if action == "cloudwatch:ListTagsForResource" && !memory.has_alarm(&request) {
            return Ok(error(action, 404, "ResourceNotFoundException", "Unknown"));
        }
        if action == "dynamodb:ListTagsOfResource" && !has_table(&request, &body, inner).await? {
            return Ok(error(action, 400, "ResourceNotFoundException", "Requested resource not found"));
        }
        let mut answer = memory.answer(action, request, inner).await?;
        if answer.status().is_success() {
            self.0.lock().unwrap().remember(action, &body);
            self.0.lock().unwrap().remember_for_scheduler(action, &path, &form);
            answer = self.0.lock().unwrap().dress(action, answer);
        }
        Ok(answer)
    }
}

impl Memory {
    fn refusal(&self, action: &str, body: &Value) -> Option<HttpResponse> {
        let refuse = |code, message: &str| Some(error(action, 400, code, message));
        match action {
            "ssm:PutParameter" if body["Overwrite"] == true && !body["Tags"].is_null() => {
                refuse("ValidationException", "Invalid request: tags and overwrite can't be used together.")
            }
            "events:PutRule" => {
                let pattern: Value = serde_json::from_str(body["EventPattern"].as_str()?).ok()?;
                let invalid = Matcher::new(&(&pattern).into()).err()?;
                refuse(
                    "InvalidEventPatternException",
                    &format!("Event pattern is not valid. Reason: {}", invalid.reason),
                )
            }
            "dynamodb:UpdateTable" | "dynamodb:UpdateTimeToLive" | "dynamodb:DeleteTable" | "dynamodb:TagResource"
                if self.table_is_busy() =>
            {
                refuse("ResourceInUseException", "Attempt to change a resource which is still in use")
            }
            "dynamodb:UpdateTimeToLive" => {
                let (last, at) = self.expiries.get(body["TableName"].as_str()?)?;
                let message = match *last == body["TimeToLiveSpecification"] {
                    true if last["Enabled"] == true => "TimeToLive is already enabled",
                    true => "TimeToLive is already disabled",
                    false => "Time to live has been modified multiple times within a fixed interval",
                };
                (at.elapsed() < EXPIRY_HELD).then(|| error(action, 400, "ValidationException", message))
            }
            "sqs:CreateQueue" => {
                let deleted = self.queues_deleted.get(body["QueueName"].as_str()?)?;
                (deleted.elapsed() < QUEUE_NAME_HELD).then(|| {
                    let message = "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
                    error(action, 400, "AWS.SimpleQueueService.QueueDeletedRecently", message)
                })
            }
            "lambda:CreateFunction" | "lambda:PutFunctionEventInvokeConfig" => {
                let young = self.role_changed.is_some_and(|changed| changed.elapsed() < ROLE_PROPAGATION);
                let message = match action {
                    "lambda:CreateFunction" => "The role defined for the function cannot be assumed by Lambda.",
                    _ => "The function's execution role does not have permissions to call SendMessage on arn:aws:sqs:x",
                };
                young.then(|| error(action, 400, "InvalidParameterValueException", message))
            }
            "lambda:UpdateFunctionCode" | "lambda:UpdateFunctionConfiguration" if self.is_busy() => {
                let message = match self.pending {
                    true => {
                        "The operation cannot be performed at this time. The function is currently in the following state: Pending"
                    }
                    false => {
                        "The operation cannot be performed at this time. An update is in progress for resource: arn:aws:lambda:x"
                    }
                };
                Some(error(action, 409, "ResourceConflictException", message))
            }
            _ => None,
        }
    }

    /// Returns the address of a deleted queue, which AWS still returns for some seconds after the deletion.
    fn ghost(&self, action: &str, body: &Value) -> Option<HttpResponse> {
        let name = body["QueueName"].as_str()?;
        let deleted = self.queues_deleted.get(name).filter(|_| action == "sqs:GetQueueUrl")?;
        (deleted.elapsed() < QUEUE_LINGERS).then(|| {
            let url = format!("https://sqs.us-east-1.amazonaws.com/123456789012/{name}");
            HttpResponse::new(200.try_into().unwrap(), SdkBody::from(json!({ "QueueUrl": url }).to_string()))
        })
    }

    /// Returns Scheduler's own refusals, and its answers about a group that it is deleting.
    fn of_scheduler(&self, action: &str, path: &str, body: &Value) -> Option<HttpResponse> {
        let refuse = |status, code, message: &str| Some(error(action, status, code, message));
        let operation = action.strip_prefix("scheduler:")?;
        let resource = path.rsplit_once(":schedule").map_or_else(|| path.rsplit('/').next().unwrap(), |(_, arn)| arn);
        if ["ListTagsForResource", "TagResource", "UntagResource"].contains(&operation) {
            return match resource.starts_with("-group/") {
                true => None,
                false => refuse(400, "ValidationException", "Value at 'resourceArn' failed to satisfy constraint"),
            };
        }
        let is_legal = |name: &str| {
            (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let group =
            if operation.ends_with("Group") { resource } else { body["GroupName"].as_str().unwrap_or("default") };
        if !operation.starts_with("List") && (!is_legal(resource) || !is_legal(group)) {
            return refuse(400, "ValidationException", "Value at 'name' failed to satisfy constraint");
        }
        let is_going = self.groups_deleted.get(group).is_some_and(|deleted| deleted.elapsed() < GROUP_GOING);
        match operation {
            "GetScheduleGroup" if is_going => {
                let arn = format!("arn:aws:scheduler:us-east-1:123456789012:schedule-group/{group}");
                let body = json!({ "Arn": arn, "Name": group, "State": "DELETING" }).to_string();
                Some(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(body)))
            }
            "CreateScheduleGroup" | "DeleteScheduleGroup" | "CreateSchedule" if is_going => {
                refuse(409, "ConflictException", &format!("Schedule group {group} is being deleted."))
            }
            "CreateSchedule" | "UpdateSchedule" => self.refusal_of_schedule(action, group, body),
            _ => None,
        }
    }

    fn refusal_of_schedule(&self, action: &str, group: &str, body: &Value) -> Option<HttpResponse> {
        let refuse = |message: &str| Some(error(action, 400, "ValidationException", message));
        let (expression, input) = (body["ScheduleExpression"].as_str()?, body["Target"]["Input"].as_str()?);
        if !["rate(", "cron(", "at("].iter().any(|start| expression.starts_with(start)) || expression.len() > 256 {
            return refuse(&format!("Invalid Schedule Expression {expression}."));
        }
        if serde_json::from_str::<Value>(input).is_err() {
            return refuse("Invalid Input for target: it must be JSON.");
        }
        let role = body["Target"]["RoleArn"].as_str()?.rsplit('/').next()?;
        // The trust policies of roles that nobody created here are not known.
        let is_trusted = self.trusts.get(role).is_none_or(|(trust, changed)| {
            let of_group = format!(":schedule-group/{group}\"");
            let is_of_group = !trust.contains("aws:SourceArn") || trust.contains(&of_group);
            trust.contains("scheduler.amazonaws.com") && is_of_group && changed.elapsed() >= ROLE_PROPAGATION
        });
        match is_trusted {
            true => None,
            false => refuse("The execution role you provide must allow AWS EventBridge Scheduler to assume the role."),
        }
    }

    fn remember_for_scheduler(&mut self, action: &str, path: &str, form: &BTreeMap<String, String>) {
        let of = |field: &str| form.get(field).cloned().unwrap_or_default();
        match action {
            "iam:CreateRole" => {
                self.trusts.insert(of("RoleName"), (of("AssumeRolePolicyDocument"), Instant::now()));
            }
            "iam:UpdateAssumeRolePolicy" => {
                self.trusts.insert(of("RoleName"), (of("PolicyDocument"), Instant::now()));
            }
            "iam:DeleteRole" => drop(self.trusts.insert(of("RoleName"), (String::new(), Instant::now()))),
            "scheduler:DeleteScheduleGroup" => {
                self.groups_deleted.insert(path.rsplit('/').next().unwrap().to_owned(), Instant::now());
            }
            "scheduler:CreateScheduleGroup" => drop(self.groups_deleted.remove(path.rsplit('/').next().unwrap())),
            _ => {}
        }
    }

    fn remember(&mut self, action: &str, body: &Value) {
        let now = Instant::now();
        match action {
            "iam:CreateRole" => self.role_changed = Some(now),
            "dynamodb:CreateTable" | "dynamodb:UpdateTable" => self.table_busy_until = Some(now + TABLE_BUSY),
            "dynamodb:UpdateTimeToLive" => {
                let table = body["TableName"].as_str().unwrap_or_default().to_owned();
                self.expiries.insert(table, (body["TimeToLiveSpecification"].clone(), now));
            }
            "dynamodb:DeleteTable" => drop(self.expiries.remove(body["TableName"].as_str().unwrap_or_default())),
            "sqs:DeleteQueue" => {
                let url = body["QueueUrl"].as_str().unwrap_or_default();
                self.queues_deleted.insert(url.rsplit('/').next().unwrap_or_default().to_owned(), now);
            }
            "lambda:CreateFunction" | "lambda:UpdateFunctionCode" | "lambda:UpdateFunctionConfiguration" => {
                self.function_busy_until = Some(now + FUNCTION_BUSY);
                self.pending = action == "lambda:CreateFunction";
            }
            _ => {}
        }
    }

    fn table_is_busy(&self) -> bool {
        self.table_busy_until.is_some_and(|until| Instant::now() < until)
    }

    fn is_busy(&self) -> bool {
        self.function_busy_until.is_some_and(|until| Instant::now() < until)
    }

    /// Returns the answer in AWS's form.
    fn dress(&self, action: &str, answer: HttpResponse) -> HttpResponse {
        match action {
            "iam:GetRole" => encode_element(answer, "AssumeRolePolicyDocument"),
            "iam:GetRolePolicy" => encode_element(answer, "PolicyDocument"),
            "lambda:GetPolicy" => reword_field(answer, "Policy", reworded),
            "sqs:GetQueueAttributes" => reword_field(answer, "/Attributes/Policy", reworded),
            "events:ListRules" => rewrite(answer, |text| {
                let mut body: Value = serde_json::from_str(&text).unwrap();
                for rule in body["Rules"].as_array_mut().into_iter().flatten() {
                    // Parsing would drop a repeated field; AWS returns the repeated field.
                    let text = rule["EventPattern"].as_str().unwrap_or_default();
                    let comes_again = taskbell::pattern::read(text).is_ok_and(|(_, repeated)| !repeated.is_empty());
                    if let (Ok(pattern), false) = (serde_json::from_str::<Value>(text), comes_again) {
                        rule["EventPattern"] = json!(format!("{pattern:#}"));
                    }
                }
                body.to_string()
            }),
            "dynamodb:DescribeTable" => rewrite(answer, |text| {
                let mut body: Value = serde_json::from_str(&text).unwrap();
                body["Table"]["TableStatus"] = json!(if self.table_is_busy() { "CREATING" } else { "ACTIVE" });
                body.to_string()
            }),
            "lambda:GetFunctionConfiguration" | "lambda:CreateFunction" => self.with_state(answer, ""),
            "lambda:GetFunction" => self.with_state(answer, "/Configuration"),
            _ => answer,
        }
    }

    fn with_state(&self, answer: HttpResponse, at: &str) -> HttpResponse {
        let (state, update) = match (self.is_busy(), self.pending) {
            (true, true) => ("Pending", "Successful"),
            (true, false) => ("Active", "InProgress"),
            (false, _) => ("Active", "Successful"),
        };
        rewrite(answer, |text| {
            let mut body: Value = serde_json::from_str(&text).unwrap();
            let configuration = body.pointer_mut(at).unwrap();
            configuration["State"] = json!(state);
            configuration["LastUpdateStatus"] = json!(update);
            body.to_string()
        })
    }
}

/// Checks whether the parameter of a request for tags exists: for one that does not, the emulator returns no tags.
async fn has_parameter(
    request: &HttpRequest,
    body: &Value,
    inner: &SharedHttpConnector,
) -> Result<bool, ConnectorError> {
    let get = complete::another(request, "AmazonSSM.GetParameter", &json!({ "Name": body["ResourceId"] }));
    Ok(inner.call(get).await?.status().is_success())
}

/// Checks whether the table of a request for tags exists: the emulator keeps the tags of a deleted table.
async fn has_table(request: &HttpRequest, body: &Value, inner: &SharedHttpConnector) -> Result<bool, ConnectorError> {
    let name = body["ResourceArn"].as_str().and_then(|arn| arn.rsplit('/').next());
    let describe = complete::another(request, "DynamoDB_20120810.DescribeTable", &json!({ "TableName": name }));
    Ok(inner.call(describe).await?.status().is_success())
}

/// Percent-encodes a policy document, as IAM returns it.
fn encode_element(answer: HttpResponse, name: &str) -> HttpResponse {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    rewrite(answer, |text| {
        let Some((before, rest)) = text.split_once(&open) else { return text };
        let (document, after) = rest.split_once(&close).unwrap();
        let unescaped =
            document.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let plain = percent_encoding::percent_decode_str(&unescaped).decode_utf8().unwrap();
        let plain = reworded(&serde_json::from_str(&plain).unwrap());
        format!("{before}{open}{}{close}{after}", utf8_percent_encode(&plain, NON_ALPHANUMERIC))
    })
}

/// Rewords a JSON document that is the text of a field of an answer.
fn reword_field(answer: HttpResponse, field: &str, reword: impl Fn(&Value) -> String) -> HttpResponse {
    let pointer = if field.starts_with('/') { field.to_owned() } else { format!("/{field}") };
    rewrite(answer, |text| {
        let mut body: Value = serde_json::from_str(&text).unwrap();
        if let Some(document) = body.pointer_mut(&pointer)
            && let Ok(parsed) = serde_json::from_str(document.as_str().unwrap_or_default())
        {
            *document = json!(reword(&parsed));
        }
        body.to_string()
    })
}

/// Returns an equivalent policy in a form that AWS may return: statements in another order, lists of one as scalars, scalars as
/// lists, an id and a version that the caller did not send, another spelling of condition keys.
fn reworded(policy: &Value) -> String {
    let mut policy = policy.clone();
    policy["Version"] = json!("2012-10-17");
    policy["Id"] = json!("default");
    if let Some(statements) = policy["Statement"].as_array_mut() {
        statements.reverse();
        for statement in statements.iter_mut() {
            let fields = statement.as_object_mut().unwrap();
            for (_, value) in fields.iter_mut().filter(|(field, _)| ["Action", "Resource"].contains(&field.as_str())) {
                *value = match &*value {
                    Value::Array(items) if items.len() == 1 => items[0].clone(),
                    Value::Array(items) => items.iter().rev().cloned().collect(),
                    scalar => json!([scalar]),
                };
            }
        }
    }
    policy.to_string().replace("aws:SourceArn", "AWS:SourceArn")
}

#[allow(clippy::needless_pass_by_value, reason = "the answer is used up")]
pub fn rewrite(answer: HttpResponse, change: impl FnOnce(String) -> String) -> HttpResponse {
    let text = String::from_utf8(answer.body().bytes().unwrap_or_default().to_vec()).unwrap();
    let mut changed = HttpResponse::new(answer.status(), SdkBody::from(change(text)));
    for (name, value) in answer.headers() {
        if name != "content-length" {
            changed.headers_mut().insert(name.to_owned(), value.to_owned());
        }
    }
    changed
}

/// Returns the body of a JSON request; null for other requests.
fn body_of(request: &HttpRequest) -> Value {
    serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default()
}

/// Returns the fields of a form that IAM is sent.
fn form_of(action: &str, request: &HttpRequest) -> BTreeMap<String, String> {
    let is_form = action.starts_with("iam:");
    if is_form { fields(request.body().bytes().unwrap_or_default()) } else { BTreeMap::new() }
}

/// Returns the path of a request to Scheduler.
fn path_of(action: &str, request: &HttpRequest) -> String {
    let path = request.uri().split('?').next().unwrap_or_default();
    let path = if action.starts_with("scheduler:") { path } else { "" };
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}

/// Returns the request, answered in pages of few schedules: AWS answers in pages of a hundred.
fn in_pages(action: &str, mut request: HttpRequest) -> HttpRequest {
    if action == "scheduler:ListSchedules" && !request.uri().contains("MaxResults=") {
        let joint = if request.uri().contains('?') { '&' } else { '?' };
        let uri = format!("{}{joint}MaxResults=2", request.uri());
        request.set_uri(uri).unwrap();
    }
    request
}
