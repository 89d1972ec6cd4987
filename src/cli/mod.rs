//! Defines the command line, runs its commands, and returns the exit code.
//! Only this module prints.

mod args;
mod commands;
mod exit;
mod render;
mod run;
pub mod terminal;

use std::error::Error as StdError;
use std::ffi::OsString;
use std::process::ExitCode;

use anstream::ColorChoice;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};
use futures_util::FutureExt;

use crate::error::{Category, Error, Result};
use crate::input::printable_lines;
use crate::secret::without_secrets;
use crate::style::marked;
use args::aliases::{Typed, expanded, of_webhook, without_misleading_tip};
use args::common::{Common, Format};
use args::sections::{in_groups, in_sections};
use commands::{
    completion, doctor, drift, drill, export, graph, import, init, jobs, man, notify, pattern, permissions, preview,
    replay, setup, status, teardown, version,
};
use run::fleet;
use terminal::World;

/// Get a Slack alert when an Amazon ECS task fails.
///
/// This binary sets up the alert in your AWS account, checks it, and removes it: an EventBridge rule for each pattern, a Lambda
/// function with its role and its log group, a queue for undelivered alerts, a table of announced failures, and an SSM parameter
/// with the webhook. If jobs are expected, a schedule group asks for them at the right time. Nothing else is needed, and nothing is
/// kept on disk.
#[derive(Debug, Parser)]
#[command(name = "taskbell", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  taskbell doctor          check credentials, region, clock and network
  taskbell init            write taskbell.toml, for one or many stacks
  taskbell setup batch     get a Slack alert when a task of the cluster fails
  taskbell drill batch     send a labelled test failure through the alert path
  taskbell drift batch     check whether AWS is still as it was set up
  taskbell jobs batch      list the jobs, and what is expected of them
  taskbell graph batch     draw the stack as a picture
  taskbell teardown batch  remove the stack
  taskbell preview oom     show the Slack message, without AWS

Exit codes: 0 done, in sync · 1 error · 2 differences, trouble, or you said no
            3 something could not be read · 64 wrong usage · 130 interrupted

Other words for commands: plan (setup --dry-run), remove, destroy (teardown),
version (--version), test (drill, or pattern test if an event is given)")]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Setup(setup::Args),
    Import(import::Args),
    Drift(drift::Args),
    Graph(graph::Args),
    Teardown(teardown::Args),
    Drill(drill::Args),
    Replay(replay::Args),
    Status(status::Args),
    Jobs(jobs::Args),
    Doctor(doctor::Args),
    Permissions(permissions::Args),
    Preview(preview::Args),
    Notify(notify::Args),
    #[command(subcommand)]
    Pattern(pattern::Command),
    #[command(subcommand)]
    Export(export::Command),
    Completions(completion::Args),
    Man(man::Args),
}

impl Command {
    /// Returns the words that follow `permissions --for` in a hint, or `None` if `permissions` has no policy for the command.
    fn of_permissions(&self) -> Option<&'static str> {
        match self {
            Self::Setup(args) if args.drill => Some("setup` or, for the drill, `--for drill"),
            Self::Setup(_) | Self::Doctor(_) => Some("setup"),
            Self::Import(_) => Some("setup` and, for the drill, `--for drill"),
            Self::Drift(_) | Self::Graph(_) => Some("drift"),
            Self::Teardown(_) => Some("teardown"),
            Self::Drill(_) => Some("drill"),
            Self::Replay(_) => Some("replay"),
            Self::Status(_) => Some("status"),
            Self::Jobs(_) => Some("jobs"),
            Self::Notify(_) => Some("notify"),
            Self::Pattern(pattern::Command::Test(args)) if args.is_about_job() => Some("jobs"),
            Self::Pattern(_) => Some("pattern-test"),
            Self::Init(_)
            | Self::Permissions(_)
            | Self::Preview(_)
            | Self::Export(_)
            | Self::Completions(_)
            | Self::Man(_) => None,
        }
    }
}

/// Runs the process with its real arguments and its real world, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Shells put `--` before the words to complete. Without `--`, a user who has set the variable wants a command to run.
    if let (Some(shell), Some("--")) =
        (terminal::shell_that_asks(completion::VARIABLE), arguments.get(1).and_then(|word| word.to_str()))
    {
        if let Ok(runtime) = runtime {
            // Pass all bytes through: bash's words are separated by a control character, which any other choice may strip.
            let world = World::real(ColorChoice::AlwaysAnsi);
            runtime.block_on(completion::answer(&shell, &arguments, command, &world));
            // Do not wait for lookups that are still running.
            runtime.shutdown_background();
        }
        return ExitCode::SUCCESS;
    }
    let (parsed, note) = parse(arguments);
    let color = parsed.as_ref().map_or(ColorChoice::Auto, |cli| cli.common.color.choice());
    let world = World::real(color);
    let code = match runtime {
        Ok(runtime) => runtime.block_on(carry_out(parsed, note, &world)),
        Err(error) => fail(&Error::new("could not start").because(error), false, &world),
    };
    ExitCode::from(code)
}

/// Parses the arguments, runs the command in the given world, and returns the exit code.
pub async fn run(arguments: impl IntoIterator<Item = OsString>, world: &World) -> u8 {
    let (parsed, note) = parse(arguments);
    carry_out(parsed, note, world).await
}

/// Parses the arguments. The note says which command was chosen for a word with several meanings.
fn parse(arguments: impl IntoIterator<Item = OsString>) -> (Result<Cli, clap::Error>, Option<String>) {
    let command = command();
    let Typed { arguments, note } = expanded(arguments.into_iter().collect(), &command);
    let mut command = version::told(command, &arguments);
    let parsed = command
        .try_get_matches_from_mut(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command)));
    (parsed, note)
}

/// Returns the declared command line. A command accepts flags that have no meaning for it, but its help hides them.
fn command() -> clap::Command {
    fn without(command: clap::Command, flags: &[&'static str]) -> clap::Command {
        command.args(flags.iter().map(|flag| Arg::new(*flag).long(*flag).hide(true)))
    }
    let command = Cli::command()
        .mut_subcommand("export", |all| {
            export::command(all)
                .mut_subcommand("cloudformation", |one| without(one, &["region", "profile"]))
                .mut_subcommand("terraform", |one| without(one, &["region", "profile"]))
                .mut_subcommand("notifier", |one| without(one, &["stack", "region", "profile"]))
        })
        // The new stack has the settings of the flags and of the old rule, and of nothing else.
        .mut_subcommand("import", |import| import.mut_arg("reset", |reset| reset.hide(true)))
        .mut_subcommand("preview", |preview| without(preview, &["stack", "region", "profile"]))
        .mut_subcommand("completions", |completions| without(completions, &["stack", "region", "profile"]))
        .mut_subcommand("man", |man| without(man, &["stack", "region", "profile"]))
        .mut_subcommand("pattern", |pattern| {
            pattern
                .mut_subcommand("list", |list| without(list, &["stack", "region", "profile"]))
                .mut_subcommand("show", |show| without(show, &["stack", "profile"]))
        });
    in_groups(in_sections(command))
}

async fn carry_out(parsed: Result<Cli, clap::Error>, note: Option<String>, world: &World) -> u8 {
    if let Some(note) = note {
        world.err.print(&note);
    }
    let code = answered(parsed, world).await;
    match world.out.failure() {
        // The caller has not received the result, so the code does not describe it.
        Some(error) if ![exit::USAGE, exit::code_of(Category::Interrupted)].contains(&code) => {
            fail(&error, false, world)
        }
        _ => code,
    }
}

async fn answered(parsed: Result<Cli, clap::Error>, world: &World) -> u8 {
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            return match of_webhook(&error) {
                Some(error) => fail(&error, false, world),
                None => answer_without_running(&without_misleading_tip(without_quoted_secrets(error)), world),
            };
        }
    };
    let verbose = cli.common.verbose;
    if let Some(name) = cli.command.of_permissions() {
        world.is_running(name);
    }
    cli.dispatch(world).await.unwrap_or_else(|error| fail(&error, verbose, world))
}

fn fail(error: &Error, verbose: bool, world: &World) -> u8 {
    world.err.print(&render::last_error(error, verbose, world.command()));
    exit::code_of_error(error)
}

/// Replaces the user's texts that an error about arguments quotes: such a text may be a webhook, or the URL of a proxy.
fn without_quoted_secrets(mut error: clap::Error) -> clap::Error {
    let quoted = error.context().filter_map(|(kind, value)| match (kind, value) {
        (
            ContextKind::InvalidValue | ContextKind::InvalidArg | ContextKind::InvalidSubcommand,
            ContextValue::String(text),
        ) => Some((kind, without_secrets(text))).filter(|(_, shown)| shown != text),
        _ => None,
    });
    for (kind, shown) in quoted.collect::<Vec<_>>() {
        error.insert(kind, ContextValue::String(shown));
        // The suggestion repeats the argument.
        error.insert(ContextKind::Suggested, ContextValue::None);
    }
    error
}

/// Prints help and version to stdout, and a usage error to stderr. Returns the exit code.
fn answer_without_running(error: &clap::Error, world: &World) -> u8 {
    let text = if quotes_control_characters(error) {
        printable_lines(&error.render().to_string())
    } else {
        marked(&error.render().ansi().to_string())
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            world.out.print(&text);
            0
        }
        _ => {
            world.err.print(&text);
            exit::USAGE
        }
    }
}

/// Checks whether the error quotes arguments with control characters, which could manipulate the terminal.
fn quotes_control_characters(error: &clap::Error) -> bool {
    let quoted = error.context().map(|(_, value)| value.to_string());
    quoted.chain(StdError::source(error).map(ToString::to_string)).any(|text| printable_lines(&text) != text)
}

impl Cli {
    async fn dispatch(self, world: &World) -> Result<u8> {
        let Self { common, command } = self;
        // `notify` and `man` handle signals themselves: `notify --run` passes them on to its command, and Ctrl-C is for the pager.
        if !matches!(command, Command::Notify(_) | Command::Man(_)) {
            world.heed_signals();
        }
        if matches!(common.output, Format::Github | Format::Markdown) && !matches!(command, Command::Drift(_)) {
            return Err(
                Error::usage("--output github and markdown work only with drift").hint("use --output text or json")
            );
        }
        if common.output == Format::Mermaid && !matches!(command, Command::Graph(_)) {
            return Err(Error::usage("--output mermaid works only with graph").hint("use --output text or json"));
        }
        match command {
            Command::Init(args) => init::run(args, &common, world).boxed_local().await,
            Command::Setup(args) => fleet::run(args, common, world, None::<teardown::Args>).await,
            Command::Import(args) => {
                fleet::alone(args, common, world, |a, c, w| import::run(a, c, w).boxed_local()).await
            }
            Command::Drift(args) => fleet::run(args, common, world, Some(teardown::Args::look())).await,
            Command::Graph(args) => {
                fleet::alone(args, common, world, |a, c, w| graph::run(a, c, w).boxed_local()).await
            }
            Command::Teardown(args) => {
                let removal = args.clone();
                fleet::run(args, common, world, Some(removal)).await
            }
            Command::Drill(args) => fleet::run(args, common, world, None::<teardown::Args>).await,
            Command::Replay(args) => {
                fleet::alone(args, common, world, |a, c, w| replay::run(a, c, w).boxed_local()).await
            }
            Command::Permissions(args) => {
                fleet::alone(args, common, world, |a, c, w| permissions::run(a, c, w).boxed_local()).await
            }
            Command::Status(args) => fleet::run(args, common, world, None::<teardown::Args>).await,
            Command::Jobs(args) => fleet::run(args, common, world, None::<teardown::Args>).await,
            Command::Notify(args) => {
                fleet::alone(args, common, world, |a, c, w| notify::run(a, c, w).boxed_local()).await
            }
            Command::Pattern(pattern::Command::Test(args)) => {
                fleet::alone(args, common, world, |a, c, w| pattern::test::run(a, c, w).boxed_local()).await
            }
            Command::Doctor(args) => doctor::run(args, &common, world).boxed_local().await,
            Command::Export(command) => export::run(command, &common, world),
            Command::Preview(args) => preview::run(&args, &common, world),
            Command::Completions(args) => completion::run(&args, world),
            Command::Man(args) => man::run(&args, self::command(), world).await,
            Command::Pattern(command) => pattern::run(&command, &common, world),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use args::sections::{GROUPS, OF_STACKS, SECTIONS};

    use super::*;

    fn expand(line: &str) -> (String, bool) {
        let typed = expanded(line.split(' ').map(OsString::from).collect(), &command());
        let words: Vec<&str> = typed.arguments.iter().map(|argument| argument.to_str().unwrap()).collect();
        (words.join(" "), typed.note.is_some())
    }

    #[test]
    fn words_that_people_type_become_commands() {
        for (typed, meant) in [
            ("taskbell plan --cluster batch", "taskbell setup --dry-run --cluster batch"),
            ("taskbell --region eu-west-1 plan", "taskbell --region eu-west-1 setup --dry-run"),
            ("taskbell plan --dry-run", "taskbell setup --dry-run"),
            ("taskbell remove --stack plan", "taskbell teardown --stack plan"),
            ("taskbell destroy -y", "taskbell teardown -y"),
            ("taskbell help destroy", "taskbell help teardown"),
            ("taskbell version", "taskbell --version"),
            ("taskbell --profile test plan", "taskbell --profile test setup --dry-run"),
            ("taskbell --stack test drift", "taskbell --stack test drift"),
            ("taskbell notify test", "taskbell notify test"),
            ("taskbell notify --run -- plan", "taskbell notify --run -- plan"),
        ] {
            assert_eq!(expand(typed), (meant.to_owned(), false));
        }
    }

    #[test]
    fn test_is_a_drill_or_a_test_of_patterns_and_says_so() {
        for (typed, meant) in [
            ("taskbell test --cluster batch", "taskbell drill --cluster batch"),
            ("taskbell test", "taskbell drill"),
            ("taskbell test oom", "taskbell pattern test oom"),
            ("taskbell test event.json --live", "taskbell pattern test event.json --live"),
            ("taskbell test --job nightly", "taskbell pattern test --job nightly"),
            ("taskbell test -", "taskbell pattern test -"),
            ("taskbell test --stack oom", "taskbell drill --stack oom"),
            ("taskbell test --stack=oom", "taskbell drill --stack=oom"),
            ("taskbell test --cluster oom --timeout 9", "taskbell drill --cluster oom --timeout 9"),
            ("taskbell test --config x.json -q", "taskbell drill --config x.json -q"),
            ("taskbell test --stack --job", "taskbell drill --stack --job"),
            ("taskbell test --cluster batch oom", "taskbell pattern test --cluster batch oom"),
            ("taskbell test --family web oom", "taskbell pattern test --family web oom"),
        ] {
            let is_quiet = typed.ends_with("-q");
            assert_eq!(expand(typed), (meant.to_owned(), !is_quiet));
        }
        assert!(!expand("taskbell test -q").1);
    }

    /// Returns the ids of the flags of every command whose help has sections.
    fn flags_in_sections(command: &clap::Command, found: &mut BTreeSet<String>) {
        if command.get_arguments().any(|arg| arg.get_id() == OF_STACKS) {
            let flags = command.get_arguments().filter(|arg| !arg.is_positional());
            found.extend(flags.map(|arg| arg.get_id().to_string()));
        }
        command.get_subcommands().for_each(|one| flags_in_sections(one, found));
    }

    #[test]
    fn every_flag_of_a_section_exists_and_every_other_flag_is_known_to_be_about_one_run() {
        let mut flags = BTreeSet::new();
        flags_in_sections(&command(), &mut flags);
        let listed: BTreeSet<String> =
            SECTIONS.iter().flat_map(|(_, ids)| ids.iter().map(|id| (*id).to_owned())).collect();
        assert_eq!(listed.difference(&flags).collect::<Vec<_>>(), [""; 0]);
        let others: Vec<&String> = flags.difference(&listed).collect();
        let of_one_run = [
            "all",
            "drill",
            "dry_run",
            "fail_on_warning",
            "file",
            "format",
            "help",
            "jobs",
            "keep_pattern",
            "profile",
            "region",
            "remove_old",
            "reset",
            "stack_set",
            "version",
            "yes",
        ];
        assert_eq!(others, of_one_run);
    }

    #[test]
    fn every_command_is_in_one_group_of_the_help() {
        let command = command();
        let visible = command.get_subcommands().filter(|one| !one.is_hide_set()).map(clap::Command::get_name);
        // clap adds the command `help` when it parses.
        let mut commands: Vec<&str> = visible.chain(["help"]).collect();
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        commands.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, commands);
    }
}
