//! What is shown of runs, the same for all formats.

use std::fmt;

use super::value::RunValue;
use crate::compat::durable_python::Instance;
use crate::compat::substantial::{Filter, FilterError, Subject};
use crate::time::Timestamp;
use crate::workflow::{self, Json, Status};

/// Who writes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunFormat {
    /// This library.
    Own,
    /// The Python package `substantial`.
    Substantial,
    /// The Python package `durable-python`.
    DurablePython,
}

impl RunFormat {
    /// The word: `tc`, `substantial`, `durable-python`.
    pub fn as_str(self) -> &'static str {
        match self {
            RunFormat::Own => "tc",
            RunFormat::Substantial => "substantial",
            RunFormat::DurablePython => "durable-python",
        }
    }
}

impl fmt::Display for RunFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a run waits for. Any of it lets it go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages with one of these names.
    pub events: Vec<String>,
    /// It waits for a message whose name is not recorded.
    pub unnamed: Option<UnnamedMessage>,
    /// The ends of these runs.
    pub children: Vec<String>,
    /// A time.
    pub until: Option<Timestamp>,
    /// The next attempt.
    pub retry_at: Option<Timestamp>,
}

/// A message that is waited for without its name being written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnnamedMessage {
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
    pub format: RunFormat,
    /// What it ended with.
    pub result: Option<RunValue>,
    /// The error that it ended with, or that it is to be tried again after.
    pub error: Option<RunValue>,
    /// What says that it stands so, where that has to be inferred; why it is corrupt.
    pub because: Option<String>,
    /// The first thing that is wrong with its history: that makes it corrupt, if anything does.
    pub problem: Option<RunProblem>,
    /// The generation that its history is in.
    pub generation: u32,
    /// The run as the filters of its own package see it.
    pub(super) subject: Option<Box<PackageSubject>>,
}

/// A run as the filters of its package see it, and as it is.
#[derive(Clone, Debug)]
pub(super) struct PackageSubject {
    pub(super) as_package: Result<Option<Subject>, FilterError>,
    pub(super) as_is: Result<Subject, FilterError>,
}

impl Run {
    /// Whether the history is as it should be. One of `substantial` can be neither sound nor corrupt: its workers go on from
    /// what should not be, such as an event behind the end.
    pub fn is_sound(&self) -> bool {
        self.problem.is_none() && self.status != Status::Corrupt
    }

    /// Whether one of the package `substantial`'s filters holds of the run. Of a run of the package the answer is that of the
    /// package, for which a run that goes on is none; unless the filter asks for a `status`, which the package itself cannot.
    ///
    /// # Errors
    /// Where the package raises an exception.
    pub fn holds(&self, filter: &Filter) -> Result<bool, FilterError> {
        if let Some(subject) = &self.subject {
            if filter.uses("status") {
                return filter.holds(subject.as_is.as_ref().map_err(Clone::clone)?);
            }
            let subject = subject.as_package.as_ref().map_err(Clone::clone)?;
            return subject.as_ref().map_or(Ok(false), |subject| filter.holds(subject));
        }
        if !self.status.is_ended() && !filter.uses("status") {
            return Ok(false);
        }
        let null = Json::null();
        let json = |value: &Option<RunValue>| match value {
            Some(RunValue::Json(json)) => json.clone(),
            Some(RunValue::Text(text)) => Json::of(text).unwrap_or_else(|_| Json::null()),
            None => null.clone(),
        };
        let (result, error) = (json(&self.result), json(&self.error));
        let outcome = match self.status {
            Status::Completed => Some(Ok(&result)),
            Status::Failed | Status::Cancelled => Some(Err(&error)),
            _ => None,
        };
        filter.clone().mended().holds(&Subject::new(outcome, self.started_at, self.ended_at)?)
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
pub struct RunProblem {
    /// The event; of what cannot be read, the first that was to be.
    pub seq: Seq,
    /// What is wrong, harmless on a terminal.
    pub what: String,
    /// Whether the history cannot be as it is; otherwise it is only odd.
    pub corrupt: bool,
}

/// Who holds a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
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
    pub value: Option<RunValue>,
    /// What went wrong.
    pub error: Option<RunValue>,
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
pub struct InboxMessage {
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
    pub value: Option<RunValue>,
    /// Who sent it.
    pub from: Option<String>,
    /// Whether the run has taken it.
    pub is_taken: bool,
}

impl InboxMessage {
    /// Something of this kind that was not taken, of which nothing else is known.
    pub(super) fn new(kind: &'static str) -> Self {
        InboxMessage { seq: None, id: None, at: None, kind, event: None, value: None, from: None, is_taken: false }
    }
}

/// What a run has come to, beyond what a list shows.
#[derive(Clone, Debug, Default)]
pub struct StateView {
    /// What it was given.
    pub input: Option<RunValue>,
    /// The queue whose workers run it.
    pub queue: Option<String>,
    /// The run that began it.
    pub parent: Option<String>,
    /// Which life it is in: how often it began anew, and one.
    pub life: u32,
    /// The generation of its history.
    pub generation: u32,
    /// Who holds it.
    pub holder: Option<LeaseHolder>,
    /// How often it was taken by a worker, where that is recorded.
    pub claims: Option<u64>,
    /// Its steps, in the order in which they first appear.
    pub steps: Vec<StepView>,
    /// Messages that came before anybody waited for them.
    pub kept: Vec<InboxMessage>,
    /// Why somebody asked to cancel it, if somebody did and gave a reason.
    pub cancel: Option<Option<String>>,
    /// Whether compensations are being run.
    pub is_reverting: bool,
}

/// All that there is about a run.
#[derive(Debug)]
pub struct RunDetails {
    /// The run.
    pub run: Run,
    /// What it has come to.
    pub state: StateView,
    /// What is wrong with its history, at most a few; the corrupt ones first.
    pub problems: Vec<RunProblem>,
    /// What others told it, in order.
    pub inbox: Vec<InboxMessage>,
    /// How many more there were before these.
    pub inbox_before: u64,
    /// What is wrong with the inbox.
    pub inbox_problem: Option<String>,
    /// The saved call stack, for programs that have one.
    pub instance: Option<Box<Instance>>,
    /// What could not be read, with its place.
    pub warnings: Vec<String>,
}

impl RunDetails {
    /// Whether the history is as it should be: see [`Run::is_sound`].
    pub fn is_sound(&self) -> bool {
        self.run.is_sound()
    }
}

/// Where a run stands after an event, in short.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusDetail {
    /// As one word.
    pub status: Status,
    /// What it waits for.
    pub waiting_for: Option<Waiting>,
    /// The worker that holds it.
    pub worker: Option<String>,
}
