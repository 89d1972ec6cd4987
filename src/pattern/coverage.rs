//! Decides whether a pattern can match events of a cluster.

use serde_json::Value;

use super::clusters::Clusters;

/// The fields that hold the cluster of an event of ECS, or the ARN of one of the cluster's services.
const FIELDS: [&str; 3] = ["clusterArn", "cluster", "resources"];

/// Returns whether the pattern can match events of the cluster with this ARN.
#[must_use]
pub fn covers(pattern: &Value, cluster_arn: &str) -> bool {
    match Clusters::of(pattern) {
        Clusters::Named(arns) => arns.iter().any(|arn| arn == cluster_arn),
        Clusters::All => {
            let sources = pattern["source"].as_array();
            sources.is_none_or(|sources| sources.iter().any(|source| source == "aws.ecs"))
        }
        Clusters::Otherwise => names(pattern, cluster_arn),
    }
}

/// Returns whether a field of clusters, anywhere in the pattern, accepts the cluster.
fn names(pattern: &Value, cluster_arn: &str) -> bool {
    match pattern {
        Value::Object(fields) => fields.iter().any(|(field, value)| match value {
            Value::Array(leaves) if FIELDS.contains(&field.as_str()) => {
                leaves.iter().any(|leaf| accepts(leaf, cluster_arn))
            }
            other => names(other, cluster_arn),
        }),
        Value::Array(items) => items.iter().any(|item| names(item, cluster_arn)),
        _ => false,
    }
}

fn accepts(leaf: &Value, arn: &str) -> bool {
    let (beginning, name) = arn.split_once(":cluster/").unwrap_or_default();
    let services = format!("{beginning}:service/{name}/");
    let fits = |text: &str| fits(text, arn) || text.starts_with(&services);
    let any = |value: &Value, fits: &dyn Fn(&str) -> bool| match value {
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).any(fits),
        other => other.as_str().is_some_and(fits),
    };
    match leaf {
        Value::String(text) => text == arn || text == name || text.starts_with(&services),
        Value::Object(operators) => operators.iter().any(|(operator, value)| match operator.as_str() {
            "prefix" => any(value, &|text: &str| arn.starts_with(text) || text.starts_with(&services)),
            "wildcard" => any(value, &fits),
            "anything-but" if value.is_object() => !accepts(value, arn),
            "anything-but" => !any(value, &|text: &str| text == arn),
            _ => false,
        }),
        _ => false,
    }
}

/// Returns whether a text fits a glob with `*` for any characters.
fn fits(glob: &str, text: &str) -> bool {
    let Some((first, rest)) = glob.split_once('*') else { return glob == text };
    let Some(left) = text.strip_prefix(first) else { return false };
    (0..=left.len()).filter(|at| left.is_char_boundary(*at)).any(|at| fits(rest, &left[at..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pattern::{CATALOGUE, Drill, Pattern};

    fn arn(name: &str) -> String {
        format!("arn:aws:ecs:us-east-1:123456789012:cluster/{name}")
    }

    #[test]
    fn bound_patterns_cover_their_clusters_alone() {
        for entry in CATALOGUE.iter().filter(|entry| entry.name != "application-error") {
            let bound = Pattern::find(entry.name).unwrap().bind(&[arn("batch")], Drill::Accepted).unwrap();
            assert!(covers(&bound, &arn("batch")) && !covers(&bound, &arn("web")), "{}", entry.name);
        }
    }

    #[test]
    fn operators_on_clusters_are_understood() {
        let of = |leaf: Value| json!({ "source": ["aws.ecs"], "detail": { "clusterArn": [leaf] } });
        for (leaf, batch, web) in [
            (json!({ "prefix": arn("ba") }), true, false),
            (json!({ "wildcard": arn("*at*") }), true, false),
            (json!({ "anything-but": [arn("batch")] }), false, true),
            (json!({ "anything-but": { "prefix": arn("ba") } }), false, true),
        ] {
            let pattern = of(leaf);
            assert_eq!((covers(&pattern, &arn("batch")), covers(&pattern, &arn("web"))), (batch, web), "{pattern}");
        }
        assert!(covers(&json!({ "source": ["aws.ecs"] }), &arn("batch")));
        assert!(!covers(&json!({ "source": ["taskbell.app"] }), &arn("batch")));
        let services = json!({ "source": ["aws.ecs"], "resources": [{ "prefix": arn("web").replace(":cluster/", ":service/") + "/" }] });
        assert!(covers(&services, &arn("web")) && !covers(&services, &arn("batch")));
    }
}
