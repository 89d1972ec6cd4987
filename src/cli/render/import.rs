//! Renders the output of `import`: the list of rules, the old alert and the differences from the new one, the steps for the old
//! rule, and the work that is left to the user.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::config::Config;
use crate::config::file::{File, Site};
use crate::error::{Category, Error, Result};
use crate::input::printable;
use crate::operations::import::compare::Compared;
use crate::operations::import::existing::{Candidate, ExistingAlert, kind, last};
use crate::operations::import::narrowing::{Kept, Narrowing, Scope};
use crate::operations::import::switch_off::SwitchedOff;
use crate::operations::import::{Found, Origin, Survey, Takeover, scope};
use crate::operations::setup::{Applied, Prepared};
use crate::operations::verdict::Verdict;
use crate::pattern::Drill;
use crate::pattern::clusters::Clusters;
use crate::pattern::matcher::Invalid;
use crate::reconcile::plan::Plan;
use crate::stack::{Place, Stack};
use crate::style::Style;
use crate::words::count;

const RED: Style = Style::RED;
const YELLOW: Style = Style::YELLOW;

pub fn list_object(Survey { candidates, place }: &Survey) -> Value {
    let object = |Candidate { rule, read }: &Candidate| match read {
        Ok(old) => old_object(old),
        Err(error) => json!({ "name": rule.name, "arn": rule.arn, "error": error.in_one_line() }),
    };
    let rules: Vec<Value> = candidates.iter().map(object).collect();
    json!({ "region": place.region, "account": place.account, "rules": rules })
}

/// Returns the rules that were found: as lines that are laid out, or as JSON.
pub fn survey(survey: &Survey, is_json: bool, laid_out: impl Fn(&str) -> String) -> String {
    if is_json { super::json(&list_object(survey)) } else { laid_out(&list(survey)) }
}

/// Returns a line for each rule.
fn list(Survey { candidates, place: _ }: &Survey) -> String {
    let lines = candidates.iter().map(|candidate| line(candidate).map(|cell| printable(&cell)));
    let lines: Vec<[String; 3]> = lines.collect();
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or_default();
    let (name, clusters) = (width(0), width(1));
    lines.iter().fold(String::new(), |mut text, [rule, of, what]| {
        let _ = writeln!(text, "{rule:name$}  {of:clusters$}  {what}");
        text
    })
}

/// Returns the warnings and the closing line that are printed beside the list.
pub fn list_end(Survey { candidates, place }: &Survey, quiet: bool) -> String {
    let Place { region, account, .. } = place;
    let warnings: String = candidates.iter().flat_map(|candidate| &candidate.read).map(warnings_of_repeated).collect();
    warnings
        + &match candidates.len() {
            _ if quiet => String::new(),
            0 => "Found no rule outside taskbell that sends events of ECS to a function or a topic here.\n".to_owned(),
            number => format!(
                "{} in {region}, account {account}. `taskbell import RULE --dry-run` shows what replacing one would change.\n",
                count(number, "rule"),
            ),
        }
}

/// Returns a warning for each field that the rule's pattern repeats.
fn warnings_of_repeated(old: &ExistingAlert) -> String {
    let warning = |repeated| format!("warning: in the pattern of the rule {}, {repeated}\n", printable(&old.rule.name));
    old.repeated.iter().map(warning).collect()
}

fn old_object(old: &ExistingAlert) -> Value {
    let clusters = match &old.clusters {
        Clusters::Named(arns) => json!(arns),
        Clusters::All | Clusters::Otherwise => Value::Null,
    };
    let variables = old.function.iter().flat_map(|function| &function.webhooks).map(|(name, _)| name);
    json!({
        "name": old.rule.name,
        "arn": old.rule.arn,
        "state": old.rule.state,
        "clusters": clusters,
        "targets": old.targets.iter().map(|target| json!({
            "kind": kind(target), "arn": target.arn,
        })).collect::<Vec<_>>(),
        "function": old.function_name(),
        "webhook_variables": variables.collect::<Vec<_>>(),
        "kept_by": old.keeper.as_ref().map(ToString::to_string),
    })
}

fn line(Candidate { rule, read }: &Candidate) -> [String; 3] {
    let name = rule.name.clone();
    match read {
        Ok(old) => [name, clusters(old), old.targets.first().map(|_| rings(old)).unwrap_or_default()],
        Err(error) => [name, "?".to_owned(), format!("could not be read: {}", error.in_one_line())],
    }
}

fn clusters(old: &ExistingAlert) -> String {
    match &old.clusters {
        Clusters::All => "every cluster".to_owned(),
        Clusters::Otherwise => "clusters not by ARN".to_owned(),
        Clusters::Named(arns) => {
            arns.iter().map(|arn| arn.rsplit('/').next().unwrap_or_default()).collect::<Vec<_>>().join(", ")
        }
    }
}

fn rings(old: &ExistingAlert) -> String {
    let function = old.function_name();
    let mut text = match (function, old.function.as_ref().map(|function| function.webhooks.as_slice())) {
        (Some(name), None) => format!("function {name}, which does not exist"),
        (Some(name), Some([])) => format!("function {name}, no webhook found"),
        (Some(name), Some(found)) => {
            let variables = found.iter().map(|(variable, _)| variable.as_str()).collect::<Vec<_>>().join(", ");
            format!("function {name}, webhook in {variables}")
        }
        (None, _) => {
            let topic = old.targets.iter().find(|target| kind(target) == "topic").map(|target| last(&target.arn));
            format!("topic {}, cannot be replaced", topic.unwrap_or_default())
        }
    };
    let others = old.targets.len() - 1;
    if others > 0 {
        let _ = write!(text, "; and {}", count(others, "other target"));
    }
    if scope::others(&old.pattern.to_value()).is_some() {
        text += "; also for events outside ECS, cannot be replaced";
    }
    if let Some(Invalid { reason }) = &old.not_understood {
        let _ = write!(text, "; taskbell does not understand the pattern: {}", printable(reason));
    }
    if let Some(keeper) = &old.keeper {
        let _ = write!(text, "; created by {keeper}");
    }
    text
}

/// Returns the warnings about the old rule and about the differences between both alerts.
pub fn warnings(found: &Found, takeover: &Takeover) -> String {
    let (old, Takeover { no_longer, filters, beyond, .. }) = (&found.old, takeover);
    let mut text = warnings_of_repeated(old);
    if let Some(keeper) = old.keeper.as_ref().map(|keeper| printable(&keeper.to_string())) {
        let _ = writeln!(
            text,
            "warning: the old rule was created by {keeper}, whose next deployment will restore it: remove the rule there, too"
        );
    }
    if !no_longer.is_empty() {
        let left = printable(&no_longer.join(", "));
        let _ = writeln!(text, "warning: the old rule also alerts for {left}; the stack will not");
    }
    if !filters.is_empty() {
        let filters = filters.join(", ");
        let _ = writeln!(
            text,
            "warning: the old rule may also alert on events that {filters} excludes; the stack will not, even among the events that cause an alert as before"
        );
    }
    if takeover.scope.is_wider() {
        let lost = takeover.scope.narrowings.iter().filter(|narrowing| narrowing.kept != Kept::Already);
        let fields = lost.map(|narrowing| printable(&narrowing.field)).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "warning: the new rules also alert on events that the old rule excludes by {fields}");
    }
    if !beyond.is_empty() {
        let beyond = printable(&beyond.join(", "));
        let _ = writeln!(
            text,
            "warning: the old rule matches events that no sample represents ({beyond}): the comparison does not show whether the stack alerts on them"
        );
    }
    text
}

/// Describes the old alert, and the events for which alerts would change.
pub fn story(found: &Found, takeover: &Takeover, verbose: bool) -> String {
    let old = &found.old;
    let first = format!("The rule {} alerts for {}, through the {}.", old.rule.name, clusters(old), through(old));
    let mut text = printable(&first) + "\n";
    if !old.rule.is_enabled() {
        text += "The rule is disabled, and sends no alerts.\n";
    }
    match &takeover.origin {
        Origin::Given(_) => text += "The webhook is the one that you gave.\n",
        Origin::Found { variable, .. } => {
            let _ = writeln!(text, "The webhook is the one in the function's variable {}.", printable(variable));
        }
        Origin::Elsewhere => {}
    }
    text += &narrowings(&takeover.scope);
    match &takeover.compared {
        None => {
            let reason = old.not_understood.as_ref().map(|invalid| format!(" ({})", printable(&invalid.reason)));
            let reason = reason.unwrap_or_default();
            let _ = writeln!(
                text,
                "taskbell does not understand the rule's pattern{reason}, and cannot show what would change."
            );
        }
        Some(Compared { as_before, in_addition, no_longer }) => {
            text += &titles("Alerts as before", as_before, verbose);
            text += &titles("Additional alerts", in_addition, true);
            text += &titles("Alerts no longer sent", no_longer, true);
        }
    }
    text + "\n"
}

/// Describes the fields by which the old rule narrows its alerts, with the flags that keep them.
fn narrowings(Scope { narrowings, only }: &Scope) -> String {
    let mut text = String::new();
    if !narrowings.is_empty() {
        text += "The rule alerts only on a part of these events:\n";
    }
    for Narrowing { field, wanted, kept } in narrowings {
        let wanted = wanted.iter().map(|leaf| printable(&leaf.to_string())).collect::<Vec<_>>().join(", ");
        let told = match kept {
            Kept::Already => "the new rules keep this".to_owned(),
            Kept::By(flags) => format!("not kept; {} keeps it", flags.join(" ")),
            Kept::Nearly(flags) => format!("not kept, and no flag says the same; {} comes nearest", flags.join(" ")),
            Kept::No => "not kept, and no flag says the same; --keep-pattern keeps the whole pattern".to_owned(),
        };
        let _ = writeln!(text, "  {}: {wanted}  ({told})", printable(field));
    }
    if !only.is_empty() {
        let patterns = only.iter().map(|name| format!("--pattern {name}")).collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            text,
            "These flags do not narrow the other patterns, which alert on more than the rule does; {patterns} leaves them out."
        );
    }
    text
}

/// Returns the note that no webhook is known for the planned stack, if that is so.
pub fn no_webhook(prepared: &Prepared, takeover: &Takeover) -> &'static str {
    match takeover.dry_run && prepared.needs_webhook() {
        true => {
            "note: the old alert has no webhook that taskbell recognises, and the stack stores none: without --dry-run, give the webhook in TASKBELL_SLACK_WEBHOOK_URL, or type it when asked\n"
        }
        false => "",
    }
}

fn through(old: &ExistingAlert) -> String {
    let there = if old.function.is_some() { "" } else { ", which does not exist" };
    old.function_name()
        .map_or_else(|| "target that no longer exists".to_owned(), |name| format!("function {name}{there}"))
}

fn object(found: &Found, takeover: &Takeover, done: bool) -> Value {
    let Takeover { origin, compared, no_longer, filters, scope, beyond, remove_old, .. } = takeover;
    let compared = compared.as_ref().map(|Compared { as_before, in_addition, no_longer }| {
        json!({ "as_before": as_before, "in_addition": in_addition, "no_longer": no_longer })
    });
    let webhook = match origin {
        Origin::Given(_) => json!({ "from": "given" }),
        Origin::Found { variable, .. } => json!({ "from": "function", "variable": variable }),
        Origin::Elsewhere => Value::Null,
    };
    json!({
        "rule": old_object(&found.old), "webhook": webhook, "rings": compared, "clusters_no_longer": no_longer,
        "narrowed_by": filters, "without_sample": beyond, "old_scope": scope_object(scope),
        "steps": moves(&found.old, *remove_old).iter().map(|(action, what, change)| {
            json!({ "action": action, "what": what, "change": change })
        }).collect::<Vec<_>>(),
        "done": done,
    })
}

fn scope_object(Scope { narrowings, only }: &Scope) -> Value {
    let object = |Narrowing { field, wanted, kept }: &Narrowing| {
        let (is_kept, keeping, nearest): (bool, &[String], &[String]) = match kept {
            Kept::Already => (true, &[], &[]),
            Kept::By(flags) => (false, flags, &[]),
            Kept::Nearly(flags) => (false, &[], flags),
            Kept::No => (false, &[], &[]),
        };
        json!({ "field": field, "wanted": wanted, "kept": is_kept, "kept_with": keeping, "nearest": nearest })
    };
    json!({ "fields": narrowings.iter().map(object).collect::<Vec<_>>(), "patterns": only })
}

fn titles(what: &str, titles: &[&str], at_length: bool) -> String {
    if !at_length {
        return format!("{what}: {}\n", count(titles.len(), "kind") + " of event (--verbose lists them)");
    }
    if titles.is_empty() {
        return format!("{what}: nothing\n");
    }
    titles.iter().fold(format!("{what}:\n"), |text, title| text + "  " + title + "\n")
}

/// Returns the steps for the old alert, each with its action, its resource and its change.
fn moves(old: &ExistingAlert, remove: bool) -> Vec<(&'static str, String, String)> {
    let mut moves = Vec::new();
    if remove {
        if let Some(function) = &old.function {
            moves.push(("remove", format!("function {}", function.name), String::new()));
        }
        moves.push(("remove", format!("rule {}", old.rule.name), String::new()));
    } else if old.rule.is_enabled() {
        let change = format!("/state   {:?} -> \"DISABLED\"", old.rule.state);
        moves.push(("change", format!("rule {}", old.rule.name), change));
    }
    moves
}

/// Returns the plan, followed by the steps for the old alert.
pub fn plan(plan: &Plan, found: &Found, takeover: &Takeover, verbose: bool) -> String {
    let mut text = super::plan::plan(plan, verbose);
    let moves = moves(&found.old, takeover.remove_old);
    if !moves.is_empty() {
        text += match takeover.config.drill {
            Drill::Accepted => "Then, once a drill has arrived:\n",
            Drill::Refused => "Then, without a drill:\n",
        };
    }
    for (action, what, change) in moves {
        let (mark, style) = if action == "remove" { ('-', RED) } else { ('~', YELLOW) };
        let change = if action == "change" && !verbose { "is enabled, will be disabled".to_owned() } else { change };
        let _ = writeln!(
            text,
            "{}",
            format!("{style}{mark}{style:#} {}", printable(&format!("{what}  {change}"))).trim_end()
        );
    }
    text
}

/// Returns the planned setup and the steps for the old alert, as one object.
pub fn prepared_object(prepared: &Prepared, found: &Found, takeover: &Takeover, command: &str) -> Value {
    let mut all = super::setup::prepared_object(prepared, None, command);
    all["import"] = object(found, takeover, false);
    all
}

/// Returns the result of the setup, the drill, and the steps for the old alert, as one object. `done` says whether the old rule is
/// disabled.
pub fn applied_object(applied: &Applied, found: &Found, takeover: &Takeover, done: bool, command: &str) -> Value {
    let mut all = super::setup::applied_object(applied, command);
    all["import"] = object(found, takeover, done);
    all
}

pub fn question(prepared: &Prepared, found: &Found, takeover: &Takeover) -> String {
    let question = super::setup::question(prepared);
    match takeover.is_left {
        true => format!("{question}, and then {}?", printable(&then(&found.old, takeover.remove_old))),
        false => format!("{question}?"),
    }
}

fn then(old: &ExistingAlert, remove: bool) -> String {
    match (remove, &old.function) {
        (false, _) => format!("disable the rule {}", old.rule.name),
        (true, None) => format!("remove the rule {}", old.rule.name),
        (true, Some(function)) => format!(
            "remove the rule {} and the function {}, whose code cannot be restored (taskbell cannot see callers that only need IAM permissions, such as Step Functions, Scheduler or another function)",
            old.rule.name, function.name
        ),
    }
}

/// Returns the closing message of the setup and the drill, or the text that precedes their error.
pub fn applied(applied: &Applied, off: &SwitchedOff, flags: &str, quiet: bool, command: &str) -> String {
    let is_next_step = applied.failed.is_none() && applied.drill.is_none();
    match is_next_step && !quiet && off.failed.is_none() {
        true => super::next_step::set_up(applied, flags),
        false => super::setup::end(applied, quiet, command),
    }
}

/// Returns the note that precedes the error if the old alert could not be read.
pub fn not_found(error: &Error) -> &'static str {
    if error.kind() == Category::Unreadable { "Nothing was changed.\n" } else { "" }
}

/// Describes the state of the old alert at the end of the command, and the work that is left to the user. With `quiet`, only if the old
/// alert is not replaced.
pub fn end(found: &Found, takeover: &Takeover, off: &SwitchedOff, ended: &Result<Verdict>, quiet: bool) -> String {
    let old = &found.old;
    match ended {
        _ if takeover.dry_run => String::new(),
        Ok(Verdict::InSync) if off.is_done && quiet => String::new(),
        Ok(Verdict::InSync) if off.is_done => afterwards(old, takeover),
        Err(error) if error.kind() == Category::Usage => String::new(),
        _ if !old.rule.is_enabled() || off.is_unsure => String::new(),
        _ => format!("The rule {} is unchanged, and alerts as before.\n", printable(&old.rule.name)),
    }
}

/// Describes the state of the replaced alert, and the work that is left to the user.
fn afterwards(old: &ExistingAlert, takeover: &Takeover) -> String {
    let config = &takeover.config;
    let name = printable(&old.rule.name);
    let mut text = match (takeover.remove_old, &old.function) {
        (false, _) => format!(
            "The rule {name} is disabled. `aws events enable-rule --name {name}` enables it again; the same command with --remove-old removes it and its function.\n"
        ),
        (true, None) => format!("The rule {name} is removed.\n"),
        (true, Some(function)) => format!(
            "The rule {name} and the function {} are removed. The function's role and log group remain: remove them with `aws logs delete-log-group --log-group-name {}`, and with `aws iam delete-role --role-name {}` once no policy is attached.\n",
            printable(&function.name),
            printable(&function.log_group),
            printable(function.role.rsplit('/').next().unwrap_or_default())
        ),
    };
    if let Some(kept) = &takeover.kept_pattern {
        let stack = Stack { name: config.stack.clone(), region: String::new() };
        let _ = writeln!(
            text,
            "The pattern exists only in AWS. For `drift` and `setup`, save it and give it as --pattern {0}.json:\n  aws events describe-rule --name {1} --query EventPattern --output text >{0}.json",
            kept,
            stack.rule_name(kept)
        );
    }
    text
}

/// Returns the lines to add to a file that does not contain the stack.
pub fn lines_for(file: &File, takeover: &Takeover, at: &Site) -> String {
    let Config { stack, clusters, .. } = &takeover.config;
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    // The stack does not have the fleet's tag yet.
    let joins =
        file.fleet.as_ref().map(|_| format!(" (after `taskbell setup --stack {stack}` has added it to the fleet)"));
    let mut text = format!(
        "{} does not contain the stack {stack}. With these lines, and a key for each other flag of this command, `taskbell drift --all` checks it{}:\n[[stack]]\n",
        file.path.display(),
        joins.unwrap_or_default()
    );
    if clusters.first().is_none_or(|cluster| cluster.name() != stack.as_str()) {
        let _ = writeln!(text, "name = \"{stack}\"");
    }
    let _ = writeln!(text, "clusters = {}", list(clusters.iter().map(|cluster| format!("\"{cluster}\"")).collect()));
    let site = &file.defaults.site;
    for (key, flag, wider) in [("region", &at.region, &site.region), ("profile", &at.profile, &site.profile)] {
        if let Some(value) = flag.as_ref().filter(|_| flag != wider) {
            let _ = writeln!(text, "{key} = \"{value}\"");
        }
    }
    if let Some(kept) = &takeover.kept_pattern {
        let _ = writeln!(text, "patterns = [\"{kept}.json\"]");
    }
    text
}
