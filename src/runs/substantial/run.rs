//! A run of `substantial` as its history and what lies around it tell of it.

use crate::compat::substantial::{
    StoredRun, SubstantialHistory, SubstantialStatus, SubstantialStop, SubstantialWait, WorkerZone,
};
use crate::runs::problem::{RunProblem, Seq};
use crate::runs::run::{Run, RunFormat};
use crate::runs::value::RunValue;
use crate::runs::waiting::{UnnamedMessage, Waiting};
use crate::time::Timestamp;
use crate::workflow::Status;

pub(super) fn run_of(zone: &WorkerZone, found: &StoredRun, history: &SubstantialHistory, now: Timestamp) -> Run {
    let status = SubstantialStatus::of(found, history, zone, now);
    let (mut result, mut error) = (None, None);
    match history.life().and_then(|life| life.end.as_ref()).map(|end| &end.how) {
        Some(SubstantialStop::Ok(payload)) => result = Some(RunValue::from(payload)),
        Some(SubstantialStop::Err(payload)) => error = Some(RunValue::from(payload)),
        Some(SubstantialStop::Unsaid) | None => {}
    }
    if status.status == Status::Retrying {
        let replay = found.replays.first().and_then(|replay| replay.error());
        error = replay.and_then(|note| note.error.clone().or(Some(note.message.clone()))).map(RunValue::Text);
    }
    let dates = found.replays.first().map(|replay| zone.point(replay.at()));
    let sent = history.life().and_then(|life| life.sent.last()).and_then(|sent| sent.at).map(|at| zone.point(at));
    let updated_at = [status.started_at, dates, sent, status.ended_at].into_iter().flatten().max();
    Run {
        id: found.run.clone(),
        workflow: Some(found.workflow.clone()),
        status: status.status,
        since: status.since.or(updated_at),
        waiting_for: status.waiting_for.and_then(waiting_of),
        started_at: status.started_at,
        updated_at,
        ended_at: status.ended_at,
        events: Some(history.events as u64),
        format: RunFormat::Substantial,
        result,
        error,
        because: Some(status.because).filter(|because| !because.is_empty()),
        problem: problems_of(found, history).into_iter().next(),
        generation: 1,
    }
}

fn waiting_of(waiting: SubstantialWait) -> Option<Waiting> {
    let nothing = Waiting::default();
    match waiting {
        SubstantialWait::Message { not } => {
            Some(Waiting { unnamed: Some(UnnamedMessage { not, likely: Vec::new() }), ..nothing })
        }
        SubstantialWait::Until(until) => Some(Waiting { until: Some(until), ..nothing }),
        SubstantialWait::RetryAt(retry_at) => retry_at.map(|at| Waiting { retry_at: Some(at), ..nothing }),
        SubstantialWait::Worker => None,
    }
}

/// What is wrong: what no worker can go on from first.
pub(super) fn problems_of(found: &StoredRun, history: &SubstantialHistory) -> Vec<RunProblem> {
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
