//! What `import` tells: the list, what it found and what would change, the steps of the old rule, and what is left to do.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::compare::Compared;
use super::found::{Candidate, Clusters, Old, kind, last};
use super::{Args, about};
use crate::aws::kinds::parameter::Webhook;
use crate::cli::exit::code;
use crate::cli::options::{Common, Format};
use crate::cli::render;
use crate::cli::world::World;
use crate::config::Config;
use crate::config::file::File;
use crate::operations::verdict::Verdict;
use crate::pattern::Drill;
use crate::stack::{Place, Stack};

const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// Where the webhook comes from.
pub enum Origin {
    Given(Webhook),
    Found {
        variable: String,
        webhook: Webhook,
    },
    /// It is stored already, in a parameter of the user's, or has to be asked for.
    Elsewhere,
}

/// The rules that could be taken over; the exit code.
pub fn list(candidates: &[Candidate], place: &Place, common: &Common, world: &World) -> u8 {
    if common.output == Format::Json {
        let object = |Candidate { rule, read }: &Candidate| match read {
            Ok(old) => old.object(),
            Err(error) => json!({ "name": rule.name, "arn": rule.arn, "error": error.in_one_line() }),
        };
        let rules: Vec<Value> = candidates.iter().map(object).collect();
        let object = json!({ "region": place.region, "account": place.account, "rules": rules });
        world.out.print(&render::json(&object));
    } else {
        let lines: Vec<[String; 3]> = candidates.iter().map(line).collect();
        let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or_default();
        let (name, clusters) = (width(0), width(1));
        for [rule, of, what] in &lines {
            world.out.print(&format!("{rule:name$}  {of:clusters$}  {what}\n"));
        }
    }
    candidates.iter().flat_map(|candidate| &candidate.read).for_each(|old| old.warn_of_repeated(world));
    let unread = candidates.iter().any(|candidate| candidate.read.is_err());
    if !common.quiet {
        world.err.print(&match candidates.len() {
            0 => "No rule of others rings a function or a topic for ECS here.\n".to_owned(),
            count => format!(
                "{} in {}, account {}. `taskbell import RULE --dry-run` shows what taking one over would change.\n",
                render::count(count, "rule"),
                place.region,
                place.account
            ),
        });
    }
    code(if unread { Verdict::Unreadable } else { Verdict::InSync })
}

fn line(Candidate { rule, read }: &Candidate) -> [String; 3] {
    let name = rule.name.clone();
    match read {
        Ok(old) => [name, clusters(old), old.targets.first().map(|_| rings(old)).unwrap_or_default()],
        Err(error) => [name, "?".to_owned(), format!("could not be read: {}", error.in_one_line())],
    }
}

fn clusters(old: &Old) -> String {
    match &old.clusters {
        Clusters::All => "every cluster".to_owned(),
        Clusters::Otherwise => "clusters not by ARN".to_owned(),
        Clusters::Named(arns) => {
            arns.iter().map(|arn| arn.rsplit('/').next().unwrap_or_default()).collect::<Vec<_>>().join(", ")
        }
    }
}

fn rings(old: &Old) -> String {
    let function = old.function_name();
    let mut text = match (function, old.function.as_ref().map(|function| function.webhooks.as_slice())) {
        (Some(name), None) => format!("function {name}, which is not there"),
        (Some(name), Some([])) => format!("function {name}, no webhook found"),
        (Some(name), Some(found)) => {
            let variables = found.iter().map(|(variable, _)| variable.as_str()).collect::<Vec<_>>().join(", ");
            format!("function {name}, webhook in {variables}")
        }
        (None, _) => {
            let topic = old.targets.iter().find(|target| kind(target) == "topic").map(|target| last(&target.arn));
            format!("topic {}, cannot be taken over", topic.unwrap_or_default())
        }
    };
    let others = old.targets.len() - 1;
    if others > 0 {
        let _ = write!(text, "; and {}", render::count(others, "other target"));
    }
    if about::others(&old.pattern.to_value()).is_some() {
        text += "; and for other things than ECS, cannot be taken over";
    }
    if let Some(keeper) = &old.keeper {
        let _ = write!(text, "; made by {keeper}");
    }
    text
}

/// What was found, and what would change.
pub struct Story<'a> {
    pub old: &'a Old,
    pub webhook: &'a Origin,
    pub compared: &'a Option<Compared>,
    /// Clusters that the stack is not about.
    pub no_longer: &'a [String],
    /// The flags that narrow the new rules.
    pub filters: &'a [&'static str],
    /// Events that the old rule takes and no sample stands for.
    pub beyond: &'a [String],
}

impl Story<'_> {
    pub fn show(&self, common: &Common, world: &World) {
        self.old.warn_of_repeated(world);
        if let Some(keeper) = &self.old.keeper {
            world.err.print(&format!(
                "warning: the old rule was made by {keeper}, and its next deployment will bring it back: take it out there, too\n"
            ));
        }
        if !self.no_longer.is_empty() {
            let left = self.no_longer.join(", ");
            world.err.print(&format!("warning: the old rule rings for {left}, too; the stack will not\n"));
        }
        if !self.filters.is_empty() {
            let filters = self.filters.join(", ");
            world.err.print(&format!(
                "warning: the old rule may ring for what {filters} leaves out; the stack will not, also among what rings as before\n"
            ));
        }
        if !self.beyond.is_empty() {
            let beyond = self.beyond.join(", ");
            world.err.print(&format!(
                "warning: the old rule takes events that no sample stands for ({beyond}): whether the stack rings for them is not told here\n"
            ));
        }
        if common.output == Format::Json {
            return;
        }
        let Self { old, webhook, compared, .. } = self;
        let mut text =
            format!("The rule {} rings for {}, through the {}.\n", old.rule.name, clusters(old), self.through());
        if !old.rule.is_enabled() {
            text += "It is disabled: it rings no more.\n";
        }
        let webhook = match webhook {
            Origin::Given(_) => "The webhook is the one given.\n".to_owned(),
            Origin::Found { variable, .. } => format!("The webhook is the one in its variable {variable}.\n"),
            Origin::Elsewhere => String::new(),
        };
        text += &webhook;
        match compared {
            None => text += "Its pattern is not understood, so what would change cannot be told.\n",
            Some(Compared { as_before, in_addition, no_longer }) => {
                text += &titles("Rings as before", as_before, common.verbose);
                text += &titles("Rings in addition", in_addition, true);
                text += &titles("Rings no longer", no_longer, true);
            }
        }
        world.out.print(&(text + "\n"));
    }

    fn through(&self) -> String {
        let there = if self.old.function.is_some() { "" } else { ", which is not there" };
        self.old
            .function_name()
            .map_or_else(|| "target that it has no more".to_owned(), |name| format!("function {name}{there}"))
    }

    pub fn object(&self, remove: bool) -> Value {
        let Self { old, webhook, compared, no_longer, filters, beyond } = self;
        let compared = compared.as_ref().map(|Compared { as_before, in_addition, no_longer }| {
            json!({ "as_before": as_before, "in_addition": in_addition, "no_longer": no_longer })
        });
        let webhook = match webhook {
            Origin::Given(_) => json!({ "from": "given" }),
            Origin::Found { variable, .. } => json!({ "from": "function", "variable": variable }),
            Origin::Elsewhere => Value::Null,
        };
        json!({
            "rule": old.object(), "webhook": webhook, "rings": compared, "clusters_no_longer": no_longer,
            "narrowed_by": filters, "without_sample": beyond,
            "steps": moves(old, remove).iter().map(|(action, what, change)| {
                json!({ "action": action, "what": what, "change": change })
            }).collect::<Vec<_>>(),
        })
    }
}

fn titles(what: &str, titles: &[&str], at_length: bool) -> String {
    if !at_length {
        return format!("{what}: {}\n", render::count(titles.len(), "kind") + " of event (--verbose names them)");
    }
    if titles.is_empty() {
        return format!("{what}: nothing\n");
    }
    titles.iter().fold(format!("{what}:\n"), |text, title| text + "  " + title + "\n")
}

/// What becomes of the old one: action, what, change.
fn moves(old: &Old, remove: bool) -> Vec<(&'static str, String, String)> {
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

/// The same as lines under a plan.
pub fn steps(old: &Old, remove: bool, drill: Drill) -> String {
    let mut text = String::new();
    let moves = moves(old, remove);
    if !moves.is_empty() {
        text += match drill {
            Drill::Accepted => "Then, once a drill has arrived:\n",
            Drill::Refused => "Then, without a drill:\n",
        };
    }
    for (action, what, change) in moves {
        let (mark, style) = if action == "remove" { ('-', RED) } else { ('~', YELLOW) };
        let _ = writeln!(text, "{}", format!("{style}{mark}{style:#} {what}  {change}").trim_end());
    }
    text
}

pub fn question(old: &Old, remove: bool) -> String {
    match (remove, &old.function) {
        (false, _) => format!("disable the rule {}", old.rule.name),
        (true, None) => format!("remove the rule {}", old.rule.name),
        (true, Some(function)) => format!(
            "remove the rule {} and the function {}, whose code cannot be brought back (who calls it by IAM alone, as Step Functions, Scheduler or another function may, cannot be seen)",
            old.rule.name, function.name
        ),
    }
}

/// What is there now, and what is left to somebody.
pub fn afterwards(args: &Args, old: &Old, config: &Config, common: &Common, world: &World) {
    if common.quiet {
        return;
    }
    let name = &old.rule.name;
    let mut text = match (args.remove_old, &old.function) {
        (false, _) => format!(
            "The rule {name} is disabled. `aws events enable-rule --name {name}` brings it back; the same command with --remove-old removes it and its function.\n"
        ),
        (true, None) => format!("The rule {name} is removed.\n"),
        (true, Some(function)) => format!(
            "The rule {name} and the function {} are removed. Its role and its log group stay: `aws logs delete-log-group --log-group-name {}`, and `aws iam delete-role --role-name {}` once no policy hangs on it.\n",
            function.name,
            function.log_group,
            function.role.rsplit('/').next().unwrap_or_default()
        ),
    };
    if let (true, Some(kept)) = (args.keep_pattern, config.patterns.first()) {
        let stack = Stack { name: config.stack.clone(), region: String::new() };
        let _ = writeln!(
            text,
            "The pattern is in AWS alone. For `drift` and `setup`, save it and give it as --pattern {0}.json:\n  aws events describe-rule --name {1} --query EventPattern --output text >{0}.json",
            kept.name,
            stack.rule_name(&kept.name)
        );
    }
    world.err.print(&text);
}

/// The lines for a file that says nothing of the stack.
pub fn lines_for(file: &File, args: &Args, config: &Config, common: &Common) -> String {
    let Config { stack, clusters, patterns, .. } = config;
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    // The tag of the fleet is not on it yet.
    let joins =
        file.fleet.as_ref().map(|_| format!(" (once `taskbell setup --stack {stack}` made it one of the fleet)"));
    let mut text = format!(
        "{} says nothing of the stack {stack}. With these lines, and a key for each other flag of this command, `taskbell drift --all` watches it{}:\n[[stack]]\n",
        file.path.display(),
        joins.unwrap_or_default()
    );
    if clusters.first().is_none_or(|cluster| cluster.name() != stack.as_str()) {
        let _ = writeln!(text, "name = \"{stack}\"");
    }
    let _ = writeln!(text, "clusters = {}", list(clusters.iter().map(|cluster| format!("\"{cluster}\"")).collect()));
    let site = &file.defaults.site;
    for (key, flag, wider) in [("region", &common.region, &site.region), ("profile", &common.profile, &site.profile)] {
        if let Some(value) = flag.as_ref().filter(|_| flag != wider) {
            let _ = writeln!(text, "{key} = \"{value}\"");
        }
    }
    if let (true, Some(kept)) = (args.keep_pattern, patterns.first()) {
        let _ = writeln!(text, "patterns = [\"{}.json\"]", kept.name);
    }
    text
}
