//! Checks the form of single values, as AWS and Slack accept them.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

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

/// The characters that Rust counts as letters and IAM does not, as ranges in hexadecimal: combining vowels and other marks
/// (Unicode's categories M*), and enclosed letters (So). A range may also contain characters that are no letters in Rust either.
const NO_LETTERS: &str = "\
    345-36f 5b0-5c7 610-61a 64b-65f 670 6d6-6e4 6e7-6ed 711 730-73f 7a6-7b0 816-817 81b-823 825-827 829-82c 897 \
    8d4-903 93a-93b 93e-94f 955-957 962-963 981-983 9be-9cc 9d7 9e2-9e3 a01-a03 a3e-a51 a70-a71 a75-a83 abe-acc \
    ae2-ae3 afa-b03 b3e-b57 b62-b63 b82 bbe-bcc bd7 c00-c04 c3e-c56 c62-c63 c81-c83 cbe-cd6 ce2-ce3 cf3-d03 d3e-d4c \
    d57 d62-d63 d81-d83 dcf-ddf df2-df3 e31 e34-e3a e4d eb1 eb4-ebc ecd f71-f83 f8d-fbc 102b-103e 1056-1059 \
    105e-1060 1062-1064 1067-106d 1071-1074 1082-108d 108f 109a-109d 1712-1713 1732-1733 1752-1753 1772-1773 \
    17b6-17c8 1885-1886 18a9 1920-1938 1a17-1a1b 1a55-1a74 1abf-1b04 1b35-1b43 1b80-1b82 1ba1-1bad 1be7-1bf1 \
    1c24-1c36 1dd3-1df4 24b6-24e9 2de0-2dff a674-a67b a69e-a69f a802 a80b a823-a827 a880-a881 a8b4-a8c5 a8ff \
    a926-a92a a947-a952 a980-a983 a9b4-a9bf a9e5 aa29-aa36 aa43 aa4c-aa4d aa7b-aa7d aab0 aab2-aab4 aab7-aab8 aabe \
    aaeb-aaef aaf5 abe3-abea fb1e 10376-1037a 10a01-10a0f 10d24-10d27 10d69 10eab-10eac 10efa-10efc 11000-11002 \
    11038-11045 11073-11074 11080-11082 110b0-110c2 11100-11102 11127-11132 11145-11146 11180-11182 111b3-111bf \
    111ce-111cf 1122c-1123e 11241 112df-112e8 11300-11303 1133e-1134c 11357 11362-11363 113b8-113cd 11435-11445 \
    114b0-114c1 115af-115be 115dc-115dd 11630-11640 116ab-116b5 1171d-1172a 1182c-11838 11930-1193c 11940 11942 \
    119d1-119df 119e4 11a01-11a0a 11a35-11a39 11a3b-11a3e 11a51-11a5b 11a8a-11a97 11b60-11b67 11c2f-11c3e \
    11c92-11cb6 11d31-11d43 11d47 11d8a-11d96 11ef3-11f01 11f03 11f34-11f40 1611e-1612e 16f4f 16f51-16f92 \
    16ff0-16ff1 1bc9e 1e000-1e02a 1e08f 1e6e3 1e6e6 1e6ee-1e6ef 1e6f5 1e947 1f130-1f189";

/// Returns whether a character is a letter or a number in Unicode's general categories (L*, N*), as IAM requires in a tag.
fn is_letter_or_number(c: char) -> bool {
    let number = |text: &str| u32::from_str_radix(text, 16).ok();
    let contains = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        number(first) <= Some(u32::from(c)) && Some(u32::from(c)) <= number(last)
    };
    c.is_ascii_alphanumeric() || (c.is_alphanumeric() && !NO_LETTERS.split(' ').any(contains))
}

/// Checks one `KEY=VALUE`, in the letters that every tagged service accepts.
///
/// # Errors
/// If the text has no `=`, is too long, or has other characters, or if the key is reserved.
pub fn tag(text: &str) -> Result<(String, String)> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(Error::usage(format!("the tag {} is not of the form KEY=VALUE", echoed(text))));
    };
    let legal = |text: &str| text.chars().all(|c| is_letter_or_number(c) || " _.:/=+-@".contains(c));
    let begins = |text: &str, prefix: &str| text.to_lowercase().starts_with(prefix);
    if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || !legal(key) || !legal(value) {
        return Err(Error::usage(format!("AWS does not accept the tag {}", echoed(text))).hint(
            "use up to 128 characters for the key and 256 for the value: letters, digits, spaces and _.:/=+-@; \
                   IAM accepts no combining vowels and no symbols",
        ));
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
    fn tag_has_only_letters_that_iam_accepts() {
        for bad in ["\u{e35}", "\u{93e}", "\u{24b6}", "e\u{301}", "\u{1f130}", "\u{e01}\u{e32}\u{e23}\u{e35}"] {
            for text in [format!("team={bad}"), format!("{bad}=data")] {
                let error = tag(&text).unwrap_err();
                assert!(error.to_string().contains("AWS does not accept the tag"), "{text}: {error}");
            }
        }
        for good in ["データ", "Größe", "команда", "الفريق", "ทม", "दल", "팀", "٣", "Ⅷ", "²"]
        {
            assert!(tag(&format!("{good}={good}")).is_ok(), "{good}");
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
