//! What can be typed: flags that several commands share.

pub mod common;
pub mod fleet;
