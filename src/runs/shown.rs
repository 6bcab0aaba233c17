//! What is shown of runs, the same for all formats.

use std::borrow::Cow;
use std::fmt;

use super::effect;
use crate::compat::durable_python::{Instance, Seen};
use crate::compat::substantial;
use crate::time::Timestamp;
use crate::workflow::{self, Entry, Json, RunState, Status};

/// Who writes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// This library.
    Own,
    /// The Python package `substantial`.
    Substantial,
    /// The Python package `durable-python`.
    DurablePython,
}

impl Format {
    /// The word: `tc`, `substantial`, `durable-python`.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Own => "tc",
            Format::Substantial => "substantial",
            Format::DurablePython => "durable-python",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A value of a run: JSON, or else a text that says what it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// JSON.
    Json(Json<'static>),
    /// What JSON cannot say.
    Text(String),
}

impl Value {
    /// As text: JSON as it is written.
    pub fn text(&self) -> &str {
        match self {
            Value::Json(json) => json.text(),
            Value::Text(text) => text,
        }
    }

    /// As text on one line, without the blanks that indent JSON.
    pub fn brief(&self) -> Cow<'_, str> {
        match self {
            Value::Json(json) => compact(json.text()),
            Value::Text(text) => Cow::Borrowed(text),
        }
    }

    /// As JSON: what is not is a string.
    pub fn json(&self) -> Cow<'_, str> {
        match self {
            Value::Json(json) => Cow::Borrowed(json.text()),
            Value::Text(text) => Cow::Owned(serde_json::Value::from(text.as_str()).to_string()),
        }
    }

    /// As a person would say it: of an error its type and message, of a text the text itself.
    pub fn plain(&self) -> String {
        let Value::Json(json) = self else { return self.text().to_owned() };
        if json.text().starts_with('"') {
            return json.read::<String>().unwrap_or_else(|_| json.text().to_owned());
        }
        error_text(json).unwrap_or_else(|| compact(json.text()).into_owned())
    }
}

/// Largest JSON that is put on one line, in bytes: longer ones are cut wherever they are shown.
const COMPACT_MAX: usize = 64 << 10;

/// JSON without the blanks that indent it, and with letters instead of their escapes.
pub(super) fn compact(json: &str) -> Cow<'_, str> {
    let is_plain = !json.contains("  ") && !json.contains("\\u") && !json.contains('\t');
    if is_plain || json.len() > COMPACT_MAX {
        return Cow::Borrowed(json);
    }
    match serde_json::from_str::<serde_json::Value>(json) {
        Ok(value) => Cow::Owned(value.to_string()),
        Err(_) => Cow::Borrowed(json),
    }
}

/// `Timeout: no answer`, if it is an object that says so.
pub(super) fn error_text(error: &Json<'_>) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Said {
        #[serde(rename = "type")]
        kind: Option<String>,
        message: Option<String>,
    }
    if !error.text().trim_start().starts_with('{') {
        return None;
    }
    match error.read::<Said>().ok()? {
        Said { kind: Some(kind), message: Some(message) } => Some(format!("{kind}: {message}")),
        Said { kind: None, message: Some(message) } => Some(message),
        _ => None,
    }
}

impl From<&Json<'_>> for Value {
    fn from(json: &Json<'_>) -> Self {
        Value::Json(json.clone().into_owned())
    }
}

impl From<&substantial::Payload> for Value {
    fn from(payload: &substantial::Payload) -> Self {
        match payload {
            substantial::Payload::Json(json) => Value::Json(json.clone()),
            substantial::Payload::Bytes(bytes) => Value::Text(format!("{} bytes that are not JSON", bytes.len())),
        }
    }
}

impl From<&Seen> for Value {
    fn from(seen: &Seen) -> Self {
        seen.json.clone().map_or_else(|| Value::Text(seen.text.clone()), Value::Json)
    }
}

/// What a run waits for. Any of it lets it go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages with one of these names.
    pub events: Vec<String>,
    /// It waits for a message whose name is not recorded.
    pub unnamed: Option<Unnamed>,
    /// The ends of these runs.
    pub children: Vec<String>,
    /// A time.
    pub until: Option<Timestamp>,
    /// The next attempt.
    pub retry_at: Option<Timestamp>,
}

/// A message that is waited for without its name being written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unnamed {
    /// It is none of these: they came.
    pub not: Vec<String>,
    /// What other runs of the workflow were sent, the most common first.
    pub likely: Vec<String>,
}

impl Waiting {
    /// Whether there is nothing in it.
    pub fn is_nothing(&self) -> bool {
        *self == Waiting::default()
    }
}

impl From<workflow::WaitingFor<'_>> for Waiting {
    fn from(waiting: workflow::WaitingFor<'_>) -> Self {
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Waiting {
            events: owned(waiting.events),
            unnamed: None,
            children: owned(waiting.children),
            until: waiting.until,
            retry_at: waiting.retry_at,
        }
    }
}

/// A run and where it stands.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The workflow.
    pub workflow: Option<String>,
    /// Where it stands, as one word.
    pub status: Status,
    /// Since when, as far as can be known.
    pub since: Option<Timestamp>,
    /// What it waits for.
    pub waiting_for: Option<Waiting>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When something last happened.
    pub updated_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How many events there were; none if such runs have no history.
    pub events: Option<u64>,
    /// Who writes it.
    pub format: Format,
    /// What it ended with.
    pub result: Option<Value>,
    /// The error that it ended with, or that it is to be tried again after.
    pub error: Option<Value>,
    /// What says that it stands so, where that has to be inferred; why it is corrupt.
    pub because: Option<String>,
    /// The first thing that is wrong with its history: that makes it corrupt, if anything does.
    pub problem: Option<Problem>,
    /// The generation that its history is in.
    pub generation: u32,
}

impl Run {
    /// Whether the history is as it should be. One of `substantial` can be neither sound nor corrupt: its workers go on from
    /// what should not be, such as an event behind the end.
    pub fn is_sound(&self) -> bool {
        self.problem.is_none() && self.status != Status::Corrupt
    }
}

/// The number of an event: which of its generation, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq {
    /// The generation of the history, from 1.
    pub generation: u32,
    /// The number in it, from 1.
    pub number: u64,
}

impl Seq {
    /// An event of the first generation.
    pub fn first(number: u64) -> Self {
        Seq { generation: 1, number }
    }
}

/// `7`, and `2.7` in a second generation.
impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generation {
            1 => self.number.fmt(f),
            generation => f.pad(&format!("{generation}.{}", self.number)),
        }
    }
}

/// What is wrong with a history, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The event; of what cannot be read, the first that was to be.
    pub seq: Seq,
    /// What is wrong, harmless on a terminal.
    pub what: String,
    /// Whether the history cannot be as it is; otherwise it is only odd.
    pub corrupt: bool,
}

/// Who holds a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The worker, if it is known by name.
    pub worker: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Until when no other may take the run.
    pub until: Timestamp,
}

/// A step of a run, as far as it has come.
#[derive(Clone, Debug)]
pub struct StepView {
    /// Its name, and which call with that name: `charge#1`.
    pub step: String,
    /// What kind of step: `save`, `sleep`, `wait`, `child`, `value`, `revert`.
    pub kind: &'static str,
    /// How far it has come: `done`, `failed`, `retrying`, `sleeping`, `waiting`, `timed out`, `running`.
    pub state: &'static str,
    /// Attempts so far.
    pub attempts: Option<u64>,
    /// When it is first told of: its end, if it was over by then.
    pub first_at: Option<Timestamp>,
    /// When it is last told of.
    pub last_at: Option<Timestamp>,
    /// Until when it sleeps, its deadline, or its next attempt.
    pub until: Option<Timestamp>,
    /// What it gave.
    pub value: Option<Value>,
    /// What went wrong.
    pub error: Option<Value>,
    /// What it waits for: names of messages, or the id of a child.
    pub subjects: Vec<String>,
    /// How far its compensation has come, if it has one: `ready`, `done`, `retrying`, `failed`.
    pub compensation: Option<&'static str>,
    /// Whether something is still to come of it.
    pub is_open: bool,
}

impl StepView {
    /// A step that is done, of which nothing else is known.
    pub(super) fn new(kind: &'static str, step: String) -> Self {
        StepView {
            step,
            kind,
            state: "done",
            attempts: None,
            first_at: None,
            last_at: None,
            until: None,
            value: None,
            error: None,
            subjects: Vec::new(),
            compensation: None,
            is_open: false,
        }
    }
}

/// Something that others tell a run.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its line in the inbox, where there is one.
    pub seq: Option<Seq>,
    /// What tells it from others.
    pub id: Option<String>,
    /// When it was sent.
    pub at: Option<Timestamp>,
    /// What kind: `message`, `cancel`, `child_end`, `start`, `stop`.
    pub kind: &'static str,
    /// What a message is called; the child.
    pub event: Option<String>,
    /// What it says.
    pub value: Option<Value>,
    /// Who sent it.
    pub from: Option<String>,
    /// Whether the run has taken it.
    pub is_taken: bool,
}

impl Letter {
    /// Something of this kind that was not taken, of which nothing else is known.
    pub(super) fn new(kind: &'static str) -> Self {
        Letter { seq: None, id: None, at: None, kind, event: None, value: None, from: None, is_taken: false }
    }
}

/// What a run has come to, beyond what a list shows.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// What it was given.
    pub input: Option<Value>,
    /// The queue whose workers run it.
    pub queue: Option<String>,
    /// The run that began it.
    pub parent: Option<String>,
    /// Which life it is in: how often it began anew, and one.
    pub life: u32,
    /// The generation of its history.
    pub generation: u32,
    /// Who holds it.
    pub holder: Option<Holder>,
    /// How often it was taken by a worker, where that is recorded.
    pub claims: Option<u64>,
    /// Its steps, in the order in which they first appear.
    pub steps: Vec<StepView>,
    /// Messages that came before anybody waited for them.
    pub kept: Vec<Letter>,
    /// Why somebody asked to cancel it, if somebody did and gave a reason.
    pub cancel: Option<Option<String>>,
    /// Whether compensations are being run.
    pub is_reverting: bool,
}

/// All that there is about a run.
#[derive(Debug)]
pub struct Whole {
    /// The run.
    pub run: Run,
    /// What it has come to.
    pub state: State,
    /// What is wrong with its history, at most a few; the corrupt ones first.
    pub problems: Vec<Problem>,
    /// What others told it, in order.
    pub inbox: Vec<Letter>,
    /// How many more there were before these.
    pub inbox_before: u64,
    /// What is wrong with the inbox.
    pub inbox_problem: Option<String>,
    /// The saved call stack, for programs that have one.
    pub instance: Option<Box<Instance>>,
    /// What could not be read, with its place.
    pub warnings: Vec<String>,
}

impl Whole {
    /// Whether the history is as it should be: see [`Run::is_sound`].
    pub fn is_sound(&self) -> bool {
        self.run.is_sound()
    }
}

/// One event of a history, and what the run has come to with it.
#[derive(Debug)]
pub struct Moment<'a> {
    /// Which event.
    pub seq: Seq,
    /// When it happened, if that is recorded.
    pub at: Option<Timestamp>,
    /// What happened.
    pub what: What<'a>,
}

/// An event as its format has it.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// Of a history of ours.
    Own {
        /// The event.
        entry: &'a Entry<'a>,
        /// Its line.
        line: &'a [u8],
        /// What the history amounts to with it.
        state: &'a RunState,
    },
    /// Of the package `substantial`.
    Substantial {
        /// The event.
        event: &'a substantial::Event,
        /// What it changes.
        effect: &'a substantial::Effect,
        /// What the history amounts to with it.
        history: &'a substantial::History,
    },
}

/// Where a run stands after an event, in short.
#[derive(Clone, Debug, PartialEq)]
pub struct Brief {
    /// As one word.
    pub status: Status,
    /// What it waits for.
    pub waiting_for: Option<Waiting>,
    /// The worker that holds it.
    pub worker: Option<String>,
}

impl Moment<'_> {
    /// The word by which the history names this kind of event.
    pub fn kind(&self) -> &'static str {
        match self.what {
            What::Own { entry, .. } => entry.event.kind(),
            What::Substantial { event, .. } => effect::kind_of(event),
        }
    }

    /// What it changes, in a sentence. Values in it are cut; it may hold any character.
    pub fn effect(&self) -> String {
        match self.what {
            What::Own { entry, state, .. } => effect::of_own(entry, state),
            What::Substantial { event, effect, .. } => effect::of_substantial(event, effect),
        }
    }

    /// Where the run stands with it.
    pub fn brief(&self) -> Brief {
        match self.what {
            What::Own { state, .. } => super::own::brief(state),
            What::Substantial { history, .. } => super::substantial::brief(history),
        }
    }

    /// The event as a JSON object with `seq`, `at` and `type`; of our own the line as it stands.
    pub fn json(&self) -> String {
        match self.what {
            What::Own { entry, line, .. } => super::own::item(self.seq, entry, line),
            What::Substantial { event, .. } => super::substantial::item(self.seq, self.at, event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_on_one_line() {
        for (json, wanted) in [
            (r#"{   "a":   1.50,      "b  c": "x \"  y\\"   }"#, r#"{"a":1.50,"b  c":"x \"  y\\"}"#),
            (r#"{"a": 1}"#, r#"{"a": 1}"#),
            (r#"{"b":"Zo\u00eb","a":"\u001b"}"#, r#"{"b":"Zoë","a":"\u001b"}"#),
            (r#"["\ud800"]"#, r#"["\ud800"]"#),
        ] {
            assert_eq!(compact(json), wanted);
        }
    }

    #[test]
    fn values_are_said_plainly() {
        let said = |json: &str| Value::Json(Json::parse(json).unwrap()).plain();
        assert_eq!(said(r#"{"type":"Timeout","message":"no answer"}"#), "Timeout: no answer");
        assert_eq!(said(r#"{"message":"no answer"}"#), "no answer");
        assert_eq!(said(r#"{"type":7,"message":"no answer"}"#), r#"{"type":7,"message":"no answer"}"#);
        assert_eq!(said(r#""RuntimeError: card declined""#), "RuntimeError: card declined");
        assert_eq!(said("12.50"), "12.50");
        assert_eq!(Value::Text("<x.Y>".into()).json(), "\"<x.Y>\"");
    }
}
