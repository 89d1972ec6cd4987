//! Checks the two rules of plain English that a program can check: no sentence begins with a pronoun or a question word, and the
//! documentation of a function begins with a verb.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// The words with which no sentence begins: they hide the actor.
const HIDING: &str = "What|Who|Whoever|Whose|Which|Those|One|It|Its|The same";

/// The sentences that may begin so, because users ask like this.
const ALLOWED: [&str; 1] = ["What rings"];

static SENTENCE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"(?:^|[.!?] )((?:{HIDING})\b.*)")));
static TEST_OF_NODE: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r#"\b(?:test|it|describe)\(\s*['"`]((?i:{HIDING})\b.*)"#)));
static TEST_OF_RUST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"#\[(?:tokio::)?test[^\n]*\]\s+(?:async )?fn ((?:{})_\w+)",
        HIDING.to_lowercase().replace(' ', "_")
    ))
});
static COMMENT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?://[/!]?|/\*\*?|\*(?:[^/]|$))\s*(.*?)(?:\*/)?\s*$"));
static FUNCTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:pub(?:\([a-z]+\))? )?(?:const |async )*fn (\w+)"));
static VERB: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[A-Z][a-z]+(?:-[a-z]+)?s\b,?"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// Returns the project's own files below a folder whose names end like this, with their text.
fn texts(folder: &str, end: &str) -> Vec<(String, String)> {
    fn collect(folder: &Path, end: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("node_modules") => {}
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

/// Returns the paragraphs of the comments in a source, with the number of the first line of each.
fn comments(source: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    for (number, line) in source.lines().enumerate() {
        let text = COMMENT.captures(line).map(|comment| comment[1].to_owned()).unwrap_or_default();
        match (text.is_empty(), is_open, found.last_mut()) {
            (true, ..) => {}
            (false, true, Some((_, paragraph))) => paragraph.extend([" ", &text]),
            (false, ..) => found.push((number + 1, text.clone())),
        }
        is_open = !text.is_empty();
    }
    found
}

/// Returns the lines of a document outside code blocks, without the marks of lists, headings and tables.
fn lines(document: &str) -> Vec<(usize, String)> {
    let marks: &[char] = &[' ', '-', '*', '#', '>', '|', '.', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
    let mut is_code = false;
    let mut found = Vec::new();
    for (number, line) in document.lines().enumerate() {
        is_code ^= line.trim_start().starts_with("```");
        if !is_code {
            found.push((number + 1, line.trim_start_matches(marks).to_owned()));
        }
    }
    found
}

fn hiding(name: &str, paragraphs: Vec<(usize, String)>) -> Vec<String> {
    let hidden = |text: &str| SENTENCE.captures(text).map(|found| found[1].chars().take(60).collect::<String>());
    let allowed = |sentence: &String| ALLOWED.iter().any(|allowed| sentence.starts_with(allowed));
    let of = |(number, text): (usize, String)| Some((number, hidden(&text).filter(|sentence| !allowed(sentence))?));
    paragraphs.into_iter().filter_map(of).map(|(number, sentence)| format!("{name}:{number}: {sentence}")).collect()
}

#[test]
fn no_sentence_hides_its_actor() {
    let mut wrong = Vec::new();
    let mut sentences = 0;
    for (name, source) in ["src", "tests", "bench"].into_iter().flat_map(|folder| texts(folder, ".rs")) {
        let found = comments(&source);
        sentences += found.len();
        wrong.extend(hiding(&name, found));
        wrong.extend(TEST_OF_RUST.captures_iter(&source).map(|found| format!("{name}: {}", &found[1])));
    }
    for (name, source) in ["lambda", "bench"].into_iter().flat_map(|folder| texts(folder, ".mjs")) {
        wrong.extend(hiding(&name, comments(&source)));
        wrong.extend(TEST_OF_NODE.captures_iter(&source).map(|found| format!("{name}: {}", &found[1])));
    }
    let root = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    let root = root.map(|file| (file.to_owned(), std::fs::read_to_string(file).unwrap()));
    for (name, document) in texts("docs", ".md").into_iter().chain(root) {
        wrong.extend(hiding(&name, lines(&document)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(sentences > 2000, "only {sentences} comments were found");
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

#[test]
fn help_of_a_command_begins_with_an_imperative() {
    let help = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_taskbell")).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let mut commands = Vec::new();
    for group in [&["-h"] as &[&str], &["pattern", "-h"], &["export", "-h"]] {
        let help = help(group);
        let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        commands
            .extend(list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).map(str::to_owned));
    }
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
