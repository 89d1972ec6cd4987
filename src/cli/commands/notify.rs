//! Runs `notify`: raises an application's own alert, which goes through a stack as other alerts do.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;

use crate::cli::args::common::{Common, Format};
use crate::cli::args::fleet::OfStack;
use crate::cli::render;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::cli::terminal::child::{self, Ended, Stops};
use crate::config::settings::Settings;
use crate::error::{Error, Result};
use crate::operations::notify::{Alert, LONGEST_DETAIL, check_region_and_credentials, raise};
use crate::{input, secret::file_without_secrets};

/// Send an alert from your own application, through the rule `application-error`.
///
/// `taskbell setup --stack alerts --pattern application-error` creates this rule in a separate stack. With --run, runs a command,
/// and sends the alert if the command fails. Ends with 0 as soon as EventBridge has accepted the alert, even if no rule matches the
/// alert; with --run, ends with the exit code of the command.
#[derive(Debug, Clone, ClapArgs)]
#[command(
    override_usage = "taskbell notify [OPTIONS] <MESSAGE>\n       taskbell notify [OPTIONS] --run -- <COMMAND>...",
    after_help = "\
Examples:
  taskbell notify 'no invoices today' --source billing --level warning
  ./report >report.log 2>&1 || taskbell notify 'report failed' --detail-file report.log
  taskbell notify --run -- ./nightly-import --all"
)]
pub struct Args {
    /// The message, in one line
    #[arg(required_unless_present = "run")]
    message: Option<String>,
    /// The severity of the alert
    #[arg(long, value_enum, default_value_t)]
    level: Level,
    /// A file with details, such as a stack trace, or - for standard input; the message shows it folded, and only the beginning and the end of a long file
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    detail_file: Option<PathBuf>,
    /// The application that sends the alert [default: the command's name, or application]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
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
    if args.run { run_command(args, common, world).await } else { send(args, common, world).await }
}

async fn send(args: Args, common: &Common, world: &World) -> Result<u8> {
    let (site, progress) = (common.site(), Progress::new(common, world));
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
    };
    let event_id = progress.over(raise(alert, &site, progress.context())).await?;
    if common.output == Format::Json {
        world.out.print(&render::json(&json!({ "event_id": event_id })));
    }
    // In a script, nobody reads this.
    if world.interactive && !common.quiet {
        world.err.print(
            "EventBridge accepted the alert. `taskbell status` of the stack shows whether the alert was sent.\n",
        );
    }
    Ok(0)
}

/// Runs the command, and raises the alert if the command fails. Returns the command's exit code, even if the alert cannot be raised.
async fn run_command(args: Args, common: &Common, world: &World) -> Result<u8> {
    let (site, progress, mut stops) = (common.site(), Progress::new(common, world), Stops::listen());
    match stops.unless_told(progress.over(check_region_and_credentials(&site, progress.context()))).await {
        Ok(Ok(())) => {}
        // Warn even if the command will succeed: after a failure it is too late.
        Ok(Err(error)) => {
            let hint = render::hint_after(&error, world.command());
            world.err.print(&format!("warning: no alert can be raised on failure: {}{hint}\n", error.in_one_line()));
        }
        Err(code) => return Ok(code),
    }
    // At a terminal, Ctrl-C reaches the command without taskbell.
    let ended = child::run(&args.command, stops, LONGEST_DETAIL, !world.live).await;
    let Ended { code, is_started, is_stopped, tail } = ended;
    if !is_started {
        world.err.print(&render::error(&Error::new(&tail), world.command()));
    }
    if code == 0 || is_stopped {
        return Ok(code);
    }
    let name = args.command.first().map(|command| command.rsplit('/').next().unwrap_or(command)).unwrap_or_default();
    let failed = format!("{name} failed with exit code {code}");
    let alert = Alert {
        message: args.message.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| failed.clone()),
        source: args.source.unwrap_or_else(|| name.to_owned()),
        level: args.level.code(),
        detail: tail,
    };
    if let Err(error) = progress.over(raise(alert, &site, progress.context())).await {
        let both = Error::new(format!("{failed}, and the alert could not be raised")).because(error);
        world.err.print(&render::error(&both, world.command()));
    }
    Ok(code)
}
