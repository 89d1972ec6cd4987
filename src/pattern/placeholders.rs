//! Replaces the placeholders of a pattern with the values of the clusters to which the pattern is bound.

use serde_json::{Value, json};

use super::filter;
use super::tree::Tree;
use crate::arn::Arn;

/// The cluster that ECS uses if a call names none.
pub const DEFAULT_CLUSTER: &str = "default";
const CLUSTER_ARN: &str = "${cluster_arn}";
const CLUSTER_NAME: &str = "${cluster_name}";
/// The beginning of the ARNs of a cluster's services.
const SERVICE_ARN_PREFIX: &str = "${service_arn_prefix}";
/// The beginning of the ARNs of a cluster's managed daemons.
const DAEMON_ARN_PREFIX: &str = "${daemon_arn_prefix}";
const ACCOUNT: &str = "${account}";
const REGION: &str = "${region}";
/// A condition that the field is absent, for the cluster `default`, which ECS uses if a call names none; nothing for other
/// clusters.
const LEFT_OUT_IF_DEFAULT: &str = "${left_out_if_default}";
pub const PLACEHOLDERS: [&str; 7] =
    [CLUSTER_ARN, CLUSTER_NAME, SERVICE_ARN_PREFIX, DAEMON_ARN_PREFIX, ACCOUNT, REGION, LEFT_OUT_IF_DEFAULT];

/// Replaces the placeholders: a leaf with a placeholder becomes one leaf for each cluster.
pub fn replace(tree: &Tree, cluster_arns: &[String]) -> Tree {
    let of_leaf = |leaf: &Tree| {
        let written = leaf.to_value();
        match placeholder(&written) {
            Some(_) => each_once(cluster_arns.iter().filter_map(|arn| fill(&written, arn))),
            None => vec![replace(leaf, cluster_arns)],
        }
    };
    match tree {
        Tree::Array(leaves) => Tree::Array(leaves.iter().flat_map(of_leaf).collect()),
        Tree::Object(fields) => {
            Tree::Object(fields.iter().map(|(key, tree)| (key.clone(), replace(tree, cluster_arns))).collect())
        }
        Tree::Leaf(_) => tree.clone(),
    }
}

/// Returns the placeholder that is the whole leaf, or the whole text of an operator such as `{"prefix": …}`.
pub fn placeholder(leaf: &Value) -> Option<&str> {
    let text = leaf.as_str().or_else(|| leaf.as_object()?.values().next()?.as_str())?;
    PLACEHOLDERS.contains(&text).then_some(text)
}

/// Returns the leaf for one cluster; none if the leaf has no meaning for this cluster.
fn fill(leaf: &Value, cluster_arn: &str) -> Option<Value> {
    let arn = Arn::split(cluster_arn);
    let part = |of: fn(Arn) -> String| Value::from(arn.map(of).unwrap_or_default());
    let name = cluster_arn.rsplit('/').next().unwrap_or_default();
    Some(match leaf {
        Value::String(text) => match text.as_str() {
            CLUSTER_ARN => Value::from(cluster_arn),
            CLUSTER_NAME => Value::from(name),
            SERVICE_ARN_PREFIX => Value::from(filter::service_arn_prefix(cluster_arn)),
            DAEMON_ARN_PREFIX => Value::from(filter::daemon_arn_prefix(cluster_arn)),
            REGION => part(|arn| arn.region.to_owned()),
            ACCOUNT => part(|arn| arn.account.to_owned()),
            LEFT_OUT_IF_DEFAULT if name == DEFAULT_CLUSTER => json!({ "exists": false }),
            LEFT_OUT_IF_DEFAULT => return None,
            _ => leaf.clone(),
        },
        Value::Object(fields) => {
            let filled = |(operator, value): (&String, &Value)| Some((operator.clone(), fill(value, cluster_arn)?));
            Value::Object(fields.iter().map(filled).collect::<Option<_>>()?)
        }
        other => other.clone(),
    })
}

/// Leaves out equal leaves, because several clusters may have one account.
fn each_once(leaves: impl Iterator<Item = Value>) -> Vec<Tree> {
    leaves.map(|leaf| Tree::from(&leaf)).fold(Vec::new(), |mut all, leaf| {
        if !all.contains(&leaf) {
            all.push(leaf);
        }
        all
    })
}

/// Returns the first `${…}` of a pattern that is not a placeholder, with the nearest placeholder.
pub fn unknown_placeholder(tree: &Value) -> Option<(String, &'static str)> {
    match tree {
        Value::String(text) => {
            let (_, rest) = text.split_once("${")?;
            let name = format!("${{{}}}", rest.split_once('}')?.0);
            let nearest = PLACEHOLDERS
                .into_iter()
                .max_by(|a, b| strsim::jaro_winkler(a, &name).total_cmp(&strsim::jaro_winkler(b, &name)))?;
            (!PLACEHOLDERS.contains(&name.as_str())).then_some((name, nearest))
        }
        Value::Array(items) => items.iter().find_map(unknown_placeholder),
        Value::Object(fields) => fields.values().find_map(unknown_placeholder),
        _ => None,
    }
}
