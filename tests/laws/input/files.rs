//! Checks in which encodings the commands read the user's files, and how they refuse other encodings.

use super::*;

const EVENT: &str = include_str!("../../../patterns/events/02-oom.json");
const PATTERN: &str = r#"{"source": ["aws.ecs"], "detail": {"clusterArn": ["${cluster_arn}"]}}"#;
const DEFINITION: &str = r#"{"taskDefinition": {"containerDefinitions": [{"name": "web"}]}}"#;
const FILE: &str = "[[stack]]\nclusters = [\"batch\"]\n";

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

/// The commands that read a file, each with the name of the file and its content.
const READERS: [(&str, &str, &str); 10] = [
    ("preview {}", "event.json", EVENT),
    ("pattern test {}", "event.json", EVENT),
    ("pattern test {folder}", "event.json", EVENT),
    ("pattern test oom --pattern {}", "mine.json", PATTERN),
    ("preview oom --task-definition {}", "definition.json", DEFINITION),
    ("pattern test oom --task-definition {}", "definition.json", DEFINITION),
    ("pattern show {} --cluster batch", "mine.json", PATTERN),
    ("setup --cluster batch --dry-run --pattern {}", "mine.json", PATTERN),
    ("drift --stack batch --config {}", "taskbell.toml", FILE),
    ("export cloudformation --cluster batch --pattern {}", "mine.json", PATTERN),
];

/// Runs the command with a file that contains these bytes.
async fn with(line: &str, name: &str, content: &[u8]) -> support::Outcome {
    let aws = Aws::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let line = line.replace("{}", path.to_str().unwrap()).replace("{folder}", folder.path().to_str().unwrap());
    let outcome = taskbell(&aws, &line).await;
    assert_eq!(aws.writes(), [""; 0], "{line}");
    let here = folder.path().to_str().unwrap();
    support::Outcome { out: outcome.out.replace(here, ""), err: outcome.err.replace(here, ""), ..outcome }
}

#[tokio::test(start_paused = true)]
async fn byte_order_mark_is_ignored_in_every_file() {
    for (line, name, content) in READERS {
        let plain = with(line, name, content.as_bytes()).await;
        assert!([0, 2].contains(&plain.code), "{line}: {plain:?}");
        let marked = with(line, name, format!("\u{feff}{content}").as_bytes()).await;
        assert_eq!((marked.code, marked.out, marked.err), (plain.code, plain.out, plain.err), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn utf16_is_refused_with_a_hint_in_every_file() {
    for (line, name, content) in READERS {
        let marked = format!("\u{feff}{content}");
        for (bytes, converter) in [
            (utf16(&marked, u16::to_le_bytes), "UTF-16"),
            (utf16(&marked, u16::to_be_bytes), "UTF-16"),
            (utf16(content, u16::to_le_bytes), "UTF-16LE"),
            (utf16(content, u16::to_be_bytes), "UTF-16BE"),
        ] {
            let refused = with(line, name, &bytes).await;
            assert_eq!((refused.code, refused.out.as_str()), (64, ""), "{line}: {refused:?}");
            let way_out = format!(
                "{name} is UTF-16 text, and not UTF-8\n  hint: `iconv -f {converter} -t UTF-8` converts it; PowerShell writes UTF-8 with `Out-File -Encoding utf8`"
            );
            assert!(refused.err.contains(&way_out), "{line}: {refused:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn other_encodings_are_refused_with_line_and_column_in_every_file() {
    for (line, name, content) in READERS {
        let bytes = [content.as_bytes(), b"\n\"caf\xe9\""].concat();
        let refused = with(line, name, &bytes).await;
        let at = format!("{name} is not UTF-8 text: byte 0xe9 at line {} column 5", content.matches('\n').count() + 2);
        assert!(refused.code == 64 && refused.err.contains(&at), "{line}: {refused:?}");
    }
}
