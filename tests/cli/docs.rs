//! Checks that the README and the docs are true: flags, links, commands, snippets.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::script::executable;

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// Returns both READMEs and the pages of docs, each with its name.
fn pages() -> Vec<(String, String)> {
    let root = env!("CARGO_MANIFEST_DIR");
    let japanese = std::fs::read_to_string(format!("{root}/README.ja.md")).unwrap();
    let mut pages = vec![("README.md".to_owned(), readme()), ("README.ja.md".to_owned(), japanese)];
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

/// The flags of other programs that the docs show.
const OTHERS: [&str; 35] = [
    "--path",
    "--entries",
    "--all",
    "--from",
    "--locked",
    "--root",
    "--arg",
    "--query",
    "--alarm-name",
    "--state-value",
    "--state-reason",
    "--auto-deployment",
    "--capabilities",
    "--deployment-targets",
    "--name",
    "--parameter-overrides",
    "--parameters",
    "--permission-model",
    "--regions",
    "--stack-name",
    "--stack-set-name",
    "--template-body",
    "--template-file",
    "--type",
    "--value",
    "--annotate",
    "--check",
    "--env",
    "--ignore-missing",
    "--offline",
    "--repo",
    "--rm",
    "--test",
    "--volume",
    "--workspace",
];

#[test]
fn every_flag_in_the_docs_exists() {
    let help: String = [
        "setup",
        "import",
        "drift",
        "graph",
        "teardown",
        "drill",
        "replay",
        "status",
        "jobs",
        "doctor",
        "permissions",
        "preview",
        "notify",
        "pattern test",
        "export cloudformation",
        "export terraform",
        "export notifier",
        "init",
        "man",
    ]
    .map(|command| {
        let binary = env!("CARGO_BIN_EXE_taskbell");
        let output = Command::new(binary).args(command.split(' ')).arg("--help").output().unwrap();
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

/// Returns the name by which a link leads to a heading; none for other lines.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
}

#[test]
fn every_link_in_the_docs_leads_to_a_file() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for (name, page) in pages() {
        let folder = root.join(&name).parent().unwrap().to_owned();
        for target in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.starts_with("http") && !target.starts_with('#') {
                let (file, heading) =
                    target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
                assert!(folder.join(file).exists(), "{target} in {name}");
                if let Some(heading) = heading {
                    let page = std::fs::read_to_string(folder.join(file)).unwrap();
                    assert!(page.lines().any(|line| anchor(line).as_deref() == Some(heading)), "{target} in {name}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 5, "{seen} links");
}

/// Keeps the README short: details belong on the pages, and every page has a link from each README.
#[test]
fn readme_is_short_and_leads_to_every_page() {
    let words = readme().split_whitespace().count();
    assert!(words < 900, "{words} words");
    let pages = pages();
    let (readmes, pages) = pages.split_at(2);
    for (readme, text) in readmes {
        for (page, _) in pages {
            let links = [format!("]({page})"), format!("]({page}#")];
            assert!(links.iter().any(|link| text.contains(link)), "{readme} has no link to {page}");
        }
    }
}

/// Returns the commands that `-h` lists, without clap's own `help`.
fn commands() -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_taskbell")).arg("-h").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // The commands are below the names of their groups.
    let names = list.lines().filter(|line| line.starts_with("    "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn readme_mentions_every_command() {
    let (readme, commands) = (readme(), commands());
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        assert!(readme.contains(&format!("taskbell {command}")), "{command}");
    }
}

/// Returns the contents of a page's code blocks.
fn blocks(page: &str) -> Vec<&str> {
    page.split("\n```").skip(1).step_by(2).collect()
}

/// Removes the words of a code block that each language has for itself: comments, and the labels of a drawing, which keeps its nodes
/// and arrows.
fn without_prose<'a>(block: &'a str) -> Vec<&'a str> {
    if block.starts_with("mermaid") {
        return block.split('"').step_by(2).collect();
    }
    let is_comment = |line: &&str| line.trim_start().starts_with("# ");
    let code = |line: &'a str| line.split("  # ").next().unwrap_or_default().trim_end();
    block.lines().filter(|line| !is_comment(line)).map(code).collect()
}

#[test]
fn comments_and_labels_of_a_code_block_may_be_translated_and_nothing_else() {
    let same = |one: &str, other: &str| without_prose(one) == without_prose(other);
    assert!(same("\n# Shows it.\ntaskbell drift  # reads\n", "\n# 表示\ntaskbell drift  # 読み取り\n"));
    assert!(same("mermaid\n  a[\"one\"] -->|\"reads\"| b\n", "mermaid\n  a[\"一\"] -->|\"読み取り\"| b\n"));
    assert!(!same("\n# Shows it.\ntaskbell drift\n", "\n# 表示\ntaskbell status\n"));
    assert!(!same("mermaid\n  a[\"one\"] --> b\n", "mermaid\n  a[\"一\"] -.-> b\n"));
}

#[test]
fn japanese_readme_has_the_same_commands_in_the_same_order() {
    let pages = pages();
    let of = |name: &str| &pages.iter().find(|(page, _)| page == name).unwrap().1;
    let (english, japanese) = (blocks(of("README.md")), blocks(of("README.ja.md")));
    assert!(english.len() >= 3, "{english:?}");
    assert_eq!(english.len(), japanese.len());
    for (english, japanese) in english.iter().zip(&japanese) {
        assert_eq!(without_prose(english), without_prose(japanese));
    }
    // Compare the words between backticks, too: flags, names and codes are equal in all languages.
    let words = |page: &str| {
        let prose: String = page.split("\n```").step_by(2).collect();
        let mut words: Vec<String> = prose.split('`').skip(1).step_by(2).map(|word| word.replace('\n', " ")).collect();
        words.sort();
        words
    };
    assert_eq!(words(of("README.md")), words(of("README.ja.md")));
    let headings = |page: &str| page.lines().filter(|line| line.starts_with('#')).count();
    assert_eq!(headings(of("README.md")), headings(of("README.ja.md")));
}

/// Returns the only code block in this language on the page about application alerts.
fn snippet(language: &str) -> String {
    snippet_of("application-alerts", language)
}

/// Returns the only code block in this language on a page of the docs.
fn snippet_of(page: &str, language: &str) -> String {
    let page = std::fs::read_to_string(format!("{}/docs/{page}.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let fence = format!("```{language}\n");
    let mut blocks = page.split(&fence).skip(1).map(|rest| rest.split("```\n").next().unwrap());
    let found = blocks.next().unwrap().to_owned();
    assert!(blocks.next().is_none(), "{language}");
    found
}

/// Runs a script, with an EventBridge that reports this many failed entries.
fn run(program: &str, script: &Path, failed: &str) -> Output {
    let folder = script.parent().unwrap();
    let mut command = Command::new(program);
    command.arg(script).env("PYTHONPATH", folder).env("PUT", folder.join("put")).env("FAILED", failed);
    let path = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    command.env("PATH", std::env::join_paths(std::iter::once(folder.to_owned()).chain(path)).unwrap());
    command.output().unwrap()
}

/// Returns the only entry that was put, and its detail.
fn put(folder: &Path) -> (Value, Value) {
    let entries: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("put")).unwrap()).unwrap();
    let [entry] = &entries.as_array().unwrap()[..] else { panic!("{entries}") };
    assert_eq!((&entry["Source"], &entry["DetailType"]), (&json!("taskbell.app"), &json!("Application Error")));
    (entry.clone(), serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap())
}

#[test]
fn python_in_the_docs_puts_the_alert_and_reports_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let stub = "import json, os\n\
        class Client:\n    def put_events(self, Entries):\n        open(os.environ['PUT'], 'w').write(json.dumps(Entries))\n        \
        return {'FailedEntryCount': int(os.environ['FAILED']), 'Entries': [{'ErrorMessage': 'no room'}]}\n\
        def client(name):\n    assert name == 'events'\n    return Client()\n";
    std::fs::write(folder.path().join("boto3.py"), stub).unwrap();
    let script = folder.path().join("script.py");
    let raise = "\ntry:\n    1 / 0\nexcept ZeroDivisionError as error:\n    alert(error)\n";
    std::fs::write(&script, snippet("python") + raise).unwrap();
    let output = run("python3", &script, "0");
    assert!(output.status.success(), "{output:?}");
    let (_, detail) = put(folder.path());
    assert_eq!(
        (&detail["message"], &detail["source"]),
        (&json!("ZeroDivisionError('division by zero')"), &json!("billing"))
    );
    assert!(detail["detail"].as_str().unwrap().ends_with("ZeroDivisionError: division by zero\n"), "{detail}");
    let refused = run("python3", &script, "1");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no room"), "{refused:?}");
}

#[cfg(unix)]
#[test]
fn shell_in_the_docs_puts_the_alert_keeps_the_exit_code_and_reports_a_refusal() {
    if Command::new("jq").arg("--version").output().is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let aws = folder.path().join("aws");
    let stub = "#!/bin/sh\n[ \"$1 $2 $3\" = 'events put-events --entries' ] || exit 9\nprintf %s \"$4\" >\"$PUT\"\necho \"$FAILED\"\n";
    executable(&aws, stub.as_bytes());
    let script = folder.path().join("import");
    let fail = "\ngrep \"a \\\"quoted\\\" word\" /dev/null | cat\necho not reached\n";
    std::fs::write(&script, snippet("bash") + fail).unwrap();
    let output = run("bash", &script, "0");
    assert_eq!(
        (output.status.code(), &output.stdout[..], &output.stderr[..]),
        (Some(1), &b""[..], &b""[..]),
        "{output:?}"
    );
    let (_, detail) = put(folder.path());
    assert_eq!(detail["message"], json!(format!("{} failed with exit code 1", script.display())));
    assert!(detail["detail"].as_str().unwrap().starts_with("line "), "{detail}");
    let refused = run("bash", &script, "1");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("was not accepted: 1"), "{refused:?}");
    std::fs::write(&aws, "#!/bin/sh\nexit 255\n").unwrap();
    let unanswered = run("bash", &script, "0");
    assert_eq!(unanswered.status.code(), Some(1), "{unanswered:?}");
    assert!(String::from_utf8_lossy(&unanswered.stderr).contains("no answer"), "{unanswered:?}");
}

/// Checks the report of a job by the AWS CLI alone. The stub reads the entry in the CLI's shorthand.
#[cfg(unix)]
#[test]
fn shell_in_the_docs_reports_the_end_of_a_job_and_keeps_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let stub = "#!/bin/sh\n[ \"$1 $2 $7\" = 'events put-events --entries' ] || exit 9\nprintf %s \"$8\" >\"$PUT\"\necho \"$FAILED\"\n";
    executable(&folder.path().join("aws"), stub.as_bytes());
    let (script, backup) = (folder.path().join("nightly"), folder.path().join("backup"));
    let text = snippet_of("jobs", "bash").replace("/usr/local/bin/backup", backup.to_str().unwrap());
    std::fs::write(&script, text).unwrap();
    for (code, kind, message) in
        [(0, "Job Succeeded", "backup ended well"), (3, "Application Error", "backup failed with exit code 3")]
    {
        executable(&backup, format!("#!/bin/sh\nexit {code}\n").as_bytes());
        let output = run("bash", &script, "0");
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(code), &b""[..]), "{output:?}");
        let entry = std::fs::read_to_string(folder.path().join("put")).unwrap();
        let start = format!("Source=taskbell.app,DetailType='{kind}',Detail='");
        let detail = entry.strip_prefix(&start).and_then(|rest| rest.strip_suffix('\'')).unwrap();
        let detail: Value = serde_json::from_str(detail).unwrap();
        assert_eq!((&detail["job"], &detail["message"]), (&json!("backup"), &json!(message)));
        assert!(detail["seconds"].is_u64() && detail["at"].as_str().unwrap().ends_with('Z'), "{detail}");
        let refused = run("bash", &script, "1");
        assert_eq!(refused.status.code(), Some(code), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("was not accepted: 1"), "{refused:?}");
    }
}
