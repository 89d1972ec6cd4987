//! The notifier's code: the files of `lambda/`, as one zip archive whose bytes depend on nothing but them.

use std::io::{Cursor, Write};
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::{Error, Result};

const FILES: [(&str, &str); 25] = [
    ("announcements.mjs", include_str!("../lambda/announcements.mjs")),
    ("answers.mjs", include_str!("../lambda/answers.mjs")),
    ("aws.mjs", include_str!("../lambda/aws.mjs")),
    ("blame.mjs", include_str!("../lambda/blame.mjs")),
    ("causes.mjs", include_str!("../lambda/causes.mjs")),
    ("credentials.mjs", include_str!("../lambda/credentials.mjs")),
    ("delivery.mjs", include_str!("../lambda/delivery.mjs")),
    ("destinations.mjs", include_str!("../lambda/destinations.mjs")),
    ("digest.mjs", include_str!("../lambda/digest.mjs")),
    ("discord.mjs", include_str!("../lambda/discord.mjs")),
    ("incident.mjs", include_str!("../lambda/incident.mjs")),
    ("index.mjs", include_str!("../lambda/index.mjs")),
    ("mrkdwn.mjs", include_str!("../lambda/mrkdwn.mjs")),
    ("parts.mjs", include_str!("../lambda/parts.mjs")),
    ("post.mjs", include_str!("../lambda/post.mjs")),
    ("reasons.mjs", include_str!("../lambda/reasons.mjs")),
    ("secret.mjs", include_str!("../lambda/secret.mjs")),
    ("sender.mjs", include_str!("../lambda/sender.mjs")),
    ("slack-message.mjs", include_str!("../lambda/slack-message.mjs")),
    ("slack.mjs", include_str!("../lambda/slack.mjs")),
    ("sns.mjs", include_str!("../lambda/sns.mjs")),
    ("table.mjs", include_str!("../lambda/table.mjs")),
    ("teams.mjs", include_str!("../lambda/teams.mjs")),
    ("text.mjs", include_str!("../lambda/text.mjs")),
    ("webhook.mjs", include_str!("../lambda/webhook.mjs")),
];

/// The text of one file of it.
#[must_use]
pub fn source(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(file, _)| *file == name).map(|(_, text)| *text)
}

/// The archive to upload.
#[derive(Debug, Clone)]
pub struct Archive {
    pub bytes: Vec<u8>,
    /// As Lambda gives it: base64 of the SHA-256 of the bytes.
    pub code_sha256: String,
}

/// The same bytes on every machine: files in order of their names, one fixed date, readable by everybody. What
/// deflate makes of them depends on its implementation alone, whose version Cargo.toml pins to the digit.
///
/// # Errors
/// If the archive cannot be written to memory.
pub fn archive() -> Result<Archive> {
    // Packed once: a fleet asks for each of its stacks.
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
    use super::*;

    #[test]
    fn the_archive_is_the_same_every_time_and_small() {
        let one = archive().unwrap();
        assert_eq!(one.bytes, zip().unwrap());
        assert!(one.bytes.len() < 90_000, "{} bytes", one.bytes.len());
        let mut names = FILES.map(|(name, _)| name);
        names.sort_unstable();
        assert_eq!(names, FILES.map(|(name, _)| name), "sorted by name");
    }

    #[test]
    fn every_module_of_the_notifier_is_in_it() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/lambda");
        let mut modules: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.rsplit('.').next() == Some("mjs"))
            .collect();
        modules.sort();
        assert_eq!(modules, FILES.map(|(name, _)| name));
    }
}
