//! Renders a message for the terminal.

use std::fmt::Write;

use anstyle::{AnsiColor, Color, RgbColor, Style};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::mrkdwn::{Look, Span, parse};
use crate::date::{DateTime, Format as DateTimeFormat};
use crate::input::printable_lines;
use crate::notifier::embedded::Place;

const CODE: Style = AnsiColor::Cyan.on_default();
const MENTION: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();
const WIDEST: usize = 100;

/// Returns the message as Slack would show it, in lines of at most `columns` cells.
#[must_use]
pub fn message(payload: &Value, columns: usize) -> String {
    let width = columns.clamp(20, WIDEST) - 3;
    let name = payload["username"].as_str().unwrap_or("taskbell");
    let bold = Style::new().bold();
    let mut lines = vec![format!("{bold}{name}{bold:#} {DIM}APP{DIM:#}")];
    lines.extend(paragraph(&parse(text(payload, "text")), width, Style::new()));
    for attachment in payload["attachments"].as_array().into_iter().flatten() {
        let edge = edge(attachment["color"].as_str().unwrap_or_default());
        let bar = format!("{edge}┃{edge:#} ");
        let blocks = attachment["blocks"].as_array().into_iter().flatten().map(|block| drawn(block, width));
        let folded = attachment["text"].as_str().map(|text| paragraph(&parse(text), width, Style::new()));
        lines.push(String::new());
        for (at, block) in blocks.chain(folded).enumerate() {
            let gap = (at > 0).then(String::new);
            lines.extend(gap.into_iter().chain(block).map(|line| format!("{bar}{line}").trim_end().to_owned()));
        }
    }
    lines.join("\n") + "\n"
}

/// Returns the message as the destination would show it, as text.
#[must_use]
pub fn at(place: Place, payload: &Value, columns: usize) -> String {
    let payload = &shown(payload);
    match place {
        Place::Slack => message(payload, columns),
        Place::Sns => format!("{}\n\n{}\n", text(payload, "Subject"), text(payload, "Message").trim_end()),
        Place::Teams | Place::Discord => outline(payload),
        Place::Webhook => format!("{payload:#}\n"),
    }
}

/// Makes all texts safe for a terminal, because names and reasons come from outside.
fn shown(payload: &Value) -> Value {
    match payload {
        Value::String(text) => printable_lines(text).into(),
        Value::Array(items) => items.iter().map(shown).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (printable_lines(name), shown(value))).collect(),
        other => other.clone(),
    }
}

/// Returns the texts of a card in the order in which they are shown: values after their titles, links after their labels.
fn outline(payload: &Value) -> String {
    fn collect(value: &Value, lines: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect(item, lines)),
            Value::Object(fields) => {
                let of = |names: [&str; 2]| names.iter().find_map(|name| fields.get(*name)?.as_str());
                match (of(["title", "name"]), of(["value", "url"])) {
                    (Some(title), Some(value)) => lines.push(format!("{title}: {}", moments(value))),
                    _ if fields.contains_key("inlines") => {
                        let runs = fields["inlines"].as_array().into_iter().flatten();
                        lines.push(runs.map(|run| text(run, "text")).collect());
                    }
                    _ => lines.extend(
                        ["content", "title", "text", "description"]
                            .iter()
                            .filter_map(|name| Some(fields.get(*name)?.as_str()?.to_owned())),
                    ),
                }
                for name in [
                    "embeds",
                    "attachments",
                    "content",
                    "body",
                    "items",
                    "columns",
                    "facts",
                    "fields",
                    "footer",
                    "actions",
                ] {
                    if let Some(inner @ (Value::Array(_) | Value::Object(_))) = fields.get(name) {
                        collect(inner, lines);
                    }
                }
            }
            _ => {}
        }
    }
    let mut lines = Vec::new();
    collect(payload, &mut lines);
    lines.join("\n") + "\n"
}

/// Replaces dates and times, which Teams and Discord show in the reader's time zone, by dates and times in UTC.
fn moments(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some((before, moment, after)) = moment(rest) {
        shown.extend([before, &moment]);
        rest = after;
    }
    shown + rest
}

/// Finds the first date or time, and returns it with the text before and after it: `{{DATE(2026-11-20T10:32:11Z, SHORT)}}` of
/// Teams, `<t:1795170731:T>` of Discord.
fn moment(text: &str) -> Option<(&str, String, &str)> {
    let (before, iso, is_date, after) = if let Some((before, rest)) = text.split_once("{{") {
        let (function, after) = rest.split_once("}}")?;
        (before, function.split(['(', ',', ')']).nth(1)?.to_owned(), function.starts_with("DATE"), after)
    } else {
        let (before, rest) = text.split_once("<t:")?;
        let (moment, after) = rest.split_once('>')?;
        let (seconds, style) = moment.split_once(':')?;
        let iso = DateTime::from_secs(seconds.parse().ok()?).fmt(DateTimeFormat::DateTime).ok()?;
        (before, iso, style == "d", after)
    };
    let (date, time) = iso.trim_end_matches('Z').split_once('T')?;
    Some((before, if is_date { date.to_owned() } else { format!("{time} UTC") }, after))
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn edge(color: &str) -> Style {
    let number = u32::from_str_radix(color.trim_start_matches('#'), 16).unwrap_or(0x0080_8080);
    let [_, red, green, blue] = number.to_be_bytes();
    Style::new().fg_color(Some(Color::Rgb(RgbColor(red, green, blue))))
}

fn drawn(block: &Value, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(text) = block["text"]["text"].as_str() {
        lines.extend(paragraph(&parse(text), width, Style::new()));
    }
    let cells: Vec<Vec<String>> = block["fields"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|field| paragraph(&parse(text(field, "text")), width / 2 - 2, Style::new()))
        .collect();
    for pair in cells.chunks(2) {
        let (left, right) = (&pair[0], pair.get(1));
        for row in 0..left.len().max(right.map_or(0, Vec::len)) {
            let left = left.get(row).map_or("", String::as_str);
            let right = right.and_then(|right| right.get(row)).map_or("", String::as_str);
            let gap = " ".repeat((width / 2).saturating_sub(cells_of(left)));
            lines.push(format!("{left}{gap}{right}"));
        }
    }
    for element in block["elements"].as_array().into_iter().flatten() {
        lines.extend(paragraph(&parse(text(element, "text")), width, DIM));
    }
    lines
}

/// Wraps the spans at words. A word that is longer than a line is cut.
fn paragraph(spans: &[Span], width: usize, base: Style) -> Vec<String> {
    let mut lines = Lines { done: Vec::new(), line: String::new(), used: 0, width, indent: 0 };
    for span in spans {
        let style = style_of(span, base);
        match span.look {
            Look::Fence => {
                lines.end_if_used();
                lines.indented(2);
                for line in span.text.lines() {
                    lines.words(line, style);
                    lines.end();
                }
                lines.indented(0);
            }
            _ => {
                for (at, line) in span.text.split('\n').enumerate() {
                    if at > 0 {
                        lines.end();
                    }
                    lines.words(line, style);
                }
            }
        }
    }
    lines.end_if_used();
    lines.done
}

fn style_of(span: &Span, base: Style) -> Style {
    let style = match &span.look {
        Look::Plain => base,
        Look::Code | Look::Fence => CODE,
        Look::Link(_) => base.underline(),
        Look::Mention => MENTION,
    };
    let style = if span.bold { style.bold() } else { style };
    if span.italic { style.italic() } else { style }
}

struct Lines {
    done: Vec<String>,
    line: String,
    used: usize,
    width: usize,
    indent: usize,
}

impl Lines {
    fn indented(&mut self, cells: usize) {
        self.indent = cells;
        self.begin();
    }

    fn begin(&mut self) {
        self.line = " ".repeat(self.indent);
        self.used = self.indent;
    }

    fn words(&mut self, text: &str, style: Style) {
        for word in text.split_inclusive(' ') {
            if self.used > self.indent && self.used + word.trim_end().width() > self.width {
                self.end();
            }
            let mut piece = String::new();
            for character in word.chars() {
                let cells = character.to_string().width();
                if self.used + cells > self.width && character != ' ' {
                    self.push(&piece, style);
                    piece.clear();
                    self.end();
                }
                piece.push(character);
                self.used += cells;
            }
            self.push(&piece, style);
        }
    }

    fn push(&mut self, text: &str, style: Style) {
        if !text.is_empty() {
            let _ = write!(self.line, "{style}{text}{style:#}");
        }
    }

    fn end(&mut self) {
        self.done.push(std::mem::take(&mut self.line));
        self.begin();
    }

    fn end_if_used(&mut self) {
        if self.used > self.indent {
            self.end();
        }
    }
}

/// Returns the width of a styled line in cells.
fn cells_of(line: &str) -> usize {
    anstream::adapter::strip_str(line).to_string().width()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_line_is_wider_than_the_terminal_in_any_script() {
        let text = "*DRILL* の `コンテナ` が終了コード 1 で終了しました。 word ".repeat(9) + &"x".repeat(300);
        let block =
            json!({ "type": "section", "text": { "text": text }, "fields": [{ "text": "*A*\nb" }, { "text": text }] });
        let payload = json!({ "text": text, "attachments": [{ "color": "#cf222e", "blocks": [block] }, { "text": format!("```{text}```") }] });
        for columns in [20, 40, 80, 200] {
            for line in message(&payload, columns).lines() {
                assert!(cells_of(line) <= columns.min(WIDEST), "{columns}: {} {line}", cells_of(line));
            }
        }
    }
}
