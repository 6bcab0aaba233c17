//! A value as its own text.

use std::borrow::Cow;
use std::fmt;

use super::bytes::string_end;
use super::string::{decode, push_standard};
use super::{Dialect, Python};

/// One value's own text, known to be well formed.
#[derive(Clone, Copy)]
pub struct Raw<'a> {
    text: &'a str,
    /// A string that has no escapes is not searched for them.
    may_escape: bool,
}

/// Two values are equal if their texts are.
impl PartialEq for Raw<'_> {
    fn eq(&self, other: &Raw<'_>) -> bool {
        self.text == other.text
    }
}

impl Eq for Raw<'_> {}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Raw").field(&self.text).finish()
    }
}

impl<'a> Raw<'a> {
    /// Wraps a text that the caller has checked to be one JSON value.
    #[inline]
    pub(crate) fn trusted(text: &'a str) -> Self {
        Raw { text, may_escape: true }
    }

    /// As [`Raw::trusted`], where it is known whether the text is a string with escapes.
    #[inline]
    pub(super) fn scanned(text: &'a str, may_escape: bool) -> Self {
        Raw { text, may_escape }
    }

    /// The text as it stands in the log.
    #[inline]
    pub fn text(self) -> &'a str {
        self.text
    }

    /// The string that this value is, with escapes resolved; `None` for any other value.
    #[inline]
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        self.string::<Python>()
    }

    /// As [`Raw::as_str`]; `None` also for a string that the dialect does not allow.
    #[inline]
    pub(crate) fn string<D: Dialect>(self) -> Option<Cow<'a, str>> {
        let inner = self.text.strip_prefix('"')?.strip_suffix('"')?;
        if self.may_escape { decode::<D>(inner) } else { Some(Cow::Borrowed(inner)) }
    }

    /// `true` or `false`; `None` for any other value.
    #[inline]
    pub fn as_bool(self) -> Option<bool> {
        match self.text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The text of a number, `NaN` and the infinities among them; `None` for any other value.
    pub fn as_number(self) -> Option<&'a str> {
        matches!(self.text.as_bytes().first(), Some(b'-' | b'0'..=b'9' | b'N' | b'I')).then_some(self.text)
    }

    /// The whole number that this value is; `None` for any other value, and for one that is too large.
    #[inline]
    pub(crate) fn as_whole(self) -> Option<u64> {
        self.text.bytes().try_fold(0u64, |number, byte| {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 { None } else { number.checked_mul(10)?.checked_add(u64::from(digit)) }
        })
    }

    /// Whether this value is `null`.
    pub fn is_null(self) -> bool {
        self.text == "null"
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
            push_standard(&mut out, &rest[..end]);
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

/// The same value with all that Python's `json` says beyond RFC 8259 told apart from what that says: `NaN`, the infinities and
/// strings with surrogates that stand alone become objects with the one member `$repr`, the text of the value. A key `$repr` of an
/// object gets one more `$`, and so does one with more of them.
///
/// ```
/// use temporal_code::json;
/// let mut shown = Vec::new();
/// json::object(r#"{"a": [NaN, "nan"]}"#, 0, |_, value| shown.push(json::told_apart(value).into_owned())).unwrap();
/// assert_eq!(shown, [r#"[{"$repr":"nan"}, "nan"]"#]);
/// ```
pub fn told_apart(value: Raw<'_>) -> Cow<'_, str> {
    let text = value.text();
    if !["NaN", "Infinity", "\\u", "$repr"].iter().any(|part| text.contains(part)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let number = [("NaN", "nan"), ("Infinity", "inf"), ("-Infinity", "-inf")];
        if next == '"' {
            let end = string_end(rest.as_bytes(), 1).map_or(rest.len(), |(end, _)| end + 1);
            let (string, behind) = rest.split_at(end);
            let is_key = behind.trim_start().starts_with(':');
            let from = out.len();
            push_standard(&mut out, string);
            if is_key && string[1..].trim_start_matches('$') == "repr\"" && string.starts_with("\"$") {
                out.insert(from + 1, '$');
            } else if !is_key && out[from..] != *string {
                out.truncate(from);
                out.push_str(&repr(string));
            }
            rest = behind;
        } else if let Some((name, shown)) = number.into_iter().find(|(name, _)| rest.starts_with(name)) {
            out.push_str(&repr(shown));
            rest = &rest[name.len()..];
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    Cow::Owned(out)
}

/// The JSON for a value that JSON has not, by the text of it.
pub(crate) fn repr(text: &str) -> String {
    serde_json::json!({ "$repr": text }).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::Strict;
    use super::*;

    #[test]
    fn strings_and_numbers_are_exact() {
        let string = |text| Raw::trusted(text).string::<Strict>();
        let number = |text| Raw::trusted(text).as_whole();
        assert_eq!(string(r#""a\"\u00e9""#).as_deref(), Some("a\"é"));
        for bad in ["1", "null", r#""\ud800""#] {
            assert_eq!(string(bad), None);
        }
        assert_eq!((number("18446744073709551615"), number("0")), (Some(u64::MAX), Some(0)));
        for bad in ["18446744073709551616", "-1", "1.0", "1e3", "\"1\"", "null"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
