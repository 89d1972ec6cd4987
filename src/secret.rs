//! Keeps secrets from leaking by accident: printing a `Sealed` prints a fingerprint.
//! Only `reveal()` returns the secret.

use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

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
