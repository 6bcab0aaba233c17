//! A line's keys and the texts of their values, in one pass that copies nothing.
//!
//! It accepts what RFC 8259 calls an object and nothing else, nested to a bound, and tells where that ends. What strings and
//! numbers mean is found out by who needs it.

use std::borrow::Cow;

use crate::json::{number_end, plain_run, string_end};

/// Deepest nesting that is read: what other readers of JSON can follow.
const DEPTH_MAX: u32 = 128;

/// Why a text is no object, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) at: usize,
    pub(super) what: &'static str,
}

/// Calls `member` with each key of the object that `text` is, the text of its value, and whether that is a string with
/// escapes, in order.
///
/// # Errors
/// The first place that is not JSON, or what `member` says.
#[inline]
pub(super) fn members<'a, E: From<SyntaxError>>(
    text: &'a str,
    mut member: impl FnMut(&str, &'a str, bool) -> Result<(), E>,
) -> Result<(), E> {
    let mut scan = Scan { text, bytes: text.as_bytes(), at: 0 };
    scan.skip_space();
    scan.expect(b'{')?;
    scan.skip_space();
    if scan.peek() == Some(b'}') {
        scan.at += 1;
    } else {
        loop {
            let (key, escaped) = scan.key()?;
            let (value, escapes) = scan.value()?;
            if escaped {
                member(&decoded(key).map_err(|what| SyntaxError { at: scan.at, what })?, value, escapes)?;
            } else {
                member(key, value, escapes)?;
            }
            scan.skip_space();
            match scan.peek() {
                Some(b',') => scan.at += 1,
                Some(b'}') => break,
                _ => return Err(scan.error("expected `,` or `}`").into()),
            }
            scan.skip_space();
        }
        scan.at += 1;
    }
    scan.skip_space();
    match scan.peek() {
        None => Ok(()),
        Some(_) => Err(scan.error("something follows the object").into()),
    }
}

/// What stands between the quotes of a string, with its escapes resolved.
///
/// # Errors
/// If an escape names half of a character.
#[cold]
fn decoded(inner: &str) -> Result<Cow<'_, str>, &'static str> {
    let text: String = serde_json::from_str(&format!("\"{inner}\"")).map_err(|_| "a string has half of a character")?;
    Ok(Cow::Owned(text))
}

/// The string that the text of a value is, which has escapes or not; none if it is another value, or names half of a
/// character.
#[inline]
pub(super) fn string(value: &str, escapes: bool) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    if escapes { decoded(inner).ok() } else { Some(Cow::Borrowed(inner)) }
}

/// The whole number that the text of a value is; none if it is another value, or too large.
#[inline]
pub(super) fn number(value: &str) -> Option<u64> {
    value.bytes().try_fold(0u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[cold]
    fn error(&self, what: &'static str) -> SyntaxError {
        let what = if self.at >= self.bytes.len() { "the line ends too early" } else { what };
        SyntaxError { at: self.at, what }
    }

    #[inline(always)]
    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Result<(), SyntaxError> {
        if self.peek() != Some(byte) {
            return Err(self.error("another character was expected"));
        }
        self.at += 1;
        Ok(())
    }

    /// A key and its colon, up to the value: what stands between the quotes, and whether it has escapes.
    #[inline]
    fn key(&mut self) -> Result<(&'a str, bool), SyntaxError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a key in quotes"));
        }
        let start = self.at + 1;
        let escaped = self.string()?;
        let key = &self.text[start..self.at - 1];
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Ok((key, escaped))
    }

    /// Passes over a string, which begins here. Whether it has escapes.
    #[inline]
    fn string(&mut self) -> Result<bool, SyntaxError> {
        let start = self.at + 1;
        let (length, _) = plain_run(&self.bytes[start..]);
        if self.bytes.get(start + length) == Some(&b'"') {
            self.at = start + length + 1;
            return Ok(false);
        }
        match string_end(self.bytes, start + length) {
            Ok((end, _)) => {
                self.at = end + 1;
                Ok(true)
            }
            Err(at) => {
                self.at = at;
                Err(self.error("a character that a string may not hold"))
            }
        }
    }

    /// The text of the value that begins here, and whether it is a string with escapes.
    #[inline]
    fn value(&mut self) -> Result<(&'a str, bool), SyntaxError> {
        let start = self.at;
        let mut escapes = false;
        match self.peek() {
            Some(b'"') => escapes = self.string()?,
            Some(b'{' | b'[') => self.nested()?,
            _ => self.scalar()?,
        }
        Ok((&self.text[start..self.at], escapes))
    }

    /// Passes over an array or object. Which of the two each open bracket is takes one bit.
    fn nested(&mut self) -> Result<(), SyntaxError> {
        let (mut objects, mut depth) = (0u128, 0u32);
        loop {
            // A value begins here.
            match self.peek() {
                Some(b'"') => _ = self.string()?,
                Some(bracket @ (b'{' | b'[')) => {
                    // The line itself is one level.
                    if depth + 1 >= DEPTH_MAX {
                        return Err(self.error("nested too deeply"));
                    }
                    self.at += 1;
                    self.skip_space();
                    let object = bracket == b'{';
                    if self.peek() == Some(if object { b'}' } else { b']' }) {
                        self.at += 1;
                    } else {
                        depth += 1;
                        objects = objects << 1 | u128::from(object);
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            // It ends here, and perhaps what it is part of.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                self.skip_space();
                let object = objects & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        self.skip_space();
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    Some(close) if close == if object { b'}' } else { b']' } => {
                        self.at += 1;
                        depth -= 1;
                        objects >>= 1;
                    }
                    _ => return Err(self.error("expected `,` or a closing bracket")),
                }
            }
        }
    }

    #[inline]
    fn scalar(&mut self) -> Result<(), SyntaxError> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => Err(self.error("expected a value")),
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), SyntaxError> {
        if !self.bytes[self.at..].starts_with(literal) {
            return Err(self.error("expected a value"));
        }
        self.at += literal.len();
        Ok(())
    }

    #[inline]
    fn number(&mut self) -> Result<(), SyntaxError> {
        let end = number_end(self.bytes, self.at);
        let (Ok(at) | Err(at)) = end;
        self.at = at;
        end.map(|_| ()).map_err(|_| self.error("expected a digit"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, SyntaxError> {
        let mut found = Vec::new();
        members(text, |key, value, escapes| {
            assert_eq!(escapes, value.starts_with('"') && value.contains('\\'));
            found.push((key.to_owned(), value.to_owned()));
            Ok::<_, SyntaxError>(())
        })?;
        Ok(found)
    }

    /// What serde_json says of the same text. It takes half characters in strings that nobody asks for.
    fn expected(text: &str) -> Option<Vec<(String, String)>> {
        type Raw<'a> = &'a serde_json::value::RawValue;
        struct Members(Vec<(String, String)>);
        impl<'de> serde::Deserialize<'de> for Members {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = Members;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                        let mut found = Vec::new();
                        while let Some((key, value)) = map.next_entry::<String, Raw<'de>>()? {
                            found.push((key, value.get().to_owned()));
                        }
                        Ok(Members(found))
                    }
                }
                deserializer.deserialize_map(Visitor)
            }
        }
        serde_json::from_str::<Members>(text).ok().map(|members| members.0)
    }

    #[track_caller]
    fn check(text: &str) {
        assert_eq!(read(text).ok(), expected(text), "{text}");
    }

    #[test]
    fn objects_are_read_as_serde_json_reads_them() {
        for value in [
            "1",
            "-0",
            "01",
            "1.",
            ".5",
            "1.5e+3",
            "1e",
            "-",
            "+1",
            "NaN",
            "Infinity",
            "true",
            "tru",
            "nul",
            "null",
            "\"\"",
            "\"a\\n\\u00e9\"",
            "\"\\x\"",
            "\"\t\"",
            "[]",
            "[ ]",
            "[1,]",
            "[1 2]",
            "[1}",
            "{}",
            "{\"a\":1}",
            "{\"a\":}",
            "{\"a\"}",
            "{a:1}",
            "[[[{\"b\":[null,\"]\"]}]]]",
            "{,}",
            "",
            "'a'",
            "\"\\ud83d\\ude00\"",
            "{ \"a\" : [ 1 , 2 ] , \"a\" : { } }",
        ] {
            check(&format!("{{\"a\":{value}}}"));
            check(&format!(" {{ \"b\" : 1 , \"a\" :\t{value} }} "));
            check(&format!("{{\"a\":{value}}}x"));
            check(value);
        }
        for text in ["", "{", "{}", " { } ", "{\"\\u0061\":1}", "{\"\\ud800\":1}", "{\"a\":1,}", "{\"a\":1,,}", "[1]"] {
            check(text);
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(127)).is_ok());
        assert!(serde_json::from_str::<serde_json::Value>(&nested(126)).is_ok());
        assert_eq!(read(&nested(128)).unwrap_err().what, "nested too deeply");
        assert_eq!(read(&"{\"a\":[".repeat(1_000_000)).unwrap_err().what, "nested too deeply");
    }

    #[test]
    fn strings_and_numbers_are_exact() {
        assert_eq!(string(r#""a\"\u00e9""#, true).as_deref(), Some("a\"é"));
        for bad in ["1", "null", r#""\ud800""#] {
            assert_eq!(string(bad, bad.contains('\\')), None);
        }
        assert_eq!((number("18446744073709551615"), number("0")), (Some(u64::MAX), Some(0)));
        for bad in ["18446744073709551616", "-1", "1.0", "1e3", "\"1\"", "null"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_serde_json_reads_it(text in "[\\[\\]{}:, \"\\\\a0-9.eE+\\-tfnu\u{e9}\n]{0,40}") {
            check(&text);
            check(&format!("{{\"a\":{text}}}"));
        }
    }
}
