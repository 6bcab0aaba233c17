//! Events as workers record them, written short.

use serde_json::json;
use temporal_code::Timestamp;
use temporal_code::workflows::{Call, Ending, Event, Json, Outcome};

use super::Result;

pub(crate) fn value(value: &serde_json::Value) -> Result<Json<'static>> {
    Ok(Json::of(value)?)
}

/// An error as it is written by custom.
pub(crate) fn error(kind: &str, message: &str) -> Result<Json<'static>> {
    value(&json!({ "type": kind, "message": message }))
}

fn save(step: &'static str, attempt: u64, outcome: Outcome<'static>, took_ms: u64) -> Event<'static> {
    let took_us = Some(took_ms * 1_000 + 137);
    Event::Save { call: Call::new(step, 1), attempt, outcome, compensate: false, took_us }
}

/// A step that was done.
pub(crate) fn saved(step: &'static str, result: &serde_json::Value, took_ms: u64) -> Result<Event<'static>> {
    Ok(save(step, 1, Outcome::Done(value(result)?), took_ms))
}

/// A step that was done in a later attempt.
pub(crate) fn saved_at_last(step: &'static str, attempt: u64, result: &serde_json::Value) -> Result<Event<'static>> {
    Ok(save(step, attempt, Outcome::Done(value(result)?), 412))
}

/// An attempt that failed, after which there is another.
pub(crate) fn stumbled(step: &'static str, attempt: u64, error: Json<'static>, retry_at: Timestamp) -> Event<'static> {
    save(step, attempt, Outcome::Retry { error, at: retry_at }, 5_000)
}

/// A step that failed for good.
pub(crate) fn failed(step: &'static str, error: Json<'static>) -> Event<'static> {
    save(step, 1, Outcome::Failed(error), 874)
}

/// The same event of a step that has a compensation.
pub(crate) fn reversible(event: Event<'static>) -> Event<'static> {
    match event {
        Event::Save { call, attempt, outcome, took_us, .. } => {
            Event::Save { call, attempt, outcome, took_us, compensate: true }
        }
        other => other,
    }
}

pub(crate) fn looked_up(step: &'static str, found: &serde_json::Value) -> Result<Event<'static>> {
    Ok(Event::Value { call: Call::new(step, 1), value: value(found)? })
}

pub(crate) fn log(n: u64, level: &'static str, text: &'static str) -> Event<'static> {
    Event::Log { n, text: text.into(), level: Some(level.into()) }
}

pub(crate) fn sleep(step: &'static str, until: Timestamp) -> Event<'static> {
    Event::Sleep { call: Call::new(step, 1), until }
}

pub(crate) fn wake(step: &'static str) -> Event<'static> {
    Event::Wake { call: Call::new(step, 1) }
}

pub(crate) fn wait(step: &'static str, events: &[&'static str], until: Option<Timestamp>) -> Event<'static> {
    let events = events.iter().map(|event| (*event).into()).collect();
    Event::Wait { call: Call::new(step, 1), events, until, take: 0, done: false }
}

pub(crate) fn revert(error: Json<'static>) -> Event<'static> {
    Event::Revert { call: None, error: Some(error) }
}

pub(crate) fn compensated(step: &'static str) -> Event<'static> {
    Event::Compensation { call: Call::new(step, 1), attempt: 1, outcome: Outcome::Done(Json::null()) }
}

pub(crate) fn ok(result: &serde_json::Value) -> Result<Ending<'static>> {
    Ok(Ending::Ok(value(result)?))
}
