//! Recreates stacks as earlier versions left them: for each version, from the writes with which that version set a stack up.

use std::io::{Cursor, Write};
use std::path::PathBuf;

use aws_config::SdkConfig;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::WEBHOOK;
use crate::support::recorder::{Sent, again};

/// A stack as one version leaves it.
#[derive(Serialize, Deserialize)]
pub struct Left {
    pub version: String,
    /// The flags of `setup`.
    pub flags: String,
    pub role_id: String,
    pub calls: Vec<Sent>,
}

pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/upgrade"))
}

pub fn all() -> Vec<Left> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
}

impl Left {
    /// Adds a file to the notifier's archive that no other version has, so that there is always an upgrade.
    pub fn marked(mut self) -> Self {
        for call in self.calls.iter_mut().filter(|call| call.action == "lambda:CreateFunction") {
            let mut body: Value = serde_json::from_str(&call.body).unwrap();
            let code = STANDARD.decode(body["Code"]["ZipFile"].as_str().unwrap()).unwrap();
            let mut archive = zip::ZipWriter::new_append(Cursor::new(code)).unwrap();
            archive.start_file("version", zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(self.version.as_bytes()).unwrap();
            body["Code"]["ZipFile"] = json!(STANDARD.encode(archive.finish().unwrap().into_inner()));
            call.body = body.to_string();
        }
        self
    }

    /// Replaces the webhook. No code of taskbell decrypts the webhook.
    pub fn ringing(mut self, webhook: &str) -> Self {
        for call in self.calls.iter_mut().filter(|call| call.action == "ssm:PutParameter") {
            call.body = call.body.replace(WEBHOOK, webhook);
        }
        self
    }

    pub async fn recreate(&self, sdk: &SdkConfig, endpoint: Option<&str>) {
        again(sdk, endpoint, self.calls.clone(), &self.role_id).await;
    }
}
