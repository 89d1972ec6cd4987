//! `pattern`: the catalogue, and one pattern as a rule would have it.

use clap::Subcommand;
use serde_json::json;

use super::options::{ClusterArgs, Common, Format};
use super::render;
use super::world::World;
use crate::error::{Error, Result};
use crate::pattern::{CATALOGUE, Drill, Pattern};
use crate::stack::Place;

/// Show what rings: the catalogue of event patterns.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What each pattern rings for, and what it leaves silent
    List,
    /// One pattern, bound to clusters
    #[command(
        after_help = "Example:\n  taskbell pattern show task-failed --cluster arn:aws:ecs:us-east-1:123456789012:cluster/batch"
    )]
    Show {
        /// A pattern of the catalogue, or the path of a JSON file
        #[arg(value_name = "NAME|FILE")]
        pattern: String,
        #[command(flatten)]
        clusters: ClusterArgs,
    },
}

pub fn run(command: Command, common: &Common, world: &World) -> Result<u8> {
    match command {
        Command::List => world.out.print(&list(common.output)),
        Command::Show { pattern, clusters } => {
            let text = show(&pattern, &clusters, common)?;
            world.out.print(&text);
            if text.contains(":ACCOUNT:") {
                world
                    .err
                    .print("note: REGION and ACCOUNT stand for yours; give the cluster's ARN to have them filled in\n");
            }
        }
    }
    Ok(0)
}

fn list(format: Format) -> String {
    match format {
        Format::Text => {
            let entries = CATALOGUE
                .map(|entry| format!("{}\n  rings:  {}\n  silent: {}\n", entry.name, entry.rings, entry.silent));
            entries.concat()
        }
        Format::Json => {
            let entry = CATALOGUE
                .iter()
                .map(|entry| json!({ "name": entry.name, "rings": entry.rings, "silent": entry.silent }));
            render::json(&entry.collect())
        }
    }
}

fn show(name: &str, clusters: &ClusterArgs, common: &Common) -> Result<String> {
    let pattern = Pattern::find(name)?;
    let clusters = clusters.parse()?;
    if clusters.is_empty() && pattern.needs_cluster() {
        return Err(
            Error::usage(format!("the pattern {} needs to know which cluster", pattern.name)).hint("give --cluster")
        );
    }
    let region = common.region.clone().unwrap_or_else(|| "REGION".to_owned());
    let anywhere = Place { partition: "aws".to_owned(), region, account: "ACCOUNT".to_owned() };
    let arn = |cluster: &crate::config::Cluster| {
        cluster.arn().map_or_else(|| anywhere.cluster_arn(cluster.name()), str::to_owned)
    };
    let arns: Vec<String> = clusters.iter().map(arn).collect();
    Ok(render::json(&pattern.bind(&arns, Drill::Accepted)?))
}
