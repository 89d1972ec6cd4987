//! Defines the one error type: the action that failed, the reason, and the fix that the reader can try.
//! An error has a category, from which the command line makes an exit code. The module prints nothing.

use std::borrow::Cow;
use std::fmt;

use crate::secret::without_userinfo;

pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The kind of a problem; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// An action that the user asked for failed.
    Failure,
    /// Something could not be read, so there is no verdict.
    Unreadable,
    /// The command line or an input is not usable as given.
    Usage,
    /// Ctrl-C or SIGTERM stopped the command.
    Interrupted,
    /// The user answered no before the first change.
    Declined,
}

/// A thing that the reader of an error can do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hint {
    /// A hint in words.
    Words(String),
    /// AWS denied a call: the user has to grant the policy of the command that is running. Only the renderer knows the command.
    GrantPolicy,
    /// AWS denied a call about the schedules: `setup` has a policy of its own for them.
    GrantSchedules,
    /// No credentials exist to sign a call with.
    ProvideCredentials,
    /// No region is known.
    NameRegion,
    /// The user most likely means another region or profile.
    CheckPlace,
    /// The user is to choose this region.
    ChooseRegion(String),
    /// The cluster is not known.
    NameCluster,
    /// No stack is selected.
    NameStack,
    /// A part of the stack does not exist.
    SetUp,
    /// The stack differs from its configuration.
    Repair,
    /// Other resources have the names of the stack's resources.
    ResolveConflict,
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

/// An error in the user's terms.
///
/// The message names the action that failed and never repeats its source; the printer in `cli` walks the chain.
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
        Self { doing: clean(doing.into()), hint: None, detail: None, source: None, category: Category::Failure }
    }

    /// Creates an error about a command line or an input that is not usable as given (exit code 64).
    #[must_use]
    pub fn usage(problem: impl Into<String>) -> Self {
        Self::new(problem).category(Category::Usage)
    }

    #[must_use]
    pub fn interrupted(doing: impl Into<String>) -> Self {
        Self::new(doing).category(Category::Interrupted)
    }

    /// Creates the end of a command whose changes the user declined.
    #[must_use]
    pub fn declined() -> Self {
        Self::new("Cancelled. Nothing was changed.").category(Category::Declined)
    }

    #[must_use]
    pub fn category(mut self, category: Category) -> Self {
        self.category = category;
        self
    }

    /// Adds one thing that the reader can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hint = Some(match hint.into() {
            Hint::Words(words) => Hint::Words(clean(words)),
            hint => hint,
        });
        self
    }

    /// Adds information that most readers do not need, such as everything that a library tried.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(clean(detail.into()));
        self
    }

    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        let source = source.into();
        let told = chain(Some(&*source as &(dyn std::error::Error + 'static)))
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ");
        let cleaned = clean(told.clone());
        // The texts of a library are replaced only if they contain a password.
        self.source = Some(if cleaned == told { source } else { Self::new(cleaned).into() });
        self
    }

    /// Returns the nearest hint in the chain.
    #[must_use]
    pub fn nearest_hint(&self) -> Option<&Hint> {
        self.hint.as_ref().or_else(|| self.source.as_deref()?.downcast_ref::<Self>()?.nearest_hint())
    }

    /// Returns the nearest detail in the chain.
    #[must_use]
    pub fn detail_text(&self) -> Option<&str> {
        self.detail.as_deref().or_else(|| self.source.as_deref()?.downcast_ref::<Self>()?.detail_text())
    }

    /// Returns the first error in the chain that is a `T`, beginning with this one.
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

    /// Returns the message and the messages of its causes.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let causes = chain(std::error::Error::source(self));
        let messages = std::iter::once(self.to_string()).chain(causes.map(ToString::to_string));
        let all = messages.collect::<Vec<_>>().join(": ");
        all.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }

    #[must_use]
    pub fn kind(&self) -> Category {
        self.category
    }

    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.category == Category::Interrupted
    }

    #[must_use]
    pub fn is_declined(&self) -> bool {
        self.category == Category::Declined
    }

    /// Returns whether the cause is that no credentials exist to sign a call with.
    #[must_use]
    pub fn lacks_credentials(&self) -> bool {
        self.nearest_hint() == Some(&Hint::ProvideCredentials)
    }
}

/// Returns an error and its causes.
fn chain<'a>(
    error: Option<&'a (dyn std::error::Error + 'static)>,
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(error, |error| error.source())
}

/// Removes the credentials from the URLs of a text: every error is free of them, however it is printed.
fn clean(text: String) -> String {
    match without_userinfo(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(cleaned) => cleaned,
    }
}

/// Least similarity of two names, from 0 to 1, at which one counts as a misspelling of the other.
const ALIKE: f64 = 0.8;
/// Least length of a part that two names may have in common.
const SHORTEST_PART: usize = 3;

/// Returns whether the user may have meant the known name: the names are similar, or one is a part of the other.
#[must_use]
pub fn is_near(known: &str, typed: &str) -> bool {
    let part = |whole: &str, part: &str| part.len() >= SHORTEST_PART && whole.contains(part);
    strsim::jaro_winkler(known, typed) >= ALIKE || part(known, typed) || part(typed, known)
}

/// Returns the known name that the user most likely meant, if any is near.
pub fn nearest<'a>(known: impl IntoIterator<Item = &'a str>, typed: &str) -> Option<&'a str> {
    let near = known.into_iter().filter(|name| is_near(name, typed));
    near.max_by(|a, b| strsim::jaro_winkler(a, typed).total_cmp(&strsim::jaro_winkler(b, typed)))
}

/// Most names that a hint suggests.
const SUGGESTED: usize = 3;

/// Returns the known names that the user may have meant, in words; none if no name is near. Without a near name, few names are all
/// shown. `kind` is the word for one of them.
#[must_use]
pub fn suggestion(kind: &str, known: &[&str], typed: &str) -> Option<String> {
    let likeness = |name: &str| strsim::jaro_winkler(name, typed);
    let mut names = known.to_vec();
    names.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    names.truncate(SUGGESTED);
    let near: Vec<&str> = names.iter().copied().filter(|name| is_near(name, typed)).collect();
    match (near.as_slice(), known) {
        ([], []) => None,
        ([], [only]) => Some(format!("the only {kind} here is {only}")),
        ([], known) if known.len() > SUGGESTED => {
            Some(format!("none of the {} {kind}s here has a similar name", known.len()))
        }
        ([], _) => Some(format!("the {kind}s here are {}", names.join(", "))),
        ([near], _) => Some(format!("the nearest name is {near}")),
        (several, _) => Some(format!("the nearest names are {}", several.join(", "))),
    }
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
    fn only_near_names_are_suggested() {
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
    fn suggestion_has_the_number_of_its_names() {
        for (known, told) in [
            (&["batch", "web"][..], Some("the nearest name is batch")),
            (&["batch", "batch-2", "web"], Some("the nearest names are batch, batch-2")),
            (&["web"], Some("the only cluster here is web")),
            (&["web", "prod"], Some("the clusters here are web, prod")),
            (&["web", "prod", "x", "y"], Some("none of the 4 clusters here has a similar name")),
            (&[], None),
        ] {
            let mut found = suggestion("cluster", known, "btach");
            if known == ["web", "prod"] {
                found = found.map(|found| found.replace("prod, web", "web, prod"));
            }
            assert_eq!(found.as_deref(), told, "{known:?}");
        }
    }

    #[test]
    fn no_error_keeps_the_password_of_a_url() {
        let url = "http://me:hunter2@proxy:8080";
        let source = std::io::Error::other(format!("cannot connect to {url}"));
        let error =
            Error::new(format!("no answer from {url}/x")).hint(format!("check {url}")).detail(url).because(source);
        let told = format!("{error} {error:?} {}", error.in_one_line());
        assert!(!told.contains("hunter2") && told.contains("http://…@proxy:8080/x"), "{told}");
        let kept = Error::new("x").because(std::io::Error::other("see http://a/b"));
        assert!(kept.find::<std::io::Error>().is_some());
    }

    #[test]
    fn message_omits_its_source_and_hint_comes_from_the_chain() {
        let inner = Error::new("AccessDenied: no").hint("ask for the permission");
        let outer = Error::new("could not create the role x").because(inner);
        assert_eq!(outer.to_string(), "could not create the role x");
        assert_eq!(outer.nearest_hint(), Some(&Hint::from("ask for the permission")));
        assert_eq!(outer.kind(), Category::Failure);
    }
}
