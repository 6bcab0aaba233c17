//! What a run of ours has come to: its input, its lease, its steps.

use super::fold::Dated;
use super::inbox::{ending_value, with_content};
use crate::runs::details::{InboxMessage, LeaseHolder, StateView, StepView};
use crate::runs::run::Run;
use crate::workflow::{Call, Child, Compensation, Ending, Message, Outcome, Step, StepState, Wait, WaitState};

pub(super) fn state_of(dated: &Dated, run: &Run) -> StateView {
    let state = dated.fold.state();
    let begun = state.begun();
    StateView {
        input: begun.map(|begun| (&begun.input).into()),
        queue: begun.map(|begun| begun.queue.name()),
        parent: begun.and_then(|begun| begun.parent.as_ref()).map(|parent| parent.run.to_string()),
        life: state.life(),
        holder: state.claim().map(|claim| LeaseHolder {
            worker: Some(claim.worker.to_string()),
            since: claim.since,
            until: claim.until,
        }),
        claims: Some(state.claims()),
        steps: state.steps().map(|step| step_of(dated, step)).collect(),
        kept: state.kept().map(kept).collect(),
        cancel_requested: state.cancel().is_some(),
        cancel_reason: state.cancel().and_then(|request| request.reason.as_ref()).map(ToString::to_string),
        is_reverting: state.is_reverting(),
        ..StateView::of(run)
    }
}

/// A message that went to no wait yet.
fn kept(message: &Message<'static>) -> InboxMessage {
    let blank = with_content(InboxMessage::new("message"), message);
    InboxMessage { at: message.sent_at, is_taken: true, ..blank }
}

fn step_of(dated: &Dated, step: &Step) -> StepView {
    let view = StepView {
        first_at: dated.at(step.first_seq()),
        last_at: dated.at(step.last_seq()),
        compensation: step.compensation().map(compensation_word),
        is_open: step.state().is_open(),
        ..StepView::new(step.state().kind(), name_of(&step.call()))
    };
    match step.state() {
        StepState::Saved { attempts, outcome } => {
            let view = StepView { attempts: Some(*attempts), ..view };
            match outcome {
                Outcome::Done(value) => StepView { value: Some(value.into()), ..view },
                Outcome::Retry { error, at } => {
                    StepView { state: "retrying", until: Some(*at), error: Some(error.into()), ..view }
                }
                Outcome::Failed(error) => StepView { state: "failed", error: Some(error.into()), ..view },
            }
        }
        StepState::Value(value) => StepView { value: Some(value.into()), ..view },
        StepState::Sleeping(until) => StepView { state: "sleeping", until: Some(*until), ..view },
        StepState::Slept(until) => StepView { until: Some(*until), ..view },
        StepState::Wait(wait) => of_wait(view, wait),
        StepState::Child(child) => of_child(view, child),
        StepState::Revert(over) => StepView { state: if *over { "done" } else { "running" }, ..view },
    }
}

/// `charge#1`, as it is.
fn name_of(call: &Call<'_>) -> String {
    format!("{}#{}", call.step, call.n)
}

fn of_wait(view: StepView, wait: &Wait) -> StepView {
    let state = match wait.state() {
        WaitState::Open => "waiting",
        WaitState::Done => "done",
        WaitState::TimedOut => "timed out",
    };
    let value = wait.messages().last().map(|message| (&message.value).into());
    StepView { state, until: wait.until(), value, subjects: wait.events().map(str::to_owned).collect(), ..view }
}

fn of_child(view: StepView, child: &Child) -> StepView {
    let subjects = vec![child.run().to_owned()];
    match child.ending() {
        None => StepView { state: "waiting", subjects, ..view },
        Some(Ending::Ok(value)) => StepView { value: Some(value.into()), subjects, ..view },
        Some(ending) => StepView { state: "failed", error: Some(ending_value(ending)), subjects, ..view },
    }
}

fn compensation_word(compensation: &Compensation) -> &'static str {
    match compensation {
        Compensation::Ready => "ready",
        Compensation::Run { outcome: Outcome::Retry { .. }, .. } => "retrying",
        Compensation::Run { outcome: Outcome::Done(_), .. } => "done",
        Compensation::Run { outcome: Outcome::Failed(_), .. } => "failed",
    }
}
