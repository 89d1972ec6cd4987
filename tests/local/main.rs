//! Checks the binary as it is built, in real processes, against local AWSs that the tests start themselves.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

#[cfg(unix)]
mod completion;
mod destinations;
#[cfg(unix)]
mod docs_run;
mod doctor;
mod drill;
mod e2e;
mod export;
mod fleet;
mod http_faults;
mod import;
mod input;
mod jobs;
mod killed;
mod moto_iam;
mod notify;
mod process;
mod properties;
mod replay;
mod roles;
mod status;
mod storm;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod tools;
mod upgrade;
mod watch;
