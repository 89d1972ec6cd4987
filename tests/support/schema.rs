//! Checks printed objects against `schema/output.schema.json`.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Returns a line for each mistake in these objects; each object comes with the name of its definition in the schema.
pub fn mistakes(printed: &[(&str, Value)]) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new(format!("{root}/.local/venv/bin/python"));
    command.arg(format!("{root}/tests/support/schema.py")).arg(format!("{root}/schema/output.schema.json"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_or_else(|_| {
        panic!("run dev/install first (`make test` does)");
    });
    child.stdin.take().unwrap().write_all(json!(printed).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
