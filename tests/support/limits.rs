//! Limits the calls per second to each service: a bucket of tokens for each service, with the service's own error for throttling.
//! Refuses requests that are too large, as the services do.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use serde_json::Value;
use tokio::time::Instant;

use crate::support::aws::{error, throttled};

/// The control planes: calls per second (documented or observed), and the small burst that each allows.
const A_SECOND: [(&str, f64, f64); 4] =
    [("events", 50.0, 10.0), ("lambda", 15.0, 5.0), ("iam", 20.0, 5.0), ("ssm", 40.0, 10.0)];

#[derive(Debug)]
pub struct Limits {
    buckets: BTreeMap<&'static str, Bucket>,
    every: Option<usize>,
    calls: usize,
    pub refused: usize,
}

#[derive(Debug)]
struct Bucket {
    a_second: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl Limits {
    pub fn of_the_control_planes() -> Self {
        let bucket = |(service, a_second, burst): (&'static str, f64, f64)| {
            (service, Bucket { a_second, burst, tokens: burst, at: Instant::now() })
        };
        Self { buckets: A_SECOND.into_iter().map(bucket).collect(), every: None, calls: 0, refused: 0 }
    }

    /// Refuses every Nth call as well: in real time, a slow machine may never exceed the rates.
    pub fn and_every(self, calls: usize) -> Self {
        Self { every: Some(calls), ..self }
    }

    /// Returns the service's refusal if this call exceeds the limit.
    pub fn refusal(&mut self, action: &str) -> Option<HttpResponse> {
        let bucket = self.buckets.get_mut(action.split(':').next().unwrap_or_default())?;
        let now = Instant::now();
        bucket.tokens = ((now - bucket.at).as_secs_f64() * bucket.a_second + bucket.tokens).min(bucket.burst);
        bucket.at = now;
        self.calls += 1;
        let in_turn = self.every.is_some_and(|every| self.calls.is_multiple_of(every));
        if bucket.tokens >= 1.0 && !in_turn {
            bucket.tokens -= 1.0;
            return None;
        }
        self.refused += 1;
        Some(throttled(action))
    }
}

/// Returns the service's refusal of a request with a whole that is too large, with too many or too long tags, or with keys that IAM
/// takes for one.
pub fn too_large(action: &str, request: &HttpRequest) -> Option<HttpResponse> {
    let body = request.body().bytes().unwrap_or_default();
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let form: BTreeMap<String, String> = if action.starts_with("iam:") { fields(body) } else { BTreeMap::new() };
    let refuse = |status, code, message: String| Some(error(action, status, code, &message));
    let length = |text: &Value| text.as_str().unwrap_or_default().chars().count();
    let tags = tags(&json, &form);
    if tags.len() > 50 {
        return refuse(400, "LimitExceeded", format!("{} tags", tags.len()));
    }
    if let Some((key, _)) = tags.iter().find(|(key, value)| value.chars().count() > 256 || key.chars().count() > 128) {
        return refuse(
            400,
            "ValidationException",
            format!("the tag {key} failed to satisfy constraint: Member must have length less than or equal to 256"),
        );
    }
    let distinct: BTreeSet<String> = tags.iter().map(|(key, _)| key.to_lowercase()).collect();
    if action.starts_with("iam:") && distinct.len() < tags.len() {
        return refuse(
            400,
            "InvalidInput",
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
        );
    }
    match action {
        "iam:PutRolePolicy" => {
            let size = form["PolicyDocument"].chars().filter(|c| !c.is_whitespace()).count();
            let message = "Maximum policy size of 10240 bytes exceeded for role";
            (size > 10_240).then(|| error(action, 409, "LimitExceeded", message))
        }
        "lambda:CreateFunction" | "lambda:UpdateFunctionConfiguration" => {
            let size = json["Environment"]["Variables"].to_string().len();
            let message = "the environment variables you have provided exceeded the 4KB limit";
            (size > 4_096).then(|| error(action, 400, "InvalidParameterValueException", message))
        }
        "events:PutRule" if length(&json["EventPattern"]) > 4_096 || length(&json["Description"]) > 512 => {
            refuse(400, "ValidationException", "Member must have length less than or equal to 4096, 512".to_owned())
        }
        _ => None,
    }
}

/// Returns the tags of a request: a list or a map of JSON, or members of a form.
fn tags(json: &Value, form: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tags = [&json["Tags"], &json["tags"]].into_iter().find(|tags| !tags.is_null()).unwrap_or(&Value::Null);
    let of_list = tags.as_array().into_iter().flatten().map(|tag| (text(&tag["Key"]), text(&tag["Value"])));
    let of_map = tags.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), text(value)));
    let at = |number: usize, part: &str| form.get(&format!("Tags.member.{number}.{part}")).cloned();
    let of_form = (1..).map_while(|number| Some((at(number, "Key")?, at(number, "Value")?)));
    of_list.chain(of_map).chain(of_form).collect()
}

/// Returns the fields of a form.
pub fn fields(body: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(body).replace('+', " ");
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (decode(key), decode(value))).collect()
}
