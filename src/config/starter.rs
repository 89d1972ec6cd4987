//! Names the schedules and rules that start tasks, as the field `startedBy` of a task has them.

use crate::error::{Error, Result};
use crate::secret::echoed;

/// The prefixes that EventBridge Scheduler and EventBridge rules put before the name of the schedule that starts a task.
pub const PREFIXES: [&str; 2] = ["chronos-schedule/", "events-rule/"];
/// The number of characters of `startedBy` that ECS keeps.
const KEPT: usize = 36;
/// Most characters of a name: rules and schedules have at most 64.
const LONGEST: usize = 64;

/// Checks the name of a schedule or rule, with or without its prefix. No address with a secret has this form.
///
/// # Errors
/// For every other text.
pub fn name(text: &str) -> Result<String> {
    let name = bare(text);
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    match !name.is_empty() && name.len() <= LONGEST && name.chars().all(is_name) {
        true => Ok(text.to_owned()),
        false => Err(Error::usage(format!("started-by does not accept {}", echoed(text)))
            .hint("use the name of the schedule or of the rule that starts the task, or chronos-schedule/NAME or events-rule/NAME")),
    }
}

/// Returns the name without its prefix.
#[must_use]
pub fn bare(text: &str) -> &str {
    PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text)
}

/// Returns whether a task's `startedBy` is that of the schedule or rule with this name. ECS may have cut it.
#[must_use]
pub fn is_started_by(started_by: &str, name: &str) -> bool {
    texts(name).contains(&cut(started_by))
}

/// Returns whether the tasks of two names may have the same `startedBy`.
#[must_use]
pub fn are_alike(one: &str, other: &str) -> bool {
    let others = texts(other);
    texts(one).iter().any(|text| others.contains(text))
}

/// Returns each `startedBy` that the tasks of a name may have.
fn texts(name: &str) -> Vec<String> {
    match PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        true => vec![cut(name)],
        false => PREFIXES.iter().map(|prefix| cut(&format!("{prefix}{name}"))).collect(),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(KEPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_has_no_other_prefix_than_those_of_schedules_and_rules() {
        for good in ["nightly", "a_b-c.D", "chronos-schedule/nightly", "events-rule/nightly"] {
            assert_eq!(name(good).unwrap(), good);
        }
        let long = "x".repeat(65);
        for bad in ["", "events-rule/", "ecs-svc/1", "a/b", "a/b/c", "events-rule/a/b", "a b", "café", long.as_str()] {
            assert!(name(bad).unwrap_err().to_string().contains("started-by does not accept"), "{bad}");
        }
    }

    #[test]
    fn names_that_ecs_cuts_to_one_text_are_alike() {
        let (morning, evening) = ("nightly-report-of-the-morning", "nightly-report-of-the-evening");
        let rule = |name: &str| format!("events-rule/{name}");
        let schedule = |name: &str| format!("chronos-schedule/{name}");
        assert!(are_alike(morning, evening) && are_alike(&schedule(morning), evening));
        assert!(are_alike(&schedule(morning), &schedule(evening)) && are_alike("nightly", &rule("nightly")));
        assert!(!are_alike(&rule(morning), &rule(evening)), "the first 24 characters differ");
        assert!(!are_alike(&rule(morning), &schedule(morning)) && !are_alike("night", "nightly"));
        assert!(is_started_by(&schedule(morning)[..36], evening) && !is_started_by("nightly", "nightly"));
    }
}
