//! From what exists to what should exist: what a kind of resource is, the plan as a value, and the engine that applies it.

pub mod engine;
pub mod plan;
pub mod resource;
