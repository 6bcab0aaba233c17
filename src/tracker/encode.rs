//! From events to lines: the keys of the Python package in its order, ours behind them.

use std::sync::Arc;

use super::queue::Record;
use super::seat::Seat;
use crate::evolution::fast::CALL;
use crate::json::push_string;
use crate::time::Timestamp;

/// The parts of a function's lines that are the same each time.
#[derive(Debug)]
struct Parts {
    /// What stands in front of the time.
    head: Vec<u8>,
    /// What stands behind it, for each variant.
    middles: Vec<Vec<u8>>,
}

/// Makes lines of calls.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// By the seat's number.
    seats: Vec<Option<Parts>>,
    /// The second of the last event, and its text.
    second: i64,
    stamp: Vec<u8>,
}

impl Encoder {
    /// Makes a function's parts.
    pub(super) fn learn(&mut self, seat: &Arc<Seat>) {
        let index = seat.id as usize;
        if self.seats.len() <= index {
            self.seats.resize_with(index + 1, || None);
        }
        let mut head = CALL.to_vec();
        push_string(&mut head, &seat.function);
        head.extend_from_slice(br#", "timestamp": ""#);
        let middle = |variant: &Arc<str>| {
            let mut middle = br#"", "variant": "#.to_vec();
            push_string(&mut middle, variant);
            middle.extend_from_slice(br#", "value": "#);
            middle
        };
        self.seats[index] = Some(Parts { head, middles: seat.variants.iter().map(middle).collect() });
    }

    /// Forgets them.
    pub(super) fn forget(&mut self, seat: &Seat) {
        if let Some(parts) = self.seats.get_mut(seat.id as usize) {
            *parts = None;
        }
    }

    /// Appends a call's line; `false` if its function is not known.
    pub(super) fn call(&mut self, record: &Record, out: &mut Vec<u8>) -> bool {
        if record.at.micros().div_euclid(1_000_000) != self.second || self.stamp.is_empty() {
            self.take_second(record.at);
        }
        let Some(Some(Parts { head, middles })) = self.seats.get(record.seat as usize) else { return false };
        let Some(middle) = middles.get(record.variant as usize) else { return false };
        out.extend_from_slice(head);
        out.extend_from_slice(&self.stamp);
        push_fraction(record.at, out);
        out.extend_from_slice(middle);
        let texts = record.texts.as_deref();
        push_text_or_null(texts.and_then(|texts| texts.value.as_deref()), out);
        out.extend_from_slice(br#", "error": "#);
        push_text_or_null(texts.and_then(|texts| texts.error.as_deref()), out);
        out.extend_from_slice(br#", "latency_ms": "#);
        push_milliseconds(record.latency_ns, out);
        out.extend_from_slice(if record.success { br#", "success": true"# } else { br#", "success": false"# });
        match record.chosen.millionths() {
            Some(millionths) => {
                out.extend_from_slice(br#", "weight": "#);
                push_share(millionths, out);
            }
            None => out.extend_from_slice(br#", "fallback": true"#),
        }
        if let Some(unit) = record.unit {
            out.extend_from_slice(br#", "unit": ""#);
            push_hexadecimal(unit, out);
            out.push(b'"');
        }
        out.extend_from_slice(b"}\n");
        true
    }

    #[cold]
    fn take_second(&mut self, at: Timestamp) {
        self.second = at.micros().div_euclid(1_000_000);
        self.stamp = Timestamp::from_micros(self.second.saturating_mul(1_000_000)).to_string().into_bytes();
        self.stamp.pop();
    }
}

/// The line that tells how many calls of a variant could not be kept.
pub(super) fn dropped_line(function: &str, variant: &str, count: u64, at: Timestamp, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"event": "dropped", "function": "#);
    push_string(out, function);
    out.extend_from_slice(br#", "variant": "#);
    push_string(out, variant);
    out.extend_from_slice(format!(", \"count\": {count}, \"timestamp\": \"{}\"}}\n", at.isoformat()).as_bytes());
}

/// Two digits of each number below 100.
const PAIRS: &[u8; 200] = b"\
    0001020304050607080910111213141516171819\
    2021222324252627282930313233343536373839\
    4041424344454647484950515253545556575859\
    6061626364656667686970717273747576777879\
    8081828384858687888990919293949596979899";

/// The lower `2 * N` digits of a number.
#[inline]
fn push_pairs<const N: usize>(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [[b'0'; 2]; N];
    for pair in digits.iter_mut().rev() {
        let at = (number % 100) as usize * 2;
        pair.copy_from_slice(&PAIRS[at..at + 2]);
        number /= 100;
    }
    out.extend_from_slice(digits.as_flattened());
}

/// `.507299+00:00`; without the fraction when it is 0, as Python leaves it out.
#[inline]
fn push_fraction(at: Timestamp, out: &mut Vec<u8>) {
    let us = at.micros().rem_euclid(1_000_000) as u64;
    if us > 0 {
        out.push(b'.');
        push_pairs::<3>(us, out);
    }
    out.extend_from_slice(b"+00:00");
}

#[inline]
fn push_text_or_null(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        Some(text) => push_string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// Nanoseconds below which milliseconds are given with five digits of fraction instead of two.
const FINE_BELOW_NS: u64 = 10_000_000;

/// Milliseconds as a float: to ten nanoseconds for short calls, to ten microseconds, as the Python package does, for those
/// of ten milliseconds and more. Rounded half up.
#[inline]
fn push_milliseconds(ns: u64, out: &mut Vec<u8>) {
    let tens = ns.saturating_add(5) / 10;
    if tens * 10 < FINE_BELOW_NS {
        push_decimal(tens / 100_000, tens % 100_000 * 10, out);
    } else {
        let hundredths = ns.saturating_add(5_000) / 10_000;
        push_decimal(hundredths / 100, hundredths % 100 * 10_000, out);
    }
}

/// A share in millionths, as a float.
#[inline]
fn push_share(millionths: u32, out: &mut Vec<u8>) {
    push_decimal(u64::from(millionths / 1_000_000), u64::from(millionths % 1_000_000), out);
}

/// A whole part and millionths, without zeros at the end but for one behind the point.
#[inline]
fn push_decimal(whole: u64, millionths: u64, out: &mut Vec<u8>) {
    if whole < 10 {
        out.push(b'0' + whole as u8);
    } else {
        push_whole(whole, out);
    }
    out.push(b'.');
    push_pairs::<3>(millionths, out);
    let zeros = out.iter().rev().take(5).take_while(|digit| **digit == b'0').count();
    out.truncate(out.len() - zeros);
}

fn push_whole(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(number.to_string().as_bytes());
}

fn push_hexadecimal(number: u64, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for place in (0..16).rev() {
        out.push(DIGITS[(number >> (4 * place)) as usize & 15]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"..".to_vec();
        push(&mut out);
        String::from_utf8(out).expect("ASCII").split_off(2)
    }

    #[test]
    fn milliseconds_read_as_floats() {
        for (ns, expected) in [
            (0, "0.0"),
            (4, "0.0"),
            (5, "0.00001"),
            (1_234, "0.00123"),
            (10_000, "0.01"),
            (9_999_994, "9.99999"),
            (9_999_995, "10.0"),
            (10_004_999, "10.0"),
            (10_005_000, "10.01"),
            (12_340_000, "12.34"),
            (1_500_000_000, "1500.0"),
            (u64::MAX, "18446744073709.55"),
        ] {
            assert_eq!(text(|out| push_milliseconds(ns, out)), expected, "{ns}");
        }
    }

    #[test]
    fn shares_read_as_floats() {
        for (millionths, expected) in [(0, "0.0"), (1, "0.000001"), (250_000, "0.25"), (1_000_000, "1.0")] {
            assert_eq!(text(|out| push_share(millionths, out)), expected);
        }
        assert_eq!(text(|out| push_hexadecimal(0x0123_4567_89ab_cdef, out)), "0123456789abcdef");
    }

    #[test]
    fn times_are_those_of_python() {
        for at in ["2026-06-05T10:30:00.000001Z", "2026-06-05T10:30:00Z", "1969-12-31T23:59:59.500000Z"] {
            let at = Timestamp::parse(at.as_bytes()).expect("a time");
            let mut encoder = Encoder::default();
            encoder.take_second(at);
            let text = text(|out| {
                out.extend_from_slice(&encoder.stamp);
                push_fraction(at, out);
            });
            assert_eq!(text, at.isoformat());
        }
    }
}
