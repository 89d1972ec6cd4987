//! Draws the graph as a Mermaid flowchart, for Markdown, wikis and pull requests.

use std::fmt::Write;

use super::{Edge, Graph, Node, State, beginning};
use crate::input::printable;

/// The most cells of a node's details, because a node grows with its text.
const LONGEST: usize = 72;

/// Returns the flowchart alone.
#[must_use]
pub fn chart(graph: &Graph) -> String {
    let Graph { title, nodes, edges } = graph;
    let mut text = format!("---\ntitle: \"{}\"\n---\nflowchart LR\n", escaped(title));
    let _ = writeln!(text, "  accTitle: taskbell {}\n  accDescr: {}", escaped(title), graph.summary());
    for (at, node) in nodes.iter().enumerate() {
        let (open, close) = if node.state == State::Outside { ("([", "])") } else { ("[", "]") };
        let _ = writeln!(text, "  n{at}{open}\"{}\"{close}:::{}", label(node), node.state.class());
    }
    for edge in edges {
        let Edge { from, to, label, state } = edge;
        let arrow = if *state == State::InSync { "-->" } else { "-.->" };
        let words = std::iter::once(*label).chain(graph.trouble(edge)).filter(|word| !word.is_empty());
        let words: Vec<&str> = words.collect();
        let words = match words.is_empty() {
            true => String::new(),
            false => format!("|\"{}\"|", words.join(", ")),
        };
        let _ = writeln!(text, "  n{from} {arrow}{words} n{to}");
    }
    for state in State::ALL.into_iter().filter(|state| nodes.iter().any(|node| node.state == *state)) {
        let _ = writeln!(text, "  classDef {} {}", state.class(), style(state));
    }
    text
}

/// Returns the flowchart in a block that Markdown shows as a picture.
#[must_use]
pub fn markdown(graph: &Graph) -> String {
    format!("```mermaid\n{}```\n", chart(graph))
}

fn label(node: &Node) -> String {
    let Node { id: _, name, arn: _, state, told, kind: _, column: _ } = node;
    let id = node.short_id();
    if *state == State::Outside {
        return format!("{}<br>{}", escaped(id), escaped(name));
    }
    let told = if told.is_empty() { String::new() } else { format!(": {}", escaped(&beginning(told, LONGEST))) };
    let (mark, word) = (escaped(state.mark()), state.word());
    format!("{}<br>{}<br>{mark} {word}{told}", escaped(id), escaped(name))
}

/// Returns the style of a state. Sets the colour of the text too, because the page around the picture may be dark.
fn style(state: State) -> &'static str {
    match state {
        State::InSync => "fill:#dafbe1,stroke:#1a7f37,color:#1f2328",
        State::Drifted => "fill:#fff8c5,stroke:#9a6700,color:#1f2328,stroke-width:2px",
        State::Missing => "fill:#ffebe9,stroke:#cf222e,color:#1f2328,stroke-width:2px,stroke-dasharray:6 4",
        State::Unwanted => "fill:#fbefff,stroke:#8250df,color:#1f2328,stroke-width:2px",
        State::Foreign => "fill:#fff1e5,stroke:#bc4c00,color:#1f2328,stroke-width:2px",
        State::Unknown => "fill:#f6f8fa,stroke:#57606a,color:#1f2328,stroke-dasharray:2 3",
        State::Outside => "fill:#ffffff,stroke:#8c959f,color:#1f2328",
    }
}

/// Escapes a text for Mermaid: writes the number of every character with a meaning in Mermaid's language, in HTML or in Markdown.
fn escaped(text: &str) -> String {
    printable(text).chars().fold(String::new(), |mut text, char| {
        match char {
            char if !char.is_ascii() || char.is_ascii_alphanumeric() || " -_./:,=+?!".contains(char) => text.push(char),
            char => drop(write!(text, "#{};", u32::from(char))),
        }
        text
    })
}
