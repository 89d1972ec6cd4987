//! Handles several stacks: selects them, finds their accounts, and carries out an operation for all of them.

pub mod lists;
pub mod places;
pub mod run;
pub mod selection;
