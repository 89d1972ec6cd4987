//! Runs `pattern`: prints the catalogue, or one pattern as it would be in a rule.

mod job;
pub mod test;

use clap::Subcommand;
use serde_json::json;

use crate::cli::args::common::{ClusterArgs, Common, Format, warn_of_repeated};
use crate::cli::render;
use crate::cli::terminal::World;
use crate::config::settings::FilterSettings;
use crate::error::{Error, Result};
use crate::pattern::{self, CATALOGUE, DEFAULT, Drill, Entry, Pattern};
use crate::stack::Place;

/// Show and test event patterns.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  taskbell pattern list
  taskbell pattern test event.json")]
pub enum Command {
    /// List the patterns of the catalogue: the events that each one alerts on, and those it is silent on
    #[command(after_help = "Example:\n  taskbell pattern list")]
    List,
    /// Print one pattern, filled in for the clusters of --cluster
    #[command(
        after_help = "Example:\n  taskbell pattern show task-failed --cluster arn:aws:ecs:us-east-1:123456789012:cluster/batch"
    )]
    Show {
        /// A pattern of the catalogue, or the path of a JSON file
        #[arg(value_name = "NAME|FILE")]
        pattern: String,
        #[command(flatten)]
        clusters: ClusterArgs,
        #[command(flatten)]
        filters: FilterSettings,
    },
    /// Show which patterns match an event, and for the other patterns the first field that decided
    ///
    /// Without --cluster, patterns use the event's own cluster. Exit code 0: something matched; 1: nothing matched. With --live or
    /// --task, exit code 0: there would be an alert; 1: there would be no alert; 3: something could not be read. With --job, exit code
    /// 0: an alert was sent; 1: no alert was sent; 3: something could not be read.
    #[command(after_help = "\
Examples:
  taskbell pattern test event.json
  taskbell pattern test events/ --cluster batch --pattern task-failed
  taskbell pattern test event.json --cluster batch --live
  taskbell pattern test --job nightly-report --cluster batch")]
    Test(test::Args),
}

pub fn run(command: &Command, common: &Common, world: &World) -> Result<u8> {
    match command {
        Command::Test(_) => {}
        Command::List => world.out.print(&list(common.output, world)),
        Command::Show { pattern, clusters, filters } => {
            let text = show(pattern, clusters, filters, common, world)?;
            world.out.print(&text);
            if text.contains(":ACCOUNT:") {
                world.err.print(
                    "note: replace REGION and ACCOUNT with your own, or give the cluster's ARN instead of its name\n",
                );
            }
        }
    }
    Ok(0)
}

fn list(format: Format, world: &World) -> String {
    match format {
        Format::Text | Format::Github | Format::Markdown | Format::Mermaid => {
            world.laid_out(&CATALOGUE.iter().map(told).collect::<String>())
        }
        Format::Json => {
            let entry = |entry: &Entry| {
                let Entry { name, rings, needs, silent, .. } = entry;
                let default = DEFAULT.contains(name);
                json!({ "name": name, "default": default, "rings": rings, "needs": needs, "silent": silent })
            };
            render::json(&CATALOGUE.iter().map(entry).collect())
        }
    }
}

fn told(entry: &Entry) -> String {
    let default = if DEFAULT.contains(&entry.name) { " (default)" } else { "" };
    let needs = if entry.needs.is_empty() { String::new() } else { format!("  needs:      {}\n", entry.needs) };
    format!("{}{default}\n  alerts on:  {}\n{needs}  silent on:  {}\n", entry.name, entry.rings, entry.silent)
}

fn show(
    name: &str,
    clusters: &ClusterArgs,
    filters: &FilterSettings,
    common: &Common,
    world: &World,
) -> Result<String> {
    let clusters = clusters.parse_but(filters)?;
    let filters = filters.checked()?;
    let pattern = Pattern::find(name)?.narrowed(&filters)?;
    pattern::uses(&filters, std::slice::from_ref(&pattern))?;
    warn_of_repeated([&pattern], world);
    if clusters.is_empty() && pattern.needs_cluster() {
        return Err(Error::usage(format!("the pattern {} needs a cluster", pattern.name)).hint("give --cluster"));
    }
    let region = common.region.clone().unwrap_or_else(|| "REGION".to_owned());
    let anywhere = Place::of_region("ACCOUNT", &region);
    let arn = |cluster: &crate::config::Cluster| {
        cluster.arn().map_or_else(|| anywhere.cluster_arn(cluster.name()), str::to_owned)
    };
    let arns: Vec<String> = clusters.iter().map(arn).collect();
    let normal = pattern.in_rule(&arns, Drill::Accepted)?;
    // A pattern that keeps its repeated fields is a text already.
    Ok(normal.as_str().map_or_else(|| render::document(&normal), |written| format!("{written}\n")))
}
