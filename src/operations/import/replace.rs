//! Replaces the old alert once the user has confirmed: sets the stack up, sends a drill through it, and disables the old rule.

use super::switch_off::SwitchedOff;
use super::{Found, Origin, Takeover};
use crate::aws::kinds::parameter::Webhook;
use crate::error::Result;
use crate::operations::drill::Drill;
use crate::operations::setup::{Applied, Prepared, Refusal};
use crate::operations::verdict::Verdict;

impl Takeover {
    /// Returns the webhook of the stack, if it is known.
    #[must_use]
    pub fn webhook(&self) -> Option<Webhook> {
        match &self.origin {
            Origin::Given(webhook) | Origin::Found { webhook, .. } => Some(webhook.clone()),
            Origin::Elsewhere => None,
        }
    }

    /// Returns the verdict if nothing is to be changed, or may be changed. Returns None if the user is to confirm the changes.
    ///
    /// # Errors
    /// If the stack cannot be set up as planned.
    pub fn verdict(&self, prepared: &Prepared) -> Result<Option<Verdict>> {
        let is_over = self.dry_run || (prepared.plan.is_in_sync() && !self.is_left);
        match (prepared.refusal(), prepared.verdict()) {
            (Some(Refusal::Unreadable), _) => Ok(Some(Verdict::Unreadable)),
            (_, Verdict::InSync) if is_over && self.is_left => Ok(Some(Verdict::Differs)),
            (_, verdict) if is_over => Ok(Some(verdict)),
            (Some(Refusal::Blocked(error)), _) => Err(error),
            (None, _) => Ok(None),
        }
    }
}

impl Found {
    /// Applies the plan, sends the drill, and disables or removes the old alert once the drill has arrived. The result and
    /// `off` contain everything that was done, also after a failure.
    pub async fn replace(&self, prepared: Prepared, takeover: &Takeover, off: &mut SwitchedOff) -> Applied {
        let applied = prepared.apply(takeover.scenario).await;
        let arrived = |drill: &Result<Drill>| drill.as_ref().is_ok_and(|drill| drill.verdict() == Verdict::InSync);
        let is_proved = applied.failed.is_none() && applied.drill.as_ref().is_none_or(arrived);
        if takeover.is_left && is_proved {
            *off = self.switch_off(takeover).await;
        }
        applied
    }
}
