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
