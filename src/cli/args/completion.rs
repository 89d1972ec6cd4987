//! Finds the words that can complete a typed word: commands, flags, and the known names of stacks, clusters, patterns and samples.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Command;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _};

use super::shell::Shell;
use crate::config::Cluster;
use crate::config::file::{File, Member};
use crate::input::printable;
use crate::pattern::CATALOGUE;
use crate::pattern::samples::{SAMPLES, without_number};
use crate::stack::StackName;

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
    let mut command = completed(command, shell, known);
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
        // ECS accepts the same characters in a cluster's name as taskbell in a stack's.
        found.retain(|name| name.parse::<StackName>().is_ok());
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

/// Adds completions to every argument that accepts a name.
fn completed(command: Command, shell: Shell, known: &Known) -> Command {
    let command = command.mut_args(|argument| match argument.get_id().as_str() {
        "clusters" => argument.add(known.completer(Names::Clusters)),
        "stack" => argument.add(known.completer(Names::Stacks)),
        "pattern" | "patterns" => argument.add(ArgValueCompleter::new(move |begun: &OsStr| patterns(begun, shell))),
        "event" | "events" => argument.add(ArgValueCompleter::new(move |begun: &OsStr| samples(begun, shell))),
        _ => argument,
    });
    command.mut_subcommands(|inner| completed(inner, shell, known))
}

/// Completes patterns of the catalogue, or else the path of a file.
fn patterns(begun: &OsStr, shell: Shell) -> Vec<CompletionCandidate> {
    let named = CATALOGUE.iter().map(|entry| CompletionCandidate::new(entry.name).help(Some(entry.rings.into())));
    or_path(beginning(begun, named), begun, shell)
}

/// Completes samples by their short names, or else by their full names, or else the path of a file.
fn samples(begun: &OsStr, shell: Shell) -> Vec<CompletionCandidate> {
    let named = |name_of: fn(&'static str) -> &'static str| {
        let candidates =
            SAMPLES.iter().map(|sample| CompletionCandidate::new(name_of(sample.name)).help(Some(sample.title.into())));
        beginning(begun, candidates)
    };
    let short = named(without_number);
    or_path(if short.is_empty() { named(|name| name) } else { short }, begun, shell)
}

fn or_path(named: Vec<CompletionCandidate>, begun: &OsStr, shell: Shell) -> Vec<CompletionCandidate> {
    if !named.is_empty() {
        return named;
    }
    let paths = PathCompleter::any().complete(begun);
    // A path that is not UTF-8, or has hidden characters, cannot be typed either.
    let typed = paths.iter().filter_map(|path| quoted(path.get_value().to_str()?, shell));
    typed.map(CompletionCandidate::new).collect()
}

/// Returns a path as the user would type it, so that the shell runs nothing of it. Shells other than bash and PowerShell quote the
/// words themselves. Returns none for a path with control characters or hidden ones, which the shell would show.
fn quoted(path: &str, shell: Shell) -> Option<String> {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:@%+,=".contains(c);
    if printable(path) != path {
        return None;
    }
    Some(match shell {
        _ if path.chars().all(is_plain) => path.to_owned(),
        Shell::Bash => path.chars().flat_map(|c| (!is_plain(c)).then_some('\\').into_iter().chain([c])).collect(),
        Shell::Powershell => format!("'{}'", path.replace('\'', "''")),
        Shell::Elvish | Shell::Fish | Shell::Zsh => path.to_owned(),
    })
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

    #[test]
    fn path_is_quoted_for_the_shell() {
        let path = "it's $(id).json";
        assert_eq!(quoted(path, Shell::Bash).unwrap(), r"it\'s\ \$\(id\).json");
        assert_eq!(quoted(path, Shell::Powershell).unwrap(), "'it''s $(id).json'");
        assert_eq!(quoted(path, Shell::Zsh).unwrap(), path);
        assert_eq!(quoted("./ops/mine-1.json", Shell::Bash).unwrap(), "./ops/mine-1.json");
        for hidden in ["a\nb", "a\u{1b}[31mb", "a\u{202e}b"] {
            assert_eq!(quoted(hidden, Shell::Fish), None);
        }
    }
}
