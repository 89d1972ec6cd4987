//! Runs `init`: asks a few questions, and writes `taskbell.toml`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::json;

use crate::cli::args::common::{ClusterArgs, Common, Format};
use crate::cli::render;
use crate::cli::run::choice::until;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::{World, whole_file};
use crate::config::Cluster;
use crate::config::file::{self, File, schema};
use crate::error::{Error, Result};
use crate::input::printable;
use crate::operations::init::{self, Answers, Expectations, Found};
use crate::operations::target::Target;

/// Write taskbell.toml: asks for the clusters, the language and the mentions.
///
/// Offers the clusters that it finds, and the jobs that schedules start there. Without a terminal, asks nothing: give the clusters with --cluster.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell init
  taskbell init --cluster batch --cluster reports --region eu-west-1
  taskbell init --schema >taskbell.schema.json")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
    /// Print the JSON Schema of the file, for editors, and write nothing
    #[arg(long)]
    schema: bool,
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    if args.schema {
        world.out.print(&render::document(&schema()));
        return Ok(0);
    }
    let path = common.config.clone().unwrap_or_else(|| PathBuf::from(file::NAME));
    if path.exists() && !args.force {
        return Err(Error::usage(format!("{} already exists", path.display()))
            .hint("overwrite the file with --force, or name another file with --config FILE"));
    }
    let clusters = args.clusters.parse()?;
    let answers = match (clusters.is_empty(), world.interactive) {
        (true, false) => {
            return Err(Error::usage("cannot ask for the clusters: not a terminal").hint("give --cluster NAME"));
        }
        (_, true) => ask(clusters, common, world).await?,
        (false, false) => Answers {
            region: common.region.clone(),
            stacks: init::each(&clusters),
            language: "en".to_owned(),
            mention: Vec::new(),
            alarm_topic: None,
            jobs: Vec::new(),
        },
    };
    let text = render::init::text(&answers, common.profile.as_deref());
    // Parse the text before it is written.
    let file = File::parse(&path, &text)?;
    whole_file::write(&path, &text)?;
    if common.output == Format::Json {
        let stacks: Vec<_> = file.stacks.iter().filter_map(|member| member.name.as_ref()).collect();
        world.out.print(&render::json(&json!({ "file": path, "stacks": stacks })));
    }
    if !common.quiet {
        let next = render::init::next(file.stacks.len());
        world.err.print(&format!("Wrote {}. Next: {next}.\n", path.display()));
    }
    Ok(0)
}

async fn ask(named: Vec<Cluster>, common: &Common, world: &World) -> Result<Answers> {
    let (target, progress) = (common.target_called("init".parse()?), Progress::new(common, world));
    let Found { region, clusters: found, .. } = progress.over(init::find(&target, progress.context())).await?;
    let existing = found.as_ref().map_or_else(|_| Vec::new(), Clone::clone);
    let clusters = if named.is_empty() { which(found, region.as_deref(), world).await? } else { named };
    let stacks = match clusters.len() {
        0 | 1 => init::each(&clusters),
        _ => {
            let question = render::init::question_about_stacks(init::are_all(&clusters, &existing));
            until(world, question, |answer| init::stacks(answer, &clusters, &existing)).await?
        }
    };
    let language = until(world, "Language of the messages, en or ja [en]: ", init::language).await?;
    let whom = "Mention in the messages: here, channel, U…, S…, or nobody [nobody]: ";
    let mention = until(world, whom, init::mention).await?;
    let jobs = offered(&clusters, &target, &progress, world).await?;
    let topic = "ARN of an SNS topic to notify when alerts cannot be delivered [none]: ";
    let alarm_topic = until(world, topic, init::alarm_topic).await?;
    Ok(Answers { region, stacks, language, mention, alarm_topic, jobs })
}

/// Offers to expect a success of each job that a schedule starts.
async fn offered(clusters: &[Cluster], target: &Target, progress: &Progress, world: &World) -> Result<Expectations> {
    let look = init::expectations(clusters, target, progress.context());
    let (found, unknown) = progress.over(look).await?;
    if let Some(why) = unknown.first() {
        world.err.print(&format!("note: the jobs of the clusters are not all known: {}\n", printable(why)));
    }
    if found.is_empty() {
        return Ok(found);
    }
    let question = render::init::question_about_jobs(&found);
    Ok(if until(world, &question, init::yes).await? { found } else { Vec::new() })
}

/// Asks for clusters, by name or by the number in the list of the clusters that were found.
async fn which(found: Result<Vec<String>>, region: Option<&str>, world: &World) -> Result<Vec<Cluster>> {
    let place = region.map(|region| format!(" in {region}")).unwrap_or_default();
    let found = found.unwrap_or_else(|why| {
        world.err.print(&format!("note: the clusters{place} could not be listed: {}\n", why.in_one_line()));
        Vec::new()
    });
    world.err.print(&render::init::list(&found));
    until(world, &render::init::question(&found, &place), |answer| init::clusters(answer, &found)).await
}
