//! Contains the catalogue of event patterns, and binds patterns to clusters.
//! Works on parsed trees, never on text. Makes no call.

mod address;
pub mod clusters;
mod event;
pub mod filter;
pub mod fitting;
pub mod matcher;
mod operator;
pub mod samples;
pub mod scenario;
mod text;
pub mod tree;
mod validity;

use std::path::Path;

use serde_json::{Value, json};

use crate::error::{self, Error, Result};
use crate::input;
use filter::Filters;
use matcher::{Matcher, Repeated};
use tree::Tree;

/// EventBridge's quota for a rule's pattern, in characters of compact JSON (L-664C5505; adjustable by AWS support).
pub const LONGEST: usize = 2048;

const CLUSTER_ARN: &str = "${cluster_arn}";
const CLUSTER_NAME: &str = "${cluster_name}";
/// The beginning of the ARNs of a cluster's services.
const SERVICE_ARN_PREFIX: &str = "${service_arn_prefix}";
const ACCOUNT: &str = "${account}";
const REGION: &str = "${region}";
/// A condition that the field is absent, for the cluster `default`, which ECS uses if a call names none; nothing for other
/// clusters.
const LEFT_OUT_IF_DEFAULT: &str = "${left_out_if_default}";
const PLACEHOLDERS: [&str; 6] = [CLUSTER_ARN, CLUSTER_NAME, SERVICE_ARN_PREFIX, ACCOUNT, REGION, LEFT_OUT_IF_DEFAULT];

/// The source of a drill's event. AWS allows nobody to send events from `aws.*`.
pub const DRILL_SOURCE: &str = "taskbell.drill";
/// The source of the alerts of applications.
pub const APPLICATION_SOURCE: &str = "taskbell.app";

/// The cluster that ECS uses if a call names none.
pub const DEFAULT_CLUSTER: &str = "default";

/// The patterns that `setup` uses if none is named: failed tasks, and failures that never become a task.
pub const DEFAULT: [&str; 3] = ["task-failed", "deployment-failed", "service-impaired"];

/// A pattern of the catalogue.
pub struct Entry {
    pub name: &'static str,
    /// The events that cause an alert, in one line.
    pub rings: &'static str,
    /// The requirement without which no such event exists; empty: no requirement.
    pub needs: &'static str,
    /// The events that stay silent, in one line.
    pub silent: &'static str,
    text: &'static str,
}

/// The catalogue. Each entry's pattern is a file in `patterns/`.
pub const CATALOGUE: [Entry; 10] = [
    Entry {
        name: "task-failed",
        rings: "every stop that is not known to be normal: failures to start, non-zero exits, lost hosts, Spot, health checks",
        needs: "",
        silent: "clean exits of stand-alone tasks, scale-in, deployments, zone rebalancing, maintenance and draining under services, stops by a user",
        text: include_str!("../../patterns/task-failed.json"),
    },
    Entry {
        name: "deployment-failed",
        rings: "a deployment that was given up",
        needs: "the deployment circuit breaker, or a deployment alarm, on the service",
        silent: "deployments that begin, go on or succeed, and the rollback that follows a failure",
        text: include_str!("../../patterns/deployment-failed.json"),
    },
    Entry {
        name: "service-impaired",
        rings: "a service or daemon that cannot place or start tasks: no capacity, no instance that fits, an error in its configuration, tasks that keep failing to start, a throttled scheduler",
        needs: "",
        silent: "steady state, scaling, service discovery; the single tasks that fail (task-failed rings for them)",
        text: include_str!("../../patterns/service-impaired.json"),
    },
    Entry {
        name: "nonzero-exit",
        rings: "a stopped task with a container whose exit code is not 0",
        needs: "",
        silent: "tasks without an exit code, as most that never started; scale-in, deployments and maintenance of services that end in 137 or 143 match, the notifier leaves them out",
        text: include_str!("../../patterns/nonzero-exit.json"),
    },
    Entry {
        name: "start-failed",
        rings: "a task that never started: image, secrets, logger, network, capacity",
        needs: "",
        silent: "tasks that ran, however they ended",
        text: include_str!("../../patterns/start-failed.json"),
    },
    Entry {
        name: "out-of-memory",
        rings: "a container killed because it ran out of memory",
        needs: "",
        silent: "everything else, exit code 137 alone too",
        text: include_str!("../../patterns/out-of-memory.json"),
    },
    Entry {
        name: "spot-interrupted",
        rings: "a task that lost its Spot capacity",
        needs: "",
        silent: "the warning two minutes ahead, and everything else",
        text: include_str!("../../patterns/spot-interrupted.json"),
    },
    Entry {
        name: "health-check-failed",
        rings: "a service's task that ECS stopped because of its load balancer's or container's health checks",
        needs: "health checks on the target group or the container",
        silent: "everything else",
        text: include_str!("../../patterns/health-check-failed.json"),
    },
    Entry {
        name: "run-rejected",
        rings: "a RunTask or StartTask that ECS refused or could not place: the schedule that never ran",
        needs: "a CloudTrail trail with management events in the region; CloudTrail delivers as well as it can, without a promise",
        silent: "calls that started a task, throttled calls (every SDK makes them again), and a scheduler that is disabled or cannot assume its role: it makes no call",
        text: include_str!("../../patterns/run-rejected.json"),
    },
    Entry {
        name: "application-error",
        rings: "alerts that applications raise themselves, from the source taskbell.app",
        needs: "an application that sends them",
        silent: "everything of ECS",
        text: include_str!("../../patterns/application-error.json"),
    },
];

/// A pattern with its name, from the catalogue or from a file of the user.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    pub name: String,
    tree: Value,
    filters: Filters,
    /// The fields that are repeated in the written pattern.
    repeated: Vec<Repeated>,
    /// Whether `tree` is longer than the written pattern, because no field is repeated in `tree`.
    grew: bool,
}

/// Reads the pattern of a rule as EventBridge evaluates it. Returns the pattern without repeated fields, and these fields.
///
/// # Errors
/// If the text is not JSON.
pub fn read(text: &str) -> serde_json::Result<(Tree, Vec<Repeated>)> {
    let tree: Tree = serde_json::from_str(text)?;
    Ok(match Matcher::new(&tree) {
        Ok(matcher) if !matcher.repeated().is_empty() => {
            ((&matcher.settled(&tree)).into(), matcher.repeated().to_vec())
        }
        _ => (tree, Vec::new()),
    })
}

impl Pattern {
    /// Returns the catalogue's pattern of that name, or the pattern in the file of that path.
    ///
    /// # Errors
    /// If the name is unknown (the error has the nearest name), or the file cannot be read, is not JSON, or is not a valid pattern
    /// (the error has EventBridge's own reason).
    pub fn find(name_or_file: &str) -> Result<Self> {
        if let Some(entry) = CATALOGUE.iter().find(|entry| entry.name == name_or_file) {
            return Self::parse(entry.name, entry.text);
        }
        let path = Path::new(name_or_file);
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if !is_json && !name_or_file.contains('/') {
            return Err(unknown(name_or_file));
        }
        let bytes = std::fs::read(path)
            .map_err(|error| Error::usage(format!("cannot read the pattern file {name_or_file}")).because(error))?;
        let text = input::text(bytes, &format!("the pattern file {name_or_file}"))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if stem.is_empty() || !stem.chars().all(legal) {
            return Err(Error::usage(format!("the pattern file {name_or_file} cannot give its name to a rule"))
                .hint("name it with letters, digits, hyphens and underscores, as in `my-pattern.json`"));
        }
        Self::parse(stem, &text)
    }

    /// Parses a pattern and gives it that name.
    ///
    /// # Errors
    /// As [`Pattern::find`] for the text of a file.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let tree: Tree = serde_json::from_str(text).map_err(|error| {
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            let what = if is_json { "cannot be read" } else { "is not JSON" };
            Error::usage(format!("the pattern {name} {what}")).because(error)
        })?;
        let matcher = Matcher::new(&tree).map_err(|invalid| {
            Error::usage(format!("the pattern {name} is not an event pattern EventBridge takes")).because(invalid)
        })?;
        let (written, repeated) = (tree.length(), matcher.repeated().to_vec());
        let tree = matcher.settled(&tree);
        let grew = tree.to_string().chars().count() > written;
        if let Some((unknown, nearest)) = unknown_placeholder(&tree) {
            return Err(Error::usage(format!("in the pattern {name}, {unknown} is no placeholder"))
                .hint(format!("did you mean {nearest}? docs/patterns.md lists them")));
        }
        Ok(Self { name: name.to_owned(), tree, filters: Filters::default(), repeated, grew })
    }

    /// Returns a warning for each repeated field. EventBridge accepts such a pattern, but may read it otherwise than its author
    /// meant.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.repeated.iter().map(|repeated| format!("in the pattern {}, {repeated}", self.name))
    }

    /// Returns the pattern for these clusters: a leaf `${cluster_arn}`, or an operator that contains `${service_arn_prefix}`,
    /// becomes one for each cluster. With `Drill::Refused`, leaves out the source of drills.
    ///
    /// # Errors
    /// If the result is longer than EventBridge accepts, or no longer a valid pattern.
    pub fn bind(&self, cluster_arns: &[String], drill: Drill) -> Result<Value> {
        let bound = self.filled_in(cluster_arns, drill)?;
        self.fits(&bound, cluster_arns)?;
        self.checked(bound)
    }

    /// Returns the bound pattern for judging events. Allows a pattern that is too long only because its fields must not be
    /// repeated: EventBridge accepts that pattern as it was written.
    ///
    /// # Errors
    /// As [`Pattern::bind`].
    pub fn judged(&self, cluster_arns: &[String], drill: Drill) -> Result<Value> {
        let bound = self.filled_in(cluster_arns, drill)?;
        if !self.grew {
            self.fits(&bound, cluster_arns)?;
        }
        self.checked(bound)
    }

    fn filled_in(&self, cluster_arns: &[String], drill: Drill) -> Result<Value> {
        let mut bound = replace(&self.tree, cluster_arns);
        self.filters.narrow(&mut bound, cluster_arns);
        if drill == Drill::Refused
            && let Some(sources) = bound.get_mut("source").and_then(Value::as_array_mut)
        {
            sources.retain(|source| source != DRILL_SOURCE);
        }
        let text = bound.to_string();
        if let Some(left) = PLACEHOLDERS.into_iter().find(|placeholder| text.contains(placeholder)) {
            return Err(Error::usage(format!(
                "in the pattern {}, {left} stands where it cannot be filled in",
                self.name
            ))
            .hint("it has to be a whole value, or the whole text of an operator such as prefix"));
        }
        Ok(bound)
    }

    fn fits(&self, bound: &Value, cluster_arns: &[String]) -> Result<()> {
        let length = bound.to_string().chars().count();
        if length <= LONGEST {
            return Ok(());
        }
        let (why, hint) = match self.grew {
            true => (
                " once no field is repeated in it",
                "write each $or once, and each field once; a rule is written without repeated fields, which makes this one longer",
            ),
            false => ("", "spread the clusters over several stacks: `--stack NAME` with fewer `--cluster` each"),
        };
        Err(Error::usage(format!(
            "the pattern {} is {length} characters long with {} clusters{why}; EventBridge takes {LONGEST}",
            self.name,
            cluster_arns.len()
        ))
        .hint(hint))
    }

    fn checked(&self, bound: Value) -> Result<Value> {
        Matcher::new(&(&bound).into()).map_err(|invalid| {
            Error::usage(format!("the pattern {} is not one EventBridge takes once it is bound", self.name))
                .because(invalid)
        })?;
        Ok(bound)
    }

    /// Returns the pattern, narrowed to families, services or a container.
    ///
    /// # Errors
    /// If the pattern's events do not contain the field of a filter, or the pattern already restricts that field. The error names
    /// the filter's flag.
    pub fn narrowed(self, filters: &Filters) -> Result<Self> {
        if filters.container.is_some() && !filter::looks_at_containers(&self.tree) {
            return Err(Error::usage(format!("the pattern {} does not look at containers", self.name))
                .hint("--container goes with patterns that do, as in --pattern task-failed or nonzero-exit"));
        }
        match filters.apart().into_iter().find(|(_, filter)| !filter.can_narrow(&self.tree)) {
            None => Ok(Self { filters: filters.clone(), ..self }),
            Some((flag, _)) => Err(Error::usage(format!("the pattern {} cannot be narrowed by {flag}", self.name))
                .hint("its events do not carry that, or it says something of the same field itself; name patterns that can, as in --pattern task-failed")),
        }
    }

    /// Checks whether the pattern, apart from filters, is from the catalogue and not from a file.
    #[must_use]
    pub fn is_of_catalogue(&self) -> bool {
        CATALOGUE
            .iter()
            .any(|entry| entry.name == self.name && Self::find(entry.name).is_ok_and(|of| of.tree == self.tree))
    }

    /// Checks whether a cluster is needed to bind the pattern.
    #[must_use]
    pub fn needs_cluster(&self) -> bool {
        replace(&self.tree, &[]) != self.tree
    }
}

/// The treatment of drills by the rules of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drill {
    Accepted,
    Refused,
}

fn replace(tree: &Value, cluster_arns: &[String]) -> Value {
    match tree {
        Value::Array(leaves) => Value::Array(
            leaves
                .iter()
                .flat_map(|leaf| match placeholder(leaf) {
                    Some(_) => each_once(cluster_arns.iter().filter_map(|arn| fill(leaf, arn))),
                    None => vec![replace(leaf, cluster_arns)],
                })
                .collect(),
        ),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), replace(value, cluster_arns))).collect()
        }
        leaf => leaf.clone(),
    }
}

/// Returns the placeholder that is the whole leaf, or the whole text of an operator such as `{"prefix": …}`.
fn placeholder(leaf: &Value) -> Option<&str> {
    let text = leaf.as_str().or_else(|| leaf.as_object()?.values().next()?.as_str())?;
    PLACEHOLDERS.contains(&text).then_some(text)
}

/// Returns the leaf for one cluster; none if the leaf has no meaning for this cluster.
fn fill(leaf: &Value, cluster_arn: &str) -> Option<Value> {
    let part = |at: usize| Value::from(cluster_arn.split(':').nth(at).unwrap_or_default());
    let name = cluster_arn.rsplit('/').next().unwrap_or_default();
    Some(match leaf {
        Value::String(text) => match text.as_str() {
            CLUSTER_ARN => Value::from(cluster_arn),
            CLUSTER_NAME => Value::from(name),
            SERVICE_ARN_PREFIX => Value::from(filter::service_arn_prefix(cluster_arn)),
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

/// Leaves out equal leaves, because several clusters may have one account.
fn each_once(leaves: impl Iterator<Item = Value>) -> Vec<Value> {
    leaves.fold(Vec::new(), |mut all, leaf| {
        if !all.contains(&leaf) {
            all.push(leaf);
        }
        all
    })
}

/// Returns the first `${…}` of a pattern that is not a placeholder, with the nearest placeholder.
fn unknown_placeholder(tree: &Value) -> Option<(String, &'static str)> {
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

fn unknown(name: &str) -> Error {
    let nearest = error::nearest(CATALOGUE.iter().map(|entry| entry.name), name);
    let nearest = nearest.map(|nearest| format!("did you mean {nearest}? ")).unwrap_or_default();
    Error::usage(format!("there is no pattern {name:?}"))
        .hint(format!("{nearest}`taskbell pattern list` shows them; a file's path ends in .json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(cluster: &str) -> String {
        format!("arn:aws:ecs:us-east-1:123456789012:cluster/{cluster}")
    }

    #[test]
    fn leaf_becomes_one_leaf_for_each_cluster() {
        let pattern = Pattern::find("nonzero-exit").unwrap();
        let bound = pattern.bind(&[arn("a"), arn("b")], Drill::Accepted).unwrap();
        assert_eq!(bound["detail"]["clusterArn"], json!([arn("a"), arn("b")]));
        assert_eq!(bound["source"], json!(["aws.ecs", "taskbell.drill"]));
        assert!(pattern.needs_cluster());
    }

    #[test]
    fn operator_with_placeholder_becomes_one_for_each_cluster() {
        let bound = Pattern::find("deployment-failed").unwrap().bind(&[arn("a"), arn("b")], Drill::Accepted).unwrap();
        let prefix =
            |cluster: &str| json!({ "prefix": format!("arn:aws:ecs:us-east-1:123456789012:service/{cluster}/") });
        assert_eq!(bound["resources"], json!([prefix("a"), prefix("b")]));
    }

    #[test]
    fn stack_without_drills_matches_only_ecs() {
        let bound = Pattern::find("task-failed").unwrap().bind(&[arn("a")], Drill::Refused).unwrap();
        assert_eq!(bound["source"], json!(["aws.ecs"]));
    }

    #[test]
    fn pattern_that_is_too_long_for_eventbridge_is_refused() {
        let clusters: Vec<String> = (0..40).map(|number| arn(&format!("cluster-{number}"))).collect();
        let error = Pattern::find("task-failed").unwrap().bind(&clusters, Drill::Accepted).unwrap_err();
        assert!(error.to_string().contains("2048"), "{error}");
        assert_eq!(error.kind(), crate::error::Category::Usage);
    }

    #[test]
    fn refused_pattern_has_a_reason() {
        for (text, said) in
            [("{", "the pattern mine is not JSON"), (r#"{"a":[1e400]}"#, "the pattern mine cannot be read")]
        {
            assert_eq!(Pattern::parse("mine", text).unwrap_err().to_string(), said, "{text}");
        }
    }

    #[test]
    fn repeated_field_is_read_as_by_eventbridge_with_a_warning() {
        for (text, tree, warning) in [
            (r#"{"a":[1],"a":[2]}"#, json!({ "a": [2] }), "`a` is repeated; in EventBridge the last one counts"),
            (
                r#"{"detail":{"a":[1],"a":[2]},"detail":{"b":[1]}}"#,
                json!({ "detail": { "a": [2], "b": [1] } }),
                "`detail.a` is repeated; in EventBridge the last one counts",
            ),
            (
                r#"{"a.b":[1],"a":{"b":[2]}}"#,
                json!({ "a": { "b": [2] } }),
                "`a.b` is repeated; in EventBridge the last one counts",
            ),
            (
                r#"{"s":["x"],"detail":{"a":[1],"$or":[{"a":[2]},{"b":[2]}]}}"#,
                json!({ "s": ["x"], "detail": { "$or": [{ "a": [2] }, { "a": [1], "b": [2] }] } }),
                "`detail.a` is repeated; in EventBridge the last one counts",
            ),
        ] {
            let pattern = Pattern::parse("mine", text).unwrap();
            assert_eq!(pattern.tree, tree, "{text}");
            assert_eq!(pattern.warnings().next().unwrap(), format!("in the pattern mine, {warning}"), "{text}");
            assert_eq!(pattern.bind(&[arn("a")], Drill::Accepted).unwrap(), tree, "{text}");
        }
        assert_eq!(Pattern::find("task-failed").unwrap().warnings().count(), 0);
    }

    #[test]
    fn pattern_that_only_rewriting_makes_too_long_still_judges_events() {
        let or = |letter: char| {
            let branches: Vec<String> =
                (0..6).map(|at| format!(r#"{{"{letter}{at}":["{}"]}}"#, "x".repeat(9))).collect();
            format!(r#""$or":[{}]"#, branches.join(","))
        };
        let text = format!("{{{},{},{}}}", or('a'), or('b'), or('c'));
        assert!(text.len() < LONGEST, "{}", text.len());
        let pattern = Pattern::parse("mine", &text).unwrap();
        let error = pattern.bind(&[arn("a")], Drill::Accepted).unwrap_err();
        assert!(error.to_string().contains("once no field is repeated in it; EventBridge takes 2048"), "{error}");
        assert!(error.hint_text().unwrap().starts_with("write each $or once"), "{error:?}");
        let judged = Matcher::new(&(&pattern.judged(&[arn("a")], Drill::Accepted).unwrap()).into()).unwrap();
        let x = "x".repeat(9);
        assert!(judged.matches(&json!({ "a0": x, "b3": x, "c5": x })));
        assert!(!judged.matches(&json!({ "a0": x, "b3": x })));
        // Another cause of the length keeps its own hint.
        let clusters: Vec<String> = (0..40).map(|number| arn(&format!("cluster-{number}"))).collect();
        let of_catalogue = Pattern::find("task-failed").unwrap();
        let error = of_catalogue.judged(&clusters, Drill::Accepted).unwrap_err();
        assert!(error.hint_text().unwrap().starts_with("spread the clusters"), "{error:?}");
    }

    #[test]
    fn filter_does_not_replace_started_by() {
        let group = json!([{ "prefix": "service:" }]);
        let pattern = |detail: Value| {
            let tree = json!({ "detail-type": ["ECS Task State Change"], "detail": detail });
            Pattern::parse("mine", &tree.to_string()).unwrap()
        };
        let names = || vec!["web".to_owned()];
        let (without, with) = (
            Filters { exclude_services: names(), ..Filters::default() },
            Filters { services: names(), ..Filters::default() },
        );
        for (detail, is_free) in [
            (json!({ "$or": [{ "group": group }, { "stopCode": ["x"] }] }), true),
            (json!({ "$or": [{ "group": group, "startedBy": ["me"] }, { "stopCode": ["x"] }] }), false),
            (json!({ "startedBy": ["me"], "$or": [{ "group": group }, { "stopCode": ["x"] }] }), false),
        ] {
            assert_eq!(pattern(detail.clone()).narrowed(&without).is_ok(), is_free, "{detail}");
            assert!(pattern(detail.clone()).narrowed(&with).is_ok(), "{detail}");
        }
    }

    #[test]
    fn unknown_name_suggests_the_nearest() {
        let error = Pattern::find("non-zero-exit").unwrap_err();
        assert!(error.hint_text().unwrap().contains("did you mean nonzero-exit?"));
    }
}
