//! The fast path of the scan: the line that the Python tracker writes for a call, matched piece by piece in one pass.
//!
//! It either reads such a line exactly as [`super::event::read_line`] does, or declines, and then that reader decides.

use super::event::{Event, Kind, Name, Outcome};
use crate::json::{Raw, plain_run, string_end};
use crate::time::CanonicalReader;

/// Reads calls, one after the other.
#[derive(Debug, Default)]
pub(crate) struct FastReader {
    times: CanonicalReader,
}

impl FastReader {
    /// Reads the call that `bytes` begins with and returns it with the length of its line, newline included. `None` for
    /// every line of another shape, and for a last line that has no newline.
    #[inline]
    pub(crate) fn read<'a>(&mut self, bytes: &'a [u8]) -> Option<(Event<'a>, usize)> {
        let mut cursor = Cursor { bytes, at: 0 };
        cursor.literal(br#"{"event": "call", "function": ""#)?;
        let function = cursor.name()?;
        cursor.literal(br#", "timestamp": ""#)?;
        let at = self.times.read(cursor.time()?)?;
        cursor.literal(br#"", "variant": ""#)?;
        let variant = cursor.name()?;
        cursor.literal(br#", "value": "#)?;
        cursor.text_or_null()?;
        cursor.literal(br#", "error": "#)?;
        let error = cursor.text_or_null()?;
        cursor.literal(br#", "latency_ms": "#)?;
        let latency_ns = cursor.milliseconds()?;
        cursor.literal(br#", "success": "#)?;
        let success = match cursor.bytes.get(cursor.at)? {
            b't' => cursor.literal(b"true}\n").map(|()| true)?,
            _ => cursor.literal(b"false}\n").map(|()| false)?,
        };
        let error = match error {
            Some(text) => Some(Raw::trusted(std::str::from_utf8(text).ok()?)),
            None => None,
        };
        let outcome = Outcome { success, latency_ns: Some(latency_ns), error, fallback: None };
        let (function, variant) = (Some(function), Some(variant));
        Some((Event { kind: Kind::Call, function, variant, at: Some(at), outcome }, cursor.at))
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    fn literal<const N: usize>(&mut self, literal: &[u8; N]) -> Option<()> {
        let found: &[u8; N] = self.bytes.get(self.at..self.at + N)?.try_into().ok()?;
        self.at += N;
        (found == literal).then_some(())
    }

    /// The rest of a string that has no escapes, and its closing quote.
    #[inline(always)]
    fn name(&mut self) -> Option<Name<'a>> {
        let rest = &self.bytes[self.at..];
        let (length, ascii) = plain_run(rest);
        if rest.get(length) != Some(&b'"') {
            return None;
        }
        self.at += length + 1;
        let name = &rest[..length];
        if ascii { Some(Name::ascii(name)) } else { std::str::from_utf8(name).ok().map(Name::from) }
    }

    /// The rest of a string that is as long as a time is.
    #[inline(always)]
    fn time(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let length = if rest.get(32) == Some(&b'"') { 32 } else { 25 };
        self.at += length;
        rest.get(..length)
    }

    /// A string with its quotes, whatever is in it, or `null`.
    #[inline(always)]
    fn text_or_null(&mut self) -> Option<Option<&'a [u8]>> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return self.literal(b"null").map(|()| None);
        }
        let (end, ascii) = string_end(self.bytes, self.at + 1).ok()?;
        let text = &self.bytes[self.at..=end];
        self.at = end + 1;
        (ascii || std::str::from_utf8(text).is_ok()).then_some(Some(text))
    }

    /// A plain number of milliseconds, in nanoseconds: up to nine digits, a point, up to six digits.
    #[inline(always)]
    fn milliseconds(&mut self) -> Option<u64> {
        let rest = &self.bytes[self.at..];
        let (whole, length) = leading_number(rest, 9)?;
        if length > 1 && rest[0] == b'0' {
            return None;
        }
        self.at += length;
        let mut ns = whole * 1_000_000;
        if rest.get(length) == Some(&b'.') {
            let (fraction, digits) = leading_number(&rest[length + 1..], 6)?;
            const SCALE: [u64; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
            ns += fraction * SCALE[digits];
            self.at += 1 + digits;
        }
        Some(ns)
    }
}

/// The digits that `bytes` begins with, as a number, and how many they are; `None` for none, or more than `most`.
#[inline(always)]
fn leading_number(bytes: &[u8], most: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (count, byte) in bytes.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return (count > 0).then_some((value, count));
        }
        if count == most {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    None
}
