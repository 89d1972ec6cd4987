//! Explains why no alert came about a job: from what is expected of the job, and from its ledger.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::expected::{Expectation, Key, Rule};
use super::{Job, times};
use crate::aws::calls::ledger::{End, Ledger, millis, moment};

/// The longest time between two checks of an interval (`src/desired/watch.rs`), with a minute for Scheduler's precision.
const LONGEST_PAUSE_SECONDS: u64 = 3660;

/// The outcome of one expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Nothing is expected of the job.
    NothingExpected,
    /// A schedule that checks the expectation is disabled.
    NotChecked,
    /// Nothing is known of the job at the beginning of the window: the expectation begins with the first full window.
    Pending,
    /// The job ended well in time.
    InTime { deadline: Option<String>, success: String },
    /// The job failed in the window of the deadline, and the failure was announced apart.
    Failed { deadline: String, at: String, cause: Option<String> },
    /// The overdue run was announced.
    Announced { deadline: String },
    /// The deadline has passed, and its check is still to come.
    CheckDue { deadline: String },
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
    let now = i64::try_from(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(i64::MAX);
    let known = Known { ledger, checked: &job.checked, now };
    job.expectations.iter().map(|one| (Some(one), known.of(one))).collect()
}

/// The memory of the notifier about a job.
#[derive(Clone, Copy)]
struct Known<'a> {
    ledger: &'a Ledger,
    /// The deadlines that were checked last, by the notifier's names of expectations.
    checked: &'a BTreeMap<String, String>,
    /// The time in milliseconds since 1970.
    now: i64,
}

impl Known<'_> {
    fn of(self, expectation: &Expectation) -> Why {
        if !expectation.is_checked {
            return Why::NotChecked;
        }
        let key = &expectation.job;
        match &expectation.rule {
            Rule::By { cron, zone, grace } => self.by(key, (cron, zone, *grace)),
            Rule::Every { seconds, grace } => self.every(key, (*seconds, *grace)),
            Rule::MaxRuntime(_) if self.ledger.told.running.is_empty() => Why::NoneRanLong,
            Rule::MaxRuntime(_) => Why::RanLong(self.ledger.told.running.clone()),
        }
    }

    fn ends(&self) -> impl Iterator<Item = &End> {
        self.ledger.ends.iter().chain(&self.ledger.last_success)
    }

    /// Returns whether an end was a failure for which an alert was due, as `endsOf` in `lambda/core/overdue.mjs` does.
    fn has_rung(&self, end: &End) -> bool {
        let told = self.ledger.told.failure.as_deref().and_then(millis);
        !end.ok && end.millis().zip(told).is_some_and(|(at, told)| at <= told)
    }

    /// Returns the moment that the notifier noted about an expectation, as `keyOf` in `lambda/watch/deadline.mjs` names it.
    fn checked(&self, words: &[&str], job: &Key) -> Option<i64> {
        let name = words.iter().copied().chain(job.started_by.as_deref()).collect::<Vec<_>>().join(" ");
        self.checked.get(&name).and_then(|at| millis(at))
    }

    /// Decides about the last deadline by a cron, as `verdictOf` in `lambda/core/overdue.mjs` does.
    fn by(self, job: &Key, (cron, zone, grace): (&str, &str, u64)) -> Why {
        let later = thousands(grace);
        let time = |at: i64| UNIX_EPOCH + Duration::from_millis(at.try_into().unwrap_or_default());
        let Some((deadline, due)) = times::last(cron, zone, time(self.now.saturating_sub(later))) else {
            return Why::Pending;
        };
        // The window of a deadline is between the checks.
        let start = times::last(cron, zone, time(due - 1000)).map_or(i64::MIN, |(_, start)| start + later);
        let within = |end: &&End| end.millis().is_some_and(|at| at > start && at <= due + later);
        if let Some(good) = self.ends().filter(within).find(|end| end.ok) {
            return Why::InTime { deadline: Some(deadline), success: good.at.clone() };
        }
        // After the check of a failed run, the notifier notes the deadline as well: the failure is the alert.
        if let Some(bad) = self.ends().filter(within).find(|end| self.has_rung(end)) {
            return Why::Failed { deadline, at: bad.at.clone(), cause: bad.cause.clone() };
        }
        if self.ledger.told.overdue.as_deref().and_then(millis).is_some_and(|told| told >= due) {
            return Why::Announced { deadline };
        }
        let checked = self.checked(&["by", cron, zone], job);
        let was_known = self.ends().any(|end| end.millis().is_some_and(|at| at <= start));
        match checked {
            Some(checked) if checked >= due && was_known => Why::Checked { deadline },
            Some(checked) if checked <= start => Why::CheckMissing { deadline },
            _ if was_known => Why::CheckMissing { deadline },
            _ => Why::Pending,
        }
    }

    /// Decides whether the job ended well recently, as `verdictOfEvery` in `lambda/core/overdue.mjs` does.
    fn every(self, job: &Key, (seconds, grace): (u64, u64)) -> Why {
        let (every, grace) = (thousands(seconds), thousands(grace));
        let words = seconds.to_string();
        let good = self.ledger.last_success.as_ref().filter(|end| end.millis().is_some());
        let since = good.and_then(End::millis).or_else(|| self.checked(&["every", &words, "since"], job));
        let Some(due) = since.map(|since| since.saturating_add(every)) else { return Why::Pending };
        let late = due.saturating_add(grace);
        if late > self.now {
            let in_time = |good: &End| Why::InTime { deadline: None, success: good.at.clone() };
            return good.map_or(Why::Pending, in_time);
        }
        let deadline = moment(due);
        let is_recent = |end: &&End| end.millis().is_some_and(|at| at.saturating_add(every + grace) > self.now);
        if let Some(bad) = self.ends().filter(is_recent).find(|end| self.has_rung(end)) {
            return Why::Failed { deadline, at: bad.at.clone(), cause: bad.cause.clone() };
        }
        if self.checked(&["every", &words], job) == Some(due) {
            return Why::Announced { deadline };
        }
        match late.saturating_add(thousands(LONGEST_PAUSE_SECONDS)) > self.now {
            true => Why::CheckDue { deadline },
            false => Why::CheckMissing { deadline },
        }
    }
}

fn thousands(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::calls::ledger::Told;

    /// Returns 2026-11-24T04:00:00Z.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_hours(498_744 + 4)
    }

    fn expectation(rule: Rule) -> Expectation {
        let job = Key { name: "nightly".to_owned(), started_by: Some("main".to_owned()) };
        Expectation { job, rule, is_checked: true, schedules: vec!["by-1".to_owned()] }
    }

    fn end(at: &str, ok: bool) -> End {
        let cause = (!ok).then(|| "oom".to_owned());
        End { at: format!("2026-11-{at}:00Z"), task: at.to_owned(), ok, cause, ..End::default() }
    }

    /// Explains one expectation of a job with these ends and announcements; `checked` has the notifier's names of expectations.
    fn why(rule: Rule, ends: &[End], (failure, overdue): (&str, &str), checked: &[(&str, &str)]) -> Why {
        let at = |at: &str| (!at.is_empty()).then(|| format!("2026-11-{at}:00Z"));
        let told = Told { failure: at(failure), overdue: at(overdue), ..Told::default() };
        let last_success = ends.iter().find(|end| end.ok).cloned();
        let ledger = Ledger { ends: ends.to_vec(), last_success, told, ..Ledger::default() };
        let job = Job {
            cluster: None,
            name: "nightly".to_owned(),
            started_by: Some("main".to_owned()),
            schedules: Vec::new(),
            ledger: Ok(Some(ledger)),
            checked: checked.iter().map(|(name, time)| ((*name).to_owned(), at(time).unwrap())).collect(),
            expectations: vec![expectation(rule)],
        };
        explain(&job, now()).remove(0).1
    }

    #[test]
    fn last_deadline_is_explained_as_the_notifier_decides_it() {
        let daily = || Rule::By { cron: "cron(0 3 * * ? *)".to_owned(), zone: "UTC".to_owned(), grace: 600 };
        let deadline = "2026-11-24T03:00:00+00:00".to_owned();
        let key = "by cron(0 3 * * ? *) UTC main";
        let old = [end("22T02:50", true)];
        let in_time = why(daily(), &[end("24T02:50", true)], ("", ""), &[]);
        let success = "2026-11-24T02:50:00Z".to_owned();
        assert_eq!(in_time, Why::InTime { deadline: Some(deadline.clone()), success });
        // The check of a failed run notes the deadline, too.
        let failing = [end("24T02:50", false), end("22T02:50", true)];
        for overdue in ["", "24T03:00"] {
            let failed = why(daily(), &failing, ("24T02:50", overdue), &[]);
            assert!(matches!(&failed, Why::Failed { cause: Some(cause), .. } if cause == "oom"), "{failed:?}");
        }
        // A failure that no destination took has not rung.
        assert_eq!(why(daily(), &failing, ("", ""), &[]), Why::CheckMissing { deadline: deadline.clone() });
        assert_eq!(
            why(daily(), &failing, ("22T00:00", "24T03:00"), &[]),
            Why::Announced { deadline: deadline.clone() }
        );
        assert_eq!(why(daily(), &[], ("", ""), &[]), Why::Pending);
        assert_eq!(why(daily(), &[end("24T03:20", true)], ("", ""), &[]), Why::Pending);
        assert_eq!(why(daily(), &[], ("", ""), &[(key, "24T03:00")]), Why::Pending);
        let missing = Why::CheckMissing { deadline: deadline.clone() };
        assert_eq!(why(daily(), &old, ("", ""), &[]), missing);
        assert_eq!(why(daily(), &[], ("", ""), &[(key, "22T03:00")]), missing);
        assert_eq!(why(daily(), &old, ("", ""), &[("by-1", "24T03:00")]), missing);
        assert_eq!(why(daily(), &old, ("", ""), &[(key, "24T03:00")]), Why::Checked { deadline: deadline.clone() });
        assert_eq!(why(daily(), &old, ("", "24T03:00"), &[]), Why::Announced { deadline });
    }

    #[test]
    fn interval_is_explained_as_the_notifier_decides_it() {
        let hourly = || Rule::Every { seconds: 3600, grace: 600 };
        let deadline = |at: &str| format!("2026-11-24T{at}:00Z");
        assert!(matches!(why(hourly(), &[end("24T03:00", true)], ("", ""), &[]), Why::InTime { deadline: None, .. }));
        let late = [end("24T02:00", true)];
        assert_eq!(why(hourly(), &late, ("", ""), &[]), Why::CheckDue { deadline: deadline("03:00") });
        let later = [end("24T01:00", true)];
        assert_eq!(why(hourly(), &later, ("", ""), &[]), Why::CheckMissing { deadline: deadline("02:00") });
        let announced = [("every 3600 main", "24T02:00")];
        assert_eq!(why(hourly(), &later, ("", ""), &announced), Why::Announced { deadline: deadline("02:00") });
        let failing = [end("24T03:30", false), end("24T01:00", true)];
        assert!(matches!(why(hourly(), &failing, ("24T03:30", ""), &[]), Why::Failed { .. }));
        // Without any success, the interval begins with the first check.
        assert_eq!(why(hourly(), &[], ("", ""), &[]), Why::Pending);
        let since = ("every 3600 since main", "24T01:00");
        assert_eq!(why(hourly(), &[], ("", ""), &[("every 3600 since main", "24T03:30")]), Why::Pending);
        let told = [since, announced[0]];
        assert_eq!(why(hourly(), &[], ("", ""), &told), Why::Announced { deadline: deadline("02:00") });
    }

    #[test]
    fn limit_and_disabled_check_are_explained_by_the_ledger() {
        let known = |ledger: &Ledger, one: &Expectation| Known { ledger, checked: &BTreeMap::new(), now: 0 }.of(one);
        let limit = expectation(Rule::MaxRuntime(None));
        assert_eq!(known(&Ledger::default(), &limit), Why::NoneRanLong);
        let mut long = Ledger::default();
        long.told.running.push("t".to_owned());
        assert!(known(&long, &limit).alerted());
        let unchecked = Expectation { is_checked: false, ..limit };
        assert_eq!(known(&Ledger::default(), &unchecked), Why::NotChecked);
    }
}
