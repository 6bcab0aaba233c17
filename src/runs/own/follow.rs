//! Following a run of ours from its first event.

use super::fold::{Dated, go_on};
use super::inbox::{InboxTail, read_tail};
use super::log_of;
use super::run::{problem_of, run_of};
use super::state::state_of;
use crate::runs::details::RunDetails;
use crate::runs::event::RunEvent;
use crate::runs::problem::{RunProblem, Seq};
use crate::store::{End, Error, Position, Store};
use crate::workflow::{RunState, Warning};

pub(in crate::runs) async fn follow(
    store: &dyn Store,
    id: &str,
    visit: &mut (dyn FnMut(&RunEvent<'_>) -> bool + Send),
) -> Result<Option<RunDetails>, Error> {
    let Some(log) = log_of(id) else { return Ok(None) };
    let mut dated = Dated::new(log);
    let mut problems = Vec::new();
    let mut reached = go_on(store, &mut dated, visit).await?;
    if dated.fold.state().position() == Position::START && dated.fold.state().problem().is_none() {
        return Ok(None);
    }
    while reached && let Some(log) = dated.fold.state().next_log() {
        if store.end(&log).await.is_ok_and(|end| end == End::START) {
            break;
        }
        problems.extend(odd(dated.fold.state()));
        dated = Dated::new(log);
        reached = go_on(store, &mut dated, visit).await?;
    }
    let state = dated.fold.state();
    problems.splice(0..0, problem_of(state));
    problems.extend(odd(state));
    let InboxTail { kept: inbox, before: inbox_before, problem: inbox_problem } =
        if reached { read_tail(store, state).await? } else { InboxTail::default() };
    let run = run_of(&dated);
    Ok(Some(RunDetails {
        state: state_of(&dated, &run),
        run,
        problems,
        inbox: inbox.into(),
        inbox_before,
        inbox_problem,
        instance: None,
        warnings: Vec::new(),
    }))
}

/// What is odd about a history.
fn odd(state: &RunState) -> impl Iterator<Item = RunProblem> {
    let generation = state.log().generation();
    let problem = move |warning: &Warning| RunProblem {
        seq: Seq { generation, number: warning.seq },
        what: warning.what.clone(),
        corrupt: false,
    };
    state.warnings().iter().map(problem)
}
