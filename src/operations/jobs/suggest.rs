//! Suggests an expectation for each job that has none: from the schedule that starts the job, and from its usual duration.

use super::{Job, times};
use crate::aws::calls::ledger::Usual;
use crate::aws::calls::schedules::Schedule;
use crate::calendar::{Cron, Span};
use crate::config::starter;

/// The shortest interval that `setup` accepts.
const SHORTEST: Span = Span::minutes(5);
/// The unit to which durations are rounded up.
const STEP: Span = Span::minutes(5);
/// The time between a deadline and its check.
pub const GRACE: Span = Span::minutes(10);

/// A suggested expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    pub job: String,
    pub started_by: Option<String>,
    pub rule: Rule,
    pub grace: Span,
    pub from: Schedule,
    /// The usual duration, if a successful run is known.
    pub usual: Option<Usual>,
}

/// The content of a suggestion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The cron expressions of the deadlines, in this time zone. A later time may need several expressions.
    By {
        crons: Vec<String>,
        zone: String,
    },
    Every(Span),
}

/// A job for which nothing can be suggested, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub job: String,
    pub started_by: Option<String>,
    pub reason: String,
}

/// Returns a suggestion, or the reason why there is none, for each schedule of a job of which no success is expected.
#[must_use]
pub fn suggestions(jobs: &[Job]) -> Vec<Result<Suggestion, Refusal>> {
    let all = jobs.iter().filter(|job| !job.is_expected()).flat_map(|job| of_job(job, jobs));
    all.fold(Vec::new(), |mut suggested, one| {
        match suggested.iter_mut().find(|known| is_for_one_job(known, &one)) {
            None => suggested.push(one),
            Some(known) => *known = stricter(known.clone(), one),
        }
        suggested
    })
}

/// Returns whether `setup` would refuse both: an expectation is of a job in all clusters of the stack.
fn is_for_one_job(one: &Result<Suggestion, Refusal>, other: &Result<Suggestion, Refusal>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            let is_every = |rule: &Rule| matches!(rule, Rule::Every(_));
            let excludes = one.rule == other.rule || (is_every(&one.rule) && is_every(&other.rule));
            one.job == other.job && one.started_by == other.started_by && excludes
        }
        _ => one == other,
    }
}

/// Returns the suggestion with the shorter interval.
fn stricter(one: Result<Suggestion, Refusal>, other: Result<Suggestion, Refusal>) -> Result<Suggestion, Refusal> {
    let interval = |suggested: &Result<Suggestion, Refusal>| match suggested {
        Ok(Suggestion { rule: Rule::Every(span), .. }) => span.seconds,
        _ => 0,
    };
    if interval(&other) < interval(&one) { other } else { one }
}

fn of_job(job: &Job, all: &[Job]) -> Vec<Result<Suggestion, Refusal>> {
    let refusal = |reason: String| Err(Refusal { job: job.name.clone(), started_by: job.started_by.clone(), reason });
    if job.schedules.is_empty() {
        return vec![refusal("no schedule starts it".to_owned())];
    }
    let mut started_by = job.started_by.clone();
    for other in all.iter().filter(|other| other.name == job.name && other.started_by != job.started_by) {
        let (Some(own), Some(another)) = (whole(job), whole(other)) else { continue };
        if starter::are_alike(&own, &another) {
            let name = other.started_by.as_deref().unwrap_or_default();
            return vec![refusal(format!(
                "ECS cuts names of schedules, so its tasks cannot be told apart from those of {name}"
            ))];
        }
        // A name alone may be that of a schedule or of a rule: `setup` would refuse both.
        if starter::are_alike(starter::bare(&own), starter::bare(&another)) {
            started_by = Some(own);
        }
    }
    let of = |schedule: &Schedule| {
        if !schedule.is_enabled {
            return refusal(format!("its schedule {} is disabled", schedule.name));
        }
        let usual = job.ledger.as_ref().ok().and_then(|ledger| ledger.as_ref()?.usual());
        match rule(schedule, usual) {
            Ok(rule) => Ok(Suggestion {
                job: job.name.clone(),
                started_by: started_by.clone(),
                rule,
                grace: GRACE,
                from: schedule.clone(),
                usual,
            }),
            Err(reason) => refusal(reason),
        }
    };
    job.schedules.iter().map(of).collect()
}

/// Returns the `startedBy` of a part's tasks, with the prefix if the schedule or rule is known.
fn whole(part: &Job) -> Option<String> {
    let name = part.started_by.clone()?;
    Some(part.schedules.first().map_or(name, super::started_by))
}

/// Returns the expectation that follows from a schedule and the usual duration, which is rounded up.
///
/// # Errors
/// If the expectation cannot be written: the reason.
fn rule(schedule: &Schedule, usual: Option<Usual>) -> Result<Rule, String> {
    let Schedule { name, expression, .. } = schedule;
    let duration = usual.map_or(0, |usual| usual.seconds.div_ceil(STEP.seconds) * STEP.seconds);
    let later = Span { seconds: duration + schedule.window_minutes * 60 };
    if let Some(interval) = times::rate(expression) {
        let seconds = (interval.seconds + later.seconds).max(SHORTEST.seconds);
        return Ok(Rule::Every(Span { seconds }));
    }
    if expression.starts_with("at(") {
        return Err(format!("its schedule {name} starts it only once"));
    }
    let cron =
        Cron::parse(expression).map_err(|_| format!("the expression of its schedule {name} is not understood"))?;
    let crons = if later.seconds == 0 { Some(vec![cron.clone()]) } else { cron.shifted(later) };
    let crons =
        crons.ok_or_else(|| format!("no expression says {later} later than {expression}: choose a time yourself"))?;
    if crons.iter().any(|cron| cron.shifted(GRACE).is_none()) {
        return Err(format!(
            "no expression says {GRACE} later than the deadline after {expression}: choose a time yourself"
        ));
    }
    let crons = crons.iter().map(|cron| cron.text().to_owned()).collect();
    Ok(Rule::By { crons, zone: schedule.zone.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::calls::ledger::{End, Ledger};
    use crate::aws::calls::schedules::Keeper;

    fn schedule(expression: &str) -> Schedule {
        Schedule {
            name: "nightly".to_owned(),
            keeper: Keeper::Scheduler { group: "default".to_owned() },
            expression: expression.to_owned(),
            zone: "Asia/Tokyo".to_owned(),
            is_enabled: true,
            window_minutes: 0,
            cluster: "batch".to_owned(),
            family: "nightly-report".to_owned(),
        }
    }

    fn job(schedule: Schedule, seconds: Option<u64>) -> Job {
        let end =
            |seconds| End { at: "2026-11-28T18:10:00Z".to_owned(), ok: true, seconds: Some(seconds), ..End::default() };
        let ledger = seconds.map(|seconds| Ledger { ends: vec![end(seconds)], ..Ledger::default() });
        Job {
            cluster: Some("batch".to_owned()),
            name: "nightly-report".to_owned(),
            started_by: None,
            schedules: vec![schedule],
            ledger: Ok(ledger),
            checked: std::collections::BTreeMap::new(),
            expectations: Vec::new(),
        }
    }

    fn suggested(schedule: Schedule, seconds: Option<u64>) -> Result<Rule, String> {
        let mut all = suggestions(&[job(schedule, seconds)]);
        assert_eq!(all.len(), 1);
        all.remove(0).map(|one| one.rule).map_err(|refusal| refusal.reason)
    }

    fn by(crons: &[&str]) -> Rule {
        let crons = crons.iter().map(|cron| (*cron).to_owned()).collect();
        Rule::By { crons, zone: "Asia/Tokyo".to_owned() }
    }

    #[test]
    fn deadline_is_the_schedule_and_the_usual_duration_rounded_up() {
        let cron = || schedule("cron(0 3 * * ? *)");
        assert_eq!(suggested(cron(), None), Ok(by(&["cron(0 3 * * ? *)"])));
        assert_eq!(suggested(cron(), Some(412)), Ok(by(&["cron(10 3 * * ? *)"])));
        assert_eq!(suggested(Schedule { window_minutes: 15, ..cron() }, Some(412)), Ok(by(&["cron(25 3 * * ? *)"])));
        assert_eq!(suggested(schedule("rate(1 hour)"), Some(30)), Ok(Rule::Every(Span::minutes(65))));
    }

    #[test]
    fn job_in_two_clusters_has_one_suggestion_for_both() {
        let of = |cluster: &str, expression: &str| Job {
            cluster: Some(cluster.to_owned()),
            ..job(schedule(expression), None)
        };
        let rules = |jobs: &[Job]| suggestions(jobs).into_iter().map(|one| one.unwrap().rule).collect::<Vec<_>>();
        assert_eq!(rules(&[of("a", "cron(0 3 * * ? *)"), of("b", "cron(0 3 * * ? *)")]), [by(&["cron(0 3 * * ? *)"])]);
        assert_eq!(rules(&[of("a", "cron(0 3 * * ? *)"), of("b", "cron(0 4 * * ? *)")]).len(), 2);
        let hourly = Rule::Every(Span::minutes(60));
        assert_eq!(rules(&[of("a", "rate(1 day)"), of("b", "rate(1 hour)")]), std::slice::from_ref(&hourly));
        assert_eq!(rules(&[of("a", "rate(1 hour)"), of("b", "rate(1 day)")]), [hourly]);
    }

    #[test]
    fn schedules_that_ecs_cannot_tell_apart_have_no_suggestion() {
        let of = |name: &str| Job {
            started_by: Some(name.to_owned()),
            ..job(Schedule { name: name.to_owned(), ..schedule("rate(1 hour)") }, None)
        };
        let reasons = |names: [&str; 2]| suggestions(&names.map(of)).into_iter().filter_map(Result::err).count();
        assert_eq!(reasons(["nightly-report-of-the-morning", "nightly-report-of-the-evening"]), 2);
        assert_eq!(reasons(["morning", "evening"]), 0);
    }

    #[test]
    fn rules_that_only_their_prefix_tells_from_schedules_are_suggested_with_it() {
        let of = |name: &str, keeper: Keeper| Job {
            started_by: Some(name.to_owned()),
            ..job(Schedule { name: name.to_owned(), keeper, ..schedule("rate(1 hour)") }, None)
        };
        let (morning, evening) = ("nightly-report-of-the-morning", "nightly-report-of-the-evening");
        let by_scheduler = || Keeper::Scheduler { group: "default".to_owned() };
        for (keeper, prefix) in [(Keeper::Rule, "events-rule/"), (by_scheduler(), "chronos-schedule/")] {
            let names: Vec<String> = suggestions(&[of(morning, keeper), of(evening, Keeper::Rule)])
                .into_iter()
                .map(|one| one.unwrap().started_by.unwrap())
                .collect();
            assert_eq!(names, [format!("{prefix}{morning}"), format!("events-rule/{evening}")]);
            assert!(!starter::are_alike(&names[0], &names[1]));
        }
    }

    #[test]
    fn job_without_a_useful_schedule_has_a_reason() {
        let reason = |schedule: Schedule| suggested(schedule, None).unwrap_err();
        assert!(reason(Schedule { is_enabled: false, ..schedule("rate(1 hour)") }).contains("nightly is disabled"));
        assert!(reason(schedule("at(2026-12-01T03:00:00)")).contains("only once"));
        assert!(reason(schedule("cron(x)")).contains("is not understood"));
        let none = Job { schedules: Vec::new(), ..job(schedule("rate(1 hour)"), None) };
        assert_eq!(suggestions(&[none])[0].as_ref().unwrap_err().reason, "no schedule starts it");
    }
}
