//! Explains why no alert came about a job: from what is expected of the job, and from its ledger.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::expected::{Expectation, Rule};
use super::{Job, times};
use crate::aws::calls::ledger::{End, Ledger, millis};

/// The outcome of one expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Nothing is expected of the job.
    NothingExpected,
    /// A schedule that checks the expectation is disabled.
    NotChecked,
    /// No end of a run is recorded before the last deadline: the expectation begins with the first full window.
    Pending,
    /// The job ended well in time.
    InTime { deadline: Option<String>, success: String },
    /// The job failed in the window of the deadline, and the failure was announced apart.
    Failed { deadline: String, at: String, cause: Option<String> },
    /// The overdue run was announced.
    Announced { deadline: String },
    /// The check of the last deadline has not arrived at the notifier.
    CheckMissing { deadline: String },
    /// The check has arrived, and there was nothing to announce, or the announcement is on its way.
    Checked { deadline: String },
    /// These tasks were announced as running for too long.
    RanLong(Vec<String>),
    /// No task is known to have run longer than the limit.
    NoneRanLong,
}

impl Why {
    /// Returns whether an alert was sent.
    #[must_use]
    pub fn alerted(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Announced { .. } | Self::RanLong(_))
    }
}

/// Explains each expectation of a job.
#[must_use]
pub fn explain(job: &Job, now: SystemTime) -> Vec<(Option<&Expectation>, Why)> {
    let empty = Ledger::default();
    let ledger = job.ledger.as_ref().ok().and_then(Option::as_ref).unwrap_or(&empty);
    if job.expectations.is_empty() {
        return vec![(None, Why::NothingExpected)];
    }
    job.expectations.iter().map(|one| (Some(one), of(one, ledger, now))).collect()
}

fn of(expectation: &Expectation, ledger: &Ledger, now: SystemTime) -> Why {
    if !expectation.is_checked {
        return Why::NotChecked;
    }
    match &expectation.rule {
        Rule::By { cron, zone, grace } => by(expectation, (cron, zone, *grace), ledger, now),
        Rule::Every { seconds, grace } => every(*seconds + *grace, ledger, now),
        Rule::MaxRuntime(_) if ledger.told.running.is_empty() => Why::NoneRanLong,
        Rule::MaxRuntime(_) => Why::RanLong(ledger.told.running.clone()),
    }
}

fn by(expectation: &Expectation, (cron, zone, grace): (&str, &str, u64), ledger: &Ledger, now: SystemTime) -> Why {
    let before = |time: SystemTime, seconds: u64| time.checked_sub(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
    let Some((deadline, due)) = times::last(cron, zone, before(now, grace)) else { return Why::Pending };
    let due_at = UNIX_EPOCH + Duration::from_millis(due.try_into().unwrap_or_default());
    // The window of a deadline is between the checks, as for the notifier (`lambda/core/overdue.mjs`).
    let later = i64::try_from(grace).unwrap_or_default() * 1000;
    let start = times::last(cron, zone, before(due_at, 1)).map_or(i64::MIN, |(_, start)| start + later);
    let within = |end: &&End| end.millis().is_some_and(|at| at > start && at <= due + later);
    let ends = || ledger.ends.iter().chain(&ledger.last_success);
    if let Some(good) = ends().filter(within).find(|end| end.ok) {
        return Why::InTime { deadline: Some(deadline), success: good.at.clone() };
    }
    if ledger.told.overdue.as_deref().and_then(millis).is_some_and(|told| told >= due) {
        return Why::Announced { deadline };
    }
    if let Some(bad) = ends().find(within) {
        return Why::Failed { deadline, at: bad.at.clone(), cause: bad.cause.clone() };
    }
    if !ends().any(|end| end.millis().is_some_and(|at| at <= start)) {
        return Why::Pending;
    }
    let checked = |name: &String| ledger.told.checked.get(name).and_then(|at| millis(at));
    match expectation.schedules.iter().filter_map(checked).any(|checked| checked >= due) {
        true => Why::Checked { deadline },
        false => Why::CheckMissing { deadline },
    }
}

fn every(seconds: u64, ledger: &Ledger, now: SystemTime) -> Why {
    let Some(good) = &ledger.last_success else { return Why::Pending };
    let now = i64::try_from(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(i64::MAX);
    let late = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
    if good.millis().is_some_and(|at| now.saturating_sub(at) <= late) {
        return Why::InTime { deadline: None, success: good.at.clone() };
    }
    match ledger.overdue() {
        Some(deadline) => Why::Announced { deadline: deadline.to_owned() },
        None => Why::CheckMissing { deadline: good.at.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::jobs::expected::Key;

    /// Returns 2026-11-24T04:00:00Z.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_hours(498_744 + 4)
    }

    fn expectation(rule: Rule) -> Expectation {
        let job = Key { name: "nightly".to_owned(), started_by: None };
        Expectation { job, rule, is_checked: true, schedules: vec!["by-1".to_owned()] }
    }

    fn daily() -> Expectation {
        expectation(Rule::By { cron: "cron(0 3 * * ? *)".to_owned(), zone: "UTC".to_owned(), grace: 600 })
    }

    fn end(at: &str, ok: bool) -> End {
        let cause = (!ok).then(|| "oom".to_owned());
        End { at: format!("2026-11-{at}:00Z"), task: at.to_owned(), ok, cause, ..End::default() }
    }

    fn why(ends: &[End], change: impl Fn(&mut Ledger)) -> Why {
        let mut ledger = Ledger { ends: ends.to_vec(), ..Ledger::default() };
        ledger.last_success = ends.iter().find(|end| end.ok).cloned();
        change(&mut ledger);
        of(&daily(), &ledger, now())
    }

    #[test]
    fn last_deadline_is_explained_by_the_ledger() {
        let deadline = "2026-11-24T03:00:00+00:00".to_owned();
        let old = [end("22T02:50", true)];
        let in_time = why(&[end("24T02:50", true)], |_| {});
        assert_eq!(
            in_time,
            Why::InTime { deadline: Some(deadline.clone()), success: "2026-11-24T02:50:00Z".to_owned() }
        );
        let failed = why(&[end("24T02:50", false), end("22T02:50", true)], |_| {});
        assert!(matches!(failed, Why::Failed { cause: Some(cause), .. } if cause == "oom"));
        assert_eq!(why(&[], |_| {}), Why::Pending);
        assert_eq!(why(&[end("24T03:20", true)], |_| {}), Why::Pending);
        assert_eq!(why(&old, |_| {}), Why::CheckMissing { deadline: deadline.clone() });
        let at = "2026-11-24T03:00:00Z".to_owned();
        let checked = why(&old, |ledger| drop(ledger.told.checked.insert("by-1".to_owned(), at.clone())));
        assert_eq!(checked, Why::Checked { deadline: deadline.clone() });
        assert_eq!(why(&old, |ledger| ledger.told.overdue = Some(at.clone())), Why::Announced { deadline });
        let unchecked = Expectation { is_checked: false, ..daily() };
        assert_eq!(of(&unchecked, &Ledger::default(), now()), Why::NotChecked);
    }

    #[test]
    fn interval_and_limit_are_explained_by_the_ledger() {
        let every = expectation(Rule::Every { seconds: 3600, grace: 600 });
        let with = |at: &str| Ledger { last_success: Some(end(at, true)), ..Ledger::default() };
        assert!(matches!(of(&every, &with("24T03:00"), now()), Why::InTime { deadline: None, .. }));
        assert!(matches!(of(&every, &with("24T02:00"), now()), Why::CheckMissing { .. }));
        assert_eq!(of(&every, &Ledger::default(), now()), Why::Pending);
        let limit = expectation(Rule::MaxRuntime(None));
        assert_eq!(of(&limit, &Ledger::default(), now()), Why::NoneRanLong);
        let mut long = Ledger::default();
        long.told.running.push("t".to_owned());
        assert!(of(&limit, &long, now()).alerted());
    }
}
