//! Draws the graph of a stack as a tree, for terminals.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::graph::{Edge, Graph, State};
use crate::input::printable;
use crate::style::Style;

/// Returns the tree: the sources of the events at the top, and below each node the nodes to which its edges lead. A node that several
/// edges reach has its own branches only once.
pub fn tree(graph: &Graph) -> String {
    let mut drawing = Drawing { graph, drawn: BTreeSet::new(), text: format!("{}\n", printable(&graph.title)) };
    let is_reached = |at: usize| graph.edges.iter().any(|edge| edge.to == at);
    let (roots, others): (Vec<usize>, Vec<usize>) = (0..graph.nodes.len()).partition(|at| !is_reached(*at));
    // Nodes that only reach one another come last.
    for root in roots.into_iter().chain(others) {
        if !drawing.drawn.contains(&root) {
            drawing.text.push('\n');
            drawing.node(root, "");
            drawing.branches(root, "");
        }
    }
    format!("{}\n{}\n", drawing.text, graph.summary())
}

struct Drawing<'a> {
    graph: &'a Graph,
    /// The nodes whose branches are drawn.
    drawn: BTreeSet<usize>,
    text: String,
}

impl Drawing<'_> {
    /// Draws a node, and ends the line.
    fn node(&mut self, at: usize, end: &str) {
        let graph = self.graph;
        let node = &graph.nodes[at];
        let style = style(node.state);
        let (id, name, told) = (printable(&node.id), printable(&node.name), printable(&node.told));
        let (mark, word) = (node.state.mark(), node.state.word());
        let _ = match (node.state, told.is_empty()) {
            (State::Outside, _) => writeln!(self.text, "{id}  {name}{end}"),
            (_, true) => writeln!(self.text, "{id}  {style}{mark} {word}{style:#}{end}"),
            (_, false) => writeln!(self.text, "{id}  {style}{mark} {word}{style:#}: {told}{end}"),
        };
    }

    /// Draws the nodes to which the edges of a node lead.
    fn branches(&mut self, from: usize, indent: &str) {
        self.drawn.insert(from);
        let graph = self.graph;
        let edges: Vec<&Edge> = graph.edges.iter().filter(|edge| edge.from == from).collect();
        for (nth, edge) in edges.iter().enumerate() {
            let (fork, below) = if nth + 1 == edges.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.text += indent;
            self.text += fork;
            if !edge.label.is_empty() {
                let _ = write!(self.text, "{} ", edge.label);
            }
            if let Some(trouble) = graph.trouble(edge) {
                let style = style(edge.state);
                let _ = write!(self.text, "{style}({trouble}){style:#} ");
            }
            let has_branches = graph.edges.iter().any(|other| other.from == edge.to);
            if has_branches && self.drawn.contains(&edge.to) {
                self.node(edge.to, "  (as above)");
            } else {
                self.node(edge.to, "");
                self.branches(edge.to, &format!("{indent}{below}"));
            }
        }
    }
}

fn style(state: State) -> Style {
    match state {
        State::InSync => Style::GREEN,
        State::Drifted | State::Unknown => Style::YELLOW,
        State::Missing | State::Unwanted | State::Foreign => Style::RED,
        State::Outside => Style::PLAIN,
    }
}
