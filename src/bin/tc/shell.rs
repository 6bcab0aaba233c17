//! Words for the shell, in commands that a person may copy.

use temporal_code::text;

/// A name as a shell takes it.
pub(crate) fn word(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-/:".contains(c);
    let safe = text::harmless(name);
    if !safe.is_empty() && !safe.starts_with('-') && safe.chars().all(plain) {
        return safe.into_owned();
    }
    format!("'{}'", safe.replace('\'', "'\\''"))
}
