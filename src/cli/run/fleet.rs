//! Runs a command for the selected stack, or for several stacks: some at a time, each with its own outcome. A failure of one stack
//! does not stop the others.

mod lines;
mod outcome;
mod together;

use futures_util::future::LocalBoxFuture;

use super::progress::Progress;
use super::{InPhases, choice};
use crate::cli::args::common::Common;
use crate::cli::args::fleet::OfStack;
use crate::cli::render::fleet::{heading, name, orphan, orphans_beside, orphans_in};
use crate::cli::terminal::World;
use crate::config::file::{File, Member};
use crate::error::{Category, Error, Result};
use crate::operations::fleet::places::{Orphans, Placed, orphans, placed};
use crate::operations::fleet::selection::{Several, member_at};
use crate::stack::{Place, StackName};
use outcome::{Outcome, conclude};
use together::{Job, Work, together};

/// A command for one stack only.
pub type Run<A> = for<'a> fn(A, &'a Common, &'a World) -> LocalBoxFuture<'a, Result<u8>>;

/// Runs a command for the one selected stack.
///
/// # Errors
/// If the selection is not clear, or the command fails.
pub async fn alone<A: OfStack>(args: A, common: Common, world: &World, command: Run<A>) -> Result<u8> {
    let (args, mut common) = completed(args, &common)?;
    choice::only_stack(&args, &mut common, world).await;
    choice::stack(&args, &mut common, world).await?;
    let needs_stack = args.needs_stack();
    match command(args, &common, world).await {
        Err(error) if needs_stack => Err(choice::with_stacks(error, &common, world).await),
        ended => ended,
    }
}

/// Runs a command for the selected stack or stacks, and returns the most severe exit code. Runs `removal` for the stacks that are
/// no longer in the file, if the command is also for them.
///
/// # Errors
/// If the selection is not clear; with one stack, also if the command fails.
pub fn run<A: InPhases, R: InPhases>(
    args: A,
    common: Common,
    world: &World,
    removal: Option<R>,
) -> LocalBoxFuture<'_, Result<u8>> {
    // Box the future, to keep the futures of all commands off the stack.
    Box::pin(carry_out(args, common, world, removal))
}

async fn carry_out<A: InPhases, R: InPhases>(
    mut args: A,
    common: Common,
    world: &World,
    removal: Option<R>,
) -> Result<u8> {
    let file = File::find(common.config.as_deref())?;
    let file = file.as_ref();
    args.take_named();
    let several = args.fleet().and_then(|fleet| Some((fleet.several(&args, &common)?, usize::from(fleet.jobs))));
    let Some((choice, at_once)) = several else {
        let (mut args, mut common) = completed_from(file, args, &common)?;
        let asks = !args.yes();
        choice::clusters(&mut args, asks, &common, world).await?;
        choice::only_stack(&args, &mut common, world).await;
        choice::stack(&args, &mut common, world).await?;
        return match super::run(args, &common, world).await {
            Err(error) => Err(choice::with_stacks(error, &common, world).await),
            ended => ended,
        };
    };
    let webhook = args.take_webhook(world)?;
    let members = args.named(&common).several(choice, file)?;
    world.connections.serve_several(members.len());
    let (progress, site) = (Progress::new(&common, world), common.site());
    let mut placed = progress.over(placed(&members, at_once, &site, progress.context())).await?;
    let yes = args.yes();
    let is_of_orphans = matches!(choice, Several::Orphans { .. });
    let mut jobs: Vec<Job<A, R>> = Vec::new();
    if !is_of_orphans {
        for member in &members {
            let mut args = args.clone();
            args.complete(&member.settings);
            let name = name(member, &members);
            let heading = heading(&name, place_of(member, &placed));
            let lost = placed.iter_mut().find(|placed| placed.is_of(member)).and_then(|placed| placed.error.take());
            let common = Common { has_file: true, ..common.at(member) };
            jobs.push(Job { name, heading, common, work: Work::Command(args), lost });
        }
    }
    let looks = is_of_orphans || (choice == Several::All && args.looks_for_orphans());
    let mut outcomes_of_looks = Vec::new();
    if let (true, Some(file), Some(mut removal)) = (looks, file, removal) {
        removal.limit_to_fleet(file.fleet.as_deref());
        let look = orphans(file, &placed, &site, progress.context());
        let Orphans { found, unread } = progress.over(look).await?;
        outcomes_of_looks.extend(unread.into_iter().map(|(place, error)| unread_place(place, error, file)));
        let job = |(member, place): (Member, &Place)| {
            let name = orphan(&member, place, &file.path);
            let work = Work::Removal(removal.clone());
            Job { heading: name.clone(), name, common: common.at(&member), work, lost: None }
        };
        jobs.extend(found.into_iter().map(job));
        if is_of_orphans {
            outcomes_of_looks.extend(placed.into_iter().filter_map(|placed| nowhere(placed, file)));
        }
    }
    let outcomes = Box::pin(together(jobs, yes, at_once, &common, world, webhook)).await;
    Ok(conclude(&outcomes.into_iter().chain(outcomes_of_looks).collect::<Vec<_>>(), &common, world))
}

/// Returns the flags for the one selected stack, completed from the file.
///
/// # Errors
/// If the selection is not clear, or the file has a mistake.
pub fn completed<A: OfStack>(mut args: A, common: &Common) -> Result<(A, Common)> {
    args.take_named();
    let file = File::find(common.config.as_deref())?;
    completed_from(file.as_ref(), args, common)
}

fn completed_from<A: OfStack>(file: Option<&File>, mut args: A, common: &Common) -> Result<(A, Common)> {
    let member = one(&args, common, file)?;
    args.complete(&member.settings);
    if let (true, Some(file)) = (args.lacks_cluster(), file) {
        args.named(common).is_in_file(file)?;
    }
    Ok((args, Common { has_file: file.is_some(), ..common.at(&member) }))
}

/// Returns the one stack that the flags select.
///
/// # Errors
/// If the selection is not clear.
pub fn one<A: OfStack>(args: &A, common: &Common, file: Option<&File>) -> Result<Member> {
    args.named(common).one(args.accepts(), file)
}

/// Returns the file, if it exists, and the file's stack with this name in this account and region.
///
/// # Errors
/// If the file has a mistake.
pub fn member(name: &StackName, place: &Place, common: &Common) -> Result<Option<(File, Option<Member>)>> {
    let Some(file) = File::find(common.config.as_deref())? else { return Ok(None) };
    let found = member_at(name, place, &common.site(), &file).cloned();
    Ok(Some((file, found)))
}

/// Returns the outcome of a failed lookup: without the account, taskbell cannot look for stacks that are no longer in the file.
fn nowhere(Placed { member, error, .. }: Placed, file: &File) -> Option<Outcome> {
    let error = error?;
    Some(Outcome::of_nothing(orphans_beside(member, &file.path), error.category(Category::Unreadable)))
}

/// Returns the outcome for an account and region that could not be read.
fn unread_place(place: &Place, error: Error, file: &File) -> Outcome {
    Outcome::of_nothing(orphans_in(place, &file.path), error.category(Category::Unreadable))
}

fn place_of<'a>(member: &Member, placed: &'a [Placed]) -> Option<&'a Place> {
    placed.iter().find(|placed| placed.is_of(member))?.place.as_ref()
}
