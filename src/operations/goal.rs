//! Decides what a stack shall be: what the settings of a run say alone, or completed by the settings with which the stack was set up.
//! The stack keeps those in a variable of its function.

use globset::GlobSet;

use crate::aws::kinds::function::{self, Function};
use crate::config::settings::{Settings, Trouble, items};
use crate::config::{self, Config, record};
use crate::desired::{SETTINGS, addresses};
use crate::error::{Category, Error, Result};
use crate::operations::events::Note;
use crate::reconcile::plan::{Action, Plan, Step};
use crate::reconcile::resource::{Inventory, Seen, spec_of};
use crate::stack::{Address, Stack, StackName};

/// The wish for a stack.
#[derive(Clone)]
pub enum Goal {
    /// This configuration, regardless of how the stack was set up before.
    Whole(Box<Config>),
    /// The settings of this run. Every other setting stays as the stack was set up with.
    Completed(Box<Given>),
}

/// The settings of a run that leaves others as they are.
#[derive(Clone)]
pub struct Given {
    pub stack: StackName,
    pub settings: Settings,
    /// Whether the clusters are there to name the stack.
    pub names_stack: bool,
    /// Whether the run brings a webhook for the stack's own parameter.
    pub brings_webhook: bool,
    /// The configuration of these settings alone, if they are enough.
    early: Option<Config>,
}

/// The configuration of a stack, with the base of its settings.
pub struct Known {
    pub config: Config,
    /// The differences to ignore; none: those of the request.
    pub ignore: Option<GlobSet>,
    pub basis: Basis,
}

/// The base of the settings that a run does not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// No other settings than those of the run count.
    Run,
    /// The defaults, because the stack has no notifier, which would keep its settings.
    Defaults,
    /// The defaults, although a stack exists: an earlier version set it up, and did not keep its settings.
    Unrecorded,
    /// The given flags and the defaults, because the notifier could not be read.
    Unread,
    /// The settings with which the stack was set up. `kept` has, as flags, those that the run does not give; `dropped` has, as flags,
    /// the clusters that the run leaves out.
    Record { kept: Vec<String>, dropped: Vec<String> },
}

impl Goal {
    /// Returns the goal of a run that does not change the settings that it leaves out.
    ///
    /// # Errors
    /// If the settings are invalid, whatever completes them.
    pub fn completed(
        (stack, settings): (StackName, Settings),
        names_stack: bool,
        brings_webhook: bool,
    ) -> Result<Self> {
        let early = match settings.config(stack.clone()) {
            Ok(config) => Some(config),
            Err(trouble) if could_be_completed(&settings, &trouble) => None,
            Err(trouble) => return Err(trouble.into()),
        };
        Ok(Self::Completed(Box::new(Given { stack, settings, names_stack, brings_webhook, early })))
    }

    #[must_use]
    pub fn stack(&self) -> &StackName {
        match self {
            Self::Whole(config) => &config.stack,
            Self::Completed(given) => &given.stack,
        }
    }

    /// Returns the configuration as far as it is known before AWS is read.
    #[must_use]
    pub fn early(&self) -> Option<&Config> {
        match self {
            Self::Whole(config) => Some(config),
            Self::Completed(given) => given.early.as_ref(),
        }
    }

    /// Returns the addresses that are known before AWS is read.
    #[must_use]
    pub fn addresses(&self, stack: &Stack) -> Vec<Address> {
        self.early().map(|config| addresses(config, stack)).unwrap_or_default()
    }

    /// Returns the configuration, once the notifier was read.
    ///
    /// # Errors
    /// If the stack's record cannot be read, or the completed settings are invalid.
    pub fn known(&self, stack: &Stack, seen: &Inventory) -> Result<Known> {
        let given = match self {
            Self::Whole(config) => {
                let config = Config::clone(config);
                return Ok(Known { config, ignore: None, basis: Basis::Run });
            }
            Self::Completed(given) => given,
        };
        let (settings, basis) = match recorded(stack, seen) {
            // The plan itself reports what could not be read.
            Err(_) if given.early.is_some() => (given.settings.clone(), Basis::Unread),
            Err(error) => return Err(Error::new(error.in_one_line()).category(Category::Unreadable)),
            Ok(Recorded::NoStack) => (given.settings.clone(), Basis::Defaults),
            Ok(Recorded::Nothing) => (given.settings.clone(), Basis::Unrecorded),
            // A repeated run, as in CI, needs no record.
            Ok(Recorded::Text(text)) if given.leaves(&text) => {
                (given.settings.clone(), Basis::Record { kept: Vec::new(), dropped: Vec::new() })
            }
            Ok(Recorded::Text(text)) => {
                let mut known = record::read(&text)?;
                if given.brings_webhook {
                    known.webhook_parameter = None;
                }
                let settings = record::completed(&given.settings, known.clone(), given.names_stack)?;
                let kept = record::kept(&given.settings, &settings);
                let dropped = record::dropped(&known, &settings)?;
                (settings, Basis::Record { kept, dropped })
            }
        };
        Ok(Known {
            config: settings.config(given.stack.clone())?,
            ignore: Some(config::ignore(items(&settings.ignore))?),
            basis,
        })
    }
}

impl Given {
    /// Returns whether a setup with these settings alone leaves this text in place of a record.
    fn leaves(&self, text: &str) -> bool {
        let own = self.early.as_ref().and_then(|config| config.record.as_deref());
        own.is_some_and(|own| record::not_kept(own) == text)
    }
}

/// Returns whether the plan says in the stack that its settings are not kept.
fn keeps_nothing(plan: &Plan) -> bool {
    let notifiers = plan.steps.iter().filter(|step| step.address.id == function::id());
    let specs = notifiers.filter_map(|step| spec_of::<Function>(step.want.as_ref()?).ok());
    specs.into_iter().any(|spec| spec.environment.get(SETTINGS).is_some_and(|text| record::is_not_kept(text)))
}

/// Returns whether settings of the record could mend the trouble: a cluster is missing, or a destination.
fn could_be_completed(settings: &Settings, trouble: &Trouble) -> bool {
    match trouble.key {
        "clusters" => items(&settings.clusters).is_empty(),
        "webhook_takes" => settings.to.is_none(),
        _ => false,
    }
}

/// The record of a stack.
enum Recorded {
    NoStack,
    /// The stack has no record.
    Nothing,
    Text(String),
}

/// Returns the record of the stack.
///
/// # Errors
/// If the notifier could not be read.
fn recorded<'a>(stack: &Stack, seen: &'a Inventory) -> Result<Recorded, &'a Error> {
    let found = seen.get(&function::address(stack).id).map(Seen::serving).transpose()?.flatten();
    let Some(spec) = found.and_then(|found| found.spec_of::<Function>().ok()) else { return Ok(Recorded::NoStack) };
    Ok(spec.environment.get(SETTINGS).map_or(Recorded::Nothing, |text| Recorded::Text(text.clone())))
}

/// Returns the record that a comparison expects: any record that can be read is as good as the configured one, and a stack without
/// a record is complete. Only what cannot be read is a difference.
#[must_use]
pub fn expected_record(config: &Config, stack: &Stack, seen: &Inventory) -> Option<String> {
    match recorded(stack, seen) {
        Ok(Recorded::Text(text)) if record::is_not_kept(&text) || record::read(&text).is_ok() => Some(text),
        Ok(Recorded::Nothing) => None,
        _ => config.record.clone(),
    }
}

impl Basis {
    /// Returns the notes about the settings that a setup keeps, and about the clusters that it drops.
    #[must_use]
    pub fn of_setup(&self, plan: &Plan) -> Vec<Note> {
        self.about_kept(plan).into_iter().chain(self.about_dropped()).collect()
    }

    fn about_dropped(&self) -> Option<Note> {
        let Self::Record { dropped, .. } = self else { return None };
        let names: Vec<&str> = dropped.iter().map(String::as_str).collect();
        let them = match names.len() {
            0 => return None,
            1 => "it",
            _ => "them",
        };
        Some(Note {
            text: format!("the stack no longer alerts for {}", names.join(", ")),
            hint: Some(format!("to keep {them}, give --cluster {} as well", names.join(" --cluster "))),
        })
    }

    fn about_kept(&self, plan: &Plan) -> Option<Note> {
        match self {
            _ if keeps_nothing(plan) => Some(Note {
                text: "the settings are too long for the stack to keep: later runs of `setup` and `drift` have to give all flags again"
                    .to_owned(),
                hint: Some("or write them into taskbell.toml".to_owned()),
            }),
            Self::Unread => Some(unread("planned with the given flags and the defaults")),
            Self::Record { kept, .. } if !kept.is_empty() => Some(Note {
                text: format!("keeps {}", kept.join(", ")),
                hint: Some("--reset returns to the defaults".to_owned()),
            }),
            other => other.without_record(plan, "this run has to give all flags again, and records them"),
        }
    }

    /// Returns the note about the settings with which a comparison is made.
    #[must_use]
    pub fn of_drift(&self, plan: &Plan) -> Option<Note> {
        match self {
            Self::Unread => Some(unread("compared with the given flags and the defaults")),
            Self::Record { kept, .. } => {
                let with = if kept.is_empty() { String::new() } else { format!(": {}", kept.join(", ")) };
                Some(Note { text: format!("compared with what the stack was set up with{with}"), hint: None })
            }
            other => other.without_record(plan, "compared with the given flags and the defaults"),
        }
    }

    /// Returns the note about a stack whose settings are not known, with the consequence.
    fn without_record(&self, plan: &Plan, so: &str) -> Option<Note> {
        let is_notifier = |step: &&Step| step.address.id == function::id();
        let is_gone = plan.steps.iter().find(is_notifier).is_some_and(|step| step.action == Action::Add)
            && (!plan.unchanged.is_empty() || plan.steps.iter().any(|step| step.action != Action::Add));
        let why = match self {
            Self::Unrecorded => {
                "the stack has no record of its settings (earlier versions and `import --keep-pattern` leave none)"
            }
            Self::Defaults if is_gone => "the notifier is gone, and with it the record of the stack's settings",
            Self::Run | Self::Defaults | Self::Unread | Self::Record { .. } => return None,
        };
        Some(Note { text: format!("{why}: {so}"), hint: None })
    }
}

/// Returns the note about settings that could not be read, with the consequence.
fn unread(so: &str) -> Note {
    Note { text: format!("the settings of the stack could not be read: {so}"), hint: None }
}
