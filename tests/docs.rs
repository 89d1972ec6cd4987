//! What the README says is so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::aws::Aws;
use support::taskbell;

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// The actions that the README's policy allows.
fn allowed() -> BTreeSet<String> {
    let readme = readme();
    let block = readme.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let policy: Value = serde_json::from_str(block).unwrap();
    let mut actions = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        match &statement["Action"] {
            Value::Array(list) => actions.extend(list.iter().map(|action| action.as_str().unwrap().to_owned())),
            single => drop(actions.insert(single.as_str().unwrap().to_owned())),
        }
    }
    actions
}

#[tokio::test(start_paused = true)]
async fn the_policy_allows_every_action_that_is_used_and_drift_only_reads() {
    let aws = Aws::new().await;
    let allowed = allowed();
    let more = "--tag team=a --log-retention 7 --pattern nonzero-exit --permissions-boundary arn:aws:iam::aws:policy/x";
    for line in [
        "setup --cluster batch --yes".to_owned(),
        format!("setup --cluster batch --yes {more}"),
        "setup --cluster batch --yes --log-retention never".to_owned(),
        "drill --cluster batch".to_owned(),
        "teardown --cluster batch --yes".to_owned(),
    ] {
        let outcome = taskbell(&aws, &line).await;
        assert_eq!(outcome.code, 0, "{line}: {outcome:?}");
    }
    assert_eq!(taskbell(&aws, "setup --cluster bacth --yes").await.code, 1);
    for call in aws.calls() {
        let no_policy_needed = call.action == "sts:GetCallerIdentity";
        assert!(no_policy_needed || allowed.contains(&call.action), "the README does not allow {}", call.action);
    }
    aws.forget_calls();
    assert_eq!(taskbell(&aws, "drift --cluster batch").await.code, 2);
    assert_eq!(aws.writes(), [""; 0]);
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
    let help: String = ["setup", "drift", "teardown", "drill", "preview", "notify", "pattern test"]
        .map(|command| {
            let binary = env!("CARGO_BIN_EXE_taskbell");
            let output = std::process::Command::new(binary).args(command.split(' ')).arg("--help").output().unwrap();
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
