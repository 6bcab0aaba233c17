//! All that there is about one run.

use serde::{Serialize, Serializer};

use super::problem::{RunProblem, Seq};
use super::run::Run;
use super::value::RunValue;
use super::waiting::Waiting;
use crate::compat::durable_python::DurableInstance;
use crate::time::Timestamp;
use crate::workflow::Status;

/// Who holds a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeaseHolder {
    /// The worker, if it is known by name.
    pub worker: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Until when no other may take the run.
    pub until: Timestamp,
}

/// A step of a run, as far as it has come.
#[derive(Clone, Debug, Default, Serialize)]
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
    /// What it waits for: names of messages, or the id of a child.
    #[serde(rename = "waits_for")]
    pub subjects: Vec<String>,
    /// What it gave.
    pub value: Option<RunValue>,
    /// What went wrong.
    pub error: Option<RunValue>,
    /// How far its compensation has come, if it has one: `ready`, `done`, `retrying`, `failed`.
    pub compensation: Option<&'static str>,
    /// Whether something is still to come of it.
    #[serde(skip)]
    pub is_open: bool,
}

impl StepView {
    /// A step that is done, of which nothing else is known.
    pub(super) fn new(kind: &'static str, step: String) -> Self {
        StepView { step, kind, state: "done", ..StepView::default() }
    }
}

/// Something that others tell a run.
#[derive(Clone, Debug, Serialize)]
pub struct InboxMessage {
    /// Its line in the inbox, where there is one.
    #[serde(flatten, serialize_with = "seq_or_null")]
    pub seq: Option<Seq>,
    /// When it was sent.
    pub at: Option<Timestamp>,
    /// What kind: `message`, `cancel`, `child_end`, `start`, `stop`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What tells it from others.
    pub id: Option<String>,
    /// What a message is called; the child.
    pub event: Option<String>,
    /// What it says.
    pub value: Option<RunValue>,
    /// Who sent it.
    pub from: Option<String>,
    /// Whether the run has taken it.
    #[serde(rename = "taken")]
    pub is_taken: bool,
}

impl InboxMessage {
    /// Something of this kind that was not taken, of which nothing else is known.
    pub(super) fn new(kind: &'static str) -> Self {
        InboxMessage { seq: None, id: None, at: None, kind, event: None, value: None, from: None, is_taken: false }
    }
}

fn seq_or_null<S: Serializer>(seq: &Option<Seq>, serializer: S) -> Result<S::Ok, S::Error> {
    match seq {
        Some(seq) => seq.serialize(serializer),
        None => serializer.collect_map([("seq", ())]),
    }
}

/// What a run has come to, beyond what a list shows.
#[derive(Clone, Debug, Serialize)]
pub struct StateView {
    /// Where it stands, as one word.
    pub status: Status,
    /// What it waits for.
    pub waiting_for: Option<Waiting>,
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
    /// Whether somebody asked to cancel it.
    pub cancel_requested: bool,
    /// Why, if a reason was given.
    pub cancel_reason: Option<String>,
    /// Whether compensations are being run.
    #[serde(rename = "reverting")]
    pub is_reverting: bool,
}

impl StateView {
    /// That of a run of which nothing else is known.
    pub(super) fn of(run: &Run) -> Self {
        StateView {
            status: run.status,
            waiting_for: run.waiting_for.clone(),
            input: None,
            queue: None,
            parent: None,
            life: 1,
            generation: run.generation,
            holder: None,
            claims: None,
            steps: Vec::new(),
            kept: Vec::new(),
            cancel_requested: false,
            cancel_reason: None,
            is_reverting: false,
        }
    }
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
    pub instance: Option<Box<DurableInstance>>,
    /// What could not be read, with its place.
    pub warnings: Vec<String>,
}

impl RunDetails {
    /// Whether the history is as it should be: see [`Run::is_sound`].
    pub fn is_sound(&self) -> bool {
        self.run.is_sound()
    }
}
