//! EventBridge's comparison operators: whether one leaf of an event is what one leaf of a pattern wants.

use std::net::{IpAddr, Ipv6Addr};

use serde_json::Value;

/// Whether `leaf` is what `wanted` (a value, or an object with one operator) asks for. `exists: false` is not asked here.
#[must_use]
pub fn accepts(wanted: &Value, leaf: &Value) -> bool {
    let Some((operator, operand)) = wanted.as_object().and_then(|fields| fields.iter().next()) else {
        return equal(wanted, leaf) || same_address(wanted, leaf);
    };
    match operator.as_str() {
        "exists" => operand == true,
        "numeric" => comparable(leaf).is_some_and(|number| in_range(operand, number)),
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

/// A number that can be compared: one that a double holds to the last digit. Others are only equal to their like. (Digits of a
/// fraction that a double does not hold are lost when JSON is read.)
#[must_use]
pub fn comparable(number: &Value) -> Option<f64> {
    let double = number.as_f64()?;
    #[allow(clippy::cast_possible_truncation, reason = "whether anything is lost is the question")]
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    #[allow(clippy::cast_possible_truncation, reason = "whether anything is lost is the question")]
    whole.is_none_or(|whole| double as i128 == whole).then_some(double)
}

/// Numbers are equal by value: 1 is 1.0. A string is never a number.
fn equal(wanted: &Value, leaf: &Value) -> bool {
    match (comparable(wanted), comparable(leaf)) {
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
    match (operator, case) {
        ("exactly", _) => text == wanted,
        ("prefix", Case::Kept) => text.starts_with(wanted),
        ("suffix", Case::Kept) => text.ends_with(wanted),
        ("prefix", Case::Ignored) => begins(wanted.chars(), text.chars()).is_some(),
        ("suffix", Case::Ignored) => begins(wanted.chars().rev(), text.chars().rev()).is_some(),
        ("equals-ignore-case", _) => begins(wanted.chars(), text.chars()).is_some_and(|mut rest| rest.next().is_none()),
        ("wildcard", _) => wildcard(wanted, text),
        _ => false,
    }
}

/// What follows the wanted characters, each of which may stand in its lower or its upper form; none if they are not there. A
/// form of several characters is none: ß is not SS.
fn begins<T: Iterator<Item = char>>(wanted: impl Iterator<Item = char>, mut text: T) -> Option<T> {
    for wanted in wanted {
        let found = text.next()?;
        let is = |mut form: Box<dyn Iterator<Item = char>>| form.next() == Some(found) && form.next().is_none();
        if found != wanted && !is(Box::new(wanted.to_lowercase())) && !is(Box::new(wanted.to_uppercase())) {
            return None;
        }
    }
    Some(text)
}

/// A text that is an address takes the same address, however it is written.
fn same_address(wanted: &Value, leaf: &Value) -> bool {
    let of = |value: &Value| value.as_str().and_then(address);
    of(wanted).is_some_and(|wanted| of(leaf) == Some(wanted))
}

/// As the rule engine reads addresses: leading zeros are no matter, dots stand in version 4 alone, and version 4 in the
/// clothes of version 6 is version 4.
#[must_use]
pub fn address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return if text.contains('.') { None } else { Some(text.parse::<Ipv6Addr>().ok()?.to_canonical()) };
    }
    let mut parts = text.split('.');
    let mut octets = [0; 4];
    for octet in &mut octets {
        let part = parts.next()?;
        let digits = !part.is_empty() && part.len() <= 3 && part.chars().all(|c| c.is_ascii_digit());
        *octet = if digits { part.parse().ok()? } else { return None };
    }
    parts.next().is_none().then(|| IpAddr::from(octets))
}

/// `["=", 1]`, `[">", 0, "<=", 5]`
fn in_range(operand: &Value, number: f64) -> bool {
    let Some(parts) = operand.as_array() else { return false };
    parts.chunks(2).all(|pair| match (pair[0].as_str(), pair.get(1).and_then(comparable)) {
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
    let Some((network, mask)) = network.and_then(|(ip, mask)| Some((address(ip)?, mask.parse::<u32>().ok()?))) else {
        return false;
    };
    match (network, address(text)) {
        // The whole of one version is the whole of the other, too.
        (_, Some(_)) if mask == 0 => true,
        (IpAddr::V4(network), Some(IpAddr::V4(address))) => {
            let shift = 32_u32.saturating_sub(mask);
            network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
        }
        (IpAddr::V6(network), Some(IpAddr::V6(address))) => {
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
            (json!({"cidr": "0.0.0.0/0"}), json!("::1"), json!("9.9.9")),
            (json!({"anything-but": 0}), json!(null), json!(0.0)),
            (json!({"anything-but": ["a", "b"]}), json!("c"), json!("b")),
            (json!({"anything-but": {"prefix": ["a", "b"]}}), json!(1), json!("bc")),
            (json!({"anything-but": {"wildcard": "*x*"}}), json!("y"), json!("axb")),
            (json!({"anything-but": {"equals-ignore-case": "A"}}), json!("b"), json!("a")),
            (
                json!(1_700_000_000_123_456_789_u64),
                json!(1_700_000_000_123_456_789_u64),
                json!(1_700_000_000_123_456_788_u64),
            ),
            (json!({"numeric": [">", 0]}), json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_993_u64)),
            (json!({"equals-ignore-case": "straße"}), json!("STRAßE"), json!("STRASSE")),
            (json!({"equals-ignore-case": "i"}), json!("I"), json!("ı")),
            (json!("2001:DB8::1"), json!("2001:db8:0::1"), json!("2001:db8::2")),
            (json!({"cidr": "10.0.0.0/8"}), json!("::ffff:a01:203"), json!("::ffff:10.1.2.3")),
            (json!({"cidr": "10.0.0.0/8"}), json!("010.1.2.3"), json!("10.1.2")),
        ] {
            assert!(accepts(&wanted, &yes), "{wanted} takes {yes}");
            assert!(!accepts(&wanted, &no), "{wanted} refuses {no}");
        }
        assert!(accepts(&json!({"exists": true}), &json!(null)));
    }
}
