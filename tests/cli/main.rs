//! Checks the output: messages, pictures, patterns, schemas, documentation, and the walls between the modules.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod calendar;
mod docs;
mod file;
mod foreign;
mod fuzz;
mod graph;
mod house;
mod message;
mod output;
mod patterns;
mod preview;
mod properties;
mod prose;
mod schema;
#[path = "../support/mod.rs"]
mod support;
mod walls;
