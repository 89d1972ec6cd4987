//! The stack as a picture: what there is or should be, how each is doing, and what is wired to what.
//! Decides nothing: the state of each resource is what the plan says. Makes no call; its pages draw.

pub mod mermaid;
pub mod svg;
mod wires;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::reconcile::plan::{Action, Conflict, Plan, Step, Unknown};
use crate::reconcile::resource::{APPLIED_TAG, Desired};
use crate::stack::{Address, Place, Stack};
pub use wires::Column;
use wires::{End, Wire, column, wires};

/// How a resource, or a wire, is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    InSync,
    Drifted,
    Missing,
    /// It is there, and nobody asked for it.
    Unwanted,
    Foreign,
    Unknown,
    /// No resource of the stack.
    Outside,
}

impl State {
    pub const ALL: [Self; 7] =
        [Self::InSync, Self::Drifted, Self::Missing, Self::Unwanted, Self::Foreign, Self::Unknown, Self::Outside];

    /// In words: no picture tells it by a colour alone.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::InSync => "in sync",
            Self::Drifted => "drifted",
            Self::Missing => "missing",
            Self::Unwanted => "not asked for",
            Self::Foreign => "not ours",
            Self::Unknown => "unknown",
            Self::Outside => "outside",
        }
    }

    /// The class of what is drawn.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::InSync => "insync",
            Self::Drifted => "drifted",
            Self::Missing => "missing",
            Self::Unwanted => "unwanted",
            Self::Foreign => "foreign",
            Self::Unknown => "unknown",
            Self::Outside => "outside",
        }
    }

    /// As `drift` marks it.
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Self::InSync => "=",
            Self::Drifted => "~",
            Self::Missing => "+",
            Self::Unwanted => "-",
            Self::Foreign => "!",
            Self::Unknown => "?",
            Self::Outside => "",
        }
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// `rule/task-failed`; of what is outside, what it is called.
    pub id: String,
    /// The name in AWS; of what is outside, what it is.
    pub name: String,
    pub arn: Option<String>,
    pub state: State,
    /// What differs, why it is not ours, or why it is not known.
    pub told: String,
    #[serde(skip)]
    pub column: Column,
}

impl Node {
    /// What is known by its ARN goes by the end of it.
    fn short_id(&self) -> &str {
        match self.state {
            State::Outside if self.arn.is_some() => self.id.rsplit(':').next().unwrap_or_default(),
            _ => &self.id,
        }
    }
}

/// From one node to another, by their places in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub label: &'static str,
    pub state: State,
}

#[derive(Debug, Clone)]
pub struct Graph {
    pub title: String,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

impl Graph {
    #[must_use]
    pub fn new(stack: &Stack, place: &Place, desired: &Desired, plan: &Plan) -> Self {
        let title = format!("stack {} in {}, account {}", stack.name, place.region, place.account);
        let mut graph = Self { title, nodes: Vec::new(), edges: Vec::new() };
        let mut wired: Vec<(usize, Vec<(Wire, State)>)> = Vec::new();
        for Seen { address, state, told, have, want } in seen(plan) {
            let of_desired = || desired.wants.iter().find(|want| want.address.id == address.id);
            let wanted = want.cloned().or_else(|| of_desired().map(|want| want.document(None)));
            let wanted = wanted.filter(|_| state != State::Unwanted).map(|want| wires(address.id.kind, &want));
            let there = have.map(|have| wires(address.id.kind, have));
            wired.push((graph.nodes.len(), compared(wanted, there, state)));
            graph.nodes.push(Node {
                id: address.id.to_string(),
                name: address.name.clone(),
                // What could not be listed has no name.
                arn: (address.id.key != "*").then(|| place.arn_of(address)),
                state,
                told,
                column: column(address.id.kind),
            });
        }
        for (at, wires) in wired {
            for (Wire { end, label, is_incoming }, state) in wires {
                let other = graph.end(end, place);
                let (from, to) = if is_incoming { (other, at) } else { (at, other) };
                if !graph.edges.iter().any(|edge| (edge.from, edge.to, edge.label) == (from, to, label)) {
                    graph.edges.push(Edge { from, to, label, state });
                }
            }
        }
        let is_missing = |node: &&mut Node| node.state == State::Outside && plan.missing.contains(&node.id);
        graph.nodes.iter_mut().filter(is_missing).for_each(|node| node.state = State::Missing);
        graph.sort();
        graph
    }

    /// The node a wire ends at; what is none of the stack's resources becomes one.
    fn end(&mut self, end: End, place: &Place) -> usize {
        let End { kind, name, what, column } = end;
        let is_it = |node: &Node| match (kind, node.state) {
            (Some(_), State::Outside) | (None, _) => node.id == name,
            (Some(kind), _) => {
                let of_kind = node.id.split('/').next() == Some(kind);
                of_kind && (node.name == name || node.arn.as_ref() == Some(&name))
            }
        };
        if let Some(at) = self.nodes.iter().position(is_it) {
            return at;
        }
        let arn = name.starts_with(&format!("arn:{}:", place.partition)).then(|| name.clone());
        let (state, told) = (State::Outside, String::new());
        self.nodes.push(Node { id: name, name: what.to_owned(), arn, state, told, column });
        self.nodes.len() - 1
    }

    /// Column by column, each in the order of the README's diagram, whatever order things came in.
    fn sort(&mut self) {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|at| {
            let node = &self.nodes[*at];
            (node.column, rank(node), node.id.clone())
        });
        let place = |old: usize| order.iter().position(|at| *at == old).unwrap_or_default();
        for edge in &mut self.edges {
            (edge.from, edge.to) = (place(edge.from), place(edge.to));
        }
        self.edges.sort_by_key(|edge| (edge.from, edge.to, edge.label));
        self.nodes = order.iter().map(|at| self.nodes[*at].clone()).collect();
    }

    /// How many of the stack's resources are in each state.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<State, usize> {
        let mut counts = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| node.state != State::Outside) {
            *counts.entry(node.state).or_default() += 1;
        }
        counts
    }

    /// `7 in sync, 1 drifted`
    #[must_use]
    pub fn summary(&self) -> String {
        let counts = self.counts().into_iter().map(|(state, count)| format!("{count} {}", state.word()));
        counts.collect::<Vec<_>>().join(", ")
    }

    /// What is to be said of a wire that does not simply hold; nothing where one of its ends says it already.
    fn trouble(&self, Edge { from, to, label: _, state }: &Edge) -> Option<&'static str> {
        let said = [from, to].into_iter().any(|at| self.nodes[*at].state == *state);
        (*state != State::InSync && !said).then(|| state.word())
    }

    /// Nodes and edges, for other programs to draw.
    #[must_use]
    pub fn object(&self) -> Value {
        let edge = |Edge { from, to, label, state }: &Edge| json!({ "from": self.nodes[*from].id, "to": self.nodes[*to].id, "label": label, "state": state });
        json!({ "nodes": self.nodes, "edges": self.edges.iter().map(edge).collect::<Vec<_>>() })
    }
}

/// A resource as the plan has it.
struct Seen<'a> {
    address: &'a Address,
    state: State,
    told: String,
    /// What is there, where the plan says it.
    have: Option<&'a Value>,
    want: Option<&'a Value>,
}

/// Every resource of the plan.
fn seen<'a>(plan: &'a Plan) -> Vec<Seen<'a>> {
    let Plan { steps, unchanged, conflicts, unknown, missing: _ } = plan;
    let of_step = |step: &'a Step| {
        let Step { action, address, stage: _, have, want, tags: _, changes: _ } = step;
        let (state, told) = match action {
            Action::Add => (State::Missing, String::new()),
            Action::Remove => (State::Unwanted, String::new()),
            Action::Change => (State::Drifted, changed(step)),
        };
        Seen { address, state, told, have: have.as_ref(), want: want.as_ref() }
    };
    let other = |address, state, told| Seen { address, state, told, have: None, want: None };
    let conflict = |conflict: &'a Conflict| other(&conflict.address, State::Foreign, conflict.evidence.clone());
    let unreadable = |one: &'a Unknown| other(&one.address, State::Unknown, one.error.in_one_line());
    let steps = steps.iter().map(of_step);
    let unchanged = unchanged.iter().map(|address| other(address, State::InSync, String::new()));
    steps.chain(unchanged).chain(conflicts.iter().map(conflict)).chain(unknown.iter().map(unreadable)).collect()
}

/// The properties that differ; not their values, which are for `drift` to show.
fn changed(step: &Step) -> String {
    let name = |path: &str| match path.ends_with(APPLIED_TAG) {
        true => "record of what was last applied".to_owned(),
        false => path.trim_start_matches('/').to_owned(),
    };
    step.changes.iter().map(|change| name(&change.change.path)).collect::<Vec<_>>().join(", ")
}

/// Which wires hold: those asked for and those there. Where it is not known what is there, a wire is as its resource.
fn compared(wanted: Option<Vec<Wire>>, there: Option<Vec<Wire>>, state: State) -> Vec<(Wire, State)> {
    let of_all = match state {
        State::Foreign => State::Unknown,
        state => state,
    };
    match (wanted, there) {
        (Some(wanted), Some(there)) => {
            let extra: Vec<Wire> = there.iter().filter(|wire| !wanted.contains(wire)).cloned().collect();
            let asked = wanted.into_iter().map(|wire| {
                let state = if there.contains(&wire) { State::InSync } else { State::Missing };
                (wire, state)
            });
            asked.chain(extra.into_iter().map(|wire| (wire, State::Unwanted))).collect()
        }
        (Some(wires), None) | (None, Some(wires)) => wires.into_iter().map(|wire| (wire, of_all)).collect(),
        (None, None) => Vec::new(),
    }
}

/// Within its column.
fn rank(node: &Node) -> usize {
    let order = [
        wires::ECS,
        wires::APPLICATIONS,
        "rule",
        "function",
        "queue",
        wires::SLACK,
        "parameter",
        "table",
        "log_group",
        "role",
        "alarm",
    ];
    let kind = if node.state == State::Outside { &node.id } else { node.id.split('/').next().unwrap_or_default() };
    order.iter().position(|known| *known == kind).unwrap_or(order.len())
}

/// As many cells of text as there is room for; what is left out is in the middle, where names say least.
fn cut(text: &str, cells: usize) -> String {
    use unicode_width::UnicodeWidthStr;
    if text.width() <= cells {
        return text.to_owned();
    }
    let backwards = |text: &str| text.chars().rev().collect::<String>();
    let head = beginning(text, cells.div_ceil(2));
    let tail = beginning(&backwards(text), cells / 2 + 1);
    format!("{head}{}", backwards(tail.trim_end_matches('…')))
}

/// The beginning, where that says most.
fn beginning(text: &str, cells: usize) -> String {
    use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
    if text.width() <= cells {
        return text.to_owned();
    }
    let mut room = cells.saturating_sub(1);
    let fits = |char: &char| {
        let width = char.width().unwrap_or_default();
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}
