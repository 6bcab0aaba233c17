//! The fast path of the scan: the line that the Python tracker writes for a call, or ours with its few keys more, matched
//! piece by piece in one pass.
//!
//! It either reads such a line exactly as [`super::event::read_line`] does, or declines, and then that reader decides.

use super::event::Call;
use crate::json::{plain_run, string_end};
use crate::time::{CanonicalReader, eight_digits};

/// How the line of a call begins, as the Python package and our tracker write it.
pub(crate) const CALL: &[u8] = br#"{"event": "call", "function": "#;

/// Reads calls, one after the other.
#[derive(Debug, Default)]
pub(crate) struct FastReader {
    times: CanonicalReader,
}

impl FastReader {
    /// Reads the call that `bytes` begins with and returns it with the length of its line, newline included. `None` for
    /// every line of another shape, and for a last line that has no newline.
    #[inline(always)]
    pub(crate) fn read<'a>(&mut self, bytes: &'a [u8]) -> Option<(Call<'a>, usize)> {
        let mut cursor = Cursor { rest: bytes };
        cursor.literal(br#"{"event": "call", "function": ""#)?;
        let function = cursor.name()?;
        cursor.literal(br#", "timestamp": ""#)?;
        let at = self.times.read(cursor.time()?)?;
        cursor.literal(br#"", "variant": ""#)?;
        let variant = cursor.name()?;
        cursor.literal(br#", "value": "#)?;
        cursor.text_or_null()?;
        let error = if cursor.is_next(br#", "error": null, "latency_ms": "#) { None } else { cursor.error()? };
        let latency_ns = cursor.milliseconds()?;
        let success = cursor.is_next(br#", "success": true"#);
        if !success {
            cursor.literal(br#", "success": false"#)?;
        }
        let (fallback, unit) = if cursor.is_next(b"}\n") { (None, None) } else { cursor.ours()? };
        let length = bytes.len() - cursor.rest.len();
        Some((Call { function, variant, at, success, latency_ns, error, fallback, unit }, length))
    }
}

/// What of a line is still to be read.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    fn literal<const N: usize>(&mut self, literal: &[u8; N]) -> Option<()> {
        self.is_next(literal).then_some(())
    }

    /// Passes over a literal, if it comes next.
    #[inline(always)]
    fn is_next<const N: usize>(&mut self, literal: &[u8; N]) -> bool {
        match self.rest.split_first_chunk() {
            Some((next, rest)) if next == literal => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Passes over `length` bytes, which must be there, and returns them.
    #[inline(always)]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// What our tracker adds to a call: that it is a fallback or with which weight it was not, and the unit's hash.
    #[inline]
    fn ours(&mut self) -> Option<(Option<bool>, Option<u64>)> {
        let mut fallback = None;
        if self.is_next(br#", "weight": "#) {
            self.share()?;
            fallback = Some(false);
        } else if self.is_next(br#", "fallback": true"#) {
            fallback = Some(true);
        }
        let mut unit = None;
        if self.is_next(br#", "unit": ""#) {
            unit = Some(super::event::unit(self.take(16)?)?);
            self.literal(b"\"")?;
        }
        self.literal(b"}\n")?;
        Some((fallback, unit))
    }

    /// A number from 0 to 1 with one to six digits behind the point.
    #[inline]
    fn share(&mut self) -> Option<()> {
        let ([b'0' | b'1', b'.'], fraction) = self.rest.split_first_chunk()? else { return None };
        let digits = fraction.iter().take(7).take_while(|byte| byte.is_ascii_digit()).count();
        self.take(2 + digits).filter(|_| (1..=6).contains(&digits)).map(drop)
    }

    /// The `error` of a call that failed, and what stands around it.
    #[cold]
    fn error(&mut self) -> Option<Option<&'a str>> {
        self.literal(br#", "error": "#)?;
        let error = self.text_or_null()?;
        self.literal(br#", "latency_ms": "#)?;
        match error {
            Some(text) => std::str::from_utf8(text).ok().map(Some),
            None => Some(None),
        }
    }

    /// The rest of a string that has no escapes, and its closing quote.
    #[inline(always)]
    fn name(&mut self) -> Option<&'a [u8]> {
        let (length, ascii) = plain_run(self.rest);
        let name = self.take(length)?;
        self.literal(b"\"")?;
        (ascii || std::str::from_utf8(name).is_ok()).then_some(name)
    }

    /// The rest of a string that is as long as a time is.
    #[inline(always)]
    fn time(&mut self) -> Option<&'a [u8]> {
        self.take(if self.rest.get(32) == Some(&b'"') { 32 } else { 25 })
    }

    /// A string with its quotes, whatever is in it, or `null`.
    #[inline(always)]
    fn text_or_null(&mut self) -> Option<Option<&'a [u8]>> {
        let Some((b'"', inside)) = self.rest.split_first() else {
            return self.literal(b"null").map(|()| None);
        };
        let (length, ascii) = plain_run(inside);
        if !ascii || inside.get(length) != Some(&b'"') {
            return self.odd_text().map(Some);
        }
        self.take(length + 2).map(Some)
    }

    /// A string that is not plain ASCII.
    #[cold]
    fn odd_text(&mut self) -> Option<&'a [u8]> {
        let (end, ascii) = string_end(self.rest, 1).ok()?;
        let text = self.take(end + 1)?;
        (ascii || std::str::from_utf8(text).is_ok()).then_some(text)
    }

    /// A plain number of milliseconds, in nanoseconds: up to nine digits, a point, up to six digits.
    #[inline(always)]
    fn milliseconds(&mut self) -> Option<u64> {
        let (ns, length) = short_milliseconds(self.rest).or_else(|| long_milliseconds(self.rest))?;
        self.take(length).map(|_| ns)
    }
}

/// Nanoseconds in a millisecond, and in its tenth, hundredth and so on.
const SCALE: [u64; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// A number such as `12.34` in front of a comma that is one of the next eight bytes, and its length: all digits at once.
#[inline(always)]
fn short_milliseconds(bytes: &[u8]) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    let comma = first_byte(word, b',')?;
    let point = first_byte(word, b'.').filter(|point| (1..comma.saturating_sub(1)).contains(point))?;
    if point > 1 && word as u8 == b'0' {
        return None;
    }
    let low = word & ((1 << (8 * point)) - 1);
    let high = (word & ((1u64 << (8 * comma)) - 1)) >> (8 * (point + 1));
    let digits = comma - 1;
    // Right-aligned, with zeros in front.
    let text = (low | high << (8 * point)) << (8 * (8 - digits)) | ascii_zeros(8 - digits);
    Some((eight_digits(text)? * SCALE[comma - point - 1], comma))
}

/// `count` ASCII zeros in the first bytes of a word.
#[inline(always)]
fn ascii_zeros(count: usize) -> u64 {
    0x3030_3030_3030_3030 & ((1u64 << (8 * count)) - 1)
}

/// Where a word first has `byte`, in the order of its bytes in memory.
#[inline(always)]
fn first_byte(word: u64, byte: u8) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let different = word ^ (ONES * u64::from(byte));
    let found = different.wrapping_sub(ONES) & !different & (ONES << 7);
    (found != 0).then_some(found.trailing_zeros() as usize / 8)
}

fn long_milliseconds(bytes: &[u8]) -> Option<(u64, usize)> {
    let (whole, mut length) = leading_number(bytes, 9)?;
    if length > 1 && bytes[0] == b'0' {
        return None;
    }
    let mut ns = whole * 1_000_000;
    if bytes.get(length) == Some(&b'.') {
        let (fraction, digits) = leading_number(&bytes[length + 1..], 6)?;
        ns += fraction * SCALE[digits];
        length += 1 + digits;
    }
    Some((ns, length))
}

/// The digits that `bytes` begins with, as a number, and how many they are; `None` for none, or more than `most`.
fn leading_number(bytes: &[u8], most: usize) -> Option<(u64, usize)> {
    let digits = bytes.iter().take(most + 1).take_while(|byte| byte.is_ascii_digit()).count();
    let number = || bytes[..digits].iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    (1..=most).contains(&digits).then(|| (number(), digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_read_a_number_agree() {
        for whole in 0..120_000u64 {
            for text in
                [format!("{}.{:02}, \"s\"", whole / 100, whole % 100), format!("{}.{}, \"s\"", whole / 10, whole % 10)]
            {
                let short = short_milliseconds(text.as_bytes());
                if text.find(',').is_some_and(|comma| comma < 8) {
                    assert!(short.is_some(), "{text}");
                }
                assert!(short.is_none() || short == long_milliseconds(text.as_bytes()), "{text}");
            }
        }
        for odd in [
            "1., \"abc",
            ".5, \"abc",
            "01.5, \"a",
            "1.5.2, \"",
            "1a.5, \"a",
            "1,5.0, \"",
            "-1.5, \"a",
            "1.5e3, \"",
            "/.0, \"ab",
            "1:.0, \"a",
        ] {
            assert_eq!(short_milliseconds(odd.as_bytes()), None, "{odd}");
        }
    }
}
