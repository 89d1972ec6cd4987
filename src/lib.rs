//! taskbell rings Slack when an Amazon ECS task dies.
//!
//! The floor plan, from the ground up:
//!
//! - [`error`], [`document`], [`policy`], [`secret`], [`stack`], [`task`], [`input`]: values; they import nothing but `error`
//! - [`pattern`]: event patterns, how EventBridge matches them, samples and the scenarios of drills
//! - [`notifier`]: the notifier's code as an archive, and its pure modules in an embedded JavaScript engine
//! - [`reconcile`]: what a kind of resource is, the plan as a value, and the engine that observes and applies
//! - [`config`]: what can be said about a stack, `taskbell.toml`, and what was asked for, checked
//! - [`aws`]: the only room that names the SDK: `kinds`, the other `calls`, and `client`, which alone waits
//! - [`desired`]: what should exist for a configuration; [`permissions`]: the least policy for each command
//! - [`export`]: what should exist, as a file for other engines; [`graph`]: the stack as a picture
//! - [`chain`]: which links hold between an event and the notifier
//! - [`operations`]: the use cases, as values
//! - [`cli`]: the only room that prints

pub mod aws;
pub mod cli;
pub mod config;
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
pub mod task;
pub mod words;
