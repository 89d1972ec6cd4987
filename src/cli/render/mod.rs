//! Renders values as text, JSON, Markdown and annotations. Prints nothing.

pub mod deadlines;
mod difference;
pub mod doctor;
pub mod drift;
pub mod drill;
mod error;
pub mod export;
pub mod fleet;
mod github;
pub mod graph;
mod heading;
pub mod import;
pub mod init;
pub mod jobs;
mod json;
mod markdown;
mod marks;
pub mod message;
pub mod mismatch;
pub mod next_step;
pub mod pattern_test;
mod plan;
pub mod preview;
pub mod replay;
pub mod report;
pub mod setup;
pub mod status;
pub mod teardown;

pub use error::{error, hint_after, last_error};
pub use heading::{heading, located};
pub use json::{document, json, plan_json};
pub use plan::{plan, sum, sum_of_done};
