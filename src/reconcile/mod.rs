//! Leads from the existing resources to the desired ones: kinds of resources, the plan as a value, and the engine that applies
//! it.

pub mod engine;
pub mod owner;
pub mod plan;
pub mod resource;
