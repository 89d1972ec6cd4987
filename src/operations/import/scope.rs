//! Determines the events that a pattern matches: events of ECS, of other services, and events for which no sample exists.

use serde_json::Value;

use crate::error::Result;
use crate::pattern::DRILL_SOURCE;
use crate::pattern::clusters::Clusters;
use crate::pattern::matcher::Matcher;
use crate::pattern::samples;

const ECS: &str = "aws.ecs";
const CLOUDTRAIL: &str = "AWS API Call via CloudTrail";
/// The API calls for which samples exist.
const CALLS: [&str; 2] = ["RunTask", "StartTask"];

/// Checks whether a pattern can match an event of ECS. Regards the source and the detail-type alone, or else the clusters' ARNs.
pub fn is_about_ecs(pattern: &Value, cluster_arn: &str) -> bool {
    if pattern["$or"].to_string().contains(ECS) {
        return true;
    }
    let fields = ["source", "detail-type"].into_iter();
    let asked: Value = fields
        .filter_map(|field| Some((field.to_owned(), pattern.get(field)?.clone())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    if asked.as_object().is_some_and(serde_json::Map::is_empty) {
        return Clusters::of(pattern).are_of_ecs();
    }
    let Ok(matcher) = Matcher::new(&(&asked).into()) else { return may_be_about_ecs(&asked.to_string()) };
    let Ok(events) = samples::of_cluster(cluster_arn) else { return false };
    // Not every detail-type of ECS has a sample.
    let of_ecs = |event: &Value| event["source"] == ECS;
    let kinds = pattern["detail-type"].as_array().into_iter().flatten();
    let mut moved = kinds.filter(|kind| is_of_ecs(kind)).filter_map(|kind| {
        let mut event = events.iter().find(|event| of_ecs(event))?.clone();
        event["detail-type"] = kind.clone();
        Some(event)
    });
    events.iter().any(|event| of_ecs(event) && matcher.matches(event)) || moved.any(|event| matcher.matches(&event))
}

/// Checks whether a pattern that could not be read may be about ECS: by the names that such a pattern contains.
#[must_use]
pub fn may_be_about_ecs(text: &str) -> bool {
    [ECS, ":ecs:", "\"ECS "].iter().any(|name| text.contains(name))
}

/// Returns the reason why a pattern matches, or may match, events from others than ECS and drills; none: it matches no such event.
#[must_use]
pub fn others(pattern: &Value) -> Option<String> {
    // A field under `$or` replaces the same field beside it.
    if pattern["$or"].to_string().contains("\"source\"") {
        return Some("its pattern selects sources under $or, perhaps others than aws.ecs".to_owned());
    }
    if let Some(sources) = pattern["source"].as_array() {
        let other = sources.iter().find(|source| **source != ECS && **source != DRILL_SOURCE)?;
        return Some(format!("it also matches events from {}", told(other)));
    }
    let kinds = pattern["detail-type"].as_array();
    let only_ecs = kinds.is_some_and(|kinds| kinds.iter().all(is_of_ecs)) || Clusters::of(pattern).are_of_ecs();
    (!only_ecs).then(|| "its pattern has no source and also matches events of other services".to_owned())
}

/// Returns the events that a pattern matches and for which no sample exists: their alerts cannot be compared.
///
/// # Errors
/// If a sample is not JSON, which is a defect of the release.
pub fn beyond_samples(pattern: &Value, cluster_arn: &str) -> Result<Vec<String>> {
    let Some(kinds) = pattern["detail-type"].as_array() else { return Ok(vec!["of any detail-type".to_owned()]) };
    let samples = samples::of_cluster(cluster_arn)?;
    let has_sample = |kind: &Value| samples.iter().any(|event| event["source"] == ECS && event["detail-type"] == *kind);
    let mut beyond: Vec<String> = kinds.iter().filter(|kind| !has_sample(kind)).map(told).collect();
    let calls = pattern["detail"]["eventName"].as_array();
    let of_samples = |call: &Value| call.as_str().is_some_and(|name| CALLS.contains(&name));
    if kinds.iter().any(|kind| kind == CLOUDTRAIL) && !calls.is_some_and(|calls| calls.iter().all(of_samples)) {
        beyond.push(format!("{CLOUDTRAIL} for other calls than {}", CALLS.join(" and ")));
    }
    Ok(beyond)
}

/// Checks for a detail-type of ECS. No other service uses this prefix.
fn is_of_ecs(kind: &Value) -> bool {
    kind.as_str().is_some_and(|kind| kind.starts_with("ECS "))
}

fn told(leaf: &Value) -> String {
    leaf.as_str().map_or_else(|| leaf.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ARN: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/batch";
    const TASK: &str = "ECS Task State Change";

    #[test]
    fn pattern_is_about_ecs_if_it_matches_ecs_events() {
        for (pattern, about) in [
            (json!({ "source": ["aws.ecs"] }), true),
            (json!({ "source": [{ "prefix": "aws." }] }), true),
            (json!({ "detail-type": [TASK], "detail": { "x": ["y"] } }), true),
            (json!({ "source": ["aws.ecs"], "detail-type": ["ECS Container Instance State Change"] }), true),
            (json!({ "detail": { "clusterArn": [ARN] } }), true),
            // Operators that taskbell does not know.
            (json!({ "source": [{ "resembles": "aws.ecs" }] }), true),
            (json!({ "source": [{ "resembles": "aws.ec2" }] }), false),
            (json!({ "$or": [{ "source": ["aws.ecs"] }, { "source": ["aws.ec2"] }] }), true),
            (json!({ "source": ["aws.ec2"] }), false),
            (json!({ "source": ["aws.ec2"], "detail": { "clusterArn": [ARN] } }), false),
            (json!({ "source": ["aws.ecs"], "detail-type": ["ECR Image Action"] }), false),
            (json!({ "detail": { "clusterArn": ["arn:aws:kafka:us-east-1:123456789012:cluster/x"] } }), false),
            (json!({ "detail": { "clusterArn": [{ "prefix": "arn:aws:ecs:" }] } }), false),
        ] {
            assert_eq!(is_about_ecs(&pattern, ARN), about, "{pattern}");
        }
    }

    #[test]
    fn pattern_excludes_other_services_by_source_type_or_cluster() {
        for (pattern, takes_others) in [
            (json!({ "source": ["aws.ecs"] }), false),
            (json!({ "source": ["aws.ecs", "taskbell.drill"] }), false),
            (json!({ "detail-type": [TASK, "ECS Service Action"] }), false),
            (json!({ "detail": { "clusterArn": [ARN] } }), false),
            (json!({ "source": ["aws.ecs", "aws.batch"] }), true),
            (json!({ "source": [{ "prefix": "aws.ecs" }] }), true),
            (json!({ "detail-type": [TASK, "Batch Job State Change"] }), true),
            (json!({ "detail-type": [CLOUDTRAIL] }), true),
            (json!({ "detail-type": [{ "prefix": "ECS" }] }), true),
            (json!({ "detail": { "lastStatus": ["STOPPED"] } }), true),
            (json!({ "source": ["aws.ecs"], "$or": [{ "source": ["aws.ec2"] }, { "account": ["1"] }] }), true),
        ] {
            assert_eq!(others(&pattern).is_some(), takes_others, "{pattern}");
        }
    }

    #[test]
    fn events_without_a_sample_are_listed() {
        let of = |kinds: Value, detail: Value| {
            beyond_samples(&json!({ "source": ["aws.ecs"], "detail-type": kinds, "detail": detail }), ARN).unwrap()
        };
        let instance = "ECS Container Instance State Change";
        assert_eq!(of(json!([TASK, "ECS Service Action"]), json!({})), [""; 0]);
        assert_eq!(of(json!([TASK, instance]), json!({})), [instance]);
        assert_eq!(of(json!([{ "prefix": "ECS" }]), json!({})), [r#"{"prefix":"ECS"}"#]);
        assert_eq!(of(json!([CLOUDTRAIL]), json!({ "eventName": ["RunTask"] })), [""; 0]);
        for detail in [json!({}), json!({ "eventName": ["RunTask", "StopTask"] })] {
            assert_eq!(of(json!([CLOUDTRAIL]), detail).len(), 1);
        }
        assert_eq!(beyond_samples(&json!({ "source": ["aws.ecs"] }), ARN).unwrap(), ["of any detail-type"]);
    }
}
