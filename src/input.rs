//! Decodes the text of a user's file, or of standard input. Decides which encodings are read; does not interpret the text. Quotes words
//! for a shell, and lists the characters that no printed text may contain.

use std::fmt::Write;

use crate::error::{Error, Result};

const MARK: &str = "\u{feff}";

/// Reads bytes as UTF-8 and skips a byte order mark. `name` is the name of the file, for the error.
///
/// # Errors
/// For text in another encoding: names a recognised encoding and the conversion, otherwise the line and column of the bad byte.
pub fn text(bytes: Vec<u8>, name: &str) -> Result<String> {
    if let Some(Wide { encoding, converter, .. }) = Wide::of(&bytes) {
        return Err(Error::usage(format!("{name} is {encoding} text, and not UTF-8")).hint(format!(
            "`iconv -f {converter} -t UTF-8` converts it; PowerShell writes UTF-8 with `Out-File -Encoding utf8`"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let (before, rest) = error.as_bytes().split_at(valid);
        let (line, column) = place(&String::from_utf8_lossy(before));
        let byte = rest.first().copied().unwrap_or_default();
        Error::usage(format!("{name} is not UTF-8 text: byte 0x{byte:02x} at line {line} column {column}")).hint(
            "`iconv -f ENCODING -t UTF-8` converts it; ENCODING is the current encoding, such as CP932 or WINDOWS-1252",
        )
    })?;
    Ok(match text.strip_prefix(MARK) {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Reads bytes as far as possible: for an alert, which must not be lost because of its encoding. Decodes them as UTF-16 only if
/// they begin with a byte order mark: a log may contain zero bytes.
#[must_use]
pub fn lossy(bytes: &[u8]) -> String {
    let text = match Wide::of(bytes) {
        Some(Wide { converter: "UTF-16", big_endian, .. }) => {
            let unit = |pair: &[u8]| match big_endian {
                true => u16::from_be_bytes([pair[0], pair[1]]),
                false => u16::from_le_bytes([pair[0], pair[1]]),
            };
            String::from_utf16_lossy(&bytes.chunks_exact(2).map(unit).collect::<Vec<_>>())
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    text.strip_prefix(MARK).map(str::to_owned).unwrap_or(text)
}

/// Returns a word as a shell reads it, for commands that the user copies: quoted, unless every shell takes all its characters as they
/// are.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_./:=,@%+".contains(char);
    // zsh replaces `=name` by the path of a program.
    match !word.is_empty() && !word.starts_with('=') && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Returns text from outside on one line, without the characters that no terminal and no page may contain: see [`printable_char`].
#[must_use]
pub fn printable(text: &str) -> String {
    let mut last = ' ';
    let shown = |char| {
        last = printable_char(char, last);
        last
    };
    text.chars().map(shown).collect()
}

/// Returns text from outside like [`printable`], but keeps line breaks and tabs.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    text.split_inclusive(['\n', '\t'])
        .flat_map(|piece| match piece.strip_suffix(['\n', '\t']) {
            Some(before) => [printable(before), piece[before.len()..].to_owned()],
            None => [printable(piece), String::new()],
        })
        .collect()
}

/// Replaces the characters that control a terminal, and those that a reader cannot see, as [`is_hidden`] lists them. A line break
/// becomes a space. `last` is the character before: one selector of a variant is kept behind a character that is not ASCII, as in
/// an emoji.
#[must_use]
pub fn printable_char(char: char, last: char) -> char {
    match char {
        '\n' | '\r' | '\t' => ' ',
        '\u{fe0e}' | '\u{fe0f}' if !last.is_ascii() && !matches!(last, '\u{fffd}' | '\u{fe0e}' | '\u{fe0f}') => char,
        char if is_hidden(char) => '\u{fffd}',
        char => char,
    }
}

/// Checks whether a character could disguise a text, or command whoever shows it: control characters (also NEL), the separators of
/// lines and paragraphs, the controls of direction, and all characters that have no shape of their own, as in Unicode's
/// `Default_Ignorable_Code_Point`: of zero width, fillers, selectors of variants, tags; and characters that Unicode guarantees
/// never to use in text. Also the joiners of emoji and of Persian words: with them, two names could look the same.
#[must_use]
pub fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
        || matches!(u32::from(char) & 0xffff, 0xfffe | 0xffff)
}

/// Returns the document as JSON whose text has no hidden character and no beginning of a command of a CI system: inside of texts,
/// which is the only place where they can be, JSON allows every character to be written as `\uXXXX`.
#[must_use]
pub fn visible_json(json: &str) -> String {
    let escape = |char: char, shown: &mut String| {
        for unit in char.encode_utf16(&mut [0; 2]) {
            let _ = write!(shown, "\\u{unit:04x}");
        }
    };
    let (mut shown, mut last) = (String::with_capacity(json.len()), ' ');
    for char in json.chars() {
        match char {
            // `##[` and `##vso[` are commands of CI systems wherever they are.
            '#' if last == '#' => escape(char, &mut shown),
            '\n' => shown.push(char),
            char if is_hidden(char) => escape(char, &mut shown),
            char => shown.push(char),
        }
        last = char;
    }
    shown
}

/// Returns the line and the column after this text, counted from 1, in characters.
fn place(before: &str) -> (usize, usize) {
    let last = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, last.trim_start_matches(MARK).chars().count() + 1)
}

/// An encoding with several bytes for each ASCII character.
#[derive(Debug, PartialEq)]
struct Wide {
    encoding: &'static str,
    /// The encoding's name for iconv: without a byte order mark, the name includes the byte order.
    converter: &'static str,
    big_endian: bool,
}

impl Wide {
    fn of(bytes: &[u8]) -> Option<Self> {
        let (encoding, converter, big_endian) = match bytes {
            [0xff, 0xfe, 0, 0, ..] => ("UTF-32", "UTF-32", false),
            [0, 0, 0xfe, 0xff, ..] => ("UTF-32", "UTF-32", true),
            [0xff, 0xfe, ..] => ("UTF-16", "UTF-16", false),
            [0xfe, 0xff, ..] => ("UTF-16", "UTF-16", true),
            _ => without_mark(bytes)?,
        };
        Some(Self { encoding, converter, big_endian })
    }
}

/// Recognises an encoding without a mark: ASCII characters have a zero byte in each unit, always on the same side. No useful text
/// in UTF-8 contains zero bytes.
fn without_mark(bytes: &[u8]) -> Option<(&'static str, &'static str, bool)> {
    let zeros = |width: usize, at: usize| bytes.iter().skip(at).step_by(width).filter(|byte| **byte == 0).count();
    // At least an eighth of the bytes: half of a file may be comments in another script, and other characters have few zero bytes.
    let many = |zeros: usize| zeros > 1 && zeros * 8 >= bytes.len();
    let by_four = [0, 1, 2, 3].map(|at| zeros(4, at));
    let [even, odd] = [by_four[0] + by_four[2], by_four[1] + by_four[3]];
    match by_four {
        [low, second, third, fourth] if many(second) && second.min(third).min(fourth) > 2 * low => {
            Some(("UTF-32", "UTF-32LE", false))
        }
        [first, second, third, low] if many(first) && first.min(second).min(third) > 2 * low => {
            Some(("UTF-32", "UTF-32BE", true))
        }
        _ if many(odd) && odd > 2 * even => Some(("UTF-16", "UTF-16LE", false)),
        _ if many(even) && even > 2 * odd => Some(("UTF-16", "UTF-16BE", true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_command_the_terminal() {
        let foreign = "a\u{1b}[31m\u{9b}2J\u{7}\u{7f}\u{202e}b\u{2066}\r\n\tメモリ";
        assert_eq!(printable(foreign), "a\u{fffd}[31m\u{fffd}2J\u{fffd}\u{fffd}\u{fffd}b\u{fffd}   メモリ");
        assert_eq!(printable_lines(foreign), "a\u{fffd}[31m\u{fffd}2J\u{fffd}\u{fffd}\u{fffd}b\u{fffd} \n\tメモリ");
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    const LITTLE: fn(u16) -> [u8; 2] = u16::to_le_bytes;
    const BIG: fn(u16) -> [u8; 2] = u16::to_be_bytes;

    #[test]
    fn utf8_is_read_with_and_without_a_mark() {
        for text_of in ["", "{}", "{\"a\": \"メモリ\"}\r\n", "# 全部\n"] {
            assert_eq!(text(text_of.into(), "x").unwrap(), text_of);
            assert_eq!(text(format!("{MARK}{text_of}").into(), "x").unwrap(), text_of);
        }
        assert_eq!(text("a\u{feff}b".into(), "x").unwrap(), "a\u{feff}b", "elsewhere it is a character");
    }

    #[test]
    fn wide_encodings_are_named_with_the_conversion() {
        let toml = "# 通知の設定：本番の環境だけ\nfleet = \"a\"\n";
        for (bytes, encoding, converter) in [
            (utf16("\u{feff}{}", LITTLE), "UTF-16", "UTF-16"),
            (utf16("\u{feff}{}", BIG), "UTF-16", "UTF-16"),
            (utf16("\u{feff}全部", LITTLE), "UTF-16", "UTF-16"),
            (utf16("{}", LITTLE), "UTF-16", "UTF-16LE"),
            (utf16("{\"a\": 1}\r\n", BIG), "UTF-16", "UTF-16BE"),
            (utf16(toml, LITTLE), "UTF-16", "UTF-16LE"),
            (utf16(toml, BIG), "UTF-16", "UTF-16BE"),
            ([utf16("{\"a\": 1}", LITTLE), b"\n".to_vec()].concat(), "UTF-16", "UTF-16LE"),
            ("\u{feff}{}".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(), "UTF-32", "UTF-32"),
            ("\u{feff}{}".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(), "UTF-32", "UTF-32"),
            ("{\"a\": 1}".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(), "UTF-32", "UTF-32LE"),
            ("{\"a\": 1}".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(), "UTF-32", "UTF-32BE"),
        ] {
            let error = text(bytes.clone(), "event.json").unwrap_err();
            assert_eq!(error.to_string(), format!("event.json is {encoding} text, and not UTF-8"), "{bytes:x?}");
            let way_out = format!("`iconv -f {converter} -t UTF-8`");
            let hint = format!("{:?}", error.nearest_hint());
            assert!(hint.starts_with(&format!("Some(Words(\"{way_out}")), "{bytes:x?}: {hint}");
            assert_eq!(error.kind(), crate::error::Category::Usage);
        }
    }

    #[test]
    fn other_encodings_are_refused_with_line_and_column() {
        // CP932, Latin 1, and a truncated character; a byte order mark is not a column.
        for (bytes, said) in [
            (b"{\n  \"a\": \"\x83\x81\"".to_vec(), "x is not UTF-8 text: byte 0x83 at line 2 column 9"),
            (b"caf\xe9".to_vec(), "x is not UTF-8 text: byte 0xe9 at line 1 column 4"),
            ("\u{feff}メ\u{e3}".as_bytes()[..7].to_vec(), "x is not UTF-8 text: byte 0xc3 at line 1 column 2"),
        ] {
            let error = text(bytes, "x").unwrap_err();
            assert_eq!((error.to_string().as_str(), error.kind()), (said, crate::error::Category::Usage));
        }
    }

    #[test]
    fn words_of_commands_are_quoted_for_a_shell() {
        for (word, told) in [
            ("prod", "prod"),
            ("eu-west-1", "eu-west-1"),
            ("team=data,50%", "team=data,50%"),
            ("arn:aws:ecs:us-east-1:123456789012:cluster/web", "arn:aws:ecs:us-east-1:123456789012:cluster/web"),
            ("prod-*", "'prod-*'"),
            ("my prod", "'my prod'"),
            ("it's", r"'it'\''s'"),
            ("=ls", "'=ls'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), told);
        }
    }

    #[test]
    fn alert_is_read_as_far_as_possible() {
        for (bytes, told) in [
            (b"caf\xe9".to_vec(), "caf\u{fffd}"),
            ("\u{feff}a".into(), "a"),
            (utf16("\u{feff}メモリ\n", LITTLE), "メモリ\n"),
            (utf16("\u{feff}out of memory", BIG), "out of memory"),
            (b"a\0b\0c\0".to_vec(), "a\0b\0c\0"),
        ] {
            assert_eq!(lossy(&bytes), told);
        }
    }
}
