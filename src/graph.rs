//! Describes a stack as a graph: the existing and the wanted resources, their states, and their connections.
//! Takes the state of each resource from the plan. Makes no call; the modules below draw the graph.

pub mod mermaid;
pub mod svg;
mod wires;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::reconcile::plan::{Action, Conflict, Plan, Step, Unknown};
use crate::reconcile::resource::{APPLIED_TAG, Desired};
use crate::stack::{Address, Kind, Place, Stack};
pub use wires::Column;
use wires::{End, Wire, column, wires};

/// The state of a resource or a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    InSync,
    Drifted,
    Missing,
    /// A resource that exists, but is not configured.
    Unwanted,
    Foreign,
    Unknown,
    /// A node that is not a resource of the stack.
    Outside,
}

impl State {
    pub const ALL: [Self; 7] =
        [Self::InSync, Self::Drifted, Self::Missing, Self::Unwanted, Self::Foreign, Self::Unknown, Self::Outside];

    /// Returns the state in words, because no picture shows a state by a colour alone.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::InSync => "in sync",
            Self::Drifted => "drifted",
            Self::Missing => "missing",
            Self::Unwanted => "unexpected",
            Self::Foreign => "unmanaged",
            Self::Unknown => "unknown",
            Self::Outside => "outside",
        }
    }

    /// Returns the class of the state in a picture.
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

    /// Returns the mark that `drift` prints for the state.
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
    /// The id, such as `rule/task-failed`; outside of the stack, the name.
    pub id: String,
    /// The name in AWS; outside of the stack, a description.
    pub name: String,
    pub arn: Option<String>,
    pub state: State,
    /// The properties that differ, or the reason why the resource is not managed by taskbell or not known.
    pub told: String,
    /// The kind of a resource of the stack.
    #[serde(skip)]
    pub kind: Option<Kind>,
    #[serde(skip)]
    pub column: Column,
}

impl Node {
    /// Returns the id; outside of the stack, only the end of an ARN.
    fn short_id(&self) -> &str {
        match self.state {
            State::Outside if self.arn.is_some() => self.id.rsplit(':').next().unwrap_or_default(),
            _ => &self.id,
        }
    }
}

/// A connection between two nodes, given by their indices in the list.
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
                // Resources that could not be listed have no name.
                arn: (!address.id.is_every()).then(|| place.arn_of(address)),
                state,
                told,
                kind: Some(address.id.kind),
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

    /// Returns the node at the end of a wire. Adds a node for an end that is not a resource of the stack.
    fn end(&mut self, end: End, place: &Place) -> usize {
        let End { kind, name, what, column } = end;
        let is_it = |node: &Node| match (kind, node.state) {
            (Some(_), State::Outside) | (None, _) => node.id == name,
            (Some(kind), _) => node.kind == Some(kind) && (node.name == name || node.arn.as_ref() == Some(&name)),
        };
        if let Some(at) = self.nodes.iter().position(is_it) {
            return at;
        }
        let arn = name.starts_with(&format!("arn:{}:", place.partition)).then(|| name.clone());
        let (state, told) = (State::Outside, String::new());
        self.nodes.push(Node { id: name, name: what.to_owned(), arn, state, told, kind: None, column });
        self.nodes.len() - 1
    }

    /// Sorts the nodes by their columns, and each column in the order of the diagram in `docs/how-it-works.md`, regardless of
    /// the order of the plan.
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

    /// Counts the stack's resources in each state.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<State, usize> {
        let mut counts = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| node.state != State::Outside) {
            *counts.entry(node.state).or_default() += 1;
        }
        counts
    }

    /// Returns the counts in words, such as `7 in sync, 1 drifted`.
    #[must_use]
    pub fn summary(&self) -> String {
        let counts = self.counts().into_iter().map(|(state, count)| format!("{count} {}", state.word()));
        counts.collect::<Vec<_>>().join(", ")
    }

    /// Returns the state of a wire in words; none if the wire is in sync, or one of its ends already shows that state.
    #[must_use]
    pub fn trouble(&self, Edge { from, to, label: _, state }: &Edge) -> Option<&'static str> {
        let said = [from, to].into_iter().any(|at| self.nodes[*at].state == *state);
        (*state != State::InSync && !said).then(|| state.word())
    }

    /// Returns nodes and edges as JSON, for other programs to draw.
    #[must_use]
    pub fn object(&self) -> Value {
        let edge = |Edge { from, to, label, state }: &Edge| json!({ "from": self.nodes[*from].id, "to": self.nodes[*to].id, "label": label, "state": state });
        json!({ "nodes": self.nodes, "edges": self.edges.iter().map(edge).collect::<Vec<_>>() })
    }
}

/// A resource of the plan.
struct Seen<'a> {
    address: &'a Address,
    state: State,
    told: String,
    /// The existing resource, if the plan contains it.
    have: Option<&'a Value>,
    want: Option<&'a Value>,
}

/// Returns every resource of the plan.
fn seen<'a>(plan: &'a Plan) -> Vec<Seen<'a>> {
    let Plan { steps, unchanged, conflicts, unknown, missing: _ } = plan;
    let of_step = |step: &'a Step| {
        let Step { action, address, needs: _, have, want, tags: _, owner: _, changes: _ } = step;
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

/// Returns the properties that differ, without their values, which `drift` shows.
fn changed(step: &Step) -> String {
    let name = |path: &str| match path.ends_with(APPLIED_TAG) {
        true => "record of the last applied configuration".to_owned(),
        false => path.trim_start_matches('/').to_owned(),
    };
    step.changes.iter().map(|change| name(&change.change.path)).collect::<Vec<_>>().join(", ")
}

/// Compares the wanted wires with the existing ones. If only one side is known, each wire has the state of its resource.
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

/// Returns the rank of a node within its column.
fn rank(node: &Node) -> usize {
    match (node.kind, node.id.as_str()) {
        (None, wires::ECS) => 0,
        (None, wires::APPLICATIONS) => 1,
        (None, wires::SCHEDULER) => 2,
        (Some(Kind::Rule), _) => 3,
        (Some(Kind::Watch), _) => 4,
        (Some(Kind::Function), _) => 5,
        (Some(Kind::Queue), _) => 6,
        (None, wires::SLACK) => 7,
        (Some(Kind::Parameter), _) => 8,
        (Some(Kind::Table), _) => 9,
        (Some(Kind::LogGroup), _) => 10,
        (Some(Kind::Role), _) => 11,
        (Some(Kind::Alarm), _) => 12,
        (None, _) => 13,
    }
}

/// Shortens a text to the number of cells. Cuts in the middle, where names contain the least information.
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

/// Shortens a text to its beginning, for texts whose beginning contains the most information.
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
