//! Makes the patterns of events that end a failure, as a stack needs them beside the patterns that it alerts on.

use serde_json::Value;

use super::filter::{Filters, is_of_tasks};
use super::{JOB_SUCCEEDED, Pattern, SERVICE_RECOVERED, is_in_catalogue};
use crate::error::Result;

/// The patterns whose failures a service can recover from.
pub const OF_SERVICES: [&str; 2] = ["deployment-failed", "service-impaired"];

/// The pattern of errors that applications report.
const APPLICATION_ERROR: &str = "application-error";

/// The parts of a stack that decide which successes of jobs matter to it.
#[derive(Debug, Clone, Copy)]
pub struct Jobs {
    pub has_clusters: bool,
    /// Whether something is expected of jobs, which may be jobs of other machines.
    pub are_expected: bool,
    /// Whether the stack alerts on errors that applications report.
    pub reports_application_errors: bool,
}

/// Returns whether a pattern of this name is a companion.
#[must_use]
pub fn is_companion(name: &str) -> bool {
    [JOB_SUCCEEDED, SERVICE_RECOVERED].contains(&name)
}

/// Returns the patterns of which a stack needs one to need this rule: none for a pattern that is no companion, and for a companion
/// that the stack needs with any pattern.
#[must_use]
pub fn needed_for(rule: &Pattern) -> &'static [&'static str] {
    match &*rule.name {
        SERVICE_RECOVERED => &OF_SERVICES,
        // Only the reports of applications are left if nothing is expected of jobs and no cluster runs any.
        JOB_SUCCEEDED if rule.tree["$or"].is_null() && !is_of_tasks(&rule.tree) => &[APPLICATION_ERROR],
        _ => &[],
    }
}

/// Returns whether a pattern takes every failure that the rule for the ends of jobs delivers: `task-failed`, `nonzero-exit` and the
/// user's own patterns do.
#[must_use]
pub fn takes_every_failed_job(name: &str) -> bool {
    ["task-failed", "nonzero-exit"].contains(&name) || !is_in_catalogue(name)
}

/// Returns the pattern of successes of jobs, narrowed to the families and the container; none if the stack has no job.
///
/// A job is no task of a service: filters that exclude services do not concern it, and a stack for certain services has no job in its
/// clusters. Events of jobs of other machines reach only stacks that expect jobs or alert on errors of applications. A failure of such
/// a job matches here only if the stack has no rule of its own for errors of applications.
///
/// # Errors
/// If the filters name a container and the pattern has no condition on containers.
pub fn job_succeeded(filters: &Filters, jobs: Jobs) -> Result<Option<Pattern>> {
    let whole = Pattern::find(JOB_SUCCEEDED)?;
    let Some(alternatives) = whole.tree["$or"].as_array() else {
        return Ok(Some(whole));
    };
    let is_needed = |one: &&Value| match () {
        () if is_of_tasks(one) => jobs.has_clusters && filters.services.is_empty(),
        // Drills of the checks of jobs: the checks themselves do not come from the bus.
        () if !one["detail"]["cluster"].is_null() => jobs.has_clusters && jobs.are_expected,
        // Any report about a job, also of its failure.
        () if !one["detail"]["job"].is_null() => jobs.are_expected && !jobs.reports_application_errors,
        () => jobs.are_expected || jobs.reports_application_errors,
    };
    let needed: Vec<Value> = alternatives.iter().filter(is_needed).cloned().collect();
    let tree = match &needed[..] {
        [] => return Ok(None),
        [one] => one.clone(),
        several => serde_json::json!({ "$or": several }),
    };
    let filters = Filters { services: Vec::new(), exclude_services: Vec::new(), ..filters.clone() };
    let clusters = Filters { exclude_clusters: filters.exclude_clusters.clone(), ..Filters::default() };
    let filters = if needed.iter().any(is_of_tasks) { filters } else { clusters };
    Ok(Some(Pattern { filters, ..Pattern::parse(JOB_SUCCEEDED, &tree.to_string())? }))
}

/// Returns the pattern of events that end a failure of a service, narrowed as far as the filters can narrow it.
///
/// # Errors
/// If the pattern is not JSON, which is a defect of the release.
pub fn service_recovered(filters: &Filters) -> Result<Pattern> {
    Ok(Pattern::find(SERVICE_RECOVERED)?.narrowed_where_possible(filters))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pattern::Drill;
    use crate::pattern::matcher::Matcher;

    const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/batch";

    fn bound(filters: &Filters, jobs: Jobs) -> Option<Value> {
        let pattern = job_succeeded(filters, jobs).unwrap()?;
        let clusters = if jobs.has_clusters { vec![CLUSTER.to_owned()] } else { Vec::new() };
        Some(pattern.in_rule(&clusters, Drill::Accepted).unwrap())
    }

    fn matches(pattern: &Value, event: &Value) -> bool {
        Matcher::new(&pattern.into()).unwrap().matches(event)
    }

    fn end(exit_code: i32, family: &str, group: &str) -> Value {
        json!({
            "source": "aws.ecs", "detail-type": "ECS Task State Change",
            "detail": {
                "clusterArn": CLUSTER, "lastStatus": "STOPPED", "stopCode": "EssentialContainerExited", "group": group,
                "taskDefinitionArn": format!("arn:aws:ecs:us-east-1:123456789012:task-definition/{family}:3"),
                "containers": [{ "name": "app", "exitCode": exit_code }],
            },
        })
    }

    fn of_app(detail_type: &str, job: &Value) -> Value {
        json!({ "source": "taskbell.app", "detail-type": detail_type, "detail": { "job": job, "message": "x" } })
    }

    const ALL: Jobs = Jobs { has_clusters: true, are_expected: true, reports_application_errors: false };

    #[test]
    fn successes_of_stand_alone_tasks_and_of_other_machines_match() {
        let pattern = bound(&Filters::default(), ALL).unwrap();
        for (event, is_matched) in [
            (end(0, "nightly", "family:nightly"), true),
            (end(1, "nightly", "family:nightly"), false),
            (end(0, "web", "service:web"), false),
            (of_app("Job Succeeded", &json!("backup")), true),
            (of_app("Application Error", &json!("backup")), true),
            (of_app("Application Error", &Value::Null), false),
        ] {
            // A field that is null exists.
            let mut event = event;
            if event["detail"]["job"].is_null() {
                event["detail"].as_object_mut().unwrap().remove("job");
            }
            assert_eq!(matches(&pattern, &event), is_matched, "{event}");
        }
    }

    #[test]
    fn failure_of_another_machine_matches_one_rule_alone() {
        let jobs = Jobs { reports_application_errors: true, ..ALL };
        let pattern = bound(&Filters::default(), jobs).unwrap();
        assert!(!matches(&pattern, &of_app("Application Error", &json!("backup"))));
        assert!(matches(&pattern, &of_app("Job Succeeded", &json!("backup"))));
    }

    #[test]
    fn stack_that_expects_nothing_takes_no_events_of_other_machines() {
        let jobs = Jobs { are_expected: false, ..ALL };
        let pattern = bound(&Filters::default(), jobs).unwrap();
        assert!(!matches(&pattern, &of_app("Job Succeeded", &json!("backup"))));
        assert!(matches(&pattern, &end(0, "nightly", "family:nightly")));
        assert_eq!(bound(&Filters::default(), Jobs { has_clusters: false, ..jobs }), None);
    }

    #[test]
    fn filters_apply_to_tasks_and_not_to_other_machines() {
        let filters = Filters { families: vec!["nightly*".to_owned()], ..Filters::default() };
        let pattern = bound(&filters, ALL).unwrap();
        assert!(matches(&pattern, &end(0, "nightly-report", "family:nightly-report")));
        assert!(!matches(&pattern, &end(0, "other", "family:other")));
        assert!(matches(&pattern, &of_app("Job Succeeded", &json!("backup"))));
        let services = Filters { services: vec!["web".to_owned()], ..Filters::default() };
        assert_eq!(bound(&services, Jobs { are_expected: false, ..ALL }), None);
        let excluded = Filters { exclude_services: vec!["web".to_owned()], ..Filters::default() };
        assert!(matches(&bound(&excluded, ALL).unwrap(), &end(0, "nightly", "family:nightly")));
        let container = Filters { container: Some("app".to_owned()), ..Filters::default() };
        assert!(matches(&bound(&container, ALL).unwrap(), &end(0, "nightly", "family:nightly")));
        let container = Filters { container: Some("other".to_owned()), ..Filters::default() };
        assert!(!matches(&bound(&container, ALL).unwrap(), &end(0, "nightly", "family:nightly")));
    }

    #[test]
    fn drills_of_checks_match_only_where_something_is_expected() {
        let drill = |cluster: &str| json!({ "source": "taskbell.drill", "detail-type": "Deadline", "detail": { "cluster": cluster, "drill": true } });
        let pattern = bound(&Filters::default(), ALL).unwrap();
        assert!(matches(&pattern, &drill("batch")) && !matches(&pattern, &drill("web")));
        let nothing = bound(&Filters::default(), Jobs { are_expected: false, ..ALL }).unwrap();
        assert!(!matches(&nothing, &drill("batch")));
    }

    #[test]
    fn rule_without_drills_names_their_source_nowhere() {
        let pattern = job_succeeded(&Filters::default(), ALL).unwrap().unwrap();
        let bound = pattern.in_rule(&[CLUSTER.to_owned()], Drill::Refused).unwrap();
        assert!(!bound.to_string().contains("taskbell.drill"), "{bound}");
    }
}
