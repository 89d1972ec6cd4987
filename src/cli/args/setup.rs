//! Defines the flags of the commands that set a stack up.

use clap::Args;

use crate::aws::kinds::parameter::Webhook;
use crate::cli::args::common::{Common, StackArgs};
use crate::cli::args::fleet::Choice;
use crate::cli::terminal::World;
use crate::config;
use crate::config::settings::{Settings, items};
use crate::error::Result;
use crate::operations::goal::Goal;
use crate::operations::setup::Request;
use crate::reconcile::plan::Exceptions;
use crate::stack::Id;

/// Flags that say which obstacles a setup ignores.
#[derive(Debug, Clone, Args)]
pub struct SetupArgs {
    /// Allow a cluster that does not exist (yet)
    #[arg(long)]
    allow_missing_cluster: bool,
    /// Adopt a resource that has one of the stack's names but does not belong to the stack, as in `log_group/notifier`; may be repeated
    #[arg(long = "adopt", value_name = "ID")]
    adopt: Vec<String>,
    /// Do not check the patterns with EventBridge: for emulators of AWS that match differently
    #[arg(long)]
    no_pattern_check: bool,
}

impl SetupArgs {
    #[must_use]
    pub fn choice(&self) -> Choice {
        if self.allow_missing_cluster { Choice::Any } else { Choice::Existing }
    }

    /// Returns the request for a setup with the flags of a stack.
    ///
    /// # Errors
    /// For invalid flags, and for a webhook that cannot be read.
    pub fn of_stack(&self, stack: &StackArgs, common: &Common, world: &World) -> Result<Request> {
        let goal = stack.goal(common)?;
        self.request(goal, stack.webhook(world, stack.settings.hosts())?, &stack.settings)
    }

    /// Returns the request for a setup with this goal.
    ///
    /// # Errors
    /// If a resource to adopt or to ignore is not a valid id.
    pub fn request(&self, goal: Goal, webhook: Option<Webhook>, settings: &Settings) -> Result<Request> {
        let adopt = self.adopt.iter().map(|text| Id::parse(text)).collect::<Result<Vec<_>>>();
        Ok(Request {
            goal,
            webhook,
            exceptions: Exceptions { adopt: adopt?, ignore: config::ignore(items(&settings.ignore))? },
            allow_missing_cluster: self.allow_missing_cluster,
            check_patterns: !self.no_pattern_check,
            is_one_of_many: false,
        })
    }
}
