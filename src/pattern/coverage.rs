//! Decides whether a pattern can match events of a cluster.

use serde_json::Value;

use super::clusters::{self, Clusters};

/// Returns whether the pattern can match events of the cluster with this ARN.
#[must_use]
pub fn covers(pattern: &Value, cluster_arn: &str) -> bool {
    let (named, excluded) = (clusters::named(pattern), clusters::excluded(pattern));
    let is_one_of =
        |globs: &std::collections::BTreeSet<String>| globs.iter().any(|glob| clusters::covers(glob, cluster_arn));
    if !named.is_empty() {
        return is_one_of(&named) && !is_one_of(&excluded);
    }
    let sources = pattern["source"].as_array();
    let is_of_ecs = sources.is_none_or(|sources| sources.iter().any(|source| source == "aws.ecs"));
    is_of_ecs && Clusters::of(pattern) == Clusters::All
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
        for entry in CATALOGUE.iter().filter(|entry| Pattern::find(entry.name).unwrap().needs_cluster()) {
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
