//! Checks the tools of developers: what `dev/install` needs, and which Node.js runs functions.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, Runtime};
use zip::write::SimpleFileOptions;

use crate::support::emulator::Emulator;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns whether a file is a script, such as the one by which a version manager finds the real program: scripts need other
/// programs.
fn is_script(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"#!"))
}

/// Checks that a machine needs no Node.js of its own: `dev/install` installs the pinned one, with its npm.
#[cfg(unix)]
#[test]
fn installation_needs_no_node_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["bash", "cargo", "cat", "cc", "dirname", "flock", "mkdir", "python3", "sha256sum"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|folder| folder.join(name))
            .find(|path| path.exists() && !is_script(path));
        let found = found.unwrap_or_else(|| panic!("{name} is not installed"));
        std::os::unix::fs::symlink(found, folder.path().join(name)).unwrap();
    }
    // Everything is installed, so this run only checks the requirements and the marks.
    let done = Command::new(root().join("dev/install")).env("PATH", folder.path()).output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    for tool in ["node", "npm"] {
        let mut run = Command::new(root().join(".local/bin").join(tool));
        let told = run.arg("--version").env("PATH", folder.path()).output().unwrap();
        assert!(told.status.success(), "{tool}: {told:?}");
    }
}

/// Checks that a function on ministack runs on the Node.js that it gets in Lambda.
#[tokio::test]
async fn local_functions_run_on_the_node_of_lambda() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("index.mjs", SimpleFileOptions::default()).unwrap();
    archive.write_all(b"export const handler = async () => process.version;").unwrap();
    let bytes = archive.finish().unwrap().into_inner();
    let aws = Emulator::start("ministack");
    let lambda = aws_sdk_lambda::Client::new(&aws.sdk().await);
    let call = lambda.create_function().function_name("version").handler("index.handler").runtime(Runtime::Nodejs24x);
    let call =
        call.role("arn:aws:iam::123456789012:role/x").code(FunctionCode::builder().zip_file(Blob::new(bytes)).build());
    call.send().await.unwrap();
    let answer = lambda.invoke().function_name("version").send().await.unwrap();
    let version = String::from_utf8(answer.payload().unwrap().as_ref().to_vec()).unwrap();
    let pinned = Command::new(root().join(".local/bin/node")).arg("--version").output().unwrap();
    assert_eq!(version.trim_matches('"'), String::from_utf8(pinned.stdout).unwrap().trim());
    assert!(version.starts_with("\"v24."), "{version}");
}
