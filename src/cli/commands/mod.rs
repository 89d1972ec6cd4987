//! Contains one file for each command: the command's arguments, the operations it calls, and the questions it asks.

pub mod completion;
pub mod doctor;
pub mod drift;
pub mod drill;
pub mod export;
pub mod graph;
pub mod import;
pub mod init;
pub mod jobs;
pub mod man;
pub mod notify;
pub mod pattern;
pub mod permissions;
pub mod preview;
pub mod replay;
pub mod setup;
pub mod status;
pub mod teardown;
pub mod version;
