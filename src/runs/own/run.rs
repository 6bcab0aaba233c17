//! A run as its history tells of it.

use super::fold::Dated;
use crate::runs::problem::{RunProblem, Seq};
use crate::runs::run::{Run, RunFormat};
use crate::runs::value::RunValue;
use crate::runs::waiting::Waiting;
use crate::time::Timestamp;
use crate::workflow::{Ending, Outcome, ProblemKind, RunState, Status, StepState};

/// A run as its history tells of it.
pub(super) fn run_of(dated: &Dated) -> Run {
    let state = dated.fold.state();
    let waiting = Waiting::from(state.waiting_for());
    let (mut result, mut error, mut because) = (None, None, None);
    match state.ending() {
        Some(Ending::Ok(value)) => result = Some(value.into()),
        Some(Ending::Failed(value)) => error = Some(value.into()),
        Some(Ending::Cancelled(reason)) => because = reason.as_ref().map(ToString::to_string),
        None => error = retried(state),
    }
    if let Some(problem) = state.problem() {
        because = Some(problem.to_string());
    }
    Run {
        id: state.run().to_owned(),
        workflow: state.workflow().map(str::to_owned),
        status: state.status(),
        since: since(dated),
        waiting_for: Some(waiting).filter(|waiting| !waiting.is_nothing()),
        started_at: state.started_at(),
        updated_at: state.updated_at(),
        ended_at: state.ended_at(),
        events: Some(state.events()),
        format: RunFormat::Own,
        result,
        error,
        because,
        problem: problem_of(state),
        generation: state.log().generation(),
    }
}

/// What makes a history corrupt.
pub(super) fn problem_of(state: &RunState) -> Option<RunProblem> {
    let problem = state.problem()?;
    let seq = Seq { generation: state.log().generation(), number: problem.seq };
    let what = match problem.kind {
        // The store says where in its own words.
        ProblemKind::Damaged => format!("it cannot be read from here on: {}", problem.what),
        _ => problem.what.clone(),
    };
    Some(RunProblem { seq, what, corrupt: problem.kind != ProblemKind::Newer })
}

/// The error after which a run is to be tried again.
fn retried(state: &RunState) -> Option<RunValue> {
    if state.status() != Status::Retrying {
        return None;
    }
    if let Some(error) = state.put_off().and_then(|put_off| put_off.error.as_ref()) {
        return Some(error.into());
    }
    let steps = state.open_steps().filter_map(|step| match step.state() {
        StepState::Saved { outcome: Outcome::Retry { error, at }, .. } => Some((error, *at)),
        _ => None,
    });
    let retrying = state.compensation_retried().into_iter().chain(steps);
    retrying.min_by_key(|(_, at)| *at).map(|(error, _)| error.into())
}

/// Since when a run stands as it does: what it waits for was begun then.
fn since(dated: &Dated) -> Option<Timestamp> {
    let state = dated.fold.state();
    let first = |wanted: fn(&StepState) -> bool| {
        let steps = state.open_steps().filter(|step| wanted(step.state()));
        steps.filter_map(|step| dated.at(step.first_seq())).min()
    };
    let found = match state.status() {
        Status::Running => state.claim().map(|claim| claim.since),
        Status::Waiting => first(|step| matches!(step, StepState::Wait(_) | StepState::Child(_))),
        Status::Sleeping => first(|step| matches!(step, StepState::Sleeping(_) | StepState::Wait(_))),
        _ => None,
    };
    found.or(state.updated_at())
}
