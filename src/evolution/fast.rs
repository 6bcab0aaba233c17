//! The fast path of the scan: lines of calls in shapes that were learned from the log, matched piece by piece in one pass.
//!
//! A log's writers are few, and each writes its lines alike: the same keys in the same order, with the same blanks between.
//! Such a *shape* is learned from a line that [`super::event::read_records`] has read, and lines of that shape are then read
//! without looking at keys at all. The fast path either reads a line exactly as that reader does, or declines, and then that
//! reader decides.

mod cursor;
mod python;
mod shape;

use super::event::{Call, latency_ns, unit};
use crate::json::Raw;
use crate::time::{CanonicalReader, Timestamp};
use cursor::Cursor;
use shape::{Shapes, Slot};

/// How the line of a call begins, as the Python package and our tracker write it.
pub(crate) const CALL: &[u8] = br#"{"event": "call", "function": "#;

/// Most lines in a row from which nothing is learned.
const WAIT_MAX: u32 = 64;

/// Reads calls, one after the other.
#[derive(Debug, Default)]
pub(crate) struct FastReader {
    times: CanonicalReader,
    shapes: Shapes,
    /// Calls that were read since it last learned.
    hits: u32,
    /// Doubles with each lesson that did not help. From the seventh on lines are passed over between two of them, so that a
    /// log without shapes costs little.
    misses: u32,
    /// Lines that are still to be passed over.
    wait: u32,
}

impl FastReader {
    /// Reads the call that `bytes` begins with and returns it with the length of its line, newline included. `None` for
    /// every line of a shape that is not known, and for a last line that has no newline.
    #[inline(always)]
    pub(crate) fn read<'a>(&mut self, bytes: &'a [u8]) -> Option<(Call<'a>, usize)> {
        let mut cursor = Cursor { rest: bytes };
        if let Some(call) = python::read(&mut cursor, &mut self.times) {
            return Some((call, bytes.len() - cursor.rest.len()));
        }
        self.read_learned(bytes)
    }

    /// The same in a shape that was learned.
    fn read_learned<'a>(&mut self, bytes: &'a [u8]) -> Option<(Call<'a>, usize)> {
        let mut cursor = Cursor { rest: bytes };
        let mut call = Call::UNREAD;
        let mut is_weighted = false;
        let mut place = shape::FIRST;
        loop {
            let step = self.shapes.step(place)?;
            let Some(rest) = step.literal.strip_from(cursor.rest) else {
                place = step.other;
                continue;
            };
            cursor.rest = rest;
            match step.slot {
                Slot::Function => call.function = cursor.name()?,
                Slot::Variant => call.variant = cursor.name()?,
                Slot::Time => {
                    let text = cursor.time()?;
                    call.at = self.times.read(text).or_else(|| Timestamp::parse(text))?;
                }
                Slot::Success => call.success = cursor.truth()?,
                Slot::Latency => {
                    call.latency_ns = match cursor.milliseconds() {
                        None => Raw::trusted(cursor.value()?).as_number().and_then(latency_ns),
                        ns => ns,
                    }
                }
                Slot::Error => call.error = cursor.value_or_null()?,
                Slot::Weight => is_weighted = cursor.number_or_other()?,
                Slot::Fallback => call.fallback = Raw::trusted(cursor.value()?).as_bool(),
                Slot::Unit => {
                    call.unit = match cursor.unit() {
                        None => Raw::trusted(cursor.value()?).as_str().and_then(|text| unit(text.as_bytes())),
                        unit => unit,
                    }
                }
                Slot::Other => cursor.pass()?,
                Slot::Event | Slot::Nothing => {}
                Slot::End => break,
            }
            place = step.next;
        }
        self.hits += 1;
        call.fallback = call.fallback.or(is_weighted.then_some(false));
        Some((call, bytes.len() - cursor.rest.len()))
    }

    /// Learns the shape of a line, newline included, on which the exact reader found one call that has a time, and nothing
    /// wrong.
    #[cold]
    pub(crate) fn learn(&mut self, line: &[u8]) {
        if self.wait > 0 {
            self.wait -= 1;
            return;
        }
        let helped = self.hits > self.misses / WAIT_MAX;
        self.misses = if helped { 1 } else { (2 * self.misses).clamp(1, WAIT_MAX * WAIT_MAX) };
        (self.hits, self.wait) = (0, self.misses / WAIT_MAX);
        self.shapes.learn(line);
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Event, read_line};
    use super::*;

    /// A line in the style of each kind of writer.
    const LINES: [&str; 7] = [
        r#"{"event": "call", "function": "f", "timestamp": "2026-06-05T10:30:00.507299+00:00", "variant": "v2", "value": "None", "error": null, "latency_ms": 1.25, "success": true}"#,
        r#"{"event": "call", "function": "f", "timestamp": "2026-06-05T10:30:00+00:00", "variant": "v2", "value": "\"é\"", "error": "x", "latency_ms": 12.5, "success": false, "weight": 0.25, "unit": "9e124c98a398664e"}"#,
        r#"{"event": "call", "function": "f", "variant": "v2", "success": true, "latency_ms": 1.23, "timestamp": "2026-06-05T10:30:00+00:00"}"#,
        r#"{"event":"call","function":"f","timestamp":"2026-06-05T10:30:00.123Z","variant":"v2","value":{"a":[1,2]},"error":null,"latency_ms":0.12399999797344208,"success":true}"#,
        r#"{"a key that is longer than what is compared at once": [], "latency_ms": 3, "variant": "v2", "success": true, "fallback": true, "function": "f", "timestamp": "2026-06-05T10:30:00.507299Z", "event": "call"}"#,
        r#" { "event" : "call" , "timestamp" : "2026-06-05 10:30" , "function" : "größe" , "variant" : "v2" , "success" : true } "#,
        r#"{"success":false,"event":"call","timestamp":"2026-06-05T10:30:00Z","function":"f","variant":"v2","latency_ms":null,"error":{"code":7}}"#,
    ];

    #[test]
    fn each_shape_is_learned_from_one_line_and_no_line_is_read_otherwise() {
        let mut reader = FastReader::default();
        for (at, line) in LINES.map(|line| format!("{line}\n")).iter().enumerate() {
            // The first two need not be learned.
            assert_eq!(reader.read(line.as_bytes()).is_some(), at < 2, "{line}");
            reader.learn(line.as_bytes());
        }
        for line in LINES.map(|line| format!("{line}\n")) {
            let rest = [line.as_bytes(), b"{}"].concat();
            let (call, length) = reader.read(&rest).expect("a known shape");
            assert_eq!(length, line.len());
            let (fast, mut exact) = (Event::from(&call), 0);
            read_line(line.as_bytes(), &mut |event| {
                assert_eq!(fast, event);
                exact += 1;
            })
            .expect("a good line");
            assert_eq!(exact, 1);
        }
        assert!(reader.read(LINES[0].as_bytes()).is_none(), "a line without its newline may not be whole");
    }

    #[test]
    fn where_learning_does_not_help_it_is_tried_less_often_and_begins_again_when_it_does() {
        let mut reader = FastReader::default();
        let line = |key: &str| LINES[0].replace('}', &format!(", \"{key}\": 1}}\n"));
        (0..1_000).for_each(|number| reader.learn(line(&format!("k{number}")).as_bytes()));
        assert_eq!(reader.misses, WAIT_MAX * WAIT_MAX);
        (0..=WAIT_MAX).for_each(|_| reader.learn(line("same").as_bytes()));
        assert!((0..=WAIT_MAX).all(|_| reader.read(line("same").as_bytes()).is_some()));
        (0..=WAIT_MAX).for_each(|_| reader.learn(line("other").as_bytes()));
        assert!(reader.misses < WAIT_MAX * WAIT_MAX);
    }
}
