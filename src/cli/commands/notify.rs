//! Runs `notify`: raises an application's own alert, which goes through a stack as other alerts do.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;

use crate::cli::args::common::{Common, Format};
use crate::cli::args::fleet::OfStack;
use crate::cli::render;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::config::settings::Settings;
use crate::error::{Error, Result};
use crate::input;
use crate::operations::notify::{Alert, LONGEST_DETAIL, could_be_raised, raise};

/// Raise an alert of an application's own, through the rule `application-error`.
///
/// `taskbell setup --stack alerts --pattern application-error` makes the rule, in a stack of its own. With --run, runs a command and raises the alert if it fails.
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
    /// What happened, in one line
    #[arg(required_unless_present = "run")]
    message: Option<String>,
    /// How bad it is
    #[arg(long, value_enum, default_value_t)]
    level: Level,
    /// A file with more, such as a stack trace, or - for standard input; it arrives folded, of a long one beginning and end
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    detail_file: Option<PathBuf>,
    /// Which application it is about [default: the command's name, or application]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Run the command after --, pass its output and exit code through, and raise the alert if it fails
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

/// The number of bytes that are kept from the end of a command's stderr.
const TAIL_BYTES: usize = LONGEST_DETAIL;
/// The exit code of a shell for a command that does not exist. `NOT_EXECUTABLE` is for a command that cannot be executed.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;
/// The wait for further output after a command has ended: other processes that the command started may keep its stderr open.
const GRACE: Duration = Duration::from_secs(1);

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let (site, progress) = (common.site(), Progress::new(common, world));
    if !args.run {
        let detail = match &args.detail_file {
            None => String::new(),
            Some(path) if path.as_os_str() == "-" => input::lossy(&world.read_stdin_bytes()?),
            Some(path) => std::fs::read(path)
                .map(|bytes| input::lossy(&bytes))
                .map_err(|error| Error::usage(format!("could not read {}", path.display())).because(error))?,
        };
        let source = args.source.clone().unwrap_or_else(|| "application".to_owned());
        let level = args.level.code();
        let alert = Alert { message: args.message.unwrap_or_default(), source, level, detail };
        let event_id = progress.over(raise(alert, &site, progress.context())).await?;
        if common.output == Format::Json {
            world.out.print(&render::json(&json!({ "event_id": event_id })));
        }
        // In a script, nobody reads this.
        if world.interactive && !common.quiet {
            world.err.print(
                "EventBridge took the alert. Whether a stack rings for it, `taskbell status` of that stack tells.\n",
            );
        }
        return Ok(0);
    }
    let mut stops = Stops::listen();
    match stops.unless_told(progress.over(could_be_raised(&site, progress.context()))).await {
        Ok(Ok(())) => {}
        // Warn even if the command will succeed: after a failure it is too late.
        Ok(Err(error)) => {
            let hint = render::hint_after(&error, world.command());
            world.err.print(&format!("warning: an alert could not be raised: {}{hint}\n", error.in_one_line()));
        }
        Err(code) => return Ok(code),
    }
    let Ended { code, stopped, tail } = carry_out(&args.command, stops, world).await;
    if code == 0 || stopped {
        return Ok(code);
    }
    let name = args.command.first().map(|command| command.rsplit('/').next().unwrap_or(command)).unwrap_or_default();
    let alert = Alert {
        message: args
            .message
            .filter(|text| !text.trim().is_empty())
            .unwrap_or_else(|| format!("{name} failed with exit code {code}")),
        source: args.source.unwrap_or_else(|| name.to_owned()),
        level: args.level.code(),
        detail: tail,
    };
    // Return the command's exit code: an alert that cannot be raised is reported, but does not change the exit code.
    if let Err(error) = progress.over(raise(alert, &site, progress.context())).await {
        let both = Error::new(format!("{name} failed with exit code {code}, and the alert could not be raised"));
        world.err.print(&render::error(&both.because(error), world.command()));
    }
    Ok(code)
}

/// The end of a command.
struct Ended {
    code: u8,
    /// Whether a signal requested the end. Then the end is not a failure.
    stopped: bool,
    /// The last bytes of the command's stderr.
    tail: String,
}

/// Runs the command with taskbell's own stdin and stdout, and passes its stderr on.
async fn carry_out(command: &[String], stops: Stops, world: &World) -> Ended {
    let [program, arguments @ ..] = command else {
        return Ended { code: NOT_FOUND, stopped: false, tail: String::new() };
    };
    let child = tokio::process::Command::new(program).args(arguments).stderr(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            let code = if error.kind() == std::io::ErrorKind::PermissionDenied { NOT_EXECUTABLE } else { NOT_FOUND };
            let tail = format!("could not start {program}: {error}");
            world.err.print(&crate::cli::render::error(&Error::new(&tail), world.command()));
            return Ended { code, stopped: false, tail };
        }
    };
    let tail = Mutex::new(Vec::new());
    let stderr = child.stderr.take();
    let copied = async {
        if let Some(stderr) = stderr {
            pass_on(stderr, tokio::io::stderr(), &tail).await;
        }
    };
    let ended = stops.until_ended(&mut child, !world.live);
    let (mut copied, mut ended) = (Box::pin(copied), Box::pin(ended));
    let (status, stopped) = tokio::select! {
        outcome = &mut ended => {
            let _ = tokio::time::timeout(GRACE, copied).await;
            outcome
        }
        () = &mut copied => ended.await,
    };
    // Replace bytes that are not UTF-8, so that no alert is lost because of them.
    let tail = String::from_utf8_lossy(&tail.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    match status {
        Ok(status) => Ended { code: exit_code(status), stopped: stopped.is_by(status), tail },
        Err(error) => Ended { code: 1, stopped: false, tail: format!("{program}: {error}") },
    }
}

/// The signal that taskbell received while the command ran.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    /// SIGTERM. The command's end is then intended, with any exit code.
    Terminate,
    /// SIGINT. A command that continues and fails later has failed; only an end by the signal, or with 130, is intended.
    Interrupt,
}

impl Told {
    fn is_by(self, status: ExitStatus) -> bool {
        match self {
            Self::Nothing => false,
            Self::Terminate => true,
            Self::Interrupt => exit_code(status) == 130,
        }
    }
}

/// The listeners for SIGTERM and SIGINT, which exist before the command starts.
#[cfg(unix)]
struct Stops(Option<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Stops {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(signal(SignalKind::terminate()).ok().zip(signal(SignalKind::interrupt()).ok()))
    }

    /// Returns the result of `look`, or the exit code for a signal that arrives first.
    async fn unless_told<T>(&mut self, look: impl Future<Output = T>) -> Result<T, u8> {
        let Some((terminate, interrupt)) = &mut self.0 else { return Ok(look.await) };
        tokio::select! {
            found = look => Ok(found),
            _ = interrupt.recv() => Err(130),
            _ = terminate.recv() => Err(143),
        }
    }

    /// Waits for the command, and passes signals on: as the first process of a container, taskbell is the process that gets them.
    /// At a terminal, Ctrl-C reaches the command without taskbell.
    async fn until_ended(self, child: &mut Child, pass_interrupt: bool) -> (std::io::Result<ExitStatus>, Told) {
        use rustix::process::{Pid, Signal, kill_process};
        let Some((mut terminate, mut interrupt)) = self.0 else {
            return (child.wait().await, Told::Nothing);
        };
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let mut told = Told::Nothing;
        loop {
            // If the command has just ended, the next turn of the loop returns its status.
            let pass = |signal| pid.map(|pid| kill_process(pid, signal));
            tokio::select! {
                status = child.wait() => return (status, told),
                _ = interrupt.recv() => {
                    told = Told::Interrupt;
                    let _ = pass_interrupt.then(|| pass(Signal::INT));
                }
                _ = terminate.recv() => {
                    told = Told::Terminate;
                    let _ = pass(Signal::TERM);
                }
            }
        }
    }
}

#[cfg(not(unix))]
struct Stops;

#[cfg(not(unix))]
impl Stops {
    fn listen() -> Self {
        Self
    }

    async fn unless_told<T>(&mut self, look: impl Future<Output = T>) -> Result<T, u8> {
        Ok(look.await)
    }

    async fn until_ended(self, child: &mut Child, _pass_interrupt: bool) -> (std::io::Result<ExitStatus>, Told) {
        (child.wait().await, Told::Nothing)
    }
}

/// Copies all bytes, and keeps the last `TAIL_BYTES` of them.
async fn pass_on(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, kept: &Mutex<Vec<u8>>) {
    let mut buffer = vec![0; 8192];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        // A reader that has closed the stream does not stop the command.
        let _ = to.write_all(&buffer[..count]).await;
        let _ = to.flush().await;
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..count]);
        let surplus = kept.len().saturating_sub(TAIL_BYTES);
        kept.drain(..surplus);
    }
}

/// Returns the exit code as a shell does: 128 plus the signal's number, if a signal ended the command.
fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(1);
    }
    status.code().map_or(1, |code| u8::try_from(code & 0xff).unwrap_or(1))
}
