//! The one error type: what we were doing, why it failed, and what the reader can do about it.
//! It knows its category, from which the command line makes an exit code. It prints nothing.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What kind of trouble it is; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// Something went wrong while doing what was asked.
    Failure,
    /// Something could not be read, so there is no verdict.
    Unreadable,
    /// The command line or an input is not usable as given.
    Usage,
    /// Stopped by Ctrl-C or SIGTERM.
    Interrupted,
}

/// What the reader of an error can do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hint {
    /// In words.
    Words(String),
    /// AWS denied a call: the policy of the command that is run has to be granted. Which command that is, the renderer knows.
    GrantPolicy,
}

impl From<String> for Hint {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

impl From<&str> for Hint {
    fn from(words: &str) -> Self {
        Self::Words(words.to_owned())
    }
}

/// An error told in the user's terms.
///
/// The message says what was being done and never repeats its source; the printer in `cli` walks the chain.
#[derive(Debug)]
pub struct Error {
    doing: String,
    hint: Option<Hint>,
    detail: Option<String>,
    source: Option<Source>,
    category: Category,
}

impl Error {
    #[must_use]
    pub fn new(doing: impl Into<String>) -> Self {
        Self { doing: doing.into(), hint: None, detail: None, source: None, category: Category::Failure }
    }

    /// The command line or an input is not usable as given (exit code 64).
    #[must_use]
    pub fn usage(problem: impl Into<String>) -> Self {
        Self::new(problem).category(Category::Usage)
    }

    #[must_use]
    pub fn interrupted(doing: impl Into<String>) -> Self {
        Self::new(doing).category(Category::Interrupted)
    }

    #[must_use]
    pub fn category(mut self, category: Category) -> Self {
        self.category = category;
        self
    }

    /// Something the reader can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// More than most readers want, such as all that a library tried.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The nearest hint in the chain.
    #[must_use]
    pub fn nearest_hint(&self) -> Option<&Hint> {
        self.hint.as_ref().or_else(|| self.source.as_deref()?.downcast_ref::<Self>()?.nearest_hint())
    }

    /// The words of the nearest hint, if it has any.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        match self.nearest_hint()? {
            Hint::Words(words) => Some(words),
            Hint::GrantPolicy => None,
        }
    }

    /// The nearest detail in the chain.
    #[must_use]
    pub fn detail_text(&self) -> Option<&str> {
        self.detail.as_deref().or_else(|| self.source.as_deref()?.downcast_ref::<Self>()?.detail_text())
    }

    /// The first source in the chain that is a `T`.
    #[must_use]
    pub fn find<T: std::error::Error + 'static>(&self) -> Option<&T> {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<T>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// The message and those of its causes.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |error| error.source());
        let messages = std::iter::once(self.to_string()).chain(causes.map(ToString::to_string));
        messages.collect::<Vec<_>>().join(": ")
    }

    #[must_use]
    pub fn kind(&self) -> Category {
        self.category
    }

    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.category == Category::Interrupted
    }
}

/// How alike two names are at least, from 0 to 1, for one to be taken for the other mistyped.
const ALIKE: f64 = 0.8;
/// A part that names may have in common is no shorter.
const SHORTEST_PART: usize = 3;

/// Whether the known name may have been meant: it is alike, or one is a part of the other.
#[must_use]
pub fn is_near(known: &str, typed: &str) -> bool {
    let part = |whole: &str, part: &str| part.len() >= SHORTEST_PART && whole.contains(part);
    strsim::jaro_winkler(known, typed) >= ALIKE || part(known, typed) || part(typed, known)
}

/// The known name that was most likely meant, if any was.
pub fn nearest<'a>(known: impl IntoIterator<Item = &'a str>, typed: &str) -> Option<&'a str> {
    let near = known.into_iter().filter(|name| is_near(name, typed));
    near.max_by(|a, b| strsim::jaro_winkler(a, typed).total_cmp(&strsim::jaro_winkler(b, typed)))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_was_meant() {
        let known = ["task-failed", "nonzero-exit", "out-of-memory"];
        for (typed, meant) in [
            ("non-zero-exit", Some("nonzero-exit")),
            ("memory", Some("out-of-memory")),
            ("zzz", None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(nearest(known, typed), meant, "{typed}");
        }
    }

    #[test]
    fn the_message_does_not_repeat_its_source_and_the_hint_is_found_down_the_chain() {
        let inner = Error::new("AccessDenied: no").hint("ask for the permission");
        let outer = Error::new("could not create the role x").because(inner);
        assert_eq!(outer.to_string(), "could not create the role x");
        assert_eq!(outer.hint_text(), Some("ask for the permission"));
        assert_eq!(outer.kind(), Category::Failure);
    }
}
