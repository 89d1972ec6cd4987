//! Defines the flags that several commands share.

pub mod aliases;
pub mod common;
pub mod completion;
pub mod event_input;
pub mod fleet;
mod quoting;
pub mod sections;
pub mod setup;
pub mod shell;
mod values;
