//! Implements the operators over texts. The rule engine compares texts with their quotes: the prefix `a"` matches the text `a`.

use std::collections::BTreeSet;

/// A condition on a text. Everything but the comparison itself is computed once for a pattern.
#[derive(Debug, Clone, PartialEq)]
pub enum Text {
    Equal(String),
    Prefix(String),
    Suffix(String),
    /// The lower and upper forms of each character; for a suffix, in reverse order.
    AnyCase {
        forms: Vec<[String; 2]>,
        extent: Extent,
    },
    /// The pieces between the wildcards.
    Wildcard(Vec<String>),
}

/// The part of the text that the characters have to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Whole,
    Start,
    End,
}

impl Text {
    /// Returns a condition that ignores upper and lower case.
    #[must_use]
    pub fn ignoring_case(wanted: &str, extent: Extent) -> Self {
        let forms_of = |quoted: String| quoted.chars().map(forms).collect::<Vec<_>>();
        let forms = match extent {
            Extent::Whole => forms_of(quoted(wanted)),
            Extent::Start => forms_of(format!("\"{wanted}")),
            Extent::End => forms_of(format!("{wanted}\"")).into_iter().rev().collect(),
        };
        Self::AnyCase { forms, extent }
    }

    #[must_use]
    pub fn equal(wanted: &str) -> Self {
        Self::Equal(quoted(wanted))
    }

    #[must_use]
    pub fn prefix(wanted: &str) -> Self {
        Self::Prefix(format!("\"{wanted}"))
    }

    #[must_use]
    pub fn suffix(wanted: &str) -> Self {
        Self::Suffix(format!("{wanted}\""))
    }

    /// Returns a wildcard: `*` matches any number of characters, also none; `\*` and `\\` match `*` and `\`.
    #[must_use]
    pub fn wildcard(wanted: &str) -> Self {
        let (mut pieces, mut piece) = (Vec::new(), String::from('"'));
        let mut characters = wanted.chars();
        while let Some(character) = characters.next() {
            match character {
                '*' => pieces.push(std::mem::take(&mut piece)),
                '\\' => piece.extend(characters.next()),
                other => piece.push(other),
            }
        }
        piece.push('"');
        pieces.push(piece);
        Self::Wildcard(pieces)
    }

    #[must_use]
    pub fn accepts(&self, text: &str) -> bool {
        let text = quoted(text);
        match self {
            Self::Equal(wanted) => text == *wanted,
            Self::Prefix(wanted) => text.starts_with(wanted.as_str()),
            Self::Suffix(wanted) => text.ends_with(wanted.as_str()),
            Self::AnyCase { forms, extent } => stands(forms, *extent, &text),
            Self::Wildcard(pieces) => fits(pieces, &text),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// Returns the lower and the upper form of a character. A form may have several characters: ß becomes SS. No other form matches:
/// ǅ matches ǆ and Ǆ, but not itself. The engine splits a character outside the basic plane in halves, and reads each half as a
/// question mark.
fn forms(character: char) -> [String; 2] {
    match character.len_utf16() {
        1 => [character.to_lowercase().collect(), character.to_uppercase().collect()],
        _ => ["??".to_owned(), "??".to_owned()],
    }
}

/// Checks whether the text contains the characters at its start, at its end or as a whole, each in one of its forms. If the forms
/// of a character have different lengths, follows all of them.
fn stands(forms: &[[String; 2]], extent: Extent, text: &str) -> bool {
    fn without<'a>(text: &'a str, form: &str, extent: Extent) -> Option<&'a str> {
        if extent == Extent::End { text.strip_suffix(form) } else { text.strip_prefix(form) }
    }
    let mut rests = BTreeSet::from([text]);
    for forms in forms {
        rests = rests.iter().flat_map(|rest| forms.iter().filter_map(|form| without(rest, form, extent))).collect();
    }
    if extent == Extent::Whole { rests.contains("") } else { !rests.is_empty() }
}

/// Checks whether the text contains the pieces in their order, the outer ones at the ends of the text.
fn fits(pieces: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = pieces else {
        return pieces.first().is_some_and(|whole| whole == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for piece in middle {
        match rest.find(piece.as_str()) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expects the answers of the service's own rule engine.
    #[test]
    fn only_lower_and_upper_forms_match_ignoring_case() {
        let whole = |wanted: &str, text: &str| Text::ignoring_case(wanted, Extent::Whole).accepts(text);
        for (wanted, text) in [
            ("straße", "STRASSE"),
            ("ß", "SS"),
            ("ß", "ß"),
            ("ﬃ", "FFI"),
            ("İ", "i̇"),
            ("\u{3b0}", "\u{3a5}\u{308}\u{301}"),
            ("ŉŉ", "ŉʼN"),
            ("ſ", "S"),
            ("ǅ", "ǆ"),
            ("😀", "??"),
        ] {
            assert!(whole(wanted, text), "{wanted} {text}");
        }
        for (wanted, text) in [("ß", "ss"), ("SS", "ß"), ("ǅ", "ǅ"), ("😀", "😀"), ("K", "\u{212a}"), ("ß", "SSS")]
        {
            assert!(!whole(wanted, text), "{wanted} {text}");
        }
        assert!(Text::ignoring_case("ß", Extent::Start).accepts("SSx"));
        assert!(Text::ignoring_case("aŉ", Extent::End).accepts("xAʼN"));
        assert!(!Text::ignoring_case("ß", Extent::End).accepts("SSx"));
    }

    #[test]
    fn texts_are_compared_with_their_quotes() {
        assert!(Text::prefix("a\"").accepts("a") && !Text::prefix("a\"").accepts("ab"));
        assert!(Text::suffix("\"a").accepts("a") && !Text::suffix("\"a").accepts("ba"));
        assert!(Text::ignoring_case("A\"", Extent::Start).accepts("a"));
        assert!(Text::wildcard("*").accepts("") && !Text::wildcard("*a\"").accepts("a"));
    }
}
