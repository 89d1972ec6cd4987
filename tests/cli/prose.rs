//! Checks the two rules of plain English that a program can check: no sentence begins with a pronoun or a question word, and the
//! documentation of a function begins with a verb.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// The words with which no sentence begins: they hide the actor.
const HIDING: &str = "What|Who|Whoever|Whose|Which|Those|One|It|Its|The same";

static SENTENCE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r#"(?:^|[.!?]["')`*\]]*\s+)({HIDING})\b"#)));
static TEST_OF_NODE: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r#"\b(?:test|it|describe)\(\s*['"`]((?i:{HIDING})\b.*)"#)));
static TEST_OF_RUST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"#\[(?:tokio::)?test[^\n]*\]\s+(?:(?:#\[|//)[^\n]*\s+)*(?:async )?fn ((?:{})_\w+)",
        HIDING.to_lowercase().replace(' ', "_")
    ))
});
/// A comment of Rust or JavaScript: a whole line, or the end of a line of code.
static SLASHES: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?://[/!]?|/\*\*?|\*(?:[^/]|$))\s*(.*?)(?:\*/)?\s*$|\S\s+//\s+(.*)$"));
/// A comment of a script or a settings file, or the first line of a Python docstring.
static HASH: LazyLock<Regex> = LazyLock::new(|| pattern(r#"^(?:.*\s)?#\s+(.*)$|^\s*"""(.*?)(?:""")?$"#));
/// A comment within a code block of a document.
static IN_CODE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"(?:^|\s)(?:#|//)\s+((?i:{HIDING})\b.*)$")));
/// The beginning of a list item, a heading, a table cell or a JSDoc tag with its type and name.
static MARK: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:[-*#>|]+\s+|\d+\.\s+|\*+|@\w+(?:\s+\{[^}]*\})?(?:\s+\[?[\w.]+\]?)?\s+(?:-\s+)?)"));
static FUNCTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:pub(?:\([a-z]+\))? )?(?:const |async )*fn (\w+)"));
static VERB: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[A-Z][a-z]+(?:-[a-z]+)?s\b,?"));
/// A line of a help text that begins the description of a flag, an argument or a value.
static DESCRIBED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^ {2,6}(?:-\w, |--)[^ ].*$|^  [<\[].*$|^ +- [\w-]+: +(.*)$"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// Returns the project's own files below a folder whose names end like this, with their text.
fn texts(folder: &str, end: &str) -> Vec<(String, String)> {
    fn collect(folder: &Path, end: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("node_modules") || path.ends_with("__pycache__") => {}
                true => collect(&path, end, found),
                false if path.to_string_lossy().ends_with(end) => found.push(path),
                false => {}
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join(folder), end, &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    paths.into_iter().map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

/// Returns the paragraphs of the comments in a source, with the number of the first line of each. A list item is a paragraph.
fn comments(source: &str, comment: &Regex) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    for (number, line) in source.lines().enumerate() {
        let captures = comment.captures(line);
        let is_whole = captures.as_ref().is_some_and(|captures| captures.get(1).is_some());
        let text = captures.iter().flat_map(|captures| captures.iter().skip(1).flatten()).map(|text| text.as_str());
        let text = text.collect::<String>();
        let continues = is_open && is_whole && MARK.find(&text).is_none_or(|mark| mark.is_empty());
        match (text.is_empty(), continues, found.last_mut()) {
            (true, ..) => {}
            (false, true, Some((_, paragraph))) => paragraph.extend([" ", &text]),
            (false, ..) => found.push((number + 1, MARK.replace(&text, "").into_owned())),
        }
        is_open = is_whole && !text.is_empty();
    }
    found
}

/// Returns the paragraphs of a document, its table cells, and the comments in its code blocks that hide an actor.
fn paragraphs(document: &str) -> Vec<(usize, String)> {
    let mut is_code = false;
    let mut found = Vec::new();
    for (number, line) in document.lines().enumerate() {
        let line = line.trim_start();
        is_code ^= line.starts_with("```");
        if is_code {
            let comment = IN_CODE.captures(line).map(|comment| comment[1][..1].to_uppercase() + &comment[1][1..]);
            found.extend(comment.map(|comment| (number + 1, comment)));
        } else {
            let cells = line.split(" | ").map(|cell| MARK.replace(&MARK.replace(cell, ""), "").into_owned());
            found.extend(cells.map(|cell| (number + 1, cell)));
        }
    }
    found
}

/// Returns the beginnings of the sentences that hide their actor.
fn hiding(name: &str, paragraphs: Vec<(usize, String)>) -> Vec<String> {
    let sentences = |(number, text): (usize, String)| {
        let of = |found: regex::Captures| text[found.get(1).unwrap().start()..].chars().take(60).collect::<String>();
        SENTENCE.captures_iter(&text).map(of).map(|sentence| format!("{name}:{number}: {sentence}")).collect::<Vec<_>>()
    };
    paragraphs.into_iter().flat_map(sentences).collect()
}

/// Returns the scripts and settings files whose comments begin with `#`.
fn scripts() -> Vec<(String, String)> {
    let is_script = |(name, text): &(String, String)| {
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        text.starts_with("#!") || ends(&[".py", ".txt", ".yml", ".toml"]) && !name.contains("/target/")
    };
    let folders = ["dev", "bench", ".ci", ".github/workflows"].into_iter().flat_map(|folder| texts(folder, ""));
    let root = ["Makefile", "Dockerfile", "action.yml", "Cargo.toml", "clippy.toml", "deny.toml", "rustfmt.toml"];
    let root = root.map(|file| (file.to_owned(), std::fs::read_to_string(file).unwrap()));
    folders.filter(is_script).chain(root).collect()
}

#[test]
fn no_sentence_hides_its_actor() {
    let mut wrong = Vec::new();
    let mut sentences = 0;
    for (name, source) in ["src", "tests", "bench"].into_iter().flat_map(|folder| texts(folder, ".rs")) {
        let found = comments(&source, &SLASHES);
        sentences += found.len();
        wrong.extend(hiding(&name, found));
        wrong.extend(TEST_OF_RUST.captures_iter(&source).map(|found| format!("{name}: {}", &found[1])));
    }
    for (name, source) in ["lambda", "bench", "dev"].into_iter().flat_map(|folder| texts(folder, ".mjs")) {
        wrong.extend(hiding(&name, comments(&source, &SLASHES)));
        wrong.extend(TEST_OF_NODE.captures_iter(&source).map(|found| format!("{name}: {}", &found[1])));
    }
    for (name, source) in scripts() {
        let found = comments(&source, &HASH);
        assert!(!found.is_empty() || !source.starts_with("#!"), "{name} has no comment");
        wrong.extend(hiding(&name, found));
    }
    let root = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    let root = root.map(|file| (file.to_owned(), std::fs::read_to_string(file).unwrap()));
    for (name, document) in texts("docs", ".md").into_iter().chain(root) {
        wrong.extend(hiding(&name, paragraphs(&document)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(sentences > 2000, "only {sentences} comments were found");
}

/// Checks the checker: each of these hides an actor, wherever it begins.
#[test]
fn sentences_that_hide_their_actor_are_found() {
    for (source, comment) in [
        ("// Reads it. What it reads is text.", &SLASHES),
        ("// Reads (all of it.) Those are texts.", &SLASHES),
        (concat!("let a = 1; /", "/ Which is all."), &SLASHES),
        ("/// Reads:\n/// - Whose text it is.", &SLASHES),
        ("/**\n * Reads.\n * @param {string} text What to read.\n */", &SLASHES),
        ("# Reads `a`.\n# It ends.", &HASH),
        ("run # The same again.", &HASH),
        ("def read():\n    \"\"\"What it reads.\"\"\"", &HASH),
    ] {
        assert_eq!(hiding("x", comments(source, comment)).len(), 1, "{source}");
    }
    for document in
        ["- **What** it reads", "| a | Those |", "Reads `a`. It ends.", "```\nread # what it reads\n```", "1. Its end"]
    {
        assert_eq!(hiding("x", paragraphs(document)).len(), 1, "{document}");
    }
    let test = "#[test]\n#[ignore]\n// Runs long.\nfn what_is_read() {}";
    assert!(TEST_OF_RUST.is_match(test) && !TEST_OF_RUST.is_match(&test.replace("what", "text")));
}

#[test]
fn documentation_of_a_function_begins_with_a_verb() {
    let mut wrong = Vec::new();
    let mut functions = 0;
    for (name, source) in texts("src", ".rs").into_iter().chain(texts("tests/support", ".rs")) {
        let mut first = None;
        for (number, line) in source.lines().enumerate() {
            if let Some(text) = line.trim_start().strip_prefix("///") {
                first = first.or_else(|| Some(text.trim().to_owned()));
            } else if !line.trim_start().starts_with('#')
                && let (Some(text), Some(function)) = (first.take(), FUNCTION.captures(line))
            {
                functions += 1;
                if !VERB.is_match(&text) && text != "# Errors" {
                    wrong.push(format!("{name}:{}: {}: {text}", number + 1, &function[1]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(functions > 500, "only {functions} documented functions were found");
}

/// Returns the words of the help for these arguments.
fn help(arguments: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_taskbell")).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the commands in a help text, each with its description.
fn listed(help: &str) -> Vec<String> {
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // The commands of the first level are below the names of their groups.
    let indent = if help.contains("  Set up and remove\n") { "    " } else { "  " };
    let is_command = |line: &&str| line.strip_prefix(indent).is_some_and(|rest| !rest.starts_with(' '));
    list.lines().filter(is_command).map(str::to_owned).collect()
}

#[test]
fn help_of_a_command_begins_with_an_imperative() {
    let groups = [&["-h"] as &[&str], &["pattern", "-h"], &["export", "-h"]];
    let commands: Vec<String> = groups.iter().flat_map(|group| listed(&help(group))).collect();
    let wrong: Vec<&String> = commands
        .iter()
        .filter(|line| {
            let verb = line.split_whitespace().nth(1).unwrap_or_default();
            !verb.starts_with(char::is_uppercase) || verb.ends_with('s') || ["A", "An", "The", "How"].contains(&verb)
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(commands.len() > 20, "{commands:#?}");
}

/// Checks that each flag that says what a stack shall be is in a section of its subject: a flag without a section is about one run.
#[test]
fn flags_of_one_run_are_apart_from_those_of_a_stack() {
    let flags = |help: &str| -> Vec<String> {
        let section = help.split("\nThis run:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        let names = section.lines().filter_map(|line| line.split("--").nth(1));
        names.map(|rest| rest.split([' ', '[', ',']).next().unwrap().to_owned()).collect()
    };
    let run = ["all", "jobs", "drill", "dry-run", "reset", "yes"];
    for (command, own) in [("setup", &run[..]), ("drift", &["all", "jobs", "fail-on-warning", "reset"])] {
        let mut flags = flags(&help(&[command, "-h"]));
        flags.sort_unstable();
        let mut own = own.to_vec();
        own.sort_unstable();
        assert_eq!(flags, own, "{command}");
    }
    let whole = help(&["setup", "--help"]);
    let tasks = whole.split("Where alerts go:").next().unwrap();
    assert!(["--job-queue", "--state-machine", "--exclude-cluster"].iter().all(|flag| tasks.contains(flag)), "{tasks}");
}

/// Words that end like a verb in the third person, and are none.
const NOUNS: [&str; 3] = ["Alerts", "Days", "Address"];

/// Checks that the description of a flag, an argument or a value begins with an imperative or a noun, and that no sentence of a
/// help text hides its actor.
#[test]
fn help_of_a_flag_begins_with_an_imperative_or_a_noun() {
    let (mut wrong, mut described) = (Vec::new(), 0);
    let commands = |group: &[&str]| -> Vec<Vec<String>> {
        let names = listed(&help(&[group, &["-h"]].concat()));
        let names = names.iter().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
        names.map(|name| group.iter().copied().chain([name]).map(str::to_owned).collect()).collect()
    };
    for command in [&[] as &[&str], &["pattern"], &["export"]].into_iter().flat_map(commands) {
        let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let (help, name) = (help(&arguments), command.join(" "));
        let mut lines = help.split("\nExamples").next().unwrap().lines().peekable();
        let mut paragraphs: Vec<(usize, String)> = Vec::new();
        let mut number = 0;
        while let Some(line) = lines.next() {
            number += 1;
            let begins = DESCRIBED.captures(line).map(|captures| match captures.get(1) {
                Some(value) => value.as_str().to_owned(),
                None => match line.trim_start().split_once("  ") {
                    Some((_, text)) => text.trim().to_owned(),
                    None => lines.peek().map(|next| next.trim().to_owned()).unwrap_or_default(),
                },
            });
            if let Some(text) = begins {
                described += 1;
                let first = text.split([' ', ',', ':', ';', '.']).next().unwrap_or_default();
                let is_verb = VERB.is_match(&text) && !first.ends_with("ss") && !NOUNS.contains(&first);
                let is_clause = ["How", "When", "Where", "Whether", "If", "To", "By", "For", "Only"].contains(&first);
                if is_verb || is_clause || !first.starts_with(char::is_uppercase) {
                    wrong.push(format!("{name}: {text}"));
                }
            }
            let text = MARK.replace(line.trim(), "").into_owned();
            match paragraphs.last_mut() {
                Some((last, paragraph)) if *last + 1 == number && !text.is_empty() && !DESCRIBED.is_match(line) => {
                    (*last, *paragraph) = (number, format!("{paragraph} {text}"));
                }
                _ => paragraphs.push((number, text)),
            }
        }
        wrong.extend(hiding(&name, paragraphs));
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(described > 300, "only {described} descriptions were found");
}
