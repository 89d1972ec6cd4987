//! AWS, and the only room that names its SDK: `kinds` of resources, the other `calls`, and how calls are made, `client`.

pub mod calls;
pub mod client;
pub mod kinds;
