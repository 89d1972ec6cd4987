//! Runs `pattern test`: shows which patterns match an event, and which field decided against the others. For the rules in AWS,
//! shows every link up to the notifier's own verdict.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::Value;

use crate::cli::args::common::{ClusterArgs, Common, Format, warn_of_repeated};
use crate::cli::args::event_input;
use crate::cli::args::fleet::OfStack;
use crate::cli::exit::code;
use crate::cli::render;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::config::Cluster;
use crate::config::settings::{FilterSettings, Settings};
use crate::error::{Error, Result};
use crate::notifier::embedded::Engine;
use crate::operations::event_file::Event;
use crate::operations::pattern_test::Patterns;
use crate::operations::pattern_test::answer::{Tested, verdict};
use crate::operations::pattern_test::live::{Live, TaskArn};
use crate::operations::task_definition::Definition;
use crate::pattern::filter::Filters;

#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// A file with an event or with described tasks, a folder of such files, a sample (`taskbell preview` lists them), or - for
    /// standard input
    #[arg(value_name = "EVENT", required_unless_present_any = ["task", "job"], conflicts_with_all = ["task", "job"])]
    events: Vec<String>,
    /// A pattern of the catalogue, or the path of a JSON file; may be repeated [default: the whole catalogue]
    #[arg(long = "pattern", value_name = "NAME|FILE", conflicts_with_all = ["live", "task", "job"])]
    patterns: Vec<String>,
    #[command(flatten)]
    clusters: ClusterArgs,
    #[command(flatten)]
    filters: FilterSettings,
    /// Read which containers are essential, and where they log, from the output of `aws ecs describe-task-definition`
    #[arg(long, value_name = "FILE")]
    task_definition: Option<PathBuf>,
    /// Test the rules of the stack as they are in AWS now, and every link from them to the notifier
    #[arg(long)]
    live: bool,
    /// Test a task that ECS still shows (for about an hour after it stopped) in the same way as --live, to find out why there was no alert
    #[arg(long, value_name = "ARN")]
    task: Option<String>,
    /// Explain from the stack's ledger and the expectations why no alert came about this job
    #[arg(long, value_name = "NAME", conflicts_with_all = ["live", "task", "task_definition"])]
    job: Option<String>,
}

impl Args {
    /// Returns whether the test is about a job, and not about events.
    #[must_use]
    pub fn is_about_job(&self) -> bool {
        self.job.is_some()
    }
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        &self.clusters.clusters
    }

    fn complete(&mut self, settings: &Settings) {
        self.clusters.complete(settings);
    }

    fn finds_stack(&self) -> bool {
        self.needs_stack()
    }

    fn needs_stack(&self) -> bool {
        self.live || self.is_about_job()
    }
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let clusters = args.clusters.parse_but(&args.filters)?;
    if let Some(name) = &args.job {
        return super::job::run(name, &clusters, common, world).await;
    }
    let filters = args.filters.checked()?;
    if filters != Filters::default() && (args.live || args.task.is_some()) {
        return Err(Error::usage("--live and --task test the rules as they are in AWS: filters are only for patterns")
            .hint("omit the filters, or omit --live and --task"));
    }
    let definition = args.task_definition.as_deref().map(Definition::read).transpose()?;
    let definition = definition.as_ref();
    let events = || event_input::read_all(&args.events, definition, world);
    let mut tested = Vec::new();
    if let Some(arn) = &args.task {
        tested.push(of_task(arn, clusters, definition, common, world).await?);
    } else if args.live {
        let events = events()?;
        let live = live(&clusters, common, world).await?;
        for event in events {
            tested.push(live.test(event, &clusters).await?);
        }
    } else {
        let patterns = Patterns::find(&args.patterns, &filters)?;
        warn_of_repeated(patterns.narrowed(), world);
        let engine = Engine::new()?;
        for event in events()? {
            tested.push(patterns.test(event, &clusters, &engine)?);
        }
    }
    world.out.print(&match common.output {
        Format::Text | Format::Github | Format::Markdown | Format::Mermaid => {
            world.laid_out(&tested.iter().map(render::pattern_test::text).collect::<String>())
        }
        Format::Json => render::json(&tested.iter().map(render::pattern_test::object).collect()),
    });
    Ok(code(verdict(&tested)))
}

/// Tests the event of a task that ECS still shows.
async fn of_task(
    arn: &str,
    mut clusters: Vec<Cluster>,
    definition: Option<&Definition>,
    common: &Common,
    world: &World,
) -> Result<Tested> {
    let task = TaskArn::parse(arn, &clusters)?;
    if clusters.is_empty() {
        clusters.push(task.cluster.clone());
    }
    let live = live(&clusters, common, world).await?;
    let body = live.event_of(&task).await?;
    let mut event = Event { name: arn.to_owned(), body, context: Value::Null, is_sample: false };
    if let Some(definition) = definition {
        definition.attach_to(&mut event, world);
    }
    live.test(event, &clusters).await
}

/// Reads the stack from AWS. Prints a note if the notifier's rules there may differ from those of this binary.
async fn live(clusters: &[Cluster], common: &Common, world: &World) -> Result<Live> {
    let (target, progress) = (common.target(clusters)?, Progress::new(common, world));
    let live = progress.over(Live::read(&target, progress.context())).await?;
    if live.is_of_another_version()? {
        world.err.print(render::pattern_test::ANOTHER_VERSION);
    }
    live.must_have_a_rule()?;
    Ok(live)
}
