//! Contains the use cases. They print nothing, ask nothing, and know no format: the command line, or another program, does that.

pub mod check;
pub mod doctor;
pub mod drift;
pub mod drill;
pub mod events;
pub mod fleet;
pub mod import;
pub mod links;
pub mod notify;
pub mod pattern_test;
pub mod replay;
pub mod session;
pub mod setup;
pub mod status;
pub mod target;
pub mod teardown;
pub mod verdict;
