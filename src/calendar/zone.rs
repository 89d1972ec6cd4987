//! Checks names of time zones against the IANA database that taskbell contains.

use jiff::ZonedDateTime as Zoned;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::error::{Error, Result, nearest};
use crate::secret::echoed;

/// A time zone of the IANA database, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone {
    pub name: String,
}

/// Common abbreviations that name no time zone, and the zone that most users mean.
const ABBREVIATIONS: [(&str, &str); 16] = [
    ("JST", "Asia/Tokyo"),
    ("KST", "Asia/Seoul"),
    ("IST", "Asia/Kolkata"),
    ("SGT", "Asia/Singapore"),
    ("AEST", "Australia/Sydney"),
    ("AEDT", "Australia/Sydney"),
    ("BST", "Europe/London"),
    ("CEST", "Europe/Berlin"),
    ("EDT", "America/New_York"),
    ("CST", "America/Chicago"),
    ("CDT", "America/Chicago"),
    ("MDT", "America/Denver"),
    ("PST", "America/Los_Angeles"),
    ("PDT", "America/Los_Angeles"),
    ("BRT", "America/Sao_Paulo"),
    ("Z", "UTC"),
];

/// Name of the database's zone for a machine without a zone; no place has it.
const NO_ZONE: &str = "Factory";

impl Zone {
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned() }
    }

    /// Checks a name, in the letters of the database: AWS may distinguish letters by case.
    ///
    /// # Errors
    /// For any other text; the hint is the nearest name.
    pub fn parse(text: &str) -> Result<Self> {
        let zones = TimeZoneDatabase::bundled();
        let is_exact = zones.get(text).is_ok_and(|zone| zone.iana_name() == Some(text));
        if is_exact && text != NO_ZONE {
            return Ok(Self { name: text.to_owned() });
        }
        let error = Error::usage(format!("the time zone {} does not exist", echoed(text)));
        Err(match meant(&zones, text) {
            Some(name) => error.hint(format!("did you mean {name}?")),
            None => error.hint("use a name of the IANA database, as in Asia/Tokyo, Europe/Berlin or UTC"),
        })
    }

    /// Returns the rules of the time zone; UTC if the name is not of [`Zone::parse`].
    #[must_use]
    pub fn rules(&self) -> TimeZone {
        TimeZoneDatabase::bundled().get(&self.name).unwrap_or(TimeZone::UTC)
    }

    /// Returns the time of a clock in this time zone; the year 1970 if the calendar has no such time.
    #[must_use]
    pub fn at(&self, time: std::time::SystemTime) -> Zoned {
        jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_zoned_datetime(self.rules())
    }
}

/// Returns the name that the user most likely meant, whatever the case of the letters.
fn meant(zones: &TimeZoneDatabase, text: &str) -> Option<String> {
    let short = ABBREVIATIONS.iter().find(|(short, _)| short.eq_ignore_ascii_case(text));
    if let Some((_, name)) = short {
        return Some((*name).to_owned());
    }
    let typed = text.replace(' ', "_").to_lowercase();
    let names: Vec<String> =
        zones.available().map(|name| name.as_str().to_owned()).filter(|name| name != NO_ZONE).collect();
    let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let at = |wanted: &str| lower.iter().position(|name| name == wanted).map(|at| names[at].clone());
    let city = |name: &&String| name.rsplit('/').next() == Some(typed.as_str());
    let of_city = lower.iter().find(city).and_then(|name| at(name));
    at(&typed).or(of_city).or_else(|| at(nearest(lower.iter().map(String::as_str), &typed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_of_the_database_are_accepted() {
        for name in
            ["UTC", "Asia/Tokyo", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "Europe/Kyiv", "US/Pacific", "Japan"]
        {
            assert_eq!(Zone::parse(name).unwrap().name, name);
        }
    }

    #[test]
    fn unknown_zone_is_refused_with_the_nearest_name() {
        for (text, hint) in [
            ("asia/tokyo", "did you mean Asia/Tokyo?"),
            ("Asia/Toyko", "did you mean Asia/Tokyo?"),
            ("Tokyo", "did you mean Asia/Tokyo?"),
            ("America/New York", "did you mean America/New_York?"),
            ("new york", "did you mean America/New_York?"),
            ("utc", "did you mean UTC?"),
            ("JST", "did you mean Asia/Tokyo?"),
            ("+09:00", "IANA database"),
            ("", "IANA database"),
            ("Factory", "IANA database"),
            ("日本", "IANA database"),
        ] {
            let error = Zone::parse(text).unwrap_err();
            let hint_of = format!("{:?}", error.nearest_hint());
            assert!(hint_of.contains(hint), "{text}: {hint_of}");
            assert!(error.to_string().contains("does not exist"), "{text}: {error}");
        }
    }

    #[test]
    fn every_abbreviation_stands_for_a_zone_and_is_none_itself() {
        for (short, name) in ABBREVIATIONS {
            assert_eq!(Zone::parse(name).unwrap().name, name);
            assert!(Zone::parse(short).is_err(), "{short}");
        }
    }
}
