//! Reads EventBridge Scheduler's cron expressions, and computes when they come.
//!
//! The grammar is that of AWS's page "Schedule types in EventBridge Scheduler": minute, hour, day of month, month, day of week and
//! year, where exactly one of the two fields for days is `?`. `L`, `W` and `#` stand alone in their field. Names of months and days
//! may have small letters here, and are passed on in capital letters.

use jiff::ZonedDateTime as Zoned;
use jiff::civil::Date;
use jiff::tz::AmbiguousOffset;

use super::field::{DAY_OF_MONTH, DAY_OF_WEEK, Field, HOUR, MINUTE, MONTH, Numbers, YEAR};
use crate::error::{Error, Result};
use crate::secret::{echoed, without_secrets};

/// The error about a cron expression: names the field, its text and the correct forms.
pub type CronError = Error;

/// Most characters of an expression that EventBridge Scheduler accepts.
pub(super) const LONGEST: usize = 256;

/// A cron expression of EventBridge Scheduler that comes at least once between 1970 and 2199.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    pub(super) minutes: Numbers,
    pub(super) hours: Numbers,
    pub(super) days: Days,
    pub(super) months: Numbers,
    pub(super) years: Numbers,
}

/// The days of a month that an expression matches. Days of the week have the numbers 1 (Sunday) to 7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Days {
    OfMonth(Numbers),
    /// `L`: the last day of the month.
    Last,
    /// `LW`: the last day from Monday to Friday.
    LastWeekday,
    /// `15W`: the day from Monday to Friday that is nearest to this day and in the same month. A month without this day has none.
    NearestWeekday(i16),
    OfWeek(Numbers),
    /// `FRIL`: the last such day of the month.
    LastOfWeek(i16),
    /// `MON#2`: the second Monday of the month, as the day and its number in the month.
    Nth(i16, i16),
}

impl Cron {
    /// Reads an expression, such as `cron(0 3 * * ? *)`.
    ///
    /// # Errors
    /// If the expression has another form, or never comes, as on 30 February. Whether it comes in the future, only [`Cron::next`]
    /// knows.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let inner = inner(text)?;
        let capitals = inner.to_ascii_uppercase();
        let fields: Vec<&str> = capitals.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday, year] = fields[..] else {
            return Err(wrong_count(inner, fields.len()));
        };
        let cron = Self {
            text: format!("cron({})", fields.join(" ")),
            minutes: MINUTE.parse(minute)?,
            hours: HOUR.parse(hour)?,
            days: days(day, weekday)?,
            months: MONTH.parse(month)?,
            years: YEAR.parse(year)?,
        };
        if cron.text.len() > LONGEST {
            return Err(Error::usage(format!("the cron expression has more than {LONGEST} characters"))
                .hint("use ranges and steps, or several expectations"));
        }
        match cron.has_day() {
            true => Ok(cron),
            false => Err(Error::usage(format!("{} never comes: no such day exists", cron.text))
                .hint("change the day, the month or the year; L is the last day of a month")),
        }
    }

    /// Returns the expression with one space between its fields and its names in capital letters.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the first time after `after`, in the time zone of `after`; none if the expression never comes again.
    ///
    /// When a clock is put forward, times that it skips do not come. When a clock is put back, times that it repeats come once: the
    /// first of the two. AWS states both rules for Scheduler ("How can I adjust my EventBridge schedule for daylight saving?"), but
    /// not which of the two repeated times it takes.
    #[must_use]
    pub fn next(&self, after: &Zoned) -> Option<Zoned> {
        let mut date = after.date();
        loop {
            self.years.range(date.year()..).next()?;
            if !self.years.contains(&date.year()) || !self.months.contains(&i16::from(date.month())) {
                date = date.last_of_month().tomorrow().ok()?;
                continue;
            }
            if self.days.contains(date)
                && let Some(time) = self.first_on(date, after)
            {
                return Some(time);
            }
            date = date.tomorrow().ok()?;
        }
    }

    /// Returns the times after `after`, in their order.
    pub fn upcoming(&self, after: &Zoned) -> impl Iterator<Item = Zoned> {
        std::iter::successors(self.next(after), move |last| self.next(last))
    }

    /// Returns the first time on a day that is after `after`.
    fn first_on(&self, date: Date, after: &Zoned) -> Option<Zoned> {
        // On a clock that is put back, too, an earlier local time is an earlier moment: each local time comes once.
        let first = if date == after.date() { i16::from(after.hour()) } else { HOUR.first };
        let hours = self.hours.range(first..);
        let times = hours.flat_map(|hour| self.minutes.iter().map(move |minute| (*hour, *minute)));
        times
            .filter_map(|(hour, minute)| {
                let local = date.at(small(hour), small(minute), 0, 0);
                let time = after.time_zone().to_ambiguous_timestamp(local);
                match time.offset() {
                    AmbiguousOffset::Gap { .. } => None,
                    _ => time.earlier().ok(),
                }
            })
            .find(|time| *time > after.timestamp())
            .map(|time| time.to_zoned_datetime(after.time_zone().clone()))
    }

    fn has_day(&self) -> bool {
        let months = self.years.iter().flat_map(|year| self.months.iter().map(move |month| (*year, *month)));
        let mut firsts = months.filter_map(|(year, month)| Date::new(year, small(month), 1).ok());
        firsts.any(|first| (1..=first.days_in_month()).any(|day| self.days.contains(at(first, day))))
    }
}

impl std::fmt::Display for Cron {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Days {
    fn contains(&self, date: Date) -> bool {
        let (day, weekday) = (i16::from(date.day()), i16::from(date.weekday().to_sunday_one_offset()));
        let last = date.days_in_month();
        match self {
            Self::OfMonth(days) => days.contains(&day),
            Self::OfWeek(weekdays) => weekdays.contains(&weekday),
            Self::Last => date.day() == last,
            Self::LastWeekday => date.day() == weekday_up_to(date.last_of_month()),
            Self::NearestWeekday(wanted) => {
                *wanted <= i16::from(last) && date.day() == nearest_weekday(at(date, small(*wanted)))
            }
            Self::LastOfWeek(wanted) => weekday == *wanted && date.day() + 7 > last,
            Self::Nth(wanted, number) => weekday == *wanted && (day - 1) / 7 + 1 == *number,
        }
    }
}

/// Returns the day of the last date from Monday to Friday that is not after this date, which is the last of its month.
fn weekday_up_to(last: Date) -> i8 {
    match last.weekday().to_monday_one_offset() {
        6 => last.day() - 1,
        7 => last.day() - 2,
        _ => last.day(),
    }
}

/// Returns the day from Monday to Friday that is nearest to a date, without leaving its month.
fn nearest_weekday(date: Date) -> i8 {
    let day = date.day();
    match date.weekday().to_monday_one_offset() {
        6 if day == 1 => 3,
        6 => day - 1,
        7 if day == date.days_in_month() => day - 2,
        7 => day + 1,
        _ => day,
    }
}

/// Returns another day of the month of a date; the date itself if the month has no such day.
fn at(date: Date, day: i8) -> Date {
    Date::new(date.year(), date.month(), day).unwrap_or(date)
}

/// Returns a number of a field other than the year, all of which are below 60.
fn small(number: i16) -> i8 {
    i8::try_from(number).unwrap_or_default()
}

/// Returns the fields within the parentheses.
fn inner(text: &str) -> Result<&str> {
    let inner = text.trim().strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')'));
    inner.ok_or_else(|| {
        let error = Error::usage(format!("{} is not a cron expression", echoed(text)));
        error.hint(match text.trim().starts_with("rate(") {
            true => "a job that runs at a rate is expected by every=26h, for example".to_owned(),
            false => valid_form(text).unwrap_or_else(|| {
                "write cron(minute hour day-of-month month day-of-week year), as in cron(0 3 * * ? *)".to_owned()
            }),
        })
    })
}

/// Returns the hint that writes bare fields, those of EventBridge or of a crontab, in the valid form; none if they have none.
fn valid_form(text: &str) -> Option<String> {
    let valid = |fields: &[&str]| Cron::parse(&format!("cron({})", fields.join(" "))).ok();
    let capitals = text.to_ascii_uppercase();
    let fields: Vec<&str> = capitals.split_ascii_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        // Other counts than that of EventBridge are invalid.
        return valid(&fields).map(|cron| format!("write {cron}"));
    };
    let weekdays = if weekday == "?" { Some("*".to_owned()) } else { crontab_weekdays(weekday) }?;
    let of_day = |day: &str| valid(&[minute, hour, day, month, "?", "*"]);
    let of_weekday = || valid(&[minute, hour, "?", month, weekdays.as_str(), "*"]);
    let hint = match (day, weekdays.as_str()) {
        ("*" | "?", "*") => format!("write {}", of_day("*")?),
        (_, "*") => format!("write {}", of_day(day)?),
        ("*" | "?", _) => format!("write {}", of_weekday()?),
        _ => format!("a crontab means either day: write two expectations, {} and {}", of_day(day)?, of_weekday()?),
    };
    Some(match weekday.contains(|c: char| c.is_ascii_digit()) {
        true => format!("{hint}; EventBridge counts the days of the week from 1 = SUN, a crontab from 0"),
        false => hint,
    })
}

/// Returns the days of the week of a crontab in EventBridge's form, with names; none if the field is invalid.
fn crontab_weekdays(text: &str) -> Option<String> {
    const NAMES: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let number = |text: &str| {
        let named = NAMES.iter().position(|name| *name == text);
        named.or_else(|| text.parse::<usize>().ok().filter(|number| *number <= NAMES.len()))
    };
    let mut has = [false; 7];
    for item in text.split(',') {
        let (base, step) = match item.split_once('/') {
            Some((base, step)) => (base, step.parse::<usize>().ok().filter(|step| *step > 0)?),
            None => (item, 1),
        };
        let (first, last) = match base.split_once('-') {
            _ if base == "*" => (0, 6),
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(base)?, number(base)?),
        };
        // A range such as FRI-SUN goes on into the next week.
        let last = if first > last { last + NAMES.len() } else { last };
        for day in (first..=last).step_by(step) {
            has[day % NAMES.len()] = true;
        }
    }
    if has == [true; 7] {
        return Some("*".to_owned());
    }
    let days: Vec<&str> = NAMES.into_iter().zip(has).filter(|(_, is_on)| *is_on).map(|(name, _)| name).collect();
    let ends = (has.iter().position(|is_on| *is_on)?, has.iter().rposition(|is_on| *is_on)?);
    let is_run = days.len() > 2 && ends.1 - ends.0 + 1 == days.len();
    Some(if is_run { format!("{}-{}", NAMES[ends.0], NAMES[ends.1]) } else { days.join(",") })
}

fn wrong_count(inner: &str, count: usize) -> Error {
    let error = Error::usage(format!("the cron expression {} has {count} fields, not 6", echoed(inner)));
    match count {
        5 => error.hint("EventBridge has a sixth field, the year: add a * at the end, and write ? for the day of month or the day of week"),
        _ => error.hint("the fields are minute, hour, day of month, month, day of week and year, as in cron(0 3 * * ? *)"),
    }
}

/// Reads the two fields for days: exactly one of them is `?`.
fn days(of_month: &str, of_week: &str) -> Result<Days> {
    let both = |problem: &str| {
        Error::usage(format!(
            "the day of month field {} and the day of week field {} {problem}",
            echoed(of_month),
            echoed(of_week)
        ))
    };
    match (of_month, of_week) {
        ("?", "?") => Err(both("are both ?").hint("write * for one of them: cron(0 3 * * ? *) comes every day")),
        ("?", weekday) => day_of_week(weekday),
        (day, "?") => day_of_month(day),
        ("*", weekday) => Err(both("are both given").hint(format!(
            "EventBridge accepts only one of them: write ? for the day of month, and {} for the day of week",
            without_secrets(weekday)
        ))),
        _ => Err(both("are both given")
            .hint("EventBridge accepts only one of them: write ? for the other, or use two expectations")),
    }
}

fn day_of_month(text: &str) -> Result<Days> {
    let field: &Field = &DAY_OF_MONTH;
    match text {
        "L" => Ok(Days::Last),
        "LW" | "WL" => Ok(Days::LastWeekday),
        _ => match text.strip_suffix('W') {
            Some(day) => field.number(text, day).map(Days::NearestWeekday),
            None => field.parse(text).map(Days::OfMonth),
        },
    }
}

fn day_of_week(text: &str) -> Result<Days> {
    let field: &Field = &DAY_OF_WEEK;
    if let Some((weekday, number)) = text.split_once('#') {
        let weekday = field.number(text, weekday)?;
        return match number.as_bytes() {
            [digit @ b'1'..=b'5'] => Ok(Days::Nth(weekday, i16::from(digit - b'0'))),
            _ => Err(field.bad(text, "has no number from 1 to 5 after #")),
        };
    }
    match text.strip_suffix('L') {
        // The last day of the week.
        Some("") => Ok(Days::OfWeek(Numbers::from([field.last]))),
        Some(weekday) => field.number(text, weekday).map(Days::LastOfWeek),
        None => field.parse(text).map(Days::OfWeek),
    }
}
