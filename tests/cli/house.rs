//! Checks the layout of the tests: a few binaries, each with its modules, and no other files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").canonicalize().unwrap()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Returns the tests that Cargo.toml builds, each with its main file.
fn binaries() -> BTreeMap<String, PathBuf> {
    let manifest: toml::Table = text(&root().join("../Cargo.toml")).parse().unwrap();
    assert_eq!(manifest["package"]["autotests"].as_bool(), Some(false));
    let of = |test: &toml::Value| {
        let of_key = |key: &str| test[key].as_str().unwrap().to_owned();
        (of_key("name"), root().join("..").join(of_key("path")).canonicalize().unwrap())
    };
    manifest["test"].as_array().unwrap().iter().map(of).collect()
}

/// Returns all files below the folder whose paths have this end.
fn files(folder: &Path, end: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.to_str().unwrap().ends_with(end) {
            found.insert(path);
        }
    }
    found
}

/// Returns the files of the modules that this file declares.
fn modules(file: &Path) -> Vec<PathBuf> {
    let (text, folder) = (text(file), file.parent().unwrap());
    let stem = file.file_stem().unwrap();
    let beside = if stem == "main" || stem == "mod" { folder.to_owned() } else { folder.join(stem) };
    let (mut found, mut given) = (Vec::new(), None);
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            given = Some(folder.join(path));
        }
        let item = line.strip_prefix("pub ").unwrap_or(line);
        if let Some(name) = item.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
            let path = given.take().unwrap_or_else(|| beside.join(format!("{name}.rs")));
            found.push(path.canonicalize().unwrap_or_else(|error| panic!("{}: {name}: {error}", file.display())));
        }
    }
    found
}

/// Returns all files that are compiled with this file.
fn compiled(file: &Path) -> BTreeSet<PathBuf> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![file.to_owned()]);
    while let Some(next) = open.pop() {
        open.extend(modules(&next).into_iter().filter(|module| !seen.contains(module)));
        seen.insert(next);
    }
    seen
}

#[test]
fn every_file_is_part_of_a_binary() {
    let binaries = binaries();
    assert_eq!(binaries.keys().collect::<Vec<_>>(), ["cli", "laws", "local", "release"]);
    let compiled: BTreeSet<PathBuf> = binaries.values().flat_map(|main| compiled(main)).collect();
    let all = files(&root(), ".rs");
    let forgotten: Vec<&PathBuf> = all.difference(&compiled).collect();
    assert!(forgotten.is_empty(), "nothing declares {forgotten:#?}");
    assert!(all.len() > 60, "only {} files were found", all.len());
}

/// Checks that a module belongs to one binary: otherwise its tests would run twice.
#[test]
fn only_shared_files_are_part_of_several_binaries() {
    let binaries = binaries();
    for (name, main) in &binaries {
        let folder = main.parent().unwrap();
        assert_eq!(folder, root().join(name));
        for file in compiled(main) {
            let shared = file.starts_with(root().join("support")) || file.ends_with("build.rs");
            assert!(shared || file.starts_with(folder), "{name} has {}", file.display());
            assert!(!shared || !text(&file).contains("test]\n"), "{} would run in several", file.display());
        }
    }
}

/// Checks the names of snapshots: `cli__preview__preview-oom.snap` belongs to `cli/preview.rs`, and ends with the name that the
/// test gives it, or with the test's own name.
#[test]
fn every_snapshot_belongs_to_a_file_with_snapshots() {
    let all = files(&root(), ".snap");
    for path in &all {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let (module, _) = name.rsplit_once("__").unwrap();
        let source = root().join(module.replace("__", "/")).with_extension("rs");
        assert_eq!(path.parent().unwrap(), source.parent().unwrap().join("snapshots"), "{name}");
        assert!(source.exists() && text(&source).contains("_snapshot!("), "{name}");
        let told = format!("source: tests/{}\n", source.strip_prefix(root()).unwrap().display());
        assert!(text(path).contains(&told), "{name} is not of {told}");
    }
    assert!(all.len() > 40, "only {} snapshots were found", all.len());
}

/// Checks that the tests of `laws` are fast, and behave alike on every machine.
#[test]
fn laws_start_neither_the_binary_nor_a_local_aws() {
    for file in files(&root().join("laws"), ".rs") {
        for word in ["CARGO_BIN_EXE", "Emulator", "taskbell_at", "support::proxy"] {
            assert!(!text(&file).contains(word), "{word} in {}", file.display());
        }
    }
}

/// Checks the files of seeds: for `cli/patterns.rs`, proptest reads and writes `proptest-regressions/patterns.txt`, next to the
/// folder with a `main.rs`.
#[test]
fn every_seed_belongs_to_a_file_with_properties() {
    let binaries = binaries();
    for seeds in files(&root().join("proptest-regressions"), ".txt") {
        let module = seeds.with_extension("rs");
        let module = module.strip_prefix(root().join("proptest-regressions")).unwrap();
        let mut sources = binaries.keys().map(|name| root().join(name).join(module)).filter(|path| path.exists());
        assert!(sources.any(|path| text(&path).contains("proptest! {")), "nothing reads {}", seeds.display());
    }
}
