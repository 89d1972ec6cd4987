//! Gives the binary the commit from which it is built, for `taskbell --version`. Only release builds receive the commit: other
//! builds would be compiled again after every commit.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "how a build script reads and speaks")]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let (profile, root) = (std::env::var("PROFILE"), std::env::var("CARGO_MANIFEST_DIR"));
    let (Ok("release"), Ok(root)) = (profile.as_deref(), root) else { return };
    let root = Path::new(&root);
    if let Some(commit) = commit(root) {
        println!("cargo::rustc-env=TASKBELL_COMMIT={commit}");
    }
    for path in watched(root) {
        println!("cargo::rerun-if-changed={path}");
    }
}

/// Finds the commit: a crate's archive contains the commit from which it was packed; a checkout has git. None: the commit is not
/// known, and `--version` does not show one.
pub(crate) fn commit(root: &Path) -> Option<String> {
    if let Ok(told) = std::fs::read_to_string(root.join(".cargo_vcs_info.json")) {
        let sha = told.split("\"sha1\"").nth(1)?.split('"').nth(1)?;
        return Some(named(sha, told.contains("\"dirty\": true")));
    }
    // An archive that was unpacked inside another repository is not a part of that repository.
    let own = git(root, &["rev-parse", "--show-prefix"])?.is_empty();
    let sha = git(root, &["rev-parse", "HEAD"]).filter(|_| own)?;
    let changed = git(root, &["status", "--porcelain", "--untracked-files=no"])?;
    Some(named(&sha, !changed.is_empty()))
}

fn named(sha: &str, dirty: bool) -> String {
    format!("{}{}", sha.get(..10).unwrap_or(sha), if dirty { "-dirty" } else { "" })
}

/// Returns the existing paths on which the commit depends. Cargo would run this script in every build for a path that does not
/// exist.
pub(crate) fn watched(root: &Path) -> Vec<String> {
    let sources = ["src", "lambda", "patterns", "Cargo.toml", "Cargo.lock"].map(str::to_owned);
    let head = git(root, &["symbolic-ref", "--quiet", "HEAD"]);
    let of_git = ["HEAD", "index", "packed-refs"].map(str::to_owned).into_iter().chain(head);
    let of_git = of_git.filter_map(|name| git(root, &["rev-parse", "--git-path", &name]));
    sources.into_iter().chain(of_git).filter(|path| root.join(path).exists()).collect()
}

/// Returns the output of git; none: git is not installed, or refuses.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
