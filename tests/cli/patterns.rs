//! Checks the catalogue: which events each pattern matches, and what binding and narrowing may change.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use taskbell::notifier::embedded::Engine;
use taskbell::pattern::clusters::covers;
use taskbell::pattern::filter::Filters;
use taskbell::pattern::matcher::Matcher;
use taskbell::pattern::samples::{SAMPLES, of_cluster_by_name, sample};
use taskbell::pattern::{CATALOGUE, DEFAULT, Drill, Entry, Pattern, has_wildcard};

use crate::support::aws::{Aws, Failure, Fault, On};
use crate::support::{Outcome, taskbell};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PROD: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/prod";

fn bound(name: &str, clusters: &[&str]) -> Matcher {
    let clusters: Vec<String> = clusters.iter().map(|arn| (*arn).to_owned()).collect();
    let tree = Pattern::find(name).unwrap().bind(&clusters, Drill::Accepted).unwrap();
    Matcher::new(&(&tree).into()).unwrap()
}

/// Returns the cluster of an event.
fn cluster_of(event: &Value) -> String {
    let service = event["resources"][0].as_str().and_then(|arn| arn.split_once(":service/"));
    let of_service = service.and_then(|(ecs, path)| Some(format!("{ecs}:cluster/{}", path.split_once('/')?.0)));
    event["detail"]["clusterArn"].as_str().map(str::to_owned).or(of_service).unwrap_or_else(|| PROD.to_owned())
}

fn table(events: &[(String, Value)]) -> String {
    let mut table = "| event | patterns |\n|---|---|\n".to_owned();
    for (name, event) in events {
        let cluster = cluster_of(event);
        let taken = CATALOGUE.iter().filter(|entry| bound(entry.name, &[&cluster]).matches(event));
        let names: Vec<String> = taken.map(|entry| format!("`{}`", entry.name)).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        table.extend(["| ", name, " | ", &names, " |\n"]);
    }
    table
}

/// Returns the lists of alerts in the docs: the samples that the default patterns and the notifier announce, those that need another pattern,
/// and those that are never announced.
fn alerts() -> String {
    let engine = Engine::new().unwrap();
    let (mut alert, mut asked, mut silent) = (String::new(), String::new(), String::new());
    for known in SAMPLES {
        let (event, context) = sample(known.name).unwrap();
        let announced = engine.preview(&event, &context, &json!({})).unwrap().incident["rings"] == true;
        let taken = |entry: &&Entry| announced && bound(entry.name, &[PROD]).matches(&event);
        let is_default = |entry: &&Entry| DEFAULT.contains(&entry.name);
        let all: Vec<&Entry> = CATALOGUE.iter().filter(taken).collect();
        match all.iter().find(|entry| is_default(entry)).or(all.first()) {
            Some(entry) if is_default(entry) => alert.extend(["- ", known.title, "\n"]),
            Some(entry) => {
                let needs = if entry.needs.is_empty() { String::new() } else { format!("; needs {}", entry.needs) };
                asked.extend(["- ", known.title, ": `--pattern ", entry.name, "`", &needs, "\n"]);
            }
            None => silent.extend(["- ", known.title, "\n"]),
        }
    }
    format!("**Alert:**\n\n{alert}\n**Alert only if you ask for it:**\n\n{asked}\n**Silent:**\n\n{silent}")
}

/// Returns the table of the catalogue in the docs, with the texts of `pattern list`.
fn catalogue() -> String {
    let mut table = "| pattern | alerts on | silent on | needs |\n|---|---|---|---|\n".to_owned();
    for Entry { name, rings, needs, silent, .. } in &CATALOGUE {
        let default = if DEFAULT.contains(name) { " (default)" } else { "" };
        table.extend([&format!("| `{name}`{default} | "), *rings, " | ", silent, " | ", needs, " |\n"]);
    }
    table
}

fn samples() -> Vec<(String, Value)> {
    SAMPLES.iter().map(|known| (known.name.to_owned(), sample(known.name).unwrap().0)).collect()
}

fn recorded() -> Vec<(String, Value)> {
    let folder = format!("{ROOT}/patterns/events/field");
    let mut events: Vec<(String, Value)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), serde_json::from_str(&text).unwrap())
        })
        .collect();
    events.sort_by(|one, other| one.0.cmp(&other.0));
    events
}

/// Checks the list of the patterns that match each event. An event does not name its rule, so the notifier decides with its own code:
/// lambda/test/destinations.test.mjs compares that code with the same list.
#[test]
fn list_for_the_notifier_has_the_patterns_that_match_each_event() {
    let mut golden = json!({});
    let recorded = recorded().into_iter().map(|(name, event)| (format!("field/{name}"), event));
    for (name, event) in samples().into_iter().chain(recorded) {
        let taken = CATALOGUE.iter().filter(|entry| bound(entry.name, &[&cluster_of(&event)]).matches(&event));
        let taken: Vec<&str> = taken.map(|entry| entry.name).collect();
        golden[name] = json!(taken);
    }
    let path = format!("{ROOT}/tests/golden/patterns.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{golden:#}\n")).unwrap();
    }
    assert_eq!(serde_json::from_str::<Value>(&std::fs::read_to_string(&path).unwrap()).unwrap(), golden);
}

/// Checks the tables of the docs. After an intended change: `UPDATE_GOLDEN=1 cargo test --test cli patterns::`.
#[test]
fn tables_of_the_docs_agree_with_the_patterns() {
    for (file, mark, table) in [
        ("docs/patterns.md", "samples", table(&samples())),
        ("docs/patterns.md", "field", table(&recorded())),
        ("docs/what-alerts.md", "alerts", alerts()),
        ("docs/patterns.md", "catalogue", catalogue()),
    ] {
        let path = format!("{ROOT}/{file}");
        let page = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = page.split_once(&format!("<!-- {mark} -->\n")).unwrap();
        let (_, after) = rest.split_once(&format!("<!-- end of {mark} -->")).unwrap();
        let fresh = format!("{before}<!-- {mark} -->\n{table}<!-- end of {mark} -->{after}");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &fresh).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), fresh, "{file} is stale");
    }
}

#[test]
fn every_pattern_matches_some_samples_and_not_others() {
    for entry in &CATALOGUE {
        let pattern = bound(entry.name, &[PROD]);
        let taken: Vec<String> =
            samples().into_iter().filter(|(_, event)| pattern.matches(event)).map(|(name, _)| name).collect();
        assert!(!taken.is_empty() && taken.len() < SAMPLES.len() - 10, "{}: {taken:?}", entry.name);
        // The notifier decides whether a job ended with exit code 0: no pattern can require that code of all containers.
        assert!(
            ["task-failed", "job-succeeded"].contains(&entry.name) || !taken.iter().any(|name| name == "08-exit-0"),
            "{}: {taken:?}",
            entry.name
        );
        assert!(
            !taken.iter().any(|name| ["12-running", "23-steady-state", "31c-run-accepted"].contains(&name.as_str())),
            "{}: {taken:?}",
            entry.name
        );
    }
    let scaling = samples().into_iter().filter(|(name, _)| name.starts_with("06-") || name.starts_with("06b-"));
    for (name, event) in scaling {
        assert!(DEFAULT.iter().all(|default| !bound(default, &[PROD]).matches(&event)), "{name}");
    }
}

/// Checks which samples, by name, each narrow pattern matches.
#[test]
fn each_narrow_pattern_matches_its_own_samples() {
    let own: BTreeMap<&str, &[&str]> = BTreeMap::from([
        (
            "start-failed",
            &[
                "03-cannot-pull",
                "03b-cannot-start",
                "03c-runtime-failed",
                "03d-dependency-failed",
                "04-resource-init",
                "04b-logger-init",
            ][..],
        ),
        ("out-of-memory", &["02-oom"]),
        ("spot-interrupted", &["05-spot"]),
        ("health-check-failed", &["06c-elb-unhealthy", "06d-container-unhealthy"]),
        ("deployment-failed", &["20-deployment-failed", "20c-daemon-rollback-failed", "20d-daemon-rolling-back"]),
        (
            "batch-job-failed",
            &[
                "50-batch-job-failed",
                "50b-batch-timed-out",
                "50c-batch-terminated",
                "50d-batch-child-failed",
                "50e-batch-dependency-failed",
                "50f-batch-never-ran",
                "50h-batch-queue-blocked",
            ],
        ),
        ("execution-failed", &["51-execution-failed", "51b-execution-timed-out", "51c-execution-aborted"]),
        (
            "service-impaired",
            &[
                "21-placement-failure",
                "22-start-impaired",
                "24-daemon-constraint-violated",
                "24b-task-configuration-failure",
                "24c-scheduler-throttled",
                "25-daemon-start-impaired",
            ],
        ),
        ("run-rejected", &["31-run-rejected", "31b-run-denied"]),
        ("application-error", &["30-application-error"]),
        ("job-succeeded", &["08-exit-0", "08b-recovered", "09b-sidecar-clean-app-killed-sidecar", "32-job-succeeded"]),
    ]);
    for (name, expected) in own {
        let pattern = bound(name, &[PROD]);
        let taken: Vec<String> =
            samples().into_iter().filter(|(_, event)| pattern.matches(event)).map(|(name, _)| name).collect();
        assert_eq!(taken, expected, "{name}");
    }
}

#[test]
fn run_rejected_skips_other_accounts_and_throttling_and_assumes_the_default_cluster() {
    let default = PROD.replace("/prod", "/default");
    let both = bound("run-rejected", &[PROD, &default]);
    let mut event = sample("31b-run-denied").unwrap().0;
    assert!(both.matches(&event));
    for (field, other) in [("account", "210987654321"), ("region", "eu-west-1")] {
        let mut elsewhere = event.clone();
        elsewhere[field] = json!(other);
        assert!(!both.matches(&elsewhere), "{field}");
    }
    event["detail"]["requestParameters"].as_object_mut().unwrap().remove("cluster");
    assert!(both.matches(&event) && bound("run-rejected", &[&default]).matches(&event));
    assert!(!bound("run-rejected", &[PROD]).matches(&event));
    event["detail"]["errorCode"] = json!("ThrottlingException");
    assert!(!both.matches(&event));
    let arns = [PROD, &default].map(str::to_owned);
    let tree = Pattern::find("run-rejected").unwrap().bind(&arns, Drill::Accepted).unwrap();
    assert_eq!((&tree["account"], &tree["region"]), (&json!(["123456789012"]), &json!(["us-east-1"])));
}

#[test]
fn container_filter_ignores_the_end_of_other_containers() {
    let filters = Filters { container: Some("app".to_owned()), ..Filters::default() };
    let tree = Pattern::find("task-failed").unwrap().narrowed(&filters).unwrap();
    let tree = tree.bind(&[PROD.to_owned()], Drill::Accepted).unwrap();
    let narrow = Matcher::new(&(&tree).into()).unwrap();
    let ended = |containers: Value| {
        let mut event = sample("01-exit-nonzero").unwrap().0;
        event["detail"]["containers"] = containers;
        event
    };
    let exits = |app: u8, sidecar: u8| {
        ended(json!([{ "name": "app", "exitCode": app }, { "name": "sidecar", "exitCode": sidecar }]))
    };
    assert!(narrow.matches(&exits(0, 143)) && narrow.matches(&exits(1, 0)));
    let of_job = |mut event: Value, code: Option<&str>, reason: &str| {
        event["detail"]["startedBy"] = json!("events-rule/nightly");
        event["detail"]["stoppedReason"] = json!(reason);
        event["detail"].as_object_mut().unwrap().remove("stopCode");
        if let Some(code) = code {
            event["detail"]["stopCode"] = json!(code);
        }
        event
    };
    let essential = "Essential container in task exited";
    for code in [Some("EssentialContainerExited"), None] {
        assert!(narrow.matches(&of_job(exits(1, 0), code, essential)), "{code:?}");
        assert!(!narrow.matches(&of_job(exits(0, 1), code, essential)), "another one's end of a job: {code:?}");
    }
    let spot = "Your Spot Task was interrupted.";
    assert!(
        narrow.matches(&of_job(exits(0, 0), None, spot))
            && narrow.matches(&of_job(exits(0, 0), Some("SpotInterruption"), spot))
    );
    assert!(!narrow.matches(&of_job(exits(1, 1), Some("UserInitiated"), "x")));
    assert!(!narrow.matches(&ended(json!([{ "name": "sidecar", "exitCode": 0 }]))), "no container of that name");
    for alternative in tree["detail"]["$or"].as_array().unwrap() {
        let of_exit = alternative["stopCode"][0] == "EssentialContainerExited";
        let containers = &alternative["containers"];
        assert!(containers.is_object() || !of_exit, "{alternative}");
        assert!(containers.is_null() || containers["name"] == json!(["app"]), "{alternative}");
    }
}

#[test]
fn unknown_placeholder_lists_the_nearest_one() {
    let folder = tempfile::tempdir().unwrap();
    for (wrong, nearest) in [("${cluster_arm}", "${cluster_arn}"), ("${cluster}", "${cluster_"), ("x${nothing}y", "${")]
    {
        let path = folder.path().join("mine.json");
        std::fs::write(&path, json!({ "detail": { "clusterArn": [{ "prefix": wrong }] } }).to_string()).unwrap();
        let error = Pattern::find(path.to_str().unwrap()).unwrap_err();
        assert!(error.to_string().contains("is not a placeholder"), "{error}");
        assert!(format!("{:?}", error.nearest_hint()).contains(&format!("did you mean {nearest}")), "{error:?}");
    }
}

proptest! {
    #[test]
    fn bound_pattern_never_matches_another_clusters_event(
        entry in prop::sample::select(CATALOGUE.iter().map(|entry| entry.name).filter(|name| Pattern::find(name).unwrap().needs_cluster()).collect::<Vec<_>>()),
        mine in prop::collection::btree_set("[a-z][a-z0-9-]{0,12}", 1..4),
        other in "[a-z][a-z0-9-]{0,12}",
        number in 0..SAMPLES.len(),
    ) {
        prop_assume!(!mine.contains(&other));
        let arn = |name: &str| format!("arn:aws:ecs:us-east-1:123456789012:cluster/{name}");
        let arns: Vec<String> = mine.iter().map(|name| arn(name)).collect();
        let pattern = Pattern::find(entry).unwrap();
        let tree = pattern.bind(&arns, Drill::Accepted).unwrap();
        prop_assert_eq!(&tree, &pattern.bind(&arns, Drill::Accepted).unwrap());
        let matcher = Matcher::new(&(&tree).into()).unwrap();
        let text = sample(SAMPLES[number].name).unwrap().0.to_string();
        // The ends of jobs of other machines have no cluster: application-error and job-succeeded take all of them.
        prop_assume!(!text.contains("\"taskbell.app\""));
        let of = |name: &str| -> Value {
            let text = text.replace("cluster/prod", &format!("cluster/{name}")).replace("service/prod/", &format!("service/{name}/")).replace("daemon/prod/", &format!("daemon/{name}/"));
            serde_json::from_str(&text.replace("\"cluster\":\"prod\"", &format!("\"cluster\":\"{name}\""))).unwrap()
        };
        prop_assert!(!matcher.matches(&of(&other)));
        let taken = bound(entry, &[PROD]).matches(&of("prod"));
        let first = mine.iter().next().unwrap();
        prop_assert_eq!(matcher.matches(&of(first)), taken, "one's own is taken as before");
    }
}

fn glob() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["web", "nightly", "job", "api", "we*", "*eb", "w*b", "night*", "*", "x*y*z"])
            .prop_map(str::to_owned),
        "[a-z]{1,4}",
    ]
}

fn filters() -> impl Strategy<Value = Filters> {
    let names = || prop::collection::vec(glob(), 0..3);
    (names(), names(), any::<(bool, bool)>(), prop::option::of("(app|web|job)")).prop_map(
        |(families, services, (exclude_families, exclude_services), container)| {
            let split = |names: Vec<String>, exclude| if exclude { (Vec::new(), names) } else { (names, Vec::new()) };
            let ((families, exclude_families), (services, exclude_services)) =
                (split(families, exclude_families), split(services, exclude_services));
            Filters { families, exclude_families, services, exclude_services, container, ..Filters::default() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn filter_never_widens_and_matches_only_the_given_names(
        entry in prop::sample::select(CATALOGUE.iter().map(|entry| entry.name).collect::<Vec<_>>()),
        filters in filters(),
        number in 0..SAMPLES.len(),
    ) {
        let Ok(filters) = filters.checked() else { return Ok(()) };
        let plain = Pattern::find(entry).unwrap();
        let Ok(narrowed) = plain.clone().narrowed(&filters) else { return Ok(()) };
        let tree = narrowed.bind(&[PROD.to_owned()], Drill::Accepted).unwrap();
        prop_assert_eq!(&tree, &narrowed.bind(&[PROD.to_owned()], Drill::Accepted).unwrap());
        let event = sample(SAMPLES[number].name).unwrap().0;
        let narrow = Matcher::new(&(&tree).into()).unwrap().matches(&event);
        let wide = bound(entry, &[PROD]).matches(&event);
        prop_assert!(wide || !narrow, "{entry} {filters:?} widened to {event:#}");
        if event["detail-type"] == "ECS Task State Change" && filters.container.is_none() {
            let family = event["detail"]["taskDefinitionArn"].as_str().unwrap().rsplit('/').next().unwrap().split(':').next().unwrap();
            let service = event["detail"]["group"].as_str().and_then(|group| group.strip_prefix("service:"));
            let among = |names: &[String], name: &str| names.iter().any(|glob| taskbell::config::log_group_covers(glob, name));
            let family_taken = (filters.families.is_empty() || among(&filters.families, family)) && !among(&filters.exclude_families, family);
            let service_taken = match service {
                Some(service) => (filters.services.is_empty() || among(&filters.services, service)) && !among(&filters.exclude_services, service),
                None => filters.services.is_empty(),
            };
            prop_assert_eq!(narrow, wide && family_taken && service_taken, "{} {:?} and {:#}", entry, filters, event);
        }
    }
}

fn cluster_glob() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["*", "prod-*", "*-prod", "a*b", "prod", "de*lt", "d*", "-*"]).prop_map(str::to_owned),
        "[ab-]{0,2}\\*[ab-]{0,2}",
        "[ab-]{1,4}",
    ]
}

fn excluded() -> impl Strategy<Value = Vec<String>> {
    let is_no_other = |names: &Vec<String>| names.iter().all(|name| name != "*");
    prop::collection::vec(cluster_glob(), 1..3).prop_filter("leaves something", is_no_other)
}

/// Returns the pattern, and the sample that it matches.
fn of_clusters() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        ("task-failed", "01-exit-nonzero"),
        ("nonzero-exit", "01-exit-nonzero"),
        ("out-of-memory", "02-oom"),
        ("start-failed", "03-cannot-pull"),
        ("spot-interrupted", "05-spot"),
        ("deployment-failed", "20-deployment-failed"),
        ("service-impaired", "21-placement-failure"),
        ("service-recovered", "23b-deployment-completed"),
        ("run-rejected", "31-run-rejected"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Checks the clusters of a pattern: those that a glob means, and no others, by a wildcard only if a prefix does not suffice.
    #[test]
    fn glob_matches_exactly_the_clusters_that_it_means(
        (entry, sample) in of_clusters(),
        globs in prop::collection::vec(cluster_glob(), 1..3),
        at in any::<prop::sample::Index>(),
        (filler, other) in ("[ab-]{0,2}", "[ab-]{1,5}|default|prod"),
        is_other in any::<bool>(),
    ) {
        let name = if is_other { other } else { globs[at.index(globs.len())].replace('*', &filler) };
        prop_assume!(!name.is_empty());
        let arn = |name: &str| format!("arn:aws:ecs:us-east-1:123456789012:cluster/{name}");
        let arns: Vec<String> = globs.iter().map(|glob| arn(glob)).collect();
        let tree = Pattern::find(entry).unwrap().bind(&arns, Drill::Accepted).unwrap();
        let event = of_cluster_by_name(sample, &arn(&name)).unwrap();
        // RunTask accepts names and ARNs, and a glob over names may cover an ARN: then an alert too many.
        let is_arn_covered = entry == "run-rejected" && globs.iter().any(|glob| covers(glob, &arn(&name)));
        let is_meant = is_arn_covered || globs.iter().any(|glob| covers(glob, &name));
        prop_assert_eq!(Matcher::new(&(&tree).into()).unwrap().matches(&event), is_meant, "{:?} {} {:#}", globs, name, tree);
        let needs_wildcard = globs.iter().any(|glob| glob.strip_suffix('*').unwrap_or(glob).contains('*'));
        prop_assert_eq!(has_wildcard(&tree), needs_wildcard, "{:?} {:#}", globs, tree);
    }

    /// Checks the clusters that a pattern for all clusters leaves out. Events of other accounts match in no way.
    #[test]
    fn pattern_for_all_clusters_leaves_out_the_excluded_ones(
        (entry, sample) in of_clusters(),
        excluded in excluded(),
        (filler, other) in ("[ab-]{0,2}", "[ab-]{1,5}|default|prod"),
        is_other in any::<bool>(),
    ) {
        let name = if is_other { other } else { excluded[0].replace('*', &filler) };
        prop_assume!(!name.is_empty());
        let filters = Filters { exclude_clusters: excluded.clone(), ..Filters::default() }.checked().unwrap();
        let arn = |name: &str| format!("arn:aws:ecs:us-east-1:123456789012:cluster/{name}");
        let pattern = Pattern::find(entry).unwrap().narrowed(&filters).unwrap();
        let tree = pattern.bind(&[arn("*")], Drill::Accepted).unwrap();
        let matcher = Matcher::new(&(&tree).into()).unwrap();
        let event = of_cluster_by_name(sample, &arn(&name)).unwrap();
        let is_left_out = excluded.iter().any(|glob| covers(glob, &name));
        // RunTask accepts names and ARNs: a name that could be an ARN is not excluded.
        if entry != "run-rejected" || !is_left_out {
            prop_assert_eq!(matcher.matches(&event), !is_left_out, "{:?} {} {:#}", excluded, name, tree);
        }
        let elsewhere = event.to_string().replace("123456789012", "210987654321");
        prop_assert!(!matcher.matches(&serde_json::from_str(&elsewhere).unwrap()), "{tree:#}");
    }
}

/// Returns patterns as users write them: fields of task events, given once or under `$or` at any depth.
fn user_pattern() -> impl Strategy<Value = Value> {
    let leaf = prop::sample::select(vec![
        json!({ "group": [{ "prefix": "service:" }] }),
        json!({ "group": ["family:nightly"] }),
        json!({ "taskDefinitionArn": [{ "prefix": "arn:aws:ecs:us-east-1:123456789012:task-definition/web" }] }),
        json!({ "containers": { "exitCode": [{ "anything-but": 0 }] } }),
        json!({ "containers": { "name": ["web"] } }),
        json!({ "stopCode": ["EssentialContainerExited"] }),
        json!({ "startedBy": ["never"] }),
    ]);
    let detail = leaf.prop_recursive(3, 12, 3, |inner| {
        (inner.clone(), prop::collection::vec(inner, 2..4)).prop_map(|(mut beside, alternatives)| {
            beside["$or"] = json!(alternatives);
            beside
        })
    });
    detail.prop_map(|detail| json!({ "detail-type": ["ECS Task State Change"], "detail": detail }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn filter_never_widens_a_users_own_pattern(tree in user_pattern(), filters in filters(), number in 0..SAMPLES.len()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.json");
        std::fs::write(&path, tree.to_string()).unwrap();
        let Ok(filters) = filters.checked() else { return Ok(()) };
        let Ok(plain) = Pattern::find(path.to_str().unwrap()) else { return Ok(()) };
        let Ok(narrowed) = plain.clone().narrowed(&filters) else { return Ok(()) };
        let event = sample(SAMPLES[number].name).unwrap().0;
        let takes = |pattern: &Pattern| {
            let bound = pattern.bind(&[PROD.to_owned()], Drill::Accepted).unwrap();
            Matcher::new(&(&bound).into()).unwrap().matches(&event)
        };
        prop_assert!(takes(&plain) || !takes(&narrowed), "{filters:?} widened {tree} to {event}");
    }
}

#[test]
fn filter_on_a_pattern_that_it_cannot_narrow_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.json");
    let service = Filters { exclude_services: vec!["web".to_owned()], ..Filters::default() };
    let family = Filters { families: vec!["web".to_owned()], ..Filters::default() };
    for tree in [
        json!({ "detail-type": ["ECS Task State Change"], "detail": ["x"] }),
        json!({ "detail-type": ["ECS Task State Change"], "detail": { "lastStatus": ["STOPPED"], "$or": [
            { "$or": [{ "group": [{ "prefix": "service:" }] }, { "startedBy": ["never"] }] }, { "stopCode": ["never"] }] } }),
    ] {
        std::fs::write(&path, tree.to_string()).unwrap();
        let pattern = Pattern::find(path.to_str().unwrap()).unwrap();
        assert!(pattern.clone().narrowed(&service).is_err(), "{tree}");
        assert!(tree["detail"].is_object() || pattern.narrowed(&family).is_err(), "{tree}");
    }
}

#[tokio::test(start_paused = true)]
async fn invalid_filters_are_refused_before_any_call() {
    let aws = Aws::new().await;
    let folder = tempfile::tempdir().unwrap();
    let mine = folder.path().join("mine.json");
    let already = r#"{"detail-type":["ECS Task State Change"],"detail":{"taskDefinitionArn":["x"],"group":["y"],"containers":{"name":["z"]}}}"#;
    std::fs::write(&mine, already).unwrap();
    for flags in [
        "--family a --exclude-family b",
        "--service a --exclude-service b",
        "--exclude-family *",
        "--family a/b",
        "--family a**b",
        "--container a*",
        "--pattern deployment-failed --exclude-service web",
        "--pattern application-error --service web",
        "--pattern batch-job-failed --family web",
        "--pattern task-failed --job-queue web",
        "--pattern execution-failed --job-name web",
        "--pattern batch-job-failed --state-machine web",
        "--pattern batch-job-failed --job-queue a --exclude-job-queue b",
        "--pattern {mine} --family web",
        "--pattern {mine} --service web",
        "--pattern {mine} --container web",
        "--pattern spot-interrupted --container web",
        "--pattern start-failed --container web",
        "--pattern health-check-failed --container web",
    ] {
        let flags = flags.replace("{mine}", &mine.display().to_string());
        let outcome = taskbell(&aws, &format!("setup --cluster batch --yes {flags}")).await;
        assert_eq!((outcome.code, aws.calls().len()), (64, 0), "{flags}: {outcome:?}");
        assert!(
            outcome.err.contains("hint:") || flags.contains("exclude-family *") || flags.contains("container"),
            "{outcome:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn narrowed_stack_is_in_sync_after_setup() {
    let aws = Aws::new().await;
    for flags in [
        "--family night* --pattern task-failed",
        "--service web",
        "--container app --pattern nonzero-exit --service a*b",
    ] {
        let setup = taskbell(&aws, &format!("setup --cluster batch --yes {flags}")).await;
        assert_eq!(setup.code, 0, "{flags}: {setup:?}");
        assert_eq!(taskbell(&aws, &format!("drift --cluster batch {flags}")).await.code, 0, "{flags}");
    }
}

#[test]
fn filter_adds_only_the_needed_conditions() {
    let bound = |filters: Filters| {
        let pattern = Pattern::find("nonzero-exit").unwrap().narrowed(&filters.checked().unwrap()).unwrap();
        pattern.bind(&[PROD.to_owned(), PROD.replace("prod", "test")], Drill::Accepted).unwrap()["detail"].clone()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let definition = "arn:aws:ecs:us-east-1:123456789012:task-definition/";
    let families = bound(Filters { families: names(&["web", "night*", "a*b"]), ..Filters::default() });
    assert_eq!(
        families["taskDefinitionArn"],
        json!([{ "prefix": format!("{definition}web:") }, { "prefix": format!("{definition}night") }, { "wildcard": format!("{definition}a*b:*") }])
    );
    let excluded = bound(Filters { exclude_services: names(&["web", "api"]), ..Filters::default() });
    assert_eq!(excluded["group"], json!([{ "anything-but": ["service:web", "service:api"] }, { "exists": false }]));
    let container = bound(Filters { container: Some("app".to_owned()), ..Filters::default() });
    assert_eq!(container["containers"], json!({ "name": ["app"], "exitCode": [{ "anything-but": 0 }] }));
}

async fn test(line: &str) -> Outcome {
    let aws = Aws::new().await;
    let outcome = taskbell(&aws, &format!("pattern test {line}")).await;
    assert_eq!(aws.calls().len(), 0);
    outcome
}

#[tokio::test(start_paused = true)]
async fn pattern_test_shows_matches_and_the_deciding_mismatch() {
    let told = test("02-oom").await;
    assert_eq!(told.code, 0);
    insta::assert_snapshot!("pattern-test-oom", told.out);
    let scaling = test("06-scale-in-143 --pattern task-failed").await;
    assert_eq!(scaling.code, 1);
    assert!(
        scaling.out.contains("✗ task-failed (default)  detail.stoppedReason: has \"Scaling activity"),
        "{scaling:?}"
    );
    let all = test("02-oom 08-exit-0 --pattern nonzero-exit --output json").await;
    assert_eq!(all.code, 0, "one of them matched");
    let json = all.json();
    assert_eq!((&json[0]["patterns"][0]["matches"], &json[0]["matches"]), (&json!(true), &json!(true)));
    assert!(json[0]["rings"].is_null(), "no rule was asked: {json:#}");
    assert_eq!(json[1]["patterns"][0]["mismatch"]["path"], "detail.containers.exitCode");
    assert_eq!(json[1]["patterns"][0]["mismatch"]["have"], json!([0]));
}

#[tokio::test(start_paused = true)]
async fn pattern_test_ends_each_event_with_the_notifiers_decision() {
    for (line, said) in [
        ("02-oom", "alerts with the default patterns: yes (task-failed)"),
        ("12-running", "alerts with the default patterns: no"),
        ("31-run-rejected", "alerts with the default patterns: no; with run-rejected: yes"),
        ("06-scale-in-143", "matched, but the notifier skips it: the service scheduler stopped it"),
        ("09b-sidecar-clean-app-killed-sidecar", "matched, but the notifier skips it: stand-alone task finished"),
        ("02-oom --pattern out-of-memory", "alerts with these patterns: yes (out-of-memory)"),
        ("02-oom --pattern start-failed", "alerts with these patterns: no"),
    ] {
        let told = test(line).await;
        assert!(told.out.lines().last().unwrap().trim_start().starts_with(said), "{line}: {told:?}");
    }
    // The task definition of an event in a file is unknown.
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    let event = sample("09b-sidecar-clean-app-killed-sidecar").unwrap().0;
    std::fs::write(file.path(), event.to_string()).unwrap();
    let told = test(&format!("{} --pattern task-failed", file.path().display())).await;
    assert!(told.code == 0 && told.out.contains("matched by task-failed; the notifier skips it if"), "{told:?}");
    let scaling = test("06-scale-in-143 --output json").await.json();
    assert_eq!((&scaling[0]["matches"], &scaling[0]["notifier"]["rings"]), (&json!(true), &json!(false)));
    assert_eq!(scaling[0]["rings_with"]["rings"], false);
}

#[tokio::test(start_paused = true)]
async fn pattern_test_applies_the_filters() {
    let other = test("02-oom --family api").await;
    assert!(
        other.code == 1 && other.out.contains("✗ task-failed (default)        detail.taskDefinitionArn: has"),
        "{other:?}"
    );
    assert!(other.out.contains("cannot be narrowed by these filters"), "{other:?}");
    assert!(!other.out.contains("✗ deployment-failed (default)  cannot be narrowed"), "{other:?}");
    assert_eq!(test("02-oom --family web --service web --pattern task-failed").await.code, 0);
    let refused = test("02-oom --family web --pattern deployment-failed").await;
    assert!(refused.code == 64 && refused.err.contains("cannot be narrowed"), "{refused:?}");
    let live = test("02-oom --live --cluster batch --family web").await;
    assert!(live.code == 64 && live.err.contains("filters are only for patterns"), "{live:?}");
}

/// Checks the cluster of an event: a sample takes place in the given cluster, a recorded event in its own.
#[tokio::test(start_paused = true)]
async fn sample_takes_place_in_the_given_cluster() {
    for name in ["oom", "deployment-failed", "21-placement-failure", "run-rejected"] {
        let moved = test(&format!("{name} --cluster nightly")).await;
        assert_eq!(moved.code, 0, "{moved:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("event.json");
    let (_, event) = samples().into_iter().find(|(name, _)| name.contains("oom")).unwrap();
    std::fs::write(&path, event.to_string()).unwrap();
    let elsewhere = test(&format!("{} --cluster nightly --pattern task-failed", path.display())).await;
    assert!(
        elsewhere.code == 1
            && elsewhere.out.contains("detail.clusterArn: has \"arn:aws:ecs:us-east-1:123456789012:cluster/prod\"")
    );
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster web --yes").await.code, 0);
    let live = taskbell(&aws, "pattern test oom --cluster web --live").await;
    assert!(live.code == 0 && live.out.contains("announces it"), "{live:?}");
}

#[tokio::test(start_paused = true)]
async fn folders_and_files_are_accepted_and_invalid_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    assert!(test(&format!("{at}")).await.err.contains("there is no event in the folder"));
    std::fs::write(folder.path().join("one.json"), sample("02-oom").unwrap().0.to_string()).unwrap();
    std::fs::write(folder.path().join("two.json"), sample("12-running").unwrap().0.to_string()).unwrap();
    let told = test(&format!("{at} --pattern task-failed --output json")).await;
    assert_eq!((told.code, told.json().as_array().unwrap().len()), (0, 2));
    std::fs::write(folder.path().join("three.json"), "{\"a\":").unwrap();
    let broken = test(&format!("{at}")).await;
    assert!(
        broken.code == 64 && broken.err.contains("three.json") && broken.err.contains("line 1 column 5"),
        "{broken:?}"
    );
    let unknown = test("02-oom --pattern task-faild").await;
    assert!(unknown.code == 64 && unknown.err.contains("did you mean task-failed?"), "{unknown:?}");
}

#[tokio::test(start_paused = true)]
async fn deployed_rules_are_tested_and_a_disabled_rule_is_named() {
    let aws = Aws::new().await;
    let none = taskbell(&aws, "pattern test 02-oom --live --cluster prod").await;
    assert!(none.code == 1 && none.err.contains("has no rule"), "{none:?}");
    let setup = taskbell(&aws, "setup --cluster prod --allow-missing-cluster --yes").await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let live = taskbell(&aws, "pattern test 02-oom --live --cluster prod").await;
    assert!(live.code == 0 && live.out.contains("✓ rule/task-failed"), "{live:?}");
    let events = aws_sdk_eventbridge::Client::new(&aws.sdk());
    events.disable_rule().name("taskbell-prod-task-failed").send().await.unwrap();
    let disabled = taskbell(&aws, "pattern test 02-oom --live --cluster prod").await;
    assert!(disabled.code == 1 && disabled.out.contains("would match, but the rule is disabled"), "{disabled:?}");
}

/// Returns a task as DescribeTasks returns it.
fn stopped_task(stop_code: &str, exit_code: u8) -> Value {
    let ecs = "arn:aws:ecs:us-east-1:123456789012";
    json!({
        "taskArn": TASK, "clusterArn": format!("{ecs}:cluster/batch"), "group": "family:nightly", "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED", "taskDefinitionArn": format!("{ecs}:task-definition/nightly:3"), "stopCode": stop_code,
        "stoppedReason": "Essential container in task exited", "stoppedAt": 1_790_000_000.5, "version": 4,
        "overrides": { "containerOverrides": [{ "environment": [{ "name": "TOKEN", "value": "hunter2" }] }] },
        "containers": [{ "name": "app", "lastStatus": "STOPPED", "exitCode": exit_code }],
    })
}

const TASK: &str = "arn:aws:ecs:us-east-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";

#[tokio::test(start_paused = true)]
async fn broken_link_is_named_for_a_task() {
    let aws = Aws::new().await;
    let setup = taskbell(&aws, "setup --cluster batch --yes").await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let ask = async || taskbell(&aws, &format!("pattern test --task {TASK}")).await;
    aws.describe_task(Some(stopped_task("EssentialContainerExited", 1)));

    aws.forget_calls();
    let whole = ask().await;
    assert_eq!(whole.code, 0, "{whole:?}");
    assert!(aws.writes().is_empty());
    insta::assert_snapshot!("pattern-test-task", whole.out);

    let (events, lambda) = (aws_sdk_eventbridge::Client::new(&aws.sdk()), aws_sdk_lambda::Client::new(&aws.sdk()));
    let (rule, function) = ("taskbell-batch-task-failed", "taskbell-batch");
    let broken = async |link: &str| {
        let told = ask().await;
        assert!(told.code == 1 && told.out.contains(&format!("✗ rule/task-failed        {link}")), "{link}: {told:?}");
    };
    lambda.put_function_concurrency().function_name(function).reserved_concurrent_executions(0).send().await.unwrap();
    broken("matches, but the notifier is switched off").await;
    lambda.remove_permission().function_name(function).statement_id(rule).send().await.unwrap();
    broken("matches, but the notifier's resource policy does not allow the rule to invoke it").await;
    let mut changed = aws_sdk_eventbridge::types::Target::builder()
        .id("notifier")
        .arn("arn:aws:lambda:us-east-1:123456789012:function:taskbell-batch")
        .input("{}");
    events.put_targets().rule(rule).targets(changed.clone().build().unwrap()).send().await.unwrap();
    broken("matches, but its target replaces the event").await;
    changed = changed.arn("arn:aws:lambda:us-east-1:123456789012:function:other");
    events.put_targets().rule(rule).targets(changed.build().unwrap()).send().await.unwrap();
    broken("matches, but the notifier is not among the rule's targets").await;
    events.disable_rule().name(rule).send().await.unwrap();
    broken("would match, but the rule is disabled").await;
    aws.describe_task(Some(stopped_task("UserInitiated", 143)));
    broken("detail.stopCode: has \"UserInitiated\"").await;

    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    aws.describe_task(Some(stopped_task("EssentialContainerExited", 1)));
    assert_eq!(ask().await.code, 0, "repaired");
    lambda.delete_function().function_name(function).send().await.unwrap();
    broken("matches, but the notifier does not exist").await;
}

async fn register(aws: &Aws, containers: &[(&str, bool)]) -> String {
    let container = |(name, essential): &(&str, bool)| {
        let definition = aws_sdk_ecs::types::ContainerDefinition::builder().name(*name).essential(*essential);
        definition.image("x").memory(64).build()
    };
    let ecs = aws_sdk_ecs::Client::new(&aws.sdk());
    let call = ecs.register_task_definition().family("nightly");
    let call = call.set_container_definitions(Some(containers.iter().map(container).collect()));
    call.send().await.unwrap().task_definition.unwrap().task_definition_arn.unwrap()
}

#[tokio::test(start_paused = true)]
async fn task_that_the_notifier_skips_is_not_reported_as_announced() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    let ask = async || taskbell(&aws, &format!("pattern test --task {TASK}")).await;
    let mut task = stopped_task("EssentialContainerExited", 0);
    task["taskDefinitionArn"] = json!(register(&aws, &[("app", true), ("proxy", false)]).await);
    let proxy = json!({ "name": "proxy", "lastStatus": "STOPPED", "exitCode": 143 });
    task["containers"].as_array_mut().unwrap().push(proxy);
    aws.describe_task(Some(task.clone()));
    let silent = ask().await;
    assert!(silent.code == 1 && silent.out.contains("✓ rule/task-failed"), "{silent:?}");
    assert!(
        silent.out.contains("✗ function/notifier       would not announce it: stand-alone task finished"),
        "{silent:?}"
    );

    task["taskDefinitionArn"] = json!(register(&aws, &[("app", false), ("proxy", true)]).await);
    aws.describe_task(Some(task));
    assert_eq!(ask().await.code, 0, "what was essential did not end well");
    for (action, told) in [
        ("ecs:DescribeTaskDefinition", "? function/notifier       the task definition could not be read"),
        ("dynamodb:GetItem", "? function/notifier       the record of announced alerts could not be read"),
    ] {
        aws.fail(Fault { failure: Failure::Denied, on: On::Action(action), nth: 0, times: usize::MAX });
        let unknown = ask().await;
        assert!(unknown.code == 3 && unknown.out.contains(told) && !unknown.out.contains("announces"), "{unknown:?}");
    }
}

/// Writes a window and a task into the table, as `lambda/memory/table.mjs` does.
async fn note(aws: &Aws, window_began: std::time::SystemTime, came: u32, told: u32, settled: bool) {
    use aws_sdk_dynamodb::types::AttributeValue::{Bool, N, S};
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws.sdk());
    let event = taskbell::aws::calls::task::event_of(&aws.sdk(), "batch", TASK).await.unwrap().unwrap();
    let incident = Engine::new().unwrap().preview(&event, &Value::Null, &json!({})).unwrap().incident;
    let key = |name: &str| incident[name].as_str().unwrap().to_owned();
    let ms = window_began.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let ms = (ms - ms % 900_000).to_string();
    let table = || dynamodb.put_item().table_name("taskbell-batch-announcements").item("startedMs", N(ms.clone()));
    let window = table().item("id", S(format!("{} @{ms}", key("failure")))).item("occurrences", N(came.to_string()));
    window.item("told:webhook", N(told.to_string())).send().await.unwrap();
    let subject = table().item("id", S(key("subject"))).item("failureKey", S(key("failure")));
    if settled {
        subject.item("isSettled", Bool(true)).send().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn announced_or_counted_task_is_reported_as_such() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    aws.describe_task(Some(stopped_task("EssentialContainerExited", 1)));
    let ask = async || taskbell(&aws, &format!("pattern test --task {TASK}")).await;
    // A window is defined by the events' own times, not by the time of the test.
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_790_000_000_500);
    let an_hour_before = then - std::time::Duration::from_hours(1);
    for (began, came, told, settled, code, said) in [
        (then, 1, 1, true, 1, "✗ function/notifier       was announced already, at 20"),
        (then, 6, 4, true, 1, "was announced or counted as a repetition already: 6 of the same failure since 20"),
        (an_hour_before, 6, 4, true, 1, "the last announced was number 4"),
        (
            then,
            2,
            2,
            false,
            1,
            "✗ function/notifier       counted as a repetition: number 3 of the same failure since 20",
        ),
        (then, 3, 2, false, 0, "✓ function/notifier       announces it"),
        (an_hour_before, 2, 2, false, 0, "✓ function/notifier       announces it"),
    ] {
        taskbell(&aws, "teardown --cluster batch --yes").await;
        tokio::time::sleep(std::time::Duration::from_secs(90)).await;
        assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
        note(&aws, began, came, told, settled).await;
        let outcome = ask().await;
        assert!(outcome.code == code && outcome.out.contains(said), "{came} {told} {settled}: {outcome:?}");
    }
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes --no-dedupe").await.code, 0);
    aws.forget_calls();
    let without = ask().await;
    assert!(without.code == 0 && !aws.calls().iter().any(|call| call.action == "dynamodb:GetItem"), "{without:?}");
}

#[tokio::test(start_paused = true)]
async fn missing_invalid_or_unreadable_task_is_reported() {
    let aws = Aws::new().await;
    assert_eq!(taskbell(&aws, "setup --cluster batch --yes").await.code, 0);
    let ask = async |line: &str| taskbell(&aws, &format!("pattern test --task {line}")).await;
    aws.describe_task(None);
    let gone = ask(TASK).await;
    assert!(gone.code == 1 && gone.err.contains("shows stopped tasks for about an hour"), "{gone:?}");
    for (line, told) in [
        ("arn:aws:ecs:us-east-1:123456789012:cluster/batch".to_owned(), "is not the ARN of a task"),
        ("nonsense".to_owned(), "is not the ARN of a task"),
        ("arn:aws:ecs:us-east-1:123456789012:task/0123".to_owned(), "give --cluster"),
        (TASK.replace("us-east-1", "eu-west-1"), "give --region eu-west-1"),
        (format!("{TASK} 02-oom"), "cannot be used with"),
    ] {
        let refused = ask(&line).await;
        assert!(refused.code == 64 && refused.err.contains(told), "{line}: {refused:?}");
    }
    aws.describe_task(Some(stopped_task("EssentialContainerExited", 1)));
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("lambda:GetPolicy"), nth: 0, times: usize::MAX });
    let unknown = ask(TASK).await;
    assert!(unknown.code == 3 && unknown.out.contains("function/notifier could not be read"), "{unknown:?}");
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("ecs:DescribeTasks"), nth: 0, times: usize::MAX });
    let denied = ask(TASK).await;
    assert!(denied.code == 3 && denied.err.contains("ecs:DescribeTasks"), "{denied:?}");
}

#[tokio::test(start_paused = true)]
async fn task_becomes_the_event_that_ecs_sends_without_its_secrets() {
    let aws = Aws::new().await;
    let mut task = stopped_task("EssentialContainerExited", 1);
    (task["enableExecuteCommand"], task["ephemeralStorage"]) = (json!(true), json!({ "sizeInGiB": 20 }));
    task["containers"][0]["cpu"] = json!("10");
    task["containers"][0]["networkInterfaces"] = json!([{ "attachmentId": "a", "privateIpv4Address": "10.0.0.1" }]);
    aws.describe_task(Some(task.clone()));
    let event = taskbell::aws::calls::task::event_of(&aws.sdk(), "batch", TASK).await.unwrap().unwrap();
    assert_eq!(event["detail"]["stoppedAt"], "2026-09-21T14:13:20.5Z");
    assert_eq!((&event["account"], &event["region"]), (&json!("123456789012"), &json!("us-east-1")));
    assert_eq!(event["detail"]["containers"][0]["exitCode"], 1);
    for at in ["/enableExecuteCommand", "/ephemeralStorage", "/containers/0/cpu", "/containers/0/networkInterfaces"] {
        assert_eq!(event["detail"].pointer(at), task.pointer(at), "{at}");
    }
    assert!(!event.to_string().contains("hunter2"));
    for known in SAMPLES.iter().filter(|known| known.name.starts_with("01-")) {
        let real = sample(known.name).unwrap().0;
        let keys = |event: &Value| event["detail"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let invented: Vec<String> = keys(&event).into_iter().filter(|key| !keys(&real).contains(key)).collect();
        assert!(invented.is_empty(), "{invented:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn pattern_whose_events_name_no_cluster_is_noted_unless_a_filter_narrows_it() {
    let aws = Aws::new().await;
    let setup = async |flags: &str| taskbell(&aws, &format!("setup --dry-run {flags}")).await;
    let wide = setup("--cluster batch --pattern batch-job-failed --pattern execution-failed").await;
    assert_eq!(wide.code, 2, "{wide:?}");
    for note in [
        "batch-job-failed alerts on failed jobs of every job queue whose events arrive on the bus, whatever the clusters",
        "execution-failed alerts on failed executions of every state machine whose events arrive on the bus, whatever",
    ] {
        assert!(wide.err.contains(note), "{wide:?}");
    }
    let narrow = setup("--stack jobs --pattern batch-job-failed --job-queue prod-* --exclude-job-name test").await;
    assert!(narrow.code == 2 && !narrow.err.contains("alerts on failed jobs"), "{narrow:?}");
    let without = setup("--stack jobs --pattern batch-job-failed").await;
    assert!(
        without.err.contains("whose events arrive on the bus\n") && !without.err.contains("whatever"),
        "{without:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn notifier_may_read_the_logs_of_jobs_if_the_stack_alerts_on_jobs() {
    let aws = Aws::new().await;
    for (flags, reads) in [
        ("--cluster batch", false),
        ("--stack jobs --pattern batch-job-failed", true),
        ("--stack jobs --pattern batch-job-failed --log-group /mine", false),
    ] {
        let export = taskbell(&aws, &format!("export cloudformation {flags}")).await;
        assert!(export.code == 0 && export.out.contains("log-group:/aws/batch/job:") == reads, "{flags}: {export:?}");
    }
}
