//! Replaces the placeholders of a pattern with the values of the clusters to which the pattern is bound.

use serde_json::{Value, json};

use super::clusters::{covers, is_glob};
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

/// The clusters to which a pattern is bound: their ARNs, in which `*` stands for any characters, and the names that `*` leaves out.
#[derive(Debug, Clone, Copy)]
pub struct Filling<'a> {
    pub arns: &'a [String],
    pub excluded: &'a [String],
}

/// Replaces the placeholders: a leaf with a placeholder becomes one leaf for each cluster, or one leaf for all clusters but some.
pub fn replace(tree: &Tree, with: Filling) -> Tree {
    let of_leaf = |leaf: &Tree| {
        let written = leaf.to_value();
        match placeholder(&written) {
            Some(_) => each_once(with.arns.iter().filter_map(|arn| fill(&written, arn))),
            None => vec![replace(leaf, with)],
        }
    };
    match tree {
        Tree::Array(leaves) => match with.arns.first().filter(|_| !with.excluded.is_empty()) {
            Some(all) => Tree::Array(all_but(leaves, all, with)),
            None => Tree::Array(leaves.iter().flat_map(of_leaf).collect()),
        },
        Tree::Object(fields) => {
            Tree::Object(fields.iter().map(|(key, tree)| (key.clone(), replace(tree, with))).collect())
        }
        Tree::Leaf(_) => tree.clone(),
    }
}

/// Returns whether a pattern, or an alternative, has a placeholder for the clusters.
pub fn names_clusters(tree: &Value) -> bool {
    let text = tree.to_string();
    [CLUSTER_ARN, CLUSTER_NAME, SERVICE_ARN_PREFIX, DAEMON_ARN_PREFIX]
        .iter()
        .any(|placeholder| text.contains(placeholder))
}

/// Fills the leaves of one field for all clusters but some. For all leaves that name the cluster, there is one operator that excludes:
/// an event that one of several such operators accepts would match.
fn all_but(leaves: &[Tree], all: &str, with: Filling) -> Vec<Tree> {
    let of_clusters = all.trim_end_matches('*');
    let (mut filled, mut names, mut owners) = (Vec::new(), Vec::new(), Vec::new());
    for leaf in leaves {
        let written = leaf.to_value();
        match (written.as_str(), placeholder(&written)) {
            (Some(CLUSTER_ARN), _) => {
                names.extend(with.excluded.iter().map(|name| format!("{of_clusters}{name}")));
            }
            (Some(CLUSTER_NAME), _) => names.extend(with.excluded.iter().filter(|name| is_no_arn(name)).cloned()),
            (Some(LEFT_OUT_IF_DEFAULT), _) if with.excluded.iter().any(|glob| covers(glob, DEFAULT_CLUSTER)) => {}
            (Some(LEFT_OUT_IF_DEFAULT), _) => filled.push(Tree::from(&json!({ "exists": false }))),
            (None, Some(SERVICE_ARN_PREFIX)) if written["prefix"].is_string() => {
                owners.push(filter::service_arn_prefix(all).trim_end_matches("*/").to_owned());
            }
            (None, Some(DAEMON_ARN_PREFIX)) if written["prefix"].is_string() => {
                owners.push(filter::daemon_arn_prefix(all).trim_end_matches("*/").to_owned());
            }
            (_, Some(ACCOUNT | REGION)) => filled.extend(fill(&written, all).map(|leaf| Tree::from(&leaf))),
            // A placeholder that is left is an error.
            (_, Some(_)) => filled.push(leaf.clone()),
            (_, None) => filled.push(replace(leaf, with)),
        }
    }
    if !owners.is_empty() {
        filled.insert(0, Tree::from(&json!({ "anything-but": filter::refused(with.excluded, &owners, "/") })));
    }
    let is_of_clusters = |leaf: &Tree| [json!(CLUSTER_ARN), json!(CLUSTER_NAME)].contains(&leaf.to_value());
    if leaves.iter().any(is_of_clusters) {
        let leaf = match names.is_empty() {
            true => json!({ "exists": true }),
            false => json!({ "anything-but": filter::refused(&names, &[String::new()], "") }),
        };
        filled.insert(0, Tree::from(&leaf));
    }
    filled
}

/// Returns whether a glob over names covers no ARN of a cluster whose name it does not cover. RunTask accepts both.
fn is_no_arn(name: &str) -> bool {
    match name.split_once('*') {
        None => true,
        Some(("", end)) => !end.contains('*'),
        Some((start, _)) => !"arn:".starts_with(start),
    }
}

/// Returns the placeholder that is the whole leaf, or the whole text of an operator such as `{"prefix": …}`.
pub fn placeholder(leaf: &Value) -> Option<&str> {
    let text = leaf.as_str().or_else(|| leaf.as_object()?.values().next()?.as_str())?;
    PLACEHOLDERS.contains(&text).then_some(text)
}

/// Returns the leaf for one cluster; none if the leaf has no meaning for this cluster. A leaf that cannot say what the `*` of a
/// cluster's name means stays as it is.
fn fill(leaf: &Value, cluster_arn: &str) -> Option<Value> {
    let arn = Arn::split(cluster_arn);
    let part = |of: fn(Arn) -> String| Value::from(arn.map(of).unwrap_or_default());
    let name = cluster_arn.rsplit('/').next().unwrap_or_default();
    let is_glob = is_glob(name);
    Some(match leaf {
        Value::String(text) => match text.as_str() {
            CLUSTER_ARN => of_glob(cluster_arn),
            CLUSTER_NAME if name == "*" => json!({ "exists": true }),
            CLUSTER_NAME => of_glob(name),
            SERVICE_ARN_PREFIX | DAEMON_ARN_PREFIX if is_glob => leaf.clone(),
            SERVICE_ARN_PREFIX => Value::from(filter::service_arn_prefix(cluster_arn)),
            DAEMON_ARN_PREFIX => Value::from(filter::daemon_arn_prefix(cluster_arn)),
            REGION => part(|arn| arn.region.to_owned()),
            ACCOUNT => part(|arn| arn.account.to_owned()),
            LEFT_OUT_IF_DEFAULT if covers(name, DEFAULT_CLUSTER) => json!({ "exists": false }),
            LEFT_OUT_IF_DEFAULT => return None,
            _ => leaf.clone(),
        },
        Value::Object(fields) if is_glob => match (fields.get("prefix").and_then(Value::as_str), placeholder(leaf)) {
            (Some(SERVICE_ARN_PREFIX), _) => beginning(&filter::service_arn_prefix(cluster_arn)),
            (Some(DAEMON_ARN_PREFIX), _) => beginning(&filter::daemon_arn_prefix(cluster_arn)),
            (Some(CLUSTER_ARN), _) => beginning(cluster_arn),
            (Some(CLUSTER_NAME), _) => beginning(name),
            (_, Some(CLUSTER_ARN | CLUSTER_NAME | SERVICE_ARN_PREFIX | DAEMON_ARN_PREFIX)) => leaf.clone(),
            _ => filled_operator(fields, cluster_arn)?,
        },
        Value::Object(fields) => filled_operator(fields, cluster_arn)?,
        other => other.clone(),
    })
}

fn filled_operator(fields: &serde_json::Map<String, Value>, cluster_arn: &str) -> Option<Value> {
    let filled = |(operator, value): (&String, &Value)| Some((operator.clone(), fill(value, cluster_arn)?));
    Some(Value::Object(fields.iter().map(filled).collect::<Option<_>>()?))
}

/// Returns the simplest leaf for a text in which `*` stands for any characters. A bus accepts 30 rules with wildcards, and a prefix is
/// none.
fn of_glob(text: &str) -> Value {
    match text.split_once('*') {
        None => Value::from(text),
        Some((start, "")) => json!({ "prefix": start }),
        Some(_) => json!({ "wildcard": text }),
    }
}

/// Returns the leaf for texts that begin with a glob. The services of the clusters `prod-*` begin with `service/prod-`: so does a
/// service's ARN in the old form, which does not name the cluster.
fn beginning(glob: &str) -> Value {
    let whole = glob.strip_suffix('/').filter(|path| path.ends_with('*') && path.matches('*').count() == 1);
    match whole {
        Some(path) => of_glob(path),
        None if glob.ends_with('*') => of_glob(glob),
        None => of_glob(&format!("{glob}*")),
    }
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
