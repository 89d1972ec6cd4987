//! taskbell rings Slack when an Amazon ECS task dies.
//!
//! The floor plan, from the ground up:
//!
//! - [`error`], [`document`], [`policy`], [`secret`], [`stack`], [`pattern`], [`notifier`]: values; they know nothing of each other
//! - [`task`]: what ECS describes, as the notifier gets it
//! - [`input`]: the text of a user's files, whatever their encoding
//! - [`resource`]: what a kind of resource is; [`plan`]: the steps from what is there to what should be, as a value
//! - [`settings`]: what can be said about a stack; [`file`]: `taskbell.toml`; [`config`]: what was asked for, checked; [`desired`]: what should exist for it
//! - [`permissions`]: the least policy for each command
//! - [`export`]: what should exist, as a file for other engines
//! - [`chain`]: which links hold between an event and the notifier
//! - [`graph`]: the stack as a picture
//! - [`drill`]: the events of drills
//! - [`aws`]: one file a kind, and the only place that waits
//! - [`preview`]: the notifier's pure modules in an embedded JavaScript engine
//! - [`engine`]: observes and applies
//! - [`cli`]: the only room that prints

pub mod aws;
pub mod chain;
pub mod cli;
pub mod config;
pub mod desired;
pub mod document;
pub mod drill;
pub mod engine;
pub mod error;
pub mod export;
pub mod file;
pub mod graph;
pub mod input;
pub mod notifier;
pub mod pattern;
pub mod permissions;
pub mod plan;
pub mod policy;
pub mod preview;
pub mod resource;
pub mod secret;
pub mod settings;
pub mod stack;
pub mod task;
