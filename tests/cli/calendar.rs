//! Checks cron expressions, their shifts and their times against cases, and against a search minute by minute.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use serde_json::Value;
use taskbell::calendar::{Cron, Span, Zone, Zoned, in_rfc_3339, in_words};
use taskbell::config::job::{Job, Summary};

/// Seconds of a day.
const DAY: u64 = 86_400;
/// 24 November 2026, in seconds since 1970.
const TODAY: u64 = 20_781 * DAY;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn zone(name: &str) -> Zone {
    Zone::parse(name).unwrap()
}

/// Returns a time in seconds since 1970.
fn seconds(time: &Zoned) -> u64 {
    u64::try_from(time.timestamp().as_second()).unwrap()
}

/// Returns the times of an expression in a zone from one second to another, both included.
fn times(cron: &Cron, zone: &Zone, from: u64, to: u64) -> Vec<u64> {
    let start = zone.at(at(from - 1));
    cron.upcoming(&start).map(|time| seconds(&time)).take_while(|time| *time <= to).collect()
}

/// Checks the cases that the notifier's own calendar is checked against, too.
#[test]
fn times_of_the_cases_are_as_in_the_notifier() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/calendar.jsonl");
    let cases = std::fs::read_to_string(path).unwrap();
    assert!(cases.lines().count() >= 60);
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| case[key].as_str().unwrap();
        let expected: Vec<&str> = case["next"].as_array().unwrap().iter().map(|time| time.as_str().unwrap()).collect();
        let after = zone("UTC").at(text("after").parse::<jiff::Timestamp>().unwrap().try_into().unwrap());
        let after = after.with_time_zone(zone(text("zone")).rules());
        // An expression without any day is refused.
        let found: Vec<String> = match Cron::parse(text("cron")) {
            Ok(cron) => {
                cron.upcoming(&after).take(expected.len().max(1)).map(|time| time.timestamp().to_string()).collect()
            }
            Err(error) => {
                assert!(error.to_string().contains("never comes"), "{line}: {error}");
                Vec::new()
            }
        };
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn expression_is_written_with_single_blanks_and_capital_letters() {
    for (text, written) in [
        (" cron( 0  3 * * ?  * ) ", "cron(0 3 * * ? *)"),
        ("cron(0 3 ? jan-mar mon#2 *)", "cron(0 3 ? JAN-MAR MON#2 *)"),
        ("cron(0 3 15w * ? *)", "cron(0 3 15W * ? *)"),
    ] {
        let cron = Cron::parse(text).unwrap();
        assert_eq!(cron.text(), written);
        assert_eq!(Cron::parse(cron.text()).unwrap(), cron);
    }
}

/// Checks the hint about fields without `cron(…)`: each expression in it is valid.
#[test]
fn bare_fields_are_refused_with_valid_expressions() {
    for (text, told) in [
        ("0 3 * * ? *", "write cron(0 3 * * ? *)"),
        ("0 3 ? * MON *", "write cron(0 3 ? * MON *)"),
        ("0 3 * * *", "write cron(0 3 * * ? *)"),
        ("*/15 3 1 jan-mar *", "write cron(*/15 3 1 JAN-MAR ? *)"),
        ("0 3 * * 0-6", "write cron(0 3 * * ? *); EventBridge counts the days of the week from 1 = SUN"),
        ("0 3 * * 1-5", "write cron(0 3 ? * MON-FRI *); EventBridge counts the days of the week from 1 = SUN"),
        ("0 3 * * 0", "write cron(0 3 ? * SUN *); EventBridge counts"),
        ("0 3 * * 7", "write cron(0 3 ? * SUN *); EventBridge counts"),
        ("0 3 * * 5-7", "write cron(0 3 ? * SUN,FRI,SAT *); EventBridge counts"),
        ("0 3 * * 1-5/2", "write cron(0 3 ? * MON,WED,FRI *); EventBridge counts"),
        ("0 3 * * fri-mon", "write cron(0 3 ? * SUN,MON,FRI,SAT *)"),
        ("0 3 * * mon", "write cron(0 3 ? * MON *)"),
        ("0 3 1 * 1", "write two expectations, cron(0 3 1 * ? *) and cron(0 3 ? * MON *); EventBridge counts"),
        ("0 24 * * *", "as in cron(0 3 * * ? *)"),
        ("0 3 * * 8", "as in cron(0 3 * * ? *)"),
        ("0 3 * * 1/0", "as in cron(0 3 * * ? *)"),
        ("0 3 * * * *", "as in cron(0 3 * * ? *)"),
        ("0 3 * * )", "as in cron(0 3 * * ? *)"),
    ] {
        let error = Cron::parse(text).unwrap_err();
        let hint = format!("{:?}", error.nearest_hint());
        assert!(hint.contains(told), "{text}: {hint}");
        for rest in hint.split("cron(").skip(1).filter(|rest| !rest.starts_with("minute")) {
            let (fields, _) = rest.split_once(')').unwrap();
            Cron::parse(&format!("cron({fields})")).unwrap();
        }
    }
}

/// Checks each mistake, and its hint.
#[test]
fn invalid_expression_is_refused_with_its_field_its_text_and_a_fix() {
    for (text, problem, hint) in [
        ("cron(0 3 * * ?)", "has 5 fields, not 6", "a sixth field, the year"),
        ("cron(0 3 * *)", "has 4 fields, not 6", "day of week and year"),
        ("cron(0 0 3 * * ? *)", "has 7 fields, not 6", "day of week and year"),
        ("cron()", "has 0 fields", "day of week and year"),
        ("0 3 * * ? *", "is not a cron expression", "write cron(0 3 * * ? *)"),
        ("rate(1 day)", "is not a cron expression", "every=26h"),
        ("daily", "is not a cron expression", "as in cron(0 3 * * ? *)"),
        ("", "is not a cron expression", "as in cron(0 3 * * ? *)"),
        ("cron(0 3 * * * *)", "are both given", "write ? for the day of month"),
        ("cron(0 3 1 * MON *)", "are both given", "two expectations"),
        ("cron(0 3 * * MON *)", "are both given", "and MON for the day of week"),
        ("cron(0 3 ? * ? *)", "are both ?", "comes every day"),
        ("cron(60 3 * * ? *)", "the minute field \"60\" has 60, which is not in 0 to 59", "0/15"),
        ("cron(0 24 * * ? *)", "the hour field \"24\"", "0 to 23"),
        ("cron(0 3 32 * ? *)", "the day of month field \"32\"", "L (the last day)"),
        ("cron(0 3 0W * ? *)", "the day of month field \"0W\"", "15W"),
        ("cron(0 3 L-3 * ? *)", "the day of month field \"L-3\"", "LW"),
        ("cron(0 3 L,15 * ? *)", "the day of month field \"L,15\"", "LW"),
        ("cron(0 3 * 13 ? *)", "the month field \"13\"", "JAN to DEC"),
        ("cron(0 3 ? * 0 *)", "the day of week field \"0\"", "1 (Sunday)"),
        ("cron(0 3 ? * MON#6 *)", "no number from 1 to 5 after #", "MON#2"),
        ("cron(0 3 ? * MON#1,FRI#1 *)", "no number from 1 to 5 after #", "MON#2"),
        ("cron(0 3 ? * FRI-MON *)", "ends before it begins", "MON-FRI"),
        ("cron(0 3 ? * 8L *)", "which is not in 1 to 7", "FRIL"),
        ("cron(0 3 * * ? 1969)", "the year field \"1969\"", "1970 to 2199"),
        ("cron(0 3 30 2 ? *)", "never comes: no such day exists", "L is the last day"),
        ("cron(0 3 31 4,6 ? *)", "never comes", "L is the last day"),
        ("cron(0 3 29 2 ? 2027)", "never comes", "L is the last day"),
        ("cron(0 3 ? 2 MON#5 2027)", "never comes", "L is the last day"),
    ] {
        let error = Cron::parse(text).unwrap_err();
        assert_eq!(error.kind(), taskbell::error::Category::Usage, "{text}");
        assert!(error.to_string().contains(problem), "{text}: {error}");
        let hint_of = format!("{:?}", error.nearest_hint());
        assert!(hint_of.contains(hint), "{text}: {hint_of}");
    }
    let long = format!("cron({} * * * ? *)", ["1"; 200].join(","));
    assert!(Cron::parse(&long).unwrap_err().to_string().contains("more than 256 characters"));
}

#[test]
fn time_is_written_with_its_day_and_its_offset() {
    let time = zone("Asia/Kolkata").at(at(TODAY));
    assert_eq!(in_words(&time), "Tue 2026-11-24 05:30 +05:30");
    assert_eq!(in_rfc_3339(&time), "2026-11-24T05:30:00+05:30");
    assert_eq!(in_rfc_3339(&zone("UTC").at(at(TODAY))), "2026-11-24T00:00:00+00:00");
}

#[test]
fn expression_of_the_past_never_comes_again() {
    let cron = Cron::parse("cron(0 3 * * ? 2025)").unwrap();
    assert_eq!(cron.next(&zone("UTC").at(at(TODAY))), None);
    assert!(cron.next(&zone("UTC").at(at(TODAY - 700 * DAY))).is_some());
}

/// Checks each shift as text: fields that do not change keep their form.
#[test]
fn shifted_expression_is_as_short_as_its_original() {
    for (text, minutes, shifted) in [
        ("cron(0 3 * * ? *)", 10, &["cron(10 3 * * ? *)"][..]),
        ("cron(0 3 * * ? *)", 0, &["cron(0 3 * * ? *)"]),
        ("cron(0 3 * * ? *)", 24 * 60, &["cron(0 3 * * ? *)"]),
        ("cron(50 23 * * ? *)", 30, &["cron(20 0 * * ? *)"]),
        ("cron(0/15 * * * ? *)", 30, &["cron(0/15 * * * ? *)"]),
        ("cron(0/15 * * * ? *)", 10, &["cron(10,25,40,55 * * * ? *)"]),
        ("cron(50 23 ? * MON-FRI *)", 30, &["cron(20 0 ? * 3-7 *)"]),
        ("cron(50 23 ? * SAT *)", 30, &["cron(20 0 ? * 1 *)"]),
        ("cron(0 23 ? * MON *)", 30, &["cron(30 23 ? * MON *)"]),
        ("cron(50 23 L * ? *)", 30, &["cron(20 0 1 * ? *)"]),
        ("cron(50 23 15 * ? *)", 30, &["cron(20 0 16 * ? *)"]),
        ("cron(50 23 31 12 ? 2026)", 30, &["cron(20 0 1 1 ? 2027)"]),
        ("cron(0 22 LW * ? *)", 60, &["cron(0 23 LW * ? *)"]),
        ("cron(50 9,23 ? * MON *)", 30, &["cron(20 10 ? * MON *)", "cron(20 0 ? * 3 *)"]),
        ("cron(50 23 ? * * *)", 30, &["cron(20 0 ? * * *)"]),
    ] {
        let crons = Cron::parse(text).unwrap().shifted(Span::minutes(minutes)).unwrap();
        assert_eq!(crons.iter().map(Cron::text).collect::<Vec<_>>(), shifted, "{text} {minutes}");
    }
}

#[test]
fn shift_that_no_expressions_can_have_is_refused() {
    for (text, span) in [
        ("cron(50 23 LW * ? *)", "30m"),
        ("cron(50 23 15W * ? *)", "30m"),
        ("cron(50 23 ? * MON#2 *)", "30m"),
        ("cron(50 23 ? * FRIL *)", "30m"),
        ("cron(50 23 ? 6 MON *)", "30m"),
        ("cron(50 23 ? * MON 2027)", "30m"),
        ("cron(50 23 28 * ? *)", "30m"),
        ("cron(0 3 * * ? *)", "90s"),
        ("cron(0 3 * * ? *)", "25h"),
    ] {
        assert_eq!(Cron::parse(text).unwrap().shifted(Span::parse(span).unwrap()), None, "{text} {span}");
    }
}

/// A field as text, with the numbers that it means.
type Known = (String, BTreeSet<i16>);

fn field(first: i16, last: i16) -> impl Strategy<Value = Known> {
    let number = first..=last;
    let several = proptest::collection::btree_set(number.clone(), 1..4).prop_map(|numbers| -> Known {
        (numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(","), numbers)
    });
    let range = (number.clone(), number.clone()).prop_map(|(one, other)| -> Known {
        let (first, last) = (one.min(other), one.max(other));
        (format!("{first}-{last}"), (first..=last).collect())
    });
    let step = (number, 1..=(last - first)).prop_map(move |(start, step)| -> Known {
        let numbers = (start..=last).filter(|number| (number - start) % step == 0).collect();
        (format!("{start}/{step}"), numbers)
    });
    let all: Just<Known> = Just(("*".to_owned(), (first..=last).collect()));
    prop_oneof![3 => several, 1 => range, 1 => step, 2 => all]
}

/// The days that a search compares: by their numbers, or by a rule for the date.
#[derive(Debug, Clone)]
enum Days {
    OfMonth(Known),
    OfWeek(Known),
    Last,
    LastWeekday,
    Nearest(i16),
    LastOfWeek(i16),
    Nth(i16, i16),
}

fn any_days() -> impl Strategy<Value = Days> {
    prop_oneof![
        3 => field(1, 31).prop_map(Days::OfMonth),
        // Days of the week accept no steps.
        3 => field(1, 7).prop_filter("a step", |(text, _): &Known| !text.contains('/')).prop_map(Days::OfWeek),
        1 => Just(Days::Last),
        1 => Just(Days::LastWeekday),
        1 => (1_i16..=31).prop_map(Days::Nearest),
        1 => (1_i16..=7).prop_map(Days::LastOfWeek),
        1 => (1_i16..=7, 1_i16..=5).prop_map(|(weekday, number)| Days::Nth(weekday, number)),
    ]
}

/// An expression with the numbers that it means.
#[derive(Debug, Clone)]
struct Meaning {
    text: String,
    minutes: BTreeSet<i16>,
    hours: BTreeSet<i16>,
    days: Days,
    months: BTreeSet<i16>,
}

fn any_cron() -> impl Strategy<Value = Meaning> {
    (field(0, 59), field(0, 23), any_days(), field(1, 12)).prop_map(|(minute, hour, days, month)| {
        let (day, weekday) = match &days {
            Days::OfMonth((text, _)) => (text.clone(), "?".to_owned()),
            Days::OfWeek((text, _)) => ("?".to_owned(), text.clone()),
            Days::Last => ("L".to_owned(), "?".to_owned()),
            Days::LastWeekday => ("LW".to_owned(), "?".to_owned()),
            Days::Nearest(day) => (format!("{day}W"), "?".to_owned()),
            Days::LastOfWeek(weekday) => ("?".to_owned(), format!("{weekday}L")),
            Days::Nth(weekday, number) => ("?".to_owned(), format!("{weekday}#{number}")),
        };
        let text = format!("cron({} {} {day} {} {weekday} *)", minute.0, hour.0, month.0);
        Meaning { text, minutes: minute.1, hours: hour.1, days, months: month.1 }
    })
}

/// Checks a date by itself and its neighbours alone.
fn is_day(days: &Days, date: jiff::civil::Date) -> bool {
    let number = |date: jiff::civil::Date| i16::from(date.weekday().to_sunday_one_offset());
    let works = |date: jiff::civil::Date| (2..=6).contains(&number(date));
    let day = i16::from(date.day());
    let month: Vec<jiff::civil::Date> =
        (1..=date.days_in_month()).map(|day| jiff::civil::date(date.year(), date.month(), day)).collect();
    match days {
        Days::OfMonth((_, numbers)) => numbers.contains(&day),
        Days::OfWeek((_, numbers)) => numbers.contains(&number(date)),
        Days::Last => Some(&date) == month.last(),
        Days::LastWeekday => month.iter().rev().find(|date| works(**date)) == Some(&date),
        Days::Nearest(wanted) => {
            let distance = |date: &&jiff::civil::Date| (i16::from(date.day()) - wanted).abs();
            let exists = usize::try_from(*wanted).unwrap() <= month.len();
            exists && month.iter().filter(|date| works(**date)).min_by_key(distance) == Some(&date)
        }
        Days::LastOfWeek(weekday) => month.iter().rev().find(|date| number(**date) == *weekday) == Some(&date),
        Days::Nth(weekday, nth) => {
            let nth = usize::try_from(nth - 1).unwrap();
            month.iter().filter(|date| number(**date) == *weekday).nth(nth) == Some(&date)
        }
    }
}

impl Meaning {
    fn comes_at(&self, time: jiff::civil::DateTime) -> bool {
        self.minutes.contains(&i16::from(time.minute()))
            && self.hours.contains(&i16::from(time.hour()))
            && self.months.contains(&i16::from(time.month()))
            && is_day(&self.days, time.date())
    }

    /// Searches minute by minute on the real clock: a local time that was there before does not come again.
    fn search(&self, zone: &Zone, from: u64, to: u64) -> Vec<u64> {
        let rules = zone.rules();
        let local =
            |minute: u64| rules.to_datetime(jiff::Timestamp::from_second(i64::try_from(minute).unwrap()).unwrap());
        // Clocks are put back by 30, 60 or 120 minutes.
        let is_new = |minute: u64| [30, 60, 120].into_iter().all(|before| local(minute - before * 60) != local(minute));
        let minutes = (from / 60 * 60..=to).step_by(60).filter(|minute| *minute >= from);
        minutes.filter(|minute| self.comes_at(local(*minute)) && is_new(*minute)).collect()
    }
}

fn cases(cases: u32) -> Config {
    let given = Config { failure_persistence: None, ..Config::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config { rng_seed: RngSeed::Random, ..given },
        None => Config { cases, rng_seed: RngSeed::Fixed(7), ..given },
    }
}

/// Zones with changes of the clock at midnight, of half an hour, of two hours, and without any.
const ZONES: [&str; 8] = [
    "UTC",
    "Asia/Tokyo",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Antarctica/Troll",
    "Pacific/Chatham",
];

proptest! {
    #![proptest_config(cases(250))]

    /// Checks 20 days, which begin shortly before a change of the clock in most zones or anywhere.
    #[test]
    fn times_are_those_of_a_search_minute_by_minute(
        cron in any_cron(),
        zone_at in 0..ZONES.len(),
        start in prop_oneof![Just(0_u64), 0..1_500_u64],
        near in prop_oneof![Just(20_536_u64), Just(20_746), Just(20_886), Just(20_715), Just(20_697)],
    ) {
        let zone = zone(ZONES[zone_at]);
        let from = (near + start) * DAY;
        let to = from + 20 * DAY;
        let found = match Cron::parse(&cron.text) {
            Ok(parsed) => times(&parsed, &zone, from, to),
            Err(error) => {
                prop_assert!(error.to_string().contains("never comes"), "{}: {error}", cron.text);
                Vec::new()
            }
        };
        prop_assert_eq!(found, cron.search(&zone, from, to), "{}", cron.text);
    }

    /// Checks five years with a leap day: every check comes exactly by the grace after its deadline, and no other check comes.
    #[test]
    fn shifted_times_are_the_times_later_by_the_span(cron in any_cron(), minutes in prop_oneof![0..60_u64, 0..=1_440_u64]) {
        let zone = Zone::utc();
        // Expressions that come often need no years.
        let days = if cron.minutes.len() * cron.hours.len() > 24 { 60 } else { 5 * 365 };
        let (from, to) = (TODAY, TODAY + days * DAY);
        let Ok(parsed) = Cron::parse(&cron.text) else { return Ok(()) };
        let Some(shifted) = parsed.shifted(Span::minutes(minutes)) else { return Ok(()) };
        prop_assert!((1..=4).contains(&shifted.len()), "{}", shifted.len());
        let expected: Vec<u64> = times(&parsed, &zone, from, to).into_iter().map(|time| time + minutes * 60).collect();
        let (first, last) = (from + minutes * 60, to + minutes * 60);
        let mut found: Vec<u64> = shifted.iter().flat_map(|cron| times(cron, &zone, first, last)).collect();
        found.sort_unstable();
        prop_assert_eq!(found, expected, "{} by {} minutes: {:?}", cron.text, minutes, shifted);
    }

    /// Checks that only a check on the next day can be refused.
    #[test]
    fn shift_within_the_day_always_has_an_expression(cron in any_cron(), minutes in 0..60_u64) {
        let Ok(parsed) = Cron::parse(&cron.text) else { return Ok(()) };
        if cron.hours.iter().all(|hour| *hour < 23) {
            let shifted = parsed.shifted(Span::minutes(minutes));
            prop_assert!(shifted.is_some_and(|crons| crons.len() <= 3), "{}", cron.text);
        }
    }

    #[test]
    fn no_text_makes_the_parser_fail_without_an_error(text in "[cron(0-9LW#?*/, ,a-zA-Zé)-]{0,24}") {
        for text in [text.clone(), format!("cron({text})")] {
            if let Err(error) = Cron::parse(&text) {
                prop_assert!(error.nearest_hint().is_some(), "{}", text);
            }
        }
    }

    #[test]
    fn no_text_makes_an_expectation_fail_without_an_error(
        text in "[a-zé,=()0-9:/. *?-]{0,16}",
        key in prop_oneof![Just("by"), Just("every"), Just("max-runtime"), Just("timezone"), Just("grace"), Just("started-by"), Just("x")],
    ) {
        let all = [
            Job::parse(&text).err(),
            Job::parse(&format!("job,every=1d,{key}={text}")).err(),
            Summary::parse(&text).err(),
            Summary::parse(&format!("cron(0 3 * * ? *),{text}")).err(),
            Zone::parse(&text).err(),
            Span::parse(&text).err(),
        ];
        for error in all.into_iter().flatten() {
            prop_assert_eq!(error.kind(), taskbell::error::Category::Usage, "{}", error);
        }
    }
}
