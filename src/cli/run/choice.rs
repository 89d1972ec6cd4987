//! Completes what a command line leaves open: asks for the clusters, and finds the stack of several clusters.

use crate::cli::args::common::Common;
use crate::cli::args::fleet::{Choice, OfStack};
use crate::cli::render;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::config::{self, Cluster};
use crate::error::{Error, Hint, Result};
use crate::operations::init::{self, Found};
use crate::operations::names;
use crate::operations::stacks;
use crate::operations::target::Context;
use crate::stack::StackName;

/// Most clusters or stacks that a hint lists.
const SHOWN: usize = 20;

/// Asks for the clusters of a stack, if the command needs them and the user names neither clusters nor a stack. Offers the clusters
/// that exist.
///
/// # Errors
/// If AWS cannot be asked; if nobody can be asked: the hint lists the clusters that exist; if the user answers no. On interruption.
pub async fn clusters<A: OfStack>(args: &mut A, asks: bool, common: &Common, world: &World) -> Result<()> {
    let Some(choice) = args.asks_for_clusters().filter(|_| common.stacks.is_empty()) else { return Ok(()) };
    let (target, progress) = (common.target_called("clusters".parse()?), Progress::new(common, world));
    let Found { region, clusters, is_denied } = progress.over(init::find(&target, progress.context())).await?;
    let place = region.map(|region| format!(" in {region}")).unwrap_or_default();
    let found = match clusters {
        Err(error) if !is_denied => return Err(error),
        Ok(found) if asks && world.interactive && !found.is_empty() => found,
        clusters => return Err(Error::usage("no stack was selected").hint(named(clusters, &place))),
    };
    let chosen = match found.as_slice() {
        [only] => match until(world, &render::init::question_about_the_only(only, &place), init::yes).await? {
            true => vec![only.parse()?],
            false => return Err(Error::declined()),
        },
        _ => some(&found, &place, choice, world).await?,
    };
    args.add_clusters(chosen.iter().map(ToString::to_string).collect());
    Ok(())
}

/// Asks for some of the clusters.
async fn some(found: &[String], place: &str, choice: Choice, world: &World) -> Result<Vec<Cluster>> {
    world.err.print(&render::init::list(found));
    let question = format!("Which clusters{place}, by number or name (several, or all)? ");
    let parse = |answer: &str| match answer.is_empty() {
        true => Err(Error::usage("at least one cluster is needed").hint("type a number, a name, or all")),
        false if choice == Choice::Any => init::clusters(answer, found),
        false => init::existing(init::clusters(answer, found)?, found),
    };
    until(world, &question, parse).await
}

/// Asks until the answer is valid.
///
/// # Errors
/// On interruption.
pub async fn until<T>(world: &World, question: &str, parse: impl Fn(&str) -> Result<T>) -> Result<T> {
    loop {
        match parse(&world.ask_line(question).await?) {
            Ok(answer) => return Ok(answer),
            Err(error) => world.err.print(&render::error(&error, world.command())),
        }
    }
}

/// Returns the way to a stack: the clusters to choose from.
fn named(clusters: Result<Vec<String>>, place: &str) -> String {
    match clusters {
        Ok(found) => match found.first() {
            None => format!("name a cluster: --cluster NAME; there is none{place} yet: check --region and --profile"),
            Some(first) => {
                format!("name a cluster, as in `taskbell setup {first}`; {}", existing("cluster", &found, place))
            }
        },
        Err(why) => {
            format!("name a cluster: --cluster NAME; the clusters{place} could not be listed: {}", why.in_one_line())
        }
    }
}

/// Returns the names of the clusters or stacks that exist, in words.
fn existing(kind: &str, names: &[String], place: &str) -> String {
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match shown.as_slice() {
        [only] => format!("the only {kind}{place} is {only}"),
        shown => format!("the {kind}s{place} are {}{more}", shown.join(", ")),
    }
}

/// Selects the only stack that exists, for a command that only reads, if neither the user nor a file names a stack or clusters.
pub async fn only_stack<A: OfStack>(args: &A, common: &mut Common, world: &World) {
    let is_named = common.has_file || !common.stacks.is_empty() || !args.clusters().is_empty();
    if !args.takes_only_stack() || is_named {
        return;
    }
    if let Some((region, names)) = existing_stacks(common, world).await
        && let [only] = names.as_slice()
    {
        if !common.quiet {
            world.err.print(&format!("note: {only} is the only stack in {region}\n"));
        }
        common.stacks.push(only.clone());
    }
}

/// Returns the region and the names of the stacks that exist there, if AWS tells.
async fn existing_stacks(common: &Common, world: &World) -> Option<(String, Vec<String>)> {
    let (target, progress) = (common.target_called("stacks".parse().ok()?), Progress::new(common, world));
    progress.over(stacks::all(&target, progress.context())).await
}

/// Adds to the error of a command without a stack those that exist, if AWS tells.
pub async fn with_stacks(error: Error, common: &Common, world: &World) -> Error {
    let Some(Hint::NameStack) = error.nearest_hint() else { return error };
    match existing_stacks(common, world).await {
        None => error,
        Some((region, names)) => {
            let place = format!(" in {region}");
            let told = match names.is_empty() {
                true => format!("there is none{place} yet: check --region and --profile"),
                false => existing("stack", &names, &place),
            };
            error.hint(format!("give --cluster NAME or --stack NAME; {told}"))
        }
    }
}

/// Finds the stack of several clusters, if no name is given.
///
/// # Errors
/// As [`names::of_clusters`].
pub async fn stack<A: OfStack>(args: &A, common: &mut Common, world: &World) -> Result<()> {
    let clusters = config::clusters(args.clusters())?;
    if !args.finds_stack() || !common.stacks.is_empty() || config::stack_names(&clusters)?.len() < 2 {
        return Ok(());
    }
    let progress = Progress::new(common, world);
    let found = progress.over(names::of_clusters(&clusters, &common.site(), progress.context())).await?;
    common.found = Some(found);
    Ok(())
}

/// Returns the name of the stack: the given one, or that of the clusters.
///
/// # Errors
/// As [`names::of_clusters`], and if the given name has characters that are not allowed.
pub async fn name_of(clusters: &[Cluster], common: &Common, context: &Context) -> Result<StackName> {
    match common.stacks.is_empty() && common.found.is_none() {
        true => names::of_clusters(clusters, &common.site(), context).await,
        false => common.stack_name(clusters),
    }
}
