//! Makes the calls to AWS that are not about the resources of a stack.

pub mod announcement;
pub mod bus;
pub mod cluster;
pub mod foreign;
pub mod invocation;
pub mod journal;
pub mod ledger;
pub mod runtime;
pub mod schedules;
pub mod services;
pub mod tagged;
pub mod task;
pub mod undelivered;
pub mod variables;
pub mod workload;
