//! Computes the next times of schedules and deadlines, as local times with their offsets from UTC.

use std::time::{Duration, SystemTime};

use crate::calendar::{Cron, Span, Zone, in_rfc_3339};

/// Returns the next times of an expression of EventBridge Scheduler in this time zone, at most `count` of them. The times of `rate`
/// are not known: Scheduler counts from the creation.
#[must_use]
pub fn next(expression: &str, zone: &str, now: SystemTime, count: usize) -> Vec<String> {
    let once = once(expression);
    let cron = Cron::parse(once.as_deref().unwrap_or(expression));
    let (Ok(cron), Ok(zone)) = (cron, Zone::parse(zone)) else { return Vec::new() };
    cron.upcoming(&zone.at(now)).take(count).map(|time| in_rfc_3339(&time)).collect()
}

/// The days before now in which the last time of an expression is searched: a leap day comes every four years, and once after eight.
const BEFORE: [u64; 5] = [1, 8, 32, 366, 8 * 366];

/// Returns the last time of a cron expression up to `until`, with the same time in milliseconds since 1970.
#[must_use]
pub fn last(cron: &str, zone: &str, until: SystemTime) -> Option<(String, i64)> {
    let (cron, zone) = (Cron::parse(cron).ok()?, Zone::parse(zone).ok()?);
    let end = zone.at(until);
    BEFORE.into_iter().find_map(|days| {
        let start = zone.at(until.checked_sub(Duration::from_secs(days * 86_400))?);
        let last = cron.upcoming(&start).take_while(|time| *time <= end).last()?;
        Some((in_rfc_3339(&last), last.timestamp().as_millisecond()))
    })
}

/// Returns the cron expression of the one time of `at(2026-12-01T03:00:00)`, to the minute.
fn once(expression: &str) -> Option<String> {
    let (date, time) = expression.strip_prefix("at(")?.strip_suffix(')')?.split_once('T')?;
    let numbers = |text: &str, mark: char| text.split(mark).map(str::parse).collect::<Result<Vec<u16>, _>>().ok();
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let ([year, month, day], [hour, minute, ..]) = (date.as_slice(), time.as_slice()) else { return None };
    Some(format!("cron({minute} {hour} {day} {month} ? {year})"))
}

/// Returns the interval of a rate, as in `rate(5 minutes)`.
#[must_use]
pub fn rate(expression: &str) -> Option<Span> {
    let (number, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.trim().split_once(' ')?;
    let unit = match unit.trim().trim_end_matches('s') {
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        _ => return None,
    };
    Some(Span { seconds: number.parse::<u64>().ok()?.checked_mul(unit)? })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// Returns 2026-11-24T00:00:00Z.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_hours(498_744)
    }

    #[test]
    fn next_times_are_local() {
        let tokyo = next("cron(0 3 * * ? *)", "Asia/Tokyo", now(), 2);
        assert_eq!(tokyo, ["2026-11-25T03:00:00+09:00", "2026-11-26T03:00:00+09:00"]);
        assert_eq!(next("at(2026-12-01T03:10:00)", "UTC", now(), 3), ["2026-12-01T03:10:00+00:00"]);
        assert_eq!(next("at(2025-12-01T03:10:00)", "UTC", now(), 3), [""; 0]);
        for (expression, zone) in
            [("rate(5 minutes)", "UTC"), ("at(x)", "UTC"), ("cron(0 3 * * ? *)", "Mars"), ("", "")]
        {
            assert_eq!(next(expression, zone, now(), 1), [""; 0], "{expression} {zone}");
        }
    }

    #[test]
    fn last_time_is_found_however_rare_it_is() {
        let of = |cron: &str| last(cron, "UTC", now()).map(|(text, _)| text);
        assert_eq!(of("cron(0 3 * * ? *)").as_deref(), Some("2026-11-23T03:00:00+00:00"));
        assert_eq!(of("cron(0 0 * * ? *)").as_deref(), Some("2026-11-24T00:00:00+00:00"));
        assert_eq!(of("cron(0 3 29 2 ? *)").as_deref(), Some("2024-02-29T03:00:00+00:00"));
        assert_eq!(of("cron(0 3 1 1 ? 2030)"), None);
    }

    #[test]
    fn rate_has_three_units() {
        let seconds = |text: &str| rate(text).map(|span| span.seconds);
        assert_eq!(seconds("rate(1 minute)"), Some(60));
        assert_eq!(seconds("rate(12 hours)"), Some(43_200));
        assert_eq!(seconds("rate(7 days)"), Some(604_800));
        for bad in ["rate(1 week)", "rate(x days)", "rate(1)", "cron(0 3 * * ? *)"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
