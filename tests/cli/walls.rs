//! Checks the walls between the modules of src and of lambda (the rooms): which room may import which, read from every path in the
//! code, and that no files of src import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rooms that each room's files may import, besides their own room and `error`.
const DOORS: [(&str, &[&str]); 23] = [
    ("error", &["secret"]),
    ("arn", &["secret"]),
    ("stack", &["arn", "secret"]),
    ("document", &[]),
    ("policy", &["arn"]),
    ("secret", &[]),
    ("input", &[]),
    ("style", &["input"]),
    ("date", &[]),
    ("calendar", &["secret"]),
    ("task", &["arn", "date"]),
    ("notifier", &[]),
    ("pattern", &["arn", "date", "document", "input", "secret"]),
    ("reconcile", &["document", "stack"]),
    ("config", &["arn", "calendar", "document", "input", "pattern", "secret", "stack"]),
    ("aws", &["arn", "config", "document", "input", "pattern", "policy", "reconcile", "secret", "stack", "task"]),
    (
        "desired",
        &["arn", "aws", "calendar", "config", "document", "notifier", "pattern", "policy", "reconcile", "stack"],
    ),
    (
        "export",
        &[
            "arn",
            "aws",
            "config",
            "desired",
            "document",
            "input",
            "notifier",
            "pattern",
            "policy",
            "reconcile",
            "stack",
        ],
    ),
    ("permissions", &["config", "pattern", "stack"]),
    ("graph", &["aws", "input", "reconcile", "stack"]),
    ("words", &["date"]),
    (
        "operations",
        &[
            "arn",
            "aws",
            "calendar",
            "config",
            "desired",
            "input",
            "notifier",
            "pattern",
            "policy",
            "reconcile",
            "secret",
            "stack",
            "task",
            "words",
        ],
    ),
    (
        "cli",
        &[
            "arn",
            "aws",
            "calendar",
            "config",
            "date",
            "desired",
            "export",
            "graph",
            "input",
            "notifier",
            "operations",
            "pattern",
            "permissions",
            "reconcile",
            "secret",
            "stack",
            "style",
            "words",
        ],
    ),
];

/// The rooms that the rooms within a room may import. `cli` itself, with `cli/exit`, is the command line's root.
const INNER_DOORS: [(&str, &[&str]); 9] = [
    ("aws/client", &[]),
    ("aws/calls", &["aws/client", "aws/kinds"]),
    ("aws/kinds", &["aws/client"]),
    ("cli/terminal", &[]),
    ("cli/args", &["cli/terminal"]),
    ("cli/render", &[]),
    ("cli/exit", &[]),
    ("cli/run", &["cli/args", "cli/exit", "cli/render", "cli/terminal"]),
    ("cli/commands", &["cli/args", "cli/exit", "cli/render", "cli/run", "cli/terminal"]),
];

/// The rooms of lambda, with the rooms and the modules of Node.js that each room's files may import, besides their own room.
/// `memory/announcements` is pure, and `memory/table` is not.
const DOORS_OF_LAMBDA: [(&str, &[&str]); 9] = [
    ("core", &[]),
    ("places", &["core"]),
    ("io", &["core", "node:crypto", "places"]),
    ("memory/announcements", &["core"]),
    ("memory/ledger", &["core", "io", "memory/table"]),
    ("memory/table", &["core", "io"]),
    ("watch", &["core", "io", "memory/ledger"]),
    ("handler", &["core", "io", "memory/announcements", "memory/ledger", "node:crypto", "watch"]),
    ("index", &["core", "handler", "io", "memory/ledger", "memory/table"]),
];

#[test]
fn every_import_is_allowed_and_every_door_is_used() {
    let house = House::read();
    let doors: BTreeMap<&str, &[&str]> = DOORS.into_iter().collect();
    let inner: BTreeMap<&str, &[&str]> = INNER_DOORS.into_iter().collect();
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (from, to) in house.arrows() {
        let (here, there) = (room(from), room(to));
        let open = doors.get(here).unwrap_or_else(|| panic!("the room {here} of {from} has no list of doors"));
        let (within, beside) = (inner_room(from), inner_room(to));
        used.extend([(here, there), (within, beside)]);
        let is_open = match here == there {
            false => there == "error" || open.contains(&there),
            true => {
                within == beside
                    || inner.get(within).is_none_or(|open| !inner.contains_key(beside) || open.contains(&beside))
            }
        };
        // Through the root of a room, a file could reach everything in the room.
        let is_root = ["aws", "cli", "cli/commands"].contains(&to);
        if !is_open || (is_root && from != "cli" && from.starts_with(&format!("{to}/"))) {
            wrong.push(format!("{from} imports {to}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let allowed = DOORS.iter().chain(&INNER_DOORS).flat_map(|(from, to)| to.iter().map(move |to| (*from, *to)));
    let unused: Vec<(&str, &str)> = allowed.filter(|door| !used.contains(door)).collect();
    assert!(unused.is_empty(), "no import uses {unused:#?}");
    assert!(house.arrows().count() > 300, "only {} imports were found", house.arrows().count());
}

/// Checks the imports of the notifier: the pure rooms import only pure rooms, and only `io` and `memory/table` reach the world. A
/// comment that names a type is no import.
#[test]
fn every_import_of_lambda_is_allowed_and_every_door_is_used() {
    let lambda = Path::new(env!("CARGO_MANIFEST_DIR")).join("lambda");
    let import =
        regex::Regex::new(r#"(?m)^(?:import |import [^;"]* from |export [{*][^;"]* from )"([^"]+)";"#).unwrap();
    let comment = regex::Regex::new(r"(?s)/\*.*?\*/").unwrap();
    let room = |name: &str| match DOORS_OF_LAMBDA.iter().find(|(room, _)| *room == name) {
        Some((room, _)) => (*room).to_owned(),
        None => name.split('/').next().unwrap().to_owned(),
    };
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files(&lambda).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "mjs")) {
        let name = name_of(&path, &lambda);
        if name.starts_with("test/") {
            continue;
        }
        let code = std::fs::read_to_string(&path).unwrap();
        let code = comment.replace_all(&code, "");
        // Only the calls of AWS load a module while they run: the SDK, by its name.
        assert!(!code.contains("import(") || name == "io/aws", "{name} loads a module while it runs");
        let folder = path.parent().unwrap();
        let imported = import.captures_iter(&code).map(|found| match found[1].starts_with('.') {
            true => room(&name_of(&folder.join(&found[1]).canonicalize().unwrap(), &lambda.canonicalize().unwrap())),
            false => found[1].to_owned(),
        });
        let here = room(&name);
        used.entry(here.clone()).or_default().extend(imported.filter(|there| *there != here));
    }
    let allowed = |(room, doors): &(&str, &[&str])| {
        ((*room).to_owned(), doors.iter().map(|door| (*door).to_owned()).collect::<BTreeSet<_>>())
    };
    assert_eq!(used, DOORS_OF_LAMBDA.iter().map(allowed).collect());
}

#[test]
fn no_files_import_one_another_in_a_circle() {
    let house = House::read();
    let circles = house.circles();
    assert!(circles.is_empty(), "{circles:#?}");
}

/// Checks that the SDK can be replaced in one room. `date` lends out the SDK's type of dates.
#[test]
fn only_aws_names_the_sdk() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let named = regex::Regex::new(r"\baws_(?:config|sdk_\w+|smithy_\w+|types|runtime|credential_types)::").unwrap();
    let uses = |path: &PathBuf| named.is_match(&std::fs::read_to_string(path).unwrap());
    let rooms: BTreeSet<String> =
        files(&root).iter().filter(|path| uses(path)).map(|path| room(&name_of(path, &root)).to_owned()).collect();
    assert_eq!(rooms, BTreeSet::from(["aws".to_owned(), "date".to_owned()]));
}

/// Checks that the library for dates in time zones can be replaced in one room.
#[test]
fn only_calendar_names_the_library_for_time_zones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let uses = |path: &PathBuf| std::fs::read_to_string(path).unwrap().contains("jiff::");
    let rooms: BTreeSet<String> =
        files(&root).iter().filter(|path| uses(path)).map(|path| room(&name_of(path, &root)).to_owned()).collect();
    assert_eq!(rooms, BTreeSet::from(["calendar".to_owned()]));
}

/// Checks that the flags of the command line are declared in one room. `config` declares the settings of a stack once, as flags and
/// as keys of taskbell.toml.
#[test]
fn only_cli_and_the_settings_name_clap() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let uses = |path: &PathBuf| without_comments(&std::fs::read_to_string(path).unwrap()).contains("clap::");
    let named = files(&root).into_iter().filter(uses).map(|path| name_of(&path, &root));
    let others: Vec<String> = named.filter(|name| room(name) != "cli").collect::<BTreeSet<_>>().into_iter().collect();
    assert_eq!(others, ["config", "config/destination", "config/file", "config/record", "config/settings/given"]);
}

/// Checks that operations know neither flags nor the layout of a terminal: they import no clap, and their texts are words without
/// a prefix and without a line break at the end.
#[test]
fn operations_know_no_command_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let layout = regex::Regex::new(r#"\bclap::|"(?:note|warning|error|hint): |\\n"\)|\bprintln!|\x1b"#).unwrap();
    let mut wrong = Vec::new();
    for path in files(&root.join("operations")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//") && layout.is_match(line));
        wrong.extend(lines.map(|line| format!("{}: {}", name_of(&path, &root), line.trim())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Checks that a command's file has only its arguments and its run: parse, call, ask, print, code.
#[test]
fn every_command_has_less_than_150_lines() {
    let house = House::read();
    let commands = || house.files.iter().filter(|(name, _)| inner_room(name) == "cli/commands");
    let long: Vec<String> = commands()
        .filter(|(_, file)| file.lines >= 150)
        .map(|(name, file)| format!("{name}: {} lines", file.lines))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
    assert!(commands().count() > 15, "only {} commands were found", commands().count());
}

#[test]
fn no_command_imports_another_command() {
    let house = House::read();
    // A command may use its own parts: `pattern/test` belongs to `pattern`.
    let command = |name: &str| Some(name.strip_prefix("cli/commands/")?.split('/').next()?.to_owned());
    let is_another = |(from, to): &(&str, &str)| match (command(from), command(to)) {
        (Some(from), Some(to)) => from != to,
        _ => false,
    };
    let wrong: Vec<(&str, &str)> = house.arrows().filter(is_another).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Checks that no rooms import one another in a circle, and the size of the rooms: `cargo test --test cli no_circle -- --nocapture`
/// prints them.
#[test]
fn rooms_have_no_circle_and_less_than_22_percent_of_the_code() {
    let house = House::read();
    let rooms: BTreeSet<&str> = house.files.keys().map(|file| sized_room(file)).collect();
    let arrows: BTreeSet<(&str, &str)> =
        house.arrows().map(|(from, to)| (sized_room(from), sized_room(to))).filter(|(from, to)| from != to).collect();
    let all: usize = house.files.values().map(|file| file.lines).sum();
    let size = |room: &str| -> usize {
        house.files.iter().filter(|(name, _)| sized_room(name) == room).map(|(_, file)| file.lines).sum()
    };
    let (lines, biggest) = rooms.iter().map(|room| (size(room), *room)).max().unwrap();
    let share = 100 * lines / all;
    let to = |room: &str| arrows.iter().filter(|(from, _)| *from == room).map(|(_, to)| *to).collect::<BTreeSet<_>>();
    let circles = circles(&rooms.iter().map(|room| (*room, to(room))).collect());
    let (count, between, around) = (rooms.len(), arrows.len(), circles.len());
    println!("{count} rooms, {between} arrows, {around} circles, biggest: {biggest} with {share} %");
    for room in &rooms {
        println!("{room} ({}): {}", size(room), to(room).into_iter().collect::<Vec<_>>().join(" "));
    }
    assert!(circles.is_empty(), "{circles:#?}");
    assert!(share < 22, "{biggest} has {share} % of {all} lines");
}

/// A file of src: its size, and its imports.
struct Source {
    lines: usize,
    imports: BTreeSet<String>,
}

/// All files of src, by their paths without extension; `aws/mod` is called `aws`.
struct House {
    files: BTreeMap<String, Source>,
}

impl House {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let texts: BTreeMap<String, String> = files(&root)
            .into_iter()
            .map(|path| (name_of(&path, &root), std::fs::read_to_string(&path).unwrap()))
            .filter(|(name, _)| name != "main" && name != "lib")
            .collect();
        let of = |(name, text): (&String, &String)| {
            let code = without_comments(text.split("#[cfg(test)]\nmod ").next().unwrap());
            let named = paths(&code, name).into_iter().filter_map(|path| file_of(&path, &texts));
            let mut imports: BTreeSet<String> = named.chain(children(&code, name, &texts)).collect();
            imports.remove(name);
            (name.clone(), Source { lines: text.lines().count(), imports })
        };
        Self { files: texts.iter().map(of).collect() }
    }

    fn arrows(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().flat_map(|(from, file)| file.imports.iter().map(move |to| (from.as_str(), to.as_str())))
    }

    fn circles(&self) -> Vec<BTreeSet<&str>> {
        let files = self.files.iter();
        circles(&files.map(|(name, file)| (name.as_str(), file.imports.iter().map(String::as_str).collect())).collect())
    }
}

/// Returns the names that lead back to themselves through others, in groups.
fn circles<'a>(arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<BTreeSet<&'a str>> {
    let reached = |from: &'a str| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(name) = open.pop() {
            open.extend(arrows.get(name).into_iter().flatten().copied().filter(|next| seen.insert(*next)));
        }
        seen
    };
    let all: BTreeMap<&str, BTreeSet<&str>> = arrows.keys().map(|name| (*name, reached(name))).collect();
    let groups: BTreeSet<BTreeSet<&str>> = all
        .iter()
        .filter(|(name, reached)| reached.contains(**name))
        .map(|(name, reached)| {
            all.keys().copied().filter(|other| reached.contains(other) && all[other].contains(name)).collect()
        })
        .collect();
    groups.into_iter().collect()
}

/// Returns the first part of a file's path.
fn room(name: &str) -> &str {
    name.split('/').next().unwrap()
}

/// Returns the first two parts of a file's path: `aws/kinds` of `aws/kinds/rule`.
fn inner_room(name: &str) -> &str {
    name.match_indices('/').nth(1).map_or(name, |(at, _)| &name[..at])
}

/// Returns the room whose size is compared: each part of `cli` and `aws` is its own room.
fn sized_room(name: &str) -> &str {
    match room(name) {
        "aws" | "cli" => inner_room(name),
        room => room,
    }
}

fn name_of(path: &Path, root: &Path) -> String {
    let name = path.strip_prefix(root).unwrap().with_extension("").to_str().unwrap().replace('\\', "/");
    name.strip_suffix("/mod").map_or_else(|| name.clone(), str::to_owned)
}

/// Returns the file of a path from the crate's root: the longest beginning of the path that is a file.
fn file_of(path: &str, files: &BTreeMap<String, String>) -> Option<String> {
    let parts: Vec<&str> = path.split("::").collect();
    (1..=parts.len()).rev().map(|count| parts[..count].join("/")).find(|name| files.contains_key(name))
}

/// Returns all paths that begin with `crate`, `super` or `self`, as paths from the crate's root.
fn paths(code: &str, name: &str) -> Vec<String> {
    let here: Vec<&str> = name.split('/').collect();
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|char| char.is_alphanumeric() || char == '_' || char == ':') {
                continue;
            }
            let mut rest = &code[at..];
            let mut root: Vec<&str> = here.clone();
            if let Some(after) = rest.strip_prefix("crate::") {
                (rest, root) = (after, Vec::new());
            }
            rest = rest.strip_prefix("self::").unwrap_or(rest);
            while let Some(after) = rest.strip_prefix("super::") {
                rest = after;
                root.pop();
            }
            for leaf in leaves(rest) {
                found.push(root.iter().copied().chain([leaf.as_str()]).collect::<Vec<_>>().join("::"));
            }
        }
    }
    found
}

/// Returns the files below this one that it uses by their bare names.
fn children(code: &str, name: &str, files: &BTreeMap<String, String>) -> Vec<String> {
    let is_called = |child: &str| {
        code.match_indices(&format!("{child}::")).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            !before.is_some_and(|char| char.is_alphanumeric() || char == '_' || char == ':')
        })
    };
    let below = files.keys().filter_map(|file| Some((file, file.strip_prefix(name)?.strip_prefix('/')?)));
    below.filter(|(_, child)| !child.contains('/') && is_called(child)).map(|(file, _)| file.clone()).collect()
}

/// Returns the paths of a tree such as `a::{b, c::{self, D}}`; for a path in an expression, the path itself.
fn leaves(tree: &str) -> Vec<String> {
    let end = tree.find(|char: char| !(char.is_alphanumeric() || char == '_' || char == ':')).unwrap_or(tree.len());
    let path = tree[..end].trim_end_matches(':');
    let Some(list) = tree[end..].strip_prefix('{').filter(|_| tree[..end].ends_with("::") || end == 0) else {
        return vec![path.to_owned()];
    };
    let (mut depth, mut item, mut items) = (0, String::new(), Vec::new());
    for char in list.chars() {
        match char {
            '}' if depth == 0 => break,
            ',' if depth == 0 => items.push(std::mem::take(&mut item)),
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if !(char == ',' && depth == 0) {
            item.push(char);
        }
    }
    items.push(item);
    let of = |item: String| {
        leaves(item.trim()).into_iter().map(|leaf| match leaf.as_str() {
            "self" | "" => path.to_owned(),
            leaf if path.is_empty() => leaf.to_owned(),
            leaf => format!("{path}::{leaf}"),
        })
    };
    items.into_iter().filter(|item| !item.trim().is_empty()).flat_map(of).collect()
}

fn without_comments(code: &str) -> String {
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn files(folder: &Path) -> Vec<PathBuf> {
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
