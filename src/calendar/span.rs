//! Reads and writes durations: `90s`, `30m`, `26h`, `1d`.

use std::fmt;

use crate::error::{Error, Result};
use crate::secret::echoed;

/// A duration in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub seconds: u64,
}

/// Longest duration that is read: 366 days, in seconds. The ledger of a job keeps its last success for 400 days.
const LONGEST: u64 = 366 * DAY;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Span {
    #[must_use]
    pub const fn minutes(minutes: u64) -> Self {
        Self { seconds: minutes * MINUTE }
    }

    /// Reads a whole number and its unit: `s`, `m`, `h` or `d` (24 hours).
    ///
    /// # Errors
    /// For any other text, and for more than 366 days.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |problem: &str| {
            Error::usage(format!("the duration {} {problem}", echoed(text)))
                .hint("use a whole number and its unit, as in 90s, 30m, 26h or 1d")
        };
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = match &text[digits.len()..] {
            "s" => 1,
            "m" => MINUTE,
            "h" => HOUR,
            "d" => DAY,
            "" => return Err(bad("has no unit")),
            _ => return Err(bad("is not a number and a unit")),
        };
        // The parser of numbers would accept a sign.
        if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
            return Err(bad("is not a number and a unit"));
        }
        let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        match seconds {
            Some(seconds @ 0..=LONGEST) => Ok(Self { seconds }),
            _ => Err(bad("is longer than 366 days")),
        }
    }

    /// Returns the whole minutes, if the duration has no seconds besides.
    #[must_use]
    pub fn in_minutes(self) -> Option<u64> {
        self.seconds.is_multiple_of(MINUTE).then_some(self.seconds / MINUTE)
    }
}

/// Writes the duration as [`Span::parse`] reads it, in the largest unit up to hours that leaves no rest.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            seconds if seconds > 0 && seconds.is_multiple_of(HOUR) => write!(f, "{}h", seconds / HOUR),
            seconds if seconds.is_multiple_of(MINUTE) => write!(f, "{}m", seconds / MINUTE),
            seconds => write!(f, "{seconds}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_is_a_number_and_a_unit() {
        for (text, seconds, written) in [
            ("90s", 90, "90s"),
            ("30m", 1_800, "30m"),
            ("120m", 7_200, "2h"),
            ("26h", 93_600, "26h"),
            ("1d", 86_400, "24h"),
            ("0m", 0, "0m"),
            ("366d", 366 * 86_400, "8784h"),
        ] {
            let span = Span::parse(text).unwrap();
            assert_eq!((span.seconds, span.to_string().as_str()), (seconds, written), "{text}");
            assert_eq!(Span::parse(written).unwrap(), span);
        }
    }

    #[test]
    fn other_durations_are_refused_with_an_example() {
        for (text, problem) in [
            ("30", "has no unit"),
            ("", "has no unit"),
            ("m", "is not a number"),
            ("+5m", "is not a number"),
            ("1.5h", "is not a number"),
            ("1h30m", "is not a number"),
            ("5 m", "is not a number"),
            ("30min", "is not a number"),
            ("２m", "is not a number"),
            ("367d", "longer than 366 days"),
            ("99999999999999999999d", "longer than 366 days"),
        ] {
            let error = Span::parse(text).unwrap_err();
            assert!(error.to_string().contains(problem), "{text}: {error}");
            assert!(format!("{:?}", error.nearest_hint()).contains("30m"), "{text}");
        }
    }
}
