//! Reads and writes one field of a cron expression as a set of numbers: `*`, lists, ranges, steps and names.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::secret::echoed;

/// The numbers that a field matches.
pub type Numbers = BTreeSet<i16>;

/// A field of a cron expression.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub first: i16,
    pub last: i16,
    /// The names of the numbers, beginning with the first.
    names: &'static [&'static str],
    /// Whether the field accepts steps. AWS documents none for days of the week.
    has_steps: bool,
    /// The correct forms, for errors.
    forms: &'static str,
}

pub const MINUTE: Field = Field {
    name: "minute",
    first: 0,
    last: 59,
    names: &[],
    has_steps: true,
    forms: "use 0 to 59, as in 30 or 0,30 or 10-20 or 0/15",
};
pub const HOUR: Field = Field {
    name: "hour",
    first: 0,
    last: 23,
    names: &[],
    has_steps: true,
    forms: "use 0 to 23, as in 3 or 9,18 or 9-17 or 0/2",
};
pub const DAY_OF_MONTH: Field = Field {
    name: "day of month",
    first: 1,
    last: 31,
    names: &[],
    has_steps: true,
    forms: "use 1 to 31, as in 15 or 1,15 or 1-5 or 1/7, or one of ?, L (the last day), LW (the last weekday) and 15W (the weekday nearest to day 15)",
};
pub const MONTH: Field = Field {
    name: "month",
    first: 1,
    last: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    has_steps: true,
    forms: "use 1 to 12 or JAN to DEC, as in 6 or MAR,SEP or 1-6 or 1/3",
};
pub const DAY_OF_WEEK: Field = Field {
    name: "day of week",
    first: 1,
    last: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    has_steps: false,
    forms: "use 1 (Sunday) to 7 or SUN to SAT, as in MON or MON,THU or MON-FRI, or one of ?, FRIL (the last Friday) and MON#2 (the second Monday)",
};
pub const YEAR: Field = Field {
    name: "year",
    first: 1970,
    last: 2199,
    names: &[],
    has_steps: true,
    forms: "use * for every year, or 1970 to 2199, as in 2027 or 2027-2029",
};

impl Field {
    /// Returns all numbers of the field.
    pub fn all(&self) -> Numbers {
        (self.first..=self.last).collect()
    }

    /// Reads the numbers of a field in capital letters.
    ///
    /// # Errors
    /// If the field has another form, or a number that is out of range.
    pub fn parse(&self, text: &str) -> Result<Numbers> {
        let mut numbers = Numbers::new();
        for item in text.split(',') {
            numbers.extend(self.item(text, item)?);
        }
        Ok(numbers)
    }

    /// Returns the error about the text of this field.
    pub fn bad(&self, text: &str, problem: &str) -> Error {
        Error::usage(format!("the {} field {} {problem}", self.name, echoed(text))).hint(self.forms)
    }

    /// Reads one number or name of the field.
    ///
    /// # Errors
    /// For any other text.
    pub fn number(&self, whole: &str, text: &str) -> Result<i16> {
        if let Some(at) = self.names.iter().position(|name| *name == text) {
            return Ok(self.first + i16::try_from(at).unwrap_or_default());
        }
        if text.is_empty() || text.len() > 4 || !text.chars().all(|c| c.is_ascii_digit()) {
            return Err(self.bad(whole, &format!("has {} where a number is expected", echoed(text))));
        }
        match text.parse() {
            Ok(number) if (self.first..=self.last).contains(&number) => Ok(number),
            _ => Err(self.bad(whole, &format!("has {text}, which is not in {} to {}", self.first, self.last))),
        }
    }

    fn item(&self, whole: &str, item: &str) -> Result<Numbers> {
        let (base, step) = match item.split_once('/') {
            Some((base, step)) => (base, Some(self.step(whole, step)?)),
            None => (item, None),
        };
        let (first, last) = match base.split_once('-') {
            _ if base == "*" => (self.first, self.last),
            Some((first, last)) => (self.number(whole, first)?, self.number(whole, last)?),
            None => {
                let number = self.number(whole, base)?;
                (number, if step.is_some() { self.last } else { number })
            }
        };
        if first > last {
            let split =
                format!("has the range {base}, which ends before it begins: write two ranges, separated by a comma");
            return Err(self.bad(whole, &split));
        }
        Ok((first..=last).step_by(step.unwrap_or(1)).collect())
    }

    fn step(&self, whole: &str, text: &str) -> Result<usize> {
        if !self.has_steps {
            return Err(self.bad(whole, "has a step, which this field does not accept: list the days"));
        }
        let steps = usize::try_from(self.last - self.first).unwrap_or_default();
        match text.parse() {
            Ok(step) if (1..=steps).contains(&step) && text.chars().all(|c| c.is_ascii_digit()) => Ok(step),
            _ => Err(self.bad(whole, &format!("has the step {}, which is not in 1 to {steps}", echoed(text)))),
        }
    }

    /// Writes the numbers in their shortest form without names and steps: `*`, or a list of numbers and ranges.
    pub fn write(&self, numbers: &Numbers) -> String {
        if *numbers == self.all() {
            return "*".to_owned();
        }
        let mut ranges: Vec<(i16, i16)> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *number => *last = *number,
                _ => ranges.push((*number, *number)),
            }
        }
        let range = |(first, last): &(i16, i16)| match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        };
        ranges.iter().map(range).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_is_a_list_of_numbers_ranges_steps_and_names() {
        for (field, text, numbers) in [
            (MINUTE, "5", &[5][..]),
            (MINUTE, "0,30", &[0, 30]),
            (MINUTE, "0/20", &[0, 20, 40]),
            (MINUTE, "*/20", &[0, 20, 40]),
            (MINUTE, "10-20/5", &[10, 15, 20]),
            (HOUR, "22-23,0-1", &[0, 1, 22, 23]),
            (MONTH, "JAN,6-7", &[1, 6, 7]),
            (MONTH, "OCT-DEC", &[10, 11, 12]),
            (DAY_OF_WEEK, "MON-WED", &[2, 3, 4]),
            (YEAR, "2196/2", &[2196, 2198]),
            (HOUR, "03", &[3]),
        ] {
            assert_eq!(field.parse(text).unwrap(), numbers.iter().copied().collect(), "{text}");
        }
        assert_eq!(DAY_OF_MONTH.parse("*").unwrap().len(), 31);
    }

    #[test]
    fn invalid_field_is_refused_with_its_name_its_text_and_the_forms() {
        for (field, text, problem) in [
            (MINUTE, "60", "which is not in 0 to 59"),
            (MINUTE, "-5", "where a number is expected"),
            (MINUTE, "+5", "where a number is expected"),
            (MINUTE, "", "where a number is expected"),
            (MINUTE, "1,,2", "where a number is expected"),
            (MINUTE, "0/0", "which is not in 1 to 59"),
            (MINUTE, "0/60", "which is not in 1 to 59"),
            (MINUTE, "0/+5", "which is not in 1 to 59"),
            (HOUR, "22-2", "write two ranges"),
            (MONTH, "JANUARY", "where a number is expected"),
            (DAY_OF_WEEK, "0", "which is not in 1 to 7"),
            (DAY_OF_WEEK, "2/2", "list the days"),
            (YEAR, "1969", "which is not in 1970 to 2199"),
            (YEAR, "99999", "where a number is expected"),
        ] {
            let error = field.parse(text).unwrap_err();
            assert!(error.to_string().contains(problem), "{text}: {error}");
            assert!(error.to_string().starts_with(&format!("the {} field \"{text}\"", field.name)), "{error}");
            assert!(error.nearest_hint().is_some(), "{text}");
        }
    }

    #[test]
    fn written_field_reads_as_the_same_numbers() {
        for text in ["*", "5", "0,30", "0,1,2,7,8,10", "0/7", "10-59"] {
            let numbers = MINUTE.parse(text).unwrap();
            assert_eq!(MINUTE.parse(&MINUTE.write(&numbers)).unwrap(), numbers, "{text}");
        }
        assert_eq!(MINUTE.write(&MINUTE.parse("0,1,2,7,8,10").unwrap()), "0-2,7,8,10");
        assert_eq!(MINUTE.write(&MINUTE.parse("0/1").unwrap()), "*");
    }
}
