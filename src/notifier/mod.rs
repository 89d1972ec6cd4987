//! The notifier: its code as an archive, and its pure modules in an embedded JavaScript engine.

pub mod archive;
pub mod embedded;
