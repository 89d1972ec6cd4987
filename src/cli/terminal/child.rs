//! Runs a child process as if the user had started it: passes its output, its signals and its exit code on, and keeps the end of its
//! stderr.

use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;

/// The exit code of a shell for a command that does not exist. `NOT_EXECUTABLE` is for a command that cannot be executed.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;
/// The wait for further output after a command has ended: other processes that the command started may keep its stderr open.
const GRACE: Duration = Duration::from_secs(1);

/// The end of a command.
pub struct Ended {
    /// The exit code, as a shell returns it.
    pub code: u8,
    /// Whether the command ran.
    pub is_started: bool,
    /// Whether a signal requested the end. Then the end is not a failure.
    pub is_stopped: bool,
    /// The last bytes of the command's stderr, or the reason why the command did not run.
    pub tail: String,
}

/// Runs the command with taskbell's own stdin and stdout, and passes its stderr on. Keeps the last `tail_bytes` of its stderr. Passes
/// SIGINT on only if `pass_interrupt` is set.
pub async fn run(command: &[String], stops: Stops, tail_bytes: usize, pass_interrupt: bool) -> Ended {
    let not_started = |code, tail| Ended { code, is_started: false, is_stopped: false, tail };
    let [program, arguments @ ..] = command else {
        return not_started(NOT_FOUND, "there is no command".to_owned());
    };
    let child = tokio::process::Command::new(program).args(arguments).stderr(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            let code = if error.kind() == std::io::ErrorKind::PermissionDenied { NOT_EXECUTABLE } else { NOT_FOUND };
            return not_started(code, format!("could not start {program}: {error}"));
        }
    };
    let tail = Mutex::new(Vec::new());
    let stderr = child.stderr.take();
    let copied = async {
        if let Some(stderr) = stderr {
            pass_on(stderr, tokio::io::stderr(), tail_bytes, &tail).await;
        }
    };
    let ended = stops.until_ended(&mut child, pass_interrupt);
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
        Ok(status) => Ended { code: exit_code(status), is_started: true, is_stopped: stopped.is_by(status), tail },
        Err(error) => Ended { code: 1, is_started: true, is_stopped: false, tail: format!("{program}: {error}") },
    }
}

/// The signal that taskbell received while the command ran.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
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
pub struct Stops(Option<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Stops {
    /// Listens from now on. Without a runtime for signals, listens to nothing.
    #[must_use]
    pub fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(signal(SignalKind::terminate()).ok().zip(signal(SignalKind::interrupt()).ok()))
    }

    /// Returns the result of `look`.
    ///
    /// # Errors
    /// If a signal arrives first: the exit code for the signal.
    pub async fn unless_told<T>(&mut self, look: impl Future<Output = T>) -> Result<T, u8> {
        let Some((terminate, interrupt)) = &mut self.0 else { return Ok(look.await) };
        tokio::select! {
            found = look => Ok(found),
            _ = interrupt.recv() => Err(130),
            _ = terminate.recv() => Err(143),
        }
    }

    /// Waits for the command, and passes signals on: as the first process of a container, taskbell is the process that gets them.
    /// At a terminal, Ctrl-C reaches the command without taskbell.
    pub(super) async fn until_ended(
        self,
        child: &mut Child,
        pass_interrupt: bool,
    ) -> (std::io::Result<ExitStatus>, Told) {
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

/// Stands for the listeners for signals, which exist only on Unix.
#[cfg(not(unix))]
pub struct Stops;

#[cfg(not(unix))]
impl Stops {
    #[must_use]
    pub fn listen() -> Self {
        Self
    }

    pub async fn unless_told<T>(&mut self, look: impl Future<Output = T>) -> Result<T, u8> {
        Ok(look.await)
    }

    pub(super) async fn until_ended(
        self,
        child: &mut Child,
        _pass_interrupt: bool,
    ) -> (std::io::Result<ExitStatus>, Told) {
        (child.wait().await, Told::Nothing)
    }
}

/// Copies all bytes, and keeps the last `tail_bytes` of them.
async fn pass_on(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    tail_bytes: usize,
    kept: &Mutex<Vec<u8>>,
) {
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
        let surplus = kept.len().saturating_sub(tail_bytes);
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
