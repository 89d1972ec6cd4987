//! Runs `doctor`: checks everything that taskbell needs, all at once, and changes nothing.

use clap::Args as ClapArgs;

use crate::cli::args::common::{ClusterArgs, Common, Format};
use crate::cli::args::fleet::OfStack;
use crate::cli::exit::code;
use crate::cli::render;
use crate::cli::run::fleet::one;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::config::file::{File, Member};
use crate::config::settings::Settings;
use crate::error::Result;
use crate::operations::doctor::{Request, examine};

/// Check what taskbell needs: credentials, region, clock, network, permissions.
///
/// Sends one small request to each service that taskbell uses, all at the same time, and waits at most 10 seconds for each
/// answer. With --cluster, also checks whether the cluster exists, and whether AWS allows the calls for its stack. Checks
/// taskbell.toml, if it exists, and the webhook's format, if a webhook is given. Changes nothing, and sends nothing to Slack.
/// Exit code 0: no problem; 1: something is broken; 3: something is unknown.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell doctor
  taskbell doctor --cluster batch --profile prod")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        &self.clusters.clusters
    }

    fn complete(&mut self, settings: &Settings) {
        self.clusters.complete(settings);
    }
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let request = request(args, common, world)?;
    let progress = Progress::new(common, world);
    let examination = progress.over(examine(&request, progress.context())).await?;
    progress.finish();
    world.out.print(&match common.output {
        Format::Json => render::doctor::json(&examination, world.command()),
        Format::Text | Format::Github | Format::Markdown | Format::Mermaid => {
            world.laid_out(&render::doctor::text(&examination, world.command()))
        }
    });
    Ok(code(examination.verdict()))
}

/// Returns the request for the selected stack, or without one. An unreadable file is the result of a check.
fn request(mut args: Args, common: &Common, world: &World) -> Result<Request> {
    let file = File::find(common.config.as_deref());
    let member = match &file {
        Ok(Some(file)) => match one(&args, common, Some(file)) {
            // With several stacks and none selected, check only the file's defaults (region, profile).
            Err(_) if common.stacks.is_empty() && args.clusters().is_empty() => file.defaults.clone(),
            member => member?,
        },
        _ => Member::default(),
    };
    args.complete(&member.settings);
    let common = common.at(&member);
    let clusters = args.clusters.parse()?;
    let is_named = !common.stacks.is_empty() || !clusters.is_empty();
    let stack = is_named.then(|| common.stack_name(&clusters)).transpose()?;
    let (webhook, variable) = (world.webhook.clone(), world.variable);
    Ok(Request { file, site: common.site(), member, stack, clusters, webhook, variable })
}
