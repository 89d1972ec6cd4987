//! The catalogue: which pattern takes which event, and what binding may and may not do.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::aws::Aws;
use support::{Outcome, taskbell};
use taskbell::pattern::filter::Filters;
use taskbell::pattern::matcher::Matcher;
use taskbell::pattern::samples::{SAMPLES, sample};
use taskbell::pattern::{CATALOGUE, DEFAULT, Drill, Pattern};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PROD: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/prod";

fn bound(name: &str, clusters: &[&str]) -> Matcher {
    let clusters: Vec<String> = clusters.iter().map(|arn| (*arn).to_owned()).collect();
    let tree = Pattern::find(name).unwrap().bind(&clusters, Drill::Accepted).unwrap();
    Matcher::new(&(&tree).into()).unwrap()
}

/// The cluster an event is of.
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

fn samples() -> Vec<(String, Value)> {
    SAMPLES.iter().map(|(name, _)| ((*name).to_owned(), sample(name).unwrap().0)).collect()
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

/// After a change that is meant: `UPDATE_GOLDEN=1 cargo test --test patterns`.
#[test]
fn the_tables_of_the_docs_are_what_the_patterns_do() {
    let path = format!("{ROOT}/docs/patterns.md");
    let mut page = std::fs::read_to_string(&path).unwrap();
    for (mark, events) in [("samples", samples()), ("field", recorded())] {
        let (before, rest) = page.split_once(&format!("<!-- {mark} -->\n")).unwrap();
        let (_, after) = rest.split_once(&format!("<!-- end of {mark} -->")).unwrap();
        page = format!("{before}<!-- {mark} -->\n{}<!-- end of {mark} -->{after}", table(&events));
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page);
}

#[test]
fn every_pattern_has_samples_that_match_and_samples_that_must_not() {
    for entry in &CATALOGUE {
        let pattern = bound(entry.name, &[PROD]);
        let taken: Vec<String> =
            samples().into_iter().filter(|(_, event)| pattern.matches(event)).map(|(name, _)| name).collect();
        assert!(!taken.is_empty() && taken.len() < SAMPLES.len() - 10, "{}: {taken:?}", entry.name);
        assert!(!taken.iter().any(|name| ["08-exit-0", "12-running", "23-steady-state", "31c-run-accepted"].contains(&name.as_str())), "{}: {taken:?}", entry.name);
    }
    let scaling = samples().into_iter().filter(|(name, _)| name.starts_with("06-") || name.starts_with("06b-"));
    for (name, event) in scaling {
        assert!(DEFAULT.iter().all(|default| !bound(default, &[PROD]).matches(&event)), "{name}");
    }
}

/// By name: which pattern is meant to take it.
#[test]
fn each_narrow_pattern_takes_its_own_samples() {
    let own: BTreeMap<&str, &[&str]> = BTreeMap::from([
        (
            "start-failed",
            &["03-cannot-pull", "03b-cannot-start", "03c-runtime-failed", "04-resource-init", "04b-logger-init"][..],
        ),
        ("out-of-memory", &["02-oom"]),
        ("spot-interrupted", &["05-spot"]),
        ("health-check-failed", &["06c-elb-unhealthy", "06d-container-unhealthy"]),
        ("deployment-failed", &["20-deployment-failed"]),
        ("service-impaired", &["21-placement-failure", "22-start-impaired"]),
        ("run-rejected", &["31-run-rejected", "31b-run-denied"]),
        ("application-error", &["30-application-error"]),
    ]);
    for (name, expected) in own {
        let pattern = bound(name, &[PROD]);
        let taken: Vec<String> =
            samples().into_iter().filter(|(_, event)| pattern.matches(event)).map(|(name, _)| name).collect();
        assert_eq!(taken, expected, "{name}");
    }
}

proptest! {
    #[test]
    fn a_bound_pattern_never_takes_another_clusters_event(
        entry in prop::sample::select(CATALOGUE.iter().map(|entry| entry.name).filter(|name| *name != "application-error").collect::<Vec<_>>()),
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
        let text = sample(SAMPLES[number].0).unwrap().0.to_string();
        let of = |name: &str| -> Value {
            let text = text.replace("cluster/prod", &format!("cluster/{name}")).replace("service/prod/", &format!("service/{name}/"));
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
            Filters { families, exclude_families, services, exclude_services, container }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn a_filter_never_widens_and_takes_just_what_it_names(
        entry in prop::sample::select(CATALOGUE.iter().map(|entry| entry.name).collect::<Vec<_>>()),
        filters in filters(),
        number in 0..SAMPLES.len(),
    ) {
        let Ok(filters) = filters.checked() else { return Ok(()) };
        let plain = Pattern::find(entry).unwrap();
        let Ok(narrowed) = plain.clone().narrowed(&filters) else { return Ok(()) };
        let tree = narrowed.bind(&[PROD.to_owned()], Drill::Accepted).unwrap();
        prop_assert_eq!(&tree, &narrowed.bind(&[PROD.to_owned()], Drill::Accepted).unwrap());
        let event = sample(SAMPLES[number].0).unwrap().0;
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

#[tokio::test(start_paused = true)]
async fn filters_that_cannot_be_meant_are_refused_before_anything_is_asked() {
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
        "--family nightly",
        "--pattern deployment-failed --exclude-service web",
        "--pattern application-error --service web",
        "--pattern {mine} --family web",
        "--pattern {mine} --service web",
        "--pattern {mine} --container web",
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
async fn a_narrowed_stack_is_set_up_and_in_sync() {
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
fn a_filter_says_no_more_than_is_needed() {
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
async fn what_takes_an_event_and_what_decided_against_it_is_told() {
    let told = test("02-oom").await;
    assert_eq!(told.code, 0);
    insta::assert_snapshot!("pattern-test-oom", told.out);
    let scaling = test("06-scale-in-143 --pattern task-failed").await;
    assert_eq!(scaling.code, 1);
    assert!(scaling.out.contains("- task-failed  detail.stoppedReason: has \"Scaling activity"), "{scaling:?}");
    let elsewhere = test("02-oom --cluster other --pattern task-failed").await;
    assert!(
        elsewhere.code == 1
            && elsewhere.out.contains("detail.clusterArn: has \"arn:aws:ecs:us-east-1:123456789012:cluster/prod\"")
    );
    let all = test("02-oom 08-exit-0 --pattern nonzero-exit --output json").await;
    assert_eq!(all.code, 0, "one of them matched");
    let json = all.json();
    assert_eq!(json[0]["patterns"][0]["matches"], true);
    assert_eq!(json[1]["patterns"][0]["mismatch"]["path"], "detail.containers.exitCode");
    assert_eq!(json[1]["patterns"][0]["mismatch"]["have"], json!([0]));
}

#[tokio::test(start_paused = true)]
async fn folders_and_files_are_taken_and_what_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    assert!(test(&format!("{at}")).await.err.contains("there is no event in there"));
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
async fn the_rules_as_deployed_answer_and_a_disabled_one_says_so() {
    let aws = Aws::new().await;
    let none = taskbell(&aws, "pattern test 02-oom --live --cluster prod").await;
    assert!(none.code == 1 && none.err.contains("has no rule"), "{none:?}");
    let setup = taskbell(&aws, "setup --cluster prod --allow-missing-cluster --yes").await;
    assert_eq!(setup.code, 0, "{setup:?}");
    let live = taskbell(&aws, "pattern test 02-oom --live --cluster prod").await;
    assert!(live.code == 0 && live.out.contains("+ rule/task-failed"), "{live:?}");
    let events = aws_sdk_eventbridge::Client::new(&aws.sdk());
    events.disable_rule().name("taskbell-prod-task-failed").send().await.unwrap();
    let disabled = taskbell(&aws, "pattern test 02-oom --live --cluster prod").await;
    assert!(disabled.code == 1 && disabled.out.contains("would match, but the rule is disabled"), "{disabled:?}");
}
