//! What one generation of a history carries over into the next: the state as the fewest events that make it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::fold::At;
use super::run::{Cursor, RunState};
use super::steps::{Child, Compensation, Step, StepState, Wait, WaitState};
use crate::json::Json;
use crate::store::{Error, Name};
use crate::text::excerpt;
use crate::time::Timestamp;
use crate::workflow::history::event::{Entry, Event, Message, Outcome, Start};
use crate::workflow::history::problem::Fault;
use crate::workflow::history::read::Fields;
use crate::workflow::history::wire::Wire;

/// `state` in the first line of a later generation, as it is read and as it is written.
#[derive(Deserialize, Serialize)]
struct Carried<Time, Event> {
    started_at: Time,
    life: u32,
    events: u64,
    claims: u64,
    #[serde(default)]
    logs: u64,
    inbox: Cursor,
    lines: Vec<Event>,
}

/// The state of the run whose generation `log` begins with `state`.
pub(super) fn restored(log: &Name, at: At, state: &Json<'_>) -> Result<RunState, Fault> {
    let mut run = RunState::new(log.clone());
    let carried: Carried<&str, &RawValue> = serde_json::from_str(state.text())
        .map_err(|error| Fault::corrupt(format!("its state: {}", excerpt(&error.to_string(), 200))))?;
    if carried.inbox.generation == 0 || carried.life == 0 {
        return Err(Fault::corrupt("its state: generations and lives are counted from 1"));
    }
    let started_at = Timestamp::parse(carried.started_at.as_bytes());
    run.started_at = Some(started_at.ok_or_else(|| Fault::corrupt("its state: `started_at` is not a time"))?);
    run.life = carried.life;
    run.events = carried.events;
    run.claims = carried.claims;
    run.logs = carried.logs;
    run.inbox = carried.inbox;
    let at = At { restoring: true, ..at };
    for (number, line) in carried.lines.iter().enumerate() {
        restore_line(&mut run, at, line).map_err(|fault| Fault {
            what: format!("line {} of its state: {}", number + 1, fault.what).into(),
            ..fault
        })?;
    }
    // Compensations that were run have left the stack one by one; here they leave it at once.
    let steps = &run.steps;
    run.undo.retain(|place| {
        !matches!(
            steps.get(*place).compensation(),
            Some(Compensation::Run { outcome: Outcome::Done(_) | Outcome::Failed(_), .. })
        )
    });
    if run.undo.is_empty() && run.revert.is_some() {
        return Err(Fault::corrupt("its state: a revert is under way with nothing left to compensate"));
    }
    Ok(run)
}

fn restore_line(run: &mut RunState, at: At, line: &RawValue) -> Result<(), Fault> {
    let mut fields = Fields::empty();
    fields.read(line.get().as_bytes())?;
    let event = fields.event()?;
    let carried = matches!(
        event,
        Event::Save { .. }
            | Event::Compensation { .. }
            | Event::Value { .. }
            | Event::Sleep { .. }
            | Event::Wake { .. }
            | Event::Wait { take: 0, .. }
            | Event::Receive { .. }
            | Event::Revert { .. }
            | Event::Child { .. }
            | Event::ChildEnd { .. }
            | Event::Cancel { .. }
    );
    if !carried {
        return Err(Fault::corrupt(format!("a {} is not carried over", event.kind())));
    }
    run.apply(at, None, &event)?;
    if matches!(event, Event::Revert { .. }) && fields.is_done()? {
        run.revert_over(at);
    }
    Ok(())
}

/// The start that a value is.
pub(in crate::workflow) fn nested_start<'a>(body: &'a Json<'_>) -> Result<Start<'a>, Fault> {
    match Entry::parse(body.text().as_bytes())?.event {
        Event::Start(start) => Ok(*start),
        event => Err(Fault::corrupt(format!("a {} stands where a start should", event.kind()))),
    }
}

/// Whether `next` begins the next generation of a run, and carries over what it must.
pub(super) fn check_next(run: &RunState, at: At, next: &Json<'_>, as_it_is: bool) -> Result<(), Fault> {
    let log = run.log.next_generation();
    if log.generation() == run.log.generation() {
        return Err(Fault::corrupt("there is no further generation"));
    }
    let inside = |fault: Fault| Fault { what: format!("its next generation: {}", fault.what).into(), ..fault };
    let entry = Entry::parse(next.text().as_bytes()).map_err(inside)?;
    let Event::Start(_) = &entry.event else {
        return Err(Fault::corrupt("the next generation does not begin with a start"));
    };
    let mut other = RunState::new(log);
    other.apply(At { restoring: false, ..at }, None, &entry.event).map_err(inside)?;
    match differs(run, &other, as_it_is) {
        Some(what) => Err(Fault::corrupt(format!("the next generation has another {what}"))),
        None => Ok(()),
    }
}

/// What is not in `next` as it should be.
fn differs(run: &RunState, next: &RunState, as_it_is: bool) -> Option<&'static str> {
    let (Some(begun), Some(next_begun)) = (&run.begun, &next.begun) else { return Some("start") };
    let life = if as_it_is { run.life } else { run.life.saturating_add(1) };
    let same = [
        ("queue", begun.queue == next_begun.queue),
        ("parent", begun.parent == next_begun.parent),
        ("id", begun.id == next_begun.id),
        ("start time", run.started_at == next.started_at),
        ("life", life == next.life),
        // The seal that is being folded counts.
        ("number of events", run.events.saturating_add(1) == next.events),
        ("number of claims", run.claims == next.claims),
        ("place in the inbox", run.inbox == next.inbox),
        ("request to cancel", run.cancel == next.cancel),
        ("kept message", run.kept.iter().eq(next.kept.iter())),
        ("workflow", !as_it_is || begun.workflow == next_begun.workflow),
        ("input", !as_it_is || begun.input == next_begun.input),
        ("number of logs", if as_it_is { run.logs == next.logs } else { next.logs == 0 }),
        ("step", if as_it_is { run.steps.iter().eq(next.steps.iter()) } else { next.steps.iter().len() == 0 }),
        ("order of compensations", !as_it_is || run.undo == next.undo),
        ("revert", !as_it_is || run.revert == next.revert),
    ];
    same.iter().find(|(_, same)| !same).map(|(what, _)| *what)
}

/// The first line of the generation after that of `run`, the seal of which comes next. With a workflow and an input the run
/// begins anew, without them it goes on as it is.
pub(in crate::workflow) fn next_start<'a>(
    run: &'a RunState,
    at: Timestamp,
    anew: Option<(&'a str, Json<'a>)>,
) -> Result<Json<'static>, Error> {
    let invalid = || Error::Invalid { what: format!("run {}", run.log), problem: "it has no start".to_owned() };
    let begun = run.begun().ok_or_else(invalid)?;
    let lines = lines(run, anew.is_none());
    let carry = Carried {
        started_at: run.started_at.unwrap_or(at),
        life: if anew.is_some() { run.life.saturating_add(1) } else { run.life },
        events: run.events.saturating_add(1),
        claims: run.claims,
        logs: if anew.is_some() { 0 } else { run.logs },
        inbox: run.inbox,
        lines: lines.iter().map(wire).collect(),
    };
    let (workflow, input) = anew.unwrap_or((&begun.workflow, begun.input.as_borrowed()));
    let start = Start {
        run: (*run.run).into(),
        generation: run.log.next_generation().generation(),
        workflow: workflow.into(),
        input,
        queue: begun.queue_name(),
        id: begun.id.as_deref().map(Into::into),
        parent: begun.parent.clone(),
        state: Some(Json::raw_of(&carry)?),
    };
    Entry { at, claim: None, event: Event::Start(Box::new(start)) }.body()
}

/// A line that is carried over: an event, and whether it is a revert that is over.
type Line<'a> = (Event<'a>, bool);

fn wire<'a>((event, over): &'a Line<'_>) -> Wire<'a> {
    let wire = Wire::of_event(None, None, event);
    Wire { done: if *over { Some(true) } else { wire.done }, ..wire }
}

/// The fewest events that make the state, in the order of its steps.
fn lines(run: &RunState, with_steps: bool) -> Vec<Line<'_>> {
    let mut events = Vec::new();
    let mut lines = Vec::new();
    if with_steps {
        for step in run.steps() {
            step_lines(step, &mut events);
            let over = matches!(step.state, StepState::Revert(true));
            lines.extend(events.drain(..).map(|event| (event, over)));
        }
        run.steps().for_each(|step| events.extend(compensation_line(step)));
        if run.revert.is_some_and(|revert| revert.place.is_none()) {
            events.push(Event::Revert { call: None, error: None });
        }
    }
    events.extend(run.cancel.iter().map(|request| Event::Cancel { inbox: 0, request: request.clone() }));
    events.extend(run.kept().map(|message| receive(message, None, false)));
    lines.extend(events.into_iter().map(|event| (event, false)));
    lines
}

fn receive<'a>(message: &'a Message<'_>, to: Option<&'a Step>, done: bool) -> Event<'a> {
    let message = Message {
        id: (*message.id).into(),
        event: (*message.event).into(),
        value: message.value.as_borrowed(),
        from: message.from.as_deref().map(Into::into),
        sent_at: message.sent_at,
    };
    Event::Receive { inbox: 0, message, to: to.map(Step::call), done }
}

/// The events that make a step what it is, but for its compensation.
fn step_lines<'a>(step: &'a Step, lines: &mut Vec<Event<'a>>) {
    let call = step.call();
    match &step.state {
        StepState::Saved { attempts, outcome } => lines.push(Event::Save {
            call,
            attempt: *attempts,
            outcome: outcome.clone(),
            compensate: step.compensation.is_some(),
            took_us: None,
        }),
        StepState::Value(value) => lines.push(Event::Value { call, value: value.as_borrowed() }),
        StepState::Sleeping(until) => lines.push(Event::Sleep { call, until: *until }),
        StepState::Slept(until) => {
            lines.extend([Event::Sleep { call: step.call(), until: *until }, Event::Wake { call }]);
        }
        StepState::Wait(wait) => wait_lines(step, wait, lines),
        StepState::Child(child) => child_lines(step, child, lines),
        StepState::Revert(_) => lines.push(Event::Revert { call: Some(call), error: None }),
    }
}

fn wait_lines<'a>(step: &'a Step, wait: &'a Wait, lines: &mut Vec<Event<'a>>) {
    let done = wait.state == WaitState::Done;
    lines.push(Event::Wait {
        call: step.call(),
        events: wait.events().map(Into::into).collect(),
        until: wait.until,
        take: 0,
        done: done && wait.messages.is_empty(),
    });
    let last = wait.messages.len().saturating_sub(1);
    let receives = wait.messages.iter().enumerate();
    lines.extend(receives.map(|(at, message)| receive(message, Some(step), done && at == last)));
    if wait.state == WaitState::TimedOut {
        lines.push(Event::Wake { call: step.call() });
    }
}

/// What a child began with is not carried over once it has ended.
fn child_lines<'a>(step: &'a Step, child: &'a Child, lines: &mut Vec<Event<'a>>) {
    let start = child.start.as_ref().map_or_else(|| Json::null(), |start| start.as_borrowed());
    lines.push(Event::Child { call: step.call(), run: (*child.run).into(), start });
    if let Some(ending) = &child.ending {
        lines.push(Event::ChildEnd { call: step.call(), inbox: None, ending: ending.clone() });
    }
}

fn compensation_line(step: &Step) -> Option<Event<'_>> {
    match step.compensation()? {
        Compensation::Ready => None,
        Compensation::Run { attempts, outcome } => {
            Some(Event::Compensation { call: step.call(), attempt: *attempts, outcome: outcome.clone() })
        }
    }
}
