//! What of a line is still to be read, and how its values are read from it: as the exact reader does, or not at all.

use simdutf8::basic::from_utf8;

use crate::evolution::event::unit;
use crate::json::{self, Raw, number_end, plain_run, string_end};
use crate::time::eight_digits;

/// What of a line is still to be read, and all that follows it.
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Passes over a literal, which must come next.
    #[inline(always)]
    pub(super) fn literal<const N: usize>(&mut self, literal: &[u8; N]) -> Option<()> {
        self.is_next(literal).then_some(())
    }

    /// Passes over a literal, if it comes next.
    #[inline(always)]
    pub(super) fn is_next<const N: usize>(&mut self, literal: &[u8; N]) -> bool {
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

    /// The rest of a string that has no escapes, and its closing quote.
    #[inline(always)]
    pub(super) fn name(&mut self) -> Option<&'a [u8]> {
        let (length, ascii) = plain_run(self.rest);
        let name = self.take(length)?;
        (self.is_next(b"\"") && (ascii || from_utf8(name).is_ok())).then_some(name)
    }

    /// The rest of a string that is a time, and its closing quote: nearly all are as long as Python's.
    #[inline(always)]
    pub(super) fn time(&mut self) -> Option<&'a [u8]> {
        for length in [32, 25] {
            if self.rest.get(length) == Some(&b'"') {
                let time = self.take(length);
                return time.filter(|_| self.is_next(b"\""));
            }
        }
        self.name()
    }

    /// `true` or `false`.
    #[inline(always)]
    pub(super) fn truth(&mut self) -> Option<bool> {
        if self.is_next(b"true") { Some(true) } else { self.is_next(b"false").then_some(false) }
    }

    /// A value's text; none for `null`.
    #[inline(always)]
    pub(super) fn value_or_null(&mut self) -> Option<Option<&'a str>> {
        if self.is_next(b"null") { Some(None) } else { self.value().map(Some) }
    }

    /// A value's text.
    #[cold]
    pub(super) fn value(&mut self) -> Option<&'a str> {
        let from = self.rest;
        self.pass()?;
        std::str::from_utf8(&from[..from.len() - self.rest.len()]).ok()
    }

    /// Passes over a value.
    #[inline(always)]
    pub(super) fn pass(&mut self) -> Option<()> {
        let Some((b'"', inside)) = self.rest.split_first() else { return self.pass_other() };
        let (length, ascii) = plain_run(inside);
        let is_plain = ascii && inside.get(length) == Some(&b'"');
        let length = if is_plain { length + 2 } else { odd_string(self.rest, length + 1, ascii)? };
        self.take(length).map(drop)
    }

    /// Passes over a value that is no string.
    #[inline(never)]
    fn pass_other(&mut self) -> Option<()> {
        let length = match self.rest.first()? {
            b'0'..=b'9' => number_end(self.rest, 0).ok()?,
            b'n' if self.rest.starts_with(b"null") => 4,
            _ => {
                let line = &self.rest[..memchr::memchr(b'\n', self.rest)?];
                json::value(from_utf8(line).ok()?, 0).ok()?.0.text().len()
            }
        };
        self.take(length).map(drop)
    }

    /// Passes over a number from 0 to 1 with one to six digits behind the point.
    #[inline]
    pub(super) fn share(&mut self) -> Option<()> {
        let ([b'0' | b'1', b'.'], fraction) = self.rest.split_first_chunk()? else { return None };
        let digits = fraction.iter().take(7).take_while(|byte| byte.is_ascii_digit()).count();
        self.take(2 + digits).filter(|_| (1..=6).contains(&digits)).map(drop)
    }

    /// Passes over a value, and says whether it is a number.
    #[inline(always)]
    pub(super) fn number_or_other(&mut self) -> Option<bool> {
        match number_end(self.rest, 0) {
            Ok(length) => self.take(length).map(|_| true),
            Err(_) => Some(Raw::trusted(self.value()?).as_number().is_some()),
        }
    }

    /// A unit as trackers write it, with its quotes. Nothing is passed over if it is another.
    #[inline(always)]
    pub(super) fn unit(&mut self) -> Option<u64> {
        let Some(([b'"', digits @ .., b'"'], rest)) = self.rest.split_first_chunk::<18>() else { return None };
        let unit = unit(digits)?;
        self.rest = rest;
        Some(unit)
    }

    /// A plain number of milliseconds, in nanoseconds: up to nine digits, a point, up to six digits. Nothing is passed over
    /// if it is another.
    #[inline(always)]
    pub(super) fn milliseconds(&mut self) -> Option<u64> {
        let (ns, length) = match short_milliseconds(self.rest) {
            None => long_milliseconds(self.rest)?,
            short => short?,
        };
        self.take(length).map(|_| ns)
    }
}

/// The length of a string that is not plain ASCII, with both quotes, of which the first `plain` bytes are known to be plain.
#[inline(never)]
fn odd_string(text: &[u8], plain: usize, ascii: bool) -> Option<usize> {
    let (end, rest_ascii) = string_end(text, plain).ok()?;
    (ascii && rest_ascii || from_utf8(&text[..end]).is_ok()).then_some(end + 1)
}

/// Nanoseconds in a millisecond, and in its tenth, hundredth and so on.
const SCALE: [u64; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// A number such as `12.34` in front of a comma or brace that is one of the next eight bytes, and its length: all digits at once.
#[inline(always)]
fn short_milliseconds(bytes: &[u8]) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    let comma = first_byte(word, b',').or_else(|| first_byte(word, b'}'))?;
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
    (!matches!(bytes.get(length), Some(b'e' | b'E'))).then_some((ns, length))
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
