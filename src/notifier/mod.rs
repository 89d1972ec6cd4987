//! Contains the notifier's code, as an archive and as pure modules in an embedded JavaScript engine.

pub mod archive;
pub mod embedded;
