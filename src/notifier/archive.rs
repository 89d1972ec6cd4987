//! Packs the notifier's code, the files of `lambda/`, in a zip archive whose bytes depend on these files alone.

use std::io::{Cursor, Write};
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::{Error, Result};

macro_rules! files {
    ($($name:literal)*) => { [$(($name, include_str!(concat!("../../lambda/", $name)))),*] };
}

/// The notifier's modules by their paths in `lambda/`, sorted.
const FILES: [(&str, &str); 49] = files! {
    "core/batch.mjs"
    "core/blame.mjs"
    "core/causes.mjs"
    "core/credentials.mjs"
    "core/cron.mjs"
    "core/destinations.mjs"
    "core/digest.mjs"
    "core/executions.mjs"
    "core/fields.mjs"
    "core/incident.mjs"
    "core/ledger.mjs"
    "core/links.mjs"
    "core/overdue.mjs"
    "core/patterns.mjs"
    "core/reasons.mjs"
    "core/records.mjs"
    "core/recovery.mjs"
    "core/services.mjs"
    "core/summary.mjs"
    "core/text.mjs"
    "core/unanswered.mjs"
    "core/watched.mjs"
    "handler.mjs"
    "index.mjs"
    "io/aws.mjs"
    "io/delivery.mjs"
    "io/post.mjs"
    "io/secret.mjs"
    "io/sender.mjs"
    "memory/announcements.mjs"
    "memory/ledger.mjs"
    "memory/table.mjs"
    "places/answers.mjs"
    "places/discord.mjs"
    "places/kinds.mjs"
    "places/mrkdwn.mjs"
    "places/parts.mjs"
    "places/slack-message.mjs"
    "places/slack.mjs"
    "places/sns.mjs"
    "places/teams.mjs"
    "places/webhook.mjs"
    "watch/clusters.mjs"
    "watch/deadline.mjs"
    "watch/ledgers.mjs"
    "watch/reason.mjs"
    "watch/summary.mjs"
    "watch/sweep.mjs"
    "watch/zone.mjs"
};

/// Returns the paths of all modules in `lambda/`.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.into_iter().map(|(name, _)| name)
}

/// Returns the modules without I/O, with their texts. Other engines than Node.js can run them.
pub fn pure() -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_pure =
        |name: &str| name.starts_with("core/") || name.starts_with("places/") || name == "memory/announcements.mjs";
    FILES.into_iter().filter(move |(name, _)| is_pure(name))
}

/// The archive to upload.
#[derive(Debug, Clone)]
pub struct Archive {
    pub bytes: Vec<u8>,
    /// The SHA-256 of the bytes in base64, as Lambda returns it.
    pub code_sha256: String,
}

/// Returns the archive, with the same bytes on every machine: files in the order of their names, one fixed date, readable by
/// everybody. The compressed bytes depend only on the implementation of deflate, whose exact version Cargo.toml pins.
///
/// # Errors
/// If the archive cannot be written to memory.
pub fn archive() -> Result<Archive> {
    // Pack only once, because a fleet asks for the archive for each stack.
    static PACKED: OnceLock<Archive> = OnceLock::new();
    if let Some(archive) = PACKED.get() {
        return Ok(archive.clone());
    }
    let bytes = zip().map_err(|error| Error::new("could not pack the notifier").because(error))?;
    let code_sha256 = STANDARD.encode(Sha256::digest(&bytes));
    Ok(PACKED.get_or_init(|| Archive { bytes, code_sha256 }).clone())
}

fn zip() -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    for (name, text) in FILES {
        archive.start_file(name, options)?;
        archive.write_all(text.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn archive_is_reproducible_and_small() {
        let one = archive().unwrap();
        assert_eq!(one.bytes, zip().unwrap());
        assert!(one.bytes.len() < 200_000, "{} bytes", one.bytes.len());
        let mut names = FILES.map(|(name, _)| name);
        names.sort_unstable();
        assert_eq!(names, FILES.map(|(name, _)| name), "sorted by name");
    }

    #[test]
    fn archive_contains_every_module_of_the_notifier() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lambda");
        let mut modules = modules_in(&folder, &folder);
        modules.sort();
        assert_eq!(modules, FILES.map(|(name, _)| name));
    }

    /// Returns the paths of the modules in a folder, without the tests.
    fn modules_in(folder: &Path, root: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let of = |path: PathBuf| match path.is_dir() {
            true if path.ends_with("lambda/test") => Vec::new(),
            true => modules_in(&path, root),
            false if path.extension().is_some_and(|extension| extension == "mjs") => {
                vec![path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/")]
            }
            false => Vec::new(),
        };
        entries.flat_map(of).collect()
    }
}
