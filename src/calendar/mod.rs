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

/// Writes a time in the form of RFC 3339, with the offset from UTC: `2026-11-30T03:00:00+09:00`.
#[must_use]
pub fn in_rfc_3339(time: &Zoned) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}
