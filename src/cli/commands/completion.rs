//! Completes words in the shell: `completions` prints a script, and this module answers the script's requests. Names of stacks and
//! clusters come from the file at once; if no name in the file fits, from AWS, within two seconds.
//! Completion never asks and never reports an error: a name that cannot be looked up is not offered.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Command, ValueEnum as _};
use tokio::time::timeout;

use crate::aws::calls::{cluster, tagged};
use crate::cli::args::common::{Color, Common, Format};
use crate::cli::args::completion::{Known, Names, candidates, said};
use crate::cli::args::shell::Shell;
use crate::cli::terminal::World;
use crate::config::file::File;
use crate::error::{Error, Result};

/// The environment variable with the name of the shell. With the variable, and `--` as the first argument, taskbell prints words to
/// complete instead of running a command.
pub const VARIABLE: &str = "TASKBELL_COMPLETE";
/// The longest wait for names from AWS.
const PATIENCE: Duration = Duration::from_secs(2);

/// Print the script for completion in your shell.
///
/// The script completes commands, flags, and the names of stacks, clusters, patterns and samples. The script calls taskbell for each completion, so that the words always match the installed version.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  eval \"$(taskbell completions bash)\"                        in ~/.bashrc
  eval \"$(taskbell completions zsh)\"                         in ~/.zshrc, after compinit
  taskbell completions fish | source                         in ~/.config/fish/config.fish
  taskbell completions powershell | Out-String | Invoke-Expression
  eval (taskbell completions elvish | slurp)                 in rc.elv")]
pub struct Args {
    /// The shell to print the script for
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(args: &Args, world: &World) -> Result<u8> {
    let mut script = Vec::new();
    let written = args.shell.completer().write_registration(VARIABLE, "taskbell", "taskbell", "taskbell", &mut script);
    written.map_err(|error| Error::new("could not write the script").because(error))?;
    world.out.print(&String::from_utf8_lossy(&script));
    Ok(0)
}

/// Prints the words that can complete the word at the cursor. `arguments` come from the shell's script: `taskbell -- WORD…`.
pub async fn answer(shell: &str, arguments: &[OsString], command: fn() -> Command, world: &World) {
    let Ok(shell) = Shell::from_str(shell, true) else { return };
    let words: Vec<OsString> = arguments.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
    let file = File::find(said(&words, "config").map(PathBuf::from).as_deref()).ok().flatten().unwrap_or_default();
    let mut known = Known::of(&file);
    let mut told = candidates(shell, &words, command(), &known);
    if let Some(names) = known.missing()
        && let Ok(Some(found)) = timeout(PATIENCE, look(names, &words, &file, world)).await
    {
        known.replace(names, found);
        told = candidates(shell, &words, command(), &known);
    }
    world.out.pass_words(&told);
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
        has_file: false,
        found: None,
    };
    let sdk = world.connections.to(&flags.at(&file.defaults).site()).await.ok()?.sdk;
    match names {
        Names::Clusters => cluster::names(&sdk).await.ok(),
        Names::Stacks => Some(tagged::stacks(&sdk, None).await.ok()?.into_iter().collect()),
    }
}
