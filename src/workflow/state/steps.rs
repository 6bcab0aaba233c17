//! The steps of a run: what is known of each call of its code.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::json::Json;
use crate::time::Timestamp;
use crate::workflow::history::event::{Call, Ending, Message, Outcome};

/// One call of the run's code, and what has come of it.
#[derive(Clone, Debug)]
pub struct Step {
    pub(super) name: Arc<str>,
    pub(super) n: u64,
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    pub(super) state: StepState,
    pub(super) compensation: Option<Box<Compensation>>,
}

/// How far a step has come.
#[derive(Clone, Debug, PartialEq)]
pub enum StepState {
    /// Attempts were made at it.
    Saved {
        /// How many.
        attempts: u64,
        /// How the last one ended.
        outcome: Outcome<'static>,
    },
    /// Something that was looked up.
    Value(Json<'static>),
    /// It sleeps until then.
    Sleeping(Timestamp),
    /// It has slept until then.
    Slept(Timestamp),
    /// A wait for messages.
    Wait(Box<Wait>),
    /// A child.
    Child(Box<Child>),
    /// A revert that the run's code called for, and whether it is over.
    Revert(bool),
}

/// A wait for messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    pub(super) events: Vec<Box<str>>,
    pub(super) until: Option<Timestamp>,
    pub(super) messages: Vec<Message<'static>>,
    pub(super) state: WaitState,
}

/// How far a wait has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitState {
    /// It waits.
    Open,
    /// It is over: what it waited for is there.
    Done,
    /// Its deadline has passed.
    TimedOut,
}

/// A run that another began.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    pub(super) run: Box<str>,
    pub(super) start: Option<Json<'static>>,
    pub(super) ending: Option<Ending<'static>>,
}

/// How far the compensation of a step has come.
#[derive(Clone, Debug, PartialEq)]
pub enum Compensation {
    /// A revert would run it.
    Ready,
    /// Attempts were made at it.
    Run {
        /// How many.
        attempts: u64,
        /// How the last one ended.
        outcome: Outcome<'static>,
    },
}

/// An outcome with its own text.
pub(super) fn owned(outcome: &Outcome<'_>) -> Outcome<'static> {
    match outcome {
        Outcome::Done(value) => Outcome::Done(value.owned()),
        Outcome::Retry { error, at } => Outcome::Retry { error: error.owned(), at: *at },
        Outcome::Failed(error) => Outcome::Failed(error.owned()),
    }
}

impl Wait {
    /// What the messages are called that it waits for.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|event| &**event)
    }

    /// The deadline.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// The messages that went to it, in order.
    pub fn messages(&self) -> &[Message<'static>] {
        &self.messages
    }

    /// How far it has come.
    pub fn state(&self) -> WaitState {
        self.state
    }
}

impl Child {
    /// The child's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The body of the first line of its history, while it has not ended.
    pub fn start(&self) -> Option<&Json<'static>> {
        self.start.as_ref()
    }

    /// How it ended.
    pub fn ending(&self) -> Option<&Ending<'static>> {
        self.ending.as_ref()
    }
}

impl StepState {
    /// What kind of step it is, as a word.
    pub fn kind(&self) -> &'static str {
        match self {
            StepState::Saved { .. } => "save",
            StepState::Value(_) => "value",
            StepState::Sleeping(_) | StepState::Slept(_) => "sleep",
            StepState::Wait(_) => "wait",
            StepState::Child(_) => "child",
            StepState::Revert(_) => "revert",
        }
    }

    /// The time that brings it on, or did.
    fn time(&self) -> Option<Timestamp> {
        match self {
            StepState::Saved { outcome: Outcome::Retry { at, .. }, .. } => Some(*at),
            StepState::Sleeping(until) | StepState::Slept(until) => Some(*until),
            StepState::Wait(wait) => wait.until,
            _ => None,
        }
    }

    /// Whether something is still to come of it.
    pub fn is_open(&self) -> bool {
        match self {
            StepState::Saved { outcome, .. } => matches!(outcome, Outcome::Retry { .. }),
            StepState::Sleeping(_) => true,
            StepState::Wait(wait) => wait.state == WaitState::Open,
            StepState::Child(child) => child.ending.is_none(),
            StepState::Revert(over) => !over,
            StepState::Value(_) | StepState::Slept(_) => false,
        }
    }
}

impl Step {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which call with this name, from 1.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Name and number together.
    pub fn call(&self) -> Call<'_> {
        Call::new(&*self.name, self.n)
    }

    /// The line that first told of it, in this generation of the history.
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// The line that last told of it, in this generation of the history.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// How far it has come.
    pub fn state(&self) -> &StepState {
        &self.state
    }

    /// How far its compensation has come, if it has one.
    pub fn compensation(&self) -> Option<&Compensation> {
        self.compensation.as_deref()
    }
}

/// Steps are equal if what is known of them is, wherever it was written.
impl PartialEq for Step {
    fn eq(&self, other: &Step) -> bool {
        (&self.name, self.n, &self.state, &self.compensation)
            == (&other.name, other.n, &other.state, &other.compensation)
    }
}

/// All steps of a run, in the order in which they first appear.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    all: Vec<Step>,
    names: HashMap<Arc<str>, usize, foldhash::fast::RandomState>,
    calls: Vec<Calls>,
    /// The name that was asked for last: often the next one too.
    recent: usize,
    /// Those of which something is still to come.
    open: BTreeSet<usize>,
    /// Those among them that a time brings on, the earliest first.
    timers: BTreeSet<(Timestamp, usize)>,
}

/// The calls with one name. Nearly always they are numbered as they come.
#[derive(Clone, Debug)]
struct Calls {
    name: Arc<str>,
    /// The places of calls 1, 2, 3 … as far as they are all there.
    dense: Vec<usize>,
    /// The places of the others.
    sparse: BTreeMap<u64, usize>,
}

impl Calls {
    fn find(&self, n: u64) -> Option<usize> {
        let at = usize::try_from(n.checked_sub(1)?).ok()?;
        self.dense.get(at).or_else(|| self.sparse.get(&n)).copied()
    }

    fn insert(&mut self, n: u64, place: usize) {
        if n != self.dense.len() as u64 + 1 {
            self.sparse.insert(n, place);
            return;
        }
        self.dense.push(place);
        while let Some(next) = self.sparse.remove(&(self.dense.len() as u64 + 1)) {
            self.dense.push(next);
        }
    }
}

impl Steps {
    #[inline]
    fn name(&mut self, name: &str) -> Option<usize> {
        if self.calls.get(self.recent).is_some_and(|calls| &*calls.name == name) {
            return Some(self.recent);
        }
        let found = *self.names.get(name)?;
        self.recent = found;
        Some(found)
    }

    /// Where a call is, if it is known.
    #[inline]
    pub(super) fn place(&mut self, call: &Call<'_>) -> Option<usize> {
        let name = self.name(&call.step)?;
        self.calls[name].find(call.n)
    }

    /// The step of a call.
    pub(super) fn find(&self, name: &str, n: u64) -> Option<&Step> {
        let name = *self.names.get(name)?;
        self.all.get(self.calls[name].find(n)?)
    }

    #[inline]
    pub(super) fn get(&self, place: usize) -> &Step {
        &self.all[place]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: usize) -> &mut Step {
        &mut self.all[place]
    }

    /// Adds a step that is not there yet.
    pub(super) fn add(&mut self, call: &Call<'_>, seq: u64, state: StepState) -> usize {
        let name = self.name(&call.step).unwrap_or_else(|| {
            let name: Arc<str> = Arc::from(&*call.step);
            self.names.insert(name.clone(), self.calls.len());
            self.calls.push(Calls { name, dense: Vec::new(), sparse: BTreeMap::new() });
            self.calls.len() - 1
        });
        let place = self.all.len();
        self.calls[name].insert(call.n, place);
        self.opened(place, &state);
        let name = self.calls[name].name.clone();
        self.all.push(Step { name, n: call.n, first_seq: seq, last_seq: seq, state, compensation: None });
        place
    }

    /// Something has come of a step.
    pub(super) fn set(&mut self, place: usize, seq: u64, state: StepState) {
        self.closed(place);
        self.opened(place, &state);
        let step = &mut self.all[place];
        step.state = state;
        step.last_seq = seq;
    }

    /// Changes a step in place: whether it is open, but not its time.
    pub(super) fn update(&mut self, place: usize, seq: u64, change: impl FnOnce(&mut StepState)) {
        let step = &mut self.all[place];
        change(&mut step.state);
        step.last_seq = seq;
        if !step.state.is_open() {
            self.closed(place);
        }
    }

    fn opened(&mut self, place: usize, state: &StepState) {
        if state.is_open() {
            self.open.insert(place);
            self.timers.extend(state.time().map(|time| (time, place)));
        }
    }

    fn closed(&mut self, place: usize) {
        if self.open.remove(&place)
            && let Some(time) = self.all[place].state.time()
        {
            self.timers.remove(&(time, place));
        }
    }

    /// The earliest time that brings a step on.
    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.timers.first().map(|(time, _)| *time)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Step> {
        self.all.iter()
    }

    pub(super) fn open(&self) -> impl Iterator<Item = &Step> {
        self.open.iter().map(|place| &self.all[*place])
    }
}
