//! What is found in bytes alone: where strings and numbers end, how deep a text is nested.

use wide::u8x16;

/// The offset of the quote that ends the string whose first character is at `start`, and whether all of it is ASCII;
/// `Err` with the offset of the first byte that a JSON string may not hold, or of the text's end. UTF-8 is the caller's
/// to check.
/// As with [`plain_run`], some of what comes behind may count where it is said that not all is ASCII.
#[inline]
pub(crate) fn string_end(text: &[u8], start: usize) -> Result<(usize, bool), usize> {
    let mut at = start;
    let mut all = u8x16::default();
    // Escapes are met one after the other in the bits of 32 bytes, which are looked at once.
    while let Some(bytes) = text.get(at..).and_then(|rest| rest.first_chunk::<32>()) {
        let (low, high) = halves(bytes);
        all |= low | high;
        let mut special = u64::from(specials(low) | specials(high) << 16);
        let mut next = at + 32;
        while special != 0 {
            let bit = special.trailing_zeros() as usize;
            let length = match (bytes[bit & 31], text.get(at + bit + 1)) {
                (b'\\', Some(b'"' | b'\\' | b'n')) => 2,
                (b'\\', _) => escape_end(text, at + bit).ok_or(at + bit)? - at - bit,
                (b'"', _) => return Ok((at + bit, all.to_bitmask() == 0)),
                _ => return Err(at + bit),
            };
            next = next.max(at + bit + length);
            // At most 31 and 6.
            special &= u64::MAX << (bit + length);
        }
        at = next;
    }
    let mut ascii = all.to_bitmask() == 0;
    loop {
        match text.get(at) {
            Some(b'"') => return Ok((at, ascii)),
            Some(b'\\') => at = escape_end(text, at).ok_or(at)?,
            Some(byte) if *byte >= 0x20 => {
                ascii &= byte.is_ascii();
                at += 1;
            }
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
#[inline]
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

/// Both halves of 32 bytes.
#[inline(always)]
pub(crate) fn halves(bytes: &[u8; 32]) -> (u8x16, u8x16) {
    let half = |at: usize| u8x16::new(bytes[at..].first_chunk().copied().unwrap_or_default());
    (half(0), half(16))
}

/// One bit for each of 16 bytes, the first in the lowest: quotes, backslashes and control characters.
#[inline(always)]
fn specials(bytes: u8x16) -> u32 {
    let control = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
    (bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\')) | control).to_bitmask()
}

/// How deeply arrays and objects are nested in JSON text.
pub(crate) fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in json.bytes() {
        if escaped {
            escaped = false;
            continue;
        }
        match byte {
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// The same, byte by byte.
    fn string_end_slowly(text: &[u8]) -> Result<usize, usize> {
        let mut at = 0;
        loop {
            at = match text.get(at) {
                Some(b'"') => return Ok(at),
                Some(b'\\') => escape_end(text, at).ok_or(at)?,
                Some(0x20..) => at + 1,
                _ => return Err(at),
            }
        }
    }

    #[test]
    fn strings_end_where_they_end_with_escapes_at_every_offset() {
        let escapes = ["\\n", "\\\"", "\\\\", "\\u00e9", "\\ud83d\\ude00", "\\x", "\\u12", "\\", "é", "\u{1f}"];
        for escape in escapes {
            for second in escapes {
                for (before, between) in (0..70).flat_map(|before| [0, 1, 29, 31, 32].map(|between| (before, between)))
                {
                    let plain = |length: usize| "~".repeat(length);
                    let text =
                        format!("{}{escape}{}{second}{}\"{}", plain(before), plain(between), plain(3), plain(40));
                    for text in [&text, text.trim_end_matches('~')] {
                        let found = string_end(text.as_bytes(), 0);
                        assert_eq!(found.map(|(end, _)| end), string_end_slowly(text.as_bytes()), "{text}");
                        let is_ascii = found.is_ok_and(|(end, _)| text.as_bytes()[..end].is_ascii());
                        assert!(found.is_err() || is_ascii || found.is_ok_and(|(_, ascii)| !ascii), "{text}");
                        assert!(!text.is_ascii() || found.is_err() || found.is_ok_and(|(_, ascii)| ascii), "{text}");
                    }
                }
            }
        }
    }
}
