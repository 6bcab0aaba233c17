//! One event of a history of ours: what it changes in a sentence, where the run stands with it, and its JSON.

use std::borrow::Cow;

use crate::runs::problem::Seq;
use crate::runs::run::StatusDetail;
use crate::runs::value::{cut, quoted, quoted_error};
use crate::runs::waiting::Waiting;
use crate::time::Timestamp;
use crate::workflow::{Call, Ending, Entry, Event, Message, Outcome, PutOff, RunState, StepState, WaitState};

fn step(call: &Call<'_>) -> String {
    format!("{}#{}", cut(&call.step), call.n)
}

fn until(at: Option<&Timestamp>) -> String {
    at.map_or_else(String::new, |at| format!(" until {at}"))
}

/// What an event of a history of ours changed; `state` is what it led to.
pub(in crate::runs) fn change(entry: &Entry<'_>, state: &RunState) -> String {
    match &entry.event {
        Event::Start(start) if start.generation > 1 => format!("the run goes on in generation {}", start.generation),
        Event::Start(start) => match &start.parent {
            Some(parent) => {
                format!("{} starts for {} with {}", cut(&start.workflow), cut(&parent.run), quoted(&start.input))
            }
            None => format!("{} starts with {}", cut(&start.workflow), quoted(&start.input)),
        },
        Event::Claim { worker, until } => format!("{} takes the run until {until}", cut(worker)),
        Event::Renew { until } => format!("the worker keeps the run until {until}"),
        Event::Release(put_off) => released(put_off.as_ref()),
        Event::Save { call, attempt, outcome, took_us, .. } => {
            format!("{}{}", attempted(&step(call), *attempt, outcome), took_us.map_or_else(String::new, took))
        }
        Event::Compensation { call, attempt, outcome } => {
            attempted(&format!("the compensation of {}", step(call)), *attempt, outcome)
        }
        Event::Value { call, value: json } => format!("{} is {}", step(call), quoted(json)),
        Event::Sleep { call, until } => format!("{} sleeps until {until}", step(call)),
        Event::Wake { call } => woke(call, state),
        Event::Wait { call, events, until: deadline, done, .. } => waits(call, events, deadline.as_ref(), *done, state),
        Event::Receive { message, to, done, .. } => receives(message, to.as_ref(), *done),
        Event::Ensure { call } => format!("what {} waited for holds", step(call)),
        Event::Skip { inbox, reason } => match reason {
            Some(reason) => format!("line {inbox} of the inbox is passed over: {}", cut(reason)),
            None => format!("line {inbox} of the inbox is passed over"),
        },
        Event::Turn { inbox } => format!("the inbox goes on in its next generation after line {inbox}"),
        Event::Log { text, level, .. } => match level {
            Some(level) => format!("{}: {}", cut(level), cut(text)),
            None => cut(text).into_owned(),
        },
        Event::Revert { error: why, .. } => match why {
            Some(why) => format!("what was done is compensated: {}", quoted_error(why)),
            None => "what was done is compensated".into(),
        },
        Event::Child { call, run, .. } => format!("{} begins the run {}", step(call), cut(run)),
        Event::ChildEnd { call, ending, .. } => format!("{} {}", step(call), ended(ending)),
        Event::Cancel { request, .. } => {
            let from = request.from.as_ref().map_or_else(String::new, |from| format!(" by {}", cut(from)));
            let reason = request.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", cut(reason)));
            format!("it is asked to end{from}{reason}")
        }
        Event::Continue { .. } => "the run begins anew with another input".into(),
        Event::Compact { .. } => "what led here is put together".into(),
        Event::Stop(stop) => format!("the run {}", ended(&stop.ending)),
    }
}

fn released(put_off: Option<&PutOff<'_>>) -> String {
    match put_off {
        None => "the worker lets go of the run".into(),
        Some(PutOff { retry_at, error: None }) => format!("the worker puts the run off until {retry_at}"),
        Some(PutOff { retry_at, error: Some(why) }) => {
            format!("the worker puts the run off until {retry_at}: {}", quoted_error(why))
        }
    }
}

fn attempted(what: &str, attempt: u64, outcome: &Outcome<'_>) -> String {
    let at_attempt = if attempt == 1 { String::new() } else { format!(" at attempt {attempt}") };
    match outcome {
        Outcome::Done(json) => format!("{what} is done{at_attempt}: {}", quoted(json)),
        Outcome::Retry { error: why, at } => {
            format!("{what} fails at attempt {attempt}, next at {at}: {}", quoted_error(why))
        }
        Outcome::Failed(why) => format!("{what} fails for good{at_attempt}: {}", quoted_error(why)),
    }
}

fn took(us: u64) -> String {
    match us {
        0..1_000 => format!(" ({us} µs)"),
        1_000..1_000_000 => format!(" ({} ms)", us / 1_000),
        _ => format!(" ({}.{} s)", us / 1_000_000, us / 100_000 % 10),
    }
}

fn woke(call: &Call<'_>, state: &RunState) -> String {
    match state.step(&call.step, call.n).map(|step| step.state()) {
        Some(StepState::Wait(_)) => format!("the deadline of {} has passed", step(call)),
        _ => format!("{} is over", step(call)),
    }
}

fn names(events: &[Cow<'_, str>]) -> String {
    let shown = events.iter().take(5).map(|name| cut(name)).collect::<Vec<_>>().join(" or ");
    match events.len() {
        0..6 => shown,
        more => format!("{shown} or one of {} more", more - 5),
    }
}

fn waits(
    call: &Call<'_>,
    events: &[Cow<'_, str>],
    deadline: Option<&Timestamp>,
    done: bool,
    state: &RunState,
) -> String {
    let is_over = match state.step(&call.step, call.n).map(|step| step.state()) {
        Some(StepState::Wait(wait)) => wait.state() != WaitState::Open,
        _ => done,
    };
    match (is_over, events.is_empty()) {
        (true, true) => format!("{} need not wait", step(call)),
        (true, false) => format!("{} need not wait for {}", step(call), names(events)),
        (false, true) => format!("{} waits{}", step(call), until(deadline)),
        (false, false) => format!("{} waits for {}{}", step(call), names(events), until(deadline)),
    }
}

fn receives(message: &Message<'_>, to: Option<&Call<'_>>, done: bool) -> String {
    let said = format!("message {} comes: {}", cut(&message.event), quoted(&message.value));
    match to {
        None => format!("{said}; it is kept"),
        Some(call) if done => format!("{said}; {} has what it waited for", step(call)),
        Some(call) => format!("{said}; it goes to {}", step(call)),
    }
}

fn ended(ending: &Ending<'_>) -> String {
    match ending {
        Ending::Ok(json) => format!("completes: {}", quoted(json)),
        Ending::Failed(why) => format!("fails: {}", quoted_error(why)),
        Ending::Cancelled(Some(reason)) => format!("is cancelled: {}", cut(reason)),
        Ending::Cancelled(None) => "is cancelled".into(),
    }
}

pub(in crate::runs) fn status_after(state: &RunState) -> StatusDetail {
    StatusDetail {
        status: state.status(),
        waiting_for: Some(Waiting::from(state.waiting_for())).filter(|waiting| !waiting.is_nothing()),
        worker: state.claim().map(|claim| claim.worker.to_string()),
    }
}

/// The line as it stands, with the generation where it is not the first and the line does not say it.
pub(in crate::runs) fn json(seq: Seq, entry: &Entry<'_>, line: &[u8]) -> String {
    // The fold has read it, so it is an object in UTF-8.
    let line = String::from_utf8_lossy(line);
    match &entry.event {
        Event::Start(start) if start.generation > 1 => line.into_owned(),
        _ if seq.generation == 1 => line.into_owned(),
        _ => format!("{{\"generation\":{},{}", seq.generation, line.strip_prefix('{').unwrap_or(&line)),
    }
}
