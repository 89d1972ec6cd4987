//! Finds the words that can complete a typed word: commands, flags, and the known names of stacks, clusters, patterns and samples.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Command, ValueHint};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _};

use super::quoting::Quoting;
use super::shell::Shell;
use crate::arn::is_ecs_name;
use crate::cli::terminal::completion_line;
use crate::config::Cluster;
use crate::config::file::{File, Member};
use crate::pattern::CATALOGUE;
use crate::pattern::samples::{SAMPLES, without_number};

/// The kinds of names that taskbell can ask AWS for.
#[derive(Debug, Clone, Copy)]
pub enum Names {
    Clusters,
    Stacks,
}

/// The known names, and the kind of names for which no known name fitted.
#[derive(Clone, Default)]
pub struct Known {
    clusters: Vec<String>,
    stacks: Vec<String>,
    missing: Arc<Mutex<Option<Names>>>,
}

/// Returns the words that can complete the word at the cursor, as the shell's script reads them.
pub fn candidates(shell: Shell, words: &[OsString], command: Command, known: &Known) -> String {
    let mut bytes = Vec::new();
    let quoting = Quoting::at_end(&completion_line(), shell);
    let mut command = completed(command, quoting, known);
    let written = shell.completer().write_complete(&mut command, words.to_vec(), Some(Path::new(".")), &mut bytes);
    written.map(|()| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Returns the value of a flag, if it is typed already. A shell may split `--flag=value` into three words.
pub fn said(words: &[OsString], flag: &str) -> Option<String> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).filter(|word| *word != "=").collect();
    let joined = format!("--{flag}=");
    let values = words.iter().zip(words.iter().skip(1).chain([&""])).filter_map(|(word, next)| {
        word.strip_prefix(&joined).or_else(|| (word.strip_prefix("--") == Some(flag)).then_some(*next))
    });
    values.filter(|value| !value.is_empty()).last().map(str::to_owned)
}

impl Known {
    /// Returns the names in the file.
    pub fn of(file: &File) -> Self {
        let clusters = file.stacks.iter().flat_map(|member: &Member| member.settings.clusters().unwrap_or_default());
        let mut clusters: Vec<String> = clusters.map(|cluster: Cluster| cluster.name().to_owned()).collect();
        clusters.sort();
        clusters.dedup();
        let mut stacks: Vec<String> =
            file.stacks.iter().filter_map(|member| member.name.as_ref()).map(ToString::to_string).collect();
        stacks.sort();
        stacks.dedup();
        Self { clusters, stacks, ..Self::default() }
    }

    /// Returns the kind of names for which no known name fitted.
    pub fn missing(&self) -> Option<Names> {
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the known names of one kind. Leaves out names that no stack and no cluster has: they come from AWS, and a shell would
    /// run what such a name contains.
    pub fn replace(&mut self, names: Names, mut found: Vec<String>) {
        found.retain(|name| is_ecs_name(name));
        match names {
            Names::Clusters => self.clusters = found,
            Names::Stacks => self.stacks = found,
        }
    }

    fn completer(&self, names: Names) -> ArgValueCompleter {
        let known = match names {
            Names::Clusters => self.clusters.clone(),
            Names::Stacks => self.stacks.clone(),
        };
        let missing = Arc::clone(&self.missing);
        ArgValueCompleter::new(move |begun: &OsStr| {
            let fitting = beginning(begun, known.iter().map(CompletionCandidate::new));
            if fitting.is_empty() {
                *missing.lock().unwrap_or_else(PoisonError::into_inner) = Some(names);
            }
            fitting
        })
    }
}

fn beginning(begun: &OsStr, all: impl Iterator<Item = CompletionCandidate>) -> Vec<CompletionCandidate> {
    let begun = begun.to_string_lossy();
    all.filter(|candidate| candidate.get_value().to_string_lossy().starts_with(&*begun)).collect()
}

/// Adds completions to every argument that accepts a name or a path. clap would offer paths without quotes.
fn completed(command: Command, quoting: Quoting, known: &Known) -> Command {
    let command = command.mut_args(|argument| match argument.get_id().as_str() {
        "clusters" | "named" => argument.add(known.completer(Names::Clusters)),
        "stack" => argument.add(known.completer(Names::Stacks)),
        "pattern" | "patterns" => argument.add(ArgValueCompleter::new(move |begun: &OsStr| patterns(begun, quoting))),
        "event" | "events" => argument.add(ArgValueCompleter::new(move |begun: &OsStr| samples(begun, quoting))),
        _ if is_path(argument.get_value_hint()) => {
            argument.add(ArgValueCompleter::new(move |begun: &OsStr| paths(begun, quoting)))
        }
        _ => argument,
    });
    command.mut_subcommands(|inner| completed(inner, quoting, known))
}

fn is_path(hint: ValueHint) -> bool {
    matches!(hint, ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath | ValueHint::ExecutablePath)
}

/// Completes patterns of the catalogue, or else the path of a file.
fn patterns(begun: &OsStr, quoting: Quoting) -> Vec<CompletionCandidate> {
    let named = CATALOGUE.iter().map(|entry| CompletionCandidate::new(entry.name).help(Some(entry.rings.into())));
    or_path(beginning(begun, named), begun, quoting)
}

/// Completes samples by their short names, or else by their full names, or else the path of a file.
fn samples(begun: &OsStr, quoting: Quoting) -> Vec<CompletionCandidate> {
    let named = |name_of: fn(&'static str) -> &'static str| {
        let candidates =
            SAMPLES.iter().map(|sample| CompletionCandidate::new(name_of(sample.name)).help(Some(sample.title.into())));
        beginning(begun, candidates)
    };
    let short = named(without_number);
    or_path(if short.is_empty() { named(|name| name) } else { short }, begun, quoting)
}

fn or_path(named: Vec<CompletionCandidate>, begun: &OsStr, quoting: Quoting) -> Vec<CompletionCandidate> {
    if named.is_empty() { paths(begun, quoting) } else { named }
}

/// Completes the path of a file.
fn paths(begun: &OsStr, quoting: Quoting) -> Vec<CompletionCandidate> {
    let Some((begun, meaning)) = begun.to_str().and_then(|begun| Some((begun, quoting.meaning(begun)?))) else {
        return Vec::new();
    };
    let paths = PathCompleter::any().complete(OsStr::new(&meaning));
    // A path that is not UTF-8, or has hidden characters, cannot be typed either.
    let typed = |path: &CompletionCandidate| {
        let typed = quoting.typed(path.get_value().to_str()?, begun)?;
        Some(CompletionCandidate::new(typed).hide(path.is_hide_set()))
    };
    paths.iter().filter_map(typed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_that_no_stack_has_is_not_offered() {
        let foreign = ["$(touch x)", "a b", "a;reboot", "`id`", "a\nb", "\u{1b}[31m", "", "batch"];
        let mut known = Known::default();
        known.replace(Names::Stacks, foreign.map(str::to_owned).to_vec());
        known.replace(Names::Clusters, foreign.map(str::to_owned).to_vec());
        assert_eq!((known.stacks, known.clusters), (vec!["batch".to_owned()], vec!["batch".to_owned()]));
    }
}
