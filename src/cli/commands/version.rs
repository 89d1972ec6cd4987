//! Prints version, commit and notifier for `--version`. `-V` prints only the version.

use std::ffi::OsStr;
use std::sync::LazyLock;

use crate::notifier::archive::archive;

/// The long text, built only if it is needed: the text needs a packed archive, and `--help` must not wait for that.
static LONG: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("TASKBELL_COMMIT").map(|commit| format!("\ncommit    {commit}"));
    let notifier = archive().ok().map(|archive| format!("\nnotifier  {}", archive.code_sha256));
    let more = [commit, notifier].into_iter().flatten().collect::<String>();
    format!("{}{more}", env!("CARGO_PKG_VERSION"))
});

/// Adds the long text to the command, if the arguments contain `--version`.
pub fn told(command: clap::Command, arguments: &[impl AsRef<OsStr>]) -> clap::Command {
    match arguments.iter().any(|argument| argument.as_ref() == "--version") {
        true => command.long_version(LONG.as_str()),
        false => command,
    }
}
