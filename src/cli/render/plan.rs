//! Renders a plan as text.

use std::fmt::Write;

use serde_json::Value;

use super::json::without_passwords;
use crate::desired::SETTINGS;
use crate::input::printable;
use crate::reconcile::plan::{Action, Plan, PropertyChange, Step};
use crate::reconcile::resource::APPLIED_TAG;
use crate::stack::Address;
use crate::style::Style;
use crate::words;

const GREEN: Style = Style::GREEN;
const YELLOW: Style = Style::YELLOW;
const RED: Style = Style::RED;
const DIM: Style = Style::DIM;

/// The number of characters of a value that a line of a plan shows. JSON and `--verbose` show the whole value.
pub const LONGEST_VALUE: usize = 72;

/// The description of a missing parameter that is owned by the user.
pub const NOT_THERE: &str = "the SSM parameter does not exist, so its destination receives no alerts";

/// Returns the plan as text. With `verbose`, the text includes the unchanged resources.
pub fn plan(plan: &Plan, verbose: bool) -> String {
    let Plan { steps, unchanged, conflicts, unknown, missing } = plan;
    let mut lines: Vec<[String; 4]> = Vec::new();
    for step in steps {
        lines.extend(step_lines(step, if verbose { usize::MAX } else { LONGEST_VALUE }));
    }
    for conflict in conflicts {
        let id = conflict.address.id.to_string();
        let adopt = if conflict.adoptable { format!("(--adopt {id})") } else { String::new() };
        lines.push([
            mark("!", RED),
            id,
            format!("exists, but does not belong to this stack: {}", conflict.evidence),
            adopt,
        ]);
    }
    lines.extend(missing.iter().map(|name| [mark("!", RED), name.clone(), NOT_THERE.to_owned(), String::new()]));
    for unknown in unknown {
        let error = format!("could not be read: {}", unknown.error.in_one_line());
        lines.push([mark("?", YELLOW), unknown.address.id.to_string(), error, String::new()]);
    }
    if verbose {
        let same = |address: &Address| [mark("=", DIM), address.id.to_string(), String::new(), String::new()];
        lines.extend(unchanged.iter().map(same));
    }
    let width = lines.iter().map(|line| line[1].len()).max().unwrap_or_default();
    let mut text = String::new();
    for [mark, id, what, note] in lines {
        let (id, what, note) = (printable(&id), printable(&what), printable(&note));
        let line = format!("{mark} {id:width$}  {what}  {DIM}{note}{DIM:#}");
        let line = if note.is_empty() { format!("{mark} {id:width$}  {what}") } else { line };
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text + &summary(plan) + "\n"
}

fn mark(mark: &str, style: Style) -> String {
    format!("{style}{mark}{style:#}")
}

fn step_lines(step: &Step, longest: usize) -> Vec<[String; 4]> {
    let id = step.address.id.to_string();
    match step.action {
        Action::Add => vec![[mark("+", GREEN), id, step.address.name.clone(), String::new()]],
        Action::Remove => vec![[mark("-", RED), id, step.address.name.clone(), String::new()]],
        Action::Change if step.changes.is_empty() => vec![[mark("~", YELLOW), id, String::new(), "adopted".to_owned()]],
        Action::Change => {
            let line = |change: &PropertyChange| {
                [mark("~", YELLOW), id.clone(), change_text(change, longest), change.cause.text().to_owned()]
            };
            step.changes.iter().map(line).collect()
        }
    }
}

pub fn change_text(PropertyChange { change, cause: _ }: &PropertyChange, longest: usize) -> String {
    if change.path == "/stored_by_taskbell" {
        return "somebody else stored the webhook; setup asks for one, or keeps the stored one with --adopt parameter/webhook".to_owned();
    }
    if change.path == format!("/environment/{SETTINGS}") {
        return "the settings that the stack keeps".to_owned();
    }
    if change.path.ends_with(APPLIED_TAG) {
        return "the record of the last applied state is missing or out of date".to_owned();
    }
    let (have, want) = (value(change.have.as_ref(), longest), value(change.want.as_ref(), longest));
    format!("{}   {have} -> {want}", change.path)
}

fn value(value: Option<&Value>, longest: usize) -> String {
    let text = value.map_or_else(|| "nothing".to_owned(), |value| without_passwords(value).to_string());
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Returns the plan as one line, if one line is enough.
pub fn sum(plan: &Plan) -> Option<String> {
    fits_a_line(plan).then(|| summary(plan))
}

/// Returns the plan as one line for the time after its steps are done, if one line is enough.
pub fn sum_of_done(plan: &Plan) -> Option<String> {
    fits_a_line(plan).then(|| counts(plan, ["added", "changed", "removed"]))
}

fn fits_a_line(plan: &Plan) -> bool {
    let Plan { steps, unchanged, unknown, .. } = plan;
    unknown.is_empty() && (!steps.is_empty() || (plan.is_in_sync() && !unchanged.is_empty()))
}

/// Returns the counts of a plan: `1 to add, 1 to change, 1 to remove, 1 conflict, 1 parameter missing, 1 unknown`.
pub fn summary(plan: &Plan) -> String {
    counts(plan, ["to add", "to change", "to remove"])
}

fn counts(plan: &Plan, [add, change, remove]: [&str; 3]) -> String {
    let Plan { steps, unchanged, conflicts, unknown, missing } = plan;
    if plan.is_in_sync() {
        return match unchanged.len() {
            0 => "no resource of this stack exists".to_owned(),
            1 => "in sync: 1 resource matches".to_owned(),
            count => format!("in sync: {count} resources match"),
        };
    }
    let count = |action| steps.iter().filter(|step| step.action == action).count();
    let parts = [
        (count(Action::Add), format!("{} {add}", count(Action::Add))),
        (count(Action::Change), format!("{} {change}", count(Action::Change))),
        (count(Action::Remove), format!("{} {remove}", count(Action::Remove))),
        (conflicts.len(), words::count(conflicts.len(), "conflict")),
        (missing.len(), format!("{} missing", words::count(missing.len(), "parameter"))),
        (unknown.len(), format!("{} unknown", unknown.len())),
    ];
    let shown: Vec<String> = parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
    shown.join(", ")
}
