//! Checks the form of single values, as AWS and Slack accept them.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::letters::is_letter_or_digit;
use crate::arn;
use crate::error::{Error, Result};
use crate::secret::{echoed, without_secrets};

/// Checks a log retention in days, one that CloudWatch Logs accepts; `never` for no end.
///
/// # Errors
/// For any other number; the error lists the accepted ones.
pub fn log_retention(text: &str) -> Result<Option<i32>> {
    const DAYS: [i32; 22] =
        [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
    if text == "never" {
        return Ok(None);
    }
    DAYS.into_iter().find(|days| days.to_string() == text).map(Some).ok_or_else(|| {
        let days = DAYS.map(|days| days.to_string()).join(", ");
        Error::usage(format!(
            "CloudWatch Logs accepts a retention of {days} days, or never; not {}",
            without_secrets(text)
        ))
    })
}

/// Checks the person or group that a message mentions.
///
/// # Errors
/// For anything but here, channel, or the id of a user (U…, W…) or of a user group (S…).
pub fn mention(text: &str) -> Result<String> {
    let rest = text.strip_prefix(['U', 'W', 'S']).unwrap_or_default();
    let id = rest.len() > 1 && rest.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    match id || ["here", "channel"].contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(Error::usage(format!("--mention does not accept {}", echoed(text)))
            .hint("use here, channel, a user's ID (U…) or a user group's ID (S…)")),
    }
}

/// Checks the ARN of the SNS topic for the alarms.
///
/// # Errors
/// If the text is not such an ARN, or CloudWatch cannot notify such a topic.
pub fn alarm_topic(text: &str) -> Result<String> {
    match arn::is_fifo(&arn::topic(text)?) {
        false => Ok(text.to_owned()),
        true => Err(Error::usage(format!("the topic {text} is a FIFO topic, which CloudWatch alarms cannot notify"))
            .hint("give a standard topic")),
    }
}

/// Checks the name of a CloudWatch Logs group, or a pattern of names with `*` and `?`.
///
/// # Errors
/// If the text is empty or too long, or has characters that no log group's name has.
pub fn log_group(text: &str) -> Result<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_-/.#*?".contains(c);
    match !text.is_empty() && text.len() <= 512 && text.chars().all(legal) {
        true => Ok(text.to_owned()),
        false => Err(Error::usage(format!("{} is not the name of a log group", echoed(text)))
            .hint("use letters, digits and _-/.# as in /ecs/web, with * and ? as wildcards; or none")),
    }
}

/// Returns whether a name matches a pattern of [`log_group`], as IAM reads it: `*` stands for any characters, also `/`.
#[must_use]
pub fn log_group_covers(pattern: &str, name: &str) -> bool {
    GlobBuilder::new(pattern).build().is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

/// Checks one `KEY=VALUE`, in the letters that every tagged service accepts.
///
/// # Errors
/// If the text has no `=`, is too long, or has other characters, or if the key is reserved.
pub fn tag(text: &str) -> Result<(String, String)> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(Error::usage(format!("the tag {} is not of the form KEY=VALUE", echoed(text))));
    };
    let legal = |text: &str| text.chars().all(|c| is_letter_or_digit(c) || " _.:/=+-@".contains(c));
    let begins = |text: &str, prefix: &str| text.to_lowercase().starts_with(prefix);
    if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || !legal(key) || !legal(value) {
        return Err(Error::usage(format!("AWS does not accept the tag {}", echoed(text)))
            .hint("use up to 128 characters for the key and 256 for the value: letters, digits, spaces and _.:/=+-@; IAM takes neither combining vowel signs nor letters in circles for letters"));
    }
    // IAM compares keys without regard to case, and reserves `aws:` at the beginning of values as well.
    if ["aws:", "taskbell:"].iter().any(|prefix| begins(key, prefix)) {
        return Err(Error::usage(format!("the tag key {key} is reserved"))
            .hint("choose a key that begins neither with aws: nor with taskbell:, in any case"));
    }
    if begins(value, "aws:") {
        return Err(Error::usage(format!("the value of the tag {key} is reserved: it begins with aws:"))
            .hint("IAM accepts no value that begins with aws:"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// Checks that the keys of tags differ by more than case: IAM takes keys that differ only by case for one key.
///
/// # Errors
/// For the first two keys that differ only by case.
pub fn distinct_tag_keys<'a>(keys: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = BTreeMap::new();
    for key in keys {
        if let Some(other) = seen.insert(key.to_lowercase(), key) {
            return Err(Error::usage(format!("the tag keys {other} and {key} differ only by case"))
                .hint("IAM takes them for one key: leave out one of the two tags"));
        }
    }
    Ok(())
}

/// Compiles the globs of `--ignore`.
///
/// # Errors
/// If one is not a glob.
pub fn ignore(globs: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for text in globs {
        // The library's error repeats the text.
        let bad = |error: globset::Error| {
            Error::usage(format!("--ignore {} is not a glob", echoed(text))).because(error.kind().to_string())
        };
        set.add(GlobBuilder::new(text).literal_separator(false).build().map_err(bad)?);
    }
    set.build().map_err(|error| Error::usage("the globs of --ignore are too large together").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_and_tags_are_those_that_aws_accepts() {
        assert_eq!(log_retention("30").unwrap(), Some(30));
        assert_eq!(log_retention("never").unwrap(), None);
        assert!(log_retention("31").is_err() && log_retention("+30").is_err());
        assert!(tag("team=data").is_ok());
        for bad in ["team", "=x", "taskbell:stack=x", "aws:x=y", "a=b,c"] {
            assert!(tag(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn marks_and_symbols_are_no_letters_of_a_tag() {
        for bad in ["team=\u{0e17}\u{0e35}\u{0e21}", "\u{0926}\u{093e}=1", "team=Ⓐ", "Ⓐ=1", "team=e\u{0301}"] {
            let error = tag(bad).unwrap_err();
            assert!(error.to_string().contains("AWS does not accept the tag"), "{bad}: {error}");
        }
        for good in ["team=データ", "チーム=1", "équipe=größe", "team=กขค"] {
            assert!(tag(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn tag_that_iam_would_confuse_with_a_reserved_one_is_refused() {
        for bad in ["Taskbell:Stack=mine", "TASKBELL:x=1", "AWS:x=1", "team=aws:x", "team=AWS:x"] {
            let error = tag(bad).unwrap_err();
            assert!(error.to_string().contains("reserved"), "{bad}: {error}");
            assert!(error.nearest_hint().is_some(), "{bad}");
        }
        for good in ["taskbells=1", "aws=1", "team=my aws:x", "team=taskbell:x"] {
            assert!(tag(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn tag_keys_that_differ_only_by_case_are_refused() {
        let of = |keys: &[&str]| distinct_tag_keys(keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>().iter());
        assert!(of(&["Team", "Teams", "team2"]).is_ok());
        for keys in [["Environment", "environment"], ["Größe", "GRÖßE"]] {
            let error = of(&keys).unwrap_err();
            assert!(keys.iter().all(|key| error.to_string().contains(key)), "{error}");
        }
    }
}
