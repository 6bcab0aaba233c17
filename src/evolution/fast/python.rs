//! The line that the Python tracker writes for a call, or ours with its few keys more: most lines of most logs. What is known
//! when this is compiled need not be looked up, so they are read a fifth faster than as a shape that was learned.

use super::cursor::Cursor;
use crate::evolution::event::Call;
use crate::time::CanonicalReader;

/// Reads the call that stands in front of the cursor, newline included.
#[inline(always)]
pub(super) fn read<'a>(cursor: &mut Cursor<'a>, times: &mut CanonicalReader) -> Option<Call<'a>> {
    cursor.literal(br#"{"event": "call", "function": ""#)?;
    let function = cursor.name()?;
    cursor.literal(br#", "timestamp": ""#)?;
    let at = times.read(cursor.time()?)?;
    cursor.literal(br#", "variant": ""#)?;
    let variant = cursor.name()?;
    cursor.literal(br#", "value": "#)?;
    cursor.pass()?;
    let error = if cursor.is_next(br#", "error": null, "latency_ms": "#) { None } else { error(cursor)? };
    let latency_ns = Some(cursor.milliseconds()?);
    let success = cursor.is_next(br#", "success": true"#);
    if !success {
        cursor.literal(br#", "success": false"#)?;
    }
    let (fallback, unit) = if cursor.is_next(b"}\n") { (None, None) } else { ours(cursor)? };
    Some(Call { function, variant, at, success, latency_ns, error, fallback, unit })
}

/// The `error` of a call that failed, and what stands around it.
#[cold]
fn error<'a>(cursor: &mut Cursor<'a>) -> Option<Option<&'a str>> {
    cursor.literal(br#", "error": "#)?;
    let error = cursor.value_or_null()?;
    cursor.literal(br#", "latency_ms": "#)?;
    Some(error)
}

/// What our tracker adds to a call: that it is a fallback or with which weight it was not, and the unit's hash.
#[inline]
fn ours(cursor: &mut Cursor<'_>) -> Option<(Option<bool>, Option<u64>)> {
    let mut fallback = None;
    if cursor.is_next(br#", "weight": "#) {
        cursor.share()?;
        fallback = Some(false);
    } else if cursor.is_next(br#", "fallback": true"#) {
        fallback = Some(true);
    }
    let unit = if cursor.is_next(br#", "unit": "#) { Some(cursor.unit()?) } else { None };
    cursor.literal(b"}\n")?;
    Some((fallback, unit))
}
