//! What `--version` tells: which version, from which commit, with which notifier. `-V` tells the version alone.

use std::ffi::OsStr;
use std::sync::LazyLock;

use crate::notifier::archive::archive;

/// The archive is packed for it, which `--help` must not wait for.
static LONG: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("TASKBELL_COMMIT").map(|commit| format!("\ncommit    {commit}"));
    let notifier = archive().ok().map(|archive| format!("\nnotifier  {}", archive.code_sha256));
    let more = [commit, notifier].into_iter().flatten().collect::<String>();
    format!("{}{more}", env!("CARGO_PKG_VERSION"))
});

/// The long text, if it is asked for.
pub fn told(command: clap::Command, arguments: &[impl AsRef<OsStr>]) -> clap::Command {
    match arguments.iter().any(|argument| argument.as_ref() == "--version") {
        true => command.long_version(LONG.as_str()),
        false => command,
    }
}
