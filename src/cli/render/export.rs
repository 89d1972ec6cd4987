//! Renders the output of `export`: templates, and the notes about their use.

use std::path::Path;

use serde_json::{Value, json};

use super::json::document;
use crate::export::cloudformation::{CODE_PREFIX, LONGEST_BODY};
use crate::export::{Blank, Blueprint, code_file};
use crate::input::visible_json;
use crate::notifier::archive::Archive;

/// Returns the text of a template. A template that would be too long for a request has no line breaks.
pub fn template(template: &Value) -> String {
    Some(document(template))
        .filter(|text| text.len() <= LONGEST_BODY)
        .unwrap_or_else(|| visible_json(&format!("{template}\n")))
}

/// Returns the note about the template's needs.
pub fn needs_of_template(blueprint: &Blueprint) -> String {
    format!(
        "note: the template needs --capabilities CAPABILITY_NAMED_IAM, and the archive of `taskbell export notifier` as {CODE_PREFIX}{} in \
         the bucket{}\n",
        blueprint.code_file,
        and_the_webhook(blueprint)
    )
}

/// Returns the warning about a template that is too long for a request, if it is.
pub fn too_long(template: &str) -> String {
    if template.len() <= LONGEST_BODY {
        return String::new();
    }
    format!(
        "warning: the template is {} bytes long; above {LONGEST_BODY}, CloudFormation accepts it only from a bucket: use \
         `aws cloudformation deploy --s3-bucket`, or --template-url\n",
        template.len()
    )
}

/// Returns the note about the needs of a Terraform configuration.
pub fn needs_of_configuration(blueprint: &Blueprint) -> String {
    format!(
        "note: the configuration needs the file that `taskbell export notifier --to notifier.zip` writes{}\n",
        and_the_webhook(blueprint)
    )
}

/// Returns the part of the note that names the webhook's parameter, if the stack has one.
fn and_the_webhook(blueprint: &Blueprint) -> String {
    let of_webhook = blueprint.defaults.iter().find(|(blank, _)| *blank == Blank::WebhookParameter);
    of_webhook.map(|(_, name)| format!(", and the SecureString {name}")).unwrap_or_default()
}

/// Describes the archive that was written to the file.
pub fn archive(archive: &Archive, file: &Path) -> String {
    let (file, bytes, sha) = (file.display(), archive.bytes.len(), &archive.code_sha256);
    format!("file        {file}\nbytes       {bytes}\nCodeSha256  {sha}\nkey         {}\n", key(archive))
}

/// Describes the archive that was written to the file, as an object.
pub fn archive_object(archive: &Archive, file: &Path) -> Value {
    json!({
        "file": file.display().to_string(),
        "bytes": archive.bytes.len(),
        "code_sha256": archive.code_sha256,
        "key": key(archive),
    })
}

fn key(archive: &Archive) -> String {
    format!("{CODE_PREFIX}{}", code_file(archive))
}
