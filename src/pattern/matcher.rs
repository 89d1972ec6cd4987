//! Matches events as EventBridge does, and explains why an event did not match.
//!
//! A pattern is a list of rules, one for each combination of `$or`'s alternatives; the pattern matches if one of the rules matches.
//! All fields of a rule have to be satisfied, each by one leaf of the event; fields that go through an array of objects have to be
//! satisfied by the same element of the array.

use serde_json::Value;

use super::event::{Leaves, Paths};
use super::mismatch;
use super::rules::{self, SubRule};
use super::search::search;
use super::settled::expanded;
use super::tree::Tree;

pub use super::mismatch::{Branch, Mismatch};
pub use super::rules::{Kept, Repeated};
pub use super::validity::Invalid;

/// A pattern that EventBridge would accept.
#[derive(Debug, Clone, PartialEq)]
pub struct Matcher {
    rules: Vec<SubRule>,
    asked: Paths,
    repeated: Vec<Repeated>,
}

impl Matcher {
    /// # Errors
    /// If EventBridge would refuse the pattern.
    pub fn new(pattern: &Tree) -> Result<Self, Invalid> {
        let (rules, repeated) = rules::of(pattern)?;
        let mut asked = Paths::default();
        rules.iter().flatten().for_each(|field| asked.add(&field.path));
        Ok(Self { rules, asked, repeated })
    }

    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        let leaves = Leaves::of(event, &self.asked);
        self.rules.iter().any(|rule| search(rule, &leaves).is_ok())
    }

    /// Returns the field that decided against the event; none if the event matches. Considers the closest combinations of `$or`,
    /// with the fewest fields against the event: first the combinations with the most satisfied fields, and of equal ones the
    /// first in the pattern.
    #[must_use]
    pub fn mismatch(&self, event: &Value) -> Option<Mismatch> {
        mismatch::of(&self.rules, &Leaves::of(event, &self.asked))
    }

    /// Returns the repeated fields. EventBridge refuses none of them.
    #[must_use]
    pub fn repeated(&self) -> &[Repeated] {
        &self.repeated
    }

    /// Returns an equivalent pattern in which no field is repeated, so that the order of fields has no meaning. `pattern` is the
    /// pattern of this matcher.
    #[must_use]
    pub fn settled(&self, pattern: &Tree) -> Value {
        let plain = pattern.to_value();
        if self.repeated.is_empty() {
            return plain;
        }
        let means_the_same = |value: &Value| {
            Self::new(&value.into()).is_ok_and(|other| other.repeated.is_empty() && self.is_like(&other))
        };
        let joined = pattern.joined();
        if means_the_same(&joined) { joined } else { expanded(&self.rules) }
    }

    /// Checks whether both matchers have the same combinations.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let alike = |one: &SubRule, other: &SubRule| {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.is_like(other))
        };
        let within = |rules: &[SubRule], others: &[SubRule]| {
            rules.iter().all(|one| others.iter().any(|other| alike(one, other)))
        };
        within(&self.rules, &other.rules) && within(&other.rules, &self.rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(serde::Deserialize)]
    struct Case {
        pattern: Tree,
        event: Value,
        r#match: bool,
    }

    #[test]
    fn every_verdict_agrees_with_the_rule_engine_of_the_service() {
        let mut matched = 0;
        for (number, line) in include_str!("../../tests/data/verdicts.jsonl").lines().enumerate() {
            let Case { pattern, event, r#match } = serde_json::from_str(line).unwrap();
            let pattern = Matcher::new(&pattern).unwrap();
            assert_eq!(pattern.matches(&event), r#match, "verdict {number}: {line}");
            assert_eq!(pattern.mismatch(&event).is_none(), r#match, "verdict {number}");
            matched += usize::from(r#match);
        }
        assert!((200..1100).contains(&matched), "{matched}");
    }

    fn mismatch(pattern: &Value, event: &Value) -> Mismatch {
        Matcher::new(&pattern.into()).unwrap().mismatch(event).unwrap()
    }

    #[test]
    fn first_deciding_field_is_named_with_both_sides() {
        let event =
            json!({ "source": "aws.ecs", "detail": { "lastStatus": "RUNNING", "containers": [{ "exitCode": 0 }] } });
        let pattern = json!({ "source": ["aws.ecs"], "detail": { "lastStatus": ["STOPPED"], "containers": { "exitCode": [1] } } });
        let told = mismatch(&pattern, &event);
        assert_eq!(
            (told.path.as_str(), told.have, told.want),
            ("detail.lastStatus", vec![json!("RUNNING")], vec![json!("STOPPED")])
        );
        let absent = mismatch(&json!({ "detail": { "stopCode": ["x"] } }), &event);
        assert_eq!((absent.path.as_str(), absent.have), ("detail.stopCode", vec![]));
    }

    #[test]
    fn closest_alternative_is_reported() {
        let pattern = json!({ "$or": [{ "a": [1], "b": [1], "c": [1] }, { "a": [2] }] });
        assert_eq!(mismatch(&pattern, &json!({ "a": 1, "b": 1, "c": 2 })).path, "c");
    }

    #[test]
    fn fields_of_different_elements_do_not_match_together() {
        let pattern = json!({ "containers": { "name": ["app"], "exitCode": [1] } });
        let event = json!({ "containers": [{ "name": "app", "exitCode": 0 }, { "name": "side", "exitCode": 1 }] });
        assert!(mismatch(&pattern, &event).apart);
        assert!(
            Matcher::new(&(&pattern).into())
                .unwrap()
                .matches(&json!({ "containers": [{ "name": "app", "exitCode": 1 }] }))
        );
    }

    /// Expects the answers of the service's own rule engine.
    #[test]
    fn cases_beyond_the_recorded_verdicts_agree_too() {
        for (pattern, event, expected) in [
            (r#"{"a":{"b":[1],"c":[2]}}"#, r#"{"a":[[{"b":1}],[{"c":2}]]}"#, false),
            (r#"{"a":{"b":[1],"c":[{"exists":false}]}}"#, r#"{"a":[[{"b":1}],[{"c":2}]]}"#, true),
            (r#"{"a":["2001:DB8::1"]}"#, r#"{"a":"2001:db8::1"}"#, true),
            (r#"{"a.":[1]}"#, r#"{"a":{"":1}}"#, false),
            (r#"{"a.":[1]}"#, r#"{"a.":1}"#, true),
            (r#"{"":[1]}"#, r#"{"":1}"#, true),
            (r#"{"":{"a":[1]}}"#, r#"{"":{"a":1}}"#, false),
            (r#"{"":{"a":[1]}}"#, r#"{"a":1}"#, true),
            (r#"{"$or":{"a":["x"]}}"#, r#"{"$or":{"a":"x"}}"#, true),
        ] {
            let matcher = Matcher::new(&serde_json::from_str(pattern).unwrap()).unwrap();
            assert_eq!(matcher.matches(&serde_json::from_str(event).unwrap()), expected, "{pattern} {event}");
        }
        for (pattern, reason) in [
            (r#"{"$or":[{"a":[1]},{"regex":["x"]}]}"#, "Unrecognized match type a"),
            (r#"{"$or":[{"a":[1]},{"x":{"exists":["y"]}}]}"#, "Unrecognized match type a"),
            (r#"{"$or":[{"a":[1]},{"$or":["q"]}]}"#, "Unrecognized match type a"),
            (r#"{"x":{"$or":[{"a":[1]},{"b":[1]}]},"y":{"$or":["q","r"]}}"#, "Unrecognized match type a"),
            (r#"{"a":[{"anything-but":[1700000000123456789]}]}"#, "Cannot compare number : 1700000000123456789"),
            (r#"{"a":[{"prefix":{"prefix":"a"}}]}"#, "Unsupported prefix pattern: prefix"),
            (r#"{"a":[{"prefix":{"equals-ignore-case":"a","x":"b"}}]}"#, "Only one key allowed in match expression"),
            (r#"{"a":[{"wildcard":"a\\"}]}"#, "Invalid escape character at pos 2"),
            (r#"{"a":[{"numeric":[">",0,">",1]}]}"#, "Bad numeric range operator: >"),
            (r#"{"a":[{"cidr":"10.0.0.0/300"}]}"#, "IPv4 mask bits must be < 32"),
            (r#"{"a":[{"cidr":"x/8"}]}"#, "Nonstandard IP address: x"),
        ] {
            let told = Matcher::new(&serde_json::from_str(pattern).unwrap()).unwrap_err();
            assert_eq!(told.reason, reason, "{pattern}");
        }
    }

    #[test]
    fn repeated_operator_is_refused_as_by_eventbridge() {
        for (twice, reason) in [
            (r#"{"a":[{"prefix":"a","prefix":"b"}]}"#, "Only one key allowed in match expression"),
            (r#"{"a":[{"numeric":[">",0],"numeric":["<",1]}]}"#, "Too many elements in numeric expression"),
            (r#"{"$or":[{"a":[1]},{"b":[1]}],"$or":[]}"#, "Unrecognized match type a"),
            (r#"{"a":[1],"a":"b"}"#, "\"a\" must be an object or an array"),
            (r#"{"a":[],"a":[1]}"#, "Empty arrays are not allowed"),
        ] {
            assert_eq!(Matcher::new(&serde_json::from_str(twice).unwrap()).unwrap_err().reason, reason, "{twice}");
        }
    }

    /// Expects the behaviour of `JsonRuleCompiler` of aws/event-ruler: values at one path replace earlier values, objects are
    /// walked again, and each `$or` multiplies the rules that were read before it.
    #[test]
    fn repeated_field_has_the_meaning_of_the_rule_engine() {
        for (pattern, repeated, takes, leaves) in [
            (r#"{"a":[1],"a":[2]}"#, vec![("a", Kept::Last)], vec![r#"{"a":2}"#], vec![r#"{"a":1}"#]),
            (
                r#"{"d":{"a":[1],"b":[1],"a":[2]}}"#,
                vec![("d.a", Kept::Last)],
                vec![r#"{"d":{"a":2,"b":1}}"#],
                vec![r#"{"d":{"a":1,"b":1}}"#, r#"{"d":{"a":2}}"#],
            ),
            (
                r#"{"d":{"a":[1]},"d":{"b":[1]}}"#,
                vec![("d", Kept::All)],
                vec![r#"{"d":{"a":1,"b":1}}"#],
                vec![r#"{"d":{"a":1}}"#, r#"{"d":{"b":1}}"#],
            ),
            (
                r#"{"d":{"a":[1],"b":[1]},"d":{"a":[2]}}"#,
                vec![("d", Kept::All), ("d.a", Kept::Last)],
                vec![r#"{"d":{"a":2,"b":1}}"#],
                vec![r#"{"d":{"a":1,"b":1}}"#],
            ),
            (
                r#"{"a.b":[1],"a":{"b":[2]}}"#,
                vec![("a.b", Kept::Last)],
                vec![r#"{"a":{"b":2}}"#],
                vec![r#"{"a":{"b":1}}"#],
            ),
            (
                r#"{"a":["1"],"a":{"b":["2"]},"a":["3"]}"#,
                vec![("a", Kept::All), ("a", Kept::Last)],
                vec![r#"{"a":["3",{"b":"2"}]}"#],
                vec![r#"{"a":["1",{"b":"2"}]}"#, r#"{"a":"3"}"#],
            ),
            (r#"{"a":[1],"a":{"b":[2]}}"#, vec![("a", Kept::All)], vec![r#"{"a":[1,{"b":2}]}"#], vec![r#"{"a":1}"#]),
            (
                r#"{"a":[1],"$or":[{"a":[2]},{"b":[1]}]}"#,
                vec![("a", Kept::Last)],
                vec![r#"{"a":2}"#, r#"{"a":1,"b":1}"#],
                vec![r#"{"a":1}"#, r#"{"a":3,"b":1}"#],
            ),
            (
                r#"{"$or":[{"a":[2]},{"b":[1]}],"a":[1]}"#,
                vec![("a", Kept::Last)],
                vec![r#"{"a":1}"#],
                vec![r#"{"a":2}"#, r#"{"b":1}"#],
            ),
            (
                r#"{"$or":[{"a":[1]},{"b":[1]}],"$or":[{"c":[1]},{"d":[1]}]}"#,
                vec![("$or", Kept::All)],
                vec![r#"{"a":1,"c":1}"#, r#"{"b":1,"d":1}"#],
                vec![r#"{"a":1,"b":1}"#, r#"{"c":1,"d":1}"#],
            ),
            (
                r#"{"detail":{"s":["x"],"$or":[{"s":["y"]},{"$or":[{"s":["z"]},{"t":["u"]}]}]}}"#,
                vec![("detail.s", Kept::Last)],
                vec![r#"{"detail":{"s":"y"}}"#, r#"{"detail":{"s":"z"}}"#, r#"{"detail":{"s":"x","t":"u"}}"#],
                vec![r#"{"detail":{"s":"x"}}"#, r#"{"detail":{"s":"y2","t":"u"}}"#],
            ),
            (
                r#"{"$or":[{"a":[1],"a":[2]},{"b":[1]}]}"#,
                vec![("a", Kept::Last)],
                vec![r#"{"a":2}"#],
                vec![r#"{"a":1}"#],
            ),
            (r#"{"$or":[{"a":[2]},{"a":[1]}]}"#, vec![], vec![r#"{"a":1}"#, r#"{"a":2}"#], vec![r#"{"a":3}"#]),
        ] {
            let tree: Tree = serde_json::from_str(pattern).unwrap();
            let matcher = Matcher::new(&tree).unwrap();
            let found: Vec<(&str, Kept)> = matcher.repeated().iter().map(|one| (one.path.as_str(), one.kept)).collect();
            assert_eq!(found, repeated, "{pattern}");
            let settled = matcher.settled(&tree);
            let again = Matcher::new(&(&settled).into()).unwrap();
            assert!(again.repeated().is_empty(), "{pattern}: {settled}");
            for (events, expected) in [(takes, true), (leaves, false)] {
                for event in events {
                    let event: Value = serde_json::from_str(event).unwrap();
                    assert_eq!(matcher.matches(&event), expected, "{pattern} {event}");
                    assert_eq!(again.matches(&event), expected, "{settled} {event}");
                }
            }
        }
    }

    /// Returns the closest branches, each with its fields.
    fn closest(pattern: &Value, event: &Value) -> Vec<(String, Vec<String>)> {
        let path = |one: Mismatch| if one.apart { format!("{} apart", one.path) } else { one.path };
        let told = |branch: Branch| (branch.name, branch.against.into_iter().map(path).collect());
        mismatch(pattern, event).branches.into_iter().map(told).collect()
    }

    #[test]
    fn closest_branches_are_named_with_every_failed_field() {
        let one =
            |name: &str, paths: &[&str]| (name.to_owned(), paths.iter().map(ToString::to_string).collect::<Vec<_>>());
        let or = json!({ "s": ["x"], "$or": [{ "a": [1], "b": [1] }, { "a": [2] }, { "c": [1] }] });
        // Only the branches with the fewest failed fields are named.
        assert_eq!(closest(&or, &json!({ "s": "x", "a": 3, "c": 2 })), [one("$or[1]", &["a"]), one("$or[2]", &["c"])]);
        let two = json!({ "$or": [{ "a": [1], "b": [1] }, { "a": [1], "b": [2], "c": [1] }] });
        assert_eq!(closest(&two, &json!({ "a": 3 })), [one("$or[0]", &["a", "b"])]);
        // A field outside of `$or` decides for every branch.
        assert_eq!(closest(&or, &json!({ "s": "y" })), []);
        assert_eq!(mismatch(&or, &json!({ "s": "y" })).path, "s");
        // Several branches, nested.
        let nested =
            json!({ "d": { "$or": [{ "a": [1] }, { "b": [1], "$or": [{ "c": [1] }, { "e": { "f": [1] } }] }] } });
        assert_eq!(
            closest(&nested, &json!({ "d": { "a": 2, "b": 1 } })),
            [one("d.$or[1].$or[0]", &["d.c"]), one("d.$or[1].$or[1]", &["d.e.f"]), one("d.$or[0]", &["d.a"])]
        );
        // Equal branches are named in the order of the pattern, regardless of their paths.
        let tie = json!({ "$or": [{ "m": [1] }, { "z": [1] }, { "a": [1] }] });
        assert_eq!(closest(&tie, &json!({})), [one("$or[0]", &["m"]), one("$or[1]", &["z"]), one("$or[2]", &["a"])]);
        let several =
            json!({ "x": { "$or": [{ "a": [1] }, { "b": [1] }] }, "y": { "$or": [{ "a": [1] }, { "b": [1] }] } });
        assert_eq!(
            closest(&several, &json!({ "x": { "a": 1 }, "y": { "a": 2 } })),
            [one("y.$or[0]", &["y.a"]), one("y.$or[1]", &["y.b"])]
        );
        let both = closest(&several, &json!({}));
        let mut names: Vec<&str> = both.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["x.$or[0]", "x.$or[1]", "y.$or[0]", "y.$or[1]"]);
        // Fields in different elements of a list are apart.
        let apart = json!({ "c": { "n": ["app"], "$or": [{ "e": [1] }, { "r": ["x"], "k": [1] }] } });
        let event = json!({ "c": [{ "n": "app", "e": 0 }, { "n": "side", "e": 1 }] });
        assert_eq!(closest(&apart, &event), [one("c.$or[0]", &["c.n apart"])]);
        // Each field has its own values.
        let told = mismatch(&or, &json!({ "s": "x", "a": 3, "c": 2 })).branches;
        assert_eq!((&told[0].against[0].have, &told[0].against[0].want), (&vec![json!(3)], &vec![json!(2)]));
    }

    fn object(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
        fields.into_iter().collect::<serde_json::Map<_, _>>().into()
    }

    /// Asserts no duration: a search without the record of failures would not end.
    #[test]
    fn long_lists_do_not_multiply_the_time() {
        let one_of_them_fails = [
            (json!([{ "prefix": "x" }]), json!(vec!["x"; 60])),
            (json!({ "x": [1] }), json!(vec![json!({ "x": 1 }); 60])),
            (json!({ "x": [1], "y": [1] }), json!(vec![json!({ "x": 1, "y": 1 }); 60])),
            (json!({ "x": { "y": [1], "z": [1] } }), json!(vec![json!({ "x": [{ "y": 1, "z": 1 }] }); 60])),
        ];
        for (wanted, list) in one_of_them_fails {
            let each = |value: &Value| (0..8).map(|number| (format!("f{number}"), value.clone())).collect::<Vec<_>>();
            let mut pattern = object(each(&wanted));
            pattern["z"] = json!(["no"]);
            let mut event = object(each(&list));
            event["z"] = json!("yes");
            let matcher = Matcher::new(&(&pattern).into()).unwrap();
            assert!(!matcher.matches(&event));
            assert_eq!(matcher.mismatch(&event).unwrap().path, "z");

            pattern["z"] = json!(["yes"]);
            assert!(Matcher::new(&(&pattern).into()).unwrap().matches(&event));
        }
    }

    #[test]
    fn long_list_of_objects_does_not_multiply_the_time() {
        let elements: Vec<Value> = (0..20_000).map(|number| json!({ "x": 1, "y": number % 2 })).collect();
        let event = json!({ "a": elements });
        assert!(!Matcher::new(&(&json!({ "a": { "x": [1], "y": [2] } })).into()).unwrap().matches(&event));
        assert!(mismatch(&json!({ "a": { "x": [2], "y": [1] } }), &event).have.len() == 20_000);
    }
}
