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
    /// Whether this call was made because another variant had failed, where the writer says so: by itself or, as trackers of
    /// this library do for all other calls, by giving the `weight` that the variant was chosen with.
    pub fallback: Option<bool>,
    /// For whom the call was made: a hash of the unit that stays with its variant.
    pub unit: Option<u64>,
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
        began(self.at, self.outcome.latency_ns)
    }
}

/// When a call began that ended at `at`, as well as the log can tell.
#[inline]
pub(crate) fn began(at: Option<Timestamp>, latency_ns: Option<u64>) -> Option<Timestamp> {
    let latency_us = i64::try_from(latency_ns? / 1_000).ok()?;
    Some(at?.offset_micros(-latency_us))
}

/// A call as the fast path reads it: what an [`Event`] of a call holds, in its plainest form.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub(crate) function: &'a [u8],
    pub(crate) variant: &'a [u8],
    pub(crate) at: Timestamp,
    pub(crate) success: bool,
    pub(crate) latency_ns: Option<u64>,
    pub(crate) error: Option<&'a str>,
    pub(crate) fallback: Option<bool>,
    pub(crate) unit: Option<u64>,
}

impl<'a> Call<'a> {
    /// A call of which nothing has been read yet.
    pub(crate) const UNREAD: Call<'a> = Call {
        function: &[],
        variant: &[],
        at: Timestamp::MIN,
        success: false,
        latency_ns: None,
        error: None,
        fallback: None,
        unit: None,
    };

    #[inline(always)]
    pub(crate) fn outcome(&self) -> Outcome<'a> {
        let error = self.error.map(Raw::trusted);
        let Call { success, latency_ns, fallback, unit, .. } = *self;
        Outcome { success, latency_ns, error, fallback, unit }
    }
}

impl<'a> From<&Call<'a>> for Event<'a> {
    fn from(call: &Call<'a>) -> Self {
        let name = |bytes| Some(Name(Cow::Borrowed(bytes)));
        let (function, variant) = (name(call.function), name(call.variant));
        Event { kind: Kind::Call, function, variant, at: Some(call.at), outcome: call.outcome() }
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
    /// Text that no event can be missing from, alone or around whole events, which were read: another program's, or an object
    /// without an `event`.
    Foreign,
    /// Broken text beside whole events, which were read: two writers that met, or one that died.
    Torn(Box<Fault>),
    /// More than 64 MiB.
    Overlong,
    /// From here on the entry or the object could not be read.
    Lost(String),
}

impl Fault {
    /// Whether an event may be missing.
    pub fn loses(&self) -> bool {
        !matches!(self, Fault::Glued | Fault::Foreign)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Encoding(at) => write!(f, "not UTF-8 at column {}", at + 1),
            Fault::Syntax(error) => write!(f, "not JSON: {error}"),
            Fault::Incomplete(what) => f.write_str(what),
            Fault::Glued => f.write_str("several events on one line, all read"),
            Fault::Foreign => f.write_str("text that is no part of an event"),
            Fault::Torn(fault) => write!(f, "{fault}; whole events beside it were read"),
            Fault::Overlong => write!(f, "longer than {} MiB", crate::jsonl::LINE_BYTES_MAX >> 20),
            Fault::Lost(problem) => write!(f, "the rest cannot be read: {problem}"),
        }
    }
}

/// At how many places of a broken line whole events are looked for.
const RECOVERY_TRIES: usize = 16;

/// Reads one line (its newline may be missing) and hands on each event in it: none on a blank line, more than one where
/// two writers met.
///
/// ```
/// use temporal_code::logs::read_line;
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
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut reader = LineReader { line, at: 0, text: "", base: 0 };
    let (mut records, mut incomplete, mut broken, mut foreign) = (0, None, None, false);
    for tried in 1..=RECOVERY_TRIES {
        let fault = loop {
            match reader.next() {
                Ok(Some((record, members))) => match event(members) {
                    Ok(event) => {
                        records += 1;
                        sink(record, event);
                    }
                    Err(_) if members[0].is_none() => foreign = true,
                    Err(what) => incomplete = Some(what),
                },
                Ok(None) => break None,
                Err(fault) => break Some(fault),
            }
        };
        let Some(fault) = fault else { break };
        let skipped = reader.skip_to_next();
        if tried < RECOVERY_TRIES && is_foreign(skipped) {
            foreign = true;
        } else {
            broken.get_or_insert(fault);
        }
    }
    match (incomplete, broken) {
        (Some(what), _) => Err(Fault::Incomplete(what)),
        (None, Some(fault)) if records > 0 => Err(Fault::Torn(Box::new(fault))),
        (None, Some(fault)) => Err(fault),
        (None, None) if foreign => Err(Fault::Foreign),
        (None, None) if records > 1 => Err(Fault::Glued),
        (None, None) => Ok(()),
    }
}

/// What every event begins with, if what stands in front of it is broken.
const BEGINNING: &[u8] = b"{\"event\"";

/// Whether no part of an event can be in a text: it is one, and has no brace. (A part of an event without any would stand between
/// two that have one.) Zeros are what a file system puts where it lost something, and of the other control characters a text has
/// blanks and colours.
fn is_foreign(text: &[u8]) -> bool {
    let is_text = |byte: &u8| !matches!(byte, b'{' | b'}' | ..=0x08 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f);
    text.iter().all(is_text) && std::str::from_utf8(text).is_ok()
}

/// The objects of a line, one after the other.
struct LineReader<'a> {
    line: &'a [u8],
    /// Where the next object should begin.
    at: usize,
    /// UTF-8 that the line has from `base` on.
    text: &'a str,
    base: usize,
}

impl<'a> LineReader<'a> {
    /// The next object's text and members; `None` at the line's end.
    fn next(&mut self) -> Result<Option<(&'a str, Members<'a>)>, Fault> {
        let rest = &self.line[self.at..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        if self.at == self.line.len() {
            return Ok(None);
        }
        if self.at >= self.base + self.text.len() {
            self.base = self.at;
            self.text = self.line[self.at..].utf8_chunks().next().map_or("", |chunk| chunk.valid());
        }
        let start = self.at - self.base;
        let (members, end) = json::pick(self.text, start, KEYS).map_err(|error| self.fault(error))?;
        if !self.may_end_at(self.base + end) {
            return Err(self.fault(SyntaxError { at: end, what: "expected the line's end" }));
        }
        self.at = self.base + end;
        Ok(Some((self.text[start..end].trim_ascii(), members)))
    }

    /// An error in the text is one of encoding where the text is not all of the line.
    fn fault(&self, error: SyntaxError) -> Fault {
        let valid_end = self.base + self.text.len();
        if error.at >= self.text.len() && valid_end < self.line.len() {
            return Fault::Encoding(valid_end);
        }
        Fault::Syntax(SyntaxError { at: self.base + error.at, ..error })
    }

    /// Whether an object that ends there is no part of one that is broken: it ends with the line, in front of another, or in front
    /// of text in which nothing of one goes on.
    fn may_end_at(&self, at: usize) -> bool {
        match self.line.get(at) {
            None | Some(b'{') => true,
            Some(b',' | b':' | b']' | b'}') => false,
            Some(_) => {
                let rest = &self.line[at..];
                is_foreign(memchr::memmem::find(rest, BEGINNING).map_or(rest, |next| &rest[..next]))
            }
        }
    }

    /// Goes on where the next event may begin, and returns what is passed over. A quote inside a string is escaped, so
    /// `{"event"` cannot stand in one: where it stands, and an object ends there, an event was written. (Or an object inside of one
    /// that is broken; the Python package writes none.)
    fn skip_to_next(&mut self) -> &'a [u8] {
        let from = self.at;
        let next = self.line.get(from + 1..).and_then(|rest| memchr::memmem::find(rest, BEGINNING));
        self.at = next.map_or(self.line.len(), |next| from + 1 + next);
        (self.base, self.text) = (self.at, "");
        &self.line[from..self.at]
    }
}

/// The members of an event that we read.
pub(super) const KEYS: [&str; 10] =
    ["event", "function", "variant", "timestamp", "success", "latency_ms", "error", "fallback", "weight", "unit"];

type Members<'a> = [Option<Raw<'a>>; KEYS.len()];

/// The event that an object with these members records.
fn event(members: Members<'_>) -> Result<Event<'_>, &'static str> {
    let [event, function, variant, timestamp, success, latency, error, fallback, weight, unit_of] = members;
    let kind = event.and_then(Raw::as_str).ok_or("an object without an `event` that is text")?;
    let kind = Kind::from_name(kind);
    let function = function.and_then(Raw::as_str).map(Name::from);
    let variant = variant.and_then(Raw::as_str).map(Name::from);
    let at = timestamp.and_then(Raw::as_str).and_then(|text| Timestamp::parse(text.as_bytes()));
    let ours = !matches!(kind, Kind::Other(_));
    if ours && function.is_none() {
        return Err("an event without a `function` that is text");
    }
    if ours && variant.is_none() {
        return Err("an event without a `variant` that is text");
    }
    let mut outcome = Outcome::default();
    if kind == Kind::Call {
        let is_weighted = weight.and_then(Raw::as_number).is_some();
        outcome = Outcome {
            success: success.and_then(Raw::as_bool).ok_or("a call without a `success` of true or false")?,
            latency_ns: latency.and_then(Raw::as_number).and_then(latency_ns),
            error: error.filter(|error| !error.is_null()),
            fallback: fallback.and_then(Raw::as_bool).or(is_weighted.then_some(false)),
            unit: unit_of.and_then(Raw::as_str).and_then(|text| unit(text.as_bytes())),
        };
    }
    Ok(Event { kind, function, variant, at, outcome })
}

/// The hash of a unit: sixteen lower-case hexadecimal digits.
#[inline]
pub(crate) fn unit(digits: &[u8]) -> Option<u64> {
    let digits: &[u8; 16] = digits.try_into().ok()?;
    digits.iter().try_fold(0, |unit, digit| match digit {
        b'0'..=b'9' => Some(unit << 4 | u64::from(digit - b'0')),
        b'a'..=b'f' => Some(unit << 4 | u64::from(digit - b'a' + 10)),
        _ => None,
    })
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
            (r#"{"a": 1}"#, "text that is no part of an event"),
            (r#"{"event": 1}"#, "an object without an `event` that is text"),
            (r#"{"event": "call", "variant": "v"}"#, "an event without a `function` that is text"),
            (r#"{"event": "rollback", "function": "f"}"#, "an event without a `variant` that is text"),
            (r#"{"event": "call", "function": "f", "variant": "v", "success": 1}"#, "a call without a `success`"),
            ("[1]", "text that is no part of an event"),
            ("[{}", "not JSON: expected an object at column 1"),
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
            let torn = &event[..cut];
            for (line, whole) in [
                (format!("{torn}{event}"), 1),
                (format!("{event}{torn}"), 1),
                (format!("{event}{torn}{event}"), 2),
                (format!("{torn}{}", event.repeat(6)), 6),
                (format!("{torn}{torn}{event}"), 1),
            ] {
                let (seen, fault) = read(&line);
                assert_eq!(seen.len(), whole, "{line}");
                assert!(fault.expect("torn").ends_with("; whole events beside it were read"), "{line}");
            }
        }
        // Inside a string the quotes are escaped, so nothing is mistaken for an event.
        let (seen, _) = read(r#"{"event": "call", "value": "{\"event\": \"call\"}", oops"#);
        assert!(seen.is_empty());
        let (seen, fault) = read(&format!("{event} rest}}"));
        assert!(seen.is_empty());
        assert_eq!(fault.as_deref(), Some("not JSON: expected the line's end at column 57"));
    }

    #[test]
    fn other_text_hides_no_event_and_is_no_loss() {
        let event = r#"{"event": "promotion", "function": "p", "variant": "v"}"#;
        for (line, whole) in [
            (format!("2026-06-01 INFO [main] {event}"), 1),
            (format!("{event} # said ada, at last"), 1),
            (format!("\u{feff}{event}, "), 0),
            (format!("before {event} between {event}behind"), 2),
            ("Traceback (most recent call last):".into(), 0),
            (format!(r#"{{"level": "info"}}{event}"#), 1),
        ] {
            let (seen, fault) = read(&line);
            assert_eq!(seen.len(), whole, "{line}");
            let is_mild = fault.as_deref() == Some("text that is no part of an event");
            assert_eq!(is_mild, !line.ends_with(", "), "{line}: {fault:?}");
        }
        // What goes on behind an object is what that is a part of; zeros and bytes that are no text stand where something was lost.
        for line in [&b"{\"event\": \"x\"}, \"success\": tr"[..], b"\0\0\0", b"\xff\xfe", b"rest of one}"] {
            let fault = read_line(line, &mut |_| {}).expect_err("something is missing");
            assert!(fault.loses(), "{line:?}: {fault}");
        }
    }

    #[test]
    fn an_event_torn_inside_a_character_does_not_hide_the_next() {
        let mut line = br#"{"event": "call", "function": ""#.to_vec();
        line.push(0xc3);
        line.extend(br#"{"event": "promotion", "function": "p", "variant": "v"}"#);
        let mut seen = 0;
        let fault = read_line(&line, &mut |_| seen += 1).expect_err("torn");
        assert_eq!(seen, 1);
        assert_eq!(fault.to_string(), "not UTF-8 at column 32; whole events beside it were read");
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
