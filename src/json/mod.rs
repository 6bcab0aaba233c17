//! JSON as Python's `json` module reads it, token by token, without building a tree.
//!
//! It differs from RFC 8259 in what that module allows: `NaN`, `Infinity` and `-Infinity` are numbers, and a lone
//! surrogate escape is part of a string (here read as U+FFFD). Nothing recurses, so depth costs one bit a level.
//!
//! The lines of workflow histories are read by the same cursor in a stricter dialect: that RFC's, as serde_json reads it.

mod bytes;
mod cursor;
mod pick;
mod raw;
pub(crate) mod recorded;
mod string;

use std::borrow::Cow;
use std::fmt;

use cursor::Cursor;

pub(crate) use bytes::{depth, halves, number_end, plain_run, string_end};
pub use pick::pick;
pub(crate) use pick::pick_once;
pub(crate) use raw::repr;
pub use raw::{Raw, standard, told_apart};
pub(crate) use recorded::{InvalidValue, Json, VALUE_DEPTH_MAX};
pub(crate) use string::push_string;

/// Deepest nesting that is read; Python's own reader gives up at about the same depth.
pub const DEPTH_MAX: usize = 1_000;

/// Why a text is not JSON, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte offset in the text, from 0.
    pub at: usize,
    /// What was expected or found there.
    pub what: &'static str,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at column {}", self.what, self.at + 1)
    }
}

impl std::error::Error for SyntaxError {}

/// What one reader of JSON takes, and another does not.
pub(crate) trait Dialect {
    /// Deepest nesting of a value.
    const DEPTH_MAX: usize;
    /// Whether `NaN` and the infinities are numbers.
    const ENDLESS: bool;
    /// What an escape of half a character is read as; none if a string may not have it.
    const HALF: Option<char>;
}

/// What Python's `json` module reads.
pub(crate) struct Python;

impl Dialect for Python {
    const DEPTH_MAX: usize = DEPTH_MAX;
    const ENDLESS: bool = true;
    const HALF: Option<char> = Some(char::REPLACEMENT_CHARACTER);
}

/// What RFC 8259 allows and serde_json reads.
pub(crate) struct Strict;

impl Dialect for Strict {
    /// Other readers can follow to 128, of which the object that holds the value is one.
    const DEPTH_MAX: usize = 127;
    const ENDLESS: bool = false;
    const HALF: Option<char> = None;
}

/// Reads the object that begins at byte `at` (after white space) and calls `member` with each of its keys and values in
/// order, duplicates too. Returns the offset behind its `}` and behind the white space that follows.
///
/// ```
/// use temporal_code::json;
/// let mut seen = Vec::new();
/// json::object(r#"{"a": [1, NaN], "b": "x\ny"}"#, 0, |key, value| {
///     seen.push((key.to_string(), value.text().to_string()));
/// }).unwrap();
/// assert_eq!(seen[0], ("a".to_string(), "[1, NaN]".to_string()));
/// ```
///
/// # Errors
/// The first place that is not JSON. Members in front of it have been reported by then.
pub fn object<'a>(
    text: &'a str,
    at: usize,
    mut member: impl FnMut(Cow<'a, str>, Raw<'a>),
) -> Result<usize, SyntaxError> {
    let mut cursor = Cursor::<Python>::new(text, at);
    cursor.object(|key, value| {
        member(key, value);
        Ok::<_, SyntaxError>(())
    })
}

/// Reads the value that begins at byte `at` (after white space). Returns it, and the offset behind it and behind the white
/// space that follows.
///
/// ```
/// use temporal_code::json;
/// let (value, behind) = json::value("[ {\"a\": 1} , 2]", 1).unwrap();
/// assert_eq!((value.text(), behind), ("{\"a\": 1}", 11));
/// ```
///
/// # Errors
/// The first place that is not JSON.
pub fn value(text: &str, at: usize) -> Result<(Raw<'_>, usize), SyntaxError> {
    let mut cursor = Cursor::<Python>::new(text, at.min(text.len()));
    cursor.skip_space();
    let value = cursor.value()?;
    cursor.skip_space();
    Ok((value, cursor.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Result<Vec<(String, String)>, SyntaxError> {
        let mut out = Vec::new();
        let end = object(text, 0, |key, value| out.push((key.into_owned(), value.text().to_owned())))?;
        assert_eq!(end, text.len());
        Ok(out)
    }

    #[test]
    fn agrees_with_serde_json_on_standard_texts() {
        for text in [
            r#"{}"#,
            r#" { } "#,
            r#"{"a":1}"#,
            r#"{"a": [], "b": {}, "c": [[], {"d": [1, 2, {"e": null}]}]}"#,
            r#"{"n": [-0, 0.5, 1e9, 1E-2, 12345678901234567890, -1.25e+3]}"#,
            r#"{"é\u00e9": "\ud83d\ude00\"\\\/"}"#,
            r#"{"a": true, "a": false}"#,
        ] {
            let value: serde_json::Value = serde_json::from_str(text).expect("standard JSON");
            let ours = members(text).expect("read by us too");
            for (key, raw) in &ours {
                let last = ours.iter().rev().find(|(other, _)| other == key).map(|(_, raw)| raw);
                if last == Some(raw) {
                    assert_eq!(serde_json::from_str::<serde_json::Value>(raw).expect("a value"), value[key], "{text}");
                }
            }
        }
    }

    #[test]
    fn refuses_what_serde_json_refuses() {
        for text in [
            "",
            "{",
            "[]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":+1}",
            "{\"a\":1e}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":tru}",
            "{\"a\":[1 2]}",
            "{\"a\":[1}]",
            "{\"a\":[1}}",
            "{\"a\":{1:2}}",
            "{a:1}",
            "{\"a\":\"b",
            "{\"a\":'b'}",
            "{\"a\":[1,]}",
            "{\"a\":{\"b\":1,}}",
            "{\"a\":\"\0\"}",
            "{\"a\" 1}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":-}",
        ] {
            assert!(serde_json::from_str::<serde_json::Value>(text).map_or(true, |v| !v.is_object()), "{text}");
            assert!(members(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_what_only_python_writes() {
        let text = r#"{"a": NaN, "b": [Infinity, -Infinity], "c": "\ud800x\udc00"}"#;
        let mut last = None;
        object(text, 0, |_, value| last = value.as_str().map(Cow::into_owned)).expect("python writes this");
        assert_eq!(last.as_deref(), Some("\u{fffd}x\u{fffd}"));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(members(&nested(DEPTH_MAX)).is_ok());
        let error = members(&nested(DEPTH_MAX + 1)).expect_err("too deep");
        assert_eq!(error.what, "nested too deeply");
        assert!(members(&"{\"a\":[".repeat(1_000_000)).is_err());
    }
}
