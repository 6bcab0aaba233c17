//! Members of an object by their keys, each into its slot.

use super::cursor::Cursor;
use super::{Raw, Strict, SyntaxError, object};

/// The values that stand under `keys` in the object that begins at byte `at` (after white space), in the order of `keys`, and
/// the offset behind it and behind the white space that follows. Where a key stands twice the last one counts, as in Python.
///
/// ```
/// use temporal_code::json;
/// let text = r#"{"b": 1, "a": "x", "b": NaN}"#;
/// let ([a, b, c], end) = json::pick(text, 0, ["a", "b", "c"]).unwrap();
/// assert_eq!((a.unwrap().as_str().unwrap(), b.unwrap().text(), c, end), ("x".into(), "NaN", None, text.len()));
/// ```
///
/// # Errors
/// The first place that is not JSON.
#[inline]
pub fn pick<'a, const N: usize>(
    text: &'a str,
    at: usize,
    keys: [&str; N],
) -> Result<([Option<Raw<'a>>; N], usize), SyntaxError> {
    let mut found = [None; N];
    let end = object(text, at, |key, value| {
        if let Some(slot) = keys.iter().position(|wanted| *wanted == key) {
            found[slot] = Some(value);
        }
    })?;
    Ok((found, end))
}

/// Puts the values in the object that `text` is, in RFC 8259's JSON, into the slots of their keys. What has no slot is left out.
///
/// # Errors
/// The first place that is not JSON, or `twice` of a key that stands there twice.
#[inline]
pub(crate) fn pick_once<'a, const N: usize, E: From<SyntaxError>>(
    text: &'a str,
    slots: &mut [Option<Raw<'a>>; N],
    slot: impl Fn(&str) -> Option<usize>,
    twice: impl Fn(&str) -> E,
) -> Result<(), E> {
    let mut cursor = Cursor::<Strict>::new(text, 0);
    cursor.object(|key, value| match slot(&key).and_then(|slot| slots[slot].replace(value)) {
        None => Ok(()),
        Some(_) => Err(twice(&key)),
    })?;
    Ok(cursor.end("something follows the object")?)
}
