//! What stands in a pattern for the clusters it is bound to.

use serde_json::{Value, json};

use super::tree::Tree;

/// The cluster that ECS takes where a call names none.
pub const DEFAULT_CLUSTER: &str = "default";
const CLUSTER_ARN: &str = "${cluster_arn}";
const CLUSTER_NAME: &str = "${cluster_name}";
/// What the ARNs of a cluster's services begin with.
const SERVICE_ARN_PREFIX: &str = "${service_arn_prefix}";
const ACCOUNT: &str = "${account}";
const REGION: &str = "${region}";
/// That the field is absent, for the cluster `default`, which ECS takes where none is named; for any other, nothing.
const LEFT_OUT_IF_DEFAULT: &str = "${left_out_if_default}";
pub const PLACEHOLDERS: [&str; 6] =
    [CLUSTER_ARN, CLUSTER_NAME, SERVICE_ARN_PREFIX, ACCOUNT, REGION, LEFT_OUT_IF_DEFAULT];

/// Fills the placeholders in: a leaf with one becomes one for each cluster.
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

/// The placeholder a leaf consists of, or an operator such as `{"prefix": …}` holds.
pub fn placeholder(leaf: &Value) -> Option<&str> {
    let text = leaf.as_str().or_else(|| leaf.as_object()?.values().next()?.as_str())?;
    PLACEHOLDERS.contains(&text).then_some(text)
}

/// What the ARNs of a cluster's services begin with.
pub fn service_arn_prefix(cluster_arn: &str) -> String {
    format!("{}/", cluster_arn.replacen(":cluster/", ":service/", 1))
}

/// The same leaf for one cluster; none where it says nothing of this cluster.
fn fill(leaf: &Value, cluster_arn: &str) -> Option<Value> {
    let part = |at: usize| Value::from(cluster_arn.split(':').nth(at).unwrap_or_default());
    let name = cluster_arn.rsplit('/').next().unwrap_or_default();
    Some(match leaf {
        Value::String(text) => match text.as_str() {
            CLUSTER_ARN => Value::from(cluster_arn),
            CLUSTER_NAME => Value::from(name),
            SERVICE_ARN_PREFIX => Value::from(service_arn_prefix(cluster_arn)),
            REGION => part(3),
            ACCOUNT => part(4),
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

/// Several clusters have the same account: it is said once.
fn each_once(leaves: impl Iterator<Item = Value>) -> Vec<Tree> {
    leaves.map(|leaf| Tree::from(&leaf)).fold(Vec::new(), |mut all, leaf| {
        if !all.contains(&leaf) {
            all.push(leaf);
        }
        all
    })
}

/// The first `${…}` of a pattern that is none, with its nearest placeholder.
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
