//! Disables the old alert: reads it again immediately before, and disables only the alert that the user saw.

use std::future::Future;

use super::existing::ExistingAlert;
use super::lookup::{can_be_removed, named};
use crate::aws::calls::foreign::Foreign;
use crate::aws::client::wait::NEW_RULE;
use crate::config::{Config, WebhookHosts};
use crate::error::{Category, Error, Result};
use crate::operations::session::Session;
use crate::pattern::Drill;
use crate::reconcile::engine::unanswered;
use crate::stack::{Id, Kind};

pub struct Switch<'a> {
    pub old: &'a ExistingAlert,
    pub foreign: &'a Foreign,
    pub session: &'a Session,
    /// The configuration of the new stack.
    pub config: &'a Config,
    pub hosts: WebhookHosts,
    /// Whether the rule and the function are removed, too.
    pub removes: bool,
}

/// The state of the old rule after the run.
#[derive(Default)]
pub struct SwitchedOff {
    /// Whether the rule may differ from the rule that the user saw.
    pub is_unsure: bool,
    /// Whether the rule is disabled.
    pub is_done: bool,
    /// The reason why not everything was done.
    pub failed: Option<Error>,
}

impl Switch<'_> {
    /// Disables the rule and, if requested, removes the function and then the rule: after a failure in between, the next run
    /// finds the rest by the rule's name.
    pub async fn off(&self) -> SwitchedOff {
        let mut off = SwitchedOff::default();
        off.failed = self.carry_out(&mut off).await.err();
        off
    }

    async fn carry_out(&self, off: &mut SwitchedOff) -> Result<()> {
        let (rule, foreign) = (&self.old.rule.name, self.foreign);
        if self.old.rule.is_enabled() && self.config.drill == Drill::Refused {
            // Without a drill, nothing has shown that EventBridge already applies the new rules.
            let what = "EventBridge to apply the new rules";
            let passed = self.session.waiter.pass(&Id::new(Kind::Rule, rule), NEW_RULE, what).await;
            self.session.finish_steps();
            passed?;
        }
        self.unless_interrupted("the old rule was disabled")?;
        self.is_as_shown(off).await?;
        self.unless_interrupted("the old rule was disabled")?;
        if self.old.rule.is_enabled() {
            off.is_unsure = true;
            self.unless_let_go(foreign.disable(rule)).await.map_err(|error| {
                Error::new(format!(
                    "could not disable the rule {rule}: it may still send alerts in addition to the new rules"
                ))
                .hint(format!("run the same command again, or `aws events disable-rule --name {rule}`"))
                .category(category(&error))
                .because(error)
            })?;
        }
        off.is_done = true;
        if !self.removes {
            return Ok(());
        }
        self.remove().await.map_err(|error| {
            Error::new(format!("the rule {rule} is disabled, but could not be removed with its function"))
                .hint("the same command is safe to run again")
                .category(category(&error))
                .because(error)
        })
    }

    async fn remove(&self) -> Result<()> {
        if let Some(function) = &self.old.function {
            self.unless_interrupted("the function was removed")?;
            self.unless_let_go(self.foreign.remove_function(function)).await?;
        }
        self.unless_interrupted("the rule was removed")?;
        self.unless_let_go(self.foreign.remove_rule(&self.old.rule.name, &self.config.stack)).await
    }

    /// Waits for a change. After an interruption, waits for at most 10 more seconds.
    async fn unless_let_go(&self, change: impl Future<Output = Result<()>>) -> Result<()> {
        self.session.letting_go(change).await.unwrap_or_else(|| Err(unanswered()))
    }

    /// Checks that the old alert did not change while the user was asked, the stack was set up and the drill was sent.
    async fn is_as_shown(&self, off: &mut SwitchedOff) -> Result<()> {
        let rule = &self.old.rule.name;
        let look = async {
            let now = named(rule, self.foreign, self.hosts).await?;
            if self.removes {
                can_be_removed(&now, self.foreign).await?;
            }
            Ok(now)
        };
        let not_off = format!("the rule {rule} was checked again, and nothing was disabled");
        let looked = self.session.unless_interrupted(Box::pin(look)).await?;
        let changed = looked.as_ref().map(|now| now.changed(self.old)).unwrap_or_default();
        if looked.is_ok() && changed.is_empty() {
            return Ok(());
        }
        off.is_unsure = true;
        Err(match looked {
            Ok(_) => Error::new(format!("{not_off}, because {} changed in the meantime", changed.join(", ")))
                .hint("run the same command again: it shows the current state and continues from there"),
            Err(error) => Error::new(not_off).category(category(&error)).because(error),
        })
    }

    fn unless_interrupted(&self, before: &str) -> Result<()> {
        match self.session.waiter.cancel.is_cancelled() {
            true => Err(Error::interrupted(format!("interrupted before {before}"))),
            false => Ok(()),
        }
    }
}

/// Returns the category of an error, which the command reports. A usage error this late is reported as a plain failure.
fn category(error: &Error) -> Category {
    match error.kind() {
        Category::Usage => Category::Failure,
        category => category,
    }
}
