//! What a history amounts to. It looks at nothing but the events.

use std::collections::HashMap;
use std::fmt;

use super::records::{
    EventBody, SubstantialCompensation, SubstantialEvent, SubstantialPayload, SubstantialReading, SubstantialStop,
};
use crate::text::quote;
use crate::time::Timestamp;

/// Most problems that are kept; the others are counted.
pub const SUBSTANTIAL_PROBLEMS_MAX: usize = 64;

/// What a history amounts to.
#[derive(Clone, Debug, Default)]
pub struct SubstantialHistory {
    /// How many events there were.
    pub events: usize,
    /// From `start` to `stop` each. The package's own client begins but one.
    pub lives: Vec<SubstantialLife>,
    /// What should not be, at most [`SUBSTANTIAL_PROBLEMS_MAX`].
    pub problems: Vec<SubstantialProblem>,
    /// How many such things there were.
    pub problems_count: u64,
    /// Whether one of them stops every worker: the package refuses such a history, or fails at it each time.
    pub corrupt: bool,
}

/// Something in a history that should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubstantialProblem {
    /// The event, from 0.
    pub event: usize,
    /// Whether no worker can go on from there.
    pub corrupt: bool,
    /// What is wrong, harmless on a terminal.
    pub what: String,
}

/// With the number of the event, from 1.
impl fmt::Display for SubstantialProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.event + 1, self.what)
    }
}

/// A run from its start to its end.
#[derive(Clone, Debug, Default)]
pub struct SubstantialLife {
    /// The event that began it, from 0.
    pub event: usize,
    /// When it was asked for, naive.
    pub started_at: Option<Timestamp>,
    /// The arguments by name.
    pub kwargs: SubstantialPayload,
    /// The steps, in the order in which they first appear.
    pub steps: Vec<SaveStep>,
    /// The sleeps.
    pub sleeps: Vec<SleepStep>,
    /// The messages.
    pub sent: Vec<ReceivedMessage>,
    /// The compensations that were run.
    pub compensations: Vec<SubstantialCompensation>,
    /// Its end; none if it goes on.
    pub end: Option<SubstantialEnd>,
    /// Whether it has a start: events in front of the first one belong to a life without.
    is_started: bool,
    /// Where a step stands in `steps`, by its id.
    places: HashMap<u32, usize, foldhash::fast::RandomState>,
    /// How often a message of a name came.
    names: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
}

/// A step: one call of `save`.
#[derive(Clone, Debug)]
pub struct SaveStep {
    /// Which call of the workflow, from 1.
    pub id: u32,
    /// The events of the attempts, from 0. The last, if it failed for good, is not there: the run ends instead.
    pub attempts: Vec<usize>,
    /// Where it stands.
    pub state: SaveState,
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq)]
pub enum SaveState {
    /// It is done, and gave this.
    Done(SubstantialPayload),
    /// It failed, and is to be tried again; the number of the attempt that comes next.
    Retrying(i32),
}

/// A sleep; its times are in UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct SleepStep {
    /// The event, from 0.
    pub event: usize,
    /// Which call of the workflow, from 1.
    pub id: u32,
    /// Since when.
    pub start: Option<Timestamp>,
    /// Until when.
    pub end: Option<Timestamp>,
}

/// A message that came.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedMessage {
    /// The event, from 0.
    pub event: usize,
    /// When it was sent, naive.
    pub at: Option<Timestamp>,
    /// Its name.
    pub name: Box<str>,
    /// What it says.
    pub value: SubstantialPayload,
    /// Which of that name it is, from 1. A workflow sees the first alone.
    pub nth: u32,
}

/// The end of a life.
#[derive(Clone, Debug, PartialEq)]
pub struct SubstantialEnd {
    /// The event, from 0.
    pub event: usize,
    /// When, naive; the package does not say.
    pub at: Option<Timestamp>,
    /// How.
    pub how: SubstantialStop,
}

/// Folds events into a [`SubstantialHistory`], one at a time.
#[derive(Clone, Debug, Default)]
pub struct SubstantialFold {
    history: SubstantialHistory,
}

impl SubstantialFold {
    /// What it amounts to so far.
    pub fn history(&self) -> &SubstantialHistory {
        &self.history
    }

    /// What it amounts to.
    pub fn into_history(self) -> SubstantialHistory {
        self.history
    }

    /// Takes the next event. What is wrong with it is added to the problems.
    pub fn event(&mut self, event: &SubstantialEvent) {
        let place = self.history.events;
        self.history.events += 1;
        if place == 0 && !matches!(event.body, Some(EventBody::Start(_))) {
            self.odd(place, true, "the first event is not a start");
        }
        if let Some(what) = &event.compensation {
            self.life(place, "a compensation").compensations.push(what.clone());
        }
        match &event.body {
            Some(EventBody::Start(kwargs)) => self.start(place, event.at, kwargs),
            Some(EventBody::Save { id, value, counter }) => self.save(place, *id, *counter, value),
            Some(EventBody::Sleep { id, start, end }) => {
                self.sleep(SleepStep { event: place, id: *id, start: *start, end: *end })
            }
            Some(EventBody::Send { name, value }) => self.send(place, event.at, name, value),
            Some(EventBody::Stop(stop)) => self.stop(place, event.at, stop),
            None if event.compensation.is_none() => self.odd(place, false, "an event of a kind that is not known"),
            None => {}
        }
    }

    fn odd(&mut self, event: usize, corrupt: bool, what: impl Into<String>) {
        let history = &mut self.history;
        history.corrupt |= corrupt;
        history.problems_count += 1;
        if history.problems.len() < SUBSTANTIAL_PROBLEMS_MAX {
            history.problems.push(SubstantialProblem { event, corrupt, what: what.into() });
        }
    }

    /// The life that an event belongs to. One behind an end, or in front of a start, is odd.
    fn life(&mut self, place: usize, what: &str) -> &mut SubstantialLife {
        match self.history.lives.last() {
            Some(life) if life.end.is_some() => {
                let end = life.end.as_ref().map_or(0, |end| end.event);
                self.odd(place, false, format!("{what} behind the end, which is event {}", end + 1));
            }
            Some(_) => {}
            None => {
                // An event of a run that never started: told of by the first event already.
                self.history.lives.push(SubstantialLife { event: place, ..SubstantialLife::default() });
            }
        }
        let last = self.history.lives.len().saturating_sub(1);
        &mut self.history.lives[last]
    }

    fn start(&mut self, place: usize, at: Option<Timestamp>, kwargs: &SubstantialPayload) {
        if let Some(open) = self.history.lives.last().filter(|life| life.end.is_none() && life.is_started) {
            let open = open.event;
            self.odd(place, true, format!("a second start: the one of event {} has not stopped", open + 1));
        }
        let life = SubstantialLife {
            event: place,
            started_at: at,
            kwargs: kwargs.clone(),
            is_started: true,
            ..SubstantialLife::default()
        };
        self.history.lives.push(life);
    }

    fn stop(&mut self, place: usize, at: Option<Timestamp>, stop: &SubstantialStop) {
        let unsaid = matches!(stop, SubstantialStop::Unsaid);
        let open = self.history.lives.last().is_some_and(|life| life.end.is_none());
        if open {
            if unsaid {
                self.odd(place, false, "a stop that says neither `ok` nor `err`");
            }
            self.life(place, "a stop").end = Some(SubstantialEnd { event: place, at, how: stop.clone() });
        } else {
            self.odd(place, true, "a stop without a start");
        }
    }

    fn save(&mut self, place: usize, id: u32, counter: i32, value: &SubstantialPayload) {
        if counter < -1 || (0..=1).contains(&counter) {
            self.odd(place, false, format!("a step whose counter is {counter}"));
        }
        let life = self.life(place, "a step");
        let is_sleep = life.sleeps.iter().rev().take(16).any(|sleep| sleep.id == id);
        let next = life.steps.len();
        let at = *life.places.entry(id).or_insert(next);
        if at == next {
            life.steps.push(SaveStep { id, attempts: Vec::new(), state: SaveState::Retrying(1) });
        }
        let step = &mut life.steps[at];
        let was_done = matches!(step.state, SaveState::Done(_));
        step.attempts.push(place);
        // What was done first is what the workflow sees.
        if !was_done {
            step.state = match counter {
                -1 => SaveState::Done(value.clone()),
                counter => SaveState::Retrying(counter),
            };
        }
        if was_done {
            self.odd(place, false, format!("step {id} again, which was done"));
        }
        if is_sleep {
            self.odd(place, false, format!("step {id} has the number of a sleep"));
        }
    }

    fn sleep(&mut self, sleep: SleepStep) {
        let SleepStep { event, id, end, .. } = sleep;
        let life = self.life(event, "a sleep");
        life.sleeps.push(sleep);
        let is_step = life.places.contains_key(&id);
        if is_step {
            self.odd(event, false, format!("sleep {id} has the number of a step"));
        }
        if end.is_none() {
            self.odd(event, false, format!("sleep {id} has no end"));
        }
    }

    fn send(&mut self, event: usize, at: Option<Timestamp>, name: &str, value: &SubstantialPayload) {
        let life = self.life(event, "a message");
        let count = life.names.entry(name.into()).or_insert(0);
        *count = count.saturating_add(1);
        let nth = *count;
        life.sent.push(ReceivedMessage { event, at, name: name.into(), value: value.clone(), nth });
    }
}

impl SubstantialHistory {
    /// What all that was read amounts to.
    pub fn of(reading: &SubstantialReading) -> SubstantialHistory {
        let mut fold = SubstantialFold::default();
        reading.events.iter().for_each(|event| fold.event(event));
        fold.into_history()
    }

    /// What the last event that was folded, `event`, changed: a sentence.
    pub fn last_change(&self, event: &SubstantialEvent) -> String {
        let life = self.life();
        match &event.body {
            Some(EventBody::Start(_)) if self.lives.len() == 1 => "the run starts".to_owned(),
            Some(EventBody::Start(_)) => format!("the run starts anew, in its life {}", self.lives.len()),
            Some(EventBody::Save { id, counter: -1, .. }) => {
                match life.and_then(|life| life.step(*id)).map_or(1, |step| step.attempts.len()) {
                    1 => format!("step {id} is done"),
                    attempt => format!("step {id} is done at attempt {attempt}"),
                }
            }
            Some(EventBody::Save { id, counter, .. }) => format!("step {id} fails; attempt {counter} is next"),
            Some(EventBody::Sleep { id, end: Some(until), .. }) => format!("sleep {id} lasts until {until}"),
            Some(EventBody::Sleep { id, .. }) => format!("sleep {id} has no end"),
            Some(EventBody::Send { name, .. }) => {
                let is_first = life.and_then(|life| life.sent.last()).is_none_or(|sent| sent.nth == 1);
                let again = if is_first { "" } else { " again, which no workflow sees" };
                format!("message {} comes{again}", quote(name))
            }
            Some(EventBody::Stop(SubstantialStop::Err(_))) => "the run fails".to_owned(),
            // The package takes what says neither for a result.
            Some(EventBody::Stop(_)) => "the run completes".to_owned(),
            None => match &event.compensation {
                Some(what) => format!("a compensation runs, because step {} failed", what.save),
                None => "nothing that is known".to_owned(),
            },
        }
    }

    /// The last life.
    pub fn life(&self) -> Option<&SubstantialLife> {
        self.lives.last()
    }
}

impl SubstantialLife {
    /// The step with this id.
    pub fn step(&self, id: u32) -> Option<&SaveStep> {
        self.places.get(&id).map(|at| &self.steps[*at])
    }
}
