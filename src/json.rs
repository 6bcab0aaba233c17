//! JSON as Python's `json` module reads it, token by token, without building a tree.
//!
//! It differs from RFC 8259 in what that module allows: `NaN`, `Infinity` and `-Infinity` are numbers, and a lone
//! surrogate escape is part of a string (here read as U+FFFD). Nothing recurses, so depth costs one bit a level.

use std::borrow::Cow;
use std::fmt;

use wide::u8x16;

/// Deepest nesting that is read; Python's own reader gives up at about the same depth.
pub const DEPTH_MAX: usize = 1_000;

/// Why a text is not JSON, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// One value's own text, known to be well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// Wraps a text that the caller has checked to be one JSON value.
    pub(crate) fn trusted(text: &'a str) -> Self {
        Raw(text)
    }

    /// The text as it stands in the log.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// The string that this value is, with escapes resolved; `None` for any other value.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(unescape(inner))
    }

    /// `true` or `false`; `None` for any other value.
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The text of a number, `NaN` and the infinities among them; `None` for any other value.
    pub fn as_number(self) -> Option<&'a str> {
        matches!(self.0.as_bytes().first(), Some(b'-' | b'0'..=b'9' | b'N' | b'I')).then_some(self.0)
    }

    /// Whether this value is `null`.
    pub fn is_null(self) -> bool {
        self.0 == "null"
    }
}

/// The same value in RFC 8259's JSON: `NaN` and the infinities become `null`, and escapes of lone surrogates become
/// U+FFFD.
///
/// ```
/// use temporal_code::json;
/// let mut standard = Vec::new();
/// json::object(r#"{"a": [NaN, "NaN \udc00"]}"#, 0, |_, value| standard.push(json::standard(value).into_owned())).unwrap();
/// assert_eq!(standard, [r#"[null, "NaN \ufffd"]"#]);
/// ```
pub fn standard(value: Raw<'_>) -> Cow<'_, str> {
    let text = value.text();
    if !text.contains("NaN") && !text.contains("Infinity") && !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let number = ["NaN", "Infinity", "-Infinity"].into_iter().find(|number| rest.starts_with(number));
        if next == '"' {
            let end = string_end(rest.as_bytes(), 1).map_or(rest.len(), |(end, _)| end + 1);
            push_standard_string(&mut out, &rest[..end]);
            rest = &rest[end..];
        } else if let Some(number) = number {
            out.push_str("null");
            rest = &rest[number.len()..];
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    Cow::Owned(out)
}

/// Copies a string with its quotes, without escapes of lone surrogates.
fn push_standard_string(out: &mut String, mut rest: &str) {
    while let Some(backslash) = rest.find('\\') {
        out.push_str(&rest[..backslash]);
        rest = &rest[backslash..];
        let length = match rest.strip_prefix("\\u") {
            Some(digits) => {
                let (decoded, after) = unicode_escape(digits);
                let length = rest.len() - after.len();
                out.push_str(if decoded == char::REPLACEMENT_CHARACTER { "\\ufffd" } else { &rest[..length] });
                length
            }
            None => {
                let length = 2.min(rest.len());
                out.push_str(&rest[..length]);
                length
            }
        };
        rest = &rest[length..];
    }
    out.push_str(rest);
}

/// Appends a text as a JSON string: what JSON demands is escaped, and so are the other characters that Python takes for
/// the end of a line (U+0085, U+2028 and U+2029), since its package splits a log there. The rest stays as it is.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let (plain, ascii) = plain_run(text.as_bytes());
    if ascii && plain == text.len() {
        out.extend_from_slice(text.as_bytes());
    } else {
        text.chars().for_each(|c| push_char(out, c));
    }
    out.push(b'"');
}

fn push_char(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        '\0'..='\u{1f}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
            out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
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
    let mut cursor = Cursor { text: text.as_bytes(), at };
    cursor.skip_space();
    cursor.expect(b'{', "expected an object")?;
    cursor.skip_space();
    if cursor.peek() == Some(b'}') {
        cursor.at += 1;
    } else {
        loop {
            cursor.skip_space();
            let key = cursor.string("expected a key in quotes")?;
            cursor.skip_space();
            cursor.expect(b':', "expected `:`")?;
            cursor.skip_space();
            let start = cursor.at;
            cursor.value()?;
            member(unescape(&text[key.0..key.1]), Raw(&text[start..cursor.at]));
            cursor.skip_space();
            match cursor.peek() {
                Some(b',') => cursor.at += 1,
                Some(b'}') => break,
                _ => return Err(cursor.error("expected `,` or `}`")),
            }
        }
        cursor.at += 1;
    }
    cursor.skip_space();
    Ok(cursor.at)
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
    let mut cursor = Cursor { text: text.as_bytes(), at: at.min(text.len()) };
    cursor.skip_space();
    let start = cursor.at;
    cursor.value()?;
    let end = cursor.at;
    cursor.skip_space();
    Ok((Raw(&text[start..end]), cursor.at))
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn error(&self, what: &'static str) -> SyntaxError {
        let what = if self.at >= self.text.len() { "the line ends too early" } else { what };
        SyntaxError { at: self.at, what }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), SyntaxError> {
        if self.peek() != Some(byte) {
            return Err(self.error(what));
        }
        self.at += 1;
        Ok(())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Skips a string and returns the range between its quotes.
    fn string(&mut self, what: &'static str) -> Result<(usize, usize), SyntaxError> {
        self.expect(b'"', what)?;
        let start = self.at;
        match string_end(self.text, start) {
            Ok((end, _)) => {
                self.at = end + 1;
                Ok((start, end))
            }
            Err(at) => {
                self.at = at;
                Err(self.error("a character that a string may not hold"))
            }
        }
    }

    /// Skips one value of any kind, nested to at most [`DEPTH_MAX`].
    fn value(&mut self) -> Result<(), SyntaxError> {
        let mut open = Vec::new();
        loop {
            self.skip_space();
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    if open.len() == DEPTH_MAX {
                        return Err(self.error("nested too deeply"));
                    }
                    self.at += 1;
                    self.skip_space();
                    let close = bracket + 2;
                    if self.peek() == Some(close) {
                        self.at += 1;
                    } else {
                        open.push(close);
                        self.key_if_object(close)?;
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            loop {
                let Some(&close) = open.last() else { return Ok(()) };
                self.skip_space();
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        self.key_if_object(close)?;
                        break;
                    }
                    Some(byte) if byte == close => {
                        self.at += 1;
                        open.pop();
                    }
                    _ => return Err(self.error("expected `,` or a closing bracket")),
                }
            }
        }
    }

    fn key_if_object(&mut self, close: u8) -> Result<(), SyntaxError> {
        if close == b'}' {
            self.skip_space();
            self.string("expected a key in quotes")?;
            self.skip_space();
            self.expect(b':', "expected `:`")?;
        }
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), SyntaxError> {
        for literal in ["true", "false", "null", "NaN", "Infinity", "-Infinity"] {
            if self.text[self.at..].starts_with(literal.as_bytes()) {
                self.at += literal.len();
                return Ok(());
            }
        }
        match self.peek() {
            Some(b'"') => self.string("").map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.error("expected a value")),
        }
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        let end = number_end(self.text, self.at);
        let (Ok(at) | Err(at)) = end;
        self.at = at;
        end.map(|_| ()).map_err(|_| self.error("expected a digit"))
    }
}

/// The offset of the quote that ends the string whose first character is at `start`, and whether all of it is ASCII;
/// `Err` with the offset of the first byte that a JSON string may not hold, or of the text's end. UTF-8 is the caller's
/// to check.
#[inline]
pub(crate) fn string_end(text: &[u8], start: usize) -> Result<(usize, bool), usize> {
    let (mut at, mut ascii) = (start, true);
    loop {
        let (length, plain) = plain_run(&text[at..]);
        at += length;
        ascii &= plain;
        match text.get(at) {
            Some(b'"') => return Ok((at, ascii)),
            Some(b'\\') => at = escape_end(text, at).ok_or(at)?,
            _ => return Err(at),
        }
    }
}

/// The offset behind the number that begins at `start` (RFC 8259, section 6); `Err` with the offset at which a digit is missing.
#[inline]
pub(crate) fn number_end(text: &[u8], start: usize) -> Result<usize, usize> {
    let is = |at: usize, wanted: &[u8]| text.get(at).is_some_and(|byte| wanted.contains(byte));
    let digits = |mut at: usize| {
        let first = at;
        while text.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        if at == first { Err(at) } else { Ok(at) }
    };
    let mut at = start + usize::from(is(start, b"-"));
    at = if is(at, b"0") { at + 1 } else { digits(at)? };
    if is(at, b".") {
        at = digits(at + 1)?;
    }
    if is(at, b"eE") {
        at += 1;
        at = digits(at + usize::from(is(at, b"+-")))?;
    }
    Ok(at)
}

/// The offset behind the escape whose backslash is at `at`.
fn escape_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
        b'u' => text.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit).then_some(at + 6),
        _ => None,
    }
}

/// How many bytes stand in front of the first quote, backslash or control character (the length, if there is none), and
/// whether all of them are ASCII. It looks at 32 bytes at a time, so some of what comes behind may count as well: it may
/// say that they are not ASCII where only a byte behind them is not.
#[inline(always)]
pub(crate) fn plain_run(text: &[u8]) -> (usize, bool) {
    let mut rest = text;
    let mut all = u8x16::default();
    while let Some((bytes, behind)) = rest.split_first_chunk::<32>() {
        let (low, high) = halves(bytes);
        all |= low | high;
        let special = specials(low) | specials(high) << 16;
        if special != 0 {
            let length = text.len() - rest.len() + special.trailing_zeros() as usize;
            return (length, all.to_bitmask() == 0);
        }
        rest = behind;
    }
    let last = rest.iter().take_while(|b| **b >= 0x20 && **b != b'"' && **b != b'\\').count();
    (text.len() - rest.len() + last, all.to_bitmask() == 0 && rest[..last].is_ascii())
}

#[inline(always)]
fn halves(bytes: &[u8; 32]) -> (u8x16, u8x16) {
    let half = |at: usize| u8x16::new(bytes[at..].first_chunk().copied().unwrap_or_default());
    (half(0), half(16))
}

/// One bit for each of 16 bytes, the first in the lowest: quotes, backslashes and control characters.
#[inline(always)]
fn specials(bytes: u8x16) -> u32 {
    let control = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
    (bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\')) | control).to_bitmask()
}

/// Resolves the escapes of a string that [`string_end`] has accepted.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', text.as_bytes()) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(escape) = rest.strip_prefix('\\') {
        let kind = escape.as_bytes().first().copied().unwrap_or(b'\\');
        rest = escape.get(1..).unwrap_or("");
        match kind {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let (decoded, after) = unicode_escape(rest);
                out.push(decoded);
                rest = after;
            }
            other => out.push(char::from(other)),
        }
        let next = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
        out.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(out)
}

/// The character of the four digits that `text` begins with, joined with a second escape where both make a surrogate
/// pair, and what follows.
fn unicode_escape(text: &str) -> (char, &str) {
    let unit = |text: &str| text.get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let Some(first) = unit(text) else { return (char::REPLACEMENT_CHARACTER, "") };
    let rest = &text[4..];
    if (0xd800..0xdc00).contains(&first)
        && let Some(low) = rest.strip_prefix("\\u").and_then(unit).filter(|low| (0xdc00..0xe000).contains(low))
    {
        let joined = 0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00);
        return (char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER), &rest[6..]);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), rest)
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

    #[test]
    fn plain_run_stops_at_every_special_byte_at_every_offset() {
        for length in 0..70 {
            for at in 0..length {
                for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
                    let mut text = vec![0x80u8.wrapping_add(at as u8); length];
                    text[at] = special;
                    let (found, ascii) = plain_run(&text);
                    assert!(found == at && (at == 0 || !ascii), "{length} {at} {special}");
                    text.fill(b'~');
                    text[at] = special;
                    assert_eq!(plain_run(&text), (at, true), "{length} {at} {special}");
                }
            }
            assert_eq!(plain_run(&vec![b' '; length]), (length, true));
        }
    }
}
