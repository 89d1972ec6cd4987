//! Finds the stacks of one account and region that alert on the same failures in the same clusters: each of them announces such a
//! failure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::aws::calls::bus::Rule;
use crate::desired::limits::OF_THE_STACK;
use crate::pattern::clusters::{self, covers, overlap};
use crate::pattern::companions::is_companion;
use crate::pattern::coverage::covers as covers_cluster;
use crate::pattern::job_filter;

/// Another stack that alerts on the same failures in the same clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    pub stack: String,
    pub patterns: BTreeSet<String>,
    /// The clusters with the failures that both stacks announce; none for failures of jobs and executions, which name no cluster.
    pub clusters: BTreeSet<String>,
}

impl Overlap {
    /// Returns the sentence for the user.
    #[must_use]
    pub fn told(&self) -> String {
        let joined = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let place = if self.clusters.is_empty() { String::new() } else { format!(" in {}", joined(&self.clusters)) };
        format!(
            "the stack {} also alerts on {}{place}: both stacks announce such a failure",
            self.stack,
            joined(&self.patterns)
        )
    }
}

/// The fields by which two patterns of one name may share no event.
const FIELDS: [&str; 4] = ["/detail/clusterArn", "/resources", "/detail/taskDefinitionArn", "/detail/group"];

/// Returns the other stacks that alert on what the rules of a stack alert on, of all rules on the bus.
#[must_use]
pub fn overlaps(stack: &str, own: &[Rule], all: &[Rule]) -> Vec<Overlap> {
    let mut found: BTreeMap<&str, Overlap> = BTreeMap::new();
    for rule in own {
        let Some((pattern, _)) = of(rule).filter(|(pattern, _)| !is_companion(pattern)) else { continue };
        for other in all {
            let Some((same, name)) = of(other).filter(|(same, name)| *same == pattern && *name != stack) else {
                continue;
            };
            let Some(clusters) = shared(&rule.pattern, &other.pattern) else { continue };
            let empty = || Overlap { stack: name.to_owned(), patterns: BTreeSet::new(), clusters: BTreeSet::new() };
            let overlap = found.entry(name).or_insert_with(empty);
            overlap.patterns.insert(same.to_owned());
            overlap.clusters.extend(clusters);
        }
    }
    found.into_values().collect()
}

/// Returns the stacks whose rules cover the cluster with this ARN.
#[must_use]
pub fn covering<'a>(rules: &'a [Rule], cluster_arn: &str) -> BTreeSet<&'a str> {
    rules
        .iter()
        .filter(|rule| covers_cluster(&rule.pattern, cluster_arn))
        .filter_map(|rule| Some(of(rule)?.1))
        .collect()
}

/// Returns the overlaps of all stacks, each pair once.
#[must_use]
pub fn all_overlaps(all: &[Rule]) -> Vec<(String, Overlap)> {
    let stacks: BTreeSet<&str> = all.iter().filter_map(|rule| Some(of(rule)?.1)).collect();
    let of_stack = |stack: &&str| {
        let own: Vec<Rule> =
            all.iter().filter(|rule| of(rule).is_some_and(|(_, name)| name == *stack)).cloned().collect();
        let later = overlaps(stack, &own, all).into_iter().filter(|other| other.stack.as_str() > *stack);
        later.map(|other| ((*stack).to_owned(), other)).collect::<Vec<_>>()
    };
    stacks.iter().flat_map(of_stack).collect()
}

/// Returns the names of the stacks that have a rule, also a disabled one, among the rules on the bus.
#[must_use]
pub fn stacks(all: &[Rule]) -> BTreeSet<&str> {
    all.iter().filter_map(|rule| Some(maker(rule)?.1)).collect()
}

/// Returns the names of the pattern and of the stack of an enabled rule that taskbell made: a disabled one announces nothing.
fn of(rule: &Rule) -> Option<(&str, &str)> {
    maker(rule).filter(|_| rule.is_enabled)
}

/// Returns the names of the pattern and of the stack of a rule that taskbell made.
fn maker(rule: &Rule) -> Option<(&str, &str)> {
    rule.description.strip_prefix("taskbell: ")?.rsplit_once(OF_THE_STACK)
}

/// Returns the clusters whose events two patterns may both match: none of them for events that name no cluster. No answer: the
/// patterns share no event.
fn shared(one: &Value, other: &Value) -> Option<BTreeSet<String>> {
    let of_jobs = |pattern: &Value| job_filter::alternatives(pattern).any(job_filter::is_of_jobs);
    if of_jobs(one) && of_jobs(other) {
        let fields: Vec<&str> = job_filter::POINTERS.into_iter().chain(["/detail-type"]).collect();
        let shares = |one: &Value| job_filter::alternatives(other).any(|other| !are_apart(one, other, &fields));
        return job_filter::alternatives(one).any(shares).then(BTreeSet::new);
    }
    if are_apart(one, other, &FIELDS) {
        return None;
    }
    let left_out = &clusters::excluded(one) | &clusters::excluded(other);
    let others = clusters::named(other);
    let pairs = clusters::named(one).into_iter().flat_map(|arn| others.iter().map(move |other| (arn.clone(), other)));
    let common = pairs.filter(|(arn, other)| overlap(arn, other)).map(|(arn, other)| match covers(&arn, other) {
        true => other.clone(),
        false => arn,
    });
    let is_in = |arn: &String| !left_out.iter().any(|glob| covers(glob, arn));
    let common: BTreeSet<String> = common.filter(is_in).map(|arn| clusters::name(&arn).to_owned()).collect();
    (!common.is_empty()).then_some(common)
}

fn are_apart(one: &Value, other: &Value, fields: &[&str]) -> bool {
    fields.iter().any(|field| are_disjoint(one.pointer(field), other.pointer(field)))
}

/// Returns whether no text fits both fields. Operators that say more than a beginning or a glob fit everything.
fn are_disjoint(one: Option<&Value>, other: Option<&Value>) -> bool {
    let globs = |field: Option<&Value>| field?.as_array()?.iter().map(glob).collect::<Option<Vec<String>>>();
    match (globs(one), globs(other)) {
        (Some(some), Some(others)) => !some.iter().any(|glob| others.iter().any(|other| overlap(glob, other))),
        _ => false,
    }
}

fn glob(leaf: &Value) -> Option<String> {
    let of = |operator: &str| leaf[operator].as_str();
    let (prefix, suffix) = (of("prefix").map(|start| format!("{start}*")), of("suffix").map(|end| format!("*{end}")));
    leaf.as_str().or(of("wildcard")).map(str::to_owned).or(prefix).or(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::filter::Filters;
    use crate::pattern::job_filter::{JobFilters, Names};
    use crate::pattern::{Drill, Pattern};

    fn rule(stack: &str, pattern: &str, clusters: &[&str], filters: &Filters) -> Rule {
        let arns: Vec<String> =
            clusters.iter().map(|name| format!("arn:aws:ecs:us-east-1:123456789012:cluster/{name}")).collect();
        let bound = Pattern::find(pattern).unwrap().narrowed_where_possible(filters);
        Rule {
            name: format!("taskbell-{stack}-{pattern}"),
            description: format!("taskbell: {pattern}{OF_THE_STACK}{stack}"),
            is_enabled: true,
            has_wildcard: false,
            pattern: bound.in_rule(&arns, Drill::Accepted).unwrap(),
        }
    }

    fn clusters_of(one: &Rule, other: &Rule) -> Vec<String> {
        let found = overlaps("one", std::slice::from_ref(one), std::slice::from_ref(other));
        found.into_iter().flat_map(|found| found.clusters).collect()
    }

    #[test]
    fn stacks_that_share_a_cluster_and_a_pattern_overlap() {
        let none = Filters::default();
        let without = Filters { exclude_clusters: vec!["prod-*".to_owned()], ..Filters::default() };
        for pattern in ["task-failed", "deployment-failed", "service-impaired"] {
            for (one, other, filters, shared) in [
                (&["prod"][..], &["prod"][..], &none, vec!["prod"]),
                (&["prod"], &["web"], &none, vec![]),
                (&["prod", "web"], &["*"], &none, vec!["prod", "web"]),
                (&["prod-*"], &["*"], &none, vec!["prod-*"]),
                (&["prod-*"], &["prod-web", "api"], &none, vec!["prod-web"]),
                (&["prod-*"], &["dev-*"], &none, vec![]),
                (&["prod-1", "web"], &["*"], &without, vec!["web"]),
            ] {
                let (one, other) = (rule("one", pattern, one, &none), rule("other", pattern, other, filters));
                assert_eq!(clusters_of(&one, &other), shared, "{pattern}");
                let same = rule("one", pattern, &["*"], &none);
                assert!(clusters_of(&one, &same).is_empty(), "a stack does not overlap with itself");
            }
        }
    }

    #[test]
    fn stacks_for_other_failures_or_other_families_do_not_overlap() {
        let none = Filters::default();
        let family = |name: &str| Filters { families: vec![name.to_owned()], ..Filters::default() };
        let failed = rule("one", "task-failed", &["prod"], &none);
        assert!(clusters_of(&failed, &rule("other", "out-of-memory", &["prod"], &none)).is_empty());
        let jobs = rule("one", "task-failed", &["prod"], &family("job-*"));
        assert!(clusters_of(&jobs, &rule("other", "task-failed", &["prod"], &family("web-*"))).is_empty());
        assert_eq!(clusters_of(&jobs, &rule("other", "task-failed", &["prod"], &family("job-night"))), ["prod"]);
        let recovered = rule("one", "job-succeeded", &["prod"], &none);
        assert!(clusters_of(&recovered, &rule("other", "job-succeeded", &["prod"], &none)).is_empty());
    }

    #[test]
    fn disabled_rule_overlaps_with_none() {
        let none = Filters::default();
        let (one, other) = (rule("one", "task-failed", &["prod"], &none), rule("other", "task-failed", &["*"], &none));
        let off = |rule: &Rule| Rule { is_enabled: false, ..rule.clone() };
        assert_eq!(clusters_of(&one, &other), ["prod"]);
        assert!(clusters_of(&one, &off(&other)).is_empty() && clusters_of(&off(&one), &other).is_empty());
        assert!(all_overlaps(&[one.clone(), off(&other)]).is_empty());
        assert_eq!(Vec::from_iter(stacks(&[one, off(&other)])), ["one", "other"]);
    }

    #[test]
    fn stacks_for_the_same_jobs_overlap() {
        let queue = |name: &str| {
            let queues = Names { included: vec![name.to_owned()], excluded: Vec::new() };
            Filters { jobs: JobFilters { queues, ..JobFilters::default() }, ..Filters::default() }
        };
        let told = |pattern: &str, one: &Filters, other: &Filters| {
            let (one, other) = (rule("one", pattern, &[], one), rule("other", pattern, &["prod"], other));
            overlaps("one", &[one], &[other]).first().map(Overlap::told)
        };
        let none = Filters::default();
        let both = "the stack other also alerts on batch-job-failed: both stacks announce such a failure";
        assert_eq!(told("batch-job-failed", &none, &none).as_deref(), Some(both));
        assert_eq!(told("batch-job-failed", &none, &queue("night*")).as_deref(), Some(both));
        assert_eq!(told("batch-job-failed", &queue("nightly"), &queue("night*")).as_deref(), Some(both));
        assert_eq!(told("batch-job-failed", &queue("nightly"), &queue("daily")), None);
        assert!(told("execution-failed", &queue("a"), &none).is_some());
        assert!(told("application-error", &none, &none).is_none());
    }

    #[test]
    fn each_pair_of_stacks_is_told_once() {
        let none = Filters::default();
        let rules = [
            rule("a", "task-failed", &["prod"], &none),
            rule("b", "task-failed", &["*"], &none),
            rule("a", "service-impaired", &["prod"], &none),
            rule("b", "service-impaired", &["*"], &none),
        ];
        let found = all_overlaps(&rules);
        assert_eq!(found.len(), 1, "{found:?}");
        let (stack, overlap) = &found[0];
        assert_eq!(stack, "a");
        let told =
            "the stack b also alerts on service-impaired, task-failed in prod: both stacks announce such a failure";
        assert_eq!(overlap.told(), told);
    }
}
