//! Narrows patterns about jobs of AWS Batch to queues and names, and patterns about executions of Step Functions to state machines.
//! The events of both name no ECS cluster.

use serde_json::{Value, json};

use crate::arn::is_ecs_name;
use crate::error::{Error, Result};
use crate::secret::echoed;

/// Names to match, or names to exclude. Names may contain `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub included: Vec<String>,
    pub excluded: Vec<String>,
}

/// The queues, jobs and state machines to which a stack's patterns are narrowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilters {
    pub queues: Names,
    pub jobs: Names,
    pub machines: Names,
}

/// A field of events that a flag narrows.
struct Field {
    flag: &'static str,
    opposite: &'static str,
    /// The detail-types of the events, and the name of the field in their detail.
    detail_types: &'static [&'static str],
    name: &'static str,
    /// The text before the name: the end of an ARN needs no wildcard.
    before: &'static str,
    grammar: Grammar,
    of: fn(&mut JobFilters) -> &mut Names,
}

/// The names that AWS allows.
#[derive(Clone, Copy)]
struct Grammar {
    takes: fn(&str) -> bool,
    told: &'static str,
}

const OF_BATCH: Grammar =
    Grammar { takes: is_ecs_name, told: "names consist of letters, digits, hyphens and underscores" };
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html>
const OF_MACHINES: Grammar = Grammar {
    takes: |name| {
        let is_legal = |c: char| !c.is_whitespace() && !c.is_control() && !"<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
        (1..=80).contains(&name.chars().count()) && name.chars().all(is_legal)
    },
    told: "names have at most 80 characters, no space, and none of < > { } [ ] ? \" # % \\ ^ | ~ ` $ & , ; : /",
};

const BATCH: [&str; 2] = ["Batch Job State Change", "Batch Job Queue Blocked"];
const EXECUTION: [&str; 1] = ["Step Functions Execution Status Change"];

const FIELDS: [Field; 3] = [
    Field {
        flag: "--job-queue",
        opposite: "--exclude-job-queue",
        detail_types: &BATCH,
        name: "jobQueue",
        before: ":job-queue/",
        grammar: OF_BATCH,
        of: |all| &mut all.queues,
    },
    Field {
        flag: "--job-name",
        opposite: "--exclude-job-name",
        detail_types: &BATCH,
        name: "jobName",
        before: "",
        grammar: OF_BATCH,
        of: |all| &mut all.jobs,
    },
    Field {
        flag: "--state-machine",
        opposite: "--exclude-state-machine",
        detail_types: &EXECUTION,
        name: "stateMachineArn",
        before: ":stateMachine:",
        grammar: OF_MACHINES,
        of: |all| &mut all.machines,
    },
];

impl JobFilters {
    /// # Errors
    /// For names that AWS does not allow, and for filters that exclude everything or that EventBridge cannot express together.
    pub fn checked(&self) -> Result<()> {
        for (Field { flag, opposite, grammar, .. }, Names { included, excluded }) in self.fields() {
            for (flag, names) in [(flag, &included), (opposite, &excluded)] {
                names.iter().try_for_each(|name| legal(flag, name, grammar))?;
            }
            if !included.is_empty() && !excluded.is_empty() {
                return Err(Error::usage(format!("{flag} and {opposite} cannot be combined")).hint(
                    "for one field, a pattern can list the values that match or the values that do not, not both",
                ));
            }
            if excluded.iter().any(|name| name == "*") {
                return Err(Error::usage("a filter that excludes everything leaves nothing to alert on"));
            }
        }
        Ok(())
    }

    /// Returns each flag that was given, with the filter of that flag alone.
    #[must_use]
    pub fn apart(&self) -> Vec<(&'static str, Self)> {
        let alone = |field: &Field, names: Names| {
            let mut alone = Self::default();
            *(field.of)(&mut alone) = names;
            alone
        };
        let mut all = Vec::new();
        for (field, Names { included, excluded }) in self.fields() {
            for (flag, names) in [
                (field.flag, Names { included, ..Names::default() }),
                (field.opposite, Names { excluded, ..Names::default() }),
            ] {
                if names != Names::default() {
                    all.push((flag, alone(&field, names)));
                }
            }
        }
        all
    }

    /// Returns whether the filters have no condition: a list with `*` matches every name.
    #[must_use]
    pub fn matches_all(&self) -> bool {
        self.given().next().is_none()
    }

    /// Returns whether one of the filters is about the events of this pattern.
    #[must_use]
    pub fn concerns(&self, tree: &Value) -> bool {
        self.given().any(|(field, _)| alternatives(tree).any(|one| field.is_of(one)))
    }

    /// Checks whether the pattern does not restrict the fields of the filters already: such a restriction would be replaced, and
    /// not narrowed. A filter leaves patterns about other events as they are.
    #[must_use]
    pub fn can_narrow(&self, tree: &Value) -> bool {
        let is_free = |field: &Field, one: &Value| {
            let detail = &one["detail"];
            (detail.is_null() || detail.is_object()) && detail[field.name].is_null() && detail["$or"].is_null()
        };
        self.given().all(|(field, _)| alternatives(tree).all(|one| !field.is_of(one) || is_free(&field, one)))
    }

    /// Narrows a pattern, or one of its alternatives, if a filter is about its events.
    pub fn narrow(&self, tree: &mut Value) {
        for (field, names) in self.given() {
            if field.is_of(tree) {
                tree["detail"][field.name] = leaves(&names, field.before);
            }
        }
    }

    fn fields(&self) -> impl Iterator<Item = (Field, Names)> {
        let mut all = self.clone();
        FIELDS.into_iter().map(move |field| {
            let names = std::mem::take((field.of)(&mut all));
            (field, names)
        })
    }

    /// Returns the fields with a condition.
    fn given(&self) -> impl Iterator<Item = (Field, Names)> {
        let is_given = |names: &Names| *names != Names::default() && !names.included.iter().any(|name| name == "*");
        self.fields().filter(move |(_, names)| is_given(names))
    }
}

impl Field {
    fn is_of(&self, tree: &Value) -> bool {
        let types = tree["detail-type"].as_array();
        types.is_some_and(|all| !all.is_empty() && all.iter().all(|one| self.detail_types.iter().any(|own| one == own)))
    }
}

/// Where the fields of the filters are in an event.
pub const POINTERS: [&str; 3] = ["/detail/jobQueue", "/detail/jobName", "/detail/stateMachineArn"];

/// Returns whether the events of a pattern, or of an alternative, are of jobs of AWS Batch or executions of Step Functions.
#[must_use]
pub fn is_of_jobs(tree: &Value) -> bool {
    FIELDS.iter().any(|field| field.is_of(tree))
}

/// Returns whether the events of a pattern, or of an alternative, are of jobs of AWS Batch.
#[must_use]
pub fn is_of_batch(tree: &Value) -> bool {
    FIELDS.iter().any(|field| field.detail_types == BATCH && field.is_of(tree))
}

/// Returns the alternatives of a pattern whose alternatives have their own detail-types; or else the pattern itself.
pub fn alternatives(tree: &Value) -> impl Iterator<Item = &Value> {
    let several = tree["$or"].as_array().filter(|_| tree["detail-type"].is_null());
    several.map_or(std::slice::from_ref(tree), Vec::as_slice).iter()
}

/// Returns the leaves of one field. Exclusion keeps events without the field.
fn leaves(Names { included, excluded }: &Names, before: &str) -> Value {
    if excluded.is_empty() {
        return included.iter().map(|name| Form::of(name, before).leaf()).collect();
    }
    let forms: Vec<Form> = excluded.iter().map(|name| Form::of(name, before)).collect();
    // A field can have only one operator that excludes.
    let is_one = forms.iter().all(|form| form.operator == forms[0].operator);
    let (operator, texts): (_, Vec<String>) = match is_one {
        true => (forms[0].operator, forms.into_iter().map(|form| form.text).collect()),
        false => (Operator::Wildcard, excluded.iter().map(|name| glob(name, before)).collect()),
    };
    let refused = match operator {
        Operator::Exact => json!(texts),
        other => json!({ other.name(): texts }),
    };
    json!([{ "anything-but": refused }, { "exists": false }])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Exact,
    Prefix,
    Suffix,
    Wildcard,
}

impl Operator {
    fn name(self) -> &'static str {
        match self {
            Self::Exact => "equals",
            Self::Prefix => "prefix",
            Self::Suffix => "suffix",
            Self::Wildcard => "wildcard",
        }
    }
}

/// The simplest operator that expresses a name.
struct Form {
    operator: Operator,
    text: String,
}

impl Form {
    fn of(name: &str, before: &str) -> Self {
        match (before, name.find('*')) {
            ("", None) => Self { operator: Operator::Exact, text: name.to_owned() },
            (_, None) => Self { operator: Operator::Suffix, text: format!("{before}{name}") },
            ("", Some(at)) if at > 0 && at == name.len() - 1 => {
                Self { operator: Operator::Prefix, text: name[..at].to_owned() }
            }
            _ => Self { operator: Operator::Wildcard, text: glob(name, before) },
        }
    }

    fn leaf(self) -> Value {
        match self.operator {
            Operator::Exact => json!(self.text),
            other => json!({ other.name(): self.text }),
        }
    }
}

fn glob(name: &str, before: &str) -> String {
    if before.is_empty() { name.to_owned() } else { format!("*{before}{name}") }
}

fn legal(flag: &str, name: &str, grammar: Grammar) -> Result<()> {
    match (grammar.takes)(&name.replace('*', "-")) && !name.contains("**") {
        true => Ok(()),
        false => Err(Error::usage(format!("{flag} {} is not a name", echoed(name)))
            .hint(format!("{}; * matches any characters", grammar.told))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::filter::Filters;
    use crate::pattern::matcher::Matcher;
    use crate::pattern::samples::sample;
    use crate::pattern::{Drill, Pattern};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn narrowed(pattern: &str, jobs: JobFilters) -> Value {
        let filters = Filters { jobs, ..Filters::default() }.checked().unwrap();
        Pattern::find(pattern).unwrap().narrowed(&filters).unwrap().bind(&[], Drill::Accepted).unwrap()
    }

    fn only(included: &[&str]) -> Names {
        Names { included: names(included), ..Names::default() }
    }

    fn but(excluded: &[&str]) -> Names {
        Names { excluded: names(excluded), ..Names::default() }
    }

    #[test]
    fn filters_match_the_given_names_and_no_others() {
        let events = ["50-batch-job-failed", "50h-batch-queue-blocked"].map(|name| sample(name).unwrap().0);
        let takes = |jobs: JobFilters| {
            let matcher = Matcher::new(&(&narrowed("batch-job-failed", jobs)).into()).unwrap();
            let [failed, blocked] = events.each_ref().map(|event| matcher.matches(event));
            assert_eq!(failed, blocked);
            failed
        };
        for (given, matches) in [
            (only(&["nightly"]), true),
            (only(&["night"]), false),
            (only(&["ightly"]), false),
            (only(&["night*"]), true),
            (only(&["other", "*ly"]), true),
            (only(&["*"]), true),
            (but(&["nightly"]), false),
            (but(&["night"]), true),
            (but(&["night*", "other"]), false),
            (but(&["other", "another"]), true),
        ] {
            let queues = JobFilters { queues: given.clone(), ..JobFilters::default() };
            assert_eq!(takes(queues), matches, "{given:?}");
        }
        for (given, matches) in [
            (only(&["nightly-report"]), true),
            (only(&["nightly-*"]), true),
            (only(&["nightly"]), false),
            (only(&["*-report"]), true),
            (but(&["nightly-*"]), false),
            (but(&["nightly-report"]), false),
            (but(&["*-import", "x"]), true),
        ] {
            let jobs = JobFilters { jobs: given.clone(), ..JobFilters::default() };
            assert_eq!(takes(jobs), matches, "{given:?}");
        }
        let event = sample("51-execution-failed").unwrap().0;
        for (given, matches) in [
            (only(&["nightly-etl"]), true),
            (only(&["etl"]), false),
            (but(&["nightly-*"]), false),
            (but(&["etl.v2+夜間=1"]), true),
        ] {
            let machines = JobFilters { machines: given.clone(), ..JobFilters::default() };
            let tree = narrowed("execution-failed", machines);
            assert_eq!(Matcher::new(&(&tree).into()).unwrap().matches(&event), matches, "{given:?}");
        }
    }

    #[test]
    fn whole_names_and_beginnings_of_job_names_need_no_wildcard() {
        let jobs = JobFilters { queues: only(&["a"]), jobs: only(&["b*"]), ..JobFilters::default() };
        let tree = narrowed("batch-job-failed", jobs);
        for one in tree["$or"].as_array().unwrap() {
            assert_eq!(one["detail"]["jobQueue"], json!([{ "suffix": ":job-queue/a" }]));
            assert_eq!(one["detail"]["jobName"], json!([{ "prefix": "b" }]));
        }
        let globs = JobFilters { queues: only(&["a*"]), ..JobFilters::default() };
        assert_eq!(
            narrowed("batch-job-failed", globs)["$or"][1]["detail"]["jobQueue"],
            json!([{ "wildcard": "*:job-queue/a*" }])
        );
    }

    #[test]
    fn filters_of_jobs_leave_other_patterns_as_they_are() {
        let jobs = JobFilters { queues: only(&["a"]), machines: only(&["b"]), ..JobFilters::default() };
        let plain = Pattern::find("task-failed").unwrap();
        let filters = Filters { jobs: jobs.clone(), ..Filters::default() };
        let arn = ["arn:aws:ecs:us-east-1:123456789012:cluster/prod".to_owned()];
        let bound = plain.clone().narrowed(&filters).unwrap().bind(&arn, Drill::Accepted).unwrap();
        assert_eq!(bound, plain.bind(&arn, Drill::Accepted).unwrap());
        assert!(narrowed("execution-failed", jobs.clone())["detail"]["jobQueue"].is_null());
        assert_eq!(jobs.apart().iter().map(|(flag, _)| *flag).collect::<Vec<_>>(), ["--job-queue", "--state-machine"]);
    }

    #[test]
    fn invalid_filters_of_jobs_are_refused() {
        for (jobs, said) in [
            (JobFilters { queues: only(&["a/b"]), ..JobFilters::default() }, "--job-queue \"a/b\" is not a name"),
            (JobFilters { machines: only(&["a:b"]), ..JobFilters::default() }, "--state-machine \"a:b\" is not a name"),
            (JobFilters { jobs: but(&["*"]), ..JobFilters::default() }, "excludes everything"),
            (
                JobFilters {
                    machines: Names { included: names(&["a"]), excluded: names(&["b"]) },
                    ..JobFilters::default()
                },
                "--state-machine and --exclude-state-machine cannot be combined",
            ),
        ] {
            assert!(jobs.checked().unwrap_err().to_string().contains(said), "{said}");
        }
        let own = r#"{"detail-type":["Batch Job State Change"],"detail":{"jobQueue":["x"]}}"#;
        let filters =
            Filters { jobs: JobFilters { queues: only(&["a"]), ..JobFilters::default() }, ..Filters::default() };
        assert!(Pattern::parse("mine", own).unwrap().narrowed(&filters).is_err());
    }
}
