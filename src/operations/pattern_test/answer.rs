//! Describes the answers about one event: of each pattern or rule, and of the notifier.

use serde_json::Value;

use crate::operations::links::Broken;
use crate::operations::verdict::Verdict;
use crate::pattern::DEFAULT;

/// The answer of one pattern or rule about an event.
pub struct Answer {
    /// The name of the pattern, or the id of the rule.
    pub from: String,
    /// Whether the pattern is in the catalogue, and `setup` uses it if no pattern is named.
    pub is_default: bool,
    pub outcome: Outcome,
}

/// The result for one pattern or rule.
pub enum Outcome {
    /// The event matches the pattern. Of a rule in AWS, the event also reaches the notifier.
    Passes,
    Broken(Broken),
    /// The pattern's events do not have the fields that the filters need.
    NotNarrowed,
}

impl Answer {
    fn passes(&self) -> bool {
        matches!(self.outcome, Outcome::Passes)
    }

    /// Checks whether the rule, or a resource behind it, could not be read.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(self.outcome, Outcome::Broken(Broken::Unreadable { .. }))
    }
}

/// The notifier's decision about an event that reaches it.
pub enum Decision {
    /// The notifier would announce the event. Contains the id of the cause.
    Announces(String),
    /// The notifier skips the event. Contains the reason.
    Silent(String),
    Repeated(Repetition),
    /// The decision is not known. Contains the reason.
    Unknown(String),
}

/// The record in the table because of which the notifier does not announce an event.
pub enum Repetition {
    /// The event was announced, or counted as a repetition, already. `count` is the number of occurrences of the failure, if it
    /// is known; `announced` is the number of the occurrence that was announced last.
    Handled { since: String, count: Option<u64>, announced: u64 },
    /// The event is occurrence `number` of a failure. The notifier announces occurrence `next` again.
    Counted { since: String, number: u64, next: u64 },
}

impl Repetition {
    /// Reads the answer of `foresee` in `lambda/memory/announcements.mjs`. Returns `None` if the table's records do not prevent an
    /// alert now.
    fn of(foreseen: &Value) -> Option<Self> {
        let count = foreseen["count"].as_u64();
        let number = |name: &str| foreseen[name].as_u64().unwrap_or_default();
        let since = foreseen["since"].as_str().unwrap_or_default().to_owned();
        match foreseen["verdict"].as_str()? {
            "duplicate" => Some(Self::Handled { since, count, announced: number("told") }),
            "counted" => Some(Self::Counted { since, number: count.unwrap_or_default(), next: number("next") }),
            _ => None,
        }
    }
}

impl Decision {
    /// Returns the decision of the notifier's rules alone, without a look at the table.
    pub(super) fn of(incident: &Value) -> Self {
        match incident["silentBecause"].as_str() {
            Some(why) => Self::Silent(why.to_owned()),
            None => Self::Announces(incident["cause"]["id"].as_str().unwrap_or_default().to_owned()),
        }
    }

    /// Returns the decision from the table's records, or `None` if the records do not prevent an alert now.
    pub(super) fn of_table(foreseen: &Value) -> Option<Self> {
        Repetition::of(foreseen).map(Self::Repeated)
    }

    /// Returns whether the notifier announces the event, or `None` if that is not known.
    #[must_use]
    pub fn announces(&self) -> Option<bool> {
        match self {
            Self::Announces(_) => Some(true),
            Self::Silent(_) | Self::Repeated(_) => Some(false),
            Self::Unknown(_) => None,
        }
    }
}

/// All answers about one event.
pub struct Tested {
    /// The name of the event.
    pub event: String,
    pub answers: Vec<Answer>,
    pub decision: Decision,
    /// Whether the answers are from rules in AWS, and not from patterns.
    pub is_live: bool,
}

/// The patterns that match an event: those that `setup` would use, and the others of the catalogue.
pub struct Matching<'a> {
    /// Whether the whole catalogue was tested, of which `setup` uses the default patterns. Otherwise `setup` uses the named ones.
    pub is_of_catalogue: bool,
    pub of_setup: Vec<&'a str>,
    pub others: Vec<&'a str>,
}

impl Tested {
    #[must_use]
    pub fn matches(&self) -> bool {
        self.answers.iter().any(Answer::passes)
    }

    /// Checks the condition for exit code 0: of rules in AWS, that the event causes an alert; of patterns, that one matches.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.matches() && (!self.is_live || self.decision.announces() == Some(true))
    }

    fn is_uncertain(&self) -> bool {
        let announces = self.decision.announces();
        let is_unknown = self.matches() && announces.is_none();
        let is_unreadable = || self.answers.iter().any(Answer::is_unreadable);
        self.is_live && (is_unknown || !self.holds() && announces != Some(false) && is_unreadable())
    }

    /// Returns the matching patterns: those that `setup` would use, which are the default ones or the named ones, and the others.
    #[must_use]
    pub fn matching(&self) -> Matching<'_> {
        let is_of_catalogue = DEFAULT.iter().all(|name| self.answers.iter().any(|answer| answer.from == *name));
        let passing = self.answers.iter().filter(|answer| answer.passes());
        let (mut of_setup, mut others) = (Vec::new(), Vec::new());
        for Answer { from, is_default, .. } in passing {
            if *is_default || !is_of_catalogue { of_setup.push(from.as_str()) } else { others.push(from.as_str()) }
        }
        Matching { is_of_catalogue, of_setup, others }
    }
}

/// Returns the verdict on all events: one event is enough.
#[must_use]
pub fn verdict(tested: &[Tested]) -> Verdict {
    match tested.iter().any(Tested::holds) {
        true => Verdict::InSync,
        false if tested.iter().any(Tested::is_uncertain) => Verdict::Unreadable,
        false => Verdict::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::kinds::rule;
    use crate::stack::Stack;
    use serde_json::json;

    fn tested(outcome: Outcome, decision: Decision, is_live: bool) -> Tested {
        let answer = Answer { from: "task-failed".to_owned(), is_default: true, outcome };
        Tested { event: "oom".to_owned(), answers: vec![answer], decision, is_live }
    }

    #[test]
    fn single_event_with_an_alert_is_enough() {
        let silent = || tested(Outcome::Passes, Decision::Silent(String::new()), true);
        let unknown = || tested(Outcome::Passes, Decision::Unknown(String::new()), true);
        let alert = || tested(Outcome::Passes, Decision::Announces(String::new()), true);
        assert_eq!(verdict(&[silent(), unknown(), alert()]), Verdict::InSync);
        assert_eq!(verdict(&[silent(), unknown()]), Verdict::Unreadable);
        assert_eq!(verdict(&[silent()]), Verdict::Failed);
        // Without AWS, a matching pattern is enough.
        assert_eq!(verdict(&[Tested { is_live: false, ..unknown() }]), Verdict::InSync);
    }

    #[test]
    fn unreadable_rule_matters_unless_the_notifier_is_silent() {
        let unreadable = || {
            let stack = Stack { name: "batch".parse().unwrap(), region: "us-east-1".to_owned() };
            let what = rule::address(&stack, "task-failed").id;
            Outcome::Broken(Broken::Unreadable { what, error: String::new(), hint: None })
        };
        let alert = tested(unreadable(), Decision::Announces(String::new()), true);
        assert_eq!(verdict(&[alert]), Verdict::Unreadable);
        let silent = tested(unreadable(), Decision::Silent(String::new()), true);
        assert_eq!(verdict(&[silent]), Verdict::Failed);
    }

    #[test]
    fn record_of_the_table_prevents_an_alert_only_of_the_same_failure() {
        let foreseen = json!({ "verdict": "counted", "since": "09:00", "count": 3, "told": 1, "next": 10 });
        let decision = Decision::of_table(&foreseen);
        assert!(matches!(decision, Some(Decision::Repeated(Repetition::Counted { number: 3, next: 10, .. }))));
        assert!(Decision::of_table(&json!({ "verdict": "announce" })).is_none());
        assert!(Decision::of_table(&json!({})).is_none());
    }
}
