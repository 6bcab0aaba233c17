//! What a run's history amounts to.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::steps::{Child, Compensation, Step, StepState, Steps, WaitState};
use crate::json::Json;
use crate::store::{End, Name, Position, Queue};
use crate::time::Timestamp;
use crate::workflow::history::event::{Call, Ending, Event, Message, Outcome, Parent, PutOff, Request};
use crate::workflow::history::problem::{Problem, ProblemKind};

/// Most warnings that are kept; the others are counted.
pub const WARNINGS_MAX: usize = 16;

/// Where a run stands, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has something to do, and nobody is at it.
    Pending,
    /// A worker holds it.
    Running,
    /// It sleeps until a time.
    Sleeping,
    /// It waits for a message or a child.
    Waiting,
    /// Something failed, and is to be tried again.
    Retrying,
    /// It has ended with a result.
    Completed,
    /// It has ended with an error.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// Its history was written by a newer version, and what this one can read of it does not say where it stands.
    Parked,
    /// Its history cannot be as it is.
    Corrupt,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 10] = [
        Status::Pending,
        Status::Running,
        Status::Sleeping,
        Status::Waiting,
        Status::Retrying,
        Status::Completed,
        Status::Failed,
        Status::Cancelled,
        Status::Parked,
        Status::Corrupt,
    ];

    /// Whether the run is over: with a result, with an error, or cancelled.
    pub fn is_ended(self) -> bool {
        matches!(self, Status::Completed | Status::Failed | Status::Cancelled)
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Running => "running",
            Status::Sleeping => "sleeping",
            Status::Waiting => "waiting",
            Status::Retrying => "retrying",
            Status::Completed => "completed",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
            Status::Parked => "parked",
            Status::Corrupt => "corrupt",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a run waits for. Any of it lets it go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitingFor<'a> {
    /// Messages with one of these names.
    pub events: Vec<&'a str>,
    /// The ends of these children.
    pub children: Vec<&'a str>,
    /// The earliest end of a sleep, or deadline of a wait.
    pub until: Option<Timestamp>,
    /// The earliest next attempt.
    pub retry_at: Option<Timestamp>,
}

/// A worker's hold on a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which claim of the run it is, from 1.
    pub number: u64,
    /// Who.
    pub worker: Box<str>,
    /// Since when.
    pub since: Timestamp,
    /// Until when no other may take the run.
    pub until: Timestamp,
}

/// How far the inbox was taken into the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The generation of the inbox.
    pub generation: u32,
    /// The last line of it that was taken.
    pub seq: u64,
}

/// What a run began with.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    /// The workflow.
    pub workflow: Box<str>,
    /// The input.
    pub input: Json<'static>,
    /// The queue whose workers run it.
    pub queue: Queue,
    /// What tells the request to start it from others.
    pub id: Option<Box<str>>,
    /// The run that began it.
    pub parent: Option<Parent<'static>>,
}

/// Something in a history that no harm comes of, but that should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The line.
    pub seq: u64,
    /// What is odd there, harmless on a terminal.
    pub what: String,
}

/// Where a run stands after some lines of its history, of one generation.
#[derive(Clone, Debug)]
pub struct RunState {
    pub(super) log: Name,
    pub(super) run: Box<str>,
    pub(super) end: End,
    pub(super) forgotten: bool,
    pub(super) events: u64,
    pub(super) life: u32,
    pub(super) begun: Option<Box<Begun>>,
    pub(super) workflow: Option<Box<str>>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) updated_at: Option<Timestamp>,
    pub(super) claims: u64,
    pub(super) claim: Option<Claim>,
    pub(super) put_off: Option<PutOff<'static>>,
    pub(super) steps: Steps,
    pub(super) wanted: HashMap<Box<str>, usize, foldhash::fast::RandomState>,
    pub(super) kept: Kept,
    pub(super) inbox: Cursor,
    pub(super) cancel: Option<Request<'static>>,
    pub(super) undo: Vec<usize>,
    pub(super) revert: Option<Revert>,
    pub(super) logs: u64,
    pub(super) ending: Option<Ending<'static>>,
    pub(super) next: Option<Json<'static>>,
    /// The last line with which nobody held the run, and when the run was to be looked at then.
    pub(in crate::workflow) last_release: Option<(u64, Timestamp)>,
    pub(super) warnings: Vec<Warning>,
    pub(super) warnings_count: u64,
    pub(super) problem: Option<Box<Problem>>,
}

/// A revert under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Revert {
    /// The step that called for it.
    pub(super) place: Option<usize>,
}

/// Messages that were taken from the inbox and went to no wait yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    by_event: HashMap<Box<str>, VecDeque<(u64, Message<'static>)>, foldhash::fast::RandomState>,
    /// How many were ever kept: what they are ordered by.
    ever: u64,
}

impl Kept {
    pub(super) fn put(&mut self, message: Message<'static>) {
        self.ever += 1;
        let event = &*message.event;
        if let Some(kept) = self.by_event.get_mut(event) {
            kept.push_back((self.ever, message));
        } else {
            self.by_event.insert(event.into(), VecDeque::from([(self.ever, message)]));
        }
    }

    /// How many messages are kept that have one of these names.
    pub(super) fn count(&self, events: &[Cow<'_, str>]) -> u64 {
        if self.by_event.is_empty() {
            return 0;
        }
        let mut events: Vec<&str> = events.iter().map(|event| &**event).collect();
        events.sort_unstable();
        events.dedup();
        events.iter().filter_map(|event| self.by_event.get(*event)).map(|kept| kept.len() as u64).sum()
    }

    /// Takes the oldest message that has one of these names.
    pub(super) fn take_oldest(&mut self, events: &[Cow<'_, str>]) -> Option<Message<'static>> {
        let kept = events.iter().filter_map(|event| Some((self.by_event.get(&**event)?.front()?.0, event)));
        let (_, event) = kept.min_by_key(|(count, _)| *count)?;
        let kept = self.by_event.get_mut(&**event)?;
        let (_, message) = kept.pop_front()?;
        if kept.is_empty() {
            self.by_event.remove(&**event);
        }
        Some(message)
    }

    /// All that is kept, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Message<'static>> {
        let mut kept: Vec<&(u64, Message<'static>)> = self.by_event.values().flatten().collect();
        kept.sort_unstable_by_key(|(count, _)| *count);
        kept.into_iter().map(|(_, message)| message)
    }
}

impl RunState {
    pub(super) fn new(log: Name) -> Self {
        RunState {
            run: log.id().into(),
            log,
            end: End::START,
            forgotten: false,
            events: 0,
            life: 1,
            begun: None,
            workflow: None,
            started_at: None,
            updated_at: None,
            claims: 0,
            claim: None,
            put_off: None,
            steps: Steps::default(),
            wanted: HashMap::default(),
            kept: Kept::default(),
            inbox: Cursor { generation: 1, seq: 0 },
            cancel: None,
            undo: Vec::new(),
            revert: None,
            logs: 0,
            ending: None,
            next: None,
            last_release: None,
            warnings: Vec::new(),
            warnings_count: 0,
            problem: None,
        }
    }

    /// The history's log, in the generation that was folded.
    pub fn log(&self) -> &Name {
        &self.log
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Behind the last line that was folded: where the next one is to go.
    pub fn position(&self) -> Position {
        self.end.last
    }

    /// Whether nothing may follow in this log.
    pub fn is_sealed(&self) -> bool {
        self.end.sealed
    }

    /// Whether all lines but the last were forgotten, so that only the end of the run is known.
    pub fn is_forgotten(&self) -> bool {
        self.forgotten
    }

    /// How many events there were, in all generations.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How often the run began anew, from 1: `continue` begins the next life.
    pub fn life(&self) -> u32 {
        self.life
    }

    /// What the run, in its present life, began with; none before its first line, and if that is forgotten.
    pub fn begun(&self) -> Option<&Begun> {
        self.begun.as_deref()
    }

    /// The workflow.
    pub fn workflow(&self) -> Option<&str> {
        self.workflow.as_deref()
    }

    /// When the run began, in its first generation.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// The time of the last line.
    pub fn updated_at(&self) -> Option<Timestamp> {
        self.updated_at
    }

    /// When the run ended.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.ending.as_ref().and(self.updated_at)
    }

    /// How the run ended.
    pub fn ending(&self) -> Option<&Ending<'static>> {
        self.ending.as_ref()
    }

    /// Who holds the run.
    pub fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    /// How often the run was claimed.
    pub fn claims(&self) -> u64 {
        self.claims
    }

    /// Until when the run is put off, and why.
    pub fn put_off(&self) -> Option<&PutOff<'static>> {
        self.put_off.as_ref()
    }

    /// The step that is the `n`th call of `name`.
    pub fn step(&self, name: &str, n: u64) -> Option<&Step> {
        self.steps.find(name, n)
    }

    /// All steps, in the order in which they first appear.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = &Step> {
        self.steps.iter()
    }

    /// The steps of which something is still to come, in the same order.
    pub fn open_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.open()
    }

    /// The children that have not ended, each with its step.
    pub fn open_children(&self) -> impl Iterator<Item = (&Step, &Child)> {
        self.open_steps().filter_map(|step| match &step.state {
            StepState::Child(child) => Some((step, &**child)),
            _ => None,
        })
    }

    /// How far the inbox was taken into the history.
    pub fn inbox(&self) -> Cursor {
        self.inbox
    }

    /// Messages that were taken from the inbox and went to no wait yet, the oldest first.
    pub fn kept(&self) -> impl Iterator<Item = &Message<'static>> {
        self.kept.iter()
    }

    /// The open wait that has waited longest for messages with this name.
    pub fn waits_for(&self, event: &str) -> Option<Call<'_>> {
        if !self.wanted.contains_key(event) {
            return None;
        }
        let waits = |step: &&Step| matches!(&step.state, StepState::Wait(wait) if wait.events().any(|e| e == event));
        self.open_steps().find(waits).map(Step::call)
    }

    /// The first request to cancel the run.
    pub fn cancel(&self) -> Option<&Request<'static>> {
        self.cancel.as_ref()
    }

    /// Whether compensations are being run.
    pub fn is_reverting(&self) -> bool {
        self.revert.is_some()
    }

    /// The step whose compensation is the next that a revert runs.
    pub fn next_compensation(&self) -> Option<&Step> {
        self.undo.last().map(|place| self.steps.get(*place))
    }

    /// Why the next compensation is to be tried again, and when.
    pub(crate) fn compensation_retried(&self) -> Option<(&Json<'static>, Timestamp)> {
        match self.next_compensation()?.compensation()? {
            Compensation::Run { outcome: Outcome::Retry { error, at }, .. } => Some((error, *at)),
            _ => None,
        }
    }

    /// How many steps have a compensation that was not run.
    pub fn compensations_left(&self) -> usize {
        self.undo.len()
    }

    /// How many log events there were in this life.
    pub fn logs(&self) -> u64 {
        self.logs
    }

    /// The body of the first line of the next generation, if the run goes on there.
    pub fn next(&self) -> Option<&Json<'static>> {
        self.next.as_ref()
    }

    /// The log in which the run goes on, if it does not in this one.
    pub fn next_log(&self) -> Option<Name> {
        self.next.as_ref().map(|_| self.log.next_generation())
    }

    /// What is odd, at most [`WARNINGS_MAX`].
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// How many warnings there were.
    pub fn warnings_count(&self) -> u64 {
        self.warnings_count
    }

    /// Why the history cannot be as it is. All else is as it was before that line.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_deref()
    }

    /// Whether the run has ended.
    pub fn is_ended(&self) -> bool {
        self.ending.is_some()
    }

    /// Where the run stands. A claim counts as held until it is released or overtaken, since a state knows no time.
    pub fn status(&self) -> Status {
        if let Some(problem) = &self.problem {
            return if problem.kind == ProblemKind::Newer { Status::Parked } else { Status::Corrupt };
        }
        match &self.ending {
            Some(Ending::Ok(_)) => return Status::Completed,
            Some(Ending::Failed(_)) => return Status::Failed,
            Some(Ending::Cancelled(_)) => return Status::Cancelled,
            None => {}
        }
        if self.next.is_some() {
            return Status::Pending;
        }
        if self.claim.is_some() {
            return Status::Running;
        }
        if let Some(put_off) = &self.put_off {
            return if put_off.error.is_some() { Status::Retrying } else { Status::Pending };
        }
        let waiting = self.waiting_for();
        match (waiting.until, waiting.retry_at) {
            _ if !waiting.events.is_empty() || !waiting.children.is_empty() => Status::Waiting,
            (None, None) => Status::Pending,
            (None, Some(_)) => Status::Retrying,
            (Some(_), None) => Status::Sleeping,
            (Some(until), Some(retry_at)) => {
                if retry_at <= until {
                    Status::Retrying
                } else {
                    Status::Sleeping
                }
            }
        }
    }

    /// What the run waits for; nothing if it has ended, or can go on at once.
    pub fn waiting_for(&self) -> WaitingFor<'_> {
        let mut waiting = WaitingFor::default();
        if self.problem.is_some() || self.ending.is_some() || self.next.is_some() {
            return waiting;
        }
        if let Some(put_off) = self.put_off.as_ref() {
            waiting.retry_at = Some(put_off.retry_at);
            return waiting;
        }
        let earliest = |at: &mut Option<Timestamp>, time: Timestamp| *at = Some(at.map_or(time, |at| at.min(time)));
        if self.revert.is_some() {
            waiting.retry_at = self.compensation_retried().map(|(_, at)| at);
            return waiting;
        }
        for step in self.open_steps() {
            match &step.state {
                StepState::Saved { outcome: Outcome::Retry { at, .. }, .. } => earliest(&mut waiting.retry_at, *at),
                StepState::Sleeping(until) => earliest(&mut waiting.until, *until),
                StepState::Wait(wait) if wait.state == WaitState::Open => {
                    waiting.events.extend(wait.events());
                    wait.until.iter().for_each(|until| earliest(&mut waiting.until, *until));
                }
                StepState::Child(child) => waiting.children.push(&child.run),
                _ => {}
            }
        }
        waiting
    }

    /// When the run must be looked at, if nothing comes before: something has to lead to it then. None if it has ended, or
    /// only a message can let it go on.
    pub fn wake(&self) -> Option<Timestamp> {
        if self.problem.is_some() || self.ending.is_some() {
            return None;
        }
        let updated_at = self.updated_at?;
        if self.next.is_some() {
            return Some(updated_at);
        }
        if let Some(claim) = &self.claim {
            return Some(claim.until);
        }
        if let Some(put_off) = &self.put_off {
            return Some(put_off.retry_at);
        }
        if self.revert.is_some() {
            return Some(self.compensation_retried().map_or(updated_at, |(_, at)| at));
        }
        self.steps.earliest().or_else(|| self.steps.open().next().is_none().then_some(updated_at))
    }

    /// Remembers that nobody holds the run since line `seq`.
    pub(super) fn let_go(&mut self, seq: u64, at: Timestamp) {
        self.last_release = self.wake().map(|wake| (seq, wake.max(at)));
    }

    /// Whether a worker has use for this event from the inbox at once: the run waits for it.
    pub(in crate::workflow) fn wants(&self, event: &Event<'_>) -> bool {
        match event {
            Event::Receive { message, .. } => self.wanted.contains_key(&*message.event),
            Event::Cancel { .. } => true,
            Event::ChildEnd { call, .. } => {
                let step = self.step(&call.step, call.n);
                step.is_some_and(|step| matches!(step.state, StepState::Child(_)) && step.state.is_open())
            }
            _ => false,
        }
    }
}
