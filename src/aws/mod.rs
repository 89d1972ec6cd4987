//! Talks to AWS, and is the only module that names the SDK: `kinds` of resources, the other `calls`, and `client`, which makes
//! calls.

pub mod calls;
pub mod client;
pub mod kinds;
