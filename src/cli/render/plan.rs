//! Renders a plan as text.

use std::fmt::Write;

use serde_json::Value;

use super::difference::{differences, explained};
use super::json::without_passwords;
use crate::input::printable;
use crate::reconcile::plan::{Action, Cause, Plan, PropertyChange, Step};
use crate::stack::Address;
use crate::style::Style;
use crate::words;

const GREEN: Style = Style::GREEN;
const YELLOW: Style = Style::YELLOW;
const RED: Style = Style::RED;
const DIM: Style = Style::DIM;

/// The description of a missing parameter that is owned by the user.
pub const NOT_THERE: &str = "the SSM parameter does not exist, so its destination receives no alerts";

/// Returns the plan as text, with a closing line. With `verbose`, the text includes the unchanged resources, and the paths and the
/// whole values of the differences.
pub fn plan(plan: &Plan, verbose: bool) -> String {
    lines(plan, verbose) + &summary(plan) + "\n"
}

/// Returns a line for each difference, each conflict and each resource that could not be read.
pub fn lines(plan: &Plan, verbose: bool) -> String {
    let Plan { steps, unchanged, conflicts, unknown, missing } = plan;
    let mut lines: Vec<[String; 4]> = Vec::new();
    for step in steps {
        lines.extend(step_lines(step, verbose));
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
        // A cause in parentheses continues the sentence.
        let gap = if note.starts_with('(') && !note.starts_with("(--") { " " } else { "  " };
        let line = format!("{mark} {id:width$}  {what}{gap}{DIM}{note}{DIM:#}");
        let line = if note.is_empty() { format!("{mark} {id:width$}  {what}") } else { line };
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn mark(mark: &str, style: Style) -> String {
    format!("{style}{mark}{style:#}")
}

fn step_lines(step: &Step, verbose: bool) -> Vec<[String; 4]> {
    let id = step.address.id.to_string();
    match step.action {
        Action::Add => vec![[mark("+", GREEN), id, step.address.name.clone(), String::new()]],
        Action::Remove => vec![[mark("-", RED), id, step.address.name.clone(), String::new()]],
        Action::Change if step.changes.is_empty() => vec![[mark("~", YELLOW), id, String::new(), "adopted".to_owned()]],
        Action::Change if verbose => {
            let line = |change: &PropertyChange| {
                [mark("~", YELLOW), id.clone(), change_text(change), change.cause.text().to_owned()]
            };
            step.changes.iter().map(line).collect()
        }
        Action::Change => {
            let line =
                |(words, cause): (String, Cause)| [mark("~", YELLOW), id.clone(), words, format!("({})", cause.text())];
            differences(step).into_iter().map(line).collect()
        }
    }
}

/// Returns a difference with its path and its whole values.
fn change_text(PropertyChange { change, cause: _ }: &PropertyChange) -> String {
    if let Some(words) = explained(&change.path) {
        return words.to_owned();
    }
    let value = |value: Option<&Value>| {
        value.map_or_else(|| "nothing".to_owned(), |value| without_passwords(value).to_string())
    };
    format!("{}   {} -> {}", change.path, value(change.have.as_ref()), value(change.want.as_ref()))
}

/// Returns the plan as one line, if one line is enough.
pub fn sum(plan: &Plan) -> Option<String> {
    fits_a_line(plan).then(|| summary(plan))
}

/// Returns the plan as one line for the time after its steps are done, if one line is enough.
pub fn sum_of_done(plan: &Plan) -> Option<String> {
    fits_a_line(plan)
        .then(|| in_parts(plan, [(Action::Add, "added"), (Action::Change, "changed"), (Action::Remove, "removed")]))
}

/// Returns whether the counts alone say enough of a plan.
pub fn fits_a_line(plan: &Plan) -> bool {
    let Plan { steps, unchanged, unknown, .. } = plan;
    unknown.is_empty() && (!steps.is_empty() || (plan.is_in_sync() && !unchanged.is_empty()))
}

/// Returns the counts of a plan: `1 to add, 1 to change, 1 to remove, 1 conflict, 1 parameter missing, 1 unknown`.
pub fn summary(plan: &Plan) -> String {
    in_parts(plan, [(Action::Add, "to add"), (Action::Change, "to change"), (Action::Remove, "to remove")])
}

/// Returns the counts of a plan, with these words for its actions, in this order.
pub fn in_parts(plan: &Plan, actions: [(Action, &str); 3]) -> String {
    let Plan { steps, unchanged, conflicts, unknown, missing } = plan;
    if plan.is_in_sync() {
        return match unchanged.len() {
            0 => "no resource of this stack exists".to_owned(),
            1 => "in sync: 1 resource matches".to_owned(),
            count => format!("in sync: {count} resources match"),
        };
    }
    let count = |action| steps.iter().filter(|step| step.action == action).count();
    let of_steps = actions.map(|(action, word)| (count(action), format!("{} {word}", count(action))));
    let parts = [
        (conflicts.len(), words::count(conflicts.len(), "conflict")),
        (missing.len(), format!("{} missing", words::count(missing.len(), "parameter"))),
        (unknown.len(), format!("{} unknown", unknown.len())),
    ];
    let parts = of_steps.into_iter().chain(parts);
    let shown: Vec<String> = parts.filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
    shown.join(", ")
}
