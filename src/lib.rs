//! Get a Slack alert when an Amazon ECS task fails.
//!
//! The modules, from the bottom up (CONTRIBUTING.md has the picture, and `tests/cli/walls.rs` the list of allowed imports):
//!
//! - [`error`], [`arn`], [`document`], [`policy`], [`secret`], [`stack`], [`date`], [`task`], [`input`], [`style`], [`words`]: values
//!   and texts; they import nothing but `error` and one another
//! - [`calendar`]: cron expressions, durations and time zones
//! - [`pattern`]: event patterns, how EventBridge matches them, samples and the scenarios of drills
//! - [`notifier`]: the notifier's code as an archive, and its pure modules in an embedded JavaScript engine
//! - [`reconcile`]: the definition of a kind of resource, the plan as a value, and the engine that observes and applies
//! - [`config`]: the settings of a stack, `taskbell.toml`, and the checked configuration
//! - [`aws`]: the only module that names the SDK: `kinds`, the other `calls`, and `client`, the only module that waits
//! - [`desired`]: the resources that a configuration needs; [`permissions`]: the least policy for each command
//! - [`export`]: the desired resources as a file for other engines; [`graph`]: the stack as a picture
//! - [`operations`]: the use cases, as values, with the parts that they share: `session`, `links`, `events`, `verdict`
//! - [`cli`]: the only module that prints: `commands`, `run`, `render`, `args` and `terminal`

pub mod arn;
pub mod aws;
pub mod calendar;
pub mod cli;
pub mod config;
pub mod date;
pub mod desired;
pub mod document;
pub mod error;
pub mod export;
pub mod graph;
pub mod input;
pub mod notifier;
pub mod operations;
pub mod pattern;
pub mod permissions;
pub mod policy;
pub mod reconcile;
pub mod secret;
pub mod stack;
pub mod style;
pub mod task;
pub mod words;
