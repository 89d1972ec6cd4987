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

/// The completer for bash, based on clap's. Bash splits `--flag=value` into three words; clap expects two. Bash removes the quote in
/// front of the word at the cursor; the script also passes the line, which has the quote.
struct Bash;

/// The script for bash.
const SCRIPT: &str = r#"
_taskbell() {
    local IFS=$'\013\n' words=("${COMP_WORDS[@]}")
    # Older versions of bash do not split words at = and :, as the second argument is split.
    if [[ ${BASH_VERSINFO[0]} -ge 4 ]]; then
        words[COMP_CWORD]=$2
    fi
    compopt +o nospace 2>/dev/null
    # An assignment in parentheses would replace patterns by names of files, which read does not do.
    read -r -d '' -a COMPREPLY <<<"$(
        VARIABLE=bash _CLAP_COMPLETE_INDEX=$COMP_CWORD _TASKBELL_COMPLETE_LINE=${COMP_LINE:0:COMP_POINT} COMPLETER -- "${words[@]}"
    )"
    if [[ ${COMPREPLY-} =~ [=/:]$ ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}
if [[ ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 || ${BASH_VERSINFO[0]} -gt 4 ]]; then
    complete -o nospace -o bashdefault -o nosort -F _taskbell NAME
else
    complete -o nospace -o bashdefault -F _taskbell NAME
fi
"#;

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
        _name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> std::io::Result<()> {
        let script = SCRIPT.replace("VARIABLE", var).replace("NAME", bin).replace("COMPLETER", completer);
        buf.write_all(script.as_bytes())
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
