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
    assert_eq!(release["true"]["push"]["tags"], json!(["build-v*"]));
    let matrix = release["jobs"]["build"]["strategy"]["matrix"]["include"].as_array().unwrap().clone();
    let targets: Vec<&str> = matrix.iter().map(|entry| entry["target"].as_str().unwrap()).collect();
    assert_eq!(targets, TARGETS);
    for target in TARGETS {
        assert!(text("dev/install-release").contains(target), "{target}");
    }
    let publish = text(".github/workflows/release.yml");
    assert!(publish.contains(&format!("-eq {}", TARGETS.len())), "as many notifiers as binaries");
    for needed in [
        "SHA256SUMS",
        "cyclonedx",
        "attest-build-provenance",
        "release-notes",
        "dev/package",
        "dev/carry-digests",
        "ghcr.io",
    ] {
        assert!(publish.contains(needed), "{needed}");
    }
}

/// Checks that the judges that `make test` does not run see every release, and every week.
#[test]
fn judges_run_every_week_and_before_every_release() {
    let runs = |path: &str| {
        let job = yaml(path)["jobs"]["judges"].clone();
        let steps = job["steps"].as_array().unwrap().iter().any(|step| step["run"] == "make judges");
        assert!(steps, "{path}: {job}");
        job
    };
    let weekly = runs(".github/workflows/ci.yml");
    assert!(weekly["if"].as_str().unwrap().contains("github.event_name == 'schedule'"), "{weekly}");
    assert!(yaml(".github/workflows/ci.yml")["true"]["schedule"][0]["cron"].is_string());
    runs(".github/workflows/release.yml");
    let needed = yaml(".github/workflows/release.yml")["jobs"]["publish"]["needs"].clone();
    assert!(needed.as_array().unwrap().contains(&json!("judges")), "{needed}");
    // Everything that judges is pinned, as the tools of the tests are.
    let lock: Value = serde_json::from_str(&text("dev/judges/package-lock.json")).unwrap();
    let pinned = &lock["packages"]["node_modules/@cdktn/provider-aws"];
    assert!(pinned["version"].is_string() && pinned["integrity"].is_string(), "{pinned}");
    let judged = text("Makefile");
    assert!(judged.contains("dev/judges/recorded $(RECORDED)") && judged.contains("TASKBELL_REQUESTS=$(RECORDED)"));
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
    // The action installs the version of its commit's Cargo.toml.
    assert_eq!(yaml("action.yml")["inputs"]["version"]["default"], "");
    let page = text("docs/installation.md");
    for place in [
        format!("dev/install-release OWNER/taskbell {VERSION} "),
        format!("uses: OWNER/taskbell@COMMIT # v{VERSION}\n"),
        format!("ghcr.io/OWNER/taskbell:{VERSION} "),
        format!("taskbell-{VERSION}.cdx.json"),
    ] {
        assert!(page.contains(&place), "{place}");
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
fn benchmark_fails_for_a_binary_that_is_too_big() {
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

/// A checkout with a release 1.2.3 in `dist`, and commands in `bin` that replace the network and `gh`.
#[cfg(unix)]
struct Released {
    folder: tempfile::TempDir,
}

#[cfg(unix)]
impl Released {
    fn new() -> Self {
        let folder = checkout("## 1.2.3\n\n- this\n");
        for script in ["dev/install-release", "dev/carry-digests"] {
            executable(&folder.path().join(script), &std::fs::read(root().join(script)).unwrap());
        }
        std::fs::write(folder.path().join("dev/release-digests"), "# Nothing is released.\n").unwrap();
        let binary = folder.path().join("binary");
        std::fs::write(&binary, "#!/bin/sh\necho it is taskbell\n").unwrap();
        for target in TARGETS {
            printed(&pack(folder.path(), target, &binary));
        }
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        // This `curl` copies the file with the last part of the address from the folder of the release.
        let curl = "#!/bin/sh\nwhile [ $# -gt 1 ]; do [ \"$1\" = --output ] && to=$2; shift; done\n\
            case $1 in https://github.com/us/taskbell/releases/download/v1.2.3/*) cp \"$DIST/${1##*/}\" \"$to\" ;; *) exit 22 ;; esac\n";
        executable(&folder.path().join("bin/curl"), curl.as_bytes());
        let released = Self { folder };
        released.sum();
        released.gh("exit 1");
        released
    }

    fn dist(&self) -> PathBuf {
        self.folder.path().join("dist")
    }

    /// Writes the checksums of the archives as they are now.
    fn sum(&self) {
        let script = "rm -f SHA256SUMS; sha256sum -- * >../sums; mv ../sums SHA256SUMS";
        assert!(Command::new("sh").args(["-c", script]).current_dir(self.dist()).status().unwrap().success());
    }

    /// Replaces `gh` by this script. A `gh` that is not logged in fails.
    fn gh(&self, script: &str) {
        executable(&self.folder.path().join("bin/gh"), format!("#!/bin/sh\n{script}\n").as_bytes());
    }

    /// Lets `gh` be logged in, and verify with this exit code; its arguments are in the file `asked`.
    fn gh_verifies(&self, code: u8) {
        self.gh(&format!("[ \"$1\" = auth ] && exit 0\necho \"$@\" >>\"$DIST/../asked\"\nexit {code}"));
    }

    fn carry(&self) -> Output {
        let mut command = Command::new(self.folder.path().join("dev/carry-digests"));
        command.arg("1.2.3").arg(self.dist().join("SHA256SUMS")).output().unwrap()
    }

    /// Exchanges the archives for others, with the checksums of these.
    fn exchange(&self) {
        let binary = self.folder.path().join("binary");
        std::fs::write(&binary, "#!/bin/sh\necho it is something else\n").unwrap();
        for target in TARGETS {
            printed(&pack(self.folder.path(), target, &binary));
        }
        self.sum();
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:{}", self.folder.path().join("bin").display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("DIST", self.dist()).env_remove("TASKBELL_NEEDS_DIGEST");
        command
    }

    fn install(&self, version: &str) -> Output {
        let _ = std::fs::remove_file(self.installed());
        let mut command = self.command(&self.folder.path().join("dev/install-release"));
        command.args(["us/taskbell", version]).arg(self.folder.path().join("to")).output().unwrap()
    }

    fn installed(&self) -> PathBuf {
        self.folder.path().join("to/taskbell")
    }

    /// Runs the first step of the action, as of the commit in the folder, with this input.
    fn act(&self, version: &str) -> Output {
        let _ = std::fs::remove_dir_all(self.folder.path().join("runner"));
        let script = steps(&yaml("action.yml"))[0]["run"].as_str().unwrap().to_owned();
        let mut command = self.command(Path::new("bash"));
        command.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", &script]);
        command.env("ACTION", self.folder.path()).env("REPOSITORY", "us/taskbell").env("VERSION", version);
        let runner = self.folder.path().join("runner");
        std::fs::create_dir_all(&runner).unwrap();
        command.env("RUNNER_TEMP", &runner).env("GITHUB_PATH", runner.join("path")).output().unwrap()
    }

    fn acted(&self) -> bool {
        self.folder.path().join("runner/taskbell/taskbell").exists()
    }
}

#[cfg(unix)]
fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[cfg(unix)]
#[test]
fn attestation_is_verified_where_gh_is_logged_in() {
    let released = Released::new();
    released.gh_verifies(0);
    assert!(released.install("1.2.3").status.success() && released.installed().exists());
    let asked = std::fs::read_to_string(released.folder.path().join("asked")).unwrap();
    let words: Vec<&str> = asked.split_whitespace().collect();
    assert!(words.starts_with(&["attestation", "verify"]) && words[2].starts_with("taskbell-1.2.3-"), "{asked}");
    assert!(
        asked.contains("--repo us/taskbell --signer-workflow us/taskbell/.github/workflows/release.yml"),
        "{asked}"
    );
    assert!(asked.contains("--source-ref refs/tags/build-v1.2.3"), "{asked}");
    // The workflow that this names exists, and its tag has this form.
    assert_eq!(yaml(".github/workflows/release.yml")["true"]["push"]["tags"], json!(["build-v*"]));
    released.gh_verifies(1);
    let refused = released.install("1.2.3");
    assert!(!refused.status.success() && !released.installed().exists(), "{refused:?}");
    assert!(told(&refused).contains("could not verify that the release workflow of us/taskbell built"), "{refused:?}");
}

#[cfg(unix)]
#[test]
fn commit_of_a_release_installs_only_the_digests_that_it_carries() {
    let released = Released::new();
    released.gh_verifies(0);
    // Before the release, the commit carries no digest, and the action installs nothing by itself.
    let refused = released.act("");
    assert!(!refused.status.success() && !released.acted(), "{refused:?}");
    assert!(told(&refused).contains("has no digest of 1.2.3"), "{refused:?}");
    assert!(released.act("1.2.3").status.success() && released.acted());
    let carried = released.carry();
    assert!(carried.status.success(), "{carried:?}");
    let digests = std::fs::read_to_string(released.folder.path().join("dev/release-digests")).unwrap();
    let sums = std::fs::read_to_string(released.dist().join("SHA256SUMS")).unwrap();
    assert!(digests.starts_with("# ") && sums.lines().all(|line| digests.contains(line)), "{digests}");
    let done = released.act("");
    assert!(done.status.success() && released.acted(), "{done:?}");
    assert!(released.install("1.2.3").status.success());
    // Somebody exchanges the files of the release, and `gh` would not notice.
    released.exchange();
    for refused in [released.act(""), released.act("1.2.3"), released.install("v1.2.3")] {
        assert!(!refused.status.success(), "{refused:?}");
        assert!(told(&refused).contains("does not have the digest that dev/release-digests names"), "{refused:?}");
    }
    assert!(!released.acted() && !released.installed().exists());
}

#[cfg(unix)]
#[test]
fn digests_are_carried_only_if_every_target_has_one() {
    let released = Released::new();
    let before = std::fs::read_to_string(released.folder.path().join("dev/release-digests")).unwrap();
    for target in TARGETS {
        let name = format!("taskbell-1.2.3-{target}");
        let sums = std::fs::read_to_string(released.dist().join("SHA256SUMS")).unwrap();
        let rest: String = sums.lines().filter(|line| !line.contains(&name)).flat_map(|line| [line, "\n"]).collect();
        std::fs::write(released.dist().join("SHA256SUMS"), rest).unwrap();
        let refused = released.carry();
        assert!(!refused.status.success() && told(&refused).contains(&name), "{refused:?}");
        std::fs::write(released.dist().join("SHA256SUMS"), sums).unwrap();
    }
    assert_eq!(std::fs::read_to_string(released.folder.path().join("dev/release-digests")).unwrap(), before);
    // The file of this repository carries nothing before a release.
    assert!(text("dev/release-digests").lines().all(|line| line.starts_with('#')));
}

#[cfg(unix)]
#[test]
fn release_is_installed_only_if_its_checksum_matches() {
    let released = Released::new();
    let (install, installed, dist) = (|version: &str| released.install(version), released.installed(), released.dist());
    for version in ["1.2.3", "v1.2.3"] {
        let done = install(version);
        assert!(done.status.success() && told(&done).contains("attestation of taskbell-1.2.3-"), "{done:?}");
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
