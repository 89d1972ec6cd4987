//! Reads the names by which AWS addresses resources: partitions, regions, accounts, ARNs, and names of parameters.
//!
//! [`Arn::split`] reads an ARN that AWS wrote. The other functions read the text of a user, and check its whole grammar, so that
//! AWS's rules are known before the first call.

use std::fmt;

use crate::error::{Error, Result};
use crate::secret::echoed;

/// The parts of an ARN: `arn:partition:service:region:account:resource`. Some resources have no region or no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    pub partition: &'a str,
    pub service: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Splits an ARN that AWS or a pattern contains into its parts, and checks none of them. Returns none for a text that is no
    /// ARN.
    #[must_use]
    pub fn split(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, service, region, account, resource] = parts[..] else { return None };
        Some(Self { partition, service, region, account, resource })
    }

    /// Reads an ARN, and checks each part. The problem is for the end of an error's sentence.
    ///
    /// # Errors
    /// If a part does not have its form.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let arn = Self::split(text).ok_or_else(|| "an ARN has six parts, separated by colons".to_owned())?;
        let Self { partition, service, region, account, resource } = arn;
        if !is_partition(partition) {
            return Err(format!("{partition:?} is not a partition of AWS, such as aws or aws-cn"));
        }
        if service.is_empty() || !service.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            return Err(format!("{service:?} is not the name of a service"));
        }
        if !(region.is_empty() || is_region(region)) {
            return Err(format!("{region:?} is not a region"));
        }
        // Resources of AWS itself, such as managed policies, have the account `aws`.
        if !(account.is_empty() || account == "aws" || is_account(account)) {
            return Err(format!("{account:?} is not an account ID, which has 12 digits"));
        }
        match !resource.is_empty() && resource.chars().all(|c| c.is_ascii_graphic()) {
            true => Ok(arn),
            false => Err("it names no resource, or has a character that no ARN has".to_owned()),
        }
    }

    /// Returns whether the ARN is of a service in a region and an account.
    fn is_regional(&self, service: &str) -> bool {
        self.service == service && !self.region.is_empty() && is_account(self.account)
    }

    /// Returns whether the ARN is of IAM, which has no regions.
    fn is_of_iam(&self) -> bool {
        self.service == "iam" && self.region.is_empty()
    }

    /// Returns the last part of the resource: the name behind its type, its path or its colons.
    #[must_use]
    pub fn last(&self) -> &'a str {
        self.resource.rsplit([':', '/']).next().unwrap_or_default()
    }
}

impl fmt::Display for Arn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// Returns whether a user means the text as an ARN.
#[must_use]
pub fn is_meant(text: &str) -> bool {
    text.starts_with("arn:")
}

/// Returns whether the text has the form of a partition's name: `aws`, or `aws-` and words.
#[must_use]
pub fn is_partition(text: &str) -> bool {
    let mut words = text.split('-');
    words.next() == Some("aws")
        && words.all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
}

/// Returns whether the text has the form of a region's name: an area, one or two words, and a number, as in `us-east-1`,
/// `us-gov-west-1` or `eusc-de-east-1`.
#[must_use]
pub fn is_region(text: &str) -> bool {
    let words: Vec<&str> = text.split('-').collect();
    let [area, middle @ .., number] = words.as_slice() else { return false };
    let is_word = |word: &str| word.len() >= 2 && word.chars().all(|c| c.is_ascii_lowercase());
    let is_number = (1..=2).contains(&number.len()) && number.chars().all(|c| c.is_ascii_digit());
    (1..=2).contains(&middle.len()) && is_word(area) && middle.iter().all(|word| is_word(word)) && is_number
}

/// Returns whether the text is an account ID.
#[must_use]
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.chars().all(|c| c.is_ascii_digit())
}

/// Checks the name of a region.
///
/// # Errors
/// If the text does not have the form of one.
pub fn region(text: &str) -> Result<String> {
    match is_region(text) {
        true => Ok(text.to_owned()),
        false => Err(Error::usage(format!("{} is not an AWS region, such as eu-central-1", echoed(text)))),
    }
}

/// Checks an account ID.
///
/// # Errors
/// If the text does not have 12 digits.
pub fn account(text: &str) -> Result<String> {
    match is_account(text) {
        true => Ok(text.to_owned()),
        false => Err(Error::usage(format!("{} is not an account ID, which has 12 digits", echoed(text)))),
    }
}

/// A kind of resource that users name by its ARN.
struct Form {
    /// The kind with its article.
    what: &'static str,
    example: &'static str,
}

impl Form {
    /// Reads an ARN of this kind. `resource` returns what is wrong with the parts.
    fn read<'a, T>(&self, text: &'a str, resource: impl Fn(Arn<'a>) -> Result<T, String>) -> Result<T> {
        let Self { what, example } = self;
        Arn::parse(text).and_then(resource).map_err(|problem| {
            // The problem may repeat a part of the text, which is not an ARN and may then be a secret.
            let problem = if is_meant(text) { format!(": {problem}") } else { String::new() };
            Error::usage(format!("{} is not the ARN of {what}{problem}", echoed(text)))
                .hint(format!("an ARN of {what} looks like {example}"))
        })
    }
}

/// Reads the ARN of an SNS topic.
///
/// # Errors
/// If the text is not one.
pub fn topic(text: &str) -> Result<Arn<'_>> {
    let form = Form { what: "an SNS topic", example: "arn:aws:sns:us-east-1:123456789012:on-call" };
    form.read(text, |arn| {
        let name = arn.resource.strip_suffix(".fifo").unwrap_or(arn.resource);
        let legal = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if !arn.is_regional("sns") {
            return Err("a topic has a region and an account".to_owned());
        }
        // SNS counts the suffix of a FIFO topic.
        if arn.resource.len() > 256 {
            return Err("a topic's name has up to 256 characters".to_owned());
        }
        match !name.is_empty() && name.chars().all(legal) {
            true => Ok(arn),
            false => Err("a topic's name has letters, digits, hyphens and underscores".to_owned()),
        }
    })
}

/// Returns whether the topic is a FIFO topic.
#[must_use]
pub fn is_fifo(topic: &Arn<'_>) -> bool {
    topic.resource.strip_suffix(".fifo").is_some()
}

/// Reads the ARN of an ECS cluster. Returns the cluster's name.
///
/// # Errors
/// If the text is not one.
pub fn cluster(text: &str) -> Result<&str> {
    let form = Form { what: "an ECS cluster", example: "arn:aws:ecs:us-east-1:123456789012:cluster/NAME" };
    form.read(text, |arn| match (arn.is_regional("ecs"), arn.resource.strip_prefix("cluster/")) {
        (true, Some(name)) if is_ecs_name(name) => Ok(name),
        (true, Some(_)) => Err("a cluster's name has letters, digits, hyphens and underscores".to_owned()),
        _ => Err("a cluster has a region and an account, and its name follows \"cluster/\"".to_owned()),
    })
}

/// The parts of a task's ARN. The old, short form does not name the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task<'a> {
    pub arn: Arn<'a>,
    pub cluster: Option<&'a str>,
}

/// Reads the ARN of a task.
///
/// # Errors
/// If the text is not one.
pub fn task(text: &str) -> Result<Task<'_>> {
    let form = Form {
        what: "a task",
        example: "arn:aws:ecs:us-east-1:123456789012:task/CLUSTER/0123456789abcdef0123456789abcdef",
    };
    let is_id = |id: &str| !id.is_empty() && id.len() <= 36 && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    form.read(text, |arn| {
        let parts: Vec<&str> = arn.resource.split('/').collect();
        match parts[..] {
            ["task", cluster, id] if arn.is_regional("ecs") && is_ecs_name(cluster) && is_id(id) => {
                Ok(Task { arn, cluster: Some(cluster) })
            }
            ["task", id] if arn.is_regional("ecs") && is_id(id) => Ok(Task { arn, cluster: None }),
            _ => Err("a task has a region and an account, and an ID of hexadecimal digits".to_owned()),
        }
    })
}

/// Returns whether the ARN names the function itself, and not a version or an alias of it.
#[must_use]
pub fn names_function(arn: &str, function: &str) -> bool {
    arn.split_once(":function:").is_some_and(|(_, rest)| rest == function)
}

/// Returns whether ECS accepts the name of a cluster, a service, a family or a container. taskbell gives stacks such names, too.
#[must_use]
pub fn is_ecs_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// Returns whether the text is a name of ECS in which `*` may stand for any characters. EventBridge accepts no two `*` in a row.
#[must_use]
pub fn is_ecs_glob(text: &str) -> bool {
    is_ecs_name(&text.replace('*', "-")) && !text.contains("**")
}

/// Reads the ARN of an EventBridge rule. Returns the ARN and the rule's name, which follows the name of its bus unless that is the
/// default bus.
///
/// # Errors
/// If the text is not one.
pub fn rule(text: &str) -> Result<(Arn<'_>, &str)> {
    let form = Form { what: "an EventBridge rule", example: "arn:aws:events:us-east-1:123456789012:rule/NAME" };
    form.read(text, |arn| {
        let name = arn.resource.strip_prefix("rule/").and_then(|path| path.rsplit('/').next());
        match name {
            Some(name) if arn.is_regional("events") && is_rule_name(name) => Ok((arn, name)),
            _ => Err("a rule has a region and an account, and its name follows \"rule/\"".to_owned()),
        }
    })
}

/// Returns whether EventBridge accepts the name of a rule.
#[must_use]
pub fn is_rule_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// Checks the ARN of an IAM role.
///
/// # Errors
/// If the text is not one.
pub fn role(text: &str) -> Result<String> {
    let form = Form { what: "an IAM role", example: "arn:aws:iam::123456789012:role/NAME" };
    form.read(text, |arn| match is_account(arn.account) {
        true => of_iam(arn, "role", 64),
        false => Err("a role has an account".to_owned()),
    })
}

/// Checks the ARN of an IAM policy, of an account or of AWS.
///
/// # Errors
/// If the text is not one.
pub fn policy(text: &str) -> Result<String> {
    let form = Form { what: "an IAM policy", example: "arn:aws:iam::123456789012:policy/NAME" };
    form.read(text, |arn| match arn.account.is_empty() {
        false => of_iam(arn, "policy", 128),
        true => Err("a policy has an account".to_owned()),
    })
}

/// Checks a resource of IAM: its type, its path of up to 512 characters, and its name.
fn of_iam(arn: Arn<'_>, kind: &str, longest: usize) -> Result<String, String> {
    let path_and_name = arn.resource.strip_prefix(kind).filter(|rest| rest.starts_with('/') && arn.is_of_iam());
    let Some((path, name)) = path_and_name.and_then(|rest| rest.rsplit_once('/')) else {
        return Err(format!("a {kind} has no region, and its name follows \"{kind}/\""));
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if name.is_empty() || name.len() > longest || !name.chars().all(legal) {
        return Err(format!("a {kind}'s name has up to {longest} letters, digits and _+=,.@-"));
    }
    // IAM counts the slashes at both ends of the path.
    match path.len() < 512 {
        true => Ok(arn.to_string()),
        false => Err("a path of IAM has up to 512 characters".to_owned()),
    }
}

/// Checks an external ID, as STS accepts it. No message repeats it.
///
/// # Errors
/// If the text is too short or too long, or has other characters.
pub fn external_id(text: &str) -> Result<()> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
    match (2..=1224).contains(&text.len()) && text.chars().all(legal) {
        true => Ok(()),
        false => Err(Error::usage("STS does not accept the external ID")
            .hint("an external ID has 2 to 1224 letters, digits and _+=,.@:/-")),
    }
}

/// Most characters of a parameter's name together with the beginning of its ARN.
pub const LONGEST_PARAMETER: usize = 1011;
/// The beginning of a parameter's ARN in a region with the shortest name.
const SHORTEST_START: &str = "arn:aws:ssm:us-east-1:123456789012:parameter/";
/// Most levels of a parameter's name: `/a/b` has two.
const MOST_LEVELS: usize = 15;
/// Names under which SSM returns secrets of Secrets Manager.
const REFERENCE: &str = "/aws/reference/secretsmanager/";

/// Checks the name of an SSM parameter. `desired::limits` checks the length again when the region is known.
///
/// # Errors
/// If SSM does not accept the name, or the notifier cannot read such a parameter.
pub fn parameter_name(text: &str) -> Result<String> {
    if text.starts_with(REFERENCE) {
        return Err(Error::usage(format!("{} refers to a secret of Secrets Manager, which taskbell does not read", echoed(text)))
            .hint("the notifier's role would need secretsmanager:GetSecretValue; store the webhook in an SSM parameter of its own, and give that name"));
    }
    let bad = |problem: &str| {
        Err(Error::usage(format!("{} is not the name of an SSM parameter{problem}", echoed(text)))
            .hint("give a name with letters, digits and _.-/ as in /team/slack-webhook, not an ARN; store a webhook in a parameter, and give its name"))
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    if text.is_empty() || !text.chars().all(legal) {
        return bad("");
    }
    let path = text.strip_prefix('/').unwrap_or(text);
    if text.contains('/') && !text.starts_with('/') {
        return bad(": a name with levels begins with a slash");
    }
    if path.split('/').any(str::is_empty) {
        return bad(": a level of it is empty, or it ends with a slash");
    }
    let start = path.to_ascii_lowercase();
    if ["aws", "ssm"].iter().any(|reserved| start.starts_with(reserved)) {
        return bad(": names that begin with aws or ssm, in any case, are reserved");
    }
    if path.split('/').count() > MOST_LEVELS {
        return bad(": a name has up to 15 levels");
    }
    match SHORTEST_START.len() + path.len() <= LONGEST_PARAMETER {
        true => Ok(text.to_owned()),
        false => bad(": with its ARN, it has more than 1011 characters"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Category;

    /// Generates legal partitions, regions and accounts.
    fn place() -> impl Strategy<Value = (String, String, String)> {
        let partition = "aws(-[a-z]{2,4}(-[a-z]{1,2})?)?";
        let region = "[a-z]{2,4}(-[a-z]{2,9}){1,2}-[1-9][0-9]?";
        (partition, region, "[0-9]{12}")
    }

    /// Generates legal ARNs of each kind that users give, with the function that reads the kind.
    fn arns() -> impl Strategy<Value = (String, Kind)> {
        let kind = prop_oneof![
            "[A-Za-z0-9_-]{1,256}".prop_map(|name| (format!("sns:R:A:{name}"), Kind::Topic)),
            "[A-Za-z0-9_-]{1,251}\\.fifo".prop_map(|name| (format!("sns:R:A:{name}"), Kind::Topic)),
            "[A-Za-z0-9_-]{1,255}".prop_map(|name| (format!("ecs:R:A:cluster/{name}"), Kind::Cluster)),
            "([a-zA-Z0-9_-]{1,40}/)?[0-9a-f]{32}".prop_map(|rest| (format!("ecs:R:A:task/{rest}"), Kind::Task)),
            "([a-z0-9.]{1,20}/){0,3}[A-Za-z0-9._-]{1,64}"
                .prop_map(|rest| (format!("events:R:A:rule/{rest}"), Kind::Rule)),
            "([!-.0-~]{1,20}/){0,3}[A-Za-z0-9_+=,.@-]{1,64}"
                .prop_map(|rest| (format!("iam::A:role/{rest}"), Kind::Role)),
            "([!-.0-~]{1,20}/){0,3}[A-Za-z0-9_+=,.@-]{1,128}"
                .prop_map(|rest| (format!("iam::A:policy/{rest}"), Kind::Policy)),
            "[A-Za-z0-9_+=,.@-]{1,128}".prop_map(|rest| (format!("iam::aws:policy/{rest}"), Kind::Policy)),
        ];
        (place(), kind).prop_map(|((partition, region, account), (rest, kind))| {
            let rest = rest.replacen(":R:", &format!(":{region}:"), 1).replacen(":A:", &format!(":{account}:"), 1);
            (format!("arn:{partition}:{rest}"), kind)
        })
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Kind {
        Topic,
        Cluster,
        Task,
        Rule,
        Role,
        Policy,
    }

    const KINDS: [Kind; 6] = [Kind::Topic, Kind::Cluster, Kind::Task, Kind::Rule, Kind::Role, Kind::Policy];

    fn read(kind: Kind, text: &str) -> Result<()> {
        match kind {
            Kind::Topic => topic(text).map(drop),
            Kind::Cluster => cluster(text).map(drop),
            Kind::Task => task(text).map(drop),
            Kind::Rule => rule(text).map(drop),
            Kind::Role => role(text).map(drop),
            Kind::Policy => policy(text).map(drop),
        }
    }

    proptest! {
        #[test]
        fn legal_arn_is_read_as_its_kind_alone_and_printed_back((text, kind) in arns()) {
            prop_assert_eq!(Arn::parse(&text).unwrap().to_string(), text.clone());
            for other in KINDS {
                prop_assert_eq!(read(other, &text).is_ok(), other == kind, "{:?}", other);
            }
        }

        #[test]
        fn mutated_arn_is_refused((text, kind) in arns(), at in 0..5_usize, change in 0..6_usize) {
            let mut parts: Vec<String> = text.splitn(6, ':').map(str::to_owned).collect();
            match change {
                0 => { parts.remove(at); }
                1 => parts[at].push(' '),
                2 => parts[at].insert(0, 'É'),
                3 => parts[at] = parts[at].to_uppercase() + "X",
                4 => parts[4].push('0'),
                _ => parts.truncate(5),
            }
            let mutated = parts.join(":");
            let error = read(kind, &mutated).unwrap_err();
            prop_assert_eq!(error.kind(), Category::Usage);
        }

        #[test]
        fn text_from_anywhere_is_no_arn_or_is_printed_back(text in "(arn:)?[a-z0-9:/*-]{0,40}") {
            if let Ok(arn) = Arn::parse(&text) {
                prop_assert_eq!(arn.to_string(), text.clone());
            }
        }

        #[test]
        fn legal_parameter_is_accepted(levels in proptest::collection::vec("[b-rt-zB-RT-Z0-9_.-][A-Za-z0-9_.-]{0,20}", 1..=15)) {
            let name = format!("/{}", levels.join("/"));
            prop_assert_eq!(parameter_name(&name).unwrap(), name.clone());
            for mutated in [format!("{name}/"), format!("/{name}"), name[1..].replacen('/', "//", 1) + "/", format!("{name}:1"), format!("/aws{name}"), format!("/SSM{name}")] {
                prop_assert!(parameter_name(&mutated).is_err(), "{}", mutated);
            }
        }
    }

    #[test]
    fn partitions_regions_and_accounts_have_their_forms() {
        for good in ["aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b"] {
            assert!(is_partition(good), "{good}");
        }
        for bad in ["", "AWS", "aws-", "awscn", "aws--cn", "gcp"] {
            assert!(!is_partition(bad), "{bad}");
        }
        for good in [
            "us-east-1",
            "us-gov-west-1",
            "ap-southeast-5",
            "us-isob-east-1",
            "eusc-de-east-1",
            "cn-north-1",
            "mx-central-1",
        ] {
            assert_eq!(region(good).unwrap(), good);
        }
        for bad in [
            "",
            "us",
            "us-east",
            "us-east-1a",
            "US-EAST-1",
            "us-east-",
            "us east 1",
            "useast1",
            "us-east-1 ",
            "us-east-100",
        ] {
            assert_eq!(region(bad).unwrap_err().kind(), Category::Usage, "{bad}");
        }
        for bad in ["", "1", "1234567890123", "12345678901x", "１２３４５６７８９０１２"] {
            assert!(account(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_beyond_the_limits_of_aws_are_refused_with_the_reason() {
        let sns = "arn:aws:sns:us-east-1:123456789012:";
        let iam = "arn:aws:iam::123456789012:";
        let long = |length: usize| "a".repeat(length);
        for (kind, text, told) in [
            (Kind::Topic, format!("{sns}{}", long(257)), "up to 256 characters"),
            (Kind::Topic, format!("{sns}{}.fifo", long(252)), "up to 256 characters"),
            (Kind::Topic, format!("{sns}a.b"), "letters, digits, hyphens"),
            (Kind::Topic, format!("{sns}a:b"), "letters, digits, hyphens"),
            (Kind::Topic, "arn:aws:sns:us-east-1:12345:a".to_owned(), "\"12345\" is not an account ID"),
            (Kind::Topic, "arn:aws:sns:useast1:123456789012:a".to_owned(), "\"useast1\" is not a region"),
            (Kind::Topic, "arn:azure:sns:us-east-1:123456789012:a".to_owned(), "\"azure\" is not a partition"),
            (Kind::Topic, "arn:aws:sns::123456789012:a".to_owned(), "a topic has a region"),
            (Kind::Role, format!("{iam}role/{}", long(65)), "up to 64 letters"),
            (Kind::Role, format!("{iam}role/"), "up to 64 letters"),
            (Kind::Role, format!("{iam}role/{}/a", long(511)), "512 characters"),
            (Kind::Role, format!("{iam}policy/a"), "follows \"role/\""),
            (Kind::Role, "arn:aws:iam::aws:role/a".to_owned(), "a role has an account"),
            (Kind::Role, "arn:aws:iam:us-east-1:123456789012:role/a".to_owned(), "a role has no region"),
            (Kind::Policy, format!("{iam}policy/{}", long(129)), "up to 128 letters"),
            (
                Kind::Cluster,
                format!("arn:aws:ecs:us-east-1:123456789012:cluster/{}", long(256)),
                "letters, digits, hyphens",
            ),
        ] {
            let error = read(kind, &text).unwrap_err();
            assert!(error.to_string().contains(told), "{text}: {error}");
        }
        let fifteen = "/a".repeat(15);
        assert!(parameter_name(&fifteen).is_ok() && parameter_name(&format!("{fifteen}/a")).is_err());
        let longest = format!("/{}", long(LONGEST_PARAMETER - SHORTEST_START.len()));
        assert!(parameter_name(&longest).is_ok() && parameter_name(&format!("{longest}a")).is_err());
        for (text, told) in [
            ("/aws/x", "reserved"),
            ("/AwS-webhook", "reserved"),
            ("ssmhook", "reserved"),
            ("/a/b/", "ends with a slash"),
            ("/", "ends with a slash"),
            ("a/b", "begins with a slash"),
            ("/a//b", "is empty"),
            ("/aws/reference/secretsmanager/hook", "Secrets Manager"),
            ("a b", "is not the name of an SSM parameter"),
        ] {
            let error = parameter_name(text).unwrap_err();
            assert!(error.to_string().contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn version_and_alias_are_not_the_function_itself() {
        let of = |name: &str| format!("arn:aws:lambda:us-east-1:123456789012:function:{name}");
        assert!(names_function(&of("taskbell-batch"), "taskbell-batch"));
        for other in ["taskbell-batch:live", "taskbell-batch:7", "taskbell-batch-2", "batch"] {
            assert!(!names_function(&of(other), "taskbell-batch"), "{other}");
        }
        assert!(!names_function("taskbell-batch", "taskbell-batch"));
    }

    #[test]
    fn text_that_is_no_arn_is_not_repeated_in_parts() {
        let error = topic("https://user:hunter2@chat.example/services/hunter2").unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
