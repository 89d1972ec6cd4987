//! Renders a message for the terminal.

use std::fmt::Write;

use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::super::json::document;
use super::in_zone;
use super::mrkdwn::{Look, Span, parse};
use crate::calendar::{Zone, on_a_clock};
use crate::date::{DateTime, Format as DateTimeFormat};
use crate::input::printable_lines;
use crate::notifier::embedded::Place;
use crate::style::{self, Style};

const CODE: Style = Style::CYAN;
const MENTION: Style = Style::YELLOW.bold();
const DIM: Style = Style::DIM;
const WIDEST: usize = 100;
const FENCE_INDENT: usize = 2;
const ZERO_WIDTH_JOINER: char = '\u{200d}';
/// Characters that begin no line of Japanese text (the rule is called kinsoku), and their ASCII counterparts.
const NEVER_FIRST: &str = "、。，．・：；！？）］｝〕〉》」』】〙〗〟’”…‥ー～々ゝゞヽヾぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ,.:;!?)]}%％";
/// Characters that end no line of Japanese text.
const NEVER_LAST: &str = "（［｛〔〈《「『【〘〖〝‘“([{";

/// Returns the message as Slack would show it, in lines of at most `columns` cells.
#[must_use]
pub fn message(payload: &Value, columns: usize) -> String {
    let width = columns.clamp(20, WIDEST) - 3;
    let name = payload["username"].as_str().unwrap_or("taskbell");
    let bold = Style::BOLD;
    let mut lines = vec![format!("{bold}{name}{bold:#} {DIM}APP{DIM:#}")];
    let blocks: Vec<Vec<String>> = match payload["blocks"].as_array() {
        Some(blocks) => blocks.iter().map(|block| drawn(block, width)).collect(),
        // Slack shows the text of a message without blocks.
        None => vec![paragraph(&parse(text(payload, "text")), width, Style::PLAIN)],
    };
    for (at, block) in blocks.into_iter().enumerate() {
        lines.extend((at > 0).then(String::new).into_iter().chain(block));
    }
    for attachment in payload["attachments"].as_array().into_iter().flatten() {
        let edge = edge(attachment["color"].as_str().unwrap_or_default());
        let bar = format!("{edge}┃{edge:#} ");
        let blocks = attachment["blocks"].as_array().into_iter().flatten().map(|block| drawn(block, width));
        let folded = attachment["text"].as_str().map(|text| paragraph(&parse(text), width, Style::PLAIN));
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
pub fn at(place: Place, payload: &Value, columns: usize, zone: &Zone) -> String {
    let original = payload;
    let payload = &shown(payload);
    match place {
        Place::Slack => message(&in_zone(payload, zone), columns),
        Place::Sns => format!("{}\n\n{}\n", text(payload, "Subject"), text(payload, "Message").trim_end()),
        Place::Teams | Place::Discord => outline(payload, zone),
        Place::Webhook => document(original),
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
fn outline(payload: &Value, zone: &Zone) -> String {
    fn collect(value: &Value, zone: &Zone, lines: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect(item, zone, lines)),
            Value::Object(fields) => {
                let of = |names: [&str; 2]| names.iter().find_map(|name| fields.get(*name)?.as_str());
                match (of(["title", "name"]), of(["value", "url"])) {
                    (Some(title), Some(value)) => lines.push(format!("{title}: {}", moments(value, zone))),
                    _ if fields.contains_key("inlines") => {
                        let runs = fields["inlines"].as_array().into_iter().flatten();
                        lines.push(runs.map(|run| text(run, "text")).collect());
                    }
                    _ => lines.extend(
                        ["content", "title", "text", "description"]
                            .iter()
                            .filter_map(|name| Some(moments(fields.get(*name)?.as_str()?, zone))),
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
                        collect(inner, zone, lines);
                    }
                }
            }
            _ => {}
        }
    }
    let mut lines = Vec::new();
    collect(payload, zone, &mut lines);
    lines.join("\n") + "\n"
}

/// The beginnings of a date or a time: `{{DATE(2026-11-20T10:32:11Z, SHORT)}}` of Teams, `<t:1795170731:T>` of Discord.
const MOMENTS: [&str; 3] = ["{{DATE(", "{{TIME(", "<t:"];

/// Replaces dates and times, which Teams and Discord show in the reader's time zone, by those of this time zone.
fn moments(text: &str, zone: &Zone) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some((at, mark)) = MOMENTS.iter().filter_map(|mark| Some((rest.find(mark)?, *mark))).min() {
        let inner = &rest[at + mark.len()..];
        shown += &rest[..at];
        let read = moment(mark, inner, zone);
        shown += read.as_ref().map_or(mark, |(moment, _)| moment);
        rest = read.map_or(inner, |(_, after)| after);
    }
    shown + rest
}

/// Reads a date or a time after its beginning, and returns it with the text after it.
fn moment<'a>(mark: &str, text: &'a str, zone: &Zone) -> Option<(String, &'a str)> {
    let (seconds, is_date, after) = if mark == "<t:" {
        let (inner, after) = text.split_once('>')?;
        let (seconds, style) = inner.split_once(':')?;
        (seconds.parse().ok()?, style == "d", after)
    } else {
        let (inner, after) = text.split_once(")}}")?;
        let time = DateTime::from_str(inner.split(',').next()?, DateTimeFormat::DateTime).ok()?;
        (time.secs(), mark == "{{DATE(", after)
    };
    let clock = on_a_clock(seconds, zone)?;
    let (date, time) = clock.split_once(' ')?;
    Some((if is_date { date } else { time }.to_owned(), after))
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn edge(color: &str) -> Style {
    let number = u32::from_str_radix(color.trim_start_matches('#'), 16).unwrap_or(0x0080_8080);
    let [_, red, green, blue] = number.to_be_bytes();
    Style::rgb(red, green, blue)
}

fn drawn(block: &Value, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(text) = block["text"]["text"].as_str() {
        lines.extend(paragraph(&parse(text), width, Style::PLAIN));
    }
    let cells: Vec<Vec<String>> = block["fields"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|field| paragraph(&parse(text(field, "text")), width / 2 - 2, Style::PLAIN))
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

/// Wraps the spans at spaces, and between Japanese characters where Japanese allows a break. Text without such a place is cut.
fn paragraph(spans: &[Span], width: usize, base: Style) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), Vec::new());
    for span in spans {
        let style = style_of(span, base);
        if span.look == Look::Fence {
            if !line.is_empty() {
                lines.extend(wrapped(&std::mem::take(&mut line), width, 0));
            }
            lines.extend(span.text.lines().flat_map(|line| wrapped(&clusters(line, style), width, FENCE_INDENT)));
            continue;
        }
        for (at, text) in span.text.split('\n').enumerate() {
            if at > 0 {
                lines.extend(wrapped(&std::mem::take(&mut line), width, 0));
            }
            line.extend(clusters(text, style));
        }
    }
    if !line.is_empty() {
        lines.extend(wrapped(&line, width, 0));
    }
    lines
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

/// A character with the characters that have no cell of their own, such as accents: a line is never cut between them.
struct Cluster<'a> {
    text: &'a str,
    cells: usize,
    style: Style,
}

impl Cluster<'_> {
    fn first(&self) -> char {
        self.text.chars().next().unwrap_or(' ')
    }

    fn is_space(&self) -> bool {
        self.text == " "
    }
}

fn clusters(text: &str, style: Style) -> Vec<Cluster<'_>> {
    let mut starts: Vec<usize> = Vec::new();
    let mut is_joined = false;
    for (at, character) in text.char_indices() {
        if starts.is_empty() || !(is_joined || character.width() == Some(0)) {
            starts.push(at);
        }
        is_joined = character == ZERO_WIDTH_JOINER;
    }
    let ends = starts.iter().copied().skip(1).chain([text.len()]);
    let pieces = starts.iter().zip(ends).map(|(from, to)| &text[*from..to]);
    pieces.map(|text| Cluster { text, cells: text.width(), style }).collect()
}

/// Breaks one line into rows of at most `width` cells.
fn wrapped(line: &[Cluster], width: usize, indent: usize) -> Vec<String> {
    let room = width.saturating_sub(indent).max(2);
    let (mut rows, mut from, mut at, mut used) = (Vec::new(), 0, 0, 0);
    for unit in line.chunk_by(|before, after| !may_break(before, after)) {
        let needed = cells(without_end_spaces(unit));
        if used + needed > room && !line[from..at].iter().all(Cluster::is_space) {
            rows.push(&line[from..at]);
            (from, used) = (at, 0);
        }
        let is_cut = used + needed > room;
        for cluster in unit {
            if is_cut && used + cluster.cells > room && !cluster.is_space() {
                let allowed = |cut: &usize| may_be_apart(&line[*cut - 1], &line[*cut]);
                let cut = (from + 1..=at).rev().find(allowed).unwrap_or(at);
                rows.push(&line[from..cut]);
                (from, used) = (cut, cells(&line[cut..at]));
            }
            used += cluster.cells;
            at += 1;
        }
    }
    rows.push(&line[from..]);
    rows.into_iter().map(|row| styled(row, indent)).collect()
}

fn styled(row: &[Cluster], indent: usize) -> String {
    let mut line = " ".repeat(indent);
    for run in without_end_spaces(row).chunk_by(|before, after| before.style == after.style) {
        let style = run[0].style;
        let text: String = run.iter().map(|cluster| cluster.text).collect();
        let _ = write!(line, "{style}{text}{style:#}");
    }
    line
}

fn cells(clusters: &[Cluster]) -> usize {
    clusters.iter().map(|cluster| cluster.cells).sum()
}

fn without_end_spaces<'a, 'b>(clusters: &'a [Cluster<'b>]) -> &'a [Cluster<'b>] {
    let kept = clusters.iter().rposition(|cluster| !cluster.is_space()).map_or(0, |last| last + 1);
    &clusters[..kept]
}

/// Checks whether a line may end between two characters: behind a space, and beside a character of two cells.
fn may_break(before: &Cluster, after: &Cluster) -> bool {
    if after.is_space() {
        return false;
    }
    let is_beside_wide = before.cells == 2 || after.cells == 2;
    if before.is_space() {
        return after.cells != 2 || !NEVER_FIRST.contains(after.first());
    }
    is_beside_wide && may_be_apart(before, after)
}

fn may_be_apart(before: &Cluster, after: &Cluster) -> bool {
    !NEVER_FIRST.contains(after.first()) && !NEVER_LAST.contains(before.first())
}

/// Returns the width of a styled line in cells.
fn cells_of(line: &str) -> usize {
    style::plain(line).width()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const JAPANESE: &str = "*DRILL* の `コンテナ` が、（終了コード 1）で終了しました。「web」：word を呼び出し、データベースへのアクセスが拒否されました！次は 8 回目に通知します（prod）。";

    fn plain(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| style::plain(line)).collect()
    }

    #[test]
    fn moments_are_shown_in_the_readers_time_zone_and_other_text_stays() {
        let zone = Zone::parse("Asia/Tokyo").unwrap();
        for (text, shown) in [
            (
                "{{DATE(2026-11-20T20:32:11Z, SHORT)}} {{TIME(2026-11-20T20:32:11Z)}} (20:32:11 UTC)",
                "2026-11-21 05:32:11 JST (20:32:11 UTC)",
            ),
            (
                "{{ x }} {{DATE(no)}} at <t:1795170731:d> <t:1795170731:T>.",
                "{{ x }} {{DATE(no)}} at 2026-11-20 19:32:11 JST.",
            ),
            ("<t:x:d> {{TIME( <t:99999999999999:d>", "<t:x:d> {{TIME( <t:99999999999999:d>"),
        ] {
            assert_eq!(moments(text, &zone), shown);
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_in_any_script() {
        let text =
            JAPANESE.repeat(5) + "⚠️ 👩‍💻 e\u{301} 한국어 " + &"x".repeat(300) + &"。".repeat(120) + &" ".repeat(130);
        let block =
            json!({ "type": "section", "text": { "text": text }, "fields": [{ "text": "*A*\nb" }, { "text": text }] });
        let payload = json!({ "text": text, "blocks": [block.clone()], "attachments": [{ "color": "#cf222e", "blocks": [block] }, { "text": format!("```{text}```") }] });
        for columns in [20, 40, 80, 200] {
            for line in message(&payload, columns).lines() {
                assert!(cells_of(line) <= columns.min(WIDEST), "{columns}: {} {line}", cells_of(line));
            }
        }
    }

    #[test]
    fn no_japanese_line_begins_or_ends_with_the_wrong_punctuation() {
        let spans = parse(JAPANESE).into_iter().chain(parse(&format!(" https://example.com/{}。", "x".repeat(90))));
        let spans: Vec<Span> = spans.collect();
        for width in 10..=97 {
            for line in plain(&paragraph(&spans, width, Style::PLAIN)) {
                assert!(!line.starts_with(|first| NEVER_FIRST.contains(first)), "{width}: {line}");
                assert!(!line.ends_with(|last| NEVER_LAST.contains(last)), "{width}: {line}");
            }
        }
    }

    #[test]
    fn lines_of_japanese_are_full_and_lose_no_character() {
        let text = JAPANESE.replace(['*', '`'], "");
        for width in 12..=97 {
            let lines = plain(&paragraph(&parse(&text), width, Style::PLAIN));
            for line in &lines[..lines.len() - 1] {
                assert!(line.width() + 12 > width, "{width}: {line}");
            }
            assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        }
    }

    #[test]
    fn words_stay_whole_and_indents_stay() {
        let rows = |text: &str, width| plain(&paragraph(&parse(text), width, Style::PLAIN));
        assert_eq!(rows("one two  three", 9), ["one two", "three"]);
        assert_eq!(rows("      `Error: timed out`", 14), ["      Error:", "timed out"]);
        assert_eq!(rows("      `abcdefghij`", 10), ["      abcd", "efghij"]);
        assert_eq!(rows("a\n\n```one\n\n  two```b", 20), ["a", "", "  one", "  ", "    two", "b"]);
    }
}
