//! Narrows a pattern to families, services or one container: on the parsed tree, with the means of EventBridge alone.
//!
//! For one field, EventBridge can express "one of these" or "none of these", but not both. Uses a wildcard only if a prefix does
//! not suffice: a bus accepts 30 rules with wildcards.

use serde_json::{Value, json};

use super::clusters::is_glob;
use super::job_filter::JobFilters;
use crate::arn::is_ecs_glob;
use crate::error::{Error, Result};
use crate::secret::echoed;

/// The families, services and container to which a stack's patterns are narrowed. Names may contain `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    pub families: Vec<String>,
    pub exclude_families: Vec<String>,
    pub services: Vec<String>,
    pub exclude_services: Vec<String>,
    /// The container whose exit code counts.
    pub container: Option<String>,
    /// The clusters that a stack for all clusters leaves out.
    pub exclude_clusters: Vec<String>,
    /// The queues, jobs and state machines, which belong to no cluster.
    pub jobs: JobFilters,
}

/// The flag that names a container.
pub const CONTAINER: &str = "--container";

const TASK: &str = "ECS Task State Change";
const OF_SERVICES: [&str; 4] = [
    "ECS Deployment State Change",
    "ECS Service Action",
    "ECS Daemon Service Action",
    "ECS Daemon Deployment State Change",
];

/// The subject of a pattern's events, by their detail-types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Tasks,
    Services,
    Other,
}

impl Filters {
    /// # Errors
    /// For names that ECS does not allow, and for filters that exclude everything or that EventBridge cannot express together.
    pub fn checked(self) -> Result<Self> {
        let Self { families, exclude_families, services, exclude_services, container, exclude_clusters, jobs } = &self;
        jobs.checked()?;
        for (flag, names) in [
            ("--family", families),
            ("--exclude-family", exclude_families),
            ("--service", services),
            ("--exclude-service", exclude_services),
            ("--exclude-cluster", exclude_clusters),
        ] {
            names.iter().try_for_each(|name| legal(flag, name))?;
        }
        if let Some(name) = container {
            legal("--container", name)?;
            if name.contains('*') {
                return Err(Error::usage(format!("--container {} has to be one name", echoed(name))));
            }
        }
        for (what, include, exclude) in
            [("family", families, exclude_families), ("service", services, exclude_services)]
        {
            if !include.is_empty() && !exclude.is_empty() {
                return Err(Error::usage(format!("--{what} and --exclude-{what} cannot be combined")).hint(
                    "for one field, a pattern can list the values that match or the values that do not, not both",
                ));
            }
        }
        if exclude_families.iter().chain(exclude_services).chain(exclude_clusters).any(|name| name == "*") {
            return Err(Error::usage("a filter that excludes everything leaves nothing to alert on"));
        }
        Ok(self)
    }

    /// Returns each flag that narrows patterns within clusters, with the filter of that flag alone.
    #[must_use]
    pub fn apart(&self) -> Vec<(&'static str, Self)> {
        let Self { families, exclude_families, services, exclude_services, container, exclude_clusters, jobs } =
            self.clone();
        let none = Self { exclude_clusters, ..Self::default() };
        let alone = [
            ("--family", Self { families, ..none.clone() }),
            ("--exclude-family", Self { exclude_families, ..none.clone() }),
            ("--service", Self { services, ..none.clone() }),
            ("--exclude-service", Self { exclude_services, ..none.clone() }),
            (CONTAINER, Self { container, ..none.clone() }),
        ];
        let of_jobs = jobs.apart().into_iter().map(|(flag, jobs)| (flag, Self { jobs, ..none.clone() }));
        alone.into_iter().filter(|(_, filter)| *filter != none).chain(of_jobs).collect()
    }

    /// Returns the filters without those of some flags.
    #[must_use]
    pub fn without(&self, flags: &[&str]) -> Self {
        let mut left = self.clone();
        for flag in flags {
            match *flag {
                "--family" => left.families.clear(),
                "--exclude-family" => left.exclude_families.clear(),
                "--service" => left.services.clear(),
                "--exclude-service" => left.exclude_services.clear(),
                CONTAINER => left.container = None,
                _ => {}
            }
        }
        left
    }

    fn narrows_nothing(&self) -> bool {
        *self == Self { exclude_clusters: self.exclude_clusters.clone(), ..Self::default() }
    }

    fn of_families(&self) -> bool {
        !self.families.is_empty() || !self.exclude_families.is_empty()
    }

    fn of_services(&self) -> bool {
        !self.services.is_empty() || !self.exclude_services.is_empty()
    }

    /// Checks whether the pattern's events contain the fields of the filters, and the pattern does not restrict these fields
    /// already: such a restriction would be replaced, and not narrowed.
    #[must_use]
    pub fn can_narrow(&self, tree: &Value) -> bool {
        self.jobs.can_narrow(tree) && Self { jobs: JobFilters::default(), ..self.clone() }.can_narrow_ecs(tree)
    }

    fn can_narrow_ecs(&self, tree: &Value) -> bool {
        let (mut groups, mut definitions, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (field, found) in [("group", &mut groups), ("taskDefinitionArn", &mut definitions), ("name", &mut names)] {
            fields_named(tree, field, found);
        }
        if !tree["detail"].is_null() && !tree["detail"].is_object() {
            return self.narrows_nothing();
        }
        let any_service = json!([{ "prefix": "service:" }]);
        // A group in the alternatives themselves is narrowed with them; a deeper one would be replaced.
        let alternatives = tree["detail"]["$or"].as_array().into_iter().flatten();
        // Without included services, `startedBy` replaces the group of an alternative: an existing `startedBy` would be replaced,
        // too.
        let is_free = |one: &Value| {
            !self.services.is_empty() || one["startedBy"].is_null() && tree["detail"]["startedBy"].is_null()
        };
        let within_reach = alternatives.filter(|one| !one["group"].is_null() && is_free(one)).count();
        match subject(tree) {
            Subject::Tasks => {
                (!self.of_services()
                    || groups.iter().all(|group| **group == any_service) && groups.len() == within_reach)
                    && (!self.of_families() || definitions.is_empty())
                    && (self.container.is_none() || names.is_empty() && looks_at_containers(tree))
            }
            // If only the service's ARN contains the cluster, that field cannot exclude a service or a cluster as well.
            Subject::Services => {
                let excludes = !self.exclude_services.is_empty() || !self.exclude_clusters.is_empty();
                let excludes = self.of_services() && excludes && tree["detail"]["clusterArn"].is_null();
                let services = json!({ "prefix": "${service_arn_prefix}" });
                let daemons = json!({ "prefix": "${daemon_arn_prefix}" });
                let whole_cluster =
                    [Value::Null, json!([services]), json!([services, daemons])].contains(&tree["resources"]);
                !self.of_families() && self.container.is_none() && !excludes && (!self.of_services() || whole_cluster)
            }
            Subject::Other => self.narrows_nothing(),
        }
    }

    /// Narrows a tree that was bound to these clusters. Narrows each alternative of a pattern of events of different sources by
    /// itself: the companions and the pattern of AWS Batch have such alternatives.
    pub fn narrow(&self, tree: &mut Value, cluster_arns: &[String]) {
        each_alternative(tree, &|one| match subject(one) {
            Subject::Tasks => self.narrow_tasks(one, cluster_arns),
            Subject::Services if self.of_services() => {
                let prefixes: Vec<String> = cluster_arns.iter().map(|arn| service_arn_prefix(arn)).collect();
                one["resources"] = leaves(&self.services, &self.exclude_services, &prefixes, "");
            }
            Subject::Services | Subject::Other => self.jobs.narrow(one),
        });
    }

    fn narrow_tasks(&self, tree: &mut Value, cluster_arns: &[String]) {
        let definitions = |arn: &String| arn.split_once(":cluster/").map(|(ecs, _)| format!("{ecs}:task-definition/"));
        let mut prefixes: Vec<String> = cluster_arns.iter().filter_map(definitions).collect();
        prefixes.sort();
        prefixes.dedup();
        if self.of_families() {
            tree["detail"]["taskDefinitionArn"] = leaves(&self.families, &self.exclude_families, &prefixes, ":");
        }
        if self.of_services() {
            let groups = leaves(&self.services, &self.exclude_services, &["service:".to_owned()], "");
            // The group of an alternative would replace the group beside it.
            if let Some(alternatives) = tree["detail"].get_mut("$or") {
                replace_groups(alternatives, (!self.services.is_empty()).then_some(&groups));
            }
            tree["detail"]["group"] = groups;
        }
        if let Some(container) = &self.container {
            name_container(&mut tree["detail"], container, false);
        }
    }
}

/// Returns the leaves of one field: the included names, or the excluded ones. Exclusion keeps events without the field. `end` is
/// the text that follows the name in the field, before the rest.
fn leaves(include: &[String], exclude: &[String], prefixes: &[String], end: &str) -> Value {
    match include.is_empty() {
        false => taken(include, prefixes, end),
        true => json!([{ "anything-but": refused(exclude, prefixes, end) }, { "exists": false }]),
    }
}

fn taken(names: &[String], prefixes: &[String], end: &str) -> Value {
    let leaf = |prefix: &String, name: &String| match Form::of(name, end) {
        _ if is_glob(prefix) => json!({ "wildcard": format!("{prefix}{}", whole(name, end)) }),
        Form::Exact => json!(format!("{prefix}{name}")),
        Form::Prefix(stem) => json!({ "prefix": format!("{prefix}{stem}") }),
        Form::Wildcard(glob) => json!({ "wildcard": format!("{prefix}{glob}") }),
    };
    prefixes.iter().flat_map(|prefix| names.iter().map(move |name| leaf(prefix, name))).collect()
}

/// Returns one operator over all excluded names, because a field can have only one operator that excludes.
pub(super) fn refused(names: &[String], prefixes: &[String], end: &str) -> Value {
    let all = |text: &dyn Fn(&String) -> String| -> Vec<String> {
        prefixes.iter().flat_map(|prefix| names.iter().map(move |name| format!("{prefix}{}", text(name)))).collect()
    };
    let forms: Vec<Form> = names.iter().map(|name| Form::of(name, end)).collect();
    if prefixes.iter().any(|prefix| is_glob(prefix)) {
        return json!({ "wildcard": all(&|name| whole(name, end)) });
    }
    if forms.iter().all(|form| matches!(form, Form::Exact)) {
        return json!(all(&Clone::clone));
    }
    if forms.iter().all(|form| matches!(form, Form::Prefix(_))) {
        let stem = |name: &String| match Form::of(name, end) {
            Form::Prefix(stem) => stem,
            Form::Exact | Form::Wildcard(_) => name.clone(),
        };
        return json!({ "prefix": all(&stem) });
    }
    json!({ "wildcard": all(&|name| whole(name, end)) })
}

/// The simplest operator that expresses a name.
enum Form {
    Exact,
    Prefix(String),
    Wildcard(String),
}

impl Form {
    fn of(name: &str, end: &str) -> Self {
        match name.find('*') {
            None if end.is_empty() => Self::Exact,
            None => Self::Prefix(format!("{name}{end}")),
            Some(at) if at == name.len() - 1 => Self::Prefix(name[..at].to_owned()),
            Some(_) => Self::Wildcard(whole(name, end)),
        }
    }
}

/// Returns a wildcard over the whole text, without consecutive `*`, which are not allowed.
fn whole(name: &str, end: &str) -> String {
    match (end.is_empty(), name.ends_with('*')) {
        (true, _) | (_, true) => name.to_owned(),
        (false, false) => format!("{name}{end}*"),
    }
}

fn subject(tree: &Value) -> Subject {
    let types: Vec<&str> = tree["detail-type"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match types.as_slice() {
        [TASK] => Subject::Tasks,
        [_, ..] if types.iter().all(|one| OF_SERVICES.contains(one)) => Subject::Services,
        _ => Subject::Other,
    }
}

/// Changes the alternatives of a pattern whose alternatives have their own detail-types; or else the pattern itself.
pub fn each_alternative(tree: &mut Value, change: &dyn Fn(&mut Value)) {
    let has_type = !tree["detail-type"].is_null();
    match tree.get_mut("$or").and_then(Value::as_array_mut) {
        Some(alternatives) if !has_type => alternatives.iter_mut().for_each(change),
        _ => change(tree),
    }
}

/// Removes the source of drills, and the alternatives that have no other source.
pub fn without_source(tree: &mut Value, source: &str) {
    each_alternative(tree, &|one| {
        if let Some(sources) = one.get_mut("source").and_then(Value::as_array_mut) {
            sources.retain(|known| known != source);
        }
    });
    let Some(alternatives) = tree.get_mut("$or").and_then(Value::as_array_mut) else { return };
    alternatives.retain(|one| one["source"] != json!([]));
    // EventBridge does not accept a single alternative.
    if let [only] = alternatives.as_mut_slice() {
        let only = only.take();
        if tree.as_object().is_some_and(|fields| fields.len() == 1) {
            *tree = only;
        } else {
            tree["$or"] = json!([only]);
        }
    }
}

/// Returns whether the events of a pattern, or of an alternative, are of tasks.
#[must_use]
pub fn is_of_tasks(tree: &Value) -> bool {
    subject(tree) == Subject::Tasks
}

/// Returns whether the events of a pattern are of services and their deployments.
pub(super) fn is_of_services(tree: &Value) -> bool {
    subject(tree) == Subject::Services
}

/// Collects the values of every field of this name, at any depth.
fn fields_named<'a>(tree: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match tree {
        Value::Object(fields) => {
            for (field, value) in fields {
                if field == name {
                    found.push(value);
                }
                fields_named(value, name, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields_named(item, name, found)),
        _ => {}
    }
}

/// Replaces the group in alternatives that ask for any service: by the included services, or, for excluded services, by the
/// deployment that started a service's task.
fn replace_groups(alternatives: &mut Value, groups: Option<&Value>) {
    for alternative in alternatives.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        if alternative.remove("group").is_some() {
            match groups {
                Some(groups) => alternative.insert("group".to_owned(), groups.clone()),
                None => alternative.insert("startedBy".to_owned(), json!([{ "prefix": "ecs-svc/" }])),
            };
        }
    }
}

/// Checks whether a pattern or one of its alternatives has conditions on containers.
pub fn looks_at_containers(tree: &Value) -> bool {
    let mut found = Vec::new();
    fields_named(tree, "containers", &mut found);
    found.into_iter().any(Value::is_object)
}

/// The stop code of a task that ended by itself. Events from before 2019 have no stop code.
const BY_ITSELF: &str = "EssentialContainerExited";

/// Splits an alternative that matches all stop codes but some, so that one container decides about tasks that ended by
/// themselves: by the container's exit code, its reason, or any end of it in a service. Returns none for any other alternative.
fn parts(alternative: &Value, container: &str) -> Option<Vec<Value>> {
    let fields = alternative.as_object()?;
    if ["containers", "$or", "stoppedReason", "startedBy"].iter().any(|name| fields.contains_key(*name)) {
        return None;
    }
    let codes = fields.get("stopCode")?.as_array()?;
    let refused = codes.iter().find_map(|leaf| leaf["anything-but"].as_array())?;
    if refused.iter().any(|code| code == BY_ITSELF) {
        return None;
    }
    let absent = json!({ "exists": false });
    let by_itself = if codes.contains(&absent) { json!([BY_ITSELF, absent]) } else { json!([BY_ITSELF]) };
    let others: Vec<Value> = refused.iter().cloned().chain([json!(BY_ITSELF)]).collect();
    let mut parts = vec![
        json!({ "stopCode": [{ "anything-but": others }] }),
        json!({ "stopCode": by_itself, "containers": { "name": [container], "exitCode": [{ "anything-but": 0 }, absent] } }),
        json!({ "stopCode": by_itself, "containers": { "name": [container], "reason": [{ "exists": true }] } }),
        json!({ "stopCode": by_itself, "startedBy": [{ "prefix": "ecs-svc/" }],
            "containers": { "name": [container], "exitCode": [{ "exists": true }] } }),
    ];
    // Without a stop code, the reason identifies tasks that did not end by themselves.
    if codes.contains(&absent) {
        let told = json!([{ "anything-but": { "prefix": "Essential container in task exited" } }]);
        parts.push(json!({ "stopCode": [absent], "stoppedReason": told }));
    }
    for part in parts.iter_mut().filter_map(Value::as_object_mut) {
        let beside = fields.iter().filter(|(name, _)| *name != "stopCode");
        part.extend(beside.map(|(name, value)| (name.clone(), value.clone())));
    }
    Some(parts)
}

/// Names the container in each alternative about containers, or about a task that ended by itself, so that the other containers of
/// such a task do not count.
fn name_container(alternative: &mut Value, container: &str, of_exit: bool) {
    let Some(fields) = alternative.as_object_mut() else { return };
    let of_exit = of_exit || fields.get("stopCode").is_some_and(|codes| holds(codes, BY_ITSELF));
    if let Some(containers) = fields.get_mut("containers").filter(|containers| containers.is_object()) {
        containers["name"] = json!([container]);
        return;
    }
    match fields.get_mut("$or").and_then(Value::as_array_mut) {
        Some(alternatives) => {
            for one in alternatives.iter_mut() {
                name_container(one, container, of_exit);
            }
            *alternatives =
                alternatives.drain(..).flat_map(|one| parts(&one, container).unwrap_or_else(|| vec![one])).collect();
        }
        None if of_exit => {
            fields.insert("containers".to_owned(), json!({ "name": [container], "exitCode": [{ "exists": true }] }));
        }
        None => {}
    }
}

fn holds(leaves: &Value, text: &str) -> bool {
    leaves.as_array().is_some_and(|leaves| leaves.iter().any(|leaf| leaf == text))
}

fn legal(flag: &str, name: &str) -> Result<()> {
    match is_ecs_glob(name) {
        true => Ok(()),
        false => Err(Error::usage(format!("{flag} {} is not a name", echoed(name)))
            .hint("names consist of letters, digits, hyphens and underscores; * matches any characters")),
    }
}

/// Returns the beginning of the ARNs of a cluster's managed daemons.
pub(super) fn daemon_arn_prefix(cluster_arn: &str) -> String {
    format!("{}/", cluster_arn.replacen(":cluster/", ":daemon/", 1))
}

/// Returns the beginning of the ARNs of a cluster's services.
pub(super) fn service_arn_prefix(cluster_arn: &str) -> String {
    format!("{}/", cluster_arn.replacen(":cluster/", ":service/", 1))
}
