//! Text of others made harmless: what could steer a terminal or hide itself is shown as an escape. Every text from a log, a
//! key, a message or a server goes through here before people see it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character does something other than show itself: control characters of both sets, marks that turn the direction of
/// text, line separators, and those that show nothing at all. What joins letters of scripts and parts of emoji is left alone.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}')
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}')
        || matches!(c, '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text for a terminal: `\n`, `\t` and `\u{1b}` instead of what they stand for.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 32);
    text.chars().for_each(|c| push(&mut out, c));
    Cow::Owned(out)
}

fn push(out: &mut String, c: char) {
    match c {
        '\0' | '\t' | '\r' | '\n' => out.extend(c.escape_debug()),
        c if steers(c) => out.extend(c.escape_unicode()),
        c => out.push(c),
    }
}

/// A text as a message may repeat it: at most `max` characters of it, none of which steers a terminal, and `…` for the rest.
pub(crate) fn excerpt(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    chars.by_ref().take(max).for_each(|c| push(&mut out, c));
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

/// A text in backticks as a message may repeat it: cut after 60 characters, none of which steers a terminal.
pub fn quote(text: &str) -> String {
    const QUOTED_MAX: usize = 60;
    format!("`{}`", excerpt(text, QUOTED_MAX))
}

/// JSON text that says the same in characters that steer nothing. Such characters stand in strings only, so that `\uXXXX`
/// is right for each.
pub fn json(text: &str) -> Cow<'_, str> {
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
pub fn shorten(text: &str, width: usize) -> Cow<'_, str> {
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
            assert!(!harmless(&whole).contains(steers), "{c:?}");
            let quoted = format!("\"a{c}b\"");
            let safe = json(&quoted);
            assert!(!safe.contains(|c| steers(c) && c != '\n'), "{c:?}");
            if c >= ' ' {
                assert_eq!(serde_json::from_str::<String>(&safe).expect("JSON"), whole);
            }
        }
        assert_eq!(harmless("a\u{1b}[31m\n\u{9b}é"), "a\\u{1b}[31m\\n\\u{9b}é");
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shorten("héllo", 5), "héllo");
        assert_eq!(shorten("héllo", 4), "hél…");
        assert_eq!(shorten("x", 0), "…");
    }

    #[test]
    fn excerpts_are_cut_and_cannot_steer() {
        assert_eq!(excerpt("Zoë's \"x\" \u{1b}[31m\n\u{9b}\u{202e}", 60), "Zoë's \"x\" \\u{1b}[31m\\n\\u{9b}\\u{202e}");
        assert_eq!(excerpt(&"x".repeat(100), 3), "xxx…");
        assert_eq!(quote(""), "``");
    }
}
