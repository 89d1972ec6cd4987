//! Checks `doctor` as a process: without credentials, and with an obstacle between the process and AWS.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// Runs the binary in its own folder, with only this environment.
fn process(line: &str, environment: &[(&str, &str)]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
    command.args(line.split_whitespace()).env_clear().env("HOME", home.path()).current_dir(home.path());
    command.env("AWS_EC2_METADATA_DISABLED", "true").envs(environment.iter().copied()).stdin(Stdio::null());
    command.output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

const KEYS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "hunter2"), ("AWS_REGION", "eu-west-1")];

#[test]
fn missing_credentials_are_broken_with_a_hint() {
    let output = process("doctor", &[("AWS_DEFAULT_REGION", "eu-west-1")]);
    let told = out(&output);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(told.contains("✗ credentials") && told.contains("aws sso login"), "{told}");
    assert!(told.contains("eu-west-1, from AWS_DEFAULT_REGION"), "{told}");
}

/// Starts a server that answers every connection with these bytes.
fn server(answer: &'static [u8]) -> String {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
        }
    });
    address
}

#[test]
fn each_obstacle_on_the_way_to_aws_is_named() {
    let plain = format!("https://{}", server(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"));
    let refusing =
        format!("http://{}", server(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"));
    for (variable, value, told) in [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "✗ STS              cannot be reached"),
        ("AWS_ENDPOINT_URL", "http://nowhere.invalid", "✗ STS              the host name could not be resolved"),
        ("AWS_ENDPOINT_URL", plain.as_str(), "✗ STS              the server's certificate is not trusted"),
        ("HTTPS_PROXY", refusing.as_str(), "✗ STS              the proxy refuses the connection"),
        ("HTTPS_PROXY", "http://127.0.0.1:9", "✗ STS              "),
    ] {
        let output = process("doctor", &[KEYS[0], KEYS[1], KEYS[2], (variable, value)]);
        let printed = out(&output);
        assert_eq!(output.status.code(), Some(1), "{value}: {printed}");
        assert!(printed.contains(told), "{value}: {printed}");
        assert!(printed.contains("eu-west-1, from AWS_REGION"), "{printed}");
        assert!(printed.contains("found: AWS_ACCESS_KEY_ID in the environment"), "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn json_output_has_the_result_of_every_check() {
    let output = process("doctor --output json", &KEYS[2..]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["ok"], false);
    for check in object["checks"].as_array().unwrap() {
        assert!(check["check"].is_string() && check["told"].is_string(), "{check}");
        assert!([json!(true), json!(false), Value::Null].contains(&check["ok"]), "{check}");
        assert!(check["ok"] == true || check["hint"].is_string(), "{check}");
    }
}
