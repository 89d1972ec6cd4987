//! Finds the fields by which an old pattern narrows its alerts to a part of a cluster, and the flags that narrow the new rules in the
//! same way. Checks with events whether a field is kept, instead of comparing texts.

use serde_json::{Value, json};

use crate::arn::Arn;
use crate::error::Result;
use crate::pattern::clusters::example;
use crate::pattern::filter::Filters;
use crate::pattern::fitting::fitted;
use crate::pattern::matcher::Matcher;
use crate::pattern::{Drill, Pattern, samples};

/// The fields that decide which kind of event a pattern matches, and where: the samples show their effect.
const KINDS: [&str; 26] = [
    "version",
    "id",
    "source",
    "detail-type",
    "time",
    "account",
    "region",
    "detail.clusterArn",
    "detail.lastStatus",
    "detail.desiredStatus",
    "detail.stopCode",
    "detail.stoppedReason",
    "detail.connectivity",
    "detail.containers.exitCode",
    "detail.containers.lastStatus",
    "detail.containers.reason",
    "detail.eventName",
    "detail.eventType",
    "detail.reason",
    "detail.errorCode",
    "detail.errorMessage",
    "detail.eventSource",
    "detail.requestParameters.cluster",
    "detail.responseElements.failures.arn",
    "detail.responseElements.failures.reason",
    "detail.state",
];

/// A name that no user has given.
const ANOTHER: &str = "taskbell-another";

/// A field by which the old pattern narrows its alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Narrowing {
    /// The path of the field, as in `detail.group`.
    pub field: String,
    /// The values and operators that the old pattern lists.
    pub wanted: Vec<Value>,
    pub kept: Kept,
}

/// Whether the new rules narrow the field in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// The new rules do.
    Already,
    /// With these flags, the new rules would.
    By(Vec<String>),
    /// No flag expresses the field. These flags come nearest, and still let events through that the old rule does not match.
    Nearly(Vec<String>),
    /// No flag narrows this field.
    No,
}

/// The narrowings of the old pattern, and the patterns to which the proposed flags apply.
#[derive(Debug, Default)]
pub struct Scope {
    pub narrowings: Vec<Narrowing>,
    /// The patterns that have to be named beside the flags, because the flags do not apply to all of the patterns. Empty: no
    /// pattern has to be named.
    pub only: Vec<String>,
}

/// The new rules: their patterns, for these clusters.
#[derive(Clone, Copy)]
pub struct New<'a> {
    pub patterns: &'a [Pattern],
    /// These patterns without the user's filters.
    pub bare: &'a [Pattern],
    pub drill: Drill,
    pub cluster_arns: &'a [String],
}

impl Scope {
    /// Returns how the old pattern narrows its alerts, and how far the new rules keep that.
    ///
    /// # Errors
    /// If a new pattern cannot be bound.
    pub fn of(old: &Value, new: New<'_>) -> Result<Self> {
        let fields = fields(old);
        let now = matchers(new.patterns, new)?;
        let mut lost = Vec::new();
        for field in &fields {
            lost.push(!keeps(old, field, &fields, &now, new)?);
        }
        let filters: Vec<Option<Filters>> = fields.iter().map(|field| filter(&field.path, &field.wanted)).collect();
        let proposed = filters.iter().zip(&lost).filter(|(_, lost)| **lost).filter_map(|(filter, _)| filter.clone());
        let narrowed: Vec<Option<Pattern>> = match joined(proposed) {
            Some(together) => new.bare.iter().map(|pattern| pattern.clone().narrowed(&together).ok()).collect(),
            None => Vec::new(),
        };
        // A pattern that becomes too long for EventBridge is no proposal.
        let fits = |pattern: &&Pattern| pattern.matcher(new.cluster_arns, new.drill).is_ok();
        let only: Vec<Pattern> = narrowed.iter().flatten().filter(fits).cloned().collect();
        let with_flags = matchers(&only, new)?;
        let mut narrowings = Vec::new();
        for ((field, filter), lost) in fields.iter().zip(filters).zip(lost) {
            let flags = filter.filter(|_| !only.is_empty()).map(|filter| flags(&filter));
            let kept = match flags {
                _ if !lost => Kept::Already,
                Some(flags) if keeps(old, field, &fields, &with_flags, new)? => Kept::By(flags),
                Some(flags) => Kept::Nearly(flags),
                None => Kept::No,
            };
            narrowings.push(Narrowing { field: field.path.clone(), wanted: field.wanted.clone(), kept });
        }
        let names = || only.iter().map(|pattern| pattern.name.clone()).collect();
        Ok(Self { narrowings, only: if only.len() < new.bare.len() { names() } else { Vec::new() } })
    }

    /// Returns whether the new rules alert on events that the old rule excludes by such a field.
    #[must_use]
    pub fn is_wider(&self) -> bool {
        self.narrowings.iter().any(|narrowing| narrowing.kept != Kept::Already)
    }
}

/// Returns the old pattern without the fields that narrow it: for the comparison of the kinds of events, names do not matter.
#[must_use]
pub fn without_narrowings(old: &Value) -> Value {
    let fields = fields(old);
    without(old, &|path| fields.iter().any(|field| field.path == path))
}

/// A field with the values and operators that a pattern lists for it, in all of the alternatives.
struct Field {
    path: String,
    wanted: Vec<Value>,
}

/// Returns the fields that narrow a pattern.
fn fields(old: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    collect(old, "", &mut found);
    found.retain(|Field { path, wanted }| {
        let names_cluster = path == "resources" && wanted.iter().all(is_whole_cluster);
        !KINDS.contains(&path.as_str()) && !names_cluster
    });
    found
}

/// Returns whether a leaf of `resources` names all services or all managed daemons of a cluster.
fn is_whole_cluster(leaf: &Value) -> bool {
    let resource = leaf["prefix"].as_str().and_then(Arn::split).map(|arn| arn.resource);
    let path = |kind: &str| resource.and_then(|resource| resource.strip_prefix(kind));
    let path = path("service/").or(path("daemon/"));
    path.is_some_and(|path| path.is_empty() || path.ends_with('/') && path.matches('/').count() == 1)
}

fn collect(pattern: &Value, path: &str, found: &mut Vec<Field>) {
    for (name, value) in pattern.as_object().into_iter().flatten() {
        match value {
            Value::Array(alternatives) if is_or(name, value) => {
                for one in alternatives {
                    collect(one, path, found);
                }
            }
            Value::Array(leaves) => {
                let path = joined_path(path, name);
                match found.iter_mut().find(|field| field.path == path) {
                    Some(field) => field.wanted.extend(leaves.iter().cloned()),
                    None => found.push(Field { path, wanted: leaves.clone() }),
                }
            }
            inner => collect(inner, &joined_path(path, name), found),
        }
    }
}

fn is_or(name: &str, value: &Value) -> bool {
    name == "$or" && value.as_array().is_some_and(|items| items.iter().all(Value::is_object))
}

fn joined_path(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Returns a pattern without the fields at some paths.
fn without(pattern: &Value, is_left_out: &dyn Fn(&str) -> bool) -> Value {
    // A pattern needs a field.
    stripped(pattern, "", is_left_out).unwrap_or_else(|| json!({ "source": ["aws.ecs"] }))
}

/// Returns what is left of an object; none if nothing is left, which matches everything.
fn stripped(pattern: &Value, path: &str, is_left_out: &dyn Fn(&str) -> bool) -> Option<Value> {
    let mut left = serde_json::Map::new();
    for (name, value) in pattern.as_object()? {
        let kept = match value {
            // If one alternative matches everything, so do all of them together.
            Value::Array(items) if is_or(name, value) => {
                let items: Option<Vec<Value>> = items.iter().map(|one| stripped(one, path, is_left_out)).collect();
                items.map(Value::Array)
            }
            Value::Array(_) => (!is_left_out(&joined_path(path, name))).then(|| value.clone()),
            inner => stripped(inner, &joined_path(path, name), is_left_out),
        };
        left.extend(kept.map(|value| (name.clone(), value)));
    }
    (!left.is_empty()).then_some(Value::Object(left))
}

fn matchers(patterns: &[Pattern], new: New<'_>) -> Result<Vec<Matcher>> {
    patterns.iter().map(|pattern| pattern.matcher(new.cluster_arns, new.drill)).collect()
}

/// Returns whether the new rules match no event that the old rule excludes by this field: tries each sample with other values of the
/// field.
fn keeps(old: &Value, field: &Field, fields: &[Field], new: &[Matcher], given: New<'_>) -> Result<bool> {
    let is_other = |path: &str| path != field.path && fields.iter().any(|other| other.path == path);
    let by_field = without(old, &is_other);
    let by_none = without_narrowings(old);
    let (Ok(by_field), Ok(by_none)) = (Matcher::new(&(&by_field).into()), Matcher::new(&(&by_none).into())) else {
        return Ok(false);
    };
    let cluster = given.cluster_arns.first().map(|arn| example(arn)).unwrap_or_default();
    let others = others(field, &cluster);
    let steps: Vec<&str> = field.path.split('.').collect();
    for sample in samples::of_cluster(&cluster)? {
        for matcher in new {
            let Some(event) = fitted(matcher, sample.clone()) else { continue };
            for other in &others {
                let mut event = event.clone();
                set(&mut event, &steps, other.as_ref());
                if matcher.matches(&event) && by_none.matches(&event) && !by_field.matches(&event) {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// Returns values of the field that a narrowed pattern may exclude; none stands for an event without the field.
fn others(field: &Field, cluster_arn: &str) -> Vec<Option<Value>> {
    let of_service = cluster_arn.replacen(":cluster/", ":service/", 1);
    let of_definition = cluster_arn.split_once(":cluster/").map_or("", |(place, _)| place);
    let mut others = vec![
        json!(ANOTHER),
        json!(format!("service:{ANOTHER}")),
        json!(format!("family:{ANOTHER}")),
        json!(format!("ecs-svc/{ANOTHER}")),
        json!(format!("{of_service}/{ANOTHER}")),
        json!(format!("{of_definition}:task-definition/{ANOTHER}:1")),
        json!("FARGATE"),
        json!("EC2"),
        json!("EXTERNAL"),
        json!(0),
        json!(true),
    ];
    for text in field.wanted.iter().flat_map(texts) {
        // Another revision of the same family, and a name that has the listed one as its beginning.
        others.extend(text.rsplit_once(':').map(|(family, _)| json!(format!("{family}:4242"))));
        others.push(json!(format!("{text}{ANOTHER}")));
        others.push(json!(text));
    }
    others.into_iter().map(Some).chain([None]).collect()
}

/// Returns the texts in a leaf.
fn texts(leaf: &Value) -> Vec<String> {
    match leaf {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Sets a field of an event, in all elements of the lists on the way.
fn set(event: &mut Value, steps: &[&str], value: Option<&Value>) {
    match (event, steps) {
        (Value::Array(items), _) if items.iter().all(Value::is_object) => {
            for item in items {
                set(item, steps, value);
            }
        }
        (Value::Object(fields), [last]) => match (value, fields.get_mut(*last)) {
            (None, _) => drop(fields.remove(*last)),
            // A list of texts, as in `resources`.
            (Some(value), Some(Value::Array(items))) if !items.is_empty() => items[0] = value.clone(),
            (Some(value), _) => drop(fields.insert((*last).to_owned(), value.clone())),
        },
        (Value::Object(fields), [first, rest @ ..]) if value.is_some() || fields.contains_key(*first) => {
            set(fields.entry(*first).or_insert_with(|| json!({})), rest, value);
        }
        _ => {}
    }
}

/// Returns the filter that narrows tasks or services as the field does, or nearly so; none: no flag does.
fn filter(path: &str, wanted: &[Value]) -> Option<Filters> {
    let none = Filters::default();
    let filter = match path {
        "detail.taskDefinitionArn" => match names(wanted, "task-definition/", Some(':'))? {
            Names::Taken(families) => Filters { families, ..none },
            Names::Refused(exclude_families) => Filters { exclude_families, ..none },
        },
        "detail.group" => match (names(wanted, "service:", None), names(wanted, "family:", None)) {
            (Some(Names::Taken(services)), _) => Filters { services, ..none },
            (Some(Names::Refused(exclude_services)), _) => Filters { exclude_services, ..none },
            (None, Some(Names::Taken(families))) => Filters { families, ..none },
            (None, Some(Names::Refused(exclude_families))) => Filters { exclude_families, ..none },
            (None, None) => return None,
        },
        "resources" => match names(wanted, "service/", None)? {
            Names::Taken(paths) => Filters { services: paths.iter().map(|path| service(path)).collect(), ..none },
            Names::Refused(paths) => {
                Filters { exclude_services: paths.iter().map(|path| service(path)).collect(), ..none }
            }
        },
        "detail.containers.name" => match wanted {
            [Value::String(name)] => Filters { container: Some(name.clone()), ..none },
            _ => return None,
        },
        _ => return None,
    };
    filter.checked().ok()
}

/// Returns the service's name of the end of a service's ARN, which has the cluster in front of it.
fn service(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Names as the filters have them, with `*` for any characters.
enum Names {
    Taken(Vec<String>),
    Refused(Vec<String>),
}

/// Reads the names in the leaves of one field. A name begins after `start`, and ends before `end`. Returns none if a leaf lists
/// anything else.
fn names(wanted: &[Value], start: &str, end: Option<char>) -> Option<Names> {
    let name = |text: &str, is_prefix: bool| {
        let (_, rest) = text.split_once(start)?;
        let rest = match end.and_then(|end| rest.split_once(end)) {
            Some((name, _)) => name.to_owned(),
            None if is_prefix => format!("{rest}*"),
            None => rest.to_owned(),
        };
        (!rest.is_empty()).then_some(rest)
    };
    let all = |value: &Value, is_prefix: bool| -> Option<Vec<String>> {
        let texts = match value {
            Value::Array(items) => items.iter().map(|item| item.as_str()).collect::<Option<Vec<_>>>()?,
            one => vec![one.as_str()?],
        };
        texts.into_iter().map(|text| name(text, is_prefix)).collect()
    };
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for leaf in wanted {
        match leaf {
            Value::String(text) => taken.push(name(text, false)?),
            Value::Object(operator) => {
                let (operator, value) = operator.iter().next()?;
                match (operator.as_str(), value) {
                    ("prefix", value) => taken.extend(all(value, true)?),
                    ("wildcard", value) => taken.extend(all(value, false)?),
                    ("anything-but", Value::Object(inner)) => match inner.iter().next()? {
                        (operator, value) if operator == "prefix" => refused.extend(all(value, true)?),
                        (operator, value) if operator == "wildcard" => refused.extend(all(value, false)?),
                        _ => return None,
                    },
                    ("anything-but", value) => refused.extend(all(value, false)?),
                    // An exclusion keeps events without the field.
                    ("exists", Value::Bool(false)) if wanted.len() > 1 => {}
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
    match (taken.is_empty(), refused.is_empty()) {
        (false, true) => Some(Names::Taken(taken)),
        (true, false) => Some(Names::Refused(refused)),
        _ => None,
    }
}

/// Joins filters of several fields; none if there is none, or if they contradict each other.
fn joined(filters: impl Iterator<Item = Filters>) -> Option<Filters> {
    let together = filters.reduce(|mut all, one| {
        all.families.extend(one.families);
        all.exclude_families.extend(one.exclude_families);
        all.services.extend(one.services);
        all.exclude_services.extend(one.exclude_services);
        all.container = all.container.or(one.container);
        all
    })?;
    together.checked().ok()
}

/// Returns the flags of a filter, as a shell reads them.
fn flags(filter: &Filters) -> Vec<String> {
    let Filters { families, exclude_families, services, exclude_services, container, exclude_clusters: _, jobs: _ } =
        filter;
    let all = [
        ("--family", families),
        ("--exclude-family", exclude_families),
        ("--service", services),
        ("--exclude-service", exclude_services),
    ];
    let quoted = |name: &String| if name.contains('*') { format!("'{name}'") } else { name.clone() };
    let lists =
        all.into_iter().flat_map(|(flag, names)| names.iter().map(move |name| format!("{flag} {}", quoted(name))));
    lists.chain(container.iter().map(|name| format!("--container {name}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/prod";
    const DEFINITION: &str = "arn:aws:ecs:us-east-1:123456789012:task-definition/";

    fn old(detail: &Value) -> Value {
        let mut pattern = json!({
            "source": ["aws.ecs"], "detail-type": ["ECS Task State Change"],
            "detail": { "clusterArn": [CLUSTER], "lastStatus": ["STOPPED"] },
        });
        let detail = detail.as_object().unwrap().clone();
        pattern["detail"].as_object_mut().unwrap().extend(detail);
        pattern
    }

    fn patterns(names: &[&str], filters: &Filters) -> Vec<Pattern> {
        names.iter().map(|name| Pattern::find(name).unwrap().narrowed(filters).unwrap()).collect()
    }

    const DEFAULTS: [&str; 3] = ["task-failed", "deployment-failed", "service-impaired"];

    fn scope(old: &Value, names: &[&str], filters: &Filters) -> Scope {
        let (patterns, bare) = (patterns(names, filters), self::patterns(names, &Filters::default()));
        let cluster_arns = [CLUSTER.to_owned()];
        let new = New { patterns: &patterns, bare: &bare, drill: Drill::Accepted, cluster_arns: &cluster_arns };
        Scope::of(old, new).unwrap()
    }

    #[test]
    fn every_narrowing_field_is_found_with_the_flags_that_keep_it() {
        let by = |flags: &[&str]| Kept::By(flags.iter().map(|flag| (*flag).to_owned()).collect());
        let nearly = |flags: &[&str]| Kept::Nearly(flags.iter().map(|flag| (*flag).to_owned()).collect());
        for (detail, field, kept, only) in [
            (json!({ "group": ["service:orders"] }), "detail.group", by(&["--service orders"]), false),
            (
                json!({ "group": ["service:a", "service:b"] }),
                "detail.group",
                by(&["--service a", "--service b"]),
                false,
            ),
            (json!({ "group": [{ "prefix": "service:ord" }] }), "detail.group", by(&["--service 'ord*'"]), false),
            (
                json!({ "group": [{ "anything-but": ["service:web"] }, { "exists": false }] }),
                "detail.group",
                by(&["--exclude-service web"]),
                true,
            ),
            (json!({ "group": ["family:nightly"] }), "detail.group", nearly(&["--family nightly"]), true),
            (
                json!({ "taskDefinitionArn": [{ "prefix": format!("{DEFINITION}nightly:") }] }),
                "detail.taskDefinitionArn",
                by(&["--family nightly"]),
                true,
            ),
            (
                json!({ "taskDefinitionArn": [{ "prefix": format!("{DEFINITION}night") }] }),
                "detail.taskDefinitionArn",
                by(&["--family 'night*'"]),
                true,
            ),
            (
                json!({ "taskDefinitionArn": [{ "wildcard": "*:task-definition/*-job:*" }] }),
                "detail.taskDefinitionArn",
                by(&["--family '*-job'"]),
                true,
            ),
            (
                json!({ "taskDefinitionArn": [format!("{DEFINITION}nightly:7")] }),
                "detail.taskDefinitionArn",
                nearly(&["--family nightly"]),
                true,
            ),
            (json!({ "startedBy": [{ "prefix": "events-rule/" }] }), "detail.startedBy", Kept::No, false),
            (json!({ "launchType": ["FARGATE"] }), "detail.launchType", Kept::No, false),
            (json!({ "capacityProviderName": ["FARGATE_SPOT"] }), "detail.capacityProviderName", Kept::No, false),
            (
                json!({ "$or": [{ "startedBy": ["x"] }, { "startedBy": ["y"], "stopCode": ["TaskFailedToStart"] }] }),
                "detail.startedBy",
                Kept::No,
                false,
            ),
        ] {
            let Scope { narrowings, only: named } = scope(&old(&detail), &DEFAULTS, &Filters::default());
            assert_eq!(narrowings.len(), 1, "{detail}: {narrowings:?}");
            let narrowing = &narrowings[0];
            assert_eq!((narrowing.field.as_str(), &narrowing.kept), (field, &kept), "{detail}");
            assert_eq!(!named.is_empty(), only, "{detail}: {named:?}");
        }
    }

    #[test]
    fn fields_about_the_kind_of_event_do_not_narrow() {
        for detail in [
            json!({}),
            json!({ "stopCode": ["TaskFailedToStart"], "containers": { "exitCode": [{ "anything-but": 0 }] } }),
            json!({ "$or": [{ "stopCode": ["x"] }, { "stoppedReason": [{ "prefix": "y" }] }] }),
        ] {
            assert!(scope(&old(&detail), &DEFAULTS, &Filters::default()).narrowings.is_empty(), "{detail}");
        }
        let whole = json!({ "source": ["aws.ecs"], "resources": [{ "prefix": "arn:aws:ecs:us-east-1:123456789012:service/prod/" }] });
        assert!(scope(&whole, &DEFAULTS, &Filters::default()).narrowings.is_empty());
    }

    #[test]
    fn given_filter_keeps_the_field_only_if_it_excludes_as_much() {
        let narrow = old(&json!({ "group": ["service:orders"] }));
        let of = |service: &str| Filters { services: vec![service.to_owned()], ..Filters::default() };
        assert!(!scope(&narrow, &DEFAULTS, &of("orders")).is_wider());
        assert!(scope(&narrow, &DEFAULTS, &of("orders*")).is_wider());
        assert!(
            scope(&narrow, &["task-failed"], &Filters { container: Some("app".to_owned()), ..Filters::default() })
                .is_wider()
        );
    }

    #[test]
    fn pattern_without_its_narrowings_matches_every_name() {
        let wide = without_narrowings(&old(&json!({
            "group": ["service:orders"], "containers": { "name": ["app"] },
            "$or": [{ "startedBy": ["x"] }, { "stopCode": ["y"] }],
        })));
        assert_eq!(wide, old(&json!({})));
    }
}
