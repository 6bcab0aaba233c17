//! What a run of `substantial` has come to: its steps, and what it was told.

use crate::compat::substantial::{
    EventBody, SaveState, SaveStep, StoredRun, SubstantialClient, SubstantialHistory, SubstantialStop,
};
use crate::runs::details::{InboxMessage, LeaseHolder, StateView, StepView};
use crate::runs::problem::Seq;
use crate::runs::run::Run;
use crate::runs::value::RunValue;
use crate::time::Timestamp;

pub(super) fn state_of(
    client: &SubstantialClient,
    found: &StoredRun,
    history: &SubstantialHistory,
    run: &Run,
) -> StateView {
    let Some(life) = history.life() else {
        return StateView { queue: queue_of(found), ..StateView::of(run) };
    };
    let mut steps: Vec<(usize, StepView)> = Vec::new();
    for step in &life.steps {
        let first = step.attempts.first().copied().unwrap_or(0);
        steps.push((first, save_view(step)));
    }
    for sleep in &life.sleeps {
        let over = life.steps.iter().flat_map(|step| &step.attempts).any(|attempt| *attempt > sleep.event);
        let over = over || life.end.is_some();
        let view = StepView {
            state: if over { "done" } else { "sleeping" },
            until: sleep.end,
            first_at: sleep.start,
            last_at: sleep.end.filter(|_| over),
            is_open: !over,
            ..StepView::new("sleep", format!("sleep {}", sleep.id))
        };
        steps.push((sleep.event, view));
    }
    for sent in &life.sent {
        let at = sent.at.map(|at| client.zone().point(at));
        let view = StepView {
            state: if sent.nth == 1 { "done" } else { "unseen" },
            first_at: at,
            last_at: at,
            value: Some((&sent.value).into()),
            ..StepView::new("receive", format!("message {}", sent.name))
        };
        steps.push((sent.event, view));
    }
    steps.sort_by_key(|(event, _)| *event);
    StateView {
        input: Some((&life.kwargs).into()),
        queue: queue_of(found),
        life: u32::try_from(history.lives.len()).unwrap_or(u32::MAX),
        holder: found.lease.map(|lease| LeaseHolder { worker: None, since: lease.since, until: lease.until }),
        steps: steps.into_iter().map(|(_, view)| view).collect(),
        is_reverting: life.end.is_none() && !life.compensations.is_empty(),
        ..StateView::of(run)
    }
}

fn queue_of(found: &StoredRun) -> Option<String> {
    found.schedules.first().map(|schedule| schedule.queue.clone())
}

fn save_view(step: &SaveStep) -> StepView {
    let attempts = Some(step.attempts.len() as u64);
    let view = StepView { attempts, ..StepView::new("save", format!("step {}", step.id)) };
    match &step.state {
        SaveState::Done(payload) => StepView { value: Some(payload.into()), ..view },
        SaveState::Retrying(_) => StepView { state: "retrying", is_open: true, ..view },
    }
}

/// What came, and what is planned and no worker has taken.
pub(super) fn messages(
    client: &SubstantialClient,
    found: &StoredRun,
    history: &SubstantialHistory,
) -> Vec<InboxMessage> {
    let point = |at: Timestamp| client.zone().point(at);
    let mut messages = Vec::new();
    for sent in history.lives.iter().flat_map(|life| &life.sent) {
        messages.push(InboxMessage {
            seq: Some(Seq::first(sent.event as u64 + 1)),
            at: sent.at.map(point),
            event: Some(sent.name.to_string()),
            value: Some((&sent.value).into()),
            is_taken: true,
            ..InboxMessage::new("message")
        });
    }
    for schedule in &found.schedules {
        let Some(body) = schedule.event.as_ref().and_then(|event| event.body.as_ref()) else { continue };
        let (kind, event, value) = match body {
            EventBody::Start(kwargs) => ("start", None, Some(kwargs)),
            EventBody::Send { name, value } => ("message", Some(name.to_string()), Some(value)),
            EventBody::Stop(SubstantialStop::Ok(payload) | SubstantialStop::Err(payload)) => {
                ("stop", None, Some(payload))
            }
            EventBody::Stop(SubstantialStop::Unsaid) => ("stop", None, None),
            EventBody::Save { .. } | EventBody::Sleep { .. } => continue,
        };
        let at = Some(point(schedule.at));
        messages.push(InboxMessage { at, event, value: value.map(RunValue::from), ..InboxMessage::new(kind) });
    }
    messages
}
