//! Computes the next times of the deadlines and of the summary.

use std::time::SystemTime;

use crate::calendar::{Span, Zoned};
use crate::config::Config;
use crate::config::job::{Deadline, Expectation, Job};
use crate::error::{Error, Result};

/// The number of times that are shown.
pub const SHOWN: usize = 3;

/// An expectation or the summary, with its next times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The job, with the schedule that starts it; none: the summary.
    pub job: Option<Job>,
    /// The expectation in the words of `--expect`, or the summary's cron expression.
    pub expected: String,
    /// The time zone of the times.
    pub zone: Option<String>,
    /// The time from a deadline to its check.
    pub grace: Option<Span>,
    /// The next times. None for an expectation without times: its deadlines follow from the job's runs.
    pub times: Vec<Zoned>,
}

/// Returns all expectations and the summary, with their next times after `now`.
///
/// # Errors
/// For the first deadline or summary that never comes after `now`.
pub fn next(config: &Config, now: SystemTime) -> Result<Vec<Next>> {
    let expected = config.jobs.iter().flat_map(|job| job.expectations.iter().map(move |expected| (job, expected)));
    let mut all = expected.map(|(job, expected)| of_job(job, expected, now)).collect::<Result<Vec<_>>>()?;
    if let Some(summary) = &config.summary {
        let times: Vec<Zoned> = summary.upcoming(now).take(SHOWN).collect();
        let expected = summary.cron.to_string();
        comes_again(&times, "the summary", &expected)?;
        all.push(Next { job: None, expected, zone: Some(summary.zone.name.clone()), grace: None, times });
    }
    Ok(all)
}

fn of_job(job: &Job, expected: &Expectation, now: SystemTime) -> Result<Next> {
    let job_alone = Job { expectations: Vec::new(), ..job.clone() };
    let without_times =
        |expected: String, grace| Next { job: Some(job_alone), expected, zone: None, grace, times: Vec::new() };
    Ok(match expected {
        Expectation::By(deadline) => {
            let times: Vec<Zoned> = deadline.upcoming(now).take(SHOWN).collect();
            let Deadline { cron, zone, grace } = deadline;
            comes_again(&times, &format!("the job {job}"), cron.text())?;
            Next { zone: Some(zone.name.clone()), times, ..without_times(format!("by={cron}"), Some(*grace)) }
        }
        Expectation::Every(interval, grace) => without_times(format!("every={interval}"), Some(*grace)),
        Expectation::MaxRuntime(limit) => without_times(format!("max-runtime={limit}"), None),
    })
}

fn comes_again(times: &[Zoned], subject: &str, cron: &str) -> Result<()> {
    match times.is_empty() {
        false => Ok(()),
        true => Err(Error::usage(format!("{subject}: {cron} never comes again")).hint(
            "change the year, or leave the expectation out; a time that every clock change skips never comes, either",
        )),
    }
}
