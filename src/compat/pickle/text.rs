//! Arguments of opcodes that are text.

use std::borrow::Cow;

use super::BigInt;
use super::error::Fault;

/// A string in UTF-8, in which Python leaves surrogates that stand alone as three bytes each.
pub(super) fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, Fault> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let mut text = String::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(valid) => valid.len(),
            Err(error) => error.valid_up_to(),
        };
        text.push_str(std::str::from_utf8(&rest[..valid]).unwrap_or_default());
        rest = match &rest[valid..] {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..] => {
                text.push(char::REPLACEMENT_CHARACTER);
                rest
            }
            [] => &[],
            _ => return Err(Fault::argument("its string is not UTF-8")),
        };
    }
    Ok(Cow::Owned(text))
}

/// A string as Latin-1, in which `\uXXXX` and `\UXXXXXXXX` are characters.
pub(super) fn raw_unicode_escape(line: &[u8]) -> Result<String, Fault> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    loop {
        rest = match rest {
            [] => return Ok(text),
            [b'\\', kind @ (b'u' | b'U'), after @ ..] => {
                let digits = after.get(..if *kind == b'u' { 4 } else { 8 });
                let code = digits.and_then(|digits| number(digits, 16));
                let (Some(digits), Some(code @ 0..=0x10_ffff)) = (digits, code) else {
                    return Err(Fault::argument("its string has an escape that is cut or no character"));
                };
                text.push(u32::try_from(code).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
                &after[digits.len()..]
            }
            // Two backslashes are two characters, but the second does not begin an escape.
            [b'\\', b'\\', after @ ..] => {
                text.push_str("\\\\");
                after
            }
            [byte, after @ ..] => {
                text.push(char::from(*byte));
                after
            }
        };
    }
}

/// A number of digits in this base, with nothing else.
fn number(digits: &[u8], base: u32) -> Option<u64> {
    let value =
        |sum: u64, byte: &u8| sum.checked_mul(base.into())?.checked_add(char::from(*byte).to_digit(base)?.into());
    if digits.is_empty() { None } else { digits.iter().try_fold(0, value) }
}

/// The bytes of a Python literal `'…'` or `"…"`, with its escapes resolved.
pub(super) fn quoted(line: &[u8]) -> Result<Cow<'_, [u8]>, Fault> {
    let line = line.trim_ascii();
    let inner = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return Err(Fault::argument("its string is not in quotes")),
    };
    if !inner.contains(&b'\\') {
        return Ok(Cow::Borrowed(inner));
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let [first, after @ ..] = rest {
        rest = if *first == b'\\' {
            escape(after, &mut bytes).ok_or_else(|| Fault::argument("its string has an escape that is none"))?
        } else {
            bytes.push(*first);
            after
        };
    }
    Ok(Cow::Owned(bytes))
}

/// What follows a backslash: adds what is meant, and returns what comes after.
fn escape<'a>(text: &'a [u8], bytes: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (first, rest) = text.split_first()?;
    let byte = match first {
        b'\n' => return Some(rest),
        b'\\' | b'\'' | b'"' => *first,
        b'b' => 8,
        b'f' => 12,
        b't' => b'\t',
        b'n' => b'\n',
        b'r' => b'\r',
        b'v' => 11,
        b'a' => 7,
        b'0'..=b'7' => {
            let length = text.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            // Three octal digits can be more than a byte: Python keeps the low bits.
            bytes.push((number(&text[..length], 8)? & 0xff) as u8);
            return Some(&text[length..]);
        }
        b'x' => {
            bytes.push(u8::try_from(number(rest.get(..2)?, 16)?).ok()?);
            return Some(&rest[2..]);
        }
        other => {
            bytes.extend([b'\\', *other]);
            return Some(rest);
        }
    };
    bytes.push(byte);
    Some(rest)
}

/// A place in the memo.
pub(super) fn memo_index(line: &[u8]) -> Result<u64, Fault> {
    number(line, 10).ok_or_else(|| Fault::argument("its place in the memo is not a number"))
}

/// A float as Python prints it.
pub(super) fn float(line: &[u8]) -> Result<f64, Fault> {
    let text = std::str::from_utf8(line).ok().map(str::trim);
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| Fault::argument("its number is not a float"))
}

/// An integer in decimal digits.
pub(super) fn integer(line: &[u8]) -> Result<Result<i64, BigInt<'_>>, Fault> {
    let line = line.trim_ascii();
    let (negative, digits) = match line {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::argument("its number is not an integer"));
    }
    if let Some(small) = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()) {
        return Ok(Ok(small));
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    BigInt::decimal(negative, &digits[zeros..]).map(Err).ok_or_else(|| Fault::limit("its number is too long"))
}
