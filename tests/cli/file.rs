//! Checks how `taskbell.toml` is read, and how its mistakes are reported.

use std::path::Path;

use taskbell::config::Redaction;
use taskbell::config::file::{File, schema};
use taskbell::error::Error;

fn parse(text: &str) -> Result<File, Error> {
    File::parse(Path::new("taskbell.toml"), text)
}

#[test]
fn stack_has_the_settings_of_flags_and_inherits_the_defaults() {
    let file = parse(
        r#"
        fleet = "data"

        [defaults]
        region = "eu-west-1"
        language = "ja"
        mention = ["here"]
        tags = { team = "data", cost = "1" }
        storm_window = 30
        permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"

        [[stack]]
        clusters = ["batch"]

        [[stack]]
        name = "reports"
        clusters = ["reports", "etl"]
        region = "us-east-1"
        profile = "reports"
        role_arn = "arn:aws:iam::210987654321:role/taskbell"
        patterns = ["task-failed"]
        language = "en"
        mention = ["S0123"]
        tags = { cost = "2" }
        no_dedupe = true
        log_retention = "never"
        webhook_parameter = "/team/slack"
        notifier_role_arn = "arn:aws:iam::210987654321:role/notifier"
        filters = { families = ["job-*"] }
        "#,
    )
    .unwrap();
    let [batch, reports] = &file.stacks[..] else { panic!("{file:?}") };
    assert_eq!(batch.name.as_ref().unwrap().as_str(), "batch");
    assert_eq!((batch.site.region.as_deref(), batch.site.assumed()), (Some("eu-west-1"), None));
    let config = batch.settings.config("batch".parse().unwrap()).unwrap();
    let tags: Vec<_> = config.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["cost=1", "taskbell:fleet=data", "team=data"]);
    assert_eq!((config.message.language.code(), config.message.mentions.as_slice()), ("ja", &["here".to_owned()][..]));
    assert_eq!((config.patterns.len(), config.log_retention_days), (3, Some(30)));

    let config = reports.settings.config("reports".parse().unwrap()).unwrap();
    assert_eq!(reports.site.region.as_deref(), Some("us-east-1"));
    assert_eq!(reports.site.assumed().unwrap().role_arn, "arn:aws:iam::210987654321:role/taskbell");
    assert_eq!((config.clusters.len(), config.patterns.len(), config.log_retention_days), (2, 1, None));
    assert_eq!((config.message.language.code(), config.message.mentions.as_slice()), ("en", &["S0123".to_owned()][..]));
    assert_eq!(config.tags["cost"], "2");
    assert_eq!(config.tags["team"], "data");
    assert_eq!(config.own_parameter.as_deref(), Some("/team/slack"));
    // A stack's key drops the defaults that it contradicts.
    assert_eq!((reports.settings.storm_window, &config.permissions_boundary), (None, &None));
}

#[test]
fn log_lines_are_redacted_unless_the_stack_or_the_defaults_turn_it_off() {
    for (defaults, own, expected) in [
        ("", "", Redaction::On),
        ("redaction = false", "", Redaction::Off),
        ("", "redaction = false", Redaction::Off),
        ("redaction = false", "redaction = true", Redaction::On),
    ] {
        let text = format!("[defaults]\n{defaults}\n[[stack]]\nclusters = [\"a\"]\n{own}\n");
        let config = parse(&text).unwrap().stacks[0].settings.config("a".parse().unwrap()).unwrap();
        assert_eq!(config.message.redaction, expected, "{text}");
    }
}

#[test]
fn stack_can_empty_a_list_and_reverse_a_filter_of_the_defaults() {
    let text = "[defaults]\nmention = [\"here\"]\npatterns = [\"task-failed\"]\nfilters = { exclude_services = [\"x\"] }\n\
        [[stack]]\nclusters = [\"a\"]\nmention = []\nlog_groups = []\nfilters = { services = [\"y\"] }\n";
    let stack = &parse(text).unwrap().stacks[0];
    let config = stack.settings.config("a".parse().unwrap()).unwrap();
    assert!(config.message.mentions.is_empty() && config.log_groups.is_empty());
    assert_eq!(stack.settings.filters.exclude_services, None);
}

#[test]
fn jobs_are_tables_of_the_stack_or_of_the_defaults() {
    let defaults = "[[defaults.job]]\nname = \"backup\"\nevery = \"26h\"\n[[stack]]\nclusters = [\"a\"]\n";
    let own = "[[stack]]\nclusters = [\"b\"]\nno_recovery = true\nsummary = \"cron(0 9 ? * MON *),timezone=Asia/Tokyo\"\n\
        [[stack.job]]\nname = \"nightly\"\nby = \"cron(0 3 * * ? *)\"\ntimezone = \"Asia/Tokyo\"\ngrace = \"30m\"\nstarted_by = \"nightly\"\n\
        [[stack.job]]\nname = \"nightly\"\nmax_runtime = \"auto\"\n[[stack]]\nclusters = [\"c\"]\njob = []\n\
        [[stack]]\nclusters = [\"d\"]\nno_dedupe = true\n";
    let file = parse(&format!("{defaults}{own}")).unwrap();
    let config = |at: usize| {
        let stack = &file.stacks[at];
        stack.settings.config(stack.name.clone().unwrap()).unwrap()
    };
    let jobs = |at: usize| config(at).jobs.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(jobs(0), ["backup"]);
    assert_eq!(jobs(1), ["nightly", "nightly (started by nightly)"]);
    // An empty list, and a stack without a table, drop the defaults.
    assert_eq!((jobs(2).len(), jobs(3).len()), (0, 0));
    let states = [0, 1, 2, 3].map(|at| (config(at).recovery, config(at).watches(), config(at).keeps_ledger()));
    assert_eq!(states, [(true, true, true), (false, true, true), (true, false, true), (false, false, false)]);
    assert_eq!(config(1).summary.unwrap().zone.name, "Asia/Tokyo");
}

#[test]
fn pattern_file_is_relative_to_the_file_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.json"), r#"{ "source": ["aws.ecs"] }"#).unwrap();
    let path = folder.path().join("taskbell.toml");
    let file = File::parse(&path, "[[stack]]\nname = \"x\"\npatterns = [\"own.json\"]").unwrap();
    let config = file.stacks[0].settings.config("x".parse().unwrap()).unwrap();
    assert_eq!(config.patterns[0].name, "own");
}

/// Checks each mistake, its line and column, and its hint.
#[test]
#[allow(clippy::too_many_lines, reason = "one line for each mistake")]
fn mistake_is_reported_with_line_column_and_the_nearest_key() {
    for (text, place, told) in [
        ("[[stack]\n", ":1:", "unclosed"),
        ("[[stack]]\nclusters = [\"a\"]\nlangage = \"ja\"\n", ":3:1", "did you mean language?"),
        ("[[stack]]\ncluster = \"a\"\n", ":2:1", "did you mean clusters?"),
        ("[defaults]\nname = \"x\"\n", ":2:1", "unknown key name"),
        ("[defaults]\nwebhook = \"https://x\"\n", ":2:1", "is not allowed in the file"),
        ("[defaults]\nmention = \"here\"\n", ":2:11", "a list needs brackets"),
        ("[[stack]]\nclusters = [\"a\"]\nrole_arn = \"nonsense\"\n", ":3:1", "not the ARN of an IAM role"),
        ("[[stack]]\nclusters = [\"a\"]\npermissions_boundary = \"x\"\n", ":3:1", "not the ARN of an IAM policy"),
        ("flet = \"x\"\n", ":1:1", "did you mean fleet?"),
        ("[[stack]]\nclusters = [\"a\"]\nfilters = { familes = [\"x\"] }\n", ":3:13", "did you mean families?"),
        ("[[stack]]\nclusters = [\"a\"]\nto = [{ paramter = \"/x\" }]\n", ":3:9", "did you mean parameter?"),
        ("[[stack]]\nclusters = [\"a\"]\nto = [{ name = \"x\" }]\n", ":3:6", "either parameter or topic"),
        ("[[stack]]\nclusters = [\"a\"]\nto = [1]\n", ":3:6", "a destination is a string, or a table"),
        (
            "[[stack]]\nclusters = [\"a\"]\nto = [{ parameter = \"/x\", patterns = [\"task-faild\"] }]\n",
            ":3:1",
            "task-failed",
        ),
        ("[[stack]]\nclusters = [\"a\"]\nwebhook_takes = \"nothing\"\n", ":3:1", "would match no destination"),
        ("[[stack]]\nclusters = \"a\"\n", ":2:12", "expected a sequence"),
        ("[[stack.job]]\nname = \"x\"\n", "", "[[stack.job]] must come below the [[stack]] that it belongs to"),
        (
            "[[stack.job]]\nname = \"x\"\n[[stack]]\nclusters = [\"a\"]\n",
            "",
            "[[stack.job]] must come below the [[stack]] that it belongs to",
        ),
        ("[[stack]]\nclusters = [\"a\"]\nlog_lines = \"many\"\n", ":3:13", "invalid type"),
        ("[[stack]]\nclusters = [\"a\"]\nno_drill = \"yes\"\n", ":3:12", "expected a boolean"),
        ("[[stack]]\nclusters = [\"a\"]\nlanguage = \"fr\"\n", ":3:12", "en"),
        ("[[stack]]\nclusters = [\"a\"]\nlog_lines = 101\n", ":3:1", "0 to 100 lines"),
        ("[[stack]]\nclusters = [\"a\"]\nstorm_window = 0\n", ":3:1", "1 to 1440 minutes"),
        ("[[stack]]\nclusters = [\"a\"]\nlog_retention = 31\n", ":3:1", "CloudWatch Logs accepts"),
        ("[[stack]]\nclusters = [\"a\"]\nmention = [\"everyone\"]\n", ":3:1", "--mention does not accept"),
        ("[[stack]]\nclusters = [\"a\"]\npatterns = [\"task-faild\"]\n", ":3:1", "task-failed"),
        ("[[stack]]\nclusters = [\"a\"]\ntags = { \"aws:x\" = \"y\" }\n", ":3:1", "reserved"),
        // A mistake in the defaults is reported there, and not at the stack's correct key.
        (
            "[defaults]\ntags = { \"aws:x\" = \"y\" }\n[[stack]]\nclusters = [\"a\"]\ntags = { b = \"c\" }\n",
            ":2:1",
            "reserved",
        ),
        (
            "[[stack]]\nclusters = [\"a\"]\nfilters = { services = [\"x\"], exclude_services = [\"y\"] }\n",
            ":3:1",
            "cannot be combined",
        ),
        ("[[stack]]\nclusters = [\"a\"]\nno_dedupe = true\nstorm_window = 5\n", ":4:1", "contradict"),
        (
            "[[stack]]\nclusters = [\"a\"]\nnotifier_role_arn = \"arn:aws:iam::1:role/x\"\npermissions_boundary = \"arn\"\n",
            ":4:1",
            "contradict",
        ),
        ("[[stack]]\nclusters = [\"a b\"]\n", ":2:1", "neither the name nor the ARN"),
        ("[[stack]]\nlanguage = \"ja\"\n", ":1:1", "needs a name or a cluster"),
        ("[[stack]]\nname = \"x\"\n", ":1:1", "needs a cluster"),
        ("[[stack]]\nclusters = [\"a\"]\n[[stack]]\nname = \"a\"\nclusters = [\"b\"]\n", ":4:1", "defined twice"),
        (
            "[[stack]]\nclusters = [\"Batch\"]\n[[stack]]\nclusters = [\"batch\"]\n",
            ":3:1",
            "the stacks Batch and batch differ only by case",
        ),
        ("[[stack]]\nclusters = [\"a\"]\npattern_quota = 5000\n", ":3:1", "2048 to 4096 characters"),
        (
            "[defaults]\ntags = { Team = \"x\" }\n[[stack]]\nclusters = [\"a\"]\ntags = { team = \"y\" }\n",
            ":5:1",
            "differ only by case",
        ),
        ("[defaults]\nmention = [\"x\"]\n[[stack]]\nclusters = [\"a\"]\n", ":2:1", "--mention does not accept"),
        ("fleet = \"a,b\"\n", ":1:1", "AWS does not accept"),
        ("fleet = \"ที\"\n", ":1:1", "AWS does not accept"),
        ("[[stack]]\nclusters = [\"a\"]\nregion = \"eu-west\"\n", ":3:1", "\"eu-west\" is not an AWS region"),
        ("[defaults]\nregion = \"x\"\n[[stack]]\nclusters = [\"a\"]\n", ":2:1", "is not an AWS region"),
        ("[[stack]]\nclusters = [\"a\"]\nrole_arn = \"arn:aws:iam::1:role/x\"\n", ":3:1", "\"1\" is not an account ID"),
        ("[[stack]]\nclusters = [\"a\"]\nexternal_id = \"a b\"\n", ":3:1", "STS does not accept the external ID"),
        (
            "[[stack]]\nclusters = [\"a\"]\nalarm_topic = \"arn:aws:sns:us-east-1:123456789012:a.fifo\"\n",
            ":3:1",
            "CloudWatch alarms cannot notify",
        ),
        (
            "[[stack]]\nclusters = [\"a\"]\npermissions_boundary = \"arn:aws:iam::123456789012:role/x\"\n",
            ":3:1",
            "is not the ARN of an IAM policy",
        ),
        (
            "[[stack]]\nclusters = [\"arn:aws:ecs:us-east-1:12:cluster/x\"]\n",
            ":2:1",
            "is not the ARN of an ECS cluster: \"12\" is not an account ID",
        ),
        (
            "[[stack]]\nclusters = [\"a\"]\nwebhook_parameter = \"/aws/reference/secretsmanager/hook\"\n",
            ":3:1",
            "secretsmanager:GetSecretValue",
        ),
    ] {
        is_reported(text, place, told);
    }
}

#[test]
fn mistake_in_a_job_is_reported_at_its_key() {
    for (text, place, told) in [
        (
            "[[stack]]\nclusters = [\"a\"]\n[[stack.job]]\nname = \"x\"\nby = \"cron(0 3 * * *)\"\n",
            ":5:1",
            "a sixth field, the year",
        ),
        ("[[stack]]\nclusters = [\"a\"]\n[[stack.job]]\nname = \"x\"\nevry = \"1d\"\n", ":5:1", "did you mean every?"),
        ("[[stack]]\nclusters = [\"a\"]\n[[stack.job]]\nname = \"x\"\nevery = 26\n", ":5:9", "has to be a string"),
        ("[[stack]]\nclusters = [\"a\"]\n[[stack.job]]\nname = \"x\"\nevery = \"26\"\n", ":5:1", "has no unit"),
        ("[[stack]]\nclusters = [\"a\"]\n[[stack.job]]\nevery = \"1d\"\n", ":3:1", "needs the name of its job"),
        (
            "[[stack]]\nclusters = [\"a\"]\n[[stack.job]]\nname = \"x y\"\nevery = \"1d\"\n",
            ":4:1",
            "not the name of a job",
        ),
        ("[[stack]]\nclusters = [\"a\"]\n[[stack.job]]\nname = \"x\"\n", ":4:1", "nothing is expected of the job"),
        (
            "[[stack]]\nclusters = [\"a\"]\n[[stack.job]]\nname = \"x\"\nby = \"cron(0 3 * * ? *)\"\ntimezone = \"Tokyo\"\n",
            ":6:1",
            "did you mean Asia/Tokyo?",
        ),
        (
            "[[stack]]\nclusters = [\"a\"]\n[[stack.job]]\nname = \"x\"\nevery = \"1d\"\n[[stack.job]]\nname = \"x\"\nevery = \"2d\"\n",
            ":6:1",
            "the job x is expected twice",
        ),
        ("[[stack]]\nclusters = [\"a\"]\njob = [\"x,every=1\"]\n", ":3:8", "has no unit"),
        ("[[stack]]\nclusters = [\"a\"]\njob = [1]\n", ":3:", "a job is a table with name"),
        ("[[defaults.job]]\nname = \"x\"\nevery = \"1\"\n[[stack]]\nclusters = [\"a\"]\n", ":3:1", "has no unit"),
        ("[[job]]\nname = \"x\"\n", ":1:3", "unknown key job"),
        ("[[stack]]\nclusters = [\"a\"]\nsummary = \"weekly\"\n", ":3:1", "is not a cron expression"),
        ("[[stack]]\nclusters = [\"a\"]\nno_recovery = \"no\"\n", ":3:15", "expected a boolean"),
        (
            "[[stack]]\nclusters = [\"a\"]\nno_dedupe = true\nsummary = \"cron(0 9 ? * MON *)\"\n",
            ":4:1",
            "no_dedupe and summary contradict",
        ),
        (
            "[[stack]]\nclusters = [\"a\"]\nno_dedupe = true\n[[stack.job]]\nname = \"x\"\nevery = \"1d\"\n",
            ":4:",
            "no_dedupe and job contradict",
        ),
    ] {
        is_reported(text, place, told);
    }
}

/// Checks the error about a file: its place, and words of the error or of its hint.
fn is_reported(text: &str, place: &str, told: &str) {
    let error = parse(text).unwrap_err();
    let whole = format!("{}; {:?}", error.in_one_line(), error.nearest_hint());
    assert_eq!(error.kind(), taskbell::error::Category::Usage, "{text}");
    assert!(whole.starts_with(&format!("taskbell.toml{place}")), "{text}{whole}");
    assert!(whole.contains(told), "{text}{whole}");
}

/// Checks that stacks whose roles cannot collide may have names that differ only by case.
#[test]
fn names_that_differ_only_by_case_are_allowed_in_different_places() {
    for apart in
        ["region = \"eu-west-1\"", "profile = \"other\"", "notifier_role_arn = \"arn:aws:iam::123456789012:role/x\""]
    {
        let text = format!("[[stack]]\nclusters = [\"Batch\"]\n[[stack]]\nclusters = [\"batch\"]\n{apart}\n");
        assert_eq!(parse(&text).map(|file| file.stacks.len()).unwrap(), 2, "{apart}");
    }
}

/// Checks that a file with the wrong value in a key prints no webhook and no password of a proxy.
#[test]
fn no_secret_in_the_file_is_printed() {
    for value in [
        "https://user:hunter2@chat.example/x",
        "https://hooks.slack.com/services/T0/B0/hunter2",
        "user:hunter2@proxy:8080",
    ] {
        for line in [
            "clusters = \"S\"",
            "clusters = [\"S\"]",
            "region = \"S\"",
            "role_arn = \"S\"",
            "language = \"S\"",
            "mention = [\"S\"]",
            "webhook_parameter = \"S\"",
            "to = [\"S\"]",
            "to = \"S\"",
            "to = [\"/a,S\"]",
            "to = [\"/a,S=b\"]",
            "to = [\"/a,pattern=S\"]",
            "alarm_topic = \"S\"",
            "patterns = [\"S\"]",
            "log_retention = \"S\"",
            "log_groups = [\"S\"]",
            "tags = \"S\"",
            "ignore = [\"[S\"]",
            "filters = { families = [\"S\"] }",
            "filters = { container = \"S\" }",
            "name = \"S\"",
            "external_id = \"S !\"",
            "\"S\" = 1",
            "permissions_boundary = \"S\"",
            "notifier_role_arn = \"S\"",
            "log_lines = \"S\"",
            "no_drill = \"S\"",
            "job = [\"S\"]",
            "job = \"S\"",
            "job = [{ name = \"S\" }]",
            "job = [{ name = \"x\", every = \"S\" }]",
            "job = [{ name = \"x\", by = \"S\" }]",
            "job = [{ name = \"x\", by = \"cron(0 S * * ? *)\" }]",
            "job = [{ name = \"x\", by = \"cron(0 3 * * ? *)\", timezone = \"S\" }]",
            "job = [{ name = \"x\", every = \"1d\", started_by = \"S\" }]",
            "job = [{ name = \"x\", \"S\" = \"1d\" }]",
            "summary = \"S\"",
            "summary = \"cron(0 9 ? * MON *),S\"",
            "S",
            "x = \"S",
        ] {
            let text = format!("[[stack]]\n{}\n", line.replace('S', value));
            let error = parse(&text).unwrap_err();
            let told = format!("{error:?} {} {:?}", error.in_one_line(), error.nearest_hint());
            assert!(!told.contains("hunter2"), "{text}{told}");
        }
    }
}

#[test]
fn schema_for_editors_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/taskbell.schema.json");
    let now = format!("{:#}\n", schema());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        now,
        "`UPDATE_GOLDEN=1 cargo test --test cli file::` writes it anew"
    );
    let stack = &schema()["properties"]["stack"]["items"]["properties"];
    for key in [
        "name",
        "clusters",
        "patterns",
        "filters",
        "language",
        "mention",
        "tags",
        "region",
        "profile",
        "role_arn",
        "webhook_parameter",
        "job",
        "no_recovery",
        "summary",
    ] {
        assert!(stack[key].is_object(), "{key}");
    }
}

/// Checks that every TOML block of the README and the docs is a valid file.
#[test]
fn files_in_the_docs_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|end| end == "md")).chain([root.join("README.md")]);
    let mut count = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let file = parse(block).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
            assert!(!file.stacks.is_empty(), "{}", page.display());
            count += 1;
        }
    }
    assert!(count >= 2, "only {count}");
}

#[test]
fn stack_with_its_own_credentials_does_not_inherit_the_role() {
    let role = "role_arn = \"arn:aws:iam::111111111111:role/taskbell\"\nexternal_id = \"agreed\"\n";
    let text =
        format!("[defaults]\n{role}[[stack]]\nclusters = [\"a\"]\n[[stack]]\nclusters = [\"b\"]\nprofile = \"emea\"\n");
    let file = parse(&text).unwrap();
    assert_eq!(file.stacks[0].site.assumed().unwrap().external_id.as_deref(), Some("agreed"));
    assert_eq!(file.stacks[1].site.assumed(), None);
}

const WHOLE: &str = "fleet = \"x\"\n[defaults]\ntags = { a = \"b\" }\nlog_retention = 7\n[[stack]]\nclusters = [\"a\"]\npatterns = [\"task-failed\"]\n\
    filters = { families = [\"j*\"] }\nstorm_window = 5\n\
    [[stack.job]]\nname = \"j\"\nby = \"cron(0 3 * * ? *)\"\ntimezone = \"Asia/Tokyo\"\ngrace = \"1h\"\n";

proptest::proptest! {
    /// Checks any content: the file is read, or its mistake is reported with the file's name.
    #[test]
    fn noise_in_the_file_is_reported_with_the_files_name(at in 0..WHOLE.len(), cut in 0_usize..6, noise in "[\\[\\]{}=\"a-z0-9\n é]{0,6}") {
        let end = (at + cut).min(WHOLE.len());
        let text = format!("{}{noise}{}", &WHOLE[..at], &WHOLE[end..]);
        if let Err(error) = parse(&text) {
            proptest::prop_assert_eq!(error.kind(), taskbell::error::Category::Usage);
            proptest::prop_assert!(error.to_string().starts_with("taskbell.toml:"), "{}", error);
        }
    }
}
