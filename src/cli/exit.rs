//! Defines the exit codes. No other module does.

use crate::error::{Category, Error};
use crate::operations::verdict::Verdict;

/// The exit code of a usage error that clap found.
pub const USAGE: u8 = code_of(Category::Usage);

/// Returns the exit code of a verdict.
#[must_use]
pub const fn code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::InSync => 0,
        Verdict::Failed => code_of(Category::Failure),
        Verdict::Differs => 2,
        Verdict::Unreadable => code_of(Category::Unreadable),
    }
}

/// Returns the exit code of a category of errors.
#[must_use]
pub const fn code_of(category: Category) -> u8 {
    match category {
        Category::Failure => 1,
        // As after --dry-run, the differences are still there.
        Category::Declined => code(Verdict::Differs),
        Category::Unreadable => 3,
        Category::Usage => 64,
        Category::Interrupted => 130,
    }
}

/// Returns the exit code of an error. Without credentials, the code is the same for every command.
#[must_use]
pub fn code_of_error(error: &Error) -> u8 {
    if error.lacks_credentials() { code_of(Category::Unreadable) } else { code_of(error.kind()) }
}
