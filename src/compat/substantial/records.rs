//! A run's history as the package writes it: a protobuf message in proto3's JSON.

use std::borrow::Cow;

use super::base64;
use crate::json::{self, Json, Raw, SyntaxError};
use crate::text::quote;
use crate::time::Timestamp;

/// Largest history that is read, in bytes.
pub const SUBSTANTIAL_HISTORY_BYTES_MAX: usize = 64 << 20;

/// Most events of a history that are read.
pub const SUBSTANTIAL_EVENTS_MAX: usize = 200_000;

/// Most unknown fields that one message keeps; what is more is left out.
pub const UNKNOWN_FIELDS_MAX: usize = 32;

/// A history, the message `Records`; or what of it could be read, which is all in front of the first problem.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubstantialReading {
    /// The run that it says it is of.
    pub run: Option<Box<str>>,
    /// The events, in order.
    pub events: Vec<SubstantialEvent>,
    /// The fields that this version does not know: each with its JSON.
    pub unknown: Vec<(Box<str>, Box<str>)>,
    /// The first place that cannot be read.
    pub misread: Option<Misread>,
}

/// A place that cannot be read. It names the event by its number, from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}at byte {byte}: {what}", event.map(|event| format!("event {}, ", event + 1)).unwrap_or_default())]
pub struct Misread {
    /// The event, from 0; none if it is not in one.
    pub event: Option<usize>,
    /// The byte of the text, from 0.
    pub byte: usize,
    /// What is wrong there, harmless on a terminal.
    pub what: String,
    /// Whether the text ends too early, as it does while it is being written.
    pub torn: bool,
}

impl Misread {
    fn at(byte: usize, what: impl Into<String>) -> Misread {
        Misread { event: None, byte, what: what.into(), torn: false }
    }

    fn within(self, event: usize) -> Misread {
        Misread { event: Some(event), ..self }
    }
}

/// The message `Event`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubstantialEvent {
    /// When it was made, as naive as it was written. Only starts and messages have one.
    pub at: Option<Timestamp>,
    /// What happened.
    pub body: Option<EventBody>,
    /// A compensation that was run. It stands beside the other kinds of events.
    pub compensation: Option<SubstantialCompensation>,
    /// The fields that this version does not know: each with its JSON.
    pub unknown: Vec<(Box<str>, Box<str>)>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum EventBody {
    /// The run was asked to start, with these arguments by name.
    Start(SubstantialPayload),
    /// A step, done or to be tried again.
    Save {
        /// Which call of the workflow, from 1.
        id: u32,
        /// What it gave.
        value: SubstantialPayload,
        /// -1 if it is done; else the number of the attempt that comes next.
        counter: i32,
    },
    /// A sleep; its times are in UTC.
    Sleep {
        /// Which call of the workflow, from 1.
        id: u32,
        /// Since when.
        start: Option<Timestamp>,
        /// Until when.
        end: Option<Timestamp>,
    },
    /// A message came.
    Send {
        /// Its name.
        name: Box<str>,
        /// What it says.
        value: SubstantialPayload,
    },
    /// The run ended.
    Stop(SubstantialStop),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum SubstantialStop {
    /// With a result.
    Ok(SubstantialPayload),
    /// With an error: a text, `Type: message`.
    Err(SubstantialPayload),
    /// It says neither.
    Unsaid,
}

/// A compensation that was run.
#[derive(Clone, Debug, PartialEq)]
pub struct SubstantialCompensation {
    /// The step that failed.
    pub save: u32,
    /// With what.
    pub error: Box<str>,
    /// What the compensation gave.
    pub result: SubstantialPayload,
}

/// A value within an event.
#[derive(Clone, Debug, PartialEq)]
pub enum SubstantialPayload {
    /// JSON. What Python's `json` says beyond that, as NaN, is an object with the one member `$repr`.
    Json(Json<'static>),
    /// Bytes that are not JSON, or JSON that is nested too deeply.
    Bytes(Box<[u8]>),
}

impl Default for SubstantialPayload {
    fn default() -> Self {
        SubstantialPayload::Bytes(Box::default())
    }
}

impl SubstantialPayload {
    fn of_bytes(bytes: Vec<u8>) -> Self {
        let read = |text| {
            let (value, end) = json::value(text, 0).ok()?;
            Json::parse(&json::told_apart(value)).ok().filter(|_| end == text.len())
        };
        match std::str::from_utf8(&bytes).ok().and_then(read) {
            Some(json) => SubstantialPayload::Json(json),
            None => SubstantialPayload::Bytes(bytes.into_boxed_slice()),
        }
    }

    fn of_value(value: Raw<'_>) -> Self {
        match Json::parse(&json::told_apart(value)) {
            Ok(json) => SubstantialPayload::Json(json),
            Err(_) => SubstantialPayload::Bytes(value.text().as_bytes().into()),
        }
    }

    /// The value, if it is JSON.
    pub fn json(&self) -> Option<&Json<'static>> {
        match self {
            SubstantialPayload::Json(json) => Some(json),
            SubstantialPayload::Bytes(_) => None,
        }
    }

    /// The text that the value is, if it is one.
    pub fn text(&self) -> Option<String> {
        self.json().and_then(|json| json.read().ok())
    }
}

type Part<T> = Result<T, Misread>;

/// The text, and how to say where in it something is.
#[derive(Clone, Copy)]
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn place(self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.0.as_ptr() as usize).min(self.0.len())
    }

    fn wrong(self, part: &str, what: impl Into<String>) -> Misread {
        Misread::at(self.place(part), what)
    }

    fn syntax(self, error: &SyntaxError) -> Misread {
        let torn = error.at >= self.0.len();
        Misread { torn, ..Misread::at(error.at, if torn { "it ends too early" } else { error.what }) }
    }

    fn value(self, at: usize) -> Part<(Raw<'a>, usize)> {
        json::value(self.0, at).map_err(|error| self.syntax(&error))
    }

    /// The byte at `at`, which is one of `wanted`.
    fn expect(self, at: usize, wanted: &[u8], what: &'static str) -> Part<u8> {
        match self.0.as_bytes().get(at) {
            Some(byte) if wanted.contains(byte) => Ok(*byte),
            Some(_) => Err(Misread::at(at, what)),
            None => Err(self.syntax(&SyntaxError { at, what: "" })),
        }
    }

    fn space(self, at: usize) -> usize {
        let rest = self.0.as_bytes().get(at..).unwrap_or_default();
        at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
    }

    /// The members of an object that is known to be well formed, but for those that are null: they are as if left out.
    fn members(self, value: Raw<'a>, what: &str) -> Part<Vec<(Cow<'a, str>, Raw<'a>)>> {
        let mut members = Vec::new();
        let found = json::object(value.text(), 0, |key, value| {
            if !value.is_null() {
                members.push((key, value));
            }
        });
        found.map_err(|_| self.wrong(value.text(), format!("{what} is not an object")))?;
        Ok(members)
    }

    fn string(self, value: Raw<'a>, what: &str) -> Part<Box<str>> {
        value.as_str().map(Into::into).ok_or_else(|| self.wrong(value.text(), format!("{what} is not a text")))
    }

    fn bytes(self, value: Raw<'a>, what: &str) -> Part<SubstantialPayload> {
        let text = value.as_str().ok_or_else(|| self.wrong(value.text(), format!("{what} is not a text")))?;
        let bytes = base64::decode(&text).ok_or_else(|| self.wrong(value.text(), format!("{what} is not base64")))?;
        Ok(SubstantialPayload::of_bytes(bytes))
    }

    fn time(self, value: Raw<'a>, what: &str) -> Part<Timestamp> {
        let time = value.as_str().and_then(|text| Timestamp::parse(text.as_bytes()));
        time.ok_or_else(|| self.wrong(value.text(), format!("{what} is not a time")))
    }

    /// A whole number, which may be written as a text, and with a fraction that is zero.
    fn integer<T: TryFrom<i64>>(self, value: Raw<'a>, what: &str) -> Part<T> {
        let text = value.as_str().or_else(|| value.as_number().map(Cow::Borrowed));
        let number = text.and_then(|text| text.parse::<i64>().ok().or_else(|| whole(&text)));
        let wrong = || self.wrong(value.text(), format!("{what} is not a whole number in its range"));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(wrong)
    }
}

/// The whole number that a float is.
fn whole(text: &str) -> Option<i64> {
    let float = text.parse::<f64>().ok().filter(|float| float.fract() == 0.0 && float.abs() < 1e15)?;
    Some(float as i64)
}

fn keep(unknown: &mut Vec<(Box<str>, Box<str>)>, key: &str, value: Raw<'_>) {
    if unknown.len() < UNKNOWN_FIELDS_MAX {
        unknown.push((key.into(), value.text().into()));
    }
}

impl SubstantialReading {
    /// Reads the JSON of a history: what of it can be read, and the first place that cannot.
    ///
    /// ```
    /// use temporal_code::foreign::substantial::{EventBody, SubstantialReading};
    /// let text = br#"{"runId": "greet-1", "events": [{"send": {"name": "by", "value": "Mg=="}}, {"send": 2}]}"#;
    /// let reading = SubstantialReading::parse(text);
    /// assert!(matches!(&reading.events[0].body, Some(EventBody::Send { name, .. }) if &**name == "by"));
    /// assert_eq!(reading.misread.unwrap().to_string(), "event 2, at byte 84: `send` is not an object");
    /// ```
    pub fn parse(bytes: &[u8]) -> SubstantialReading {
        let mut reading = SubstantialReading::default();
        if bytes.len() > SUBSTANTIAL_HISTORY_BYTES_MAX {
            let what = format!("it is larger than {} MiB", SUBSTANTIAL_HISTORY_BYTES_MAX >> 20);
            reading.misread = Some(Misread::at(SUBSTANTIAL_HISTORY_BYTES_MAX, what));
            return reading;
        }
        let (text, end) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                // What stands in front of it may say what is wrong, and where, better than this.
                let at = error.valid_up_to();
                (std::str::from_utf8(&bytes[..at]).unwrap_or_default(), Some((at, error.error_len().is_none())))
            }
        };
        let read = read_records(Text(text), &mut reading);
        reading.misread = match (read, end) {
            (Ok(()), None) => None,
            (Ok(()), Some((at, torn))) => Some(Misread { torn, ..Misread::at(at, "it is not UTF-8") }),
            (Err(Misread { event, torn: true, .. }), Some((byte, torn))) => {
                Some(Misread { event, byte, what: "it is not UTF-8".to_owned(), torn })
            }
            (Err(misread), _) => Some(misread),
        };
        reading
    }
}

/// Reads one event that stands alone, as a schedule holds it.
///
/// # Errors
/// The first place that cannot be read.
pub fn read_event(bytes: &[u8]) -> Result<SubstantialEvent, Misread> {
    if bytes.len() > SUBSTANTIAL_HISTORY_BYTES_MAX {
        return Err(Misread::at(SUBSTANTIAL_HISTORY_BYTES_MAX, "it is too large"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| Misread::at(error.valid_up_to(), "it is not UTF-8"))?;
    let text = Text(text);
    let (value, end) = text.value(0)?;
    if end < text.0.len() {
        return Err(Misread::at(end, "more follows behind the event"));
    }
    event(text, value)
}

fn read_records(text: Text<'_>, records: &mut SubstantialReading) -> Part<()> {
    let mut at = text.space(0);
    text.expect(at, b"{", "it is not an object")?;
    at = text.space(at + 1);
    if text.0.as_bytes().get(at) == Some(&b'}') {
        return end(text, at + 1);
    }
    loop {
        let (key, behind) = text.value(at)?;
        let key = key.as_str().ok_or_else(|| text.wrong(key.text(), "a key is not in quotes"))?;
        text.expect(behind, b":", "expected `:`")?;
        at = text.space(behind + 1);
        let is_list = text.0.as_bytes().get(at) == Some(&b'[');
        if key == "events" && is_list {
            records.events.clear();
            at = read_events(text, at, &mut records.events)?;
        } else {
            let (value, behind) = text.value(at)?;
            at = behind;
            match &*key {
                _ if value.is_null() => {}
                "runId" | "run_id" => records.run = Some(text.string(value, "`runId`")?),
                "events" => return Err(text.wrong(value.text(), "`events` is not a list")),
                key => keep(&mut records.unknown, key, value),
            }
        }
        if text.expect(at, b",}", "expected `,` or `}`")? == b'}' {
            return end(text, at + 1);
        }
        at = text.space(at + 1);
    }
}

fn end(text: Text<'_>, at: usize) -> Part<()> {
    let at = text.space(at);
    if at < text.0.len() {
        return Err(Misread::at(at, "more follows behind the history"));
    }
    Ok(())
}

/// Reads the list that begins at `at`; returns the offset behind it and behind the white space there.
fn read_events(text: Text<'_>, at: usize, events: &mut Vec<SubstantialEvent>) -> Part<usize> {
    let mut at = text.space(at + 1);
    if text.0.as_bytes().get(at) == Some(&b']') {
        return Ok(text.space(at + 1));
    }
    loop {
        let count = events.len();
        let (value, behind) = text.value(at).map_err(|misread| misread.within(count))?;
        if count == SUBSTANTIAL_EVENTS_MAX {
            let what = format!("there are more than {SUBSTANTIAL_EVENTS_MAX} events");
            return Err(text.wrong(value.text(), what).within(count));
        }
        events.push(event(text, value).map_err(|misread| misread.within(count))?);
        at = behind;
        if text.expect(at, b",]", "expected `,` or `]`").map_err(|misread| misread.within(count + 1))? == b']' {
            return Ok(text.space(at + 1));
        }
        at = text.space(at + 1);
    }
}

fn event<'a>(text: Text<'a>, value: Raw<'a>) -> Part<SubstantialEvent> {
    let mut event = SubstantialEvent::default();
    // Of two equal keys the later one counts, as it does in Python; two kinds in one event are one too many.
    let mut kind: Option<Cow<'_, str>> = None;
    for (key, value) in text.members(value, "the event")? {
        let body = match &*key {
            "at" => {
                event.at = Some(text.time(value, "`at`")?);
                continue;
            }
            "compensation" => {
                event.compensation = Some(compensation(text, value)?);
                continue;
            }
            "start" => EventBody::Start(start(text, value)?),
            "save" => save(text, value)?,
            "sleep" => sleep(text, value)?,
            "send" => send(text, value)?,
            "stop" => EventBody::Stop(stop(text, value)?),
            other => {
                keep(&mut event.unknown, other, value);
                continue;
            }
        };
        if let Some(kind) = kind.as_ref().filter(|kind| **kind != key) {
            return Err(text.wrong(value.text(), format!("it is both {} and {}", quote(kind), quote(&key))));
        }
        (kind, event.body) = (Some(key), Some(body));
    }
    Ok(event)
}

fn start<'a>(text: Text<'a>, value: Raw<'a>) -> Part<SubstantialPayload> {
    let mut kwargs = SubstantialPayload::Json(Json::parse("{}").unwrap_or(Json::null()));
    for (key, value) in text.members(value, "`start`")? {
        if key == "kwargs" {
            if !value.text().starts_with('{') {
                return Err(text.wrong(value.text(), "`kwargs` is not an object"));
            }
            kwargs = SubstantialPayload::of_value(value);
        }
    }
    Ok(kwargs)
}

fn save<'a>(text: Text<'a>, value: Raw<'a>) -> Part<EventBody> {
    let (mut id, mut result, mut counter) = (0, SubstantialPayload::default(), 0);
    for (key, value) in text.members(value, "`save`")? {
        match &*key {
            "id" => id = text.integer(value, "`id`")?,
            "value" => result = text.bytes(value, "`value`")?,
            "counter" => counter = text.integer(value, "`counter`")?,
            _ => {}
        }
    }
    Ok(EventBody::Save { id, value: result, counter })
}

fn sleep<'a>(text: Text<'a>, value: Raw<'a>) -> Part<EventBody> {
    let (mut id, mut start, mut end) = (0, None, None);
    for (key, value) in text.members(value, "`sleep`")? {
        match &*key {
            "id" => id = text.integer(value, "`id`")?,
            "start" => start = Some(text.time(value, "`start`")?),
            "end" => end = Some(text.time(value, "`end`")?),
            _ => {}
        }
    }
    Ok(EventBody::Sleep { id, start, end })
}

fn send<'a>(text: Text<'a>, value: Raw<'a>) -> Part<EventBody> {
    let (mut name, mut said) = ("".into(), SubstantialPayload::default());
    for (key, value) in text.members(value, "`send`")? {
        match &*key {
            "name" => name = text.string(value, "`name`")?,
            "value" => said = text.bytes(value, "`value`")?,
            _ => {}
        }
    }
    Ok(EventBody::Send { name, value: said })
}

fn stop<'a>(text: Text<'a>, value: Raw<'a>) -> Part<SubstantialStop> {
    let mut stop = SubstantialStop::Unsaid;
    for (key, value) in text.members(value, "`stop`")? {
        let said = match (&*key, &stop) {
            ("ok", SubstantialStop::Unsaid | SubstantialStop::Ok(_)) => SubstantialStop::Ok(text.bytes(value, "`ok`")?),
            ("err", SubstantialStop::Unsaid | SubstantialStop::Err(_)) => {
                SubstantialStop::Err(text.bytes(value, "`err`")?)
            }
            ("ok" | "err", _) => return Err(text.wrong(value.text(), "it is both `ok` and `err`")),
            _ => continue,
        };
        stop = said;
    }
    Ok(stop)
}

fn compensation<'a>(text: Text<'a>, value: Raw<'a>) -> Part<SubstantialCompensation> {
    let mut compensation = SubstantialCompensation { save: 0, error: "".into(), result: SubstantialPayload::default() };
    for (key, value) in text.members(value, "`compensation`")? {
        match &*key {
            "saveId" | "save_id" => compensation.save = text.integer(value, "`saveId`")?,
            "error" => compensation.error = text.string(value, "`error`")?,
            "compensationResult" | "compensation_result" => {
                compensation.result = text.bytes(value, "`compensationResult`")?;
            }
            _ => {}
        }
    }
    Ok(compensation)
}
