//! Refuses texts of the user that would have another meaning in a template, or a meaning in one account alone.

use serde_json::Value;

use crate::arn::{Arn, is_account, is_region};
use crate::error::{Error, Result};

/// The beginning of a dynamic reference. CloudFormation has no way to write this text without the meaning.
const REFERENCE: &str = "{{resolve:";

/// The operators of a pattern that compare texts: the field is around them.
const OPERATORS: [&str; 6] = ["anything-but", "equals-ignore-case", "prefix", "suffix", "wildcard", "cidr"];

/// Checks that CloudFormation replaces nothing in the user's texts: it would read a secret or a parameter, and put its value into a
/// tag or a pattern.
///
/// # Errors
/// If a text contains a dynamic reference.
pub fn no_reference(template: &Value) -> Result<()> {
    let found = first(template, &mut String::new(), &|_, text| text.contains(REFERENCE).then(|| text.to_owned()));
    match found {
        None => Ok(()),
        Some((place, _)) => Err(Error::usage(format!(
            "a text of the template contains {REFERENCE}…}}}}, which CloudFormation would replace: {place}"
        ))
        .hint("remove the text from the tag, the name or the pattern that contains it")),
    }
}

/// Checks that a template for StackSets is for every account and region.
///
/// # Errors
/// If a text names an account or a region.
pub fn no_place(template: &Value) -> Result<()> {
    match first(template, &mut String::new(), &of_one_place) {
        None => Ok(()),
        Some((place, text)) => Err(Error::usage(format!(
            "a template for StackSets is for every account and region, but {text} is in one of them: {place}"
        ))
        .hint("use names instead of ARNs, leave out this setting, or export without --stack-set")),
    }
}

/// Returns the part of a text that names an account or a region. `key` is the name of the field around the text, such as `account`, or
/// `awsRegion` in an event of CloudTrail.
fn of_one_place(key: &str, text: &str) -> Option<String> {
    let key = key.to_ascii_lowercase();
    if ["account", "accountid"].iter().any(|end| key.ends_with(end)) && is_account(text) {
        return Some(format!("the account {text}"));
    }
    if key.ends_with("region") && is_region(&text.to_ascii_lowercase()) {
        return Some(format!("the region {text}"));
    }
    let beginnings = text.match_indices("arn:").map(|(at, _)| &text[at..]);
    let mut arns =
        beginnings.map(|arn| arn.split(|c: char| c.is_whitespace() || "\"',".contains(c)).next().unwrap_or(arn));
    arns.find(|arn| Arn::split(arn).is_some_and(|arn| is_account(arn.account) || is_region(arn.region)))
        .map(str::to_owned)
}

/// Returns the first text for which `check` returns something, with its path in the template. Texts are values, and names of fields.
fn first(tree: &Value, place: &mut String, check: &impl Fn(&str, &str) -> Option<String>) -> Option<(String, String)> {
    let is_field = |step: &&str| step.parse::<usize>().is_err() && !OPERATORS.contains(step);
    let key = |place: &str| place.rsplit('/').find(is_field).unwrap_or_default().to_owned();
    match tree {
        Value::String(text) => Some((place.clone(), check(&key(place), text)?)),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(at, item)| within(&at.to_string(), item, place, check))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let named = check("", name).map(|text| (place.clone(), text));
            named.or_else(|| within(name, value, place, check))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn within(
    step: &str,
    tree: &Value,
    place: &mut String,
    check: &impl Fn(&str, &str) -> Option<String>,
) -> Option<(String, String)> {
    let length = place.len();
    place.push('/');
    place.push_str(step);
    let found = first(tree, place, check);
    place.truncate(length);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dynamic_reference_is_refused_wherever_it_is() {
        let reference = "x{{resolve:ssm:/team/secret}}";
        for template in [
            json!({ "Resources": { "A": { "Tags": [{ "Key": "k", "Value": reference }] } } }),
            json!({ "Resources": { "A": { "Fn::Sub": format!("{reference}${{AWS::Region}}") } } }),
            json!({ "Resources": { "A": { "EventPattern": { reference: ["x"] } } } }),
            json!({ "Parameters": { "P": { "Default": reference } } }),
        ] {
            let error = no_reference(&template).unwrap_err();
            assert!(error.to_string().contains("{{resolve:"), "{error}");
        }
        assert!(no_reference(&json!({ "a": "{{resolved}}", "b": ["{{ resolve:x}}"] })).is_ok());
    }

    #[test]
    fn account_and_region_are_refused_and_pseudo_parameters_are_not() {
        for (template, told) in [
            (
                json!({ "V": "[{\"topic\":\"arn:aws:sns:us-east-1:123456789012:on-call\"}]" }),
                "arn:aws:sns:us-east-1:123456789012:on-call is in",
            ),
            (json!({ "V": ["arn:aws:iam::123456789012:policy/x"] }), "arn:aws:iam::123456789012:policy/x"),
            (json!({ "EventPattern": { "account": ["123456789012"] } }), "the account 123456789012"),
            (json!({ "EventPattern": { "region": ["us-east-1"] } }), "the region us-east-1"),
            (
                json!({ "EventPattern": { "account": [{ "anything-but": ["123456789012"] }] } }),
                "the account 123456789012",
            ),
            (
                json!({ "EventPattern": { "account": [{ "anything-but": { "prefix": ["123456789012"] } }] } }),
                "the account",
            ),
            (json!({ "EventPattern": { "$or": [{ "account": [{ "wildcard": "123456789012" }] }] } }), "the account"),
            (json!({ "EventPattern": { "region": [{ "equals-ignore-case": "US-EAST-1" }] } }), "the region US-EAST-1"),
            (
                json!({ "EventPattern": { "detail": { "awsRegion": [{ "suffix": "us-east-1" }] } } }),
                "the region us-east-1",
            ),
            (json!({ "EventPattern": { "detail": { "recipientAccountId": ["123456789012"] } } }), "the account"),
        ] {
            let error = no_place(&template).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
        let everywhere = json!({
            "A": { "Fn::Sub": "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:x" },
            "B": "arn:aws:iam::aws:policy/ReadOnlyAccess", "C": "123456789012",
        });
        assert!(no_place(&everywhere).is_ok());
    }
}
