//! EventBridge's comparison operators: whether one leaf of an event is what one leaf of a pattern wants.

use std::net::IpAddr;

use serde_json::Value;

/// Whether `leaf` is what `wanted` (a value, or an object with one operator) asks for. `exists: false` is not asked here.
#[must_use]
pub fn accepts(wanted: &Value, leaf: &Value) -> bool {
    let Some((operator, operand)) = wanted.as_object().and_then(|fields| fields.iter().next()) else {
        return equal(wanted, leaf);
    };
    match operator.as_str() {
        "exists" => operand == true,
        "numeric" => leaf.as_f64().is_some_and(|number| in_range(operand, number)),
        "cidr" => leaf.as_str().is_some_and(|text| in_network(operand, text)),
        "anything-but" => !all(operand).into_iter().any(|excluded| is_excluded(excluded, leaf)),
        _ => text_operator(operator, operand, leaf),
    }
}

/// One value, or each of a list.
fn all(operand: &Value) -> Vec<&Value> {
    operand.as_array().map_or_else(|| vec![operand], |items| items.iter().collect())
}

/// Anything-but takes values, and operators over one text or several.
fn is_excluded(excluded: &Value, leaf: &Value) -> bool {
    match excluded.as_object().and_then(|fields| fields.iter().next()) {
        None => equal(excluded, leaf),
        Some((operator, operand)) => all(operand).into_iter().any(|operand| text_operator(operator, operand, leaf)),
    }
}

/// Numbers are equal by value: 1 is 1.0. A string is never a number.
fn equal(wanted: &Value, leaf: &Value) -> bool {
    match (wanted.as_f64(), leaf.as_f64()) {
        (Some(wanted), Some(leaf)) => (wanted - leaf).abs() == 0.0,
        _ => wanted == leaf,
    }
}

#[derive(Clone, Copy)]
enum Case {
    Kept,
    Ignored,
}

fn text_operator(operator: &str, operand: &Value, leaf: &Value) -> bool {
    let Some(text) = leaf.as_str() else { return false };
    // `{"prefix": {"equals-ignore-case": "…"}}`, and the same for suffix.
    let (operand, case) = match operand.get("equals-ignore-case") {
        Some(inner) => (inner, Case::Ignored),
        None => (operand, Case::Kept),
    };
    let Some(wanted) = operand.as_str() else { return false };
    let fold = |text: &str| match case {
        Case::Kept => text.to_owned(),
        Case::Ignored => folded(text),
    };
    match operator {
        "exactly" => text == wanted,
        "prefix" => fold(text).starts_with(&fold(wanted)),
        "suffix" => fold(text).ends_with(&fold(wanted)),
        "equals-ignore-case" => folded(text) == folded(wanted),
        "wildcard" => wildcard(wanted, text),
        _ => false,
    }
}

fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// `["=", 1]`, `[">", 0, "<=", 5]`
fn in_range(operand: &Value, number: f64) -> bool {
    let Some(parts) = operand.as_array() else { return false };
    parts.chunks(2).all(|pair| match (pair[0].as_str(), pair.get(1).and_then(Value::as_f64)) {
        (Some("="), Some(bound)) => (number - bound).abs() == 0.0,
        (Some("<"), Some(bound)) => number < bound,
        (Some("<="), Some(bound)) => number <= bound,
        (Some(">"), Some(bound)) => number > bound,
        (Some(">="), Some(bound)) => number >= bound,
        _ => false,
    })
}

fn in_network(operand: &Value, text: &str) -> bool {
    let network = operand.as_str().and_then(|cidr| cidr.split_once('/'));
    let Some((network, mask)) = network.and_then(|(ip, mask)| Some((ip.parse().ok()?, mask.parse::<u32>().ok()?)))
    else {
        return false;
    };
    match (network, text.parse()) {
        (IpAddr::V4(network), Ok(IpAddr::V4(address))) => {
            let shift = 32_u32.saturating_sub(mask);
            network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
        }
        (IpAddr::V6(network), Ok(IpAddr::V6(address))) => {
            let shift = 128_u32.saturating_sub(mask);
            network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
        }
        _ => false,
    }
}

/// `*` stands for any characters, none too; `\*` and `\\` for themselves.
fn wildcard(pattern: &str, text: &str) -> bool {
    let mut pieces = vec![String::new()];
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' => pieces.push(String::new()),
            '\\' => last(&mut pieces).extend(characters.next()),
            other => last(&mut pieces).push(other),
        }
    }
    let [first, middle @ .., end] = pieces.as_slice() else {
        return pieces.first().is_some_and(|whole| whole == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for piece in middle {
        match rest.find(piece.as_str()) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(end.as_str())
}

fn last(pieces: &mut [String]) -> &mut String {
    let at = pieces.len() - 1;
    &mut pieces[at]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operators_do_what_the_service_documents() {
        for (wanted, yes, no) in [
            (json!("a"), json!("a"), json!("A")),
            (json!(1), json!(1.0), json!("1")),
            (json!(null), json!(null), json!(false)),
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
            (json!({"cidr": "0.0.0.0/0"}), json!("9.9.9.9"), json!("::1")),
            (json!({"anything-but": 0}), json!(null), json!(0.0)),
            (json!({"anything-but": ["a", "b"]}), json!("c"), json!("b")),
            (json!({"anything-but": {"prefix": ["a", "b"]}}), json!(1), json!("bc")),
            (json!({"anything-but": {"wildcard": "*x*"}}), json!("y"), json!("axb")),
            (json!({"anything-but": {"equals-ignore-case": "A"}}), json!("b"), json!("a")),
            (json!({"exists": true}), json!(null), json!("never")),
        ] {
            assert!(accepts(&wanted, &yes), "{wanted} takes {yes}");
            assert!(wanted == json!({"exists": true}) || !accepts(&wanted, &no), "{wanted} refuses {no}");
        }
    }
}
