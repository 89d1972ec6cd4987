//! Records the writes with which a version sets a stack up, and repeats them later from a file, to recreate a stack as that version
//! left it. The names that the stack's types had in that version do not matter.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::support::aws::{action_of, is_write};

/// The headers that differ between any two requests, and the headers that identify the sender.
const OWN: [&str; 9] = [
    "authorization",
    "user-agent",
    "x-amz-user-agent",
    "x-amz-date",
    "x-amz-security-token",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "content-length",
    "host",
];

/// A write that AWS accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sent {
    pub action: String,
    pub method: String,
    /// `https://events.us-east-1.amazonaws.com/`
    pub uri: String,
    pub headers: Vec<(String, String)>,
    /// The body as text; a body that is not UTF-8 is in `base64`.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub body: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub base64: String,
}

impl Sent {
    pub fn of(request: &HttpRequest) -> Self {
        let bytes = request.body().bytes().unwrap_or_default();
        let (body, base64) = match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), String::new()),
            Err(_) => (String::new(), STANDARD.encode(bytes)),
        };
        let headers = request.headers().iter().filter(|(name, _)| !OWN.contains(name));
        Self {
            action: action_of(request),
            method: request.method().to_owned(),
            uri: request.uri().to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body,
            base64,
        }
    }

    /// Returns the request, addressed to the endpoint; none: to its first address.
    fn request(&self, endpoint: Option<&str>) -> HttpRequest {
        let body = if self.base64.is_empty() {
            self.body.clone().into_bytes()
        } else {
            STANDARD.decode(&self.base64).unwrap()
        };
        let path = self.uri.split_once("//").unwrap().1.split_once('/').map_or("", |(_, path)| path);
        let uri = endpoint.map_or(self.uri.clone(), |endpoint| format!("{endpoint}/{path}"));
        let service = match self.action.split(':').next().unwrap() {
            "cloudwatch" => "monitoring",
            service => service,
        };
        let scope = format!("test/20260101/us-east-1/{service}/aws4_request");
        let mut request = HttpRequest::empty();
        request.set_method(&self.method).unwrap();
        request.set_uri(uri).unwrap();
        for (name, value) in &self.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        request.headers_mut().insert("content-length", body.len().to_string());
        request
            .headers_mut()
            .insert("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"));
        *request.body_mut() = SdkBody::from(body);
        request
    }
}

/// A client that keeps the writes that go through it.
#[derive(Debug, Clone)]
pub struct Recorder {
    inner: SharedHttpClient,
    /// The connector behind this one, known from the first call on.
    connector: Arc<OnceLock<SharedHttpConnector>>,
    pub sent: Arc<Mutex<Vec<Sent>>>,
    /// The id of the role that one of the writes created.
    pub role_id: Arc<Mutex<Option<String>>>,
}

impl Recorder {
    /// Returns a recorder in front of this AWS, and the SDK configuration that goes through the recorder.
    pub fn of(sdk: &SdkConfig) -> (Self, SdkConfig) {
        let recorder = Self {
            inner: sdk.http_client().unwrap(),
            connector: Arc::default(),
            sent: Arc::default(),
            role_id: Arc::default(),
        };
        let through = sdk.to_builder().http_client(SharedHttpClient::new(recorder.clone())).build();
        (recorder, through)
    }
}

impl HttpClient for Recorder {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        self.connector.get_or_init(|| inner.clone());
        SharedHttpConnector::new(Recording { inner, recorder: self.clone() })
    }
}

#[derive(Debug)]
struct Recording {
    inner: SharedHttpConnector,
    recorder: Recorder,
}

impl HttpConnector for Recording {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, recorder) = (self.inner.clone(), self.recorder.clone());
        HttpConnectorFuture::new(async move {
            let sent = Sent::of(&request);
            let answer = inner.call(request).await?;
            let is_write = is_write(&sent.action);
            if is_write && answer.status().is_success() {
                if sent.action == "iam:CreateRole" {
                    *recorder.role_id.lock().unwrap() = role_id(&answer);
                }
                recorder.sent.lock().unwrap().push(sent);
            }
            Ok(answer)
        })
    }
}

/// Returns the role's id from the answer to CreateRole; none if the answer's body has not been read yet.
fn role_id(answer: &HttpResponse) -> Option<String> {
    let text = String::from_utf8_lossy(answer.body().bytes()?).into_owned();
    Some(text.split_once("<RoleId>")?.1.split_once('<')?.0.to_owned())
}

/// Repeats the writes. Retries each until AWS accepts it, because AWS needs time for the write before it, such as a new role.
/// Replaces the old role's id in the writes by the new role's id.
pub async fn again(sdk: &SdkConfig, endpoint: Option<&str>, mut calls: Vec<Sent>, role_id: &str) {
    let (recorder, through) = Recorder::of(sdk);
    // The SDK creates a connector for its first call.
    aws_sdk_sts::Client::new(&through).get_caller_identity().send().await.unwrap();
    let connector = recorder.connector.get().unwrap().clone();
    let iam = aws_sdk_iam::Client::new(sdk);
    for at in 0..calls.len() {
        let call = calls[at].clone();
        let mut tries = 0;
        loop {
            let answer = connector.call(call.request(endpoint)).await.unwrap();
            if answer.status().is_success() {
                break;
            }
            tries += 1;
            assert!(tries < 600, "{} is not taken: {answer:?}", call.action);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        if call.action == "iam:CreateRole" {
            let roles = iam.list_roles().path_prefix("/taskbell/").send().await.unwrap();
            let new = roles.roles()[0].role_id().to_owned();
            for later in &mut calls {
                later.body = later.body.replace(role_id, &new);
            }
        }
    }
}
