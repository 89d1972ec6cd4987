//! Runs `man`: writes the help as manual pages.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use clap_mangen::Man;

use crate::cli::terminal::{World, pager, whole_file};
use crate::error::{Error, Result, nearest};

/// Show a page of the manual, or write all pages into a folder.
///
/// On a terminal, shows the page in your pager: MANPAGER, or else PAGER, or else less. Elsewhere, prints it as `man` reads it.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell man setup
  taskbell man | man -l -
  taskbell man pattern test >taskbell-pattern-test.1
  taskbell man --to /usr/local/share/man/man1")]
pub struct Args {
    /// The command to print the page of [default: taskbell itself]
    #[arg(value_name = "COMMAND", conflicts_with = "to")]
    words: Vec<String>,
    /// The folder to write all pages into; created if it does not exist
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

pub async fn run(args: &Args, command: clap::Command, world: &World) -> Result<u8> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    if let Some(folder) = &args.to {
        write_all(&command, folder).map_err(|error| {
            Error::new(format!("could not write the manual into {}", folder.display())).because(error)
        })?;
    } else {
        let found = find(&command, &args.words)?;
        match world.out_is_terminal {
            true => pager::show(&words(found, world.columns), world).await,
            false => world.out.print(&page(found)),
        }
    }
    Ok(0)
}

fn find<'a>(command: &'a clap::Command, words: &[String]) -> Result<&'a clap::Command> {
    let Some((first, rest)) = words.split_first() else { return Ok(command) };
    if let Some(found) = command.find_subcommand(first) {
        return find(found, rest);
    }
    let error = Error::usage(format!("unknown command {first}"));
    let names = command.get_subcommands().filter(|one| !one.is_hide_set()).map(clap::Command::get_name);
    Err(match nearest(names, first) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("`taskbell --help` lists the commands"),
    })
}

fn write_all(command: &clap::Command, folder: &Path) -> Result<()> {
    let failed = |error| Error::new("could not create the folder").because(error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    for inner in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        write_all(inner, folder)?;
    }
    whole_file::write(&folder.join(Man::new(command.clone()).get_filename()), page(command))
}

/// Returns the page as a person reads it, without styles: not every pager shows them.
fn words(command: &clap::Command, columns: usize) -> String {
    command.clone().term_width(columns).render_long_help().to_string()
}

/// Returns the page as `man` reads it.
fn page(command: &clap::Command) -> String {
    let mut bytes = Vec::new();
    // Writing to memory cannot fail.
    let _ = Man::new(command.clone()).manual("taskbell").render(&mut bytes);
    // The text after the help consists of examples, and begins with a heading that says so.
    String::from_utf8_lossy(&bytes)
        .replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n")
        .replace(".SH EXTRA\nExample:\n", ".SH EXAMPLE\n")
}
