//! Parse, run, exit code. Nothing else.

use std::process::ExitCode;

use taskbell::cli;

fn main() -> ExitCode {
    cli::main()
}
