//! Runs `export`: writes the stack for other engines, which then create it.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use crate::cli::args::common::{Common, Format, StackArgs, warn_of_repeated};
use crate::cli::args::fleet::OfStack;
use crate::cli::render;
use crate::cli::run::fleet::completed;
use crate::cli::terminal::World;
use crate::config::settings::{Settings, items};
use crate::error::{Error, Result};
use crate::export::cloudformation::{self, Bucket, CODE_PREFIX, LONGEST_BODY};
use crate::export::{Blank, Blueprint, Topic, code_file, terraform};
use crate::notifier::archive::archive;

/// Write the stack that `setup` makes as a template, for other engines to make and keep.
///
/// What they make is theirs: `drift` shows it as not ours, and taskbell neither changes nor removes it.
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

/// A CloudFormation template, for every account and region.
///
/// Asks AWS for nothing. The cluster, the SSM parameter that holds the webhook, and whether each pattern of the catalogue rings
/// are parameters, with what is given here for their defaults. The webhook itself is in no template: put it into that parameter, a SecureString, yourself.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell export cloudformation --cluster batch >taskbell.json
  taskbell export cloudformation --cluster batch --pattern nonzero-exit --stack-set >taskbell.json")]
pub struct Cloudformation {
    /// For StackSets: the notifier's archive comes from a bucket of each region, and nothing names an account
    #[arg(long)]
    stack_set: bool,
    #[command(flatten)]
    stack: StackArgs,
}

/// A Terraform configuration, for every account and region.
///
/// Asks AWS for nothing. The cluster and the SSM parameter that holds the webhook are variables, with what is given here for
/// their defaults. The webhook itself is in no configuration, and so in no state: put it into that parameter, a SecureString,
/// yourself.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Example:
  taskbell export terraform --cluster batch >taskbell.tf
  taskbell export notifier --to notifier.zip")]
pub struct Terraform {
    #[command(flatten)]
    stack: StackArgs,
}

/// The notifier's archive, for the bucket a template takes it from, or for Terraform to upload.
///
/// The same version of taskbell writes the same bytes everywhere. Shows the key to store it under in the bucket: another archive
/// has another key, which its templates name, and by which CloudFormation sees that it changed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  taskbell export notifier --to notifier.zip")]
pub struct Notifier {
    /// The file to write
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

impl OfStack for Cloudformation {
    fn clusters(&self) -> &[String] {
        items(&self.stack.settings.clusters)
    }

    fn complete(&mut self, settings: &Settings) {
        self.stack.complete(settings);
    }
}

impl OfStack for Terraform {
    fn clusters(&self) -> &[String] {
        items(&self.stack.settings.clusters)
    }

    fn complete(&mut self, settings: &Settings) {
        self.stack.complete(settings);
    }
}

/// Hides the flags that do not describe the stack from the help: those of the webhook, and `--ignore`.
pub fn command(export: clap::Command) -> clap::Command {
    let hidden = ["slack_webhook_url_stdin", "allow_any_webhook_host", "ignore"];
    let hide = |one: clap::Command| hidden.iter().fold(one, |one, id| one.mut_arg(id, |arg| arg.hide(true)));
    export.mut_subcommand("cloudformation", hide).mut_subcommand("terraform", hide)
}

pub fn run(command: Command, common: &Common, world: &World) -> Result<u8> {
    match command {
        Command::Cloudformation(args) => {
            let (args, common) = completed(*args, common)?;
            export_template(&args, &common, world)
        }
        Command::Terraform(args) => {
            let (args, common) = completed(*args, common)?;
            export_configuration(&args, &common, world)
        }
        Command::Notifier(args) => export_notifier(&args, common, world),
    }
}

fn export_template(args: &Cloudformation, common: &Common, world: &World) -> Result<u8> {
    let (bucket, topic) = match args.stack_set {
        true => (Bucket::PerRegion, Topic::ByName),
        false => (Bucket::Named, Topic::ByArn),
    };
    let config = args.stack.config(common)?;
    warn_of_repeated(&config.patterns, world);
    let others = args.stack.settings.other_patterns(&config)?;
    let blueprint = Blueprint::new(&config, Some(&others), &archive()?, topic)?;
    let template = cloudformation::template(&blueprint, bucket)?;
    let template =
        Some(render::json(&template)).filter(|text| text.len() <= LONGEST_BODY).unwrap_or(format!("{template}\n"));
    world.out.print(&template);
    if !common.quiet {
        world.err.print(&format!(
            "note: it needs --capabilities CAPABILITY_NAMED_IAM, and the archive of `taskbell export notifier` as {CODE_PREFIX}{} in \
             the bucket{}\n",
            blueprint.code_file,
            and_the_webhook(&blueprint)
        ));
    }
    if template.len() > LONGEST_BODY {
        world.err.print(&format!(
            "warning: it is {} bytes long; above {LONGEST_BODY}, CloudFormation takes it from a bucket only: \
             `aws cloudformation deploy --s3-bucket`, or --template-url\n",
            template.len()
        ));
    }
    Ok(0)
}

fn export_configuration(args: &Terraform, common: &Common, world: &World) -> Result<u8> {
    let config = args.stack.config(common)?;
    warn_of_repeated(&config.patterns, world);
    let blueprint = Blueprint::new(&config, None, &archive()?, Topic::ByArn)?;
    world.out.print(&terraform::configuration(&blueprint)?);
    if !common.quiet {
        world.err.print(&format!(
            "note: it needs the file that `taskbell export notifier --to notifier.zip` writes{}\n",
            and_the_webhook(&blueprint)
        ));
    }
    Ok(0)
}

/// Returns the part of the note that names the webhook's parameter, if the stack has one.
fn and_the_webhook(blueprint: &Blueprint) -> String {
    let of_webhook = blueprint.defaults.iter().find(|(blank, _)| *blank == Blank::WebhookParameter);
    of_webhook.map(|(_, name)| format!(", and the SecureString {name}")).unwrap_or_default()
}

fn export_notifier(args: &Notifier, common: &Common, world: &World) -> Result<u8> {
    let archive = archive()?;
    std::fs::write(&args.to, &archive.bytes)
        .map_err(|error| Error::new(format!("could not write {}", args.to.display())).because(error))?;
    let (file, bytes, sha) = (args.to.display(), archive.bytes.len(), &archive.code_sha256);
    let key = format!("{CODE_PREFIX}{}", code_file(&archive));
    world.out.print(&match common.output {
        Format::Text | Format::Github | Format::Markdown => {
            format!("file        {file}\nbytes       {bytes}\nCodeSha256  {sha}\nkey         {key}\n")
        }
        Format::Json => {
            render::json(&json!({ "file": file.to_string(), "bytes": bytes, "code_sha256": sha, "key": key }))
        }
    });
    Ok(0)
}
