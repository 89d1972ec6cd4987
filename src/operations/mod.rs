//! Contains the use cases. They print nothing, ask nothing, and know no format: the command line, or another program, does that.

pub mod check;
pub mod drift;
pub mod drill;
pub mod event_file;
pub mod events;
pub mod fleet;
pub mod import;
pub mod init;
pub mod links;
pub mod notify;
pub mod preview;
pub mod replay;
pub mod session;
pub mod setup;
pub mod status;
pub mod target;
pub mod task_definition;
pub mod teardown;
pub mod verdict;
