//! Brings IAM policy documents into a normal form, so that equal meaning is equal value.
//!
//! AWS returns a policy percent-encoded, with scalars instead of lists, and in another order. None of these is a
//! difference, and a `Sid` is only a label.

use std::collections::BTreeMap;

use globset::GlobBuilder;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::arn::Arn;

/// The names that taskbell writes, in AWS's documented spelling. Other names are compared in lower case.
const SPELLINGS: [&str; 24] = [
    "dynamodb:ConditionCheckItem",
    "logs:GetLogEvents",
    "aws:SourceAccount",
    "aws:SourceArn",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:ListClusters",
    "ecs:ListTasks",
    "events:DescribeRule",
    "kms:Decrypt",
    "kms:EncryptionContext:PARAMETER_ARN",
    "kms:ViaService",
    "lambda:InvokeFunction",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "scheduler:GetSchedule",
    "sns:Publish",
    "sqs:SendMessage",
    "ssm:GetParameter",
    "sts:AssumeRole",
];

/// A policy whose equality is equality of meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Policy(Value);

impl Policy {
    /// Returns the normal form of a document. Keeps the parts that it does not understand, so that they still show as a difference.
    #[must_use]
    pub fn new(document: &Value) -> Self {
        if !document.is_object() {
            return Self(Value::from(document.to_string()));
        }
        let mut statements: Vec<Value> = as_list(document.get("Statement")).into_iter().map(statement).collect();
        statements.sort_by_key(Value::to_string);
        statements.dedup();
        Self(Value::Array(statements))
    }

    /// Reads an API's answer: JSON, or percent-encoded JSON as IAM sends it (RFC 3986: `+` is literal).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let decoded = percent_decode_str(text).decode_utf8_lossy();
        let parsed = serde_json::from_str(text).or_else(|_| serde_json::from_str(&decoded));
        match parsed {
            Ok(document) => Self::new(&document),
            Err(_) => Self(Value::from(text)),
        }
    }

    /// Returns the document to send: the normal form is itself a policy.
    #[must_use]
    pub fn document(&self) -> Value {
        serde_json::json!({ "Version": "2012-10-17", "Statement": self.0 })
    }

    /// Returns the statements; none if the policy was not understood.
    #[must_use]
    pub fn statements(&self) -> Option<&[Value]> {
        self.0.as_array().map(Vec::as_slice)
    }

    /// Returns whether the policy allows a service this action on behalf of the resource with `source_arn`. Assumes that
    /// conditions on anything but that ARN hold, and that denials for other services do not matter.
    #[must_use]
    pub fn allows_service(&self, service: &str, action: &str, source_arn: &str) -> bool {
        let about_it = |statement: &&Value| {
            let named = |field: &str, name: &str, wildcard: bool| {
                let names = as_list(statement.pointer(field));
                names
                    .iter()
                    .any(|value| value.as_str().is_some_and(|text| text == name || wildcard && fits(text, name)))
            };
            let conditions = statement["Condition"].as_object();
            let sources = conditions.into_iter().flatten().filter_map(|(_, keys)| keys.get("aws:SourceArn"));
            let service = named("/Principal/Service", service, false) || named("/Principal/AWS", "*", false);
            service
                && named("/Action", action, true)
                && sources.into_iter().all(|arns| {
                    as_list(Some(arns)).iter().any(|arn| fits(arn.as_str().unwrap_or_default(), source_arn))
                })
        };
        let statements = as_list(Some(&self.0));
        let mut effects = statements
            .iter()
            .copied()
            .filter(|statement| about_it(statement))
            .map(|statement| &statement["Effect"])
            .peekable();
        effects.peek().is_some() && effects.all(|effect| effect == "Allow")
    }

    /// Returns the normal form of one statement.
    #[must_use]
    pub fn of_statement(statement: &Value) -> Self {
        Self::new(&serde_json::json!({ "Statement": [statement] }))
    }
}

/// Returns whether a name matches a pattern with `*` and `?`; letters match in either case.
fn fits(pattern: &str, name: &str) -> bool {
    GlobBuilder::new(pattern).case_insensitive(true).build().is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

fn statement(statement: &Value) -> Value {
    let Value::Object(fields) = statement else {
        return statement.clone();
    };
    let mut normal: BTreeMap<String, Value> = BTreeMap::new();
    for (key, value) in fields {
        let value = match key.as_str() {
            "Sid" => continue,
            "Effect" => value.clone(),
            "Action" | "NotAction" => sorted(value, &spelling),
            "Principal" | "NotPrincipal" => principal(value),
            "Condition" => condition(value),
            _ => sorted(value, &str::to_owned),
        };
        normal.insert(key.clone(), value);
    }
    normal.into_iter().collect()
}

/// Normalises a principal: `"*"` equals `{"AWS": "*"}`, and an account's root equals its id.
fn principal(value: &Value) -> Value {
    let everybody = Map::from_iter([("AWS".to_owned(), Value::from("*"))]);
    let fields = match value {
        Value::Object(fields) => fields,
        Value::String(text) if text == "*" => &everybody,
        other => return other.clone(),
    };
    let of = |value| {
        sorted(value, &|text: &str| match account_of_root(text) {
            Some(account) => account.to_owned(),
            None => text.to_owned(),
        })
    };
    fields.iter().map(|(kind, value)| (kind.clone(), of(value))).collect()
}

fn account_of_root(arn: &str) -> Option<&str> {
    match Arn::split(arn)? {
        Arn { partition: _, service: "iam", region: "", account, resource: "root" } => Some(account),
        _ => None,
    }
}

/// Normalises the spelling of an action or a condition key: both are case-insensitive.
fn spelling(name: &str) -> String {
    let known = SPELLINGS.iter().find(|known| known.eq_ignore_ascii_case(name));
    known.map_or_else(|| name.to_lowercase(), |known| (*known).to_owned())
}

/// Normalises conditions: keys are case-insensitive, values are strings, and `ArnEquals` and `ArnLike` behave identically.
fn condition(value: &Value) -> Value {
    let Value::Object(operators) = value else {
        return value.clone();
    };
    let keys = |keys: &Value| match keys {
        Value::Object(keys) => {
            let normal = |key: &str| Some(spelling(key));
            renamed(keys, &normal).into_iter().map(|(key, value)| (key, sorted(value, &str::to_owned))).collect()
        }
        other => other.clone(),
    };
    let operator = |name: &str| (name == "ArnEquals").then(|| "ArnLike".to_owned());
    renamed(operators, &operator).into_iter().map(|(name, value)| (name, keys(value))).collect()
}

/// Replaces each name by its normal form, unless another field has that name: both conditions have to hold then, and
/// neither may be lost.
fn renamed<'a>(fields: &'a Map<String, Value>, normal: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, &'a Value> {
    let mut all = BTreeMap::new();
    for (name, value) in fields {
        let wanted = normal(name).unwrap_or_else(|| name.clone());
        let taken = wanted != *name && (fields.contains_key(&wanted) || all.contains_key(&wanted));
        all.insert(if taken { name.clone() } else { wanted }, value);
    }
    all
}

/// Returns a scalar or a list as a sorted list of strings.
fn sorted(value: &Value, normal: &dyn Fn(&str) -> String) -> Value {
    let mut items: Vec<String> = as_list(Some(value))
        .into_iter()
        .map(|item| match item {
            Value::String(text) => normal(text),
            other => normal(&other.to_string()),
        })
        .collect();
    items.sort();
    items.dedup();
    Value::from(items)
}

fn as_list(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().collect(),
        Some(single) => vec![single],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use serde_json::json;

    fn send_message() -> Value {
        json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "A", "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
             "Action": ["sqs:SendMessage", "sqs:GetQueueUrl"], "Resource": "q",
             "Condition": {"ArnEquals": {"aws:SourceArn": ["b", "a"]}}},
            {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]})
    }

    #[test]
    fn order_scalars_case_and_labels_have_no_meaning() {
        let other = json!({"Statement": [
            {"Effect": "Deny", "Principal": {"AWS": ["*"]}, "Action": ["sqs:*"], "Resource": ["*"]},
            {"Condition": {"ArnEquals": {"AWS:SourceArn": ["a", "b"]}}, "Resource": ["q"],
             "Action": ["SQS:GetQueueUrl", "SQS:SendMessage"], "Effect": "Allow",
             "Principal": {"Service": ["events.amazonaws.com"]}}], "Version": "2012-10-17"});
        assert_eq!(Policy::new(&send_message()), Policy::new(&other));
    }

    #[test]
    fn percent_encoding_has_no_meaning_and_plus_is_literal() {
        let document = json!({"Statement": [{"Effect": "Allow", "Action": "a:b", "Resource": "x+y"}]});
        let encoded = utf8_percent_encode(&document.to_string(), NON_ALPHANUMERIC).to_string();
        assert_eq!(Policy::parse(&encoded), Policy::new(&document));
        let plus = encoded.replace("%2B", "+");
        assert_eq!(Policy::parse(&plus), Policy::new(&document));
    }

    #[test]
    fn account_equals_its_root() {
        let of = |principal: &str| Policy::of_statement(&json!({"Effect": "Allow", "Principal": {"AWS": principal}}));
        assert_eq!(of("123456789012"), of("arn:aws:iam::123456789012:root"));
        assert_ne!(of("123456789012"), of("arn:aws:iam::123456789012:user/x"));
    }

    #[test]
    fn every_change_of_meaning_is_a_difference() {
        let normal = Policy::new(&send_message());
        for (from, to) in [
            ("Allow", "Deny"),
            ("sqs:SendMessage", "sqs:*"),
            ("events.amazonaws.com", "sns.amazonaws.com"),
            ("ArnEquals", "StringLike"),
            ("aws:SourceArn", "aws:SourceAccount"),
            ("\"Resource\":\"q\"", "\"NotResource\":\"q\""),
        ] {
            let text = send_message().to_string();
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from} stands in the document");
            assert_ne!(Policy::parse(&changed), normal, "{from} -> {to}");
        }
    }

    #[test]
    fn service_is_allowed_by_its_name_action_and_source() {
        let with = |effect: &str, service: &str, action: &str, condition: Value| {
            Policy::of_statement(&json!({
                "Effect": effect, "Principal": { "Service": service }, "Action": action, "Condition": condition,
            }))
        };
        let lets_in =
            |policy: Policy| policy.allows_service("events.amazonaws.com", "lambda:InvokeFunction", "arn:rule/a");
        let source = |arn: &str| json!({ "ArnLike": { "AWS:SourceArn": arn } });
        let invoke = "lambda:InvokeFunction";
        assert!(lets_in(with("Allow", "events.amazonaws.com", invoke, source("arn:rule/a"))));
        assert!(lets_in(with("Allow", "events.amazonaws.com", "lambda:*", source("arn:rule/*"))));
        assert!(lets_in(with("Allow", "events.amazonaws.com", invoke, json!({}))));
        assert!(!lets_in(with("Allow", "events.amazonaws.com", invoke, source("arn:rule/b"))));
        assert!(!lets_in(with("Allow", "sns.amazonaws.com", invoke, source("arn:rule/a"))));
        assert!(!lets_in(with("Allow", "events.amazonaws.com", "lambda:GetFunction", source("arn:rule/a"))));
        assert!(!lets_in(with("Deny", "events.amazonaws.com", invoke, source("arn:rule/a"))));
        assert!(!lets_in(Policy::new(&json!({}))));
    }

    #[test]
    fn invalid_document_differs_from_an_empty_one() {
        for strange in ["null", "\"{}\"", "1", "[]x", "%", ""] {
            assert_ne!(Policy::parse(strange), Policy::new(&json!({ "Statement": [] })), "{strange}");
        }
    }

    #[test]
    fn conditions_with_equal_normal_names_are_both_kept() {
        let with = |condition: Value| Policy::of_statement(&json!({ "Effect": "Allow", "Condition": condition }));
        let ours = with(json!({ "ArnLike": { "aws:SourceArn": "a" } }));
        assert_eq!(with(json!({ "ArnEquals": { "AWS:SourceArn": "a" } })), ours);
        assert_ne!(with(json!({ "ArnLike": { "aws:SourceArn": "a" }, "ArnEquals": { "aws:SourceArn": "b" } })), ours);
        assert_ne!(with(json!({ "ArnLike": { "aws:SourceArn": "a", "AWS:SOURCEARN": "b" } })), ours);
    }
}
