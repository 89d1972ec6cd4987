//! Suggests an expectation for each job that has none: from the schedule that starts the job, and from its usual duration.

use super::{Job, times};
use crate::aws::calls::ledger::Usual;
use crate::aws::calls::schedules::Schedule;
use crate::calendar::{Cron, Span};

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
    jobs.iter().filter(|job| !job.is_expected()).flat_map(of_job).collect()
}

fn of_job(job: &Job) -> Vec<Result<Suggestion, Refusal>> {
    let refusal = |reason: String| Err(Refusal { job: job.name.clone(), started_by: job.started_by.clone(), reason });
    if job.schedules.is_empty() {
        return vec![refusal("no schedule starts it".to_owned())];
    }
    let of = |schedule: &Schedule| {
        if !schedule.is_enabled {
            return refusal(format!("its schedule {} is disabled", schedule.name));
        }
        let usual = job.ledger.as_ref().ok().and_then(|ledger| ledger.as_ref()?.usual());
        match rule(schedule, usual) {
            Ok(rule) => Ok(Suggestion {
                job: job.name.clone(),
                started_by: job.started_by.clone(),
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
    fn job_without_a_useful_schedule_has_a_reason() {
        let reason = |schedule: Schedule| suggested(schedule, None).unwrap_err();
        assert!(reason(Schedule { is_enabled: false, ..schedule("rate(1 hour)") }).contains("nightly is disabled"));
        assert!(reason(schedule("at(2026-12-01T03:00:00)")).contains("only once"));
        assert!(reason(schedule("cron(x)")).contains("is not understood"));
        let none = Job { schedules: Vec::new(), ..job(schedule("rate(1 hour)"), None) };
        assert_eq!(suggestions(&[none])[0].as_ref().unwrap_err().reason, "no schedule starts it");
    }
}
