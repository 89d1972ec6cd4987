//! Completes words in the shell: `completions` prints a script, and this module answers the script's requests. Names of stacks and
//! clusters come from the file at once; if no name in the file fits, from AWS, within two seconds.
//! Completion never asks and never reports an error: a name that cannot be looked up is not offered.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::{Args as ClapArgs, Command, ValueEnum};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _, complete};
use clap_complete::env::{self, EnvCompleter};
use tokio::time::timeout;

use crate::aws::calls::{cluster, tagged};
use crate::cli::args::common::{Color, Common, Format};
use crate::cli::terminal::{World, completion_index};
use crate::config::Cluster;
use crate::config::file::{File, Member};
use crate::error::{Error, Result};
use crate::pattern::CATALOGUE;
use crate::pattern::samples::{SAMPLES, without_number};

/// The environment variable with the name of the shell. With the variable, and `--` as the first argument, taskbell prints words to
/// complete instead of running a command.
pub const VARIABLE: &str = "TASKBELL_COMPLETE";
/// The longest wait for names from AWS.
const PATIENCE: Duration = Duration::from_secs(2);

/// Print the script by which a shell completes what is typed.
///
/// Commands, flags, and the names of stacks, clusters, patterns and samples. The script calls taskbell for each completion, so it always fits the version that is installed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  eval \"$(taskbell completions bash)\"                        in ~/.bashrc
  eval \"$(taskbell completions zsh)\"                         in ~/.zshrc, after compinit
  taskbell completions fish | source                         in ~/.config/fish/config.fish
  taskbell completions powershell | Out-String | Invoke-Expression
  eval (taskbell completions elvish | slurp)                 in rc.elv")]
pub struct Args {
    /// The shell it is for
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
}

impl Shell {
    fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Zsh => &env::Zsh,
            Self::Fish => &env::Fish,
            Self::Powershell => &env::Powershell,
            Self::Elvish => &env::Elvish,
        }
    }
}

pub fn run(args: &Args, world: &World) -> Result<u8> {
    let mut script = Vec::new();
    let written = args.shell.completer().write_registration(VARIABLE, "taskbell", "taskbell", "taskbell", &mut script);
    written.map_err(|error| Error::new("could not write the script").because(error))?;
    world.out.print(&String::from_utf8_lossy(&script));
    Ok(0)
}

/// The kinds of names that taskbell can ask AWS for.
#[derive(Debug, Clone, Copy)]
enum Names {
    Clusters,
    Stacks,
}

/// The known names, and the kind of names for which no known name fitted.
#[derive(Clone, Default)]
struct Known {
    clusters: Vec<String>,
    stacks: Vec<String>,
    missing: Arc<Mutex<Option<Names>>>,
}

/// Prints the words that can complete the word at the cursor. `arguments` come from the shell's script: `taskbell -- WORD…`.
pub async fn answer(shell: &str, arguments: &[OsString], command: fn() -> Command, world: &World) {
    let Ok(shell) = Shell::from_str(shell, true) else { return };
    let words: Vec<OsString> = arguments.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
    let file = File::find(said(&words, "config").map(PathBuf::from).as_deref()).ok().flatten().unwrap_or_default();
    let mut known = Known::of(&file);
    let mut told = candidates(shell, &words, command(), &known);
    let missing = *known.missing.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(names) = missing
        && let Ok(Some(found)) = timeout(PATIENCE, look(names, &words, &file, world)).await
    {
        match names {
            Names::Clusters => known.clusters = found,
            Names::Stacks => known.stacks = found,
        }
        told = candidates(shell, &words, command(), &known);
    }
    world.out.print(&told);
}

fn candidates(shell: Shell, words: &[OsString], command: Command, known: &Known) -> String {
    let mut bytes = Vec::new();
    let mut command = completed(command, known);
    let written = shell.completer().write_complete(&mut command, words.to_vec(), Some(Path::new(".")), &mut bytes);
    written.map(|()| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Asks AWS for names. Returns `None` after any failure.
async fn look(names: Names, words: &[OsString], file: &File, world: &World) -> Option<Vec<String>> {
    let flags = Common {
        stacks: Vec::new(),
        config: None,
        region: said(words, "region"),
        profile: said(words, "profile"),
        output: Format::Text,
        color: Color::Never,
        verbose: false,
        quiet: true,
        assumed: None,
    };
    let sdk = world.connections.to(&flags.at(&file.defaults).site()).await.ok()?.sdk;
    match names {
        Names::Clusters => cluster::names(&sdk).await.ok(),
        Names::Stacks => Some(tagged::stacks(&sdk, None).await.ok()?.into_iter().collect()),
    }
}

/// Returns the value of a flag, if it is typed already. A shell may split `--flag=value` into three words.
fn said(words: &[OsString], flag: &str) -> Option<String> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).filter(|word| *word != "=").collect();
    let joined = format!("--{flag}=");
    let values = words.iter().zip(words.iter().skip(1).chain([&""])).filter_map(|(word, next)| {
        word.strip_prefix(&joined).or_else(|| (word.strip_prefix("--") == Some(flag)).then_some(*next))
    });
    values.filter(|value| !value.is_empty()).last().map(str::to_owned)
}

impl Known {
    fn of(file: &File) -> Self {
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

    fn completer(&self, names: Names) -> ArgValueCompleter {
        let (known, missing) = match names {
            Names::Clusters => (self.clusters.clone(), Arc::clone(&self.missing)),
            Names::Stacks => (self.stacks.clone(), Arc::clone(&self.missing)),
        };
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
fn completed(command: Command, known: &Known) -> Command {
    let command = command.mut_args(|argument| match argument.get_id().as_str() {
        "clusters" => argument.add(known.completer(Names::Clusters)),
        "stack" => argument.add(known.completer(Names::Stacks)),
        "pattern" | "patterns" => argument.add(ArgValueCompleter::new(patterns)),
        "event" | "events" => argument.add(ArgValueCompleter::new(samples)),
        _ => argument,
    });
    command.mut_subcommands(|inner| completed(inner, known))
}

/// Completes patterns of the catalogue, or else the path of a file.
fn patterns(begun: &OsStr) -> Vec<CompletionCandidate> {
    let named = CATALOGUE.iter().map(|entry| CompletionCandidate::new(entry.name).help(Some(entry.rings.into())));
    or_path(beginning(begun, named), begun)
}

/// Completes samples by their short names, or else by their full names, or else the path of a file.
fn samples(begun: &OsStr) -> Vec<CompletionCandidate> {
    let named = |name: fn(&'static str) -> &'static str| {
        let candidate =
            move |name: &'static str, title: &'static str| CompletionCandidate::new(name).help(Some(title.into()));
        beginning(begun, SAMPLES.iter().map(move |sample| candidate(name(sample.name), sample.title)))
    };
    let short = named(without_number);
    or_path(if short.is_empty() { named(|name| name) } else { short }, begun)
}

fn or_path(named: Vec<CompletionCandidate>, begun: &OsStr) -> Vec<CompletionCandidate> {
    if named.is_empty() { PathCompleter::any().complete(begun) } else { named }
}

/// The completer for bash, based on clap's. Bash splits `--flag=value` into three words; clap expects two.
struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        env::Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        env::Bash.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> std::io::Result<()> {
        env::Bash.write_registration(var, name, bin, completer, buf)
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        buf: &mut dyn Write,
    ) -> std::io::Result<()> {
        let index = completion_index();
        let signs = words.iter().take(index).filter(|word| *word == "=").count();
        let words: Vec<OsString> = words
            .into_iter()
            .enumerate()
            .filter(|(at, word)| *at == index || word != "=")
            .map(|(_, word)| word)
            .collect();
        let candidates = complete(command, words, index - signs, folder)?;
        let values: Vec<_> = candidates.iter().map(|candidate| candidate.get_value().to_string_lossy()).collect();
        // The script splits the output at this character.
        buf.write_all(values.join("\u{b}").as_bytes())
    }
}
