//! Writes HashiCorp's configuration language in the format of `terraform fmt`. Knows nothing about AWS.

use std::fmt::Write;

use crate::input::is_hidden;

/// The longest line, in characters, for a list of simple values. Longer lists have a line for each value.
const WIDEST: usize = 120;

/// A value of the language.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// Code that is written unchanged: a reference, a number, a condition.
    Code(String),
    /// A text in quotes.
    Text(Vec<Piece>),
    List(Vec<Expression>),
    /// An object, with its keys in the given order.
    Object(Vec<(String, Expression)>),
    /// A call of a function with one argument.
    Call(&'static str, Box<Expression>),
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    Plain(String),
    /// A reference that replaces a part of the text.
    Filled(String),
}

/// A line of a body, or a block in the body.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    Attribute(&'static str, Expression),
    Block(Block),
}

/// A block, such as `resource "aws_sqs_queue" "undelivered" { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    pub kind: &'static str,
    pub labels: Vec<String>,
    pub body: Vec<Item>,
}

impl Expression {
    #[must_use]
    pub fn code(text: impl Into<String>) -> Self {
        Self::Code(text.into())
    }

    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(vec![Piece::Plain(text.to_owned())])
    }
}

/// Returns the blocks, with an empty line between every two.
#[must_use]
pub fn file(blocks: &[Block]) -> String {
    blocks.iter().map(|block| lines(block, 0)).collect::<Vec<_>>().join("\n")
}

fn lines(block: &Block, depth: usize) -> String {
    let Block { kind, labels, body } = block;
    let indent = "  ".repeat(depth);
    let labels: String =
        labels.iter().flat_map(|label| [" ".to_owned(), quoted(&[Piece::Plain(label.clone())])]).collect();
    if body.is_empty() {
        return format!("{indent}{kind}{labels} {{}}\n");
    }
    let mut text = format!("{indent}{kind}{labels} {{\n");
    let mut attributes = Vec::new();
    for (at, item) in body.iter().enumerate() {
        match item {
            Item::Attribute(name, value) => attributes.push(((*name).to_owned(), value.clone())),
            Item::Block(inner) => {
                text += &assignments(&std::mem::take(&mut attributes), depth + 1);
                let first = at == 0;
                let _ = write!(text, "{}{}", if first { "" } else { "\n" }, lines(inner, depth + 1));
            }
        }
    }
    text += &assignments(&attributes, depth + 1);
    text + &indent + "}\n"
}

/// Returns a line `name = value` for each pair. Aligns the equals signs of adjacent lines, unless a value has several lines.
fn assignments(pairs: &[(String, Expression)], depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let written: Vec<(&str, String)> = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), written(value, depth, indent.len() + name.len() + 3)))
        .collect();
    let mut text = String::new();
    for run in written.chunk_by(|(_, one), (_, other)| !one.contains('\n') && !other.contains('\n')) {
        let width = run.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        for (name, value) in run {
            let _ = writeln!(text, "{indent}{name:width$} = {value}");
        }
    }
    text
}

/// Returns the value, whose first line begins at that column.
fn written(value: &Expression, depth: usize, column: usize) -> String {
    match value {
        Expression::Code(code) => code.clone(),
        Expression::Text(pieces) => quoted(pieces),
        Expression::Call(name, argument) => {
            format!("{name}({})", written(argument, depth, column + name.len() + 1))
        }
        Expression::List(items) => list(items, depth, column),
        Expression::Object(pairs) => object(pairs, depth),
    }
}

fn list(items: &[Expression], depth: usize, column: usize) -> String {
    let inner: Vec<String> = items.iter().map(|item| written(item, depth + 1, 2 * depth + 2)).collect();
    let line = format!("[{}]", inner.join(", "));
    if !line.contains('\n') && column + line.chars().count() <= WIDEST {
        return line;
    }
    let indent = "  ".repeat(depth + 1);
    let lines: String = inner.iter().flat_map(|item| [&indent, item.as_str(), ",\n"]).collect();
    format!("[\n{lines}{}]", "  ".repeat(depth))
}

/// Returns an object, on one line if it contains only one simple value.
fn object(pairs: &[(String, Expression)], depth: usize) -> String {
    let simple = |value: &Expression| !matches!(value, Expression::List(_) | Expression::Object(_));
    match pairs {
        [] => "{}".to_owned(),
        [(name, value)] if simple(value) => format!("{{ {} = {} }}", key(name), written(value, depth, 0)),
        _ => {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (key(name), value.clone())).collect();
            format!("{{\n{}{}}}", assignments(&pairs, depth + 1), "  ".repeat(depth))
        }
    }
}

/// Returns a key of an object, in quotes if the key is not a single word, or is a word of the language.
fn key(name: &str) -> String {
    let word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match word && !["for", "true", "false", "null"].contains(&name) {
        true => name.to_owned(),
        false => quoted(&[Piece::Plain(name.to_owned())]),
    }
}

fn quoted(pieces: &[Piece]) -> String {
    let mut text = "\"".to_owned();
    for piece in pieces {
        match piece {
            Piece::Filled(reference) => text.extend(["${", reference, "}"]),
            Piece::Plain(plain) => text += &escaped(plain),
        }
    }
    text + "\""
}

fn escaped(plain: &str) -> String {
    let (mut text, mut last) = (String::new(), ' ');
    for c in plain.chars() {
        match c {
            '"' => text += "\\\"",
            '\\' => text += "\\\\",
            '\n' => text += "\\n",
            '\r' => text += "\\r",
            '\t' => text += "\\t",
            // Characters that no terminal may receive, and the beginning of a command of a CI system.
            c if is_hidden(c) || (c == '#' && last == '#') => {
                let _ = match u32::from(c) {
                    code @ ..=0xffff => write!(text, "\\u{code:04x}"),
                    code => write!(text, "\\U{code:08x}"),
                };
            }
            c => text.push(c),
        }
        last = c;
    }
    let text = text.replace("${", "$${").replace("%{", "%%{");
    // A dollar sign before a reference would escape the reference.
    match text.strip_suffix('$') {
        Some(before) => format!("{before}\\u0024"),
        None => text,
    }
}

pub fn block(kind: &'static str, labels: &[&str], body: Vec<Item>) -> Block {
    Block { kind, labels: labels.iter().map(|label| (*label).to_owned()).collect(), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(name: &'static str, value: Expression) -> Item {
        Item::Attribute(name, value)
    }

    #[test]
    fn equals_signs_of_adjacent_lines_are_aligned() {
        let list = Expression::List(vec![Expression::text(&"x".repeat(80)), Expression::text(&"y".repeat(80))]);
        let inner = Block { kind: "inner", labels: Vec::new(), body: vec![attribute("a", Expression::code("1"))] };
        let block = Block {
            kind: "resource",
            labels: vec!["kind".to_owned(), "name".to_owned()],
            body: vec![
                attribute("a", Expression::code("var.a")),
                attribute("long_name", Expression::text("b")),
                attribute("many", list),
                attribute("c", Expression::Object(vec![("x-y".to_owned(), Expression::code("true"))])),
                Item::Block(inner),
            ],
        };
        let text = file(&[block]).replace(&"x".repeat(80), "xx").replace(&"y".repeat(80), "yy");
        insta::assert_snapshot!(text, @r#"
        resource "kind" "name" {
          a         = var.a
          long_name = "b"
          many = [
            "xx",
            "yy",
          ]
          c = { "x-y" = true }

          inner {
            a = 1
          }
        }
        "#);
    }

    #[test]
    fn characters_with_a_meaning_are_escaped() {
        let pieces = [Piece::Plain("a\"\\\n${x}%{if}\u{1}$".to_owned()), Piece::Filled("var.b".to_owned())];
        assert_eq!(quoted(&pieces), r#""a\"\\\n$${x}%%{if}\u0001\u0024${var.b}""#);
    }

    #[test]
    fn key_that_is_not_a_word_is_quoted() {
        assert_eq!(
            ["exists", "$or", "aws:SourceArn", "for", "1a"].map(key),
            ["exists", "\"$or\"", "\"aws:SourceArn\"", "\"for\"", "\"1a\""]
        );
    }
}
