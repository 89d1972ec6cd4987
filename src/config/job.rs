//! Reads what is expected of jobs (`--expect`, `[[stack.job]]`), and the times of the summary (`--summary`).

use std::fmt;
use std::time::SystemTime;

use crate::calendar::{Cron, Span, Zone, Zoned};
use crate::config::starter;
use crate::error::{Error, Result, nearest};
use crate::secret::echoed;

/// The stand-alone tasks of one family in the stack's clusters, the part of them that one schedule starts, or a job of another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The family of the task definition, or the name that `taskbell notify --job` gives.
    pub name: String,
    /// The schedule or the rule whose tasks alone are meant.
    pub started_by: Option<String>,
    pub expectations: Vec<Expectation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// The job ends well by a time.
    By(Deadline),
    /// The job ends well at least once in each interval; the check allows the grace besides.
    Every(Span, Span),
    /// A task of the job runs no longer than a limit.
    MaxRuntime(Limit),
}

/// The times by which a job must have ended well. The check comes after the grace, in whole minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    pub cron: Cron,
    pub zone: Zone,
    pub grace: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Three times the 95th percentile of the last 20 successful runs, from 5 runs on.
    Auto,
    Fixed(Span),
}

/// The times of the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub cron: Cron,
    pub zone: Zone,
}

/// The keys of an expectation, as `--expect` has them. `taskbell.toml` has `_` in place of `-`.
pub const KEYS: [&str; 6] = ["by", "every", "max-runtime", "started-by", "timezone", "grace"];

/// The key of the name in `taskbell.toml`; `--expect` begins with the name.
pub const NAME: &str = "name";

const DEFAULT_GRACE: Span = Span::minutes(10);
const LONGEST_GRACE: Span = Span::minutes(24 * 60);
/// Shortest interval and limit: AWS asks every five minutes.
const SHORTEST: Span = Span::minutes(5);
/// Most characters of a name, as for families of task definitions.
const LONGEST_NAME: usize = 255;

/// A mistake in an expectation, and its key: one of [`KEYS`] or [`NAME`].
#[derive(Debug)]
pub struct Mistake {
    pub key: &'static str,
    pub error: Error,
}

fn about<T>(key: &'static str, checked: Result<T>) -> Result<T, Mistake> {
    checked.map_err(|error| Mistake { key, error })
}

impl Deadline {
    /// Returns the expressions at which the check comes: the deadlines, later by the grace.
    ///
    /// The checks follow the local clock. When the clock is changed between a deadline and its check, the check comes by that much
    /// earlier or later after the deadline. A check whose local time the clock skips does not come: the next check has to look at
    /// that deadline, too. A deadline whose local time is skipped does not exist, although its check may come.
    ///
    /// # Errors
    /// If the grace moves the check into the next day, and that day has no expression.
    pub fn checks(&self) -> Result<Vec<Cron>> {
        self.cron.shifted(self.grace).ok_or_else(|| {
            let problem = format!("the check {} after {} has no cron expression", self.grace, self.cron.text());
            Error::usage(problem).hint(
                "the grace moves the check into the next day, which cannot be written for these days: use a shorter grace or an \
                 earlier hour",
            )
        })
    }

    /// Returns the deadlines after a time, in the job's time zone.
    pub fn upcoming(&self, now: SystemTime) -> impl Iterator<Item = Zoned> {
        times(&self.cron, &self.zone, now)
    }
}

impl Summary {
    /// Reads `cron(…)`, then `timezone=NAME` after a comma.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse(text: &str) -> Result<Self> {
        let mut words = words(text).into_iter();
        let cron = Cron::parse(words.next().unwrap_or_default()).map_err(|error| in_flag("--summary", text, &error))?;
        let mut zone = None;
        for word in words {
            match word.split_once('=') {
                Some(("timezone", _)) if zone.is_some() => {
                    return Err(in_flag("--summary", text, &Error::usage("timezone is given more than once")));
                }
                Some(("timezone", name)) => {
                    zone = Some(Zone::parse(name).map_err(|error| in_flag("--summary", text, &error))?);
                }
                _ => {
                    let unknown =
                        Error::usage(format!("unknown key {}", echoed(word.split('=').next().unwrap_or(word))));
                    let unknown = unknown.hint("only timezone=NAME follows the cron expression");
                    return Err(in_flag("--summary", text, &unknown));
                }
            }
        }
        Ok(Self { cron, zone: zone.unwrap_or_else(Zone::utc) })
    }

    /// Returns the times of the summary after a time, in its time zone.
    pub fn upcoming(&self, now: SystemTime) -> impl Iterator<Item = Zoned> {
        times(&self.cron, &self.zone, now)
    }
}

fn times<'a>(cron: &'a Cron, zone: &Zone, now: SystemTime) -> impl Iterator<Item = Zoned> + use<'a> {
    std::iter::successors(cron.next(&zone.at(now)), move |last| cron.next(last))
}

impl Job {
    /// Reads one `--expect`: `NAME,key=value,…`.
    ///
    /// # Errors
    /// For an unknown or repeated key, an invalid value, and keys that do not belong together.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |error: Error| in_flag("--expect", text, &error);
        let mut words = words(text).into_iter();
        let mut pairs = vec![(NAME, words.next().unwrap_or_default())];
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let Some(known) = KEYS.into_iter().find(|known| *known == key) else {
                let error = Error::usage(format!("unknown key {}", echoed(key)));
                return Err(wrong(match nearest(KEYS, &key.replace('_', "-")) {
                    Some(near) => error.hint(format!("did you mean {near}=?")),
                    None => error.hint(format!("the keys are {}", KEYS.join(", "))),
                }));
            };
            if value.is_empty() {
                return Err(wrong(Error::usage(format!("{key} has no value"))));
            }
            pairs.push((known, value));
        }
        Self::of_pairs(&pairs).map_err(|mistake| wrong(mistake.error))
    }

    /// Reads the keys of one expectation, with their values.
    ///
    /// # Errors
    /// As [`Job::parse`], with the key.
    pub fn of_pairs(pairs: &[(&'static str, &str)]) -> Result<Self, Mistake> {
        let value = |key: &'static str| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        for (at, (key, _)) in pairs.iter().enumerate() {
            if pairs[..at].iter().any(|(other, _)| other == key) {
                return about(key, Err(Error::usage(format!("{key} is given more than once"))));
            }
        }
        let Some(name_given) = value(NAME).filter(|name| !name.is_empty()) else {
            return about(NAME, Err(Error::usage("an expectation needs the name of its job")));
        };
        let name = about(NAME, name(name_given))?;
        let started_by = about("started-by", value("started-by").map(starter::name).transpose())?;
        let expectations = expectations(value)?;
        Ok(Self { name, started_by, expectations })
    }

    /// Returns the jobs with the expectations of each, in the order in which the jobs appear first.
    ///
    /// # Errors
    /// If an expectation is given twice, or ECS cannot tell the schedules of two jobs apart, with the index of the second one.
    pub fn joined(all: Vec<Self>) -> Result<Vec<Self>, (usize, Error)> {
        let mut jobs: Vec<Self> = Vec::new();
        for (at, job) in all.into_iter().enumerate() {
            match jobs.iter_mut().find(|known| known.is_same(&job)) {
                None => match jobs.iter().find(|known| known.is_mixed_with(&job)) {
                    None => jobs.push(job),
                    Some(known) => return Err((at, mixed(known, &job))),
                },
                Some(known) => known.join(job).map_err(|error| (at, error))?,
            }
        }
        Ok(jobs)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.started_by == other.started_by
    }

    /// Returns whether a task of the one job may count for the other one, because ECS cuts the names of their schedules.
    fn is_mixed_with(&self, other: &Self) -> bool {
        let (Some(one), Some(another)) = (&self.started_by, &other.started_by) else { return false };
        self.name == other.name && starter::are_alike(one, another)
    }

    fn join(&mut self, other: Self) -> Result<()> {
        for expectation in other.expectations {
            if let Some(twice) = self.expectations.iter().find(|known| known.excludes(&expectation)) {
                return Err(Error::usage(format!("the job {self} is expected twice: {twice} and {expectation}"))
                    .hint("leave out one of the two"));
            }
            self.expectations.push(expectation);
        }
        Ok(())
    }
}

/// Writes the name, with the schedule if only its tasks are meant.
impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.started_by {
            None => f.write_str(&self.name),
            Some(schedule) => write!(f, "{} (started by {schedule})", self.name),
        }
    }
}

impl Expectation {
    /// Returns whether one job cannot have both expectations.
    fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::By(one), Self::By(other)) => one.cron == other.cron && one.zone == other.zone,
            (Self::Every(..), Self::Every(..)) | (Self::MaxRuntime(_), Self::MaxRuntime(_)) => true,
            _ => false,
        }
    }
}

/// Writes the expectation with the words of `--expect`.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(Deadline { cron, zone, .. }) => write!(f, "by={cron},timezone={}", zone.name),
            Self::Every(interval, _) => write!(f, "every={interval}"),
            Self::MaxRuntime(limit) => write!(f, "max-runtime={limit}"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(span) => span.fmt(f),
        }
    }
}

fn mixed(one: &Job, other: &Job) -> Error {
    Error::usage(format!("the tasks of {one} and of {other} cannot be told apart")).hint(
        "ECS keeps the first 19 characters of a schedule's name, and the first 24 of a rule's: give the schedules names that differ \
         sooner, write events-rule/NAME for a rule, or expect one of the two",
    )
}

/// Checks the name of a job, as `--expect` and `taskbell notify --job` accept it.
///
/// # Errors
/// If the name is empty or too long, or has other characters than letters, digits and `_-.:`. Without a slash, no name is an address
/// with a secret: names are printed.
pub fn name(text: &str) -> Result<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    match begins && text.len() <= LONGEST_NAME && text.chars().all(legal) {
        true => Ok(text.to_owned()),
        false => Err(Error::usage(format!("{} is not the name of a job", echoed(text))).hint(
            "use the family of the task definition, or the name that taskbell notify --job gives: up to 255 letters, digits and _-.:",
        )),
    }
}

/// Reads the expectations among the keys.
fn expectations<'a>(value: impl Fn(&'static str) -> Option<&'a str>) -> Result<Vec<Expectation>, Mistake> {
    let (by, every, limit) = (value("by"), value("every"), value("max-runtime"));
    if by.is_some() && every.is_some() {
        let error =
            Error::usage("by and every exclude each other").hint("give two expectations of the job, one with each");
        return Err(Mistake { key: "every", error });
    }
    if by.is_none() && every.is_none() && limit.is_none() {
        let error = Error::usage("nothing is expected of the job");
        let error = error.hint("add by=cron(0 3 * * ? *), every=26h or max-runtime=2h (in taskbell.toml: max_runtime)");
        return Err(Mistake { key: NAME, error });
    }
    for (key, is_used, needs) in
        [("timezone", by.is_some(), "by"), ("grace", by.is_some() || every.is_some(), "by or every")]
    {
        if value(key).is_some() && !is_used {
            let error = Error::usage(format!("{key} has no meaning without {needs}")).hint(format!("leave out {key}"));
            return Err(Mistake { key, error });
        }
    }
    let grace = about("grace", value("grace").map_or(Ok(DEFAULT_GRACE), grace))?;
    let zone = about("timezone", value("timezone").map_or_else(|| Ok(Zone::utc()), Zone::parse))?;
    let mut all = Vec::new();
    if let Some(text) = by {
        let deadline = Deadline { cron: about("by", Cron::parse(text))?, zone, grace };
        about("by", deadline.checks())?;
        all.push(Expectation::By(deadline));
    }
    if let Some(text) = every {
        all.push(Expectation::Every(about("every", at_least("every", text))?, grace));
    }
    if let Some(text) = limit {
        let limit = match text {
            "auto" => Limit::Auto,
            _ => Limit::Fixed(about("max-runtime", at_least("max-runtime", text))?),
        };
        all.push(Expectation::MaxRuntime(limit));
    }
    Ok(all)
}

fn grace(text: &str) -> Result<Span> {
    let grace = Span::parse(text)?;
    match grace.in_minutes() {
        Some(_) if grace <= LONGEST_GRACE => Ok(grace),
        Some(_) => Err(Error::usage(format!("the grace {grace} is longer than 24h")).hint("use a later deadline")),
        None => Err(Error::usage(format!("the grace {grace} is no number of minutes"))
            .hint("AWS checks at full minutes: use whole minutes, as in 30m")),
    }
}

fn at_least(key: &str, text: &str) -> Result<Span> {
    let span = Span::parse(text)?;
    match span >= SHORTEST {
        true => Ok(span),
        false => Err(Error::usage(format!("{key}={span} is shorter than {SHORTEST}"))
            .hint("AWS looks at jobs every five minutes: use 5m or more")),
    }
}

fn in_flag(flag: &str, text: &str, error: &Error) -> Error {
    let hint = error.nearest_hint().cloned();
    let told = Error::usage(format!("{flag} {}: {}", echoed(text), error.in_one_line()));
    hint.into_iter().fold(told, Error::hint)
}

/// Splits a text at its commas, but not within parentheses: the fields of a cron expression may have commas.
fn words(text: &str) -> Vec<&str> {
    let (mut words, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, char) in text.char_indices() {
        match char {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                words.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    words.push(text[start..].trim());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(text: &str) -> Vec<Expectation> {
        Job::parse(text).unwrap().expectations
    }

    #[test]
    fn expectation_has_the_values_of_its_keys_and_the_defaults() {
        let deadline = |text: &str| match &expected(text)[..] {
            [Expectation::By(deadline)] => Some(deadline.clone()),
            _ => None,
        };
        let full = deadline("nightly,by=cron(0 3,15 * * ? *), timezone=Asia/Tokyo ,grace=30m").unwrap();
        assert_eq!(full.cron.text(), "cron(0 3,15 * * ? *)");
        assert_eq!((full.zone.name.as_str(), full.grace), ("Asia/Tokyo", Span::minutes(30)));
        assert_eq!(full.checks().unwrap()[0].text(), "cron(30 3,15 * * ? *)");
        let short = deadline("nightly,by=cron(0 3 * * ? *)").unwrap();
        assert_eq!((&short.zone, short.grace), (&Zone::utc(), Span::minutes(10)));
        assert_eq!(expected("x,every=26h"), [Expectation::Every(Span::minutes(26 * 60), Span::minutes(10))]);
        assert_eq!(expected("x,max-runtime=auto"), [Expectation::MaxRuntime(Limit::Auto)]);
        assert_eq!(
            expected("x,max-runtime=2h,every=1d,grace=24h"),
            [
                Expectation::Every(Span::minutes(1440), Span::minutes(1440)),
                Expectation::MaxRuntime(Limit::Fixed(Span::minutes(120)))
            ]
        );
        let job = Job::parse("rails:db.backup,every=1d,started-by=chronos-schedule/nightly").unwrap();
        assert_eq!(job.to_string(), "rails:db.backup (started by chronos-schedule/nightly)");
    }

    #[test]
    fn invalid_expectation_is_explained_with_a_fix() {
        for (text, problem, hint) in [
            ("", "needs the name of its job", ""),
            ("nightly", "nothing is expected", "every=26h"),
            ("nightly,started-by=x", "nothing is expected", "every=26h"),
            ("night ly,every=1d", "is not the name of a job", "letters, digits"),
            ("nightly|x,every=1d", "is not the name of a job", "letters, digits"),
            ("-nightly,every=1d", "is not the name of a job", "letters, digits"),
            ("a/b,every=1d", "is not the name of a job", "letters, digits"),
            ("nightly,every=1d,started-by=a/b/c", "started-by does not accept", "the name of the schedule"),
            ("nightly,every=1d,started-by=a.b/c", "started-by does not accept", "the name of the schedule"),
            ("nightly,evry=1d", "unknown key \"evry\"", "did you mean every=?"),
            ("nightly,max_runtime=1h", "unknown key \"max_runtime\"", "did you mean max-runtime=?"),
            ("nightly,when=1h", "unknown key \"when\"", "the keys are by, every"),
            ("nightly,every=", "every has no value", ""),
            ("nightly,every", "every has no value", ""),
            ("nightly,every=1d,every=2d", "every is given more than once", ""),
            ("nightly,every=26", "the duration \"26\" has no unit", "26h"),
            ("nightly,every=1m", "every=1m is shorter than 5m", "5m or more"),
            ("nightly,max-runtime=0m", "max-runtime=0m is shorter than 5m", "5m or more"),
            ("nightly,every=1d,by=cron(0 3 * * ? *)", "by and every exclude each other", "two expectations"),
            ("nightly,by=cron(0 3 * * *)", "has 5 fields, not 6", "the year"),
            ("nightly,by=cron(0 3 * * ? *),timezone=Asia/Toyko", "does not exist", "did you mean Asia/Tokyo?"),
            ("nightly,every=1d,timezone=UTC", "timezone has no meaning without by", "leave out timezone"),
            ("nightly,max-runtime=1d,grace=1h", "grace has no meaning without by or every", "leave out grace"),
            ("nightly,every=1d,grace=90s", "is no number of minutes", "whole minutes"),
            ("nightly,every=1d,grace=25h", "is longer than 24h", "later deadline"),
            ("nightly,every=1d,started-by=a b", "started-by does not accept \"a b\"", "the name of the schedule"),
            ("nightly,by=cron(50 23 LW * ? *)", "has no cron expression", "a shorter grace or an earlier hour"),
        ] {
            let error = Job::parse(text).unwrap_err();
            assert!(error.to_string().starts_with("--expect \""), "{error}");
            assert!(error.to_string().contains(problem), "{text}: {error}");
            let hint_of = format!("{:?}", error.nearest_hint());
            assert!(hint_of.contains(hint), "{text}: {hint_of}");
        }
    }

    #[test]
    fn expectations_of_one_job_are_joined_and_given_once() {
        let of = |texts: &[&str]| Job::joined(texts.iter().map(|text| Job::parse(text).unwrap()).collect());
        let jobs = of(&[
            "a,by=cron(0 3 * * ? *)",
            "b,every=1d",
            "a,by=cron(0 15 * * ? *)",
            "a,every=1d,started-by=x",
            "a,max-runtime=auto",
        ])
        .unwrap();
        let counts: Vec<(String, usize)> = jobs.iter().map(|job| (job.to_string(), job.expectations.len())).collect();
        assert_eq!(counts, [("a".to_owned(), 3), ("b".to_owned(), 1), ("a (started by x)".to_owned(), 1)]);
        for twice in [
            ["a,every=1d", "a,every=2d"],
            ["a,max-runtime=1h", "a,max-runtime=auto"],
            ["a,by=cron(0 3 * * ? *)", "a,by=cron(0  3 * * ? *),grace=1h"],
        ] {
            let (at, error) = of(&twice).unwrap_err();
            assert_eq!(at, 1);
            assert!(error.to_string().contains("the job a is expected twice"), "{error}");
        }
        assert!(of(&["a,by=cron(0 3 * * ? *)", "a,by=cron(0 3 * * ? *),timezone=Asia/Tokyo"]).is_ok());
    }

    #[test]
    fn jobs_whose_schedules_ecs_cannot_tell_apart_are_refused() {
        let of = |one: &str, other: &str| {
            let texts = [one, other].map(|starter| format!("a,every=1d,started-by={starter}"));
            Job::joined(texts.iter().map(|text| Job::parse(text).unwrap()).collect())
        };
        let (at, error) = of("nightly-report-of-the-morning", "nightly-report-of-the-evening").unwrap_err();
        assert_eq!(at, 1);
        assert!(error.to_string().contains("cannot be told apart"), "{error}");
        assert!(of("nightly", "chronos-schedule/nightly").is_err());
        for (one, other) in [
            ("events-rule/nightly-report-of-the-morning", "events-rule/nightly-report-of-the-evening"),
            ("chronos-schedule/nightly", "events-rule/nightly"),
            ("morning", "evening"),
        ] {
            assert_eq!(of(one, other).unwrap().len(), 2, "{one} {other}");
        }
    }

    #[test]
    fn summary_has_a_cron_expression_and_a_zone() {
        let summary = Summary::parse("cron(0 9 ? * MON *),timezone=Asia/Tokyo").unwrap();
        assert_eq!((summary.cron.text(), summary.zone.name.as_str()), ("cron(0 9 ? * MON *)", "Asia/Tokyo"));
        assert_eq!(Summary::parse("cron(0 9 ? * MON *)").unwrap().zone, Zone::utc());
        for (text, problem) in [
            ("weekly", "is not a cron expression"),
            ("cron(0 9 ? * MON *),zone=UTC", "unknown key \"zone\""),
            ("cron(0 9 ? * MON *),timezone=Tokyo", "does not exist"),
            ("cron(0 9 ? * MON *),timezone=UTC,timezone=UTC", "more than once"),
        ] {
            let error = Summary::parse(text).unwrap_err();
            assert!(error.to_string().starts_with("--summary \"") && error.to_string().contains(problem), "{error}");
        }
    }
}
