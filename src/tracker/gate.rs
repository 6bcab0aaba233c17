//! Waiting until what was recorded is in the log, and safe.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// Why what was recorded is not safe in the log yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlushError {
    /// It took too long.
    #[error("the log was not written in time{}", .0.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default())]
    Timeout(Option<String>),
    /// The tracker was closed before.
    #[error("the tracker was closed before all was written{}", .0.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default())]
    Closed(Option<String>),
}

/// Callers ask for rounds of writing; the writer says which are done.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    asked: u64,
    done: u64,
    /// Up to where all is written but the calls of functions that wait to be told what the log has of them.
    written: u64,
    closed: bool,
    /// What keeps the writer from writing.
    trouble: Option<String>,
    wakers: Vec<(u64, Waker)>,
}

impl State {
    fn is_done(&self, round: u64, all: bool) -> bool {
        round <= if all { self.done } else { self.written }
    }

    fn failure(&self, in_time: bool) -> Option<FlushError> {
        match (self.closed, in_time) {
            (true, _) => Some(FlushError::Closed(self.trouble.clone())),
            (false, false) => Some(FlushError::Timeout(self.trouble.clone())),
            (false, true) => None,
        }
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Asks for all that was recorded before to be written, and returns the number of that round.
    pub(super) fn ask(&self) -> u64 {
        let mut state = self.state();
        state.asked += 1;
        state.asked
    }

    /// The round that was asked for last, if it is not done.
    pub(super) fn wanted(&self) -> Option<u64> {
        let state = self.state();
        (state.asked > state.done).then_some(state.asked)
    }

    /// Waits for a round: for `all` of it, or without calls that wait for their functions.
    pub(super) fn wait(&self, round: u64, all: bool, at_most: Duration) -> Result<(), FlushError> {
        let start = Instant::now();
        let mut state = self.state();
        loop {
            if state.is_done(round, all) {
                return Ok(());
            }
            let left = at_most.saturating_sub(start.elapsed());
            if let Some(failure) = state.failure(!left.is_zero()) {
                return Err(failure);
            }
            self.changed.wait_for(&mut state, left);
        }
    }

    /// All rounds up to this one are done, or but for the calls that wait for their functions.
    pub(super) fn open(&self, round: u64, all: bool) {
        let mut state = self.state();
        state.written = state.written.max(round);
        state.done = if all { state.written } else { state.done };
        self.wake(state, |asked| asked <= round);
    }

    /// What keeps the writer from writing, if anything does now. Whoever waits may look whether it is to go on.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        let mut state = self.state();
        let is_trouble = trouble.is_some();
        state.trouble = trouble;
        self.wake(state, |_| is_trouble);
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    /// Waits until no more is written; `false` if that takes too long.
    pub(super) fn wait_closed(&self, at_most: Duration) -> bool {
        let mut state = self.state();
        self.changed.wait_while_for(&mut state, |state| !state.closed, at_most);
        state.closed
    }

    /// No more is written.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        self.wake(state, |_| true);
    }

    fn wake(&self, mut state: MutexGuard<'_, State>, is_due: impl Fn(u64) -> bool) {
        let due = state.wakers.extract_if(.., |(round, _)| is_due(*round)).collect::<Vec<_>>();
        drop(state);
        self.changed.notify_all();
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

/// Waits for a round without holding a thread. The writer, which wakes it, also wakes it after a failure; so it ends in time
/// after its deadline, if it has one.
pub(super) struct Round {
    pub(super) shared: Arc<super::Shared>,
    pub(super) round: u64,
    pub(super) all: bool,
    pub(super) deadline: Option<Instant>,
}

impl Future for Round {
    type Output = Result<(), FlushError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.shared.gate.state();
        if state.is_done(self.round, self.all) {
            return Poll::Ready(Ok(()));
        }
        if let Some(failure) = state.failure(self.deadline.is_none_or(|deadline| Instant::now() < deadline)) {
            return Poll::Ready(Err(failure));
        }
        state.wakers.push((self.round, context.waker().clone()));
        Poll::Pending
    }
}
