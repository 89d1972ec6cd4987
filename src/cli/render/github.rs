//! Renders a plan as annotations of a GitHub workflow.

use super::difference::differences;
use super::plan::NOT_THERE;
use crate::aws::kinds::function;
use crate::input::printable_lines;
use crate::reconcile::plan::{Action, Cause, Plan};
use crate::stack::Stack;
use crate::style::workflow_command;

/// Returns the plan as annotations of a GitHub workflow: an error for each difference, each conflict and each missing parameter,
/// and a warning for each unreadable resource and for `warning`.
pub fn annotations(stack: &Stack, plan: &Plan, warning: Option<&str>) -> String {
    let Plan { steps, unchanged: _, conflicts, unknown, missing } = plan;
    let mut text = String::new();
    let mut annotate = |level: &str, id: &str, told: &str| {
        text += &annotation(level, &format!("{} in {}: {id}", stack.name, stack.region), told);
    };
    for step in steps {
        let told = match step.action {
            Action::Add => "is missing".to_owned(),
            Action::Remove => "exists, but is not in the configuration".to_owned(),
            Action::Change => {
                let told = |(words, cause): (String, Cause)| format!("{words} ({})", cause.text());
                differences(step).into_iter().map(told).collect::<Vec<_>>().join("\n")
            }
        };
        annotate("error", &step.address.id.to_string(), &told);
    }
    for conflict in conflicts {
        annotate(
            "error",
            &conflict.address.id.to_string(),
            &format!("exists, but does not belong to this stack: {}", conflict.evidence),
        );
    }
    for name in missing {
        annotate("error", name, NOT_THERE);
    }
    for unknown in unknown {
        let told = format!("could not be read: {}", unknown.error.in_one_line());
        annotate("warning", &unknown.address.id.to_string(), &told);
    }
    if let Some(warning) = warning {
        annotate("warning", &function::id().to_string(), warning);
    }
    text
}

pub fn annotation(level: &str, about: &str, told: &str) -> String {
    format!("{}{level} title={}::{}\n", workflow_command(), property(&format!("taskbell {about}")), data(told))
}

/// Escapes the text as GitHub's own toolkit does, without hidden characters.
fn data(text: &str) -> String {
    printable_lines(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
