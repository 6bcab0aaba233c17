//! One event of a history of `substantial`: what it changes in a sentence, where the run stands with it, and its JSON.

use serde_json::json;

use crate::compat::substantial::{
    EventBody, SaveState, SubstantialEvent, SubstantialHistory, SubstantialPayload, SubstantialStop,
};
use crate::runs::problem::Seq;
use crate::runs::run::StatusDetail;
use crate::runs::value::{RunValue, cut};
use crate::time::Timestamp;
use crate::workflow::Status;

/// The word for a kind of event of `substantial`.
pub(in crate::runs) fn kind(event: &SubstantialEvent) -> &'static str {
    match &event.body {
        Some(EventBody::Start(_)) => "start",
        Some(EventBody::Save { .. }) => "save",
        Some(EventBody::Sleep { .. }) => "sleep",
        Some(EventBody::Send { .. }) => "send",
        Some(EventBody::Stop(_)) => "stop",
        None if event.compensation.is_some() => "compensation",
        None => "unknown",
    }
}

/// What an event of `substantial` changed, and what it says; `history` is what all up to it amounts to.
pub(in crate::runs) fn change(event: &SubstantialEvent, history: &SubstantialHistory) -> String {
    let what = history.last_change(event);
    let with = |payload: &SubstantialPayload| Some(cut(&RunValue::from(payload).plain()).into_owned());
    let said = match &event.body {
        Some(EventBody::Start(kwargs)) => with(kwargs),
        Some(EventBody::Save { value, counter: -1, .. }) => with(value),
        Some(EventBody::Send { value, .. }) => with(value),
        Some(EventBody::Stop(SubstantialStop::Ok(payload) | SubstantialStop::Err(payload))) => with(payload),
        _ => event.compensation.as_ref().map(|compensation| cut(&compensation.error).into_owned()),
    };
    match (&event.body, said) {
        (Some(EventBody::Start(_)), Some(said)) if history.lives.len() == 1 => format!("{what} with {said}"),
        (_, Some(said)) => format!("{what}: {said}"),
        (_, None) => what,
    }
}

/// Where a run stands as far as its history alone tells.
pub(in crate::runs) fn status_after(history: &SubstantialHistory) -> StatusDetail {
    let status = match history.life() {
        _ if history.corrupt => Status::Corrupt,
        None => Status::Pending,
        Some(life) => match &life.end {
            Some(end) if matches!(end.how, SubstantialStop::Err(_)) => Status::Failed,
            Some(_) => Status::Completed,
            None if life.steps.iter().any(|step| matches!(step.state, SaveState::Retrying(_))) => Status::Retrying,
            None => Status::Running,
        },
    };
    StatusDetail { status, waiting_for: None, worker: None }
}

/// The event as an object; payloads as the JSON that they hold.
pub(in crate::runs) fn json(seq: Seq, at: Option<Timestamp>, event: &SubstantialEvent) -> String {
    // Text that is JSON already, and put in as it is.
    let of = |payload: &SubstantialPayload| RunValue::from(payload).json().into_owned();
    let mut members: Vec<(&str, String)> = vec![("seq", seq.number.to_string())];
    members.push(("at", json!(at.map(|at| at.to_string())).to_string()));
    members.push(("type", json!(kind(event)).to_string()));
    match &event.body {
        Some(EventBody::Start(kwargs)) => members.push(("kwargs", of(kwargs))),
        Some(EventBody::Save { id, value, counter }) => {
            members.extend([("id", id.to_string()), ("counter", counter.to_string()), ("value", of(value))])
        }
        Some(EventBody::Sleep { id, start, end }) => members.extend([
            ("id", id.to_string()),
            ("start", json!(start.map(|at| at.to_string())).to_string()),
            ("end", json!(end.map(|at| at.to_string())).to_string()),
        ]),
        Some(EventBody::Send { name, value }) => {
            members.extend([("name", json!(name).to_string()), ("value", of(value))])
        }
        Some(EventBody::Stop(SubstantialStop::Ok(payload))) => members.push(("ok", of(payload))),
        Some(EventBody::Stop(SubstantialStop::Err(payload))) => members.push(("err", of(payload))),
        Some(EventBody::Stop(SubstantialStop::Unsaid)) | None => {}
    }
    if let Some(compensation) = &event.compensation {
        members.extend([
            ("save_id", compensation.save.to_string()),
            ("error", json!(compensation.error).to_string()),
            ("compensation_result", of(&compensation.result)),
        ]);
    }
    let unknown: Vec<&str> = event.unknown.iter().map(|(name, _)| &**name).collect();
    if !unknown.is_empty() {
        members.push(("unknown", json!(unknown).to_string()));
    }
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}
