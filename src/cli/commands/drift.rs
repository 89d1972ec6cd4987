//! Runs `drift`: reads and compares, never writes.

use std::convert::Infallible;

use clap::Args as ClapArgs;

use crate::aws::kinds::parameter::Webhook;
use crate::cli::args::common::{Common, Format, StackArgs};
use crate::cli::args::fleet::{FleetArgs, OfStack};
use crate::cli::render;
use crate::cli::run::setup::flags;
use crate::cli::run::{Desk, InPhases, Phase, Told};
use crate::cli::terminal::World;
use crate::config::settings::{Settings, items};
use crate::error::Result;
use crate::input::{printable, quoted};
use crate::operations::drift::compare;

/// Check whether AWS still matches the configuration. Only reads; needs no write permission.
///
/// Compares AWS with taskbell.toml; without that file, with the settings that the stack was set up with, and the flags. A difference
/// says what AWS has, what it should have, and who changed it: your configuration, or somebody outside taskbell. With --verbose, a
/// difference has its path, with the value in AWS left of `->`, and the configured value right of it.
/// Warns if AWS ends its support for the notifier's runtime within 180 days. Exit code 0: in sync; 2: there are differences; 3:
/// something could not be read.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "Example:\n  taskbell drift batch")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    #[command(flatten)]
    fleet: FleetArgs,
    /// End with exit code 2 even if there is only a warning
    #[arg(long)]
    fail_on_warning: bool,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        items(&self.stack.settings.clusters)
    }

    fn complete(&mut self, settings: &Settings) {
        self.stack.complete(settings);
    }

    fn take_named(&mut self) {
        self.stack.add_clusters(std::mem::take(&mut self.fleet.named));
    }

    fn takes_only_stack(&self) -> bool {
        true
    }

    fn fleet(&self) -> Option<&FleetArgs> {
        Some(&self.fleet)
    }

    fn lacks_cluster(&self) -> bool {
        self.stack.lacks_cluster()
    }

    fn take_webhook(&mut self, world: &World) -> Result<Option<Webhook>> {
        self.stack.take_webhook(world)
    }

    fn looks_for_orphans(&self) -> bool {
        true
    }
}

impl InPhases for Args {
    type Prepared = Infallible;

    async fn prepare(self, desk: &Desk<'_>) -> Result<Phase<Infallible>> {
        let Desk { common, world, context, .. } = desk;
        let request = self.stack.comparison(common, world)?;
        let target = common.target_called(request.goal.stack().clone());
        let comparison = compare(request, &target, context).await?;
        let repair = repair(&self.stack, common);
        Ok(Phase::Over(Told {
            out: match common.output {
                Format::Text | Format::Json | Format::Mermaid => {
                    render::drift::text(&comparison, common.verbose, &repair)
                }
                Format::Github => render::drift::annotations(&comparison),
                Format::Markdown => render::drift::markdown(&comparison),
            },
            object: Some(render::drift::object(&comparison)),
            err: render::drift::remarks(&comparison, world.command()),
            sum: render::drift::sum(&comparison),
            ended: Ok(match self.fail_on_warning {
                true => comparison.strict_verdict(),
                false => comparison.verdict(),
            }),
        }))
    }

    async fn apply(never: Infallible, _: &Desk<'_>) -> Told {
        match never {}
    }
}

/// Returns the command that repairs the stack. Flags that say more than the stack's name, its clusters and its place are left to the
/// reader.
fn repair(stack: &StackArgs, common: &Common) -> String {
    let typed = stack.typed();
    let clusters = items(&typed.clusters).iter().map(|name| format!(" --cluster {}", quoted(name)));
    let named = common.stacks.first().map(|name| format!(" --stack {}", quoted(name)));
    let words: String = named.into_iter().chain(clusters).collect();
    let has_more = Settings { clusters: None, ..typed.clone() } != Settings::default();
    let more = if has_more { ", with the other flags of this command" } else { "" };
    format!("`taskbell setup{}{}`{more}", printable(&words), flags(common))
}
