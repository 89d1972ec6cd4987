//! Shifts a cron expression by a duration, as a set of expressions.

use std::collections::BTreeMap;

use super::cron::{Cron, Days, LONGEST};
use super::field::{DAY_OF_MONTH, DAY_OF_WEEK, Field, HOUR, MINUTE, MONTH, Numbers, YEAR};
use super::span::Span;

/// Most expressions of a shifted one: each becomes a schedule in AWS.
const MOST: usize = 4;
const HOURS_OF_A_DAY: i16 = 24;
const MINUTES_OF_AN_HOUR: i16 = 60;
/// The days of each month, in a leap year.
const LENGTHS: [i16; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Dates of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dates {
    days: Days,
    months: Numbers,
    years: Numbers,
}

/// Times of an expression within one day: every minute in every hour.
#[derive(Debug, Clone)]
struct Times {
    minutes: Numbers,
    hours: Numbers,
}

impl Cron {
    /// Returns the expressions that come exactly `by` later on a clock that is never changed; none if four expressions cannot do so,
    /// or if `by` has seconds or is longer than 24 hours.
    ///
    /// A shift over midnight shifts the days, too. Days of the week can be shifted only if all months and years are given;
    /// `W`, `#`, `FRIL` and 28 or 29 February cannot be shifted, because their next day has no expression.
    #[must_use]
    pub fn shifted(&self, by: Span) -> Option<Vec<Self>> {
        let minutes =
            i16::try_from(by.in_minutes()?).ok().filter(|minutes| *minutes <= HOURS_OF_A_DAY * MINUTES_OF_AN_HOUR)?;
        let own = Dates { days: self.days.clone(), months: self.months.clone(), years: self.years.clone() };
        let (mut today, tomorrow) = self.times(minutes);
        let mut later = Vec::new();
        if !tomorrow.is_empty() {
            later = own.next_days()?;
            // Every day is followed by every day.
            if later.len() == 1 && later[0] == own.simplified() {
                today.extend(tomorrow.iter().cloned());
                later.clear();
            }
        }
        let tomorrow = joined(tomorrow);
        let of_today = joined(today).into_iter().map(|times| (times, own.clone()));
        let of_tomorrow =
            later.iter().flat_map(|dates| tomorrow.iter().map(move |times| (times.clone(), dates.clone())));
        let all = of_today.chain(of_tomorrow).map(|(times, dates)| self.with(&times, &dates));
        let all: Vec<Self> = all.collect::<Option<_>>()?;
        (all.len() <= MOST).then_some(all)
    }

    /// Returns the times of day after a shift by minutes: those of the same day, and those of the next.
    fn times(&self, by: i16) -> (Vec<Times>, Vec<Times>) {
        let (by_hours, by_minutes) = (by / MINUTES_OF_AN_HOUR, by % MINUTES_OF_AN_HOUR);
        let (mut today, mut tomorrow) = (Vec::new(), Vec::new());
        for carry in [0, 1] {
            let later = self.minutes.iter().map(|minute| minute + by_minutes - carry * MINUTES_OF_AN_HOUR);
            let minutes: Numbers = later.filter(|minute| (0..MINUTES_OF_AN_HOUR).contains(minute)).collect();
            let (same, next): (Numbers, Numbers) =
                self.hours.iter().map(|hour| hour + by_hours + carry).partition(|hour| *hour < HOURS_OF_A_DAY);
            let next: Numbers = next.into_iter().map(|hour| hour - HOURS_OF_A_DAY).collect();
            for (hours, list) in [(same, &mut today), (next, &mut tomorrow)] {
                if !minutes.is_empty() && !hours.is_empty() {
                    list.push(Times { minutes: minutes.clone(), hours });
                }
            }
        }
        (today, tomorrow)
    }

    /// Returns the expression with these times and dates; none if it is too long. Fields that do not change keep their text.
    fn with(&self, times: &Times, dates: &Dates) -> Option<Self> {
        let inner = self.text().trim_start_matches("cron(").trim_end_matches(')');
        let own: Vec<&str> = inner.split(' ').collect();
        let [minute, hour, day, month, weekday, year] = own[..] else { return None };
        let kept = |field: &Field, own: &Numbers, text: &str, now: &Numbers| match own == now {
            true => text.to_owned(),
            false => field.write(now),
        };
        let (day, weekday) = match &dates.days {
            days if *days == self.days => (day.to_owned(), weekday.to_owned()),
            Days::OfMonth(days) => (DAY_OF_MONTH.write(days), "?".to_owned()),
            Days::OfWeek(weekdays) => ("?".to_owned(), DAY_OF_WEEK.write(weekdays)),
            _ => return None,
        };
        let text = format!(
            "cron({} {} {day} {} {weekday} {})",
            kept(&MINUTE, &self.minutes, minute, &times.minutes),
            kept(&HOUR, &self.hours, hour, &times.hours),
            kept(&MONTH, &self.months, month, &dates.months),
            kept(&YEAR, &self.years, year, &dates.years),
        );
        if text.len() > LONGEST { None } else { Self::parse(&text).ok() }
    }
}

/// Joins times with equal minutes, and then times with equal hours.
fn joined(times: Vec<Times>) -> Vec<Times> {
    let mut hours_of: BTreeMap<Numbers, Numbers> = BTreeMap::new();
    for Times { minutes, hours } in times {
        hours_of.entry(minutes).or_default().extend(hours);
    }
    let mut minutes_of: BTreeMap<Numbers, Numbers> = BTreeMap::new();
    for (minutes, hours) in hours_of {
        minutes_of.entry(hours).or_default().extend(minutes);
    }
    minutes_of.into_iter().map(|(hours, minutes)| Times { minutes, hours }).collect()
}

impl Dates {
    /// Returns the dates with every day of the week as every day of the month.
    fn simplified(&self) -> Self {
        let is_every = matches!(&self.days, Days::OfWeek(weekdays) if *weekdays == DAY_OF_WEEK.all());
        let days = if is_every { Days::OfMonth(DAY_OF_MONTH.all()) } else { self.days.clone() };
        Self { days, ..self.clone() }
    }

    /// Returns the days that follow these dates; none if no expressions have them.
    fn next_days(&self) -> Option<Vec<Self>> {
        let always = self.months == MONTH.all() && self.years == YEAR.all();
        match self.simplified().days {
            Days::OfWeek(weekdays) if always => {
                let next = weekdays.into_iter().map(|weekday| weekday % DAY_OF_WEEK.last + 1).collect();
                Some(vec![Self { days: Days::OfWeek(next), ..self.clone() }])
            }
            Days::OfMonth(days) => self.after_days(&days),
            Days::Last => Some(self.grouped(self.months.iter().map(|month| (*month % 12 + 1, 1, *month == 12)))),
            _ => None,
        }
    }

    /// Returns the days that follow these days of each month.
    fn after_days(&self, days: &Numbers) -> Option<Vec<Self>> {
        let mut next = Vec::new();
        for month in &self.months {
            let last = LENGTHS.get(usize::try_from(month - 1).ok()?).copied()?;
            // 28 February is followed by 29 February or 1 March; both days together always by both, as far as they exist.
            if *month == 2 && days.contains(&28) != days.contains(&29) {
                return None;
            }
            next.extend(days.iter().filter(|day| **day <= last).map(|day| match *day == last {
                true => (month % 12 + 1, 1, *month == 12),
                false => (*month, day + 1, false),
            }));
        }
        Some(self.grouped(next.into_iter()))
    }

    /// Returns dates from months, their days, and whether the day is in the next year.
    fn grouped(&self, all: impl Iterator<Item = (i16, i16, bool)>) -> Vec<Self> {
        let is_every_year = self.years == YEAR.all();
        let mut days_of: BTreeMap<(bool, i16), Numbers> = BTreeMap::new();
        for (month, day, is_next_year) in all {
            days_of.entry((is_next_year && !is_every_year, month)).or_default().insert(day);
        }
        let mut months_of: BTreeMap<(bool, Numbers), Numbers> = BTreeMap::new();
        for ((is_next_year, month), days) in days_of {
            let length = usize::try_from(month - 1).ok().and_then(|at| LENGTHS.get(at)).copied().unwrap_or_default();
            let is_every = (1..=length).all(|day| days.contains(&day));
            let days = if is_every { DAY_OF_MONTH.all() } else { days };
            months_of.entry((is_next_year, days)).or_default().insert(month);
        }
        let following = |years: &Numbers| years.iter().map(|year| year + 1).filter(|year| *year <= YEAR.last).collect();
        let dates = |((is_next_year, days), months)| Self {
            days: Days::OfMonth(days),
            months,
            years: if is_next_year { following(&self.years) } else { self.years.clone() },
        };
        months_of.into_iter().map(dates).collect()
    }
}
