//! Plans, reports and errors as text and as JSON.

pub mod drift;
pub mod drill;
pub mod import;
pub mod next_step;
pub mod replay;
pub mod setup;
pub mod status;
pub mod teardown;

use std::collections::BTreeSet;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::cli::markdown;
use crate::error::{Error, Hint};
use crate::input::printable_lines;
use crate::operations::events::Event;
use crate::reconcile::engine::Report;
use crate::reconcile::plan::{Action, Plan, PropertyChange, Step};
use crate::reconcile::resource::APPLIED_TAG;
use crate::stack::{Address, Place, Stack};
pub use crate::words::{count, time};

const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// The longest value shown in a line of a plan; JSON and `--verbose` have it whole.
const LONGEST_VALUE: usize = 72;

/// Of a parameter of the user's own.
const NOT_THERE: &str = "there is no such SSM parameter: nothing rings where it points to";

/// What is shown of a report, and on which stream.
pub enum Shown {
    Out(String),
    Err(String),
}

/// What is shown of a report that is no step of a change. `is_text`: results are written for people.
pub fn event(event: &Event, quiet: bool, is_text: bool) -> Option<Shown> {
    Some(match event {
        Event::Located { stack, place } if !quiet => Shown::Err(heading(stack, place) + "\n"),
        Event::Note(note) if !quiet => Shown::Err(note.clone()),
        Event::Warning(warning) => Shown::Err(format!("warning: {warning}\n")),
        Event::Shown(text) if is_text => Shown::Out(text.clone()),
        Event::Hop(hop) if is_text => Shown::Out(drill::line(hop)),
        Event::Handled(handled) if is_text => Shown::Out(replay::line(handled)),
        _ => return None,
    })
}

/// Which stack this is about, and where: so that nobody reads about, or changes, the wrong account.
pub fn heading(stack: &Stack, place: &Place) -> String {
    format!("stack {} in {}, account {}", stack.name, place.region, place.account)
}

/// The object, with which stack it is about, and where.
pub fn located(stack: &Stack, place: &Place, mut object: Value) -> Value {
    object["stack"] = json!(stack.name);
    object["region"] = json!(place.region);
    object["account"] = json!(place.account);
    object
}

/// The plan as people read it. With `verbose`, what is unchanged, too.
pub fn plan(plan: &Plan, verbose: bool) -> String {
    let Plan { steps, unchanged, conflicts, unknown, missing } = plan;
    let mut lines: Vec<[String; 4]> = Vec::new();
    for step in steps {
        lines.extend(step_lines(step, if verbose { usize::MAX } else { LONGEST_VALUE }));
    }
    for conflict in conflicts {
        let id = conflict.address.id.to_string();
        let adopt = if conflict.adoptable { format!("(--adopt {id})") } else { String::new() };
        lines.push([mark("!", RED), id, format!("exists, is not ours: {}", conflict.evidence), adopt]);
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
        let line = format!("{mark} {id:width$}  {what}  {DIM}{note}{DIM:#}");
        let line = if note.is_empty() { format!("{mark} {id:width$}  {what}") } else { line };
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text + &summary(plan) + "\n"
}

/// What can be done about what could not be read.
pub fn hints(plan: &Plan, command: &str) -> String {
    let hints = plan.unknown.iter().filter_map(|unknown| unknown.error.nearest_hint());
    let hints: BTreeSet<String> = hints.map(|hint| self::hint(hint, command)).collect();
    hints.iter().map(|hint| format!("  hint: {hint}\n")).collect()
}

/// A hint in words, for the command that is run: as `permissions --for` calls it.
pub fn hint(hint: &Hint, command: &str) -> String {
    match hint {
        Hint::Words(words) => printable_lines(words),
        Hint::GrantPolicy => format!(
            "`taskbell permissions --for {command}` prints the policy that the command needs; give it the same --cluster or --stack"
        ),
    }
}

/// An error that ends nothing.
pub fn warning(error: &Error, command: &str) -> String {
    format!("warning: {error}{}\n", hint_after(error, command))
}

/// The hint of an error, to stand behind its message in the same line.
pub fn hint_after(error: &Error, command: &str) -> String {
    error.nearest_hint().map(|hint| format!("; {}", self::hint(hint, command))).unwrap_or_default()
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

fn change_text(PropertyChange { change, cause: _ }: &PropertyChange, longest: usize) -> String {
    if change.path == "/stored_by_taskbell" {
        return "the webhook was stored by somebody else; setup asks for it, or takes it with --adopt parameter/webhook".to_owned();
    }
    if change.path.ends_with(APPLIED_TAG) {
        return "the record of what was last applied is missing or out of date".to_owned();
    }
    let (have, want) = (value(change.have.as_ref(), longest), value(change.want.as_ref(), longest));
    format!("{}   {have} -> {want}", change.path)
}

fn value(value: Option<&Value>, longest: usize) -> String {
    let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The plan in one line, if one says it all.
pub fn sum(plan: &Plan) -> Option<String> {
    let Plan { steps, unchanged, unknown, .. } = plan;
    let says_it = unknown.is_empty() && (!steps.is_empty() || (plan.is_in_sync() && !unchanged.is_empty()));
    says_it.then(|| summary(plan))
}

/// `1 to add, 1 to change, 1 to remove, 1 conflict, 1 parameter missing, 1 unknown`
fn summary(plan: &Plan) -> String {
    let Plan { steps, unchanged, conflicts, unknown, missing } = plan;
    if plan.is_in_sync() {
        return match unchanged.len() {
            0 => "nothing of this stack is there".to_owned(),
            1 => "in sync: 1 resource is as asked for".to_owned(),
            count => format!("in sync: {count} resources are as asked for"),
        };
    }
    let count = |action| steps.iter().filter(|step| step.action == action).count();
    let parts = [
        (count(Action::Add), format!("{} to add", count(Action::Add))),
        (count(Action::Change), format!("{} to change", count(Action::Change))),
        (count(Action::Remove), format!("{} to remove", count(Action::Remove))),
        (conflicts.len(), self::count(conflicts.len(), "conflict")),
        (missing.len(), format!("{} missing", self::count(missing.len(), "parameter"))),
        (unknown.len(), format!("{} unknown", unknown.len())),
    ];
    let shown: Vec<String> = parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
    shown.join(", ")
}

/// The plan as annotations of a GitHub workflow: what differs is an error, what could not be read and what is warned of, a warning.
pub fn annotations(stack: &Stack, plan: &Plan, warning: Option<&str>) -> String {
    let Plan { steps, unchanged: _, conflicts, unknown, missing } = plan;
    let mut text = String::new();
    let mut annotate = |level: &str, id: &str, told: &str| {
        text += &annotation(level, &format!("{} in {}: {id}", stack.name, stack.region), told);
    };
    for step in steps {
        let told = match step.action {
            Action::Add => "is missing".to_owned(),
            Action::Remove => "is there, and not asked for".to_owned(),
            Action::Change => {
                let told = |change: &PropertyChange| {
                    format!("{}  {}", change_text(change, LONGEST_VALUE), change.cause.text())
                };
                step.changes.iter().map(told).collect::<Vec<_>>().join("\n")
            }
        };
        annotate("error", &step.address.id.to_string(), &told);
    }
    for conflict in conflicts {
        annotate("error", &conflict.address.id.to_string(), &format!("exists, is not ours: {}", conflict.evidence));
    }
    for name in missing {
        annotate("error", name, NOT_THERE);
    }
    for unknown in unknown {
        let told = format!("could not be read: {}", unknown.error.in_one_line());
        annotate("warning", &unknown.address.id.to_string(), &told);
    }
    if let Some(warning) = warning {
        annotate("warning", "function/notifier", warning);
    }
    text
}

/// The plan for the summary of a workflow, or a comment of a pull request.
pub fn markdown(title: &str, plan: &Plan, warning: Option<&str>) -> String {
    let Plan { steps, unchanged: _, conflicts, unknown, missing } = plan;
    let mut rows: Vec<[String; 3]> = Vec::new();
    for step in steps {
        let id = step.address.id.to_string();
        match step.action {
            Action::Add => rows.push(["missing".to_owned(), id, step.address.name.clone()]),
            Action::Remove => rows.push(["not asked for".to_owned(), id, step.address.name.clone()]),
            Action::Change => rows.extend(step.changes.iter().map(|change| {
                [
                    "differs".to_owned(),
                    id.clone(),
                    format!("{}, {}", change_text(change, LONGEST_VALUE), change.cause.text()),
                ]
            })),
        }
    }
    rows.extend(conflicts.iter().map(|one| ["not ours".to_owned(), one.address.id.to_string(), one.evidence.clone()]));
    rows.extend(missing.iter().map(|name| ["missing".to_owned(), name.clone(), NOT_THERE.to_owned()]));
    rows.extend(unknown.iter().map(|one| ["unknown".to_owned(), one.address.id.to_string(), one.error.in_one_line()]));
    let mut text = format!("### {}\n\n{}\n", markdown::escaped(title), markdown::escaped(&summary(plan)));
    if let Some(warning) = warning {
        let _ = writeln!(text, "\nwarning: {}", markdown::escaped(warning));
    }
    if !rows.is_empty() {
        text += "\n|  | resource | what |\n|---|---|---|\n";
        for [state, id, what] in rows {
            let _ = writeln!(text, "| {state} | {} | {} |", markdown::code(&id), markdown::escaped(&what));
        }
    }
    text
}

pub fn annotation(level: &str, about: &str, told: &str) -> String {
    format!("::{level} title={}::{}\n", property(&format!("taskbell {about}")), data(told))
}

/// As GitHub's own toolkit escapes it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The plan as one object. `result` is there once the plan was carried out.
pub fn plan_json(stack: &Stack, place: &Place, plan: &Plan, result: Option<(&Report, bool)>) -> Value {
    let Plan { steps, unchanged, conflicts, unknown, missing } = plan;
    let step = |step: &Step| {
        json!({
            "action": step.action,
            "id": step.address.id,
            "name": step.address.name,
            "arn": place.arn_of(&step.address),
            "changes": step.changes,
        })
    };
    let mut object = json!({
        "stack": stack.name,
        "region": stack.region,
        "account": place.account,
        "in_sync": result.map_or(plan.is_in_sync(), |(_, in_sync)| in_sync),
        "steps": steps.iter().map(step).collect::<Vec<_>>(),
        "unchanged": unchanged.iter().map(|address| &address.id).collect::<Vec<_>>(),
        "conflicts": conflicts.iter().map(|conflict| json!({
            "id": conflict.address.id, "name": conflict.address.name, "evidence": conflict.evidence,
        })).collect::<Vec<_>>(),
        "unknown": unknown.iter().map(|unknown| json!({
            "id": unknown.address.id, "name": unknown.address.name, "error": unknown.error.in_one_line(),
        })).collect::<Vec<_>>(),
        "missing": missing,
    });
    if let Some((Report { done, failed, not_started }, _)) = result {
        object["result"] = json!({
            "done": done,
            "failed": failed.iter().map(|(id, error)| json!({ "id": id, "error": error.in_one_line() })).collect::<Vec<_>>(),
            "not_started": not_started,
        });
    }
    object
}

pub fn json(value: &Value) -> String {
    format!("{value:#}\n")
}

/// What was done, what failed, what was not started: for stderr, when not all was done.
pub fn report(report: &Report, command: &str) -> String {
    let Report { done, failed, not_started } = report;
    let list = |ids: Vec<String>| if ids.is_empty() { "nothing".to_owned() } else { ids.join(", ") };
    let mut text = String::new();
    for (_, failure) in failed {
        text += &error(failure, command);
    }
    let _ = writeln!(text, "done: {}", list(done.iter().map(ToString::to_string).collect()));
    let _ = writeln!(text, "failed: {}", list(failed.iter().map(|(id, _)| id.to_string()).collect()));
    let _ = writeln!(text, "not started: {}", list(not_started.iter().map(ToString::to_string).collect()));
    text + "The same command is safe to run again; it goes on from here.\n"
}

/// An error with its causes and the nearest hint.
pub fn error(error: &Error, command: &str) -> String {
    let mut text = format!("{RED}{BOLD}error:{BOLD:#}{RED:#} {}\n", printable_lines(&error.to_string()));
    for cause in causes(error) {
        let _ = writeln!(text, "  caused by: {}", printable_lines(&cause));
    }
    if let Some(hint) = error.nearest_hint() {
        let _ = writeln!(text, "  hint: {}", self::hint(hint, command));
    }
    text
}

fn causes(error: &Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}
