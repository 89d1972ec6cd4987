//! Checks laws of every command: runs the command line in the process, on a paused clock, against an AWS in memory that is as
//! strict as the real one. No test here starts a process or looks at the real clock.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod clusters;
mod deadlines;
mod destinations;
mod doctor;
mod drift;
mod drill;
mod engine;
mod faults;
mod fleet;
mod import;
mod input;
mod jobs;
mod lost_output;
mod notify;
mod ownership;
mod patience;
mod permissions;
mod questions;
mod record;
mod replay;
mod status;
mod storm;
#[path = "../support/mod.rs"]
mod support;
mod unbroken;
mod upgrade;
mod vanished;
mod watch;
