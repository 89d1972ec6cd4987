//! Draws the graph as a self-contained SVG file: no script, no font, nothing from elsewhere; readable on light and dark pages.
//! Puts columns from left to right, each centred; equal graphs have equal bytes.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{Column, Edge, Graph, Node, State, beginning, cut};
use crate::input::printable;

const MARGIN: i32 = 28;
const HEADER: i32 = 74;
const FOOTER: i32 = 50;
const HEIGHT: i32 = 76;
const GAP: i32 = 20;
/// The gap between nodes that are connected with each other within a column.
const WIDE_GAP: i32 = 62;

/// The style: light, or dark if the reader prefers that. The picture has its own background.
const STYLE: &str = "\
svg { color-scheme: light dark; }
text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', Helvetica, Arial, sans-serif; fill: #1f2328; }
.paper { fill: #f6f8fa; } .card { fill: #ffffff; }
.title { font-size: 18px; font-weight: 650; } .id { font-size: 14px; font-weight: 650; }
.name { font: 11px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #57606a; }
.note { font-size: 11.5px; fill: #57606a; } .word { font-size: 11px; font-weight: 650; fill: currentColor; }
.wire { font-size: 11px; fill: #57606a; stroke: #f6f8fa; stroke-width: 5px; paint-order: stroke; }
.insync { color: #1a7f37; } .drifted { color: #9a6700; } .missing { color: #cf222e; } .unwanted { color: #8250df; }
.foreign { color: #bc4c00; } .unknown { color: #57606a; } .outside { color: #6e7781; } .holds { color: #8c959f; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .paper { fill: #0d1117; } .card { fill: #161b22; }
.name, .note, .wire { fill: #9198a1; } .wire { stroke: #0d1117; }
.insync { color: #3fb950; } .drifted { color: #d29922; } .missing { color: #f85149; } .unwanted { color: #ab7df8; }
.foreign { color: #db6d28; } .unknown { color: #9198a1; } .outside { color: #9198a1; } .holds { color: #656c76; }
.word { fill: currentColor; }
}
";

/// Returns the width of a column's nodes, and the distance to the next column.
fn width(column: Column) -> (i32, i32) {
    match column {
        Column::Source => (188, 60),
        Column::Trigger | Column::Notifier => (258, 124),
        Column::Used => (258, 84),
        Column::Told => (228, 0),
    }
}

#[derive(Debug, Clone, Copy)]
struct Spot {
    x: i32,
    y: i32,
    width: i32,
}

#[must_use]
pub fn picture(graph: &Graph) -> String {
    let Graph { title, nodes, edges } = graph;
    let (spots, wide, high) = layout(nodes);
    let (width, height) = (wide.max(560) + 2 * MARGIN, high + HEADER + FOOTER);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-labelledby=\"title desc\">\n<title id=\"title\">taskbell {}</title>\n<desc id=\"desc\">{}</desc>\n\
         <style>\n{STYLE}</style>\n<defs>\n",
        escaped(title),
        escaped(&in_words(graph)),
    );
    for class in ["holds", "missing", "unwanted", "unknown"] {
        let _ = writeln!(
            text,
            "<marker id=\"to-{class}\" class=\"{class}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" \
             markerHeight=\"8\" orient=\"auto\"><path d=\"M0 1 9 5 0 9z\" fill=\"currentColor\"/></marker>"
        );
    }
    let _ = writeln!(text, "</defs>\n<rect class=\"paper\" width=\"{width}\" height=\"{height}\" rx=\"12\"/>");
    let _ = writeln!(text, "<text class=\"title\" x=\"{MARGIN}\" y=\"38\">{}</text>", escaped(&cut(title, 60)));
    let _ = writeln!(text, "<text class=\"note\" x=\"{MARGIN}\" y=\"57\">{}</text>", escaped(&graph.summary()));
    for edge in edges {
        text += &wire(edge, &spots);
    }
    for (node, spot) in nodes.iter().zip(&spots) {
        text += &drawn(node, *spot);
    }
    let mut told = BTreeSet::new();
    for edge in edges {
        // Wires with one end and equal words share one label.
        if told.insert((edge.to, edge.label, edge.state)) {
            text += &label(edge, graph.trouble(edge), &spots);
        }
    }
    text + &legend(graph, height - 26) + "</svg>\n"
}

/// Returns the position of each node, and the width and height of all nodes together.
fn layout(nodes: &[Node]) -> (Vec<Spot>, i32, i32) {
    let columns: BTreeSet<Column> = nodes.iter().map(|node| node.column).collect();
    let gap = |column| if column == Column::Notifier { WIDE_GAP } else { GAP };
    let in_column = |column| nodes.iter().filter(|node| node.column == column).zip(0..).map(|(_, at)| at + 1).last();
    let tall = |column| {
        let count = in_column(column).unwrap_or(0);
        count * HEIGHT + (count - 1) * gap(column)
    };
    let high = columns.iter().map(|column| tall(*column)).max().unwrap_or(0);
    let (mut spots, mut x, mut wide) = (Vec::new(), MARGIN, 0);
    for column in columns {
        let (width, to_next) = width(column);
        let mut y = HEADER + (high - tall(column)) / 2;
        for _ in nodes.iter().filter(|node| node.column == column) {
            spots.push(Spot { x, y, width });
            y += HEIGHT + gap(column);
        }
        wide = x + width - MARGIN;
        x += width + to_next;
    }
    (spots, wide, high)
}

/// Describes the whole picture in words, for readers who do not see it.
fn in_words(graph: &Graph) -> String {
    let Graph { title: _, nodes, edges } = graph;
    let node = |Node { id, name, arn: _, state, told, kind: _, column: _ }: &Node| match (state, told.is_empty()) {
        (State::Outside, _) => format!("{id}: {name}"),
        (state, true) => format!("{id}: {}", state.word()),
        (state, false) => format!("{id}: {}, {told}", state.word()),
    };
    let edge = |Edge { from, to, label, state }: &Edge| {
        let (from, to) = (&nodes[*from].id, &nodes[*to].id);
        let label = if label.is_empty() { "to" } else { label };
        let state = if *state == State::InSync { String::new() } else { format!(" ({})", state.word()) };
        format!("{from} {label} {to}{state}")
    };
    let all = nodes.iter().map(node).chain(edges.iter().map(edge));
    format!("{}. {}.", graph.summary(), all.collect::<Vec<_>>().join(". "))
}

fn drawn(node: &Node, Spot { x, y, width }: Spot) -> String {
    let Node { id, name, arn, state, told, kind: _, column: _ } = node;
    let whole = [Some(id), Some(name), arn.as_ref()].into_iter().flatten().cloned();
    let whole = whole.chain([state.word().to_owned(), told.clone()]).filter(|text| !text.is_empty());
    let whole = escaped(&whole.collect::<Vec<_>>().join(" · "));
    let mut text = format!("<g class=\"{}\"><title>{whole}</title>\n", state.class());
    if *state == State::Outside {
        let (rx, middle) = (HEIGHT / 2, x + width / 2);
        let _ = writeln!(
            text,
            "<rect class=\"card\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{HEIGHT}\" rx=\"{rx}\" stroke=\"currentColor\" stroke-width=\"1.2\"/>\n\
             <text class=\"id\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
             <text class=\"note\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n</g>",
            y + 35,
            escaped(&cut(node.short_id(), 24)),
            y + 53,
            escaped(&cut(name, 30)),
        );
        return text;
    }
    let dashes = match state {
        State::Missing => " stroke-dasharray=\"7 4\"",
        State::Unknown => " stroke-dasharray=\"2 3\"",
        _ => "",
    };
    let (badge, wide) = badge(*state, None, x + 18, y + 65);
    let _ = writeln!(
        text,
        "<rect class=\"card\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{HEIGHT}\" rx=\"9\" stroke=\"currentColor\" \
         stroke-width=\"1.5\"{dashes}/>\n<rect x=\"{}\" y=\"{}\" width=\"4\" height=\"{}\" rx=\"2\" fill=\"currentColor\"/>\n\
         <text class=\"id\" x=\"{}\" y=\"{}\">{}</text>\n<text class=\"name\" x=\"{}\" y=\"{}\">{}</text>\n{badge}",
        x + 7,
        y + 11,
        HEIGHT - 22,
        x + 18,
        y + 24,
        escaped(&cut(id, 28)),
        x + 18,
        y + 42,
        escaped(&cut(name, 34)),
    );
    if !told.is_empty() {
        let room = usize::try_from((width - 36 - wide) / 7).unwrap_or_default();
        let (x, y) = (x + 18 + wide + 8, y + 65);
        let _ = writeln!(text, "<text class=\"note\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(&beginning(told, room)));
    }
    text + "</g>\n"
}

/// Draws the state in words. Returns the drawing and its width.
fn badge(state: State, count: Option<usize>, x: i32, y: i32) -> (String, i32) {
    let count = count.map(|count| format!("{count} ")).unwrap_or_default();
    let words = format!("{} {count}{}", state.mark(), state.word());
    let wide = i32::try_from(words.len()).unwrap_or_default() * 68 / 10 + 16;
    let text = format!(
        "<rect x=\"{x}\" y=\"{}\" width=\"{wide}\" height=\"18\" rx=\"9\" fill=\"currentColor\" fill-opacity=\"0.14\"/>\n\
         <text class=\"word\" x=\"{}\" y=\"{y}\" text-anchor=\"middle\">{}</text>\n",
        y - 13,
        x + wide / 2,
        escaped(&words)
    );
    (text, wide)
}

fn wire(Edge { from, to, label: _, state }: &Edge, spots: &[Spot]) -> String {
    let (from, to) = (spots[*from], spots[*to]);
    let (middle_from, middle_to) = (from.y + HEIGHT / 2, to.y + HEIGHT / 2);
    let path = if from.x == to.x && to.y > from.y && to.y - from.y <= HEIGHT + WIDE_GAP {
        format!("M{} {} V{}", from.x + from.width / 2, from.y + HEIGHT, to.y - 2)
    } else if from.x == to.x {
        // Lead the wire around the nodes in between.
        let (edge, out) = (from.x + from.width, from.x + from.width + 56);
        format!("M{edge} {middle_from} C{out} {middle_from} {out} {middle_to} {} {middle_to}", edge + 2)
    } else {
        let (start, end) = (from.x + from.width, to.x - 2);
        let bend = i32::midpoint(start, end);
        format!("M{start} {middle_from} C{bend} {middle_from} {bend} {middle_to} {end} {middle_to}")
    };
    let (class, dashes) = match state {
        State::Missing => ("missing", " stroke-dasharray=\"7 4\""),
        State::Unwanted => ("unwanted", ""),
        State::Unknown | State::Foreign => ("unknown", " stroke-dasharray=\"2 3\""),
        State::InSync | State::Drifted | State::Outside => ("holds", ""),
    };
    format!(
        "<path class=\"{class}\" d=\"{path}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\"{dashes} \
         marker-end=\"url(#to-{class})\"/>\n"
    )
}

/// Draws the label of a wire and the wire's trouble, at the end of the wire, on the side from which the wire does not come.
fn label(Edge { from, to, label, state: _ }: &Edge, trouble: Option<&str>, spots: &[Spot]) -> String {
    const LINE: i32 = 14;
    let (from, to) = (spots[*from], spots[*to]);
    let words: Vec<&str> = std::iter::once(*label).chain(trouble).filter(|word| !word.is_empty()).collect();
    let lines = i32::try_from(words.len()).unwrap_or_default();
    let middle = to.y + HEIGHT / 2;
    let (x, first, anchor) = match (from.x == to.x, from.y < to.y) {
        (true, _) => (to.x + to.width / 2 + 9, to.y - WIDE_GAP / 2 + 3 - (lines - 1) * LINE / 2, "start"),
        (false, true) => (to.x - 14, middle + 16, "end"),
        (false, false) => (to.x - 14, middle - 7 - (lines - 1) * LINE, "end"),
    };
    let line = |(word, at): (&str, i32)| {
        let y = first + at * LINE;
        format!("<text class=\"wire\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{word}</text>\n")
    };
    words.into_iter().zip(0..).map(line).collect()
}

fn legend(graph: &Graph, y: i32) -> String {
    let (mut text, mut x) = (String::new(), MARGIN);
    for (state, count) in graph.counts() {
        let (badge, wide) = badge(state, Some(count), x, y);
        let _ = write!(text, "<g class=\"{}\">{badge}</g>", state.class());
        x += wide + 10;
    }
    text
}

/// Escapes a text for SVG's text and attributes.
fn escaped(text: &str) -> String {
    printable(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
