//! Provides an AWS in the process: winterbaume's services behind the real SDK's HTTP client, with a layer in front that counts,
//! delays and fails calls, and is as strict as AWS.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use taskbell::aws::client::wait;
use taskbell::pattern::matcher::Matcher;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use winterbaume_core::{MockAws, StatefulService};

use crate::support::complete::Memory;
use crate::support::hostile::Hostility;
use crate::support::iam;
use crate::support::limits::Limits;
use crate::support::mailbox::Mailbox;
use crate::support::strict::Strictness;
use crate::support::tag_index::TagIndex;

pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "us-east-1";

/// The way in which a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A server error, before AWS changed anything.
    ServerError,
    /// A throttled call, before AWS changed anything.
    Throttled,
    /// A refusal because a permission is missing.
    Denied,
    /// A refusal because the credentials have expired.
    Expired,
    /// A connection that breaks after AWS carried the call out, and before the answer.
    AnswerLost,
    /// A connection that breaks before AWS changed anything.
    NotSent,
    /// A stuck call: no answer ever comes.
    Hangs,
    /// A successful call with the opposite of AWS's answer (TestEventPattern), with an entry that failed (PutEvents), or with a run
    /// that failed (Invoke).
    OtherAnswer,
}

/// A value for [`Fault::times`]: no further matching call succeeds.
pub const FOR_GOOD: usize = usize::MAX;

/// The calls that fail: `times` calls, from the `nth` matching one (from 0) on.
#[derive(Debug, Clone)]
pub struct Fault {
    pub failure: Failure,
    /// The calls that are counted.
    pub on: On,
    pub nth: usize,
    pub times: usize,
}

#[derive(Debug, Clone)]
pub enum On {
    Writes,
    Every,
    /// Counts all calls; only calls with the action of the `nth` call fail.
    EveryLikeIt,
    Action(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `iam:CreateRole`
    pub action: String,
    pub failed: bool,
    pub at: Instant,
}

impl Call {
    pub fn is_write(&self) -> bool {
        is_write(&self.action)
    }
}

/// A look at AWS after each write, with the action of the write.
#[derive(Clone)]
pub struct Watch(Arc<dyn Fn(String) -> BoxFuture<'static, ()> + Send + Sync>);

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    fault: Option<Fault>,
    matching: usize,
    /// The action of the first call that the fault made fail.
    hit: Option<String>,
    /// The limits of the calls per second to each service.
    limits: Option<Limits>,
    latency: Duration,
    strictness: Option<Strictness>,
    /// The index of tags across services; none: it knows no resource.
    tag_index: Option<TagIndex>,
    /// The answer to DescribeTasks; none: the emulator's, which has no stop codes.
    tasks: Option<Vec<Value>>,
    /// The policy of the caller; none: every action is allowed.
    policy: Option<Value>,
    /// The permissions that calls needed since the policy was set, with the values of condition keys.
    needed: BTreeSet<(iam::Need, iam::Context)>,
    /// The line that the notifier logs about events on the bus: the functions of the emulator do not run.
    tells: Option<Value>,
    /// The last event on the bus, and its task. An event that was put twice has two ids; the first id counts.
    last_event: String,
    last_task: Option<String>,
    /// Further lines of the notifier's log, with the current time.
    says: Vec<String>,
    /// The events that the notifier has announced, each once; none: `tells` is its answer to every invocation.
    takes: Option<Vec<Value>>,
    /// The payloads of all calls of Invoke, including failed calls.
    invoked: Vec<Value>,
    /// The shape in which an event on the bus enters the queue; none: the event does not enter the queue.
    undelivered: Option<Shape>,
    /// The answers to the next calls, each with the action of the call.
    answers: Vec<(&'static str, Value)>,
    /// The refusals of the next calls: the action of the call, an error code and its message.
    refusals: Vec<(&'static str, &'static str, String)>,
    /// The look at AWS after every write.
    watch: Option<Watch>,
    /// The time in the `date` header of the answers; none: the answers have no `date` header.
    date: Option<SystemTime>,
    /// The number of the call at which the user interrupts.
    interrupt: Option<(usize, CancellationToken)>,
    /// The number of the call at which the user interrupts, counted from the first call of an action.
    interrupt_from: Option<(&'static str, usize, CancellationToken)>,
}

/// The shape of a message in the queue of undelivered events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An event that EventBridge could not deliver.
    Delivery,
    /// An event on which the function failed.
    Invocation,
    /// A request of a schedule that EventBridge Scheduler could not deliver, with the parts that Scheduler fills in as they are.
    Schedule,
}

/// Returns a message in the queue: its body and its attributes.
pub fn undelivered(event: &Value, shape: Shape) -> (Value, Value) {
    let text = |text: &str| json!({ "DataType": "String", "StringValue": text });
    match shape {
        Shape::Delivery => {
            let attributes = json!({
                "RULE_ARN": text("arn:aws:events:us-east-1:123456789012:rule/taskbell-batch-task-failed"),
                "TARGET_ARN": text("arn:aws:lambda:us-east-1:123456789012:function:taskbell-batch"),
                "ERROR_CODE": text("NO_PERMISSIONS"),
                "ERROR_MESSAGE": text("The function's policy does not let the rule in"),
            });
            (event.clone(), attributes)
        }
        Shape::Schedule => {
            let attributes = json!({
                "ERROR_CODE": text("AccessDeniedException"),
                "ERROR_MESSAGE": text("The role is not authorized to perform lambda:InvokeFunction"),
                "EXECUTION_ID": text("d3c5ab9e"),
                "EXHAUSTED_RETRY_CONDITION": text("MaximumRetryAttempts"),
                "IS_PAYLOAD_TRUNCATED": text("false"),
                "RETRY_ATTEMPTS": text("185"),
                "SCHEDULED_TIME": text("2026-11-23T18:40:00Z"),
                "SCHEDULE_ARN": text("arn:aws:scheduler:us-east-1:123456789012:schedule/taskbell-batch/by-0a1b2c3d"),
                "TARGET_ARN": text("arn:aws:lambda:us-east-1:123456789012:function:taskbell-batch"),
            });
            (event.clone(), attributes)
        }
        Shape::Invocation => {
            let function = "arn:aws:lambda:us-east-1:123456789012:function:taskbell-batch:$LATEST";
            let body = json!({
                "version": "1.0",
                "timestamp": "2026-11-24T00:00:00.000Z",
                "requestContext": { "requestId": "r", "functionArn": function, "condition": "RetriesExhausted",
                    "approximateInvokeCount": 3 },
                "requestPayload": event,
                "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
                "responsePayload": { "errorType": "PostError", "errorMessage": "Slack answered 404: no_service" },
            });
            (body, Value::Null)
        }
    }
}

struct Services {
    iam: Arc<winterbaume_iam::IamService>,
    lambda: Arc<winterbaume_lambda::LambdaService>,
    events: Arc<winterbaume_eventbridge::EventBridgeService>,
    sqs: Arc<winterbaume_sqs::SqsService>,
    ssm: Arc<winterbaume_ssm::SsmService>,
    logs: Arc<winterbaume_cloudwatchlogs::CloudWatchLogsService>,
    dynamodb: Arc<winterbaume_dynamodb::DynamoDbService>,
    cloudwatch: Arc<winterbaume_cloudwatch::CloudWatchService>,
    scheduler: Arc<winterbaume_scheduler::SchedulerService>,
}

/// A change by somebody else, right before AWS answers the `nth` call (from 0) of an action.
struct Meanwhile {
    action: &'static str,
    nth: usize,
    change: Box<dyn FnOnce(Aws) -> BoxFuture<'static, ()> + Send>,
}

#[derive(Clone)]
pub struct Aws {
    mock: Arc<MockAws>,
    services: Arc<Services>,
    state: Arc<Mutex<State>>,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
    hostility: Arc<Mutex<Option<Hostility>>>,
    memory: Memory,
    mailbox: Mailbox,
    region: String,
}

impl Aws {
    /// Returns an AWS that is as strict as the real one, with the clusters `batch` and `web`.
    pub async fn new() -> Self {
        let aws = Self::lax().await;
        aws.state.lock().unwrap().strictness = Some(Strictness::default());
        aws
    }

    /// Returns an AWS that is as lax as winterbaume: every resource is ready at once.
    pub async fn lax() -> Self {
        let services = Services {
            iam: Arc::default(),
            lambda: Arc::default(),
            events: Arc::default(),
            sqs: Arc::default(),
            ssm: Arc::default(),
            logs: Arc::default(),
            dynamodb: Arc::default(),
            cloudwatch: Arc::default(),
            scheduler: Arc::default(),
        };
        let mock = MockAws::builder()
            .with_service(Arc::clone(&services.iam))
            .with_service(Arc::clone(&services.lambda))
            .with_service(Arc::clone(&services.events))
            .with_service(Arc::clone(&services.sqs))
            .with_service(Arc::clone(&services.ssm))
            .with_service(Arc::clone(&services.logs))
            .with_service(Arc::clone(&services.dynamodb))
            .with_service(Arc::clone(&services.cloudwatch))
            .with_service(Arc::clone(&services.scheduler))
            .with_service(winterbaume_sts::StsService::new())
            .with_service(winterbaume_ecs::EcsService::new())
            .with_service(winterbaume_resourcegroupstagging::TaggingService::new())
            .build();
        let aws = Self {
            mock: Arc::new(mock),
            services: Arc::new(services),
            state: Arc::default(),
            meanwhile: Arc::default(),
            hostility: Arc::default(),
            memory: Memory::default(),
            mailbox: Mailbox::default(),
            region: REGION.to_owned(),
        };
        let ecs = aws_sdk_ecs::Client::new(&aws.sdk());
        for cluster in ["batch", "web"] {
            ecs.create_cluster().cluster_name(cluster).send().await.unwrap();
        }
        aws.forget_calls();
        aws
    }

    /// Returns the same AWS, seen from another region. No cluster is there.
    pub fn in_region(&self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self.clone() }
    }

    /// Copies the state of the other AWS, except the messages in queues.
    pub async fn become_like(&self, other: &Self) {
        self.memory.become_like(&other.memory);
        {
            let (mut state, other) = (self.state.lock().unwrap(), other.state.lock().unwrap());
            let strictness = other.strictness.as_ref().map(Strictness::copy);
            let (tasks, tells) = (other.tasks.clone(), other.tells.clone());
            *state = State { strictness, tasks, tells, ..State::default() };
        }
        macro_rules! same {
            ($($service:ident)*) => {$({
                let view = other.services.$service.snapshot(ACCOUNT, &self.region).await;
                self.services.$service.restore(ACCOUNT, &self.region, view).await.unwrap();
            })*};
        }
        same!(iam lambda events sqs ssm logs dynamodb cloudwatch scheduler);
    }

    pub fn sdk(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.mock.credentials_provider())
            .http_client(SharedHttpClient::new(self.clone()))
            .retry_config(wait::retries())
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                aws_smithy_async::rt::sleep::TokioSleep::new(),
            ))
            .timeout_config(wait::time_outs())
            .build()
    }

    pub fn fail(&self, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        state.fault = Some(fault);
        state.matching = 0;
        state.hit = None;
    }

    pub fn heal(&self) {
        self.state.lock().unwrap().fault = None;
    }

    /// Returns the action of the first call that the fault made fail.
    pub fn hit(&self) -> Option<String> {
        self.state.lock().unwrap().hit.clone()
    }

    /// Limits the calls per second to each service from now on.
    pub fn limit(&self, limits: Limits) {
        self.state.lock().unwrap().limits = Some(limits);
    }

    pub fn throttled(&self) -> usize {
        self.state.lock().unwrap().limits.as_ref().map_or(0, |limits| limits.refused)
    }

    /// Refuses every call that this policy does not allow, from now on.
    pub fn enforce(&self, policy: Value) {
        let mut state = self.state.lock().unwrap();
        state.policy = Some(policy);
        state.needed.clear();
    }

    /// Returns the permissions that calls needed since the policy was set, with the values of condition keys.
    pub fn needed(&self) -> BTreeSet<(iam::Need, iam::Context)> {
        self.state.lock().unwrap().needed.clone()
    }

    /// Sets the line that the notifier logs about each event on the bus; none: no line.
    pub fn notifier_tells(&self, entry: Option<Value>) {
        self.state.lock().unwrap().tells = entry;
    }

    /// Lets the notifier announce each event that it is invoked with, once, from now on.
    pub fn notifier_takes(&self) {
        self.state.lock().unwrap().takes = Some(Vec::new());
    }

    /// Returns the events that the notifier has announced, in order.
    pub fn announced(&self) -> Vec<Value> {
        self.state.lock().unwrap().takes.clone().unwrap_or_default()
    }

    /// Takes the payloads of all calls of Invoke since the last time, including failed calls.
    pub fn take_invoked(&self) -> Vec<Value> {
        std::mem::take(&mut self.state.lock().unwrap().invoked)
    }

    /// Lets each event on the bus enter the queue of undelivered events, from now on.
    pub fn deliver_into_queue(&self, shape: Shape) {
        self.state.lock().unwrap().undelivered = Some(shape);
    }

    pub fn lay_into_queue(&self, event: &Value, shape: Shape) {
        let (body, attributes) = undelivered(event, shape);
        self.mailbox.send(&body.to_string(), attributes);
    }

    pub fn lay_text_into_queue(&self, body: &str) {
        self.mailbox.send(body, Value::Null);
    }

    pub fn empty_queue(&self) {
        self.mailbox.empty();
    }

    /// Lets the queue report `more` additional messages for this time.
    pub fn count_late(&self, more: usize, time: Duration) {
        self.mailbox.count_late(more, time);
    }

    /// Returns the messages in the queue, oldest first, each with whether a caller would receive it now.
    pub fn queued(&self) -> Vec<(String, bool)> {
        self.mailbox.messages()
    }

    /// Puts this time into the `date` header of each answer from now on.
    pub fn say_time(&self, time: SystemTime) {
        self.state.lock().unwrap().date = Some(time);
    }

    /// Returns a token that is cancelled, as by the user's interrupt, at the `nth` call (from 0) from now.
    pub fn interrupt_at(&self, nth: usize) -> CancellationToken {
        let token = CancellationToken::new();
        let mut state = self.state.lock().unwrap();
        let nth = state.calls.len() + nth;
        state.interrupt = Some((nth, token.clone()));
        token
    }

    /// Returns a token that is cancelled, as by the user's interrupt, at the `nth` call counted from the first of this action (0).
    pub fn interrupt_from(&self, action: &'static str, nth: usize) -> CancellationToken {
        let token = CancellationToken::new();
        self.state.lock().unwrap().interrupt_from = Some((action, nth, token.clone()));
        token
    }

    /// Sets the answers to the next calls of this action, in order.
    pub fn answer_next(&self, action: &'static str, bodies: impl IntoIterator<Item = Value>) {
        self.state.lock().unwrap().answers.extend(bodies.into_iter().map(|body| (action, body)));
    }

    /// Refuses the next calls of this action, `times` of them, with this error.
    pub fn refuse_next(&self, action: &'static str, code: &'static str, message: &str, times: usize) {
        let refusals = std::iter::repeat_n((action, code, message.to_owned()), times);
        self.state.lock().unwrap().refusals.extend(refusals);
    }

    /// Returns the actions whose set refusals no call has met.
    pub fn refusals_left(&self) -> Vec<&'static str> {
        self.state.lock().unwrap().refusals.iter().map(|(action, _, _)| *action).collect()
    }

    /// Looks at AWS after every write from now on. The calls of the look are not looked at.
    pub fn watch<F: Future<Output = ()> + Send + 'static>(&self, look: impl Fn(String) -> F + Send + Sync + 'static) {
        let look = Arc::new(look);
        let look = move |action| -> BoxFuture<'static, ()> {
            let look = Arc::clone(&look);
            Box::pin(async move { look(action).await })
        };
        self.state.lock().unwrap().watch = Some(Watch(Arc::new(look)));
    }

    pub fn watch_no_more(&self) {
        self.state.lock().unwrap().watch = None;
    }

    /// Sets the text of the answer to the next call of this action.
    pub fn answer_next_in_words(&self, action: &'static str, body: &str) {
        self.state.lock().unwrap().answers.push((action, Value::from(body)));
    }

    /// Sets further lines of the notifier's log.
    pub fn log_says(&self, lines: &[&str]) {
        self.state.lock().unwrap().says = lines.iter().map(|line| (*line).to_owned()).collect();
    }

    /// Lets AWS have an index of tags, which knows what is read from now on.
    pub fn index_tags(&self) {
        self.state.lock().unwrap().tag_index = Some(TagIndex::default());
    }

    /// Lets the index of tags learn nothing more.
    pub fn index_tags_late(&self) {
        self.state.lock().unwrap().tag_index.as_mut().unwrap().be_late();
    }

    /// Puts hostile texts into all answers from now on; none: into no answer.
    pub fn turn_hostile(&self, hostility: Option<Hostility>) {
        *self.hostility.lock().unwrap() = hostility;
    }

    pub fn is_hostile(&self) -> bool {
        self.hostility.lock().unwrap().is_some()
    }

    /// Lets somebody else change AWS right before the answer to the `nth` call (from 0) of an action, counted from now.
    pub fn meanwhile(
        &self,
        action: &'static str,
        nth: usize,
        change: impl FnOnce(Self) -> BoxFuture<'static, ()> + Send + 'static,
    ) {
        *self.meanwhile.lock().unwrap() = Some(Meanwhile { action, nth, change: Box::new(change) });
    }

    /// Checks whether the change of `meanwhile` was made.
    pub fn has_changed_meanwhile(&self) -> bool {
        self.meanwhile.lock().unwrap().is_none()
    }

    fn due(&self, action: &str) -> Option<Meanwhile> {
        let mut meanwhile = self.meanwhile.lock().unwrap();
        let waiting = meanwhile.as_mut().filter(|one| one.action == action)?;
        match waiting.nth.checked_sub(1) {
            Some(left) => waiting.nth = left,
            None => return meanwhile.take(),
        }
        None
    }

    pub fn describe_task(&self, task: Option<Value>) {
        self.state.lock().unwrap().tasks = Some(task.into_iter().collect());
    }

    pub fn delay(&self, latency: Duration) {
        self.state.lock().unwrap().latency = latency;
    }

    pub fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    pub fn writes(&self) -> Vec<String> {
        self.calls().into_iter().filter(Call::is_write).map(|call| call.action).collect()
    }

    pub fn forget_calls(&self) {
        self.state.lock().unwrap().calls.clear();
    }

    /// Returns all resources, byte for byte, without the values that differ between any two runs (ids, times, revisions).
    pub async fn everything(&self) -> Value {
        let Services { iam, lambda, events, sqs, ssm, logs, dynamodb, cloudwatch, scheduler } = &*self.services;
        let mut all = json!({
            "iam": iam.snapshot(ACCOUNT, &self.region).await,
            "lambda": lambda.snapshot(ACCOUNT, &self.region).await,
            "events": events.snapshot(ACCOUNT, &self.region).await,
            "sqs": sqs.snapshot(ACCOUNT, &self.region).await,
            "ssm": ssm.snapshot(ACCOUNT, &self.region).await,
            "beyond": self.memory.everything(),
            "logs": logs.snapshot(ACCOUNT, &self.region).await,
            "dynamodb": dynamodb.snapshot(ACCOUNT, &self.region).await,
            "cloudwatch": cloudwatch.snapshot(ACCOUNT, &self.region).await,
            "scheduler": scheduler.snapshot(ACCOUNT, &self.region).await,
        });
        // Every account has this group; the emulator creates it with the first call.
        if let Some(groups) = all["scheduler"]["groups"].as_object_mut() {
            groups.remove("default");
        }
        forget_deleted_tables(&mut all["dynamodb"]);
        forget_ended_copies(&mut all["dynamodb"]);
        // Others demand signatures; only the function's link to such a configuration is the stack's.
        if let Some(lambda) = all["lambda"].as_object_mut() {
            lambda.remove("code_signing_configs");
            lambda.remove("csc_id_counter");
        }
        scrub(&mut all);
        all
    }

    async fn answer(self, request: HttpRequest, inner: SharedHttpConnector) -> Result<HttpResponse, ConnectorError> {
        let action = action_of(&request);
        if let Some(Meanwhile { change, .. }) = self.due(&action) {
            change(self.clone()).await;
        }
        let (latency, failure) = self.state.lock().unwrap().record(&action);
        if action == "lambda:Invoke" {
            let event = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap();
            self.state.lock().unwrap().invoked.push(event);
        }
        if !latency.is_zero() {
            sleep(latency).await;
        }
        if let Some(refusal) = self.state.lock().unwrap().limits.as_mut().and_then(|limits| limits.refusal(&action)) {
            return Ok(refusal);
        }
        match failure {
            Some(Failure::ServerError) => return Ok(error(&action, 500, "InternalFailure", "injected")),
            Some(Failure::Throttled) => return Ok(throttled(&action)),
            Some(Failure::Denied) => {
                let message = format!("User: arn:aws:iam::{ACCOUNT}:user/ci is not authorized to perform this");
                return Ok(error(&action, 403, "AccessDeniedException", &message));
            }
            Some(Failure::Expired) => {
                return Ok(error(
                    &action,
                    403,
                    "ExpiredToken",
                    "The security token included in the request is expired",
                ));
            }
            Some(Failure::NotSent) => return Err(broken()),
            Some(Failure::Hangs) => std::future::pending().await,
            Some(Failure::AnswerLost | Failure::OtherAnswer) | None => {}
        }
        let answer = self.happen(&action, request, &inner, failure).await?;
        if is_write(&action) {
            let watch = self.state.lock().unwrap().watch.take();
            if let Some(Watch(look)) = watch {
                look(action.clone()).await;
                self.state.lock().unwrap().watch = Some(Watch(look));
            }
        }
        if failure == Some(Failure::AnswerLost) { Err(broken()) } else { Ok(answer) }
    }

    async fn happen(
        &self,
        action: &str,
        request: HttpRequest,
        inner: &SharedHttpConnector,
        failure: Option<Failure>,
    ) -> Result<HttpResponse, ConnectorError> {
        if let Some(refusal) = self.state.lock().unwrap().refusal(action, &request, &self.memory) {
            return Ok(refusal);
        }
        if let Some((code, message)) = self.state.lock().unwrap().next_refusal(action) {
            return Ok(error(action, 400, code, &message));
        }
        if let Some(body) = self.state.lock().unwrap().next_answer(action) {
            let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
            return Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(text)));
        }
        if is_of_another_account(action, request.uri()) {
            return Ok(error(
                action,
                403,
                "AccessDeniedException",
                "not authorized to perform this in another account",
            ));
        }
        let other = failure == Some(Failure::OtherAnswer);
        let answer = self.state.lock().unwrap().of_notifier(action, &request, other);
        if let Some(answer) = answer.or_else(|| self.mailbox.answer(action, &request)) {
            return Ok(answer);
        }
        if let ("tag:GetResources", Some(index)) = (action, &self.state.lock().unwrap().tag_index) {
            return Ok(index.answer(&request));
        }
        if action == "events:TestEventPattern" {
            return Ok(test_event_pattern(&request, failure == Some(Failure::OtherAnswer)));
        }
        if let ("ecs:DescribeTasks", Some(tasks)) = (action, self.state.lock().unwrap().tasks.clone()) {
            let body = json!({ "tasks": tasks, "failures": [] }).to_string();
            return Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(body)));
        }
        let strictness = self.state.lock().unwrap().strictness.clone();
        let body = request.body().bytes().unwrap_or_default();
        let sent: Value = serde_json::from_slice(body).or_else(|_| ciborium::from_reader(body)).unwrap_or_default();
        let uri = request.uri().to_owned();
        let mut answer = match strictness {
            None => self.memory.answer(action, request, inner).await?,
            Some(strictness) => strictness.answer(action, request, &self.memory, inner).await?,
        };
        if action == "events:PutEvents" {
            let body: Value = serde_json::from_slice(answer.body().bytes().unwrap_or_default()).unwrap_or_default();
            let id = body["Entries"][0]["EventId"].as_str().unwrap_or_default().to_owned();
            self.put(&sent["Entries"][0], &id);
        }
        if let Some(index) = &mut self.state.lock().unwrap().tag_index {
            index.learn(action, &uri, &sent, &answer);
        }
        if action == "sqs:GetQueueAttributes" && answer.status().is_success() {
            answer = self.mailbox.count(answer);
        }
        Ok(answer)
    }
}

impl Aws {
    /// Puts the event on the bus.
    fn put(&self, entry: &Value, id: &str) {
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        let task = detail["taskArn"].as_str().and_then(|arn| arn.rsplit('/').next()).map(str::to_owned);
        let shape = {
            let mut state = self.state.lock().unwrap();
            if task.is_some() && state.last_task == task {
                return;
            }
            state.last_task = task;
            id.clone_into(&mut state.last_event);
            state.undelivered
        };
        if let Some(shape) = shape {
            let event = json!({ "id": id, "source": entry["Source"], "detail-type": entry["DetailType"],
                "resources": entry["Resources"], "detail": detail });
            self.lay_into_queue(&event, shape);
        }
    }
}

impl State {
    fn record(&mut self, action: &str) -> (Duration, Option<Failure>) {
        let hit = self.fault.as_ref().filter(|fault| match fault.on {
            On::Every | On::EveryLikeIt => true,
            On::Writes => is_write(action),
            On::Action(wanted) => wanted == action,
        });
        let mut failure = None;
        if let Some(fault) = hit {
            let turn = self.matching;
            self.matching += 1;
            let like_it = !matches!(fault.on, On::EveryLikeIt) || self.hit.as_ref().is_none_or(|hit| hit == action);
            let falls = (fault.nth..fault.nth.saturating_add(fault.times)).contains(&turn);
            failure = (falls && like_it).then_some(fault.failure);
        }
        if failure.is_some() {
            self.hit.get_or_insert_with(|| action.to_owned());
        }
        if let Some((nth, token)) = &self.interrupt
            && *nth == self.calls.len()
        {
            token.cancel();
        }
        self.calls.push(Call { action: action.to_owned(), failed: failure.is_some(), at: Instant::now() });
        if let Some((from, nth, token)) = &self.interrupt_from
            && let Some(first) = self.calls.iter().position(|call| call.action == *from)
            && first + nth + 1 == self.calls.len()
        {
            token.cancel();
        }
        (self.latency, failure)
    }
}

/// Checks whether a call names, by its ARN, a function of another account.
fn is_of_another_account(action: &str, uri: &str) -> bool {
    let uri = percent_encoding::percent_decode_str(uri).decode_utf8_lossy();
    let named = uri.split_once("/functions/arn:aws:lambda:").or_else(|| uri.split_once("FunctionName=arn:aws:lambda:"));
    let account = named.and_then(|(_, rest)| rest.split(':').nth(1));
    action.starts_with("lambda:") && account.is_some_and(|account| account != ACCOUNT)
}

impl State {
    fn next_answer(&mut self, action: &str) -> Option<Value> {
        let at = self.answers.iter().position(|(of, _)| *of == action)?;
        Some(self.answers.remove(at).1)
    }

    fn next_refusal(&mut self, action: &str) -> Option<(&'static str, String)> {
        let at = self.refusals.iter().position(|(of, _, _)| *of == action)?;
        let (_, code, message) = self.refusals.remove(at);
        Some((code, message))
    }

    /// Returns AWS's refusal if the caller lacks a permission.
    fn refusal(&mut self, action: &str, request: &HttpRequest, memory: &Memory) -> Option<HttpResponse> {
        let policy = self.policy.as_ref()?;
        let (needs, context) =
            iam::needs(action, request, |role| memory.boundary(role), |rule, key| memory.tag_of_rule(rule, key));
        self.needed.extend(needs.iter().map(|need| (need.clone(), context.clone())));
        let (denied, resource) = needs.iter().find(|need| !iam::allows(policy, need, &context))?;
        let user = format!("User: arn:aws:iam::{ACCOUNT}:user/ci is not authorized to perform");
        Some(error(action, 403, "AccessDeniedException", &format!("{user}: {denied} on resource: {resource}")))
    }

    /// Returns the notifier's log, and the answers to Invoke and PutEvents; `other` makes both fail.
    fn of_notifier(&mut self, action: &str, request: &HttpRequest, other: bool) -> Option<HttpResponse> {
        let ok = |body: &Value| HttpResponse::new(200.try_into().unwrap(), SdkBody::from(body.to_string()));
        match action {
            "logs:FilterLogEvents" => {
                let entry = self.tells.clone().map(|mut entry| {
                    entry["eventId"] = json!(self.last_event);
                    entry["taskId"] = json!(self.last_task);
                    entry.to_string()
                });
                let now = super::today().duration_since(UNIX_EPOCH).unwrap().as_millis();
                let now = u64::try_from(now).unwrap();
                let lines = entry.into_iter().chain(self.says.clone());
                let lines = lines.map(|line| json!({ "timestamp": now, "message": line }));
                Some(ok(&json!({ "events": lines.collect::<Vec<_>>() })))
            }
            "events:PutEvents" if other => {
                let entry = json!({ "ErrorCode": "InternalException", "ErrorMessage": "try again" });
                Some(ok(&json!({ "FailedEntryCount": 1, "Entries": [entry] })))
            }
            "lambda:Invoke" if other => {
                let mut failed = ok(&json!({ "errorMessage": "Slack answered 404: no_service" }));
                failed.headers_mut().insert("x-amz-function-error", "Unhandled");
                Some(failed)
            }
            "lambda:Invoke" => match &mut self.takes {
                Some(taken) => {
                    let event: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap();
                    let known = taken.contains(&event);
                    if !known {
                        taken.push(event);
                    }
                    Some(ok(&json!({ "outcome": if known { "duplicate" } else { "sent" } })))
                }
                None => Some(ok(self.tells.as_ref()?)),
            },
            _ => None,
        }
    }
}

/// Answers TestEventPattern with taskbell's matcher: the emulator's answers differ from AWS's, and the matcher's agree with the
/// verdicts recorded from AWS.
fn test_event_pattern(request: &HttpRequest, other: bool) -> HttpResponse {
    let sent: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap();
    let parsed = |field: &str| serde_json::from_str::<Value>(sent[field].as_str().unwrap()).unwrap();
    let matcher = Matcher::new(&(&parsed("EventPattern")).into()).unwrap();
    let body = json!({ "Result": matcher.matches(&parsed("Event")) != other });
    HttpResponse::new(200.try_into().unwrap(), SdkBody::from(body.to_string()))
}

fn broken() -> ConnectorError {
    ConnectorError::io("injected: the connection broke".into())
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aws")
    }
}

#[derive(Debug)]
struct Connector {
    aws: Aws,
    inner: SharedHttpConnector,
}

impl HttpClient for Aws {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.mock.http_client().http_connector(settings, components);
        SharedHttpConnector::new(Connector { aws: self.clone(), inner })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (aws, inner) = (self.aws.clone(), self.inner.clone());
        HttpConnectorFuture::new(async move {
            let date = aws.state.lock().unwrap().date;
            let action = action_of(&request);
            let hostility = *aws.hostility.lock().unwrap();
            let mut answer = aws.answer(request, inner).await?;
            if let Some(hostility) = hostility {
                answer = hostility.spoilt(&action, answer);
            }
            if let Some(date) = date {
                let date = aws_smithy_types::DateTime::from(date);
                let date = date.fmt(aws_smithy_types::date_time::Format::HttpDate).unwrap();
                answer.headers_mut().insert("date", date);
            }
            Ok(answer)
        })
    }
}

/// Returns the IAM action of a request, from its target header, its form or its path.
pub fn action_of(request: &HttpRequest) -> String {
    let service = service_of(request);
    if let Some(target) = request.headers().get("x-amz-target") {
        return format!("{service}:{}", target.rsplit('.').next().unwrap_or_default());
    }
    let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
    if let Some(action) = body.split('&').find_map(|pair| pair.strip_prefix("Action=")) {
        return format!("{service}:{action}");
    }
    if let Some((_, operation)) = request.uri().split_once("/operation/") {
        return format!("cloudwatch:{operation}");
    }
    let path = request.uri().split('?').next().unwrap_or_default();
    if service == "scheduler" {
        return format!("scheduler:{}", action_of_scheduler(request.method(), path));
    }
    // Behind the scheme, the host and Lambda's version.
    let rest: Vec<&str> = path.split('/').skip(4).collect();
    let action = match (request.method(), rest.as_slice()) {
        ("POST", ["functions"]) => "CreateFunction",
        ("GET", ["functions"]) => "ListFunctions",
        ("GET", ["functions", _]) => "GetFunction",
        ("GET", ["event-source-mappings", ..]) => "ListEventSourceMappings",
        ("POST", ["event-source-mappings", ..]) => "CreateEventSourceMapping",
        ("DELETE", ["event-source-mappings", _]) => "DeleteEventSourceMapping",
        ("GET", ["functions", _, "aliases"]) => "ListAliases",
        ("POST", ["functions", _, "aliases"]) => "CreateAlias",
        ("POST", ["functions", _, "versions"]) => "PublishVersion",
        ("DELETE", ["functions", _]) => "DeleteFunction",
        ("GET", ["functions", _, "configuration"]) => "GetFunctionConfiguration",
        ("PUT", ["functions", _, "configuration"]) => "UpdateFunctionConfiguration",
        ("PUT", ["functions", _, "code"]) => "UpdateFunctionCode",
        ("GET", ["functions", _, "policy"]) => "GetPolicy",
        ("POST", ["functions", _, "policy"]) => "AddPermission",
        ("DELETE", ["functions", _, "policy", _]) => "RemovePermission",
        ("GET", ["functions", _, "event-invoke-config"]) => "GetFunctionEventInvokeConfig",
        ("PUT", ["functions", _, "event-invoke-config"]) => "PutFunctionEventInvokeConfig",
        ("GET", ["code-signing-configs"]) => "ListCodeSigningConfigs",
        ("POST", ["code-signing-configs"]) => "CreateCodeSigningConfig",
        ("GET", ["functions", _, "code-signing-config"]) => "GetFunctionCodeSigningConfig",
        ("PUT", ["functions", _, "code-signing-config"]) => "PutFunctionCodeSigningConfig",
        ("DELETE", ["functions", _, "code-signing-config"]) => "DeleteFunctionCodeSigningConfig",
        ("PUT", ["functions", _, "concurrency"]) => "PutFunctionConcurrency",
        ("DELETE", ["functions", _, "concurrency"]) => "DeleteFunctionConcurrency",
        ("POST", ["functions", _, "invocations"]) => "Invoke",
        ("GET", ["tags", ..]) => "ListTags",
        ("POST", ["tags", ..]) => "TagResource",
        ("DELETE", ["tags", ..]) => "UntagResource",
        (method, other) => panic!("which action is {method} {other:?}? {}", request.uri()),
    };
    format!("{service}:{action}")
}

fn action_of_scheduler(method: &str, path: &str) -> &'static str {
    let rest: Vec<&str> = path.split('/').skip(3).collect();
    match (method, rest.as_slice()) {
        ("GET", ["schedules"]) => "ListSchedules",
        ("POST", ["schedules", _]) => "CreateSchedule",
        ("GET", ["schedules", _]) => "GetSchedule",
        ("PUT", ["schedules", _]) => "UpdateSchedule",
        ("DELETE", ["schedules", _]) => "DeleteSchedule",
        ("GET", ["schedule-groups"]) => "ListScheduleGroups",
        ("POST", ["schedule-groups", _]) => "CreateScheduleGroup",
        ("GET", ["schedule-groups", _]) => "GetScheduleGroup",
        ("DELETE", ["schedule-groups", _]) => "DeleteScheduleGroup",
        ("GET", ["tags", ..]) => "ListTagsForResource",
        ("POST", ["tags", ..]) => "TagResource",
        ("DELETE", ["tags", ..]) => "UntagResource",
        (method, other) => panic!("which action is {method} {other:?}? {path}"),
    }
}

/// Returns the service of a request, from its host; for an endpoint on this machine, from the scope of its signature.
fn service_of(request: &HttpRequest) -> &str {
    let host = request.uri().trim_start_matches("https://");
    let scope = request.headers().get("authorization").and_then(|text| text.split('/').nth(3)).unwrap_or_default();
    match host.split('.').collect::<Vec<_>>()[..] {
        // DynamoDB has a host for each account.
        [_, "ddb", ..] => "dynamodb",
        // IAM calls this service by another name than its host.
        ["tagging", ..] => "tag",
        _ if host.starts_with("http://127.0.0.1") => {
            if scope == "tagging" {
                "tag"
            } else {
                scope
            }
        }
        [service, ..] => service,
        [] => "",
    }
}

pub fn is_write(action: &str) -> bool {
    let name = action.split(':').nth(1).unwrap_or_default();
    !["Get", "List", "Describe", "Test"].iter().any(|read| name.starts_with(read))
}

/// Returns an error in the service's protocol.
pub fn error(action: &str, status: u16, code: &str, message: &str) -> HttpResponse {
    if action.starts_with("cloudwatch:") {
        return cbor_error(status, code, message);
    }
    let query = action.starts_with("iam:") || action.starts_with("sts:");
    let body = match query {
        true => format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        ),
        false => json!({ "__type": code, "message": message, "Message": message }).to_string(),
    };
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
    if !query {
        response.headers_mut().insert("x-amzn-errortype", code.to_owned());
    }
    response
}

/// Returns the service's own error for a throttled call.
pub fn throttled(action: &str) -> HttpResponse {
    match action.split(':').next() {
        Some("iam" | "sts") => error(action, 400, "Throttling", "Rate exceeded"),
        Some("lambda") => error(action, 429, "TooManyRequestsException", "Rate exceeded"),
        Some("sqs") => error(action, 403, "RequestThrottled", "Rate exceeded"),
        _ => error(action, 400, "ThrottlingException", "Rate exceeded"),
    }
}

/// Returns an error in CBOR, CloudWatch's protocol: a map with two texts.
fn cbor_error(status: u16, code: &str, message: &str) -> HttpResponse {
    let mut body = vec![0xa2];
    for text in ["__type", code, "message", message] {
        body.extend([0x79]);
        body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        body.extend(text.as_bytes());
    }
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
    response.headers_mut().insert("smithy-protocol", "rpc-v2-cbor");
    response.headers_mut().insert("content-type", "application/cbor");
    response
}

/// Removes the tags and the expiry of deleted tables, which the emulator keeps.
fn forget_deleted_tables(dynamodb: &mut Value) {
    let there: Vec<String> =
        dynamodb["tables"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    for part in ["tags", "ttl_configs"] {
        if let Some(kept) = dynamodb[part].as_object_mut() {
            kept.retain(|name, _| there.iter().any(|table| name.rsplit('/').next() == Some(table)));
        }
    }
}

/// Removes the copies to Kinesis streams that were stopped, which DynamoDB still lists.
fn forget_ended_copies(dynamodb: &mut Value) {
    let Some(tables) = dynamodb["kinesis_destinations"].as_object_mut() else { return };
    for copies in tables.values_mut().filter_map(Value::as_object_mut) {
        copies.retain(|_, copy| copy["destination_status"] != "DISABLED");
    }
    tables.retain(|_, copies| copies.as_object().is_some_and(|copies| !copies.is_empty()));
    if tables.is_empty() {
        dynamodb["kinesis_destinations"] = Value::Null;
    }
}

/// Removes the values that differ between any two runs.
fn scrub(value: &mut Value) {
    const VOLATILE: [&str; 24] = [
        "creation_date",
        "last_modification_date",
        "creation_date_time",
        "code_sha256",
        "code_size",
        "role_id",
        "create_date",
        "created_at",
        "creation_time",
        "last_modified",
        "revision_id",
        "last_used_date",
        "last_modified_date",
        "created_timestamp",
        "last_modified_timestamp",
        "role_last_used",
        "code_location",
        "created_time",
        "function_policy_revisions",
        "timestamp",
        "last_modified_user",
        "version_id",
        "latest_stream_arn",
        "latest_stream_label",
    ];
    match value {
        Value::Object(fields) => {
            for name in VOLATILE {
                fields.remove(name);
            }
            if let Some(id) = fields.get_mut("taskbell:role-id") {
                *id = json!("scrubbed");
            }
            if fields.get("key").is_some_and(|key| key == "taskbell:role-id") {
                fields.insert("value".to_owned(), json!("scrubbed"));
            }
            fields.values_mut().for_each(scrub);
        }
        Value::Array(items) => {
            items.iter_mut().for_each(scrub);
            // The statements of a resource policy have no order.
            if items.first().is_some_and(|item| !item["statement_id"].is_null()) {
                items.sort_by_key(|item| item["statement_id"].to_string());
            }
        }
        _ => {}
    }
}

/// Returns the time since `start`, in round trips of the given latency.
pub fn trips(start: Instant, latency: Duration) -> u128 {
    start.elapsed().as_millis() / latency.as_millis()
}
