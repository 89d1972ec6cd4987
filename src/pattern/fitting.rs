//! Changes the names in an event to those that a narrowed pattern requires: of a family, a service, a container, or a job.

use serde_json::{Value, json};

use super::clusters::covers;
use super::matcher::{Matcher, Mismatch};

/// The most checks of one event. Patterns with `$or` could otherwise ask for one name and the other in turn.
const MOST_CHECKS: usize = 8;

/// Changes the event, one name at a time, until `check` accepts it. `check` returns the mismatches of a refused event; the first
/// of them that is a name is changed. Returns whether the event was accepted.
pub fn fit(event: &mut Value, mut check: impl FnMut(&Value) -> Result<(), Vec<Mismatch>>) -> bool {
    for _ in 0..MOST_CHECKS {
        match check(event) {
            Ok(()) => return true,
            Err(mismatches) if mismatches.iter().any(|mismatch| change(event, mismatch)) => {}
            Err(_) => return false,
        }
    }
    false
}

/// Returns the event as the pattern matches it; none if more than the names of families, services and containers would have to
/// be changed.
#[must_use]
pub fn fitted(matcher: &Matcher, mut event: Value) -> Option<Value> {
    fit(&mut event, |event| matcher.mismatch(event).map_or(Ok(()), |mismatch| Err(vec![mismatch]))).then_some(event)
}

/// Changes the name that mismatches to one that the pattern requires. Returns whether the event was changed.
fn change(event: &mut Value, Mismatch { path, want, .. }: &Mismatch) -> bool {
    let place = match path.as_str() {
        "detail.taskDefinitionArn" => event.pointer_mut("/detail/taskDefinitionArn"),
        "detail.group" => event.pointer_mut("/detail/group"),
        "detail.containers.name" => event.pointer_mut("/detail/containers/0/name"),
        "resources" => event.pointer_mut("/resources/0"),
        "detail.jobQueue" => event.pointer_mut("/detail/jobQueue"),
        "detail.jobName" => event.pointer_mut("/detail/jobName"),
        "detail.stateMachineArn" => event.pointer_mut("/detail/stateMachineArn"),
        _ => None,
    };
    // A service's ARN contains the cluster, which must not change.
    let cluster_of = |arn: &str| arn.rsplit_once('/').map(|(cluster, _)| cluster.to_owned());
    let known = place.as_ref().and_then(|place| place.as_str()).unwrap_or_default().to_owned();
    match (place, want.iter().find_map(|operator| taken_by(operator, &known))) {
        (Some(place), Some(name)) if *place != json!(name) => {
            let elsewhere = path == "resources" && cluster_of(place.as_str().unwrap_or_default()) != cluster_of(&name);
            if !elsewhere {
                *place = json!(name);
            }
            !elsewhere
        }
        _ => false,
    }
}

/// Returns a text that the operator accepts. The service of a cluster that the operator accepts stays in its cluster.
fn taken_by(operator: &Value, known: &str) -> Option<String> {
    let text = |name: &str| operator[name].as_str();
    match (operator.as_str(), text("prefix"), text("wildcard").or(text("suffix"))) {
        (Some(exact), ..) => Some(exact.to_owned()),
        (_, Some(prefix), _) if prefix.ends_with(':') => Some(format!("{prefix}1")),
        (_, Some(prefix), _) => Some(format!("{prefix}drill")),
        (.., Some(end)) if end.starts_with(':') => Some(format!("drill{end}")),
        (.., Some(wildcard)) => {
            let kept = in_its_cluster(wildcard, known);
            Some(kept.unwrap_or_else(|| wildcard.to_owned()).replace('*', "drill"))
        }
        _ => None,
    }
}

/// Returns the glob of a service's ARN with the cluster of a known service, if the glob covers that cluster.
fn in_its_cluster(glob: &str, known: &str) -> Option<String> {
    let split = |arn: &str| {
        let (place, path) = arn.split_once(":service/")?;
        let (cluster, service) = path.split_once('/')?;
        Some([place, cluster, service].map(str::to_owned))
    };
    let ([place, cluster, service], [here, own, _]) = (split(glob)?, split(known)?);
    (place == here && covers(&cluster, &own)).then(|| format!("{place}:service/{own}/{service}"))
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::date::DateTime;
    use crate::pattern::filter::Filters;
    use crate::pattern::job_filter::{JobFilters, Names};
    use crate::pattern::scenario::Scenario;
    use crate::pattern::{Drill, Pattern, samples};

    const CLUSTER: &str = "arn:aws-cn:ecs:cn-north-1:210987654321:cluster/night-jobs";

    fn event(scenario: Scenario, cluster: &str) -> Value {
        scenario.event(cluster, "0123456789abcdef0123456789abcdef", DateTime::from_secs(1_800_000_000)).unwrap()
    }

    fn matcher(pattern: &str, filters: &Filters) -> Matcher {
        let pattern = Pattern::find(pattern).unwrap().narrowed(filters).unwrap();
        pattern.matcher(&[CLUSTER.to_owned()], Drill::Accepted).unwrap()
    }

    #[test]
    fn drill_is_changed_to_the_names_of_filters() {
        let names = |name: &str| vec![name.to_owned()];
        for filters in [
            Filters { families: names("import"), ..Filters::default() },
            Filters { families: names("night*"), ..Filters::default() },
            Filters { families: names("*-job"), services: names("a*b"), ..Filters::default() },
            Filters { exclude_families: names("web"), container: Some("app".to_owned()), ..Filters::default() },
        ] {
            let matcher = matcher("nonzero-exit", &filters);
            let event = fitted(&matcher, event(Scenario::ExitCode, CLUSTER));
            assert!(event.is_some_and(|event| matcher.matches(&event)), "{filters:?}");
        }
        let jobs = JobFilters {
            queues: Names { included: names("a*b"), ..Names::default() },
            jobs: Names { included: names("import"), ..Names::default() },
            ..JobFilters::default()
        };
        let machines = Names { included: names("etl"), ..Names::default() };
        for (scenario, jobs) in [
            (Scenario::BatchJobFailed, jobs),
            (Scenario::ExecutionFailed, JobFilters { machines, ..JobFilters::default() }),
        ] {
            let matcher = matcher(scenario.pattern(), &Filters { jobs, ..Filters::default() });
            let event = fitted(&matcher, event(scenario, CLUSTER));
            assert!(event.is_some_and(|event| matcher.matches(&event)), "{scenario:?}");
        }
        let deployments = matcher("deployment-failed", &Filters { services: names("web"), ..Filters::default() });
        let event = event(Scenario::DeploymentFailed, CLUSTER);
        assert!(!deployments.matches(&event));
        assert!(fitted(&deployments, event).is_some_and(|event| deployments.matches(&event)));
    }

    #[test]
    fn drill_of_a_service_stays_in_its_cluster() {
        for (glob, is_covered) in [("night-*", true), ("*", true), ("*-jobs", true), ("day-*", false)] {
            let filters = Filters { services: vec!["web*".to_owned()], ..Filters::default() };
            let pattern = Pattern::find("deployment-failed").unwrap().narrowed(&filters).unwrap();
            let matcher = pattern.matcher(&[CLUSTER.replace("night-jobs", glob)], Drill::Accepted).unwrap();
            let event = fitted(&matcher, event(Scenario::DeploymentFailed, CLUSTER));
            assert_eq!(event.is_some(), is_covered, "{glob}");
            let arns = event.map(|event| event["resources"].to_string()).unwrap_or_default();
            assert_eq!(arns.contains(":service/night-jobs/webdrill"), is_covered, "{glob}: {arns}");
        }
    }

    #[test]
    fn search_ends_if_names_exclude_each_other() {
        let family =
            |name: &str| matcher("task-failed", &Filters { families: vec![name.to_owned()], ..Filters::default() });
        let both = [family("import"), family("export")];
        let mut event = event(Scenario::ExitCode, CLUSTER);
        let mut checks = 0;
        let is_accepted = fit(&mut event, |event| {
            checks += 1;
            Err(both.iter().filter_map(|matcher| matcher.mismatch(event)).collect())
        });
        assert_eq!((is_accepted, checks), (false, MOST_CHECKS));
    }

    #[test]
    fn only_names_of_a_drill_are_changed() {
        let mut event = self::event(Scenario::ExitCode, CLUSTER);
        let before = event.clone();
        let mismatch = matcher("out-of-memory", &Filters::default()).mismatch(&event).unwrap();
        assert!(!change(&mut event, &mismatch));
        assert_eq!(event, before);
        let mut deployment = self::event(Scenario::DeploymentFailed, &CLUSTER.replace("night-jobs", "web"));
        let mismatch = matcher("deployment-failed", &Filters::default()).mismatch(&deployment).unwrap();
        assert!(mismatch.path == "resources" && !change(&mut deployment, &mismatch));
    }

    #[test]
    fn every_narrowed_pattern_fits_a_sample() {
        let arn = "arn:aws:ecs:eu-west-1:210987654321:cluster/night-jobs".to_owned();
        let samples = samples::of_cluster(&arn).unwrap();
        let names = |name: &str| vec![name.to_owned()];
        for (name, filters) in [
            ("task-failed", Filters { families: names("import*"), services: names("a*b"), ..Filters::default() }),
            ("nonzero-exit", Filters { container: Some("app-2".to_owned()), ..Filters::default() }),
            ("out-of-memory", Filters { families: names("import"), ..Filters::default() }),
            ("deployment-failed", Filters { services: names("shop"), ..Filters::default() }),
            ("service-impaired", Filters { services: names("shop"), ..Filters::default() }),
        ] {
            let pattern = Pattern::find(name).unwrap().narrowed(&filters).unwrap();
            let bound = pattern.bind(std::slice::from_ref(&arn), Drill::Accepted).unwrap();
            let matcher = Matcher::new(&(&bound).into()).unwrap();
            assert!(samples.iter().any(|sample| fitted(&matcher, sample.clone()).is_some()), "{name} {filters:?}");
        }
    }
}
