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
    let mut spans = Spans::default();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        rest = spans.take(next, rest);
    }
    spans.end_plain();
    spans.done
}

#[derive(Default)]
struct Spans {
    done: Vec<Span>,
    plain: String,
    bold: bool,
    italic: bool,
}

impl Spans {
    /// Parses the markup or the character that begins with `next`, and returns the rest.
    fn take<'a>(&mut self, next: char, rest: &'a str) -> &'a str {
        if let Some((code, rest)) = enclosed(rest, "```") {
            self.push(code.trim_matches('\n'), Look::Fence);
            return rest;
        }
        match next {
            '`' => {
                if let Some((code, rest)) = enclosed(rest, "`").filter(|(code, _)| !code.contains('\n')) {
                    self.push(code, Look::Code);
                    return rest;
                }
            }
            '<' => {
                if let Some((inner, rest)) = rest[1..].split_once('>') {
                    self.reference(inner);
                    return rest;
                }
            }
            '*' if self.bold || opens(rest, '*') => {
                self.end_plain();
                self.bold = !self.bold;
                return &rest[1..];
            }
            '_' if self.italic || (self.at_word_start() && opens(rest, '_')) => {
                self.end_plain();
                self.italic = !self.italic;
                return &rest[1..];
            }
            _ => {}
        }
        self.plain.push(next);
        &rest[next.len_utf8()..]
    }

    /// Adds the span of a reference: `https://…|label`, `!here`, `@U1`, `!date^…|fallback`.
    fn reference(&mut self, inner: &str) {
        let (target, label) = inner.split_once('|').unwrap_or((inner, ""));
        match target {
            _ if target.starts_with("!date") => self.push(label, Look::Plain),
            _ if target.starts_with(['!', '@']) => {
                let name = target.trim_start_matches(['!', '@']).rsplit('^').next().unwrap_or_default();
                self.push(&format!("@{name}"), Look::Mention);
            }
            _ => self.push(if label.is_empty() { target } else { label }, Look::Link(unescaped(target))),
        }
    }

    fn push(&mut self, text: &str, look: Look) {
        self.end_plain();
        self.done.push(Span { text: unescaped(text), look, bold: self.bold, italic: self.italic });
    }

    fn end_plain(&mut self) {
        if !self.plain.is_empty() {
            let text = unescaped(&std::mem::take(&mut self.plain));
            self.done.push(Span { text, look: Look::Plain, bold: self.bold, italic: self.italic });
        }
    }

    fn at_word_start(&self) -> bool {
        self.plain.chars().next_back().is_none_or(|before| !before.is_alphanumeric())
    }
}

fn enclosed<'a>(text: &'a str, fence: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(fence)?.split_once(fence).filter(|(inner, _)| !inner.is_empty())
}

/// Checks whether a mark begins here that ends on the same line.
fn opens(text: &str, mark: char) -> bool {
    let line = text[1..].split('\n').next().unwrap_or_default();
    line.chars().next().is_some_and(|first| !first.is_whitespace() && first != mark) && line.contains(mark)
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
    fn text_without_markup_stays_plain() {
        for text in ["2 * 3", "a_b_c", "*", "`", "```", "<", "a < b", "* a*", "snake_case"] {
            let all: String = parse(text).into_iter().map(|span| span.text).collect();
            assert_eq!(all, text);
            assert!(parse(text).iter().all(|span| span.look == Look::Plain && !span.bold && !span.italic), "{text}");
        }
    }
}
