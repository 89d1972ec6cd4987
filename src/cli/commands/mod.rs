//! One file a command: what can be typed, and what is called, asked and shown for it.

pub mod completion;
pub mod doctor;
pub mod drift;
pub mod drill;
pub mod event_input;
pub mod export;
pub mod graph;
pub mod import;
pub mod init;
pub mod man;
pub mod notify;
pub mod pattern;
pub mod pattern_test;
pub mod permissions;
pub mod preview;
pub mod replay;
pub mod setup;
pub mod status;
pub mod teardown;
pub mod version;
