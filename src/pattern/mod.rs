//! Contains the catalogue of event patterns, and binds patterns to clusters.
//! Makes no call.

mod address;
mod catalogue;
pub mod clusters;
pub mod companions;
pub mod coverage;
pub mod deciding;
mod event;
pub mod filter;
pub mod fitting;
pub mod job_filter;
pub mod matcher;
mod mismatch;
mod nicknames;
mod normal;
mod operator;
mod placeholders;
mod rules;
pub mod samples;
pub mod scenario;
mod search;
mod settled;
mod text;
pub mod tree;
mod validity;

use std::path::Path;

use serde_json::{Value, json};

use crate::error::{self, Error, Result};
use crate::input;
use crate::secret::{echoed, file_without_secrets};
use filter::Filters;
use matcher::{Matcher, Repeated};
use normal::length;
use placeholders::{Filling, PLACEHOLDERS, names_clusters, replace, unknown_placeholder};
use tree::Tree;

pub use catalogue::{
    BATCH_JOB_FAILED, CATALOGUE, COMPANIONS, DEFAULT, EXECUTION_FAILED, Entry, JOB_SUCCEEDED, SERVICE_RECOVERED,
    is_in_catalogue,
};
pub use normal::{HIGHEST_QUOTA, LONGEST, has_wildcard, meaning, normal, read};
pub use placeholders::DEFAULT_CLUSTER;

/// The source of a drill's event. AWS allows nobody to send events from `aws.*`.
pub const DRILL_SOURCE: &str = "taskbell.drill";
/// The source of the alerts of applications.
pub const APPLICATION_SOURCE: &str = "taskbell.app";

/// A pattern with its name, from the catalogue or from a file of the user.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    pub name: String,
    /// The pattern with its repeated fields, in the order in which its author wrote them.
    written: Tree,
    /// The pattern without repeated fields.
    tree: Value,
    filters: Filters,
    /// The flags of filters that were given and cannot narrow the pattern.
    pub refused: Vec<&'static str>,
    /// The fields that are repeated in the written pattern.
    repeated: Vec<Repeated>,
    /// Most characters of a rule's pattern in the account.
    quota: usize,
}

impl Pattern {
    /// Returns the catalogue's pattern of that name, or the pattern in the file of that path.
    ///
    /// # Errors
    /// If the name, or the short name of a sample, is unknown (the error has the nearest name), or the file cannot be read, is not JSON, or is not a valid pattern
    /// (the error has EventBridge's own reason).
    pub fn find(name_or_file: &str) -> Result<Self> {
        if let Some(entry) = CATALOGUE.iter().chain(&COMPANIONS).find(|entry| entry.name == name_or_file) {
            return Self::parse(entry.name, entry.text);
        }
        if let Some(name) = nicknames::of_sample(name_or_file) {
            return Self::find(name);
        }
        let path = Path::new(name_or_file);
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if !is_json && !name_or_file.contains('/') {
            return Err(unknown(name_or_file));
        }
        let bytes = std::fs::read(path).map_err(|error| {
            Error::usage(format!("cannot read the pattern file {}", file_without_secrets(name_or_file))).because(error)
        })?;
        let text = input::text(bytes, &format!("the pattern file {name_or_file}"))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if stem.is_empty() || !stem.chars().all(legal) {
            return Err(Error::usage(format!(
                "the name of the pattern file {name_or_file} is not allowed in the name of a rule"
            ))
            .hint("use only letters, digits, hyphens and underscores, as in `my-pattern.json`"));
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
            Error::usage(format!("the pattern {name} is not an event pattern that EventBridge accepts"))
                .because(invalid)
        })?;
        let repeated = matcher.repeated().to_vec();
        let meaning = matcher.settled(&tree);
        // Without repeated fields, the order of fields has no meaning.
        let (written, tree) = (if repeated.is_empty() { Tree::from(&meaning) } else { tree }, meaning);
        if let Some((unknown, nearest)) = unknown_placeholder(&tree) {
            return Err(Error::usage(format!("in the pattern {name}, {unknown} is not a placeholder"))
                .hint(format!("did you mean {nearest}?")));
        }
        let (filters, refused) = (Filters::default(), Vec::new());
        Ok(Self { name: name.to_owned(), written, tree, filters, refused, repeated, quota: LONGEST })
    }

    /// Returns the same pattern for an account whose quota of characters AWS raised.
    #[must_use]
    pub fn with_quota(self, quota: usize) -> Self {
        Self { quota, ..self }
    }

    /// Returns a warning for each repeated field. EventBridge accepts such a pattern, but may read it otherwise than its author
    /// meant.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.repeated.iter().map(|repeated| format!("in the pattern {}, {repeated}", self.name))
    }

    /// Returns what the pattern means for these clusters, to judge events with: a leaf `${cluster_arn}`, or an operator that
    /// contains `${service_arn_prefix}`, becomes one for each cluster. With `Drill::Refused`, leaves out the source of drills.
    ///
    /// # Errors
    /// If a rule's pattern would be longer than EventBridge accepts, or the result is no longer a valid pattern.
    pub fn bind(&self, cluster_arns: &[String], drill: Drill) -> Result<Value> {
        self.bound(cluster_arns, drill).map(|(bound, _)| bound)
    }

    /// Returns the matcher of the pattern for these clusters.
    ///
    /// # Errors
    /// As [`Pattern::bind`].
    pub fn matcher(&self, cluster_arns: &[String], drill: Drill) -> Result<Matcher> {
        self.bound(cluster_arns, drill).map(|(_, matcher)| matcher)
    }

    fn bound(&self, cluster_arns: &[String], drill: Drill) -> Result<(Value, Matcher)> {
        let bound = self.filled_in(cluster_arns, drill)?;
        if length(&bound) > self.quota {
            self.as_written(&bound, cluster_arns, drill)?;
        }
        let matcher = self.checked(&bound)?;
        Ok((bound, matcher))
    }

    /// Returns the pattern for these clusters in the normal form of a rule ([`normal`]).
    ///
    /// # Errors
    /// As [`Pattern::bind`].
    pub fn in_rule(&self, cluster_arns: &[String], drill: Drill) -> Result<Value> {
        let bound = self.filled_in(cluster_arns, drill)?;
        let fits = length(&bound) <= self.quota;
        match length(&bound) {
            ..=LONGEST => self.checked(&bound).map(|_| bound),
            _ if fits && self.repeated.is_empty() => self.checked(&bound).map(|_| bound),
            // In any other form than a deployed rule's, drift would never end.
            _ => match self.as_written(&bound, cluster_arns, drill) {
                Err(_) if fits => self.checked(&bound).map(|_| bound),
                text => text.map(|text| normal(&text)),
            },
        }
    }

    fn filled_in(&self, cluster_arns: &[String], drill: Drill) -> Result<Value> {
        let mut tree = self.tree.clone();
        if !self.filling(cluster_arns).excluded.is_empty() {
            // Events of other accounts and regions may come, too: what a pattern does not exclude, it matches.
            filter::each_alternative(&mut tree, &|one| {
                if let (true, Some(fields)) = (names_clusters(one), one.as_object_mut()) {
                    fields.entry("account").or_insert_with(|| json!(["${account}"]));
                    fields.entry("region").or_insert_with(|| json!(["${region}"]));
                }
            });
        }
        let mut bound = replace(&(&tree).into(), self.filling(cluster_arns)).to_value();
        self.filters.narrow(&mut bound, cluster_arns);
        if drill == Drill::Refused {
            filter::without_source(&mut bound, DRILL_SOURCE);
        }
        let text = bound.to_string();
        if let Some(left) = PLACEHOLDERS.into_iter().find(|placeholder| text.contains(placeholder)) {
            return Err(Error::usage(format!(
                "in the pattern {}, {left} is in a place where it cannot be filled in",
                self.name
            ))
            .hint("a placeholder must be a whole value, or the whole text of an operator such as prefix; for clusters with a *, that operator must be prefix"));
        }
        Ok(bound)
    }

    fn filling<'a>(&'a self, arns: &'a [String]) -> Filling<'a> {
        let is_for_all = arns.first().is_some_and(|arn| arn.ends_with("/*"));
        Filling { arns, excluded: if is_for_all { &self.filters.exclude_clusters } else { &[] } }
    }

    /// Returns the text of a pattern with the meaning of `bound`, which is shorter because it repeats fields.
    fn as_written(&self, bound: &Value, cluster_arns: &[String], drill: Drill) -> Result<String> {
        let too_long = |length: usize, way_out: &str| {
            let name = &self.name;
            let with = match cluster_arns.len() {
                0 => String::new(),
                1 => " with 1 cluster".to_owned(),
                clusters => format!(" with {clusters} clusters"),
            };
            let accepted = self.quota;
            let what = format!("the pattern {name} is {length} characters long{with}; EventBridge accepts {accepted}");
            let raised = match length {
                _ if accepted == HIGHEST_QUOTA => String::new(),
                ..=HIGHEST_QUOTA => {
                    format!("; if AWS raised the quota L-664C5505 of this account: --pattern-quota {length} or more")
                }
                _ => format!("; with --pattern-quota N, taskbell uses a quota that AWS raised, up to {HIGHEST_QUOTA}"),
            };
            Err(Error::usage(what).hint(format!("{way_out}{raised}")))
        };
        let flags: Vec<&str> = self.filters.apart().into_iter().map(|(flag, _)| flag).collect();
        let spread = match (cluster_arns.len(), flags.as_slice()) {
            (0 | 1, []) => "shorten the pattern, or split it into several files".to_owned(),
            (0 | 1, flags) => format!(
                "use fewer or shorter names with {}, or * for several names, or spread the names over several stacks: `--stack NAME`",
                flags.join(" and ")
            ),
            (_, []) => "spread the clusters over several stacks: `--stack NAME` with fewer `--cluster` each".to_owned(),
            (_, flags) => format!(
                "spread the clusters over several stacks: `--stack NAME` with fewer `--cluster` each, or use fewer names with {}",
                flags.join(" and ")
            ),
        };
        if self.repeated.is_empty() {
            return too_long(length(bound), &spread);
        }
        let mut written = replace(&self.written, self.filling(cluster_arns));
        if drill == Drill::Refused {
            written.lists_at("source", |sources| sources.retain(|source| *source != Tree::Leaf(DRILL_SOURCE.into())));
        }
        // Of repeated values the last counts, and EventBridge joins objects: the filters can stand at the end.
        let mut narrowed = json!({ "detail-type": bound["detail-type"] });
        if !self.filling(cluster_arns).excluded.is_empty() {
            for field in ["account", "region"].into_iter().filter(|field| !bound[*field].is_null()) {
                narrowed[field] = bound[field].clone();
            }
        }
        self.filters.narrow(&mut narrowed, cluster_arns);
        if let (Tree::Object(fields), Tree::Object(last)) = (&mut written, Tree::from(&narrowed)) {
            fields.extend(last.into_iter().filter(|(name, _)| name != "detail-type"));
        }
        let means_the_same =
            Matcher::new(&written).is_ok_and(|one| Matcher::new(&bound.into()).is_ok_and(|other| one.is_like(&other)));
        let text = written.to_string();
        match text.chars().count() {
            _ if !means_the_same => too_long(
                length(bound),
                "the pattern repeats a field, and the filters cannot be added to it: write the filters into the pattern",
            ),
            length if length <= self.quota => Ok(text),
            length => too_long(length, &spread),
        }
    }

    fn checked(&self, bound: &Value) -> Result<Matcher> {
        Matcher::new(&bound.into()).map_err(|invalid| {
            Error::usage(format!(
                "EventBridge does not accept the pattern {} with its placeholders filled in",
                self.name
            ))
            .because(invalid)
        })
    }

    /// Returns the pattern, narrowed to families, services or a container.
    ///
    /// # Errors
    /// If the pattern's events do not contain the field of a filter, or the pattern already restricts that field. The error names
    /// the filter's flag.
    pub fn narrowed(self, filters: &Filters) -> Result<Self> {
        let name = self.name.clone();
        let has_containers = filter::looks_at_containers(&self.tree);
        let narrowed = self.narrowed_where_possible(filters);
        match narrowed.refused.first() {
            None => Ok(narrowed),
            Some(flag) if *flag == filter::CONTAINER && !has_containers => {
                Err(Error::usage(format!("the pattern {name} has no condition on containers"))
                    .hint("use --container with a pattern that has one, such as --pattern task-failed or nonzero-exit"))
            }
            Some(flag) => Err(Error::usage(format!("the pattern {name} cannot be narrowed by {flag}"))
                .hint("its events lack that field, or the pattern already has a condition on it; name patterns that can be narrowed, such as --pattern task-failed")),
        }
    }

    /// Returns the pattern, narrowed by the flags that can narrow it.
    #[must_use]
    pub fn narrowed_where_possible(self, filters: &Filters) -> Self {
        let refused: Vec<&'static str> =
            filters.apart().into_iter().filter(|(_, one)| !one.can_narrow(&self.tree)).map(|(flag, _)| flag).collect();
        Self { filters: filters.without(&refused), refused, ..self }
    }

    /// Returns whether the pattern's events are of services and their deployments.
    #[must_use]
    pub fn is_of_services(&self) -> bool {
        filter::is_of_services(&self.tree)
    }

    /// Returns whether the filters of jobs and state machines have a condition on this pattern's events.
    #[must_use]
    pub fn is_narrowed_by_jobs(&self) -> bool {
        self.filters.jobs.concerns(&self.tree)
    }

    /// Returns the same pattern, which also accepts the events of this source if it names any sources.
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn with_source(&self, source: &str) -> Result<Self> {
        let mut written = self.written.clone();
        written.lists_at("source", |sources| sources.push(Tree::Leaf(source.into())));
        Ok(Self::parse(&self.name, &written.to_string())?.with_quota(self.quota))
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
        replace(&self.written, Filling { arns: &[], excluded: &[] }) != self.written
    }
}

/// Checks that each filter narrows one of the patterns: anything else is a mistake.
///
/// # Errors
/// For the first filter that none of the patterns can be narrowed by.
pub fn narrow_something(patterns: &[&Pattern], filters: &Filters) -> Result<()> {
    let Some(first) = patterns.first() else { return Ok(()) };
    let is_lost = |flag: &str| patterns.iter().all(|pattern| pattern.refused.contains(&flag));
    match filters.apart().into_iter().find(|(flag, _)| is_lost(flag)) {
        Some((_, filter)) => (*first).clone().narrowed(&filter).map(drop),
        None => Ok(()),
    }
}

/// Checks that each filter of jobs and state machines narrows one of the patterns.
///
/// # Errors
/// If a filter narrows none. The error names its flag.
pub fn uses(filters: &Filters, patterns: &[Pattern]) -> Result<()> {
    let concerns = |filter: &Filters| patterns.iter().any(|pattern| filter.jobs.concerns(&pattern.tree));
    let is_unused =
        |filter: &Filters| filter.jobs.apart().iter().any(|(_, jobs)| !jobs.matches_all()) && !concerns(filter);
    match filters.apart().into_iter().find(|(_, filter)| is_unused(filter)) {
        None => Ok(()),
        Some((flag, _)) => {
            let of = if flag.ends_with("state-machine") { EXECUTION_FAILED } else { BATCH_JOB_FAILED };
            Err(Error::usage(format!("{flag} narrows none of the patterns")).hint(format!("add --pattern {of}")))
        }
    }
}

/// The treatment of drills by the rules of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drill {
    Accepted,
    Refused,
}

fn unknown(name: &str) -> Error {
    let nearest = error::nearest(CATALOGUE.iter().chain(&COMPANIONS).map(|entry| entry.name), name);
    let nearest = nearest.map(|nearest| format!("did you mean {nearest}? ")).unwrap_or_default();
    Error::usage(format!("there is no pattern {}", echoed(name)))
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
        let prefix = |owner: &str| json!({ "prefix": format!("arn:aws:ecs:us-east-1:123456789012:{owner}/") });
        assert_eq!(bound["resources"], json!(["service/a", "service/b", "daemon/a", "daemon/b"].map(prefix)));
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

    /// Checks every length around the default quota, around a raised one, and around the highest.
    #[test]
    fn pattern_may_be_as_long_as_the_quota_that_aws_raised() {
        let of_length = |characters: usize| {
            let names = |count: usize| json!({ "source": ["x".repeat(count)] }).to_string();
            Pattern::parse("mine", &names(characters - names(0).len())).unwrap()
        };
        for quota in [LONGEST, 3000, HIGHEST_QUOTA] {
            for (length, fits) in [(quota - 1, true), (quota, true), (quota + 1, false)] {
                let pattern = of_length(length).with_quota(quota);
                assert_eq!(pattern.in_rule(&[], Drill::Accepted).is_ok(), fits, "{quota}: {length}");
                assert_eq!(pattern.bind(&[], Drill::Accepted).is_ok(), fits, "{quota}: {length}");
                let narrowed = pattern.with_source("a").unwrap();
                assert_eq!(narrowed.in_rule(&[], Drill::Accepted).is_ok(), length + 4 <= quota, "{quota}: {length}");
            }
        }
        // A deployed rule with such a pattern is equal to its configuration.
        let long = of_length(3000).with_quota(HIGHEST_QUOTA).in_rule(&[], Drill::Accepted).unwrap();
        assert_eq!(normal(&long.to_string()), long);
    }

    /// Checks that a raised quota changes no rule that the default quota allows, and accepts filters that a pattern with repeated
    /// fields had no room for.
    #[test]
    fn pattern_with_repeated_fields_uses_a_raised_quota_only_if_it_has_to() {
        let text = three_times_or("");
        let (default, raised) =
            (Pattern::parse("mine", &text).unwrap(), Pattern::parse("mine", &text).unwrap().with_quota(HIGHEST_QUOTA));
        let of = |pattern: &Pattern| pattern.in_rule(&[], Drill::Accepted).unwrap();
        assert_eq!(of(&default), of(&raised));
        assert_eq!(of(&default), Value::from(text.as_str()));
    }

    #[test]
    fn hint_about_a_long_pattern_fits_its_cause() {
        let families: Vec<String> = (0..60).map(|number| format!("*-customer-{number}-nightly")).collect();
        let clusters = |count: usize| (0..count).map(|number| arn(&format!("cluster-{number}"))).collect::<Vec<_>>();
        let of = |filters: Filters, clusters: &[String]| {
            let pattern = Pattern::find("task-failed").unwrap().narrowed(&filters).unwrap();
            let error = pattern.in_rule(clusters, Drill::Accepted).unwrap_err();
            (error.to_string(), format!("{:?}", error.nearest_hint().unwrap()))
        };
        let narrow = || Filters { families: families.clone(), ..Filters::default() };
        let (told, hint) = of(narrow(), &clusters(1));
        assert!(told.contains("with 1 cluster;"), "{told}");
        assert!(hint.contains("names with --family") && !hint.contains("clusters"), "{hint}");
        let (_, hint) = of(narrow(), &clusters(2));
        assert!(hint.contains("spread the clusters") && hint.contains("names with --family"), "{hint}");
        let (_, hint) = of(Filters::default(), &clusters(40));
        assert!(hint.contains("spread the clusters") && !hint.contains("--family"), "{hint}");
        let excluded = Filters { exclude_families: families.clone(), ..Filters::default() };
        let (told, hint) = of(excluded, &clusters(1));
        let length = told.split(' ').find_map(|word| word.parse::<usize>().ok()).unwrap();
        assert!(hint.contains("--exclude-family"), "{hint}");
        // The quota is a way out only if the pattern fits into the highest one.
        assert_eq!(
            hint.contains(&format!("--pattern-quota {length} or more")),
            length <= HIGHEST_QUOTA,
            "{told} {hint}"
        );
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

    /// Writes three `$or`s beside each other, which make 216 combinations.
    fn three_times_or(prefix: &str) -> String {
        let or = |letter: char| {
            let branches: Vec<String> =
                (0..6).map(|at| format!(r#"{{"{letter}{at}":["{}"]}}"#, "x".repeat(9))).collect();
            format!(r#""$or":[{}]"#, branches.join(","))
        };
        format!(r#"{{{prefix}"detail":{{{},{},{}}}}}"#, or('a'), or('b'), or('c'))
    }

    #[test]
    fn pattern_that_is_short_only_with_repeated_fields_becomes_a_rule_as_written() {
        let text = three_times_or(r#""source":["aws.ecs","taskbell.drill"],"detail-type":["ECS Task State Change"],"#);
        assert!(text.len() < LONGEST, "{}", text.len());
        let pattern = Pattern::parse("mine", &text).unwrap();
        assert!(length(&pattern.tree) > LONGEST);
        let (clusters, x) = ([arn("a")], "x".repeat(9));
        let event =
            |detail: Value| json!({ "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail });
        let judged = pattern.matcher(&clusters, Drill::Accepted).unwrap();
        assert!(judged.matches(&event(json!({ "a0": x, "b3": x, "c5": x }))));
        assert!(!judged.matches(&event(json!({ "a0": x, "b3": x }))));
        assert_eq!(pattern.in_rule(&clusters, Drill::Accepted).unwrap(), Value::from(text.as_str()));
        // EventBridge may return it with other spaces: the normal form and the meaning are the same.
        assert_eq!(normal(&text.replace(',', ", ")), Value::from(text.as_str()));
        assert_eq!(meaning(&normal(&text)), pattern.bind(&clusters, Drill::Accepted).unwrap());
        // Drills and filters change the text, too.
        let other = pattern.with_source("mine").unwrap().in_rule(&clusters, Drill::Accepted).unwrap();
        assert_eq!(other, Value::from(text.replace(r#"l"],"#, r#"l","mine"],"#)));
        let without = pattern.in_rule(&clusters, Drill::Refused).unwrap();
        assert_eq!(without, Value::from(text.replace(r#","taskbell.drill""#, "")));
        let names = || vec!["web".to_owned()];
        for filters in [
            Filters { families: names(), ..Filters::default() },
            Filters { exclude_services: names(), ..Filters::default() },
        ] {
            let narrowed = pattern.clone().narrowed(&filters).unwrap();
            let normal = narrowed.in_rule(&clusters, Drill::Accepted).unwrap();
            let of = |value: &Value| Matcher::new(&value.into()).unwrap();
            assert_eq!(super::normal(normal.as_str().unwrap()), normal);
            assert!(of(&meaning(&normal)).is_like(&of(&narrowed.bind(&clusters, Drill::Accepted).unwrap())));
        }
    }

    #[test]
    fn clusters_fill_the_placeholders_of_a_pattern_kept_as_written() {
        let pattern =
            Pattern::parse("mine", &three_times_or(r#""detail":{"clusterArn":["${cluster_arn}"]},"#)).unwrap();
        let clusters = |count: usize| (0..count).map(|number| arn(&format!("cluster-{number}"))).collect::<Vec<_>>();
        let text = pattern.in_rule(&clusters(2), Drill::Accepted).unwrap();
        assert!(text.as_str().unwrap().contains(&clusters(2)[1]), "{text}");
        let error = pattern.in_rule(&clusters(40), Drill::Accepted).unwrap_err();
        assert!(format!("{:?}", error.nearest_hint()).contains("spread the clusters"), "{error:?}");
        assert_eq!(error.to_string(), pattern.bind(&clusters(40), Drill::Accepted).unwrap_err().to_string());
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
        assert!(format!("{:?}", error.nearest_hint()).contains("did you mean nonzero-exit?"));
    }
}
