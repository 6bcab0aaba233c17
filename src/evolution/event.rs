//! What one line of an evolution log says, read exactly, whatever wrote it.

use std::borrow::Cow;
use std::fmt;

use crate::json::{self, Raw, SyntaxError};
use crate::time::Timestamp;

/// What kind of event a line records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A variant was called.
    Call,
    /// The share of traffic of a variant was changed.
    WeightChange,
    /// A variant was given all traffic.
    Promotion,
    /// A variant was withdrawn.
    Rollback,
    /// Anything else that a writer recorded.
    Other(Cow<'a, str>),
}

impl<'a> Kind<'a> {
    /// The kind that the log calls `name`.
    pub fn from_name(name: Cow<'a, str>) -> Self {
        match name.as_ref() {
            "call" => Kind::Call,
            "weight_change" => Kind::WeightChange,
            "promotion" => Kind::Promotion,
            "rollback" => Kind::Rollback,
            _ => Kind::Other(name),
        }
    }

    /// Its name in the log.
    pub fn name(&self) -> &str {
        match self {
            Kind::Call => "call",
            Kind::WeightChange => "weight_change",
            Kind::Promotion => "promotion",
            Kind::Rollback => "rollback",
            Kind::Other(name) => name,
        }
    }
}

/// The name of a function or variant: text that is compared more often than it is looked at. It is kept as bytes, which
/// were UTF-8 when they were read; [`Name::as_str`] checks that again, so that no code has to promise it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name<'a>(Cow<'a, [u8]>);

impl<'a> Name<'a> {
    /// Wraps bytes that the caller knows to be ASCII.
    #[inline]
    pub(crate) fn ascii(bytes: &'a [u8]) -> Self {
        Name(Cow::Borrowed(bytes))
    }

    /// The name's UTF-8.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl<'a> From<&'a str> for Name<'a> {
    fn from(text: &'a str) -> Self {
        Name(Cow::Borrowed(text.as_bytes()))
    }
}

impl<'a> From<Cow<'a, str>> for Name<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Name(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }
}

/// What a call came to. Of no meaning for other kinds of event.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome<'a> {
    /// Whether the variant returned.
    pub success: bool,
    /// How long it took, in nanoseconds; `None` where the log has no such number, or a negative or endless one.
    pub latency_ns: Option<u64>,
    /// What it failed with, as logged.
    pub error: Option<Raw<'a>>,
    /// The writer said that this call was made because another variant had failed.
    pub fallback: bool,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// What happened.
    pub kind: Kind<'a>,
    /// The function that it happened to. Always there, but for kinds of other writers.
    pub function: Option<Name<'a>>,
    /// The variant that it happened to. Always there, but for kinds of other writers.
    pub variant: Option<Name<'a>>,
    /// When; a call is logged when it ends. `None` where the log has no readable time.
    pub at: Option<Timestamp>,
    /// What a call came to.
    pub outcome: Outcome<'a>,
}

impl Event<'_> {
    /// When the call began, as well as the log can tell.
    pub fn began(&self) -> Option<Timestamp> {
        let latency_us = i64::try_from(self.outcome.latency_ns? / 1_000).ok()?;
        Some(self.at?.offset_micros(-latency_us))
    }
}

/// What is wrong with a line, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not UTF-8 from this byte of the line on.
    Encoding(usize),
    /// Not a JSON object.
    Syntax(SyntaxError),
    /// An object that lacks what its kind of event needs, or has it of another type.
    Incomplete(&'static str),
    /// Two or more whole events on one line. All were read.
    Glued,
    /// A broken event with whole ones behind it, which were read: two writers that met, or one that died.
    Torn(SyntaxError),
    /// More than [`crate::jsonl::LINE_BYTES_MAX`] bytes.
    Overlong,
}

impl Fault {
    /// Whether something on the line was not read.
    pub fn loses(&self) -> bool {
        !matches!(self, Fault::Glued)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Encoding(at) => write!(f, "not UTF-8 at column {}", at + 1),
            Fault::Syntax(error) => write!(f, "not JSON: {error}"),
            Fault::Incomplete(what) => f.write_str(what),
            Fault::Glued => f.write_str("several events on one line, all read"),
            Fault::Torn(error) => write!(f, "torn event ({error}) in front of a whole one, which was read"),
            Fault::Overlong => write!(f, "longer than {} MiB", crate::jsonl::LINE_BYTES_MAX >> 20),
        }
    }
}

/// How many of the last places where an event could begin are tried on a line that does not parse.
const RECOVERY_TRIES: usize = 4;

/// Reads one line (its newline may be missing) and hands on each event in it: none on a blank line, more than one where
/// two writers met.
///
/// ```
/// use temporal_code::evolution::event::read_line;
/// let line = br#"{"event": "promotion", "function": "f", "variant": "v2", "timestamp": "2026-06-05T10:30:00Z"}"#;
/// read_line(line, &mut |event| assert_eq!(event.variant.unwrap().as_str(), "v2")).unwrap();
/// assert!(read_line(b"{\"event\": \"promo", &mut |_| unreachable!()).is_err());
/// ```
///
/// # Errors
/// What is wrong with the line. Events that could be read in spite of it were handed on: see [`Fault::loses`].
pub fn read_line(line: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), Fault> {
    read_records(line, &mut |_, event| sink(event))
}

/// Like [`read_line`], and hands on each event's own text as well.
///
/// # Errors
/// As [`read_line`].
pub fn read_records(line: &[u8], sink: &mut impl FnMut(&str, Event<'_>)) -> Result<(), Fault> {
    let text = std::str::from_utf8(line).map_err(|error| Fault::Encoding(error.valid_up_to()))?;
    if text.bytes().all(|byte| byte.is_ascii_whitespace()) {
        return Ok(());
    }
    match sequence(text, sink) {
        Ok(1) => Ok(()),
        Ok(_) => Err(Fault::Glued),
        Err(Fault::Syntax(error)) => Err(recover(text, error, sink)),
        Err(other) => Err(other),
    }
}

/// Reads objects one after the other up to the end of `text`, hands them on if all are well formed, and counts them.
fn sequence(text: &str, sink: &mut impl FnMut(&str, Event<'_>)) -> Result<usize, Fault> {
    let mut starts = vec![0];
    let mut at = json::object(text, 0, |_, _| {}).map_err(Fault::Syntax)?;
    while at < text.len() {
        starts.push(at);
        at = json::object(text, at, |_, _| {}).map_err(Fault::Syntax)?;
    }
    starts.push(at);
    let mut incomplete = None;
    for range in starts.windows(2) {
        let record = text[range[0]..range[1]].trim_ascii();
        match event(record) {
            Ok(event) => sink(record, event),
            Err(what) => incomplete = Some(what),
        }
    }
    incomplete.map_or(Ok(starts.len() - 1), |what| Err(Fault::Incomplete(what)))
}

/// Looks for whole events at the end of a line that is broken further in front. A quote inside a string is escaped, so
/// `{"event"` cannot stand in one: what begins with it and parses to the line's end was written as an event.
fn recover(text: &str, error: SyntaxError, sink: &mut impl FnMut(&str, Event<'_>)) -> Fault {
    let places = memchr::memmem::rfind_iter(text.as_bytes(), b"{\"event\"").take(RECOVERY_TRIES).collect::<Vec<_>>();
    for place in places.into_iter().rev().filter(|place| *place > 0) {
        match sequence(&text[place..], sink) {
            Ok(_) => return Fault::Torn(error),
            Err(Fault::Syntax(_)) => {}
            Err(other) => return other,
        }
    }
    Fault::Syntax(error)
}

/// The members of an event that we read; where a key stands twice the last one counts, as in Python.
#[derive(Default)]
struct Members<'a> {
    event: Option<Raw<'a>>,
    function: Option<Raw<'a>>,
    variant: Option<Raw<'a>>,
    timestamp: Option<Raw<'a>>,
    success: Option<Raw<'a>>,
    latency_ms: Option<Raw<'a>>,
    error: Option<Raw<'a>>,
    fallback: Option<Raw<'a>>,
}

/// The event that a well-formed object records.
fn event(record: &str) -> Result<Event<'_>, &'static str> {
    let mut members = Members::default();
    let read = json::object(record, 0, |key, value| {
        let member = match key.as_ref() {
            "event" => &mut members.event,
            "function" => &mut members.function,
            "variant" => &mut members.variant,
            "timestamp" => &mut members.timestamp,
            "success" => &mut members.success,
            "latency_ms" => &mut members.latency_ms,
            "error" => &mut members.error,
            "fallback" => &mut members.fallback,
            _ => return,
        };
        *member = Some(value);
    });
    debug_assert!(read.is_ok(), "the caller has parsed it");

    let kind = members.event.and_then(Raw::as_str).ok_or("an object without an `event` that is text")?;
    let kind = Kind::from_name(kind);
    let function = members.function.and_then(Raw::as_str).map(Name::from);
    let variant = members.variant.and_then(Raw::as_str).map(Name::from);
    let at = members.timestamp.and_then(Raw::as_str).and_then(|text| Timestamp::parse(text.as_bytes()));
    let ours = !matches!(kind, Kind::Other(_));
    if ours && function.is_none() {
        return Err("an event without a `function` that is text");
    }
    if ours && variant.is_none() {
        return Err("an event without a `variant` that is text");
    }
    let mut outcome = Outcome::default();
    if kind == Kind::Call {
        outcome = Outcome {
            success: members.success.and_then(Raw::as_bool).ok_or("a call without a `success` of true or false")?,
            latency_ns: members.latency_ms.and_then(Raw::as_number).and_then(latency_ns),
            error: members.error.filter(|error| !error.is_null()),
            fallback: members.fallback.and_then(Raw::as_bool) == Some(true),
        };
    }
    Ok(Event { kind, function, variant, at, outcome })
}

/// A number of milliseconds, in whole nanoseconds, rounded; `None` when negative, not finite or above 584 years.
pub(crate) fn latency_ns(number: &str) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let exact = whole.len() <= 12 && fraction.len() <= 6;
    if exact && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        let scale = 10u64.pow(6 - fraction.len() as u32);
        let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()? * scale };
        return Some(whole.parse::<u64>().ok()? * 1_000_000 + fraction);
    }
    let ms: f64 = number.parse().ok()?;
    let ns = (ms * 1e6).round();
    (ns >= 0.0 && ns < u64::MAX as f64).then_some(ns as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (Vec<String>, Option<String>) {
        let mut seen = Vec::new();
        let fault = read_line(line.as_bytes(), &mut |event| {
            let function = event.function.as_ref().map_or("-", Name::as_str);
            seen.push(format!("{} {function}", event.kind.name()));
        });
        (seen, fault.err().map(|fault| fault.to_string()))
    }

    const CALL: &str = r#"{"success": true, "event": "call", "function": "f", "variant": "v1"}"#;

    #[test]
    fn reads_any_order_and_unknown_kinds() {
        assert_eq!(read(CALL), (vec!["call f".into()], None));
        assert_eq!(read(r#"{"event": "deploy", "sha": [1]}"#), (vec!["deploy -".into()], None));
        assert_eq!(read(" \t\r\n"), (vec![], None));
        assert_eq!(read(&format!("{CALL}\r\n")), (vec!["call f".into()], None));
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let line = r#"{"event": "x", "event": "promotion", "function": "a", "function": "b", "variant": "v"}"#;
        assert_eq!(read(line), (vec!["promotion b".into()], None));
        let line = r#"{"event": "promotion", "function": "a", "function": 3, "variant": "v"}"#;
        assert_eq!(read(line).1.as_deref(), Some("an event without a `function` that is text"));
    }

    #[test]
    fn says_what_is_missing() {
        let missing = [
            (r#"{"a": 1}"#, "an object without an `event` that is text"),
            (r#"{"event": "call", "variant": "v"}"#, "an event without a `function` that is text"),
            (r#"{"event": "rollback", "function": "f"}"#, "an event without a `variant` that is text"),
            (r#"{"event": "call", "function": "f", "variant": "v", "success": 1}"#, "a call without a `success`"),
            ("[1]", "not JSON: expected an object at column 1"),
            ("\u{feff}{}", "not JSON: expected an object at column 1"),
            (r#"{"event": "call", "fun"#, "not JSON: the line ends too early at column 23"),
        ];
        for (line, expected) in missing {
            let (seen, fault) = read(line);
            assert!(seen.is_empty(), "{line}");
            assert!(fault.as_deref().is_some_and(|fault| fault.starts_with(expected)), "{line}: {fault:?}");
        }
        let fault = read_line(b"{\"event\": \"\xff\"}", &mut |_| {}).expect_err("not UTF-8");
        assert_eq!(fault.to_string(), "not UTF-8 at column 12");
    }

    #[test]
    fn glued_and_torn_lines_give_what_is_whole() {
        let event = r#"{"event": "promotion", "function": "p", "variant": "v"}"#;
        let (seen, fault) = read(&format!("{event}{event}  {event}"));
        assert_eq!(seen.len(), 3);
        assert_eq!(fault.as_deref(), Some("several events on one line, all read"));
        for cut in 1..event.len() {
            let (seen, fault) = read(&format!("{}{event}", &event[..cut]));
            assert_eq!(seen.len(), 1, "{cut}");
            assert!(fault.expect("torn").starts_with("torn event"), "{cut}");
            let (seen, fault) = read(&format!("{event}{}", &event[..cut]));
            assert!(fault.expect("torn").starts_with("not JSON"), "{cut}");
            assert!(seen.is_empty(), "{cut}");
        }
        // Inside a string the quotes are escaped, so nothing is mistaken for an event.
        let (seen, _) = read(r#"{"event": "call", "value": "{\"event\": \"call\"}", oops"#);
        assert!(seen.is_empty());
    }

    #[test]
    fn recovery_is_bounded_on_a_hostile_line() {
        let (seen, fault) = read(&"{\"event\"".repeat(1_000_000));
        assert!(seen.is_empty());
        assert!(fault.is_some());
    }

    #[test]
    fn latencies_are_exact_to_the_nanosecond() {
        for (text, ns) in [
            ("0", Some(0)),
            ("0.0", Some(0)),
            ("-0.0", Some(0)),
            ("12.34", Some(12_340_000)),
            ("1e3", Some(1_000_000_000)),
            ("0.0000004", Some(0)),
            ("0.0000006", Some(1)),
            ("1.5E-3", Some(1_500)),
            ("-1", None),
            ("NaN", None),
            ("Infinity", None),
            ("1e400", None),
            ("999999999999.999999", Some(999_999_999_999_999_999)),
            ("1e14", None),
        ] {
            assert_eq!(latency_ns(text), ns, "{text}");
        }
    }
}
