//! Checks the parts of a release: workflow, action, image, archives, package. The parts refer to each other, and nothing runs them
//! together before a tag does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

#[path = "../support/script.rs"]
mod script;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use script::executable;
use serde_json::{Value, json};

/// The build script, whose results only a release build contains.
#[path = "../../build.rs"]
#[allow(dead_code, reason = "nobody calls its main here")]
mod build;

const TARGETS: [&str; 5] = [
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
];
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Reads a YAML file with an independent parser.
fn yaml(path: &str) -> Value {
    let read = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let python = root().join(".local/venv/bin/python");
    let output = Command::new(python).args(["-c", read]).arg(root().join(path)).output().unwrap();
    assert!(output.status.success(), "{path}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn workflows() -> Vec<String> {
    let files = std::fs::read_dir(root().join(".github/workflows")).unwrap();
    files.map(|file| format!(".github/workflows/{}", file.unwrap().file_name().display())).collect()
}

/// Returns all steps of all jobs, or of the action.
fn steps(file: &Value) -> Vec<Value> {
    let of = |owner: &Value| owner["steps"].as_array().cloned().unwrap_or_default();
    let jobs = file["jobs"].as_object().into_iter().flatten().flat_map(|(_, job)| of(job));
    jobs.chain(of(&file["runs"])).collect()
}

#[test]
fn every_action_is_pinned_to_a_commit_with_its_version() {
    let mut seen = 0;
    for path in workflows().into_iter().chain(["action.yml".to_owned()]) {
        for line in text(&path).lines().filter(|line| line.contains("uses:")) {
            let (_, pin) = line.split_once('@').unwrap_or_else(|| panic!("{path}: {line}"));
            let (commit, version) = pin.split_once(" # v").unwrap_or_else(|| panic!("{path}: {line}"));
            let is_hash = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
            assert!(is_hash && version.split('.').count() == 3, "{path}: {line}");
            seen += 1;
        }
        assert!(!steps(&yaml(&path)).is_empty(), "{path}");
    }
    assert!(seen >= 8, "{seen} actions");
}

/// Checks that no shell runs the text of an input or a title.
#[test]
fn no_script_contains_an_expression() {
    for path in workflows().into_iter().chain(["action.yml".to_owned()]) {
        for step in steps(&yaml(&path)) {
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{path}: {script}");
        }
    }
}

#[test]
fn only_publishing_jobs_may_write() {
    for path in workflows() {
        let file = yaml(&path);
        assert_eq!(file["permissions"], json!({ "contents": "read" }), "{path}");
        for (name, job) in file["jobs"].as_object().unwrap() {
            let granted = job["permissions"].as_object().into_iter().flatten();
            let writes: BTreeSet<&str> =
                granted.filter(|(_, level)| *level == "write").map(|(what, _)| what.as_str()).collect();
            let expected: &[&str] = match name.as_str() {
                "publish" => &["attestations", "contents", "id-token"],
                "image" => &["attestations", "id-token", "packages"],
                _ => &[],
            };
            assert_eq!(writes, expected.iter().copied().collect(), "{path}: {name}");
        }
    }
}

#[test]
fn tag_builds_every_target_and_every_part_knows_the_targets() {
    let release = yaml(".github/workflows/release.yml");
    // YAML 1.1 reads the key `on` as true.
    assert_eq!(release["true"]["push"]["tags"], json!(["v*"]));
    let matrix = release["jobs"]["build"]["strategy"]["matrix"]["include"].as_array().unwrap().clone();
    let targets: Vec<&str> = matrix.iter().map(|entry| entry["target"].as_str().unwrap()).collect();
    assert_eq!(targets, TARGETS);
    for target in TARGETS {
        assert!(text("dev/install-release").contains(target), "{target}");
    }
    let publish = text(".github/workflows/release.yml");
    assert!(publish.contains(&format!("-eq {}", TARGETS.len())), "as many notifiers as binaries");
    for needed in ["SHA256SUMS", "cyclonedx", "attest-build-provenance", "release-notes", "dev/package", "ghcr.io"] {
        assert!(publish.contains(needed), "{needed}");
    }
}

#[test]
fn release_is_built_with_the_toolchain_of_ci() {
    let toolchain = |path: &str| {
        let text = text(path);
        let all: BTreeSet<String> = text
            .split("rustup toolchain install ")
            .skip(1)
            .map(|rest| rest.split(' ').next().unwrap().to_owned())
            .collect();
        assert_eq!(all.len(), 1, "{path}: {all:?}");
        all
    };
    assert_eq!(toolchain(".github/workflows/release.yml"), toolchain(".github/workflows/ci.yml"));
    assert!(text("Cargo.toml").contains("rust-version = \"1.95\""));
}

/// Returns the released versions, newest first, from headings such as `## 1.2.3` or `## 1.2.3 (2026-11-25)`.
fn released() -> Vec<String> {
    let changelog = text("CHANGELOG.md");
    let headings = changelog.lines().filter_map(|line| line.strip_prefix("## "));
    headings
        .filter(|heading| *heading != "Unreleased")
        .map(|heading| heading.split(' ').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_file_names_the_same_version() {
    assert_eq!(yaml("action.yml")["inputs"]["version"]["default"], VERSION);
    let readme = text("README.md");
    for place in [
        format!("dev/install-release OWNER/taskbell {VERSION} "),
        format!("uses: OWNER/taskbell@v{VERSION}\n"),
        format!("ghcr.io/OWNER/taskbell:{VERSION} "),
        format!("taskbell-{VERSION}.cdx.json"),
    ] {
        assert!(readme.contains(&place), "{place}");
    }
    // Before the first release, the changelog has no version.
    if let Some(newest) = released().first() {
        assert_eq!(newest, VERSION);
    }
    for version in released().iter().map(String::as_str).chain([VERSION]) {
        let path = format!("tests/data/upgrade/{version}.json");
        assert!(root().join(&path).exists(), "{path}: the stack as {version} leaves it");
    }
}

/// Returns a folder with copies of the scripts, and with its own changelog and manifest.
fn checkout(changelog: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("dev")).unwrap();
    for file in ["dev/package", "dev/release-notes", "README.md", "LICENSE-APACHE", "LICENSE-MIT"] {
        let content = std::fs::read(root().join(file)).unwrap();
        if file.starts_with("dev/") {
            executable(&folder.path().join(file), &content);
        } else {
            std::fs::write(folder.path().join(file), content).unwrap();
        }
    }
    std::fs::write(folder.path().join("Cargo.toml"), "[package]\nname = \"taskbell\"\nversion = \"1.2.3\"\n").unwrap();
    std::fs::write(folder.path().join("CHANGELOG.md"), changelog).unwrap();
    folder
}

#[test]
fn release_notes_are_the_section_of_the_changelog() {
    let folder = checkout("# Changelog\n\n## Unreleased\n\n## 1.2.3 (2026-11-25)\n\n- this\n\n## 1.2.30\n\n- that\n");
    let notes = |version: &str| Command::new(folder.path().join("dev/release-notes")).arg(version).output().unwrap();
    let told = notes("1.2.3");
    assert_eq!((told.status.code(), told.stdout.trim_ascii()), (Some(0), &b"- this"[..]), "{told:?}");
    for (version, complaint) in [("1.2.30", "Cargo.toml"), ("1.2.4", "Cargo.toml")] {
        let told = notes(version);
        assert!(!told.status.success() && String::from_utf8_lossy(&told.stderr).contains(complaint), "{told:?}");
    }
    std::fs::write(folder.path().join("CHANGELOG.md"), "## 1.2.3\n\n## 1.2.2\n\n- that\n").unwrap();
    assert!(!notes("1.2.3").status.success());
}

fn pack(folder: &Path, target: &str, binary: &Path) -> Output {
    let mut command = Command::new(folder.join("dev/package"));
    command.arg(target).arg(binary).arg(folder.join("dist")).output().unwrap()
}

fn printed(output: &Output) -> PathBuf {
    assert!(output.status.success(), "{output:?}");
    PathBuf::from(std::str::from_utf8(&output.stdout).unwrap().trim())
}

#[test]
fn archive_is_reproducible_and_refuses_a_binary_of_20_mb() {
    let folder = checkout("## 1.2.3\n\n- this\n");
    let binary = folder.path().join("binary");
    std::fs::write(&binary, "#!/bin/sh\necho taskbell\n").unwrap();
    for (target, name) in [
        ("x86_64-unknown-linux-musl", "taskbell-1.2.3-x86_64-unknown-linux-musl.tar.gz"),
        ("x86_64-pc-windows-msvc", "taskbell-1.2.3-x86_64-pc-windows-msvc.zip"),
    ] {
        let path = printed(&pack(folder.path(), target, &binary));
        assert_eq!(path.file_name().unwrap().to_str(), Some(name));
        let first = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        printed(&pack(folder.path(), target, &binary));
        assert_eq!(std::fs::read(&path).unwrap(), first, "{target}");
    }
    std::fs::write(&binary, vec![0; 20_000_000]).unwrap();
    let refused = pack(folder.path(), TARGETS[0], &binary);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("20.0 MB"), "{refused:?}");
}

/// Checks the size limit with which `make bench` begins.
#[test]
fn benchmark_fails_for_a_binary_of_20_mb() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("taskbell");
    let measured = |size: usize| {
        let mut content = b"#!/bin/sh\nexit 0\n".to_vec();
        content.resize(size, b'\n');
        executable(&binary, &content);
        let python = root().join(".local/venv/bin/python");
        Command::new(python).arg(root().join("bench/binary.py")).env("BINARY", &binary).output().unwrap()
    };
    let (small, big) = (measured(1_000_000), measured(20_000_000));
    let told = String::from_utf8_lossy(&small.stdout);
    assert!(small.status.success() && told.contains("binary: 1.00 MB") && told.contains("--help: "), "{small:?}");
    assert!(!big.status.success() && String::from_utf8_lossy(&big.stderr).contains("too big"), "{big:?}");
    assert!(text("bench/run").contains("bench/binary.py") && text("Makefile").contains("bench/run"));
}

#[cfg(unix)]
#[cfg(unix)]
#[test]
fn release_is_installed_only_if_its_checksum_matches() {
    let folder = checkout("## 1.2.3\n\n- this\n");
    let binary = folder.path().join("binary");
    std::fs::write(&binary, "#!/bin/sh\necho it is taskbell\n").unwrap();
    for target in TARGETS {
        printed(&pack(folder.path(), target, &binary));
    }
    let dist = folder.path().join("dist");
    let sums = Command::new("sh").args(["-c", "sha256sum -- * >SHA256SUMS"]).current_dir(&dist).status().unwrap();
    assert!(sums.success());
    // Replace the network: this `curl` copies the file with the last part of the address from that folder.
    let curl = folder.path().join("curl");
    let stub = "#!/bin/sh\nwhile [ $# -gt 1 ]; do [ \"$1\" = --output ] && to=$2; shift; done\n\
        case $1 in https://github.com/us/taskbell/releases/download/v1.2.3/*) cp \"$DIST/${1##*/}\" \"$to\" ;; *) exit 22 ;; esac\n";
    executable(&curl, stub.as_bytes());
    let installed = folder.path().join("bin/taskbell");
    let install = |version: &str| {
        let _ = std::fs::remove_file(&installed);
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        Command::new(root().join("dev/install-release"))
            .args(["us/taskbell", version])
            .arg(folder.path().join("bin"))
            .env("PATH", path)
            .env("DIST", &dist)
            .output()
            .unwrap()
    };
    for version in ["1.2.3", "v1.2.3"] {
        let done = install(version);
        assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
        assert_eq!(Command::new(&installed).output().unwrap().stdout, b"it is taskbell\n");
    }
    assert!(!install("1.2.4").status.success() && !installed.exists());
    let sums = std::fs::read_to_string(dist.join("SHA256SUMS")).unwrap();
    let others = sums.lines().map(|line| format!("{}{}\n", "0".repeat(64), &line[64..])).collect::<Vec<_>>().concat();
    for (changed, complaint) in [
        (others, "not what was released"),
        (sums.replace("taskbell-", "other-"), "does not name"),
        (format!("{sums}{sums}"), "does not name"),
    ] {
        std::fs::write(dist.join("SHA256SUMS"), changed).unwrap();
        let refused = install("1.2.3");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(complaint), "{refused:?}");
        assert!(!refused.status.success() && !installed.exists(), "{refused:?}");
    }
}

#[test]
fn image_has_the_binary_and_certificates_and_no_root() {
    let file = text("Dockerfile");
    let lines: Vec<&str> = file.lines().collect();
    assert_eq!(lines.iter().filter(|line| line.starts_with("FROM ")).collect::<Vec<_>>(), [&"FROM scratch"]);
    assert!(lines.contains(&"USER 65532:65532") && lines.contains(&"ENTRYPOINT [\"taskbell\"]"), "{file}");
    let copied = lines.iter().filter(|line| line.starts_with("COPY ")).count();
    assert!(copied == 2 && file.contains("SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"), "{file}");
    for prepared in ["image/amd64", "image/arm64", "ca-certificates.crt image/"] {
        assert!(text(".github/workflows/release.yml").contains(prepared), "{prepared}");
    }
}

/// Returns the files that are compiled into code outside of tests, from the package's root.
fn compiled_in() -> BTreeSet<String> {
    fn visit(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for included in ["include_str!(\"", "include_bytes!(\""].iter().flat_map(|call| code.split(call).skip(1)) {
                let file = path.parent().unwrap().join(included.split('"').next().unwrap()).canonicalize().unwrap();
                found.insert(file.strip_prefix(root().canonicalize().unwrap()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = BTreeSet::new();
    visit(&root().join("src"), &mut found);
    found.extend(
        taskbell::pattern::samples::SAMPLES.iter().map(|sample| format!("patterns/events/{}.json", sample.name)),
    );
    found.extend(taskbell::notifier::archive::names().map(|name| format!("lambda/{name}")));
    found
}

#[test]
fn package_has_every_compiled_file_and_no_others() {
    let output = Command::new(env!("CARGO"))
        .args(["package", "--list", "--locked", "--offline", "--allow-dirty", "--package", "taskbell"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let list = String::from_utf8(output.stdout).unwrap();
    let packed: BTreeSet<&str> = list.lines().collect();
    let compiled = compiled_in();
    assert!(compiled.len() > 50, "{compiled:?}");
    for file in compiled.iter().map(String::as_str).chain(["build.rs", "Cargo.lock", "LICENSE-MIT", "README.md"]) {
        assert!(packed.contains(file), "{file}");
    }
    for file in &packed {
        let known =
            ["src/", "lambda/", "patterns/"].iter().any(|folder| file.starts_with(folder)) || !file.contains('/');
        assert!(known && !file.starts_with("lambda/test"), "{file}");
    }
}

fn git(folder: &Path, line: &str) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]);
    let output = command.args(line.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
}

#[test]
fn commit_comes_from_the_checkout_or_the_package_or_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let (root, inner) = (folder.path(), folder.path().join("inner"));
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(root.join("Cargo.toml"), "").unwrap();
    assert_eq!(build::commit(root), None);
    for line in ["init --quiet", "add Cargo.toml", "commit --quiet --message x"] {
        git(root, line);
    }
    let clean = build::commit(root).unwrap();
    assert!(clean.len() == 10 && clean.chars().all(|c| c.is_ascii_hexdigit()), "{clean}");
    std::fs::write(root.join("untracked"), "").unwrap();
    assert_eq!(build::commit(root), Some(clean.clone()));
    std::fs::write(root.join("Cargo.toml"), "[package]\n").unwrap();
    assert_eq!(build::commit(root), Some(format!("{clean}-dirty")));
    let watched = build::watched(root);
    assert!(watched.contains(&"Cargo.toml".to_owned()) && watched.contains(&".git/HEAD".to_owned()), "{watched:?}");
    assert!(watched.iter().all(|path| root.join(path).exists()), "{watched:?}");

    // An archive that was unpacked inside another repository.
    assert_eq!(build::commit(&inner), None);
    let told =
        "{\n  \"git\": {\n    \"sha1\": \"0123456789abcdef0123456789abcdef01234567\"\n  },\n  \"path_in_vcs\": \"\"\n}";
    std::fs::write(inner.join(".cargo_vcs_info.json"), told).unwrap();
    assert_eq!(build::commit(&inner).as_deref(), Some("0123456789"));
    let dirty = told.replace("567\"\n", "567\",\n    \"dirty\": true\n");
    std::fs::write(inner.join(".cargo_vcs_info.json"), dirty).unwrap();
    assert_eq!(build::commit(&inner).as_deref(), Some("0123456789-dirty"));
}
