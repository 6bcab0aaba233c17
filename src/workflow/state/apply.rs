//! What each event does to the state of a run, and when it cannot.

use std::borrow::Cow;

use super::fold::{At, corrupt};
use super::run::{Begun, Claim, Cursor, Revert, RunState};
use super::snapshot;
use super::steps::{Child, Compensation, StepState, Wait, WaitState, owned};
use crate::json::Json;
use crate::store::Queue;
use crate::text::quote;
use crate::time::Timestamp;
use crate::workflow::history::event::{
    Call, Ending, Event, Message, Outcome, Parent, PutOff, Request, Start, Stop, own,
};
use crate::workflow::history::problem::Fault;
use crate::workflow::run_log;

impl RunState {
    /// One event. What it refuses it has not begun to do.
    pub(super) fn apply(&mut self, at: At, claim: Option<u64>, event: &Event<'_>) -> Result<(), Fault> {
        self.check_inbox(at, event)?;
        match event {
            Event::Start(start) => self.start(at, start)?,
            Event::Claim { worker, until } => self.claimed(at, claim, worker, *until),
            Event::Renew { until } => self.claim.iter_mut().for_each(|claim| claim.until = *until),
            Event::Release(put_off) => self.released(put_off.as_ref()),
            Event::Save { call, attempt, outcome, compensate, .. } => {
                self.save(at, call, *attempt, outcome, *compensate)?;
            }
            Event::Compensation { call, attempt, outcome } => self.compensation(at, call, *attempt, outcome)?,
            Event::Value { call, value } => _ = self.add(at, call, || StepState::Value(value.owned()))?,
            Event::Sleep { call, until } => _ = self.add(at, call, || StepState::Sleeping(*until))?,
            Event::Wake { call } => self.woken(at, call)?,
            Event::Wait { call, events, until, take, done } => self.wait(at, call, events, *until, *take, *done)?,
            Event::Receive { message, to, done, .. } => self.receive(at, message, to.as_ref(), *done)?,
            Event::Ensure { call } => self.ensured(at, call)?,
            Event::Skip { .. } | Event::Turn { .. } => {}
            Event::Log { n, .. } => self.logged(*n)?,
            Event::Revert { call, .. } => self.reverted(at, call.as_ref())?,
            Event::Child { call, run, start } => self.child(at, call, run, start)?,
            Event::ChildEnd { call, ending, .. } => self.child_end(at, call, ending)?,
            Event::Cancel { request, .. } => self.cancelled(request),
            Event::Continue { next } => self.go_on(at, next, false)?,
            Event::Compact { next } => self.go_on(at, next, true)?,
            Event::Stop(stop) => self.stop(at, stop)?,
        }
        self.advance_inbox(at, event);
        Ok(())
    }

    /// Lines of the inbox are taken one after another.
    #[inline]
    fn check_inbox(&self, at: At, event: &Event<'_>) -> Result<(), Fault> {
        let Some(inbox) = event.inbox().filter(|_| !at.restoring) else { return Ok(()) };
        if self.inbox.seq.checked_add(1) != Some(inbox) {
            let next = self.inbox.seq.saturating_add(1);
            return corrupt(format!("it takes line {inbox} of the inbox, and line {next} is the next"));
        }
        if matches!(event, Event::Turn { .. }) && self.inbox.generation == u32::MAX {
            return corrupt("the inbox has no further generation");
        }
        Ok(())
    }

    #[inline]
    fn advance_inbox(&mut self, at: At, event: &Event<'_>) {
        let Some(seq) = event.inbox().filter(|_| !at.restoring) else { return };
        match event {
            Event::Turn { .. } => self.inbox = Cursor { generation: self.inbox.generation.saturating_add(1), seq: 0 },
            _ => self.inbox.seq = seq,
        }
    }

    fn start(&mut self, at: At, start: &Start<'_>) -> Result<(), Fault> {
        if *start.run != *self.run {
            return corrupt(format!(
                "it is the history of {}, in the place of {}",
                quote(&start.run),
                quote(&self.run)
            ));
        }
        let generation = self.log.generation();
        if start.generation != generation {
            return corrupt(format!("it begins generation {} in the place of {generation}", start.generation));
        }
        if start.workflow.is_empty() {
            return corrupt("its workflow has no name");
        }
        let queue = Queue::new(&start.queue).map_err(|error| Fault::corrupt(error.to_string()))?;
        if let Some(parent) = &start.parent {
            run_log(&parent.run).map_err(|error| Fault::corrupt(format!("its parent: {error}")))?;
        }
        match (&start.state, generation) {
            (None, 1) => self.started_at = Some(at.time),
            (Some(state), 2..) => *self = snapshot::restored(&self.log, at, state)?,
            (Some(_), _) => return corrupt("the first generation carries a state over"),
            (None, _) => return corrupt("it has no `state`"),
        }
        self.workflow = Some((*start.workflow).into());
        self.begun = Some(Box::new(Begun {
            workflow: (*start.workflow).into(),
            input: start.input.owned(),
            queue,
            id: start.id.as_deref().map(Into::into),
            parent: start.parent.clone().map(Parent::into_owned),
        }));
        Ok(())
    }

    fn claimed(&mut self, at: At, number: Option<u64>, worker: &str, until: Timestamp) {
        if let Some(held) = &self.claim
            && at.time < held.until
            && *held.worker != *worker
        {
            let (number, until) = (held.number, held.until);
            self.warn(at.seq, || format!("it overtakes claim {number}, which held until {until}"));
        }
        let number = number.unwrap_or(0);
        self.claims = number;
        self.claim = Some(Claim { number, worker: worker.into(), since: at.time, until });
        self.put_off = None;
    }

    fn released(&mut self, put_off: Option<&PutOff<'_>>) {
        self.claim = None;
        self.put_off = put_off
            .map(|put_off| PutOff { retry_at: put_off.retry_at, error: put_off.error.as_ref().map(Json::owned) });
    }

    /// Adds a step that must be new.
    #[inline]
    fn add(&mut self, at: At, call: &Call<'_>, state: impl FnOnce() -> StepState) -> Result<usize, Fault> {
        if let Some(place) = self.steps.place(call) {
            return Err(again(self.steps.get(place).state(), call, self.steps.get(place).first_seq));
        }
        Ok(self.steps.add(call, at.seq, state()))
    }

    #[inline]
    fn save(
        &mut self,
        at: At,
        call: &Call<'_>,
        attempt: u64,
        outcome: &Outcome<'_>,
        compensate: bool,
    ) -> Result<(), Fault> {
        let known = self.steps.place(call);
        let failed = match known.map(|place| self.steps.get(place).state()) {
            None => 0,
            Some(StepState::Saved { attempts, outcome: Outcome::Retry { .. } }) => *attempts,
            Some(other) => return Err(again(other, call, known.map_or(0, |place| self.steps.get(place).last_seq))),
        };
        if failed.checked_add(1) != Some(attempt) && !(at.restoring && known.is_none()) {
            let next = failed.saturating_add(1);
            return corrupt(format!("attempt {attempt} at {call} stands where attempt {next} should"));
        }
        let state = StepState::Saved { attempts: attempt, outcome: owned(outcome) };
        match known {
            Some(place) if self.steps.get(place).compensation.is_some() != compensate => {
                corrupt(format!("whether {call} can be compensated is told in two ways"))
            }
            Some(place) => {
                self.steps.set(place, at.seq, state);
                Ok(())
            }
            None => {
                let place = self.steps.add(call, at.seq, state);
                if compensate {
                    self.steps.get_mut(place).compensation = Some(Box::new(Compensation::Ready));
                    self.undo.push(place);
                }
                Ok(())
            }
        }
    }

    fn compensation(&mut self, at: At, call: &Call<'_>, attempt: u64, outcome: &Outcome<'_>) -> Result<(), Fault> {
        let Some(place) = self.steps.place(call) else {
            return corrupt(format!("it compensates {call}, which was never saved"));
        };
        let failed = match self.steps.get(place).compensation() {
            None => return corrupt(format!("it compensates {call}, which has no compensation")),
            Some(Compensation::Ready) => 0,
            Some(Compensation::Run { attempts, outcome: Outcome::Retry { .. } }) => *attempts,
            Some(Compensation::Run { .. }) => return corrupt(format!("it compensates {call} a second time")),
        };
        if !at.restoring {
            self.check_turn(place, call)?;
            if failed.checked_add(1) != Some(attempt) {
                let next = failed.saturating_add(1);
                return corrupt(format!("attempt {attempt} at compensating {call} stands where attempt {next} should"));
            }
        }
        // What is compensated is not tried again.
        if let StepState::Saved { attempts, outcome: Outcome::Retry { error, .. } } = self.steps.get(place).state() {
            let given_up = StepState::Saved { attempts: *attempts, outcome: Outcome::Failed(error.clone()) };
            self.steps.set(place, at.seq, given_up);
        }
        let step = self.steps.get_mut(place);
        step.compensation = Some(Box::new(Compensation::Run { attempts: attempt, outcome: owned(outcome) }));
        step.last_seq = at.seq;
        let over = !matches!(outcome, Outcome::Retry { .. });
        if over && self.undo.last() == Some(&place) {
            self.undo.pop();
        }
        if self.undo.is_empty() && !at.restoring {
            self.revert_over(at);
        }
        Ok(())
    }

    /// Whether a revert is under way and it is this step's turn.
    fn check_turn(&self, place: usize, call: &Call<'_>) -> Result<(), Fault> {
        if self.revert.is_none() {
            return corrupt(format!("it compensates {call}, but no revert is under way"));
        }
        match self.undo.last() {
            Some(last) if *last == place => Ok(()),
            Some(last) => {
                corrupt(format!("it compensates {call} before {}, which came later", self.steps.get(*last).call()))
            }
            None => corrupt(format!("it compensates {call}, but nothing is left to compensate")),
        }
    }

    fn reverted(&mut self, at: At, call: Option<&Call<'_>>) -> Result<(), Fault> {
        if self.revert.is_some() {
            return corrupt("a revert begins while another is under way");
        }
        let place = call.map(|call| self.add(at, call, || StepState::Revert(false))).transpose()?;
        self.revert = Some(Revert { place });
        if self.undo.is_empty() && !at.restoring {
            self.revert_over(at);
        }
        Ok(())
    }

    pub(super) fn revert_over(&mut self, at: At) {
        if let Some(Revert { place: Some(place) }) = self.revert.take() {
            self.steps.set(place, at.seq, StepState::Revert(true));
        }
    }

    fn woken(&mut self, at: At, call: &Call<'_>) -> Result<(), Fault> {
        let Some(place) = self.steps.place(call) else {
            return corrupt(format!("it wakes {call}, which does not sleep"));
        };
        let until = match self.steps.get(place).state() {
            StepState::Sleeping(until) => *until,
            StepState::Wait(wait) if wait.state == WaitState::Open => match wait.until {
                Some(until) => until,
                None => return corrupt(format!("the deadline of {call} has passed, which has none")),
            },
            _ => return corrupt(format!("it wakes {call}, which does not sleep")),
        };
        if at.time < until && !at.restoring {
            let call = call.to_string();
            self.warn(at.seq, || format!("it wakes {call} before its time, {until}"));
        }
        match self.steps.get(place).state() {
            StepState::Sleeping(until) => {
                let until = *until;
                self.steps.set(place, at.seq, StepState::Slept(until));
            }
            _ => self.close_wait(at, place, WaitState::TimedOut),
        }
        Ok(())
    }

    fn wait(
        &mut self,
        at: At,
        call: &Call<'_>,
        events: &[Cow<'_, str>],
        until: Option<Timestamp>,
        take: u64,
        done: bool,
    ) -> Result<(), Fault> {
        if events.is_empty() && until.is_none() && !done {
            return corrupt(format!("{call} waits for nothing"));
        }
        if let Some(place) = self.steps.place(call) {
            return Err(again(self.steps.get(place).state(), call, self.steps.get(place).first_seq));
        }
        let kept = self.kept.count(events);
        if take > kept {
            return corrupt(format!("{call} takes {take} kept messages, and there are {kept}"));
        }
        if take < kept && !done {
            return corrupt(format!("{call} waits for messages of which {} are kept", kept - take));
        }
        let messages = (0..take).filter_map(|_| self.kept.take_oldest(events)).collect();
        let state = if done { WaitState::Done } else { WaitState::Open };
        if !done {
            self.want(events);
        }
        let events = events.iter().map(|event| (**event).into()).collect();
        self.steps.add(call, at.seq, StepState::Wait(Box::new(Wait { events, until, messages, state })));
        Ok(())
    }

    /// Counts what open waits wait for.
    fn want(&mut self, events: &[Cow<'_, str>]) {
        for event in events {
            if let Some(count) = self.wanted.get_mut(&**event) {
                *count += 1;
            } else {
                self.wanted.insert((**event).into(), 1);
            }
        }
    }

    fn close_wait(&mut self, at: At, place: usize, state: WaitState) {
        if let StepState::Wait(wait) = self.steps.get(place).state() {
            for event in &wait.events {
                if let Some(count) = self.wanted.get_mut(event) {
                    *count -= 1;
                    if *count == 0 {
                        self.wanted.remove(event);
                    }
                }
            }
        }
        self.steps.update(place, at.seq, |step| {
            if let StepState::Wait(wait) = step {
                wait.state = state;
            }
        });
    }

    fn receive(&mut self, at: At, message: &Message<'_>, to: Option<&Call<'_>>, done: bool) -> Result<(), Fault> {
        let Some(call) = to else {
            if done {
                return corrupt("a message that is kept ends no wait");
            }
            if self.wanted.contains_key(&*message.event) {
                return corrupt(format!("a message {} is kept while a wait is open for it", quote(&message.event)));
            }
            self.kept.put(message.clone().into_owned());
            return Ok(());
        };
        let place = self.open_wait(call)?;
        let step = self.steps.get(place);
        if let StepState::Wait(wait) = step.state()
            && !wait.events().any(|event| *event == *message.event)
        {
            return corrupt(format!("{call} is given a message {}, for which it does not wait", quote(&message.event)));
        }
        self.steps.update(place, at.seq, |step| {
            if let StepState::Wait(wait) = step {
                wait.messages.push(message.clone().into_owned());
            }
        });
        if done {
            self.close_wait(at, place, WaitState::Done);
        }
        Ok(())
    }

    fn open_wait(&mut self, call: &Call<'_>) -> Result<usize, Fault> {
        let place = self.steps.place(call);
        let open = |place: &usize| {
            let state = self.steps.get(*place).state();
            matches!(state, StepState::Wait(wait) if wait.state == WaitState::Open)
        };
        place.filter(open).ok_or_else(|| Fault::corrupt(format!("{call} is no open wait")))
    }

    fn ensured(&mut self, at: At, call: &Call<'_>) -> Result<(), Fault> {
        let place = self.open_wait(call)?;
        self.close_wait(at, place, WaitState::Done);
        Ok(())
    }

    fn logged(&mut self, n: u64) -> Result<(), Fault> {
        if self.logs.checked_add(1) != Some(n) {
            return corrupt(format!("log {n} stands where log {} should", self.logs.saturating_add(1)));
        }
        self.logs = n;
        Ok(())
    }

    fn child(&mut self, at: At, call: &Call<'_>, run: &str, start: &Json<'_>) -> Result<(), Fault> {
        if at.restoring && start.text() == "null" {
            let begun = || StepState::Child(Box::new(Child { run: run.into(), start: None, ending: None }));
            return self.add(at, call, begun).map(|_| ());
        }
        let inside = |fault: Fault| Fault { what: format!("what {call} begins: {}", fault.what).into(), ..fault };
        let child = snapshot::nested_start(start).map_err(inside)?;
        let name = run_log(run).and_then(|_| Ok(Queue::new(&child.queue)?));
        name.map_err(|error| Fault::corrupt(format!("what {call} begins: {error}")))?;
        let parent = child.parent.as_ref();
        if *child.run != *run || child.generation != 1 || child.state.is_some() {
            return corrupt(format!("what {call} begins is not the first generation of {}", quote(run)));
        }
        if !parent.is_some_and(|parent| *parent.run == *self.run && parent.call == *call) {
            return corrupt(format!("what {call} begins does not name it as its parent"));
        }
        let begin = || StepState::Child(Box::new(Child { run: run.into(), start: Some(start.owned()), ending: None }));
        self.add(at, call, begin).map(|_| ())
    }

    fn child_end(&mut self, at: At, call: &Call<'_>, ending: &Ending<'_>) -> Result<(), Fault> {
        let Some(place) = self.steps.place(call) else {
            return corrupt(format!("the child of {call} ends, which never began"));
        };
        match self.steps.get(place).state() {
            StepState::Child(child) if child.ending.is_none() => {}
            StepState::Child(_) => return corrupt(format!("the child of {call} ends a second time")),
            other => return corrupt(format!("{call} is a {}, not a child", other.kind())),
        }
        self.steps.update(place, at.seq, |step| {
            if let StepState::Child(child) = step {
                child.ending = Some(ending.clone().into_owned());
                child.start = None;
            }
        });
        Ok(())
    }

    /// The first request counts; the others ask for nothing new.
    fn cancelled(&mut self, request: &Request<'_>) {
        self.cancel.get_or_insert_with(|| request.clone().into_owned());
    }

    fn go_on(&mut self, at: At, next: &Json<'_>, as_it_is: bool) -> Result<(), Fault> {
        if !self.forgotten {
            snapshot::check_next(self, at, next, as_it_is)?;
        }
        self.claim = None;
        self.put_off = None;
        self.next = Some(next.owned());
        Ok(())
    }

    fn stop(&mut self, at: At, stop: &Stop<'_>) -> Result<(), Fault> {
        if !self.forgotten && stop.workflow.is_some() && stop.workflow.as_deref() != self.workflow.as_deref() {
            return corrupt("it names another workflow than the start does");
        }
        if self.revert.is_some() {
            let left = self.undo.len();
            self.warn(at.seq, || format!("the run ended in the middle of a revert: {left} compensations were not run"));
        }
        if self.forgotten {
            self.workflow = stop.workflow.as_deref().map(Into::into);
            self.started_at = stop.started_at;
            self.events = stop.events.unwrap_or(at.seq).saturating_sub(1);
        }
        self.claim = None;
        self.put_off = None;
        self.ending = Some(stop.ending.clone().into_owned());
        Ok(())
    }
}

/// A step is told of that was told of before in a way that leaves nothing to tell.
#[cold]
fn again(state: &StepState, call: &Call<'_>, seq: u64) -> Fault {
    let what = match state {
        StepState::Saved { outcome: Outcome::Done(_), .. } => "has its result".to_owned(),
        StepState::Saved { outcome: Outcome::Failed(_), .. } => "has failed for good".to_owned(),
        other => format!("is a {}", other.kind()),
    };
    Fault::corrupt(format!("{call} {what} since line {seq}"))
}

/// The parts of an event that a state keeps, with their own text.
impl Begun {
    /// The queue's name as lines have it.
    pub(in crate::workflow) fn queue_name(&self) -> Cow<'static, str> {
        own(&self.queue.name())
    }
}
