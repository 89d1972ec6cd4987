//! Connects taskbell to the streams, the terminal, the environment, the clock and the signals of its process.
//! Tests bring a world of their own.

pub mod child;
mod layout;
pub mod pager;
pub mod waiting;
pub mod whole_file;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use anstream::{AutoStream, ColorChoice};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::aws::client::connections::Connections;
use crate::aws::client::wait;
use crate::calendar::{Zone, on_the_clocks};
use crate::error::{Error, Result};
use crate::input;
use crate::secret::Sealed;
use crate::style::Filter;

/// A stream for styled text. Everything that `print` gets passes through one [`Filter`], so that no foreign text commands the
/// terminal, whatever the renderers forget. The writer inside removes the styles where they do not belong.
#[derive(Clone)]
pub struct Output {
    sink: Arc<Mutex<Sink>>,
    /// Whether the terminal shows only ASCII.
    ascii: bool,
    /// The width at which lines are broken between words; none: nowhere.
    columns: Option<usize>,
}

struct Sink {
    stream: Box<dyn Write + Send>,
    filter: Filter,
    /// The first error of the stream. Nothing is written after it.
    failed: Option<io::Error>,
}

impl Sink {
    fn write(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = self.stream.write_all(text.as_bytes()).and_then(|()| self.stream.flush()).err();
        }
    }
}

/// The signs that taskbell itself prints, each with its replacement for terminals that show only ASCII.
const SIGNS: [(char, &str); 9] =
    [('…', "..."), ('·', "-"), ('┃', "|"), ('✓', "v"), ('✗', "x"), ('│', "|"), ('├', "|"), ('└', "`"), ('─', "-")];

impl Output {
    pub fn new(stream: impl Write + Send + 'static) -> Self {
        let sink = Sink { stream: Box::new(stream), filter: Filter::default(), failed: None };
        Self { sink: Arc::new(Mutex::new(sink)), ascii: false, columns: None }
    }

    /// Sets whether the terminal shows only ASCII. Then `print` replaces taskbell's own signs; other characters stay unchanged.
    #[must_use]
    pub fn in_ascii(self, ascii: bool) -> Self {
        Self { ascii, ..self }
    }

    /// Sets the width of the terminal. Then `print` breaks longer lines between words: for a stream whose texts are all for people.
    #[must_use]
    pub fn in_columns(self, columns: Option<usize>) -> Self {
        Self { columns, ..self }
    }

    /// Prints the text. An error does not stop the command, which may be in the middle of changes: [`Output::failure`] returns it.
    pub fn print(&self, text: &str) {
        let text = match self.ascii {
            true => &SIGNS.iter().fold(text.to_owned(), |text, (sign, ascii)| text.replace(*sign, ascii)),
            false => text,
        };
        let text = match self.columns {
            Some(columns) => &layout::wrapped(text, columns),
            None => text,
        };
        let mut sink = self.sink();
        let passed = sink.filter.passed(text);
        sink.write(&passed);
    }

    /// Passes words to a shell, which separates them by control characters. The words must be safe.
    pub fn pass_words(&self, words: &str) {
        self.sink().write(words);
    }

    /// Returns the error if not everything could be written. A reader that has closed the pipe (`| head`) has all it wanted, which
    /// is no error.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        let sink = self.sink();
        let failed = sink.failed.as_ref().filter(|error| error.kind() != ErrorKind::BrokenPipe)?;
        Some(Error::new("could not write all of the output").because(io::Error::new(failed.kind(), failed.to_string())))
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time within which a command without calls in flight ends after an interruption.
const AT_ONCE: Duration = Duration::from_millis(400);

#[allow(clippy::struct_excessive_bools, reason = "each is a fact about the process")]
pub struct World {
    /// Stdout, for results.
    pub out: Output,
    /// Stderr, for everything else.
    pub err: Output,
    /// Whether taskbell can ask a person at the terminal.
    pub interactive: bool,
    /// Whether stdout is a terminal.
    pub out_is_terminal: bool,
    /// Whether progress may be redrawn in place.
    pub live: bool,
    /// The width of the terminal in cells; 80 if the width is unknown.
    pub columns: usize,
    /// The time zone of this machine.
    pub zone: Zone,
    /// The value of TASKBELL_SLACK_WEBHOOK_URL.
    pub webhook: Option<Sealed<String>>,
    pub cancel: CancellationToken,
    /// The lookup of an environment variable, for reports about the source of a setting.
    pub variable: fn(&str) -> Option<String>,
    pub clock: fn() -> SystemTime,
    /// Whether taskbell handles Ctrl-C and SIGTERM of the process.
    pub signals: bool,
    /// Clients and credentials, shared by all stacks of the process.
    pub connections: Arc<Connections>,
    /// The answers to questions, one for each line. With `None`, taskbell reads them from the terminal.
    pub typed: Option<Arc<Mutex<VecDeque<String>>>>,
    /// The name of the running command, as in `permissions --for`.
    pub command: OnceLock<&'static str>,
}

impl World {
    /// Returns the world of the process. `color` is the user's choice.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment and the clock")]
    pub fn real(color: ColorChoice) -> Self {
        let webhook = std::env::var("TASKBELL_SLACK_WEBHOOK_URL").ok().filter(|text| !text.trim().is_empty());
        let (terminal, shows_all) = (std::io::stderr().is_terminal(), is_utf8(|name| std::env::var(name).ok()));
        let (out, err) = (std::io::stdout(), std::io::stderr());
        let out_is_terminal = out.is_terminal();
        let ascii = [out_is_terminal, terminal].map(|is_terminal| is_terminal && !shows_all);
        let size = terminal_size::terminal_size().filter(|(width, _)| width.0 > 0);
        let columns = size.map_or(80, |(width, _)| width.0.into());
        let of_err = (terminal && size.is_some()).then_some(columns);
        Self {
            out: Output::new(AutoStream::new(std::io::stdout(), choice(color, &out))).in_ascii(ascii[0]),
            err: Output::new(AutoStream::new(std::io::stderr(), choice(color, &err)))
                .in_ascii(ascii[1])
                .in_columns(of_err),
            interactive: terminal && std::io::stdin().is_terminal(),
            out_is_terminal,
            live: terminal && shows_all,
            columns,
            zone: zone_of_machine(std::env::var("TZ").ok().filter(|text| !text.is_empty())),
            webhook: webhook.map(Sealed::new),
            cancel: CancellationToken::new(),
            variable: |name| std::env::var(name).ok().filter(|value| !value.is_empty()),
            clock: SystemTime::now,
            signals: true,
            connections: Arc::default(),
            typed: None,
            command: OnceLock::new(),
        }
    }

    /// Records the name of the running command, as in `permissions --for`.
    pub fn is_running(&self, command: &'static str) {
        let _ = self.command.set(command);
    }

    #[must_use]
    pub fn command(&self) -> &'static str {
        self.command.get().copied().unwrap_or("setup")
    }

    /// Returns a text for people as stdout shows it: times are those of this machine's time zone, and on a terminal, long lines are
    /// broken between words.
    #[must_use]
    pub fn laid_out(&self, text: &str) -> String {
        let text = on_the_clocks(text, &self.zone);
        if self.out_is_terminal { layout::wrapped(&text, self.columns) } else { text }
    }

    /// Handles signals: the first one lets the calls in flight finish, the second one ends the process. A command that ends at once
    /// reports the interruption itself; only a command that goes on says so first. Needs a running runtime.
    pub fn heed_signals(&self) {
        if !self.signals {
            return;
        }
        // Without the handlers, the signals end the process as they always did.
        let Ok(mut signals) = Signals::listen() else { return };
        let (cancel, err) = (self.cancel.clone(), self.err.clone());
        tokio::spawn(async move {
            signals.next().await;
            cancel.cancel();
            let goes_on = async {
                wait::moment(Instant::now() + AT_ONCE).await;
                err.print("\ninterrupted: finishing the calls in flight (interrupt again to stop at once)\n");
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = signals.next() => {}
                () = goes_on => {}
            }
            err.print(
                "\nstopped at once: calls in flight may have taken effect or not; it is safe to run the same command again\n",
            );
            exit_at_once();
        });
    }

    /// Asks for confirmation before a change, unless `yes` is set. The default answer is no.
    ///
    /// # Errors
    /// If the answer is no, or no terminal is available for the question; on interruption.
    pub async fn confirm(&self, yes: bool, question: &str) -> Result<()> {
        if yes {
            return Ok(());
        }
        if !self.interactive {
            return Err(
                Error::usage("cannot ask for confirmation: not a terminal; nothing was changed").hint("pass --yes")
            );
        }
        let answer = self.ask_line(&format!("{question} [y/N] ")).await?;
        match ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
            true => Ok(()),
            false => Err(Error::declined()),
        }
    }

    /// Offers something that the user can also do later. The default answer is yes. An end of the input, or an interruption, is a
    /// no.
    pub async fn agrees(&self, question: &str) -> bool {
        let answer = self.line(&format!("{question} [Y/n] ")).await.unwrap_or_default();
        answer.ends_with('\n') && ["", "y", "yes"].contains(&answer.trim().to_lowercase().as_str())
    }

    /// Asks a question, and returns the line that the user types.
    ///
    /// # Errors
    /// If the terminal cannot be read; on interruption.
    pub async fn ask_line(&self, question: &str) -> Result<String> {
        Ok(self.line(question).await?.trim().to_owned())
    }

    /// Asks a question, and returns the line as typed, with its end.
    async fn line(&self, question: &str) -> Result<String> {
        self.err.print(question);
        if let Some(typed) = &self.typed {
            return Ok(next(typed)? + "\n");
        }
        let read = || {
            let mut answer = String::new();
            match std::io::stdin().read_line(&mut answer)? {
                0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(answer),
            }
        };
        self.ask(read).await
    }

    /// Asks for a secret. The terminal does not show the characters that the user types: `rpassword` switches the echo off and writes
    /// the question itself, without the [`Filter`] of [`Output`].
    ///
    /// # Errors
    /// If the terminal cannot be read; on interruption.
    pub async fn ask_secret(&self, question: &'static str) -> Result<String> {
        if let Some(typed) = &self.typed {
            self.err.print(question);
            return next(typed);
        }
        self.ask(move || rpassword::prompt_password(question)).await
    }

    /// Waits for the answer on a separate thread, so that taskbell reacts to Ctrl-C meanwhile.
    async fn ask(&self, read: impl FnOnce() -> std::io::Result<String> + Send + 'static) -> Result<String> {
        let (tell, answer) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || tell.send(read()));
        let unreadable = || Error::usage("could not read the answer; nothing was changed");
        tokio::select! {
            answer = answer => match answer {
                Ok(Ok(text)) => Ok(text),
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => {
                    Err(Error::interrupted("interrupted; nothing was changed"))
                }
                // The end of the input, as by Ctrl-D, is no answer.
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    self.err.print("\n");
                    Err(Error::declined())
                }
                Ok(Err(error)) => Err(unreadable().because(error)),
                Err(_) => Err(unreadable()),
            },
            () = self.cancel.cancelled() => {
                // The report does not belong on the line of the question.
                self.err.print("\n");
                Err(Error::interrupted("interrupted; nothing was changed"))
            }
        }
    }

    /// Reads all of standard input.
    ///
    /// # Errors
    /// If standard input cannot be read, or is not UTF-8.
    pub fn read_stdin(&self) -> Result<String> {
        input::text(self.read_stdin_bytes()?, "standard input")
    }

    /// # Errors
    /// If standard input cannot be read.
    pub fn read_stdin_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = std::io::stdin().read_to_end(&mut bytes);
        read.map_err(|error| Error::usage("could not read standard input").because(error))?;
        Ok(bytes)
    }

    /// Returns the world for several stacks at once. No question is asked about a single stack; a given webhook is for all stacks.
    #[must_use]
    pub fn of_many(&self, webhook: Option<Sealed<String>>) -> Self {
        Self {
            out: self.out.clone(),
            err: self.err.clone(),
            interactive: false,
            out_is_terminal: self.out_is_terminal,
            live: false,
            columns: self.columns,
            zone: self.zone.clone(),
            webhook: webhook.or_else(|| self.webhook.clone()),
            cancel: self.cancel.clone(),
            variable: self.variable,
            clock: self.clock,
            signals: false,
            connections: Arc::clone(&self.connections),
            typed: None,
            command: self.command.clone(),
        }
    }

    #[must_use]
    pub fn now(&self) -> SystemTime {
        (self.clock)()
    }
}

/// Returns the time zone that TZ names, or else the link `/etc/localtime`. UTC if this is no name of the IANA database.
fn zone_of_machine(tz: Option<String>) -> Zone {
    let name_in = |path: &str| path.rsplit_once("zoneinfo/").map_or(path, |(_, name)| name).to_owned();
    let linked = || Some(name_in(&std::fs::read_link("/etc/localtime").ok()?.to_string_lossy()));
    let name = tz.map(|text| name_in(text.trim_start_matches(':'))).or_else(linked);
    name.and_then(|name| Zone::parse(&name).ok()).unwrap_or_else(Zone::utc)
}

/// Returns the next line that a test types.
fn next(typed: &Mutex<VecDeque<String>>) -> Result<String> {
    let line = typed.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    line.ok_or_else(|| Error::usage("could not read the answer; nothing was changed"))
}

/// Checks whether the locale names UTF-8. An unset locale, as in containers, counts as UTF-8.
fn is_utf8(variable: impl Fn(&'static str) -> Option<String>) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|text| !text.is_empty());
    set.is_none_or(|locale| ["utf-8", "utf8"].iter().any(|utf8| locale.to_lowercase().contains(utf8)))
}

/// Returns the name of the shell that asks for words to complete, if the variable is set.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn shell_that_asks(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|shell| !shell.is_empty())
}

/// Returns the index of the word at the shell's cursor, as clap's scripts set it; 0 without one.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn completion_index() -> usize {
    std::env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|index| index.parse().ok()).unwrap_or_default()
}

/// Returns the line up to the shell's cursor, as taskbell's script for bash sets it; empty without one.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn completion_line() -> String {
    std::env::var("_TASKBELL_COMPLETE_LINE").unwrap_or_default()
}

fn choice(asked: ColorChoice, stream: &impl anstream::stream::RawStream) -> ColorChoice {
    match asked {
        ColorChoice::Auto => AutoStream::choice(stream),
        asked => asked,
    }
}

/// The signals that interrupt a command. From `listen` on, none of them ends the process by itself.
#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 2]);

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}

#[allow(clippy::disallowed_methods, reason = "the user insists")]
fn exit_at_once() -> ! {
    std::process::exit(130)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_locale_set_to_another_encoding_lacks_utf8() {
        let of = |all: &'static str, lang: &'static str| {
            is_utf8(|name| {
                Some(match name {
                    "LC_ALL" => all.to_owned(),
                    "LANG" => lang.to_owned(),
                    _ => return None,
                })
            })
        };
        assert!(of("", "en_US.UTF-8") && of("C.utf8", "C") && of("", ""));
        assert!(!of("", "C") && !of("ja_JP.SJIS", "en_US.UTF-8") && !of("POSIX", ""));
    }

    #[test]
    fn ascii_terminals_show_replacements_of_own_signs() {
        #[derive(Clone, Default)]
        struct Page(Arc<Mutex<Vec<u8>>>);
        impl Write for Page {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let page = Page::default();
        Output::new(page.clone()).in_ascii(true).print("a · b…\n┃ メモリ\n");
        assert_eq!(String::from_utf8(page.0.lock().unwrap().clone()).unwrap(), "a - b...\n| メモリ\n");
    }
}
