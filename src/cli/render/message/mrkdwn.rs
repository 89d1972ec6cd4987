//! Parses Slack's mrkdwn into a list of spans, which the terminal and the page draw.

/// A piece of text with one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub text: String,
    pub look: Look,
    pub bold: bool,
    pub italic: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    Plain,
    Code,
    /// A block of code, with line breaks.
    Fence,
    Link(String),
    Mention,
}

/// Parses the text. Never fails: anything that is not markup is plain text.
#[must_use]
pub fn parse(text: &str) -> Vec<Span> {
    let units = units(text);
    let (mut spans, mut plain) = (Vec::new(), String::new());
    let (mut bold, mut italic) = (false, false);
    for (at, unit) in units.iter().enumerate() {
        let turns = |mark, is_on| {
            *unit == Unit::Char(mark)
                && if is_on { closes(&units, at) } else { opens(&units, at) && is_closed(&units, at, mark) }
        };
        let (bold_turns, italic_turns) = (turns('*', bold), turns('_', italic));
        if let (Unit::Char(character), false) = (unit, bold_turns || italic_turns) {
            plain.push(*character);
            continue;
        }
        if !plain.is_empty() {
            let text = unescaped(&std::mem::take(&mut plain));
            spans.push(Span { text, look: Look::Plain, bold, italic });
        }
        if let Unit::Marked(text, look) = unit {
            spans.push(Span { text: text.clone(), look: look.clone(), bold, italic });
        }
        (bold, italic) = (bold != bold_turns, italic != italic_turns);
    }
    if !plain.is_empty() {
        spans.push(Span { text: unescaped(&plain), look: Look::Plain, bold, italic });
    }
    spans
}

/// A character, or markup that is more than a style.
#[derive(PartialEq, Eq)]
enum Unit {
    Char(char),
    Marked(String, Look),
}

fn units(text: &str) -> Vec<Unit> {
    let (mut units, mut before, mut rest) = (Vec::new(), None, text);
    while let Some(next) = rest.chars().next() {
        let (unit, after) = marked(before, rest).unwrap_or((Unit::Char(next), &rest[next.len_utf8()..]));
        before = rest[..rest.len() - after.len()].chars().next_back();
        rest = after;
        units.push(unit);
    }
    units
}

/// Returns the code, the fence or the reference that begins here, and the text after it.
fn marked(before: Option<char>, text: &str) -> Option<(Unit, &str)> {
    if let Some((code, after)) = enclosed(text, "```") {
        return Some((Unit::Marked(unescaped(code.trim_matches('\n')), Look::Fence), after));
    }
    if let Some((code, after)) = enclosed(text, "`") {
        let is_apart = is_boundary(before) && is_boundary(after.chars().next());
        return (is_apart && !code.contains('\n')).then(|| (Unit::Marked(unescaped(code), Look::Code), after));
    }
    let (inner, after) = text.strip_prefix('<')?.split_once('>')?;
    Some((reference(inner), after))
}

/// Parses a reference: `https://…|label`, `!here`, `@U1`, `!date^…|fallback`.
fn reference(inner: &str) -> Unit {
    let (target, label) = inner.split_once('|').unwrap_or((inner, ""));
    if target.starts_with("!date") {
        return Unit::Marked(unescaped(label), Look::Plain);
    }
    if target.starts_with(['!', '@']) {
        let name = target.trim_start_matches(['!', '@']).rsplit('^').next().unwrap_or_default();
        return Unit::Marked(unescaped(&format!("@{name}")), Look::Mention);
    }
    Unit::Marked(unescaped(if label.is_empty() { target } else { label }), Look::Link(unescaped(target)))
}

fn enclosed<'a>(text: &'a str, fence: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(fence)?.split_once(fence).filter(|(inner, _)| !inner.is_empty())
}

/// Checks whether a mark can stand beside this character: only beside a space, ASCII punctuation or an end of the text, as in Slack.
/// Slack shows the mark itself beside a letter of any script and beside full-width punctuation.
fn is_boundary(outside: Option<char>) -> bool {
    outside.is_none_or(|outside| {
        outside.is_ascii_whitespace() || outside.is_ascii_punctuation() || matches!(outside, '\u{b}' | '\u{a0}')
    })
}

fn opens(units: &[Unit], at: usize) -> bool {
    is_apart(at.checked_sub(1).and_then(|before| units.get(before))) && !is_space(units.get(at + 1))
}

fn closes(units: &[Unit], at: usize) -> bool {
    !is_space(at.checked_sub(1).and_then(|before| units.get(before))) && is_apart(units.get(at + 1))
}

/// Checks whether the mark that opens here is closed on the same line.
fn is_closed(units: &[Unit], from: usize, mark: char) -> bool {
    (from + 2..units.len())
        .take_while(|at| units[*at] != Unit::Char('\n'))
        .any(|at| units[at] == Unit::Char(mark) && closes(units, at))
}

fn is_apart(unit: Option<&Unit>) -> bool {
    is_boundary(match unit {
        Some(Unit::Char(character)) => Some(*character),
        _ => None,
    })
}

fn is_space(unit: Option<&Unit>) -> bool {
    match unit {
        Some(Unit::Char(character)) => character.is_whitespace(),
        Some(Unit::Marked(..)) => false,
        None => true,
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(text: &str) -> Vec<(String, Look, bool)> {
        parse(text).into_iter().map(|span| (span.text, span.look, span.bold)).collect()
    }

    #[test]
    fn marks_become_looks_and_entities_become_characters() {
        let link = Look::Link("https://x/?a=1&b".to_owned());
        assert_eq!(
            looks("*a `b`* <https://x/?a=1&amp;b|c &lt;d> <!here> <!date^1^{date}|then>"),
            [
                ("a ".to_owned(), Look::Plain, true),
                ("b".to_owned(), Look::Code, true),
                (" ".to_owned(), Look::Plain, false),
                ("c <d".to_owned(), link, false),
                (" ".to_owned(), Look::Plain, false),
                ("@here".to_owned(), Look::Mention, false),
                (" ".to_owned(), Look::Plain, false),
                ("then".to_owned(), Look::Plain, false),
            ]
        );
        assert_eq!(looks("```a\n*b*```"), [("a\n*b*".to_owned(), Look::Fence, false)]);
    }

    #[test]
    fn mark_beside_a_letter_of_any_script_or_full_width_punctuation_stays_text() {
        for text in [
            "から *4 回*発生",
            "から*4 回* 発生",
            "*web*：失敗",
            "（*web*）",
            "*web*\u{200b}：",
            "_ほか_件",
            "名前`web` は",
            "名前 `web`は",
        ] {
            assert_eq!(looks(text), [(text.to_owned(), Look::Plain, false)], "{text}");
        }
        let bolds = |text| looks(text).into_iter().map(|(_, _, bold)| bold).collect::<Vec<_>>();
        assert_eq!(bolds("から *4 回* 発生"), [false, true, false]);
        assert_eq!(bolds("*web*: x"), [true, false]);
    }

    /// Finds a mark that Slack would show in the golden messages.
    #[test]
    fn no_golden_message_shows_a_mark() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if !name.ends_with(".en.json") && !name.ends_with(".ja.json") {
                continue;
            }
            let payload: serde_json::Value =
                serde_json::from_str(&std::fs::read_to_string(entry.path()).unwrap()).unwrap();
            for text in texts(&payload) {
                let shown = parse(text).into_iter().filter(|span| !matches!(span.look, Look::Code | Look::Fence));
                let shown: String = shown.map(|span| span.text).collect();
                assert!(!shown.contains(['*', '`']), "{name}: {shown}");
            }
            seen += 1;
        }
        assert!(seen > 80, "{seen}");
    }

    fn texts(value: &serde_json::Value) -> Vec<&str> {
        match value {
            serde_json::Value::Array(items) => items.iter().flat_map(texts).collect(),
            serde_json::Value::Object(fields) => {
                let own = fields.get("text").and_then(|text| text.as_str());
                own.into_iter().chain(fields.values().flat_map(texts)).collect()
            }
            _ => Vec::new(),
        }
    }

    #[test]
    fn text_without_markup_stays_plain() {
        for text in
            ["2 * 3", "a_b_c", "*", "`", "```", "<", "a < b", "* a*", "snake_case", "a*b*c", "*open", "*open\nclosed*"]
        {
            let all: String = parse(text).into_iter().map(|span| span.text).collect();
            assert_eq!(all, text);
            assert!(parse(text).iter().all(|span| span.look == Look::Plain && !span.bold && !span.italic), "{text}");
        }
    }
}
