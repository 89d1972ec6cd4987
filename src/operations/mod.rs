//! The use cases. They print nothing, ask nothing, and know no format: the command line, or another program, does.

pub mod verdict;
