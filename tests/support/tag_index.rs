//! AWS's index of tags across services: it knows the tags of a resource as somebody last read them, and learns of a change later, as
//! AWS's own index does.

use std::collections::BTreeMap;

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::{Map, Value, json};

use crate::support::aws::{ACCOUNT, REGION};

#[derive(Debug, Default, Clone)]
pub struct TagIndex {
    by_arn: BTreeMap<String, Vec<Value>>,
    /// Whether the index no longer learns.
    is_late: bool,
}

impl TagIndex {
    pub fn be_late(&mut self) {
        self.is_late = true;
    }

    /// Learns from the answer to a call that reads tags.
    pub fn learn(&mut self, action: &str, uri: &str, sent: &Value, answer: &HttpResponse) {
        if self.is_late || !answer.status().is_success() {
            return;
        }
        let text = |field: &str| sent[field].as_str().unwrap_or_default().to_owned();
        let arn = match action {
            "events:ListTagsForResource" | "cloudwatch:ListTagsForResource" => text("ResourceARN"),
            "dynamodb:ListTagsOfResource" => text("ResourceArn"),
            "logs:ListTagsForResource" => text("resourceArn"),
            "ssm:ListTagsForResource" => format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{}", text("ResourceId")),
            "sqs:ListQueueTags" => {
                format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}", text("QueueUrl").rsplit('/').next().unwrap_or_default())
            }
            "scheduler:ListTagsForResource" => {
                let last = uri.split_once("/tags/").map_or("", |(_, rest)| rest);
                percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned()
            }
            _ => return,
        };
        let body = answer.body().bytes().unwrap_or_default();
        let body: Value = serde_json::from_slice(body).or_else(|_| ciborium::from_reader(body)).unwrap_or_default();
        let found = ["Tags", "tags", "TagList"].into_iter().map(|field| &body[field]).find(|found| !found.is_null());
        let tags = match found {
            Some(Value::Array(tags)) => tags.clone(),
            Some(Value::Object(tags)) => {
                tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
            }
            _ => return,
        };
        self.by_arn.insert(arn, tags);
    }

    /// Answers GetResources: the resources that have all of the requested tags.
    pub fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let sent: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap();
        let filters = sent["TagFilters"].as_array().cloned().unwrap_or_default();
        let has = |tags: &[Value], filter: &Value| {
            let values = filter["Values"].as_array().filter(|values| !values.is_empty());
            tags.iter()
                .any(|tag| tag["Key"] == filter["Key"] && values.is_none_or(|values| values.contains(&tag["Value"])))
        };
        let found = self.by_arn.iter().filter(|(_, tags)| filters.iter().all(|filter| has(tags, filter)));
        let list: Vec<Value> = found.map(|(arn, tags)| json!({ "ResourceARN": arn, "Tags": tags })).collect();
        let body = Map::from_iter([("ResourceTagMappingList".to_owned(), Value::from(list))]);
        HttpResponse::new(200.try_into().unwrap(), SdkBody::from(Value::from(body).to_string()))
    }
}
