//! What the README says is so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// README and the pages of docs, with their names.
fn pages() -> Vec<(String, String)> {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut pages = vec![("README.md".to_owned(), readme())];
    for entry in std::fs::read_dir(format!("{root}/docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push((
                format!("docs/{}", path.file_name().unwrap().display()),
                std::fs::read_to_string(&path).unwrap(),
            ));
        }
    }
    pages
}

/// Flags of other programs that the docs show.
const OTHERS: [&str; 3] = ["--path", "--entries", "--all"];

#[test]
fn every_flag_in_the_docs_is_one_that_the_commands_have() {
    let help: String =
        ["setup", "drift", "teardown", "drill", "replay", "status", "permissions", "preview", "notify", "pattern test"]
            .map(|command| {
                let binary = env!("CARGO_BIN_EXE_taskbell");
                let output =
                    std::process::Command::new(binary).args(command.split(' ')).arg("--help").output().unwrap();
                String::from_utf8(output.stdout).unwrap()
            })
            .concat();
    let known: BTreeSet<&str> = help.split(|c: char| !(c.is_ascii_lowercase() || c == '-')).collect();
    for (name, page) in pages() {
        let flags = page.split(|c: char| !(c.is_ascii_lowercase() || c == '-')).filter(|word| word.starts_with("--"));
        for flag in flags.filter(|flag| flag.contains(|c: char| c != '-') && !OTHERS.contains(flag)) {
            assert!(known.contains(flag), "{flag} in {name}");
        }
    }
}

#[test]
fn every_link_in_the_docs_leads_to_a_file_that_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for (name, page) in pages() {
        let folder = root.join(&name).parent().unwrap().to_owned();
        for target in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.starts_with("http") && !target.starts_with('#') {
                assert!(folder.join(target).exists(), "{target} in {name}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 5, "{seen} links");
}

/// What `--help` lists, but for clap's own.
fn commands() -> Vec<String> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_taskbell")).arg("-h").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_readme_says_what_every_command_is_for() {
    let (readme, commands) = (readme(), commands());
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        assert!(readme.contains(&format!("taskbell {command}")), "{command}");
    }
}
