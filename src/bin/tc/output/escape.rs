//! Text from logs made harmless: what could steer a terminal or hide itself is printed as an escape.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character does something other than show itself: control characters of both sets, marks that turn the
/// direction of text, line separators, invisible ones.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}' | '\u{ad}' | '\u{180e}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}')
}

/// Text for a terminal: `\n`, `\t` and `\u{1b}` instead of what they stand for.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().map(|c| if steers(c) { c.escape_debug().collect::<String>() } else { c.to_string() });
    // escape_debug leaves a few that are printable in its eyes.
    Cow::Owned(escaped.map(|part| if part.contains(steers) { unicode(&part) } else { part }).collect())
}

fn unicode(part: &str) -> String {
    part.chars().map(|c| c.escape_unicode().to_string()).collect()
}

/// JSON text that says the same in characters that steer nothing. Such characters stand in strings only, so that `\uXXXX`
/// is right for each.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| !steers(c) || c == '\n';
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 32);
    for c in text.chars() {
        // These stand between tokens alone, where a blank says the same.
        if c == '\t' || c == '\r' {
            out.push(' ');
            continue;
        }
        if harmless(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    Cow::Owned(out)
}

/// The first `width` characters at most, with `…` for the rest.
pub(crate) fn shorten(text: &str, width: usize) -> Cow<'_, str> {
    match text.char_indices().nth(width) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let end = text.char_indices().nth(width.saturating_sub(1)).map_or(0, |(end, _)| end);
            Cow::Owned(format!("{}…", &text[..end]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_after_escaping() {
        for c in ('\0'..=char::MAX).filter(|c| steers(*c)) {
            let whole = format!("a{c}b");
            assert!(!text(&whole).contains(steers), "{c:?}");
            let quoted = format!("\"a{c}b\"");
            let safe = json(&quoted);
            assert!(!safe.contains(|c| steers(c) && c != '\n'), "{c:?}");
            if c >= ' ' {
                assert_eq!(serde_json::from_str::<String>(&safe).expect("JSON"), whole);
            }
        }
        assert_eq!(text("a\u{1b}[31m\n\u{9b}é"), "a\\u{1b}[31m\\n\\u{9b}é");
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shorten("héllo", 5), "héllo");
        assert_eq!(shorten("héllo", 4), "hél…");
        assert_eq!(shorten("x", 0), "…");
    }
}
