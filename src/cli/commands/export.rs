//! Runs `export`: writes the stack for other engines, which then create it.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use crate::cli::args::common::{Common, Format, StackArgs, warn_of_repeated};
use crate::cli::render;
use crate::cli::run::fleet::completed;
use crate::cli::terminal::{World, whole_file};
use crate::error::Result;
use crate::export::cloudformation::{self, Bucket};
use crate::export::{Blueprint, Topic, terraform};
use crate::notifier::archive::archive;

/// Write the stack of `setup` as a template, for another engine to create and manage.
///
/// The other engine manages the resources: taskbell neither changes nor removes them, and `drift` shows that they do not belong to
/// its stack.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  taskbell export cloudformation --cluster batch >taskbell.json
  taskbell export terraform --cluster batch >taskbell.tf")]
pub enum Command {
    Cloudformation(Box<Cloudformation>),
    Terraform(Box<Terraform>),
    Notifier(Notifier),
}

/// Print a CloudFormation template for any account and region.
///
/// Makes no call to AWS. The template has parameters for the cluster, for the SSM parameter that holds the webhook, and to switch
/// each pattern of the catalogue on or off. The flags set the defaults of these parameters. The template does not contain the
/// webhook: store the webhook in that SSM parameter, a SecureString, yourself.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell export cloudformation --cluster batch >taskbell.json
  taskbell export cloudformation --cluster batch --pattern nonzero-exit --stack-set >taskbell.json")]
pub struct Cloudformation {
    /// Print a template for StackSets, which reads the notifier's archive from a bucket in each region and names no account
    #[arg(long)]
    stack_set: bool,
    #[command(flatten)]
    stack: StackArgs,
}

/// Print a Terraform configuration for any account and region.
///
/// Makes no call to AWS. The configuration has variables for the cluster and for the SSM parameter that holds the webhook. The
/// flags set the defaults of these variables. Neither the configuration nor the state contains the webhook: store the webhook in
/// that SSM parameter, a SecureString, yourself.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell export terraform --cluster batch >taskbell.tf
  taskbell export notifier --to notifier.zip")]
pub struct Terraform {
    #[command(flatten)]
    stack: StackArgs,
}

/// Write the notifier's archive, for the bucket that a template reads it from, or for Terraform to upload.
///
/// A version of taskbell writes the same bytes on every machine. The command also prints the key for the archive in the bucket.
/// Each archive has its own key, which the templates of its version contain, so that CloudFormation notices a new archive.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  taskbell export notifier --to notifier.zip")]
pub struct Notifier {
    /// The file to write
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// Hides the flags that do not describe the stack from the help: those of the webhook, and `--ignore`.
pub fn command(export: clap::Command) -> clap::Command {
    let hidden = ["slack_webhook_url_stdin", "allow_any_webhook_host", "ignore", "reset"];
    let hide = |one: clap::Command| hidden.iter().fold(one, |one, id| one.mut_arg(id, |arg| arg.hide(true)));
    export.mut_subcommand("cloudformation", hide).mut_subcommand("terraform", hide)
}

pub fn run(command: Command, common: &Common, world: &World) -> Result<u8> {
    match command {
        Command::Cloudformation(args) => {
            let Cloudformation { stack_set, stack } = *args;
            let (stack, common) = completed(stack, common)?;
            export_template(stack_set, &stack, &common, world)
        }
        Command::Terraform(args) => {
            let (stack, common) = completed(args.stack, common)?;
            export_configuration(&stack, &common, world)
        }
        Command::Notifier(args) => export_notifier(&args, common, world),
    }
}

fn export_template(stack_set: bool, stack: &StackArgs, common: &Common, world: &World) -> Result<u8> {
    let (bucket, topic) = match stack_set {
        true => (Bucket::PerRegion, Topic::ByName),
        false => (Bucket::Named, Topic::ByArn),
    };
    let config = stack.config(common)?;
    warn_of_repeated(&config.patterns, world);
    let others = stack.settings.other_patterns(&config)?;
    let blueprint = Blueprint::new(&config, Some(&others), &archive()?, topic)?;
    let template = render::export::template(&cloudformation::template(&blueprint, bucket)?);
    world.out.print(&template);
    if !common.quiet {
        world.err.print(&render::export::needs_of_template(&blueprint));
    }
    world.err.print(&render::export::too_long(&template));
    Ok(0)
}

fn export_configuration(stack: &StackArgs, common: &Common, world: &World) -> Result<u8> {
    let config = stack.config(common)?;
    warn_of_repeated(&config.patterns, world);
    let blueprint = Blueprint::new(&config, None, &archive()?, Topic::ByArn)?;
    world.out.print(&terraform::configuration(&blueprint)?);
    if !common.quiet {
        world.err.print(&render::export::needs_of_configuration(&blueprint));
    }
    Ok(0)
}

fn export_notifier(args: &Notifier, common: &Common, world: &World) -> Result<u8> {
    let archive = archive()?;
    whole_file::write(&args.to, &archive.bytes)?;
    world.out.print(&match common.output {
        Format::Text | Format::Github | Format::Markdown | Format::Mermaid => {
            render::export::archive(&archive, &args.to)
        }
        Format::Json => render::json(&render::export::archive_object(&archive, &args.to)),
    });
    Ok(0)
}
