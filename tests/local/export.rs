//! Checks exported templates and configurations: they describe the stack that `setup` would create, and their tools accept them.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use taskbell::export::cloudformation::LONGEST_BODY;
use taskbell::notifier::archive::archive;

use crate::support::emulator::{Emulator, Slack, taskbell_at};
use crate::support::{Outcome, SECRET};

const TOPIC: &str = "--alarm-topic arn:aws:sns:us-east-1:123456789012:on-call";
const BOUNDARY: &str = "--permissions-boundary arn:aws:iam::123456789012:policy/limits";
const OWN_PARAMETER: &str = "--slack-webhook-parameter /taskbell/batch/slack-webhook-url";

/// All combinations of flags that change the export.
const FLAGS: [&str; 9] = [
    "--cluster batch",
    "--cluster batch --stack-set",
    "--cluster batch --cluster web --pattern task-failed --pattern run-rejected --tag team=a --stack-set \
     --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call --log-retention never",
    "--cluster default --pattern run-rejected --no-dedupe --log-group none --slack-webhook-parameter mine \
     --notifier-role-arn arn:aws:iam::123456789012:role/mine",
    "--stack apps --pattern application-error --stack-set --language ja --mention here --username a${b}",
    "--cluster batch --family job-* --exclude-service web --container app --pattern task-failed --no-drill \
     --permissions-boundary arn:aws:iam::aws:policy/PowerUserAccess",
    "--cluster batch --pattern task-failed --pattern deployment-failed --pattern service-impaired --pattern nonzero-exit \
     --pattern start-failed --pattern out-of-memory --pattern spot-interrupted --pattern health-check-failed \
     --pattern run-rejected --pattern application-error \
     --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call",
    "--cluster batch --cluster web --pattern task-failed --expect nightly,every=26h --expect nightly,max-runtime=2h \
     --expect backup,every=1d,started-by=nightly --stack-set",
    "--stack jobs --pattern batch-job-failed --pattern execution-failed --job-queue prod-* --exclude-job-name test \
     --state-machine etl",
];

/// Runs the binary without an AWS that answers.
fn taskbell(line: &str) -> Outcome {
    taskbell_at("http://127.0.0.1:9", line, Some(&format!("https://hooks.slack.com/services/T0/B0/{SECRET}")))
}

fn template(flags: &str) -> Value {
    let outcome = taskbell(&format!("export cloudformation {flags}"));
    assert_eq!(outcome.code, 0, "{outcome:?}");
    outcome.json()
}

fn tool(name: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(root.join(".local/installed").exists(), "run dev/install first (`make test` does)");
    Command::new(root.join(".local").join(name))
}

#[test]
fn template_is_as_reviewed() {
    let mut template = template("--cluster batch");
    template["Metadata"] = json!("of this version");
    template["Parameters"]["CodeKeyPrefix"]["Description"] = json!("of this version");
    template["Resources"]["Notifier"]["Properties"]["Code"]["S3Key"] = json!("of this version");
    insta::assert_snapshot!("template", format!("{template:#}"));
}

fn lint(files: &[std::path::PathBuf]) -> std::process::Output {
    let mut command = tool("venv/bin/cfn-lint");
    command.args(["--include-checks", "I", "--non-zero-exit-code", "informational", "--regions"]);
    command.args(["us-east-1", "eu-central-1", "ap-northeast-1", "cn-north-1", "us-gov-west-1"]);
    command.arg("--template").args(files).output().unwrap()
}

#[test]
fn cloudformations_linter_finds_no_problem() {
    let folder = tempfile::tempdir().unwrap();
    let written = |(index, template): (usize, &Value)| {
        let path = folder.path().join(format!("{index}.json"));
        std::fs::write(&path, template.to_string()).unwrap();
        path
    };
    let templates: Vec<Value> = FLAGS.iter().map(|flags| template(flags)).collect();
    let files: Vec<_> = templates.iter().enumerate().map(written).collect();
    let output = lint(&files);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    // The linter would have found a problem.
    let mut wrong = templates[0].clone();
    wrong["Resources"]["Notifier"]["Properties"]["Runtime"] = json!("nodejs99.x");
    wrong["Resources"]["Undelivered"]["Properties"]["VisibilityTimeOut"] = json!(60);
    let told = String::from_utf8(lint(&[written((99, &wrong))]).stdout).unwrap();
    assert!(told.contains("nodejs99.x") && told.contains("VisibilityTimeOut"), "{told}");
}

/// CloudFormation and Terraform read a pattern into an object, in which only the last of several equal fields is left.
#[test]
fn pattern_that_is_short_enough_only_with_repeated_fields_is_not_exported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.json");
    let or = |letter: char| {
        let branches: Vec<_> = (0..6).map(|at| json!({ format!("{letter}{at}"): ["x".repeat(9)] })).collect();
        format!(r#""$or":{}"#, json!(branches))
    };
    let (one, three) = (or('a'), ['a', 'b', 'c'].map(or).join(","));
    for format in ["cloudformation", "terraform"] {
        let export = |ors: &str| {
            std::fs::write(&path, format!(r#"{{"detail":{{"clusterArn":["${{cluster_arn}}"],{ors}}}}}"#)).unwrap();
            taskbell(&format!("export {format} --cluster batch --pattern {}", path.display()))
        };
        assert_eq!(export(&one).code, 0);
        let refused = export(&three);
        assert_eq!((refused.code, refused.out.as_str()), (64, ""), "{refused:?}");
        assert!(refused.err.contains("the pattern mine cannot be exported"), "{refused:?}");
    }
}

/// Checks texts of the user that would mean something else in a template, or only one account.
#[test]
fn text_with_a_meaning_of_its_own_is_refused_in_a_template() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.json");
    let pattern = |detail: Value| {
        std::fs::write(&path, json!({ "source": ["aws.ecs"], "detail": detail }).to_string()).unwrap();
        format!("--cluster batch --pattern {}", path.display())
    };
    let referring = pattern(json!({ "group": ["{{resolve:ssm:/team/secret}}"] }));
    for flags in ["--cluster batch --username {{resolve:secretsmanager:x}}", &referring] {
        let refused = taskbell(&format!("export cloudformation {flags}"));
        assert_eq!((refused.code, refused.out.as_str()), (64, ""), "{refused:?}");
        assert!(refused.err.contains("contains {{resolve:…}}, which CloudFormation would replace"), "{refused:?}");
        assert_eq!(taskbell(&format!("export terraform {flags}")).code, 0, "Terraform reads plain text");
    }
    let topic = "--cluster batch --to arn:aws:sns:us-east-1:123456789012:on-call";
    let of_account = pattern(json!({ "clusterArn": ["arn:aws:ecs:us-east-1:123456789012:cluster/x"] }));
    for flags in [topic, &of_account] {
        let refused = taskbell(&format!("export cloudformation {flags} --stack-set"));
        assert_eq!((refused.code, refused.out.as_str()), (64, ""), "{refused:?}");
        assert!(refused.err.contains("is for every account and region, but arn:aws:"), "{refused:?}");
        assert_eq!(taskbell(&format!("export cloudformation {flags}")).code, 0);
    }
}

#[test]
fn template_contains_no_account_region_token_or_webhook() {
    for flags in FLAGS {
        let text = template(flags).to_string();
        let named = flags.contains(TOPIC) && !flags.contains("--stack-set");
        assert_eq!(text.contains("123456789012"), named, "{flags}");
        assert_eq!(text.contains("us-east-1"), named, "{flags}");
        assert!(!text.contains('~') && !text.contains("-cluster-"), "{flags}");
        assert!(!text.contains("taskbell:stack") && !text.contains("taskbell:applied"), "{flags}");
        assert!(!text.contains(SECRET) && !text.contains("hooks.slack.com"), "{flags}");
    }
}

/// Checks CloudFormation's limit of 51,200 bytes for a template that is not in a bucket.
#[test]
fn whole_catalogue_fits_into_a_template_without_a_bucket() {
    for clusters in [1, 2, 4, 8] {
        let more = (1..clusters).map(|number| format!(" --cluster a-cluster-of-some-length-{number}"));
        let more = more.collect::<Vec<_>>().concat();
        let outcome = taskbell(&format!("export cloudformation {}{more}", FLAGS[6]));
        assert!(outcome.out.len() <= LONGEST_BODY, "{clusters}: {}", outcome.out.len());
        assert!(!outcome.err.contains("warning") && outcome.json()["Resources"].is_object(), "{outcome:?}");
    }
}

#[test]
fn roles_and_boundaries_belong_to_the_templates_account() {
    let of = |flags: &str, pointer: &str| template(flags).pointer(pointer).cloned().unwrap();
    let boundary = "/Resources/Role/Properties/PermissionsBoundary";
    let here = json!({ "Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/limits" });
    assert_eq!(of(&format!("--cluster batch {BOUNDARY}"), boundary), here);
    let aws = json!({ "Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/PowerUserAccess" });
    assert_eq!(of(FLAGS[5], boundary), aws);
    let mine = json!({ "Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/mine" });
    assert_eq!(of(FLAGS[3], "/Resources/Notifier/Properties/Role"), mine);
}

#[test]
fn webhook_is_decrypted_through_the_ssm_hosts_of_each_partition() {
    let text = template("--cluster batch").to_string();
    let [regional, suffixed] = ["amazonaws.com", "${AWS::URLSuffix}"]
        .map(|suffix| json!({ "Fn::Sub": format!("ssm.${{AWS::Region}}.{suffix}") }));
    let hosts = json!({ "Fn::If": ["InChina", [regional, suffixed], [suffixed]] });
    assert!(text.contains(&format!(r#""kms:ViaService":{hosts}"#)), "{text}");
}

#[test]
fn flags_that_no_template_can_express_are_refused() {
    let (long, longer) = ("x".repeat(41), "x".repeat(35));
    for (flags, told) in [
        ("--cluster arn:aws:ecs:us-east-1:123456789012:cluster/batch", "--cluster batch"),
        (&format!("--cluster {long}"), "at most 40 characters"),
        (&format!("--cluster {longer} --expect nightly,every=26h"), "at most 34 characters"),
        ("", "--cluster NAME"),
        ("--cluster batch --username ~region~~~~~~~", "is reserved in an export"),
    ] {
        let outcome = taskbell(&format!("export cloudformation {flags}"));
        assert_eq!((outcome.code, outcome.out.as_str()), (64, ""), "{outcome:?}");
        assert!(outcome.err.contains(told), "{flags}: {outcome:?}");
    }
    // Without a role in the template, the length of the role's name does not matter.
    template(&format!("--cluster {long} --notifier-role-arn arn:aws:iam::123456789012:role/mine"));
}

#[test]
fn patterns_with_similar_names_have_separate_rules() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["a-b.json", "a_b.json"].map(|name| {
        std::fs::write(folder.path().join(name), r#"{"source":["x"]}"#).unwrap();
        format!("--pattern {}", folder.path().join(name).display())
    });
    let resources = template(&format!("--stack apps {}", files.join(" ")))["Resources"].clone();
    for (id, name) in [("ABRule", "taskbell-apps-a-b"), ("ABRule2", "taskbell-apps-a_b")] {
        assert_eq!(resources[id]["Properties"]["Name"], name);
        assert_eq!(resources[id]["DependsOn"][2], format!("{id}Permission"));
        let source = &resources[format!("{id}Permission")]["Properties"]["SourceArn"]["Fn::Sub"];
        assert!(source.as_str().unwrap().ends_with(&format!(":rule/{name}")), "{source}");
    }
}

#[test]
fn exported_archive_is_the_one_that_setup_uploads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notifier.zip");
    let outcome = taskbell(&format!("export notifier --to {} --output json", file.display()));
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let archive = archive().unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), archive.bytes);
    let told = outcome.json();
    assert_eq!(told["code_sha256"], archive.code_sha256);
    let template = template("--cluster batch");
    let key = template["Resources"]["Notifier"]["Properties"]["Code"]["S3Key"]["Fn::Sub"].as_str().unwrap();
    let prefix = template["Parameters"]["CodeKeyPrefix"]["Default"].as_str().unwrap();
    assert_eq!(told["key"], key.replace("${CodeKeyPrefix}", prefix));
    assert_eq!(told["code_sha256"], template["Metadata"]["Taskbell"]["NotifierCodeSha256"]);
    let nowhere = taskbell("export notifier --to /nowhere/notifier.zip");
    assert!(nowhere.code == 1 && nowhere.err.contains("/nowhere/notifier.zip"), "{nowhere:?}");
}

fn configuration(flags: &str) -> String {
    let outcome = taskbell(&format!("export terraform {}", flags.replace("--stack-set", "")));
    assert_eq!(outcome.code, 0, "{outcome:?}");
    outcome.out
}

/// Returns each of these texts as HashiCorp's own library for the language, which `terraform` uses, formats and parses it.
fn understood(texts: &[String]) -> Vec<Value> {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = tool("bin/node");
    command.arg(format!("{root}/tests/support/hcl.cjs")).arg(format!("{root}/.local/node/"));
    serde_json::from_slice(&fed(command, &json!(texts).to_string()).stdout).unwrap()
}

fn fed(mut command: Command, text: &str) -> std::process::Output {
    let piped = std::process::Stdio::piped;
    let mut child = command.stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn configuration_is_as_reviewed() {
    insta::assert_snapshot!("configuration", configuration("--cluster batch --tag team=a --log-group none"));
}

#[test]
fn terraforms_formatter_does_not_change_a_configuration() {
    let texts = FLAGS.map(configuration);
    for (text, understood) in texts.iter().zip(understood(&texts)) {
        assert_eq!(understood["formatted"], *text);
    }
    // The formatter would have changed an untidy text.
    let untidy = texts[0].replacen(" = ", "=", 1);
    assert_eq!(understood(&[untidy])[0]["formatted"], texts[0]);
}

/// Checks with `terraform fmt`, which does a little more than the library's formatter.
#[test]
fn terraform_fmt_finds_nothing_if_installed() {
    if Command::new("terraform").arg("version").output().is_err() {
        return;
    }
    for flags in FLAGS {
        let mut command = Command::new("terraform");
        command.args(["fmt", "-check", "-diff", "-"]);
        let output = fed(command, &configuration(flags));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Translates a template's expressions to Terraform's.
fn in_terraforms_words(tree: &Value) -> Value {
    let words = [
        ("AWS::Partition", "local.partition"),
        ("AWS::Region", "local.region"),
        ("AWS::AccountId", "local.account"),
        ("Cluster", "var.cluster"),
        ("Cluster2", "var.cluster_2"),
        ("WebhookParameter", "var.webhook_parameter"),
        ("AlarmTopic", "var.alarm_topic"),
        ("LogGroup", "aws_cloudwatch_log_group.notifier.name"),
    ];
    match tree {
        Value::Object(fields) if fields.contains_key("Fn::If") => json!("${local.ssm_hosts}"),
        Value::Object(fields) if fields.contains_key("Ref") => {
            let (_, word) = words.iter().find(|(name, _)| tree["Ref"] == *name).unwrap();
            json!(format!("${{{word}}}"))
        }
        Value::Object(fields) if fields.contains_key("Fn::Sub") => {
            let text = tree["Fn::Sub"].as_str().unwrap().to_owned();
            let said = |text: String, (name, word): &(&str, &str)| {
                text.replace(&format!("${{{name}}}"), &format!("${{{word}}}"))
            };
            json!(words.iter().fold(text, said))
        }
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), in_terraforms_words(value))).collect(),
        Value::Array(items) => items.iter().map(in_terraforms_words).collect(),
        Value::String(text) => json!(text.replace("${", "$${").replace("%{", "%%{")),
        other => other.clone(),
    }
}

/// Returns the resources that a template creates with the defaults of its parameters.
fn as_defaulted(template: &Value) -> Value {
    fn resolved(tree: &Value, holds: &dyn Fn(&str) -> bool) -> Value {
        match tree {
            Value::Object(fields) if fields.contains_key("Fn::If") && tree["Fn::If"][0] != "InChina" => {
                let branch = if holds(tree["Fn::If"][0].as_str().unwrap()) { 1 } else { 2 };
                resolved(&tree["Fn::If"][branch], holds)
            }
            Value::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| (key.clone(), resolved(value, holds)));
                fields.filter(|(_, value)| value["Ref"] != "AWS::NoValue").collect()
            }
            Value::Array(items) => {
                let items = items.iter().map(|item| resolved(item, holds));
                items.filter(|item| item["Ref"] != "AWS::NoValue").collect()
            }
            other => other.clone(),
        }
    }
    let holds = |condition: &str| {
        let condition = &template["Conditions"][condition];
        let some = condition["Fn::Or"].as_array().cloned().unwrap_or_else(|| vec![condition.clone()]);
        some.iter().any(|one| {
            let [parameter, value] = one["Fn::Equals"].as_array().unwrap().as_slice() else {
                panic!("{one} compares no two values")
            };
            template["Parameters"][parameter["Ref"].as_str().unwrap()]["Default"] == *value
        })
    };
    let resources = template["Resources"].as_object().unwrap().iter();
    let made = resources.filter(|(_, one)| one["Condition"].as_str().is_none_or(holds));
    resolved(&made.map(|(id, one)| (id.clone(), one.clone())).collect(), &holds)
}

/// Compares patterns, policies, permissions and the notifier's environment: all values that are not a single word or number.
#[test]
fn configuration_and_template_agree() {
    let texts = FLAGS.map(configuration);
    // The parser returns whole trees only outside of a function.
    let trees = texts.each_ref().map(|text| text.replace("jsonencode({", "{").replace("\n  })\n", "\n  }\n"));
    for (index, understood) in understood(&trees).into_iter().enumerate() {
        let (flags, text) = (FLAGS[index].replace("--stack-set", ""), &texts[index]);
        says_the_same(&understood["parsed"]["resource"], &as_defaulted(&template(&flags)), &flags);
        assert!(!text.contains('~') && !text.contains("-cluster-") && !text.contains("taskbell:stack"), "{flags}");
        assert!(!text.contains(SECRET) && (!text.contains("123456789012") || flags.contains(TOPIC)), "{flags}");
    }
}

/// Checks a pattern with keywords of the language, quotes, line ends, and texts that look like the language's own templates.
#[test]
fn odd_pattern_is_preserved_in_both_exports() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("odd.json");
    let pattern = json!({
        "source": ["x", "${cluster_arn}"],
        "detail": {
            "for": [{ "prefix": "a\"b\\c\n\t$" }, { "anything-but": { "prefix": ["%{x}", "\u{1}"] } }],
            "a key": [{ "numeric": [">", 1.5, "<=", 2] }, null, true],
            "日本語": [{ "exists": false }, "日本語"],
            "$or": [{ "null": ["1"] }, { "a-b": ["2"], "c": [{ "equals-ignore-case": "x" }] }],
        },
    });
    std::fs::write(&file, pattern.to_string()).unwrap();
    let flags = format!("--cluster batch --pattern {}", file.display());
    let text = configuration(&flags);
    let trees = text.replace("jsonencode({", "{").replace("\n  })\n", "\n  }\n");
    let [formatted, parsed] = &understood(&[text.clone(), trees])[..] else { panic!("two were asked for") };
    assert_eq!(formatted["formatted"], text);
    says_the_same(&parsed["parsed"]["resource"], &as_defaulted(&template(&flags)), &flags);
}

fn says_the_same(configured: &Value, templated: &Value, flags: &str) {
    let of = |kind: &str, label: &str| configured[kind][label][0].clone();
    let said = |id: &str, property: &str| in_terraforms_words(&templated[id]["Properties"][property]);
    let rules = templated.as_object().unwrap().iter().filter(|(_, one)| one["Type"] == "AWS::Events::Rule");
    let labels = configured["aws_cloudwatch_event_rule"].as_object().unwrap();
    assert_eq!(labels.len(), rules.clone().count(), "{flags}");
    for (id, rule) in rules {
        let name = &rule["Properties"]["Name"];
        let (label, rule) = labels.iter().find(|(_, rule)| rule[0]["name"] == *name).unwrap();
        assert_eq!(rule[0]["event_pattern"], said(id, "EventPattern"), "{flags}");
        let permission = of("aws_lambda_permission", label);
        assert_eq!(permission["statement_id"], *name);
        assert_eq!(permission["source_arn"], said(&format!("{id}Permission"), "SourceArn"));
        let target = of("aws_cloudwatch_event_target", label);
        assert_eq!(target["rule"], format!("${{aws_cloudwatch_event_rule.{label}.name}}"));
    }
    assert_eq!(of("aws_sqs_queue_policy", "undelivered")["policy"], said("UndeliveredPolicy", "PolicyDocument"));
    let function = of("aws_lambda_function", "notifier");
    let mut variables =
        [function["environment"][0]["variables"].clone(), said("Notifier", "Environment")["Variables"].clone()];
    // The patterns of a template are chosen later: the template names each pattern that can be chosen.
    let [chosen, choice] = variables.each_mut().map(|all| all.as_object_mut().unwrap().remove("TASKBELL_PATTERNS"));
    if let (Some(Value::String(chosen)), Some(Value::String(choice))) = (chosen, choice) {
        assert!(chosen.split(',').all(|name| choice.split(',').any(|other| other == name)), "{flags}");
    }
    assert_eq!(variables[0], variables[1], "{flags}");
    if templated["Role"].is_object() {
        let role = of("aws_iam_role", "notifier");
        let policy = &said("Role", "Policies")[0]["PolicyDocument"];
        assert_eq!(of("aws_iam_role_policy", "notifier")["policy"], *policy, "{flags}");
        assert_eq!(role["assume_role_policy"], said("Role", "AssumeRolePolicyDocument"));
        assert_eq!(role["permissions_boundary"], said("Role", "PermissionsBoundary"));
        assert_eq!(role["name"], said("Role", "RoleName"));
    } else {
        assert_eq!(function["role"], said("Notifier", "Role"));
    }
    let schedules = templated.as_object().unwrap().iter().filter(|(_, one)| one["Type"] == "AWS::Scheduler::Schedule");
    for (id, schedule) in schedules {
        let label = schedule["Properties"]["Name"].as_str().unwrap().replace('-', "_");
        let configured = of("aws_scheduler_schedule", &label);
        assert_eq!(configured["target"][0]["input"], said(id, "Target")["Input"], "{flags}");
        assert_eq!(configured["schedule_expression"], said(id, "ScheduleExpression"), "{flags}");
        assert_eq!(of("aws_iam_role_policy", "watch")["policy"], said("WatchRole", "Policies")[0]["PolicyDocument"]);
        let trust = said("WatchRole", "AssumeRolePolicyDocument");
        assert_eq!(of("aws_iam_role", "watch")["assume_role_policy"], trust, "{flags}");
        assert_eq!(of("aws_scheduler_schedule_group", "watch")["name"], said("Schedules", "Name"));
    }
    for (id, label) in [("UndeliveredAlarm", "undelivered"), ("ErrorsAlarm", "errors")] {
        assert_eq!(of("aws_cloudwatch_metric_alarm", label)["alarm_actions"], said(id, "AlarmActions"), "{flags}");
    }
    assert_eq!(of("aws_dynamodb_table", "announcements").is_object(), templated["Announcements"].is_object());
}

/// Deploys a template with these parameters, `NAME=VALUE`, and returns the template.
fn deploy(aws: &Emulator, flags: &str, webhook: &str, parameters: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let (file, zip) = (folder.path().join("template.json"), folder.path().join("notifier.zip"));
    let template = template(flags);
    std::fs::write(&file, template.to_string()).unwrap();
    assert_eq!(taskbell(&format!("export notifier --to {}", zip.display())).code, 0);
    let mut command = tool("venv/bin/python");
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/deploy.py"))
        .args([file, zip])
        .arg(webhook)
        .args(parameters);
    command.env("AWS_ENDPOINT_URL", &aws.endpoint).env("AWS_DEFAULT_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    template
}

/// Returns the properties that ministack's CloudFormation omits, each with the position and value that the test requires in the
/// template.
fn left_out() -> [(&'static str, &'static str, Value); 4] {
    [
        (
            "role/watch/permissions_boundary",
            "/Resources/WatchRole/Properties/PermissionsBoundary",
            json!({ "Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/limits" }),
        ),
        (
            "role/notifier/permissions_boundary",
            "/Resources/Role/Properties/PermissionsBoundary",
            json!({ "Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/limits" }),
        ),
        (
            "table/announcements/expiry",
            "/Resources/Announcements/Properties/TimeToLiveSpecification",
            json!({ "AttributeName": "expiresAt", "Enabled": true }),
        ),
        (
            "function/notifier/failed_invocations",
            "/Resources/FailedInvocations/Properties",
            json!({
                "FunctionName": { "Ref": "Notifier" }, "Qualifier": "$LATEST",
                "MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 21600,
                "DestinationConfig": { "OnFailure": { "Destination": { "Fn::GetAtt": ["Undelivered", "Arn"] } } },
            }),
        ),
    ]
}

/// Checks that the deployed resources differ from those of `setup` only in their tags.
async fn is_what_setup_makes(flags: &str, flags_of_export: &str, parameters: &[&str]) {
    let aws = Emulator::start("ministack");
    let ecs = aws_sdk_ecs::Client::new(&aws.sdk().await);
    ecs.create_cluster().cluster_name("batch").send().await.unwrap();
    let exported = match parameters {
        [] => format!("{flags} {flags_of_export}"),
        _ => flags_of_export.to_owned(),
    };
    let template = deploy(&aws, &exported, "https://hooks.slack.com/services/T0/B0/x", parameters);

    let drift = aws.taskbell(&format!("drift {flags} {OWN_PARAMETER} --output json"), None);
    let found = drift.json();
    assert_eq!((drift.code, &found["steps"], &found["unknown"]), (2, &json!([]), &json!([])), "{found:#}");
    let conflicts = found["conflicts"].as_array().unwrap();
    let ids: Vec<&str> = conflicts.iter().map(|conflict| conflict["id"].as_str().unwrap()).collect();
    let kinds: std::collections::BTreeSet<&str> = ids.iter().map(|id| id.split('/').next().unwrap()).collect();
    let watch = flags.contains("--expect").then_some("watch");
    let expected = ["alarm", "function", "log_group", "queue", "role", "rule", "table"].into_iter().chain(watch);
    assert_eq!(kinds, expected.collect());
    assert!(conflicts.iter().all(|conflict| conflict["evidence"] == "no tag taskbell:stack"), "{found:#}");

    let adopt: String = ids.iter().flat_map(|id| [" --adopt ", id]).collect();
    // CloudFormation itself names the statements of a function's policy.
    let mut ignore = " --ignore function/notifier/permissions/*".to_owned();
    // A template keeps no settings: its users change them there.
    ignore += " --ignore function/notifier/environment/TASKBELL_SETTINGS";
    for (property, pointer, wanted) in left_out() {
        if template.pointer(pointer).is_some() || !property.ends_with("boundary") {
            assert_eq!(template.pointer(pointer), Some(&wanted), "{property}");
            ignore.extend([" --ignore ", property]);
        }
    }
    let setup = aws.taskbell(&format!("setup {flags} {OWN_PARAMETER} --dry-run --output json{adopt}{ignore}"), None);
    let plan = setup.json();
    let steps = plan["steps"].as_array().unwrap();
    assert_eq!((steps.len(), &plan["conflicts"], &plan["unknown"]), (ids.len(), &json!([]), &json!([])), "{plan:#}");
    for step in steps {
        let changes = step["changes"].as_array().unwrap();
        let of_tags = changes.iter().all(|change| change["path"].as_str().unwrap().starts_with("/tags/"));
        assert!(step["action"] == "change" && of_tags, "{step:#}");
    }
    // teardown has nothing to remove.
    let teardown = aws.taskbell("teardown --cluster batch --yes", None);
    assert_eq!(teardown.code, 0, "{teardown:?}");
    assert_eq!(aws.taskbell(&format!("drift {flags} {OWN_PARAMETER} --output json"), None).json(), found);
}

#[tokio::test]
async fn resources_of_a_template_differ_from_those_of_setup_only_in_their_tags() {
    let expected = "--expect nightly,every=26h --expect nightly,max-runtime=2h";
    let flags = format!("--cluster batch {TOPIC} {BOUNDARY} --tag team=a --log-retention 7 --language ja {expected}");
    is_what_setup_makes(&flags, "", &[]).await;
}

#[tokio::test]
async fn parameters_have_the_effect_of_the_flags() {
    let flags = format!("--cluster batch --pattern spot-interrupted --pattern run-rejected {TOPIC}");
    let parameters = [
        "Cluster=batch",
        "PatternTaskFailed=No",
        "PatternDeploymentFailed=No",
        "PatternServiceImpaired=No",
        "PatternSpotInterrupted=Yes",
        "PatternRunRejected=Yes",
    ];
    is_what_setup_makes(&flags, &format!("--cluster other --stack batch {TOPIC}"), &parameters).await;
}

#[test]
fn template_has_a_parameter_for_each_pattern_that_the_flags_allow() {
    let patterns = |flags: &str| {
        let template = template(flags);
        let parameters = template["Parameters"].as_object().unwrap().iter();
        let of_patterns = parameters.filter_map(|(name, told)| Some((name.strip_prefix("Pattern")?.to_owned(), told)));
        let asserts = template["Rules"].is_object();
        (
            of_patterns.map(|(name, told)| format!("{name}={}", told["Default"].as_str().unwrap())).collect::<Vec<_>>(),
            asserts,
        )
    };
    let (all, asserts) = patterns("--cluster batch");
    assert_eq!((all.len(), asserts), (12, true));
    let chosen: Vec<&String> = all.iter().filter(|text| text.ends_with("=Yes")).collect();
    assert_eq!(chosen, ["DeploymentFailed=Yes", "ServiceImpaired=Yes", "TaskFailed=Yes"]);
    // Without a cluster, only the patterns that need no cluster have a parameter.
    let without = ["ApplicationError=Yes", "BatchJobFailed=No", "ExecutionFailed=No"].map(str::to_owned);
    assert_eq!(patterns("--stack apps --pattern application-error"), (without.to_vec(), true));
    // Narrowed to a container, only the patterns with containers have parameters.
    let (narrowed, _) = patterns("--cluster batch --container app --pattern task-failed");
    assert!(narrowed.contains(&"NonzeroExit=No".to_owned()), "{narrowed:?}");
    assert!(!narrowed.iter().any(|text| text.starts_with("SpotInterrupted")), "{narrowed:?}");
    // The user's own pattern is always enabled.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("task-failed.json");
    std::fs::write(&file, r#"{"source":["x"]}"#).unwrap();
    let (own, asserts) = patterns(&format!("--cluster batch --pattern {}", file.display()));
    assert!(!asserts && own.len() == 11 && !own.iter().any(|text| text.starts_with("TaskFailed")), "{own:?}");
}

#[tokio::test]
async fn resources_of_a_stack_set_template_differ_only_in_their_tags() {
    let patterns = "--pattern task-failed --pattern nonzero-exit --exclude-service web --family job-* --no-drill";
    is_what_setup_makes(&format!("--cluster batch {TOPIC} {patterns} --log-group none"), "--stack-set", &[]).await;
}

/// Checks the commands that work on a deployed template, whose resources taskbell does not change.
#[tokio::test]
async fn deployed_template_can_be_drilled_shown_and_replayed_like_a_stack() {
    let (aws, slack) = (Emulator::start("ministack"), Slack::start());
    deploy(&aws, "--cluster batch --pattern task-failed --pattern application-error", &slack.webhook(), &[]);
    let drill = aws.taskbell("drill --timeout 900 --cluster batch --scenario out-of-memory", None);
    assert_eq!(drill.code, 0, "{drill:?}");
    assert!(slack.wait_for(1)[0].to_string().contains("memory"), "{:#}", slack.wait_for(1)[0]);
    let notify = aws.taskbell("notify import", None);
    assert_eq!(notify.code, 0, "{notify:?}");
    assert!(slack.wait_for(2)[1].to_string().contains("import"), "{:#}", slack.wait_for(2)[1]);

    let status = aws.taskbell("status --cluster batch --output json", None);
    let told = status.json();
    assert_eq!(status.code, 0, "{told:#}");
    assert_eq!((&told["clusters"], &told["rules"].as_array().unwrap().len()), (&json!(["batch"]), &3), "{told:#}");
    assert_eq!((&told["notifier"]["state"], &told["undelivered"]), (&json!("Active"), &json!(0)), "{told:#}");
    assert!(told["last_drill"]["cause"].is_string() && told["last_alert"]["outcome"] == "sent", "{told:#}");

    let sqs = aws_sdk_sqs::Client::new(&aws.sdk().await);
    let url = sqs.get_queue_url().queue_name("taskbell-batch-undelivered").send().await.unwrap().queue_url.unwrap();
    let event = json!({ "id": "1", "source": "taskbell.app", "detail-type": "Application Error", "time": "2026-11-24T00:00:00Z",
        "region": "us-east-1", "account": "123456789012", "resources": [], "detail": { "message": "once more" } });
    sqs.send_message().queue_url(url).message_body(event.to_string()).send().await.unwrap();
    let replay = aws.taskbell("replay --cluster batch", None);
    assert_eq!(replay.code, 0, "{replay:?}");
    assert!(slack.wait_for(3)[2].to_string().contains("once more"), "{:#}", slack.wait_for(3)[2]);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("event.json");
    std::fs::write(&file, event.to_string().replacen(r#""id":"1""#, r#""id":"2""#, 1).replace("once more", "another"))
        .unwrap();
    let test = aws.taskbell(&format!("pattern test --live --cluster batch {}", file.display()), None);
    assert_eq!(test.code, 0, "{test:?}");
}
