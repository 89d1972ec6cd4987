//! The writes by which a version sets a stack up, as it sent them: kept in a file, and made again later, for a stack as that
//! version left it. What the stack's types were called then does not matter.

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

use crate::support::aws::{Call, action_of};

/// What no two requests have in common, and what says who sent it.
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

/// One write that AWS took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sent {
    pub action: String,
    pub method: String,
    /// `https://events.us-east-1.amazonaws.com/`
    pub uri: String,
    pub headers: Vec<(String, String)>,
    /// Text, or else bytes in base64.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub body: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub base64: String,
}

impl Sent {
    fn of(request: &HttpRequest) -> Self {
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

    /// To be sent there; none: to where it was sent first.
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

/// Keeps the writes that come by.
#[derive(Debug, Clone)]
pub struct Recorder {
    inner: SharedHttpClient,
    /// The one behind it, as soon as a call was made.
    connector: Arc<OnceLock<SharedHttpConnector>>,
    pub sent: Arc<Mutex<Vec<Sent>>>,
    /// Of the role that was made on the way.
    pub role_id: Arc<Mutex<Option<String>>>,
}

impl Recorder {
    /// In front of that AWS, and the SDK configuration that goes through it.
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
            let is_write = Call { action: sent.action.clone(), failed: false }.is_write();
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

/// In the answer to CreateRole. An answer that is still to be read says nothing yet.
fn role_id(answer: &HttpResponse) -> Option<String> {
    let text = String::from_utf8_lossy(answer.body().bytes()?).into_owned();
    Some(text.split_once("<RoleId>")?.1.split_once('<')?.0.to_owned())
}

/// Makes the writes again. AWS takes them as soon as it has come to terms with the one before, as with a role that is new; what
/// they say of the role's id is true of the new role.
pub async fn again(sdk: &SdkConfig, endpoint: Option<&str>, mut calls: Vec<Sent>, role_id: &str) {
    let (recorder, through) = Recorder::of(sdk);
    // The SDK makes a connector for its first call.
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
