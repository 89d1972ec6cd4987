//! Keeps secrets from leaking by accident: printing a `Sealed` prints a fingerprint, and only `reveal()` returns the secret.
//! [`echoed`] decides how much of a user's text an error repeats, and [`without_userinfo`] removes credentials from the URLs of
//! any text.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A secret text. `Debug`, `Display` and `Serialize` give its fingerprint.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed<T>(T);

impl<T: AsRef<str>> Sealed<T> {
    pub fn new(secret: T) -> Self {
        Self(secret)
    }

    /// Returns the secret itself, for the one call that has to carry it.
    pub fn reveal(&self) -> &str {
        self.0.as_ref()
    }

    /// Returns 12 hex digits that change when the secret changes. A webhook has far more entropy than can be searched,
    /// so 48 bits of a hash reveal nothing about it.
    pub fn fingerprint(&self) -> String {
        let hash = Sha256::new().chain_update("taskbell webhook\n").chain_update(self.reveal()).finalize();
        format!("{hash:x}")[..12].to_owned()
    }
}

impl<T: AsRef<str>> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({})", self.fingerprint())
    }
}

impl<T: AsRef<str>> fmt::Display for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fingerprint {}", self.fingerprint())
    }
}

impl<T: AsRef<str>> Serialize for Sealed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Returns the user's text, quoted for an error. A URL in it is cut after its host, and loses its credentials: it may be a webhook
/// or a proxy, and then it is a secret.
#[must_use]
pub fn echoed(text: &str) -> String {
    format!("{:?}", without_secrets(text))
}

/// Returns the user's text as [`echoed`] has it, without quotes.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    if let Some((before, rest)) = text.split_once("://") {
        let start = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "+.-".contains(c)).len();
        let (before, scheme) = before.split_at(start);
        let before = if before.contains('@') { "…" } else { before };
        // A password may contain any character, also an `@`.
        return match host(rest) {
            (host, _) if host.is_empty() || rest.contains('@') => format!("{before}{scheme}://…"),
            (host, true) => format!("{before}{scheme}://{host}/…"),
            (host, false) => format!("{before}{scheme}://{host}"),
        };
    }
    // An ARN has colons, and a role's name may have an `@`.
    if text.starts_with("arn:") {
        return text.to_owned();
    }
    // Credentials before a host, without a scheme: `user:password@proxy:8080`.
    if text.find(':').is_some_and(|colon| text[colon..].contains('@')) {
        return "…".to_owned();
    }
    let (host, has_more) = host(text);
    let labels: Vec<&str> = host.split('.').collect();
    let is_domain = labels.len() > 1 && labels.iter().all(|label| !label.is_empty());
    if has_more && is_domain { format!("{host}/…") } else { text.to_owned() }
}

/// Returns the host at the beginning of an address, and whether a path or a query follows.
fn host(address: &str) -> (&str, bool) {
    let end = address.find(|c: char| !(c.is_ascii_alphanumeric() || ".-_[]:".contains(c))).unwrap_or(address.len());
    let (host, rest) = address.split_at(end);
    // A user's name and a password without an end look like a host and a port.
    let host = match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(':') && !port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    (host, !rest.is_empty())
}

/// Returns the name of a file for an error, without what a URL in its place may contain.
#[must_use]
pub fn file_without_secrets(path: impl AsRef<Path>) -> String {
    let name = path.as_ref().display().to_string();
    // A folder's name may have a dot.
    if name.contains("://") || name.contains('@') { without_secrets(&name) } else { name }
}

/// Returns a library's message, in which each quoted text is as [`without_secrets`] returns it.
#[must_use]
pub fn quotes_without_secrets(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find(['"', '`']) {
        let quote = rest[start..].chars().next().unwrap_or('"');
        let inner = &rest[start + 1..];
        // A quote in the text itself has a backslash in front of it.
        let mut ends = inner.match_indices(quote).map(|(at, _)| at);
        let end = ends.find(|at| !inner[..*at].ends_with('\\')).unwrap_or(inner.len());
        text.push_str(&rest[..=start]);
        text.push_str(&without_secrets(&inner[..end]));
        rest = &inner[end..];
        if let Some(after) = rest.strip_prefix(quote) {
            text.push(quote);
            rest = after;
        }
    }
    text + rest
}

/// Returns a text of any origin, in which no URL has a user's name and a password: `https://user:password@host` becomes
/// `https://…@host`.
#[must_use]
pub fn without_userinfo(text: &str) -> Cow<'_, str> {
    const START: &str = "://";
    if !text.contains(START) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(START) {
        let (before, after) = rest.split_at(at + START.len());
        cleaned.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "\"'<>`".contains(c)).unwrap_or(after.len());
        let url = &after[..end];
        // A password may contain a slash. Behind a path, an `@` belongs to the path unless a colon stands before both.
        let userinfo = match (url.rfind('@'), url.find(['/', '?', '#'])) {
            (Some(at), Some(path)) if at > path && !url[..path].contains(':') => None,
            (at, _) => at,
        };
        if let Some(at) = userinfo {
            cleaned.push('…');
            rest = &after[at..];
        } else {
            rest = after;
        }
    }
    cleaned.push_str(rest);
    Cow::Owned(cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoed_text_has_no_secret_of_a_url() {
        for (text, shown) in [
            ("https://user:hunter2@chat.example/hook", "\"https://…\""),
            ("https://user:hun/ter2@chat.example", "\"https://…\""),
            ("https://hunter2@chat.example", "\"https://…\""),
            ("https://user:hunter2", "\"https://user\""),
            ("https://hooks.slack.com/services/T0/B0/hunter2", "\"https://hooks.slack.com/…\""),
            ("https://hooks.slack.com?hunter2", "\"https://hooks.slack.com/…\""),
            ("HTTPS://hooks.slack.com/hunter2", "\"HTTPS://hooks.slack.com/…\""),
            ("hook=https://chat.example/hunter2,kind=x", "\"hook=https://chat.example/…\""),
            ("hooks.slack.com/services/T0/B0/hunter2", "\"hooks.slack.com/…\""),
            ("user:hunter2@proxy.example:8080", "\"…\""),
            ("https://chat.example:8443", "\"https://chat.example:8443\""),
            ("http://[::1]:80/hunter2", "\"http://[::1]:80/…\""),
            ("arn:aws:iam::123456789012:role/a@b", "\"arn:aws:iam::123456789012:role/a@b\""),
            ("/team/slack-webhook", "\"/team/slack-webhook\""),
            ("./a.b/c", "\"./a.b/c\""),
            ("a b", "\"a b\""),
        ] {
            assert_eq!(echoed(text), shown, "{text}");
        }
    }

    #[test]
    fn quoted_text_of_a_message_has_no_secret() {
        for (message, shown) in [
            (
                r#"invalid type: string "https://u:hun\"ter2@h/x", expected a sequence"#,
                r#"invalid type: string "https://…", expected a sequence"#,
            ),
            (
                "unknown variant `https://hooks.slack.com/services/hunter2`, expected `en`",
                "unknown variant `https://hooks.slack.com/…`, expected `en`",
            ),
            ("no quote, and \"one without an end https://h/hunter2", "no quote, and \"one without an end https://h/…"),
        ] {
            assert_eq!(quotes_without_secrets(message), shown);
        }
        assert_eq!(file_without_secrets("conf.dd/x.json"), "conf.dd/x.json");
        assert_eq!(file_without_secrets("https://hooks.slack.com/services/hunter2"), "https://hooks.slack.com/…");
    }

    #[test]
    fn no_url_in_a_text_keeps_its_user() {
        for (text, shown) in [
            ("no proxy at http://me:hunter2@proxy:8080/ yet", "no proxy at http://…@proxy:8080/ yet"),
            ("\"http://hunter2@a\" and https://b:hun@ter2@c/d", "\"http://…@a\" and https://…@c/d"),
            ("http://me:hun/ter2@proxy", "http://…@proxy"),
            ("https://pypi.example/@scope/x?a=b@c", "https://pypi.example/@scope/x?a=b@c"),
            ("see https://docs.aws.amazon.com/, a@b", "see https://docs.aws.amazon.com/, a@b"),
            ("a@b", "a@b"),
        ] {
            assert_eq!(without_userinfo(text), shown, "{text}");
        }
    }

    #[test]
    fn printing_never_shows_the_secret() {
        let secret = Sealed::new("https://hooks.slack.com/services/T0/B0/hunter2");
        let shown = format!("{secret:?} {secret:#?} {secret} {}", serde_json::to_string(&secret).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(secret.reveal(), "https://hooks.slack.com/services/T0/B0/hunter2");
    }

    #[test]
    fn different_secrets_have_different_fingerprints() {
        assert_ne!(Sealed::new("a").fingerprint(), Sealed::new("b").fingerprint());
    }
}
