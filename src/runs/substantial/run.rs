//! A run of `substantial` as its history and what lies around it tell of it.

use crate::compat::substantial::{Found, History, Standing, Stop, WaitingFor, Zone};
use crate::runs::problem::{RunProblem, Seq};
use crate::runs::run::{Run, RunFormat};
use crate::runs::value::RunValue;
use crate::runs::waiting::{UnnamedMessage, Waiting};
use crate::time::Timestamp;
use crate::workflow::Status;

pub(super) fn run_of(zone: &Zone, found: &Found, history: &History, now: Timestamp) -> Run {
    let standing = Standing::of(found, history, zone, now);
    let (mut result, mut error) = (None, None);
    match history.life().and_then(|life| life.end.as_ref()).map(|end| &end.how) {
        Some(Stop::Ok(payload)) => result = Some(RunValue::from(payload)),
        Some(Stop::Err(payload)) => error = Some(RunValue::from(payload)),
        Some(Stop::Unsaid) | None => {}
    }
    if standing.status == Status::Retrying {
        let replay = found.replays.first().and_then(|replay| replay.error());
        error = replay.and_then(|note| note.error.clone().or(Some(note.message.clone()))).map(RunValue::Text);
    }
    let dates = found.replays.first().map(|replay| zone.point(replay.at()));
    let sent = history.life().and_then(|life| life.sent.last()).and_then(|sent| sent.at).map(|at| zone.point(at));
    let updated_at = [standing.started_at, dates, sent, standing.ended_at].into_iter().flatten().max();
    Run {
        id: found.run.clone(),
        workflow: Some(found.workflow.clone()),
        status: standing.status,
        since: standing.since.or(updated_at),
        waiting_for: standing.waiting_for.and_then(waiting_of),
        started_at: standing.started_at,
        updated_at,
        ended_at: standing.ended_at,
        events: Some(history.events as u64),
        format: RunFormat::Substantial,
        result,
        error,
        because: Some(standing.because).filter(|because| !because.is_empty()),
        problem: problems_of(found, history).into_iter().next(),
        generation: 1,
    }
}

fn waiting_of(waiting: WaitingFor) -> Option<Waiting> {
    let nothing = Waiting::default();
    match waiting {
        WaitingFor::Message { not } => {
            Some(Waiting { unnamed: Some(UnnamedMessage { not, likely: Vec::new() }), ..nothing })
        }
        WaitingFor::Until(until) => Some(Waiting { until: Some(until), ..nothing }),
        WaitingFor::RetryAt(retry_at) => retry_at.map(|at| Waiting { retry_at: Some(at), ..nothing }),
        WaitingFor::Worker => None,
    }
}

/// What is wrong: what no worker can go on from first.
pub(super) fn problems_of(found: &Found, history: &History) -> Vec<RunProblem> {
    let misread = found.reading.as_ref().and_then(|reading| reading.misread.as_ref());
    let misread = misread.map(|misread| RunProblem {
        seq: Seq::first(misread.event.unwrap_or(history.events) as u64 + 1),
        what: format!("at byte {}: {}", misread.byte, misread.what),
        corrupt: true,
    });
    let damage = found.damage().map(|damage| RunProblem { seq: Seq::first(1), what: damage.to_owned(), corrupt: true });
    let odd = history.problems.iter().map(|odd| RunProblem {
        seq: Seq::first(odd.event as u64 + 1),
        what: odd.what.clone(),
        corrupt: odd.corrupt,
    });
    let mut problems: Vec<RunProblem> = misread.into_iter().chain(damage).chain(odd).collect();
    problems.sort_by_key(|problem| (!problem.corrupt, problem.seq));
    problems
}
