//! What must not be shown.

use std::fmt;
use std::sync::Arc;

use crate::text::excerpt;

/// So many bytes of a secret in a row give it away.
const WINDOW: usize = 12;

/// Shorter values are no secrets: `true`, `auto`, `test`.
const SHORTEST: usize = 6;

/// Most characters that are shown of what a server or a library says.
const SHOWN_CHARS_MAX: usize = 300;

/// Words in the names of settings whose values may be shown. Everything else is taken for a secret.
const HARMLESS: &[&str] =
    &["region", "endpoint", "allow_", "timeout", "style", "account_name", "base_url", "file", "role_"];

/// The secrets among the settings of a store, so that they can be kept out of what it says.
#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<[Box<str>]>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    pub(super) fn of(settings: &[(String, String)]) -> Self {
        let is_secret = |key: &str| {
            let key = key.to_ascii_lowercase();
            !HARMLESS.iter().any(|word| key.contains(word))
        };
        let values = settings.iter().filter(|(key, value)| value.len() >= SHORTEST && is_secret(key));
        Secrets(values.map(|(_, value)| value.as_str().into()).collect())
    }

    /// What may be shown of a text that a server or a library made: one line, not too long, without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        if self.0.iter().any(|secret| gives_away(text, secret)) {
            return "(not shown, because it repeats a secret)".to_owned();
        }
        excerpt(text, SHOWN_CHARS_MAX)
    }
}

fn gives_away(text: &str, secret: &str) -> bool {
    let (text, secret) = (text.as_bytes(), secret.as_bytes());
    secret.windows(WINDOW.min(secret.len())).any(|part| memchr::memmem::find(text, part).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_parts_of_them_are_not_shown() {
        let pairs = [
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG"),
            ("AWS_ACCESS_KEY_ID", "hunter2"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_PROFILE", "production"),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader"),
            ("AWS_ANYTHING", "yes"),
        ];
        let secrets = Secrets::of(&pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
        for told in ["the key is wJalrXUtnFEMI/K7MDENG", "…XUtnFEMI/K7MD…", "user hunter2 unknown"] {
            let shown = secrets.clean(told);
            assert!(shown.starts_with("(not shown"), "{shown}");
        }
        for told in ["yes, in eu-central-1", "not in production", "arn:aws:sts::123456789012:assumed-role/reader"] {
            assert_eq!(secrets.clean(told), told);
        }
        assert_eq!(secrets.clean("a\n\u{1b}[31mb"), "a\\n\\u{1b}[31mb");
        assert_eq!(secrets.clean(&"é".repeat(1_000)).chars().count(), SHOWN_CHARS_MAX + 1);
        assert_eq!(format!("{secrets:?}"), "Secrets(2)");
    }
}
