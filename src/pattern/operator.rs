//! Implements EventBridge's comparison operators: decides whether one leaf of a pattern accepts one leaf of an event.

use serde_json::Value;

use super::address::Range;
use super::text::{Extent, Text};
use super::tree::Tree;

/// A leaf of a pattern: a value, or an object with one operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub written: Value,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Equal(Value),
    Within(Range),
    Exists,
    Absent,
    Numeric(Vec<Bound>),
    Text(Text),
    Not(Vec<Test>),
}

#[derive(Debug, Clone, PartialEq)]
struct Bound {
    operator: String,
    number: f64,
}

impl Condition {
    /// Returns the condition of a leaf that was found valid.
    #[must_use]
    pub fn of(leaf: &Tree) -> Self {
        let test = match leaf {
            Tree::Object(fields) => fields.first().map(|(operator, operand)| of_operator(operator, operand)),
            Tree::Leaf(Value::String(text)) => Range::of_one(text).map(Test::Within),
            Tree::Leaf(_) | Tree::Array(_) => None,
        };
        let written = leaf.to_value();
        Self { test: test.unwrap_or_else(|| Test::Equal(written.clone())), written }
    }

    /// Checks whether the condition accepts a leaf of an event.
    #[must_use]
    pub fn accepts(&self, leaf: &Value) -> bool {
        self.test.accepts(leaf)
    }

    /// Checks whether the condition requires that no leaf exists.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        self.test == Test::Absent
    }
}

impl Test {
    fn accepts(&self, leaf: &Value) -> bool {
        match self {
            Self::Equal(wanted) => equal(wanted, leaf),
            Self::Within(range) => leaf.as_str().is_some_and(|text| range.accepts(text)),
            Self::Exists => true,
            Self::Absent => false,
            Self::Numeric(bounds) => {
                comparable(leaf).is_some_and(|number| bounds.iter().all(|bound| bound.takes(number)))
            }
            Self::Text(wanted) => leaf.as_str().is_some_and(|text| wanted.accepts(text)),
            Self::Not(excluded) => !excluded.iter().any(|excluded| excluded.accepts(leaf)),
        }
    }
}

impl Bound {
    fn takes(&self, number: f64) -> bool {
        match self.operator.as_str() {
            "<" => number < self.number,
            "<=" => number <= self.number,
            ">" => number > self.number,
            ">=" => number >= self.number,
            _ => same(number, self.number),
        }
    }
}

fn of_operator(operator: &str, operand: &Tree) -> Test {
    match (operator, operand) {
        ("exists", Tree::Leaf(Value::Bool(true))) => Test::Exists,
        ("exists", _) => Test::Absent,
        ("numeric", Tree::Array(parts)) => Test::Numeric(parts.chunks(2).filter_map(bound).collect()),
        ("cidr", Tree::Leaf(Value::String(block))) => Range::of_block(block).map_or(Test::Absent, Test::Within),
        ("anything-but", Tree::Object(fields)) => {
            let texts =
                fields.iter().flat_map(|(operator, operand)| all(operand).iter().map(move |text| (operator, text)));
            Test::Not(texts.map(|(operator, text)| of_text(operator, text)).collect())
        }
        // Of addresses, the operator excludes only those in the same notation.
        ("anything-but", _) => Test::Not(all(operand).iter().map(|value| Test::Equal(value.to_value())).collect()),
        _ => of_text(operator, operand),
    }
}

/// Returns one value as a list, or the values of a list.
fn all(operand: &Tree) -> &[Tree] {
    if let Tree::Array(items) = operand { items } else { std::slice::from_ref(operand) }
}

fn bound(pair: &[Tree]) -> Option<Bound> {
    match pair {
        [Tree::Leaf(Value::String(operator)), Tree::Leaf(number)] => {
            Some(Bound { operator: operator.clone(), number: comparable(number)? })
        }
        _ => None,
    }
}

fn of_text(operator: &str, operand: &Tree) -> Test {
    // The operand may be an object: `{"prefix": {"equals-ignore-case": "…"}}`, or the same with suffix.
    let (operand, ignores_case) = match operand {
        Tree::Object(fields) => (fields.first().map_or(operand, |(_, inner)| inner), true),
        _ => (operand, false),
    };
    let Tree::Leaf(Value::String(wanted)) = operand else { return Test::Absent };
    Test::Text(match (operator, ignores_case) {
        ("prefix", true) => Text::ignoring_case(wanted, Extent::Start),
        ("suffix", true) => Text::ignoring_case(wanted, Extent::End),
        ("equals-ignore-case", _) => Text::ignoring_case(wanted, Extent::Whole),
        ("prefix", false) => Text::prefix(wanted),
        ("suffix", false) => Text::suffix(wanted),
        ("wildcard", _) => Text::wildcard(wanted),
        _ => Text::equal(wanted),
    })
}

/// Returns a number that can be compared: one in the shortest notation of its double. Other numbers equal only the same number.
/// Known differences from the engine: JSON is read without the digits that a double cannot represent, except for whole numbers
/// below 2^64. Thus 1e23 and the 24 digits of 100000000000000000000001 are one number here, and two numbers for the engine; so
/// are 0.1 and 0.1000000000000000000001. Only `serde_json`'s `arbitrary_precision` could distinguish them, which changes how the
/// whole crate reads numbers. Besides, Java before version 19 writes some doubles longer than necessary.
#[must_use]
pub fn comparable(number: &Value) -> Option<f64> {
    let Value::Number(number) = number else { return None };
    let double = number.as_f64()?;
    (number.is_f64() || double.to_string() == number.to_string()).then_some(double)
}

/// Compares two values. Numbers are equal by value: 1 equals 1.0. A string never equals a number.
fn equal(wanted: &Value, leaf: &Value) -> bool {
    match (comparable(wanted), comparable(leaf)) {
        (Some(wanted), Some(leaf)) => same(wanted, leaf),
        _ => wanted == leaf,
    }
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn accepts(wanted: &Value, leaf: &Value) -> bool {
        Condition::of(&wanted.into()).accepts(leaf)
    }

    #[test]
    fn operators_behave_as_the_service_documents() {
        for (wanted, yes, no) in [
            (json!("a"), json!("a"), json!("A")),
            (json!(1), json!(1.0), json!("1")),
            (json!(null), json!(null), json!(false)),
            (json!({"exactly": "a"}), json!("a"), json!("A")),
            (json!({"prefix": "ab"}), json!("abc"), json!("ba")),
            (json!({"prefix": {"equals-ignore-case": "AB"}}), json!("abc"), json!("ba")),
            (json!({"suffix": "bc"}), json!("abc"), json!("bcd")),
            (json!({"suffix": {"equals-ignore-case": "BC"}}), json!("abc"), json!("bcd")),
            (json!({"equals-ignore-case": "É"}), json!("é"), json!("e")),
            (json!({"wildcard": "a*b*c"}), json!("a--b--c"), json!("a--c")),
            (json!({"wildcard": r"a\*"}), json!("a*"), json!("ab")),
            (json!({"wildcard": "*a"}), json!("a"), json!("ab")),
            (json!({"numeric": [">", 0, "<=", 5]}), json!(5), json!(0)),
            (json!({"numeric": ["=", 3]}), json!(3.0), json!("3")),
            (json!({"cidr": "10.0.0.0/24"}), json!("10.0.0.255"), json!("10.0.1.0")),
            (json!({"cidr": "2001:db8::/32"}), json!("2001:db8::1"), json!("2001:db9::1")),
            (json!({"cidr": "0.0.0.0/0"}), json!("::1"), json!("9.9.9")),
            (json!({"anything-but": 0}), json!(null), json!(0.0)),
            (json!({"anything-but": ["a", "b"]}), json!("c"), json!("b")),
            (json!({"anything-but": {"prefix": ["a", "b"]}}), json!(1), json!("bc")),
            (json!({"anything-but": {"wildcard": "*x*"}}), json!("y"), json!("axb")),
            (json!({"anything-but": {"equals-ignore-case": "straße"}}), json!("b"), json!("STRASSE")),
            (json!({"anything-but": "10.0.0.1"}), json!("10.0.0.01"), json!("10.0.0.1")),
            (json!("2001:DB8::1"), json!("2001:db8:0::1"), json!("2001:db8::2")),
        ] {
            assert!(accepts(&wanted, &yes), "{wanted} takes {yes}");
            assert!(!accepts(&wanted, &no), "{wanted} refuses {no}");
        }
        assert!(accepts(&json!({"exists": true}), &json!(null)));
        assert!(Condition::of(&(&json!({"exists": false})).into()).is_absence());
    }

    /// Expects the answers of the service's own rule engine.
    #[test]
    fn number_is_compared_only_if_written_as_its_double() {
        let positive = json!({"numeric": [">", 0]});
        for number in [1_u64 << 53, 9_223_372_036_854_776_000, 1_700_000_000_123_456_800] {
            assert!(accepts(&positive, &json!(number)), "{number}");
        }
        for number in [(1_u64 << 53) + 1, 1 << 63, 1_700_000_000_123_456_768, 1_700_000_000_123_456_789] {
            assert!(!accepts(&positive, &json!(number)), "{number}");
            assert!(accepts(&json!(number), &json!(number)) && !accepts(&json!(number), &json!(number - 1)));
        }
    }
}
