//! Checks `import` next to a `taskbell.toml`: the file defines the new stack, or the output shows the stack's lines for the file.

use super::*;

fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taskbell.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

/// Checks a stack that has the name of the rule's cluster, because the user gave none.
#[tokio::test(start_paused = true)]
async fn stack_of_the_file_determines_the_settings() {
    let text = "[defaults]\nlanguage = \"ja\"\nlog_retention = 7\n\n[[stack]]\nclusters = [\"web\"]\n\n\
        [[stack]]\nclusters = [\"batch\", \"web\"]\nlog_retention = 14\nmention = [\"here\"]\n";
    let (_folder, path) = file(text);
    let (aws, hand) = by_hand().await;
    let done = import(&aws, &format!("--config {path} --log-lines 3")).await;
    assert_eq!((done.code, state(&hand).await), (0, Some(RuleState::Disabled)), "{done:?}");
    assert!(!done.err.contains("[[stack]]"), "{done:?}");
    let as_the_file_says = taskbell_without_webhook(&aws, &format!("drift --stack batch --config {path}")).await;
    assert!(as_the_file_says.code == 2 && as_the_file_says.out.contains("log lines: is 3"), "{as_the_file_says:?}");
    let drift = taskbell_without_webhook(&aws, &format!("drift --stack batch --config {path} --log-lines 3")).await;
    assert_eq!(drift.code, 0, "{drift:?}");
}

#[tokio::test(start_paused = true)]
async fn stack_missing_from_the_file_is_printed_as_toml() {
    let defaults = "[defaults]\nlanguage = \"ja\"\n";
    for (others, flags, lines) in [
        ("", "", "[[stack]]\nclusters = [\"batch\"]\n"),
        ("", "--stack jobs", "[[stack]]\nname = \"jobs\"\nclusters = [\"batch\"]\n"),
        // The stack of this name is in another region.
        (
            "[[stack]]\nclusters = [\"batch\"]\nregion = \"eu-west-1\"\nlog_retention = 7\n",
            "--region us-east-1",
            "[[stack]]\nclusters = [\"batch\"]\nregion = \"us-east-1\"\n",
        ),
    ] {
        let (_folder, path) = file(&format!("{defaults}{others}"));
        let (aws, _) = by_hand().await;
        let done = import(&aws, &format!("{flags} --config {path}")).await;
        assert!(done.code == 0 && done.err.ends_with(lines), "{flags}: {done:?}");
        std::fs::write(&path, format!("{defaults}{others}{lines}")).unwrap();
        let drift = taskbell_without_webhook(&aws, &format!("drift --cluster batch {flags} --config {path}")).await;
        assert_eq!(drift.code, 0, "{flags}: {drift:?}");
        let again = import(&aws, &format!("{flags} --config {path}")).await;
        assert!(again.code == 0 && !again.err.contains("[[stack]]"), "{flags}: {again:?}");
    }
    let (_folder, path) = file(&format!("fleet = \"data\"\n{defaults}"));
    let (aws, _) = by_hand().await;
    let kept = import(&aws, &format!("--keep-pattern --config {path}")).await;
    assert!(kept.err.contains("patterns = [\"ecs-task-failed.json\"]\n"), "{kept:?}");
    assert!(kept.err.contains("after `taskbell setup --stack batch`"), "{kept:?}");
}
