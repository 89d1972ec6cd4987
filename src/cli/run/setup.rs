//! Prepares a setup: plans, and asks for the webhook if the plan needs one. Renders the plan.

use super::{Desk, Told};
use crate::cli::args::common::{StackArgs, report_repeated};
use crate::cli::render;
use crate::config::deadlines;
use crate::error::Result;
use crate::operations::setup::{Applied, Prepared, Request, prepare};

/// Prepares the setup. Asks for the webhook only if the plan needs one, may be applied, and passes the check. Returns the plan also if the
/// check fails or the webhook is missing, with the error.
///
/// # Errors
/// If nothing could be planned, or a deadline never comes; on interruption.
pub async fn prepared(
    request: Request,
    (stack, dry_run): (&StackArgs, bool),
    check: impl FnOnce(&Prepared) -> Result<()>,
    desk: &Desk<'_>,
) -> Result<(Prepared, Result<()>)> {
    let Desk { common, world, context, reported: _ } = desk;
    let early = request.goal.early().cloned();
    if let Some(config) = &early {
        deadlines::next(config, world.now())?;
        report_repeated(&config.patterns, &context.listener);
    }
    let target = common.target_called(request.goal.stack().clone());
    let prepared = prepare(request, &target, context).await?;
    // The settings that the stack was set up with may add patterns and deadlines.
    if early.is_none_or(|config| config.record != prepared.config().record) {
        deadlines::next(prepared.config(), world.now())?;
    }
    if let Err(error) = check(&prepared) {
        return Ok((prepared, Err(error)));
    }
    if dry_run || !prepared.needs_webhook() || prepared.refusal().is_some() {
        return Ok((prepared, Ok(())));
    }
    match stack.ask_webhook(world).await {
        Ok(webhook) => Ok((prepared.with_webhook(webhook).await?, Ok(()))),
        Err(error) => Ok((prepared, Err(error))),
    }
}

/// Offers a drill after the first setup, and sends the drill if the user agrees. Returns whether the closing message of the setup was
/// printed, and is the last one.
pub async fn offered(applied: Applied, desk: &Desk<'_>) -> (Applied, bool) {
    let Some(scenario) = applied.first_drill() else { return (applied, false) };
    desk.world.err.print(&render::setup::end(&applied, false, desk.world.command()));
    match desk.world.agrees(render::next_step::QUESTION).await {
        true => (Box::pin(applied.with_drill(scenario)).await, false),
        false => (applied, true),
    }
}

/// Returns the output for a plan. Contains the next deadlines, unless nothing is to be changed or looked at.
#[must_use]
pub fn seen(prepared: &Prepared, dry_run: bool, desk: &Desk<'_>) -> Told {
    let mut object = render::setup::prepared_object(prepared, None, desk.world.command());
    let mut out = render::plan(&prepared.plan, desk.common.verbose);
    // A deadline that never comes was refused before the plan.
    let next = deadlines::next(prepared.config(), desk.world.now()).unwrap_or_default();
    if !next.is_empty() && (dry_run || !prepared.plan.is_in_sync()) {
        object["deadlines"] = render::deadlines::array(&next);
        out += &render::deadlines::text(&next);
    }
    Told { object: Some(object), sum: render::sum(&prepared.plan), ..Told::verdict(out, prepared.verdict()) }
}
