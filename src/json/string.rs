//! Escapes of strings, both ways.

use std::borrow::Cow;

use super::Dialect;
use super::bytes::plain_run;

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

/// Resolves the escapes of a string that [`string_end`](super::string_end) has accepted; none if one of them is half of a
/// character, and the dialect does not allow that.
#[cold]
pub(super) fn decode<D: Dialect>(text: &str) -> Option<Cow<'_, str>> {
    let Some(first) = memchr::memchr(b'\\', text.as_bytes()) else { return Some(Cow::Borrowed(text)) };
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
                out.push(decoded.or(D::HALF)?);
                rest = after;
            }
            other => out.push(char::from(other)),
        }
        let next = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
        out.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Some(Cow::Owned(out))
}

/// The character of the four digits that `text` begins with, joined with a second escape where both make a surrogate
/// pair, and what follows; none for half of a pair.
fn unicode_escape(text: &str) -> (Option<char>, &str) {
    let unit = |text: &str| text.get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let Some(first) = unit(text) else { return (None, "") };
    let rest = &text[4..];
    if (0xd800..0xdc00).contains(&first)
        && let Some(low) = rest.strip_prefix("\\u").and_then(unit).filter(|low| (0xdc00..0xe000).contains(low))
    {
        return (char::from_u32(0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00)), &rest[6..]);
    }
    (char::from_u32(first), rest)
}

/// Copies a string with its quotes, without escapes of halves of characters.
pub(super) fn push_standard(out: &mut String, mut rest: &str) {
    while let Some(backslash) = rest.find('\\') {
        out.push_str(&rest[..backslash]);
        rest = &rest[backslash..];
        let (decoded, after) = match rest.strip_prefix("\\u") {
            Some(digits) => unicode_escape(digits),
            None => (Some('\\'), rest.get(2..).unwrap_or("")),
        };
        out.push_str(if decoded.is_some() { &rest[..rest.len() - after.len()] } else { "\\ufffd" });
        rest = after;
    }
    out.push_str(rest);
}
