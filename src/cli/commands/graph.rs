//! Runs `graph`: draws the stack, and marks each resource as `drift` would.

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;

use crate::cli::args::common::{Common, Format, NamedArgs, StackArgs};
use crate::cli::args::fleet::OfStack;
use crate::cli::exit::code;
use crate::cli::render;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::{World, whole_file};
use crate::config::settings::{Settings, items};
use crate::error::{Error, Result};
use crate::graph::{Graph, mermaid, svg};
use crate::operations::drift::{Comparison, compare};
use crate::style::plain;

/// Draw the stack: the connections between its parts, and the state of each part.
///
/// Only reads, and reports the same as `drift`: each part is in sync, drifted, missing,
/// unexpected, unmanaged, or unknown, in words and in colour. Exit code 0: in sync; 2: there are differences;
/// 3: something could not be read. The picture is drawn in all three cases.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell graph batch
  taskbell graph batch --output mermaid
  taskbell graph batch --file stack.svg
  taskbell graph batch --file stack.md")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    #[command(flatten)]
    named: NamedArgs,
    /// The format of the picture [default: from the ending of --file, or else tree on a terminal, and mermaid elsewhere]
    #[arg(long, value_enum)]
    format: Option<Drawn>,
    /// The file to write, instead of standard output: .svg, .mmd, or .md for a block of Markdown
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Drawn {
    /// A tree of words, for terminals
    Tree,
    /// A self-contained picture, for browsers and READMEs
    Svg,
    /// A flowchart for Markdown, wikis and pull requests
    Mermaid,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        items(&self.stack.settings.clusters)
    }

    fn complete(&mut self, settings: &Settings) {
        self.stack.complete(settings);
    }

    fn take_named(&mut self) {
        self.stack.add_clusters(std::mem::take(&mut self.named.named));
    }

    fn takes_only_stack(&self) -> bool {
        true
    }

    fn lacks_cluster(&self) -> bool {
        self.stack.lacks_cluster()
    }
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let draw = drawer(&args, common, world)?;
    let request = args.stack.comparison(common, world)?;
    let target = common.target_called(request.goal.stack().clone());
    let progress = Progress::new(common, world);
    let comparison = progress.over(compare(request, &target, progress.context())).await?;
    let Comparison { stack, place, desired, plan, .. } = &comparison;
    let graph = Graph::new(stack, place, desired, plan);
    if let Some(path) = &args.file {
        whole_file::write(path, draw(&graph))?;
        if !common.quiet {
            world.err.print(&format!("wrote {}: {}\n", path.display(), graph.summary()));
        }
    }
    match (common.output, &args.file) {
        (Format::Json, _) => {
            let mut object = render::located(stack, place, graph.object());
            object["in_sync"] = json!(plan.is_in_sync());
            world.out.print(&render::json(&object));
        }
        (_, None) => world.out.print(&draw(&graph)),
        (_, Some(_)) => {}
    }
    world.err.print(&render::drift::remarks(&comparison, world.command()));
    Ok(code(comparison.verdict()))
}

/// Returns the function that draws. `--format` takes precedence over the ending of the file's name.
fn drawer(args: &Args, common: &Common, world: &World) -> Result<fn(&Graph) -> String> {
    if common.output == Format::Json && args.file.is_none() && args.format.is_some() {
        return Err(Error::usage("--output json prints nodes and edges, and --format draws a picture")
            .hint("give --file FILE to get both, or omit one of the two"));
    }
    let ending = args.file.as_deref().and_then(Path::extension).map(|ending| ending.to_string_lossy().to_lowercase());
    let format = args.format.or((common.output == Format::Mermaid).then_some(Drawn::Mermaid));
    match (format, ending.as_deref()) {
        (Some(Drawn::Tree), _) if args.file.is_some() => Ok(|graph| plain(&render::graph::tree(graph))),
        (Some(Drawn::Tree), _) => Ok(render::graph::tree),
        (Some(Drawn::Svg), _) | (None, Some("svg")) => Ok(svg::picture),
        (Some(Drawn::Mermaid) | None, Some("md" | "markdown")) => Ok(mermaid::markdown),
        (Some(Drawn::Mermaid), _) | (None, Some("mmd" | "mermaid")) => Ok(mermaid::chart),
        (None, _) if args.file.is_none() && world.out_is_terminal => Ok(render::graph::tree),
        (None, _) if args.file.is_none() => Ok(mermaid::chart),
        (None, _) => Err(Error::usage("the file's name does not end in a known format")
            .hint("use a name that ends in .svg, .mmd or .md, or give --format svg, mermaid or tree")),
    }
}
