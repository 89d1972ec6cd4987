//! Completes what a command line leaves open: asks for the clusters, and finds the stack of several clusters.

use crate::cli::args::common::Common;
use crate::cli::args::fleet::OfStack;
use crate::cli::render;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::config::{self, Cluster};
use crate::error::{Error, Result};
use crate::operations::init::{self, Found};
use crate::operations::names;
use crate::operations::target::Context;
use crate::stack::StackName;

/// Most clusters that a hint lists.
const SHOWN: usize = 20;

/// Asks for the clusters of a stack, if the command needs them and the user names neither clusters nor a stack. Offers the clusters
/// that exist.
///
/// # Errors
/// If nobody can be asked: the hint lists the clusters that exist. On interruption.
pub async fn clusters<A: OfStack>(args: &mut A, asks: bool, common: &Common, world: &World) -> Result<()> {
    if !args.asks_for_clusters() || !common.stacks.is_empty() {
        return Ok(());
    }
    let (target, progress) = (common.target_called("clusters".parse()?), Progress::new(common, world));
    let Found { region, clusters } = progress.over(init::find(&target, progress.context())).await?;
    let place = region.map(|region| format!(" in {region}")).unwrap_or_default();
    let found = match clusters {
        Ok(found) if asks && world.interactive && !found.is_empty() => found,
        clusters => return Err(Error::usage("no stack was selected").hint(named(clusters, &place))),
    };
    world.err.print(&render::init::list(&found));
    let question = match found.len() {
        1 => render::init::question(&found, &place),
        _ => format!("Which clusters{place}, by number or name? "),
    };
    loop {
        let answer = world.ask_line(&question).await?;
        let chosen = match answer.is_empty() && found.len() > 1 {
            true => Err(Error::usage("at least one cluster is needed").hint("type a number, a name, or all")),
            false => init::clusters(&answer, &found),
        };
        match chosen {
            Ok(chosen) => {
                args.add_clusters(chosen.iter().map(ToString::to_string).collect());
                return Ok(());
            }
            Err(error) => world.err.print(&render::error(&error, world.command())),
        }
    }
}

/// Returns the way to a stack: the clusters to choose from.
fn named(clusters: Result<Vec<String>, String>, place: &str) -> String {
    match clusters {
        Ok(found) if found.is_empty() => {
            format!("name a cluster: --cluster NAME; there is none{place} yet: check --region and --profile")
        }
        Ok(found) => {
            let more = if found.len() > SHOWN { format!(" and {} more", found.len() - SHOWN) } else { String::new() };
            let shown: Vec<&str> = found.iter().take(SHOWN).map(String::as_str).collect();
            format!(
                "name a cluster, as in `taskbell setup {}`; the clusters{place} are {}{more}",
                shown[0],
                shown.join(", ")
            )
        }
        Err(why) => format!("name a cluster: --cluster NAME; the clusters{place} could not be listed: {why}"),
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
