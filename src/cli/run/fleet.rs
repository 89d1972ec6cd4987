//! Selects the stacks of a command, and runs the command for several stacks: some at a time, each with its own outcome. A failure
//! of one stack does not stop the others.

mod outcome;
mod together;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::iter;

use super::InPhases;
use super::progress::Progress;
use crate::aws::calls::tagged;
use crate::aws::client::connections::Connection;
use crate::cli::args::common::Common;
use crate::cli::args::fleet::{FleetArgs, OfStack};
use crate::cli::terminal::World;
use crate::config::Cluster;
use crate::config::file::{self, File, Member, Site};
use crate::error::{Category, Error, Result, nearest};
use crate::operations::session::{no_account, nothing_changed, unless};
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
    let (args, common) = completed(args, &common)?;
    command(args, &common, world).await
}

/// Runs a command for the selected stack or stacks, and returns the most severe exit code. Runs `removal` for the stacks that are
/// no longer in the file, if the command is also for them.
///
/// # Errors
/// If the selection is not clear; with one stack, also if the command fails.
pub fn run<'a, A: InPhases, R: InPhases>(
    args: A,
    common: Common,
    world: &'a World,
    removal: Option<R>,
) -> LocalBoxFuture<'a, Result<u8>> {
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
    let many = |fleet: &&FleetArgs| fleet.all || common.stacks.len() > 1 || args.orphans();
    let Some(fleet) = args.fleet().filter(many).cloned() else {
        let member = one(&args, &common, file.as_ref())?;
        args.complete(&member.settings);
        return super::run(args, &common.at(&member), world).await;
    };
    let webhook = args.take_webhook(world)?;
    let file = file.as_ref();
    let members = several(&args, &common, file, &fleet)?;
    world.connections.pace();
    let whole = if args.orphans() || fleet.all { file.map_or(&members[..], |file| &file.stacks) } else { &members };
    let progress = Progress::new(&common, world);
    let look = progress.patiently(Box::pin(placed(whole, usize::from(fleet.jobs), &common, world)));
    let mut placed = unless(&world.cancel, look).await.map_err(nothing_changed)?;
    apart(&placed)?;
    let yes = args.yes();
    let mut jobs: Vec<Job<A, R>> = Vec::new();
    if !args.orphans() {
        for member in &members {
            let mut args = args.clone();
            args.complete(&member.settings);
            let name = told_name(member, &members);
            let heading = heading(&name, place_of(member, &placed));
            let lost = placed.iter_mut().find(|placed| placed.is_of(member)).and_then(|placed| placed.error.take());
            jobs.push(Job { name, heading, common: common.at(member), work: Work::Command(args), lost });
        }
    }
    let looks = args.orphans() || (fleet.all && args.looks_for_orphans());
    let mut unread = Vec::new();
    if let (true, Some(file), Some(removal)) = (looks, file, removal) {
        let look = progress.patiently(Box::pin(orphans(file, &placed, &common, world)));
        let (orphans, not_read) = unless(&world.cancel, look).await.map_err(nothing_changed)?;
        unread = not_read;
        let job = |(member, place): (Member, &Place)| {
            let name = member.name.as_ref().map(ToString::to_string).unwrap_or_default();
            let name = format!("{}, no longer in {}", heading(&name, Some(place)), file.path.display());
            let work = Work::Removal(removal.clone());
            Job { heading: name.clone(), name, common: common.at(&member), work, lost: None }
        };
        jobs.extend(orphans.into_iter().map(job));
        if args.orphans() {
            unread.extend(placed.into_iter().filter_map(|placed| placed.nowhere(file)));
        }
    }
    let outcomes = Box::pin(together(jobs, yes, usize::from(fleet.jobs), &common, world, webhook)).await;
    Ok(conclude(&outcomes.into_iter().chain(unread).collect::<Vec<_>>(), &common, world))
}

/// Returns the flags for the one selected stack, completed from the file.
///
/// # Errors
/// If the selection is not clear, or the file has a mistake.
pub fn completed<A: OfStack>(mut args: A, common: &Common) -> Result<(A, Common)> {
    let file = File::find(common.config.as_deref())?;
    let member = one(&args, common, file.as_ref())?;
    args.complete(&member.settings);
    Ok((args, common.at(&member)))
}

/// Returns the one stack that the flags select.
///
/// # Errors
/// If the selection is not clear.
pub fn one<A: OfStack>(args: &A, common: &Common, file: Option<&File>) -> Result<Member> {
    if common.stacks.len() > 1 {
        return Err(Error::usage("this command takes one stack at a time"));
    }
    let Some(file) = file else { return Ok(Member::default()) };
    if !args.needs_stack() && common.stacks.is_empty() {
        return Ok(file.defaults.clone());
    }
    let cluster = args.clusters().first().and_then(|text| text.parse::<Cluster>().ok());
    let named = common.stacks.first().map(String::as_str).or(cluster.as_ref().map(Cluster::name));
    match (named, file.stacks.as_slice()) {
        (Some(name), _) => {
            // A stack that is not in the file gets the file's defaults.
            Ok(called(name, file, common)?.unwrap_or(&file.defaults).clone())
        }
        (None, [member]) => Ok(member.clone()),
        (None, []) => Ok(file.defaults.clone()),
        (None, members) => {
            let all = members.iter().filter_map(|member| member.name.as_ref()).map(ToString::to_string);
            let way = if args.fleet().is_some() { "give --stack NAME or --all" } else { "give --stack NAME" };
            Err(Error::usage(format!("{} has {} stacks", file.path.display(), members.len()))
                .hint(format!("{way}: {}", all.collect::<Vec<_>>().join(", "))))
        }
    }
}

/// Returns the file, if it exists, and the file's stack with this name in this account and region.
///
/// # Errors
/// If the file has a mistake.
pub fn member(name: &StackName, place: &Place, common: &Common) -> Result<Option<(File, Option<Member>)>> {
    let Some(file) = File::find(common.config.as_deref())? else { return Ok(None) };
    let is_here = |member: &&Member| {
        let (at, region) = (common.at(member), &member.site.region);
        let same_account = at.profile == common.profile && at.assumed == common.assumed;
        same_account && region.as_ref().is_none_or(|region| *region == place.region)
    };
    let found = file.stacks.iter().filter(|member| is_called(member, name.as_str())).find(is_here).cloned();
    Ok(Some((file, found)))
}

/// Returns the selected stacks, all of them from the file.
fn several<A: OfStack>(args: &A, common: &Common, file: Option<&File>, fleet: &FleetArgs) -> Result<Vec<Member>> {
    let Some(file) = file else {
        return Err(Error::usage(format!("there is no {} in this folder", file::NAME))
            .hint("`taskbell init` writes one; --config FILE names another"));
    };
    if args.orphans() && !args.asks() && file.fleet.is_none() {
        return Err(Error::usage("without a fleet, every stack that is not in the file is taken for one that was: nobody may remove them unasked")
            .hint("write `fleet = \"NAME\"` into the file and run `setup --all`, or run without --yes, or name them: `taskbell teardown --stack NAME`"));
    }
    if fleet.all && !common.stacks.is_empty() {
        return Err(Error::usage("--all and --stack cannot stand together"));
    }
    if args.orphans() && !common.stacks.is_empty() {
        return Err(Error::usage("--orphans is about all stacks that are not in the file, and --stack about one")
            .hint("`taskbell teardown --stack NAME` removes one, in the file or not"));
    }
    if !args.clusters().is_empty() {
        return Err(Error::usage("--cluster is about one stack; the file has the clusters of each"));
    }
    if file.stacks.is_empty() {
        return Err(Error::usage(format!("{} has no [[stack]]", file.path.display())));
    }
    let mut members = Vec::new();
    for name in &common.stacks {
        let Some(member) = called(name, file, common)? else {
            let error = Error::usage(format!("{} has no stack {name}", file.path.display()));
            let known = file.stacks.iter().filter_map(|member| member.name.as_ref()).map(StackName::as_str);
            return Err(match nearest(known, name) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error,
            });
        };
        members.push(member.clone());
    }
    Ok(if common.stacks.is_empty() { file.stacks.clone() } else { members })
}

/// Returns the stack with that name. If several stacks have the name, the region and the profile of the flags decide.
fn called<'a>(name: &str, file: &'a File, common: &Common) -> Result<Option<&'a Member>> {
    let is_same = |flag: &Option<String>, of_site: &Option<String>| flag.is_none() || flag == of_site;
    let is_there =
        |Site { region, profile, .. }: &Site| is_same(&common.region, region) && is_same(&common.profile, profile);
    let found: Vec<&Member> = file.stacks.iter().filter(|member| is_called(member, name)).collect();
    let there: Vec<&Member> = found.iter().copied().filter(|member| is_there(&member.site)).collect();
    match (&found[..], &there[..]) {
        ([], _) => Ok(None),
        ([member], _) | (_, [member]) => Ok(Some(member)),
        _ => Err(Error::usage(format!("{} has several stacks called {name}", file.path.display())).hint(
            match found.iter().all(|member| {
                (&member.site.region, &member.site.profile) == (&found[0].site.region, &found[0].site.profile)
            }) {
                false => "--region or --profile, as the file has it for the one you mean, tells them apart",
                true => "they differ in nothing that a flag could say: give one of them another name",
            },
        )),
    }
}

fn is_called(member: &Member, name: &str) -> bool {
    member.name.as_ref().is_some_and(|known| known.as_str() == name)
}

/// Returns the stack's name, with region, profile and role if several of the stacks have the name.
fn told_name(member: &Member, members: &[Member]) -> String {
    let name = member.name.as_ref().map(ToString::to_string).unwrap_or_default();
    let again = members.iter().filter(|other| other.name == member.name).count() > 1;
    let Site { region, profile, role_arn, .. } = &member.site;
    let place = [region, profile, role_arn].into_iter().flatten().cloned().collect::<Vec<_>>();
    if again { format!("{name} ({})", place.join(", ")) } else { name }
}

/// A stack of the file, with its account and region, or with the error of their lookup.
struct Placed<'a> {
    member: &'a Member,
    place: Option<Place>,
    error: Option<Error>,
}

impl Placed<'_> {
    fn is_of(&self, member: &Member) -> bool {
        self.member.name == member.name && self.member.site == member.site
    }

    /// Returns the outcome of a failed lookup: without the account, taskbell cannot look for stacks that are no longer in the file.
    fn nowhere(self, file: &File) -> Option<Outcome> {
        let error = self.error?;
        let name = self.member.name.as_ref().map(ToString::to_string).unwrap_or_default();
        let name = format!("stacks that are no longer in {}, beside {name}", file.path.display());
        Some(Outcome::of_nothing(name, error.category(Category::Unreadable)))
    }
}

fn place_of<'a>(member: &Member, placed: &'a [Placed]) -> Option<&'a Place> {
    placed.iter().find(|placed| placed.is_of(member))?.place.as_ref()
}

/// Returns the name with region and account, so that nobody reads about, or changes, the wrong account.
fn heading(name: &str, place: Option<&Place>) -> String {
    match place {
        Some(Place { region, account, .. }) => format!("{name} in {region}, account {account}"),
        None => name.to_owned(),
    }
}

/// Looks up the account and region of each stack. Stacks with the same region, profile and role share one lookup.
async fn placed<'a>(members: &'a [Member], at_once: usize, common: &Common, world: &World) -> Vec<Placed<'a>> {
    let places = members.iter().map(|member| async move {
        let look = async {
            let identity = connection(member, common, world).await?.identity;
            identity.place().await.cloned().map_err(no_account)
        };
        let (place, error) = match look.await {
            Ok(place) => (Some(place), None),
            Err(error) => (None, Some(error)),
        };
        Placed { member, place, error }
    });
    iter(places).buffered(at_once).collect().await
}

async fn connection(member: &Member, common: &Common, world: &World) -> Result<Connection> {
    world.connections.to(&common.at(member).site()).await
}

/// Checks that no two stacks of the file have the same name, account and region. Two profiles may lead to the same account.
fn apart(placed: &[Placed]) -> Result<()> {
    for (at, one) in placed.iter().enumerate() {
        let (Some(place), Some(name)) = (&one.place, &one.member.name) else { continue };
        let same = |other: &Placed| other.place.as_ref() == Some(place) && other.member.name == one.member.name;
        if placed[..at].iter().any(same) {
            return Err(Error::usage(format!(
                "the stack {name} is there twice: both are in {}, account {}",
                place.region, place.account
            ))
            .hint("give one of them another name"));
        }
    }
    Ok(())
}

/// Returns the stacks in AWS that are no longer in the file, and an outcome for each account and region that could not be read.
async fn orphans<'a>(
    file: &File,
    placed: &'a [Placed<'_>],
    common: &Common,
    world: &World,
) -> (Vec<(Member, &'a Place)>, Vec<Outcome>) {
    let (mut orphans, mut unread) = (Vec::new(), Vec::new());
    let mut seen: Vec<&Place> = Vec::new();
    for Placed { member, place, error: _ } in placed {
        let Some(place) = place.as_ref().filter(|place| !seen.contains(place)) else { continue };
        seen.push(place);
        let look = async {
            let sdk = connection(member, common, world).await?.sdk;
            Ok::<_, Error>(tagged::stacks(&sdk, file.fleet.as_deref()).await?)
        };
        // A stack of the file whose account is unknown may be this stack.
        let known = |name: &str| {
            placed
                .iter()
                .any(|other| is_called(other.member, name) && other.place.as_ref().is_none_or(|at| at == place))
        };
        match look.await {
            Ok(names) => {
                let gone = names.into_iter().filter(|name| !known(name)).filter_map(|name| name.parse().ok());
                orphans.extend(gone.map(|name| (Member { name: Some(name), ..(*member).clone() }, place)));
            }
            Err(error) => {
                let (path, Place { region, account, .. }) = (file.path.display(), place);
                let name = format!("stacks that are no longer in {path}, in {region}, account {account}");
                unread.push(Outcome::of_nothing(name, error.category(Category::Unreadable)));
            }
        }
    }
    (orphans, unread)
}
