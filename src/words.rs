//! Writes numbers and times in words.

use crate::date::{DateTime, Format};

/// Returns the number with its noun: `1 change`, `2 changes`.
#[must_use]
pub fn count(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Returns a time in milliseconds since 1970 as text, to the second.
#[must_use]
pub fn time(milliseconds: i64) -> String {
    DateTime::from_secs(milliseconds.div_euclid(1000)).fmt(Format::DateTime).unwrap_or_default()
}

/// Returns a duration in seconds in words, in its two largest units: `41 s`, `6 min 52 s`, `1 h 12 min`, `3 d 2 h`.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let largest = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut words = Vec::new();
    for (size, unit) in units.iter().skip(largest).take(2) {
        let count = rest / size;
        rest %= size;
        if count > 0 || words.is_empty() {
            words.push(format!("{count} {unit}"));
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_has_its_two_largest_units() {
        for (seconds, words) in [
            (0, "0 s"),
            (41, "41 s"),
            (60, "1 min"),
            (412, "6 min 52 s"),
            (3600, "1 h"),
            (4320, "1 h 12 min"),
            (4379, "1 h 12 min"),
            (93_600, "1 d 2 h"),
            (86_401, "1 d"),
        ] {
            assert_eq!(duration(seconds), words);
        }
    }
}
