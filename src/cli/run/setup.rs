//! Prepares a setup: plans, renders the plan, and asks for the webhook once the user has seen the plan.

use super::{Desk, Told};
use crate::aws::kinds::parameter::{self, Webhook};
use crate::cli::args::common::{Common, report_repeated};
use crate::cli::render;
use crate::cli::terminal::World;
use crate::config::{self, WebhookHosts, deadlines};
use crate::error::{Error, Result};
use crate::input::{printable, quoted};
use crate::operations::setup::{Applied, Prepared, Request, prepare};
use crate::pattern::scenario::Scenario;

/// Prepares the setup. Returns the plan also if the check fails or nobody can be asked for the webhook, with the error.
///
/// # Errors
/// If nothing could be planned, or a deadline never comes; on interruption.
pub async fn prepared(
    request: Request,
    dry_run: bool,
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
    let is_asked = !dry_run && prepared.needs_webhook() && prepared.refusal().is_none();
    let asked = if is_asked && !world.interactive { Err(parameter::no_webhook()) } else { Ok(()) };
    Ok((prepared, asked))
}

/// Asks for the webhook, if the plan needs one that is not known, and plans again with it. Called after the plan was shown.
///
/// # Errors
/// If the user gives no webhook, or AWS changed since the plan; on interruption.
pub async fn with_webhook(prepared: Prepared, hosts: WebhookHosts, world: &World) -> Result<Prepared> {
    match prepared.needs_webhook() {
        true => {
            let webhook = ask_webhook(hosts, world).await?;
            Box::pin(prepared.with_webhook(webhook)).await
        }
        false => Ok(prepared),
    }
}

/// Asks for the webhook until the answer is one, and names the service to which it belongs.
async fn ask_webhook(hosts: WebhookHosts, world: &World) -> Result<Webhook> {
    world.err.print(render::setup::WEBHOOK);
    loop {
        let text = world.ask_secret(render::setup::ASK_WEBHOOK).await?;
        if text.trim().is_empty() {
            return Err(Error::declined());
        }
        match config::webhook(&text, hosts) {
            Ok(webhook) => {
                world.err.print(&render::setup::accepted(&webhook));
                return Ok(webhook);
            }
            Err(error) => world.err.print(&render::error(&error, world.command())),
        }
    }
}

/// Offers a drill after the first setup, and sends the drill if the user agrees. Returns whether the closing message of the setup was
/// printed.
pub async fn offered(applied: Applied, desk: &Desk<'_>) -> (Applied, bool) {
    let Some(scenario) = applied.first_drill() else { return (applied, false) };
    desk.world.err.print(&(render::next_step::set_up(&applied, &flags(desk.common)) + "\n"));
    match desk.world.agrees(render::next_step::QUESTION).await {
        true => (Box::pin(applied.with_drill(scenario)).await, true),
        false => (applied, true),
    }
}

/// Returns the text for stderr at the end of a setup. `is_told` says whether the closing message was printed already.
#[must_use]
pub fn closing(applied: &Applied, is_told: bool, desk: &Desk<'_>) -> String {
    let quiet = desk.common.quiet;
    let end = render::setup::end(applied, quiet, desk.world.command());
    let is_good = applied.failed.is_none() && !matches!(applied.drill, Some(Err(_)));
    let is_next = is_good && !quiet && !is_told && (applied.drill.is_none() || applied.is_first());
    let has_arrived = matches!(&applied.drill, Some(Ok(drill)) if drill.is_in_a_channel());
    match is_told && has_arrived {
        true => end + render::next_step::ARRIVED,
        false if is_next => end + &render::next_step::set_up(applied, &flags(desk.common)),
        false => end,
    }
}

/// Runs the drill although nothing is to be changed.
///
/// # Errors
/// As `Drill::perform`.
pub async fn drilled(prepared: &Prepared, told: Told, desk: &Desk<'_>) -> Result<Told> {
    // Show the plan before the hops.
    desk.show(&told.out);
    let drill = prepared.drill(Scenario::default()).await?;
    let command = desk.world.command();
    Ok(Told {
        object: Some(render::setup::prepared_object(prepared, Some(&drill), command)),
        err: render::drill::end(&drill, desk.common.quiet, command),
        ..Told::verdict(String::new(), drill.verdict())
    })
}

/// Returns the flags that select the file, the region and the profile of this run, for commands that the user runs next.
#[must_use]
pub fn flags(common: &Common) -> String {
    let file = common.config.as_ref().map(|path| ("config", path.display().to_string()));
    let region = common.region.as_ref().map(|region| ("region", region.clone()));
    let profile = common.profile.as_ref().map(|profile| ("profile", profile.clone()));
    let flag = |(name, value): (&str, String)| format!(" --{name} {}", printable(&quoted(&value)));
    [file, region, profile].into_iter().flatten().map(flag).collect()
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
