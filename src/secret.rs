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
        if let Some(host) = first_host(before) {
            return format!("{host}/…");
        }
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
    match first_host(text) {
        Some(host) => format!("{host}/…"),
        None => text.to_owned(),
    }
}

/// Returns the text up to the end of its first host, if a path or a query follows: an address without a scheme, or with half of one.
fn first_host(text: &str) -> Option<&str> {
    let is_encoded_slash = |at: usize| text[at..].get(1..3).is_some_and(|code| code.eq_ignore_ascii_case("2f"));
    let ends = text.match_indices(['/', '?', '#', '%', '\\']).filter(|(at, end)| *end != "%" || is_encoded_slash(*at));
    ends.map(|(at, _)| &text[..at]).find_map(|before| {
        let start = before.trim_end_matches(is_of_host).len();
        let labels: Vec<&str> = before[start..].split('.').collect();
        let is_domain = labels.len() > 1 && labels.iter().all(|label| !label.is_empty());
        // A folder's name may have a dot, too. Behind a slash, a host has at least three words.
        let is_in_path = before[..start].ends_with(['/', '\\'])
            && !["//", "\\\\", ":/", ":\\"].iter().any(|end| before[..start].ends_with(end));
        let is_long =
            labels.len() > 2 && labels.last().is_some_and(|last| last.starts_with(|c: char| c.is_alphabetic()));
        let (host, _) = host(&before[start..]);
        (is_domain && (is_long || !is_in_path)).then(|| &text[..start + host.len()])
    })
}

/// Checks whether a host and its port may contain the character.
fn is_of_host(char: char) -> bool {
    char.is_ascii_alphanumeric() || ".-_[]:".contains(char)
}

/// Returns the host at the beginning of an address, and whether a path or a query follows.
fn host(address: &str) -> (&str, bool) {
    let end = address.find(|c| !is_of_host(c)).unwrap_or(address.len());
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
        let url = url(after);
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

/// Returns the URL at the beginning of a text, without its scheme. White space and quotes end a URL, unless they belong to a password:
/// then an `@` follows them.
fn url(text: &str) -> &str {
    let up_to = |end: fn(char) -> bool| &text[..text.find(end).unwrap_or(text.len())];
    let url = up_to(|c| c.is_whitespace() || "\"'<>`".contains(c));
    let authority = url.rsplit('@').next().unwrap_or(url).split(['/', '?', '#']).next().unwrap_or_default();
    let Some((_, port)) = authority.rsplit_once(':') else { return url };
    // The end of a sentence or of a list may follow a port, and a bracket ends an address of IPv6.
    let port = port.trim_end_matches(|c| ",.;:!)}\\".contains(c));
    let is_port = port.ends_with(']') || port.chars().all(|c| c.is_ascii_digit());
    let longest = match (is_port, url.contains('@')) {
        (true, true) => return url,
        (true, false) => up_to(char::is_whitespace),
        (false, _) => up_to(|c| matches!(c, '\n' | '\r')),
    };
    match longest[url.len()..].find('@').map(|at| url.len() + at) {
        Some(at) => &text[..longest[at..].find(char::is_whitespace).map_or(longest.len(), |end| at + end)],
        None => url,
    }
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
            ("hook=hooks.slack.com/services/T0/B0/hunter2", "\"hook=hooks.slack.com/…\""),
            (" hooks.slack.com/services/T0/B0/hunter2", "\" hooks.slack.com/…\""),
            ("\"hooks.slack.com/services/T0/B0/hunter2\"", "\"\\\"hooks.slack.com/…\""),
            ("'hooks.slack.com/services/T0/B0/hunter2'", "\"'hooks.slack.com/…\""),
            ("<hooks.slack.com/services/T0/B0/hunter2>", "\"<hooks.slack.com/…\""),
            ("https:/hooks.slack.com/services/T0/B0/hunter2", "\"https:/hooks.slack.com/…\""),
            ("//hooks.slack.com/services/T0/B0/hunter2", "\"//hooks.slack.com/…\""),
            ("hook/hooks.slack.com/services/T0/B0/hunter2", "\"hook/hooks.slack.com/…\""),
            ("https:\\hooks.slack.com\\services\\hunter2", "\"https:\\\\hooks.slack.com/…\""),
            ("hooks.slack.com%2Fservices%2Fhunter2", "\"hooks.slack.com/…\""),
            ("https%3a%2f%2fhooks.slack.com%2fservices%2fhunter2", "\"https%3a%2f%2fhooks.slack.com/…\""),
            ("hooks.slack.com:443/hunter2", "\"hooks.slack.com:443/…\""),
            ("discord.com/api/webhooks/1/hunter2 https://chat.example", "\"discord.com/…\""),
            ("name=me:hunter2.x/y", "\"name=me/…\""),
            ("user:hunter2@proxy.example:8080", "\"…\""),
            ("https://chat.example:8443", "\"https://chat.example:8443\""),
            ("http://[::1]:80/hunter2", "\"http://[::1]:80/…\""),
            ("arn:aws:iam::123456789012:role/a@b", "\"arn:aws:iam::123456789012:role/a@b\""),
            ("/team/slack-webhook", "\"/team/slack-webhook\""),
            ("./a.b/c", "\"./a.b/c\""),
            ("/team/v1.2.3/hook.json", "\"/team/v1.2.3/hook.json\""),
            ("a b", "\"a b\""),
            ("v1.2 of a/b", "\"v1.2 of a/b\""),
            ("more than 50.5%", "\"more than 50.5%\""),
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
            ("no proxy at http://me:hun'ter2@proxy:8080 yet", "no proxy at http://…@proxy:8080 yet"),
            ("'http://me:hunter2'\"<`>2@proxy:8080', a@b", "'http://…@proxy:8080', a@b"),
            ("http://me:12'34@proxy and a@b", "http://…@proxy and a@b"),
            ("http://me:hunter2 hunter2@proxy:8080 and a@b", "http://…@proxy:8080 and a@b"),
            ("http://me@corp:hunter2'hunter2@proxy", "http://…@proxy"),
            ("http://me:hun/ter2'hunter2@proxy", "http://…@proxy"),
            ("http://me:hunter2\nhttp://me:hunter2@proxy", "http://me:hunter2\nhttp://…@proxy"),
            ("through 'http://proxy:8080', by a@b", "through 'http://proxy:8080', by a@b"),
            (
                "(http://proxy:8080), a@b; http://[::1]: a@b; http://[::1]:80; a@b",
                "(http://proxy:8080), a@b; http://[::1]: a@b; http://[::1]:80; a@b",
            ),
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
