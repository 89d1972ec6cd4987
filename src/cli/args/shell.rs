//! Defines the shells that can complete words.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use clap::{Command, ValueEnum};
use clap_complete::engine::complete;
use clap_complete::env::{self, EnvCompleter};

use crate::cli::terminal::completion_index;

/// A shell that can complete words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
}

impl Shell {
    /// Returns clap's completer for the shell, or taskbell's own.
    pub fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Zsh => &env::Zsh,
            Self::Fish => &env::Fish,
            Self::Powershell => &env::Powershell,
            Self::Elvish => &env::Elvish,
        }
    }
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
