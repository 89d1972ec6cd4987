//! Computes times by EventBridge Scheduler's cron expressions in time zones, and reads durations.
//!
//! All time zones come from the database within taskbell, so that every machine computes the same times.

mod cron;
mod field;
mod shift;
mod span;
mod zone;

pub use cron::{Cron, CronError};
/// A time in a time zone.
pub use jiff::ZonedDateTime as Zoned;
pub use span::Span;
pub use zone::Zone;

/// Writes a time to the minute, with the day of the week and the offset from UTC: `Mon 2026-11-30 03:00 +09:00`.
#[must_use]
pub fn in_words(time: &Zoned) -> String {
    time.strftime("%a %Y-%m-%d %H:%M %:z").to_string()
}

/// Writes a moment, in seconds since 1970, as a clock in this time zone shows it: `2026-11-30 03:00:11 JST`. Returns none for a moment
/// outside of the calendar.
#[must_use]
pub fn on_a_clock(seconds: i64, zone: &Zone) -> Option<String> {
    let time = jiff::Timestamp::from_second(seconds).ok()?.to_zoned_datetime(zone.rules());
    Some(time.strftime("%Y-%m-%d %H:%M:%S %Z").to_string())
}

/// Writes each UTC time of a text, as `2026-11-29T18:00:11Z`, as a clock in this time zone shows it.
#[must_use]
pub fn on_the_clocks(text: &str, zone: &Zone) -> String {
    let (mut written, mut rest) = (String::new(), text);
    let mut from = 0;
    while let Some(at) = rest[from..].find('Z').map(|at| from + at) {
        from = at + 1;
        let mut begins = TIMES_IN_UTC.iter().filter_map(|form| at.checked_sub(form.len() - 1));
        let found = begins.find_map(|begin| Some((begin, clock_of(rest, begin, at, zone)?)));
        let Some((begin, clock)) = found else { continue };
        written += &rest[..begin];
        written += &clock;
        rest = &rest[at + 1..];
        from = 0;
    }
    written + rest
}

/// The forms of a time in UTC: with and without milliseconds.
const TIMES_IN_UTC: [&str; 2] = ["2026-11-29T18:00:11Z", "2026-11-29T18:00:11.250Z"];

/// Returns the time that stands between two places of a text; none if there is no time, or only a part of a longer word.
fn clock_of(text: &str, begin: usize, last: usize, zone: &Zone) -> Option<String> {
    let is_part =
        |around: Option<char>| around.is_some_and(|char| char.is_ascii_alphanumeric() || "-+_".contains(char));
    let (before, word) = (text.get(..begin)?, text.get(begin..=last)?);
    if is_part(before.chars().next_back()) || is_part(text[last + 1..].chars().next()) || word.get(10..11)? != "T" {
        return None;
    }
    on_a_clock(word.parse::<jiff::Timestamp>().ok()?.as_second(), zone)
}

/// Writes a time in the form of RFC 3339, with the offset from UTC: `2026-11-30T03:00:00+09:00`.
#[must_use]
pub fn in_rfc_3339(time: &Zoned) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_text_are_those_of_the_readers_clock() {
        let tokyo = Zone::parse("Asia/Tokyo").unwrap();
        for (text, local) in [
            ("at 2026-11-29T18:00:11Z", "at 2026-11-30 03:00:11 JST"),
            (
                "2026-11-29T18:00:11.999Z; Z, 2026-07-01T00:00:00Z.",
                "2026-11-30 03:00:11 JST; Z, 2026-07-01 09:00:00 JST.",
            ),
            ("失敗 2026-11-29T18:00:11Z、", "失敗 2026-11-30 03:00:11 JST、"),
        ] {
            assert_eq!(on_the_clocks(text, &tokyo), local);
        }
    }

    #[test]
    fn text_without_a_time_of_its_own_stays() {
        let tokyo = Zone::parse("Asia/Tokyo").unwrap();
        for text in [
            "",
            "Z",
            "ÀÀÀÀÀÀÀÀÀÀZ",
            "2026-13-29T18:00:11Z",
            "2026-11-29 18:00:11Z",
            "run-2026-11-29T18:00:11Z",
            "2026-11-29T18:00:11Z-7",
            "2026-11-29T18:00:11+09:00",
        ] {
            assert_eq!(on_the_clocks(text, &tokyo), text);
        }
    }
}
