//! Runs `notify`: raises an application's own alert, or reports the end of a job, which goes through a stack as other events do.

mod wrapped;

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;

use crate::cli::args::common::{Common, Format};
use crate::cli::args::fleet::OfStack;
use crate::cli::render;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::config::settings::Settings;
use crate::error::{Error, Result};
use crate::operations::notify::{Alert, Job, raise, succeed};
use crate::{input, secret::file_without_secrets};
use wrapped::Wrapped;

/// Send an alert from your own application, through the rule `application-error`, or report the end of a job of any machine.
///
/// `taskbell setup --stack alerts --pattern application-error` creates this rule in a separate stack. With --run, runs a command,
/// and sends the alert if the command fails. With --job, reports the end of the job to every stack of the region that remembers
/// jobs: --ok and a successful --run report a success, anything else a failure. Ends with 0 as soon as EventBridge has accepted the
/// event, even if no rule matches the event; with --run, ends with the exit code of the command.
#[derive(Debug, Clone, ClapArgs)]
#[command(
    override_usage = "taskbell notify [OPTIONS] <MESSAGE>\n       taskbell notify [OPTIONS] --ok --job <NAME>\n       taskbell notify [OPTIONS] --run -- <COMMAND>...",
    after_help = "\
Examples:
  taskbell notify 'no invoices today' --source billing --level warning
  ./report >report.log 2>&1 || taskbell notify 'report failed' --detail-file report.log
  taskbell notify --run -- ./nightly-import --all
  taskbell notify --run --job nightly-import -- ./nightly-import --all
  ./backup && taskbell notify --ok --job backup"
)]
pub struct Args {
    /// The message, in one line
    #[arg(required_unless_present_any = ["run", "ok"])]
    message: Option<String>,
    /// The severity of the alert
    #[arg(long, value_enum, default_value_t)]
    level: Level,
    /// A file with details, such as a stack trace, or - for standard input; the message shows it folded, and only the beginning and the end of a long file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "ok"])]
    detail_file: Option<PathBuf>,
    /// The application that sends the alert [default: the command's name, or application]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// The job that ended, as `setup --expect` names it
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Report that the job ended well, and send no alert
    #[arg(long, requires = "job", conflicts_with = "run")]
    ok: bool,
    /// The duration of the job in seconds [default with --run: measured]
    #[arg(long, value_name = "N", requires = "job", conflicts_with = "run")]
    seconds: Option<u64>,
    /// Run the command after --, pass on its output and exit code, and send the alert if it fails
    #[arg(long, requires = "command")]
    run: bool,
    /// The command to run
    #[arg(last = true, requires = "run", value_name = "COMMAND")]
    command: Vec<String>,
}

impl OfStack for Args {
    fn clusters(&self) -> &[String] {
        &[]
    }

    fn complete(&mut self, _settings: &Settings) {}

    fn needs_stack(&self) -> bool {
        false
    }
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Level {
    #[default]
    Error,
    Warning,
    Info,
}

impl Level {
    fn code(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let job = args.job.as_deref().map(|name| Job::named(name, args.seconds)).transpose()?;
    if !args.run {
        return send(args, job, common, world).await;
    }
    let Args { command, message, source, level, .. } = args;
    wrapped::run(Wrapped { command, message, source, level: level.code(), job }, common, world).await
}

async fn send(args: Args, job: Option<Job>, common: &Common, world: &World) -> Result<u8> {
    let (site, progress) = (common.site(), Progress::new(common, world));
    let event_id = if let (true, Some(job)) = (args.ok, &job) {
        progress.over(succeed(job, args.message.as_deref(), &site, progress.context())).await?
    } else {
        let alert = Alert {
            message: args.message.unwrap_or_default(),
            source: args.source.unwrap_or_else(|| "application".to_owned()),
            level: args.level.code(),
            detail: match &args.detail_file {
                None => String::new(),
                Some(path) if path.as_os_str() == "-" => input::lossy(&world.read_stdin_bytes()?),
                Some(path) => std::fs::read(path).map(|bytes| input::lossy(&bytes)).map_err(|error| {
                    Error::usage(format!("could not read {}", file_without_secrets(path))).because(error)
                })?,
            },
            job,
        };
        progress.over(raise(alert, &site, progress.context())).await?
    };
    if common.output == Format::Json {
        world.out.print(&render::json(&json!({ "event_id": event_id })));
    }
    // In a script, nobody reads this.
    if world.interactive && !common.quiet {
        world.err.print(match args.ok {
            true => "EventBridge accepted the success. `taskbell jobs` of the stack shows whether it was recorded.\n",
            false => {
                "EventBridge accepted the alert. `taskbell status` of the stack shows whether the alert was sent.\n"
            }
        });
    }
    Ok(0)
}
