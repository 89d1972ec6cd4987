//! Renders a plan as Markdown. Escapes all texts from outside, so that they add no markup and no line breaks.

use std::fmt::Write;

use super::difference::differences;
use super::plan::{NOT_THERE, summary};
use crate::input::printable;
use crate::reconcile::plan::{Action, Cause, Plan};

/// Escapes the text, so that Markdown shows it unchanged and on one line.
pub fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        // `@name` would mention a person, and `#1` would become a link.
        '@' | '#' => format!("&#{};", u32::from(c)),
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '|' | '~' | '!' => format!("\\{c}"),
        other => other.to_string(),
    };
    printable(text).chars().map(escape).collect()
}

/// Returns a name as code, with spaces instead of backticks, bars and line breaks.
pub fn code(name: &str) -> String {
    format!("`{}`", printable(name).replace(['`', '|'], " "))
}

fn told(words: &str, cause: Cause) -> String {
    format!("{words} ({})", cause.text())
}

/// Returns the plan as Markdown, for the summary of a workflow or for a comment on a pull request.
pub fn markdown(title: &str, plan: &Plan, warning: Option<&str>) -> String {
    let Plan { steps, unchanged: _, conflicts, unknown, missing } = plan;
    let mut rows: Vec<[String; 3]> = Vec::new();
    for step in steps {
        let id = step.address.id.to_string();
        match step.action {
            Action::Add => rows.push(["missing".to_owned(), id, step.address.name.clone()]),
            Action::Remove => rows.push(["unexpected".to_owned(), id, step.address.name.clone()]),
            Action::Change => {
                let row = |(words, cause): (String, Cause)| ["differs".to_owned(), id.clone(), told(&words, cause)];
                rows.extend(differences(step).into_iter().map(row));
            }
        }
    }
    rows.extend(
        conflicts
            .iter()
            .map(|one| ["not managed by taskbell".to_owned(), one.address.id.to_string(), one.evidence.clone()]),
    );
    rows.extend(missing.iter().map(|name| ["missing".to_owned(), name.clone(), NOT_THERE.to_owned()]));
    rows.extend(unknown.iter().map(|one| ["unknown".to_owned(), one.address.id.to_string(), one.error.in_one_line()]));
    let mut text = format!("### {}\n\n{}\n", escaped(title), escaped(&summary(plan)));
    if let Some(warning) = warning {
        let _ = writeln!(text, "\nwarning: {}", escaped(warning));
    }
    if !rows.is_empty() {
        text += "\n|  | resource | what |\n|---|---|---|\n";
        for [state, id, what] in rows {
            let _ = writeln!(text, "| {state} | {} | {} |", code(&id), escaped(&what));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_outside_add_no_markup() {
        assert_eq!(escaped("a|b\n<img> @team *x* #1"), r"a\|b &lt;img> &#64;team \*x\* &#35;1");
        assert_eq!(code("rule/a`|b"), "`rule/a  b`");
    }
}
