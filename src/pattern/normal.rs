//! Defines the normal form of a rule's pattern, in which a configured and a deployed rule are compared.

use serde_json::Value;

use super::matcher::{Matcher, Repeated};
use super::tree::Tree;
use crate::document::canonical;

/// EventBridge's default quota for a rule's pattern, in characters of compact JSON (L-664C5505).
pub const LONGEST: usize = 2048;
/// The highest quota that AWS grants. The API accepts no longer pattern.
pub const HIGHEST_QUOTA: usize = 4096;

/// Reads the pattern of a rule as EventBridge evaluates it. Returns the pattern without repeated fields, and these fields.
///
/// # Errors
/// If the text is not JSON.
pub fn read(text: &str) -> serde_json::Result<(Tree, Vec<Repeated>)> {
    let tree: Tree = serde_json::from_str(text)?;
    Ok(match Matcher::new(&tree) {
        Ok(matcher) if !matcher.repeated().is_empty() => {
            ((&matcher.settled(&tree)).into(), matcher.repeated().to_vec())
        }
        _ => (tree, Vec::new()),
    })
}

/// Returns the normal form of a rule's pattern: the pattern without repeated fields, or, if that is longer than the default quota,
/// the text of the pattern as it was written. A text that is not JSON stays as it is.
#[must_use]
pub fn normal(text: &str) -> Value {
    let Ok((meaning, repeated)) = read(text) else { return Value::from(text) };
    let meaning = canonical(&meaning.to_value());
    match (repeated.is_empty() || length(&meaning) <= LONGEST, serde_json::from_str::<Tree>(text)) {
        (false, Ok(written)) => Value::from(written.to_string()),
        _ => meaning,
    }
}

/// Returns the pattern without repeated fields, from a pattern in its normal form.
#[must_use]
pub fn meaning(normal: &Value) -> Value {
    let written = normal.as_str().and_then(|text| Some(read(text).ok()?.0.to_value()));
    written.unwrap_or_else(|| normal.clone())
}

/// Returns whether a pattern contains the operator `wildcard`, also within `anything-but`. A field of that name is no operator.
#[must_use]
pub fn has_wildcard(pattern: &Value) -> bool {
    let is_operator = |leaf: &Value| {
        leaf["wildcard"].is_string() || leaf["anything-but"].get("wildcard").is_some_and(|text| !text.is_object())
    };
    match pattern {
        Value::Array(items) => items.iter().any(|item| is_operator(item) || has_wildcard(item)),
        Value::Object(fields) => fields.values().any(has_wildcard),
        _ => false,
    }
}

/// Returns the length in characters of compact JSON.
pub fn length(pattern: &Value) -> usize {
    pattern.to_string().chars().count()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::pattern::{Drill, Pattern};

    /// Generates the text of an object in which fields may be repeated.
    fn object() -> impl Strategy<Value = String> {
        let leaf = select(vec![r#""x""#, "1", r#"{"prefix":"y"}"#, r#"{"exists":false}"#, r#""${cluster_arn}""#]);
        let leaves = vec(leaf, 1..3).prop_map(|leaves| format!("[{}]", leaves.join(",")));
        let of = |value: BoxedStrategy<String>| {
            let field = (select(vec!["source", "detail", "a", "b", "a.b"]), value);
            let field = field.prop_map(|(name, value)| format!(r#""{name}":{value}"#));
            vec(field, 1..4).prop_map(|fields| format!("{{{}}}", fields.join(",")))
        };
        let flat = of(leaves.clone().boxed()).boxed();
        let alternatives =
            vec(flat.clone(), 2..4).prop_map(|branches| format!(r#"{{"$or":[{}]}}"#, branches.join(",")));
        of(prop_oneof![2 => leaves, 1 => flat, 1 => alternatives].boxed())
    }

    /// Generates `$or`s beside each other. Three of them have 216 combinations, which are too long without repeated fields.
    fn many_alternatives() -> impl Strategy<Value = String> {
        let or = |letter: char| {
            let branches: Vec<String> = (0..6).map(|at| format!(r#"{{"{letter}{at}":["{letter}"]}}"#)).collect();
            format!(r#""$or":[{}]"#, branches.join(","))
        };
        (1..4usize).prop_map(move |count| {
            let all: Vec<String> = ('k'..).take(count).map(or).collect();
            format!("{{{}}}", all.join(","))
        })
    }

    #[test]
    fn wildcard_is_an_operator_and_not_a_field() {
        for (text, has) in [
            (r#"{"a":[{"wildcard":"x*"}]}"#, true),
            (r#"{"a":{"b":["y",{"wildcard":"*x"}]}}"#, true),
            (r#"{"a":{"$or":[{"b":["x"]},{"c":[{"wildcard":"x*y"}]}]}}"#, true),
            (r#"{"a":[{"anything-but":{"wildcard":"x*"}}]}"#, true),
            (r#"{"a":[{"anything-but":{"wildcard":["x*","*y"]}}]}"#, true),
            (r#"{"a":[{"prefix":"wildcard"},"wildcard"]}"#, false),
            (r#"{"wildcard":["x"],"a":{"wildcard":["x"]}}"#, false),
            (r#"{"$or":[{"wildcard":["x"]},{"anything-but":{"wildcard":{"a":["x"]}}}]}"#, false),
        ] {
            assert_eq!(has_wildcard(&serde_json::from_str(text).unwrap()), has, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]

        /// Checks that a deployed rule is equal to its configuration, however EventBridge returns the text.
        #[test]
        fn normal_form_of_a_rules_text_is_the_configured_one(
            fields in object(),
            more in prop::option::of(many_alternatives()),
            drill in select(vec![Drill::Accepted, Drill::Refused]),
        ) {
            let more = more.map(|more| format!(r#","c":{more}"#)).unwrap_or_default();
            let text = format!("{}{more}}}", fields.strip_suffix('}').unwrap_or_default());
            let clusters = ["arn:aws:ecs:us-east-1:123456789012:cluster/batch".to_owned()];
            let Ok(pattern) = Pattern::parse("mine", &text) else { return Ok(()) };
            let Ok(configured) = pattern.in_rule(&clusters, drill) else { return Ok(()) };
            let deployed = configured.as_str().map_or_else(|| configured.to_string(), str::to_owned);
            prop_assert_eq!(&normal(&deployed), &configured);
            prop_assert_eq!(&normal(&deployed.replace("],", "], ")), &configured);
            prop_assert_eq!(meaning(&configured), pattern.bind(&clusters, drill).unwrap());
        }
    }
}
