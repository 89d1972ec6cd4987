//! The walls of the house: who may import whom. Everybody may use `error`; nobody may use `cli`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

use std::collections::BTreeMap;
use std::path::Path;

/// Which rooms the files of a room may use.
const DOORS: [(&str, &[&str]); 27] = [
    ("error", &[]),
    ("stack", &[]),
    ("document", &[]),
    ("policy", &[]),
    ("secret", &[]),
    ("task", &[]),
    ("input", &[]),
    ("pattern", &["input", "pattern"]),
    ("notifier", &[]),
    ("preview", &["notifier"]),
    ("resource", &["stack", "document"]),
    ("plan", &["resource", "stack", "document"]),
    ("config", &["config", "pattern", "secret", "stack"]),
    ("settings", &["config", "pattern", "stack"]),
    ("file", &["config", "input", "settings", "stack"]),
    (
        "aws/kind",
        &[
            "resource",
            "stack",
            "policy",
            "secret",
            "document",
            "pattern",
            "aws::clients",
            "aws::wait",
            "aws::fault",
            "aws::joined",
            "aws::Identity",
        ],
    ),
    ("aws/wait", &["resource", "stack", "aws::fault"]),
    ("aws", &["config", "resource", "stack", "task", "aws"]),
    ("desired", &["config", "stack", "resource", "pattern", "policy", "notifier", "document", "aws"]),
    (
        "export",
        &["aws", "config", "desired", "document", "export", "notifier", "pattern", "policy", "resource", "stack"],
    ),
    ("permissions", &["pattern", "stack"]),
    ("graph", &["aws", "graph", "input", "plan", "resource", "stack"]),
    ("drill", &["pattern"]),
    ("chain", &["resource", "stack", "pattern", "aws"]),
    ("engine", &["resource", "plan", "stack"]),
    (
        "cli",
        &[
            "aws",
            "chain",
            "cli",
            "config",
            "desired",
            "document",
            "drill",
            "engine",
            "export",
            "file",
            "graph",
            "input",
            "notifier",
            "pattern",
            "permissions",
            "plan",
            "policy",
            "preview",
            "resource",
            "secret",
            "settings",
            "stack",
            "task",
        ],
    ),
    ("lib", &[]),
];

const KINDS: [&str; 8] = ["parameter", "log_group", "queue", "table", "alarm", "role", "function", "rule"];

#[test]
fn nobody_uses_a_room_without_a_door_to_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let doors: BTreeMap<&str, &[&str]> = DOORS.into_iter().collect();
    let mut seen = 0;
    for file in files(&source) {
        let name = file.strip_prefix(&source).unwrap().with_extension("").to_str().unwrap().to_owned();
        if name == "main" {
            continue;
        }
        let room = room(&name);
        let doors =
            doors.get(room.as_str()).unwrap_or_else(|| panic!("the room {room} of {name} has no list of doors"));
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for used in uses(code, &name) {
            seen += 1;
            let allowed = doors.iter().any(|door| used == *door || used.starts_with(&format!("{door}::")));
            let role_of_function = name == "aws/function" && used.starts_with("aws::role");
            assert!(allowed || used.starts_with("error") || role_of_function, "{name} may not use {used}");
        }
    }
    assert!(seen > 50, "only {seen} uses were found");
}

/// The room of a file: `aws/role` is one of the kinds, `cli/drift` is in `cli`.
fn room(name: &str) -> String {
    match name.split_once('/') {
        Some(("aws", kind)) if KINDS.contains(&kind.split('/').next().unwrap()) => "aws/kind".to_owned(),
        Some(("aws", "wait" | "fault")) => "aws/wait".to_owned(),
        Some((room, _)) => room.to_owned(),
        None => name.to_owned(),
    }
}

/// What the `use` lines name, as paths from the crate's root.
fn uses(code: &str, name: &str) -> Vec<String> {
    let parent = name.split_once('/').map_or("", |(room, _)| room);
    let mut found = Vec::new();
    for statement in code.split(';') {
        let Some(at) = statement.rfind("use ") else { continue };
        let path: String = statement[at + 4..].split_whitespace().collect();
        let own_folder = name.matches('/').count() > 1;
        let path = match (path.strip_prefix("crate::"), path.strip_prefix("super::")) {
            (None, Some(_)) if own_folder => continue,
            (Some(path), _) => path.to_owned(),
            (_, Some(path)) => format!("{parent}::{path}"),
            _ => continue,
        };
        match path.split_once('{') {
            None => found.push(path),
            Some((root, list)) => {
                let list = list.trim_end_matches('}');
                found.extend(list.split(',').filter(|item| !item.is_empty()).map(|item| format!("{root}{item}")));
            }
        }
    }
    found
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}
