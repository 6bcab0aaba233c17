//! One line of a log, as it is given to a store and as it is kept.
//!
//! A writer gives a JSON object on one line. The store puts a header in front of its keys: `seq`, the line's number;
//! `token`, which tells one append from another; `more`, if the same append goes on in the next line; and `sealed`, if no
//! line may follow. In this order, so that the header can be read without reading the rest.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::Error;
use crate::chance::Random;
use crate::json::depth;

/// Longest line that a store takes, in bytes, with its header.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Deepest nesting of a line: less than any common reader of JSON allows.
pub const DEPTH_MAX: usize = 100;

/// The longest that a header can be, with the newline behind the line.
pub(super) const HEADER_BYTES_MAX: usize = 96;

/// What tells one append from another: the same for all lines of one batch, and of that batch made again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u64);

impl Token {
    /// A token that nobody else has.
    pub fn new(random: &dyn Random) -> Self {
        Token(random.bits())
    }

    /// The token of these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Token(bits)
    }

    #[inline]
    pub(super) fn parse(digits: &[u8; 16]) -> Option<Self> {
        let (mut bits, mut bad) = (0u64, false);
        for digit in digits {
            let (number, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
            bad |= number > 9 && letter > 5;
            bits = bits << 4 | u64::from(if number <= 9 { number } else { letter.wrapping_add(10) & 15 });
        }
        (!bad).then_some(Token(bits))
    }
}

/// Sixteen hexadecimal digits.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The body of a line that is to be appended: a JSON object with at least one key, on one line, without the keys of the
/// header.
#[derive(Clone, PartialEq, Eq)]
pub struct Line(Box<str>);

impl Line {
    /// A line from JSON text.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not such an object, or longer than [`LINE_BYTES_MAX`].
    pub fn new(json: &str) -> Result<Self, Error> {
        let json = json.trim();
        if json.len() > LINE_BYTES_MAX - HEADER_BYTES_MAX {
            return Err(Error::invalid("line", format!("it has {} bytes, more than {LINE_BYTES_MAX}", json.len())));
        }
        if json.bytes().any(|byte| matches!(byte, b'\n' | b'\r')) {
            return Err(Error::invalid("line", "it is more than one line"));
        }
        if depth(json) > DEPTH_MAX {
            return Err(Error::invalid("line", format!("it is nested more than {DEPTH_MAX} deep")));
        }
        let mut deserializer = serde_json::Deserializer::from_str(json);
        serde::Deserializer::deserialize_map(&mut deserializer, KeysVisitor)
            .and_then(|()| deserializer.end())
            .map_err(|e| Error::invalid("line", e.to_string()))?;
        Ok(Line(json.into()))
    }

    /// The line that `value` is as JSON.
    ///
    /// # Errors
    /// As [`Line::new`], and where `value` cannot be JSON.
    pub fn of<T: Serialize>(value: &T) -> Result<Self, Error> {
        Line::new(&serde_json::to_string(value).map_err(|e| Error::invalid("line", e.to_string()))?)
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Looks at the keys of an object and at nothing else.
struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut empty = true;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if matches!(&*key, "seq" | "token" | "more" | "sealed") {
                return Err(serde::de::Error::custom(format!("the key `{key}` is the store's")));
            }
            map.next_value::<IgnoredAny>()?;
            empty = false;
        }
        if empty { Err(serde::de::Error::custom("the object is empty")) } else { Ok(()) }
    }
}

/// What a store puts in front of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The line's number, from 1.
    pub seq: u64,
    /// The append it came with.
    pub token: Token,
    /// The same append goes on in the next line.
    pub more: bool,
    /// No line may follow.
    pub sealed: bool,
}

impl Header {
    /// What a line with this number and token begins with.
    pub(crate) fn write_opening(seq: u64, token: Token, out: &mut Vec<u8>) {
        use std::io::Write as _;
        // Writing to memory does not fail.
        let _ = write!(out, "{{\"seq\":{seq},\"token\":\"{token}\",");
    }

    /// Appends a line and its newline to `out`.
    pub(crate) fn write(self, body: &Line, out: &mut Vec<u8>) {
        Header::write_opening(self.seq, self.token, out);
        if self.more {
            out.extend_from_slice(b"\"more\":true,");
        }
        if self.sealed {
            out.extend_from_slice(b"\"sealed\":true,");
        }
        out.extend_from_slice(body.0[1..].trim_start().as_bytes());
        out.push(b'\n');
    }

    /// Reads the header that `line` begins with; none if it begins otherwise. Blanks between the parts are allowed.
    #[inline]
    pub fn parse(line: &[u8]) -> Option<Self> {
        Header::parse_plain(line).or_else(|| Header::parse_general(line))
    }

    /// A header as stores write it, without `sealed`: nearly every one.
    #[inline]
    fn parse_plain(line: &[u8]) -> Option<Self> {
        // Arrays of known length are compared in place, where slices would be by a call.
        let (b"{\"seq\":", mut rest) = line.split_first_chunk::<7>()? else { return None };
        let mut seq = 0u64;
        let mut digits = 0;
        while let [digit @ b'0'..=b'9', more @ ..] = rest {
            // Nineteen digits do not overflow.
            seq = seq.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            rest = more;
            digits += 1;
        }
        let (b",\"token\":\"", rest) = rest.split_first_chunk::<10>()? else { return None };
        let (token, rest) = rest.split_first_chunk::<16>()?;
        let (b"\",\"", mut rest) = rest.split_first_chunk::<3>()? else { return None };
        let mut more = false;
        if let Some((b"more\":true,\"", behind)) = rest.split_first_chunk::<12>() {
            (rest, more) = (behind, true);
        }
        // What may be more of the header, or another key.
        if matches!(rest, [b'm' | b's', ..]) || !matches!(rest, [.., b'}']) || seq == 0 || digits > 19 {
            return None;
        }
        Some(Header { seq, token: Token::parse(token)?, more, sealed: false })
    }

    fn parse_general(line: &[u8]) -> Option<Self> {
        let mut rest = Rest(line);
        rest.take(b"{")?;
        rest.key(b"\"seq\"")?;
        let seq = rest.number()?;
        rest.take(b",")?;
        rest.key(b"\"token\"")?;
        rest.take(b"\"")?;
        let (token, after) = rest.0.split_first_chunk::<16>()?;
        let token = Token::parse(token)?;
        rest.0 = after.strip_prefix(b"\"")?;
        let more = rest.flag(b"\"more\"");
        let sealed = rest.flag(b"\"sealed\"");
        rest.take(b",")?;
        (seq > 0 && line.ends_with(b"}")).then_some(Header { seq, token, more, sealed })
    }
}

/// What is left of a line, read from the front.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    #[inline]
    fn skip_blanks(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    #[inline]
    fn take(&mut self, text: &[u8]) -> Option<()> {
        self.skip_blanks();
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    #[inline]
    fn key(&mut self, key: &[u8]) -> Option<()> {
        self.take(key)?;
        self.take(b":")?;
        self.skip_blanks();
        Some(())
    }

    #[inline]
    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        let mut digits = 0;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.0 {
            value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.0 = rest;
            digits += 1;
        }
        (digits > 0).then_some(value)
    }

    /// Whether `,"key":true` comes next; takes it if it does.
    #[inline]
    fn flag(&mut self, key: &[u8]) -> bool {
        let before = self.0;
        let found = self.take(b",").and_then(|()| self.key(key)).and_then(|()| self.take(b"true")).is_some();
        if !found {
            self.0 = before;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        for (more, sealed) in [(false, false), (true, false), (false, true)] {
            let header = Header { seq: 42, token: Token::from_bits(7), more, sealed };
            let mut text = Vec::new();
            header.write(&Line::new(r#"{ "at":"x" }"#).unwrap(), &mut text);
            assert_eq!(text.pop(), Some(b'\n'));
            assert_eq!(Header::parse(&text), Some(header));
            assert!(serde_json::from_slice::<serde_json::Value>(&text).is_ok());
        }
    }

    #[test]
    fn a_header_by_another_program_may_have_blanks() {
        let line = br#"{"seq": 3, "token": "00000000000000ff", "sealed": true, "type": "stop"}"#;
        let header = Header { seq: 3, token: Token::from_bits(255), more: false, sealed: true };
        assert_eq!(Header::parse(line), Some(header));
    }

    #[test]
    fn what_is_no_header_is_none() {
        for line in [
            r#"{}"#,
            r#"{"seq":0,"token":"0000000000000000","a":1}"#,
            r#"{"seq":1,"token":"0000000000000000"}"#,
            r#"{"seq":1,"token":"000000000000000","a":1}"#,
            r#"{"seq":1,"token":"000000000000000F","a":1}"#,
            r#"{"seq":-1,"token":"0000000000000000","a":1}"#,
            r#"{"seq":99999999999999999999,"token":"0000000000000000","a":1}"#,
            r#"{"token":"0000000000000000","seq":1,"a":1}"#,
            r#"{"seq":1,"token":"0000000000000000","a":1"#,
        ] {
            assert_eq!(Header::parse(line.as_bytes()), None, "{line}");
            for end in 0..line.len() {
                let _ = Header::parse(&line.as_bytes()[..end]);
            }
        }
    }

    #[test]
    fn a_line_is_an_object_on_one_line_without_the_stores_keys() {
        for bad in ["", "1", "[]", "{}", "{\"a\":\n1}", "{\"seq\":1}", "{\"s\\u0065q\":1}", "{\"a\":1} x", "{\"a\":}"] {
            assert!(matches!(Line::new(bad), Err(Error::Invalid { .. })), "{bad}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(Line::new(&deep).is_err());
        let deepest = format!("{{\"a\":{}\"[{{\\\"[\"{}}}", "[".repeat(DEPTH_MAX - 1), "]".repeat(DEPTH_MAX - 1));
        assert!(serde_json::from_str::<serde_json::Value>(Line::new(&deepest).unwrap().as_str()).is_ok());
        assert!(Line::new(" {\"a\":{\"seq\":1}} ").is_ok());
    }
}
