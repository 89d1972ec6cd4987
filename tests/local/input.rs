//! Checks that the binary reads standard input as it reads files.

use std::io::Write;
use std::process::{Command, Stdio};

const EVENT: &str = include_str!("../../patterns/events/02-oom.json");

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

/// Runs the binary with these bytes on standard input, and returns its exit code and stderr.
fn typed(line: &str, input: &[u8]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
    command.args(line.split(' ')).env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn standard_input_is_read_like_files() {
    for (line, text, code) in [
        ("preview -", EVENT, 0),
        ("pattern test -", EVENT, 0),
        ("setup --cluster batch --dry-run --slack-webhook-url-stdin", "https://example.com/x", 64),
    ] {
        let plain = typed(line, text.as_bytes());
        assert_eq!(plain.0, Some(code), "{line}: {plain:?}");
        assert_eq!(typed(line, format!("\u{feff}{text}").as_bytes()), plain, "{line}");
        let (code, told) = typed(line, &utf16(&format!("\u{feff}{text}"), u16::to_le_bytes));
        assert!(code == Some(64) && told.contains("standard input is UTF-16 text"), "{line}: {told}");
        let (code, told) = typed(line, b"{\n\xe9");
        assert!(
            code == Some(64) && told.contains("standard input is not UTF-8 text: byte 0xe9 at line 2 column 1"),
            "{told}"
        );
    }
}
