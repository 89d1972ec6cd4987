//! Finds the clusters that a pattern names.

use std::collections::BTreeSet;

use serde_json::Value;

/// The mark of a cluster's ARN, before the cluster's name.
const CLUSTER: &str = ":cluster/";
/// The mark of a service's ARN, before the name of the service's cluster.
const SERVICE: &str = ":service/";

/// The clusters whose events a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clusters {
    All,
    /// The clusters with these ARNs.
    Named(Vec<String>),
    /// Clusters that the pattern does not name by exact ARNs.
    Otherwise,
}

impl Clusters {
    /// Returns the clusters to which a pattern limits its events.
    #[must_use]
    pub fn of(pattern: &Value) -> Self {
        let asked = &pattern["detail"]["clusterArn"];
        let exact = asked.as_array().map(|leaves| leaves.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        let text = pattern.to_string();
        match exact {
            Some(Some(arns)) => Self::Named(arns.into_iter().map(str::to_owned).collect()),
            None if asked.is_null() && !text.contains("clusterArn") && pattern["resources"].is_null() => Self::All,
            _ => Self::Otherwise,
        }
    }

    /// Returns whether the pattern matches only events of named ECS clusters. Only events of ECS have a cluster's ARN in
    /// `detail.clusterArn`.
    #[must_use]
    pub fn are_of_ecs(&self) -> bool {
        match self {
            Self::Named(arns) => arns.iter().all(|arn| arn.contains(":ecs:") && arn.contains(CLUSTER)),
            Self::All | Self::Otherwise => false,
        }
    }
}

/// Returns the ARN of every cluster that a pattern names anywhere: by the cluster's ARN, or in the ARNs of its services.
#[must_use]
pub fn named(pattern: &Value) -> BTreeSet<String> {
    let mut arns = BTreeSet::new();
    collect(pattern, &mut arns);
    arns
}

fn collect(pattern: &Value, arns: &mut BTreeSet<String>) {
    match pattern {
        Value::String(text) if text.contains(CLUSTER) => drop(arns.insert(text.clone())),
        Value::String(text) => arns.extend(text.split_once(SERVICE).map(|(beginning, service)| {
            let cluster = service.split('/').next().unwrap_or_default();
            format!("{beginning}{CLUSTER}{cluster}")
        })),
        Value::Array(items) => items.iter().for_each(|item| collect(item, arns)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, arns)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns the name of the cluster with this ARN.
#[must_use]
pub fn name(arn: &str) -> &str {
    arn.split_once(CLUSTER).and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pattern::{CATALOGUE, Drill, Entry, Pattern};

    const ARN: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/batch";

    #[test]
    fn only_exact_arns_name_clusters() {
        let of = |detail: Value| Clusters::of(&json!({ "source": ["aws.ecs"], "detail": detail }));
        assert_eq!(of(json!({ "clusterArn": [ARN] })), Clusters::Named(vec![ARN.to_owned()]));
        assert_eq!(of(json!({ "lastStatus": ["STOPPED"] })), Clusters::All);
        assert_eq!(of(json!({ "clusterArn": [{ "prefix": "arn:" }] })), Clusters::Otherwise);
        assert_eq!(of(json!({ "$or": [{ "clusterArn": [ARN] }, { "group": ["x"] }] })), Clusters::Otherwise);
        let services = json!({ "source": ["aws.ecs"], "resources": [{ "prefix": "arn:aws:ecs" }] });
        assert_eq!(Clusters::of(&services), Clusters::Otherwise);
    }

    #[test]
    fn clusters_of_other_services_are_not_of_ecs() {
        let kafka = ARN.replace(":ecs:", ":kafka:");
        assert!(Clusters::Named(vec![ARN.to_owned()]).are_of_ecs());
        assert!(!Clusters::Named(vec![ARN.to_owned(), kafka]).are_of_ecs());
        assert!(!Clusters::All.are_of_ecs() && !Clusters::Otherwise.are_of_ecs());
    }

    #[test]
    fn clusters_are_found_by_their_arns_and_their_services() {
        let services = |name: &str| ARN.replace(":cluster/batch", &format!(":service/{name}"));
        let pattern = json!({
            "detail-type": ["ECS Service Action"],
            "resources": [{ "prefix": services("web/") }, services("api/shop")],
            "$or": [{ "detail": { "clusterArn": [ARN, { "exists": false }] } }, { "detail": { "group": ["batch"] } }],
        });
        let arns = named(&pattern);
        assert_eq!(arns.iter().map(|arn| name(arn)).collect::<Vec<_>>(), ["api", "batch", "web"]);
        assert!(arns.contains(ARN) && arns.contains(&ARN.replace("batch", "web")), "{arns:?}");
        assert!(named(&json!({ "source": ["aws.ecs"] })).is_empty());
    }

    #[test]
    fn bound_patterns_name_their_clusters() {
        let arns = [ARN.to_owned(), ARN.replace("batch", "default")];
        let of_clusters = |entry: &&Entry| Pattern::find(entry.name).unwrap().needs_cluster();
        for entry in CATALOGUE.iter().filter(of_clusters) {
            let bound = Pattern::find(entry.name).unwrap().bind(&arns, Drill::Accepted).unwrap();
            assert_eq!(named(&bound), BTreeSet::from(arns.clone()), "{}", entry.name);
        }
    }
}
