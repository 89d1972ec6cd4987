//! Finds the clusters that a pattern names.

use std::collections::BTreeSet;

use serde_json::Value;

/// The mark of a cluster's ARN, before the cluster's name.
const CLUSTER: &str = ":cluster/";
/// The marks of the ARNs of a service and of a daemon, before the name of its cluster.
const WITHIN: [&str; 2] = [":service/", ":daemon/"];

/// The clusters whose events a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clusters {
    All,
    /// The clusters with these ARNs, in which `*` stands for any characters.
    Named(Vec<String>),
    /// Clusters that the pattern does not name by their ARNs alone.
    Otherwise,
}

impl Clusters {
    /// Returns the clusters to which a pattern limits its events.
    #[must_use]
    pub fn of(pattern: &Value) -> Self {
        let asked = &pattern["detail"]["clusterArn"];
        let named = asked.as_array().map(|leaves| leaves.iter().map(of_leaf).collect::<Option<Vec<_>>>());
        let text = pattern.to_string();
        match named {
            Some(Some(arns)) => Self::Named(arns),
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

/// Returns the text that a leaf lists, or the beginning or the glob of clusters' ARNs that it asks for.
fn of_leaf(leaf: &Value) -> Option<String> {
    let of_clusters = |text: &&str| text.contains(CLUSTER);
    match (leaf.as_str(), leaf["prefix"].as_str(), leaf["wildcard"].as_str()) {
        (Some(exact), ..) => Some(exact.to_owned()),
        (_, Some(prefix), _) => Some(prefix).filter(of_clusters).map(|prefix| format!("{prefix}*")),
        (.., wildcard) => wildcard.filter(of_clusters).map(str::to_owned),
    }
}

/// Returns the ARN of every cluster that a pattern names anywhere: by the cluster's ARN, or in the ARNs of its services and daemons.
/// The name may have `*`. A pattern that only excludes clusters names all.
#[must_use]
pub fn named(pattern: &Value) -> BTreeSet<String> {
    let mut found = Found::default();
    found.collect(pattern, Leaf::Exact);
    found.named
}

/// Returns the ARN of every cluster that a pattern excludes. The name may have `*`.
#[must_use]
pub fn excluded(pattern: &Value) -> BTreeSet<String> {
    let mut found = Found::default();
    found.collect(pattern, Leaf::Exact);
    found.excluded
}

/// The meaning of a text in a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Exact,
    Prefix,
    Wildcard,
    Excluded,
    ExcludedPrefix,
    ExcludedWildcard,
}

impl Leaf {
    fn within(self, operator: &str) -> Self {
        match (self, operator) {
            (Self::Exact, "prefix") => Self::Prefix,
            (Self::Exact, "wildcard") => Self::Wildcard,
            (Self::Exact, "anything-but") => Self::Excluded,
            (Self::Excluded, "prefix") => Self::ExcludedPrefix,
            (Self::Excluded, "wildcard") => Self::ExcludedWildcard,
            (other, _) => other,
        }
    }

    fn excludes(self) -> bool {
        matches!(self, Self::Excluded | Self::ExcludedPrefix | Self::ExcludedWildcard)
    }

    fn is_prefix(self) -> bool {
        matches!(self, Self::Prefix | Self::ExcludedPrefix)
    }
}

/// The ARNs of clusters in a pattern.
#[derive(Debug, Default)]
struct Found {
    named: BTreeSet<String>,
    excluded: BTreeSet<String>,
}

impl Found {
    fn collect(&mut self, pattern: &Value, leaf: Leaf) {
        match pattern {
            Value::String(text) => self.text(text, leaf),
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, leaf)),
            Value::Object(fields) => fields.iter().for_each(|(name, field)| self.collect(field, leaf.within(name))),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, text: &str, leaf: Leaf) {
        let Some((arn, is_whole)) = cluster_in(text, if leaf.is_prefix() { "*" } else { "" }) else { return };
        let all = arn.split_once(CLUSTER).map(|(beginning, _)| format!("{beginning}{CLUSTER}*"));
        match leaf.excludes() {
            false => drop(self.named.insert(arn)),
            // A pattern that excludes a service still names the service's cluster.
            true if !is_whole => drop(self.named.insert(arn)),
            true => {
                self.named.extend(all);
                self.excluded.insert(arn);
            }
        }
    }
}

/// Returns the ARN of the cluster in a text of a pattern, and whether the text stands for the whole cluster, and not for some of its
/// services. `end` is `*` if the text is only the beginning of ARNs.
fn cluster_in(text: &str, end: &str) -> Option<(String, bool)> {
    if text.contains(CLUSTER) {
        return Some((format!("{text}{end}"), true));
    }
    let (beginning, path) = WITHIN.iter().find_map(|mark| text.split_once(mark))?;
    let (cluster, service) = path.split_once('/').map_or((path, None), |(cluster, rest)| (cluster, Some(rest)));
    let cluster = if service.is_none() { format!("{cluster}{end}") } else { cluster.to_owned() };
    let is_whole = service.is_none_or(|rest| ["", "*"].contains(&rest));
    Some((format!("{beginning}{CLUSTER}{cluster}"), is_whole))
}

/// Returns the name of the cluster whose events a leaf of a pattern matches, if the leaf stands for one whole cluster. The name may
/// have `*`.
#[must_use]
pub fn whole(leaf: &Value) -> Option<String> {
    let (text, end) = match (leaf.as_str(), leaf["prefix"].as_str(), leaf["wildcard"].as_str()) {
        (Some(exact), ..) => (exact, ""),
        (_, Some(prefix), _) => (prefix, "*"),
        (.., wildcard) => (wildcard?, ""),
    };
    cluster_in(text, end).filter(|(_, is_whole)| *is_whole).map(|(arn, _)| name(&arn).to_owned())
}

/// Returns the name of the cluster with this ARN.
#[must_use]
pub fn name(arn: &str) -> &str {
    arn.split_once(CLUSTER).and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default()
}

/// Returns whether the text has a `*`, which stands for any characters.
#[must_use]
pub fn is_glob(text: &str) -> bool {
    text.contains('*')
}

/// Returns whether a glob covers a text.
#[must_use]
pub fn covers(glob: &str, text: &str) -> bool {
    let Some((start, rest)) = glob.split_once('*') else { return glob == text };
    let Some(mut left) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match left.split_once(part) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(end)
}

/// Returns whether there may be a text that both globs cover.
#[must_use]
pub fn overlap(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Whether the rests of both globs overlap, for the present rest of `one` and every rest of `other`, from the shortest ones on.
    let mut rests: Vec<bool> = Vec::new();
    for at in (0..=one.len()).rev() {
        let mut row = vec![false; other.len() + 1];
        for place in (0..=other.len()).rev() {
            let below = |offset: usize| rests.get(place + offset).copied().unwrap_or_default();
            let beside = row.get(place + 1).copied().unwrap_or_default();
            row[place] = match (one.get(at), other.get(place)) {
                (None, None) => true,
                // A star covers nothing more, or the next character of the other glob, too.
                (Some('*'), _) | (_, Some('*')) => below(0) || beside,
                (Some(first), Some(second)) => first == second && below(1),
                (None, Some(_)) | (Some(_), None) => false,
            };
        }
        rests = row;
    }
    rests.first().copied().unwrap_or_default()
}

/// Returns a text that the glob covers.
#[must_use]
pub fn example(glob: &str) -> String {
    glob.replace('*', "any")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use serde_json::json;

    use super::*;
    use crate::pattern::{CATALOGUE, Drill, Entry, Pattern};

    const ARN: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/batch";

    #[test]
    fn only_arns_and_their_beginnings_name_clusters() {
        let of = |detail: Value| Clusters::of(&json!({ "source": ["aws.ecs"], "detail": detail }));
        assert_eq!(of(json!({ "clusterArn": [ARN] })), Clusters::Named(vec![ARN.to_owned()]));
        assert_eq!(of(json!({ "lastStatus": ["STOPPED"] })), Clusters::All);
        assert_eq!(of(json!({ "clusterArn": [{ "prefix": "arn:" }] })), Clusters::Otherwise);
        assert_eq!(of(json!({ "clusterArn": [{ "prefix": ARN }] })), Clusters::Named(vec![format!("{ARN}*")]));
        assert_eq!(of(json!({ "clusterArn": [{ "anything-but": [ARN] }] })), Clusters::Otherwise);
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
        let daemons = ARN.replace(":cluster/batch", ":daemon/gpu/");
        let pattern = json!({
            "detail-type": ["ECS Service Action"],
            "resources": [{ "prefix": services("web/") }, services("api/shop"), { "prefix": daemons }],
            "$or": [{ "detail": { "clusterArn": [ARN, { "exists": false }] } }, { "detail": { "group": ["batch"] } }],
        });
        let arns = named(&pattern);
        assert_eq!(arns.iter().map(|arn| name(arn)).collect::<Vec<_>>(), ["api", "batch", "gpu", "web"]);
        assert!(arns.contains(ARN) && arns.contains(&ARN.replace("batch", "web")), "{arns:?}");
        assert!(named(&json!({ "source": ["aws.ecs"] })).is_empty());
    }

    #[test]
    fn leaf_of_a_whole_cluster_is_told_from_one_of_services() {
        let arn = |path: &str| ARN.replace(":cluster/batch", path);
        for (leaf, cluster) in [
            (json!(ARN), Some("batch")),
            (json!({ "prefix": arn(":cluster/prod-") }), Some("prod-*")),
            (json!({ "wildcard": arn(":cluster/*-prod") }), Some("*-prod")),
            (json!({ "prefix": arn(":service/web/") }), Some("web")),
            (json!({ "prefix": arn(":daemon/web/") }), Some("web")),
            (json!({ "prefix": arn(":service/prod-") }), Some("prod-*")),
            (json!({ "prefix": arn(":service/web/shop-") }), None),
            (json!(arn(":service/web/shop")), None),
            (json!({ "anything-but": [ARN] }), None),
            (json!("aws.ecs"), None),
            (json!([ARN]), None),
        ] {
            assert_eq!(whole(&leaf).as_deref(), cluster, "{leaf}");
        }
    }

    #[test]
    fn excluded_clusters_are_told_from_excluded_services() {
        let services = |rest: &str| ARN.replace(":cluster/batch", &format!(":service/{rest}"));
        let globs = |arns: &BTreeSet<String>| arns.iter().map(|arn| name(arn).to_owned()).collect::<Vec<_>>();
        for (leaf, in_pattern, left_out) in [
            (json!({ "prefix": services("") }), vec!["*"], vec![]),
            (json!({ "prefix": services("prod-") }), vec!["prod-*"], vec![]),
            (json!({ "prefix": services("prod/") }), vec!["prod"], vec![]),
            (json!({ "wildcard": services("*-prod/*") }), vec!["*-prod"], vec![]),
            (json!({ "wildcard": services("*/web") }), vec!["*"], vec![]),
            (
                json!({ "anything-but": { "prefix": [services("test/"), services("dev-")] } }),
                vec!["*"],
                vec!["dev-*", "test"],
            ),
            (json!({ "anything-but": { "wildcard": [services("*-dev/*")] } }), vec!["*"], vec!["*-dev"]),
            (json!({ "anything-but": { "prefix": [services("prod/web-")] } }), vec!["prod"], vec![]),
            (json!({ "anything-but": [ARN] }), vec!["*"], vec!["batch"]),
            (json!({ "anything-but": { "prefix": [ARN] } }), vec!["*"], vec!["batch*"]),
        ] {
            let pattern = json!({ "resources": [leaf] });
            assert_eq!(
                (globs(&named(&pattern)), globs(&excluded(&pattern))),
                (
                    in_pattern.into_iter().map(str::to_owned).collect(),
                    left_out.into_iter().map(str::to_owned).collect(),
                ),
                "{pattern}"
            );
        }
    }

    #[test]
    fn star_stands_for_any_characters() {
        for (glob, text, is_covered) in [
            ("prod", "prod", true),
            ("prod", "prod-1", false),
            ("*", "", true),
            ("*", "prod", true),
            ("prod-*", "prod-1", true),
            ("prod-*", "prod-", true),
            ("prod-*", "prod", false),
            ("*-prod", "eu-prod", true),
            ("*-prod", "eu-prod-1", false),
            ("a*b", "ab", true),
            ("a*b", "a", false),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*bc*c", "abc", false),
        ] {
            assert_eq!(covers(glob, text), is_covered, "{glob} {text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn globs_that_cover_one_text_overlap(one in "[ab*]{0,6}", other in "[ab*]{0,6}", text in "[ab]{0,6}") {
            if covers(&one, &text) && covers(&other, &text) {
                prop_assert!(overlap(&one, &other) && overlap(&other, &one));
            }
            prop_assert_eq!(overlap(&one, &text), covers(&one, &text));
            prop_assert!(covers(&one, &example(&one)));
        }
    }

    #[test]
    fn bound_patterns_name_their_clusters() {
        let arns = ["batch", "default", "prod-*", "*-job"].map(|name| ARN.replace("batch", name));
        let of_clusters = |entry: &&Entry| Pattern::find(entry.name).unwrap().needs_cluster();
        for entry in CATALOGUE.iter().filter(of_clusters) {
            let bound = Pattern::find(entry.name).unwrap().bind(&arns, Drill::Accepted).unwrap();
            assert_eq!(named(&bound), BTreeSet::from(arns.clone()), "{}", entry.name);
        }
    }
}
