//! Following a run of `substantial` from its first event.

use super::event::status_after;
use super::look::{Others, has, read_one};
use super::run::{problems_of, run_of};
use super::state::{messages, state_of};
use crate::compat::substantial::{StoredRun, SubstantialClient, SubstantialFold};
use crate::runs::details::RunDetails;
use crate::runs::event::{NativeEvent, RunEvent};
use crate::runs::problem::Seq;
use crate::store::Error;
use crate::time::Timestamp;

pub(in crate::runs) async fn follow(
    client: &SubstantialClient,
    id: &str,
    now: Timestamp,
    visit: &mut (dyn FnMut(&RunEvent<'_>) -> bool + Send),
) -> Result<Option<RunDetails>, Error> {
    let Some(mut found) = read_one(client, id).await? else { return Ok(None) };
    if found.is_nothing() && !has(client, id).await? {
        return Ok(None);
    }
    if let Some(refusal) = found.refusal() {
        return Err(refusal);
    }
    let events = found.reading.as_ref().map(|reading| reading.events.as_slice()).unwrap_or_default();
    let mut fold = SubstantialFold::default();
    let mut reached = true;
    for event in events {
        fold.event(event);
        let seq = Seq::first(fold.history().events as u64);
        let at = event.at.map(|at| client.zone().point(at));
        let native = NativeEvent::Substantial { event, history: fold.history() };
        if !visit(&RunEvent { seq, at, native }) {
            reached = false;
            break;
        }
    }
    let history = fold.into_history();
    if !reached {
        forget_what_came_later(&mut found);
    }
    let mut run = run_of(client.zone(), &found, &history, now);
    if !reached {
        let after = status_after(&history);
        (run.status, run.waiting_for, run.because) = (after.status, after.waiting_for, None);
        run.since = run.updated_at;
    }
    if let Some(life) = history.life() {
        Others::default().complete(client, &mut run, life).await?;
    }
    Ok(Some(RunDetails {
        state: state_of(client, &found, &history, &run),
        problems: problems_of(&found, &history),
        inbox: messages(client, &found, &history),
        inbox_before: 0,
        inbox_problem: None,
        instance: None,
        warnings: found.warnings.clone(),
        run,
    }))
}

/// What lies around a history tells of its end, and not of an event before.
fn forget_what_came_later(found: &mut StoredRun) {
    (found.schedules, found.schedules_count, found.lease) = (Vec::new(), 0, None);
    (found.replays, found.replays_count) = (Vec::new(), 0);
    if let Some(reading) = &mut found.reading {
        reading.misread = None;
    }
}
