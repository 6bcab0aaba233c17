//! Runs as JSON.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Tree, json};

use temporal_code::runs::{InboxMessage, Run, RunProblem, RunValue, StateView, StepView, Waiting};
use temporal_code::time::Timestamp;

/// One item of `tc.runs/1`.
#[derive(Debug, Serialize)]
pub(crate) struct RunShape<'a> {
    run: &'a str,
    workflow: Option<&'a str>,
    status: &'static str,
    since: Option<Timestamp>,
    started_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    waiting_for: Option<Map<String, Tree>>,
    events: Option<u64>,
    format: &'static str,
    result: Option<Box<RawValue>>,
    error: Option<Box<RawValue>>,
    because: Option<&'a str>,
}

impl<'a> From<&'a Run> for RunShape<'a> {
    fn from(run: &'a Run) -> Self {
        RunShape {
            run: &run.id,
            workflow: run.workflow.as_deref(),
            status: run.status.as_str(),
            since: run.since,
            started_at: run.started_at,
            updated_at: run.updated_at,
            ended_at: run.ended_at,
            waiting_for: run.waiting_for.as_ref().map(waiting),
            events: run.events,
            format: run.format.as_str(),
            result: run.result.as_ref().and_then(raw),
            error: run.error.as_ref().and_then(raw),
            because: run.because.as_deref(),
        }
    }
}

/// A value as the JSON that it is.
pub(crate) fn raw(value: &RunValue) -> Option<Box<RawValue>> {
    RawValue::from_string(value.json().into_owned()).ok()
}

/// `{"event": "by"}`, `{"until": "…"}`, `{"retry_at": "…"}`; more members where it is more than that.
pub(crate) fn waiting(waiting: &Waiting) -> Map<String, Tree> {
    let mut members = Map::new();
    let mut put = |key: &str, value: Tree| drop(members.insert(key.to_owned(), value));
    if let Some(first) = waiting.events.first() {
        put("event", json!(first));
    }
    if waiting.events.len() > 1 {
        put("events", json!(waiting.events));
    }
    if let Some(unnamed) = &waiting.unnamed {
        put("event", Tree::Null);
        put("likely", json!(unnamed.likely));
        put("not", json!(unnamed.not));
    }
    if let Some(first) = waiting.children.first() {
        put("child", json!(first));
    }
    if waiting.children.len() > 1 {
        put("children", json!(waiting.children));
    }
    for (key, at) in [("until", waiting.until), ("retry_at", waiting.retry_at)] {
        if let Some(at) = at {
            put(key, json!(at));
        }
    }
    members
}

/// What tells of a message.
#[derive(Debug, Serialize)]
pub(crate) struct InboxMessageShape<'a> {
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    at: Option<Timestamp>,
    #[serde(rename = "type")]
    kind: &'static str,
    id: Option<&'a str>,
    event: Option<&'a str>,
    value: Option<Box<RawValue>>,
    from: Option<&'a str>,
    taken: bool,
}

impl<'a> From<&'a InboxMessage> for InboxMessageShape<'a> {
    fn from(message: &'a InboxMessage) -> Self {
        InboxMessageShape {
            seq: message.seq.map(|seq| seq.number),
            generation: message.seq.map(|seq| seq.generation).filter(|generation| *generation > 1),
            at: message.at,
            kind: message.kind,
            id: message.id.as_deref(),
            event: message.event.as_deref(),
            value: message.value.as_ref().and_then(raw),
            from: message.from.as_deref(),
            taken: message.is_taken,
        }
    }
}

#[derive(Debug, Serialize)]
struct StepShape<'a> {
    step: &'a str,
    kind: &'static str,
    state: &'static str,
    attempts: Option<u64>,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    until: Option<Timestamp>,
    waits_for: &'a [String],
    value: Option<Box<RawValue>>,
    error: Option<Box<RawValue>>,
    compensation: Option<&'static str>,
}

impl<'a> From<&'a StepView> for StepShape<'a> {
    fn from(step: &'a StepView) -> Self {
        StepShape {
            step: &step.step,
            kind: step.kind,
            state: step.state,
            attempts: step.attempts,
            first_at: step.first_at,
            last_at: step.last_at,
            until: step.until,
            waits_for: &step.subjects,
            value: step.value.as_ref().and_then(raw),
            error: step.error.as_ref().and_then(raw),
            compensation: step.compensation,
        }
    }
}

#[derive(Debug, Serialize)]
struct LeaseHolderShape<'a> {
    worker: Option<&'a str>,
    since: Timestamp,
    until: Timestamp,
}

/// What a run has come to.
#[derive(Debug, Serialize)]
pub(crate) struct StateShape<'a> {
    status: &'static str,
    waiting_for: Option<Map<String, Tree>>,
    input: Option<Box<RawValue>>,
    queue: Option<&'a str>,
    parent: Option<&'a str>,
    life: u32,
    generation: u32,
    holder: Option<LeaseHolderShape<'a>>,
    claims: Option<u64>,
    steps: Vec<StepShape<'a>>,
    kept: Vec<InboxMessageShape<'a>>,
    cancel_requested: bool,
    cancel_reason: Option<&'a str>,
    reverting: bool,
}

impl<'a> StateShape<'a> {
    pub(crate) fn new(run: &Run, state: &'a StateView) -> Self {
        StateShape {
            status: run.status.as_str(),
            waiting_for: run.waiting_for.as_ref().map(waiting),
            input: state.input.as_ref().and_then(raw),
            queue: state.queue.as_deref(),
            parent: state.parent.as_deref(),
            life: state.life,
            generation: state.generation,
            holder: state.holder.as_ref().map(|holder| LeaseHolderShape {
                worker: holder.worker.as_deref(),
                since: holder.since,
                until: holder.until,
            }),
            claims: state.claims,
            steps: state.steps.iter().map(StepShape::from).collect(),
            kept: state.kept.iter().map(InboxMessageShape::from).collect(),
            cancel_requested: state.cancel.is_some(),
            cancel_reason: state.cancel.as_ref().and_then(Option::as_deref),
            reverting: state.is_reverting,
        }
    }
}

/// What is wrong with a history, and where.
pub(crate) fn problem(problem: &RunProblem) -> Tree {
    let RunProblem { seq, what, corrupt } = problem;
    let mut members = json!({"seq": seq.number, "problem": what, "corrupt": corrupt});
    if seq.generation > 1 {
        members["generation"] = json!(seq.generation);
    }
    members
}

/// Members that are JSON already, put behind those of `shape`.
pub(crate) fn with_members(shape: &impl Serialize, members: &[(&str, Cow<'_, str>)]) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(shape)?;
    text.pop();
    for (name, value) in members {
        text.extend([",\"", name, "\":", value]);
    }
    text.push('}');
    Ok(text)
}
