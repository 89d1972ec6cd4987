//! Compares the existing resources with the desired ones (`plan`), and applies the difference (`engine`). Each kind of `resource`
//! has an adapter.

pub mod engine;
mod gates;
pub mod owner;
pub mod plan;
pub mod resource;
